//! Chains of spans: which spans stand below which.
//!
//! A chain is decided trace by trace. Of a few traces at a time, the spans of every set are read, and for `>>` also
//! which span is whose parent; then the sets are walked from the uppermost down. Parents that are not stored end a
//! walk, and so do circles.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use model::{Chain, Kinship, Predicate, Signal, TraceId, TraceSet};

use super::work::{Candidate, Memory, PLACE_COLUMNS, Work, in_traces, places};
use crate::error::QueryError;

/// The most spans that are held at once to decide chains.
const SPANS_MAX: usize = 1_000_000;
/// What a span that is held is taken to need in bytes: itself, and its entry in a table.
const SPAN_BYTES: usize = 64;

/// A span by the number of its trace and its id.
type Name = (u32, u64);

/// Traces by numbers of their own.
pub(super) struct Traces {
    numbers: HashMap<[u8; 16], u32>,
    ids: Vec<TraceId>,
    /// Those that can still hold a chain.
    alive: Vec<bool>,
}

impl Traces {
    pub(super) fn new(ids: impl IntoIterator<Item = [u8; 16]>) -> Self {
        let mut traces = Self { numbers: HashMap::new(), ids: Vec::new(), alive: Vec::new() };
        for id in ids {
            let number = traces.ids.len() as u32;
            if *traces.numbers.entry(id).or_insert(number) == number {
                traces.ids.push(TraceId(id));
                traces.alive.push(true);
            }
        }
        traces
    }

    fn number(&self, id: &[u8; 16]) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The ids that are left, in ascending order.
    pub(super) fn left(&self) -> Arc<[TraceId]> {
        let ids = self.ids.iter().zip(&self.alive).filter(|(_, alive)| **alive);
        let mut ids: Vec<TraceId> = ids.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.into()
    }

    fn keep(&mut self, with: impl Iterator<Item = u32>) {
        let mut kept = vec![false; self.alive.len()];
        with.for_each(|number| kept[number as usize] = self.alive[number as usize]);
        self.alive = kept;
    }
}

/// A span of a set.
#[derive(Debug, Clone, Copy)]
struct Member {
    name: Name,
    /// The id of its parent; 0 at a root.
    parent: u64,
}

/// Why the traces of a chain could not be decided at once.
enum Stop {
    /// They have more spans than are held at once.
    TooMany,
    Error(QueryError),
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Self::Error(error)
    }
}

/// Those of these spans, which match the last set of a chain, that end the chain.
pub(super) fn ends(
    work: &mut Work<'_>,
    chain: &Chain,
    last: &[Candidate],
) -> Result<Vec<Candidate>, QueryError> {
    let mut found = Vec::new();
    in_parts(work, last, &mut |work, last| {
        found.extend(ends_at_once(work, chain, last)?);
        Ok(())
    })?;
    Ok(found)
}

