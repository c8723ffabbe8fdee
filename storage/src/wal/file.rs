//! One file of the log: a header of 40 bytes, then frames.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `CWWAL\0\0\0` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | writer number |
//! | 16 | 8 | salt, random |
//! | 24 | 8 | position of the first frame |
//! | 32 | 4 | zero |
//! | 36 | 4 | CRC32C of the 36 bytes above |
//!
//! Its name is the first position and the salt: `00000000000000000001-9a4f….wal`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::{HEADER_BYTES, Header, MAGIC, PAYLOAD_BYTES_MAX};
use crate::error::{Result, StoreError};

const FILE_MAGIC: [u8; 8] = *b"CWWAL\0\0\0";
const FILE_VERSION: u32 = 1;
const FILE_HEADER_BYTES: usize = 40;
/// How the names of log files end.
pub(super) const SUFFIX: &str = ".wal";

/// An open file of the log that frames are appended to.
#[derive(Debug)]
pub(super) struct WalFile {
    pub(super) path: PathBuf,
    file: File,
    salt: u64,
    /// How many bytes are whole: where the next frame goes.
    length: u64,
}

impl WalFile {
    /// Makes a new file whose first frame will have `position`, synced with its directory entry.
    pub(super) fn create(dir: &Path, position: u64, writer: u16) -> Result<Self> {
        let salt = random();
        let path = dir.join(format!("{position:020}-{salt:016x}{SUFFIX}"));
        let mut header = [0; FILE_HEADER_BYTES];
        header[0..8].copy_from_slice(&FILE_MAGIC);
        header[8..12].copy_from_slice(&FILE_VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&u32::from(writer).to_le_bytes());
        header[16..24].copy_from_slice(&salt.to_le_bytes());
        header[24..32].copy_from_slice(&position.to_le_bytes());
        let crc = crc32c::crc32c(&header[..36]);
        header[36..40].copy_from_slice(&crc.to_le_bytes());
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        let written = file.write_all(&header).and_then(|()| file.sync_all());
        if let Err(source) = written.and_then(|()| sync_dir(dir)) {
            drop(std::fs::remove_file(&path));
            return Err(StoreError::Io { what: "write", path, source });
        }
        Ok(Self { path, file, salt, length: FILE_HEADER_BYTES as u64 })
    }

    /// Opens a file of an earlier process for appending: writes its bytes once more up to the last whole frame,
    /// cuts what follows, and syncs. `None` for a file without a whole header, which is deleted: no frame was
    /// ever answered from it.
    pub(super) fn reopen(path: &Path) -> Result<Option<Self>> {
        let bytes = std::fs::read(path).map_err(StoreError::io("read", path))?;
        let Some(salt) = file_salt(path, &bytes)? else {
            if bytes.len() < FILE_HEADER_BYTES {
                std::fs::remove_file(path).map_err(StoreError::io("delete", path))?;
            }
            return Ok(None);
        };
        let mut end = FILE_HEADER_BYTES;
        let mut at = end;
        while at < bytes.len() {
            match whole_frame(&bytes[at..], salt) {
                Some((_, payload)) => {
                    at += HEADER_BYTES + payload.len();
                    end = at;
                }
                None => at = next_magic(&bytes, at + 1),
            }
        }
        let rewrite = || {
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.write_all(&bytes[..end])?;
            file.set_len(end as u64)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = rewrite().map_err(StoreError::io("write", path))?;
        Ok(Some(Self { path: path.to_owned(), file, salt, length: end as u64 }))
    }

    /// The bytes of a frame in this file.
    pub(super) fn frame(&self, header: &Header, payload: &[u8], out: &mut Vec<u8>) {
        out.extend(header.encode(self.salt));
        out.extend(payload);
    }

    /// Writes bytes after the last whole frame. After an error they are taken back, so that the file still
    /// ends with a whole frame.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(source) = self.file.write_all(bytes) {
            let back =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(match back {
                Ok(_) => StoreError::Io { what: "write", path: self.path.clone(), source },
                Err(again) => StoreError::Poisoned(format!("{source}, and could not be cut back: {again}")),
            });
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes all that was appended durable. A failure is final: see [`StoreError::Poisoned`].
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| StoreError::Poisoned(error.to_string()))
    }
}

/// What reading a file found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ReadReport {
    /// Frames, or stretches of a file, that could not be read although whole frames follow them.
    pub(super) damaged: u64,
    /// Bytes of an unfinished frame at the end.
    pub(super) torn_bytes: u64,
}

/// Calls `each` for every whole frame of a file, in order. Damage is passed over and counted.
pub(super) fn read(path: &Path, each: &mut dyn FnMut(Header, &[u8]) -> Result<bool>) -> Result<ReadReport> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(StoreError::io("read", path))?;
    let mut report = ReadReport::default();
    let Some(salt) = file_salt(path, &bytes)? else {
        report.damaged += u64::from(bytes.len() >= FILE_HEADER_BYTES);
        report.torn_bytes = bytes.len() as u64;
        return Ok(report);
    };
    let mut at = FILE_HEADER_BYTES;
    // Where unreadable bytes began, if the last thing seen was not a whole frame.
    let mut lost_at = None;
    while at < bytes.len() {
        let Some((header, payload)) = whole_frame(&bytes[at..], salt) else {
            lost_at.get_or_insert(at);
            at = next_magic(&bytes, at + 1);
            continue;
        };
        report.damaged += u64::from(lost_at.take().is_some());
        at += HEADER_BYTES + payload.len();
        if crc32c::crc32c(payload) != header.payload_crc || !each(header, payload)? {
            report.damaged += 1;
        }
    }
    report.torn_bytes = lost_at.map_or(0, |lost| (bytes.len() - lost) as u64);
    Ok(report)
}

/// The header and payload at the start of `bytes`, if both are there in full.
fn whole_frame(bytes: &[u8], salt: u64) -> Option<(Header, &[u8])> {
    let header = Header::decode(bytes, salt)?;
    let length = header.payload_bytes as usize;
    if length > PAYLOAD_BYTES_MAX {
        return None;
    }
    Some((header, bytes.get(HEADER_BYTES..HEADER_BYTES + length)?))
}

fn next_magic(bytes: &[u8], from: usize) -> usize {
    let found =
        bytes.get(from..).and_then(|rest| rest.windows(MAGIC.len()).position(|window| window == MAGIC));
    found.map_or(bytes.len(), |offset| from + offset)
}

/// The salt of a file, from its header or, where that is damaged, from its name; `None` if it is too short to
/// hold a frame.
fn file_salt(path: &Path, bytes: &[u8]) -> Result<Option<u64>> {
    let Some(header) = bytes.get(..FILE_HEADER_BYTES) else { return Ok(None) };
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..8] != FILE_MAGIC || number(36) != crc32c::crc32c(&header[..36]) {
        let name = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.split_once('-'));
        return Ok(name.and_then(|(_, salt)| u64::from_str_radix(salt, 16).ok()));
    }
    if number(8) > FILE_VERSION {
        return Err(StoreError::NewerFormat { path: path.to_owned(), found: number(8), known: FILE_VERSION });
    }
    Ok(Some(u64::from(number(16)) | (u64::from(number(20)) << 32)))
}

/// The log files of a directory, oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(StoreError::io("list", dir))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", dir))?.path();
        if path.to_str().is_some_and(|name| name.ends_with(SUFFIX)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A random number from the operating system's seed of hash maps.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
