//! Says why: sentences, numbers and where to look.

mod evidence;
mod queries;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::Reader;
use query::{Engine, QueryError, Search};
use serde_json::{Value, json};

use crate::answer::{EVIDENCE_MAX, SUSPECTS_MAX, Suspect};
use crate::blame::Slowed;
use crate::compare::Comparison;
use crate::evidence::resources::{Resource, Strains};
use crate::frame::{Frame, Key, NONE};
use crate::rank::{Accusation, Candidate, template_of};
use crate::stats::ALPHA;
use crate::votes::Given;
use crate::witness::Witnesses;
use evidence::TEMPLATES_MAX;

/// An instance has a fault of its own where it has this share of what is wrong with its service.
const OF_INSTANCE: f64 = 0.9;

/// The texts of the templates that suspects name, by identity.
pub(crate) async fn templates(
    engine: &Engine,
    reader: &Reader,
    frame: &Frame,
    candidates: &[Candidate],
    witnesses: &Witnesses,
) -> Result<HashMap<String, String>, QueryError> {
    let mut texts = HashMap::new();
    let told = candidates.iter().take(SUSPECTS_MAX);
    let named = told.clone().filter_map(|candidate| match &candidate.accusation {
        Accusation::Code { from, to, .. } => Some([from.clone(), to.clone()]),
        _ => None,
    });
    let named = named.flatten().flatten().filter_map(|name| template_of(&name).map(str::to_owned));
    let services = told.map(|candidate| frame.service_name(candidate.service));
    let changed = services.flat_map(|service| witnesses.templates(service).iter().take(TEMPLATES_MAX));
    let ids: BTreeSet<String> = named.chain(changed.map(|changed| changed.template.clone())).collect();
    for id in ids {
        let search = Search { q: format!("template:{id}"), limit: 1, ..Search::default() };
        let found = engine.templates(reader, &search).await?;
        if let Some(template) = found.templates.into_iter().next() {
            texts.insert(id, template.template);
        }
    }
    Ok(texts)
}

