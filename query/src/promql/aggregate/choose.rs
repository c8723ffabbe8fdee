//! Aggregations that choose among series and leave those that they choose as they are.

use std::cmp::Ordering;

use super::super::ast::Aggregation;
use super::super::column::Row;
use super::super::error::Error;
use super::super::evaluate::Evaluator;
use super::super::notes::Remark;
use super::Group;

/// How many to choose at every step.
pub(super) fn counts(params: &[f64]) -> Result<Vec<usize>, Error> {
    let count = |value: &f64| {
        if value.is_nan() {
            return Err(Error::evaluation("Parameter value is NaN"));
        }
        // The range of 64 bits, within which a number stays one when it is made whole.
        if *value >= i64::MAX as f64 {
            return Err(Error::evaluation(format!("Scalar value {value} overflows int64")));
        }
        if *value <= i64::MIN as f64 {
            return Err(Error::evaluation(format!("Scalar value {value} underflows int64")));
        }
        Ok(value.max(0.0) as usize)
    };
    params.iter().map(count).collect()
}

impl Evaluator<'_> {
    /// Of every group so many at every step: the largest, the smallest, or any.
    pub(super) fn chosen(
        &self,
        aggregation: Aggregation,
        groups: Vec<Group>,
        most: &[usize],
        at: usize,
    ) -> Result<Vec<Row>, Error> {
        let mut out = Vec::new();
        for mut group in groups {
            self.pause()?;
            if aggregation == Aggregation::Limitk {
                group.rows.sort_by_key(|row| row.labels.spread());
            }
            let mut chosen = vec![vec![false; most.len()]; group.rows.len()];
            let mut ranks = Vec::new();
            for (step, most) in most.iter().enumerate() {
                ranks = self.ranked(aggregation, &group.rows, step, at);
                for row in ranks.iter().take(*most) {
                    chosen[*row][step] = true;
                }
            }
            // With one step, series come in the order of their values.
            let mut order: Vec<usize> = (0..group.rows.len()).collect();
            if most.len() == 1 {
                order = ranks;
            }
            let mut rows: Vec<Option<Row>> = group.rows.into_iter().map(Some).collect();
            for place in order {
                let Some(mut row) = rows[place].take() else { continue };
                row.column.keep(|step| chosen[place][step]);
                if !row.column.is_empty() {
                    out.push(row);
                }
            }
        }
        Ok(out)
    }

    /// The rows that have something to choose at a step, best first.
    fn ranked(&self, aggregation: Aggregation, rows: &[Row], step: usize, at: usize) -> Vec<usize> {
        if aggregation == Aggregation::Limitk {
            return (0..rows.len()).filter(|row| rows[*row].column.has(step)).collect();
        }
        if rows.iter().any(|row| row.column.histogram(step).is_some()) {
            self.note(&Remark::IgnoredInAggregation(aggregation.text()), at);
        }
        let mut ranked: Vec<(usize, f64)> = Vec::with_capacity(rows.len());
        ranked.extend(
            rows.iter()
                .enumerate()
                .filter_map(|(place, row)| row.column.float(step).map(|value| (place, value))),
        );
        let largest = aggregation == Aggregation::Topk;
        ranked.sort_by(|(_, left), (_, right)| by_value(*left, *right, largest));
        ranked.into_iter().map(|(place, _)| place).collect()
    }

    /// A part of all series, by a number that their labels give: those below the ratio, or of a negative one those
    /// that its complement leaves.
    pub(super) fn ratio(&self, rows: Vec<Row>, ratios: &[f64], at: usize) -> Result<Vec<Row>, Error> {
        let mut used = Vec::with_capacity(ratios.len());
        for given in ratios {
            if given.is_nan() {
                return Err(Error::evaluation("Ratio value is NaN"));
            }
            let ratio = given.clamp(-1.0, 1.0);
            if ratio != *given {
                self.note(&Remark::BadRatio { given: *given, used: ratio }, at);
            }
            used.push(ratio);
        }
        let mut out = Vec::new();
        for mut row in rows {
            self.pause()?;
            // From 0 to below 1.
            let place = (row.labels.spread() >> 11) as f64 / (1_u64 << 53) as f64;
            row.column.keep(|step| {
                let ratio = used[step];
                if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
            });
            if !row.column.is_empty() {
                out.push(row);
            }
        }
        Ok(out)
    }
}

/// The order of two values, NaN last in any case.
pub(in super::super) fn by_value(left: f64, right: f64, largest_first: bool) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) if largest_first => right.partial_cmp(&left).unwrap_or(Ordering::Equal),
        (false, false) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        (left, right) => left.cmp(&right),
    }
}
