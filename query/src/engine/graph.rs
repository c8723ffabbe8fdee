//! The graph of services: who calls whom.
//!
//! Where edges come from:
//! - *Between services*: from spans, joined when asked. A server span whose parent is a stored span of another
//!   service, or a client span, is a call; a consumer span whose parent, or a span it links to, is stored is an `async`
//!   edge. Exact for the spans that are joined: the newest whole minutes of the range that hold [`JOINED_MAX`] spans
//!   at most. Where that is not the whole range, `partial` says from when on.
//! - *To databases, queues and outside hosts*: from `red`, by the peer of client and producer spans. Exact for the
//!   whole range, by whole minutes. A peer of which most joined spans have a stored server span is a service
//!   and stands in the edges above, under the name it gives itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, RecordBatch};
use model::{Predicate, Signal, TimeRange, UnixNanos};
use storage::{Control, PEER_COLUMNS, Peers, Scan, Snapshot, Word, Words};

use super::calls::{Calls, SUMS, Sums, covered};
use super::{Graph, stats};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::{Edge, Node, Partial};

/// How many spans are joined at most.
pub(super) const JOINED_MAX: usize = 500_000;
/// Bytes that a joined span is taken to need.
pub(super) const JOINED_BYTES: usize = 96;
/// How many links of a span are followed.
const LINKS_MAX: usize = 32;
/// How many pairs of service and peer are told apart.
const PEERS_MAX: usize = 20_000;
/// A peer is a service if more than this share of its calls have a stored server span.
const RESOLVED_SHARE: f64 = 0.5;

const SERVICE: &str = "service";
const CALL: &str = "call";
const ASYNC: &str = "async";

/// The columns of spans that are joined, besides those that say whom they call.
const SPAN_COLUMNS: [&str; 9] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "service_name",
    "kind",
    "status_code",
    "duration_ns",
    "weight",
    "links",
];

/// The most calls away from a service that its surroundings reach.
pub const HOPS_MAX: usize = 3;

/// Which part of the graph is asked for.
#[derive(Debug, Clone, Default)]
pub struct GraphQuestion {
    /// Which times.
    pub range: TimeRange,
    /// Around which service; everything without one.
    pub service: Option<String>,
    /// How many calls away from it, either way; 1 to [`HOPS_MAX`].
    pub hops: usize,
}

impl GraphQuestion {
    /// Refuses a distance that is none.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        match self.service.is_none() || (1..=HOPS_MAX).contains(&self.hops) {
            true => Ok(()),
            false => Err(QueryError::invalid(format!("hops is {}, and 1 to {HOPS_MAX}", self.hops))),
        }
    }
}

impl Graph {
    /// What is around the service that a question names: every node that so many edges lead to, in either direction,
    /// and the edges between them.
    pub(super) fn around(mut self, question: &GraphQuestion) -> Result<Self, QueryError> {
        let Some(service) = question.service.as_deref() else { return Ok(self) };
        if self.nodes.iter().all(|node| node.name != service) {
            let message = format!("no call of or to a service {service:?} is stored in this time");
            return Err(QueryError::NotFound(message));
        }
        let mut near = BTreeSet::from([service.to_owned()]);
        for _ in 0..question.hops {
            let beside =
                self.edges.iter().filter(|edge| near.contains(&edge.from) || near.contains(&edge.to));
            let beside: Vec<String> = beside.flat_map(|edge| [edge.from.clone(), edge.to.clone()]).collect();
            near.extend(beside);
        }
        self.nodes.retain(|node| near.contains(&node.name));
        self.edges.retain(|edge| near.contains(&edge.from) && near.contains(&edge.to));
        Ok(self)
    }
}

