//! The page of a dashboard.

use askama::Template;

use super::{Asked, REFRESHES};
use crate::address::{Address, with_parameters};
use crate::copy::{CopyAs, frozen};
use crate::dashboards::files::Entry;
use crate::dashboards::fill;
use crate::dashboards::lists::{ALL, Listed, PREFIX};
use crate::dashboards::model::{Panel, VariableKind};
use crate::dashboards::panel::Drawn;
use crate::format::counted;
use crate::range::PRESETS;
use crate::visit::{Frame, Section, Visit};

/// How many queries of a panel are asked together on the page of metrics.
const LINKED_QUERIES_MAX: usize = 8;

#[derive(Template)]
#[template(path = "dashboard.html")]
pub(super) struct DashboardPage {
    frame: Frame,
    title: String,
    description: String,
    /// The range in words, and as the address has it.
    range: String,
    t: String,
    /// The address that the form asks.
    action: String,
    /// The address with all panels drawn, unless this is it or there are none.
    whole: Option<String>,
    /// Milliseconds until panels are asked anew.
    refresh_ms: Option<u64>,
    refreshes: Vec<(&'static str, bool)>,
    copy: CopyAs,
    presets: Vec<(String, &'static str, bool)>,
    /// Address and text.
    ways: Vec<(String, &'static str)>,
    /// What is wrong with the file, where its last right version is shown.
    fault: Option<String>,
    variables: Vec<VariableField>,
    rows: Vec<Row>,
    /// How many panels are left out as they have no data.
    left_out: Option<String>,
}

/// A variable above the panels.
struct VariableField {
    key: String,
    title: String,
    note: Option<String>,
    field: Field,
}

/// How a variable is chosen.
enum Field {
    Text(String),
    /// Values, and whether each is chosen.
    One(Vec<(String, String, bool)>),
    /// The same, and what is chosen in words.
    Several(Vec<(String, String, bool)>, String),
}

/// Panels below one heading.
struct Row {
    title: String,
    panels: Vec<PanelView>,
}

/// A panel and its place.
struct PanelView {
    id: String,
    title: String,
    description: String,
    kind: &'static str,
    width: u8,
    height: u8,
    hide_empty: bool,
    /// Where it is drawn.
    source: String,
    /// Its queries on the page of metrics, or its search; empty if it asks nothing.
    href: String,
    drawn: Option<Drawn>,
}

#[derive(Template)]
#[template(path = "dashboard-broken.html")]
pub(super) struct BrokenPage {
    frame: Frame,
    title: String,
    fault: String,
    file: String,
    edit: String,
}

/// The page of a dashboard whose file was never right.
pub(super) fn broken(visit: &Visit, version: &'static str, entry: &Entry) -> BrokenPage {
    BrokenPage {
        frame: visit.frame(entry.name.clone(), Section::Dashboards, version),
        title: entry.name.clone(),
        fault: entry.fault.as_ref().map(ToString::to_string).unwrap_or_default(),
        file: entry.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        edit: format!("{}/edit", Address::new("/dashboards").below(&entry.name)),
    }
}

/// The page, with its panels where it is the whole one.
pub(super) fn page(
    visit: &Visit,
    version: &'static str,
    asked: &Asked,
    drawn: Vec<Drawn>,
    is_whole: bool,
) -> DashboardPage {
    let Asked { entry, dashboard, range, .. } = asked;
    let address = Address::new("/dashboards").below(&entry.name);
    let hidden =
        dashboard.panels.iter().zip(&drawn).filter(|(panel, drawn)| panel.hide_empty && drawn.is_empty());
    let left_out = Some(hidden.count()).filter(|count| *count > 0);
    let has_panels = !dashboard.panels.is_empty();
    let edit = if entry.path.is_some() { "Edit" } else { "Copy and edit" };
    DashboardPage {
        frame: visit.frame(dashboard.title.clone(), Section::Dashboards, version).over(range),
        title: dashboard.title.clone(),
        description: fill::plain(&dashboard.description, &asked.choices),
        range: range.words(),
        t: range.text.clone(),
        whole: (has_panels && !is_whole).then(|| with_parameters(&visit.here, &[("whole", "1")])),
        refresh_ms: asked.refresh_ms().filter(|_| has_panels),
        refreshes: REFRESHES.iter().map(|(word, _)| (*word, *word == asked.refresh)).collect(),
        copy: CopyAs::new(visit, range),
        presets: presets(visit, &range.text),
        ways: vec![
            (format!("{address}/edit"), edit),
            (
                Address::new("/explain").with("t", &frozen(range, model::UnixNanos::now())).to_string(),
                "Explain this time",
            ),
            ("/dashboards".to_owned(), "All dashboards"),
        ],
        fault: entry.fault.as_ref().map(ToString::to_string),
        variables: asked
            .variables
            .iter()
            .filter(|listed| !listed.variable.hidden)
            .map(VariableField::new)
            .collect(),
        rows: rows(asked, &address, drawn),
        left_out: left_out.map(|count| format!("{} without data", counted(count as u64, "panel"))),
        action: address.to_string(),
    }
}

/// Ranges to choose from, each with the rest of the address as it is.
fn presets(visit: &Visit, t: &str) -> Vec<(String, &'static str, bool)> {
    // An empty range is that of the file here.
    let named = PRESETS.iter().filter(|(text, _)| !text.is_empty());
    named.map(|(text, name)| (with_parameters(&visit.here, &[("t", text)]), *name, *text == t)).collect()
}

/// Panels below their headings.
fn rows(asked: &Asked, address: &Address, drawn: Vec<Drawn>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut drawn = drawn.into_iter();
    for (number, panel) in asked.dashboard.panels.iter().enumerate() {
        if rows.is_empty() || !panel.row.is_empty() {
            rows.push(Row { title: fill::plain(&panel.row, &asked.choices), panels: Vec::new() });
        }
        let view = PanelView::new(asked, address, panel, number + 1, drawn.next());
        if let Some(row) = rows.last_mut() {
            row.panels.push(view);
        }
    }
    rows
}

impl PanelView {
    fn new(asked: &Asked, address: &Address, panel: &Panel, number: usize, drawn: Option<Drawn>) -> Self {
        let source = Address::new(format!("{address}/panel")).with("n", &number.to_string());
        let source = source.with("t", &asked.range.text).with("tz", &crate::zone::name());
        Self {
            id: format!("panel-{number}"),
            title: fill::plain(&panel.title, &asked.choices),
            description: fill::plain(&panel.description, &asked.choices),
            kind: panel.kind.word(),
            width: panel.width,
            height: panel.height,
            hide_empty: panel.hide_empty,
            source: asked.variables.iter().fold(source, with_chosen).to_string(),
            href: href(asked, panel),
            drawn,
        }
    }
}

/// An address with what is chosen of a variable.
fn with_chosen(address: Address, listed: &Listed) -> Address {
    let key = format!("{PREFIX}{}", listed.variable.name);
    if listed.is_all {
        return address.with(&key, ALL);
    }
    listed.chosen.iter().fold(address, |address, value| match value.is_empty() {
        true => address.with_empty(&key),
        false => address.with(&key, value),
    })
}

/// Where the questions of a panel can be asked by themselves.
fn href(asked: &Asked, panel: &Panel) -> String {
    let t = &asked.range.text;
    if let Some(search) = &panel.search {
        let q = fill::search(search, &asked.choices).unwrap_or_default();
        return crate::address::search("logs", &q, t);
    }
    let queries = panel.queries.iter().filter_map(|query| fill::promql(&query.expr, &asked.choices).ok());
    let address = queries
        .take(LINKED_QUERIES_MAX)
        .fold(Address::new("/promql"), |address, query| address.with("q", &query));
    if panel.queries.is_empty() { String::new() } else { address.with("t", t).link() }
}

impl VariableField {
    fn new(listed: &Listed) -> Self {
        let variable = &listed.variable;
        let mut values: Vec<(String, String, bool)> = Vec::new();
        if variable.all {
            values.push((ALL.to_owned(), "All".to_owned(), listed.is_all));
        }
        // What the address chose is offered, too, where the list does not have it.
        let strange = listed.chosen.iter().filter(|value| !listed.values.contains(value));
        let is_chosen = |value: &String| listed.chosen.contains(value);
        values.extend(
            strange.chain(&listed.values).map(|value| (value.clone(), value.clone(), is_chosen(value))),
        );
        let field = match (variable.kind, variable.multi) {
            (VariableKind::Text, _) => Field::Text(listed.chosen.concat()),
            (_, false) => Field::One(values),
            (_, true) => Field::Several(values, in_words(listed)),
        };
        Self {
            key: format!("{PREFIX}{}", variable.name),
            title: variable.title().to_owned(),
            note: listed.note.clone(),
            field,
        }
    }
}

/// What is chosen, in words.
fn in_words(listed: &Listed) -> String {
    match (listed.is_all, listed.chosen.as_slice()) {
        (true, _) => "All".to_owned(),
        (false, []) => "none".to_owned(),
        (false, [one]) => one.clone(),
        (false, [first, rest @ ..]) => format!("{first} and {} more", rest.len()),
    }
}
