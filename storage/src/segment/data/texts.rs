//! A chunk of a text column: dictionaries in, a dictionary and pages of places in it out.
//!
//! When its dictionary is full, further pages hold the texts themselves, as Parquet's own writer does it.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};
use parquet::basic::{Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::hybrid;
use crate::error::{Result, StoreError};

/// A dictionary of so many bytes takes no further values.
const DICTIONARY_BYTES_MAX: usize = 1 << 20;
/// A page of texts takes no further ones past so many bytes.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// How many bytes of the least and the greatest text the statistics have.
const STATISTICS_BYTES_MAX: usize = 64;
/// The place of a value that was not met yet.
const UNMET: u32 = u32::MAX;

/// A chunk under way.
pub(super) struct TextChunk {
    column: ColumnDescPtr,
    dictionary: Dictionary,
    /// The values of the block before, and the place of each in the dictionary.
    values: Option<ArrayRef>,
    places: Vec<u32>,
    /// Whether the dictionary is full.
    is_full: bool,
    /// The least and the greatest text.
    range: Option<(String, String)>,
    pages: TrackedWrite<Vec<u8>>,
    written: Vec<Written>,
    uncompressed: usize,
    rows: usize,
    nulls: usize,
    /// The places of the rows of a page.
    indices: Vec<u32>,
    /// A page before it is compressed.
    plain: Vec<u8>,
}

/// A page that was written.
struct Written {
    offset: usize,
    bytes: usize,
    rows: usize,
    encoding: Encoding,
}

/// The distinct values of a chunk.
#[derive(Default)]
struct Dictionary {
    /// The values, each behind its length, as the page has them.
    page: Vec<u8>,
    /// Where in the page each value ends.
    ends: Vec<u32>,
    hasher: DefaultHashBuilder,
    by_value: HashTable<u32>,
}

impl Dictionary {
    /// The place of a value, which is added if it is new.
    fn place(&mut self, text: &str) -> u32 {
        let Self { page, ends, hasher, by_value } = self;
        let hash = hasher.hash_one(text.as_bytes());
        if let Some(place) = by_value.find(hash, |place| value(page, ends, *place) == text.as_bytes()) {
            return *place;
        }
        let place = ends.len() as u32;
        write_text(text, page);
        // It is full long before 4 GiB, and a value came in a request.
        ends.push(page.len() as u32);
        by_value.insert_unique(hash, place, |other| hasher.hash_one(value(page, ends, *other)));
        place
    }

    /// The number of bits that a place takes.
    fn width(&self) -> u8 {
        (usize::BITS - self.ends.len().saturating_sub(1).leading_zeros()) as u8
    }
}

fn value<'a>(page: &'a [u8], ends: &[u32], place: u32) -> &'a [u8] {
    let place = place as usize;
    let start = if place == 0 { 0 } else { ends[place - 1] as usize };
    &page[start + size_of::<u32>()..ends[place] as usize]
}

/// A text behind its length.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A block of a column.
struct Block<'a> {
    keys: &'a [i32],
    values: &'a StringArray,
    nulls: Option<NullBuffer>,
}

