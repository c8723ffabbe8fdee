//! What is said of a payload's records: which were rejected, why, and what was odd about others.

use std::collections::BTreeSet;

use model::{Answer, Signal};

use crate::answer::shorten;

/// Why a record is rejected, or what is odd about it. Fixed texts, so that their number is bounded.
pub(super) type Reason = &'static str;

/// How much of a record's name a message shows, in bytes.
pub(super) const LABEL_BYTES_MAX: usize = 80;

/// The snake_case names of OTLP's fields. In JSON they are unknown fields; a client that sends one has taken
/// another JSON for OTLP's, and is told.
const SNAKE_CASE: &[&str] = &[
    "aggregation_temporality",
    "array_value",
    "as_double",
    "as_int",
    "bool_value",
    "bucket_counts",
    "bytes_value",
    "data_points",
    "description_keys",
    "double_value",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
    "end_time_unix_nano",
    "entity_refs",
    "event_name",
    "explicit_bounds",
    "exponential_histogram",
    "filtered_attributes",
    "id_keys",
    "int_value",
    "is_monotonic",
    "kvlist_value",
    "log_records",
    "observed_time_unix_nano",
    "parent_span_id",
    "quantile_values",
    "resource_logs",
    "resource_metrics",
    "resource_spans",
    "schema_url",
    "scope_logs",
    "scope_metrics",
    "scope_spans",
    "severity_number",
    "severity_text",
    "span_id",
    "start_time_unix_nano",
    "string_value",
    "time_unix_nano",
    "trace_id",
    "trace_state",
    "zero_count",
    "zero_threshold",
];

/// The notes on one payload.
pub(super) struct Notes {
    one: &'static str,
    many: &'static str,
    /// How many records were begun.
    begun: u64,
    rejected: Vec<Group>,
    warned: Vec<Group>,
    snake_case: BTreeSet<&'static str>,
    /// Whether JSON text was not UTF-8.
    json_repaired: bool,
    /// How many records, resources and scopes have text that was not UTF-8.
    pub(super) repaired: u64,
    pub(super) attributes_dropped: u64,
    pub(super) values_cut: u64,
    /// Of the services whose resources were read, those of which there is something to tell.
    services: Vec<Tally>,
    /// The service whose records are being read.
    service: String,
    /// What was counted when its resource began, and how many records were rejected.
    before: ([u64; 3], u64),
    rejections: u64,
    first_rejected: Option<String>,
}

/// What was noted of one service's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Its name.
    pub service: String,
    /// Records that were rejected.
    pub rejected: u64,
    /// Why the first of them was, and which it is.
    pub first_rejected: Option<String>,
    /// Records, resources and scopes with text that was not UTF-8.
    pub repaired: u64,
    /// Attributes that were too many or too long.
    pub attributes_dropped: u64,
    /// Values that were too long or nested too deep.
    pub values_cut: u64,
}

/// How many services of a payload are told apart; what is noted of further ones counts for the last.
pub(super) const SERVICES_MAX: usize = 256;

/// Records of which the same is said.
struct Group {
    reason: Reason,
    count: u64,
    /// The first of them.
    first: String,
}

impl Notes {
    pub(super) fn new(signal: Signal) -> Self {
        let (one, many) = match signal {
            Signal::Spans => ("span", "spans"),
            Signal::Logs => ("log record", "log records"),
            Signal::Metrics => ("data point", "data points"),
            Signal::Red => ("row", "rows"),
        };
        Self {
            one,
            many,
            begun: 0,
            rejected: Vec::new(),
            warned: Vec::new(),
            snake_case: BTreeSet::new(),
            json_repaired: false,
            repaired: 0,
            attributes_dropped: 0,
            values_cut: 0,
            services: Vec::new(),
            service: String::new(),
            before: ([0; 3], 0),
            rejections: 0,
            first_rejected: None,
        }
    }

    /// A resource is about to be read: what was noted up to here is about the one before.
    pub(super) fn leave(&mut self) {
        let (before, rejections) = self.before;
        let now = self.counts();
        let [repaired, attributes_dropped, values_cut] = [0, 1, 2].map(|at| now[at] - before[at]);
        let rejected = self.rejections - rejections;
        self.before = (now, self.rejections);
        if rejected + repaired + attributes_dropped + values_cut == 0 {
            return;
        }
        let first_rejected = self.first_rejected.take();
        let known = self.services.iter().position(|one| one.service == self.service);
        let full = self.services.len() >= SERVICES_MAX;
        let at = known.or_else(|| full.then(|| self.services.len() - 1)).unwrap_or_else(|| {
            self.services.push(Tally { service: self.service.clone(), ..Tally::default() });
            self.services.len() - 1
        });
        let tally = &mut self.services[at];
        tally.rejected += rejected;
        tally.repaired += repaired;
        tally.attributes_dropped += attributes_dropped;
        tally.values_cut += values_cut;
        tally.first_rejected = tally.first_rejected.take().or(first_rejected);
    }

    /// What is noted from here on is about records of this service.
    pub(super) fn enter(&mut self, service: &str) {
        if self.service != service {
            service.clone_into(&mut self.service);
        }
    }

    /// What is noted from here on is about records of this service, which may be that of those before.
    pub(super) fn turn_to(&mut self, service: &str) {
        if self.service != service {
            self.leave();
            self.enter(service);
        }
    }

    /// What was noted, by service.
    pub(super) fn services(mut self) -> Vec<Tally> {
        self.leave();
        self.services
    }

