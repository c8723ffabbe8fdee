//! Native histograms: from spans and deltas to buckets one beside the other.

use super::STALE;
use crate::decode::metrics::{Buckets, Distribution};
use crate::decode::notes::Reason;
use crate::decode::wire::{Field, Fields, WireError, unzigzag};

/// How many buckets a side may have, those between two spans included.
const BUCKETS_PER_SIDE_MAX: usize = 10_000;

/// How many buckets all histograms of a request may have; one takes eight bytes.
const BUCKETS_PER_REQUEST_MAX: usize = 8_000_000;

/// The schema of buckets whose bounds are sent with them.
const CUSTOM: i32 = -53;

const SCHEMA: Reason = "the schema of a native histogram must be -53 or from -4 to 8";
const SPANS: Reason = "the spans of a native histogram must ascend and have as many buckets as are sent";
const TOO_MANY: Reason = "a native histogram has more than 10000 buckets on a side";
const TOO_MANY_IN_ALL: Reason =
    "the native histograms of one request have more than 8000000 buckets: send fewer";
const NEGATIVE: Reason = "the counts of a native histogram must not be negative";
const COUNT: Reason =
    "the count of a native histogram must be the sum of its buckets, and below 9223372036854775808";
const BOUNDS: Reason = "the custom bounds of a native histogram must ascend, be finite and cover its buckets";
const CUSTOM_SIDES: Reason =
    "a native histogram with custom bounds must have neither a zero bucket nor negative buckets";
const NO_BOUNDS: Reason = "a native histogram of an exponential schema must have no custom bounds";

/// The histogram being read. Used again and again it allocates little.
#[derive(Debug)]
pub(super) struct NativeHistogram {
    count: Count,
    zero_count: Count,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
    reset_hint: u32,
    /// In milliseconds.
    pub(super) time: i64,
    pub(super) start: i64,
    bounds: Vec<f64>,
    /// How many buckets further histograms of the request may have.
    buckets_left: usize,
}

/// A count of observations.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Count {
    Integer(u64),
    Float(f64),
}

/// One side's buckets.
#[derive(Debug, Default)]
struct Side {
    /// The gap before each span, and its length.
    spans: Vec<(i32, u32)>,
    deltas: Vec<i64>,
    floats: Vec<f64>,
    /// The index of the first bucket as Prometheus counts them; `None` without buckets.
    first: Option<i64>,
    /// All buckets from the first to the last.
    counts: Vec<i64>,
    counts_float: Vec<f64>,
}

impl Default for NativeHistogram {
    fn default() -> Self {
        Self {
            count: Count::Integer(0),
            zero_count: Count::Integer(0),
            sum: 0.0,
            schema: 0,
            zero_threshold: 0.0,
            positive: Side::default(),
            negative: Side::default(),
            reset_hint: 0,
            time: 0,
            start: 0,
            bounds: Vec::new(),
            buckets_left: BUCKETS_PER_REQUEST_MAX,
        }
    }
}

