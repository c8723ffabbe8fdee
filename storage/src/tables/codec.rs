//! The sources of a plan as bytes, and back over a snapshot of whoever reads them.
//!
//! A source names a tenant and a signal. Files are named by the ids of their segments, fresh rows by their batches
//! ([`Named`]), and what the index is asked is a [`Predicate`]: nothing of one process is in it. What DataFusion can
//! write of a scan itself (files and their parts, columns, filters) is written by it, as the one input of the node.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DataFusionError, internal_err, plan_err};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::SortOrderPushdownResult;
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion_proto::physical_plan::from_proto::parse_physical_sort_exprs;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType;
use datafusion_proto::protobuf::{PhysicalExtensionNode, PhysicalPlanNode, PhysicalSortExprNode};
use model::{Signal, TenantId, TimeRange, UnixNanos};
use prost::Message;

use super::fresh::{FreshRows, Named};
use super::predicates::{self, Step};
use super::reader::SegmentReaders;
use super::source::{Asked, SegmentSource, Segments};
use super::{FileAdapters, Result, identities, location, schema_of};
use crate::segment::Segment;
use crate::snapshot::Snapshot;

/// The most parts that fresh rows of a plan are split into.
const PARTITIONS_MAX: u64 = 1024;

/// A source of a plan. Tags 1 to 15 are this room's; the query room writes operators of its own behind them.
#[derive(Clone, PartialEq, Message)]
struct Source {
    /// The tenant's number; none if nothing is known of the tenant.
    #[prost(uint32, optional, tag = "1")]
    tenant: Option<u32>,
    #[prost(uint32, tag = "2")]
    signal: u32,
    #[prost(message, optional, tag = "3")]
    files: Option<Files>,
    #[prost(message, optional, tag = "4")]
    fresh: Option<Fresh>,
}

/// Segments that are read.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(string, repeated, tag = "1")]
    segments: Vec<String>,
    #[prost(uint64, tag = "2")]
    segments_total: u64,
    /// What the index is asked.
    #[prost(message, repeated, tag = "3")]
    predicate: Vec<Step>,
    #[prost(bool, tag = "4")]
    templates: bool,
    /// In which order row groups are read, if that was asked for.
    #[prost(message, repeated, tag = "5")]
    order: Vec<PhysicalSortExprNode>,
    #[prost(bool, tag = "6")]
    preserve_order: bool,
}

/// Fresh rows.
#[derive(Clone, PartialEq, Message)]
struct Fresh {
    #[prost(string, repeated, tag = "1")]
    columns: Vec<String>,
    #[prost(bool, tag = "2")]
    templates: bool,
    #[prost(int64, optional, tag = "3")]
    from: Option<i64>,
    #[prost(int64, optional, tag = "4")]
    to: Option<i64>,
    /// The first `seq` of each batch.
    #[prost(int64, repeated, tag = "5")]
    firsts: Vec<i64>,
    /// The number of rows of each batch.
    #[prost(uint64, repeated, tag = "6")]
    rows: Vec<u64>,
    #[prost(uint64, tag = "7")]
    partitions: u64,
    #[prost(message, optional, tag = "8")]
    projection: Option<Projection>,
    #[prost(uint64, optional, tag = "9")]
    fetch: Option<u64>,
}

/// Columns by their place.
#[derive(Clone, PartialEq, Message)]
struct Projection {
    #[prost(uint64, repeated, tag = "1")]
    columns: Vec<u64>,
}

/// A node of a plan for a source.
fn node(
    tenant: Option<TenantId>,
    signal: Signal,
    files: Option<Files>,
    fresh: Option<Fresh>,
    inputs: Vec<PhysicalPlanNode>,
) -> PhysicalPlanNode {
    let tenant = tenant.map(|tenant| tenant.0);
    let source = Source { tenant, signal: signal.number().into(), files, fresh };
    let extension = PhysicalExtensionNode { node: source.encode_to_vec(), inputs };
    PhysicalPlanNode { physical_plan_type: Some(PhysicalPlanType::Extension(extension)) }
}

