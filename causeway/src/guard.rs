//! What stands before the page's listener: which Host, which origin, which token.
//!
//! A laptop's port must not be readable by any web site. A name that points at 127.0.0.1 is how a site would
//! try, so a Host that is a name is refused unless configured; an address cannot be rebound. A form or script
//! of another site can send a POST, so one that names another origin is refused.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use collector::{AuthError, Scope, Token, authenticate};
use model::{Reader, TenantName};
use serde_json::json;

/// Who may ask, and by which names.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Names under which browsers may ask, beside `localhost` and addresses.
    pub(crate) hosts: Arc<[String]>,
    /// Tokens; none means that all may read.
    pub(crate) tokens: Arc<[Token]>,
}

/// Lets a request in whose Host and origin are right, or answers it. Who sends it is not asked here.
pub(crate) async fn check_origin(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.refusal(&request) {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

/// Lets a request in, with its [`Reader`], or answers it.
pub(crate) async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = guard.refusal(&request) {
        return refused;
    }
    if changes(&request)
        && let Err(error) = authenticate(&guard.tokens, request.headers(), Scope::Write)
    {
        return unauthenticated(&error);
    }
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    match authenticate(&guard.tokens, request.headers(), Scope::Read) {
        Ok(tenant) => {
            request.extensions_mut().insert(Reader::of(tenant.unwrap_or_default()));
        }
        Err(_) if is_probe => drop(request.extensions_mut().insert(Reader::of(TenantName::default()))),
        Err(error) => return unauthenticated(&error),
    }
    next.run(request).await
}

impl Guard {
    /// The answer to a request whose Host or origin is wrong.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let host = host(request);
        if !host.as_deref().is_some_and(|host| self.knows(host)) {
            let message = "this Host is neither localhost, an address, nor one of the configured hosts";
            return Some(refuse(StatusCode::FORBIDDEN, "forbidden_host", message));
        }
        if request.method() != Method::GET
            && request.method() != Method::HEAD
            && !same_origin(request.headers(), host.as_deref())
        {
            let message = "a page of another origin may not send this";
            return Some(refuse(StatusCode::FORBIDDEN, "forbidden_origin", message));
        }
        None
    }

    fn knows(&self, host: &str) -> bool {
        let name = without_port(host);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
    }
}

/// The Host of a request, or the authority of an HTTP/2 one.
fn host(request: &Request) -> Option<String> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    header.map(str::to_owned).or_else(|| request.uri().authority().map(ToString::to_string))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Whether a request changes what all readers see: a token that may only read does not.
fn changes(request: &Request) -> bool {
    let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
    is_change && request.uri().path().starts_with("/dashboards/")
}

/// Whether a request comes from a page of this very origin, or from no page at all.
fn same_origin(headers: &HeaderMap, host: Option<&str>) -> bool {
    match headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null")) {
        None => true,
        Some(origin) => origin.split_once("://").map(|(_, rest)| rest) == host,
    }
}

fn unauthenticated(error: &AuthError) -> Response {
    let (status, code) = match error {
        AuthError::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        AuthError::Missing | AuthError::Unknown => (StatusCode::UNAUTHORIZED, "unauthenticated"),
    };
    let mut response = refuse(status, code, &error.to_string());
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({ "code": code, "message": message, "position": null, "expected": [], "request_id": query::request_id() });
    (status, axum::Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn names_are_refused_and_addresses_let_in() {
        let guard = Guard { hosts: Arc::new(["causeway.example".to_owned()]), tokens: Arc::new([]) };
        let cases = [
            ("localhost", true),
            ("localhost:4319", true),
            ("LOCALHOST:4319", true),
            ("127.0.0.1:4319", true),
            ("[::1]:4319", true),
            ("[::1]", true),
            ("192.168.1.5", true),
            ("causeway.example:4319", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:80", false),
            ("", false),
        ];
        for (host, known) in cases {
            assert_eq!(guard.knows(host), known, "{host:?}");
        }
    }

    #[test]
    fn dashboards_are_changed_by_posts_only() {
        for (method, path, expected) in [
            (Method::POST, "/dashboards/new", true),
            (Method::POST, "/dashboards/a/edit", true),
            (Method::PUT, "/dashboards/a", true),
            (Method::GET, "/dashboards/new", false),
            (Method::HEAD, "/dashboards/a", false),
            (Method::POST, "/api/sql", false),
        ] {
            let request =
                axum::http::Request::builder().method(method.clone()).uri(path).body(Body::empty()).unwrap();
            assert_eq!(changes(&request), expected, "{method} {path}");
        }
    }

    #[test]
    fn another_origin_is_told_from_this_one() {
        let origin = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, header::HeaderValue::from_static(origin));
            headers
        };
        let host = Some("127.0.0.1:4319");
        assert!(same_origin(&HeaderMap::new(), host));
        assert!(same_origin(&origin("http://127.0.0.1:4319"), host));
        for other in ["http://127.0.0.1:80", "http://evil.example", "null"] {
            assert!(!same_origin(&origin(other), host), "{other}");
        }
    }
}
