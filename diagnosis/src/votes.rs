//! Every trace has one vote, split over what is wrong in it.
//!
//! A span that is broken below which none is broken has the vote, less the share of the trace's time that slowness below
//! it explains: a caller that gives up waiting is a consequence. Slowness counts by the share of the trace's time that is
//! too much. What the reference's own traces would vote is taken off.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::blame::Latency;
use crate::counts::Logging;
use crate::evidence::structure::{Broken, Pair, Structure};
use crate::frame::{Frame, Kind, NONE};
use crate::reference::by_key;

/// Whom a vote is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The code of a service: something is missing, or new.
    Code(u32),
    /// A service is slow.
    Slow(u32),
    /// A service does not answer.
    Gone(u32),
    /// What a service calls and what sends no spans does not answer as usual.
    Peer(u32),
}

impl Cause {
    pub(crate) fn service(self) -> u32 {
        match self {
            Self::Code(service) | Self::Slow(service) | Self::Gone(service) | Self::Peer(service) => service,
        }
    }
}

/// A place in the code: context and pair.
pub(crate) type Place = (u32, Pair);

/// What the traces of some rows vote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Votes {
    pub(crate) of: BTreeMap<Cause, f64>,
    pub(crate) places: BTreeMap<Place, f64>,
    /// What each trace gave to whom, and by which row.
    pub(crate) given: Vec<Given>,
    pub(crate) traces: usize,
}

/// One vote, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Given {
    pub(crate) trace: u32,
    pub(crate) row: u32,
    pub(crate) cause: Cause,
    pub(crate) part: f64,
}

/// What is wrong in one trace.
#[derive(Default)]
struct Wrong<'a> {
    broken: Vec<(u32, &'a Broken)>,
    slow: Vec<(u32, f64, u32)>,
}

/// What is compared, and who is blamed for what is slow.
pub(crate) struct Ballot<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) structure: &'a Structure,
    pub(crate) logging: &'a Logging,
    pub(crate) latency: &'a Latency,
    pub(crate) blamed: &'a BTreeMap<u32, u32>,
    /// By context of a call the service that usually answers it.
    pub(crate) callees: &'a BTreeMap<u32, u32>,
}

/// By context of a call the service that answers it in most of these rows.
pub(crate) fn usual_callees(frame: &Frame, rows: &[u32]) -> BTreeMap<u32, u32> {
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for row in rows {
        let callee = frame.callee[*row as usize];
        if callee != NONE {
            *counts.entry((frame.context[*row as usize], frame.service[callee as usize])).or_default() += 1;
        }
    }
    let mut most: BTreeMap<u32, (usize, u32)> = BTreeMap::new();
    for ((context, service), count) in counts {
        let known = most.entry(context).or_default();
        if count > known.0 {
            *known = (count, service);
        }
    }
    most.into_iter().map(|(context, (_, service))| (context, service)).collect()
}

