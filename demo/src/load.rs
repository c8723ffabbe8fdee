//! Customers: how often they come, and what they do.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use crate::shop::{self, VISITS};
use crate::world::{Input, Request, World, seconds};

/// Customers and products. Few of them make most of the visits.
const USERS: f64 = 240.0;
const PRODUCTS: f64 = 320.0;
/// How far load swings around its mean over a day, and over some minutes.
const SWING: [(f64, f64); 2] = [(86_400.0, 0.25), (340.0, 0.08)];

/// By how many nanoseconds a machine that is busy may be late before customers stay away.
const LATE_MAX: i64 = 1_000_000_000;

/// Sends requests at this mean rate a second until a time.
pub(crate) async fn drive<W: World>(world: Arc<W>, rate: f64, until: i64) {
    let mut next = world.now();
    loop {
        let swing: f64 = SWING.iter().map(|(period, by)| by * (seconds(next) / period * TAU).sin()).sum();
        let gap = world.fleet().dice.gap(rate * (1.0 + swing)).as_nanos();
        next = next.saturating_add(i64::try_from(gap).unwrap_or(i64::MAX)).max(world.now() - LATE_MAX);
        // Customers come at their time, however late the one before was let in.
        let left = u64::try_from(next.saturating_sub(world.now())).unwrap_or(0);
        world.sleep(Duration::from_nanos(left)).await;
        if world.now() >= until {
            return;
        }
        world.spawn(visit(Arc::clone(&world)));
    }
}

/// One request of a customer.
async fn visit<W: World>(world: Arc<W>) {
    let fleet = world.fleet();
    let Some(operation) = choose(fleet.dice.unit()) else { return };
    let few = |count: f64| (fleet.dice.unit().powi(2) * count) as u32 + 1;
    let buys = operation.name == "POST /checkout";
    let input = Input {
        user: few(USERS),
        product: few(PRODUCTS),
        order: if buys { fleet.next_order() } else { fleet.orders().max(1) },
        cents: 199 + fleet.dice.below(20_000),
    };
    let Some(to) = fleet.pick("web", fleet.dice.below(1 << 16) as usize) else { return };
    let begun = world.now();
    let answer = world.send(&to, Request { operation, input, parent: None }).await;
    let is_good = answer.is_ok_and(|status| status < 500);
    fleet.visits.note(is_good, world.now().saturating_sub(begun));
}

/// What a customer does, by a number from 0 to 1.
fn choose(at: f64) -> Option<&'static shop::Operation> {
    let total: f64 = VISITS.iter().map(|(_, share)| share).sum();
    let mut left = at * total;
    let chosen = VISITS.iter().find(|(_, share)| {
        left -= share;
        left < 0.0
    });
    shop::operation(shop::service("web")?, chosen.or(VISITS.last())?.0)
}
