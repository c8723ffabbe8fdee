use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, Int64Array, ListArray, StructArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;
use model::{Answer, Batch, Reader, TenantName, schema};
use storage::{Options, Store};

use super::*;
use crate::testing::{rows, texts, times};

const TRACE: u8 = 1;
const OTHER_TRACE: u8 = 2;

/// Trace, span, parent, service, kind, attributes, failed, link.
type Made = (u8, u8, Option<u8>, &'static str, &'static str, &'static str, bool, Option<(u8, u8)>);

/// A shop: calls over client spans, over none, to a database, to a queue, to hosts outside and inside.
const SPANS: [Made; 14] = [
    (TRACE, 1, None, "shop", "server", "{}", false, None),
    (TRACE, 2, Some(1), "shop", "client", r#"{"server.address":"cart.internal"}"#, false, None),
    (TRACE, 3, Some(2), "cart", "server", "{}", true, None),
    (TRACE, 4, Some(3), "cart", "client", r#"{"db.system":"redis","server.address":"cache"}"#, false, None),
    (TRACE, 5, Some(1), "shop", "client", r#"{"url.full":"https://maps.example/a"}"#, true, None),
    (TRACE, 6, Some(1), "shop", "client", r#"{"peer.service":"pay"}"#, false, None),
    (
        TRACE,
        7,
        Some(1),
        "shop",
        "producer",
        r#"{"messaging.destination.name":"jobs","messaging.system":"kafka"}"#,
        false,
        None,
    ),
    (TRACE, 8, Some(7), "worker", "consumer", "{}", false, None),
    (OTHER_TRACE, 9, None, "batch", "consumer", "{}", false, Some((TRACE, 7))),
    // Below a span of its own service that calls nobody, below one that is not stored, and a root.
    (TRACE, 10, Some(3), "cart", "server", "{}", false, None),
    (TRACE, 11, Some(99), "pay", "server", "{}", false, None),
    (TRACE, 12, None, "shop", "internal", "{}", false, None),
    // A service that calls itself.
    (TRACE, 13, Some(3), "cart", "client", r#"{"peer.service":"cart"}"#, false, None),
    (TRACE, 14, Some(13), "cart", "server", "{}", false, None),
];

fn ids<const N: usize>(ids: impl Iterator<Item = Option<u8>>) -> ArrayRef {
    let ids = ids.map(|id| id.map(|byte| [byte; N]));
    Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, N as i32).unwrap())
}

fn links(spans: &[Made]) -> ArrayRef {
    let stored = schema::stored(Signal::Spans);
    let DataType::List(item) = stored.field_with_name("links").unwrap().data_type() else {
        panic!("links are a list")
    };
    let linked: Vec<(u8, u8)> = spans.iter().filter_map(|span| span.7).collect();
    let columns: Vec<ArrayRef> = schema::link_fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "trace_id" => ids::<16>(linked.iter().map(|link| Some(link.0))),
            "span_id" => ids::<8>(linked.iter().map(|link| Some(link.1))),
            "attributes" => texts(&vec!["{}"; linked.len()]),
            "trace_state" => texts(&vec![""; linked.len()]),
            name if field.data_type() == &DataType::Int64 => {
                assert!(!name.is_empty());
                Arc::new(Int64Array::from_value(0, linked.len()))
            }
            _ => new_null_array(field.data_type(), linked.len()),
        })
        .collect();
    let items = StructArray::try_new(schema::link_fields(), columns, None).unwrap();
    let offsets = OffsetBuffer::from_lengths(spans.iter().map(|span| usize::from(span.7.is_some())));
    let valid = NullBuffer::from_iter(spans.iter().map(|span| span.7.is_some()));
    Arc::new(ListArray::try_new(Arc::clone(item), offsets, Arc::new(items), Some(valid)).unwrap())
}

fn written(spans: &[Made]) -> RecordBatch {
    let column = |of: fn(&Made) -> &'static str| texts(&spans.iter().map(of).collect::<Vec<_>>());
    rows(
        Signal::Spans,
        spans.len(),
        &[
            ("trace_id", ids::<16>(spans.iter().map(|span| Some(span.0)))),
            ("span_id", ids::<8>(spans.iter().map(|span| Some(span.1)))),
            ("parent_span_id", ids::<8>(spans.iter().map(|span| span.2))),
            ("service_name", column(|span| span.3)),
            ("kind", column(|span| span.4)),
            ("attributes", column(|span| span.5)),
            ("status_code", column(|span| if span.6 { "error" } else { "unset" })),
            ("start_time", times(&vec![1_000_000_000; spans.len()])),
            ("duration_ns", Arc::new(Int64Array::from_value(1_000_000, spans.len()))),
            ("links", links(spans)),
        ],
    )
}

fn control() -> Control {
    Control { deadline: Instant::now() + std::time::Duration::from_secs(60), cancelled: Arc::default() }
}

#[test]
fn calls_are_joined_and_the_rest_is_inferred() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Store::open(dir.path(), Options::for_memory(1 << 30)).unwrap();
    let tenant = TenantName::default();
    for (number, half) in SPANS.chunks(5).enumerate() {
        let rows = written(half);
        let batch = Batch {
            signal: Signal::Spans,
            rows,
            payload_hash: number as u128,
            repeatable: true,
            answer: Answer::default(),
        };
        runtime.block_on(store.write(&tenant, batch)).unwrap();
    }
    for state in ["fresh", "sealed", "merged"] {
        let snapshot = store.snapshot(&Reader::of(tenant.clone()));
        let graph = graph(&snapshot, TimeRange::ALL, &control()).unwrap();
        let mut edges: Vec<String> = graph
            .edges
            .iter()
            .map(|edge| format!("{} {} {} {} {}", edge.from, edge.kind, edge.to, edge.calls, edge.errors))
            .collect();
        edges.sort_unstable();
        let expected = [
            "cart call cart 1 0",
            "cart call redis/cache 1 0",
            "shop async batch 1 0",
            "shop async kafka/jobs 1 0",
            "shop async worker 1 0",
            "shop call cart 1 1",
            "shop call maps.example 1 1",
            "shop call pay 1 0",
        ];
        assert_eq!(edges, expected, "{state}");
        let nodes: Vec<String> =
            graph.nodes.iter().map(|node| format!("{} {}", node.name, node.kind)).collect();
        let expected = [
            "batch service",
            "cart service",
            "kafka/jobs queue",
            "maps.example external",
            "pay service",
            "redis/cache database",
            "shop service",
            "worker service",
        ];
        assert_eq!(nodes, expected, "{state}");
        assert_eq!(graph.stats.partial, None);
        match state {
            "fresh" => store.seal().unwrap(),
            _ => store.compact(&mut |_| ()).unwrap(),
        }
    }
}

#[test]
fn the_newest_minutes_are_joined() {
    const MOST: f64 = JOINED_MAX as f64;
    // Spans by minute, and where the window begins.
    type Case = (&'static [(i64, f64)], Option<i64>);
    let cases: [Case; 5] = [
        (&[], None),
        (&[(0, 10.0), (60, 20.0)], None),
        (&[(0, MOST), (60, 1.0)], Some(60)),
        (&[(0, MOST), (60, 1.0), (120, MOST - 1.0)], Some(60)),
        (&[(0, 5.0), (60, MOST * 2.0)], Some(60)),
    ];
    for (minutes, expected) in cases {
        let rolled_up = RolledUp { minutes: minutes.iter().copied().collect(), ..RolledUp::default() };
        let window = rolled_up.window(TimeRange::ALL);
        assert_eq!(window, TimeRange { from: expected.map(UnixNanos), to: None }, "{minutes:?}");
    }
}

#[test]
fn the_surroundings_of_a_service_reach_so_many_calls() {
    let node = |name: &str| Node { name: name.to_owned(), kind: SERVICE.to_owned() };
    let edge = |from: &str, to: &str| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind: CALL.to_owned(),
        calls: 1.0,
        errors: 0.0,
        p95_ns: None,
    };
    let graph = Graph {
        nodes: ["a", "b", "c", "d", "far"].map(node).into(),
        edges: vec![edge("a", "b"), edge("b", "c"), edge("c", "d"), edge("d", "d")],
        range: TimeRange::ALL,
        stats: Default::default(),
    };
    let around = |service: Option<&str>, hops| {
        let question = GraphQuestion { range: TimeRange::ALL, service: service.map(str::to_owned), hops };
        question.check()?;
        graph.clone().around(&question).map(|graph| {
            let names: Vec<String> = graph.nodes.into_iter().map(|node| node.name).collect();
            (names.concat(), graph.edges.len())
        })
    };
    for (service, hops, names, edges) in [
        (None, 0, "abcdfar", 4),
        (Some("a"), 1, "ab", 1),
        (Some("a"), 3, "abcd", 4),
        (Some("d"), 1, "cd", 2),
        (Some("b"), 1, "abc", 2),
        (Some("far"), 3, "far", 0),
    ] {
        assert_eq!(around(service, hops).unwrap(), (names.to_owned(), edges), "{service:?} {hops}");
    }
    assert!(matches!(around(Some("none"), 1), Err(QueryError::NotFound(_))));
    for hops in [0, HOPS_MAX + 1] {
        assert!(matches!(around(Some("a"), hops), Err(QueryError::Bad { .. })), "{hops}");
    }
}
