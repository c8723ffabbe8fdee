//! Reads a sealed segment.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use model::{Predicate, Signal, TimeRange, TraceId, UnixNanos, schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use roaring::RoaringBitmap;

use super::caches::{Cached, SegmentCaches};
use super::checked::{Checked, CheckedFile};
use super::footer::{self, Footer};
use super::form::{self, BODY_TEMPLATE, Wanted};
use super::index::{BLOCK_ROWS, TextIndex};
use super::trace_filter::StoredFilter;
use super::{DATA_FILE, FOOTER_FILE, INDEX_FILE, SegmentMeta};
use crate::error::{Result, StoreError};
use crate::templates::TEMPLATE_ID;

/// Rows in a batch that is read.
const BATCH_ROWS: usize = 8192;
/// Rows in a batch that is read for a merge, which holds one of every input. Logs are read by the block, since
/// they are in order by the block only.
const MERGE_BATCH_ROWS: usize = 2048;
/// A row in memory takes so many times the bytes that it takes in its file: 9 of logs and 11 of spans were measured.
const UNPACKED: u64 = 9;
/// And in the pages that a reader holds decompressed so many times, by what a whole merge was measured to take.
const DECOMPRESSED: u64 = 8;
/// Bytes of a key to sort by, in memory.
const KEY_BYTES: u64 = 64;
/// From so many bytes on a dictionary may not be all of its row group's.
const DICTIONARY_BYTES_MAX: usize = 1 << 20;
/// Bytes that reading a file takes besides.
const INPUT_BYTES: usize = 256 << 10;

/// A sealed segment. It can be read as long as this is held; once replaced, its files go with the last holder.
pub(crate) struct Segment {
    pub(crate) meta: SegmentMeta,
    dir: PathBuf,
    caches: SegmentCaches,
    /// The sums of its Parquet file's blocks, and which were found to match; none in the first format.
    checked: OnceLock<Option<Arc<Checked>>>,
    replaced: AtomicBool,
    suspect: AtomicBool,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Segment").field(&self.meta).finish()
    }
}

/// Which rows of a segment to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Only these rows, if given.
    pub(crate) rows: Option<RoaringBitmap>,
    /// Only row groups that can hold times in this range.
    pub(crate) range: TimeRange,
}

/// Rows that stand together in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Their numbers.
    pub(crate) rows: std::ops::Range<u32>,
    /// The time of the newest.
    pub(crate) last: UnixNanos,
}

impl Segment {
    /// A segment of a data directory that the catalog names.
    pub(crate) fn new(root: &Path, meta: SegmentMeta, caches: SegmentCaches) -> Self {
        let dir = root.join(meta.path());
        let no = || AtomicBool::new(false);
        Self { meta, dir, caches, checked: OnceLock::new(), replaced: no(), suspect: no() }
    }

    /// The Parquet file.
    pub(crate) fn data_path(&self) -> PathBuf {
        self.dir.join(DATA_FILE)
    }

    /// No snapshot to come will hold this segment: its files are deleted when the last one lets go.
    pub(crate) fn replace(&self) {
        self.replaced.store(true, Ordering::Release);
    }

