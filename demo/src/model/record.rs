//! What nodes export in simulated time, gathered as OTLP messages until the end of the minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status};

use super::Batch;
use super::series::Series;
use crate::node::Identity;
use crate::shop::{Service, Severity};
use crate::world::{Attribute, Context, Dice, End, Gauge, Instrument, Kind, Record, Start, Telemetry, Value};

/// The scope of spans and metrics.
pub(super) const SCOPE: &str = "shop";
/// Sampled, in the flags of a span, and that it is known whether the parent is remote.
const FLAGS: u32 = 0x101;

/// What all nodes exported since the last minute.
#[derive(Default)]
pub(super) struct Records(Mutex<Vec<Arc<Mutex<Exported>>>>);

/// What one node exported since the last minute, and its series.
struct Exported {
    resource: Resource,
    spans: Vec<Span>,
    logs: BTreeMap<&'static str, Vec<LogRecord>>,
    series: Series,
    /// When the node began
    started: i64,
}

/// The telemetry of a node in simulated time.
pub(crate) struct Recorder {
    exported: Arc<Mutex<Exported>>,
    ids: Dice,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Records {
    /// The telemetry of a new node.
    pub(super) fn recorder(
        &self,
        service: &'static Service,
        identity: &Identity,
        seed: u64,
        now: i64,
    ) -> Recorder {
        let exported = Exported {
            resource: resource(service, identity),
            spans: Vec::new(),
            logs: BTreeMap::new(),
            series: Series::default(),
            started: now,
        };
        let exported = Arc::new(Mutex::new(exported));
        lock(&self.0).push(Arc::clone(&exported));
        Recorder { exported, ids: Dice::new(seed) }
    }

    /// All of the minute that ends now.
    pub(super) fn flush(&self, until: i64) -> Batch {
        let mut batch = Batch {
            until,
            traces: ExportTraceServiceRequest::default(),
            logs: ExportLogsServiceRequest::default(),
            metrics: ExportMetricsServiceRequest::default(),
        };
        let mut all = lock(&self.0);
        for exported in all.iter() {
            lock(exported).flush(&mut batch, until);
        }
        // A node that ended has no one left who writes.
        all.retain(|exported| Arc::strong_count(exported) > 1);
        batch
    }
}

impl Exported {
    fn flush(&mut self, batch: &mut Batch, until: i64) {
        let resource = Some(self.resource.clone());
        if !self.spans.is_empty() {
            let spans = std::mem::take(&mut self.spans);
            let scope_spans = vec![ScopeSpans { scope: scope(SCOPE), spans, ..ScopeSpans::default() }];
            let resource = resource.clone();
            batch.traces.resource_spans.push(ResourceSpans { resource, scope_spans, ..Default::default() });
        }
        let logs = std::mem::take(&mut self.logs).into_iter();
        let scope_logs: Vec<ScopeLogs> = logs
            .map(|(name, log_records)| ScopeLogs { scope: scope(name), log_records, ..Default::default() })
            .collect();
        if !scope_logs.is_empty() {
            let resource = resource.clone();
            batch.logs.resource_logs.push(ResourceLogs { resource, scope_logs, ..Default::default() });
        }
        let metrics = self.series.flush(self.started, until);
        if !metrics.is_empty() {
            let scope_metrics = vec![ScopeMetrics { scope: scope(SCOPE), metrics, ..Default::default() }];
            let metrics = ResourceMetrics { resource, scope_metrics, ..Default::default() };
            batch.metrics.resource_metrics.push(metrics);
        }
    }
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() })
}

/// What tells the node.
fn resource(service: &Service, identity: &Identity) -> Resource {
    let sdk = [("telemetry.sdk.name", "opentelemetry"), ("telemetry.sdk.language", "rust")];
    let pairs = identity.resource(service).into_iter().chain(sdk.map(|(key, text)| (key, text.to_owned())));
    let attributes = pairs.map(|(key, text)| pair((key, text.into()))).collect();
    Resource { attributes, ..Resource::default() }
}