/// Trace and span.
type Id = ([u8; 16], [u8; 8]);
/// From, to, kind.
type Edges = BTreeMap<(String, String, &'static str), Calls>;

/// A span that others may stand below.
struct Parent {
    service: Word,
    /// Whom it calls, if it is a client or producer and says so.
    peer: Option<Word>,
    calls: bool,
    /// Whether a server or consumer span stands below it.
    resolved: bool,
}

/// A server or consumer span.
struct Child {
    above: Vec<Id>,
    service: Word,
    kind: &'static str,
    failed: bool,
    weight: f64,
    duration: i64,
}

pub(super) fn graph(snapshot: &Snapshot, range: TimeRange, control: &Control) -> Result<Graph, QueryError> {
    let begun = Instant::now();
    let mut rolled_up = RolledUp::default();
    let columns = [&["time", "service_name", "kind", "peer", "peer_type"], &SUMS[..]].concat();
    let mut cost =
        snapshot.red(range, &Predicate::All, &columns, control, &mut |rows| rolled_up.add(rows))?;
    let window = rolled_up.window(range.whole_minutes());
    let mut join = Join::default();
    let columns = [&SPAN_COLUMNS[..], &PEER_COLUMNS].concat();
    let scan = Scan { signal: Signal::Spans, range: window, predicate: Predicate::All };
    let joined = snapshot.visit_packed(&scan, &columns, control, &mut |rows, mask| join.add(rows, mask))?;
    (cost.rows, cost.bytes, cost.opened) =
        (cost.rows + joined.rows, cost.bytes + joined.bytes, cost.opened + joined.opened);
    cost.timed_out |= joined.timed_out;
    let mut stats = stats(cost, begun)?;
    let cut = (window != range.whole_minutes()).then_some(window.from).flatten();
    if let (None, true) = (&stats.partial, cut.is_some() || join.is_full()) {
        let reason = format!("calls between services are read from {JOINED_MAX} spans at most");
        let covered_from = cut.map(|from| from.0);
        stats.partial = Some(Partial { reason, covered_from, covered_to: None });
    }
    if rolled_up.overflowed && stats.partial.is_none() {
        let reason = format!("more than {PEERS_MAX} peers");
        stats.partial = Some(Partial { reason, covered_from: None, covered_to: None });
    }
    let mut edges = Edges::new();
    let resolved = join.finish(&mut edges);
    let nodes = rolled_up.finish(&resolved, &mut edges);
    Ok(Graph { nodes, edges: listed(edges), range: covered(snapshot, range), stats })
}

/// Edges by calls, most first.
fn listed(edges: Edges) -> Vec<Edge> {
    let edge = |((from, to, kind), calls): ((String, String, &str), Calls)| Edge {
        from,
        to,
        kind: kind.to_owned(),
        calls: calls.calls,
        errors: calls.errors,
        p95_ns: calls.quantile(0.95),
    };
    let mut edges: Vec<Edge> = edges.into_iter().map(edge).collect();
    edges.sort_by(|a, b| b.calls.total_cmp(&a.calls));
    edges
}

/// What `red` knows of services and their peers.
#[derive(Default)]
struct RolledUp {
    services: BTreeSet<String>,
    /// Spans by minute.
    minutes: BTreeMap<i64, f64>,
    /// By service, peer and the peer's type.
    peers: BTreeMap<(String, String, String), Calls>,
    overflowed: bool,
}

impl RolledUp {
    fn add(&mut self, rows: &RecordBatch) -> storage::Result<()> {
        let columns = Columns(rows);
        let (services, peers, types) =
            (columns.texts("service_name"), columns.texts("peer"), columns.texts("peer_type"));
        let sums = Sums::of(rows)?;
        for row in 0..rows.num_rows() {
            let service = services.get(row).unwrap_or_default();
            if !self.services.contains(service) {
                self.services.insert(service.to_owned());
            }
            let mut calls = Calls::default();
            calls.add(&sums, row)?;
            *self.minutes.entry(columns.time("time", row).unwrap_or(0)).or_default() += calls.calls;
            let (Some(peer), Some(kind)) = (peers.get(row), types.get(row)) else { continue };
            let key = (service.to_owned(), peer.to_owned(), kind.to_owned());
            match self.peers.len() < PEERS_MAX || self.peers.contains_key(&key) {
                true => self.peers.entry(key).or_default().merge(&calls),
                false => self.overflowed = true,
            }
        }
        Ok(())
    }

    /// The newest whole minutes of the range that have few enough spans to be joined.
    fn window(&self, range: TimeRange) -> TimeRange {
        let mut spans = 0.0;
        let over = self.minutes.iter().rev().find(|(_, count)| {
            spans += **count;
            spans > JOINED_MAX as f64
        });
        let Some((minute, _)) = over else { return range };
        // One minute at least, even if it is too many.
        let after = self.minutes.range(minute + 1..).next().map_or(*minute, |(next, _)| *next);
        TimeRange { from: Some(UnixNanos(after)), ..range }
    }

    /// Adds edges to what is no service, and names all nodes.
    fn finish(self, resolved: &HashMap<(String, String), f64>, edges: &mut Edges) -> Vec<Node> {
        let mut nodes: BTreeSet<(String, String)> =
            self.services.iter().map(|name| (name.clone(), SERVICE.to_owned())).collect();
        nodes.extend(
            edges.keys().flat_map(|(from, to, _)| [from, to].map(|name| (name.clone(), SERVICE.to_owned()))),
        );
        for ((from, peer, mut kind), calls) in self.peers {
            let asked = matches!(kind.as_str(), "service" | "external");
            let share = resolved.get(&(from.clone(), peer.clone())).copied().unwrap_or(0.0);
            if asked && share > RESOLVED_SHARE {
                continue;
            }
            if asked && self.services.contains(&peer) {
                kind = SERVICE.to_owned();
            }
            let how = if kind == "queue" { ASYNC } else { CALL };
            let key = (from, peer.clone(), how);
            // Calls to a service that the join knows already.
            if kind == SERVICE && edges.contains_key(&key) {
                continue;
            }
            nodes.insert((peer, kind));
            edges.entry(key).or_default().merge(&calls);
        }
        nodes.into_iter().map(|(name, kind)| Node { name, kind }).collect()
    }
}

/// Spans on their way to be joined.
#[derive(Default)]
struct Join {
    words: Words,
    parents: HashMap<Id, Parent>,
    children: Vec<Child>,
    left_out: bool,
}

impl Join {
    fn is_full(&self) -> bool {
        self.left_out
    }

    fn add(&mut self, rows: &RecordBatch, mask: &BooleanArray) -> storage::Result<()> {
        let columns = Columns(rows);
        let mut peers = Peers::new(rows)?;
        let (traces, spans, above) =
            (columns.ids("trace_id"), columns.ids("span_id"), columns.ids("parent_span_id"));
        let (services, kinds, statuses) =
            (columns.texts("service_name"), columns.texts("kind"), columns.texts("status_code"));
        let (weights, links) = (columns.doubles("weight"), columns.lists("links"));
        let (Some(traces), Some(spans)) = (traces, spans) else { return Ok(()) };
        for row in mask.values().set_indices() {
            let Some(id) = id(traces.value(row), spans.value(row)) else { continue };
            if self.parents.len() >= JOINED_MAX {
                self.left_out = true;
                return Ok(());
            }
            let service = self.words.number(services.get(row).unwrap_or_default());
            let kind = kinds.get(row).unwrap_or_default();
            let calls = matches!(kind, "client" | "producer");
            let peer = peers.peer(row, &mut self.words).map(|peer| peer.name);
            self.parents.insert(id, Parent { service, peer, calls, resolved: false });
            let kind = match kind {
                "server" => CALL,
                "consumer" => ASYNC,
                _ => continue,
            };
            let parent = above.filter(|above| above.is_valid(row));
            let parent = parent.and_then(|above| Some((id.0, above.value(row).try_into().ok()?)));
            let above: Vec<Id> = parent.into_iter().chain(linked(links, row)).collect();
            if !above.is_empty() {
                let weight = weights.map_or(1.0, |weights| weights.value(row));
                let failed = statuses.get(row) == Some("error");
                let duration = columns.int("duration_ns", row).unwrap_or(-1);
                self.children.push(Child { above, service, kind, failed, weight, duration });
            }
        }
        Ok(())
    }

    /// Adds edges between services. Returns which share of the calls of a service to a peer has a server span.
    fn finish(mut self, edges: &mut Edges) -> HashMap<(String, String), f64> {
        let name = |words: &Words, word| words.text(word).unwrap_or_default().to_owned();
        for child in &self.children {
            let mut from = BTreeSet::new();
            for id in &child.above {
                let Some(parent) = self.parents.get_mut(id) else { continue };
                parent.resolved = true;
                if parent.calls || parent.service != child.service {
                    from.insert(parent.service);
                }
            }
            for from in from {
                let key = (name(&self.words, from), name(&self.words, child.service), child.kind);
                let calls = edges.entry(key).or_default();
                calls.calls += child.weight;
                calls.errors += if child.failed { child.weight } else { 0.0 };
                calls.durations.add(child.duration, child.weight);
            }
        }
        let mut shares: HashMap<(Word, Word), (f64, f64)> = HashMap::new();
        for parent in self.parents.values() {
            let Some(peer) = parent.peer else { continue };
            let share = shares.entry((parent.service, peer)).or_default();
            *share = (share.0 + f64::from(u8::from(parent.resolved)), share.1 + 1.0);
        }
        let shares = shares.into_iter().map(|((service, peer), (resolved, all))| {
            ((name(&self.words, service), name(&self.words, peer)), resolved / all)
        });
        shares.collect()
    }
}

fn id(trace: &[u8], span: &[u8]) -> Option<Id> {
    Some((trace.try_into().ok()?, span.try_into().ok()?))
}

/// The spans that one links to.
fn linked(links: Option<&ListArray>, row: usize) -> Vec<Id> {
    let Some(items) = crate::columns::items(links, row) else { return Vec::new() };
    let ids = |name: &str| items.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt());
    let (Some(traces), Some(spans)) = (ids("trace_id"), ids("span_id")) else { return Vec::new() };
    let both = (0..items.len()).filter(|at| traces.is_valid(*at) && spans.is_valid(*at));
    both.take(LINKS_MAX).filter_map(|at| id(traces.value(at), spans.value(at))).collect()
}

#[cfg(test)]
mod tests;
