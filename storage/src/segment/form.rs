//! The form of rows in `data.parquet`: packed rows, without what follows from other columns.
//!
//! | column of the table | in the file |
//! |---|---|
//! | `end_time` | null where it is `start_time` plus `duration_ns` |
//! | `observed_time` | null where `observed_delay_ns`, its distance from `time`, is there |
//! | `severity` | null where it follows from `severity_number`; empty text: it is null although it would follow |
//! | `service_namespace`, `deployment_environment`, `service_version`, `service_instance_id` | likewise, from `resource_attributes` |
//! | `body` | null where `body_template` and `body_variables` hold it (`crate::templates`) |
//!
//! A value that is there always wins, so a file of the first format, which holds all of them, is read the
//! same way.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    StringBuilder, StringDictionaryBuilder, TimestampNanosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{
    DataType, Field, FieldRef, Int32Type, Int64Type, Schema, SchemaRef, TimestampNanosecondType,
};
use hashbrown::HashMap;
use model::{Signal, attributes, schema};

use crate::columns::{Layout, REST, key_of};
use crate::error::{Result, StoreError};
use crate::templates::{self, Miner, TEMPLATE_ID};

/// The template of a body, its places of variables marked.
pub(crate) const BODY_TEMPLATE: &str = "body_template";
/// The variables of a body, joined.
pub(crate) const BODY_VARIABLES: &str = "body_variables";
/// Asked for instead of `body`, gives what the file holds of it as it is: the bodies that are whole under this name,
/// and templates and variables under theirs. Asked for the identity of the template, a file gives the template.
pub(crate) const BODY_PARTS: &str = "body_parts";
/// Nanoseconds from the time of a log record to its observed time.
const OBSERVED_DELAY: &str = "observed_delay_ns";
/// Stands for null where a value would follow from another column.
const NOTHING: &str = "";

/// Columns that follow from the resource's attributes: the attributes, the first that is there counts.
const FROM_RESOURCE: [(&str, &[&str]); 4] = [
    ("service_namespace", &["service.namespace"]),
    ("deployment_environment", &["deployment.environment.name", "deployment.environment"]),
    ("service_version", &["service.version"]),
    ("service_instance_id", &["service.instance.id", "k8s.pod.name", "host.name"]),
];

/// The columns of a file for a layout.
pub(super) fn file_schema(layout: &Layout) -> SchemaRef {
    let mut fields: Vec<FieldRef> = Vec::new();
    for field in layout.schema.fields() {
        match field.name().as_str() {
            "end_time" => fields.push(Arc::new(field.as_ref().clone().with_nullable(true))),
            "observed_time" => {
                fields.push(Arc::clone(field));
                fields.push(Arc::new(Field::new(OBSERVED_DELAY, DataType::Int64, true)));
            }
            "body" => {
                fields.push(Arc::clone(field));
                fields.push(Arc::new(Field::new(BODY_TEMPLATE, schema::dictionary(), true)));
                fields.push(Arc::new(Field::new(BODY_VARIABLES, DataType::Utf8, true)));
            }
            _ => fields.push(Arc::clone(field)),
        }
    }
    Arc::new(Schema::new(fields))
}

/// The columns of a file that a column of the table is made from, as far as the file has them.
fn parts(column: &str) -> Vec<&'static str> {
    match column {
        "end_time" => vec!["start_time", "duration_ns"],
        "observed_time" => vec![OBSERVED_DELAY, "time"],
        "severity" => vec!["severity_number"],
        "body" => vec![BODY_TEMPLATE, BODY_VARIABLES],
        BODY_PARTS => vec!["body", BODY_TEMPLATE, BODY_VARIABLES],
        TEMPLATE_ID => vec![BODY_TEMPLATE],
        name if FROM_RESOURCE.iter().any(|(column, _)| *column == name) => vec!["resource_attributes"],
        _ => Vec::new(),
    }
}

/// The columns to read from a file with `names` so that [`unfold`] can give `wanted`; all if `wanted` is none.
pub(crate) fn file_columns<'a>(names: impl Iterator<Item = &'a str>, wanted: Wanted<'_>) -> Vec<&'a str> {
    let needed = |name: &str| match wanted {
        Wanted::All => true,
        Wanted::Columns(columns) => columns.iter().any(|column| {
            *column == name
                || parts(column).contains(&name)
                || (*column == REST && key_of(name).is_some())
                || (key_of(column).is_some() && name == REST)
        }),
    };
    names.filter(|name| needed(name)).collect()
}

