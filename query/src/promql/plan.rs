//! A tree at its times: which samples it needs, and when each selector looks.

use super::ast::{At, Expr, Kind, Shift};
use super::column::Grid;
use super::duration::DURATION_MAX_MS;
use super::error::Error;
use super::labels::{Matcher, NAME};
use super::parse::parse;
use super::series::Selection;
use super::{Limits, Options};

/// The name of the metric whose labels `info` adds, if none is given.
const INFO_NAME: &str = "target_info";

/// When a query is answered: from the start in steps up to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    start_ms: i64,
    end_ms: i64,
    /// None of an instant query.
    step_ms: Option<i64>,
}

impl Times {
    /// One time.
    pub fn instant(time_ms: i64) -> Self {
        Self { start_ms: time_ms, end_ms: time_ms, step_ms: None }
    }

    /// From a start in steps up to an end, which counts if a step meets it.
    pub fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        Self { start_ms, end_ms, step_ms: Some(step_ms) }
    }

    /// The steps, if they are in order and not too many.
    fn grid(&self, limits: &Limits) -> Result<Grid, Error> {
        let far = |time: i64| time.unsigned_abs() > DURATION_MAX_MS.unsigned_abs();
        if far(self.start_ms) || far(self.end_ms) {
            return Err(Error::evaluation("a time of the query is out of range"));
        }
        let Some(step) = self.step_ms else { return Ok(Grid { start: self.start_ms, step: 1, count: 1 }) };
        if step <= 0 || far(step) {
            return Err(Error::evaluation("the step of a range query must be positive"));
        }
        if self.end_ms < self.start_ms {
            return Err(Error::evaluation("the end of a range query must not be before its start"));
        }
        let count = (self.end_ms - self.start_ms) / step + 1;
        if count as u64 > limits.steps_max {
            return Err(Error::Limit { name: "steps_max", most: limits.steps_max });
        }
        Ok(Grid { start: self.start_ms, step, count: count as usize })
    }
}

/// When a selector looks: at the step or at a fixed time, less an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) fixed: Option<i64>,
    offset: i64,
}

impl Look {
    pub(super) fn time(&self, grid: &Grid, step: usize) -> i64 {
        self.fixed.unwrap_or_else(|| grid.time(step)) - self.offset
    }

    /// The first and the last time over all steps.
    fn ends(&self, grid: &Grid) -> (i64, i64) {
        (self.time(grid, 0), self.time(grid, grid.count.saturating_sub(1)))
    }
}

/// A query: a tree, its times, and what it needs.
#[derive(Debug, Clone)]
pub struct Query {
    pub(super) text: String,
    pub(super) expr: Expr,
    pub(super) options: Options,
    pub(super) limits: Limits,
    pub(super) grid: Grid,
    pub(super) is_instant: bool,
    /// The time of `@ end()`.
    end_ms: i64,
    selections: Vec<Selection>,
    /// The selection of each selector.
    of_selectors: Vec<usize>,
    /// The selections of calls of `info`, by where the call stands.
    of_infos: Vec<(usize, usize)>,
}

impl Query {
    /// A query from its text.
    pub fn new(text: &str, times: Times, options: Options, limits: Limits) -> Result<Self, Error> {
        let expr = parse(text, &options)?;
        let grid = times.grid(&limits)?;
        let mut query = Self {
            text: text.to_owned(),
            expr: expr.clone(),
            options,
            limits,
            grid,
            is_instant: times.step_ms.is_none(),
            end_ms: times.end_ms,
            selections: Vec::new(),
            of_selectors: Vec::new(),
            of_infos: Vec::new(),
        };
        query.plan(&expr, &grid)?;
        Ok(query)
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.grid.count
    }

    /// The tree.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The samples that it needs. [`super::Source::series`] is asked by the number in this list.
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    pub(super) fn selection(&self, selector: usize) -> usize {
        self.of_selectors.get(selector).copied().unwrap_or(usize::MAX)
    }

    pub(super) fn info_selection(&self, start: usize) -> usize {
        let found = self.of_infos.iter().find(|(position, _)| *position == start);
        found.map_or(usize::MAX, |(_, selection)| *selection)
    }

