//! Changes that telemetry itself tells of: restarts, more or fewer instances, configuration that is another.
//!
//! - A *restart*: counters of an instance count anew, its process has another number, or an instance begins where another
//!   of its service ends.
//! - *Scale*: an instance begins beside those that there are.
//! - *Configuration*: an attribute of a service's resource, which had one value, has another. Attributes that name what
//!   runs where are none.

use std::collections::{BTreeMap, BTreeSet};

use query::{Gathering, QueryError};

use crate::changes::{Change, ChangeKind};
use crate::counts::MINUTE;
use crate::load::{self, Resource};
use crate::witness::is_configuration;

/// Minutes before the first that is judged which say what was there before.
const BEFORE_MINUTES: i64 = 30;
/// A service that is younger still begins: its instances do not join.
const BEGINS_MINUTES: i64 = 5;
/// Services, and attributes and instances of each, that are kept in mind.
const SERVICES_MAX: usize = 2_000;
const KEYS_MAX: usize = 200;
const INSTANCES_MAX: usize = 500;
/// Spans of a batch of minutes whose resources are read: of more, those of a part of the time.
const SPANS_MAX: f64 = 100_000.0;
/// The longest value of an attribute that is told, in characters.
const VALUE_CHARS_MAX: usize = 100;
/// What a process is known by.
const PROCESS_KEYS: [&str; 2] = ["process.creation.time", "process.pid"];
/// What instances are known by.
const INSTANCE: &str = "service.instance.id";

/// What is known of the services of a tenant.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By service and attribute: the values that it had. Of many, two.
    values: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// By service and instance: since when its counters count, what its process is known by, and its last minute.
    instances: BTreeMap<String, BTreeMap<String, Instance>>,
    begun: bool,
}

#[derive(Debug, Clone, Default)]
struct Instance {
    started: Option<(i64, i64)>,
    process: Option<String>,
    first: i64,
    last: i64,
}

impl Known {
    /// Reads minutes from `first` to `last`, about `spans` spans, and says what changed in them.
    pub(super) async fn read(
        &mut self,
        gathering: &Gathering,
        (first, last): (i64, i64),
        spans: f64,
    ) -> Result<Vec<Change>, QueryError> {
        let range = (first.saturating_mul(MINUTE), (last + 1).saturating_mul(MINUTE));
        if !self.begun {
            let before = (range.0.saturating_sub(BEFORE_MINUTES * MINUTE), range.0);
            let minutes = (first - BEFORE_MINUTES, first - 1);
            self.take(gathering, minutes, before, spans * BEFORE_MINUTES as f64).await?;
            self.begun = true;
        }
        self.take(gathering, (first, last), range, spans).await
    }

    async fn take(
        &mut self,
        gathering: &Gathering,
        minutes: (i64, i64),
        (from, to): (i64, i64),
        spans: f64,
    ) -> Result<Vec<Change>, QueryError> {
        // The end of the time, so that what changed in it is seen.
        let share = (SPANS_MAX / spans.max(1.0)).min(1.0);
        let part = to.saturating_sub(((to - from) as f64 * share) as i64);
        let resources = load::described(gathering, (part, to)).await?;
        let mut changes = self.configured(&resources);
        changes.extend(self.restarted(&load::started(gathering, (from, to)).await?, &resources));
        let seen = load::instances(gathering, minutes).await?;
        for (service, instance, minute) in self.new_instances(&seen) {
            let near = ((minute - 1) * MINUTE, (minute + 1) * MINUTE);
            let times = load::seen(gathering, &service, near).await?;
            changes.extend(self.began(&service, &instance, &times));
        }
        for ((service, instance), minutes) in &seen {
            let known = self.instance(service, instance);
            if let (Some(known), Some(first), Some(last)) = (known, minutes.first(), minutes.last()) {
                known.first = if known.last == 0 { *first } else { known.first.min(*first) };
                known.last = known.last.max(*last);
            }
        }
        changes.retain(|_| self.begun);
        Ok(changes)
    }

