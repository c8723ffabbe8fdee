//! The parameter `t`: which times a page is about.

use jiff::Timestamp;
use model::{TimeRange, UnixNanos};

use crate::format::{self, date_time};
use crate::params::{BadParameter, Params};

const SECOND: i64 = 1_000_000_000;
/// The range of a page that was not asked about a certain time.
const HOUR: i64 = 3600 * SECOND;
/// What a time may be written as.
const EXPECTED: &str = "empty for everything, now-15m (s, m, h, d or w), or A..B was expected, each end empty, \
     now, now-2h, RFC 3339 such as 2026-05-04T10:00:00Z, or a Unix time";

/// The ranges that are offered: text, name.
pub(crate) const PRESETS: [(&str, &str); 7] = [
    ("now-15m", "last 15 minutes"),
    ("now-1h", "last hour"),
    ("now-6h", "last 6 hours"),
    ("now-24h", "last 24 hours"),
    ("now-7d", "last 7 days"),
    ("now-30d", "last 30 days"),
    ("", "everything"),
];

/// A range, and how the address says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// As in the address.
    pub(crate) text: String,
    /// What it means now.
    pub(crate) range: TimeRange,
}

impl Range {
    /// The parameter `t` of a page.
    pub(crate) fn of(params: &Params, now: UnixNanos) -> Result<Self, BadParameter> {
        Self::read("t", params.text("t")?.trim(), now)
    }

    /// The text of a parameter that is a range.
    pub(crate) fn read(name: &'static str, text: &str, now: UnixNanos) -> Result<Self, BadParameter> {
        let range = parse(text, now).map_err(|expected| BadParameter::new(name, text, expected))?;
        Ok(Self { text: text.to_owned(), range })
    }

    /// The last hour, or the newest hour that has data.
    pub(crate) fn newest_hour(newest: UnixNanos, now: UnixNanos) -> Self {
        if newest.0 >= now.0.saturating_sub(HOUR) {
            let from = UnixNanos(now.0.saturating_sub(HOUR));
            // Open to the right: a clock ahead of this one must not hide what has just arrived.
            return Self { text: "now-1h".to_owned(), range: TimeRange { from: Some(from), to: None } };
        }
        let to = UnixNanos(newest.0.saturating_add(1));
        Self::between(UnixNanos(to.0.saturating_sub(HOUR)), to)
    }

    /// From one time to another.
    pub(crate) fn between(from: UnixNanos, to: UnixNanos) -> Self {
        Self { text: between(from.0, to.0), range: TimeRange { from: Some(from), to: Some(to) } }
    }

    /// The range in words.
    pub(crate) fn words(&self) -> String {
        if let Some((_, name)) = PRESETS.iter().find(|(text, _)| *text == self.text) {
            return (*name).to_owned();
        }
        words(&self.range)
    }
}

/// The text of a range between two times.
pub(crate) fn between(from: i64, to: i64) -> String {
    format!("{}..{}", format::rfc3339(from), format::rfc3339(to))
}

/// A range in words, by its ends.
pub(crate) fn words(range: &TimeRange) -> String {
    let zone = crate::zone::name();
    match (range.from, range.to) {
        (None, None) => "everything".to_owned(),
        (Some(from), None) => format!("since {} {zone}", date_time(from.0)),
        (None, Some(to)) => format!("before {} {zone}", date_time(to.0)),
        (Some(from), Some(to)) => format!("{} to {} {zone}", date_time(from.0), date_time(to.0)),
    }
}

fn parse(text: &str, now: UnixNanos) -> Result<TimeRange, String> {
    if text.is_empty() {
        return Ok(TimeRange::ALL);
    }
    let Some((from, to)) = text.split_once("..") else {
        let from = relative(text, now).ok_or(EXPECTED)?;
        return Ok(TimeRange { from: Some(from), to: None });
    };
    let range = TimeRange { from: end(from, now)?, to: end(to, now)? };
    match (range.from, range.to) {
        (Some(from), Some(to)) if from >= to => Err("the range ends before it begins".to_owned()),
        _ => Ok(range),
    }
}

