//! A small store for tests: two traces, two logs.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use model::{Answer, Batch, Reader, Signal, TenantName, schema};
use storage::{MemoryBudget, Options, Store};

use crate::engine::{Engine, Limits};

const TRACE: [u8; 16] =
    [0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];
const OTHER: [u8; 16] = [1; 16];
const ROOT: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
const CHILD: [u8; 8] = [2; 8];
const PING: [u8; 8] = [3; 8];

/// An engine over a store of its own.
pub(crate) struct Fixture {
    pub(crate) engine: Engine,
    pub(crate) reader: Reader,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) budget: Arc<MemoryBudget>,
    pub(crate) store: Store,
    _dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::with(limits, 1 << 30)
    }

    /// An engine within a budget of so many bytes.
    pub(crate) fn with_memory(bytes: usize) -> Self {
        Self::with(Limits::default(), bytes)
    }

    fn with(limits: Limits, memory_bytes: usize) -> Self {
        // Tests say what is answered, not how soon beside other work.
        let limits = Limits { nice: 0, ..limits };
        Self::holding(limits, memory_bytes, vec![(Signal::Spans, spans()), (Signal::Logs, logs())])
    }

    /// An engine over these rows.
    pub(crate) fn holding(limits: Limits, memory_bytes: usize, batches: Vec<(Signal, RecordBatch)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let budget = MemoryBudget::new(memory_bytes);
        let store = Store::open(dir.path(), Options::within(Arc::clone(&budget))).unwrap();
        for (number, (signal, rows)) in batches.into_iter().enumerate() {
            let answer = Answer::default();
            let batch = Batch { signal, rows, payload_hash: number as u128, repeatable: true, answer };
            runtime.block_on(store.write(&TenantName::default(), batch)).unwrap();
        }
        let engine = Engine::new(store.clone(), limits).unwrap();
        Self { engine, reader: Reader::of(TenantName::default()), runtime, budget, store, _dir: dir }
    }
}

/// A column of times.
pub(crate) fn times(times: &[i64]) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC"))
}

/// A column of text.
pub(crate) fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

/// A column of ids.
pub(crate) fn ids<const N: usize>(ids: &[Option<[u8; N]>]) -> ArrayRef {
    Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids.iter().copied(), N as i32).unwrap())
}

/// A request that fails below, half a second long, and a ping a while later.
fn spans() -> RecordBatch {
    rows(
        Signal::Spans,
        3,
        &[
            ("trace_id", ids(&[Some(TRACE), Some(TRACE), Some(OTHER)])),
            ("span_id", ids(&[Some(ROOT), Some(CHILD), Some(PING)])),
            ("parent_span_id", ids(&[None, Some(ROOT), None])),
            ("service_name", texts(&["cart", "payment", "cart"])),
            ("name", texts(&["GET /cart", "charge", "ping"])),
            ("kind", texts(&["server", "server", "internal"])),
            ("status_code", texts(&["unset", "error", "ok"])),
            ("start_time", times(&[1_000_000_000, 1_100_000_000, 9_000_000_000])),
            ("end_time", times(&[1_500_000_000, 1_400_000_000, 9_000_000_010])),
            ("duration_ns", Arc::new(Int64Array::from(vec![500_000_000, 300_000_000, 10]))),
            (
                "attributes",
                texts(&[
                    r#"{"http.response.status_code":200,"http.route":"/cart"}"#,
                    r#"{"http.response.status_code":500}"#,
                    "{}",
                ]),
            ),
        ],
    )
}

/// What the failing span logged, and a line of the ping's service outside any trace.
fn logs() -> RecordBatch {
    rows(
        Signal::Logs,
        2,
        &[
            ("trace_id", ids(&[Some(TRACE), Some(TRACE)])),
            ("span_id", ids(&[Some(CHILD), Some(ROOT)])),
            ("service_name", texts(&["payment", "cart"])),
            ("time", times(&[1_200_000_000, 1_450_000_000])),
            ("severity_number", Arc::new(Int64Array::from(vec![17, 9]))),
            ("severity", texts(&["error", "info"])),
            ("body", texts(&["card refused", "cart answered"])),
            ("body_type", texts(&["string", "string"])),
            ("resource_attributes", texts(&[r#"{"host.name":"node-1"}"#, r#"{"host.name":"node-1"}"#])),
        ],
    )
}

/// A batch in the wire schema; columns that are not given have plain values.
pub(crate) fn rows(signal: Signal, count: usize, given: &[(&str, ArrayRef)]) -> RecordBatch {
    let schema = schema::wire(signal);
    let columns =
        schema.fields().iter().map(|field| match given.iter().find(|(name, _)| name == field.name()) {
            Some((_, column)) => cast(column, field.data_type()).unwrap(),
            None => plain(field, count),
        });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

fn plain(field: &Field, count: usize) -> ArrayRef {
    match field.data_type() {
        DataType::List(item) => Arc::new(ListArray::new_null(Arc::clone(item), count)),
        kind if field.is_nullable() => new_null_array(kind, count),
        DataType::Float64 => Arc::new(Float64Array::from_value(1.0, count)),
        DataType::Int64 => Arc::new(Int64Array::from_value(0, count)),
        DataType::Timestamp(..) => times(&vec![0; count]),
        kind => {
            let text = if schema::is_json(field) { "{}" } else { "x" };
            cast(&StringArray::from(vec![text; count]), kind).unwrap()
        }
    }
}
