//! The text index of a segment: one tantivy segment, a document a row in the rows' order, nothing stored.
//!
//! Fields:
//!
//! | field | terms |
//! |---|---|
//! | `text` | tokens of the row's full text, with positions ([`crate::text`]) |
//! | `record`, `scope`, `resource` | for each attribute `key` and `key=value`, cut to [`TERM_BYTES_MAX`] |
//!
//! An answer names all rows that match and perhaps a few more (a cut value, a key with `=` in it): whoever
//! asks tests the rows again.
//!
//! The file packs tantivy's own files, all numbers little-endian: magic `CWIDX\0\0\0`, version (4 bytes, 1),
//! length of the list (4), the list as JSON `[{"name","offset","length"}]` with offsets from the end of the
//! list, CRC32C of all so far (4), then the files, each with tantivy's own checksum.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Level, Predicate, Test};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, RamDirectory, WatchCallback,
    WatchHandle, WritePtr,
};
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::query::{BooleanQuery, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{HasLen, Index, IndexReader, IndexSettings, ReloadPolicy, TantivyDocument, Term};

use crate::error::{Result, StoreError};
use crate::text;

const MAGIC: [u8; 8] = *b"CWIDX\0\0\0";
const VERSION: u32 = 1;
const TOKENIZER: &str = "causeway";
/// The longest attribute term in bytes.
const TERM_BYTES_MAX: usize = 256;
/// What tantivy may use while it collects postings before it complains; a segment's rows bound the real use.
const WRITER_BYTES: usize = 512 << 20;

/// Builds the index of a segment, row by row.
pub(super) struct IndexWriter {
    writer: SingleSegmentIndexWriter,
    directory: RamDirectory,
    fields: Fields,
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    text: Field,
    record: Field,
    scope: Field,
    resource: Field,
}

/// The terms of one row.
#[derive(Debug, Default)]
pub(super) struct RowTerms<'a> {
    pub(super) texts: Vec<std::borrow::Cow<'a, str>>,
    pub(super) record: Vec<String>,
    pub(super) scope: &'a [String],
    pub(super) resource: &'a [String],
}

impl IndexWriter {
    pub(super) fn new() -> Result<Self> {
        let directory = RamDirectory::create();
        let (schema, fields) = schema();
        let index =
            Index::builder().schema(schema).tokenizers(tokenizers()).settings(IndexSettings::default());
        let writer = index.single_segment_index_writer(directory.clone(), WRITER_BYTES)?;
        Ok(Self { writer, directory, fields })
    }

    /// Adds the next row.
    pub(super) fn add(&mut self, row: &RowTerms<'_>) -> Result<()> {
        let mut document = TantivyDocument::new();
        row.texts.iter().for_each(|text| document.add_text(self.fields.text, text));
        row.record.iter().for_each(|term| document.add_text(self.fields.record, term));
        row.scope.iter().for_each(|term| document.add_text(self.fields.scope, term));
        row.resource.iter().for_each(|term| document.add_text(self.fields.resource, term));
        Ok(self.writer.add_document(document)?)
    }

    /// Writes the packed file and returns its length. The caller syncs it.
    pub(super) fn finish(self, path: &Path) -> Result<u64> {
        let index = self.writer.finalize()?;
        let mut names: Vec<PathBuf> = index.directory().list_managed_files().into_iter().collect();
        names.push(PathBuf::from("meta.json"));
        names.sort();
        names.dedup();
        let mut entries = Vec::new();
        let mut files = Vec::new();
        let mut offset = 0;
        for name in names {
            let Ok(bytes) = self.directory.atomic_read(&name) else { continue };
            let length = bytes.len() as u64;
            entries.push(Entry { name: name.to_string_lossy().into_owned(), offset, length });
            offset += length;
            files.push(bytes);
        }
        write_packed(path, &entries, &files)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    name: String,
    offset: u64,
    length: u64,
}

fn write_packed(path: &Path, entries: &[Entry], files: &[Vec<u8>]) -> Result<u64> {
    let list = serde_json::to_vec(entries).map_err(|error| StoreError::damaged(path, error.to_string()))?;
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
        files.iter().try_for_each(|bytes| file.write_all(bytes))?;
        file.sync_all()
    };
    write().map_err(StoreError::io("write", path))?;
    Ok(head.len() as u64 + files.iter().map(|bytes| bytes.len() as u64).sum::<u64>())
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let terms = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let terms = TextOptions::default().set_indexing_options(terms);
    let fields = Fields {
        text: builder.add_text_field("text", TextOptions::default().set_indexing_options(words)),
        record: builder.add_text_field("record", terms.clone()),
        scope: builder.add_text_field("scope", terms.clone()),
        resource: builder.add_text_field("resource", terms),
    };
    (builder.build(), fields)
}

