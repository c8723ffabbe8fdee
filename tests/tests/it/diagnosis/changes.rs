//! Marks: refused where they are wrong, kept where they are right, over restarts and without a server.

use bytes::Bytes;
use serde_json::{Value, json};
use tests::{
    harness::{Server, causeway},
    http::Request,
    otlp::{log, logs},
};

use super::{refused, text};
use crate::support::{Home, store};

/// A body, and a word of what is said.
const WRONG: [(&str, &str); 14] = [
    ("", "no mark"),
    ("[]", "no mark"),
    ("{}", "kind"),
    (r#"{"kind":"deploy"}"#, "service"),
    (r#"{"kind":"deploy","service":""}"#, "names a service"),
    (r#"{"kind":"deploy","service":null}"#, "no mark"),
    (r#"{"kind":"explosion","service":"cart"}"#, "deploy"),
    (r#"{"kind":"deploy","service":"cart","user":"ann"}"#, "user"),
    (r#"{"kind":"deploy","service":"cart","time":"soon"}"#, "soon"),
    (r#"{"kind":"deploy","service":"cart","time":false}"#, "false"),
    (r#"{"kind":"deploy","service":"cart","version":2}"#, "no mark"),
    (r#"{"kind":"deploy","service":"cart","id":"mine"}"#, "id"),
    (r#"{"kind":"deploy","service":"cart","source":"telemetry"}"#, "source"),
    (r#"{"kind":"deploy","service":"cart","time":"2500-01-01T00:00:00Z"}"#, "2262"),
];

fn changes(server: &Server, range: &str) -> Vec<Value> {
    let answer = server.api().json(&format!("/api/changes{range}"));
    answer["changes"].as_array().expect("a list").clone()
}

#[test]
fn a_wrong_mark_is_refused_and_not_kept() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let post = |body: String| {
        server.api().send(Request::post("/api/changes", "application/json", Bytes::from(body)))
    };
    for (body, word) in WRONG {
        let (status, said) = refused(&post(body.to_owned()), body);
        assert_eq!(status, 400, "{body}: {said}");
        assert!(said.contains(word), "{body}: {said}");
    }
    for (field, bytes) in [("service", 257), ("version", 257), ("text", 4097)] {
        let mut mark = json!({"kind": "flag", "service": "cart"});
        mark[field] = "x".repeat(bytes).into();
        let (status, said) = refused(&post(mark.to_string()), field);
        assert_eq!(status, 400, "{field}: {said}");
        mark[field] = "x".repeat(bytes - 1).into();
        assert_eq!(post(mark.to_string()).status, 201, "{field}");
    }
    assert_eq!(changes(&server, "").len(), 3);
    for query in ["?limit=5", "?from=soon", "?from=20&to=10"] {
        refused(&server.api().get(&format!("/api/changes{query}")), query);
    }
}

#[test]
fn marks_are_kept_over_restarts_and_listed_newest_first() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let marks = [
        json!({"kind": "deploy", "service": "cart", "version": "2.4.0", "time": "1700000000", "text": "by \"hand\""}),
        json!({"kind": "config", "service": "cart", "namespace": "shop", "environment": "prod",
            "time": "2023-11-14T22:14:20Z"}),
        json!({"kind": "scale", "service": "käse 日本", "time": 1_700_000_120_u64}),
    ];
    for mark in &marks {
        let answer = server.api().post("/api/changes", mark);
        assert_eq!(answer.status, 201, "{mark}: {}", answer.text());
        let kept = answer.json();
        assert!(kept["id"].as_str().is_some_and(|id| !id.is_empty()), "{kept}");
        assert_eq!((&kept["kind"], &kept["source"]), (&mark["kind"], &json!("api")), "{kept}");
    }
    // Now, as no time is named.
    assert_eq!(server.api().post("/api/changes", &json!({"kind": "flag", "service": "cart"})).status, 201);
    let before = changes(&server, "");
    let of = |key: &str| before.iter().map(|change| change[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("kind"), ["flag", "scale", "config", "deploy"]);
    assert_eq!(before[3]["time"], "1700000000000000000");
    assert_eq!(before[3]["text"], "by \"hand\"");
    assert_eq!(before[1]["service"], "käse 日本");
    assert_eq!(changes(&server, "?from=1700000060&to=1700000120"), [before[2].clone()]);
    server.kill();
    let server = Server::start(&home.data());
    assert_eq!(changes(&server, ""), before, "after a kill");
    assert_eq!(server.stop().status.code(), Some(0));
    assert_eq!(changes(&Server::start(&home.data()), ""), before, "after a clean end");
}

#[test]
fn the_command_line_marks_and_lists() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let url = format!("http://{}", server.addresses.http);
    let data = home.data().display().to_string();
    let run = |line: &str, place: [&str; 2], code: i32| {
        let arguments: Vec<&str> = line.split(' ').chain(place).collect();
        let output = causeway(&arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{line}: {out}{err}");
        (out, err)
    };
    let there = ["--url", &url];
    run("changes", there, 1);
    let line = "mark deploy --service cart --version 2.4.0 --time 2023-11-14T22:13:20Z rolled out";
    let (out, _) = run(line, there, 0);
    assert!(out.contains("2023-11-14 22:13:20.000  deploy  cart     2.4.0    api     rolled out"), "{out}");
    run("mark deploy --service cart --time 2500-01-01", there, 2);
    run("mark restart --service cart", there, 2);
    run("changes --from now --to now-1h", there, 2);
    let (rows, _) = run("changes --format ndjson --to 2023-11-15", there, 0);
    let row: Value = serde_json::from_str(&rows).expect("one row");
    assert_eq!((&row["version"], &row["text"]), (&json!("2.4.0"), &json!("rolled out")));
    // A server has the directory.
    let (_, said) = run("mark flag --service cart", ["--data", &data], 3);
    assert!(said.contains(&server.addresses.http.to_string()), "{said}");
    store(&server, &logs("shop", vec![log("kept")]));
    server.kill();
    run("mark flag --service cart", there, 3);
    run("mark flag --service cart without a server", ["--data", &data], 0);
    let (csv, _) = run("changes --format csv", ["--data", &data], 0);
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let server = Server::start(&home.data());
    assert_eq!(changes(&server, "").len(), 2);
    assert_eq!(server.api().rows("logs", "").len(), 1, "marking lost what was in the log");
}

#[test]
fn no_incident_is_no_error() {
    let home = Home::new();
    let server = Server::start(&home.data());
    for query in ["", "?open=true", "?open=false", "?open=", "?limit=5&from=now-1h"] {
        assert_eq!(server.api().json(&format!("/api/incidents{query}")), json!({"incidents": []}), "{query}");
    }
    for (query, status, word) in [
        ("?open=maybe", 400, "open"),
        ("?state=open", 400, "state"),
        ("?limit=-1", 400, "limit"),
        ("?from=20&to=10", 400, "from"),
        ("/absent", 404, "absent"),
        ("/%2e%2e%2f", 404, "incident"),
    ] {
        let (found, said) = refused(&server.api().get(&format!("/api/incidents{query}")), query);
        assert_eq!(found, status, "{query}: {said}");
        assert!(said.contains(word), "{query}: {said}");
    }
    let url = format!("http://{}", server.addresses.http);
    for (arguments, code) in
        [(&["incidents"][..], 1), (&["incidents", "absent"], 1), (&["incidents", "--open"], 1)]
    {
        let output = causeway(&[arguments, &["--url", &url]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
}
