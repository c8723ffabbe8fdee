//! Which minutes of the past a window is compared with.
//!
//! The minutes just before an incident may be part of it, and others may have faults of their own. So a minute is chosen
//! among all history by two things: how little is unusual in it among the others, and how alike its mix of operations is
//! to the window's. The better half is always believed, and of the rest what is not worse than it (least trimmed
//! squares, Rousseeuw 1984).

use std::collections::{BTreeMap, BTreeSet};

use crate::counts::{self, Logging, MINUTE, by_minute, inside, pooled};
use crate::frame::Frame;
use crate::stats::{ALPHA, SIGMAS, SPREAD_MIN, divergence, median, normal_score, spread};

/// Fewer minutes have no consensus about what is usual.
pub(crate) const MINUTES_FEW: usize = 10;
/// Rows of a key in a minute whose median is believed, and minutes that make a history.
const ENOUGH: usize = 3;
/// The least spread of costs that is believed.
const COST_SPREAD_MIN: f64 = 0.02;

/// The minutes that were chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    /// Rows of their traces.
    pub(crate) rows: Vec<u32>,
    /// Numbers of the minutes, in order.
    pub(crate) minutes: Vec<i64>,
    /// Among how many.
    pub(crate) of: usize,
    /// Why these, in a sentence.
    pub(crate) why: String,
}

impl Reference {
    /// Whether there are too few minutes to tell which are usual.
    pub(crate) fn is_short(&self) -> bool {
        self.of < MINUTES_FEW
    }
}

/// Chooses among rows that are not of the window.
pub(crate) fn choose(frame: &Frame, window: &[u32], history: &[u32]) -> Reference {
    let of_minutes = by_minute(frame, history);
    let numbers: Vec<i64> = of_minutes.keys().copied().collect();
    let of = numbers.len();
    if of == 0 {
        return Reference::default();
    }
    let minutes: Vec<Vec<u32>> = of_minutes.into_values().collect();
    if of < MINUTES_FEW {
        let why = format!("all {of} minutes there are");
        return Reference { rows: history.to_vec(), minutes: numbers, of, why };
    }
    let broken = broken_sequences(frame, &minutes);
    let slow = slow_keys(frame, &minutes);
    let unlike = unlike(frame, window, &minutes);
    let costs: Vec<f64> = (0..of).map(|at| broken[at] + slow[at] + unlike[at]).collect();
    let picked = cheapest(&costs);
    let why = format!(
        "{} of {of} minutes: the least unusual and the most alike; {} had sequences of their own",
        picked.len(),
        broken.iter().filter(|share| **share > 0.0).count()
    );
    let mut rows: Vec<u32> = picked.iter().flat_map(|at| minutes[*at].iter().copied()).collect();
    rows.sort_unstable();
    Reference { rows, minutes: picked.iter().map(|at| numbers[*at]).collect(), of, why }
}

/// The better half, and what is not worse than it, in order.
fn cheapest(costs: &[f64]) -> Vec<usize> {
    let half = costs.len().div_ceil(2);
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|a, b| costs[*a].total_cmp(&costs[*b]).then(a.cmp(b)));
    let better: Vec<f64> = order[..half].iter().map(|at| costs[*at]).collect();
    let middle = median(&better);
    let most = middle + SIGMAS * spread(&better, middle).max(COST_SPREAD_MIN);
    let mut picked: Vec<usize> = (0..costs.len()).filter(|at| costs[*at] <= most).collect();
    if picked.len() < half {
        picked = order[..half].to_vec();
        picked.sort_unstable();
    }
    picked
}

/// By minute, the share of keys whose median own time is far over that of the other minutes.
fn slow_keys(frame: &Frame, minutes: &[Vec<u32>]) -> Vec<f64> {
    let mut of_keys: BTreeMap<u32, Vec<(usize, f64)>> = BTreeMap::new();
    for (at, rows) in minutes.iter().enumerate() {
        for (key, rows) in by_key(frame, rows) {
            if rows.len() >= ENOUGH {
                of_keys.entry(key).or_default().push((at, counts::median_own(frame, &rows).max(1.0).ln()));
            }
        }
    }
    let (mut slow, mut all) = (vec![0.0; minutes.len()], vec![0.0_f64; minutes.len()]);
    for medians in of_keys.values().filter(|medians| medians.len() >= ENOUGH) {
        let values: Vec<f64> = medians.iter().map(|(_, value)| *value).collect();
        let middle = median(&values);
        let sigma = spread(&values, middle).max(SPREAD_MIN);
        for (at, value) in medians {
            all[*at] += 1.0;
            slow[*at] += f64::from((value - middle) / sigma > SIGMAS);
        }
    }
    slow.iter().zip(all).map(|(slow, all)| slow / all.max(1.0)).collect()
}

/// Rows by their key, in the order of keys.
pub(crate) fn by_key(frame: &Frame, rows: &[u32]) -> BTreeMap<u32, Vec<u32>> {
    let mut keys: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    rows.iter().for_each(|row| keys.entry(frame.key[*row as usize]).or_default().push(*row));
    keys
}

/// By minute, the largest share of its traces in which an event was followed by another more often or less than in the
/// other minutes.
fn broken_sequences(frame: &Frame, minutes: &[Vec<u32>]) -> Vec<f64> {
    let shapes: Vec<_> = minutes.iter().map(|rows| counts::shapes(frame, rows, &Logging::Every)).collect();
    let pairs = counts::pairs(frame, &shapes);
    let unusual = normal_score(ALPHA / pairs.len().max(1) as f64);
    let traces: Vec<f64> = minutes
        .iter()
        .map(|rows| rows.iter().map(|row| frame.trace[*row as usize]).collect::<BTreeSet<u32>>().len() as f64)
        .collect();
    let mut broken = vec![0.0_f64; minutes.len()];
    for trials in pairs.values().filter(|trials| trials.len() >= ENOUGH) {
        let Some(usual) = pooled(trials.iter().map(|(_, n, k)| (*n, *k))) else { continue };
        let rate = inside(usual.rate, usual.trials);
        for (at, n, k) in trials {
            let off = (k - n * rate).abs();
            let chance = (n / usual.dispersion * rate * (1.0 - rate) + 0.25).sqrt();
            if off / usual.dispersion / chance > unusual {
                broken[*at] = broken[*at].max((off / traces[*at]).min(1.0));
            }
        }
    }
    broken
}

/// By minute, how far its mix of operations is from the window's.
fn unlike(frame: &Frame, window: &[u32], minutes: &[Vec<u32>]) -> Vec<f64> {
    let mix = |rows: &[u32]| -> BTreeMap<u32, f64> {
        let all = rows.len().max(1) as f64;
        by_key(frame, rows).into_iter().map(|(key, rows)| (key, rows.len() as f64 / all)).collect()
    };
    let now = mix(window);
    let one = |rows: &Vec<u32>| {
        let then = mix(rows);
        divergence(now.iter().map(|(key, share)| (*share, then.get(key).copied().unwrap_or(0.0))))
    };
    minutes.iter().map(one).collect()
}

/// The time at which a minute begins.
pub(crate) fn begin_of(minute: i64) -> i64 {
    minute.saturating_mul(MINUTE)
}
