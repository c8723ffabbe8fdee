//! About the program, and what Prometheus has and this program does not: targets, rules, alerts.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Reader, UnixNanos};
use serde::Serialize;
use serde_json::{Value, json};

use super::Answer;
use super::answer::{Failed, Notes, success};
use super::form::{Form, stored};
use super::series::found;
use crate::engine::{Engine, METRIC_SERIES_MAX};
use crate::promql::{Feature, Labels, Limits, NAME};
use crate::times::rfc3339;

/// The version of Prometheus whose API this is: clients choose by it what they ask.
const VERSION: &str = "3.5.0";
/// Series with a sample since so long ago are counted: Prometheus counts those of its head.
const COUNTED_MS: i64 = 3_600_000;
/// How many names each list of counts has where no limit is given.
const COUNTS: i64 = 10;

fn plain(data: &impl Serialize) -> Response {
    success(data, &Notes::default())
}

pub(super) async fn none() -> Response {
    plain(&json!([]))
}

pub(super) async fn targets() -> Response {
    plain(&json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} }))
}

pub(super) async fn scrape_pools() -> Response {
    plain(&json!({ "scrapePools": [] }))
}

pub(super) async fn alertmanagers() -> Response {
    plain(&json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }))
}

pub(super) async fn rules() -> Response {
    plain(&json!({ "groups": [] }))
}

pub(super) async fn alerts() -> Response {
    plain(&json!({ "alerts": [] }))
}

pub(super) async fn replay() -> Response {
    plain(&json!({ "min": 0, "max": 0, "current": 0 }))
}

pub(super) async fn config() -> Response {
    plain(&json!({ "yaml": "" }))
}

pub(super) async fn build() -> Response {
    plain(&json!({
        "version": VERSION,
        "revision": concat!("causeway ", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

pub(super) async fn runtime(State(engine): State<Engine>) -> Response {
    let started = rfc3339(engine.started());
    plain(&json!({
        "startTime": started,
        "CWD": "",
        "hostname": "",
        "serverTime": rfc3339(UnixNanos::now()),
        "reloadConfigSuccess": true,
        "lastConfigTime": started,
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }))
}

pub(super) async fn flags(State(engine): State<Engine>) -> Response {
    let options = engine.promql_options();
    let features: Vec<&str> =
        Feature::ALL.into_iter().filter(|feature| options.has(*feature)).map(Feature::name).collect();
    plain(&json!({
        "enable-feature": features.join(","),
        "query.lookback-delta": format!("{}s", options.lookback_ms / 1000),
        "query.max-concurrency": engine.limits().concurrent_max.to_string(),
        "query.max-samples": Limits::default().samples_max.to_string(),
        "query.timeout": format!("{}s", engine.limits().time.as_secs()),
    }))
}

pub(super) async fn healthy() -> &'static str {
    "Causeway is healthy.\n"
}

pub(super) async fn ready(State(engine): State<Engine>) -> Response {
    match engine.broken() {
        None => "Causeway is ready.\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// `status/tsdb`: which names and labels have the most series.
pub(super) async fn cardinality(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    let limit = match form.number("limit") {
        Ok(limit @ (None | Some(1..))) => limit.unwrap_or(COUNTS),
        _ => return Err(Failed::bad("limit must be a positive number")),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let now_ms = UnixNanos::now().0 / 1_000_000;
    let from_ms = now_ms - COUNTED_MS;
    let list = found(&engine, &reader, Vec::new(), stored(from_ms, now_ms), METRIC_SERIES_MAX).await?;
    let mut notes = Notes::default();
    if list.is_cut {
        notes.warn(format!("only the first {METRIC_SERIES_MAX} series were counted"));
    }
    let mut data = engine.work(move || Ok(counts(&list.series, limit))).await?;
    data["headStats"]["minTime"] = from_ms.into();
    data["headStats"]["maxTime"] = now_ms.into();
    Ok(success(&data, &notes))
}

/// Counts of series, the highest first.
fn counts(series: &[Labels], limit: usize) -> Value {
    let mut pairs: HashMap<(&str, &str), u64> = HashMap::new();
    for pair in series.iter().flat_map(Labels::iter) {
        *pairs.entry(pair).or_default() += 1;
    }
    let mut values: HashMap<&str, u64> = HashMap::new();
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    for (name, value) in pairs.keys() {
        *values.entry(name).or_default() += 1;
        *bytes.entry(name).or_default() += value.len() as u64;
    }
    let metrics = pairs.iter().filter(|((name, _), _)| *name == NAME);
    let metrics: Vec<_> = metrics.map(|((_, metric), count)| ((*metric).to_owned(), *count)).collect();
    let owned = |counts: HashMap<&str, u64>| {
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect::<Vec<_>>()
    };
    json!({
        "headStats": { "numSeries": series.len(), "numLabelPairs": pairs.len(), "chunkCount": 0 },
        "seriesCountByMetricName": most(metrics, limit),
        "labelValueCountByLabelName": most(owned(values), limit),
        "memoryInBytesByLabelName": most(owned(bytes), limit),
        "seriesCountByLabelValuePair": most(
            pairs.iter().map(|((name, value), count)| (format!("{name}={value}"), *count)).collect(),
            limit,
        ),
    })
}

fn most(mut counts: Vec<(String, u64)>, limit: usize) -> Vec<Value> {
    counts.sort_unstable_by(|(name, count), (other, than)| than.cmp(count).then(name.cmp(other)));
    counts.into_iter().take(limit).map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_counted_by_name_and_label() {
        let labels = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().copied());
        let series = [
            labels(&[(NAME, "a"), ("x", "1")]),
            labels(&[(NAME, "a"), ("x", "22")]),
            labels(&[(NAME, "b"), ("x", "1")]),
        ];
        let one = |name: &str, value: u64| json!({ "name": name, "value": value });
        assert_eq!(
            counts(&series, 2),
            json!({
                "headStats": { "numSeries": 3, "numLabelPairs": 4, "chunkCount": 0 },
                "seriesCountByMetricName": [one("a", 2), one("b", 1)],
                "labelValueCountByLabelName": [one("__name__", 2), one("x", 2)],
                "memoryInBytesByLabelName": [one("x", 3), one("__name__", 2)],
                "seriesCountByLabelValuePair": [one("__name__=a", 2), one("x=1", 2)],
            })
        );
    }
}
