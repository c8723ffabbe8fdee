//! Logs counted by template. The template of each row is a number in its page; bodies are read only of the few rows
//! that are shown as examples.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
};
use arrow::datatypes::Int32Type;
use model::{Predicate, Signal, TimeRange, UnixNanos};

use super::templates;
use super::{Control, Scan, ScanStats, Source, Work, times};
use crate::error::Result;
use crate::segment::form::BODY_TEMPLATE;
use crate::segment::{Selection, Wanted};
use crate::snapshot::{Snapshot, Table};
use crate::templates::{Origin, Seen, TEMPLATE_ID, Templates, hash};

/// The most templates that one tally tells apart; rows of further ones count as without.
const TEMPLATES_MAX: usize = 16_384;
/// The most rows of a template that are examples.
const SAMPLE_ROWS_MAX: usize = 64;
/// The bytes of examples that are read, bodies and variables together.
const SAMPLE_BYTES_MAX: usize = 16 << 20;
/// The most services of a template that are told apart.
const SERVICES_MAX: usize = 64;

/// Equal parts of a range of time.
#[derive(Debug, Clone, Copy)]
pub struct Trend {
    /// Where the first begins, in nanoseconds.
    pub from: i64,
    /// How long each is, in nanoseconds; at least 1.
    pub width: i64,
    /// How many.
    pub parts: usize,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// By identity; in no particular order.
    pub templates: Vec<TemplateCount>,
    /// Matching rows.
    pub total: u64,
    /// Those of them whose body has no template: it is absent, too long, or was kept whole for another reason.
    pub without: u64,
    /// What it cost.
    pub stats: ScanStats,
}

/// A template with the matching rows that have it.
#[derive(Debug, Clone)]
pub struct TemplateCount {
    /// Its identity.
    pub id: u64,
    /// Its text as people read it.
    pub text: String,
    /// How many matching rows.
    pub count: u64,
    /// When it was first seen in all that the tenant has stored, matching or not.
    pub first_seen: UnixNanos,
    /// When it was last seen.
    pub last_seen: UnixNanos,
    /// Matching rows by part of the range.
    pub trend: Vec<u64>,
    /// Matching rows by service, of the first services that were met.
    pub services: Vec<(String, u64)>,
    /// Some of its matching rows.
    pub sample: Sample,
}

/// Rows of one template, to be read for their bodies.
#[derive(Debug, Clone)]
pub struct Sample {
    source: Source,
    rows: Vec<u32>,
}

/// What is counted, and where each template stands.
#[derive(Debug, Default)]
struct Counts {
    templates: Vec<TemplateCount>,
    by_id: HashMap<u64, usize>,
    total: u64,
    without: u64,
}

/// A body, and what stands at the variable places of its template.
pub type Body = (String, Vec<String>);

impl Snapshot {
    /// Counts the logs of a scan by template.
    pub fn tally(&self, scan: &Scan, trend: Trend, control: &Control) -> Result<Tally> {
        let table = self.table(Signal::Logs);
        let work = Work::new(table, scan)?;
        let known = Arc::clone(&work.identities(usize::MAX).templates);
        let (mut stats, mut counts) = (work.stats(), Counts::default());
        let columns = work.columns(&[TEMPLATE_ID, "service_name"]);
        let mut seen = BTreeMap::new();
        for source in work.sources() {
            let mut reader = Reader::default();
            let ended = work.read(source, &columns, &mut stats, control, &mut |batch, mask, numbers| {
                let rows = Counted { source, batch, mask, numbers, trend };
                counts.add(&rows, templates_of(table, source, batch), &mut reader, &known);
                Ok(ControlFlow::Continue(()))
            })?;
            if ended.is_break() {
                stats.timed_out = true;
                break;
            }
            let (first, last) = work.extent(source);
            if scan.predicate == Predicate::All && scan.range.contains(first) && scan.range.contains(last) {
                let times = reader.finish();
                table.registry.saw(&origin(table, source), Arc::clone(&times));
                seen.insert(source, times);
            }
        }
        if !stats.timed_out {
            stats.timed_out = !see_all(table, &mut seen, &mut stats, control)?;
        }
        widen(&seen, &known, &mut counts);
        Ok(Tally { templates: counts.templates, total: counts.total, without: counts.without, stats })
    }

