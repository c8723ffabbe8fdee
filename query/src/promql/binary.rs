//! Operators between two operands.

mod element;
mod matching;

use super::ast::{Binary, Expr, Grouping, Many, Operator, ValueType};
use super::column::{Cell, Column, Grid, Row, merged};
use super::error::Error;
use super::evaluate::Evaluator;
use element::{Element, arithmetic, element, holds};

impl Evaluator<'_> {
    /// Two numbers per step.
    pub(super) fn scalars(&self, binary: &Binary, grid: &Grid) -> Result<Vec<f64>, Error> {
        let mut left = self.scalar(&binary.left, grid)?;
        let right = self.scalar(&binary.right, grid)?;
        for (left, right) in left.iter_mut().zip(right) {
            *left = match binary.operator.compares() {
                true => f64::from(u8::from(holds(binary.operator, *left, right))),
                false => arithmetic(binary.operator, *left, right),
            };
        }
        Ok(left)
    }

    /// Two operands of which at least one is series. `start` is where the operation begins in the query.
    pub(super) fn binary(&self, binary: &Binary, start: usize, grid: &Grid) -> Result<Vec<Row>, Error> {
        let is_scalar = |expr: &Expr| expr.value_type() == ValueType::Scalar;
        if is_scalar(&binary.right) {
            let right = self.scalar(&binary.right, grid)?;
            let rows = self.vector(&binary.left, grid)?;
            return self.with_scalar(binary, start, rows, &right, false);
        }
        if is_scalar(&binary.left) {
            let left = self.scalar(&binary.left, grid)?;
            let rows = self.vector(&binary.right, grid)?;
            return self.with_scalar(binary, start, rows, &left, true);
        }
        let left = self.vector(&binary.left, grid)?;
        let right = self.vector(&binary.right, grid)?;
        match binary.operator.is_set() {
            true => self.set_operation(binary, left, right, grid),
            false => self.matched(binary, start, left, right, grid),
        }
    }

    /// Series with a number per step, which is the left operand if `swapped`.
    fn with_scalar(
        &self,
        binary: &Binary,
        start: usize,
        rows: Vec<Row>,
        scalar: &[f64],
        swapped: bool,
    ) -> Result<Vec<Row>, Error> {
        let mut out = Vec::with_capacity(rows.len());
        for row in rows {
            self.pause()?;
            let column = match row.column.has_histograms() {
                true => self.mixed_with_scalar(binary, start, &row.column, scalar, swapped),
                false => {
                    let values = row.column.values.as_slice();
                    let (left, right) = if swapped { (scalar, values) } else { (values, scalar) };
                    of_floats(binary, left, right, row.column.present.clone(), values)
                }
            };
            if !column.is_empty() {
                out.push(self.named_after(binary, Row { column, ..row }));
            }
        }
        merged(out)
    }

    fn mixed_with_scalar(
        &self,
        binary: &Binary,
        start: usize,
        operand: &Column,
        scalar: &[f64],
        swapped: bool,
    ) -> Column {
        let mut column = Column::empty(scalar.len());
        for (step, number) in scalar.iter().enumerate() {
            let Some(cell) = operand.cell(step) else { continue };
            let number = Cell::Float(*number);
            let (left, right) = if swapped { (&number, &cell) } else { (&cell, &number) };
            // What a comparison chooses is the sample, on whichever side it stands.
            match self.applied(binary, start, left, right) {
                Some(_) if binary.operator.compares() && !binary.returns_bool => column.set(step, cell),
                Some(result) => column.set(step, result),
                None => (),
            }
        }
        column
    }

    /// The operator on two samples; nothing if a comparison does not choose them, or they do not go together.
    fn applied(&self, binary: &Binary, start: usize, left: &Cell, right: &Cell) -> Option<Cell> {
        match element(binary.operator, left, right) {
            Element::Value(cell) => Some(cell),
            Element::Compared(held) if binary.returns_bool => Some(Cell::Float(f64::from(u8::from(held)))),
            Element::Compared(held) => held.then(|| left.clone()),
            Element::Invalid(remark) => {
                self.note(&remark, start);
                None
            }
        }
    }

    /// The row without its metric's name, unless the operator only chooses.
    fn named_after(&self, binary: &Binary, row: Row) -> Row {
        match binary.operator.compares() && !binary.returns_bool {
            true => row,
            false => self.unnamed(row),
        }
    }

    fn set_operation(
        &self,
        binary: &Binary,
        left: Vec<Row>,
        right: Vec<Row>,
        grid: &Grid,
    ) -> Result<Vec<Row>, Error> {
        let (base, other) = if binary.operator == Operator::Or { (&left, &right) } else { (&right, &left) };
        let there = matching::presence(base, &binary.matching, grid.count);
        let mut filtered = Vec::with_capacity(other.len());
        for row in other {
            self.pause()?;
            let mut row = row.clone();
            let there = there.get(&matching::signature(&row.labels, &binary.matching));
            let found = |step: usize| there.is_some_and(|there| there[step]);
            match binary.operator {
                Operator::And => row.column.keep(found),
                _ => row.column.keep(|step| !found(step)),
            }
            if !row.column.is_empty() {
                filtered.push(row);
            }
        }
        if binary.operator != Operator::Or {
            return Ok(filtered);
        }
        merged(left.into_iter().chain(filtered).collect())
    }

    /// Series matched by their labels.
    fn matched(
        &self,
        binary: &Binary,
        start: usize,
        left: Vec<Row>,
        right: Vec<Row>,
        grid: &Grid,
    ) -> Result<Vec<Row>, Error> {
        // Of the side called one, a series may match several of the other at most.
        let swapped = matches!(binary.many, Many::Right(_));
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let found = matching::ones(&one, &many, binary, grid)?;
        let mut taken = matching::Taken::new(grid.count);
        let mut out = Vec::new();
        for many in &many {
            self.pause()?;
            let signature = matching::signature(&many.labels, &binary.matching);
            for one in found.get(&signature).into_iter().flatten() {
                let (left, right) = if swapped { (*one, many) } else { (many, *one) };
                let column = self.column(binary, start, &left.column, &right.column);
                if column.is_empty() {
                    continue;
                }
                if binary.many == Many::Neither {
                    taken.take(&signature, &column)?;
                }
                out.push(self.joined(binary, many, one, column));
            }
        }
        match binary.many {
            Many::Neither => merged(out),
            _ => merged(out).map_err(|_| {
                Error::evaluation("multiple matches for labels: grouping labels must ensure unique matches")
            }),
        }
    }

    fn column(&self, binary: &Binary, start: usize, left: &Column, right: &Column) -> Column {
        if !left.has_histograms() && !right.has_histograms() {
            let present =
                left.present.iter().zip(&right.present).map(|(left, right)| *left && *right).collect();
            return of_floats(binary, &left.values, &right.values, present, &left.values);
        }
        let mut out = Column::empty(left.steps());
        for step in 0..out.steps() {
            let (Some(left), Some(right)) = (left.cell(step), right.cell(step)) else { continue };
            if let Some(cell) = self.applied(binary, start, &left, &right) {
                out.set(step, cell);
            }
        }
        out
    }

    /// The row of a match, with the labels that it has then.
    fn joined(&self, binary: &Binary, many: &Row, one: &Row, column: Column) -> Row {
        let row = self.named_after(binary, Row { labels: many.labels.clone(), nameless: false, column });
        let nameless = row.nameless || many.nameless;
        let labels = match (&binary.many, &binary.matching) {
            (Many::Neither, Grouping::These(on)) => {
                row.labels.filter(|name| on.iter().any(|label| label == name))
            }
            (Many::Neither, Grouping::AllBut(ignored)) => {
                row.labels.filter(|name| !ignored.iter().any(|label| label == name))
            }
            (Many::Left(included) | Many::Right(included), _) => {
                included.iter().fold(row.labels, |labels, name| labels.with(name, one.labels.get(name)))
            }
        };
        Row { labels, nameless, column: row.column }
    }
}

/// The operator where only numbers stand. `chosen` is what a comparison leaves where it holds.
fn of_floats(binary: &Binary, left: &[f64], right: &[f64], mut present: Vec<bool>, chosen: &[f64]) -> Column {
    let operator = binary.operator;
    let pairs = left.iter().zip(right);
    let values = if !operator.compares() {
        pairs.map(|(left, right)| arithmetic(operator, *left, *right)).collect()
    } else if binary.returns_bool {
        pairs.map(|(left, right)| f64::from(u8::from(holds(operator, *left, *right)))).collect()
    } else {
        for (present, (left, right)) in present.iter_mut().zip(pairs) {
            *present = *present && holds(operator, *left, *right);
        }
        chosen.to_vec()
    };
    Column::of_floats(values, present)
}

#[cfg(test)]
mod tests;
