//! Durations as PromQL writes them: `5m`, `1h30m`, `100ms`.

/// The longest duration in milliseconds: about 3000 years, so that sums of several stay in range.
pub(super) const DURATION_MAX_MS: i64 = 100_000_000_000_000;

/// The units from the longest on, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration in milliseconds: whole numbers with units, each unit once, the longest first.
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0i64;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, next) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let found = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(units[found].1)?)?;
        units = &units[found + 1..];
        rest = next;
    }
    (!text.is_empty() && total <= DURATION_MAX_MS).then_some(total)
}

/// A duration of at least nothing as it is written; years and weeks stand only where nothing is left of them.
pub(super) fn text(ms: i64) -> String {
    let mut out = String::new();
    let mut rest = ms;
    for (name, unit) in UNITS {
        let whole_only = matches!(name, "y" | "w");
        if rest >= unit && (!whole_only || rest % unit == 0) {
            out.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Seconds as milliseconds, rounded, if they are in range.
pub(super) fn from_seconds(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    (ms.abs() <= DURATION_MAX_MS as f64).then_some(ms as i64)
}

#[cfg(test)]
mod tests;
