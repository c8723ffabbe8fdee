use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{AnyValue, AttributesWriter};

type Row = Vec<(String, AnyValue)>;

fn put(columns: &mut AttributeColumns, key: &str, value: &AnyValue) {
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

fn pack(rows: &[Row], columns_max: usize) -> RecordBatch {
    let mut columns = AttributeColumns::new(columns_max);
    for row in rows {
        for (key, value) in row {
            put(&mut columns, key, value);
        }
        columns.end_row();
    }
    let (rest, columns) = columns.finish();
    let mut fields = vec![Field::new(REST_COLUMN, DataType::Utf8, true)];
    let mut arrays = vec![rest];
    for (field, array) in columns {
        fields.push(field);
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn expected(rows: &[Row]) -> Vec<String> {
    let mut writer = AttributesWriter::default();
    let texts = rows.iter().map(|row| {
        row.iter().for_each(|(key, value)| writer.put(key, value));
        let mut text = String::new();
        writer.finish(&mut text);
        text
    });
    texts.collect()
}

fn found(batch: &RecordBatch) -> Vec<String> {
    let text = attributes(batch).unwrap();
    text.iter().map(|text| text.unwrap().to_owned()).collect()
}

fn text(value: &str) -> AnyValue {
    AnyValue::String(value.to_owned())
}

fn row(entries: &[(&str, AnyValue)]) -> Row {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// What the columns are called, and the rest.
fn check(rows: &[Row], columns_max: usize, names: &[&str], rest: &[Option<&str>]) {
    let batch = pack(rows, columns_max);
    let schema = batch.schema();
    let found_names: Vec<&str> = schema.fields().iter().filter_map(|field| key(field.name())).collect();
    assert_eq!(found_names, names);
    let found_rest: &StringArray = batch.column(0).as_string();
    assert_eq!(found_rest.iter().collect::<Vec<_>>(), rest);
    assert_eq!(found(&batch), expected(rows));
}

#[test]
fn the_first_type_of_a_key_is_its_columns() {
    let rows = [
        row(&[("b", AnyValue::Int(1)), ("a", text("x"))]),
        row(&[("b", text("two")), ("c", AnyValue::Null)]),
        row(&[("c", AnyValue::Bool(true)), ("b", AnyValue::Int(3))]),
        row(&[]),
    ];
    check(&rows, 9, &["a", "b", "c"], &[None, Some(r#"{"b":"two","c":null}"#), None, None]);
}

#[test]
fn the_last_value_of_a_key_wins_whatever_the_types() {
    type Case<'a> = (&'a [(&'a str, AnyValue)], Option<&'a str>);
    let cases: [Case<'_>; 6] = [
        (&[("k", AnyValue::Int(1)), ("k", AnyValue::Int(2))], None),
        (&[("k", AnyValue::Int(1)), ("k", text("x"))], Some(r#"{"k":"x"}"#)),
        (&[("k", text("x")), ("k", AnyValue::Int(1))], None),
        (&[("k", AnyValue::Null), ("k", AnyValue::Int(1))], None),
        (&[("k", AnyValue::Int(1)), ("k", AnyValue::Null)], Some(r#"{"k":null}"#)),
        (
            &[("k", AnyValue::Int(1)), ("k", text("x")), ("k", AnyValue::Int(2)), ("k", text("y"))],
            Some(r#"{"k":"y"}"#),
        ),
    ];
    for (entries, rest) in cases {
        // Once with the column made before, once with it made in the row itself.
        check(&[row(&[("k", AnyValue::Int(0))]), row(entries)], 9, &["k"], &[None, rest]);
        let alone = pack(&[row(entries)], 9);
        assert_eq!(found(&alone), expected(&[row(entries)]));
        assert!(alone.columns()[1..].iter().all(|column| column.null_count() == 0), "{entries:?}");
    }
}

#[test]
fn keys_past_the_limit_are_in_the_rest() {
    let rows = [row(&[("a", text("1")), ("b", text("2")), ("c", AnyValue::Int(3))])];
    check(&rows, 1, &["a"], &[Some(r#"{"b":"2","c":3}"#)]);
    check(&rows, 0, &[], &[Some(r#"{"a":"1","b":"2","c":3}"#)]);
}

#[test]
fn sparse_keys_are_in_the_rest() {
    // A key at the beginning and at the end of many rows without it, another in all of them.
    let mut rows = vec![row(&[("every", AnyValue::Int(1))]); 5000];
    rows[0] = row(&[("seldom", text("first")), ("every", AnyValue::Int(1)), ("\"", AnyValue::Null)]);
    rows[4999] = row(&[("seldom", text("last")), ("late", AnyValue::Bool(true))]);
    let mut rest = vec![None; 5000];
    rest[0] = Some(r#"{"\"":null,"seldom":"first"}"#);
    rest[4999] = Some(r#"{"late":true,"seldom":"last"}"#);
    check(&rows, 9, &["every"], &rest);
    // Many values late in a batch are a column.
    let late: Vec<Row> = (0..5000)
        .map(|index| match index < 4000 {
            true => row(&[("x", AnyValue::Int(1))]),
            false => row(&[("t", text("v")), ("i", AnyValue::Int(index)), ("b", AnyValue::Bool(true))]),
        })
        .collect();
    check(&late, 9, &["b", "i", "t", "x"], &vec![None; 5000]);
    // The same without the second value: only the end tells that the column is sparse.
    rows[4999] = Row::new();
    rest[4999] = None;
    check(&rows, 9, &["every"], &rest);
}

#[test]
fn equal_texts_are_kept_once_and_different_ones_at_no_cost() {
    let column = |value: fn(usize) -> String| {
        let rows: Vec<Row> =
            (0..4000).map(|index| vec![("k".to_owned(), AnyValue::String(value(index)))]).collect();
        let batch = pack(&rows, 9);
        assert_eq!(found(&batch), expected(&rows));
        batch.column(1).as_dictionary::<Int32Type>().values().len()
    };
    assert_eq!(column(|index| (index % 7).to_string()), 7);
    assert_eq!(column(|index| index.to_string()), 4000);
}

#[test]
fn text_that_is_not_utf8_is_not_taken() {
    let mut columns = AttributeColumns::new(9);
    assert!(columns.key(b"\xff").is_none());
    let key = columns.key(b"k").unwrap();
    assert!(!columns.set_text(key, b"\xff"));
    let key = columns.key(b"k").unwrap();
    assert!(columns.set_text(key, b"right"));
    columns.end_row();
    let (_, columns) = columns.finish();
    assert_eq!(columns.len(), 1);
    assert_eq!(columns[0].1.null_count(), 0);
}

/// The rows of a column of text.
fn texts(column: TextColumn) -> Vec<Option<String>> {
    let array = column.finish(&mut Zeros::default());
    let dictionary = array.as_dictionary::<Int32Type>();
    let values = dictionary.values().as_string::<i32>();
    let keys = dictionary.keys().iter();
    keys.map(|key| key.map(|key| values.value(key as usize).to_owned())).collect()
}

#[test]
fn values_are_found_however_many_there_are() {
    // Of so many different values some are scanned, some looked up by hash, and some no longer.
    for different in [1, 2, 8, 9, 10, 127, 128, 129, 200, 1023, 1024, 1025, 3000] {
        for repeated in [1, 3, 20] {
            let mut column = TextColumn::default();
            let value = |row: usize| {
                (!row.is_multiple_of(11)).then(|| format!("{}-value", row / repeated % different))
            };
            let expected: Vec<Option<String>> = (0..3000).map(value).collect();
            expected.iter().for_each(|value| column.push_option(value.as_deref()));
            assert_eq!(column.len(), 3000);
            assert_eq!(column.get(2999), expected[2999].as_deref());
            assert_eq!(texts(column), expected, "{different} values, {repeated} times");
        }
    }
}

#[test]
fn rows_of_text_are_taken_back_and_padded_anywhere() {
    let steps: [(usize, Option<&str>); 9] = [
        (3, Some("a")),
        (4, Some("b")),
        (4, Some("c")),
        (9, Some("a")),
        (2, None),
        (5, Some("a")),
        (1, Some("")),
        (1, None),
        (7, Some("d")),
    ];
    let mut column = TextColumn::default();
    let mut expected: Vec<Option<String>> = Vec::new();
    for (row, value) in steps {
        match value {
            Some(value) => assert!(column.set_bytes(row, value.as_bytes())),
            None => column.truncate(row),
        }
        expected.resize(row, None);
        expected.extend(value.map(|value| Some(value.to_owned())));
        assert_eq!(column.len(), expected.len());
        let found: Vec<_> = (0..expected.len()).map(|row| column.get(row).map(str::to_owned)).collect();
        assert_eq!(found, expected);
    }
    column.pad_front(2);
    column.push_null();
    column.push_many(Some("e"), 2);
    expected.splice(..0, [None, None]);
    expected.extend([None, Some("e".to_owned()), Some("e".to_owned())]);
    assert_eq!(texts(column), expected);
}

#[test]
fn texts_are_equal_only_byte_by_byte() {
    for length in 0..40 {
        let text = vec![b'x'; length];
        assert!(super::text::equal(&text, &text.clone()));
        assert!(!super::text::equal(&text, &vec![b'x'; length + 1]));
        for at in 0..length {
            let mut other = text.clone();
            other[at] = b'y';
            assert!(!super::text::equal(&text, &other), "byte {at} of {length}");
        }
    }
}

#[test]
fn columns_without_values_share_their_zeros() {
    let mut zeros = Zeros::default();
    let mut columns = [TextColumn::default(), TextColumn::default()];
    columns.iter_mut().for_each(|column| column.pad(100));
    let columns = columns.map(|column| column.finish(&mut zeros));
    assert_eq!(columns.each_ref().map(|column| (column.len(), column.null_count())), [(100, 100); 2]);
    let place = |column: &ArrayRef| column.as_dictionary::<Int32Type>().keys().values().as_ptr();
    assert_eq!(place(&columns[0]), place(&columns[1]));
    assert_eq!(zeros.column::<Int64Type>(100, false).values().as_ref(), [0; 100]);
}

#[test]
fn a_row_that_was_not_ended_is_left_out() {
    let mut columns = AttributeColumns::new(9);
    columns.put_int("a", 1);
    columns.end_row();
    columns.put_int("a", 2);
    let (rest, columns) = columns.finish();
    assert_eq!((rest.len(), columns[0].1.len()), (1, 1));
}

#[test]
fn the_logical_form_is_unpacked_as_it_is() {
    let text = StringArray::from(vec!["{}", "{\"a\":1}"]);
    let schema = Schema::new(vec![Field::new(REST_COLUMN, DataType::Utf8, false)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(text)]).unwrap();
    assert_eq!(unpack(&batch).unwrap(), batch);
}

#[test]
fn a_column_of_another_type_is_an_error_that_names_it() {
    let schema = Schema::new(vec![
        Field::new(REST_COLUMN, DataType::Utf8, true),
        Field::new("attributes.x", DataType::Int8, true),
    ]);
    let batch = RecordBatch::new_empty(Arc::new(schema));
    assert!(unpack(&batch).unwrap_err().to_string().contains("`attributes.x` holds Int8"));
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let double =
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(-0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY),];
    let leaf = prop_oneof![
        3 => "[a-c\"\\\\\u{1}é]{0,3}".prop_map(AnyValue::String),
        1 => any::<String>().prop_map(AnyValue::String),
        2 => any::<i64>().prop_map(AnyValue::Int),
        2 => double.prop_map(AnyValue::Double),
        1 => any::<bool>().prop_map(AnyValue::Bool),
        1 => vec(any::<u8>(), 0..5).prop_map(AnyValue::Bytes),
        1 => Just(AnyValue::Null),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(AnyValue::Array),
            vec(("[$a-b]{0,2}", inner), 0..3).prop_map(AnyValue::Map),
        ]
    })
}

fn any_row() -> impl Strategy<Value = Row> {
    let key = prop_oneof![4 => "[a-d]", 1 => "[ab\"\\\\\u{1}\u{7f}é!#\\[\\]]{0,3}"];
    vec((key, any_value()), 0..6)
}

proptest! {
    #[test]
    fn unpacking_gives_back_what_was_packed(rows in vec(any_row(), 0..12), columns_max in 0_usize..6) {
        let batch = pack(&rows, columns_max);
        prop_assert!(batch.num_columns() <= columns_max + 1);
        prop_assert_eq!(found(&batch), expected(&rows));
        let keys: Vec<String> =
            batch.schema().fields().iter().filter_map(|field| key(field.name()).map(str::to_owned)).collect();
        prop_assert!(keys.is_sorted());
        // Packing what was unpacked, as the store does, loses nothing either.
        let again: Vec<Row> = found(&batch).iter().map(|text| crate::attributes::parse(text)).collect();
        prop_assert_eq!(found(&pack(&again, columns_max)), expected(&rows));
    }
}
