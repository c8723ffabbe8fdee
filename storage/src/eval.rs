//! A predicate on a batch: one bit a row.
//!
//! A test of a dictionary column is made once per distinct value. A field or attribute that is absent fails
//! every test; only `Not` turns that around.

mod sets;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, DictionaryArray, ListArray, RecordBatch,
    StringArray, StructArray,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Int32Type};
use model::{AnyValue, Field, Level, Predicate, Signal, Test, TraceSet, attributes, packed};
use regex::Regex;

use crate::columns::REST;
use crate::error::{Result, StoreError};
use crate::segment::form::{BODY_PARTS, BODY_TEMPLATE, BODY_VARIABLES};
use crate::templates::{self, TEMPLATE_ID};
use crate::text::{InTemplate, Phrase};

pub(crate) use sets::Traces;

/// The largest compiled regular expression in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// The attribute whose text belongs to a row's full text.
pub(crate) const EXCEPTION_MESSAGE: &str = "exception.message";

/// A predicate made ready for many batches of one signal.
#[derive(Debug)]
pub(crate) struct Filter {
    signal: Signal,
    node: Node,
}

#[derive(Debug)]
enum Node {
    All,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Text(Phrase),
    /// A column by name.
    Column(&'static str, Match),
    /// A log's severity, by number.
    SeverityNumber(Match),
    /// The name of any of a span's events.
    EventName(Match),
    Attribute(Level, Key, Match),
    Traces(sets::Traces),
    /// Rows by their `seq`, in ascending order.
    Rows(Arc<[i64]>),
}

#[derive(Debug)]
enum Match {
    Exists,
    Equals(String),
    Regex(Regex),
    Compare(model::predicate::Compare, f64),
}

/// The key of an attribute in the forms that are looked up.
#[derive(Debug)]
struct Key {
    /// As it stands in stored text.
    quoted: String,
    /// The name of its column.
    column: String,
}

impl Key {
    fn new(key: &str) -> Self {
        Self { quoted: attributes::quote(key), column: packed::field_name(key) }
    }
}

impl Filter {
    /// Prepares a predicate.
    pub(crate) fn new(signal: Signal, predicate: &Predicate) -> Result<Self> {
        Ok(Self { signal, node: prepare(signal, predicate)? })
    }

    /// The columns that [`Self::evaluate`] reads.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        self.node.columns(self.signal, &mut columns);
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// One bit a row: whether it passes.
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> BooleanArray {
        BooleanArray::new(self.node.evaluate(self.signal, batch), None)
    }
}

fn prepare(signal: Signal, predicate: &Predicate) -> Result<Node> {
    let all =
        |parts: &[Predicate]| parts.iter().map(|part| prepare(signal, part)).collect::<Result<Vec<_>>>();
    Ok(match predicate {
        Predicate::All => Node::All,
        Predicate::And(parts) => Node::And(all(parts)?),
        Predicate::Or(parts) => Node::Or(all(parts)?),
        Predicate::Not(part) => Node::Not(Box::new(prepare(signal, part)?)),
        Predicate::Text(text) => Node::Text(Phrase::new(text)),
        Predicate::Attribute(level, key, test) => Node::Attribute(*level, Key::new(key), Match::new(test)?),
        Predicate::Field(field, test) => prepare_field(signal, *field, test)?,
        Predicate::TraceIn(TraceSet::Ids(ids)) => Node::Traces(sets::Traces::new(ids)),
        Predicate::Rows(seqs) => Node::Rows(Arc::clone(seqs)),
        Predicate::TraceIn(TraceSet::Of(..)) | Predicate::Chain(_) => return Err(StoreError::Unresolved),
    })
}

fn prepare_field(signal: Signal, field: Field, test: &Test) -> Result<Node> {
    let test_of = Match::new(test)?;
    Ok(match (field, signal) {
        (Field::Severity, Signal::Logs) if matches!(test, Test::Compare(..)) => Node::SeverityNumber(test_of),
        (Field::Event, Signal::Spans) => Node::EventName(test_of),
        _ => match column_of(signal, field) {
            Some(column) => Node::Column(column, test_of),
            // A field that the signal does not have is absent from every row.
            None => Node::Or(Vec::new()),
        },
    })
}

/// The column of a field, if the signal has it.
pub(crate) fn column_of(signal: Signal, field: Field) -> Option<&'static str> {
    let spans = signal == Signal::Spans;
    let logs = signal == Signal::Logs;
    Some(match field {
        Field::Service => "service_name",
        Field::Namespace => "service_namespace",
        Field::Environment => "deployment_environment",
        Field::Version => "service_version",
        Field::Instance => "service_instance_id",
        Field::Scope => "scope_name",
        Field::Name if spans => "name",
        Field::Kind if spans => "kind",
        Field::Status if spans => "status_code",
        Field::Duration if spans => "duration_ns",
        Field::Trace if spans || logs => "trace_id",
        Field::Span if spans || logs => "span_id",
        Field::Parent if spans => "parent_span_id",
        Field::Severity if logs => "severity",
        Field::Body if logs => "body",
        Field::Event if logs => "event_name",
        Field::Template if logs => TEMPLATE_ID,
        _ => return None,
    })
}

