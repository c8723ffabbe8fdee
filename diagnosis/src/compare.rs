//! A window compared with its reference: all evidence of traces, and what they vote.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::blame::{Latency, blame};
use crate::counts::{self, Loggers};
use crate::evidence::latency::latency;
use crate::evidence::resources::Strains;
use crate::evidence::structure::{Structure, structure};
use crate::frame::Frame;
use crate::reference::Reference;
use crate::stats::quantile;
use crate::votes::{Ballot, Cause, Votes, usual_callees};

/// Into how many parts a short history is cut, on either side of the window.
const PARTS: usize = 6;
/// Traces of a part that can be a reference.
const TRACES_MIN: usize = 5;

/// What was found.
pub(crate) struct Comparison {
    pub(crate) structure: Structure,
    pub(crate) latency: Latency,
    pub(crate) blamed: BTreeMap<u32, u32>,
    pub(crate) loggers: Loggers,
    pub(crate) votes: Votes,
    /// Votes that the reference would not have given.
    pub(crate) beyond: BTreeMap<Cause, f64>,
}

impl Comparison {
    /// All votes beyond the reference's.
    pub(crate) fn lost(&self) -> f64 {
        self.beyond.values().sum()
    }
}

/// Compares a window with its reference. Where a service logs in the window and in none of the minutes of the reference,
/// other minutes of the history join for what is logged; not without a history.
pub(crate) fn compare(
    frame: &Frame,
    window: &[u32],
    history: Option<&[u32]>,
    reference: &[u32],
    strains: &Strains,
) -> Comparison {
    let with_logs = match history {
        Some(history) => with_logs(frame, window, history, reference),
        None => reference.to_vec(),
    };
    let loggers = counts::loggers(frame, window, &with_logs);
    let logging = &loggers.both;
    let structure = structure(frame, window, &with_logs, logging);
    let is_broken = |row: &u32| structure.of_row(frame, *row, logging).is_some();
    let broken: HashSet<u32> = window.iter().copied().filter(is_broken).collect();
    let latency = latency(frame, window, reference, &broken);
    let blamed = blame(frame, &latency, strains);
    let callees = usual_callees(frame, reference);
    let ballot = Ballot {
        frame,
        structure: &structure,
        logging,
        latency: &latency,
        blamed: &blamed,
        callees: &callees,
    };
    let (votes, usual) = (ballot.count(window), ballot.count(reference));
    let beyond = votes.beyond(&usual);
    Comparison { structure, latency, blamed, loggers, votes, beyond }
}

fn with_logs(frame: &Frame, window: &[u32], history: &[u32], reference: &[u32]) -> Vec<u32> {
    let logging = |rows: &[u32]| -> BTreeSet<u32> {
        let logs = rows.iter().map(|row| *row as usize).filter(|row| frame.has_log[*row]);
        logs.map(|row| frame.service[row]).collect()
    };
    let needed: BTreeSet<u32> = logging(window).difference(&logging(reference)).copied().collect();
    if needed.is_empty() {
        return reference.to_vec();
    }
    let with = |row: &&u32| frame.has_log[**row as usize] && needed.contains(&frame.service[**row as usize]);
    let traces: HashSet<u32> = history.iter().filter(with).map(|row| frame.trace[*row as usize]).collect();
    let mut rows: Vec<u32> = reference.to_vec();
    rows.extend(history.iter().filter(|row| traces.contains(&frame.trace[**row as usize])));
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// A reference where there are too few minutes for a consensus: the incident may have begun before the window and may
/// last beyond it, so the history is cut where the window differs most from what is left (one change point on either
/// side, as in e-divisive, Matteson and James 2014).
pub(crate) fn contrast(
    frame: &Frame,
    window: &[u32],
    history: &[u32],
    reference: Reference,
    (from, to): (i64, i64),
    strains: &Strains,
) -> Reference {
    let side = |inside: &dyn Fn(i64) -> bool| -> Vec<u32> {
        history.iter().copied().filter(|row| inside(frame.began(*row))).collect()
    };
    let mut best: Vec<(f64, Vec<u32>, String)> = Vec::new();
    for (name, rows) in [("before", side(&|began| began < from)), ("after", side(&|began| began > to))] {
        let mut of_side: Option<(f64, Vec<u32>, String)> = None;
        for part in 1..=PARTS {
            let rows = part_of(frame, &rows, part, name == "before");
            let traces: BTreeSet<u32> = rows.iter().map(|row| frame.trace[*row as usize]).collect();
            if traces.len() < TRACES_MIN {
                continue;
            }
            let lost = compare(frame, window, None, &rows, strains).lost();
            if of_side.as_ref().is_none_or(|(most, ..)| lost >= *most) {
                of_side = Some((lost, rows, format!("{part} of {PARTS} parts of those {name} the window")));
            }
        }
        best.extend(of_side);
    }
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some((most, ..)) = best.first() else { return reference };
    // The other side joins where it is nearly as different.
    let most = *most;
    best.retain(|(lost, ..)| *lost >= most / 2.0);
    let parts: Vec<String> = best.iter().map(|(.., part)| part.clone()).collect();
    let mut rows: Vec<u32> = best.into_iter().flat_map(|(_, rows, _)| rows).collect();
    rows.sort_unstable();
    let minutes = counts::by_minute(frame, &rows).into_keys().collect();
    let why = format!("{}; {}, where it differs most", reference.why, parts.join(" and "));
    Reference { rows, minutes, of: reference.of, why }
}

/// The part of a side that lies farthest from the window: so many of its sixths.
fn part_of(frame: &Frame, rows: &[u32], part: usize, before: bool) -> Vec<u32> {
    let begins: BTreeSet<i64> = rows.iter().map(|row| frame.began(*row)).collect();
    let begins: Vec<f64> = begins.into_iter().map(|began| began as f64).collect();
    if begins.is_empty() || part == PARTS {
        return rows.to_vec();
    }
    let share = part as f64 / PARTS as f64;
    let edge = quantile(&begins, if before { share } else { 1.0 - share });
    let inside = |row: &u32| {
        let began = frame.began(*row) as f64;
        if before { began <= edge } else { began >= edge }
    };
    rows.iter().copied().filter(inside).collect()
}
