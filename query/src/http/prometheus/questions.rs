//! `query`, `query_range`, `query_exemplars`, and queries as text: `format_query`, `parse_query`.

use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Reader, UnixNanos};
use serde::Serialize;
use serde_json::json;

use super::Answer;
use super::answer::{Failed, Notes, in_pieces, success};
use super::form::{Form, stored};
use crate::engine::{Engine, Exemplar, MetricAnswer, MetricQuestion, SeriesExemplars};
use crate::promql::{self, Expr, Limits, Options, Times, Value, json as promql_json};
use crate::rows::Stats;

/// The most steps between the first point of a series and its last.
const STEPS_BETWEEN_MAX: i128 = 11_000;

pub(super) async fn instant(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    let limit = form.limit()?;
    let now_ms = UnixNanos::now().0 / 1_000_000;
    let times = Times::instant(form.time_or("time", now_ms)?);
    answer(&engine, &reader, &form, times, limit).await
}

pub(super) async fn range(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    let limit = form.limit()?;
    let times = range_of(&form)?;
    answer(&engine, &reader, &form, times, limit).await
}

/// The times of a range query.
fn range_of(form: &Form) -> Result<Times, Failed> {
    let (start_ms, end_ms) = (form.time("start")?, form.time("end")?);
    if end_ms < start_ms {
        return Err(Failed::parameter("end", "end timestamp must not be before start time"));
    }
    let step = form.duration("step").map_err(|message| Failed::parameter("step", message))?;
    let step_ms = step / 1_000_000;
    if step_ms <= 0 {
        let message =
            "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(Failed::parameter("step", message));
    }
    let length = (i128::from(end_ms) - i128::from(start_ms)) * 1_000_000;
    if length / i128::from(step) > STEPS_BETWEEN_MAX {
        let message = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
                       resolution (?step=XX)";
        return Err(Failed::bad(message));
    }
    Ok(Times::range(start_ms, end_ms, step_ms))
}

async fn answer(engine: &Engine, reader: &Reader, form: &Form, times: Times, limit: Option<usize>) -> Answer {
    let time = form.timeout()?;
    let options = engine.promql_options();
    let options = Options { lookback_ms: form.lookback()?.unwrap_or(options.lookback_ms), ..options };
    // Both ends of a range have a point.
    let limits = Limits { steps_max: STEPS_BETWEEN_MAX as u64 + 1, ..Limits::default() };
    let text = form.get("query").to_owned();
    let begun = Instant::now();
    let question = MetricQuestion { text, times, options, limits, time };
    let mut found = engine.metrics(reader, &question).await.map_err(Failed::of_query)?;
    let mut notes = Notes::of(&found.answer);
    if let Some(partial) = &found.stats.partial {
        notes.warn(format!("the answer is cut short: {}", partial.reason));
    }
    if limit.is_some_and(|limit| truncate(&mut found.answer.value, limit)) {
        notes.truncated();
    }
    let stats = match form.get("stats") {
        "" => String::new(),
        _ => format!(",\"stats\":{}", stats(&found, begun.elapsed().as_secs_f64())),
    };
    let before = format!("{{\"resultType\":\"{}\",\"result\":", found.answer.value.kind());
    Ok(in_pieces(&before, promql_json::pieces(found.answer.value), &format!("{stats}}}"), &notes))
}

/// Leaves so many series, and says whether there were more.
fn truncate(value: &mut Value, limit: usize) -> bool {
    match value {
        Value::Vector(samples) if samples.len() > limit => samples.truncate(limit),
        Value::Matrix(series) if series.len() > limit => series.truncate(limit),
        _ => return false,
    }
    true
}

