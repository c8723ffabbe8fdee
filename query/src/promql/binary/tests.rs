use super::super::testing::Store;
use super::super::{CUSTOM, Histogram};

fn store() -> Store {
    Store::new(&[
        r#"a{x="1", y="1"} 6 6"#,
        r#"a{x="1", y="2"} 8 8"#,
        r#"a{x="2", y="1"} 9 9"#,
        r#"b{x="1"} 2 2"#,
        r#"b{x="2"} 3 3"#,
        r#"c{x="1", z="7"} 2 2"#,
        r#"d{x="1", y="1"} 6 NaN"#,
        "one 1 1",
    ])
}

#[test]
fn numbers_with_numbers() {
    store().check(
        0,
        &[
            ("7 % 4", "3"),
            ("-7 % 4", "-3"),
            ("2 ^ 10", "1024"),
            ("1 / 0", "+Inf"),
            ("0 / 0", "NaN"),
            ("1 atan2 1", "0.7853981634"),
            ("1 > bool 2", "0"),
            ("2 >= bool 2", "1"),
            ("1 != bool NaN", "1"),
        ],
    );
}

#[test]
fn series_with_numbers() {
    store().check(
        0,
        &[
            ("b * 2", r#"{x="1"} 4, {x="2"} 6"#),
            ("10 - b", r#"{x="1"} 8, {x="2"} 7"#),
            ("b > 2", r#"{__name__="b", x="2"} 3"#),
            // What is chosen is the series, on whichever side it stands.
            ("2 < b", r#"{__name__="b", x="2"} 3"#),
            ("b == bool 2", r#"{x="1"} 1, {x="2"} 0"#),
            ("d ^ 2", r#"{x="1", y="1"} 36"#),
        ],
    );
    // A comparison with NaN does not hold.
    store().check(60, &[("d == NaN", ""), ("d > 0", ""), ("d != 6", r#"{__name__="d", x="1", y="1"} NaN"#)]);
    assert_eq!(store().range("b * time()", 2), r#"{x="1"} 0@0 120@60, {x="2"} 0@0 180@60"#);
}

#[test]
fn series_one_to_one() {
    store().check(
        0,
        &[
            ("b + b", r#"{x="1"} 4, {x="2"} 6"#),
            ("a + d", r#"{x="1", y="1"} 12"#),
            ("b - on (x) c", r#"{x="1"} 0"#),
            ("b * ignoring (z) c", r#"{x="1"} 4"#),
            ("b == on (x) c", r#"{x="1"} 2"#),
            ("b == ignoring (z) c", r#"{__name__="b", x="1"} 2"#),
            ("b == bool ignoring (z) c", r#"{x="1"} 1"#),
            ("one + on () one", "{} 2"),
            (
                "b + on (x) a",
                "error: found duplicate series for the match group {x=\"1\"} on the right hand-side of the operation: \
                 [{__name__=\"a\", x=\"1\", y=\"2\"}, {__name__=\"a\", x=\"1\", y=\"1\"}];many-to-many matching not allowed: \
                 matching labels must be unique on one side",
            ),
            (
                "a + on (x) b",
                "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ),
            // Where one side has nothing, nothing is wrong.
            ("nothing + on (x) a", ""),
            ("b > on (x) c", ""),
        ],
    );
}

#[test]
fn series_many_to_one() {
    store().check(
        0,
        &[
            ("a / on (x) group_left b", r#"{x="1", y="1"} 3, {x="1", y="2"} 4, {x="2", y="1"} 3"#),
            ("b * on (x) group_right a", r#"{x="1", y="1"} 12, {x="1", y="2"} 16, {x="2", y="1"} 27"#),
            // A label of the one side is added, or taken away if it is not there.
            ("a + on (x) group_left (z) c", r#"{x="1", y="1", z="7"} 8, {x="1", y="2", z="7"} 10"#),
            ("a - on (x) group_left (y) b{x=\"2\"}", r#"{x="2"} 6"#),
            ("a > on (x) group_left b * 3", r#"{__name__="a", x="1", y="2"} 8"#),
            ("b * 3 < on (x) group_right a", r#"{__name__="a", x="1", y="2"} 6"#),
            (
                "a + on (x) group_left (y) b",
                "error: multiple matches for labels: grouping labels must ensure unique matches",
            ),
        ],
    );
}

#[test]
fn sets() {
    store().check(
        0,
        &[
            ("a and on (x) b{x=\"2\"}", r#"{__name__="a", x="2", y="1"} 9"#),
            ("a and d", r#"{__name__="a", x="1", y="1"} 6"#),
            ("a unless ignoring (y) b{x=\"1\"}", r#"{__name__="a", x="2", y="1"} 9"#),
            ("b or c", r#"{__name__="b", x="1"} 2, {__name__="b", x="2"} 3, {__name__="c", x="1", z="7"} 2"#),
            ("b or on (x) c", r#"{__name__="b", x="1"} 2, {__name__="b", x="2"} 3"#),
            ("b and on () one", r#"{__name__="b", x="1"} 2, {__name__="b", x="2"} 3"#),
            ("b unless on () one", ""),
        ],
    );
    let store = Store::new(&["a 1 _ 3", "b 4 5 6"]);
    // Step by step: what is not there on one side can come from the other.
    assert_eq!(store.range("a > 1 or b", 3), r#"{__name__="a"} 3@120, {__name__="b"} 4@0 5@60"#);
    assert_eq!(store.range("b and (a == 1)", 3), r#"{__name__="b"} 4@0 5@60"#);
    assert_eq!(store.range("b unless (a == 1)", 3), r#"{__name__="b"} 6@120"#);
}

#[test]
fn histograms_go_with_some_operators() {
    let histogram =
        Histogram { count: 4.0, sum: 6.0, positive: vec![(1, 3.0), (2, 1.0)], ..Histogram::default() };
    let custom = Histogram {
        schema: CUSTOM,
        count: 2.0,
        positive: vec![(0, 2.0)],
        bounds: [1.0].into(),
        ..Histogram::default()
    };
    let store = Store::with_histograms(&["h #0", "c #1", "f 2"], &[histogram, custom]);
    let doubled = "{} {count:8, sum:12, (1,2]:6, (2,4]:2}";
    store.check(
        0,
        &[
            ("h * 2", doubled),
            ("2 * h", doubled),
            ("h * f", doubled),
            ("f * h", doubled),
            ("h + h", doubled),
            ("h / f", "{} {count:2, sum:3, (1,2]:1.5, (2,4]:0.5}"),
            ("h - h", "{} {count:0, sum:0}"),
            ("-h", "{} {count:-4, sum:-6, (1,2]:-3, (2,4]:-1}"),
            ("h / 0", "{} {count:+Inf, sum:+Inf}"),
            ("h == h", r#"{__name__="h"} {count:4, sum:6, (1,2]:3, (2,4]:1}"#),
            ("h != h", ""),
            ("h == bool c", "{} 0"),
            ("h or f", r#"{__name__="h"} {count:4, sum:6, (1,2]:3, (2,4]:1}"#),
            ("h + 1", ""),
            ("2 / h", ""),
            ("h > h", ""),
            ("h + c", ""),
        ],
    );
    let notes = [
        (
            "h + 1",
            r#"PromQL info: incompatible sample types encountered for binary operator "+": histogram + float (1:1)"#,
        ),
        (
            "2 / h",
            r#"PromQL info: incompatible sample types encountered for binary operator "/": float / histogram (1:1)"#,
        ),
        (
            "1 + (h > bool h)",
            r#"PromQL info: incompatible sample types encountered for binary operator ">": histogram > histogram (1:6)"#,
        ),
        ("h + c", "PromQL warning: incompatible bucket layout encountered for binary operator + (1:1)"),
        ("h == c", ""),
    ];
    for (text, expected) in notes {
        assert_eq!(store.notes(text, 0), expected, "{text}");
    }
}
