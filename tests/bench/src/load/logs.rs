//! Export requests with log records: bodies of a few dozen templates, four of five within a span.

use std::collections::BTreeMap;

use super::Shape;
use super::calls::{self, WINDOW};
use super::random::Random;
use super::shop::{
    Attributes, PODS, SERVICES, Value, tenant, user, write_attributes, write_resource, write_scope,
    write_value,
};
use super::template::{Change, Template};
use super::text::Text;
use super::writer::{Field, Writer};

/// How many records belong to a span.
const IN_SPAN_SHARE: f64 = 0.8;

/// Severities: OTLP's number, the text, how many of a hundred records have it, and what they say.
const LEVELS: [(u32, &str, u64, &[&str]); 4] = [
    (
        9,
        "INFO",
        73,
        &[
            "request finished: method=GET path=/items/<x12> status=200 bytes=<d5> duration_ms=<d3> user=user-<d6:50000> session=<x16> upstream=10.0.<d3:250>.<d3:250>:8080 attempts=1 cache=miss region=north",
            "order <x12> placed by user-<d6:50000> with <d1> items, total <d3>.<d2:100> EUR, payment <x16> pending at the provider, confirmation mail queued as message <x12>",
            "cart <x16> updated: item SKU-<d5:20000> quantity <d1> price <d2>.<d2:100> EUR, reserved in warehouse <d2:24> until <d6:86400>, previous revision <d4>",
            "session <x16> opened for user-<d6:50000> from 203.0.<d3:250>.<d3:250> with client shop-app/12.4, second factor not asked for, expires in <d4> s",
            "published event <x16> to orders.events partition <d2:24> at offset <d9> after <d2> ms, key user-<d6:50000>, <d4> bytes, compressed with zstd to <d3>",
            "job reindex-<d4> took <d5> ms, <d6> documents read, <d4> written, <d2> skipped because they had not changed since revision <x12>, next run in 900 s",
            "accepted connection <d6> from 10.0.<d3:250>.<d3:250>:<d5>, <d3> open of 4096, protocol h2, idle timeout 65 s, handshake took <d3> us with session <x8>",
            "quote <x8> for <d1> parcels of <d5> g to zone <d2:24>: <d2>.<d2:100> EUR by carrier <d1>, pickup tomorrow before noon, valid for 900 s, request <x16>",
        ],
    ),
    (
        5,
        "DEBUG",
        16,
        &[
            "cache lookup key=item:<x12> hit=true age_ms=<d5> shard=<d2:32> size=<d4> ttl_s=3600 loader=none thread waited <d2> us for the lock",
            "SELECT id, owner, state FROM items WHERE owner = $1 returned <d2> rows in <d4> us, plan <x8>, connection <d2> of the pool, parameters [user-<d6:50000>]",
            "token <x8> verified with key <x8>, subject user-<d6:50000>, scopes read write checkout, issued by tokens.shop.internal, <d3> s left",
            "feature flags for tenant-<d3:200> evaluated in <d3> us: checkout-v2=on, fast-search=off, new-cart=on, revision <d4>, served from memory",
        ],
    ),
    (
        13,
        "WARN",
        8,
        &[
            "slow call: peer=payment took <d4> ms, more than the budget of 800 ms, attempt <d1>, request <x16>, user user-<d6:50000>, the circuit stays closed",
            "retrying after connection reset by 10.0.<d3:250>.<d3:250>:8080, attempt <d1> of 3, next in <d3> ms, request <x16> has used <d3> ms of its deadline",
            "pool nearly exhausted: <d2> of 64 connections in use, <d2> waiting for <d3> ms on average, oldest borrowed <d5> ms ago by request <x16>",
        ],
    ),
    (
        17,
        "ERROR",
        3,
        &[
            "charge <x12> declined by the provider: code=<d3> reason=insufficient_funds user=user-<d6:50000> request=<x16>, order <x12> goes back to the cart",
            "deadlock detected in transaction <d8>, rolled back, <d1> statements lost, order <x12> is tried again by worker <d2:16> after <d3> ms",
            "unhandled exception in request <x16>: TimeoutError: the peer did not answer within 2000 ms\n    at shop.client.run(client:<d3>)\n    at shop.retry.run(retry:<d3>)\n    at shop.handler.run(handler:<d3>)",
        ],
    ),
];

