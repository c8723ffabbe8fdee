//! A trace against a trace: both as trees of operations, laid over one another.
//!
//! A *path* is what leads from a root to a span: service, name and kind of each span on the way. Spans of one path count
//! together, so that a loop which ran twice is set against one which ran ten times. Walks are loops: depth costs memory
//! and never the stack.

use std::collections::HashMap;

use model::TraceId;
use serde::{Deserialize, Serialize};
use storage::{Control, Snapshot};

use super::traces;
use crate::error::QueryError;
use crate::rows::{Span, Trace};

/// A path is slower or faster if its time differs by more than this share of the larger one …
const DIFFERENT_SHARE: f64 = 0.1;
/// … and by more than so many nanoseconds.
const DIFFERENT_NS: i64 = 100_000;

/// Two traces laid over one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// The trace that is looked at.
    pub left: TraceSide,
    /// The one that it is compared with.
    pub right: TraceSide,
    /// Paths depth first, children in order of their first start.
    pub paths: Vec<PathRow>,
}

/// One of the two traces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSide {
    /// The trace.
    pub trace_id: String,
    /// Service and name of its root, or of its first span.
    pub root: Option<(String, String)>,
    /// From its first start to its last end.
    pub duration_ns: i64,
    /// Its spans.
    pub spans: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// What a reader should know of it.
    pub warnings: Vec<String>,
}

/// A path of operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathRow {
    /// How many operations lead to it.
    pub depth: usize,
    /// Service of its last span.
    pub service: String,
    /// Name of its last span.
    pub name: String,
    /// Kind of its last span.
    pub kind: String,
    /// Its spans in the left trace; null where it has none.
    pub left: Option<PathSpans>,
    /// Its spans in the right trace.
    pub right: Option<PathSpans>,
    /// `added` (left only), `missing` (right only), `slower`, `faster` or `same`.
    pub state: String,
    /// Time in the left trace less that in the right.
    pub difference_ns: i64,
}

/// The spans of a path in one trace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PathSpans {
    /// How many.
    pub count: u64,
    /// Their durations together.
    pub total_ns: i64,
    /// How many failed.
    pub errors: u64,
    /// The first of them.
    pub span_id: String,
    /// When that began, from the start of its trace.
    pub start_ns: i64,
}

pub(super) fn traces(
    snapshot: &Snapshot,
    left: TraceId,
    right: TraceId,
    control: &Control,
) -> Result<Alignment, QueryError> {
    let (left, right) = (traces::one(snapshot, left, control)?, traces::one(snapshot, right, control)?);
    Ok(aligned(&left, &right))
}

/// A path while both traces are laid over one another.
struct Node<'a> {
    depth: usize,
    key: Key<'a>,
    children: Vec<usize>,
    sides: [Option<PathSpans>; 2],
}

/// Service, name and kind.
type Key<'a> = (&'a str, &'a str, &'a str);

#[derive(Default)]
struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// By the path above, `usize::MAX` at a root, and the operation.
    places: HashMap<(usize, Key<'a>), usize>,
    roots: Vec<usize>,
}

/// Lays two traces over one another.
fn aligned(left: &Trace, right: &Trace) -> Alignment {
    let mut tree = Tree::default();
    tree.add(left, 0);
    tree.add(right, 1);
    Alignment { left: side(left), right: side(right), paths: tree.rows() }
}

impl<'a> Tree<'a> {
    /// Adds the spans of a trace, from its roots on. What stands in a circle begins at its first span.
    fn add(&mut self, trace: &'a Trace, side: usize) {
        let (children, roots) = below(&trace.spans);
        let mut seen = vec![false; trace.spans.len()];
        let mut stack = Vec::new();
        for first in roots.into_iter().chain(0..trace.spans.len()) {
            stack.push((first, usize::MAX));
            while let Some((at, above)) = stack.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                let node = self.place(above, &trace.spans[at]);
                self.nodes[node].count(&trace.spans[at], trace.start, side);
                stack.extend(children[at].iter().rev().map(|child| (*child, node)));
            }
        }
    }

    /// The node of a span below a node.
    fn place(&mut self, above: usize, span: &'a Span) -> usize {
        let key = (span.service.as_str(), span.name.as_str(), span.kind.as_str());
        if let Some(node) = self.places.get(&(above, key)) {
            return *node;
        }
        let depth = self.nodes.get(above).map_or(0, |above| above.depth + 1);
        let node = self.nodes.len();
        self.nodes.push(Node { depth, key, children: Vec::new(), sides: [None, None] });
        self.places.insert((above, key), node);
        match self.nodes.get_mut(above) {
            Some(above) => above.children.push(node),
            None => self.roots.push(node),
        }
        node
    }

    /// All paths depth first.
    fn rows(mut self) -> Vec<PathRow> {
        let starts: Vec<i64> = self.nodes.iter().map(Node::start).collect();
        let order = |children: &mut Vec<usize>| {
            children.sort_by_key(|child| std::cmp::Reverse((starts[*child], *child)))
        };
        let mut stack = std::mem::take(&mut self.roots);
        order(&mut stack);
        let mut rows = Vec::with_capacity(self.nodes.len());
        while let Some(at) = stack.pop() {
            let mut children = std::mem::take(&mut self.nodes[at].children);
            order(&mut children);
            stack.append(&mut children);
            rows.push(self.nodes[at].row());
        }
        rows
    }
}

