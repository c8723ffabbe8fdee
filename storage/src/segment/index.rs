//! The text index of a segment: one packed file.
//!
//! Fields of its tantivy index, nothing stored:
//!
//! | field | terms |
//! |---|---|
//! | `text` | tokens of the rows' full text ([`crate::text`]) |
//! | `record`, `scope`, `resource` | for each attribute `key` and `key=value`, cut to [`TERM_BYTES_MAX`] |
//!
//! The filters also hold the blocks' trace ids. Version 2 is an index by block of rows ([`blocks`]), with a file
//! `filters` beside tantivy's; version 1 is one by row with positions ([`rows`]): only read, never written any more.
//!
//! An answer names all rows that match and more: whoever asks tests the rows again.
//!
//! The file, all numbers little-endian: magic `CWIDX\0\0\0`, version (4 bytes), length of the list (4), the
//! list as JSON `[{"name","offset","length","crc32c"}]` with offsets from the end of the list, CRC32C of all so far
//! (4), then the files.

mod blocks;
mod rows;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Predicate;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, WatchCallback, WatchHandle,
    WritePtr,
};
use tantivy::schema::Field;
use tantivy::{HasLen, Index, ReloadPolicy};

pub(crate) use blocks::BLOCK_ROWS;
pub(super) use blocks::IndexWriter;

use crate::error::{Result, StoreError};

const MAGIC: [u8; 8] = *b"CWIDX\0\0\0";
const VERSION: u32 = 2;
/// The name of the filters among tantivy's files.
const FILTERS: &str = "filters";
/// The longest attribute term in bytes.
const TERM_BYTES_MAX: usize = 256;
/// What tantivy may use while it collects postings before it complains; a segment's blocks bound the real use.
const WRITER_BYTES: usize = 512 << 20;

#[derive(Debug, Clone, Copy)]
struct Fields {
    text: Field,
    record: Field,
    scope: Field,
    resource: Field,
}

impl IndexWriter {
    /// Writes the packed file and returns its length.
    pub(super) fn write(self, path: &Path) -> Result<u64> {
        let (index, directory, filters) = self.finish()?;
        let mut names: Vec<PathBuf> = index.directory().list_managed_files().into_iter().collect();
        names.push(PathBuf::from("meta.json"));
        names.sort();
        names.dedup();
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for name in names {
            if let Ok(bytes) = directory.atomic_read(&name) {
                files.push((name.to_string_lossy().into_owned(), bytes));
            }
        }
        files.push((FILTERS.to_owned(), filters));
        write_packed(path, &files)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    name: String,
    offset: u64,
    length: u64,
    /// Not in the first version.
    #[serde(default)]
    crc32c: Option<u32>,
}

fn write_packed(path: &Path, files: &[(String, Vec<u8>)]) -> Result<u64> {
    let mut offset = 0;
    let entries = files.iter().map(|(name, bytes)| {
        let crc32c = Some(crc32c::crc32c(bytes));
        let entry = Entry { name: name.clone(), offset, length: bytes.len() as u64, crc32c };
        offset += entry.length;
        entry
    });
    let entries: Vec<Entry> = entries.collect();
    let list = serde_json::to_vec(&entries).map_err(|error| StoreError::damaged(path, error.to_string()))?;
    let mut head = Vec::with_capacity(list.len() + 20);
    head.extend(MAGIC);
    head.extend(VERSION.to_le_bytes());
    head.extend((list.len() as u32).to_le_bytes());
    head.extend(&list);
    let crc = crc32c::crc32c(&head);
    head.extend(crc.to_le_bytes());
    let write = || {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&head)?;
        files.iter().try_for_each(|(_, bytes)| file.write_all(bytes))?;
        file.sync_all()
    };
    write().map_err(StoreError::io("write", path))?;
    Ok(head.len() as u64 + offset)
}

/// A term of an attribute: `key=value`, cut where it is too long.
fn term(key: &str, value: Option<&str>) -> String {
    let mut term = String::with_capacity(key.len() + value.map_or(0, str::len) + 1);
    write_term(key, value, &mut term);
    term
}

