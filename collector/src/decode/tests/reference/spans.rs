//! Spans, with their events and links.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampNanosecondBuilder};
use arrow::error::ArrowError;
use model::{Signal, SpanId, TraceId, UnixNanos, schema};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};

use super::columns::{Dictionary, Envelope, Ids, Lists, non_empty, times};
use super::{Context, optional_id};
use crate::decode::context::stored_time;
use crate::decode::notes::Reason;

/// The number of hexadecimal digits of a whole sampling threshold.
const THRESHOLD_DIGITS: usize = 14;

const TRACE_ID: Reason = "trace_id must be 16 bytes, not all zero";
const SPAN_ID: Reason = "span_id must be 8 bytes, not all zero";
const PARENT_SPAN_ID: Reason = "parent_span_id must be 8 bytes, or empty";

/// The columns of spans.
pub(super) struct SpanTable {
    envelope: Envelope,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    parent_span_id: Ids<8>,
    name: Dictionary,
    kind: Dictionary,
    start_time: TimestampNanosecondBuilder,
    end_time: TimestampNanosecondBuilder,
    duration_ns: Int64Builder,
    status_code: Dictionary,
    status_message: Dictionary,
    trace_state: Dictionary,
    flags: Int64Builder,
    dropped_events_count: Int64Builder,
    dropped_links_count: Int64Builder,
    events: Events,
    links: Links,
    text: String,
}

impl Default for SpanTable {
    fn default() -> Self {
        Self {
            envelope: Envelope::default(),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            parent_span_id: Ids::default(),
            name: Dictionary::new(),
            kind: Dictionary::new(),
            start_time: times(),
            end_time: times(),
            duration_ns: Int64Builder::new(),
            status_code: Dictionary::new(),
            status_message: Dictionary::new(),
            trace_state: Dictionary::new(),
            flags: Int64Builder::new(),
            dropped_events_count: Int64Builder::new(),
            dropped_links_count: Int64Builder::new(),
            events: Events::default(),
            links: Links::default(),
            text: String::new(),
        }
    }
}

/// What must be right about a span for it to be stored.
struct Checked {
    trace_id: TraceId,
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    start: UnixNanos,
    end: UnixNanos,
}

impl Checked {
    fn new(span: &Span) -> Result<Self, Reason> {
        for event in &span.events {
            stored_time(event.time_unix_nano)?;
        }
        Ok(Self {
            trace_id: TraceId::from_bytes(&span.trace_id).ok_or(TRACE_ID)?,
            span_id: SpanId::from_bytes(&span.span_id).ok_or(SPAN_ID)?,
            parent_span_id: match span.parent_span_id.iter().all(|byte| *byte == 0) {
                true => None,
                false => Some(SpanId::from_bytes(&span.parent_span_id).ok_or(PARENT_SPAN_ID)?),
            },
            start: stored_time(span.start_time_unix_nano)?,
            end: stored_time(span.end_time_unix_nano)?,
        })
    }
}

impl SpanTable {
    pub(super) fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    pub(super) fn push(&mut self, span: Span, context: &mut Context<'_>) {
        context.begin();
        match Checked::new(&span) {
            Ok(checked) => {
                self.append(span, &checked, context);
                self.envelope.mark(context.marks);
            }
            Err(reason) => context.notes.reject(reason, span.name.as_bytes()),
        }
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.envelope.finish();
        columns.extend([
            self.trace_id.finish()?,
            self.span_id.finish()?,
            self.parent_span_id.finish()?,
            Arc::new(self.name.finish()) as ArrayRef,
            Arc::new(self.kind.finish()),
            Arc::new(self.start_time.finish()),
            Arc::new(self.end_time.finish()),
            Arc::new(self.duration_ns.finish()),
            Arc::new(self.status_code.finish()),
            Arc::new(self.status_message.finish()),
            Arc::new(self.trace_state.finish()),
            Arc::new(self.flags.finish()),
            Arc::new(self.dropped_events_count.finish()),
            Arc::new(self.dropped_links_count.finish()),
            self.events.finish()?,
            self.links.finish()?,
        ]);
        RecordBatch::try_new(schema::wire(Signal::Spans), columns)
    }
}

