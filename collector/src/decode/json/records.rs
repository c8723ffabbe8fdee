//! Spans and log records of OTLP's JSON.

use serde_json::Value;

use super::common::{any_value, key_value};
use super::message::Message;
use super::scalars::{enumeration, id, integer, text};
use super::{Source, fields, list};
use crate::decode::DecodeError;

/// A span.
pub(super) fn span(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "traceId" => out.bytes(1, &id(value)?),
            "spanId" => out.bytes(2, &id(value)?),
            "traceState" => out.bytes(3, &source.wire_text(text(value)?)),
            "parentSpanId" => out.bytes(4, &id(value)?),
            "name" => out.bytes(5, &source.wire_text(text(value)?)),
            "kind" => out.int(6, enumeration(&value)?),
            "startTimeUnixNano" => out.fixed64(7, integer(&value)?),
            "endTimeUnixNano" => out.fixed64(8, integer(&value)?),
            "attributes" => list(value, source, 9, &mut out, key_value)?,
            "droppedAttributesCount" => out.int(10, integer::<u32>(&value)?),
            "events" => list(value, source, 11, &mut out, event)?,
            "droppedEventsCount" => out.int(12, integer::<u32>(&value)?),
            "links" => list(value, source, 13, &mut out, link)?,
            "droppedLinksCount" => out.int(14, integer::<u32>(&value)?),
            "status" => out.message(15, &status(value, source)?),
            "flags" => out.fixed32(16, integer(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn event(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "timeUnixNano" => out.fixed64(1, integer(&value)?),
            "name" => out.bytes(2, &source.wire_text(text(value)?)),
            "attributes" => list(value, source, 3, &mut out, key_value)?,
            "droppedAttributesCount" => out.int(4, integer::<u32>(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn link(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "traceId" => out.bytes(1, &id(value)?),
            "spanId" => out.bytes(2, &id(value)?),
            "traceState" => out.bytes(3, &source.wire_text(text(value)?)),
            "attributes" => list(value, source, 4, &mut out, key_value)?,
            "droppedAttributesCount" => out.int(5, integer::<u32>(&value)?),
            "flags" => out.fixed32(6, integer(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn status(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "message" => out.bytes(2, &source.wire_text(text(value)?)),
            "code" => out.int(3, enumeration(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

/// A log record.
pub(super) fn log_record(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "timeUnixNano" => out.fixed64(1, integer(&value)?),
            "observedTimeUnixNano" => out.fixed64(11, integer(&value)?),
            "severityNumber" => out.int(2, enumeration(&value)?),
            "severityText" => out.bytes(3, &source.wire_text(text(value)?)),
            "body" => out.message(5, &any_value(value, source)?),
            "attributes" => list(value, source, 6, &mut out, key_value)?,
            "droppedAttributesCount" => out.int(7, integer::<u32>(&value)?),
            "flags" => out.fixed32(8, integer(&value)?),
            "traceId" => out.bytes(9, &id(value)?),
            "spanId" => out.bytes(10, &id(value)?),
            "eventName" => out.bytes(12, &source.wire_text(text(value)?)),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}
