//! The series that are stored, by their labels, and where in each part their rows lie.
//!
//! Found out when a part is first read, and then kept, since parts never change. Postings say for each label which
//! series have it, so that a selector looks at those alone that its first equality leaves.
//!
//! Terms:
//! - *place*: rows of one series that stand together in a part whose rows are in order.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Reader, Signal, TimeRange};
use roaring::RoaringBitmap;
use storage::{MemoryBudget, Part, PartId, Purpose, Reservation, StoreError};

use super::super::work::{PIECE_BYTES, Work};
use super::described::{Described, HEAD_COLUMNS, Head, LABEL_COLUMNS, Metric};
use super::rows::milliseconds;
use crate::columns::{Columns, Texts};
use crate::error::QueryError;
use crate::promql::{MatchOp, Matcher, NAME};

/// All that is kept has at most the memory for queries divided by this; then it is found out anew.
const KEPT_SHARE: usize = 3;
/// The most tenants whose series are kept.
const TENANTS_MAX: usize = 64;
/// What an entry of a map takes beside its text.
const ENTRY_BYTES: usize = 64;
/// Labels whose values are of a bucket or quantile: no series is stored under them.
pub(super) const OF_SAMPLES: [&str; 2] = ["le", "quantile"];

/// The series of all readers. Cloning is cheap.
#[derive(Clone, Default)]
pub(in crate::engine) struct Known(Arc<Mutex<Vec<OfReader>>>);

type OfReader = (Reader, Arc<Mutex<Table>>);

/// The series of one reader.
pub(super) struct Table {
    series: Vec<Arc<Described>>,
    /// By the number that is stored and the metric.
    numbers: HashMap<(i64, u32), u32>,
    metrics: Vec<Arc<Metric>>,
    heads: HashMap<Head, u32>,
    postings: HashMap<(String, String), RoaringBitmap>,
    parts: HashMap<PartId, Arc<Places>>,
    used: usize,
    reserved: Reservation,
}

/// Where the rows of a part lie.
pub(super) enum Places {
    /// By series.
    Sorted(Sorted),
    /// The series of each row.
    Mixed(Vec<u32>),
}

/// Rows of one series.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) series: u32,
    pub(super) rows: Range<u32>,
    /// Not after its first row, and less than a second before it.
    pub(super) from_ms: i64,
    /// Likewise behind its last row.
    pub(super) to_ms: i64,
}

/// The places of a part, one behind the other, each as small as can be: there is one for each series in each part.
pub(super) struct Sorted {
    begin_ms: i64,
    rows: u32,
    places: Vec<SmallPlace>,
}

struct SmallPlace {
    series: u32,
    first: u32,
    /// Seconds since the part begins.
    from: u32,
    to: u32,
}

const SECOND_MS: i64 = 1000;

impl Sorted {
    /// Places in order; every row of the part is in one of them.
    fn new(places: &[Place]) -> Self {
        let begin_ms = places.iter().map(|place| place.from_ms).min().unwrap_or(0);
        let seconds = |ms: i64| u32::try_from(ms / SECOND_MS).unwrap_or(u32::MAX);
        let small = |place: &Place| SmallPlace {
            series: place.series,
            first: place.rows.start,
            from: seconds(place.from_ms.saturating_sub(begin_ms)),
            to: seconds(place.to_ms.saturating_sub(begin_ms).saturating_add(SECOND_MS - 1)),
        };
        let rows = places.last().map_or(0, |place| place.rows.end);
        Self { begin_ms, rows, places: places.iter().map(small).collect() }
    }

    /// All places, in order of their rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = Place> {
        let ends = self.places.iter().skip(1).map(|place| place.first).chain([self.rows]);
        let time = |seconds: u32| self.begin_ms.saturating_add(i64::from(seconds) * SECOND_MS);
        self.places.iter().zip(ends).map(move |(place, end)| Place {
            series: place.series,
            rows: place.first..end,
            from_ms: time(place.from),
            to_ms: if place.to == u32::MAX { i64::MAX } else { time(place.to) },
        })
    }
}

