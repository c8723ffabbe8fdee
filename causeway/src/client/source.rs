//! Where answers come from: a server over HTTP, or a data directory read in this process. Both are the same
//! API, so no command knows which of the two it asks.

mod local;

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{Method, Uri};
use serde_json::Value;

use crate::cli::Asked;
use crate::client::error::ClientError;
use crate::client::events::Events;
use crate::client::interrupt::Interrupt;
pub(crate) use local::Local;
#[cfg(test)]
pub(crate) use local::runtime;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a question may take to send.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may think. It has a shorter limit of its own and says so when it is reached.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long compaction may take.
const COMPACT_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// How long an answer may take to arrive once it began.
const BODY_TIMEOUT: Duration = Duration::from_secs(600);
/// The most bytes of one answer.
const BODY_BYTES_MAX: usize = 1 << 30;

/// How long a connection that follows may be silent: three signs of life of the server.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The most bytes of rows that are taken at once.
const PIECE_BYTES: usize = 64 << 10;
/// Said where a server ended its rows without a reason.
const LIMIT_OR_CONNECTION: &str = "a limit of the server was reached, or the connection was lost";

/// Said where Ctrl-C came first.
const NOTHING_CAME: &str = "no answer came";
/// Said where no server listens.
const NO_SERVER: &str = "; is `causeway serve` running?";

/// An answer of the API.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// As long as a question takes.
    Question,
    /// As long as settling all stored data takes.
    Compaction,
}

/// Who is asked.
pub(crate) enum Source {
    /// A server.
    Remote(Remote),
    /// A data directory, opened here.
    Local(Local),
}

impl Source {
    /// Gets ready to ask what the command line names. `write` opens a data directory for writing.
    pub(crate) fn open(asked: Asked<'_>, write: bool, interrupt: Interrupt) -> Result<Self, ClientError> {
        match asked.data {
            Some(data) => Local::open(data, write, interrupt).map(Self::Local),
            None => Remote::new(asked.url, asked.token, interrupt).map(Self::Remote),
        }
    }

    /// What Ctrl-C stops.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        match self {
            Self::Remote(remote) => &remote.interrupt,
            Self::Local(local) => &local.interrupt,
        }
    }

    /// Who is asked, for messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Remote(remote) => &remote.url,
            Self::Local(local) => &local.name,
        }
    }

    /// The address of a page of the server; of a data directory, the path that it has on a server.
    pub(crate) fn page(&self, path: &str) -> String {
        match self {
            Self::Remote(remote) => format!("{}{path}", remote.url),
            Self::Local(_) => path.to_owned(),
        }
    }

    /// Asks by GET.
    pub(crate) fn get(&self, path: &str, params: &[(&str, String)]) -> Result<Answer, ClientError> {
        let target = target(path, params);
        match self {
            Self::Remote(remote) => remote.get(&target),
            Self::Local(local) => local.send(Method::GET, &target, Body::empty()),
        }
    }

    /// Asks by POST with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value, patience: Patience) -> Result<Answer, ClientError> {
        self.post_text(path, body.to_string(), patience)
    }

    /// Asks by POST with a JSON body that is written already.
    pub(crate) fn post_text(
        &self,
        path: &str,
        body: String,
        patience: Patience,
    ) -> Result<Answer, ClientError> {
        match self {
            Self::Remote(remote) => remote.post(path, body, patience),
            Self::Local(local) => local.send(Method::POST, path, Body::from(body)),
        }
    }

    /// Asks by POST with a JSON body for rows in the form `accept`, which are taken as they come. `text` is the
    /// question, for errors.
    pub(crate) fn stream(
        &self,
        path: &str,
        body: &Value,
        accept: &str,
        text: &str,
        take: Take<'_>,
    ) -> Result<(), ClientError> {
        let body = body.to_string();
        match self {
            Self::Remote(remote) => remote.stream(path, body, accept, text, take),
            Self::Local(local) => local.stream(path, body, accept, text, take),
        }
    }
}

/// Takes what comes of an answer.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), ClientError>;

/// A server.
pub(crate) struct Remote {
    /// Absent once Ctrl-C has shut it down, until it is made anew.
    agent: Mutex<Option<ureq::Agent>>,
    near: bool,
    url: String,
    token: Option<String>,
    interrupt: Interrupt,
}

