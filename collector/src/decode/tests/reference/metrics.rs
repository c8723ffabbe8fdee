//! Metrics: one row per data point.

mod columns;
mod points;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use xxhash_rust::xxh3::Xxh3;

pub(super) use columns::MetricTable;
use points::Point;

use super::Context;
use super::columns::Envelope;
use super::resource::{Origin, hash_part};
use crate::decode::context::{optional_time, stored_time};
use crate::decode::marks::Marks;
use crate::decode::notes::Reason;

const NO_TEMPORALITY: Reason = "the temporality of a sum or histogram must be delta or cumulative";
const NO_TIME: Reason = "a data point must have a time";

/// What a metric's points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential_histogram",
            Self::Summary => "summary",
        }
    }

    fn has_temporality(self) -> bool {
        matches!(self, Self::Sum | Self::Histogram | Self::ExponentialHistogram)
    }
}

/// What a metric says of all its points.
#[derive(Default)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) unit: String,
    pub(super) shape: Shape,
    /// Why none of the points can be stored.
    pub(super) broken: Option<Reason>,
}

/// What stands beside the points of a metric's data.
#[derive(Clone, Default)]
pub(super) struct Shape {
    pub(super) temporality: i32,
    pub(super) monotonic: bool,
}

impl Shape {
    fn temporality(&self) -> Option<&'static str> {
        match self.temporality {
            1 => Some("delta"),
            2 => Some("cumulative"),
            _ => None,
        }
    }
}

/// A metric as its rows share it.
struct Shared {
    head: Head,
    kind: Kind,
    metadata: Option<String>,
    marks: Marks,
    /// The hash of all that names a series but the point's attributes.
    series: Xxh3,
}

/// The kind of a metric's data, what stands beside its points, and the points.
fn data(data: Data) -> (Kind, Shape, Vec<Point>) {
    let shape = |temporality, monotonic| Shape { temporality, monotonic };
    fn points<P: Into<Point>>(points: Vec<P>) -> Vec<Point> {
        points.into_iter().map(Into::into).collect()
    }
    match data {
        Data::Gauge(gauge) => (Kind::Gauge, Shape::default(), points(gauge.data_points)),
        Data::Sum(sum) => {
            (Kind::Sum, shape(sum.aggregation_temporality, sum.is_monotonic), points(sum.data_points))
        }
        Data::Histogram(histogram) => {
            (Kind::Histogram, shape(histogram.aggregation_temporality, false), points(histogram.data_points))
        }
        Data::ExponentialHistogram(histogram) => (
            Kind::ExponentialHistogram,
            shape(histogram.aggregation_temporality, false),
            points(histogram.data_points),
        ),
        Data::Summary(summary) => (Kind::Summary, Shape::default(), points(summary.data_points)),
    }
}

impl MetricTable {
    pub(super) fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    pub(super) fn push(&mut self, metric: Metric, origin: &Origin<'_>, context: &mut Context<'_>) {
        context.marks = Marks::default();
        let Some(data_sent) = metric.data else {
            return;
        };
        let (kind, shape, points) = data(data_sent);
        let mut head = Head {
            name: metric.name,
            description: metric.description,
            unit: metric.unit,
            shape,
            broken: None,
        };
        if kind.has_temporality() && head.shape.temporality().is_none() {
            head.broken = Some(NO_TEMPORALITY);
        }
        let metadata = (!metric.metadata.is_empty()).then(|| {
            let mut text = String::new();
            context.attributes(metric.metadata, &mut text);
            text
        });
        let mut series = origin.series();
        hash_part(&mut series, &head.name);
        let shared = Shared { head, kind, metadata, marks: context.marks, series };
        for point in points {
            self.push_point(point, &shared, context);
        }
    }

    fn push_point(&mut self, point: Point, shared: &Shared, context: &mut Context<'_>) {
        context.begin();
        context.marks = shared.marks;
        let name = shared.head.name.as_bytes();
        if let Some(reason) = shared.head.broken {
            context.notes.reject(reason, name);
            return;
        }
        match check(&point) {
            Ok(()) => {
                self.append(point, shared, context);
                self.envelope.mark(context.marks);
            }
            Err(reason) => context.notes.reject(reason, name),
        }
    }
}

fn check(point: &Point) -> Result<(), Reason> {
    if point.time == 0 {
        return Err(NO_TIME);
    }
    stored_time(point.time)?;
    optional_time(point.start_time)?;
    for exemplar in &point.exemplars {
        stored_time(exemplar.time_unix_nano)?;
    }
    match &point.values {
        Ok(_) => Ok(()),
        Err(reason) => Err(reason),
    }
}
