//! Sums that lose little, quantiles, and numbers as text.

use std::fmt::Write;

/// A sum with what rounding took from it (Neumaier's form of Kahan's).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) sum: f64,
    pub(super) lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - total) + value;
        } else {
            self.lost += (value - total) + self.sum;
        }
        self.sum = total;
    }

    pub(super) fn total(&self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

/// A mean: a sum by its count, or, once the sum would leave the range of numbers, a mean that moves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: Sum,
    count: f64,
    /// Whether `sum` holds the mean.
    moving: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.moving {
            let mut next = self.sum;
            next.add(value);
            if self.count == 1.0 || !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.moving = true;
            self.sum.sum /= self.count - 1.0;
            self.sum.lost /= self.count - 1.0;
        }
        let mean = self.sum.sum;
        if mean.is_infinite() {
            // What is infinite stays so, unless it meets its opposite or what is no number.
            let opposite = value.is_infinite() && (value > 0.0) != (mean > 0.0);
            if !opposite && !value.is_nan() {
                return;
            }
        }
        let corrected = mean + self.sum.lost;
        self.sum.add(value / self.count - corrected / self.count);
    }

    pub(super) fn mean(&self) -> f64 {
        if self.moving { self.sum.total() } else { self.sum.total() / self.count }
    }
}

/// A variance as values come (Welford), with what rounding took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Variance {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Variance {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - (self.mean.sum + self.mean.lost);
        self.mean.add(before / self.count);
        let after = value - (self.mean.sum + self.mean.lost);
        self.squares.add(before * after);
    }

    pub(super) fn variance(&self) -> f64 {
        (self.squares.sum + self.squares.lost) / self.count
    }
}

/// A quantile of values, which are put in order. NaN counts as the least.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|left, right| match (left.is_nan(), right.is_nan()) {
        (false, false) => left.total_cmp(right),
        (left, right) => right.cmp(&left),
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = (rank.floor().max(0.0) as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// A number without exponent, as short as it can be read back.
pub(super) fn plain(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{value}")
}

/// A number with an exponent where it is large or small, as `%g` has it.
pub(super) fn shortest(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return plain(value);
    }
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match (-4..6).contains(&exponent) {
        true => plain(value),
        false => with_exponent(digits, exponent),
    }
}

/// Writes a number as Prometheus' API has it: an exponent below 1e-6 and from 1e21 on.
pub(super) fn write_api(out: &mut String, value: f64) {
    let size = value.abs();
    if !value.is_finite() {
        out.push_str(&plain(value));
        return;
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        // Writing to a string does not fail.
        let _ = write!(out, "{value}");
        return;
    }
    let text = format!("{value:e}");
    if let Some((digits, exponent)) = text.split_once('e') {
        out.push_str(&with_exponent(digits, exponent.parse().unwrap_or_default()));
    }
}

/// Digits with an exponent of a sign and at least two digits.
fn with_exponent(digits: &str, exponent: i32) -> String {
    let mut out = digits.to_owned();
    let sign = if exponent < 0 { '-' } else { '+' };
    // Writing to a string does not fail.
    let _ = write!(out, "e{sign}{:02}", exponent.abs());
    out
}

#[cfg(test)]
mod tests;
