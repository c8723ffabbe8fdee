use super::*;

#[test]
fn durations_are_read() {
    let cases = [
        ("5m", Some(300_000)),
        ("1h30m", Some(5_400_000)),
        ("1y2w3d", Some(31_536_000_000 + 1_209_600_000 + 259_200_000)),
        ("100ms", Some(100)),
        ("1s1ms", Some(1001)),
        ("0s", Some(0)),
        ("", None),
        ("5", None),
        ("m", None),
        ("30m1h", None),
        ("1m1m", None),
        ("1x", None),
        ("99999999999999999999s", None),
        ("9999999y", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), expected, "{text:?}");
    }
}

#[test]
fn seconds_out_of_range_are_no_duration() {
    assert_eq!(from_seconds(1.2345), Some(1235));
    assert_eq!(from_seconds(-0.5), Some(-500));
    for seconds in [f64::NAN, f64::INFINITY, 1e30, -1e30] {
        assert_eq!(from_seconds(seconds), None, "{seconds}");
    }
}

#[test]
fn durations_are_written_in_the_largest_units() {
    for (ms, expected) in [
        (0, "0s"),
        (1001, "1s1ms"),
        (90_000, "1m30s"),
        (86_400_000, "1d"),
        (7 * 86_400_000, "1w"),
        (30 * 86_400_000, "30d"),
        (365 * 86_400_000, "1y"),
        (366 * 86_400_000, "366d"),
        (400 * 86_400_000 + 1, "400d1ms"),
    ] {
        assert_eq!(text(ms), expected);
    }
}
