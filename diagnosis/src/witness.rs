//! What tells the kind of a fault apart, once its service is known: a version or a configuration that is new, a lock that
//! is waited for, a queue that is not emptied, an instance that is gone, a client that gives up too soon.
//!
//! Each of these replaces what traces alone can say, "the code does something else", by why it does.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use crate::blame::Slowed;
use crate::compare::Comparison;
use crate::evidence::resources::{Resource, Strains};
use crate::frame::{Frame, Kind, NONE};
use crate::rank::{Accusation, Candidate, leaks_of};
use crate::stats::{ALPHA, Urn, quantile};
use crate::votes::{Cause, Given};
pub(crate) use read::{Asked, Contrast, Witnesses, is_configuration};

/// Bad spans that are a sample.
const BAD_MIN: usize = 3;
/// The share of the bad spans that has what is to blame.
const NEARLY_ALL: f64 = 0.9;
/// How much longer a callee works than its caller waits, as a share, before the caller has given up.
const OUTLASTS: f64 = 1.05;
/// So many times the usual 95 % quantile are an answer in the usual time, under the load of repeated calls.
const OUTLASTS_USUAL: f64 = 2.0;

/// The rows of a comparison that a reclassification looks at.
pub(crate) struct Scene<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) window: &'a [u32],
    pub(crate) reference: &'a [u32],
    pub(crate) found: &'a Comparison,
    pub(crate) strains: &'a Strains,
    pub(crate) witnesses: &'a Witnesses,
}

