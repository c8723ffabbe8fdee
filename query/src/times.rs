//! Times as questions write them: RFC 3339, `now`, `now-15m`, or a Unix time in seconds, milliseconds,
//! microseconds or nanoseconds, told apart by its size.

use model::UnixNanos;

use crate::error::QueryError;

const EXPECTED: [&str; 3] = ["2026-11-21T09:00:00Z", "now-15m", "a Unix time"];

/// Reads a time; `now` is the moment of the question.
pub fn parse(text: &str, now: UnixNanos) -> Result<UnixNanos, QueryError> {
    let text = text.trim();
    if let Some(offset) = text.strip_prefix("now") {
        return relative(offset)
            .map(|nanos| UnixNanos(now.0.saturating_add(nanos)))
            .ok_or_else(|| wrong(text));
    }
    if let Some(time) = unix(text) {
        return Ok(time);
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong(text))?;
    let nanos = i64::try_from(time.as_nanosecond());
    nanos
        .map(UnixNanos)
        .map_err(|_| QueryError::invalid(format!("the time {text} is past what can be stored: 2262-04-11")))
}

/// A duration such as `15m` or `1h30m` in nanoseconds.
pub fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit_nanos(unit)?)?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// A time as the API's SQL rows and pages show it: RFC 3339 with nine digits, UTC.
pub fn rfc3339(time: UnixNanos) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(time) => format!("{time:.9}"),
        Err(_) => time.to_string(),
    }
}

fn unit_nanos(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        "w" => 7 * 86_400 * 1_000_000_000,
        _ => return None,
    })
}

fn relative(offset: &str) -> Option<i64> {
    match offset.as_bytes().first() {
        None => Some(0),
        Some(b'-') => duration(&offset[1..]).map(|nanos| -nanos),
        Some(b'+') => duration(&offset[1..]),
        Some(_) => None,
    }
}

fn unix(text: &str) -> Option<UnixNanos> {
    if let Ok(number) = text.parse::<i64>() {
        let factor = match number.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        };
        return Some(UnixNanos(number.saturating_mul(factor)));
    }
    let seconds: f64 = text.parse().ok()?;
    (seconds.abs() < 1e10).then_some(UnixNanos((seconds * 1e9) as i64))
}

fn wrong(text: &str) -> QueryError {
    let expected = EXPECTED.map(str::to_owned).to_vec();
    QueryError::Bad { message: format!("{text:?} is not a time"), position: None, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_000_000_000_000_000_000);

    #[test]
    fn every_form_is_read() {
        let cases = [
            ("now", NOW.0),
            ("now-15m", NOW.0 - 900 * 1_000_000_000),
            ("now-1h30m", NOW.0 - 5400 * 1_000_000_000),
            ("now+1s", NOW.0 + 1_000_000_000),
            ("1970-01-01T00:00:01Z", 1_000_000_000),
            ("1970-01-01T01:00:01.000000005+01:00", 1_000_000_005),
            ("1661154858", 1_661_154_858_000_000_000),
            ("1661154858.5", 1_661_154_858_500_000_000),
            ("1661154858123", 1_661_154_858_123_000_000),
            ("1661154858123456789", 1_661_154_858_123_456_789),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text, NOW), Ok(UnixNanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_says_what_is() {
        for text in ["", "yesterday", "now-", "now-5", "now-5x", "2026-13-01T00:00:00Z", "nan"] {
            assert!(parse(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn nine_digits_are_shown() {
        assert_eq!(rfc3339(UnixNanos(1_500_000_000)), "1970-01-01T00:00:01.500000000Z");
    }
}
