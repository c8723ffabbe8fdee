//! How often spans of a context had each shape, and how often one event was followed by another.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::frame::{Frame, NONE};
use crate::stats::{ALPHA, at_least, median, spread};

/// Nanoseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000_000_000;
/// Spans of a block of minutes whose rate is believed.
const BLOCK_SPANS: f64 = 5.0;

/// How many spans of each context had each shape.
///
/// Spans of one trace are not independent: the counts of a context are scaled down to its number of traces (design
/// effect, Kish 1965).
pub(crate) type ShapeCounts = BTreeMap<u32, BTreeMap<u32, f64>>;

/// Services whose logs can be compared: which log in the window and in the reference. `Every` takes what there is.
#[derive(Debug, Clone)]
pub(crate) enum Logging {
    Every,
    Of(BTreeSet<u32>),
}

impl Logging {
    pub(crate) fn has(&self, service: u32) -> bool {
        match self {
            Self::Every => true,
            Self::Of(services) => services.contains(&service),
        }
    }

    /// The shape of a row: with its logs where they can be compared.
    pub(crate) fn shape(&self, frame: &Frame, row: u32) -> u32 {
        let row = row as usize;
        if self.has(frame.service[row]) { frame.shape[row] } else { frame.bare[row] }
    }
}

/// The minute in which a row's trace began.
pub(crate) fn minute(frame: &Frame, row: u32) -> i64 {
    frame.began(row).div_euclid(MINUTE)
}

/// Counts the shapes of rows. Where logs are compared, a service's minutes without any log are left out: there the logs
/// were not collected.
pub(crate) fn shapes(frame: &Frame, rows: &[u32], logging: &Logging) -> ShapeCounts {
    let logged: Option<HashSet<(i64, u32)>> = match logging {
        Logging::Every => None,
        Logging::Of(_) => {
            let logs = rows.iter().filter(|row| frame.has_log[**row as usize]);
            Some(logs.map(|row| (minute(frame, *row), frame.service[*row as usize])).collect())
        }
    };
    let mut counts = ShapeCounts::new();
    let mut traces: BTreeMap<u32, HashSet<u32>> = BTreeMap::new();
    for row in rows {
        let service = frame.service[*row as usize];
        if let Some(logged) = &logged
            && logging.has(service)
            && !logged.contains(&(minute(frame, *row), service))
        {
            continue;
        }
        let context = frame.context[*row as usize];
        *counts.entry(context).or_default().entry(logging.shape(frame, *row)).or_default() += 1.0;
        traces.entry(context).or_default().insert(frame.trace[*row as usize]);
    }
    for (context, shapes) in &mut counts {
        let spans: f64 = shapes.values().sum();
        let scale = traces.get(context).map_or(0, HashSet::len) as f64 / spans;
        shapes.values_mut().for_each(|count| *count *= scale.min(1.0));
    }
    counts
}

/// Rows by the minute in which their trace began.
pub(crate) fn by_minute(frame: &Frame, rows: &[u32]) -> BTreeMap<i64, Vec<u32>> {
    let mut minutes: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    rows.iter().for_each(|row| minutes.entry(minute(frame, *row)).or_default().push(*row));
    minutes
}

/// Spans that there were, and those of them that count.
pub(crate) type Trials = (f64, f64);

/// The robust rate of blocks of trials, and by how much more than by chance the blocks differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) rate: f64,
    /// At least 1: what counts are divided by.
    pub(crate) dispersion: f64,
    pub(crate) trials: f64,
}

/// The rate of most minutes, with the over-dispersion of a quasi-binomial law, by the median of the Pearson residuals
/// instead of their mean square. First the weighted median of the rates of blocks; then every minute whose count is not
/// improbable under it is pooled, so that a minority with a fault is left out. The trials are in order of time.
pub(crate) fn pooled(minutes: impl IntoIterator<Item = Trials>) -> Option<Rate> {
    let minutes: Vec<Trials> = minutes.into_iter().filter(|(n, _)| *n > 0.0).collect();
    let (mut blocks, mut block): (Vec<Trials>, Trials) = (Vec::new(), (0.0, 0.0));
    for (n, k) in &minutes {
        block = (block.0 + n, block.1 + k);
        if block.0 >= BLOCK_SPANS {
            blocks.push(std::mem::take(&mut block));
        }
    }
    if blocks.len() < 3 {
        return simple(&minutes).map(|(rate, trials)| Rate { rate, dispersion: 1.0, trials });
    }
    let middle = middle(blocks);
    let likely = |(n, k): &&Trials| {
        let (spans, hits) = (n.round() as u64, k.round() as u64);
        let more = at_least(hits, spans, middle);
        let less = at_least(spans.saturating_sub(hits), spans, 1.0 - middle);
        more.min(less) >= ALPHA
    };
    let mut kept: Vec<Trials> = minutes.iter().filter(likely).copied().collect();
    if kept.is_empty() {
        kept = minutes;
    }
    let (rate, trials) = simple(&kept)?;
    let safe = inside(rate, trials);
    let residual = |(n, k): &Trials| (k - n * rate).abs() / (n * safe * (1.0 - safe) + 0.25).sqrt();
    let residuals: Vec<f64> = kept.iter().map(residual).collect();
    Some(Rate { rate, dispersion: spread(&residuals, 0.0).powi(2).max(1.0), trials })
}

