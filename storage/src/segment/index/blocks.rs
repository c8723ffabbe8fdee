//! The index by block: a mix of terms and filters.
//!
//! What few rows of a block hold differently (literal words of templates, span names, attributes with few
//! values, resources, keys) are terms of a tantivy index whose documents are blocks. What nearly every row
//! holds differently (the variables of log bodies, ids) goes into one filter a block, a binary fuse filter
//! over 64-bit hashes, where an entry costs nine bits whatever its length. A question asks both.

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use hashbrown::{HashMap, HashSet};
use model::{AnyValue, Field, Level, Predicate, Signal, Test, TraceId, TraceSet, attributes};
use roaring::RoaringBitmap;
use tantivy::directory::{OwnedBytes, RamDirectory};
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::postings::Postings;
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{DocSet, Index, IndexReader, IndexSettings, TERMINATED, TantivyDocument, Term};
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Fields, WRITER_BYTES, term};
use crate::columns::{REST, key_of};
use crate::error::{Result, StoreError};
use crate::eval::EXCEPTION_MESSAGE;
use crate::scan::INDEX_TRACES_MAX;
use crate::segment::form::{BODY_TEMPLATE, BODY_VARIABLES};
use crate::templates;
use crate::text;

/// Rows in a block but the last.
pub(crate) const BLOCK_ROWS: usize = 8192;
/// An attribute with more values in a block has them in the block's filter.
const TERMS_PER_COLUMN_MAX: usize = 64;
/// The bytes before a filter's fingerprints.
const DESCRIPTOR_BYTES: usize = BinaryFuse8::DESCRIPTOR_LEN;

/// Where a hashed term stands, so that equal texts of two fields differ.
#[derive(Debug, Clone, Copy)]
enum Place {
    Text = 1,
    Record = 2,
    Trace = 3,
}

fn hash(place: Place, term: &[u8]) -> u64 {
    xxh3_64_with_seed(term, place as u64)
}

/// The schema and fields of the terms.
pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let options = TextOptions::default().set_indexing_options(indexing);
    let mut add = |name: &str| builder.add_text_field(name, options.clone());
    let fields =
        Fields { text: add("text"), record: add("record"), scope: add("scope"), resource: add("resource") };
    (builder.build(), fields)
}

/// Builds the index of a segment, block by block.
pub(crate) struct IndexWriter {
    writer: SingleSegmentIndexWriter,
    pub(super) directory: RamDirectory,
    fields: Fields,
    rows: u64,
    /// Filters of the blocks so far, and where each ends.
    filters: Vec<u8>,
    ends: Vec<u32>,
    block: Block,
    /// The terms of each resource and scope met so far.
    envelopes: HashMap<String, Vec<String>>,
}

/// The terms of one block.
#[derive(Default)]
struct Block {
    text: HashSet<String>,
    record: HashSet<String>,
    scope: HashSet<String>,
    resource: HashSet<String>,
    hashes: Vec<u64>,
    folded: String,
    term: String,
}

/// How many different resources and scopes are remembered with their terms.
const ENVELOPES_MAX: usize = 10_000;

impl IndexWriter {
    pub(crate) fn new() -> Result<Self> {
        let directory = RamDirectory::create();
        let (schema, fields) = schema();
        let index = Index::builder().schema(schema).settings(IndexSettings::default());
        let writer = index.single_segment_index_writer(directory.clone(), WRITER_BYTES)?;
        Ok(Self {
            writer,
            directory,
            fields,
            rows: 0,
            filters: Vec::new(),
            ends: Vec::new(),
            block: Block::default(),
            envelopes: HashMap::new(),
        })
    }

