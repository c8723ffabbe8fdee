//! Latencies in a histogram of bounded size, and what is read off numbers.

use std::time::Duration;

/// Buckets a power of two has: a value is known within 1/64.
const BUCKETS_PER_POWER: usize = 64;
/// Powers of two: from one microsecond to more than a day.
const POWERS: usize = 38;

/// How often which time was taken.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS_PER_POWER * POWERS], count: 0, max_us: 0 }
    }
}

impl Histogram {
    /// Adds a time.
    pub(crate) fn add(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        self.buckets[bucket(us).min(last)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The time in milliseconds that this share of all did not pass; none if there are none.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        let at = self.buckets.iter().position(|bucket| {
            seen += bucket;
            seen >= rank
        });
        at.map(|at| upper_us(at).min(self.max_us) as f64 / 1000.0)
    }

    /// How many times were added.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The longest time in milliseconds; none if there are none.
    pub(crate) fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max_us as f64 / 1000.0)
    }
}

/// Values below 64 have a bucket each; above, each power of two has 64.
fn bucket(us: u64) -> usize {
    let Some(power) = us.checked_ilog2().map(|power| power as usize).filter(|power| *power >= 6) else {
        return us as usize;
    };
    let within = (us >> (power - 6)) as usize - BUCKETS_PER_POWER;
    (power - 5) * BUCKETS_PER_POWER + within
}

/// The greatest value of a bucket.
fn upper_us(bucket: usize) -> u64 {
    if bucket < BUCKETS_PER_POWER {
        return bucket as u64;
    }
    let (power, within) = (bucket / BUCKETS_PER_POWER + 5, bucket % BUCKETS_PER_POWER);
    (((BUCKETS_PER_POWER + within + 1) as u64) << (power - 6)) - 1
}

/// The one in the middle, the lower of two; none if there are none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// One number by another; none where that would say nothing.
pub(crate) fn ratio(value: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| value / by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_close_above_it() {
        for us in (0..5_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, 1 << 40]) {
            let upper = upper_us(bucket(us));
            assert!(upper >= us, "{us}: {upper}");
            assert!(upper - us <= us / 64, "{us}: {upper}");
            assert!(us == 0 || bucket(us - 1) <= bucket(us), "{us}");
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        for us in 1..=50u64 {
            histogram.add(Duration::from_micros(us));
        }
        assert_eq!(histogram.quantile_ms(0.5), Some(0.025));
        assert_eq!(histogram.quantile_ms(0.99), Some(0.05));
        assert_eq!(histogram.quantile_ms(0.0), Some(0.001));
        let mut other = Histogram::default();
        other.add(Duration::from_secs(90));
        histogram.merge(&other);
        assert_eq!(histogram.quantile_ms(1.0), Some(90_000.0));
        assert_eq!(histogram.max_ms(), Some(90_000.0));
        assert_eq!(histogram.quantile_ms(0.5), Some(0.026));
    }

    #[test]
    fn what_is_longer_than_all_buckets_is_in_the_last() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::MAX);
        assert_eq!(histogram.buckets.last(), Some(&1));
    }

    #[test]
    fn middles_and_ratios() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(ratio(6.0, 3.0), Some(2.0));
        assert_eq!(ratio(6.0, 0.0), None);
    }
}
