//! What goes on beside requests: faults that are switched on and off, memory and garbage, consumers, jobs.

use std::sync::Arc;
use std::time::Duration;

use crate::fault::Fault;
use crate::fleet::{self, end, restart, roll_out, tell};
use crate::gauges;
use crate::node::{MIB, Node};
use crate::shop::{self, CONFIG_REVISION, Severity, Statement};
use crate::walk;
use crate::world::{Instrument, Telemetry, World, millis};

/// How often memory is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// What a node that leaks loses, in MiB a second.
const LEAK_MIB_PER_S: f64 = 2.0;
/// Between the end of a node that was killed for its memory and its next start.
const RESTART_TIME: Duration = Duration::from_secs(6);
/// Tasks that use up the processors of a node, and for how long each holds one, in milliseconds.
const HOGS: (u32, f64) = (5, 60.0);
/// For how long the audit holds the lock, and then does not, in milliseconds.
const AUDIT: (f64, f64) = (700.0, 90.0);
/// Between two messages where consumers do not keep up, in milliseconds.
const STALL_MS: f64 = 6_000.0;
/// Between two runs of the job.
const JOB: Duration = Duration::from_secs(420);
/// A collection of garbage without need, in milliseconds, and how often there is one.
const GC: (f64, f64) = (12.0, 45.0);
/// How much longer a collection takes where memory is nearly used up.
const GC_FULL_MS: f64 = 900.0;

static OUT_OF_MEMORY: Statement = Statement {
    severity: Severity::Error,
    logger: "main::memory",
    line: 88,
    text: "out of memory: {used} MiB of {limit} MiB are in use",
};
static GC_LONG: Statement = Statement {
    severity: Severity::Warn,
    logger: "main::memory",
    line: 63,
    text: "collecting garbage took {ms} ms",
};
static RELOADED: Statement = Statement {
    severity: Severity::Info,
    logger: "main::config",
    line: 29,
    text: "configuration {revision} read: store.pool.max={max}, store.pool.keep_alive={keep}",
};

/// Switches a fault on or off.
pub(crate) fn switch<W: World>(world: &Arc<W>, fault: Fault, on: bool) {
    world.fleet().set(fault, on);
    let label = fault.label();
    let Some(service) = shop::service(label.service) else { return };
    let moved = Arc::clone(world);
    match fault {
        Fault::Cpu if on => {
            for _ in 0..HOGS.0 {
                world.spawn(hog(Arc::clone(world), label.service));
            }
        }
        Fault::Lock if on => {
            for node in world.fleet().nodes_of(label.service) {
                world.spawn(audit(Arc::clone(world), node));
            }
        }
        Fault::BadDeploy => {
            let version = if on { service.next_version } else { service.version };
            world.spawn(roll_out(moved, label.service, version, CONFIG_REVISION));
        }
        Fault::ConfigChange => {
            let config = CONFIG_REVISION + u32::from(on);
            world.spawn(roll_out(moved, label.service, service.version, config));
        }
        Fault::DeadInstance => world.spawn(async move {
            for node in moved.fleet().nodes_of("inventory").iter().filter(|node| node.is("inventory", 2)) {
                if on {
                    end(moved.as_ref(), node);
                } else {
                    restart(&moved, node).await;
                }
            }
        }),
        _ => {}
    }
}

/// A deploy that does no harm.
pub(crate) async fn harmless_deploy<W: World>(world: Arc<W>) {
    let service = "notification";
    let Some(known) = shop::service(service) else { return };
    let is_new = world.fleet().nodes_of(service).iter().any(|node| node.identity.version != known.version);
    let version = if is_new { known.version } else { known.next_version };
    roll_out(world, service, version, CONFIG_REVISION).await;
}

/// Takes a processor of the first node, again and again.
async fn hog<W: World>(world: Arc<W>, service: &'static str) {
    while world.fleet().is_on(Fault::Cpu) {
        let Some(node) = world.fleet().nodes_of(service).into_iter().next() else { return };
        let time = world.fleet().dice.spread(HOGS.1, 0.3);
        node.work(world.as_ref(), time).await;
    }
}

/// Holds the lock of a node most of the time.
async fn audit<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>) {
    while world.fleet().is_on(Fault::Lock) && node.is_alive() {
        let (held, free) = (world.fleet().dice.spread(AUDIT.0, 0.3), world.fleet().dice.spread(AUDIT.1, 0.3));
        node.locked(world.as_ref(), held).await;
        world.sleep(free).await;
    }
}

/// Starts what a node does beside its requests.
pub(crate) fn attend<W: World>(world: &Arc<W>, node: &Arc<Node<W::Telemetry>>) {
    if node.is_misconfigured() {
        let body = format!(
            "configuration {} read: store.pool.max=1, store.pool.keep_alive=0s",
            node.identity.revision()
        );
        tell(world.as_ref(), node, &RELOADED, body);
    }
    world.spawn(housekeeping(Arc::clone(world), Arc::clone(node)));
    world.spawn(read_gauges(Arc::clone(world), Arc::clone(node)));
    if let Some(consumer) = &node.service.consumer {
        world.spawn(consume(Arc::clone(world), Arc::clone(node), consumer));
    }
    if node.service.name == shop::REPORTS.name {
        world.spawn(jobs(Arc::clone(world), Arc::clone(node)));
    }
}

