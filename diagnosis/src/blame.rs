//! Whom slow edges are blamed on, and what kind of fault an instance has.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::latency::Slow;
use crate::evidence::resources::{Resource, Strains};
use crate::frame::{Frame, Key};
use crate::stats::{ALPHA, KAPPA, believed, evidence};

/// Own times by key.
pub(crate) type Latency = BTreeMap<u32, Slow>;

/// A part of a service that can be slow by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Calls to a service, or from one.
    To(u32),
    From(u32),
    Own,
    Peer,
}

/// The service that each grown key is blamed on: the fewest that explain all of them (greedy set cover). An edge goes to
/// the end more of whose parts grew; an unusual processor adds to that.
pub(crate) fn blame(frame: &Frame, latency: &Latency, strains: &Strains) -> BTreeMap<u32, u32> {
    let mut parts: BTreeMap<u32, BTreeSet<Part>> = BTreeMap::new();
    let mut grown: BTreeMap<u32, BTreeSet<Part>> = BTreeMap::new();
    for (key, slow) in latency {
        for (service, part) in ends(frame.keys[*key as usize]) {
            parts.entry(service).or_default().insert(part);
            if slow.grown {
                grown.entry(service).or_default().insert(part);
            }
        }
    }
    let share = |service: u32| {
        // Its own code does not tell against a slow network.
        let of = |counts: &dyn Fn(&Part) -> bool| {
            let count = |parts: &BTreeMap<u32, BTreeSet<Part>>| {
                parts.get(&service).map_or(0, |parts| parts.iter().filter(|part| counts(part)).count()) as f64
            };
            (count(&grown) + 1.0) / (count(&parts) + 2.0)
        };
        let of_parts = of(&|_| true).max(of(&|part| *part != Part::Own));
        let cpu = frame.services.get(service).and_then(|name| strains.get(name)?.get(&Resource::Cpu));
        let of_cpu = cpu.map_or(0.0, |strain| believed(evidence(strain.p) * strain.full));
        1.0 - (1.0 - of_parts) * (1.0 - of_cpu)
    };
    let mut blamed = BTreeMap::new();
    let mut left: Vec<(u32, u32, u32, f64)> = Vec::new();
    for (key, slow) in latency.iter().filter(|(_, slow)| slow.grown) {
        match frame.keys[*key as usize] {
            Key::Edge(caller, _, callee, _) => left.push((*key, caller, callee, slow.excess)),
            other => drop(blamed.insert(*key, other.service())),
        }
    }
    while !left.is_empty() {
        let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
        for (_, caller, callee, excess) in &left {
            for service in [caller, callee] {
                *sums.entry(*service).or_default() += excess * share(*service);
            }
        }
        // Of equal ones the first.
        let worst = sums.iter().fold(
            (0, f64::MIN),
            |worst, (service, sum)| {
                if *sum > worst.1 { (*service, *sum) } else { worst }
            },
        );
        left.retain(|(key, caller, callee, _)| {
            let of_worst = [*caller, *callee].contains(&worst.0);
            if of_worst {
                blamed.insert(*key, worst.0);
            }
            !of_worst
        });
    }
    blamed
}

fn ends(key: Key) -> Vec<(u32, Part)> {
    match key {
        Key::Edge(caller, _, callee, _) => vec![(caller, Part::To(callee)), (callee, Part::From(caller))],
        Key::Own(service, _) => vec![(service, Part::Own)],
        Key::Peer(service, _) => vec![(service, Part::Peer)],
    }
}

/// What may slow a service down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slowed {
    By(Resource),
    Network,
    Code,
    Dependency,
}

/// How much better growth explains what was seen than chance does, by what grew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Growth {
    pub(crate) own: f64,
    pub(crate) edges: f64,
    pub(crate) peers: f64,
}

/// What slows a service down: naive Bayes over its own code, its edges, its peers and its resources, each p-value
/// through a calibrator. The shares add up to 1.
pub(crate) fn slowed(
    frame: &Frame,
    service: u32,
    latency: &Latency,
    blamed: &BTreeMap<u32, u32>,
    strains: &Strains,
) -> BTreeMap<Slowed, f64> {
    let mut p = Growth { own: 1.0, edges: 1.0, peers: 1.0 };
    for (key, slow) in latency.iter().filter(|(_, slow)| slow.grown) {
        let of = frame.keys[*key as usize];
        if blamed.get(key).copied().unwrap_or(of.service()) != service {
            continue;
        }
        let least = match of {
            Key::Own(..) => &mut p.own,
            Key::Edge(..) => &mut p.edges,
            Key::Peer(..) => &mut p.peers,
        };
        *least = least.min(slow.effect);
    }
    let (own, edges, peers) = (evidence(p.own), evidence(p.edges), evidence(p.peers));
    let both = own * (edges + 1.0) / 2.0;
    let mut likely = BTreeMap::from([
        (Slowed::Network, edges),
        (Slowed::Code, own),
        (Slowed::Dependency, if p.edges > ALPHA { peers } else { KAPPA }),
    ]);
    let strains = frame.services.get(service).and_then(|name| strains.get(name));
    for resource in [Resource::Cpu, Resource::Memory, Resource::Disk] {
        match strains.and_then(|strains| strains.get(&resource)) {
            Some(strain) => {
                likely.insert(Slowed::By(resource), evidence(strain.p) * both * strain.full);
            }
            // No metrics: a processor that lacks time slows its own code and its edges all the same.
            None if resource == Resource::Cpu => drop(likely.insert(Slowed::By(resource), KAPPA * both)),
            None => {}
        }
    }
    let all: f64 = likely.values().sum();
    likely.values_mut().for_each(|share| *share /= all);
    likely
}
