//! The segments of a table as a source of files: DataFusion's own for Parquet, which is told of each file, when
//! it is opened, the rows that the segment's text index names.
//!
//! What is asked of the index is data ([`Predicate`]), and it is asked where the file is opened, once per
//! segment and part of it that is read.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{MorselPlanner, Morselizer};
use datafusion_proto::protobuf::PhysicalPlanNode;
use model::{Predicate, Signal, TenantId};
use object_store::ObjectStore;

use super::{Result, codec};
use crate::scan::INDEX_SHARE_MAX;
use crate::segment::{Segment, selection_of};

/// The segments of a plan by the places of their files.
pub(super) type Segments = HashMap<String, Arc<Segment>>;

/// The segments of a table that are read, and what their indexes are asked.
pub(super) struct SegmentSource {
    parquet: Arc<dyn FileSource>,
    asked: Arc<Asked>,
    /// In which order row groups were asked for last; empty if in none.
    order: Vec<PhysicalSortExpr>,
}

/// Whether a source of files reads segments and nothing else.
pub fn is_of_segments(source: &Arc<dyn FileSource>) -> bool {
    source.is::<SegmentSource>()
}

/// What is asked of every segment's index.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) tenant: Option<TenantId>,
    pub(super) signal: Signal,
    pub(super) segments: Arc<Segments>,
    /// Segments of the table, those included that cannot have a row and are not read.
    pub(super) segments_total: usize,
    pub(super) predicate: Predicate,
    /// Whether rows have the identities of their templates.
    pub(super) templates: bool,
}

impl SegmentSource {
    pub(super) fn new(parquet: Arc<dyn FileSource>, asked: Arc<Asked>) -> Self {
        Self { parquet, asked, order: Vec::new() }
    }

    /// The same, whose Parquet source was told of this order.
    pub(super) fn with_order(self, order: Vec<PhysicalSortExpr>) -> Self {
        Self { order, ..self }
    }

    fn over(&self, parquet: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { parquet, asked: Arc::clone(&self.asked), order: self.order.clone() })
    }
}

impl FileSource for SegmentSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.parquet.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let parquet = self.parquet.create_morselizer(store, config, partition)?;
        if self.asked.predicate == Predicate::All {
            return Ok(parquet);
        }
        let pruned = MetricBuilder::new(self.metrics()).counter("index_pruned_rows", partition);
        Ok(Box::new(Narrowed { parquet, asked: Arc::clone(&self.asked), pruned }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        self.over(self.parquet.with_batch_size(rows))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.parquet.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.parquet.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.parquet.metrics()
    }

    fn file_type(&self) -> &str {
        self.parquet.file_type()
    }

    fn fmt_extra(&self, form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { segments, segments_total, predicate, .. } = self.asked.as_ref();
        write!(f, ", segments={} of {segments_total}", segments.len())?;
        if *predicate != Predicate::All {
            write!(f, ", index={predicate:?}")?;
        }
        self.parquet.fmt_extra(form, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.parquet.supports_repartitioning()
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let pushed = self.parquet.try_pushdown_filters(filters, config)?;
        Ok(FilterPushdownPropagation {
            filters: pushed.filters,
            updated_node: pushed.updated_node.map(|parquet| self.over(parquet)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.parquet.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => {
                SortOrderPushdownResult::Exact { inner: self.over(inner) }
            }
            SortOrderPushdownResult::Inexact { inner: parquet } => {
                let inner = Self::new(parquet, Arc::clone(&self.asked)).with_order(order.to_vec());
                SortOrderPushdownResult::Inexact { inner: Arc::new(inner) }
            }
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn apply_expressions(
        &self,
        each: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(each)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.parquet.try_pushdown_projection(projection)?.map(|parquet| self.over(parquet)))
    }

    fn try_to_proto(
        &self,
        config: &FileScanConfig,
        context: &ExecutionPlanEncodeCtx<'_>,
    ) -> Result<Option<PhysicalPlanNode>> {
        let Some(scan) = self.parquet.try_to_proto(config, context)? else { return Ok(None) };
        codec::files(&self.asked, &self.order, config, scan, context).map(Some)
    }
}

/// Opens files narrowed down to the rows that the index names.
struct Narrowed {
    parquet: Box<dyn Morselizer>,
    asked: Arc<Asked>,
    pruned: Count,
}

impl fmt::Debug for Narrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Narrowed").field(&self.asked.predicate).finish()
    }
}

impl Morselizer for Narrowed {
    fn plan_file(&self, mut file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let place = file.object_meta.location.as_ref();
        if let Some(segment) = self.asked.segments.get(place) {
            let external = |error| DataFusionError::External(Box::new(error));
            let candidates = segment.candidates(&self.asked.predicate).map_err(external)?;
            let rows = segment.meta.rows;
            if let Some(candidates) = candidates.filter(|rows_of| worth(rows_of.len(), rows)) {
                self.pruned.add((rows - candidates.len()) as usize);
                file.extensions.insert(ParquetRowSelection::new(selection_of(&candidates, rows as u32)));
            }
        }
        self.parquet.plan_file(file)
    }
}

/// Whether so few rows are named that reading only them pays.
fn worth(named: u64, rows: u64) -> bool {
    named as f64 <= INDEX_SHARE_MAX * rows as f64
}
