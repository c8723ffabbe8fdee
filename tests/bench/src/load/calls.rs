//! What happens in the shop: a user's request, and the spans of all who work on it.

use super::random::Random;
use super::shop::{Attributes, PODS, SERVICES, Value, tenant, user};
use super::text::Text;

/// The most spans of a trace.
const TRACE_SPANS_MAX: usize = 60;
/// How deep calls go.
const DEPTH_MAX: usize = 7;
/// How long the requests of one export are spread over, in nanoseconds.
pub(super) const WINDOW: u64 = 4_000_000_000;
/// The shortest and the longest request of a user, in nanoseconds.
const REQUEST_TIMES: [u64; 2] = [8_000_000, 900_000_000];
/// How long work takes that is not worth cutting up, in nanoseconds.
const SMALL: u64 = 60_000;
/// How many of the requests to a service fail.
const FAILED_SHARE: f64 = 0.01;
/// How many spans that did not fail have an event.
const EVENT_SHARE: f64 = 0.04;

/// Kinds of spans, as OTLP numbers them.
const INTERNAL: u32 = 1;
const SERVER: u32 = 2;
const CLIENT: u32 = 3;
const PRODUCER: u32 = 4;

const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1",
    "shop-app/12.4 (Android 15)",
    "shop-app/12.4 (iOS 18.5)",
];

/// What may go wrong: a type, and what it says.
const FAULTS: [(&str, &str); 5] = [
    ("TimeoutError", "the peer did not answer within 2000 ms"),
    ("ConnectionResetError", "connection reset by peer"),
    ("DeadlockDetected", "deadlock detected while waiting for a share lock"),
    ("PoolExhausted", "no connection became free within 500 ms"),
    ("ValidationError", "quantity must be greater than zero"),
];

/// An event of a span.
#[derive(Debug)]
pub(super) struct Event {
    /// Nanoseconds after the beginning of the export.
    pub(super) time: u64,
    /// Its name.
    pub(super) name: &'static str,
    /// Its attributes.
    pub(super) attributes: Attributes,
}

/// A span before it is written.
#[derive(Debug)]
pub(super) struct Span {
    /// Its trace.
    pub(super) trace: [u64; 2],
    /// Its id.
    pub(super) id: u64,
    /// The id of its parent.
    pub(super) parent: Option<u64>,
    /// Who it belongs to.
    pub(super) service: usize,
    /// On which pod.
    pub(super) pod: usize,
    /// Its name.
    pub(super) name: String,
    /// Its kind, as OTLP numbers it.
    pub(super) kind: u32,
    /// When it began, in nanoseconds after the beginning of the export.
    pub(super) start: u64,
    /// When it ended.
    pub(super) end: u64,
    /// Its attributes.
    pub(super) attributes: Attributes,
    /// Its events.
    pub(super) events: Vec<Event>,
    /// What went wrong, if it failed.
    pub(super) fault: Option<&'static str>,
}

/// The spans of an export: whole traces, at least `count` spans, from seed and number.
pub(super) fn spans(seed: u64, number: u64, count: usize) -> Vec<Span> {
    let mut random = Random::new(seed, number);
    let mut spans = Vec::with_capacity(count + TRACE_SPANS_MAX);
    while spans.len() < count {
        let trace = [random.next(), random.next()];
        let length = REQUEST_TIMES[0] + random.rank((REQUEST_TIMES[1] - REQUEST_TIMES[0]) as usize) as u64;
        let start = random.below(WINDOW - length);
        let mut trace = Trace { random: &mut random, trace, spans: Vec::new() };
        trace.serve(None, 0, [start, start + length], 0);
        spans.append(&mut trace.spans);
    }
    spans
}

/// A place in the shop: a service, one of its pods.
#[derive(Debug, Clone, Copy)]
struct Place {
    service: usize,
    pod: usize,
}

/// A trace that is being made.
struct Trace<'a> {
    random: &'a mut Random,
    trace: [u64; 2],
    spans: Vec<Span>,
}

