//! The columns of metrics.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    TimestampNanosecondBuilder, new_null_array,
};
use arrow::error::ArrowError;
use model::{Signal, schema};
use opentelemetry_proto::tonic::metrics::v1::Exemplar;
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value;

use super::super::columns::{
    Dictionary, Envelope, Ids, Lists, integer_lists, non_empty, number_lists, push_integers, push_numbers,
    times,
};
use super::super::resource::hash_part;
use super::super::{Context, optional_id};
use super::points::{Point, Values};
use super::{Kind, Shared};
use crate::decode::context::{optional_time, stored_time};

/// The columns of metrics.
#[derive(Default)]
pub(in crate::decode::tests::reference) struct MetricTable {
    pub(super) envelope: Envelope,
    metric: Dictionary,
    kind: Dictionary,
    unit: Dictionary,
    description: Dictionary,
    temporality: Dictionary,
    monotonic: BooleanBuilder,
    time: Times,
    start_time: Times,
    values: ValueColumns,
    exemplars: Exemplars,
    flags: Int64Builder,
    series: Int64Builder,
    metadata: Dictionary,
    text: String,
}

impl MetricTable {
    /// Adds a checked point.
    pub(super) fn append(&mut self, point: Point, shared: &Shared, context: &mut Context<'_>) {
        let dropped = context.attributes(point.attributes, &mut self.text);
        self.envelope.push(&self.text, dropped, 1.0);
        let mut series = shared.series.clone();
        hash_part(&mut series, &self.text);
        self.series.append_value(series.digest().cast_signed());
        let head = &shared.head;
        self.metric.append_value(&head.name);
        self.kind.append_value(shared.kind.name());
        self.unit.append_option(non_empty(&head.unit));
        self.description.append_option(non_empty(&head.description));
        self.temporality.append_option(head.shape.temporality());
        self.monotonic.append_option((shared.kind == Kind::Sum).then_some(head.shape.monotonic));
        // Times and values were checked, so the fallbacks are never taken.
        self.time.0.append_value(stored_time(point.time).unwrap_or_default().0);
        self.start_time
            .0
            .append_option(optional_time(point.start_time).unwrap_or_default().map(|time| time.0));
        self.values.push(point.values.unwrap_or_default());
        self.exemplars.push(point.exemplars, &head.name, context);
        self.flags.append_value(i64::from(point.flags));
        self.metadata.append_option(shared.metadata.as_deref());
    }

    /// All rows.
    pub(in crate::decode::tests::reference) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.envelope.finish();
        columns.extend([
            Arc::new(self.metric.finish()) as ArrayRef,
            Arc::new(self.kind.finish()),
            Arc::new(self.unit.finish()),
            Arc::new(self.description.finish()),
            Arc::new(self.temporality.finish()),
            Arc::new(self.monotonic.finish()),
            Arc::new(self.time.0.finish()),
            Arc::new(self.start_time.0.finish()),
        ]);
        columns.extend(self.values.finish()?);
        columns.extend([
            self.exemplars.finish()?,
            Arc::new(self.flags.finish()),
            Arc::new(self.series.finish()),
            Arc::new(self.metadata.finish()),
        ]);
        let schema = schema::wire(Signal::Metrics);
        let rows = columns[0].len();
        // What only Prometheus' histograms have.
        let missing = schema.fields()[columns.len()..].iter();
        columns.extend(missing.map(|field| new_null_array(field.data_type(), rows)));
        RecordBatch::try_new(schema, columns)
    }
}

/// A column of times.
struct Times(TimestampNanosecondBuilder);

impl Default for Times {
    fn default() -> Self {
        Self(times())
    }
}

/// The columns of what points say, in the order of the schema.
struct ValueColumns {
    value: Float64Builder,
    value_int: Int64Builder,
    count: Int64Builder,
    sum: Float64Builder,
    min: Float64Builder,
    max: Float64Builder,
    bounds: ListBuilder<Float64Builder>,
    bucket_counts: ListBuilder<Int64Builder>,
    scale: Int64Builder,
    zero_count: Int64Builder,
    zero_threshold: Float64Builder,
    positive_offset: Int64Builder,
    positive_counts: ListBuilder<Int64Builder>,
    negative_offset: Int64Builder,
    negative_counts: ListBuilder<Int64Builder>,
    quantiles: Quantiles,
}

