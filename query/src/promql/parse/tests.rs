use super::*;

/// The tree with all its parentheses.
fn tree(expr: &Expr) -> String {
    match &expr.kind {
        Kind::Number(number) => format!("{number}"),
        Kind::Text { value, .. } => format!("{value:?}"),
        Kind::Selector(selector) => selected(selector, String::new()),
        Kind::Range { selector, range_ms } => selected(selector, format!("[{range_ms}]")),
        Kind::Subquery { inner, range_ms, step_ms, shift } => {
            format!("{}[{range_ms}:{}]{}", tree(inner), step_ms.unwrap_or(0), shifted(shift))
        }
        Kind::Paren(inner) => tree(inner),
        Kind::Negate(inner) => format!("-({})", tree(inner)),
        Kind::Binary(binary) => {
            let (left, right) = (tree(&binary.left), tree(&binary.right));
            format!("({left} {} {right})", binary.operator.text())
        }
        Kind::Aggregate(aggregate) => format!("{}({})", aggregate.aggregation.text(), tree(&aggregate.inner)),
        Kind::Call { function, args } => {
            format!("{}({})", function.name, args.iter().map(tree).collect::<Vec<_>>().join(", "))
        }
    }
}

fn selected(selector: &Selector, range: String) -> String {
    let names = selector.matchers.iter().map(|matcher| matcher.value.as_str()).collect::<Vec<_>>().join("|");
    format!("{names}{range}{}", shifted(&selector.shift))
}

fn shifted(shift: &Shift) -> String {
    let offset = shift.offset_ms.map_or(String::new(), |offset| format!(" -{offset}"));
    let at = shift.at.map_or(String::new(), |at| format!(" @{at:?}"));
    offset + &at
}

