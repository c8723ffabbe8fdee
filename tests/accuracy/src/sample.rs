//! `accuracy sample`: recorded faults are replayed into one store and asked for by their window only.
//!
//! All directories lie in the same store, so that other faults, other days and another application are among the history
//! that the diagnosis may compare with. Variants ask for other windows, or of stores that hold less.

mod cases;
mod replay;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ::tests::harness::announce;
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::SampleArgs;
use crate::score::{Ranks, ranks};
use crate::subject::{Subject, Window, program};
use crate::table::Table;
use crate::told::Told;
use cases::{Case, Index};
use replay::Keep;

/// A second in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// By how much windows are moved and widened.
const ASIDE: i64 = 30 * SECOND;

/// A way of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Variant {
    /// The window of the label, all directories in one store
    Exact,
    /// The window half a minute earlier
    Earlier,
    /// The window half a minute later
    Later,
    /// The window half a minute longer at both ends
    Wide,
    /// The middle half of the window
    Short,
    /// Exact, after the storage was settled
    Settled,
    /// Every other trace is missing, with its logs
    HalfTraces,
    /// No logs
    NoLogs,
    /// No metrics
    NoMetrics,
    /// Only the directory of the case and that of its baseline in the store
    Alone,
}

use Variant::{Alone, Earlier, Exact, HalfTraces, Later, NoLogs, NoMetrics, Settled, Short, Wide};

impl Variant {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// What is replayed for it.
    fn keep(self) -> Keep {
        match self {
            HalfTraces => Keep::HalfTraces,
            NoLogs => Keep::NoLogs,
            NoMetrics => Keep::NoMetrics,
            _ => Keep::All,
        }
    }

    /// The window that is asked for instead of a label's.
    fn window(self, of: Window) -> Window {
        let Window { from, to } = of;
        let quarter = (to - from) / 4;
        match self {
            Earlier => Window { from: from - ASIDE, to: to - ASIDE },
            Later => Window { from: from + ASIDE, to: to + ASIDE },
            Wide => Window { from: from - ASIDE, to: to + ASIDE },
            Short => Window { from: from + quarter, to: to - quarter },
            _ => of,
        }
    }
}

/// An answer about a case, and what it is worth.
#[derive(Debug, Clone)]
struct Scored {
    told: Told,
    ranks: Ranks,
    /// Whether the target can be named from what is stored.
    named: bool,
}

/// All answers to one way of asking, in the order of the cases.
type Answers = BTreeMap<Variant, Vec<Scored>>;

/// What was the same when it was asked again.
#[derive(Debug, Clone, Copy, Default)]
struct Repeats {
    at_once: usize,
    settled: usize,
}

/// Where the sample is, what asks of it, and what was found so far.
struct Run<'a> {
    program: PathBuf,
    root: &'a Path,
    index: Index,
    answers: Answers,
    repeats: Repeats,
    quiet: Vec<(String, Told)>,
}

/// Runs it.
pub(crate) fn run(args: &SampleArgs) -> Result<Vec<Table>> {
    let index = Index::read(&args.sample)?;
    let variants: Vec<Variant> = match (args.all, args.variants.is_empty()) {
        (true, _) => Variant::value_variants().to_vec(),
        (false, true) => vec![Exact],
        (false, false) => args.variants.clone(),
    };
    let mut run = Run {
        program: program(args.program.as_deref())?,
        root: &args.sample,
        index,
        answers: Answers::new(),
        repeats: Repeats::default(),
        quiet: Vec::new(),
    };
    run.of_all(&variants)?;
    for variant in variants.iter().filter(|variant| variant.keep() != Keep::All) {
        let mut subject = run.filled(&run.index.directories(), variant.keep())?;
        let answers = run.asked(&mut subject, *variant)?;
        run.answers.insert(*variant, answers);
    }
    if variants.contains(&Alone) {
        let answers = run.index.cases.iter().map(|case| run.alone(case)).collect::<Result<_>>()?;
        run.answers.insert(Alone, answers);
    }
    if let (Some(out), Some(exact)) = (&args.out, run.answers.get(&Exact)) {
        let text = serde_json::to_string_pretty(&candidates(&run.index.cases, exact))?;
        fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(report::tables(&run.index.cases, &run.answers, run.repeats, &run.quiet))
}

impl Run<'_> {
    /// What one store with everything in it answers: all windows, the same again, and the same settled.
    fn of_all(&mut self, variants: &[Variant]) -> Result<()> {
        let mut subject = self.filled(&self.index.directories(), Keep::All)?;
        let exact = self.asked(&mut subject, Exact)?;
        let again = self.asked(&mut subject, Exact)?;
        self.repeats.at_once = same(&exact, &again);
        for variant in variants.iter().filter(|variant| matches!(variant, Earlier | Later | Wide | Short)) {
            let answers = self.asked(&mut subject, *variant)?;
            self.answers.insert(*variant, answers);
        }
        for (name, window) in self.index.quiet()? {
            self.quiet.push((name, subject.ask(window)?));
        }
        announce("accuracy: settling the storage");
        subject.compact()?;
        let settled = self.asked(&mut subject, Settled)?;
        self.repeats.settled = same(&exact, &settled);
        self.answers.insert(Exact, exact);
        if variants.contains(&Settled) {
            self.answers.insert(Settled, settled);
        }
        Ok(())
    }

    /// The program with these directories.
    fn filled(&self, directories: &[&str], keep: Keep) -> Result<Subject> {
        let mut subject = Subject::start(&self.program)?;
        for directory in directories {
            announce(&format!("accuracy: replaying {directory}, {keep:?}"));
            replay::directory(&mut subject, &self.root.join(directory), keep)
                .with_context(|| format!("cannot replay {directory}"))?;
        }
        Ok(subject)
    }

    /// Asks for every case in one way.
    fn asked(&self, subject: &mut Subject, variant: Variant) -> Result<Vec<Scored>> {
        self.index.cases.iter().map(|case| ask(subject, case, variant)).collect()
    }

    /// A case in a store of its own.
    fn alone(&self, case: &Case) -> Result<Scored> {
        let mut subject = self.filled(&[&case.baseline_dir, &case.dir], Keep::All)?;
        ask(&mut subject, case, Alone)
    }
}