/// Fresh rows as a node.
pub(super) fn fresh(rows: &FreshRows) -> Result<PhysicalPlanNode> {
    let named = rows.named.as_ref();
    let projection = rows
        .projection()
        .map(|columns| Projection { columns: columns.iter().map(|column| *column as u64).collect() });
    let fresh = Fresh {
        columns: rows.columns().fields().iter().map(|field| field.name().clone()).collect(),
        templates: named.templates,
        from: named.range.from.map(|time| time.0),
        to: named.range.to.map(|time| time.0),
        firsts: named.batches.iter().map(|batch| batch.0).collect(),
        rows: named.batches.iter().map(|batch| batch.1).collect(),
        partitions: rows.partitions as u64,
        projection,
        fetch: rows.fetch().map(|rows| rows as u64),
    };
    Ok(node(rows.tenant, named.signal, None, Some(fresh), Vec::new()))
}

/// Segments as a node, whose input is the scan of their files as DataFusion writes it.
pub(super) fn files(
    asked: &Asked,
    order: &[PhysicalSortExpr],
    config: &FileScanConfig,
    mut scan: PhysicalPlanNode,
    context: &ExecutionPlanEncodeCtx<'_>,
) -> Result<PhysicalPlanNode> {
    let Some(PhysicalPlanType::ParquetScan(parquet)) = &mut scan.physical_plan_type else {
        return internal_err!("a scan of segments reads something other than Parquet");
    };
    let groups = parquet.base_conf.iter_mut().flat_map(|conf| &mut conf.file_groups);
    for file in groups.flat_map(|group| &mut group.files) {
        let Some(segment) = asked.segments.get(&file.path) else {
            return internal_err!("the plan reads {}, which is no segment of its snapshot", file.path);
        };
        file.path.clone_from(&segment.meta.id);
    }
    let mut segments: Vec<String> = asked.segments.values().map(|segment| segment.meta.id.clone()).collect();
    segments.sort_unstable();
    let order = order.iter().map(|key| {
        let expr = Some(Box::new(context.encode_expr(&key.expr)?));
        let nulls_first = key.options.nulls_first;
        Ok(PhysicalSortExprNode { expr, asc: !key.options.descending, nulls_first })
    });
    let files = Files {
        segments,
        segments_total: asked.segments_total as u64,
        predicate: predicates::steps(&asked.predicate)?,
        templates: asked.templates,
        order: order.collect::<Result<_>>()?,
        preserve_order: config.preserve_order,
    };
    Ok(node(asked.tenant, asked.signal, Some(files), None, vec![scan]))
}

/// What a plan is read back with.
pub struct PlanReader<'a> {
    /// What the plan reads; of the tenant that asks.
    pub snapshot: &'a Snapshot,
    /// Functions and options of the session.
    pub task: &'a TaskContext,
    /// Who reads other nodes.
    pub codec: &'a dyn PhysicalExtensionCodec,
    /// Who reads expressions.
    pub converter: &'a dyn PhysicalProtoConverterExtension,
}

