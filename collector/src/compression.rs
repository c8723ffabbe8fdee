//! Decompression that stops at a limit.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::Bytes;

use crate::sink::SinkError;

/// The names of the compressions in the form of `Accept-Encoding`.
pub(crate) const ACCEPTED: &str = "gzip, zstd, deflate, identity";

/// How much is decompressed at a time, in bytes. What is decompressed lies in pieces of this size until its
/// length is known, so that a bomb never costs more than the limit and one piece.
const PIECE_BYTES: usize = 256 * 1024;

/// The largest zstd window, as a power of two of bytes: 8 MiB, which RFC 9659 sets for HTTP. A frame may
/// name one of 2 GiB in four bytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Identity,
    Gzip,
    Zstd,
    Deflate,
    /// Snappy's block format, which tells its length at its beginning.
    Snappy,
}

/// Why a body could not be decompressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompressionError {
    #[error("more than {0} bytes after decompression")]
    TooLarge(usize),
    #[error("the body is damaged: {0}")]
    Damaged(#[from] io::Error),
    #[error(transparent)]
    Room(#[from] SinkError),
}

/// Told of every length that a payload reaches, so that it can take room for it, or stop.
pub(crate) type Reached<'a> = &'a mut dyn FnMut(usize) -> Result<(), SinkError>;

impl Compression {
    /// The compression a header names; `None` if it is not known or there are several.
    pub(crate) fn from_header(value: &str) -> Option<Self> {
        let mut found = Self::Identity;
        for name in value.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            let compression = match name.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Self::Gzip,
                "zstd" => Self::Zstd,
                "deflate" => Self::Deflate,
                _ => return None,
            };
            if found != Self::Identity {
                return None;
            }
            found = compression;
        }
        Some(found)
    }

    /// The bytes before compression, read to the end of the last member; an error past `limit` of them.
    pub(crate) fn decompress(
        self,
        bytes: Bytes,
        limit: usize,
        reached: Reached<'_>,
    ) -> Result<Bytes, CompressionError> {
        if self == Self::Identity || bytes.is_empty() {
            return if bytes.len() > limit { Err(CompressionError::TooLarge(limit)) } else { Ok(bytes) };
        }
        match self {
            Self::Gzip => read(flate2::bufread::MultiGzDecoder::new(&bytes[..]), limit, reached),
            Self::Deflate => read(flate2::bufread::ZlibDecoder::new(&bytes[..]), limit, reached),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&bytes[..])?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                read(decoder, limit, reached)
            }
            Self::Snappy => block(&bytes, limit, reached),
            Self::Identity => Ok(bytes),
        }
    }
}

fn block(bytes: &[u8], limit: usize, reached: Reached<'_>) -> Result<Bytes, CompressionError> {
    let length = snap::raw::decompress_len(bytes).map_err(io::Error::from)?;
    if length > limit {
        return Err(CompressionError::TooLarge(limit));
    }
    reached(length)?;
    let whole = snap::raw::Decoder::new().decompress_vec(bytes).map_err(io::Error::from)?;
    Ok(whole.into())
}

fn read(mut reader: impl Read, limit: usize, reached: Reached<'_>) -> Result<Bytes, CompressionError> {
    let mut pieces = VecDeque::new();
    let mut total = 0;
    loop {
        let wanted = PIECE_BYTES.min(limit - total + 1);
        let mut piece = Vec::new();
        let got = reader.by_ref().take(wanted as u64).read_to_end(&mut piece)?;
        total += got;
        if total > limit {
            return Err(CompressionError::TooLarge(limit));
        }
        reached(total)?;
        pieces.push_back(piece);
        if got < wanted {
            return Ok(join(pieces, total));
        }
    }
}

/// Puts the pieces together, giving each back as soon as it is copied.
fn join(mut pieces: VecDeque<Vec<u8>>, total: usize) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop_front().unwrap_or_default().into();
    }
    let mut whole = Vec::with_capacity(total);
    while let Some(piece) = pieces.pop_front() {
        whole.extend_from_slice(&piece);
    }
    whole.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 3).unwrap()
    }

    #[test]
    fn headers_name_one_compression() {
        let cases = [
            ("", Some(Compression::Identity)),
            ("identity", Some(Compression::Identity)),
            ("GZip", Some(Compression::Gzip)),
            ("gzip, identity", Some(Compression::Gzip)),
            ("zstd", Some(Compression::Zstd)),
            ("deflate", Some(Compression::Deflate)),
            ("br", None),
            ("gzip, zstd", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Compression::from_header(header), expected, "{header}");
        }
    }

    #[test]
    fn members_are_read_to_the_end_and_the_limit_holds() {
        let text: Vec<u8> = (0..700_000u32).flat_map(|number| number.to_le_bytes()).collect();
        let half = text.len() / 2;
        let cases = [
            ("gzip", Compression::Gzip, gzip(&text)),
            ("gzip members", Compression::Gzip, [gzip(&text[..half]), gzip(&text[half..])].concat()),
            ("zstd", Compression::Zstd, zstd(&text)),
            ("zstd frames", Compression::Zstd, [zstd(&text[..half]), zstd(&text[half..])].concat()),
            ("deflate", Compression::Deflate, deflate(&text)),
            ("identity", Compression::Identity, text.clone()),
        ];
        for (name, compression, body) in cases {
            let body = Bytes::from(body);
            let found = compression.decompress(body.clone(), text.len(), &mut |_| Ok(())).unwrap();
            assert!(found == text, "{name}");
            let error = compression.decompress(body, text.len() - 1, &mut |_| Ok(())).unwrap_err();
            assert!(matches!(error, CompressionError::TooLarge(_)), "{name}: {error}");
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let zeros = vec![0; 1 << 20];
        for (name, compression, member) in
            [("gzip", Compression::Gzip, gzip(&zeros)), ("zstd", Compression::Zstd, zstd(&zeros))]
        {
            let bomb = Bytes::from(member.repeat(1000));
            let error = compression.decompress(bomb, 1 << 20, &mut |_| Ok(())).unwrap_err();
            assert!(matches!(error, CompressionError::TooLarge(_)), "{name}: {error}");
        }
    }

    #[test]
    fn a_payload_stops_where_room_does() {
        let body = Bytes::from(gzip(&vec![0; 4 * PIECE_BYTES]));
        let mut seen = Vec::new();
        let full = SinkError::Invalid("full".to_owned());
        let error = Compression::Gzip.decompress(body, usize::MAX / 2, &mut |total| {
            seen.push(total);
            if total > PIECE_BYTES { Err(full.clone()) } else { Ok(()) }
        });
        assert!(matches!(error, Err(CompressionError::Room(found)) if found == full));
        assert_eq!(seen, [PIECE_BYTES, 2 * PIECE_BYTES]);
    }

    #[test]
    fn damage_is_an_error() {
        let cases = [
            ("cut gzip", Compression::Gzip, gzip(b"some text")[..15].to_vec()),
            ("trailing gzip", Compression::Gzip, [gzip(b"some text"), b"more".to_vec()].concat()),
            ("no gzip", Compression::Gzip, b"plain".to_vec()),
            ("cut zstd", Compression::Zstd, zstd(b"some text")[..12].to_vec()),
            ("no zstd", Compression::Zstd, b"plain".to_vec()),
            // A frame that asks for a window of 2 GiB.
            ("wide zstd", Compression::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]),
        ];
        for (name, compression, body) in cases {
            let error = compression.decompress(body.into(), 1000, &mut |_| Ok(())).unwrap_err();
            assert!(matches!(error, CompressionError::Damaged(_)), "{name}: {error}");
        }
    }
}
