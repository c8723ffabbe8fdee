//! One small service among many breaks: an incident opens, though the traces of all look as usual.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use tests::{
    harness::Server,
    otlp::{Export, span, traces},
};

use crate::support::{Home, store};

/// A Tuesday at noon, in nanoseconds.
const START: u64 = 1_763_467_200_000_000_000;
const MINUTE: u64 = 60_000_000_000;
const MILLISECOND: u64 = 1_000_000;
const MINUTES: u64 = 22;
const SERVICES: u64 = 400;
/// How often each service is called in a minute.
const CALLS: u64 = 6;
/// Who breaks, and in which minute.
const BROKEN: (u64, u64) = (17, 19);
/// Within which time an incident has to be there, on a machine that has other work.
const THERE_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[test]
fn a_small_service_among_many_opens_an_incident() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let mut random = Random(5);
    for minute in 0..MINUTES {
        store(&server, &of_minute(minute, &mut random));
    }
    let deadline = Instant::now() + THERE_WITHIN;
    loop {
        let answer = server.api().get("/api/incidents").json();
        if let Some(incident) = answer["incidents"].as_array().and_then(|incidents| incidents.first()) {
            assert_eq!(incident["suspects"][0]["service"], format!("service-{}", BROKEN.0), "{incident}");
            return;
        }
        assert!(Instant::now() < deadline, "no incident: {answer}");
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// Every service calls one other; the one that is broken takes a third of a second.
fn of_minute(minute: u64, random: &mut Random) -> Export {
    let mut by_service: BTreeMap<u64, Vec<Span>> = BTreeMap::new();
    for number in 0..SERVICES * CALLS {
        let (caller, callee) = (number % SERVICES, (number % SERVICES * 7 + 3) % SERVICES);
        let is_broken = callee == BROKEN.0 && minute >= BROKEN.1;
        let took = if is_broken { random.between(300, 400) } else { random.between(18, 24) } * MILLISECOND;
        let begin = START + minute * MINUTE + random.between(0, 59_000) * MILLISECOND;
        let (trace, above, below) = (random.id::<16>(), random.id::<8>(), random.id::<8>());
        let of = |id, name, from: u64, to: u64| Span {
            start_time_unix_nano: from,
            end_time_unix_nano: to,
            ..span(trace, id, name)
        };
        let caller_span = of(above, "GET /", begin, begin + took + 5 * MILLISECOND);
        let mut callee_span = of(below, "work", begin + MILLISECOND, begin + MILLISECOND + took);
        callee_span.parent_span_id = above.to_vec();
        by_service.entry(caller).or_default().push(caller_span);
        by_service.entry(callee).or_default().push(callee_span);
    }
    let mut all = ExportTraceServiceRequest::default();
    for (service, spans) in by_service {
        if let Export::Traces(one) = traces(&format!("service-{service}"), spans) {
            all.resource_spans.extend(one.resource_spans);
        }
    }
    Export::Traces(all)
}

/// Numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    fn id<const N: usize>(&mut self) -> [u8; N] {
        let mut id = [0; N];
        id.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]));
        id
    }
}