/// Which columns are asked for: names of the table's columns, where `attributes` means all of them, and
/// `attributes.key` one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    All,
    Columns(&'a [&'a str]),
}

impl Wanted<'_> {
    fn has(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Columns(columns) => {
                let of_all = || key_of(name).is_some() && columns.contains(&REST);
                let rest = || name == REST && columns.iter().any(|column| key_of(column).is_some());
                columns.contains(&name) || of_all() || rest()
            }
        }
    }
}

/// Rows of a file in packed form.
pub(crate) fn unfold(signal: Signal, batch: &RecordBatch, wanted: Wanted<'_>) -> Result<RecordBatch> {
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema::stored(signal).fields() {
        if !wanted.has(field.name()) {
            continue;
        }
        let column = match column(batch, field)? {
            Some(column) => column,
            // Written before there was such a column.
            None if schema::is_late(field.name()) => new_null_array(field.data_type(), batch.num_rows()),
            None => continue,
        };
        let nullable = field.is_nullable() || field.name() == REST;
        fields.push(Arc::new(field.as_ref().clone().with_nullable(nullable)));
        columns.push(column);
    }
    let body_parts = matches!(wanted, Wanted::Columns(columns) if columns.contains(&BODY_PARTS));
    let template = body_parts || matches!(wanted, Wanted::Columns(columns) if columns.contains(&TEMPLATE_ID));
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        match field.name().as_str() {
            name if key_of(name).is_some() && wanted.has(name) => fields.push(Arc::clone(field)),
            "body" if body_parts => fields.push(Arc::new(field.as_ref().clone().with_name(BODY_PARTS))),
            BODY_TEMPLATE if template => fields.push(Arc::clone(field)),
            BODY_VARIABLES if body_parts => fields.push(Arc::clone(field)),
            _ => continue,
        }
        columns.push(Arc::clone(column));
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// A column of the table from the columns of a file; `None` if the file has nothing of it.
pub(crate) fn column(batch: &RecordBatch, field: &Field) -> Result<Option<ArrayRef>> {
    let Some(there) = batch.column_by_name(field.name()) else { return Ok(None) };
    Ok(Some(match field.name().as_str() {
        "end_time" if there.null_count() > 0 => end_times(batch, there)?,
        "observed_time" if batch.column_by_name(OBSERVED_DELAY).is_some() => observed_times(batch, there)?,
        "severity" => severities(batch, there)?,
        "body" if batch.column_by_name(BODY_TEMPLATE).is_some() => bodies(batch, there)?,
        name => match FROM_RESOURCE.iter().find(|(column, _)| *column == name) {
            Some((_, keys)) => from_resource(batch, there, keys)?,
            None => Arc::clone(there),
        },
    }))
}

fn lacking(column: &str) -> StoreError {
    StoreError::Arrow(arrow::error::ArrowError::SchemaError(format!("a file lacks the column {column}")))
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a TimestampNanosecondArray> {
    let column = batch.column_by_name(name);
    column
        .and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>())
        .ok_or_else(|| lacking(name))
}

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
    column.ok_or_else(|| lacking(name))
}

fn texts<'a>(column: &'a ArrayRef, name: &str) -> Result<&'a DictionaryArray<Int32Type>> {
    column.as_dictionary_opt::<Int32Type>().ok_or_else(|| lacking(name))
}

fn end_times(batch: &RecordBatch, there: &ArrayRef) -> Result<ArrayRef> {
    let starts = times(batch, "start_time")?.values();
    let durations = numbers(batch, "duration_ns")?.values();
    let there = there.as_primitive::<TimestampNanosecondType>();
    let end = |row: usize| match there.is_valid(row) {
        true => there.value(row),
        false => starts[row].wrapping_add(durations[row]),
    };
    let ends = TimestampNanosecondArray::from_iter_values((0..there.len()).map(end));
    Ok(Arc::new(ends.with_timezone("UTC")))
}

fn observed_times(batch: &RecordBatch, there: &ArrayRef) -> Result<ArrayRef> {
    let delays = numbers(batch, OBSERVED_DELAY)?;
    let times = times(batch, "time")?.values();
    let there = there.as_primitive::<TimestampNanosecondType>();
    let observed = |row: usize| match there.is_valid(row) {
        true => Some(there.value(row)),
        false => delays.is_valid(row).then(|| times[row].wrapping_add(delays.value(row))),
    };
    let observed: TimestampNanosecondArray = (0..there.len()).map(observed).collect();
    Ok(Arc::new(observed.with_timezone("UTC")))
}

