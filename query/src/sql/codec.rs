//! A plan as bytes, and bytes as a plan: planned here, run in another session, on another node.
//!
//! The form is DataFusion's protobuf. Sources are written by the storage room ([`storage::PlanReader`]), functions by
//! their name, which every session has from the one place that makes them. In front stand a magic, a version, and a
//! checksum, so that damage is an error before anything is read.

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    AsExecutionPlan, DeduplicatingProtoConverter, PhysicalExtensionCodec, PhysicalPlanDecodeContext,
    PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use datafusion_proto::protobuf::{PhysicalExtensionNode, PhysicalPlanNode};
use prost::Message;
use storage::{FreshRows, PlanReader, Reservation, Snapshot};
use xxhash_rust::xxh3::xxh3_64;

use super::trace_tree::TreeExec;
use super::{GRACE, Planned, SqlAnswer, SqlEngine, check_size, out_of_time, wrong};
use crate::error::QueryError;

/// What the bytes of a plan begin with; the last is the version.
const MAGIC: [u8; 8] = *b"CWPLAN\0\x01";
/// The magic and the checksum, in bytes.
const HEADER_BYTES: usize = MAGIC.len() + 8;
/// The largest plan in bytes.
const PLAN_BYTES_MAX: usize = 64 << 20;
/// The operators that read nothing but what stands below them, or constants; others are refused when a plan is read.
/// Those that read are looked at one by one.
const OPERATORS: [&str; 32] = [
    "AggregateExec",
    "AnalyzeExec",
    "BoundedWindowAggExec",
    "BufferExec",
    "CoalesceBatchesExec",
    "CoalescePartitionsExec",
    "CooperativeExec",
    "CrossJoinExec",
    "EmptyExec",
    "ExplainExec",
    "FilterExec",
    "GlobalLimitExec",
    "HashJoinExec",
    "InterleaveExec",
    "LazyMemoryExec",
    "LocalLimitExec",
    "NestedLoopJoinExec",
    "PartialSortExec",
    "PlaceholderRowExec",
    "ProjectionExec",
    "RepartitionExec",
    "ScalarSubqueryExec",
    "SortExec",
    "SortMergeJoinExec",
    "SortPreservingMergeExec",
    "SymmetricHashJoinExec",
    "UnionExec",
    "UnnestExec",
    "WindowAggExec",
    "TraceTreeExec",
    "DataSourceExec",
    "AsyncFuncExec",
];

/// An operator of this room. Tags up to 15 are those of the storage room's sources.
#[derive(Clone, PartialEq, Message)]
struct Operator {
    #[prost(message, optional, tag = "16")]
    tree: Option<Tree>,
}

/// `trace_tree`; what it reads is its input.
#[derive(Clone, PartialEq, Message)]
struct Tree {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint64, repeated, tag = "2")]
    columns: Vec<u64>,
}

/// `trace_tree` as a node over the plan of its spans.
pub(super) fn tree(id: &str, columns: &[usize], spans: PhysicalPlanNode) -> PhysicalPlanNode {
    let columns = columns.iter().map(|column| *column as u64).collect();
    let operator = Operator { tree: Some(Tree { id: id.to_owned(), columns }) };
    let extension = PhysicalExtensionNode { node: operator.encode_to_vec(), inputs: vec![spans] };
    PhysicalPlanNode { physical_plan_type: Some(PhysicalPlanType::Extension(extension)) }
}

impl SqlEngine {
    /// Plans one query over a snapshot, and writes the plan as bytes.
    pub(crate) async fn write_plan(&self, snapshot: &Snapshot, sql: &str) -> Result<Vec<u8>, QueryError> {
        check_size(sql)?;
        let (engine, snapshot, sql) = (self.clone(), snapshot.clone(), sql.to_owned());
        let deadline = tokio::time::Instant::now() + self.time;
        let work = self.threads.run(async move {
            let planned = engine.planned(&snapshot, &sql, deadline).await?;
            encode(&planned.plan).map_err(|error| wrong(&error))
        });
        tokio::time::timeout(self.time + GRACE, work).await.map_err(|_| out_of_time(self.time))?
    }

    /// Answers a query that was planned before, over a snapshot that has what the plan names.
    pub(crate) async fn run_plan(
        &self,
        snapshot: &Snapshot,
        plan: Vec<u8>,
        memory: Reservation,
    ) -> Result<SqlAnswer, QueryError> {
        let (engine, snapshot) = (self.clone(), snapshot.clone());
        let work = self.threads.run(async move {
            let begun = Instant::now();
            let most = engine.most();
            let planned = engine.read_plan(&snapshot, &plan).await.map_err(|error| wrong(&error))?;
            engine.answer(&snapshot, planned, begun, memory, most).await
        });
        tokio::time::timeout(self.time + GRACE, work).await.map_err(|_| out_of_time(self.time))?
    }

