//! A sync that fails. The kernel may drop what it could not write and then say that all is well, so a log whose sync
//! failed once acknowledges nothing more until a restart, and says so. A sync of a segment or of the catalog that
//! fails loses nothing, as the log still has the rows, and sealing is tried again.

use std::collections::BTreeSet;

use serde_json::json;
use tests::{
    api::Api,
    fault::{
        random::{Random, seed},
        strace::{self, Injection},
    },
    grpc::Call,
    harness::{Server, Setup, announce},
    otlp::{Export, Signal, attribute, log, logs},
};

use crate::support::{Home, protobuf_request};

/// The log is synced once for each request that comes alone.
const LOG_SYNC: &str = "fdatasync";

/// Segments, directories, the catalog and the header of a log file.
const OTHER_SYNC: &str = "fsync";

/// Requests that are sent at most until one fails.
const REQUESTS_MAX: usize = 40;

/// Requests after the one that failed.
const REFUSED: usize = 5;

/// How many syncs of one thread during a seal are made to fail, one in each round.
const SEAL_SYNCS: usize = 12;

#[test]
fn after_a_failed_sync_of_the_log_nothing_is_acknowledged_until_a_restart() {
    if !strace::is_usable("failing sync of the log") {
        return;
    }
    let mut random = Random::new(seed(), 3);
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut stored: BTreeSet<usize> = (0..3).filter(|number| sent(&server, *number)).collect();
    assert_eq!(stored.len(), 3, "before the fault");
    let which = 1 + random.below(8);
    // Only one fails: that the next one succeeds must not make the log trustworthy again.
    let fault = Injection::attach(server.process_id(), LOG_SYNC, &which.to_string());
    let failed = (3..REQUESTS_MAX).find(|number| {
        let taken = sent(&server, *number);
        if taken {
            stored.insert(*number);
        }
        !taken
    });
    let failed = failed.unwrap_or_else(|| panic!("seed {}: sync {which} did not fail", seed()));
    drop(fault);
    let refused: Vec<usize> = (failed..failed + REFUSED).collect();
    for number in &refused {
        assert!(!sent(&server, *number), "seed {}: acknowledged after a failed sync", seed());
    }
    refused_over_grpc(&server, failed);
    let ready = server.api().get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("fsync") && ready.text().contains("restart"), "{}", ready.text());
    assert_eq!(server.api().get("/healthz").status, 200, "the process is alive");
    assert_eq!(found(&server.api()), stored, "what was acknowledged can still be read");
    server.kill();
    let server = Server::start(&home.data());
    let after = found(&server.api());
    let lost: Vec<_> = stored.difference(&after).collect();
    let strange: Vec<_> = after.difference(&stored).filter(|number| **number != failed).collect();
    assert!(
        lost.is_empty() && strange.is_empty(),
        "seed {}: lost {lost:?}, {strange:?} never acknowledged",
        seed()
    );
    assert_eq!(server.api().get("/readyz").status, 200, "a restart helps");
    // As an exporter does with what was refused: stored once, whether or not the first try reached the disk.
    assert!(refused.iter().all(|number| sent(&server, *number)), "refused after a restart");
    stored.extend(refused);
    assert_eq!(found(&server.api()), stored);
    announce(&format!("failing sync: sync {which} of the log, {REFUSED} requests refused, none lost"));
}

#[test]
fn a_failed_sync_while_sealing_loses_nothing() {
    if !strace::is_usable("failing sync while sealing") {
        return;
    }
    let home = Home::new();
    let mut server = Server::start(&home.data());
    let mut stored = BTreeSet::new();
    let (mut failures, mut poisoned) = (0, 0);
    for which in 1..=SEAL_SYNCS {
        for number in which * 10..which * 10 + 3 {
            assert!(sent(&server, number), "round {which}: refused before the fault");
            stored.insert(number);
        }
        let fault = Injection::attach(server.process_id(), OTHER_SYNC, &which.to_string());
        let compacted = server.api().post("/api/compact", &json!({})).status;
        failures += usize::from(compacted != 200);
        assert_eq!(found(&server.api()), stored, "round {which}: after compaction ended with {compacted}");
        drop(fault);
        let number = which * 10 + 3;
        if sent(&server, number) {
            stored.insert(number);
        } else {
            poisoned += 1;
        }
        // Half of the rounds go on as they are, half begin anew after a kill.
        if which % 2 == 0 || server.api().get("/readyz").status != 200 {
            server.kill();
            server = Server::start(&home.data());
            let after = found(&server.api());
            assert!(after.is_superset(&stored), "round {which}: lost {:?}", stored.difference(&after));
            stored = after;
        } else {
            server.api().compact();
            assert_eq!(found(&server.api()), stored, "round {which}: sealed once the disk works again");
        }
    }
    announce(&format!(
        "failing sync while sealing: {SEAL_SYNCS} rounds, {failures} compactions failed, {poisoned} needed a restart"
    ));
    assert!(failures > 0, "no fault reached a compaction");
    server.kill();
    assert_eq!(found(&Setup::new(&home.data()).start().api()), stored, "after the last kill");
}

/// Whether a record was taken; if not, it was refused for now.
fn sent(server: &Server, number: usize) -> bool {
    let answer = server.otlp_http().send(&protobuf_request(&record(number))).expect("the server answers");
    if answer.status == 200 {
        assert!(answer.body.is_empty(), "not a full success: {}", answer.text());
        return true;
    }
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seconds = answer.header("retry-after").and_then(|after| after.parse::<u32>().ok());
    assert!(seconds.is_some(), "no Retry-After in seconds: {:?}", answer.headers);
    false
}

fn refused_over_grpc(server: &Server, number: usize) {
    let call = Call::plain(Signal::Logs.grpc_path(), &record(number).to_protobuf());
    let answer = server.otlp_grpc().call(&call).expect("the server answers");
    assert_eq!(answer.status, 14, "UNAVAILABLE: {}", answer.message);
    let details = answer.details.unwrap_or_default().details;
    assert!(details.iter().any(|detail| detail.type_url.ends_with("google.rpc.RetryInfo")), "no RetryInfo");
}

/// The numbers that are stored; none of them twice.
fn found(api: &Api) -> BTreeSet<usize> {
    let rows = api.sql("SELECT attributes['n'] FROM logs");
    let numbers: Vec<usize> = rows
        .iter()
        .map(|row| row[0].as_str().and_then(|text| text.parse().ok()).expect("a number"))
        .collect();
    let set: BTreeSet<usize> = numbers.iter().copied().collect();
    assert_eq!(set.len(), numbers.len(), "stored more than once: {numbers:?}");
    set
}

fn record(number: usize) -> Export {
    let mut record = log("work done");
    record.attributes = vec![attribute("n", number as i64)];
    logs("sync", vec![record])
}
