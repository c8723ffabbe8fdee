//! Numbers of few bytes: seven bits in each, the lowest first, the highest bit set in all but the last. Signed ones are
//! folded first, so that small ones stay small: 0, -1, 1, -2 are 0, 1, 2, 3.

use super::OutlineError;

/// The most bytes of a number.
const BYTES_MAX: usize = 10;

/// Writes a number.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a number that may be negative.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.all.len()
    }

    /// So many bytes, or as many as there are.
    pub(super) fn bytes_up_to(&mut self, count: usize) -> &'a [u8] {
        let end = self.all.len().min(self.at.saturating_add(count));
        let bytes = &self.all[self.at..end];
        self.at = end;
        bytes
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], OutlineError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.all.len());
        let end = end.ok_or_else(|| self.damaged(what))?;
        let bytes = &self.all[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// A length or count of four bytes.
    pub(super) fn length(&mut self, what: &'static str) -> Result<usize, OutlineError> {
        let bytes = self.bytes(size_of::<u32>(), what)?;
        Ok(bytes.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    /// A number.
    pub(super) fn varint(&mut self, what: &'static str) -> Result<u64, OutlineError> {
        let mut number = 0u64;
        for place in 0..BYTES_MAX {
            let byte = self.bytes(1, what)?[0];
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged(what))
    }

    /// A number that may be negative.
    pub(super) fn signed(&mut self, what: &'static str) -> Result<i64, OutlineError> {
        let folded = self.varint(what)?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    pub(super) fn damaged(&self, what: &'static str) -> OutlineError {
        OutlineError::Damaged { at: self.at, bytes: self.all.len(), what }
    }
}
