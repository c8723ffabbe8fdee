use super::super::testing::Store;
use super::super::{CUSTOM, Histogram, Reset};

#[test]
fn functions_of_single_numbers() {
    let store = Store::new(&["a 2.5 -2.5 0", "one 1 0.5", "non NaN"]);
    store.check(
        0,
        &[
            ("abs(-a)", "{} 2.5"),
            ("ceil(a)", "{} 3"),
            ("floor(a)", "{} 2"),
            ("exp(one)", "{} 2.718281828"),
            ("sqrt(a * 10)", "{} 5"),
            ("ln(exp(a))", "{} 2.5"),
            ("log2(one * 8)", "{} 3"),
            ("log10(one * 1000)", "{} 3"),
            ("sgn(-a)", "{} -1"),
            ("sgn(non)", "{} NaN"),
            ("deg(one)", "{} 57.29577951"),
            ("rad(one * 180)", "{} 3.141592654"),
            ("pi()", "3.141592654"),
            ("round(a)", "{} 3"),
            ("round(-a)", "{} -2"),
            ("round(a, 2)", "{} 2"),
            ("round(a, 0.2)", "{} 2.6"),
            ("clamp(a, 0, 1)", "{} 1"),
            ("clamp(a, 3, 4)", "{} 3"),
            ("clamp(a, 4, 3)", ""),
            ("clamp(a, NaN, 3)", "{} NaN"),
            ("clamp_min(a, 3)", "{} 3"),
            ("clamp_max(a, 1)", "{} 1"),
            ("clamp_max(non, 1)", "{} NaN"),
        ],
    );
    let angles = [
        ("sin", "0.4794255386"),
        ("cos", "0.8775825619"),
        ("tan", "0.5463024898"),
        ("asin", "0.5235987756"),
        ("acos", "1.047197551"),
        ("atan", "0.463647609"),
        ("sinh", "0.5210953055"),
        ("cosh", "1.127625965"),
        ("tanh", "0.4621171573"),
        ("asinh", "0.4812118251"),
        ("acosh", "NaN"),
        ("atanh", "0.5493061443"),
    ];
    for (name, expected) in angles {
        assert_eq!(store.instant(&format!("{name}(one)"), 60), format!("{{}} {expected}"), "{name}");
    }
}

#[test]
fn functions_of_dates() {
    // 2024-02-29 23:59:59, a Thursday; 1969-12-31 23:00:00, a Wednesday; 2100-03-01, no leap year.
    let names = [
        ("year", [2024, 1969, 2100]),
        ("month", [2, 12, 3]),
        ("day_of_month", [29, 31, 1]),
        ("day_of_week", [4, 3, 1]),
        ("day_of_year", [60, 365, 60]),
        ("days_in_month", [29, 31, 31]),
        ("hour", [23, 23, 0]),
        ("minute", [59, 0, 0]),
    ];
    let store = Store::new(&[]);
    for (name, expected) in names {
        for (seconds, expected) in [1_709_251_199, -3600, 4_107_542_400_i64].into_iter().zip(expected) {
            let query = format!("{name}(vector({seconds}))");
            assert_eq!(store.instant(&query, 0), format!("{{}} {expected}"), "{query}");
        }
    }
    store.check(90 * 60, &[("minute()", "{} 30"), ("hour()", "{} 1"), ("year()", "{} 1970")]);
    assert_eq!(store.range("minute()", 3), "{} 0@0 1@60 2@120");
}

