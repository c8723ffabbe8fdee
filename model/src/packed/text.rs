//! A column of text in which equal values are kept once.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{ArrayRef, DictionaryArray, PrimitiveArray, StringBuilder};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::Int32Type;
use hashbrown::{DefaultHashBuilder, HashTable};

/// After how many different values a column is asked whether looking them up pays.
const VALUES_TRIED: usize = 1024;

/// A column goes on looking values up if at least one in so many was there already.
const LOOKUPS_PER_HIT_MAX: usize = 8;

/// Builds a dictionary column. Values that nearly all differ are no longer looked up, and may then stand in
/// the dictionary more than once.
pub struct TextColumn {
    keys: Vec<i32>,
    nulls: NullBufferBuilder,
    values: StringBuilder,
    /// Where the value pushed last stands in `values`.
    latest: i32,
    lookup: Option<Lookup>,
}

/// Finds a value's place by the value.
#[derive(Default)]
struct Lookup {
    hasher: DefaultHashBuilder,
    /// Hashes, and where their values stand.
    table: HashTable<(u64, i32)>,
    hits: usize,
}

impl Default for TextColumn {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            values: StringBuilder::with_capacity(0, 0),
            latest: 0,
            lookup: Some(Lookup::default()),
        }
    }
}

impl TextColumn {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
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
        self.keys.push(key);
        self.nulls.append_non_null();
        true
    }

    /// Gives a row a value, with nulls for the rows missing before it, in place of all rows from it on. If the
    /// bytes are not UTF-8 it gives false and changes nothing.
    #[inline]
    pub fn set_bytes(&mut self, row: usize, value: &[u8]) -> bool {
        let Some(key) = self.intern(value) else {
            return false;
        };
        self.truncate(row);
        self.pad(row);
        self.keys.push(key);
        self.nulls.append_non_null();
        true
    }

    /// Adds a row that may be null.
    pub fn push_option(&mut self, value: Option<&str>) {
        self.push_many(value, 1);
    }

    /// Adds a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.keys.push(0);
        self.nulls.append_null();
    }

    /// Adds so many equal rows.
    pub fn push_many(&mut self, value: Option<&str>, rows: usize) {
        let length = self.keys.len() + rows;
        match value.and_then(|value| self.intern(value.as_bytes())) {
            Some(key) => {
                self.keys.resize(length, key);
                self.nulls.append_n_non_nulls(rows);
            }
            None => self.pad(length),
        }
    }

    /// Adds nulls until it has so many rows.
    pub fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.keys.len());
        if missing > 0 {
            self.keys.resize(rows, 0);
            self.nulls.append_n_nulls(missing);
        }
    }

    /// Puts so many nulls before the first row.
    pub fn pad_front(&mut self, rows: usize) {
        if rows > 0 {
            self.keys.splice(..0, std::iter::repeat_n(0, rows));
            self.nulls = nulls_behind(rows, std::mem::replace(&mut self.nulls, NullBufferBuilder::new(0)));
        }
    }

    /// Takes back the rows from this one on.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.keys.len() {
            self.keys.truncate(rows);
            self.nulls.truncate(rows);
        }
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        let key = *self.keys.get(row)?;
        if !self.nulls.is_valid(row) {
            return None;
        }
        std::str::from_utf8(self.value(key)).ok()
    }

    /// The column.
    pub fn finish(mut self) -> ArrayRef {
        let keys = PrimitiveArray::<Int32Type>::new(ScalarBuffer::from(self.keys), self.nulls.finish());
        Arc::new(DictionaryArray::new(keys, Arc::new(self.values.finish())))
    }

    /// Where the value stands in the dictionary; `None` if it is not UTF-8. A value that is there already is
    /// known to be.
    #[inline]
    fn intern(&mut self, value: &[u8]) -> Option<i32> {
        if self.value(self.latest) == value && self.values.offsets_slice().len() > 1 {
            if let Some(lookup) = &mut self.lookup {
                lookup.hits += 1;
            }
            return Some(self.latest);
        }
        let offsets = self.values.offsets_slice();
        let bytes = self.values.values_slice();
        let mut hash = 0;
        if let Some(lookup) = &mut self.lookup {
            hash = lookup.hash(value);
            if let Some((_, key)) =
                lookup.table.find(hash, |(other, key)| *other == hash && slice(offsets, bytes, *key) == value)
            {
                self.latest = *key;
                lookup.hits += 1;
                return Some(self.latest);
            }
        }
        let text = std::str::from_utf8(value).ok()?;
        self.add(text, hash);
        Some(self.latest)
    }

    fn add(&mut self, text: &str, hash: u64) {
        let place = self.values.offsets_slice().len() - 1;
        // Each value takes a row, and a request has fewer rows than bytes.
        self.latest = place as i32;
        self.values.append_value(text);
        if let Some(lookup) = &mut self.lookup {
            lookup.table.insert_unique(hash, (hash, self.latest), |(hash, _)| *hash);
            if place >= VALUES_TRIED && lookup.hits < place / LOOKUPS_PER_HIT_MAX {
                self.lookup = None;
            }
        }
    }

    #[inline]
    fn value(&self, key: i32) -> &[u8] {
        slice(self.values.offsets_slice(), self.values.values_slice(), key)
    }
}

impl Lookup {
    #[inline]
    fn hash(&self, value: &[u8]) -> u64 {
        hash(&self.hasher, value)
    }
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

/// The value that stands at a place, empty if there is none.
#[inline]
fn slice<'a>(offsets: &[i32], bytes: &'a [u8], key: i32) -> &'a [u8] {
    let place = key as usize;
    match offsets.get(place..place + 2) {
        Some([start, end]) => bytes.get(*start as usize..*end as usize).unwrap_or_default(),
        _ => &[],
    }
}
