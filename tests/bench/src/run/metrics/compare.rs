//! Answers of PromQL, read without a tree of JSON: they may have millions of points.

use std::collections::BTreeMap;
use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// How far values may differ, relative to their size.
const EPSILON: f64 = 1e-9;

/// The series of an answer, each with its points by time in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Found(HashMap<String, Vec<(i64, f64)>>);

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    result: Vec<Series<'a>>,
}

#[derive(Deserialize)]
struct Series<'a> {
    metric: BTreeMap<String, String>,
    #[serde(borrow)]
    value: Option<(f64, &'a str)>,
    #[serde(borrow, default)]
    values: Vec<(f64, &'a str)>,
}

impl Found {
    /// Reads the body of an answer that is a vector or a matrix of numbers.
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        let body: Body = serde_json::from_slice(body).context("the answer has no series")?;
        let mut found = HashMap::with_capacity(body.data.result.len());
        for series in body.data.result {
            let labels: Vec<String> =
                series.metric.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let points = series.value.iter().chain(&series.values).map(|(seconds, value)| {
                let value: f64 = value.parse().with_context(|| format!("{value:?} is no number"))?;
                Ok(((seconds * 1_000.0).round() as i64, value))
            });
            found.insert(labels.join(","), points.collect::<Result<_>>()?);
        }
        Ok(Self(found))
    }

    /// How many series it has.
    pub(super) fn series(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many points.
    pub(super) fn points(&self) -> u64 {
        self.0.values().map(|points| points.len() as u64).sum()
    }

    /// What another answer has otherwise: a line for each series.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (labels, points) in &self.0 {
            match other.0.get(labels) {
                None => differences.push(format!("{{{labels}}} is in the first answer alone")),
                Some(others) => differences.extend(difference(labels, points, others)),
            }
        }
        let more = other.0.keys().filter(|labels| !self.0.contains_key(*labels));
        differences.extend(more.map(|labels| format!("{{{labels}}} is in the second answer alone")));
        differences.sort_unstable();
        differences
    }
}

/// The first difference between the points of a series.
fn difference(labels: &str, left: &[(i64, f64)], right: &[(i64, f64)]) -> Option<String> {
    if left.len() != right.len() {
        return Some(format!("{{{labels}}} has {} points and {}", left.len(), right.len()));
    }
    let mut pairs = left.iter().zip(right);
    let (left, right) = pairs.find(|(left, right)| left.0 != right.0 || !is_close(left.1, right.1))?;
    Some(format!("{{{labels}}} has {}@{} and {}@{}", left.1, left.0, right.1, right.0))
}

fn is_close(left: f64, right: f64) -> bool {
    left == right
        || left.is_nan() && right.is_nan()
        || (left - right).abs() <= EPSILON * left.abs().max(right.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(series: &str) -> Found {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
        Found::read(body.as_bytes()).unwrap()
    }

    const A: &str = r#"{"metric":{"a":"1"},"values":[[0,"1"],[60.5,"NaN"]]}"#;

    #[test]
    fn answers_are_read() {
        let found = read(&format!(r#"{A},{{"metric":{{}},"value":[1,"+Inf"]}}"#));
        assert_eq!((found.series(), found.points()), (2, 3));
        assert_eq!(found.0["a=\"1\""][1].0, 60_500);
        assert!(Found::read(br#"{"status":"error"}"#).is_err());
    }

    #[test]
    fn differences_are_said() {
        let check = |other: &str, expected: &[&str]| {
            assert_eq!(read(A).differences(&read(other)), expected, "{other}");
        };
        check(A, &[]);
        check(r#"{"metric":{"a":"1"},"values":[[0,"1.0000000000001"],[60.5,"NaN"]]}"#, &[]);
        check(r#"{"metric":{"a":"1"},"values":[[0,"1.1"],[60.5,"NaN"]]}"#, &["{a=\"1\"} has 1@0 and 1.1@0"]);
        check(r#"{"metric":{"a":"1"},"values":[[0,"1"]]}"#, &["{a=\"1\"} has 2 points and 1"]);
        check(
            r#"{"metric":{"a":"2"},"values":[]}"#,
            &["{a=\"1\"} is in the first answer alone", "{a=\"2\"} is in the second answer alone"],
        );
    }
}