    fn instance(&mut self, service: &str, instance: &str) -> Option<&mut Instance> {
        if self.instances.len() >= SERVICES_MAX && !self.instances.contains_key(service) {
            return None;
        }
        let of_service = self.instances.entry(service.to_owned()).or_default();
        if of_service.len() >= INSTANCES_MAX && !of_service.contains_key(instance) {
            // The one that has been silent for the longest makes room.
            let oldest = of_service.iter().min_by_key(|(_, known)| known.last).map(|(name, _)| name.clone());
            oldest.and_then(|name| of_service.remove(&name));
        }
        Some(of_service.entry(instance.to_owned()).or_default())
    }

    /// Attributes that had one value and have another.
    fn configured(&mut self, resources: &[Resource]) -> Vec<Change> {
        let mut changes = Vec::new();
        for Resource { service, attributes, first } in resources {
            if self.values.len() >= SERVICES_MAX && !self.values.contains_key(service) {
                continue;
            }
            let is_new = !self.values.contains_key(service);
            let known = self.values.entry(service.clone()).or_default();
            for (key, value) in attributes.iter().filter(|(key, _)| is_configuration(key)) {
                if known.len() >= KEYS_MAX && !known.contains_key(key) {
                    continue;
                }
                let values = known.entry(key.clone()).or_default();
                if let (false, 1, Some(old)) = (is_new, values.len(), values.first())
                    && old != value
                {
                    let short = |text: &str| text.chars().take(VALUE_CHARS_MAX).collect::<String>();
                    let text = format!("{key} is {}; it was {}", short(value), short(old));
                    changes.push(change(ChangeKind::Config, service, *first, key, text));
                }
                if values.len() < 2 {
                    values.insert(value.clone());
                }
            }
        }
        changes
    }

    /// Instances whose counters or whose process began anew.
    fn restarted(
        &mut self,
        started: &BTreeMap<(String, String), (i64, i64)>,
        resources: &[Resource],
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for ((service, instance), (start, last)) in started {
            let Some(known) = self.instance(service, instance) else { continue };
            if let Some((before, seen)) = known.started
                && *start > before
                && *start > seen
            {
                let text = format!("{instance} began anew");
                changes.push(change(ChangeKind::Restart, service, *start, instance, text));
            }
            known.started = Some((*start, *last));
        }
        for Resource { service, attributes, first } in resources {
            let Some(instance) = attributes.get(INSTANCE) else { continue };
            let Some(process) = PROCESS_KEYS.iter().find_map(|key| attributes.get(*key)) else { continue };
            let Some(known) = self.instance(service, instance) else { continue };
            let is_other = known.process.as_ref().is_some_and(|before| before != process);
            let is_told = changes.iter().any(|change| {
                change.service == *service
                    && change.text.as_ref().is_some_and(|text| text.starts_with(instance))
            });
            if is_other && !is_told {
                let text = format!("{instance} began anew");
                changes.push(change(ChangeKind::Restart, service, *first, instance, text));
            }
            known.process = Some(process.clone());
        }
        changes
    }

    /// Instances of services that are known, with their first minute.
    fn new_instances(&self, seen: &BTreeMap<(String, String), BTreeSet<i64>>) -> Vec<(String, String, i64)> {
        let is_new = |(service, instance): &(String, String)| {
            let known = self.instances.get(service);
            known.is_some_and(|known| known.get(instance).is_none_or(|instance| instance.last == 0))
                && known.is_some_and(|known| known.values().any(|instance| instance.last != 0))
        };
        let new = seen.iter().filter(|(name, _)| is_new(name));
        new.filter_map(|((service, instance), minutes)| {
            Some((service.clone(), instance.clone(), *minutes.first()?))
        })
        .collect()
    }

    /// What an instance is that begins: in the place of one that ended, or beside the others.
    fn began(&self, service: &str, instance: &str, times: &BTreeMap<String, (i64, i64)>) -> Option<Change> {
        let (first, _) = times.get(instance)?;
        let known = self.instances.get(service)?;
        let before = known.iter().filter(|(name, known)| *name != instance && known.last != 0);
        // Seen in the last two minutes, but not since the new one began.
        let ended = before.clone().find(|(name, known)| {
            known.last >= first.div_euclid(MINUTE) - 2
                && times.get(*name).is_none_or(|(_, last)| last < first)
        });
        let since = before.map(|(_, known)| known.first).min()?;
        let (kind, text) = match ended {
            Some((name, _)) => (ChangeKind::Restart, format!("{instance} in the place of {name}")),
            None if first.div_euclid(MINUTE) - since < BEGINS_MINUTES => return None,
            None => (ChangeKind::Scale, format!("{instance} joins")),
        };
        Some(change(kind, service, *first, instance, text))
    }
}

