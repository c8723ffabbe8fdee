//! SQL over segments answers what SQL over the same rows in memory does: whatever types attributes have, whichever
//! of them a file has columns for, and whatever a file leaves out because it follows from other columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, Int64Array, StringArray};
use arrow::datatypes::Schema;
use model::packed::{ATTRIBUTE_COLUMNS_MAX, AttributeColumns};
use model::{Answer, AnyValue, AttributesWriter, Batch, Reader, TenantName, packed, schema};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use storage::{Options, Store};

use super::*;
use crate::engine::Engine;
use crate::testing::{rows, texts, times};

const DAY: i64 = 86_400 * 1_000_000_000;
/// Empty rows behind the others: enough for more than one block of a file.
const MANY: usize = 9_000;
/// How many times rows are made; `CAUSEWAY_SQL_ROUNDS` sets another number.
const ROUNDS: u32 = 5;

/// A row of either table.
#[derive(Debug, Clone)]
struct Row {
    time: i64,
    /// The observed time of a log record.
    observed: Option<i64>,
    duration: i64,
    /// By how much a span ends elsewhere than its duration says.
    off: i64,
    number: Option<i64>,
    severity: Option<&'static str>,
    body: Option<String>,
    resource: &'static str,
    /// What the columns that follow from the resource hold.
    words: [Option<&'static str>; 4],
    attributes: Vec<(&'static str, AnyValue)>,
}

const RESOURCES: [&str; 4] = [
    "{}",
    "{\"service.instance.id\":\"i\",\"service.namespace\":\"n\",\"service.version\":\"1\"}",
    "{\"deployment.environment\":\"old\",\"host.name\":\"h\",\"service.version\":2}",
    "{\"deployment.environment.name\":7,\"service.version\":\"\"}",
];
const WORDS: [&str; 5] = ["n", "1", "i", "7", "h"];
const LEVELS: [&str; 4] = ["info", "warn", "error", "loud"];
const FOLLOWING: [&str; 4] =
    ["service_namespace", "deployment_environment", "service_version", "service_instance_id"];
const TEXTS: [&str; 5] = ["a", "b", "5", "é\"", ""];
const KEYS: [&str; 5] = ["a", "b", "k.é", "http.route", "x\"y"];

fn value() -> impl Strategy<Value = AnyValue> {
    prop_oneof![
        select(TEXTS.to_vec()).prop_map(|text| AnyValue::String(text.to_owned())),
        (-3..9i64).prop_map(AnyValue::Int),
        select(vec![f64::NAN, -0.0, 1.5, 5.0, f64::INFINITY]).prop_map(AnyValue::Double),
        any::<bool>().prop_map(AnyValue::Bool),
        Just(AnyValue::Null),
        Just(AnyValue::Bytes(vec![1, 2])),
        Just(AnyValue::Array(vec![AnyValue::Int(1), AnyValue::String("a".to_owned())])),
    ]
}

fn body() -> impl Strategy<Value = Option<String>> {
    let line = (0..40u32, select(vec!["ok", "refused", "late"]))
        .prop_map(|(id, how)| format!("request {id} of peer-{} was {how}", id % 3));
    option::of(prop_oneof![
        5 => line,
        1 => "[a-c%_\u{1a}\u{1f}]{0,4}",
        1 => Just(String::new()),
    ])
}

/// A row whose attributes are among these keys.
fn row(keys: &'static [&'static str]) -> impl Strategy<Value = Row> {
    let word = || option::of(select(WORDS.to_vec()));
    let time = prop_oneof![4 => 0..1_000i64, 1 => DAY..DAY + 10];
    let observed = option::of(prop_oneof![4 => 0..1_000i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]);
    let off = prop_oneof![3 => Just(0i64), 1 => -5..5i64];
    (
        (time, observed, 0..500i64, off),
        option::of(-1..26i64),
        option::of(select(LEVELS.to_vec())),
        body(),
        select(RESOURCES.to_vec()),
        [word(), word(), word(), word()],
        vec((select(keys), value()), 0..4),
    )
        .prop_map(
            |((time, observed, duration, off), number, severity, body, resource, words, attributes)| Row {
                time,
                observed,
                duration,
                off,
                number,
                severity,
                body,
                resource,
                words,
                attributes,
            },
        )
}

/// Requests that each become a segment. The second has other attributes, and so many empty rows behind.
fn requests(empty: usize) -> impl Strategy<Value = [Vec<Row>; 2]> {
    (vec(row(&KEYS[..3]), 1..25), vec(row(&KEYS[1..]), 1..25), row(&KEYS)).prop_map(
        move |(first, mut second, one)| {
            second.extend(std::iter::repeat_n(Row { attributes: Vec::new(), ..one }, empty));
            [first, second]
        },
    )
}

fn stored(row: &Row) -> String {
    let mut writer = AttributesWriter::default();
    row.attributes.iter().for_each(|(key, value)| writer.put(key, value));
    let mut text = String::new();
    writer.finish(&mut text);
    text
}

/// Rows as a receiver packs them.
fn batch(signal: Signal, all: &[Row]) -> RecordBatch {
    let optional = |of: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(all.iter().map(of).collect::<StringArray>())
    };
    let numbers = |of: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(all.iter().map(of).collect::<Int64Array>())
    };
    let ids = |bytes: usize| -> ArrayRef {
        let ids = (0..all.len()).map(|row| vec![row as u8 % 7 + 1; bytes]);
        Arc::new(FixedSizeBinaryArray::try_from_iter(ids).unwrap())
    };
    let word = |at: usize| optional(&|row| row.words[at].map(str::to_owned));
    let start: Vec<i64> = all.iter().map(|row| row.time).collect();
    let end: Vec<i64> = all.iter().map(|row| row.time + row.duration + row.off).collect();
    let mut given: Vec<(&str, ArrayRef)> = vec![
        ("resource_attributes", optional(&|row| Some(row.resource.to_owned()))),
        ("trace_id", ids(16)),
        ("span_id", ids(8)),
    ];
    given.extend(FOLLOWING.iter().enumerate().map(|(at, column)| (*column, word(at))));
    match signal {
        Signal::Spans => given.extend([
            ("start_time", times(&start)),
            ("end_time", times(&end)),
            ("duration_ns", numbers(&|row| Some(row.duration))),
            ("name", texts(&vec!["GET"; all.len()])),
        ]),
        _ => given.extend([
            ("time", times(&start)),
            ("observed_time", numbers(&|row| row.observed)),
            ("severity_number", numbers(&|row| row.number)),
            ("severity", optional(&|row| row.severity.map(str::to_owned))),
            ("body", optional(&|row| row.body.clone())),
        ]),
    }
    let wire = rows(signal, all.len(), &given);
    let mut columns = AttributeColumns::new(ATTRIBUTE_COLUMNS_MAX);
    for row in all {
        for (key, value) in &row.attributes {
            match value {
                AnyValue::String(text) => columns.put_str(key, text),
                AnyValue::Int(value) => columns.put_int(key, *value),
                AnyValue::Double(value) => columns.put_double(key, *value),
                AnyValue::Bool(value) => columns.put_bool(key, *value),
                other => {
                    let mut text = String::new();
                    other.write(&mut text);
                    columns.put_other(key, &text);
                }
            }
        }
        columns.end_row();
    }
    let (rest, own) = columns.finish();
    let (fields, own): (Vec<_>, Vec<_>) = own.into_iter().unzip();
    let schema: Arc<Schema> = packed::schema(signal, fields);
    let at = wire.schema_ref().index_of(packed::REST_COLUMN).unwrap();
    let mut all: Vec<ArrayRef> = wire.columns().to_vec();
    all[at] = rest;
    RecordBatch::try_new(schema, all.into_iter().chain(own).collect()).unwrap()
}

