//! Prometheus' HTTP API from outside, and `causeway metrics` over it.

use bytes::Bytes;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use serde_json::{Value, json};
use tests::{
    harness::{Server, Setup, causeway},
    http::{Request, percent_encoded},
    otlp::{BASE_TIME, Export, SECOND, attribute, gauge_of, metrics, point},
};

use crate::support::{Home, store};

/// The base time in seconds.
const BASE: u64 = BASE_TIME / SECOND;

/// What stands under `data` of a good answer.
fn data(server: &Server, path: &str) -> Value {
    let answer = server.api().json(&format!("/prometheus/api/v1/{path}"));
    assert_eq!(answer["status"], "success", "{path}");
    answer["data"].clone()
}

/// Status, type of error, and its text.
fn error(server: &Server, path: &str) -> (u16, String, String) {
    let answer = server.api().get(&format!("/prometheus/api/v1/{path}"));
    let body = answer.json();
    assert_eq!(body["status"], "error", "{path}");
    let text = |key: &str| body[key].as_str().expect("a text").to_owned();
    (answer.status, text("errorType"), text("error"))
}

#[test]
fn a_question_is_checked_before_it_is_answered() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let formatted = data(&server, &format!("format_query?query={}", percent_encoded("sum(up)by(job)")));
    assert_eq!(formatted, "sum by (job) (up)");
    assert_eq!(data(&server, "status/buildinfo")["version"], "3.5.0");
    for (path, status, kind, part) in [
        ("query_range?query=up&start=0&end=1&step=0", 400, "bad_data", "zero or negative"),
        ("series", 400, "bad_data", "no match[] parameter"),
        ("nothing", 404, "not_found", "/prometheus/api/v1/nothing"),
    ] {
        let (code, found, text) = error(&server, path);
        assert_eq!((code, found.as_str()), (status, kind), "{path}: {text}");
        assert!(text.contains(part), "{path}: {text}");
    }
}

#[test]
fn features_of_the_language_are_those_that_the_server_is_told() {
    let query = format!("parse_query?query={}", percent_encoded("limitk(2, up)"));
    let home = Home::new();
    let server = Server::start(&home.data());
    assert_eq!(data(&server, &query)["op"], "limitk");
    let usual = "promql-experimental-functions,promql-duration-expr";
    assert_eq!(data(&server, "status/flags")["enable-feature"], usual);
    server.kill();
    let features = ["--promql-features", "promql-duration-expr"];
    let server = Setup::new(&home.data()).arguments(&features).start();
    let (status, kind, text) = error(&server, &query);
    assert_eq!((status, kind.as_str()), (400, "bad_data"));
    assert!(text.contains("experimental"), "{text}");
    assert_eq!(data(&server, "status/flags")["enable-feature"], features[1]);
}

/// What needs stored series.
mod stored {
    use super::*;

    /// Three points of a gauge on each of two hosts, a minute apart.
    fn load() -> Export {
        let of_host = |host: &str, first: f64| -> Vec<NumberDataPoint> {
            let at = |number: u64| NumberDataPoint {
                time_unix_nano: BASE_TIME + number * 60 * SECOND,
                attributes: vec![attribute("host.name", host)],
                ..point(first + number as f64)
            };
            (0..3).map(at).collect()
        };
        let points = [of_host("a", 1.0), of_host("b", 10.0)].concat();
        metrics("shop", vec![Metric { unit: String::new(), ..gauge_of("load.average", points) }])
    }

    fn started(home: &Home) -> Server {
        let server = Server::start(&home.data());
        store(&server, &load());
        server
    }

    fn series(host: &str) -> Value {
        json!({ "__name__": "load_average", "host_name": host, "job": "shop" })
    }

    /// The labels of a series that the tests look at.
    fn labels(metric: &Value) -> Value {
        let keys = ["__name__", "host_name", "job"];
        keys.iter()
            .map(|key| ((*key).to_owned(), metric[*key].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    #[test]
    fn a_query_is_answered_at_one_time_and_over_a_range() {
        let home = Home::new();
        let server = started(&home);
        let at = BASE + 120;
        let instant = data(&server, &format!("query?query=load_average&time={at}"));
        assert_eq!(instant["resultType"], "vector");
        let found: Vec<_> = instant["result"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| (labels(&one["metric"]), one["value"].clone()))
            .collect();
        assert_eq!(found, [(series("a"), json!([at, "3"])), (series("b"), json!([at, "12"]))]);
        let form = format!("query=sum(load_average)&start={BASE}&end={at}&step=1m&stats=all");
        let body = Bytes::from(form);
        let request =
            Request::post("/prometheus/api/v1/query_range", "application/x-www-form-urlencoded", body);
        let range = server.api().send(request).json()["data"].clone();
        let values = json!([[BASE, "11"], [BASE + 60, "13"], [at, "15"]]);
        assert_eq!(range["result"], json!([{ "metric": {}, "values": values }]));
        assert_eq!(range["stats"]["causeway"]["series"], 2);
        let cut =
            server.api().json(&format!("/prometheus/api/v1/query?query=load_average&time={at}&limit=1"));
        assert_eq!(cut["data"]["result"].as_array().map(Vec::len), Some(1));
        assert_eq!(cut["warnings"], json!(["results truncated due to limit"]));
    }

    #[test]
    fn series_labels_and_metrics_are_listed() {
        let home = Home::new();
        let server = started(&home);
        let selector = percent_encoded("{__name__=\"load_average\",host_name=~\"a|b\"}");
        let found = data(&server, &format!("series?match[]={selector}&start={BASE}&end={}", BASE + 60));
        let found: Vec<Value> = found.as_array().expect("a list").iter().map(labels).collect();
        assert_eq!(found, [series("a"), series("b")]);
        let names = data(&server, "labels?match[]=load_average");
        assert!(names.as_array().expect("a list").contains(&json!("host_name")), "{names}");
        assert_eq!(data(&server, "label/host_name/values"), json!(["a", "b"]));
        assert_eq!(data(&server, "label/U__host__name/values?limit=1"), json!(["a"]));
        assert_eq!(data(&server, "label/job/values?match[]=load_average&end=5"), json!([]));
        let described = json!([{ "type": "gauge", "help": "", "unit": "" }]);
        assert_eq!(data(&server, "metadata?metric=load_average")["load_average"], described);
    }

    #[test]
    fn the_command_shows_a_table_a_chart_and_rows() {
        let home = Home::new();
        let server = started(&home);
        let url = format!("http://{}", server.addresses.http);
        let run = |more: &[&str]| {
            let all = [&["metrics", "load_average", "--url", url.as_str()][..], more].concat();
            let output = causeway(&all);
            (String::from_utf8(output.stdout).expect("results are UTF-8"), output.status.code())
        };
        let end = (BASE + 120).to_string();
        let (table, code) = run(&["--at", end.as_str()]);
        assert_eq!((table.lines().count(), code), (3, Some(0)), "{table}");
        let begin = BASE.to_string();
        let range = ["--from", begin.as_str(), "--to", end.as_str(), "--step", "1m", "--format"];
        let (csv, _) = run(&[&range[..], &["csv"]].concat());
        assert_eq!(csv.lines().count(), 7, "{csv}");
        let (chart, _) = run(&[&range[..], &["chart"]].concat());
        assert!(chart.contains("━━  {host_name=\"a\"}") && chart.contains('┤'), "{chart}");
        let (nothing, code) = run(&["--at", "5"]);
        assert_eq!((nothing.as_str(), code), ("", Some(1)));
    }
}
