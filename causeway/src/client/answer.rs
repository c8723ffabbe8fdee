//! Answers of the API. Rows are kept as the text they came in, so that what goes on to a program is what the
//! server said, and are only read where a table or CSV needs their fields.

use std::collections::HashMap;
use std::io;

use query::rows::{Log, Span, Stats, Template, TraceSummary};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::cli::Format;
use crate::client::error::ClientError;
use crate::client::output::{Output, csv_lines, csv_rows};
use crate::client::table::{Cell, Column, Table};
use crate::client::views;

/// The keys of a log, in the order of CSV.
const LOG_KEYS: [&str; 17] = [
    "id",
    "time",
    "observed_time",
    "severity",
    "severity_number",
    "severity_text",
    "body",
    "service",
    "instance",
    "trace_id",
    "span_id",
    "event_name",
    "template_id",
    "variables",
    "attributes",
    "resource",
    "scope",
];
/// The keys of a span.
const SPAN_KEYS: [&str; 17] = [
    "id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "service",
    "instance",
    "start",
    "duration_ns",
    "status",
    "status_message",
    "attributes",
    "resource",
    "scope",
    "events",
    "links",
];
/// The keys of a trace in a list.
const TRACE_KEYS: [&str; 9] = [
    "trace_id",
    "start",
    "duration_ns",
    "root_service",
    "root_name",
    "status",
    "span_count",
    "error_count",
    "services",
];
/// The keys of a template.
const TEMPLATE_KEYS: [&str; 10] = [
    "id",
    "template",
    "count",
    "state",
    "first_seen",
    "last_seen",
    "services",
    "trend",
    "example",
    "variables",
];
/// The keys of a service.
pub(crate) const SERVICE_KEYS: [&str; 12] = [
    "name",
    "namespace",
    "environment",
    "calls",
    "errors",
    "rate_per_s",
    "error_ratio",
    "p50_ns",
    "p95_ns",
    "p99_ns",
    "instances",
    "versions",
];

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Log records.
    Logs,
    /// Spans.
    Spans,
    /// Traces.
    Traces,
    /// Templates of logs.
    Templates,
}

impl Kind {
    /// Under which key the rows stand in an answer.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Spans => "spans",
            Self::Traces => "traces",
            Self::Templates => "templates",
        }
    }

    /// What the rows are that come after those of an answer.
    pub(crate) fn further(self) -> &'static str {
        match self {
            Self::Logs | Self::Spans | Self::Traces => "older",
            Self::Templates => "rarer",
        }
    }

    /// Where they are asked for.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Logs => "/api/logs",
            Self::Spans => "/api/spans",
            Self::Traces => "/api/traces",
            Self::Templates => "/api/templates",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Logs => &LOG_KEYS,
            Self::Spans => &SPAN_KEYS,
            Self::Traces => &TRACE_KEYS,
            Self::Templates => &TEMPLATE_KEYS,
        }
    }

    fn columns(self) -> Vec<Column> {
        match self {
            Self::Logs => views::log_columns(),
            Self::Spans => views::span_columns(),
            Self::Traces => views::trace_columns(),
            Self::Templates => views::template_columns(),
        }
    }

    fn cells(self, row: &RawValue) -> serde_json::Result<Vec<Cell>> {
        Ok(match self {
            Self::Logs => views::log(&serde_json::from_str::<Log>(row.get())?),
            Self::Spans => views::span(&serde_json::from_str::<Span>(row.get())?),
            Self::Traces => views::trace(&serde_json::from_str::<TraceSummary>(row.get())?),
            Self::Templates => views::template(&serde_json::from_str::<Template>(row.get())?),
        })
    }
}

/// An answer by its keys.
pub(crate) type Object<'a> = HashMap<String, &'a RawValue>;

/// What of an answer is not as the API says.
pub(crate) fn misread(asked: &str, error: &serde_json::Error) -> ClientError {
    ClientError::Answer { asked: asked.to_owned(), reason: error.to_string() }
}

/// One field of an answer; absent is null.
pub(crate) fn field<'a, T: Deserialize<'a>>(object: &Object<'a>, key: &str) -> serde_json::Result<T> {
    serde_json::from_str(object.get(key).map_or("null", |value| value.get()))
}

/// An answer of `asked` that is one row.
pub(crate) fn one<'a>(body: &'a [u8], asked: &str) -> Result<&'a RawValue, ClientError> {
    serde_json::from_slice(body).map_err(|error| misread(asked, &error))
}