impl Known {
    /// The series of a reader, the parts of a range among them.
    pub(super) fn of<'w>(
        &self,
        reader: &Reader,
        range: TimeRange,
        work: &mut Work<'w>,
        budget: &Arc<MemoryBudget>,
    ) -> Result<Seen<'w>, QueryError> {
        let table = self.table(reader, budget)?;
        let snapshot = work.snapshot;
        let parts = snapshot.parts(Signal::Metrics, range);
        let found: Result<Vec<_>, QueryError> = parts.iter().map(|part| places(part, &table, work)).collect();
        self.let_go(reader, &table, work, budget.share(Purpose::Queries) / KEPT_SHARE);
        let parts = parts.into_iter().zip(found?).collect();
        // Series that others add from now on are not of this question.
        let count = lock(&table).series.len();
        Ok(Seen { table, count, parts })
    }

    fn table(&self, reader: &Reader, budget: &Arc<MemoryBudget>) -> Result<Arc<Mutex<Table>>, QueryError> {
        let mut tables = lock(&self.0);
        if let Some(at) = tables.iter().position(|(other, _)| other == reader) {
            // The one that was used last stands last.
            let of_reader = tables.remove(at);
            let table = Arc::clone(&of_reader.1);
            tables.push(of_reader);
            return Ok(table);
        }
        let reserved = budget.try_reserve(Purpose::Queries, 0).map_err(StoreError::from)?;
        let table = Arc::new(Mutex::new(Table::new(reserved)));
        if tables.len() == TENANTS_MAX {
            tables.remove(0);
        }
        tables.push((reader.clone(), Arc::clone(&table)));
        Ok(table)
    }

    /// Forgets parts that are gone; and a table that is too large, whoever uses it now.
    fn let_go(&self, reader: &Reader, table: &Mutex<Table>, work: &Work<'_>, most: usize) {
        let mut table = lock(table);
        let there = work.snapshot.parts(Signal::Metrics, TimeRange::ALL);
        if table.parts.len() > 2 * there.len() {
            let there: std::collections::HashSet<PartId> = there.iter().map(Part::id).collect();
            let gone: usize =
                table.parts.iter().filter(|(id, _)| !there.contains(id)).map(|(_, of)| of.bytes()).sum();
            table.parts.retain(|id, _| there.contains(id));
            table.used = table.used.saturating_sub(gone);
        }
        if table.used > most {
            lock(&self.0).retain(|(other, _)| other != reader);
        }
    }

    /// Lets all go; whether there were any.
    pub(in crate::engine) fn clear(&self) -> bool {
        let mut tables = lock(&self.0);
        let any = !tables.is_empty();
        tables.clear();
        any
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The places of a part, which are kept from now on.
fn places(part: &Part<'_>, table: &Mutex<Table>, work: &mut Work<'_>) -> Result<Arc<Places>, QueryError> {
    let id = part.id();
    let known = lock(table).parts.get(&id).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let found = Arc::new(read(part, table, work)?);
    let mut table = lock(table);
    // Another question may have been faster.
    if let Some(known) = table.parts.get(&id) {
        return Ok(Arc::clone(known));
    }
    table.hold(found.bytes())?;
    table.parts.insert(id, Arc::clone(&found));
    Ok(found)
}

/// What one question sees: parts, and the series whose rows are in them.
pub(super) struct Seen<'w> {
    table: Arc<Mutex<Table>>,
    /// How many series there were when its parts were known: their numbers are below.
    count: usize,
    pub(super) parts: Vec<(Part<'w>, Arc<Places>)>,
}

impl Seen<'_> {
    /// The series that may pass all matchers, by their numbers; others than these do not. Whether they do shows from
    /// their labels.
    pub(super) fn candidates(&self, matchers: &[Matcher]) -> Vec<(u32, Arc<Described>)> {
        let table = lock(&self.table);
        let mut found: Option<RoaringBitmap> = None;
        for matcher in matchers {
            let is_exact = matcher.op == MatchOp::Equal && !matcher.value.is_empty();
            if !is_exact || OF_SAMPLES.contains(&&*matcher.name) {
                continue;
            }
            let key = (matcher.name.to_string(), matcher.value.to_string());
            let of_label = table.postings.get(&key).cloned().unwrap_or_default();
            found = Some(match found {
                Some(found) => found & of_label,
                None => of_label,
            });
        }
        let mut found = found.unwrap_or_else(|| (0..self.count as u32).collect());
        found.remove_range(self.count as u32..);
        found.iter().map(|number| (number, Arc::clone(&table.series[number as usize]))).collect()
    }

    /// All metrics with a row.
    pub(super) fn metrics(&self) -> Vec<Arc<Metric>> {
        lock(&self.table).metrics.clone()
    }

    /// How many series are known; their numbers are below.
    pub(super) fn series(&self) -> usize {
        self.count
    }

    /// Which series may have a row between two times, both included.
    pub(super) fn there(&self, from_ms: i64, to_ms: i64) -> Vec<bool> {
        let mut there = vec![false; self.count];
        let mut see = |series: u32| {
            if let Some(there) = there.get_mut(series as usize) {
                *there = true;
            }
        };
        for (_, places) in &self.parts {
            match &**places {
                Places::Sorted(places) => {
                    let inside =
                        places.iter().filter(|place| place.from_ms <= to_ms && place.to_ms >= from_ms);
                    inside.for_each(|place| see(place.series));
                }
                Places::Mixed(series) => series.iter().for_each(|series| see(*series)),
            }
        }
        there
    }
}

