//! Log records.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::error::ArrowError;
use model::packed::{TextColumn, Zeros};
use model::{AnyValue, Signal, UnixNanos};

use super::Table;
use super::columns::{Envelope, Ids, Integers, Times, finish_texts, finish_times, push_non_empty, texts};
use super::context::{AttributeList, Context, optional_time};
use super::marks::repair;
use super::notes::Reason;
use super::resource::Origin;
use super::shape::{LOG_RECORD, check};
use super::values::{Any, Stored, VALUE_DEPTH};
use super::wire::{Fields, MESSAGE_DEPTH_MAX, Parts, WireError};

/// The columns of log records.
pub(super) struct LogTable<'p> {
    envelope: Envelope,
    time: Times,
    observed_time: Times,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    severity_number: Integers,
    severity_text: TextColumn,
    severity: TextColumn,
    body: StringBuilder,
    body_type: TextColumn,
    event_name: TextColumn,
    flags: Integers,
    /// Those of the record being read.
    attributes: AttributeList<'p>,
}

impl Default for LogTable<'_> {
    fn default() -> Self {
        Self {
            envelope: Envelope::default(),
            time: Times::default(),
            observed_time: Times::default(),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            severity_number: Integers::default(),
            severity_text: TextColumn::default(),
            severity: TextColumn::default(),
            body: texts(),
            body_type: TextColumn::default(),
            event_name: TextColumn::default(),
            flags: Integers::default(),
            attributes: AttributeList::default(),
        }
    }
}

/// A log record but for its attributes.
#[derive(Default)]
struct LogHead<'p> {
    time: u64,
    observed_time: u64,
    severity_number: i32,
    severity_text: &'p [u8],
    body: Parts<'p>,
    dropped_attributes: u32,
    flags: u32,
    trace_id: &'p [u8],
    span_id: &'p [u8],
    event_name: &'p [u8],
}

impl<'p> LogHead<'p> {
    fn read(
        message: &'p [u8],
        attributes: &mut AttributeList<'p>,
        context: &Context<'_>,
    ) -> Result<Self, WireError> {
        let mut head = Self::default();
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => head.time = field.fixed64()?,
                2 => head.severity_number = field.varint32()?.cast_signed(),
                3 => head.severity_text = field.bytes()?,
                5 => head.body.add(field.bytes()?),
                6 => attributes.add(field.bytes()?, context.limits)?,
                7 => head.dropped_attributes = field.varint32()?,
                8 => head.flags = field.fixed32()?,
                9 => head.trace_id = field.bytes()?,
                10 => head.span_id = field.bytes()?,
                11 => head.observed_time = field.fixed64()?,
                12 => head.event_name = field.bytes()?,
                _ => {}
            }
        }
        Ok(head)
    }
}

/// The times of a record; absent ones are `None`.
struct RecordTimes {
    sent: Option<UnixNanos>,
    observed: Option<UnixNanos>,
}

impl RecordTimes {
    fn new(record: &LogHead<'_>) -> Result<Self, Reason> {
        Ok(Self { sent: optional_time(record.time)?, observed: optional_time(record.observed_time)? })
    }
}

impl<'p> Table<'p> for LogTable<'p> {
    fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    fn push(&mut self, record: &'p [u8], _: &Origin<'_>, context: &mut Context<'_>) -> Result<(), WireError> {
        context.begin();
        self.attributes.clear();
        let head = LogHead::read(record, &mut self.attributes, context)?;
        match RecordTimes::new(&head) {
            Ok(times) => self.append(&head, &times, context),
            Err(reason) => {
                context.notes.reject(reason, head.event_name);
                check(record, &LOG_RECORD, MESSAGE_DEPTH_MAX)
            }
        }
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        let zeros = &mut Zeros::default();
        let columns: [ArrayRef; 11] = [
            finish_times(self.time, zeros),
            finish_times(self.observed_time, zeros),
            self.trace_id.finish()?,
            self.span_id.finish()?,
            Arc::new(self.severity_number.finish(zeros)),
            self.severity_text.finish(zeros),
            self.severity.finish(zeros),
            finish_texts(self.body),
            self.body_type.finish(zeros),
            self.event_name.finish(zeros),
            Arc::new(self.flags.finish(zeros)),
        ];
        self.envelope.finish(Signal::Logs, columns, zeros)
    }
}

impl LogTable<'_> {
    fn append(
        &mut self,
        record: &LogHead<'_>,
        times: &RecordTimes,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        let time = times.sent.or(times.observed);
        context.repeatable &= time.is_some();
        let dropped = context.columns(&self.attributes, &mut self.envelope.attributes)?;
        self.envelope.push(i64::from(record.dropped_attributes) + dropped, 1.0);
        self.time.push(time.unwrap_or(context.received).0);
        self.observed_time.push_option(times.observed.map(|time| time.0));
        self.trace_id.push(context.optional_id(record.trace_id, record.event_name));
        self.span_id.push(context.optional_id(record.span_id, record.event_name));
        let number = (record.severity_number != 0).then_some(i64::from(record.severity_number));
        self.severity_number.push_option(number);
        push_non_empty(&mut self.severity_text, record.severity_text, &mut context.marks);
        self.severity.push_option(severity(record.severity_number));
        self.push_body(&record.body, context)?;
        push_non_empty(&mut self.event_name, record.event_name, &mut context.marks);
        self.flags.push(i64::from(record.flags));
        context.end_row(&mut self.envelope.attributes);
        Ok(())
    }

    /// Adds a body as text with its type; structured ones in the form of attributes, which keeps types.
    fn push_body(&mut self, body: &Parts<'_>, context: &mut Context<'_>) -> Result<(), WireError> {
        let value = Any::read_parts(body, VALUE_DEPTH)?;
        let kind = match &value {
            Any::None => {
                self.body.append_null();
                self.body_type.push_null();
                return Ok(());
            }
            Any::Text(_) => "string",
            Any::Bool(_) => "bool",
            Any::Int(_) => "int",
            Any::Double(_) => "double",
            Any::Bytes(_) => "bytes",
            Any::Array(_) => "array",
            Any::Map(_) => "map",
        };
        self.body_type.push(kind);
        // Bytes stand in a body as they are shown, in attributes with a mark of their type.
        if let Any::Bytes(bytes) = value {
            self.body.append_option(AnyValue::Bytes(bytes.to_vec()).text());
            return Ok(());
        }
        // Bodies are not cut, so that text goes straight into its column.
        if let Any::Text(text) = value {
            self.body.append_value(repair(text, &mut context.marks));
            return Ok(());
        }
        match context.store(value, usize::MAX)? {
            Stored::Text(text) => self.body.append_value(text),
            Stored::Bool(value) => self.body.append_option(AnyValue::Bool(value).text()),
            Stored::Int(value) => self.body.append_option(AnyValue::Int(value).text()),
            Stored::Double(value) => self.body.append_option(AnyValue::Double(value).text()),
            Stored::Other(text) => self.body.append_value(text),
        }
        Ok(())
    }
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
