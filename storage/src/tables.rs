//! A snapshot as tables of DataFusion.
//!
//! A table is the union of two sources: fresh rows in memory, and the Parquet files of the segments through
//! DataFusion's own Parquet source. Segments that cannot hold a row of the question are left out while
//! planning: by their time range, and by their filter where a trace id is asked for.
//!
//! The snapshot must be held by whoever runs the plan, or files could go under it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use model::{Signal, TimeRange, UnixNanos, packed, schema};
use object_store::ObjectMeta;

use crate::columns::REST;
use crate::memtable::Rows;
use crate::scan::templates::{self, Identities};
use crate::segment::Segment;
use crate::snapshot::Snapshot;
use crate::templates::TEMPLATE_ID;

mod adapter;
mod reader;

use adapter::FileAdapters;
use reader::SegmentReaders;

type Result<T> = std::result::Result<T, DataFusionError>;

/// One signal of a snapshot as a table.
pub fn provider(snapshot: &Snapshot, signal: Signal) -> Arc<dyn TableProvider> {
    Arc::new(SignalTable { snapshot: snapshot.clone(), signal, schema: schema::asked(signal) })
}

#[derive(Debug)]
struct SignalTable {
    snapshot: Snapshot,
    signal: Signal,
    schema: SchemaRef,
}

#[async_trait::async_trait]
impl TableProvider for SignalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = self.snapshot.table(self.signal);
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let shown = Arc::new(self.schema.project(columns)?);
        let identities = self.identities(&shown, filters);
        let fresh = table.fresh.iter().map(|rows| as_table(rows, &shown, identities.as_deref()));
        let fresh = fresh.collect::<Result<_>>()?;
        let fresh = MemorySourceConfig::try_new_exec(&[fresh], shown, None)?;
        let needs = Needs::of(self.signal, filters);
        let mut files = Vec::new();
        let mut segments = Vec::new();
        for segment in &table.segments {
            if needs.may_be_in(segment)? {
                let file = self.file(segment)?;
                segments.push((file.object_meta.location.to_string(), Arc::clone(segment)));
                files.push(file);
            }
        }
        if files.is_empty() {
            return Ok(fresh);
        }
        let readers = Arc::new(SegmentReaders::new(segments.into_iter()));
        let mut source = ParquetSource::new(self.schema()).with_parquet_file_reader_factory(readers);
        if let Some(filter) = conjunction(filters.to_vec()) {
            let columns = DFSchema::try_from(self.schema())?;
            source = source.with_predicate(state.create_physical_expr(filter, &columns)?);
        }
        let rows = table.segments.iter().map(|segment| segment.meta.rows as usize).sum();
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics(rows))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(FileAdapters { identities })))
            .build();
        UnionExec::try_new(vec![fresh, DataSourceExec::from_data_source(scan)])
    }
}

impl SignalTable {
    /// The templates of the table, if the question is about them.
    fn identities(&self, shown: &SchemaRef, filters: &[Expr]) -> Option<Arc<Identities>> {
        let asked = shown.field_with_name(TEMPLATE_ID).is_ok();
        let tested = || filters.iter().flat_map(Expr::column_refs).any(|column| column.name == TEMPLATE_ID);
        let known = || templates::known(self.snapshot.table(self.signal), usize::MAX);
        (self.signal == Signal::Logs && (asked || tested())).then(|| Arc::new(Identities::new(known())))
    }

    fn file(&self, segment: &Segment) -> Result<PartitionedFile> {
        let path = std::path::absolute(segment.data_path())?;
        let location = object_store::path::Path::from_absolute_path(path)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let footer = segment.footer().map_err(|error| DataFusionError::External(Box::new(error)))?;
        let size = footer.data_bytes;
        let meta =
            ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None };
        let statistics = self.statistics(segment.meta.rows as usize);
        Ok(PartitionedFile::new_from_meta(meta).with_statistics(Arc::new(statistics)))
    }

    fn statistics(&self, rows: usize) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(rows);
        statistics
    }
}

/// Rows of a memtable with the columns of `shown`.
fn as_table(rows: &Rows, shown: &SchemaRef, identities: Option<&Identities>) -> Result<RecordBatch> {
    let batch = &rows.batch;
    let column = |name: &str| -> Result<ArrayRef> {
        if let Some(identities) = identities.filter(|_| name == TEMPLATE_ID) {
            let ids = identities.of(rows.templates());
            return ids.map_err(|error| DataFusionError::External(Box::new(error)));
        }
        if name == REST {
            return Ok(Arc::new(packed::attributes(batch)?));
        }
        let column = batch.column_by_name(name).map(Arc::clone);
        column.ok_or_else(|| DataFusionError::Internal(format!("a memtable lacks the column {name}")))
    };
    let columns = shown.fields().iter().map(|field| column(field.name())).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(shown), columns, &options)?)
}

/// What the filters say of rows, as far as a segment's statistics can use it.
#[derive(Debug, Default)]
struct Needs {
    range: TimeRange,
    trace: Option<[u8; 16]>,
}

impl Needs {
    fn of(signal: Signal, filters: &[Expr]) -> Self {
        let mut needs = Self::default();
        filters.iter().for_each(|filter| needs.collect(signal, filter));
        needs
    }

    fn collect(&mut self, signal: Signal, filter: &Expr) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return };
        if *op == Operator::And {
            self.collect(signal, left);
            self.collect(signal, right);
            return;
        }
        let (column, op, literal) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(literal, _)) => (column, *op, literal),
            (Expr::Literal(literal, _), Expr::Column(column)) => match op.swap() {
                Some(op) => (column, op, literal),
                None => return,
            },
            _ => return,
        };
        match literal {
            ScalarValue::TimestampNanosecond(Some(time), _) if column.name == schema::time_column(signal) => {
                self.bound(op, *time);
            }
            ScalarValue::FixedSizeBinary(16, Some(id)) if column.name == "trace_id" && op == Operator::Eq => {
                self.trace = id.as_slice().try_into().ok();
            }
            _ => {}
        }
    }

    /// Narrows the range; an end that is included is widened by a nanosecond.
    fn bound(&mut self, op: Operator, time: i64) {
        let from = |range: &mut TimeRange| range.from = range.from.max(Some(UnixNanos(time)));
        let to = |range: &mut TimeRange, end: i64| {
            let end = UnixNanos(end);
            range.to = Some(range.to.map_or(end, |to| to.min(end)));
        };
        match op {
            Operator::Gt | Operator::GtEq => from(&mut self.range),
            Operator::Lt => to(&mut self.range, time),
            Operator::LtEq => to(&mut self.range, time.saturating_add(1)),
            Operator::Eq => {
                from(&mut self.range);
                to(&mut self.range, time.saturating_add(1));
            }
            _ => {}
        }
    }

    fn may_be_in(&self, segment: &Segment) -> Result<bool> {
        if !self.range.overlaps(segment.meta.first, segment.meta.last) {
            return Ok(false);
        }
        match &self.trace {
            Some(trace) => {
                segment.may_have_trace(trace).map_err(|error| DataFusionError::External(Box::new(error)))
            }
            None => Ok(true),
        }
    }
}
