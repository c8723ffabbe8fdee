//! Numbers with the units that evidence has, as people read them.

use super::times::{duration, three_digits};

/// Units of bytes, each 1,024 of the one before.
const BYTES: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// A number in its unit: `ns` as a duration, `By` as MiB and the like, `1` as a share in percent.
pub(super) fn measure(value: f64, unit: &str) -> String {
    // Past what 64 bits hold, the conversion gives the largest duration.
    let nanos = |nanos: f64| duration(nanos as i64);
    match unit {
        "ns" => nanos(value),
        "us" => nanos(value * 1e3),
        "ms" => nanos(value * 1e6),
        "s" => nanos(value * 1e9),
        "By" => bytes(value),
        "1" => format!("{} %", three_digits(value * 100.0)),
        "" => three_digits(value),
        _ => match unit.strip_prefix('1').filter(|rest| rest.starts_with('/')) {
            Some(rest) => format!("{}{rest}", three_digits(value)),
            // `{request}` counts requests.
            None => format!("{} {}", three_digits(value), diagnosis::counted(value, unit)),
        },
    }
}

fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, 0);
    while value.abs() >= 1024.0 && unit + 1 < BYTES.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{value:.0} B"),
        unit => format!("{} {}", three_digits(value), BYTES[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_unit() {
        for (value, unit, shown) in [
            (1_234_567.0, "ns", "1.23 ms"),
            (f64::MAX, "ns", "106751 d 23 h"),
            (90.0, "s", "1 min 30 s"),
            (1.5, "ms", "1.50 ms"),
            (250.0, "us", "250 µs"),
            (0.0, "By", "0 B"),
            (1023.0, "By", "1023 B"),
            (1_572_864.0, "By", "1.50 MiB"),
            (-2048.0, "By", "-2.00 KiB"),
            (0.981, "1", "98.1 %"),
            (2.5, "1", "250 %"),
            (12.0, "1/min", "12.0/min"),
            (3.0, "{connection}", "3.00 connections"),
            (7.0, "%", "7.00 %"),
            (7.0, "", "7.00"),
        ] {
            assert_eq!(measure(value, unit), shown, "{value} {unit}");
        }
    }
}