/// The level a severity number lies in.
fn level(number: i64) -> Option<&'static str> {
    const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
    (1..=24).contains(&number).then(|| LEVELS[(number as usize - 1) / 4])
}

fn severities(batch: &RecordBatch, there: &ArrayRef) -> Result<ArrayRef> {
    let Ok(numbers) = numbers(batch, "severity_number") else { return Ok(Arc::clone(there)) };
    let there = texts(there, "severity")?;
    let follows = |row: usize| numbers.is_valid(row).then(|| numbers.value(row)).and_then(level);
    Ok(Arc::new(overridden(there, follows)))
}

/// Texts that are there, and else what follows.
fn overridden<'a>(
    there: &'a DictionaryArray<Int32Type>,
    follows: impl Fn(usize) -> Option<&'a str>,
) -> DictionaryArray<Int32Type> {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    let values = there.values().as_string::<i32>();
    // Rows in a row often have the same text.
    let mut last: Option<(&str, i32)> = None;
    let mut keys: Vec<Option<i32>> = Vec::with_capacity(there.len());
    for row in 0..there.len() {
        let text = match there.key(row) {
            Some(key) => Some(values.value(key)).filter(|text| *text != NOTHING),
            None => follows(row),
        };
        keys.push(match (text, last) {
            (None, _) => None,
            (Some(text), Some((before, key))) if std::ptr::eq(text, before) => Some(key),
            (Some(text), _) => {
                let key = builder.append(text).unwrap_or_default();
                last = Some((text, key));
                Some(key)
            }
        });
    }
    let values = builder.finish();
    let keys: Int32Array = keys.into_iter().collect();
    DictionaryArray::try_new(keys, Arc::clone(values.values())).unwrap_or(values)
}

/// What follows from each distinct resource.
fn resource_texts(resources: &DictionaryArray<Int32Type>, keys: &[&str]) -> Vec<Option<String>> {
    let text = |stored: Option<&str>| {
        let stored = stored?;
        let found = keys.iter().find_map(|key| attributes::get(stored, key))?;
        found.text().filter(|text| !text.is_empty()).map(|text| text.into_owned())
    };
    resources.values().as_string::<i32>().iter().map(text).collect()
}

fn from_resource(batch: &RecordBatch, there: &ArrayRef, keys: &[&str]) -> Result<ArrayRef> {
    let Some(resources) = batch.column_by_name("resource_attributes") else { return Ok(Arc::clone(there)) };
    let resources = texts(resources, "resource_attributes")?;
    let follows = resource_texts(resources, keys);
    let there = texts(there, keys[0])?;
    if there.null_count() == there.len() {
        // The usual case: one text for each resource, no row looked at.
        let values: StringArray = follows.into_iter().collect();
        let mapped = DictionaryArray::try_new(resources.keys().clone(), Arc::new(values))?;
        return Ok(Arc::new(without_null_values(&mapped)?));
    }
    let follows = |row: usize| resources.key(row).and_then(|key| follows[key].as_deref());
    Ok(Arc::new(overridden(there, follows)))
}

/// The same texts, nulls in the keys alone.
fn without_null_values(texts: &DictionaryArray<Int32Type>) -> Result<DictionaryArray<Int32Type>> {
    if texts.values().null_count() == 0 {
        return Ok(texts.clone());
    }
    let values = texts.values().as_string::<i32>();
    let keys: Int32Array = (0..texts.len())
        .map(|row| texts.key(row).filter(|key| values.is_valid(*key)).map(|key| key as i32))
        .collect();
    let filled: StringArray = values.iter().map(|text| Some(text.unwrap_or_default())).collect();
    Ok(DictionaryArray::try_new(keys, Arc::new(filled))?)
}

