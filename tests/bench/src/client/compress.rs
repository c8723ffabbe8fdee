//! Bodies made small, at the levels that clients use who have little time.

use std::io::Write;

use anyhow::{Context, Result};
use bytes::Bytes;

use super::Compression;

/// The level of zstd.
const ZSTD_LEVEL: i32 = 1;

/// A body as it travels over HTTP.
pub(crate) fn compress(compression: Compression, body: Vec<u8>) -> Result<Bytes> {
    let packed = match compression {
        Compression::None => body,
        Compression::Gzip => {
            let out = Vec::with_capacity(body.len() / 4);
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
            encoder.write_all(&body).and_then(|()| encoder.finish()).context("gzip failed")?
        }
        Compression::Zstd => zstd::bulk::compress(&body, ZSTD_LEVEL).context("zstd failed")?,
    };
    Ok(packed.into())
}