/// What one row of a table is asked for.
fn condition(signal: Signal) -> BoxedStrategy<String> {
    let key = || select(KEYS.to_vec());
    let of_attribute = (key(), select(TEXTS.to_vec()), 0..12).prop_map(|(key, text, how)| {
        let one = format!("attributes['{key}']");
        match how {
            0 => format!("{one} IS NULL"),
            1 => format!("{one} IS NOT NULL"),
            2 => format!("{one} = 5"),
            3 => format!("{one} > 1"),
            4 => format!("{one} BETWEEN 0 AND 5"),
            5 => format!("{one} IN ('true', '5', 'a')"),
            6 => format!("{one} <> '{text}'"),
            7 => format!("{one} LIKE '%{text}%'"),
            8 => format!("CAST(attributes AS VARCHAR) LIKE '%{text}%'"),
            9 => "attributes = '{}'".to_owned(),
            _ => format!("{one} = '{text}'"),
        }
    });
    let following = (select(FOLLOWING.to_vec()), select(WORDS.to_vec()), 0..5).prop_map(
        |(column, word, how)| match how {
            0 => format!("{column} IS NULL"),
            1 => format!("{column} IS NOT NULL"),
            2 => format!("{column} <> '{word}'"),
            3 => format!("{column} IN ('{word}', '2', 'old')"),
            _ => format!("{column} = '{word}'"),
        },
    );
    let time = (select(vec!["=", "<", ">=", "<>"]), 0..1_500i64);
    let own = match signal {
        Signal::Spans => prop_oneof![
            time.clone().prop_map(|(how, at)| format!("CAST(end_time AS BIGINT) {how} {at}")),
            time.prop_map(|(how, at)| format!("end_time {how} TIMESTAMP '1970-01-01T00:00:00.{at:09}Z'")),
            Just("end_time IS NULL".to_owned()),
            Just(
                "CAST(end_time AS BIGINT) - CAST(start_time AS BIGINT) = duration_ns AND duration_ns > 100"
                    .to_owned()
            ),
            Just("start_time >= TIMESTAMP '1970-01-02T00:00:00Z'".to_owned()),
        ]
        .boxed(),
        _ => prop_oneof![
            time.prop_map(|(how, at)| format!(
                "observed_time {how} TIMESTAMP '1970-01-01T00:00:00.{at:09}Z'"
            )),
            Just("observed_time IS NULL".to_owned()),
            select(LEVELS.to_vec()).prop_map(|level| format!("severity = '{level}'")),
            select(LEVELS.to_vec()).prop_map(|level| format!("severity <> '{level}'")),
            Just("severity IS NULL".to_owned()),
            Just("severity_number >= 13 AND severity IN ('warn', 'error')".to_owned()),
            select(vec!["%refused%", "request 1%", "%peer-2 was ok", "%", "", "_", "%\u{1a}%"])
                .prop_map(|like| format!("body LIKE '{like}'")),
            Just("body NOT LIKE '%was%'".to_owned()),
            Just("body IS NULL".to_owned()),
            Just("body = ''".to_owned()),
            Just("length(body) > 24".to_owned()),
            Just("body > 'request 2'".to_owned()),
        ]
        .boxed(),
    };
    let one = prop_oneof![3 => of_attribute, 2 => following, 3 => own].boxed();
    let two = (one.clone(), select(vec!["AND", "OR"]), one.clone())
        .prop_map(|(left, how, right)| format!("({left}) {how} ({right})"));
    let not = one.clone().prop_map(|one| format!("NOT ({one})"));
    prop_oneof![3 => one, 2 => two, 1 => not].boxed()
}

