//! Scripts played to the program: what passed, what did not, and what was not asked.

mod features;
mod left_out;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::check;
use crate::door::Door;
use crate::script::{self, Command, Eval, SCRIPT_BYTES_MAX, Times};
use crate::series;
use crate::subject::Subject;
pub use features::{FEATURES, of_file};
use left_out::LeftOut;

/// The distance of the steps around an instant that is asked as a range.
const AROUND_MS: i64 = 60_000;

/// The most scripts of a folder.
const SCRIPTS_MAX: usize = 1_000;

/// A script.
#[derive(Debug)]
pub struct Script {
    /// The name of its file.
    pub name: String,
    commands: Vec<(usize, Command)>,
}

/// How scripts are played.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How samples go in.
    pub door: Door,
    /// Whether features are on.
    pub features: bool,
    /// Whether answers of which nothing is said have to come without warnings and remarks.
    pub is_strict: bool,
}

/// How many evaluations went how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
}

/// What came of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The evaluations as they are written.
    pub written: Tally,
    /// Instants asked as ranges.
    pub as_range: Tally,
    /// Evaluations that need a feature that is off.
    pub featured: usize,
    /// Evaluations over series that the door cannot say.
    pub unsayable: usize,
    /// What failed, a line each.
    pub failures: Vec<String>,
}

impl Report {
    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        for (tally, more) in [(&mut self.written, other.written), (&mut self.as_range, other.as_range)] {
            tally.passed += more.passed;
            tally.failed += more.failed;
        }
        self.featured += other.featured;
        self.unsayable += other.unsayable;
        self.failures.extend_from_slice(&other.failures);
    }
}

impl Script {
    /// The scripts of a folder, in order of their names.
    pub fn all(folder: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = Vec::new();
        for entry in entries.take(SCRIPTS_MAX) {
            paths.push(entry?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
        ensure!(!paths.is_empty(), "there is no file *.test in {}", folder.display());
        paths.sort();
        paths.iter().map(|path: &PathBuf| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let what = || path.display().to_string();
        let bytes = fs::metadata(path).with_context(what)?.len();
        ensure!(bytes <= SCRIPT_BYTES_MAX, "{} has more than {SCRIPT_BYTES_MAX} bytes", path.display());
        let commands = script::parse(&fs::read_to_string(path).with_context(what)?).with_context(what)?;
        Ok(Self { name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), commands })
    }

    /// How many tenants it needs.
    pub fn sections(&self) -> usize {
        1 + self.commands.iter().filter(|(_, command)| matches!(command, Command::Clear)).count()
    }

    /// Plays it to a program that has its features on if the rules say so.
    pub fn play(&self, subject: &mut Subject, rules: Rules) -> Result<Report> {
        let mut report = Report::default();
        // Prometheus itself answers with remarks of which nothing is said where a whole file needs features.
        let rules = Rules { is_strict: rules.is_strict && of_file(&self.name).is_empty(), ..rules };
        let mut left_out = LeftOut::default();
        subject.next_tenant()?;
        for (line, command) in &self.commands {
            let place = format!("{}:{line}", self.name);
            match command {
                Command::Clear => {
                    left_out = LeftOut::default();
                    subject.next_tenant()?;
                }
                Command::Load(load) => {
                    let mut series = series::loaded(load).with_context(|| place.clone())?;
                    left_out.take(rules.door, &mut series);
                    if let Err(error) = subject.write(rules.door, &series) {
                        report.failures.push(format!("{place}: load: {error:#}"));
                    }
                }
                Command::Eval(eval) => match self.needs_features(eval) && !rules.features {
                    true => report.featured += 1,
                    false if left_out.are_asked_by(&eval.query) => report.unsayable += 1,
                    false => evaluate(eval, subject, rules, &place, &mut report)?,
                },
            }
        }
        Ok(report)
    }

    fn needs_features(&self, eval: &Eval) -> bool {
        !of_file(&self.name).is_empty() || features::needed(&eval.query)
    }
}

fn evaluate(
    eval: &Eval,
    subject: &mut Subject,
    rules: Rules,
    place: &str,
    report: &mut Report,
) -> Result<()> {
    let answer = subject.ask(&eval.query, eval.times).with_context(|| place.to_owned())?;
    let judged = check::answer(eval, &answer, rules.is_strict);
    note(&mut report.written, &mut report.failures, judged, place, &eval.query);
    let Times::Instant(at) = eval.times else { return Ok(()) };
    if eval.fails || features::moves_with_range(&eval.query) {
        return Ok(());
    }
    let times = Times::Range { start: at - AROUND_MS, end: at + AROUND_MS, step: AROUND_MS };
    let answer = subject.ask(&eval.query, times).with_context(|| place.to_owned())?;
    let judged = check::middle(eval, at, &answer);
    note(&mut report.as_range, &mut report.failures, judged, &format!("{place}, as a range"), &eval.query);
    Ok(())
}

fn note(tally: &mut Tally, failures: &mut Vec<String>, judged: Result<(), String>, place: &str, query: &str) {
    match judged {
        Ok(()) => tally.passed += 1,
        Err(why) => {
            tally.failed += 1;
            failures.push(format!("{place}: {query}: {why}"));
        }
    }
}
