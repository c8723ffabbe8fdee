//! The columns of metrics.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
};
use arrow::error::ArrowError;
use model::packed::{TextColumn, Zeros};
use model::{Signal, schema};

use super::points::{self, Number, Point, Scratch};
use super::{Kind, Shared};
use crate::decode::columns::{
    Doubles, Envelope, Ids, Integers, Lists, Times, finish_texts, finish_times, integer_lists, number_lists,
    push_integers, push_non_empty, push_numbers, texts,
};
use crate::decode::context::{Context, stored_time};
use crate::decode::resource::{hash_part, messages};
use crate::decode::wire::{Fields, Parts, WireError};

/// The columns of metrics.
#[derive(Default)]
pub(in crate::decode) struct MetricTable<'p> {
    pub(super) envelope: Envelope,
    metric: TextColumn,
    kind: TextColumn,
    unit: TextColumn,
    description: TextColumn,
    temporality: TextColumn,
    monotonic: BooleanBuilder,
    time: Times,
    start_time: Times,
    values: ValueColumns,
    exemplars: Exemplars,
    flags: Integers,
    series: Integers,
    metadata: TextColumn,
    text: String,
    /// The lists of the point being read.
    pub(super) scratch: Scratch<'p>,
}

impl MetricTable<'_> {
    /// Adds a checked point.
    pub(super) fn append(
        &mut self,
        message: &[u8],
        point: &Point<'_>,
        times: points::Times,
        shared: &Shared<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
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
        self.values.push(point, &self.scratch);
        self.exemplars.push(message, shared.kind, point.exemplars, &shared.name, context)?;
        self.flags.push(i64::from(point.flags));
        self.metadata.push_option(shared.metadata.as_deref());
        context.end_row(&mut self.envelope.attributes);
        Ok(())
    }

    /// All rows.
    pub(super) fn into_rows(mut self) -> Result<RecordBatch, ArrowError> {
        let zeros = &mut Zeros::default();
        let mut columns: Vec<ArrayRef> = vec![
            self.metric.finish(zeros),
            self.kind.finish(zeros),
            self.unit.finish(zeros),
            self.description.finish(zeros),
            self.temporality.finish(zeros),
            Arc::new(self.monotonic.finish()),
            finish_times(self.time, zeros),
            finish_times(self.start_time, zeros),
        ];
        columns.extend(self.values.finish(zeros)?);
        columns.extend([
            self.exemplars.finish(zeros)?,
            Arc::new(self.flags.finish(zeros)),
            Arc::new(self.series.finish(zeros)),
            self.metadata.finish(zeros),
        ]);
        self.envelope.finish(Signal::Metrics, columns, zeros)
    }
}

/// The columns of what points say, in the order of the schema.
struct ValueColumns {
    value: Doubles,
    value_int: Integers,
    count: Integers,
    sum: Doubles,
    min: Doubles,
    max: Doubles,
    bounds: ListBuilder<Float64Builder>,
    bucket_counts: ListBuilder<Int64Builder>,
    scale: Integers,
    zero_count: Integers,
    zero_threshold: Doubles,
    positive_offset: Integers,
    positive_counts: ListBuilder<Int64Builder>,
    negative_offset: Integers,
    negative_counts: ListBuilder<Int64Builder>,
    quantiles: Quantiles,
}

impl Default for ValueColumns {
    fn default() -> Self {
        Self {
            value: Doubles::default(),
            value_int: Integers::default(),
            count: Integers::default(),
            sum: Doubles::default(),
            min: Doubles::default(),
            max: Doubles::default(),
            bounds: number_lists(),
            bucket_counts: integer_lists(),
            scale: Integers::default(),
            zero_count: Integers::default(),
            zero_threshold: Doubles::default(),
            positive_offset: Integers::default(),
            positive_counts: integer_lists(),
            negative_offset: Integers::default(),
            negative_counts: integer_lists(),
            quantiles: Quantiles::default(),
        }
    }
}

impl ValueColumns {
    fn push(&mut self, point: &Point<'_>, lists: &Scratch<'_>) {
        let kind = point.recorded();
        let exponential = kind == Some(Kind::ExponentialHistogram);
        let histogram = kind == Some(Kind::Histogram);
        let summary = kind == Some(Kind::Summary);
        let counted = exponential || histogram || summary;
        let (value, value_int) = match point.number.filter(|_| kind.is_some()) {
            Some(Number::Double(value)) => (Some(value), None),
            Some(Number::Int(value)) => (Some(value as f64), Some(value)),
            None => (None, None),
        };
        let sum = if summary { Some(point.sum.unwrap_or_default()) } else { point.sum };
        self.value.push_option(value);
        self.value_int.push_option(value_int);
        self.count.push_option(counted.then_some(point.count.cast_signed()));
        self.sum.push_option(sum.filter(|_| counted));
        self.min.push_option(point.min.filter(|_| counted));
        self.max.push_option(point.max.filter(|_| counted));
        push_numbers(&mut self.bounds, histogram.then_some(&lists.bounds));
        push_integers(&mut self.bucket_counts, histogram.then_some(&lists.bucket_counts));
        self.scale.push_option(exponential.then_some(i64::from(point.scale)));
        self.zero_count.push_option(exponential.then_some(point.zero_count.cast_signed()));
        self.zero_threshold.push_option(exponential.then_some(point.zero_threshold));
        let (positive, negative) = match exponential {
            true => (point.positive_offset, point.negative_offset),
            false => (None, None),
        };
        self.positive_offset.push_option(positive.map(i64::from));
        push_integers(&mut self.positive_counts, positive.map(|_| lists.positive_counts.as_slice()));
        self.negative_offset.push_option(negative.map(i64::from));
        push_integers(&mut self.negative_counts, negative.map(|_| lists.negative_counts.as_slice()));
        self.quantiles.push(summary.then_some(&lists.quantiles));
    }

    fn finish(mut self, zeros: &mut Zeros) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![
            Arc::new(self.value.finish(zeros)),
            Arc::new(self.value_int.finish(zeros)),
            Arc::new(self.count.finish(zeros)),
            Arc::new(self.sum.finish(zeros)),
            Arc::new(self.min.finish(zeros)),
            Arc::new(self.max.finish(zeros)),
            Arc::new(self.bounds.finish()),
            Arc::new(self.bucket_counts.finish()),
            Arc::new(self.scale.finish(zeros)),
            Arc::new(self.zero_count.finish(zeros)),
            Arc::new(self.zero_threshold.finish(zeros)),
            Arc::new(self.positive_offset.finish(zeros)),
            Arc::new(self.positive_counts.finish()),
            Arc::new(self.negative_offset.finish(zeros)),
            Arc::new(self.negative_counts.finish()),
            self.quantiles.finish(zeros)?,
        ])
    }
}

#[derive(Default)]
struct Quantiles {
    lists: Lists,
    quantile: Doubles,
    value: Doubles,
}

impl Quantiles {
    fn push(&mut self, pairs: Option<&[(f64, f64)]>) {
        self.lists.push(pairs.map(<[_]>::len));
        for (quantile, value) in pairs.unwrap_or_default() {
            self.quantile.push(*quantile);
            self.value.push(*value);
        }
    }

    fn finish(self, zeros: &mut Zeros) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(self.quantile.finish(zeros)), Arc::new(self.value.finish(zeros))];
        self.lists.finish(schema::quantile_fields(), columns, zeros)
    }
}

struct Exemplars {
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
