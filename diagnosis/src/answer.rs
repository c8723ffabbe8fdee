//! What a diagnosis says, as people and programs read it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There are suspects.
    Ok,
    /// Nothing differs from the reference.
    Quiet,
    /// There is not enough to tell.
    NotEnough,
}

/// A diagnosis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// How it ended.
    pub status: Status,
    /// That in a sentence.
    pub message: String,
    /// What the window was compared with; nothing where there was nothing.
    pub baseline: Option<Baseline>,
    /// The best first, at most [`SUSPECTS_MAX`].
    pub suspects: Vec<Suspect>,
    /// What limited it, if something did.
    pub partial: Option<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// The most suspects of a diagnosis.
pub const SUSPECTS_MAX: usize = 10;
/// The most pieces of evidence of a suspect.
pub(crate) const EVIDENCE_MAX: usize = 18;

/// The minutes that a window was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The first moment, in nanoseconds as text.
    pub from: String,
    /// The end.
    pub to: String,
    /// How many minutes in between.
    pub minutes: usize,
    /// Why these.
    pub why: String,
}

/// Somebody who may be the cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// The service.
    pub service: String,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its environment, if it has one.
    pub environment: Option<String>,
    /// The instance, where it is one of several, or the only one.
    pub instance: Option<String>,
    /// The kind of fault.
    pub kind: String,
    /// What exactly.
    pub target: Value,
    /// From 0 to 1: the share of what is wrong that tells for this suspect.
    pub score: f64,
    /// Why, in a sentence.
    pub summary: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// Something that tells for a suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What kind it is.
    pub kind: String,
    /// It in a sentence.
    pub statement: String,
    /// What was found.
    pub value: Option<f64>,
    /// What is usual.
    pub expected: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// SQL from which the number can be computed again.
    pub query: Option<String>,
    /// A page to look at.
    pub href: Option<String>,
}

impl Diagnosis {
    /// An answer without suspects.
    pub(crate) fn without(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            baseline: None,
            suspects: Vec::new(),
            partial: None,
            elapsed_ms: 0,
        }
    }
}

/// A unit as it stands behind a figure: of `{line}` more than one are `lines`. A unit that is none of these is as it is.
pub fn counted(value: f64, unit: &str) -> String {
    match unit.strip_prefix('{').and_then(|unit| unit.strip_suffix('}')) {
        Some(one) if value == 1.0 || one.ends_with('s') => one.to_owned(),
        Some(one) => format!("{one}s"),
        None => unit.replace(['{', '}'], ""),
    }
}
