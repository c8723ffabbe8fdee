//! Figures in the units of panels.

use crate::format::{percent, quantity};

/// What a unit may be, with how [`quantity`] calls it.
const UNITS: [(&str, &str); 13] = [
    ("", ""),
    ("ns", "ns"),
    ("us", "us"),
    ("ms", "ms"),
    ("s", "s"),
    ("bytes", "By"),
    ("bytes/s", "By"),
    ("ops", "1/s"),
    ("per-minute", "1/min"),
    ("count", "1"),
    ("ratio", ""),
    ("percent", ""),
    ("bool", ""),
];
/// What is said where a unit is none of them.
pub(crate) const EXPECTED: &str =
    "a unit of ns, us, ms, s, bytes, bytes/s, ops, per-minute, count, ratio, percent or bool was expected";

/// Whether a panel can have a unit.
pub(crate) fn is_known(unit: &str) -> bool {
    UNITS.iter().any(|(name, _)| *name == unit)
}

/// A figure in the unit of its panel; a dash where it is no number.
pub(crate) fn text(value: f64, unit: &str) -> String {
    match unit {
        _ if value.is_infinite() => if value > 0.0 { "+Inf" } else { "−Inf" }.to_owned(),
        "ratio" => share(value),
        "percent" => share(value / 100.0),
        "bool" if value.is_finite() => if value == 0.0 { "no" } else { "yes" }.to_owned(),
        "bytes/s" if value.is_finite() => format!("{} /s", quantity(value, "By")),
        _ => {
            let known = UNITS.iter().find(|(name, _)| *name == unit);
            quantity(value, known.map_or("", |(_, own)| own))
        }
    }
}

/// A share as a percentage, below zero too.
fn share(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        value if value < 0.0 => format!("−{}", percent(-value)),
        value => percent(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_units() {
        for (value, unit, expected) in [
            (0.0123, "s", "12.3 ms"),
            (1_500.0, "ms", "1.50 s"),
            (1_048_576.0, "bytes", "1.00 MiB"),
            (2_048.0, "bytes/s", "2.00 KiB /s"),
            (12.5, "ops", "12.5 /s"),
            (0.034, "ratio", "3.4 %"),
            (-0.5, "ratio", "−50 %"),
            (1.75, "ratio", "175 %"),
            (99.7, "percent", "> 99 %"),
            (1.0, "bool", "yes"),
            (1_234.0, "", "1.23k"),
            (f64::NAN, "s", "–"),
            (f64::NAN, "ratio", "–"),
            (f64::INFINITY, "s", "+Inf"),
        ] {
            assert_eq!(text(value, unit), expected, "{value} {unit}");
        }
        assert!(is_known("ops") && is_known("") && !is_known("furlongs"));
    }
}
