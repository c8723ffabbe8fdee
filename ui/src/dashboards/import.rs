//! Dashboards of Grafana: their panels in PromQL become a dashboard of ours, and what is left out is said.
//!
//! A panel whose queries would not be right here is left out with the reason, so that what comes out can be shown.

mod panel;
mod variable;

use query::promql::Options;
use serde_json::Value;

use super::check::{self, Fault, PANELS_MAX, VARIABLES_MAX};
use super::files;
use super::fill;
use super::model::{Dashboard, Panel};
use crate::range::Range;

/// The longest file that is taken, in bytes.
pub(crate) const IMPORT_BYTES_MAX: usize = 4 << 20;
/// How often a Prometheus has a sample of a series unless it is told otherwise.
const INTERVAL: &str = "15s";
/// The most lines that say what was left out.
const LEFT_OUT_MAX: usize = 200;
/// The longest name that is made of a title, in characters.
const NAME_CHARS_MAX: usize = 40;

/// What became of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// A name for its file.
    pub name: String,
    /// It, in TOML.
    pub text: String,
    /// What was left out, each with its panel or variable.
    pub left_out: Vec<String>,
}

/// What is left out of an import, in the order in which it was met.
#[derive(Debug, Default)]
struct LeftOut {
    lines: Vec<String>,
    /// How many more there are.
    more: usize,
}

impl LeftOut {
    fn say(&mut self, what: &str, why: impl AsRef<str>) {
        match self.lines.len() < LEFT_OUT_MAX {
            true => self.lines.push(format!("{what}: {}", why.as_ref())),
            false => self.more += 1,
        }
    }

    /// What was said, and how much more there was.
    fn told(self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.lines.into_iter().chain(more).collect()
    }
}

/// Reads a dashboard as Grafana exports it, and its queries by some options.
pub fn grafana(json: &str, options: &Options) -> Result<Imported, Fault> {
    let fault = |message: String| Fault { line: None, message };
    if json.len() > IMPORT_BYTES_MAX {
        let message =
            format!("a file may have {IMPORT_BYTES_MAX} bytes at most; this one has {}", json.len());
        return Err(fault(message));
    }
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Fault { line: Some(error.line()), message: format!("this is no JSON: {error}") })?;
    let source = value.get("dashboard").filter(|inner| inner.is_object()).unwrap_or(&value);
    if source.get("panels").or_else(|| source.get("rows")).and_then(Value::as_array).is_none() {
        return Err(fault(
            "this is no dashboard of Grafana: an object with `panels` was expected".to_owned(),
        ));
    }
    let mut left_out = LeftOut::default();
    let dashboard = dashboard(source, options, &mut left_out);
    let text = toml::to_string_pretty(&dashboard).map_err(|error| fault(error.to_string()))?;
    Ok(Imported { name: name_of(&dashboard.title), text, left_out: left_out.told() })
}

fn dashboard(source: &Value, options: &Options, left_out: &mut LeftOut) -> Dashboard {
    let title = match text(source, "title").trim() {
        "" => "Imported".to_owned(),
        title => title.to_owned(),
    };
    let mut out = Dashboard {
        title,
        description: text(source, "description").to_owned(),
        tags: list(source, "tags").iter().filter_map(Value::as_str).map(str::to_owned).take(20).collect(),
        range: range(source),
        refresh: refresh(source),
        interval: INTERVAL.to_owned(),
        variables: Vec::new(),
        panels: Vec::new(),
    };
    for variable in source["templating"]["list"].as_array().into_iter().flatten() {
        add_variable(&mut out, variable, options, left_out);
    }
    for panel in panel::all(source, left_out) {
        add_panel(&mut out, panel, options, left_out);
    }
    let annotations = source["annotations"]["list"].as_array().into_iter().flatten();
    for annotation in annotations.filter(|one| one["builtIn"] != 1) {
        left_out.say(&format!("annotation {:?}", text(annotation, "name")), "annotations are not shown");
    }
    if !list(source, "links").is_empty() {
        left_out.say("dashboard", "its links to other pages");
    }
    out
}