fn ask(subject: &mut Subject, case: &Case, variant: Variant) -> Result<Scored> {
    let window = variant.window(case.window()?);
    let told = subject.ask(window)?;
    let named = !case.is_code() || subject.logs_in(&case.root.service, window)?;
    let ranks = ranks(&case.root.service, &case.inner, &told.suspects);
    announce(&format!("accuracy: {} {}: {}", variant.name(), case.case_id, told.headline()));
    Ok(Scored { told, ranks, named })
}

/// How many answers are the same, byte for byte.
fn same(one: &[Scored], other: &[Scored]) -> usize {
    one.iter().zip(other).filter(|(one, other)| one.told.same == other.told.same).count()
}

/// The suspects as scorers of other methods read them.
fn candidates(cases: &[Case], answers: &[Scored]) -> Value {
    let of = |scored: &Scored| {
        let suspects = scored.told.suspects.iter();
        let candidates: Vec<Value> =
            suspects.map(|suspect| json!({ "service": suspect.service, "target": suspect.target })).collect();
        json!({ "candidates": candidates, "elapsed_ms": scored.told.elapsed_ms })
    };
    let cases = cases.iter().zip(answers).map(|(case, scored)| (case.case_id.clone(), of(scored)));
    json!({ "cases": cases.collect::<serde_json::Map<_, _>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        let of = Window { from: 100 * SECOND, to: 180 * SECOND };
        let check = |variant: Variant, from: i64, to: i64| {
            let expected = Window { from: from * SECOND, to: to * SECOND };
            assert_eq!(variant.window(of), expected, "{}", variant.name());
        };
        check(Exact, 100, 180);
        check(Earlier, 70, 150);
        check(Later, 130, 210);
        check(Wide, 70, 210);
        check(Short, 120, 160);
        check(Alone, 100, 180);
    }

    #[test]
    fn variants_are_described() {
        assert_eq!(HalfTraces.name(), "half-traces");
        assert_eq!(NoLogs.about(), "No logs");
    }

    #[test]
    fn suspects_are_handed_on() {
        let text = r#"{"cases": [{"case_id": "a", "dir": "d", "kind": "k", "root": {"service": "s"},
            "inner": {"type": "resource", "resource": "cpu"}, "baseline_dir": "b",
            "incident_window": ["2022-08-22T03:54:18Z", "2022-08-22T03:55:18Z"]}], "baselines": []}"#;
        let index: Index = serde_json::from_str(text).unwrap();
        let told = Told::read(
            r#"{"status":"ok","message":"","suspects":[{"service":"s","instance":null,"kind":"cpu","score":1,
            "target":{"type":"resource","resource":"cpu"}}],"elapsed_ms":7}"#,
        );
        let scored = Scored { told: told.unwrap(), ranks: Ranks::default(), named: true };
        let expected = json!({ "cases": { "a": { "elapsed_ms": 7, "candidates":
            [{ "service": "s", "target": { "type": "resource", "resource": "cpu" } }] } } });
        assert_eq!(candidates(&index.cases, &[scored]), expected);
    }
}
