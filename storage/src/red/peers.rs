//! Whom a span calls, by its attributes.
//!
//! The first of these that a client or producer span has: the service's name that it was told; the database, as
//! `system/namespace`; the queue, as `system/destination`; the RPC service; the address, with its port; the host of
//! the URL. Current and older names of the semantic conventions count alike.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use model::attributes;

use super::words::{CLIENT, DATABASE, EMPTY, EXTERNAL, NONE, PRODUCER, QUEUE, SERVICE, Texts, Word, Words};
use crate::columns::{REST, key_of};
use crate::error::Result;

/// The columns of attributes that say whom a span calls, beside `kind`.
pub const COLUMNS: [&str; 17] = [
    "attributes.service.peer.name",
    "attributes.peer.service",
    "attributes.db.system.name",
    "attributes.db.system",
    "attributes.db.namespace",
    "attributes.db.name",
    "attributes.messaging.system",
    "attributes.messaging.destination.template",
    "attributes.messaging.destination.name",
    "attributes.messaging.destination",
    "attributes.rpc.service",
    "attributes.server.address",
    "attributes.net.peer.name",
    "attributes.server.port",
    "attributes.net.peer.port",
    "attributes.url.full",
    "attributes.http.url",
];
/// Places in [`COLUMNS`] of names that mean the same, those that count first at the front.
type Names = std::ops::Range<usize>;
const PEER_SERVICE: Names = 0..2;
const DB_SYSTEM: Names = 2..4;
const DB_NAMESPACE: Names = 4..6;
const MESSAGING_SYSTEM: Names = 6..7;
const DESTINATION: Names = 7..10;
const RPC_SERVICE: Names = 10..11;
const ADDRESS: Names = 11..13;
const PORT: Names = 13..15;
const URL: Names = 15..17;

/// Whom a span calls, and what that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: Word,
    /// `service`, `database`, `queue` or `external`.
    pub kind: Word,
}

/// The spans of a packed batch, to be asked whom they call.
#[derive(Debug)]
pub struct Peers {
    kinds: Texts,
    columns: Vec<Column>,
    /// Attributes that have no column.
    rest: Option<StringArray>,
    /// Those of them that count in the row being read, with their places.
    found: Vec<(usize, String)>,
}

#[derive(Debug)]
enum Column {
    Texts(Texts),
    Numbers(Int64Array),
}

impl Peers {
    /// The spans of a batch.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        let column = |name: &&str| {
            let numbers =
                batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
            Ok(match numbers {
                Some(numbers) => Column::Numbers(numbers.clone()),
                None => Column::Texts(Texts::of(batch, name)?),
            })
        };
        let rest = batch.column_by_name(REST).and_then(|rest| rest.as_string_opt::<i32>());
        Ok(Self {
            kinds: Texts::of(batch, "kind")?,
            columns: COLUMNS.iter().map(column).collect::<Result<_>>()?,
            rest: rest.filter(|rest| rest.null_count() < rest.len()).cloned(),
            found: Vec::new(),
        })
    }

    /// Whom the span of a row calls; `None` if it is of another kind than client or producer, or does not say.
    pub fn peer(&mut self, row: usize, words: &mut Words) -> Option<Peer> {
        if !matches!(self.kinds.get(row, words), CLIENT | PRODUCER) {
            return None;
        }
        self.read_rest(row);
        if let Some(name) = self.first(PEER_SERVICE, row, words) {
            return Some(Peer { name, kind: SERVICE });
        }
        if let Some(system) = self.first(DB_SYSTEM, row, words) {
            let of = self.first(DB_NAMESPACE, row, words).or_else(|| self.first(ADDRESS, row, words));
            let name = of.map_or(system, |of| words.join(system, '/', of));
            return Some(Peer { name, kind: DATABASE });
        }
        if let Some(system) = self.first(MESSAGING_SYSTEM, row, words) {
            let name = self.first(DESTINATION, row, words).map_or(system, |of| words.join(system, '/', of));
            return Some(Peer { name, kind: QUEUE });
        }
        let name = match self.first(RPC_SERVICE, row, words) {
            Some(service) => service,
            None => match self.first(ADDRESS, row, words) {
                Some(address) => {
                    self.first(PORT, row, words).map_or(address, |port| words.join(address, ':', port))
                }
                None => self.url_host(row, words)?,
            },
        };
        Some(Peer { name, kind: EXTERNAL })
    }

    fn read_rest(&mut self, row: usize) {
        self.found.clear();
        let Some(rest) = self.rest.as_ref().filter(|rest| rest.is_valid(row)) else { return };
        for (quoted, value) in attributes::entries(rest.value(row)) {
            let key = quoted.trim_matches('"');
            let Some(place) = COLUMNS.iter().position(|column| key_of(column) == Some(key)) else { continue };
            if let Some(value) = attributes::parse_value(value)
                && let Some(text) = value.text()
            {
                self.found.push((place, text.into_owned()));
            }
        }
    }

    /// The first of some attributes that the row has.
    fn first(&mut self, mut names: Names, row: usize, words: &mut Words) -> Option<Word> {
        names.find_map(|place| {
            let word = match &mut self.columns[place] {
                Column::Texts(texts) => texts.get(row, words),
                Column::Numbers(numbers) if numbers.is_valid(row) => {
                    words.number(itoa::Buffer::new().format(numbers.value(row)))
                }
                Column::Numbers(_) => NONE,
            };
            let word = match word {
                NONE => self.found.iter().find(|found| found.0 == place).map(|found| words.number(&found.1)),
                word => Some(word),
            };
            word.filter(|word| *word != EMPTY)
        })
    }

    /// The host of the URL. URLs get no number: nearly all of them differ.
    fn url_host(&self, row: usize, words: &mut Words) -> Option<Word> {
        let url = URL.into_iter().find_map(|place| {
            let text = match &self.columns[place] {
                Column::Texts(texts) => texts.text(row),
                Column::Numbers(_) => None,
            };
            text.or_else(|| self.found.iter().find(|found| found.0 == place).map(|found| found.1.as_str()))
        });
        let (_, rest) = url?.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        (!host.is_empty()).then(|| words.number(host))
    }
}
