//! Where answers come from: a server over HTTP, or a data directory read in this process. Both are the same
//! API, so no command knows which of the two it asks.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Method, Request, Uri};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::cli::Connection;
use crate::client::error::ClientError;

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
    pub(crate) fn open(connection: &Connection, write: bool) -> Result<Self, ClientError> {
        match &connection.data {
            Some(data) => Local::open(data, write).map(Self::Local),
            None => Remote::new(&connection.url, connection.token.as_deref()).map(Self::Remote),
        }
    }

    /// Who is asked, for messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Remote(remote) => &remote.url,
            Self::Local(local) => &local.name,
        }
    }

    /// Asks by GET.
    pub(crate) fn get(&self, path: &str, params: &[(&str, String)]) -> Result<Answer, ClientError> {
        let mut target = path.to_owned();
        for (number, (key, value)) in params.iter().enumerate() {
            target.push(if number == 0 { '?' } else { '&' });
            target.push_str(&format!("{key}={}", encode(value)));
        }
        match self {
            Self::Remote(remote) => remote.get(&target),
            Self::Local(local) => local.send(Method::GET, &target, Body::empty()),
        }
    }

    /// Asks by POST with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value, patience: Patience) -> Result<Answer, ClientError> {
        let body = body.to_string();
        match self {
            Self::Remote(remote) => remote.post(path, body, patience),
            Self::Local(local) => local.send(Method::POST, path, Body::from(body)),
        }
    }
}

/// A server.
pub(crate) struct Remote {
    agent: ureq::Agent,
    url: String,
    token: Option<String>,
}

impl Remote {
    /// A server at `url`, which may have a path before that of the API.
    pub(crate) fn new(url: &str, token: Option<&str>) -> Result<Self, ClientError> {
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
            agent: agent(near),
            url: url.trim().trim_end_matches('/').to_owned(),
            token: token
                .map(str::trim)
                .filter(|token| !token.is_empty())
                .map(|token| format!("Bearer {token}")),
        })
    }

    fn get(&self, target: &str) -> Result<Answer, ClientError> {
        let mut request =
            self.agent.get(format!("{}{target}", self.url)).header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        self.read(request.call())
    }

    fn post(&self, path: &str, body: String, patience: Patience) -> Result<Answer, ClientError> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("accept", "application/json")
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let timeout = match patience {
            Patience::Question => ANSWER_TIMEOUT,
            Patience::Compaction => COMPACT_TIMEOUT,
        };
        self.read(request.config().timeout_recv_response(Some(timeout)).build().send(body))
    }

    fn read(&self, response: Result<http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, ClientError> {
        let mut response = response.map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX as u64).read_to_vec();
        Ok(Answer { status, body: body.map_err(|error| self.failed(&error))? })
    }

    /// Why no answer came. Nothing of the request is repeated here: it may hold the token.
    fn failed(&self, error: &ureq::Error) -> ClientError {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        use ureq::{Error, Timeout};
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
fn agent(near: bool) -> ureq::Agent {
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

/// A data directory, opened in this process.
pub(crate) struct Local {
    // Before the runtime, so that what the router owns can still use it when it goes.
    router: Router,
    runtime: Runtime,
    name: String,
}

impl Local {
    fn open(data: &Path, write: bool) -> Result<Self, ClientError> {
        if !data.is_dir() {
            return Err(ClientError::Usage(format!("no data directory at {}", data.display())));
        }
        let runtime = runtime()?;
        let router = {
            let _inside = runtime.enter();
            crate::offline::open(data, write).map_err(|error| ClientError::Open(format!("{error:#}")))?
        };
        Ok(Self::new(router, runtime, data.display().to_string()))
    }

    /// A router asked as if it were a server.
    pub(crate) fn new(router: Router, runtime: Runtime, name: String) -> Self {
        Self { router, runtime, name }
    }

    fn send(&self, method: Method, target: &str, body: Body) -> Result<Answer, ClientError> {
        let failed = |reason: String| ClientError::Answer { asked: self.name.clone(), reason };
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "localhost")
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| ClientError::Usage(error.to_string()))?;
        self.runtime.block_on(async {
            let response = match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), BODY_BYTES_MAX).await;
            Ok(Answer { status, body: body.map_err(|error| failed(error.to_string()))?.to_vec() })
        })
    }
}

/// A runtime for a data directory that is read in this process.
pub(crate) fn runtime() -> Result<Runtime, ClientError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| ClientError::Open(format!("cannot start the runtime: {error}")))
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
            let remote = Remote::new(url, Some(" "));
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
        let Err(error) = Remote::new(url, None).unwrap().get("/api/logs") else {
            panic!("an answer from nobody")
        };
        assert_eq!(error.exit_code(), 3);
        let text = error.to_string();
        assert!(text.contains(url) && text.contains("is `causeway serve` running?"), "{text}");
    }
}