/// Those of these traces that have a span at the end of a chain.
pub(super) fn traces_with(
    work: &mut Work<'_>,
    chain: &Chain,
    ids: &[TraceId],
) -> Result<HashSet<[u8; 16]>, QueryError> {
    let mut found = HashSet::new();
    in_parts(work, ids, &mut |work, ids| {
        let mut traces = Traces::new(ids.iter().map(|id| id.0));
        let mut memory = work.memory()?;
        let last = members(work, chain.last(), &mut traces, &mut memory)?;
        if let Some(above) = Above::read(work, chain, &mut traces, &mut memory)? {
            let ends = above.walk(chain, last.into_iter()).into_iter();
            found.extend(ends.map(|(trace, _)| traces.ids[trace as usize].0));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Decides some of the items at once.
type Decide<'a, T> = dyn FnMut(&mut Work<'_>, &[T]) -> Result<(), Stop> + 'a;

/// Decides all of `items`, and where they are too many at once, one half after the other.
fn in_parts<T>(work: &mut Work<'_>, items: &[T], decide: &mut Decide<'_, T>) -> Result<(), QueryError> {
    let mut parts = vec![items];
    while let Some(part) = parts.pop() {
        if part.is_empty() || work.is_late() {
            continue;
        }
        match decide(work, part) {
            Ok(()) => {}
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::TooMany) if part.len() > 1 => {
                let (newer, older) = part.split_at(part.len() / 2);
                parts.extend([older, newer]);
            }
            Err(Stop::TooMany) => {
                work.cut(
                    format!("a trace of a chain has more than {SPANS_MAX} spans, or than fit in memory"),
                    None,
                );
            }
        }
    }
    Ok(())
}

fn ends_at_once(work: &mut Work<'_>, chain: &Chain, last: &[Candidate]) -> Result<Vec<Candidate>, Stop> {
    let mut traces = Traces::new(last.iter().map(|candidate| candidate.trace));
    let mut memory = work.memory()?;
    let Some(above) = Above::read(work, chain, &mut traces, &mut memory)? else { return Ok(Vec::new()) };
    let member = |candidate: &Candidate| {
        let trace = traces.number(&candidate.trace)?;
        Some(Member { name: (trace, candidate.span), parent: candidate.parent })
    };
    let found = above.walk(chain, last.iter().filter_map(member));
    let ends = |candidate: &&Candidate| {
        traces.number(&candidate.trace).is_some_and(|trace| found.contains(&(trace, candidate.span)))
    };
    Ok(last.iter().filter(ends).copied().collect())
}

/// What stands above the last set of a chain.
struct Above {
    /// The spans of each set but the last.
    sets: Vec<Vec<Member>>,
    /// The parent of every span, where ancestors are asked for.
    parents: HashMap<Name, u64>,
}

impl Above {
    /// Reads the sets of some traces. `None` if none of these has a span of every set.
    fn read(
        work: &mut Work<'_>,
        chain: &Chain,
        traces: &mut Traces,
        memory: &mut Memory,
    ) -> Result<Option<Self>, Stop> {
        let mut sets = Vec::with_capacity(chain.steps.len());
        for set in chain.sets().take(chain.steps.len()) {
            if !traces.alive.contains(&true) {
                return Ok(None);
            }
            sets.push(members(work, set, traces, memory)?);
        }
        if !traces.alive.contains(&true) {
            return Ok(None);
        }
        let mut parents = HashMap::new();
        if chain.steps.iter().any(|(kinship, _)| *kinship == Kinship::Descendant) {
            let everyone = members(work, &Predicate::All, traces, memory)?;
            parents.extend(everyone.into_iter().map(|span| (span.name, span.parent)));
        }
        Ok(Some(Self { sets, parents }))
    }

    /// The spans at the end of the chain, of those of its last set.
    fn walk(&self, chain: &Chain, last: impl Iterator<Item = Member>) -> HashSet<Name> {
        let mut sets = self.sets.iter();
        let first = sets.next().into_iter().flatten().map(|span| span.name);
        if chain.steps.is_empty() {
            return last.map(|span| span.name).collect();
        }
        let mut found: HashSet<Name> = first.collect();
        let steps = chain.steps.len();
        let mut last = Some(last);
        for (at, (kinship, _)) in chain.steps.iter().enumerate() {
            found = match sets.next() {
                Some(set) if at + 1 < steps => self.below(&found, *kinship, set.iter().copied()),
                _ => match last.take() {
                    Some(last) => self.below(&found, *kinship, last),
                    None => HashSet::new(),
                },
            };
        }
        found
    }

    /// The spans that stand below one of `upper`.
    fn below(
        &self,
        upper: &HashSet<Name>,
        kinship: Kinship,
        spans: impl Iterator<Item = Member>,
    ) -> HashSet<Name> {
        let mut known = HashMap::new();
        let mut stands = |span: &Member| match kinship {
            Kinship::Child => span.parent != 0 && upper.contains(&(span.name.0, span.parent)),
            Kinship::Descendant => {
                span.parent != 0 && self.reaches((span.name.0, span.parent), upper, &mut known)
            }
        };
        spans.filter(|span| stands(span)).map(|span| span.name).collect()
    }

    /// Whether a span or one above it is one of `upper`. What was found on the way is remembered, so that the walks
    /// of a trace together pass every span once.
    fn reaches(&self, from: Name, upper: &HashSet<Name>, known: &mut HashMap<Name, bool>) -> bool {
        let mut path = Vec::new();
        let mut at = from;
        let reached = loop {
            if let Some(reached) = known.get(&at) {
                break *reached;
            }
            if upper.contains(&at) {
                break true;
            }
            // Until it is known, a span that comes round again leads nowhere new.
            known.insert(at, false);
            path.push(at);
            match self.parents.get(&at) {
                Some(parent) if *parent != 0 => at = (at.0, *parent),
                _ => break false,
            }
        };
        path.into_iter().for_each(|span| {
            known.insert(span, reached);
        });
        reached
    }
}

/// The spans of a set in the traces that are left. Traces without one drop out.
fn members(
    work: &mut Work<'_>,
    set: &Predicate,
    traces: &mut Traces,
    memory: &mut Memory,
) -> Result<Vec<Member>, Stop> {
    let scan = in_traces(Signal::Spans, TraceSet::Ids(traces.left()), set);
    let mut found: Vec<Member> = Vec::new();
    let mut too_many = false;
    work.visit(&scan, &PLACE_COLUMNS, |rows| {
        too_many =
            found.len() + rows.num_rows() > SPANS_MAX || memory.hold(rows.num_rows() * SPAN_BYTES).is_err();
        if too_many {
            return Ok(ControlFlow::Break(()));
        }
        let of = |(_, trace, span, parent): (usize, [u8; 16], u64, u64)| {
            Some(Member { name: (traces.number(&trace)?, span), parent })
        };
        found.extend(places(rows).filter_map(of));
        Ok(ControlFlow::Continue(()))
    })?;
    if too_many {
        return Err(Stop::TooMany);
    }
    traces.keep(found.iter().map(|span| span.name.0));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans as `id parent sets`, sets being letters; a chain as `A>B>>C`; the ids that end it.
    fn check(spans: &[(u64, u64, &str)], chain: &str, expected: &[u64]) {
        let mut kinships = Vec::new();
        let mut sets = Vec::new();
        for part in chain.split('>') {
            match part {
                "" => kinships.pop().map(|_| kinships.push(Kinship::Descendant)).unwrap(),
                set => {
                    sets.push(set);
                    kinships.push(Kinship::Child);
                }
            }
        }
        kinships.pop();
        let members = |set: &str| -> Vec<Member> {
            let of = spans.iter().filter(|(.., sets)| set == "*" || sets.contains(set));
            of.map(|(id, parent, _)| Member { name: (0, *id), parent: *parent }).collect()
        };
        let steps = kinships.into_iter().map(|kinship| (kinship, Predicate::All)).collect();
        let chain_of = Chain { first: Box::new(Predicate::All), steps };
        let (last, above) = sets.split_last().unwrap();
        let above = Above {
            sets: above.iter().map(|set| members(set)).collect(),
            parents: members("*").into_iter().map(|span| (span.name, span.parent)).collect(),
        };
        let mut found: Vec<u64> =
            above.walk(&chain_of, members(last).into_iter()).into_iter().map(|name| name.1).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{chain}");
    }

    #[test]
    fn chains_are_walked_from_the_top() {
        // 1 has 2 and 3; 2 has 4; 4 has 5. 6 hangs on a span that is not stored.
        let spans = [(1, 0, "A"), (2, 1, "B"), (3, 1, "BC"), (4, 2, "A"), (5, 4, "BC"), (6, 99, "ABC")];
        let cases: [(&str, &[u64]); 12] = [
            ("A", &[1, 4, 6]),
            ("A>B", &[2, 3, 5]),
            ("A>>B", &[2, 3, 5]),
            ("B>A", &[4]),
            ("A>>C", &[3, 5]),
            ("B>>C", &[5]),
            ("B>C", &[]),
            ("A>B>A", &[4]),
            ("A>B>A>C", &[5]),
            ("A>B>>C", &[5]),
            ("A>>A>>B", &[5]),
            ("C>*", &[]),
        ];
        for (chain, expected) in cases {
            check(&spans, chain, expected);
        }
    }

    #[test]
    fn circles_and_missing_parents_end_a_walk() {
        // 1 and 2 are each other's parents, 3 hangs below them, 4 on nothing that is stored.
        let spans = [(1, 2, "B"), (2, 1, "B"), (3, 2, "B"), (4, 77, "B"), (5, 0, "A")];
        check(&spans, "A>>B", &[]);
        check(&spans, "B>>B", &[1, 2, 3]);
        let spans = [(1, 2, "A"), (2, 1, "B"), (3, 2, "B")];
        check(&spans, "A>>B", &[2, 3]);
    }

    #[test]
    fn a_very_deep_trace_is_walked_without_recursion() {
        let deep: Vec<(u64, u64, &str)> =
            (1..=200_000).map(|id| (id, id - 1, if id == 1 { "A" } else { "" })).collect();
        let mut spans = deep;
        spans.push((300_000, 200_000, "B"));
        check(&spans, "A>>B", &[300_000]);
    }
}
