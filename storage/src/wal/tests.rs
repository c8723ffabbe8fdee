use super::*;
use crate::testing::{logs, request};
use model::{Answer, Signal, TenantId, UnixNanos};

const START: WalStart = WalStart { writer: 0, sealed: WalPosition(0), next_seq: 0 };

fn frame(number: u64) -> Frame {
    let rows = logs("a", number as i64, &["one", "two"]);
    let mut batch = request(Signal::Logs, rows, u128::from(number));
    batch.answer = Answer { rejected: number, message: format!("message {number}") };
    Frame { tenant: TenantId(3), arrival: UnixNanos(5), batch }
}

/// Opens a log and returns it with the hashes and first `seq`s that it held.
fn open(dir: &Path, start: WalStart) -> (Wal, Recovery, Vec<(u128, i64)>) {
    let mut found = Vec::new();
    let (wal, recovery) = Wal::recover(dir, start, &mut |at, frame| {
        found.push((frame.batch.payload_hash, at.first_seq));
        Ok(())
    })
    .unwrap();
    (wal, recovery, found)
}

fn commit(wal: &mut Wal, numbers: std::ops::Range<u64>) {
    let payloads: Vec<_> = numbers.map(|number| (frame(number).encode().unwrap(), 2)).collect();
    wal.commit(&payloads, &Timings::default()).unwrap();
}

/// The one log file of a directory.
fn log_file(dir: &Path) -> PathBuf {
    let mut files = file::list(dir).unwrap();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[test]
fn a_payload_comes_back_whole() {
    let before = frame(9);
    let after = Frame::decode(&before.encode().unwrap()).unwrap();
    assert_eq!((after.tenant, after.arrival), (before.tenant, before.arrival));
    assert_eq!(after.batch.rows, before.batch.rows);
    assert_eq!(after.batch.answer, before.batch.answer);
    assert_eq!(after.batch.payload_hash, 9);
    assert!(after.batch.repeatable);
}

#[test]
fn frames_survive_a_restart_with_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, _, found) = open(dir.path(), START);
    assert!(found.is_empty());
    commit(&mut wal, 0..2);
    commit(&mut wal, 2..3);
    drop(wal);
    let (mut wal, recovery, found) = open(dir.path(), START);
    assert_eq!(recovery, Recovery { frames: 3, damaged: 0, torn_bytes: 0 });
    assert_eq!(found, [(0, 0), (1, 2), (2, 4)]);
    commit(&mut wal, 3..4);
    assert_eq!((wal.last(), wal.next_seq()), (WalPosition(4), 8));
}

#[test]
fn sealed_frames_are_not_replayed_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    commit(&mut wal, 0..3);
    let next_seq = wal.next_seq();
    drop(wal);
    let start = WalStart { sealed: WalPosition(3), next_seq, ..START };
    let (mut wal, recovery, found) = open(dir.path(), start);
    assert_eq!((recovery.frames, found.len()), (0, 0));
    commit(&mut wal, 3..4);
    assert_eq!((wal.last(), wal.next_seq()), (WalPosition(4), 8));
}

#[test]
fn the_writer_number_stands_above_the_count() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), WalStart { writer: 5, ..START });
    commit(&mut wal, 0..1);
    assert_eq!(wal.next_seq(), (5 << 51) + 2);
}

#[test]
fn a_file_cut_anywhere_keeps_every_whole_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    let mut ends = vec![40];
    for number in 0..3 {
        commit(&mut wal, number..number + 1);
        ends.push(std::fs::metadata(log_file(dir.path())).unwrap().len());
    }
    drop(wal);
    let whole = std::fs::read(log_file(dir.path())).unwrap();
    for cut in 0..whole.len() as u64 {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("1-0.wal"), &whole[..cut as usize]).unwrap();
        let expected = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        let mut found = 0;
        let recovery = Wal::peek(copy.path(), WalPosition(0), &mut |_, _| {
            found += 1;
            Ok(())
        });
        let recovery = recovery.unwrap();
        assert_eq!((found, recovery.damaged), (expected, 0), "cut at {cut}");
        assert_eq!(recovery.torn_bytes > 0, !ends.contains(&cut) && cut > 0, "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_loses_at_most_its_own_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    (0..3).for_each(|number| commit(&mut wal, number..number + 1));
    drop(wal);
    let whole = std::fs::read(log_file(dir.path())).unwrap();
    let name = log_file(dir.path()).file_name().unwrap().to_owned();
    for at in (40..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join(&name), &bytes).unwrap();
        let (_, recovery, found) = open(copy.path(), START);
        // The four reserved bytes of a header are covered by its checksum, too: every byte counts.
        assert_eq!(found.len(), 2, "flipped at {at}");
        assert_eq!(recovery.damaged + u64::from(recovery.torn_bytes > 0), 1, "flipped at {at}");
    }
}

#[test]
fn a_damaged_file_header_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    commit(&mut wal, 0..3);
    drop(wal);
    let path = log_file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in [0, 12, 20, 38] {
        bytes[byte] ^= 0x55;
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(open(dir.path(), START).2, [(0, 0), (1, 2), (2, 4)]);
}

#[test]
fn a_payload_that_looks_like_a_frame_is_not_taken_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    commit(&mut wal, 0..1);
    let inner = std::fs::read(log_file(dir.path())).unwrap()[40..].to_vec();
    // A frame with a header of its own in the payload, as another file would have it.
    wal.commit(&[(inner, 2)], &Timings::default()).unwrap();
    commit(&mut wal, 1..2);
    drop(wal);
    let (_, recovery, found) = open(dir.path(), START);
    assert_eq!(found.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(recovery.damaged, 1);
}

#[test]
fn frames_of_a_file_that_was_to_be_deleted_are_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    commit(&mut wal, 0..2);
    wal.rotate().unwrap();
    commit(&mut wal, 2..4);
    drop(wal);
    let start = WalStart { sealed: WalPosition(2), next_seq: 4, ..START };
    let (_, recovery, found) = open(dir.path(), start);
    assert_eq!(recovery.frames, 2);
    assert_eq!(found, [(2, 4), (3, 6)]);
}

#[test]
fn a_torn_tail_is_cut_and_appended_after() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    commit(&mut wal, 0..2);
    drop(wal);
    let path = log_file(dir.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let (mut wal, recovery, found) = open(dir.path(), START);
    assert_eq!((recovery.frames, found.len()), (1, 1));
    assert!(recovery.torn_bytes > 0);
    commit(&mut wal, 5..6);
    drop(wal);
    let (_, recovery, found) = open(dir.path(), START);
    assert_eq!(found, [(0, 0), (5, 2)]);
    assert_eq!(recovery, Recovery { frames: 2, damaged: 0, torn_bytes: 0 });
}

#[test]
fn a_file_without_a_header_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("00000000000000000001-0.wal"), b"CWWAL").unwrap();
    let (mut wal, ..) = open(dir.path(), START);
    commit(&mut wal, 0..1);
    drop(wal);
    assert_eq!(open(dir.path(), START).2, [(0, 0)]);
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, ..) = open(dir.path(), START);
    drop(wal);
    let path = log_file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..36]);
    bytes[36..40].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let refused = Wal::recover(dir.path(), START, &mut |_, _| Ok(()));
    assert!(matches!(refused, Err(StoreError::NewerFormat { found: 2, known: 1, .. })), "{refused:?}");
}
