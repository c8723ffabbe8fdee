//! Rate, errors and durations, rolled up from spans: the table `red`.
//!
//! Terms:
//! - *roll-up*: spans become rows, one for each minute and key ([`RollUp`]). Rows are *partial*: several may have the
//!   same minute and key, and their calls, errors and durations are added by whoever reads them.
//! - *origin*: environment, namespace, service, version and instance.
//! - *covered*: a segment of spans whose rows are in segments of `red`; the catalog says so
//!   ([`SegmentMeta::rolled_up`](crate::SegmentMeta)).
//!
//! A seal rolls up the spans it seals and publishes both in one transaction, so a span is counted in exactly one
//! place: from its memtable, from its segment if that is not covered (it was written before there was this table), or
//! in a row of `red`. Merges of `red` add what belongs together ([`folding`]).
//!
//! A service has [`OPERATIONS_MAX`] names of operations and [`PEERS_MAX`] of peers in what is rolled up or merged at
//! once, those that come first; further ones are `other`.

mod words;
mod peers;
mod folding;
mod read;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Float64Array, Int64Array, RecordBatch,
    StringDictionaryBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow::error::ArrowError;
use hashbrown::{HashMap, HashSet};
use model::{Signal, Sketch, UnixNanos, schema};

use crate::error::{Result, StoreError};
pub(crate) use folding::Folding;
pub use peers::{COLUMNS as PEER_COLUMNS, Peer, Peers};
use words::{CLIENT, CONSUMER, ERROR, NONE, OTHER, PRODUCER, SERVER, Texts};
pub use words::{Word, Words};

/// How many operations of a service keep their names.
pub const OPERATIONS_MAX: usize = 1_000;
/// How many peers of a service keep their names.
pub(crate) const PEERS_MAX: usize = 1_000;

/// The columns of an origin, and which of them name the service.
const ORIGIN: [&str; 5] =
    ["deployment_environment", "service_namespace", "service_name", "service_version", "service_instance_id"];
const NAMES_SERVICE: usize = 3;

/// Rolls up the spans of packed batches.
pub(crate) fn roll_up(spans: &[RecordBatch]) -> Result<RecordBatch> {
    let mut roll_up = RollUp::default();
    spans.iter().try_for_each(|spans| roll_up.add(spans, None))?;
    roll_up.drain()
}

/// What makes a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    minute: i64,
    origin: u32,
    operation: Word,
    kind: Word,
    peer: Word,
    peer_type: Word,
    entry: bool,
}

#[derive(Debug, Default)]
struct Sums {
    calls: f64,
    errors: f64,
    durations: Sketch,
    /// When the last of its spans arrived.
    received: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Origin {
    words: [Word; ORIGIN.len()],
    service: usize,
}

/// The names that a service has so far.
#[derive(Debug, Default)]
struct Names {
    operations: HashSet<Word>,
    peers: HashSet<Word>,
}

/// A roll-up under way.
#[derive(Debug, Default)]
pub(crate) struct RollUp {
    words: Words,
    origin_numbers: HashMap<[Word; ORIGIN.len()], u32>,
    origins: Vec<Origin>,
    services: HashMap<[Word; NAMES_SERVICE], usize>,
    names: Vec<Names>,
    numbers: HashMap<Key, usize>,
    rows: Vec<(Key, Sums)>,
}

impl RollUp {
    /// Adds the spans of a packed batch, or those of them that a mask has.
    pub(crate) fn add(&mut self, spans: &RecordBatch, mask: Option<&BooleanArray>) -> Result<()> {
        let mut columns = SpanColumns::new(spans)?;
        let mut peers = Peers::new(spans)?;
        // Spans of one request have one origin mostly, and it need not be looked up.
        let mut last: Option<([Word; ORIGIN.len()], u32)> = None;
        for row in 0..spans.num_rows() {
            if mask.is_some_and(|mask| !mask.value(row)) {
                continue;
            }
            let words = columns.origin.each_mut().map(|texts| texts.get(row, &mut self.words));
            let origin = match last {
                Some((before, origin)) if before == words => origin,
                _ => self.origin(words),
            };
            last = Some((words, origin));
            let kind = columns.kind.get(row, &mut self.words);
            let peer = match kind {
                CLIENT | PRODUCER => peers.peer(row, &mut self.words),
                _ => None,
            };
            let key = Key {
                minute: UnixNanos(columns.start.value(row)).to_the_minute().0,
                origin,
                operation: columns.name.get(row, &mut self.words),
                kind,
                peer: peer.map_or(NONE, |peer| peer.name),
                peer_type: peer.map_or(NONE, |peer| peer.kind),
                entry: matches!(kind, SERVER | CONSUMER) || columns.is_root(row),
            };
            let weight = columns.weight(row);
            let failed = columns.status.get(row, &mut self.words) == ERROR;
            let duration = columns.duration.value(row);
            let received = columns.received(row);
            let sums = self.sums(key);
            sums.calls += weight;
            sums.errors += if failed { weight } else { 0.0 };
            sums.durations.add(duration, weight);
            sums.received = sums.received.max(received);
        }
        Ok(())
    }

