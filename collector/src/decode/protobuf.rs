//! The protobuf envelope, walked field by field.
//!
//! The three requests have one shape on the wire: resources in field 1 of the request; in each the resource
//! (1), scopes (2) and a schema URL (3); in each scope the scope (1), records (2) and a schema URL (3). What
//! stands beside a list may come after it, and in parts, so that each list is passed over once before.

use super::Table;
use super::context::Context;
use super::known;
use super::resource::{Origin, ResourceText, ScopeText, messages};
use super::wire::{Fields, Parts, WireError};

/// Fills `table` with the records of a request.
pub(super) fn walk<'p, T: Table<'p>>(
    payload: &'p [u8],
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), WireError> {
    messages(&Parts::One(payload), 1).try_for_each(|message| walk_resource(message?, table, context))
}

fn walk_resource<'p, T: Table<'p>>(
    message: &'p [u8],
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), WireError> {
    let (resource, schema_url) = head(message)?;
    context.notes.leave();
    let resource = known::read(&resource, schema_url, context)?;
    context.notes.enter(&resource.service_name);
    messages(&Parts::One(message), 2).try_for_each(|message| walk_scope(message?, &resource, table, context))
}

fn walk_scope<'p, T: Table<'p>>(
    message: &'p [u8],
    resource: &ResourceText,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), WireError> {
    let (scope, schema_url) = head(message)?;
    let scope = ScopeText::new(&scope, schema_url, context)?;
    let origin = Origin { resource, scope: &scope };
    for message in messages(&Parts::One(message), 2) {
        table.push(message?, &origin, context)?;
    }
    table.envelope().close(&origin);
    Ok(())
}

/// What stands beside an envelope's list: its message and its schema URL.
fn head(message: &[u8]) -> Result<(Parts<'_>, &[u8]), WireError> {
    let mut parts = Parts::None;
    let mut schema_url: &[u8] = &[];
    for field in Fields::new(message) {
        let field = field?;
        match field.tag {
            1 => parts.add(field.bytes()?),
            3 => schema_url = field.bytes()?,
            _ => {}
        }
    }
    Ok((parts, schema_url))
}
