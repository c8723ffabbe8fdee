//! Each fault changes what it should, in its service.

use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::seen::{self, Seen, is_error, text};
use super::*;

/// Minutes before the fault, and with it. Gauges and queues need a while.
const BEFORE: std::ops::Range<i64> = 0..3;
const DURING: std::ops::Range<i64> = 4..7;
const MINUTES: u32 = 8;

fn broken(fault: Fault) -> Seen {
    let faults = vec![FaultPlan { fault, from: START + 3 * MINUTE, to: START + 7 * MINUTE }];
    Seen::of(&Plan { faults, ..quiet(21, MINUTES, 6.0) })
}

/// How much a figure grew.
fn growth(during: f64, before: f64) -> f64 {
    during / before.max(1e-9)
}

#[test]
fn cpu() {
    let seen = broken(Fault::Cpu);
    assert!(seen.gauge("process.cpu.utilization", "pricing-1", DURING) > 0.9);
    assert!(seen.gauge("process.cpu.utilization", "pricing-2", DURING) < 0.4);
    assert!(growth(seen.p(0.75, "pricing", DURING), seen.p(0.75, "pricing", BEFORE)) > 5.0);
    assert!(growth(seen.p(0.5, "catalog", DURING), seen.p(0.5, "catalog", BEFORE)) < 1.5);
    assert!(growth(seen.p(0.9, "web", DURING), seen.p(0.9, "web", BEFORE)) > 1.5);
}

#[test]
fn memory_leak() {
    let seen = broken(Fault::MemoryLeak);
    let memory = |minutes| seen.gauge("process.memory.usage", "recommendation-1", minutes);
    assert!(growth(memory(4..5), memory(BEFORE)) > 1.5);
    assert!(seen.said("recommendation", "collecting garbage took", DURING) > 3);
    assert!(seen.said("recommendation", "out of memory", 3..7) >= 1);
    assert!(seen.spans_of("recommendation").any(|(from, _)| from.instance == "recommendation-1-g2"));
    assert!(growth(seen.p(0.95, "recommendation", 4..6), seen.p(0.95, "recommendation", BEFORE)) > 3.0);
}

#[test]
fn network_delay() {
    let seen = broken(Fault::NetworkDelay);
    // The data base answers late, too; what the service itself does takes as long as before.
    let p90 = |minutes| seen.p(0.9, "catalog", minutes);
    assert!(growth(p90(DURING), p90(BEFORE)) > 4.0);
    assert!(growth(seen.p(0.75, "web", DURING), seen.p(0.75, "web", BEFORE)) > 2.0);
    assert!(seen.gauge("process.cpu.utilization", "catalog-2", DURING) < 0.3);
    assert!(growth(seen.p(0.5, "pricing", DURING), seen.p(0.5, "pricing", BEFORE)) < 1.5);
}

#[test]
fn errors_and_exceptions() {
    for (fault, words) in
        [(Fault::Error, "ledger answers code 17"), (Fault::Exception, "cannot read variants of bundle")]
    {
        let (seen, service) = (broken(fault), fault.label().service);
        assert_eq!(seen.said(service, words, BEFORE), 0);
        assert!(seen.said(service, words, DURING) > 20, "{fault}");
        let share = |service| seen.error_share(service, DURING);
        assert!(share(service) > 0.1 && seen.error_share(service, BEFORE) < 0.02, "{fault}");
        // It shows at the top, where no exception stands.
        assert!(share("web") > 0.02, "{fault}: {}", share("web"));
        let thrown = |service: &str| {
            seen.spans_of(service)
                .flat_map(|(_, span)| &span.events)
                .filter(|event| event.name == "exception")
                .count()
        };
        assert_eq!(thrown("web"), 0);
        assert_eq!(thrown(service) > 20, fault == Fault::Exception);
    }
}

#[test]
fn lock() {
    let seen = broken(Fault::Lock);
    assert!(growth(seen.p(0.5, "inventory", DURING), seen.p(0.5, "inventory", BEFORE)) > 8.0);
    assert!(seen.said("inventory", "for lock stock-ledger", DURING) > 30);
    assert!(seen.said("inventory", "for lock stock-ledger", BEFORE) == 0);
    assert!(growth(seen.p(0.5, "checkout", DURING), seen.p(0.5, "checkout", BEFORE)) > 2.0);
}

