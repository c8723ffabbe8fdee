//! How long the steps of a record's way take: the code path itself counts, at the grain of requests and blocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A step of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A request's rows become a frame of the log: Arrow IPC, then lz4.
    Encode,
    /// Frames are appended to the log's file.
    Append,
    /// The log's file is synced.
    Sync,
    /// Rows join a memtable.
    Insert,
    /// A memtable's batches become one: dictionaries are joined, columns chosen.
    Join,
    /// Rows are put in the order of a segment.
    Sort,
    /// Spans are rolled up by minute.
    RollUp,
    /// Rows take the form of a file: what follows from other columns goes, bodies become templates.
    Fold,
    /// Rows become Parquet pages, and the pages a file.
    Parquet,
    /// Rows are added to the index, and the index is written.
    Index,
    /// The trace ids of a segment become a filter.
    TraceFilter,
    /// A segment's data file and directories are synced.
    SyncSegment,
    /// A merge reads blocks of its inputs and fits them to its columns.
    ReadInputs,
    /// A merge puts rows of its inputs in order.
    Merge,
}

impl Step {
    /// All of them, in the order in which a record meets them.
    pub const ALL: [Self; 14] = [
        Self::Encode,
        Self::Append,
        Self::Sync,
        Self::Insert,
        Self::Join,
        Self::Sort,
        Self::RollUp,
        Self::Fold,
        Self::Parquet,
        Self::Index,
        Self::TraceFilter,
        Self::SyncSegment,
        Self::ReadInputs,
        Self::Merge,
    ];
}

/// The time that each step took so far, summed over all threads.
#[derive(Debug, Default)]
pub struct Timings {
    nanos: [AtomicU64; Step::ALL.len()],
}

impl Timings {
    /// The time that a step took so far.
    pub fn get(&self, step: Step) -> Duration {
        Duration::from_nanos(self.nanos[step as usize].load(Ordering::Relaxed))
    }

    /// Does some work that counts as this step.
    pub(crate) fn time<T>(&self, step: Step, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos[step as usize].fetch_add(nanos, Ordering::Relaxed);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_place_of_its_own() {
        let timings = Timings::default();
        for (place, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step as usize, place, "{step:?}");
            let before: Vec<Duration> = Step::ALL.map(|step| timings.get(step)).to_vec();
            let begun = Instant::now();
            timings.time(step, || while begun.elapsed() < Duration::from_micros(10) {});
            for other in Step::ALL {
                let grown = timings.get(other) > before[other as usize];
                assert_eq!(grown, other == step, "{other:?} while {step:?}");
            }
        }
    }
}