    /// Adds rows of the table.
    pub(crate) fn add_rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut columns = RowColumns::new(rows)?;
        for row in 0..rows.num_rows() {
            let words = columns.origin.each_mut().map(|texts| texts.get(row, &mut self.words));
            let key = Key {
                minute: columns.time.value(row),
                origin: self.origin(words),
                operation: columns.operation.get(row, &mut self.words),
                kind: columns.kind.get(row, &mut self.words),
                peer: columns.peer.get(row, &mut self.words),
                peer_type: columns.peer_type.get(row, &mut self.words),
                entry: columns.entry.value(row),
            };
            let sums = self.sums(key);
            sums.calls += columns.calls.value(row);
            sums.errors += columns.errors.value(row);
            let received = columns.received.as_ref().filter(|received| received.is_valid(row));
            sums.received = sums.received.max(received.map(|received| received.value(row)));
            let added = sums.durations.merge_encoded(columns.duration.value(row));
            added.map_err(|error| StoreError::Arrow(ArrowError::ParseError(error.to_string())))?;
        }
        Ok(())
    }

    /// How many rows there are so far.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number of an origin.
    fn origin(&mut self, words: [Word; ORIGIN.len()]) -> u32 {
        if let Some(origin) = self.origin_numbers.get(&words) {
            return *origin;
        }
        let [environment, namespace, name, ..] = words;
        let next = self.names.len();
        let service = *self.services.entry([environment, namespace, name]).or_insert(next);
        if service == next {
            self.names.push(Names::default());
        }
        let number = self.origins.len() as u32;
        self.origins.push(Origin { words, service });
        self.origin_numbers.insert(words, number);
        number
    }

    /// The sums of a key, or of that with `other` for names that are too many.
    fn sums(&mut self, key: Key) -> &mut Sums {
        let at = match self.numbers.get(&key) {
            Some(at) => *at,
            None => {
                let key = self.named(key);
                let next = self.rows.len();
                let at = *self.numbers.entry(key).or_insert(next);
                if at == next {
                    self.rows.push((key, Sums::default()));
                }
                at
            }
        };
        &mut self.rows[at].1
    }

    fn named(&mut self, mut key: Key) -> Key {
        let names = &mut self.names[self.origins[key.origin as usize].service];
        keep(&mut names.operations, &mut key.operation, OPERATIONS_MAX);
        keep(&mut names.peers, &mut key.peer, PEERS_MAX);
        key
    }

    /// The rows so far in the stored schema, in no particular order. What is added next begins new rows, under the
    /// names that services have by now.
    pub(crate) fn drain(&mut self) -> Result<RecordBatch> {
        self.numbers.clear();
        let rows = std::mem::take(&mut self.rows);
        let words = &self.words;
        let text = |word: &dyn Fn(&Key) -> Word| -> ArrayRef {
            let mut out = StringDictionaryBuilder::<Int32Type>::new();
            rows.iter().for_each(|(key, _)| out.append_option(words.text(word(key))));
            Arc::new(out.finish())
        };
        let origin = |at: usize| text(&|key| self.origins[key.origin as usize].words[at]);
        let time = |times: TimestampNanosecondArray| -> ArrayRef { Arc::new(times.with_timezone("UTC")) };
        let sum = |sum: &dyn Fn(&Sums) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, sums)| sum(sums))))
        };
        let (mut durations, mut bytes) = (BinaryBuilder::new(), Vec::new());
        for (_, sums) in &rows {
            bytes.clear();
            sums.durations.encode(&mut bytes);
            durations.append_value(&bytes);
        }
        let entry: BooleanArray = rows.iter().map(|(key, _)| Some(key.entry)).collect();
        let columns = vec![
            Arc::new(Int64Array::new_null(rows.len())) as ArrayRef,
            time(rows.iter().map(|(_, sums)| sums.received).collect()),
            time(TimestampNanosecondArray::from_iter_values(rows.iter().map(|(key, _)| key.minute))),
            origin(0),
            origin(1),
            origin(2),
            text(&|key| key.operation),
            text(&|key| key.kind),
            text(&|key| key.peer),
            origin(3),
            origin(4),
            sum(&|sums| sums.calls),
            sum(&|sums| sums.errors),
            Arc::new(durations.finish()),
            text(&|key| key.peer_type),
            Arc::new(entry),
        ];
        Ok(RecordBatch::try_new(schema::stored(Signal::Red), columns)?)
    }
}

