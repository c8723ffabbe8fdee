//! The protobuf envelope, walked field by field.
//!
//! The three requests have one shape on the wire: resources in field 1 of the request; in each the resource
//! (1), scopes (2) and a schema URL (3); in each scope the scope (1), records (2) and a schema URL (3).

use bytes::{Buf, Bytes};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::resource::{Origin, ResourceText, ScopeText};
use super::{Context, DecodeError, Raw, Table};

/// The highest field of an envelope. All up to it hold bytes.
const ENVELOPE_TAG_MAX: u32 = 3;

/// Fills `table` with the records of a request.
pub(super) fn walk<T: Table>(
    payload: Bytes,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), DecodeError> {
    for field in Fields::new(payload, ENVELOPE_TAG_MAX) {
        let (tag, bytes) = field?;
        if tag == 1 {
            walk_resource(bytes, table, context)?;
        }
    }
    Ok(())
}

fn walk_resource<T: Table>(
    bytes: Bytes,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), DecodeError> {
    let (resource, schema_url) = head::<Resource>(&bytes)?;
    let resource = ResourceText::new(resource, schema_url, context);
    for field in Fields::new(bytes, ENVELOPE_TAG_MAX) {
        let (tag, bytes) = field?;
        if tag == 2 {
            walk_scope(bytes, &resource, table, context)?;
        }
    }
    Ok(())
}

fn walk_scope<T: Table>(
    bytes: Bytes,
    resource: &ResourceText,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), DecodeError> {
    let (scope, schema_url) = head::<InstrumentationScope>(&bytes)?;
    let scope = ScopeText::new(scope, schema_url, context);
    let origin = Origin { resource, scope: &scope };
    for field in Fields::new(bytes, ENVELOPE_TAG_MAX) {
        let (tag, bytes) = field?;
        if tag == 2 {
            table.push(Raw::Protobuf(bytes), &origin, context)?;
        }
    }
    table.envelope().close(&origin);
    Ok(())
}

/// What stands beside an envelope's list: its message and its schema URL. They may come after the list.
fn head<M: Message + Default>(bytes: &Bytes) -> Result<(M, String), DecodeError> {
    let mut message = M::default();
    let mut schema_url = Bytes::new();
    for field in Fields::new(bytes.clone(), ENVELOPE_TAG_MAX) {
        match field? {
            (1, bytes) => message.merge(bytes).map_err(wrong)?,
            (3, bytes) => schema_url = bytes,
            _ => {}
        }
    }
    let schema_url = String::from_utf8(schema_url.into())
        .map_err(|_| DecodeError::Protobuf("a schema_url is not UTF-8".to_owned()))?;
    Ok((message, schema_url))
}

/// The fields of a message that hold bytes, one after another, with their tags. Others are skipped.
pub(super) struct Fields {
    rest: Bytes,
    /// A field up to this tag must hold bytes.
    tag_max: u32,
}

impl Fields {
    pub(super) fn new(message: Bytes, tag_max: u32) -> Self {
        Self { rest: message, tag_max }
    }

    fn read(&mut self) -> Result<Option<(u32, Bytes)>, DecodeError> {
        while self.rest.has_remaining() {
            let (tag, wire_type) = decode_key(&mut self.rest).map_err(wrong)?;
            if wire_type == WireType::LengthDelimited {
                let length = decode_varint(&mut self.rest).map_err(wrong)?;
                return match usize::try_from(length) {
                    Ok(length) if length <= self.rest.len() => Ok(Some((tag, self.rest.split_to(length)))),
                    _ => Err(DecodeError::Protobuf(format!("field {tag} ends past its message"))),
                };
            }
            if tag <= self.tag_max {
                return Err(DecodeError::Protobuf(format!("field {tag} has the wire type {wire_type:?}")));
            }
            skip_field(wire_type, tag, &mut self.rest, DecodeContext::default()).map_err(wrong)?;
        }
        Ok(None)
    }
}

impl Iterator for Fields {
    type Item = Result<(u32, Bytes), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read().transpose();
        if matches!(item, Some(Err(_))) {
            // What follows an error means nothing.
            self.rest.clear();
        }
        item
    }
}

/// An error of the protobuf crate in this room's words.
pub(super) fn wrong(error: prost::DecodeError) -> DecodeError {
    DecodeError::Protobuf(error.to_string())
}
