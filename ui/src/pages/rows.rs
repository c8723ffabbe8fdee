//! Tables of traces, spans, logs and services: the parts that several pages show.

use std::collections::HashMap;

use askama::Template;
use query::rows::{Log, Service, Span, TraceSummary};

use crate::address::{self, Address, search, term};
use crate::attributes::{self, AttributeList, Entry, Level, SHORT_CHARS_MAX};
use crate::colour;
use crate::format::{
    self, Moment, count, count_of, cut, duration, duration_of, first_line, percent, rate, svg_percent,
};
use crate::range::between;

/// How much of a log line stands open in a list, in characters.
const LINE_CHARS_MAX: usize = 500;
/// How much of a service's name is shown, in characters.
const NAME_CHARS_MAX: usize = 200;
/// How many services of a trace are drawn in a list; the rest are counted.
const DOTS_MAX: usize = 8;
/// How much of the names of all of them stands beside, in characters.
const ALL_CHARS_MAX: usize = 2_000;
/// How far around a log record its context reaches, in nanoseconds.
const CONTEXT_NS: i64 = 5_000_000_000;

/// A service by name and colour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServiceMark {
    /// Its name, as much of it as is shown.
    pub(crate) name: String,
    /// The number of its colour class.
    pub(crate) colour: usize,
}

impl ServiceMark {
    /// A service outside a trace.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: cut(name, NAME_CHARS_MAX), colour: colour::of(name) }
    }
}

/// A level, as its class and its word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Severity {
    /// One of the style sheet's words.
    pub(crate) class: &'static str,
    /// What is shown.
    pub(crate) text: String,
}

impl Severity {
    /// The level of a record: the known one, else as it was sent.
    pub(crate) fn of(log: &Log) -> Self {
        const KNOWN: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
        let known =
            log.severity.as_deref().and_then(|severity| KNOWN.into_iter().find(|known| *known == severity));
        let sent = log.severity_text.as_deref().filter(|text| !text.is_empty());
        let text = known.or(sent).unwrap_or("–").chars().take(12).collect();
        Self { class: known.unwrap_or("none"), text }
    }

    /// Whether it is an error or worse.
    pub(crate) fn is_error(&self) -> bool {
        matches!(self.class, "error" | "fatal")
    }
}

/// Traces, one a row.
#[derive(Debug, Template)]
#[template(path = "part/traces.html")]
pub(crate) struct TraceTable {
    pub(crate) caption: String,
    /// Whether it stands in half the page, about one hour: times without dates, no services.
    pub(crate) compact: bool,
    pub(crate) rows: Vec<TraceRow>,
}

/// A trace.
#[derive(Debug)]
pub(crate) struct TraceRow {
    pub(crate) href: String,
    pub(crate) start: Moment,
    pub(crate) service: ServiceMark,
    pub(crate) name: String,
    pub(crate) failed: bool,
    pub(crate) duration: String,
    /// The duration as a share of the longest in the table.
    pub(crate) width: String,
    pub(crate) spans: String,
    pub(crate) errors: u64,
    pub(crate) services: Vec<ServiceMark>,
    /// Services that are counted and not drawn.
    pub(crate) more: usize,
    /// All of them by name.
    pub(crate) all_services: String,
}

impl TraceTable {
    pub(crate) fn new(caption: impl Into<String>, traces: &[TraceSummary]) -> Self {
        let longest = traces.iter().map(|trace| trace.duration_ns).max().unwrap_or(0).max(1);
        let rows = traces.iter().map(|trace| TraceRow::new(trace, longest)).collect();
        Self { caption: caption.into(), compact: false, rows }
    }

    /// The same for half a page about one hour.
    pub(crate) fn compact(mut self) -> Self {
        self.compact = true;
        self.rows.iter_mut().for_each(|row| row.start = row.start.without_date());
        self
    }
}

