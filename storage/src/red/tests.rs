use arrow::array::{ArrayRef, StringArray};
use model::{Signal, Sketch};

use super::*;
use crate::columns::packed_form;
use crate::testing::rows;

fn texts<S: AsRef<str>>(texts: &[S]) -> ArrayRef {
    Arc::new(StringArray::from(texts.iter().map(AsRef::as_ref).collect::<Vec<_>>()))
}

/// Whom a client span calls, by its attributes in columns of their own and as they were before there were any.
#[test]
fn peers_follow_from_attributes() {
    let cases: &[(&str, Option<(&str, &str)>)] = &[
        ("{}", None),
        (r#"{"peer.service":"pay"}"#, Some(("pay", "service"))),
        (r#"{"peer.service":"pay","server.address":"10.0.0.1"}"#, Some(("pay", "service"))),
        (r#"{"peer.service":"","server.address":"10.0.0.1"}"#, Some(("10.0.0.1", "external"))),
        (r#"{"service.peer.name":"pay"}"#, Some(("pay", "service"))),
        (
            r#"{"db.namespace":"orders","db.system.name":"postgresql"}"#,
            Some(("postgresql/orders", "database")),
        ),
        (
            r#"{"db.name":"orders","db.system":"mysql","net.peer.name":"db1"}"#,
            Some(("mysql/orders", "database")),
        ),
        (
            r#"{"db.system":"redis","server.address":"cache","server.port":6379}"#,
            Some(("redis/cache", "database")),
        ),
        (r#"{"db.system":"redis"}"#, Some(("redis", "database"))),
        (
            r#"{"messaging.destination.name":"orders","messaging.system":"kafka"}"#,
            Some(("kafka/orders", "queue")),
        ),
        (
            r#"{"messaging.destination":"jobs","messaging.system":"rabbitmq"}"#,
            Some(("rabbitmq/jobs", "queue")),
        ),
        (r#"{"messaging.system":"sqs"}"#, Some(("sqs", "queue"))),
        (r#"{"rpc.service":"shop.Cart","server.address":"cart"}"#, Some(("shop.Cart", "external"))),
        (r#"{"server.address":"api.example","server.port":443}"#, Some(("api.example:443", "external"))),
        (r#"{"net.peer.name":"old.example","net.peer.port":"80"}"#, Some(("old.example:80", "external"))),
        (r#"{"url.full":"https://u:p@api.example:8443/a?b=c://d"}"#, Some(("api.example:8443", "external"))),
        (r#"{"http.url":"http://old.example"}"#, Some(("old.example", "external"))),
        (r#"{"http.url":"/relative"}"#, None),
        (r#"{"http.url":"http://"}"#, None),
    ];
    let attributes: Vec<&str> = cases.iter().map(|case| case.0).collect();
    for kind in ["client", "producer", "server", "consumer", "internal", "unspecified"] {
        let kinds = vec![kind; cases.len()];
        let logical =
            rows(Signal::Spans, cases.len(), &[("kind", texts(&kinds)), ("attributes", texts(&attributes))]);
        for batch in [packed_form(&logical).unwrap(), logical] {
            let (mut peers, mut words) = (Peers::new(&batch).unwrap(), Words::default());
            for (row, (attributes, expected)) in cases.iter().enumerate() {
                let found = peers.peer(row, &mut words);
                let found =
                    found.map(|peer| (words.text(peer.name).unwrap(), words.text(peer.kind).unwrap()));
                let calls = matches!(kind, "client" | "producer");
                assert_eq!(found, expected.filter(|_| calls), "{kind} {attributes}");
            }
        }
    }
}

#[test]
fn a_number_means_one_text() {
    let mut words = Words::default();
    let first = words.number("a");
    assert_eq!((words.number("other"), words.number("a"), words.number("")), (OTHER, first, 0));
    assert_eq!(words.join(first, '/', OTHER), words.number("a/other"));
    assert_eq!((words.text(first), words.text(NONE)), (Some("a"), None));
}

#[test]
fn rows_of_the_table_that_are_no_rows_are_refused() {
    let spans = rows(Signal::Spans, 2, &[]);
    let table = roll_up(std::slice::from_ref(&spans)).unwrap();
    assert_eq!(table.num_rows(), 1);
    let mut durations = BinaryBuilder::new();
    durations.append_value(b"no sketch");
    let mut columns = table.columns().to_vec();
    columns[table.schema_ref().index_of("duration").unwrap()] = Arc::new(durations.finish());
    let damaged = RecordBatch::try_new(table.schema(), columns).unwrap();
    assert!(RollUp::default().add_rows(&damaged).is_err());
    assert!(RollUp::default().add_rows(&spans).is_err());
    let mut twice = RollUp::default();
    twice.add_rows(&table).unwrap();
    twice.add_rows(&table).unwrap();
    let twice = twice.drain().unwrap();
    assert_eq!(numbers::<Float64Type>(&twice, "calls").unwrap().values().to_vec(), [4.0]);
    let sketch = twice.column_by_name("duration").unwrap().as_binary::<i32>().value(0);
    assert_eq!(Sketch::decode(sketch).unwrap().count(), 4.0);
}
