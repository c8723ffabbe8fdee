//! The threads that SQL runs on, apart from those that take telemetry: a function over a large text does not
//! give way, and planning recurses as deep as a statement is nested.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::PARTITIONS;
use crate::error::QueryError;

/// The stack of one thread in bytes: enough for the deepest plan of [`super::STATEMENT_TOKENS_MAX`] tokens.
const STACK_BYTES: usize = 256 << 20;

/// A runtime of its own.
pub(super) struct Threads {
    /// Taken when this is dropped, which can be on a thread that may not wait for it.
    runtime: Option<Runtime>,
}

impl Threads {
    pub(super) fn new() -> Result<Self, QueryError> {
        let built = Builder::new_multi_thread()
            .worker_threads(PARTITIONS)
            .thread_name("sql")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build();
        let runtime =
            built.map_err(|error| QueryError::Store(format!("cannot start threads for SQL: {error}")))?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs work there. Dropping the returned future ends it where it next gives way.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        self.spawn(work)?.await
    }

    /// Begins work there. Dropping the task ends it where it next gives way.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<Task<T>, QueryError> {
        let Some(runtime) = &self.runtime else { return Err(QueryError::Store("closed".to_owned())) };
        Ok(Task(runtime.spawn(work)))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Work under way, to be waited for once.
pub(super) struct Task<T>(JoinHandle<Result<T, QueryError>>);

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
