//! `trace_tree('TRACE_ID')`: the spans of one trace as a table, each with its place in the tree and its part in the
//! critical path, see [`critical_path`](super::critical_path).

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Int64Array, RecordBatch, UInt32Array,
};
use arrow::compute::{concat_batches, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampNanosecondType};
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use datafusion::prelude::{Expr, col};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::TryStreamExt;
use model::{Signal, schema};
use storage::Snapshot;

use super::codec;
use super::critical_path::{Place, Span, SpanId, places};
use super::planner::{id_literal, text};

/// The name of the function.
pub(super) const TRACE_TREE: &str = "trace_tree";
/// The most spans of a trace that is laid out.
const TREE_SPANS_MAX: usize = 100_000;
/// What is shown of a span as it is stored.
const COLUMNS: [&str; 6] = ["span_id", "parent_span_id", "service_name", "name", "start_time", "duration_ns"];
/// What a span is taken to need besides, in bytes, while trees are made.
const SPAN_BYTES: usize = 256;

/// The function over one snapshot.
#[derive(Debug)]
pub(super) struct TraceTree {
    pub(super) snapshot: Snapshot,
}

impl TableFunctionImpl for TraceTree {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let [Some(id)] = args.exprs().iter().map(text).collect::<Vec<_>>()[..] else {
            return plan_err!("{TRACE_TREE} takes the id of a trace, such as {TRACE_TREE}('0af7…')");
        };
        let id_expr = id_literal(id, 16)?;
        let (snapshot, id) = (self.snapshot.clone(), id.to_owned());
        Ok(Arc::new(Table { snapshot, id, id_expr, schema: shown()? }))
    }
}

/// The columns of the function.
fn shown() -> Result<SchemaRef> {
    let spans = schema::asked(Signal::Spans);
    let stored = COLUMNS.iter().map(|name| Ok(spans.field_with_name(name)?.clone()));
    let mut fields: Vec<Field> = stored.collect::<Result<_>>()?;
    let root = fields[0].clone().with_name("root_span_id");
    let number = |name| Field::new(name, DataType::Int64, false);
    fields.push(number("depth"));
    fields.push(root);
    fields.push(Field::new("on_critical_path", DataType::Boolean, false));
    fields.push(number("critical_ns"));
    fields.push(number("self_ns"));
    Ok(Arc::new(Schema::new(fields)))
}

#[derive(Debug)]
struct Table {
    snapshot: Snapshot,
    id: String,
    id_expr: Expr,
    schema: SchemaRef,
}

#[async_trait::async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let spans = provider_as_source(storage::provider(&self.snapshot, Signal::Spans));
        let columns = COLUMNS.iter().chain(&["seq"]).map(|name| col(*name));
        let plan = LogicalPlanBuilder::scan(Signal::Spans.table(), spans, None)?
            .filter(col("trace_id").eq(self.id_expr.clone()))?
            .project(columns)?
            .limit(0, Some(TREE_SPANS_MAX + 1))?
            .build()?;
        let spans = state.create_physical_plan(&plan).await?;
        let spans = Arc::new(CoalescePartitionsExec::new(spans));
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.cloned().unwrap_or(all);
        Ok(Arc::new(TreeExec::new(self.id.clone(), spans, columns)?))
    }
}

/// Reads the spans of a trace and lays them out. To a plan it is a leaf: what it reads is planned already.
#[derive(Debug)]
pub(super) struct TreeExec {
    id: String,
    spans: Arc<dyn ExecutionPlan>,
    /// Which columns are asked for.
    columns: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl TreeExec {
    /// Lays out the spans that a plan reads, and shows these columns.
    pub(super) fn new(id: String, spans: Arc<dyn ExecutionPlan>, columns: Vec<usize>) -> Result<Self> {
        let schema = Arc::new(shown()?.project(&columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self { id, spans, columns, properties: Arc::new(properties) })
    }

    /// What it reads.
    pub(super) fn spans(&self) -> &Arc<dyn ExecutionPlan> {
        &self.spans
    }
}

impl DisplayAs for TreeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceTreeExec: trace_id={}", self.id)
    }
}

