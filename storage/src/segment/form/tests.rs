use arrow::compute::{concat_batches, lexsort_to_indices};
use model::{AnyValue, UnixNanos, packed};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::columns::join;
use crate::memtable::with_store_columns;
use crate::testing::rows;

/// Times near each other and at the ends of the range, where distances overflow.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![5 => 0..1_000i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => any::<i64>()]
}

fn body() -> impl Strategy<Value = Option<String>> {
    let line =
        (0..50u32, "[a-z]{1,4}").prop_map(|(id, word)| format!("request {id} by {word} took {}ms", id * 7));
    option::of(
        prop_oneof![4 => line, 1 => ".*", 1 => Just("\u{1a}\u{1f}".to_owned()), 1 => Just(String::new())],
    )
}

const RESOURCES: [&str; 4] = [
    "{}",
    "{\"service.instance.id\":\"i\",\"service.namespace\":\"n\",\"service.version\":\"1\"}",
    "{\"deployment.environment\":\"old\",\"host.name\":\"h\",\"k8s.pod.name\":\"p\"}",
    "{\"deployment.environment.name\":7,\"service.version\":\"\"}",
];

fn word() -> impl Strategy<Value = Option<&'static str>> {
    option::of(prop_oneof![Just("n"), Just("1"), Just("i"), Just("p"), Just("7"), Just("x")])
}

