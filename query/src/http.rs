//! The query API over HTTP. Who asks stands in the request's extensions as a [`Reader`]; the program puts it
//! there.

mod params;
mod answer;
mod tail;
mod outline;
mod compare;
mod export;
mod exposition;
mod sql;
mod prometheus;

use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use model::Reader;
use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::{Engine, GraphQuestion, HOPS_MAX, Search, ServiceQuestion};
use crate::error::QueryError;
use crate::rows::Page;
pub use answer::{Failure, json_answer, request_id};
pub use params::Params;
pub use sql::sql_rows;

/// The longest body of a question in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The routes of the query API.
pub fn router(engine: Engine) -> Router {
    Router::new()
        .route("/api/logs", get(logs))
        .route("/api/logs/{id}", get(log))
        .route("/api/spans", get(spans))
        .route("/api/traces", get(traces))
        .route("/api/traces/{id}", get(trace))
        .route("/api/traces/{id}/outline", get(outline::outline))
        .route("/api/traces/{id}/rows", get(outline::rows))
        .route("/api/traces/{id}/find", get(outline::find))
        .route("/api/traces/{id}/size", get(outline::size))
        .route("/api/traces/{id}/otlp", get(export::trace))
        .route("/api/export", get(export::export))
        .route("/api/complete", get(complete))
        .route("/api/templates", get(templates))
        .route("/api/services", get(services))
        .route("/api/services/{name}", get(service))
        .route("/api/graph", get(graph))
        .route("/api/compare", get(compare::compare))
        .route("/api/status", get(status))
        .route("/api/sql", post(sql::sql))
        .route("/api/tail", get(tail::tail))
        .route("/api/compact", post(compact))
        .route("/api/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .merge(prometheus::routes())
        .route("/metrics", get(exposition::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(engine)
}

type Answer = Result<Response, Failure>;

const SEARCH: [&str; 7] = ["q", "from", "to", "limit", "cursor", "facets", "histogram"];

async fn logs(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let search = Params::read(query.as_deref(), &SEARCH)?.search()?;
    let page = engine.logs(&reader, &search).await.map_err(|error| Failure::in_search(error, &search.q))?;
    page_answer("logs", page)
}

async fn log(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let question = Params::read(query.as_deref(), &["around", "by", "time"])?.context(&id)?;
    let answer = engine.context(&reader, question).await?;
    let body = json!({
        "log": answer.log,
        "before": answer.before,
        "after": answer.after,
        "more_before": answer.more_before,
        "more_after": answer.more_after,
        "probable_spans": answer.probable_spans,
        "stats": answer.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

async fn spans(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let search = Params::read(query.as_deref(), &SEARCH)?.search()?;
    let page = engine.spans(&reader, &search).await.map_err(|error| Failure::in_search(error, &search.q))?;
    page_answer("spans", page)
}

async fn traces(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let search: Search = Params::read(query.as_deref(), &SEARCH)?.search()?;
    let page = engine.traces(&reader, &search).await.map_err(|error| Failure::in_search(error, &search.q))?;
    page_answer("traces", page)
}

/// A page of rows under the name of their kind, with what was counted beside it.
fn page_answer<T: Serialize>(kind: &str, page: Page<T>) -> Answer {
    let mut body = json!({ kind: page.rows, "cursor": page.cursor, "stats": page.stats });
    let extras = [
        ("total", page.total.map(Value::from)),
        ("facets", page.facets.map(|facets| json!(facets))),
        ("histogram", page.histogram.map(|histogram| json!(histogram))),
    ];
    for (key, value) in extras {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    Ok(json_answer(StatusCode::OK, &body))
}

async fn trace(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(id): Path<String>,
) -> Answer {
    let trace = engine.trace(&reader, params::trace_id(&id)?).await?;
    Ok(json_answer(StatusCode::OK, &trace))
}

async fn complete(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let question = Params::read(query.as_deref(), &["q", "at", "signal", "from", "to"])?.completion()?;
    let answer = engine.complete(&reader, &question).await?;
    Ok(json_answer(StatusCode::OK, &answer))
}

async fn templates(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let search = Params::read(query.as_deref(), &["q", "from", "to", "limit", "cursor"])?.search()?;
    let answer =
        engine.templates(&reader, &search).await.map_err(|error| Failure::in_search(error, &search.q))?;
    let time = |time: Option<model::UnixNanos>| time.map(|time| time.to_string());
    let body = json!({
        "templates": answer.templates,
        "templates_total": answer.templates_total,
        "total": answer.total,
        "without_template": answer.without,
        "from": time(answer.range.from),
        "to": time(answer.range.to),
        "cursor": answer.cursor,
        "stats": answer.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

async fn services(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let range = Params::read(query.as_deref(), &["from", "to"])?.range()?;
    let answer = engine.services(&reader, range).await?;
    let body = json!({
        "services": answer.services,
        "from": end(answer.range.from),
        "to": end(answer.range.to),
        "stats": answer.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

async fn service(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::read(query.as_deref(), &["namespace", "environment", "from", "to"])?;
    let question = ServiceQuestion {
        name,
        namespace: params.text("namespace"),
        environment: params.text("environment"),
        range: params.range()?,
    };
    let answer = engine.service(&reader, &question).await?;
    let body = json!({
        "service": answer.service,
        "merged": answer.merged,
        "operations": answer.operations,
        "edges": answer.edges,
        "instances": answer.instances,
        "series": answer.series,
        "heat": answer.heat,
        "versions": answer.versions,
        "step_ns": answer.step_ns,
        "from": end(answer.range.from),
        "to": end(answer.range.to),
        "stats": answer.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

async fn graph(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::read(query.as_deref(), &["from", "to", "service", "hops"])?;
    let service = params.text("service");
    if service.is_none() && params.text("hops").is_some() {
        return Err(QueryError::invalid("hops are counted from a service: name one").into());
    }
    let hops = params.number("hops", HOPS_MAX)?.unwrap_or(1);
    let question = GraphQuestion { range: params.range()?, service, hops };
    let answer = engine.graph(&reader, &question).await?;
    let body = json!({
        "nodes": answer.nodes,
        "edges": answer.edges,
        "from": end(answer.range.from),
        "to": end(answer.range.to),
        "stats": answer.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

/// An end of a range as answers have it.
fn end(time: Option<model::UnixNanos>) -> Option<String> {
    time.map(|time| time.to_string())
}

async fn status(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    Params::read(query.as_deref(), &[])?;
    Ok(json_answer(StatusCode::OK, &engine.status(&reader).await?))
}

async fn compact(State(engine): State<Engine>, Extension(_): Extension<Reader>) -> Answer {
    engine.compact().await?;
    Ok(json_answer(StatusCode::OK, &json!({ "done": true })))
}

/// Ready, or why a supervisor should restart the program.
async fn ready(State(engine): State<Engine>) -> Response {
    match engine.broken() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn unknown(uri: axum::http::Uri) -> Failure {
    QueryError::NotFound(format!("there is no {} here", uri.path())).into()
}

async fn wrong_method(method: Method, uri: axum::http::Uri) -> Failure {
    QueryError::Method(format!("{method} is not how {} is asked", uri.path())).into()
}