/// Counts a name, or replaces it where there are too many.
fn keep(names: &mut HashSet<Word>, name: &mut Word, most: usize) {
    if matches!(*name, NONE | OTHER) || names.contains(name) {
        return;
    }
    match names.len() < most {
        true => drop(names.insert(*name)),
        false => *name = OTHER,
    }
}

/// What a roll-up reads of spans.
struct SpanColumns {
    origin: [Texts; ORIGIN.len()],
    name: Texts,
    kind: Texts,
    status: Texts,
    start: TimestampNanosecondArray,
    duration: Int64Array,
    weight: Option<Float64Array>,
    received: Option<TimestampNanosecondArray>,
    parent: Option<ArrayRef>,
}

/// The columns of spans that [`SpanColumns`] and [`Peers`] read.
fn span_columns() -> Vec<&'static str> {
    let own = ["name", "kind", "status_code", "start_time", "duration_ns", "weight", "received_time"];
    [&ORIGIN[..], &own, &["parent_span_id"], &PEER_COLUMNS].concat()
}

impl SpanColumns {
    fn new(spans: &RecordBatch) -> Result<Self> {
        let [environment, namespace, service, version, instance] = ORIGIN.map(|name| Texts::of(spans, name));
        Ok(Self {
            origin: [environment?, namespace?, service?, version?, instance?],
            name: Texts::of(spans, "name")?,
            kind: Texts::of(spans, "kind")?,
            status: Texts::of(spans, "status_code")?,
            start: numbers::<TimestampNanosecondType>(spans, "start_time")?,
            duration: numbers::<Int64Type>(spans, "duration_ns")?,
            weight: numbers::<Float64Type>(spans, "weight").ok(),
            received: numbers::<TimestampNanosecondType>(spans, "received_time").ok(),
            parent: spans.column_by_name("parent_span_id").map(Arc::clone),
        })
    }

    fn is_root(&self, row: usize) -> bool {
        self.parent.as_ref().is_none_or(|parent| parent.is_null(row))
    }

    fn weight(&self, row: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |weight| weight.value(row))
    }

    fn received(&self, row: usize) -> Option<i64> {
        let received = self.received.as_ref().filter(|received| received.is_valid(row));
        received.map(|received| received.value(row))
    }
}

/// The columns of the table.
struct RowColumns<'a> {
    origin: [Texts; ORIGIN.len()],
    operation: Texts,
    kind: Texts,
    peer: Texts,
    peer_type: Texts,
    entry: &'a BooleanArray,
    time: TimestampNanosecondArray,
    received: Option<TimestampNanosecondArray>,
    calls: Float64Array,
    errors: Float64Array,
    duration: &'a arrow::array::BinaryArray,
}

impl<'a> RowColumns<'a> {
    fn new(rows: &'a RecordBatch) -> Result<Self> {
        let [environment, namespace, service, version, instance] = ORIGIN.map(|name| Texts::of(rows, name));
        let column = |name: &str| rows.column_by_name(name).ok_or_else(|| lacking(name));
        Ok(Self {
            origin: [environment?, namespace?, service?, version?, instance?],
            operation: Texts::of(rows, "operation")?,
            kind: Texts::of(rows, "kind")?,
            peer: Texts::of(rows, "peer")?,
            peer_type: Texts::of(rows, "peer_type")?,
            entry: column("entry")?.as_boolean_opt().ok_or_else(|| lacking("entry"))?,
            time: numbers::<TimestampNanosecondType>(rows, "time")?,
            received: numbers::<TimestampNanosecondType>(rows, "received_time").ok(),
            calls: numbers::<Float64Type>(rows, "calls")?,
            errors: numbers::<Float64Type>(rows, "errors")?,
            duration: column("duration")?.as_binary_opt::<i32>().ok_or_else(|| lacking("duration"))?,
        })
    }
}

fn numbers<T: ArrowPrimitiveType>(rows: &RecordBatch, name: &str) -> Result<arrow::array::PrimitiveArray<T>> {
    let column = rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    column.cloned().ok_or_else(|| lacking(name))
}

fn lacking(column: &str) -> StoreError {
    StoreError::Arrow(ArrowError::SchemaError(format!("a roll-up lacks the column {column}")))
}
