use arrow::array::RecordBatch;
use serde_json::{Value, json};
use storage::Purpose;

use super::*;
use crate::engine::Limits;
use crate::testing::Fixture;

mod codec;
mod fixtures;
mod sealed;
mod trace_tree;

/// The rows of an answer as JSON, or the error's status and message.
fn ask(fixture: &Fixture, sql: &str) -> Result<Value, (u16, String)> {
    let answer = fixture.runtime.block_on(fixture.engine.sql(&fixture.reader, sql));
    let answer = answer.map_err(|error| (error.code().0, error.to_string()))?;
    let rows: Vec<Vec<Value>> =
        answer.batches.iter().flat_map(|batch: &RecordBatch| json_rows(batch)).collect();
    Ok(json!(rows))
}

/// Questions with their answers, over three spans and two logs; see [`Fixture`].
fn cases() -> Vec<(&'static str, Value)> {
    let one = "0af7651916cd43dd8448eb211c80319c";
    vec![
        ("SELECT count(*) FROM spans", json!([[3]])),
        ("SELECT count(*), sum(weight) FROM logs", json!([[2, 2.0]])),
        ("SELECT name FROM spans WHERE attributes['http.route'] = '/cart'", json!([["GET /cart"]])),
        ("SELECT name FROM spans WHERE attributes['http.response.status_code'] >= 500", json!([["charge"]])),
        ("SELECT name FROM spans WHERE 500 <= attributes['http.response.status_code']", json!([["charge"]])),
        (
            "SELECT count(*) FROM spans WHERE attributes['http.response.status_code'] IN (200, 500)",
            json!([[2]]),
        ),
        (
            "SELECT count(*) FROM spans WHERE attributes['http.response.status_code'] BETWEEN 100 AND 299.5",
            json!([[1]]),
        ),
        (
            "SELECT attributes['http.route'] AS route, count(*) FROM spans GROUP BY route ORDER BY route NULLS FIRST",
            json!([[null, 2], ["/cart", 1]]),
        ),
        ("SELECT max(CAST(attributes['http.response.status_code'] AS BIGINT)) FROM spans", json!([[500]])),
        (
            "SELECT CAST(attributes['http.route'] AS BIGINT) FROM spans WHERE name = 'GET /cart'",
            json!([[null]]),
        ),
        ("SELECT resource_attributes['host.name'] FROM logs LIMIT 1", json!([["node-1"]])),
        (
            "SELECT attributes FROM spans WHERE name = 'GET /cart'",
            json!([[{"http.response.status_code": 200, "http.route": "/cart"}]]),
        ),
        ("SELECT count(*) FROM spans WHERE trace_id = '0AF7651916cd43dd8448eb211c80319c'", json!([[2]])),
        ("SELECT DISTINCT trace_id FROM logs", json!([[one]])),
        ("SELECT count(*) FROM spans WHERE span_id IN ('00f067aa0ba902b7')", json!([[1]])),
        ("SELECT count(*) FROM spans WHERE trace_id LIKE '0af7%'", json!([[2]])),
        ("SELECT substr(trace_id, 1, 4) FROM logs LIMIT 1", json!([["0af7"]])),
        ("SELECT upper(l.trace_id) FROM logs l LIMIT 1", json!([[one.to_uppercase()]])),
        ("SELECT coalesce(parent_span_id, 'none') FROM spans WHERE name = 'ping'", json!([["none"]])),
        ("SELECT name FROM spans WHERE attr('http.route') = '/cart'", json!([["GET /cart"]])),
        ("SELECT name FROM spans WHERE attr('http.status_code') > 200", json!([["charge"]])),
        ("SELECT attr('host.name') FROM logs LIMIT 1", json!([["node-1"]])),
        (
            "SELECT service_name, operation, kind, peer, calls, errors, entry FROM red ORDER BY 1, 2",
            json!([
                ["cart", "GET /cart", "server", null, 1.0, 0.0, true],
                ["cart", "ping", "internal", null, 1.0, 0.0, true],
                ["payment", "charge", "server", null, 1.0, 1.0, true],
            ]),
        ),
        ("SELECT count(*), sum(calls) FROM red WHERE time < '1970-01-01T00:01:00Z'", json!([[3, 3.0]])),
        ("SELECT count(*) FROM red WHERE time > '1970-01-01T00:00:00Z'", json!([[0]])),
        ("SELECT round(quantile(duration, 0.5)) FROM red WHERE operation = 'ping'", json!([[10.0]])),
        (
            "SELECT service_name, round(quantile_merge(duration, 1) / 1e7) FROM red GROUP BY 1 ORDER BY 1",
            json!([["cart", 50.0], ["payment", 30.0]]),
        ),
        (
            "SELECT round(quantile(sketch_merge(duration), 0) / 1e7) FROM red WHERE operation <> 'ping'",
            json!([[30.0]]),
        ),
        ("SELECT quantile_merge(duration, 0.5) FROM red WHERE service_name = 'absent'", json!([[null]])),
        (
            "SELECT r.peer, sum(r.calls) + 1, sum(errors) FROM (SELECT service_name AS peer, calls, errors FROM red) r
             WHERE peer <> 'nobody' GROUP BY r.peer ORDER BY r.peer",
            json!([["cart", 3.0, 0.0], ["payment", 2.0, 1.0]]),
        ),
        ("SELECT max(calls), count(*), sum(calls) FROM red", json!([[1.0, 3, 3.0]])),
        ("SELECT sum(calls) FILTER (WHERE errors > 0), sum(DISTINCT calls) FROM red", json!([[1.0, 1.0]])),
        ("SELECT calls, sum(errors) FROM red GROUP BY calls", json!([[1.0, 1.0]])),
        ("SELECT sum(c) FROM (SELECT sum(calls) AS c FROM red GROUP BY kind HAVING sum(calls) > 1)", json!([[2.0]])),
        (
            "SELECT s.name FROM spans s JOIN logs l ON s.span_id = l.span_id WHERE attr('l', 'host.name') = 'node-1'
             AND attr('s', 'http.status_code') = 500",
            json!([["charge"]]),
        ),
        ("SELECT trace_id || '!' FROM logs LIMIT 1", json!([[format!("{one}!")]])),
        ("SELECT count(*) FROM spans WHERE parent_span_id IS NULL", json!([[2]])),
        (
            "SELECT l.body FROM logs l JOIN spans s ON l.span_id = s.span_id WHERE s.status_code = 'error'",
            json!([["card refused"]]),
        ),
        (
            "SELECT start_time FROM spans WHERE name = 'GET /cart'",
            json!([["1970-01-01T00:00:01.000000000Z"]]),
        ),
        (
            "SELECT root_name, span_count, error_count, services, duration_ns FROM traces ORDER BY start_time",
            json!([["GET /cart", 2, 1, ["cart", "payment"], 500_000_000], ["ping", 1, 0, ["cart"], 10]]),
        ),
        ("SELECT count(*) FROM logs WHERE matches(body, 'card REFUSED')", json!([[1]])),
        ("SELECT count(*) FROM logs WHERE matches(body, 'refused card')", json!([[0]])),
        ("SELECT count(*) FROM logs WHERE NOT matches(body, 'card refused')", json!([[1]])),
        (
            "SELECT service_name, count(*) FROM spans WHERE matches(service_name, 'CART') GROUP BY 1",
            json!([["cart", 2]]),
        ),
        (
            "SELECT attributes['http.route'] AS r, attributes['http.status_code'] FROM spans
             WHERE attributes['http.route'] IN ('/cart', '/none') OR matches(name, 'charge') ORDER BY r",
            json!([["/cart", null], [null, null]]),
        ),
        ("SELECT name FROM spans WHERE start_time >= TIMESTAMP '1970-01-01T00:00:02Z'", json!([["ping"]])),
        ("SELECT count(*) FROM metrics", json!([[0]])),
        ("EXPLAIN SELECT 1", Value::Null),
    ]
}

