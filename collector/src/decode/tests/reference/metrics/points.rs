//! The four kinds of data points as one.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
};

use crate::decode::notes::Reason;

/// The flag of a point that says that nothing was recorded: its values mean nothing.
const NO_RECORDED_VALUE: u32 = 1;

const NO_VALUE: Reason = "a data point must have a value, or the flag that none was recorded";
const BUCKETS: Reason = "a histogram must have one bucket count more than bounds, or none of either";
const COUNT: Reason = "counts must be below 9223372036854775808";

/// A data point of any kind.
pub(super) struct Point {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) start_time: u64,
    pub(super) time: u64,
    pub(super) flags: u32,
    pub(super) exemplars: Vec<Exemplar>,
    /// Its values, or why it has none that can be stored.
    pub(super) values: Result<Values, Reason>,
}

/// What a point says; what its kind does not have is `None`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Values {
    pub(super) value: Option<f64>,
    pub(super) value_int: Option<i64>,
    pub(super) count: Option<i64>,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) bounds: Option<Vec<f64>>,
    pub(super) bucket_counts: Option<Vec<i64>>,
    pub(super) scale: Option<i64>,
    pub(super) zero_count: Option<i64>,
    pub(super) zero_threshold: Option<f64>,
    pub(super) positive: Side,
    pub(super) negative: Side,
    pub(super) quantiles: Option<Vec<(f64, f64)>>,
}

/// One side of an exponential histogram.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Side {
    pub(super) offset: Option<i64>,
    pub(super) counts: Option<Vec<i64>>,
}

impl Side {
    fn new(buckets: Option<Buckets>) -> Result<Self, Reason> {
        match buckets {
            None => Ok(Self::default()),
            Some(buckets) => {
                let counts = buckets.bucket_counts.into_iter().map(count).collect::<Result<_, _>>()?;
                Ok(Self { offset: Some(i64::from(buckets.offset)), counts: Some(counts) })
            }
        }
    }
}

fn count(count: u64) -> Result<i64, Reason> {
    i64::try_from(count).map_err(|_| COUNT)
}

/// The values that `read` gives, unless the flags say that there are none.
fn unless_absent(flags: u32, read: impl FnOnce() -> Result<Values, Reason>) -> Result<Values, Reason> {
    if flags & NO_RECORDED_VALUE != 0 { Ok(Values::default()) } else { read() }
}

impl From<NumberDataPoint> for Point {
    fn from(point: NumberDataPoint) -> Self {
        let values = unless_absent(point.flags, || match point.value {
            Some(Value::AsDouble(value)) => Ok(Values { value: Some(value), ..Values::default() }),
            Some(Value::AsInt(value)) => {
                Ok(Values { value: Some(value as f64), value_int: Some(value), ..Values::default() })
            }
            None => Err(NO_VALUE),
        });
        Self {
            attributes: point.attributes,
            start_time: point.start_time_unix_nano,
            time: point.time_unix_nano,
            flags: point.flags,
            exemplars: point.exemplars,
            values,
        }
    }
}

impl From<HistogramDataPoint> for Point {
    fn from(point: HistogramDataPoint) -> Self {
        let (bounds, counts) = (point.explicit_bounds, point.bucket_counts);
        let values = unless_absent(point.flags, || {
            let empty = counts.is_empty() && bounds.is_empty();
            if !empty && counts.len() != bounds.len() + 1 {
                return Err(BUCKETS);
            }
            Ok(Values {
                count: Some(count(point.count)?),
                sum: point.sum,
                min: point.min,
                max: point.max,
                bounds: Some(bounds),
                bucket_counts: Some(counts.into_iter().map(count).collect::<Result<_, _>>()?),
                ..Values::default()
            })
        });
        Self {
            attributes: point.attributes,
            start_time: point.start_time_unix_nano,
            time: point.time_unix_nano,
            flags: point.flags,
            exemplars: point.exemplars,
            values,
        }
    }
}

impl From<ExponentialHistogramDataPoint> for Point {
    fn from(point: ExponentialHistogramDataPoint) -> Self {
        let (positive, negative) = (point.positive, point.negative);
        let values = unless_absent(point.flags, || {
            Ok(Values {
                count: Some(count(point.count)?),
                sum: point.sum,
                min: point.min,
                max: point.max,
                scale: Some(i64::from(point.scale)),
                zero_count: Some(count(point.zero_count)?),
                zero_threshold: Some(point.zero_threshold),
                positive: Side::new(positive)?,
                negative: Side::new(negative)?,
                ..Values::default()
            })
        });
        Self {
            attributes: point.attributes,
            start_time: point.start_time_unix_nano,
            time: point.time_unix_nano,
            flags: point.flags,
            exemplars: point.exemplars,
            values,
        }
    }
}

impl From<SummaryDataPoint> for Point {
    fn from(point: SummaryDataPoint) -> Self {
        let values = unless_absent(point.flags, || {
            let quantiles = point.quantile_values.iter().map(|pair| (pair.quantile, pair.value)).collect();
            Ok(Values {
                count: Some(count(point.count)?),
                sum: Some(point.sum),
                quantiles: Some(quantiles),
                ..Values::default()
            })
        });
        Self {
            attributes: point.attributes,
            start_time: point.start_time_unix_nano,
            time: point.time_unix_nano,
            flags: point.flags,
            exemplars: Vec::new(),
            values,
        }
    }
}
