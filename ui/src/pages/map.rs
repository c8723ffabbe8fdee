//! `/map`: who calls whom around one service, or in all; as a drawing and as a table.

mod drawing;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use model::{Reader, Signal, UnixNanos};
use query::rows::{Edge, Service};
use query::{Graph, GraphQuestion, HOPS_MAX, QueryError};

use self::drawing::Drawn;
use crate::Ui;
use crate::address::{self, Address, search, term};
use crate::copy::{self, CopyAs};
use crate::format::{count, counted, duration_of, percent, rate};
use crate::pages::respond;
use crate::pages::rows::ServiceMark;
use crate::params::BadParameter;
use crate::problem::{Problem, html};
use crate::range::{PRESETS, Range};
use crate::visit::{Frame, Section, Visit};

/// How many calls away from a service the page shows where the address does not say.
const HOPS: usize = 2;
/// How many edges the table lists; the rest are in the JSON.
const EDGES_LISTED_MAX: usize = 500;
/// How many services can be chosen from; any other is named in the address.
const SERVICES_MAX: usize = 500;

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    frame: Frame,
    /// The service in the middle, if there is one.
    service: Option<String>,
    t: String,
    range: String,
    /// Services to choose from: name, as much of it as is shown, whether it is in the middle.
    services: Vec<(String, String, bool)>,
    more_services: Option<String>,
    hops: Vec<(String, &'static str, bool)>,
    presets: Vec<(String, &'static str, bool)>,
    copy: CopyAs,
    summary: String,
    notes: Vec<String>,
    partial: Option<String>,
    drawn: Drawn,
    edges: Vec<EdgeRow>,
    more_edges: Option<String>,
    missing: bool,
    whole: String,
}

/// An edge in the table.
struct EdgeRow {
    from: ServiceMark,
    to: ServiceMark,
    kind: String,
    /// What is called.
    target: String,
    rate: String,
    errors: Option<String>,
    p95: String,
    traces: String,
}

/// How far around a service is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// So many calls.
    Hops(usize),
    /// All that is stored.
    Whole,
}

/// How far a reader can choose to see.
const REACHES: [(&str, Reach); 4] = [
    ("1 call", Reach::Hops(1)),
    ("2 calls", Reach::Hops(2)),
    ("3 calls", Reach::Hops(3)),
    ("the whole map", Reach::Whole),
];

