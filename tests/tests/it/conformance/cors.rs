//! Line 27: pages of other origins may send only where the configuration lets them.

use http::Method;
use tests::{
    harness::Server,
    http::{Answer, Client, Request},
};

use super::{
    Case, Check, Tag,
    target::{Needs, ORIGIN, Target, WRITER},
    wire::HTTP,
};
use crate::support::Home;

const ALLOWED: &str = "access-control-allow-origin";
const STRANGER: &str = "https://evil.example";

pub(crate) const CASES: &[Case] = &[
    case("an allowed origin may ask and send", allowed),
    case("no other origin may", stranger),
    case("off unless configured", off),
];

const fn case(what: &'static str, check: fn(&Target, &Tag) -> Result<(), String>) -> Case {
    Case { line: 27, what, wires: HTTP, needs: Needs::OwnServer, check: Check::Own(check) }
}

fn preflight(client: &mut Client, origin: &str) -> Result<Answer, String> {
    let request = Request::get("/v1/traces")
        .method(Method::OPTIONS)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    client.send(&request).map_err(|error| error.to_string())
}

fn post(client: &mut Client, tag: &Tag, origin: &str) -> Result<Answer, String> {
    let body = if tag.wire == super::wire::Wire::Json { "{}" } else { "" };
    let request = Request::post("/v1/traces", tag.wire.content_type(), body.into())
        .header("origin", origin)
        .header("authorization", &format!("Bearer {WRITER}"));
    client.send(&request).map_err(|error| error.to_string())
}

fn allowed(target: &Target, tag: &Tag) -> Result<(), String> {
    let mut client = target.http();
    let asked = preflight(&mut client, ORIGIN)?;
    let lists = |header: &str, word: &str| {
        let value = asked.header(header).unwrap_or_default().to_lowercase();
        value.split(',').any(|part| part.trim() == word || part.trim() == "*")
    };
    let sent = post(&mut client, tag, ORIGIN)?;
    let checks = [
        ("the preflight succeeds", (200..300).contains(&asked.status)),
        ("the preflight names the origin", asked.header(ALLOWED) == Some(ORIGIN)),
        ("POST is allowed", lists("access-control-allow-methods", "post")),
        ("content-type is allowed", lists("access-control-allow-headers", "content-type")),
        ("authorization is allowed", lists("access-control-allow-headers", "authorization")),
        ("the answer is a success", sent.status == 200),
        ("the answer names the origin", sent.header(ALLOWED) == Some(ORIGIN)),
        (
            "the answer varies by origin",
            sent.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")),
        ),
        (
            "no bare star with credentials",
            no_star_with_credentials(&sent) && no_star_with_credentials(&asked),
        ),
    ];
    match checks.iter().find(|(_, held)| !held) {
        Some((what, _)) => Err(format!("not so: {what}: {:?} then {:?}", asked.headers, sent.headers)),
        None => Ok(()),
    }
}

fn no_star_with_credentials(answer: &Answer) -> bool {
    answer.header(ALLOWED) != Some("*") || answer.header("access-control-allow-credentials") != Some("true")
}

fn stranger(target: &Target, tag: &Tag) -> Result<(), String> {
    not_let_in(&mut target.http(), tag, STRANGER)
}

fn off(_: &Target, tag: &Tag) -> Result<(), String> {
    let home = Home::new();
    let server = Server::start(&home.data());
    not_let_in(&mut server.otlp_http(), tag, ORIGIN)
}

fn not_let_in(client: &mut Client, tag: &Tag, origin: &str) -> Result<(), String> {
    for answer in [preflight(client, origin)?, post(client, tag, origin)?] {
        if let Some(allowed) = answer.header(ALLOWED) {
            return Err(format!("{origin} is let in: {allowed}"));
        }
    }
    Ok(())
}
