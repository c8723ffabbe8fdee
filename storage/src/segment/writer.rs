//! Writes one segment: rows come sorted, files come out synced.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type, TimestampNanosecondType};
use model::{TenantId, UnixNanos, schema};
use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::checked::BlockSums;
use super::data::{self, DataWriter};
use super::footer::{self, Footer};
use super::form::{BODY_VARIABLES, Folder};
use super::index::{BLOCK_ROWS, IndexWriter};
use super::trace_filter::{TraceFilter, TraceHashes};
use super::{DATA_FILE, FOOTER_FILE, INDEX_FILE, SegmentMeta};
use crate::columns::{AttributeColumn, Kind, Layout};
use crate::error::{Result, StoreError};
use crate::timings::{Step, Timings};
use crate::wal::{random, sync_dir};

/// Rows in a row group.
pub(crate) const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Rows in a page at most: what a look-up of one row has to decode. A block of the index is one page.
const PAGE_ROWS_MAX: usize = BLOCK_ROWS;
/// More services than this are not listed in the footer.
const SERVICES_MAX: usize = 1000;
/// Text of which more than this part in eight of the values differs is written without a dictionary.
const DIFFERENT_EIGHTHS_MAX: u64 = 6;

/// Writes a segment. Dropped before [`Self::finish`], it leaves nothing behind.
pub(crate) struct SegmentWriter {
    root: PathBuf,
    dir: PathBuf,
    meta: SegmentMeta,
    folder: Folder,
    data: Option<DataWriter<Counted>>,
    index: Option<IndexWriter>,
    attributes: Vec<AttributeColumn>,
    /// Rows that do not make a block yet.
    pending: Vec<RecordBatch>,
    trace_ids: TraceHashes,
    services: std::collections::BTreeSet<String>,
    seq: (i64, i64),
    finished: bool,
    timings: Arc<Timings>,
}

impl SegmentWriter {
    /// Begins a segment below `root`, the data directory.
    pub(crate) fn create(
        root: &Path,
        tenant: TenantId,
        layout: &Layout,
        indexed: bool,
        timings: &Arc<Timings>,
    ) -> Result<Self> {
        let signal = layout.signal;
        let meta = SegmentMeta {
            id: format!("{:016x}{:016x}", random(), random()),
            tenant,
            signal,
            rows: 0,
            bytes: 0,
            first: UnixNanos(i64::MAX),
            last: UnixNanos(i64::MIN),
            first_arrival: UnixNanos(i64::MAX),
            last_arrival: UnixNanos(i64::MIN),
            indexed,
            rolled_up: false,
        };
        let dir = root.join(meta.path());
        std::fs::create_dir_all(&dir).map_err(StoreError::io("create", &dir))?;
        let path = dir.join(DATA_FILE);
        let file = File::create(&path).map_err(StoreError::io("create", &path))?;
        let counted = Counted { file, bytes: 0, crc: 0, blocks: BlockSums::default() };
        let folder = Folder::new(layout);
        let data = DataWriter::new(counted, folder.schema(), properties(layout))?;
        Ok(Self {
            root: root.to_owned(),
            dir,
            meta,
            folder,
            attributes: layout.attributes.clone(),
            pending: Vec::new(),
            data: Some(data),
            index: indexed.then(IndexWriter::new).transpose()?,
            trace_ids: TraceHashes::default(),
            services: std::collections::BTreeSet::new(),
            seq: (i64::MAX, i64::MIN),
            finished: false,
            timings: Arc::clone(timings),
        })
    }

