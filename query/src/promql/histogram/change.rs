//! Histograms added, scaled and compared.
//!
//! Two exponential histograms are brought to the coarser of their schemas and the wider of their zero buckets first.
//! Histograms with bounds of their own go together only if the bounds are the same.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{CUSTOM, Counted, Histogram, Reset, exponential_bound};

/// Why two histograms do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// One has bounds of its own and the other has not.
    Schemas,
    /// Both have, and they differ.
    Bounds,
}

impl Histogram {
    /// An empty one of the same scheme as another.
    pub(in super::super) fn like(other: &Self) -> Self {
        Self { schema: other.schema, bounds: Arc::clone(&other.bounds), ..Self::default() }
    }

    /// Everything in it by a factor.
    pub(in super::super) fn scaled(&self, factor: f64) -> Self {
        let scale =
            |buckets: &[Counted]| buckets.iter().map(|(number, count)| (*number, count * factor)).collect();
        Self {
            count: self.count * factor,
            sum: self.sum * factor,
            zero_count: self.zero_count * factor,
            positive: scale(&self.positive),
            negative: scale(&self.negative),
            reset: if factor < 0.0 { Reset::Gauge } else { self.reset },
            ..self.clone()
        }
    }

    /// Everything in it by a divisor. By 0 no bucket stays but that of zero.
    pub(in super::super) fn divided(&self, divisor: f64) -> Self {
        let divide =
            |buckets: &[Counted]| buckets.iter().map(|(number, count)| (*number, count / divisor)).collect();
        let none = divisor == 0.0;
        Self {
            count: self.count / divisor,
            sum: self.sum / divisor,
            zero_count: self.zero_count / divisor,
            positive: if none { Vec::new() } else { divide(&self.positive) },
            negative: if none { Vec::new() } else { divide(&self.negative) },
            reset: if divisor < 0.0 { Reset::Gauge } else { self.reset },
            ..self.clone()
        }
    }

    /// The sum of both.
    pub fn plus(&self, other: &Self) -> Result<Self, Mismatch> {
        let reset = match (self.reset, other.reset) {
            (Reset::Gauge, _) | (_, Reset::Gauge) => Reset::Gauge,
            (left, right) if left == right => left,
            _ => Reset::Unknown,
        };
        Ok(Self { reset, ..self.combined(other, 1.0)? })
    }

    /// What is left of this one without the other.
    pub(in super::super) fn minus(&self, other: &Self) -> Result<Self, Mismatch> {
        Ok(Self { reset: Reset::Gauge, ..self.combined(other, -1.0)? })
    }

    /// The sum or the mean with one more, which is the histogram of a number from 1 on. A mean moves, as that of
    /// Prometheus does, so that the mean of what is infinite is no number.
    pub(in super::super) fn gathered(&self, next: &Self, number: f64, mean: bool) -> Result<Self, Mismatch> {
        if number == 1.0 {
            return Ok(next.clone());
        }
        if !mean {
            return self.plus(next);
        }
        let reset = self.plus(next)?.reset;
        let moved = self.plus(&next.divided(number).minus(&self.divided(number))?)?;
        Ok(Self { reset, ..moved })
    }

    fn combined(&self, other: &Self, sign: f64) -> Result<Self, Mismatch> {
        if self.is_custom() != other.is_custom() {
            return Err(Mismatch::Schemas);
        }
        if self.bounds != other.bounds {
            return Err(Mismatch::Bounds);
        }
        let (mut left, mut right) = (self.clone(), other.clone());
        left.meet(&mut right);
        Ok(Self {
            count: left.count + sign * right.count,
            sum: left.sum + sign * right.sum,
            zero_count: left.zero_count + sign * right.zero_count,
            positive: added(&left.positive, &right.positive, sign),
            negative: added(&left.negative, &right.negative, sign),
            ..left
        })
    }

    /// Brings both to the same schema and the same zero bucket.
    fn meet(&mut self, other: &mut Self) {
        // Each turn makes the narrower one wider; what is no number is neither.
        while !self.is_custom() {
            match self.zero_threshold.partial_cmp(&other.zero_threshold) {
                Some(Ordering::Less) => self.widen_zero(other.zero_threshold),
                Some(Ordering::Greater) => other.widen_zero(self.zero_threshold),
                Some(Ordering::Equal) | None => break,
            }
        }
        let schema = self.schema.min(other.schema);
        self.coarsen(schema);
        other.coarsen(schema);
    }

    /// The same in a coarser schema.
    pub fn coarsened(mut self, schema: i32) -> Self {
        self.coarsen(schema);
        self
    }

