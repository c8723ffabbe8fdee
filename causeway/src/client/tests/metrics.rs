//! `metrics`, asked of a router that answers as Prometheus does.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::{Params, Value, json, run_line};

const API: &str = "/prometheus/api/v1";

pub(super) fn router() -> Router {
    Router::new()
        .route(&format!("{API}/query"), get(query))
        .route(&format!("{API}/query_range"), get(query_range))
        .route(&format!("{API}/query_exemplars"), get(exemplars))
}

fn success(kind: &str, result: &Value) -> Response {
    let data = json!({ "resultType": kind, "result": result });
    Json(json!({ "status": "success", "data": data, "warnings": ["mind"], "infos": ["note"] }))
        .into_response()
}

async fn query(Query(params): Query<Params>) -> Response {
    assert_eq!(params["stats"], "all");
    match params["query"].as_str() {
        "up" => success(
            "vector",
            &json!([
                { "metric": { "__name__": "up", "job": "a \"b\"" }, "value": [1.5, "1"] },
                { "metric": { "__name__": "up", "zone": "z" }, "histogram": [1.5, { "count": "2", "sum": "3" }] },
            ]),
        ),
        "1" => {
            assert_eq!(params["time"], "1970-01-01T00:00:05.000000000Z");
            success("scalar", &json!([5, "1"]))
        }
        "none" => success("vector", &json!([])),
        text => {
            let error = format!("invalid parameter \"query\": 1:{}: parse error: no", text.len());
            let body = json!({ "status": "error", "errorType": "bad_data", "error": error });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

async fn query_range(Query(params): Query<Params>) -> Response {
    assert_eq!(params["start"], "1970-01-01T00:00:00.000000000Z");
    assert_eq!((params["end"].as_str(), params["step"].as_str()), ("1970-01-01T00:01:00.000000000Z", "30"));
    success(
        "matrix",
        &json!([
            { "metric": { "job": "a" }, "values": [[0, "1"], [30, "NaN"], [60, "2.5"]] },
            { "metric": {}, "values": [[60, "7"]] },
        ]),
    )
}

async fn exemplars() -> Response {
    let exemplar = json!({ "labels": { "trace_id": "4bf9", "k": "v" }, "value": "0.25", "timestamp": 1.5 });
    let series = json!({ "seriesLabels": { "__name__": "calls" }, "exemplars": [exemplar] });
    Json(json!({ "status": "success", "data": [series] })).into_response()
}

#[test]
fn metrics_in_every_format() {
    let range = "|--from|0|--to|60|--step|30s";
    for (line, expected, code) in [
        (
            "metrics|up".to_owned(),
            "SERIES                      VALUE\nup{job=\"a \\\"b\\\"\"}               1\nup{zone=\"z\"}       count 2, sum 3\n",
            0,
        ),
        (
            "metrics|up|--format|csv".to_owned(),
            "time,value,__name__,job,zone\n1970-01-01T00:00:01.500000000Z,1,up,\"a \"\"b\"\"\",\n\
             1970-01-01T00:00:01.500000000Z,\"count 2, sum 3\",up,,z\n",
            0,
        ),
        ("metrics|1|--at|5".to_owned(), "SERIES  VALUE\n{}          1\n", 0),
        ("metrics|1|--at|5|--format|ndjson".to_owned(), "[5,\"1\"]\n", 0),
        ("metrics|none".to_owned(), "", 1),
        ("metrics|none|--format|csv".to_owned(), "", 1),
        ("metrics|wrong".to_owned(), "", 2),
        (
            format!("metrics|x{range}"),
            "TIME                     SERIES     VALUE\n\
             1970-01-01 00:00:00.000  {job=\"a\"}      1\n\
             1970-01-01 00:00:30.000  {job=\"a\"}    NaN\n\
             1970-01-01 00:01:00.000  {job=\"a\"}    2.5\n\
             1970-01-01 00:01:00.000  {}             7\n",
            0,
        ),
        (
            format!("metrics|x{range}|--format|ndjson"),
            "{\"metric\":{\"job\":\"a\"},\"values\":[[0,\"1\"],[30,\"NaN\"],[60,\"2.5\"]]}\n\
             {\"metric\":{},\"values\":[[60,\"7\"]]}\n",
            0,
        ),
        (
            "metrics|calls|--exemplars".to_owned(),
            "TIME                     VALUE  TRACE  SERIES  LABELS\n\
             1970-01-01 00:00:01.500   0.25  4bf9   calls   {k=\"v\"}\n",
            0,
        ),
        (
            "metrics|calls|--exemplars|--format|csv".to_owned(),
            "time,value,trace_id,series,labels\n\
             1970-01-01T00:00:01.500000000Z,0.25,4bf9,calls,\"{k=\"\"v\"\"}\"\n",
            0,
        ),
        (
            "metrics|calls|--exemplars|--format|ndjson".to_owned(),
            "{\"labels\":{\"k\":\"v\",\"trace_id\":\"4bf9\"},\"series\":{\"__name__\":\"calls\"},\
             \"time\":\"1970-01-01T00:00:01.500000000Z\",\"value\":\"0.25\"}\n",
            0,
        ),
    ] {
        assert_eq!(run_line(&line), (expected.to_owned(), code), "{line}");
    }
}

#[test]
fn a_range_as_a_chart_and_as_it_came() {
    let (chart, code) = run_line("metrics|x|--from|0|--to|60|--step|30s|--format|chart");
    assert_eq!(code, 0);
    assert!(chart.contains("━━  {job=\"a\"}    1  2.5   2.5\n━━  {}           7    7     7\n"), "{chart}");
    let (text, code) = run_line("metrics|up|--format|json");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &answer["data"]["resultType"]), (0, &json!("vector")));
}
