//! Read-only SQL over the tables, through DataFusion.
//!
//! A statement is planned and run in a session of its own. A plan holds data only: it can be written as bytes and run
//! in another session ([`codec`]).
//!
//! What SCHEMA.md promises on top of plain SQL: ids compare with hexadecimal text ([`planner`]), an attribute
//! map answers `attributes['key']` as text and compares with numbers as a number ([`functions`]), quantiles are
//! read from the durations of `red` ([`sketches`]). Statements
//! other than queries are refused twice: here by a list of what is allowed, and in the plan.

mod rewrite;
mod functions;
mod sketches;
mod planner;
mod collapse;
mod grouping;
mod below_union;
mod yielding;
mod critical_path;
mod trace_tree;
mod cells;
mod written;
mod stream;
mod codec;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::StreamExt;
use model::Signal;
use storage::{FreshRows, MemoryBudget, Reservation, Snapshot};

use crate::engine::Limits;
use crate::error::QueryError;
use crate::rows::{Partial, Stats};
use crate::threads::{Threads, WORKERS};

pub(crate) use cells::{column_type, json_rows};
pub use stream::SqlStream;
pub use written::RowFormat;

/// The most rows of one answer.
const ROWS_MAX: usize = 100_000;
/// The largest answer in bytes of rows.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How much longer than its time a query may take that does not look at its deadline. Without optimisation, beside other
/// tests, one batch takes seconds.
const GRACE: Duration = Duration::from_secs(if cfg!(test) { 20 } else { 3 });
/// The most words, numbers and signs of a statement. Plans nest as deep as the longest chain of operators.
const STATEMENT_TOKENS_MAX: usize = 4_000;
/// How deep brackets may stand in one another.
const STATEMENT_DEPTH_MAX: usize = 64;
/// How deep costly brackets may stand in one another: those after [`TRIED_TWICE`] and those around a query. Each
/// makes the parser, where something is wrong inside, or the planner take twice as long.
const COSTLY_DEPTH_MAX: usize = 10;
/// Words with an expression in brackets that the parser reads a second time as a name if it was wrong.
const TRIED_TWICE: [&str; 16] = [
    "array",
    "cast",
    "ceil",
    "convert",
    "exists",
    "extract",
    "floor",
    "map",
    "overlay",
    "position",
    "safe_cast",
    "struct",
    "substr",
    "substring",
    "trim",
    "try_cast",
];
/// Functions that make much out of little, in one step that no limit sees.
const FUNCTIONS_LEFT_OUT: [&str; 7] =
    ["array_repeat", "generate_series", "list_repeat", "lpad", "range", "repeat", "rpad"];
/// The longest statement in bytes.
const STATEMENT_BYTES_MAX: usize = 256 << 10;
/// How many partitions a plan is split into: the cores of a small machine.
const PARTITIONS: usize = WORKERS;

/// The `traces` table, made of spans when it is asked for.
const TRACES_VIEW: &str = "
    SELECT trace_id,
           min(start_time) AS start_time,
           max(end_time) AS end_time,
           CAST(max(end_time) AS BIGINT) - CAST(min(start_time) AS BIGINT) AS duration_ns,
           first_value(service_name ORDER BY parent_span_id IS NOT NULL, start_time, seq) AS root_service,
           first_value(name ORDER BY parent_span_id IS NOT NULL, start_time, seq) AS root_name,
           first_value(status_code ORDER BY parent_span_id IS NOT NULL, start_time, seq) AS root_status,
           count(*) AS span_count,
           sum(CASE WHEN status_code = 'error' THEN 1 ELSE 0 END) AS error_count,
           array_sort(array_agg(DISTINCT service_name)) AS services,
           max(weight) AS weight
    FROM spans GROUP BY trace_id";

/// The `red` table: rows of one minute and key as one, which lie in several parts until they are merged.
const RED_VIEW: &str = "
    SELECT time, deployment_environment, service_namespace, service_name, operation, kind, peer,
           service_version, service_instance_id, sum(calls) AS calls, sum(errors) AS errors,
           sketch_merge(duration) AS duration, peer_type, entry
    FROM red_parts
    GROUP BY time, deployment_environment, service_namespace, service_name, operation, kind, peer,
             service_version, service_instance_id, peer_type, entry";

/// The answer to a query.
#[derive(Debug, Clone)]
pub struct SqlAnswer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// What it cost.
    pub stats: Stats,
    /// The memory of the rows.
    pub(crate) _memory: Arc<Reservation>,
}

/// What one answer may have, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    pub(crate) deadline: tokio::time::Instant,
}

/// A plan, and the session that it runs in.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    tasks: Arc<TaskContext>,
}

impl Planned {
    /// Begins to run the plan.
    fn run(&self) -> Result<SendableRecordBatchStream, DataFusionError> {
        execute_stream(Arc::clone(&self.plan), Arc::clone(&self.tasks))
    }
}

