//! `/sql`: a read-only query, its rows as a table or its plan, and the rows as a file. The query stands in the address.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderValue};
use model::Reader;
use query::{QueryError, RowFormat, SqlAnswer};
use serde_json::Value;

use crate::Ui;
use crate::address::{self, Address};
use crate::copy::{self, CopyAs};
use crate::format::{Moment, count, counted, first_line};
use crate::named::Named;
use crate::pages::respond;
use crate::params::BadParameter;
use crate::problem::{Problem, WrongQuery, html};
use crate::visit::{Frame, Section, Visit};

/// How many rows are shown; all of them are in the file.
const ROWS_MAX: usize = 1_000;
/// The most characters of a cell that stand open.
const CELL_CHARS_MAX: usize = 200;
/// Queries to begin with.
const EXAMPLES: [(&str, &str); 5] = [
    (
        "Errors by service and operation",
        "SELECT service_name, operation, sum(calls) AS calls, sum(errors) AS errors,\n       quantile_merge(duration, 0.95) / 1e6 AS p95_ms\nFROM red\nWHERE entry\nGROUP BY service_name, operation\nORDER BY errors DESC\nLIMIT 50",
    ),
    (
        "Slowest traces",
        "SELECT trace_id, start_time, root_service, root_name, duration_ns / 1e6 AS ms, span_count, error_count\nFROM traces\nORDER BY duration_ns DESC\nLIMIT 50",
    ),
    (
        "Newest error logs",
        "SELECT time, service_name, body, trace_id\nFROM logs\nWHERE severity_number >= 17\nORDER BY time DESC\nLIMIT 100",
    ),
    (
        "An attribute's values",
        "SELECT attr('http.route') AS route, count(*) AS spans, avg(duration_ns) / 1e6 AS avg_ms\nFROM spans\nWHERE attr('http.route') IS NOT NULL\nGROUP BY route\nORDER BY spans DESC",
    ),
    ("Columns of all tables", WORDS),
];
/// What completion offers: tables with their columns.
const WORDS: &str = "SELECT table_name, column_name, data_type\nFROM information_schema.columns\nWHERE table_schema = 'public'\nORDER BY table_name, ordinal_position";

