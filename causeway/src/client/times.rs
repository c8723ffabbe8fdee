//! Times and durations: as people write them on the command line, and as they are shown.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;

/// What may be written where a time is expected.
const EXPECTED: &str = "expected RFC 3339 (2026-11-21T09:14:03Z), `now`, `now-15m`, or a Unix time";

/// A bare number below the first bound is read as seconds, below the second as milliseconds, below the third
/// as microseconds, else as nanoseconds. The first bound is the year 5138 in seconds and March 1973 in
/// milliseconds, so every time a program exports today is read right in each of the four.
const UNIX_BOUNDS: [(i128, i128); 3] =
    [(100_000_000_000, SECOND), (100_000_000_000_000, 1_000_000), (100_000_000_000_000_000, 1_000)];

/// A time in Unix nanoseconds, `now` being the machine's clock.
pub(crate) fn from_now(text: &str) -> Result<i64, String> {
    parse(text, Timestamp::now())
}

/// The time so long ago, or any other time.
pub(crate) fn since_now(text: &str) -> Result<i64, String> {
    since(text, Timestamp::now())
}

/// A time in Unix nanoseconds.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<i64, String> {
    let text = text.trim();
    let time = match text.strip_prefix("now") {
        Some(offset) => relative(offset.trim(), now)?.as_nanosecond(),
        None => match unix(text) {
            Some(nanos) => nanos,
            None => absolute(text)?.as_nanosecond(),
        },
    };
    i64::try_from(time).map_err(|_| format!("`{text}` is outside the years 1678 to 2262"))
}

/// A duration before `now`, as `15m`; else a time.
pub(crate) fn since(text: &str, now: Timestamp) -> Result<i64, String> {
    if text.trim().starts_with(|first: char| first.is_ascii_digit())
        && let Ok(span) = text.trim().parse::<Span>()
    {
        let time = before(span, now)?;
        return i64::try_from(time.as_nanosecond()).map_err(|_| format!("`{text}` ago is before 1678"));
    }
    parse(text, now).map_err(|error| format!("{error}, or a duration like 15m"))
}

/// `now` moved by `-15m` or `+15m`, or not at all.
fn relative(offset: &str, now: Timestamp) -> Result<Timestamp, String> {
    let span = |text: &str| text.trim().parse::<Span>().map_err(|error| format!("{error}; {EXPECTED}"));
    if offset.is_empty() {
        Ok(now)
    } else if let Some(text) = offset.strip_prefix('-') {
        before(span(text)?, now)
    } else if let Some(text) = offset.strip_prefix('+') {
        before(span(text)?.negate(), now)
    } else {
        Err(EXPECTED.to_owned())
    }
}

/// `span` before `now`; a day has 24 hours, a month is one of the calendar.
fn before(span: Span, now: Timestamp) -> Result<Timestamp, String> {
    let moved = now.to_zoned(TimeZone::UTC).checked_sub(span);
    moved.map(|time| time.timestamp()).map_err(|error| error.to_string())
}

/// A Unix time, whole or with a fraction of a second.
fn unix(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i128>() {
        let factor = UNIX_BOUNDS.iter().find(|(bound, _)| number.saturating_abs() < *bound);
        return number.checked_mul(factor.map_or(1, |(_, factor)| *factor));
    }
    let (whole, fraction) = text.split_once('.')?;
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole_seconds: i64 = whole.parse().ok()?;
    let nanos: i128 = format!("{fraction:0<9}").parse().ok()?;
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    Some(i128::from(whole_seconds) * SECOND + sign * nanos)
}

/// RFC 3339, or the same without a zone and as short as a date, then in UTC: the way times are shown here can
/// be given back.
fn absolute(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil = text.parse::<DateTime>().map_err(|_| EXPECTED.to_owned())?;
    civil.to_zoned(TimeZone::UTC).map(|time| time.timestamp()).map_err(|error| error.to_string())
}

/// A time as the API takes it, with all nine digits.
pub(crate) fn rfc3339(nanos: i64) -> String {
    format!("{:.9}", timestamp(nanos))
}

/// A time as people read it, in UTC, to the millisecond.
pub(crate) fn show(nanos: i64) -> String {
    utc(nanos, "%Y-%m-%d %H:%M:%S%.3f")
}

/// A time in UTC in the form of `strftime`.
pub(crate) fn utc(nanos: i64, form: &str) -> String {
    timestamp(nanos).strftime(form).to_string()
}

