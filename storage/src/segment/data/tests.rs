use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use proptest::prelude::*;

use super::*;
use arrow::array::Array as _;

/// The values and the rows of each block.
type Blocks = Vec<(Vec<String>, Rows)>;

/// Rows of a column: places among values, or null.
type Rows = Vec<Option<usize>>;

fn texts(values: &[String], rows: &[Option<usize>]) -> ArrayRef {
    let keys: Int32Array = rows.iter().map(|row| row.map(|place| place as i32)).collect();
    let values = StringArray::from_iter_values(values);
    Arc::new(DictionaryArray::try_new(keys, Arc::new(values)).unwrap())
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(compression())
        .set_data_page_row_count_limit(BLOCK_ROWS)
        .set_write_batch_size(BLOCK_ROWS)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build()
}

fn write(blocks: &[RecordBatch]) -> Bytes {
    let mut writer = DataWriter::new(Vec::new(), blocks[0].schema_ref(), properties()).unwrap();
    assert_eq!(writer.own, [true]);
    blocks.iter().for_each(|block| writer.write(block).unwrap());
    writer.finish().unwrap().into()
}

fn write_with_parquet(blocks: &[RecordBatch]) -> Bytes {
    let mut writer = ArrowWriter::try_new(Vec::new(), blocks[0].schema(), Some(properties())).unwrap();
    blocks.iter().for_each(|block| writer.write(block).unwrap());
    writer.into_inner().unwrap().into()
}

fn metadata(file: &Bytes) -> ParquetMetaData {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(file, options).unwrap();
    metadata.metadata().as_ref().clone()
}

fn read(file: &Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().build().unwrap();
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

/// What a batch of one text column says, row by row.
fn said(batch: &RecordBatch) -> Vec<Option<String>> {
    let plain = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
    let plain = plain.as_any().downcast_ref::<StringArray>().unwrap().clone();
    plain.iter().map(|text| text.map(str::to_owned)).collect()
}

/// Writes the same blocks here and with Parquet's own writer, and compares what both files say.
fn check(nullable: bool, blocks: &[(Vec<String>, Rows)]) {
    let field = Field::new("text", model::schema::dictionary(), nullable);
    let schema = Arc::new(Schema::new(vec![field]));
    let blocks = blocks
        .iter()
        .map(|(values, rows)| RecordBatch::try_new(Arc::clone(&schema), vec![texts(values, rows)]).unwrap());
    let blocks: Vec<RecordBatch> = blocks.collect();
    let (ours, theirs) = (write(&blocks), write_with_parquet(&blocks));
    let expected: Vec<Option<String>> = blocks.iter().flat_map(said).collect();
    assert!(said(&read(&ours)) == expected, "rows");
    let (ours, theirs) = (metadata(&ours), metadata(&theirs));
    assert_eq!(ours.num_row_groups(), theirs.num_row_groups());
    for (group, (ours, theirs)) in ours.row_groups().iter().zip(theirs.row_groups()).enumerate() {
        let (ours, theirs) = (ours.column(0), theirs.column(0));
        assert_eq!(ours.statistics(), theirs.statistics(), "row group {group}");
        assert_eq!(ours.num_values(), theirs.num_values(), "row group {group}");
    }
    let rows = |metadata: &ParquetMetaData| {
        let pages = metadata.offset_index().unwrap().iter().flat_map(|columns| columns[0].page_locations());
        pages.map(|page| page.first_row_index).collect::<Vec<_>>()
    };
    // Dictionaries fill up in the middle of a page here, and at the end of one there.
    let own: Vec<i64> = rows(&ours).into_iter().filter(|row| *row % BLOCK_ROWS as i64 == 0).collect();
    let other: Vec<i64> = rows(&theirs).into_iter().filter(|row| *row % BLOCK_ROWS as i64 == 0).collect();
    assert_eq!(own, other, "first rows of pages");
}

/// Values with a prefix, and a block's rows by what stands in each.
fn values(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

fn rows(count: usize, row: impl Fn(usize) -> Option<usize>) -> Rows {
    (0..count).map(row).collect()
}

#[test]
fn files_say_the_same_as_those_of_parquets_writer() {
    let block = BLOCK_ROWS;
    let long = |count: usize| (0..count).map(|number| format!("{number:0>300}")).collect::<Vec<_>>();
    let cases: Vec<(bool, Blocks)> = vec![
        (true, vec![(vec![], rows(10, |_| None))]),
        (true, vec![(values("a", 1), rows(10, |_| Some(0)))]),
        (false, vec![(values("a", 1), rows(block, |_| Some(0)))]),
        (false, vec![(values("a", 3), rows(block, |row| Some(row % 3)))]),
        (true, vec![(values("a", 300), rows(block, |row| (row % 7 != 0).then_some(row % 300)))]),
        (true, vec![(values("a", 9), rows(block, |row| (row > 8000).then_some(row % 9)))]),
        (true, vec![(values("a", 2), rows(block - 3, |row| (row == 77).then_some(1)))]),
        // Dictionaries that differ from block to block and share values.
        (
            true,
            vec![
                (values("a", 20), rows(block, |row| Some(row % 20))),
                (values("", 5), rows(block, |_| None)),
                (values("a", 40), rows(block, |row| Some(row / 205))),
                (values("b", 4), rows(5, |row| (row != 3).then_some(row % 4))),
            ],
        ),
        // More than one row group.
        (
            true,
            (0..17).map(|number| (values("a", 50), rows(block, |row| Some((row + number) % 50)))).collect(),
        ),
        // The dictionary fills up; texts are longer than statistics may be.
        (
            true,
            (0..3).map(|_| (long(6000), rows(block, |row| (row % 5 != 0).then_some(row % 6000)))).collect(),
        ),
        (false, vec![(long(2), rows(9, |row| Some(row % 2)))]),
        (false, vec![(vec!["é".repeat(60), "\u{10ffff}".repeat(20)], rows(9, |row| Some(row % 2)))]),
        // A value that no row has does not count.
        (true, vec![(values("a", 5), rows(9, |_| Some(2)))]),
    ];
    for (nullable, blocks) in cases {
        check(nullable, &blocks);
    }
}

/// A value of a dictionary may itself be null.
#[test]
fn a_null_among_the_values_is_null() {
    let keys = Int32Array::from(vec![Some(0), Some(1), None, Some(1), Some(0)]);
    let values = StringArray::from(vec![Some("a"), None]);
    let column: ArrayRef = Arc::new(DictionaryArray::try_new(keys, Arc::new(values)).unwrap());
    let schema = Arc::new(Schema::new(vec![Field::new("text", model::schema::dictionary(), true)]));
    let file = write(&[RecordBatch::try_new(schema, vec![column]).unwrap()]);
    let a = || Some("a".to_owned());
    assert_eq!(said(&read(&file)), [a(), None, None, None, a()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Runs of any lengths, of values and of nulls.
    #[test]
    fn runs_are_read_back(
        nullable: bool,
        count in 1usize..600,
        runs in prop::collection::vec((prop::option::of(0usize..600), 1usize..40), 1..300),
    ) {
        let mut column: Rows = runs
            .iter()
            .flat_map(|(place, length)| std::iter::repeat_n(place.map(|place| place % count), *length))
            .map(|place| if nullable { place } else { place.or(Some(0)) })
            .collect();
        column.truncate(BLOCK_ROWS);
        check(nullable, &[(values("value ", count), column)]);
    }
}
