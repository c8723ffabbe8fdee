//! Log records.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampNanosecondBuilder};
use arrow::error::ArrowError;
use model::{AnyValue, Signal, UnixNanos, schema};
use opentelemetry_proto::tonic::common::v1::AnyValue as WireValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::columns::{Dictionary, Envelope, Ids, non_empty, times};
use super::{Context, optional_id, values};
use crate::decode::context::optional_time;
use crate::decode::notes::Reason;

/// The columns of log records.
pub(super) struct LogTable {
    envelope: Envelope,
    time: TimestampNanosecondBuilder,
    observed_time: TimestampNanosecondBuilder,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    severity_number: Int64Builder,
    severity_text: Dictionary,
    severity: Dictionary,
    body: StringBuilder,
    body_type: Dictionary,
    event_name: Dictionary,
    flags: Int64Builder,
    text: String,
}

impl Default for LogTable {
    fn default() -> Self {
        Self {
            envelope: Envelope::default(),
            time: times(),
            observed_time: times(),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            severity_number: Int64Builder::new(),
            severity_text: Dictionary::new(),
            severity: Dictionary::new(),
            body: StringBuilder::new(),
            body_type: Dictionary::new(),
            event_name: Dictionary::new(),
            flags: Int64Builder::new(),
            text: String::new(),
        }
    }
}

/// The times of a record; absent ones are `None`.
struct Times {
    sent: Option<UnixNanos>,
    observed: Option<UnixNanos>,
}

impl Times {
    fn new(record: &LogRecord) -> Result<Self, Reason> {
        Ok(Self {
            sent: optional_time(record.time_unix_nano)?,
            observed: optional_time(record.observed_time_unix_nano)?,
        })
    }
}

impl LogTable {
    pub(super) fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    pub(super) fn push(&mut self, record: LogRecord, context: &mut Context<'_>) {
        context.begin();
        match Times::new(&record) {
            Ok(times) => {
                self.append(record, &times, context);
                self.envelope.mark(context.marks);
            }
            Err(reason) => context.notes.reject(reason, record.event_name.as_bytes()),
        }
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.envelope.finish();
        columns.extend([
            Arc::new(self.time.finish()) as ArrayRef,
            Arc::new(self.observed_time.finish()),
            self.trace_id.finish()?,
            self.span_id.finish()?,
            Arc::new(self.severity_number.finish()),
            Arc::new(self.severity_text.finish()),
            Arc::new(self.severity.finish()),
            Arc::new(self.body.finish()),
            Arc::new(self.body_type.finish()),
            Arc::new(self.event_name.finish()),
            Arc::new(self.flags.finish()),
        ]);
        RecordBatch::try_new(schema::wire(Signal::Logs), columns)
    }
}

impl LogTable {
    fn append(&mut self, record: LogRecord, times: &Times, context: &mut Context<'_>) {
        let time = times.sent.or(times.observed);
        context.repeatable &= time.is_some();
        let dropped = context.attributes(record.attributes, &mut self.text);
        let dropped = i64::from(record.dropped_attributes_count) + dropped;
        self.envelope.push(&self.text, dropped, 1.0);
        self.time.append_value(time.unwrap_or(context.received).0);
        self.observed_time.append_option(times.observed.map(|time| time.0));
        self.trace_id.push(optional_id(&record.trace_id, &mut context.notes, &record.event_name));
        self.span_id.push(optional_id(&record.span_id, &mut context.notes, &record.event_name));
        let number = (record.severity_number != 0).then_some(i64::from(record.severity_number));
        self.severity_number.append_option(number);
        self.severity_text.append_option(non_empty(&record.severity_text));
        self.severity.append_option(severity(record.severity_number));
        let body = body(record.body, context);
        self.body_type.append_option(body.as_ref().map(|(kind, _)| kind));
        self.body.append_option(body.map(|(_, text)| text));
        self.event_name.append_option(non_empty(&record.event_name));
        self.flags.append_value(i64::from(record.flags));
    }
}

/// The type and text of a body; structured ones in the form of attributes, which keeps types.
fn body(body: Option<WireValue>, context: &mut Context<'_>) -> Option<(&'static str, String)> {
    let value = values::convert(body, usize::MAX, &mut context.notes, &mut context.marks);
    let kind = match value {
        AnyValue::Null => return None,
        AnyValue::String(text) => return Some(("string", text)),
        AnyValue::Bool(_) => "bool",
        AnyValue::Int(_) => "int",
        AnyValue::Double(_) => "double",
        AnyValue::Bytes(_) => "bytes",
        AnyValue::Array(_) => "array",
        AnyValue::Map(_) => "map",
    };
    let text = match &value {
        AnyValue::Array(_) | AnyValue::Map(_) => {
            let mut text = String::new();
            value.write(&mut text);
            text
        }
        _ => value.text().unwrap_or_default().into_owned(),
    };
    Some((kind, text))
}

/// The level a number lies in; each has four.
fn severity(number: i32) -> Option<&'static str> {
    match number {
        1..=4 => Some("trace"),
        5..=8 => Some("debug"),
        9..=12 => Some("info"),
        13..=16 => Some("warn"),
        17..=20 => Some("error"),
        21..=24 => Some("fatal"),
        _ => None,
    }
}
