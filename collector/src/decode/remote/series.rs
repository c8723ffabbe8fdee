//! From a series to its rows.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use model::UnixNanos;
use xxhash_rust::xxh3::xxh3_64;

use super::families::{Families, Family, FamilyType};
use super::histogram::NativeHistogram;
use super::labels::{Form, LabelList, Named};
use super::source::{Source, Sources, UNKNOWN_SERVICE};
use super::{RemoteWrite, STALE};
use crate::decode::Table;
use crate::decode::context::Context;
use crate::decode::metrics::{LabelledExemplar, LabelledRow, MetricTable};
use crate::decode::notes::Reason;
use crate::decode::resource::key_part;
use crate::decode::wire::{Fields, WireError};

/// How many bytes the rows and exemplars of a request may have, were each written out. A sample and a reference to a
/// symbol take two bytes on the wire: without it, they could stand for any number of long labels.
pub(super) const ROWS_BYTES_MAX: usize = 256 << 20;

/// What a row takes besides its texts, in bytes.
const ROW_BYTES: usize = 128;

/// The flag of a row that says that nothing was recorded.
const NO_RECORDED_VALUE: i64 = 1;

/// How many nanoseconds a millisecond has.
pub(super) const NANOS_PER_MILLI: i64 = 1_000_000;

const TOO_MUCH: Reason = "the samples and labels of one request are too many: send fewer at once";
const EXEMPLAR: Reason =
    "the labels of an exemplar must be UTF-8, sorted and not too long: stored without it";

/// Turns series into rows.
pub(super) struct SeriesWriter<'p, 'r> {
    form: &'r Form<'p>,
    version: RemoteWrite,
    families: &'r Families,
    table: MetricTable<'p>,
    sources: Sources<'p>,
    /// How many bytes further rows may have.
    bytes_left: usize,
    /// The labels of the series being read, and of one of its exemplars.
    labels: LabelList<'p>,
    exemplar_labels: LabelList<'p>,
    histogram: NativeHistogram,
    /// The attributes of the series, and of an exemplar, in their stored form.
    text: String,
    exemplar_text: String,
    /// What names the series.
    key: Vec<u8>,
}

/// A series but for its labels and points.
struct Head<'p> {
    /// Its bytes from the first field on that is no label.
    points: &'p [u8],
    /// How many samples and histograms it has.
    count: usize,
    exemplars: usize,
    created: i64,
    metadata: Option<&'p [u8]>,
}

/// What the rows of a series share.
struct Shared<'a> {
    metric: &'a str,
    family: Family<'a>,
    series: i64,
    /// When version 2 says that counting began, in milliseconds; 0 if it does not.
    created: i64,
    source: &'a Source,
}

/// A sample.
#[derive(Default)]
struct Sample {
    value: f64,
    time: i64,
    start: i64,
}

impl<'p, 'r> SeriesWriter<'p, 'r> {
    pub(super) fn new(form: &'r Form<'p>, version: RemoteWrite, families: &'r Families) -> Self {
        Self {
            form,
            version,
            families,
            table: MetricTable::default(),
            sources: Sources::default(),
            bytes_left: ROWS_BYTES_MAX,
            labels: LabelList::default(),
            exemplar_labels: LabelList::default(),
            histogram: NativeHistogram::default(),
            text: String::new(),
            exemplar_text: String::new(),
            key: Vec::new(),
        }
    }

    /// Adds the rows of a series, or notes why not.
    pub(super) fn push(&mut self, message: &'p [u8], context: &mut Context<'_>) -> Result<(), WireError> {
        let head = self.read_head(message, context)?;
        let named = self.labels.check(context.limits);
        let family = self.family(&head, named.as_ref().map_or("", |named| named.metric))?;
        let (named, family) = match (named, family) {
            (Ok(named), Ok(family)) => (named, family),
            (Err(reason), _) | (_, Err(reason)) => {
                let job = self.labels.get("job").filter(|job| !job.is_empty());
                context.notes.turn_to(job.unwrap_or(UNKNOWN_SERVICE));
                reject(reason, self.labels.metric(), head.count.max(1), context);
                return Ok(());
            }
        };
        let source = self.sources.get(named.job, named.instance);
        context.notes.turn_to(source.service());
        let row_bytes = self.labels.bytes() + family.bytes() + ROW_BYTES;
        if !self.spend(row_bytes.saturating_mul(head.count.max(1))) {
            reject(TOO_MUCH, named.metric, head.count.max(1), context);
            return Ok(());
        }
        let series = self.series_of(&named, &source);
        let shared = Shared { metric: named.metric, family, series, created: head.created, source: &source };
        self.push_points(&head, &shared, context)
    }