impl Scene<'_> {
    /// Says of the best candidate of every cause why it is so, where something tells.
    pub(crate) fn explain(&self, candidates: &mut [Candidate]) {
        let mut seen = BTreeSet::new();
        for candidate in candidates {
            let Some(cause) = candidate.cause else { continue };
            if !seen.insert(cause) {
                continue;
            }
            if let Some((service, accusation)) = self.why(candidate, cause) {
                candidate.service = service;
                candidate.accusation = accusation;
            }
        }
    }

    fn why(&self, candidate: &Candidate, cause: Cause) -> Option<(u32, Accusation)> {
        let service = candidate.service;
        let given = self.given(cause);
        if let Some(version) = self.new_version(service, &given) {
            return Some((service, Accusation::Deploy(version)));
        }
        let name = self.frame.service_name(service);
        if let Some((key, value)) = self.witnesses.configuration(name) {
            return Some((service, Accusation::Config(key.clone(), value.clone())));
        }
        if matches!(cause, Cause::Gone(_) | Cause::Slow(_) | Cause::Code(_))
            && let Some((caller, callee)) = self.gives_up(service, &given)
        {
            return Some((caller, Accusation::Retry(callee)));
        }
        // It pauses ever longer, and is not there while it begins anew.
        if leaks_of(self.strains, self.frame.services.get(service)) {
            return Some((service, Accusation::Slowed(Slowed::By(Resource::Memory))));
        }
        match cause {
            Cause::Gone(_) if self.are_messages(&given) => {
                let from = given.first().map_or(service, |given| self.frame.service[given.row as usize]);
                Some((service, Accusation::Queue(from)))
            }
            Cause::Gone(_) => Some((service, Accusation::Gone(self.gone_instance(service)))),
            Cause::Code(_) | Cause::Slow(_) if self.waits_for_lock(candidate) => {
                Some((service, Accusation::Lock(self.operation(service, &given))))
            }
            Cause::Slow(_) => {
                self.surge(&given).map(|(service, operation)| (service, Accusation::Traffic(operation)))
            }
            _ => None,
        }
    }

    fn given(&self, cause: Cause) -> Vec<Given> {
        self.found.votes.given.iter().filter(|given| given.cause == cause).copied().collect()
    }

    /// A version that the reference has not, and that what is wrong has: a new version alone does not tell.
    fn new_version(&self, service: u32, given: &[Given]) -> Option<String> {
        let frame = self.frame;
        let of_service = |row: &&u32| frame.service[**row as usize] == service;
        let version = |row: u32| frame.version[row as usize];
        let before: Vec<u32> = self.reference.iter().filter(of_service).map(|row| version(*row)).collect();
        // Traces that were under way when it came have some spans of it.
        let rare = |version: u32| {
            let spans = before.iter().filter(|known| **known == version).count();
            spans as f64 <= ALPHA * before.len() as f64
        };
        let bad: BTreeSet<u32> = given
            .iter()
            .map(|given| given.row)
            .filter(|row| frame.service[*row as usize] == service)
            .collect();
        if bad.len() < BAD_MIN || before.is_empty() {
            return None;
        }
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        bad.iter().for_each(|row| *counts.entry(version(*row)).or_default() += 1);
        let (new, hits) = counts.into_iter().filter(|(version, _)| rare(*version)).max_by_key(|at| at.1)?;
        if (hits as f64) < NEARLY_ALL * bad.len() as f64 {
            return None;
        }
        let all: Vec<u32> = self.window.iter().filter(of_service).copied().collect();
        let with_new = all.iter().filter(|row| version(**row) == new).count();
        let urn = Urn { population: all.len() as u64, marked: with_new as u64, draws: bad.len() as u64 };
        // Where nearly all run it nothing can be told apart in the window, and the reference tells.
        let everywhere = with_new as f64 >= NEARLY_ALL * all.len() as f64;
        let tells = everywhere || urn.at_least(hits as u64) <= ALPHA;
        let text = frame.version_text(new);
        (tells && !text.is_empty()).then(|| text.to_owned())
    }

    /// A caller whose calls are outlasted by their answers, as they are not usually, and that calls again: it gives up
    /// too soon.
    fn gives_up(&self, service: u32, given: &[Given]) -> Option<(u32, u32)> {
        let frame = self.frame;
        let mut edges: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for given in given {
            let at = given.row as usize;
            let callee = match frame.callee[at] {
                NONE => service,
                callee => frame.service[callee as usize],
            };
            if frame.kind[at] == Kind::Client && frame.service[at] != callee {
                *edges.entry((frame.service[at], callee)).or_default() += 1;
            }
        }
        let (caller, callee) = edges.into_iter().max_by_key(|(_, count)| *count).map(|(edge, _)| edge)?;
        // How long each call was waited for, and worked on.
        let answered = |rows: &[u32]| -> Vec<(f64, f64)> {
            let calls = rows.iter().map(|row| *row as usize).filter(|row| frame.service[*row] == caller);
            let pairs = calls.filter_map(|row| Some((row, frame.callee.get(row).copied()? as usize)));
            let own = pairs.filter(|(_, answer)| frame.service.get(*answer) == Some(&callee));
            own.map(|(row, answer)| (frame.duration[row] as f64, frame.duration[answer] as f64)).collect()
        };
        let (calls_now, calls_then) = (answered(self.window), answered(self.reference));
        // One that takes far longer than usual is waited for long enough.
        let usual: Vec<f64> = calls_then.iter().map(|(_, worked)| *worked).collect();
        let patience = OUTLASTS_USUAL * quantile(&usual, 0.95);
        let outlasted = |calls: &[(f64, f64)]| {
            let too_soon =
                calls.iter().filter(|(waited, worked)| *worked > OUTLASTS * waited && *worked <= patience);
            (calls.len() as u64, too_soon.count() as u64)
        };
        let ((all_now, now), (all_then, then)) = (outlasted(&calls_now), outlasted(&calls_then));
        let urn = Urn { population: all_now + all_then, marked: now + then, draws: all_now };
        (now >= BAD_MIN as u64 && urn.at_least(now) <= ALPHA).then_some((caller, callee))
    }

    /// Whether what did not arrive are messages.
    fn are_messages(&self, given: &[Given]) -> bool {
        let messages =
            given.iter().filter(|given| self.frame.kind[given.row as usize] == Kind::Producer).count();
        messages > 0 && messages as f64 >= NEARLY_ALL * given.len() as f64
    }

    /// An instance that had a share of the calls and has none.
    fn gone_instance(&self, service: u32) -> Option<String> {
        let frame = self.frame;
        let instances = |rows: &[u32]| -> BTreeMap<u32, usize> {
            let mut counts = BTreeMap::new();
            for row in rows.iter().map(|row| *row as usize).filter(|row| frame.service[*row] == service) {
                *counts.entry(frame.instance[row]).or_default() += 1;
            }
            counts
        };
        let (now, then) = (instances(self.window), instances(self.reference));
        let gone = then.into_iter().filter(|(instance, _)| !now.contains_key(instance));
        let (instance, _) = gone.max_by_key(|(_, count)| *count)?;
        frame.instances.get(instance).filter(|name| !name.is_empty()).cloned()
    }

    fn waits_for_lock(&self, candidate: &Candidate) -> bool {
        let strains = self.frame.services.get(candidate.service).and_then(|name| self.strains.get(name));
        let lock = strains.and_then(|of| of.get(&Resource::Lock));
        lock.is_some_and(|strain| strain.p <= ALPHA)
    }

    /// The service where more traffic than ever comes in above most of what is wrong, and what is asked of it: nearest to
    /// the root, since traffic goes down.
    fn surge(&self, given: &[Given]) -> Option<(u32, Option<String>)> {
        let frame = self.frame;
        let surges = |service: u32| {
            self.witnesses.traffic(frame.service_name(service)).is_some_and(|shift| shift.is_surge)
        };
        let mut parts: BTreeMap<u32, f64> = BTreeMap::new();
        for given in given {
            let path = std::iter::once(given.row).chain(frame.above(given.row));
            let services = path.map(|row| frame.service[row as usize]);
            if let Some(first) = services.filter(|service| surges(*service)).last() {
                *parts.entry(first).or_default() += given.part;
            }
        }
        let all: f64 = given.iter().map(|given| given.part).sum();
        let (service, most) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        (most >= NEARLY_ALL * all).then(|| (service, self.operation(service, given)))
    }

    /// The operation of a service that has most of what is wrong.
    fn operation(&self, service: u32, given: &[Given]) -> Option<String> {
        let frame = self.frame;
        let mut parts: BTreeMap<u32, f64> = BTreeMap::new();
        for given in given {
            let own = std::iter::once(given.row).chain(frame.above(given.row));
            let entry = own.filter(|row| frame.service[*row as usize] == service).last();
            if let Some(row) = entry {
                *parts.entry(frame.name[row as usize]).or_default() += given.part;
            }
        }
        let most = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        most.map(|(name, _)| frame.name_text(name).to_owned())
    }
}