impl Default for ValueColumns {
    fn default() -> Self {
        Self {
            value: Float64Builder::new(),
            value_int: Int64Builder::new(),
            count: Int64Builder::new(),
            sum: Float64Builder::new(),
            min: Float64Builder::new(),
            max: Float64Builder::new(),
            bounds: number_lists(),
            bucket_counts: integer_lists(),
            scale: Int64Builder::new(),
            zero_count: Int64Builder::new(),
            zero_threshold: Float64Builder::new(),
            positive_offset: Int64Builder::new(),
            positive_counts: integer_lists(),
            negative_offset: Int64Builder::new(),
            negative_counts: integer_lists(),
            quantiles: Quantiles::default(),
        }
    }
}

impl ValueColumns {
    fn push(&mut self, values: Values) {
        self.value.append_option(values.value);
        self.value_int.append_option(values.value_int);
        self.count.append_option(values.count);
        self.sum.append_option(values.sum);
        self.min.append_option(values.min);
        self.max.append_option(values.max);
        push_numbers(&mut self.bounds, values.bounds.as_deref());
        push_integers(&mut self.bucket_counts, values.bucket_counts.as_deref());
        self.scale.append_option(values.scale);
        self.zero_count.append_option(values.zero_count);
        self.zero_threshold.append_option(values.zero_threshold);
        self.positive_offset.append_option(values.positive.offset);
        push_integers(&mut self.positive_counts, values.positive.counts.as_deref());
        self.negative_offset.append_option(values.negative.offset);
        push_integers(&mut self.negative_counts, values.negative.counts.as_deref());
        self.quantiles.push(values.quantiles.as_deref());
    }

    fn finish(mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![
            Arc::new(self.value.finish()),
            Arc::new(self.value_int.finish()),
            Arc::new(self.count.finish()),
            Arc::new(self.sum.finish()),
            Arc::new(self.min.finish()),
            Arc::new(self.max.finish()),
            Arc::new(self.bounds.finish()),
            Arc::new(self.bucket_counts.finish()),
            Arc::new(self.scale.finish()),
            Arc::new(self.zero_count.finish()),
            Arc::new(self.zero_threshold.finish()),
            Arc::new(self.positive_offset.finish()),
            Arc::new(self.positive_counts.finish()),
            Arc::new(self.negative_offset.finish()),
            Arc::new(self.negative_counts.finish()),
            self.quantiles.finish()?,
        ])
    }
}

#[derive(Default)]
struct Quantiles {
    lists: Lists,
    quantile: Float64Builder,
    value: Float64Builder,
}

impl Quantiles {
    fn push(&mut self, pairs: Option<&[(f64, f64)]>) {
        self.lists.push(pairs.map(<[_]>::len));
        for (quantile, value) in pairs.unwrap_or_default() {
            self.quantile.append_value(*quantile);
            self.value.append_value(*value);
        }
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.quantile.finish()), Arc::new(self.value.finish())];
        self.lists.finish(schema::quantile_fields(), columns)
    }
}

#[derive(Default)]
struct Exemplars {
    lists: Lists,
    time: Times,
    value: Float64Builder,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    attributes: StringBuilder,
    text: String,
}

impl Exemplars {
    fn push(&mut self, exemplars: Vec<Exemplar>, metric: &str, context: &mut Context<'_>) {
        self.lists.push(Some(exemplars.len()));
        for exemplar in exemplars {
            // Checked with the point, so the fallback is never taken.
            self.time.0.append_value(stored_time(exemplar.time_unix_nano).unwrap_or_default().0);
            self.value.append_option(exemplar.value.map(|value| match value {
                Value::AsDouble(value) => value,
                Value::AsInt(value) => value as f64,
            }));
            self.trace_id.push(optional_id(&exemplar.trace_id, &mut context.notes, metric));
            self.span_id.push(optional_id(&exemplar.span_id, &mut context.notes, metric));
            context.attributes(exemplar.filtered_attributes, &mut self.text);
            self.attributes.append_value(&self.text);
        }
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.time.0.finish()),
            Arc::new(self.value.finish()),
            self.trace_id.finish()?,
            self.span_id.finish()?,
            Arc::new(self.attributes.finish()),
        ];
        self.lists.finish(schema::exemplar_fields(), columns)
    }
}