    /// A merge could not read this segment: it is left out of further ones.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Release);
    }

    /// Whether a merge could not read this segment.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    /// Its statistics.
    pub(crate) fn footer(&self) -> Result<Cached<Footer>> {
        match self.caches.footers.get(&self.meta.id) {
            Some(footer) => Ok(footer),
            None => Ok(self.read_footer()?.0),
        }
    }

    /// Whether rows of a trace may be here.
    pub(crate) fn may_have_trace(&self, id: &[u8; 16]) -> Result<bool> {
        Ok(self.filter()?.as_ref().is_some_and(|filter| filter.may_have(id)))
    }

    /// Those of these traces that may have rows here.
    pub(crate) fn traces_here(&self, ids: &[TraceId]) -> Result<Vec<TraceId>> {
        let filter = self.filter()?;
        let Some(filter) = filter.as_ref() else { return Ok(Vec::new()) };
        Ok(ids.iter().copied().filter(|id| filter.may_have(&id.0)).collect())
    }

    fn filter(&self) -> Result<Cached<Option<StoredFilter>>> {
        match self.caches.filters.get(&self.meta.id) {
            Some(filter) => Ok(filter),
            None => Ok(self.read_footer()?.1),
        }
    }

    /// Reads statistics and filter, which stand in one file under one checksum, and keeps both.
    fn read_footer(&self) -> Result<(Cached<Footer>, Cached<Option<StoredFilter>>)> {
        let path = self.dir.join(FOOTER_FILE);
        let (footer, filter) = footer::read(&path)?;
        if footer.rows != self.meta.rows {
            let what = format!("it has {} rows and the catalog says {}", footer.rows, self.meta.rows);
            return Err(StoreError::damaged(&path, what));
        }
        let SegmentCaches { footers, filters, .. } = &self.caches;
        Ok((footers.keep(&self.meta.id, footer), filters.keep(&self.meta.id, filter)))
    }

    /// Rows that the text index says may match; `None` without an index or where it cannot narrow it down.
    pub(crate) fn candidates(&self, predicate: &Predicate) -> Result<Option<RoaringBitmap>> {
        if !self.meta.indexed || matches!(predicate, Predicate::All) {
            return Ok(None);
        }
        let index = match self.caches.indexes.get(&self.meta.id) {
            Some(index) => index,
            None => {
                let path = self.dir.join(INDEX_FILE);
                let index = TextIndex::open(&path)?;
                if index.rows() != self.meta.rows {
                    let what = format!("it indexes {} rows of {}", index.rows(), self.meta.rows);
                    return Err(StoreError::damaged(&path, what));
                }
                self.caches.indexes.keep(&self.meta.id, index)
            }
        };
        index.candidates(predicate)
    }

    /// Reads columns of the selected rows in order, in packed form. Gives with the batches the row numbers
    /// they will have.
    pub(crate) fn read(
        &self,
        wanted: Wanted<'_>,
        selection: &Selection,
    ) -> Result<(impl Iterator<Item = Result<RecordBatch>> + use<>, RowNumbers)> {
        self.read_by(BATCH_ROWS, wanted, selection)
    }

    fn read_by(
        &self,
        batch_rows: usize,
        wanted: Wanted<'_>,
        selection: &Selection,
    ) -> Result<(impl Iterator<Item = Result<RecordBatch>> + use<>, RowNumbers)> {
        let (file, metadata) = self.open()?;
        let groups = self.row_groups(&metadata, selection.range);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_batch_size(batch_rows)
            .with_row_groups(groups.iter().map(|group| group.0).collect());
        let ranges: Vec<std::ops::Range<u32>> = groups.into_iter().map(|(_, rows)| rows).collect();
        let numbers = match &selection.rows {
            None => RowNumbers::Ranges(ranges),
            Some(rows) => {
                let chosen = within(rows, &ranges);
                builder = builder.with_row_selection(row_selection(&chosen, &ranges));
                RowNumbers::Chosen(chosen)
            }
        };
        Ok((self.batches(builder, &metadata, wanted)?, numbers))
    }

    /// Reads columns of rows in order, in packed form: all, or those of these ranges, which ascend.
    pub(crate) fn read_ranges(
        &self,
        wanted: Wanted<'_>,
        rows: Option<&[std::ops::Range<u32>]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let (file, metadata) = self.open()?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_batch_size(BATCH_ROWS);
        if let Some(rows) = rows {
            let ranges = rows.iter().map(|rows| rows.start as usize..rows.end as usize);
            let chosen = RowSelection::from_consecutive_ranges(ranges, self.meta.rows as usize);
            builder = builder.with_row_selection(chosen);
        }
        self.batches(builder, &metadata, wanted)
    }

    /// The batches of a reader with columns, in packed form.
    fn batches(
        &self,
        builder: ParquetRecordBatchReaderBuilder<CheckedFile>,
        metadata: &ArrowReaderMetadata,
        wanted: Wanted<'_>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let names = metadata.schema().fields().iter().map(|field| field.name().as_str());
        let names: Vec<String> = form::file_columns(names, wanted).into_iter().map(str::to_owned).collect();
        let parquet = metadata.metadata().file_metadata().schema_descr();
        let roots = parquet.root_schema().get_fields().iter().enumerate();
        let roots = roots.filter(|(_, field)| names.iter().any(|name| name == field.name()));
        let projection = ProjectionMask::roots(parquet, roots.map(|(at, _)| at).collect::<Vec<_>>());
        let signal = self.meta.signal;
        // The names are kept, not the columns asked for: a caller's list may go while rows are read.
        let wanted: Option<Vec<String>> = match wanted {
            Wanted::All => None,
            Wanted::Columns(columns) => Some(columns.iter().map(|column| (*column).to_owned()).collect()),
        };
        Ok(builder.with_projection(projection).build()?.map(move |batch| {
            let columns: Option<Vec<&str>> =
                wanted.as_ref().map(|columns| columns.iter().map(String::as_str).collect());
            let wanted = columns.as_deref().map_or(Wanted::All, Wanted::Columns);
            form::unfold(signal, &batch?, wanted)
        }))
    }

    /// The templates of its log bodies: the dictionary of each row group.
    pub(crate) fn templates(&self) -> Result<BTreeSet<String>> {
        let (_, metadata) = self.open()?;
        let groups = self.row_groups(&metadata, TimeRange::ALL);
        let first = Some(groups.iter().map(|(_, rows)| rows.start).collect());
        let range = TimeRange::ALL;
        let mut found = BTreeSet::new();
        // A row at a time, so that no batch has rows of two groups: each then comes with its whole dictionary.
        let (rows, _) =
            self.read_by(1, Wanted::Columns(&[TEMPLATE_ID]), &Selection { rows: first, range })?;
        for (row, (_, numbers)) in rows.zip(groups) {
            if dictionary(&row?, &mut found) < DICTIONARY_BYTES_MAX {
                continue;
            }
            // A larger dictionary is given up by the writer, and the file has the others beside their rows.
            let rows = Some(numbers.collect());
            let (rows, _) = self.read(Wanted::Columns(&[TEMPLATE_ID]), &Selection { rows, range })?;
            for batch in rows {
                dictionary(&batch?, &mut found);
            }
        }
        Ok(found)
    }

    /// Its Parquet file, blocks checked as they are read, and what the file says of itself.
    pub(crate) fn open(&self) -> Result<(CheckedFile, ArrowReaderMetadata)> {
        let path = self.data_path();
        let file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let checked = match self.checked.get() {
            Some(checked) => checked,
            None => {
                let footer = self.footer()?;
                let length = file.metadata().map_err(StoreError::io("read", &path))?.len();
                if length != footer.data_bytes {
                    let what = format!("it has {length} bytes of {}", footer.data_bytes);
                    return Err(StoreError::damaged(&path, what));
                }
                let sums = footer.data_blocks_crc32c.clone();
                self.checked.get_or_init(|| sums.map(|sums| Arc::new(Checked::new(sums))))
            }
        };
        let file = CheckedFile::new(file, path.clone(), checked.clone());
        let file = file.map_err(StoreError::io("read", &path))?;
        if let Some(metadata) = self.caches.metadata.get(&self.meta.id) {
            return Ok((file, ArrowReaderMetadata::clone(&metadata)));
        }
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options)?;
        drop(self.caches.metadata.keep(&self.meta.id, metadata.clone()));
        Ok((file, metadata))
    }

    /// Its pages that can hold times in `range`, those with the newest rows first; none if the file does not tell.
    pub(crate) fn pages(&self, range: TimeRange) -> Result<Vec<Page>> {
        let (_, metadata) = self.open()?;
        let parquet = metadata.metadata();
        let time = schema::time_column(self.meta.signal);
        let columns = parquet.file_metadata().schema_descr().columns();
        let column = columns.iter().position(|column| column.path().string() == time);
        let (Some(column), Some(times), Some(places)) =
            (column, parquet.column_index(), parquet.offset_index())
        else {
            return Ok(Vec::new());
        };
        let mut pages = Vec::new();
        for (number, rows) in self.row_groups(&metadata, range) {
            let (Some(ColumnIndexMetaData::INT64(times)), Some(places)) = (
                times.get(number).and_then(|of| of.get(column)),
                places.get(number).and_then(|of| of.get(column)),
            ) else {
                return Ok(Vec::new());
            };
            let begins = places.page_locations().iter().map(|page| rows.start + page.first_row_index as u32);
            let begins: Vec<u32> = begins.chain([rows.end]).collect();
            for (at, ends) in begins.windows(2).enumerate() {
                let (Some(first), Some(last)) = (times.min_value(at), times.max_value(at)) else {
                    return Ok(Vec::new());
                };
                if range.overlaps(UnixNanos(*first), UnixNanos(*last)) {
                    pages.push(Page { rows: ends[0]..ends[1], last: UnixNanos(*last) });
                }
            }
        }
        pages.sort_by_key(|page| std::cmp::Reverse(page.last));
        Ok(pages)
    }

    /// The row groups that can hold times in `range`, each with its row numbers.
    fn row_groups(
        &self,
        metadata: &ArrowReaderMetadata,
        range: TimeRange,
    ) -> Vec<(usize, std::ops::Range<u32>)> {
        let parquet = metadata.metadata();
        let time = schema::time_column(self.meta.signal);
        let columns = parquet.file_metadata().schema_descr().columns();
        let column = columns.iter().position(|column| column.path().string() == time);
        let mut start = 0;
        let mut groups = Vec::new();
        for (number, group) in parquet.row_groups().iter().enumerate() {
            let rows = start..start + group.num_rows() as u32;
            start = rows.end;
            let outside = column.and_then(|column| match group.column(column).statistics() {
                Some(Statistics::Int64(times)) => Some((*times.min_opt()?, *times.max_opt()?)),
                _ => None,
            });
            let outside =
                outside.is_some_and(|(first, last)| !range.overlaps(UnixNanos(first), UnixNanos(last)));
            if !outside {
                groups.push((number, rows));
            }
        }
        groups
    }
}

