//! Rows of the API as rows of a table.

use query::rows::{Log, Service, Span, Template, TraceSummary};
use serde_json::Value;

use crate::client::table::{Cell, Column};
use crate::client::text::{Tone, severity, status};
use crate::client::times::{duration, show, three_digits};

/// The narrowest a name or a body becomes.
pub(crate) const NAME_MIN: usize = 10;
/// Of services in a row so many are named.
const NAMES_SHOWN: usize = 4;
/// A name as long as names of services are, where more will come.
const NAME_SAMPLE: &str = "sixteen-letters-";
/// The narrowest column of an SQL answer.
const SQL_MIN: usize = 8;
/// A trace id takes much room: lists that do not need it show it on terminals at least this wide.
const TRACE_ID_NEEDS: usize = 140;
/// Counts beside a trace are shown on terminals at least this wide.
const COUNTS_NEED: usize = 100;

pub(crate) fn plain(text: &str) -> Cell {
    Cell::new(text, Tone::Plain)
}

pub(crate) fn dim(text: &str) -> Cell {
    Cell::new(text, Tone::Dim)
}

/// The columns of logs.
pub(crate) fn log_columns() -> Vec<Column> {
    vec![
        Column::new("TIME"),
        Column::new("LEVEL"),
        Column::new("SERVICE").shrinks_to(NAME_MIN),
        Column::new("TRACE").optional().needs_width(TRACE_ID_NEEDS),
        Column::new("BODY").shrinks_to(NAME_MIN),
    ]
}

/// A log as a row.
pub(crate) fn log(log: &Log) -> Vec<Cell> {
    let level = log.severity.as_deref().or(log.severity_text.as_deref()).unwrap_or("");
    vec![
        dim(&show(log.time)),
        Cell::new(level, severity(level)),
        plain(&log.service),
        dim(log.trace_id.as_deref().unwrap_or("")),
        plain(&log_text(log)),
    ]
}

/// A log as wide as logs are: as if its level were the longest, and its body took what a terminal leaves.
pub(crate) fn log_sample(width: Option<usize>) -> Vec<Cell> {
    let rest = "x".repeat(width.unwrap_or(0));
    vec![plain(""), plain("error"), plain(NAME_SAMPLE), plain(""), plain(&rest)]
}

/// A span as wide as spans are.
pub(crate) fn span_sample(width: Option<usize>) -> Vec<Cell> {
    let rest = "x".repeat(width.unwrap_or(0));
    vec![plain(""), plain("123.4 ms"), plain("unset"), plain(NAME_SAMPLE), plain(""), plain(&rest)]
}

/// What a log says: its body, else the name of its event.
pub(crate) fn log_text(log: &Log) -> String {
    match &log.body {
        Value::Null => log.event_name.clone().unwrap_or_default(),
        Value::String(text) if text.is_empty() => log.event_name.clone().unwrap_or_default(),
        body => scalar(body),
    }
}

/// The columns of spans.
pub(crate) fn span_columns() -> Vec<Column> {
    vec![
        Column::new("START"),
        Column::new("DURATION").right(),
        Column::new("STATUS"),
        Column::new("SERVICE").shrinks_to(NAME_MIN),
        Column::new("TRACE").needs_width(TRACE_ID_NEEDS),
        Column::new("NAME").shrinks_to(NAME_MIN),
    ]
}

/// A span as a row.
pub(crate) fn span(span: &Span) -> Vec<Cell> {
    vec![
        dim(&show(span.start)),
        plain(&duration(span.duration_ns)),
        Cell::new(&span.status, status(&span.status)),
        plain(&span.service),
        dim(&span.trace_id),
        plain(&span.name),
    ]
}

/// The columns of traces. The id is always there: it is what the next command asks for.
pub(crate) fn trace_columns() -> Vec<Column> {
    vec![
        Column::new("START"),
        Column::new("TRACE"),
        Column::new("DURATION").right(),
        Column::new("SPANS").right().needs_width(COUNTS_NEED),
        Column::new("ERRORS").right().needs_width(COUNTS_NEED),
        Column::new("ROOT").shrinks_to(NAME_MIN),
        Column::new("SERVICES").shrinks_to(NAME_MIN).needs_width(TRACE_ID_NEEDS),
    ]
}