#[derive(Debug, Clone)]
struct Row {
    times: (i64, Option<i64>),
    number: Option<i64>,
    severity: Option<&'static str>,
    body: Option<String>,
    resource: usize,
    words: [Option<&'static str>; 4],
    attributes: Vec<(String, AnyValue)>,
}

fn value() -> impl Strategy<Value = AnyValue> {
    prop_oneof![
        "[a-c\"\\\\é]{0,3}".prop_map(AnyValue::String),
        (-3..3i64).prop_map(AnyValue::Int),
        prop_oneof![Just(f64::NAN), Just(-0.0), Just(1.5), Just(f64::INFINITY)].prop_map(AnyValue::Double),
        any::<bool>().prop_map(AnyValue::Bool),
        Just(AnyValue::Null),
        Just(AnyValue::Bytes(vec![1, 2])),
        Just(AnyValue::Array(vec![AnyValue::Int(1)])),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let severity = option::of(prop_oneof![Just("info"), Just("error"), Just("loud")]);
    let attributes = vec(("[ab]|k\\.é|\"", value()), 0..4);
    (
        (time(), option::of(time())),
        option::of(-1..26i64),
        severity,
        body(),
        0..RESOURCES.len(),
        [word(), word(), word(), word()],
        attributes,
    )
        .prop_map(|(times, number, severity, body, resource, words, attributes)| Row {
            times,
            number,
            severity,
            body,
            resource,
            words,
            attributes,
        })
}

fn batch(all: &[Row], first_seq: i64) -> RecordBatch {
    fn text<T: Into<Option<String>>>(values: impl Iterator<Item = T>) -> ArrayRef {
        Arc::new(values.map(Into::into).collect::<StringArray>())
    }
    let stored = all.iter().map(|row| {
        let mut writer = model::AttributesWriter::default();
        row.attributes.iter().for_each(|(key, value)| writer.put(key, value));
        let mut text = String::new();
        writer.finish(&mut text);
        text
    });
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let times = |values: Vec<Option<i64>>| -> ArrayRef {
        Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC"))
    };
    let column = |at: usize| text(all.iter().map(|row| owned(row.words[at])));
    let given: Vec<(&str, ArrayRef)> = vec![
        ("time", times(all.iter().map(|row| Some(row.times.0)).collect())),
        ("observed_time", times(all.iter().map(|row| row.times.1).collect())),
        ("severity_number", Arc::new(all.iter().map(|row| row.number).collect::<Int64Array>())),
        ("severity", text(all.iter().map(|row| owned(row.severity)))),
        ("body", text(all.iter().map(|row| row.body.clone()))),
        ("resource_attributes", text(all.iter().map(|row| RESOURCES[row.resource].to_owned()))),
        ("service_namespace", column(0)),
        ("deployment_environment", column(1)),
        ("service_version", column(2)),
        ("service_instance_id", column(3)),
        ("attributes", text(stored)),
    ];
    let wire = rows(Signal::Logs, all.len(), &given);
    with_store_columns(Signal::Logs, &wire, first_seq, UnixNanos(0)).unwrap()
}

/// Rows by `seq`, with text columns as plain text.
fn comparable(batches: &[RecordBatch]) -> RecordBatch {
    let joined = concat_batches(batches[0].schema_ref(), batches).unwrap();
    let seq = arrow::compute::SortColumn {
        values: Arc::clone(joined.column_by_name("seq").unwrap()),
        options: None,
    };
    let order = lexsort_to_indices(&[seq], None).unwrap();
    let sorted = take_record_batch(&joined, &order).unwrap();
    let plain = sorted.schema_ref().fields().iter().zip(sorted.columns()).map(|(field, column)| {
        let plain = match column.data_type() {
            DataType::Dictionary(..) => arrow::compute::cast(column, &DataType::Utf8).unwrap(),
            _ => Arc::clone(column),
        };
        (field.name().clone(), plain, true)
    });
    RecordBatch::try_from_iter_with_nullable(plain).unwrap()
}

proptest! {
    #[test]
    fn every_row_comes_back(rows in vec(vec(row(), 1..20), 1..4)) {
        let mut seq = 0;
        let batches: Vec<RecordBatch> = rows.iter().map(|rows| {
            let batch = batch(rows, seq);
            seq += rows.len() as i64;
            batch
        }).collect();
        let (layout, joined) = join(Signal::Logs, &batches.iter().collect::<Vec<_>>()).unwrap();
        let mut folder = Folder::new(&layout);
        let half = joined.num_rows() / 2;
        let blocks = [joined.slice(0, half), joined.slice(half, joined.num_rows() - half)];
        let mut back = Vec::new();
        for block in blocks.iter().filter(|block| block.num_rows() > 0) {
            let folded = folder.fold(block).unwrap();
            prop_assert_eq!(folded.num_rows(), block.num_rows());
            let unfolded = unfold(Signal::Logs, &folded, Wanted::All).unwrap();
            back.push(packed::unpack(&unfolded).unwrap());
        }
        prop_assert_eq!(comparable(&back), comparable(&batches));
    }
}

#[test]
fn what_follows_from_other_columns_takes_no_room() {
    let row = |number: i64| Row {
        times: (number * 10, Some(number * 10 + 3)),
        number: Some(9),
        severity: Some("info"),
        body: Some(format!("request {number} took {number} ms")),
        resource: 1,
        words: [Some("n"), None, Some("1"), Some("i")],
        attributes: Vec::new(),
    };
    let (layout, joined) = join(Signal::Logs, &[&batch(&(0..10).map(row).collect::<Vec<_>>(), 0)]).unwrap();
    let folded = Folder::new(&layout).fold(&joined).unwrap();
    let follows =
        ["observed_time", "severity", "service_namespace", "service_version", "service_instance_id", "body"];
    for column in follows {
        assert_eq!(folded.column_by_name(column).unwrap().null_count(), 10, "{column}");
    }
    let templates = folded.column_by_name(BODY_TEMPLATE).unwrap();
    assert_eq!(templates.as_dictionary::<Int32Type>().values().len(), 1);
}

#[test]
fn only_the_columns_asked_for_are_read() {
    let names = [
        "seq",
        "time",
        "attributes",
        "end_time",
        "start_time",
        "duration_ns",
        "attributes.a",
        "attributes.b",
    ];
    let read = |wanted: &[&str]| file_columns(names.into_iter(), Wanted::Columns(wanted));
    assert_eq!(read(&["time"]), ["time"]);
    assert_eq!(read(&["end_time"]), ["end_time", "start_time", "duration_ns"]);
    assert_eq!(read(&["attributes.b"]), ["attributes", "attributes.b"]);
    assert_eq!(read(&["attributes"]), ["attributes", "attributes.a", "attributes.b"]);
}
