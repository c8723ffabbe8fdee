//! The filter over the trace ids of a segment.
//!
//! It answers for most segments that a trace is not there, without a look at their files. At 250 segments a filter
//! that is wrong once in 1,000 sends a fifth of all unknown ids to some segment; one that is wrong once in 65,536
//! sends one in 260. So it is a binary fuse filter with fingerprints of 16 bits, over XXH3 (64 bits) of the ids.
//!
//! Over a million ids, in bytes an id and wrong answers to a million unknown ones (the test
//! `filters_by_size_and_error` measures both):
//!
//! | filter | bytes | wrong |
//! |---|---|---|
//! | binary fuse, 16 bits | 2.35 | 9 |
//! | split block Bloom, made for 1 in 200 (version 1) | 2.09 | 1,009 |
//! | split block Bloom, made for 1 in 65,536 | 4.19 | 35 |
//!
//! The size of a Bloom filter is a power of two, so it takes up to twice what its error needs; here the first does.
//!
//! Building one takes 26 bytes an id on top of the hashes, so ids are parted by their hash into filters of
//! [`PART_IDS`] at most, which are built one after another: 3.4 MB at a time.
//!
//! The bytes of the filter in a footer, all numbers little-endian: the number of parts (4), then each part: its seed
//! (8), the length of its segments (4), the length of all segments but two (4), and the fingerprints (2 each, so
//! many as all segments are long). An id of hash *h* is in part *h* · parts / 2⁶⁴. Seeds, positions and fingerprints
//! are those of the paper's reference implementation (Graf and Lemire, Binary Fuse Filters).

#[cfg(test)]
mod tests;

use parquet::bloom_filter::Sbbf;
use xorf::{BinaryFuse16, Descriptor, Filter};
use xxhash_rust::xxh3::xxh3_64;

use super::footer::number;
use crate::error::{Result, StoreError};

/// The most ids in a part, but for how evenly hashes fall.
const PART_IDS: usize = 1 << 17;
/// So many hashes are collected before repeated ones are looked for.
const HASHES_MIN: usize = 1 << 16;
/// Bytes of a block of a split block Bloom filter.
const BLOOM_BLOCK_BYTES: usize = 32;
/// Bytes of a part before its fingerprints.
const PART_HEAD_BYTES: usize = 16;

/// The filter of a segment as it is written.
#[derive(Debug)]
pub(crate) struct TraceFilter {
    parts: Vec<BinaryFuse16>,
}

/// The filter of a segment as it is read, by the version of its footer.
#[derive(Debug)]
pub(crate) enum StoredFilter {
    /// Version 1: a split block Bloom filter.
    Bloom(Sbbf),
    /// Version 2.
    Fuse(TraceFilter),
}

impl StoredFilter {
    /// Whether a trace may be there.
    pub(crate) fn may_have(&self, id: &[u8; 16]) -> bool {
        match self {
            Self::Bloom(filter) => filter.check(id.as_slice()),
            Self::Fuse(filter) => filter.may_have(id),
        }
    }

    /// Its bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bloom(filter) => filter.num_blocks() * BLOOM_BLOCK_BYTES,
            Self::Fuse(filter) => filter.bytes(),
        }
    }
}

impl TraceFilter {
    /// A filter over the ids of these hashes. `None` if there are none.
    pub(super) fn of(hashes: TraceHashes) -> Result<Option<Self>> {
        let hashes = hashes.distinct();
        if hashes.is_empty() {
            return Ok(None);
        }
        let count = hashes.len().div_ceil(PART_IDS);
        let mut rest = hashes.as_slice();
        let parts = (0..count).map(|number| {
            let end = rest.partition_point(|hash| part_of(*hash, count) <= number);
            let (mine, after) = rest.split_at(end);
            rest = after;
            BinaryFuse16::try_from(mine).map_err(|why| {
                let why = format!("the filter over {} trace ids: {why}", mine.len());
                StoreError::Arrow(arrow::error::ArrowError::ComputeError(why))
            })
        });
        Ok(Some(Self { parts: parts.collect::<Result<_>>()? }))
    }

    fn may_have(&self, id: &[u8; 16]) -> bool {
        let hash = xxh3_64(id);
        self.parts.get(part_of(hash, self.parts.len())).is_some_and(|part| part.contains(&hash))
    }

    fn bytes(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| size_of::<BinaryFuse16>() + size_of_val::<[u16]>(&part.fingerprints)).sum()
    }

    /// Its bytes in a footer.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes() + self.parts.len() * PART_HEAD_BYTES + 4);
        out.extend((self.parts.len() as u32).to_le_bytes());
        for BinaryFuse16 { descriptor, fingerprints } in &self.parts {
            out.extend(descriptor.seed.to_le_bytes());
            out.extend(descriptor.segment_length.to_le_bytes());
            out.extend(descriptor.segment_count_length.to_le_bytes());
            fingerprints.iter().for_each(|fingerprint| out.extend(fingerprint.to_le_bytes()));
        }
        out
    }

    /// The filter of a footer; `None` if these are not the bytes of one.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let count = number(&mut bytes)? as usize;
        // Bytes bound the parts, and not the number that is said.
        let parts: Vec<_> = (0..count).map_while(|_| part(&mut bytes)).collect();
        (bytes.is_empty() && count > 0 && parts.len() == count).then_some(Self { parts })
    }
}

/// The part of a hash: parts are even ranges of hashes.
fn part_of(hash: u64, parts: usize) -> usize {
    ((u128::from(hash) * parts as u128) >> 64) as usize
}

/// Reads a part. What the descriptor says is checked, since a look-up trusts it with positions.
fn part(rest: &mut &[u8]) -> Option<BinaryFuse16> {
    let (seed, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    let segment_length = number(rest)?;
    let segment_count_length = number(rest)?;
    let whole = segment_length.is_power_of_two()
        && segment_count_length > 0
        && segment_count_length % segment_length == 0;
    if !whole {
        return None;
    }
    let count = segment_length.checked_mul(2)?.checked_add(segment_count_length)? as usize;
    let (fingerprints, tail) = rest.split_at_checked(count.checked_mul(2)?)?;
    *rest = tail;
    let descriptor = Descriptor {
        seed: u64::from_le_bytes(*seed),
        segment_length,
        segment_length_mask: segment_length - 1,
        segment_count_length,
    };
    let (pairs, _) = fingerprints.as_chunks::<2>();
    Some(BinaryFuse16 {
        descriptor,
        fingerprints: pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect(),
    })
}

/// Hashes of trace ids as they come. Repeats go while they are collected, so that it never holds many more than
/// twice the distinct ones: spans of a trace stand together, and logs repeat their ids at any distance.
#[derive(Debug, Default)]
pub(super) struct TraceHashes {
    hashes: Vec<u64>,
    /// How many were left when repeats were last taken out.
    distinct: usize,
}

impl TraceHashes {
    /// Adds an id.
    pub(super) fn add(&mut self, id: &[u8; 16]) {
        let hash = xxh3_64(id);
        if self.hashes.last() == Some(&hash) {
            return;
        }
        if self.hashes.len() >= self.distinct.saturating_mul(2).max(HASHES_MIN) {
            self.dedup();
        }
        self.hashes.push(hash);
    }

    fn dedup(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.distinct = self.hashes.len();
    }

    /// All hashes in order, each once.
    fn distinct(mut self) -> Vec<u64> {
        self.dedup();
        self.hashes
    }
}
