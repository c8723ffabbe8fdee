use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use model::{Level, Predicate, Signal, TenantId, Test, UnixNanos, packed, schema};

use super::index::BLOCK_ROWS;
use super::*;
use crate::columns::{Layout, join};
use crate::memtable::with_store_columns;
use crate::testing::logs;

const BODIES: [&str; 4] =
    ["Connection refused by peer", "user logged in", "connection reset", "Refused: connection pool"];

fn write(root: &std::path::Path, indexed: bool) -> Segment {
    write_bodies(root, indexed, &BODIES)
}

fn write_bodies(root: &std::path::Path, indexed: bool, bodies: &[&str]) -> Segment {
    let rows =
        with_store_columns(Signal::Logs, &logs("a", 1_000, bodies), 10, UnixNanos(9_500_000_000)).unwrap();
    let (layout, rows) = join(Signal::Logs, &[&rows]).unwrap();
    let mut writer = SegmentWriter::create(root, TenantId(1), &layout, indexed, &Arc::default()).unwrap();
    writer.write(&sorted(Signal::Logs, &rows).unwrap()).unwrap();
    Segment::new(root, writer.finish().unwrap(), SegmentCaches::default())
}

fn read(segment: &Segment) -> RecordBatch {
    let batches: Vec<RecordBatch> =
        read_checked(segment).unwrap().map(|batch| packed::unpack(&batch.unwrap()).unwrap()).collect();
    let batches: Vec<RecordBatch> =
        batches.iter().map(|batch| sorted(Signal::Logs, batch).unwrap()).collect();
    concat_batches(&schema::stored(Signal::Logs), &batches).unwrap()
}

#[test]
fn rows_come_back_in_order_with_their_schema() {
    let root = tempfile::tempdir().unwrap();
    let segment = write(root.path(), false);
    let rows = read(&segment);
    assert_eq!(rows.schema(), schema::stored(Signal::Logs));
    let bodies: Vec<_> = rows.column_by_name("body").unwrap().as_string::<i32>().iter().flatten().collect();
    assert_eq!(bodies, BODIES);
    let footer = segment.footer().unwrap();
    assert_eq!((footer.rows, footer.first, footer.last), (4, 1_000, 1_003));
    assert_eq!((footer.first_seq, footer.last_seq, footer.first_arrival), (10, 13, 9_000_000_000));
    assert_eq!(footer.services.as_deref(), Some(["a".to_owned()].as_slice()));
}

#[test]
fn the_index_names_the_blocks() {
    let root = tempfile::tempdir().unwrap();
    let mut bodies: Vec<String> =
        (0..20_000).map(|at| format!("request {at} served in {} ms", at % 7)).collect();
    bodies[9_000] = "Connection refused by peer".to_owned();
    bodies[17_000] = "connection reset by 10.0.0.1".to_owned();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let segment = write_bodies(root.path(), true, &bodies);
    let attribute =
        |level, key: &str, value: &str| Predicate::Attribute(level, key.into(), Test::Equals(value.into()));
    let exists = |key: &str| Predicate::Attribute(Level::Any, key.into(), Test::Exists);
    // Expected blocks, and whether the filters may add others.
    let cases: [(Predicate, Option<&[u32]>); 12] = [
        (Predicate::Text("REFUSED".into()), Some(&[1])),
        (Predicate::Text("connection".into()), Some(&[1, 2])),
        (Predicate::Text("connection refused".into()), Some(&[1])),
        (Predicate::Text("served".into()), Some(&[0, 1, 2])),
        (Predicate::Text("--".into()), Some(&[])),
        (attribute(Level::Any, "user", "u0"), Some(&[0, 1, 2])),
        (attribute(Level::Resource, "user", "u0"), Some(&[])),
        (exists("user"), Some(&[0, 1, 2])),
        (exists("users"), Some(&[])),
        (Predicate::Text("connection".into()).and(attribute(Level::Record, "n", "17000")), Some(&[2])),
        (Predicate::Not(Box::new(Predicate::Text("connection".into()))), None),
        (
            Predicate::Or(vec![Predicate::Text("refused".into()), attribute(Level::Any, "n", "19999")]),
            Some(&[1, 2]),
        ),
    ];
    for (predicate, expected) in cases {
        let found = segment.candidates(&predicate).unwrap();
        let blocks = found.map(|rows| {
            let mut blocks: Vec<u32> = rows.iter().map(|row| row / BLOCK_ROWS as u32).collect();
            blocks.dedup();
            blocks
        });
        assert_eq!(blocks.as_deref(), expected, "{predicate:?}");
    }
    // A filter is wrong about one hash in 256, so of 2,000 unknown words it takes few for known, and of the
    // known ones it misses none.
    let known = |word: String| !segment.candidates(&Predicate::Text(word)).unwrap().unwrap().is_empty();
    assert!((0..9_000).step_by(7).all(|at| known(at.to_string())));
    assert!((0..2_000).filter(|at| known(format!("unknown{at}"))).count() < 100);
}

