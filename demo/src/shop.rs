//! The shop as data: which services there are, what each operation does step by step, and what it writes.
//!
//! Both times in which the shop runs walk this description, so their telemetry looks alike. Times are medians of
//! distributions with a heavy tail (`Dice::spread`).

mod front;
mod trade;
mod back;

use crate::fault::Fault;

/// `service.namespace` of all services.
pub const NAMESPACE: &str = "shop";
/// `deployment.environment.name` of all services.
pub const ENVIRONMENT: &str = "demo";
/// The resource attribute that says which configuration an instance has read.
pub const CONFIG_KEY: &str = "shop.config.revision";
/// The configuration that instances read before any change.
pub const CONFIG_REVISION: u32 = 118;

/// All services, callers before what they call.
pub static SERVICES: [&Service; 13] = [
    &front::WEB,
    &front::SEARCH,
    &front::RECOMMENDATION,
    &front::CATALOG,
    &front::PRICING,
    &trade::CART,
    &trade::CHECKOUT,
    &trade::INVENTORY,
    &trade::PAYMENT,
    &trade::FRAUD,
    &back::ORDERS,
    &back::SHIPPING,
    &back::NOTIFICATION,
];

/// The service that answers no one: a job that computes reports now and then.
pub static REPORTS: &Service = &back::REPORTS;

/// What customers do at the service `web`, with how often of a hundred visits.
pub static VISITS: [(&str, f64); 6] = [
    ("GET /", 18.0),
    ("GET /products/{product}", 36.0),
    ("GET /search", 16.0),
    ("POST /cart", 10.0),
    ("POST /checkout", 12.0),
    ("GET /orders/{order}", 8.0),
];

/// A service as it is deployed.
#[derive(Debug)]
pub struct Service {
    /// `service.name`
    pub name: &'static str,
    /// `service.version` before any deploy
    pub version: &'static str,
    /// The version that a deploy brings
    pub next_version: &'static str,
    /// How many instances run
    pub instances: usize,
    /// Processors of an instance
    pub cores: u32,
    /// Memory of an instance without load, in MiB
    pub memory_mib: f64,
    /// What can be asked of it
    pub operations: &'static [Operation],
    /// The queue it takes messages from, and what it does with one
    pub consumer: Option<Consumer>,
}

/// What is asked of a service over HTTP.
#[derive(Debug)]
pub struct Operation {
    /// The method and `http.route`, as `GET /products/{product}`
    pub name: &'static str,
    /// The status code where nothing fails
    pub status: u16,
    /// The fields of the request that its span shows
    pub shows: &'static [Field],
    /// What it does
    pub steps: &'static [Step],
}

impl Operation {
    /// The HTTP method.
    pub fn method(&self) -> &'static str {
        self.name.split_once(' ').map_or("GET", |(method, _)| method)
    }

    /// `http.route`
    pub fn route(&self) -> &'static str {
        self.name.split_once(' ').map_or(self.name, |(_, route)| route)
    }
}

/// What is done with a message of a queue.
#[derive(Debug)]
pub struct Consumer {
    /// `messaging.destination.name`
    pub queue: &'static str,
    /// What processing one does
    pub steps: &'static [Step],
}

/// A fact about a request that spans show and log statements name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Who asks
    User,
    /// What the customer pays for
    Tier,
    /// Where the customer is
    Region,
    /// Which product
    Product,
    /// Which kind of product
    Kind,
    /// Which order
    Order,
}

/// How serious a log record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// `INFO`, 9
    Info,
    /// `WARN`, 13
    Warn,
    /// `ERROR`, 17
    Error,
}

/// A place in a service's code that writes a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// How serious
    pub severity: Severity,
    /// The name of the scope, as `payment::charge`
    pub logger: &'static str,
    /// `code.line.number`
    pub line: u32,
    /// What it says; names in braces are filled in
    pub text: &'static str,
}

impl Statement {
    /// The event's name in a diagnosis: `logger#line`.
    pub fn event(&self) -> String {
        format!("{}#{}", self.logger, self.line)
    }

    /// `code.file.path`, as `payment/src/charge.rs`
    pub fn file(&self) -> String {
        let (service, module) = self.logger.split_once("::").unwrap_or((self.logger, "main"));
        format!("{service}/src/{module}.rs")
    }
}

