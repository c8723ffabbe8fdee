//! Log templates that are new, gone, or written far more often.
//!
//! Counts by template against the spans of the service in the same minutes, so that more traffic is no news. The window
//! against the reference by the exact conditional test of two Poisson rates (Przyborowski and Wilenski 1940), with counts
//! divided by what the reference's minutes differ among themselves; a false discovery rate over all templates.

use std::collections::BTreeMap;

use crate::stats::{at_least, discoveries, spread};

/// So many times the usual rate is a spike.
const SPIKE: f64 = 2.0;

/// How a template's rate differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    New,
    Spike,
    Gone,
}

/// A template that is not written as usual.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Changed {
    pub(crate) template: String,
    pub(crate) how: How,
    pub(crate) is_error: bool,
    /// Lines in the window, and how many there would be as usual.
    pub(crate) lines: f64,
    pub(crate) expected: f64,
}

/// Lines of one template.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lines {
    pub(crate) is_error: bool,
    pub(crate) now: f64,
    /// By minute of the reference.
    pub(crate) then: BTreeMap<i64, f64>,
}

/// Which templates of a service are not as usual: errors first, then what is new, spikes and is gone, the most lines first.
/// `spans` are those of the service in the window, `usual` those in each minute of the reference.
pub(crate) fn changed(of: &BTreeMap<String, Lines>, spans: f64, usual: &BTreeMap<i64, f64>) -> Vec<Changed> {
    let all: f64 = usual.values().sum();
    if spans <= 0.0 || all <= 0.0 {
        return Vec::new();
    }
    let tests: Vec<(&String, &Lines, f64, f64)> = of
        .iter()
        .map(|(template, lines)| {
            let then: f64 = lines.then.values().sum();
            (template, lines, then, chance(lines, then, spans, all, usual))
        })
        .collect();
    let cut = discoveries(&tests.iter().map(|(.., p)| *p).collect::<Vec<f64>>());
    let mut found = Vec::new();
    for (template, lines, then, p) in tests {
        // The sum of nothing is less than zero by its sign.
        let expected = then.max(0.0) * spans / all;
        let how = match (lines.now > 0.0, then > 0.0) {
            (true, false) => How::New,
            (false, true) => How::Gone,
            (true, true) if lines.now >= SPIKE * expected => How::Spike,
            _ => continue,
        };
        if p <= cut {
            let template = template.clone();
            found.push(Changed { template, how, is_error: lines.is_error, lines: lines.now, expected });
        }
    }
    found.sort_by(|a, b| {
        let key = |changed: &Changed| (!changed.is_error, changed.how);
        let most = |changed: &Changed| changed.lines.max(changed.expected);
        key(a).cmp(&key(b)).then(most(b).total_cmp(&most(a))).then_with(|| a.template.cmp(&b.template))
    });
    found
}

/// The one-sided chance of so many lines, or so few.
fn chance(lines: &Lines, then: f64, spans: f64, all: f64, usual: &BTreeMap<i64, f64>) -> f64 {
    let rate = then / all;
    let residuals: Vec<f64> = usual
        .iter()
        .map(|(minute, spans)| {
            let expected = rate * spans;
            let found = lines.then.get(minute).copied().unwrap_or(0.0);
            (found - expected).abs() / (expected + 0.25).sqrt()
        })
        .collect();
    let dispersion = spread(&residuals, 0.0).powi(2).max(1.0);
    let share = spans / (spans + all);
    let (now, then) = ((lines.now / dispersion).round() as u64, (then / dispersion).round() as u64);
    let more = at_least(now, now + then, share);
    let less = at_least(then, now + then, 1.0 - share);
    more.min(less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_against_the_traffic() {
        let check = |now: f64, then: &[f64], spans: f64, expected: Option<How>| {
            let usual: BTreeMap<i64, f64> = (0..10).map(|minute| (minute, 100.0)).collect();
            let then = then.iter().enumerate().map(|(at, lines)| (at as i64, *lines)).collect();
            let of = BTreeMap::from([("a".to_owned(), Lines { is_error: false, now, then })]);
            let found = changed(&of, spans, &usual);
            assert_eq!(found.first().map(|changed| changed.how), expected, "{now} of {spans}: {found:?}");
        };
        let steady = [10.0; 10];
        check(20.0, &steady, 200.0, None);
        check(200.0, &steady, 200.0, Some(How::Spike));
        check(0.0, &steady, 200.0, Some(How::Gone));
        check(20.0, &[], 200.0, Some(How::New));
        // One line is no news, nor is twice the lines of twice the traffic.
        check(1.0, &[], 200.0, None);
        check(40.0, &steady, 400.0, None);
        // What comes in bursts may come in another.
        check(60.0, &[0.0, 60.0, 0.0, 70.0, 0.0, 50.0, 0.0, 60.0, 0.0, 50.0], 200.0, None);
        check(60.0, &steady, 0.0, None);
    }

    #[test]
    fn errors_come_first() {
        let usual: BTreeMap<i64, f64> = (0..10).map(|minute| (minute, 100.0)).collect();
        let lines = |is_error, now| Lines { is_error, now, then: BTreeMap::new() };
        let of = BTreeMap::from([("a".to_owned(), lines(false, 90.0)), ("b".to_owned(), lines(true, 30.0))]);
        let found: Vec<String> =
            changed(&of, 200.0, &usual).into_iter().map(|changed| changed.template).collect();
        assert_eq!(found, ["b", "a"]);
    }
}
