//! Whatever is sent, protobuf and JSON of the same content make the same rows and earn the same answer.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{EntityRef, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        any::<i64>().prop_map(Any::IntValue),
        prop::num::f64::NORMAL.prop_map(Any::DoubleValue),
        vec(any::<u8>(), 0..9).prop_map(Any::BytesValue),
    ];
    let wrap = |value| AnyValue { value: Some(value) };
    leaf.prop_map(wrap).prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| Any::ArrayValue(ArrayValue { values })),
            vec(("[$a-c]{0,2}", inner), 0..4).prop_map(|entries| {
                let values = entries.into_iter().map(|(key, value)| entry(key, value)).collect();
                Any::KvlistValue(KeyValueList { values })
            }),
        ]
        .prop_map(wrap)
    })
}

fn entry(key: String, value: AnyValue) -> KeyValue {
    KeyValue { key, value: Some(value), key_strindex: 0 }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(("[a-d.]{0,3}|service\\.name|host\\.name", value()).prop_map(|(key, value)| entry(key, value)), 0..4)
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), length), 1 => Just(vec![0; length]), 1 => vec(any::<u8>(), 0..18)]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![8 => TIME..TIME * 2, 1 => Just(0), 1 => any::<u64>()]
}

fn origin() -> impl Strategy<Value = (Option<Resource>, Option<InstrumentationScope>, String)> {
    let entity = (any::<String>(), vec("[a-c]", 0..3)).prop_map(|(name, keys)| EntityRef {
        schema_url: name.clone(),
        r#type: name,
        id_keys: keys.clone(),
        description_keys: keys,
    });
    let resource = (attributes(), any::<u32>(), vec(entity, 0..2)).prop_map(
        |(attributes, dropped_attributes_count, entity_refs)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
        },
    );
    let scope = (any::<String>(), "[0-9.]{0,3}", attributes()).prop_map(|(name, version, attributes)| {
        InstrumentationScope { name, version, attributes, dropped_attributes_count: 0 }
    });
    (option::of(resource), option::of(scope), "[a-z:/]{0,5}")
}

prop_compose! {
    fn any_event()(time_unix_nano in time(), name in any::<String>(), attributes in attributes(),
        dropped_attributes_count in any::<u32>()) -> Event {
        Event { time_unix_nano, name, attributes, dropped_attributes_count }
    }
}

prop_compose! {
    fn any_link()(trace_id in id(16), span_id in id(8), trace_state in "[a-z=]{0,3}", attributes in attributes(),
        flags in any::<u32>()) -> Link {
        Link { trace_id, span_id, trace_state, attributes, dropped_attributes_count: 3, flags }
    }
}

prop_compose! {
    fn any_span()(ids in (id(16), id(8), id(8)), trace_state in "(ot=th:[0-9a-f]{0,15})?", flags in any::<u32>(),
        name in any::<String>(), kind in 0..7, times in (time(), time()), attributes in attributes(),
        events in vec(any_event(), 0..3), links in vec(any_link(), 0..3), code in 0..4) -> Span {
        Span {
            trace_id: ids.0, span_id: ids.1, parent_span_id: ids.2, trace_state, flags, name: name.clone(), kind,
            start_time_unix_nano: times.0, end_time_unix_nano: times.1, attributes, dropped_attributes_count: 1,
            events, dropped_events_count: 2, links, dropped_links_count: 3,
            status: Some(Status { message: name, code }),
        }
    }
}

prop_compose! {
    fn any_log()(ids in (id(16), id(8)), times in (time(), time()), severity_number in 0..30,
        severity_text in any::<String>(), body in option::of(value()), attributes in attributes(),
        flags in any::<u32>(), event_name in "[a-z]{0,3}") -> LogRecord {
        LogRecord {
            time_unix_nano: times.0, observed_time_unix_nano: times.1, severity_number, severity_text, body,
            attributes, dropped_attributes_count: 5, flags, trace_id: ids.0, span_id: ids.1, event_name,
        }
    }
}

prop_compose! {
    fn any_exemplar()(filtered_attributes in attributes(), time_unix_nano in time(), span_id in id(8),
        trace_id in id(16), value in any::<i64>()) -> Exemplar {
        Exemplar { filtered_attributes, time_unix_nano, span_id, trace_id, value: Some(exemplar::Value::AsInt(value)) }
    }
}

prop_compose! {
    fn any_number()(attributes in attributes(), times in (time(), time()), exemplars in vec(any_exemplar(), 0..2),
        flags in 0_u32..3, value in option::of(prop_oneof![
            any::<i64>().prop_map(Number::AsInt), prop::num::f64::NORMAL.prop_map(Number::AsDouble)])
    ) -> NumberDataPoint {
        NumberDataPoint { attributes, start_time_unix_nano: times.0, time_unix_nano: times.1, exemplars, flags, value }
    }
}

prop_compose! {
    fn any_histogram()(attributes in attributes(), times in (time(), time()), count in any::<u64>(),
        sum in option::of(prop::num::f64::NORMAL), bucket_counts in vec(0_u64..9, 0..3),
        explicit_bounds in vec(prop::num::f64::NORMAL, 0..3)) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes, start_time_unix_nano: times.0, time_unix_nano: times.1, count, sum, bucket_counts,
            explicit_bounds, exemplars: Vec::new(), flags: 0, min: sum, max: None,
        }
    }
}

