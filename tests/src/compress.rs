//! Content codings, and bodies that unfold to far more than they are.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, read::MultiGzDecoder, write::GzEncoder};

/// Level of all zstd frames made here.
const ZSTD_LEVEL: i32 = 3;

/// Zeros in one part of a bomb, in bytes.
pub const ZEROS_BYTES: usize = 16 << 20;

/// Room for one part of a bomb once compressed, in bytes; deflate makes a thousandth of zeros.
const PACKED_ZEROS_BYTES_MAX: usize = 1 << 20;

/// What Adler-32 counts by.
const ADLER_MODULUS: usize = 65_521;

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

/// So many parts of zeros, each a gzip member.
pub fn zeros_as_gzip_members(parts: usize) -> Bytes {
    gzip(&zeros()).repeat(parts).into()
}

/// So many parts of zeros as a single gzip member.
pub fn zeros_as_gzip(parts: usize) -> Bytes {
    // Ten bytes: magic, deflate, no flags, no time, no level, system unknown.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut part = Crc::new();
    part.update(&zeros());
    let mut all = Crc::new();
    (0..parts).for_each(|_| all.combine(&part));
    // The trailer has the length modulo 2^32.
    let length = (parts * ZEROS_BYTES) as u32;
    [&HEADER[..], &deflated_zeros(parts), &all.sum().to_le_bytes(), &length.to_le_bytes()].concat().into()
}

/// So many parts of zeros as HTTP's `deflate`, which is zlib's form.
pub fn zeros_as_deflate(parts: usize) -> Bytes {
    const HEADER: [u8; 2] = [0x78, 0x01];
    // Of zeros the first sum of Adler-32 stays 1, so the second is their number.
    let adler = ((parts * ZEROS_BYTES % ADLER_MODULUS) as u32) << 16 | 1;
    [&HEADER[..], &deflated_zeros(parts), &adler.to_be_bytes()].concat().into()
}

/// So many parts of zeros, each a zstd frame.
pub fn zeros_as_zstd_frames(parts: usize) -> Bytes {
    zstd(&zeros()).repeat(parts).into()
}

/// So many parts of zeros as a single zstd frame, with the encoder's own window.
pub fn zeros_as_zstd(parts: usize) -> Bytes {
    let zeros = zeros();
    let mut encoder = ::zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).expect("an encoder starts");
    (0..parts).for_each(|_| encoder.write_all(&zeros).expect("a vector takes all bytes"));
    encoder.finish().expect("a vector takes all bytes").into()
}

/// One deflate stream. A part is compressed once: after a full flush the stream refers to nothing before it and
/// stands at a whole byte, so the same part may follow as often as one likes.
fn deflated_zeros(parts: usize) -> Vec<u8> {
    // The last block, empty, by the fixed codes.
    const END: [u8; 2] = [0x03, 0x00];
    let mut part = Vec::with_capacity(PACKED_ZEROS_BYTES_MAX);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(&zeros(), &mut part, FlushCompress::Full).expect("zeros can be compressed");
    assert_eq!(compress.total_in(), ZEROS_BYTES as u64, "a part has no room");
    let mut stream = part.repeat(parts);
    stream.extend(END);
    stream
}

fn zeros() -> Vec<u8> {
    vec![0; ZEROS_BYTES]
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    #[test]
    fn bombs_hold_what_they_say() {
        let inflate = |bytes: &[u8]| {
            let mut plain = Vec::new();
            ZlibDecoder::new(bytes).read_to_end(&mut plain).map(|_| Bytes::from(plain))
        };
        type Case = (&'static str, fn(usize) -> Bytes, fn(&[u8]) -> std::io::Result<Bytes>);
        let cases: [Case; 5] = [
            ("gzip members", zeros_as_gzip_members, gunzip),
            ("one gzip member", zeros_as_gzip, gunzip),
            ("deflate", zeros_as_deflate, inflate),
            ("zstd frames", zeros_as_zstd_frames, unzstd),
            ("one zstd frame", zeros_as_zstd, unzstd),
        ];
        for (what, pack, unpack) in cases {
            let packed = pack(3);
            assert!(packed.len() < 3 * ZEROS_BYTES / 500, "{what}: {} bytes", packed.len());
            let plain = unpack(&packed).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(plain.len(), 3 * ZEROS_BYTES, "{what}");
            assert!(plain.iter().all(|byte| *byte == 0), "{what}");
        }
    }
}