#[test]
fn scalars_vectors_and_times() {
    let store = Store::new(&["a 2 3", r#"b{x="1"} 1"#, r#"b{x="2"} 2"#]);
    store.check(
        90,
        &[
            ("time()", "90"),
            ("vector(3)", "{} 3"),
            ("scalar(a)", "3"),
            ("scalar(b)", "NaN"),
            ("scalar(nothing)", "NaN"),
            ("timestamp(a)", "{} 60"),
            ("timestamp((a))", "{} 60"),
            ("timestamp(a @ 0)", "{} 0"),
            ("timestamp(a + 1)", "{} 90"),
        ],
    );
}

#[test]
fn absence() {
    let store = Store::new(&["a 1 2 3"]);
    store.check(
        60,
        &[
            ("absent(a)", ""),
            ("absent(b)", "{} 1"),
            (r#"absent(b{x="1", y=~"2", z!="3"})"#, r#"{x="1"} 1"#),
            (r#"absent(b{x="1", x="2", y="3"})"#, r#"{y="3"} 1"#),
            (r#"absent(sum(b{x="1"}))"#, "{} 1"),
            ("absent_over_time(a[5m])", ""),
            (r#"absent_over_time(b{x="1"}[5m])"#, r#"{x="1"} 1"#),
            (r#"absent_over_time(b{x="1"}[5m:1m])"#, "{} 1"),
            ("present_over_time(a[5m])", "{} 1"),
            ("present_over_time(b[5m])", ""),
        ],
    );
    assert_eq!(store.range("absent(a > 2)", 3), "{} 1@0 1@60");
    assert_eq!(store.range("absent_over_time(a[1m] offset 1m)", 3), "{} 1@0");
}

#[test]
fn labels_are_made_of_labels() {
    let store = Store::new(&[r#"a{x="k-1", y="v"} 1"#, r#"a{x="k-2", y="v"} 2"#]);
    store.check(
        0,
        &[
            (
                r#"label_replace(a{x="k-1"}, "z", "$1", "x", "k-(.*)")"#,
                r#"{__name__="a", x="k-1", y="v", z="1"} 1"#,
            ),
            (
                r#"label_replace(a{x="k-1"}, "z", "$n!", "x", "(?P<n>.)-.*")"#,
                r#"{__name__="a", x="k-1", y="v", z="k!"} 1"#,
            ),
            // All of the value has to match; if it does not, nothing changes.
            (r#"label_replace(a{x="k-1"}, "z", "$1", "x", "(1)")"#, r#"{__name__="a", x="k-1", y="v"} 1"#),
            // A label that is not there is empty, and one that is set to nothing goes.
            (
                r#"label_replace(a{x="k-1"}, "z", "n", "nope", "")"#,
                r#"{__name__="a", x="k-1", y="v", z="n"} 1"#,
            ),
            (r#"label_replace(a{x="k-1"}, "y", "", "x", ".*")"#, r#"{__name__="a", x="k-1"} 1"#),
            (
                r#"label_replace(a, "x", "", "y", "v")"#,
                "error: vector cannot contain metrics with the same labelset",
            ),
            (
                r#"label_replace(a, "x", "", "y", "(")"#,
                "error: invalid regular expression in label_replace(): (",
            ),
            (
                r#"label_replace(a, "", "", "y", "v")"#,
                "error: invalid destination label name in label_replace(): ",
            ),
            (
                r#"label_join(a{x="k-1"}, "z", "/", "y", "nope", "x")"#,
                r#"{__name__="a", x="k-1", y="v", z="v//k-1"} 1"#,
            ),
            (r#"label_join(a{x="k-1"}, "y", "")"#, r#"{__name__="a", x="k-1"} 1"#),
            (r#"label_join(a, "x", "", "y")"#, "error: vector cannot contain metrics with the same labelset"),
            (r#"label_join(a, "x", "", "\xff")"#, r"error: invalid source label name in label_join(): \xff"),
        ],
    );
}

#[test]
fn series_are_sorted() {
    let store = Store::new(&[r#"a{x="c10"} 2"#, r#"a{x="c9"} NaN"#, r#"a{x="c1"} 3"#, r#"a{x="c09"} 1"#]);
    let order = |text: &str| -> String {
        let answer = store.instant(text, 0);
        answer.split("\"c").skip(1).map(|part| part.split('"').next().unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order("sort(a)"), "09 10 1 9");
    assert_eq!(order("sort_desc(a)"), "1 10 09 9");
    assert_eq!(order("sort_by_label(a, 'x')"), "1 09 9 10");
    assert_eq!(order("sort_by_label_desc(a, 'x')"), "10 9 09 1");
    // Of several steps there is no order but that of the labels.
    assert_eq!(
        store.range("sort_desc(a{x=~'c1.*'})", 1),
        r#"{__name__="a", x="c1"} 3@0, {__name__="a", x="c10"} 2@0"#
    );
}

#[test]
fn aggregations_over_time() {
    let store = Store::new(&["a 4 6 2 1 9 1 2", "n NaN 1 NaN", "s 5"]);
    store.check(
        360,
        &[
            ("sum_over_time(a[7m])", "{} 25"),
            ("avg_over_time(a[7m])", "{} 3.571428571"),
            ("min_over_time(a[7m])", "{} 1"),
            ("max_over_time(a[7m])", "{} 9"),
            ("count_over_time(a[7m])", "{} 7"),
            ("last_over_time(a[7m])", r#"{__name__="a"} 2"#),
            ("quantile_over_time(0.5, a[7m])", "{} 2"),
            // The median is 2; of the distances 2 4 0 1 7 1 0 the median is 1.
            ("mad_over_time(a[7m])", "{} 1"),
            // The squares add up to 143: 143 / 7 less the square of 25 / 7.
            ("stdvar_over_time(a[7m])", "{} 7.673469388"),
            ("stddev_over_time(a[7m])", "{} 2.770102776"),
            ("ts_of_max_over_time(a[7m])", "{} 240"),
            // The last of those that are as small.
            ("ts_of_min_over_time(a[7m])", "{} 300"),
            ("ts_of_last_over_time(a[7m])", "{} 360"),
            ("changes(a[7m])", "{} 6"),
            ("resets(a[7m])", "{} 3"),
            ("max_over_time(n[7m])", "{} 1"),
            ("min_over_time(n[7m])", "{} 1"),
            ("changes(n[7m])", "{} 2"),
            ("changes(s[7m])", "{} 0"),
            ("sum_over_time(nothing[7m])", ""),
        ],
    );
    assert_eq!(
        store.notes("quantile_over_time(2, a[7m])", 0),
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)"
    );
}

#[test]
fn rates() {
    let store =
        Store::new(&["c_total 0 30 60 90 120", "r_total 10 40 5 35 65", "g 100 90 70 70 40", "one_total 5"]);
    store.check(
        240,
        &[
            // 90 between 60 and 240, and as much again per second before.
            ("rate(c_total[4m])", "{} 0.5"),
            ("increase(c_total[4m])", "{} 120"),
            // From 5 on again after 40: 65 - 40 + 40 within 180 s, stretched to 240 s.
            ("increase(r_total[4m])", "{} 86.66666667"),
            ("delta(g[4m])", "{} -66.66666667"),
            ("irate(c_total[4m])", "{} 0.5"),
            ("idelta(g[4m])", "{} -30"),
            ("irate(one_total[10m])", ""),
            ("rate(one_total[10m])", ""),
        ],
    );
    // The counter went from 5 to 35 in a minute, and before it from 40 to 5.
    store.check(180, &[("irate(r_total[4m])", "{} 0.5")]);
    store.check(120, &[("irate(r_total[4m])", "{} 0.08333333333")]);
    // A window of ten minutes: beyond 1.1 times the distance of samples only half of it is taken; this counter was 0 at
    // 0 s, so nothing comes before. 120 over 240 s, and 30 s more.
    store.check(390, &[("increase(c_total[10m])", "{} 135")]);
    let note = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"g\" (1:6)";
    assert_eq!(store.notes("rate(g[4m])", 240), note);
    assert_eq!(store.notes("delta(g[4m])", 240), "");
}

#[test]
fn lines_through_samples() {
    let store = Store::new(&["a 0 60 120 180", "b 1 3 2 6", "i Inf 1 2", "s 7 7 7"]);
    store.check(
        180,
        &[
            ("deriv(a[5m])", "{} 1"),
            // Slope of 1 3 2 6: 1.4 a minute.
            ("deriv(b[5m])", "{} 0.02333333333"),
            ("predict_linear(a[5m], 60)", "{} 240"),
            // The line at 180 s is 3 + 1.5 * 1.4.
            ("predict_linear(b[5m], 0)", "{} 5.1"),
            ("predict_linear(b[5m], 60)", "{} 6.5"),
            ("deriv(i[5m])", "{} NaN"),
            ("predict_linear(s[5m], 1000)", "{} 7"),
            // The level is 1 and the slope 2; then 3 and 2; then half of 2 and half of 3 + 2, which is 3.5, and the
            // slope half of 0.5 and half of 2; then half of 6 and half of 3.5 + 1.25.
            ("double_exponential_smoothing(b[5m], 0.5, 0.5)", "{} 5.375"),
            (
                "double_exponential_smoothing(b[5m], 1, 0.5)",
                "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000",
            ),
            (
                "double_exponential_smoothing(b[5m], 0.5, 0)",
                "error: invalid trend factor. Expected: 0 < tf < 1, got: 0.000000",
            ),
        ],
    );
}

/// A histogram of schema 0 with counts from bucket 1 on, that is of (1, 2], (2, 4] and so on.
fn native(sum: f64, counts: &[f64]) -> Histogram {
    let positive = (1..).zip(counts.iter().copied()).collect();
    Histogram { count: counts.iter().sum(), sum, positive, ..Histogram::default() }
}

#[test]
fn native_histograms_over_time() {
    let gauge = |sum, counts: &[f64]| Histogram { reset: Reset::Gauge, ..native(sum, counts) };
    let custom = Histogram {
        schema: CUSTOM,
        count: 1.0,
        positive: vec![(0, 1.0)],
        bounds: [1.0].into(),
        ..Histogram::default()
    };
    let store = Store::with_histograms(
        &["c_total #0 #1 #2", "r_total #2 #0 #1", "g #3 #4", "m 1 #0", "x #0 #5 #0"],
        &[
            native(1.0, &[1.0]),
            native(3.0, &[1.0, 2.0]),
            native(7.0, &[3.0, 4.0]),
            gauge(9.0, &[4.0]),
            gauge(3.0, &[1.0]),
            custom,
        ],
    );
    store.check(
        120,
        &[
            // From one to seven within 120 s, stretched to the 180 s of the window.
            ("increase(c_total[3m])", "{} {count:9, sum:9, (1,2]:3, (2,4]:6}"),
            ("rate(c_total[3m])", "{} {count:0.05, sum:0.05, (1,2]:0.016666666666666666, (2,4]:0.03333333333333333}"),
            // Seven, then one, then three: two since it began anew, and one then.
            ("increase(r_total[3m])", "{} {count:4.5, sum:4.5, (1,2]:1.5, (2,4]:3}"),
            ("irate(c_total[3m])", "{} {count:0.06666666666666667, sum:0.06666666666666667, (1,2]:0.03333333333333333, (2,4]:0.03333333333333333}"),
            ("resets(r_total[3m])", "{} 1"),
            ("changes(r_total[3m])", "{} 2"),
            ("sum_over_time(c_total[3m])", "{} {count:11, sum:11, (1,2]:5, (2,4]:6}"),
            ("count_over_time(c_total[3m])", "{} 3"),
            ("increase(x[3m])", ""),
            ("delta(x[2m])", ""),
            ("increase(m[3m])", ""),
            ("sum_over_time(m[3m])", ""),
            ("max_over_time(m[3m])", "{} 1"),
            ("changes(m[3m])", "{} 1"),
            ("resets(m[3m])", "{} 1"),
        ],
    );
    store.check(
        60,
        &[
            ("delta(g[2m])", "{} {count:-6, sum:-12, (1,2]:-6}"),
            ("idelta(g[2m])", "{} {count:-3, sum:-6, (1,2]:-3}"),
            ("avg_over_time(g[2m])", "{} {count:2.5, sum:6, (1,2]:2.5}"),
        ],
    );
    let name = |text: &str| format!("PromQL {text} (1:");
    let notes = [
        ("delta(c_total[3m])", name("warning: this native histogram metric is not a gauge: \"c_total\"")),
        ("rate(g[3m])", name("warning: this native histogram metric is not a counter: \"g\"")),
        ("rate(m[3m])", name("warning: encountered a mix of histograms and floats for metric name \"m\"")),
        (
            "rate(x[3m])",
            name(
                "warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name \"x\"",
            ),
        ),
        (
            "max_over_time(m[3m])",
            name(
                "info: ignored histograms in a range containing both floats and histograms for metric name \"m\"",
            ),
        ),
        ("rate(c_total[3m])", String::new()),
    ];
    for (text, expected) in notes {
        let found = store.notes(text, 120);
        assert!(found.starts_with(&expected) && found.is_empty() == expected.is_empty(), "{text}: {found}");
    }
}

#[test]
fn labels_come_from_info_series() {
    let store = Store::new(&[
        r#"a{instance="1", job="j"} 1 2 3"#,
        r#"a{instance="2", job="j"} 5 6 7"#,
        r#"a{job="none"} 8 8 8"#,
        r#"target_info{instance="1", job="j", version="1", zone="z"} 1 stale"#,
        r#"target_info{instance="1", job="j", version="2"} _ 1 1"#,
        r#"build_info{instance="2", job="j", version="3"} 1 1 1"#,
    ]);
    let one = r#"instance="1", job="j""#;
    let two = r#"instance="2", job="j""#;
    store.check(
        60,
        &[
            (
                "info(a)",
                &format!(
                    r#"{{__name__="a", {one}, version="2"}} 2, {{__name__="a", {two}}} 6, {{__name__="a", job="none"}} 8"#
                ),
            ),
            (r#"info(a, {version=~".+"})"#, &format!(r#"{{__name__="a", {one}, version="2"}} 2"#)),
            (
                r#"info(a{job="j"}, {__name__=~"(target|build)_info"})"#,
                &format!(r#"{{__name__="a", {one}, version="2"}} 2, {{__name__="a", {two}, version="3"}} 6"#),
            ),
        ],
    );
    assert_eq!(
        store.range(r#"info(a{instance="1"})"#, 3),
        format!(
            r#"{{__name__="a", {one}, version="1", zone="z"}} 1@0, {{__name__="a", {one}, version="2"}} 2@60 3@120"#
        )
    );
}