/// Every 64-bit number of nanoseconds lies within the years jiff knows.
fn timestamp(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// A duration as people read it: three digits and a unit, from a minute on two units.
pub(crate) fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let seconds = size.saturating_add(500_000_000) / 1_000_000_000;
    let text = match seconds {
        0..60 => short(size),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    };
    format!("{sign}{text}")
}

/// Under a minute.
fn short(nanos: u64) -> String {
    if nanos < 1_000 {
        return format!("{nanos} ns");
    }
    // What would round up to 1000 of a unit is 1 of the next.
    let (value, unit) = match nanos {
        0..999_500 => (nanos as f64 / 1e3, "µs"),
        999_500..999_500_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A number of three digits or more.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    fn check(read: fn(&str, Timestamp) -> Result<i64, String>, cases: &[(&str, Option<&str>)]) {
        for (text, expected) in cases {
            let time = read(text, now()).map(rfc3339);
            assert_eq!(time.as_deref().ok(), *expected, "{text}: {time:?}");
        }
    }

    #[test]
    fn times_are_read() {
        check(
            parse,
            &[
                ("now", Some("2026-11-21T09:00:00.000000000Z")),
                ("now-15m", Some("2026-11-21T08:45:00.000000000Z")),
                ("now - 1h30m", Some("2026-11-21T07:30:00.000000000Z")),
                ("now-2d", Some("2026-11-19T09:00:00.000000000Z")),
                ("now-1.5h", Some("2026-11-21T07:30:00.000000000Z")),
                ("now+10s", Some("2026-11-21T09:00:10.000000000Z")),
                ("now-", None),
                ("now-x", None),
                ("nowhere", None),
                ("2026-11-21T09:14:03.123456789Z", Some("2026-11-21T09:14:03.123456789Z")),
                ("2026-11-21T10:14:03+01:00", Some("2026-11-21T09:14:03.000000000Z")),
                ("2026-11-21 09:14:03.123", Some("2026-11-21T09:14:03.123000000Z")),
                ("2026-11-21", Some("2026-11-21T00:00:00.000000000Z")),
                ("2026-13-21", None),
                ("1700000000", Some("2023-11-14T22:13:20.000000000Z")),
                ("1700000000.5", Some("2023-11-14T22:13:20.500000000Z")),
                ("1700000000123", Some("2023-11-14T22:13:20.123000000Z")),
                ("1700000000123456", Some("2023-11-14T22:13:20.123456000Z")),
                ("1700000000123456789", Some("2023-11-14T22:13:20.123456789Z")),
                ("-1", Some("1969-12-31T23:59:59.000000000Z")),
                ("-0.5", Some("1969-12-31T23:59:59.500000000Z")),
                ("99999999999999999999", None),
                ("2300-01-01T00:00:00Z", None),
                ("", None),
                ("15m", None),
            ],
        );
    }

    #[test]
    fn since_takes_a_duration_or_a_time() {
        check(
            since,
            &[
                ("15m", Some("2026-11-21T08:45:00.000000000Z")),
                ("1h 30m", Some("2026-11-21T07:30:00.000000000Z")),
                ("2w", Some("2026-11-07T09:00:00.000000000Z")),
                ("now-15m", Some("2026-11-21T08:45:00.000000000Z")),
                ("2026-11-21T08:00:00Z", Some("2026-11-21T08:00:00.000000000Z")),
                ("1700000000", Some("2023-11-14T22:13:20.000000000Z")),
                ("-15m", None),
                ("soon", None),
            ],
        );
    }

    #[test]
    fn times_are_shown_in_utc_and_cut_to_the_millisecond() {
        for (nanos, text) in [
            (0, "1970-01-01 00:00:00.000"),
            (1_795_252_443_123_999_999, "2026-11-21 09:14:03.123"),
            (i64::MAX, "2262-04-11 23:47:16.854"),
        ] {
            assert_eq!(show(nanos), text);
        }
    }

    #[test]
    fn durations_are_shown() {
        for (nanos, text) in [
            (0, "0 ns"),
            (850, "850 ns"),
            (1_230, "1.23 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (1_234_567, "1.23 ms"),
            (12_345_678, "12.3 ms"),
            (99_960_000, "100 ms"),
            (-1_500_000, "-1.50 ms"),
            (1_500_000_000, "1.50 s"),
            (59_400_000_000, "59.4 s"),
            (59_600_000_000, "1 min 0 s"),
            (754_000_000_000, "12 min 34 s"),
            (3_720_000_000_000, "1 h 2 min"),
            (i64::MAX, "106751 d 23 h"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }
}
