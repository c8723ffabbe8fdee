//! A fleet of hosts, each with the same series: counters that grow, gauges that walk, and histograms.

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::cli::MetricsArgs;
use crate::load::mix;

/// The time between two scrapes of a host.
pub(super) const INTERVAL_MS: u64 = 15_000;
/// Series of a host: counters, gauges and buckets.
pub(super) const HOST_SERIES: usize = COUNTERS + GAUGES + BUCKETS;
/// Of these, counters by handler, method and code.
pub(super) const COUNTERS: usize = HANDLERS * METHODS.len() * CODES.len();
/// And buckets by handler and bound.
pub(super) const BUCKETS: usize = HANDLERS * BOUNDS.len();
const GAUGES: usize = 100;
const HANDLERS: usize = 20;
/// Jobs that the hosts belong to in turn.
const JOBS: usize = 10;
const METHODS: [&str; 2] = ["GET", "POST"];
const CODES: [&str; 5] = ["200", "201", "400", "404", "500"];
/// Upper bounds, each with the share of observations up to it.
const BOUNDS: [(&str, f64); 10] = [
    ("0.005", 0.05),
    ("0.01", 0.2),
    ("0.025", 0.4),
    ("0.05", 0.6),
    ("0.1", 0.8),
    ("0.25", 0.9),
    ("0.5", 0.95),
    ("1", 0.99),
    ("5", 0.999),
    ("+Inf", 1.0),
];
/// About what series begin with.
const FIRST: f64 = 1e6;
/// The field of a label in a series of remote write.
const LABELS: u32 = 1;

/// How a series goes on from one scrape to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// Grows by about so many a scrape.
    Counter { mean: f64 },
    /// Walks in steps of this size; some stay as they are.
    Gauge { step: f64 },
    /// Has this share of the observations of a histogram.
    Bucket { histogram: u64, share: f64, mean: f64 },
}

impl Shape {
    /// What it begins with: hosts have lived for a while.
    fn first(self, chance: f64) -> f64 {
        let value = match self {
            Self::Counter { .. } | Self::Gauge { .. } => FIRST * chance,
            Self::Bucket { share, .. } => FIRST * share,
        };
        value.ceil()
    }
}

/// A series, and its value in the scrape before.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Its labels as remote write has them.
    pub(super) labels: Vec<u8>,
    /// Its value.
    pub(super) value: f64,
    /// How much later than others its host is scraped.
    pub(super) offset_ms: u64,
    number: u64,
    shape: Shape,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fleet {
    hosts: usize,
    seed: u64,
    /// How often each host is scraped.
    pub(super) scrapes: u64,
    /// When the first scrape begins.
    pub(super) begin_ms: u64,
}

impl Fleet {
    /// One whose last scrape is over now.
    pub(super) fn new(args: &MetricsArgs, now_ms: u64) -> Self {
        let (hosts, scrapes) = ((args.series as usize).div_ceil(HOST_SERIES), u64::from(args.scrapes));
        // At a whole interval, so that no sample lies at the edge of a window.
        let begin_ms = (now_ms / INTERVAL_MS - scrapes) * INTERVAL_MS;
        Self { hosts, seed: args.seed, scrapes, begin_ms }
    }

    /// How many series it has.
    pub(super) fn series(&self) -> usize {
        self.hosts * HOST_SERIES
    }

    /// When all scrapes are over.
    pub(super) fn end_ms(&self) -> u64 {
        self.begin_ms + self.scrapes * INTERVAL_MS
    }

    /// All series as they are before the first scrape, host by host.
    pub(super) fn all(&self) -> Vec<Series> {
        (0..self.hosts).flat_map(|host| self.of_host(host)).collect()
    }

    /// The series in the next scrape.
    pub(super) fn step(&self, series: &mut Series, scrape: u64) {
        let random = |number: u64| unit(mix(mix(self.seed ^ number) ^ scrape));
        match series.shape {
            Shape::Counter { mean } => series.value += (mean * 2.0 * random(series.number)).floor(),
            Shape::Gauge { step } => {
                let up = (random(series.number) * 7.0).floor() - 3.0;
                series.value = ((series.value + step * up) * 1_000.0).round() / 1_000.0;
            }
            Shape::Bucket { histogram, share, mean } => {
                series.value += (mean * 2.0 * random(histogram) * share).floor();
            }
        }
    }

