//! Calls between services: time limits, attempts, the circuit breaker, and hosts outside of the shop.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use super::{Failure, Walk};
use crate::effects::network;
use crate::fault::Fault;
use crate::node::Node;
use crate::shop::{self, Call, Severity, Statement};
use crate::world::{Attribute, Context, Lost, Request, Telemetry, World};

/// Between two attempts, in milliseconds.
const BACKOFF_MS: f64 = 80.0;
/// How the client behaves that makes a storm: milliseconds it waits, and attempts.
const STORM: (u64, u32) = (15, 6);
/// The share of calls to other hosts that fail without a fault.
const OUTSIDE_FAILS: f64 = 0.001;

static CALL_FAILED: Statement = Statement {
    severity: Severity::Warn,
    logger: "client::call",
    line: 84,
    text: "call to {service} failed: {error}",
};
static TRIES_AGAIN: Statement = Statement {
    severity: Severity::Warn,
    logger: "client::call",
    line: 71,
    text: "attempt {attempt} to call {service} failed: {error}; trying again",
};
static OPENED: Statement = Statement {
    severity: Severity::Error,
    logger: "client::breaker",
    line: 46,
    text: "circuit to {service} opened",
};
static OUTSIDE_FAILED: Statement =
    Statement { severity: Severity::Error, logger: "client::outside", line: 33, text: "{host} answers 503" };

/// How a call is tried.
#[derive(Clone, Copy)]
struct Policy {
    timeout: Duration,
    attempts: u32,
    backoff_ms: f64,
}

impl<W: World> Walk<W> {
    fn policy(&self, call: &Call) -> Policy {
        if call.breaker && self.world.fleet().is_on(Fault::RetryStorm) {
            return Policy { timeout: Duration::from_millis(STORM.0), attempts: STORM.1, backoff_ms: 0.0 };
        }
        let timeout = Duration::from_millis(call.timeout_ms);
        Policy { timeout, attempts: call.attempts, backoff_ms: BACKOFF_MS }
    }

    /// Calls another service, as often as its policy says.
    pub(super) async fn call(&self, call: &'static Call, at: Context) -> Result<(), Failure> {
        let policy = self.policy(call);
        let mut attempt = 0;
        let failure = loop {
            let Err(failure) = self.attempt(call, policy, attempt, at).await else { return Ok(()) };
            attempt += 1;
            if attempt >= policy.attempts || failure.kind == "circuit_open" {
                break failure;
            }
            let body =
                format!("attempt {attempt} to call {} failed: {}; trying again", call.to, failure.message);
            self.write(&TRIES_AGAIN, body, at, Vec::new());
            if policy.backoff_ms > 0.0 {
                self.world.sleep(self.world.fleet().dice.spread(policy.backoff_ms, 0.3)).await;
            }
        };
        let body = format!("call to {} failed: {}", call.to, failure.message);
        let attributes = vec![("error.type", failure.kind.clone().into_owned().into())];
        self.write(&CALL_FAILED, body, at, attributes);
        if call.optional { Ok(()) } else { Err(failure) }
    }