fn tokenizers() -> tantivy::tokenizer::TokenizerManager {
    let manager = tantivy::tokenizer::TokenizerManager::default();
    manager.register(TOKENIZER, WordTokenizer::default());
    manager
}

/// A term of an attribute: `key=value`, cut where it is too long.
pub(super) fn term(key: &str, value: Option<&str>) -> String {
    let mut term = String::with_capacity(key.len() + value.map_or(0, str::len) + 1);
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
    term
}

/// An open index.
pub(crate) struct TextIndex {
    reader: IndexReader,
    fields: Fields,
}

impl TextIndex {
    /// Opens a packed file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let directory = Packed::open(path)?;
        let mut index = Index::open(directory)?;
        index.set_tokenizers(tokenizers());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { reader, fields: schema().1 })
    }

    /// How many rows it was built from.
    pub(super) fn rows(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Rows that may match; `None` where the index cannot narrow it down.
    pub(crate) fn candidates(&self, predicate: &Predicate) -> Result<Option<RoaringBitmap>> {
        match self.query(predicate) {
            Some(query) => Ok(Some(self.reader.searcher().search(&query, &Rows)?)),
            None => Ok(None),
        }
    }

    fn query(&self, predicate: &Predicate) -> Option<Box<dyn Query>> {
        match predicate {
            Predicate::And(parts) => {
                let parts: Vec<_> = parts.iter().filter_map(|part| self.query(part)).collect();
                (!parts.is_empty()).then(|| Box::new(BooleanQuery::intersection(parts)) as Box<dyn Query>)
            }
            Predicate::Or(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(|part| self.query(part)).collect();
                Some(Box::new(BooleanQuery::union(parts?)))
            }
            Predicate::Text(text) => Some(self.phrase(text)),
            Predicate::Attribute(level, key, Test::Equals(value)) => {
                self.attribute(*level, &term(key, Some(value)))
            }
            Predicate::Attribute(
                level,
                key,
                Test::Exists | Test::Compare(..) | Test::Glob(_) | Test::Regex(_),
            ) => self.attribute(*level, &term(key, None)),
            _ => None,
        }
    }

    fn phrase(&self, text: &str) -> Box<dyn Query> {
        let phrase = text::Phrase::new(text);
        let mut terms: Vec<Term> =
            phrase.tokens().iter().map(|token| Term::from_field_text(self.fields.text, token)).collect();
        match terms.len() {
            0 => Box::new(tantivy::query::EmptyQuery),
            1 => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::Basic)),
            _ => Box::new(PhraseQuery::new(terms)),
        }
    }

    fn attribute(&self, level: Level, term: &str) -> Option<Box<dyn Query>> {
        let one = |field| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::Basic))
        };
        let Fields { record, scope, resource, .. } = self.fields;
        Some(match level {
            Level::Any => Box::new(BooleanQuery::union(vec![one(record), one(scope), one(resource)])),
            Level::Record => one(record),
            Level::Scope => one(scope),
            Level::Resource => one(resource),
            Level::Event => return None,
        })
    }
}

/// Collects row numbers.
struct Rows;

struct SegmentRows(RoaringBitmap);

impl Collector for Rows {
    type Fruit = RoaringBitmap;
    type Child = SegmentRows;

    fn for_segment(&self, _: u32, _: &tantivy::SegmentReader) -> tantivy::Result<SegmentRows> {
        Ok(SegmentRows(RoaringBitmap::new()))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<RoaringBitmap>) -> tantivy::Result<RoaringBitmap> {
        Ok(fruits.into_iter().fold(RoaringBitmap::new(), |all, rows| all | rows))
    }
}

impl SegmentCollector for SegmentRows {
    type Fruit = RoaringBitmap;

    fn collect(&mut self, doc: tantivy::DocId, _: tantivy::Score) {
        self.0.insert(doc);
    }

    fn harvest(self) -> RoaringBitmap {
        self.0
    }
}

/// Cuts text as [`text::runs`] does.
#[derive(Debug, Clone, Default)]
struct WordTokenizer {
    token: Token,
}

struct WordStream<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream { text, at: 0, token: &mut self.token }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((offset, run)) = text::runs(&self.text[self.at..]).next() else { return false };
        self.token.offset_from = self.at + offset;
        self.token.offset_to = self.token.offset_from + run.len();
        self.token.position = self.token.position.wrapping_add(1);
        text::fold(run, &mut self.token.text);
        self.at = self.token.offset_to;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
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