/// Runs SQL with bounded memory and time.
#[derive(Clone)]
pub(crate) struct SqlEngine {
    runtime: Arc<RuntimeEnv>,
    threads: Arc<Threads>,
    time: Duration,
}

impl SqlEngine {
    /// SQL within a memory budget, which is DataFusion's pool.
    pub(crate) fn new(
        budget: Arc<MemoryBudget>,
        threads: Arc<Threads>,
        limits: Limits,
    ) -> Result<Self, QueryError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(budget)
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc();
        let runtime = runtime.map_err(|error| QueryError::Store(error.to_string()))?;
        Ok(Self { runtime, threads, time: limits.time })
    }

    /// Answers one query over a snapshot, on threads of its own. `memory` is what its scans were given; it grows
    /// with the answer and is held as long as that.
    pub(crate) async fn run(
        &self,
        snapshot: &Snapshot,
        sql: &str,
        memory: Reservation,
    ) -> Result<SqlAnswer, QueryError> {
        self.run_within(snapshot, sql, memory, self.most()).await
    }

    /// What an answer to somebody who asks may have, from now on.
    fn most(&self) -> Most {
        Most { rows: ROWS_MAX, bytes: ANSWER_BYTES_MAX, deadline: tokio::time::Instant::now() + self.time }
    }

    /// As [`Self::run`], within limits of its own.
    pub(crate) async fn run_within(
        &self,
        snapshot: &Snapshot,
        sql: &str,
        memory: Reservation,
        most: Most,
    ) -> Result<SqlAnswer, QueryError> {
        check_size(sql)?;
        let (engine, snapshot, sql) = (self.clone(), snapshot.clone(), sql.to_owned());
        let work = self.threads.run(async move {
            let begun = Instant::now();
            let planned = engine.planned(&snapshot, &sql, most.deadline).await?;
            engine.answer(&snapshot, planned, begun, memory, most).await
        });
        // The query looks at its deadline itself; this is for one that does not give way.
        let answered = tokio::time::timeout_at(most.deadline + GRACE, work).await;
        answered.map_err(|_| out_of_time(self.time))?
    }

    /// Runs a plan and takes its rows.
    async fn answer(
        &self,
        snapshot: &Snapshot,
        planned: Planned,
        begun: Instant,
        mut memory: Reservation,
        most: Most,
    ) -> Result<SqlAnswer, QueryError> {
        let stream = planned.run().map_err(|error| wrong(&error))?;
        let schema = stream.schema();
        let (batches, partial) = self.collect(stream, most, &mut memory).await?;
        let stats = spent(snapshot, planned.plan.as_ref(), begun, partial);
        Ok(SqlAnswer { schema, batches, stats, _memory: Arc::new(memory) })
    }

    /// Reads a statement and plans it.
    async fn planned(
        &self,
        snapshot: &Snapshot,
        sql: &str,
        deadline: tokio::time::Instant,
    ) -> Result<Planned, QueryError> {
        let mut statement = allowed(sql)?;
        rewrite::rewrite(&mut statement)?;
        let planned = tokio::time::timeout_at(deadline, self.plan(snapshot, statement)).await;
        planned.map_err(|_| out_of_time(self.time))?.map_err(|error| wrong(&error))
    }

    /// Plans a statement.
    async fn plan(&self, snapshot: &Snapshot, statement: Statement) -> Result<Planned, DataFusionError> {
        let context = self.session(snapshot).await?;
        let plan = context.state().statement_to_plan(statement).await?;
        let read_only =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
        let frame = context.execute_logical_plan(plan).await?;
        let tasks = Arc::new(frame.task_ctx());
        Ok(Planned { plan: frame.create_physical_plan().await?, tasks })
    }

    /// Takes rows until they end or a limit is reached, and says which.
    async fn collect(
        &self,
        mut stream: SendableRecordBatchStream,
        most: Most,
        memory: &mut Reservation,
    ) -> Result<(Vec<RecordBatch>, Option<String>), QueryError> {
        let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
        loop {
            let next = match tokio::time::timeout_at(most.deadline, stream.next()).await {
                Ok(next) => next,
                Err(_) if rows == 0 => return Err(out_of_time(self.time)),
                Err(_) => return Ok((batches, Some("time limit".to_owned()))),
            };
            let Some(batch) = next else { return Ok((batches, None)) };
            let batch = batch.map_err(|error| wrong(&error))?;
            let size = batch.get_array_memory_size();
            bytes += size;
            if bytes > most.bytes {
                if batches.is_empty() {
                    let message =
                        format!("the answer has more than {} bytes, the most there may be", most.bytes);
                    return Err(QueryError::Memory(message));
                }
                return Ok((batches, Some(format!("answer size: {} bytes", most.bytes))));
            }
            let grown = memory.try_grow(size);
            grown.map_err(|full| QueryError::Memory(format!("the answer needs too much memory: {full}")))?;
            let room = most.rows - rows;
            if batch.num_rows() > room {
                batches.push(batch.slice(0, room));
                return Ok((batches, Some(format!("row limit: {}", most.rows))));
            }
            rows += batch.num_rows();
            batches.push(batch);
        }
    }

    /// The one place where sessions are made: planner, functions, tables.
    async fn session(&self, snapshot: &Snapshot) -> Result<SessionContext, DataFusionError> {
        let config = SessionConfig::new()
            .with_target_partitions(PARTITIONS)
            .with_information_schema(true)
            .with_default_catalog_and_schema("causeway", "public");
        let mut builder = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_default_features()
            .with_optimizer_rule(Arc::new(collapse::Collapse))
            .with_optimizer_rule(Arc::new(grouping::ByViews))
            .with_physical_optimizer_rule(Arc::new(yielding::Yielding));
        // Before DataFusion's own planners, which would take `attributes['key']` for a field of a structure.
        builder.expr_planners().get_or_insert_default().insert(0, Arc::new(planner::Planner));
        // Before filters are pushed down, which puts the functions back into them.
        let rules = builder.physical_optimizers().get_or_insert_with(PhysicalOptimizer::new);
        rules.rules.insert(0, Arc::new(below_union::BelowUnion));
        let mut state = builder.build();
        state.register_udf(Arc::new(ScalarUDF::from(functions::AttributeText::default())))?;
        state.register_udf(Arc::new(ScalarUDF::from(functions::IdText::default())))?;
        state.register_udf(Arc::new(ScalarUDF::from(functions::Matches::default())))?;
        state.register_udf(Arc::new(ScalarUDF::from(sketches::Quantile::default())))?;
        for merge in [sketches::Merge::quantile(), sketches::Merge::sketch()] {
            state.register_udaf(Arc::new(AggregateUDF::from(merge)))?;
        }
        state.register_function_rewrite(Arc::new(planner::Coerce))?;
        let trace_tree = trace_tree::TraceTree { snapshot: snapshot.clone() };
        state.register_udtf(trace_tree::TRACE_TREE, Arc::new(trace_tree));
        for name in FUNCTIONS_LEFT_OUT {
            state.deregister_udf(name)?;
        }
        let context = SessionContext::new_with_state(state);
        for signal in Signal::SENT {
            context.register_table(signal.table(), storage::provider(snapshot, signal))?;
        }
        let traces = context.sql(TRACES_VIEW).await?.into_view();
        context.register_table("traces", traces)?;
        context.register_table("red_parts", storage::red_provider(snapshot)?)?;
        let red = context.sql(RED_VIEW).await?.into_view();
        context.deregister_table("red_parts")?;
        context.register_table(Signal::Red.table(), red)?;
        Ok(context)
    }
}

