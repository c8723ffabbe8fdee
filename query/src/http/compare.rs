//! `GET /api/compare`: spans against spans, or a trace against a trace.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use model::{Reader, TraceId};
use serde_json::{Value, json};

use super::answer::{Failure, json_answer};
use super::params::Params;
use super::{Answer, end};
use crate::LIMIT_DEFAULT;
use crate::engine::{CompareQuestion, DIFFERENCES_MAX, Engine, SpanBox};
use crate::error::QueryError;

const KNOWN: [&str; 12] =
    ["q", "from", "to", "low", "high", "vs_from", "vs_to", "vs_low", "vs_high", "limit", "trace", "vs_trace"];

pub(super) async fn compare(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
) -> Answer {
    let params = Params::read(query.as_deref(), &KNOWN)?;
    match (trace(&params, "trace")?, trace(&params, "vs_trace")?) {
        (None, None) => attributes(&engine, &reader, &params).await,
        (Some(left), Some(right)) => {
            if let Some(other) = KNOWN[..10].iter().find(|name| params.text(name).is_some()) {
                let message = format!("traces are compared whole: {other} has no meaning beside `trace`");
                return Err(QueryError::invalid(message).into());
            }
            Ok(json_answer(StatusCode::OK, &engine.align(&reader, left, right).await?))
        }
        _ => {
            Err(QueryError::invalid("a trace is compared with one: name both `trace` and `vs_trace`").into())
        }
    }
}

async fn attributes(engine: &Engine, reader: &Reader, params: &Params) -> Answer {
    let question = CompareQuestion {
        q: params.or_empty("q").to_owned(),
        selection: span_box(params, ["from", "to", "low", "high"])?,
        baseline: span_box(params, ["vs_from", "vs_to", "vs_low", "vs_high"])?,
        limit: params.number("limit", DIFFERENCES_MAX)?.unwrap_or(LIMIT_DEFAULT),
    };
    let answer = engine.compare(reader, &question).await;
    let answer = answer.map_err(|error| Failure::in_search(error, &question.q))?;
    let body = json!({
        "selection": side(&question.selection, answer.selection),
        "baseline": side(&question.baseline, answer.baseline),
        "differences": answer.differences,
        "differing": answer.differing,
        "tested": answer.tested,
        "stats": answer.stats,
    });
    Ok(json_answer(StatusCode::OK, &body))
}

fn side(within: &SpanBox, spans: u64) -> Value {
    let nanos = |nanos: Option<i64>| nanos.map(|nanos| nanos.to_string());
    json!({
        "from": end(within.range.from),
        "to": end(within.range.to),
        "low_ns": nanos(within.low),
        "high_ns": nanos(within.high),
        "spans": spans,
    })
}

fn span_box(params: &Params, [from, to, low, high]: [&str; 4]) -> Result<SpanBox, QueryError> {
    let duration = |name: &str| {
        let nanos = params.number(name, i64::MAX as usize)?;
        Ok::<_, QueryError>(nanos.and_then(|nanos| i64::try_from(nanos).ok()))
    };
    Ok(SpanBox { range: params.range_of(from, to)?, low: duration(low)?, high: duration(high)? })
}

fn trace(params: &Params, name: &str) -> Result<Option<TraceId>, QueryError> {
    let id = params.text(name).map(|text| text.parse());
    id.transpose().map_err(|error: model::IdError| QueryError::invalid(format!("{name}: {error}")))
}