    /// The bodies of samples with what stands at the variable places of their template, at most `rows_max` of each, and
    /// no more than 16 MiB in all.
    pub fn bodies(&self, samples: &[&Sample], rows_max: usize) -> Result<Vec<Vec<Body>>> {
        let table = self.table(Signal::Logs);
        let known = templates::known(table, 0);
        let mut found: Vec<Vec<Body>> = samples.iter().map(|_| Vec::new()).collect();
        let mut by_source: BTreeMap<Source, HashMap<u32, usize>> = BTreeMap::new();
        for (at, sample) in samples.iter().enumerate() {
            let rows = by_source.entry(sample.source).or_default();
            rows.extend(sample.rows.iter().take(rows_max).map(|row| (*row, at)));
        }
        let mut room = SAMPLE_BYTES_MAX;
        for (source, owners) in by_source {
            let mut rows: Vec<u32> = owners.keys().copied().collect();
            rows.sort_unstable();
            let mut numbers = rows.iter();
            each_body(table, source, &rows, &mut |bodies, texts| {
                for row in 0..bodies.len() {
                    let Some(owner) = numbers.next().and_then(|number| owners.get(number)) else { continue };
                    let key =
                        texts.and_then(|(keys, texts)| keys.is_valid(row).then(|| (keys.value(row), texts)));
                    let Some((key, texts)) = key.filter(|_| bodies.is_valid(row) && room > 0) else {
                        continue;
                    };
                    let body = bodies.value(row);
                    room = room.saturating_sub(2 * body.len());
                    let variables = known.variables_of(body, texts.value(key as usize));
                    found[*owner].push((body.to_owned(), variables.into_iter().map(str::to_owned).collect()));
                }
            })?;
        }
        Ok(found)
    }
}

/// Is given bodies, and the keys and texts of their templates.
type EachBody<'a> = dyn FnMut(&StringArray, Option<(&Int32Array, &StringArray)>) + 'a;

/// Reads the bodies of rows of a source, batch by batch.
fn each_body(table: &Table, source: Source, rows: &[u32], each: &mut EachBody<'_>) -> Result<()> {
    let mut show = |batch: &RecordBatch, texts: Option<&ArrayRef>| {
        let bodies = batch.column_by_name("body").and_then(|bodies| bodies.as_string_opt::<i32>());
        let none = || StringArray::new_null(batch.num_rows());
        each(&bodies.cloned().unwrap_or_else(none), templates::parts(texts));
    };
    match source {
        Source::Fresh(at) => {
            let fresh = &table.fresh[at];
            let chosen = arrow::array::UInt32Array::from(rows.to_vec());
            let batch = arrow::compute::take_record_batch(&fresh.batch, &chosen)?;
            show(&batch, Some(&templates::at(fresh.templates(), rows)?));
        }
        Source::Sealed(at) => {
            let selection = Selection { rows: Some(rows.iter().copied().collect()), range: TimeRange::ALL };
            let wanted = Wanted::Columns(&["body", TEMPLATE_ID]);
            for batch in table.segments[at].read(wanted, &selection)?.0 {
                let batch = batch?;
                show(&batch, batch.column_by_name(BODY_TEMPLATE));
            }
        }
    }
    Ok(())
}

fn origin(table: &Table, source: Source) -> Origin {
    match source {
        Source::Fresh(at) => Origin::Fresh(table.fresh[at].number),
        Source::Sealed(at) => Origin::Segment(table.segments[at].meta.id.clone()),
    }
}

/// The templates of a batch that was read from a source.
fn templates_of<'a>(table: &'a Table, source: Source, batch: &'a RecordBatch) -> Option<&'a ArrayRef> {
    match source {
        Source::Fresh(at) => Some(table.fresh[at].templates()),
        Source::Sealed(_) => batch.column_by_name(BODY_TEMPLATE),
    }
}

