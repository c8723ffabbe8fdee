use super::*;

#[test]
fn labels_are_ordered_and_looked_up() {
    let labels = Labels::new([("b", "2"), ("a", "1"), ("b", "3"), ("c", "")]);
    assert_eq!(labels.to_string(), r#"{a="1", b="2"}"#);
    assert_eq!((labels.get("b"), labels.get("c"), labels.len()), ("2", "", 2));
    assert_eq!(labels.with("c", "3").without("a").to_string(), r#"{b="2", c="3"}"#);
    assert_eq!(labels.with("a", "").to_string(), r#"{b="2"}"#);
    assert_eq!(Labels::new([("a b", "1")]).to_string(), r#"{"a b"="1"}"#);
    assert!(Labels::empty().is_empty() && !labels.is_empty());
}

#[test]
fn spread_tells_labels_apart() {
    let numbers = (0..1000).map(|number| Labels::new([("a", number.to_string())]).spread());
    let below = numbers.filter(|number| *number < u64::MAX / 2).count();
    assert!((450..550).contains(&below), "{below}");
}

#[test]
fn matchers_match() {
    let cases = [
        (MatchOp::Equal, "a", "a", true),
        (MatchOp::Equal, "", "", true),
        (MatchOp::NotEqual, "a", "b", true),
        (MatchOp::NotEqual, "a", "a", false),
        // Expressions match all of a value.
        (MatchOp::Regex, "a|b", "ab", false),
        (MatchOp::Regex, "a.c", "a\nc", true),
        (MatchOp::NotRegex, "a.*", "abc", false),
        (MatchOp::NotRegex, ".+", "", true),
        // A brace that repeats nothing stands for itself.
        (MatchOp::Regex, "a{b}", "a{b}", true),
        (MatchOp::Regex, r"\p{L}{2}{x", "éa{x", true),
        (MatchOp::Regex, "a{2,}", "aaa", true),
    ];
    for (op, value, text, expected) in cases {
        let matcher = Matcher::new("l", op, value).unwrap();
        assert_eq!(matcher.matches(text), expected, "{matcher:?} {text:?}");
    }
    assert!(Matcher::new("l", MatchOp::Regex, "(").unwrap_err().starts_with("invalid regular expression"));
}