    /// Adds the next block: rows as they stand in the file, [`BLOCK_ROWS`] but in the last.
    pub(crate) fn add(&mut self, signal: Signal, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.block.traces(rows);
        self.block.texts(signal, rows);
        self.block.attributes(rows);
        for (column, resource) in [("scope_attributes", false), ("resource_attributes", true)] {
            let Some(maps) =
                rows.column_by_name(column).and_then(|maps| maps.as_dictionary_opt::<Int32Type>())
            else {
                continue;
            };
            for stored in used(maps) {
                if self.envelopes.len() >= ENVELOPES_MAX {
                    self.envelopes.clear();
                }
                let terms = self.envelopes.entry(stored.to_owned()).or_insert_with(|| terms_of(stored));
                let into = if resource { &mut self.block.resource } else { &mut self.block.scope };
                for term in terms {
                    insert(into, term);
                }
            }
        }
        self.end_block()
    }

    fn end_block(&mut self) -> Result<()> {
        let Fields { text, record, scope, resource } = self.fields;
        let mut document = TantivyDocument::new();
        let Block { text: texts, record: records, scope: scopes, resource: resources, .. } = &mut self.block;
        for (field, terms) in [(text, texts), (record, records), (scope, scopes), (resource, resources)] {
            terms.drain().for_each(|term| document.add_text(field, term));
        }
        self.writer.add_document(document)?;
        let hashes = &mut self.block.hashes;
        hashes.sort_unstable();
        hashes.dedup();
        if !hashes.is_empty() {
            let filter = BinaryFuse8::try_from(hashes.as_slice());
            let filter = filter.map_err(|why| {
                StoreError::Arrow(arrow::error::ArrowError::ComputeError(format!("a block's filter: {why}")))
            })?;
            let start = self.filters.len();
            self.filters.resize(start + DESCRIPTOR_BYTES, 0);
            filter.dma_copy_descriptor_to(&mut self.filters[start..]);
            self.filters.extend_from_slice(filter.dma_fingerprints());
            hashes.clear();
        }
        self.ends.push(self.filters.len() as u32);
        Ok(())
    }

    /// Ends the index: what its extra files hold.
    pub(super) fn finish(self) -> Result<(Index, RamDirectory, Vec<u8>)> {
        let mut extra = Vec::with_capacity(self.filters.len() + self.ends.len() * 4 + 16);
        extra.extend(self.rows.to_le_bytes());
        extra.extend((BLOCK_ROWS as u32).to_le_bytes());
        extra.extend((self.ends.len() as u32).to_le_bytes());
        self.ends.iter().for_each(|end| extra.extend(end.to_le_bytes()));
        extra.extend(&self.filters);
        let crc = crc32c::crc32c(&extra);
        extra.extend(crc.to_le_bytes());
        Ok((self.writer.finalize()?, self.directory, extra))
    }
}

fn insert(terms: &mut HashSet<String>, term: &str) {
    if !terms.contains(term) {
        terms.insert(term.to_owned());
    }
}

fn terms_of(stored: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for (key, value) in attributes::parse(stored) {
        terms.push(term(&key, None));
        terms.extend(value.text().map(|text| term(&key, Some(&text))));
    }
    terms
}

/// The values that rows use: each once, or where the dictionary is much larger than the rows as they come.
fn used(texts: &DictionaryArray<Int32Type>) -> Vec<&str> {
    let values = texts.values().as_string::<i32>();
    if values.len() > texts.len() * 2 {
        let mut last = None;
        let mut keys: Vec<i32> =
            texts.keys().iter().flatten().filter(|key| last.replace(*key) != Some(*key)).collect();
        if keys.len() <= TERMS_PER_COLUMN_MAX * 8 {
            keys.sort_unstable();
            keys.dedup();
        }
        return keys.into_iter().map(|key| values.value(key as usize)).collect();
    }
    let mut seen = vec![false; values.len()];
    texts.keys().iter().flatten().for_each(|key| seen[key as usize] = true);
    (0..values.len()).filter(|at| seen[*at]).map(|at| values.value(at)).collect()
}

impl Block {
    /// Words of a text that many rows share.
    fn words(&mut self, text: &str) {
        for (_, run) in text::runs(text) {
            text::fold(run, &mut self.folded);
            insert(&mut self.text, &self.folded);
        }
    }

