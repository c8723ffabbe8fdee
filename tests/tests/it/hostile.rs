//! Hostile text in every field that a sender fills, keys and names of metrics included: it is stored, found again, and on
//! every page it is text.

use bytes::Bytes;
use serde_json::{Value, json};
use tests::harness::Server;
use tests::http::Request;

use crate::support::Home;

/// What is sent, and what the browser test sends too.
const CORPUS: &str = include_str!("../../clients/browser/hostile.json");
/// When all of it was, in Unix nanoseconds.
const TIME: u64 = 1_700_000_000_000_000_000;

/// The elements that pages are made of. What is not here came out of telemetry.
const ELEMENTS: [&str; 90] = [
    "a",
    "aside",
    "article",
    "abbr",
    "b",
    "bdi",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "circle",
    "code",
    "col",
    "colgroup",
    "dd",
    "defs",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "em",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "header",
    "html",
    "i",
    "input",
    "kbd",
    "label",
    "legend",
    "li",
    "line",
    "link",
    "main",
    "mark",
    "meta",
    "nav",
    "noscript",
    "ol",
    "option",
    "output",
    "p",
    "path",
    "pattern",
    "polygon",
    "polyline",
    "pre",
    "rect",
    "script",
    "search",
    "section",
    "select",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "svg",
    "symbol",
    "table",
    "tbody",
    "td",
    "template",
    "text",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
    "use",
    "var",
    "tspan",
    "datalist",
    "service-charts",
    "sql-editor",
];
/// Beside elements of our own, which begin so.
const OWN: &str = "causeway-";

/// A text with its name.
fn corpus() -> Vec<(String, String)> {
    let corpus: Vec<Value> = serde_json::from_str(CORPUS).expect("the corpus is JSON");
    let text = |one: &Value| {
        let times = one["times"].as_u64().unwrap_or(1) as usize;
        one["text"].as_str().expect("each has a text").repeat(times)
    };
    corpus.iter().map(|one| (one["name"].as_str().expect("a name").to_owned(), text(one))).collect()
}

fn attributes(text: &str) -> Value {
    let own = json!({ "stringValue": text });
    let nested = json!({ "kvlistValue": { "values": [{ "key": text, "value": { "arrayValue": { "values": [own] } } }] } });
    json!([{ "key": text, "value": own }, { "key": "nested", "value": nested }, { "key": "plain", "value": own }])
}

fn resource(text: &str) -> Value {
    let names = ["service.name", "service.namespace", "service.version", "service.instance.id"];
    let names = names.map(|key| json!({ "key": key, "value": { "stringValue": text } }));
    let mut all = attributes(text);
    all.as_array_mut().expect("a list").extend(names);
    json!({ "attributes": all })
}

fn scope(text: &str) -> Value {
    json!({ "name": text, "version": text, "attributes": attributes(text) })
}

fn ids(number: usize) -> (String, String) {
    (format!("{:032x}", number + 1), format!("{:016x}", number + 1))
}

fn spans(number: usize, text: &str) -> Value {
    let (trace_id, span_id) = ids(number);
    let time = |after: u64| (TIME + number as u64 * 1_000_000 + after).to_string();
    let span = json!({
        "traceId": trace_id, "spanId": span_id, "name": text, "kind": 2, "traceState": text,
        "startTimeUnixNano": time(0), "endTimeUnixNano": time(500_000), "attributes": attributes(text),
        "status": { "code": 2, "message": text },
        "events": [{ "timeUnixNano": time(10), "name": text, "attributes": attributes(text) }],
        "links": [{ "traceId": trace_id, "spanId": span_id, "traceState": text, "attributes": attributes(text) }],
    });
    json!({ "resourceSpans": [{ "resource": resource(text), "schemaUrl": text,
        "scopeSpans": [{ "scope": scope(text), "schemaUrl": text, "spans": [span] }] }] })
}

fn logs(number: usize, text: &str) -> Value {
    let (trace_id, span_id) = ids(number);
    let own = json!({ "stringValue": text });
    let structured = json!({ "kvlistValue": { "values": [{ "key": text, "value": own }] } });
    let log = |after: u64, body: &Value, traced: bool| {
        json!({
            "timeUnixNano": (TIME + number as u64 * 1_000_000 + after).to_string(), "severityNumber": 17,
            "severityText": text, "body": body, "eventName": text, "attributes": attributes(text),
            "traceId": if traced { trace_id.as_str() } else { "" }, "spanId": if traced { span_id.as_str() } else { "" },
        })
    };
    let records = [log(1, &own, true), log(2, &structured, true), log(3, &own, false)];
    json!({ "resourceLogs": [{ "resource": resource(text), "schemaUrl": text,
        "scopeLogs": [{ "scope": scope(text), "schemaUrl": text, "logRecords": records }] }] })
}

fn metrics(number: usize, text: &str) -> Value {
    let point = json!({ "timeUnixNano": (TIME + number as u64 * 1_000_000).to_string(), "asDouble": 1.5,
        "attributes": attributes(text) });
    let metric =
        json!({ "name": text, "unit": text, "description": text, "gauge": { "dataPoints": [point] } });
    json!({ "resourceMetrics": [{ "resource": resource(text), "schemaUrl": text,
        "scopeMetrics": [{ "scope": scope(text), "schemaUrl": text, "metrics": [metric] }] }] })
}