impl Table {
    fn new(reserved: Reservation) -> Self {
        Self {
            series: Vec::new(),
            numbers: HashMap::new(),
            metrics: Vec::new(),
            heads: HashMap::new(),
            postings: HashMap::new(),
            parts: HashMap::new(),
            used: 0,
            reserved,
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), QueryError> {
        let used = self.used.saturating_add(bytes);
        let missing = used.saturating_sub(self.reserved.bytes());
        if missing > 0 {
            let pieces = missing.div_ceil(PIECE_BYTES) * PIECE_BYTES;
            self.reserved.try_grow(pieces).map_err(StoreError::from)?;
        }
        self.used = used;
        Ok(())
    }

    fn metric(&mut self, head: Head) -> u32 {
        let number = self.metrics.len() as u32;
        *self.heads.entry(head).or_insert_with_key(|head| {
            self.metrics.push(Arc::new(Metric::new(head.clone())));
            number
        })
    }

    /// Adds a series that is not known yet.
    fn add(&mut self, key: (i64, u32), resource: &str, own: &str) -> Result<u32, QueryError> {
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        let described = Described::new(&self.metrics[key.1 as usize], resource, own);
        let number = self.series.len() as u32;
        let names = described.metric.names().into_iter().map(|name| (NAME.to_owned(), name));
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let labels = described.labels.iter().map(owned);
        let original = described.original_labels.iter().flat_map(|labels| labels.iter().map(owned));
        let target = described.target.iter().flat_map(|labels| labels.iter().map(owned));
        let mut bytes = described.bytes() + ENTRY_BYTES;
        for label in names.chain(labels).chain(original).chain(target) {
            let length = label.0.len() + label.1.len() + ENTRY_BYTES;
            let posting = self.postings.entry(label).or_insert_with(|| {
                bytes += length;
                RoaringBitmap::new()
            });
            posting.insert(number);
            bytes += size_of::<u16>();
        }
        self.numbers.insert(key, number);
        self.series.push(Arc::new(described));
        self.hold(bytes)?;
        Ok(number)
    }
}

impl Places {
    fn bytes(&self) -> usize {
        match self {
            Self::Sorted(sorted) => sorted.places.len() * size_of::<SmallPlace>() + ENTRY_BYTES,
            Self::Mixed(rows) => rows.len() * size_of::<u32>() + ENTRY_BYTES,
        }
    }
}

/// Rows in a row of one series, by the number that is stored and the metric.
struct Run {
    key: (i64, u32),
    rows: Range<u32>,
    from_ms: i64,
    to_ms: i64,
}

/// Finds out where the rows of a part lie, and adds the series that are new to the table.
fn read(part: &Part<'_>, table: &Mutex<Table>, work: &mut Work<'_>) -> Result<Places, QueryError> {
    let mut memory = work.memory()?;
    let runs = runs(part, table, work, &mut |bytes| memory.hold(bytes))?;
    describe(part, &runs, table, work)?;
    let table = lock(table);
    let series = |run: &Run| table.numbers.get(&run.key).copied().unwrap_or(u32::MAX);
    if part.is_sorted() {
        let place = |run: &Run| Place {
            series: series(run),
            rows: run.rows.clone(),
            from_ms: run.from_ms,
            to_ms: run.to_ms,
        };
        return Ok(Places::Sorted(Sorted::new(&runs.iter().map(place).collect::<Vec<_>>())));
    }
    let rows = runs.iter().flat_map(|run| std::iter::repeat_n(series(run), run.rows.len()));
    Ok(Places::Mixed(rows.collect()))
}

fn runs(
    part: &Part<'_>,
    table: &Mutex<Table>,
    work: &mut Work<'_>,
    hold: &mut dyn FnMut(usize) -> Result<(), QueryError>,
) -> Result<Vec<Run>, QueryError> {
    let columns = [&HEAD_COLUMNS[..], &["series", "time"]].concat();
    let mut runs: Vec<Run> = Vec::new();
    let mut row = 0;
    let mut failed = None;
    let whole = part.read(&columns, None, &mut work.cost, work.control, &mut |batch| {
        let before = runs.len();
        add_runs(&Columns(batch), batch.num_rows(), row, table, &mut runs);
        row += batch.num_rows() as u32;
        if let Err(error) = hold((runs.len() - before) * size_of::<Run>()) {
            failed.get_or_insert(error);
        }
        Ok(())
    })?;
    match failed {
        Some(error) => Err(error),
        None if !whole => Err(late()),
        None => Ok(runs),
    }
}

/// The time was over before it was known which series there are.
fn late() -> QueryError {
    QueryError::Timeout("the time limit passed while series were looked up; ask again to go on".to_owned())
}

/// Adds the rows of a batch, the first of which has the number `first`.
fn add_runs(columns: &Columns<'_>, count: usize, first: u32, table: &Mutex<Table>, runs: &mut Vec<Run>) {
    let (Some(series), Some(times)) = (columns.ints("series"), columns.times("time")) else { return };
    let texts: Vec<Texts<'_>> = HEAD_COLUMNS.iter().map(|name| columns.texts(name)).collect();
    let hasher = std::hash::RandomState::new();
    let mut metrics: HashMap<u64, u32> = HashMap::new();
    let mut last: Option<(u64, u32)> = None;
    for row in 0..count {
        let flag = columns.flag("monotonic", row);
        let keys: [Option<usize>; HEAD_COLUMNS.len()] = std::array::from_fn(|at| texts[at].key(row));
        let hash = hasher.hash_one((keys, flag));
        let metric = match last {
            Some((same, metric)) if same == hash => metric,
            _ => *metrics.entry(hash).or_insert_with(|| lock(table).metric(Head::of(columns, row))),
        };
        last = Some((hash, metric));
        let (key, at) = ((series.value(row), metric), first + row as u32);
        let time = milliseconds(times.value(row));
        match runs.last_mut() {
            Some(run) if run.key == key => {
                run.rows.end = at + 1;
                run.from_ms = run.from_ms.min(time);
                run.to_ms = run.to_ms.max(time);
            }
            _ => runs.push(Run { key, rows: at..at + 1, from_ms: time, to_ms: time }),
        }
    }
}

/// Reads what names the series that are new.
fn describe(
    part: &Part<'_>,
    runs: &[Run],
    table: &Mutex<Table>,
    work: &mut Work<'_>,
) -> Result<(), QueryError> {
    let mut new: Vec<&Run> = Vec::new();
    {
        let table = lock(table);
        let mut seen = std::collections::HashSet::new();
        new.extend(runs.iter().filter(|run| !table.numbers.contains_key(&run.key) && seen.insert(run.key)));
    }
    if new.is_empty() {
        return Ok(());
    }
    let rows: Vec<Range<u32>> = new.iter().map(|run| run.rows.start..run.rows.start + 1).collect();
    let mut keys = new.iter().map(|run| run.key);
    let mut failed = None;
    let whole = part.read(&LABEL_COLUMNS, Some(&rows), &mut work.cost, work.control, &mut |batch| {
        let columns = Columns(batch);
        let [resources, own] = LABEL_COLUMNS.map(|name| columns.texts(name));
        let mut table = lock(table);
        for (row, key) in (0..batch.num_rows()).zip(&mut keys) {
            let (resource, own) = (resources.get(row).unwrap_or("{}"), own.get(row).unwrap_or("{}"));
            if let Err(error) = table.add(key, resource, own) {
                failed.get_or_insert(error);
            }
        }
        Ok(())
    })?;
    match failed {
        Some(error) => Err(error),
        None if !whole => Err(late()),
        None => Ok(()),
    }
}
