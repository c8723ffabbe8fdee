//! Parts of a search that ask about other rows, answered and put back as sets: joins as ids of traces, chains of
//! spans as rows.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use model::predicate::RowKey;
use model::{Chain, Predicate, Signal, TimeRange, TraceId, TraceSet};
use storage::{Control, Scan};

use super::chains;
use super::work::{Rounds, Work, around};
use crate::columns::Columns;
use crate::error::QueryError;

/// The most traces that a join finds.
pub(super) const JOIN_TRACES_MAX: usize = 100_000;
/// What such an id is taken to need in bytes, while it is collected and looked up.
const ID_BYTES: usize = 64;
/// A set of spans is looked for first if it is in so few traces.
const PROBE_TRACES_MAX: usize = 10_000;
/// How long all such looks of a question may take together.
const PROBE_TIME: Duration = Duration::from_millis(300);

/// How many rows are wanted of a search, the newest before a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub(super) rows: usize,
    pub(super) before: Option<RowKey>,
}

/// A predicate that a row alone decides. With `need` it is only right for so many of the newest rows that match.
pub(super) fn resolved(
    work: &mut Work<'_>,
    signal: Signal,
    range: TimeRange,
    predicate: &Predicate,
    need: Option<Need>,
) -> Result<Predicate, QueryError> {
    if predicate.is_of_one_row() {
        return Ok(predicate.clone());
    }
    let predicate = joined(work, predicate, range)?;
    if signal != Signal::Spans || !predicate.has_chain() {
        return Ok(predicate);
    }
    let mut chains = Chains { range, probes_end: Instant::now() + PROBE_TIME };
    chains.found(work, &predicate, &[], need)
}

/// The predicate with the ids of the traces that its joins find.
pub(super) fn joined(
    work: &mut Work<'_>,
    predicate: &Predicate,
    range: TimeRange,
) -> Result<Predicate, QueryError> {
    let mut all = |parts: &[Predicate]| -> Result<Vec<Predicate>, QueryError> {
        parts.iter().map(|part| joined(work, part, range)).collect()
    };
    Ok(match predicate {
        Predicate::And(parts) => Predicate::And(all(parts)?),
        Predicate::Or(parts) => Predicate::Or(all(parts)?),
        Predicate::Not(part) => Predicate::Not(Box::new(joined(work, part, range)?)),
        Predicate::Chain(Chain { first, steps }) => Predicate::Chain(Chain {
            first: Box::new(joined(work, first, range)?),
            steps: steps
                .iter()
                .map(|(kinship, set)| Ok((*kinship, joined(work, set, range)?)))
                .collect::<Result<_, QueryError>>()?,
        }),
        Predicate::TraceIn(TraceSet::Of(signal, asked)) => {
            let range = around(range);
            let asked = resolved(work, *signal, range, asked, None)?;
            let scan = Scan { signal: *signal, range, predicate: asked };
            let (ids, whole) = traces_of(work, &scan, JOIN_TRACES_MAX, None)?;
            if !whole {
                work.cut(format!("a join found more than {JOIN_TRACES_MAX} traces: narrow its search"), None);
            }
            Predicate::TraceIn(TraceSet::Ids(ids.into_iter().collect()))
        }
        other => other.clone(),
    })
}

