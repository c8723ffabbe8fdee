//! `/dashboards`: all dashboards, those that are built in and those of the folder, with what is wrong in files.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::Ui;
use crate::address::Address;
use crate::dashboards::files::Entry;
use crate::format::counted;
use crate::pages::{apart, respond};
use crate::problem::{Problem, html};
use crate::visit::{Frame, Section, Visit};

#[derive(Template)]
#[template(path = "dashboards.html")]
struct DashboardsPage {
    frame: Frame,
    q: String,
    /// The tag that is asked for.
    tag: String,
    /// Tags with their addresses, and whether each is asked for.
    tags: Vec<(String, String, bool)>,
    summary: String,
    rows: Vec<Row>,
    /// What is wrong with the folder.
    troubles: Vec<String>,
    folder: String,
}

/// A dashboard in the list.
struct Row {
    href: String,
    edit: String,
    title: String,
    name: String,
    description: String,
    tags: Vec<String>,
    /// Its file, or that it is built in.
    place: String,
    fault: Option<String>,
}

/// Answers the page.
pub(crate) async fn page(State(ui): State<Ui>, visit: Visit) -> Response {
    respond(answer(&ui, &visit), &visit, &ui)
}

fn answer(ui: &Ui, visit: &Visit) -> Result<Response, Problem> {
    let (q, tag) = (visit.params.text("q")?.trim(), visit.params.text("tag")?);
    let (all, troubles) = apart(|| ui.dashboards.all());
    html(&view(visit, ui, (&all, troubles), q, tag))
}

fn view(
    visit: &Visit,
    ui: &Ui,
    (all, troubles): (&[Entry], Vec<String>),
    q: &str,
    tag: &str,
) -> DashboardsPage {
    let mut found: Vec<&Entry> = all.iter().filter(|entry| matches(entry, q, tag)).collect();
    found.sort_by_key(|entry| entry.title().to_lowercase());
    let tags: BTreeSet<&str> = all.iter().flat_map(tags_of).map(String::as_str).collect();
    let tags = tags.into_iter().map(|one| {
        let is_asked = one == tag;
        let address = Address::new("/dashboards").with("q", q).with("tag", if is_asked { "" } else { one });
        (one.to_owned(), address.to_string(), is_asked)
    });
    DashboardsPage {
        frame: visit.frame("Dashboards", Section::Dashboards, ui.version),
        q: q.to_owned(),
        tag: tag.to_owned(),
        tags: tags.collect(),
        summary: match found.len() == all.len() {
            true => counted(all.len() as u64, "dashboard"),
            false => format!("{} of {}", found.len(), counted(all.len() as u64, "dashboard")),
        },
        rows: found.into_iter().map(Row::new).collect(),
        troubles,
        folder: ui.dashboards.folder().display().to_string(),
    }
}

fn tags_of(entry: &Entry) -> &[String] {
    entry.dashboard.as_ref().map_or(&[], |dashboard| &dashboard.tags)
}

/// Whether a dashboard has a tag, and every word in its name, title, description or tags.
fn matches(entry: &Entry, q: &str, tag: &str) -> bool {
    let description = entry.dashboard.as_ref().map_or("", |dashboard| &dashboard.description);
    let text = [&entry.name, entry.title(), description, &tags_of(entry).join(" ")].join(" ").to_lowercase();
    let has_tag = tag.is_empty() || tags_of(entry).iter().any(|one| one == tag);
    has_tag && q.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

impl Row {
    fn new(entry: &Entry) -> Self {
        let address = Address::new("/dashboards").below(&entry.name).to_string();
        let place = match (&entry.path, entry.is_in_place) {
            (None, _) => "built in".to_owned(),
            (Some(path), false) => path.display().to_string(),
            (Some(path), true) => format!("{}, in place of the one that is built in", path.display()),
        };
        Self {
            edit: format!("{address}/edit"),
            href: address,
            title: entry.title().to_owned(),
            name: entry.name.clone(),
            description: entry
                .dashboard
                .as_ref()
                .map(|dashboard| dashboard.description.clone())
                .unwrap_or_default(),
            tags: tags_of(entry).to_vec(),
            place,
            fault: entry.fault.as_ref().map(ToString::to_string),
        }
    }
}
