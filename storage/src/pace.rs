//! Questions give way to telemetry.
//!
//! A low priority alone does not do it: what takes telemetry sleeps and wakes thousands of times a second, and a thread
//! that wakes waits until the one that runs has had its slice, however nice that is. So threads that answer questions rest
//! while the store is busy: after some work they sleep for several times as long. Where the store has time to spare, they
//! never do.

use std::cell::RefCell;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Over this time it is measured how busy the store is.
const WINDOW: Duration = Duration::from_millis(200);
/// It is busy if so many thousandths of that, for each processor, were spent encoding what came. Encoding is one part of
/// seven of the work for each span, so that a seventh of the processors is then at work for telemetry: beside questions it
/// does not get more before it is slower than alone. Waiting for a disk is no work.
const BUSY_PERMILLE: u32 = 20;
/// The most of that, as one thread encodes.
const BUSY_PERMILLE_MAX: u32 = 400;
/// Work after which a thread rests, and the longest that is known to be work and not sleep.
const WORK_MIN: Duration = Duration::from_millis(3);
const WORK_MAX: Duration = Duration::from_millis(200);
/// How long it rests, for as long as it worked, and at most.
const REST_PER_WORK: u32 = 4;
const REST_MAX: Duration = Duration::from_millis(300);

/// How busy a store is with what it is sent.
#[derive(Debug)]
pub struct Pace(Mutex<Load>);

#[derive(Debug)]
struct Load {
    /// When this window began, and how much was worked in it.
    window: Instant,
    worked: Duration,
    is_busy: bool,
    /// Thousandths of a window that are much.
    busy_permille: u32,
}

thread_local! {
    /// To whom this thread gives way, and since when it works.
    static GIVES_WAY: RefCell<Option<(Arc<Pace>, Instant)>> = const { RefCell::new(None) };
}

impl Default for Pace {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let processors = u32::try_from(processors).unwrap_or(u32::MAX);
        let busy_permille = BUSY_PERMILLE.saturating_mul(processors).min(BUSY_PERMILLE_MAX);
        Self(Mutex::new(Load {
            window: Instant::now(),
            worked: Duration::ZERO,
            is_busy: false,
            busy_permille,
        }))
    }
}

impl Pace {
    fn load(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does work for telemetry, and counts how long it took.
    pub(crate) fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let made = work();
        let now = Instant::now();
        let mut load = self.load();
        load.look(now);
        load.worked += now.saturating_duration_since(begun);
        made
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.load().look(now)
    }
}

impl Load {
    /// Whether it is busy, by the last window that is over.
    fn look(&mut self, now: Instant) -> bool {
        let window = now.saturating_duration_since(self.window);
        if window >= WINDOW {
            self.is_busy = self.worked * 1000 > window * self.busy_permille;
            (self.window, self.worked) = (now, Duration::ZERO);
        }
        self.is_busy
    }
}

/// This thread gives way from now on.
pub fn give_way(to: &Arc<Pace>) {
    GIVES_WAY.with(|gives| *gives.borrow_mut() = Some((Arc::clone(to), Instant::now())));
}

/// Rests if this thread gives way, has worked for a while, and the store is busy. To be called now and then by what works
/// for long, where it holds no lock.
pub fn rest() {
    GIVES_WAY.with(|gives| {
        let mut gives = gives.borrow_mut();
        let Some((pace, since)) = &mut *gives else { return };
        let now = Instant::now();
        let worked = now.saturating_duration_since(*since);
        if worked < WORK_MIN {
            return;
        }
        // Longer ones slept, and begin now.
        if worked <= WORK_MAX && pace.is_busy(now) {
            thread::sleep((worked * REST_PER_WORK).min(REST_MAX));
        }
        *since = Instant::now();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_busy_that_works_much_of_the_time() {
        let begun = Instant::now();
        let ms = |ms: u64| begun + Duration::from_millis(ms);
        let mut load = Load { window: begun, worked: Duration::ZERO, is_busy: false, busy_permille: 120 };
        assert!(!load.look(ms(1000)));
        load.worked += Duration::from_millis(30);
        // Before the window is over nothing is known.
        assert!(!load.look(ms(1100)));
        assert!(load.look(ms(1200)));
        load.worked += Duration::from_millis(5);
        assert!(load.look(ms(1390)));
        assert!(!load.look(ms(1400)));
    }

    #[test]
    fn only_threads_that_give_way_rest() {
        let pace = Arc::new(Pace::default());
        let busy = |is_busy: bool| {
            let mut load = pace.load();
            (load.window, load.worked, load.is_busy) = (Instant::now(), Duration::ZERO, is_busy);
        };
        let slept = |gives: bool| {
            let pace = Arc::clone(&pace);
            let work = move || {
                if gives {
                    give_way(&pace);
                }
                thread::sleep(WORK_MIN * 2);
                let begun = Instant::now();
                rest();
                begun.elapsed()
            };
            thread::spawn(work).join().unwrap()
        };
        busy(true);
        assert!(slept(true) >= WORK_MIN * REST_PER_WORK);
        assert!(slept(false) < WORK_MIN);
        busy(false);
        assert!(slept(true) < WORK_MIN);
    }
}