impl Ballot<'_> {
    /// The votes of the traces of these rows.
    pub(crate) fn count(&self, rows: &[u32]) -> Votes {
        let frame = self.frame;
        let mut wrong: BTreeMap<u32, Wrong<'_>> = BTreeMap::new();
        let mut broken_rows: HashSet<u32> = HashSet::new();
        for row in rows {
            if let Some(broken) = self.structure.of_row(frame, *row, self.logging) {
                wrong.entry(frame.trace[*row as usize]).or_default().broken.push((*row, broken));
                broken_rows.insert(*row);
            }
        }
        let of_keys = by_key(frame, rows);
        for (key, service) in self.blamed {
            let (Some(slow), Some(rows)) = (self.latency.get(key), of_keys.get(key)) else { continue };
            for row in rows {
                let own = frame.own[*row as usize];
                if own > slow.limit && !broken_rows.contains(row) {
                    let of_trace = wrong.entry(frame.trace[*row as usize]).or_default();
                    of_trace.slow.push((*row, (own - slow.usual) * slow.full, *service));
                }
            }
        }
        let mut durations: HashMap<u32, i64> = HashMap::new();
        for row in rows.iter().filter(|row| crate::counts::is_root(frame, **row)) {
            let trace = frame.trace[*row as usize];
            durations.insert(trace, frame.duration[*row as usize].max(1));
        }
        let traces = rows.iter().map(|row| self.frame.trace[*row as usize]).collect::<BTreeSet<u32>>().len();
        let mut votes = Votes { traces: traces.max(1), ..Votes::default() };
        for (trace, wrong) in wrong {
            let longest = || wrong.slow.iter().map(|(row, ..)| frame.duration[*row as usize]).max();
            let duration = durations.get(&trace).copied().or_else(longest).unwrap_or(1).max(1) as f64;
            self.vote(trace, duration, &wrong, &mut votes);
        }
        votes
    }

    fn vote(&self, trace: u32, duration: f64, wrong: &Wrong<'_>, votes: &mut Votes) {
        let all: f64 = wrong.slow.iter().map(|(_, excess, _)| excess / duration).sum();
        let down = 1.0 / all.max(1.0);
        let broken = self.deepest(duration, wrong);
        let most = broken.iter().map(|(_, _, weight)| *weight).fold(0.0, f64::max);
        let scale = 1.0 / (most + all * down).max(1.0);
        for (row, excess, service) in &wrong.slow {
            let part = excess / duration * down * scale;
            votes.give(Given { trace, row: *row, cause: Cause::Slow(*service), part });
        }
        let weights: f64 = broken.iter().map(|(_, _, weight)| weight).sum();
        if weights <= 0.0 {
            return;
        }
        for (row, of, weight) in broken {
            let part = weight / weights * most * scale;
            let (service, context) = (self.frame.service[row as usize], self.frame.context[row as usize]);
            let cause = self.cause(row);
            votes.give(Given { trace, row, cause, part });
            if cause != Cause::Code(service) {
                continue;
            }
            let mut of_pair = part;
            for pair in &of.pairs {
                *votes.places.entry((context, *pair)).or_default() += of_pair;
                of_pair /= 2.0;
            }
        }
    }

    /// Whom a broken row tells against: a call without the callee that it usually has did not arrive.
    fn cause(&self, row: u32) -> Cause {
        let at = row as usize;
        let service = self.frame.service[at];
        if !self.frame.kind[at].calls() || self.frame.callee[at] != NONE {
            return Cause::Code(service);
        }
        match self.callees.get(&self.frame.context[at]) {
            Some(callee) => Cause::Gone(*callee),
            None if self.frame.kind[at] == Kind::Client => Cause::Peer(service),
            None => Cause::Code(service),
        }
    }

    /// The broken rows with none below them, each with its weight.
    fn deepest<'b>(&self, duration: f64, wrong: &Wrong<'b>) -> Vec<(u32, &'b Broken, f64)> {
        let rows: HashSet<u32> = wrong.broken.iter().map(|(row, _)| *row).collect();
        let mut above: HashSet<u32> = HashSet::new();
        for row in &rows {
            above.extend(self.frame.above(*row).filter(|parent| rows.contains(parent)));
        }
        let deepest = wrong.broken.iter().filter(|(row, _)| !above.contains(row));
        deepest
            .map(|(row, of)| {
                let below =
                    wrong.slow.iter().filter(|(slow, ..)| self.frame.above(*slow).any(|at| at == *row));
                let explained: f64 = below.map(|(_, excess, _)| excess / duration).sum();
                (*row, *of, of.weight * (1.0 - explained.min(1.0)))
            })
            .collect()
    }
}

impl Votes {
    fn give(&mut self, given: Given) {
        *self.of.entry(given.cause).or_default() += given.part;
        self.given.push(given);
    }

    /// What these votes are over those of the reference, by as many traces.
    pub(crate) fn beyond(&self, reference: &Self) -> BTreeMap<Cause, f64> {
        let scale = self.traces as f64 / reference.traces as f64;
        let beyond = self.of.iter().map(|(cause, votes)| {
            let usual = reference.of.get(cause).copied().unwrap_or(0.0) * scale;
            (*cause, (votes - usual).max(0.0))
        });
        beyond.filter(|(_, votes)| *votes > 0.0).collect()
    }
}