/// Adds the templates of a batch's dictionary; answers what they take in the file.
fn dictionary(batch: &RecordBatch, found: &mut BTreeSet<String>) -> usize {
    let templates = batch.column_by_name(BODY_TEMPLATE);
    let Some(templates) = templates.and_then(|templates| templates.as_dictionary_opt::<Int32Type>()) else {
        return 0;
    };
    let texts = templates.values().as_string::<i32>();
    for text in texts.iter().flatten() {
        if !found.contains(text) {
            found.insert(text.to_owned());
        }
    }
    texts.iter().flatten().map(|text| text.len() + size_of::<u32>()).sum()
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Acquire) {
            self.caches.forget(&self.meta.id);
            // What cannot be deleted now is deleted at the next start: the catalog does not name it.
            drop(std::fs::remove_dir_all(&self.dir));
        }
    }
}

/// The row numbers that a reader yields, in order.
#[derive(Debug)]
pub(crate) enum RowNumbers {
    Ranges(Vec<std::ops::Range<u32>>),
    Chosen(RoaringBitmap),
}

impl RowNumbers {
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Ranges(ranges) => Box::new(ranges.iter().cloned().flatten()),
            Self::Chosen(rows) => Box::new(rows.iter()),
        }
    }
}

/// Chosen row numbers of a segment's `rows`, as skips and takes.
pub(crate) fn selection_of(chosen: &RoaringBitmap, rows: u32) -> RowSelection {
    row_selection(chosen, std::slice::from_ref(&(0..rows)))
}

