use proptest::prelude::*;

use super::*;
use crate::text;

/// Splits and joins; None if the body is kept whole.
fn parts(miner: &mut Miner, body: &str) -> Option<(TemplateNumber, String)> {
    let mut variables = String::new();
    let number = miner.split(body, &mut variables)?;
    let mut joined = String::from("before ");
    assert!(join(miner.template(number), &variables, &mut joined), "{body:?}");
    assert_eq!(joined.strip_prefix("before "), Some(body));
    let template = miner.template(number);
    assert_tokens(body, template, &variables);
    let places = template.match_indices(PLACEHOLDER).map(|(at, _)| (at as u32, at as u32 + 1));
    let found = variables::at(body, template, &places.collect::<Vec<_>>()).unwrap();
    assert_eq!(found.join(&SEPARATOR.to_string()), variables, "{body:?} as {template:?}");
    Some((number, variables))
}

/// The tokens of a body are those of its literal pieces and of its variables.
fn assert_tokens(body: &str, template: &str, variables: &str) {
    let pieces = template.split(PLACEHOLDER).chain(variables.split(SEPARATOR));
    let mut split: Vec<&str> = pieces.flat_map(text::runs).map(|(_, run)| run).collect();
    let mut whole: Vec<&str> = text::runs(body).map(|(_, run)| run).collect();
    split.sort_unstable();
    whole.sort_unstable();
    assert_eq!(split, whole, "{body:?} as {template:?} and {variables:?}");
}

#[test]
fn shapes_are_masked() {
    let cases = [
        ("", "", ""),
        ("no number here", "no number here", ""),
        ("took 82 ms, 5ms left", "took <*> ms, <*> left", "82|5ms"),
        ("peer 10.0.0.1:80 gone", "peer <*> gone", "10.0.0.1:80"),
        ("a-5 b -5 c=-5 --5", "a-<*> b <*> c=<*> -<*>", "5|-5|-5|-5"),
        ("at 2026-01-31T12:00:00.5+01:00 x", "at <*> x", "2026-01-31T12:00:00.5+01:00"),
        ("id 4958bd59-cafe-4bcd-beef-00deadbeef00.", "id <*>.", "4958bd59-cafe-4bcd-beef-00deadbeef00"),
        ("blk_-160 done", "blk_<*> done", "-160"),
        ("größe5é und 7€", "<*> und <*>€", "größe5é|7"),
        ("GET /api/v2/items/17?q=x", "GET /api/<*>/items/<*>?q=x", "v2|17"),
        ("1.next 2-", "<*>.next <*>-", "1|2"),
        ("\0\u{7}3\n\n4", "\0\u{7}<*>\n\n<*>", "3|4"),
    ];
    for (body, template, variables) in cases {
        let mut miner = Miner::default();
        let (number, split) = parts(&mut miner, body).unwrap();
        let found = (shown(miner.template(number)), split.replace(SEPARATOR, "|"));
        assert_eq!(found, (template.to_owned(), variables.to_owned()), "{body:?}");
    }
}

#[test]
fn a_word_with_many_values_becomes_a_variable_and_earlier_templates_stay() {
    let mut miner = Miner::default();
    let body = |user: &str| format!("user {user} signed in from 10.0.0.1");
    let names = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jon"];
    let numbers: Vec<u32> = names.iter().map(|name| parts(&mut miner, &body(name)).unwrap().0.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]);
    assert_eq!(parts(&mut miner, &body("kim")), Some((TemplateNumber(7), "kim\u{1f}10.0.0.1".to_owned())));
    assert_eq!(parts(&mut miner, &body("ann")).map(|(number, _)| number.0), Some(0));
    assert_eq!(shown(miner.template(TemplateNumber(7))), "user <*> signed in from <*>");
}

