//! `services NAME`: one service as tables, one below the other: its calls over time, its operations, whom it calls
//! and who calls it, its instances.

use query::rows::{Edge, Instance, Operation, Point, Service, ServiceKey, Stats};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{self, Object, field, misread};
use super::error::ClientError;
use super::output::{Output, csv_lines, csv_rows, notice};
use super::source::Source;
use super::table::{Cell, Column, Table};
use super::text::{Tone, visible};
use super::times::{self, duration, three_digits};
use super::views::{NAME_MIN, amount, dim, errors, plain, quantile, sparkline};
use super::{Outcome, ask, cost, parse, warn_partial, whole};
use crate::cli::{Format, ServicesArgs};

/// The most columns that a series is drawn in.
const SERIES_COLUMNS_MAX: i64 = 60;
/// The lists of an answer: the key, what one of its rows is, and the keys of a row in the order of CSV.
const LISTS: [(&str, &str, &[&str]); 4] = [
    (
        "operations",
        "operation",
        &["name", "kind", "calls", "errors", "rate_per_s", "error_ratio", "p50_ns", "p95_ns", "p99_ns"],
    ),
    ("edges", "edge", &["from", "to", "kind", "calls", "errors", "p95_ns"]),
    (
        "instances",
        "instance",
        &["name", "version", "calls", "errors", "error_ratio", "p50_ns", "p95_ns", "p99_ns"],
    ),
    ("series", "point", &["time", "calls", "errors", "p95_ns"]),
];

/// An answer of `/api/services/{name}`.
#[derive(Deserialize)]
struct Detail {
    service: Service,
    merged: Vec<ServiceKey>,
    operations: Vec<Operation>,
    edges: Vec<Edge>,
    instances: Vec<Instance>,
    series: Vec<Point>,
    step_ns: i64,
}

/// Asks for one service and shows it.
pub(super) fn show(
    source: &Source,
    name: &str,
    args: &ServicesArgs,
    output: &mut Output,
) -> Result<Outcome, ClientError> {
    let connection = &args.connection;
    let mut params = args.times.params();
    params.extend(args.namespace.clone().map(|namespace| ("namespace", namespace)));
    params.extend(args.environment.clone().map(|environment| ("environment", environment)));
    let path = format!("/api/services/{}", segment(name));
    let body = ask(&format!("asking {}", source.name()), "", || source.get(&path, &params))?;
    match connection.format {
        Format::Json => whole(output, &body, source)?,
        Format::Ndjson | Format::Csv => rows(&body, source, connection.format, output)?,
        Format::Table => {
            let detail: Detail = parse(&body, source.name())?;
            tables(&detail, output)?;
            output.flush()?;
            if detail.merged.len() > 1 {
                let message = format!(
                    "{} services of this name, taken together; --namespace and --environment tell them apart",
                    detail.merged.len()
                );
                notice(connection.color, Tone::Dim, "merged:", &message);
            }
        }
    }
    output.flush()?;
    let stats = stats(&body, source)?;
    warn_partial(stats.partial.as_ref(), connection.color);
    cost(connection.color, &stats);
    Ok(Outcome::Found)
}

/// A name as one part of a path.
pub(super) fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn stats(body: &[u8], source: &Source) -> Result<Stats, ClientError> {
    let read = || -> serde_json::Result<Option<Stats>> { field(&serde_json::from_slice(body)?, "stats") };
    Ok(read().map_err(|error| misread(source.name(), &error))?.unwrap_or_default())
}

/// All rows of an answer, each with what it is.
fn rows(body: &[u8], source: &Source, format: Format, output: &mut Output) -> Result<(), ClientError> {
    let read = || -> serde_json::Result<Vec<Vec<&RawValue>>> {
        let object: Object<'_> = serde_json::from_slice(body)?;
        LISTS.iter().map(|(key, ..)| field(&object, key)).collect()
    };
    let lists = read().map_err(|error| misread(source.name(), &error))?;
    match format {
        Format::Csv => csv(&lists, output)?,
        _ => {
            for ((_, word, _), rows) in LISTS.iter().zip(&lists) {
                let told = rows.iter().map(|row| with_word(word, row)).collect::<Result<Vec<_>, _>>();
                let told = told.map_err(|error| misread(source.name(), &error))?;
                answer::ndjson(&told.iter().map(AsRef::as_ref).collect::<Vec<_>>(), output)?;
            }
        }
    }
    Ok(())
}