    /// Adds the next rows in order, packed and in the layout's schema.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.observe(batch);
        let mut rest = batch.clone();
        loop {
            let waiting: usize = self.pending.iter().map(RecordBatch::num_rows).sum();
            let wanted = BLOCK_ROWS - waiting;
            if rest.num_rows() < wanted {
                if rest.num_rows() > 0 {
                    self.pending.push(rest);
                }
                return Ok(());
            }
            self.pending.push(rest.slice(0, wanted));
            rest = rest.slice(wanted, rest.num_rows() - wanted);
            self.write_block()?;
        }
    }

    /// Writes what is pending as a block.
    fn write_block(&mut self) -> Result<()> {
        let block = match self.pending.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            several => concat_batches(several[0].schema_ref(), several)?,
        };
        self.pending.clear();
        let folded = self.timings.time(Step::Fold, || self.folder.fold(&block))?;
        if let Some(index) = &mut self.index {
            self.timings.time(Step::Index, || index.add(self.meta.signal, &folded))?;
        }
        if let Some(data) = &mut self.data {
            self.timings.time(Step::Parquet, || data.write(&folded))?;
        }
        Ok(())
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.meta.rows
    }

    /// Writes what is left, syncs everything and describes the segment.
    pub(crate) fn finish(mut self) -> Result<SegmentMeta> {
        self.write_block()?;
        let Some(data) = self.data.take() else { return Err(StoreError::Closed) };
        let timings = Arc::clone(&self.timings);
        let mut counted = timings.time(Step::Parquet, || data.finish())?;
        let blocks = std::mem::take(&mut counted.blocks).finish();
        let synced = timings.time(Step::SyncSegment, || counted.file.sync_all());
        synced.map_err(StoreError::io("sync", &self.dir.join(DATA_FILE)))?;
        let index_bytes = match self.index.take() {
            Some(index) => Some(timings.time(Step::Index, || index.write(&self.dir.join(INDEX_FILE)))?),
            None => None,
        };
        let footer = self.footer(&counted, blocks, index_bytes);
        let hashes = std::mem::take(&mut self.trace_ids);
        let filter = timings.time(Step::TraceFilter, || TraceFilter::of(hashes))?;
        let footer = footer::encode(&footer, filter.as_ref())?;
        let path = self.dir.join(FOOTER_FILE);
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(&footer)?;
            file.sync_all()
        };
        write().map_err(StoreError::io("write", &path))?;
        timings.time(Step::SyncSegment, || self.sync_dirs())?;
        self.meta.bytes = counted.bytes + index_bytes.unwrap_or(0) + footer.len() as u64;
        self.finished = true;
        Ok(self.meta.clone())
    }

    fn footer(&self, data: &Counted, blocks: Vec<u32>, index_bytes: Option<u64>) -> Footer {
        let listed = self.services.len() <= SERVICES_MAX;
        Footer {
            signal: self.meta.signal.table().to_owned(),
            rows: self.meta.rows,
            row_group_rows: ROW_GROUP_ROWS as u64,
            first: self.meta.first.0,
            last: self.meta.last.0,
            first_seq: self.seq.0,
            last_seq: self.seq.1,
            first_arrival: self.meta.first_arrival.0,
            last_arrival: self.meta.last_arrival.0,
            data_bytes: data.bytes,
            data_crc32c: data.crc,
            data_blocks_crc32c: Some(blocks),
            index_bytes,
            services: listed.then(|| self.services.iter().cloned().collect()),
            attributes: Some(self.attributes.clone()),
        }
    }

    /// Syncs the segment's directory and every one above it, up to the data directory.
    fn sync_dirs(&self) -> Result<()> {
        let mut dir = self.dir.as_path();
        loop {
            sync_dir(dir).map_err(StoreError::io("sync", dir))?;
            match dir.parent() {
                Some(parent) if dir != self.root => dir = parent,
                _ => return Ok(()),
            }
        }
    }

    fn observe(&mut self, batch: &RecordBatch) {
        self.meta.rows += batch.num_rows() as u64;
        let range = |name: &str| -> Option<(i64, i64)> {
            let column = batch.column_by_name(name)?;
            let values = match column.as_primitive_opt::<TimestampNanosecondType>() {
                Some(times) => times.values(),
                None => column.as_primitive_opt::<Int64Type>()?.values(),
            };
            Some((values.iter().min().copied()?, values.iter().max().copied()?))
        };
        if let Some((first, last)) = range(schema::time_column(self.meta.signal)) {
            self.meta.first = self.meta.first.min(UnixNanos(first));
            self.meta.last = self.meta.last.max(UnixNanos(last));
        }
        if let Some((first, last)) = range("received_time") {
            self.meta.first_arrival = self.meta.first_arrival.min(UnixNanos(first));
            self.meta.last_arrival = self.meta.last_arrival.max(UnixNanos(last));
        }
        if let Some((first, last)) = range("seq") {
            self.seq = (self.seq.0.min(first), self.seq.1.max(last));
        }
        self.observe_names(batch);
    }

    fn observe_names(&mut self, batch: &RecordBatch) {
        if let Some(ids) =
            batch.column_by_name("trace_id").and_then(|column| column.as_fixed_size_binary_opt())
        {
            self.timings.time(Step::TraceFilter, || {
                for id in ids.iter().flatten() {
                    if let Ok(id) = id.try_into() {
                        self.trace_ids.add(id);
                    }
                }
            });
        }
        let services =
            batch.column_by_name("service_name").and_then(|column| column.as_dictionary_opt::<Int32Type>());
        if let Some(services) = services.filter(|_| self.services.len() <= SERVICES_MAX) {
            let names = services.values().as_string::<i32>();
            let mut used: Vec<i32> = services.keys().values().to_vec();
            used.sort_unstable();
            used.dedup();
            self.services.extend(used.into_iter().map(|key| names.value(key as usize).to_owned()));
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !self.finished {
            drop(self.data.take());
            drop(std::fs::remove_dir_all(&self.dir));
        }
    }
}

/// A file that counts and sums what is written to it.
struct Counted {
    file: File,
    bytes: u64,
    crc: u32,
    blocks: BlockSums,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        self.blocks.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn properties(layout: &Layout) -> WriterProperties {
    let signal = layout.signal;
    let mut properties = WriterProperties::builder()
        .set_compression(data::compression())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_write_batch_size(PAGE_ROWS_MAX)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("causeway ", env!("CARGO_PKG_VERSION")).to_owned());
    // Page statistics where a look-up prunes by them; elsewhere they cost space and help nobody.
    for column in ["seq", "trace_id", "service_name", "metric", "series", schema::time_column(signal)] {
        properties =
            properties.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::Page);
    }
    let delta =
        ["seq", "start_time", "end_time", "time", "observed_time", "observed_delay_ns", "duration_ns"];
    for column in delta {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED);
    }
    // Parquet's statistics leave NaN out, and Arrow orders it above every number: they would prune it away.
    for column in ["value", "sum", "min", "max", "zero_threshold", "weight"] {
        properties =
            properties.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    for column in ["span_id", "body", BODY_VARIABLES, "duration"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    for column in &layout.attributes {
        let path = ColumnPath::new(vec![model::packed::field_name(&column.key)]);
        if column.kind == Kind::Double {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        } else if column.kind == Kind::Text && column.distinct * 8 > column.rows * DIFFERENT_EIGHTHS_MAX {
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    properties.build()
}
