//! What the newest rows hold: keys of attributes and values of columns, to complete a search with.
//!
//! Nothing here reads a segment whole. Keys come from the footers, which list the attributes that have a column, and
//! like values from a sample of rows: some from the newest memtables and segments, at even places of each, since the
//! rows of a segment of logs stand by service.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use model::{AnyValue, Level, Signal, TimeRange, attributes, packed};
use roaring::RoaringBitmap;

use crate::columns::{REST, key_of};
use crate::error::Result;
use crate::scan::Control;
use crate::segment::{Segment, Selection, Wanted};
use crate::snapshot::{Snapshot, Table};

/// How many footers are looked at.
const FOOTERS_MAX: usize = 32;
/// How many segments a sample is taken from.
const SEGMENTS_MAX: usize = 8;
/// At how many places of a segment rows are taken.
const PLACES: usize = 3;
/// How many rows are taken at a place, and of a batch in memory.
const PLACE_ROWS: usize = 1024;
/// The most rows of a sample.
const SAMPLE_ROWS_MAX: usize = 20_000;
/// The most different keys or values that are told apart.
const DISTINCT_MAX: usize = 10_000;

/// Where values are looked for.
#[derive(Debug, Clone, Copy)]
pub enum Surveyed<'a> {
    /// A column of text.
    Column(&'static str),
    /// An attribute at a level, under any of these names.
    Attribute(Level, &'a [&'a str]),
}

impl Snapshot {
    /// Keys of attributes, of the record, its scope and its resource. The count is that of the rows which have it in
    /// a column; none where it was only seen in a sample.
    pub fn attribute_keys(
        &self,
        signal: Signal,
        range: TimeRange,
        control: &Control,
    ) -> Result<BTreeMap<String, Option<u64>>> {
        let table = self.table(signal);
        let mut keys: BTreeMap<String, Option<u64>> = BTreeMap::new();
        let mut add = |key: &str, rows: Option<u64>| {
            if keys.len() < DISTINCT_MAX || keys.contains_key(key) {
                let known = keys.entry(key.to_owned()).or_default();
                *known = rows.map(|rows| known.unwrap_or(0) + rows).or(*known);
            }
        };
        for segment in newest_segments(table, range).into_iter().take(FOOTERS_MAX) {
            if control.check()?.is_break() {
                break;
            }
            let footer = segment.footer()?;
            let columns = footer.attributes.iter().flatten();
            columns.for_each(|column| add(&column.key, Some(column.rows)));
        }
        for rows in table.fresh.iter().filter(|rows| range.overlaps(rows.first, rows.last)) {
            for (field, column) in rows.batch.schema_ref().fields().iter().zip(rows.batch.columns()) {
                if let Some(key) = key_of(field.name()) {
                    add(key, Some((column.len() - column.null_count()) as u64));
                }
            }
        }
        // A column of no attribute brings the rest along.
        let rest = packed::field_name("");
        let columns = [rest.as_str(), "scope_attributes", "resource_attributes"];
        sample(table, range, &columns, control, &mut |rows| {
            let mut last = String::new();
            for column in [REST, "scope_attributes", "resource_attributes"] {
                for stored in distinct_texts(rows, column) {
                    if stored != last {
                        attributes::parse(stored).iter().for_each(|(key, _)| add(key, None));
                        stored.clone_into(&mut last);
                    }
                }
            }
        })?;
        keys.retain(|_, rows| *rows != Some(0));
        Ok(keys)
    }

    /// The names of the services of the newest segments, as far as their footers list them.
    pub fn service_names(
        &self,
        signal: Signal,
        range: TimeRange,
        control: &Control,
    ) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for segment in newest_segments(self.table(signal), range).into_iter().take(FOOTERS_MAX) {
            if control.check()?.is_break() || names.len() >= DISTINCT_MAX {
                break;
            }
            names.extend(segment.footer()?.services.iter().flatten().cloned());
        }
        Ok(names)
    }

    /// How often each value occurs in a sample of rows.
    pub fn value_counts(
        &self,
        signal: Signal,
        range: TimeRange,
        of: Surveyed<'_>,
        control: &Control,
    ) -> Result<HashMap<String, u64>> {
        let columns: Vec<String> = match of {
            Surveyed::Column(column) => vec![column.to_owned()],
            Surveyed::Attribute(level, names) => {
                let own = names.iter().map(|name| packed::field_name(name));
                let own = own.filter(|_| matches!(level, Level::Any | Level::Record));
                own.chain(outer_columns(level).iter().map(|column| (*column).to_owned())).collect()
            }
        };
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut counts: HashMap<String, u64> = HashMap::new();
        sample(self.table(signal), range, &columns, control, &mut |rows| {
            for row in 0..rows.num_rows() {
                let Some(value) = value_of(rows, row, of) else { continue };
                if counts.len() < DISTINCT_MAX || counts.contains_key(&value) {
                    *counts.entry(value).or_default() += 1;
                }
            }
        })?;
        Ok(counts)
    }
}

