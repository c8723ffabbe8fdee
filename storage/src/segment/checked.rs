//! A file that is read in blocks, each held to a checksum the first time it is read.
//!
//! Parquet's own page checksums are not written by the crate we use. Here the file is cut into blocks of
//! [`BLOCK_BYTES`]; the CRC32C of each stands in the segment's footer file. A block that does not match is an
//! error that names the file, and nothing is answered from it.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes in a block but the last.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

/// Sums blocks while a file is written.
#[derive(Debug, Default)]
pub(crate) struct BlockSums {
    sums: Vec<u32>,
    current: u32,
    filled: usize,
}

impl BlockSums {
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.filled));
            self.current = crc32c::crc32c_append(self.current, now);
            self.filled += now.len();
            if self.filled == BLOCK_BYTES {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.sums.push(self.current);
        (self.current, self.filled) = (0, 0);
    }

    /// The sum of each block.
    pub(crate) fn finish(mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.end_block();
        }
        self.sums
    }
}

/// The sums of a file, and which of its blocks were found to match.
#[derive(Debug)]
pub(crate) struct Checked {
    sums: Vec<u32>,
    seen: Vec<AtomicU64>,
}

impl Checked {
    pub(crate) fn new(sums: Vec<u32>) -> Self {
        let seen = (0..sums.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { sums, seen }
    }

    fn was_seen(&self, block: usize) -> bool {
        let bits = self.seen.get(block / 64).map_or(0, |bits| bits.load(Ordering::Relaxed));
        bits & (1 << (block % 64)) != 0
    }

    fn see(&self, block: usize) {
        if let Some(bits) = self.seen.get(block / 64) {
            bits.fetch_or(1 << (block % 64), Ordering::Relaxed);
        }
    }
}

/// A file whose blocks are checked as they are read. A file of the first format has no sums and is read as it is.
#[derive(Debug, Clone)]
pub(crate) struct CheckedFile {
    file: Arc<File>,
    path: Arc<PathBuf>,
    length: u64,
    checked: Option<Arc<Checked>>,
}

impl CheckedFile {
    pub(crate) fn new(file: File, path: PathBuf, checked: Option<Arc<Checked>>) -> std::io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), path: Arc::new(path), length, checked })
    }

    /// Bytes of a range, every block they lie in checked.
    pub(crate) fn range(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| self.damaged("it ends early"))?;
        let Some(checked) = &self.checked else { return self.read(start, length) };
        let block = BLOCK_BYTES as u64;
        let (first, last) = (start / block, end.div_ceil(block));
        if (first..last).all(|block| checked.was_seen(block as usize)) {
            return self.read(start, length);
        }
        let from = first * block;
        let bytes = self.read(from, ((last * block).min(self.length) - from) as usize)?;
        for (place, part) in bytes.chunks(BLOCK_BYTES).enumerate() {
            let number = first as usize + place;
            if checked.sums.get(number) != Some(&crc32c::crc32c(part)) {
                return Err(self.damaged("its checksum does not match"));
            }
            checked.see(number);
        }
        Ok(bytes.slice((start - from) as usize..(start - from) as usize + length))
    }

    fn read(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }

    fn damaged(&self, what: &str) -> ParquetError {
        ParquetError::General(format!("{} is damaged: {what}", self.path.display()))
    }
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for CheckedFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(Box::new(Blocks { file: self.clone(), at: start, block: Cursor::new(Bytes::new()) }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.range(start, length)
    }
}

/// Reads on from a place, block by block.
struct Blocks {
    file: CheckedFile,
    at: u64,
    block: Cursor<Bytes>,
}

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.block.read(out)?;
        if read > 0 || out.is_empty() || self.at >= self.file.length {
            return Ok(read);
        }
        let end = (self.at / BLOCK_BYTES as u64 + 1) * BLOCK_BYTES as u64;
        let length = end.min(self.file.length) - self.at;
        let bytes = self.file.range(self.at, length as usize).map_err(std::io::Error::other)?;
        self.at += length;
        self.block = Cursor::new(bytes);
        self.block.read(out)
    }
}
