//! The columns of histograms and summaries: what a number has none of.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, ListBuilder};
use arrow::error::ArrowError;
use model::packed::{TextColumn, Zeros};
use model::schema;

use crate::decode::columns::{
    Doubles, Integers, Lists, integer_lists, number_lists, push_integers, push_numbers,
};

/// What one row says; all is null unless said.
#[derive(Debug, Default)]
pub(in crate::decode) struct Distribution<'a> {
    pub(in crate::decode) count: Option<i64>,
    pub(in crate::decode) sum: Option<f64>,
    pub(in crate::decode) min: Option<f64>,
    pub(in crate::decode) max: Option<f64>,
    pub(in crate::decode) bounds: Option<&'a [f64]>,
    pub(in crate::decode) bucket_counts: Option<&'a [i64]>,
    pub(in crate::decode) scale: Option<i64>,
    pub(in crate::decode) zero_count: Option<i64>,
    pub(in crate::decode) zero_threshold: Option<f64>,
    pub(in crate::decode) positive: Buckets<'a>,
    pub(in crate::decode) negative: Buckets<'a>,
    pub(in crate::decode) quantiles: Option<&'a [(f64, f64)]>,
    pub(in crate::decode) reset_hint: Option<&'static str>,
    pub(in crate::decode) count_float: Option<f64>,
    pub(in crate::decode) zero_count_float: Option<f64>,
}

/// One side of an exponential histogram.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::decode) struct Buckets<'a> {
    pub(in crate::decode) offset: Option<i64>,
    pub(in crate::decode) counts: Option<&'a [i64]>,
    pub(in crate::decode) counts_float: Option<&'a [f64]>,
}

/// The columns. Most points are numbers: their rows are null here, and only counted.
pub(super) struct DistributionColumns {
    /// How many rows the columns have.
    rows: usize,
    count: Integers,
    sum: Doubles,
    min: Doubles,
    max: Doubles,
    bounds: ListBuilder<Float64Builder>,
    bucket_counts: ListBuilder<Int64Builder>,
    scale: Integers,
    zero_count: Integers,
    zero_threshold: Doubles,
    positive_offset: Integers,
    positive_counts: ListBuilder<Int64Builder>,
    negative_offset: Integers,
    negative_counts: ListBuilder<Int64Builder>,
    quantiles: Quantiles,
    reset_hint: TextColumn,
    count_float: Doubles,
    zero_count_float: Doubles,
    positive_counts_float: ListBuilder<Float64Builder>,
    negative_counts_float: ListBuilder<Float64Builder>,
}

impl Default for DistributionColumns {
    fn default() -> Self {
        Self {
            rows: 0,
            count: Integers::default(),
            sum: Doubles::default(),
            min: Doubles::default(),
            max: Doubles::default(),
            bounds: number_lists(),
            bucket_counts: integer_lists(),
            scale: Integers::default(),
            zero_count: Integers::default(),
            zero_threshold: Doubles::default(),
            positive_offset: Integers::default(),
            positive_counts: integer_lists(),
            negative_offset: Integers::default(),
            negative_counts: integer_lists(),
            quantiles: Quantiles::default(),
            reset_hint: TextColumn::default(),
            count_float: Doubles::default(),
            zero_count_float: Doubles::default(),
            positive_counts_float: number_lists(),
            negative_counts_float: number_lists(),
        }
    }
}