prop_compose! {
    fn any_exponential()(attributes in attributes(), times in (time(), time()), count in 0_u64..9,
        scale in any::<i32>(), offset in any::<i32>(), bucket_counts in vec(0_u64..9, 0..3))
        -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            attributes, start_time_unix_nano: times.0, time_unix_nano: times.1, count, scale,
            positive: Some(Buckets { offset, bucket_counts }), zero_threshold: 0.25, ..Default::default()
        }
    }
}

fn any_metric() -> impl Strategy<Value = Metric> {
    let data = prop_oneof![
        vec(any_number(), 0..3).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (vec(any_number(), 0..3), 0..4).prop_map(|(data_points, aggregation_temporality)| {
            Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic: aggregation_temporality == 2,
            })
        }),
        (vec(any_histogram(), 0..3), 0..4).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        vec(any_summary(), 0..3).prop_map(|data_points| Data::Summary(Summary { data_points })),
        (vec(any_exponential(), 0..3), 0..4).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
    ];
    (any::<String>(), "[a-z]{0,2}", attributes(), option::of(data)).prop_map(
        |(name, unit, metadata, data)| Metric { description: name.clone(), name, unit, metadata, data },
    )
}

prop_compose! {
    fn any_summary()(attributes in attributes(), times in (time(), time()), count in 0_u64..9,
        pairs in vec((prop::num::f64::NORMAL, prop::num::f64::NORMAL), 0..3), flags in 0_u32..3)
        -> SummaryDataPoint {
        let quantile_values =
            pairs.into_iter().map(|(quantile, value)| ValueAtQuantile { quantile, value }).collect();
        SummaryDataPoint {
            attributes, start_time_unix_nano: times.0, time_unix_nano: times.1, count, sum: 1.5, quantile_values, flags,
        }
    }
}

prop_compose! {
    /// A trace request of up to three resources.
    pub(super) fn any_span_request()(parts in vec((origin(), vec(any_span(), 0..4)), 0..3))
        -> ExportTraceServiceRequest {
        let resource_spans = parts.into_iter().map(|((resource, scope, schema_url), spans)| {
            let scope_spans = vec![ScopeSpans { scope, spans, schema_url: schema_url.clone() }];
            ResourceSpans { resource, scope_spans, schema_url }
        });
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
    }
}

prop_compose! {
    /// A log request of up to three resources.
    pub(super) fn any_log_request()(parts in vec((origin(), vec(any_log(), 0..4)), 0..3))
        -> ExportLogsServiceRequest {
        let resource_logs = parts.into_iter().map(|((resource, scope, schema_url), log_records)| {
            let scope_logs = vec![ScopeLogs { scope, log_records, schema_url: schema_url.clone() }];
            ResourceLogs { resource, scope_logs, schema_url }
        });
        ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
    }
}

prop_compose! {
    /// A metrics request of up to three resources.
    pub(super) fn any_metric_request()(parts in vec((origin(), vec(any_metric(), 0..3)), 0..3))
        -> ExportMetricsServiceRequest {
        let resource_metrics = parts.into_iter().map(|((resource, scope, schema_url), metrics)| {
            let scope_metrics = vec![ScopeMetrics { scope, metrics, schema_url: schema_url.clone() }];
            ResourceMetrics { resource, scope_metrics, schema_url }
        });
        ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
    }
}

/// The JSON writer of the protocol crate is the reference. It writes a number that is not finite as null, so
/// only finite ones are made here.
fn check(signal: Signal, message: &(impl Message + serde::Serialize)) -> Result<(), TestCaseError> {
    let protobuf = decode_any(signal, message.encode_to_vec(), Encoding::Protobuf).unwrap();
    let text = serde_json::to_string(message).unwrap();
    let json = decode_any(signal, text.clone(), Encoding::Json).unwrap();
    prop_assert_eq!(&protobuf.batch.answer, &json.batch.answer, "{}", text);
    prop_assert_eq!(protobuf.batch.repeatable, json.batch.repeatable);
    prop_assert_eq!(&protobuf.batch.rows, &json.batch.rows, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_the_same_in_both_encodings(request in any_span_request()) {
        check(Signal::Spans, &request)?;
    }

    #[test]
    fn logs_are_the_same_in_both_encodings(request in any_log_request()) {
        check(Signal::Logs, &request)?;
    }

    #[test]
    fn metrics_are_the_same_in_both_encodings(request in any_metric_request()) {
        check(Signal::Metrics, &request)?;
    }

    #[test]
    fn no_bytes_make_it_panic(payload in vec(any::<u8>(), 0..200)) {
        for signal in Signal::SENT {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                drop(decode_any(signal, payload.clone(), encoding));
            }
        }
    }

    #[test]
    fn no_change_of_a_byte_makes_it_panic(spans in vec(any_span(), 1..3), place in any::<prop::sample::Index>(), byte: u8) {
        let mut payload = trace_request(spans).encode_to_vec();
        let at = place.index(payload.len());
        payload[at] = byte;
        drop(decode_any(Signal::Spans, payload, Encoding::Protobuf));
    }
}
