//! Arrow columns read row by row, as text, numbers and JSON.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, FixedSizeBinaryArray, Float64Array, Int64Array, ListArray,
    PrimitiveArray, RecordBatch, StringArray, StructArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use model::attributes;

use crate::rows::{Attributes, Scope};

/// Lower-case hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The rows of a batch, by column name.
pub(crate) struct Columns<'a>(pub(crate) &'a RecordBatch);

impl<'a> Columns<'a> {
    fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.0.column_by_name(name)
    }

    /// A text column, dictionary or not.
    pub(crate) fn texts(&self, name: &str) -> Texts<'a> {
        match self.column(name) {
            Some(column) => Texts::of(column),
            None => Texts::None,
        }
    }

    /// A text of one row.
    pub(crate) fn text(&self, name: &str, row: usize) -> Option<&'a str> {
        self.texts(name).get(row)
    }

    /// A column of integers.
    pub(crate) fn ints(&self, name: &str) -> Option<&'a Int64Array> {
        self.column(name)?.as_primitive_opt::<Int64Type>()
    }

    /// A column of floating point numbers.
    pub(crate) fn doubles(&self, name: &str) -> Option<&'a Float64Array> {
        self.column(name)?.as_primitive_opt::<Float64Type>()
    }

    /// A column of times.
    pub(crate) fn times(&self, name: &str) -> Option<&'a TimestampNanosecondArray> {
        self.column(name)?.as_primitive_opt::<TimestampNanosecondType>()
    }

    /// A column of ids.
    pub(crate) fn ids(&self, name: &str) -> Option<&'a FixedSizeBinaryArray> {
        self.column(name)?.as_fixed_size_binary_opt()
    }

    /// A column of lists of structures.
    pub(crate) fn lists(&self, name: &str) -> Option<&'a ListArray> {
        self.column(name)?.as_list_opt::<i32>()
    }

    /// The texts of one row's list.
    pub(crate) fn list_of_texts(&self, name: &str, row: usize) -> Vec<String> {
        let Some(lists) = self.lists(name).filter(|lists| lists.is_valid(row)) else { return Vec::new() };
        let texts = lists.value(row);
        let texts = texts.as_string_opt::<i32>();
        texts.into_iter().flat_map(|texts| texts.iter().flatten()).map(str::to_owned).collect()
    }

    /// An integer of one row.
    pub(crate) fn int(&self, name: &str, row: usize) -> Option<i64> {
        self.ints(name).filter(|ints| ints.is_valid(row)).map(|ints| ints.value(row))
    }

    /// Whether one row has a flag that is set.
    pub(crate) fn flag(&self, name: &str, row: usize) -> bool {
        let flags = self.column(name).and_then(|column| column.as_boolean_opt());
        flags.is_some_and(|flags| flags.is_valid(row) && flags.value(row))
    }

    /// The numbers of one row's list; `None` if it has none.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(&self, name: &str, row: usize) -> Option<PrimitiveArray<T>> {
        let lists = self.lists(name).filter(|lists| lists.is_valid(row))?;
        lists.value(row).as_primitive_opt::<T>().cloned()
    }

    /// A time of one row.
    pub(crate) fn time(&self, name: &str, row: usize) -> Option<i64> {
        self.times(name).filter(|times| times.is_valid(row)).map(|times| times.value(row))
    }

    /// An id of one row, in hexadecimal.
    pub(crate) fn id(&self, name: &str, row: usize) -> Option<String> {
        self.ids(name).filter(|ids| ids.is_valid(row)).map(|ids| hex(ids.value(row)))
    }

    /// Attributes of one row, for people.
    pub(crate) fn attributes(&self, name: &str, row: usize) -> Attributes {
        unfold(self.text(name, row).unwrap_or("{}"))
    }

    /// The scope of one row.
    pub(crate) fn scope(&self, row: usize) -> Scope {
        let text = |name| self.text(name, row).filter(|text| !text.is_empty()).map(str::to_owned);
        Scope {
            name: text("scope_name"),
            version: text("scope_version"),
            attributes: self.attributes("scope_attributes", row),
        }
    }
}

/// Stored attributes, for people.
pub(crate) fn unfold(stored: &str) -> Attributes {
    match attributes::to_json(stored) {
        serde_json::Value::Object(entries) => entries,
        _ => Attributes::new(),
    }
}

/// A column of text.
#[derive(Clone, Copy)]
pub(crate) enum Texts<'a> {
    None,
    Plain(&'a StringArray),
    Dictionary(&'a arrow::array::Int32Array, &'a StringArray),
}

impl<'a> Texts<'a> {
    pub(crate) fn of(column: &'a ArrayRef) -> Self {
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Self::Plain(texts);
        }
        let dictionary = column.as_dictionary_opt::<Int32Type>();
        let found = dictionary.and_then(|dictionary| {
            Some(Self::Dictionary(dictionary.keys(), dictionary.values().as_string_opt::<i32>()?))
        });
        found.unwrap_or(Self::None)
    }

    /// Whether equal keys are equal texts.
    pub(crate) fn is_dictionary(self) -> bool {
        matches!(self, Self::Dictionary(..))
    }

    /// The key of a row in the dictionary; `None` if null, or without a dictionary.
    pub(crate) fn key(self, row: usize) -> Option<usize> {
        match self {
            Self::Dictionary(keys, _) if keys.is_valid(row) => usize::try_from(keys.value(row)).ok(),
            _ => None,
        }
    }

    /// The text of a row; `None` if null.
    pub(crate) fn get(self, row: usize) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Dictionary(keys, values) => {
                keys.is_valid(row).then(|| values.value(keys.value(row) as usize))
            }
        }
    }
}

/// The structures of one row's list.
pub(crate) fn items(lists: Option<&ListArray>, row: usize) -> Option<StructArray> {
    let lists = lists.filter(|lists| lists.is_valid(row))?;
    lists.value(row).as_struct_opt().cloned()
}