/// A statement of the level info.
pub(crate) const fn info(logger: &'static str, line: u32, text: &'static str) -> Step {
    Step::Log(Statement { severity: Severity::Info, logger, line, text })
}

/// A statement of the level warn.
pub(crate) const fn warn(logger: &'static str, line: u32, text: &'static str) -> Step {
    Step::Log(Statement { severity: Severity::Warn, logger, line, text })
}

/// A thing that an operation does.
#[derive(Debug)]
pub enum Step {
    /// Use a processor for so many milliseconds
    Work(f64),
    /// Write a log record
    Log(Statement),
    /// Do this with the given probability
    Sometimes(f64, &'static [Step]),
    /// Do all of these side by side, and wait for the last
    Together(&'static [Step]),
    /// Do these within a span of their own
    Within(&'static str, &'static [Step]),
    /// Look into the cache; do the steps where it does not have the key
    Cache {
        /// What is looked up; names in braces are filled in
        key: &'static str,
        /// How probable it is that the cache has it
        hit: f64,
        /// What is done otherwise
        miss: &'static [Step],
    },
    /// Ask a data base
    Query(Query),
    /// Call another service
    Call(Call),
    /// Call a host outside of the shop, which sends no telemetry
    Outside {
        /// `server.address`
        host: &'static str,
        /// The method and path
        name: &'static str,
        /// Milliseconds it takes
        ms: f64,
    },
    /// Put a message into a queue
    Publish(&'static str),
    /// Hold the lock of this name for so many milliseconds
    Locked(&'static str, f64),
    /// Hold a connection of the instance's pool while doing this
    Pooled(&'static [Step]),
    /// Here a fault breaks the operation while it is on
    Breaks(Fault),
}

/// A question to a data base.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// Which one
    pub db: Database,
    /// `db.operation.name`
    pub operation: &'static str,
    /// `db.collection.name`
    pub collection: &'static str,
    /// `db.query.text`
    pub text: &'static str,
    /// Milliseconds it takes
    pub ms: f64,
}

/// A data base, which lives in the shop's process and really lets its clients wait.
#[derive(Debug, Clone, Copy)]
pub struct Database {
    /// `server.address`
    pub host: &'static str,
    /// `db.system.name`
    pub system: &'static str,
    /// `server.port`
    pub port: u16,
}

/// A call to another service.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Which service
    pub to: &'static str,
    /// Which of its operations
    pub operation: &'static str,
    /// How long the caller waits for an answer, in milliseconds
    pub timeout_ms: u64,
    /// How often it is tried
    pub attempts: u32,
    /// Whether the caller does without where it fails
    pub optional: bool,
    /// Whether a circuit breaker guards it
    pub breaker: bool,
}

/// A call that is tried once and has to succeed.
pub(crate) const fn call(to: &'static str, operation: &'static str) -> Call {
    Call { to, operation, timeout_ms: 2_000, attempts: 1, optional: false, breaker: false }
}

/// The cache.
pub static CACHE: Database = Database { host: "cache", system: "redis", port: 6379 };

/// A service by its name.
pub fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().chain([&REPORTS]).copied().find(|service| service.name == name)
}

/// An operation of a service by its name.
pub fn operation(service: &'static Service, name: &str) -> Option<&'static Operation> {
    service.operations.iter().find(|operation| operation.name == name)
}

/// Visits every step of a list and those within them, in the order of the code.
pub fn each_step(steps: &'static [Step], visit: &mut impl FnMut(&'static Step)) {
    for step in steps {
        visit(step);
        match step {
            Step::Sometimes(_, inner)
            | Step::Together(inner)
            | Step::Within(_, inner)
            | Step::Cache { miss: inner, .. }
            | Step::Pooled(inner) => each_step(inner, visit),
            _ => {}
        }
    }
}

/// Visits every step of a service.
pub fn each_step_of(service: &'static Service, visit: &mut impl FnMut(&'static Step)) {
    for operation in service.operations {
        each_step(operation.steps, visit);
    }
    if let Some(consumer) = &service.consumer {
        each_step(consumer.steps, visit);
    }
}

#[cfg(test)]
mod tests;