/// A trace as a row.
pub(crate) fn trace(trace: &TraceSummary) -> Vec<Cell> {
    let failed = trace.status == "error" || trace.error_count > 0;
    vec![
        dim(&show(trace.start)),
        plain(&trace.trace_id),
        plain(&duration(trace.duration_ns)),
        plain(&trace.span_count.to_string()),
        Cell::new(&trace.error_count.to_string(), if trace.error_count > 0 { Tone::Bad } else { Tone::Dim }),
        Cell::new(
            &format!("{} {}", trace.root_service, trace.root_name),
            if failed { Tone::Bad } else { Tone::Plain },
        ),
        dim(&first_names(&trace.services)),
    ]
}

/// The columns of templates.
pub(crate) fn template_columns() -> Vec<Column> {
    vec![
        Column::new("COUNT").right(),
        Column::new("TREND").needs_width(COUNTS_NEED),
        Column::new("STATE"),
        Column::new("ID").needs_width(TRACE_ID_NEEDS),
        Column::new("SERVICES").shrinks_to(NAME_MIN),
        Column::new("TEMPLATE").shrinks_to(NAME_MIN),
    ]
}

/// A template as a row.
pub(crate) fn template(template: &Template) -> Vec<Cell> {
    let tone = match template.state.as_str() {
        "new" => Tone::Warn,
        "gone" => Tone::Dim,
        _ => Tone::Plain,
    };
    vec![
        plain(&template.count.to_string()),
        plain(&sparkline(&template.trend)),
        Cell::new(&template.state, tone),
        dim(&template.id),
        dim(&first_names(&template.services)),
        plain(&template.template),
    ]
}

