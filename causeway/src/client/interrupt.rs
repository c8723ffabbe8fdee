//! Ctrl-C: what is under way is stopped, and what came is kept. Pressed a second time it ends the program at once.

use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::client::error::INTERRUPTED;

/// Signals so close to the first one are the same press: `timeout`, for one, sends it to the program and to its group.
const SAME_PRESS_MAX: Duration = Duration::from_millis(300);

/// Whether Ctrl-C was pressed, and what is stopped then. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes threads and tasks that wait.
    woken: Condvar,
    woken_tasks: Notify,
}

#[derive(Default)]
struct State {
    pressed: bool,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

/// As long as it lives, Ctrl-C stops something.
pub(crate) struct Guard {
    interrupt: Interrupt,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.interrupt.state().stop = None;
    }
}

impl Interrupt {
    /// Listens for Ctrl-C. Where that is not possible, Ctrl-C ends the program as it ends any other.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        let listener = interrupt.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            let mut pressed: Option<Instant> = None;
            while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                let is_same = pressed.is_some_and(|pressed| pressed.elapsed() < SAME_PRESS_MAX);
                if !is_same && listener.press() {
                    process::exit(i32::from(INTERRUPTED));
                }
                pressed.get_or_insert_with(Instant::now);
            }
        });
        interrupt
    }

    /// Ctrl-C is pressed. Returns whether it was before.
    pub(crate) fn press(&self) -> bool {
        let (before, stop) = {
            let mut state = self.state();
            (std::mem::replace(&mut state.pressed, true), state.stop.take())
        };
        if let Some(stop) = stop {
            stop();
        }
        self.shared.woken.notify_all();
        self.shared.woken_tasks.notify_waiters();
        before
    }

    /// Whether it was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        self.state().pressed
    }

    /// Forgets that it was pressed, and returns whether it was.
    pub(crate) fn reset(&self) -> bool {
        std::mem::take(&mut self.state().pressed)
    }

    /// Calls `stop` once when it is pressed, as long as the guard lives; at once if it was.
    pub(crate) fn stops(&self, stop: impl FnOnce() + Send + 'static) -> Guard {
        let mut state = self.state();
        if state.pressed {
            drop(state);
            stop();
        } else {
            state.stop = Some(Box::new(stop));
        }
        Guard { interrupt: self.clone() }
    }

    /// Waits until it is pressed.
    pub(crate) async fn pressed(&self) {
        loop {
            let mut woken = std::pin::pin!(self.shared.woken_tasks.notified());
            // Listens before it looks, so that nothing is missed in between.
            woken.as_mut().enable();
            if self.is_pressed() {
                return;
            }
            woken.await;
        }
    }

    /// Waits for a while, or until it is pressed. Returns whether it was.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let waited = self.shared.woken.wait_timeout_while(self.state(), time, |state| !state.pressed);
        waited.unwrap_or_else(PoisonError::into_inner).0.pressed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_runs_is_stopped_once_and_what_ended_is_not() {
        let interrupt = Interrupt::default();
        let (sender, stopped) = channel();
        let say = |what: &'static str| {
            let sender = sender.clone();
            move || sender.send(what).unwrap()
        };
        drop(interrupt.stops(say("ended")));
        let running = interrupt.stops(say("running"));
        assert!(!interrupt.press() && interrupt.press(), "the second press is told from the first");
        drop(running);
        let late = interrupt.stops(say("late"));
        drop((late, sender));
        assert_eq!(stopped.iter().collect::<Vec<_>>(), ["running", "late"]);
        assert!(interrupt.wait(Duration::from_secs(600)), "does not wait once it is pressed");
        assert!(interrupt.reset() && !interrupt.is_pressed());
    }
}