impl Trace<'_> {
    /// A service answers, and all that it does for it.
    fn serve(&mut self, parent: Option<u64>, service: usize, [start, end]: [u64; 2], depth: usize) {
        let place = Place { service, pod: self.random.index(PODS) };
        let route = *self.random.pick(SERVICES[service].routes);
        let failed = self.random.chance(FAILED_SHARE);
        let attributes = self.served(place, route, depth, failed);
        let id = self.push(parent, place, route.to_owned(), SERVER, [start, end], attributes);
        if failed {
            self.fail();
        } else if self.random.chance(EVENT_SHARE) {
            self.retry(start + (end - start) / 4);
        }
        if end - start < SMALL || depth >= DEPTH_MAX {
            return;
        }
        let steps = 1 + self.random.below(4) + u64::from(depth < 2) * 2;
        let mut at = start + (end - start) / 25;
        for step in 0..steps {
            if self.spans.len() >= TRACE_SPANS_MAX {
                return;
            }
            let share = (end - at) / (steps - step);
            let length = share * (30 + self.random.below(60)) / 100;
            self.step(id, place, [at, at + length], depth);
            at += length + share / 30;
        }
    }

    /// A piece of work inside a service.
    fn step(&mut self, parent: u64, place: Place, times: [u64; 2], depth: usize) {
        let of = &SERVICES[place.service];
        match self.random.below(10) {
            0..=3 if !of.database.1.is_empty() => self.query(parent, place, times),
            4 => self.produce(parent, place, times),
            5 => self.compute(parent, place, times),
            _ if !of.calls.is_empty() => self.call(parent, place, times, depth),
            _ if !of.database.1.is_empty() => self.query(parent, place, times),
            _ => self.compute(parent, place, times),
        }
    }

    /// Asks another service, which answers a little later and sooner.
    fn call(&mut self, parent: u64, place: Place, [start, end]: [u64; 2], depth: usize) {
        let to = *self.random.pick(SERVICES[place.service].calls);
        let name = SERVICES[to].name;
        let attributes = vec![
            ("http.request.method", ["GET", "POST"][self.random.index(2)].into()),
            ("url.full", Text::pattern(&format!("http://{name}:8080/api/<x12>"), self.random).into()),
            ("server.address", format!("{name}.shop.internal").into()),
            ("server.port", Value::Integer(8080)),
            ("http.response.status_code", Value::Integer(200)),
            ("network.protocol.version", "1.1".into()),
            ("http.request.resend_count", Value::Integer(self.random.rank(3) as i64)),
            ("network.peer.address", self.peer()),
            ("http.response.body.size", Value::Integer(300 + self.random.rank(60_000) as i64)),
            ("http.request.header.x-request-id", Text::pattern("<x16><x16>", self.random).into()),
            ("tenant.id", tenant(self.random).into()),
            ("thread.name", self.thread(place)),
        ];
        let id = self.push(Some(parent), place, format!("call {name}"), CLIENT, [start, end], attributes);
        let margin = (end - start) / 20;
        self.serve(Some(id), to, [start + margin, end - margin], depth + 1);
    }

    fn query(&mut self, parent: u64, place: Place, times: [u64; 2]) {
        let (system, tables) = SERVICES[place.service].database;
        let table = *self.random.pick(tables);
        let (operation, text) = match (system, self.random.below(4)) {
            ("redis", 0) => ("SET", format!("SET {table}:<x12> ? EX 3600")),
            ("redis", _) => ("GET", format!("GET {table}:<x12>")),
            (_, 0) => ("UPDATE", format!("UPDATE {table} SET state = $1, changed_at = now() WHERE id = $2")),
            (_, 1) => ("INSERT", format!("INSERT INTO {table} (id, owner, state) VALUES ($1, $2, $3)")),
            _ => (
                "SELECT",
                format!("SELECT * FROM {table} WHERE owner = $1 AND state <> 'deleted' ORDER BY id LIMIT 50"),
            ),
        };
        let attributes = vec![
            ("db.system.name", system.into()),
            ("db.namespace", SERVICES[place.service].namespace.into()),
            ("db.collection.name", table.into()),
            ("db.operation.name", operation.into()),
            ("db.query.text", Text::pattern(&text, self.random).into()),
            ("network.peer.address", self.peer()),
            ("db.client.connection.pool.name", format!("{table}-pool").into()),
            ("tenant.id", tenant(self.random).into()),
            ("db.response.returned_rows", Value::Integer(self.random.rank(50) as i64)),
            ("server.address", format!("{system}-0.data.internal").into()),
            ("server.port", Value::Integer(5432)),
            ("thread.name", self.thread(place)),
        ];
        self.push(Some(parent), place, format!("{operation} {table}"), CLIENT, times, attributes);
    }

    fn produce(&mut self, parent: u64, place: Place, times: [u64; 2]) {
        let topic = format!("{}.events", SERVICES[place.service].namespace);
        let attributes = vec![
            ("messaging.system", "kafka".into()),
            ("messaging.destination.name", topic.as_str().into()),
            ("messaging.operation.type", "send".into()),
            ("messaging.message.id", Text::pattern("<x16>", self.random).into()),
            ("messaging.message.body.size", Value::Integer(200 + self.random.rank(4_000) as i64)),
            ("messaging.client.id", Text::pattern("producer-<d2:48>", self.random).into()),
            ("messaging.kafka.message.key", user(self.random).into()),
            ("messaging.kafka.offset", Value::Integer(self.random.rank(90_000_000) as i64)),
            ("network.peer.address", self.peer()),
            ("messaging.destination.partition.id", self.random.below(24).to_string().into()),
            ("tenant.id", tenant(self.random).into()),
            ("thread.name", self.thread(place)),
        ];
        self.push(Some(parent), place, format!("send {topic}"), PRODUCER, times, attributes);
    }

    fn compute(&mut self, parent: u64, place: Place, times: [u64; 2]) {
        let name = *self.random.pick(&["validate", "render", "serialise", "authorise", "apply rules"]);
        let attributes = vec![
            ("code.function.name", name.into()),
            ("code.file.path", format!("src/{}/handler.rs", SERVICES[place.service].name).into()),
            ("code.line.number", Value::Integer(20 + self.random.below(600) as i64)),
            ("user.id", user(self.random).into()),
            ("session.id", Text::pattern("<x16>", self.random).into()),
            ("items.count", Value::Integer(self.random.rank(100) as i64)),
            ("cache.hit", Value::Boolean(self.random.chance(0.8))),
            ("load.share", Value::Double(self.random.below(1000) as f64 / 1000.0)),
            ("tenant.id", tenant(self.random).into()),
            ("thread.name", self.thread(place)),
        ];
        self.push(Some(parent), place, name.to_owned(), INTERNAL, times, attributes);
    }

    fn served(&mut self, place: Place, route: &str, depth: usize, failed: bool) -> Attributes {
        let (method, path) = route.split_once(' ').unwrap_or(("GET", route));
        let filled = match path.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                format!("{before}<x12>{after}")
            }
            None => path.to_owned(),
        };
        let status = if failed { 500 } else { *self.random.pick(&[200, 200, 200, 200, 201, 204, 304, 404]) };
        let mut attributes: Attributes = vec![
            ("http.request.method", method.into()),
            ("http.route", path.into()),
            ("url.path", Text::pattern(&filled, self.random).into()),
            ("url.scheme", if depth == 0 { "https" } else { "http" }.into()),
            ("http.response.status_code", Value::Integer(status)),
            ("http.response.body.size", Value::Integer(300 + self.random.rank(60_000) as i64)),
            ("server.address", format!("{}.shop.internal", SERVICES[place.service].name).into()),
            ("server.port", Value::Integer(8080)),
            ("user.id", user(self.random).into()),
            ("tenant.id", tenant(self.random).into()),
            ("thread.name", self.thread(place)),
        ];
        if depth == 0 {
            let address = Text::pattern("203.0.<d3:250>.<d3:250>", self.random);
            attributes.push(("client.address", address.into()));
            attributes.push(("user_agent.original", AGENTS[self.random.rank(AGENTS.len())].into()));
            attributes.push(("network.protocol.version", "2".into()));
        } else {
            attributes.push(("network.peer.address", self.peer()));
            attributes.push(("network.protocol.version", "1.1".into()));
            attributes.push(("session.id", Text::pattern("<x16>", self.random).into()));
        }
        attributes
    }

    fn peer(&mut self) -> Value {
        format!("10.0.{}.{}", self.random.below(4), self.random.below(250)).into()
    }

    fn thread(&mut self, place: Place) -> Value {
        format!("{}-worker-{}", SERVICES[place.service].language, self.random.below(16)).into()
    }

    /// The span pushed last failed.
    fn fail(&mut self) {
        let (kind, message) = *self.random.pick(&FAULTS);
        let Some(span) = self.spans.last_mut() else { return };
        let mut stack = format!("{kind}: {message}\n");
        for _ in 0..6 + self.random.below(8) {
            let line = 10 + self.random.below(700);
            let part = *self.random.pick(&["pool", "handler", "retry", "client", "codec", "router"]);
            stack.push_str(&format!(
                "    at shop.{}.{part}.run({part}:{line})\n",
                SERVICES[span.service].name
            ));
        }
        span.fault = Some(message);
        span.events.push(Event {
            time: span.end,
            name: "exception",
            attributes: vec![
                ("exception.type", kind.into()),
                ("exception.message", message.into()),
                ("exception.stacktrace", stack.into()),
            ],
        });
    }

    /// The span pushed last tried something twice.
    fn retry(&mut self, time: u64) {
        let attempt = 1 + self.random.below(3) as i64;
        if let Some(span) = self.spans.last_mut() {
            let attributes = vec![
                ("retry.attempt", Value::Integer(attempt)),
                ("retry.reason", "the connection was closed".into()),
            ];
            span.events.push(Event { time, name: "retry", attributes });
        }
    }

    fn push(
        &mut self,
        parent: Option<u64>,
        place: Place,
        name: String,
        kind: u32,
        [start, end]: [u64; 2],
        attributes: Attributes,
    ) -> u64 {
        let id = self.random.next();
        self.spans.push(Span {
            trace: self.trace,
            id,
            parent,
            service: place.service,
            pod: place.pod,
            name,
            kind,
            start,
            end,
            attributes,
            events: Vec::new(),
            fault: None,
        });
        id
    }
}
