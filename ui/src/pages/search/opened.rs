//! A row that is open in place: its values, each with what can be done with it, and the lines around it.

use askama::Template;
use axum::response::Response;
use model::{Reader, UnixNanos};
use query::rows::{Attributes, Log, Span};
use query::{Context, ContextQuestion, NEIGHBOURS_MAX, Neighbours};
use serde_json::Value;

use super::question::{LINES, Open, Question, Tab};
use super::table::trace_of;
use crate::Ui;
use crate::address::{self, and, is_key, term};
use crate::attributes;
use crate::format::{self, Moment, duration, first_line};
use crate::pages::rows::{ServiceMark, Severity, line_and_body, scope_words};
use crate::problem::{Problem, html};
use crate::range;

/// From how many characters on a value cannot be searched for, and is folded.
const LONG_CHARS_MIN: usize = 240;
/// How much of a folded value is seen, in characters.
const FOLD_CHARS: usize = 100;
/// How far around a row its service's rows are asked for, in nanoseconds.
const AROUND_NS: i64 = 5_000_000_000;

/// What an open row shows.
#[derive(Template)]
#[template(path = "part/search_opened.html")]
pub(super) struct Opened {
    /// The whole body of a log, where its line is not all of it.
    body: Option<String>,
    lists: Vec<Values>,
    /// Address and text.
    ways: Vec<(String, String)>,
    /// The ways to its context: address, text, whether it is shown.
    contexts: Vec<(String, &'static str, bool)>,
    context: Option<Lines>,
    /// Spans that a line without a trace was probably written in.
    probable: Option<Vec<Probable>>,
    /// Closed again.
    close: String,
    id: String,
}

/// Values of one level.
struct Values {
    title: &'static str,
    values: Vec<OneValue>,
}

/// A value and what can be done with it.
#[derive(Debug, Default, PartialEq)]
struct OneValue {
    key: String,
    text: String,
    /// The beginning of one too long to stand open.
    fold: Option<String>,
    only: Option<String>,
    without: Option<String>,
    /// Counted beside the rows.
    group: Option<String>,
    /// In a column of its own.
    column: Option<String>,
}

/// A line and its neighbours.
struct Lines {
    by: &'static str,
    lines: Vec<Line>,
    earlier: Option<String>,
    later: Option<String>,
}

struct Line {
    here: bool,
    time: Moment,
    severity: Severity,
    service: ServiceMark,
    text: String,
    href: String,
    trace: Option<String>,
}

/// A span that was found by resource and time.
struct Probable {
    href: String,
    service: ServiceMark,
    name: String,
    /// How long it had run, and how long it ran.
    when: String,
}

/// The row that a question has open, or `None` where it is not stored any more.
pub(super) async fn ask(ui: &Ui, reader: &Reader, question: &Question) -> Result<Option<Opened>, Problem> {
    let Some(open) = question.open else { return Ok(None) };
    let time = Some(UnixNanos(open.time));
    let opened = match question.tab {
        Tab::Logs => {
            let (by, lines) = open.around.unwrap_or((Neighbours::Stream, 0));
            let asked = ContextQuestion { id: open.id, time, by, before: lines, after: lines };
            ui.engine.context(reader, asked).await.map(|context| Opened::log(question, open, &context))
        }
        Tab::Spans => {
            ui.engine.span(reader, open.id, time).await.map(|span| Opened::span(question, open, &span))
        }
        Tab::Traces | Tab::Templates => return Ok(None),
    };
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(query::QueryError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Answers with the open row alone, for a page that has the others.
pub(super) async fn fragment(ui: &Ui, reader: &Reader, question: &Question) -> Result<Response, Problem> {
    match ask(ui, reader, question).await? {
        Some(opened) => html(&opened),
        None => Err(query::QueryError::NotFound("this row is not stored any more".to_owned()).into()),
    }
}

impl Opened {
    fn log(question: &Question, open: Open, context: &Context) -> Self {
        let log = &context.log;
        let mut own = vec![OneValue::own("time", format::rfc3339(log.time))];
        let optional = [
            ("observed time", log.observed_time.map(format::rfc3339)),
            ("severity as sent", log.severity_text.clone()),
            ("severity number", log.severity_number.map(|number| number.to_string())),
            ("scope", scope_words(&log.scope)),
        ];
        let fields = [
            ("instance", &log.instance),
            ("event", &log.event_name),
            ("trace", &log.trace_id),
            ("span", &log.span_id),
            ("template", &log.template_id),
        ];
        own.extend(
            fields
                .into_iter()
                .filter_map(|(key, value)| Some(OneValue::of_field(question, key, value.as_ref()?))),
        );
        own.extend(optional.into_iter().filter_map(|(key, value)| Some(OneValue::own(key, value?))));
        let lists = vec![
            Values::new(question, "Attributes", "log.", &log.attributes),
            Values::new(question, "Resource", "resource.", &log.resource),
            Values::new(question, "Scope attributes", "scope.", &log.scope.attributes),
            Values { title: "Record", values: own },
        ];
        let mut ways: Vec<(String, String)> = Vec::new();
        ways.extend(trace_of(log).map(|href| (href, "Its trace".to_owned())));
        let spans = spans_of(&log.service, log.time);
        if !spans.is_empty() {
            ways.push((spans, format!("Spans of {}", ServiceMark::new(&log.service).name)));
        }
        let probable = log
            .trace_id
            .is_none()
            .then(|| context.probable_spans.iter().map(|span| Probable::new(span, log.time)).collect());
        Self {
            body: line_and_body(log).1,
            lists: lists.into_iter().filter(|list| !list.values.is_empty()).collect(),
            ways,
            contexts: contexts(question, open, log),
            context: open.around.map(|(by, lines)| Lines::new(question, open, by, lines, context)),
            probable,
            close: closed(question),
            id: open.id.to_string(),
        }
    }

    fn span(question: &Question, open: Open, span: &Span) -> Self {
        let own = [
            Some(("start", format::rfc3339(span.start))),
            Some(("duration", format!("{} ({} ns)", duration(span.duration_ns), span.duration_ns))),
            span.status_message.clone().map(|message| ("status message", message)),
            scope_words(&span.scope).map(|scope| ("scope", scope)),
        ];
        let fields = [
            ("instance", span.instance.clone()),
            ("status", Some(span.status.clone())),
            ("trace", Some(span.trace_id.clone())),
            ("span", Some(span.span_id.clone())),
            ("parent", span.parent_span_id.clone()),
        ];
        let fields =
            fields.iter().filter_map(|(key, value)| Some(OneValue::of_field(question, key, value.as_ref()?)));
        let own = fields.chain(own.into_iter().flatten().map(|(key, text)| OneValue::own(key, text)));
        let mut lists = vec![
            Values::new(question, "Attributes", "span.", &span.attributes),
            Values::new(question, "Resource", "resource.", &span.resource),
            Values::new(question, "Scope attributes", "scope.", &span.scope.attributes),
            Values { title: "Span", values: own.collect() },
        ];
        let events = span.events.iter().map(|event| {
            let text = serde_json::to_string_pretty(&event.attributes).unwrap_or_default();
            let at = format::offset(event.time.saturating_sub(span.start));
            OneValue { fold: Some(at), ..OneValue::own(&event.name, text) }
        });
        lists.push(Values { title: "Events", values: events.collect() });
        let ids = format!("{} {}", term("trace", &span.trace_id), term("span", &span.span_id));
        Self {
            body: None,
            lists: lists.into_iter().filter(|list| !list.values.is_empty()).collect(),
            ways: vec![
                (address::trace_at(&span.trace_id, &span.span_id), "Its trace".to_owned()),
                (address::search("logs", &ids, ""), "Its logs".to_owned()),
            ],
            contexts: Vec::new(),
            context: None,
            probable: None,
            close: closed(question),
            id: open.id.to_string(),
        }
    }
}

fn closed(question: &Question) -> String {
    Question { open: None, ..question.clone() }.href()
}

/// The spans of a service around a time; empty if its name is too long for a link.
fn spans_of(service: &str, time: i64) -> String {
    let around = range::between(time.saturating_sub(AROUND_NS), time.saturating_add(AROUND_NS));
    address::search("spans", &term("service", service), &around)
}

fn contexts(question: &Question, open: Open, log: &Log) -> Vec<(String, &'static str, bool)> {
    let mut kinds = vec![(Neighbours::Stream, "Lines around it: its instance")];
    if log.trace_id.is_some() {
        kinds.push((Neighbours::Trace, "its trace"));
    }
    let shown = open.around.map(|(by, _)| by);
    kinds
        .into_iter()
        .map(|(by, text)| {
            let open = Open { around: Some((by, LINES)), ..open };
            (question.href_of_open(open), text, shown == Some(by))
        })
        .collect()
}

impl Lines {
    fn new(question: &Question, open: Open, by: Neighbours, lines: usize, context: &Context) -> Self {
        let more = |is_more: bool| {
            let lines = (lines * 2).min(NEIGHBOURS_MAX);
            let grows = open.around.is_some_and(|(_, now)| now < lines);
            (is_more && grows).then(|| question.href_of_open(Open { around: Some((by, lines)), ..open }))
        };
        let line = |log: &Log, here: bool| Line {
            here,
            time: Moment::full(log.time),
            severity: Severity::of(log),
            service: ServiceMark::new(&log.service),
            text: line_and_body(log).0,
            href: question.href_of_open(Open {
                time: log.time,
                id: log.id.parse().unwrap_or(0),
                around: open.around,
            }),
            trace: trace_of(log),
        };
        let before = context.before.iter().map(|log| line(log, false));
        let after = context.after.iter().map(|log| line(log, false));
        Self {
            by: match by {
                Neighbours::Stream => "of its instance",
                Neighbours::Trace => "of its trace",
            },
            lines: before.chain([line(&context.log, true)]).chain(after).collect(),
            earlier: more(context.more_before),
            later: more(context.more_after),
        }
    }
}

impl Probable {
    fn new(span: &Span, at: i64) -> Self {
        let ran = format::duration(at.saturating_sub(span.start));
        Self {
            href: address::trace_at(&span.trace_id, &span.span_id),
            service: ServiceMark::new(&span.service),
            name: first_line(&span.name, LONG_CHARS_MIN),
            when: format!("{ran} after its start, of {}", duration(span.duration_ns)),
        }
    }
}

impl Values {
    fn new(question: &Question, title: &'static str, level: &str, attributes: &Attributes) -> Self {
        let values =
            attributes.iter().map(|(key, value)| OneValue::of_attribute(question, level, key, value));
        Self { title, values: values.collect() }
    }
}

impl OneValue {
    /// A value of the row itself that nobody searches for.
    fn own(key: &str, text: impl Into<String>) -> Self {
        Self { key: key.to_owned(), text: text.into(), ..Self::default() }
    }

    /// As much of the key as is said of what can be done with the value.
    fn short_key(&self) -> String {
        attributes::short_key(&self.key)
    }

    /// A value of a field of the search language.
    fn of_field(question: &Question, key: &str, text: &str) -> Self {
        let value = Self::own(key, text);
        value.with_acts(question, key, text)
    }

    fn of_attribute(question: &Question, level: &str, key: &str, value: &Value) -> Self {
        let text = attributes::text(value);
        let structured = value.is_array() || value.is_object();
        // A short list or map stands on one line.
        let flat = if structured { value.to_string() } else { text.clone() };
        let long = flat.chars().nth(LONG_CHARS_MIN).is_some();
        let mut one = Self::own(key, flat.clone());
        if long || flat.contains('\n') {
            (one.text, one.fold) = (text.clone(), Some(first_line(&flat, FOLD_CHARS)));
        }
        // What has no exact form that a person would search for can be copied still.
        if structured || long || !is_key(key) {
            return one;
        }
        // Below the record's own level a bare key finds it too, and says it more shortly.
        let needs_level = attributes::is_own_field(key) || level == "scope.";
        let searched = if needs_level { format!("{level}{key}") } else { key.to_owned() };
        one.with_acts(question, &searched, &text)
    }

    fn with_acts(mut self, question: &Question, key: &str, text: &str) -> Self {
        let term = term(key, text);
        if address::fits(&term) {
            self.only = Some(question.href_of_query(&and(&question.q, &term)));
            self.without = Some(question.href_of_query(&and(&question.q, &format!("NOT {term}"))));
        }
        if !question.facets().iter().any(|(known, _)| known == key) {
            self.group = Some(question.with(|other| other.by.push(key.to_owned())).href());
        }
        self.column = super::columns::with(question, key);
        self
    }
}

#[cfg(test)]
mod tests {
    use query::rows::Stats;
    use serde_json::json;

    use super::*;
    use crate::pages::checks;
    use crate::sample;

    fn question(address: &str) -> Question {
        Question::of(&checks::visit(address)).unwrap()
    }

    fn context(log: Log) -> Context {
        Context {
            log,
            before: vec![sample::log(1, Some("warn"), "before")],
            after: vec![sample::log(9, Some("info"), "after")],
            more_before: true,
            more_after: false,
            probable_spans: vec![sample::span("aa", None, 3)],
            stats: Stats::default(),
        }
    }

    #[test]
    fn values_know_what_can_be_done_with_them() {
        let question = question("/search?tab=logs&q=x&open=5.5");
        let one = |key: &str, value: Value| OneValue::of_attribute(&question, "log.", key, &value);
        let route = one("http.route", json!("/cart"));
        assert_eq!(route.only.unwrap(), "/search?tab=logs&q=x%20http.route%3A%22%2Fcart%22");
        assert_eq!(route.without.unwrap(), "/search?tab=logs&q=x%20NOT%20http.route%3A%22%2Fcart%22");
        assert_eq!(route.group.unwrap(), "/search?tab=logs&q=x&by=http.route");
        assert!(route.column.unwrap().contains("http.route"));
        assert!(one("status", json!(1)).only.unwrap().ends_with("q=x%20log.status%3A1"));
        for (key, value) in [("odd key", json!("a")), ("list", json!([1])), ("long", json!("a".repeat(300)))]
        {
            assert_eq!(one(key, value).only, None, "{key}");
        }
        assert_eq!(one("trace", json!("first\nsecond")).fold.as_deref(), Some("first…"));
        let instance = OneValue::of_field(&question, "instance", &"a".repeat(65_536));
        assert_eq!((instance.only, instance.without), (None, None));
    }

    #[test]
    fn a_long_key_stands_there_once() {
        let question = question("/search?tab=logs&open=5.5");
        let mut log = sample::log(5, Some("error"), "here");
        log.service = "s".repeat(65_536);
        log.attributes = sample::attributes(json!({ "k".repeat(65_536): "short" }));
        let page = Opened::log(&question, question.open.unwrap(), &context(log)).render().unwrap();
        assert!(page.len() < 90_000 && !page.contains("Spans of"), "{}", page.len());
    }

    #[test]
    fn a_line_is_shown_among_its_neighbours_with_its_probable_spans() {
        let mut log = sample::log(5, Some("error"), "here");
        log.body = json!({ "deep": [1, 2] });
        let question = question("/search?tab=logs&open=5.5.stream.10");
        let opened = Opened::log(&question, question.open.unwrap(), &context(log));
        let lines = opened.context.as_ref().unwrap();
        let found: Vec<_> = lines.lines.iter().map(|line| (line.text.as_str(), line.here)).collect();
        assert_eq!(found, [("before", false), ("{\"deep\":[1,2]}", true), ("after", false)]);
        assert!(lines.earlier.as_ref().unwrap().contains("open=5.5.stream.20"));
        assert_eq!(lines.later, None);
        let page = opened.render().unwrap();
        for part in ["inferred", "span aa", "&#34;deep&#34;: [", "its instance", "2 ns after its start"] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("its trace"), "it names none");
    }
}
