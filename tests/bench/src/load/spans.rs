//! Export requests with spans.

use std::collections::BTreeMap;

use super::Shape;
use super::calls::{self, Span, WINDOW};
use super::shop::{write_attributes, write_resource, write_scope};
use super::template::{Change, Template};
use super::writer::{Field, Writer};

/// The status of a span that failed, as OTLP numbers it.
const STATUS_ERROR: u32 = 2;

/// The request with this number.
pub(super) fn template(shape: &Shape, number: usize) -> Template {
    let spans = calls::spans(shape.seed, number as u64, shape.batch);
    let mut traces: Vec<[u64; 2]> = spans.iter().map(|span| span.trace).collect();
    traces.dedup();
    let records = spans.len() as u64;
    let mut pods: BTreeMap<(usize, usize), Vec<Span>> = BTreeMap::new();
    for span in spans {
        pods.entry((span.service, span.pod)).or_default().push(span);
    }
    let (bytes, patches) = Writer::write(shape.form, |writer| {
        writer.messages(Field(1, "resourceSpans"), pods, |writer, ((service, pod), spans)| {
            write_resource(writer, shape.seed, service, pod);
            writer.messages(Field(2, "scopeSpans"), [spans], |writer, spans| {
                write_scope(writer, service);
                writer.messages(Field(2, "spans"), &spans, write_span);
            });
        });
    });
    Template { form: shape.form, bytes, patches, records, window: WINDOW, traces }
}

fn write_span(writer: &mut Writer, span: &Span) {
    writer.id(Field(1, "traceId"), Change::TraceId(span.trace));
    writer.id(Field(2, "spanId"), Change::SpanId(span.id));
    if let Some(parent) = span.parent {
        writer.id(Field(4, "parentSpanId"), Change::SpanId(parent));
    }
    writer.fixed_text(Field(5, "name"), &span.name);
    writer.number(Field(6, "kind"), span.kind);
    writer.time(Field(7, "startTimeUnixNano"), Change::Time(span.start));
    writer.time(Field(8, "endTimeUnixNano"), Change::Time(span.end));
    write_attributes(writer, Field(9, "attributes"), &span.attributes);
    if !span.events.is_empty() {
        writer.messages(Field(11, "events"), &span.events, |writer, event| {
            writer.time(Field(1, "timeUnixNano"), Change::Time(event.time));
            writer.fixed_text(Field(2, "name"), event.name);
            write_attributes(writer, Field(3, "attributes"), &event.attributes);
        });
    }
    writer.message(Field(15, "status"), |writer| {
        if let Some(fault) = span.fault {
            writer.fixed_text(Field(2, "message"), fault);
            writer.number(Field(3, "code"), STATUS_ERROR);
        }
    });
    // Sampled, as every SDK says it of what it sends.
    writer.fixed32(Field(16, "flags"), 0x101);
}
