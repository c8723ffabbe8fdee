//! Walks the steps of operations on a node, in whatever time: waits for what they wait for, and tells it as telemetry.

mod calls;
mod stores;

use std::borrow::Cow;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, join_all};

use crate::fault::Fault;
use crate::node::Node;
use crate::queue::{self, Message};
use crate::shop::{Consumer, Field, Operation, Severity, Statement, Step};
use crate::world::{
    Attribute, Context, End, Exception, Input, Instrument, Kind, Record, Request, Start, Telemetry, World,
    key, seconds,
};

/// How far the times of work on a processor spread.
const WORK_SIGMA: f64 = 0.3;
/// The share of charges that fail while they do.
const ERROR_SHARE: f64 = 0.7;
/// The share of searches that fail in the version that is wrong.
const BAD_VERSION_SHARE: f64 = 0.4;

static BOOKING_FAILED: Statement = Statement {
    severity: Severity::Error,
    logger: "payment::charge",
    line: 80,
    text: "cannot book charge of order {order}: ledger answers code 17",
};
static VARIANTS_FAILED: Statement = Statement {
    severity: Severity::Error,
    logger: "catalog::variants",
    line: 118,
    text: "cannot read variants of {kind} {product}",
};
static RANKING_FAILED: Statement = Statement {
    severity: Severity::Error,
    logger: "search::rank",
    line: 97,
    text: "cannot rank {n} hits: no feature vector",
};
static LOCK_WAITED: Statement = Statement {
    severity: Severity::Warn,
    logger: "inventory::ledger",
    line: 22,
    text: "waited {ms} ms for lock {lock}",
};

/// Why an operation ended early.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What the caller is answered
    pub(crate) status: u16,
    /// `error.type`
    pub(crate) kind: Cow<'static, str>,
    /// What went wrong
    pub(crate) message: Cow<'static, str>,
    /// An exception that no span shows yet
    pub(crate) exception: Option<Exception>,
}

/// One request on its way through one node.
pub(crate) struct Walk<W: World> {
    pub(crate) world: Arc<W>,
    pub(crate) node: Arc<Node<W::Telemetry>>,
    pub(crate) input: Input,
}

/// Answers a request with a status code.
pub(crate) async fn serve<W: World>(world: Arc<W>, node: Arc<Node<W::Telemetry>>, request: Request) -> u16 {
    let Request { operation, input, parent } = request;
    let walk = Walk { world, node, input };
    let mut attributes: Vec<Attribute> = vec![
        ("http.request.method", operation.method().into()),
        ("http.route", operation.route().into()),
        ("url.path", input.fill(operation.route(), 0).into()),
        ("url.scheme", "http".into()),
        ("server.address", walk.node.service.name.into()),
    ];
    attributes.extend(operation.shows.iter().map(|field: &Field| (key(*field), input.field(*field).into())));
    let begun = walk.world.now();
    let span = walk.start(operation.name.into(), Kind::Server, parent, None, attributes);
    let done = walk.steps(operation.steps, W::Telemetry::context(&span)).await;
    let status = done.as_ref().err().map_or(operation.status, |failure| failure.status);
    let mut measured: Vec<Attribute> = vec![
        ("http.request.method", operation.method().into()),
        ("http.route", operation.route().into()),
        ("http.response.status_code", status.into()),
    ];
    if status >= 500 {
        measured.push(("error.type", status.to_string().into()));
    }
    walk.end(span, vec![("http.response.status_code", status.into())], done.err());
    walk.measure(Instrument::HttpServer, begun, measured);
    status
}

/// Processes a message of a queue.
pub(crate) async fn process<W: World>(
    world: Arc<W>,
    node: Arc<Node<W::Telemetry>>,
    consumer: &'static Consumer,
    message: Message,
) {
    let walk = Walk { world, node, input: message.input };
    let attributes: Vec<Attribute> = vec![
        ("messaging.system", queue::SYSTEM.into()),
        ("messaging.destination.name", consumer.queue.into()),
        ("messaging.operation.name", "process".into()),
        ("messaging.operation.type", "process".into()),
        ("messaging.message.id", format!("{:016x}", message.id).into()),
        ("messaging.consumer.group.name", walk.node.service.name.into()),
    ];
    let begun = walk.world.now();
    let (sender, name) = (Some(message.sent_by), format!("process {}", consumer.queue));
    let span = walk.start(name.into(), Kind::Consumer, sender, sender, attributes);
    let done = walk.steps(consumer.steps, W::Telemetry::context(&span)).await;
    walk.end(span, Vec::new(), done.err());
    let measured = vec![("messaging.destination.name", consumer.queue.into())];
    walk.measure(Instrument::MessagingProcess, begun, measured);
}

/// Runs a job that no one asked for.
pub(crate) async fn job<W: World>(
    world: Arc<W>,
    node: Arc<Node<W::Telemetry>>,
    operation: &'static Operation,
) {
    let walk = Walk { world, node, input: Input::default() };
    let span = walk.start(operation.name.into(), Kind::Internal, None, None, Vec::new());
    let done = walk.steps(operation.steps, W::Telemetry::context(&span)).await;
    walk.end(span, Vec::new(), done.err());
}

impl<W: World> Walk<W> {
    /// Begins a span.
    fn start(
        &self,
        name: Cow<'static, str>,
        kind: Kind,
        parent: Option<Context>,
        link: Option<Context>,
        attributes: Vec<Attribute>,
    ) -> <W::Telemetry as Telemetry>::Span {
        self.node.telemetry.start(Start { name, kind, parent, link, attributes }, self.world.now())
    }

    /// Begins a span of a client.
    fn ask(
        &self,
        name: String,
        at: Context,
        attributes: Vec<Attribute>,
    ) -> <W::Telemetry as Telemetry>::Span {
        self.start(name.into(), Kind::Client, Some(at), None, attributes)
    }