    /// A plan of bytes, in a new session.
    pub(super) async fn read_plan(
        &self,
        snapshot: &Snapshot,
        plan: &[u8],
    ) -> Result<Planned, DataFusionError> {
        let tasks = self.session(snapshot).await?.task_ctx();
        let plan = decode(plan, snapshot, &tasks)?;
        Ok(Planned { plan, tasks })
    }
}

/// A plan as bytes.
pub(super) fn encode(plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
    let node = DeduplicatingProtoConverter {}.execution_plan_to_proto(plan, &Writing)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([0; HEADER_BYTES - MAGIC.len()]);
    node.encode(&mut bytes).map_err(|error| DataFusionError::Plan(format!("the plan: {error}")))?;
    if bytes.len() > PLAN_BYTES_MAX {
        return plan_err!("the plan has {} bytes, and {PLAN_BYTES_MAX} at most", bytes.len());
    }
    let checksum = xxh3_64(&bytes[HEADER_BYTES..]);
    bytes[MAGIC.len()..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// The plan of bytes, over a snapshot, with the functions of a session.
pub(super) fn decode(
    bytes: &[u8],
    snapshot: &Snapshot,
    tasks: &TaskContext,
) -> Result<Arc<dyn ExecutionPlan>> {
    if bytes.len() > PLAN_BYTES_MAX {
        return plan_err!("the plan has {} bytes, and {PLAN_BYTES_MAX} at most", bytes.len());
    }
    let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return plan_err!("the plan has {} bytes: it is cut short", bytes.len());
    };
    let (magic, checksum) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return plan_err!("these bytes are no plan of this version");
    }
    if checksum != xxh3_64(body).to_le_bytes() {
        return plan_err!("the plan is damaged: its checksum does not fit");
    }
    let node = PhysicalPlanNode::try_decode(body)?;
    let codec = Reading { snapshot: snapshot.clone() };
    let context = PhysicalPlanDecodeContext::new(tasks, &codec);
    let plan = DeduplicatingProtoConverter {}.proto_to_execution_plan(&node, &context)?;
    check(&plan)?;
    Ok(plan)
}

/// Refuses what no plan of a query holds: other files than those of segments, and anything that writes.
fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    // A sort that keeps the first rows only has that behind its name.
    let name = plan.name().split('(').next().unwrap_or_default();
    if !OPERATORS.contains(&name) {
        return plan_err!("{} is not part of any query here", plan.name());
    }
    if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        let source = source.data_source();
        let files = source.downcast_ref::<FileScanConfig>();
        let ours = files.is_some_and(|files| storage::is_of_segments(files.file_source()));
        if !ours && !source.is::<FreshRows>() && !source.is::<MemorySourceConfig>() {
            return plan_err!("the plan reads something that is no table");
        }
    }
    if let Some(tree) = plan.downcast_ref::<TreeExec>() {
        check(tree.spans())?;
    }
    plan.children().into_iter().try_for_each(check)
}

/// Writes plans. Sources and operators of this program write themselves; what comes here is of DataFusion, and it
/// has no form for it.
#[derive(Debug)]
struct Writing;

impl PhysicalExtensionCodec for Writing {
    fn try_decode(
        &self,
        _: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        internal_err!("plans are read over a snapshot")
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        _: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        plan_err!("{} cannot be written as bytes", node.name())
    }
}

/// Reads plans over a snapshot.
#[derive(Debug)]
struct Reading {
    snapshot: Snapshot,
}

impl PhysicalExtensionCodec for Reading {
    fn try_decode(
        &self,
        node: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        task: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let operator = Operator::decode(node);
        let operator =
            operator.map_err(|error| DataFusionError::Plan(format!("an operator of the plan: {error}")))?;
        let Some(tree) = operator.tree else {
            return PlanReader { snapshot: &self.snapshot, task, codec: self, converter }
                .source(node, inputs);
        };
        let [spans] = inputs else { return plan_err!("a tree of spans reads one plan") };
        let columns = tree.columns.iter().map(|column| *column as usize).collect();
        Ok(Arc::new(TreeExec::new(tree.id, Arc::clone(spans), columns)?))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        Writing.try_encode(node, buffer, converter)
    }
}