impl TextChunk {
    pub(super) fn new(column: ColumnDescPtr) -> Self {
        Self {
            column,
            dictionary: Dictionary::default(),
            values: None,
            places: Vec::new(),
            is_full: false,
            range: None,
            pages: TrackedWrite::new(Vec::new()),
            written: Vec::new(),
            uncompressed: 0,
            rows: 0,
            nulls: 0,
            indices: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Adds a block: a page, or several where its texts are long.
    pub(super) fn write(&mut self, block: &ArrayRef, compressor: &mut Compressor<'_>) -> Result<()> {
        let texts: &DictionaryArray<Int32Type> = block.as_dictionary();
        if !self.values.as_ref().is_some_and(|values| Arc::ptr_eq(values, texts.values())) {
            self.places.clear();
            self.places.resize(texts.values().len(), UNMET);
            self.values = Some(Arc::clone(texts.values()));
        }
        let (keys, values) = (texts.keys().values(), texts.values().as_string());
        // Null may also be a value that a key names.
        let nulls = texts.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let block = Block { keys, values, nulls };
        let mut row = 0;
        while row < keys.len() {
            row = match self.is_full {
                false => self.write_places(&block, row, compressor)?,
                true => self.write_texts(&block, row, compressor)?,
            };
        }
        Ok(())
    }

    /// Writes a page of places from this row on. Returns the row behind it.
    fn write_places(
        &mut self,
        block: &Block<'_>,
        from: usize,
        compressor: &mut Compressor<'_>,
    ) -> Result<usize> {
        self.indices.clear();
        let rows = block.keys.len() - from;
        let full = match &block.nulls {
            Some(nulls) => self.find(block, nulls.slice(from, rows).valid_indices().map(|row| from + row)),
            None => self.find(block, from..block.keys.len()),
        };
        let to = full.map_or(block.keys.len(), |row| row + 1);
        self.begin_page(block, from, to);
        let width = self.dictionary.width();
        self.plain.push(width);
        hybrid::write_numbers(&self.indices, width, &mut self.plain);
        self.end_page(to - from, Encoding::RLE_DICTIONARY, compressor)?;
        Ok(to)
    }

    /// Finds the places of these rows. Returns the row that filled the dictionary, if one did: it is the last.
    fn find(&mut self, block: &Block<'_>, rows: impl Iterator<Item = usize>) -> Option<usize> {
        for row in rows {
            let key = block.keys[row] as usize;
            let mut place = self.places[key];
            if place == UNMET {
                let text = block.values.value(key);
                widen(&mut self.range, text);
                place = self.dictionary.place(text);
                self.places[key] = place;
                self.is_full = self.dictionary.page.len() >= DICTIONARY_BYTES_MAX;
            }
            self.indices.push(place);
            if self.is_full {
                return Some(row);
            }
        }
        None
    }

    /// Writes a page of texts from this row on. Returns the row behind it.
    fn write_texts(
        &mut self,
        block: &Block<'_>,
        from: usize,
        compressor: &mut Compressor<'_>,
    ) -> Result<usize> {
        let is_valid = |row: usize| block.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let (mut to, mut bytes) = (from, 0);
        while to < block.keys.len() && bytes < PAGE_BYTES_MAX {
            if is_valid(to) {
                let key = block.keys[to] as usize;
                let text = block.values.value(key);
                bytes += text.len() + size_of::<u32>();
                if self.places[key] == UNMET {
                    widen(&mut self.range, text);
                    // Met, which is all that counts from now on.
                    self.places[key] = 0;
                }
            }
            to += 1;
        }
        self.begin_page(block, from, to);
        for row in (from..to).filter(|row| is_valid(*row)) {
            write_text(block.values.value(block.keys[row] as usize), &mut self.plain);
        }
        self.end_page(to - from, Encoding::PLAIN, compressor)?;
        Ok(to)
    }

    /// Begins a page of these rows with their levels.
    fn begin_page(&mut self, block: &Block<'_>, from: usize, to: usize) {
        self.plain.clear();
        if self.column.max_def_level() == 0 {
            return;
        }
        // The length of the levels goes here.
        self.plain.extend_from_slice(&[0; 4]);
        let rows = to - from;
        match &block.nulls {
            Some(nulls) => {
                let nulls = nulls.slice(from, rows);
                self.nulls += nulls.null_count();
                hybrid::write_bits(nulls.inner().sliced().as_slice(), rows, &mut self.plain);
            }
            None => hybrid::write_run(1, rows, 1, &mut self.plain),
        }
        let length = (self.plain.len() - 4) as u32;
        self.plain[..4].copy_from_slice(&length.to_le_bytes());
    }

    fn end_page(&mut self, rows: usize, encoding: Encoding, compressor: &mut Compressor<'_>) -> Result<()> {
        let page = Page::DataPage {
            buf: compressed(&self.plain, compressor)?,
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, self.plain.len());
        let spec = SerializedPageWriter::new(&mut self.pages).write_page(page)?;
        let (offset, bytes) = (spec.offset as usize, spec.compressed_size);
        self.written.push(Written { offset, bytes, rows, encoding });
        self.uncompressed += spec.uncompressed_size;
        self.rows += rows;
        Ok(())
    }

    /// The bytes of the chunk, the dictionary first, and what the file's footer says of them.
    pub(super) fn close(self, compressor: &mut Compressor<'_>) -> Result<(Bytes, ColumnCloseResult)> {
        let mut chunk = TrackedWrite::new(Vec::new());
        let page = Page::DictionaryPage {
            buf: compressed(&self.dictionary.page, compressor)?,
            num_values: self.dictionary.ends.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let page = CompressedPage::new(page, self.dictionary.page.len());
        let spec = SerializedPageWriter::new(&mut chunk).write_page(page)?;
        let pages = self.pages.into_inner()?;
        let first = spec.compressed_size;
        let mut bytes = chunk.into_inner()?;
        bytes.extend_from_slice(&pages);
        let mut offsets = OffsetIndexBuilder::new();
        for page in &self.written {
            offsets.append_row_count(page.rows as i64);
            offsets.append_offset_and_size((first + page.offset) as i64, page.bytes as i32);
        }
        let (pages, encodings) = encodings(&self.written);
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(super::compression())
            .set_encodings(encodings)
            .set_page_encoding_stats(pages)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size((spec.uncompressed_size + self.uncompressed) as i64)
            .set_num_values(self.rows as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(first as i64)
            .set_statistics(statistics(self.range, self.nulls))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(offsets.build()),
        };
        Ok((bytes.into(), close))
    }
}

/// How many pages have which encoding, and which there are.
fn encodings(written: &[Written]) -> (Vec<PageEncodingStats>, Vec<Encoding>) {
    let dictionary = (PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1);
    let data = [Encoding::RLE_DICTIONARY, Encoding::PLAIN].map(|encoding| {
        let pages = written.iter().filter(|page| page.encoding == encoding).count();
        (PageType::DATA_PAGE, encoding, pages as i32)
    });
    let pages = std::iter::once(dictionary).chain(data).filter(|(_, _, count)| *count > 0);
    let pages = pages.map(|(page_type, encoding, count)| PageEncodingStats { page_type, encoding, count });
    (pages.collect(), vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
}

fn compressed(plain: &[u8], compressor: &mut Compressor<'_>) -> Result<Bytes> {
    let io = StoreError::io("compress a page of", std::path::Path::new(crate::segment::DATA_FILE));
    Ok(compressor.compress(plain).map_err(io)?.into())
}

/// Widens a range of texts so that it holds this one.
fn widen(range: &mut Option<(String, String)>, text: &str) {
    match range {
        None => *range = Some((text.to_owned(), text.to_owned())),
        Some((least, greatest)) => {
            if text < least.as_str() {
                text.clone_into(least);
            } else if text > greatest.as_str() {
                text.clone_into(greatest);
            }
        }
    }
}

/// The statistics of a chunk: long texts are cut, the greatest to one that is greater.
fn statistics(range: Option<(String, String)>, nulls: usize) -> Statistics {
    let (least, greatest) = range.unzip();
    let cut = least.as_ref().is_some_and(|text| text.len() > STATISTICS_BYTES_MAX);
    let least = least.map(|text| text[..text.floor_char_boundary(STATISTICS_BYTES_MAX)].to_owned());
    let above = greatest.as_deref().and_then(above);
    let raised = above.is_some();
    let greatest = above.or(greatest);
    let bytes = |text: String| ByteArray::from(text.into_bytes());
    let statistics =
        ValueStatistics::new(least.map(bytes), greatest.map(bytes), None, Some(nulls as u64), false);
    Statistics::ByteArray(statistics.with_min_is_exact(!cut).with_max_is_exact(!raised))
}

/// A short text above all that begin as this long one; `None` if it is short itself, or none is known.
fn above(text: &str) -> Option<String> {
    if text.len() <= STATISTICS_BYTES_MAX {
        return None;
    }
    let mut above = text[..text.floor_char_boundary(STATISTICS_BYTES_MAX)].to_owned();
    while let Some(last) = above.pop() {
        let next = char::from_u32(u32::from(last) + 1).filter(|next| next.len_utf8() == last.len_utf8());
        if let Some(next) = next {
            above.push(next);
            return Some(above);
        }
    }
    None
}
