//! The outline of a trace: every span, event and log as a row of six small numbers, depth first, in a binary form that
//! a page decodes into typed arrays. `docs/outline.md` describes it byte for byte.
//!
//! Terms:
//! - *row*: a span, an event, a log, or a *gap*: a place where a parent is missing or spans are each other's ancestors.
//! - *distance*: how many rows above a row its parent stands; 0 at the top.
//! - *name* and *service* are numbers in two tables of text.
//!
//! The bytes are a head ([`Head`] as JSON), the two tables, and blocks of at most [`BLOCK_ROWS`] rows, column by column,
//! so that the first rows can be drawn while the others are on their way.

mod varint;

use serde::{Deserialize, Serialize};

use varint::{Reader, put, put_signed};

/// The first bytes: the form and its version.
pub const MAGIC: [u8; 4] = *b"CWO1";
/// The most rows of a block.
pub const BLOCK_ROWS: usize = 16_384;
/// Columns of a block.
const COLUMNS: usize = 6;
/// The largest time or length in nanoseconds: 104 days, the largest that a number of JavaScript holds exactly.
pub const TIME_MAX: i64 = (1 << 53) - 1;

/// What a row is: the two lowest bits of its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// A span.
    Span,
    /// An event of a span.
    Event,
    /// A log record.
    Log,
    /// A missing parent, or a place where a ring of parents was cut.
    Gap,
}

/// The flags of a row: its [`Sort`], its kind or level, and what should be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// Spans whose status is an error, logs of level error and above, events that are exceptions.
    pub const FAILED: u8 = 1 << 5;
    /// Begins before its parent: the clocks disagree.
    pub const EARLY: u8 = 1 << 6;
    /// Has the id of a span that stands elsewhere.
    pub const REPEATED: u8 = 1 << 7;
    /// The level of a gap where a ring of parents was cut.
    pub const CYCLE: u8 = 1;

    /// Flags of a row of a sort with a kind or level of at most 7.
    pub fn new(sort: Sort, level: u8, marks: u8) -> Self {
        let sort = match sort {
            Sort::Span => 0,
            Sort::Event => 1,
            Sort::Log => 2,
            Sort::Gap => 3,
        };
        Self(sort | (level & 7) << 2 | marks)
    }

    /// What the row is.
    pub fn sort(self) -> Sort {
        match self.0 & 3 {
            0 => Sort::Span,
            1 => Sort::Event,
            2 => Sort::Log,
            _ => Sort::Gap,
        }
    }

    /// Of a span its kind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. Of a log its level:
    /// 0 none, 1 trace, 2 debug, 3 info, 4 warn, 5 error, 6 fatal. Of a gap 0, or [`Flags::CYCLE`].
    pub fn level(self) -> u8 {
        self.0 >> 2 & 7
    }

    /// Whether one of the marks is set.
    pub fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// One row. Times are nanoseconds from the trace's start, at most [`TIME_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// When it begins.
    pub start: i64,
    /// How long it took, negative if recorded so; 0 of what is no span.
    pub duration: i64,
    /// How many rows above its parent stands; 0 at the top.
    pub distance: u32,
    /// Its service: a number in the table of services.
    pub service: u32,
    /// Its name: a number in the table of names.
    pub name: u32,
    /// What it is.
    pub flags: Flags,
}

/// What is known of the whole trace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// The trace.
    pub trace_id: String,
    /// Which rows were stored then: names this outline in other questions.
    pub outline: String,
    /// When its first row begins: nanoseconds as text.
    pub start: String,
    /// From there to its last end.
    pub duration_ns: i64,
    /// Rows of the outline.
    pub rows: u64,
    /// Spans among them.
    pub spans: u64,
    /// Events among them.
    pub events: u64,
    /// Logs among them.
    pub logs: u64,
    /// Spans that failed.
    pub errors: u64,
    /// How many spans are stored.
    pub spans_stored: u64,
    /// How many logs are stored.
    pub logs_stored: u64,
    /// What a reader should know: missing parents, clocks that disagree, what was left out.
    pub warnings: Vec<String>,
    /// Whether rows were left out.
    pub truncated: bool,
}

