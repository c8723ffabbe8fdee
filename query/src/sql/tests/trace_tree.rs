//! `trace_tree` over the trace of the fixture: a request of half a second, and a charge within it.

use super::*;

const ONE: &str = "0af7651916cd43dd8448eb211c80319c";

#[test]
fn a_trace_is_laid_out_fresh_and_compacted() {
    let fixture = Fixture::new();
    let cases = [
        (
            format!(
                "SELECT service_name, name, depth, on_critical_path, critical_ns, self_ns, duration_ns,
                        parent_span_id = root_span_id AS below_root
                 FROM trace_tree('{ONE}') ORDER BY start_time"
            ),
            json!([
                ["cart", "GET /cart", 0, true, 200_000_000, 200_000_000, 500_000_000, null],
                ["payment", "charge", 1, true, 300_000_000, 300_000_000, 300_000_000, true],
            ]),
        ),
        (
            format!("SELECT sum(critical_ns) FROM trace_tree('{ONE}') WHERE on_critical_path"),
            json!([[500_000_000]]),
        ),
        (
            format!(
                "SELECT s.status_code, t.depth FROM trace_tree('{ONE}') t JOIN spans s ON s.span_id = t.span_id
                 WHERE s.trace_id = '{ONE}' ORDER BY t.depth"
            ),
            json!([["unset", 0], ["error", 1]]),
        ),
        (format!("SELECT count(*) FROM trace_tree('{}')", ONE.replace('0', "1")), json!([[0]])),
    ];
    for state in ["fresh", "compacted"] {
        for (sql, expected) in &cases {
            assert_eq!(ask(&fixture, sql).as_ref(), Ok(expected), "{state}: {sql}");
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
    let sql = format!("SELECT depth FROM trace_tree('{ONE}')");
    let answer = fixture.runtime.block_on(fixture.engine.sql(&fixture.reader, &sql)).unwrap();
    // The block of its two spans has one more.
    assert_eq!((answer.stats.rows_scanned, answer.stats.segments_opened), (3, 1));
    let plan = ask(&fixture, &format!("EXPLAIN {sql}")).unwrap().to_string();
    assert!(plan.contains(&format!("TraceTreeExec: trace_id={ONE}")), "{plan}");
}

#[test]
fn what_is_no_trace_is_refused() {
    let fixture = Fixture::new();
    for (sql, part) in [
        ("SELECT * FROM trace_tree('abc')", "32 hexadecimal digits"),
        ("SELECT * FROM trace_tree()", "takes the id of a trace"),
        ("SELECT * FROM trace_tree(1)", "takes the id of a trace"),
        ("SELECT * FROM trace_tree('a', 'b')", "takes the id of a trace"),
    ] {
        let (status, message) = ask(&fixture, sql).unwrap_err();
        assert_eq!(status, 400, "{sql}: {message}");
        assert!(message.contains(part), "{sql}: {message}");
    }
}
