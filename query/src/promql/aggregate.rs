//! Aggregations: many series to fewer, group by group.

mod choose;
mod fold;

use std::collections::HashMap;

use super::ast::{Aggregate, Aggregation, Grouping};
use super::column::{Cell, Column, Grid, Row, merged};
use super::error::Error;
use super::evaluate::Evaluator;
use super::labels::{Labels, NAME};
use super::notes::Remark;
use super::numbers::{plain, quantile};

pub(super) use choose::by_value;

/// The series that go into one.
pub(super) struct Group {
    labels: Labels,
    nameless: bool,
    rows: Vec<Row>,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate, grid: &Grid) -> Result<Vec<Row>, Error> {
        let Aggregate { aggregation, grouping, param, inner } = aggregate;
        let params = || match param {
            Some(param) => self.scalar(param, grid),
            None => Ok(Vec::new()),
        };
        let at = inner.start;
        match aggregation {
            Aggregation::CountValues => {
                let (label, utf8) = param.as_ref().map_or(("", true), |param| self.text(param));
                if label.is_empty() || !utf8 {
                    return Err(Error::evaluation(format!("invalid label name \"{label}\"")));
                }
                self.count_values(self.vector(inner, grid)?, grouping, label, grid)
            }
            Aggregation::Topk | Aggregation::Bottomk | Aggregation::Limitk => {
                let most = choose::counts(&params()?)?;
                let groups = grouped(self.vector(inner, grid)?, grouping);
                self.chosen(*aggregation, groups, &most, at)
            }
            Aggregation::LimitRatio => {
                let ratios = params()?;
                let position = param.as_ref().map_or(at, |param| param.start);
                self.ratio(self.vector(inner, grid)?, &ratios, position)
            }
            Aggregation::Quantile => {
                let quantiles = params()?;
                let position = param.as_ref().map_or(at, |param| param.start);
                for q in quantiles.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
                    self.note(&Remark::BadQuantile(*q), position);
                }
                let groups = grouped(self.vector(inner, grid)?, grouping);
                self.each(groups, |group| self.quantiles(group, &quantiles, at))
            }
            folded => {
                let groups = grouped(self.vector(inner, grid)?, grouping);
                self.each(groups, |group| self.folded(*folded, &group.rows, at, grid.count))
            }
        }
    }

    /// A column of every group.
    fn each(&self, groups: Vec<Group>, column: impl Fn(&Group) -> Column) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::with_capacity(groups.len());
        for group in groups {
            self.pause()?;
            let column = column(&group);
            if !column.is_empty() {
                rows.push(Row { labels: group.labels, nameless: group.nameless, column });
            }
        }
        Ok(rows)
    }

    fn quantiles(&self, group: &Group, quantiles: &[f64], at: usize) -> Column {
        let mut column = Column::empty(quantiles.len());
        let mut values = Vec::with_capacity(group.rows.len());
        for (step, q) in quantiles.iter().enumerate() {
            values.clear();
            values.extend(group.rows.iter().filter_map(|row| row.column.float(step)));
            if group.rows.iter().any(|row| row.column.histogram(step).is_some()) {
                self.note(&Remark::IgnoredInAggregation("quantile"), at);
            }
            if !values.is_empty() {
                column.set_float(step, quantile(*q, &mut values));
            }
        }
        column
    }

    /// How many series have each value, which becomes a label.
    fn count_values(
        &self,
        rows: Vec<Row>,
        grouping: &Grouping,
        label: &str,
        grid: &Grid,
    ) -> Result<Vec<Row>, Error> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut out: Vec<Row> = Vec::new();
        for group in grouped(rows, grouping) {
            self.pause()?;
            for (row, step) in group.rows.iter().flat_map(|row| (0..grid.count).map(move |step| (row, step)))
            {
                let value = match row.column.cell(step) {
                    None => continue,
                    Some(Cell::Float(value)) => plain(value),
                    Some(Cell::Histogram(histogram)) => histogram.to_string(),
                };
                let labels = group.labels.with(label, &value);
                let place = *places.entry(labels.clone()).or_insert(out.len());
                if place == out.len() {
                    self.check_points(place + 1, grid)?;
                    out.push(Row::new(labels, Column::empty(grid.count)));
                }
                let counted = out[place].column.float(step).unwrap_or(0.0);
                out[place].column.set_float(step, counted + 1.0);
            }
        }
        merged(out)
    }
}

/// Rows by the labels that count, in the order in which these came.
pub(super) fn grouped(rows: Vec<Row>, grouping: &Grouping) -> Vec<Group> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let labels = match grouping {
            Grouping::These(by) => row.labels.filter(|name| by.iter().any(|label| label == name)),
            Grouping::AllBut(without) => {
                row.labels.filter(|name| name != NAME && !without.iter().any(|label| label == name))
            }
        };
        let place = *places.entry(labels.clone()).or_insert(groups.len());
        if place == groups.len() {
            let nameless = row.nameless && !labels.name().is_empty();
            groups.push(Group { labels, nameless, rows: Vec::new() });
        }
        groups[place].rows.push(row);
    }
    groups
}

#[cfg(test)]
mod tests;
