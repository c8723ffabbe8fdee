//! Spans.

mod lists;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use model::packed::{TextColumn, Zeros};
use model::{Signal, SpanId, TraceId, UnixNanos};

use super::Table;
use super::columns::{Envelope, Ids, Integers, Times, finish_times, push_non_empty, push_text};
use super::context::{AttributeList, Context, stored_time};
use super::marks::repair;
use super::notes::Reason;
use super::resource::Origin;
use super::shape::{SPAN, check};
use super::wire::{Fields, MESSAGE_DEPTH_MAX, WireError};
use lists::{Events, Links, event_time};

/// The number of hexadecimal digits of a whole sampling threshold.
const THRESHOLD_DIGITS: usize = 14;

/// The fields of a span that hold its events and links.
const EVENTS: u32 = 11;
const LINKS: u32 = 13;

const TRACE_ID: Reason = "trace_id must be 16 bytes, not all zero";
const SPAN_ID: Reason = "span_id must be 8 bytes, not all zero";
const PARENT_SPAN_ID: Reason = "parent_span_id must be 8 bytes, or empty";

/// The columns of spans.
#[derive(Default)]
pub(super) struct SpanTable<'p> {
    envelope: Envelope,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    parent_span_id: Ids<8>,
    name: TextColumn,
    kind: TextColumn,
    start_time: Times,
    end_time: Times,
    duration_ns: Integers,
    status_code: TextColumn,
    status_message: TextColumn,
    trace_state: TextColumn,
    flags: Integers,
    dropped_events_count: Integers,
    dropped_links_count: Integers,
    events: Events,
    links: Links,
    /// Those of the span being read.
    attributes: AttributeList<'p>,
}

/// A span but for its lists.
#[derive(Default)]
struct SpanHead<'p> {
    trace_id: &'p [u8],
    span_id: &'p [u8],
    parent_span_id: &'p [u8],
    trace_state: &'p [u8],
    flags: u32,
    name: &'p [u8],
    kind: u32,
    start: u64,
    end: u64,
    dropped_attributes: u32,
    events: usize,
    /// Whether the time of an event cannot be stored.
    event_too_late: bool,
    dropped_events: u32,
    links: usize,
    dropped_links: u32,
    status_message: &'p [u8],
    status_code: u32,
}

impl<'p> SpanHead<'p> {
    fn read(
        message: &'p [u8],
        attributes: &mut AttributeList<'p>,
        context: &Context<'_>,
    ) -> Result<Self, WireError> {
        let mut head = Self::default();
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => head.trace_id = field.bytes()?,
                2 => head.span_id = field.bytes()?,
                3 => head.trace_state = field.bytes()?,
                4 => head.parent_span_id = field.bytes()?,
                5 => head.name = field.bytes()?,
                6 => head.kind = field.varint32()?,
                7 => head.start = field.fixed64()?,
                8 => head.end = field.fixed64()?,
                9 => attributes.add(field.bytes()?, context.limits)?,
                10 => head.dropped_attributes = field.varint32()?,
                EVENTS => {
                    head.events += 1;
                    head.event_too_late |= stored_time(event_time(field.bytes()?)?).is_err();
                }
                12 => head.dropped_events = field.varint32()?,
                LINKS => {
                    field.bytes()?;
                    head.links += 1;
                }
                14 => head.dropped_links = field.varint32()?,
                15 => head.read_status(field.bytes()?)?,
                16 => head.flags = field.fixed32()?,
                _ => {}
            }
        }
        Ok(head)
    }

    fn read_status(&mut self, message: &'p [u8]) -> Result<(), WireError> {
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                2 => self.status_message = field.bytes()?,
                3 => self.status_code = field.varint32()?,
                _ => {}
            }
        }
        Ok(())
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
    fn new(span: &SpanHead<'_>) -> Result<Self, Reason> {
        if span.event_too_late {
            return Err(super::context::TOO_LATE);
        }
        Ok(Self {
            trace_id: TraceId::from_bytes(span.trace_id).ok_or(TRACE_ID)?,
            span_id: SpanId::from_bytes(span.span_id).ok_or(SPAN_ID)?,
            parent_span_id: match span.parent_span_id.iter().all(|byte| *byte == 0) {
                true => None,
                false => Some(SpanId::from_bytes(span.parent_span_id).ok_or(PARENT_SPAN_ID)?),
            },
            start: stored_time(span.start)?,
            end: stored_time(span.end)?,
        })
    }
}

