//! OTLP's JSON, mapped by hand into the protobuf that means the same.
//!
//! It is not quite protobuf's JSON: ids are hexadecimal, enums are integers only, keys are lowerCamelCase only.
//! Unknown keys are ignored at any depth; null means absent. The parser's own limit of nesting (128) keeps the
//! recursion here in bounds.
//!
//! Bytes that are not UTF-8 become a *stand-in* character while the JSON is read, and a wrong byte again in the
//! protobuf: there they are repaired and marked on their record as all others are.

mod message;
mod scalars;
mod common;
mod records;
mod points;

use std::borrow::Cow;

use model::Signal;
use serde_json::Value;

use super::DecodeError;
use super::notes::Notes;
use message::Message;

/// A byte that UTF-8 never has.
const WRONG_BYTE: u8 = 0xff;

/// Characters that are for use inside programs, says Unicode: one of them that the text has not is the
/// stand-in.
const STAND_INS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// What the lists of an envelope are called, and how its records are read.
struct Names {
    resources: &'static str,
    scopes: &'static str,
    records: &'static str,
    record: fn(Value, &mut Source<'_>) -> Result<Message, DecodeError>,
}

impl Names {
    fn of(signal: Signal) -> Self {
        let (resources, scopes, records, record): (_, _, _, fn(_, &mut Source<'_>) -> _) = match signal {
            Signal::Spans => ("resourceSpans", "scopeSpans", "spans", records::span),
            Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords", records::log_record),
            // Red is never sent; its payload would be refused once it is decoded.
            Signal::Metrics | Signal::Red => ("resourceMetrics", "scopeMetrics", "metrics", points::metric),
        };
        Self { resources, scopes, records, record }
    }
}

/// What the whole of a payload shares.
struct Source<'n> {
    notes: &'n mut Notes,
    names: Names,
    /// What stands for bytes that are not UTF-8.
    stand_in: Option<char>,
}

impl Source<'_> {
    /// The bytes of a text.
    fn wire_text(&self, text: String) -> Vec<u8> {
        let Some(stand_in) = self.stand_in.filter(|stand_in| text.contains(*stand_in)) else {
            return text.into_bytes();
        };
        let parts: Vec<&[u8]> = text.split(stand_in).map(str::as_bytes).collect();
        parts.join(&WRONG_BYTE)
    }
}

/// The protobuf request that means the same as this JSON.
pub(super) fn to_protobuf(payload: &[u8], signal: Signal, notes: &mut Notes) -> Result<Vec<u8>, DecodeError> {
    let (text, stand_in) = repaired(payload);
    if matches!(text, Cow::Owned(_)) {
        notes.json_repaired();
    }
    let value = serde_json::from_str(&text)
        .map_err(|error| DecodeError::Json { path: String::new(), message: error.to_string() })?;
    let mut source = Source { notes, names: Names::of(signal), stand_in };
    let mut out = Message::default();
    fields(value, &mut source, |key, value, source| {
        let known = key == source.names.resources;
        if known {
            list(value, source, 1, &mut out, resource)?;
        }
        Ok(known)
    })?;
    Ok(out.into_bytes())
}

/// The text with a stand-in for what is not UTF-8: one bad string must not cost its neighbours.
fn repaired(payload: &[u8]) -> (Cow<'_, str>, Option<char>) {
    let lossy = String::from_utf8_lossy(payload);
    if let Cow::Borrowed(_) = lossy {
        return (lossy, None);
    }
    let escaped = lossy.to_ascii_lowercase();
    let is_free = |stand_in: &char| {
        !lossy.contains(*stand_in) && !escaped.contains(&format!("\\u{:04x}", u32::from(*stand_in)))
    };
    // Without a stand-in the text is repaired here, and no record is marked.
    let Some(stand_in) = STAND_INS.into_iter().find(is_free) else {
        return (lossy, None);
    };
    let mut text = String::with_capacity(lossy.len());
    for chunk in payload.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(stand_in);
        }
    }
    (Cow::Owned(text), Some(stand_in))
}

fn resource(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "resource" => out.message(1, &common::resource(value, source)?),
            "schemaUrl" => out.bytes(3, &source.wire_text(scalars::text(value)?)),
            _ if key == source.names.scopes => list(value, source, 2, &mut out, scope)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn scope(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "scope" => out.message(1, &common::scope(value, source)?),
            "schemaUrl" => out.bytes(3, &source.wire_text(scalars::text(value)?)),
            _ if key == source.names.records => {
                let record = source.names.record;
                list(value, source, 2, &mut out, record)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

/// Gives each entry of an object to `each`, which says whether it knows the key. Nulls are left out.
fn fields(
    value: Value,
    source: &mut Source<'_>,
    mut each: impl FnMut(&str, Value, &mut Source<'_>) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let Value::Object(entries) = value else {
        return Err(DecodeError::expected("an object", &value));
    };
    for (key, value) in entries {
        if value.is_null() {
            continue;
        }
        if !each(&key, value, source).map_err(|error| error.within(&key))? {
            source.notes.unknown_key(&key);
        }
    }
    Ok(())
}

/// Gives each item of an array to `each`.
fn items(value: Value, mut each: impl FnMut(Value) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
    let Value::Array(values) = value else {
        return Err(DecodeError::expected("an array", &value));
    };
    values
        .into_iter()
        .enumerate()
        .try_for_each(|(index, value)| each(value).map_err(|error| error.within_item(index)))
}

/// Adds the items of an array, each read by `read`, to a field of a message.
fn list(
    value: Value,
    source: &mut Source<'_>,
    tag: u32,
    out: &mut Message,
    read: fn(Value, &mut Source<'_>) -> Result<Message, DecodeError>,
) -> Result<(), DecodeError> {
    items(value, |value| {
        out.message(tag, &read(value, source)?);
        Ok(())
    })
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
    fn within(self, key: &str) -> Self {
        match self {
            Self::Json { path, message } => {
                let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                Self::Json { path: format!("{key}{dot}{path}"), message }
            }
            other => other,
        }
    }

    /// The same error, seen from the array that has it at `index`.
    fn within_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}
