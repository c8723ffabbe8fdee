//! Rows in the columns that the reader chose.

use askama::Template;
use query::rows::{Attributes, Log, Span, TraceSummary};
use serde_json::Value;

use super::columns::{self, Shown};
use super::opened::Opened;
use super::question::{Open, Question};
use crate::address;
use crate::attributes;
use crate::format::{Moment, count, duration, first_line, svg_percent};
use crate::pages::rows::{ServiceMark, Severity, line_and_body, scope_words};

/// How much of a value stands in a cell, in characters.
const CELL_CHARS_MAX: usize = 300;
/// How many services of a trace are drawn; the rest are counted.
const DOTS_MAX: usize = 8;

/// A table of rows.
#[derive(Template)]
#[template(path = "part/search_table.html")]
pub(super) struct Table {
    pub(super) caption: String,
    /// Each tab's word, for its style.
    pub(super) class: &'static str,
    pub(super) columns: Vec<Shown>,
    pub(super) rows: Vec<Row>,
    /// Whether its rows can be opened in place.
    pub(super) opens: bool,
    /// Whether a column of its own opens them.
    pub(super) folds: bool,
}

/// Rows alone, for a page that has the table already.
#[derive(Template)]
#[template(path = "part/search_rows.html")]
pub(super) struct Rows<'a> {
    rows: &'a [Row],
    folds: bool,
    columns: usize,
}

/// A row.
pub(super) struct Row {
    /// The row's `seq`; a trace has none.
    pub(super) id: String,
    /// The class of its level.
    pub(super) level: &'static str,
    pub(super) failed: bool,
    pub(super) cells: Vec<Cell>,
    /// The address with it open, or closed if it is.
    pub(super) toggle: String,
    pub(super) opened: Option<Opened>,
}

/// What stands in a cell.
pub(super) enum Cell {
    Time(Moment),
    Level(Severity),
    Service(ServiceMark),
    /// A log's line, which opens the row; the way to its trace.
    Message {
        line: String,
        trace: Option<String>,
    },
    /// A way to somewhere, behind a service.
    Name {
        href: String,
        service: ServiceMark,
        name: String,
        flag: bool,
    },
    /// Figure, share of the longest, colour.
    Duration {
        text: String,
        width: String,
        colour: usize,
    },
    Status {
        failed: bool,
        message: String,
    },
    /// An id with the way to what it names.
    Id {
        href: String,
        text: String,
    },
    Text(String),
    Count {
        text: String,
        bad: bool,
    },
    Services {
        marks: Vec<ServiceMark>,
        more: usize,
        all: String,
    },
}

impl Table {
    /// Log records.
    pub(super) fn logs(question: &Question, logs: &[Log]) -> Self {
        let columns = columns::shown(question);
        let rows = logs.iter().map(|log| {
            let cells = columns.iter().map(|column| log_cell(column, log)).collect();
            let severity = Severity::of(log);
            let open = Open { time: log.time, id: log.id.parse().unwrap_or(0), around: None };
            Row::new(question, open, cells, severity.is_error(), severity.class)
        });
        Self::of(question, rows.collect(), columns)
    }

    /// Spans.
    pub(super) fn spans(question: &Question, spans: &[Span]) -> Self {
        let columns = columns::shown(question);
        let longest = spans.iter().map(|span| span.duration_ns).max().unwrap_or(0).max(1);
        let rows = spans.iter().map(|span| {
            let cells = columns.iter().map(|column| span_cell(column, span, longest)).collect();
            let open = Open { time: span.start, id: span.id.parse().unwrap_or(0), around: None };
            Row::new(question, open, cells, span.status == "error", "")
        });
        Self::of(question, rows.collect(), columns)
    }

    /// Traces.
    pub(super) fn traces(question: &Question, traces: &[TraceSummary]) -> Self {
        let columns = columns::shown(question);
        let longest = traces.iter().map(|trace| trace.duration_ns).max().unwrap_or(0).max(1);
        let rows = traces.iter().map(|trace| Row {
            id: String::new(),
            level: "",
            failed: trace.status == "error" || trace.error_count > 0,
            cells: columns.iter().map(|column| trace_cell(column, trace, longest)).collect(),
            toggle: String::new(),
            opened: None,
        });
        Self { opens: false, folds: false, ..Self::of(question, rows.collect(), columns) }
    }