    /// All rows.
    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        self.table.finish()
    }

    /// Takes so many bytes of what rows may have; false if there is not enough.
    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(self.bytes_left);
        left.is_some()
    }

    /// Reads what stands beside the points, and counts these.
    fn read_head(&mut self, message: &'p [u8], context: &Context<'_>) -> Result<Head<'p>, WireError> {
        self.labels.clear();
        let mut head = Head { points: &[], count: 0, exemplars: 0, created: 0, metadata: None };
        let mut fields = Fields::new(message);
        loop {
            let rest = fields.rest();
            let Some(field) = fields.next().transpose()? else { break };
            if field.tag == 1 {
                self.labels.add(field, self.form, context.limits)?;
                continue;
            }
            if head.points.is_empty() {
                head.points = rest;
            }
            match (self.version, field.tag) {
                (_, 2) | (RemoteWrite::V1, 4) | (RemoteWrite::V2, 3) => head.count += 1,
                (RemoteWrite::V1, 3) | (RemoteWrite::V2, 4) => head.exemplars += 1,
                (RemoteWrite::V2, 5) => head.metadata = Some(field.bytes()?),
                (RemoteWrite::V2, 6) => head.created = field.varint()?.cast_signed(),
                _ => {}
            }
        }
        self.labels.settle(self.form);
        Ok(head)
    }

    /// What is known of the family of a series, or why what it says of it cannot be.
    fn family(&self, head: &Head<'p>, metric: &str) -> Result<Result<Family<'r>, Reason>, WireError> {
        match self.version {
            RemoteWrite::V1 => Ok(Ok(self.families.of(metric))),
            RemoteWrite::V2 => Family::read(head.metadata.unwrap_or_default(), self.form),
        }
    }

    /// The hash that names the series, of the parts that name one of OTLP.
    fn series_of(&mut self, named: &Named<'p>, source: &Source) -> i64 {
        self.text.clear();
        self.labels.write(&mut self.text);
        self.key.clear();
        self.key.extend_from_slice(source.key());
        key_part(&mut self.key, named.metric);
        key_part(&mut self.key, &self.text);
        xxh3_64(&self.key).cast_signed()
    }

    /// Adds the points. The first takes the exemplars of all; without any point they have a row of their own.
    fn push_points(
        &mut self,
        head: &Head<'p>,
        shared: &Shared<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), WireError> {
        let (histograms, exemplars) = match self.version {
            RemoteWrite::V1 => (4, 3),
            RemoteWrite::V2 => (3, 4),
        };
        let (mut waiting, mut last) = (0, i64::MIN);
        if head.exemplars > 0 {
            for field in Fields::new(head.points) {
                let field = field?;
                if field.tag == exemplars
                    && let Some(time) = self.push_exemplar(field.bytes()?, shared.metric, context)?
                {
                    (waiting, last) = (waiting + 1, last.max(time));
                }
            }
        }
        for field in Fields::new(head.points) {
            let field = field?;
            if field.tag == 2 {
                context.notes.begin();
                let sample = Sample::read(field.bytes()?)?;
                self.push_sample(&sample, shared, std::mem::take(&mut waiting));
            } else if field.tag == histograms {
                context.notes.begin();
                self.histogram.read(field.bytes()?)?;
                match self.histogram.lay_out() {
                    Ok(()) => self.push_histogram(shared, std::mem::take(&mut waiting)),
                    Err(reason) => context.notes.reject(reason, shared.metric.as_bytes()),
                }
            }
        }
        if waiting > 0 {
            let row = shared.row(last, 0);
            self.push_row(&row, shared.source, waiting);
        }
        Ok(())
    }

    fn push_sample(&mut self, sample: &Sample, shared: &Shared<'_>, exemplars: usize) {
        let stale = sample.value.to_bits() == STALE;
        let row = LabelledRow {
            value: (!stale).then_some(sample.value),
            flags: if stale { NO_RECORDED_VALUE } else { 0 },
            ..shared.row(sample.time, sample.start)
        };
        self.push_row(&row, shared.source, exemplars);
    }

    fn push_histogram(&mut self, shared: &Shared<'_>, exemplars: usize) {
        // Taken out while its row is written, and put back for its room.
        let histogram = std::mem::take(&mut self.histogram);
        let distribution = histogram.distribution();
        let row = LabelledRow {
            kind: "exponential_histogram",
            temporality: Some("cumulative"),
            monotonic: None,
            flags: if histogram.is_stale() { NO_RECORDED_VALUE } else { 0 },
            distribution: Some(&distribution),
            ..shared.row(histogram.time, histogram.start)
        };
        self.push_row(&row, shared.source, exemplars);
        self.histogram = histogram;
    }

    fn push_row(&mut self, row: &LabelledRow<'_>, source: &Source, exemplars: usize) {
        for (name, value) in self.labels.attributes() {
            self.table.envelope.attributes.put_str(name, value);
        }
        self.table.exemplars.end_row(exemplars);
        self.table.append_labelled(row);
        self.table.envelope.close_labelled(source.service(), source.instance(), source.attributes());
    }

    /// Adds an exemplar; gives its time, or nothing if its labels are bad.
    fn push_exemplar(
        &mut self,
        message: &'p [u8],
        metric: &str,
        context: &mut Context<'_>,
    ) -> Result<Option<i64>, WireError> {
        let labels = &mut self.exemplar_labels;
        labels.clear();
        let (mut value, mut time) = (0.0, 0);
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => labels.add(field, self.form, context.limits)?,
                2 => value = field.double()?,
                3 => time = field.varint()?.cast_signed(),
                _ => {}
            }
        }
        labels.settle(self.form);
        let checked = labels.check_order(context.limits);
        let bytes = labels.bytes() + ROW_BYTES;
        if checked.is_err() || !self.spend(bytes) {
            context.notes.warn(EXEMPLAR, metric.as_bytes());
            return Ok(None);
        }
        let labels = &mut self.exemplar_labels;
        let (trace_id, span_id) = (labels.take_id("trace_id"), labels.take_id("span_id"));
        self.exemplar_text.clear();
        labels.write(&mut self.exemplar_text);
        let attributes = &self.exemplar_text;
        self.table.exemplars.add(&LabelledExemplar {
            time: nanos(time),
            value,
            trace_id,
            span_id,
            attributes,
        });
        Ok(Some(time))
    }
}

