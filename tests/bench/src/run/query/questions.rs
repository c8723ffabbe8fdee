//! What is asked. Words and values are those of the load ([`crate::load`]); how frequent they are stands beside them.

use super::data::Filled;
use crate::load::Template;
use crate::run::trace::{hex, stored_id, unknown_id};

/// How many traces are asked for, one after the other.
const TRACES: u64 = 20;
/// Rows of a page.
const NEWEST: &str = "20";
/// The status of an answer that has what was asked for.
const FOUND: u16 = 200;
/// The status where there is no such trace.
const NOT_FOUND: u16 = 404;

/// Two words one after the other, in a fortieth of the logs.
const PHRASE: &str = "connection reset";
/// A word in about ten of a million logs: the number of a user.
const RARE_WORD: &str = "031415";
/// A word in two of five logs.
const COMMON_WORD: &str = "request";
/// An attribute of logs, in one of a hundred and more.
const TENANT: &str = "tenant-017";
/// An attribute of spans, in one of a hundred.
const COLLECTION: &str = "accounts";

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) asked: Asked,
    /// The status of its answer.
    pub(super) status: u16,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// GET of a path.
    Get(String),
    /// A statement.
    Sql(String),
}

/// A question, in one or several variants of which each run asks the next.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) asks: Vec<Ask>,
}

/// All questions.
pub(super) fn all(filled: &Filled, templates: &[Template]) -> Vec<Question> {
    let stored = |number| stored_id(filled.seed, filled.requests, templates, number);
    let mut questions = vec![
        traces("trace by id, stored", FOUND, stored),
        traces("trace by id, unknown", NOT_FOUND, unknown_id),
    ];
    questions.extend(of_spans());
    questions.extend(of_text());
    questions.extend(of_counts());
    questions.extend(of_attributes());
    questions
}

fn of_spans() -> [Question; 6] {
    [
        sql(
            "p95 by service and operation: SQL, spans",
            "SELECT service_name, name, approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ns) AS p95_ns, \
             count(*) AS calls FROM spans GROUP BY service_name, name",
        ),
        sql(
            "p95 by service and operation: SQL, red",
            "SELECT service_name, operation, quantile_merge(duration, 0.95) / 1e6 AS p95_ms, sum(calls) AS calls \
             FROM red GROUP BY service_name, operation",
        ),
        get("services by rate, errors, p95", "/api/services", &[]),
        search(
            "child of a set, newest 20",
            "spans",
            "{ service:checkout } > { status:error }",
            &[("limit", NEWEST)],
        ),
        search(
            "logs of traces with an error, newest 20",
            "logs",
            "trace in spans(status:error)",
            &[("limit", NEWEST)],
        ),
        search("traces with an error, newest 20", "traces", "status:error", &[("limit", NEWEST)]),
    ]
}

fn of_text() -> [Question; 6] {
    let phrase = format!("\"{PHRASE}\"");
    [
        search("phrase, newest 20", "logs", &phrase, &[("limit", NEWEST)]),
        search("phrase, count by service: facets", "logs", &phrase, &[("limit", "0"), ("facets", "service")]),
        sql(
            "phrase, count by service: SQL",
            &format!(
                "SELECT service_name, count(*) AS logs FROM logs WHERE matches(body, '{PHRASE}') GROUP BY service_name"
            ),
        ),
        search("rare word, newest 20", "logs", RARE_WORD, &[("limit", NEWEST)]),
        search("common word, newest 20", "logs", COMMON_WORD, &[("limit", NEWEST)]),
        get("templates of logs", "/api/templates", &[]),
    ]
}

fn of_counts() -> [Question; 4] {
    [
        sql(
            "logs by severity and service: SQL",
            "SELECT severity, service_name, count(*) AS logs FROM logs GROUP BY severity, service_name",
        ),
        get(
            "logs by severity and by service: facets",
            "/api/logs",
            &[("limit", "0"), ("facets", "severity,service")],
        ),
        sql(
            "logs by minute: SQL",
            "SELECT date_trunc('minute', time) AS minute, count(*) AS logs FROM logs GROUP BY minute ORDER BY minute",
        ),
        get("logs by minute: histogram", "/api/logs", &[("limit", "0"), ("histogram", "60")]),
    ]
}

