//! What a diagnosis said, read as a client reads it.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// The key of what may differ between two answers to one question.
const ELAPSED: &str = "\"elapsed_ms\":";

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Told {
    /// `ok`, `quiet` or `not_enough`.
    pub(crate) status: String,
    /// That in a sentence.
    pub(crate) message: String,
    /// The best first.
    pub(crate) suspects: Vec<Suspect>,
    /// How long it took, in milliseconds.
    pub(crate) elapsed_ms: u64,
    /// The answer as it came, without how long it took.
    #[serde(skip)]
    pub(crate) same: String,
}

/// Somebody who may be the cause.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Suspect {
    /// The service.
    pub(crate) service: String,
    /// The instance, where it is one.
    pub(crate) instance: Option<String>,
    /// The kind of fault.
    pub(crate) kind: String,
    /// What exactly.
    pub(crate) target: Value,
    /// From 0 to 1.
    pub(crate) score: f64,
}

impl Told {
    /// Reads an answer.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut told: Self = serde_json::from_str(text).context("the answer is no diagnosis")?;
        told.same = without_elapsed(text);
        Ok(told)
    }

    /// The first suspect.
    pub(crate) fn first(&self) -> Option<&Suspect> {
        self.suspects.first()
    }

    /// The first suspect's service and kind; without one the status, and why.
    pub(crate) fn headline(&self) -> String {
        match self.first() {
            Some(first) => first.place(),
            None => format!("{}: {}", self.status, self.message),
        }
    }
}

impl Suspect {
    /// Service, instance and kind.
    pub(crate) fn place(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{} ({instance}): {}", self.service, self.kind),
            None => format!("{}: {}", self.service, self.kind),
        }
    }

    /// The target in a line.
    pub(crate) fn target_text(&self) -> String {
        let Some(fields) = self.target.as_object() else { return self.target.to_string() };
        let mut text = fields.get("type").and_then(Value::as_str).unwrap_or("?").to_owned();
        for (key, value) in fields.iter().filter(|(key, _)| *key != "type") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // Writing into a string does not fail.
            let _ = write!(text, " {key}={value}");
        }
        text
    }
}

/// A text without the number of milliseconds.
fn without_elapsed(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once(ELAPSED) else { return text.to_owned() };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    format!("{before}{}", &after[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let text = r#"{"status":"ok","message":"m","baseline":null,"suspects":[{"service":"cart","namespace":null,
            "instance":"cart-1","kind":"cpu","target":{"type":"resource","resource":"cpu"},"score":0.5,"summary":"s",
            "evidence":[]}],"partial":null,"elapsed_ms":17}"#;
        let told = Told::read(text).unwrap();
        assert_eq!((told.elapsed_ms, told.headline().as_str()), (17, "cart (cart-1): cpu"));
        assert_eq!(told.first().unwrap().target_text(), "resource resource=cpu");
        assert_eq!(told.same, Told::read(&text.replace("17", "4")).unwrap().same);
        assert_ne!(told.same, Told::read(&text.replace("0.5", "0.6")).unwrap().same);
        let quiet = Told::read(r#"{"status":"quiet","message":"as ever","suspects":[],"elapsed_ms":1}"#);
        assert_eq!(quiet.unwrap().headline(), "quiet: as ever");
        assert!(Told::read("{}").is_err());
    }
}
