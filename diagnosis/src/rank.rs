//! Suspects in order: one score for each, which is the share of all votes that tell for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::blame::{Slowed, slowed};
use crate::compare::Comparison;
use crate::counts::Loggers;
use crate::evidence::resources::{Resource, Strain, Strains};
use crate::evidence::structure::Pair;
use crate::frame::{Event, Frame, START};
use crate::load::TEMPLATE;
use crate::stats::{ALPHA, believed, evidence};
use crate::votes::{Cause, Place};

/// Places in the code of one service that are told.
const PLACES_MAX: usize = 4;
/// A kind of fault that is less likely is not told.
const LIKELY_MIN: f64 = 0.01;
/// What a resource out of its range counts where nobody was harmed by it.
const HARMLESS: f64 = 0.01;
/// What memory that leaks counts before it did harm.
const LEAK: f64 = 0.5;
/// How much evidence of a resource is as good as harm.
const EVIDENCE_GREAT: f64 = 100.0;

/// What a suspect is suspected of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Accusation {
    /// Something is missing or new at a place in the code. Nothing where the data do not say where.
    Code {
        from: Option<String>,
        to: Option<String>,
        place: Option<Place>,
    },
    Slowed(Slowed),
    /// It does not answer, or not on this instance.
    Gone(Option<String>),
    /// A version that is new.
    Deploy(String),
    /// A configuration attribute with a new value.
    Config(String, String),
    /// It waits for a lock, in this operation.
    Lock(Option<String>),
    /// It does not take what this service sends.
    Queue(u32),
    /// It gives up calls to this service too soon, and calls again.
    Retry(u32),
    /// More is asked of it than ever, most in this operation.
    Traffic(Option<String>),
    /// What it calls does not answer as usual: the name of the call.
    Peer(Option<String>),
}

/// A service that may be the cause, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) service: u32,
    pub(crate) accusation: Accusation,
    pub(crate) score: f64,
    /// Votes of traces for it.
    pub(crate) votes: f64,
    pub(crate) cause: Option<Cause>,
}

/// All candidates, the best first.
pub(crate) fn rank(frame: &Frame, found: &Comparison, strains: &Strains) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let all: f64 = found.votes.of.values().sum();
    for (cause, votes) in &found.beyond {
        let (share, service) = (votes / all.max(f64::MIN_POSITIVE), cause.service());
        let of = |accusation, part: f64| Candidate {
            service,
            accusation,
            score: share * part,
            votes: *votes,
            cause: Some(*cause),
        };
        match cause {
            Cause::Code(_) => {
                let places = places(frame, service, &found.votes.places, &found.loggers);
                let most = places.first().map_or(1.0, |(votes, _)| *votes);
                let of_places = places.into_iter().take(PLACES_MAX);
                candidates.extend(of_places.map(|(votes, accusation)| of(accusation, votes / most)));
            }
            Cause::Slow(_) => {
                let kinds = slowed(frame, service, &found.latency, &found.blamed, strains);
                let likely = kinds.into_iter().filter(|(_, share)| *share > LIKELY_MIN);
                candidates.extend(likely.map(|(kind, part)| {
                    // A witness outside of the traces at most doubles it.
                    let witness = witness(frame, service, kind, strains);
                    of(Accusation::Slowed(kind), part * (1.0 + witness))
                }));
            }
            Cause::Gone(_) => candidates.push(of(Accusation::Gone(None), 1.0)),
            Cause::Peer(_) => candidates.push(of(Accusation::Peer(peer(frame, found, *cause)), 1.0)),
        }
    }
    candidates.extend(harmless(frame, strains));
    // With a witness a score can be 2: from 0 to 1, in the same order.
    for candidate in &mut candidates {
        candidate.score *= 1.5 / (1.0 + candidate.score);
    }
    let key = |candidate: &Candidate| (candidate.score * 1e9).round() as i64;
    candidates.sort_by(|a, b| (key(b), a.service, &a.accusation).cmp(&(key(a), b.service, &b.accusation)));
    once_each(&mut candidates);
    candidates
}

/// Leaves the first of those that accuse a service of the same.
pub(crate) fn once_each(candidates: &mut Vec<Candidate>) {
    let mut seen = BTreeSet::new();
    candidates.retain(|candidate| seen.insert((candidate.service, same(&candidate.accusation))));
}

/// What makes two accusations one.
fn same(accusation: &Accusation) -> Accusation {
    match accusation {
        Accusation::Code { from, to, .. } => {
            Accusation::Code { from: from.clone(), to: to.clone(), place: None }
        }
        Accusation::Slowed(Slowed::Code) => Accusation::Code { from: None, to: None, place: None },
        other => other.clone(),
    }
}

/// How much the unusual resource itself tells for being the cause.
fn witness(frame: &Frame, service: u32, kind: Slowed, strains: &Strains) -> f64 {
    let Slowed::By(resource) = kind else { return 0.0 };
    let strain = frame.services.get(service).and_then(|name| strains.get(name)?.get(&resource));
    strain.map_or(0.0, |strain| believed(evidence(strain.p) * strain.full))
}

