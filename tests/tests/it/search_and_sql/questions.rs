//! Searches and the records they find, newest first.

use serde_json::Value;
use tests::api::Api;

use super::data;

/// What is searched, the query, and the `n` of what it finds. `{t1}` is the first trace, `{s2}` the second span.
struct Case(&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    Case("logs", "", "L10 L9 L8 L7 L6 L5 L4 L3 L2 L1"),
    // Words: whole tokens, case ignored.
    Case("logs", "connection refused", "L10 L2 L1"),
    Case("logs", "REFUSED", "L10 L2 L1"),
    Case("logs", "refuse", ""),
    // A bare pattern is for the whole body of a log, or the whole name of a span.
    Case("logs", "cache*", "L6 L5"),
    Case("logs", "refus*", ""),
    Case("spans", "cache*", "S5"),
    Case("logs", "überweisung", "L9"),
    Case("logs", "1234", "L4"),
    Case("logs", "login", "L7"),
    Case("logs", "body:*refused*", "L10 L2 L1"),
    Case("logs", "body:order", ""),
    Case("logs", "body:\"order placed\"", "L3"),
    // Phrases: in this order, next to each other.
    Case("logs", "\"connection refused\"", "L10 L1"),
    Case("logs", "\"refused connection\"", ""),
    Case("logs", "\"connection refused\" payments", "L1"),
    Case("logs", "\"refus*\"", ""),
    // Own fields: the whole value, case kept.
    Case("logs", "service:checkout", "L3 L2 L1"),
    Case("logs", "service:Checkout", ""),
    Case("logs", "service:c*", "L6 L5 L3 L2 L1"),
    Case("logs", "version:1.2.0", "L3 L2 L1"),
    Case("logs", "environment:prod", "L10 L9 L8 L7"),
    Case("logs", "severity:error", "L10 L1"),
    Case("logs", "severity>=warn", "L10 L9 L2 L1"),
    Case("logs", "severity<info", "L6 L5"),
    Case("logs", "level:fatal", "L9"),
    Case("logs", "trace:{t1}", "L1"),
    Case("logs", "span:{s2}", "L1"),
    Case("logs", "event:checkout.started", "L8"),
    // Attributes, of the record or of the resource.
    Case("logs", "http.route:/cart", "L2"),
    Case("logs", "http.route:/cart/*", "L1"),
    Case("logs", "http.route:*", "L3 L2 L1"),
    Case("logs", "NOT http.route:* service:checkout", ""),
    Case("logs", "k8s.pod.name:canary-*", "L5"),
    Case("logs", "resource.k8s.pod.name:stable-1", "L6"),
    Case("logs", "attempts>5", "L2"),
    Case("logs", "attempts>=3", "L2 L1"),
    Case("logs", "attempts<12", "L1"),
    Case("logs", "attempts:12", "L2"),
    Case("logs", "ratio<1", "L10"),
    Case("logs", "user.id:42", "L4 L3"),
    Case("logs", "no.such.attribute:*", ""),
    // Patterns.
    Case("logs", "body:/.*cache.(hit|miss).*/", "L6 L5"),
    Case("logs", "http.route:/\\/o.+/", "L3"),
    // AND is a blank; NOT binds before AND, AND before OR.
    Case("logs", "cache NOT k8s.pod.name:canary-*", "L6"),
    Case("logs", "service:shipping OR service:checkout", "L4 L3 L2 L1"),
    Case("logs", "NOT service:checkout AND severity:error", "L10"),
    Case("logs", "service:shipping OR service:checkout severity:error", "L4 L1"),
    Case("logs", "(service:shipping OR service:checkout) severity:error", "L1"),
    Case("logs", "NOT (service:checkout OR service:catalog OR service:frontend)", "L4"),
    Case("logs", "severity:error AND NOT \"by payments\"", "L10"),
    // Spans.
    Case("spans", "", "S6 S5 S4 S3 S2 S1"),
    Case("spans", "status:error", "S2 S1"),
    Case("spans", "status:unset", "S5 S4"),
    Case("spans", "duration>500ms", "S6 S2 S1"),
    Case("spans", "duration>=2s", "S6"),
    Case("spans", "duration<=1ms", "S5"),
    Case("spans", "service:checkout status:error duration>500ms", "S2"),
    Case("spans", "kind:server", "S4 S2 S1"),
    Case("spans", "kind:consumer OR kind:client", "S6 S3"),
    Case("spans", "name:PlaceOrder", "S2"),
    Case("spans", "name:\"GET /catalog\"", "S4"),
    Case("spans", "name:GET*", "S4 S1"),
    Case("spans", "orders", "S3"),
    Case("spans", "\"connection refused\"", "S2"),
    Case("spans", "trace:{t1}", "S3 S2 S1"),
    Case("spans", "parent:{s1}", "S2"),
    Case("spans", "span:{s4}", "S4"),
    Case("spans", "http.response.status_code:200", "S4"),
    Case("spans", "http.response.status_code>=200", "S4"),
    Case("spans", "http.response.status_code>1000", ""),
    Case("spans", "db.system.name:*", "S3"),
    Case("spans", "NOT service:frontend NOT service:checkout", "S6 S5"),
    // Old and current names, number and text.
    Case("spans", "http.status_code:200", "S4"),
    Case("spans", "http.status_code>=200", "S4"),
    Case("spans", "db.system:postgresql", "S3"),
    // Sets of spans.
    Case("spans", "{ service:frontend }", "S4 S1"),
    Case("spans", "{ service:frontend } > { service:checkout }", "S2"),
    Case("spans", "{ service:frontend } >> { service:checkout }", "S3 S2"),
    Case("spans", "{ service:frontend } > { service:checkout } > { kind:client }", "S3"),
    Case("spans", "{ service:checkout } >> { service:frontend }", ""),
    Case("spans", "{ } > { }", "S5 S3 S2"),
    Case("spans", "NOT ({ } > { })", "S6 S4 S1"),
    Case("spans", "({ service:frontend } >> { status:ok }) OR service:shipping", "S6 S3"),
    Case("spans", "spans where { status:error } > { } duration<1s", "S3 S2"),
    // Joins.
    Case("logs", "trace in spans(service:checkout status:error)", "L1"),
    Case("logs", "logs where trace in spans({ service:frontend } > { service:checkout })", "L1"),
    Case("logs", "trace in spans(service:catalog)", ""),
    Case("logs", "severity:error NOT trace in spans(service:checkout)", "L10"),
    Case("logs", "trace in spans(service:checkout) OR \"order placed\"", "L3 L1"),
    Case("spans", "trace in logs(\"connection refused\")", "S3 S2 S1"),
    Case("spans", "trace in logs(\"connection refused\") kind:server", "S2 S1"),
    Case("spans", "{ trace in logs(refused) } > { kind:client }", "S3"),
    // Traces with a span that matches, by their root.
    Case("traces", "", "T3 T2 T1"),
    Case("traces", "service:checkout", "T1"),
    Case("traces", "status:error", "T1"),
    Case("traces", "\"cache get\"", "T2"),
    Case("traces", "service:nobody", ""),
    Case("traces", "{ service:frontend } > { service:checkout }", "T1"),
    Case("traces", "{ service:frontend } > { }", "T2 T1"),
    Case("traces", "{ service:frontend } AND { service:catalog }", "T2"),
    Case("traces", "{ service:frontend } AND NOT { status:error }", "T2"),
    Case("traces", "NOT { service:frontend }", "T3"),
    Case("traces", "{ service:catalog } OR { kind:consumer }", "T3 T2"),
    Case("traces", "traces where trace in logs(refused)", "T1"),
];

