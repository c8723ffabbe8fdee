use super::*;

#[test]
fn sums_keep_what_is_small() {
    let sum = |values: &[f64]| {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum.total()
    };
    assert_eq!(sum(&[]), 0.0);
    assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
    assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
    assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
}

#[test]
fn means_do_not_overflow() {
    let mean = |values: &[f64]| {
        let mut mean = Mean::default();
        values.iter().for_each(|value| mean.add(*value));
        mean.mean()
    };
    let (most, infinite) = (f64::MAX, f64::INFINITY);
    assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    assert_eq!(mean(&[most, most, most]), most);
    assert_eq!(mean(&[-most, -most, most, most]), 0.0);
    assert_eq!(mean(&[infinite, 1.0, 2.0]), infinite);
    assert_eq!(mean(&[1.0, -infinite]), -infinite);
    assert!(mean(&[infinite, -infinite]).is_nan());
    assert!(mean(&[infinite, f64::NAN]).is_nan());
}

#[test]
fn variances_of_equal_values_are_zero() {
    let variance = |values: &[f64]| {
        let mut variance = Variance::default();
        values.iter().for_each(|value| variance.add(*value));
        variance.variance()
    };
    assert_eq!(variance(&[1.33; 7]), 0.0);
    assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0]), 1.25);
    assert!(variance(&[f64::INFINITY]).is_nan());
}

#[test]
fn quantiles_lie_between_values() {
    let cases =
        [(0.0, 1.0), (0.5, 2.5), (0.25, 1.75), (1.0, 4.0), (-0.1, f64::NEG_INFINITY), (1.1, f64::INFINITY)];
    for (q, expected) in cases {
        assert_eq!(quantile(q, &mut [4.0, 1.0, 3.0, 2.0]), expected, "{q}");
    }
    assert!(quantile(0.5, &mut []).is_nan());
    assert!(quantile(f64::NAN, &mut [1.0]).is_nan());
    // NaN is the least.
    assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
    assert_eq!(quantile(1.0, &mut [1.0, f64::NAN]), 1.0);
}

#[test]
fn numbers_as_text() {
    // The value; without exponent; as `%g`; as the API has it.
    let cases = [
        (0.0, "0", "0", "0"),
        (-0.0, "-0", "-0", "-0"),
        (1.5, "1.5", "1.5", "1.5"),
        (123_456.0, "123456", "123456", "123456"),
        (1_234_567.0, "1234567", "1.234567e+06", "1234567"),
        (1e21, "1000000000000000000000", "1e+21", "1e+21"),
        (0.0001, "0.0001", "0.0001", "0.0001"),
        (0.000_012, "0.000012", "1.2e-05", "0.000012"),
        (1e-7, "0.0000001", "1e-07", "1e-07"),
        (f64::NAN, "NaN", "NaN", "NaN"),
        (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
        (f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf"),
    ];
    for (value, without, short, api) in cases {
        let mut written = String::new();
        write_api(&mut written, value);
        assert_eq!([plain(value), shortest(value), written], [without, short, api]);
    }
}