/// The name of the calls that do not answer as usual, which most votes are for.
fn peer(frame: &Frame, found: &Comparison, cause: Cause) -> Option<String> {
    let mut names: BTreeMap<u32, f64> = BTreeMap::new();
    for given in found.votes.given.iter().filter(|given| given.cause == cause) {
        *names.entry(frame.name[given.row as usize]).or_default() += given.part;
    }
    let most = names.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    most.map(|(name, _)| frame.name_text(name).to_owned())
}

/// Memory that grows and grows will do harm, whether it has or not: its level and its trend are not chance among all
/// services.
fn is_leak(resource: Resource, strain: &Strain, services: usize) -> bool {
    let both = strain.p * strain.rise;
    resource == Resource::Memory && strain.p <= ALPHA && both <= ALPHA * ALPHA / services.max(1) as f64
}

/// Whether something will do harm that has done none.
pub(crate) fn leaks(strains: &Strains) -> bool {
    let of_services = strains.values().flatten();
    of_services.into_iter().any(|(resource, strain)| is_leak(*resource, strain, strains.len()))
}

/// Whether the memory of a service leaks.
pub(crate) fn leaks_of(strains: &Strains, service: Option<&crate::frame::Service>) -> bool {
    let strain = service.and_then(|service| strains.get(service)?.get(&Resource::Memory));
    strain.is_some_and(|strain| is_leak(Resource::Memory, strain, strains.len()))
}

/// A resource out of its range that nobody was harmed by: kept, far down. A lock harms those that wait for it, and nobody
/// else.
fn harmless<'a>(frame: &'a Frame, strains: &'a Strains) -> impl Iterator<Item = Candidate> + 'a {
    let (of_services, count) =
        (strains.iter().filter_map(|(name, of)| Some((frame.services.find(name)?, of))), strains.len());
    of_services.flat_map(move |(service, of)| {
        of.iter().filter(|(resource, _)| **resource != Resource::Lock).map(move |(resource, strain)| {
            let weight = evidence(strain.p);
            let least = if is_leak(*resource, strain, count) { LEAK } else { HARMLESS };
            Candidate {
                service,
                accusation: Accusation::Slowed(Slowed::By(*resource)),
                score: least * weight / (weight + EVIDENCE_GREAT),
                votes: 0.0,
                cause: None,
            }
        })
    })
}

/// The places in a service's code that votes are for, most first.
fn places(
    frame: &Frame,
    service: u32,
    votes: &BTreeMap<Place, f64>,
    loggers: &Loggers,
) -> Vec<(f64, Accusation)> {
    let of_service = |(context, _): &Place| frame.contexts[*context as usize].service == service;
    let mut found: Vec<(f64, Place)> =
        votes.iter().filter(|(place, _)| of_service(place)).map(|(place, votes)| (*votes, *place)).collect();
    let key = |votes: f64| (votes * 1e6).round() as i64;
    found.sort_by(|a, b| (key(b.0), a.1).cmp(&(key(a.0), b.1)));
    // Without its logs no statement can be named: the spans around it would be a guess.
    let is_silent = loggers.is_silent(service);
    let mut seen = BTreeSet::new();
    let mut places = Vec::new();
    for (votes, place) in found {
        let (context, pair) = place;
        let (from, to) = match is_silent {
            true => (None, None),
            false => (before(frame, context, pair), place_name(frame, pair.after)),
        };
        if seen.insert((from.clone(), to.clone())) {
            places.push((votes, Accusation::Code { from, to, place: Some(place) }));
        }
    }
    places
}

fn before(frame: &Frame, context: u32, pair: Pair) -> Option<String> {
    match pair.before {
        START => Some(frame.name_text(frame.contexts[context as usize].name).to_owned()),
        event => place_name(frame, event),
    }
}

/// The name of an event that is a place in the code: a statement, or the start of a span.
fn place_name(frame: &Frame, event: u32) -> Option<String> {
    matches!(frame.events[event as usize], Event::Span(..) | Event::Log(..)).then(|| event_name(frame, event))
}

/// An event as a sentence names it.
pub(crate) fn event_name(frame: &Frame, event: u32) -> String {
    match frame.events[event as usize] {
        Event::Start => "the start".to_owned(),
        Event::Empty => "nothing".to_owned(),
        Event::Failed => "an error".to_owned(),
        Event::Callee => "the callee".to_owned(),
        Event::Span(_, name) => frame.name_text(name).to_owned(),
        Event::Log(_, statement, _) => {
            frame.statements.get(statement).map_or_else(String::new, |text| text.clone())
        }
    }
}

/// Whether a statement has to be looked up: its template's identity.
pub(crate) fn template_of(name: &str) -> Option<&str> {
    name.strip_prefix(TEMPLATE)
}

impl Accusation {
    /// The kind of fault, as a suspect names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Code { .. } | Self::Slowed(Slowed::Code) => "code",
            Self::Slowed(Slowed::Network) => "network",
            Self::Slowed(Slowed::Dependency) | Self::Peer(_) => "dependency",
            Self::Gone(_) => "instance",
            Self::Deploy(_) => "deploy",
            Self::Config(..) => "config",
            Self::Lock(_) => "lock",
            Self::Queue(_) => "queue",
            Self::Retry(_) => "retry",
            Self::Traffic(_) => "traffic",
            Self::Slowed(Slowed::By(resource)) => match resource {
                Resource::Cpu => "cpu",
                Resource::Memory => "memory",
                Resource::Disk => "disk",
                Resource::Lock => "lock",
            },
        }
    }
}
