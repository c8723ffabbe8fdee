//! Every span, event and log of a trace, as small items.

use std::collections::HashMap;
use std::ops::ControlFlow;

use arrow::array::{Array, AsArray, ListArray, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::TimestampNanosecondType;
use model::predicate::{Field, Test};
use model::{Predicate, Signal, TimeRange, TraceId};
use storage::Scan;

use super::super::work::{Memory, Work};
use super::{BUILD_ROW_BYTES, OUTLINE_ROWS_MAX};
use crate::columns::{Columns, Texts};
use crate::error::QueryError;
use crate::outline::{Flags, Sort};

/// How much of a name is in an outline, in bytes. The whole name is among the details of a row.
const NAME_BYTES_MAX: usize = 256;
/// What an entry of a table is taken to need besides its text, in bytes.
const NAME_ENTRY_BYTES: usize = 96;
/// The item that has no parent.
pub(super) const NONE: u32 = u32::MAX;
/// From this severity number on, a log is an error.
const SEVERITY_ERROR: i64 = 17;
/// Numbers of severities per level: OpenTelemetry has four of each.
const SEVERITIES_PER_LEVEL: i64 = 4;

const SPAN_COLUMNS: [&str; 10] = [
    "seq",
    "span_id",
    "parent_span_id",
    "service_name",
    "name",
    "kind",
    "status_code",
    "start_time",
    "duration_ns",
    "events",
];
const LOG_COLUMNS: [&str; 5] = ["seq", "span_id", "service_name", "severity_number", "time"];

/// A span, event, log or gap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Unix nanoseconds.
    pub(super) time: i64,
    pub(super) duration: i64,
    /// As in an outline; of events, the number of the event alone.
    pub(super) source: i64,
    /// The number of the item that it hangs under, or [`NONE`].
    pub(super) parent: u32,
    /// Service and name.
    pub(super) operation: Operation,
}

/// Number of an operation in its lowest 24 bits, and flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation(u32);

impl Operation {
    /// So many operations are told apart, more than there are rows.
    const COUNT_MAX: u32 = 1 << 24;

    pub(super) fn new(number: u32, flags: Flags) -> Self {
        Self((number % Self::COUNT_MAX) | (u32::from(flags.0) << 24))
    }

    pub(super) fn number(self) -> usize {
        (self.0 % Self::COUNT_MAX) as usize
    }

    pub(super) fn flags(self) -> Flags {
        Flags((self.0 >> 24) as u8)
    }

    pub(super) fn mark(&mut self, mark: u8) {
        self.0 |= u32::from(mark) << 24;
    }
}

/// What was read of a trace.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) items: Vec<Item>,
    /// The id of each span with the number of its item.
    pub(super) ids: Vec<(u64, u32)>,
    /// The id that a span or log names as above it, with the number of its item.
    pub(super) parents: Vec<(u64, u32)>,
    pub(super) services: Vec<String>,
    pub(super) names: Vec<String>,
    /// Service and name of each operation.
    pub(super) operations: Vec<(u32, u32)>,
    /// How many rows match, taken or not.
    pub(super) spans: u64,
    pub(super) logs: u64,
    /// Events that had no room.
    pub(super) events_left: u64,
    /// The `seq` of the newest row.
    pub(super) newest: i64,
}

