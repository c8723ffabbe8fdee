//! Which series, labels and metrics there are: `series`, `labels`, `label/{name}/values`, `metadata`.

use std::collections::{BTreeMap, HashSet};

use axum::Extension;
use axum::extract::{Path, State};
use model::{Reader, TimeRange};
use serde::Serialize;

use super::Answer;
use super::answer::{Failed, Notes, in_pieces, success};
use super::form::Form;
use crate::engine::{Engine, METRIC_SERIES_MAX, MetricDescription, SeriesList, SeriesQuestion};
use crate::error::QueryError;
use crate::promql::{Labels, Matcher, json};

/// What a label's name begins with in an address if it is escaped there.
const ESCAPED: &str = "U__";
/// The most hexadecimal digits of an escaped character.
const DIGITS_MAX: usize = 6;

pub(super) async fn series(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    if form.all("match[]").next().is_none() {
        return Err(Failed::bad("no match[] parameter provided"));
    }
    let limit = form.limit()?;
    let range = form.range()?;
    let selectors = form.selectors().map_err(|message| Failed::parameter("match[]", message))?;
    let most = limit.unwrap_or(METRIC_SERIES_MAX).min(METRIC_SERIES_MAX);
    let list = found(&engine, &reader, selectors, range, most).await?;
    let mut notes = Notes::default();
    if list.is_cut {
        notes.truncated();
    }
    Ok(in_pieces("", json::list(list.series, json::write_labels), "", &notes))
}

pub(super) async fn labels(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    let names =
        |series: &[Labels]| distinct(series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)));
    texts(&engine, &reader, &form, names).await
}

pub(super) async fn label_values(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    Path(name): Path<String>,
    form: Form,
) -> Answer {
    let name = unescaped(&name).unwrap_or(name);
    let values = move |series: &[Labels]| {
        distinct(series.iter().map(|labels| labels.get(&name)).filter(|value| !value.is_empty()))
    };
    texts(&engine, &reader, &form, values).await
}

/// Texts of the series that a form asks for, in their order.
async fn texts(
    engine: &Engine,
    reader: &Reader,
    form: &Form,
    of: impl FnOnce(&[Labels]) -> Vec<String> + Send + 'static,
) -> Answer {
    let limit = form.limit()?;
    let range = form.range()?;
    let selectors = form.selectors().map_err(Failed::bad)?;
    let list = found(engine, reader, selectors, range, METRIC_SERIES_MAX).await?;
    let mut notes = Notes::default();
    if list.is_cut {
        notes.warn(format!("only the first {METRIC_SERIES_MAX} series were looked at"));
    }
    let mut texts = engine.work(move || Ok(of(&list.series))).await?;
    if let Some(limit) = limit.filter(|limit| texts.len() > *limit) {
        texts.truncate(limit);
        notes.truncated();
    }
    Ok(success(&texts, &notes))
}

/// Each text once, in their order.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let once: HashSet<&str> = texts.collect();
    let mut sorted: Vec<String> = once.into_iter().map(str::to_owned).collect();
    sorted.sort_unstable();
    sorted
}

pub(super) async fn found(
    engine: &Engine,
    reader: &Reader,
    selectors: Vec<Vec<Matcher>>,
    range: TimeRange,
    limit: usize,
) -> Result<SeriesList, QueryError> {
    engine.metric_series(reader, &SeriesQuestion { selectors, range, limit }).await
}

/// The name that an escaped one stands for: `__` for an underscore, `_2e_` for the character of that number.
fn unescaped(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix(ESCAPED)?;
    let mut out = String::with_capacity(rest.len());
    while let Some((plain, escape)) = rest.split_once('_') {
        out.push_str(plain);
        let (digits, after) = escape.split_once('_')?;
        match digits {
            "" => out.push('_'),
            digits if digits.len() <= DIGITS_MAX && !digits.starts_with('+') => {
                out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            }
            _ => return None,
        }
        rest = after;
    }
    Some(out + rest)
}

/// What is said of a metric, as `metadata` has it.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "type")]
    kind: &'static str,
    help: String,
    unit: String,
}

impl From<MetricDescription> for Metadata {
    fn from(description: MetricDescription) -> Self {
        Self { kind: description.kind, help: description.help, unit: description.unit }
    }
}

pub(super) async fn metadata(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    form: Form,
) -> Answer {
    let metrics = most(form.number("limit")?.filter(|limit| *limit >= 0));
    let per_metric = most(form.number("limit_per_metric")?.filter(|limit| *limit > 0));
    let metric = Some(form.get("metric")).filter(|metric| !metric.is_empty());
    let descriptions = engine.metric_descriptions(&reader, metric).await?;
    let data: BTreeMap<String, Vec<Metadata>> = descriptions
        .into_iter()
        .take(metrics)
        .map(|(name, all)| (name, all.into_iter().take(per_metric).map(Metadata::from).collect()))
        .collect();
    Ok(success(&data, &Notes::default()))
}

fn most(limit: Option<i64>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        for (name, expected) in [
            ("U__http_2e_status__code", Some("http.status_code")),
            ("U__", Some("")),
            ("U__plain", Some("plain")),
            ("U___1F600_", Some("\u{1f600}")),
            ("U__a_2e", None),
            ("U__a_zz_", None),
            ("U__a_+2e_", None),
            ("U__a_d800_", None),
            ("U__a_0000002e_", None),
            ("http_2e_status", None),
        ] {
            assert_eq!(unescaped(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn texts_are_in_order_and_once() {
        assert_eq!(distinct(["b", "a", "b"].into_iter()), ["a", "b"]);
    }
}
