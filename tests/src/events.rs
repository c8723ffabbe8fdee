//! Server-sent events, read one by one: what is not asked for stays on the connection.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::http::{Answer, Request, exchange, runtime};

/// How long an event may take before the test fails. Generous: a debug server on a busy machine.
const EVENT_MAX: Duration = Duration::from_secs(120);

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type.
    pub name: String,
    /// Its data.
    pub data: String,
    /// Its id.
    pub id: String,
    /// Its comments.
    pub comment: String,
}

impl Event {
    /// Its data as JSON.
    ///
    /// # Panics
    ///
    /// If they are none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An answer that goes on. Dropping it closes the connection.
pub struct Stream {
    runtime: Runtime,
    body: Incoming,
    read: Vec<u8>,
    /// Its headers.
    pub headers: http::HeaderMap,
    _sender: SendRequest<Full<Bytes>>,
}

impl Stream {
    /// Asks for events.
    ///
    /// # Errors
    ///
    /// The answer, if it is not 200.
    ///
    /// # Panics
    ///
    /// If nobody answers.
    pub fn open(address: SocketAddr, request: &Request) -> Result<Self, Box<Answer>> {
        let runtime = runtime();
        let address = address.to_string();
        let asked = exchange(&address, None, request);
        let (sender, answer) = runtime
            .block_on(async { tokio::time::timeout(EVENT_MAX, asked).await })
            .expect("an answer comes in time")
            .unwrap_or_else(|error| panic!("{}: {error}", request.path));
        let (parts, body) = answer.into_parts();
        if parts.status == 200 {
            return Ok(Self { runtime, body, read: Vec::new(), headers: parts.headers, _sender: sender });
        }
        let body = runtime.block_on(body.collect()).expect("an error has a whole body").to_bytes();
        Err(Box::new(Answer { status: parts.status.as_u16(), headers: parts.headers, body }))
    }

    /// The next event, signs of life included; `None` at the end.
    ///
    /// # Panics
    ///
    /// If none comes in time, or the connection breaks.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(at) = self.read.windows(2).position(|two| two == b"\n\n") {
                let rest = self.read.split_off(at + 2);
                let event = std::mem::replace(&mut self.read, rest);
                return Some(parsed(&String::from_utf8(event).expect("events are UTF-8")));
            }
            let frame = async { tokio::time::timeout(EVENT_MAX, self.body.frame()).await };
            let frame = self.runtime.block_on(frame).expect("an event comes in time")?;
            let data = frame.expect("the connection holds").into_data().expect("no trailers");
            self.read.extend_from_slice(&data);
        }
    }

    /// The next event that says something.
    ///
    /// # Panics
    ///
    /// As [`Self::next_event`], and at the end.
    pub fn said(&mut self) -> Event {
        loop {
            let event = self.next_event().expect("the events go on");
            if !event.name.is_empty() {
                return event;
            }
        }
    }
}

fn parsed(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" => event.comment = value,
            "event" => event.name = value,
            "data" => event.data = value,
            "id" => event.id = value,
            other => panic!("no field of an event: {other}"),
        }
    }
    event
}