fn within(rows: &RoaringBitmap, ranges: &[std::ops::Range<u32>]) -> RoaringBitmap {
    let mut allowed = RoaringBitmap::new();
    for range in ranges {
        allowed.insert_range(range.clone());
    }
    rows & &allowed
}

/// Chosen row numbers as skips and takes over the rows of `ranges`, one after another.
fn row_selection(rows: &RoaringBitmap, ranges: &[std::ops::Range<u32>]) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut push = |skip: bool, count: usize| match selectors.last_mut() {
        _ if count == 0 => {}
        Some(last) if last.skip == skip => last.row_count += count,
        _ => selectors.push(RowSelector { row_count: count, skip }),
    };
    let mut rows = rows.iter().peekable();
    for range in ranges {
        let mut at = range.start;
        while let Some(row) = rows.next_if(|row| *row < range.end) {
            push(true, (row - at) as usize);
            push(false, 1);
            at = row + 1;
        }
        push(true, (range.end - at) as usize);
    }
    RowSelection::from(selectors)
}

fn merge_batch_rows(signal: Signal) -> usize {
    if signal == Signal::Logs { BLOCK_ROWS } else { MERGE_BATCH_ROWS }
}

/// About how many bytes of memory it takes to read a segment for a merge: a batch of rows with their keys, and a
/// decompressed page of each column.
pub(crate) fn input_bytes(meta: &SegmentMeta) -> usize {
    let of_row = meta.bytes / meta.rows.max(1);
    let rows = meta.rows.min(merge_batch_rows(meta.signal) as u64) * (of_row * UNPACKED + KEY_BYTES);
    let pages = meta.rows.min(BLOCK_ROWS as u64) * of_row * DECOMPRESSED;
    usize::try_from(rows + pages).unwrap_or(usize::MAX).saturating_add(INPUT_BYTES)
}

/// Reads a whole segment in order for a merge, checking the sum of its bytes first.
pub(crate) fn read_checked(segment: &Segment) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let path = segment.data_path();
    let mut file = File::open(&path).map_err(StoreError::io("open", &path))?;
    let crc = checksum(&mut file).map_err(StoreError::io("read", &path))?;
    if crc != segment.footer()?.data_crc32c {
        return Err(StoreError::damaged(&path, "its checksum does not match"));
    }
    let batch_rows = merge_batch_rows(segment.meta.signal);
    Ok(segment.read_by(batch_rows, Wanted::All, &Selection::default())?.0)
}

fn checksum(file: &mut File) -> std::io::Result<u32> {
    use std::io::Read;
    let mut buffer = vec![0; 1 << 20];
    let mut crc = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(crc),
            read => crc = crc32c::crc32c_append(crc, &buffer[..read]),
        }
    }
}