/// A row as it came, with what it is in front.
fn with_word(word: &str, row: &RawValue) -> serde_json::Result<Box<RawValue>> {
    let rest = row.get().trim_start().trim_start_matches('{');
    RawValue::from_string(format!("{{\"row\":\"{word}\",{rest}"))
}

/// The rows in the columns of all lists.
fn csv(lists: &[Vec<&RawValue>], output: &mut Output) -> Result<(), ClientError> {
    let mut keys: Vec<&str> = Vec::new();
    for key in LISTS.iter().flat_map(|(.., keys)| *keys) {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    output.data(&csv_lines([std::iter::once(&"row").chain(&keys)])?)?;
    for ((_, word, _), rows) in LISTS.iter().zip(lists) {
        let (word, rows) = (Value::from(*word), answer::fields(rows)?);
        let lines = rows.iter().map(|row| {
            let cells = keys.iter().map(|key| row.get(*key).unwrap_or(&Value::Null));
            std::iter::once(&word).chain(cells)
        });
        output.data(&csv_rows(lines)?)?;
    }
    Ok(())
}

fn tables(detail: &Detail, output: &mut Output) -> Result<(), ClientError> {
    output.line(&heading(&detail.service))?;
    let (columns, rows) = series(&detail.series, detail.step_ns);
    table(columns, &rows, output)?;
    let rows: Vec<_> = detail.operations.iter().map(operation).collect();
    table(operation_columns(), &rows, output)?;
    let rows: Vec<_> = detail.edges.iter().map(edge).collect();
    table(edge_columns(), &rows, output)?;
    let rows: Vec<_> = detail.instances.iter().map(instance).collect();
    table(instance_columns(), &rows, output)
}

/// A table after an empty line; nothing without rows.
pub(super) fn table(
    columns: Vec<Column>,
    rows: &[Vec<Cell>],
    output: &mut Output,
) -> Result<(), ClientError> {
    if rows.is_empty() {
        return Ok(());
    }
    output.line("")?;
    Ok(Table::write(columns, rows, output)?)
}

/// The service in one line.
fn heading(service: &Service) -> String {
    let mut words = vec![visible(&service.name).into_owned()];
    for (word, value) in [("namespace", &service.namespace), ("environment", &service.environment)] {
        words.extend(value.iter().map(|value| format!("{word} {}", visible(value))));
    }
    if !service.versions.is_empty() {
        words.push(format!("versions {}", visible(&service.versions.join(", "))));
    }
    words.push(format!("{} calls", amount(service.calls)));
    words.push(format!("{}/s", three_digits(service.rate_per_s)));
    words.push(format!("{:.2} % errors", service.error_ratio * 100.0));
    for (word, nanos) in [("p50", service.p50_ns), ("p95", service.p95_ns), ("p99", service.p99_ns)] {
        words.extend(nanos.map(|nanos| format!("{word} {}", duration(nanos as i64))));
    }
    words.join(", ")
}

/// Calls, errors and the slowest p95 over time, so many steps a column that it fits.
fn series(points: &[Point], step_ns: i64) -> (Vec<Column>, Vec<Vec<Cell>>) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return (Vec::new(), Vec::new()) };
    let step = step_ns.max(1);
    let steps = last.time.saturating_sub(first.time).max(0) / step + 1;
    let width = ((steps - 1) / SERIES_COLUMNS_MAX + 1).saturating_mul(step);
    let count = usize::try_from(last.time.saturating_sub(first.time).max(0) / width + 1).unwrap_or(1);
    let mut drawn = [vec![0.0; count], vec![0.0; count], vec![0.0; count]];
    for point in points {
        let at = usize::try_from(point.time.saturating_sub(first.time) / width).unwrap_or(0).min(count - 1);
        drawn[0][at] += point.calls;
        drawn[1][at] += point.errors;
        drawn[2][at] = point.p95_ns.unwrap_or(0.0).max(drawn[2][at]);
    }
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let bars =
        |values: &[f64]| sparkline(&values.iter().map(|value| value.ceil() as u64).collect::<Vec<_>>());
    let shown = [
        (Tone::Plain, "calls", amount(most(&drawn[0]))),
        (Tone::Bad, "errors", amount(most(&drawn[1]))),
        (Tone::Plain, "p95", duration(most(&drawn[2]) as i64)),
    ];
    let rows = shown
        .into_iter()
        .zip(&drawn)
        .map(|((tone, word, most), values)| vec![plain(word), plain(&most), Cell::new(&bars(values), tone)]);
    let title =
        format!("{} to {}, {} a column", times::show(first.time), times::show(last.time), duration(width));
    let columns =
        vec![Column::new("SERIES"), Column::new("MOST").right(), Column::new(title).shrinks_to(NAME_MIN)];
    (columns, rows.collect())
}