/// What sentences are made of.
pub(crate) struct Explain<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) comparison: &'a Comparison,
    pub(crate) strains: &'a Strains,
    pub(crate) witnesses: &'a Witnesses,
    pub(crate) texts: HashMap<String, String>,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Explain<'_> {
    /// A candidate as it is told.
    pub(crate) fn suspect(&self, candidate: &Candidate) -> Suspect {
        let service = self.frame.services.get(candidate.service).cloned().unwrap_or_default();
        let given = self.given(candidate);
        let mut evidence = match &candidate.accusation {
            Accusation::Code { place: Some(place), .. } => self.of_place(candidate.service, *place),
            Accusation::Code { place: None, .. } => Vec::new(),
            Accusation::Slowed(kind) => self.of_slowness(candidate.service, *kind),
            _ => self.of_cause(candidate, &given),
        };
        evidence.extend(self.of_changes(&service.name));
        evidence.extend(self.of_attributes(candidate));
        evidence.extend(self.of_templates(candidate));
        evidence.extend(self.of_traffic(&service.name));
        evidence.extend(self.examples(&given));
        evidence.truncate(EVIDENCE_MAX);
        let what = self.what(candidate, &service.name);
        let share = candidate.votes / self.comparison.votes.traces as f64;
        let summary = match candidate.votes > 0.0 {
            true => format!("{what}; {:.1} % of the requests of this window are lost to it", share * 100.0),
            false => what,
        };
        Suspect {
            service: service.name,
            namespace: service.namespace,
            environment: service.environment,
            instance: self.instance(candidate, &given),
            kind: candidate.accusation.kind().to_owned(),
            target: self.target(&candidate.accusation, candidate.service),
            score: (candidate.score * 1e6).round() / 1e6,
            summary,
            evidence,
        }
    }

    /// The votes for a candidate, the largest first.
    fn given(&self, candidate: &Candidate) -> Vec<Given> {
        let mut given: Vec<Given> = self
            .comparison
            .votes
            .given
            .iter()
            .filter(|given| Some(given.cause) == candidate.cause)
            .copied()
            .collect();
        given.sort_by(|a, b| b.part.total_cmp(&a.part).then((a.trace, a.row).cmp(&(b.trace, b.row))));
        given
    }

    fn what(&self, candidate: &Candidate, service: &str) -> String {
        match &candidate.accusation {
            Accusation::Code { from: Some(from), to: Some(to), place } => {
                let (from, to) = (self.text(from), self.text(to));
                match place.is_some_and(|(_, pair)| pair.is_new) {
                    true => format!("in {service}, after `{from}` comes `{to}`, which is new"),
                    false => format!("in {service}, `{from}` is no longer followed by `{to}`"),
                }
            }
            Accusation::Code { place: Some((_, pair)), .. }
                if !self.comparison.loggers.fell_silent(candidate.service) =>
            {
                let name = |event| crate::rank::event_name(self.frame, event);
                let (before, after) = (name(pair.before), name(pair.after));
                let (before, after) = (self.text(&before), self.text(&after));
                match pair.is_new {
                    true => format!("in {service}, after `{before}` comes `{after}`, which is new"),
                    false => format!("in {service}, `{before}` is no longer followed by `{after}`"),
                }
            }
            Accusation::Code { .. } => {
                format!("{service} does something else than usual, and its logs do not say where")
            }
            Accusation::Gone(Some(instance)) => {
                format!("the instance {instance} of {service} is gone, and calls to it are not answered")
            }
            Accusation::Gone(None) => format!("calls to {service} do not arrive, or are not answered"),
            Accusation::Deploy(version) => {
                format!(
                    "version {version} of {service} is new, and what is wrong with {service} is wrong in it"
                )
            }
            Accusation::Config(key, value) => {
                format!("the configuration of {service} changed: {key} is {value}, which it was not before")
            }
            Accusation::Lock(_) => format!("{service} waits for a lock"),
            Accusation::Queue(from) => format!(
                "messages of {} to {service} are taken late or not at all",
                self.frame.service_name(*from)
            ),
            Accusation::Retry(callee) => format!(
                "{service} gives up calls to {} before they are answered, and calls again",
                self.frame.service_name(*callee)
            ),
            Accusation::Traffic(Some(operation)) => {
                format!("more is asked of {service} than ever before, most of all `{operation}`")
            }
            Accusation::Traffic(None) => format!("more is asked of {service} than ever before"),
            Accusation::Peer(Some(name)) => {
                format!("calls `{name}` of {service} fail or end otherwise than usual")
            }
            Accusation::Peer(None) => format!("what {service} calls fails or ends otherwise than usual"),
            Accusation::Slowed(Slowed::Code) => format!("the code of {service} takes longer than usual"),
            Accusation::Slowed(Slowed::Network) => {
                format!("calls to and from {service} spend more time on the way than usual")
            }
            Accusation::Slowed(Slowed::Dependency) => {
                format!("what {service} calls answers later than usual")
            }
            Accusation::Slowed(Slowed::By(resource)) => {
                let resource = match resource {
                    Resource::Cpu => "processor",
                    Resource::Memory => "memory",
                    Resource::Disk => "disk",
                    Resource::Lock => "what a lock guards",
                };
                format!("{service} lacks {resource}")
            }
        }
    }

    /// A name of an event, with the template's text in the place of its identity.
    fn text<'b>(&'b self, name: &'b str) -> &'b str {
        template_of(name).and_then(|id| self.texts.get(id)).map_or(name, String::as_str)
    }

    fn target(&self, accusation: &Accusation, service: u32) -> Value {
        match accusation {
            Accusation::Code { from, to, .. } => {
                let text = |name: &Option<String>| name.as_deref().map(|name| self.text(name).to_owned());
                json!({ "type": "code", "from": text(from), "to": text(to) })
            }
            Accusation::Gone(instance) => json!({ "type": "instance", "instance": instance }),
            Accusation::Deploy(version) => json!({ "type": "version", "version": version }),
            Accusation::Config(key, value) => json!({ "type": "config", "key": key, "value": value }),
            Accusation::Lock(operation) | Accusation::Traffic(operation) => {
                json!({ "type": "operation", "operation": operation })
            }
            Accusation::Queue(from) => json!({
                "type": "edge",
                "from": self.frame.service_name(*from),
                "to": self.frame.service_name(service),
            }),
            Accusation::Retry(callee) => json!({
                "type": "edge",
                "from": self.frame.service_name(service),
                "to": self.frame.service_name(*callee),
            }),
            Accusation::Peer(name) => {
                let own = self.frame.service_name(service);
                let to = name.as_ref().map(|name| self.witnesses.peer(own, name).unwrap_or(name));
                json!({ "type": "edge", "from": own, "to": to })
            }
            Accusation::Slowed(Slowed::Code) => json!({ "type": "code", "from": null, "to": null }),
            Accusation::Slowed(Slowed::Network) => json!({ "type": "resource", "resource": "network" }),
            Accusation::Slowed(Slowed::By(resource)) => {
                json!({ "type": "resource", "resource": resource.name() })
            }
            Accusation::Slowed(Slowed::Dependency) => {
                let slowest =
                    self.slow_keys(service).into_iter().find(|(key, _)| matches!(key, Key::Peer(..)));
                match slowest {
                    Some((key, _)) => {
                        let (own, call) =
                            (self.frame.service_name(service), self.frame.name_text(key.name()));
                        let to = self.witnesses.peer(own, call).map_or(call, String::as_str);
                        json!({ "type": "edge", "from": own, "to": to })
                    }
                    None => json!({ "type": "edge", "from": self.frame.service_name(service), "to": null }),
                }
            }
        }
    }

    /// The instance that has what is wrong, where it is one.
    fn instance(&self, candidate: &Candidate, given: &[Given]) -> Option<String> {
        let frame = self.frame;
        match &candidate.accusation {
            Accusation::Gone(instance) => return instance.clone(),
            // The one whose resource it is.
            Accusation::Slowed(Slowed::By(resource)) => {
                let strains = frame.services.get(candidate.service).and_then(|name| self.strains.get(name));
                let strain = strains.and_then(|of| of.get(resource));
                if let Some(strain) = strain.filter(|strain| !strain.instance.is_empty() && strain.p <= ALPHA)
                {
                    return Some(strain.instance.clone());
                }
            }
            _ => {}
        }
        let of_row = |row: u32| {
            let at = row as usize;
            if frame.service[at] == candidate.service {
                return Some(frame.instance[at]);
            }
            let callee = frame.callee[at];
            (callee != NONE && frame.service[callee as usize] == candidate.service)
                .then(|| frame.instance[callee as usize])
        };
        let mut parts: BTreeMap<u32, f64> = BTreeMap::new();
        for given in given {
            if let Some(instance) = of_row(given.row) {
                *parts.entry(instance).or_default() += given.part;
            }
        }
        let all: f64 = parts.values().sum();
        let (instance, most) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let name = frame.instances.get(instance).filter(|name| !name.is_empty())?;
        (most >= OF_INSTANCE * all).then(|| name.clone())
    }
}