    /// Words of a text that is one row's own.
    fn hashed_words(&mut self, text: &str) {
        for (_, run) in text::runs(text) {
            text::fold(run, &mut self.folded);
            self.hashes.push(hash(Place::Text, self.folded.as_bytes()));
        }
    }

    fn traces(&mut self, rows: &RecordBatch) {
        let ids = rows.column_by_name("trace_id").and_then(|ids| ids.as_fixed_size_binary_opt());
        let mut last: &[u8] = &[];
        for id in ids.into_iter().flat_map(|ids| ids.iter()).flatten() {
            if id != last {
                self.hashes.push(hash(Place::Trace, id));
                last = id;
            }
        }
    }

    fn texts(&mut self, signal: Signal, rows: &RecordBatch) {
        for column in crate::eval::text_columns(signal) {
            match *column {
                "events" => self.exceptions(rows),
                "attributes" => {
                    let column = model::packed::field_name(EXCEPTION_MESSAGE);
                    self.column_words(rows, &column);
                }
                "body" => {
                    self.column_words(rows, "body");
                    self.templates(rows);
                }
                column => self.column_words(rows, column),
            }
        }
    }

    fn column_words(&mut self, rows: &RecordBatch, column: &str) {
        let Some(column) = rows.column_by_name(column) else { return };
        if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() {
            let values = used(dictionary);
            match values.len() <= TERMS_PER_COLUMN_MAX * 4 {
                true => values.into_iter().for_each(|text| self.words(text)),
                false => values.into_iter().for_each(|text| self.hashed_words(text)),
            }
        } else if let Some(texts) = column.as_string_opt::<i32>() {
            texts.iter().flatten().for_each(|text| self.hashed_words(text));
        }
    }

    fn templates(&mut self, rows: &RecordBatch) {
        let column = |name: &str| rows.column_by_name(name);
        if let Some(literal) =
            column(BODY_TEMPLATE).and_then(|column| column.as_dictionary_opt::<Int32Type>())
        {
            for template in used(literal) {
                self.words(template);
            }
        }
        if let Some(variables) = column(BODY_VARIABLES).and_then(|column| column.as_string_opt::<i32>()) {
            debug_assert!(!templates::SEPARATOR.is_alphanumeric());
            variables.iter().flatten().for_each(|text| self.hashed_words(text));
        }
    }

    fn exceptions(&mut self, rows: &RecordBatch) {
        let events = rows.column_by_name("events");
        let Some(events) = events.and_then(|column| column.as_any().downcast_ref::<ListArray>()) else {
            return;
        };
        let stored: &StringArray = events.values().as_struct().column(2).as_string::<i32>();
        let offsets = events.value_offsets();
        let range = offsets[0] as usize..offsets[events.len()] as usize;
        for at in range {
            let stored = stored.value(at);
            if stored.contains(EXCEPTION_MESSAGE)
                && let Some(value) = attributes::get(stored, EXCEPTION_MESSAGE)
                && let Some(text) = value.text()
            {
                self.hashed_words(&text);
            }
        }
    }