impl DistributionColumns {
    /// Gives the row of this number what it says; the rows before it that were given nothing are null.
    pub(super) fn set(&mut self, row: usize, said: &Distribution<'_>) {
        self.pad(row);
        self.rows += 1;
        self.count.push_option(said.count);
        self.sum.push_option(said.sum);
        self.min.push_option(said.min);
        self.max.push_option(said.max);
        push_numbers(&mut self.bounds, said.bounds);
        push_integers(&mut self.bucket_counts, said.bucket_counts);
        self.scale.push_option(said.scale);
        self.zero_count.push_option(said.zero_count);
        self.zero_threshold.push_option(said.zero_threshold);
        self.positive_offset.push_option(said.positive.offset);
        push_integers(&mut self.positive_counts, said.positive.counts);
        self.negative_offset.push_option(said.negative.offset);
        push_integers(&mut self.negative_counts, said.negative.counts);
        self.quantiles.push(said.quantiles);
        self.reset_hint.push_option(said.reset_hint);
        self.count_float.push_option(said.count_float);
        self.zero_count_float.push_option(said.zero_count_float);
        push_numbers(&mut self.positive_counts_float, said.positive.counts_float);
        push_numbers(&mut self.negative_counts_float, said.negative.counts_float);
    }

    /// Adds nulls until there are so many rows.
    fn pad(&mut self, rows: usize) {
        let missing = rows - self.rows;
        self.rows = rows;
        for column in [
            &mut self.count,
            &mut self.scale,
            &mut self.zero_count,
            &mut self.positive_offset,
            &mut self.negative_offset,
        ] {
            column.push_nulls(missing);
        }
        for column in [
            &mut self.sum,
            &mut self.min,
            &mut self.max,
            &mut self.zero_threshold,
            &mut self.count_float,
            &mut self.zero_count_float,
        ] {
            column.push_nulls(missing);
        }
        for column in [&mut self.bucket_counts, &mut self.positive_counts, &mut self.negative_counts] {
            column.append_nulls(missing);
        }
        for column in [&mut self.bounds, &mut self.positive_counts_float, &mut self.negative_counts_float] {
            column.append_nulls(missing);
        }
        self.quantiles.push_nulls(missing);
        self.reset_hint.pad(rows);
    }

    /// The columns up to `quantiles`, and those behind `metadata`, in the order of the schema.
    pub(super) fn finish(
        mut self,
        rows: usize,
        zeros: &mut Zeros,
    ) -> Result<([ArrayRef; 14], [ArrayRef; 5]), ArrowError> {
        self.pad(rows);
        let first: [ArrayRef; 14] = [
            Arc::new(self.count.finish(zeros)),
            Arc::new(self.sum.finish(zeros)),
            Arc::new(self.min.finish(zeros)),
            Arc::new(self.max.finish(zeros)),
            Arc::new(self.bounds.finish()),
            Arc::new(self.bucket_counts.finish()),
            Arc::new(self.scale.finish(zeros)),
            Arc::new(self.zero_count.finish(zeros)),
            Arc::new(self.zero_threshold.finish(zeros)),
            Arc::new(self.positive_offset.finish(zeros)),
            Arc::new(self.positive_counts.finish()),
            Arc::new(self.negative_offset.finish(zeros)),
            Arc::new(self.negative_counts.finish()),
            self.quantiles.finish(zeros)?,
        ];
        let last: [ArrayRef; 5] = [
            self.reset_hint.finish(zeros),
            Arc::new(self.count_float.finish(zeros)),
            Arc::new(self.zero_count_float.finish(zeros)),
            Arc::new(self.positive_counts_float.finish()),
            Arc::new(self.negative_counts_float.finish()),
        ];
        Ok((first, last))
    }
}

#[derive(Default)]
struct Quantiles {
    lists: Lists,
    quantile: Doubles,
    value: Doubles,
}

impl Quantiles {
    fn push(&mut self, pairs: Option<&[(f64, f64)]>) {
        self.lists.push(pairs.map(<[_]>::len));
        for (quantile, value) in pairs.unwrap_or_default() {
            self.quantile.push(*quantile);
            self.value.push(*value);
        }
    }

    fn push_nulls(&mut self, rows: usize) {
        (0..rows).for_each(|_| self.lists.push(None));
    }

    fn finish(self, zeros: &mut Zeros) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(self.quantile.finish(zeros)), Arc::new(self.value.finish(zeros))];
        self.lists.finish(schema::quantile_fields(), columns, zeros)
    }
}
