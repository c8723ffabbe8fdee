//! Searches and the predicates they mean, one a line; then what is wrong and where.

use model::predicate::Compare;
use model::{Field, Kinship, Level, Predicate, Signal, Test, TraceSet};
use proptest::prelude::*;

use super::{DEPTH_MAX, JOINS_MAX, PATTERNS_MAX, QUERY_BYTES_MAX, SETS_MAX, TERMS_MAX, parse, parse_traces};
use crate::QueryError;

mod sets;

/// A predicate in one short line: `&` and `|` in parentheses, `!` for not, `Field` capitalised, attributes
/// with their level before a `.`.
fn render(predicate: &Predicate) -> String {
    let join = |parts: &[Predicate], sign: &str| {
        let parts: Vec<String> = parts.iter().map(render).collect();
        format!("({})", parts.join(sign))
    };
    match predicate {
        Predicate::All => "all".to_owned(),
        Predicate::And(parts) => join(parts, " & "),
        Predicate::Or(parts) => join(parts, " | "),
        Predicate::Not(part) => format!("!{}", render(part)),
        Predicate::Text(text) => format!("{text:?}"),
        Predicate::Field(field, test) => format!("{field:?}{}", render_test(test)),
        Predicate::Attribute(level, key, test) => {
            let level = match level {
                Level::Any => "any",
                Level::Record => "record",
                Level::Scope => "scope",
                Level::Resource => "resource",
                Level::Event => "event",
            };
            format!("{level}.{key}{}", render_test(test))
        }
        Predicate::TraceIn(TraceSet::Of(signal, asked)) => format!("in {signal} [{}]", render(asked)),
        Predicate::TraceIn(TraceSet::Ids(ids)) => format!("in {} traces", ids.len()),
        Predicate::Rows(seqs) => format!("{} rows", seqs.len()),
        Predicate::Chain(chain) => {
            let steps = chain.steps.iter().map(|(kinship, set)| match kinship {
                Kinship::Child => format!(" > {{{}}}", render(set)),
                Kinship::Descendant => format!(" >> {{{}}}", render(set)),
            });
            format!("{{{}}}{}", render(&chain.first), steps.collect::<String>())
        }
    }
}

fn render_test(test: &Test) -> String {
    match test {
        Test::Exists => "?".to_owned(),
        Test::Equals(text) => format!("={text}"),
        Test::Glob(pattern) => format!("~{pattern}"),
        Test::Regex(pattern) => format!("=/{pattern}/"),
        Test::Compare(Compare::Less, bound) => format!("<{bound}"),
        Test::Compare(Compare::LessOrEqual, bound) => format!("<={bound}"),
        Test::Compare(Compare::Greater, bound) => format!(">{bound}"),
        Test::Compare(Compare::GreaterOrEqual, bound) => format!(">={bound}"),
    }
}

#[track_caller]
fn check(signal: Signal, text: &str, expected: &str) {
    match parse(text, signal) {
        Ok(predicate) => assert_eq!(render(&predicate), expected, "{text:?} of {signal}"),
        Err(error) => panic!("{text:?} of {signal}: {error:?}"),
    }
}

#[track_caller]
fn check_error(signal: Signal, text: &str, position: usize, message_part: &str, expected_first: &str) {
    match parse(text, signal) {
        Ok(predicate) => panic!("{text:?} of {signal}: {}", render(&predicate)),
        Err(QueryError::Bad { message, position: at, expected }) => {
            assert_eq!(at, Some(position), "{text:?}: {message}");
            assert!(message.contains(message_part), "{text:?}: {message}");
            assert_eq!(expected.first().map(String::as_str), Some(expected_first), "{text:?}: {message}");
        }
        Err(error) => panic!("{text:?} of {signal}: {error:?}"),
    }
}

const LOGS: Signal = Signal::Logs;
const SPANS: Signal = Signal::Spans;