/// Asks every question, compares, and gives back the rows.
pub(super) fn check(api: &Api, when: &str) -> Vec<(String, Value)> {
    let mut wrong = Vec::new();
    let mut answers = Vec::new();
    for Case(kind, q, expected) in CASES {
        let q = with_ids(q);
        let answer = api.search(kind, &q);
        if answer.status != 200 {
            wrong.push(format!("{kind} {q}: {} {}", answer.status, answer.text()));
            continue;
        }
        let rows = answer.json()[*kind].clone();
        let found = names(&rows);
        if found != *expected {
            wrong.push(format!("{kind} {q}: found {found:?} instead of {expected:?}"));
        }
        answers.push((format!("{kind} {q}"), rows));
    }
    assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
    pages(api, when);
    answers
}

fn with_ids(q: &str) -> String {
    let q = q.replace("{t1}", &data::trace(1));
    (1..=6).fold(q, |q, number| q.replace(&format!("{{s{number}}}"), &data::span_text(number)))
}

/// The `n` of each row; traces are known by their id.
fn names(rows: &Value) -> String {
    let name = |row: &Value| match row["attributes"]["n"].as_str() {
        Some(name) => name.to_owned(),
        None => (1..=3)
            .find(|number| row["trace_id"] == data::trace(*number).as_str())
            .map_or_else(|| format!("unknown {row}"), |number| format!("T{number}")),
    };
    rows.as_array().into_iter().flatten().map(name).collect::<Vec<_>>().join(" ")
}

/// Page by page the same rows as at once, and the cursor ends.
fn pages(api: &Api, when: &str) {
    for (kind, all) in
        [("logs", "L10 L9 L8 L7 L6 L5 L4 L3 L2 L1"), ("spans", "S6 S5 S4 S3 S2 S1"), ("traces", "T3 T2 T1")]
    {
        let mut found = Vec::new();
        let mut path = format!("/api/{kind}?limit=2");
        loop {
            let page = api.json(&path);
            found.push(names(&page[kind]));
            let Some(cursor) = page["cursor"].as_str() else { break };
            assert!(found.len() <= 6, "{when}: {kind}: the cursor does not end");
            path = format!("/api/{kind}?limit=2&cursor={}", tests::http::percent_encoded(cursor));
        }
        let found: Vec<_> = found.into_iter().filter(|names| !names.is_empty()).collect();
        assert_eq!(found.join(" "), all, "{when}: {kind} page by page");
    }
}
