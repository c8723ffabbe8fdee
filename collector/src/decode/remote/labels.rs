//! The labels of a series or an exemplar.

use model::attributes;

use super::{ReadError, RemoteWrite, SYMBOLS_MAX};
use crate::decode::Limits;
use crate::decode::notes::Reason;
use crate::decode::wire::{Field, Fields, WireError};

/// The label that names the metric.
pub(super) const METRIC: &str = "__name__";

const NO_METRIC: Reason = "a series must have a label __name__ that is not empty";
const NO_NAME: Reason = "the name of a label must not be empty";
const UNSORTED: Reason = "labels must be sorted by their names";
const DUPLICATE: Reason = "no two labels of a series may have the same name";
const NOT_UTF8: Reason = "labels must be UTF-8";
const PAIRS: Reason = "labels must refer to a symbol for each name and for each value";
pub(super) const NO_SYMBOL: Reason = "labels and metadata must refer to symbols of the request";
const TOO_MANY: Reason = "a series has more labels than attributes_per_record_max";
const TOO_LONG: Reason = "a label is longer than attribute_bytes_max";

/// How a version writes labels.
pub(super) enum Form<'p> {
    /// As messages.
    Messages,
    /// As references to these, `None` where they are not UTF-8.
    Symbols(Vec<Option<&'p str>>),
}

impl<'p> Form<'p> {
    pub(super) fn of(version: RemoteWrite, payload: &'p [u8]) -> Result<Self, ReadError> {
        if version == RemoteWrite::V1 {
            return Ok(Self::Messages);
        }
        let mut symbols = Vec::new();
        for field in Fields::new(payload) {
            let field = field?;
            if field.tag == 4 {
                if symbols.len() >= SYMBOLS_MAX {
                    return Err(ReadError::Symbols);
                }
                symbols.push(std::str::from_utf8(field.bytes()?).ok());
            }
        }
        Ok(Self::Symbols(symbols))
    }

    /// The symbol of this number.
    pub(super) fn symbol(&self, number: u32) -> Result<&'p str, Reason> {
        match self {
            Self::Symbols(symbols) => symbols.get(number as usize).ok_or(NO_SYMBOL)?.ok_or(NOT_UTF8),
            Self::Messages => Err(NO_SYMBOL),
        }
    }
}

/// Labels in the order in which they were sent.
#[derive(Default)]
pub(super) struct LabelList<'p> {
    labels: Vec<(&'p str, &'p str)>,
    references: Vec<u32>,
    /// How long their texts are together, once they are checked.
    bytes: usize,
    /// What is wrong with one of them.
    broken: Option<Reason>,
}

/// The labels that columns have of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Named<'p> {
    pub(super) metric: &'p str,
    pub(super) job: &'p str,
    pub(super) instance: &'p str,
}

impl<'p> LabelList<'p> {
    pub(super) fn clear(&mut self) {
        self.labels.clear();
        self.references.clear();
        self.broken = None;
    }

    /// How many bytes they take in a row, once they are checked.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + size_of::<i32>() * self.labels.len()
    }

    /// Adds what a field holds: a label, or references.
    pub(super) fn add(
        &mut self,
        field: Field<'p>,
        form: &Form<'p>,
        limits: &Limits,
    ) -> Result<(), WireError> {
        // One more than attributes: the metric's name is none.
        let labels_max = limits.attributes_per_record_max.saturating_add(1);
        match form {
            Form::Messages => {
                let (name, value) = label(field.bytes()?)?;
                if self.labels.len() >= labels_max {
                    self.broken = Some(TOO_MANY);
                } else if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
                {
                    self.labels.push((name, value));
                } else {
                    self.broken = Some(NOT_UTF8);
                }
            }
            Form::Symbols(_) => field.varints(|reference| {
                if self.references.len() / 2 >= labels_max {
                    self.broken = Some(TOO_MANY);
                } else {
                    self.references.push(u32::try_from(reference).unwrap_or(u32::MAX));
                }
            })?,
        }
        Ok(())
    }

    /// Looks references up, once all are added.
    pub(super) fn settle(&mut self, form: &Form<'p>) {
        let (pairs, rest) = self.references.as_chunks::<2>();
        if !rest.is_empty() {
            self.broken = Some(PAIRS);
        }
        for [name, value] in pairs {
            match (form.symbol(*name), form.symbol(*value)) {
                (Ok(name), Ok(value)) => self.labels.push((name, value)),
                (Err(reason), _) | (_, Err(reason)) => self.broken = Some(reason),
            }
        }
    }

    /// Whether they can be those of a series. One without a value is as if it had not been sent.
    pub(super) fn check(&mut self, limits: &Limits) -> Result<Named<'p>, Reason> {
        self.check_order(limits)?;
        let mut named = Named::default();
        for (name, value) in &self.labels {
            match *name {
                METRIC => named.metric = value,
                "job" => named.job = value,
                "instance" => named.instance = value,
                _ => {}
            }
        }
        if named.metric.is_empty() { Err(NO_METRIC) } else { Ok(named) }
    }

    /// Whether each is right, and their names ascend.
    pub(super) fn check_order(&mut self, limits: &Limits) -> Result<(), Reason> {
        if let Some(reason) = self.broken {
            return Err(reason);
        }
        let (mut before, mut has_empty) = ("", false);
        self.bytes = 0;
        for (name, value) in &self.labels {
            if *name <= before {
                return Err(match (name.is_empty(), *name == before) {
                    (true, _) => NO_NAME,
                    (_, true) => DUPLICATE,
                    _ => UNSORTED,
                });
            }
            if name.len().max(value.len()) > limits.attribute_bytes_max {
                return Err(TOO_LONG);
            }
            has_empty |= value.is_empty();
            self.bytes += name.len() + value.len();
            before = name;
        }
        if has_empty {
            self.labels.retain(|(_, value)| !value.is_empty());
        }
        Ok(())
    }

    /// The value of a label, right or not.
    pub(super) fn get(&self, name: &str) -> Option<&'p str> {
        self.labels.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    /// The metric's name as far as it is known, right or not.
    pub(super) fn metric(&self) -> &'p str {
        self.get(METRIC).unwrap_or_default()
    }

    /// All but the metric's name.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'p str, &'p str)> {
        self.labels.iter().copied().filter(|(name, _)| *name != METRIC)
    }

    /// Takes out a label that is an id in hexadecimal digits.
    pub(super) fn take_id<const N: usize>(&mut self, name: &str) -> Option<[u8; N]> {
        let at = self.labels.iter().position(|(found, _)| *found == name)?;
        let id = id(self.labels[at].1)?;
        self.labels.remove(at);
        Some(id)
    }

    /// Appends [`Self::attributes`] in their stored form. They are sorted already.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        let start = out.len();
        for (name, value) in self.attributes() {
            if out.len() > start {
                out.push(',');
            }
            attributes::write_string(out, name);
            out.push(':');
            attributes::write_string(out, value);
        }
        out.push('}');
    }
}

/// Reads a label's message.
fn label(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::new(message) {
        let field = field?;
        match field.tag {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// An id of `N` bytes, not all zero, written as hexadecimal digits.
fn id<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut id = [0; N];
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (nibble(pair[0])? * 16 + nibble(pair[1])?) as u8;
    }
    id.iter().any(|byte| *byte != 0).then_some(id)
}
