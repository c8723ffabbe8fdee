//! Native histograms: a count per bucket of a scheme, of which only the buckets that are used are there.
//!
//! Terms:
//! - *schema*: how fine the buckets are. Of schema `s` the positive bucket `i` holds what is above `b^(i-1)` up to
//!   `b^i`, where `b` is `2^(2^-s)`; the negative buckets mirror it. [`CUSTOM`] stands for bounds of one's own.
//! - *zero bucket*: what is at most `zero_threshold` away from 0.
//!
//! Counts are numbers with a fraction, since rates of histograms are histograms, too.

mod change;
mod estimate;

use std::fmt;
use std::sync::Arc;

use super::numbers::shortest;

pub use change::Mismatch;

/// The schema of histograms with bounds of their own.
pub const CUSTOM: i32 = -53;

/// What is known of a counter having begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// Nothing: it shows from a comparison.
    #[default]
    Unknown,
    /// It began anew between the histogram before and this one.
    Yes,
    /// It did not.
    No,
    /// It is no counter.
    Gauge,
}

/// A bucket's number and how much it holds.
pub type Counted = (i32, f64);

/// A native histogram.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// How fine it is, or [`CUSTOM`].
    pub schema: i32,
    /// What it holds in all.
    pub count: f64,
    /// The sum of all that was observed.
    pub sum: f64,
    /// How far the zero bucket reaches to either side.
    pub zero_threshold: f64,
    /// What the zero bucket holds.
    pub zero_count: f64,
    /// The buckets above zero, or with bounds of one's own, by ascending number.
    pub positive: Vec<Counted>,
    /// The buckets below zero, by ascending number, that is from zero on.
    pub negative: Vec<Counted>,
    /// The upper bounds of one's own; the last bucket has none.
    pub bounds: Arc<[f64]>,
    /// What is known of a new beginning.
    pub reset: Reset,
}

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// Whether the lower bound is in it.
    pub has_lower: bool,
    /// Whether the upper bound is in it.
    pub has_upper: bool,
    /// How much it holds.
    pub count: f64,
}

impl Histogram {
    /// Whether it has bounds of its own.
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM
    }

    /// The upper bound of a positive bucket.
    fn upper(&self, number: i32) -> f64 {
        if !self.is_custom() {
            return exponential_bound(number, self.schema);
        }
        match usize::try_from(number) {
            Ok(number) => self.bounds.get(number).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        }
    }

    fn positive_bucket(&self, (number, count): Counted) -> Bucket {
        let (lower, upper) = (self.upper(number.saturating_sub(1)), self.upper(number));
        // Of bounds of one's own the lowest bucket has all that is below.
        let has_lower = lower == f64::NEG_INFINITY;
        Bucket { lower, upper, has_lower, has_upper: true, count }
    }

    fn negative_bucket(&self, (number, count): Counted) -> Bucket {
        let (lower, upper) = (-self.upper(number), -self.upper(number.saturating_sub(1)));
        Bucket { lower, upper, has_lower: true, has_upper: false, count }
    }

    fn zero_bucket(&self) -> Bucket {
        let threshold = self.zero_threshold;
        Bucket {
            lower: -threshold,
            upper: threshold,
            has_lower: true,
            has_upper: true,
            count: self.zero_count,
        }
    }

    /// All buckets that hold something, from the lowest on.
    pub fn buckets(&self) -> Vec<Bucket> {
        let negative = self.negative.iter().rev().map(|counted| self.negative_bucket(*counted));
        let zero = Some(self.zero_bucket()).filter(|zero| zero.count > 0.0);
        let positive = self.positive.iter().map(|counted| self.positive_bucket(*counted));
        negative.chain(zero).chain(positive).filter(|bucket| bucket.count != 0.0).collect()
    }
}

/// The upper bound of a bucket of an exponential schema.
fn exponential_bound(number: i32, schema: i32) -> f64 {
    if schema < 0 {
        // Beyond this a number would not fit, and the power is 0 or infinite anyway.
        let exponent = i64::from(number).clamp(-10_000, 10_000) << schema.saturating_neg().min(16);
        return power(exponent);
    }
    let schema = schema.min(16);
    let part = number & ((1 << schema) - 1);
    let fine = (f64::from(part) / f64::from(1 << schema)).exp2();
    let whole = power(i64::from(number >> schema));
    let bound = fine * whole;
    if bound.is_infinite() && whole.is_finite() { f64::MAX } else { bound }
}

/// Two to a whole power. The last bound before infinity is the largest number.
fn power(exponent: i64) -> f64 {
    match exponent {
        1024 => f64::MAX,
        exponent => (exponent.clamp(-2000, 2000) as f64).exp2(),
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", shortest(self.count), shortest(self.sum))?;
        for bucket in self.buckets() {
            let open = if bucket.has_lower { '[' } else { '(' };
            let close = if bucket.has_upper { ']' } else { ')' };
            let (lower, upper) = (shortest(bucket.lower), shortest(bucket.upper));
            write!(f, ", {open}{lower},{upper}{close}:{}", shortest(bucket.count))?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests;
