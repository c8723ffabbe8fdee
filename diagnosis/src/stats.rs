//! Small statistics, in robust form: medians instead of means, ranks and counts instead of thresholds.

use std::cmp::Ordering;

use statrs::distribution::{
    Binomial, ContinuousCDF, DiscreteCDF, Hypergeometric, Normal, Poisson, StudentsT,
};

/// The share of false discoveries that is put up with, and the level of every single test.
pub(crate) const ALPHA: f64 = 0.01;
/// What makes a robust spread one of a normal distribution.
const MAD_TO_SIGMA: f64 = 1.4826;
/// The least spread that is believed, as a share: nothing measured repeats closer than this.
pub(crate) const SPREAD_MIN: f64 = 0.05;
/// So many robust standard deviations are not chance.
pub(crate) const SIGMAS: f64 = 3.0;
/// Degrees of freedom of the tails that are assumed of whatever is measured.
const FREEDOM_MAX: usize = 3;
/// The exponent of the calibrator from p-values to evidence.
pub(crate) const KAPPA: f64 = 0.1;
/// Smaller p-values are as good as this: what is assumed of tails holds no further out.
const P_MIN: f64 = 1e-4;

/// The median; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// A quantile, between two values in proportion; 0 of nothing.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&sorted, share)
}

/// A quantile of values in order.
pub(crate) fn quantile_of_sorted(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * part
}

/// The robust standard deviation about a centre: 1.4826 times the median of the distances.
pub(crate) fn spread(values: &[f64], centre: f64) -> f64 {
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    MAD_TO_SIGMA * median(&distances)
}

/// The one-sided p-value of a value against its history: Student's t with three degrees of freedom, fewer where the history
/// has fewer, of the robust score of the logarithms (the robust scorer of BARO, Pham et al. 2024, with heavy tails in the
/// place of a cut-off).
pub(crate) fn robust_p(value: f64, history: &[f64]) -> f64 {
    let ln = |value: f64| value.max(1e-12).ln();
    let logs: Vec<f64> = history.iter().map(|value| ln(*value)).collect();
    let centre = median(&logs);
    let spread = spread(&logs, centre).max(SPREAD_MIN);
    t_above((ln(value) - centre) / spread, history.len().saturating_sub(1).clamp(1, FREEDOM_MAX))
}

/// The chance of a value over `score` of Student's t.
fn t_above(score: f64, freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64).map_or(1.0, |t| t.sf(score))
}

/// How far two mixes are from each other, by the shares of each part in both: the divergence of Jensen and Shannon, in bits.
pub(crate) fn divergence(shares: impl Iterator<Item = (f64, f64)>) -> f64 {
    let of_part = |(p, q): (f64, f64)| {
        let of = |share: f64| if share > 0.0 { share * (2.0 * share / (p + q)).log2() } else { 0.0 };
        0.5 * (of(p) + of(q))
    };
    shares.map(of_part).sum()
}

/// The normal score that is passed with this chance.
pub(crate) fn normal_score(chance: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(0.0, |normal| -normal.inverse_cdf(chance.clamp(1e-300, 1.0 - 1e-16)))
}

/// The chance of at least `hits` of `draws`, each with chance `p`.
pub(crate) fn at_least(hits: u64, draws: u64, p: f64) -> f64 {
    match hits {
        0 => 1.0,
        _ => Binomial::new(p.clamp(0.0, 1.0), draws).map_or(1.0, |binomial| binomial.sf(hits - 1)),
    }
}

/// The chance of at most so many where so many are expected, by Poisson's law.
pub(crate) fn at_most(count: f64, expected: f64) -> f64 {
    Poisson::new(expected).map_or(1.0, |poisson| poisson.cdf(count.max(0.0) as u64))
}

/// Fisher's exact test, one-sided: of `population` with `marked`, `draws` are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Urn {
    pub(crate) population: u64,
    pub(crate) marked: u64,
    pub(crate) draws: u64,
}

impl Urn {
    fn law(self) -> Option<Hypergeometric> {
        Hypergeometric::new(
            self.population,
            self.marked.min(self.population),
            self.draws.min(self.population),
        )
        .ok()
    }

    /// The chance of at most `hits` marked ones.
    pub(crate) fn at_most(self, hits: u64) -> f64 {
        self.law().map_or(1.0, |law| law.cdf(hits)).clamp(0.0, 1.0)
    }

