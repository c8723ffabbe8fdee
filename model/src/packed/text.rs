//! A column of text in which equal values are kept once.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::ROWS_RESERVED;
use super::zeros::Zeros;

/// How many different values are compared one by one before they are looked up by their hash. Most columns have
/// fewer.
const VALUES_SCANNED: usize = 8;

/// A column none of whose values came twice is asked after so many whether looking them up pays.
const VALUES_TRIED_IN_VAIN: usize = 128;

/// After how many different values any column is asked.
const VALUES_TRIED: usize = 1024;

/// A column goes on looking values up if at least one in so many was there already.
const LOOKUPS_PER_HIT_MAX: usize = 8;

/// Builds a dictionary column. Values that nearly all differ are no longer looked up, and may then stand in
/// the dictionary more than once.
#[derive(Default)]
pub struct TextColumn {
    /// How many nulls it begins with.
    front: usize,
    /// Where the values of the rows behind them stand in the dictionary.
    keys: Vec<i32>,
    nulls: Option<NullBufferBuilder>,
    bytes: Vec<u8>,
    /// Where in `bytes` each value ends.
    ends: Vec<i32>,
    /// Where the value pushed last stands.
    latest: i32,
    hits: usize,
    lookup: Lookup,
}

/// Finds a value's place by the value.
#[derive(Default)]
enum Lookup {
    /// There are few.
    #[default]
    Scan,
    /// Their hashes, and where they stand.
    Table(DefaultHashBuilder, HashTable<(u32, i32)>),
    /// It does not pay.
    Never,
}

impl TextColumn {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.front + self.keys.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a row.
    pub fn push(&mut self, value: &str) {
        // Text is UTF-8, so this always pushes.
        self.push_bytes(value.as_bytes());
    }

    /// Adds a row, unless the bytes are not UTF-8: then it gives false and adds nothing.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) -> bool {
        let Some(key) = self.intern(value) else {
            return false;
        };
        self.append(key);
        true
    }

    /// Gives a row a value, with nulls for the rows missing before it, in place of all rows from it on. If the
    /// bytes are not UTF-8 it gives false and changes nothing.
    #[inline]
    pub fn set_bytes(&mut self, row: usize, value: &[u8]) -> bool {
        let Some(key) = self.intern(value) else {
            return false;
        };
        if row != self.len() {
            self.truncate(row);
            self.pad(row);
        }
        self.append(key);
        true
    }

    /// Adds a row that may be null.
    pub fn push_option(&mut self, value: Option<&str>) {
        self.push_many(value, 1);
    }

    /// Adds a null.
    #[inline]
    pub fn push_null(&mut self) {
        match self.keys.is_empty() {
            true => self.front += 1,
            false => self.pad(self.len() + 1),
        }
    }

    /// Adds so many equal rows.
    pub fn push_many(&mut self, value: Option<&str>, rows: usize) {
        match value.and_then(|value| self.intern(value.as_bytes())) {
            Some(key) => {
                self.keys.resize(self.keys.len() + rows, key);
                if let Some(nulls) = &mut self.nulls {
                    nulls.append_n_non_nulls(rows);
                }
            }
            None => self.pad(self.len() + rows),
        }
    }

    /// Adds nulls until it has so many rows.
    pub fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.len());
        if missing == 0 {
            return;
        }
        let length = self.keys.len();
        if length == 0 {
            self.front = rows;
            return;
        }
        self.keys.resize(length + missing, 0);
        self.nulls.get_or_insert_with(|| NullBufferBuilder::new_with_len(length)).append_n_nulls(missing);
    }

    /// Puts so many nulls before the first row.
    pub fn pad_front(&mut self, rows: usize) {
        self.front += rows;
    }

    /// Takes back the rows from this one on.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.len() {
            let length = rows.saturating_sub(self.front);
            self.front = self.front.min(rows);
            self.keys.truncate(length);
            if let Some(nulls) = &mut self.nulls {
                nulls.truncate(length);
            }
        }
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        let row = row.checked_sub(self.front)?;
        let key = *self.keys.get(row)?;
        if self.nulls.as_ref().is_some_and(|nulls| !nulls.is_valid(row)) {
            return None;
        }
        std::str::from_utf8(value(&self.bytes, &self.ends, key)).ok()
    }

    /// The column; where it is all zeros it takes them from those that the batch shares.
    pub fn finish(mut self, zeros: &mut Zeros) -> ArrayRef {
        let rows = self.len();
        let keys = if self.keys.is_empty() {
            zeros.column::<Int32Type>(rows, rows > 0)
        } else {
            let nulls = self.finish_nulls();
            let keys = match self.ends.len() {
                // All rows have the one value, or none.
                1 => ScalarBuffer::new(zeros.buffer(rows * size_of::<i32>()), 0, rows),
                _ => {
                    self.keys.splice(..0, std::iter::repeat_n(0, self.front));
                    self.keys.shrink_to_fit();
                    ScalarBuffer::from(self.keys)
                }
            };
            PrimitiveArray::new(keys, nulls)
        };
        self.bytes.shrink_to_fit();
        let offsets: Vec<i32> = std::iter::once(0).chain(self.ends).collect();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        // Each value was checked when it came; this checks all at once and copies none.
        let values = StringArray::new(offsets, Buffer::from_vec(self.bytes), None);
        Arc::new(DictionaryArray::new(keys, Arc::new(values)))
    }

    fn finish_nulls(&mut self) -> Option<NullBuffer> {
        let (front, length) = (self.front, self.keys.len());
        match self.nulls.take() {
            Some(nulls) if front > 0 => nulls_behind(front, nulls).finish(),
            Some(mut nulls) => nulls.finish(),
            None if front > 0 => nulls_behind(front, NullBufferBuilder::new_with_len(length)).finish(),
            None => None,
        }
    }

    #[inline]
    fn append(&mut self, key: i32) {
        self.keys.push(key);
        if let Some(nulls) = &mut self.nulls {
            nulls.append_non_null();
        }
    }

    /// Where the value stands in the dictionary; `None` if it is not UTF-8. A value that is there already is
    /// known to be.
    #[inline]
    fn intern(&mut self, text: &[u8]) -> Option<i32> {
        if equal(value(&self.bytes, &self.ends, self.latest), text) && !self.ends.is_empty() {
            self.hits += 1;
            return Some(self.latest);
        }
        self.find_or_add(text)
    }

    fn find_or_add(&mut self, text: &[u8]) -> Option<i32> {
        let (bytes, ends) = (&self.bytes, &self.ends);
        let mut short = 0;
        let found = match &self.lookup {
            Lookup::Scan => find(bytes, ends, text),
            Lookup::Table(hasher, table) => {
                short = short_hash(hasher, text);
                let is_same =
                    |(other, key): &(u32, i32)| *other == short && equal(value(bytes, ends, *key), text);
                table.find(spread(short), is_same).map(|(_, key)| *key)
            }
            Lookup::Never => None,
        };
        match found {
            Some(key) => {
                self.hits += 1;
                self.latest = key;
            }
            None if text.is_ascii() || std::str::from_utf8(text).is_ok() => self.add(text, short),
            None => return None,
        }
        Some(self.latest)
    }

    /// Adds a value, of this hash if there is a table of them.
    fn add(&mut self, text: &[u8], short: u32) {
        let count = self.ends.len();
        if count == 0 {
            self.keys.reserve(ROWS_RESERVED);
        }
        // Each value takes a row, and a request has fewer rows than bytes.
        self.latest = count as i32;
        self.bytes.extend_from_slice(text);
        // Past 2 GiB this is negative, and Arrow refuses the column.
        self.ends.push(self.bytes.len() as i32);
        match &mut self.lookup {
            Lookup::Table(_, table) => {
                table.insert_unique(spread(short), (short, self.latest), |(short, _)| spread(*short));
                let in_vain = count >= VALUES_TRIED_IN_VAIN && self.hits == 0;
                if in_vain || (count >= VALUES_TRIED && self.hits < count / LOOKUPS_PER_HIT_MAX) {
                    self.lookup = Lookup::Never;
                }
            }
            Lookup::Scan if count >= VALUES_SCANNED => self.lookup = table(&self.bytes, &self.ends),
            Lookup::Scan | Lookup::Never => {}
        }
    }
}

