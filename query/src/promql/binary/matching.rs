//! Which series of two sides belong together: those with the same *signature*, the labels that count.

use std::collections::HashMap;

use super::super::ast::{Binary, Grouping, Many};
use super::super::column::{Column, Grid, Row};
use super::super::error::Error;
use super::super::labels::{Labels, NAME};

/// The labels by which a series is matched.
pub(super) fn signature(labels: &Labels, matching: &Grouping) -> Labels {
    match matching {
        Grouping::These(on) => labels.filter(|name| on.iter().any(|label| label == name)),
        Grouping::AllBut(ignored) => {
            labels.filter(|name| name != NAME && !ignored.iter().any(|label| label == name))
        }
    }
}

/// Of every signature, at which steps a series is there.
pub(super) fn presence(rows: &[Row], matching: &Grouping, steps: usize) -> HashMap<Labels, Vec<bool>> {
    let mut there: HashMap<Labels, Vec<bool>> = HashMap::new();
    for row in rows {
        let steps = there.entry(signature(&row.labels, matching)).or_insert_with(|| vec![false; steps]);
        for (step, there) in steps.iter_mut().enumerate() {
            *there |= row.column.has(step);
        }
    }
    there
}

/// The series of the one side by signature. Two of the same signature must not be there at the same step, if there is
/// anything on the other side.
pub(super) fn ones<'r>(
    one: &'r [Row],
    many: &[Row],
    binary: &Binary,
    grid: &Grid,
) -> Result<HashMap<Labels, Vec<&'r Row>>, Error> {
    let mut found: HashMap<Labels, Vec<&Row>> = HashMap::new();
    for row in one {
        found.entry(signature(&row.labels, &binary.matching)).or_default().push(row);
    }
    let mut any = vec![false; grid.count];
    for row in many {
        any.iter_mut().enumerate().for_each(|(step, any)| *any |= row.column.has(step));
    }
    for (signature, rows) in found.iter().filter(|(_, rows)| rows.len() > 1) {
        let mut taken: Vec<Option<&Row>> = vec![None; grid.count];
        for row in rows {
            for (step, taken) in taken.iter_mut().enumerate().filter(|(step, _)| row.column.has(*step)) {
                if let (Some(other), true) = (*taken, any[step]) {
                    return Err(duplicate(binary, signature, row, other));
                }
                *taken = Some(row);
            }
        }
    }
    Ok(found)
}

fn duplicate(binary: &Binary, signature: &Labels, row: &Row, other: &Row) -> Error {
    let side = if matches!(binary.many, Many::Right(_)) { "left" } else { "right" };
    Error::evaluation(format!(
        "found duplicate series for the match group {signature} on the {side} hand-side of the operation: \
         [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
        row.labels, other.labels
    ))
}

/// At which steps a signature has a result already.
pub(super) struct Taken {
    steps: usize,
    taken: HashMap<Labels, Vec<bool>>,
}

impl Taken {
    pub(super) fn new(steps: usize) -> Self {
        Self { steps, taken: HashMap::new() }
    }

    /// Takes the steps of a result. It is an error if one is taken already.
    pub(super) fn take(&mut self, signature: &Labels, column: &Column) -> Result<(), Error> {
        let steps = self.steps;
        let taken = self.taken.entry(signature.clone()).or_insert_with(|| vec![false; steps]);
        for (step, taken) in taken.iter_mut().enumerate() {
            if *taken && column.has(step) {
                return Err(Error::evaluation(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            *taken |= column.has(step);
        }
        Ok(())
    }
}
