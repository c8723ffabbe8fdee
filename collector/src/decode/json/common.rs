//! Attributes, resources and scopes of OTLP's JSON.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::Value;

use super::scalars::{boolean, bytes, double, integer, text};
use super::{fields, list};
use crate::decode::DecodeError;
use crate::decode::notes::Notes;

/// A list of attributes.
pub(super) fn attributes(value: Value, notes: &mut Notes) -> Result<Vec<KeyValue>, DecodeError> {
    list(value, notes, key_value)
}

fn key_value(value: Value, notes: &mut Notes) -> Result<KeyValue, DecodeError> {
    let mut result = KeyValue::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "key" => result.key = text(value)?,
            "value" => result.value = Some(any_value(value, notes)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(result)
}

/// A typed value.
pub(super) fn any_value(value: Value, notes: &mut Notes) -> Result<AnyValue, DecodeError> {
    let mut result = AnyValue::default();
    fields(value, notes, |key, value, notes| {
        result.value = Some(match key {
            "stringValue" => Any::StringValue(text(value)?),
            "boolValue" => Any::BoolValue(boolean(&value)?),
            "intValue" => Any::IntValue(integer(&value)?),
            "doubleValue" => Any::DoubleValue(double(&value)?),
            "bytesValue" => Any::BytesValue(bytes(&value)?),
            "arrayValue" => Any::ArrayValue(ArrayValue { values: values(value, notes, any_value)? }),
            "kvlistValue" => Any::KvlistValue(KeyValueList { values: values(value, notes, key_value)? }),
            _ => return Ok(false),
        });
        Ok(true)
    })?;
    Ok(result)
}

/// The list inside an array or a map.
fn values<V>(
    value: Value,
    notes: &mut Notes,
    read: fn(Value, &mut Notes) -> Result<V, DecodeError>,
) -> Result<Vec<V>, DecodeError> {
    let mut result = Vec::new();
    fields(value, notes, |key, value, notes| {
        let known = key == "values";
        if known {
            result = list(value, notes, read)?;
        }
        Ok(known)
    })?;
    Ok(result)
}

/// A resource.
pub(super) fn resource(value: Value, notes: &mut Notes) -> Result<Resource, DecodeError> {
    let mut result = Resource::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "attributes" => result.attributes = attributes(value, notes)?,
            "droppedAttributesCount" => result.dropped_attributes_count = integer(&value)?,
            "entityRefs" => result.entity_refs = list(value, notes, entity_ref)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(result)
}

fn entity_ref(value: Value, notes: &mut Notes) -> Result<EntityRef, DecodeError> {
    let mut result = EntityRef::default();
    let key_list = |value, notes: &mut Notes| list(value, notes, |value, _| text(value));
    fields(value, notes, |key, value, notes| {
        match key {
            "schemaUrl" => result.schema_url = text(value)?,
            "type" => result.r#type = text(value)?,
            "idKeys" => result.id_keys = key_list(value, notes)?,
            "descriptionKeys" => result.description_keys = key_list(value, notes)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(result)
}

/// An instrumentation scope.
pub(super) fn scope(value: Value, notes: &mut Notes) -> Result<InstrumentationScope, DecodeError> {
    let mut result = InstrumentationScope::default();
    fields(value, notes, |key, value, notes| {
        match key {
            "name" => result.name = text(value)?,
            "version" => result.version = text(value)?,
            "attributes" => result.attributes = attributes(value, notes)?,
            "droppedAttributesCount" => result.dropped_attributes_count = integer(&value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(result)
}