impl<'p> Table<'p> for SpanTable<'p> {
    fn envelope(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    fn push(&mut self, record: &'p [u8], _: &Origin<'_>, context: &mut Context<'_>) -> Result<(), WireError> {
        context.begin();
        self.attributes.clear();
        let head = SpanHead::read(record, &mut self.attributes, context)?;
        match Checked::new(&head) {
            Ok(checked) => self.append(record, &head, &checked, context),
            Err(reason) => {
                context.notes.reject(reason, head.name);
                check(record, &SPAN, MESSAGE_DEPTH_MAX)
            }
        }
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        let zeros = &mut Zeros::default();
        let columns: [ArrayRef; 16] = [
            self.trace_id.finish()?,
            self.span_id.finish()?,
            self.parent_span_id.finish()?,
            self.name.finish(zeros),
            self.kind.finish(zeros),
            finish_times(self.start_time, zeros),
            finish_times(self.end_time, zeros),
            Arc::new(self.duration_ns.finish(zeros)),
            self.status_code.finish(zeros),
            self.status_message.finish(zeros),
            self.trace_state.finish(zeros),
            Arc::new(self.flags.finish(zeros)),
            Arc::new(self.dropped_events_count.finish(zeros)),
            Arc::new(self.dropped_links_count.finish(zeros)),
            self.events.finish(zeros)?,
            self.links.finish(zeros)?,
        ];
        self.envelope.finish(Signal::Spans, columns, zeros)
    }
}

impl SpanTable<'_> {
    fn append(
        &mut self,
        record: &[u8],
        span: &SpanHead<'_>,
        checked: &Checked,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        if span.start == 0 && span.end == 0 {
            context.repeatable = false;
        }
        let dropped = context.columns(&self.attributes, &mut self.envelope.attributes)?;
        let weight = match span.trace_state {
            [] => 1.0,
            text => weight(&repair(text, &mut context.marks)),
        };
        self.envelope.push(i64::from(span.dropped_attributes) + dropped, weight);
        self.trace_id.push(Some(checked.trace_id.0));
        self.span_id.push(Some(checked.span_id.0));
        self.parent_span_id.push(checked.parent_span_id.map(|id| id.0));
        push_text(&mut self.name, span.name, &mut context.marks);
        self.kind.push(kind(span.kind));
        self.start_time.push(checked.start.0);
        self.end_time.push(checked.end.0);
        self.duration_ns.push(checked.end.since(checked.start));
        self.status_code.push(status_code(span.status_code));
        push_non_empty(&mut self.status_message, span.status_message, &mut context.marks);
        push_non_empty(&mut self.trace_state, span.trace_state, &mut context.marks);
        self.flags.push(i64::from(span.flags));
        self.dropped_events_count.push(i64::from(span.dropped_events));
        self.dropped_links_count.push(i64::from(span.dropped_links));
        self.events.push(record, span.events, context)?;
        self.links.push(record, span.links, span.name, context)?;
        context.end_row(&mut self.envelope.attributes);
        Ok(())
    }
}

fn kind(number: u32) -> &'static str {
    match number {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    }
}

fn status_code(number: u32) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_from_the_sampling_threshold() {
        let cases = [
            ("", 1.0),
            ("ot=th:0", 1.0),
            ("ot=th:8", 2.0),
            ("ot=th:c", 4.0),
            ("vendor=1, ot=rv:0123456789abcd;th:c,x=y", 4.0),
            ("ot=th:ffffffffffffff", (1_u64 << 56) as f64),
            ("ot=th:", 1.0),
            ("ot=th:+8", 1.0),
            ("ot=th:xyz", 1.0),
            ("ot=th:800000000000000", 1.0),
            ("not=th:8", 1.0),
        ];
        for (trace_state, expected) in cases {
            assert_eq!(weight(trace_state), expected, "{trace_state}");
        }
    }
}
