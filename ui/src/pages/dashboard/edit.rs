//! `/dashboards/{name}/edit`, `/dashboards/new` and `/dashboards/import`: the text of a dashboard, to be changed, written anew
//! or made of one of Grafana. Nothing is written before it is right.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::entry;
use crate::Ui;
use crate::address::Address;
use crate::dashboards::check::{self, Form as TextForm};
use crate::dashboards::files::{Entry, SaveError};
use crate::dashboards::{Fault, Imported, grafana};
use crate::named::Named;
use crate::pages::{apart, respond};
use crate::params::BadParameter;
use crate::problem::{Problem, html};
use crate::visit::{Frame, Section, Visit};

/// The longest form in bytes: a text of which every byte may be written as three.
pub(crate) const FORM_BYTES_MAX: usize = 13 << 20;
/// The text that a new dashboard begins with.
const BEGINNING: &str = include_str!("beginning.toml");

#[derive(Template)]
#[template(path = "dashboard-edit.html")]
struct EditPage {
    frame: Frame,
    heading: String,
    action: String,
    /// The name of a new one, to be chosen.
    name: Option<String>,
    /// What the text was when it was opened, of one that is there.
    hash: String,
    form: &'static str,
    text: String,
    checked: Checked,
    /// Why it was not saved.
    refused: Option<String>,
    /// What an import left out.
    left_out: Vec<String>,
    /// Where it is saved.
    place: String,
    back: String,
}

/// What is wrong with a text.
#[derive(Template)]
#[template(path = "part/checked.html")]
struct Checked {
    /// The fault, and the line that it is in.
    fault: Option<(String, Option<String>)>,
}

#[derive(Template)]
#[template(path = "dashboard-import.html")]
struct ImportPage {
    frame: Frame,
    text: String,
    fault: Option<String>,
}

/// What is sent of an editor.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    text: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    form: String,
}

/// A form, or why it could not be read.
type Posted = Result<Form<Sent>, FormRejection>;

/// Answers the editor of a dashboard. One that is built in becomes a copy.
pub(crate) async fn page(State(ui): State<Ui>, Named(name): Named, visit: Visit) -> Response {
    let answer = entry(&ui, &name).and_then(|entry| html(&EditPage::of(&visit, &ui, &entry)));
    respond(answer, &visit, &ui)
}

/// Answers the editor of a new dashboard.
pub(crate) async fn new(State(ui): State<Ui>, visit: Visit) -> Response {
    let page = EditPage::new(&visit, &ui, String::new(), BEGINNING.to_owned());
    respond(html(&page), &visit, &ui)
}

/// Saves the text of a dashboard that is there.
pub(crate) async fn save(State(ui): State<Ui>, Named(name): Named, visit: Visit, sent: Posted) -> Response {
    let answer = sent_of(sent).and_then(|sent| {
        let entry = entry(&ui, &name)?;
        let saved = apart(|| ui.dashboards.save(&name, &sent.text, Some(&sent.hash)));
        let page = EditPage { hash: sent.hash, ..EditPage::of(&visit, &ui, &entry) };
        after(saved, &name, page, sent.text, &ui)
    });
    respond(answer, &visit, &ui)
}

/// Saves a new dashboard.
pub(crate) async fn create(State(ui): State<Ui>, visit: Visit, sent: Posted) -> Response {
    let answer = sent_of(sent).and_then(|sent| {
        let name = sent.name.trim();
        let saved = apart(|| ui.dashboards.save(name, &sent.text, None));
        let page = EditPage::new(&visit, &ui, name.to_owned(), String::new());
        after(saved, name, page, sent.text, &ui)
    });
    respond(answer, &visit, &ui)
}

/// Answers what is wrong with a text, for the editor that is being written in.
pub(crate) async fn checked(State(ui): State<Ui>, visit: Visit, sent: Posted) -> Response {
    let answer = sent_of(sent).and_then(|sent| {
        let form = TextForm::of(&sent.form).unwrap_or(TextForm::Toml);
        html(&Checked::of(form, &sent.text, &ui))
    });
    respond(answer, &visit, &ui)
}