fn of_attributes() -> [Question; 6] {
    let (of_logs, of_spans) = (format!("tenant.id:{TENANT}"), format!("db.collection.name:{COLLECTION}"));
    let count = |table: &str, key: &str, value: &str| {
        format!("SELECT count(*) AS found FROM {table} WHERE attributes['{key}'] = '{value}'")
    };
    [
        search("attribute of logs, newest 20", "logs", &of_logs, &[("limit", NEWEST)]),
        search(
            "attribute of logs, count: histogram",
            "logs",
            &of_logs,
            &[("limit", "0"), ("histogram", "1")],
        ),
        sql("attribute of logs, count: SQL", &count("logs", "tenant.id", TENANT)),
        search("attribute of spans, newest 20", "spans", &of_spans, &[("limit", NEWEST)]),
        search(
            "attribute of spans, count: histogram",
            "spans",
            &of_spans,
            &[("limit", "0"), ("histogram", "1")],
        ),
        sql("attribute of spans, count: SQL", &count("spans", "db.collection.name", COLLECTION)),
    ]
}

fn traces(name: &'static str, status: u16, id: impl Fn(u64) -> [u8; 16]) -> Question {
    let path = |number| Asked::Get(format!("/api/traces/{}", hex(&id(number))));
    Question { name, asks: (0..TRACES).map(|number| Ask { asked: path(number), status }).collect() }
}

fn sql(name: &'static str, statement: &str) -> Question {
    Question { name, asks: vec![Ask { asked: Asked::Sql(statement.to_owned()), status: FOUND }] }
}

fn search(name: &'static str, signal: &str, search: &str, parameters: &[(&str, &str)]) -> Question {
    let parameters: Vec<(&str, &str)> =
        [("q", search)].into_iter().chain(parameters.iter().copied()).collect();
    get(name, &format!("/api/{signal}"), &parameters)
}

fn get(name: &'static str, path: &str, parameters: &[(&str, &str)]) -> Question {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let path = if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) };
    Question { name, asks: vec![Ask { asked: Asked::Get(path), status: FOUND }] }
}

/// A value as it may stand in an address.
pub(in crate::run) fn percent_encoded(value: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::load::{Signal, Stamp};

    #[test]
    fn values_in_addresses() {
        for (value, expected) in [
            ("a.b-c_9", "a.b-c_9"),
            ("{ a:b } > é", "%7B%20a%3Ab%20%7D%20%3E%20%C3%A9"),
            ("\"&+%\"", "%22%26%2B%25%22"),
        ] {
            assert_eq!(percent_encoded(value), expected);
        }
        let asked = search("x", "logs", "a b", &[("limit", "2")]).asks.remove(0).asked;
        assert_eq!(asked, Asked::Get("/api/logs?q=a%20b&limit=2".to_owned()));
    }

    #[test]
    fn every_question_asks_and_has_a_name_of_its_own() {
        let filled = Filled { seed: 7, batch: 60, templates: 3, requests: 8, spans: 480, logs: 480 };
        let questions = all(&filled, &filled.shape(Signal::Spans).build());
        let names: HashSet<&str> = questions.iter().map(|question| question.name).collect();
        assert_eq!(names.len(), questions.len());
        assert!(questions.iter().all(|question| !question.asks.is_empty()));
    }

    #[test]
    fn words_and_values_are_in_the_load() {
        let filled = Filled { seed: 1, batch: 500, templates: 8, requests: 8, spans: 0, logs: 0 };
        let sent = |signal: Signal| -> String {
            let stamped = filled.shape(signal).build().into_iter().map(|template| {
                let mut body = Vec::new();
                template.stamp(&Stamp::new(filled.seed, 0, 0, 1 << 60, 0), &mut body);
                String::from_utf8_lossy(&body).into_owned()
            });
            stamped.collect()
        };
        let (logs, spans) = (sent(Signal::Logs), sent(Signal::Spans));
        for (text, value) in [(&logs, PHRASE), (&logs, COMMON_WORD), (&logs, TENANT), (&spans, COLLECTION)] {
            assert!(text.contains(value), "{value}");
        }
    }
}
