//! The columns of metrics.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, RecordBatch, StringBuilder};
use arrow::error::ArrowError;
use model::packed::{TextColumn, Zeros};
use model::{Signal, UnixNanos, schema};

use super::distribution::{Buckets, Distribution, DistributionColumns};
use super::points::{self, Number, Point, Scratch};
use super::{Kind, Shared};
use crate::decode::columns::{
    Doubles, Envelope, Ids, Integers, Lists, Times, finish_texts, finish_times, push_non_empty, texts,
};
use crate::decode::context::{Context, stored_time};
use crate::decode::resource::{hash_part, messages};
use crate::decode::wire::{Fields, Parts, WireError};

/// The columns of metrics.
#[derive(Default)]
pub(in crate::decode) struct MetricTable<'p> {
    pub(in crate::decode) envelope: Envelope,
    metric: TextColumn,
    kind: TextColumn,
    unit: TextColumn,
    description: TextColumn,
    temporality: TextColumn,
    monotonic: BooleanBuilder,
    time: Times,
    start_time: Times,
    value: Doubles,
    value_int: Integers,
    distribution: DistributionColumns,
    pub(in crate::decode) exemplars: Exemplars,
    flags: Integers,
    series: Integers,
    metadata: TextColumn,
    text: String,
    /// The lists of the point being read.
    pub(super) scratch: Scratch<'p>,
}

/// A row of Prometheus remote write but for its attributes, resource and exemplars.
pub(in crate::decode) struct LabelledRow<'a> {
    pub(in crate::decode) metric: &'a str,
    pub(in crate::decode) kind: &'static str,
    pub(in crate::decode) unit: Option<&'a str>,
    pub(in crate::decode) description: Option<&'a str>,
    pub(in crate::decode) temporality: Option<&'static str>,
    pub(in crate::decode) monotonic: Option<bool>,
    pub(in crate::decode) time: UnixNanos,
    pub(in crate::decode) start: Option<UnixNanos>,
    pub(in crate::decode) value: Option<f64>,
    pub(in crate::decode) distribution: Option<&'a Distribution<'a>>,
    pub(in crate::decode) flags: i64,
    pub(in crate::decode) series: i64,
    pub(in crate::decode) metadata: &'a str,
}

impl MetricTable<'_> {
    /// Adds a row whose attributes and exemplars the caller has put.
    pub(in crate::decode) fn append_labelled(&mut self, row: &LabelledRow<'_>) {
        if let Some(distribution) = row.distribution {
            self.distribution.set(self.envelope.rows(), distribution);
        }
        self.envelope.push(0, 1.0);
        self.series.push(row.series);
        self.metric.push(row.metric);
        self.kind.push(row.kind);
        self.unit.push_option(row.unit);
        self.description.push_option(row.description);
        self.temporality.push_option(row.temporality);
        self.monotonic.append_option(row.monotonic);
        self.time.push(row.time.0);
        self.start_time.push_option(row.start.map(|time| time.0));
        self.value.push_option(row.value);
        self.value_int.push_option(None);
        self.flags.push(row.flags);
        self.metadata.push(row.metadata);
        self.envelope.attributes.end_row();
    }

    /// Adds a checked point.
    pub(super) fn append(
        &mut self,
        message: &[u8],
        point: &Point<'_>,
        times: points::Times,
        shared: &Shared<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        if let Some(distribution) = distribution(point, &self.scratch) {
            self.distribution.set(self.envelope.rows(), &distribution);
        }
        let attributes = &mut self.envelope.attributes;
        let dropped = context.columns_and_text(&self.scratch.attributes, attributes, &mut self.text)?;
        self.envelope.push(dropped, 1.0);
        let mut series = shared.series.clone();
        hash_part(&mut series, &self.text);
        self.series.push(series.digest().cast_signed());
        self.metric.push(&shared.name);
        self.kind.push(shared.kind.name());
        push_non_empty(&mut self.unit, shared.unit.as_bytes(), &mut context.marks);
        push_non_empty(&mut self.description, shared.description.as_bytes(), &mut context.marks);
        self.temporality.push_option(shared.temporality);
        self.monotonic.append_option((shared.kind == Kind::Sum).then_some(shared.monotonic));
        self.time.push(times.time.0);
        self.start_time.push_option(times.start.map(|time| time.0));
        let (value, value_int) = match point.number.filter(|_| point.recorded().is_some()) {
            Some(Number::Double(value)) => (Some(value), None),
            Some(Number::Int(value)) => (Some(value as f64), Some(value)),
            None => (None, None),
        };
        self.value.push_option(value);
        self.value_int.push_option(value_int);
        self.exemplars.push(message, shared.kind, point.exemplars, &shared.name, context)?;
        self.flags.push(i64::from(point.flags));
        self.metadata.push_option(shared.metadata.as_deref());
        context.end_row(&mut self.envelope.attributes);
        Ok(())
    }

    /// All rows.
    pub(super) fn into_rows(mut self) -> Result<RecordBatch, ArrowError> {
        let zeros = &mut Zeros::default();
        let (distribution, float_distribution) = self.distribution.finish(self.envelope.rows(), zeros)?;
        let mut columns: Vec<ArrayRef> = vec![
            self.metric.finish(zeros),
            self.kind.finish(zeros),
            self.unit.finish(zeros),
            self.description.finish(zeros),
            self.temporality.finish(zeros),
            Arc::new(self.monotonic.finish()),
            finish_times(self.time, zeros),
            finish_times(self.start_time, zeros),
            Arc::new(self.value.finish(zeros)),
            Arc::new(self.value_int.finish(zeros)),
        ];
        columns.extend(distribution);
        columns.extend([
            self.exemplars.finish(zeros)?,
            Arc::new(self.flags.finish(zeros)),
            Arc::new(self.series.finish(zeros)),
            self.metadata.finish(zeros),
        ]);
        columns.extend(float_distribution);
        self.envelope.finish(Signal::Metrics, columns, zeros)
    }
}

