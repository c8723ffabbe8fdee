//! Commands asked of a router that answers as the API does, results and exit codes whole.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, RawQuery};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;

use query::rows::Stats;

mod diagnosed;
mod metrics;

use super::*;
use crate::cli::{Cli, Command};
use crate::client::source::{Local, runtime};

type Params = std::collections::HashMap<String, String>;

/// The trace that is stored.
const KNOWN: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What is stored: so many logs, told by their query.
async fn logs(Query(params): Query<Params>) -> Response {
    let total: usize = match params["q"].as_str() {
        "" => 3,
        "many words" => 10_050,
        "none" => 0,
        _ => return wrong(),
    };
    let limit: usize = params["limit"].parse().unwrap();
    assert!(limit <= query::LIMIT_MAX, "asked for {limit}");
    let first: usize = params.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let last = total.min(first + limit);
    let rows: Vec<Value> = (first..last).map(log).collect();
    let cursor = (last < total).then(|| last.to_string());
    Json(json!({"logs": rows, "cursor": cursor, "stats": Stats { rows_scanned: 10, ..Stats::default() }}))
        .into_response()
}

fn log(number: usize) -> Value {
    json!({
        "id": number.to_string(), "time": "1795252443123456789", "observed_time": null, "severity": "warn",
        "severity_number": 13, "severity_text": "WARN", "body": format!("line {number}"), "service": "cart",
        "instance": null, "trace_id": null, "span_id": null, "event_name": null,
        "attributes": {"z": 1, "a": "x"}, "resource": {},
        "scope": {"name": null, "version": null, "attributes": {}},
    })
}

fn template() -> Value {
    json!({
        "id": "00000000000000ab", "template": "job <*> done", "count": 12, "first_seen": "1", "last_seen": "2",
        "services": ["cart", "shop"], "example": "job 1 done", "state": "new", "trend": [0, 4, 8],
        "variables": [[{"value": "1", "count": 12}]],
    })
}

