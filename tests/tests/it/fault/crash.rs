//! Loss of power at any moment: a run of the program is recorded call by call, and at seeded moments a directory is
//! laid out that a disk could have kept of it. The program starts on each of them as it is, and every record that had
//! been acknowledged by then is there exactly once.
//!
//! A moment lies between two calls. What had been acknowledged is read off the same recording: an answer counts from
//! the call that begins to send it, so that a sync that comes after it comes too late. After the check the requests
//! that had no answer yet are sent again, and are there once, too.

mod record;
mod check;

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    thread,
};

use record::Recorded;
use tempfile::TempDir;
use tests::{
    fault::{
        disk::Loss,
        progress::Progress,
        random::{Random, number, seed},
        strace,
    },
    harness::announce,
};

/// Moments unless `CAUSEWAY_CRASH_POINTS` says otherwise.
const POINTS: usize = 100;

/// Moments of one recording; then a new one is made.
const POINTS_PER_RECORDING: usize = 500;

/// Moments that are looked at at once.
const WORKERS: usize = 2;

#[test]
fn whatever_a_loss_of_power_leaves_holds_what_was_acknowledged() {
    if !strace::is_usable("loss of power") {
        return;
    }
    let points = number("CAUSEWAY_CRASH_POINTS", POINTS);
    let seed = seed();
    let mut table = Table::default();
    let mut done = 0;
    let progress = Progress::new("loss of power", points, "moments");
    for recording in 0.. {
        if done >= points {
            break;
        }
        let now = (points - done).min(POINTS_PER_RECORDING);
        let recorded = record::record(seed.wrapping_add(recording));
        announce(&format!(
            "loss of power: recording {}: {}",
            seed.wrapping_add(recording),
            recorded.summary()
        ));
        table.merge(replay(&recorded, seed.wrapping_add(recording), now, &progress));
        done += now;
    }
    announce(&format!("{}, seed {seed}\n{}", progress.line(), table.text()));
}

/// What would be found if the log were not synced: the same recording without those syncs.
#[test]
fn a_missing_sync_is_found() {
    if !strace::is_usable("a missing sync") {
        return;
    }
    let recorded = record::record(seed());
    let found = |forget: &[&str]| {
        let mut tape = recorded.tape_without(forget);
        tape.wind_to(recorded.steps_of_first_life());
        let directory = scratch();
        let laid_out = tape.disk().crash(Loss::All, &mut Random::new(seed(), 0), directory.path());
        laid_out.expect("the directory is laid out");
        check::check(&recorded, tape.disk(), directory.path())
    };
    assert_eq!(found(&[]), Ok(()), "with all syncs");
    for forgotten in ["log file", "log directory", "data.parquet", "segment directory", "catalog.sqlite"] {
        assert!(found(&[forgotten]).is_err(), "nobody notices that {forgotten} is never synced");
    }
}

/// Looks at so many moments of a recording, several at once.
fn replay(recorded: &Recorded, seed: u64, points: usize, progress: &Progress) -> Table {
    let mut random = Random::new(seed, 0);
    let changes = recorded.changes();
    let mut moments: Vec<usize> = (0..points).map(|_| changes[random.below(changes.len())]).collect();
    moments.sort_unstable();
    let work = |worker: usize| {
        let mut table = Table::default();
        let mut tape = recorded.tape();
        for (number, moment) in moments.iter().enumerate().skip(worker).step_by(WORKERS) {
            let last = tape.wind_to(*moment);
            let mut random = Random::new(seed, 1 + number as u64);
            let loss = Loss::draw(&mut random);
            let directory = scratch();
            tape.disk().crash(loss, &mut random, directory.path()).expect("the directory is laid out");
            if let Err(error) = check::check(recorded, tape.disk(), directory.path()) {
                panic!(
                    "CAUSEWAY_FAULT_SEED={seed}, moment {number}: step {moment} of {}, after {last:?}, \
                     loss {loss:?}: {error}; kept in {}",
                    recorded.steps(),
                    directory.keep().display()
                );
            }
            table.add(&last, loss);
            progress.one_more();
        }
        table
    };
    let mut all = Table::default();
    thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        for worker in workers {
            match worker.join() {
                Ok(table) => all.merge(table),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    all
}

/// A directory in memory where there is such a place: thousands are made, and none has to last.
pub(super) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    TempDir::new_in(memory).or_else(|_| TempDir::new()).expect("a temporary directory")
}

/// What was looked at: moments by what the last call was about and by what was lost.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, [usize; Loss::ALL.len()]>,
}

impl Table {
    fn add(&mut self, last: &str, loss: Loss) {
        let column = Loss::ALL.iter().position(|other| *other == loss).expect("all kinds have a column");
        self.rows.entry(last.to_owned()).or_default()[column] += 1;
    }

    fn merge(&mut self, other: Self) {
        for (row, counts) in other.rows {
            let mine = self.rows.entry(row).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, count)| *mine += count);
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{:<34}", "right after");
        for loss in Loss::ALL {
            let _ = write!(text, "{:>9}", format!("{loss:?}"));
        }
        for (row, counts) in &self.rows {
            let _ = write!(text, "\n{row:<34}");
            for count in counts {
                let _ = write!(text, "{count:>9}");
            }
        }
        text
    }
}

/// What kind of file a path below the data directory is.
pub(super) fn kind(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parts: Vec<PathBuf> = path.components().map(|part| PathBuf::from(part.as_os_str())).collect();
    let below = |folder: &str| parts.get(1).is_some_and(|part| part.as_os_str() == folder);
    if below("wal") {
        if name.ends_with(".wal") { "log file".to_owned() } else { "log directory".to_owned() }
    } else if below("segments") {
        if path.extension().is_some() { name } else { "segment directory".to_owned() }
    } else if name.is_empty() || parts.len() == 1 {
        "data directory".to_owned()
    } else {
        name
    }
}
