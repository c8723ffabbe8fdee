use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use collector::{Encoding, Limits, decode};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::{Form, Shape, Signal, Stamp, Template};

/// 2026-11-21, about noon.
const BASE: u64 = 1_795_262_400_000_000_000;

fn shape(signal: Signal, form: Form) -> Shape {
    Shape { signal, form, batch: 200, templates: 4, series: 800, seed: 5 }
}

/// The requests of the first sends.
fn sends(shape: &Shape, count: u64) -> Vec<Vec<u8>> {
    let templates = shape.build();
    (0..count).map(|number| send(shape, &templates, number)).collect()
}

fn send(shape: &Shape, templates: &[Template], number: u64) -> Vec<u8> {
    let template = &templates[number as usize % templates.len()];
    let round = number / templates.len() as u64;
    let mut body = Vec::new();
    template.stamp(&Stamp::new(shape.seed, number, round, BASE, BASE - 1), &mut body);
    assert_eq!(body.len(), template.len());
    body
}

fn spans(count: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    for body in sends(&shape(Signal::Spans, Form::Protobuf), count) {
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        for resource in request.resource_spans {
            assert_eq!(resource.resource.unwrap().attributes.len(), 14);
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans
}

#[test]
fn spans_are_whole_traces_with_ids_of_their_own() {
    let spans = spans(12);
    assert!(spans.len() >= 12 * 200);
    let ids: HashSet<_> = spans.iter().map(|span| (&span.trace_id, &span.span_id)).collect();
    assert_eq!(ids.len(), spans.len());
    let by_id: HashMap<_, _> = spans.iter().map(|span| ((&span.trace_id, &span.span_id), span)).collect();
    let mut roots = HashMap::new();
    for span in &spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.start_time_unix_nano >= BASE && span.end_time_unix_nano >= span.start_time_unix_nano);
        assert!((7..=15).contains(&span.attributes.len()), "{}", span.attributes.len());
        if span.parent_span_id.is_empty() {
            *roots.entry(&span.trace_id).or_insert(0) += 1;
            continue;
        }
        let parent = by_id.get(&(&span.trace_id, &span.parent_span_id)).expect("a parent is in the request");
        assert!(parent.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(parent.end_time_unix_nano >= span.end_time_unix_nano);
    }
    let traces: HashSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(roots.len(), traces.len());
    assert!(roots.values().all(|roots| *roots == 1));
    let mean = spans.len() / traces.len();
    assert!((5..=60).contains(&mean), "{mean}");
}

#[test]
fn some_spans_fail_and_say_why() {
    let spans = spans(12);
    let failed = spans.iter().filter(|span| span.status.as_ref().is_some_and(|status| status.code == 2));
    let failed: Vec<_> = failed.collect();
    assert!(!failed.is_empty() && failed.len() < spans.len() / 20, "{}", failed.len());
    assert!(failed.iter().all(|span| span.events.iter().any(|event| event.name == "exception")));
}

#[test]
fn log_records_have_texts_of_their_own_and_most_a_span() {
    let mut bodies = Vec::new();
    let mut in_span = 0;
    for body in sends(&shape(Signal::Logs, Form::Protobuf), 8) {
        let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
        let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        for record in scopes.flat_map(|scope| scope.log_records) {
            assert!(record.time_unix_nano >= BASE);
            in_span += usize::from(record.trace_id.len() == 16);
            let Some(Value::StringValue(text)) = record.body.and_then(|body| body.value) else {
                panic!("a body is text");
            };
            assert!(!text.contains("<d") && !text.contains("<x"), "{text}");
            bodies.push(text);
        }
    }
    assert_eq!(bodies.len(), 8 * 200);
    let share = in_span as f64 / bodies.len() as f64;
    assert!((0.7..0.9).contains(&share), "{share}");
    let different: HashSet<_> = bodies.iter().collect();
    assert!(different.len() > bodies.len() * 9 / 10, "{}", different.len());
}

#[test]
fn log_records_belong_to_spans_of_the_same_send() {
    let ids: HashSet<_> = spans(4).into_iter().map(|span| (span.trace_id, span.span_id)).collect();
    let mut found = 0;
    for body in sends(&shape(Signal::Logs, Form::Protobuf), 4) {
        let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
        let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        for record in scopes.flat_map(|scope| scope.log_records).filter(|record| !record.trace_id.is_empty())
        {
            assert!(ids.contains(&(record.trace_id, record.span_id)));
            found += 1;
        }
    }
    assert!(found > 0);
}

/// Values of the points of two rounds by metric, resource and attributes.
fn rounds() -> Vec<HashMap<String, f64>> {
    let shape = shape(Signal::Metrics, Form::Protobuf);
    let count = shape.build().len() as u64;
    let all = sends(&shape, 2 * count);
    let round = |bodies: &[Vec<u8>]| {
        let mut values = HashMap::new();
        for body in bodies {
            let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
            for resource in request.resource_metrics {
                let of = format!("{:?}", resource.resource);
                for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                    values.extend(points(&of, metric));
                }
            }
        }
        values
    };
    all.chunks(count as usize).map(round).collect()
}

