//! Export requests with metrics: cumulative sums, gauges and histograms of a fixed set of series.

use super::Shape;
use super::random::Random;
use super::shop::{Attributes, PODS, SERVICES, tenant, write_attributes, write_resource, write_scope};
use super::template::{Change, Template};
use super::writer::{Field, Writer};

/// Cumulative, as OTLP numbers temporalities.
const CUMULATIVE: u32 = 2;
/// Bounds of the histograms: seconds, or kilobytes.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// How long the points of a request are apart at most, in nanoseconds.
const WINDOW: u64 = 1_000_000_000;

/// What an instrument measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Total,
    Gauge,
    Histogram,
}

/// The instruments every pod has: name, unit, kind.
const INSTRUMENTS: [(&str, &str, Kind); 12] = [
    ("http.server.request.duration", "s", Kind::Histogram),
    ("http.client.request.duration", "s", Kind::Histogram),
    ("db.client.operation.duration", "s", Kind::Histogram),
    ("http.server.requests", "{request}", Kind::Count),
    ("http.server.active_requests", "{request}", Kind::Gauge),
    ("messaging.client.sent.messages", "{message}", Kind::Count),
    ("db.client.connection.count", "{connection}", Kind::Gauge),
    ("process.cpu.time", "s", Kind::Total),
    ("process.memory.usage", "By", Kind::Gauge),
    ("system.network.io", "By", Kind::Count),
    ("orders.value", "EUR", Kind::Total),
    ("queue.depth", "{item}", Kind::Gauge),
];

/// A series: where it is measured, by which instrument, and which of that instrument's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    service: usize,
    pod: usize,
    instrument: usize,
    member: usize,
}

/// All requests: together they have every series once.
pub(super) fn templates(shape: &Shape) -> Vec<Template> {
    let mut series: Vec<Series> = (0..shape.series).map(nth).collect();
    // Those of a pod, and there those of an instrument, travel together.
    series.sort_unstable();
    series.chunks(shape.batch.max(1)).map(|series| template(shape, series)).collect()
}

/// One member of every instrument of every pod, then the next of all.
fn nth(number: usize) -> Series {
    let (rest, instrument) = (number / INSTRUMENTS.len(), number % INSTRUMENTS.len());
    let (rest, pod) = (rest / PODS, rest % PODS);
    Series { service: rest % SERVICES.len(), pod, instrument, member: rest / SERVICES.len() }
}

fn template(shape: &Shape, series: &[Series]) -> Template {
    let same_pod = |a: &Series, b: &Series| (a.service, a.pod) == (b.service, b.pod);
    let (bytes, patches) = Writer::write(shape.form, |writer| {
        writer.messages(Field(1, "resourceMetrics"), series.chunk_by(same_pod), |writer, of_pod| {
            write_resource(writer, shape.seed, of_pod[0].service, of_pod[0].pod);
            writer.messages(Field(2, "scopeMetrics"), [of_pod], |writer, of_pod| {
                write_scope(writer, of_pod[0].service);
                let metrics = of_pod.chunk_by(|a, b| a.instrument == b.instrument);
                writer.messages(Field(2, "metrics"), metrics, |writer, of_metric| {
                    write_metric(writer, shape.seed, of_metric);
                });
            });
        });
    });
    let records = series.len() as u64;
    Template { form: shape.form, bytes, patches, records, window: WINDOW, traces: Vec::new() }
}

fn write_metric(writer: &mut Writer, seed: u64, series: &[Series]) {
    let (name, unit, kind) = INSTRUMENTS[series[0].instrument];
    writer.fixed_text(Field(1, "name"), name);
    writer.fixed_text(Field(3, "unit"), unit);
    let points = |writer: &mut Writer| {
        writer.messages(Field(1, "dataPoints"), series, |writer, series| {
            write_point(writer, seed, kind, series);
        });
    };
    match kind {
        Kind::Gauge => writer.message(Field(5, "gauge"), points),
        Kind::Count | Kind::Total => writer.message(Field(7, "sum"), |writer| {
            points(writer);
            writer.number(Field(2, "aggregationTemporality"), CUMULATIVE);
            writer.boolean(Field(3, "isMonotonic"), true);
        }),
        Kind::Histogram => writer.message(Field(9, "histogram"), |writer| {
            points(writer);
            writer.number(Field(2, "aggregationTemporality"), CUMULATIVE);
        }),
    }
}

fn write_point(writer: &mut Writer, seed: u64, kind: Kind, series: &Series) {
    let Series { service, pod, instrument, member } = *series;
    let stream = ((member * SERVICES.len() + service) * PODS + pod) * INSTRUMENTS.len() + instrument;
    let mut random = Random::new(seed, 0xD00_0000 + stream as u64);
    writer.time(Field(2, "startTimeUnixNano"), Change::SeriesStart);
    writer.time(Field(3, "timeUnixNano"), Change::Time(random.below(WINDOW)));
    let attributes = attributes(&mut random, service, member);
    match kind {
        Kind::Count => {
            let value = random.below(1_000_000_000);
            let step = 1 + random.rank(20_000) as u32;
            writer.changing(Field(6, "asInt"), Change::Count { value, step });
            write_attributes(writer, Field(7, "attributes"), &attributes);
        }
        Kind::Total => {
            let (value, step) = (random.below(1_000_000) as f64 / 10.0, random.below(5_000) as f64 / 100.0);
            writer.changing(Field(4, "asDouble"), Change::Total { value, step });
            write_attributes(writer, Field(7, "attributes"), &attributes);
        }
        Kind::Gauge => {
            let (value, salt) = (1.0 + random.rank(100_000) as f64, random.next());
            writer.changing(Field(4, "asDouble"), Change::Gauge { value, share: 0.2, salt });
            write_attributes(writer, Field(7, "attributes"), &attributes);
        }
        Kind::Histogram => write_histogram(writer, &mut random, &attributes),
    }
}

fn write_histogram(writer: &mut Writer, random: &mut Random, attributes: &Attributes) {
    // A bump somewhere among the buckets, as latencies have it.
    let centre = random.below(10) as i64;
    let scale = 20 + random.rank(20_000) as u64;
    let buckets: Vec<(u64, u32)> = (0..=BOUNDS.len() as i64)
        .map(|bucket| {
            let step = (scale >> (2 * (bucket - centre).unsigned_abs()).min(63)) as u32;
            (u64::from(step) * (100 + random.below(50)), step)
        })
        .collect();
    let count = buckets.iter().map(|(value, _)| value).sum();
    let step = buckets.iter().map(|(_, step)| step).sum();
    let mean = 0.01 + random.below(500) as f64 / 1000.0;
    writer.changing(Field(4, "count"), Change::Count { value: count, step });
    writer.changing(
        Field(5, "sum"),
        Change::Total { value: count as f64 * mean, step: f64::from(step) * mean },
    );
    let changes: Vec<Change> =
        buckets.into_iter().map(|(value, step)| Change::Count { value, step }).collect();
    writer.all_changing(Field(6, "bucketCounts"), &changes);
    writer.doubles(Field(7, "explicitBounds"), &BOUNDS);
    write_attributes(writer, Field(9, "attributes"), attributes);
}

/// What tells the series of an instrument apart.
fn attributes(random: &mut Random, service: usize, member: usize) -> Attributes {
    let route = *random.pick(SERVICES[service].routes);
    let status = *random.pick(&["200", "201", "404", "500"]);
    vec![
        ("http.route", route.into()),
        ("http.response.status_code", status.into()),
        ("tenant.id", tenant(random).into()),
        ("shard", member.to_string().into()),
    ]
}