impl Node {
    fn columns(&self, signal: Signal, out: &mut Vec<String>) {
        match self {
            Self::All => {}
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.columns(signal, out)),
            Self::Not(part) => part.columns(signal, out),
            Self::Text(_) => out.extend(text_columns(signal).iter().map(|column| match *column {
                REST => packed::field_name(EXCEPTION_MESSAGE),
                "body" => BODY_PARTS.to_owned(),
                column => column.to_owned(),
            })),
            Self::Column(column, _) => out.push((*column).to_owned()),
            Self::SeverityNumber(_) => out.push("severity_number".to_owned()),
            Self::EventName(_) => out.push("events".to_owned()),
            Self::Traces(_) => out.push("trace_id".to_owned()),
            Self::Rows(_) => out.push("seq".to_owned()),
            Self::Attribute(level, key, _) => {
                out.extend(level_columns(*level).iter().map(|column| match *column {
                    REST => key.column.clone(),
                    column => column.to_owned(),
                }));
            }
        }
    }

    fn evaluate(&self, signal: Signal, batch: &RecordBatch) -> BooleanBuffer {
        let rows = batch.num_rows();
        match self {
            Self::All => BooleanBuffer::new_set(rows),
            Self::And(parts) => {
                let mut bits = BooleanBuffer::new_set(rows);
                for part in parts {
                    if bits.count_set_bits() == 0 {
                        break;
                    }
                    bits = &bits & &part.evaluate(signal, batch);
                }
                bits
            }
            Self::Or(parts) => parts
                .iter()
                .fold(BooleanBuffer::new_unset(rows), |bits, part| &bits | &part.evaluate(signal, batch)),
            Self::Not(part) => !&part.evaluate(signal, batch),
            Self::Text(phrase) => full_text(signal, batch, phrase),
            Self::Column(column, test) => column_bits(batch, column, |value| test.text(value), test),
            Self::SeverityNumber(test) => {
                column_bits(batch, "severity_number", |value| test.text(value), test)
            }
            Self::EventName(test) => events(batch, |event, at| test.text(event_names(event).value(at))),
            Self::Attribute(level, key, test) => attribute_bits(batch, *level, key, test),
            Self::Traces(traces) => traces.evaluate(batch),
            Self::Rows(seqs) => sets::rows(batch, seqs),
        }
    }
}

/// The columns that hold the full text of a row.
pub(crate) fn text_columns(signal: Signal) -> &'static [&'static str] {
    match signal {
        Signal::Spans => &["name", "status_message", "events"],
        Signal::Logs => &["body", "attributes"],
        Signal::Metrics => &["metric", "description"],
        Signal::Red => &["operation"],
    }
}

fn level_columns(level: Level) -> &'static [&'static str] {
    match level {
        Level::Any => &["attributes", "scope_attributes", "resource_attributes"],
        Level::Record => &["attributes"],
        Level::Scope => &["scope_attributes"],
        Level::Resource => &["resource_attributes"],
        Level::Event => &["events"],
    }
}