impl<'a> Shared<'a> {
    /// A row without value at this time, in milliseconds; `start` is 0 if the point does not say when counting began.
    fn row(&self, time: i64, start: i64) -> LabelledRow<'a> {
        let start = if start == 0 { self.created } else { start };
        let family = &self.family;
        let (kind, temporality, monotonic) = match family.kind {
            FamilyType::Counter => ("sum", Some("cumulative"), Some(true)),
            FamilyType::Gauge => ("gauge", None, None),
            _ => ("unknown", None, None),
        };
        LabelledRow {
            metric: self.metric,
            kind,
            unit: family.unit,
            description: family.help,
            temporality,
            monotonic,
            time: nanos(time),
            start: (start != 0).then(|| nanos(start)),
            value: None,
            distribution: None,
            flags: 0,
            series: self.series,
            metadata: family.metadata,
        }
    }
}

impl Sample {
    fn read(message: &[u8]) -> Result<Self, WireError> {
        let mut sample = Self::default();
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => sample.value = field.double()?,
                2 => sample.time = field.varint()?.cast_signed(),
                3 => sample.start = field.varint()?.cast_signed(),
                _ => {}
            }
        }
        Ok(sample)
    }
}

/// Notes that so many points of a metric are rejected.
fn reject(reason: Reason, metric: &str, points: usize, context: &mut Context<'_>) {
    for _ in 0..points {
        context.notes.begin();
        context.notes.reject(reason, metric.as_bytes());
    }
}

/// A time in milliseconds as it is stored.
fn nanos(millis: i64) -> UnixNanos {
    UnixNanos(millis.saturating_mul(NANOS_PER_MILLI))
}