impl SpanTable {
    fn append(&mut self, span: Span, checked: &Checked, context: &mut Context<'_>) {
        if span.start_time_unix_nano == 0 && span.end_time_unix_nano == 0 {
            context.repeatable = false;
        }
        let dropped = context.attributes(span.attributes, &mut self.text);
        let dropped = i64::from(span.dropped_attributes_count) + dropped;
        self.envelope.push(&self.text, dropped, weight(&span.trace_state));
        self.trace_id.push(Some(checked.trace_id.0));
        self.span_id.push(Some(checked.span_id.0));
        self.parent_span_id.push(checked.parent_span_id.map(|id| id.0));
        self.name.append_value(&span.name);
        self.kind.append_value(kind(span.kind));
        self.start_time.append_value(checked.start.0);
        self.end_time.append_value(checked.end.0);
        self.duration_ns.append_value(checked.end.since(checked.start));
        let status = span.status.unwrap_or_default();
        self.status_code.append_value(status_code(status.code));
        self.status_message.append_option(non_empty(&status.message));
        self.trace_state.append_option(non_empty(&span.trace_state));
        self.flags.append_value(i64::from(span.flags));
        self.dropped_events_count.append_value(i64::from(span.dropped_events_count));
        self.dropped_links_count.append_value(i64::from(span.dropped_links_count));
        self.events.push(span.events, context);
        self.links.push(span.links, &span.name, context);
    }
}

struct Events {
    lists: Lists,
    time: TimestampNanosecondBuilder,
    name: StringBuilder,
    attributes: StringBuilder,
    dropped_attributes_count: Int64Builder,
    text: String,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            lists: Lists::default(),
            time: times(),
            name: StringBuilder::new(),
            attributes: StringBuilder::new(),
            dropped_attributes_count: Int64Builder::new(),
            text: String::new(),
        }
    }
}

impl Events {
    fn push(&mut self, events: Vec<Event>, context: &mut Context<'_>) {
        self.lists.push(Some(events.len()));
        for event in events {
            // Checked with the span, so the fallback is never taken.
            self.time.append_value(stored_time(event.time_unix_nano).unwrap_or_default().0);
            self.name.append_value(&event.name);
            let dropped = context.attributes(event.attributes, &mut self.text);
            self.attributes.append_value(&self.text);
            self.dropped_attributes_count.append_value(i64::from(event.dropped_attributes_count) + dropped);
        }
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.time.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.attributes.finish()),
            Arc::new(self.dropped_attributes_count.finish()),
        ];
        self.lists.finish(schema::event_fields(), columns)
    }
}

#[derive(Default)]
struct Links {
    lists: Lists,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    trace_state: StringBuilder,
    attributes: StringBuilder,
    dropped_attributes_count: Int64Builder,
    flags: Int64Builder,
    text: String,
}

impl Links {
    fn push(&mut self, links: Vec<Link>, span_name: &str, context: &mut Context<'_>) {
        self.lists.push(Some(links.len()));
        for link in links {
            self.trace_id.push(optional_id(&link.trace_id, &mut context.notes, span_name));
            self.span_id.push(optional_id(&link.span_id, &mut context.notes, span_name));
            self.trace_state.append_value(&link.trace_state);
            let dropped = context.attributes(link.attributes, &mut self.text);
            self.attributes.append_value(&self.text);
            self.dropped_attributes_count.append_value(i64::from(link.dropped_attributes_count) + dropped);
            self.flags.append_value(i64::from(link.flags));
        }
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let columns = vec![
            self.trace_id.finish()?,
            self.span_id.finish()?,
            Arc::new(self.trace_state.finish()) as ArrayRef,
            Arc::new(self.attributes.finish()),
            Arc::new(self.dropped_attributes_count.finish()),
            Arc::new(self.flags.finish()),
        ];
        self.lists.finish(schema::link_fields(), columns)
    }
}

fn kind(number: i32) -> &'static str {
    match number {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    }
}

fn status_code(number: i32) -> &'static str {
    match number {
        1 => "ok",
        2 => "error",
        _ => "unset",
    }
}

/// How many spans this one stands for, by the rejection threshold that consistent probability sampling leaves
/// in the trace state as `ot=th:…`: up to 14 hexadecimal digits of a 56-bit number, the rest of them zero.
fn weight(trace_state: &str) -> f64 {
    const WHOLE: f64 = (1_u64 << 56) as f64;
    let vendor = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="));
    let threshold = vendor.and_then(|value| value.split(';').find_map(|part| part.strip_prefix("th:")));
    let Some(digits) = threshold else {
        return 1.0;
    };
    let valid =
        (1..=THRESHOLD_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u64::from_str_radix(digits, 16) {
        // Under 2^56, so the rest is at least 1.
        Ok(number) if valid => {
            let threshold = number << (4 * (THRESHOLD_DIGITS - digits.len()));
            WHOLE / ((1_u64 << 56) - threshold) as f64
        }
        _ => 1.0,
    }
}
