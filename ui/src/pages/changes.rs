//! Changes: what was deployed, configured, switched or started anew, as a table.

use askama::Template;
use diagnosis::Change;
use serde_json::Value;

use crate::format::Moment;
use crate::pages::rows::ServiceMark;

/// Changes, in the order in which they are given.
#[derive(Debug, Template)]
#[template(path = "part/changes.html")]
pub(crate) struct ChangeTable {
    pub(crate) rows: Vec<ChangeRow>,
}

/// A change.
#[derive(Debug)]
pub(crate) struct ChangeRow {
    pub(crate) time: Option<Moment>,
    pub(crate) kind: String,
    pub(crate) service: ServiceMark,
    /// Version and text, what of them is known.
    pub(crate) words: String,
    /// How it came to be known.
    pub(crate) source: String,
}

impl ChangeTable {
    pub(crate) fn new(changes: &[Change]) -> Self {
        Self { rows: changes.iter().map(ChangeRow::new).collect() }
    }
}

impl ChangeRow {
    fn new(change: &Change) -> Self {
        Self {
            time: change.time.parse().ok().map(Moment::to_second),
            kind: kind(change),
            service: ServiceMark::new(&change.service),
            words: words(change),
            source: match change.source.as_str() {
                "telemetry" => "observed".to_owned(),
                "api" => "marked".to_owned(),
                other => other.to_owned(),
            },
        }
    }
}

/// Changes of a service by their time in words, each once: the marks of its charts.
pub(crate) fn marks<'a>(changes: impl Iterator<Item = &'a Change>, service: &str) -> Vec<(i64, String)> {
    let of_service = changes.filter(|change| change.service == service);
    let mut marks: Vec<(i64, String)> = of_service
        .filter_map(|change| {
            let words = format!("{} {}", kind(change), words(change));
            Some((change.time.parse().ok()?, words.trim().to_owned()))
        })
        .collect();
    marks.sort();
    marks.dedup();
    marks
}

/// What was changed, in a word.
pub(crate) fn kind(change: &Change) -> String {
    match serde_json::to_value(change.kind) {
        Ok(Value::String(word)) => word,
        _ => "change".to_owned(),
    }
}

/// To which version, and what who made it says.
pub(crate) fn words(change: &Change) -> String {
    let parts = [change.version.as_ref(), change.text.as_ref()];
    let parts: Vec<&str> =
        parts.into_iter().flatten().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}
