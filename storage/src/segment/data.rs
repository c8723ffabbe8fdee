//! Writes `data.parquet`. Rows come in blocks, and a block becomes a page of every column.
//!
//! Most columns are text in dictionaries. Parquet's writer for Arrow hashes each value of each row once more, compares it
//! with the least and greatest so far, and writes down a level for each null. [`texts`] does that once for each value
//! of a dictionary, and takes levels from the bits of the validity ([`hybrid`]). All other columns, and text that is
//! kept without a dictionary or with statistics by page, go through Parquet's own writers.

mod hybrid;
mod texts;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::index::BLOCK_ROWS;
use super::writer::ROW_GROUP_ROWS;
use crate::error::{Result, StoreError};
use texts::TextChunk;

/// The level at which pages are compressed.
const ZSTD_LEVEL: i32 = 1;

const _: () = assert!(ROW_GROUP_ROWS.is_multiple_of(BLOCK_ROWS), "a row group is a number of whole blocks");

/// How pages are compressed.
pub(super) fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default())
}

/// Writes a Parquet file, one row group at a time.
pub(super) struct DataWriter<W: Write + Send> {
    schema: SchemaRef,
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    /// Of each field, whether its chunks are written here.
    own: Vec<bool>,
    /// The row group under way, a chunk for each field.
    chunks: Vec<Chunk>,
    rows: usize,
    compressor: Compressor<'static>,
}

/// A column of the row group under way.
enum Chunk {
    Texts(Box<TextChunk>),
    /// A writer for each leaf.
    Others(Vec<ArrowColumnWriter>),
}

impl<W: Write + Send> DataWriter<W> {
    /// Begins a file. `properties` compress as [`compression`] says.
    pub(super) fn new(sink: W, schema: &SchemaRef, properties: WriterProperties) -> Result<Self> {
        let writer = ArrowWriter::try_new(sink, Arc::clone(schema), Some(properties))?;
        let (file, factory) = writer.into_serialized_writer()?;
        let leaves = leaves(&file);
        let own = schema.fields().iter().zip(&leaves).map(|(field, leaves)| is_own(field, leaves, &file));
        let compressor = Compressor::new(ZSTD_LEVEL)
            .map_err(StoreError::io("make a compressor for", Path::new(super::DATA_FILE)))?;
        let (own, chunks) = (own.collect(), Vec::new());
        Ok(Self { schema: Arc::clone(schema), file, factory, own, chunks, rows: 0, compressor })
    }

    /// Adds the next block: [`BLOCK_ROWS`] rows, or the last ones.
    pub(super) fn write(&mut self, block: &RecordBatch) -> Result<()> {
        if self.chunks.is_empty() {
            self.chunks = self.open()?;
        }
        for ((chunk, field), column) in self.chunks.iter_mut().zip(self.schema.fields()).zip(block.columns())
        {
            match chunk {
                Chunk::Texts(chunk) => chunk.write(column, &mut self.compressor)?,
                Chunk::Others(writers) => {
                    for (writer, leaf) in writers.iter_mut().zip(compute_leaves(field, column)?) {
                        writer.write(&leaf)?;
                    }
                }
            }
        }
        self.rows += block.num_rows();
        if self.rows >= ROW_GROUP_ROWS { self.close_group() } else { Ok(()) }
    }

    /// Writes what is left and the footer, and gives back what was written to.
    pub(super) fn finish(mut self) -> Result<W> {
        self.close_group()?;
        Ok(self.file.into_inner()?)
    }

    /// Chunks for the next row group.
    fn open(&self) -> Result<Vec<Chunk>> {
        let group = self.file.flushed_row_groups().len();
        let mut writers = self.factory.create_column_writers(group)?.into_iter();
        let chunks = leaves(&self.file).into_iter().zip(&self.own).map(|(leaves, own)| {
            let others: Vec<ArrowColumnWriter> = writers.by_ref().take(leaves.len()).collect();
            match (own, leaves.first()) {
                (true, Some(leaf)) => Chunk::Texts(Box::new(TextChunk::new(Arc::clone(leaf)))),
                _ => Chunk::Others(others),
            }
        });
        Ok(chunks.collect())
    }

    fn close_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let mut group = self.file.next_row_group()?;
        for chunk in self.chunks.drain(..) {
            match chunk {
                Chunk::Texts(chunk) => {
                    let (bytes, described) = chunk.close(&mut self.compressor)?;
                    group.append_column(&bytes, described)?;
                }
                Chunk::Others(writers) => {
                    for writer in writers {
                        writer.close()?.append_to_row_group(&mut group)?;
                    }
                }
            }
        }
        group.close()?;
        Ok(())
    }
}

/// The columns in the file of each field.
fn leaves<W: Write + Send>(file: &SerializedFileWriter<W>) -> Vec<Vec<ColumnDescPtr>> {
    let schema = file.schema_descr();
    let mut leaves = vec![Vec::new(); schema.root_schema().get_fields().len()];
    for (at, leaf) in schema.columns().iter().enumerate() {
        leaves[schema.get_column_root_idx(at)].push(Arc::clone(leaf));
    }
    leaves
}

/// Whether the chunks of a field are written here.
fn is_own<W: Write + Send>(field: &Field, leaves: &[ColumnDescPtr], file: &SerializedFileWriter<W>) -> bool {
    let texts = matches!(field.data_type(), DataType::Dictionary(key, value)
        if **key == DataType::Int32 && **value == DataType::Utf8);
    let properties = file.properties();
    let plainly = |leaf: &ColumnDescPtr| {
        properties.dictionary_enabled(leaf.path())
            && properties.statistics_enabled(leaf.path()) == EnabledStatistics::Chunk
    };
    texts && matches!(leaves, [leaf] if plainly(leaf))
}

#[cfg(test)]
mod tests;