fn send(server: &Server, path: &str, body: &Value) {
    let request = Request::post(path, "application/json", Bytes::from(body.to_string()));
    let answer = server.otlp_http().send(&request).expect("the server answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The pages, each with parameters that reach as many fields as it shows.
fn addresses() -> Vec<String> {
    let around = "t=2023-11-14T22:13:00Z..2023-11-14T22:14:00Z";
    let (trace, span) = ids(0);
    let mut all: Vec<String> = [
        "/",
        "/start",
        "/services",
        "/incidents",
        "/explain",
        "/status",
        "/map",
        "/sql",
        "/compare",
        "/preferences",
        "/search",
        "/search?tab=spans",
        "/search?tab=logs",
        "/search?tab=templates",
        "/search?tab=templates&sort=-first",
        "/search?tab=spans&sort=-duration",
        "/search?tab=logs&sort=-severity",
        "/search?tab=logs&cols=message,plain,nested,instance,scope,event,template&by=plain,nested",
        "/search?tab=spans&cols=name,plain,nested,instance,scope&by=plain",
    ]
    .map(|page| format!("{page}{}{around}", if page.contains('?') { '&' } else { '?' }))
    .to_vec();
    all.push(format!("/traces/{trace}"));
    all.push(format!("/traces/{trace}?span={span}"));
    all
}

/// Every page with an open row, as the list of rows leads to it.
fn open_rows(server: &Server, kind: &str) -> Vec<String> {
    let rows = server.api().rows(kind, "");
    let time = if kind == "logs" { "time" } else { "start" };
    let text = |row: &Value, key: &str| row[key].as_str().expect("text").to_owned();
    let open = |row: &Value| format!("{}.{}", text(row, time), text(row, "id"));
    let around = if kind == "logs" { ".stream.10" } else { "" };
    rows.iter().map(|row| format!("/search?tab={kind}&open={}{around}", open(row))).collect()
}

/// The tags of a page: names and the rest.
fn tags(page: &str) -> Vec<(String, &str)> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let mut quoted = false;
            let end = rest.find(|letter| {
                quoted ^= letter == '"';
                letter == '>' && !quoted
            });
            let tag = &rest[..end.expect("every tag ends")];
            let name =
                tag.split(|letter: char| letter.is_whitespace() || letter == '/').next().unwrap_or_default();
            tags.push((name.to_ascii_lowercase(), tag));
        }
    }
    tags
}

/// The names of a tag's attributes, with their values.
fn attributes_of(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start();
    while !rest.is_empty() && rest != "/" {
        let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix("=\"") {
            (value, rest) = quoted.split_once('"').expect("every quote ends");
        }
        found.push((name, value));
        rest = rest.trim_start();
    }
    found
}

fn assert_is_text(address: &str, page: &str) {
    for (name, tag) in tags(page) {
        let known = ELEMENTS.contains(&name.as_str()) || name.starts_with(OWN);
        let start: String = tag.chars().take(200).collect();
        assert!(known, "{address}: telemetry became an element: <{start}");
        for (attribute, value) in attributes_of(tag) {
            assert!(!attribute.starts_with("on") && attribute != "style", "{address}: <{start}");
            let leads = matches!(attribute, "href" | "src" | "action" | "formaction");
            assert!(
                !leads || value.starts_with(['/', '#']),
                "{address}: {attribute} leads elsewhere: <{start}"
            );
            assert!(
                name != "script" || attribute != "src" || value.starts_with("/assets/"),
                "{address}: <{start}"
            );
        }
        let is_code = name == "script" && !tag.contains("src=");
        assert!(!is_code || tag.contains("type=\"application/json\""), "{address}: inline script: <{start}");
    }
}

#[test]
fn hostile_text_is_text_on_every_page() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let corpus = corpus();
    assert!(corpus.iter().any(|(_, text)| text.len() > 64 << 10), "a name of 64 KiB is among them");
    for (number, (_, text)) in corpus.iter().enumerate() {
        send(&server, "/v1/traces", &spans(number, text));
        send(&server, "/v1/logs", &logs(number, text));
        send(&server, "/v1/metrics", &metrics(number, text));
    }
    let api = server.api();
    // All of it is stored as it was sent: in the order of arrival, newest first.
    let spans = api.rows("spans", "");
    let names: Vec<&str> = spans.iter().rev().map(|row| row["name"].as_str().expect("a name")).collect();
    let sent: Vec<&str> = corpus.iter().map(|(_, text)| text.as_str()).collect();
    assert!(names == sent, "names of spans are those that were sent");
    for state in ["fresh", "compacted"] {
        let rows = open_rows(&server, "logs").into_iter().chain(open_rows(&server, "spans"));
        for address in addresses().into_iter().chain(rows) {
            let answer = api.get(&address);
            // A page that another version has is no failure of this one; what it says of that is checked all the same.
            assert!(
                [200, 404].contains(&answer.status),
                "{state} {address}: {} {}",
                answer.status,
                answer.text()
            );
            assert_is_text(&address, &answer.text());
        }
        let page = api.get("/search?tab=logs").text();
        assert!(
            page.contains("&#60;script&#62;window.hostile=1&#60;/script&#62;"),
            "{state}: the text is shown"
        );
        api.compact();
    }
}

#[test]
fn the_check_finds_what_it_looks_for() {
    for (page, fine) in [
        ("<p class=\"a\">onerror=x &lt;img&gt;</p>", true),
        ("<img src=\"/x\">", false),
        ("<b onclick=\"x\">", false),
        ("<a href=\"javascript:x\">", false),
        ("<p style=\"x\">", false),
        ("<script>x</script>", false),
        ("<script src=\"/assets/a.js\"></script>", true),
    ] {
        let page = page.to_owned();
        let found = std::panic::catch_unwind(|| assert_is_text("/x", &page));
        assert_eq!(found.is_ok(), fine, "{page}");
    }
}
