use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use axum::Extension;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use model::{Answer, Batch, Reader, Signal, TenantName, schema};
use tower::ServiceExt;

use super::*;
use crate::pages::checks;

const MINUTE: i64 = 60_000_000_000;

/// A column of spans that says nothing.
fn plain(field: &Field, count: usize) -> ArrayRef {
    match field.data_type() {
        DataType::List(item) => Arc::new(ListArray::new_null(Arc::clone(item), count)),
        kind if field.is_nullable() => new_null_array(kind, count),
        DataType::Float64 => Arc::new(Float64Array::from_value(1.0, count)),
        DataType::Int64 => Arc::new(Int64Array::from_value(0, count)),
        kind => {
            let text = if schema::is_json(field) { "{}" } else { "x" };
            cast(&StringArray::from(vec![text; count]), kind).unwrap()
        }
    }
}

/// A call of payment in each of forty minutes around the incident, slow and failed while it lasts.
fn calls() -> Batch {
    let minutes = -30..10_i64;
    let count = minutes.clone().count();
    let is_bad = |minute: i64| (0..5).contains(&minute);
    let starts: Vec<i64> = minutes.clone().map(|minute| sample::START + minute * MINUTE).collect();
    let durations: Vec<i64> =
        minutes.clone().map(|minute| if is_bad(minute) { 797_000_000 } else { 61_000_000 }).collect();
    let ends: Vec<i64> = starts.iter().zip(&durations).map(|(start, duration)| start + duration).collect();
    let times = |times: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
    };
    let ids = |width: usize| -> ArrayRef {
        let ids = (1..=count).map(|number| vec![number as u8; width]);
        Arc::new(FixedSizeBinaryArray::try_from_iter(ids).unwrap())
    };
    let texts = |text: &dyn Fn(i64) -> &'static str| -> ArrayRef {
        Arc::new(minutes.clone().map(|minute| Some(text(minute))).collect::<StringArray>())
    };
    let given = [
        ("trace_id", ids(16)),
        ("span_id", ids(8)),
        ("service_name", texts(&|_| "payment")),
        ("name", texts(&|_| "charge card")),
        ("kind", texts(&|_| "server")),
        ("status_code", texts(&|minute| if is_bad(minute) { "error" } else { "unset" })),
        ("start_time", times(starts)),
        ("end_time", times(ends)),
        ("duration_ns", Arc::new(Int64Array::from(durations))),
    ];
    let wire = schema::wire(Signal::Spans);
    let columns =
        wire.fields().iter().map(|field| match given.iter().find(|(name, _)| name == field.name()) {
            Some((_, column)) => cast(column, field.data_type()).unwrap(),
            None => plain(field, count),
        });
    let rows = RecordBatch::try_new(Arc::clone(&wire), columns.collect()).unwrap();
    Batch { signal: Signal::Spans, rows, payload_hash: 1, repeatable: true, answer: Answer::default() }
}

