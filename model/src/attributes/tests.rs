use super::*;

fn stored(entries: &[(&str, AnyValue)]) -> String {
    let mut writer = AttributesWriter::default();
    for (key, value) in entries {
        writer.put(key, value);
    }
    let mut out = String::new();
    writer.finish(&mut out);
    out
}

fn nested(depth: usize) -> AnyValue {
    (0..depth).fold(AnyValue::Int(1), |inner, _| AnyValue::Array(vec![inner]))
}

#[test]
fn every_type_has_its_text_and_comes_back() {
    let cases = [
        (AnyValue::Null, "null"),
        (AnyValue::String("a\"b\\\n\u{1}é".into()), r#""a\"b\\\n\u0001é""#),
        (AnyValue::Bool(true), "true"),
        (AnyValue::Int(i64::MIN), "-9223372036854775808"),
        (AnyValue::Double(5.0), "5.0"),
        (AnyValue::Double(1e300), "1e300"),
        (AnyValue::Double(f64::NEG_INFINITY), r#"{"$double":"-Infinity"}"#),
        (AnyValue::Bytes(b"hi".to_vec()), r#"{"$bytes":"aGk="}"#),
        (AnyValue::Array(vec![AnyValue::Int(1), AnyValue::Double(1.0)]), "[1,1.0]"),
        (AnyValue::Map(vec![("$bytes".into(), AnyValue::String("x".into()))]), r#"{"$map":{"$bytes":"x"}}"#),
        (AnyValue::Map(vec![]), "{}"),
    ];
    for (value, text) in cases {
        let mut out = String::new();
        value.write(&mut out);
        assert_eq!(out, text);
        assert_eq!(parse_value(text), Some(value));
    }
}

#[test]
fn keys_are_sorted_and_the_last_value_wins() {
    let text = stored(&[("b", AnyValue::Int(1)), ("a", AnyValue::Int(2)), ("b", AnyValue::Int(3))]);
    assert_eq!(text, r#"{"a":2,"b":3}"#);
}

#[test]
fn one_attribute_is_found_among_hostile_neighbours() {
    let text = stored(&[
        ("a", AnyValue::String(r#"","key":"x"#.into())),
        ("k\"ey", AnyValue::Map(vec![("key".into(), AnyValue::Int(1))])),
        ("key", AnyValue::Array(vec![AnyValue::String("]".into())])),
        ("z", AnyValue::Null),
    ]);
    assert_eq!(get(&text, "key"), Some(AnyValue::Array(vec![AnyValue::String("]".into())])));
    assert_eq!(get(&text, "k\"ey").and_then(|v| v.text().map(Cow::into_owned)), Some(r#"{"key":1}"#.into()));
    assert_eq!(get(&text, "z"), Some(AnyValue::Null));
    assert_eq!(get(&text, "missing"), None);
    assert_eq!(get("{}", "a"), None);
}

#[test]
fn depth_is_bounded() {
    let mut out = String::new();
    nested(DEPTH_MAX + 10).write(&mut out);
    assert!(out.contains("null"));
    assert!(parse_value(&out).is_some());
}

#[test]
fn people_see_numbers_that_javascript_can_hold() {
    assert_eq!(AnyValue::Int(1 << 53).to_json(), serde_json::json!("9007199254740992"));
    assert_eq!(AnyValue::Int(5).to_json(), serde_json::json!(5));
    assert_eq!(AnyValue::Double(f64::NAN).to_json(), serde_json::json!("NaN"));
}

#[test]
fn text_that_is_no_json_has_no_attributes() {
    for text in ["", "x", "x\"k\"", "{\"k\"", "{\"k\":", "{\"k\":\"é", "\"\\"] {
        assert_eq!(get(text, "k").filter(|value| *value != AnyValue::Null), None, "{text}");
    }
}