    /// The chance of at least `hits` marked ones.
    pub(crate) fn at_least(self, hits: u64) -> f64 {
        match hits {
            0 => 1.0,
            _ => self.law().map_or(1.0, |law| law.sf(hits - 1)).clamp(0.0, 1.0),
        }
    }

    /// The fewest marked ones that there can be among the drawn.
    pub(crate) fn fewest(self) -> u64 {
        self.draws.saturating_sub(self.population - self.marked.min(self.population))
    }

    /// The most marked ones that there can be among the drawn.
    pub(crate) fn most(self) -> u64 {
        self.draws.min(self.marked)
    }
}

/// The largest p-value that is a discovery at a false discovery rate of [`ALPHA`] (Benjamini and Hochberg, 1995); 0 if
/// none is.
pub(crate) fn discoveries(p_values: &[f64]) -> f64 {
    let mut sorted = p_values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let tests = sorted.len() as f64;
    let found = sorted.iter().enumerate().rev().find(|(at, p)| **p <= ALPHA * (*at + 1) as f64 / tests);
    found.map_or(0.0, |(_, p)| *p)
}

/// How much better "abnormal" explains a p-value than "normal": the calibrator of Vovk and Wang (2021).
pub(crate) fn evidence(p: f64) -> f64 {
    KAPPA * p.max(P_MIN).powf(KAPPA - 1.0)
}

/// The chance that a cause is there which has so much evidence, where one in eleven is before anything is known.
pub(crate) fn believed(evidence: f64) -> f64 {
    evidence / (evidence + 10.0)
}

/// The one-sided p-value of a rise over time: Mann and Kendall's test, with ties left out of the variance.
pub(crate) fn rises(values: &[f64]) -> f64 {
    let count = values.len();
    if count < 4 {
        return 1.0;
    }
    let mut score = 0_i64;
    for (at, value) in values.iter().enumerate() {
        for later in &values[at + 1..] {
            score += match later.total_cmp(value) {
                Ordering::Greater => 1,
                Ordering::Less => -1,
                Ordering::Equal => 0,
            };
        }
    }
    if score <= 0 {
        return 1.0;
    }
    let n = count as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    let normal = Normal::new(0.0, 1.0);
    normal.map_or(1.0, |normal| normal.sf((score as f64 - 1.0) / variance.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-9), "{found} is not {expected}");
    }

    #[test]
    fn quantiles_lie_between_values() {
        near(median(&[3.0, 1.0, 2.0]), 2.0);
        near(median(&[4.0, 1.0]), 2.5);
        near(quantile(&[0.0, 10.0], 0.95), 9.5);
        near(median(&[]), 0.0);
        near(spread(&[1.0, 2.0, 3.0, 4.0, 100.0], 3.0), 1.4826);
    }

    /// Against scipy 1.11.
    #[test]
    fn tails_are_those_of_the_distributions() {
        near(t_above(3.0, 3), 0.028_834_442_1);
        near(t_above(3.0, 2), 0.047_732_983_1);
        near(at_least(5, 20, 0.05), 0.002_573_940_3);
        near(at_least(0, 20, 0.05), 1.0);
        let urn = Urn { population: 100, marked: 90, draws: 10 };
        near(urn.at_most(5), 0.000_671_627_7);
        near(urn.at_least(10), 0.330_476_211_3);
        assert_eq!((urn.fewest(), urn.most()), (0, 10));
        near(normal_score(0.01), 2.326_347_874);
        near(divergence([(0.5, 0.5), (0.5, 0.5)].into_iter()), 0.0);
        near(divergence([(1.0, 0.0), (0.0, 1.0)].into_iter()), 1.0);
    }

    #[test]
    fn few_p_values_are_discoveries() {
        near(discoveries(&[0.5, 0.001, 0.004, 0.9]), 0.004);
        near(discoveries(&[0.5, 0.2]), 0.0);
        near(discoveries(&[]), 0.0);
    }

    #[test]
    fn history_says_what_is_unusual() {
        let history: Vec<f64> = (0..50).map(|at| 100.0 + f64::from(at % 7)).collect();
        assert!(robust_p(104.0, &history) > 0.2);
        assert!(robust_p(400.0, &history) < 1e-3);
        assert!(evidence(1e-3) > 10.0 && evidence(0.5) < 0.5);
        assert!(rises(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) < 0.01);
        near(rises(&[1.0, 1.0, 1.0, 1.0, 1.0]), 1.0);
    }
}