fn full_text(signal: Signal, batch: &RecordBatch, phrase: &Phrase) -> BooleanBuffer {
    let key = Key::new(EXCEPTION_MESSAGE);
    let in_attribute = |stored: &str| {
        // Cheap to exclude: most rows have no exception.
        let value =
            stored.contains(EXCEPTION_MESSAGE).then(|| attributes::get_quoted(stored, &key.quoted)).flatten();
        value
            .and_then(attributes::parse_value)
            .is_some_and(|value| value.text().is_some_and(|text| phrase.is_in(&text)))
    };
    let mut bits = BooleanBuffer::new_unset(batch.num_rows());
    for column in text_columns(signal) {
        let found = match *column {
            "events" => events(batch, |event, at| in_attribute(event_attributes(event).value(at))),
            REST => {
                let own = text_bits(batch, &key.column, |text| phrase.is_in(text));
                &own | &text_bits(batch, REST, in_attribute)
            }
            "body" if batch.column_by_name(BODY_PARTS).is_some() => {
                let whole = text_bits(batch, BODY_PARTS, |text| phrase.is_in(text));
                &whole | &template_bits(batch, phrase)
            }
            _ => text_bits(batch, column, |text| phrase.is_in(text)),
        };
        bits = &bits | &found;
    }
    bits
}

/// Whether each body has a phrase, null where there is no body, from the parts that a file has of it.
pub(crate) fn body_bits(parts: &RecordBatch, phrase: &Phrase) -> BooleanArray {
    let whole = text_bits(parts, BODY_PARTS, |text| phrase.is_in(text));
    let found = &whole | &template_bits(parts, phrase);
    let there = |name: &str| match parts.column_by_name(name) {
        Some(column) => collect((0..column.len()).map(|row| column.is_valid(row)), column.len()),
        None => BooleanBuffer::new_unset(parts.num_rows()),
    };
    BooleanArray::new(found, Some((&there(BODY_PARTS) | &there(BODY_TEMPLATE)).into()))
}

/// A phrase in bodies that are templates and variables: most are decided by their template.
fn template_bits(batch: &RecordBatch, phrase: &Phrase) -> BooleanBuffer {
    let rows = batch.num_rows();
    let column = |name: &str| batch.column_by_name(name);
    let template = column(BODY_TEMPLATE).and_then(|column| column.as_dictionary_opt::<Int32Type>());
    let variables = column(BODY_VARIABLES).and_then(|column| column.as_string_opt::<i32>());
    let (Some(template), Some(variables)) = (template, variables) else {
        return BooleanBuffer::new_unset(rows);
    };
    let literal = template.values().as_string::<i32>();
    let verdicts: Vec<InTemplate> =
        literal.iter().map(|template| phrase.in_template(template.unwrap_or_default())).collect();
    let mut body = String::new();
    let mut holds = |row: usize| {
        let Some(key) = template.key(row) else { return false };
        let variables = if variables.is_valid(row) { variables.value(row) } else { "" };
        match &verdicts[key] {
            InTemplate::Always => true,
            InTemplate::Never => false,
            InTemplate::IfInVariables => phrase.is_in(variables),
            InTemplate::Perhaps(Some(token)) if !token.is_in(variables) => false,
            InTemplate::Perhaps(_) => {
                body.clear();
                templates::join(literal.value(key), variables, &mut body) && phrase.is_in(&body)
            }
        }
    };
    collect((0..rows).map(&mut holds), rows)
}

fn attribute_bits(batch: &RecordBatch, level: Level, key: &Key, test: &Match) -> BooleanBuffer {
    let holds =
        |stored: &str| attributes::get_quoted(stored, &key.quoted).is_some_and(|value| test.stored(value));
    match level {
        Level::Event => events(batch, |event, at| holds(event_attributes(event).value(at))),
        Level::Any => {
            // The record hides the scope, which hides the resource.
            let has = |stored: &str| attributes::get_quoted(stored, &key.quoted).is_some();
            let record = record_bits(batch, key, test);
            let record_has =
                &own_column(batch, key, |_, _| true, batch.num_rows()) | &text_bits(batch, REST, has);
            let scope = text_bits(batch, "scope_attributes", holds);
            let scope_has = text_bits(batch, "scope_attributes", has);
            let resource = text_bits(batch, "resource_attributes", holds);
            &record | &(&!&record_has & &(&scope | &(&!&scope_has & &resource)))
        }
        Level::Record => record_bits(batch, key, test),
        Level::Scope => text_bits(batch, "scope_attributes", holds),
        Level::Resource => text_bits(batch, "resource_attributes", holds),
    }
}

