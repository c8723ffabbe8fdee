//! Resources and scopes, in the form their columns hold.

use model::AnyValue;
use opentelemetry_proto::tonic::common::v1::{EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use xxhash_rust::xxh3::Xxh3;

use super::{Context, values};
use crate::decode::marks::Marks;

/// What stands in `service_name` where the resource names no service.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// What stands in the columns of a resource.
#[derive(Default)]
pub(super) struct ResourceText {
    pub(super) service_name: String,
    pub(super) service_namespace: Option<String>,
    pub(super) deployment_environment: Option<String>,
    pub(super) service_version: Option<String>,
    pub(super) service_instance_id: Option<String>,
    pub(super) attributes: String,
    pub(super) dropped: i64,
    pub(super) schema_url: String,
    pub(super) entity_refs: Option<String>,
    marked: Option<String>,
}

/// What stands in the columns of a scope.
#[derive(Default)]
pub(super) struct ScopeText {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) attributes: String,
    pub(super) dropped: i64,
    pub(super) schema_url: String,
    marked: Option<String>,
}

/// Where records come from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) resource: &'a ResourceText,
    pub(super) scope: &'a ScopeText,
}

impl ResourceText {
    pub(super) fn marked(&self) -> &str {
        self.marked.as_deref().unwrap_or(&self.attributes)
    }

    pub(super) fn new(resource: Resource, schema_url: String, context: &mut Context<'_>) -> Self {
        context.marks = Marks::default();
        let bytes_max = context.limits.attribute_bytes_max;
        let mut text = |names: &[&str]| {
            let found = names.iter().find_map(|name| last(&resource.attributes, name));
            found.and_then(|value| {
                let value = values::convert(value.clone(), bytes_max, &mut context.notes, &mut context.marks);
                value.text().filter(|text| !text.is_empty()).map(|text| text.into_owned())
            })
        };
        let mut result = Self {
            service_name: text(&["service.name"]).unwrap_or_else(|| UNKNOWN_SERVICE.to_owned()),
            service_namespace: text(&["service.namespace"]),
            deployment_environment: text(&["deployment.environment.name", "deployment.environment"]),
            service_version: text(&["service.version"]),
            service_instance_id: text(&["service.instance.id", "k8s.pod.name", "host.name"]),
            entity_refs: entity_refs(resource.entity_refs),
            schema_url,
            ..Self::default()
        };
        let sent = i64::from(resource.dropped_attributes_count);
        result.dropped = sent + context.attributes(resource.attributes, &mut result.attributes);
        result.marked = context.marks.mark(&result.attributes);
        result
    }
}

impl ScopeText {
    pub(super) fn marked(&self) -> &str {
        self.marked.as_deref().unwrap_or(&self.attributes)
    }

    pub(super) fn new(scope: InstrumentationScope, schema_url: String, context: &mut Context<'_>) -> Self {
        context.marks = Marks::default();
        let mut attributes = String::new();
        let dropped = context.attributes(scope.attributes, &mut attributes);
        let marked = context.marks.mark(&attributes);
        Self {
            marked,
            name: scope.name,
            version: scope.version,
            attributes,
            dropped: i64::from(scope.dropped_attributes_count) + dropped,
            schema_url,
        }
    }
}

impl Origin<'_> {
    /// Begins the hash that names a series: of the resource's and the scope's identity. Its parts and their
    /// order never change.
    pub(super) fn series(&self) -> Xxh3 {
        let mut hash = Xxh3::new();
        for part in [&self.resource.attributes, &self.scope.name, &self.scope.version, &self.scope.attributes]
        {
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

/// The value of a key, of a repeated one the last.
fn last<'a>(
    attributes: &'a [KeyValue],
    name: &str,
) -> Option<&'a Option<opentelemetry_proto::tonic::common::v1::AnyValue>> {
    attributes.iter().rev().find(|attribute| attribute.key == name).map(|attribute| &attribute.value)
}

fn entity_refs(entities: Vec<EntityRef>) -> Option<String> {
    if entities.is_empty() {
        return None;
    }
    let keys = |keys: Vec<String>| AnyValue::Array(keys.into_iter().map(AnyValue::String).collect());
    let entities = entities.into_iter().map(|entity| {
        AnyValue::Map(vec![
            ("schema_url".to_owned(), AnyValue::String(entity.schema_url)),
            ("type".to_owned(), AnyValue::String(entity.r#type)),
            ("id_keys".to_owned(), keys(entity.id_keys)),
            ("description_keys".to_owned(), keys(entity.description_keys)),
        ])
    });
    let mut text = String::new();
    AnyValue::Array(entities.collect()).write(&mut text);
    Some(text)
}
