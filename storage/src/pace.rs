//! Questions give way to telemetry.
//!
//! A low priority alone does not do it: what takes telemetry sleeps and wakes thousands of times a second, and a thread
//! that wakes waits until the one that runs has had its slice, however nice that is. So threads that answer questions rest
//! while telemetry is taken: after some work each waits until all of them together have had no more than what telemetry
//! leaves of the processors. Where the store has nothing to take, they never do.

use std::cell::RefCell;
use std::fs;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Over this time it is measured how busy the store is.
const WINDOW: Duration = Duration::from_millis(200);
/// All work for a row, for as long as encoding it takes, which is measured: that waits for no disk.
const WORK_PER_ENCODING: f64 = 7.0;
/// How much of what it was remains of the load in a window that has less: what comes in bursts is not over between them.
const REMAINS: f64 = 0.7;
/// Less of the processors is no load.
const LOAD_MIN: f64 = 0.05;
/// So much of the processors telemetry and questions have together. Were it all, telemetry that is slower beside questions
/// would look like less telemetry.
const ROOM: f64 = 0.7;
/// What questions have of the processors however much comes.
const SHARE_MIN: f64 = 0.0625;
/// A thread rests at most so often.
const WORK_MIN: Duration = Duration::from_millis(3);
/// The longest since a thread last rested that is known to be work, where the system does not tell processor time.
const WORK_MAX: Duration = Duration::from_millis(200);
/// The longest that a thread rests.
const REST_MAX: Duration = Duration::from_millis(300);

/// How busy a store is with what it is sent.
#[derive(Debug)]
pub struct Pace(Mutex<Load>);

#[derive(Debug)]
struct Load {
    /// When this window began, and how much was encoded in it.
    window: Instant,
    encoded: Duration,
    processors: f64,
    /// How much of the processors telemetry takes.
    load: f64,
    /// Until when what questions worked so far takes up their share.
    taken_until: Instant,
}

thread_local! {
    static GIVES_WAY: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// To whom a thread gives way, and since when it works, by the clock and by its own processor time where that is told.
struct Turn {
    pace: Arc<Pace>,
    since: Instant,
    processor_time: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self(Mutex::new(Load::new(processors, Instant::now())))
    }
}

impl Pace {
    fn load(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes telemetry, and counts how long it took.
    pub(crate) fn encode<T>(&self, encode: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let made = encode();
        let now = Instant::now();
        let mut load = self.load();
        load.look(now);
        load.encoded += now.saturating_duration_since(begun);
        made
    }
}

impl Load {
    fn new(processors: usize, now: Instant) -> Self {
        let (encoded, processors) = (Duration::ZERO, processors as f64);
        Self { window: now, encoded, processors, load: 0.0, taken_until: now }
    }

    /// Tells the load anew when a window is over.
    fn look(&mut self, now: Instant) {
        let window = now.saturating_duration_since(self.window);
        if window < WINDOW {
            return;
        }
        let encoded = self.encoded.as_secs_f64() / window.as_secs_f64();
        let windows = window.as_secs_f64() / WINDOW.as_secs_f64();
        self.load = (encoded * WORK_PER_ENCODING / self.processors).max(self.load * REMAINS.powf(windows));
        (self.window, self.encoded) = (now, Duration::ZERO);
    }

    /// How long a thread that worked has to rest.
    fn rest_of(&mut self, worked: Duration, now: Instant) -> Duration {
        self.look(now);
        if self.load < LOAD_MIN {
            return Duration::ZERO;
        }
        let share = (ROOM - self.load).max(SHARE_MIN);
        let taken_until = self.taken_until.max(now) + worked.div_f64(share * self.processors);
        self.taken_until = taken_until.min(now + REST_MAX);
        // What it worked has passed already.
        self.taken_until.saturating_duration_since(now).saturating_sub(worked)
    }
}

/// This thread gives way from now on.
pub fn give_way(to: &Arc<Pace>) {
    let turn = Turn { pace: Arc::clone(to), since: Instant::now(), processor_time: processor_time() };
    GIVES_WAY.with(|gives| *gives.borrow_mut() = Some(turn));
}

/// Rests if this thread gives way, has worked for a while, and telemetry comes. To be called now and then by what works
/// for long, where it holds no lock.
pub fn rest() {
    GIVES_WAY.with(|gives| {
        let mut gives = gives.borrow_mut();
        let Some(turn) = &mut *gives else { return };
        let now = Instant::now();
        if now.saturating_duration_since(turn.since) < WORK_MIN {
            return;
        }
        let before = std::mem::replace(&mut turn.processor_time, processor_time());
        let worked = worked(before, turn.processor_time, now.saturating_duration_since(turn.since));
        let rest = turn.pace.load().rest_of(worked, now);
        thread::sleep(rest);
        turn.since = Instant::now();
    });
}

/// How long a thread worked between two readings of its processor time: without these all the time that passed, but for what
/// is so long that it slept.
fn worked(before: Option<Duration>, after: Option<Duration>, passed: Duration) -> Duration {
    match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ if passed > WORK_MAX => Duration::ZERO,
        _ => passed,
    }
}

