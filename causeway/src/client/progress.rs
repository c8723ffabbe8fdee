//! A sign of life on the terminal while something takes long: what is being done, and for how long already.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less than this shows nothing.
const QUIET: Duration = Duration::from_secs(1);
/// How often the sign moves.
const TICK: Duration = Duration::from_millis(120);

/// A spinner on standard error that appears after a second and goes when it is dropped. Where standard error
/// is no terminal there is none.
pub(crate) struct Progress {
    stop: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to wait for `doing`.
    pub(crate) fn start(doing: impl Into<String>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { stop: None };
        }
        let (sender, receiver) = mpsc::channel();
        let (doing, began) = (doing.into(), Instant::now());
        let thread = std::thread::spawn(move || {
            if receiver.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout) {
                let bar = spinner(doing, began);
                // Nothing is ever sent: this returns when the sender is dropped.
                let _ = receiver.recv();
                bar.finish_and_clear();
            }
        });
        Self { stop: Some((sender, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.stop.take() {
            drop(sender);
            // A spinner that panicked is no reason to lose the answer.
            let _ = thread.join();
        }
    }
}

fn spinner(doing: String, began: Instant) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_elapsed(began.elapsed());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(doing);
    bar.enable_steady_tick(TICK);
    bar
}
