//! Whether an answer is what it has to be.

use crate::answer::{Answer, Found, Point, Value};
use crate::histogram::{Bucket, Histogram};
use crate::notation::{self, Line, shown};
use crate::script::{Eval, Message, Notes, Outcome, Times};

/// How far numbers may differ, relative to their size.
const EPSILON: f64 = 1e-6;

/// Judges the answer to a query. With `is_strict`, an answer of which nothing is said has to come without notes.
pub fn answer(eval: &Eval, answer: &Answer, is_strict: bool) -> Result<(), String> {
    let (value, warnings, infos) = match answer {
        Answer::Refusal(error) if eval.fails => return refusal(&eval.failures, error),
        Answer::Refusal(error) => return Err(format!("is refused: {error}")),
        Answer::Success { .. } if eval.fails => return Err("is answered, and has to be refused".to_owned()),
        Answer::Success { value, warnings, infos } => (value, warnings, infos),
    };
    let is_strict = is_strict && !eval.says_notes && !eval.ordered;
    notes("warning", warnings, &eval.warnings, is_strict)?;
    notes("remark", infos, &eval.infos, is_strict)?;
    match (&eval.outcome, value) {
        (Outcome::Scalar(expected), Value::Scalar(found)) => {
            same(*expected, *found).then_some(()).ok_or_else(|| format!("is {found}, not {expected}"))
        }
        (Outcome::Scalar(expected), other) => Err(format!("is {other:?}, not {expected}")),
        (Outcome::Series(lines), Value::Series(found)) => series(eval, lines, found, eval.ordered),
        (Outcome::Series(lines), _) if lines.is_empty() => Ok(()),
        (Outcome::Series(_), other) => Err(format!("is {other:?}, not series")),
    }
}

/// Judges the answer to an instant query that was asked for steps around its time, in whose middle the same has to be.
pub fn middle(eval: &Eval, at: i64, answer: &Answer) -> Result<(), String> {
    let mut found = match answer {
        Answer::Refusal(error) => return Err(format!("is refused: {error}")),
        Answer::Success { value: Value::Series(found), .. } => found.clone(),
        Answer::Success { value, .. } => return Err(format!("is {value:?}, not series")),
    };
    for one in &mut found {
        one.points.retain(|(time, _)| *time == at);
    }
    found.retain(|one| !one.points.is_empty());
    match (&eval.outcome, found.as_slice()) {
        (Outcome::Series(lines), found) => series(eval, lines, found, false),
        (Outcome::Scalar(expected), [Found { points, .. }]) if matches!(&points[0].1, Point::Float(value) if same(*expected, *value)) => {
            Ok(())
        }
        (Outcome::Scalar(expected), found) => Err(format!("is {}, not {expected}", list(found))),
    }
}

fn refusal(expected: &[Message], error: &str) -> Result<(), String> {
    let as_expected = expected.iter().all(|message| message.matches(error));
    as_expected.then_some(()).ok_or_else(|| format!("is refused otherwise: {error}"))
}

fn notes(kind: &str, found: &[String], expected: &Notes, is_strict: bool) -> Result<(), String> {
    if expected.any && found.is_empty() {
        return Err(format!("comes without a {kind}"));
    }
    if (expected.none || is_strict && !expected.any) && !found.is_empty() {
        return Err(format!("comes with {kind}s: {found:?}"));
    }
    let messages = &expected.messages;
    let is_missing = messages.iter().any(|message| !found.iter().any(|text| message.matches(text)));
    let is_other =
        |text: &String| !messages.is_empty() && !messages.iter().any(|message| message.matches(text));
    match is_missing || found.iter().any(is_other) {
        true => Err(format!("comes with other {kind}s: {found:?}")),
        false => Ok(()),
    }
}

fn series(eval: &Eval, expected: &[Line], found: &[Found], ordered: bool) -> Result<(), String> {
    if expected.len() != found.len() {
        return Err(format!("has {} series, not {}: {}", found.len(), expected.len(), list(found)));
    }
    for (place, line) in expected.iter().enumerate() {
        let Some(at) = found.iter().position(|one| one.labels == line.labels) else {
            return Err(format!("lacks {}: {}", shown(&line.labels), list(found)));
        };
        if ordered && at != place {
            return Err(format!("has {} at place {at}, not {place}", shown(&line.labels)));
        }
        if !same_points(&points(eval, line), &found[at].points) {
            return Err(format!("has {}, not {:?}", found[at].shown(), points(eval, line)));
        }
    }
    Ok(())
}

fn list(found: &[Found]) -> String {
    found.iter().map(Found::shown).collect::<Vec<_>>().join("; ")
}

/// The values of a line at their times.
fn points<'l>(eval: &Eval, line: &'l Line) -> Vec<(i64, &'l notation::Value)> {
    let (start, step) = match eval.times {
        Times::Instant(at) => (at, 0),
        Times::Range { start, step, .. } => (start, step),
    };
    let values = line.values.iter().enumerate();
    values.filter_map(|(number, value)| Some((start + step * number as i64, value.as_ref()?))).collect()
}

fn same_points(expected: &[(i64, &notation::Value)], found: &[(i64, Point)]) -> bool {
    let same = |((time, value), (found_time, point)): (&(i64, &notation::Value), &(i64, Point))| {
        time == found_time
            && match (value, point) {
                (notation::Value::Float(value), Point::Float(found)) => same(*value, *found),
                (notation::Value::Histogram(histogram), Point::Histogram { count, sum, buckets }) => {
                    same(histogram.count, *count)
                        && same(histogram.sum, *sum)
                        && same_buckets(histogram, buckets)
                }
                _ => false,
            }
    };
    expected.len() == found.len() && expected.iter().zip(found).all(same)
}

fn same_buckets(expected: &Histogram, found: &[Bucket]) -> bool {
    let expected = expected.buckets();
    let found: Vec<&Bucket> = found.iter().filter(|bucket| bucket.count != 0.0).collect();
    expected.len() == found.len()
        && expected.iter().zip(found).all(|(expected, found)| {
            expected.closed == found.closed
                && same(expected.lower, found.lower)
                && same(expected.upper, found.upper)
                && same(expected.count, found.count)
        })
}

/// Whether two numbers are the same but for what rounding explains.
fn same(left: f64, right: f64) -> bool {
    if left.is_nan() || right.is_nan() {
        return left.is_nan() && right.is_nan();
    }
    if left == right {
        return true;
    }
    let (difference, size) = ((left - right).abs(), left.abs() + right.abs());
    if left == 0.0 || right == 0.0 || size < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < EPSILON
}

#[cfg(test)]
mod tests;