/// When the templates of all sources were seen. False if the deadline came before all were read.
fn see_all(
    table: &Table,
    seen: &mut BTreeMap<Source, Seen>,
    stats: &mut ScanStats,
    control: &Control,
) -> Result<bool> {
    let scan = Scan { signal: Signal::Logs, range: TimeRange::ALL, predicate: Predicate::All };
    let work = Work::new(table, &scan)?;
    for source in work.sources() {
        let origin = origin(table, source);
        // What could not be read before is not tried again for this.
        let Some(of) = table.registry.get(&origin).filter(|_| !seen.contains_key(&source)) else { continue };
        if let Some(times) = of.seen {
            seen.insert(source, times);
            continue;
        }
        let mut reader = Reader::default();
        let columns = work.columns(&[TEMPLATE_ID]);
        let ended = work.read(source, &columns, stats, control, &mut |batch, _, _| {
            if let Some((keys, texts)) = templates::parts(templates_of(table, source, batch)) {
                reader.turn_to(texts);
                let times = times(Signal::Logs, batch).map_or(&[][..], |times| times.values());
                for (key, time) in keys.iter().zip(times) {
                    key.into_iter().for_each(|key| reader.spans[key as usize].add(*time, *time));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if ended.is_break() {
            return Ok(false);
        }
        let times = reader.finish();
        table.registry.saw(&origin, Arc::clone(&times));
        seen.insert(source, times);
    }
    Ok(true)
}

/// Widens the times of templates to those of everything that is stored.
fn widen(seen: &BTreeMap<Source, Seen>, known: &Templates, counts: &mut Counts) {
    for (hash, first, last) in seen.values().flat_map(|seen| seen.iter()) {
        let place = known.id_of_hash(*hash).and_then(|id| counts.by_id.get(&id));
        if let Some(place) = place {
            let template = &mut counts.templates[*place];
            template.first_seen = template.first_seen.min(UnixNanos(*first));
            template.last_seen = template.last_seen.max(UnixNanos(*last));
        }
    }
}

/// A first and a last time; empty to begin with.
#[derive(Debug, Clone, Copy)]
struct Span(i64, i64);

impl Span {
    const NONE: Self = Self(i64::MAX, i64::MIN);

    fn add(&mut self, first: i64, last: i64) {
        *self = Self(self.0.min(first), self.1.max(last));
    }
}

/// What is remembered of the dictionary of the batches of one source.
#[derive(Debug, Default)]
struct Reader {
    texts: Option<StringArray>,
    /// Of each template its place in the counts, none before its first row.
    places: Vec<Option<usize>>,
    spans: Vec<Span>,
    seen: HashMap<u64, Span>,
}

impl Reader {
    /// The dictionary of the next batch: mostly that of the batch before.
    fn turn_to(&mut self, texts: &StringArray) {
        if self.texts.as_ref().is_some_and(|before| templates::is_same(before, texts)) {
            return;
        }
        self.gather();
        self.places = vec![None; texts.len()];
        self.spans = vec![Span::NONE; texts.len()];
        self.texts = Some(texts.clone());
    }

    fn gather(&mut self) {
        let texts = self.texts.take();
        for (text, span) in texts.iter().flatten().zip(&self.spans) {
            if let Some(text) = text.filter(|_| span.0 <= span.1) {
                self.seen.entry(hash(text)).or_insert(Span::NONE).add(span.0, span.1);
            }
        }
    }

    fn finish(mut self) -> Seen {
        self.gather();
        self.seen.into_iter().map(|(hash, Span(first, last))| (hash, first, last)).collect()
    }
}

/// Rows one after another with the same template and the same service.
#[derive(Debug)]
struct Run {
    key: usize,
    service: usize,
    place: usize,
    rows: u64,
    span: Span,
    /// How many more examples its template may have.
    room: usize,
}

/// A batch of one source, ready to be counted.
struct Counted<'a> {
    source: Source,
    batch: &'a RecordBatch,
    mask: &'a BooleanArray,
    numbers: &'a [u32],
    trend: Trend,
}

impl Counts {
    /// Counts the matching rows of a batch.
    fn add(
        &mut self,
        rows: &Counted<'_>,
        templates: Option<&ArrayRef>,
        reader: &mut Reader,
        known: &Templates,
    ) {
        let matching = rows.mask.true_count() as u64;
        self.total += matching;
        let (Some((keys, texts)), Some(times)) =
            (templates::parts(templates), times(Signal::Logs, rows.batch))
        else {
            self.without += matching;
            return;
        };
        reader.turn_to(texts);
        let services = rows.batch.column_by_name("service_name");
        let services = services.and_then(|services| services.as_dictionary_opt::<Int32Type>());
        let mut part = Part::new(rows.trend);
        let mut run: Option<Run> = None;
        for row in rows.mask.values().set_indices() {
            if keys.is_null(row) {
                self.without += 1;
                continue;
            }
            let key = keys.value(row) as usize;
            let service = services.map_or(0, |services| services.keys().value(row) as usize);
            if run.as_ref().is_none_or(|run| run.key != key || run.service != service) {
                self.end(run.take(), services, reader);
                let Some(place) = self.place(key, rows, reader, known) else {
                    self.without += 1;
                    continue;
                };
                let sample = &self.templates[place].sample;
                let room = if sample.source == rows.source { SAMPLE_ROWS_MAX - sample.rows.len() } else { 0 };
                run = Some(Run { key, service, place, rows: 0, span: Span::NONE, room });
            }
            let (Some(run), time) = (&mut run, times.value(row)) else { continue };
            run.rows += 1;
            run.span.add(time, time);
            let template = &mut self.templates[run.place];
            if let Some(count) = template.trend.get_mut(part.of(time)) {
                *count += 1;
            }
            if run.room > 0 {
                run.room -= 1;
                template.sample.rows.push(rows.numbers[row]);
            }
        }
        self.end(run, services, reader);
    }

    /// The place of a template of the reader's dictionary; `None` if there are too many.
    fn place(
        &mut self,
        key: usize,
        rows: &Counted<'_>,
        reader: &mut Reader,
        known: &Templates,
    ) -> Option<usize> {
        if let Some(place) = reader.places[key] {
            return Some(place);
        }
        let text = reader.texts.as_ref()?.value(key);
        let id = known.id_of(text);
        let place = match self.by_id.get(&id) {
            Some(place) => *place,
            None if self.templates.len() >= TEMPLATES_MAX => return None,
            None => {
                self.by_id.insert(id, self.templates.len());
                self.templates.push(TemplateCount {
                    id,
                    text: known.text_of(text),
                    count: 0,
                    first_seen: UnixNanos(i64::MAX),
                    last_seen: UnixNanos(i64::MIN),
                    trend: vec![0; rows.trend.parts],
                    services: Vec::new(),
                    sample: Sample { source: rows.source, rows: Vec::new() },
                });
                self.templates.len() - 1
            }
        };
        reader.places[key] = Some(place);
        Some(place)
    }

    /// Takes over what was counted of a run.
    fn end(&mut self, run: Option<Run>, services: Option<&DictionaryArray<Int32Type>>, reader: &mut Reader) {
        let Some(run) = run else { return };
        reader.spans[run.key].add(run.span.0, run.span.1);
        let template = &mut self.templates[run.place];
        template.count += run.rows;
        template.first_seen = template.first_seen.min(UnixNanos(run.span.0));
        template.last_seen = template.last_seen.max(UnixNanos(run.span.1));
        let Some(services) = services else { return };
        let name = services.values().as_string::<i32>().value(run.service);
        let room = template.services.len() < SERVICES_MAX;
        match template.services.iter_mut().find(|(known, _)| known == name) {
            Some((_, rows)) => *rows += run.rows,
            None if room => {
                template.services.push((name.to_owned(), run.rows));
            }
            None => {}
        }
    }
}

/// Which part of the range a time is in: mostly the one of the time before.
struct Part {
    trend: Trend,
    at: usize,
    from: i64,
    to: i64,
}

impl Part {
    fn new(trend: Trend) -> Self {
        Self { trend, at: usize::MAX, from: i64::MAX, to: i64::MIN }
    }

    /// The number of the part; past the last one if it is in none.
    fn of(&mut self, time: i64) -> usize {
        if time < self.from || time >= self.to {
            let Trend { from, width, .. } = self.trend;
            let part = time.saturating_sub(from).div_euclid(width.max(1));
            self.at = usize::try_from(part).unwrap_or(usize::MAX);
            self.from = from.saturating_add(part.saturating_mul(width));
            self.to = self.from.saturating_add(width);
        }
        self.at
    }
}