fn end(text: &str, now: UnixNanos) -> Result<Option<UnixNanos>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let time = relative(text, now).or_else(|| unix(text)).or_else(|| rfc3339(text));
    time.map(Some).ok_or_else(|| EXPECTED.to_owned())
}

fn relative(text: &str, now: UnixNanos) -> Option<UnixNanos> {
    let rest = text.strip_prefix("now")?;
    if rest.is_empty() {
        return Some(now);
    }
    let rest = rest.strip_prefix('-')?;
    let unit = match rest.chars().next_back()? {
        's' => SECOND,
        'm' => 60 * SECOND,
        'h' => HOUR,
        'd' => 24 * HOUR,
        'w' => 7 * 24 * HOUR,
        _ => return None,
    };
    let number = &rest[..rest.len() - 1];
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = plain.then(|| number.parse().ok())??;
    Some(UnixNanos(now.0.saturating_sub(number.saturating_mul(unit))))
}

/// A Unix time; how many digits it has tells its unit, as no time of this age is ambiguous.
fn unix(text: &str) -> Option<UnixNanos> {
    if let Some((whole, fraction)) = text.split_once('.') {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
            return None;
        }
        let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
        return Some(UnixNanos(whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(nanos)?));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let unit = match digits.len() {
        0..=11 => SECOND,
        12..=14 => 1_000_000,
        15..=16 => 1_000,
        _ => 1,
    };
    text.parse::<i64>().ok()?.checked_mul(unit).map(UnixNanos)
}

/// The nanoseconds of a time in the form of answers.
pub(crate) fn nanos_of(text: &str) -> Option<i64> {
    rfc3339(text).map(|time| time.0)
}

fn rfc3339(text: &str) -> Option<UnixNanos> {
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_700_000_000 * SECOND);

    fn ends(text: &str) -> Option<(Option<i64>, Option<i64>)> {
        let range = parse(text, NOW).ok()?;
        Some((range.from.map(|time| time.0), range.to.map(|time| time.0)))
    }

    #[test]
    fn ranges_are_read() {
        let now = NOW.0;
        for (text, expected) in [
            ("", (None, None)),
            ("now-1h", (Some(now - HOUR), None)),
            ("now-90s", (Some(now - 90 * SECOND), None)),
            ("now-2h..now-1h", (Some(now - 2 * HOUR), Some(now - HOUR))),
            ("..now", (None, Some(now))),
            ("1700000000..", (Some(now), None)),
            ("1700000000.5..", (Some(now + SECOND / 2), None)),
            ("1699999999000..1700000000000000000", (Some(now - SECOND), Some(now))),
            ("2023-11-14T22:13:20Z..2023-11-14T23:13:20+00:00", (Some(now), Some(now + HOUR))),
        ] {
            assert_eq!(ends(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "now-",
            "now-1",
            "now-1y",
            "now+1h",
            "1700000000",
            "yesterday",
            "a..b",
            "now..now-1h",
            "5..5",
            "now-é",
        ] {
            assert_eq!(ends(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let range = Range::between(UnixNanos(NOW.0 + 1), UnixNanos(NOW.0 + 7));
        assert_eq!(parse(&range.text, NOW), Ok(range.range));
    }

    #[test]
    fn the_newest_hour_is_the_last_if_it_has_data() {
        let fresh = Range::newest_hour(UnixNanos(NOW.0 - 60 * SECOND), NOW);
        assert_eq!((fresh.text.as_str(), fresh.range.to), ("now-1h", None));
        let old = UnixNanos(NOW.0 - 100 * HOUR);
        let range = Range::newest_hour(old, NOW).range;
        assert!(range.contains(old));
        assert!(!range.contains(UnixNanos(old.0 - HOUR)));
        assert!(Range::newest_hour(old, NOW).words().ends_with("UTC"));
        assert_eq!(fresh.words(), "last hour");
    }
}
