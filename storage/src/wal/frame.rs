//! One frame of the log: its header, its payload, and how both are read back.
//!
//! All numbers are little-endian. The header has 40 bytes:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `CWFR` |
//! | 4 | 4 | length of the payload |
//! | 8 | 8 | position: 1 for the first frame of a store, then one more each |
//! | 16 | 8 | `seq` of the first row |
//! | 24 | 4 | rows |
//! | 28 | 4 | CRC32C of the payload |
//! | 32 | 4 | zero |
//! | 36 | 4 | CRC32C of the file's salt and the 36 bytes above |
//!
//! The salt is random, so that no payload can hold a text that passes for a header when reading goes on
//! past a damaged frame.
//!
//! The payload, in order: format (1 byte, 1), signal (2), tenant (4), arrival in nanoseconds (8), hash of the
//! request's payload (16), flags (1: bit 0 repeatable), rejected (8), message (4 for its length, then UTF-8),
//! encoding (1), body. Encoding 1 is an Arrow IPC stream of one batch in the wire schema, lz4 block compressed
//! after 4 bytes of its plain length. Encoding 2 is the same of a packed batch, in which a dictionary of at most
//! 256 values has keys of one byte and one of at most 65,536 keys of two: keys are most of a packed batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, new_null_array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{ArrowDictionaryKeyType, FieldRef, Int32Type, Schema, UInt8Type, UInt16Type};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use model::{Answer, Batch, Signal, TenantId, UnixNanos};

/// The length of a frame's header in bytes.
pub(super) const HEADER_BYTES: usize = 40;
/// The longest payload of a frame in bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// What every frame begins with.
pub(super) const MAGIC: [u8; 4] = *b"CWFR";

const PAYLOAD_FORMAT: u8 = 1;
const ENCODING_ARROW_LZ4: u8 = 1;
const ENCODING_NARROW_LZ4: u8 = 2;
const FLAG_REPEATABLE: u8 = 1;

/// A request as the log keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// When it arrived.
    pub(crate) arrival: UnixNanos,
    /// The request, rows in the wire schema.
    pub(crate) batch: Batch,
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_bytes: u32,
    pub(super) position: u64,
    pub(super) first_seq: i64,
    pub(super) rows: u32,
    pub(super) payload_crc: u32,
}

impl Header {
    /// The header as it stands in a file with `salt`.
    pub(super) fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[8..16].copy_from_slice(&self.position.to_le_bytes());
        out[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        out[24..28].copy_from_slice(&self.rows.to_le_bytes());
        out[28..32].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = header_crc(&out, salt);
        out[36..40].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header; `None` if these bytes are none.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        let mut input = Input(bytes);
        let magic: [u8; 4] = input.array()?;
        let header = Self {
            payload_bytes: u32::from_le_bytes(input.array()?),
            position: u64::from_le_bytes(input.array()?),
            first_seq: i64::from_le_bytes(input.array()?),
            rows: u32::from_le_bytes(input.array()?),
            payload_crc: u32::from_le_bytes(input.array()?),
        };
        let _reserved: [u8; 4] = input.array()?;
        let crc = u32::from_le_bytes(input.array()?);
        (magic == MAGIC && crc == header_crc(bytes, salt)).then_some(header)
    }
}

fn header_crc(header: &[u8; HEADER_BYTES], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &header[..36])
}

impl Frame {
    /// The payload of this frame.
    pub(crate) fn encode(&self) -> crate::Result<Vec<u8>> {
        let Batch { signal, rows, payload_hash, repeatable, answer } = &self.batch;
        let mut plain = Vec::with_capacity(rows.get_array_memory_size() / 2 + 8192);
        let narrow = narrow(rows)?;
        let mut writer = StreamWriter::try_new(&mut plain, narrow.schema_ref())?;
        writer.write(&narrow)?;
        writer.finish()?;
        let mut out = Vec::with_capacity(plain.len() / 2 + 64);
        out.push(PAYLOAD_FORMAT);
        out.extend(signal.number().to_le_bytes());
        out.extend(self.tenant.0.to_le_bytes());
        out.extend(self.arrival.0.to_le_bytes());
        out.extend(payload_hash.to_le_bytes());
        out.push(if *repeatable { FLAG_REPEATABLE } else { 0 });
        out.extend(answer.rejected.to_le_bytes());
        out.extend((answer.message.len() as u32).to_le_bytes());
        out.extend(answer.message.as_bytes());
        out.push(ENCODING_NARROW_LZ4);
        out.extend(lz4_flex::compress_prepend_size(&plain));
        Ok(out)
    }