    fn of(question: &Question, rows: Vec<Row>, columns: Vec<Shown>) -> Self {
        let caption = format!("{}s, {}", capital(question.tab.noun()), question.sort.name);
        // A log is opened by its line, if that is shown.
        let folds = !columns.iter().any(|column| column.field == Some("message"));
        Self { caption, class: question.tab.word(), columns, rows, opens: true, folds }
    }

    /// Shows a row open; gives it back if the row is not here.
    pub(super) fn open(&mut self, question: &Question, opened: Option<Opened>) -> Option<Opened> {
        let id = question.open?.id.to_string();
        let Some(row) = self.rows.iter_mut().find(|row| row.id == id) else { return opened };
        row.opened = opened;
        let closed = Question { open: None, ..question.clone() };
        row.toggle = closed.address_at("/search").at(&format!("r-{id}"));
        None
    }

    /// The rows alone.
    pub(super) fn rows_alone(&self) -> Rows<'_> {
        Rows { rows: &self.rows, folds: self.folds, columns: self.columns.len() + usize::from(self.folds) }
    }
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    format!("{}{rest}", first.to_uppercase())
}

impl Row {
    fn new(question: &Question, open: Open, cells: Vec<Cell>, failed: bool, level: &'static str) -> Self {
        Self {
            id: open.id.to_string(),
            level,
            failed,
            cells,
            toggle: question.href_of_open(open),
            opened: None,
        }
    }
}

fn log_cell(column: &Shown, log: &Log) -> Cell {
    let id = |id: &Option<String>, href: &dyn Fn(&str) -> String| match id
        .as_deref()
        .filter(|id| !id.is_empty())
    {
        Some(text) => Cell::Id { href: href(text), text: text.to_owned() },
        None => Cell::Text(String::new()),
    };
    let text = |text: Option<String>| Cell::Text(cut(&text.unwrap_or_default()));
    match column.field {
        Some("time") => Cell::Time(Moment::full(log.time)),
        Some("severity") => Cell::Level(Severity::of(log)),
        Some("service") => Cell::Service(ServiceMark::new(&log.service)),
        Some("message") => Cell::Message { line: line_and_body(log).0, trace: trace_of(log) },
        Some("instance") => text(log.instance.clone()),
        Some("trace") => id(&log.trace_id, &|_| trace_of(log).unwrap_or_default()),
        Some("span") => id(&log.span_id, &|_| trace_of(log).unwrap_or_default()),
        Some("event") => text(log.event_name.clone()),
        Some("scope") => text(scope_words(&log.scope)),
        Some("template") => {
            id(&log.template_id, &|id| address::search("logs", &address::term("template", id), ""))
        }
        _ => attribute(&column.key, "log.", [&log.attributes, &log.scope.attributes, &log.resource]),
    }
}

/// The trace of a log, at its span.
pub(super) fn trace_of(log: &Log) -> Option<String> {
    let trace_id = log.trace_id.as_deref().filter(|id| !id.is_empty())?;
    Some(match log.span_id.as_deref().filter(|id| !id.is_empty()) {
        Some(span_id) => address::trace_at(trace_id, span_id),
        None => address::trace(trace_id).with("log", &log.id).at(&format!("l-{}", log.id)),
    })
}

fn span_cell(column: &Shown, span: &Span, longest: i64) -> Cell {
    let service = ServiceMark::new(&span.service);
    let href = || address::trace_at(&span.trace_id, &span.span_id);
    match column.field {
        Some("start") => Cell::Time(Moment::full(span.start)),
        Some("name") => Cell::Name { href: href(), service, name: cut(&span.name), flag: false },
        Some("kind") => Cell::Text(span.kind.clone()),
        Some("duration") => lasting(span.duration_ns, longest, service.colour),
        Some("status") => Cell::Status {
            failed: span.status == "error",
            message: cut(span.status_message.as_deref().unwrap_or_default()),
        },
        Some("service") => Cell::Service(service),
        Some("instance") => Cell::Text(cut(span.instance.as_deref().unwrap_or_default())),
        Some("trace") => Cell::Id { href: href(), text: span.trace_id.clone() },
        Some("scope") => Cell::Text(cut(&scope_words(&span.scope).unwrap_or_default())),
        _ => attribute(&column.key, "span.", [&span.attributes, &span.scope.attributes, &span.resource]),
    }
}

