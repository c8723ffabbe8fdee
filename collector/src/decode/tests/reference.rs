//! An independent way from requests to rows: `prost` decodes the whole request into messages, and these are
//! turned into rows in the logical form. The walk must give the same rows and the same answer.

mod columns;
mod logs;
mod metrics;
mod resource;
mod spans;
mod values;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::*;
use crate::decode::marks::Marks;
use crate::decode::notes::Notes;
use model::AttributesWriter;
use resource::{Origin, ResourceText, ScopeText};

pub(super) struct Context<'a> {
    received: UnixNanos,
    limits: &'a Limits,
    notes: Notes,
    repeatable: bool,
    marks: Marks,
    writer: AttributesWriter,
}

/// What [`decode`] must give, in the logical form.
pub(super) struct Reference {
    pub(super) rows: RecordBatch,
    pub(super) repeatable: bool,
    pub(super) answer: model::Answer,
    pub(super) dropped_and_cut: (u64, u64),
}

macro_rules! walk {
    ($resources:expr, $scopes:ident, $records:ident, $table:ident, $context:ident, $push:expr) => {
        for resource in $resources {
            let text =
                ResourceText::new(resource.resource.unwrap_or_default(), resource.schema_url, &mut $context);
            for scope in resource.$scopes {
                let scope_text =
                    ScopeText::new(scope.scope.unwrap_or_default(), scope.schema_url, &mut $context);
                let origin = Origin { resource: &text, scope: &scope_text };
                for record in scope.$records {
                    $push(&mut $table, record, &origin, &mut $context);
                }
                $table.envelope().close(&origin);
            }
        }
    };
}

pub(super) fn decode(
    signal: Signal,
    payload: &[u8],
    limits: &Limits,
) -> Result<Reference, prost::DecodeError> {
    let mut context = Context {
        received: RECEIVED,
        limits,
        notes: Notes::new(signal),
        repeatable: true,
        marks: Marks::default(),
        writer: AttributesWriter::default(),
    };
    let rows = match signal {
        Signal::Spans => {
            let request = ExportTraceServiceRequest::decode(payload)?;
            let mut table = spans::SpanTable::default();
            let push = |table: &mut spans::SpanTable, span, _: &Origin<'_>, context: &mut Context<'_>| {
                table.push(span, context);
            };
            walk!(request.resource_spans, scope_spans, spans, table, context, push);
            table.finish()
        }
        Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(payload)?;
            let mut table = logs::LogTable::default();
            let push = |table: &mut logs::LogTable, record, _: &Origin<'_>, context: &mut Context<'_>| {
                table.push(record, context);
            };
            walk!(request.resource_logs, scope_logs, log_records, table, context, push);
            table.finish()
        }
        Signal::Metrics => {
            let request = ExportMetricsServiceRequest::decode(payload)?;
            let mut table = metrics::MetricTable::default();
            let push = metrics::MetricTable::push;
            walk!(request.resource_metrics, scope_metrics, metrics, table, context, push);
            table.finish()
        }
        Signal::Red => unreachable!("no client sends it"),
    };
    Ok(Reference {
        rows: rows.unwrap(),
        repeatable: context.repeatable,
        answer: context.notes.answer(),
        dropped_and_cut: (context.notes.attributes_dropped, context.notes.values_cut),
    })
}

impl Context<'_> {
    fn begin(&mut self) {
        self.notes.begin();
        self.marks = Marks::default();
    }

    /// Replaces `text` by attributes in their stored form; gives how many were dropped for their number or
    /// the length of their key.
    fn attributes(&mut self, list: Vec<KeyValue>, text: &mut String) -> i64 {
        let bytes_max = self.limits.attribute_bytes_max;
        let mut dropped = 0;
        for (index, KeyValue { key, value, .. }) in list.into_iter().enumerate() {
            if index >= self.limits.attributes_per_record_max || key.len() > bytes_max {
                dropped += 1;
            } else {
                let value = values::convert(value, bytes_max, &mut self.notes, &mut self.marks);
                self.writer.put(&key, &value);
            }
        }
        text.clear();
        self.writer.finish(text);
        self.notes.attributes_dropped += dropped;
        self.marks.truncated |= dropped > 0;
        dropped as i64
    }
}

fn optional_id<const N: usize>(bytes: &[u8], notes: &mut Notes, label: &str) -> Option<[u8; N]> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let id = bytes.try_into().ok();
    if id.is_none() {
        notes.warn("a trace_id has 16 bytes and a span_id 8: stored without it", label.as_bytes());
    }
    id
}