    /// Reads a payload back; the error says what is wrong with it.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, String> {
        let short = || "it ends early".to_owned();
        let mut input = Input(payload);
        match input.array::<1>().ok_or_else(short)? {
            [PAYLOAD_FORMAT] => {}
            [other] => return Err(format!("payload format {other} is not known")),
        }
        let number = u16::from_le_bytes(input.array().ok_or_else(short)?);
        let signal = Signal::from_number(number).ok_or_else(|| format!("signal {number} is not known"))?;
        let tenant = TenantId(u32::from_le_bytes(input.array().ok_or_else(short)?));
        let arrival = UnixNanos(i64::from_le_bytes(input.array().ok_or_else(short)?));
        let payload_hash = u128::from_le_bytes(input.array().ok_or_else(short)?);
        let [flags] = input.array().ok_or_else(short)?;
        let rejected = u64::from_le_bytes(input.array().ok_or_else(short)?);
        let length = u32::from_le_bytes(input.array().ok_or_else(short)?);
        let message = String::from_utf8_lossy(input.take(length as usize).ok_or_else(short)?).into_owned();
        let rows = match input.array().ok_or_else(short)? {
            [ENCODING_ARROW_LZ4 | ENCODING_NARROW_LZ4] => decode_rows(signal, input.0)?,
            [other] => return Err(format!("encoding {other} is not known")),
        };
        let answer = Answer { rejected, message };
        let repeatable = flags & FLAG_REPEATABLE != 0;
        Ok(Self { tenant, arrival, batch: Batch { signal, rows, payload_hash, repeatable, answer } })
    }
}

/// Reads the rows back: the columns of the wire schema, and behind them attribute columns if they are packed.
fn decode_rows(signal: Signal, body: &[u8]) -> Result<RecordBatch, String> {
    let plain = lz4_flex::decompress_size_prepended(body).map_err(|error| error.to_string())?;
    let reader = StreamReader::try_new(plain.as_slice(), None).map_err(|error| error.to_string())?;
    let batches: Result<Vec<RecordBatch>, _> = reader.collect();
    let batches = batches.map_err(|error| error.to_string())?;
    let [rows] = batches.as_slice() else { return Err(format!("it has {} batches of rows", batches.len())) };
    let rows = widen(rows).map_err(|error| error.to_string())?;
    let schema = rows.schema();
    let mut found = schema.fields().iter().zip(rows.columns()).peekable();
    let mut fields: Vec<FieldRef> = Vec::with_capacity(schema.fields().len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for expected in model::schema::wire(signal).fields() {
        let is_same =
            |field: &FieldRef| field.name() == expected.name() && field.data_type() == expected.data_type();
        let (field, column) = match found.next_if(|(field, _)| is_same(field)) {
            Some((field, column)) => (Arc::clone(field), Arc::clone(column)),
            // Written before there was such a column.
            None if model::schema::is_late(expected.name()) => {
                (Arc::clone(expected), new_null_array(expected.data_type(), rows.num_rows()))
            }
            None => return Err(format!("its rows lack the column {} at its place", expected.name())),
        };
        fields.push(field);
        columns.push(column);
    }
    for (field, column) in found {
        if model::packed::key(field.name()).is_none() {
            return Err(format!("its rows have a column {} that is not known", field.name()));
        }
        fields.push(Arc::clone(field));
        columns.push(Arc::clone(column));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| error.to_string())
}

/// The most values of a dictionary whose keys take one byte.
const BYTE_VALUES_MAX: usize = 1 << 8;
/// The most values of a dictionary whose keys take two bytes.
const SHORT_VALUES_MAX: usize = 1 << 16;

/// The same rows, the keys of small dictionaries narrow.
fn narrow(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    map_columns(rows, |column| {
        let Some(texts) = column.as_dictionary_opt::<Int32Type>() else { return Ok(Arc::clone(column)) };
        let values = texts.values().len();
        Ok(if values <= BYTE_VALUES_MAX {
            Arc::new(with_keys::<_, UInt8Type>(texts, |key| key as u8)?)
        } else if values <= SHORT_VALUES_MAX {
            Arc::new(with_keys::<_, UInt16Type>(texts, |key| key as u16)?)
        } else {
            Arc::clone(column)
        })
    })
}

/// The same rows, all keys of dictionaries as the schema has them.
fn widen(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    map_columns(rows, |column| {
        if let Some(texts) = column.as_dictionary_opt::<UInt8Type>() {
            return Ok(Arc::new(with_keys::<_, Int32Type>(texts, i32::from)?));
        }
        match column.as_dictionary_opt::<UInt16Type>() {
            Some(texts) => Ok(Arc::new(with_keys::<_, Int32Type>(texts, i32::from)?)),
            None => Ok(Arc::clone(column)),
        }
    })
}

fn map_columns(
    rows: &RecordBatch,
    map: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().map(map).collect::<Result<Vec<_>, _>>()?;
    let fields = rows.schema_ref().fields().iter().zip(&columns);
    let fields: Vec<FieldRef> = fields
        .map(|(field, column)| match field.data_type() == column.data_type() {
            true => Arc::clone(field),
            false => Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone())),
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn with_keys<From: ArrowDictionaryKeyType, To: ArrowDictionaryKeyType>(
    texts: &DictionaryArray<From>,
    key: impl Fn(From::Native) -> To::Native,
) -> Result<DictionaryArray<To>, ArrowError> {
    let keys: ScalarBuffer<To::Native> = texts.keys().values().iter().map(|old| key(*old)).collect();
    let keys = PrimitiveArray::<To>::try_new(keys, texts.nulls().cloned())?;
    DictionaryArray::try_new(keys, Arc::clone(texts.values()))
}

/// Bytes that are taken from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}