fn operation_columns() -> Vec<Column> {
    vec![
        Column::new("OPERATION").shrinks_to(NAME_MIN),
        Column::new("KIND"),
        Column::new("CALLS").right(),
        Column::new("RATE/S").right(),
        Column::new("ERRORS").right(),
        Column::new("P50").right(),
        Column::new("P95").right(),
        Column::new("P99").right(),
    ]
}

fn operation(operation: &Operation) -> Vec<Cell> {
    vec![
        plain(&operation.name),
        dim(&operation.kind),
        plain(&amount(operation.calls)),
        plain(&three_digits(operation.rate_per_s)),
        errors(operation.errors, operation.error_ratio),
        quantile(operation.p50_ns),
        quantile(operation.p95_ns),
        quantile(operation.p99_ns),
    ]
}

fn edge_columns() -> Vec<Column> {
    vec![
        Column::new("FROM").shrinks_to(NAME_MIN),
        Column::new("TO").shrinks_to(NAME_MIN),
        Column::new("HOW"),
        Column::new("CALLS").right(),
        Column::new("ERRORS").right(),
        Column::new("P95").right(),
    ]
}

fn edge(edge: &Edge) -> Vec<Cell> {
    let ratio = if edge.calls > 0.0 { edge.errors / edge.calls } else { 0.0 };
    vec![
        plain(&edge.from),
        plain(&edge.to),
        dim(&edge.kind),
        plain(&amount(edge.calls)),
        errors(edge.errors, ratio),
        quantile(edge.p95_ns),
    ]
}

fn instance_columns() -> Vec<Column> {
    vec![
        Column::new("INSTANCE").shrinks_to(NAME_MIN),
        Column::new("VERSION").optional().shrinks_to(NAME_MIN),
        Column::new("CALLS").right(),
        Column::new("ERRORS").right(),
        Column::new("P50").right(),
        Column::new("P95").right(),
        Column::new("P99").right(),
    ]
}

fn instance(instance: &Instance) -> Vec<Cell> {
    vec![
        instance.name.as_deref().map_or_else(|| dim("none named"), plain),
        plain(instance.version.as_deref().unwrap_or("")),
        plain(&amount(instance.calls)),
        errors(instance.errors, instance.error_ratio),
        quantile(instance.p50_ns),
        quantile(instance.p95_ns),
        quantile(instance.p99_ns),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cells: &[Cell]) -> Vec<&str> {
        cells.iter().map(|cell| cell.text.as_str()).collect()
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for (name, expected) in [
            ("cart", "cart"),
            ("a/b c", "a%2Fb%20c"),
            ("..", "%2E%2E"),
            ("é?#%", "%C3%A9%3F%23%25"),
            ("Az09-_~", "Az09-_~"),
        ] {
            assert_eq!(segment(name), expected);
        }
    }

    #[test]
    fn a_series_is_drawn_as_wide_as_there_is_room() {
        let minute = 60_000_000_000;
        let point =
            |at: i64, calls: f64, errors: f64| Point { time: at * minute, calls, errors, p95_ns: Some(2e6) };
        let (columns, rows) = series(&[point(0, 4.0, 0.0), point(1, 8.0, 1.5), point(3, 1.0, 0.0)], minute);
        assert_eq!(
            columns[2].title,
            format!("{} to {}, 1 min 0 s a column", times::show(0), times::show(3 * minute))
        );
        let rows: Vec<_> = rows.iter().map(|row| texts(row)).collect();
        assert_eq!(rows, [["calls", "8", "▄█ ▁"], ["errors", "1.5", " █  "], ["p95", "2.00 ms", "██ █"]]);
        // A week in minutes.
        let many: Vec<Point> = (0..7 * 1440).map(|at| point(at, 1.0, 0.0)).collect();
        let (_, rows) = series(&many, minute);
        assert_eq!(rows[0][2].text, "█".repeat(60));
        assert_eq!(rows[0][1].text, "168");
        assert!(series(&[], minute).1.is_empty());
        // Times out of order, and steps of nothing, draw something and do not end the program.
        assert_eq!(series(&[point(5, 1.0, 0.0), point(1, 1.0, 0.0)], 0).1.len(), 3);
    }

    #[test]
    fn rows_say_what_they_are() {
        let row = RawValue::from_string(" {\"name\":\"a\"}".to_owned()).unwrap();
        assert_eq!(with_word("edge", &row).unwrap().get(), "{\"row\":\"edge\",\"name\":\"a\"}");
    }
}