/// What a query cost in Prometheus' form, and in that of this program's other answers.
fn stats(answer: &MetricAnswer, seconds: f64) -> serde_json::Value {
    /// The part that Prometheus does not have.
    #[derive(Serialize)]
    struct Own<'a> {
        series: u64,
        widest: Option<Widest<'a>>,
        #[serde(flatten)]
        stats: &'a Stats,
    }
    #[derive(Serialize)]
    struct Widest<'a> {
        selector: &'a str,
        series: u64,
    }
    let widest = answer.widest.as_ref().map(|(selector, series)| Widest { selector, series: *series });
    json!({
        "timings": {
            "evalTotalTime": seconds,
            "resultSortTime": 0.0,
            "queryPreparationTime": 0.0,
            "innerEvalTime": 0.0,
            "execQueueTime": 0.0,
            "execTotalTime": seconds,
        },
        // All that is loaded is held until the end.
        "samples": { "totalQueryableSamples": answer.samples, "peakSamples": answer.samples },
        "causeway": Own { series: answer.series, widest, stats: &answer.stats },
    })
}

pub(super) async fn exemplars(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    let (start_ms, end_ms) = form.ends()?;
    if end_ms < start_ms {
        return Err(Failed::bad("end timestamp must not be before start timestamp"));
    }
    let (expr, _) = expression(&engine, &form).map_err(|error| Failed::bad(error.to_string()))?;
    let selectors: Vec<_> = expr.selectors().iter().map(|selector| selector.matchers.clone()).collect();
    if selectors.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let found = engine.exemplars(&reader, &selectors, stored(start_ms, end_ms)).await?;
    Ok(in_pieces("", promql_json::list(found, write_exemplars), "", &Notes::default()))
}

fn write_exemplars(out: &mut String, of_series: &SeriesExemplars) {
    out.push_str("{\"seriesLabels\":");
    promql_json::write_labels(out, &of_series.labels);
    out.push_str(",\"exemplars\":[");
    for (number, exemplar) in of_series.exemplars.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write_exemplar(out, exemplar);
    }
    out.push_str("]}");
}

fn write_exemplar(out: &mut String, exemplar: &Exemplar) {
    out.push_str("{\"labels\":");
    promql_json::write_labels(out, &exemplar.labels);
    out.push_str(",\"value\":");
    promql_json::write_number(out, exemplar.value);
    out.push_str(",\"timestamp\":");
    promql_json::write_time(out, exemplar.time_ms);
    out.push('}');
}

pub(super) async fn format(State(engine): State<Engine>, form: Form) -> Answer {
    let (expr, text) = expression(&engine, &form).map_err(|error| Failed::parameter("query", error))?;
    Ok(small(&promql::pretty(&expr, text)))
}

pub(super) async fn parsed(State(engine): State<Engine>, form: Form) -> Answer {
    let (expr, text) = expression(&engine, &form).map_err(|error| Failed::parameter("query", error))?;
    Ok(small(&promql_json::tree(&expr, text)))
}

/// The query of a form, read.
fn expression<'a>(engine: &Engine, form: &'a Form) -> Result<(Expr, &'a str), promql::Error> {
    let text = form.get("query");
    Ok((promql::parse(text, &engine.promql_options())?, text))
}

fn small(data: &impl Serialize) -> Response {
    success(data, &Notes::default())
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::message;
    use super::*;

    #[test]
    fn what_is_wrong_with_a_range_is_said_as_there() {
        let good = "start=0&end=60&step=15";
        assert_eq!(range_of(&Form::read(b"", good)).unwrap(), Times::range(0, 60_000, 15_000));
        assert!(range_of(&Form::read(b"", "start=0&end=11000&step=1")).is_ok());
        let cases = [
            ("end=1&step=1", "invalid parameter \"start\": cannot parse \"\" to a valid timestamp"),
            ("start=0&end=x&step=1", "invalid parameter \"end\": cannot parse \"x\" to a valid timestamp"),
            (
                "start=1&end=0&step=1",
                "invalid parameter \"end\": end timestamp must not be before start time",
            ),
            ("start=0&end=1&step=x", "invalid parameter \"step\": cannot parse \"x\" to a valid duration"),
            (
                "start=0&end=1&step=0",
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. \
                 Try a positive integer",
            ),
            (
                "start=0&end=11001&step=1s",
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
                 resolution (?step=XX)",
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(message(range_of(&Form::read(b"", query)).unwrap_err()), expected, "{query}");
        }
    }
}
