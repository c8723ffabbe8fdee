use super::super::testing::Store;
use super::super::{DEPTH_MAX, Limits, Options, Query, Series, Times};
use super::*;

fn refusal(store: &Store, text: &str) -> &'static str {
    match store.ask(text, Times::range(0, 600_000, 60_000)) {
        Err(Error::Limit { name, .. }) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_four_forms_of_an_answer() {
    let store = Store::new(&["a 1 2 3"]);
    store.check(60, &[("1 + 1", "2"), ("'text'", "text"), ("a", r#"{__name__="a"} 2"#), ("-(1)", "-1")]);
    assert_eq!(store.range("1 + 1", 2), "{} 2@0 2@60");
    assert_eq!(store.range("-time()", 2), "{} -0@0 -60@60");
    let refused = |text: &str| store.range(text, 2);
    assert_eq!(
        refused("a[5m]"),
        "error: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
    assert!(refused("'text'").contains("\"string\""));
}

#[test]
fn names_go_with_what_they_named() {
    let store = Store::new(&[r#"a{x="1"} 1 2"#, r#"b{x="1"} 3 4"#]);
    store.check(
        60,
        &[
            ("-a", r#"{x="1"} -2"#),
            ("+a", r#"{__name__="a", x="1"} 2"#),
            ("abs(a)", r#"{x="1"} 2"#),
            ("a > 1", r#"{__name__="a", x="1"} 2"#),
            ("a > bool 1", r#"{x="1"} 1"#),
            ("last_over_time(a[5m])", r#"{__name__="a", x="1"} 2"#),
            ("max_over_time(a[5m])", r#"{x="1"} 2"#),
            (r#"abs({x="1"})"#, "error: vector cannot contain metrics with the same labelset"),
            (r#"-{x="1"}"#, "error: vector cannot contain metrics with the same labelset"),
            (r#"max_over_time({x="1"}[5m])"#, "error: vector cannot contain metrics with the same labelset"),
        ],
    );
}

#[test]
fn names_can_go_late() {
    let mut store = Store::new(&[r#"a{x="1"} 1 2"#, r#"b{x="1"} 3 4"#]);
    store.options = Options { delayed_name_removal: true, ..store.options };
    store.check(
        60,
        &[
            (r#"sum by (x) (abs({x="1"}))"#, r#"{x="1"} 6"#),
            (r#"abs({x="1"})"#, "error: vector cannot contain metrics with the same labelset"),
            (
                r#"sum by (__name__) (abs({x="1"}))"#,
                "error: vector cannot contain metrics with the same labelset",
            ),
            (r#"label_replace(abs({__name__="a"}), "n", "$1", "__name__", "(.*)")"#, r#"{n="a", x="1"} 2"#),
            (
                r#"label_replace(abs(a), "__name__", "${1}_abs", "__name__", "(.*)")"#,
                r#"{__name__="a_abs", x="1"} 2"#,
            ),
        ],
    );
}

#[test]
fn types_and_units_can_belong_to_names() {
    let mut store = Store::new(&[r#"a{__type__="counter", __unit__="s", x="1"} 1 2"#]);
    store.check(60, &[("-a", r#"{__type__="counter", __unit__="s", x="1"} -2"#)]);
    store.options = Options { type_and_unit_labels: true, ..store.options };
    store.check(60, &[("-a", r#"{x="1"} -2"#)]);
    assert_eq!(store.notes("rate(a[5m])", 60), "");
}

#[test]
fn limits_have_names() {
    let mut store = Store::new(&[r#"a{x="1"} 1 2"#, r#"a{x="2"} 3 4"#]);
    let limits = Limits::default();
    store.limits = Limits { steps_max: 10, ..limits };
    assert_eq!(refusal(&store, "a"), "steps_max");
    store.limits = Limits { samples_max: 3, ..limits };
    assert_eq!(refusal(&store, "a"), "samples_max");
    store.limits = Limits { series_max: 1, ..limits };
    assert_eq!(refusal(&store, "a"), "series_max");
    assert!(store.ask("sum(a)", Times::instant(0)).is_ok());
    store.limits = Limits { points_max: 21, ..limits };
    assert_eq!(refusal(&store, "a"), "points_max");
    assert_eq!(refusal(&store, "count_values('v', a)"), "points_max");
    assert!(store.ask("a", Times::instant(0)).is_ok());
    let error = Error::Limit { name: "points_max", most: 21 };
    assert_eq!(error.to_string(), "the query needs more than points_max = 21 allows");
    assert!(error.is_limit());
}

#[test]
fn a_query_ends_when_it_should() {
    let query =
        Query::new("rate(a[5m]) + 1", Times::instant(0), Options::default(), Limits::default()).unwrap();
    let series = Series::floats(Labels::new([("__name__", "a")]), vec![0, 1], vec![1.0, 2.0]);
    let asked = std::cell::Cell::new(0);
    let cancelled = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    assert_eq!(query.evaluate(&vec![vec![series]], &cancelled).unwrap_err(), Error::Cancelled);
    assert_eq!(asked.get(), 4);
}

#[test]
fn the_deepest_tree_is_evaluated() {
    let store = Store::new(&["a 1 2"]);
    let depth = DEPTH_MAX - 1;
    let abs = format!("{}a{}", "abs(".repeat(depth), ")".repeat(depth));
    let sum = format!("{}a{}", "sum(".repeat(depth), ")".repeat(depth));
    let parens = format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    let chain = format!("1{}", " + 1".repeat(depth));
    let or = format!("a{}", " or a".repeat(depth));
    store.check(
        60,
        &[(&abs, "{} 2"), (&sum, "{} 2"), (&parens, "1"), (&chain, "128"), (&or, r#"{__name__="a"} 2"#)],
    );
}

#[test]
fn notes_have_a_place() {
    let store = Store::new(&["a 1 2"]);
    assert_eq!(
        store.notes("1 +\n  rate(a[5m])", 60),
        "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"a\" (2:8)"
    );
}