/// The columns of attributes that are not the record's.
fn outer_columns(level: Level) -> &'static [&'static str] {
    match level {
        Level::Any => &["scope_attributes", "resource_attributes"],
        Level::Scope => &["scope_attributes"],
        Level::Resource => &["resource_attributes"],
        Level::Record | Level::Event => &[],
    }
}

fn newest_segments(table: &Table, range: TimeRange) -> Vec<&Segment> {
    let inside = table.segments.iter().map(AsRef::as_ref);
    let inside = inside.filter(|segment: &&Segment| range.overlaps(segment.meta.first, segment.meta.last));
    let mut segments: Vec<&Segment> = inside.collect();
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.meta.last));
    segments
}

/// Shows some of the newest rows, for as long as the control allows.
fn sample(
    table: &Table,
    range: TimeRange,
    columns: &[&str],
    control: &Control,
    each: &mut dyn FnMut(&RecordBatch),
) -> Result<()> {
    let mut shown = 0;
    for rows in table.fresh.iter().rev().filter(|rows| range.overlaps(rows.first, rows.last)) {
        if control.check()?.is_break() || shown >= SAMPLE_ROWS_MAX {
            return Ok(());
        }
        let part = rows.batch.slice(0, rows.batch.num_rows().min(PLACE_ROWS));
        shown += part.num_rows();
        each(&part);
    }
    for segment in newest_segments(table, range).into_iter().take(SEGMENTS_MAX) {
        let selection = Selection { rows: Some(places(segment.meta.rows)), range: TimeRange::ALL };
        for batch in segment.read(Wanted::Columns(columns), &selection)?.0 {
            if control.check()?.is_break() || shown >= SAMPLE_ROWS_MAX {
                return Ok(());
            }
            let batch = batch?;
            shown += batch.num_rows();
            each(&batch);
        }
    }
    Ok(())
}

/// Rows at even places of a segment, the last ones among them.
fn places(rows: u64) -> RoaringBitmap {
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    let mut chosen = RoaringBitmap::new();
    for place in 1..=PLACES as u32 {
        let end = (u64::from(rows) * u64::from(place) / PLACES as u64) as u32;
        chosen.insert_range(end.saturating_sub(PLACE_ROWS as u32)..end);
    }
    chosen
}

/// The texts of a column, those of a dictionary once.
fn distinct_texts<'a>(rows: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    let Some(column) = rows.column_by_name(column) else { return Vec::new() };
    if let Some(texts) = column.as_string_opt::<i32>() {
        return texts.iter().flatten().collect();
    }
    let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else { return Vec::new() };
    let Some(values) = dictionary.values().as_string_opt::<i32>() else { return Vec::new() };
    let used: BTreeSet<i32> = dictionary.keys().iter().flatten().collect();
    used.into_iter().filter_map(|key| Some(values.value(usize::try_from(key).ok()?))).collect()
}

/// The value of a row as text.
fn value_of(rows: &RecordBatch, row: usize, of: Surveyed<'_>) -> Option<String> {
    let (level, names) = match of {
        Surveyed::Column(column) => return text_at(rows.column_by_name(column)?, row),
        Surveyed::Attribute(level, names) => (level, names),
    };
    let own = matches!(level, Level::Any | Level::Record);
    let stored = |column: &str, name: &str| {
        let column = rows.column_by_name(column)?;
        let text = text_ref(column, row)?;
        Some(attributes::get(text, name)?.text()?.into_owned())
    };
    names.iter().find_map(|name| {
        let in_column = || text_at(rows.column_by_name(&packed::field_name(name))?, row);
        let of_record = if own { in_column().or_else(|| stored(REST, name)) } else { None };
        of_record.or_else(|| outer_columns(level).iter().find_map(|column| stored(column, name)))
    })
}

fn text_ref(column: &ArrayRef, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Some(texts.value(row));
    }
    let dictionary = column.as_dictionary_opt::<Int32Type>()?;
    Some(dictionary.values().as_string_opt::<i32>()?.value(dictionary.key(row)?))
}

fn text_at(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    let value = match column.data_type() {
        DataType::Int64 => AnyValue::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => AnyValue::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => AnyValue::Bool(column.as_boolean().value(row)),
        _ => return text_ref(column, row).map(str::to_owned),
    };
    value.text().map(|text| text.into_owned())
}
