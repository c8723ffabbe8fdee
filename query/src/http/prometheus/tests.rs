//! The routes, over a store without metrics: what a parameter means, and what is said of a wrong one.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::testing::Fixture;

/// Sends a request, and returns its status with what was answered: null if nothing was.
fn send(fixture: &Fixture, request: Request<Body>) -> (StatusCode, Value) {
    let router = crate::router(fixture.engine.clone()).layer(axum::Extension(fixture.reader.clone()));
    fixture.runtime.block_on(async {
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    })
}

fn get(fixture: &Fixture, path: &str) -> (StatusCode, Value) {
    let address = format!("/prometheus/api/v1/{path}");
    send(fixture, Request::get(address).body(Body::empty()).unwrap())
}

fn post(fixture: &Fixture, path: &str, form: &str) -> (StatusCode, Value) {
    let request = Request::post(format!("/prometheus/api/v1/{path}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
    send(fixture, request.body(Body::from(form.to_owned())).unwrap())
}

#[test]
fn what_is_wrong_is_said_in_the_form_of_prometheus() {
    let fixture = Fixture::new();
    for (path, status, kind, error) in [
        (
            "query?query=up&limit=x",
            400,
            "bad_data",
            "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            "query?query=up&limit=-1",
            400,
            "bad_data",
            "invalid parameter \"limit\": limit must be non-negative",
        ),
        (
            "query?query=up&time=soon",
            400,
            "bad_data",
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"soon\" to a valid \
             timestamp",
        ),
        (
            "query?query=up&timeout=x",
            400,
            "bad_data",
            "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration",
        ),
        (
            "query?query=up&lookback_delta=x",
            400,
            "bad_data",
            "error parsing lookback delta duration: cannot parse \"x\" to a valid duration",
        ),
        (
            "query_range?query=up&start=2&end=1&step=1",
            400,
            "bad_data",
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        ("series", 400, "bad_data", "no match[] parameter provided"),
        (
            "series?match[]=%7B%7D",
            400,
            "bad_data",
            "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher",
        ),
        (
            "labels?match[]=%7Ba=~%22.*%22%7D",
            400,
            "bad_data",
            "match[] must contain at least one non-empty matcher",
        ),
        (
            "query_exemplars?query=up&start=2&end=1",
            400,
            "bad_data",
            "end timestamp must not be before start timestamp",
        ),
        ("metadata?limit=x", 400, "bad_data", "limit must be a number"),
        ("metadata?limit_per_metric=x", 400, "bad_data", "limit_per_metric must be a number"),
        ("status/tsdb?limit=0", 400, "bad_data", "limit must be a positive number"),
        (
            "format_query",
            400,
            "bad_data",
            "invalid parameter \"query\": 1:1: parse error: no expression found in input",
        ),
        ("nothing", 404, "not_found", "there is no /prometheus/api/v1/nothing here"),
    ] {
        let expected = json!({ "status": "error", "errorType": kind, "error": error });
        let (code, body) = get(&fixture, path);
        assert_eq!((code.as_u16(), body), (status, expected), "{path}");
    }
    let (code, body) = post(&fixture, "label/job/values", "");
    assert_eq!((code.as_u16(), &body["errorType"]), (405, &json!("bad_data")));
}

#[test]
fn queries_are_laid_out_and_taken_apart() {
    let fixture = Fixture::new();
    let formatted = json!({ "status": "success", "data": "sum by (job) (rate(up[5m]))" });
    let query = "query=sum(rate(up%5B5m%5D))by(job)";
    assert_eq!(get(&fixture, &format!("format_query?{query}")), (StatusCode::OK, formatted.clone()));
    assert_eq!(post(&fixture, "format_query", query), (StatusCode::OK, formatted));
    let (_, tree) = post(&fixture, "parse_query?query=nothing", query);
    assert_eq!(tree["data"]["type"], "aggregation");
    assert_eq!(tree["data"]["expr"]["args"][0]["range"], 300_000);
}

#[test]
fn what_there_is_not_is_empty() {
    let fixture = Fixture::new();
    for (path, data) in [
        ("rules", json!({ "groups": [] })),
        ("alerts", json!({ "alerts": [] })),
        ("alertmanagers", json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] })),
        ("targets", json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} })),
        ("status/config", json!({ "yaml": "" })),
    ] {
        assert_eq!(
            get(&fixture, path),
            (StatusCode::OK, json!({ "status": "success", "data": data })),
            "{path}"
        );
    }
    let (_, build) = get(&fixture, "status/buildinfo");
    assert_eq!(build["data"]["version"], "3.5.0");
    let (_, flags) = get(&fixture, "status/flags");
    assert_eq!(flags["data"]["query.lookback-delta"], "300s");
    let (_, runtime) = get(&fixture, "status/runtimeinfo");
    assert!(runtime["data"]["startTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(get(&fixture, "query_exemplars?query=1%2B1"), (StatusCode::NO_CONTENT, Value::Null));
}

#[test]
fn what_an_address_allows_may_be_asked() {
    let fixture = Fixture::new();
    for path in ["/prometheus/api/v1/query", "/prometheus/api/v1/nothing"] {
        let request = Request::options(path).body(Body::empty()).unwrap();
        assert_eq!(send(&fixture, request), (StatusCode::NO_CONTENT, Value::Null));
    }
    for path in ["/prometheus/-/healthy", "/prometheus/-/ready"] {
        let request = Request::head(path).body(Body::empty()).unwrap();
        assert_eq!(send(&fixture, request), (StatusCode::OK, Value::Null));
    }
}
