//! From attributes to columns.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    Array, ArrayBuilder as _, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, StringBuilder,
};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::Field;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::text::{TextColumn, equal, hash, nulls_behind};
use super::zeros::Zeros;
use super::{ROWS_RESERVED, field_name};
use crate::attributes::{self, AttributesWriter};

/// How many nulls a column may have for each of its values. Past it, its values are in the rest: a request of
/// empty records behind one that has many keys would otherwise grow a hundredfold.
const NULLS_PER_VALUE_MAX: usize = 64;

/// How many nulls a column may have besides.
const NULLS_FREE: usize = 1024;

/// What stands for no row and no column.
const NONE: usize = usize::MAX;

/// Builds the attribute columns and the rest of a batch, row by row.
///
/// The first type seen for a key is its column's. Of a key put twice in a row the later value wins, whatever
/// the types. A key that proves sparse is in the rest.
pub struct AttributeColumns {
    columns_max: usize,
    columns: Vec<Column>,
    hasher: DefaultHashBuilder,
    /// Hashes of keys, and their columns.
    by_key: HashTable<(u64, usize)>,
    /// Which column a row began with last.
    first: usize,
    /// The column of the key before, in this row.
    before: usize,
    row: usize,
    row_rest: AttributesWriter,
    /// How many rows before the first in `rest` have none.
    rest_front: usize,
    rest: StringBuilder,
    text: String,
    /// Values of columns that proved sparse: row, column and stored text.
    late: Vec<(usize, usize, String)>,
}

/// A key that was looked up, for the `set` methods.
#[derive(Debug, Clone, Copy)]
pub struct Key<'k>(Place<'k>);

#[derive(Debug, Clone, Copy)]
enum Place<'k> {
    Known(usize),
    New(&'k str),
}

struct Column {
    key: String,
    /// The row of its first value. The nulls before it are added at the end.
    start: usize,
    /// Its values from that row on.
    data: Data,
    /// How many values were given to it.
    given: usize,
    /// Which column followed it last: records of one source repeat their keys in one order.
    next: usize,
    /// The row in which the rest last took a value of this key.
    rest_row: usize,
}

enum Data {
    Text(TextColumn),
    Int(Values<i64>),
    Double(Values<f64>),
    Bool(Values<bool>),
    /// It proved sparse.
    Rest,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Int,
    Double,
    Bool,
}

/// Values that may be null.
struct Values<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl AttributeColumns {
    /// An empty batch with at most so many columns.
    pub fn new(columns_max: usize) -> Self {
        Self {
            columns_max,
            columns: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            by_key: HashTable::new(),
            first: NONE,
            before: NONE,
            row: 0,
            row_rest: AttributesWriter::default(),
            rest_front: 0,
            rest: StringBuilder::with_capacity(0, 0),
            text: String::new(),
            late: Vec::new(),
        }
    }

    /// Gives the row being built a text.
    pub fn put_str(&mut self, key: &str, value: &str) {
        let key = self.find(key);
        // Text is UTF-8, so this always sets.
        self.set_text(key, value.as_bytes());
    }

    /// Gives the row being built an integer.
    pub fn put_int(&mut self, key: &str, value: i64) {
        let key = self.find(key);
        self.set_int(key, value);
    }

    /// Gives the row being built a floating point number, of any value.
    pub fn put_double(&mut self, key: &str, value: f64) {
        let key = self.find(key);
        self.set_double(key, value);
    }

    /// Gives the row being built true or false.
    pub fn put_bool(&mut self, key: &str, value: bool) {
        let key = self.find(key);
        self.set_bool(key, value);
    }

    /// Gives the row being built a value of another type, in the form of [`crate::attributes`].
    pub fn put_other(&mut self, key: &str, stored: &str) {
        let key = self.find(key);
        self.set_other(key, stored);
    }

