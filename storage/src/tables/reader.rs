//! Opens the Parquet files of segments for DataFusion: metadata from the store's cache, every block checked.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Result;
use super::source::Segments;
use crate::segment::CheckedFile;

/// Knows the segments of a plan by the places of their files.
#[derive(Debug)]
pub(super) struct SegmentReaders {
    segments: Arc<Segments>,
}

impl SegmentReaders {
    pub(super) fn new(segments: Arc<Segments>) -> Self {
        Self { segments }
    }
}

impl ParquetFileReaderFactory for SegmentReaders {
    fn create_reader(
        &self,
        _: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let place = file.object_meta.location.as_ref();
        let segment = self.segments.get(place).ok_or_else(|| {
            DataFusionError::Internal(format!("the plan reads {place}, which is no segment of its snapshot"))
        })?;
        let external = |error| DataFusionError::External(Box::new(error));
        let (file, metadata) = segment.open().map_err(external)?;
        Ok(Box::new(Reader { file, metadata: Arc::clone(metadata.metadata()) }))
    }
}

struct Reader {
    file: CheckedFile,
    metadata: Arc<ParquetMetaData>,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        // Local files are read where they are asked for: the threads of queries may block.
        let bytes = self.file.range(range.start, (range.end - range.start) as usize);
        std::future::ready(bytes).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        std::future::ready(Ok(Arc::clone(&self.metadata))).boxed()
    }
}
