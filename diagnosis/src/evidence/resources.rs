//! Resources of an instance that left their range.
//!
//! Each series against its own history by the robust scorer of BARO (Pham et al. 2024). A gauge tells of the interval
//! before it, so the sample right after the window belongs to it. Memory is a stock: its level and its trend (Mann and
//! Kendall) must both be unusual. Since when a series is out of its range without a break is told, as what leads the symptom
//! in time is rather its cause. A resource that is far from its limit holds nothing up (the USE method, Gregg 2012).

use std::collections::BTreeMap;

use crate::frame::Service;
use crate::load::Series;
use crate::stats::{median, rises, robust_p};

/// A resource that a process can lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resource {
    Cpu,
    Memory,
    Disk,
    /// Something that one at a time may have.
    Lock,
}

/// Parts of the names of metrics that are about each, as the semantic conventions name them.
const FAMILIES: [(Resource, &[&str]); 4] = [
    (Resource::Cpu, &["cpu"]),
    (Resource::Memory, &["memory", "heap"]),
    (Resource::Disk, &["disk", "filesystem", "io.wait"]),
    (Resource::Lock, &["lock.wait", "lock_wait", "lock.contention", "lock.contended", "mutex"]),
];
/// All of them: what is read of the store.
pub(crate) const WORDS: [&str; 8] =
    ["cpu", "memory", "heap", "disk", "filesystem", "io.wait", "lock", "mutex"];
/// Points of a series that make it one.
const POINTS_MIN: usize = 5;
/// Points of a history.
const HISTORY_MIN: usize = 4;
/// So many points outside the neighbourhood of the window are a history of their own.
const HISTORY_ENOUGH: usize = 10;
/// Intervals about the window that may belong to the incident.
const NEAR: i64 = 5;
/// Intervals before the window over which memory is asked for a trend.
const TREND: i64 = 10;
/// A point is out of its range at this chance.
const OUT_P: f64 = 0.05;
/// How full a resource is taken to be whose limit is not known.
const FULL_UNKNOWN: f64 = 0.5;

/// A resource of a service that is not as usual.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strain {
    pub(crate) p: f64,
    /// The p-value of a rise, of memory.
    pub(crate) rise: f64,
    pub(crate) instance: String,
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) now: f64,
    pub(crate) usual: f64,
    /// Since when it is out of its range; `None` if it came back before the window was over.
    pub(crate) since: Option<i64>,
    /// How full it is, from 0 to 1.
    pub(crate) full: f64,
}

/// By service and resource, the least usual series.
pub(crate) type Strains = BTreeMap<Service, BTreeMap<Resource, Strain>>;

impl Resource {
    /// The resource that a metric is about. Those of a whole node are not the process' own.
    fn of(metric: &str) -> Option<Self> {
        let metric = metric.to_lowercase();
        if metric.contains(".node.") || metric.contains("limit_") && !metric.contains("utilization") {
            return None;
        }
        let found = FAMILIES.iter().find(|(_, words)| words.iter().any(|word| metric.contains(word)));
        found.map(|(resource, _)| *resource)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Lock => "lock",
        }
    }
}

/// What is unusual in a window, from `from` to `to`.
pub(crate) fn strains(series: &[Series], from: i64, to: i64) -> Strains {
    let mut found = Strains::new();
    let mut full: BTreeMap<(&Service, Resource), f64> = BTreeMap::new();
    for series in series {
        let Some(resource) = Resource::of(&series.metric) else { continue };
        let Some(strain) = of_series(series, resource, from, to) else { continue };
        if series.metric.contains("utilization") && strain.now >= 0.0 {
            let known = full.entry((&series.service, resource)).or_default();
            *known = known.max(strain.now.min(1.0));
        }
        let of_service = found.entry(series.service.clone()).or_default();
        match of_service.get(&resource) {
            Some(known) if known.p <= strain.p => {}
            _ => drop(of_service.insert(resource, strain)),
        }
    }
    for (service, strains) in &mut found {
        for (resource, strain) in strains {
            strain.full = full.get(&(service, *resource)).copied().unwrap_or(FULL_UNKNOWN);
        }
    }
    found
}

fn of_series(series: &Series, resource: Resource, from: i64, to: i64) -> Option<Strain> {
    let points = &series.points;
    if points.len() < POINTS_MIN {
        return None;
    }
    let step = step(points);
    let values = |inside: &dyn Fn(i64) -> bool| -> Vec<f64> {
        points.iter().filter(|(time, _)| inside(*time)).map(|(_, value)| *value).collect()
    };
    let until = to.saturating_add(step);
    let inside = |time: i64| time >= from && time <= until;
    let near = |time: i64| {
        let far = step.saturating_mul(NEAR);
        time >= from.saturating_sub(far) && time <= to.saturating_add(far)
    };
    let now = values(&inside);
    let mut history = values(&|time| !near(time));
    if history.len() < HISTORY_ENOUGH {
        history = values(&|time| !inside(time));
    }
    if now.is_empty() || history.len() < HISTORY_MIN {
        return None;
    }
    let value = match resource {
        Resource::Memory => median(&now),
        _ => now.iter().copied().fold(f64::MIN, f64::max),
    };
    let (mut p, mut rise) = (robust_p(value, &history), 1.0);
    if resource == Resource::Memory {
        let begin = from.saturating_sub(step.saturating_mul(TREND));
        let tail = values(&|time| time >= begin && time <= until);
        if tail.len() >= 4 {
            rise = rises(&tail);
            p = p.max(rise);
        }
    }
    Some(Strain {
        p,
        rise,
        instance: series.instance.clone(),
        metric: series.metric.clone(),
        unit: series.unit.clone(),
        now: value,
        usual: median(&history),
        since: since(points, until, &history).map(|time| time.saturating_sub(step)),
        full: FULL_UNKNOWN,
    })
}

/// The first point of those up to the end that are out of the range of the history without a break.
fn since(points: &[(i64, f64)], until: i64, history: &[f64]) -> Option<i64> {
    let before = points.iter().rev().skip_while(|(time, _)| *time > until);
    let out = before.take_while(|(_, value)| robust_p(*value, history) < OUT_P);
    out.last().map(|(time, _)| *time)
}

/// The usual time between two points.
fn step(points: &[(i64, f64)]) -> i64 {
    let gaps: Vec<f64> = points.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0) as f64).collect();
    median(&gaps) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point every fifteen seconds.
    const STEP: i64 = 15;

    fn points(values: &[f64]) -> Vec<(i64, f64)> {
        values.iter().enumerate().map(|(at, value)| (at as i64 * STEP, *value)).collect()
    }

    #[test]
    fn a_series_is_out_of_its_range_since_the_first_point_without_a_break() {
        let history = [0.30, 0.31, 0.29, 0.32, 0.30, 0.28, 0.31, 0.30];
        let of = |values: &[f64], until: i64| since(&points(values), until, &history);
        assert_eq!(of(&[0.3, 0.31, 0.9, 0.95, 0.97], 4 * STEP), Some(2 * STEP));
        // A peak before does not count, nor what comes after the end.
        assert_eq!(of(&[0.9, 0.31, 0.3, 0.95, 0.3], 3 * STEP), Some(3 * STEP));
        assert_eq!(of(&[0.3, 0.9, 0.9, 0.3], 3 * STEP), None);
    }
}