    /// Looks a key up; `None` if it is not UTF-8. One that has a column is known to be. The answer holds
    /// until the next call that changes this.
    // Inlined, so that the answer stays in registers: to pass it through memory costs more than to find it.
    #[inline(always)]
    pub fn key<'k>(&mut self, key: &'k [u8]) -> Option<Key<'k>> {
        let expected = match self.columns.get(self.before) {
            Some(before) => before.next,
            None => self.first,
        };
        if self.columns.get(expected).is_some_and(|column| equal(column.key.as_bytes(), key)) {
            self.before = expected;
            return Some(Key(Place::Known(expected)));
        }
        self.look_up(key)
    }

    #[inline(never)]
    fn look_up<'k>(&mut self, key: &'k [u8]) -> Option<Key<'k>> {
        match self.position(key) {
            Some(found) => {
                self.follow(found);
                Some(Key(Place::Known(found)))
            }
            None => std::str::from_utf8(key).ok().map(|key| Key(Place::New(key))),
        }
    }

    /// As [`Self::put_str`]; false if the bytes are not UTF-8: the caller repairs them and puts the result.
    #[inline]
    pub fn set_text(&mut self, key: Key<'_>, value: &[u8]) -> bool {
        match self.open(key, Kind::Text) {
            Some((row, Data::Text(column))) => column.set_bytes(row, value),
            _ => match std::str::from_utf8(value) {
                Ok(value) => {
                    self.put_rest(key, |out| attributes::write_string(out, value));
                    true
                }
                Err(_) => false,
            },
        }
    }

    /// As [`Self::put_int`].
    #[inline]
    pub fn set_int(&mut self, key: Key<'_>, value: i64) {
        match self.open(key, Kind::Int) {
            Some((row, Data::Int(column))) => column.set(row, value),
            _ => self.put_rest(key, |out| write_int(out, value)),
        }
    }

    /// As [`Self::put_double`].
    #[inline]
    pub fn set_double(&mut self, key: Key<'_>, value: f64) {
        match self.open(key, Kind::Double) {
            Some((row, Data::Double(column))) => column.set(row, value),
            _ => self.put_rest(key, |out| attributes::write_double(out, value)),
        }
    }

    /// As [`Self::put_bool`].
    #[inline]
    pub fn set_bool(&mut self, key: Key<'_>, value: bool) {
        match self.open(key, Kind::Bool) {
            Some((row, Data::Bool(column))) => column.set(row, value),
            _ => self.put_rest(key, |out| write_bool(out, value)),
        }
    }

    /// As [`Self::put_other`].
    pub fn set_other(&mut self, key: Key<'_>, stored: &str) {
        self.put_rest(key, |out| out.push_str(stored));
    }

    /// Ends the row being built.
    pub fn end_row(&mut self) {
        if self.row_rest.is_empty() {
            match self.rest.is_empty() {
                true => self.rest_front += 1,
                false => self.rest.append_null(),
            }
        } else {
            self.rest.append_nulls(std::mem::take(&mut self.rest_front));
            self.text.clear();
            self.row_rest.finish(&mut self.text);
            self.rest.append_value(&self.text);
        }
        self.row += 1;
        self.before = NONE;
    }

    /// The rest, null where a row has none, and the columns in byte order of their keys. A row that was not
    /// ended is left out.
    pub fn finish(self) -> (ArrayRef, Vec<(Field, ArrayRef)>) {
        self.finish_with(&mut Zeros::default())
    }

    /// As [`Self::finish`], with zeros that other columns of the batch share.
    pub fn finish_with(mut self, zeros: &mut Zeros) -> (ArrayRef, Vec<(Field, ArrayRef)>) {
        for index in 0..self.columns.len() {
            self.columns[index].truncate(self.row);
            if self.columns[index].is_sparse(self.row) {
                self.give_up(index);
            }
        }
        self.rest.append_nulls(std::mem::take(&mut self.rest_front));
        let mut rest = self.rest.finish();
        rest.shrink_to_fit();
        let rest = match self.late.is_empty() {
            true => rest,
            false => with_late(&rest, self.late, &self.columns),
        };
        self.columns.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let columns = self.columns.into_iter().filter_map(|column| {
            let array = column.data.finish(column.start, self.row, zeros)?;
            // Its only value may have been replaced by one of another type.
            (array.null_count() < self.row)
                .then(|| (Field::new(field_name(&column.key), array.data_type().clone(), true), array))
        });
        (Arc::new(rest), columns.collect())
    }

    fn find<'k>(&mut self, key: &'k str) -> Key<'k> {
        self.key(key.as_bytes()).unwrap_or(Key(Place::New(key)))
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        let columns = &self.columns;
        let matches = |(_, index): &(u64, usize)| equal(columns[*index].key.as_bytes(), key);
        self.by_key.find(hash(&self.hasher, key), matches).map(|(_, index)| *index)
    }

    /// Notes that this column's key follows the one before.
    fn follow(&mut self, index: usize) {
        match self.columns.get_mut(self.before) {
            Some(before) => before.next = index,
            None => self.first = index,
        }
        self.before = index;
    }

    /// The column that a value of this kind goes to, and the row there; `None` if it goes to the rest.
    #[inline]
    fn open(&mut self, key: Key<'_>, kind: Kind) -> Option<(usize, &mut Data)> {
        let index = match key.0 {
            Place::Known(index) => index,
            Place::New(key) => self.add(key, kind)?,
        };
        let column = &self.columns[index];
        if column.data.kind() != Some(kind) {
            return None;
        }
        if column.is_sparse(self.row - column.start) {
            self.give_up(index);
            return None;
        }
        let column = &mut self.columns[index];
        if column.rest_row == self.row {
            self.row_rest.remove(&column.key);
            column.rest_row = NONE;
        }
        column.given += 1;
        Some((self.row - column.start, &mut column.data))
    }

    /// A column for a key that has none, if there is room.
    fn add(&mut self, key: &str, kind: Kind) -> Option<usize> {
        if self.columns.len() >= self.columns_max {
            return None;
        }
        let data = match kind {
            Kind::Text => Data::Text(TextColumn::default()),
            Kind::Int => Data::Int(Values::default()),
            Kind::Double => Data::Double(Values::default()),
            Kind::Bool => Data::Bool(Values::default()),
        };
        let index = self.columns.len();
        // It may have had a value of another type in this row.
        self.row_rest.remove(key);
        let key = key.to_owned();
        let hash = hash(&self.hasher, key.as_bytes());
        self.columns.push(Column { key, start: self.row, data, given: 0, next: NONE, rest_row: NONE });
        self.by_key.insert_unique(hash, (hash, index), |(hash, _)| *hash);
        self.follow(index);
        Some(index)
    }

    fn put_rest(&mut self, key: Key<'_>, write: impl FnOnce(&mut String)) {
        match key.0 {
            Place::New(key) => self.row_rest.put_with(key, write),
            Place::Known(index) => {
                let column = &mut self.columns[index];
                column.truncate(self.row);
                column.rest_row = self.row;
                self.row_rest.put_with(&column.key, write);
            }
        }
    }

    /// Moves a sparse column's values to the rest, where later ones go too.
    fn give_up(&mut self, index: usize) {
        let data = std::mem::replace(&mut self.columns[index].data, Data::Rest);
        let start = self.columns[index].start;
        for row in 0..data.len() {
            let mut text = String::new();
            if data.write(row, &mut text) {
                self.late.push((start + row, index, text));
            }
        }
    }
}

