//! Numbers as people read them, and the marks of axes.

/// What stands for a thousand of the one before.
const THOUSANDS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
/// From this on, and below the other, numbers have an exponent.
const LARGEST: f64 = 1e15;
const SMALLEST: f64 = 1e-3;
/// The most digits behind the point of a mark.
const DECIMALS_MAX: i32 = 9;

/// A number in three digits.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(SMALLEST..LARGEST).contains(&size) {
        return format!("{value:.2e}");
    }
    let (unit, suffix) = THOUSANDS.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1.0, ""));
    let decimals = (2 - (size / unit).log10().floor() as i32).max(0) as usize;
    format!("{}{suffix}", trimmed(&format!("{:.decimals$}", value / unit)))
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Round numbers at equal distances that enclose others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    tick: f64,
}

impl Scale {
    /// About so many distances around numbers from a least one to a greatest.
    pub(super) fn around(least: f64, greatest: f64, distances: f64) -> Self {
        // What is far from zero in its own terms is seen better without it.
        let low = if least > 0.0 && least < greatest * 0.5 { 0.0 } else { least };
        let high = if greatest < 0.0 && greatest > least * 0.5 { 0.0 } else { greatest };
        let length = if high > low { high - low } else { low.abs().max(1.0) };
        let tick = round_up(length / distances);
        let (low, high) = ((low / tick).floor() * tick, (high / tick).ceil() * tick);
        Self { low, high: if high > low { high } else { low + tick }, tick }
    }

    /// The round numbers from the least on.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        let Self { low, high, tick } = *self;
        let count = ((high - low) / tick).round() as usize;
        (0..=count).map(move |number| low + tick * number as f64)
    }

    /// One of them as text, in as many digits as tell it from the others.
    pub(super) fn text(&self, tick: f64) -> String {
        let size = self.low.abs().max(self.high.abs());
        // Rounding leaves what is not quite zero.
        let tick = if tick.abs() < self.tick / 2.0 { 0.0 } else { tick };
        let decimals = -self.tick.log10().floor() as i32;
        if size >= 1e4 && self.tick >= size / 100.0 || decimals > DECIMALS_MAX {
            return short(tick);
        }
        format!("{tick:.*}", decimals.max(0) as usize)
    }
}

/// The next of 1, 2 and 5 with zeros behind or before.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let found = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= value);
    found.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.012_345, "0.0123"),
            (123.456, "123"),
            (999.9, "1000"),
            (1234.0, "1.23k"),
            (5e6, "5M"),
            (7.25e12, "7.25T"),
            (1e20, "1.00e20"),
            (0.000_012, "1.20e-5"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_scale_is_round_and_encloses() {
        for (least, greatest, ticks) in [
            (0.0, 1.0, vec!["0.0", "0.5", "1.0"]),
            (3.0, 97.0, vec!["0", "50", "100"]),
            (90.0, 97.0, vec!["90", "95", "100"]),
            (-5.0, 5.0, vec!["-5", "0", "5"]),
            (7.0, 7.0, vec!["5", "10"]),
            (0.0, 0.0, vec!["0.0", "0.5"]),
            (0.0, 2.5e6, vec!["0", "2M", "4M"]),
            (-3e-4, -1e-4, vec!["-0.0004", "-0.0002", "0.0000"]),
            (1_000_000.5, 1_000_001.5, vec!["1000000.5", "1000001.0", "1000001.5"]),
        ] {
            let scale = Scale::around(least, greatest, 2.0);
            assert!(scale.low <= least && scale.high >= greatest, "{scale:?}");
            assert_eq!(scale.ticks().map(|tick| scale.text(tick)).collect::<Vec<_>>(), ticks);
        }
    }
}
