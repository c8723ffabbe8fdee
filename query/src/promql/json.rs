//! Answers as Prometheus' HTTP API writes them: the value of `data`, with `resultType` and `result`.
//!
//! Numbers are texts there, since JSON has neither infinity nor NaN; times are seconds with at most three digits.

use std::fmt::Write;

use super::answer::{Point, Points, Sample, Value};
use super::histogram::{Bucket, Histogram};
use super::labels::Labels;
use super::numbers::{of_api, plain};

/// The whole value of `data`.
pub fn data(value: &Value) -> String {
    let mut out = format!("{{\"resultType\":\"{}\",\"result\":", value.kind());
    write_result(&mut out, value);
    out.push('}');
    out
}

/// The value of `result` alone.
pub fn result(value: &Value) -> String {
    let mut out = String::new();
    write_result(&mut out, value);
    out
}

fn write_result(out: &mut String, value: &Value) {
    match value {
        Value::Scalar { time_ms, value } => write_pair(out, *time_ms, &quoted(&plain(*value))),
        Value::String { time_ms, value } => write_pair(out, *time_ms, &quoted(value)),
        Value::Vector(samples) => write_list(out, samples, write_sample),
        Value::Matrix(series) => write_list(out, series, write_points),
    }
}

fn write_list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_sample(out: &mut String, sample: &Sample) {
    out.push_str("{\"metric\":");
    write_labels(out, &sample.labels);
    match &sample.point {
        Point::Float(value) => {
            out.push_str(",\"value\":");
            write_pair(out, sample.time_ms, &quoted(&of_api(*value)));
        }
        Point::Histogram(histogram) => {
            out.push_str(",\"histogram\":");
            write_pair(out, sample.time_ms, &of_histogram(histogram));
        }
    }
    out.push('}');
}

fn write_points(out: &mut String, series: &Points) {
    let mut floats: Vec<(i64, String)> = Vec::new();
    let mut histograms: Vec<(i64, String)> = Vec::new();
    for (time, point) in &series.points {
        match point {
            Point::Float(value) => floats.push((*time, quoted(&of_api(*value)))),
            Point::Histogram(histogram) => histograms.push((*time, of_histogram(histogram))),
        }
    }
    out.push_str("{\"metric\":");
    write_labels(out, &series.labels);
    for (key, pairs) in [("values", floats), ("histograms", histograms)] {
        if !pairs.is_empty() {
            out.push_str(&format!(",\"{key}\":"));
            write_list(out, &pairs, |out, (time, value)| write_pair(out, *time, value));
        }
    }
    out.push('}');
}

/// The labels as an object.
pub fn write_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (number, (name, value)) in labels.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        out.push_str(&quoted(name));
        out.push(':');
        out.push_str(&quoted(value));
    }
    out.push('}');
}

/// A time and what was then, which is JSON already.
fn write_pair(out: &mut String, time_ms: i64, value: &str) {
    let sign = if time_ms < 0 { "-" } else { "" };
    let (seconds, ms) = (time_ms.unsigned_abs() / 1000, time_ms.unsigned_abs() % 1000);
    // Writing to a string does not fail.
    let _ = match ms {
        0 => write!(out, "[{sign}{seconds},{value}]"),
        ms => write!(out, "[{sign}{seconds}.{ms:03},{value}]"),
    };
}

fn of_histogram(histogram: &Histogram) -> String {
    let (count, sum) = (quoted(&of_api(histogram.count)), quoted(&of_api(histogram.sum)));
    let mut out = format!("{{\"count\":{count},\"sum\":{sum}");
    let buckets = histogram.buckets();
    if !buckets.is_empty() {
        out.push_str(",\"buckets\":");
        write_list(&mut out, &buckets, write_bucket);
    }
    out.push('}');
    out
}

fn write_bucket(out: &mut String, bucket: &Bucket) {
    let rule = match (bucket.has_lower, bucket.has_upper) {
        (false, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (true, true) => 3,
    };
    let [lower, upper, count] =
        [bucket.lower, bucket.upper, bucket.count].map(|number| quoted(&of_api(number)));
    let _ = write!(out, "[{rule},{lower},{upper},{count}]");
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