/// A test of an attribute of the record, in its own column or in the rest.
fn record_bits(batch: &RecordBatch, key: &Key, test: &Match) -> BooleanBuffer {
    let rest = text_bits(batch, REST, |stored| {
        attributes::get_quoted(stored, &key.quoted).is_some_and(|value| test.stored(value))
    });
    let Some(column) = batch.column_by_name(&key.column) else { return rest };
    let own = match column.data_type() {
        DataType::Utf8 | DataType::Dictionary(..) => text_bits(batch, &key.column, |text| test.text(text)),
        DataType::Int64 => {
            let whole = test.integer();
            own_column(
                batch,
                key,
                |column, row| {
                    let value = column.as_primitive::<arrow::datatypes::Int64Type>().value(row);
                    match (test, whole) {
                        (Match::Equals(_), whole) => whole == Some(value),
                        _ => test.number(value),
                    }
                },
                batch.num_rows(),
            )
        }
        DataType::Float64 => own_column(
            batch,
            key,
            |column, row| {
                test.value(&AnyValue::Double(
                    column.as_primitive::<arrow::datatypes::Float64Type>().value(row),
                ))
            },
            batch.num_rows(),
        ),
        _ => own_column(
            batch,
            key,
            |column, row| test.value(&AnyValue::Bool(column.as_boolean().value(row))),
            batch.num_rows(),
        ),
    };
    &own | &rest
}

/// A test of each value of an attribute's own column; null fails.
fn own_column(
    batch: &RecordBatch,
    key: &Key,
    holds: impl Fn(&ArrayRef, usize) -> bool,
    rows: usize,
) -> BooleanBuffer {
    let Some(column) = batch.column_by_name(&key.column) else { return BooleanBuffer::new_unset(rows) };
    collect((0..rows).map(|row| column.is_valid(row) && holds(column, row)), rows)
}

/// A test of each text of a column, dictionary or not; null fails.
fn text_bits(batch: &RecordBatch, column: &str, holds: impl Fn(&str) -> bool) -> BooleanBuffer {
    let Some(array) = batch.column_by_name(column) else {
        return BooleanBuffer::new_unset(batch.num_rows());
    };
    if let Some(texts) = array.as_string_opt::<i32>() {
        return collect(texts.iter().map(|text| text.is_some_and(&holds)), texts.len());
    }
    match array.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) => dictionary_bits(dictionary, holds),
        None => BooleanBuffer::new_unset(batch.num_rows()),
    }
}

fn dictionary_bits(dictionary: &DictionaryArray<Int32Type>, holds: impl Fn(&str) -> bool) -> BooleanBuffer {
    let values: &StringArray = dictionary.values().as_string();
    // A dictionary can hold values that no row of this batch uses; those are tested in vain, never wrongly.
    let passed: Vec<bool> = values.iter().map(|text| text.is_some_and(&holds)).collect();
    let keys = dictionary.keys().iter();
    collect(
        keys.map(|key| key.is_some_and(|key| passed.get(key as usize).copied().unwrap_or(false))),
        dictionary.len(),
    )
}

/// A test of each value of a column of any type, as text.
fn column_bits(
    batch: &RecordBatch,
    column: &str,
    text: impl Fn(&str) -> bool,
    test: &Match,
) -> BooleanBuffer {
    let Some(array) = batch.column_by_name(column) else {
        return BooleanBuffer::new_unset(batch.num_rows());
    };
    match array.data_type() {
        DataType::Int64 => {
            let numbers = array.as_primitive::<arrow::datatypes::Int64Type>();
            collect(
                numbers.iter().map(|number| number.is_some_and(|number| test.number(number))),
                numbers.len(),
            )
        }
        DataType::FixedSizeBinary(_) => ids(array, &text),
        _ => text_bits(batch, column, text),
    }
}

