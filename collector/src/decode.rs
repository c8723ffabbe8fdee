//! A payload becomes rows: one function, for both encodings and all three signals.
//!
//! Terms:
//! - *envelope*: the resource and the scope that records are sent under.
//! - *record*: the bytes of a span, a log record or a metric. Its head is read first, so that one that cannot
//!   be stored is rejected alone; then its attributes and lists go straight into the columns.
//!
//! There is one path from bytes to columns: `wire` reads fields out of the borrowed payload, `protobuf` walks
//! the envelope, `spans`, `logs` and `metrics` read records. JSON is first turned into the protobuf that means
//! the same (`json`), and then goes the same way. Prometheus remote write (`remote`) fills the columns of `metrics`
//! out of messages of its own. The rows are packed (see [`model::packed`]).
//!
//! What the wire format, a record and its values may be is decided as `prost` decides it, but that text that
//! is not UTF-8 is repaired and marked, and that depth is counted from the record.

mod wire;
mod shape;
mod notes;
mod marks;
mod values;
mod context;
mod columns;
mod resource;
mod known;
mod json;
mod protobuf;
mod spans;
mod logs;
mod metrics;
mod remote;
mod rejected;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use model::{Batch, Signal, UnixNanos};

use columns::Envelope;
use context::Context;
pub use notes::Tally;
pub use remote::{Families, RemoteWrite, decode_remote_write};
pub(crate) use remote::{Written, families_of};
use resource::Origin;
use wire::WireError;

/// How many attributes a record, scope or resource keeps, unless configured.
const ATTRIBUTES_PER_RECORD_MAX: usize = 1024;

/// How long an attribute's value may be in bytes, unless configured.
const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// Why there is nothing to decode of a signal that clients do not send.
const ROLLED_UP: &str = "red is rolled up from spans, and no client sends it";

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    Protobuf,
    /// JSON in the form OTLP defines, which is not quite protobuf's.
    Json,
}

/// How much of a record's attributes is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Attributes past this number are dropped and counted on their record.
    pub attributes_per_record_max: usize,
    /// Attribute values are cut to this many bytes. Log bodies are not cut.
    pub attribute_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attributes_per_record_max: ATTRIBUTES_PER_RECORD_MAX,
            attribute_bytes_max: ATTRIBUTE_BYTES_MAX,
        }
    }
}

/// What a payload held.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Its rows, and the answer they earn.
    pub batch: Batch,
    /// Attributes dropped because of [`Limits`].
    pub attributes_dropped: u64,
    /// Values cut because they were too long or nested too deep.
    pub values_cut: u64,
    /// What was noted of records, by the service they are of.
    pub noted: Vec<Tally>,
}

/// Why a payload cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not protobuf, or not this message.
    #[error("the request is not valid OTLP protobuf: {0}")]
    Protobuf(String),
    /// It is not JSON, or not this message.
    #[error("the request is not valid OTLP JSON: {path}{}{message}", if path.is_empty() { "" } else { ": " })]
    Json {
        /// Where, as in `resourceSpans[0].scopeSpans[2]`; empty for the whole.
        path: String,
        /// What is wrong there.
        message: String,
    },
    /// It is not the message of a remote write that its headers name.
    #[error("the request is not a valid {message}: {reason}")]
    RemoteWrite {
        /// The message's name.
        message: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The rows do not fit their schema: a fault of this program.
    #[error("the rows do not fit their schema: {0}")]
    Columns(#[from] ArrowError),
}

/// Reads a payload that arrived at `received`. A record that is bad in itself is rejected alone, counted and
/// explained in the batch's answer; an error means that nothing of the payload can be trusted.
pub fn decode(
    signal: Signal,
    payload: Bytes,
    encoding: Encoding,
    received: UnixNanos,
    limits: &Limits,
) -> Result<Decoded, DecodeError> {
    let payload_hash = xxhash_rust::xxh3::xxh3_128(&payload);
    let mut context = Context::new(signal, received, limits);
    let payload = match encoding {
        Encoding::Protobuf => payload,
        Encoding::Json => json::to_protobuf(&payload, signal, &mut context.notes)?.into(),
    };
    let rows = match signal {
        Signal::Spans => run(spans::SpanTable::default(), &payload, &mut context)?,
        Signal::Logs => run(logs::LogTable::default(), &payload, &mut context)?,
        Signal::Metrics => run(metrics::MetricTable::default(), &payload, &mut context)?,
        Signal::Red => return Err(DecodeError::Columns(ArrowError::SchemaError(ROLLED_UP.to_owned()))),
    };
    Ok(decoded(signal, rows, payload_hash, context))
}

/// The rows with what was noted on the way.
fn decoded(signal: Signal, rows: RecordBatch, payload_hash: u128, context: Context<'_>) -> Decoded {
    let Context { notes, repeatable, .. } = context;
    let batch = Batch { signal, rows, payload_hash, repeatable, answer: notes.answer() };
    let (attributes_dropped, values_cut) = (notes.attributes_dropped, notes.values_cut);
    Decoded { batch, attributes_dropped, values_cut, noted: notes.services() }
}

fn run<'p, T: Table<'p>>(
    mut table: T,
    payload: &'p [u8],
    context: &mut Context<'_>,
) -> Result<RecordBatch, DecodeError> {
    let walked = protobuf::walk(payload, &mut table, context);
    walked.map_err(|error| DecodeError::Protobuf(error.to_string()))?;
    Ok(table.finish()?)
}

/// The rows of one signal on their way, out of a payload that lives as long as `'p`.
trait Table<'p> {
    /// The columns every signal has.
    fn envelope(&mut self) -> &mut Envelope;

    /// Adds the record, or notes why not; for metrics, each of its points. An error means that the bytes are no
    /// record, and that the rows are worth nothing.
    fn push(
        &mut self,
        record: &'p [u8],
        origin: &Origin<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), WireError>;

    /// All rows, packed.
    fn finish(self) -> Result<RecordBatch, ArrowError>;
}

#[cfg(test)]
mod tests;
