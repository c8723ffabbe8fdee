//! The labels: `cases.json` of a sample.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

use crate::score::Inner;
use crate::subject::Window;

/// What a sample holds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Index {
    /// Faults.
    pub(super) cases: Vec<Case>,
    /// Directories without faults.
    baselines: Vec<Baseline>,
}

/// A fault.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Case {
    /// Its name.
    pub(super) case_id: String,
    /// Its directory.
    pub(super) dir: String,
    /// What was done.
    pub(super) kind: String,
    /// Where.
    pub(super) root: Root,
    /// What exactly is wrong.
    pub(super) inner: Inner,
    /// The directory of a time without faults.
    pub(super) baseline_dir: String,
    incident_window: [String; 2],
}

/// Where a fault is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Root {
    /// The service.
    pub(super) service: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Baseline {
    dir: String,
    windows: Vec<Quiet>,
}

/// A time without faults.
#[derive(Debug, Clone, Deserialize)]
struct Quiet {
    file: String,
    first_root_start: String,
    last_root_start: String,
}

impl Index {
    /// Reads that of a sample.
    pub(super) fn read(sample: &Path) -> Result<Self> {
        let path = sample.join("cases.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} lists no cases", path.display()))
    }

    /// All directories, each once.
    pub(super) fn directories(&self) -> Vec<&str> {
        let baselines = self.baselines.iter().map(|baseline| baseline.dir.as_str());
        let mut all: Vec<&str> = baselines.chain(self.cases.iter().map(|case| case.dir.as_str())).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The windows without faults, with names.
    pub(super) fn quiet(&self) -> Result<Vec<(String, Window)>> {
        let of = |baseline: &Baseline| {
            let named = |quiet: &Quiet| {
                let window = window(&quiet.first_root_start, &quiet.last_root_start)?;
                Ok((format!("{} {}", baseline.dir, quiet.file), window))
            };
            baseline.windows.iter().map(named).collect::<Vec<_>>()
        };
        self.baselines.iter().flat_map(of).collect()
    }
}

impl Case {
    /// The time that is asked for.
    pub(super) fn window(&self) -> Result<Window> {
        window(&self.incident_window[0], &self.incident_window[1])
            .with_context(|| format!("the window of {}", self.case_id))
    }

    /// Whether the code is at fault.
    pub(super) fn is_code(&self) -> bool {
        matches!(self.inner, Inner::Code { .. })
    }

    /// What exactly is wrong, in a line.
    pub(super) fn target_text(&self) -> String {
        match &self.inner {
            Inner::Resource { resource } => resource.clone(),
            Inner::Code { from, to } => format!("{} → {}", from.part, to.part),
        }
    }
}

fn window(from: &str, to: &str) -> Result<Window> {
    let time = |text: &str| -> Result<i64> {
        let time: Timestamp = text.parse().with_context(|| format!("{text:?} is no time"))?;
        i64::try_from(time.as_nanosecond()).with_context(|| format!("{text:?} is too far away"))
    };
    Ok(Window { from: time(from)?, to: time(to)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let of = window("2022-08-22T03:54:18.350Z", "2022-08-22T03:55:18Z").unwrap();
        assert_eq!(of, Window { from: 1_661_140_458_350_000_000, to: 1_661_140_518_000_000_000 });
        assert!(window("yesterday", "2022-08-22T03:55:18Z").is_err());
    }

    #[test]
    fn an_index_names_directories_once() {
        let text = r#"{"cases": [], "baselines": [
            {"dir": "b", "windows": [{"file": "05_43", "first_root_start": "2022-08-22T05:42:19Z",
             "last_root_start": "2022-08-22T05:43:19Z"}]}, {"dir": "a", "windows": []}, {"dir": "b", "windows": []}]}"#;
        let index: Index = serde_json::from_str(text).unwrap();
        assert_eq!(index.directories(), ["a", "b"]);
        let quiet = index.quiet().unwrap();
        assert_eq!(quiet.len(), 1);
        assert_eq!(quiet[0].0, "b 05_43");
    }
}