/// A page of rows.
pub(crate) struct Page<'a> {
    /// The rows.
    pub(crate) rows: Vec<&'a RawValue>,
    /// Where the next page begins.
    pub(crate) cursor: Option<String>,
    /// What it cost.
    pub(crate) stats: Stats,
    asked: &'a str,
}

impl<'a> Page<'a> {
    /// Rows that came one by one from `asked`.
    pub(crate) fn of(rows: Vec<&'a RawValue>, asked: &'a str) -> Self {
        Self { rows, cursor: None, stats: Stats::default(), asked }
    }

    /// Reads an answer of `asked`.
    pub(crate) fn read(kind: Kind, body: &'a [u8], asked: &'a str) -> Result<Self, ClientError> {
        let read = || -> serde_json::Result<Self> {
            let object: Object<'a> = serde_json::from_slice(body)?;
            let stats: Option<Stats> = field(&object, "stats")?;
            Ok(Self {
                rows: field(&object, kind.key())?,
                cursor: field(&object, "cursor")?,
                stats: stats.unwrap_or_default(),
                asked,
            })
        };
        read().map_err(|error| misread(asked, &error))
    }
}

/// Writes pages as one answer.
pub(crate) struct Writer {
    kind: Kind,
    format: Format,
    table: Option<Table>,
    /// What the widths of a table are chosen for, beside its first rows.
    sample: Option<Vec<Cell>>,
    rows: u64,
    pages: u64,
    stats: Stats,
}

impl Writer {
    /// A writer that has seen nothing.
    pub(crate) fn new(kind: Kind, format: Format) -> Self {
        Self { kind, format, table: None, sample: None, rows: 0, pages: 0, stats: Stats::default() }
    }

    /// A writer of rows that come one by one, whose first says little of how wide the others are.
    pub(crate) fn following(kind: Kind, format: Format, output: &Output) -> Self {
        let sample = match kind {
            Kind::Logs => views::log_sample(output.width),
            _ => views::span_sample(output.width),
        };
        Self { sample: Some(sample), ..Self::new(kind, format) }
    }

    /// Writes a page.
    pub(crate) fn page(&mut self, page: &Page<'_>, output: &mut Output) -> Result<(), ClientError> {
        match self.format {
            Format::Table => self.table(page, output)?,
            Format::Ndjson => ndjson(&page.rows, output)?,
            Format::Csv if self.pages == 0 => csv(self.kind.keys(), &page.rows, output)?,
            Format::Csv => csv_page(self.kind.keys(), &page.rows, output)?,
            Format::Json => self.json(page, output)?,
        }
        self.pages += 1;
        self.rows += page.rows.len() as u64;
        add(&mut self.stats, &page.stats);
        Ok(())
    }

    /// Writes what follows the last page.
    pub(crate) fn end(&self, cursor: Option<&str>, output: &mut Output) -> Result<(), ClientError> {
        if self.format == Format::Json {
            if self.pages == 0 {
                output.data(&format!("{{\"{}\":[", self.kind.key()))?;
            }
            let (cursor, stats) =
                (Value::from(cursor), serde_json::to_string(&self.stats).map_err(io::Error::other)?);
            output.data(&format!("],\"cursor\":{cursor},\"stats\":{stats}}}\n"))?;
        }
        Ok(())
    }

    fn table(&mut self, page: &Page<'_>, output: &mut Output) -> Result<(), ClientError> {
        let rows: Vec<Vec<Cell>> = page
            .rows
            .iter()
            .map(|row| self.kind.cells(row))
            .collect::<Result<_, _>>()
            .map_err(|error| misread(page.asked, &error))?;
        if rows.is_empty() {
            return Ok(());
        }
        if self.table.is_none() {
            let mut widest = rows.clone();
            widest.extend(self.sample.take());
            let table = Table::new(self.kind.columns(), &widest, output.width, output.paint);
            output.line(&table.header())?;
            self.table = Some(table);
        }
        for line in rows.iter().zip(self.table.iter().cycle()).map(|(row, table)| table.line(row)) {
            output.line(&line)?;
        }
        Ok(())
    }

    /// Rows of one more page in an answer that the pages make together.
    fn json(&self, page: &Page<'_>, output: &mut Output) -> io::Result<()> {
        if self.pages == 0 {
            output.data(&format!("{{\"{}\":[", self.kind.key()))?;
        }
        for (at, row) in page.rows.iter().enumerate() {
            if self.rows > 0 || at > 0 {
                output.data(",")?;
            }
            output.data(row.get())?;
        }
        Ok(())
    }
}