impl TraceRow {
    fn new(trace: &TraceSummary, longest: i64) -> Self {
        Self {
            href: address::trace(&trace.trace_id).to_string(),
            start: Moment::full(trace.start),
            service: ServiceMark::new(&trace.root_service),
            name: first_line(&trace.root_name, LINE_CHARS_MAX),
            failed: trace.status == "error",
            duration: duration(trace.duration_ns),
            width: share(trace.duration_ns, longest),
            spans: count(trace.span_count),
            errors: trace.error_count,
            services: trace.services.iter().take(DOTS_MAX).map(|name| ServiceMark::new(name)).collect(),
            more: trace.services.len().saturating_sub(DOTS_MAX),
            all_services: cut(&trace.services.join(", "), ALL_CHARS_MAX),
        }
    }
}

fn share(part: i64, whole: i64) -> String {
    svg_percent((part.max(0) as f64 / whole as f64).clamp(0.005, 1.0))
}

/// Spans, one a row.
#[derive(Debug, Template)]
#[template(path = "part/spans.html")]
pub(crate) struct SpanTable {
    pub(crate) caption: String,
    pub(crate) rows: Vec<SpanRow>,
}

/// A span.
#[derive(Debug)]
pub(crate) struct SpanRow {
    pub(crate) href: String,
    pub(crate) start: Moment,
    pub(crate) service: ServiceMark,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) failed: bool,
    pub(crate) status_message: String,
    pub(crate) duration: String,
    pub(crate) width: String,
}

impl SpanTable {
    pub(crate) fn new(caption: impl Into<String>, spans: &[Span]) -> Self {
        let longest = spans.iter().map(|span| span.duration_ns).max().unwrap_or(0).max(1);
        let rows = spans.iter().map(|span| SpanRow {
            href: address::trace_at(&span.trace_id, &span.span_id),
            start: Moment::full(span.start),
            service: ServiceMark::new(&span.service),
            name: first_line(&span.name, LINE_CHARS_MAX),
            kind: span.kind.clone(),
            failed: span.status == "error",
            status_message: first_line(span.status_message.as_deref().unwrap_or_default(), LINE_CHARS_MAX),
            duration: duration(span.duration_ns),
            width: share(span.duration_ns, longest),
        });
        Self { caption: caption.into(), rows: rows.collect() }
    }
}

/// Log records, one a row.
#[derive(Debug, Template)]
#[template(path = "part/logs.html")]
pub(crate) struct LogTable {
    pub(crate) caption: String,
    pub(crate) rows: Vec<LogRow>,
}

/// A log record.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) time: Moment,
    pub(crate) severity: Severity,
    pub(crate) service: ServiceMark,
    /// The beginning of the body, on one line.
    pub(crate) line: String,
    /// As much of the body as stands in a table, if the line is not all of it.
    pub(crate) body: Option<String>,
    pub(crate) details: Vec<AttributeList>,
    /// The row by itself, if more is known of it than stands here.
    pub(crate) whole: Option<String>,
    /// The trace, at the span.
    pub(crate) trace: Option<String>,
    /// The lines around this one; empty if its service has too long a name.
    pub(crate) context: String,
}

impl LogTable {
    pub(crate) fn new(caption: impl Into<String>, logs: &[Log]) -> Self {
        Self { caption: caption.into(), rows: logs.iter().map(LogRow::new).collect() }
    }
}

impl LogRow {
    fn new(log: &Log) -> Self {
        let (line, body) = line_and_body(log);
        let is_long = |text: &str| text.chars().nth(SHORT_CHARS_MAX).is_some();
        let details = log_details(log);
        let is_cut = body.as_deref().is_some_and(is_long)
            || details
                .iter()
                .flat_map(|list| &list.entries)
                .any(|entry| is_long(&entry.key) || is_long(&entry.value));
        Self {
            time: Moment::full(log.time),
            severity: Severity::of(log),
            service: ServiceMark::new(&log.service),
            line,
            body: body.map(|body| cut(&body, SHORT_CHARS_MAX)),
            details: details.into_iter().map(AttributeList::shortened).collect(),
            whole: is_cut.then(|| log_alone(log)),
            trace: log_trace(log),
            context: log_context(log),
        }
    }
}