/// The first names of a list, and how many more there are.
fn first_names(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

/// Counts as bars beside one another, a column each; nothing for none.
pub(crate) fn sparkline(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| match count {
        0 => ' ',
        count => BARS[((u128::from(*count) * BARS.len() as u128).div_ceil(u128::from(most)) - 1) as usize],
    };
    counts.iter().map(bar).collect()
}

/// The columns of services.
pub(crate) fn service_columns() -> Vec<Column> {
    vec![
        Column::new("SERVICE").shrinks_to(NAME_MIN),
        Column::new("NAMESPACE").optional().shrinks_to(NAME_MIN),
        Column::new("ENVIRONMENT").optional().shrinks_to(NAME_MIN),
        Column::new("CALLS").right(),
        Column::new("RATE/S").right(),
        Column::new("ERRORS").right(),
        Column::new("P50").right(),
        Column::new("P95").right(),
        Column::new("P99").right(),
        Column::new("INSTANCES").right().needs_width(COUNTS_NEED),
        Column::new("VERSIONS").optional().shrinks_to(NAME_MIN).needs_width(COUNTS_NEED),
    ]
}

/// A service as a row.
pub(crate) fn service(service: &Service) -> Vec<Cell> {
    vec![
        Cell::new(&service.name, Tone::Strong),
        plain(service.namespace.as_deref().unwrap_or("")),
        plain(service.environment.as_deref().unwrap_or("")),
        plain(&amount(service.calls)),
        plain(&three_digits(service.rate_per_s)),
        errors(service.errors, service.error_ratio),
        quantile(service.p50_ns),
        quantile(service.p95_ns),
        quantile(service.p99_ns),
        plain(&service.instances.to_string()),
        dim(&service.versions.join(", ")),
    ]
}

/// A duration that is known or not.
pub(crate) fn quantile(nanos: Option<f64>) -> Cell {
    plain(&nanos.map(|nanos| duration(nanos as i64)).unwrap_or_default())
}

/// The share of errors.
pub(crate) fn errors(errors: f64, ratio: f64) -> Cell {
    Cell::new(&format!("{:.2} %", ratio * 100.0), if errors > 0.0 { Tone::Bad } else { Tone::Dim })
}

/// A count that sampling may have made a fraction of.
pub(crate) fn amount(count: f64) -> String {
    if count.fract() == 0.0 { format!("{count:.0}") } else { format!("{count:.1}") }
}

/// The columns of an SQL answer; those that hold nothing but numbers stand at the right.
pub(crate) fn sql_columns(names: &[String], rows: &[Vec<Value>]) -> Vec<Column> {
    let mut columns: Vec<Column> = names.iter().map(|name| Column::new(name).shrinks_to(SQL_MIN)).collect();
    for (at, column) in columns.iter_mut().enumerate() {
        let mut values =
            rows.iter().filter_map(|row| row.get(at)).filter(|value| !value.is_null()).peekable();
        column.right = values.peek().is_some() && values.all(Value::is_number);
        if column.right {
            // A number that is cut reads as another number.
            column.shrinks_to = None;
        }
    }
    columns
}

/// A row of an SQL answer.
pub(crate) fn sql_row(row: &[Value]) -> Vec<Cell> {
    row.iter().map(|value| if value.is_null() { dim("null") } else { plain(&scalar(value)) }).collect()
}

/// A value as text: strings as they are, nested values as JSON.
pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(cells: Vec<Cell>) -> Vec<String> {
        cells.into_iter().map(|cell| cell.text).collect()
    }

    #[test]
    fn a_service_is_shown_in_human_units() {
        let row: Service = serde_json::from_value(json!({
            "name": "cart", "namespace": null, "environment": "prod", "calls": 1200.0, "errors": 3.0,
            "rate_per_s": 1.3333, "error_ratio": 0.0025, "p50_ns": 1_230_000.0, "p95_ns": 45_600_000.0,
            "p99_ns": null, "instances": 2, "versions": ["1.0", "1.1"],
        }))
        .unwrap();
        assert_eq!(
            texts(service(&row)),
            ["cart", "", "prod", "1200", "1.33", "0.25 %", "1.23 ms", "45.6 ms", "", "2", "1.0, 1.1"]
        );
    }

    #[test]
    fn counts_are_drawn_as_bars() {
        for (counts, bars) in [
            (vec![], ""),
            (vec![0, 0], "  "),
            (vec![1], "█"),
            (vec![0, 1, 4, 8, 1000], " ▁▁▁█"),
            (vec![1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
            (vec![u64::MAX, 1], "█▁"),
        ] {
            assert_eq!(sparkline(&counts), bars);
        }
    }

    #[test]
    fn a_log_without_body_shows_its_event() {
        let log = |body: Value, event: Value| -> Log {
            serde_json::from_value(json!({
                "id": "1", "time": "0", "observed_time": null, "severity": null, "severity_number": null,
                "severity_text": null, "body": body, "service": "s", "instance": null, "trace_id": null,
                "span_id": null, "event_name": event, "attributes": {}, "resource": {},
                "scope": {"name": null, "version": null, "attributes": {}},
            }))
            .unwrap()
        };
        for (body, event, text) in [
            (json!("hello"), json!("e"), "hello"),
            (json!(""), json!("e"), "e"),
            (json!(null), json!(null), ""),
            (json!({"a": [1, "b"]}), json!(null), "{\"a\":[1,\"b\"]}"),
            (json!(0), json!("e"), "0"),
        ] {
            assert_eq!(log_text(&log(body, event)), text);
        }
    }

    #[test]
    fn columns_of_numbers_stand_at_the_right() {
        let rows = vec![vec![json!(1), json!("a"), json!(null)], vec![json!(null), json!(2), json!(null)]];
        let columns = sql_columns(&["n".into(), "mixed".into(), "empty".into()], &rows);
        assert_eq!(columns.iter().map(|column| column.right).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(texts(sql_row(&rows[0])), ["1", "a", "null"]);
    }
}