/// What an answer cost, and what cut it short.
fn spent(snapshot: &Snapshot, plan: &dyn ExecutionPlan, begun: Instant, partial: Option<String>) -> Stats {
    let mut stats = Stats {
        segments_total: Signal::ALL.iter().map(|signal| snapshot.segments(*signal) as u64).sum(),
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        partial: partial.map(|reason| Partial { reason, covered_from: None, covered_to: None }),
        ..Stats::default()
    };
    count_read(plan, &mut stats);
    stats
}

/// Adds what the leaves of a plan read, fresh rows and segments alike.
fn count_read(plan: &dyn ExecutionPlan, stats: &mut Stats) {
    plan.children().iter().for_each(|child| count_read(child.as_ref(), stats));
    if let Some(tree) = (plan as &dyn Any).downcast_ref::<trace_tree::TreeExec>() {
        count_read(tree.spans().as_ref(), stats);
    }
    let Some(source) = (plan as &dyn Any).downcast_ref::<DataSourceExec>() else { return };
    if let Some(metrics) = plan.metrics() {
        stats.rows_scanned += metrics.output_rows().unwrap_or(0) as u64;
        stats.bytes_scanned +=
            metrics.sum_by_name("bytes_scanned").map_or(0, |bytes| bytes.as_usize() as u64);
    }
    let source = source.data_source().as_ref() as &dyn Any;
    if let Some(fresh) = source.downcast_ref::<FreshRows>() {
        stats.rows_scanned += fresh.rows();
    }
    if let Some(files) = source.downcast_ref::<FileScanConfig>() {
        stats.segments_opened += files.file_groups.iter().map(|group| group.len() as u64).sum::<u64>();
    }
}

