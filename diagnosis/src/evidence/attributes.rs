//! Attribute values that bad traces have and others have not.
//!
//! The difference that tells groups apart, as BubbleUp and Scuba's comparisons show it: of every value the share of bad
//! traces that have it, against the share of good traces of the same service. Fisher's exact test, one-sided, over traces
//! and not spans; values with little support are left out; a false discovery rate over the rest (Benjamini and Hochberg
//! 1995). What says that a request failed is left out: that is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::stats::{Urn, discoveries};

/// Bad traces that have a value, at least, and as a share of them.
const SUPPORT_MIN: usize = 4;
const SUPPORT_SHARE_MIN: f64 = 0.1;
/// The least difference of shares that is worth a line.
const DIFFERENCE_MIN: f64 = 0.2;
/// Keys that say how a request ended.
const OUTCOMES: [&str; 8] = [
    "error.",
    "exception.",
    "otel.status_",
    "http.response.status_code",
    "http.status_code",
    "rpc.grpc.status_code",
    "rpc.response.status_code",
    "db.response.status_code",
];

/// Where a value stands: the service whose spans have it, `span` or `resource`, key and value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) service: String,
    pub(crate) level: &'static str,
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Place {
    /// Whether it may tell why, and not only that.
    pub(crate) fn may_tell(key: &str) -> bool {
        !OUTCOMES.iter().any(|outcome| key.starts_with(outcome))
    }
}

/// A value that bad traces have more often.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) place: Place,
    /// The shares of bad and of good traces that have it.
    pub(crate) bad: f64,
    pub(crate) good: f64,
    /// How many traces these are shares of.
    pub(crate) bads: usize,
    pub(crate) goods: usize,
}

/// The values that tell bad traces from good ones, the most telling first, as far as they tell more than those before; of
/// equal ones that of `own`, else the first.
pub(crate) fn telling(bad: &[BTreeSet<Place>], good: &[BTreeSet<Place>], own: &str) -> Vec<Value> {
    let least = SUPPORT_MIN.max((bad.len() as f64 * SUPPORT_SHARE_MIN).ceil() as usize);
    let mut having: BTreeMap<&Place, (BTreeSet<usize>, usize)> = BTreeMap::new();
    for (at, places) in bad.iter().enumerate() {
        for place in places {
            having.entry(place).or_default().0.insert(at);
        }
    }
    having.retain(|_, (of_bad, _)| of_bad.len() >= least);
    for place in good.iter().flatten() {
        if let Some((_, of_good)) = having.get_mut(place) {
            *of_good += 1;
        }
    }
    let chance = |(of_bad, of_good): &(BTreeSet<usize>, usize)| {
        let (population, marked) = (bad.len() + good.len(), of_bad.len() + of_good);
        let urn = Urn { population: population as u64, marked: marked as u64, draws: bad.len() as u64 };
        urn.at_least(of_bad.len() as u64)
    };
    let p_values: Vec<f64> = having.values().map(chance).collect();
    let cut = discoveries(&p_values);
    let shares = |(of_bad, of_good): &(BTreeSet<usize>, usize)| {
        (of_bad.len() as f64 / bad.len().max(1) as f64, *of_good as f64 / good.len().max(1) as f64)
    };
    let mut found: Vec<(Value, &BTreeSet<usize>)> = Vec::new();
    for ((place, counts), p) in having.iter().zip(p_values) {
        let (share_bad, share_good) = shares(counts);
        if p <= cut && share_bad - share_good >= DIFFERENCE_MIN {
            let (bads, goods) = (bad.len(), good.len());
            let place = Place::clone(place);
            found.push((Value { place, bad: share_bad, good: share_good, bads, goods }, &counts.0));
        }
    }
    found.sort_by(|(a, _), (b, _)| {
        let difference = |value: &Value| ((value.bad - value.good) * 1e9).round() as i64;
        let other = |value: &Value| value.place.service != own;
        (difference(b), other(a), &a.place).cmp(&(difference(a), other(b), &b.place))
    });
    let mut told: Vec<(Value, &BTreeSet<usize>)> = Vec::new();
    for (value, traces) in found {
        if !told.iter().any(|(_, known)| traces.is_subset(known)) {
            told.push((value, traces));
        }
    }
    told.into_iter().map(|(value, _)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(service: &str, level: &'static str, key: &str, value: &str) -> Place {
        let (service, key, value) = (service.to_owned(), key.to_owned(), value.to_owned());
        Place { service, level, key, value }
    }

    /// So many traces with these values, and the customer's number of each modulo `customers`.
    fn traces(count: usize, customers: usize, with: &[(&str, &str)]) -> Vec<BTreeSet<Place>> {
        let one = |at: usize| {
            let customer = place("web", "span", "customer.id", &(at % customers).to_string());
            let given = with.iter().map(|(key, value)| place("cart", "resource", key, value));
            given.chain([customer]).collect()
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn what_only_bad_traces_have_tells() {
        let check = |bad: &[BTreeSet<Place>], good: &[BTreeSet<Place>], expected: &[&str]| {
            let found: Vec<String> = telling(bad, good, "cart")
                .iter()
                .map(|value| {
                    format!("{}={} {:.2} {:.2}", value.place.key, value.place.value, value.bad, value.good)
                })
                .collect();
            assert_eq!(found, expected);
        };
        let old = traces(100, 10, &[("service.version", "1")]);
        check(&traces(40, 10, &[("service.version", "2")]), &old, &["service.version=2 1.00 0.00"]);
        // One customer, on any version.
        check(&traces(40, 1, &[("service.version", "1")]), &old, &["customer.id=0 1.00 0.10"]);
        // The same traces have both: one line is enough.
        let both = [("k8s.pod.name", "cart-7"), ("service.version", "2")];
        check(&traces(40, 10, &both), &old, &["k8s.pod.name=cart-7 1.00 0.00"]);
        // A part of them has another: no news.
        let mut some = traces(40, 10, &[("service.version", "2")]);
        some.iter_mut().take(20).for_each(|of| drop(of.replace(place("cart", "resource", "zone", "b"))));
        check(&some, &old, &["service.version=2 1.00 0.00"]);
        // As usual, or too few to tell.
        check(&traces(40, 10, &[("service.version", "1")]), &old, &[]);
        check(&traces(3, 10, &[("service.version", "2")]), &old, &[]);
        check(&[], &old, &[]);
    }

    #[test]
    fn how_it_ended_does_not_tell_why() {
        assert!(!Place::may_tell("error.type") && !Place::may_tell("http.response.status_code"));
        assert!(Place::may_tell("http.route") && Place::may_tell("customer.id"));
    }
}