    /// Ends a span, unless the node ended before it. An exception is shown once, where it was thrown.
    fn end(
        &self,
        span: <W::Telemetry as Telemetry>::Span,
        mut attributes: Vec<Attribute>,
        failure: Option<Failure>,
    ) -> Option<Failure> {
        let mut failure = failure;
        let mut end = End::default();
        if let Some(failure) = &mut failure {
            attributes.push(("error.type", Cow::clone(&failure.kind).into_owned().into()));
            end.error = Some(Cow::clone(&failure.message));
            end.exception = failure.exception.take();
        }
        end.attributes = attributes;
        if self.node.is_alive() {
            self.node.telemetry.end(span, end, self.world.now());
        }
        failure
    }

    /// Counts the time since `begun`.
    fn measure(&self, instrument: Instrument, begun: i64, attributes: Vec<Attribute>) {
        if self.node.is_alive() {
            let took = seconds(self.world.now().saturating_sub(begun));
            self.node.telemetry.record(instrument, took, attributes);
        }
    }

    /// Writes a log record with this body.
    fn write(&self, statement: &Statement, body: String, at: Context, attributes: Vec<Attribute>) {
        if self.node.is_alive() {
            let record = Record { statement, body, context: Some(at), attributes };
            self.node.telemetry.log(record, self.world.now());
        }
    }

    /// Writes a log record that says what the statement does.
    fn log(&self, statement: &Statement, at: Context) {
        let number = self.world.fleet().dice.below(40);
        self.write(statement, self.input.fill(statement.text, number), at, Vec::new());
    }

    /// Does steps one after the other until one fails.
    fn steps(&self, steps: &'static [Step], at: Context) -> BoxFuture<'_, Result<(), Failure>> {
        async move {
            for step in steps {
                self.step(step, at).await?;
            }
            Ok(())
        }
        .boxed()
    }

    async fn step(&self, step: &'static Step, at: Context) -> Result<(), Failure> {
        let dice = &self.world.fleet().dice;
        match step {
            Step::Work(ms) => self.node.work(self.world.as_ref(), dice.spread(*ms, WORK_SIGMA)).await,
            Step::Log(statement) => self.log(statement, at),
            Step::Sometimes(probability, steps) => {
                if dice.chance(*probability) {
                    self.steps(steps, at).await?;
                }
            }
            Step::Together(steps) => {
                let all = steps.iter().map(|step| self.steps(std::slice::from_ref(step), at));
                // All are awaited, so that no span is cut short by its neighbour's failure.
                join_all(all).await.into_iter().collect::<Result<(), Failure>>()?;
            }
            Step::Within(name, steps) => {
                let span = self.start((*name).into(), Kind::Internal, Some(at), None, Vec::new());
                let done = self.steps(steps, W::Telemetry::context(&span)).await;
                return self.end(span, Vec::new(), done.err()).map_or(Ok(()), Err);
            }
            Step::Cache { key, hit, miss } => {
                if !self.look_up(key, *hit, at).await {
                    self.steps(miss, at).await?;
                }
            }
            Step::Query(query) => self.query(query, at).await?,
            Step::Call(call) => self.call(call, at).await?,
            Step::Outside { host, name, ms } => self.outside(host, name, *ms, at).await?,
            Step::Publish(queue) => self.publish(queue, at)?,
            Step::Locked(name, ms) => self.locked(name, *ms, at).await,
            Step::Pooled(steps) => self.node.pooled(self.connected(steps, at)).await?,
            Step::Breaks(fault) => self.breaks(*fault, at)?,
        }
        Ok(())
    }

    async fn locked(&self, name: &'static str, ms: f64, at: Context) {
        /// From how many milliseconds on a wait is told.
        const TOLD_FROM_MS: i64 = 100;
        let held = self.world.fleet().dice.spread(ms, WORK_SIGMA);
        let waited = self.node.locked(self.world.as_ref(), held).await;
        if self.node.is_alive() {
            let attributes = vec![("shop.lock.name", name.into())];
            self.node.telemetry.record(Instrument::LockWait, seconds(waited), attributes);
        }
        let waited_ms = waited / 1_000_000;
        if waited_ms >= TOLD_FROM_MS {
            self.write(&LOCK_WAITED, format!("waited {waited_ms} ms for lock {name}"), at, Vec::new());
        }
    }

    /// Fails where a fault of the code is on.
    fn breaks(&self, fault: Fault, at: Context) -> Result<(), Failure> {
        let (fleet, node) = (self.world.fleet(), &self.node);
        let (statement, kind, threw) = match fault {
            Fault::Error if fleet.is_on(fault) && fleet.dice.chance(ERROR_SHARE) => {
                (&BOOKING_FAILED, "ledger_error", false)
            }
            Fault::Exception if fleet.is_on(fault) && self.input.kind() == "bundle" => {
                (&VARIANTS_FAILED, "catalog::VariantError", true)
            }
            Fault::BadDeploy
                if node.identity.version != node.service.version && fleet.dice.chance(BAD_VERSION_SHARE) =>
            {
                (&RANKING_FAILED, "search::RankError", true)
            }
            _ => return Ok(()),
        };
        let message = self.input.fill(statement.text, fleet.dice.below(40));
        self.write(statement, message.clone(), at, Vec::new());
        let exception = threw.then(|| Exception {
            kind,
            message: message.clone(),
            stack: format!(
                "{kind}: {message}\n  at {} ({}:{})",
                statement.logger,
                statement.file(),
                statement.line
            ),
        });
        Err(Failure { status: 500, kind: kind.into(), message: message.into(), exception })
    }
}