#[derive(Template)]
#[template(path = "sql.html")]
struct SqlPage {
    frame: Frame,
    q: String,
    plan: bool,
    copy: CopyAs,
    /// Title and address.
    examples: Vec<(&'static str, String)>,
    wrong: Option<WrongQuery>,
    /// What else went wrong: the query may be right.
    failed: Option<String>,
    answer: Option<Answer>,
}

/// Rows of a query.
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    summary: String,
    cost: String,
    partial: Option<String>,
    /// Text and address.
    files: [(&'static str, String); 2],
}

struct Column {
    name: String,
    kind: String,
    is_number: bool,
}

/// A value of the table.
#[derive(Debug, PartialEq)]
enum Cell {
    Null,
    Number(String),
    Time(Moment),
    Trace(String, String),
    Text(String),
    /// The beginning of a long text, and all of it.
    Long(String, String),
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

/// Answers a file of rows: `rows.csv` or `rows.ndjson`.
pub(crate) async fn file(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    Named(name): Named,
    visit: Visit,
) -> Response {
    respond(rows(&ui, &reader, &visit, &name).await, &visit, &ui)
}

/// Answers what the completion of the page asks for: tables, columns and types.
pub(crate) async fn words(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    match ui.engine.sql(&reader, WORDS).await {
        Ok(answer) => {
            ([(CACHE_CONTROL, "private, max-age=300")], Json(answer.first_rows(usize::MAX))).into_response()
        }
        Err(error) => Problem::from(error).response(&visit, ui.version),
    }
}

async fn rows(ui: &Ui, reader: &Reader, visit: &Visit, name: &str) -> Result<Response, Problem> {
    let (format, file) = match name {
        "rows.csv" => (RowFormat::Csv, "attachment; filename=\"rows.csv\""),
        "rows.ndjson" => (RowFormat::Ndjson, "attachment; filename=\"rows.ndjson\""),
        _ => return Err(Problem::NoPage(format!("/sql/{name}"))),
    };
    let mut response = query::sql_rows(&ui.engine, reader, visit.params.text("q")?, format).await?;
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(file));
    Ok(response)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let (q, plan) = asked(visit)?;
    let page = view(visit, ui.version, q, plan);
    if q.trim().is_empty() {
        return html(&page);
    }
    let sql = if plan { format!("EXPLAIN {q}") } else { q.to_owned() };
    let found = ui.engine.sql(reader, &sql).await;
    let status = found.as_ref().err().map(|error| error.code().0);
    let shift = sql.len() - q.len();
    let page = html(&answered(page, found, shift))?;
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    Ok(match status {
        Some(status) => (status, page).into_response(),
        None => page,
    })
}

/// The query of the address, and whether its plan is wanted.
fn asked(visit: &Visit) -> Result<(&str, bool), BadParameter> {
    Ok((visit.params.text("q")?, visit.params.choice("as", &[("rows", false), ("plan", true)])?))
}

fn view(visit: &Visit, version: &'static str, q: &str, plan: bool) -> SqlPage {
    let sql = if plan { format!("EXPLAIN {q}") } else { q.to_owned() };
    let body = serde_json::json!({ "sql": sql }).to_string();
    let curl = format!("curl http://{}/api/sql -d {}", visit.authority, copy::quoted(&body));
    let examples =
        EXAMPLES.iter().map(|(title, sql)| (*title, Address::new("/sql").with("q", sql).to_string()));
    SqlPage {
        frame: visit.frame("SQL", Section::Sql, version),
        q: q.to_owned(),
        plan,
        copy: CopyAs::timeless(visit)
            .form("curl", curl)
            .form("causeway", format!("causeway sql {}", copy::quoted(&sql)))
            .form("SQL", sql),
        examples: examples.collect(),
        wrong: None,
        failed: None,
        answer: None,
    }
}

/// The page with what the engine answered. `shift` bytes stand before the reader's query.
fn answered(mut page: SqlPage, found: Result<SqlAnswer, QueryError>, shift: usize) -> SqlPage {
    match found {
        Ok(answer) => page.answer = Some(Answer::new(&page.q, &answer)),
        Err(QueryError::Bad { message, position, expected }) => {
            let position = position.map(|position| position.saturating_sub(shift));
            page.wrong = WrongQuery::of(&page.q, &QueryError::Bad { message, position, expected });
        }
        Err(error) => page.failed = Some(error.to_string()),
    }
    page
}

impl Answer {
    fn new(q: &str, answer: &SqlAnswer) -> Self {
        let columns: Vec<Column> = answer
            .columns()
            .into_iter()
            .map(|(name, kind)| Column {
                is_number: matches!(kind.as_str(), "bigint" | "double"),
                name,
                kind,
            })
            .collect();
        let (rows, all) = (answer.first_rows(ROWS_MAX), answer.row_count());
        let shown = match all > rows.len() {
            true => format!("the first {} of {}", count(rows.len() as u64), counted(all as u64, "row")),
            false => counted(all as u64, "row"),
        };
        let rows = rows.into_iter().map(|row| {
            let cells = row.into_iter().zip(&columns);
            cells.map(|(value, column)| Cell::new(value, column)).collect()
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        let stats = &answer.stats;
        Self {
            rows,
            summary: format!("{shown}, {}", counted(columns.len() as u64, "column")),
            cost: format!("read {} in {} ms", counted(stats.rows_scanned, "row"), count(stats.elapsed_ms)),
            partial: stats.partial.as_ref().map(|partial| partial.reason.clone()),
            files: [("CSV", "csv"), ("NDJSON", "ndjson")].map(|(text, ending)| {
                (text, Address::new(format!("/sql/rows.{ending}")).with("q", q).to_string())
            }),
            columns,
        }
    }
}

impl Cell {
    fn new(value: Value, column: &Column) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::of_text(text, column),
            Value::Bool(truth) => Self::Text(truth.to_string()),
            nested => Self::of_text(nested.to_string(), column),
        }
    }

    fn of_text(text: String, column: &Column) -> Self {
        if column.is_number {
            return Self::Number(text);
        }
        if column.kind == "timestamp"
            && let Some(nanos) = crate::range::nanos_of(&text)
        {
            return Self::Time(Moment::full(nanos));
        }
        let is_trace = column.kind == "id" && text.parse::<model::TraceId>().is_ok();
        if is_trace {
            return Self::Trace(address::trace(&text).to_string(), text);
        }
        if text.contains('\n') || text.chars().nth(CELL_CHARS_MAX).is_some() {
            return Self::Long(first_line(&text, CELL_CHARS_MAX), text);
        }
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pages::checks;
    use crate::sample::HOSTILE;

    fn column(kind: &str) -> Column {
        Column {
            name: HOSTILE.to_owned(),
            kind: kind.to_owned(),
            is_number: matches!(kind, "bigint" | "double"),
        }
    }

    #[test]
    fn cells_are_shown_by_their_types() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        for (value, kind, expected) in [
            (json!(null), "text", Cell::Null),
            (json!(1.5), "double", Cell::Number("1.5".to_owned())),
            (json!("9007199254740993"), "bigint", Cell::Number("9007199254740993".to_owned())),
            (
                json!("2023-11-14T22:13:20.000000001Z"),
                "timestamp",
                Cell::Time(Moment::full(1_700_000_000_000_000_001)),
            ),
            (json!(id), "id", Cell::Trace(format!("/traces/{id}"), id.to_owned())),
            (json!("b7ad6b7169203331"), "id", Cell::Text("b7ad6b7169203331".to_owned())),
            (json!({"a": 1}), "map", Cell::Text("{\"a\":1}".to_owned())),
            (json!(true), "bool", Cell::Text("true".to_owned())),
            (json!("a\nb"), "text", Cell::Long("a…".to_owned(), "a\nb".to_owned())),
        ] {
            assert_eq!(Cell::new(value.clone(), &column(kind)), expected, "{value} {kind}");
        }
    }

    #[test]
    fn the_page_without_a_query_has_examples() {
        let page = view(&checks::visit("/sql"), "0.1.0", "", false).render().unwrap();
        checks::is_sound("sql-empty", &page);
        assert!(page.contains("Slowest traces") && page.contains("href=\"/sql?q=SELECT%20"), "{page}");
    }

    #[test]
    fn rows_and_errors_are_text() {
        let answer = Answer {
            columns: vec![column("text"), column("bigint")],
            rows: vec![
                vec![Cell::Text(HOSTILE.to_owned()), Cell::Long(HOSTILE.to_owned(), HOSTILE.to_owned())],
                vec![Cell::Null, Cell::Number("1".to_owned())],
            ],
            summary: "2 rows".to_owned(),
            cost: String::new(),
            partial: Some("30 s passed".to_owned()),
            files: [("CSV", "/sql/rows.csv?q=x".to_owned()), ("NDJSON", "/sql/rows.ndjson?q=x".to_owned())],
        };
        let bare = || view(&checks::visit("/sql?q=x"), "0.1.0", HOSTILE, false);
        let page = SqlPage { answer: Some(answer), ..bare() }.render().unwrap();
        checks::is_sound("sql", &page);
        assert!(page.contains("partial: 30 s passed") && page.contains("/sql/rows.csv?q=x"), "{page}");
        let wrong = QueryError::bad("no", 8 + 3, &["a table"]);
        let page = answered(bare(), Err(wrong), 8).render().unwrap();
        checks::is_sound("sql-wrong", &page);
        assert!(page.contains("<mark>"), "{page}");
        let page = answered(bare(), Err(QueryError::Timeout("30 s passed".to_owned())), 0).render().unwrap();
        checks::is_sound("sql-failed", &page);
        assert!(page.contains("30 s passed"));
    }

    #[test]
    fn wrong_parameters_are_named() {
        for address in ["/sql?as=pink", "/sql?q=a&q=b"] {
            assert!(asked(&checks::visit(address)).is_err(), "{address}");
        }
    }
}
