//! The parameter `sel`: a box that was dragged, of time or of time and duration.

use model::UnixNanos;
use query::SpanBox;

use crate::format::duration;
use crate::params::{BadParameter, Params};
use crate::range::{self, Range};

/// What a box may be written as.
const EXPECTED: &str = "A..B or A..B,LOW..HIGH was expected: times as in t, and durations such as 100ms..2s (ns us ms s \
     m h; an end may be empty)";
/// Units by their names, the longest first where one ends as another.
const UNITS: [(&str, i64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A box, and how the address says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// As in the address.
    pub(crate) text: String,
    /// Its times.
    pub(crate) range: Range,
    /// Its shortest duration.
    pub(crate) low: Option<i64>,
    /// Its longest.
    pub(crate) high: Option<i64>,
}

impl Selection {
    /// A box of a page; `None` if the address has none.
    pub(crate) fn of(
        params: &Params,
        name: &'static str,
        now: UnixNanos,
    ) -> Result<Option<Self>, BadParameter> {
        let text = params.text(name)?.trim();
        if text.is_empty() { Ok(None) } else { Self::read(name, text, now).map(Some) }
    }

    /// The box of a text.
    pub(crate) fn read(name: &'static str, text: &str, now: UnixNanos) -> Result<Self, BadParameter> {
        let wrong = || BadParameter::new(name, text, EXPECTED);
        let (times, durations) = text.split_once(',').unwrap_or((text, ""));
        let range = Range::read(name, times.trim(), now)?;
        let (mut low, mut high) = (None, None);
        if !durations.trim().is_empty() {
            let (from, to) = durations.split_once("..").ok_or_else(wrong)?;
            (low, high) = (nanos(from).ok_or_else(wrong)?, nanos(to).ok_or_else(wrong)?);
        }
        match (low, high) {
            (Some(low), Some(high)) if low >= high => Err(wrong()),
            _ => Ok(Self { text: text.to_owned(), range, low, high }),
        }
    }

    /// A box without durations.
    pub(crate) fn times(range: Range) -> Self {
        Self { text: range.text.clone(), range, low: None, high: None }
    }

    /// Whether it has durations.
    pub(crate) fn has_durations(&self) -> bool {
        self.low.is_some() || self.high.is_some()
    }

    /// The box as the engine takes it.
    pub(crate) fn spans(&self) -> SpanBox {
        SpanBox { range: self.range.range, low: self.low, high: self.high }
    }

    /// Its durations as terms of a search, with a blank before each.
    pub(crate) fn terms(&self) -> String {
        let term = |sign: &str, nanos: Option<i64>| {
            nanos.map(|nanos| format!(" duration{sign}{nanos}ns")).unwrap_or_default()
        };
        format!("{}{}", term(">=", self.low), term("<", self.high))
    }

    /// The box in words.
    pub(crate) fn words(&self) -> String {
        let times = range::words(&self.range.range);
        match (self.low, self.high) {
            (None, None) => times,
            (Some(low), None) => format!("{times}, {} and longer", duration(low)),
            (None, Some(high)) => format!("{times}, shorter than {}", duration(high)),
            (Some(low), Some(high)) => format!("{times}, {} to {}", duration(low), duration(high)),
        }
    }
}

/// A duration; `Some(None)` where it is empty.
fn nanos(text: &str) -> Option<Option<i64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && number.len() <= 24;
    let value = plain.then(|| number.parse::<f64>().ok())?? * factor as f64;
    // Whole numbers of nanoseconds stay exact.
    let exact = number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor));
    exact.or_else(|| (value < i64::MAX as f64).then_some(value as i64)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

    fn read(text: &str) -> Option<(Option<i64>, Option<i64>)> {
        Selection::read("sel", text, NOW).ok().map(|selection| (selection.low, selection.high))
    }

    #[test]
    fn boxes_are_read() {
        for (text, expected) in [
            ("1..2", (None, None)),
            ("now-1h..now,100ms..2s", (Some(100_000_000), Some(2_000_000_000))),
            ("1..2, 1.5s..", (Some(1_500_000_000), None)),
            ("1..2,..250", (None, Some(250))),
            ("1..2,3µs..9007199254740993ns", (Some(3_000), Some(9_007_199_254_740_993))),
            ("1..2,..", (None, None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in ["x", "1..2,5", "1..2,2s..1s", "1..2,a..b", "1..2,-5..", "1..2,1e9..", "2..1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let written = format!("{},7ns..", range::between(NOW.0, NOW.0 + 5));
        let selection = Selection::read("sel", &written, NOW).unwrap();
        assert_eq!((selection.low, selection.high), (Some(7), None));
        assert_eq!(selection.terms(), " duration>=7ns");
        assert!(selection.words().ends_with("UTC, 7 ns and longer"), "{}", selection.words());
    }
}
