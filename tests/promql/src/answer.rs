//! Answers as Prometheus' HTTP API writes them.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::histogram::{Bucket, Closed};
use crate::notation::{Labels, shown};

/// What an API that refuses a query's text says before the reason.
const BAD_QUERY: &str = "invalid parameter \"query\": ";

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The query was answered.
    Success {
        /// The answer.
        value: Value,
        /// What it should be read with.
        warnings: Vec<String>,
        /// Remarks.
        infos: Vec<String>,
    },
    /// The query was refused: why.
    Refusal(String),
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// Series, in their order.
    Series(Vec<Found>),
}

/// A series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its labels.
    pub labels: Labels,
    /// Its points with their times in milliseconds, in order.
    pub points: Vec<(i64, Point)>,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// A number.
    Float(f64),
    /// A native histogram, as far as answers show it.
    Histogram {
        /// What it holds in all.
        count: f64,
        /// The sum of all that was observed.
        sum: f64,
        /// Its buckets from the lowest on.
        buckets: Vec<Bucket>,
    },
}

impl Found {
    /// The series as a text.
    pub fn shown(&self) -> String {
        let point = |(time, point): &(i64, Point)| match point {
            Point::Float(value) => format!("{value}@{time}"),
            Point::Histogram { count, sum, buckets } => {
                let bucket = |one: &Bucket| format!("{}..{}:{}", one.lower, one.upper, one.count);
                let buckets: Vec<String> = buckets.iter().map(bucket).collect();
                format!("{{count:{count} sum:{sum} {}}}@{time}", buckets.join(" "))
            }
        };
        format!("{} {}", shown(&self.labels), self.points.iter().map(point).collect::<Vec<_>>().join(" "))
    }
}

/// The body of an answer.
#[derive(Deserialize)]
struct Body {
    status: String,
    data: Option<Data>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar((f64, String)),
    String((f64, String)),
    Vector(Vec<Series>),
    Matrix(Vec<Series>),
}

/// A series of an instant, with `value` or `histogram`, or of a range, with `values` and `histograms`.
#[derive(Deserialize)]
struct Series {
    metric: Labels,
    value: Option<(f64, String)>,
    histogram: Option<(f64, Histogram)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<(f64, Histogram)>,
}

#[derive(Deserialize)]
struct Histogram {
    count: String,
    sum: String,
    #[serde(default)]
    buckets: Vec<(u64, String, String, String)>,
}

/// Reads the body of an answer.
pub fn parse(body: &[u8]) -> Result<Answer> {
    let text = || String::from_utf8_lossy(body).chars().take(500).collect::<String>();
    let body: Body =
        serde_json::from_slice(body).with_context(|| format!("no answer of Prometheus' API: {}", text()))?;
    match (body.status.as_str(), body.data, body.error) {
        ("success", Some(data), None) => {
            let notes =
                |notes: Vec<String>| notes.iter().map(|note| without_place(note).to_owned()).collect();
            let (warnings, infos) = (notes(body.warnings), notes(body.infos));
            Ok(Answer::Success { value: value(data)?, warnings, infos })
        }
        ("error", None, Some(error)) => {
            Ok(Answer::Refusal(error.strip_prefix(BAD_QUERY).unwrap_or(&error).to_owned()))
        }
        (status, ..) => bail!("an answer has data or an error, and not the status {status:?}: {}", text()),
    }
}

fn value(data: Data) -> Result<Value> {
    Ok(match data {
        Data::Scalar((_, value)) => Value::Scalar(number(&value)?),
        Data::String((_, text)) => Value::Text(text),
        Data::Vector(series) | Data::Matrix(series) => {
            Value::Series(series.into_iter().map(found).collect::<Result<_>>()?)
        }
    })
}

fn found(series: Series) -> Result<Found> {
    let mut points = Vec::new();
    for (seconds, value) in series.value.into_iter().chain(series.values) {
        points.push((ms(seconds), Point::Float(number(&value)?)));
    }
    for (seconds, histogram) in series.histogram.into_iter().chain(series.histograms) {
        points.push((ms(seconds), point(&histogram)?));
    }
    points.sort_by_key(|(time, _)| *time);
    Ok(Found { labels: series.metric, points })
}

fn point(histogram: &Histogram) -> Result<Point> {
    let bucket = |(closed, lower, upper, count): &(u64, String, String, String)| -> Result<Bucket> {
        let closed = match closed {
            0 => Closed::Upper,
            1 => Closed::Lower,
            3 => Closed::Both,
            other => bail!("{other} does not say which bounds belong to a bucket"),
        };
        Ok(Bucket { closed, lower: number(lower)?, upper: number(upper)?, count: number(count)? })
    };
    Ok(Point::Histogram {
        count: number(&histogram.count)?,
        sum: number(&histogram.sum)?,
        buckets: histogram.buckets.iter().map(bucket).collect::<Result<_>>()?,
    })
}

fn number(text: &str) -> Result<f64> {
    text.parse().with_context(|| format!("{text:?} is no number"))
}

fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// A note without the place in the query at its end, as ` (1:7)`.
fn without_place(note: &str) -> &str {
    let is_place = |place: &str| {
        place
            .strip_suffix(')')
            .and_then(|place| place.split_once(':'))
            .is_some_and(|(line, column)| line.parse::<usize>().is_ok() && column.parse::<usize>().is_ok())
    };
    match note.rsplit_once(" (") {
        Some((text, place)) if is_place(place) => text,
        _ => note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(json: &str) -> Vec<String> {
        match parse(json.as_bytes()).unwrap() {
            Answer::Success { value: Value::Series(series), .. } => series.iter().map(Found::shown).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","a":"b"},"value":[1.5,"+Inf"]},
            {"metric":{},"histogram":[2,{"count":"3","sum":"4.5","buckets":[[0,"1","2","3"]]}]}]}}"#;
        assert_eq!(series(vector), ["up{a=\"b\"} inf@1500", "{} {count:3 sum:4.5 1..2:3}@2000"]);
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"b"},"values":[[0,"1"],[60,"2"]],"histograms":[[30,{"count":"0","sum":"0"}]]}]}}"#;
        assert_eq!(series(matrix), ["{a=\"b\"} 1@0 {count:0 sum:0 }@30000 2@60000"]);
    }

    #[test]
    fn numbers_texts_and_notes() {
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]},
            "warnings":["one (1:7)","two (not a place)"],"infos":["three (12:1)"]}"#;
        let Answer::Success { value: Value::Scalar(value), warnings, infos } = parse(scalar).unwrap() else {
            panic!()
        };
        assert!(value.is_nan());
        assert_eq!(
            (warnings, infos),
            (vec!["one".to_owned(), "two (not a place)".to_owned()], vec!["three".to_owned()])
        );
        let text = br#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#;
        assert!(
            matches!(parse(text).unwrap(), Answer::Success { value: Value::Text(text), .. } if text == "x")
        );
    }

    #[test]
    fn refusals_and_what_is_no_answer() {
        let refused =
            br#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:2: no"}"#;
        assert_eq!(parse(refused).unwrap(), Answer::Refusal("1:2: no".to_owned()));
        for body in ["", "no", "{}", r#"{"status":"success"}"#, r#"{"status":"error"}"#] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
