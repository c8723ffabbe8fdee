//! Where time is spent that usually is not.
//!
//! Own times by key, which is critical path analysis reduced to a path's own times (CRISP, Zhang et al. 2022). Their
//! distributions are compared by counts of exceedances (as ε-Diagnosis does, Shan et al. 2019): exact binomial tests
//! against the reference's 95 and 99 % quantiles, with what the reference's minutes differ among themselves added. A
//! false discovery rate over all keys.

use std::collections::{BTreeMap, HashSet};

use crate::counts::by_minute;
use crate::frame::Frame;
use crate::reference::by_key;
use crate::stats::{at_least, discoveries, median, quantile, quantile_of_sorted, robust_p, spread};

/// The share of the reference's own times that are not slow.
const SLOW: f64 = 0.95;
/// Own times of a block of minutes whose quantiles are believed.
const BLOCK_SPANS: usize = 20;
/// Blocks that make a history.
const BLOCKS: usize = 4;
/// Traces with a key that make a reference.
const REFERENCE_TRACES_MIN: usize = 5;
/// The most of a few calls that have a say in the median of the last test.
const FEW: usize = 5;

/// The own times of a key in the window, against the reference.
#[derive(Debug, Clone)]
pub(crate) struct Slow {
    pub(crate) p: f64,
    /// The p-value of how much slower the window is, against how the reference's own minutes differ.
    pub(crate) effect: f64,
    /// Own times over this are slow, in nanoseconds.
    pub(crate) limit: f64,
    /// The median in the reference and in the window.
    pub(crate) usual: f64,
    pub(crate) now: f64,
    /// Rows of the window.
    pub(crate) rows: Vec<u32>,
    /// Whether it is a discovery.
    pub(crate) grown: bool,
    /// By how much all slow rows are over the usual median, in nanoseconds, as far as it is not as usual.
    pub(crate) excess: f64,
    /// How much of the slow rows is due to what changed: 1 where all are slow.
    pub(crate) full: f64,
}

/// Compares a window with its reference; rows in `without` have another cause.
pub(crate) fn latency(
    frame: &Frame,
    window: &[u32],
    reference: &[u32],
    without: &HashSet<u32>,
) -> BTreeMap<u32, Slow> {
    let window: Vec<u32> = window.iter().copied().filter(|row| !without.contains(row)).collect();
    let mut usual = by_key(frame, reference);
    let mut found = BTreeMap::new();
    for (key, rows) in by_key(frame, &window) {
        if let Some(then) = usual.remove(&key).filter(|then| traces(frame, then) >= REFERENCE_TRACES_MIN) {
            found.insert(key, of_key(frame, rows, &then));
        }
    }
    let p_values: Vec<f64> = found.values().map(|slow: &Slow| slow.p).collect();
    let cut = discoveries(&p_values);
    for slow in found.values_mut() {
        slow.grown = slow.p <= cut && slow.now > 0.0;
    }
    found
}

fn of_key(frame: &Frame, rows: Vec<u32>, then: &[u32]) -> Slow {
    let own = |rows: &[u32]| -> Vec<f64> { rows.iter().map(|row| frame.own[*row as usize]).collect() };
    let (now, usual) = (own(&rows), own(then));
    // Traces are independent of each other, spans of one trace are not.
    let (traces_now, traces_then) = (traces(frame, &rows), traces(frame, then));
    let blocks = blocks(frame, then);
    let limits: Vec<f64> = blocks.iter().map(|block| quantile_of_sorted(block, SLOW)).collect();
    let limit = median(&limits);
    let share_over = |values: &[f64], limit: f64| {
        values.iter().filter(|value| **value > limit).count() as f64 / values.len() as f64
    };
    let shares: Vec<f64> = blocks.iter().map(|block| share_over(block, limit)).collect();
    let middle = median(&shares);
    let chance =
        (1.0 - SLOW).max(middle + spread(&shares, middle)).max(1.0 / (traces_then + 1) as f64).min(0.5);
    let hits = |limit: f64| (share_over(&now, limit) * traces_now as f64).round() as u64;
    let often = at_least(hits(limit), traces_now as u64, chance);
    let mut sorted = usual.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let extreme = sorted[usual.len() - (usual.len() / 100).max(1)];
    let over = share_over(&usual, extreme) * traces_then as f64;
    let rare = ((over + 2.0) / (traces_then + 1) as f64).min(0.5);
    let far = at_least(hits(extreme), traces_now as u64, rare);
    let few = traces_now.min(FEW);
    let of_median = robust_p(median(&now), &usual);
    let needed = if few == 2 { 2 } else { few.div_ceil(2) };
    let all_far = at_least(needed as u64, few as u64, of_median);
    let p = (3.0 * often.min(far).min(all_far)).min(1.0);
    let effect = |share: f64| {
        let value = quantile(&now, share);
        match blocks.len() >= BLOCKS {
            true => {
                let history: Vec<f64> = blocks.iter().map(|block| quantile_of_sorted(block, share)).collect();
                robust_p(value, &history)
            }
            false => robust_p(value, &usual),
        }
    };
    let effect = (2.0 * effect(0.5).min(effect(0.9))).min(1.0);
    let middle = median(&usual);
    let over: f64 = now.iter().filter(|value| **value > limit).map(|value| (value - middle).max(0.0)).sum();
    let full = ((share_over(&now, limit) - (1.0 - SLOW)) / SLOW).max(0.0).sqrt();
    Slow { p, effect, limit, usual: middle, now: median(&now), rows, grown: false, excess: full * over, full }
}

fn traces(frame: &Frame, rows: &[u32]) -> usize {
    rows.iter().map(|row| frame.trace[*row as usize]).collect::<HashSet<u32>>().len()
}

/// Own times in blocks of whole minutes, each in order of size.
fn blocks(frame: &Frame, rows: &[u32]) -> Vec<Vec<f64>> {
    let (mut blocks, mut block) = (Vec::new(), Vec::new());
    let mut all = Vec::with_capacity(rows.len());
    for rows in by_minute(frame, rows).values() {
        let own = rows.iter().map(|row| frame.own[*row as usize]);
        all.extend(own.clone());
        block.extend(own);
        if block.len() >= BLOCK_SPANS {
            blocks.push(std::mem::take(&mut block));
        }
    }
    if blocks.is_empty() {
        blocks.push(all);
    }
    blocks.iter_mut().for_each(|block: &mut Vec<f64>| block.sort_unstable_by(f64::total_cmp));
    blocks
}
