//! What a run exported, read back as a receiver would.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status};

use super::{MINUTE, Plan, run};

/// Who sent something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct From {
    pub(super) service: String,
    pub(super) instance: String,
    pub(super) version: String,
    pub(super) config: String,
}

/// A point of a gauge: who, metric, time, value.
type Point = (Arc<From>, String, i64, f64);

/// All that a run exported.
pub(super) struct Seen {
    start: i64,
    pub(super) spans: Vec<(Arc<From>, Span)>,
    pub(super) logs: Vec<(Arc<From>, LogRecord)>,
    pub(super) gauges: Vec<Point>,
    pub(super) metric_names: BTreeSet<String>,
}

/// The text of an attribute.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

pub(super) fn body(log: &LogRecord) -> &str {
    match &log.body {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        _ => "",
    }
}

pub(super) fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == status::StatusCode::Error as i32)
}

fn seconds(span: &Span) -> f64 {
    (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e9
}

fn from(resource: Option<&Resource>) -> Arc<From> {
    let attributes = &resource.expect("a resource").attributes;
    let text = |key: &str| text(attributes, key).to_owned();
    Arc::new(From {
        service: text("service.name"),
        instance: text("service.instance.id"),
        version: text("service.version"),
        config: text("shop.config.revision"),
    })
}

impl Seen {
    /// Runs a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut seen = Self {
            start: plan.start,
            spans: Vec::new(),
            logs: Vec::new(),
            gauges: Vec::new(),
            metric_names: BTreeSet::new(),
        };
        run(plan, &mut |batch| {
            for sent in batch.traces.resource_spans {
                let from = from(sent.resource.as_ref());
                let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
                seen.spans.extend(spans.map(|span| (Arc::clone(&from), span)));
            }
            for sent in batch.logs.resource_logs {
                let from = from(sent.resource.as_ref());
                let logs = sent.scope_logs.into_iter().flat_map(|scope| scope.log_records);
                seen.logs.extend(logs.map(|log| (Arc::clone(&from), log)));
            }
            for sent in batch.metrics.resource_metrics {
                let from = from(sent.resource.as_ref());
                for metric in sent.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                    seen.take_metric(&from, metric);
                }
            }
        });
        seen
    }

    fn take_metric(&mut self, from: &Arc<From>, metric: opentelemetry_proto::tonic::metrics::v1::Metric) {
        self.metric_names.insert(metric.name.clone());
        let Some(metric::Data::Gauge(gauge)) = metric.data else { return };
        for point in gauge.data_points {
            let Some(number_data_point::Value::AsDouble(value)) = point.value else { continue };
            let time = point.time_unix_nano as i64;
            self.gauges.push((Arc::clone(from), metric.name.clone(), time, value));
        }
    }

    pub(super) fn spans_of(&self, service: &str) -> impl Iterator<Item = &(Arc<From>, Span)> {
        self.spans.iter().filter(move |(from, _)| from.service == service)
    }

    /// The spans in which a service answered.
    pub(super) fn servers(&self, service: &str) -> impl Iterator<Item = &Span> {
        let kinds = [SpanKind::Server as i32, SpanKind::Consumer as i32];
        self.spans_of(service).map(|(_, span)| span).filter(move |span| kinds.contains(&span.kind))
    }

    fn within(&self, time: u64, minutes: &Range<i64>) -> bool {
        let minute = (time as i64 - self.start).div_euclid(MINUTE);
        minutes.contains(&minute)
    }

    /// A quantile of the seconds that a service took to answer, of what began in these minutes.
    pub(super) fn p(&self, quantile: f64, service: &str, minutes: Range<i64>) -> f64 {
        let mut all: Vec<f64> = self
            .servers(service)
            .filter(|span| self.within(span.start_time_unix_nano, &minutes))
            .map(seconds)
            .collect();
        all.sort_by(f64::total_cmp);
        let at = (quantile * all.len() as f64) as usize;
        all.get(at.min(all.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// The share of what a service answered with an error, and that began in these minutes.
    pub(super) fn error_share(&self, service: &str, minutes: Range<i64>) -> f64 {
        let all: Vec<&Span> =
            self.servers(service).filter(|span| self.within(span.start_time_unix_nano, &minutes)).collect();
        all.iter().filter(|span| is_error(span)).count() as f64 / all.len().max(1) as f64
    }

    /// The mean of a gauge over the instances whose id begins so.
    pub(super) fn gauge(&self, metric: &str, instance: &str, minutes: Range<i64>) -> f64 {
        let points = self.gauges.iter().filter(|(from, name, time, _)| {
            name == metric && from.instance.starts_with(instance) && self.within(*time as u64, &minutes)
        });
        let (count, sum) = points.fold((0.0, 0.0), |(count, sum), point| (count + 1.0, sum + point.3));
        if count > 0.0 { sum / count } else { 0.0 }
    }

    /// How many records contain a text.
    pub(super) fn said(&self, service: &str, words: &str, minutes: Range<i64>) -> usize {
        let logs = self.logs.iter().filter(|(from, log)| {
            from.service == service && body(log).contains(words) && self.within(log.time_unix_nano, &minutes)
        });
        logs.count()
    }
}
