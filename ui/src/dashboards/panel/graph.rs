//! Lines over time.

use serde_json::{Value, json};

use super::Span;
use super::series::{Found, Series};
use crate::colour::Palette;
use crate::dashboards::fill::Choices;
use crate::dashboards::model::Panel;
use crate::dashboards::units;
use crate::format::{Moment, count, svg_percent};

/// The most lines that are drawn: those with the highest values.
const LINES_MAX: usize = 40;
/// The size of the drawing in units of its SVG, which is stretched to the panel's.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 160.0;
/// What is left free above the highest value, as a share of it.
const HEADROOM: f64 = 0.05;
/// Digits of the figures that script draws from.
const DIGITS: usize = 7;

/// A graph.
#[derive(Debug)]
pub(crate) struct Graph {
    /// The graph for those who do not see it.
    pub(crate) label: String,
    pub(crate) lines: Vec<Line>,
    /// Figures at the side: how far down, and text.
    pub(crate) ticks: Vec<(String, String)>,
    /// Where thresholds are: how far down, and the style sheet's word.
    pub(crate) thresholds: Vec<(String, &'static str)>,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// The same figures for script, as JSON.
    pub(crate) data: String,
}

/// A series.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: usize,
    pub(crate) path: String,
    /// Its last and its highest value.
    pub(crate) last: String,
    pub(crate) most: String,
    /// How remarkable its last value is.
    pub(crate) level: &'static str,
}

impl Graph {
    /// Draws series; what is not drawn is noted.
    pub(super) fn new(
        panel: &Panel,
        found: Vec<Found<'_>>,
        (choices, span): (&Choices, &Span),
        notes: &mut Vec<String>,
    ) -> Self {
        let highest = highest(found, notes);
        let all: Vec<Series> = highest.iter().map(|found| found.expanded(choices, span)).collect();
        if all.iter().any(|series| series.is_histogram) {
            notes.push("Native histograms are drawn as how many observations they hold.".to_owned());
        }
        let drawn =
            if panel.stack { stacked(&all) } else { all.iter().map(|one| one.values.clone()).collect() };
        let (low, high) = bounds(&drawn, panel);
        let down = |value: f64| 1.0 - (value - low) / (high - low);
        let palette = Palette::of(all.iter().map(|series| series.name.as_str()));
        let lines: Vec<Line> = all
            .iter()
            .zip(&drawn)
            .map(|(series, values)| Line::new(panel, series, &palette, path(values, down)))
            .collect();
        let ticks = [high, f64::midpoint(low, high), low];
        let inside = panel.thresholds.iter().filter(|threshold| (low..=high).contains(&threshold.from));
        Self {
            label: label(panel, &lines),
            ticks: ticks.map(|tick| (svg_percent(down(tick)), units::text(tick, &panel.unit))).to_vec(),
            thresholds: inside.map(|one| (svg_percent(down(one.from)), one.level.word())).collect(),
            from: Moment::to_second(span.from_ms.saturating_mul(super::MILLI)),
            to: Moment::to_second(span.to_ms.saturating_mul(super::MILLI)),
            data: data(panel, &all, &lines, span).to_string(),
            lines,
        }
    }
}

impl Line {
    fn new(panel: &Panel, series: &Series, palette: &Palette, path: String) -> Self {
        let text = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| units::text(value, &panel.unit))
        };
        Self {
            name: series.name.clone(),
            colour: palette.colour(&series.name),
            path,
            last: text(series.last()),
            most: text(series.most()),
            level: series.last().and_then(|last| panel.level(last)).map_or("", |level| level.word()),
        }
    }
}

/// The series that are drawn; what is not is noted.
fn highest<'a>(found: Vec<Found<'a>>, notes: &mut Vec<String>) -> Vec<Found<'a>> {
    if found.len() <= LINES_MAX {
        return found;
    }
    notes.push(format!("The highest {LINES_MAX} of {} series are drawn.", count(found.len() as u64)));
    let with_most = |one: Found<'a>| (one.most().unwrap_or(f64::MIN), one);
    let mut found: Vec<(f64, Found<'a>)> = found.into_iter().map(with_most).collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.into_iter().take(LINES_MAX).map(|(_, one)| one).collect()
}