#[test]
fn chosen_rows_are_read_alone() {
    let root = tempfile::tempdir().unwrap();
    let segment = write(root.path(), false);
    let selection = Selection { rows: Some([1, 3].into_iter().collect()), ..Selection::default() };
    let (reader, numbers) = segment.read(Wanted::Columns(&["body"]), &selection).unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let bodies = concat_batches(&batches[0].schema(), &batches).unwrap();
    let bodies: Vec<_> = bodies.column(0).as_string::<i32>().iter().flatten().collect();
    // In the file, bodies of one template stand together: all four differ here.
    assert_eq!(bodies, [BODIES[1], BODIES[3]]);
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn damage_is_named_and_never_answered_from() {
    for file in [DATA_FILE, FOOTER_FILE, INDEX_FILE] {
        let root = tempfile::tempdir().unwrap();
        let segment = write(root.path(), true);
        let path = root.path().join(segment.meta.path()).join(file);
        let whole = std::fs::read(&path).unwrap();
        for damage in [whole[..whole.len() / 2].to_vec(), flipped(&whole, 20), Vec::new()] {
            std::fs::write(&path, damage).unwrap();
            let segment = Segment::new(root.path(), segment.meta.clone(), SegmentCaches::default());
            let answered = read_checked(&segment)
                .map(drop)
                .and_then(|()| segment.candidates(&Predicate::Text("refused".into())).map(drop));
            let error = answered.expect_err(file).to_string();
            assert!(error.contains(file) || error.contains("text index"), "{file}: {error}");
        }
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// A footer as version 1 wrote it: with a split block Bloom filter.
#[test]
fn the_filter_of_version_1_is_read() {
    let root = tempfile::tempdir().unwrap();
    let segment = write(root.path(), false);
    let path = root.path().join(segment.meta.path()).join(FOOTER_FILE);
    let mut filter = parquet::bloom_filter::Sbbf::new_with_ndv_fpp(2, 0.005).unwrap();
    filter.insert([7; 16].as_slice());
    let mut bitset = Vec::new();
    filter.write_bitset(&mut bitset).unwrap();
    let mut bytes = footer::encode(&segment.footer().unwrap(), None).unwrap();
    // Without its checksum and the length of no filter.
    bytes.truncate(bytes.len() - 8);
    bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
    bytes.extend((bitset.len() as u32).to_le_bytes());
    bytes.extend(bitset);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend(crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let segment = Segment::new(root.path(), segment.meta.clone(), SegmentCaches::default());
    assert!(segment.may_have_trace(&[7; 16]).unwrap());
    assert!(!segment.may_have_trace(&[8; 16]).unwrap());
}

#[test]
fn a_writer_that_is_given_up_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(Signal::Logs, Vec::new());
    drop(SegmentWriter::create(root.path(), TenantId(1), &layout, false, &Arc::default()).unwrap());
    let left = std::fs::read_dir(root.path().join("segments/00000001/logs")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_replaced_segment_goes_with_its_last_holder() {
    let root = tempfile::tempdir().unwrap();
    let segment = Arc::new(write(root.path(), false));
    let held = Arc::clone(&segment);
    let dir = root.path().join(segment.meta.path());
    segment.replace();
    drop(segment);
    assert!(dir.exists());
    assert_eq!(read(&held).num_rows(), 4);
    drop(held);
    assert!(!dir.exists());
}
