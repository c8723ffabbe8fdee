//! Metrics and their data points of OTLP's JSON.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint, exemplar,
    number_data_point,
};
use serde_json::Value;

use super::common::attributes;
use super::scalars::{boolean, double, enumeration, id, integer, text};
use super::{fields, list};
use crate::decode::metrics::{Head, Kind, RawMetric, Shape};
use crate::decode::notes::Notes;
use crate::decode::{DecodeError, Raw};

/// A metric whose points are not read yet.
pub(in crate::decode) fn metric(value: Value, notes: &mut Notes) -> Result<RawMetric, DecodeError> {
    let mut head = Head::default();
    let mut found = None;
    let mut points = Vec::new();
    fields(value, notes, |key, value, notes| {
        let kind = match key {
            "name" => return text(value).map(|text| head.name = text).map(|()| true),
            "description" => return text(value).map(|text| head.description = text).map(|()| true),
            "unit" => return text(value).map(|text| head.unit = text).map(|()| true),
            "metadata" => return attributes(value, notes).map(|list| head.metadata = list).map(|()| true),
            "gauge" => Kind::Gauge,
            "sum" => Kind::Sum,
            "histogram" => Kind::Histogram,
            "exponentialHistogram" => Kind::ExponentialHistogram,
            "summary" => Kind::Summary,
            _ => return Ok(false),
        };
        found = Some(kind);
        (head.shape, points) = data(value, notes)?;
        Ok(true)
    })?;
    Ok(RawMetric {
        head,
        kind: found,
        points: Box::new(points.into_iter().map(|value| Ok(Raw::Json(value)))),
    })
}

fn data(value: Value, notes: &mut Notes) -> Result<(Shape, Vec<Value>), DecodeError> {
    let mut shape = Shape::default();
    let mut points = Vec::new();
    fields(value, notes, |key, value, notes| {
        match key {
            "dataPoints" => points = list(value, notes, |value, _| Ok(value))?,
            "aggregationTemporality" => shape.temporality = enumeration(&value)?,
            "isMonotonic" => shape.monotonic = boolean(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((shape, points))
}

/// A point of a gauge or a sum.
pub(in crate::decode) fn number_point(
    value: Value,
    notes: &mut Notes,
) -> Result<NumberDataPoint, DecodeError> {
    let mut point = NumberDataPoint::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "attributes" => point.attributes = attributes(value, notes)?,
            "startTimeUnixNano" => point.start_time_unix_nano = integer(&value)?,
            "timeUnixNano" => point.time_unix_nano = integer(&value)?,
            "asDouble" => point.value = Some(number_data_point::Value::AsDouble(double(&value)?)),
            "asInt" => point.value = Some(number_data_point::Value::AsInt(integer(&value)?)),
            "exemplars" => point.exemplars = list(value, notes, exemplar)?,
            "flags" => point.flags = integer(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(point)
}

/// A point of a histogram.
pub(in crate::decode) fn histogram_point(
    value: Value,
    notes: &mut Notes,
) -> Result<HistogramDataPoint, DecodeError> {
    let mut point = HistogramDataPoint::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "attributes" => point.attributes = attributes(value, notes)?,
            "startTimeUnixNano" => point.start_time_unix_nano = integer(&value)?,
            "timeUnixNano" => point.time_unix_nano = integer(&value)?,
            "count" => point.count = integer(&value)?,
            "sum" => point.sum = Some(double(&value)?),
            "bucketCounts" => point.bucket_counts = list(value, notes, |value, _| integer(&value))?,
            "explicitBounds" => point.explicit_bounds = list(value, notes, |value, _| double(&value))?,
            "exemplars" => point.exemplars = list(value, notes, exemplar)?,
            "flags" => point.flags = integer(&value)?,
            "min" => point.min = Some(double(&value)?),
            "max" => point.max = Some(double(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(point)
}

/// A point of an exponential histogram.
pub(in crate::decode) fn exponential_point(
    value: Value,
    notes: &mut Notes,
) -> Result<ExponentialHistogramDataPoint, DecodeError> {
    let mut point = ExponentialHistogramDataPoint::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "attributes" => point.attributes = attributes(value, notes)?,
            "startTimeUnixNano" => point.start_time_unix_nano = integer(&value)?,
            "timeUnixNano" => point.time_unix_nano = integer(&value)?,
            "count" => point.count = integer(&value)?,
            "sum" => point.sum = Some(double(&value)?),
            "scale" => point.scale = integer(&value)?,
            "zeroCount" => point.zero_count = integer(&value)?,
            "zeroThreshold" => point.zero_threshold = double(&value)?,
            "positive" => point.positive = Some(buckets(value, notes)?),
            "negative" => point.negative = Some(buckets(value, notes)?),
            "exemplars" => point.exemplars = list(value, notes, exemplar)?,
            "flags" => point.flags = integer(&value)?,
            "min" => point.min = Some(double(&value)?),
            "max" => point.max = Some(double(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(point)
}

fn buckets(value: Value, notes: &mut Notes) -> Result<Buckets, DecodeError> {
    let mut buckets = Buckets::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "offset" => buckets.offset = integer(&value)?,
            "bucketCounts" => buckets.bucket_counts = list(value, notes, |value, _| integer(&value))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(buckets)
}

/// A point of a summary.
pub(in crate::decode) fn summary_point(
    value: Value,
    notes: &mut Notes,
) -> Result<SummaryDataPoint, DecodeError> {
    let mut point = SummaryDataPoint::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "attributes" => point.attributes = attributes(value, notes)?,
            "startTimeUnixNano" => point.start_time_unix_nano = integer(&value)?,
            "timeUnixNano" => point.time_unix_nano = integer(&value)?,
            "count" => point.count = integer(&value)?,
            "sum" => point.sum = double(&value)?,
            "quantileValues" => point.quantile_values = list(value, notes, quantile)?,
            "flags" => point.flags = integer(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(point)
}

fn quantile(value: Value, notes: &mut Notes) -> Result<ValueAtQuantile, DecodeError> {
    let mut pair = ValueAtQuantile::default();
    fields(value, notes, |key, value, _| {
        match key {
            "quantile" => pair.quantile = double(&value)?,
            "value" => pair.value = double(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(pair)
}

fn exemplar(value: Value, notes: &mut Notes) -> Result<Exemplar, DecodeError> {
    let mut result = Exemplar::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "filteredAttributes" => result.filtered_attributes = attributes(value, notes)?,
            "timeUnixNano" => result.time_unix_nano = integer(&value)?,
            "asDouble" => result.value = Some(exemplar::Value::AsDouble(double(&value)?)),
            "asInt" => result.value = Some(exemplar::Value::AsInt(integer(&value)?)),
            "spanId" => result.span_id = id(value)?,
            "traceId" => result.trace_id = id(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(result)
}