/// An attribute as a message.
pub(super) fn pair((key, value): Attribute) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
        Value::Int(number) => any_value::Value::IntValue(number),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A time as messages have it.
pub(super) fn nanos(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

impl Telemetry for Recorder {
    type Span = (Context, Span);

    fn start(&self, start: Start, now: i64) -> (Context, Span) {
        let trace = start.parent.map_or_else(
            || u128::from(self.ids.id()) << 64 | u128::from(self.ids.id()),
            |parent| parent.trace,
        );
        let context = Context { trace, span: self.ids.id() };
        let link = |link: Context| span::Link {
            trace_id: link.trace.to_be_bytes().to_vec(),
            span_id: link.span.to_be_bytes().to_vec(),
            flags: FLAGS,
            ..span::Link::default()
        };
        let span = Span {
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: context.span.to_be_bytes().to_vec(),
            parent_span_id: start.parent.map_or_else(Vec::new, |parent| parent.span.to_be_bytes().to_vec()),
            flags: FLAGS,
            name: start.name.into_owned(),
            kind: match start.kind {
                Kind::Internal => span::SpanKind::Internal,
                Kind::Server => span::SpanKind::Server,
                Kind::Client => span::SpanKind::Client,
                Kind::Producer => span::SpanKind::Producer,
                Kind::Consumer => span::SpanKind::Consumer,
            }
            .into(),
            start_time_unix_nano: nanos(now),
            attributes: start.attributes.into_iter().map(pair).collect(),
            links: start.link.map(link).into_iter().collect(),
            ..Span::default()
        };
        (context, span)
    }

    fn context((context, _): &(Context, Span)) -> Context {
        *context
    }

    fn end(&self, (_, mut span): (Context, Span), end: End, now: i64) {
        span.end_time_unix_nano = nanos(now);
        span.attributes.extend(end.attributes.into_iter().map(pair));
        span.status = Some(match end.error {
            Some(message) => Status { code: status::StatusCode::Error.into(), message: message.into_owned() },
            None => Status::default(),
        });
        if let Some(exception) = end.exception {
            let attributes: [Attribute; 3] = [
                ("exception.type", exception.kind.into()),
                ("exception.message", exception.message.into()),
                ("exception.stacktrace", exception.stack.into()),
            ];
            span.events.push(span::Event {
                time_unix_nano: nanos(now),
                name: "exception".to_owned(),
                attributes: attributes.into_iter().map(pair).collect(),
                ..span::Event::default()
            });
        }
        lock(&self.exported).spans.push(span);
    }

    fn log(&self, record: Record<'_>, now: i64) {
        let statement = record.statement;
        let (number, text) = match statement.severity {
            Severity::Info => (9, "INFO"),
            Severity::Warn => (13, "WARN"),
            Severity::Error => (17, "ERROR"),
        };
        let place: [Attribute; 2] =
            [("code.file.path", statement.file().into()), ("code.line.number", statement.line.into())];
        let id = |bytes: fn(Context) -> Vec<u8>| record.context.map_or_else(Vec::new, bytes);
        let log = LogRecord {
            time_unix_nano: nanos(now),
            observed_time_unix_nano: nanos(now),
            severity_number: number,
            severity_text: text.to_owned(),
            attributes: place.into_iter().chain(record.attributes).map(pair).collect(),
            flags: u32::from(record.context.is_some()),
            trace_id: id(|context| context.trace.to_be_bytes().to_vec()),
            span_id: id(|context| context.span.to_be_bytes().to_vec()),
            body: Some(AnyValue { value: Some(any_value::Value::StringValue(record.body)) }),
            ..LogRecord::default()
        };
        lock(&self.exported).logs.entry(statement.logger).or_default().push(log);
    }

    fn record(&self, instrument: Instrument, seconds: f64, attributes: Vec<Attribute>) {
        lock(&self.exported).series.record(instrument, seconds, attributes);
    }

    fn gauges(&self, gauges: &[Gauge], now: i64) {
        lock(&self.exported).series.read(gauges, now);
    }
}
