//! Data bases, the cache and the queue, as the client sees them: they live in this process, and waiting is real.

use std::time::Duration;

use super::calls::failed;
use super::{Failure, Walk};
use crate::effects::network;
use crate::fault::Fault;
use crate::queue::{self, Message};
use crate::shop::{CACHE, Query, Severity, Statement, Step};
use crate::world::{Attribute, Context, Exception, Instrument, Kind, Telemetry, World};

/// How far the times of data bases spread.
const QUERY_SIGMA: f64 = 0.45;
/// The share of queries that fail without a fault.
const QUERY_FAILS: f64 = 0.0008;
/// How much longer the slow query takes.
const SLOW_FACTOR: f64 = 100.0;
/// Milliseconds that a connection takes to open where none is kept.
const CONNECT_MS: f64 = 260.0;
/// Milliseconds of a look into the cache.
const CACHE_MS: f64 = 0.4;

static QUERY_FAILED: Statement = Statement {
    severity: Severity::Error,
    logger: "client::database",
    line: 57,
    text: "{host}: server closed the connection unexpectedly",
};
static QUERY_SLOW: Statement = Statement {
    severity: Severity::Warn,
    logger: "client::database",
    line: 49,
    text: "slow query: {operation} {collection} took {ms} ms",
};

impl<W: World> Walk<W> {
    /// There and back on the network, between this node and a store.
    fn round_trip(&self) -> Duration {
        let way = || network(self.world.as_ref(), [Some(self.node.as_ref()), None]);
        way() + way()
    }

    /// Asks a data base.
    pub(super) async fn query(&self, query: &'static Query, at: Context) -> Result<(), Failure> {
        /// From how many milliseconds on a query is told.
        const TOLD_FROM_MS: u128 = 300;
        let dice = &self.world.fleet().dice;
        let slow = self.world.fleet().is_on(Fault::SlowQuery)
            && (self.node.service.name, query.operation) == ("orders", "SELECT");
        let factor = if slow { SLOW_FACTOR } else { 1.0 };
        let took = dice.spread(query.ms * factor, QUERY_SIGMA) + self.round_trip();
        let attributes: Vec<Attribute> = vec![
            ("db.system.name", query.db.system.into()),
            ("db.namespace", "shop".into()),
            ("db.operation.name", query.operation.into()),
            ("db.collection.name", query.collection.into()),
            ("db.query.text", query.text.into()),
            ("server.address", query.db.host.into()),
            ("server.port", query.db.port.into()),
        ];
        let span = self.ask(format!("{} {}", query.operation, query.collection), at, attributes);
        let begun = self.world.now();
        self.world.sleep(took).await;
        let mut measured: Vec<Attribute> = vec![
            ("db.system.name", query.db.system.into()),
            ("db.operation.name", query.operation.into()),
            ("db.collection.name", query.collection.into()),
        ];
        let failure = dice.chance(QUERY_FAILS).then(|| self.query_failed(query, at));
        if failure.is_some() {
            measured.push(("error.type", "connection_reset".into()));
        } else if took.as_millis() >= TOLD_FROM_MS && query.ms < TOLD_FROM_MS as f64 {
            let (operation, collection) = (query.operation, query.collection);
            let body = format!("slow query: {operation} {collection} took {} ms", took.as_millis());
            self.write(&QUERY_SLOW, body, at, Vec::new());
        }
        self.measure(Instrument::DbClient, begun, measured);
        self.end(span, Vec::new(), failure).map_or(Ok(()), Err)
    }

    fn query_failed(&self, query: &Query, at: Context) -> Failure {
        let message = format!("{}: server closed the connection unexpectedly", query.db.host);
        self.write(&QUERY_FAILED, message.clone(), at, Vec::new());
        let stack = format!("ConnectionReset: {message}\n  at client::database (client/src/database.rs:57)");
        let exception = Exception { kind: "client::ConnectionReset", message: message.clone(), stack };
        Failure { exception: Some(exception), ..failed(500, "connection_reset", message) }
    }

    /// Whether the cache has a key.
    pub(super) async fn look_up(&self, name: &'static str, hit: f64, at: Context) -> bool {
        let dice = &self.world.fleet().dice;
        let has = dice.chance(hit);
        let attributes: Vec<Attribute> = vec![
            ("db.system.name", CACHE.system.into()),
            ("db.operation.name", "GET".into()),
            ("db.query.text", format!("GET {}", self.input.fill(name, 0)).into()),
            ("server.address", CACHE.host.into()),
            ("server.port", CACHE.port.into()),
            ("shop.cache.result", if has { "hit".into() } else { "miss".into() }),
        ];
        let span = self.ask("GET".to_owned(), at, attributes);
        let took = dice.spread(CACHE_MS, QUERY_SIGMA) + self.round_trip();
        self.world.sleep(took).await;
        self.end(span, Vec::new(), None);
        has
    }

    /// Does steps with a connection that the pool gave. With the wrong configuration it keeps none open.
    pub(super) async fn connected(&self, steps: &'static [Step], at: Context) -> Result<(), Failure> {
        if self.node.is_misconfigured() {
            self.world.sleep(self.world.fleet().dice.spread(CONNECT_MS, 0.3)).await;
        }
        self.steps(steps, at).await
    }

    /// Puts a message into a queue.
    pub(super) fn publish(&self, name: &'static str, at: Context) -> Result<(), Failure> {
        let id = self.world.fleet().dice.id();
        let attributes: Vec<Attribute> = vec![
            ("messaging.system", queue::SYSTEM.into()),
            ("messaging.destination.name", name.into()),
            ("messaging.operation.name", "send".into()),
            ("messaging.operation.type", "send".into()),
            ("messaging.message.id", format!("{id:016x}").into()),
        ];
        let span = self.start(format!("send {name}").into(), Kind::Producer, Some(at), None, attributes);
        let (sent_by, sent) = (W::Telemetry::context(&span), self.world.now());
        let message = Message { id, input: self.input, sent_by, sent };
        let queue = self.world.fleet().queue(name);
        let failure = match queue.map(|queue| queue.put(message)) {
            Some(true) => None,
            _ => Some(failed(503, "queue_full", format!("queue {name} takes no more messages"))),
        };
        self.end(span, Vec::new(), failure).map_or(Ok(()), Err)
    }
}