/// An outline in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// What is known of the whole trace.
    pub head: Head,
    /// Names of services.
    pub services: Vec<String>,
    /// Names of spans and events.
    pub names: Vec<String>,
    /// Depth first.
    pub rows: Vec<Row>,
}

impl Decoded {
    /// The service of a row.
    pub fn service(&self, row: usize) -> &str {
        self.services.get(self.rows[row].service as usize).map_or("", String::as_str)
    }

    /// The name of a row, at most 256 bytes of it.
    pub fn name(&self, row: usize) -> &str {
        self.names.get(self.rows[row].name as usize).map_or("", String::as_str)
    }

    /// When the first row begins, in Unix nanoseconds.
    pub fn start(&self) -> i64 {
        self.head.start.parse().unwrap_or(0)
    }
}

/// Why bytes are no outline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutlineError {
    /// Another form, or another version of it.
    #[error("an outline begins with CWO1, and this with {0:02x?}")]
    Magic(Vec<u8>),
    /// They end too early, or a number in them leads out of them.
    #[error("the outline is damaged at byte {at} of {bytes}: {what}")]
    Damaged {
        /// Where.
        at: usize,
        /// Of how many.
        bytes: usize,
        /// What was expected there.
        what: &'static str,
    },
}

/// The head and the tables as bytes.
pub fn encode_head(head: &Head, services: &[String], names: &[String]) -> Vec<u8> {
    // A head has text and numbers only.
    let json = serde_json::to_vec(head).unwrap_or_default();
    let mut out = Vec::with_capacity(json.len() + 64);
    out.extend_from_slice(&MAGIC);
    put_length(&mut out, json.len());
    out.extend_from_slice(&json);
    for table in [services, names] {
        put_length(&mut out, table.len());
        for text in table {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// The bytes behind the last block.
pub const END: [u8; 4] = [0; 4];

/// Takes rows and makes blocks of them.
#[derive(Debug, Default)]
pub struct Encoder {
    columns: [Vec<u8>; COLUMNS],
    rows: usize,
}

impl Encoder {
    /// Adds a row whose parent begins at `parent_start` (0 at the top). Returns a block once it is full.
    pub fn push(&mut self, row: Row, parent_start: i64) -> Option<Vec<u8>> {
        let [starts, durations, distances, services, names, flags] = &mut self.columns;
        put_signed(starts, row.start - parent_start);
        put_signed(durations, row.duration);
        put(distances, u64::from(row.distance));
        put(services, u64::from(row.service));
        put(names, u64::from(row.name));
        flags.push(row.flags.0);
        self.rows += 1;
        (self.rows == BLOCK_ROWS).then(|| self.block()).flatten()
    }

    /// The rows that no block has yet, if there are any.
    pub fn block(&mut self) -> Option<Vec<u8>> {
        if self.rows == 0 {
            return None;
        }
        let bytes: usize = self.columns.iter().map(|column| column.len() + size_of::<u32>()).sum();
        let mut out = Vec::with_capacity(bytes + size_of::<u32>());
        put_length(&mut out, self.rows);
        for column in &mut self.columns {
            put_length(&mut out, column.len());
            out.append(column);
        }
        self.rows = 0;
        Some(out)
    }
}

/// A length or count of four bytes, little-endian. Limits keep all of them far below 4 GiB.
fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// A whole outline as bytes.
pub fn encode(outline: &Decoded) -> Vec<u8> {
    let mut out = encode_head(&outline.head, &outline.services, &outline.names);
    let mut encoder = Encoder::default();
    for (number, row) in outline.rows.iter().enumerate() {
        let parent = number.checked_sub(row.distance as usize).filter(|_| row.distance > 0);
        let parent_start = parent.map_or(0, |parent| outline.rows[parent].start);
        out.extend(encoder.push(*row, parent_start).into_iter().flatten());
    }
    out.extend(encoder.block().into_iter().flatten());
    out.extend_from_slice(&END);
    out
}

/// Reads an outline. Bytes that are none are an error, whatever they are.
pub fn decode(bytes: &[u8]) -> Result<Decoded, OutlineError> {
    decode_pieces(&[bytes])
}

/// Reads an outline that comes in pieces: no number, text, head or block is parted.
pub fn decode_pieces<T: AsRef<[u8]>>(pieces: &[T]) -> Result<Decoded, OutlineError> {
    let mut pieces = pieces.iter().map(AsRef::as_ref);
    let mut reader = Reader::new(pieces.next().unwrap_or_default());
    let mut outline = decode_head(&mut reader)?;
    loop {
        if reader.is_at_end()
            && let Some(piece) = pieces.next()
        {
            reader = Reader::new(piece);
        }
        let rows = reader.length("the number of rows in a block")?;
        if rows == 0 {
            return Ok(outline);
        }
        if rows > BLOCK_ROWS {
            return Err(reader.damaged("at most 16384 rows in a block"));
        }
        decode_block(&mut reader, rows, &mut outline)?;
    }
}

fn decode_head(reader: &mut Reader<'_>) -> Result<Decoded, OutlineError> {
    let magic = reader.bytes_up_to(MAGIC.len());
    if magic != MAGIC {
        return Err(OutlineError::Magic(magic.to_vec()));
    }
    let length = reader.length("the length of the head")?;
    let json = reader.bytes(length, "the head")?;
    let head = serde_json::from_slice(json).map_err(|_| reader.damaged("a head in JSON"))?;
    let services = decode_table(reader)?;
    let names = decode_table(reader)?;
    Ok(Decoded { head, services, names, rows: Vec::new() })
}

fn decode_table(reader: &mut Reader<'_>) -> Result<Vec<String>, OutlineError> {
    let count = reader.length("the number of texts")?;
    let mut texts = Vec::new();
    for _ in 0..count {
        let length = reader.varint("the length of a text")?;
        let length = usize::try_from(length).map_err(|_| reader.damaged("a text that fits"))?;
        let text = std::str::from_utf8(reader.bytes(length, "a text")?);
        texts.push(text.map_err(|_| reader.damaged("a text in UTF-8"))?.to_owned());
    }
    Ok(texts)
}

fn decode_block(reader: &mut Reader<'_>, rows: usize, outline: &mut Decoded) -> Result<(), OutlineError> {
    let mut columns = [Reader::new(&[]); COLUMNS];
    for column in &mut columns {
        let length = reader.length("the length of a column")?;
        *column = Reader::new(reader.bytes(length, "a column")?);
    }
    let [starts, durations, distances, services, names, flags] = &mut columns;
    for _ in 0..rows {
        let number = outline.rows.len();
        let distance = distances.varint("a distance")?;
        let parent = usize::try_from(distance).ok().and_then(|distance| number.checked_sub(distance));
        let parent = parent.ok_or_else(|| distances.damaged("a parent that stands above"))?;
        let parent_start = if distance == 0 { 0 } else { outline.rows[parent].start };
        let start = parent_start.checked_add(starts.signed("a start")?);
        let inside = |number: u64, table: &[String]| {
            u32::try_from(number).ok().filter(|number| (*number as usize) < table.len())
        };
        let service = inside(services.varint("a service")?, &outline.services);
        let name = inside(names.varint("a name")?, &outline.names);
        outline.rows.push(Row {
            start: start.ok_or_else(|| starts.damaged("a start that fits"))?,
            duration: durations.signed("a duration")?,
            distance: (number - parent) as u32,
            service: service.ok_or_else(|| services.damaged("a service of the table"))?,
            name: name.ok_or_else(|| names.damaged("a name of the table"))?,
            flags: Flags(flags.bytes(1, "flags")?[0]),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
