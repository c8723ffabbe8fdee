//! How many connections may be open, by how many files the process may open.
//!
//! A connection is an open file, and the store needs files, too: one that cannot be opened would keep rows from being
//! sealed. So a crowd of connections never gets all, and one of exporters leaves some to people.

use std::sync::Arc;

use rlimit::ProcLimits;
use tokio::sync::Semaphore;

/// Files that are left to the store: segments that are written, merged and read, the log, the catalog.
const STORE_FILES: usize = 1024;

/// The most connections, however many files may be open: each takes some memory.
const CONNECTIONS_MAX: usize = 16_384;

/// One connection of so many is kept for the page and its API.
const PEOPLE_SHARE: usize = 8;

/// What Linux lets a process open unless told otherwise.
const FILES_USUAL: u64 = 1024;

/// Places for connections.
pub(crate) struct Places {
    /// To the two OTLP listeners together.
    pub(crate) exporters: Arc<Semaphore>,
    /// To the page and its API.
    pub(crate) people: Arc<Semaphore>,
}

impl Places {
    /// Lets the process open as many files as it may, and shares them out.
    pub(crate) fn of_process() -> Self {
        let [exporters, people] = shares(usize::try_from(files()).unwrap_or(usize::MAX));
        Self { exporters: Arc::new(Semaphore::new(exporters)), people: Arc::new(Semaphore::new(people)) }
    }
}

/// How many files may be open, after asking for as many as there can be.
fn files() -> u64 {
    // A filter of system calls may refuse the question; the limit can still be read.
    rlimit::increase_nofile_limit(u64::MAX)
        .ok()
        .or_else(|| ProcLimits::read_self().ok()?.max_open_files?.soft_limit)
        .unwrap_or(FILES_USUAL)
}

/// Connections of exporters and of people, of so many files.
fn shares(files: usize) -> [usize; 2] {
    let connections = (files - STORE_FILES.min(files / 2)).min(CONNECTIONS_MAX);
    let people = connections.div_ceil(PEOPLE_SHARE);
    [connections - people, people]
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn the_store_and_people_have_files_of_their_own() {
        let cases = [
            (256, [112, 16]),
            (1024, [448, 64]),
            (20_000, [14_336, 2_048]),
            (4096, [2_688, 384]),
            (usize::MAX, [14_336, 2_048]),
        ];
        for (files, expected) in cases {
            assert_eq!(shares(files), expected, "{files}");
        }
    }
}
