//! Questions and answers: the search language, SQL, and the HTTP query APIs.
//!
//! A question walks down this list: its text becomes a predicate or a plan, the [`Engine`] runs it over a
//! snapshot of the store, [`rows`] are what comes back, and [`router`] shows them over HTTP. What is stored also goes
//! out as OTLP's JSON. [`promql`] answers over series that are loaded for it. Absent here: OTLP on its way in, files,
//! HTML.

#![forbid(unsafe_code)]

mod error;
pub mod times;
pub mod search;
mod threads;
mod columns;
pub mod rows;
pub mod outline;
mod otlp;
mod sql;
pub mod promql;
mod engine;
mod http;

#[cfg(test)]
mod testing;

pub use engine::{
    Advice, Alignment, COMPARED_SPANS_MAX, CompactionStatus, CompareQuestion, Comparison, Completion,
    Completions, Context, ContextQuestion, DETAILS_MAX, DIFFERENCES_MAX, DecodedOutline, Difference, Dropped,
    EXPORT_ROWS_MAX, EXPORT_TRACES_MAX, Engine, Exemplar, Exported, ExportedTrace, Exports, Found, Gathered,
    Gathering, Graph, GraphQuestion, HOPS_MAX, Heat, IngestSource, Item, Limits, LogStatus,
    METRIC_SERIES_MAX, MetricAnswer, MetricDescription, MetricQuestion, NEIGHBOURS_MAX, Neighbours,
    OUTLINE_ROWS_MAX, Order, Outline, PathRow, PathSpans, ProcessStatus, Search, SeriesExemplars, SeriesList,
    SeriesQuestion, ServiceDetail, ServiceQuestion, ServiceShare, Services, Share, SignalStatus,
    SlowQuestion, Sought, SpanBox, Status, StorageStatus, TAILS_MAX, Tail, TailEvent, Templates, Token,
    TraceRows, TraceSide, TraceSize, Unknown, near_names,
};
pub use error::QueryError;
pub use http::{Failure, Params, json_answer, request_id, router, sql_rows};
pub use sql::{RowFormat, SqlAnswer, SqlStream};
pub use threads::{NICE, NICE_MAX};

/// The most rows one answer holds.
pub const LIMIT_MAX: usize = 10_000;
/// The rows of an answer that names no limit.
pub const LIMIT_DEFAULT: usize = 100;
/// The most spans, and the most logs, of one trace in an answer.
pub const TRACE_ROWS_MAX: usize = 10_000;
