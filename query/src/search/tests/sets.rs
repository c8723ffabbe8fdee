//! Sets of spans and joins: what they mean for spans, logs and traces, and what is wrong with them.

use super::*;
use crate::search::Condition;

/// A condition likewise, in words.
fn render_condition(condition: &Condition) -> String {
    let join = |parts: &[Condition], word: &str| {
        let parts: Vec<String> = parts.iter().map(render_condition).collect();
        format!("({})", parts.join(word))
    };
    match condition {
        Condition::Has(predicate) => format!("has {}", render(predicate)),
        Condition::All(parts) => join(parts, " and "),
        Condition::Any(parts) => join(parts, " or "),
        Condition::Not(part) => format!("not {}", render_condition(part)),
    }
}

#[test]
fn sets_of_spans_and_what_stands_below_them() {
    let cases = [
        ("{ service:a }", "Service=a"),
        ("{service:a}", "Service=a"),
        ("{}", "all"),
        ("{ } > { }", "{all} > {all}"),
        ("{ a } > { b }", r#"{"a"} > {"b"}"#),
        ("{a}>{b}>>{c}", r#"{"a"} > {"b"} >> {"c"}"#),
        ("{ a b OR c } >> { NOT d }", r#"{(("a" & "b") | "c")} >> {!"d"}"#),
        ("{ (a OR b) c } > {d}", r#"{(("a" | "b") & "c")} > {"d"}"#),
        ("{ duration>5ms } >> {n>=5}", "{Duration>5000000} >> {any.n>=5}"),
        ("{ status:error } AND { kind:server }", "(Status=error & Kind=server)"),
        ("{a} > {b} status:error", r#"({"a"} > {"b"} & Status=error)"#),
        ("({a} > {b}) OR c", r#"({"a"} > {"b"} | "c")"#),
        ("NOT {a} > {b}", r#"!{"a"} > {"b"}"#),
        ("-{a}", r#"!"a""#),
        ("{a}AND{b}", r#"("a" & "b")"#),
        ("{ a AND b}", r#"("a" & "b")"#),
        ("{ name:/^GET/} > {/b{2}/}", "{Name=/^GET/} > {Name=/b{2}/}"),
        ("{ http.route:/users/{id} } > {b}", r#"{any.http.route=/users/{id}} > {"b"}"#),
        ("{http.route:/users/{id}}", "any.http.route=/users/{id}"),
        ("http.route:/users/{id}", "any.http.route=/users/{id}"),
        (r#"{ name:"a } b" }"#, "Name=a } b"),
        ("a{b}", r#""a{b}""#),
        ("spans where {a} > {b}", r#"{"a"} > {"b"}"#),
    ];
    for (text, expected) in cases {
        check(SPANS, text, expected);
    }
}

#[test]
fn joins() {
    let cases = [
        (
            LOGS,
            "trace in spans(status:error service:checkout)",
            "in spans [(Status=error & Service=checkout)]",
        ),
        (LOGS, "logs where trace in spans(status:error)", "in spans [Status=error]"),
        (LOGS, "severity>=warn trace in spans(status:error)", "(Severity>=13 & in spans [Status=error])"),
        (LOGS, "trace in spans({a} > {b}) body:x", r#"(in spans [{"a"} > {"b"}] & Body=x)"#),
        (LOGS, "trace in spans({a})", r#"in spans ["a"]"#),
        (LOGS, "NOT trace in spans(a) OR b", r#"(!in spans ["a"] | "b")"#),
        (LOGS, "-trace in spans(a)", r#"!in spans ["a"]"#),
        (LOGS, "trace  in  spans (a)", r#"in spans ["a"]"#),
        (LOGS, "trace in logs()", "in logs [all]"),
        (SPANS, r#"trace in logs("connection refused")"#, r#"in logs ["connection refused"]"#),
        (
            SPANS,
            "trace in logs(severity:error) severity.x:1",
            "(in logs [Severity=error] & any.severity.x=1)",
        ),
        (SPANS, "{ trace in logs(a) } > { b }", r#"{in logs ["a"]} > {"b"}"#),
        (SPANS, "trace in logs(a) trace in logs(b)", r#"(in logs ["a"] & in logs ["b"])"#),
        (LOGS, "stack trace in checkout", r#"("stack" & "trace" & "in" & "checkout")"#),
        (LOGS, "stack trace in", r#"("stack" & "trace" & "in")"#),
        (LOGS, "trace:0af7* in spans", r#"(Trace~0af7* & "in" & "spans")"#),
        (LOGS, r#""trace" in spans"#, r#"("trace" & "in" & "spans")"#),
        (LOGS, "logs where a", r#""a""#),
        (LOGS, r#""logs" where"#, r#"("logs" & "where")"#),
        (LOGS, "where a", r#"("where" & "a")"#),
        (LOGS, "pods where a", r#"("pods" & "where" & "a")"#),
    ];
    for (signal, text, expected) in cases {
        check(signal, text, expected);
    }
}

#[test]
fn what_is_asked_of_a_trace() {
    let cases = [
        ("", "has all"),
        ("a b", r#"has ("a" & "b")"#),
        ("NOT a", r#"has !"a""#),
        ("{a}", r#"has "a""#),
        ("{a} AND {b}", r#"(has "a" and has "b")"#),
        ("{a} {b}", r#"(has "a" and has "b")"#),
        ("{a} OR {b}", r#"(has "a" or has "b")"#),
        ("NOT {a}", r#"not has "a""#),
        ("{a} > {b}", r#"has {"a"} > {"b"}"#),
        ("{a} > {b} AND NOT {c}", r#"(has {"a"} > {"b"} and not has "c")"#),
        ("{a} > {b} c d", r#"(has {"a"} > {"b"} and has ("c" & "d"))"#),
        ("({a} OR b c) AND NOT ({d} {e})", r#"((has "a" or has ("b" & "c")) and not (has "d" and has "e"))"#),
        ("trace in logs(x)", r#"has in logs ["x"]"#),
        ("traces where {a} >> {b}", r#"has {"a"} >> {"b"}"#),
    ];
    for (text, expected) in cases {
        let condition = parse_traces(text).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        assert_eq!(render_condition(&condition), expected, "{text:?}");
    }
    let wrong = parse_traces("spans where a").unwrap_err();
    assert!(matches!(wrong, QueryError::Bad { position: Some(0), .. }), "{wrong:?}");
}

#[test]
fn what_is_wrong_in_sets_and_joins_and_where() {
    let cases = [
        (SPANS, "{ a", 0, "not closed", "}"),
        (SPANS, "{ a } > { b", 8, "not closed", "}"),
        (SPANS, "{", 1, "ends where a term", "a word"),
        (SPANS, "a { b OR", 8, "ends where a term", "a word"),
        (SPANS, "{ a OR }", 7, "before this brace", "a word"),
        (SPANS, "a }", 2, "closes nothing", "AND"),
        (SPANS, "}", 0, "before this brace", "a word"),
        (SPANS, "{ { a } }", 2, "does not stand in another", "("),
        (SPANS, "{ ( { a } ) }", 4, "does not stand in another", "("),
        (SPANS, "{ (a }", 2, "not closed", ")"),
        (SPANS, "( { a )", 2, "not closed", "}"),
        (SPANS, "{ a } >", 7, "set of spans is expected", "{"),
        (SPANS, "{ a } > b", 8, "set of spans is expected", "{"),
        (SPANS, "{ a } >> >> { b }", 9, "set of spans is expected", "{"),
        (SPANS, "a > { b }", 2, "between two sets", "AND"),
        (SPANS, "> { b }", 0, "between two sets", "AND"),
        (SPANS, "({ a }) >> { b }", 8, "between two sets", "AND"),
        (SPANS, "({ a } OR b > { c })", 12, "between two sets", "AND"),
        (SPANS, "{ a } >= { b }", 6, "`>=` does not stand between sets", ">"),
        (SPANS, "{ a } << { b }", 6, "`<<` does not stand between sets", ">"),
        (SPANS, "{ a } ~ b", 6, "`~` does not stand between sets", ">"),
        (SPANS, "{ duration>fast }", 11, "is no duration", "a number with one of ns us ms s m h"),
        (LOGS, "{ a }", 0, "logs are in none", "trace in spans({ … })"),
        (LOGS, "a {b} > {c}", 2, "logs are in none", "trace in spans({ … })"),
        (LOGS, "{\"a\":1}", 0, "logs are in none", "trace in spans({ … })"),
        (LOGS, "trace in spans(a", 0, "join is not closed", ")"),
        (LOGS, "x trace in spans(a (b)", 2, "join is not closed", ")"),
        (LOGS, "trace in spans(", 15, "ends where a term", "a word"),
        (LOGS, "trace in spans", 14, "missing after `spans`", "("),
        (SPANS, "trace in logs OR a", 14, "missing after `logs`", "("),
        (LOGS, "trace in metrics(a)", 9, "`metrics` is nothing", "spans("),
        (LOGS, "trace in span(a)", 9, "`span` is nothing", "spans("),
        (LOGS, "trace in (a)", 9, "says what it looks into", "spans("),
        (LOGS, "trace in spans(severity:error)", 15, "spans have no `severity`", "span.severity"),
        (SPANS, "trace in logs(duration>5ms)", 14, "logs have no `duration`", "log.duration"),
        (SPANS, "trace in logs({a})", 14, "logs are in none", "trace in spans({ … })"),
        (LOGS, "trace in spans(trace in logs(a))", 15, "does not stand in another", "a word"),
        (LOGS, "trace in spans({trace in logs(a)} > {b})", 16, "does not stand in another", "a word"),
        (LOGS, "spans where a", 0, "this searches logs", "logs where"),
        (SPANS, "metrics where a", 0, "this searches spans", "spans where"),
        (LOGS, "logs where", 10, "ends where a term", "a word"),
    ];
    for (signal, text, position, message, expected) in cases {
        check_error(signal, text, position, message, expected);
    }
}
