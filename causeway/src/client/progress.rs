//! A sign of life on the terminal while something takes long: what is being done, and for how long already.

use std::io::IsTerminal;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
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
    thread: Option<(SyncSender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to wait for `doing`.
    pub(crate) fn start(doing: impl Into<String>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { thread: None };
        }
        // One text waits at most: a newer one is told soon.
        let (sender, receiver) = mpsc::sync_channel(1);
        let (doing, began) = (doing.into(), Instant::now());
        Self { thread: Some((sender, std::thread::spawn(move || show(doing, began, &receiver)))) }
    }

    /// Says how far it came.
    pub(crate) fn tell(&self, doing: impl FnOnce() -> String) {
        if let Some((sender, _)) = &self.thread {
            // What cannot be taken now is old by then.
            let _ = sender.try_send(doing());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // A spinner that panicked is no reason to lose the answer.
            let _ = thread.join();
        }
    }
}

/// Shows what is being done, as it is told last, until the sender is dropped.
fn show(mut doing: String, began: Instant, told: &Receiver<String>) {
    loop {
        match told.recv_timeout(QUIET.saturating_sub(began.elapsed())) {
            Ok(told) => doing = told,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    let bar = spinner(doing, began);
    for doing in told {
        bar.set_message(doing);
    }
    bar.finish_and_clear();
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