/// The processor time of this thread so far, where the system tells.
fn processor_time() -> Option<Duration> {
    // Nanoseconds on a processor, nanoseconds ready for one, and how often it ran.
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads of windows in which so many milliseconds were encoded, on two processors.
    fn loads(encoded: &[u64]) -> (Load, Vec<f64>, Instant) {
        let mut now = Instant::now();
        let mut load = Load::new(2, now);
        let mut loads = Vec::new();
        for ms in encoded {
            load.encoded += Duration::from_millis(*ms);
            now += WINDOW;
            load.look(now);
            loads.push((load.load * 1000.0).round() / 1000.0);
        }
        (load, loads, now)
    }

    #[test]
    fn the_load_rises_at_once_and_falls_slowly() {
        let check = |encoded: &[u64], expected: &[f64]| assert_eq!(loads(encoded).1, expected, "{encoded:?}");
        check(&[0, 20, 40, 10, 0], &[0.0, 0.35, 0.7, 0.49, 0.343]);
        let (mut load, _, now) = loads(&[40]);
        load.encoded = Duration::from_millis(50);
        // Before the window is over nothing is known.
        load.look(now + WINDOW / 2);
        assert!((load.load - 0.7).abs() < 1e-9);
        load.look(now + WINDOW * 10);
        assert!(load.load < 0.1, "{}", load.load);
    }

    #[test]
    fn questions_together_get_what_is_left() {
        let worked = Duration::from_millis(6);
        let check = |encoded: u64, expected: [u128; 3]| {
            let (mut load, _, now) = loads(&[encoded]);
            let rests = [0, 0, 0].map(|_| load.rest_of(worked, now).as_millis());
            assert_eq!(rests, expected, "{encoded}");
        };
        // A sixteenth of two processors, a half of them, and all: one thread alone is less than that.
        check(57, [42, 90, 138]);
        check(11, [0, 5, 11]);
        check(1, [0, 0, 0]);
        // What was not taken is not kept, and nobody rests for ever.
        let (mut load, _, now) = loads(&[57]);
        let later = now + WINDOW / 2;
        assert_eq!(
            [load.rest_of(worked, now), load.rest_of(worked, later)].map(|rest| rest.as_millis()),
            [42, 42]
        );
        let rests = [0; 50].map(|_| load.rest_of(worked, later));
        assert_eq!(rests[49], REST_MAX - worked);
    }

    #[test]
    fn work_is_processor_time_where_that_is_told() {
        let ms = |ms: u64| Duration::from_millis(ms);
        assert_eq!(worked(Some(ms(3)), Some(ms(10)), ms(500)), ms(7));
        assert_eq!(worked(None, None, ms(50)), ms(50));
        assert_eq!(worked(None, None, ms(500)), Duration::ZERO, "it slept");
    }

    #[test]
    fn only_threads_that_give_way_rest() {
        let pace = Arc::new(Pace::default());
        let busy = |part: f64| {
            let mut load = pace.load();
            (load.window, load.encoded, load.load) = (Instant::now(), Duration::ZERO, part);
            load.processors = 1.0;
        };
        let slept = |gives: bool| {
            let pace = Arc::clone(&pace);
            let work = move || {
                if gives {
                    give_way(&pace);
                }
                let (before, begun) = (processor_time(), Instant::now());
                let is_enough = || worked(before, processor_time(), begun.elapsed()) >= WORK_MIN * 2;
                while !is_enough() && begun.elapsed() < Duration::from_secs(5) {}
                let begun = Instant::now();
                rest();
                begun.elapsed()
            };
            thread::spawn(work).join().unwrap()
        };
        busy(1.0);
        assert!(slept(true) >= WORK_MIN * 7);
        assert!(slept(false) < WORK_MIN);
        busy(0.0);
        assert!(slept(true) < WORK_MIN);
    }
}
