//! The model is the same for the same seed, its telemetry hangs together, and each fault shows where it is.

mod faults;
mod seen;

use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use super::*;
use seen::Seen;

/// A Tuesday at noon.
const START: i64 = 1_763_467_200_000_000_000;

fn quiet(seed: u64, minutes: u32, rate: f64) -> Plan {
    Plan { seed, start: START, minutes, rate, faults: Vec::new(), distractors: false }
}

fn bytes(plan: &Plan) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    run(plan, &mut |batch| {
        bytes.push(batch.traces.encode_to_vec());
        bytes.push(batch.logs.encode_to_vec());
        bytes.push(batch.metrics.encode_to_vec());
    });
    bytes
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let mut plan = quiet(11, 3, 3.0);
    plan.faults = vec![FaultPlan { fault: Fault::RetryStorm, from: START + MINUTE, to: START + 2 * MINUTE }];
    let first = bytes(&plan);
    assert_eq!(first.len(), 3 * 4);
    assert!(first == bytes(&plan), "the same plan gave other bytes");
    plan.seed = 12;
    assert!(first != bytes(&plan), "another seed gave the same bytes");
}

#[test]
fn spans_hang_together() {
    /// Clients wait for their servers; what a queue brings begins later.
    const WITHIN: [i32; 2] = [SpanKind::Server as i32, SpanKind::Client as i32];
    let seen = Seen::of(&quiet(3, 3, 6.0));
    let spans: HashMap<&[u8], &Span> =
        seen.spans.iter().map(|(_, span)| (span.span_id.as_slice(), span)).collect();
    assert_eq!(spans.len(), seen.spans.len(), "ids are unique");
    let mut roots = 0;
    for (_, span) in &seen.spans {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{}", span.name);
        let Some(parent) = spans.get(span.parent_span_id.as_slice()) else {
            assert!(span.parent_span_id.is_empty(), "the parent of {} is missing", span.name);
            roots += 1;
            continue;
        };
        assert_eq!(span.trace_id, parent.trace_id);
        assert!(span.start_time_unix_nano >= parent.start_time_unix_nano, "{} begins too early", span.name);
        if WITHIN.contains(&span.kind) {
            assert!(span.end_time_unix_nano <= parent.end_time_unix_nano, "{} ends too late", span.name);
        }
    }
    let traces: HashSet<&[u8]> = seen.spans.iter().map(|(_, span)| span.trace_id.as_slice()).collect();
    assert_eq!(traces.len(), roots);
    let logs = seen.logs.iter().filter(|(_, log)| !log.span_id.is_empty());
    assert!(logs.clone().count() > 1_000);
    for (_, log) in logs {
        let span = spans[log.span_id.as_slice()];
        assert_eq!(log.trace_id, span.trace_id);
        let within = span.start_time_unix_nano..=span.end_time_unix_nano;
        assert!(within.contains(&log.time_unix_nano), "a record outside of {}", span.name);
    }
}

#[test]
fn every_service_sends_all_it_has() {
    let seen = Seen::of(&quiet(5, 4, 8.0));
    for service in crate::shop::SERVICES {
        let name = service.name;
        let instances: HashSet<&str> = seen.spans_of(name).map(|(from, _)| from.instance.as_str()).collect();
        assert_eq!(instances.len(), service.instances, "{name}");
        assert!(seen.logs.iter().any(|(from, _)| from.service == name), "{name}");
        for metric in ["process.cpu.utilization", "process.memory.usage", "process.uptime"] {
            let points = seen.gauges.iter().filter(|point| point.0.service == name && point.1 == metric);
            assert!(points.count() >= 12 * service.instances, "{name} {metric}");
        }
    }
    assert!(seen.metric_names.contains("http.server.request.duration"));
    assert!(seen.metric_names.contains("db.client.operation.duration"));
    assert!(seen.metric_names.contains("messaging.process.duration"));
    assert!(seen.metric_names.contains("shop.queue.lag"));
}

#[test]
fn a_quiet_shop_has_few_errors() {
    let seen = Seen::of(&quiet(8, 6, 8.0));
    let pages: Vec<_> = seen.servers("web").collect();
    let failed = pages.iter().filter(|span| seen::is_error(span)).count();
    assert!(pages.len() > 2_000, "{} pages", pages.len());
    assert!(failed * 100 <= pages.len(), "{failed} of {} failed", pages.len());
    assert!(seen.p(0.5, "web", 0..6) < 0.080, "{}", seen.p(0.5, "web", 0..6));
}

#[test]
fn harmless_deploys_come_before_faults() {
    let fault = FaultPlan { fault: Fault::Error, from: START + 5 * MINUTE, to: START + 6 * MINUTE };
    let plan = Plan { faults: vec![fault], distractors: true, ..quiet(1, 6, 0.5) };
    let expected = [(START + MINUTE, Event::Deploy), (fault.from, Event::Switch(Fault::Error, true))];
    assert_eq!(events(&plan, START + 6 * MINUTE), expected);
}
