//! The page's listener is not open to other web sites.

use http::Method;
use serde_json::json;
use tests::{
    harness::Server,
    http::Request,
    otlp::{log, logs},
};

use crate::support::{Home, store};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A Host, and whether it may ask.
const HOSTS: &[(&str, bool)] = &[
    ("localhost", true),
    ("localhost:4319", true),
    ("127.0.0.1:4319", true),
    ("[::1]:4319", true),
    ("192.168.1.20", true),
    ("evil.example", false),
    ("evil.example:4319", false),
    ("127.0.0.1.evil.example", false),
    ("localhost.evil.example", false),
];

#[test]
fn a_host_that_is_a_name_is_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for (host, allowed) in HOSTS {
        for path in ["/start", "/api/services"] {
            let answer = server.api().send(Request::get(path).header("host", host));
            let expected = if *allowed { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{host} {path}: {}", answer.text());
        }
    }
    // An exporter may know the receiver by any name.
    let request =
        Request::post("/v1/logs", "application/json", "{}".into()).header("host", "collector.example");
    assert_eq!(server.otlp_http().send(&request).expect("an answer").status, 200);
}

#[test]
fn a_post_from_another_origin_is_refused() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let own = format!("http://{}", server.addresses.http);
    let body = json!({ "sql": "SELECT 1" }).to_string();
    let origins =
        [(own.as_str(), 200), ("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:1", 403)];
    for (origin, status) in origins {
        for path in ["/api/sql", "/api/compact"] {
            let post = Request::post(path, "application/json", body.clone().into()).header("origin", origin);
            let answer = server.api().send(post);
            let expected = if status == 200 { answer.status < 300 } else { answer.status == status };
            assert!(expected, "{origin} {path}: {} {}", answer.status, answer.text());
        }
    }
}

#[test]
fn no_answer_lets_other_origins_read() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for method in [Method::GET, Method::OPTIONS] {
        let request = Request::get("/api/services").method(method).header("origin", "http://evil.example");
        assert_eq!(server.api().send(request).header("access-control-allow-origin"), None);
    }
}

#[test]
fn every_page_carries_the_policy() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("kept")]));
    for page in ["/start", "/incidents", "/explain", "/services", "/search", "/no-such-page"] {
        let answer = server.api().get(page);
        assert_eq!(answer.header("content-security-policy"), Some(POLICY), "{page}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{page}");
    }
    for (path, status) in [("/healthz", 200), ("/readyz", 200)] {
        assert_eq!(server.api().get(path).status, status, "{path}");
    }
}
