//! The nodes that run, by service and number, and what all of them share: queues, chance, the faults that are on.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::effects;
use crate::fault::Fault;
use crate::node::{Identity, Node};
use crate::queue::Queue;
use crate::shop::{self, CONFIG_REVISION, SERVICES, Service, Severity, Statement};
use crate::world::{Dice, Record, Telemetry, World};

/// Between an old node's last request and its end.
const DRAIN_TIME: Duration = Duration::from_secs(3);
/// Between the nodes of a service that is rolled out.
const ROLLOUT_STEP: Duration = Duration::from_secs(8);

static STARTED: Statement = Statement {
    severity: Severity::Info,
    logger: "main::start",
    line: 21,
    text: "{service} {version} started with configuration {revision}",
};
static STOPPED: Statement = Statement {
    severity: Severity::Info,
    logger: "main::stop",
    line: 40,
    text: "{service} {version} stops, requests are drained",
};

/// All nodes, and what they share.
pub(crate) struct Fleet<T> {
    /// In the order of services and numbers. A node that died stands here until another takes its place, as its
    /// address does in the lists of those who call it.
    nodes: RwLock<Vec<Arc<Node<T>>>>,
    queues: [Queue; 2],
    faults: AtomicU32,
    orders: AtomicU64,
    pub(crate) dice: Dice,
    pub(crate) visits: Visits,
}

/// What customers did, counted.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    count: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
}

impl Visits {
    /// Takes note of a visit and how long it took, in nanoseconds.
    pub(crate) fn note(&self, is_good: bool, nanos: i64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(!is_good), Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(nanos).unwrap_or(0), Ordering::Relaxed);
    }

    /// All since the last time it was asked: how many, how many failed, nanoseconds together.
    pub(crate) fn take(&self) -> (u64, u64, u64) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        (take(&self.count), take(&self.failed), take(&self.nanos))
    }
}

impl<T: Telemetry> Fleet<T> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            nodes: RwLock::default(),
            queues: [Queue::new("orders"), Queue::new("mails")],
            faults: AtomicU32::new(0),
            orders: AtomicU64::new(0),
            dice: Dice::new(seed),
            visits: Visits::default(),
        }
    }

    /// Whether a fault is on.
    pub(crate) fn is_on(&self, fault: Fault) -> bool {
        self.faults.load(Ordering::Acquire) & fault.bit() != 0
    }

    pub(crate) fn set(&self, fault: Fault, on: bool) {
        if on {
            self.faults.fetch_or(fault.bit(), Ordering::AcqRel);
        } else {
            self.faults.fetch_and(!fault.bit(), Ordering::AcqRel);
        }
    }

    /// The number of a new order.
    pub(crate) fn next_order(&self) -> u64 {
        self.orders.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many orders there were.
    pub(crate) fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    /// A queue by its name.
    pub(crate) fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The nodes of a service, those that died included.
    pub(crate) fn nodes_of(&self, service: &str) -> Vec<Arc<Node<T>>> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().filter(|node| node.service.name == service).map(Arc::clone).collect()
    }

    /// The node of a service whose turn it is.
    pub(crate) fn pick(&self, service: &str, turn: usize) -> Option<Arc<Node<T>>> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let count = nodes.iter().filter(|node| node.service.name == service).count();
        let mut of_service = nodes.iter().filter(|node| node.service.name == service);
        of_service.nth(turn.checked_rem(count)?).map(Arc::clone)
    }

    /// All nodes.
    pub(crate) fn all(&self) -> Vec<Arc<Node<T>>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a node into its place, and gives the one that was there.
    fn put(&self, node: &Arc<Node<T>>) -> Option<Arc<Node<T>>> {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let place = nodes.iter().position(|other| other.is(node.service.name, node.identity.ordinal));
        match place.and_then(|place| nodes.get_mut(place)) {
            Some(old) => Some(std::mem::replace(old, Arc::clone(node))),
            None => {
                nodes.push(Arc::clone(node));
                None
            }
        }
    }
}

/// Starts every service.
pub(crate) async fn start_all<W: World>(world: &Arc<W>) {
    for service in SERVICES.iter().chain([&shop::REPORTS]) {
        for ordinal in 1..=service.instances {
            let identity =
                Identity { ordinal, generation: 1, version: service.version, config: CONFIG_REVISION };
            start(world, service, identity).await;
        }
    }
}

/// Starts a node, in the place of the one that has its number.
pub(crate) async fn start<W: World>(world: &Arc<W>, service: &'static Service, identity: Identity) {
    let telemetry = world.telemetry(service, &identity);
    let node = Arc::new(Node::new(service, identity, telemetry, world.now()));
    world.open(&node).await;
    let body = format!(
        "{} {} started with configuration {}",
        service.name,
        node.identity.version,
        node.identity.revision()
    );
    tell(world.as_ref(), &node, &STARTED, body);
    if let Some(old) = world.fleet().put(&node)
        && old.is_alive()
    {
        let body = format!("{} {} stops, requests are drained", service.name, old.identity.version);
        tell(world.as_ref(), &old, &STOPPED, body);
        let drained = world.sleep(DRAIN_TIME);
        let ending = Arc::clone(world);
        world.spawn(async move {
            drained.await;
            end(ending.as_ref(), &old);
        });
    }
    effects::attend(world, &node);
}

/// Writes a log record of a node that belongs to no request.
pub(crate) fn tell<W: World>(
    world: &W,
    node: &Node<W::Telemetry>,
    statement: &'static Statement,
    body: String,
) {
    if node.is_alive() {
        let record = Record { statement, body, context: None, attributes: Vec::new() };
        node.telemetry.log(record, world.now());
    }
}

/// Ends a node at once.
pub(crate) fn end<W: World>(world: &W, node: &Arc<Node<W::Telemetry>>) {
    node.kill();
    world.close(node);
}

/// Starts a node again with the next generation of its id.
pub(crate) async fn restart<W: World>(world: &Arc<W>, old: &Node<W::Telemetry>) {
    let identity = Identity { generation: old.identity.generation + 1, ..old.identity.clone() };
    start(world, old.service, identity).await;
}

/// Replaces the nodes of a service one after the other by those of a version and configuration.
pub(crate) async fn roll_out<W: World>(world: Arc<W>, service: &str, version: &'static str, config: u32) {
    for node in world.fleet().nodes_of(service) {
        let generation = node.identity.generation + 1;
        let identity = Identity { generation, version, config, ..node.identity.clone() };
        start(&world, node.service, identity).await;
        world.sleep(ROLLOUT_STEP).await;
    }
}
