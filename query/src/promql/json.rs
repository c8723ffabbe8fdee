//! Answers as Prometheus' HTTP API writes them: the value of `data`, with `resultType` and `result`.
//!
//! - `tree`: the syntax tree of a query
//!
//! Numbers are texts there, since JSON has neither infinity nor NaN; times are seconds with at most three digits.

mod tree;

use std::fmt::Write;

use super::answer::{Point, Points, Sample, Value};
use super::histogram::{Bucket, Histogram};
use super::labels::Labels;
use super::numbers::{plain, write_api};
pub use tree::tree;

/// How long a piece of a list is at least, unless it is the last.
const PIECE_BYTES: usize = 64 << 10;

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

/// The value of `result` in pieces. What is written is let go.
pub fn pieces(value: Value) -> Box<dyn Iterator<Item = String> + Send> {
    match value {
        Value::Vector(samples) => Box::new(list(samples, write_sample)),
        Value::Matrix(series) => Box::new(list(series, write_points)),
        value => Box::new(std::iter::once(result(&value))),
    }
}

/// A list in pieces.
pub fn list<T>(items: Vec<T>, write: fn(&mut String, &T)) -> impl Iterator<Item = String> {
    let mut items = items.into_iter();
    let mut before = Some("[");
    std::iter::from_fn(move || {
        let mut out = before.take()?.to_owned();
        loop {
            let Some(item) = items.next() else {
                out.push(']');
                return Some(out);
            };
            write(&mut out, &item);
            let comma = if items.len() > 0 { "," } else { "" };
            if out.len() >= PIECE_BYTES {
                before = Some(comma);
                return Some(out);
            }
            out.push_str(comma);
        }
    })
}

fn write_result(out: &mut String, value: &Value) {
    match value {
        Value::Scalar { time_ms, value } => write_pair(out, *time_ms, |out| write_text(out, &plain(*value))),
        Value::String { time_ms, value } => write_pair(out, *time_ms, |out| write_text(out, value)),
        Value::Vector(samples) => write_list(out, samples, write_sample),
        Value::Matrix(series) => write_list(out, series, write_points),
    }
}

fn write_list<T>(out: &mut String, items: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    out.push('[');
    for (number, item) in items.into_iter().enumerate() {
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
    out.push_str(if is_float(&sample.point) { ",\"value\":" } else { ",\"histogram\":" });
    write_point(out, sample.time_ms, &sample.point);
    out.push('}');
}

fn write_points(out: &mut String, series: &Points) {
    out.push_str("{\"metric\":");
    write_labels(out, &series.labels);
    for (key, floats) in [(",\"values\":", true), (",\"histograms\":", false)] {
        let mut points = series.points.iter().filter(|(_, point)| is_float(point) == floats).peekable();
        if points.peek().is_some() {
            out.push_str(key);
            write_list(out, points, |out, (time_ms, point)| write_point(out, *time_ms, point));
        }
    }
    out.push('}');
}

fn is_float(point: &Point) -> bool {
    matches!(point, Point::Float(_))
}

fn write_point(out: &mut String, time_ms: i64, point: &Point) {
    write_pair(out, time_ms, |out| match point {
        Point::Float(value) => write_number(out, *value),
        Point::Histogram(histogram) => write_histogram(out, histogram),
    });
}

/// The labels as an object.
pub fn write_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (number, (name, value)) in labels.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_text(out, value);
    }
    out.push('}');
}

/// A number as text.
pub fn write_number(out: &mut String, number: f64) {
    out.push('"');
    write_api(out, number);
    out.push('"');
}

/// A time in seconds.
pub fn write_time(out: &mut String, time_ms: i64) {
    let sign = if time_ms < 0 { "-" } else { "" };
    let (seconds, ms) = (time_ms.unsigned_abs() / 1000, time_ms.unsigned_abs() % 1000);
    // Writing to a string does not fail.
    let _ = match ms {
        0 => write!(out, "{sign}{seconds}"),
        ms => write!(out, "{sign}{seconds}.{ms:03}"),
    };
}

/// A time and what was then.
fn write_pair(out: &mut String, time_ms: i64, write: impl FnOnce(&mut String)) {
    out.push('[');
    write_time(out, time_ms);
    out.push(',');
    write(out);
    out.push(']');
}

fn write_histogram(out: &mut String, histogram: &Histogram) {
    out.push_str("{\"count\":");
    write_number(out, histogram.count);
    out.push_str(",\"sum\":");
    write_number(out, histogram.sum);
    let buckets = histogram.buckets();
    if !buckets.is_empty() {
        out.push_str(",\"buckets\":");
        write_list(out, &buckets, write_bucket);
    }
    out.push('}');
}

fn write_bucket(out: &mut String, bucket: &Bucket) {
    out.push_str(match (bucket.has_lower, bucket.has_upper) {
        (false, true) => "[0",
        (true, false) => "[1",
        (false, false) => "[2",
        (true, true) => "[3",
    });
    for number in [bucket.lower, bucket.upper, bucket.count] {
        out.push(',');
        write_number(out, number);
    }
    out.push(']');
}

/// A text as JSON has it.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\')) {
        out.push_str(&rest[..at]);
        let _ = match rest.as_bytes()[at] {
            byte @ (b'"' | b'\\') => write!(out, "\\{}", char::from(byte)),
            b'\n' => write!(out, "\\n"),
            b'\r' => write!(out, "\\r"),
            b'\t' => write!(out, "\\t"),
            byte => write!(out, "\\u{byte:04x}"),
        };
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests;
