//! Rows as they are sent: lines of JSON, CSV, or an Arrow stream, written batch by batch.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use serde::Serializer;

use super::cells::{json_rows, text_rows};
use crate::error::QueryError;

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// An object a line, its keys in the order of the columns.
    Ndjson,
    /// A header and a line per row.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

/// Writes the rows of one answer.
pub(super) enum Writer {
    Ndjson {
        names: Vec<String>,
    },
    Csv {
        /// The header, until it was written.
        header: Option<Vec<String>>,
    },
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl Writer {
    pub(super) fn new(format: RowFormat, schema: &SchemaRef) -> Result<Self, QueryError> {
        let names = || schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(match format {
            RowFormat::Ndjson => Self::Ndjson { names: names() },
            RowFormat::Csv => Self::Csv { header: Some(names()) },
            RowFormat::Arrow => {
                let writer = StreamWriter::try_new(Vec::new(), schema);
                Self::Arrow(Box::new(writer.map_err(|error| arrow(&error))?))
            }
        })
    }

    /// The rows of a batch, and what stands before the first ones.
    pub(super) fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        match self {
            Self::Ndjson { names } => ndjson(names, batch),
            Self::Csv { header } => csv(header.take().into_iter().chain(text_rows(batch))),
            Self::Arrow(writer) => {
                writer.write(batch).map_err(|error| arrow(&error))?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    /// What stands behind the last rows.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, QueryError> {
        match self {
            Self::Ndjson { .. } => Ok(Vec::new()),
            Self::Csv { header } => csv(header.take().into_iter()),
            Self::Arrow(writer) => {
                writer.finish().map_err(|error| arrow(&error))?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }
}

fn ndjson(names: &[String], batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
    let mut text = Vec::new();
    for row in json_rows(batch) {
        let line = serde_json::Serializer::new(&mut text).collect_map(names.iter().zip(&row));
        line.map_err(|error| QueryError::Store(error.to_string()))?;
        text.push(b'\n');
    }
    Ok(text)
}

fn csv(rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>, QueryError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| QueryError::Store(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| QueryError::Store(error.to_string()))
}

fn arrow(error: &ArrowError) -> QueryError {
    QueryError::Store(error.to_string())
}