#[test]
fn operators_bind_as_they_should() {
    let cases = [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("-2 ^ 2", "-((2 ^ 2))"),
        ("-2 * 3", "(-(2) * 3)"),
        ("2 ^ -1 * 3", "((2 ^ -(1)) * 3)"),
        ("- - 1", "-(-(1))"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a == b + 1", "(a == (b + 1))"),
        ("a atan2 b % c", "((a atan2 b) % c)"),
        ("a AND b", "(a and b)"),
        ("1 > bool 2", "(1 > 2)"),
        ("sum + count * by", "(sum + (count * by))"),
        ("-a offset 5m", "-(a -300000)"),
    ];
    for (text, expected) in cases {
        assert_eq!(tree(&parse(text, &Options::default()).unwrap()), expected, "{text}");
    }
}

#[test]
fn selectors_ranges_and_calls() {
    let cases = [
        (r#"{"a.b", x=~"y"}"#, "a.b|y"),
        (r#"a{"l.m"="v",}"#, "a|v"),
        ("a:b:c", "a:b:c"),
        (r#"a{inf="x"} + on () 1"#, "(a|x + 1)"),
        ("a[5m] offset -1h @ 1.5", "a[300000] --3600000 @Time(1500)"),
        ("a[90]", "a[90000]"),
        ("a @ start()", "a @Start"),
        ("a @ end() offset 10", "a -10000 @End"),
        ("a @ -5", "a @Time(-5000)"),
        ("rate(a[5m])[1h:]", "rate(a[300000])[3600000:0]"),
        ("(a + b)[1h:30s] @ 10", "(a + b)[3600000:30000] @Time(10000)"),
        ("SUM by (x, \"y.z\",) (a)", "sum(a)"),
        ("sum(a) without (x)", "sum(a)"),
        ("topk(3, a)", "topk(a)"),
        ("round(a, 0.1)", "round(a, 0.1)"),
        ("hour()", "hour()"),
        ("label_join(a, 'x', ',')", r#"label_join(a, "x", ",")"#),
        ("time() + pi()", "(time() + pi())"),
        ("offset", "offset"),
    ];
    for (text, expected) in cases {
        assert_eq!(tree(&parse(text, &Options::default()).unwrap()), expected, "{text}");
    }
    let matched = parse("a / on (x) group_left (y) b", &Options::default()).unwrap();
    let Kind::Binary(binary) = matched.kind else { panic!() };
    assert_eq!(binary.matching, Grouping::These(vec!["x".to_owned()]));
    assert_eq!(binary.many, Many::Left(vec!["y".to_owned()]));
}

#[test]
fn durations_are_calculated_where_that_is_allowed() {
    let options = Options { duration_expressions: true, ..Options::default() };
    let cases = [
        ("a[2 * 5m]", "a[600000]"),
        ("a[-5m + 10m]", "a[300000]"),
        ("a[1h / (1 + 2)]", "a[1200000]"),
        ("a[2 ^ 2 ^ 1 % 3]", "a[1000]"),
        ("a[1m:5s + 5s] offset (1m - 30s)", "a[60000:10000] -30000"),
        ("a offset -(1m)", "a --60000"),
        ("a offset 1m + 1", "(a -60000 + 1)"),
    ];
    for (text, expected) in cases {
        assert_eq!(tree(&parse(text, &options).unwrap()), expected, "{text}");
    }
    for text in ["a[1m / 0]", "a[1m % 0]", "a[1m - 1m]"] {
        assert!(parse(text, &options).is_err(), "{text}");
    }
    assert!(parse("a[2 * 5m]", &Options::default()).is_err());
}

#[test]
fn errors_say_what_and_where() {
    let cases = [
        ("", 0, "no expression found in input"),
        ("a b", 2, "unexpected \"b\", expected an operator or the end"),
        ("a +", 3, "unexpected end of input, expected an expression"),
        ("(a", 2, "unexpected end of input, expected \")\""),
        ("nope(a)", 0, "unknown function with name \"nope\""),
        ("abs()", 0, "expected 1 argument(s) in call to \"abs\", got 0"),
        ("round(a, 1, 2)", 0, "expected at most 2 argument(s) in call to \"round\", got 3"),
        ("label_join(a)", 0, "expected at least 3 argument(s) in call to \"label_join\", got 1"),
        ("rate(a)", 5, "expected type range vector in call to function \"rate\", got instant vector"),
        ("sum(1)", 4, "expected type instant vector in aggregation expression, got scalar"),
        ("topk(a, b)", 5, "expected type scalar in aggregation parameter, got instant vector"),
        ("sum(a, b)", 0, "wrong number of arguments for aggregate expression provided, expected 1, got 2"),
        ("1 == 1", 2, "comparisons between scalars must use BOOL modifier"),
        ("a + bool b", 2, "bool modifier can only be used on comparison operators"),
        ("1 and a", 2, "set operator \"and\" not allowed in binary scalar expression"),
        ("a and on (x) group_left b", 2, "no grouping allowed for \"and\" operation"),
        ("a + on (x) 1", 2, "vector matching only allowed between instant vectors"),
        ("a + on (x) group_left (x) b", 2, "label \"x\" must not occur in ON and GROUP clause at once"),
        ("a[5m] + b", 0, "binary expression must contain only scalar and instant vector types"),
        (
            "-a[5m]",
            0,
            "unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
        ),
        ("{}", 0, "vector selector must contain at least one non-empty matcher"),
        ("sum(({x=~\".*\"}))", 5, "vector selector must contain at least one non-empty matcher"),
        ("a{__name__=\"b\"}", 2, "metric name must not be set twice: \"a\" or \"b\""),
        ("a{x}", 3, "unexpected \"}\", expected one of \"=\", \"!=\", \"=~\", \"!~\""),
        ("a[0s]", 2, "duration must be greater than 0"),
        ("a[1e30]", 2, "duration out of range: more than 100000000000000 ms, or no number"),
        ("a[NaN]", 2, "duration out of range: more than 100000000000000 ms, or no number"),
        ("a @ Inf", 4, "timestamp out of bounds for @ modifier"),
        ("a offset 1m offset 1m", 19, "offset may not be set multiple times"),
        (
            "(a) offset 1m",
            11,
            "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("a offset 1m[5m]", 11, "no offset or @ modifiers allowed before range"),
        ("sum(a)[5m]", 6, "ranges only allowed for vector selectors"),
        ("1[5m:1m]", 0, "subquery is only allowed on instant vector, got scalar instead"),
        ("a{x=\"y\" or z=\"v\"}", 8, "unexpected \"or\", expected \"}\""),
    ];
    for (text, place, expected) in cases {
        match parse(text, &Options::default()) {
            Err(Error::Syntax { message, position, .. }) => {
                assert_eq!((position, message.as_str()), (place, expected), "{text:?}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    let error = parse("a\n  + )", &Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "2:5: parse error: unexpected \")\", expected an expression");
    let error = parse("info(a, b[5m])", &Options { experimental_functions: true, ..Options::default() });
    assert!(error.is_err());
}

#[test]
fn what_may_change_has_to_be_allowed() {
    let all = Options { experimental_functions: true, ..Options::default() };
    for text in
        ["limitk(1, a)", "limit_ratio(0.5, a)", "mad_over_time(a[5m])", "info(a)", "sort_by_label(a, 'x')"]
    {
        let error = parse(text, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("experimental"), "{error}");
        assert!(parse(text, &all).is_ok(), "{text}");
    }
}

#[test]
fn texts_and_trees_have_limits() {
    let name = |text: &str| match parse(text, &Options { duration_expressions: true, ..Options::default() }) {
        Err(Error::Limit { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(&"a".repeat(TEXT_BYTES_MAX + 1)), "text_bytes_max");
    assert_eq!(name(&"(".repeat(10_000)), "depth_max");
    assert_eq!(name(&"-".repeat(10_000)), "depth_max");
    assert_eq!(name(&format!("1{}", "+1".repeat(10_000))), "depth_max");
    assert_eq!(name(&format!("1{}", "^1".repeat(10_000))), "depth_max");
    assert_eq!(name(&format!("a[{}", "(".repeat(10_000))), "depth_max");
    assert_eq!(name(&"abs(".repeat(10_000)), "depth_max");
    assert_eq!(name(&format!("{{{}}}", "a=~\"b\",".repeat(REGEXES_MAX + 1))), "regexes_max");
    let large = parse(r#"{a=~"(\\w{999}){999}"}"#, &Options::default()).unwrap_err().to_string();
    assert!(large.contains("size limit"), "{large}");
}

#[test]
fn a_selector_alone_is_read() {
    for (text, names) in [
        ("up", Some(vec!["up"])),
        ("up{job=\"x\"}", Some(vec!["up", "x"])),
        (" {job=~\"x.*\"} ", Some(vec!["x.*"])),
        ("sum", Some(vec!["sum"])),
        ("{}", Some(vec![])),
        ("{a=~\".*\"}", Some(vec![".*"])),
        ("", None),
        ("5", None),
        ("up[5m]", None),
        ("up offset 5m", None),
        ("sum(up)", None),
        ("up{", None),
        ("\"up\"", None),
    ] {
        let found = parse_selector(text).ok();
        let values = found.map(|found| found.iter().map(|one| one.value.clone()).collect::<Vec<_>>());
        assert_eq!(values, names.map(|names| names.into_iter().map(str::to_owned).collect()), "{text}");
    }
}
