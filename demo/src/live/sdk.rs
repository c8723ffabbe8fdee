//! The telemetry of a node in real time: the OpenTelemetry SDK with a resource of its own, its batches sent over HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity as LogSeverity};
use opentelemetry::metrics::{Gauge as SdkGauge, Histogram, Meter, MeterProvider};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context as SdkContext, KeyValue, SpanId, TraceFlags, TraceId, Value as SdkValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatches, BatchLogProcessor, SdkLogger, SdkLoggerProvider,
};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder as SpanBatches, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span as SdkSpan,
};

use super::OpenError;
use crate::node::Identity;
use crate::shop::{Service, Severity};
use crate::world::{Attribute, Context, End, Gauge, Instrument, Kind, Record, Start, Telemetry, Value};

/// The scope of spans and metrics.
const SCOPE: &str = "shop";
/// How long spans and log records wait for others.
const BATCH_DELAY: Duration = Duration::from_secs(2);
/// How often metrics are exported.
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// How long a request of an exporter may take.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the last batches may take.
const SHUT_DOWN_TIME_MAX: Duration = Duration::from_secs(5);

/// What makes the exporters of a node.
pub(super) struct Exporters {
    url: String,
    client: Arc<dyn HttpClient>,
}

/// Sends what exporters send. The SDK exports on threads of its own, so it may block.
#[derive(Debug)]
struct Blocking(ureq::Agent);

#[async_trait]
impl HttpClient for Blocking {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut answer = self.0.run(Request::from_parts(parts, body.as_ref()))?;
        let body = Bytes::from(answer.body_mut().read_to_vec()?);
        let (parts, _) = answer.into_parts();
        Ok(Response::from_parts(parts, body))
    }
}

impl Exporters {
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(EXPORT_TIME_MAX))
            .http_status_as_error(false)
            .build();
        let client: Arc<dyn HttpClient> = Arc::new(Blocking(config.into()));
        let exporters = Self { url: url.trim_end_matches('/').to_owned(), client };
        let wrong = |error: ExporterBuildError| OpenError::Endpoint {
            url: url.to_owned(),
            reason: error.to_string(),
        };
        // Built once here to see that it can be built.
        exporters.spans().map_err(wrong)?;
        Ok(exporters)
    }

    fn spans(&self) -> Result<SpanExporter, ExporterBuildError> {
        let builder = SpanExporter::builder().with_http().with_shared_http_client(Arc::clone(&self.client));
        builder.with_endpoint(format!("{}/v1/traces", self.url)).build()
    }

    fn logs(&self) -> Result<LogExporter, ExporterBuildError> {
        let builder = LogExporter::builder().with_http().with_shared_http_client(Arc::clone(&self.client));
        builder.with_endpoint(format!("{}/v1/logs", self.url)).build()
    }

    fn metrics(&self) -> Result<MetricExporter, ExporterBuildError> {
        let builder = MetricExporter::builder().with_http().with_shared_http_client(Arc::clone(&self.client));
        builder.with_endpoint(format!("{}/v1/metrics", self.url)).build()
    }

    /// The SDK of a new node.
    pub(super) fn sdk(&self, service: &'static Service, identity: &Identity) -> Sdk {
        let pairs = identity.resource(service).into_iter().map(|(key, text)| KeyValue::new(key, text));
        let resource = Resource::builder().with_attributes(pairs).build();
        let mut tracers = SdkTracerProvider::builder().with_resource(resource.clone());
        // That exporters can be built was seen before.
        if let Ok(exporter) = self.spans() {
            let config = SpanBatches::default().with_scheduled_delay(BATCH_DELAY).build();
            let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
            tracers = tracers.with_span_processor(processor);
        }
        let mut loggers = SdkLoggerProvider::builder().with_resource(resource.clone());
        if let Ok(exporter) = self.logs() {
            let config = LogBatches::default().with_scheduled_delay(BATCH_DELAY).build();
            let processor = BatchLogProcessor::builder(exporter).with_batch_config(config).build();
            loggers = loggers.with_log_processor(processor);
        }
        let mut meters = SdkMeterProvider::builder().with_resource(resource);
        if let Ok(exporter) = self.metrics() {
            meters =
                meters.with_reader(PeriodicReader::builder(exporter).with_interval(METRICS_EVERY).build());
        }
        Sdk::new(tracers.build(), loggers.build(), meters.build())
    }
}

/// The telemetry of a node.
pub(crate) struct Sdk {
    tracers: SdkTracerProvider,
    loggers: SdkLoggerProvider,
    meters: SdkMeterProvider,
    tracer: SdkTracer,
    meter: Meter,
    /// Loggers by their names, made when they are first used
    named: Mutex<HashMap<&'static str, SdkLogger>>,
    histograms: Mutex<HashMap<&'static str, Histogram<f64>>>,
    gauges: Mutex<HashMap<&'static str, SdkGauge<f64>>>,
}

/// What a map has by this name, made if it is not there yet.
fn known<T: Clone>(map: &Mutex<HashMap<&'static str, T>>, name: &'static str, make: impl FnOnce() -> T) -> T {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    map.entry(name).or_insert_with(make).clone()
}

impl Sdk {
    fn new(tracers: SdkTracerProvider, loggers: SdkLoggerProvider, meters: SdkMeterProvider) -> Self {
        Self {
            tracer: tracers.tracer(SCOPE),
            meter: meters.meter(SCOPE),
            tracers,
            loggers,
            meters,
            named: Mutex::default(),
            histograms: Mutex::default(),
            gauges: Mutex::default(),
        }
    }

