//! The Arrow schemas of the tables. SCHEMA.md of the design names the columns; they keep their names, types
//! and meaning for ever.
//!
//! Terms:
//! - *stored schema*: all columns of a table, in order: what a memtable and a Parquet file hold.
//! - *wire schema*: the stored schema without the columns that the store itself fills ([`STORE_COLUMNS`]):
//!   what a receiver builds.
//!
//! Text that repeats is dictionary encoded. Attributes are JSON text in the form of [`crate::attributes`];
//! such a column carries the field metadata `causeway.json`. Ids are fixed-size bytes, null when absent.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::Signal;

/// The key of the field metadata that marks JSON text.
pub const JSON_MARK: &str = "causeway.json";

/// The columns that the store fills: every table begins with them.
pub const STORE_COLUMNS: [&str; 2] = ["seq", "received_time"];

/// The key of a row's metadata that says: it came by Prometheus' remote write, in the version that is its value.
pub const REMOTE_WRITE: &str = "prometheus.remote_write";

/// Columns that joined after rows had been written without them: where one is absent it is null.
const LATE_COLUMNS: [&str; 5] =
    ["reset_hint", "count_float", "zero_count_float", "positive_counts_float", "negative_counts_float"];

/// Whether rows of earlier versions can lack a column.
pub fn is_late(column: &str) -> bool {
    LATE_COLUMNS.contains(&column)
}

/// The column that rows of a table are ordered by in time.
pub fn time_column(signal: Signal) -> &'static str {
    match signal {
        Signal::Spans => "start_time",
        Signal::Logs | Signal::Metrics | Signal::Red => "time",
    }
}

/// All columns of a table.
pub fn stored(signal: Signal) -> SchemaRef {
    match signal {
        Signal::Spans => Arc::clone(&SPANS),
        Signal::Logs => Arc::clone(&LOGS),
        Signal::Metrics => Arc::clone(&METRICS),
        Signal::Red => Arc::clone(&RED),
    }
}

/// The column of a log's template: its identity, 16 hexadecimal digits. It is stored nowhere: it follows from the
/// body and from the other bodies that the tenant has stored.
pub const TEMPLATE_ID: &str = "template_id";

/// All columns that a question can ask a table for: those that are stored, and those that follow from them.
pub fn asked(signal: Signal) -> SchemaRef {
    match signal {
        Signal::Logs => Arc::clone(&LOGS_ASKED),
        _ => stored(signal),
    }
}

/// The columns that a receiver fills: all but [`STORE_COLUMNS`].
pub fn wire(signal: Signal) -> SchemaRef {
    let stored = stored(signal);
    let fields: Fields = stored.fields().iter().skip(STORE_COLUMNS.len()).cloned().collect();
    Arc::new(Schema::new(fields))
}

/// The type of text that repeats.
pub fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The type of a time.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// The fields of one span event.
pub fn event_fields() -> Fields {
    Fields::from(vec![
        Field::new("time", timestamp(), false),
        Field::new("name", DataType::Utf8, false),
        json(Field::new("attributes", DataType::Utf8, false)),
        Field::new("dropped_attributes_count", DataType::Int64, false),
    ])
}

/// The fields of one span link.
pub fn link_fields() -> Fields {
    Fields::from(vec![
        Field::new("trace_id", DataType::FixedSizeBinary(16), true),
        Field::new("span_id", DataType::FixedSizeBinary(8), true),
        Field::new("trace_state", DataType::Utf8, false),
        json(Field::new("attributes", DataType::Utf8, false)),
        Field::new("dropped_attributes_count", DataType::Int64, false),
        Field::new("flags", DataType::Int64, false),
    ])
}

/// The fields of one exemplar.
pub fn exemplar_fields() -> Fields {
    Fields::from(vec![
        Field::new("time", timestamp(), false),
        Field::new("value", DataType::Float64, true),
        Field::new("trace_id", DataType::FixedSizeBinary(16), true),
        Field::new("span_id", DataType::FixedSizeBinary(8), true),
        json(Field::new("attributes", DataType::Utf8, false)),
    ])
}

/// The fields of one quantile of a summary.
pub fn quantile_fields() -> Fields {
    Fields::from(vec![
        Field::new("quantile", DataType::Float64, false),
        Field::new("value", DataType::Float64, false),
    ])
}

/// Whether a column holds JSON text.
pub fn is_json(field: &Field) -> bool {
    field.metadata().contains_key(JSON_MARK)
}

fn json(field: Field) -> Field {
    field.with_metadata(HashMap::from([(JSON_MARK.to_owned(), "1".to_owned())]))
}

fn text(name: &str) -> Field {
    Field::new(name, dictionary(), true)
}

fn bigint(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn double(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

fn count(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

fn list(name: &str, item: DataType) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new_list_field(item, false))), true)
}

