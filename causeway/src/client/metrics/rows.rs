//! Series and exemplars as tables, NDJSON and CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::json;

use super::answer::{Exemplars, Series};
use crate::client::output::{Output, csv_lines};
use crate::client::table::{Cell, Column, Table};
use crate::client::text::Tone;
use crate::client::times::{rfc3339, show};
use crate::client::views::{NAME_MIN, dim, plain};

/// The label that holds a metric's name.
const NAME: &str = "__name__";
/// The label that holds the trace of an exemplar.
const TRACE: &str = "trace_id";

/// A series as PromQL writes it.
pub(super) fn name<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let (mut metric, mut pairs) = ("", Vec::new());
    for (label, value) in labels {
        match label.as_str() {
            NAME => metric = value,
            label => pairs.push(format!("{label}={value:?}")),
        }
    }
    match pairs.is_empty() && !metric.is_empty() {
        true => metric.to_owned(),
        false => format!("{metric}{{{}}}", pairs.join(",")),
    }
}

/// A row for each sample; its time stands there in a range, and where a series has several.
pub(super) fn table(series: &[Series], is_range: bool, output: &mut Output) -> io::Result<()> {
    let has_times = is_range || series.iter().any(|series| series.samples.len() > 1);
    let mut columns = vec![Column::new("SERIES").shrinks_to(NAME_MIN), Column::new("VALUE").right()];
    if has_times {
        columns.insert(0, Column::new("TIME"));
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for one in series {
        let name = name(&one.labels);
        for sample in &one.samples {
            let time = has_times.then(|| dim(&show(nanos(sample.time_ms))));
            rows.push(time.into_iter().chain([plain(&name), plain(&sample.text)]).collect());
        }
    }
    Table::write(columns, &rows, output)
}

fn nanos(time_ms: i64) -> i64 {
    time_ms.saturating_mul(1_000_000)
}

/// A line for each sample: its time, its value, and its labels by name.
pub(super) fn csv(series: &[Series], output: &mut Output) -> io::Result<()> {
    let labels: BTreeSet<&String> = series.iter().flat_map(|series| series.labels.keys()).collect();
    let header = ["time", "value"].into_iter().chain(labels.iter().map(|label| label.as_str()));
    output.data(&csv_lines([header])?)?;
    for one in series {
        let values = labels.iter().map(|label| one.labels.get(*label).map_or("", String::as_str));
        let values: Vec<&str> = values.collect();
        let lines = one.samples.iter().map(|sample| {
            let own = [rfc3339(nanos(sample.time_ms)), sample.text.clone()];
            own.into_iter().chain(values.iter().map(|value| (*value).to_owned()))
        });
        output.data(&csv_lines(lines)?)?;
    }
    Ok(())
}

/// The labels of an exemplar but for its trace.
fn others(labels: &BTreeMap<String, String>) -> String {
    name(labels.iter().filter(|(label, _)| *label != TRACE))
}

/// A row for each exemplar.
pub(super) fn exemplars_table(found: &Exemplars, output: &mut Output) -> io::Result<()> {
    let columns = vec![
        Column::new("TIME"),
        Column::new("VALUE").right(),
        Column::new("TRACE"),
        Column::new("SERIES").shrinks_to(NAME_MIN),
        Column::new("LABELS").optional().shrinks_to(NAME_MIN),
    ];
    let mut rows = Vec::new();
    for series in &found.data {
        let name = name(&series.labels);
        for exemplar in &series.exemplars {
            let labels = match others(&exemplar.labels).as_str() {
                "{}" => String::new(),
                labels => labels.to_owned(),
            };
            rows.push(vec![
                dim(&show(exemplar.nanos())),
                plain(&exemplar.value),
                Cell::new(exemplar.labels.get(TRACE).map_or("", String::as_str), Tone::Strong),
                plain(&name),
                dim(&labels),
            ]);
        }
    }
    Table::write(columns, &rows, output)
}

/// A line for each exemplar.
pub(super) fn exemplars_ndjson(found: &Exemplars, output: &mut Output) -> io::Result<()> {
    for series in &found.data {
        for exemplar in &series.exemplars {
            let row = json!({
                "time": rfc3339(exemplar.nanos()),
                "value": exemplar.value,
                "labels": exemplar.labels,
                "series": series.labels,
            });
            output.data(&format!("{row}\n"))?;
        }
    }
    Ok(())
}

/// A line for each exemplar, series and labels as PromQL writes them.
pub(super) fn exemplars_csv(found: &Exemplars, output: &mut Output) -> io::Result<()> {
    output.data(&csv_lines([["time", "value", "trace_id", "series", "labels"]])?)?;
    for series in &found.data {
        let lines = series.exemplars.iter().map(|exemplar| {
            let trace = exemplar.labels.get(TRACE).cloned().unwrap_or_default();
            let (time, value) = (rfc3339(exemplar.nanos()), exemplar.value.clone());
            [time, value, trace, name(&series.labels), others(&exemplar.labels)]
        });
        output.data(&csv_lines(lines)?)?;
    }
    Ok(())
}
