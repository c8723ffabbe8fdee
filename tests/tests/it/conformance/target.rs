//! Who is asked: servers that the test starts, or any receiver by its address.

use tests::{
    api::Api,
    grpc,
    harness::{Server, Setup},
    http,
    otlp::sha256_hex,
};

use super::wire::{Answer, Request, Wire};
use crate::support::Home;

/// Largest request that our own server takes in these tests. Small, so that one over it is sent quickly.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A body that no receiver takes by default.
const OVERSIZE_BYTES: usize = 65 << 20;

/// The origin that our own server lets in.
pub(crate) const ORIGIN: &str = "https://example.com";

/// May write and read.
pub(crate) const WRITER: &str = "writer-of-the-conformance-suite";

/// May read only.
pub(crate) const READER: &str = "reader-of-the-conformance-suite";

/// What a case needs of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: any receiver.
    Nothing,
    /// Tokens, a small limit, an allowed origin, or a look at the program: our own server.
    OwnServer,
}

/// Who is asked.
pub(crate) struct Target {
    http: String,
    grpc: String,
    own: Option<Own>,
}

/// Our own server, configured for the cases.
struct Own {
    server: Server,
    // Kept for its directory.
    _home: Home,
}

impl Target {
    /// A receiver that runs already.
    pub(crate) fn outside(http: &str, grpc: &str) -> Self {
        Self { http: host_and_port(http), grpc: host_and_port(grpc), own: None }
    }

    /// A server of our own, with tokens, a small limit and an allowed origin.
    pub(crate) fn own() -> Self {
        let home = Home::new();
        let server = Setup::new(&home.data()).config(&configuration()).token(WRITER).start();
        let addresses = server.addresses;
        let own = Some(Own { server, _home: home });
        Self { http: addresses.otlp_http.to_string(), grpc: addresses.otlp_grpc.to_string(), own }
    }

    /// How the table names it.
    pub(crate) fn name(&self) -> String {
        match self.own {
            Some(_) => "this program".to_owned(),
            None => format!(
                "http://{} and http://{}; its answers alone, not what it stored",
                self.http, self.grpc
            ),
        }
    }

    /// Whether a case can be run against it.
    pub(crate) fn offers(&self, needs: Needs) -> bool {
        needs == Needs::Nothing || self.own.is_some()
    }

    /// Sends a request with the token that may write, unless the request has one of its own.
    pub(crate) fn send(&self, wire: Wire, request: &Request) -> Result<Answer, String> {
        let request = match self.token() {
            Some(token) if !request.has_header("authorization") => {
                request.clone().header("authorization", &format!("Bearer {token}"))
            }
            _ => request.clone(),
        };
        request.send(wire, &self.http, &self.grpc)
    }

    /// The token that may write, where there are tokens.
    pub(crate) fn token(&self) -> Option<&'static str> {
        self.own.as_ref().map(|_| WRITER)
    }

    /// The own API, where there is one.
    pub(crate) fn api(&self) -> Option<Api> {
        self.own.as_ref().map(|own| own.server.api())
    }

    /// A connection to OTLP over HTTP.
    pub(crate) fn http(&self) -> http::Client {
        http::Client::to(&self.http)
    }

    /// A connection to OTLP over gRPC.
    pub(crate) fn grpc(&self) -> grpc::Client {
        grpc::Client::to(&self.grpc)
    }
}

/// How long a body has to be to be too long: for our own server just over its limit, for others far over.
pub(crate) fn oversize_bytes(own: bool) -> usize {
    if own { REQUEST_BYTES_MAX + 1 } else { OVERSIZE_BYTES }
}

fn configuration() -> String {
    format!(
        "[otlp]\nrequest_bytes_max = {REQUEST_BYTES_MAX}\ncors_origins = [\"{ORIGIN}\"]\n{}{}",
        token("writer", WRITER, true),
        token("reader", READER, false)
    )
}

fn token(name: &str, secret: &str, write: bool) -> String {
    let hash = sha256_hex(secret);
    format!(
        "\n[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\ntenant = \"default\"\nwrite = {write}\nread = true\n"
    )
}

fn host_and_port(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.split('/').next().unwrap_or(rest).to_owned()
}
