//! The port through which decoded requests leave this room.

use std::time::Duration;

use futures::future::BoxFuture;
use model::{Answer, Batch, TenantName};

/// Room held for one request, in two parts: for its body, and for what is made of it. Dropping it gives both back.
pub trait Room: Send + 'static {
    /// Waits, for as long as a client may be kept waiting, for room to make rows of the body: `bytes` beside those
    /// of the body. Asked for once, before anything is decompressed or decoded.
    fn decode(&mut self, bytes: usize) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Takes so many bytes more at once, or refuses: for a body that did not tell its size, and once decoding
    /// has begun for a payload that decompresses to more than was thought.
    fn grow(&mut self, bytes: usize) -> Result<(), SinkError>;
}

/// The room of one request.
pub type Permit = Box<dyn Room>;

/// Where decoded requests go. Owned by this room, implemented by the program over the store.
///
/// It is called from many tasks at once, in no order. A call may be dropped before it ends, when a client goes
/// away: the request is then unanswered, and may or may not have been stored.
pub trait Sink: Send + Sync + 'static {
    /// Asks for room before a body is read: the size it announces, or that of the first piece where it announces
    /// none. Waits, in order of arrival, for as long as a client may be kept waiting: until then its connection
    /// holds back the rest. Refused here, a request has cost no memory.
    fn admit(&self, bytes: usize) -> BoxFuture<'_, Result<Permit, SinkError>>;

    /// Stores a batch of at least one row. Ok means durable. The batch may be a repeat: then the answer that
    /// the first one earned comes back, and that is said. The permit is the sink's from here on, to be dropped when the batch is
    /// stored or given up, which can be after the call was dropped.
    fn write<'a>(
        &'a self,
        tenant: &'a TenantName,
        batch: Batch,
        permit: Permit,
    ) -> BoxFuture<'a, Result<Stored, SinkError>>;
}

/// A batch that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The answer it earned.
    pub answer: Answer,
    /// Whether it repeats one that was stored before, so that its rows were not stored again.
    pub repeat: bool,
}

/// Why a sink did not take a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// There is no room now. To be sent again later: 429, or UNAVAILABLE.
    #[error("{what}")]
    Busy {
        /// How long the client should wait.
        retry_after: Duration,
        /// What is short.
        what: String,
    },
    /// Nothing can be stored now, as on a full disk. To be sent again later: 503, or UNAVAILABLE.
    #[error("{what}")]
    Unavailable {
        /// How long the client should wait.
        retry_after: Duration,
        /// What is broken.
        what: String,
    },
    /// The request can never be stored. Not to be sent again: 400, or INVALID_ARGUMENT.
    #[error("{0}")]
    Invalid(String),
}