#[test]
fn words_phrases_and_patterns_without_a_key() {
    let cases = [
        (LOGS, "", "all"),
        (LOGS, " \t\n\u{3000}", "all"),
        (LOGS, "*", "all"),
        (LOGS, "refused", r#""refused""#),
        (SPANS, "GET", r#""GET""#),
        (LOGS, r#""connection refused""#, r#""connection refused""#),
        (LOGS, r#""say \"hi\" in C:\\temp\new""#, r#""say \"hi\" in C:\\temp\\new""#),
        (LOGS, "Größe naïve", r#"("Größe" & "naïve")"#),
        (LOGS, "10.0.0.1:8080", r#""10.0.0.1:8080""#),
        (LOGS, "12:30:00", r#""12:30:00""#),
        (LOGS, "https://shop.example/cart/", r#""https://shop.example/cart/""#),
        (LOGS, "user_id=42", r#""user_id=42""#),
        (LOGS, "-1 --flag well-known", r#"("-1" & "--flag" & "well-known")"#),
        (LOGS, "and or not", r#"("and" & "or" & "not")"#),
        (LOGS, "ANDROID NOTE ORDER", r#"("ANDROID" & "NOTE" & "ORDER")"#),
        (LOGS, r#""AND" "a*b""#, r#"("AND" & "a*b")"#),
        (LOGS, "conn*", "Body~conn*"),
        (SPANS, "GET /cart/*", r#"("GET" & Name~/cart/*)"#),
        (LOGS, "/time(d )?out/", "Body=/time(d )?out/"),
        (SPANS, "/^GET/", "Name=/^GET/"),
        (LOGS, r"/a\/b/ /c/", r"(Body=/a\/b/ & Body=/c/)"),
        (LOGS, "/foo:[0-9]+/", "Body=/foo:[0-9]+/"),
        (LOGS, "/var/log/syslog", r#""/var/log/syslog""#),
        (LOGS, "(/a/)", "Body=/a/"),
    ];
    for (signal, text, expected) in cases {
        check(signal, text, expected);
    }
}

#[test]
fn operators_and_groups() {
    let cases = [
        ("a b", r#"("a" & "b")"#),
        ("a AND b c", r#"("a" & "b" & "c")"#),
        ("a OR b OR c", r#"("a" | "b" | "c")"#),
        ("a b OR c d", r#"(("a" & "b") | ("c" & "d"))"#),
        ("a (b OR c)", r#"("a" & ("b" | "c"))"#),
        ("(a)(b)", r#"("a" & "b")"#),
        ("((a))", r#""a""#),
        ("NOT a b", r#"(!"a" & "b")"#),
        ("NOT a OR b", r#"(!"a" | "b")"#),
        ("a NOT b", r#"("a" & !"b")"#),
        ("a AND NOT b", r#"("a" & !"b")"#),
        ("NOT NOT a", r#""a""#),
        ("NOT NOT NOT a", r#"!"a""#),
        ("NOT(a OR b)", r#"!("a" | "b")"#),
        ("-a -\"b c\" -(d)", r#"(!"a" & !"b c" & !"d")"#),
        ("-service:a", "!Service=a"),
        ("(a OR b)AND(c)", r#"(("a" | "b") & "c")"#),
        ("AND:x", "any.AND=x"),
    ];
    for (text, expected) in cases {
        check(LOGS, text, expected);
    }
}

#[test]
fn keys_and_values() {
    let cases = [
        (LOGS, "service:checkout", "Service=checkout"),
        (LOGS, "service:Check*", "Service~Check*"),
        (LOGS, "service:*", "Service?"),
        (LOGS, "service:**", "Service?"),
        (LOGS, r#"service:"a b*""#, "Service=a b*"),
        (LOGS, r#"service:"""#, "Service="),
        (LOGS, "service:/^(cart|shop)-[0-9]{2}$/", "Service=/^(cart|shop)-[0-9]{2}$/"),
        (LOGS, "body:/connection refused/ a", r#"(Body=/connection refused/ & "a")"#),
        (LOGS, "k8s.pod.name:canary-*", "any.k8s.pod.name~canary-*"),
        (
            LOGS,
            "url.path:/cart http.route:/api/",
            "((any.url.path=/cart | any.http.target=/cart) & any.http.route=/api/)",
        ),
        (LOGS, "a:/ b:/", "(any.a=/ & any.b=/)"),
        (LOGS, "a://", r#""a://""#),
        (LOGS, "(a:b)", "any.a=b"),
        (LOGS, "a:b:c", "any.a=b:c"),
        (LOGS, "a:-5", "any.a=-5"),
        (LOGS, "a:true", "any.a=true"),
        (LOGS, "app.kubernetes.io/name:x @t:y $z:1", "(any.app.kubernetes.io/name=x & any.@t=y & any.$z=1)"),
        (LOGS, r#""weird key":value"#, "any.weird key=value"),
        (LOGS, r#""weird key">5"#, "any.weird key>5"),
        (LOGS, r#""service":x"#, "any.service=x"),
        (LOGS, r#""resource.x":y"#, "any.resource.x=y"),
        (LOGS, "Service:x", "any.Service=x"),
        (
            LOGS,
            "namespace:n environment:e version:1.2 instance:i",
            "(Namespace=n & Environment=e & Version=1.2 & Instance=i)",
        ),
        (SPANS, "name:GET event:exception scope:lib", "(Name=GET & Event=exception & Scope=lib)"),
        (LOGS, "event:login body:hello", "(Event=login & Body=hello)"),
    ];
    for (signal, text, expected) in cases {
        check(signal, text, expected);
    }
}

#[test]
fn numbers_and_units() {
    let cases = [
        (LOGS, "n>5", "any.n>5"),
        (LOGS, "n>=5 n<5 n<=5", "(any.n>=5 & any.n<5 & any.n<=5)"),
        (LOGS, "n:>5 n:>=5 n:<5 n:<=5", "(any.n>5 & any.n>=5 & any.n<5 & any.n<=5)"),
        (LOGS, "n>-0.5 n<1e3 n<.25", "(any.n>-0.5 & any.n<1000 & any.n<0.25)"),
        (LOGS, r#"n>"5""#, "any.n>5"),
        (LOGS, "n>5B n>1KB n>1KiB n>1MB", "(any.n>5 & any.n>1000 & any.n>1024 & any.n>1000000)"),
        (LOGS, "n>1MiB n>2gb n>1GiB", "(any.n>1048576 & any.n>2000000000 & any.n>1073741824)"),
        (LOGS, "n>5ms n>2m", "(any.n>5000000 & any.n>120000000000)"),
        (LOGS, "body>5", "Body>5"),
        (SPANS, "duration>500ms", "Duration>500000000"),
        (SPANS, "duration>=1.1ms duration<2.3s", "(Duration>=1100000 & Duration<2300000000)"),
        (
            SPANS,
            "duration<10us duration<10µs duration<10μs",
            "(Duration<10000 & Duration<10000 & Duration<10000)",
        ),
        (SPANS, "duration>1h duration>7ns duration>8", "(Duration>3600000000000 & Duration>7 & Duration>8)"),
        (SPANS, "duration:1.5ms duration:*", "(Duration=1500000 & Duration?)"),
        (LOGS, "log.duration>5ms", "record.duration>5000000"),
    ];
    for (signal, text, expected) in cases {
        check(signal, text, expected);
    }
}

#[test]
fn severities_kinds_and_statuses() {
    let cases = [
        (LOGS, "severity:warn", "Severity=warn"),
        (LOGS, "level:WARNING", "Severity=warn"),
        (LOGS, "level:Err severity:critical", "(Severity=error & Severity=fatal)"),
        (LOGS, "severity>=warn", "Severity>=13"),
        (LOGS, "severity>warn", "Severity>16"),
        (LOGS, "severity<warn", "(Severity>=1 & Severity<13)"),
        (LOGS, "level<=Warning", "(Severity>=1 & Severity<=16)"),
        (LOGS, "severity:>=ERROR", "Severity>=17"),
        (LOGS, "severity>=17 severity:18", "(Severity>=17 & (Severity>=18 & Severity<=18))"),
        (LOGS, "severity:* severity:WARN*", "(Severity? & Severity~warn*)"),
        (SPANS, "status:ERROR kind:Server", "(Status=error & Kind=server)"),
        (SPANS, r#"status:"ok" kind:*er"#, "(Status=ok & Kind~*er)"),
        (SPANS, "kind:/^(client|server)$/", "Kind=/^(client|server)$/"),
    ];
    for (signal, text, expected) in cases {
        check(signal, text, expected);
    }
}

#[test]
fn ids() {
    let trace = "0AF7651916cd43dd8448eb211c80319c";
    check(LOGS, &format!("trace:{trace}"), &format!("Trace={}", trace.to_lowercase()));
    check(SPANS, &format!("trace:\"{trace}\""), &format!("Trace={}", trace.to_lowercase()));
    check(SPANS, "trace:0AF7*", "Trace~0af7*");
    check(SPANS, "span:B7AD6B7169203331 parent:b7ad*", "(Span=b7ad6b7169203331 & Parent~b7ad*)");
    check(SPANS, "NOT parent:*", "!Parent?");
}

#[test]
fn levels() {
    let cases = [
        (LOGS, "resource.host.name:a", "resource.host.name=a"),
        (SPANS, "scope.x:*", "scope.x?"),
        (SPANS, "span.status:a", "record.status=a"),
        (LOGS, "log.body:a", "record.body=a"),
        (LOGS, "log.iostream:stderr log.file.path:/a", "(any.log.iostream=stderr & any.log.file.path=/a)"),
        (SPANS, "event.exception.type:IOError", "event.exception.type=IOError"),
        (LOGS, "event.action:login", "any.event.action=login"),
        (LOGS, "resource.:a", "any.resource.=a"),
    ];
    for (signal, text, expected) in cases {
        check(signal, text, expected);
    }
}

#[test]
fn old_and_new_names_are_one() {
    let cases = [
        ("http.status_code:500", "(any.http.status_code=500 | any.http.response.status_code=500)"),
        (
            "http.response.status_code>=500",
            "(any.http.response.status_code>=500 | any.http.status_code>=500)",
        ),
        ("NOT span.http.method:GET", "!(record.http.method=GET | record.http.request.method=GET)"),
        (
            "resource.deployment.environment:*",
            "(resource.deployment.environment? | resource.deployment.environment.name?)",
        ),
        ("net.peer.name:db", "(any.net.peer.name=db | any.client.address=db | any.server.address=db)"),
        ("net.host.port:80", "(any.net.host.port=80 | any.server.port=80)"),
        ("code.function:f", "(any.code.function=f | any.code.function.name=f)"),
        ("k8s.pod.labels.app:x", "(any.k8s.pod.labels.app=x | any.k8s.pod.label.app=x)"),
        (r#""db.statement":SELECT*"#, "(any.db.statement~SELECT* | any.db.query.text~SELECT*)"),
    ];
    for (text, expected) in cases {
        check(SPANS, text, expected);
    }
}

#[test]
fn the_example_of_the_manual() {
    check(
        SPANS,
        r#"service:checkout status:error duration>500ms http.route:/cart/* "connection refused" NOT k8s.pod.name:canary-*"#,
        "(Service=checkout & Status=error & Duration>500000000 & any.http.route~/cart/* & \"connection refused\" \
         & !any.k8s.pod.name~canary-*)",
    );
}

/// The searches in the tables of the manual: the code in the columns `search` and `example`.
fn examples_of_the_manual() -> Vec<String> {
    let manual = include_str!("../../../docs/search.md").replace(r"\|", "\u{1}");
    let mut column: Option<usize> = None;
    let mut examples = Vec::new();
    for line in manual.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 {
            column = None;
        } else if let Some(column) = column {
            let code = cells.get(column).copied().unwrap_or_default().split('`').skip(1).step_by(2);
            examples.extend(code.map(|code| code.replace('\u{1}', "|")));
        } else {
            column = cells.iter().position(|cell| matches!(*cell, "search" | "example"));
        }
    }
    examples
}

#[test]
fn every_example_of_the_manual_is_a_search() {
    let examples = examples_of_the_manual();
    assert!(examples.len() > 40, "{examples:?}");
    for example in examples {
        let answers = [parse(&example, LOGS), parse(&example, SPANS)];
        let of_traces = parse_traces(&example);
        assert!(answers.iter().any(Result::is_ok) || of_traces.is_ok(), "{example:?}: {answers:?}");
    }
}

#[test]
fn what_is_wrong_and_where() {
    let cases = [
        (LOGS, "a \"b c", 2, "not closed", "\""),
        (LOGS, "key:\"b c", 4, "not closed", "\""),
        (LOGS, "\"a\\\"", 0, "not closed", "\""),
        (LOGS, "a AND", 5, "ends where a term", "a word"),
        (LOGS, "a OR ", 5, "ends where a term", "a word"),
        (LOGS, "NOT", 3, "ends where a term", "a word"),
        (LOGS, "AND a", 0, "before this operator", "a word"),
        (LOGS, "a OR AND b", 5, "before this operator", "a word"),
        (LOGS, "()", 1, "before this parenthesis", "a word"),
        (LOGS, "a (b", 2, "not closed", ")"),
        (LOGS, "a (b OR (c d)", 2, "not closed", ")"),
        (LOGS, "a) b", 1, "closes nothing", "AND"),
        (LOGS, ")", 0, "before this parenthesis", "a word"),
        (LOGS, "key:", 4, "`key:` has no value", "a value"),
        (LOGS, "key: value", 4, "`key:` has no value", "a value"),
        (LOGS, "(key:)", 5, "`key:` has no value", "a value"),
        (LOGS, "key:(a OR b)", 4, "repeat the key", "a value"),
        (LOGS, "key>", 4, "compared with nothing", "a number"),
        (LOGS, "key>=abc", 5, "`abc` is no number", "a number"),
        (LOGS, "key>5parsecs", 4, "`5parsecs` is no number", "a number"),
        (LOGS, "key>inf", 4, "`inf` is no number", "a number"),
        (LOGS, "key>NaN", 4, "`NaN` is no number", "a number"),
        (LOGS, "List<String>", 5, "needs quotes", "a number"),
        (LOGS, "count(x)", 5, "a blank is missing", "a blank"),
        (LOGS, "\"a\"b", 3, "a blank is missing", "a blank"),
        (LOGS, "a -> b", 2, "is no word", "a word"),
        (LOGS, "\"\"", 0, "is no word", "a word"),
        (LOGS, "x duration>5ms", 2, "logs have no `duration`", "log.duration"),
        (LOGS, "status:error", 0, "logs have no `status`", "log.status"),
        (LOGS, "kind:server", 0, "logs have no `kind`", "log.kind"),
        (LOGS, "name:a", 0, "logs have no `name`", "log.name"),
        (LOGS, "parent:*", 0, "logs have no `parent`", "log.parent"),
        (SPANS, "a level:warn", 2, "spans have no `level`", "span.level"),
        (SPANS, "body:a", 0, "spans have no `body`", "span.body"),
        (SPANS, "log.body:a", 0, "spans have no `log.` attributes", "span.body"),
        (LOGS, "span.x:a", 0, "logs have no `span.` attributes", "log.x"),
        (LOGS, "template:a", 9, "`a` is no such id", "16 hexadecimal digits"),
        (SPANS, "template:00000000000000ab", 0, "spans have no `template`", "span.template"),
        (LOGS, "severity:loud", 9, "`loud` is no severity", "trace"),
        (LOGS, "severity>=25", 10, "`25` is no severity", "trace"),
        (SPANS, "kind:sever", 5, "`sever` is none", "internal"),
        (SPANS, "status:failed", 7, "`failed` is none", "unset"),
        (SPANS, "status>ok", 7, "has no order", "status:value"),
        (LOGS, "service>5", 8, "has no order", "service:value"),
        (SPANS, "duration>fast", 9, "`fast` is no duration", "a number with one of ns us ms s m h"),
        (SPANS, "duration>5MB", 9, "`5MB` is no duration", "a number with one of ns us ms s m h"),
        (SPANS, "duration:5*", 9, "`5*` is no duration", "a number with one of ns us ms s m h"),
        (LOGS, "trace:abc", 6, "`abc` is no such id", "32 hexadecimal digits"),
        (LOGS, "trace:xyz*", 6, "`xyz*` is no such id", "32 hexadecimal digits"),
        (LOGS, "span:0123456789abcdef0*", 5, "is no such id", "16 hexadecimal digits"),
        (LOGS, "span>5", 5, "is no such id", "16 hexadecimal digits"),
        (LOGS, "x /a(/", 2, "unclosed group", "a regular expression"),
        (LOGS, "a:/[z-a]/", 2, "regular expression is wrong", "a regular expression"),
        (LOGS, "a:/(x{1000}){1000}/", 2, "too large", "a regular expression"),
        (LOGS, "größe:", 8, "`größe:` has no value", "a value"),
    ];
    for (signal, text, position, message, expected) in cases {
        check_error(signal, text, position, message, expected);
    }
}

#[test]
fn metrics_have_no_search() {
    let error = parse("a", Signal::Metrics).unwrap_err();
    assert_eq!(error, QueryError::invalid("metrics cannot be searched; logs and spans can"));
}

#[test]
fn every_limit_is_kept_and_its_last_value_allowed() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    check(LOGS, &nested(DEPTH_MAX), "\"a\"");
    check_error(LOGS, &nested(DEPTH_MAX + 1), DEPTH_MAX, "groups stand in one another", "fewer parentheses");
    check_error(LOGS, &"(".repeat(1_000_000), QUERY_BYTES_MAX, "bytes", "a shorter search");
    check_error(LOGS, &"(".repeat(QUERY_BYTES_MAX), DEPTH_MAX, "groups stand", "fewer parentheses");
    check(LOGS, &format!("{}a", "NOT ".repeat(10_000)), "\"a\"");

    check(LOGS, &"x".repeat(QUERY_BYTES_MAX), &format!("{:?}", "x".repeat(QUERY_BYTES_MAX)));
    let long = format!("x{}", "ß".repeat(QUERY_BYTES_MAX / 2));
    check_error(LOGS, &long, QUERY_BYTES_MAX - 1, "bytes", "a shorter search");

    assert!(parse(&"a ".repeat(TERMS_MAX), LOGS).is_ok());
    check_error(LOGS, &"a ".repeat(TERMS_MAX + 1), 2 * TERMS_MAX, "more than 1000 terms", "fewer terms");

    assert!(parse(&"{a} ".repeat(SETS_MAX), SPANS).is_ok());
    check_error(SPANS, &"{a} ".repeat(SETS_MAX + 1), 4 * SETS_MAX, "more than 16 sets", "fewer sets");
    check_error(SPANS, &"{".repeat(1_000_000), QUERY_BYTES_MAX, "bytes", "a shorter search");
    check_error(SPANS, &"{".repeat(QUERY_BYTES_MAX), 1, "does not stand in another", "(");
    check_error(SPANS, &"}".repeat(QUERY_BYTES_MAX), 0, "before this brace", "a word");
    check_error(
        SPANS,
        &format!("{}{{a}}", "(".repeat(DEPTH_MAX)),
        DEPTH_MAX,
        "groups stand",
        "fewer parentheses",
    );
    let join = "trace in logs(a) ";
    assert!(parse(&join.repeat(JOINS_MAX), SPANS).is_ok());
    let position = join.len() * JOINS_MAX;
    check_error(SPANS, &join.repeat(JOINS_MAX + 1), position, "more than 4 joins", "fewer joins");
    check_error(SPANS, &"trace in spans(".repeat(4_000), 15, "does not stand in another", "a word");

    assert!(parse(&"a* ".repeat(PATTERNS_MAX), LOGS).is_ok());
    let position = 3 * PATTERNS_MAX;
    check_error(
        LOGS,
        &"a* ".repeat(PATTERNS_MAX + 1),
        position,
        "more than 50 wildcards",
        "a value without `*`",
    );
    check_error(LOGS, &"a*".repeat(20_000), 0, "too large", "a regular expression");
}

/// Text in which the signs of the language are common.
fn searches() -> impl Strategy<Value = String> {
    let signs = [
        "a",
        "b:",
        "duration",
        "severity",
        "trace",
        "log.",
        "\"",
        "\\",
        "/",
        "*",
        "(",
        ")",
        ":",
        ">",
        "<",
        "=",
        "-",
        " ",
        "AND ",
        " OR ",
        "NOT ",
        "5",
        "ms",
        "1e9",
        "é",
        "\u{3000}",
        "\0",
        "{",
        "}",
        " > {",
        "} >> {",
        "trace in spans(",
        "trace in logs(",
        "spans where ",
    ];
    prop::collection::vec(prop::sample::select(signs.to_vec()), 0..40).prop_map(|signs| signs.concat())
}

/// Parses for every signal; an error's place is one in the text.
fn never_panics(text: &str) {
    let answers = Signal::ALL.map(|signal| parse(text, signal).map(drop));
    for answer in answers.into_iter().chain([parse_traces(text).map(drop)]) {
        if let Err(QueryError::Bad { position: Some(position), .. }) = answer {
            assert!(text.is_char_boundary(position), "{text:?} at {position}");
        }
    }
    for at in 0..=text.len() {
        let place = super::completion::place(text, at);
        assert!(text.is_char_boundary(place.from) && place.from <= text.len(), "{text:?} at {at}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        never_panics(&text);
    }

    #[test]
    fn any_mix_of_signs_is_read_or_refused(text in searches()) {
        never_panics(&text);
    }

    #[test]
    fn a_quoted_value_is_kept_as_it_is(value in any::<String>()) {
        let quoted = format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""));
        let expected = Predicate::Field(Field::Service, Test::Equals(value));
        prop_assert_eq!(parse(&format!("service:{quoted}"), Signal::Logs), Ok(expected));
    }
}