/// Reads a trace up to a row, as much as there is room for in bytes: first spans with their events, then logs.
pub(super) fn all(
    work: &mut Work<'_>,
    id: TraceId,
    until: Option<i64>,
    room: usize,
    memory: &mut Memory,
) -> Result<Collected, QueryError> {
    let mut collector = Collector { room, until: until.unwrap_or(i64::MAX), ..Collector::default() };
    collector.into.newest = i64::MIN;
    for (signal, columns) in [(Signal::Spans, &SPAN_COLUMNS[..]), (Signal::Logs, &LOG_COLUMNS[..])] {
        let predicate = Predicate::Field(Field::Trace, Test::Equals(id.to_string()));
        let scan = Scan { signal, range: TimeRange::ALL, predicate };
        work.visit(&scan, columns, |rows| {
            match signal {
                Signal::Logs => collector.logs(rows),
                _ => collector.spans(rows),
            }
            memory.hold(collector.grown())?;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(collector.into)
}

#[derive(Default)]
struct Collector {
    into: Collected,
    /// Bytes that may be needed.
    room: usize,
    until: i64,
    service_numbers: HashMap<String, u32>,
    name_numbers: HashMap<String, u32>,
    operation_numbers: HashMap<(u32, u32), u32>,
    text_bytes: usize,
    /// What was said to be held already.
    held: usize,
}

impl Collector {
    /// Bytes that came to be needed since this was asked last.
    fn grown(&mut self) -> usize {
        let grown = self.bytes().saturating_sub(self.held);
        self.held += grown;
        grown
    }

    fn bytes(&self) -> usize {
        self.into.items.len() * BUILD_ROW_BYTES + self.text_bytes
    }

    fn has_room(&self) -> bool {
        self.into.items.len() < OUTLINE_ROWS_MAX && self.bytes() < self.room
    }

    fn spans(&mut self, rows: &RecordBatch) {
        let columns = Columns(rows);
        let (ids, parents) = (columns.ids("span_id"), columns.ids("parent_span_id"));
        let (seqs, starts) = (columns.ints("seq"), columns.times("start_time"));
        let durations = columns.ints("duration_ns");
        let (kinds, statuses) = (columns.texts("kind"), columns.texts("status_code"));
        let events = columns.lists("events").and_then(Events::of);
        let mut operations = Operations::of(&columns, Some("name"));
        for row in 0..rows.num_rows() {
            let seq = seqs.map_or(0, |seqs| seqs.value(row));
            if seq > self.until {
                continue;
            }
            self.into.spans += 1;
            self.into.newest = self.into.newest.max(seq);
            let count = events.as_ref().map_or(0, |events| events.count(row));
            if !self.has_room() {
                self.into.events_left += count as u64;
                continue;
            }
            let number = self.next_number();
            let failed = if statuses.get(row) == Some("error") { Flags::FAILED } else { 0 };
            let flags = Flags::new(Sort::Span, kind_number(kinds.get(row)), failed);
            let operation = Operation::new(operations.number(self, row), flags);
            self.into.items.push(Item {
                time: starts.map_or(0, |starts| starts.value(row)),
                duration: durations.map_or(0, |durations| durations.value(row)),
                source: seq,
                parent: NONE,
                operation,
            });
            let id_of = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).unwrap_or_default();
            self.into.ids.push((ids.map_or(0, |ids| id_of(ids.value(row))), number));
            if let Some(parents) = parents.filter(|parents| parents.is_valid(row)) {
                self.into.parents.push((id_of(parents.value(row)), number));
            }
            if let Some(events) = events.as_ref().filter(|_| count > 0) {
                let service = operations.service(self, row);
                self.events(events, row, number, service);
            }
        }
    }

    fn events(&mut self, events: &Events<'_>, row: usize, span: u32, service: u32) {
        let mut order: Vec<usize> = events.range(row).collect();
        order.sort_by_key(|at| events.times.value(*at));
        for (number, at) in order.into_iter().enumerate() {
            if !self.has_room() {
                self.into.events_left += 1;
                continue;
            }
            let name = events.names.value(at);
            let failed = if name == "exception" { Flags::FAILED } else { 0 };
            let name = self.name(name);
            let operation = self.operation(service, name);
            self.into.items.push(Item {
                time: events.times.value(at),
                duration: 0,
                source: number as i64,
                parent: span,
                operation: Operation::new(operation, Flags::new(Sort::Event, 0, failed)),
            });
        }
    }

    fn logs(&mut self, rows: &RecordBatch) {
        let columns = Columns(rows);
        let (ids, seqs, times) = (columns.ids("span_id"), columns.ints("seq"), columns.times("time"));
        let severities = columns.ints("severity_number");
        let mut operations = Operations::of(&columns, None);
        for row in 0..rows.num_rows() {
            let seq = seqs.map_or(0, |seqs| seqs.value(row));
            if seq > self.until {
                continue;
            }
            self.into.logs += 1;
            self.into.newest = self.into.newest.max(seq);
            if !self.has_room() {
                continue;
            }
            let number = self.next_number();
            let severity =
                severities.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row));
            let failed = if severity >= SEVERITY_ERROR { Flags::FAILED } else { 0 };
            let flags = Flags::new(Sort::Log, level_number(severity), failed);
            let operation = Operation::new(operations.number(self, row), flags);
            let time = times.map_or(0, |times| times.value(row));
            self.into.items.push(Item { time, duration: 0, source: seq, parent: NONE, operation });
            let id = ids.filter(|ids| ids.is_valid(row)).and_then(|ids| ids.value(row).try_into().ok());
            if let Some(id) = id.map(u64::from_be_bytes) {
                self.into.parents.push((id, number));
            }
        }
    }

    fn next_number(&self) -> u32 {
        // The limit of rows is far below.
        self.into.items.len() as u32
    }

    fn service(&mut self, text: &str) -> u32 {
        number_of(text, &mut self.service_numbers, &mut self.into.services, &mut self.text_bytes)
    }

    fn name(&mut self, text: &str) -> u32 {
        number_of(text, &mut self.name_numbers, &mut self.into.names, &mut self.text_bytes)
    }

    fn operation(&mut self, service: u32, name: u32) -> u32 {
        let next = self.into.operations.len() as u32;
        let number = *self.operation_numbers.entry((service, name)).or_insert(next);
        if number == next {
            self.into.operations.push((service, name));
        }
        number
    }
}