/// The beginning of a log's body on one line, and all of it if that is more.
pub(crate) fn line_and_body(log: &Log) -> (String, Option<String>) {
    let body = attributes::text(&log.body);
    // A structured body is shown on one line as it was written, and unfolded below.
    let flat = if log.body.is_object() || log.body.is_array() { log.body.to_string() } else { body.clone() };
    let line = match (flat.trim().is_empty(), &log.event_name) {
        (true, Some(event)) => first_line(event, LINE_CHARS_MAX),
        (true, None) => "(empty body)".to_owned(),
        _ => first_line(&flat, LINE_CHARS_MAX),
    };
    let more = body.trim() != line && !body.trim().is_empty();
    (line, more.then_some(body))
}

/// What a log record says besides its body, by level.
pub(crate) fn log_details(log: &Log) -> Vec<AttributeList> {
    let mut own = vec![Entry::own("time", format::rfc3339(log.time))];
    let optional = [
        ("observed time", log.observed_time.map(format::rfc3339)),
        ("severity as sent", log.severity_text.clone()),
        ("severity number", log.severity_number.map(|number| number.to_string())),
        ("event name", log.event_name.clone()),
        ("trace id", log.trace_id.clone()),
        ("span id", log.span_id.clone()),
        ("instance", log.instance.clone()),
        ("scope", scope_words(&log.scope)),
    ];
    own.extend(optional.into_iter().filter_map(|(key, value)| Some(Entry::own(key, value?))));
    let lists = [
        AttributeList::new("Attributes", Level::Log, &log.attributes),
        AttributeList::new("Resource", Level::Resource("logs"), &log.resource),
        AttributeList::new("Scope attributes", Level::Plain, &log.scope.attributes),
        AttributeList { title: "Record", entries: own },
    ];
    lists.into_iter().filter(|list| !list.entries.is_empty()).collect()
}

/// A scope's name and version.
pub(crate) fn scope_words(scope: &query::rows::Scope) -> Option<String> {
    let name = scope.name.clone().filter(|name| !name.is_empty())?;
    Some(match scope.version.as_deref().filter(|version| !version.is_empty()) {
        Some(version) => format!("{name} {version}"),
        None => name,
    })
}

fn log_trace(log: &Log) -> Option<String> {
    let trace_id = log.trace_id.as_deref().filter(|id| !id.is_empty())?;
    Some(match log.span_id.as_deref().filter(|id| !id.is_empty()) {
        Some(span_id) => address::trace_at(trace_id, span_id),
        None => address::trace(trace_id).with("log", &log.id).at(&format!("l-{}", log.id)),
    })
}

/// The search that finds a log record, with the record open.
fn log_alone(log: &Log) -> String {
    let moment = between(log.time, log.time.saturating_add(1));
    let open = format!("{}.{}", log.time, log.id);
    Address::new("/search")
        .with("tab", "logs")
        .with("t", &moment)
        .with("open", &open)
        .at(&format!("r-{}", log.id))
}

/// The search for the lines of the same service around a log record; empty if its name is too long for a link.
pub(crate) fn log_context(log: &Log) -> String {
    let range = between(log.time.saturating_sub(CONTEXT_NS), log.time.saturating_add(CONTEXT_NS));
    search("logs", &term("service", &log.service), &range)
}

/// Services, one a row.
#[derive(Debug, Template)]
#[template(path = "part/services.html")]
pub(crate) struct ServiceTable {
    pub(crate) caption: String,
    /// Whether rows say how they changed.
    pub(crate) changes: bool,
    pub(crate) rows: Vec<ServiceRow>,
    /// How many services are left out.
    pub(crate) more: usize,
}