#[test]
fn slow_query() {
    let seen = broken(Fault::SlowQuery);
    assert!(growth(seen.p(0.9, "orders", DURING), seen.p(0.9, "orders", BEFORE)) > 20.0);
    assert!(seen.said("orders", "slow query: SELECT orders", DURING) > 30);
    assert!(seen.error_share("orders", DURING) < 0.02);
}

#[test]
fn deploys_and_configurations() {
    let seen = broken(Fault::BadDeploy);
    let (failing, others): (Vec<_>, Vec<_>) = seen
        .spans_of("search")
        .filter(|(_, span)| is_error(span))
        .partition(|(from, _)| from.version == "2.4.0");
    assert!(failing.len() > 50 && others.len() < 5, "{} and {}", failing.len(), others.len());
    assert!(seen.spans_of("search").last().is_some_and(|(from, _)| from.version == "2.3.4"), "rolled back");

    let seen = broken(Fault::ConfigChange);
    assert!(growth(seen.p(0.5, "cart", DURING), seen.p(0.5, "cart", BEFORE)) > 20.0);
    assert!(seen.said("cart", "store.pool.max=1", 3..4) == 2);
    let slow = seen.spans_of("cart").filter(|(from, _)| from.config == "r119").count();
    assert!(slow > 100, "{slow}");
}

#[test]
fn queue_backlog() {
    let seen = broken(Fault::QueueBacklog);
    let depth = |minutes| seen.gauge("shop.queue.depth", "shipping", minutes);
    assert!(depth(BEFORE) < 1.0 && depth(6..7) > 20.0, "{} {}", depth(BEFORE), depth(6..7));
    assert!(seen.gauge("shop.queue.lag", "shipping", 6..7) > 30.0);
    assert!(growth(seen.p(0.5, "shipping", DURING), seen.p(0.5, "shipping", BEFORE)) < 1.5);
}

#[test]
fn dead_instance() {
    let seen = broken(Fault::DeadInstance);
    let from_dead = seen.spans_of("inventory").filter(|(from, span)| {
        from.instance == "inventory-2-g1" && span.end_time_unix_nano as i64 > START + 3 * MINUTE
    });
    assert_eq!(from_dead.count(), 0);
    let measured_dead = seen
        .gauges
        .iter()
        .filter(|(from, _, time, _)| from.instance == "inventory-2-g1" && *time > START + 3 * MINUTE);
    assert_eq!(measured_dead.count(), 0);
    let refused = seen
        .spans_of("checkout")
        .filter(|(_, span)| text(&span.attributes, "error.type") == "connection_refused");
    assert!(refused.count() > 30);
    let share = seen.error_share("checkout", DURING);
    assert!((0.3..0.7).contains(&share), "{share}");
    assert!(seen.spans_of("inventory").any(|(from, _)| from.instance == "inventory-2-g2"));
}

#[test]
fn retry_storm() {
    let seen = broken(Fault::RetryStorm);
    let calls = |kind: &str| {
        seen.spans_of("payment").filter(|(_, span)| text(&span.attributes, "error.type") == kind).count()
    };
    assert!(
        calls("timeout") > 100 && calls("circuit_open") > 10,
        "{} {}",
        calls("timeout"),
        calls("circuit_open")
    );
    assert!(seen.said("payment", "circuit to fraud opened", DURING) > 0);
    assert!(seen.said("payment", "circuit to fraud opened", BEFORE) == 0);
    assert!(seen.error_share("fraud", DURING) < 0.02, "the one that is called is well");
    assert!(seen.error_share("payment", DURING) > 0.8);
}

#[test]
fn errors_are_told_where_they_are() {
    /// What is left of a thousand queries without a fault.
    const BACKGROUND_MAX: usize = 8;
    for fault in Fault::all() {
        let seen = broken(fault);
        let error = |(from, log): &&(Arc<seen::From>, LogRecord)| {
            log.severity_number >= 17 && from.service != fault.label().service
        };
        let elsewhere = seen.logs.iter().filter(error).count();
        assert!(elsewhere <= BACKGROUND_MAX, "{fault}: {elsewhere} errors elsewhere");
    }
}
