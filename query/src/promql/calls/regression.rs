//! Lines through samples: `deriv`, `predict_linear`, `double_exponential_smoothing`.

use super::super::column::Cell;
use super::super::error::Error;
use super::super::evaluate::Evaluator;
use super::super::notes::Remark;
use super::super::numbers::Sum;
use super::super::select::Window;

/// A line: by how much it rises per second, and where it is at a time.
struct Line {
    slope: f64,
    intercept: f64,
}

impl Evaluator<'_> {
    /// The numbers of a window with at least two.
    fn several<'w>(&self, window: &Window<'w>, at: usize) -> Option<&'w [f64]> {
        if window.values.len() > 1 {
            return self.floats(window, at);
        }
        if window.values.len() == 1 && !window.histograms.is_empty() {
            self.note(&Remark::IgnoredInRange(window.labels.clone()), at);
        }
        None
    }

    pub(super) fn deriv(&self, window: &Window<'_>, at: usize) -> Option<Cell> {
        let values = self.several(window, at)?;
        Some(Cell::Float(line(window.times, values, window.times[0]).slope))
    }

    pub(super) fn predicted(&self, window: &Window<'_>, seconds: f64, at: usize) -> Option<Cell> {
        let values = self.several(window, at)?;
        let line = line(window.times, values, window.now);
        Some(Cell::Float(line.slope * seconds + line.intercept))
    }

    /// The smoothed value: `smoothing` is the weight of what is new, `trend` that of a new trend.
    pub(super) fn smoothed(
        &self,
        window: &Window<'_>,
        smoothing: f64,
        trend: f64,
        at: usize,
    ) -> Option<Cell> {
        let values = self.several(window, at)?;
        let mut slope = values[1] - values[0];
        let (mut before, mut level) = (0.0, values[0]);
        for (number, value) in values.iter().enumerate().skip(1) {
            if number > 1 {
                slope = trend * (level - before) + (1.0 - trend) * slope;
            }
            let next = smoothing * value + (1.0 - smoothing) * (level + slope);
            before = level;
            level = next;
        }
        Some(Cell::Float(level))
    }
}

/// Whether both factors of smoothing are above 0 and below 1.
pub(super) fn check_factors(numbers: &[Vec<f64>]) -> Result<(), Error> {
    for ((name, short), values) in [("smoothing", "sf"), ("trend", "tf")].into_iter().zip(numbers) {
        if let Some(wrong) = values.iter().find(|value| !(**value > 0.0 && **value < 1.0)) {
            return Err(Error::evaluation(format!(
                "invalid {name} factor. Expected: 0 < {short} < 1, got: {wrong:.6}"
            )));
        }
    }
    Ok(())
}

/// The line nearest to samples, by the sum of squares.
fn line(times: &[i64], values: &[f64], origin: i64) -> Line {
    let first = values[0];
    if values.iter().all(|value| *value == first) {
        return match first.is_infinite() {
            true => Line { slope: f64::NAN, intercept: f64::NAN },
            false => Line { slope: 0.0, intercept: first },
        };
    }
    let mut sums = [Sum::default(); 4];
    for (time, value) in times.iter().zip(values) {
        let x = (time - origin) as f64 / 1000.0;
        for (sum, term) in sums.iter_mut().zip([x, *value, x * value, x * x]) {
            sum.add(term);
        }
    }
    let [x, y, xy, xx] = sums.map(|sum| sum.sum + sum.lost);
    let count = values.len() as f64;
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Line { slope, intercept: y / count - slope * x / count }
}