    /// A record begins: what is noted next is about it.
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }

    /// The record begun last is rejected. `label` is its name, if it has one.
    pub(super) fn reject(&mut self, reason: Reason, label: &[u8]) {
        self.rejections += 1;
        if self.first_rejected.is_none() {
            self.first_rejected = Some(format!("{reason} ({})", named(self.one, self.begun, label)));
        }
        add(&mut self.rejected, reason, self.one, self.begun, label);
    }

    /// The record begun last is stored, but something about it is odd.
    pub(super) fn warn(&mut self, reason: Reason, label: &[u8]) {
        add(&mut self.warned, reason, self.one, self.begun, label);
    }

    /// A JSON key was ignored.
    pub(super) fn unknown_key(&mut self, key: &str) {
        if let Some(known) = SNAKE_CASE.iter().find(|known| **known == key) {
            self.snake_case.insert(known);
        }
    }

    /// The JSON text was not UTF-8.
    pub(super) fn json_repaired(&mut self) {
        self.json_repaired = true;
    }

    /// What was counted of text and attributes so far.
    pub(super) fn counts(&self) -> [u64; 3] {
        [self.repaired, self.attributes_dropped, self.values_cut]
    }

    /// What the client is told. Empty if there is nothing to tell.
    pub(super) fn answer(&self) -> Answer {
        let mut parts = Vec::new();
        for group in &self.rejected {
            parts.push(self.sentence(group, "rejected"));
        }
        for group in &self.warned {
            parts.push(self.sentence(group, "odd"));
        }
        if !self.snake_case.is_empty() {
            let keys: Vec<&str> = self.snake_case.iter().copied().collect();
            parts.push(format!("ignored {}: JSON keys are lowerCamelCase in OTLP", keys.join(", ")));
        }
        if self.repaired > 0 {
            parts.push(format!(
                "{}, resources and scopes with text that is not UTF-8, repaired by U+FFFD: {}",
                self.many, self.repaired
            ));
        } else if self.json_repaired {
            parts.push("the JSON text was not UTF-8: wrong bytes were replaced by U+FFFD".to_owned());
        }
        if self.values_cut > 0 {
            parts.push(format!("values cut for being too long or nested too deep: {}", self.values_cut));
        }
        if self.attributes_dropped > 0 {
            parts.push(format!(
                "attributes dropped for being too many or too long: {}",
                self.attributes_dropped
            ));
        }
        let rejected = self.rejected.iter().map(|group| group.count).sum();
        Answer { rejected, message: shorten(&parts.join("; ")) }
    }

    fn sentence(&self, group: &Group, what: &str) -> String {
        let noun = if group.count == 1 { self.one } else { self.many };
        format!("{} {noun} {what}: {} (first: {})", group.count, group.reason, group.first)
    }
}

/// A record by its number, and its name if it has one.
fn named(noun: &str, number: u64, label: &[u8]) -> String {
    let mut text = format!("{noun} {number}");
    if !label.is_empty() {
        let label = String::from_utf8_lossy(label);
        text.push_str(&format!(" '{}'", &label[..label.floor_char_boundary(LABEL_BYTES_MAX)]));
    }
    text
}

fn add(groups: &mut Vec<Group>, reason: Reason, noun: &str, number: u64, label: &[u8]) {
    match groups.iter_mut().find(|group| group.reason == reason) {
        Some(group) => group.count += 1,
        None => {
            let first = named(noun, number, label);
            groups.push(Group { reason, count: 1, first });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_noted_is_full_success() {
        let mut notes = Notes::new(Signal::Spans);
        notes.begin();
        notes.unknown_key("something_else");
        assert_eq!(notes.answer(), Answer::default());
    }

    #[test]
    fn what_is_noted_is_told_by_service() {
        let mut notes = Notes::new(Signal::Logs);
        for (service, rejected, cut) in [("a", 1, 0), ("b", 0, 0), ("c", 2, 5), ("a", 1, 1)] {
            notes.leave();
            notes.enter(service);
            for _ in 0..rejected {
                notes.begin();
                notes.reject("why", service.as_bytes());
            }
            notes.values_cut += cut;
        }
        let told: Vec<_> = notes
            .services()
            .into_iter()
            .map(|one| (one.service, one.rejected, one.values_cut, one.first_rejected.unwrap_or_default()))
            .collect();
        let (a, c) = ("why (log record 1 'a')", "why (log record 2 'c')");
        assert_eq!(told, [("a".to_owned(), 2, 1, a.to_owned()), ("c".to_owned(), 2, 5, c.to_owned())]);
    }

    #[test]
    fn reasons_are_grouped_and_counted() {
        let mut notes = Notes::new(Signal::Logs);
        for (reason, label) in [("why", ""), ("why", "b"), ("else", "€c")] {
            notes.begin();
            notes.reject(reason, label.as_bytes());
        }
        notes.begin();
        notes.warn("strange", b"");
        notes.unknown_key("trace_id");
        notes.unknown_key("span_id");
        notes.unknown_key("trace_id");
        let answer = notes.answer();
        assert_eq!(answer.rejected, 3);
        assert_eq!(
            answer.message,
            "2 log records rejected: why (first: log record 1); \
             1 log record rejected: else (first: log record 3 '€c'); \
             1 log record odd: strange (first: log record 4); \
             ignored span_id, trace_id: JSON keys are lowerCamelCase in OTLP"
        );
    }
}
