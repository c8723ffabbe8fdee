//! Content codings, and bodies that unfold to far more than they are.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

/// Level of all zstd frames made here.
const ZSTD_LEVEL: i32 = 3;

/// As one gzip member, as small as it can be: for zeros a thousandth.
pub fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes").into()
}

/// As gzip members of about the same length, one after the other.
pub fn gzip_members(bytes: &[u8], members: usize) -> Bytes {
    let size = bytes.len().div_ceil(members).max(1);
    bytes.chunks(size).flat_map(|part| gzip(part).to_vec()).collect()
}

/// As one zstd frame.
pub fn zstd(bytes: &[u8]) -> Bytes {
    ::zstd::encode_all(bytes, ZSTD_LEVEL).expect("a vector takes all bytes").into()
}

/// What a gzip body holds.
pub fn gunzip(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain.into())
}

/// What a zstd body holds.
pub fn unzstd(bytes: &[u8]) -> std::io::Result<Bytes> {
    Ok(::zstd::decode_all(bytes)?.into())
}

/// The same compressed part many times over: a body of zeros that is small until it is unfolded.
pub fn repeated(part: &Bytes, times: usize) -> Bytes {
    part.repeat(times).into()
}
