//! The last figure of each series, with its way there.

use super::Span;
use super::series::Found;
use crate::dashboards::fill::Choices;
use crate::dashboards::model::Panel;
use crate::dashboards::units;
use crate::format::count;

/// The most figures of a panel.
const FIGURES_MAX: usize = 24;
/// The size of the line below a figure, in units of its SVG.
const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 24.0;

/// Figures.
#[derive(Debug)]
pub(crate) struct Stat {
    pub(crate) figures: Vec<Figure>,
}

/// A figure.
#[derive(Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) text: String,
    /// The style sheet's word for how remarkable it is.
    pub(crate) level: &'static str,
    /// How it came there.
    pub(crate) path: String,
}

impl Stat {
    /// Shows series; what is not shown is noted.
    pub(super) fn new(
        panel: &Panel,
        all: &[Found<'_>],
        (choices, span): (&Choices, &Span),
        notes: &mut Vec<String>,
    ) -> Self {
        if all.len() > FIGURES_MAX {
            notes.push(format!("The first {FIGURES_MAX} of {} series are shown.", count(all.len() as u64)));
        }
        let is_alone = all.len() == 1 && panel.queries.iter().all(|query| query.legend.is_empty());
        let figures = all.iter().take(FIGURES_MAX).map(|found| {
            let series = found.expanded(choices, span);
            let last = series.last().unwrap_or(f64::NAN);
            Figure {
                name: if is_alone { String::new() } else { series.name },
                text: units::text(last, &panel.unit),
                level: panel.level(last).map_or("", |level| level.word()),
                path: sparkline(&series.values, span.count()),
            }
        });
        Self { figures: figures.collect() }
    }
}

/// A line from the lowest to the highest value; nothing where there are fewer than two.
fn sparkline(values: &[Option<f64>], count: usize) -> String {
    let finite = || {
        values
            .iter()
            .enumerate()
            .filter_map(|(step, value)| Some((step, (*value)?)))
            .filter(|(_, value)| value.is_finite())
    };
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| {
        (low.min(value), high.max(value))
    });
    if finite().count() < 2 {
        return String::new();
    }
    let height = |value: f64| if high > low { (high - value) / (high - low) } else { 0.5 };
    let last = count.saturating_sub(1).max(1) as f64;
    let places = finite()
        .map(|(step, value)| format!("{:.1} {:.1}", step as f64 / last * WIDTH, height(value) * HEIGHT));
    format!("M{}", places.collect::<Vec<_>>().join("L"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_figure_goes_from_low_to_high() {
        for (values, expected) in [
            (vec![Some(1.0), None, Some(3.0)], "M0.0 24.0L100.0 0.0"),
            (vec![Some(2.0), Some(2.0)], "M0.0 12.0L100.0 12.0"),
            (vec![Some(2.0), None], ""),
            (vec![Some(f64::NAN), Some(1.0)], ""),
        ] {
            assert_eq!(sparkline(&values, values.len()), expected, "{values:?}");
        }
    }
}
