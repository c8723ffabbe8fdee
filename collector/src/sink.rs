//! The port through which decoded requests leave this room.

use std::time::Duration;

use futures::future::BoxFuture;
use model::{Answer, Batch, TenantName};

/// Room held for one request; dropping it gives the room back.
pub type Permit = Box<dyn Send>;

/// Where decoded requests go. Owned by this room, implemented by the program over the store.
///
/// It is called from many tasks at once, in no order. A call may be dropped before it ends, when a client goes
/// away: the request is then unanswered, and may or may not have been stored.
pub trait Sink: Send + Sync + 'static {
    /// Asks for room before a body is read. `bytes` is what the body is expected to take in memory: the
    /// announced size, a multiple of it if compressed, or the request limit if nothing is announced. The
    /// permit is held until the answer is made.
    fn admit(&self, bytes: usize) -> Result<Permit, SinkError>;

    /// Stores a batch of at least one row. Ok means durable. The batch may be a repeat: then the answer that
    /// the first one earned comes back.
    fn write<'a>(&'a self, tenant: &'a TenantName, batch: Batch) -> BoxFuture<'a, Result<Answer, SinkError>>;
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