impl Column {
    /// Takes back the rows of the batch from this one on.
    fn truncate(&mut self, rows: usize) {
        self.data.truncate(rows.saturating_sub(self.start));
    }

    /// Whether so many rows are too many for its values.
    fn is_sparse(&self, rows: usize) -> bool {
        rows > NULLS_FREE + (self.given + 1) * NULLS_PER_VALUE_MAX
    }
}

impl Data {
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Text(_) => Some(Kind::Text),
            Self::Int(_) => Some(Kind::Int),
            Self::Double(_) => Some(Kind::Double),
            Self::Bool(_) => Some(Kind::Bool),
            Self::Rest => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(column) => column.len(),
            Self::Int(column) => column.values.len(),
            Self::Double(column) => column.values.len(),
            Self::Bool(column) => column.values.len(),
            Self::Rest => 0,
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Text(column) => column.truncate(rows),
            Self::Int(column) => column.truncate(rows),
            Self::Double(column) => column.truncate(rows),
            Self::Bool(column) => column.truncate(rows),
            Self::Rest => {}
        }
    }

    /// Writes a row's value in its stored form; false if it has none.
    fn write(&self, row: usize, out: &mut String) -> bool {
        match self {
            Self::Text(column) => column.get(row).map(|value| attributes::write_string(out, value)),
            Self::Int(column) => column.get(row).map(|value| write_int(out, value)),
            Self::Double(column) => column.get(row).map(|value| attributes::write_double(out, value)),
            Self::Bool(column) => column.get(row).map(|value| write_bool(out, value)),
            Self::Rest => None,
        }
        .is_some()
    }

    /// The column with so many rows, its own first being the one at `start`; `None` if all is in the rest.
    fn finish(self, start: usize, rows: usize, zeros: &mut Zeros) -> Option<ArrayRef> {
        Some(match self {
            Self::Text(mut column) => {
                column.pad_front(start);
                column.pad(rows);
                column.finish(zeros)
            }
            Self::Int(mut column) => {
                column.pad_front(start);
                column.pad(rows);
                column.values.shrink_to_fit();
                Arc::new(Int64Array::new(ScalarBuffer::from(column.values), column.nulls.finish()))
            }
            Self::Double(mut column) => {
                column.pad_front(start);
                column.pad(rows);
                column.values.shrink_to_fit();
                Arc::new(Float64Array::new(ScalarBuffer::from(column.values), column.nulls.finish()))
            }
            Self::Bool(mut column) => {
                column.pad_front(start);
                column.pad(rows);
                Arc::new(BooleanArray::new(BooleanBuffer::from(column.values), column.nulls.finish()))
            }
            Self::Rest => return None,
        })
    }
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { values: Vec::with_capacity(ROWS_RESERVED), nulls: NullBufferBuilder::new(0) }
    }
}