    fn coarsen(&mut self, schema: i32) {
        if self.is_custom() || schema == CUSTOM || schema >= self.schema {
            return;
        }
        // Beyond this a number of a bucket is 0 or 1 in any case.
        let by = self.schema.saturating_sub(schema).min(31);
        for side in [&mut self.positive, &mut self.negative] {
            let coarse = side.iter().map(|(number, count)| ((number.saturating_sub(1) >> by) + 1, *count));
            let mut buckets: Vec<Counted> = Vec::with_capacity(side.len());
            for (number, count) in coarse {
                match buckets.last_mut() {
                    Some(last) if last.0 == number => last.1 += count,
                    _ => buckets.push((number, count)),
                }
            }
            *side = buckets;
        }
        self.schema = schema;
    }

    /// Widens the zero bucket at least up to a threshold: up to the end of a bucket that the threshold would cut.
    fn widen_zero(&mut self, mut threshold: f64) {
        loop {
            let schema = self.schema;
            let bound = |number: i32| exponential_bound(number, schema);
            let cut = |side: &[Counted]| {
                let cut = side.iter().find(|(number, count)| {
                    bound(number.saturating_sub(1)) < threshold && bound(*number) > threshold && *count != 0.0
                });
                cut.map(|(number, _)| bound(*number))
            };
            if let Some(wider) = cut(&self.positive).or_else(|| cut(&self.negative)) {
                threshold = wider;
                continue;
            }
            for side in [&mut self.positive, &mut self.negative] {
                let swallowed =
                    side.iter().take_while(|(number, _)| bound(number.saturating_sub(1)) < threshold).count();
                self.zero_count += side.drain(..swallowed).map(|(_, count)| count).sum::<f64>();
            }
            self.zero_threshold = threshold;
            return;
        }
    }

    /// The same without buckets that hold nothing.
    pub(in super::super) fn compacted(mut self) -> Self {
        self.positive.retain(|(_, count)| *count != 0.0);
        self.negative.retain(|(_, count)| *count != 0.0);
        self
    }

    /// Whether it holds the same, whatever is known of a new beginning. NaN is the same as itself.
    pub(in super::super) fn is_same(&self, other: &Self) -> bool {
        let same = |left: f64, right: f64| left.to_bits() == right.to_bits();
        let same_buckets = |left: &[Counted], right: &[Counted]| {
            let left = left.iter().filter(|(_, count)| *count != 0.0);
            let right = right.iter().filter(|(_, count)| *count != 0.0);
            left.map(|(number, count)| (*number, count.to_bits()))
                .eq(right.map(|(number, count)| (*number, count.to_bits())))
        };
        self.schema == other.schema
            && same(self.count, other.count)
            && same(self.sum, other.sum)
            && self.zero_threshold == other.zero_threshold
            && same(self.zero_count, other.zero_count)
            && self.bounds == other.bounds
            && same_buckets(&self.positive, &other.positive)
            && same_buckets(&self.negative, &other.negative)
    }

    /// Whether a counter began anew between the histogram before and this one.
    pub(in super::super) fn began_anew(&self, before: &Self) -> bool {
        match self.reset {
            Reset::Yes => return true,
            Reset::No => return false,
            Reset::Unknown | Reset::Gauge => (),
        }
        if self.count < before.count || self.is_custom() != before.is_custom() || self.bounds != before.bounds
        {
            return true;
        }
        if self.schema > before.schema || self.zero_threshold < before.zero_threshold {
            return true;
        }
        let mut before = before.clone();
        if !self.is_custom() && before.zero_threshold != self.zero_threshold {
            before.widen_zero(self.zero_threshold);
            if before.zero_threshold != self.zero_threshold {
                return true;
            }
        }
        before.coarsen(self.schema);
        self.zero_count < before.zero_count
            || shrank(&before.positive, &self.positive)
            || shrank(&before.negative, &self.negative)
    }
}

/// Whether a bucket holds less than before.
fn shrank(before: &[Counted], now: &[Counted]) -> bool {
    before.iter().any(|(number, count)| {
        let found = now.binary_search_by_key(number, |(number, _)| *number);
        *count > found.map_or(0.0, |found| now[found].1)
    })
}

/// The buckets of both.
fn added(left: &[Counted], right: &[Counted], sign: f64) -> Vec<Counted> {
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let number = if order.is_gt() { right.peek() } else { left.peek() }.map_or(0, |(number, _)| *number);
        let mut count = 0.0;
        if order.is_le() {
            count += left.next().map_or(0.0, |(_, count)| *count);
        }
        if order.is_ge() {
            count += sign * right.next().map_or(0.0, |(_, count)| *count);
        }
        out.push((number, count));
    }
}
