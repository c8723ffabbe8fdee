//! Where series come from: what their labels `job` and `instance` say of a resource.

use std::rc::Rc;

use hashbrown::HashMap;
use model::attributes;

use crate::decode::columns::NO_ATTRIBUTES;
pub(super) use crate::decode::resource::UNKNOWN_SERVICE;
use crate::decode::resource::key_part;

/// How many sources a request's series are looked up in. When there are more, all go: what comes again is made again.
const SOURCES_MAX: usize = 1024;

/// The sources of a request, by job and instance.
#[derive(Default)]
pub(super) struct Sources<'p> {
    by_labels: HashMap<(&'p str, &'p str), Rc<Source>>,
    /// The one given last.
    last: Option<((&'p str, &'p str), Rc<Source>)>,
}

/// What the columns of a resource hold.
pub(super) struct Source {
    service: String,
    instance: Option<String>,
    attributes: String,
    /// The beginning of what names its series.
    key: Vec<u8>,
}

impl<'p> Sources<'p> {
    /// The source of these labels; an empty one is as if it were absent.
    pub(super) fn get(&mut self, job: &'p str, instance: &'p str) -> Rc<Source> {
        let labels = (job, instance);
        if let Some((known, source)) = &self.last
            && *known == labels
        {
            return Rc::clone(source);
        }
        if self.by_labels.len() >= SOURCES_MAX && !self.by_labels.contains_key(&labels) {
            self.by_labels.clear();
        }
        let source = self.by_labels.entry(labels).or_insert_with(|| Rc::new(Source::new(job, instance)));
        let source = Rc::clone(source);
        self.last = Some((labels, Rc::clone(&source)));
        source
    }
}

impl Source {
    fn new(job: &str, instance: &str) -> Self {
        let mut attributes = String::from("{");
        for (name, value) in [("service.instance.id", instance), ("service.name", job)] {
            if value.is_empty() {
                continue;
            }
            if attributes.len() > 1 {
                attributes.push(',');
            }
            attributes::write_string(&mut attributes, name);
            attributes.push(':');
            attributes::write_string(&mut attributes, value);
        }
        attributes.push('}');
        let mut key = Vec::new();
        // The parts of a series of OTLP: its resource's attributes, and the scope's name, version and attributes.
        for part in [attributes.as_str(), "", "", NO_ATTRIBUTES] {
            key_part(&mut key, part);
        }
        Self {
            service: if job.is_empty() { UNKNOWN_SERVICE.to_owned() } else { job.to_owned() },
            instance: (!instance.is_empty()).then(|| instance.to_owned()),
            attributes,
            key,
        }
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    pub(super) fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    pub(super) fn attributes(&self) -> &str {
        &self.attributes
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}
