//! The broker: queues in the shop's process, each with a bounded number of messages.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::world::{Context, Input};

/// `messaging.system` of the broker.
pub(crate) const SYSTEM: &str = "shopmq";
/// The most messages that wait in a queue.
pub(crate) const MESSAGES_MAX: usize = 20_000;

/// A message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) input: Input,
    /// The span that sent it
    pub(crate) sent_by: Context,
    /// When it was sent, in nanoseconds
    pub(crate) sent: i64,
}

/// Messages that wait for a consumer, oldest first.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: &'static str,
    messages: Mutex<VecDeque<Message>>,
    /// A permit per message.
    waiting: Semaphore,
}

impl Queue {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, messages: Mutex::default(), waiting: Semaphore::new(0) }
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message into the queue; false if the queue is full.
    pub(crate) fn put(&self, message: Message) -> bool {
        let mut messages = self.messages();
        if messages.len() >= MESSAGES_MAX {
            return false;
        }
        messages.push_back(message);
        self.waiting.add_permits(1);
        true
    }

    /// Waits for a message, and takes it if the consumer is still there by then.
    pub(crate) async fn take(&self, is_there: impl Fn() -> bool) -> Option<Message> {
        let permit = self.waiting.acquire().await.ok()?;
        // Dropped, the permit goes to the next consumer, and the message stays.
        if !is_there() {
            return None;
        }
        permit.forget();
        self.messages().pop_front()
    }

    /// How many messages wait.
    pub(crate) fn depth(&self) -> usize {
        self.messages().len()
    }

    /// For how long the oldest message has waited, in nanoseconds.
    pub(crate) fn lag(&self, now: i64) -> i64 {
        self.messages().front().map_or(0, |message| now.saturating_sub(message.sent))
    }
}