/// What a histogram or summary says; `None` for a number, and where nothing was recorded.
fn distribution<'s>(point: &Point<'_>, lists: &'s Scratch<'_>) -> Option<Distribution<'s>> {
    let kind = point.recorded().filter(|kind| !matches!(kind, Kind::Gauge | Kind::Sum))?;
    let shared = Distribution {
        count: Some(point.count.cast_signed()),
        sum: point.sum,
        min: point.min,
        max: point.max,
        ..Distribution::default()
    };
    let side = |offset: Option<i32>, counts: &'s [i64]| Buckets {
        offset: offset.map(i64::from),
        counts: offset.map(|_| counts),
        counts_float: None,
    };
    Some(match kind {
        Kind::ExponentialHistogram => Distribution {
            scale: Some(i64::from(point.scale)),
            zero_count: Some(point.zero_count.cast_signed()),
            zero_threshold: Some(point.zero_threshold),
            positive: side(point.positive_offset, &lists.positive_counts),
            negative: side(point.negative_offset, &lists.negative_counts),
            ..shared
        },
        Kind::Summary => Distribution {
            sum: Some(point.sum.unwrap_or_default()),
            quantiles: Some(&lists.quantiles),
            ..shared
        },
        _ => {
            Distribution { bounds: Some(&lists.bounds), bucket_counts: Some(&lists.bucket_counts), ..shared }
        }
    })
}

/// An exemplar of Prometheus remote write.
pub(in crate::decode) struct LabelledExemplar<'a> {
    pub(in crate::decode) time: UnixNanos,
    pub(in crate::decode) value: f64,
    pub(in crate::decode) trace_id: Option<[u8; 16]>,
    pub(in crate::decode) span_id: Option<[u8; 8]>,
    /// Its other labels, in their stored form.
    pub(in crate::decode) attributes: &'a str,
}

/// The exemplars of all rows.
pub(in crate::decode) struct Exemplars {
    lists: Lists,
    time: Times,
    value: Doubles,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    attributes: StringBuilder,
    text: String,
}

impl Default for Exemplars {
    fn default() -> Self {
        Self {
            lists: Lists::default(),
            time: Times::default(),
            value: Doubles::default(),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            attributes: texts(),
            text: String::new(),
        }
    }
}

impl Exemplars {
    /// Adds the exemplars of a point, which has so many.
    fn push(
        &mut self,
        point: &[u8],
        kind: Kind,
        count: usize,
        metric: &str,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        self.lists.push(Some(count));
        match points::exemplars_tag(kind) {
            Some(tag) if count > 0 => messages(&Parts::One(point), tag)
                .try_for_each(|message| self.push_one(message?, metric, context)),
            _ => Ok(()),
        }
    }

    /// Adds an exemplar to the row being built.
    pub(in crate::decode) fn add(&mut self, exemplar: &LabelledExemplar<'_>) {
        self.time.push(exemplar.time.0);
        self.value.push(exemplar.value);
        self.trace_id.push(exemplar.trace_id);
        self.span_id.push(exemplar.span_id);
        self.attributes.append_value(exemplar.attributes);
    }

    /// Ends the list of the row being built, to which so many were added.
    pub(in crate::decode) fn end_row(&mut self, count: usize) {
        self.lists.push(Some(count));
    }

    fn push_one(&mut self, message: &[u8], metric: &str, context: &mut Context<'_>) -> Result<(), WireError> {
        let (mut time, mut value) = (0, None);
        let (mut span_id, mut trace_id): (&[u8], &[u8]) = (&[], &[]);
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                2 => time = field.fixed64()?,
                3 => value = Some(field.double()?),
                4 => span_id = field.bytes()?,
                5 => trace_id = field.bytes()?,
                6 => value = Some(field.fixed64()?.cast_signed() as f64),
                7 => drop(field.bytes()?),
                _ => {}
            }
        }
        // Checked with the point, so the fallback is never taken.
        self.time.push(stored_time(time).unwrap_or_default().0);
        self.value.push_option(value);
        self.trace_id.push(context.optional_id(trace_id, metric.as_bytes()));
        self.span_id.push(context.optional_id(span_id, metric.as_bytes()));
        context.text(messages(&Parts::One(message), 7), &mut self.text)?;
        self.attributes.append_value(&self.text);
        Ok(())
    }

    fn finish(self, zeros: &mut Zeros) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            finish_times(self.time, zeros),
            Arc::new(self.value.finish(zeros)),
            self.trace_id.finish()?,
            self.span_id.finish()?,
            finish_texts(self.attributes),
        ];
        self.lists.finish(schema::exemplar_fields(), columns, zeros)
    }
}
