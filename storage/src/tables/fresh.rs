//! Rows in memory as a source of a plan: by name, so that a plan can be sent, with the rows they name in this process.
//!
//! Batches are named by their first `seq` and how many rows they have. Rows of `red` that are rolled up when they
//! are asked for are named by the minutes that they are of.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, plan_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSource;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::{DisplayFormatType, Partitioning};
use datafusion_proto::protobuf::PhysicalPlanNode;
use model::{Signal, TimeRange};

use super::{Result, codec, identities, rolled_up};
use crate::memtable::Rows;
use crate::snapshot::Snapshot;

/// Which rows, as data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) signal: Signal,
    /// Whether rows have the identities of their templates.
    pub(super) templates: bool,
    /// Of `red`: the minutes that are rolled up.
    pub(super) range: TimeRange,
    /// The batches by their first `seq` and number of rows; none of `red`.
    pub(super) batches: Vec<(i64, u64)>,
}

/// Fresh rows of one signal that a plan reads.
#[derive(Debug, Clone)]
pub struct FreshRows {
    pub(super) tenant: Option<model::TenantId>,
    pub(super) named: Arc<Named>,
    /// Into how many parts the rows were split; 1 if they were not.
    pub(super) partitions: usize,
    memory: MemorySourceConfig,
}

impl Named {
    /// All fresh rows of a signal in a snapshot; of `red` those of the minutes of `range`.
    pub(super) fn all(snapshot: &Snapshot, signal: Signal, range: TimeRange, templates: bool) -> Self {
        let batches = match signal {
            Signal::Red => Vec::new(),
            _ => snapshot.table(signal).fresh.iter().map(|rows| name(rows)).collect(),
        };
        let range = if signal == Signal::Red { range.whole_minutes() } else { TimeRange::ALL };
        Self { signal, templates, range, batches }
    }

    /// The rows with the columns of `shown`. An error if the snapshot no longer has them in memory.
    pub(super) fn rows(&self, snapshot: &Snapshot, shown: &SchemaRef) -> Result<Vec<RecordBatch>> {
        if self.signal == Signal::Red {
            return rolled_up(snapshot, self.range, shown);
        }
        let table = snapshot.table(self.signal);
        let identities = self.templates.then(|| identities(snapshot));
        let one = |named: &(i64, u64)| {
            let Some(rows) = table.fresh.iter().find(|rows| name(rows) == *named) else {
                return plan_err!(
                    "the plan reads {} fresh rows of {} from {} on, which are not in memory any more: plan again",
                    named.1,
                    self.signal,
                    named.0
                );
            };
            super::as_table(&rows.batch, shown, identities.as_deref().map(|ids| (rows.as_ref(), ids)))
        };
        self.batches.iter().map(one).collect()
    }
}

/// The first `seq` of a batch, and its number of rows.
fn name(rows: &Rows) -> (i64, u64) {
    let seqs = rows.batch.column_by_name("seq").and_then(|seqs| seqs.as_primitive_opt::<Int64Type>());
    let first = seqs.and_then(|seqs| seqs.values().first().copied());
    (first.unwrap_or_default(), rows.batch.num_rows() as u64)
}

impl FreshRows {
    /// The rows that are named, with the columns of `shown`.
    pub(super) fn new(snapshot: &Snapshot, named: Named, shown: SchemaRef) -> Result<Self> {
        let rows = named.rows(snapshot, &shown)?;
        let memory = MemorySourceConfig::try_new(&[rows], shown, None)?;
        Ok(Self { tenant: snapshot.tenant(), named: Arc::new(named), partitions: 1, memory })
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.memory.partitions().iter().flatten().map(|batch| batch.num_rows() as u64).sum()
    }

    /// The columns before projection.
    pub(super) fn columns(&self) -> SchemaRef {
        self.memory.original_schema()
    }

    /// Which columns are projected, if not all.
    pub(super) fn projection(&self) -> Option<&Vec<usize>> {
        self.memory.projection().as_ref()
    }

    /// Split into so many parts, as far as there are batches.
    pub(super) fn split(&self, partitions: usize) -> Result<Option<Self>> {
        let memory = self.memory.repartitioned(partitions, 0, None)?;
        Ok(self.over(memory).map(|split| Self { partitions, ..split }))
    }

    /// With these columns and at most so many rows of each part.
    pub(super) fn showing(self, projection: Option<Vec<usize>>, fetch: Option<usize>) -> Result<Self> {
        let memory = MemorySourceConfig::try_new(self.memory.partitions(), self.columns(), projection)?;
        Ok(Self { memory: memory.with_limit(fetch), ..self })
    }

    /// The same names over memory that DataFusion arranged anew.
    fn over(&self, memory: Option<Arc<dyn DataSource>>) -> Option<Self> {
        let memory = memory?.downcast_ref::<MemorySourceConfig>()?.clone();
        Some(Self { memory, named: Arc::clone(&self.named), ..*self })
    }
}

impl DataSource for FreshRows {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.memory.open(partition, context)
    }

    fn fmt_as(&self, form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt_as(form, f)
    }

    fn repartitioned(
        &self,
        partitions: usize,
        _: usize,
        ordering: Option<LexOrdering>,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        // Fresh rows are in no order that could be kept.
        if ordering.is_some() {
            return Ok(None);
        }
        Ok(self.split(partitions)?.map(|split| Arc::new(split) as _))
    }

    fn output_partitioning(&self) -> Partitioning {
        self.memory.output_partitioning()
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        self.memory.eq_properties()
    }

    fn scheduling_type(&self) -> SchedulingType {
        self.memory.scheduling_type()
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.memory.partition_statistics(partition)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(self.over(self.memory.with_fetch(limit))?))
    }

    fn fetch(&self) -> Option<usize> {
        self.memory.fetch()
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        let swapped = self.memory.try_swapping_with_projection(projection)?;
        Ok(self.over(swapped).map(|swapped| Arc::new(swapped) as _))
    }

    fn apply_expressions(
        &self,
        each: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.memory.apply_expressions(each)
    }

    fn try_to_proto(&self, _: &ExecutionPlanEncodeCtx<'_>) -> Result<Option<PhysicalPlanNode>> {
        codec::fresh(self).map(Some)
    }
}
