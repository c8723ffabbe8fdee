//! Values: numbers with units, durations, severities, ids, and the patterns that may stand instead.

use model::predicate::Compare;
use model::{Field, Predicate, Test};
use winnow::Parser;
use winnow::ascii::float;

use super::lexer::{Pair, Relation, Value};
use super::{Fault, PATTERN_BYTES_MAX};
use crate::QueryError;

/// The digits of a trace id.
pub(super) const TRACE_DIGITS: usize = 32;
/// The digits of a span id.
pub(super) const SPAN_DIGITS: usize = 16;

/// Units of time in nanoseconds; case matters. Both micro signs are in use.
const DURATIONS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];
/// Units of size in bytes; case is ignored.
const SIZES: &[(&str, f64)] = &[
    ("b", 1.0),
    ("kb", 1e3),
    ("kib", 1024.0),
    ("mb", 1e6),
    ("mib", 1024.0 * 1024.0),
    ("gb", 1e9),
    ("gib", 1024.0 * 1024.0 * 1024.0),
];
const EXPECTED_DURATION: &[&str] = &["a number with one of ns us ms s m h"];
const EXPECTED_NUMBER: &[&str] =
    &["a number", "a number with one of ns us ms s m h", "a number with one of B KB KiB MB MiB GB GiB"];

/// Each severity with the first and last number of its range, and its other names.
pub(super) const SEVERITIES: &[(&str, f64, f64, &[&str])] = &[
    ("trace", 1.0, 4.0, &[]),
    ("debug", 5.0, 8.0, &[]),
    ("info", 9.0, 12.0, &[]),
    ("warn", 13.0, 16.0, &["warning"]),
    ("error", 17.0, 20.0, &["err"]),
    ("fatal", 21.0, 24.0, &["critical"]),
];
const EXPECTED_SEVERITY: &[&str] =
    &["trace", "debug", "info", "warn", "error", "fatal", "a number from 1 to 24"];
/// The lowest severity; 0 is a log without one, which is in no order.
const SEVERITY_MIN: f64 = 1.0;
const SEVERITY_MAX: f64 = 24.0;

/// The part of a product below which it counts as whole: 1.1 ms are 1,100,000 ns whatever binary fractions say.
const ROUNDING: f64 = 1e-12;

/// A value as it is written, without its quotes or slashes.
pub(super) fn text<'v>(value: &'v Value<'_>) -> &'v str {
    match value {
        Value::Plain(text) | Value::Regex(text) => text,
        Value::Quoted(text) => text,
    }
}

/// Whether a value stands for more than one text.
pub(super) fn is_pattern(value: &Value<'_>) -> bool {
    match value {
        Value::Plain(text) => text.contains('*'),
        Value::Quoted(_) => false,
        Value::Regex(_) => true,
    }
}

/// The number that an attribute or a body is compared with.
pub(super) fn number(pair: &Pair<'_>) -> Result<f64, QueryError> {
    let text = text(&pair.value);
    let wrong = || {
        let message = format!(
            "`{text}` is no number, and only numbers have an order; text with `<` or `>` needs quotes"
        );
        QueryError::bad(message, pair.value_at, EXPECTED_NUMBER)
    };
    amount(text, |unit| size(unit).or_else(|| time(unit))).ok_or_else(wrong)
}

/// A number with a unit; without one it counts in the smallest.
fn amount(text: &str, factor: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut unit = text;
    let number: Result<f64, Fault> = float.parse_next(&mut unit);
    let number = number.ok()?;
    let factor = if unit.is_empty() { 1.0 } else { factor(unit)? };
    let amount = number * factor;
    let whole = amount.round();
    let amount = if (amount - whole).abs() <= amount.abs() * ROUNDING { whole } else { amount };
    amount.is_finite().then_some(amount)
}

fn time(unit: &str) -> Option<f64> {
    DURATIONS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn size(unit: &str) -> Option<f64> {
    SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor)
}