/// Refuses a statement that is too long before it is read any further.
fn check_size(sql: &str) -> Result<(), QueryError> {
    if sql.len() > STATEMENT_BYTES_MAX {
        let message = format!("the statement has {} bytes, and {STATEMENT_BYTES_MAX} at most", sql.len());
        return Err(QueryError::invalid(message));
    }
    // What cannot be cut into tokens is the parser's to explain.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let count = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
    if count > STATEMENT_TOKENS_MAX {
        let message =
            format!("the statement has {count} words and signs, and {STATEMENT_TOKENS_MAX} at most");
        return Err(QueryError::invalid(message));
    }
    check_depth(&tokens)
}

/// Refuses brackets that stand too deep in one another for the statement to be read and planned in time.
fn check_depth(tokens: &[Token]) -> Result<(), QueryError> {
    let is_one_of = |token: &Token, names: &[&str]| matches!(token, Token::Word(word) if names.iter().any(|name| word.value.eq_ignore_ascii_case(name)));
    let mut tokens = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).peekable();
    // For each open bracket, whether it is costly.
    let mut open = Vec::new();
    let mut costly = 0;
    let mut before = None;
    while let Some(token) = tokens.next() {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                let after = before.is_some_and(|before| is_one_of(before, &TRIED_TWICE));
                let around = tokens.peek().is_some_and(|next| is_one_of(next, &["select", "with"]));
                open.push(after || around);
                costly += usize::from(after || around);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                costly -= usize::from(open.pop() == Some(true))
            }
            _ => {}
        }
        if open.len() > STATEMENT_DEPTH_MAX || costly > COSTLY_DEPTH_MAX {
            return Err(QueryError::invalid(format!(
                "the statement nests more than {STATEMENT_DEPTH_MAX} brackets in one another, or more than \
                 {COSTLY_DEPTH_MAX} around queries and after words such as array and cast"
            )));
        }
        before = Some(token);
    }
    Ok(())
}

/// Reads exactly one statement that only asks.
fn allowed(sql: &str) -> Result<Statement, QueryError> {
    let mut statements = DFParser::parse_sql(sql).map_err(|error| syntax(sql, &error))?;
    let (Some(statement), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(QueryError::bad("exactly one statement is expected", 0, &["SELECT", "WITH"]));
    };
    let asks = match &statement {
        Statement::Statement(statement) => matches!(
            statement.as_ref(),
            SqlStatement::Query(_)
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. }
                | SqlStatement::ExplainTable { .. }
        ),
        Statement::Explain(explain) => {
            matches!(explain.statement.as_ref(), Statement::Statement(inner) if matches!(inner.as_ref(), SqlStatement::Query(_)))
        }
        _ => false,
    };
    if !asks {
        let what =
            "only queries are answered: SELECT, WITH, EXPLAIN, SHOW TABLES, DESCRIBE; the data are read-only";
        return Err(QueryError::Forbidden(what.to_owned()));
    }
    Ok(statement)
}

fn out_of_time(limit: Duration) -> QueryError {
    QueryError::Timeout(format!("the query did not begin to answer within its {} seconds", limit.as_secs()))
}

/// A syntax error with its place in bytes.
fn syntax(sql: &str, error: &DataFusionError) -> QueryError {
    let message = error.strip_backtrace();
    let position = place(&message).and_then(|(line, column)| {
        let start: usize = sql.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let line = sql.get(start..)?.lines().next()?;
        Some(start + line.chars().take(column - 1).map(char::len_utf8).sum::<usize>())
    });
    let message = message.trim_start_matches("SQL error: ");
    let message = message
        .strip_prefix("ParserError(\"")
        .and_then(|message| message.strip_suffix("\")"))
        .unwrap_or(message);
    let message = message.replace("\\\"", "\"");
    QueryError::Bad {
        message,
        position,
        expected: vec!["a query such as SELECT * FROM spans LIMIT 10".to_owned()],
    }
}

/// Line and column, both from 1, out of the parser's message.
fn place(message: &str) -> Option<(usize, usize)> {
    let (_, rest) = message.rsplit_once("Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (line, column) = (line.parse().ok()?, rest[..digits].parse().ok()?);
    (line > 0 && column > 0).then_some((line, column))
}

/// What an error of planning or running means for whoever asked.
fn wrong(error: &DataFusionError) -> QueryError {
    let root = error.find_root();
    let message = root.strip_backtrace();
    match root {
        DataFusionError::ResourcesExhausted(_) => {
            QueryError::Memory(format!("the query needs too much memory: {message}"))
        }
        DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::External(_) => QueryError::Store(message),
        DataFusionError::Plan(text) if text.contains("not supported: ") => QueryError::Forbidden(message),
        _ if message.contains("unqualified field attributes") => QueryError::Bad {
            message: "several tables have attributes: say which one".to_owned(),
            position: None,
            expected: vec!["attr('s', 'http.route')".to_owned(), "s.attributes['http.route']".to_owned()],
        },
        _ => QueryError::invalid(message),
    }
}
