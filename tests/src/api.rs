//! The own API, as far as tests ask it: every answer is read whole and checked to be one.

use std::{cell::RefCell, net::SocketAddr};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::http::{Answer, Client, Request, percent_encoded};

/// A client of the page's listener.
pub struct Api {
    client: RefCell<Client>,
    token: Option<String>,
}

impl Api {
    /// A client that shows this token, if it has one.
    pub fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self { client: RefCell::new(Client::new(address)), token }
    }

    /// Sends any request.
    ///
    /// # Panics
    ///
    /// If nothing answers.
    pub fn send(&self, request: Request) -> Answer {
        let request = match &self.token {
            Some(token) => request.header("authorization", &format!("Bearer {token}")),
            None => request,
        };
        let sent = self.client.borrow_mut().send(&request);
        sent.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path))
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::post(path, "application/json", Bytes::from(body.to_string())))
    }

    /// GET of JSON that has to be there.
    ///
    /// # Panics
    ///
    /// If the answer is not 200.
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// The answer to a search of `logs`, `spans` or `traces`.
    pub fn search(&self, kind: &str, q: &str) -> Answer {
        self.get(&format!("/api/{kind}?q={}", percent_encoded(q)))
    }

    /// The rows that a search finds, all of them.
    ///
    /// # Panics
    ///
    /// If the search is refused or its answer is cut short.
    pub fn rows(&self, kind: &str, q: &str) -> Vec<Value> {
        let answer = self.search(kind, q);
        assert_eq!(answer.status, 200, "{kind} {q}: {}", answer.text());
        let answer = answer.json();
        assert!(answer["stats"]["partial"].is_null(), "{kind} {q} is cut short: {answer}");
        answer[kind].as_array().unwrap_or_else(|| panic!("no rows of {kind} in {answer}")).clone()
    }

    /// The answer to an SQL statement.
    pub fn sql_answer(&self, sql: &str) -> Answer {
        self.post("/api/sql", &json!({ "sql": sql }))
    }

    /// The rows of an SQL statement, all of them.
    ///
    /// # Panics
    ///
    /// If it is refused or its answer is cut short.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Value>> {
        let answer = self.sql_answer(sql);
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
        let answer = answer.json();
        assert!(answer["stats"]["partial"].is_null(), "{sql} is cut short: {}", answer["stats"]);
        let rows = answer["rows"].as_array().unwrap_or_else(|| panic!("{sql}: no rows in {answer}"));
        rows.iter().map(|row| row.as_array().expect("a row is an array").clone()).collect()
    }

    /// The one number that an SQL statement answers.
    ///
    /// # Panics
    ///
    /// If it answers anything else.
    pub fn count(&self, sql: &str) -> u64 {
        let rows = self.sql(sql);
        let value = rows.first().and_then(|row| row.first()).unwrap_or_else(|| panic!("{sql}: no row"));
        number(value).unwrap_or_else(|| panic!("{sql}: not a count: {value}"))
    }

    /// Settles the storage.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn compact(&self) {
        let answer = self.post("/api/compact", &json!({}));
        assert!((200..300).contains(&answer.status), "compaction: {} {}", answer.status, answer.text());
    }
}

/// A whole number, however JSON has it.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
