//! Numbers and times as people read them.

use std::fmt;

use jiff::Timestamp;

use crate::zone;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A length of time with three digits: `850 ns`, `12.3 µs`, `1.23 s`, `2 m 03 s`, `1 d 04 h`.
pub(crate) fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "−" } else { "" };
    let nanos = nanos.unsigned_abs();
    // Rounded as it is shown: 999.96 µs is 1.00 ms.
    let shown = |unit: u64| nanos as f64 / unit as f64;
    let text = if nanos < MICRO {
        format!("{nanos} ns")
    } else if shown(MICRO) < 999.5 {
        format!("{} µs", three_digits(shown(MICRO)))
    } else if shown(MILLI) < 999.5 {
        format!("{} ms", three_digits(shown(MILLI)))
    } else if shown(SECOND) < 59.95 {
        format!("{} s", three_digits(shown(SECOND)))
    } else {
        long_duration((nanos.saturating_add(SECOND / 2)) / SECOND * SECOND)
    };
    format!("{sign}{text}")
}

fn long_duration(nanos: u64) -> String {
    if nanos < HOUR {
        format!("{} m {:02} s", nanos / MINUTE, nanos % MINUTE / SECOND)
    } else if nanos < DAY {
        format!("{} h {:02} m", nanos / HOUR, nanos % HOUR / MINUTE)
    } else {
        format!("{} d {:02} h", nanos / DAY, nanos % DAY / HOUR)
    }
}

/// As [`duration`], of a computed figure; a dash where there is none.
pub(crate) fn duration_of(nanos: Option<f64>) -> String {
    nanos.map_or_else(|| "–".to_owned(), |nanos| duration(nanos.round() as i64))
}

/// A distance from the beginning: `+12.3 ms`.
pub(crate) fn offset(nanos: i64) -> String {
    if nanos < 0 { duration(nanos) } else { format!("+{}", duration(nanos)) }
}

/// Calls per second, or per minute or hour where that says more.
pub(crate) fn rate(per_second: f64) -> String {
    let (value, unit) = match per_second {
        rate if rate <= 0.0 || !rate.is_finite() => return "0 /s".to_owned(),
        rate if rate >= 0.995 => (rate, "s"),
        rate if rate * 60.0 >= 0.995 => (rate * 60.0, "min"),
        rate => (rate * 3600.0, "h"),
    };
    format!("{} /{unit}", scaled(value))
}

/// A share as a percentage.
pub(crate) fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    match percent {
        percent if percent <= 0.0 || percent.is_nan() => "0 %".to_owned(),
        percent if percent < 0.1 => "< 0.1 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent if percent < 100.0 && percent > 99.5 => "> 99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// A count with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A weighted count, rounded to whole ones.
pub(crate) fn count_of(number: f64) -> String {
    count(number.round().max(0.0) as u64)
}

/// A count with its noun: `1 span`, `2,000 spans`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// A figure in its unit, as OpenTelemetry names units: `61.0 ms`, `3.20 MiB`, `120 /min`; a dash where it is no number.
pub(crate) fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let nanos = |factor: u64| duration((value * factor as f64).round() as i64);
    match unit {
        "ns" => nanos(1),
        "us" => nanos(MICRO),
        "ms" => nanos(MILLI),
        "s" => nanos(SECOND),
        "By" => bytes(value),
        "" | "1" => figure(value),
        _ => match unit.strip_prefix("1/") {
            Some(time) => format!("{} /{time}", figure(value)),
            None => format!("{} {}", figure(value), diagnosis::counted(value, unit)),
        },
    }
}

/// A number of bytes.
fn bytes(value: f64) -> String {
    let mut size = value.abs();
    let sign = if value < 0.0 { "−" } else { "" };
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1023.5 {
            let text = if unit == "B" { format!("{size:.0}") } else { three_digits(size) };
            return format!("{sign}{text} {unit}");
        }
        size /= 1024.0;
    }
    format!("{sign}{} TiB", three_digits(size))
}

/// A number without a unit, with three digits that say something.
fn figure(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        size if size < 1e-6 => "0".to_owned(),
        size if size < 0.001 => format!("{size:.6}"),
        size if size < 0.1 => format!("{size:.4}"),
        size if size < 1000.0 && size.fract() == 0.0 => format!("{size:.0}"),
        size => scaled(size),
    };
    format!("{}{text}", if value < 0.0 && text != "0" { "−" } else { "" })
}

/// A figure of three digits: `1.23`, `12.3`, `123`, `1.23k`, `12.3M`.
fn scaled(value: f64) -> String {
    match value {
        value if value < 999.5 => three_digits(value),
        value if value < 999_500.0 => format!("{}k", three_digits(value / 1e3)),
        value if value < 999_500_000.0 => format!("{}M", three_digits(value / 1e6)),
        value => format!("{}G", three_digits(value / 1e9)),
    }
}

fn three_digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A place or length in an SVG in percent, with as many digits as a screen can show.
pub(crate) fn svg_percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The first line of a text, cut after some characters; what is left out is marked.
pub(crate) fn first_line(text: &str, chars_max: usize) -> String {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let mut out: String = line.chars().take(chars_max).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// The beginning of a text as it is; what is left out is marked.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A time to the second in the page's zone: `2026-05-04 10:00:00`.
pub(crate) fn date_time(nanos: i64) -> String {
    written(nanos, "%Y-%m-%d %H:%M:%S")
}

/// A time in the form of addresses and attributes, to the nanosecond.
pub(crate) fn rfc3339(nanos: i64) -> String {
    timestamp(nanos).to_string()
}

fn timestamp(nanos: i64) -> Timestamp {
    // 64 bits of nanoseconds reach from 1677 to 2262, well inside what a timestamp holds.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

fn written(nanos: i64, form: &str) -> String {
    timestamp(nanos).to_zoned(zone::current().rules()).strftime(form).to_string()
}

/// A `<time>` element: milliseconds in the page's zone, UTC with all nanoseconds in the attributes. Columns and
/// sentences that show one name the zone with [`zone::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    nanos: i64,
    form: &'static str,
}

impl Moment {
    /// With its date.
    pub(crate) fn full(nanos: i64) -> Self {
        Self { nanos, form: "%Y-%m-%d %H:%M:%S%.3f" }
    }

    /// With its date, to the second.
    pub(crate) fn to_second(nanos: i64) -> Self {
        Self { nanos, form: "%Y-%m-%d %H:%M:%S" }
    }

    /// What is shown, without the element.
    pub(crate) fn text(self) -> String {
        written(self.nanos, self.form)
    }

    /// The same without its date.
    pub(crate) fn without_date(self) -> Self {
        Self { form: "%H:%M:%S%.3f", ..self }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact, shown) = (rfc3339(self.nanos), self.text());
        write!(f, r#"<time datetime="{exact}" title="{exact} · {} ns">{shown}</time>"#, self.nanos)
    }
}

impl askama::FastWritable for Moment {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(write!(dest, "{self}")?)
    }
}

// Only digits and the program's own text.
impl askama::filters::HtmlSafe for Moment {}

#[cfg(test)]
mod tests;
