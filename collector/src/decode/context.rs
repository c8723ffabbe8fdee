//! What is the same for a whole payload, what is noted on the way, and how attributes are stored.

use model::packed::AttributeColumns;
use model::{AttributesWriter, Signal, UnixNanos};

use super::Limits;
use super::marks::{Marks, repair};
use super::notes::{Notes, Reason};
use super::shape::{KEY_VALUE, check};
use super::values::{Any, Plain, Stored, VALUE_DEPTH, key_value, plain, store};
use super::wire::WireError;

pub(super) const TOO_LATE: Reason = "times must be before 2262-04-11";

/// What is the same for a whole payload, and what is noted on the way.
pub(super) struct Context<'c> {
    pub(super) received: UnixNanos,
    pub(super) limits: &'c Limits,
    pub(super) notes: Notes,
    /// Whether a second copy of the payload would be a repeat.
    pub(super) repeatable: bool,
    /// The marks of what is being read.
    pub(super) marks: Marks,
    writer: AttributesWriter,
}

/// The attributes of a record, not read yet: at most as many as are kept.
#[derive(Default)]
pub(super) struct AttributeList<'p> {
    kept: Vec<&'p [u8]>,
    /// How many there were besides.
    over: u64,
}

impl<'p> AttributeList<'p> {
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.over = 0;
    }

    /// Adds one; past the limit it is checked and counted only.
    #[inline]
    pub(super) fn add(&mut self, message: &'p [u8], limits: &Limits) -> Result<(), WireError> {
        if self.kept.len() < limits.attributes_per_record_max {
            self.kept.push(message);
            return Ok(());
        }
        self.over += 1;
        check(message, &KEY_VALUE, VALUE_DEPTH)
    }
}

impl<'c> Context<'c> {
    pub(super) fn new(signal: Signal, received: UnixNanos, limits: &'c Limits) -> Self {
        Self {
            received,
            limits,
            notes: Notes::new(signal),
            repeatable: true,
            marks: Marks::default(),
            writer: AttributesWriter::default(),
        }
    }

    /// A record begins.
    pub(super) fn begin(&mut self) {
        self.notes.begin();
        self.marks = Marks::default();
    }

    /// Gives a row its attributes; gives how many were dropped for their number or the length of their key.
    pub(super) fn columns(
        &mut self,
        list: &AttributeList<'_>,
        columns: &mut AttributeColumns,
    ) -> Result<i64, WireError> {
        let bytes_max = self.limits.attribute_bytes_max;
        let mut dropped = list.over;
        for message in &list.kept {
            // The path of nearly all attributes: a plain value that fits.
            if let Some((key, value)) = plain(message)
                && put_plain(key, value, bytes_max, columns)
            {
                continue;
            }
            let (key, value) = key_value(message, VALUE_DEPTH)?;
            dropped += u64::from(!self.put(key, value, Some(columns), false)?);
        }
        Ok(self.dropped(dropped))
    }

    /// As [`Self::columns`]; also replaces `text` by the attributes in their stored form.
    pub(super) fn columns_and_text(
        &mut self,
        list: &AttributeList<'_>,
        columns: &mut AttributeColumns,
        text: &mut String,
    ) -> Result<i64, WireError> {
        let mut dropped = list.over;
        let bytes_max = self.limits.attribute_bytes_max;
        for message in &list.kept {
            if let Some((key, value)) = plain(message)
                && let Ok(name) = std::str::from_utf8(key)
                && put_plain(key, value, bytes_max, columns)
            {
                self.writer.put_with(name, |out| value.write(out));
                continue;
            }
            let (key, value) = key_value(message, VALUE_DEPTH)?;
            dropped += u64::from(!self.put(key, value, Some(columns), true)?);
        }
        text.clear();
        self.writer.finish(text);
        Ok(self.dropped(dropped))
    }

