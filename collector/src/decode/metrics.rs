//! Metrics: one row per data point.

mod distribution;
mod columns;
mod points;

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use xxhash_rust::xxh3::Xxh3;

pub(super) use columns::{LabelledExemplar, LabelledRow, MetricTable};
pub(super) use distribution::{Buckets, Distribution};
use points::Point;

use super::Table;
use super::columns::Envelope;
use super::context::Context;
use super::marks::{Marks, repair};
use super::notes::Reason;
use super::resource::{Origin, hash_part, messages};
use super::shape::{
    EXPONENTIAL_HISTOGRAM, EXPONENTIAL_POINT, GAUGE, HISTOGRAM, HISTOGRAM_POINT, METRIC, NUMBER_POINT, SUM,
    SUMMARY, SUMMARY_POINT, Shape, check,
};
use super::wire::{Fields, MESSAGE_DEPTH_MAX, Parts, WireError};

const NO_TEMPORALITY: Reason = "the temporality of a sum or histogram must be delta or cumulative";

/// The field of a metric that holds its metadata.
const METADATA: u32 = 12;

/// What a metric's points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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

    fn shape(self) -> &'static Shape {
        match self {
            Self::Gauge => &GAUGE,
            Self::Sum => &SUM,
            Self::Histogram => &HISTOGRAM,
            Self::ExponentialHistogram => &EXPONENTIAL_HISTOGRAM,
            Self::Summary => &SUMMARY,
        }
    }

    fn point_shape(self) -> &'static Shape {
        match self {
            Self::Gauge | Self::Sum => &NUMBER_POINT,
            Self::Histogram => &HISTOGRAM_POINT,
            Self::ExponentialHistogram => &EXPONENTIAL_POINT,
            Self::Summary => &SUMMARY_POINT,
        }
    }

    fn has_temporality(self) -> bool {
        matches!(self, Self::Sum | Self::Histogram | Self::ExponentialHistogram)
    }
}

/// A metric but for its points and metadata.
#[derive(Default)]
struct Head<'p> {
    name: &'p [u8],
    description: &'p [u8],
    unit: &'p [u8],
    has_metadata: bool,
    data: Option<(Kind, Parts<'p>)>,
}

impl<'p> Head<'p> {
    fn read(message: &'p [u8]) -> Result<Self, WireError> {
        let mut head = Self::default();
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => head.name = field.bytes()?,
                2 => head.description = field.bytes()?,
                3 => head.unit = field.bytes()?,
                METADATA => {
                    field.bytes()?;
                    head.has_metadata = true;
                }
                _ => {
                    if let Some(kind) = Kind::from_tag(field.tag) {
                        head.add(kind, field.bytes()?)?;
                    }
                }
            }
        }
        Ok(head)
    }

    /// Data of another kind replace what came before; parts of one kind are one.
    fn add(&mut self, kind: Kind, part: &'p [u8]) -> Result<(), WireError> {
        match &mut self.data {
            Some((found, parts)) if *found == kind => parts.add(part),
            data => {
                if let Some((kind, parts)) = data.replace((kind, Parts::One(part))) {
                    let depth = MESSAGE_DEPTH_MAX - 1;
                    parts.as_slice().iter().try_for_each(|part| check(part, kind.shape(), depth))?;
                }
            }
        }
        Ok(())
    }
}

/// A metric as its rows share it.
struct Shared<'p> {
    name: Cow<'p, str>,
    description: Cow<'p, str>,
    unit: Cow<'p, str>,
    kind: Kind,
    temporality: Option<&'static str>,
    monotonic: bool,
    metadata: Option<String>,
    /// The hash of all that names a series but the point's attributes.
    series: Xxh3,
    /// What is marked on all points.
    marks: Marks,
    /// Why none of the points can be stored.
    broken: Option<Reason>,
}

impl<'p> Table<'p> for MetricTable<'p> {
    fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    fn push(
        &mut self,
        record: &'p [u8],
        origin: &Origin<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        let mut head = Head::read(record)?;
        let Some((kind, parts)) = head.data.take() else {
            return check(record, &METRIC, MESSAGE_DEPTH_MAX);
        };
        let shared = Shared::new(record, &head, kind, &parts, origin, context)?;
        for message in messages(&parts, 1) {
            self.push_point(message?, &shared, context)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        self.into_rows()
    }
}

impl<'p> Shared<'p> {
    fn new(
        record: &[u8],
        head: &Head<'p>,
        kind: Kind,
        parts: &Parts<'_>,
        origin: &Origin<'_>,
        context: &mut Context<'_>,
    ) -> Result<Self, WireError> {
        context.marks = Marks::default();
        let (mut temporality, mut monotonic) = (0, false);
        for field in parts.fields() {
            let field = field?;
            match field.tag {
                2 if kind.has_temporality() => temporality = field.varint32()?,
                3 if kind == Kind::Sum => monotonic = field.varint()? != 0,
                _ => {}
            }
        }
        let temporality = match temporality {
            1 => Some("delta"),
            2 => Some("cumulative"),
            _ => None,
        };
        let metadata = match head.has_metadata {
            false => None,
            true => {
                let mut text = String::new();
                context.text(messages(&Parts::One(record), METADATA), &mut text)?;
                Some(text)
            }
        };
        let name = repair(head.name, &mut context.marks);
        let mut series = origin.series();
        hash_part(&mut series, &name);
        Ok(Self {
            name,
            description: repair(head.description, &mut context.marks),
            unit: repair(head.unit, &mut context.marks),
            kind,
            temporality,
            monotonic,
            metadata,
            series,
            marks: context.marks,
            broken: (kind.has_temporality() && temporality.is_none()).then_some(NO_TEMPORALITY),
        })
    }
}

impl<'p> MetricTable<'p> {
    fn push_point(
        &mut self,
        message: &'p [u8],
        shared: &Shared<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        context.begin();
        context.marks = shared.marks;
        self.scratch.clear();
        let point = Point::read(message, shared.kind, &mut self.scratch, context)?;
        let checked = match shared.broken {
            Some(reason) => Err(reason),
            None => point.check(&mut self.scratch),
        };
        match checked {
            Ok(times) => self.append(message, &point, times, shared, context),
            Err(reason) => {
                context.notes.reject(reason, shared.name.as_bytes());
                check(message, shared.kind.point_shape(), MESSAGE_DEPTH_MAX - 2)
            }
        }
    }
}
