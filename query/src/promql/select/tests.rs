use super::super::testing::Store;
use super::super::{Histogram, Options};

#[test]
fn selectors_see_the_newest_sample() {
    // A sample a minute; the lookback is five.
    let store = Store::new(&["a 1 2 stale 4", r#"b{x="1"} 1"#, r#"b{x="2"} _ 2"#]);
    store.check(59, &[("a", r#"{__name__="a"} 1"#)]);
    store.check(60, &[("a", r#"{__name__="a"} 2"#), ("a offset 1m", r#"{__name__="a"} 1"#)]);
    store.check(120, &[("a", ""), ("a offset -1m", r#"{__name__="a"} 4"#)]);
    // A window is open at its start: the sample of 180 is last seen just before 480.
    store.check(479, &[("a", r#"{__name__="a"} 4"#)]);
    store.check(480, &[("a", ""), ("a @ 60", r#"{__name__="a"} 2"#)]);
    store.check(300, &[("b", r#"{__name__="b", x="2"} 2"#), (r#"b{x!="2"}"#, "")]);
    assert_eq!(store.range("a", 5), r#"{__name__="a"} 1@0 2@60 4@180 4@240"#);
    assert_eq!(store.range("a @ end()", 3), "");
    assert_eq!(store.range("a @ start()", 3), r#"{__name__="a"} 1@0 1@60 1@120"#);
    assert_eq!(store.range("a offset 1m", 3), r#"{__name__="a"} 1@60 2@120"#);
}

#[test]
fn the_lookback_can_be_set() {
    let mut store = Store::new(&["a 1"]);
    store.options = Options { lookback_ms: 60_000, ..store.options };
    store.check(59, &[("a", r#"{__name__="a"} 1"#)]);
    store.check(60, &[("a", "")]);
}

#[test]
fn windows_hold_what_is_after_their_start() {
    let store = Store::new(&["a 1 2 stale 4 5"]);
    let count = |range: &str| store.instant(&format!("count_over_time(a[{range}])"), 240);
    assert_eq!(count("1m"), "{} 1");
    assert_eq!(count("61s"), "{} 2");
    // The mark of an end is no sample.
    assert_eq!(count("4m"), "{} 3");
    assert_eq!(count("5m"), "{} 4");
    assert_eq!(store.instant("a[2m]", 240), r#"{__name__="a"} 4@180 5@240"#);
    assert_eq!(store.instant("a[2m] offset 2m", 240), r#"{__name__="a"} 2@60"#);
    assert_eq!(store.range("count_over_time(a[2m])", 4), "{} 1@0 2@60 1@120 1@180");
    assert_eq!(store.range("sum_over_time(a[2m] @ 60)", 3), "{} 3@0 3@60 3@120");
}

#[test]
fn subqueries_step_at_multiples_of_their_step() {
    let store = Store::new(&["a 0 1 2 3 4 5 6 7 8 9"]);
    let cases = [
        // At 150, 160 … 180 whatever the time of the query.
        ("count_over_time(a[40s:10s])", "{} 4"),
        ("a[2m:1m]", r#"{__name__="a"} 2@120 3@180"#),
        ("sum_over_time(a[3m:1m] offset 1m)", "{} 3"),
        ("max_over_time((a * 2)[3m:1m] @ 300)", "{} 10"),
        // Of an inner step that no window holds, nothing is seen.
        ("count_over_time(a[10s:7m])", ""),
        ("sum_over_time(vector(time())[2m:1m])", "{} 300"),
        ("sum_over_time(sum_over_time(a[2m:1m])[2m:1m])", "{} 8"),
    ];
    store.check(185, &cases[..1]);
    store.check(180, &cases[1..]);
    assert_eq!(store.instant("a[2m:]", 180), r#"{__name__="a"} 2@120 3@180"#);
    assert_eq!(store.range("sum_over_time(a[2m:1m])", 4), "{} 0@0 1@60 3@120 5@180");
}

#[test]
fn numbers_and_histograms_stand_in_one_series() {
    let histogram = Histogram { count: 1.0, sum: 2.0, positive: vec![(0, 1.0)], ..Histogram::default() };
    let store = Store::with_histograms(&["a 1 #0 stale 4 #0"], &[histogram]);
    assert_eq!(
        store.instant("a[10m]", 300),
        r#"{__name__="a"} 1@0 {count:1, sum:2, (0.5,1]:1}@60 4@180 {count:1, sum:2, (0.5,1]:1}@240"#
    );
    assert_eq!(store.range("timestamp(a)", 5), "{} 0@0 60@60 180@180 240@240");
    store.check(300, &[("last_over_time(a[2m])", r#"{__name__="a"} {count:1, sum:2, (0.5,1]:1}"#)]);
    store.check(230, &[("last_over_time(a[2m])", r#"{__name__="a"} 4"#)]);
}
