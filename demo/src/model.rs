//! The shop in simulated time: a plan with a seed becomes OTLP messages with times of its own.
//!
//! It is a discrete-event simulation. The shop's tasks are futures that wait on a clock of their own (`clock.rs`), which
//! jumps to the next time at which something happens; so a day takes seconds, and queues, locks, timeouts and retries
//! come about as they do in the real shop. All chance comes from the seed: the same plan gives the same bytes.
//!
//! ```
//! use demo::fault::Fault;
//! use demo::model::{Batch, FaultPlan, MINUTE, Plan, run};
//!
//! let start = 1_700_000_000_000_000_000;
//! let fault = FaultPlan { fault: Fault::Cpu, from: start + MINUTE, to: start + 2 * MINUTE };
//! let plan = Plan { seed: 7, start, minutes: 2, rate: 2.0, faults: vec![fault], distractors: true };
//! let mut batches = 0;
//! run(&plan, &mut |_: Batch| batches += 1);
//! assert_eq!(batches, 3); // one a minute, and one for what ends after the last
//! ```

mod clock;
mod record;
mod series;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::BoxFuture;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::effects;
use crate::fault::Fault;
use crate::fleet::{self, Fleet};
use crate::load;
use crate::node::{Identity, Node};
use crate::shop::Service;
use crate::walk;
use crate::world::{Lost, Request, World};
use clock::{Clock, Tasks};
use record::{Recorder, Records};

/// A minute in nanoseconds.
pub const MINUTE: i64 = 60_000_000_000;
/// The port that all services have on their hosts.
const PORT: u16 = 8080;
/// For how long after the last request its spans may end, in nanoseconds.
const DRAIN: i64 = 45_000_000_000;
/// How long before a fault another service is deployed without harm, in nanoseconds.
const DISTRACTOR_LEAD: i64 = 4 * MINUTE;
/// Between the harmless deploys of a shop without faults, in nanoseconds.
const QUIET_DEPLOYS: i64 = 97 * MINUTE;

/// What the shop lives through.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// All chance comes from it.
    pub seed: u64,
    /// The first moment, in nanoseconds since 1970
    pub start: i64,
    /// For how long customers come
    pub minutes: u32,
    /// How many requests of customers there are a second, in the mean
    pub rate: f64,
    /// What breaks, and when
    pub faults: Vec<FaultPlan>,
    /// Whether there are deploys that do no harm, four minutes before each fault and every 97 minutes
    pub distractors: bool,
}

/// A fault and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultPlan {
    /// What breaks
    pub fault: Fault,
    /// From when, in nanoseconds since 1970
    pub from: i64,
    /// Until when
    pub to: i64,
}

/// What the shop exported in a minute: spans by their end, log records and data points by their time.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The end of the minute, in nanoseconds since 1970
    pub until: i64,
    /// Spans
    pub traces: ExportTraceServiceRequest,
    /// Log records
    pub logs: ExportLogsServiceRequest,
    /// Data points
    pub metrics: ExportMetricsServiceRequest,
}

/// Runs a plan. The sink gets a batch a minute in order of time, and one for what ended after the last minute.
pub fn run(plan: &Plan, sink: &mut dyn FnMut(Batch)) {
    let world = Arc::new(Simulated {
        clock: Arc::new(Clock::new(plan.start)),
        born: Mutex::default(),
        records: Records::default(),
        fleet: Fleet::new(plan.seed),
    });
    let end = plan.start.saturating_add(i64::from(plan.minutes) * MINUTE);
    world.spawn(begin(Arc::clone(&world), plan.rate, end));
    for event in events(plan, end) {
        world.spawn(happen(Arc::clone(&world), event));
    }
    let mut tasks = Tasks::default();
    for minute in 1..=i64::from(plan.minutes) {
        let until = plan.start.saturating_add(minute * MINUTE);
        tasks.run_until(&world.clock, until, || world.take_born());
        sink(world.records.flush(until));
    }
    tasks.run_until(&world.clock, end.saturating_add(DRAIN), || world.take_born());
    sink(world.records.flush(end.saturating_add(DRAIN)));
}

async fn begin(world: Arc<Simulated>, rate: f64, end: i64) {
    fleet::start_all(&world).await;
    load::drive(world, rate, end).await;
}

/// Something that happens to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Switch(Fault, bool),
    Deploy,
}

/// All that happens, by time.
fn events(plan: &Plan, end: i64) -> Vec<(i64, Event)> {
    let mut events = Vec::new();
    for planned in &plan.faults {
        events.push((planned.from, Event::Switch(planned.fault, true)));
        events.push((planned.to, Event::Switch(planned.fault, false)));
        if plan.distractors {
            events.push((planned.from.saturating_sub(DISTRACTOR_LEAD), Event::Deploy));
        }
    }
    if plan.distractors {
        let mut at = plan.start.saturating_add(QUIET_DEPLOYS / 2);
        while at < end {
            events.push((at, Event::Deploy));
            at = at.saturating_add(QUIET_DEPLOYS);
        }
    }
    events.retain(|(at, _)| *at >= plan.start && *at < end);
    events.sort_by_key(|(at, _)| *at);
    events
}

async fn happen(world: Arc<Simulated>, (at, event): (i64, Event)) {
    world.sleep(Duration::from_nanos(u64::try_from(at.saturating_sub(world.now())).unwrap_or(0))).await;
    match event {
        Event::Switch(fault, on) => effects::switch(&world, fault, on),
        Event::Deploy => effects::harmless_deploy(world).await,
    }
}

/// The world of simulated time.
struct Simulated {
    clock: Arc<Clock>,
    /// Tasks that the clock's loop has not taken yet
    born: Mutex<Vec<BoxFuture<'static, ()>>>,
    records: Records,
    fleet: Fleet<Recorder>,
}

impl Simulated {
    fn take_born(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.born.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl World for Simulated {
    type Telemetry = Recorder;

    const GAUGES: Duration = Duration::from_secs(15);

    fn fleet(&self) -> &Fleet<Recorder> {
        &self.fleet
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static {
        clock::sleep(&self.clock, time)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.born.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(task));
    }

    fn telemetry(&self, service: &'static Service, identity: &Identity) -> Recorder {
        self.records.recorder(service, identity, self.fleet.dice.id(), self.now())
    }

    async fn open(self: &Arc<Self>, _: &Arc<Node<Recorder>>) {}

    fn close(&self, _: &Arc<Node<Recorder>>) {}

    fn port(&self, _: &Node<Recorder>) -> u16 {
        PORT
    }

    async fn send(self: &Arc<Self>, to: &Arc<Node<Recorder>>, request: Request) -> Result<u16, Lost> {
        if !to.is_alive() {
            return Err(Lost::Refused);
        }
        let (answer, answered) = oneshot::channel();
        let (world, node) = (Arc::clone(self), Arc::clone(to));
        self.spawn(async move {
            let status = walk::serve(world, node, request).await;
            // A caller who gave up does not listen.
            let _ = answer.send(status);
        });
        match answered.await {
            Ok(status) if to.is_alive() => Ok(status),
            _ => Err(Lost::Reset),
        }
    }
}

#[cfg(test)]
mod tests;
