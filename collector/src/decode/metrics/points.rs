//! The four kinds of data points as one.

use model::UnixNanos;

use super::Kind;
use crate::decode::context::{AttributeList, Context, optional_time, stored_time};
use crate::decode::notes::Reason;
use crate::decode::wire::{Field, Fields, Parts, WireError};

/// The flag of a point that says that nothing was recorded: its values mean nothing.
const NO_RECORDED_VALUE: u32 = 1;

const NO_TIME: Reason = "a data point must have a time";
const NO_VALUE: Reason = "a data point must have a value, or the flag that none was recorded";
const BUCKETS: Reason = "a histogram must have one bucket count more than bounds, or none of either";
const COUNT: Reason = "counts must be below 9223372036854775808";

/// A data point of any kind but for its lists; what its kind does not have is as if it had not been sent.
#[derive(Default)]
pub(super) struct Point<'p> {
    pub(super) kind: Option<Kind>,
    pub(super) start_time: u64,
    pub(super) time: u64,
    pub(super) flags: u32,
    pub(super) exemplars: usize,
    exemplar_too_late: Option<Reason>,
    pub(super) number: Option<Number>,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    positive: Parts<'p>,
    negative: Parts<'p>,
    pub(super) positive_offset: Option<i32>,
    pub(super) negative_offset: Option<i32>,
}

/// The value of a gauge or sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Double(f64),
    Int(i64),
}

/// The lists of the point being read. Those of counts hold the bits of what was sent.
#[derive(Default)]
pub(super) struct Scratch<'p> {
    pub(super) attributes: AttributeList<'p>,
    pub(super) bounds: Vec<f64>,
    pub(super) bucket_counts: Vec<i64>,
    pub(super) positive_counts: Vec<i64>,
    pub(super) negative_counts: Vec<i64>,
    pub(super) quantiles: Vec<(f64, f64)>,
}

impl Scratch<'_> {
    pub(super) fn clear(&mut self) {
        self.attributes.clear();
        self.bounds.clear();
        self.bucket_counts.clear();
        self.positive_counts.clear();
        self.negative_counts.clear();
        self.quantiles.clear();
    }
}

/// The times of a point.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) time: UnixNanos,
    pub(super) start: Option<UnixNanos>,
}

