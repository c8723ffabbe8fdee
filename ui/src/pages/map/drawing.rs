//! The map as SVG: cards in layers, curves between them.

use std::collections::HashMap;

use query::Graph;
use query::rows::{Edge, Service};

use crate::colour;
use crate::format::{cut, duration_of, percent, rate};
use crate::layout::{Layered, Layout};
use crate::pages::rows::ServiceMark;

/// The most nodes of a drawing.
pub(super) const NODES_MAX: usize = 150;
/// The most edges of a drawing.
const EDGES_MAX: usize = 600;
/// Up to so many edges have their figures written beside them.
const NAMED_EDGES_MAX: usize = 40;
/// The size of a card, and the way between cards, in pixels.
const CARD: (f64, f64) = (176.0, 46.0);
const GAP: (f64, f64) = (104.0, 20.0);
/// What is left free around the drawing.
const MARGIN: f64 = 16.0;
/// The most characters of a name on a card.
const NAME_CHARS_MAX: usize = 20;
/// The width of an edge: the least, and how much more a tenfold of calls is.
const STROKE: (f64, f64) = (1.0, 0.7);

/// A drawing of a graph.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub(super) width: String,
    pub(super) height: String,
    pub(super) nodes: Vec<Card>,
    pub(super) edges: Vec<Curve>,
    /// Nodes that are not drawn.
    pub(super) left_out: usize,
}

/// A node.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) x: String,
    pub(super) y: String,
    /// Empty if the name is too long for a link.
    pub(super) href: String,
    pub(super) name: String,
    /// As much of the name as is said of it.
    pub(super) whole_name: String,
    pub(super) icon: &'static str,
    pub(super) kind: String,
    pub(super) colour: usize,
    pub(super) is_centre: bool,
    pub(super) rate: String,
    /// The share of errors, if there are any.
    pub(super) errors: Option<String>,
    pub(super) p95: String,
}

/// An edge.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) path: String,
    pub(super) tip: String,
    pub(super) width: String,
    pub(super) is_async: bool,
    pub(super) fails: bool,
    /// Who calls whom, how often, in words.
    pub(super) title: String,
    /// Where its figures stand, and what they are.
    pub(super) label: Option<(String, String, String)>,
}

/// Figures of a node.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    calls: f64,
    errors: f64,
    p95: Option<f64>,
}

impl Drawn {
    /// Draws a graph; of a large one the nodes with most calls, and the one in the middle.
    pub(super) fn new(
        graph: &Graph,
        services: &[Service],
        centre: Option<&str>,
        href: &dyn Fn(&str) -> String,
    ) -> Self {
        let figures = figures(graph, services);
        let calls = |name: &str| figures.get(name).map_or(0.0, |figures| figures.calls);
        let mut order: Vec<usize> = (0..graph.nodes.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (graph.nodes[*a].name.as_str(), graph.nodes[*b].name.as_str());
            let middle = (centre == Some(b)).cmp(&(centre == Some(a)));
            middle.then_with(|| calls(b).total_cmp(&calls(a))).then_with(|| a.cmp(b))
        });
        order.truncate(NODES_MAX);
        let places: HashMap<&str, usize> =
            order.iter().enumerate().map(|(place, node)| (graph.nodes[*node].name.as_str(), place)).collect();
        let edges: Vec<(&Edge, (usize, usize))> = graph
            .edges
            .iter()
            .filter_map(|edge| {
                Some((edge, (*places.get(edge.from.as_str())?, *places.get(edge.to.as_str())?)))
            })
            .take(EDGES_MAX)
            .collect();
        let ends: Vec<(usize, usize)> = edges.iter().map(|(_, ends)| *ends).collect();
        let drawing = Layered.lay_out(order.len(), &ends);
        let seconds = super::seconds(graph);
        let nodes = order.iter().zip(&drawing.places).map(|(node, place)| {
            let node = &graph.nodes[*node];
            let figures = figures.get(node.name.as_str()).copied().unwrap_or_default();
            let (x, y) = at(*place);
            Card::new(&node.name, &node.kind, figures, (x, y), seconds, centre, href)
        });
        let is_named = edges.len() <= NAMED_EDGES_MAX;
        let curves =
            edges.iter().zip(&drawing.ways).map(|((edge, _), way)| Curve::new(edge, way, seconds, is_named));
        Self {
            width: format!("{:.0}", drawing.layers as f64 * (CARD.0 + GAP.0) - GAP.0 + 2.0 * MARGIN),
            height: format!("{:.0}", drawing.height * (CARD.1 + GAP.1) + CARD.1 + 2.0 * MARGIN + 18.0),
            nodes: nodes.collect(),
            edges: curves.collect(),
            left_out: graph.nodes.len().saturating_sub(NODES_MAX),
        }
    }
}

