//! Lines 14 and 15: a receiver that has no room says when to come again, and then has room.
//!
//! Room is taken by requests that announce a long body, send nearly all of it and then stand still.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use tests::{
    harness::{Server, Setup},
    otlp::{log, logs},
};

use super::{
    Case, Check, Tag,
    expect::{Expect, retryable},
    target::{Needs, Target},
    wire::{GRPC, HTTP, Request},
};
use crate::support::Home;

/// The budget of the server.
const MEMORY: &str = "64MiB";

/// How many requests stand still.
const HELD: usize = 24;

/// What each of them announces: all together far more than the budget.
const HELD_BYTES: usize = 16 << 20;

/// How many of these bytes are never sent.
const MISSING_BYTES: usize = 1;

/// The request that is to be refused.
const PROBE_BYTES: usize = 8 << 20;

/// How long it may take until the room is free again.
const FREED_WITHIN: Duration = Duration::from_secs(60);

/// A server that does not read takes no more: then the writer goes on.
const WRITE_STALLS_AFTER: Duration = Duration::from_millis(500);

pub(crate) const CASES: &[Case] = &[
    Case {
        line: 14,
        what: "overload is UNAVAILABLE with RetryInfo, and passes",
        wires: GRPC,
        needs: Needs::OwnServer,
        check: Check::Own(overload),
    },
    Case {
        line: 15,
        what: "overload is 429 or 503 with Retry-After, and passes",
        wires: HTTP,
        needs: Needs::OwnServer,
        check: Check::Own(overload),
    },
];

fn overload(_: &Target, tag: &Tag) -> Result<(), String> {
    let home = Home::new();
    let server = Setup::new(&home.data()).arguments(&["--memory", MEMORY]).start();
    let held: Vec<TcpStream> = (0..HELD).map(|_| hold(&server)).collect();
    let probe = Request::export(logs(&tag.service, vec![log(&"x".repeat(PROBE_BYTES))]));
    let send = || {
        let addresses = server.addresses;
        probe.send(tag.wire, &addresses.otlp_http.to_string(), &addresses.otlp_grpc.to_string())
    };
    retryable(&send()?)?;
    drop(held);
    let deadline = Instant::now() + FREED_WITHIN;
    loop {
        let answer = send()?;
        match Expect::Success.judge(&answer) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(format!("still refused: {error}")),
            Err(_) => retryable(&answer)?,
        }
    }
}

/// A request that never ends.
fn hold(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.addresses.otlp_http).expect("the server listens");
    stream.set_write_timeout(Some(WRITE_STALLS_AFTER)).expect("a socket has a time limit");
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
         content-length: {HELD_BYTES}\r\n\r\n"
    );
    // Refused already, or not read: either takes no room, which the probe will show.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&vec![0; HELD_BYTES - MISSING_BYTES]));
    stream
}
