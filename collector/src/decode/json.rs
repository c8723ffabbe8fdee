//! OTLP's JSON, mapped by hand into the messages that protobuf gives.
//!
//! It is not quite protobuf's JSON: ids are hexadecimal, enums are integers only, keys are lowerCamelCase only.
//! Unknown keys are ignored at any depth; null means absent. The parser's own limit of nesting (128) keeps the
//! recursion here in bounds.

mod scalars;
mod common;
mod records;
mod points;

use model::Signal;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::Value;

use super::notes::Notes;
use super::resource::{Origin, ResourceText, ScopeText};
use super::{Context, DecodeError, Raw, Table};

pub(super) use points::{exponential_point, histogram_point, metric, number_point, summary_point};
pub(super) use records::{log_record, span};

/// What the lists of an envelope are called.
struct Names {
    resources: &'static str,
    scopes: &'static str,
    records: &'static str,
}

impl Names {
    fn of(signal: Signal) -> Self {
        let (resources, scopes, records) = match signal {
            Signal::Spans => ("resourceSpans", "scopeSpans", "spans"),
            Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
            Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        };
        Self { resources, scopes, records }
    }
}

/// Fills `table` with the records of a request.
pub(super) fn walk<T: Table>(
    payload: &[u8],
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), DecodeError> {
    let names = Names::of(context.signal);
    let mut resources = None;
    fields(parse(payload, &mut context.notes)?, &mut context.notes, |key, value, _| {
        let known = key == names.resources;
        if known {
            resources = Some(value);
        }
        Ok(known)
    })?;
    let walk = |value| walk_resource(value, &names, table, context);
    items(resources, walk).map_err(|error| error.within(names.resources))
}

/// Text that is not UTF-8 is repaired: one bad string must not cost its neighbours.
fn parse(payload: &[u8], notes: &mut Notes) -> Result<Value, DecodeError> {
    let parsed = match std::str::from_utf8(payload) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => {
            notes.repaired();
            serde_json::from_str(&String::from_utf8_lossy(payload))
        }
    };
    parsed.map_err(|error| DecodeError::Json { path: String::new(), message: error.to_string() })
}

fn walk_resource<T: Table>(
    value: Value,
    names: &Names,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), DecodeError> {
    let (mut resource, mut scopes, mut schema_url) = (Resource::default(), None, String::new());
    fields(value, &mut context.notes, |key, value, notes| {
        match key {
            "resource" => resource = common::resource(value, notes)?,
            "schemaUrl" => schema_url = scalars::text(value)?,
            _ if key == names.scopes => scopes = Some(value),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let resource = ResourceText::new(resource, schema_url, context);
    let walk = |value| walk_scope(value, &resource, names, table, context);
    items(scopes, walk).map_err(|error| error.within(names.scopes))
}

fn walk_scope<T: Table>(
    value: Value,
    resource: &ResourceText,
    names: &Names,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), DecodeError> {
    let (mut scope, mut records, mut schema_url) = (InstrumentationScope::default(), None, String::new());
    fields(value, &mut context.notes, |key, value, notes| {
        match key {
            "scope" => scope = common::scope(value, notes)?,
            "schemaUrl" => schema_url = scalars::text(value)?,
            _ if key == names.records => records = Some(value),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let scope = ScopeText::new(scope, schema_url, context);
    let origin = Origin { resource, scope: &scope };
    let push = |value| table.push(Raw::Json(value), &origin, context);
    items(records, push).map_err(|error| error.within(names.records))?;
    table.envelope().close(&origin);
    Ok(())
}

/// Gives each entry of an object to `each`, which says whether it knows the key. Nulls are left out.
fn fields(
    value: Value,
    notes: &mut Notes,
    mut each: impl FnMut(&str, Value, &mut Notes) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let Value::Object(entries) = value else {
        return Err(DecodeError::expected("an object", &value));
    };
    for (key, value) in entries {
        if value.is_null() {
            continue;
        }
        if !each(&key, value, notes).map_err(|error| error.within(&key))? {
            notes.unknown_key(&key);
        }
    }
    Ok(())
}

/// Gives each item of an array to `each`; an absent array has none.
fn items(
    value: Option<Value>,
    mut each: impl FnMut(Value) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    match value {
        None => Ok(()),
        Some(Value::Array(values)) => values
            .into_iter()
            .enumerate()
            .try_for_each(|(index, value)| each(value).map_err(|error| error.within_item(index))),
        Some(other) => Err(DecodeError::expected("an array", &other)),
    }
}

/// The items of an array, each read by `read`.
fn list<V>(
    value: Value,
    notes: &mut Notes,
    read: fn(Value, &mut Notes) -> Result<V, DecodeError>,
) -> Result<Vec<V>, DecodeError> {
    let mut list = Vec::new();
    items(Some(value), |value| {
        list.push(read(value, notes)?);
        Ok(())
    })?;
    Ok(list)
}

impl DecodeError {
    fn expected(what: &str, found: &Value) -> Self {
        let found = match found {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        Self::Json { path: String::new(), message: format!("{what} was expected, not {found}") }
    }

    /// The same error, seen from the object that has it under `key`. Protobuf errors have no path.
    pub(super) fn within(self, key: &str) -> Self {
        match self {
            Self::Json { path, message } => {
                let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                Self::Json { path: format!("{key}{dot}{path}"), message }
            }
            other => other,
        }
    }

    /// The same error, seen from the array that has it at `index`.
    pub(super) fn within_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}
