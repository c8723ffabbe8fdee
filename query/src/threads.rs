//! The threads that questions are answered on, apart from those that take telemetry: a function over a large text does
//! not give way, and planning recurses as deep as a statement is nested.
//!
//! They run at a lower priority than the others of the process, and rest while the store is busy with what it is sent
//! (`storage::Pace`). Where telemetry leaves the processor idle, questions have all of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use storage::{Pace, give_way, rest};
use thread_priority::{ThreadPriority, ThreadPriorityValue};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::QueryError;

/// Threads that SQL is planned and run on.
pub(crate) const WORKERS: usize = 2;
/// The stack of one thread in bytes: enough for the deepest plan of as many tokens as a statement may have.
const STACK_BYTES: usize = 256 << 20;
/// How nice the threads are by default: a thirtieth of the weight of a thread of 0.
pub const NICE: u8 = 15;
/// The nicest that a thread can be.
pub const NICE_MAX: u8 = 19;
/// Threads for work that blocks: as many as there are questions at once by default, and some for reading files.
const BLOCKING_MAX: usize = 48;

/// How often a question that does not look by itself is asked to rest.
const REST_EVERY: Duration = Duration::from_millis(4);

/// A runtime of its own.
pub(crate) struct Threads {
    /// Taken when this is dropped, which can be on a thread that may not wait for it.
    runtime: Option<Runtime>,
}

impl Threads {
    pub(crate) fn new(nice: u8, pace: Arc<Pace>) -> Result<Self, QueryError> {
        let built = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(move || {
                step_back(nice);
                give_way(&pace);
            })
            .enable_all()
            .build();
        let runtime =
            built.map_err(|error| QueryError::Store(format!("cannot start threads for queries: {error}")))?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs work there. Dropping the returned future ends it where it next gives way.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        self.spawn(work)?.await
    }

    /// Begins work there. Dropping the task ends it where it next gives way.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<Task<T>, QueryError> {
        Ok(Task(self.runtime()?.spawn(async move {
            // Beside it on the same threads.
            let _resting = Task(tokio::spawn(resting()));
            work.await
        })))
    }

    /// Begins work there that blocks. It ends by itself only.
    pub(crate) fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
    ) -> Result<Task<T>, QueryError> {
        Ok(Task(self.runtime()?.spawn_blocking(work)))
    }

    fn runtime(&self) -> Result<&Runtime, QueryError> {
        self.runtime.as_ref().ok_or_else(|| QueryError::Store("closed".to_owned()))
    }
}

/// Lets whichever thread it comes to rest, now and then.
async fn resting() -> Result<(), QueryError> {
    loop {
        tokio::time::sleep(REST_EVERY).await;
        rest();
    }
}

/// Lowers the priority of this thread, where the system lets it.
fn step_back(nice: u8) {
    if nice == 0 {
        return;
    }
    let priority = ThreadPriorityValue::try_from(priority(nice)).map(ThreadPriority::Crossplatform);
    let lowered = priority.is_ok_and(|priority| priority.set_for_current().is_ok());
    if !lowered {
        tracing::debug!("the priority of a query's thread cannot be lowered");
    }
}

/// The priority of 99 that is a nice value on Linux: there are 40 of these, from -20 on, and 99 is the first.
fn priority(nice: u8) -> u8 {
    let share = (f32::from(nice.min(NICE_MAX)) + 20.5) / 39.0;
    (99.0 * (1.0 - share)).max(0.0) as u8
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Work under way, to be waited for once.
pub(crate) struct Task<T>(JoinHandle<Result<T, QueryError>>);

impl<T> Future for Task<T> {
    type Output = Result<T, QueryError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|ended| match ended {
            Ok(answer) => answer,
            Err(error) => Err(QueryError::Store(format!("the query ended early: {error}"))),
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the fields after the name of a thread, the one with its nice value.
    #[cfg(target_os = "linux")]
    const NICE_FIELD: usize = 16;

    #[cfg(target_os = "linux")]
    fn nice() -> Result<String, QueryError> {
        let stat = std::fs::read_to_string("/proc/thread-self/stat");
        let stat = stat.map_err(|error| QueryError::Store(error.to_string()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default();
        Ok(fields.split_whitespace().nth(NICE_FIELD).unwrap_or_default().to_owned())
    }

    #[cfg(target_os = "linux")]
    async fn nice_of(threads: &Threads) -> String {
        threads.block(nice).unwrap().await.unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_of_questions_step_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let own: u8 = nice().unwrap().parse().unwrap();
        for (asked, expected) in [(0, own), (1, own.max(1)), (NICE, own.max(NICE)), (NICE_MAX, NICE_MAX)] {
            let threads = Threads::new(asked, Arc::default()).unwrap();
            let found = runtime.block_on(async {
                assert_eq!(threads.run(async { nice() }).await.unwrap(), nice_of(&threads).await);
                nice_of(&threads).await
            });
            assert_eq!(found, expected.to_string(), "{asked}");
        }
    }
}