/// As [`term`], in a text that is used again.
fn write_term(key: &str, value: Option<&str>, term: &mut String) {
    term.clear();
    term.push_str(key);
    if let Some(value) = value {
        term.push('=');
        term.push_str(value);
    }
    let mut end = term.len().min(TERM_BYTES_MAX);
    while !term.is_char_boundary(end) {
        end -= 1;
    }
    term.truncate(end);
}

/// An open index.
pub(crate) enum TextIndex {
    Blocks(blocks::Blocks),
    Rows(rows::Rows),
}

impl TextIndex {
    /// Opens a packed file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let directory = Packed::open(path)?;
        let filters = match directory.slice(Path::new(FILTERS)) {
            Ok(filters) => Some(filters.read_bytes().map_err(StoreError::io("read", path))?),
            Err(_) => None,
        };
        let mut index = Index::open(directory)?;
        if filters.is_none() {
            index.set_tokenizers(rows::tokenizers());
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(match filters {
            Some(filters) => Self::Blocks(
                blocks::Blocks::new(reader, filters)
                    .ok_or_else(|| StoreError::damaged(path, "its filters do not match their checksum"))?,
            ),
            None => Self::Rows(rows::Rows::new(reader)),
        })
    }

    /// How many rows it was built from.
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Blocks(index) => index.rows(),
            Self::Rows(index) => index.rows(),
        }
    }

    /// Rows that may match; `None` where the index cannot narrow it down.
    pub(crate) fn candidates(&self, predicate: &Predicate) -> Result<Option<RoaringBitmap>> {
        match self {
            Self::Blocks(index) => index.candidates(predicate),
            Self::Rows(index) => index.candidates(predicate),
        }
    }
}

/// A packed file as a directory that can only be read.
#[derive(Clone)]
struct Packed {
    file: FileSlice,
    files: Arc<HashMap<PathBuf, std::ops::Range<usize>>>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Packed").field(&self.files).finish()
    }
}

impl Packed {
    fn open(path: &Path) -> Result<Self> {
        let damaged = |what: &str| StoreError::damaged(path, what);
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(damaged("it has no name"));
        };
        let directory = MmapDirectory::open(dir).map_err(|error| damaged(&error.to_string()))?;
        let file = directory.open_read(Path::new(name)).map_err(|error| damaged(&error.to_string()))?;
        let read = |range: std::ops::Range<usize>| -> Result<Vec<u8>> {
            if range.end > file.len() {
                return Err(damaged("it ends early"));
            }
            let bytes = file.slice(range).read_bytes().map_err(StoreError::io("read", path))?;
            Ok(bytes.as_slice().to_vec())
        };
        let head = read(0..16)?;
        if head[..8] != MAGIC {
            return Err(damaged("it does not begin as a text index"));
        }
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if number(8) > VERSION {
            return Err(StoreError::NewerFormat { path: path.to_owned(), found: number(8), known: VERSION });
        }
        let list_end = 16 + number(12) as usize;
        let list = read(0..list_end)?;
        let crc = read(list_end..list_end + 4)?;
        if crc32c::crc32c(&list).to_le_bytes() != crc[..] {
            return Err(damaged("the checksum of its list does not match"));
        }
        let entries: Vec<Entry> =
            serde_json::from_slice(&list[16..]).map_err(|error| damaged(&error.to_string()))?;
        let mut files = HashMap::new();
        for entry in entries {
            let start = list_end + 4 + entry.offset as usize;
            let end = start + entry.length as usize;
            if end > file.len() {
                return Err(damaged("it ends early"));
            }
            // tantivy has checksums of its own and looks at none of them.
            if let Some(expected) = entry.crc32c
                && crc32c::crc32c(&read(start..end)?) != expected
            {
                return Err(damaged(&format!("the checksum of its part {} does not match", entry.name)));
            }
            files.insert(PathBuf::from(entry.name), start..end);
        }
        Ok(Self { file, files: Arc::new(files) })
    }

    fn slice(&self, path: &Path) -> Result<FileSlice, OpenReadError> {
        let range = self.files.get(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))?;
        Ok(self.file.slice(range.clone()))
    }
}

fn read_only() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, "a packed index can only be read")
}

impl Directory for Packed {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(self.slice(path)?))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.files.contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let bytes = self.slice(path)?.read_bytes();
        let bytes = bytes.map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))?;
        Ok(bytes.as_slice().to_vec())
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> std::io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        // Nothing can change, so there is nothing to guard.
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