/// The columns that every table begins with.
fn common() -> Vec<Field> {
    vec![
        bigint("seq"),
        Field::new("received_time", timestamp(), true),
        Field::new("service_name", dictionary(), false),
        text("service_namespace"),
        text("deployment_environment"),
        text("service_version"),
        text("service_instance_id"),
        json(Field::new("resource_attributes", dictionary(), false)),
        text("scope_name"),
        text("scope_version"),
        json(Field::new("scope_attributes", dictionary(), false)),
        json(Field::new("attributes", DataType::Utf8, false)),
        count("dropped_attributes_count"),
        count("resource_dropped_attributes_count"),
        count("scope_dropped_attributes_count"),
        text("resource_schema_url"),
        text("scope_schema_url"),
        json(text("resource_entity_refs")),
        Field::new("weight", DataType::Float64, false),
    ]
}

fn table(columns: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new([common(), columns].concat()))
}

static SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    table(vec![
        Field::new("trace_id", DataType::FixedSizeBinary(16), false),
        Field::new("span_id", DataType::FixedSizeBinary(8), false),
        Field::new("parent_span_id", DataType::FixedSizeBinary(8), true),
        Field::new("name", dictionary(), false),
        Field::new("kind", dictionary(), false),
        Field::new("start_time", timestamp(), false),
        Field::new("end_time", timestamp(), false),
        count("duration_ns"),
        Field::new("status_code", dictionary(), false),
        text("status_message"),
        text("trace_state"),
        count("flags"),
        count("dropped_events_count"),
        count("dropped_links_count"),
        list("events", DataType::Struct(event_fields())),
        list("links", DataType::Struct(link_fields())),
    ])
});

static LOGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    table(vec![
        Field::new("time", timestamp(), false),
        Field::new("observed_time", timestamp(), true),
        Field::new("trace_id", DataType::FixedSizeBinary(16), true),
        Field::new("span_id", DataType::FixedSizeBinary(8), true),
        bigint("severity_number"),
        text("severity_text"),
        text("severity"),
        Field::new("body", DataType::Utf8, true),
        text("body_type"),
        text("event_name"),
        count("flags"),
    ])
});

static LOGS_ASKED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let stored = LOGS.fields().iter().cloned();
    Arc::new(Schema::new(stored.chain([Arc::new(text(TEMPLATE_ID))]).collect::<Vec<_>>()))
});

static METRICS: LazyLock<SchemaRef> = LazyLock::new(|| {
    table(vec![
        Field::new("metric", dictionary(), false),
        Field::new("type", dictionary(), false),
        text("unit"),
        text("description"),
        text("temporality"),
        Field::new("monotonic", DataType::Boolean, true),
        Field::new("time", timestamp(), false),
        Field::new("start_time", timestamp(), true),
        double("value"),
        bigint("value_int"),
        bigint("count"),
        double("sum"),
        double("min"),
        double("max"),
        list("bounds", DataType::Float64),
        list("bucket_counts", DataType::Int64),
        bigint("scale"),
        bigint("zero_count"),
        double("zero_threshold"),
        bigint("positive_offset"),
        list("positive_counts", DataType::Int64),
        bigint("negative_offset"),
        list("negative_counts", DataType::Int64),
        list("quantiles", DataType::Struct(quantile_fields())),
        list("exemplars", DataType::Struct(exemplar_fields())),
        count("flags"),
        Field::new("series", DataType::Int64, false),
        json(text("metadata")),
        // What only Prometheus' histograms have.
        text("reset_hint"),
        double("count_float"),
        double("zero_count_float"),
        list("positive_counts_float", DataType::Float64),
        list("negative_counts_float", DataType::Float64),
    ])
});

static RED: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        bigint("seq"),
        Field::new("received_time", timestamp(), true),
        Field::new("time", timestamp(), false),
        text("deployment_environment"),
        text("service_namespace"),
        Field::new("service_name", dictionary(), false),
        Field::new("operation", dictionary(), false),
        Field::new("kind", dictionary(), false),
        text("peer"),
        text("service_version"),
        text("service_instance_id"),
        Field::new("calls", DataType::Float64, false),
        Field::new("errors", DataType::Float64, false),
        Field::new("duration", DataType::Binary, false),
        text("peer_type"),
        Field::new("entry", DataType::Boolean, false),
    ]))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_begins_with_what_the_store_fills() {
        for signal in Signal::ALL {
            let stored = stored(signal);
            let names: Vec<&str> = stored.fields().iter().map(|field| field.name().as_str()).collect();
            assert_eq!(names[..2], STORE_COLUMNS);
            assert!(names.contains(&time_column(signal)));
            assert_eq!(wire(signal).fields().len() + 2, names.len());
        }
    }
}
