//! Rows that are taken out of a batch once it is decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Int32Type};
use arrow::error::ArrowError;
use model::Signal;
use model::packed::{self, TextColumn, Zeros};

use super::Decoded;
use super::notes::{LABEL_BYTES_MAX, SERVICES_MAX, Tally};
use crate::answer::shorten;

impl Decoded {
    /// Takes data points out of the batch, each given by its row and why, in order. They are counted, and told in the
    /// answer, as if they had been rejected when they were read.
    pub(crate) fn reject_rows(&mut self, refused: &[(usize, &str)]) -> Result<(), ArrowError> {
        let rows = &self.batch.rows;
        let metrics = Texts::of(rows, "metric");
        let services = Texts::of(rows, "service_name");
        let mut by_reason: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        let mut by_service: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        for (row, reason) in refused {
            let metric = metrics.get(*row);
            let first = || format!("of '{}'", &metric[..metric.floor_char_boundary(LABEL_BYTES_MAX)]);
            by_reason.entry(reason).or_insert_with(|| (0, first())).0 += 1;
            let service = services.get(*row);
            let is_full = by_service.len() >= SERVICES_MAX && !by_service.contains_key(service);
            // As where records are rejected when they are read, what is told of further services counts for the last.
            let service = by_service.last_key_value().filter(|_| is_full).map_or(service, |(last, _)| *last);
            let first = || format!("{reason} ({})", first());
            by_service.entry(service).or_insert_with(|| (0, first())).0 += 1;
        }
        self.noted.extend(by_service.into_iter().map(|(service, (rejected, first))| Tally {
            service: service.to_owned(),
            rejected,
            first_rejected: Some(first),
            ..Tally::default()
        }));
        let sentences = by_reason.into_iter().map(|(reason, (count, first))| {
            let noun = if count == 1 { "data point" } else { "data points" };
            format!("{count} {noun} rejected: {reason} (first: {first})")
        });
        let mut sentences: Vec<String> = sentences.collect();
        let answer = &mut self.batch.answer;
        sentences.extend((!answer.message.is_empty()).then(|| std::mem::take(&mut answer.message)));
        answer.message = shorten(&sentences.join("; "));
        answer.rejected += refused.len() as u64;
        let mut kept = vec![true; rows.num_rows()];
        refused.iter().for_each(|(row, _)| kept[*row] = false);
        self.batch.rows = without(rows, kept)?;
        Ok(())
    }
}

/// A column of text in which equal values are kept once.
struct Texts<'b>(Option<&'b DictionaryArray<Int32Type>>);

impl<'b> Texts<'b> {
    fn of(rows: &'b RecordBatch, name: &str) -> Self {
        Self(rows.column_by_name(name).and_then(|column| column.as_dictionary_opt::<Int32Type>()))
    }

    fn get(&self, row: usize) -> &'b str {
        let text =
            self.0.and_then(|column| Some(column.values().as_string_opt::<i32>()?.value(column.key(row)?)));
        text.unwrap_or_default()
    }
}

/// The rows that are kept, with the texts that they have and no others.
fn without(rows: &RecordBatch, kept: Vec<bool>) -> Result<RecordBatch, ArrowError> {
    let rows = filter_record_batch(rows, &BooleanArray::from(kept))?;
    let zeros = &mut Zeros::default();
    let mut attributes: Vec<Field> = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let is_attribute = packed::key(field.name()).is_some();
        if is_attribute && column.null_count() == rows.num_rows() {
            continue;
        }
        if is_attribute {
            attributes.push(field.as_ref().clone());
        }
        columns.push(match column.data_type() {
            DataType::Dictionary(_, _) => texts_again(column, zeros),
            _ => Arc::clone(column),
        });
    }
    RecordBatch::try_new(packed::schema(Signal::Metrics, attributes), columns)
}

/// The column with a dictionary of its own.
fn texts_again(column: &ArrayRef, zeros: &mut Zeros) -> ArrayRef {
    let (Some(dictionary), mut texts) = (column.as_dictionary_opt::<Int32Type>(), TextColumn::default())
    else {
        return Arc::clone(column);
    };
    let values = dictionary.values().as_string::<i32>();
    for row in 0..dictionary.len() {
        texts.push_option(dictionary.key(row).map(|key| values.value(key)));
    }
    texts.finish(zeros)
}