/// All trials as one: rate and number.
fn simple(trials: &[Trials]) -> Option<(f64, f64)> {
    let all: f64 = trials.iter().map(|(n, _)| n).sum();
    let hits: f64 = trials.iter().map(|(_, k)| k).sum();
    (all > 0.0).then(|| (hits / all, all))
}

/// The weighted median of the rates of blocks, off never and always.
fn middle(mut blocks: Vec<Trials>) -> f64 {
    let half = blocks.iter().map(|(n, _)| n).sum::<f64>() / 2.0;
    let of = |(n, k): &Trials| k / n;
    blocks.sort_by(|a, b| of(a).total_cmp(&of(b)).then(a.0.total_cmp(&b.0)));
    let mut below = 0.0;
    let found = blocks.iter().find(|(n, _)| {
        below += n;
        below >= half
    });
    found.map_or(0.0, |(n, k)| (k + 0.5) / (n + 1.0))
}

/// A rate that is neither never nor always: as far from them as so many trials can tell.
pub(crate) fn inside(rate: f64, trials: f64) -> f64 {
    rate.clamp(0.5 / trials, 1.0 - 0.5 / trials)
}

/// By context and two neighbouring events: by minute, the spans that had the first, and those of them that had the
/// second too.
pub(crate) type Pairs = BTreeMap<(u32, u32, u32), Vec<(usize, f64, f64)>>;

/// Counts neighbouring events.
pub(crate) fn pairs(frame: &Frame, minutes: &[ShapeCounts]) -> Pairs {
    let mut shapes: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for counts in minutes {
        for (context, of) in counts {
            shapes.entry(*context).or_default().extend(of.keys());
        }
    }
    let mut found = BTreeMap::new();
    for (context, shapes) in shapes {
        let events = |shape: u32| frame.shapes[shape as usize].as_ref();
        let pairs: BTreeSet<(u32, u32)> = shapes
            .iter()
            .flat_map(|shape| events(*shape).windows(2).map(|pair| (pair[0], pair[1])))
            .collect();
        for (first, second) in pairs {
            let mut trials = Vec::new();
            for (at, counts) in minutes.iter().enumerate() {
                let Some(of) = counts.get(&context) else { continue };
                let (mut n, mut k) = (0.0, 0.0);
                for (shape, count) in of {
                    let events = events(*shape);
                    if events.contains(&first) {
                        n += count;
                        k += if events.contains(&second) { *count } else { 0.0 };
                    }
                }
                if n > 0.0 {
                    trials.push((at, n, k));
                }
            }
            found.insert((context, first, second), trials);
        }
    }
    found
}

/// Which services log.
#[derive(Debug, Clone)]
pub(crate) struct Loggers {
    /// In the window and in the reference, so that their logs can be compared.
    pub(crate) both: Logging,
    now: BTreeSet<u32>,
    ever: BTreeSet<u32>,
}

impl Loggers {
    /// Whether a service wrote no log in the window.
    pub(crate) fn is_silent(&self, service: u32) -> bool {
        !self.now.contains(&service)
    }

    /// Whether it did not, where it does at other times.
    pub(crate) fn fell_silent(&self, service: u32) -> bool {
        self.is_silent(service) && self.ever.contains(&service)
    }
}

/// The services that log, as far as rows were loaded.
pub(crate) fn loggers(frame: &Frame, window: &[u32], reference: &[u32]) -> Loggers {
    let of = |rows: &[u32]| -> BTreeSet<u32> {
        let rows = rows.iter().map(|row| *row as usize).filter(|row| frame.has_log[*row]);
        rows.map(|row| frame.service[row]).collect()
    };
    let (now, then) = (of(window), of(reference));
    let ever = (0..frame.len()).filter(|row| frame.has_log[*row]).map(|row| frame.service[row]).collect();
    Loggers { both: Logging::Of(now.intersection(&then).copied().collect()), now, ever }
}

/// The median of some rows' own times.
pub(crate) fn median_own(frame: &Frame, rows: &[u32]) -> f64 {
    let own: Vec<f64> = rows.iter().map(|row| frame.own[*row as usize]).collect();
    median(&own)
}

/// The root of a row's trace that began first.
pub(crate) fn is_root(frame: &Frame, row: u32) -> bool {
    frame.parent[row as usize] == NONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_most_blocks() {
        let check = |minutes: &[Trials], rate: f64, dispersed: bool| {
            let found = pooled(minutes.iter().copied()).unwrap();
            assert!((found.rate - rate).abs() < 1e-9, "{minutes:?}: {found:?}");
            assert_eq!(found.dispersion > 1.0, dispersed, "{minutes:?}: {found:?}");
        };
        check(&[(4.0, 4.0), (6.0, 5.0)], 0.9, false);
        // A minority has a fault.
        check(&[(10.0, 10.0), (10.0, 10.0), (10.0, 10.0), (10.0, 0.0)], 1.0, false);
        check(
            &[(20.0, 20.0), (20.0, 19.0), (20.0, 20.0), (20.0, 20.0), (20.0, 0.0), (20.0, 4.0)],
            0.9875,
            false,
        );
        check(&[(200.0, 100.0), (200.0, 115.0), (200.0, 85.0), (200.0, 114.0), (200.0, 86.0)], 0.5, true);
        assert_eq!(pooled([]), None);
    }
}
