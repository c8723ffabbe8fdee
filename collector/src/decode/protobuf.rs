//! The protobuf envelope, walked field by field.
//!
//! The three requests have one shape on the wire: resources in field 1 of the request; in each the resource
//! (1), scopes (2) and a schema URL (3); in each scope the scope (1), records (2) and a schema URL (3). What
//! stands beside a list may come after it, and in parts, so that each list is passed over once before.

use std::rc::Rc;

use super::Table;
use super::context::Context;
use super::resource::{Origin, ResourceText, ScopeText, messages};
use super::wire::{Fields, Parts, WireError};

/// How many resources of a request are remembered.
const RESOURCES_KNOWN_MAX: usize = 64;

/// Fills `table` with the records of a request.
pub(super) fn walk<'p, T: Table<'p>>(
    payload: &'p [u8],
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), WireError> {
    let mut resources = Resources::default();
    messages(&Parts::One(payload), 1)
        .try_for_each(|message| walk_resource(message?, &mut resources, table, context))
}

fn walk_resource<'p, T: Table<'p>>(
    message: &'p [u8],
    resources: &mut Resources<'p>,
    table: &mut T,
    context: &mut Context<'_>,
) -> Result<(), WireError> {
    let (resource, schema_url) = head(message)?;
    let resource = resources.read(resource, schema_url, context)?;
    messages(&Parts::One(message), 2).try_for_each(|message| walk_scope(message?, &resource, table, context))
}

/// The resources that a request had so far. An agent that joins the requests of others sends one again and again.
#[derive(Default)]
struct Resources<'p>(Vec<(Parts<'p>, &'p [u8], Rc<ResourceText>)>);

impl<'p> Resources<'p> {
    /// Reads a resource, unless it is known.
    fn read(
        &mut self,
        resource: Parts<'p>,
        schema_url: &'p [u8],
        context: &mut Context<'_>,
    ) -> Result<Rc<ResourceText>, WireError> {
        let is_known = |(known, url, _): &&(_, _, _)| *known == resource && *url == schema_url;
        if let Some((_, _, text)) = self.0.iter().find(is_known) {
            return Ok(Rc::clone(text));
        }
        let noted = context.notes.counts();
        let text = Rc::new(ResourceText::new(&resource, schema_url, context)?);
        // What is noted of a resource is noted each time that it is sent.
        if self.0.len() < RESOURCES_KNOWN_MAX && context.notes.counts() == noted {
            self.0.push((resource, schema_url, Rc::clone(&text)));
        }
        Ok(text)
    }
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
