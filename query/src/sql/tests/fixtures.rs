//! SQL over the data directory of every released format; what is in them: `storage/src/store/tests/fixtures.rs`.

use std::path::Path;

use model::{Reader, TenantName};
use storage::{Options, Store};

use super::*;
use crate::engine::{Engine, Limits};

/// Questions about a format, with their answers.
fn cases(format: u32) -> Vec<(&'static str, Value)> {
    match format {
        1 => vec![
            ("SELECT count(*), count(DISTINCT service_name) FROM logs", json!([[4, 1]])),
            (
                "SELECT body, attributes['user'], attributes FROM logs WHERE body LIKE 'merged%' ORDER BY seq",
                json!([
                    ["merged one", "u0", {"n": 0, "user": "u0"}],
                    ["merged two", "u0", {"n": 0, "user": "u0"}],
                ]),
            ),
            ("SELECT count(*) FROM logs WHERE attributes['n'] = 0 AND severity IS NULL", json!([[4]])),
            ("SELECT count(*) FROM logs WHERE attributes['n'] > 0", json!([[0]])),
        ],
        _ => vec![
            (
                "SELECT attributes['n'], count(*) FROM logs GROUP BY 1 ORDER BY 1 NULLS FIRST",
                json!([[null, 8], ["1", 4], ["2", 4], ["3", 4], ["one", 4]]),
            ),
            ("SELECT count(*) FROM logs WHERE attributes['n'] >= 2", json!([[8]])),
            (
                "SELECT DISTINCT attributes FROM logs WHERE attributes['ratio'] = 0.5",
                json!([[{"n": 1, "ok": true, "ratio": 0.5, "user": "ä"}]]),
            ),
            (
                "SELECT body FROM logs WHERE body LIKE '%declined' ORDER BY seq",
                json!([
                    ["payment 02 of 3.99 EUR was declined"],
                    ["payment 12 of 3.99 EUR was declined"],
                    ["payment 22 of 3.99 EUR was declined"],
                    ["payment 32 of 3.99 EUR was declined"],
                ]),
            ),
            (
                "SELECT service_version, count(*) FROM logs GROUP BY 1 ORDER BY 1 NULLS FIRST",
                json!([[null, 12], ["1.4.2", 4], ["2", 4], ["3", 4]]),
            ),
            (
                "SELECT severity, count(*) FROM logs GROUP BY 1 ORDER BY 1 NULLS FIRST",
                json!([[null, 8], ["error", 4], ["info", 4], ["loud", 4], ["warn", 4]]),
            ),
            ("SELECT count(*) FROM logs WHERE observed_time > time", json!([[8]])),
            (
                "SELECT name, CAST(end_time AS BIGINT) - CAST(start_time AS BIGINT), duration_ns FROM spans
                 WHERE start_time < TIMESTAMP '1970-01-01T00:00:02Z' ORDER BY seq",
                json!([["GET /cart", 500, 500], ["price", 30, 30], ["tick", 1, 0]]),
            ),
            (
                "SELECT count(*), min(attributes['http.response.status_code']) FROM spans
                 WHERE trace_id = '03030303030303030303030303030303'",
                json!([[2, "500"]]),
            ),
            (
                "SELECT attributes['card'], sum(value), sum(value_int) FROM metrics GROUP BY 1 ORDER BY 1",
                json!([["master", 6.0, null], ["visa", 6.0, 6]]),
            ),
        ],
    }
}

#[test]
fn sql_reads_every_released_format() {
    for format in [1, 2] {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../storage/fixtures/format-{format}"));
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&kept, copy.path());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let store = Store::open(copy.path(), Options::for_memory(1 << 30)).unwrap();
        let engine = Engine::new(store, Limits::default()).unwrap();
        let reader = Reader::of(TenantName::default());
        for state in ["as it is", "merged"] {
            for (sql, expected) in cases(format) {
                let answer = runtime.block_on(engine.sql(&reader, sql)).unwrap();
                let found: Vec<Vec<Value>> = answer.batches.iter().flat_map(json_rows).collect();
                assert_eq!(json!(found), expected, "format {format}, {state}: {sql}");
            }
            runtime.block_on(engine.compact()).unwrap();
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