impl NativeHistogram {
    /// Reads a histogram in place of the one before.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.clear();
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => self.count = Count::Integer(field.varint()?),
                2 => self.count = Count::Float(field.double()?),
                3 => self.sum = field.double()?,
                4 => self.schema = field.zigzag32()?,
                5 => self.zero_threshold = field.double()?,
                6 => self.zero_count = Count::Integer(field.varint()?),
                7 => self.zero_count = Count::Float(field.double()?),
                8..=10 => self.negative.read(field.tag - 8, field)?,
                11..=13 => self.positive.read(field.tag - 11, field)?,
                14 => self.reset_hint = field.varint32()?,
                15 => self.time = field.varint()?.cast_signed(),
                16 => field.fixed64s(|bound| self.bounds.push(f64::from_bits(bound)))?,
                17 => self.start = field.varint()?.cast_signed(),
                _ => {}
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        (self.count, self.zero_count) = (Count::Integer(0), Count::Integer(0));
        (self.sum, self.zero_threshold, self.schema, self.reset_hint) = (0.0, 0.0, 0, 0);
        (self.time, self.start) = (0, 0);
        self.bounds.clear();
        self.positive.clear();
        self.negative.clear();
    }

    /// Whether it says that its series has ended.
    pub(super) fn is_stale(&self) -> bool {
        self.sum.to_bits() == STALE
    }

    /// Lays the buckets out, or says why it cannot be stored.
    pub(super) fn lay_out(&mut self) -> Result<(), Reason> {
        if self.schema != CUSTOM && !(-4..=8).contains(&self.schema) {
            return Err(SCHEMA);
        }
        if self.is_stale() {
            return Ok(());
        }
        let is_float = matches!(self.count, Count::Float(_));
        self.positive.lay_out(is_float)?;
        self.negative.lay_out(is_float)?;
        let buckets = self.positive.len() + self.negative.len();
        self.buckets_left = self.buckets_left.checked_sub(buckets).ok_or(TOO_MANY_IN_ALL)?;
        match self.schema {
            CUSTOM => self.check_custom()?,
            _ if !self.bounds.is_empty() => return Err(NO_BOUNDS),
            _ => {}
        }
        self.check_counts()
    }

    fn check_custom(&self) -> Result<(), Reason> {
        if self.negative.first.is_some() || !self.zero_count.is_zero() || self.zero_threshold != 0.0 {
            return Err(CUSTOM_SIDES);
        }
        let ascend = self.bounds.is_sorted_by(|a, b| a < b);
        let first = self.positive.first.unwrap_or(0);
        let end = first.saturating_add(self.positive.len() as i64);
        // One bucket more than bounds: that above the last.
        let covered = first >= 0 && end <= self.bounds.len() as i64 + 1;
        if ascend && self.bounds.iter().all(|bound| bound.is_finite()) && covered {
            Ok(())
        } else {
            Err(BOUNDS)
        }
    }

    /// Integers must add up; of floating point numbers, which are rounded, none may be negative.
    fn check_counts(&self) -> Result<(), Reason> {
        match (self.count, self.zero_count) {
            (Count::Float(count), zero) => {
                if count < 0.0 || zero.float() < 0.0 {
                    Err(NEGATIVE)
                } else {
                    Ok(())
                }
            }
            (Count::Integer(count), Count::Float(zero)) if zero != 0.0 || count > i64::MAX as u64 => {
                Err(COUNT)
            }
            (Count::Integer(count), zero) => {
                let zero = zero.integer().unwrap_or(0);
                let found = self.positive.total() + self.negative.total() + u128::from(zero);
                let count = u128::from(count);
                // Observations that are no number are in no bucket, and make the sum none.
                let adds_up = if self.sum.is_nan() { found <= count } else { found == count };
                if adds_up && count <= i64::MAX as u128 { Ok(()) } else { Err(COUNT) }
            }
        }
    }

    /// What its row says. Its scale says that it is a histogram even where it is stale.
    pub(super) fn distribution(&self) -> Distribution<'_> {
        let scale = Some(i64::from(self.schema));
        if self.is_stale() {
            return Distribution { scale, ..Distribution::default() };
        }
        // OTLP counts buckets from the one above 1, Prometheus from the one that ends there.
        let before_first = i64::from(self.schema != CUSTOM);
        let is_float = matches!(self.count, Count::Float(_));
        let (count, zero_count) = match is_float {
            true => (None, None),
            false => (self.count.integer(), self.zero_count.integer().or(Some(0))),
        };
        Distribution {
            count: count.map(u64::cast_signed),
            sum: Some(self.sum),
            scale,
            zero_count: zero_count.map(u64::cast_signed),
            zero_threshold: Some(self.zero_threshold),
            bounds: (self.schema == CUSTOM).then_some(&self.bounds),
            positive: self.positive.buckets(before_first, is_float),
            negative: self.negative.buckets(before_first, is_float),
            reset_hint: match self.reset_hint {
                1 => Some("yes"),
                2 => Some("no"),
                3 => Some("gauge"),
                _ => None,
            },
            count_float: is_float.then(|| self.count.float()),
            zero_count_float: is_float.then(|| self.zero_count.float()),
            ..Distribution::default()
        }
    }
}

