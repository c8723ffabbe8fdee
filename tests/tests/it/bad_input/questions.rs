//! Questions that are wrong: where, and what was expected.

use serde_json::{Value, json};
use tests::{
    harness::Server,
    http::Answer,
    otlp::{log, logs},
};

use crate::support::{Home, store};

/// A path, its status, where the error is if it has a place, and a word of what was expected.
struct Case(&'static str, u16, Option<u64>, &'static str);

const CASES: &[Case] = &[
    Case("/api/logs?q=%22connection+refused", 400, Some(0), "\""),
    Case("/api/spans?q=service:%22cart", 400, Some(8), "\""),
    Case("/api/logs?q=(a+OR+b", 400, None, ")"),
    Case("/api/logs?q=a+AND", 400, None, ""),
    Case("/api/logs?q=NOT", 400, None, ""),
    Case("/api/spans?q=duration%3Esoon", 400, None, ""),
    Case("/api/spans?q=name:/(/", 400, None, ""),
    Case("/api/spans?q=%7Ba%7D+%3E+b", 400, Some(6), "{"),
    Case("/api/traces?q=%7Ba%7D+%3E+%7Bb", 400, Some(6), "}"),
    Case("/api/logs?q=%7Ba%7D", 400, Some(0), "trace in spans"),
    Case("/api/logs?q=trace+in+span(a)", 400, Some(9), "spans("),
    Case("/api/logs?q=trace+in+spans(trace+in+logs(a))", 400, Some(15), ""),
    Case("/api/logs?q=spans+where+a", 400, Some(0), "logs where"),
    Case("/api/complete?q=a&signal=metrics", 400, None, "logs"),
    Case("/api/complete?q=a&at=x", 400, None, ""),
    Case("/api/logs?limit=many", 400, None, ""),
    Case("/api/logs?limit=1000000", 400, None, ""),
    Case("/api/logs?from=yesterdayish", 400, None, ""),
    Case("/api/logs?cursor=no-cursor", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c", 404, None, ""),
    Case("/api/traces/0af7", 400, None, ""),
    Case("/api/traces/zzf7651916cd43dd8448eb211c80319c", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/outline", 404, None, ""),
    Case("/api/traces/0af7/outline", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/outline?outline=1.2", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/rows?from=3&to=2", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/rows?rows=1,x", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/rows?from=0&rows=1", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/find", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/find?ids=x", 400, None, ""),
    Case("/api/traces/0af7651916cd43dd8448eb211c80319c/find?q=a+AND", 400, Some(5), ""),
    Case("/api/no-such-thing", 404, None, ""),
];

#[test]
fn a_wrong_question_is_told_where_and_what_was_expected() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("kept")]));
    for Case(path, status, position, expected) in CASES {
        let answer = server.api().get(path);
        let error = error_of(&answer, path);
        assert_eq!(answer.status, *status, "{path}: {error}");
        if let Some(position) = position {
            assert_eq!(error["position"], json!(position), "{path}: {error}");
        }
        if !expected.is_empty() {
            let words = error["expected"].as_array().unwrap_or_else(|| panic!("{path}: {error}"));
            let named = |word: &Value| word.as_str().is_some_and(|word| word.contains(expected));
            assert!(words.iter().any(named), "{path}: {expected} is not expected in {error}");
        }
    }
    assert_eq!(server.api().rows("logs", "").len(), 1);
}

#[test]
fn sql_that_is_wrong_or_would_write_is_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("kept")]));
    let wrong =
        ["SELEC 1", "SELECT", "", "SELECT nothing FROM logs", "SELECT * FROM nowhere", "SELECT 1; SELECT 2"];
    let writing = [
        "CREATE TABLE t (a int)",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "INSERT INTO logs VALUES (1)",
        "DELETE FROM logs",
        "UPDATE logs SET body = ''",
        "DROP TABLE logs",
        "COPY logs TO '/tmp/logs.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT * FROM '/etc/passwd'",
        "EXPLAIN ANALYZE COPY logs TO '/tmp/logs.csv'",
    ];
    for (sql, statuses) in
        wrong.map(|sql| (sql, &[400_u16][..])).into_iter().chain(writing.map(|sql| (sql, &[400, 403][..])))
    {
        let answer = server.api().sql_answer(sql);
        let error = error_of(&answer, sql);
        assert!(statuses.contains(&answer.status), "{sql}: {} {error}", answer.status);
    }
    for body in [json!({}), json!({ "sql": 5 }), json!([])] {
        let answer = server.api().post("/api/sql", &body);
        error_of(&answer, &body.to_string());
        assert!((400..500).contains(&answer.status), "{body}: {}", answer.status);
    }
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 1);
}

/// The error object, which every refusal has.
fn error_of(answer: &Answer, question: &str) -> Value {
    assert!((400..600).contains(&answer.status), "{question}: {} {}", answer.status, answer.text());
    let error = answer.json()["error"].clone();
    for key in ["code", "message", "request_id"] {
        let text = error[key].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{question}: no {key} in {error}");
    }
    error
}