impl Remote {
    /// A server at `url`, which may have a path before that of the API.
    pub(crate) fn new(url: &str, token: Option<&str>, interrupt: Interrupt) -> Result<Self, ClientError> {
        let wrong =
            |reason: &str| ClientError::Usage(format!("`{url}` is not the address of a server: {reason}"));
        let uri: Uri =
            url.trim().parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("write it as http://127.0.0.1:4319"));
        }
        if uri.query().is_some() {
            return Err(wrong("it may not have a query"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let near = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        Ok(Self {
            agent: Mutex::new(None),
            near,
            interrupt,
            url: url.trim().trim_end_matches('/').to_owned(),
            token: token
                .map(str::trim)
                .filter(|token| !token.is_empty())
                .map(|token| format!("Bearer {token}")),
        })
    }

    fn get(&self, target: &str) -> Result<Answer, ClientError> {
        self.call(|agent| {
            let mut request = agent.get(format!("{}{target}", self.url)).header("accept", "application/json");
            if let Some(token) = &self.token {
                request = request.header("authorization", token);
            }
            request.call()
        })
    }

    fn post(&self, path: &str, body: String, patience: Patience) -> Result<Answer, ClientError> {
        let timeout = match patience {
            Patience::Question => ANSWER_TIMEOUT,
            Patience::Compaction => COMPACT_TIMEOUT,
        };
        self.call(|agent| {
            let mut request = agent
                .post(format!("{}{path}", self.url))
                .header("accept", "application/json")
                .header("content-type", "application/json");
            if let Some(token) = &self.token {
                request = request.header("authorization", token);
            }
            request.config().timeout_recv_response(Some(timeout)).build().send(body)
        })
    }

    /// Server-sent events that match the question `text`, from the one after `last` on, until the server or
    /// Ctrl-C ends them.
    pub(crate) fn follow(
        &self,
        path: &str,
        params: &[(&str, String)],
        last: Option<&str>,
        text: &str,
    ) -> Result<Events, ClientError> {
        let agent = self.agent();
        let guard = self.interrupt.stops({
            let agent = agent.clone();
            move || agent.shutdown()
        });
        let mut request =
            agent.get(format!("{}{}", self.url, target(path, params))).header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.config().timeout_recv_body(None).timeout_per_read(Some(SILENCE_MAX)).build();
        let mut response = request.call().map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.body_mut().with_config().limit(BODY_BYTES_MAX as u64).read_to_vec();
            let body = body.map_err(|error| self.failed(&error))?;
            return Err(ClientError::from_answer(status, &body, text));
        }
        let (url, interrupt) = (self.url.clone(), self.interrupt.clone());
        let failed = move |error: std::io::Error| match interrupt.is_pressed() {
            true => ClientError::Interrupted(NOTHING_CAME.to_owned()),
            false => ClientError::Unreachable { url: url.clone(), reason: error.to_string(), hint: "" },
        };
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Events::new(body, failed, Some(guard)))
    }

    /// Rows as they come. Trailers are not asked for, as the client shows none: so the server ends an answer that
    /// it cuts short without its end, which is an error here.
    fn stream(
        &self,
        path: &str,
        body: String,
        accept: &str,
        text: &str,
        take: Take<'_>,
    ) -> Result<(), ClientError> {
        let agent = self.agent();
        let _guard = self.interrupt.stops({
            let agent = agent.clone();
            move || agent.shutdown()
        });
        let mut request = agent
            .post(format!("{}{path}", self.url))
            .header("accept", accept)
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let mut response = request.send(body).map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.body_mut().with_config().limit(BODY_BYTES_MAX as u64).read_to_vec();
            return Err(ClientError::from_answer(status, &body.map_err(|error| self.failed(&error))?, text));
        }
        let mut reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let read = reader.read(&mut buffer).map_err(|error| match self.interrupt.is_pressed() {
                true => self.failed(&error.into()),
                false => cut_short(&self.url, &format!("{LIMIT_OR_CONNECTION} ({error})")),
            })?;
            if read == 0 {
                return Ok(());
            }
            take(&buffer[..read])?;
        }
    }

    /// Where it is asked.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request that Ctrl-C breaks, and reads its answer.
    fn call(
        &self,
        send: impl FnOnce(&ureq::Agent) -> Result<http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, ClientError> {
        let agent = self.agent();
        let _guard = self.interrupt.stops({
            let agent = agent.clone();
            move || agent.shutdown()
        });
        let mut response = send(&agent).map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX as u64).read_to_vec();
        Ok(Answer { status, body: body.map_err(|error| self.failed(&error))? })
    }

    /// The agent, or a new one where Ctrl-C ended the last.
    fn agent(&self) -> ureq::Agent {
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        agent.get_or_insert_with(|| new_agent(self.near)).clone()
    }

    /// Why no answer came. Nothing of the request is repeated here: it may hold the token.
    fn failed(&self, error: &ureq::Error) -> ClientError {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        use ureq::{Error, Timeout};
        if self.interrupt.is_pressed() {
            // What was shut down stays so.
            *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return ClientError::Interrupted(NOTHING_CAME.to_owned());
        }
        let hint = match error {
            Error::Io(io)
                if matches!(io.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable) =>
            {
                NO_SERVER
            }
            Error::HostNotFound
            | Error::ConnectionFailed
            | Error::Timeout(Timeout::Connect | Timeout::Resolve) => NO_SERVER,
            Error::Http(_) => {
                return ClientError::Usage("the token holds characters no header may have".to_owned());
            }
            _ => "",
        };
        ClientError::Unreachable { url: self.url.clone(), reason: error.to_string(), hint }
    }
}