impl PlanReader<'_> {
    /// The source that a node of a plan names, over this snapshot. An error if the snapshot lacks what it names.
    pub fn source(&self, node: &[u8], inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
        let source = Source::decode(node);
        let source =
            source.map_err(|error| DataFusionError::Plan(format!("a source of the plan: {error}")))?;
        if source.tenant != self.snapshot.tenant().map(|tenant| tenant.0) {
            return plan_err!("the plan is of another tenant than the one that asks");
        }
        let signal = u16::try_from(source.signal).ok().and_then(Signal::from_number);
        let Some(signal) = signal else {
            return plan_err!("the plan reads table {}, which this version does not have", source.signal);
        };
        match (source.files, source.fresh, inputs) {
            (Some(files), None, [scan]) => self.files(signal, &files, scan),
            (None, Some(fresh), []) => self.fresh(signal, fresh),
            _ => plan_err!("a source of the plan is neither files nor fresh rows"),
        }
    }

    fn fresh(&self, signal: Signal, fresh: Fresh) -> Result<Arc<dyn ExecutionPlan>> {
        if fresh.firsts.len() != fresh.rows.len() || fresh.partitions > PARTITIONS_MAX {
            return plan_err!("fresh rows of the plan are not named as they should be");
        }
        let all = schema_of(signal)?;
        let columns = fresh.columns.iter().map(|name| Ok(all.index_of(name)?));
        let columns: Vec<usize> = columns.collect::<Result<_>>()?;
        let shown: SchemaRef = Arc::new(all.project(&columns)?);
        let range = TimeRange { from: fresh.from.map(UnixNanos), to: fresh.to.map(UnixNanos) };
        let batches = fresh.firsts.into_iter().zip(fresh.rows).collect();
        let named = Named { signal, templates: fresh.templates, range, batches };
        let mut rows = FreshRows::new(self.snapshot, named, Arc::clone(&shown))?;
        if fresh.partitions > 1 {
            rows = rows.split(fresh.partitions as usize)?.unwrap_or(rows);
        }
        let projection: Option<Vec<usize>> =
            fresh.projection.map(|projection| projection.columns.iter().map(|at| *at as usize).collect());
        let rows = rows.showing(projection, fresh.fetch.map(|rows| rows as usize))?;
        Ok(DataSourceExec::from_data_source(rows))
    }

    fn files(
        &self,
        signal: Signal,
        files: &Files,
        scan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let scan = scan.downcast_ref::<DataSourceExec>();
        let Some(config) = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>()) else {
            return plan_err!("segments of the plan are not read as files");
        };
        let Some(parquet) = config.file_source.downcast_ref::<ParquetSource>() else {
            return plan_err!("segments of the plan are not read as Parquet");
        };
        let mut by_id = HashMap::new();
        for id in &files.segments {
            by_id.insert(id.as_str(), self.segment(signal, id)?);
        }
        let groups = config.file_groups.iter().map(|group| here(group, &by_id)).collect::<Result<_>>()?;
        let segments: Result<Segments> =
            by_id.into_values().map(|segment| Ok((location(&segment)?.to_string(), segment))).collect();
        let segments = Arc::new(segments?);
        let readers = Arc::new(SegmentReaders::new(Arc::clone(&segments)));
        let parquet = parquet.clone().with_parquet_file_reader_factory(readers);
        let (parquet, order) = self.ordered(parquet, config, &files.order)?;
        let asked = Asked {
            tenant: self.snapshot.tenant(),
            signal,
            segments,
            segments_total: files.segments_total as usize,
            predicate: predicates::predicate(&files.predicate)?,
            templates: files.templates,
        };
        let identities = files.templates.then(|| identities(self.snapshot));
        let scan = FileScanConfigBuilder::from(config.clone())
            .with_file_groups(groups)
            .with_source(Arc::new(SegmentSource::new(parquet, Arc::new(asked)).with_order(order)))
            .with_preserve_order(files.preserve_order)
            .with_expr_adapter(Some(Arc::new(FileAdapters { identities })))
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// The source told again in which order its row groups are read, which DataFusion does not write.
    fn ordered(
        &self,
        parquet: ParquetSource,
        config: &FileScanConfig,
        order: &[PhysicalSortExprNode],
    ) -> Result<(Arc<dyn FileSource>, Vec<PhysicalSortExpr>)> {
        let context = PhysicalPlanDecodeContext::new(self.task, self.codec);
        let schema: &Schema = parquet.table_schema().table_schema();
        let order = parse_physical_sort_exprs(order, &context, schema, self.converter)?;
        let told = parquet.try_pushdown_sort(&order, &config.eq_properties())?;
        Ok(match told {
            SortOrderPushdownResult::Exact { inner } | SortOrderPushdownResult::Inexact { inner } => {
                (inner, order)
            }
            SortOrderPushdownResult::Unsupported => (Arc::new(parquet), order),
        })
    }

    fn segment(&self, signal: Signal, id: &str) -> Result<Arc<Segment>> {
        let segments = &self.snapshot.table(signal).segments;
        match segments.iter().find(|segment| segment.meta.id == id) {
            Some(segment) => Ok(Arc::clone(segment)),
            None => {
                plan_err!("the plan reads segment {id} of {signal}, which is not here any more: plan again")
            }
        }
    }
}

/// A group of files of a plan, named by their segments, at their places here.
fn here(group: &FileGroup, by_id: &HashMap<&str, Arc<Segment>>) -> Result<FileGroup> {
    let file = |file: &datafusion::datasource::listing::PartitionedFile| {
        let id = file.object_meta.location.as_ref();
        let Some(segment) = by_id.get(id) else {
            return plan_err!("the plan reads file {id}, which is none of its segments");
        };
        let mut file = file.clone();
        file.object_meta.location = location(segment)?;
        Ok(file)
    };
    Ok(FileGroup::new(group.files().iter().map(file).collect::<Result<_>>()?))
}