fn trace_cell(column: &Shown, trace: &TraceSummary, longest: i64) -> Cell {
    let service = ServiceMark::new(&trace.root_service);
    match column.field {
        Some("start") => Cell::Time(Moment::full(trace.start)),
        Some("root") => Cell::Name {
            href: address::trace(&trace.trace_id).to_string(),
            service,
            name: cut(&trace.root_name),
            flag: trace.status == "error",
        },
        Some("duration") => lasting(trace.duration_ns, longest, service.colour),
        Some("spans") => Cell::Count { text: count(trace.span_count), bad: false },
        Some("errors") => Cell::Count { text: count(trace.error_count), bad: trace.error_count > 0 },
        Some("services") => Cell::Services {
            marks: trace.services.iter().take(DOTS_MAX).map(|name| ServiceMark::new(name)).collect(),
            more: trace.services.len().saturating_sub(DOTS_MAX),
            all: cut(&trace.services.join(", ")),
        },
        // A trace has no attributes of its own.
        _ => Cell::Text(String::new()),
    }
}

fn lasting(nanos: i64, longest: i64, colour: usize) -> Cell {
    let width = svg_percent((nanos.max(0) as f64 / longest as f64).clamp(0.005, 1.0));
    Cell::Duration { text: duration(nanos), width, colour }
}

/// As much of a text as stands in a cell.
fn cut(text: &str) -> String {
    first_line(text, CELL_CHARS_MAX)
}

/// An attribute as a search would find it: of the record, else its scope, else its resource, unless the key names one.
fn attribute(key: &str, own: &str, levels: [&Attributes; 3]) -> Cell {
    let [record, scope, resource] = levels;
    let prefixed = [(own, record), ("scope.", scope), ("resource.", resource)];
    let named = prefixed.iter().find_map(|(prefix, level)| level.get(key.strip_prefix(prefix)?));
    let value: Option<&Value> = named.or_else(|| levels.iter().find_map(|level| level.get(key)));
    Cell::Text(
        value
            .map(|value| {
                let flat = if value.is_object() || value.is_array() {
                    value.to_string()
                } else {
                    attributes::text(value)
                };
                first_line(&flat, CELL_CHARS_MAX)
            })
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pages::checks;
    use crate::sample;

    fn question(address: &str) -> Question {
        Question::of(&checks::visit(address)).unwrap()
    }

    #[test]
    fn a_chosen_column_finds_its_attribute_at_any_level() {
        let mut log = sample::log(5, Some("info"), "x");
        log.attributes = sample::attributes(json!({ "a": 1, "deep": { "b": [2] } }));
        log.resource = sample::attributes(json!({ "a": "of the resource", "host": "node" }));
        let question = question("/search?tab=logs&cols=a,resource.a,log.a,host,deep,none,message");
        let table = Table::logs(&question, &[log]);
        let texts: Vec<&str> = table.rows[0]
            .cells
            .iter()
            .filter_map(|cell| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None })
            .collect();
        assert_eq!(texts, ["1", "of the resource", "1", "node", "{\"b\":[2]}", ""]);
    }

    #[test]
    fn a_log_leads_to_its_trace_at_the_span() {
        let mut log = sample::log(7, Some("warn"), "x");
        assert_eq!(trace_of(&log), None);
        log.trace_id = Some("ab".to_owned());
        assert_eq!(trace_of(&log).unwrap(), "/traces/ab?log=7#l-7");
        log.span_id = Some("cd".to_owned());
        assert_eq!(trace_of(&log).unwrap(), "/traces/ab?span=cd#s-cd");
    }
}