/// The question of the address.
#[derive(Debug, Clone)]
struct Asked {
    service: Option<String>,
    reach: Reach,
    range: Range,
    /// Whether the service was chosen for the reader.
    chosen: bool,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let extent = ui.engine.extent(reader, Signal::Spans).await?;
    let mut asked = Asked::of(visit, extent.and_then(|extent| extent.to), UnixNanos::now())?;
    let services = ui.engine.services(reader, asked.range.range).await?.services;
    if asked.service.is_none() && asked.reach != Reach::Whole {
        asked.service = most_telling(ui, reader, &asked, &services).await?;
        asked.chosen = true;
    }
    let graph = match ui.engine.graph(reader, &asked.question()).await {
        Ok(graph) => Some(graph),
        Err(QueryError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    html(&view(visit, ui.version, &asked, &services, graph.as_ref()))
}

/// The service to begin with where nobody was named: one of the edge with most calls, else that with most calls.
async fn most_telling(
    ui: &Ui,
    reader: &Reader,
    asked: &Asked,
    services: &[Service],
) -> Result<Option<String>, QueryError> {
    let whole = GraphQuestion { range: asked.range.range, service: None, hops: 1 };
    let graph = ui.engine.graph(reader, &whole).await?;
    let names = graph.edges.iter().map(|edge| &edge.from);
    Ok(names.chain(services.iter().map(|service| &service.name)).next().cloned())
}

impl Asked {
    fn of(visit: &Visit, newest: Option<UnixNanos>, now: UnixNanos) -> Result<Self, BadParameter> {
        let range = match visit.asks_for("t") {
            true => Range::of(&visit.params, now)?,
            false => Range::newest_hour(newest.unwrap_or(now), now),
        };
        let words = [
            ("2", Reach::Hops(HOPS)),
            ("1", Reach::Hops(1)),
            ("3", Reach::Hops(HOPS_MAX)),
            ("all", Reach::Whole),
        ];
        let service = visit.params.text("service")?.trim();
        let service = (!service.is_empty()).then(|| service.to_owned());
        Ok(Self { service, reach: visit.params.choice("hops", &words)?, range, chosen: false })
    }

    /// As much of the service's name as is shown.
    fn name(&self) -> Option<String> {
        self.service.as_deref().map(|name| ServiceMark::new(name).name)
    }

    fn question(&self) -> GraphQuestion {
        match self.reach {
            Reach::Whole => GraphQuestion { range: self.range.range, service: None, hops: 1 },
            Reach::Hops(hops) => {
                GraphQuestion { range: self.range.range, service: self.service.clone(), hops }
            }
        }
    }

    /// The page of another service, reach or time.
    fn at(&self, service: Option<&str>, reach: Reach, t: &str) -> Address {
        let hops = match reach {
            Reach::Whole => "all".to_owned(),
            Reach::Hops(hops) => hops.to_string(),
        };
        let address = Address::new("/map").with("service", service.unwrap_or_default()).with("hops", &hops);
        if t.is_empty() { address.with_empty("t") } else { address.with("t", t) }
    }

    /// The page of the same service at another reach or time. One that was chosen for the reader, and whose name is too long
    /// for a link, is chosen again.
    fn here(&self, reach: Reach, t: &str) -> String {
        let again = self.chosen && self.service.as_deref().is_some_and(|name| !address::fits(name));
        self.at(self.service.as_deref().filter(|_| !again), reach, t).to_string()
    }
}

fn view(
    visit: &Visit,
    version: &'static str,
    asked: &Asked,
    services: &[Service],
    graph: Option<&Graph>,
) -> MapPage {
    let t = asked.range.text.as_str();
    let (services_listed, more_services) = choices(asked, services);
    let middle = asked.service.as_deref();
    let drawn = graph.map(|graph| {
        let href = |name: &str| asked.at(Some(name), hops_of(asked.reach), t).link();
        Drawn::new(graph, services, middle, &href)
    });
    let edges = graph.map(|graph| graph.edges.as_slice()).unwrap_or_default();
    let seconds = graph.map_or(1.0, seconds);
    let kind = |name: &str| {
        let node = graph.and_then(|graph| graph.nodes.iter().find(|node| node.name == name));
        node.map_or_else(String::new, |node| node.kind.clone())
    };
    let more_edges = edges.len().saturating_sub(EDGES_LISTED_MAX) as u64;
    MapPage {
        frame: visit.frame("Map", Section::Map, version).over(&asked.range),
        service: asked.name().filter(|_| asked.reach != Reach::Whole),
        t: t.to_owned(),
        range: asked.range.words(),
        services: services_listed,
        more_services,
        hops: REACHES
            .iter()
            .map(|(text, reach)| (asked.here(*reach, t), *text, *reach == asked.reach))
            .collect(),
        presets: PRESETS
            .iter()
            .map(|(t, name)| (asked.here(asked.reach, t), *name, *t == asked.range.text))
            .collect(),
        copy: copied(visit, asked),
        summary: graph.map_or_else(String::new, summary),
        notes: notes(asked, drawn.as_ref()),
        partial: graph.and_then(|graph| graph.stats.partial.as_ref()).map(|partial| partial.reason.clone()),
        drawn: drawn.unwrap_or_default(),
        edges: edges
            .iter()
            .take(EDGES_LISTED_MAX)
            .map(|edge| EdgeRow::new(edge, kind(&edge.to), t, seconds))
            .collect(),
        more_edges: (more_edges > 0)
            .then(|| format!("{} with fewer calls are in the JSON.", counted(more_edges, "edge"))),
        missing: graph.is_none_or(|graph| graph.nodes.is_empty()),
        whole: asked.at(None, Reach::Whole, "").to_string(),
    }
}

/// Services to choose from by name, and how many more there are. Names that are too long for an address cannot be chosen.
fn choices(asked: &Asked, services: &[Service]) -> (Vec<(String, String, bool)>, Option<String>) {
    let names = services.iter().map(|service| service.name.as_str());
    let mut names: Vec<&str> = names.filter(|name| address::fits(name)).collect();
    let more = names.len().saturating_sub(SERVICES_MAX) as u64;
    names.truncate(SERVICES_MAX);
    let middle = asked.service.as_deref().filter(|_| asked.reach != Reach::Whole);
    names.extend(middle);
    names.sort_unstable();
    names.dedup();
    let value = |name: &str| if address::fits(name) { name.to_owned() } else { String::new() };
    let listed =
        names.into_iter().map(|name| (value(name), ServiceMark::new(name).name, middle == Some(name)));
    let more = (more > 0).then(|| format!("{} more, by name in the address", counted(more, "service")));
    (listed.collect(), more)
}

fn summary(graph: &Graph) -> String {
    let (nodes, edges) = (graph.nodes.len() as u64, graph.edges.len() as u64);
    format!("{}, {}", counted(nodes, "node"), counted(edges, "edge"))
}

fn hops_of(reach: Reach) -> Reach {
    if reach == Reach::Whole { Reach::Hops(HOPS) } else { reach }
}

fn copied(visit: &Visit, asked: &Asked) -> CopyAs {
    let question = asked.question();
    let mut address = Address::new("/api/graph");
    if let Some(service) = &question.service {
        address = address.with("service", service).with("hops", &question.hops.to_string());
    }
    let address = copy::with_range(address, asked.range.range);
    let form = CopyAs::new(visit, &asked.range);
    // No address is as long as a name can be.
    let form = match question.service.as_deref().is_none_or(address::fits) {
        true => form.api(visit, &address),
        false => form,
    };
    let range = copy::sql_range("time", asked.range.range);
    let sql = format!(
        "SELECT service_name, peer, peer_type, sum(calls) AS calls, sum(errors) AS errors FROM red \
         WHERE peer IS NOT NULL{range} GROUP BY service_name, peer, peer_type ORDER BY calls DESC"
    );
    form.form("SQL", sql)
}

fn notes(asked: &Asked, drawn: Option<&Drawn>) -> Vec<String> {
    let chosen = asked.chosen.then(|| {
        let name = asked.name().unwrap_or_default();
        // Isolated, so that a name that runs the other way does not take the sentence along.
        format!(
            "What is around \u{2068}{name}\u{2069}, the service that calls most; choose another one above."
        )
    });
    let left_out = drawn.filter(|drawn| drawn.left_out > 0).map(|drawn| {
        format!(
            "The {} with most calls are drawn; {} more are not.",
            counted(drawn.nodes.len() as u64, "node"),
            count(drawn.left_out as u64)
        )
    });
    chosen.into_iter().chain(left_out).collect()
}

/// How long the range of a graph is.
fn seconds(graph: &Graph) -> f64 {
    match (graph.range.from, graph.range.to) {
        (Some(from), Some(to)) => (to.0.saturating_sub(from.0) as f64 / 1e9).max(1.0),
        _ => 1.0,
    }
}

impl EdgeRow {
    fn new(edge: &Edge, target: String, t: &str, seconds: f64) -> Self {
        Self {
            from: ServiceMark::new(&edge.from),
            to: ServiceMark::new(&edge.to),
            kind: edge.kind.clone(),
            target,
            rate: rate(edge.calls / seconds),
            errors: (edge.errors > 0.0).then(|| percent(edge.errors / edge.calls.max(1.0))),
            p95: duration_of(edge.p95_ns),
            traces: search("traces", &term("service", &edge.from), t),
        }
    }
}

#[cfg(test)]
mod tests;