/// The cost of several pages.
pub(crate) fn add(sum: &mut Stats, page: &Stats) {
    sum.rows_scanned += page.rows_scanned;
    sum.bytes_scanned += page.bytes_scanned;
    sum.segments_total = sum.segments_total.max(page.segments_total);
    sum.segments_opened = sum.segments_opened.max(page.segments_opened);
    sum.elapsed_ms += page.elapsed_ms;
    sum.partial = page.partial.clone().or(sum.partial.take());
}

/// Rows as they are, one a line.
pub(crate) fn ndjson(rows: &[&RawValue], output: &mut Output) -> io::Result<()> {
    for row in rows {
        // JSON may be laid out over lines: only line ends between its tokens can be here, those in text are
        // escaped.
        output.data(&row.get().replace(['\n', '\r'], " "))?;
        output.data("\n")?;
    }
    Ok(())
}

/// Rows under a header of `keys`.
pub(crate) fn csv(keys: &[&str], rows: &[&RawValue], output: &mut Output) -> io::Result<()> {
    output.data(&csv_lines([keys])?)?;
    csv_page(keys, rows, output)
}

fn csv_page(keys: &[&str], rows: &[&RawValue], output: &mut Output) -> io::Result<()> {
    let rows = fields(rows)?;
    output
        .data(&csv_rows(rows.iter().map(|row| keys.iter().map(|key| row.get(*key).unwrap_or(&Value::Null))))?)
}

/// Rows by their keys.
pub(crate) fn fields(rows: &[&RawValue]) -> io::Result<Vec<Map<String, Value>>> {
    rows.iter().map(|row| serde_json::from_str(row.get()).map_err(io::Error::other)).collect()
}

/// The services of an answer.
pub(crate) struct ServicesAnswer<'a> {
    /// The rows.
    pub(crate) services: Vec<&'a RawValue>,
    /// What it cost.
    pub(crate) stats: Stats,
}

impl<'a> ServicesAnswer<'a> {
    /// Reads an answer of `asked`.
    pub(crate) fn read(body: &'a [u8], asked: &str) -> Result<Self, ClientError> {
        let read = || -> serde_json::Result<Self> {
            let object: Object<'a> = serde_json::from_slice(body)?;
            let stats: Option<Stats> = field(&object, "stats")?;
            Ok(Self { services: field(&object, "services")?, stats: stats.unwrap_or_default() })
        };
        read().map_err(|error| misread(asked, &error))
    }
}

/// The rows of a trace.
pub(crate) struct TraceAnswer<'a> {
    spans: Vec<&'a RawValue>,
    logs: Vec<&'a RawValue>,
}

impl<'a> TraceAnswer<'a> {
    /// Reads an answer of `asked`.
    pub(crate) fn read(body: &'a [u8], asked: &str) -> Result<Self, ClientError> {
        let read = || -> serde_json::Result<Self> {
            let object: Object<'a> = serde_json::from_slice(body)?;
            Ok(Self { spans: field(&object, "spans")?, logs: field(&object, "logs")? })
        };
        read().map_err(|error| misread(asked, &error))
    }

    /// Spans, then logs.
    pub(crate) fn ndjson(&self, output: &mut Output) -> io::Result<()> {
        ndjson(&self.spans, output)?;
        ndjson(&self.logs, output)
    }

    /// Spans, then logs, in the columns of both; the first says which of the two a row is.
    pub(crate) fn csv(&self, output: &mut Output) -> io::Result<()> {
        let mut keys = SPAN_KEYS.to_vec();
        keys.extend(LOG_KEYS.iter().filter(|key| !SPAN_KEYS.contains(key)));
        output.data(&csv_lines([std::iter::once(&"row").chain(&keys)])?)?;
        for (word, rows) in [("span", &self.spans), ("log", &self.logs)] {
            let (word, rows) = (Value::from(word), fields(rows)?);
            let lines = rows.iter().map(|row| {
                let cells = keys.iter().map(|key| row.get(*key).unwrap_or(&Value::Null));
                std::iter::once(&word).chain(cells)
            });
            output.data(&csv_rows(lines)?)?;
        }
        Ok(())
    }
}

/// An answer of SQL.
#[derive(Deserialize)]
pub(crate) struct SqlAnswer {
    columns: Vec<SqlColumn>,
    /// The rows, in the order of the columns.
    pub(crate) rows: Vec<Vec<Value>>,
    /// What it cost.
    #[serde(default)]
    pub(crate) stats: Stats,
}

#[derive(Deserialize)]
struct SqlColumn {
    name: String,
}

impl SqlAnswer {
    /// The names of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}
