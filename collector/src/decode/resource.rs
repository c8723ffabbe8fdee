//! Resources and scopes, in the form their columns hold.

use model::AnyValue;
use model::attributes::parse_value;
use xxhash_rust::xxh3::Xxh3;

use super::context::Context;
use super::marks::{Marks, repair};
use super::values::{Any, Stored, VALUE_DEPTH, key_value};
use super::wire::{Field, Fields, Parts, WireError};

/// What stands in `service_name` where the resource names no service.
pub(super) const UNKNOWN_SERVICE: &str = "unknown_service";

/// What stands in the columns of a resource.
#[derive(Default)]
pub(super) struct ResourceText {
    pub(super) service_name: String,
    pub(super) service_namespace: Option<String>,
    pub(super) deployment_environment: Option<String>,
    pub(super) service_version: Option<String>,
    pub(super) service_instance_id: Option<String>,
    pub(super) attributes: Attributes,
    pub(super) dropped: i64,
    pub(super) schema_url: String,
    pub(super) entity_refs: Option<String>,
}

/// What stands in the columns of a scope.
#[derive(Default)]
pub(super) struct ScopeText {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) attributes: Attributes,
    pub(super) dropped: i64,
    pub(super) schema_url: String,
}

/// The attributes of a resource or scope.
#[derive(Default)]
pub(super) struct Attributes {
    /// As they were sent: what names a series.
    sent: String,
    /// With marks; `None` if nothing is marked.
    marked: Option<String>,
}

/// Where records come from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) resource: &'a ResourceText,
    pub(super) scope: &'a ScopeText,
}

impl Attributes {
    /// As they are stored.
    pub(super) fn stored(&self) -> &str {
        self.marked.as_deref().unwrap_or(&self.sent)
    }

    /// Marks them with what was noted since the resource or scope began.
    fn mark(&mut self, context: &mut Context<'_>) {
        self.marked = context.marks.mark(&self.sent);
        context.notes.repaired += u64::from(context.marks.repaired);
    }
}

impl ResourceText {
    /// How many bytes its texts have.
    pub(super) fn bytes(&self) -> usize {
        let named = [
            &self.service_namespace,
            &self.deployment_environment,
            &self.service_version,
            &self.service_instance_id,
        ];
        let named = named.into_iter().chain([&self.attributes.marked, &self.entity_refs]);
        let named: usize = named.flatten().map(String::len).sum();
        named + self.service_name.len() + self.attributes.sent.len() + self.schema_url.len()
    }

    pub(super) fn new(
        resource: &Parts<'_>,
        schema_url: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Self, WireError> {
        context.marks = Marks::default();
        let mut entity_refs = Vec::new();
        let mut dropped = 0;
        for field in resource.fields() {
            let field = field?;
            match field.tag {
                1 => drop(field.bytes()?),
                2 => dropped = field.varint32()?,
                3 => entity_refs.push(entity_ref(field.bytes()?, &mut context.marks)?),
                _ => {}
            }
        }
        let [service_name, service_namespace, deployment_environment, service_version, service_instance_id] =
            named(resource, context)?;
        let mut result = Self {
            service_name: service_name.unwrap_or_else(|| UNKNOWN_SERVICE.to_owned()),
            service_namespace,
            deployment_environment,
            service_version,
            service_instance_id,
            entity_refs: (!entity_refs.is_empty()).then(|| {
                let mut text = String::new();
                AnyValue::Array(entity_refs).write(&mut text);
                text
            }),
            schema_url: repair(schema_url, &mut context.marks).into_owned(),
            ..Self::default()
        };
        let limited = context.text(messages(resource, 1), &mut result.attributes.sent)?;
        result.dropped = i64::from(dropped) + limited;
        result.attributes.mark(context);
        Ok(result)
    }
}

impl ScopeText {
    pub(super) fn new(
        scope: &Parts<'_>,
        schema_url: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Self, WireError> {
        context.marks = Marks::default();
        let (mut name, mut version, mut dropped): (&[u8], &[u8], u32) = (&[], &[], 0);
        for field in scope.fields() {
            let field = field?;
            match field.tag {
                1 => name = field.bytes()?,
                2 => version = field.bytes()?,
                3 => drop(field.bytes()?),
                4 => dropped = field.varint32()?,
                _ => {}
            }
        }
        let mut result = Self {
            name: repair(name, &mut context.marks).into_owned(),
            version: repair(version, &mut context.marks).into_owned(),
            schema_url: repair(schema_url, &mut context.marks).into_owned(),
            ..Self::default()
        };
        let limited = context.text(messages(scope, 3), &mut result.attributes.sent)?;
        result.dropped = i64::from(dropped) + limited;
        result.attributes.mark(context);
        Ok(result)
    }
}

impl Origin<'_> {
    /// Begins the hash that names a series: of the resource's and the scope's identity. Its parts and their
    /// order never change.
    pub(super) fn series(&self) -> Xxh3 {
        let mut hash = Xxh3::new();
        let (resource, scope) = (self.resource, self.scope);
        for part in [&resource.attributes.sent, &scope.name, &scope.version, &scope.attributes.sent] {
            hash_part(&mut hash, part);
        }
        hash
    }
}

/// Adds a part with its length before it, so that no two lists of parts are one text.
pub(super) fn hash_part(hash: &mut Xxh3, part: &str) {
    hash.update(&(part.len() as u64).to_le_bytes());
    hash.update(part.as_bytes());
}

/// Appends a part as [`hash_part`] adds it: a text of such parts has the hash that they have one by one.
pub(super) fn key_part(key: &mut Vec<u8>, part: &str) {
    key.extend_from_slice(&(part.len() as u64).to_le_bytes());
    key.extend_from_slice(part.as_bytes());
}

/// The messages in a field of a message.
pub(super) fn messages<'p>(parts: &Parts<'p>, tag: u32) -> impl Iterator<Item = Result<&'p [u8], WireError>> {
    parts.fields().filter_map(move |field| match field {
        Ok(field) => (field.tag == tag).then(|| field.bytes()),
        Err(error) => Some(Err(error)),
    })
}