fn ids(array: &ArrayRef, text: impl Fn(&str) -> bool) -> BooleanBuffer {
    let ids = array.as_fixed_size_binary();
    let mut hex = String::with_capacity(32);
    let holds = |id: Option<&[u8]>| {
        hex.clear();
        id.is_some_and(|id| {
            for byte in id {
                hex.push(char::from(HEX[usize::from(byte >> 4)]));
                hex.push(char::from(HEX[usize::from(byte & 15)]));
            }
            text(&hex)
        })
    };
    collect(ids.iter().map(holds), ids.len())
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A test of each event of each span; one that passes is enough.
fn events(batch: &RecordBatch, holds: impl Fn(&StructArray, usize) -> bool) -> BooleanBuffer {
    let lists = batch.column_by_name("events").and_then(|column| column.as_any().downcast_ref::<ListArray>());
    let Some(lists) = lists else { return BooleanBuffer::new_unset(batch.num_rows()) };
    let items = lists.values().as_struct();
    let offsets = lists.value_offsets();
    let any = |row: usize| {
        lists.is_valid(row) && (offsets[row] as usize..offsets[row + 1] as usize).any(|at| holds(items, at))
    };
    collect((0..lists.len()).map(any), lists.len())
}

fn event_names(event: &StructArray) -> &StringArray {
    event.column(1).as_string()
}

fn event_attributes(event: &StructArray) -> &StringArray {
    event.column(2).as_string()
}

fn collect(bits: impl Iterator<Item = bool>, length: usize) -> BooleanBuffer {
    let mut builder = BooleanBufferBuilder::new(length);
    bits.for_each(|bit| builder.append(bit));
    builder.finish()
}

impl Match {
    fn new(test: &Test) -> Result<Self> {
        let compile = |pattern: &str| {
            let built = regex::RegexBuilder::new(pattern)
                .size_limit(REGEX_BYTES_MAX)
                .dot_matches_new_line(true)
                .build();
            built.map(Self::Regex).map_err(|error| StoreError::Regex(error.to_string()))
        };
        Ok(match test {
            Test::Exists => Self::Exists,
            Test::Equals(text) => Self::Equals(text.clone()),
            Test::Compare(order, bound) => Self::Compare(*order, *bound),
            Test::Regex(pattern) => compile(pattern)?,
            Test::Glob(pattern) => {
                let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
                compile(&format!("^(?:{})$", parts.join(".*")))?
            }
        })
    }

    fn text(&self, value: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::Equals(text) => value == text,
            Self::Regex(regex) => regex.is_match(value),
            Self::Compare(order, bound) => value.trim().parse().is_ok_and(|value| order.holds(value, *bound)),
        }
    }

    fn number(&self, value: i64) -> bool {
        match self {
            Self::Compare(order, bound) => order.holds(value as f64, *bound),
            Self::Exists => true,
            _ => self.text(&value.to_string()),
        }
    }

    /// A test of an attribute's value in its stored form.
    fn stored(&self, value: &str) -> bool {
        if let (Self::Equals(text), Some(plain)) = (self, plain_string(value)) {
            return plain == text;
        }
        attributes::parse_value(value).is_some_and(|value| self.value(&value))
    }

    /// A test of an attribute's value.
    fn value(&self, value: &AnyValue) -> bool {
        match self {
            Self::Exists => true,
            Self::Compare(order, bound) => value.number().is_some_and(|value| order.holds(value, *bound)),
            _ => *value != AnyValue::Null && value.text().is_some_and(|text| self.text(&text)),
        }
    }

    /// The integer whose text is asked for, if it is one.
    fn integer(&self) -> Option<i64> {
        match self {
            Self::Equals(text) => text.parse::<i64>().ok().filter(|value| value.to_string() == *text),
            _ => None,
        }
    }
}

/// The text of a stored string that has no escapes, without parsing it.
fn plain_string(stored: &str) -> Option<&str> {
    let inner = stored.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}