/// The corner of a card.
fn at((layer, row): (usize, f64)) -> (f64, f64) {
    (MARGIN + layer as f64 * (CARD.0 + GAP.0), MARGIN + 14.0 + row * (CARD.1 + GAP.1))
}

/// What is known of each node: of services what they answered, of others what they were asked.
fn figures<'a>(graph: &'a Graph, services: &'a [Service]) -> HashMap<&'a str, Figures> {
    let mut all: HashMap<&str, Figures> = HashMap::new();
    for edge in &graph.edges {
        let figures = all.entry(&edge.to).or_default();
        figures.calls += edge.calls;
        figures.errors += edge.errors;
        figures.p95 = longer(figures.p95, edge.p95_ns);
    }
    let mut own: HashMap<&str, Figures> = HashMap::new();
    for service in services {
        let figures = own.entry(&service.name).or_default();
        figures.calls += service.calls;
        figures.errors += service.errors;
        figures.p95 = longer(figures.p95, service.p95_ns);
    }
    all.extend(own);
    all
}

fn longer(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

impl Card {
    fn new(
        name: &str,
        kind: &str,
        figures: Figures,
        (x, y): (f64, f64),
        seconds: f64,
        centre: Option<&str>,
        href: &dyn Fn(&str) -> String,
    ) -> Self {
        Self {
            x: format!("{x:.1}"),
            y: format!("{y:.1}"),
            href: href(name),
            name: cut(name, NAME_CHARS_MAX),
            whole_name: ServiceMark::new(name).name,
            icon: match kind {
                "database" => "database",
                "queue" => "queue",
                "external" => "external",
                _ => "service",
            },
            kind: kind.to_owned(),
            colour: colour::of(name),
            is_centre: centre == Some(name),
            rate: rate(figures.calls / seconds),
            errors: (figures.errors > 0.0).then(|| percent(figures.errors / figures.calls.max(1.0))),
            p95: duration_of(figures.p95),
        }
    }
}

impl Curve {
    fn new(edge: &Edge, way: &[(usize, f64)], seconds: f64, is_named: bool) -> Self {
        let errors = if edge.errors > 0.0 {
            format!(", {} errors", percent(edge.errors / edge.calls.max(1.0)))
        } else {
            String::new()
        };
        let rate = rate(edge.calls / seconds);
        let p95 = duration_of(edge.p95_ns);
        let name = |name: &str| ServiceMark::new(name).name;
        let (path, tip, middle) = curve(way);
        Self {
            path,
            tip,
            width: format!("{:.1}", STROKE.0 + STROKE.1 * edge.calls.max(1.0).log10()),
            is_async: edge.kind == "async",
            fails: edge.errors > 0.0,
            title: format!(
                "{} to {}, {}: {rate}{errors}, p95 {p95}",
                name(&edge.from),
                name(&edge.to),
                edge.kind
            ),
            label: is_named.then(|| {
                (format!("{:.1}", middle.0), format!("{:.1}", middle.1 - 4.0), format!("{rate} · {p95}"))
            }),
        }
    }
}

/// A path through places, its tip, and the middle of its first part.
fn curve(way: &[(usize, f64)]) -> (String, String, (f64, f64)) {
    let half = CARD.1 / 2.0;
    let corner = |place: &(usize, f64)| at(*place);
    let (Some(first), Some(last)) = (way.first(), way.last()) else { return Default::default() };
    let (start, end) = (corner(first), corner(last));
    if first == last {
        // A loop above the card.
        let (x, y) = (start.0 + CARD.0 / 2.0, start.1);
        let path = format!("M{:.1} {y:.1}c-6 -18 30 -18 22 -3", x - 10.0);
        let tip = format!("M{:.1} {:.1}l-5 -7 9 1z", x + 12.0, y);
        return (path, tip, (x, y - 12.0));
    }
    let to_right = last.0 > first.0;
    // Where edges leave and reach a card: its right side and its left, the other way round for those that lead back.
    let (leave, reach) = if to_right { (CARD.0, 0.0) } else { (0.0, CARD.0) };
    let mut points = vec![(start.0 + leave, start.1 + half)];
    points.extend(way[1..way.len() - 1].iter().map(|place| {
        let (x, y) = corner(place);
        (x + CARD.0 / 2.0, y + half)
    }));
    points.push((end.0 + reach, end.1 + half));
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
        let bend = (x2 - x1) / 2.0;
        path.push_str(&format!("C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + bend, x2 - bend));
    }
    let (x, y) = points[points.len() - 1];
    let back = if to_right { -8.0 } else { 8.0 };
    let tip = format!("M{x:.1} {y:.1}l{back} -4v8z");
    let middle = ((points[0].0 + points[1].0) / 2.0, (points[0].1 + points[1].1) / 2.0);
    (path, tip, middle)
}
