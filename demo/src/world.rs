//! What differs between the two times in which the shop runs: the clock, how a request travels, where telemetry goes.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fleet::Fleet;
use crate::node::{Identity, Node};
use crate::shop::{Field, Operation, Service, Statement};

/// The time and place in which the shop runs.
pub(crate) trait World: Sized + Send + Sync + 'static {
    /// Where the telemetry of a node goes.
    type Telemetry: Telemetry;

    /// How often gauges are read.
    const GAUGES: Duration;

    /// The nodes and what they share.
    fn fleet(&self) -> &Fleet<Self::Telemetry>;

    /// Nanoseconds since 1970.
    fn now(&self) -> i64;

    /// Waits.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Runs a task beside all others until it ends, or the world does.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// The telemetry of a new node.
    fn telemetry(&self, service: &'static Service, identity: &Identity) -> Self::Telemetry;

    /// Lets a node be reached.
    fn open(self: &Arc<Self>, node: &Arc<Node<Self::Telemetry>>) -> impl Future<Output = ()> + Send;

    /// Refuses connections to a node from now on.
    fn close(&self, node: &Arc<Node<Self::Telemetry>>);

    /// `server.port` of a node.
    fn port(&self, node: &Node<Self::Telemetry>) -> u16;

    /// Sends a request to a node and waits for its status code.
    fn send(
        self: &Arc<Self>,
        to: &Arc<Node<Self::Telemetry>>,
        request: Request,
    ) -> impl Future<Output = Result<u16, Lost>> + Send;
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// What is asked
    pub(crate) operation: &'static Operation,
    /// About what
    pub(crate) input: Input,
    /// The client's span
    pub(crate) parent: Option<Context>,
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// No one listens
    Refused,
    /// The connection ended first
    Reset,
}

/// The telemetry of one node.
pub(crate) trait Telemetry: Send + Sync + 'static {
    /// A span that has begun.
    type Span: Send + Sync;

    /// Begins a span.
    fn start(&self, start: Start, now: i64) -> Self::Span;

    /// What refers to a span.
    fn context(span: &Self::Span) -> Context;

    /// Ends a span.
    fn end(&self, span: Self::Span, end: End, now: i64);

    /// Writes a log record.
    fn log(&self, record: Record<'_>, now: i64);

    /// Counts a duration in seconds.
    fn record(&self, instrument: Instrument, seconds: f64, attributes: Vec<Attribute>);

    /// Tells how gauges stand.
    fn gauges(&self, gauges: &[Gauge], now: i64);
}

/// What refers to a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: u128,
    pub(crate) span: u64,
}

/// The kinds of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// The beginning of a span.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) parent: Option<Context>,
    pub(crate) link: Option<Context>,
    pub(crate) attributes: Vec<Attribute>,
}

/// The end of a span.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) attributes: Vec<Attribute>,
    /// What went wrong; empty where there is nothing to say but that it did
    pub(crate) error: Option<Cow<'static, str>>,
    pub(crate) exception: Option<Exception>,
}

/// An exception as its event shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) stack: String,
}

/// A log record.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) body: String,
    pub(crate) context: Option<Context>,
    pub(crate) attributes: Vec<Attribute>,
}

/// An attribute.
pub(crate) type Attribute = (&'static str, Value);

/// What an attribute says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(Cow<'static, str>),
    Int(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

/// Bounds of the buckets, in seconds: those the semantic conventions advise.
pub(crate) const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The histograms of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Instrument {
    HttpServer,
    DbClient,
    MessagingProcess,
    LockWait,
    GcPause,
}

impl Instrument {
    /// The metric's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpServer => "http.server.request.duration",
            Self::DbClient => "db.client.operation.duration",
            Self::MessagingProcess => "messaging.process.duration",
            Self::LockWait => "shop.lock.wait.duration",
            Self::GcPause => "shop.gc.pause.duration",
        }
    }
}

/// A gauge as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) attributes: Vec<Attribute>,
}

/// What a request is about. It travels with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Input {
    pub(crate) user: u32,
    pub(crate) product: u32,
    pub(crate) order: u64,
    pub(crate) cents: u32,
}

impl Input {
    /// What a field says.
    pub(crate) fn field(&self, field: Field) -> String {
        match field {
            Field::User => format!("u-{:04}", self.user),
            Field::Tier => ["basic", "basic", "plus", "gold"][self.user as usize % 4].to_owned(),
            Field::Region => ["north", "south", "east", "west", "isles"][self.user as usize % 5].to_owned(),
            Field::Product => format!("p-{:04}", self.product),
            Field::Kind => self.kind().to_owned(),
            Field::Order => format!("o-{:07}", self.order),
        }
    }

    /// The kind of the product: a fifth of them are bundles.
    pub(crate) fn kind(&self) -> &'static str {
        ["single", "single", "digital", "single", "bundle"][self.product as usize % 5]
    }

    /// A text with what stands in braces filled in. `{n}` is a number that differs from record to record.
    pub(crate) fn fill(&self, text: &str, number: u32) -> String {
        let mut filled = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(&match name {
                "user" => self.field(Field::User),
                "tier" => self.field(Field::Tier),
                "region" => self.field(Field::Region),
                "product" => self.field(Field::Product),
                "kind" => self.field(Field::Kind),
                "order" => self.field(Field::Order),
                "amount" => format!("{}.{:02}", self.cents / 100, self.cents % 100),
                _ => number.to_string(),
            });
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// A field's attribute.
pub(crate) fn key(field: Field) -> &'static str {
    match field {
        Field::User => "user.id",
        Field::Tier => "shop.customer.tier",
        Field::Region => "shop.customer.region",
        Field::Product => "shop.product.id",
        Field::Kind => "shop.product.kind",
        Field::Order => "shop.order.id",
    }
}

/// Chance. With a seed, the same every time.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<fastrand::Rng>);

/// The share of durations that are far longer than the others, and by how much.
const STRAGGLERS: (f64, f64) = (0.004, 6.0);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    fn rng(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number from 0 to 1, without 1.
    pub(crate) fn unit(&self) -> f64 {
        self.rng().f64()
    }

    /// Whether something of this probability happens.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u32) -> u32 {
        self.rng().u32(0..end.max(1))
    }

    /// An id that is not zero.
    pub(crate) fn id(&self) -> u64 {
        self.rng().u64(1..)
    }

    /// A number of the normal distribution with mean 0 and deviation 1 (Box and Muller).
    pub(crate) fn normal(&self) -> f64 {
        let (one, two) = (1.0 - self.unit(), self.unit());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
    }

    /// A duration around a median in milliseconds: lognormal, with a few stragglers.
    pub(crate) fn spread(&self, median_ms: f64, sigma: f64) -> Duration {
        let straggler = if self.chance(STRAGGLERS.0) { STRAGGLERS.1 } else { 1.0 };
        millis(median_ms * (sigma * self.normal()).exp() * straggler)
    }

    /// The time until the next of events that happen so often a second.
    pub(crate) fn gap(&self, rate: f64) -> Duration {
        millis(-(1.0 - self.unit()).ln() / rate.max(1e-6) * 1_000.0)
    }
}

/// A duration of so many milliseconds.
pub(crate) fn millis(ms: f64) -> Duration {
    Duration::from_secs_f64((ms / 1_000.0).clamp(0.0, 86_400.0))
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
