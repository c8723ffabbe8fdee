//! One changed byte, or one cut, in any file: the program starts or says which file is damaged, and an answer is
//! whole and right, or an error, or says that it is not whole. What is in other segments stays readable.
//!
//! The files are taken as they lie in the data directory, by kind of name; nothing is assumed of what is in them.

mod data;

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    thread,
};

use data::{Answers, Template};
use tests::{
    fault::{
        progress::Progress,
        random::{Random, number, seed},
    },
    harness::{Setup, announce},
};

use super::crash::{kind, scratch};

/// Changes of each sort to each kind of file unless `CAUSEWAY_DAMAGE_CASES` says otherwise.
const CASES: usize = 3;

/// Cases that are looked at at once.
const WORKERS: usize = 2;

/// Characters of an outcome that are shown.
const SHOWN_MAX: usize = 400;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// One bit is another.
    Flip,
    /// The end is missing.
    Cut,
    /// A stretch of 512 bytes, as a disk has them, is zero.
    Zero,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// Every answer is whole and right.
    Right,
    /// Some answer is an error or says that it is not whole; the others are right.
    Said,
    /// The program does not start and names the file.
    Refused,
    /// Rows of the damaged log are missing, and the program said so at its start.
    LogSaid,
    /// The same, unsaid: a damaged end of the log looks like a write that never ended.
    LogUnsaid,
    /// The program does not start and does not name the file.
    RefusedUnnamed,
    /// An answer that looks whole is not right.
    Wrong,
    /// A question about undamaged segments had an error.
    OthersLost,
    /// The program panicked, or ended in a way of its own; a panic in a question is answered as an error.
    Crashed,
}

impl Verdict {
    const ALL: [Self; 9] = [
        Self::Right,
        Self::Said,
        Self::Refused,
        Self::LogSaid,
        Self::LogUnsaid,
        Self::RefusedUnnamed,
        Self::Wrong,
        Self::OthersLost,
        Self::Crashed,
    ];

    /// Whether the promise is kept.
    fn is_good(self) -> bool {
        matches!(self, Self::Right | Self::Said | Self::Refused | Self::LogSaid | Self::LogUnsaid)
    }
}

/// A damaged file.
struct Case {
    file: PathBuf,
    change: Change,
    number: usize,
}

/// A case, and what came of it.
struct Outcome {
    kind: String,
    change: Change,
    verdict: Verdict,
    what: String,
}

#[test]
fn one_changed_byte_in_any_file_gives_no_wrong_answer() {
    let template = Template::make();
    let each = number("CAUSEWAY_DAMAGE_CASES", CASES);
    let seed = seed();
    let cases = cases(&template, each, seed);
    let progress = Progress::new("damage", cases.len(), "changes");
    let work = |worker: usize| {
        let mine = cases.iter().skip(worker).step_by(WORKERS);
        let looked_at = mine.map(|case| {
            let outcome = look(&template, case, seed);
            progress.one_more();
            outcome
        });
        looked_at.collect::<Vec<_>>()
    };
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker looks at all its cases"))
            .collect()
    });
    announce(&format!("{}, seed {seed}\n{}", progress.line(), table(&outcomes)));
    let bad: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.verdict.is_good()).collect();
    for outcome in &bad {
        let what: String = outcome.what.chars().take(SHOWN_MAX).collect();
        announce(&format!("damage: NOT KEPT: {:?}: {what}", outcome.verdict));
    }
    let new: Vec<_> = bad.iter().map(|outcome| &outcome.what).collect();
    assert!(
        new.is_empty(),
        "CAUSEWAY_FAULT_SEED={seed}: {} of {} changes: {new:#?}",
        new.len(),
        outcomes.len()
    );
}

/// So many changes of each sort for each kind of file.
fn cases(template: &Template, each: usize, seed: u64) -> Vec<Case> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in template.files() {
        files.entry(kind(&Path::new("data").join(file))).or_default().push(file.clone());
    }
    let mut random = Random::new(seed, 5);
    let mut cases = Vec::new();
    for files in files.values() {
        for change in [Change::Flip, Change::Cut, Change::Zero] {
            for _ in 0..each {
                let file = files[random.below(files.len())].clone();
                cases.push(Case { file, change, number: cases.len() });
            }
        }
    }
    cases
}

fn look(template: &Template, case: &Case, seed: u64) -> Outcome {
    let directory = scratch();
    let data = directory.path().join("data");
    template.copy_to(&data);
    let path = data.join(&case.file);
    let mut bytes = fs::read(&path).expect("the file is there");
    let at = Random::new(seed, 6 + case.number as u64).below(bytes.len());
    match case.change {
        Change::Flip => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
        Change::Cut => bytes.truncate(at),
        Change::Zero => bytes.iter_mut().skip(at / 512 * 512).take(512).for_each(|byte| *byte = 0),
    }
    fs::write(&path, &bytes).expect("the file is written");
    let (verdict, why) = judge(template, &data, &case.file);
    let what =
        format!("case {}: {:?} at byte {at} of {}: {why}", case.number, case.change, case.file.display());
    Outcome { kind: kind(&Path::new("data").join(&case.file)), change: case.change, verdict, what }
}

/// Starts the program and asks everything.
fn judge(template: &Template, data: &Path, file: &Path) -> (Verdict, String) {
    let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let server = match Setup::new(data).try_start() {
        Ok(server) => server,
        Err(ended) => {
            // SQLite's files are one database; an error names the first of them.
            let named = ended.stderr.contains(&name) || ended.stderr.contains(name.trim_end_matches("-wal"));
            let panicked = ended.stderr.contains("panicked") || ended.status.code().is_none();
            let verdict = match (panicked, named) {
                (true, _) => Verdict::Crashed,
                (false, true) => Verdict::Refused,
                (false, false) => Verdict::RefusedUnnamed,
            };
            return (verdict, ended.stderr.trim().to_owned());
        }
    };
    let answers = Answers::ask(&server);
    let said = server.stderr();
    let died = server.stop();
    if said.contains("panicked") || died.stderr.contains("panicked") {
        return (Verdict::Crashed, died.stderr);
    }
    let (verdict, why) = answers.judge(template.truth(), file);
    match verdict {
        // The log's rows, and no others, may be missing.
        Verdict::Wrong
            if kind(&Path::new("data").join(file)) == "log file"
                && answers.lacks_only_the_log(template.truth()) =>
        {
            (if said.contains("damaged") { Verdict::LogSaid } else { Verdict::LogUnsaid }, why)
        }
        _ => (verdict, why),
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut rows: BTreeMap<(&str, Change), [usize; Verdict::ALL.len()]> = BTreeMap::new();
    for outcome in outcomes {
        let column = Verdict::ALL.iter().position(|verdict| *verdict == outcome.verdict);
        rows.entry((&outcome.kind, outcome.change)).or_default()
            [column.expect("all verdicts have a column")] += 1;
    }
    let mut text = format!("{:<28}", "change");
    for verdict in Verdict::ALL {
        let _ = write!(text, "{:>15}", format!("{verdict:?}"));
    }
    for ((kind, change), counts) in rows {
        let _ = write!(text, "\n{:<28}", format!("{change:?} {kind}"));
        for count in counts {
            let _ = write!(text, "{count:>15}");
        }
    }
    text
}