    /// Exports what is left. It blocks.
    pub(super) fn shut_down(&self) {
        // What cannot be exported any more is lost with the node; a second call is an error, too.
        drop(self.tracers.shutdown_with_timeout(SHUT_DOWN_TIME_MAX));
        drop(self.loggers.shutdown_with_timeout(SHUT_DOWN_TIME_MAX));
        drop(self.meters.shutdown_with_timeout(SHUT_DOWN_TIME_MAX));
    }
}

/// What refers to a span, if it is valid.
pub(super) fn context(span: &SpanContext) -> Option<Context> {
    let context = || Context {
        trace: u128::from_be_bytes(span.trace_id().to_bytes()),
        span: u64::from_be_bytes(span.span_id().to_bytes()),
    };
    span.is_valid().then(context)
}

fn span_context(context: Context, is_remote: bool) -> SpanContext {
    let (trace, span) = (TraceId::from(context.trace), SpanId::from(context.span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, is_remote, TraceState::default())
}

/// A context of the SDK in which a span is current.
pub(super) fn parent(context: Option<Context>, is_remote: bool) -> SdkContext {
    let none = SdkContext::new();
    context.map_or(none.clone(), |context| none.with_remote_span_context(span_context(context, is_remote)))
}

fn pair((key, value): Attribute) -> KeyValue {
    let value = match value {
        Value::Text(text) => SdkValue::from(text.into_owned()),
        Value::Int(number) => SdkValue::from(number),
    };
    KeyValue::new(key, value)
}

fn pairs(attributes: Vec<Attribute>) -> Vec<KeyValue> {
    attributes.into_iter().map(pair).collect()
}

impl Telemetry for Sdk {
    type Span = SdkSpan;

    fn start(&self, start: Start, _: i64) -> SdkSpan {
        let (kind, is_remote) = match start.kind {
            Kind::Internal => (SpanKind::Internal, false),
            Kind::Server => (SpanKind::Server, true),
            Kind::Client => (SpanKind::Client, false),
            Kind::Producer => (SpanKind::Producer, false),
            Kind::Consumer => (SpanKind::Consumer, true),
        };
        let links = start.link.map(|link| Link::with_context(span_context(link, true)));
        let builder = SpanBuilder::from_name(start.name)
            .with_kind(kind)
            .with_links(links.into_iter().collect())
            .with_attributes(pairs(start.attributes));
        self.tracer.build_with_context(builder, &parent(start.parent, is_remote))
    }

    fn context(span: &SdkSpan) -> Context {
        // A span that is not recorded has no id; nothing refers to it.
        context(span.span_context()).unwrap_or(Context { trace: 0, span: 0 })
    }

    fn end(&self, mut span: SdkSpan, end: End, _: i64) {
        span.set_attributes(pairs(end.attributes));
        if let Some(message) = end.error {
            span.set_status(Status::error(message));
        }
        if let Some(exception) = end.exception {
            let attributes: [Attribute; 3] = [
                ("exception.type", exception.kind.into()),
                ("exception.message", exception.message.into()),
                ("exception.stacktrace", exception.stack.into()),
            ];
            span.add_event("exception", pairs(attributes.into()));
        }
        span.end();
    }

    fn log(&self, record: Record<'_>, _: i64) {
        let statement = record.statement;
        let logger = known(&self.named, statement.logger, || self.loggers.logger(statement.logger));
        let (severity, text) = match statement.severity {
            Severity::Info => (LogSeverity::Info, "INFO"),
            Severity::Warn => (LogSeverity::Warn, "WARN"),
            Severity::Error => (LogSeverity::Error, "ERROR"),
        };
        let mut log = logger.create_log_record();
        log.set_timestamp(std::time::SystemTime::now());
        log.set_severity_number(severity);
        log.set_severity_text(text);
        log.set_body(AnyValue::from(record.body));
        log.add_attribute("code.file.path", statement.file());
        log.add_attribute("code.line.number", i64::from(statement.line));
        for (key, value) in record.attributes {
            match value {
                Value::Text(text) => log.add_attribute(key, text.into_owned()),
                Value::Int(number) => log.add_attribute(key, number),
            }
        }
        if let Some(context) = record.context {
            let (trace, span) = (TraceId::from(context.trace), SpanId::from(context.span));
            log.set_trace_context(trace, span, Some(TraceFlags::SAMPLED));
        }
        logger.emit(log);
    }

    fn record(&self, instrument: Instrument, seconds: f64, attributes: Vec<Attribute>) {
        let name = instrument.name();
        let make = || {
            let bounds = crate::world::BOUNDS.to_vec();
            self.meter.f64_histogram(name).with_unit("s").with_boundaries(bounds).build()
        };
        known(&self.histograms, name, make).record(seconds, &pairs(attributes));
    }

    fn gauges(&self, gauges: &[Gauge], _: i64) {
        for gauge in gauges {
            let make = || self.meter.f64_gauge(gauge.name).with_unit(gauge.unit).build();
            let attributes: Vec<KeyValue> = gauge.attributes.iter().cloned().map(pair).collect();
            known(&self.gauges, gauge.name, make).record(gauge.value, &attributes);
        }
    }
}
