//! What histograms tell of what was observed: quantiles, fractions, variance.

use super::super::numbers::Sum;
use super::{Bucket, Histogram};

/// A quantile and what to know of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Quantile {
    pub(in super::super) value: f64,
    /// Observations of NaN, which are in no bucket, moved it up.
    pub(in super::super) skewed: bool,
    /// It is among the observations of NaN.
    pub(in super::super) in_nan: bool,
}

/// A fraction and what to know of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Fraction {
    pub(in super::super) value: f64,
    /// There are observations of NaN, which are in no bucket.
    pub(in super::super) without_nan: bool,
}

impl Histogram {
    /// The sum of what was observed by their number.
    pub(in super::super) fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// Whether NaN was observed, which no bucket holds. Buckets with bounds of one's own count it somewhere.
    fn has_nan(&self) -> bool {
        self.sum.is_nan() && !self.is_custom()
    }

    /// A bucket as estimates take it: that of zero does not reach to a side on which nothing was observed, and the
    /// lowest of bounds of one's own begins at 0 if it ends above.
    fn estimated(&self, bucket: Bucket) -> Bucket {
        let mut bucket = bucket;
        if !self.is_custom() && bucket.lower < 0.0 && bucket.upper > 0.0 {
            let (above, below) = (!self.positive.is_empty(), !self.negative.is_empty());
            if above && !below {
                bucket.lower = 0.0;
            } else if below && !above {
                bucket.upper = 0.0;
            }
        }
        if self.is_custom() && bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
            bucket.lower = 0.0;
        }
        bucket
    }

    /// Whether what a bucket holds is taken as spread evenly, and not as ever denser towards zero.
    fn is_even(&self, bucket: &Bucket) -> bool {
        self.is_custom() || (bucket.lower <= 0.0 && bucket.upper >= 0.0)
    }

    /// The value at a part of a bucket, 0 at its lower end.
    fn value_at(&self, bucket: &Bucket, part: f64) -> f64 {
        if self.is_even(bucket) {
            return bucket.lower + (bucket.upper - bucket.lower) * part;
        }
        let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
        let size = (lower + (upper - lower) * part).exp2();
        if bucket.lower > 0.0 { size } else { -size }
    }

    /// The part of a bucket that is below a value within it.
    fn part_below(&self, bucket: &Bucket, value: f64) -> f64 {
        if self.is_even(bucket) {
            return (value - bucket.lower) / (bucket.upper - bucket.lower);
        }
        let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
        (value.abs().log2() - lower) / (upper - lower)
    }

    /// The value below which a part `q` of all observations is.
    pub(in super::super) fn quantile(&self, q: f64) -> Quantile {
        let sure = |value| Quantile { value, skewed: false, in_nan: false };
        if q < 0.0 {
            return sure(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return sure(f64::INFINITY);
        }
        if q.is_nan() || self.count == 0.0 || self.count.is_nan() {
            return sure(f64::NAN);
        }
        let nan = self.sum.is_nan();
        // From the nearer end on, so that less is lost. NaN would be above all, so there is no coming from there.
        let upwards = nan || q < 0.5;
        let rank = if upwards { q * self.count } else { (1.0 - q) * self.count };
        let mut buckets = self.buckets();
        if !upwards {
            buckets.reverse();
        }
        let mut passed = 0.0;
        let found = buckets.into_iter().find(|bucket| {
            passed += bucket.count;
            passed >= rank
        });
        let Some(bucket) = found else {
            let last = self.buckets().into_iter().next_back().map_or(f64::NAN, |bucket| bucket.upper);
            return if nan { Quantile { value: f64::NAN, skewed: false, in_nan: true } } else { sure(last) };
        };
        let value = self.quantile_in(bucket, passed.min(self.count), rank, upwards);
        Quantile { value, skewed: self.has_nan(), in_nan: false }
    }

    /// The quantile within the bucket where it is.
    fn quantile_in(&self, bucket: Bucket, passed: f64, rank: f64, upwards: bool) -> f64 {
        if self.is_custom() && bucket.lower == f64::NEG_INFINITY && bucket.upper <= 0.0 {
            return bucket.upper;
        }
        if self.is_custom() && bucket.upper == f64::INFINITY {
            return bucket.lower;
        }
        let bucket = self.estimated(bucket);
        let below = if upwards { rank - (passed - bucket.count) } else { passed - rank };
        self.value_at(&bucket, below / bucket.count)
    }

    /// Which part of all observations is between two values.
    pub(in super::super) fn fraction(&self, lower: f64, upper: f64) -> Fraction {
        let sure = |value| Fraction { value, without_nan: false };
        if self.count == 0.0 || self.count.is_nan() || lower.is_nan() || upper.is_nan() {
            return sure(f64::NAN);
        }
        if lower >= upper {
            return sure(0.0);
        }
        let buckets = self.buckets();
        let between = self.count_below(&buckets, upper) - self.count_below(&buckets, lower);
        Fraction { value: between / self.count, without_nan: self.has_nan() }
    }

    /// How many observations are below a value.
    fn count_below(&self, buckets: &[Bucket], value: f64) -> f64 {
        let mut below = 0.0;
        for bucket in buckets {
            let bucket = self.estimated(*bucket);
            if value <= bucket.lower {
                return below;
            }
            if value < bucket.upper {
                // A bucket without end has no part: all of the lowest is below, nothing of the highest.
                return match (bucket.lower.is_infinite(), bucket.upper.is_infinite()) {
                    (true, _) => below + bucket.count,
                    (_, true) => below,
                    _ => below + bucket.count * self.part_below(&bucket, value),
                };
            }
            below += bucket.count;
        }
        if self.sum.is_nan() { below } else { self.count }
    }

    /// How far observations are from their mean, squared, if each is in the middle of its bucket.
    pub(in super::super) fn variance(&self) -> f64 {
        let mean = self.average();
        let mut squares = Sum::default();
        for bucket in self.buckets() {
            let middle = if self.is_custom() {
                (bucket.lower + bucket.upper) / 2.0
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                0.0
            } else {
                (bucket.lower * bucket.upper).sqrt().copysign(bucket.upper)
            };
            let distance = middle - mean;
            squares.add(bucket.count * distance * distance);
        }
        squares.total() / self.count
    }
}
