//! `histogram_quantile` and `histogram_fraction`, of classic histograms, whose buckets are series of their own, and of
//! native ones.

use std::collections::HashMap;

use super::super::ast::Expr;
use super::super::column::{Column, Grid, Row};
use super::super::error::Error;
use super::super::evaluate::Evaluator;
use super::super::histogram::Histogram;
use super::super::labels::{BOUND, Labels};
use super::super::notes::Remark;

/// How much two neighbouring buckets may differ in the wrong direction, relative to their sum, by rounding alone.
const ROUNDING: f64 = 1e-12;

/// What is asked of histograms, at every step.
enum Asked {
    Quantile(Vec<f64>),
    Fraction(Vec<f64>, Vec<f64>),
}

/// The buckets of one classic histogram, and the native ones with the same labels.
#[derive(Default)]
struct Group<'r> {
    /// Upper bounds and counts.
    buckets: Vec<(f64, &'r Column)>,
    natives: Vec<&'r Row>,
}

impl Evaluator<'_> {
    pub(super) fn estimated(&self, name: &str, args: &[Expr], grid: &Grid) -> Result<Vec<Row>, Error> {
        let asked = if name == "histogram_quantile" {
            let quantiles = self.scalar(&args[0], grid)?;
            for q in quantiles.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
                self.note(&Remark::BadQuantile(*q), args[0].start);
            }
            Asked::Quantile(quantiles)
        } else {
            Asked::Fraction(self.scalar(&args[0], grid)?, self.scalar(&args[1], grid)?)
        };
        let arg = &args[args.len() - 1];
        let rows = self.vector(arg, grid)?;
        let mut out = Vec::new();
        for (labels, group) in self.classic_groups(&rows, arg.start) {
            self.pause()?;
            self.estimated_group(&labels, &group, &asked, grid, arg.start, &mut out);
        }
        self.renamed(out.into_iter())
    }

    /// Buckets by their labels without that of the bound, and native histograms by theirs, in the order in which these
    /// came.
    fn classic_groups<'r>(&self, rows: &'r [Row], at: usize) -> Vec<(Labels, Group<'r>)> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<(Labels, Group<'r>)> = Vec::new();
        let mut place = |labels: Labels| {
            let place = *places.entry(labels.clone()).or_insert(groups.len());
            if place == groups.len() {
                groups.push((labels, Group::default()));
            }
            place
        };
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            if row.column.has_histograms() {
                found.push((place(row.labels.clone()), None, row));
            }
            if !row.column.present.contains(&true) {
                continue;
            }
            let bound = row.labels.get(BOUND);
            match bound.parse() {
                Ok(number) => found.push((place(row.labels.without(BOUND)), Some(number), row)),
                Err(_) => {
                    let remark = Remark::BadBound { bound: bound.to_owned(), labels: row.labels.clone() };
                    self.note(&remark, at);
                }
            }
        }
        for (place, bound, row) in found {
            match bound {
                Some(bound) => groups[place].1.buckets.push((bound, &row.column)),
                None => groups[place].1.natives.push(row),
            }
        }
        groups
    }

    fn estimated_group(
        &self,
        labels: &Labels,
        group: &Group<'_>,
        asked: &Asked,
        grid: &Grid,
        at: usize,
        out: &mut Vec<Row>,
    ) {
        let mut classic = Column::empty(grid.count);
        let mut natives: Vec<Column> = group.natives.iter().map(|_| Column::empty(grid.count)).collect();
        for step in 0..grid.count {
            let buckets = group.buckets.iter();
            let mut buckets: Vec<(f64, f64)> = buckets
                .filter_map(|(bound, column)| column.float(step).map(|count| (*bound, count)))
                .collect();
            let native = group.natives.iter().any(|row| row.column.histogram(step).is_some());
            if native && !buckets.is_empty() {
                self.note(&Remark::MixedKinds(labels.clone()), at);
                continue;
            }
            if !buckets.is_empty() {
                classic.set_float(step, self.of_buckets(&mut buckets, asked, step, labels, at));
            }
            for (row, column) in group.natives.iter().zip(&mut natives) {
                if let Some(histogram) = row.column.histogram(step) {
                    column.set_float(step, self.of_native(histogram, asked, step, labels, at));
                }
            }
        }
        let nameless = false;
        out.push(Row { labels: labels.clone(), nameless, column: classic });
        for (row, column) in group.natives.iter().zip(natives) {
            out.push(Row { labels: row.labels.clone(), nameless, column });
        }
    }

    fn of_native(
        &self,
        histogram: &Histogram,
        asked: &Asked,
        step: usize,
        labels: &Labels,
        at: usize,
    ) -> f64 {
        match asked {
            Asked::Quantile(quantiles) => {
                let quantile = histogram.quantile(quantiles[step]);
                if quantile.in_nan {
                    self.note(&Remark::NanResult(labels.clone()), at);
                } else if quantile.skewed {
                    self.note(&Remark::NanSkew(labels.clone()), at);
                }
                quantile.value
            }
            Asked::Fraction(lower, upper) => {
                let fraction = histogram.fraction(lower[step], upper[step]);
                if fraction.without_nan {
                    self.note(&Remark::NanFraction(labels.clone()), at);
                }
                fraction.value
            }
        }
    }

    fn of_buckets(
        &self,
        buckets: &mut Vec<(f64, f64)>,
        asked: &Asked,
        step: usize,
        labels: &Labels,
        at: usize,
    ) -> f64 {
        match asked {
            Asked::Quantile(quantiles) => {
                let (value, was_fixed) = quantile(quantiles[step], buckets);
                if was_fixed {
                    self.note(&Remark::NotMonotonic(labels.clone()), at);
                }
                value
            }
            Asked::Fraction(lower, upper) => fraction(lower[step], upper[step], buckets),
        }
    }
}