impl<'p> Point<'p> {
    pub(super) fn read(
        message: &'p [u8],
        kind: Kind,
        scratch: &mut Scratch<'p>,
        context: &Context<'_>,
    ) -> Result<Self, WireError> {
        let mut point = Self { kind: Some(kind), ..Self::default() };
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                2 => point.start_time = field.fixed64()?,
                3 => point.time = field.fixed64()?,
                tag if tag == attributes_tag(kind) => {
                    scratch.attributes.add(field.bytes()?, context.limits)?;
                }
                tag if tag == flags_tag(kind) => point.flags = field.varint32()?,
                tag if Some(tag) == exemplars_tag(kind) => point.add_exemplar(field.bytes()?)?,
                _ => match kind {
                    Kind::Gauge | Kind::Sum => point.read_number(field)?,
                    Kind::Histogram => point.read_histogram(field, scratch)?,
                    Kind::ExponentialHistogram => point.read_exponential(field)?,
                    Kind::Summary => point.read_summary(field, scratch)?,
                },
            }
        }
        point.positive_offset = buckets(&point.positive, &mut scratch.positive_counts)?;
        point.negative_offset = buckets(&point.negative, &mut scratch.negative_counts)?;
        Ok(point)
    }

    fn read_number(&mut self, field: Field<'p>) -> Result<(), WireError> {
        match field.tag {
            4 => self.number = Some(Number::Double(field.double()?)),
            6 => self.number = Some(Number::Int(field.fixed64()?.cast_signed())),
            _ => {}
        }
        Ok(())
    }

    fn read_histogram(&mut self, field: Field<'p>, scratch: &mut Scratch<'p>) -> Result<(), WireError> {
        match field.tag {
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => field.fixed64s(|count| scratch.bucket_counts.push(count.cast_signed()))?,
            7 => field.fixed64s(|bound| scratch.bounds.push(f64::from_bits(bound)))?,
            11 => self.min = Some(field.double()?),
            12 => self.max = Some(field.double()?),
            _ => {}
        }
        Ok(())
    }

    fn read_exponential(&mut self, field: Field<'p>) -> Result<(), WireError> {
        match field.tag {
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => self.scale = field.zigzag32()?,
            7 => self.zero_count = field.fixed64()?,
            8 => self.positive.add(field.bytes()?),
            9 => self.negative.add(field.bytes()?),
            12 => self.min = Some(field.double()?),
            13 => self.max = Some(field.double()?),
            14 => self.zero_threshold = field.double()?,
            _ => {}
        }
        Ok(())
    }

    fn read_summary(&mut self, field: Field<'p>, scratch: &mut Scratch<'p>) -> Result<(), WireError> {
        match field.tag {
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => {
                let (mut quantile, mut value) = (0.0, 0.0);
                for field in Fields::new(field.bytes()?) {
                    let field = field?;
                    match field.tag {
                        1 => quantile = field.double()?,
                        2 => value = field.double()?,
                        _ => {}
                    }
                }
                scratch.quantiles.push((quantile, value));
            }
            _ => {}
        }
        Ok(())
    }

    fn add_exemplar(&mut self, message: &[u8]) -> Result<(), WireError> {
        let mut time = 0;
        for field in Fields::new(message) {
            let field = field?;
            if field.tag == 2 {
                time = field.fixed64()?;
            }
        }
        self.exemplars += 1;
        if let Err(reason) = stored_time(time) {
            self.exemplar_too_late = Some(reason);
        }
        Ok(())
    }

    /// Its kind, unless it says that nothing was recorded.
    pub(super) fn recorded(&self) -> Option<Kind> {
        self.kind.filter(|_| self.flags & NO_RECORDED_VALUE == 0)
    }

    /// Its times, or why it cannot be stored.
    pub(super) fn check(&self, scratch: &mut Scratch<'_>) -> Result<Times, Reason> {
        if self.time == 0 {
            return Err(NO_TIME);
        }
        let times = Times { time: stored_time(self.time)?, start: optional_time(self.start_time)? };
        if let Some(reason) = self.exemplar_too_late {
            return Err(reason);
        }
        let Some(kind) = self.recorded() else {
            return Ok(times);
        };
        let (bounds, counts) = (scratch.bounds.len(), scratch.bucket_counts.len());
        match kind {
            Kind::Gauge | Kind::Sum if self.number.is_none() => return Err(NO_VALUE),
            Kind::Histogram if (bounds, counts) != (0, 0) && counts != bounds + 1 => return Err(BUCKETS),
            _ => {}
        }
        let lists = [&scratch.bucket_counts, &scratch.positive_counts, &scratch.negative_counts];
        let negative = |count: &i64| *count < 0;
        if [self.count.cast_signed(), self.zero_count.cast_signed()].iter().any(negative)
            || lists.into_iter().flatten().any(negative)
        {
            return Err(COUNT);
        }
        Ok(times)
    }
}

fn attributes_tag(kind: Kind) -> u32 {
    match kind {
        Kind::Gauge | Kind::Sum | Kind::Summary => 7,
        Kind::Histogram => 9,
        Kind::ExponentialHistogram => 1,
    }
}

fn flags_tag(kind: Kind) -> u32 {
    match kind {
        Kind::Gauge | Kind::Sum | Kind::Summary => 8,
        Kind::Histogram | Kind::ExponentialHistogram => 10,
    }
}

/// The field that holds a point's exemplars.
pub(super) fn exemplars_tag(kind: Kind) -> Option<u32> {
    match kind {
        Kind::Gauge | Kind::Sum => Some(5),
        Kind::Histogram => Some(8),
        Kind::ExponentialHistogram => Some(11),
        Kind::Summary => None,
    }
}

/// Reads one side of an exponential histogram; gives its offset if the side was sent.
fn buckets(parts: &Parts<'_>, counts: &mut Vec<i64>) -> Result<Option<i32>, WireError> {
    let mut offset = 0;
    for field in parts.fields() {
        let field = field?;
        match field.tag {
            1 => offset = field.zigzag32()?,
            2 => field.varints(|count| counts.push(count.cast_signed()))?,
            _ => {}
        }
    }
    Ok(parts.is_some().then_some(offset))
}
