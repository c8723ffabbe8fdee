//! Traffic that is not as usual: calls a minute against those of the minutes before, by the robust score with heavy tails.

use crate::stats::{ALPHA, median, robust_p};

/// Minutes that make a history.
const HISTORY_MIN: usize = 5;
/// So many times the busiest minute before is a surge.
const SURGE: f64 = 1.5;

/// Calls a minute of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shift {
    pub(crate) now: f64,
    pub(crate) usual: f64,
    /// Whether it is more than ever before.
    pub(crate) is_surge: bool,
}

/// Whether so many calls a minute are unusual.
pub(crate) fn shift(now: f64, history: &[f64]) -> Option<Shift> {
    if history.len() < HISTORY_MIN {
        return None;
    }
    let usual = median(history);
    let inverse = |value: f64| 1.0 / value.max(1e-9);
    let less: Vec<f64> = history.iter().copied().map(inverse).collect();
    let p = robust_p(now, history).min(robust_p(inverse(now), &less));
    let most = history.iter().copied().fold(0.0, f64::max);
    // Both sides are asked.
    (2.0 * p <= ALPHA).then_some(Shift { now, usual, is_surge: now >= SURGE * most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_far_from_the_history() {
        let history: Vec<f64> = (0..30).map(|at| 100.0 + f64::from(at % 9)).collect();
        let check = |now: f64, expected: Option<bool>| {
            assert_eq!(shift(now, &history).map(|shift| shift.is_surge), expected, "{now}");
        };
        check(104.0, None);
        check(130.0, None);
        check(400.0, Some(true));
        check(150.0, Some(false));
        check(20.0, Some(false));
        assert_eq!(shift(400.0, &history[..3]), None);
    }
}