/// Brings buckets in order: those of the same bound together, none below the one before. Whether one had to be raised
/// by more than rounding explains.
fn put_in_order(buckets: &mut Vec<(f64, f64)>) -> bool {
    buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
    buckets.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    let mut was_fixed = false;
    let mut before = buckets.first().map_or(0.0, |bucket| bucket.1);
    for (_, count) in buckets.iter_mut().skip(1) {
        let sum = (count.abs() + before.abs()).min(f64::MAX);
        let near = *count == before || (*count - before).abs() <= ROUNDING * sum;
        if near || *count < before {
            was_fixed |= !near;
            *count = before;
        }
        before = *count;
    }
    was_fixed
}

/// The value below which a part `q` of what the buckets count is.
fn quantile(q: f64, buckets: &mut Vec<(f64, f64)>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    let was_fixed = put_in_order(buckets);
    let last = buckets.len() - 1;
    if buckets[last].0 != f64::INFINITY || last == 0 {
        return (f64::NAN, false);
    }
    let count = buckets[last].1;
    if count == 0.0 {
        return (f64::NAN, was_fixed);
    }
    let mut rank = q * count;
    let found = buckets[..last].iter().position(|(_, count)| *count >= rank).unwrap_or(last);
    if found == last {
        return (buckets[last - 1].0, was_fixed);
    }
    let (upper, mut within) = buckets[found];
    if found == 0 && upper <= 0.0 {
        return (upper, was_fixed);
    }
    let mut lower = 0.0;
    if let Some((bound, below)) = found.checked_sub(1).map(|before| buckets[before]) {
        lower = bound;
        within -= below;
        rank -= below;
    }
    (lower + (upper - lower) * (rank / within), was_fixed)
}

/// Which part of what the buckets count is between two values.
fn fraction(lower: f64, upper: f64, buckets: &mut Vec<(f64, f64)>) -> f64 {
    put_in_order(buckets);
    let Some((f64::INFINITY, count)) = buckets.last().copied() else { return f64::NAN };
    if count == 0.0 || count.is_nan() || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (below(upper, buckets) - below(lower, buckets)) / count
}

/// How much the buckets count below a value.
fn below(value: f64, buckets: &[(f64, f64)]) -> f64 {
    let first = buckets.first().map_or(0.0, |(bound, _)| *bound);
    let (mut lower, mut passed) = (if first > 0.0 { 0.0 } else { f64::NEG_INFINITY }, 0.0);
    for (upper, count) in buckets {
        if value <= lower {
            return passed;
        }
        if value < *upper {
            // A bucket without end has no part: all of the lowest is below, nothing of the highest.
            return match (lower.is_infinite(), upper.is_infinite()) {
                (true, _) => *count,
                (_, true) => passed,
                _ => passed + (count - passed) * (value - lower) / (upper - lower),
            };
        }
        (lower, passed) = (*upper, *count);
    }
    passed
}

#[cfg(test)]
mod tests;