/// The questions about rows that meet a condition.
fn questions(signal: Signal, condition: &str) -> Vec<String> {
    let table = signal.table();
    let stored = schema::stored(signal);
    let names = stored.fields().iter().map(|field| field.name().as_str());
    let all: Vec<&str> = names.filter(|name| *name != "received_time").collect();
    let late = if signal == Signal::Spans { "end_time" } else { "observed_time" };
    let text = if signal == Signal::Spans { "service_version" } else { "body" };
    let mut questions = vec![
        format!(
            "SELECT {}, concat(attributes, '') FROM {table} WHERE {condition} ORDER BY seq",
            all.join(", ")
        ),
        format!("SELECT count(*), max({late}), min({text}) FROM {table} WHERE {condition}"),
        format!(
            "SELECT attributes['b'], service_version, count(*) FROM {table} WHERE {condition} GROUP BY 1, 2
             ORDER BY 1 NULLS FIRST, 2 NULLS FIRST"
        ),
        format!("SELECT sum(CAST(attributes['b'] AS BIGINT)) FROM {table} WHERE {condition}"),
        format!("SELECT attributes['a'] || '!' FROM {table} WHERE {condition} ORDER BY seq LIMIT 5"),
    ];
    for by in [late, text, "service_instance_id", "attributes['b']", "attributes"] {
        questions.push(format!(
            "SELECT seq FROM {table} WHERE {condition} ORDER BY {by} DESC NULLS LAST, seq LIMIT 3"
        ));
    }
    questions
}

