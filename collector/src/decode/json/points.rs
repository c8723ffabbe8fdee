//! Metrics and their data points of OTLP's JSON.

use serde_json::Value;

use super::common::key_value;
use super::message::Message;
use super::scalars::{boolean, double, enumeration, id, integer, text};
use super::{Source, fields, items, list};
use crate::decode::DecodeError;

/// A metric.
pub(super) fn metric(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "name" => out.bytes(1, &source.wire_text(text(value)?)),
            "description" => out.bytes(2, &source.wire_text(text(value)?)),
            "unit" => out.bytes(3, &source.wire_text(text(value)?)),
            "metadata" => list(value, source, 12, &mut out, key_value)?,
            "gauge" => out.message(5, &data(value, source, number_point)?),
            "sum" => out.message(7, &data(value, source, number_point)?),
            "histogram" => out.message(9, &data(value, source, histogram_point)?),
            "exponentialHistogram" => out.message(10, &data(value, source, exponential_point)?),
            "summary" => out.message(11, &data(value, source, summary_point)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

/// The points of a metric and what stands beside them; a kind that lacks those ignores them later.
fn data(
    value: Value,
    source: &mut Source<'_>,
    point: fn(Value, &mut Source<'_>) -> Result<Message, DecodeError>,
) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "dataPoints" => list(value, source, 1, &mut out, point)?,
            "aggregationTemporality" => out.int(2, enumeration(&value)?),
            "isMonotonic" => out.varint(3, u64::from(boolean(&value)?)),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn number_point(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "attributes" => list(value, source, 7, &mut out, key_value)?,
            "startTimeUnixNano" => out.fixed64(2, integer(&value)?),
            "timeUnixNano" => out.fixed64(3, integer(&value)?),
            "asDouble" => out.double(4, double(&value)?),
            "asInt" => out.fixed64(6, integer::<i64>(&value)?.cast_unsigned()),
            "exemplars" => list(value, source, 5, &mut out, exemplar)?,
            "flags" => out.int(8, integer::<u32>(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn histogram_point(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "attributes" => list(value, source, 9, &mut out, key_value)?,
            "startTimeUnixNano" => out.fixed64(2, integer(&value)?),
            "timeUnixNano" => out.fixed64(3, integer(&value)?),
            "count" => out.fixed64(4, integer(&value)?),
            "sum" => out.double(5, double(&value)?),
            "bucketCounts" => items(value, |value| integer(&value).map(|number| out.fixed64(6, number)))?,
            "explicitBounds" => items(value, |value| double(&value).map(|number| out.double(7, number)))?,
            "exemplars" => list(value, source, 8, &mut out, exemplar)?,
            "flags" => out.int(10, integer::<u32>(&value)?),
            "min" => out.double(11, double(&value)?),
            "max" => out.double(12, double(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn exponential_point(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "attributes" => list(value, source, 1, &mut out, key_value)?,
            "startTimeUnixNano" => out.fixed64(2, integer(&value)?),
            "timeUnixNano" => out.fixed64(3, integer(&value)?),
            "count" => out.fixed64(4, integer(&value)?),
            "sum" => out.double(5, double(&value)?),
            "scale" => out.zigzag(6, integer(&value)?),
            "zeroCount" => out.fixed64(7, integer(&value)?),
            "zeroThreshold" => out.double(14, double(&value)?),
            "positive" => out.message(8, &buckets(value, source)?),
            "negative" => out.message(9, &buckets(value, source)?),
            "exemplars" => list(value, source, 11, &mut out, exemplar)?,
            "flags" => out.int(10, integer::<u32>(&value)?),
            "min" => out.double(12, double(&value)?),
            "max" => out.double(13, double(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn buckets(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, _| {
        match key {
            "offset" => out.zigzag(1, integer(&value)?),
            "bucketCounts" => items(value, |value| integer(&value).map(|number| out.varint(2, number)))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn summary_point(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "attributes" => list(value, source, 7, &mut out, key_value)?,
            "startTimeUnixNano" => out.fixed64(2, integer(&value)?),
            "timeUnixNano" => out.fixed64(3, integer(&value)?),
            "count" => out.fixed64(4, integer(&value)?),
            "sum" => out.double(5, double(&value)?),
            "quantileValues" => list(value, source, 6, &mut out, quantile)?,
            "flags" => out.int(8, integer::<u32>(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn quantile(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, _| {
        match key {
            "quantile" => out.double(1, double(&value)?),
            "value" => out.double(2, double(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn exemplar(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "filteredAttributes" => list(value, source, 7, &mut out, key_value)?,
            "timeUnixNano" => out.fixed64(2, integer(&value)?),
            "asDouble" => out.double(3, double(&value)?),
            "asInt" => out.fixed64(6, integer::<i64>(&value)?.cast_unsigned()),
            "spanId" => out.bytes(4, &id(value)?),
            "traceId" => out.bytes(5, &id(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}