#[test]
fn answers_are_the_same_fresh_and_compacted() {
    let fixture = Fixture::new();
    for state in ["fresh", "compacted"] {
        for (sql, expected) in cases() {
            let found = ask(&fixture, sql).unwrap_or_else(|error| panic!("{state}: {sql}: {error:?}"));
            if expected != Value::Null {
                assert_eq!(found, expected, "{state}: {sql}");
            }
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

/// What a question reads of files, as EXPLAIN tells it.
#[test]
fn a_plan_tells_what_is_pruned_and_reads_no_more() {
    let fixture = Fixture::new();
    fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    let one = "0af7651916cd43dd8448eb211c80319c";
    let attribute = r#"index=Attribute(Record, "http.route", Equals("/cart"))"#;
    let exists = r#"index=Attribute(Record, "http.response.status_code", Exists)"#;
    let anywhere = r#"Attribute(Resource, "host.name", Equals("node-1"))"#;
    let cases = [
        (
            "SELECT count(*) FROM spans WHERE attributes['http.route'] = '/cart'",
            vec!["segments=1 of 1", attribute],
        ),
        ("SELECT count(*) FROM spans WHERE attributes['http.response.status_code'] >= 500", vec![exists]),
        ("SELECT count(*) FROM spans WHERE attr('host.name') = 'node-1'", vec!["index=Or([", anywhere]),
        (
            "SELECT count(*) FROM logs WHERE matches(body, 'card refused')",
            vec![r#"index=Text("card refused")"#],
        ),
        (
            "SELECT attributes['http.route'], count(*) FROM spans GROUP BY 1",
            vec!["projection=[attribute_text(attributes"],
        ),
        ("SELECT service_name FROM logs WHERE matches(body, 'card')", vec!["projection=[matches(body"]),
    ];
    for (sql, parts) in cases {
        let plan = ask(&fixture, &format!("EXPLAIN {sql}")).unwrap().to_string().replace("\\\"", "\"");
        for part in parts {
            assert!(plan.contains(part), "{sql}: {part:?} is not in {plan}");
        }
    }
    let nowhere = [
        format!("SELECT count(*) FROM logs WHERE trace_id = '{}'", one.replace('0', "1")),
        "SELECT count(*) FROM spans WHERE service_name = 'nobody'".to_owned(),
        "SELECT count(*) FROM spans WHERE start_time > TIMESTAMP '2030-01-01T00:00:00Z'".to_owned(),
    ];
    for sql in nowhere {
        let answer = fixture.runtime.block_on(fixture.engine.sql(&fixture.reader, &sql)).unwrap();
        assert_eq!(answer.stats.segments_opened, 0, "{sql}");
    }
}

#[test]
fn what_was_read_is_counted() {
    let fixture = Fixture::new();
    for (compacted, segments) in [(false, 0), (true, 1)] {
        if compacted {
            fixture.runtime.block_on(fixture.engine.compact()).unwrap();
        }
        let answer = fixture
            .runtime
            .block_on(fixture.engine.sql(&fixture.reader, "SELECT max(name) FROM spans"))
            .unwrap();
        assert_eq!((answer.stats.rows_scanned, answer.stats.segments_opened), (3, segments));
    }
}

#[test]
fn what_is_no_query_is_refused() {
    let fixture = Fixture::new();
    let cases = [
        ("DROP TABLE spans", 403, "read-only"),
        ("CREATE TABLE x AS SELECT 1", 403, "read-only"),
        ("INSERT INTO spans SELECT * FROM spans", 403, "read-only"),
        ("COPY spans TO '/tmp/x.parquet'", 403, "read-only"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", 403, "read-only"),
        ("SET datafusion.execution.batch_size = 1", 403, "read-only"),
        ("EXPLAIN DROP TABLE spans", 403, "read-only"),
        ("SELECT 1; SELECT 2", 400, "one statement"),
        ("", 400, "one statement"),
        ("SELECT * FROM '/etc/passwd'", 400, "passwd"),
        ("SELECT * FROM nothing", 400, "nothing"),
        ("SELECT nothing FROM spans", 400, "nothing"),
        ("SELECT * FROM spans WHERE (", 400, "xpected"),
        ("SELECT attr('a') FROM spans s JOIN logs l ON s.span_id = l.span_id", 400, "say which one"),
        ("SELECT attr(name) FROM spans", 400, "name of an attribute"),
        ("SELECT * FROM spans WHERE trace_id = 'abc'", 400, "32 hexadecimal digits"),
        ("SELECT quantile(duration, 2) FROM red", 400, "from 0 to 1"),
        ("SELECT quantile_merge(duration, -1) FROM red", 400, "from 0 to 1"),
    ];
    for (sql, status, part) in cases {
        let (found, message) = ask(&fixture, sql).expect_err(sql);
        assert_eq!(found, status, "{sql}: {message}");
        assert!(message.contains(part), "{sql}: {message}");
    }
}

#[test]
fn logs_have_the_identity_of_their_template() {
    let fixture = Fixture::new();
    let [refused, answered] =
        ["card refused", "cart answered"].map(|text| format!("{:016x}", storage::templates::id(text)));
    for state in ["fresh", "compacted"] {
        for (sql, expected) in [
            (
                "SELECT body, template_id FROM logs ORDER BY body".to_owned(),
                json!([["card refused", refused], ["cart answered", answered]]),
            ),
            (format!("SELECT body FROM logs WHERE template_id = '{refused}'"), json!([["card refused"]])),
            (format!("SELECT count(*) FROM logs WHERE template_id <> '{refused}'"), json!([[1]])),
            ("SELECT count(*) FROM logs WHERE template_id IS NULL".to_owned(), json!([[0]])),
            (
                "SELECT template_id IS NULL AS absent, count(DISTINCT template_id) FROM logs GROUP BY absent"
                    .to_owned(),
                json!([[false, 2]]),
            ),
            (
                "SELECT template_id, count(*) FROM logs WHERE service_name = 'cart' GROUP BY template_id"
                    .to_owned(),
                json!([[answered, 1]]),
            ),
        ] {
            assert_eq!(ask(&fixture, &sql), Ok(expected), "{state}: {sql}");
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn a_syntax_error_has_its_place() {
    let error = allowed("SELECT *\nFROM spans WHERE )").unwrap_err();
    let QueryError::Bad { position: Some(position), expected, .. } = error else { panic!("{error:?}") };
    assert_eq!(position, 26);
    assert!(!expected.is_empty());
}

#[test]
fn too_much_memory_is_refused_and_named() {
    // Queries have about a megabyte of it.
    let fixture = Fixture::with_memory(4 << 20);
    let greedy =
        "SELECT a.value, b.value FROM generate_series(1, 3000) a, generate_series(1, 3000) b ORDER BY 2, 1";
    let (status, message) = ask(&fixture, greedy).unwrap_err();
    assert_eq!(status, 422, "{message}");
}

/// Sums of `red`'s rows are taken of its parts, and only those.
#[test]
fn sums_of_sums_are_taken_once() {
    let fixture = Fixture::new();
    let cases = [
        ("SELECT service_name, sum(calls), quantile_merge(duration, 0.5) FROM red GROUP BY 1", false),
        ("SELECT sum(errors) / sum(calls) FROM red WHERE kind = 'server'", false),
        ("SELECT service_name, max(calls) FROM red GROUP BY 1", true),
        ("SELECT errors, sum(calls) FROM red GROUP BY 1", true),
        ("SELECT sum(calls * 2) FROM red", true),
    ];
    for (sql, makes_rows) in cases {
        let plan = ask(&fixture, &format!("EXPLAIN {sql}")).unwrap().to_string();
        let instances = plan.matches("service_instance_id").count();
        assert_eq!(instances > 0, makes_rows, "{sql}: {plan}");
    }
}

#[test]
fn an_answer_holds_its_memory_for_as_long_as_it_is_held() {
    let fixture = Fixture::new();
    let held = || fixture.budget.reserved_for(Purpose::Queries);
    let answer =
        fixture.runtime.block_on(fixture.engine.sql(&fixture.reader, "SELECT * FROM spans")).unwrap();
    assert!(held() > 0);
    drop(answer);
    assert_eq!(held(), 0);
    // A share that scans fit into, and answers of 4 MiB do not.
    let fixture = Fixture::with_memory(16 << 20);
    let large =
        "SELECT a.value, b.value FROM generate_series(1, 500) a, generate_series(1, 500) b LIMIT 100000";
    let large =
        large.replace("a.value, b.value", "a.value, b.value, a.value + b.value, a.value * b.value, 1, 2, 3");
    let (status, message) = ask(&fixture, &large).unwrap_err();
    assert_eq!(status, 422, "{message}");
    assert!(message.contains("memory"), "{message}");
}

#[test]
fn the_longest_chains_are_answered_and_longer_ones_refused() {
    // Whether they are answered, not how soon: this machine may have other work.
    let fixture = Fixture::with_limits(Limits { time: Duration::from_secs(300), ..Limits::default() });
    let chain = |first: &str, next: &str, count: usize| format!("SELECT {first}{}", next.repeat(count));
    assert_eq!(ask(&fixture, &chain("1", "+1", STATEMENT_TOKENS_MAX / 2 - 2)), Ok(json!([[1999]])));
    let union = chain("1", " UNION ALL SELECT 1", 900);
    assert_eq!(ask(&fixture, &union).map(|rows| rows.as_array().map(Vec::len)), Ok(Some(901)));
    let (status, message) = ask(&fixture, &chain("1", "+1", STATEMENT_TOKENS_MAX)).unwrap_err();
    assert_eq!(status, 400);
    assert!(message.contains("at most"), "{message}");
}

#[test]
fn brackets_nest_up_to_a_limit() {
    let fixture = Fixture::new();
    let nest = |open: &str, depth: usize, close: &str| {
        format!("SELECT 1 AS n, {}1{}", open.repeat(depth), close.repeat(depth))
    };
    let cases = [
        ("ARRAY[", COSTLY_DEPTH_MAX, "]"),
        ("cast (", COSTLY_DEPTH_MAX, " AS INT)"),
        ("abs(", 20, ")"),
        ("(SELECT ", COSTLY_DEPTH_MAX, ")"),
    ];
    for (open, depth, close) in cases {
        assert!(ask(&fixture, &nest(open, depth, close)).is_ok(), "{open}");
    }
    let too_deep = [
        nest("ARRAY[", COSTLY_DEPTH_MAX + 1, "]"),
        nest("cast (", COSTLY_DEPTH_MAX + 1, " AS INT)"),
        nest("(SELECT ", COSTLY_DEPTH_MAX + 1, ")"),
        nest("(", STATEMENT_DEPTH_MAX + 1, ")"),
        // What is wrong inside costs twice for each, up to the limit.
        nest("ARRAY[", COSTLY_DEPTH_MAX, ""),
    ];
    for sql in too_deep {
        assert_eq!(ask(&fixture, &sql).unwrap_err().0, 400, "{sql}");
    }
    // Those in one row do not nest, and those in text are none.
    let row = format!("SELECT {}1", "cast('1' AS INT) + ".repeat(100));
    assert_eq!(ask(&fixture, &row), Ok(json!([[101]])));
    let text = format!("SELECT '{}' IS NULL", "array[".repeat(1000));
    assert_eq!(ask(&fixture, &text), Ok(json!([[false]])));
}

#[test]
fn what_makes_much_out_of_little_is_refused() {
    let fixture = Fixture::new();
    for sql in
        ["SELECT repeat('x', 1000000000)", "SELECT range(0, 1000000000)", "SELECT lpad('x', 1000000000)"]
    {
        assert_eq!(ask(&fixture, sql).unwrap_err().0, 400, "{sql}");
    }
    let wide = "SELECT array_agg(a.value) OVER () FROM generate_series(1, 5000) a";
    let (status, message) = ask(&fixture, wide).unwrap_err();
    assert_eq!(status, 422, "{message}");
}

#[test]
fn an_endless_query_ends() {
    let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
    let fixture = Fixture::with_limits(limits);
    let endless =
        "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let (status, message) = ask(&fixture, endless).unwrap_err();
    assert_eq!(status, 504, "{message}");
}
