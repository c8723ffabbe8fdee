//! The shop in real time: every node listens on a port of loopback, calls others over HTTP with `traceparent`, and
//! exports through its own OpenTelemetry SDK (`sdk.rs`) with its own resource.
//!
//! All nodes are tasks of this one process. So what a real one would read off the operating system is that of a small
//! model of each node: its processors are permits that requests wait for and whose use is measured, its memory is a
//! figure, data bases and the cache are waiting, and a late network is waiting before and after a request.

mod http;
mod sdk;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use crate::effects;
use crate::fault::Fault;
use crate::fleet::{self, Fleet};
use crate::load;
use crate::node::{Identity, Node};
use crate::shop::Service;
use crate::world::{Lost, Request, World};
use sdk::{Exporters, Sdk};

/// Why the shop could not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none that can be sent to.
    #[error("cannot export to {url}: {reason}")]
    Endpoint {
        /// The address
        url: String,
        /// What is wrong with it
        reason: String,
    },
}

/// The shop, open.
pub struct Shop {
    world: Arc<Live>,
}

/// What customers saw since the last time it was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visits {
    /// How many requests
    pub count: u64,
    /// How many of them failed
    pub failed: u64,
    /// How long they took, in the mean
    pub mean: Duration,
}

impl Shop {
    /// Starts all nodes, and lets customers come at this mean rate a second. Telemetry goes to this OTLP endpoint over
    /// HTTP, as `http://127.0.0.1:4318`. It has to be called within a runtime of tokio.
    pub async fn open(url: &str, rate: f64) -> Result<Self, OpenError> {
        let exporters = Exporters::new(url)?;
        let world = Arc::new(Live {
            exporters,
            client: http::client(),
            places: RwLock::default(),
            fleet: Fleet::new(fastrand::u64(..)),
            stop: CancellationToken::new(),
        });
        fleet::start_all(&world).await;
        world.spawn(load::drive(Arc::clone(&world), rate, i64::MAX));
        Ok(Self { world })
    }

    /// Switches a fault on or off.
    pub fn switch(&self, fault: Fault, on: bool) {
        effects::switch(&self.world, fault, on);
    }

    /// What customers saw since this was last asked.
    pub fn visits(&self) -> Visits {
        let (count, failed, nanos) = self.world.fleet.visits.take();
        Visits { count, failed, mean: Duration::from_nanos(nanos.checked_div(count).unwrap_or(0)) }
    }

    /// Where each node listens, with its id.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let nodes = self.world.fleet.all();
        let place = |node: &Arc<Node<Sdk>>| Some((name(node), self.world.place(node)?));
        nodes.iter().filter_map(place).collect()
    }

    /// Closes the shop: no more customers, and what was measured is exported.
    pub async fn close(self) {
        self.world.stop.cancel();
        let nodes = self.world.fleet.all();
        let closed = nodes.into_iter().map(|node| {
            // The SDK exports on threads of its own and lets the caller wait for them.
            tokio::task::spawn_blocking(move || node.telemetry.shut_down())
        });
        futures::future::join_all(closed).await;
    }
}

/// The id of a node's instance.
fn name(node: &Node<Sdk>) -> String {
    node.identity.instance(node.service)
}

/// The world of real time.
pub(crate) struct Live {
    exporters: Exporters,
    client: http::Client,
    /// Where nodes listen, by the ids of their instances, and what ends that.
    places: RwLock<HashMap<String, (SocketAddr, CancellationToken)>>,
    fleet: Fleet<Sdk>,
    stop: CancellationToken,
}

impl Live {
    fn place(&self, node: &Node<Sdk>) -> Option<SocketAddr> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&name(node)).map(|(address, _)| *address)
    }
}

impl World for Live {
    type Telemetry = Sdk;

    const GAUGES: Duration = Duration::from_secs(5);

    fn fleet(&self) -> &Fleet<Sdk> {
        &self.fleet
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(time)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    fn telemetry(&self, service: &'static Service, identity: &Identity) -> Sdk {
        self.exporters.sdk(service, identity)
    }

    async fn open(self: &Arc<Self>, node: &Arc<Node<Sdk>>) {
        let ended = self.stop.child_token();
        match http::listen(self, node, &ended).await {
            Ok(address) => {
                let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
                places.insert(name(node), (address, ended));
            }
            // Whoever calls it is refused and tells so.
            Err(error) => eprintln!("demo: {} cannot listen: {error}", name(node)),
        }
    }

    fn close(&self, node: &Arc<Node<Sdk>>) {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ended)) = places.get(&name(node)) {
            ended.cancel();
        }
        let node = Arc::clone(node);
        tokio::task::spawn_blocking(move || node.telemetry.shut_down());
    }

    fn port(&self, node: &Node<Sdk>) -> u16 {
        self.place(node).map_or(0, |address| address.port())
    }

    async fn send(self: &Arc<Self>, to: &Arc<Node<Sdk>>, request: Request) -> Result<u16, Lost> {
        let address = self.place(to).ok_or(Lost::Refused)?;
        http::send(&self.client, address, request).await
    }
}

#[cfg(test)]
mod tests;