/// The attributes that have columns of their own, each under the names that it may have, the best first.
const NAMED: [&[&str]; 5] = [
    &["service.name"],
    &["service.namespace"],
    &["deployment.environment.name", "deployment.environment"],
    &["service.version"],
    &["service.instance.id", "k8s.pod.name", "host.name"],
];

/// The [`NAMED`] attributes that a resource has, as text; of a repeated one the last.
fn named(resource: &Parts<'_>, context: &mut Context<'_>) -> Result<[Option<String>; 5], WireError> {
    let mut found: [Option<(usize, Any<'_>)>; 5] = Default::default();
    for message in messages(resource, 1) {
        let (key, value) = key_value(message?, VALUE_DEPTH)?;
        for (names, found) in NAMED.iter().zip(&mut found) {
            if let Some(rank) = names.iter().position(|name| name.as_bytes() == key) {
                if found.as_ref().is_none_or(|(best, _)| rank <= *best) {
                    *found = Some((rank, value));
                }
                break;
            }
        }
    }
    let mut texts = <[Option<String>; 5]>::default();
    for (text, found) in texts.iter_mut().zip(found) {
        if let Some((_, value)) = found {
            *text = shown(value, context)?;
        }
    }
    Ok(texts)
}

/// A value as text; `None` if that is empty.
fn shown(value: Any<'_>, context: &mut Context<'_>) -> Result<Option<String>, WireError> {
    let text = match context.store(value, context.limits.attribute_bytes_max)? {
        Stored::Text(text) => text.into_owned(),
        other => {
            let mut stored = String::new();
            other.write(&mut stored);
            let value = parse_value(&stored);
            value.as_ref().and_then(AnyValue::text).unwrap_or_default().into_owned()
        }
    };
    Ok((!text.is_empty()).then_some(text))
}

fn entity_ref(message: &[u8], marks: &mut Marks) -> Result<AnyValue, WireError> {
    let mut text = |field: Field<'_>| Ok(AnyValue::String(repair(field.bytes()?, marks).into_owned()));
    let (mut schema_url, mut kind) = (AnyValue::String(String::new()), AnyValue::String(String::new()));
    let (mut id_keys, mut description_keys) = (Vec::new(), Vec::new());
    for field in Fields::new(message) {
        let field = field?;
        match field.tag {
            1 => schema_url = text(field)?,
            2 => kind = text(field)?,
            3 => id_keys.push(text(field)?),
            4 => description_keys.push(text(field)?),
            _ => {}
        }
    }
    Ok(AnyValue::Map(vec![
        ("schema_url".to_owned(), schema_url),
        ("type".to_owned(), kind),
        ("id_keys".to_owned(), AnyValue::Array(id_keys)),
        ("description_keys".to_owned(), AnyValue::Array(description_keys)),
    ]))
}
