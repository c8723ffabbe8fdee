//! The real shop for a few seconds: everything that every service should send arrives, and hangs together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::shop::SERVICES;

/// How long services may take until all sent. Generous: a busy machine.
const ARRIVAL_MAX: Duration = Duration::from_secs(90);

/// What arrived.
#[derive(Default)]
struct Seen {
    /// Signals, each with a service that sent it
    signals: BTreeSet<(&'static str, String)>,
    /// Spans, each with its service
    spans: Vec<(String, Span)>,
}

#[derive(Default)]
struct Arrived {
    seen: Mutex<Seen>,
    more: Notify,
}

fn attribute(resource: Option<&Resource>, key: &str) -> String {
    let attributes = &resource.expect("a resource").attributes;
    let found = attributes.iter().find(|attribute| attribute.key == key).expect("the attribute");
    match found.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{key} is {other:?}"),
    }
}

async fn take(State(arrived): State<Arc<Arrived>>, uri: Uri, body: Bytes) {
    let mut seen = arrived.seen.lock().unwrap();
    let name = |resource: Option<&Resource>| {
        assert_eq!(attribute(resource, "service.namespace"), "shop");
        attribute(resource, "service.name")
    };
    match uri.path() {
        "/v1/traces" => {
            for sent in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                let service = name(sent.resource.as_ref());
                seen.signals.insert(("traces", service.clone()));
                let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
                seen.spans.extend(spans.map(|span| (service.clone(), span)));
            }
        }
        "/v1/logs" => {
            for sent in ExportLogsServiceRequest::decode(body).unwrap().resource_logs {
                seen.signals.insert(("logs", name(sent.resource.as_ref())));
            }
        }
        path => {
            assert_eq!(path, "/v1/metrics");
            for sent in ExportMetricsServiceRequest::decode(body).unwrap().resource_metrics {
                seen.signals.insert(("metrics", name(sent.resource.as_ref())));
            }
        }
    }
    drop(seen);
    arrived.more.notify_one();
}

/// A receiver on a free port.
async fn receiver() -> (String, Arc<Arrived>) {
    let arrived = Arc::new(Arrived::default());
    let router = Router::new().route("/v1/{signal}", post(take)).with_state(Arc::clone(&arrived));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, arrived)
}

fn lacking(arrived: &Arrived, signals: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let seen = arrived.seen.lock().unwrap();
    let expected = signals.iter().flat_map(|signal| SERVICES.map(|service| (*signal, service.name)));
    expected.filter(|(signal, name)| !seen.signals.contains(&(*signal, (*name).to_owned()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_signals_of_every_service_arrive() {
    let (url, arrived) = receiver().await;
    let shop = Shop::open(&url, 40.0).await.unwrap();
    assert!(shop.addresses().len() > SERVICES.len());
    let all = async {
        while !lacking(&arrived, &["traces", "logs"]).is_empty() {
            arrived.more.notified().await;
        }
    };
    let waited = tokio::time::timeout(ARRIVAL_MAX, all).await;
    assert!(waited.is_ok(), "did not come: {:?}", lacking(&arrived, &["traces", "logs"]));
    let visits = shop.visits();
    assert!(visits.count > 20 && visits.failed * 10 < visits.count, "{visits:?}");
    // What is left is exported at the end, with all metrics.
    shop.close().await;
    assert_eq!(lacking(&arrived, &["traces", "logs", "metrics"]), []);
    let seen = arrived.seen.lock().unwrap();
    let services: HashMap<&[u8], &str> =
        seen.spans.iter().map(|(service, span)| (span.span_id.as_slice(), service.as_str())).collect();
    let crossed = seen.spans.iter().filter(|(service, span)| {
        services.get(span.parent_span_id.as_slice()).is_some_and(|parent| parent != service)
    });
    assert!(crossed.count() > 20, "traces go from service to service");
}

#[tokio::test]
async fn an_address_that_is_none_is_told() {
    let error = Shop::open("not an address", 1.0).await.err().expect("it cannot open");
    assert!(error.to_string().starts_with("cannot export to not an address: "), "{error}");
}