/// A client for a server that is `near`, on this machine: no proxy stands before it, and compression would
/// cost more than it saves.
fn new_agent(near: bool) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("causeway/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_send_request(Some(SEND_TIMEOUT))
        .timeout_send_body(Some(SEND_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_recv_body(Some(BODY_TIMEOUT));
    if near { config.proxy(None).accept_encoding("").build().into() } else { config.build().into() }
}

fn cut_short(asked: &str, reason: &str) -> ClientError {
    ClientError::Cut { asked: asked.to_owned(), reason: reason.to_owned() }
}

/// A path with its parameters.
fn target(path: &str, params: &[(&str, String)]) -> String {
    let mut target = path.to_owned();
    for (number, (key, value)) in params.iter().enumerate() {
        target.push(if number == 0 { '?' } else { '&' });
        target.push_str(&format!("{key}={}", encode(value)));
    }
    target
}

/// `text` as a query parameter.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_survive_their_way() {
        for (text, encoded) in [
            ("service:a b", "service%3Aa%20b"),
            ("duration>500ms", "duration%3E500ms"),
            ("a&b=c+d%e#f", "a%26b%3Dc%2Bd%25e%23f"),
            ("ä\"\n", "%C3%A4%22%0A"),
        ] {
            assert_eq!(encode(text), encoded);
        }
    }

    #[test]
    fn addresses() {
        for (url, good) in [
            ("http://127.0.0.1:4319", true),
            ("http://127.0.0.1:4319/", true),
            ("https://causeway.example/under/a/path/", true),
            ("http://[::1]:4319", true),
            ("127.0.0.1:4319", false),
            ("ftp://127.0.0.1", false),
            ("http://a b", false),
            ("http://a?b=c", false),
            ("", false),
        ] {
            let remote = Remote::new(url, Some(" "), Interrupt::default());
            assert_eq!(remote.is_ok(), good, "{url}");
            assert!(
                remote.is_err()
                    || remote.is_ok_and(|remote| remote.token.is_none() && !remote.url.ends_with('/'))
            );
        }
    }

    #[test]
    fn nobody_listening_is_said_with_the_address() {
        // No program listens on the port of tcpmux, which only root could open.
        let url = "http://127.0.0.1:1";
        let Err(error) = Remote::new(url, None, Interrupt::default()).unwrap().get("/api/logs") else {
            panic!("an answer from nobody")
        };
        assert_eq!(error.exit_code(), 3);
        let text = error.to_string();
        assert!(text.contains(url) && text.contains("is `causeway serve` running?"), "{text}");
    }
}
