use super::*;

#[test]
fn durations_have_three_digits() {
    for (nanos, expected) in [
        (0, "0 ns"),
        (850, "850 ns"),
        (1_000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (999_960, "1.00 ms"),
        (1_234_567, "1.23 ms"),
        (99_960_000, "100 ms"),
        (1_500_000_000, "1.50 s"),
        (59_940_000_000, "59.9 s"),
        (59_960_000_000, "1 m 00 s"),
        (123_000_000_000, "2 m 03 s"),
        (3_720_000_000_000, "1 h 02 m"),
        (100_800_000_000_000, "1 d 04 h"),
        (-5_000_000, "−5.00 ms"),
        (i64::MIN, "−106751 d 23 h"),
    ] {
        assert_eq!(duration(nanos), expected, "{nanos}");
    }
    assert_eq!(offset(12_300_000), "+12.3 ms");
    assert_eq!(offset(-1), "−1 ns");
    assert_eq!(duration_of(None), "–");
    assert_eq!(duration_of(Some(1_499_999.6)), "1.50 ms");
}

#[test]
fn rates_choose_the_unit_that_says_most() {
    for (per_second, expected) in [
        (0.0, "0 /s"),
        (f64::NAN, "0 /s"),
        (0.0003, "1.08 /h"),
        (0.05, "3.00 /min"),
        (1.0, "1.00 /s"),
        (123.4, "123 /s"),
        (12_345.0, "12.3k /s"),
        (2_500_000.0, "2.50M /s"),
    ] {
        assert_eq!(rate(per_second), expected, "{per_second}");
    }
}

#[test]
fn percentages_do_not_round_to_none_or_all() {
    for (ratio, expected) in [
        (0.0, "0 %"),
        (f64::NAN, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.0321, "3.2 %"),
        (0.45, "45 %"),
        (0.9999, "> 99 %"),
        (1.0, "100 %"),
    ] {
        assert_eq!(percent(ratio), expected, "{ratio}");
    }
}

#[test]
fn counts_stand_apart_by_thousands() {
    for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(count(number), expected);
    }
    assert_eq!(counted(1, "span"), "1 span");
    assert_eq!(counted(2_000, "span"), "2,000 spans");
    assert_eq!(count_of(1999.6), "2,000");
}

#[test]
fn long_texts_are_cut_between_characters() {
    assert_eq!(first_line("ärger\nmore", 80), "ärger…");
    assert_eq!(first_line("äöü", 2), "äö…");
    assert_eq!(first_line(" all \n", 80), "all");
    assert_eq!(first_line("", 80), "");
}

#[test]
fn times_are_utc_to_the_nanosecond() {
    let moment = Moment::full(1_700_000_000_123_456_789).to_string();
    assert_eq!(
        moment,
        "<time datetime=\"2023-11-14T22:13:20.123456789Z\" title=\"2023-11-14T22:13:20.123456789Z · \
         1700000000123456789 ns\">2023-11-14 22:13:20.123</time>"
    );
    assert!(Moment::full(0).without_date().to_string().ends_with(">00:00:00.000</time>"));
    assert_eq!(rfc3339(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    assert_eq!(date_time(i64::MAX), "2262-04-11 23:47:16");
}

#[test]
fn times_are_shown_in_the_zone_of_the_page() {
    zone::sync_within("Europe/Berlin", || {
        let moment = Moment::to_second(1_700_000_000_000_000_000).to_string();
        assert!(moment.starts_with("<time datetime=\"2023-11-14T22:13:20Z\""), "{moment}");
        assert!(moment.ends_with(">2023-11-14 23:13:20</time>"), "{moment}");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    });
    // One clock time of two: the attribute tells them apart.
    zone::sync_within("Europe/Berlin", || {
        let first = Moment::to_second(1_698_537_600_000_000_000);
        let second = Moment::to_second(1_698_541_200_000_000_000);
        assert_eq!(first.text(), second.text());
        assert_ne!(first.to_string(), second.to_string());
    });
}

#[test]
fn texts_are_cut_between_characters() {
    for (text, expected) in [("", ""), ("abé", "abé"), ("abéd", "abé…"), (" a\nb", " a\n…")] {
        assert_eq!(cut(text, 3), expected, "{text}");
    }
}

#[test]
fn svg_percentages_are_short() {
    assert_eq!(svg_percent(0.5), "50%");
    assert_eq!(svg_percent(1.0 / 3.0), "33.333%");
    assert_eq!(svg_percent(0.0), "0%");
    assert_eq!(svg_percent(1.0), "100%");
}

#[test]
fn quantities_have_their_units() {
    for (value, unit, expected) in [
        (61_234_567.0, "ns", "61.2 ms"),
        (1.5, "s", "1.50 s"),
        (3_670_016.0, "By", "3.50 MiB"),
        (-12.0, "By", "−12 B"),
        (1e20, "By", "90949470 TiB"),
        (120.0, "1/min", "120 /min"),
        (0.256, "1", "0.26"),
        (0.0123, "1", "0.0123"),
        (0.0, "1", "0"),
        (-3.0, "", "−3"),
        (12_345.0, "{request}", "12.3k requests"),
        (f64::NAN, "ns", "–"),
        (f64::INFINITY, "By", "–"),
    ] {
        assert_eq!(quantity(value, unit), expected, "{value} {unit}");
    }
}