    fn attributes(&mut self, rows: &RecordBatch) {
        for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
            if let Some(key) = key_of(field.name())
                && column.null_count() < column.len()
            {
                insert(&mut self.record, &term(key, None));
                self.values(key, column);
            }
        }
        let rest = rows.column_by_name(REST).and_then(|rest| rest.as_string_opt::<i32>());
        for stored in rest.into_iter().flat_map(StringArray::iter).flatten() {
            for (key, value) in attributes::parse(stored) {
                self.record_value(&key, &value);
            }
        }
    }

    fn record_value(&mut self, key: &str, value: &AnyValue) {
        insert(&mut self.record, &term(key, None));
        if let Some(text) = value.text() {
            self.hashes.push(hash(Place::Record, term(key, Some(&text)).as_bytes()));
            if key == EXCEPTION_MESSAGE {
                self.hashed_words(&text);
            }
        }
    }

    /// The values of an attribute column.
    fn values(&mut self, key: &str, column: &ArrayRef) {
        match column.data_type() {
            DataType::Dictionary(..) => {
                if let Some(texts) = column.as_dictionary_opt::<Int32Type>() {
                    let values = used(texts);
                    let few = values.len() <= TERMS_PER_COLUMN_MAX;
                    values.into_iter().for_each(|value| self.value(key, value, few));
                }
            }
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                texts.iter().flatten().for_each(|value| self.value(key, value, false));
            }
            DataType::Int64 => {
                let mut values: Vec<i64> = column.as_primitive::<Int64Type>().iter().flatten().collect();
                values.sort_unstable();
                values.dedup();
                let few = values.len() <= TERMS_PER_COLUMN_MAX;
                let mut digits = itoa::Buffer::new();
                values.into_iter().for_each(|value| self.value(key, digits.format(value), few));
            }
            DataType::Float64 => {
                let mut values: Vec<u64> =
                    column.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits).collect();
                values.sort_unstable();
                values.dedup();
                let few = values.len() <= TERMS_PER_COLUMN_MAX;
                for value in values {
                    let value = AnyValue::Double(f64::from_bits(value));
                    if let Some(text) = value.text() {
                        self.value(key, &text, few);
                    }
                }
            }
            DataType::Boolean => {
                let values = column.as_boolean();
                if values.has_true() {
                    self.value(key, "true", true);
                }
                if values.has_false() {
                    self.value(key, "false", true);
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, key: &str, value: &str, few: bool) {
        let mut text = std::mem::take(&mut self.term);
        super::write_term(key, Some(value), &mut text);
        match few {
            true => insert(&mut self.record, &text),
            false => self.hashes.push(hash(Place::Record, text.as_bytes())),
        }
        self.term = text;
    }
}

/// An open index by block.
pub(crate) struct Blocks {
    reader: IndexReader,
    fields: Fields,
    rows: u64,
    ends: Vec<u32>,
    filters: OwnedBytes,
}

