//! Attributes, resources and scopes of OTLP's JSON.

use serde_json::Value;

use super::message::Message;
use super::scalars::{boolean, bytes, double, integer, text};
use super::{Source, fields, list};
use crate::decode::DecodeError;

/// The entry of a list of attributes.
pub(super) fn key_value(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "key" => out.bytes(1, &source.wire_text(text(value)?)),
            "value" => out.message(2, &any_value(value, source)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

/// A typed value.
pub(super) fn any_value(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "stringValue" => out.bytes(1, &source.wire_text(text(value)?)),
            "boolValue" => out.varint(2, u64::from(boolean(&value)?)),
            "intValue" => out.int(3, integer::<i64>(&value)?),
            "doubleValue" => out.double(4, double(&value)?),
            "arrayValue" => out.message(5, &values(value, source, any_value)?),
            "kvlistValue" => out.message(6, &values(value, source, key_value)?),
            "bytesValue" => out.bytes(7, &bytes(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

/// The list inside an array or a map.
fn values(
    value: Value,
    source: &mut Source<'_>,
    read: fn(Value, &mut Source<'_>) -> Result<Message, DecodeError>,
) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        let known = key == "values";
        if known {
            list(value, source, 1, &mut out, read)?;
        }
        Ok(known)
    })?;
    Ok(out)
}

/// A resource.
pub(super) fn resource(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "attributes" => list(value, source, 1, &mut out, key_value)?,
            "droppedAttributesCount" => out.int(2, integer::<u32>(&value)?),
            "entityRefs" => list(value, source, 3, &mut out, entity_ref)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn entity_ref(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "schemaUrl" => out.bytes(1, &source.wire_text(text(value)?)),
            "type" => out.bytes(2, &source.wire_text(text(value)?)),
            "idKeys" => texts(value, source, 3, &mut out)?,
            "descriptionKeys" => texts(value, source, 4, &mut out)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

fn texts(value: Value, source: &mut Source<'_>, tag: u32, out: &mut Message) -> Result<(), DecodeError> {
    super::items(value, |value| {
        out.bytes(tag, &source.wire_text(text(value)?));
        Ok(())
    })
}

/// An instrumentation scope.
pub(super) fn scope(value: Value, source: &mut Source<'_>) -> Result<Message, DecodeError> {
    let mut out = Message::default();
    fields(value, source, |key, value, source| {
        match key {
            "name" => out.bytes(1, &source.wire_text(text(value)?)),
            "version" => out.bytes(2, &source.wire_text(text(value)?)),
            "attributes" => list(value, source, 3, &mut out, key_value)?,
            "droppedAttributesCount" => out.int(4, integer::<u32>(&value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}
