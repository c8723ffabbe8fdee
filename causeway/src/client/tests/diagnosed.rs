//! What is wrong, what went wrong and what was changed, as they are shown.

use super::*;

/// A time in 2026 in nanoseconds, and so many seconds later.
fn time(seconds: i64) -> String {
    (1_795_252_440_000_000_000 + seconds * 1_000_000_000).to_string()
}

fn suspect() -> Value {
    json!({
        "service": "pricing", "namespace": null, "environment": "prod", "instance": "pricing-1", "kind": "cpu",
        "target": {"type": "resource", "resource": "cpu"}, "score": 0.81, "summary": "pricing lacks processor",
        "evidence": [
            {"kind": "metric", "statement": "cpu of pricing-1 is full", "value": 0.98, "expected": 0.34, "unit": "1",
             "query": "SELECT 1", "href": null},
            {"kind": "own_time", "statement": "in pricing `GET /price` itself", "value": 1.5e9, "expected": 2e6,
             "unit": "ns", "query": null, "href": "/search?q=x"},
            {"kind": "trace", "statement": "trace 00 shows it", "value": null, "expected": null, "unit": "",
             "query": null, "href": "/traces/00?span=1#s-1"},
        ],
    })
}

fn baseline() -> Value {
    json!({"from": time(-600), "to": time(-300), "minutes": 4, "why": "the quietest"})
}

/// Answers by the service that is asked about.
async fn diagnose(Json(question): Json<Value>) -> Response {
    let status = match question["service"].as_str() {
        Some("calm") => "quiet",
        Some("empty") => "not_enough",
        Some("bad") => return wrong(),
        _ => "ok",
    };
    assert_eq!(question["from"], "2026-11-21T09:14:00.000000000Z", "{question}");
    let mut suspects = if status == "ok" { vec![suspect()] } else { Vec::new() };
    if question["service"] == "many" {
        let mut harmless = suspect();
        harmless["score"] = json!(0.004);
        suspects.push(harmless);
    }
    let baseline = if status == "not_enough" { Value::Null } else { baseline() };
    Json(json!({"status": status, "message": "as it is", "baseline": baseline, "suspects": suspects,
        "partial": null, "elapsed_ms": 7}))
    .into_response()
}

fn change(asked: &Value) -> Value {
    json!({"id": "c1", "time": time(0), "kind": asked["kind"], "service": asked["service"], "namespace": null,
        "environment": null, "version": asked["version"], "text": asked["text"], "source": "api"})
}

async fn mark(Json(asked): Json<Value>) -> Response {
    if asked["service"] == "bad" {
        return wrong();
    }
    (StatusCode::CREATED, Json(change(&asked))).into_response()
}

fn incident(open: bool) -> Value {
    let operation = json!({"service": "cart", "operation": "GET /", "signal": "duration", "value": 2e9,
        "expected": 1e6, "unit": "ns", "start": time(0)});
    json!({
        "id": "i/1", "title": "cart is slow", "start": time(0), "end": if open { Value::Null } else { time(90).into() },
        "services": ["cart", "front"], "operations": [operation], "traffic_share": 0.25, "suspects": [suspect()],
        "baseline": baseline(), "changes": [change(&json!({"kind": "deploy", "service": "cart"}))],
        "timeline": [{"time": time(0), "text": "cart becomes slow"}],
    })
}

async fn incidents(Query(params): Query<Params>) -> Response {
    let all = if params.contains_key("open") { vec![true] } else { vec![true, false] };
    let all: Vec<Value> = all.into_iter().map(incident).collect();
    Json(json!({ "incidents": all })).into_response()
}

async fn one_incident(Path(id): Path<String>) -> Response {
    if id == "i/1" { Json(incident(false)).into_response() } else { unknown() }
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/api/diagnose", post(diagnose))
        .route("/api/incidents", get(incidents))
        .route("/api/incidents/{id}", get(one_incident))
        .route("/api/changes", get(|| async { Json(json!({ "changes": [] })) }).post(mark))
}

/// A question without its service.
const WINDOW: &str = "why|--from|2026-11-21 09:14|--to|2026-11-21 09:16";

const REPORT: &str = "\
window    2026-11-21 09:14:00.000 to 2026-11-21 09:16:00.000, 2 min 0 s
compared  with 4 minutes of 2026-11-21 09:04:00.000 to 2026-11-21 09:09:00.000: the quietest

1  ████████░░ 0.81  cpu  pricing, instance pricing-1, environment prod
   pricing lacks processor
   target         resource cpu
   metric         98.0 % against 34.0 %: cpu of pricing-1 is full
   own_time       1.50 s against 2.00 ms: in pricing `GET /price` itself
   trace          /traces/00?span=1#s-1

page      /explain?t=1795252440000000000..1795252560000000000
";

