//! What the page of a service shows.

use askama::Template;
use query::rows::{Edge, Instance, Operation, Service, Span, Template as LogTemplate};
use query::{QueryError, ServiceDetail, Templates};

use super::{Asked, Beside};
use crate::address::{self, Address, and, search, term};
use crate::chart::heat::HeatChart;
use crate::chart::minutes::{Minutes, Series};
use crate::copy::{self, CopyAs};
use crate::format::{Moment, count, count_of, counted, duration_of, percent, rate, svg_percent};
use crate::pages::rows::{ServiceMark, SpanTable};
use crate::range::{PRESETS, between};
use crate::selection::Selection;
use crate::visit::{Frame, Section, Visit};

/// How many operations are shown; the rest are counted.
const OPERATIONS_MAX: usize = 100;
/// How many neighbours are shown.
const EDGES_MAX: usize = 100;
/// How many instances are shown.
const INSTANCES_MAX: usize = 100;
/// How many new templates are shown.
const TEMPLATES_MAX: usize = 20;
/// How many names that look alike are offered for one that is not stored.
const ALIKE_MAX: usize = 8;

#[derive(Template)]
#[template(path = "service.html")]
pub(super) struct ServicePage {
    frame: Frame,
    service: ServiceMark,
    /// The range in words.
    range: String,
    /// Namespace and environment, or what was taken together.
    place: String,
    /// Ranges to choose from: address, name, whether it is this one.
    presets: Vec<(String, &'static str, bool)>,
    /// What to do with the whole: address and text.
    ways: Vec<(String, &'static str)>,
    copy: CopyAs,
    body: Result<Body, Missing>,
}

/// A service that has spans in this time.
struct Body {
    facts: Vec<(&'static str, String)>,
    partial: Option<String>,
    note: Option<String>,
    minutes: Minutes,
    heat: Option<HeatChart>,
    /// The figures as the API answers them, for the script of the charts.
    source: String,
    selection: Option<Selected>,
    exemplars: Vec<Result<SpanTable, (String, String)>>,
    versions: Vec<[String; 6]>,
    operations: Vec<OperationRow>,
    /// Who calls it and whom it calls: title, rows, and what is said without any.
    neighbours: [(&'static str, Vec<EdgeRow>, &'static str); 2],
    instances: Vec<InstanceRow>,
    /// What is counted and not shown.
    left_out: Vec<String>,
    /// Since what new templates are shown.
    since: String,
    templates: Result<Vec<TemplateRow>, String>,
}

/// No span in this time.
struct Missing {
    /// Services by names that look alike.
    alike: Vec<(ServiceMark, String)>,
    everything: String,
}

/// The box of the address.
struct Selected {
    words: String,
    /// What to do with it: address and text.
    ways: Vec<(String, &'static str)>,
    clear: String,
}

struct OperationRow {
    name: String,
    kind: String,
    calls: String,
    rate: String,
    errors: Option<(String, String)>,
    percentiles: [String; 3],
    /// The 95th percentile as a share of the largest.
    width: String,
    href: String,
    failed: String,
}

struct EdgeRow {
    other: ServiceMark,
    href: String,
    kind: String,
    rate: String,
    errors: Option<String>,
    p95: String,
}

struct InstanceRow {
    name: String,
    version: String,
    calls: String,
    errors: Option<String>,
    p50: String,
    p95: String,
    href: String,
}

struct TemplateRow {
    text: String,
    count: String,
    first: Moment,
    example: String,
    href: String,
}

/// The page of a service that is stored.
pub(super) fn found(
    visit: &Visit,
    version: &'static str,
    asked: &Asked,
    detail: &ServiceDetail,
    beside: &Beside,
) -> ServicePage {
    let service = &detail.service;
    let place = match detail.merged.as_slice() {
        [_] => [&service.namespace, &service.environment]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join(" · "),
        several => format!("{} of this name together", counted(several.len() as u64, "service")),
    };
    ServicePage { place, body: Ok(body(asked, detail, beside)), ..bare(visit, version, asked) }
}

/// The page of a service without a span in this time.
pub(super) fn missing(visit: &Visit, version: &'static str, asked: &Asked, known: &[Service]) -> ServicePage {
    let wanted = asked.name.to_lowercase();
    let near = |name: &str| {
        let name = name.to_lowercase();
        name.contains(&wanted) || wanted.contains(&name) || name.chars().take(3).eq(wanted.chars().take(3))
    };
    let mut names: Vec<&str> =
        known.iter().map(|service| service.name.as_str()).filter(|name| near(name)).collect();
    names.sort_unstable();
    names.dedup();
    let alike = names.iter().take(ALIKE_MAX).map(|name| {
        let href = Address::new("/services").below(name).with_empty("t").link();
        (ServiceMark::new(name), href)
    });
    let alike = alike.filter(|(_, href)| !href.is_empty());
    let missing = Missing { alike: alike.collect(), everything: asked.at("").to_string() };
    ServicePage { body: Err(missing), ..bare(visit, version, asked) }
}

fn bare(visit: &Visit, version: &'static str, asked: &Asked) -> ServicePage {
    let (q, t) = (asked.q(), asked.range.text.as_str());
    let explain = Address::new("/explain").with("t", t).with("service", &asked.name).link();
    let metrics = Address::new("/promql").with("service", &asked.name).with("t", t).link();
    let map = Address::new("/map").with("service", &asked.name).with("t", t).link();
    let sql = format!(
        "SELECT operation, kind, sum(calls) AS calls, sum(errors) AS errors, quantile_merge(duration, 0.95) AS p95_ns \
         FROM red WHERE service_name = {}{} GROUP BY operation, kind ORDER BY calls DESC",
        copy::sql_text(&asked.name),
        copy::sql_range("time", asked.range.range)
    );
    let command =
        format!("causeway services {}{}", copy::quoted(&asked.name), copy::flags(asked.range.range));
    ServicePage {
        frame: visit.frame(ServiceMark::new(&asked.name).name, Section::Services, version).over(&asked.range),
        service: ServiceMark::new(&asked.name),
        range: asked.range.words(),
        place: String::new(),
        presets: PRESETS
            .iter()
            .map(|(t, name)| (asked.at(t).to_string(), *name, *t == asked.range.text))
            .collect(),
        ways: linked([
            (explain, "Explain this time"),
            (search("traces", &q, t), "Traces"),
            (search("logs", &q, t), "Logs"),
            (metrics, "Metrics"),
            (map, "Map"),
        ]),
        copy: CopyAs::new(visit, &asked.range)
            .api(visit, &source(asked))
            .form("causeway", command)
            .form("SQL", sql),
        body: Err(Missing { alike: Vec::new(), everything: String::new() }),
    }
}

/// Ways that lead somewhere: a name that is too long for a link has none.
fn linked<const N: usize>(ways: [(String, &'static str); N]) -> Vec<(String, &'static str)> {
    ways.into_iter().filter(|(href, _)| !href.is_empty()).collect()
}

/// The figures as the API answers them.
fn source(asked: &Asked) -> Address {
    let address = Address::new("/api/services").below(&asked.name).with("namespace", &asked.namespace);
    copy::with_range(address.with("environment", &asked.environment), asked.range.range)
}

fn body(asked: &Asked, detail: &ServiceDetail, beside: &Beside) -> Body {
    let (from, to) = covered(detail);
    let seconds = (to.saturating_sub(from) as f64 / 1e9).max(1.0);
    let series = Series {
        service: &asked.name,
        points: &detail.series,
        step: detail.step_ns,
        covered: (from, to),
        shaded: shaded(asked.selection.as_ref(), (from, to)),
    };
    let boxed = asked.selection.as_ref().map(|selection| (series.shaded, (selection.low, selection.high)));
    let is_mine = |name: &str| name == asked.name;
    let (callees, callers): (Vec<&Edge>, Vec<&Edge>) =
        detail.edges.iter().partition(|edge| is_mine(&edge.from));
    let t = &asked.range.text;
    let slowest = detail.operations.iter().filter_map(|one| one.p95_ns).fold(1.0, f64::max);
    let key = if boxed.is_some() {
        "the selection is shaded, changes are triangles"
    } else {
        "changes are triangles"
    };
    Body {
        facts: facts(detail),
        partial: detail.stats.partial.as_ref().map(|partial| partial.reason.clone()),
        note: beside.note.clone(),
        heat: HeatChart::new(&asked.name, &detail.heat, &detail.series, detail.step_ns, (from, to), boxed),
        minutes: Minutes::new(&series, &beside.marks).explained(key),
        source: source(asked).to_string(),
        selection: asked.selection.as_ref().map(|selection| Selected::new(asked, selection, (from, to))),
        exemplars: beside
            .exemplars
            .iter()
            .map(|(title, spans)| spans_of(title, spans.as_ref().map(|page| &page.rows[..])))
            .collect(),
        versions: versions(detail),
        operations: detail
            .operations
            .iter()
            .take(OPERATIONS_MAX)
            .map(|one| OperationRow::new(asked, one, slowest))
            .collect(),
        neighbours: [
            (
                "Called by",
                neighbours(&callers, |edge| &edge.from, t, seconds),
                "Nobody who is stored calls it.",
            ),
            ("Calls", neighbours(&callees, |edge| &edge.to, t, seconds), "It calls nobody who is known."),
        ],
        instances: detail
            .instances
            .iter()
            .take(INSTANCES_MAX)
            .map(|one| InstanceRow::new(asked, one))
            .collect(),
        left_out: left_out(detail, callers.len(), callees.len()),
        since: match &beside.since {
            Some((time, version)) => format!(
                "since the deploy {version} at {} {}",
                crate::format::date_time(*time),
                crate::zone::name()
            ),
            None => "in this time, in which no deploy is known".to_owned(),
        },
        templates: templates(asked, beside),
    }
}

fn neighbours(edges: &[&Edge], other: impl Fn(&Edge) -> &String, t: &str, seconds: f64) -> Vec<EdgeRow> {
    edges.iter().take(EDGES_MAX).map(|edge| EdgeRow::new(edge, other(edge), t, seconds)).collect()
}

/// The time that the charts cover.
fn covered(detail: &ServiceDetail) -> (i64, i64) {
    let first = detail.series.first().map_or(0, |point| point.time);
    let last = detail.series.last().map_or(0, |point| point.time.saturating_add(detail.step_ns));
    let from = detail.range.from.map_or(first, |from| from.0);
    (from, detail.range.to.map_or(last, |to| to.0).max(last).max(from.saturating_add(1)))
}

/// The times of a box inside of what is charted; nothing without one.
fn shaded(selection: Option<&Selection>, (from, to): (i64, i64)) -> (i64, i64) {
    let Some(selection) = selection else { return (from, from) };
    let range = selection.range.range;
    (range.from.map_or(from, |from| from.0), range.to.map_or(to, |to| to.0))
}

fn facts(detail: &ServiceDetail) -> Vec<(&'static str, String)> {
    let service = &detail.service;
    vec![
        ("Calls", count_of(service.calls)),
        ("Rate", rate(service.rate_per_s)),
        ("Errors", format!("{} · {}", count_of(service.errors), percent(service.error_ratio))),
        ("p50", duration_of(service.p50_ns)),
        ("p95", duration_of(service.p95_ns)),
        ("p99", duration_of(service.p99_ns)),
        ("Instances", count(service.instances)),
    ]
}

fn left_out(detail: &ServiceDetail, callers: usize, callees: usize) -> Vec<String> {
    let more = |number: usize, most: usize, noun: &str| {
        (number > most).then(|| format!("{} more", counted((number - most) as u64, noun)))
    };
    let all = [
        more(detail.operations.len(), OPERATIONS_MAX, "operation"),
        more(callers, EDGES_MAX, "caller"),
        more(callees, EDGES_MAX, "callee"),
        more(detail.instances.len(), INSTANCES_MAX, "instance"),
    ];
    all.into_iter().flatten().collect()
}

fn versions(detail: &ServiceDetail) -> Vec<[String; 6]> {
    let text = |time: i64| Moment::to_second(time).to_string();
    let rows = detail.versions.iter().map(|one| {
        let name = one.version.clone().unwrap_or_else(|| "–".to_owned());
        let errors = format!("{} · {}", count_of(one.errors), percent(one.error_ratio));
        [
            name,
            text(one.first_seen),
            text(one.last_seen),
            count_of(one.calls),
            errors,
            duration_of(one.p95_ns),
        ]
    });
    rows.collect()
}

fn spans_of(title: &str, spans: Result<&[Span], &QueryError>) -> Result<SpanTable, (String, String)> {
    match spans {
        Ok([]) => Err((title.to_owned(), "There is none.".to_owned())),
        Ok(spans) => Ok(SpanTable::new(title, spans)),
        Err(error) => Err((title.to_owned(), format!("They could not be read: {error}."))),
    }
}

fn templates(asked: &Asked, beside: &Beside) -> Result<Vec<TemplateRow>, String> {
    match &beside.templates {
        Ok(Templates { templates, .. }) => {
            let new = templates.iter().filter(|template| template.state == "new");
            Ok(new.take(TEMPLATES_MAX).map(|template| TemplateRow::new(asked, template)).collect())
        }
        Err(error) => Err(format!("They could not be read: {error}.")),
    }
}

impl Selected {
    fn new(asked: &Asked, selection: &Selection, (from, to): (i64, i64)) -> Self {
        let (q, t) = (asked.q(), selection.range.text.as_str());
        let spans = format!("{q}{}", selection.terms());
        let all = between(from, to);
        let compare = Address::new("/compare").with("q", &q).with("sel", &selection.text).with("vs", &all);
        Self {
            words: selection.words(),
            ways: linked([
                (Address::new("/explain").with("t", t).with("service", &asked.name).link(), "Explain"),
                (search("spans", &spans, t), "Search"),
                (search("logs", &q, t), "Logs"),
                (compare.with("t", &all).link(), "Compare with the rest"),
                (asked.at(t).to_string(), "Zoom into it"),
            ]),
            clear: asked.at(&asked.range.text).to_string(),
        }
    }
}

impl OperationRow {
    fn new(asked: &Asked, one: &Operation, slowest: f64) -> Self {
        let q = and(&asked.q(), &term("name", &one.name));
        let t = &asked.range.text;
        Self {
            name: one.name.clone(),
            kind: one.kind.clone(),
            calls: count_of(one.calls),
            rate: rate(one.rate_per_s),
            errors: (one.errors > 0.0).then(|| (count_of(one.errors), percent(one.error_ratio))),
            percentiles: [one.p50_ns, one.p95_ns, one.p99_ns].map(duration_of),
            width: svg_percent((one.p95_ns.unwrap_or(0.0) / slowest).clamp(0.0, 1.0)),
            href: search("spans", &q, t),
            failed: search("spans", &and(&q, "status:error"), t),
        }
    }
}

impl EdgeRow {
    fn new(edge: &Edge, other: &str, t: &str, seconds: f64) -> Self {
        Self {
            other: ServiceMark::new(other),
            href: Address::new("/map").with("service", other).with("t", t).link(),
            kind: edge.kind.clone(),
            rate: rate(edge.calls / seconds),
            errors: (edge.errors > 0.0).then(|| percent(edge.errors / edge.calls.max(1.0))),
            p95: duration_of(edge.p95_ns),
        }
    }
}

impl InstanceRow {
    fn new(asked: &Asked, one: &Instance) -> Self {
        let name = one.name.clone().unwrap_or_default();
        let q = if name.is_empty() { asked.q() } else { and(&asked.q(), &term("instance", &name)) };
        Self {
            name: if name.is_empty() { "–".to_owned() } else { name },
            version: one.version.clone().unwrap_or_else(|| "–".to_owned()),
            calls: count_of(one.calls),
            errors: (one.errors > 0.0).then(|| percent(one.error_ratio)),
            p50: duration_of(one.p50_ns),
            p95: duration_of(one.p95_ns),
            href: search("spans", &q, &asked.range.text),
        }
    }
}

impl TemplateRow {
    fn new(asked: &Asked, template: &LogTemplate) -> Self {
        Self {
            text: template.template.clone(),
            count: count(template.count),
            first: Moment::to_second(template.first_seen),
            example: template.example.clone().unwrap_or_default(),
            href: address::search(
                "logs",
                &and(&asked.q(), &term("template", &template.id)),
                &asked.range.text,
            ),
        }
    }
}
