//! The write-ahead log: what was answered is in here until a segment has it.
//!
//! Terms:
//! - *frame*: one request after admission, with the answer it was given ([`Frame`]).
//! - *position*: the number of a frame in this store; it only grows.
//! - *group commit*: all frames that wait are written together and synced once.
//!
//! Files: `wal/{first position}-{salt}.wal`. A new file begins whenever the memtables are frozen, so that a
//! file can be deleted as soon as its frames are in segments. The bytes are described in [`frame`] and
//! [`file`], and for people in docs/format-wal.md.

mod frame;
mod file;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use file::WalFile;
pub(crate) use file::{random, sync_dir};
pub(crate) use frame::Frame;
use frame::Header;

use crate::error::{Result, StoreError};
use crate::timings::{Step, Timings};

/// The bits of `seq` that count a writer's rows; the 12 above name the writer.
const SEQ_COUNT_BITS: u32 = 51;

/// Where a frame stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct WalPosition(pub u64);

/// A frame that is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    pub(crate) first_seq: i64,
}

/// What reading the log at start found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Frames that were read.
    pub frames: u64,
    /// Damaged frames that were passed over.
    pub damaged: u64,
    /// Bytes of unfinished frames, never acknowledged, that were cut.
    pub torn_bytes: u64,
}

/// The log, open for appending. One thread owns it.
#[derive(Debug)]
pub(crate) struct Wal {
    dir: PathBuf,
    file: WalFile,
    writer: u16,
    next_position: u64,
    next_count: i64,
    /// Why nothing may be acknowledged any more.
    poisoned: Option<String>,
    buffer: Vec<u8>,
}

/// Where a log begins to number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WalStart {
    /// The writer number of this log.
    pub(crate) writer: u16,
    /// Frames up to here are in segments.
    pub(crate) sealed: WalPosition,
    /// No row at or past this `seq` was given out before `sealed`.
    pub(crate) next_seq: i64,
}

impl Wal {
    /// Opens the log of a directory: reads every frame past `start.sealed` in order and hands it to `replay`,
    /// writes every whole frame once more at its place and syncs it, and cuts what is torn. Only then may
    /// anything be answered: after an unclean end, bytes that can be read need not be on the disk. Needs no
    /// free space but for the header of a first file.
    pub(crate) fn recover(
        dir: &Path,
        start: WalStart,
        replay: &mut dyn FnMut(Committed, Frame) -> Result<()>,
    ) -> Result<(Self, Recovery)> {
        std::fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
        let (mut last, mut count) = (start.sealed.0, seq_count(start.next_seq));
        let files = file::list(dir)?;
        let recovery = read_files(&files, start.sealed, &mut |header, frame| {
            last = header.position;
            count = count.max(seq_count(header.first_seq) + i64::from(header.rows));
            replay(Committed { first_seq: header.first_seq }, frame)
        })?;
        let mut open = None;
        for path in &files {
            open = WalFile::reopen(path)?.or(open);
        }
        let file = match open {
            Some(file) => file,
            None => WalFile::create(dir, last + 1, start.writer)?,
        };
        sync_dir(dir).map_err(StoreError::io("sync", dir))?;
        let wal = Self {
            dir: dir.to_owned(),
            file,
            writer: start.writer,
            next_position: last + 1,
            next_count: count,
            poisoned: None,
            buffer: Vec::new(),
        };
        Ok((wal, recovery))
    }

    /// Reads the frames past `sealed` without changing anything.
    pub(crate) fn peek(
        dir: &Path,
        sealed: WalPosition,
        replay: &mut dyn FnMut(Committed, Frame) -> Result<()>,
    ) -> Result<Recovery> {
        let files = if dir.is_dir() { file::list(dir)? } else { Vec::new() };
        read_files(&files, sealed, &mut |header, frame| {
            replay(Committed { first_seq: header.first_seq }, frame)
        })
    }

    /// Makes payloads durable with one write and one sync. Either all of them are, or none is answered for.
    pub(crate) fn commit(
        &mut self,
        payloads: &[(Vec<u8>, u32)],
        timings: &Timings,
    ) -> Result<Vec<Committed>> {
        if let Some(why) = &self.poisoned {
            return Err(StoreError::Poisoned(why.clone()));
        }
        let (mut position, mut count) = (self.next_position, self.next_count);
        let mut committed = Vec::with_capacity(payloads.len());
        self.buffer.clear();
        for (payload, rows) in payloads {
            let first_seq = (i64::from(self.writer) << SEQ_COUNT_BITS) | count;
            let header = Header {
                payload_bytes: payload.len() as u32,
                position,
                first_seq,
                rows: *rows,
                payload_crc: crc32c::crc32c(payload),
            };
            self.file.frame(&header, payload, &mut self.buffer);
            committed.push(Committed { first_seq });
            position += 1;
            count += i64::from(*rows);
        }
        let appended = timings.time(Step::Append, || self.file.append(&self.buffer));
        let written = appended.and_then(|()| timings.time(Step::Sync, || self.file.sync()));
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        if let Err(error) = written {
            if let StoreError::Poisoned(why) = &error {
                self.poisoned = Some(why.clone());
            }
            return Err(error);
        }
        (self.next_position, self.next_count) = (position, count);
        Ok(committed)
    }

    /// Begins a new file. Returns the last position before it, and the files that end there.
    pub(crate) fn rotate(&mut self) -> Result<(WalPosition, Vec<PathBuf>)> {
        let next = WalFile::create(&self.dir, self.next_position, self.writer)?;
        self.file = next;
        let mut old = file::list(&self.dir)?;
        old.retain(|path| *path != self.file.path);
        Ok((self.last(), old))
    }

    /// The position of the last frame.
    pub(crate) fn last(&self) -> WalPosition {
        WalPosition(self.next_position - 1)
    }

    /// The `seq` that the next row will have.
    pub(crate) fn next_seq(&self) -> i64 {
        (i64::from(self.writer) << SEQ_COUNT_BITS) | self.next_count
    }
}

/// How much of the commit buffer is kept between commits.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

fn seq_count(seq: i64) -> i64 {
    seq & ((1 << SEQ_COUNT_BITS) - 1)
}

/// Is given a frame with its header.
type EachFrame<'a> = dyn FnMut(Header, Frame) -> Result<()> + 'a;

/// Calls `each` for every good frame past `sealed`, each position once, in order.
fn read_files(files: &[PathBuf], sealed: WalPosition, each: &mut EachFrame<'_>) -> Result<Recovery> {
    let mut recovery = Recovery::default();
    let mut last = sealed.0;
    for path in files {
        let report = file::read(path, &mut |header, payload| {
            // Sealed frames stay until their file is deleted, which a crash can come before.
            if header.position <= last {
                return Ok(true);
            }
            match Frame::decode(payload) {
                Ok(frame) if frame.batch.rows.num_rows() == header.rows as usize => {
                    last = header.position;
                    recovery.frames += 1;
                    each(header, frame)?;
                    Ok(true)
                }
                Ok(_) => Ok(false),
                Err(why) => {
                    tracing::warn!(path = %path.display(), position = header.position, why, "unreadable frame");
                    Ok(false)
                }
            }
        })?;
        recovery.damaged += report.damaged;
        recovery.torn_bytes += report.torn_bytes;
    }
    Ok(recovery)
}