const INCIDENT: &str = "\
cart is slow
began     2026-11-21 09:14:00.000
ended     2026-11-21 09:15:30.000, after 1 min 30 s
harmed    25.0 % of the calls from outside
services  cart, front
compared  with 4 minutes of 2026-11-21 09:04:00.000 to 2026-11-21 09:09:00.000: the quietest

1  ████████░░ 0.81  cpu  pricing, instance pricing-1, environment prod
   pricing lacks processor
   target         resource cpu
   metric         98.0 % against 34.0 %: cpu of pricing-1 is full
   own_time       1.50 s against 2.00 ms: in pricing `GET /price` itself
   trace          /traces/00?span=1#s-1

FROM                     SERVICE  OPERATION  SIGNAL     WORST    USUAL
2026-11-21 09:14:00.000  cart     GET /      duration  2.00 s  1.00 ms

TIME                     CHANGE  SERVICE  SOURCE
2026-11-21 09:14:00.000  deploy  cart     api

TIME                     WHAT HAPPENED
2026-11-21 09:14:00.000  cart becomes slow

page      /incidents/i%2F1
";

#[test]
fn what_is_wrong_is_a_report() {
    assert_eq!(run_line(WINDOW), (REPORT.to_owned(), 0));
    let (many, _) = run_line(&format!("{WINDOW}|--service|many"));
    assert!(many.contains("\n\n   below 0.01: pricing cpu\n\npage"), "{many}");
    let (json, _) = run_line(&format!("{WINDOW}|--format|json"));
    let (ndjson, code) = run_line(&format!("{WINDOW}|--format|ndjson"));
    let whole: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((whole["elapsed_ms"].clone(), code), (json!(7), 0));
    assert_eq!(serde_json::from_str::<Value>(&ndjson).unwrap(), suspect());
    let (csv, _) = run_line(&format!("{WINDOW}|--format|csv"));
    let line = csv.lines().nth(1).unwrap();
    assert!(
        line.starts_with("pricing,,prod,pricing-1,cpu,\"{\"\"resource\"\":\"\"cpu\"\",\"\"type\"\":"),
        "{csv}"
    );
}

#[test]
fn nothing_wrong_and_too_little_are_said() {
    for (service, code, said) in
        [("calm", 1, "quiet: as it is\n"), ("empty", 1, "not enough: as it is\n"), ("bad", 2, "")]
    {
        let (text, found) = run_line(&format!("{WINDOW}|--service|{service}"));
        assert_eq!(found, code, "{service}: {text}");
        assert!(text.contains(said), "{service}: {text}");
        let (text, found) = run_line(&format!("{WINDOW}|--service|{service}|--format|ndjson"));
        assert_eq!((text.as_str(), found), ("", code), "{service}");
    }
}

#[test]
fn incidents_are_listed_and_shown() {
    let list = "\
START                        LASTED  ID   TRAFFIC  FIRST SUSPECT  TITLE
2026-11-21 09:14:00.000        open  i/1   25.0 %  pricing cpu    cart is slow
2026-11-21 09:14:00.000  1 min 30 s  i/1   25.0 %  pricing cpu    cart is slow
";
    let open = "\
START                    LASTED  ID   TRAFFIC  FIRST SUSPECT  TITLE
2026-11-21 09:14:00.000    open  i/1   25.0 %  pricing cpu    cart is slow
";
    assert_eq!(run_line("incidents"), (list.to_owned(), 0));
    assert_eq!(run_line("incidents|--open"), (open.to_owned(), 0));
    assert_eq!(run_line("incidents|i/1"), (INCIDENT.to_owned(), 0));
    assert_eq!(run_line("incidents|i/1|--format|ndjson"), (format!("{}\n", incident(false)), 0));
    assert_eq!(run_line("incidents|absent"), (String::new(), 1));
    let (csv, _) = run_line("incidents|--format|csv");
    assert_eq!(csv.lines().count(), 3);
}

#[test]
fn a_mark_is_shown_as_it_is_written_down() {
    let shown = "\
TIME                     CHANGE  SERVICE  VERSION  SOURCE  TEXT
2026-11-21 09:14:00.000  deploy  cart     2.4.0    api     by hand
";
    assert_eq!(run_line("mark|deploy|--service|cart|--version|2.4.0|by|hand"), (shown.to_owned(), 0));
    let csv = "id,time,kind,service,namespace,environment,version,text,source\n\
        c1,1795252440000000000,flag,cart,,,,,api\n";
    assert_eq!(run_line("mark|flag|--service|cart|--format|csv"), (csv.to_owned(), 0));
    assert_eq!(run_line("mark|flag|--service|bad"), (String::new(), 2));
    assert_eq!(run_line("changes"), (String::new(), 1));
    assert_eq!(run_line("changes|--format|json"), ("{\"changes\":[]}\n".to_owned(), 1));
}
