//! How far a long test is, said from time to time.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::harness::announce;

/// A line at most so often.
const EVERY: Duration = Duration::from_secs(30);

/// The progress of one test, which several threads may share.
#[derive(Debug)]
pub struct Progress {
    test: &'static str,
    unit: &'static str,
    all: usize,
    done: AtomicUsize,
    begun: Instant,
    said: Mutex<Instant>,
}

impl Progress {
    /// A test that is to do so many of something.
    pub fn new(test: &'static str, all: usize, unit: &'static str) -> Self {
        let now = Instant::now();
        Self { test, unit, all, done: AtomicUsize::new(0), begun: now, said: Mutex::new(now) }
    }

    /// One more is done. Says how many are, if nothing was said for long.
    ///
    /// # Panics
    ///
    /// If another thread did while it said something.
    pub fn one_more(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        let mut said = self.said.lock().expect("saying a line does not panic");
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            announce(&self.line());
        }
    }

    /// What was done and how long it took.
    pub fn line(&self) -> String {
        let Self { test, unit, all, done, begun, .. } = self;
        let (done, seconds) = (done.load(Ordering::Relaxed), begun.elapsed().as_secs());
        format!("{test}: {done} of {all} {unit}, {seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress::new("kill", 1_000, "rounds");
        (0..20).for_each(|_| progress.one_more());
        assert_eq!(progress.line(), "kill: 20 of 1000 rounds, 0 s");
    }
}