impl ExecutionPlan for TreeExec {
    fn name(&self) -> &str {
        "TraceTreeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new(TRACE_TREE).register(context.memory_pool());
        let spans = self.spans.execute(0, context)?;
        let columns = self.columns.clone();
        let tree = futures::stream::once(async move {
            let spans = collect(spans, &memory).await?;
            Ok(laid_out(&spans)?.project(&columns)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), tree)))
    }

    fn try_to_proto(&self, context: &ExecutionPlanEncodeCtx<'_>) -> Result<Option<PhysicalPlanNode>> {
        let spans = context.encode_child(&self.spans)?;
        Ok(Some(codec::tree(&self.id, &self.columns, spans)))
    }
}

/// All spans of the trace, by start.
async fn collect(mut rows: SendableRecordBatchStream, memory: &MemoryReservation) -> Result<RecordBatch> {
    let schema = rows.schema();
    let (mut batches, mut count) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows();
        if count > TREE_SPANS_MAX {
            let message =
                format!("the trace has more than {TREE_SPANS_MAX} spans, the most that are laid out");
            return Err(DataFusionError::ResourcesExhausted(message));
        }
        // Once as they come, once joined, and once in order.
        memory.try_grow(3 * batch.get_array_memory_size() + batch.num_rows() * SPAN_BYTES)?;
        batches.push(batch);
    }
    let spans = concat_batches(&schema, &batches)?;
    let starts = spans.column(4).as_primitive::<TimestampNanosecondType>();
    let seqs = spans.column(6).as_primitive::<Int64Type>();
    let mut order: Vec<u32> = (0..).take(spans.num_rows()).collect();
    order.sort_by_key(|row| (starts.value(*row as usize), seqs.value(*row as usize)));
    Ok(take_record_batch(&spans, &UInt32Array::from(order))?)
}

/// The table of spans that are in order of their start.
fn laid_out(spans: &RecordBatch) -> Result<RecordBatch> {
    let (ids, parents) = (ids(spans.column(0))?, ids(spans.column(1))?);
    let starts = spans.column(4).as_primitive::<TimestampNanosecondType>();
    let durations = spans.column(5).as_primitive::<Int64Type>();
    let span = |row: usize| Span {
        id: ids[row].unwrap_or_default(),
        parent: parents[row],
        start: starts.value(row),
        duration: durations.value(row),
    };
    let places = places(&(0..spans.num_rows()).map(span).collect::<Vec<_>>());
    let rows = |row: fn(&Place) -> usize| -> UInt32Array {
        places.iter().map(|place| u32::try_from(row(place)).ok()).collect()
    };
    let numbers = |number: fn(&Place) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(places.iter().map(number)))
    };
    let order = rows(|place| place.span);
    let stored = spans.columns()[..COLUMNS.len()].iter().map(|column| take(column, &order, None));
    let mut columns: Vec<ArrayRef> = stored.collect::<std::result::Result<_, _>>()?;
    columns.push(numbers(|place| place.depth));
    columns.push(take(spans.column(0), &rows(|place| place.root), None)?);
    let critical: BooleanArray = places.iter().map(|place| Some(place.on_critical_path)).collect();
    columns.push(Arc::new(critical));
    columns.push(numbers(|place| place.critical_ns));
    columns.push(numbers(|place| place.self_ns));
    Ok(RecordBatch::try_new(shown()?, columns)?)
}

fn ids(column: &ArrayRef) -> Result<Vec<Option<SpanId>>> {
    let Some(ids) = column.as_fixed_size_binary_opt() else {
        return internal_err!("ids of spans are no ids");
    };
    let id = |id: Option<&[u8]>| id.and_then(|id| id.try_into().ok());
    Ok(FixedSizeBinaryArray::iter(ids).map(id).collect())
}