    fn of_host(&self, host: usize) -> Vec<Series> {
        let first = (host * HOST_SERIES) as u64;
        // Never 0: a scrape at a whole interval would lie at the edge of windows.
        let offset_ms = 1 + mix(self.seed ^ host as u64) % (INTERVAL_MS - 1);
        let mut all = Vec::with_capacity(HOST_SERIES);
        let mut add = |labels: Labels, shape: fn(u64, f64) -> Shape| {
            let number = first + all.len() as u64;
            let chance = unit(mix(self.seed.wrapping_add(mix(number))));
            let shape = shape(number, chance);
            let value = shape.first(chance);
            all.push(Series { labels: labels.bytes(host), value, offset_ms, number, shape });
        };
        for handler in 0..HANDLERS {
            for (method, code) in
                METHODS.iter().flat_map(|method| CODES.iter().map(move |code| (*method, *code)))
            {
                let more = vec![
                    ("code", code.to_owned()),
                    ("handler", path(handler)),
                    ("method", method.to_owned()),
                ];
                add(Labels { name: "http_requests_total", more }, |_, chance| Shape::Counter {
                    mean: chance.powi(3) * 200.0,
                });
            }
        }
        for resource in 0..GAUGES {
            let more = vec![("resource", format!("pool-{resource}"))];
            add(Labels { name: "resource_usage", more }, |number, chance| match number % 4 {
                0 => Shape::Gauge { step: 0.0 },
                1 => Shape::Gauge { step: chance },
                _ => Shape::Gauge { step: (chance * 100.0).ceil() },
            });
        }
        for handler in 0..HANDLERS {
            for (le, _) in BOUNDS {
                let more = vec![("handler", path(handler)), ("le", le.to_owned())];
                add(Labels { name: "http_request_duration_seconds_bucket", more }, bucket);
            }
        }
        all
    }
}

/// The shape of the bucket with this number among all series. It begins where its histogram does.
fn bucket(number: u64, _chance: f64) -> Shape {
    let place = (number as usize - COUNTERS - GAUGES) % HOST_SERIES;
    let (histogram, bound) = (number - (place % BOUNDS.len()) as u64, place % BOUNDS.len());
    Shape::Bucket { histogram, share: BOUNDS[bound].1, mean: unit(mix(histogram)) * 100.0 }
}

/// A number from 0 to 1 from 64 random bits.
fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

fn path(handler: usize) -> String {
    format!("/api/v1/handler-{handler}")
}

/// The name of a host.
pub(super) fn host_name(host: usize) -> String {
    format!("host-{host:04}:9100")
}

/// A metric's name, and the labels besides those of the host.
struct Labels {
    name: &'static str,
    more: Vec<(&'static str, String)>,
}

impl Labels {
    /// All labels in order of their names, as fields of a series.
    fn bytes(self, host: usize) -> Vec<u8> {
        let job = format!("job-{}", host % JOBS);
        let mut labels = self.more;
        labels.extend([("__name__", self.name.to_owned()), ("instance", host_name(host)), ("job", job)]);
        labels.sort_unstable();
        let mut bytes = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::new();
            prost::encoding::string::encode(1, &name.to_owned(), &mut label);
            prost::encoding::string::encode(2, &value, &mut label);
            encode_key(LABELS, WireType::LengthDelimited, &mut bytes);
            encode_varint(label.len() as u64, &mut bytes);
            bytes.extend_from_slice(&label);
        }
        bytes
    }
}

#[cfg(test)]
impl Fleet {
    /// Two hosts.
    pub(super) fn test() -> Self {
        Self { hosts: 2, seed: 1, scrapes: 4, begin_ms: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_labels_of_its_own() {
        let all = Fleet::test().all();
        assert_eq!(all.len(), Fleet::test().series());
        let mut labels: Vec<&[u8]> = all.iter().map(|series| series.labels.as_slice()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), all.len());
        assert!(all.iter().all(|series| (1..INTERVAL_MS).contains(&series.offset_ms)));
    }

    #[test]
    fn counters_grow_and_buckets_hold_those_below() {
        let fleet = Fleet::test();
        let mut all = fleet.all();
        let before: Vec<f64> = all.iter().map(|series| series.value).collect();
        for scrape in 0..fleet.scrapes {
            all.iter_mut().for_each(|series| fleet.step(series, scrape));
        }
        let grown: Vec<f64> = all.iter().zip(&before).map(|(series, before)| series.value - before).collect();
        let of_host = &grown[..HOST_SERIES];
        assert!(of_host[..COUNTERS].iter().all(|growth| *growth >= 0.0));
        assert!(of_host[..COUNTERS].iter().any(|growth| *growth > 0.0));
        for histogram in of_host[COUNTERS + GAUGES..].chunks(BOUNDS.len()) {
            assert!(histogram.is_sorted(), "{histogram:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_values() {
        let value = |fleet: Fleet| {
            let mut series = fleet.all().swap_remove(7);
            fleet.step(&mut series, 3);
            series.value
        };
        assert_eq!(value(Fleet::test()).to_bits(), value(Fleet::test()).to_bits());
        assert_ne!(value(Fleet::test()).to_bits(), value(Fleet { seed: 2, ..Fleet::test() }).to_bits());
    }
}