/// Answers the form of an import.
pub(crate) async fn import(State(ui): State<Ui>, visit: Visit) -> Response {
    respond(html(&ImportPage::new(&visit, &ui, String::new(), None)), &visit, &ui)
}

/// Answers with a dashboard of Grafana as one of ours, to be looked at and saved.
pub(crate) async fn imported(State(ui): State<Ui>, visit: Visit, sent: Posted) -> Response {
    let answer = sent_of(sent).and_then(|sent| match grafana(&sent.text, ui.dashboards.options()) {
        Ok(Imported { name, text, left_out }) => {
            html(&EditPage { left_out, ..EditPage::new(&visit, &ui, name, text) })
        }
        Err(fault) => {
            let page = html(&ImportPage::new(&visit, &ui, sent.text, Some(fault.to_string())))?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
    });
    respond(answer, &visit, &ui)
}

/// What was sent, with the ends of lines as files have them.
fn sent_of(sent: Posted) -> Result<Sent, Problem> {
    let wrong = |rejection: FormRejection| BadParameter::new("text", "", rejection.body_text());
    let Form(sent) = sent.map_err(wrong)?;
    Ok(Sent { text: sent.text.replace("\r\n", "\n"), ..sent })
}

/// The dashboard that was saved, or the editor with what was sent and why it was not.
fn after(
    saved: Result<(), SaveError>,
    name: &str,
    page: EditPage,
    text: String,
    ui: &Ui,
) -> Result<Response, Problem> {
    let Err(error) = saved else {
        return Ok(Redirect::to(&Address::new("/dashboards").below(name).to_string()).into_response());
    };
    let status = match error {
        SaveError::Name(_) | SaveError::Wrong(_) => StatusCode::BAD_REQUEST,
        SaveError::Changed(_) | SaveError::Exists(_) => StatusCode::CONFLICT,
        SaveError::Unwritable { .. } => StatusCode::FORBIDDEN,
    };
    let form = TextForm::of(page.form).unwrap_or(TextForm::Toml);
    let page =
        EditPage { checked: Checked::of(form, &text, ui), refused: Some(error.to_string()), text, ..page };
    Ok((status, html(&page)?).into_response())
}

impl EditPage {
    /// The editor of a dashboard that is there.
    fn of(visit: &Visit, ui: &Ui, entry: &Entry) -> Self {
        let text = entry.text.to_string();
        let Some(path) = &entry.path else {
            return Self::new(visit, ui, format!("{}-copy", entry.name), text);
        };
        let back = Address::new("/dashboards").below(&entry.name).to_string();
        Self {
            frame: visit.frame(format!("Edit {}", entry.title()), Section::Dashboards, ui.version),
            heading: format!("Edit {}", entry.title()),
            action: format!("{back}/edit"),
            name: None,
            hash: entry.hash(),
            form: entry.form.ending(),
            checked: Checked::of(entry.form, &text, ui),
            text,
            refused: None,
            left_out: Vec::new(),
            place: path.display().to_string(),
            back,
        }
    }

    /// The editor of a dashboard that is not there yet.
    fn new(visit: &Visit, ui: &Ui, name: String, text: String) -> Self {
        Self {
            frame: visit.frame("New dashboard", Section::Dashboards, ui.version),
            heading: "New dashboard".to_owned(),
            action: "/dashboards/new".to_owned(),
            name: Some(name),
            hash: String::new(),
            form: TextForm::Toml.ending(),
            checked: Checked::of(TextForm::Toml, &text, ui),
            text,
            refused: None,
            left_out: Vec::new(),
            place: ui.dashboards.folder().display().to_string(),
            back: "/dashboards".to_owned(),
        }
    }
}

impl ImportPage {
    fn new(visit: &Visit, ui: &Ui, text: String, fault: Option<String>) -> Self {
        Self { frame: visit.frame("Import a dashboard", Section::Dashboards, ui.version), text, fault }
    }
}

impl Checked {
    fn of(form: TextForm, text: &str, ui: &Ui) -> Self {
        let fault = check::read(form, text, ui.dashboards.options()).err();
        let line = |fault: &Fault| Some(text.lines().nth(fault.line?.checked_sub(1)?)?.to_owned());
        Self { fault: fault.map(|fault| (fault.to_string(), line(&fault))) }
    }
}