async fn read_gauges<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>) {
    // Nodes do not export in step.
    world.sleep(W::GAUGES.mul_f64(world.fleet().dice.unit())).await;
    while node.is_alive() {
        let now = world.now();
        node.telemetry.gauges(&gauges::read(world.fleet(), &node, now), now);
        world.sleep(W::GAUGES).await;
    }
}

/// Lets memory grow and shrink, and collects garbage.
async fn housekeeping<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>) {
    let base = node.service.memory_mib * MIB;
    while node.is_alive() {
        world.sleep(HOUSEKEEPING).await;
        let dice = &world.fleet().dice;
        let leaks = world.fleet().is_on(Fault::MemoryLeak) && node.is("recommendation", 1);
        // What a fault took is not given back by itself.
        let drift = if node.memory() > base * 1.3 || leaks { 0.0 } else { (base - node.memory()) * 0.2 };
        let leaked = if leaks { LEAK_MIB_PER_S * MIB * HOUSEKEEPING.as_secs_f64() } else { 0.0 };
        let wander = dice.normal() * base * 0.01;
        node.set_memory(node.memory() + drift + leaked + wander);
        if node.memory() > node.memory_limit() {
            world.spawn(run_out_of_memory(Arc::clone(&world), Arc::clone(&node)));
            return;
        }
        let full = (node.memory() / node.memory_limit()).clamp(0.0, 1.0);
        // From half full on, garbage is collected more and more often, and less and less is found.
        let strain = ((full - 0.5) * 2.0).max(0.0);
        let often = HOUSEKEEPING.as_secs_f64() / GC.1 + strain;
        if dice.chance(often.min(1.0)) {
            let pause = dice.spread(GC.0 + GC_FULL_MS * strain, 0.3);
            collect_garbage(&world, &node, pause).await;
        }
    }
}

async fn collect_garbage<W: World>(world: &Arc<W>, node: &Arc<Node<W::Telemetry>>, pause: Duration) {
    /// From how many milliseconds on a pause is told.
    const TOLD_FROM_MS: u128 = 150;
    node.stop_the_world(world.as_ref(), pause).await;
    if node.is_alive() {
        node.telemetry.record(Instrument::GcPause, pause.as_secs_f64(), Vec::new());
    }
    if pause.as_millis() >= TOLD_FROM_MS {
        tell(world.as_ref(), node, &GC_LONG, format!("collecting garbage took {} ms", pause.as_millis()));
    }
}

/// A node that has no memory left is killed, and started again.
async fn run_out_of_memory<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>) {
    let (used, limit) = (node.memory() / MIB, node.memory_limit() / MIB);
    let body = format!("out of memory: {used:.0} MiB of {limit:.0} MiB are in use");
    tell(world.as_ref(), &node, &OUT_OF_MEMORY, body);
    fleet::end(world.as_ref(), &node);
    world.sleep(RESTART_TIME).await;
    restart(&world, &node).await;
}

/// Takes messages as long as the node lives.
async fn consume<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>, consumer: &'static shop::Consumer) {
    while node.is_alive() {
        let Some(queue) = world.fleet().queue(consumer.queue) else { return };
        let Some(message) = queue.take(|| node.is_alive()).await else { return };
        walk::process(Arc::clone(&world), Arc::clone(&node), consumer, message).await;
        if world.fleet().is_on(Fault::QueueBacklog) && node.service.name == "shipping" {
            world.sleep(world.fleet().dice.spread(STALL_MS, 0.2)).await;
        }
    }
}

/// Runs the job of reports now and then. It takes much processor time, as it should.
async fn jobs<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>) {
    while node.is_alive() {
        world.sleep(JOB.mul_f64(0.5 + world.fleet().dice.unit())).await;
        for operation in node.service.operations {
            walk::job(Arc::clone(&world), Arc::clone(&node), operation).await;
        }
    }
}

/// How long a packet takes from one node to another host, one way.
pub(crate) fn network<W: World>(world: &W, nodes: [Option<&Node<W::Telemetry>>; 2]) -> Duration {
    /// Milliseconds of a packet, and of one that is late.
    const PACKET_MS: (f64, f64) = (0.35, 70.0);
    let late =
        world.fleet().is_on(Fault::NetworkDelay) && nodes.iter().flatten().any(|node| node.is("catalog", 2));
    let dice = &world.fleet().dice;
    let slow = if late { dice.spread(PACKET_MS.1, 0.25) } else { millis(0.0) };
    dice.spread(PACKET_MS.0, 0.4) + slow
}
