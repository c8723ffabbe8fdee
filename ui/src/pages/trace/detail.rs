//! What stands beside the waterfall: all that is known of the chosen row.

use askama::Template;
use query::outline::Decoded;
use query::rows::{Event, Log, RowDetail, Span, TraceRow};

use crate::address::{self, Address, search, term};
use crate::attributes::{AttributeList, Entry, Level};
use crate::colour::Palette;
use crate::format::{Moment, cut, duration, first_line, offset};
use crate::pages::rows::{ServiceMark, Severity, line_and_body, log_context, log_details, scope_words};

/// How much of the name of a span or an event is its title, in characters.
const TITLE_CHARS_MAX: usize = 300;
/// How much of a whole name is seen before it is unfolded, in characters.
const FOLD_CHARS: usize = 100;

/// A chosen span, event or log.
#[derive(Debug, Template)]
#[template(path = "part/detail.html")]
pub(super) struct Detail {
    /// The number of the row.
    pub(super) row: u64,
    /// The trace's address, without a choice.
    pub(super) href: String,
    /// Where the row is as JSON.
    pub(super) json_href: String,
    /// Of a span what other spans are compared with: its name, start and duration in nanoseconds.
    pub(super) compare: Option<(String, i64, i64)>,
    /// What it is: `span`, or the level of a log.
    pub(super) sort: String,
    pub(super) title: String,
    pub(super) service: String,
    /// As much of its name as is shown.
    pub(super) service_name: String,
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

/// What a detail is made from.
#[derive(Clone, Copy)]
struct Of<'a> {
    outline: &'a Decoded,
    row: u64,
    palette: &'a Palette,
}

impl Of<'_> {
    fn trace_id(&self) -> &str {
        &self.outline.head.trace_id
    }

    fn since_start(&self, time: i64) -> String {
        offset(time.saturating_sub(self.outline.start()))
    }
}

impl Detail {
    /// The detail of the first of these rows, if it has one; the others are logs that hang under it.
    pub(super) fn new(outline: &Decoded, rows: &[TraceRow], palette: &Palette) -> Option<Self> {
        let (first, others) = rows.split_first()?;
        let of = Of { outline, row: first.row, palette };
        let is_log =
            |row: &TraceRow| if let RowDetail::Log(log) = &row.detail { Some(log.clone()) } else { None };
        match &first.detail {
            RowDetail::Span(span) => Some(Self::span(of, span, others.iter().filter_map(is_log).collect())),
            RowDetail::Log(log) => Some(Self::log(of, log)),
            RowDetail::Event { span_id, event, .. } => Some(Self::event(of, span_id, event)),
            RowDetail::Missing { .. } | RowDetail::Cycle => None,
        }
    }

    /// One that says nothing yet.
    fn blank(of: Of<'_>, sort: String, title: String, time: i64) -> Self {
        let service = of.outline.service(of.row as usize).to_owned();
        Self {
            row: of.row,
            href: address::trace(of.trace_id()).to_string(),
            json_href: Address::new(format!("/api{}/rows", address::trace(of.trace_id())))
                .with("outline", &of.outline.head.outline)
                .with("rows", &of.row.to_string())
                .to_string(),
            compare: None,
            sort,
            title,
            colour: of.palette.colour(&service),
            service_name: ServiceMark::new(&service).name,
            service,
            start: Moment::full(time),
            failed: false,
            message: String::new(),
            body: None,
            facts: Vec::new(),
            ids: Vec::new(),
            ways: Vec::new(),
            lists: Vec::new(),
            logs: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    fn span(of: Of<'_>, span: &Span, logs: Vec<Log>) -> Self {
        let mut facts = vec![
            ("Duration", duration(span.duration_ns)),
            ("Begins", of.since_start(span.start)),
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
        ways.retain(|(href, _)| !href.is_empty());
        let lists = [
            AttributeList::new("Span attributes", Level::Span, &span.attributes),
            AttributeList::new("Resource", Level::Resource("spans"), &span.resource),
            AttributeList::new("Scope attributes", Level::Plain, &span.scope.attributes),
        ];
        Self {
            failed: span.status == "error",
            compare: Some((span.name.clone(), span.start, span.duration_ns)),
            message: span.status_message.clone().unwrap_or_default(),
            facts,
            ids,
            ways,
            lists: filled(lists.into_iter().chain(whole_name(&span.name))),
            logs: logs.iter().map(|log| Line::new(of, log)).collect(),
            events: span.events.iter().map(|event| EventView::new(of, event)).collect(),
            links: span.links.iter().map(LinkView::new).collect(),
            ..Self::blank(of, "Span".to_owned(), cut(&span.name, TITLE_CHARS_MAX), span.start)
        }
    }

    fn log(of: Of<'_>, log: &Log) -> Self {
        let severity = Severity::of(log);
        let (title, body) = line_and_body(log);
        let mut ways = vec![(log_context(log), "Lines around it")];
        ways.extend(log.span_id.as_ref().map(|id| (address::trace_at(of.trace_id(), id), "Its span")));
        ways.retain(|(href, _)| !href.is_empty());
        Self {
            failed: severity.is_error(),
            body,
            facts: vec![("Time", of.since_start(log.time))],
            ids: log.span_id.iter().map(|id| ("Span", id.clone())).collect(),
            ways,
            lists: log_details(log),
            ..Self::blank(of, format!("Log · {}", severity.text), title, log.time)
        }
    }

    fn event(of: Of<'_>, span_id: &str, event: &Event) -> Self {
        let list = AttributeList::new("Event attributes", Level::Plain, &event.attributes);
        Self {
            failed: event.name == "exception",
            facts: vec![("Time", of.since_start(event.time))],
            ids: vec![("Span", span_id.to_owned())],
            ways: vec![(address::trace_at(of.trace_id(), span_id), "Its span")],
            lists: filled([list].into_iter().chain(whole_name(&event.name))),
            ..Self::blank(of, "Event".to_owned(), cut(&event.name, TITLE_CHARS_MAX), event.time)
        }
    }
}

/// The lists that have entries.
fn filled(lists: impl Iterator<Item = AttributeList>) -> Vec<AttributeList> {
    lists.filter(|list| !list.entries.is_empty()).collect()
}

/// The whole of a name that is more than a title.
fn whole(name: &str) -> Option<Entry> {
    let is_long = name.chars().nth(TITLE_CHARS_MAX).is_some();
    is_long.then(|| Entry { fold: Some(first_line(name, FOLD_CHARS)), ..Entry::own("name", name) })
}

fn whole_name(name: &str) -> Option<AttributeList> {
    Some(AttributeList { title: "Name", entries: vec![whole(name)?] })
}

impl Line {
    fn new(of: Of<'_>, log: &Log) -> Self {
        Self {
            href: address::trace(of.trace_id()).with("log", &log.id).at(&format!("l-{}", log.id)),
            severity: Severity::of(log),
            text: line_and_body(log).0,
            offset: of.since_start(log.time),
        }
    }
}

impl EventView {
    fn new(of: Of<'_>, event: &Event) -> Self {
        let mut list = AttributeList::new("Event attributes", Level::Plain, &event.attributes);
        list.entries.extend(whole(&event.name));
        Self { name: cut(&event.name, TITLE_CHARS_MAX), offset: of.since_start(event.time), list }
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
