//! Metrics: one row per data point.

mod columns;
mod points;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
};
use prost::Message;
use xxhash_rust::xxh3::Xxh3;

pub(super) use columns::MetricTable;
use points::Point;

use super::columns::Envelope;
use super::notes::Reason;
use super::protobuf::{Fields, wrong};
use super::resource::{Origin, hash_part};
use super::{Context, DecodeError, NOT_UTF8, Raw, Table, json, optional_time, stored_time};

/// The highest field of a metric. All up to it hold bytes.
const METRIC_TAG_MAX: u32 = 12;

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
    fn from_tag(tag: u32) -> Option<Self> {
        match tag {
            5 => Some(Self::Gauge),
            7 => Some(Self::Sum),
            9 => Some(Self::Histogram),
            10 => Some(Self::ExponentialHistogram),
            11 => Some(Self::Summary),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential_histogram",
            Self::Summary => "summary",
        }
    }

    /// The key of its data in JSON.
    fn json_key(self) -> &'static str {
        match self {
            Self::ExponentialHistogram => "exponentialHistogram",
            _ => self.name(),
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
    pub(super) metadata: Vec<KeyValue>,
    pub(super) shape: Shape,
    /// Why none of the points can be stored.
    pub(super) broken: Option<Reason>,
}

/// What stands beside the points of a metric's data.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
    #[prost(bool, tag = "3")]
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

/// The head of a metric on the wire. Text is checked later, so that a metric with bad text is rejected alone.
#[derive(Clone, PartialEq, Message)]
struct WireHead {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    description: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    unit: Vec<u8>,
    #[prost(message, repeated, tag = "12")]
    metadata: Vec<KeyValue>,
}

/// A metric whose points are not read yet.
pub(super) struct RawMetric {
    pub(super) head: Head,
    /// `None` if it has no data.
    pub(super) kind: Option<Kind>,
    pub(super) points: Points,
}

/// Points that are not read yet.
pub(super) type Points = Box<dyn Iterator<Item = Result<Raw, DecodeError>>>;

/// A metric as its rows share it.
struct Shared {
    head: Head,
    kind: Kind,
    metadata: Option<String>,
    /// The hash of all that names a series but the point's attributes.
    series: Xxh3,
}

impl Table for MetricTable {
    fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    fn push(&mut self, raw: Raw, origin: &Origin<'_>, context: &mut Context<'_>) -> Result<(), DecodeError> {
        let RawMetric { mut head, kind, points } = match raw {
            Raw::Protobuf(bytes) => from_protobuf(bytes)?,
            Raw::Json(value) => json::metric(value, &mut context.notes)?,
        };
        let Some(kind) = kind else {
            return Ok(());
        };
        if kind.has_temporality() && head.shape.temporality().is_none() {
            head.broken = head.broken.or(Some(NO_TEMPORALITY));
        }
        let metadata = std::mem::take(&mut head.metadata);
        let metadata = (!metadata.is_empty()).then(|| {
            let mut text = String::new();
            context.attributes(metadata, &mut text);
            text
        });
        let mut series = origin.series();
        hash_part(&mut series, &head.name);
        let shared = Shared { head, kind, metadata, series };
        for (index, raw) in points.enumerate() {
            self.push_point(raw?, &shared, context)
                .map_err(|error| error.within_item(index).within("dataPoints").within(kind.json_key()))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        self.into_rows()
    }
}

impl MetricTable {
    fn push_point(
        &mut self,
        raw: Raw,
        shared: &Shared,
        context: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        context.notes.begin();
        if let Some(reason) = shared.head.broken {
            context.notes.reject(reason, &shared.head.name);
            return Ok(());
        }
        let Some(point) = read(raw, shared.kind, context)? else {
            return Ok(());
        };
        match check(&point) {
            Ok(()) => self.append(point, shared, context),
            Err(reason) => context.notes.reject(reason, &shared.head.name),
        }
        Ok(())
    }
}

fn read(raw: Raw, kind: Kind, context: &mut Context<'_>) -> Result<Option<Point>, DecodeError> {
    let notes = &mut context.notes;
    Ok(match kind {
        Kind::Gauge | Kind::Sum => raw.read::<NumberDataPoint>(json::number_point, notes)?.map(Point::from),
        Kind::Histogram => raw.read::<HistogramDataPoint>(json::histogram_point, notes)?.map(Point::from),
        Kind::ExponentialHistogram => {
            raw.read::<ExponentialHistogramDataPoint>(json::exponential_point, notes)?.map(Point::from)
        }
        Kind::Summary => raw.read::<SummaryDataPoint>(json::summary_point, notes)?.map(Point::from),
    })
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

fn from_protobuf(bytes: Bytes) -> Result<RawMetric, DecodeError> {
    let mut head = Head::default();
    match WireHead::decode(bytes.clone()) {
        Ok(wire) => {
            let texts = (
                String::from_utf8(wire.name),
                String::from_utf8(wire.description),
                String::from_utf8(wire.unit),
            );
            match texts {
                (Ok(name), Ok(description), Ok(unit)) => {
                    (head.name, head.description, head.unit) = (name, description, unit)
                }
                _ => head.broken = Some(NOT_UTF8),
            }
            head.metadata = wire.metadata;
        }
        Err(error) if error.to_string().contains("not UTF-8") => head.broken = Some(NOT_UTF8),
        Err(error) => return Err(wrong(error)),
    }
    let mut data = None;
    for field in Fields::new(bytes, METRIC_TAG_MAX) {
        let (tag, bytes) = field?;
        if let Some(kind) = Kind::from_tag(tag) {
            data = Some((kind, bytes));
        }
    }
    let Some((kind, bytes)) = data else {
        return Ok(RawMetric { head, kind: None, points: Box::new(std::iter::empty()) });
    };
    head.shape = match kind.has_temporality() {
        true => Shape::decode(bytes.clone()).map_err(wrong)?,
        false => Shape::default(),
    };
    // Only the points have tag 1.
    let points = Fields::new(bytes, 1).filter_map(|field| match field {
        Ok((1, bytes)) => Some(Ok(Raw::Protobuf(bytes))),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    Ok(RawMetric { head, kind: Some(kind), points: Box::new(points) })
}