fn points(of: &str, metric: Metric) -> Vec<(String, f64)> {
    let name = metric.name;
    let cumulative = |points: Vec<_>, temporality: i32| {
        assert_eq!(temporality, 2);
        points
    };
    let (numbers, histograms) = match metric.data.unwrap() {
        Data::Gauge(gauge) => (gauge.data_points, Vec::new()),
        Data::Sum(sum) => (cumulative(sum.data_points, sum.aggregation_temporality), Vec::new()),
        Data::Histogram(histogram) => (Vec::new(), histogram.data_points),
        other => panic!("{other:?}"),
    };
    let number = numbers.into_iter().map(|point| {
        assert!(point.start_time_unix_nano < point.time_unix_nano);
        let value = match point.value.unwrap() {
            number_data_point::Value::AsDouble(value) => value,
            number_data_point::Value::AsInt(value) => value as f64,
        };
        (format!("{name} {of} {:?}", point.attributes), value)
    });
    let histogram = histograms.into_iter().map(|point| {
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
        (format!("{name} {of} {:?}", point.attributes), point.count as f64)
    });
    number.chain(histogram).collect()
}

#[test]
fn series_are_the_same_in_every_round_and_counters_grow() {
    let rounds = rounds();
    assert_eq!(rounds.len(), 2);
    assert_eq!(rounds[0].len(), 800);
    for (series, before) in &rounds[0] {
        let after = rounds[1][series];
        let counter = series.starts_with("http.server.requests ") || series.contains("duration ");
        assert!(!counter || after >= *before, "{series}: {before} {after}");
    }
    let moved = rounds[0].iter().filter(|(series, before)| rounds[1][*series] != **before).count();
    assert!(moved > 600, "{moved}");
}

/// Both forms are taken by the program without a word, and mean the same.
#[test]
fn json_and_protobuf_give_the_same_rows() {
    for (signal, of) in [
        (Signal::Spans, model::Signal::Spans),
        (Signal::Logs, model::Signal::Logs),
        (Signal::Metrics, model::Signal::Metrics),
    ] {
        let rows = |form, encoding| {
            let bodies = sends(&shape(signal, form), 6).into_iter();
            let decoded = bodies.map(|body| {
                let received = model::UnixNanos(BASE as i64);
                let decoded = decode(of, Bytes::from(body), encoding, received, &Limits::default()).unwrap();
                assert_eq!(decoded.batch.answer, model::Answer::default(), "{signal:?} {encoding:?}");
                decoded.batch.rows
            });
            decoded.collect::<Vec<_>>()
        };
        let protobuf = rows(Form::Protobuf, Encoding::Protobuf);
        assert!(protobuf.iter().all(|rows| rows.num_rows() >= 200), "{signal:?}");
        assert_eq!(protobuf, rows(Form::Json, Encoding::Json), "{signal:?}");
    }
}

#[test]
fn sizes_are_those_of_real_clients() {
    for (signal, bytes) in [(Signal::Spans, 520..680), (Signal::Logs, 420..540), (Signal::Metrics, 130..350)]
    {
        let templates = shape(signal, Form::Protobuf).build();
        let records: u64 = templates.iter().map(|template| template.records).sum();
        let all: usize = templates.iter().map(Template::len).sum();
        let mean = all as u64 / records;
        assert!(bytes.contains(&mean), "{signal:?}: {mean}");
    }
}

#[test]
fn equal_seeds_give_equal_requests_and_others_do_not() {
    for signal in Signal::ALL {
        let first = shape(signal, Form::Protobuf);
        assert_eq!(sends(&first, 5), sends(&first, 5), "{signal:?}");
        let other = Shape { seed: 6, ..first };
        assert_ne!(sends(&first, 1), sends(&other, 1), "{signal:?}");
        let two = sends(&first, 9);
        assert_ne!(two[0], two[8], "{signal:?}");
    }
}