impl Blocks {
    pub(super) fn new(reader: IndexReader, extra: OwnedBytes) -> Option<Self> {
        let (body, crc) = extra.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let rows = u64::from_le_bytes(body.get(0..8)?.try_into().ok()?);
        let block_rows = u32::from_le_bytes(body.get(8..12)?.try_into().ok()?);
        let blocks = u32::from_le_bytes(body.get(12..16)?.try_into().ok()?) as usize;
        let ends = body.get(16..16 + blocks.checked_mul(4)?)?;
        let ends: Vec<u32> =
            ends.chunks_exact(4).map(|end| u32::from_le_bytes([end[0], end[1], end[2], end[3]])).collect();
        let start = 16 + blocks * 4;
        let filters = extra.slice(start..extra.len() - 4);
        let whole = ends.last().is_none_or(|end| *end as usize == filters.len()) && ends.is_sorted();
        let fits = block_rows as usize == BLOCK_ROWS && rows.div_ceil(BLOCK_ROWS as u64) == blocks as u64;
        (whole && fits).then(|| Self { reader, fields: schema().1, rows, ends, filters })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows of the blocks that may hold a match; `None` where the index cannot narrow it down.
    pub(super) fn candidates(&self, predicate: &Predicate) -> Result<Option<RoaringBitmap>> {
        let Some(blocks) = self.blocks(predicate)? else { return Ok(None) };
        let mut rows = RoaringBitmap::new();
        for block in blocks {
            let start = u64::from(block) * BLOCK_ROWS as u64;
            let end = (start + BLOCK_ROWS as u64).min(self.rows);
            rows.insert_range(start as u32..end as u32);
        }
        Ok(Some(rows))
    }

    fn blocks(&self, predicate: &Predicate) -> Result<Option<RoaringBitmap>> {
        Ok(match predicate {
            Predicate::And(parts) => {
                let mut all: Option<RoaringBitmap> = None;
                for part in parts {
                    if let Some(blocks) = self.blocks(part)? {
                        all = Some(match all {
                            Some(before) => before & blocks,
                            None => blocks,
                        });
                    }
                }
                all
            }
            Predicate::Or(parts) => {
                let mut any = RoaringBitmap::new();
                for part in parts {
                    match self.blocks(part)? {
                        Some(blocks) => any |= blocks,
                        None => return Ok(None),
                    }
                }
                Some(any)
            }
            Predicate::Text(phrase) => {
                let phrase = text::Phrase::new(phrase);
                let mut all: Option<RoaringBitmap> = None;
                for token in phrase.tokens() {
                    let blocks = self.word(token)?;
                    all = Some(match all {
                        Some(before) => before & blocks,
                        None => blocks,
                    });
                }
                // A phrase without a token matches nothing.
                Some(all.unwrap_or_default())
            }
            Predicate::Attribute(level, key, test) => {
                let term = match test {
                    Test::Equals(value) => term(key, Some(value)),
                    _ => term(key, None),
                };
                self.attribute(*level, &term, matches!(test, Test::Equals(_)))?
            }
            Predicate::Field(Field::Trace, Test::Equals(id)) => match id.parse::<TraceId>() {
                Ok(id) => {
                    let mut blocks = RoaringBitmap::new();
                    self.filtered(hash(Place::Trace, &id.0), &mut blocks);
                    Some(blocks)
                }
                Err(_) => None,
            },
            Predicate::TraceIn(TraceSet::Ids(ids)) if ids.len() <= INDEX_TRACES_MAX => {
                let mut blocks = RoaringBitmap::new();
                ids.iter().for_each(|id| self.filtered(hash(Place::Trace, &id.0), &mut blocks));
                Some(blocks)
            }
            _ => None,
        })
    }

    fn word(&self, token: &str) -> Result<RoaringBitmap> {
        let mut blocks = self.term(self.fields.text, token)?;
        self.filtered(hash(Place::Text, token.as_bytes()), &mut blocks);
        Ok(blocks)
    }

    fn attribute(&self, level: Level, term: &str, value: bool) -> Result<Option<RoaringBitmap>> {
        let Fields { record, scope, resource, .. } = self.fields;
        let of_record = || -> Result<RoaringBitmap> {
            let mut blocks = self.term(record, term)?;
            if value {
                self.filtered(hash(Place::Record, term.as_bytes()), &mut blocks);
            }
            Ok(blocks)
        };
        Ok(Some(match level {
            Level::Record => of_record()?,
            Level::Scope => self.term(scope, term)?,
            Level::Resource => self.term(resource, term)?,
            Level::Any => of_record()? | self.term(scope, term)? | self.term(resource, term)?,
            Level::Event => return Ok(None),
        }))
    }

    fn term(&self, field: tantivy::schema::Field, term: &str) -> Result<RoaringBitmap> {
        let mut blocks = RoaringBitmap::new();
        let term = Term::from_field_text(field, term);
        for segment in self.reader.searcher().segment_readers() {
            let postings = segment.inverted_index(field)?.read_postings(&term, IndexRecordOption::Basic);
            let Some(mut postings) =
                postings.map_err(|error| tantivy::TantivyError::IoError(error.into()))?
            else {
                continue;
            };
            debug_assert!(postings.term_freq() >= 1);
            while postings.doc() != TERMINATED {
                blocks.insert(postings.doc());
                postings.advance();
            }
        }
        Ok(blocks)
    }

    /// Adds the blocks whose filters may hold a hash.
    fn filtered(&self, hash: u64, blocks: &mut RoaringBitmap) {
        let mut start = 0;
        for (block, end) in self.ends.iter().enumerate() {
            let filter = &self.filters[start..*end as usize];
            start = *end as usize;
            let Some((descriptor, fingerprints)) = filter.split_at_checked(DESCRIPTOR_BYTES) else {
                continue;
            };
            if BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&hash) {
                blocks.insert(block as u32);
            }
        }
    }
}
