//! A snapshot as tables of DataFusion.
//!
//! A table is the union of two sources: fresh rows in memory, and the Parquet files of the segments through
//! DataFusion's own Parquet source. Segments that cannot hold a row of the question are left out while
//! planning: by their time range, their list of services, and their filter over trace ids ([`needs`]). Of the
//! others the text index is asked where a file is opened ([`source`]).
//!
//! A plan holds names and predicates, so that it can be sent and read back over another snapshot ([`codec`]).
//!
//! The snapshot must be held by whoever runs the plan, or files could go under it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use model::{Predicate, Signal, TimeRange, packed, schema};
use object_store::ObjectMeta;

use crate::columns::REST;
use crate::error::StoreError;
use crate::memtable::Rows;
use crate::scan::Control;
use crate::scan::templates::{self, Identities};
use crate::segment::Segment;
use crate::snapshot::Snapshot;
use crate::templates::TEMPLATE_ID;

mod needs;
mod fresh;
mod source;
mod reader;
mod adapter;
mod computed;
mod predicates;
mod codec;

use adapter::FileAdapters;
pub use codec::PlanReader;
pub use fresh::FreshRows;
use fresh::Named;
use needs::Needs;
use reader::SegmentReaders;
pub use source::is_of_segments;
use source::{Asked, SegmentSource, Segments};

/// The function `attribute_text(map, key)`, an attribute's value as text. The query room defines it; files answer it
/// from the attribute's own column.
pub const ATTRIBUTE_TEXT: &str = "attribute_text";
/// The function `matches(text, phrase)`, whether a text has a word or phrase as searches find it. The query room
/// defines it; files answer it for bodies from templates and variables.
pub const MATCHES: &str = "matches";

/// How long spans are rolled up for one plan.
const ROLL_UP_TIME_MAX: Duration = Duration::from_secs(30);
/// The most bytes of rows that spans are rolled up to for one plan.
const ROLL_UP_BYTES_MAX: usize = 64 << 20;

type Result<T> = std::result::Result<T, DataFusionError>;

/// One signal of a snapshot as a table.
pub fn provider(snapshot: &Snapshot, signal: Signal) -> Arc<dyn TableProvider> {
    Arc::new(SignalTable { snapshot: snapshot.clone(), signal, schema: schema::asked(signal) })
}

/// The rolled-up rows of a snapshot as a table, without the columns that the store fills. Its rows are partial: those
/// of one minute and key add up. Spans that no segment of them counts are rolled up when a plan is made.
pub fn red_provider(snapshot: &Snapshot) -> Result<Arc<dyn TableProvider>> {
    let schema = schema_of(Signal::Red)?;
    Ok(Arc::new(SignalTable { snapshot: snapshot.clone(), signal: Signal::Red, schema }))
}

/// The columns of a signal's table.
fn schema_of(signal: Signal) -> Result<SchemaRef> {
    if signal != Signal::Red {
        return Ok(schema::asked(signal));
    }
    let stored = schema::stored(signal);
    let columns: Vec<usize> = (schema::STORE_COLUMNS.len()..stored.fields().len()).collect();
    Ok(Arc::new(stored.project(&columns)?))
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
        let templates = self.shows_templates(&shown, filters);
        let needs = Needs::of(self.signal, filters);
        let named = Named::all(&self.snapshot, self.signal, needs.range, templates);
        let fresh = DataSourceExec::from_data_source(FreshRows::new(&self.snapshot, named, shown)?);
        let mut files = Vec::new();
        let mut segments = Segments::new();
        for segment in &table.segments {
            if needs.may_be_in(segment).map_err(external)? {
                let file = self.file(segment)?;
                segments.insert(file.object_meta.location.to_string(), Arc::clone(segment));
                files.push(file);
            }
        }
        if files.is_empty() {
            return Ok(fresh);
        }
        let segments = Arc::new(segments);
        let readers = Arc::new(SegmentReaders::new(Arc::clone(&segments)));
        let mut parquet = ParquetSource::new(self.schema()).with_parquet_file_reader_factory(readers);
        if let Some(filter) = conjunction(filters.to_vec()) {
            let columns = DFSchema::try_from(self.schema())?;
            parquet = parquet.with_predicate(state.create_physical_expr(filter, &columns)?);
        }
        let asked = Asked {
            tenant: self.snapshot.tenant(),
            signal: self.signal,
            segments,
            segments_total: table.segments.len(),
            predicate: needs.predicate,
            templates,
        };
        let source = SegmentSource::new(Arc::new(parquet), Arc::new(asked));
        let rows = table.segments.iter().map(|segment| segment.meta.rows as usize).sum();
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let identities = templates.then(|| identities(&self.snapshot));
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
    /// Whether the identities of templates are asked for.
    fn shows_templates(&self, shown: &SchemaRef, filters: &[Expr]) -> bool {
        let asked = shown.field_with_name(TEMPLATE_ID).is_ok();
        let tested = || filters.iter().flat_map(Expr::column_refs).any(|column| column.name == TEMPLATE_ID);
        self.signal == Signal::Logs && (asked || tested())
    }

    fn file(&self, segment: &Segment) -> Result<PartitionedFile> {
        let location = location(segment)?;
        let footer = segment.footer().map_err(external)?;
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

/// Where a segment's file is.
fn location(segment: &Segment) -> Result<object_store::path::Path> {
    let path = std::path::absolute(segment.data_path())?;
    let location = object_store::path::Path::from_absolute_path(path);
    location.map_err(|error| DataFusionError::External(Box::new(error)))
}

/// The templates of the logs of a snapshot.
fn identities(snapshot: &Snapshot) -> Arc<Identities> {
    Arc::new(Identities::new(templates::known(snapshot.table(Signal::Logs), usize::MAX)))
}

/// Rows of spans of these minutes that no segment of `red` counts.
fn rolled_up(snapshot: &Snapshot, range: TimeRange, shown: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let control = Control { deadline: Instant::now() + ROLL_UP_TIME_MAX, cancelled: Arc::default() };
    let (mut batches, mut bytes) = (Vec::new(), 0);
    let cost = snapshot.red_of_spans(range, &Predicate::All, &control, &mut |rows| {
        bytes += rows.get_array_memory_size();
        if bytes <= ROLL_UP_BYTES_MAX {
            batches.push(as_table(rows, shown, None).map_err(|error| StoreError::Log(error.to_string()))?);
        }
        Ok(())
    });
    let cost = cost.map_err(external)?;
    if bytes > ROLL_UP_BYTES_MAX || cost.timed_out {
        let what = "the spans that are not rolled up yet are too many: ask for fewer minutes of red";
        return Err(DataFusionError::ResourcesExhausted(what.to_owned()));
    }
    Ok(batches)
}

fn external(error: StoreError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Rows of a memtable with the columns of `shown`.
fn as_table(
    batch: &RecordBatch,
    shown: &SchemaRef,
    of_templates: Option<(&Rows, &Identities)>,
) -> Result<RecordBatch> {
    let column = |name: &str| -> Result<ArrayRef> {
        if let Some((rows, identities)) = of_templates.filter(|_| name == TEMPLATE_ID) {
            return identities.of(rows.templates()).map_err(external);
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