/// A record before it is written.
struct Record {
    time: u64,
    level: (u32, &'static str),
    body: Text,
    attributes: Attributes,
    span: Option<([u64; 2], u64)>,
}

/// The request with this number. Its traces are those of the spans with the same seed and number.
pub(super) fn template(shape: &Shape, number: usize) -> Template {
    let spans = calls::spans(shape.seed, number as u64, shape.batch);
    let mut random = Random::new(shape.seed, 0xC0_0000 + number as u64);
    let mut pods: BTreeMap<(usize, usize), Vec<Record>> = BTreeMap::new();
    for _ in 0..shape.batch {
        if random.chance(IN_SPAN_SHARE) && !spans.is_empty() {
            let span = random.pick(&spans);
            let time = span.start + random.below((span.end - span.start).max(1));
            let record = record(&mut random, time, span.service, Some((span.trace, span.id)));
            pods.entry((span.service, span.pod)).or_default().push(record);
        } else {
            let (service, pod) = (random.index(SERVICES.len()), random.index(PODS));
            let time = random.below(WINDOW);
            pods.entry((service, pod)).or_default().push(record(&mut random, time, service, None));
        }
    }
    let (bytes, patches) = Writer::write(shape.form, |writer| {
        writer.messages(Field(1, "resourceLogs"), pods, |writer, ((service, pod), records)| {
            write_resource(writer, shape.seed, service, pod);
            writer.messages(Field(2, "scopeLogs"), [records], |writer, records| {
                write_scope(writer, service);
                writer.messages(Field(2, "logRecords"), &records, write_record);
            });
        });
    });
    let records = shape.batch as u64;
    Template { form: shape.form, bytes, patches, records, window: WINDOW, traces: Vec::new() }
}

fn record(random: &mut Random, time: u64, service: usize, span: Option<([u64; 2], u64)>) -> Record {
    let mut left = random.below(100);
    let level = LEVELS.iter().find(|(_, _, share, _)| {
        let here = left < *share;
        left = left.saturating_sub(*share);
        here
    });
    let (number, text, _, bodies) = level.unwrap_or(&LEVELS[0]);
    let body = Text::pattern(bodies[random.index(bodies.len())], random);
    let language = SERVICES[service].language;
    let attributes = vec![
        ("logger.name", format!("shop.{}.{}", SERVICES[service].name, random.below(12)).into()),
        ("thread.name", format!("{language}-worker-{}", random.below(16)).into()),
        ("code.line.number", Value::Integer(20 + random.below(600) as i64)),
        ("tenant.id", tenant(random).into()),
        ("user.id", user(random).into()),
    ];
    Record { time, level: (*number, text), body, attributes, span }
}

fn write_record(writer: &mut Writer, record: &Record) {
    writer.time(Field(1, "timeUnixNano"), Change::Time(record.time));
    writer.number(Field(2, "severityNumber"), record.level.0);
    writer.fixed_text(Field(3, "severityText"), record.level.1);
    writer.message(Field(5, "body"), |writer| write_value(writer, &Value::Text(record.body.clone())));
    write_attributes(writer, Field(6, "attributes"), &record.attributes);
    if let Some((trace, span)) = record.span {
        writer.fixed32(Field(8, "flags"), 1);
        writer.id(Field(9, "traceId"), Change::TraceId(trace));
        writer.id(Field(10, "spanId"), Change::SpanId(span));
    }
    writer.time(Field(11, "observedTimeUnixNano"), Change::Time(record.time + OBSERVED_AFTER));
}

/// How long after its time a record is seen, in nanoseconds.
const OBSERVED_AFTER: u64 = 120_000;
