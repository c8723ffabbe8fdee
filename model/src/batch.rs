//! What passes from a receiver to the store.

use arrow::array::RecordBatch;

use crate::Signal;

/// One request after decoding and admission: rows that will be stored, and the answer they earn.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The table of the rows.
    pub signal: Signal,
    /// Rows in the packed form of [`crate::schema::wire`]'s schema for the signal (see [`crate::packed`]), in the
    /// order they were sent. May be empty.
    pub rows: RecordBatch,
    /// A 128-bit hash of the payload after decompression, by which a repeat is known.
    pub payload_hash: u128,
    /// Whether a second copy of the same payload is a repeat. False where a record has no time at all: two
    /// such payloads can be equal and yet mean two things.
    pub repeatable: bool,
    /// What the client is told once the rows are durable.
    pub answer: Answer,
}

/// The answer to an export request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// How many records were refused.
    pub rejected: u64,
    /// Why, or a warning when none was refused; empty on full success.
    pub message: String,
}
