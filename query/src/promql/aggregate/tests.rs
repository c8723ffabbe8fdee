use super::super::testing::Store;
use super::super::{CUSTOM, Histogram};

fn store() -> Store {
    Store::new(&[
        r#"a{x="1", y="1"} 1 5"#,
        r#"a{x="1", y="2"} 2 4"#,
        r#"a{x="2", y="1"} 6 _ stale"#,
        r#"n{x="1"} NaN"#,
        r#"n{x="2"} 3"#,
        "k 1 2",
    ])
}

#[test]
fn groups_become_one() {
    store().check(
        0,
        &[
            ("sum(a)", "{} 9"),
            ("sum by (x) (a)", r#"{x="1"} 3, {x="2"} 6"#),
            ("sum by (x, nothing) (a)", r#"{x="1"} 3, {x="2"} 6"#),
            ("sum without (y) (a)", r#"{x="1"} 3, {x="2"} 6"#),
            ("sum by (__name__) (a)", r#"{__name__="a"} 9"#),
            ("avg(a)", "{} 3"),
            ("min(a)", "{} 1"),
            ("max by (y) (a)", r#"{y="1"} 6, {y="2"} 2"#),
            ("count(a)", "{} 3"),
            ("group(a)", "{} 1"),
            // The mean is 3; (4 + 1 + 9) / 3.
            ("stdvar(a)", "{} 4.666666667"),
            ("stddev(a)", "{} 2.160246899"),
            ("quantile(0.5, a)", "{} 2"),
            ("quantile(0.25, a)", "{} 1.5"),
            ("min(n)", "{} 3"),
            ("max(n)", "{} 3"),
            ("sum(n)", "{} NaN"),
            ("min(n{x=\"1\"})", "{} NaN"),
            ("sum(nothing)", ""),
            ("sum(nothing) or vector(0)", "{} 0"),
        ],
    );
    assert_eq!(store().range("sum by (x) (a)", 3), r#"{x="1"} 3@0 9@60 9@120, {x="2"} 6@0 6@60"#);
    assert_eq!(
        store().notes("quantile(2, a)", 0),
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"
    );
}

#[test]
fn some_are_chosen() {
    store().check(
        0,
        &[
            ("topk(2, a)", r#"{__name__="a", x="2", y="1"} 6, {__name__="a", x="1", y="2"} 2"#),
            ("bottomk(1, a)", r#"{__name__="a", x="1", y="1"} 1"#),
            ("topk by (y) (1, a)", r#"{__name__="a", x="2", y="1"} 6, {__name__="a", x="1", y="2"} 2"#),
            ("topk(1, n)", r#"{__name__="n", x="2"} 3"#),
            ("bottomk(2, n)", r#"{__name__="n", x="2"} 3, {__name__="n", x="1"} NaN"#),
            ("topk(0, a)", ""),
            ("topk(-1, a)", ""),
            ("topk(NaN, a)", "error: Parameter value is NaN"),
            ("topk(1e20, a)", "error: Scalar value 100000000000000000000 overflows int64"),
            ("count(limitk(2, a))", "{} 2"),
            ("count(limitk by (x) (1, a))", "{} 2"),
            ("count(limit_ratio(1, a))", "{} 3"),
            ("limit_ratio(0.4, a) and limit_ratio(-0.6, a)", ""),
            ("count(limit_ratio(0.4, a) or limit_ratio(-0.6, a))", "{} 3"),
            ("limit_ratio(NaN, a)", "error: Ratio value is NaN"),
        ],
    );
    // A number per step, and a choice per step.
    assert_eq!(
        store().range("topk(scalar(k), a)", 2),
        r#"{__name__="a", x="1", y="1"} 5@60, {__name__="a", x="2", y="1"} 6@0 6@60"#
    );
    assert_eq!(
        store().notes("limit_ratio(-2, a)", 0),
        "PromQL warning: ratio value should be between -1 and 1, got -2, capping to -1 (1:13)"
    );
}

#[test]
fn values_are_counted() {
    let store = Store::new(&[r#"v{x="1"} 1.5"#, r#"v{x="2"} 1.5 2"#, r#"v{x="3"} 1e-7"#]);
    store.check(
        0,
        &[
            (r#"count_values("n", v)"#, r#"{n="1.5"} 2, {n="0.0000001"} 1"#),
            (r#"count_values("x", v)"#, r#"{x="1.5"} 2, {x="0.0000001"} 1"#),
            (r#"count_values by (x) ("n", v{x="1"})"#, r#"{n="1.5", x="1"} 1"#),
            (r#"count_values("", v)"#, r#"error: invalid label name """#),
            (r#"count_values("\xff", v)"#, r#"error: invalid label name "\xff""#),
        ],
    );
    assert_eq!(store.range(r#"count_values("n", v{x!="3"})"#, 2), r#"{n="1.5"} 2@0 1@60, {n="2"} 1@60"#);
}

#[test]
fn histograms_are_summed_and_otherwise_passed_over() {
    let histogram =
        Histogram { count: 4.0, sum: 6.0, positive: vec![(1, 3.0), (2, 1.0)], ..Histogram::default() };
    let fine = Histogram {
        schema: 1,
        count: 2.0,
        sum: 3.0,
        positive: vec![(2, 1.0), (4, 1.0)],
        ..Histogram::default()
    };
    let custom = Histogram {
        schema: CUSTOM,
        count: 2.0,
        positive: vec![(0, 2.0)],
        bounds: [1.0].into(),
        ..Histogram::default()
    };
    let other = Histogram { bounds: [2.0].into(), ..custom.clone() };
    let store = Store::with_histograms(
        &[
            r#"h{x="1"} #0"#,
            r#"h{x="2"} #1"#,
            r#"m{x="1"} #0"#,
            r#"m{x="2"} 7"#,
            r#"c{x="1"} #2"#,
            r#"c{x="2"} #3"#,
            r#"s{x="1"} #0"#,
            r#"s{x="2"} #2"#,
        ],
        &[histogram, fine, custom, other],
    );
    store.check(
        0,
        &[
            // Of schema 1 the buckets 1 and 2 are the bucket 1 of schema 0.
            ("sum(h)", "{} {count:6, sum:9, (1,2]:4, (2,4]:2}"),
            ("avg(h)", "{} {count:3, sum:4.5, (1,2]:2, (2,4]:1}"),
            ("count(h)", "{} 2"),
            ("group(m)", "{} 1"),
            ("min(m)", "{} 7"),
            ("stddev(m)", "{} 0"),
            ("topk(5, m)", r#"{__name__="m", x="2"} 7"#),
            ("quantile(1, m)", "{} 7"),
            ("max(h)", ""),
            ("sum(m)", ""),
            ("sum(c)", ""),
            ("sum(s)", ""),
            (r#"count_values("n", h{x="1"})"#, r#"{n="{count:4, sum:6, (1,2]:3, (2,4]:1}"} 1"#),
        ],
    );
    let notes = [
        ("sum(h)", ""),
        ("min(m)", "PromQL info: ignored histogram in min aggregation (1:5)"),
        ("topk(1, m)", "PromQL info: ignored histogram in topk aggregation (1:9)"),
        ("quantile(1, m)", "PromQL info: ignored histogram in quantile aggregation (1:13)"),
        ("sum(m)", "PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)"),
        (
            "avg(c)",
            "PromQL warning: vector contains histograms with incompatible custom buckets for metric name \"c\" (1:5)",
        ),
        (
            "sum(s)",
            "PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name \"s\" (1:5)",
        ),
    ];
    for (text, expected) in notes {
        assert_eq!(store.notes(text, 0), expected, "{text}");
    }
}