    /// Tries once, if the circuit breaker lets it.
    async fn attempt(
        &self,
        call: &'static Call,
        policy: Policy,
        attempt: u32,
        at: Context,
    ) -> Result<(), Failure> {
        let turn = self.node.next_turn();
        let to = self.world.fleet().pick(call.to, turn);
        let operation = shop::service(call.to).and_then(|service| shop::operation(service, call.operation));
        let (Some(to), Some(operation)) = (to, operation) else {
            return Err(failed(503, "unknown_host", format!("no instance of {}", call.to)));
        };
        let (path, port) = (self.input.fill(operation.route(), 0), self.world.port(&to));
        let mut attributes: Vec<Attribute> = vec![
            ("http.request.method", operation.method().into()),
            ("url.full", format!("http://{}:{port}{path}", call.to).into()),
            ("url.template", operation.route().into()),
            ("server.address", call.to.into()),
            ("server.port", port.into()),
        ];
        if attempt > 0 {
            attributes.push(("http.request.resend_count", attempt.into()));
        }
        let span = self.ask(operation.name.to_owned(), at, attributes);
        let inner = W::Telemetry::context(&span);
        if call.breaker && self.node.breaker().is_open(self.world.now()) {
            let failure = failed(503, "circuit_open", format!("circuit to {} is open", call.to));
            return self.end(span, Vec::new(), Some(failure)).map_or(Ok(()), Err);
        }
        let request = Request { operation, input: self.input, parent: Some(inner) };
        let answer = self.within(policy.timeout, self.there_and_back(&to, request)).await;
        let code = answer.as_ref().and_then(|answer| answer.ok());
        let failure = outcome(call.to, policy.timeout, answer);
        let shown = code.map(|code| ("http.response.status_code", code.into()));
        if call.breaker && self.node.breaker().note(failure.is_some(), self.world.now()) {
            self.write(&OPENED, format!("circuit to {} opened", call.to), at, Vec::new());
        }
        self.end(span, shown.into_iter().collect(), failure).map_or(Ok(()), Err)
    }

    /// The answer, if it comes in time. The one who is called goes on without knowing.
    async fn within<R>(&self, timeout: Duration, answer: impl Future<Output = R>) -> Option<R> {
        match select(pin!(answer), pin!(self.world.sleep(timeout))).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        }
    }

    async fn there_and_back(&self, to: &Arc<Node<W::Telemetry>>, request: Request) -> Result<u16, Lost> {
        let way = || network(self.world.as_ref(), [Some(self.node.as_ref()), Some(to.as_ref())]);
        let there = way();
        self.world.sleep(there).await;
        let answer = self.world.send(to, request).await;
        let back = way();
        self.world.sleep(back).await;
        answer
    }

    /// Calls a host that is not part of the shop.
    pub(super) async fn outside(
        &self,
        host: &'static str,
        name: &'static str,
        ms: f64,
        at: Context,
    ) -> Result<(), Failure> {
        let (method, path) = name.split_once(' ').unwrap_or(("POST", name));
        let attributes: Vec<Attribute> = vec![
            ("http.request.method", method.into()),
            ("url.full", format!("https://{host}{path}").into()),
            ("server.address", host.into()),
            ("server.port", 443_u16.into()),
        ];
        let span = self.ask(name.to_owned(), at, attributes);
        self.world.sleep(self.world.fleet().dice.spread(ms, 0.35)).await;
        if !self.world.fleet().dice.chance(OUTSIDE_FAILS) {
            self.end(span, vec![("http.response.status_code", 201_u16.into())], None);
            return Ok(());
        }
        let failure = failed(502, "503", format!("{host} answers 503"));
        self.write(&OUTSIDE_FAILED, failure.message.clone().into_owned(), at, Vec::new());
        let shown = vec![("http.response.status_code", 503_u16.into())];
        self.end(span, shown, Some(failure)).map_or(Ok(()), Err)
    }
}

/// What went wrong, if something did.
fn outcome(service: &str, timeout: Duration, answer: Option<Result<u16, Lost>>) -> Option<Failure> {
    match answer {
        Some(Ok(code)) if code < 500 => None,
        Some(Ok(code)) => Some(failed(502, &code.to_string(), format!("{service} answers {code}"))),
        Some(Err(Lost::Refused)) => {
            Some(failed(503, "connection_refused", format!("connection to {service} refused")))
        }
        Some(Err(Lost::Reset)) => {
            Some(failed(503, "connection_reset", format!("connection to {service} reset by peer")))
        }
        None => {
            let message = format!("no answer from {service} within {} ms", timeout.as_millis());
            Some(failed(504, "timeout", message))
        }
    }
}

/// A failure without an exception.
pub(super) fn failed(status: u16, kind: &str, message: String) -> Failure {
    Failure { status, kind: kind.to_owned().into(), message: message.into(), exception: None }
}
