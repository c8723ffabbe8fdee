//! The gauges of a node, as they stand.

use std::sync::PoisonError;

use crate::fleet::Fleet;
use crate::node::Node;
use crate::world::{Gauge, Telemetry, seconds};

/// What a process uses beside its requests: a share of its processors, and how much that varies.
const IDLE_CPU: (f64, f64) = (0.02, 0.02);

/// Reads all gauges of a node. Its processor time counts from the last reading on.
pub(crate) fn read<T: Telemetry>(fleet: &Fleet<T>, node: &Node<T>, now: i64) -> Vec<Gauge> {
    let gauge = |name, unit, value: f64, attributes| -> Gauge { Gauge { name, unit, value, attributes } };
    let mut gauges = vec![
        gauge("process.cpu.utilization", "1", cpu(fleet, node, now), Vec::new()),
        gauge("process.memory.usage", "By", node.memory(), Vec::new()),
        gauge("process.uptime", "s", seconds(now.saturating_sub(node.started)), Vec::new()),
    ];
    if node.service.name == "cart" {
        let pool = vec![("db.client.connection.pool.name", "carts".into())];
        gauges.push(gauge("db.client.connection.pending_requests", "{request}", node.pending() as f64, pool));
    }
    if let Some(queue) = node.service.consumer.as_ref().and_then(|consumer| fleet.queue(consumer.queue)) {
        let name = vec![("messaging.destination.name", queue.name.into())];
        gauges.push(gauge("shop.queue.depth", "{message}", queue.depth() as f64, name.clone()));
        gauges.push(gauge("shop.queue.lag", "s", seconds(queue.lag(now)), name));
    }
    gauges
}

/// The share of its processors that the node used since the last reading.
fn cpu<T: Telemetry>(fleet: &Fleet<T>, node: &Node<T>, now: i64) -> f64 {
    let busy = node.busy();
    let mut read = node.read.lock().unwrap_or_else(PoisonError::into_inner);
    let (busy_then, then) = std::mem::replace(&mut *read, (busy, now));
    let available = now.saturating_sub(then).max(1) as f64 * f64::from(node.service.cores);
    let idle = IDLE_CPU.0 + IDLE_CPU.1 * fleet.dice.unit();
    (busy.saturating_sub(busy_then) as f64 / available + idle).min(1.0)
}
