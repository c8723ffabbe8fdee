use super::super::super::Histogram;
use super::super::super::testing::Store;

#[test]
fn classic_histograms() {
    let store = Store::new(&[
        r#"h_bucket{le="0.5"} 2"#,
        r#"h_bucket{le="1"} 6"#,
        r#"h_bucket{le="+Inf"} 8"#,
        r#"n_bucket{le="-1"} 2"#,
        r#"n_bucket{le="1"} 4"#,
        r#"n_bucket{le="Inf"} 4"#,
        r#"d_bucket{le="1"} 2"#,
        r#"d_bucket{le="1.0"} 3"#,
        r#"d_bucket{le="+Inf"} 10"#,
        r#"w_bucket{le="1"} 5"#,
        r#"w_bucket{le="2"} 4"#,
        r#"w_bucket{le="+Inf"} 8"#,
        r#"o_bucket{le="1"} 5"#,
        r#"x_bucket{le="one"} 5"#,
    ]);
    store.check(
        0,
        &[
            // The fourth of eight: half of the way through (0.5, 1].
            ("histogram_quantile(0.5, h_bucket)", "{} 0.75"),
            ("histogram_quantile(0.125, h_bucket)", "{} 0.25"),
            ("histogram_quantile(0.9, h_bucket)", "{} 1"),
            ("histogram_quantile(0, h_bucket)", "{} 0"),
            ("histogram_quantile(-1, h_bucket)", "{} -Inf"),
            ("histogram_quantile(2, h_bucket)", "{} +Inf"),
            ("histogram_quantile(NaN, h_bucket)", "{} NaN"),
            ("histogram_quantile(0.1, n_bucket)", "{} -1"),
            ("histogram_quantile(0.75, n_bucket)", "{} 0"),
            // Two forms of the same bound count together.
            ("histogram_quantile(0.25, d_bucket)", "{} 0.5"),
            ("histogram_quantile(0.5, o_bucket)", "{} NaN"),
            ("histogram_quantile(0.5, x_bucket)", ""),
            ("histogram_quantile(0.5, h_bucket * 0)", "{} NaN"),
            ("histogram_fraction(0.5, 1, h_bucket)", "{} 0.5"),
            ("histogram_fraction(0, 0.75, h_bucket)", "{} 0.5"),
            ("histogram_fraction(-Inf, Inf, h_bucket)", "{} 1"),
            ("histogram_fraction(1, 0, h_bucket)", "{} 0"),
            ("histogram_fraction(-1, 0, n_bucket)", "{} 0.25"),
            ("histogram_fraction(0, NaN, h_bucket)", "{} NaN"),
            ("histogram_fraction(0, 1, o_bucket)", "{} NaN"),
        ],
    );
    let fixed = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name \
                 \"w_bucket\" (1:25)";
    assert_eq!(store.notes("histogram_quantile(0.5, w_bucket)", 0), fixed);
    let bad = "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"one\" for metric name \
               \"x_bucket\" (1:25)";
    assert_eq!(store.notes("histogram_quantile(0.5, x_bucket)", 0), bad);
    let quantile = "PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)";
    assert_eq!(store.notes("histogram_quantile(2, h_bucket)", 0), quantile);
}

/// A histogram of schema 0 with counts from bucket 1 on, that is of (1, 2], (2, 4] and so on.
fn native(sum: f64, counts: &[f64]) -> Histogram {
    let positive = (1..).zip(counts.iter().copied()).collect();
    Histogram { count: counts.iter().sum(), sum, positive, ..Histogram::default() }
}

#[test]
fn native_histograms() {
    let nan = Histogram { sum: f64::NAN, count: 4.0, ..native(0.0, &[2.0]) };
    let store = Store::with_histograms(
        &["h #0", "n #1", "both #0", r#"both{le="1"} 1"#, r#"both{le="+Inf"} 1"#, "f 1", r#"l{le="1"} #0"#],
        &[native(12.0, &[2.0, 2.0]), nan],
    );
    store.check(
        0,
        &[
            ("histogram_count(h)", "{} 4"),
            ("histogram_sum(h)", "{} 12"),
            ("histogram_avg(h)", "{} 3"),
            // Two at √2 and two at √8, around 3.
            ("histogram_stdvar(h)", "{} 1.272077939"),
            ("histogram_stddev(h)", "{} 1.127864326"),
            ("histogram_quantile(0.5, h)", "{} 2"),
            ("histogram_fraction(2, 4, h)", "{} 0.5"),
            ("histogram_quantile(0.9, n)", "{} NaN"),
            ("histogram_quantile(0.5, both)", ""),
            ("histogram_quantile(0.5, l)", r#"{le="1"} 2"#),
            ("histogram_count(f)", ""),
            ("abs(h)", ""),
            ("sort(h)", ""),
            ("absent(h)", ""),
            ("scalar(h)", "NaN"),
        ],
    );
    let notes = [
        (
            "histogram_quantile(0.9, n)",
            "PromQL info: input to histogram_quantile has NaN observations, result is NaN for metric name \"n\" (1:25)",
        ),
        (
            "histogram_quantile(0.5, n)",
            "PromQL info: input to histogram_quantile has NaN observations, result is skewed higher for metric name \"n\" (1:25)",
        ),
        (
            "histogram_fraction(0, 9, n)",
            "PromQL info: input to histogram_fraction has NaN observations, which are excluded from all fractions for metric name \"n\" (1:26)",
        ),
        (
            "histogram_quantile(0.5, both)",
            "PromQL warning: vector contains a mix of classic and native histograms for metric name \"both\" (1:25)",
        ),
    ];
    for (text, expected) in notes {
        assert_eq!(store.notes(text, 0), expected, "{text}");
    }
}