    /// Replaces `text` by attributes in their stored form; gives how many were dropped.
    pub(super) fn text<'p>(
        &mut self,
        list: impl Iterator<Item = Result<&'p [u8], WireError>>,
        text: &mut String,
    ) -> Result<i64, WireError> {
        let mut dropped = 0;
        for (index, message) in list.enumerate() {
            let message = message?;
            if index >= self.limits.attributes_per_record_max {
                check(message, &KEY_VALUE, VALUE_DEPTH)?;
                dropped += 1;
                continue;
            }
            let (key, value) = key_value(message, VALUE_DEPTH)?;
            dropped += u64::from(!self.put(key, value, None, true)?);
        }
        text.clear();
        self.writer.finish(text);
        Ok(self.dropped(dropped))
    }

    /// Reads a value within the limits and notes what they cost.
    pub(super) fn store<'p>(&mut self, value: Any<'p>, bytes_max: usize) -> Result<Stored<'p>, WireError> {
        let (stored, cut) = store(value, bytes_max, VALUE_DEPTH, &mut self.marks)?;
        self.notes.values_cut += u64::from(cut);
        Ok(stored)
    }

    /// Marks the row being built and ends it.
    pub(super) fn end_row(&mut self, columns: &mut AttributeColumns) {
        self.marks.attributes().for_each(|key| columns.put_bool(key, true));
        self.notes.repaired += u64::from(self.marks.repaired);
        columns.end_row();
    }

    /// Puts an attribute where it goes; false if its key is too long.
    fn put(
        &mut self,
        key: &[u8],
        value: Any<'_>,
        columns: Option<&mut AttributeColumns>,
        write: bool,
    ) -> Result<bool, WireError> {
        let bytes_max = self.limits.attribute_bytes_max;
        if key.len() > bytes_max {
            value.check(VALUE_DEPTH)?;
            return Ok(false);
        }
        let key = repair(key, &mut self.marks);
        let stored = self.store(value, bytes_max)?;
        if write {
            self.writer.put_with(&key, |out| stored.write(out));
        }
        if let Some(columns) = columns {
            match stored {
                Stored::Text(text) => columns.put_str(&key, &text),
                Stored::Bool(value) => columns.put_bool(&key, value),
                Stored::Int(value) => columns.put_int(&key, value),
                Stored::Double(value) => columns.put_double(&key, value),
                Stored::Other(text) => columns.put_other(&key, &text),
            }
        }
        Ok(true)
    }

    fn dropped(&mut self, dropped: u64) -> i64 {
        self.marks.truncated |= dropped > 0;
        self.notes.attributes_dropped += dropped;
        i64::try_from(dropped).unwrap_or(i64::MAX)
    }

    /// An optional id: absent if empty or all zero, and noted if its length is wrong.
    pub(super) fn optional_id<const N: usize>(&mut self, bytes: &[u8], label: &[u8]) -> Option<[u8; N]> {
        if bytes.iter().all(|byte| *byte == 0) {
            return None;
        }
        let id = bytes.try_into().ok();
        if id.is_none() {
            self.notes.warn("a trace_id has 16 bytes and a span_id 8: stored without it", label);
        }
        id
    }
}

/// Puts a plain attribute where it goes; false if it is too long or not UTF-8, and then nothing is put.
#[inline]
fn put_plain(key: &[u8], value: Plain<'_>, bytes_max: usize, columns: &mut AttributeColumns) -> bool {
    if key.len() > bytes_max {
        return false;
    }
    if let Plain::Text(text) = value
        && text.len() > bytes_max
    {
        return false;
    }
    let Some(key) = columns.key(key) else {
        return false;
    };
    match value {
        Plain::Text(text) => return columns.set_text(key, text),
        Plain::Bool(value) => columns.set_bool(key, value),
        Plain::Int(value) => columns.set_int(key, value),
        Plain::Double(value) => columns.set_double(key, value),
    }
    true
}

/// A time as OTLP sends it.
pub(super) fn stored_time(nanos: u64) -> Result<UnixNanos, Reason> {
    UnixNanos::from_wire(nanos).ok_or(TOO_LATE)
}

/// A time that is absent when 0.
pub(super) fn optional_time(nanos: u64) -> Result<Option<UnixNanos>, Reason> {
    if nanos == 0 { Ok(None) } else { stored_time(nanos).map(Some) }
}