fn change(kind: ChangeKind, service: &str, time: i64, what: &str, text: String) -> Change {
    let id = format!("{}-{}-{service}-{what}", kind.name(), time.div_euclid(MINUTE));
    Change {
        id: id.chars().take(120).collect(),
        time: time.to_string(),
        kind,
        service: service.to_owned(),
        namespace: None,
        environment: None,
        version: None,
        text: Some(text),
        source: "telemetry".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(service: &str, attributes: &[(&str, &str)]) -> Resource {
        let of = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Resource { service: service.to_owned(), attributes: attributes.iter().map(of).collect(), first: 7 }
    }

    fn told(changes: Vec<Change>) -> Vec<String> {
        changes.into_iter().map(|change| format!("{:?} {}", change.kind, change.text.unwrap())).collect()
    }

    #[test]
    fn one_value_and_then_another_is_a_change() {
        let mut known = Known::default();
        let mut check = |attributes: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(told(known.configured(&[resource("cart", attributes)])), expected, "{attributes:?}");
        };
        let usual = [("app.pool.size", "20"), ("k8s.pod.name", "a"), ("service.version", "1")];
        check(&usual, &[]);
        check(&usual, &[]);
        check(&[("k8s.pod.name", "b"), ("service.version", "2"), ("app.pool.size", "20")], &[]);
        check(&[("app.pool.size", "2")], &["Config app.pool.size is 2; it was 20"]);
        // From now on it has more than one value.
        check(&[("app.pool.size", "20")], &[]);
        check(&[("app.pool.size", "3")], &[]);
    }

    #[test]
    fn what_counts_anew_was_restarted() {
        let mut known = Known::default();
        let mut check = |start: i64, last: i64, expected: &[&str]| {
            let started = BTreeMap::from([(("cart".to_owned(), "cart-1".to_owned()), (start, last))]);
            assert_eq!(told(known.restarted(&started, &[])), expected, "{start} {last}");
        };
        check(100, 160, &[]);
        check(100, 220, &[]);
        // A counter that came later, in a minute without the oldest.
        check(150, 280, &[]);
        check(300, 340, &["Restart cart-1 began anew"]);
        check(300, 400, &[]);
    }

    #[test]
    fn another_process_is_a_restart() {
        let mut known = Known::default();
        let mut check = |pid: &str, expected: &[&str]| {
            let resource = resource("cart", &[(INSTANCE, "cart-1"), ("process.pid", pid)]);
            assert_eq!(told(known.restarted(&BTreeMap::new(), &[resource])), expected, "{pid}");
        };
        check("7", &[]);
        check("7", &[]);
        check("9", &["Restart cart-1 began anew"]);
    }

    #[test]
    fn an_instance_begins_beside_others_or_in_their_place() {
        let mut known = Known::default();
        let instance = Instance { first: 3, last: 10, ..Instance::default() };
        known.instances.insert("cart".to_owned(), BTreeMap::from([("cart-1".to_owned(), instance)]));
        let seen =
            |name: &str| BTreeMap::from([(("cart".to_owned(), name.to_owned()), BTreeSet::from([10]))]);
        assert_eq!(known.new_instances(&seen("cart-1")), []);
        assert_eq!(known.new_instances(&seen("cart-2")), [("cart".to_owned(), "cart-2".to_owned(), 10)]);
        let check = |old_until: i64, expected: &str| {
            let begun = 10 * MINUTE + 20;
            let times = [("cart-1".to_owned(), (0, old_until)), ("cart-2".to_owned(), (begun, begun + 9))];
            let change = known.began("cart", "cart-2", &times.into_iter().collect());
            assert_eq!(told(change.into_iter().collect()), [expected]);
        };
        check(10 * MINUTE + 10, "Restart cart-2 in the place of cart-1");
        check(10 * MINUTE + 40, "Scale cart-2 joins");
    }
}