    /// When a shift looks.
    pub(super) fn look(&self, shift: &Shift) -> Look {
        let fixed = shift.at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.grid.start,
            At::End => self.end_ms,
        });
        Look { fixed, offset: shift.offset_ms.unwrap_or(0) }
    }

    /// The inner steps of a subquery: multiples of its step that any of its windows holds.
    pub(super) fn inner_grid(
        &self,
        shift: &Shift,
        range_ms: i64,
        step_ms: Option<i64>,
        grid: &Grid,
    ) -> Result<Grid, Error> {
        let step = step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
        let (first, last) = self.look(shift).ends(grid);
        let start = ((first - range_ms).div_euclid(step) + 1) * step;
        let count = if last < start { 0 } else { (last - start) / step + 1 };
        if count as u64 > self.limits.points_max {
            return Err(Error::Limit { name: "points_max", most: self.limits.points_max });
        }
        Ok(Grid { start, step, count: count as usize })
    }

    fn plan(&mut self, expr: &Expr, grid: &Grid) -> Result<(), Error> {
        match &expr.kind {
            Kind::Number(_) | Kind::Text { .. } => Ok(()),
            Kind::Selector(selector) => {
                let back = self.options.lookback_ms;
                self.need(selector.number, &selector.matchers, &selector.shift, back, grid);
                Ok(())
            }
            Kind::Range { selector, range_ms } => {
                self.need(selector.number, &selector.matchers, &selector.shift, *range_ms, grid);
                Ok(())
            }
            Kind::Subquery { inner, range_ms, step_ms, shift } => {
                let inner_grid = self.inner_grid(shift, *range_ms, *step_ms, grid)?;
                self.plan(inner, &inner_grid)
            }
            Kind::Paren(inner) | Kind::Negate(inner) => self.plan(inner, grid),
            Kind::Binary(binary) => {
                self.plan(&binary.left, grid)?;
                self.plan(&binary.right, grid)
            }
            Kind::Aggregate(aggregate) => {
                aggregate.param.as_ref().map_or(Ok(()), |param| self.plan(param, grid))?;
                self.plan(&aggregate.inner, grid)
            }
            Kind::Call { function, args } if function.name == "info" => {
                self.plan(&args[0], grid)?;
                self.need_info(args.get(1), expr.start, grid);
                Ok(())
            }
            Kind::Call { args, .. } => args.iter().try_for_each(|arg| self.plan(arg, grid)),
        }
    }

    fn need(&mut self, number: usize, matchers: &[Matcher], shift: &Shift, back_ms: i64, grid: &Grid) {
        let (first, last) = self.look(shift).ends(grid);
        // The start of a window does not belong to it.
        let selection = Selection { matchers: matchers.to_vec(), from_ms: first - back_ms + 1, to_ms: last };
        let place = self.place(selection);
        if self.of_selectors.len() <= number {
            self.of_selectors.resize(number + 1, usize::MAX);
        }
        self.of_selectors[number] = place;
    }

    /// The number of a selection, which is there once however often it is needed.
    fn place(&mut self, selection: Selection) -> usize {
        let found = self.selections.iter().position(|other| *other == selection);
        found.unwrap_or_else(|| {
            self.selections.push(selection);
            self.selections.len() - 1
        })
    }

    /// What a call of `info` looks up: the series of its second argument, those of one name without it.
    fn need_info(&mut self, arg: Option<&Expr>, start: usize, grid: &Grid) {
        let mut matchers = match arg.map(|arg| &arg.kind) {
            Some(Kind::Selector(selector)) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        if !matchers.iter().any(|matcher| matcher.name == NAME) {
            matchers.insert(0, Matcher::named(INFO_NAME));
        }
        let look = self.look(&Shift::default());
        let (first, last) = look.ends(grid);
        let from_ms = first - self.options.lookback_ms + 1;
        let place = self.place(Selection { matchers, from_ms, to_ms: last });
        self.of_infos.push((start, place));
    }
}

#[cfg(test)]
mod tests;