fn wrong() -> Response {
    let error = json!({"error": {"code": "bad_question", "message": "no field `sevice`", "position": 0,
        "expected": ["a field"], "request_id": "r"}});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

async fn sql_answer(headers: http::HeaderMap, Json(request): Json<Value>) -> Response {
    if request["sql"] != "select 1" {
        return wrong();
    }
    // In pieces that end where they please.
    let pieces = match headers["accept"].to_str().unwrap() {
        "text/csv" => ["n,text,a\n1,\"one", ", two\",\"{\"\"k\"\":\"\"v\"\"}\"\n22,,\n"],
        "application/x-ndjson" => {
            ["{\"n\":1,\"text\":\"one, two\",\"a\":{\"k\":\"v\"}}\n{\"n\"", ":22,\"text\":null,\"a\":null}\n"]
        }
        _ => return sql_json(),
    };
    let pieces = futures::stream::iter(pieces.map(Ok::<_, std::convert::Infallible>));
    axum::body::Body::from_stream(pieces).into_response()
}

fn sql_json() -> Response {
    let columns = json!([{"name": "n", "type": "bigint"}, {"name": "text", "type": "text"}, {"name": "a", "type": "map"}]);
    let rows = json!([[1, "one, two", {"k": "v"}], [22, null, null]]);
    Json(json!({"columns": columns, "rows": rows, "stats": Stats::default()})).into_response()
}

async fn trace_by_id(axum::extract::Path(id): axum::extract::Path<String>) -> Response {
    if id != KNOWN {
        return unknown();
    }
    let span = json!({
        "id": "7", "trace_id": id, "span_id": "00f067aa0ba902b7", "parent_span_id": null, "name": "GET /", "kind": "server",
        "service": "cart", "instance": null, "start": "1795252443000000000", "duration_ns": 2000000, "status": "ok",
        "status_message": null, "attributes": {}, "resource": {},
        "scope": {"name": null, "version": null, "attributes": {}}, "events": [], "links": [],
    });
    Json(json!({"trace_id": id, "start": "1795252443000000000", "duration_ns": 2000000, "spans": [span],
        "logs": [log(1)], "warnings": ["a clock disagrees"], "truncated": false}))
    .into_response()
}

/// Two services of one name, in one namespace if that is asked for.
async fn one_service(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    if name != "a/b" {
        return unknown();
    }
    let query = query.unwrap_or_default();
    let namespace = query.contains("namespace=shop").then_some("shop");
    let calls = json!({"calls": 4.0, "errors": 1.0, "error_ratio": 0.25, "rate_per_s": 0.5,
        "p50_ns": 1e6, "p95_ns": 2e6, "p99_ns": null});
    let with = |more: Value| {
        let mut row = calls.clone();
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    Json(json!({
        "service": with(json!({"name": name, "namespace": namespace, "environment": null, "instances": 1,
            "versions": ["1.0", "1.1"]})),
        "merged": [{"namespace": "shop", "environment": null}],
        "operations": [with(json!({"name": "GET /", "kind": "server"}))],
        "edges": [{"from": "a/b", "to": "redis", "kind": "call", "calls": 2.5, "errors": 0.0, "p95_ns": 3e6}],
        "instances": [with(json!({"name": null, "version": "1.0"}))],
        "series": [{"time": "0", "calls": 1.0, "errors": 1.0, "p95_ns": 2e6},
            {"time": "120000000000", "calls": 3.0, "errors": 0.0, "p95_ns": 1e6}],
        "step_ns": 60_000_000_000_u64, "from": "0", "to": "180000000000", "stats": Stats::default(),
    }))
    .into_response()
}

fn unknown() -> Response {
    let error = json!({"error": {"code": "not_found", "message": "no trace of that id", "position": null,
        "expected": [], "request_id": "r"}});
    (StatusCode::NOT_FOUND, Json(error)).into_response()
}

fn router() -> Router {
    Router::new()
        .route("/api/logs", get(logs))
        .route("/api/spans", get(|| async { "not json" }))
        .route("/api/traces/{id}", get(trace_by_id))
        .route("/api/templates", get(|| async { Json(json!({"templates": [template()], "cursor": null})) }))
        .route("/api/services", get(|| async { Json(json!({"services": [], "from": null, "to": null})) }))
        .route("/api/services/{name}", get(one_service))
        .route("/api/sql", post(sql_answer))
        .route("/api/compact", post(|| async { Json(json!({"segments": 2})) }))
        .merge(diagnosed::router())
        .merge(metrics::router())
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a command line; `|` separates arguments. Returns what it wrote and its exit code.
fn run_line(line: &str) -> (String, u8) {
    let cli = Cli::try_parse_from(std::iter::once("causeway").chain(line.split('|'))).unwrap();
    let Command::Client(command) = cli.command else { panic!("{line} asks nobody") };
    let source =
        Source::Local(Local::new(router(), runtime().unwrap(), "here".to_owned(), Interrupt::default()));
    let written = Shared::default();
    let mut output = Output::into(Box::new(written.clone()), None);
    let result = match &command {
        Client::Logs(args) => search(&source, Kind::Logs, args, &mut output),
        Client::Spans(args) => search(&source, Kind::Spans, args, &mut output),
        Client::Traces(args) => search(&source, Kind::Traces, args, &mut output),
        Client::Templates(args) => search(&source, Kind::Templates, &args.search, &mut output),
        Client::Trace(args) => trace(&source, args, &mut output),
        Client::Services(args) => services(&source, args, &mut output),
        Client::Tail(args) => tail::tail(&source, args, &mut output),
        Client::Metrics(args) => super::metrics::metrics(&source, args, &mut output),
        Client::Sql(args) => {
            let statements = [args.sql.clone().unwrap()];
            sql::run(&source, &args.connection, &statements, &mut output)
        }
        Client::Why(args) => why::why(&source, args, &mut output),
        Client::Incidents(args) => incidents::incidents(&source, args, &mut output),
        Client::Mark(args) => changes::mark(&source, args, &mut output),
        Client::Changes(args) => changes::list(&source, args, &mut output),
        Client::Export(args) => export::export(&source, args, &mut output),
        Client::Import(args) => import::import(&source, args, &mut output),
        Client::Compact(args) => compact(&source, args, &mut output),
    };
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (text, report(&result, Color::Never))
}

#[test]
fn commands_and_what_they_write() {
    let row = log(0).to_string();
    let id = "0af7651916cd43dd8448eb211c80319c";
    for (line, expected, code) in [
        ("logs|--limit|1", "TIME                     LEVEL  SERVICE  BODY\n2026-11-21 09:14:03.123  warn   cart     line 0\n".to_owned(), 0),
        ("logs|--limit|1|--format|ndjson", format!("{row}\n"), 0),
        ("logs|none", String::new(), 1),
        ("logs|none|--format|ndjson", String::new(), 1),
        ("logs|sevice:x", String::new(), 2),
        ("spans", String::new(), 3),
        ("traces", String::new(), 3),
        (&format!("trace|{id}"), String::new(), 1),
        ("services", String::new(), 1),
        ("sql|select 1", " n  text      a\n 1  one, two  {\"k\":\"v\"}\n22  null      null\n".to_owned(), 0),
        ("sql|select 1|--format|csv", "n,text,a\n1,\"one, two\",\"{\"\"k\"\":\"\"v\"\"}\"\n22,,\n".to_owned(), 0),
        (
            "sql|select 1|--format|ndjson",
            "{\"n\":1,\"text\":\"one, two\",\"a\":{\"k\":\"v\"}}\n{\"n\":22,\"text\":null,\"a\":null}\n".to_owned(),
            0,
        ),
        (
            "templates",
            "COUNT  TREND  STATE  ID                SERVICES    TEMPLATE\n   12   ▄█    new    00000000000000ab  cart, shop  job <*> done\n".to_owned(),
            0,
        ),
        (
            "templates|--format|csv",
            "id,template,count,state,first_seen,last_seen,services,trend,example,variables\n\
             00000000000000ab,job <*> done,12,new,1,2,\"[\"\"cart\"\",\"\"shop\"\"]\",\"[0,4,8]\",job 1 done,\
             \"[[{\"\"count\"\":12,\"\"value\"\":\"\"1\"\"}]]\"\n".to_owned(),
            0,
        ),
        ("sql|drop", String::new(), 2),
        ("compact", "segments 2\n".to_owned(), 0),
        ("compact|--format|json", "{\"segments\":2}\n".to_owned(), 0),
    ] {
        assert_eq!(run_line(line), (expected, code), "{line}");
    }
}

#[test]
fn json_is_the_answer_as_it_is() {
    let (text, code) = run_line("logs|--limit|2|--format|json");
    let stats = serde_json::to_value(Stats { rows_scanned: 10, ..Stats::default() }).unwrap();
    let expected = json!({"logs": [log(0), log(1)], "cursor": "2", "stats": stats});
    assert_eq!((text, code), (format!("{expected}\n"), 0));
}

#[test]
fn many_rows_come_page_by_page_as_one_answer() {
    for (limit, rows, cursor, scanned) in
        [(10_020, 10_020, json!("10020"), 20), (99_999, 10_050, json!(null), 20)]
    {
        let (text, code) = run_line(&format!("logs|many|words|--limit|{limit}|--format|json"));
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code, 0);
        let ids: Vec<&str> =
            answer["logs"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert!(ids.iter().enumerate().all(|(at, id)| id.parse() == Ok(at)));
        assert_eq!((ids.len(), &answer["cursor"]), (rows, &cursor));
        assert_eq!(answer["stats"]["rows_scanned"], scanned);
    }
    for (format, more) in [("ndjson", 0), ("csv", 1), ("table", 1)] {
        let (text, _) = run_line(&format!("logs|many|words|--limit|10020|--format|{format}"));
        assert_eq!(text.lines().count(), 10_020 + more, "{format}");
    }
}

#[test]
fn a_trace_in_each_format() {
    let (table, code) = run_line(&format!("trace|{KNOWN}"));
    assert_eq!(code, 0);
    assert!(table.starts_with(&format!("trace {KNOWN}  cart GET /\n")), "{table}");
    let (json, _) = run_line(&format!("trace|{KNOWN}|--format|json"));
    let (ndjson, _) = run_line(&format!("trace|{KNOWN}|--format|ndjson"));
    let whole: Value = serde_json::from_str(&json).unwrap();
    let rows: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, [whole["spans"][0].clone(), whole["logs"][0].clone()]);
    let (csv, _) = run_line(&format!("trace|{KNOWN}|--format|csv"));
    let starts: Vec<&str> = csv.lines().map(|line| &line[..line.len().min(24)]).collect();
    assert_eq!(
        starts,
        ["row,id,trace_id,span_id,", "span,7,4bf92f3577b34da6a", "log,1,,,,,,cart,,,,,,\"{\""]
    );
}

#[test]
fn csv_has_the_keys_of_a_row() {
    let (text, _) = run_line("logs|--limit|1|--format|csv");
    let expected = "id,time,observed_time,severity,severity_number,severity_text,body,service,instance,trace_id,span_id,event_name,template_id,variables,attributes,resource,scope\n\
        0,1795252443123456789,,warn,13,WARN,line 0,cart,,,,,,,\"{\"\"a\"\":\"\"x\"\",\"\"z\"\":1}\",{},\"{\"\"attributes\"\":{},\"\"name\"\":null,\"\"version\"\":null}\"\n";
    assert_eq!(text, expected);
}

/// A reader that went away.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_went_away_is_no_fault() {
    let cli = Cli::try_parse_from(["causeway", "logs"]).unwrap();
    let Command::Client(Client::Logs(args)) = cli.command else { panic!("not logs") };
    let source =
        Source::Local(Local::new(router(), runtime().unwrap(), "here".to_owned(), Interrupt::default()));
    let result = search(&source, Kind::Logs, &args, &mut Output::into(Box::new(Gone), None));
    assert_eq!(report(&result, Color::Never), 0);
}

#[test]
fn one_service_is_shown_with_all_it_has() {
    let table = "\
a/b, namespace shop, versions 1.0, 1.1, 4 calls, 0.50/s, 25.00 % errors, p50 1.00 ms, p95 2.00 ms

SERIES     MOST  1970-01-01 00:00:00.000 to 1970-01-01 00:02:00.000, 1 min 0 s a column
calls         3  ▃ █
errors        1  █
p95     2.00 ms  █ ▄

OPERATION  KIND    CALLS  RATE/S   ERRORS      P50      P95  P99
GET /      server      4    0.50  25.00 %  1.00 ms  2.00 ms

FROM  TO     HOW   CALLS  ERRORS      P95
a/b   redis  call    2.5  0.00 %  3.00 ms

INSTANCE    VERSION  CALLS   ERRORS      P50      P95  P99
none named  1.0          4  25.00 %  1.00 ms  2.00 ms
";
    let csv = "\
row,name,kind,calls,errors,rate_per_s,error_ratio,p50_ns,p95_ns,p99_ns,from,to,version,time
operation,GET /,server,4.0,1.0,0.5,0.25,1000000.0,2000000.0,,,,,
edge,,call,2.5,0.0,,,,3000000.0,,a/b,redis,,
instance,,,4.0,1.0,0.5,0.25,1000000.0,2000000.0,,,,1.0,
point,,,1.0,1.0,,,,2000000.0,,,,,0
point,,,3.0,0.0,,,,1000000.0,,,,,120000000000
";
    assert_eq!(run_line("services|a/b|--namespace|shop"), (table.to_owned(), 0));
    assert_eq!(run_line("services|a/b|--format|csv"), (csv.to_owned(), 0));
    let (rows, code) = run_line("services|a/b|--format|ndjson");
    let words: Vec<Value> =
        rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()["row"].clone()).collect();
    assert_eq!((json!(words), code), (json!(["operation", "edge", "instance", "point", "point"]), 0));
    assert_eq!(run_line("services|absent"), (String::new(), 1));
    assert!(Cli::try_parse_from(["causeway", "services", "--namespace", "shop"]).is_err());
}
