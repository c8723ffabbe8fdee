//! SQL statements and their rows, as JSON. `{t1}` is the first trace, `{s2}` the second span.

use serde_json::Value;
use tests::api::Api;

use super::data;

const CASES: &[(&str, &str)] = &[
    ("SELECT count(*) FROM logs", "[[10]]"),
    ("SELECT count(*) FROM spans", "[[6]]"),
    ("SELECT count(*) FROM metrics", "[[6]]"),
    ("SELECT count(*) FROM traces", "[[3]]"),
    ("SELECT count(*), sum(weight) FROM spans", "[[6, 6.0]]"),
    // Attributes.
    (
        "SELECT attributes['http.route'] FROM logs WHERE service_name = 'checkout' ORDER BY time",
        r#"[["/cart/items"], ["/cart"], ["/orders"]]"#,
    ),
    ("SELECT attributes['n'] FROM logs WHERE attributes['http.route'] = '/cart'", r#"[["L2"]]"#),
    ("SELECT attributes['n'] FROM logs WHERE attributes['attempts'] > 5", r#"[["L2"]]"#),
    (
        "SELECT attributes['n'] FROM logs WHERE attributes['attempts'] BETWEEN 1 AND 12 ORDER BY 1",
        r#"[["L1"], ["L2"]]"#,
    ),
    ("SELECT attributes['n'] FROM logs WHERE attributes['attempts'] IN (3, 4)", r#"[["L1"]]"#),
    ("SELECT max(CAST(attributes['attempts'] AS bigint)) FROM logs", "[[12]]"),
    ("SELECT count(*) FROM logs WHERE CAST(attributes['http.route'] AS double) IS NULL", "[[10]]"),
    ("SELECT count(*) FROM logs WHERE attributes['no.such'] IS NULL", "[[10]]"),
    ("SELECT attributes['n'] FROM logs WHERE attributes['user.id'] = '42' ORDER BY 1", r#"[["L3"], ["L4"]]"#),
    (
        "SELECT attributes['http.route'], count(*) FROM logs GROUP BY attributes['http.route'] ORDER BY 1 NULLS LAST",
        r#"[["/cart", 1], ["/cart/items", 1], ["/orders", 1], [null, 7]]"#,
    ),
    (
        "SELECT attributes FROM logs WHERE body = 'connection was refused'",
        r#"[[{"n":"L2","http.route":"/cart","attempts":12}]]"#,
    ),
    ("SELECT attributes['list'] FROM logs WHERE event_name = 'checkout.started'", r#"[["[\"a\",1]"]]"#),
    ("SELECT attributes['ratio'] FROM logs WHERE attributes['ratio'] < 1", r#"[["0.5"]]"#),
    ("SELECT resource_attributes['k8s.pod.name'] FROM logs WHERE body = 'cache hit'", r#"[["stable-1"]]"#),
    ("SELECT DISTINCT scope_name, scope_version FROM logs", r#"[["causeway.tests", "1"]]"#),
    // Columns of logs.
    ("SELECT severity, severity_number FROM logs WHERE attributes['n'] = 'L9'", r#"[["fatal", 21]]"#),
    (
        "SELECT body_type, body FROM logs WHERE attributes['n'] = 'L7'",
        r#"[["map", "{\"event\":\"login\",\"ok\":true}"]]"#,
    ),
    ("SELECT time FROM logs WHERE attributes['n'] = 'L1'", r#"[["2023-11-14T22:13:21.000000000Z"]]"#),
    ("SELECT attributes['n'] FROM logs WHERE time < TIMESTAMP '2023-11-14T22:13:22Z'", r#"[["L1"]]"#),
    (
        "SELECT service_version, deployment_environment FROM logs WHERE attributes['n'] = 'L1'",
        r#"[["1.2.0", null]]"#,
    ),
    // Ids.
    (
        "SELECT attributes['n'] FROM spans WHERE trace_id = '{t1}' ORDER BY start_time",
        r#"[["S1"], ["S2"], ["S3"]]"#,
    ),
    (
        "SELECT trace_id, span_id, parent_span_id FROM spans WHERE span_id = '{s2}'",
        r#"[["{t1}", "{s2}", "{s1}"]]"#,
    ),
    ("SELECT count(*) FROM spans WHERE parent_span_id IS NULL", "[[3]]"),
    ("SELECT trace_id FROM logs WHERE trace_id IS NOT NULL", r#"[["{t1}"]]"#),
    ("SELECT count(DISTINCT trace_id) FROM spans", "[[3]]"),
    (
        "SELECT l.body FROM logs l JOIN spans s ON l.trace_id = s.trace_id AND l.span_id = s.span_id",
        r#"[["connection refused by payments:8443"]]"#,
    ),
    // Columns of spans.
    (
        "SELECT name, kind, status_code, duration_ns FROM spans WHERE service_name = 'checkout' ORDER BY name",
        r#"[["PlaceOrder", "server", "error", 600000000], ["SELECT orders", "client", "ok", 20000000]]"#,
    ),
    ("SELECT status_message FROM spans WHERE name = 'GET /checkout'", r#"[["upstream failed"]]"#),
    (
        "SELECT start_time, end_time FROM spans WHERE name = 'cache get'",
        r#"[["2023-11-14T22:13:25.000000000Z", "2023-11-14T22:13:25.001000000Z"]]"#,
    ),
    ("SELECT events[1]['name'] FROM spans WHERE name = 'PlaceOrder'", r#"[["exception"]]"#),
    (
        "SELECT links[1]['trace_id'], links[1]['span_id'] FROM spans WHERE name = 'consume order'",
        r#"[["{t1}", "{s2}"]]"#,
    ),
    (
        "SELECT service_name, count(*), sum(CASE WHEN status_code = 'error' THEN 1 ELSE 0 END) FROM spans \
         GROUP BY service_name ORDER BY 2 DESC, 1",
        r#"[["checkout", 2, 1], ["frontend", 2, 1], ["catalog", 1, 0], ["shipping", 1, 0]]"#,
    ),
    // Metrics.
    (
        "SELECT metric, type, value, attributes['queue'] FROM metrics WHERE type = 'gauge' ORDER BY value",
        r#"[["queue.length", "gauge", 1.5, "orders"], ["queue.length", "gauge", 2.5, "mails"]]"#,
    ),
    (
        "SELECT value_int = 9007199254740993, temporality, monotonic, unit FROM metrics WHERE type = 'sum'",
        r#"[[true, "cumulative", true, "1"]]"#,
    ),
    (
        "SELECT count, sum, min, max, bounds, bucket_counts FROM metrics WHERE metric = 'latency'",
        "[[6, 21.5, 0.5, 9.0, [1.0, 5.0], [1, 2, 3]]]",
    ),
    (
        "SELECT scale, zero_count, positive_offset, positive_counts FROM metrics WHERE type = 'exponential_histogram'",
        "[[2, 1, -1, [1, 3]]]",
    ),
    (
        "SELECT quantiles FROM metrics WHERE type = 'summary'",
        r#"[[[{"quantile":0.5,"value":1.0},{"quantile":0.99,"value":4.0}]]]"#,
    ),
    ("SELECT exemplars[1]['trace_id'] FROM metrics WHERE attributes['queue'] = 'orders'", r#"[["{t1}"]]"#),
    ("SELECT count(DISTINCT series) FROM metrics", "[[6]]"),
    // Traces.
    (
        "SELECT root_service, root_name, root_status, span_count, error_count, services FROM traces \
         WHERE trace_id = '{t1}'",
        r#"[["frontend", "GET /checkout", "error", 3, 2, ["checkout", "frontend"]]]"#,
    ),
    ("SELECT span_count FROM traces ORDER BY start_time", "[[3], [2], [1]]"),
    // Names of things that SQL needs quoted or that are no tables.
    ("SELECT 1 + 1 AS two", "[[2]]"),
    ("SELECT count(*) FROM logs WHERE body LIKE '%refused%'", "[[3]]"),
    ("SELECT count(*) FROM logs WHERE body ILIKE '%ORDER%'", "[[2]]"),
    ("WITH errors AS (SELECT * FROM logs WHERE severity = 'error') SELECT count(*) FROM errors", "[[2]]"),
];

/// Runs every statement and compares.
pub(super) fn check(api: &Api, when: &str) {
    let mut wrong = Vec::new();
    for (sql, expected) in CASES {
        let (sql, expected) = (with_ids(sql), with_ids(expected));
        let answer = api.sql_answer(&sql);
        if answer.status != 200 {
            wrong.push(format!("{sql}: {} {}", answer.status, answer.text()));
            continue;
        }
        let rows = answer.json()["rows"].clone();
        let expected: Value = serde_json::from_str(&expected).expect("the table holds JSON");
        if rows != expected {
            wrong.push(format!("{sql}: {rows} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
}

fn with_ids(text: &str) -> String {
    let text = text.replace("{t1}", &data::trace(1));
    (1..=6).fold(text, |text, number| text.replace(&format!("{{s{number}}}"), &data::span_text(number)))
}
