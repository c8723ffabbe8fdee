use super::*;

/// A histogram of schema 0 with counts from bucket 1 on, that is of (1, 2], (2, 4] and so on.
fn plain(counts: &[f64]) -> Histogram {
    Histogram {
        count: counts.iter().sum(),
        sum: 10.0,
        positive: (1..).zip(counts.iter().copied()).collect(),
        ..Histogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    Histogram {
        schema: CUSTOM,
        count: counts.iter().sum(),
        sum: 10.0,
        positive: (0..).zip(counts.iter().copied()).collect(),
        bounds: bounds.into(),
        ..Histogram::default()
    }
}

/// A zero bucket up to a threshold.
fn with_zero(threshold: f64, count: f64, rest: Histogram) -> Histogram {
    Histogram { zero_threshold: threshold, zero_count: count, count: rest.count + count, ..rest }
}

#[test]
fn bounds_of_buckets() {
    let cases = [
        (0, 0, 1.0),
        (1, 0, 2.0),
        (-1, 0, 0.5),
        (1, -1, 4.0),
        (2, -4, 4_294_967_296.0),
        (2, 1, 2.0),
        (1, 1, std::f64::consts::SQRT_2),
        (4, 2, 2.0),
        (256, 8, 2.0),
        (1024, 0, f64::MAX),
        (1025, 0, f64::INFINITY),
        (i32::MAX, -4, f64::INFINITY),
        (i32::MIN, -4, 0.0),
        (i32::MAX, 8, f64::INFINITY),
    ];
    for (number, schema, expected) in cases {
        assert_eq!(exponential_bound(number, schema), expected, "{number} of {schema}");
    }
}

#[test]
fn histograms_as_text() {
    let both = Histogram { negative: vec![(1, 3.0)], ..with_zero(0.001, 2.0, plain(&[1.0, 0.0, 4.0])) };
    assert_eq!(both.to_string(), "{count:7, sum:10, [-2,-1):3, [-0.001,0.001]:2, (1,2]:1, (4,8]:4}");
    assert_eq!(
        custom(&[5.0, 10.0], &[1.0, 2.0, 3.0]).to_string(),
        "{count:6, sum:10, [-Inf,5]:1, (5,10]:2, (10,+Inf]:3}"
    );
    assert_eq!(Histogram::default().to_string(), "{count:0, sum:0}");
}

#[test]
fn histograms_add_up() {
    let fine =
        Histogram { schema: 1, positive: vec![(1, 1.0), (2, 2.0), (3, 4.0)], count: 7.0, ..plain(&[]) };
    let cases = [
        (plain(&[1.0, 2.0]), plain(&[3.0]), "{count:6, sum:20, (1,2]:4, (2,4]:2}"),
        // The coarser schema is that of both: of schema 1 the buckets 1 and 2 are (1, 2], and 3 is in (2, 4].
        (plain(&[1.0]), fine.clone(), "{count:8, sum:20, (1,2]:4, (2,4]:4}"),
        (fine.clone(), plain(&[1.0]), "{count:8, sum:20, (1,2]:4, (2,4]:4}"),
        // The wider zero bucket takes in what it covers, and all of a bucket that it cuts.
        (with_zero(2.0, 1.0, plain(&[])), plain(&[1.0, 2.0]), "{count:4, sum:20, [-2,2]:2, (2,4]:2}"),
        (with_zero(1.5, 1.0, plain(&[])), plain(&[1.0, 2.0]), "{count:4, sum:20, [-2,2]:2, (2,4]:2}"),
        (custom(&[5.0], &[1.0, 2.0]), custom(&[5.0], &[3.0]), "{count:6, sum:20, [-Inf,5]:4, (5,+Inf]:2}"),
    ];
    for (left, right, expected) in cases {
        assert_eq!(left.plus(&right).unwrap().to_string(), expected, "{left} + {right}");
    }
    let left = plain(&[4.0, 2.0]).minus(&plain(&[1.0, 2.0])).unwrap();
    assert_eq!(
        (left.compacted().to_string().as_str(), left_reset()),
        ("{count:3, sum:0, (1,2]:3}", Reset::Gauge)
    );
    assert_eq!(custom(&[5.0], &[]).plus(&custom(&[6.0], &[])), Err(Mismatch::Bounds));
    assert_eq!(custom(&[5.0], &[]).plus(&plain(&[])), Err(Mismatch::Schemas));
}

fn left_reset() -> Reset {
    plain(&[4.0]).minus(&plain(&[1.0])).unwrap().reset
}

#[test]
fn hints_survive_sums_that_agree() {
    let hinted = |reset| Histogram { reset, ..plain(&[1.0]) };
    let cases = [
        (Reset::Unknown, Reset::Unknown, Reset::Unknown),
        (Reset::No, Reset::No, Reset::No),
        (Reset::Yes, Reset::No, Reset::Unknown),
        (Reset::Gauge, Reset::No, Reset::Gauge),
    ];
    for (left, right, expected) in cases {
        assert_eq!(hinted(left).plus(&hinted(right)).unwrap().reset, expected, "{left:?} {right:?}");
    }
    assert_eq!(hinted(Reset::No).scaled(2.0).reset, Reset::No);
    assert_eq!(hinted(Reset::No).scaled(-2.0).reset, Reset::Gauge);
}

#[test]
fn new_beginnings_show() {
    let hinted = |reset| Histogram { reset, ..plain(&[1.0, 1.0]) };
    let fine = Histogram { schema: 1, ..plain(&[1.0, 1.0]) };
    let cases = [
        ("grown", plain(&[1.0, 1.0]), plain(&[2.0, 1.0]), false),
        ("same", plain(&[1.0, 1.0]), plain(&[1.0, 1.0]), false),
        ("less in all", plain(&[2.0, 1.0]), plain(&[1.0, 1.0]), true),
        ("less in one bucket", plain(&[2.0, 1.0]), plain(&[1.0, 3.0]), true),
        ("a bucket gone", plain(&[1.0, 1.0]), plain(&[3.0]), true),
        ("an empty bucket gone", plain(&[1.0, 0.0]), plain(&[3.0]), false),
        ("coarser", fine.clone(), plain(&[2.0]), false),
        ("finer", plain(&[1.0, 1.0]), Histogram { count: 9.0, ..fine }, true),
        ("wider zero", with_zero(0.5, 1.0, plain(&[1.0])), with_zero(1.0, 1.0, plain(&[1.0])), false),
        ("narrower zero", with_zero(1.0, 1.0, plain(&[1.0])), with_zero(0.5, 1.0, plain(&[1.0])), true),
        ("less zero", with_zero(1.0, 2.0, plain(&[1.0])), with_zero(1.0, 1.0, plain(&[2.0])), true),
        ("zero cuts a bucket", with_zero(1.0, 1.0, plain(&[1.0])), with_zero(1.5, 4.0, plain(&[])), true),
        ("other bounds", custom(&[1.0], &[1.0]), custom(&[2.0], &[1.0]), true),
        ("other kind", plain(&[1.0]), custom(&[2.0], &[1.0]), true),
        ("said so", plain(&[1.0, 1.0]), hinted(Reset::Yes), true),
        ("said not", plain(&[9.0, 1.0]), hinted(Reset::No), false),
    ];
    for (name, before, now, expected) in cases {
        assert_eq!(now.began_anew(&before), expected, "{name}");
    }
}

#[test]
fn sameness_passes_over_empty_buckets_and_hints() {
    let hinted = Histogram { reset: Reset::Gauge, ..plain(&[1.0, 0.0]) };
    assert!(hinted.is_same(&plain(&[1.0])));
    assert!(!plain(&[1.0]).is_same(&plain(&[2.0])));
    let nan = Histogram { sum: f64::NAN, ..plain(&[1.0]) };
    assert!(nan.is_same(&nan.clone()));
}

#[test]
fn what_cannot_be_is_survived() {
    let odd = |schema: i32| {
        let buckets = vec![(i32::MIN, 1.0), (i32::MAX, 2.0)];
        Histogram { schema, positive: buckets.clone(), negative: buckets, ..with_zero(1.0, 1.0, plain(&[])) }
    };
    for left in [i32::MIN, CUSTOM, -4, 0, 8, i32::MAX] {
        for right in [i32::MIN, CUSTOM, -4, 0, 8, i32::MAX] {
            let (left, right) = (odd(left), Histogram { zero_threshold: 2.0, ..odd(right) });
            let _ = (left.plus(&right), left.minus(&right), right.began_anew(&left), left.to_string());
            let _ = (left.quantile(0.3), right.fraction(-1.0, 3.0), left.variance());
            let _ = left.clone().coarsened(right.schema);
        }
    }
}

#[test]
fn quantiles() {
    let mirrored =
        Histogram { negative: plain(&[2.0, 2.0]).positive, positive: Vec::new(), ..plain(&[2.0, 2.0]) };
    let both = Histogram { negative: plain(&[2.0]).positive, count: 4.0, ..plain(&[2.0]) };
    let cases = [
        // Half of the way through (1, 2] on a scale of powers.
        (plain(&[2.0, 2.0]), 0.25, std::f64::consts::SQRT_2),
        (plain(&[2.0, 2.0]), 0.5, 2.0),
        (plain(&[2.0, 2.0]), 1.0, 4.0),
        (plain(&[2.0, 2.0]), 0.0, 1.0),
        (mirrored, 0.25, -(8.0_f64.sqrt())),
        (both.clone(), 0.25, -std::f64::consts::SQRT_2),
        (both, 0.5, 1.0),
        // The zero bucket is spread evenly, and on the side where anything is.
        (with_zero(1.0, 4.0, plain(&[4.0])), 0.25, 0.5),
        (with_zero(1.0, 4.0, plain(&[])), 0.25, -0.5),
        (custom(&[5.0, 10.0], &[2.0, 2.0, 4.0]), 0.125, 2.5),
        (custom(&[5.0, 10.0], &[2.0, 2.0, 4.0]), 0.375, 7.5),
        (custom(&[5.0, 10.0], &[2.0, 2.0, 4.0]), 0.9, 10.0),
        (custom(&[-5.0, 10.0], &[2.0, 2.0]), 0.1, -5.0),
        (plain(&[1.0]), 1.5, f64::INFINITY),
        (plain(&[1.0]), -1.0, f64::NEG_INFINITY),
    ];
    for (histogram, q, expected) in cases {
        let found = histogram.quantile(q).value;
        assert!((found - expected).abs() < 1e-9 || found == expected, "{q} of {histogram}: {found}");
    }
    assert!(plain(&[]).quantile(0.5).value.is_nan());
    assert!(plain(&[1.0]).quantile(f64::NAN).value.is_nan());
    // Of five observations two are NaN, which are above all.
    let nan = Histogram { sum: f64::NAN, count: 5.0, ..plain(&[3.0]) };
    let (within, beyond) = (nan.quantile(0.6), nan.quantile(0.61));
    assert_eq!((within.value, within.skewed, within.in_nan), (2.0, true, false));
    assert!(beyond.value.is_nan() && beyond.in_nan);
}

#[test]
fn fractions() {
    let (two, infinite) = (plain(&[2.0, 2.0]), f64::INFINITY);
    let cases = [
        (two.clone(), 1.0, 2.0, 0.5),
        (two.clone(), 0.0, std::f64::consts::SQRT_2, 0.25),
        (two.clone(), -infinite, infinite, 1.0),
        (two.clone(), 4.0, infinite, 0.0),
        (two.clone(), 3.0, 2.0, 0.0),
        (with_zero(1.0, 4.0, plain(&[])), 0.0, infinite, 0.5),
        (with_zero(1.0, 4.0, plain(&[4.0])), 0.5, infinite, 0.75),
        (custom(&[5.0, 10.0], &[2.0, 2.0]), 0.0, 7.5, 0.75),
        (custom(&[5.0], &[2.0, 2.0]), 0.0, 100.0, 0.5),
    ];
    for (histogram, lower, upper, expected) in cases {
        let found = histogram.fraction(lower, upper).value;
        assert!((found - expected).abs() < 1e-9, "{lower} to {upper} of {histogram}: {found}");
    }
    assert!(plain(&[]).fraction(0.0, 1.0).value.is_nan());
    assert!(two.fraction(f64::NAN, 1.0).value.is_nan());
    let nan = Histogram { sum: f64::NAN, count: 5.0, ..plain(&[3.0]) };
    let all = nan.fraction(-infinite, infinite);
    assert!((all.value - 0.6).abs() < 1e-9 && all.without_nan);
}

#[test]
fn averages_and_variances() {
    // Four observations taken as √2 each.
    let histogram = Histogram { sum: 4.0 * std::f64::consts::SQRT_2, ..plain(&[4.0]) };
    assert!((histogram.average() - std::f64::consts::SQRT_2).abs() < 1e-12);
    assert!(histogram.variance().abs() < 1e-12);
    // Two at 0 and two at 10, the mean at 5.
    let custom = Histogram { sum: 20.0, ..custom(&[-5.0, 5.0, 15.0], &[0.0, 2.0, 2.0]) };
    assert_eq!((custom.average(), custom.variance()), (5.0, 25.0));
}

#[test]
fn a_zero_bucket_that_has_no_width_ends_nothing() {
    let odd = Histogram { zero_threshold: f64::NAN, ..plain(&[1.0]) };
    assert_eq!(odd.plus(&plain(&[2.0])).unwrap().positive, [(1, 3.0)]);
    let endless = Histogram { zero_threshold: f64::INFINITY, ..plain(&[1.0]) };
    assert_eq!(endless.plus(&plain(&[2.0])).unwrap().count, 3.0);
}