/// A word for each number.
fn word(mut number: usize) -> String {
    let mut word = String::from("n");
    while number > 0 {
        word.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    word
}

#[test]
fn a_text_that_comes_again_is_no_further_value() {
    let mut miner = Miner::default();
    // More general templates than a group remembers: the last is learned anew with each value.
    for kind in 0..200 {
        for value in 0..40 {
            let (kind, value) = (word(kind), word(value));
            let body = format!("a{kind} b{kind} c{kind} d{kind} {value}");
            let (number, _) = parts(&mut miner, &body).unwrap();
            let template = shown(miner.template(number));
            assert!(template.starts_with(&format!("a{kind} b{kind} c{kind} d{kind} ")), "{template}");
        }
    }
}

#[test]
fn two_words_that_vary_together_need_few_templates() {
    let mut miner = Miner::default();
    for number in 0..5000 {
        let (host, user) = (word(number * 7919 % 10_007), word(number * 104_729 % 100_003));
        parts(&mut miner, &format!("host {host} refused the connection of user {user} today")).unwrap();
    }
    assert!(miner.templates().len() < 100, "{}", miner.templates().len());
}

#[test]
fn bodies_past_a_limit_are_kept_whole() {
    let mut miner = Miner::default();
    let whole = [
        format!("a {PLACEHOLDER} b"),
        format!("{SEPARATOR}"),
        format!("long enough to be read in eights {SEPARATOR} and more"),
        "x".repeat(BODY_BYTES_MAX + 1),
        "1 ".repeat(TOKENS_MAX + 1),
    ];
    for body in whole {
        let mut variables = String::from("kept");
        assert_eq!(miner.split(&body, &mut variables), None);
        assert_eq!(variables, "kept");
    }
    assert!(parts(&mut miner, &"x".repeat(BODY_BYTES_MAX)).is_some());
    assert!(parts(&mut miner, &"1 ".repeat(TOKENS_MAX)).is_some());
}

#[test]
fn a_flood_of_different_texts_stays_within_the_limits() {
    let mut miner = Miner::default();
    parts(&mut miner, "the first 1").unwrap();
    let mut whole = 0;
    for number in 0..TEMPLATES_MAX as u32 + 2000 {
        // Punctuation differs, so that no two texts are of one group.
        let frame: String = (0..16).map(|bit| if number >> bit & 1 == 1 { "; " } else { ", " }).collect();
        whole += usize::from(parts(&mut miner, &format!("{frame}text {number}")).is_none());
    }
    assert_eq!(miner.templates().len(), TEMPLATES_MAX);
    assert_eq!(whole, 2001);
    assert_eq!(parts(&mut miner, "the first 2").map(|(number, _)| number.0), Some(0));
}

#[test]
fn long_templates_stay_within_the_limit_of_bytes() {
    let mut miner = Miner::default();
    for number in 0..250u32 {
        let frame: String = (0..16).map(|bit| if number >> bit & 1 == 1 { "; " } else { ", " }).collect();
        let _ = parts(&mut miner, &format!("{frame}{}", "x".repeat(20_000)));
    }
    let bytes: usize = miner.templates().map(str::len).sum();
    assert!(bytes <= TEMPLATE_BYTES_MAX && bytes > TEMPLATE_BYTES_MAX - 21_000, "{bytes}");
}

#[test]
fn time_is_linear_in_the_length_of_a_body() {
    for piece in ["1", ".", "1.", "1.a", "-1", "a", "é", "é1", "€", "1€", "aaaa-1", "1-aaaaaaa", "\n", "1,,"]
    {
        let body = piece.repeat((1 << 20) / piece.len());
        let mut masked = mask::Masked::default();
        assert!(masked.mask(&body));
        assert!(masked.steps <= 4 * body.len(), "{piece:?}: {} steps", masked.steps);
        assert_eq!(Miner::default().split(&body, &mut String::new()), None);
    }
}

#[test]
fn damaged_parts_are_refused() {
    for (template, variables, expected) in [
        ("a", "", Some("a")),
        ("a", "b", None),
        ("\u{1a}", "b", Some("b")),
        ("\u{1a}", "b\u{1f}c", None),
        ("\u{1a} \u{1a}", "b\u{1f}c", Some("b c")),
        ("\u{1a} \u{1a}", "b", None),
        ("\u{1a}", "", None),
    ] {
        let mut out = String::from("x");
        assert_eq!(join(template, variables, &mut out), expected.is_some());
        assert_eq!(out, format!("x{}", expected.unwrap_or_default()));
    }
}

#[test]
fn an_identity_never_changes() {
    assert_eq!(shown("user \u{1a} from \u{1a}"), "user <*> from <*>");
    assert_eq!(id("user \u{1a} from \u{1a}"), 2_770_572_428_767_661_504);
}

/// The clusters of bodies, as shown.
fn clusters(bodies: &[&str]) -> Vec<String> {
    let mut miner = Miner::default();
    let numbers: Vec<TemplateNumber> = bodies.iter().map(|body| parts(&mut miner, body).unwrap().0).collect();
    let clusters = Clusters::new(miner.templates());
    numbers.iter().map(|number| shown(&clusters.texts()[clusters.of()[number.0 as usize]])).collect()
}

#[test]
fn lines_of_one_statement_are_one_cluster() {
    let cases: [(&[&str], &str); 10] = [
        (&["job 1 done", "job 2 done"], "job <*> done"),
        (&["state=up for node a", "state=down for node a"], "state=<*> for node a"),
        (&["read \"a\" from disk", "read \"b\" from disk"], "read <*> from disk"),
        (&["opened /etc/hosts now", "opened /etc/a/b now"], "opened <*> now"),
        (&["\"GET /a/b HTTP\"", "\"GET /c?q=d&page=2 HTTP\""], "\"GET <*> HTTP\""),
        (&["deleted 1, 2, 3 blocks", "deleted 7 blocks"], "deleted <*> blocks"),
        (&["sent 2000 bytes (2 KB) to peer", "sent 5 bytes to peer"], "sent <*> bytes to peer"),
        (
            &["timer of com.example.Job has been started", "timer of com.example.Task has been started"],
            "timer of <*> has been started",
        ),
        (
            &[
                "left by ann today",
                "left by bob today",
                "left by cyd today",
                "left by dan today",
                "left by eve today",
            ],
            "left by <*> today",
        ),
        (
            &[
                "2026-01-31 12:00:00 INFO [main] ready now",
                "2026-01-31 12:00:01 INFO [pool worker] ready now",
            ],
            "<*> INFO <*> ready now",
        ),
    ];
    for (bodies, expected) in cases {
        assert_eq!(clusters(bodies), vec![expected; bodies.len()]);
    }
}

#[test]
fn an_identity_does_not_depend_on_what_else_is_there() {
    let texts = ["deleted \u{1a}, \u{1a} blocks", "deleted \u{1a} blocks", "stop", "job \u{1a} done"];
    let ids = |texts: &[&str]| Clusters::new(texts.iter().copied()).ids().to_vec();
    let [several, one, stop, job] = texts.map(id);
    assert_eq!(several, one);
    assert_eq!(ids(&texts), [one, stop, job]);
    assert_eq!(ids(&[texts[3], texts[1], texts[2], texts[0]]), [job, one, stop]);
}

#[test]
fn values_of_people_are_found_in_a_body() {
    let cases = [
        ("sent 5 bytes (2 KB) to peer", "sent \u{1a} bytes (\u{1a} KB) to peer", vec!["5", "2 KB"]),
        ("read \"ann b\" key=on 7", "read \"ann b\" key=on \u{1a}", vec!["on 7"]),
        ("é1 opened /a/b1/c now", "\u{1a} opened /a/\u{1a}/c now", vec!["é1", "/a/b1/c"]),
        ("user kim came 5", "user \u{1a} came \u{1a}", vec!["kim", "5"]),
        ("user kim came 5", "user \u{1a} went \u{1a}", vec![]),
        ("user kim came", "user \u{1a} came \u{1a}", vec![]),
    ];
    for (body, template, expected) in cases {
        assert_eq!(Templates::default().variables_of(body, template), expected, "{body:?}");
    }
}

#[test]
fn lines_of_different_statements_are_different_clusters() {
    let cases: [&[&str]; 4] = [
        &["connection opened to 10.0.0.1", "connection closed to 10.0.0.1"],
        &["10.0.0.1 \"GET /a HTTP/1.1\" 200", "10.0.0.1 \"POST /a HTTP/1.1\" 200"],
        &["{\"user\":\"ann\"}", "{\"host\":\"ann\"}"],
        &["onStart 5", "onStop 5"],
    ];
    for bodies in cases {
        let shown = clusters(bodies);
        assert_ne!(shown[0], shown[1]);
    }
}

#[test]
fn a_text_that_fits_one_with_more_values_joins_it() {
    let texts = [
        "user ann of team red came in",
        "user \u{1a} of team \u{1a} came in",
        "user bob of team blue went out",
    ];
    assert_eq!(Clusters::new(texts).of(), [0, 0, 1]);
}

/// Text of few words, numbers and signs, so that words vary and texts come again.
fn log_like() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("user"),
        Just("host"),
        Just("a"),
        Just("b"),
        Just("c"),
        Just("d"),
        Just("e"),
        Just("f"),
        Just("g"),
        Just("h"),
        Just("i"),
        Just("1"),
        Just("-2"),
        Just("x3"),
        Just("é"),
        Just("10.0.0.1"),
        Just("="),
        Just("\""),
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just("beef"),
        Just("-"),
        Just(""),
    ];
    let sign =
        prop_oneof![9 => Just(" "), 1 => Just("."), 1 => Just(""), 1 => Just("\u{1f}"), 1 => Just("€")];
    prop::collection::vec((token, sign), 0..8)
        .prop_map(|parts| parts.into_iter().flat_map(|(token, sign)| [token, sign]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_comes_back(bodies in prop::collection::vec(any::<String>(), 1..8)) {
        let mut miner = Miner::default();
        for body in &bodies {
            let reserved = body.contains([PLACEHOLDER, SEPARATOR]);
            prop_assert_eq!(parts(&mut miner, body).is_none(), reserved);
        }
    }

    #[test]
    fn control_characters_come_back(body in "[\\x00-\\x25 0-9a-c\u{e9}\u{660}]{0,80}") {
        let reserved = body.contains([PLACEHOLDER, SEPARATOR]);
        prop_assert_eq!(parts(&mut Miner::default(), &body).is_none(), reserved);
    }

    #[test]
    fn learning_is_exact_and_repeatable(bodies in prop::collection::vec(log_like(), 1..200)) {
        let mut miners = [Miner::default(), Miner::default()];
        for body in &bodies {
            let [first, second] = miners.each_mut().map(|miner| parts(miner, body));
            prop_assert_eq!(first, second);
        }
        let [first, second] = miners.each_ref().map(|miner| Clusters::new(miner.templates()));
        prop_assert_eq!(first.of(), second.of());
        prop_assert_eq!(first.texts(), second.texts());
        prop_assert_eq!(first.of().len(), miners[0].templates().len());
        prop_assert!(first.of().iter().all(|cluster| *cluster < first.texts().len()));
    }

    #[test]
    fn any_templates_have_clusters(texts in prop::collection::vec(any::<String>(), 0..8)) {
        let clusters = Clusters::new(texts.iter().map(String::as_str));
        prop_assert_eq!(clusters.of().len(), texts.len());
    }
}
