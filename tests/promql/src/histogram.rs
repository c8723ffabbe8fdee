//! Native histograms as scripts write them, `{{schema:1 sum:3 count:22 buckets:[5 10 7]}}`, and as answers show them.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};

/// The schema of histograms with bounds of their own.
pub const CUSTOM: i32 = -53;

/// The schemas of exponential buckets, from the coarsest.
const SCHEMAS: RangeInclusive<i32> = -4..=8;

/// The most buckets of a side.
const BUCKETS_MAX: usize = 1_000;

/// What is said of a counter having begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// It did, just before.
    Yes,
    /// It did not.
    No,
    /// It is no counter.
    Gauge,
}

/// Counts of buckets side by side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// The number of the first bucket.
    pub first: i32,
    /// What each holds.
    pub counts: Vec<f64>,
}

impl Buckets {
    /// Each bucket's number and what it holds.
    fn numbered(&self) -> impl DoubleEndedIterator<Item = (i32, f64)> {
        self.counts.iter().enumerate().map(|(place, count)| (self.first + place as i32, *count))
    }

    /// The buckets of a resolution that is coarser by so many schemas: each holds two of the one before.
    fn coarser(&self, schemas: u32) -> Self {
        let coarse = |number: i32| ((number - 1) >> schemas) + 1;
        let mut out = Self { first: coarse(self.first), counts: Vec::new() };
        for (number, count) in self.numbered() {
            let place = (coarse(number) - out.first) as usize;
            out.counts.resize(place + 1, 0.0);
            out.counts[place] += count;
        }
        out
    }

    fn plus(&self, other: &Self) -> Self {
        if self.counts.is_empty() || other.counts.is_empty() {
            return if self.counts.is_empty() { other.clone() } else { self.clone() };
        }
        let first = self.first.min(other.first);
        let end = |buckets: &Self| buckets.first + buckets.counts.len() as i32;
        let mut counts = vec![0.0; (end(self).max(end(other)) - first) as usize];
        for (number, count) in self.numbered().chain(other.numbered()) {
            counts[(number - first) as usize] += count;
        }
        Self { first, counts }
    }
}

/// A native histogram.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// How fine its buckets are, or [`CUSTOM`].
    pub schema: i32,
    /// What it holds in all.
    pub count: f64,
    /// The sum of all that was observed.
    pub sum: f64,
    /// How far the bucket around zero reaches.
    pub zero_threshold: f64,
    /// What that bucket holds.
    pub zero_count: f64,
    /// The buckets above zero, or with bounds of one's own.
    pub positive: Buckets,
    /// The buckets below zero.
    pub negative: Buckets,
    /// The upper bounds of one's own; the last bucket has none.
    pub bounds: Vec<f64>,
    /// What is said of a new beginning.
    pub reset: Option<Reset>,
}

/// Which bounds belong to a bucket, in the numbers of Prometheus' HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The upper one.
    Upper = 0,
    /// The lower one.
    Lower = 1,
    /// Both.
    Both = 3,
}

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Which bounds belong to it.
    pub closed: Closed,
    /// Its lower bound.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
    /// What it holds.
    pub count: f64,
}

impl Histogram {
    /// Reads what stands between the braces.
    pub fn parse(text: &str) -> Result<Self> {
        let mut histogram = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (key, after) = rest.split_once(':').with_context(|| format!("{rest:?} has no `:`"))?;
            let (value, after) = match after.strip_prefix('[') {
                Some(list) => {
                    list.split_once(']').with_context(|| format!("the list of {key} does not end"))?
                }
                None => after.split_at(after.find(' ').unwrap_or(after.len())),
            };
            histogram.set(key, value).with_context(|| format!("{value:?} is no {key} of a histogram"))?;
            rest = after.trim_start();
        }
        Ok(histogram)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let list = || -> Result<Vec<f64>> {
            let numbers = value.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            ensure!(numbers.len() <= BUCKETS_MAX, "it has more than {BUCKETS_MAX} numbers");
            Ok(numbers)
        };
        match key {
            "schema" => {
                self.schema = value.parse()?;
                ensure!(self.schema == CUSTOM || SCHEMAS.contains(&self.schema), "there is no such schema");
            }
            "sum" => self.sum = value.parse()?,
            "count" => self.count = value.parse()?,
            "z_bucket" => self.zero_count = value.parse()?,
            "z_bucket_w" => self.zero_threshold = value.parse()?,
            "offset" => self.positive.first = value.parse()?,
            "n_offset" => self.negative.first = value.parse()?,
            "buckets" => self.positive.counts = list()?,
            "n_buckets" => self.negative.counts = list()?,
            "custom_values" => self.bounds = list()?,
            "counter_reset_hint" => self.reset = reset(value)?,
            _ => bail!("a histogram has schema, sum, count, buckets and the like"),
        }
        Ok(())
    }

    /// The sum of two, in the coarser one's resolution.
    pub fn plus(&self, other: &Self) -> Result<Self> {
        ensure!(
            self.bounds == other.bounds
                && (self.schema == CUSTOM) == (other.schema == CUSTOM)
                && self.zero_threshold == other.zero_threshold,
            "only histograms with the same bounds and bucket around zero can be added"
        );
        let schema = self.schema.min(other.schema);
        let of = |one: &Self, buckets: &Buckets| buckets.coarser((one.schema - schema) as u32);
        Ok(Self {
            schema,
            count: self.count + other.count,
            sum: self.sum + other.sum,
            zero_count: self.zero_count + other.zero_count,
            positive: of(self, &self.positive).plus(&of(other, &other.positive)),
            negative: of(self, &self.negative).plus(&of(other, &other.negative)),
            ..self.clone()
        })
    }

    /// One with bounds of its own, of cumulated buckets: each upper bound with its count, in order, the last
    /// perhaps without end.
    pub fn of_classic(buckets: &[(f64, f64)], count: Option<f64>, sum: f64) -> Self {
        let bounds: Vec<f64> =
            buckets.iter().map(|bucket| bucket.0).filter(|bound| bound.is_finite()).collect();
        let mut before = 0.0;
        let mut counts = Vec::new();
        for (_, cumulated) in buckets {
            counts.push(cumulated - before);
            before = *cumulated;
        }
        let count = count.unwrap_or(before);
        if bounds.len() == buckets.len() && count > before {
            counts.push(count - before);
        }
        let positive = Buckets { first: 0, counts };
        Self { schema: CUSTOM, count, sum, positive, bounds, ..Self::default() }
    }

    /// The buckets that hold something, from the lowest on, as answers show them: that around zero only where it holds
    /// more than nothing.
    pub fn buckets(&self) -> Vec<Bucket> {
        let negative = self.negative.numbered().rev().map(|(number, count)| {
            let (lower, upper) = (-self.upper(number), -self.upper(number - 1));
            Bucket { closed: Closed::Lower, lower, upper, count }
        });
        let (lower, upper) = (-self.zero_threshold, self.zero_threshold);
        let zero = Bucket { closed: Closed::Both, lower, upper, count: self.zero_count };
        let zero = Some(zero).filter(|zero| zero.count > 0.0);
        let positive = self.positive.numbered().map(|(number, count)| {
            let (lower, upper) = (self.upper(number - 1), self.upper(number));
            let closed = if lower == f64::NEG_INFINITY { Closed::Both } else { Closed::Upper };
            Bucket { closed, lower, upper, count }
        });
        negative.chain(zero).chain(positive).filter(|bucket| bucket.count != 0.0).collect()
    }

    /// The upper bound of a positive bucket.
    fn upper(&self, number: i32) -> f64 {
        if self.schema != CUSTOM {
            return (f64::from(number) * f64::from(-self.schema).exp2()).exp2().min(f64::MAX);
        }
        match usize::try_from(number) {
            Ok(number) => self.bounds.get(number).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        }
    }
}