/// The number of a text in its table, where it is put if it is new.
fn number_of(
    text: &str,
    numbers: &mut HashMap<String, u32>,
    table: &mut Vec<String>,
    bytes: &mut usize,
) -> u32 {
    let text = &text[..text.floor_char_boundary(NAME_BYTES_MAX)];
    if let Some(number) = numbers.get(text) {
        return *number;
    }
    let number = table.len() as u32;
    table.push(text.to_owned());
    numbers.insert(text.to_owned(), number);
    *bytes += 2 * text.len() + NAME_ENTRY_BYTES;
    number
}

/// The operations of a batch. Where its texts are dictionaries each pair is looked up once.
struct Operations<'a> {
    services: Texts<'a>,
    names: Texts<'a>,
    known: HashMap<(usize, usize), (u32, u32)>,
}

impl<'a> Operations<'a> {
    fn of(columns: &Columns<'a>, name: Option<&str>) -> Self {
        let names = name.map_or(Texts::None, |name| columns.texts(name));
        Self { services: columns.texts("service_name"), names, known: HashMap::new() }
    }

    fn number(&mut self, collector: &mut Collector, row: usize) -> u32 {
        self.pair(collector, row).1
    }

    fn service(&mut self, collector: &mut Collector, row: usize) -> u32 {
        self.pair(collector, row).0
    }

    /// Numbers of the service and of the operation.
    fn pair(&mut self, collector: &mut Collector, row: usize) -> (u32, u32) {
        let key = self.services.key(row).zip(self.names.key(row).or(Some(usize::MAX)));
        if let Some(pair) = key.and_then(|key| self.known.get(&key)) {
            return *pair;
        }
        let service = collector.service(self.services.get(row).unwrap_or_default());
        let name = collector.name(self.names.get(row).unwrap_or_default());
        let pair = (service, collector.operation(service, name));
        if let Some(key) = key.filter(|_| self.names.is_dictionary() || matches!(self.names, Texts::None)) {
            self.known.insert(key, pair);
        }
        pair
    }
}

/// The events of a batch.
struct Events<'a> {
    lists: &'a ListArray,
    times: &'a TimestampNanosecondArray,
    names: &'a StringArray,
}

impl<'a> Events<'a> {
    fn of(lists: &'a ListArray) -> Option<Self> {
        let items = lists.values().as_struct_opt()?;
        let times = items.column(0).as_primitive_opt::<TimestampNanosecondType>()?;
        Some(Self { lists, times, names: items.column(1).as_string_opt::<i32>()? })
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        if self.lists.is_null(row) {
            return 0..0;
        }
        let offsets = self.lists.value_offsets();
        let at = |place: usize| usize::try_from(offsets[place]).unwrap_or(0);
        at(row)..at(row + 1)
    }

    fn count(&self, row: usize) -> usize {
        self.range(row).len()
    }
}

fn kind_number(kind: Option<&str>) -> u8 {
    match kind {
        Some("internal") => 1,
        Some("server") => 2,
        Some("client") => 3,
        Some("producer") => 4,
        Some("consumer") => 5,
        _ => 0,
    }
}

fn level_number(severity: i64) -> u8 {
    match severity {
        1..=24 => ((severity - 1) / SEVERITIES_PER_LEVEL + 1) as u8,
        _ => 0,
    }
}
