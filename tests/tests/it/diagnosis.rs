//! What is wrong, asked of the program from outside: wrong questions, thin and odd data, marks, and a fault of the demo's
//! shop by API and command line, with a server and without one.

mod thin;
mod changes;
mod why;
mod incidents;
mod many;

use serde_json::Value;
use tests::{harness::Server, http::Answer};

/// The error of a refusal: its status and what it says.
fn refused(answer: &Answer, question: &str) -> (u16, String) {
    assert!((400..600).contains(&answer.status), "{question}: {} {}", answer.status, answer.text());
    let error = &answer.json()["error"];
    assert!(error["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{question}: {error}");
    (answer.status, format!("{} {}", error["message"].as_str().unwrap_or_default(), error["expected"]))
}

/// A diagnosis without the time that it took.
fn diagnosis(server: &Server, question: &Value) -> Value {
    let answer = server.api().post("/api/diagnose", question);
    assert_eq!(answer.status, 200, "{question}: {}", answer.text());
    timeless(answer.json(), question)
}

/// An answer without the time that it took, which is checked to be there and to fit together.
fn timeless(mut answer: Value, question: &Value) -> Value {
    let fields = answer.as_object_mut().unwrap_or_else(|| panic!("{question}: no object"));
    assert!(fields.remove("elapsed_ms").is_some_and(|time| time.is_u64()), "{question}");
    let suspects = fields["suspects"].as_array().unwrap_or_else(|| panic!("{question}: no suspects"));
    let status = fields["status"].as_str().unwrap_or_default();
    assert_eq!(status == "ok", !suspects.is_empty(), "{question}: {answer}");
    assert!(suspects.len() <= 10, "{question}: {answer}");
    let scores: Vec<f64> = suspects.iter().filter_map(|suspect| suspect["score"].as_f64()).collect();
    assert_eq!(scores.len(), suspects.len(), "{question}: {answer}");
    assert!(
        scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|s| (0.0..=1.0).contains(s)),
        "{scores:?}"
    );
    answer
}

/// The services that are suspected, the first first.
fn suspected(answer: &Value) -> Vec<&str> {
    let suspects = answer["suspects"].as_array().into_iter().flatten();
    suspects.filter_map(|suspect| suspect["service"].as_str()).collect()
}

/// Text of a process.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