fn reset(text: &str) -> Result<Option<Reset>> {
    Ok(match text {
        "unknown" => None,
        "reset" => Some(Reset::Yes),
        "not_reset" => Some(Reset::No),
        "gauge" => Some(Reset::Gauge),
        _ => bail!("what is known is unknown, reset, not_reset or gauge"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let histogram = Histogram::parse(text).unwrap();
        let bucket = |one: Bucket| format!("{:?} {}..{}: {}", one.closed, one.lower, one.upper, one.count);
        histogram.buckets().into_iter().map(bucket).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn buckets_have_bounds() {
        for (text, expected) in [
            ("", ""),
            ("schema:0 count:3 sum:5 buckets:[1 0 2]", "Upper 0.5..1: 1, Upper 2..4: 2"),
            ("schema:-1 offset:1 buckets:[7]", "Upper 1..4: 7"),
            (
                "n_buckets:[1 2] z_bucket:4 z_bucket_w:0.1",
                "Lower -2..-1: 2, Lower -1..-0.5: 1, Both -0.1..0.1: 4",
            ),
            ("z_bucket:-1 z_bucket_w:0.1 buckets:[-3]", "Upper 0.5..1: -3"),
            ("schema:-53 custom_values:[5 10] buckets:[1 0 2]", "Both -inf..5: 1, Upper 10..inf: 2"),
            ("schema:0 offset:1024 buckets:[1]", "Upper 89884656743115800000..MAX: 1"),
        ] {
            let expected =
                expected.replace("89884656743115800000..MAX", &format!("{}..{}", 2f64.powi(1023), f64::MAX));
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn sums() {
        let sum = |left: &str, right: &str| {
            Histogram::parse(left).unwrap().plus(&Histogram::parse(right).unwrap()).map(|sum| sum.positive)
        };
        let buckets = |first, counts: &[f64]| Buckets { first, counts: counts.to_vec() };
        assert_eq!(sum("buckets:[1 2]", "offset:3 buckets:[4]").unwrap(), buckets(0, &[1.0, 2.0, 0.0, 4.0]));
        assert_eq!(sum("", "offset:-1 buckets:[4]").unwrap(), buckets(-1, &[4.0]));
        assert_eq!(
            sum("schema:1 buckets:[1 2 3 4]", "offset:1 buckets:[5]").unwrap(),
            buckets(0, &[1.0, 10.0, 4.0])
        );
        assert!(sum("z_bucket_w:1", "z_bucket_w:2").is_err());
    }

    #[test]
    fn classic_ones() {
        let histogram = Histogram::of_classic(&[(1.0, 2.0), (5.0, 3.0)], Some(7.0), 20.0);
        assert_eq!((histogram.bounds.as_slice(), histogram.count), ([1.0, 5.0].as_slice(), 7.0));
        assert_eq!(histogram.positive.counts, [2.0, 1.0, 4.0]);
        let histogram = Histogram::of_classic(&[(1.0, 2.0), (f64::INFINITY, 3.0)], None, 20.0);
        assert_eq!((histogram.bounds.as_slice(), histogram.count), ([1.0].as_slice(), 3.0));
    }

    #[test]
    fn what_is_no_histogram() {
        for text in [
            "sum",
            "sum:x",
            "buckets:[1",
            "buckets:[x]",
            "colour:1",
            "schema:9",
            "counter_reset_hint:perhaps",
        ] {
            assert!(Histogram::parse(text).is_err(), "{text}");
        }
    }
}