/// An engine over both requests, of which the first so many are sealed, each by itself.
struct Stored {
    engine: Engine,
    reader: Reader,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Stored {
    fn new(signal: Signal, requests: &[Vec<Row>; 2], sealed: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options { compaction: false, ..Options::for_memory(1 << 30) };
        let store = Store::open(dir.path(), options).unwrap();
        for (at, all) in requests.iter().enumerate() {
            let rows = batch(signal, all);
            let answer = Answer::default();
            let batch = Batch { signal, rows, payload_hash: at as u128, repeatable: false, answer };
            runtime.block_on(store.write(&TenantName::default(), batch)).unwrap();
            if at < sealed {
                store.seal().unwrap();
            }
        }
        let engine = Engine::new(store, crate::engine::Limits::default()).unwrap();
        Self { engine, reader: Reader::of(TenantName::default()), runtime, _dir: dir }
    }

    fn ask(&self, sql: &str) -> Vec<Vec<Value>> {
        let answer = self.runtime.block_on(self.engine.sql(&self.reader, sql));
        let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
        answer.batches.iter().flat_map(json_rows).collect()
    }

    fn check(&self, state: &str, expected: &[(String, Vec<Vec<Value>>)]) -> Result<(), TestCaseError> {
        for (sql, expected) in expected {
            let found = self.ask(sql);
            let differs = found.iter().zip(expected).find(|(found, expected)| found != expected);
            prop_assert!(differs.is_none(), "{}: {}: (found, expected): {:?}", state, sql, differs);
            prop_assert_eq!(found.len(), expected.len(), "{}: {}", state, sql);
        }
        Ok(())
    }
}

/// The attributes of the rows, from what they were made of.
fn made(requests: &[Vec<Row>; 2]) -> Vec<Vec<Value>> {
    let row = |row: &Row| {
        let last = |key: &str| row.attributes.iter().rev().find(|(other, _)| *other == key);
        let text = |key: &str| last(key).and_then(|(_, value)| value.text().map(|text| text.into_owned()));
        let texts = KEYS.iter().map(|key| json!(text(key)));
        std::iter::once(json!(stored(row))).chain(texts).collect()
    };
    requests.iter().flatten().map(row).collect()
}

fn check(signal: Signal, requests: &[Vec<Row>; 2], conditions: &[String]) -> Result<(), TestCaseError> {
    let fresh = Stored::new(signal, requests, 0);
    let each = KEYS.map(|key| format!("attributes['{key}']")).join(", ");
    let attributes = format!("SELECT concat(attributes, ''), {each} FROM {} ORDER BY seq", signal.table());
    let mut expected = vec![(attributes, made(requests))];
    fresh.check("fresh", &expected)?;
    for question in conditions.iter().flat_map(|condition| questions(signal, condition)) {
        let answer = fresh.ask(&question);
        expected.push((question, answer));
    }
    Stored::new(signal, requests, 1).check("half sealed", &expected)?;
    let sealed = Stored::new(signal, requests, 2);
    sealed.check("sealed", &expected)?;
    sealed.runtime.block_on(sealed.engine.compact()).unwrap();
    sealed.check("merged", &expected)
}

fn config(rounds: u32) -> ProptestConfig {
    let asked = std::env::var("CAUSEWAY_SQL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let cases = asked.unwrap_or(rounds);
    ProptestConfig { cases, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(ROUNDS))]

    #[test]
    fn logs_answer_the_same_sealed(
        requests in requests(0),
        mut conditions in vec(condition(Signal::Logs), 3),
    ) {
        conditions.push("true".to_owned());
        check(Signal::Logs, &requests, &conditions)?;
    }

    #[test]
    fn spans_answer_the_same_sealed(
        requests in requests(0),
        mut conditions in vec(condition(Signal::Spans), 3),
    ) {
        conditions.push("true".to_owned());
        check(Signal::Spans, &requests, &conditions)?;
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn logs_of_several_blocks_answer_the_same_sealed(
        requests in requests(MANY),
        conditions in vec(condition(Signal::Logs), 2),
    ) {
        check(Signal::Logs, &requests, &conditions)?;
    }
}