/// All pages over a store with one incident and the calls of its first suspect, as a tenant sees them.
async fn pages(folder: &std::path::Path) -> (storage::Store, Router) {
    let store = storage::Store::open(folder, storage::Options::for_memory(1 << 30)).unwrap();
    let engine = query::Engine::new(store.clone(), query::Limits::default()).unwrap();
    let diagnostics = diagnosis::Diagnostics::new(engine.clone());
    let reader = Reader::of(TenantName::default());
    store.write(&reader.tenant, calls()).await.unwrap();
    diagnostics.put_incident(&reader, &sample::incident()).await.unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 4317));
    let endpoints = Endpoints { otlp_grpc: nowhere, otlp_http: nowhere };
    let dashboards = Dashboards::new(folder.join("dashboards"), engine.promql_options());
    let ui = Ui { engine, diagnostics, dashboards, endpoints, version: "0.1.0" };
    (store, router(ui).layer(Extension(reader)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_incident_is_listed_shown_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, router) = pages(folder.path()).await;
    for (address, status, part) in [
        ("/incidents", 200, "Checkout is slow and fails"),
        ("/incidents?t=now-1h", 200, "No incident in this time"),
        ("/incidents?t=2025-11-21T09:04:00Z..2025-11-21T10:00:00Z", 200, "href=\"/incidents/i-0001\""),
        ("/incidents?t=pink", 400, "now-15m"),
        ("/incidents?tz=Asia/Tokyo", 200, "<time datetime=\"2025-11-21T09:00:00.12Z\""),
        ("/incidents?tz=Asia/Tokyo", 200, ">2025-11-21 18:00:00</time>"),
        ("/incidents?tz=Asia/Tokyo", 200, "All times are in Asia/Tokyo"),
        ("/incidents?tz=pink", 400, "such as UTC or Europe/Berlin"),
        ("/preferences", 200, "Keep"),
        ("/preferences/keep?zone=Mars", 400, "such as UTC or Europe/Berlin"),
        ("/", 200, "Nothing is wrong since"),
        (
            "/incidents/i-0001",
            200,
            "Errors per minute of payment: at most 1 in the shaded time, 0 outside of it",
        ),
        ("/incidents/i-0001", 200, "95th percentile of payment: at most 79"),
        ("/incidents/i-0001", 200, "No span of it is stored in this time any more."),
        ("/incidents/i-0001.md", 200, "# Checkout is slow and fails"),
        ("/incidents/i-0001.html", 200, "http://shop.example:4319/incidents/i-0001"),
        ("/incidents/i-0001.html", 200, "Calls per minute of payment: at most 1 in the shaded time"),
        ("/incidents/none", 404, "there is no incident"),
        ("/incidents/none.md", 404, "there is no incident"),
        ("/explain", 200, "the newest 15 minutes that have spans"),
        ("/explain?t=now-15m", 200, "There is not enough to tell"),
        ("/explain?t=now-15m&service=cart&vs=now-1h..now-30m", 200, "There is not enough to tell"),
        ("/explain?t=pink", 400, "now-15m"),
        ("/explain?t=now-15m&vs=now-1h", 400, "a baseline has a `from` and a `to`"),
        ("/explain?t=now-90d", 400, "31 days"),
    ] {
        let request = Request::get(address).header("host", "shop.example:4319").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (found, headers) = (response.status().as_u16(), response.headers().clone());
        let body = checks::body(response).await;
        assert_eq!(found, status, "{address}: {body}");
        assert!(body.replace("&#39;", "'").replace("&#96;", "`").contains(part), "{address}: {body}");
        let is_kept = status == 200 && (address.ends_with(".md") || address.ends_with(".html"));
        assert_eq!(headers.contains_key(CONTENT_DISPOSITION), is_kept, "{address}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let is_own = policy.starts_with("default-src 'none'; style-src 'sha256-");
        assert_eq!(is_own, is_kept && address.ends_with(".html"), "{address}: {policy}");
        if address.ends_with(".md") && is_kept {
            assert_eq!(headers[CONTENT_TYPE], "text/markdown; charset=utf-8");
            assert_eq!(headers[CONTENT_DISPOSITION], "attachment; filename=\"incident-i-0001.md\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_maps_comparisons_and_sql_are_read_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, router) = pages(folder.path()).await;
    for (address, status, part) in [
        ("/services/payment?t=2025-11-21T08:30:00Z..2025-11-21T09:10:00Z", 200, "charge card"),
        (
            "/services/payment?t=&sel=2025-11-21T09:00:00Z..2025-11-21T09:05:00Z,500ms..",
            200,
            "500 ms and longer",
        ),
        ("/services/none?t=", 404, "No span of <bdi>none</bdi> in this time"),
        ("/services/payment?t=&sel=1..2,x", 400, "100ms..2s"),
        ("/map?t=", 200, "Map around <bdi>payment</bdi>"),
        ("/map?t=&hops=all", 200, "1 node, 0 edges"),
        ("/map?t=&service=none", 200, "Nothing is known around <bdi>none</bdi>"),
        ("/compare", 200, "What should be compared?"),
        (
            "/compare?sel=2025-11-21T09:00:00Z..2025-11-21T09:05:00Z&vs=2025-11-21T08:30:00Z..2025-11-21T09:10:00Z",
            200,
            "<code>error</code>",
        ),
        ("/compare?q=a%20AND&sel=now-1h..now", 400, "This search is not right"),
        (
            "/compare?sel=00000000000000000000000000000001&vs=00000000000000000000000000000002",
            404,
            "is stored",
        ),
        ("/promql?t=pink", 400, "now-15m"),
        ("/promql?step=x", 400, "15s"),
        ("/sql", 200, "Slowest traces"),
        ("/sql?q=SELECT%20count(*)%20AS%20n%20FROM%20spans", 200, "<small>bigint</small>"),
        ("/sql?q=SELECT%201&as=plan", 200, "The plan"),
        ("/sql?q=SELECT%20FROM", 400, "This query is not right"),
        ("/sql/words", 200, "service_name"),
        ("/sql/rows.txt", 404, "no page"),
        ("/sql/%ff", 400, "UTF-8"),
        ("/services/%ff", 400, "UTF-8"),
        ("/services/pay%20day?t=", 404, "No span of <bdi>pay day</bdi>"),
        ("/incidents/%ff", 400, "<dt>Parameter</dt><dd><code>incident</code>"),
        ("/traces/%ff", 400, "aria-label=\"Pages\""),
        ("/traces/%ff/detail", 400, "UTF-8"),
        ("/traces/%c3%28/file", 400, "UTF-8"),
        ("/traces/xyz", 400, "32 hexadecimal digits"),
    ] {
        let request = Request::get(address).header("host", "shop.example:4319").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let found = response.status().as_u16();
        let body = checks::body(response).await;
        assert_eq!(found, status, "{address}: {body}");
        assert!(body.contains(part), "{address}: {part} is not in {body}");
    }
    for (name, kind, part) in [
        ("rows.csv", "text/csv; charset=utf-8", "one\n1\n"),
        ("rows.ndjson", "application/x-ndjson", "{\"one\":1}\n"),
    ] {
        let address = format!("/sql/{name}?q=SELECT%201%20AS%20one");
        let response =
            router.clone().oneshot(Request::get(address).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], kind);
        assert_eq!(response.headers()[CONTENT_DISPOSITION], format!("attachment; filename=\"{name}\""));
        assert_eq!(checks::body(response).await, part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_is_kept_has_its_times_in_utc() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, router) = pages(folder.path()).await;
    let address = format!("/traces/{}/file?tz=Asia/Tokyo", "01".repeat(16));
    let request = Request::get(address).header("host", "shop.example:4319").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert!(response.headers().contains_key(CONTENT_DISPOSITION));
    let body = checks::body(response).await;
    let (_, written) = body.split_once("written <time datetime=\"").unwrap();
    let (exact, rest) = written.split_at("2025-11-21T09:00:00".len());
    assert!(rest.contains(&format!(">{}</time> UTC by Causeway", exact.replace('T', " "))), "{written}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let router = security_headers(Router::new().route("/", get(|| async { "x" })));
    for address in ["/", "/nowhere"] {
        let response =
            router.clone().oneshot(Request::get(address).body(Body::empty()).unwrap()).await.unwrap();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.ends_with("frame-ancestors 'none'"), "{policy}");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[REFERRER_POLICY], "same-origin");
    }
}

#[tokio::test]
async fn an_answer_may_bring_its_own_policy() {
    let own = [(CONTENT_SECURITY_POLICY, "sandbox")];
    let router = security_headers(Router::new().route("/", get(move || async move { (own, "x") })));
    let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "sandbox");
}

/// Sends a form, and gives the status, where it leads, and the answer.
async fn post(router: &Router, address: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
    let encode = |text: &str| address::Address::new("").with("x", text).to_string().replacen("?x=", "", 1);
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = Request::post(address).header("host", "shop.example:4319");
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = router.clone().oneshot(request.body(Body::from(body.join("&"))).unwrap()).await.unwrap();
    let leads = response.headers().get(http::header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    (response.status().as_u16(), leads.unwrap_or_default(), checks::body(response).await)
}

async fn get_page(router: &Router, address: &str) -> (u16, String) {
    let request = Request::get(address).header("host", "shop.example:4319").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), checks::body(response).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_are_listed_shown_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("dashboards");
    std::fs::create_dir(&own).unwrap();
    let hostile = format!(
        "title = {0}\ndescription = {0}\ntags = [{0}]\n[[variable]]\nname = \"v\"\nkind = \"list\"\nvalues = [{0}]\nmulti = true\n\
         [[panel]]\ntitle = {0}\nkind = \"text\"\nrow = {0}\ntext = {0}\ndescription = {0}\n\
         [[panel]]\nkind = \"stat\"\n[[panel.query]]\nexpr = 'vector(1)'\nlegend = {0}",
        serde_json::Value::from(sample::HOSTILE)
    );
    std::fs::write(own.join("hostile.toml"), hostile).unwrap();
    std::fs::write(own.join("broken.toml"), "title = \"Broken\"\ncolour = 1").unwrap();
    let (_store, router) = pages(folder.path()).await;
    for (address, status, part) in [
        ("/dashboards", 200, "Causeway itself"),
        ("/dashboards", 200, "line 2: unknown field"),
        ("/dashboards?q=jvm+runtime", 200, "0 of 5 dashboards"),
        ("/dashboards?q=runtime&tag=opentelemetry", 200, "1 of 5 dashboards"),
        ("/dashboards/none", 404, "there is no dashboard"),
        ("/dashboards/%ff", 400, "<code>dashboard</code>"),
        ("/dashboards/broken", 200, "Mend it"),
        ("/dashboards/broken/edit", 200, "unknown field"),
        ("/dashboards/hostile", 200, "Waiting for its answer"),
        ("/dashboards/hostile?whole=1", 200, "words-of"),
        ("/dashboards/hostile?t=pink", 400, "now-15m"),
        ("/dashboards/hostile?refresh=1s", 400, "one of off, 10s"),
        ("/dashboards/hostile/edit", 200, "Edit "),
        ("/dashboards/service?t=now-1h", 200, "Whom it calls"),
        ("/dashboards/service/edit", 200, "value=\"service-copy\""),
        ("/dashboards/new", 200, "A new dashboard"),
        ("/dashboards/import", 200, "of Grafana"),
    ] {
        let (found, page) = get_page(&router, address).await;
        assert_eq!(found, status, "{address}: {page}");
        assert!(page.contains(part), "{address}: {part} is not in {page}");
        checks::is_sound(&format!("dashboards-{}", address.replace(['/', '?', '&'], "-")), &page);
    }
    let (status, panel) = get_page(&router, "/dashboards/hostile/panel?n=1").await;
    assert_eq!(status, 200);
    assert!(panel.contains("<div class=\"words-of\">") && !panel.contains("<img"), "{panel}");
    let (status, page) = get_page(&router, "/dashboards/hostile/panel?n=3").await;
    assert_eq!(status, 400);
    assert!(page.contains("one of 2 panels"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_are_written_changed_and_imported() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, router) = pages(folder.path()).await;
    let file = folder.path().join("dashboards/mine.toml");
    let text = "title = \"Mine\"\r\n";
    let (status, leads, _) = post(&router, "/dashboards/new", &[("name", "mine"), ("text", text)]).await;
    assert_eq!((status, leads.as_str()), (303, "/dashboards/mine"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "title = \"Mine\"\n");
    // There is nothing to be drawn or asked anew.
    for address in ["/dashboards/mine?refresh=10s", "/dashboards/mine?refresh=10s&whole=1"] {
        let (status, page) = get_page(&router, address).await;
        assert_eq!(status, 200, "{address}");
        assert!(page.contains("No panel"), "{address}: {page}");
        assert!(
            !page.contains("http-equiv=\"refresh\"") && !page.contains("data-refresh"),
            "{address}: {page}"
        );
    }
    let (_, editor) = get_page(&router, "/dashboards/mine/edit").await;
    let (_, rest) = editor.split_once("name=\"hash\" value=\"").unwrap();
    let hash = rest.split_once('"').unwrap().0;
    let with = |text| [("hash", hash), ("text", text)];
    for (address, fields, status, part) in [
        ("/dashboards/new", [("name", "mine"), ("text", text)], 409, "choose another name"),
        ("/dashboards/new", [("name", "../mine"), ("text", text)], 400, "cannot be the name"),
        ("/dashboards/mine/edit", with("title = 1"), 400, "line 1: "),
        ("/dashboards/mine/edit", [("hash", "old"), ("text", text)], 409, "was changed since"),
        ("/dashboards/none/edit", with(text), 404, "there is no dashboard"),
        ("/dashboards/check", [("form", "toml"), ("text", "title = 1")], 200, "line 1: "),
        ("/dashboards/check", [("form", "toml"), ("text", text)], 200, "The text is right"),
        ("/dashboards/import", [("form", ""), ("text", "{}")], 400, "an object with"),
        (
            "/dashboards/import",
            [("form", ""), ("text", "{\"title\": \"My Own\", \"panels\": [{\"type\": \"news\"}]}")],
            200,
            "value=\"my-own\"",
        ),
        (
            "/dashboards/import",
            [("form", ""), ("text", "{\"panels\": [{\"type\": \"news\"}]}")],
            200,
            "What was left out",
        ),
        ("/dashboards/mine/edit", [("hash", hash), ("form", "toml")], 400, "text"),
    ] {
        let (found, _, page) = post(&router, address, &fields).await;
        assert_eq!(found, status, "{address} {fields:?}: {page}");
        assert!(page.contains(part), "{address} {fields:?}: {part} is not in {page}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "title = \"Mine\"\n");
    let (status, leads, _) = post(&router, "/dashboards/mine/edit", &with("title = \"Ours\"")).await;
    assert_eq!((status, leads.as_str()), (303, "/dashboards/mine"));
    assert!(get_page(&router, "/dashboards/mine").await.1.contains("Ours"));
}
