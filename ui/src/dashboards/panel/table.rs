//! Figures by their labels: a row for each set of labels, a column for each query.

use std::collections::{BTreeMap, BTreeSet};

use query::promql::NAME;

use super::series::{Found, shortened};
use crate::dashboards::fill::{self, Choices};
use crate::dashboards::model::Panel;
use crate::dashboards::units;
use crate::format::count;

/// The most rows that are shown: those with the highest first figure.
const ROWS_MAX: usize = 200;
/// The most labels that are shown.
const TABLE_COLUMNS_MAX: usize = 24;

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) caption: String,
    /// Names of labels.
    pub(crate) labels: Vec<String>,
    /// Names of figures.
    pub(crate) figures: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A row.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) labels: Vec<String>,
    /// Figures, each with the style sheet's word for how remarkable it is.
    pub(crate) figures: Vec<(String, &'static str)>,
}

impl Table {
    /// Lists series; what is not shown is noted.
    pub(super) fn new(panel: &Panel, all: &[Found<'_>], choices: &Choices, notes: &mut Vec<String>) -> Self {
        let mut rows = rows(panel, all);
        if rows.len() > ROWS_MAX {
            notes.push(format!("The highest {ROWS_MAX} of {} rows are shown.", count(rows.len() as u64)));
            rows.truncate(ROWS_MAX);
        }
        let names: BTreeSet<&str> =
            rows.iter().flat_map(|(labels, _)| labels.iter()).map(|(name, _)| *name).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        if names.len() > TABLE_COLUMNS_MAX {
            let all = count(names.len() as u64);
            notes.push(format!("The first {TABLE_COLUMNS_MAX} of {all} labels are shown."));
            names.truncate(TABLE_COLUMNS_MAX);
        }
        let rows = rows.into_iter().map(|(labels, figures)| Row {
            labels: names.iter().map(|name| value(&labels, name)).collect(),
            figures: figures.into_iter().map(|figure| cell(panel, figure)).collect(),
        });
        let headings = panel.queries.iter().enumerate();
        Self {
            caption: panel.title.clone(),
            rows: rows.collect(),
            labels: names.iter().map(|name| shortened((*name).to_owned())).collect(),
            figures: headings.map(|(number, query)| heading(&query.legend, number, choices)).collect(),
        }
    }
}

/// The labels of a row, in order of their names.
type RowLabels<'a> = Vec<(&'a str, &'a str)>;

/// All rows, those with the highest first figure first.
fn rows<'a>(panel: &Panel, all: &'a [Found<'_>]) -> Vec<(RowLabels<'a>, Vec<Option<f64>>)> {
    let has_names = has_names(all);
    let mut rows: BTreeMap<RowLabels<'a>, Vec<Option<f64>>> = BTreeMap::new();
    for found in all {
        let labels = found.labels.iter().filter(|(name, _)| has_names || *name != NAME).collect();
        let figures = rows.entry(labels).or_insert_with(|| vec![None; panel.queries.len()]);
        figures[found.query] = found.last();
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    let first =
        |figures: &[Option<f64>]| figures.iter().flatten().next().copied().unwrap_or(f64::NEG_INFINITY);
    rows.sort_by(|one, other| first(&other.1).total_cmp(&first(&one.1)));
    rows
}

/// Whether one query gave series of several names, which may have the same labels.
fn has_names(all: &[Found<'_>]) -> bool {
    let mut names: BTreeMap<usize, &str> = BTreeMap::new();
    all.iter().any(|found| *names.entry(found.query).or_insert(found.labels.name()) != found.labels.name())
}

/// The value of a label in a row; empty if it has none.
fn value(labels: &[(&str, &str)], name: &str) -> String {
    let found = labels.iter().find(|(label, _)| *label == name);
    shortened(found.map_or_else(String::new, |(_, value)| (*value).to_owned()))
}

fn cell(panel: &Panel, figure: Option<f64>) -> (String, &'static str) {
    let Some(value) = figure else { return ("–".to_owned(), "") };
    (units::text(value, &panel.unit), panel.level(value).map_or("", |level| level.word()))
}

fn heading(legend: &str, number: usize, choices: &Choices) -> String {
    match (legend, number) {
        ("", 0) => "value".to_owned(),
        ("", number) => format!("value {}", number + 1),
        (legend, _) => shortened(fill::plain(legend, choices)),
    }
}