/// The traces of the rows that match, at most so many, and whether these are all. With a control of its own it
/// may end early without the question being late.
fn traces_of(
    work: &mut Work<'_>,
    scan: &Scan,
    most: usize,
    control: Option<&Control>,
) -> Result<(BTreeSet<TraceId>, bool), QueryError> {
    let mut memory = work.memory()?;
    let mut ids: BTreeSet<TraceId> = BTreeSet::new();
    let mut failed = None;
    let read =
        work.snapshot.visit_while(scan, &["trace_id"], control.unwrap_or(work.control), &mut |rows| {
            let before = ids.len();
            let found = Columns(rows).ids("trace_id").into_iter().flatten().flatten();
            ids.extend(found.filter_map(TraceId::from_bytes));
            if let Err(error) = memory.hold((ids.len() - before) * ID_BYTES) {
                failed = Some(error);
                return Ok(ControlFlow::Break(()));
            }
            Ok(if ids.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    let whole = !read.timed_out && ids.len() <= most;
    work.count(storage::ScanStats { timed_out: read.timed_out && control.is_none(), ..read });
    while ids.len() > most {
        ids.pop_last();
    }
    match failed {
        Some(error) => Err(error),
        None => Ok((ids, whole)),
    }
}

/// The traces that have a span of every one of these sets, if they are few enough to be found at once.
pub(super) fn few_traces<'p>(
    work: &mut Work<'_>,
    sets: impl Iterator<Item = &'p Predicate>,
    until: Instant,
) -> Result<Option<Predicate>, QueryError> {
    let mut few: Option<BTreeSet<TraceId>> = None;
    for set in sets.filter(|set| **set != Predicate::All) {
        let deadline = until.min(work.control.deadline);
        if Instant::now() >= deadline {
            break;
        }
        let control = Control { deadline, ..work.control.clone() };
        let scan = Scan { signal: Signal::Spans, range: TimeRange::ALL, predicate: set.clone() };
        let (ids, whole) = traces_of(work, &scan, PROBE_TRACES_MAX, Some(&control))?;
        if whole {
            few = Some(match few {
                Some(before) => before.intersection(&ids).copied().collect(),
                None => ids,
            });
        }
        if few.as_ref().is_some_and(BTreeSet::is_empty) {
            break;
        }
    }
    Ok(few.map(|ids| Predicate::TraceIn(TraceSet::Ids(ids.into_iter().collect()))))
}

/// When looks for few traces that begin now have to end.
pub(super) fn probes_end() -> Instant {
    Instant::now() + PROBE_TIME
}

/// Puts rows in the place of chains.
struct Chains {
    range: TimeRange,
    probes_end: Instant,
}

impl Chains {
    /// A predicate without chains that says the same of the rows in which `context` holds. With `need` it is only
    /// right for so many of the newest rows.
    fn found(
        &mut self,
        work: &mut Work<'_>,
        predicate: &Predicate,
        context: &[Predicate],
        need: Option<Need>,
    ) -> Result<Predicate, QueryError> {
        if !predicate.has_chain() {
            return Ok(predicate.clone());
        }
        Ok(match predicate {
            Predicate::Or(parts) => {
                let parts = parts.iter().map(|part| self.found(work, part, context, need));
                Predicate::Or(parts.collect::<Result<_, _>>()?)
            }
            Predicate::And(parts) => self.all(work, parts, context, need)?,
            Predicate::Not(part) => Predicate::Not(Box::new(self.found(work, part, context, None)?)),
            Predicate::Chain(chain) => self.rows(work, chain, context, need)?,
            other => other.clone(),
        })
    }

    fn all(
        &mut self,
        work: &mut Work<'_>,
        parts: &[Predicate],
        context: &[Predicate],
        need: Option<Need>,
    ) -> Result<Predicate, QueryError> {
        let (chains, mut done): (Vec<Predicate>, Vec<Predicate>) =
            parts.iter().cloned().partition(Predicate::has_chain);
        let count = chains.len();
        for (at, part) in chains.iter().enumerate() {
            // Of the last one the newest rows are enough: all others are known by then.
            let need = need.filter(|_| at + 1 == count);
            let context: Vec<Predicate> = context.iter().chain(&done).cloned().collect();
            let found = self.found(work, part, &context, need)?;
            done.insert(0, found);
        }
        Ok(Predicate::And(done))
    }

    /// The rows at the end of a chain.
    fn rows(
        &mut self,
        work: &mut Work<'_>,
        chain: &Chain,
        context: &[Predicate],
        need: Option<Need>,
    ) -> Result<Predicate, QueryError> {
        let few = few_traces(work, chain.sets().take(chain.steps.len()), self.probes_end)?;
        let conjuncts = few.into_iter().chain(context.iter().cloned());
        let predicate = conjuncts.fold(chain.last().clone(), |all, part| part.and(all));
        let scan = Scan { signal: Signal::Spans, range: self.range, predicate };
        let mut rounds = Rounds::new(scan, need.and_then(|need| need.before));
        let mut memory = work.memory()?;
        let mut seqs = Vec::new();
        loop {
            let candidates = rounds.next(work)?;
            if candidates.is_empty() {
                break;
            }
            let ends = chains::ends(work, chain, &candidates)?;
            memory.hold(ends.len() * size_of::<i64>())?;
            seqs.extend(ends.iter().map(|end| end.key.seq));
            if need.is_some_and(|need| seqs.len() >= need.rows) || work.is_late() {
                break;
            }
        }
        seqs.sort_unstable();
        seqs.dedup();
        Ok(Predicate::Rows(seqs.into()))
    }
}
