//! Spans and log records of OTLP's JSON.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::Value;

use super::common::{any_value, attributes};
use super::scalars::{enumeration, id, integer, text};
use super::{fields, list};
use crate::decode::DecodeError;
use crate::decode::notes::Notes;

/// A span.
pub(in crate::decode) fn span(value: Value, notes: &mut Notes) -> Result<Span, DecodeError> {
    let mut span = Span::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "traceId" => span.trace_id = id(value)?,
            "spanId" => span.span_id = id(value)?,
            "traceState" => span.trace_state = text(value)?,
            "parentSpanId" => span.parent_span_id = id(value)?,
            "flags" => span.flags = integer(&value)?,
            "name" => span.name = text(value)?,
            "kind" => span.kind = enumeration(&value)?,
            "startTimeUnixNano" => span.start_time_unix_nano = integer(&value)?,
            "endTimeUnixNano" => span.end_time_unix_nano = integer(&value)?,
            "attributes" => span.attributes = attributes(value, notes)?,
            "droppedAttributesCount" => span.dropped_attributes_count = integer(&value)?,
            "events" => span.events = list(value, notes, event)?,
            "droppedEventsCount" => span.dropped_events_count = integer(&value)?,
            "links" => span.links = list(value, notes, link)?,
            "droppedLinksCount" => span.dropped_links_count = integer(&value)?,
            "status" => span.status = Some(status(value, notes)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(span)
}

fn event(value: Value, notes: &mut Notes) -> Result<Event, DecodeError> {
    let mut event = Event::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "timeUnixNano" => event.time_unix_nano = integer(&value)?,
            "name" => event.name = text(value)?,
            "attributes" => event.attributes = attributes(value, notes)?,
            "droppedAttributesCount" => event.dropped_attributes_count = integer(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(event)
}

fn link(value: Value, notes: &mut Notes) -> Result<Link, DecodeError> {
    let mut link = Link::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "traceId" => link.trace_id = id(value)?,
            "spanId" => link.span_id = id(value)?,
            "traceState" => link.trace_state = text(value)?,
            "attributes" => link.attributes = attributes(value, notes)?,
            "droppedAttributesCount" => link.dropped_attributes_count = integer(&value)?,
            "flags" => link.flags = integer(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(link)
}

fn status(value: Value, notes: &mut Notes) -> Result<Status, DecodeError> {
    let mut status = Status::default();
    fields(value, notes, |key, value, _| {
        match key {
            "message" => status.message = text(value)?,
            "code" => status.code = enumeration(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(status)
}

/// A log record.
pub(in crate::decode) fn log_record(value: Value, notes: &mut Notes) -> Result<LogRecord, DecodeError> {
    let mut record = LogRecord::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "timeUnixNano" => record.time_unix_nano = integer(&value)?,
            "observedTimeUnixNano" => record.observed_time_unix_nano = integer(&value)?,
            "severityNumber" => record.severity_number = enumeration(&value)?,
            "severityText" => record.severity_text = text(value)?,
            "body" => record.body = Some(any_value(value, notes)?),
            "attributes" => record.attributes = attributes(value, notes)?,
            "droppedAttributesCount" => record.dropped_attributes_count = integer(&value)?,
            "flags" => record.flags = integer(&value)?,
            "traceId" => record.trace_id = id(value)?,
            "spanId" => record.span_id = id(value)?,
            "eventName" => record.event_name = text(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(record)
}
