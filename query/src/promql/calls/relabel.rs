//! Functions of labels: `label_replace`, `label_join`, and those that sort.

use std::cmp::Ordering;

use super::super::aggregate::by_value;
use super::super::ast::Expr;
use super::super::column::{Grid, Row, merged};
use super::super::error::Error;
use super::super::evaluate::Evaluator;
use super::super::labels::{Labels, NAME, anchored};

impl Evaluator<'_> {
    /// A label from the parts of another that an expression finds.
    pub(super) fn label_replace(&self, args: &[Expr], grid: &Grid) -> Result<Vec<Row>, Error> {
        let [to, replacement, from, pattern] = [1, 2, 3, 4].map(|arg| self.text(&args[arg]));
        let regex = anchored(pattern.0).map_err(|_| {
            Error::evaluation(format!("invalid regular expression in label_replace(): {}", pattern.0))
        })?;
        check_label(to, "destination", "label_replace()")?;
        let rows = self.vector(&args[0], grid)?;
        let replaced = rows.into_iter().map(|row| {
            let Some(found) = regex.captures(row.labels.get(from.0)) else { return row };
            let mut value = String::new();
            found.expand(replacement.0, &mut value);
            labelled(row, to.0, &value)
        });
        merged(replaced.collect())
    }

    /// A label from several others.
    pub(super) fn label_join(&self, args: &[Expr], grid: &Grid) -> Result<Vec<Row>, Error> {
        let (to, separator) = (self.text(&args[1]), self.text(&args[2]).0);
        let from: Vec<(&str, bool)> = args[3..].iter().map(|arg| self.text(arg)).collect();
        for label in &from {
            check_label(*label, "source", "label_join()")?;
        }
        check_label(to, "destination", "label_join()")?;
        let rows = self.vector(&args[0], grid)?;
        let joined = rows.into_iter().map(|row| {
            let values: Vec<&str> = from.iter().map(|(label, _)| row.labels.get(label)).collect();
            let value = values.join(separator);
            labelled(row, to.0, &value)
        });
        merged(joined.collect())
    }

    /// Series in the order of their values or labels. Of several steps there is no order.
    pub(super) fn sorted(&self, name: &str, args: &[Expr], grid: &Grid) -> Result<Vec<Row>, Error> {
        let mut rows = self.vector(&args[0], grid)?;
        let by_values = matches!(name, "sort" | "sort_desc");
        if by_values {
            rows = rows.into_iter().map(|row| Row { column: row.column.map(|value| value), ..row }).collect();
            rows.retain(|row| !row.column.is_empty());
        }
        if grid.count != 1 {
            return Ok(rows);
        }
        let descending = name.ends_with("_desc");
        if by_values {
            rows.sort_by(|left, right| by_value(left.column.values[0], right.column.values[0], descending));
            return Ok(rows);
        }
        let labels: Vec<&str> = args[1..].iter().map(|arg| self.text(arg).0).collect();
        rows.sort_by(|left, right| {
            let order = by_labels(&labels, &left.labels, &right.labels);
            if descending { order.reverse() } else { order }
        });
        Ok(rows)
    }
}

/// The row with a label set. One that is given a name anew keeps it.
fn labelled(row: Row, name: &str, value: &str) -> Row {
    let nameless = row.nameless && name != NAME;
    Row { labels: row.labels.with(name, value), nameless, column: row.column }
}

fn check_label((label, utf8): (&str, bool), role: &str, function: &str) -> Result<(), Error> {
    match label.is_empty() || !utf8 {
        true => Err(Error::evaluation(format!("invalid {role} label name in {function}: {label}"))),
        false => Ok(()),
    }
}

/// The order of some labels, as people read them, then that of all.
fn by_labels(labels: &[&str], left: &Labels, right: &Labels) -> Ordering {
    let first = labels.iter().map(|label| natural(left.get(label), right.get(label)));
    first.chain([left.cmp(right)]).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The order of two texts in which numbers count as numbers: `a2` is before `a10`.
fn natural(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    while !left.is_empty() && !right.is_empty() {
        let (left_part, left_rest) = part(left);
        let (right_part, right_rest) = part(right);
        let numbers = [left_part, right_part].map(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        let order = match numbers {
            [true, true] => {
                let digits = [left_part, right_part].map(|part| part.trim_start_matches('0'));
                digits[0].len().cmp(&digits[1].len()).then_with(|| digits[0].cmp(digits[1]))
            }
            _ => left_part.cmp(right_part),
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    left.len().cmp(&right.len())
}

/// The digits that a text begins with, or what comes before the first digit; and the rest.
fn part(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}
