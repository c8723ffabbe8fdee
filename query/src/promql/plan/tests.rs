use super::*;

/// What a query needs: names, and times in seconds.
fn needed(text: &str, times: Times) -> Vec<(String, i64, i64)> {
    let options = Options { experimental_functions: true, ..Options::default() };
    let query = Query::new(text, times, options, Limits::default()).unwrap();
    let name = |selection: &Selection| {
        selection.matchers.iter().map(|matcher| matcher.value.as_str()).collect::<Vec<_>>().join("|")
    };
    // The first millisecond of a window does not belong to it.
    let selections = query.selections().iter();
    selections.map(|one| (name(one), (one.from_ms - 1) / 1000, one.to_ms / 1000)).collect()
}

#[test]
fn a_query_says_what_it_needs() {
    let range = Times::range(600_000, 1_200_000, 60_000);
    let at = Times::instant(600_000);
    let cases = [
        ("a", at, vec![("a", 300, 600)]),
        ("a", range, vec![("a", 300, 1200)]),
        ("a offset 1m", range, vec![("a", 240, 1140)]),
        ("a offset -1m", range, vec![("a", 360, 1260)]),
        ("rate(a[2m])", range, vec![("a", 480, 1200)]),
        ("a @ 100", range, vec![("a", -200, 100)]),
        ("a @ start() + a @ end()", range, vec![("a", 300, 600), ("a", 900, 1200)]),
        ("a[1m] @ 100 offset 10s", at, vec![("a", 30, 90)]),
        // What is needed twice is there once.
        ("a + a", range, vec![("a", 300, 1200)]),
        ("a{x=\"y\"} or b", at, vec![("a|y", 300, 600), ("b", 300, 600)]),
        // The inner steps of a subquery are multiples of its step: here those from 570 to 600.
        ("sum_over_time(a[40s:10s])", at, vec![("a", 270, 600)]),
        ("sum_over_time(rate(a[1m])[40s:10s] offset 3s)", at, vec![("a", 500, 590)]),
        ("topk(scalar(k), a)", at, vec![("k", 300, 600), ("a", 300, 600)]),
        ("info(a, {x=\"y\"})", at, vec![("a", 300, 600), ("target_info|y", 300, 600)]),
        ("info(a, {__name__=\"b\"})", at, vec![("a", 300, 600), ("b", 300, 600)]),
        ("1 + time()", at, vec![]),
    ];
    for (text, times, expected) in cases {
        let expected: Vec<(String, i64, i64)> =
            expected.into_iter().map(|(name, from, to)| (name.to_owned(), from, to)).collect();
        assert_eq!(needed(text, times), expected, "{text}");
    }
}

#[test]
fn times_have_limits() {
    let refused = |text: &str, times: Times| {
        Query::new(text, times, Options::default(), Limits::default()).unwrap_err()
    };
    let too_many = Times::range(0, 11_000_000, 1000);
    assert_eq!(refused("a", too_many), Error::Limit { name: "steps_max", most: 11_000 });
    assert!(
        Query::new("a", Times::range(0, 10_999_000, 1000), Options::default(), Limits::default()).is_ok()
    );
    for times in [
        Times::range(0, 1000, 0),
        Times::range(0, 1000, -1),
        Times::range(1000, 0, 1),
        Times::instant(i64::MAX),
        Times::range(i64::MIN, i64::MAX, i64::MAX),
    ] {
        assert!(matches!(refused("a", times), Error::Evaluation(_)), "{times:?}");
    }
    let fine = refused("sum_over_time(a[1000y:1ms])", Times::instant(0));
    assert_eq!(fine, Error::Limit { name: "points_max", most: 50_000_000 });
}
