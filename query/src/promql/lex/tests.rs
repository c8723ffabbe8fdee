use super::*;

fn kinds(text: &str) -> Vec<Kind> {
    tokens(text).unwrap().into_iter().map(|token| token.kind).filter(|kind| *kind != Kind::End).collect()
}

#[test]
fn numbers_and_durations() {
    let cases = [
        ("1", Kind::Number(1.0)),
        (".5", Kind::Number(0.5)),
        ("2.", Kind::Number(2.0)),
        ("1e3", Kind::Number(1000.0)),
        ("1.5E-3", Kind::Number(0.0015)),
        ("0x1F", Kind::Number(31.0)),
        ("0755", Kind::Number(493.0)),
        ("089", Kind::Number(89.0)),
        ("1_000", Kind::Number(1000.0)),
        ("iNf", Kind::Number(f64::INFINITY)),
        ("5m", Kind::Duration(300_000)),
        ("1h30m", Kind::Duration(5_400_000)),
        ("info", Kind::Word("info".to_owned())),
        ("a:b", Kind::Word("a:b".to_owned())),
        ("==", Kind::Sign("==")),
    ];
    for (text, expected) in cases {
        assert_eq!(kinds(text), [expected], "{text:?}");
    }
    assert!(matches!(kinds("NaN")[..], [Kind::Number(number)] if number.is_nan()));
    assert_eq!(kinds("1m-3"), [Kind::Duration(60_000), Kind::Sign("-"), Kind::Number(3.0)]);
    // A colon is a sign within brackets only.
    assert_eq!(kinds("a:b[5m:1m]").len(), 6);
    assert_eq!(kinds("a # a comment\n+ # another").len(), 2);
}

#[test]
fn texts() {
    let cases = [
        (r#""a\n\t\"\\""#, "a\n\t\"\\"),
        (r"'\x41\102\u00e9\U0001F600\''", "AB\u{e9}\u{1f600}'"),
        (r"`\d+\n`", r"\d+\n"),
        ("\"é\"", "é"),
        // Bytes that together are UTF-8.
        (r#""\xc3\xa9""#, "é"),
    ];
    for (text, expected) in cases {
        assert_eq!(kinds(text), [Kind::Text { value: expected.to_owned(), utf8: true }], "{text}");
    }
    assert_eq!(kinds(r#""a\xffz""#), [Kind::Text { value: r"a\xffz".to_owned(), utf8: false }]);
}

#[test]
fn errors_have_their_place() {
    let cases = [
        ("a + \"b", 4),
        ("a\n+ 'b\n'", 4),
        (r#"{a="\q"}"#, 4),
        (r#""\u12""#, 1),
        ("1h5", 0),
        ("  5x", 2),
        ("1__0", 0),
        ("1e999", 0),
        ("a ~ b", 2),
        ("\"\\é\"", 1),
    ];
    for (text, expected) in cases {
        match tokens(text) {
            Err(Error::Syntax { position, .. }) => assert_eq!(position, expected, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}
