//! What is loaded: series with samples at their times.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::histogram::Histogram;
use crate::notation::{Labels, NAME, Value};
use crate::script::Load;

/// A series with its samples, each at a time in milliseconds, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<(i64, Value)>,
}

type Loaded = BTreeMap<Labels, BTreeMap<i64, Value>>;

/// The series of a `load`, each once.
pub fn loaded(load: &Load) -> Result<Vec<Series>> {
    let mut loaded = Loaded::new();
    for line in &load.lines {
        let samples = loaded.entry(line.labels.clone()).or_default();
        for (number, value) in line.values.iter().enumerate() {
            if let Some(value) = value {
                samples.insert(load.every_ms * number as i64, value.clone());
            }
        }
    }
    if load.with_custom_buckets {
        loaded.extend(native(&loaded)?);
    }
    let series = loaded.into_iter().filter(|(_, samples)| !samples.is_empty());
    Ok(series.map(|(labels, samples)| Series { labels, samples: samples.into_iter().collect() }).collect())
}

/// A classic histogram at one time: its cumulated buckets, count and sum.
#[derive(Debug, Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The classic histograms as native ones with bounds of their own.
fn native(loaded: &Loaded) -> Result<Loaded> {
    let mut classic: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for (labels, samples) in loaded {
        let Some((family, part)) = labels.get(NAME).and_then(|name| name.rsplit_once('_')) else { continue };
        if !matches!(part, "bucket" | "count" | "sum") {
            continue;
        }
        let mut of = labels.clone();
        of.remove("le");
        of.insert(NAME.to_owned(), family.to_owned());
        let times = classic.entry(of).or_default();
        for (time, value) in samples {
            let Value::Float(value) = value else { continue };
            let at = times.entry(*time).or_default();
            match part {
                "bucket" => at.buckets.push((bound(labels)?, *value)),
                "count" => at.count = Some(*value),
                _ => at.sum = *value,
            }
        }
    }
    classic.retain(|_, times| times.values().any(|at| !at.buckets.is_empty()));
    let native = |mut at: Classic| {
        at.buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
        at.buckets.dedup_by(|later, first| later.0 == first.0);
        Value::Histogram(Histogram::of_classic(&at.buckets, at.count, at.sum))
    };
    let of = |times: BTreeMap<i64, Classic>| times.into_iter().map(|(time, at)| (time, native(at))).collect();
    Ok(classic.into_iter().map(|(labels, times)| (labels, of(times))).collect())
}

/// The upper bound of a classic bucket.
fn bound(labels: &Labels) -> Result<f64> {
    let le = labels.get("le").context("a bucket has no label le")?;
    le.parse().with_context(|| format!("{le:?} is no bound of a bucket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::Line;

    fn load(with_custom_buckets: bool, lines: &[&str]) -> Result<Vec<Series>> {
        let lines = lines.iter().map(|line| Line::parse(line)).collect::<Result<_>>()?;
        loaded(&Load { every_ms: 60_000, with_custom_buckets, lines })
    }

    #[test]
    fn samples_have_times_and_later_lines_win() {
        let series = load(false, &["b 1 _ 3", "a 5", "b _ 2 4", "none _"]).unwrap();
        let floats = |values: &[(i64, f64)]| {
            values.iter().map(|(time, value)| (*time, Value::Float(*value))).collect::<Vec<_>>()
        };
        assert_eq!(series.len(), 2);
        assert_eq!(series[0].samples, floats(&[(0, 5.0)]));
        assert_eq!(series[1].samples, floats(&[(0, 1.0), (60_000, 2.0), (120_000, 4.0)]));
    }

    #[test]
    fn classic_histograms_become_native_ones_too() {
        let lines = [
            r#"h_bucket{le="1",a="b"} 2"#,
            r#"h_bucket{le="+Inf",a="b"} 5"#,
            r#"h_sum{a="b"} 9"#,
            "other_count 3",
        ];
        let series = load(true, &lines).unwrap();
        let names: Vec<&str> = series.iter().map(|series| series.labels[NAME].as_str()).collect();
        assert_eq!(names, ["h", "h_bucket", "h_bucket", "h_sum", "other_count"]);
        let Value::Histogram(histogram) = &series[0].samples[0].1 else { panic!("{series:?}") };
        assert_eq!((histogram.count, histogram.sum), (5.0, 9.0));
        assert_eq!(series[0].labels.get("le"), None);
        assert!(load(true, &[r#"h_bucket{le="much"} 2"#]).is_err());
    }
}
