//! What this room's tests share: a sink in memory, and requests that are right.

pub(crate) mod prometheus;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use model::{Batch, TenantName};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::{Permit, Room, Sink, SinkError, Stored};

/// The bytes that were asked for, in order.
pub(crate) type Asked = Arc<Mutex<Vec<usize>>>;

/// Room without end that writes down what is asked.
#[derive(Default)]
pub(crate) struct TestRoom(pub(crate) Asked);

impl Room for TestRoom {
    fn decode(&mut self, bytes: usize) -> BoxFuture<'_, Result<(), SinkError>> {
        async move { self.grow(bytes) }.boxed()
    }

    fn grow(&mut self, bytes: usize) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(bytes);
        Ok(())
    }
}

/// A sink that keeps what it is given.
#[derive(Default)]
pub(crate) struct MemorySink {
    pub(crate) batches: Mutex<Vec<(TenantName, Batch)>>,
    pub(crate) admitted: Asked,
    /// What [`Sink::admit`] answers, if not yes.
    pub(crate) full: Option<SinkError>,
    /// What [`Sink::write`] answers, if not yes.
    pub(crate) broken: Option<SinkError>,
}

impl MemorySink {
    /// How many rows were written.
    pub(crate) fn rows(&self) -> usize {
        self.batches.lock().unwrap().iter().map(|(_, batch)| batch.rows.num_rows()).sum()
    }
}

impl Sink for MemorySink {
    fn admit(&self, bytes: usize) -> BoxFuture<'_, Result<Permit, SinkError>> {
        async move {
            self.admitted.lock().unwrap().push(bytes);
            match &self.full {
                Some(error) => Err(error.clone()),
                None => Ok(Box::new(TestRoom(Arc::clone(&self.admitted))) as Permit),
            }
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        tenant: &'a TenantName,
        batch: Batch,
        _: Permit,
    ) -> BoxFuture<'a, Result<Stored, SinkError>> {
        async move {
            if let Some(error) = &self.broken {
                return Err(error.clone());
            }
            let answer = batch.answer.clone();
            self.batches.lock().unwrap().push((tenant.clone(), batch));
            Ok(Stored { answer, repeat: false })
        }
        .boxed()
    }
}

/// A sink that is full, and one whose disk is.
pub(crate) fn failing() -> (Arc<MemorySink>, Arc<MemorySink>) {
    let busy = SinkError::Busy { retry_after: Duration::from_millis(1500), what: "no memory".to_owned() };
    let unavailable =
        SinkError::Unavailable { retry_after: Duration::from_secs(7), what: "the disk is full".to_owned() };
    let full = MemorySink { full: Some(busy), ..MemorySink::default() };
    let broken = MemorySink { broken: Some(unavailable), ..MemorySink::default() };
    (Arc::new(full), Arc::new(broken))
}

/// A text attribute.
pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

/// A resource of one service.
pub(crate) fn service(name: &str) -> Option<Resource> {
    Some(Resource { attributes: vec![attribute("service.name", name)], ..Resource::default() })
}

/// A span that is right.
pub(crate) fn span(name: &str) -> Span {
    Span {
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        name: name.to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_250,
        ..Span::default()
    }
}

/// A request of one service.
pub(crate) fn trace_request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource = service("shop");
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}
