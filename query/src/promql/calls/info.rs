//! `info`: labels of what a series comes from, which stand on a series of their own such as `target_info`.
//!
//! Both belong together by the labels `instance` and `job`. Labels that a series has already stay as they are.

use super::super::ast::{Expr, Kind, Shift};
use super::super::column::{Column, Grid, Row, merged};
use super::super::error::Error;
use super::super::evaluate::Evaluator;
use super::super::labels::{Labels, Matcher, NAME};
use super::super::select::Take;

/// The labels that say which series an info series is about.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// An info series: its values, and when its samples are.
struct Info {
    labels: Labels,
    times: Column,
}

impl Evaluator<'_> {
    pub(super) fn info(&self, args: &[Expr], start: usize, grid: &Grid) -> Result<Vec<Row>, Error> {
        let series = self.source.series(self.query.info_selection(start));
        let matchers = match args.get(1).map(|arg| &arg.kind) {
            Some(Kind::Selector(selector)) => selector.matchers.as_slice(),
            _ => &[],
        };
        let look = self.query.look(&Shift::default());
        let infos = self.newest(series, look, grid, Take::Time)?;
        let infos: Vec<Info> =
            infos.into_iter().map(|row| Info { labels: row.labels, times: row.column }).collect();
        let mut out = Vec::new();
        for row in self.vector(&args[0], grid)? {
            self.pause()?;
            // An info series is not about itself.
            if infos.iter().any(|info| info.labels.name() == row.labels.name())
                && !row.labels.name().is_empty()
            {
                out.push(row);
                continue;
            }
            let about: Vec<&Info> = infos.iter().filter(|info| is_about(&info.labels, &row.labels)).collect();
            enriched(&row, &about, matchers, &mut out)?;
        }
        merged(out)
    }
}

fn is_about(info: &Labels, labels: &Labels) -> bool {
    IDENTIFYING.iter().all(|name| info.get(name) == labels.get(name))
        && IDENTIFYING.iter().any(|name| !labels.get(name).is_empty())
}

/// Adds a row for every set of labels that the row has at some step.
fn enriched(row: &Row, about: &[&Info], matchers: &[Matcher], out: &mut Vec<Row>) -> Result<(), Error> {
    let first = out.len();
    for step in 0..row.column.steps() {
        let Some(cell) = row.column.cell(step) else { continue };
        let Some(labels) = labels_at(&row.labels, about, matchers, step)? else { continue };
        let place = match out[first..].iter().position(|row| row.labels == labels) {
            Some(found) => first + found,
            None => {
                out.push(Row { labels, nameless: row.nameless, column: Column::empty(row.column.steps()) });
                out.len() - 1
            }
        };
        out[place].column.set(step, cell);
    }
    Ok(())
}

/// The labels of a series at a step; none if a label is asked for that it does not get.
fn labels_at(
    labels: &Labels,
    about: &[&Info],
    matchers: &[Matcher],
    step: usize,
) -> Result<Option<Labels>, Error> {
    let matchers: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name != NAME).collect();
    let mut added: Vec<(&str, &str, &str)> = Vec::new();
    for info in newest(about, step) {
        for (name, value) in info.labels.iter() {
            let wanted = matchers.is_empty() || matchers.iter().any(|matcher| matcher.name == name);
            if name == NAME || IDENTIFYING.contains(&name) || !wanted || !labels.get(name).is_empty() {
                continue;
            }
            match added.iter().find(|(other, ..)| *other == name) {
                Some((_, other, _)) if *other == value => (),
                Some((_, _, from)) => {
                    return Err(Error::evaluation(format!(
                        "conflicting label {name:?}: {from} and {} differ",
                        info.labels.name()
                    )));
                }
                None => added.push((name, value, info.labels.name())),
            }
        }
    }
    let missing = matchers.iter().any(|matcher| {
        let found = added.iter().find(|(name, ..)| *name == matcher.name).map_or("", |(_, value, _)| value);
        !matcher.matches(if found.is_empty() { labels.get(&matcher.name) } else { found })
    });
    if missing {
        return Ok(None);
    }
    Ok(Some(added.iter().fold(labels.clone(), |labels, (name, value, _)| labels.with(name, value))))
}

/// Of every metric the info series whose sample is the newest at a step.
fn newest<'i>(about: &[&'i Info], step: usize) -> Vec<&'i Info> {
    let mut newest: Vec<&Info> = Vec::new();
    for info in about {
        let Some(time) = info.times.float(step) else { continue };
        match newest.iter_mut().find(|other| other.labels.name() == info.labels.name()) {
            None => newest.push(info),
            Some(other) if other.times.float(step).is_some_and(|other| other < time) => *other = info,
            Some(_) => (),
        }
    }
    newest
}