impl<T: Copy + Default> Values<T> {
    #[inline]
    fn set(&mut self, row: usize, value: T) {
        if row != self.values.len() {
            self.truncate(row);
            self.pad(row);
        }
        self.values.push(value);
        self.nulls.append_non_null();
    }

    fn get(&self, row: usize) -> Option<T> {
        self.values.get(row).filter(|_| self.nulls.is_valid(row)).copied()
    }

    fn pad_front(&mut self, rows: usize) {
        if rows > 0 {
            self.values.splice(..0, std::iter::repeat_n(T::default(), rows));
            self.nulls = nulls_behind(rows, std::mem::replace(&mut self.nulls, NullBufferBuilder::new(0)));
        }
    }

    #[inline]
    fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.values.len());
        if missing > 0 {
            self.values.resize(rows, T::default());
            self.nulls.append_n_nulls(missing);
        }
    }

    #[inline]
    fn truncate(&mut self, rows: usize) {
        if rows < self.values.len() {
            self.values.truncate(rows);
            self.nulls.truncate(rows);
        }
    }
}

/// The rest with the values of sparse columns.
fn with_late(rest: &StringArray, mut late: Vec<(usize, usize, String)>, columns: &[Column]) -> StringArray {
    late.sort_unstable_by_key(|(row, column, _)| (*row, *column));
    let mut late = late.into_iter().peekable();
    let mut writer = AttributesWriter::default();
    let mut text = String::new();
    let mut result = StringBuilder::with_capacity(rest.len(), rest.values().len());
    for row in 0..rest.len() {
        let stored = (!rest.is_null(row)).then(|| rest.value(row));
        if late.peek().is_none_or(|(next, _, _)| *next != row) {
            result.append_option(stored);
            continue;
        }
        for (key, value) in attributes::entries(stored.unwrap_or_default()) {
            writer.put_with(&attributes::unquote(key), |out| out.push_str(value));
        }
        while let Some((_, column, value)) = late.next_if(|(next, _, _)| *next == row) {
            writer.put_with(&columns[column].key, |out| out.push_str(&value));
        }
        text.clear();
        writer.finish(&mut text);
        result.append_value(&text);
    }
    result.finish()
}

pub(super) fn write_int(out: &mut String, value: i64) {
    // Writing to a string cannot fail.
    _ = write!(out, "{value}");
}

pub(super) fn write_bool(out: &mut String, value: bool) {
    out.push_str(if value { "true" } else { "false" });
}