impl Node<'_> {
    fn count(&mut self, span: &Span, start: i64, side: usize) {
        let start_ns = span.start.saturating_sub(start);
        let spans = self.sides[side].get_or_insert_with(|| PathSpans {
            span_id: span.span_id.clone(),
            start_ns,
            ..PathSpans::default()
        });
        spans.count += 1;
        spans.total_ns = spans.total_ns.saturating_add(span.duration_ns.max(0));
        spans.errors += u64::from(span.status == "error");
        if start_ns < spans.start_ns {
            (spans.start_ns, spans.span_id) = (start_ns, span.span_id.clone());
        }
    }

    /// When it began first, in either trace.
    fn start(&self) -> i64 {
        self.sides.iter().flatten().map(|spans| spans.start_ns).min().unwrap_or(0)
    }

    fn row(&mut self) -> PathRow {
        let [left, right] = std::mem::take(&mut self.sides);
        let total = |spans: &Option<PathSpans>| spans.as_ref().map_or(0, |spans| spans.total_ns);
        let difference_ns = total(&left).saturating_sub(total(&right));
        let larger = total(&left).max(total(&right)) as f64;
        let is_large =
            difference_ns.abs() > DIFFERENT_NS && difference_ns.abs() as f64 > larger * DIFFERENT_SHARE;
        let state = match (&left, &right) {
            (Some(_), None) => "added",
            (None, _) => "missing",
            (Some(_), Some(_)) if is_large && difference_ns > 0 => "slower",
            (Some(_), Some(_)) if is_large => "faster",
            _ => "same",
        };
        let (service, name, kind) = self.key;
        PathRow {
            depth: self.depth,
            service: service.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            left,
            right,
            state: state.to_owned(),
            difference_ns,
        }
    }
}

/// The spans below each span, and those below none that is stored. A span id that is repeated means its first span.
fn below(spans: &[Span]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        places.entry(&span.span_id).or_insert(at);
    }
    let mut children = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        match span.parent_span_id.as_deref().and_then(|parent| places.get(parent)) {
            Some(parent) if *parent != at => children[*parent].push(at),
            _ => roots.push(at),
        }
    }
    (children, roots)
}

fn side(trace: &Trace) -> TraceSide {
    let root = trace.spans.iter().find(|span| span.parent_span_id.is_none()).or(trace.spans.first());
    TraceSide {
        trace_id: trace.trace_id.clone(),
        root: root.map(|root| (root.service.clone(), root.name.clone())),
        duration_ns: trace.duration_ns,
        spans: trace.spans.len() as u64,
        errors: trace.spans.iter().filter(|span| span.status == "error").count() as u64,
        warnings: trace.warnings.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Attributes, Scope};

    /// Spans written `id parent name start duration`, times in milliseconds, `-` for no parent.
    fn trace(spans: &[&str]) -> Trace {
        let span = |text: &&str| {
            let words: Vec<&str> = text.split(' ').collect();
            let milli = |word: &str| word.parse::<i64>().unwrap() * 1_000_000;
            Span {
                id: String::new(),
                trace_id: String::new(),
                span_id: words[0].to_owned(),
                parent_span_id: (words[1] != "-").then(|| words[1].to_owned()),
                name: words[2].to_owned(),
                kind: "internal".to_owned(),
                service: "shop".to_owned(),
                instance: None,
                start: milli(words[3]),
                duration_ns: milli(words[4]),
                status: "unset".to_owned(),
                status_message: None,
                attributes: Attributes::new(),
                resource: Attributes::new(),
                scope: Scope::default(),
                events: Vec::new(),
                links: Vec::new(),
            }
        };
        let spans: Vec<Span> = spans.iter().map(span).collect();
        Trace {
            trace_id: "t".to_owned(),
            start: 0,
            duration_ns: 0,
            spans,
            logs: Vec::new(),
            warnings: Vec::new(),
            truncated: false,
        }
    }

    fn lines(left: &[&str], right: &[&str]) -> Vec<String> {
        let rows = aligned(&trace(left), &trace(right)).paths.into_iter().map(|row| {
            let count = |spans: &Option<PathSpans>| spans.as_ref().map_or(0, |spans| spans.count);
            let (left, right) = (count(&row.left), count(&row.right));
            format!(
                "{}{} {} {left}:{right} {}",
                "  ".repeat(row.depth),
                row.name,
                row.state,
                row.difference_ns / 1_000_000
            )
        });
        rows.collect()
    }

    #[test]
    fn paths_are_laid_over_one_another() {
        let left = [
            "1 - root 0 100",
            "2 1 query 1 10",
            "3 1 query 12 10",
            "4 1 pay 30 60",
            "5 4 retry 40 5",
            "6 1 tail 95 1",
        ];
        let right = ["a - root 0 50", "b a query 1 10", "c a pay 30 61", "d c log 70 5", "e a tail 95 1"];
        assert_eq!(
            lines(&left, &right),
            [
                "root slower 1:1 50",
                "  query slower 2:1 10",
                "  pay same 1:1 -1",
                "    retry added 1:0 5",
                "    log missing 0:1 -5",
                "  tail same 1:1 0",
            ]
        );
    }

    #[test]
    fn damaged_trees_are_walked_to_the_end() {
        // A circle, a parent that is not stored, an id that is repeated, a span that is its own parent.
        let left = ["1 2 a 0 1", "2 1 b 0 1", "3 9 c 0 1", "4 - d 0 1", "4 4 e 0 1", "5 5 f 0 1"];
        let rows = lines(&left, &[]);
        assert_eq!(rows.len(), 6, "{rows:?}");
        let deep: Vec<String> = (0..20_000)
            .map(|id| format!("{} {} n 0 1", id + 1, if id == 0 { "-".to_owned() } else { id.to_string() }))
            .collect();
        let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
        assert_eq!(aligned(&trace(&deep), &trace(&deep)).paths.last().unwrap().depth, 19_999);
    }
}
