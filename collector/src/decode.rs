//! A payload becomes rows: one function, for both encodings and all three signals.
//!
//! Terms:
//! - *envelope*: the resource and the scope that records are sent under.
//! - *raw record*: a record cut out of its envelope but not yet read, so that one that is damaged can be
//!   rejected alone, and only one at a time lies in memory as structs.
//!
//! The envelope is walked by `protobuf` or `json`; each raw record becomes a message of `opentelemetry_proto`,
//! whichever its encoding; from there one path fills the columns.

mod notes;
mod values;
mod columns;
mod resource;
mod json;
mod protobuf;
mod spans;
mod logs;
mod metrics;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bytes::Bytes;
use model::attributes::AttributesWriter;
use model::{Batch, Signal, UnixNanos};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message;
use serde_json::Value;

use columns::Envelope;
use notes::{Notes, Reason};
use resource::Origin;

/// How many attributes a record, scope or resource keeps, unless configured.
const ATTRIBUTES_PER_RECORD_MAX: usize = 1024;

/// How long an attribute's value may be in bytes, unless configured.
const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;

const NOT_UTF8: Reason = "text must be UTF-8";
const TOO_LATE: Reason = "times must be before 2262-04-11";

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
    let context = Context::new(signal, received, limits);
    match signal {
        Signal::Spans => run(spans::SpanTable::default(), payload, encoding, context),
        Signal::Logs => run(logs::LogTable::default(), payload, encoding, context),
        Signal::Metrics => run(metrics::MetricTable::default(), payload, encoding, context),
    }
}

fn run<T: Table>(
    mut table: T,
    payload: Bytes,
    encoding: Encoding,
    mut context: Context<'_>,
) -> Result<Decoded, DecodeError> {
    let payload_hash = xxhash_rust::xxh3::xxh3_128(&payload);
    match encoding {
        Encoding::Protobuf => protobuf::walk(payload, &mut table, &mut context)?,
        Encoding::Json => json::walk(&payload, &mut table, &mut context)?,
    }
    let batch = Batch {
        signal: context.signal,
        rows: table.finish()?,
        payload_hash,
        repeatable: context.repeatable,
        answer: context.notes.answer(),
    };
    Ok(Decoded {
        batch,
        attributes_dropped: context.notes.attributes_dropped,
        values_cut: context.notes.values_cut,
    })
}

/// The rows of one signal on their way.
trait Table {
    /// The columns every signal has.
    fn envelope(&mut self) -> &mut Envelope;

    /// Adds the record, or notes why not; for metrics, each of its points.
    fn push(&mut self, raw: Raw, origin: &Origin<'_>, context: &mut Context<'_>) -> Result<(), DecodeError>;

    /// All rows.
    fn finish(self) -> Result<RecordBatch, ArrowError>;
}

/// A record that is not read yet.
enum Raw {
    Protobuf(Bytes),
    Json(Value),
}

impl Raw {
    /// Reads the record; `None` if it was rejected alone because its text is not UTF-8.
    fn read<M: Message + Default>(
        self,
        from_json: fn(Value, &mut Notes) -> Result<M, DecodeError>,
        notes: &mut Notes,
    ) -> Result<Option<M>, DecodeError> {
        match self {
            Self::Json(value) => from_json(value, notes).map(Some),
            Self::Protobuf(bytes) => match M::decode(bytes) {
                Ok(message) => Ok(Some(message)),
                Err(error) => {
                    let text = error.to_string();
                    // The crate's kinds of error are private: its words are all there is.
                    if text.contains("not UTF-8") {
                        notes.reject(NOT_UTF8, "");
                        return Ok(None);
                    }
                    Err(DecodeError::Protobuf(text))
                }
            },
        }
    }
}

/// What is the same for a whole payload, and what is noted on the way.
struct Context<'a> {
    signal: Signal,
    received: UnixNanos,
    limits: &'a Limits,
    notes: Notes,
    /// Whether a second copy of the payload would be a repeat.
    repeatable: bool,
    writer: AttributesWriter,
}

impl<'a> Context<'a> {
    fn new(signal: Signal, received: UnixNanos, limits: &'a Limits) -> Self {
        let notes = Notes::new(signal);
        Self { signal, received, limits, notes, repeatable: true, writer: AttributesWriter::default() }
    }

    /// Replaces `text` by attributes in their stored form; gives how many were dropped for their number or
    /// the length of their key.
    fn attributes(&mut self, list: Vec<KeyValue>, text: &mut String) -> i64 {
        let bytes_max = self.limits.attribute_bytes_max;
        let mut dropped = 0;
        for (index, KeyValue { key, value, .. }) in list.into_iter().enumerate() {
            if index >= self.limits.attributes_per_record_max || key.len() > bytes_max {
                dropped += 1;
            } else {
                let value = values::convert(value, bytes_max, &mut self.notes);
                self.writer.put(&key, &value);
            }
        }
        text.clear();
        self.writer.finish(text);
        self.notes.attributes_dropped += dropped;
        i64::try_from(dropped).unwrap_or(i64::MAX)
    }
}

/// A time as OTLP sends it.
fn stored_time(nanos: u64) -> Result<UnixNanos, Reason> {
    UnixNanos::from_wire(nanos).ok_or(TOO_LATE)
}

/// A time that is absent when 0.
fn optional_time(nanos: u64) -> Result<Option<UnixNanos>, Reason> {
    if nanos == 0 { Ok(None) } else { stored_time(nanos).map(Some) }
}

/// An optional id: absent if empty or all zero, and noted if its length is wrong.
fn optional_id<const N: usize>(bytes: &[u8], notes: &mut Notes, label: &str) -> Option<[u8; N]> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let id = bytes.try_into().ok();
    if id.is_none() {
        notes.warn("a trace_id has 16 bytes and a span_id 8: stored without it", label);
    }
    id
}

#[cfg(test)]
mod tests;
