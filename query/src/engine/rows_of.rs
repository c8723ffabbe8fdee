//! Record batches as rows of the API.

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::TimestampNanosecondType;
use model::predicate::RowKey;
use model::{Signal, UnixNanos, attributes, schema};
use serde_json::Value;

use crate::columns::{Columns, hex, items, unfold};
use crate::rows::{Event, Link, Log, Span};

/// The key of the last row of a batch.
pub(super) fn key(signal: Signal, batch: &RecordBatch) -> Option<RowKey> {
    let row = batch.num_rows().checked_sub(1)?;
    let columns = Columns(batch);
    let time = columns.time(schema::time_column(signal), row)?;
    Some(RowKey { time: UnixNanos(time), seq: columns.int("seq", row).unwrap_or(0) })
}

/// Rows of the `logs` table.
pub(super) fn logs(batch: &RecordBatch) -> Vec<Log> {
    (0..batch.num_rows()).map(|row| log(&Columns(batch), row)).collect()
}

fn log(columns: &Columns<'_>, row: usize) -> Log {
    let text = |name| columns.text(name, row).map(str::to_owned);
    Log {
        id: columns.int("seq", row).unwrap_or(0).to_string(),
        time: columns.time("time", row).unwrap_or(0),
        observed_time: columns.time("observed_time", row),
        severity: text("severity"),
        severity_number: columns.int("severity_number", row),
        severity_text: text("severity_text").filter(|text| !text.is_empty()),
        body: body(columns, row),
        service: text("service_name").unwrap_or_default(),
        instance: text("service_instance_id"),
        trace_id: columns.id("trace_id", row),
        span_id: columns.id("span_id", row),
        event_name: text("event_name").filter(|text| !text.is_empty()),
        template_id: text(schema::TEMPLATE_ID),
        variables: columns.list_of_texts("template_variables", row),
        attributes: columns.attributes("attributes", row),
        resource: columns.attributes("resource_attributes", row),
        scope: columns.scope(row),
    }
}

/// Text as it is; what was structured, unfolded.
fn body(columns: &Columns<'_>, row: usize) -> Value {
    let Some(body) = columns.text("body", row) else { return Value::Null };
    match columns.text("body_type", row) {
        Some("string" | "bytes") | None => Value::String(body.to_owned()),
        Some(_) => attributes::parse_value(body)
            .map_or_else(|| Value::String(body.to_owned()), |value| value.to_json()),
    }
}

/// Rows of the `spans` table.
pub(super) fn spans(batch: &RecordBatch) -> Vec<Span> {
    (0..batch.num_rows()).map(|row| span(&Columns(batch), row)).collect()
}

fn span(columns: &Columns<'_>, row: usize) -> Span {
    let text = |name| columns.text(name, row).unwrap_or_default().to_owned();
    Span {
        id: columns.int("seq", row).unwrap_or(0).to_string(),
        trace_id: columns.id("trace_id", row).unwrap_or_default(),
        span_id: columns.id("span_id", row).unwrap_or_default(),
        parent_span_id: columns.id("parent_span_id", row),
        name: text("name"),
        kind: text("kind"),
        service: text("service_name"),
        instance: columns.text("service_instance_id", row).map(str::to_owned),
        start: columns.time("start_time", row).unwrap_or(0),
        duration_ns: columns.int("duration_ns", row).unwrap_or(0),
        status: text("status_code"),
        status_message: columns
            .text("status_message", row)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        attributes: columns.attributes("attributes", row),
        resource: columns.attributes("resource_attributes", row),
        scope: columns.scope(row),
        events: events(columns, row),
        links: links(columns, row),
    }
}

fn events(columns: &Columns<'_>, row: usize) -> Vec<Event> {
    let Some(items) = items(columns.lists("events"), row) else { return Vec::new() };
    let times = items.column(0).as_primitive::<TimestampNanosecondType>();
    let event = |at: usize| Event {
        time: times.value(at),
        name: text_of(&items, 1, at),
        attributes: unfold(items.column(2).as_string::<i32>().value(at)),
    };
    let mut events: Vec<Event> = (0..items.len()).map(event).collect();
    events.sort_by_key(|event| event.time);
    events
}

fn links(columns: &Columns<'_>, row: usize) -> Vec<Link> {
    let Some(items) = items(columns.lists("links"), row) else { return Vec::new() };
    let id = |column: usize, at: usize| {
        let ids = items.column(column).as_fixed_size_binary();
        ids.is_valid(at).then(|| hex(ids.value(at)))
    };
    let link = |at: usize| Link {
        trace_id: id(0, at),
        span_id: id(1, at),
        trace_state: text_of(&items, 2, at),
        attributes: unfold(items.column(3).as_string::<i32>().value(at)),
    };
    (0..items.len()).map(link).collect()
}

fn text_of(items: &StructArray, column: usize, at: usize) -> String {
    items.column(column).as_string::<i32>().value(at).to_owned()
}