/// A table of all values.
fn table(bytes: &[u8], ends: &[i32]) -> Lookup {
    let hasher = DefaultHashBuilder::default();
    let mut table = HashTable::with_capacity(2 * ends.len());
    for key in 0..ends.len() as i32 {
        let short = short_hash(&hasher, value(bytes, ends, key));
        table.insert_unique(spread(short), (short, key), |(short, _)| spread(*short));
    }
    Lookup::Table(hasher, table)
}

/// Where the value stands, found by comparing it with each.
fn find(bytes: &[u8], ends: &[i32], text: &[u8]) -> Option<i32> {
    let mut start = 0;
    for (key, end) in ends.iter().enumerate() {
        let end = *end as usize;
        if end - start == text.len() && equal(&bytes[start..end], text) {
            return Some(key as i32);
        }
        start = end;
    }
    None
}

/// Half of a hash: all that a table of one request needs, at half the memory.
#[inline]
fn short_hash(hasher: &DefaultHashBuilder, text: &[u8]) -> u32 {
    hash(hasher, text) as u32
}

/// A whole hash of a half: a table takes bits from both ends.
#[inline]
fn spread(short: u32) -> u64 {
    u64::from(short) << 32 | u64::from(short)
}

/// The same validity with so many nulls before it.
pub(super) fn nulls_behind(rows: usize, mut nulls: NullBufferBuilder) -> NullBufferBuilder {
    let mut result = NullBufferBuilder::new(rows + nulls.len());
    result.append_n_nulls(rows);
    let length = nulls.len();
    match nulls.finish() {
        Some(nulls) => result.append_buffer(&nulls),
        None => result.append_n_non_nulls(length),
    }
    result
}

/// The hash of some text.
#[inline]
pub(super) fn hash(hasher: &DefaultHashBuilder, value: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(value);
    hasher.finish()
}

/// Whether the texts are equal. Most are short, and comparing their first and last words is all of it, where a
/// call would take longer.
#[inline]
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(first_a), Some(first_b), Some(last_a), Some(last_b)) =
        (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>())
    {
        return first_a == first_b && last_a == last_b && (a.len() <= 16 || a[8..] == b[8..]);
    }
    match (a.first_chunk::<4>(), b.first_chunk::<4>(), a.last_chunk::<4>(), b.last_chunk::<4>()) {
        (Some(first_a), Some(first_b), Some(last_a), Some(last_b)) => first_a == first_b && last_a == last_b,
        _ => a.iter().eq(b),
    }
}

/// The value that stands at a place, empty if there is none.
#[inline]
fn value<'a>(bytes: &'a [u8], ends: &[i32], key: i32) -> &'a [u8] {
    let place = key as usize;
    let start = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    match ends.get(place) {
        Some(end) => bytes.get(start as usize..*end as usize).unwrap_or_default(),
        None => &[],
    }
}