/// A test of a span's duration.
pub(super) fn duration(pair: &Pair<'_>) -> Result<Predicate, QueryError> {
    let text = text(&pair.value);
    let wrong = || QueryError::bad(format!("`{text}` is no duration"), pair.value_at, EXPECTED_DURATION);
    let test = match (&pair.value, pair.relation) {
        (Value::Plain("*"), Relation::Is) => Test::Exists,
        (Value::Regex(_), _) => return Err(wrong()),
        (_, Relation::Order(order)) => Test::Compare(order, amount(text, time).ok_or_else(wrong)?),
        // The text of a whole number of nanoseconds.
        (_, Relation::Is) => Test::Equals(format!("{:.0}", amount(text, time).ok_or_else(wrong)?)),
    };
    Ok(Predicate::Field(Field::Duration, test))
}

/// A test of a log's severity, by name or number.
pub(super) fn severity(pair: &Pair<'_>) -> Result<Predicate, QueryError> {
    let text = text(&pair.value);
    let named = SEVERITIES.iter().find(|(name, _, _, others)| {
        name.eq_ignore_ascii_case(text) || others.iter().any(|other| other.eq_ignore_ascii_case(text))
    });
    let (first, last) = match (named, pair.relation) {
        (Some((name, ..)), Relation::Is) => {
            return Ok(Predicate::Field(Field::Severity, Test::Equals((*name).to_owned())));
        }
        (Some((_, first, last, _)), _) => (*first, *last),
        (None, _) => {
            let number = text.parse::<u8>().ok().map(f64::from);
            let number = number.filter(|number| (SEVERITY_MIN..=SEVERITY_MAX).contains(number));
            let wrong =
                || QueryError::bad(format!("`{text}` is no severity"), pair.value_at, EXPECTED_SEVERITY);
            let number = number.ok_or_else(wrong)?;
            (number, number)
        }
    };
    let test = |order, bound| Predicate::Field(Field::Severity, Test::Compare(order, bound));
    let has_one = || test(Compare::GreaterOrEqual, SEVERITY_MIN);
    Ok(match pair.relation {
        Relation::Is => test(Compare::GreaterOrEqual, first).and(test(Compare::LessOrEqual, last)),
        Relation::Order(Compare::GreaterOrEqual) => test(Compare::GreaterOrEqual, first),
        Relation::Order(Compare::Greater) => test(Compare::Greater, last),
        Relation::Order(Compare::Less) => has_one().and(test(Compare::Less, first)),
        Relation::Order(Compare::LessOrEqual) => has_one().and(test(Compare::LessOrEqual, last)),
    })
}

/// A test of an id: all its digits, or the first ones and `*`.
pub(super) fn id(field: Field, digits: usize, pair: &Pair<'_>) -> Result<Predicate, QueryError> {
    let text = text(&pair.value);
    let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
    let test = match (&pair.value, pair.relation) {
        (_, Relation::Order(_)) | (Value::Regex(_), _) => None,
        (Value::Plain("*"), _) => Some(Test::Exists),
        (Value::Plain(pattern), _) if pattern.ends_with('*') => {
            let prefix = pattern.trim_end_matches('*');
            (hex(prefix) && prefix.len() <= digits)
                .then(|| Test::Glob(format!("{}*", prefix.to_ascii_lowercase())))
        }
        _ => (hex(text) && text.len() == digits).then(|| Test::Equals(text.to_ascii_lowercase())),
    };
    let Some(test) = test else {
        let expected = [format!("{digits} hexadecimal digits"), "the first digits and *".to_owned()];
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        return Err(QueryError::bad(format!("`{text}` is no such id"), pair.value_at, &expected));
    };
    Ok(Predicate::Field(field, test))
}

/// Refuses a pattern with `*` that is too large to be searched with.
pub(super) fn check_glob(pattern: &str, at: usize) -> Result<(), QueryError> {
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    check_regex(&format!("^(?:{})$", parts.join(".*")), at)
}

/// Refuses a regular expression that is wrong or too large.
pub(super) fn check_regex(pattern: &str, at: usize) -> Result<(), QueryError> {
    let built =
        regex::RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).dot_matches_new_line(true).build();
    let Err(error) = built else { return Ok(()) };
    let message = match &error {
        regex::Error::CompiledTooBig(_) => "this pattern is too large".to_owned(),
        // The last of several lines says what is wrong; those before it draw the place.
        _ => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("this regular expression is wrong: {reason}")
        }
    };
    Err(QueryError::bad(message, at, &["a regular expression", "a value in quotes"]))
}
