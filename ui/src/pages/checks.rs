//! What holds for every page, checked on the text that a test rendered.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;

use crate::visit::Visit;

/// A visit to an address. Extraction never waits, so it is polled once.
pub(crate) fn visit(address: &str) -> Visit {
    let (mut parts, _) =
        Request::get(address).header("host", "localhost:4319").body(()).unwrap().into_parts();
    let mut extraction = Box::pin(Visit::from_request_parts(&mut parts, &()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match extraction.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Ok(visit)) => visit,
        _ => panic!("a visit is extracted at once"),
    }
}

/// The text of an answer.
pub(crate) async fn body(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Asserts that a page keeps the rules of the security header, and that no text broke out of its element. Keeps
/// the page in the folder that the environment names, if it names one, so that it can be looked at.
#[track_caller]
pub(crate) fn is_sound(name: &str, page: &str) {
    if let Ok(folder) = std::env::var("CAUSEWAY_PAGES_DIR") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), page).unwrap();
    }
    assert!(page.starts_with("<!doctype html>"), "{name}");
    let mut ids = std::collections::BTreeSet::new();
    for tag in tags(page) {
        assert!(!tag.starts_with("style"), "{name}: a style element");
        assert!(!tag.starts_with("img"), "{name}: text of telemetry became an element: {tag}");
        if tag.starts_with("script") {
            assert!(tag.contains("src=\"/assets/"), "{name}: an inline script: {tag}");
        }
        for (attribute, value) in attributes(tag) {
            assert_ne!(attribute, "style", "{name}: {tag}");
            assert!(!attribute.starts_with("on"), "{name}: a handler: {tag}");
            assert!(!value.starts_with("javascript:"), "{name}: {tag}");
            let loads = attribute == "src" || (attribute == "href" && !tag.starts_with("a "));
            assert!(
                !loads || value.starts_with('/') || value.starts_with('#'),
                "{name}: another origin: {tag}"
            );
            assert!(
                attribute != "id" || ids.insert(value.to_owned()),
                "{name}: two elements have the id {value}"
            );
        }
    }
    assert!(page.contains("<main id=\"main\""), "{name}: no main landmark");
}

/// The text inside each opening tag.
fn tags(page: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let mut quoted = false;
            let end = rest.find(|letter| {
                quoted ^= letter == '"';
                letter == '>' && !quoted
            });
            tags.push(&rest[..end.expect("every tag ends")]);
        }
    }
    tags
}

/// The attributes of a tag; one without a value has an empty one.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut attributes = Vec::new();
    let mut rest = tag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix("=\"") {
            (value, rest) = quoted.split_once('"').expect("every quote ends");
        } else {
            assert!(!rest.starts_with('='), "a value without quotes: {tag}");
        }
        attributes.push((name, value));
        rest = rest.trim_start();
    }
    attributes
}

#[test]
fn the_checks_find_what_they_look_for() {
    let page = |inside: &str| format!("<!doctype html><main id=\"main\">{inside}</main>");
    is_sound("fine", &page("<p class=\"a\">style=\"x\" &lt;script&gt;</p>"));
    for wrong in [
        "<p style=\"x\">",
        "<style>",
        "<script>x",
        "<script src=\"//cdn/x.js\">",
        "<img src=\"x\">",
        "<p onclick=\"x\">",
        "<a href=\"javascript:x\">",
        "<use href=\"https://elsewhere/\"/>",
        "<p id=\"a\"><p id=\"a\">",
    ] {
        let page = page(wrong);
        assert!(std::panic::catch_unwind(|| is_sound("wrong", &page)).is_err(), "{wrong}");
    }
}