/// Adds a variable if the dashboard is right with it.
fn add_variable(out: &mut Dashboard, source: &Value, options: &Options, left_out: &mut LeftOut) {
    let what = format!("variable {:?}", text(source, "name"));
    match variable::of(source, &what, left_out) {
        Ok(Some(_)) if out.variables.len() == VARIABLES_MAX => {
            left_out.say(&what, format!("a dashboard has {VARIABLES_MAX} variables at most"));
        }
        Ok(Some(variable)) => {
            out.variables.push(variable);
            if let Some(wrong) = check::wrong(&Dashboard { panels: Vec::new(), ..out.clone() }, options) {
                out.variables.pop();
                left_out.say(&what, wrong);
            }
        }
        Ok(None) => {}
        Err(why) => left_out.say(&what, why),
    }
}

/// Adds a panel with those of its queries that are right here.
fn add_panel(out: &mut Dashboard, mut panel: Panel, options: &Options, left_out: &mut LeftOut) {
    let what = format!("panel {:?}", panel.title);
    if out.panels.len() == PANELS_MAX {
        return left_out.say(&what, format!("a dashboard has {PANELS_MAX} panels at most"));
    }
    let wrong_with = |panel: Panel| check::wrong(&Dashboard { panels: vec![panel], ..out.clone() }, options);
    let has_queries = !panel.queries.is_empty();
    let queries = std::mem::take(&mut panel.queries);
    for query in queries {
        match wrong_with(Panel { queries: vec![query.clone()], ..panel.clone() }) {
            None => panel.queries.push(query),
            Some(wrong) => left_out.say(&what, format!("the query {:?}: {wrong}", query.expr)),
        }
    }
    match has_queries && panel.queries.is_empty() {
        true => left_out.say(&what, "no query of it is left"),
        false => match wrong_with(panel.clone()) {
            None => out.panels.push(panel),
            Some(wrong) => left_out.say(&what, wrong),
        },
    }
}

/// The time that it shows, where that is one of ours.
fn range(source: &Value) -> String {
    let (from, to) = (text(&source["time"], "from"), text(&source["time"], "to"));
    let range = if to == "now" || to.is_empty() { from.to_owned() } else { format!("{from}..{to}") };
    match Range::read("range", &range, model::UnixNanos::now()) {
        Ok(_) => range,
        Err(_) => String::new(),
    }
}

fn refresh(source: &Value) -> String {
    let refresh = text(source, "refresh");
    let is_right = query::promql::parse_duration(refresh).is_some_and(|length| length > 0);
    if is_right { refresh.to_owned() } else { String::new() }
}

/// A name for a file, made of a title.
fn name_of(title: &str) -> String {
    let mut name = String::new();
    for letter in title.chars().take(NAME_CHARS_MAX) {
        match letter {
            letter if letter.is_ascii_alphanumeric() => name.push(letter.to_ascii_lowercase()),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_end_matches('-');
    if files::is_name(name) { name.to_owned() } else { "imported".to_owned() }
}

/// Text of Grafana with its old form of variables, `[[name]]` or `[[name:form]]`, in the form of today.
fn modern(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("[[") {
        let after = &rest[at + 2..];
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
        let length = after.bytes().position(|byte| !is_inside(byte)).unwrap_or(after.len());
        let (inside, behind) = after.split_at(length);
        match behind.strip_prefix("]]").filter(|_| is_variable(inside)) {
            Some(behind) => {
                out.push_str(&rest[..at]);
                out.push_str(&format!("${{{inside}}}"));
                rest = behind;
            }
            // Only the first bracket is past: the second may be the first of a variable's.
            None => {
                out.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

/// Whether a text is `name` or `name:form`, and no class of letters such as `:alpha:`.
fn is_variable(inside: &str) -> bool {
    match inside.split_once(':') {
        None => fill::is_name(inside),
        Some((name, form)) => fill::is_name(name) && fill::is_name(form),
    }
}

/// A text of an object; empty if it has none.
fn text<'a>(source: &'a Value, key: &str) -> &'a str {
    source[key].as_str().unwrap_or_default()
}

/// A list of an object; empty if it has none.
fn list<'a>(source: &'a Value, key: &str) -> &'a [Value] {
    source[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
