//! Texts by number, and columns of text read as such numbers: rows are grouped by small integers.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Int32Type};
use hashbrown::HashMap;
use model::schema;

use crate::error::Result;

/// The number of a text.
pub type Word = u32;

/// The number of no text: null.
pub(crate) const NONE: Word = u32::MAX;
/// Not looked up yet.
const UNKNOWN: Word = u32::MAX - 1;

/// Texts that are known beforehand, by their number.
const KNOWN: [&str; 11] = [
    "", "other", "client", "producer", "server", "consumer", "error", "service", "database", "queue",
    "external",
];
pub(crate) const EMPTY: Word = 0;
pub(crate) const OTHER: Word = 1;
pub(crate) const CLIENT: Word = 2;
pub(crate) const PRODUCER: Word = 3;
pub(crate) const SERVER: Word = 4;
pub(crate) const CONSUMER: Word = 5;
pub(crate) const ERROR: Word = 6;
pub(crate) const SERVICE: Word = 7;
pub(crate) const DATABASE: Word = 8;
pub(crate) const QUEUE: Word = 9;
pub(crate) const EXTERNAL: Word = 10;

/// Texts by number. A number means the same text for as long as this lives.
#[derive(Debug)]
pub struct Words {
    numbers: HashMap<Arc<str>, Word>,
    texts: Vec<Arc<str>>,
    /// Texts made of two others, by how and of which.
    joined: HashMap<(char, Word, Word), Word>,
}

impl Default for Words {
    fn default() -> Self {
        let mut words = Self { numbers: HashMap::new(), texts: Vec::new(), joined: HashMap::new() };
        for text in KNOWN {
            words.number(text);
        }
        words
    }
}

impl Words {
    /// The number of a text.
    pub fn number(&mut self, text: &str) -> Word {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let (text, number): (Arc<str>, _) = (text.into(), self.texts.len() as Word);
        self.numbers.insert(Arc::clone(&text), number);
        self.texts.push(text);
        number
    }

    /// The text of a number; `None` of null.
    pub fn text(&self, word: Word) -> Option<&str> {
        self.texts.get(word as usize).map(AsRef::as_ref)
    }

    /// Two texts with a sign between them.
    pub(crate) fn join(&mut self, first: Word, sign: char, second: Word) -> Word {
        if let Some(word) = self.joined.get(&(sign, first, second)) {
            return *word;
        }
        let text = |word| self.text(word).unwrap_or_default();
        let joined = format!("{}{sign}{}", text(first), text(second));
        let word = self.number(&joined);
        self.joined.insert((sign, first, second), word);
        word
    }
}

/// A column of text. Each value of its dictionary is looked up once, when a row first has it.
#[derive(Debug, Default)]
pub(crate) struct Texts(Option<Dictionary>);

#[derive(Debug)]
struct Dictionary {
    keys: ScalarBuffer<i32>,
    nulls: Option<NullBuffer>,
    values: StringArray,
    words: Vec<Word>,
}

impl Texts {
    /// A column of a batch; one that is not there has nulls only.
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self> {
        let Some(column) = batch.column_by_name(name) else { return Ok(Self(None)) };
        let column = match column.data_type() {
            DataType::Dictionary(..) => Arc::clone(column),
            DataType::Utf8 => arrow::compute::cast(column, &schema::dictionary())?,
            _ => return Ok(Self(None)),
        };
        let texts = column.as_dictionary_opt::<Int32Type>();
        let values = texts.and_then(|texts| texts.values().as_string_opt::<i32>());
        let (Some(texts), Some(values)) = (texts, values) else { return Ok(Self(None)) };
        Ok(Self(Some(Dictionary {
            keys: texts.keys().values().clone(),
            nulls: texts.nulls().cloned(),
            values: values.clone(),
            words: vec![UNKNOWN; values.len()],
        })))
    }

    /// The number of a row's text.
    pub(crate) fn get(&mut self, row: usize, words: &mut Words) -> Word {
        let Some(texts) = &mut self.0 else { return NONE };
        if texts.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return NONE;
        }
        let key = texts.keys[row] as usize;
        if texts.words[key] == UNKNOWN {
            texts.words[key] = words.number(texts.values.value(key));
        }
        texts.words[key]
    }

    /// The text of a row, without a number for it.
    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        let texts = self.0.as_ref()?;
        let valid = texts.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        valid.then(|| texts.values.value(texts.keys[row] as usize))
    }
}