/// A service.
#[derive(Debug)]
pub(crate) struct ServiceRow {
    pub(crate) service: ServiceMark,
    /// Namespace and environment.
    pub(crate) place: String,
    pub(crate) calls: String,
    pub(crate) rate: String,
    pub(crate) errors: String,
    pub(crate) error_ratio: String,
    pub(crate) has_errors: bool,
    pub(crate) p50: String,
    pub(crate) p95: String,
    pub(crate) p99: String,
    /// The 95th percentile as a share of the largest.
    pub(crate) p95_width: String,
    pub(crate) instances: String,
    pub(crate) versions: String,
    /// Its page; as the other addresses empty if its name is too long for a link.
    pub(crate) href: String,
    pub(crate) traces: String,
    pub(crate) failed: String,
    pub(crate) logs: String,
    /// How rate, share of errors and 95th percentile changed: class and words; empty where they hardly did.
    pub(crate) change: [(&'static str, String); 3],
}

impl ServiceTable {
    /// The table of the first `rows_max` services; `t` is the range that its links lead to.
    pub(crate) fn new(caption: impl Into<String>, services: &[Service], rows_max: usize, t: &str) -> Self {
        let shown = &services[..services.len().min(rows_max)];
        let slowest = shown.iter().filter_map(|service| service.p95_ns).fold(1.0, f64::max);
        let rows = shown.iter().map(|service| ServiceRow::new(service, t, slowest));
        Self {
            caption: caption.into(),
            changes: false,
            rows: rows.collect(),
            more: services.len() - shown.len(),
        }
    }

    /// In words how many services are left out, if any are.
    pub(crate) fn left_out(&self) -> Option<String> {
        (self.more > 0)
            .then(|| format!("{} with fewer calls", format::counted(self.more as u64, "more service")))
    }

    /// Says of each row how it changed since as long a time before; the rows are the first of `services`.
    pub(crate) fn against(mut self, services: &[Service], before: &[Service]) -> Self {
        self.changes = true;
        let key = |one: &Service| (one.name.clone(), one.namespace.clone(), one.environment.clone());
        let before: HashMap<_, &Service> = before.iter().map(|one| (key(one), one)).collect();
        for (row, service) in self.rows.iter_mut().zip(services) {
            row.change = change(service, before.get(&key(service)).copied());
        }
        self
    }
}

/// A figure that changed by less than this factor is not named.
const CHANGE_FACTOR_MIN: f64 = 1.2;
/// A share of errors that changed by less is not named.
const CHANGE_SHARE_MIN: f64 = 0.005;

/// How rate, share of errors and 95th percentile changed.
fn change(now: &Service, before: Option<&Service>) -> [(&'static str, String); 3] {
    let Some(before) = before else {
        return [("", "new".to_owned()), ("", String::new()), ("", String::new())];
    };
    let factor = |now: f64, before: f64| match before > 0.0 && now > 0.0 {
        true if now / before >= CHANGE_FACTOR_MIN => (1.0, format!("×{:.1}", now / before)),
        true if before / now >= CHANGE_FACTOR_MIN => (-1.0, format!("÷{:.1}", before / now)),
        _ => (0.0, String::new()),
    };
    let class = |change: f64| if change > 0.0 { "change-up" } else { "change-down" };
    // More calls are neither good nor bad.
    let rate = ("", factor(now.rate_per_s, before.rate_per_s).1);
    let share = now.error_ratio - before.error_ratio;
    let errors = match share.abs() >= CHANGE_SHARE_MIN {
        true => format!("{}{:.1}", if share < 0.0 { "−" } else { "+" }, share.abs() * 100.0),
        false => String::new(),
    };
    let (sign, slower) = factor(now.p95_ns.unwrap_or(0.0), before.p95_ns.unwrap_or(0.0));
    [rate, (class(share), errors), (class(sign), slower)]
}

impl ServiceRow {
    fn new(service: &Service, t: &str, slowest: f64) -> Self {
        let name = term("service", &service.name);
        let place = [&service.namespace, &service.environment];
        let place: Vec<_> = place.into_iter().flatten().filter(|word| !word.is_empty()).cloned().collect();
        Self {
            service: ServiceMark::new(&service.name),
            place: place.join(" · "),
            calls: count_of(service.calls),
            rate: rate(service.rate_per_s),
            errors: count_of(service.errors),
            error_ratio: percent(service.error_ratio),
            has_errors: service.errors > 0.0,
            p50: duration_of(service.p50_ns),
            p95: duration_of(service.p95_ns),
            p99: duration_of(service.p99_ns),
            p95_width: svg_percent((service.p95_ns.unwrap_or(0.0) / slowest).clamp(0.0, 1.0)),
            instances: count(service.instances),
            versions: service.versions.join(", "),
            href: address::service(service, t),
            traces: search("traces", &name, t),
            failed: search("traces", &format!("{name} status:error"), t),
            logs: search("logs", &name, t),
            change: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    #[test]
    fn a_body_is_shown_on_one_line_and_whole() {
        let log = |body| Log { body, ..sample::log(0, None, "") };
        for (body, line, whole) in [
            (json!("all of it"), "all of it", None),
            (json!("first\nsecond"), "first…", Some("first\nsecond")),
            (json!({"a": 1}), "{\"a\":1}", Some("{\n  \"a\": 1\n}")),
            (json!(""), "(empty body)", None),
            (json!(5), "5", None),
        ] {
            let (shown, rest) = line_and_body(&log(body));
            assert_eq!((shown.as_str(), rest.as_deref()), (line, whole));
        }
        let event = Log { event_name: Some("user.login".to_owned()), ..sample::log(0, None, "") };
        assert_eq!(line_and_body(&event).0, "user.login");
    }

    #[test]
    fn a_table_has_the_beginnings_of_long_texts_and_leads_to_the_row() {
        let short = LogTable::new("Logs", &[sample::log(7, Some("warn"), "x")]);
        assert_eq!(short.rows[0].whole, None);
        let long = "m".repeat(65_536);
        let mut log = sample::log(7, Some("warn"), &long);
        log.service = long.clone();
        log.attributes = sample::attributes(json!({ long.clone(): "short", "key": long }));
        let table = LogTable::new("Logs", &[log]);
        let whole = table.rows[0].whole.as_deref().unwrap();
        assert!(whole.starts_with("/search?tab=logs&t=") && whole.ends_with(".7#r-7"), "{whole}");
        assert_eq!(table.rows[0].context, "");
        let page = table.render().unwrap();
        assert!(page.len() < 20_000 && page.contains("The whole row"), "{}", page.len());
    }

    #[test]
    fn services_beyond_the_table_are_counted() {
        let services = sample::services();
        let table = ServiceTable::new("Services", &services, 2, "").against(&services, &[]);
        assert_eq!((table.rows.len(), table.more), (2, services.len() - 2));
        assert!(table.left_out().unwrap().ends_with("more services with fewer calls"));
        assert_eq!(ServiceTable::new("Services", &services, services.len(), "").left_out(), None);
    }

    #[test]
    fn a_service_of_a_long_name_has_no_links() {
        let mut services = sample::services();
        services.truncate(1);
        services[0].name = "é".repeat(32_768);
        let table = ServiceTable::new("Services", &services, 1, "now-1h");
        let row = &table.rows[0];
        assert_eq!([&row.href, &row.traces, &row.failed, &row.logs], [""; 4]);
        let page = table.render().unwrap();
        assert!(!page.contains("<a ") && page.contains("é…"), "{page}");
    }

    #[test]
    fn a_log_leads_to_its_trace_at_the_span() {
        let mut log = sample::log(7, Some("warn"), "x");
        assert_eq!(log_trace(&log), None);
        log.trace_id = Some("ab".to_owned());
        assert_eq!(log_trace(&log).unwrap(), "/traces/ab?log=7#l-7");
        log.span_id = Some("cd".to_owned());
        assert_eq!(log_trace(&log).unwrap(), "/traces/ab?span=cd#s-cd");
    }

    #[test]
    fn unknown_levels_are_shown_as_sent() {
        let level = |severity: Option<&str>, sent: Option<&str>| {
            let log = Log { severity_text: sent.map(str::to_owned), ..sample::log(0, severity, "") };
            let severity = Severity::of(&log);
            (severity.class, severity.text)
        };
        assert_eq!(level(Some("warn"), Some("WARNING")), ("warn", "warn".to_owned()));
        assert_eq!(level(None, Some("NOTICE")), ("none", "NOTICE".to_owned()));
        assert_eq!(level(None, None), ("none", "–".to_owned()));
    }
}
