//! Simulated time: a clock, futures that sleep on it, and the loop that runs tasks until nothing is left to do now and
//! then lets the clock jump to the next time at which one wakes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};

/// A clock that stands until it is told to go on.
#[derive(Default)]
pub(super) struct Clock {
    now: AtomicI64,
    timers: Mutex<Timers>,
}

/// Who wakes when.
#[derive(Default)]
struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    /// Orders timers of one time by when they were set.
    set: u64,
}

struct Timer {
    at: i64,
    number: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Clock {
    pub(super) fn new(start: i64) -> Self {
        Self { now: AtomicI64::new(start), timers: Mutex::default() }
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_at(&self, at: i64, waker: Waker) {
        let mut timers = self.timers();
        timers.set += 1;
        let number = timers.set;
        timers.heap.push(Reverse(Timer { at, number, waker }));
    }

    /// Goes on to the next timer before `until` and wakes who set it; false if there is none, and it is `until`.
    fn advance(&self, until: i64) -> bool {
        let mut timers = self.timers();
        let is_due = timers.heap.peek().is_some_and(|Reverse(timer)| timer.at < until);
        let due = is_due.then(|| timers.heap.pop()).flatten();
        drop(timers);
        self.now.store(due.as_ref().map_or(until, |Reverse(timer)| timer.at), Ordering::Relaxed);
        due.map(|Reverse(timer)| timer.waker.wake()).is_some()
    }
}

/// Waits on a clock.
pub(super) fn sleep(clock: &Arc<Clock>, time: Duration) -> Sleep {
    let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    Sleep { clock: Arc::clone(clock), until: clock.now().saturating_add(nanos), waker: None }
}

/// A future that waits on a clock.
pub(super) struct Sleep {
    clock: Arc<Clock>,
    until: i64,
    /// Who will be woken
    waker: Option<Waker>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.until {
            return Poll::Ready(());
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
            self.clock.wake_at(self.until, context.waker().clone());
        }
        Poll::Pending
    }
}

/// The tasks of a world, which run one at a time in the order in which they were woken.
#[derive(Default)]
pub(super) struct Tasks(FuturesUnordered<BoxFuture<'static, ()>>);

/// Remembers that some task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Tasks {
    /// Runs all there is to do before a time. `born` gives the tasks that others began.
    pub(super) fn run_until(
        &mut self,
        clock: &Clock,
        until: i64,
        born: impl Fn() -> Vec<BoxFuture<'static, ()>>,
    ) {
        loop {
            self.run_now(&born);
            if !clock.advance(until) {
                return;
            }
        }
    }

    /// Runs until every task waits for the clock.
    fn run_now(&mut self, born: &impl Fn() -> Vec<BoxFuture<'static, ()>>) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        loop {
            let tasks = born();
            let is_new = !tasks.is_empty();
            self.0.extend(tasks);
            woken.0.store(false, Ordering::Relaxed);
            let polled = Pin::new(&mut self.0).poll_next(&mut context);
            let waits = !matches!(polled, Poll::Ready(Some(())));
            if waits && !is_new && !woken.0.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_jumps_and_order_is_kept() {
        let clock = Arc::new(Clock::new(100));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = |name: &'static str, nanos: u64| -> BoxFuture<'static, ()> {
            let (clock, seen) = (Arc::clone(&clock), Arc::clone(&seen));
            Box::pin(async move {
                for _ in 0..2 {
                    sleep(&clock, Duration::from_nanos(nanos)).await;
                    seen.lock().unwrap().push((name, clock.now()));
                }
            })
        };
        let first = Mutex::new(vec![task("slow", 30), task("fast", 10), task("same", 10)]);
        let mut tasks = Tasks::default();
        tasks.run_until(&clock, 130, || std::mem::take(&mut *first.lock().unwrap()));
        let expected = [("fast", 110), ("same", 110), ("fast", 120), ("same", 120)];
        assert_eq!(*seen.lock().unwrap(), expected);
        assert_eq!(clock.now(), 130);
        tasks.run_until(&clock, 200, Vec::new);
        assert_eq!(seen.lock().unwrap()[4..], [("slow", 130), ("slow", 160)]);
    }
}
