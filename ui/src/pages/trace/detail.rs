//! What stands beside the waterfall: all that is known of the chosen row.

use query::rows::{Event, Log, Span, Trace};

use crate::address::{self, search, term};
use crate::attributes::{AttributeList, Entry, Level};
use crate::colour::Palette;
use crate::format::{Moment, duration, offset};
use crate::pages::rows::{Severity, line_and_body, log_context, log_details, scope_words};
use crate::tree::Item;

/// A chosen span or log.
#[derive(Debug)]
pub(super) struct Detail {
    /// What it is: `span`, or the level of a log.
    pub(super) sort: String,
    pub(super) title: String,
    pub(super) service: String,
    pub(super) colour: usize,
    pub(super) start: Moment,
    pub(super) failed: bool,
    /// What the error says.
    pub(super) message: String,
    /// The whole body of a log whose title is not all of it.
    pub(super) body: Option<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    /// Ids, to be copied.
    pub(super) ids: Vec<(&'static str, String)>,
    /// Address and text.
    pub(super) ways: Vec<(String, &'static str)>,
    pub(super) lists: Vec<AttributeList>,
    pub(super) logs: Vec<Line>,
    pub(super) events: Vec<EventView>,
    pub(super) links: Vec<LinkView>,
}

/// A log of the chosen span.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) href: String,
    pub(super) severity: Severity,
    pub(super) text: String,
    pub(super) offset: String,
}

/// An event of the chosen span.
#[derive(Debug)]
pub(super) struct EventView {
    pub(super) name: String,
    pub(super) offset: String,
    pub(super) list: AttributeList,
}

/// A span elsewhere.
#[derive(Debug)]
pub(super) struct LinkView {
    /// Its place, if the link names one.
    pub(super) href: Option<String>,
    pub(super) text: String,
    pub(super) list: AttributeList,
}

impl Detail {
    /// The detail of a row that has one.
    pub(super) fn new(trace: &Trace, item: Item, palette: &Palette) -> Option<Self> {
        match item {
            Item::Span(span) => Some(Self::span(trace, &trace.spans[span], palette)),
            Item::Log(log) => Some(Self::log(trace, &trace.logs[log], palette)),
            Item::Event(..) | Item::Gap(_) => None,
        }
    }

    fn span(trace: &Trace, span: &Span, palette: &Palette) -> Self {
        let mut facts = vec![
            ("Duration", duration(span.duration_ns)),
            ("Begins", offset(span.start.saturating_sub(trace.start))),
            ("Kind", span.kind.clone()),
            ("Status", span.status.clone()),
        ];
        let optional = [("Instance", span.instance.clone()), ("Scope", scope_words(&span.scope))];
        facts.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
        let mut ids = vec![("Span", span.span_id.clone())];
        ids.extend(span.parent_span_id.clone().map(|parent| ("Parent", parent)));
        let operation = format!("{} {}", term("service", &span.service), term("name", &span.name));
        let mut ways = vec![
            (search("logs", &term("span", &span.span_id), ""), "Its logs"),
            (search("spans", &operation, ""), "Same operation"),
            (search("traces", &operation, ""), "Other traces"),
        ];
        ways.extend(span.parent_span_id.as_ref().map(|id| (address::trace_at(&span.trace_id, id), "Parent")));
        let lists = [
            AttributeList::new("Span attributes", Level::Span, &span.attributes),
            AttributeList::new("Resource", Level::Resource("spans"), &span.resource),
            AttributeList::new("Scope attributes", Level::Plain, &span.scope.attributes),
        ];
        let logs = trace.logs.iter().filter(|log| log.span_id.as_deref() == Some(span.span_id.as_str()));
        Self {
            sort: "Span".to_owned(),
            title: span.name.clone(),
            service: span.service.clone(),
            colour: palette.colour(&span.service),
            start: Moment::full(span.start),
            failed: span.status == "error",
            message: span.status_message.clone().unwrap_or_default(),
            body: None,
            facts,
            ids,
            ways,
            lists: lists.into_iter().filter(|list| !list.entries.is_empty()).collect(),
            logs: logs.map(|log| Line::new(trace, log)).collect(),
            events: span.events.iter().map(|event| EventView::new(trace, event)).collect(),
            links: span.links.iter().map(LinkView::new).collect(),
        }
    }

    fn log(trace: &Trace, log: &Log, palette: &Palette) -> Self {
        let severity = Severity::of(log);
        let (title, body) = line_and_body(log);
        let mut ways = vec![(log_context(log), "Lines around it")];
        ways.extend(log.span_id.as_ref().map(|id| (address::trace_at(&trace.trace_id, id), "Its span")));
        Self {
            failed: severity.is_error(),
            sort: format!("Log · {}", severity.text),
            title,
            service: log.service.clone(),
            colour: palette.colour(&log.service),
            start: Moment::full(log.time),
            message: String::new(),
            body,
            facts: vec![("Time", offset(log.time.saturating_sub(trace.start)))],
            ids: log.span_id.iter().map(|id| ("Span", id.clone())).collect(),
            ways,
            lists: log_details(log),
            logs: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }
}

impl Line {
    fn new(trace: &Trace, log: &Log) -> Self {
        Self {
            href: address::trace(&trace.trace_id).with("log", &log.id).at(&format!("l-{}", log.id)),
            severity: Severity::of(log),
            text: line_and_body(log).0,
            offset: offset(log.time.saturating_sub(trace.start)),
        }
    }
}

impl EventView {
    fn new(trace: &Trace, event: &Event) -> Self {
        Self {
            name: event.name.clone(),
            offset: offset(event.time.saturating_sub(trace.start)),
            list: AttributeList::new("Event attributes", Level::Plain, &event.attributes),
        }
    }
}

impl LinkView {
    fn new(link: &query::rows::Link) -> Self {
        let trace_id = link.trace_id.as_deref().unwrap_or_default();
        let span_id = link.span_id.as_deref().unwrap_or_default();
        let mut list = AttributeList::new("Link attributes", Level::Plain, &link.attributes);
        if !link.trace_state.is_empty() {
            list.entries.push(Entry::own("trace state", link.trace_state.clone()));
        }
        Self {
            href: (!trace_id.is_empty()).then(|| address::trace_at(trace_id, span_id)),
            text: format!("trace {trace_id} span {span_id}"),
            list,
        }
    }
}
