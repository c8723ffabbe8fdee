//! What long work says about itself on standard error.

use std::io::Write;
use std::time::{Duration, Instant};

/// How often something is said at most.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Says now and then how far a piece of work is.
#[derive(Debug)]
pub(crate) struct Progress {
    name: String,
    said: Instant,
}

impl Progress {
    /// For work of this name, that begins now.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), said: Instant::now() }
    }

    /// Says how far it is, unless something was said just before.
    pub(crate) fn show(&mut self, state: &str) {
        if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            say(&format!("{}: {state}", self.name));
        }
    }
}

/// Says something at once.
pub(crate) fn say(line: &str) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "bench: {line}");
}