impl Count {
    fn integer(self) -> Option<u64> {
        match self {
            Self::Integer(count) => Some(count),
            Self::Float(_) => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Integer(count) => count as f64,
            Self::Float(count) => count,
        }
    }

    fn is_zero(self) -> bool {
        matches!(self, Self::Integer(0)) || self == Self::Float(0.0)
    }
}

impl Side {
    /// Reads a field of a side: spans, deltas or counts.
    fn read(&mut self, part: u32, field: Field<'_>) -> Result<(), WireError> {
        match part {
            0 => {
                let (mut offset, mut length) = (0, 0);
                for field in Fields::new(field.bytes()?) {
                    let field = field?;
                    match field.tag {
                        1 => offset = field.zigzag32()?,
                        2 => length = field.varint32()?,
                        _ => {}
                    }
                }
                self.spans.push((offset, length));
                Ok(())
            }
            1 => field.varints(|delta| self.deltas.push(unzigzag(delta))),
            _ => field.fixed64s(|count| self.floats.push(f64::from_bits(count))),
        }
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.deltas.clear();
        self.floats.clear();
        self.counts.clear();
        self.counts_float.clear();
        self.first = None;
    }

    /// How many buckets lie from the first to the last.
    fn len(&self) -> usize {
        self.counts.len().max(self.counts_float.len())
    }

    fn total(&self) -> u128 {
        self.counts.iter().map(|count| u128::from(count.cast_unsigned())).sum()
    }

    fn lay_out(&mut self, is_float: bool) -> Result<(), Reason> {
        let sent = if is_float { self.floats.len() } else { self.deltas.len() };
        let length = self.check_spans(sent)?;
        let first = self.first.unwrap_or(0);
        let place = |index: i64| usize::try_from(index - first).unwrap_or(0);
        if is_float {
            self.counts_float.resize(length, 0.0);
        } else {
            self.counts.resize(length, 0);
        }
        let (mut index, mut read, mut count) = (0_i64, 0, 0_i64);
        for (offset, length) in &self.spans {
            index += i64::from(*offset);
            for _ in 0..*length {
                if is_float {
                    self.counts_float[place(index)] = self.floats[read];
                } else {
                    count = count.checked_add(self.deltas[read]).ok_or(COUNT)?;
                    self.counts[place(index)] = count;
                }
                (index, read) = (index + 1, read + 1);
            }
        }
        let negative =
            self.counts.iter().any(|count| *count < 0) || self.counts_float.iter().any(|count| *count < 0.0);
        if negative { Err(NEGATIVE) } else { Ok(()) }
    }

    /// Checks the spans against how many buckets were sent, and finds the first; gives how many buckets there are
    /// with those between spans.
    fn check_spans(&mut self, sent: usize) -> Result<usize, Reason> {
        let (mut index, mut buckets) = (0_i64, 0_u64);
        for (number, (offset, length)) in self.spans.iter().enumerate() {
            if number > 0 && *offset < 0 {
                return Err(SPANS);
            }
            index += i64::from(*offset);
            if *length > 0 && self.first.is_none() {
                self.first = Some(index);
            }
            index += i64::from(*length);
            buckets += u64::from(*length);
        }
        if buckets != sent as u64 {
            return Err(SPANS);
        }
        let Some(first) = self.first else { return Ok(0) };
        // A gap behind the last bucket ends nothing.
        let trailing: i64 = self
            .spans
            .iter()
            .rev()
            .take_while(|(_, length)| *length == 0)
            .map(|(gap, _)| i64::from(*gap))
            .sum();
        let length = usize::try_from(index - trailing - first).unwrap_or(usize::MAX);
        let fits = i32::try_from(first - 1).is_ok() && i32::try_from(index).is_ok();
        if !fits {
            return Err(SPANS);
        }
        if length > BUCKETS_PER_SIDE_MAX { Err(TOO_MANY) } else { Ok(length) }
    }

    fn buckets(&self, before_first: i64, is_float: bool) -> Buckets<'_> {
        let Some(first) = self.first else { return Buckets::default() };
        Buckets {
            offset: Some(first - before_first),
            counts: (!is_float).then_some(&self.counts),
            counts_float: is_float.then_some(&self.counts_float),
        }
    }
}