/// Each series on those before it; a gap of one is nothing in the sum.
fn stacked(all: &[Series]) -> Vec<Vec<Option<f64>>> {
    let mut sums = vec![0.0; all.first().map_or(0, |series| series.values.len())];
    let stacked = all.iter().map(|series| {
        let on = series.values.iter().zip(&mut sums).map(|(value, sum)| {
            *sum += value.filter(|value| value.is_finite())?;
            Some(*sum)
        });
        on.collect()
    });
    stacked.collect()
}

/// The lowest and the highest value that is drawn: zero is always in it, as figures are compared by their height.
fn bounds(drawn: &[Vec<Option<f64>>], panel: &Panel) -> (f64, f64) {
    let finite = drawn.iter().flatten().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let least = if panel.unit == "ratio" { 0.01 } else { f64::MIN_POSITIVE };
    match high - low > least {
        true => (low, high + (high - low) * HEADROOM),
        false => (low, low + if panel.unit == "ratio" { least } else { 1.0 }),
    }
}

/// A line through values, open where there are none.
fn path(values: &[Option<f64>], down: impl Fn(f64) -> f64) -> String {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut out = String::new();
    let mut is_open = false;
    for (step, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            is_open = false;
            continue;
        };
        let (x, y) = (step as f64 / last * WIDTH, down(value) * HEIGHT);
        // A value between two gaps is a dot: a line of no length with round ends.
        out.push_str(&if is_open { format!("L{x:.1} {y:.1}") } else { format!("M{x:.1} {y:.1}h0") });
        is_open = true;
    }
    out
}

fn label(panel: &Panel, lines: &[Line]) -> String {
    let said = lines.iter().take(5).map(|line| format!("{} {}, at most {}", line.name, line.last, line.most));
    let more = if lines.len() > 5 { format!(" and {} more", lines.len() - 5) } else { String::new() };
    format!("{}: {}{more}", panel.title, said.collect::<Vec<_>>().join("; "))
}

/// The figures for script: the same lines, to be pointed at and dragged over.
fn data(panel: &Panel, all: &[Series], lines: &[Line], span: &Span) -> Value {
    let series = all.iter().zip(lines).map(|(series, line)| {
        let values: Vec<Value> = series.values.iter().map(|value| figure(*value)).collect();
        json!({ "name": line.name, "colour": line.colour, "values": values })
    });
    json!({
        "from": span.from_ms,
        "step": span.step_ms,
        "unit": panel.unit,
        "stack": panel.stack,
        "thresholds": panel.thresholds,
        "series": series.collect::<Vec<_>>(),
    })
}

/// A figure with as many digits as are drawn; null where there is none.
fn figure(value: Option<f64>) -> Value {
    let rounded = value.and_then(|value| format!("{value:.DIGITS$e}").parse::<f64>().ok());
    rounded.map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_left_open_and_single_values_are_dots() {
        let down = |value: f64| 1.0 - value / 10.0;
        for (values, expected) in [
            (vec![Some(0.0), Some(10.0), Some(5.0)], "M0.0 160.0h0L500.0 0.0L1000.0 80.0"),
            (vec![Some(0.0), None, Some(5.0)], "M0.0 160.0h0M1000.0 80.0h0"),
            (vec![None, Some(f64::NAN), Some(f64::INFINITY)], ""),
            (vec![Some(10.0)], "M0.0 0.0h0"),
            (vec![], ""),
        ] {
            assert_eq!(path(&values, down), expected, "{values:?}");
        }
    }

    #[test]
    fn figures_for_script_are_short() {
        assert_eq!(figure(Some(1.0 / 3.0)).to_string(), "0.33333333");
        assert_eq!(figure(Some(f64::NAN)), Value::Null);
        assert_eq!(figure(None), Value::Null);
    }
}