fn bodies(batch: &RecordBatch, there: &ArrayRef) -> Result<ArrayRef> {
    let there = there.as_string_opt::<i32>().ok_or_else(|| lacking("body"))?;
    let template = batch.column_by_name(BODY_TEMPLATE).ok_or_else(|| lacking(BODY_TEMPLATE))?;
    let template = texts(template, BODY_TEMPLATE)?;
    let variables = batch.column_by_name(BODY_VARIABLES).and_then(|column| column.as_string_opt::<i32>());
    let variables = variables.ok_or_else(|| lacking(BODY_VARIABLES))?;
    let literal: StringArray = template.values().as_string::<i32>().clone();
    let mut out = StringBuilder::with_capacity(there.len(), variables.value_data().len() * 3);
    let mut text = String::new();
    for row in 0..there.len() {
        if there.is_valid(row) {
            out.append_value(there.value(row));
            continue;
        }
        let Some(key) = template.key(row) else {
            out.append_null();
            continue;
        };
        text.clear();
        let variables = if variables.is_valid(row) { variables.value(row) } else { "" };
        if !templates::join(literal.value(key), variables, &mut text) {
            let what = "the variables of a log body do not fit its template".to_owned();
            return Err(StoreError::Arrow(arrow::error::ArrowError::ParseError(what)));
        }
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

/// Brings packed rows into the form of a file.
pub(super) struct Folder {
    schema: SchemaRef,
    miner: Miner,
}

impl Folder {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { schema: file_schema(layout), miner: Miner::default() }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A block of packed rows as it stands in the file. Bodies of one template are put side by side, so the
    /// rows of the block may change places.
    pub(super) fn fold(&mut self, block: &RecordBatch) -> Result<RecordBatch> {
        let split = match block.column_by_name("body") {
            Some(bodies) => Some(self.split(bodies)?),
            None => None,
        };
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        let schema = Arc::clone(&self.schema);
        for field in schema.fields() {
            columns.push(self.column(block, field, split.as_ref())?);
        }
        let folded = RecordBatch::try_new(schema, columns)?;
        match split {
            Some(split) if !split.order.is_sorted() => {
                Ok(take_record_batch(&folded, &UInt32Array::from(split.order))?)
            }
            _ => Ok(folded),
        }
    }

    fn column(&mut self, block: &RecordBatch, field: &Field, split: Option<&Split>) -> Result<ArrayRef> {
        let name = field.name().as_str();
        let there = || block.column_by_name(name).ok_or_else(|| lacking(name));
        let split = || split.ok_or_else(|| lacking("body"));
        Ok(match name {
            "end_time" => folded_end_times(block, there()?)?,
            "observed_time" => Arc::new(delays(block)?.0),
            OBSERVED_DELAY => Arc::new(delays(block)?.1),
            "severity" => {
                let numbers = numbers(block, "severity_number")?;
                let follows = |row: usize| numbers.is_valid(row).then(|| numbers.value(row)).and_then(level);
                Arc::new(override_of(texts(there()?, name)?, follows))
            }
            "body" => Arc::clone(&split()?.whole),
            BODY_TEMPLATE => Arc::clone(&split()?.template),
            BODY_VARIABLES => Arc::clone(&split()?.variables),
            _ => match FROM_RESOURCE.iter().find(|(column, _)| *column == name) {
                Some((_, keys)) => {
                    // Rows that are rolled up have no resource that anything could follow from.
                    let Some(resources) = block.column_by_name("resource_attributes") else {
                        return Ok(Arc::clone(there()?));
                    };
                    override_of_resource(there()?, texts(resources, "resource_attributes")?, keys)?
                }
                None => Arc::clone(there()?),
            },
        })
    }

    fn split(&mut self, bodies: &ArrayRef) -> Result<Split> {
        let bodies = bodies.as_string_opt::<i32>().ok_or_else(|| lacking("body"))?;
        let mut whole = StringBuilder::new();
        let mut variables = StringBuilder::with_capacity(bodies.len(), bodies.value_data().len() / 4);
        // Keys of this block's templates, in the order in which they first come.
        let mut places: HashMap<templates::TemplateNumber, i32> = HashMap::new();
        let mut names: Vec<templates::TemplateNumber> = Vec::new();
        let mut keys: Vec<Option<i32>> = Vec::with_capacity(bodies.len());
        let mut scratch = String::new();
        for body in bodies {
            scratch.clear();
            let number = body.and_then(|body| self.miner.split(body, &mut scratch));
            match number {
                Some(number) => {
                    let key = *places.entry(number).or_insert_with(|| {
                        names.push(number);
                        names.len() as i32 - 1
                    });
                    keys.push(Some(key));
                    variables.append_value(&scratch);
                    whole.append_null();
                }
                None => {
                    keys.push(None);
                    variables.append_null();
                    whole.append_option(body);
                }
            }
        }
        let mut order: Vec<u32> = (0..bodies.len() as u32).collect();
        order.sort_by_key(|row| keys[*row as usize]);
        let values: StringArray = names.iter().map(|number| Some(self.miner.template(*number))).collect();
        let template = DictionaryArray::try_new(keys.into_iter().collect::<Int32Array>(), Arc::new(values))?;
        Ok(Split {
            whole: Arc::new(whole.finish()),
            template: Arc::new(template),
            variables: Arc::new(variables.finish()),
            order,
        })
    }
}

/// Bodies cut apart.
struct Split {
    whole: ArrayRef,
    template: ArrayRef,
    variables: ArrayRef,
    /// The rows by template.
    order: Vec<u32>,
}

/// Texts as they stand in a file: null where they follow from the resource.
fn override_of_resource(
    there: &ArrayRef,
    resources: &DictionaryArray<Int32Type>,
    keys: &[&str],
) -> Result<ArrayRef> {
    let texts = texts(there, keys[0])?;
    let (values, stored) = (texts.values().as_string::<i32>(), resources.values().as_string::<i32>());
    // What follows from each resource that is met, and the key of a text that was found to be it.
    let mut met: HashMap<usize, (Option<String>, Option<usize>)> = HashMap::new();
    let mut last: Option<(usize, Option<usize>)> = None;
    let mut all = true;
    for row in 0..texts.len() {
        let Some(resource) = resources.key(row) else {
            all &= texts.is_null(row);
            continue;
        };
        let text = texts.key(row);
        if last == Some((resource, text)) {
            continue;
        }
        let (follows, known) = met.entry(resource).or_insert_with(|| {
            let found = keys.iter().find_map(|key| attributes::get(stored.value(resource), key));
            let text = found.and_then(|found| found.text().map(|text| text.into_owned()));
            (text.filter(|text| !text.is_empty()), None)
        });
        let same = match text {
            Some(text) if *known == Some(text) => true,
            Some(text) => follows.as_deref() == Some(values.value(text)),
            None => follows.is_none(),
        };
        if !same {
            all = false;
            break;
        }
        *known = text;
        last = Some((resource, text));
    }
    if all {
        return Ok(new_null_array(there.data_type(), there.len()));
    }
    let follows = resource_texts(resources, keys);
    let follows = |row: usize| resources.key(row).and_then(|key| follows[key].as_deref());
    Ok(Arc::new(override_of(texts, follows)))
}

/// Texts as they stand in a file: null where they follow.
fn override_of<'a>(
    texts: &'a DictionaryArray<Int32Type>,
    follows: impl Fn(usize) -> Option<&'a str>,
) -> DictionaryArray<Int32Type> {
    let values = texts.values().as_string::<i32>();
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for row in 0..texts.len() {
        let text = texts.key(row).map(|key| values.value(key));
        match (text, follows(row)) {
            (text, follows) if text == follows => builder.append_null(),
            (Some(text), _) => builder.append_value(text),
            (None, _) => builder.append_value(NOTHING),
        }
    }
    builder.finish()
}

fn folded_end_times(block: &RecordBatch, there: &ArrayRef) -> Result<ArrayRef> {
    let starts = times(block, "start_time")?.values();
    let durations = numbers(block, "duration_ns")?.values();
    let ends = there.as_primitive_opt::<TimestampNanosecondType>().ok_or_else(|| lacking("end_time"))?;
    let values = ends.values();
    if (0..values.len()).all(|row| starts[row].wrapping_add(durations[row]) == values[row]) {
        return Ok(new_null_array(ends.data_type(), values.len()));
    }
    let kept = |row: usize| {
        let follows = starts[row].wrapping_add(durations[row]) == values[row];
        (!follows).then(|| values[row])
    };
    let kept: TimestampNanosecondArray = (0..values.len()).map(kept).collect();
    Ok(Arc::new(kept.with_timezone("UTC")))
}

/// Observed times that stand as they are, and the distances of the others.
fn delays(block: &RecordBatch) -> Result<(TimestampNanosecondArray, Int64Array)> {
    let (observed, times) = (times(block, "observed_time")?, times(block, "time")?.values());
    let delay = |row: usize| match observed.is_valid(row) {
        true => observed.value(row).checked_sub(times[row]),
        false => None,
    };
    let delays: Int64Array = (0..observed.len()).map(delay).collect();
    let kept = |row: usize| (observed.is_valid(row) && delays.is_null(row)).then(|| observed.value(row));
    let kept: TimestampNanosecondArray = (0..observed.len()).map(kept).collect();
    Ok((kept.with_timezone("UTC"), delays))
}

#[cfg(test)]
mod tests;
