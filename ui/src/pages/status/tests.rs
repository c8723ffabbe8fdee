use std::collections::BTreeMap;

use query::{CompactionStatus, LogStatus, ProcessStatus, ServiceShare, StorageStatus};

use super::*;
use crate::pages::checks;
use crate::sample::{HOSTILE, START};

fn kind(count: u64, example: &str, at: Option<i64>) -> Kind {
    Kind { count, example: (count > 0).then(|| example.to_owned()), at: at.map(UnixNanos) }
}

fn service(name: &str) -> ServiceIngest {
    ServiceIngest {
        received: 12_000,
        last_received: UnixNanos(START),
        rejected: kind(3, "trace_id must be 16 bytes, not all zero (span 2 'bad')", None),
        truncated: kind(2, "a value that is too long or nested too deep", None),
        late: kind(5, "a row of", Some(START - 7_200_000_000_000)),
        held_back: kind(100, "a request with 100 rows of it, sent again", Some(START)),
        ..ServiceIngest::new(name, model::Signal::Spans)
    }
}

fn status() -> Status {
    let refusal = Refusal {
        signal: "logs",
        reason: "too large",
        status: 413,
        requests: 7,
        last: UnixNanos(START),
        example: HOSTILE.to_owned(),
    };
    let signal = |signal, rows| SignalStatus {
        signal,
        rows,
        fresh_rows: 10,
        bytes: rows * 45,
        segments: 3,
        indexed: 1,
        from: Some(START.to_string()),
        to: Some(START.to_string()),
    };
    let share = |service: &str| ServiceShare {
        service: service.to_owned(),
        signal: "spans",
        share: 0.25,
        rows_estimated: 500,
        bytes_estimated: 22_500,
    };
    let slow = |kind, error: Option<&str>| SlowQuestion {
        at: START.to_string(),
        kind,
        text: HOSTILE.to_owned(),
        elapsed_ms: 1234,
        error: error.map(str::to_owned),
    };
    Status {
        started: START.to_string(),
        uptime_s: 3723,
        broken: None,
        ingest: Some(Ingest {
            services: vec![service("checkout"), service(HOSTILE)],
            refusals: vec![refusal],
        }),
        storage: StorageStatus {
            signals: vec![signal("spans", 2000), signal("logs", 10)],
            services: vec![share("checkout"), share(HOSTILE)],
        },
        process: ProcessStatus {
            cpu_s: Some(372.3),
            processors: 2,
            resident_bytes: Some(100 << 20),
            budget_bytes: 1 << 30,
            reserved_bytes: BTreeMap::from([("caches", 512 << 20)]),
            refused: BTreeMap::from([("bodies", 4)]),
        },
        log: LogStatus {
            files: 2,
            bytes: 5 << 20,
            frames_replayed: 9,
            frames_damaged: 1,
            torn_bytes: 17,
            held_back: 1,
        },
        compaction: CompactionStatus {
            fresh_bytes: 1 << 20,
            waiting: 1,
            removed_segments: 0,
            removed_rows: 0,
            removed_bytes: 0,
            steps_s: BTreeMap::from([("parquet", 1.5), ("roll_up", 0.5), ("merge", 0.0)]),
        },
        slow_questions: vec![slow("logs", None), slow("sql", Some("30 s passed"))],
    }
}

#[test]
fn everything_is_told_with_an_example_and_a_way_to_it() {
    let page = StatusPage::new(&checks::visit("/status"), "0.1.0", &status()).render().unwrap();
    checks::is_sound("status", &page);
    for part in [
        "24,000 rows received and 7 requests refused in 1 h 02 m",
        "trace_id must be 16 bytes",
        "q=service%3Acheckout%20causeway.truncated%3Atrue",
        "t=2025-11-21T07%3A00%3A00.12Z",
        "a request with 100 rows of it, sent again",
        "too large",
        "413",
        "10 % of 2 processors",
        "45 B",
        "roll up",
        "1 frame",
        "1.23 s",
        "/sql?q=",
        "30 s passed",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_start_is_in_the_zone_of_the_reader() {
    let page = zone::sync_within("Asia/Tokyo", || {
        StatusPage::new(&checks::visit("/status"), "0.1.0", &status()).render().unwrap()
    });
    assert!(page.contains("2025-11-21 18:00:00 Asia/Tokyo"), "{page}");
}

#[test]
fn a_store_that_nobody_writes_to_and_a_broken_one_say_so() {
    let bare =
        Status { ingest: None, broken: Some("an fsync failed"), slow_questions: Vec::new(), ..status() };
    let page = StatusPage::new(&checks::visit("/status"), "0.1.0", &bare).render().unwrap();
    checks::is_sound("status-broken", &page);
    for part in ["an fsync failed", "No question has taken long", "no server"] {
        assert!(page.contains(part), "{part}");
    }
}
