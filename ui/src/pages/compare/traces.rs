//! A trace against a trace: operations laid over one another.

use askama::Template;
use query::{Alignment, PathRow, PathSpans, TraceSide};

use crate::address::{self, Address};
use crate::copy::CopyAs;
use crate::format::{count, counted, duration};
use crate::pages::rows::ServiceMark;
use crate::visit::{Frame, Section, Visit};

/// How many paths are shown; the rest are in the JSON.
const PATHS_MAX: usize = 2_000;
/// Deeper paths are not moved further to the right.
const INDENTED_MAX: usize = 24;
/// How far a path is moved for each above it, in pixels.
const INDENT: usize = 14;

#[derive(Template)]
#[template(path = "compare-traces.html")]
pub(super) struct TracesPage {
    frame: Frame,
    copy: CopyAs,
    sides: [Side; 2],
    tally: String,
    more: Option<String>,
    rows: Vec<Row>,
    swap: String,
}

struct Side {
    title: &'static str,
    class: &'static str,
    root: Option<(ServiceMark, String)>,
    href: String,
    facts: String,
    warnings: Vec<String>,
}

struct Row {
    state: String,
    indent: usize,
    deep: Option<usize>,
    service: ServiceMark,
    name: String,
    kind: String,
    /// In the left and in the right trace: address, how often, time, errors.
    sides: [Option<(String, String, String, u64)>; 2],
    difference: String,
}

pub(super) fn view(visit: &Visit, version: &'static str, found: &Alignment) -> TracesPage {
    let ids = [&found.left.trace_id, &found.right.trace_id];
    let api = Address::new("/api/compare").with("trace", ids[0]).with("vs_trace", ids[1]);
    let with = |state: &str| found.paths.iter().filter(|path| path.state == state).count() as u64;
    let tally = ["added", "missing", "slower", "faster", "same"]
        .map(|state| format!("{} {state}", count(with(state))));
    let more = found.paths.len().saturating_sub(PATHS_MAX) as u64;
    TracesPage {
        frame: visit.frame("Compare traces", Section::Search, version),
        copy: CopyAs::timeless(visit).api(visit, &api),
        sides: [Side::new("This trace", "in", &found.left), Side::new("compared with", "vs", &found.right)],
        tally: tally.join(", "),
        more: (more > 0).then(|| format!("{} more are in the JSON.", counted(more, "path"))),
        rows: found.paths.iter().take(PATHS_MAX).map(|path| Row::new(path, ids)).collect(),
        swap: Address::new("/compare").with("sel", ids[1]).with("vs", ids[0]).to_string(),
    }
}

impl Side {
    fn new(title: &'static str, class: &'static str, side: &TraceSide) -> Self {
        Self {
            title,
            class,
            root: side.root.as_ref().map(|(service, name)| (ServiceMark::new(service), name.clone())),
            href: address::trace(&side.trace_id).to_string(),
            facts: format!(
                "{}, {}, {}",
                duration(side.duration_ns),
                counted(side.spans, "span"),
                counted(side.errors, "error")
            ),
            warnings: side.warnings.clone(),
        }
    }
}

impl Row {
    fn new(path: &PathRow, ids: [&String; 2]) -> Self {
        let side = |spans: &Option<PathSpans>, id: &str| {
            let spans = spans.as_ref()?;
            let href = address::trace_at(id, &spans.span_id);
            Some((href, format!("{} ×", count(spans.count)), duration(spans.total_ns), spans.errors))
        };
        let sign = if path.difference_ns > 0 { "+" } else { "" };
        Self {
            state: path.state.clone(),
            indent: path.depth.min(INDENTED_MAX) * INDENT,
            deep: (path.depth > INDENTED_MAX).then_some(path.depth),
            service: ServiceMark::new(&path.service),
            name: path.name.clone(),
            kind: path.kind.clone(),
            sides: [side(&path.left, ids[0]), side(&path.right, ids[1])],
            difference: format!("{sign}{}", duration(path.difference_ns)),
        }
    }
}
