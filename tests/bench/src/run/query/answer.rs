//! Asks a server one question and reads off its answer what it cost.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::questions::{Ask, Asked};
use crate::client::http::Connection;

/// How much of an answer is shown where it is not the one that was expected.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// What an answer tells about itself, as far as it does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cost {
    /// Rows that were found: all that match where they were counted, else those in the answer.
    pub(super) found: Option<u64>,
    pub(super) rows_scanned: Option<u64>,
    pub(super) segments_opened: Option<u64>,
    pub(super) segments_total: Option<u64>,
    /// The limit that cut it short.
    pub(super) partial: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) taken: Duration,
    pub(super) cost: Cost,
}

/// Asks, and waits for the whole answer.
pub(super) async fn ask(connection: &mut Connection, ask: &Ask) -> Result<Answered> {
    let (method, path, body) = match &ask.asked {
        Asked::Get(path) => ("GET", path.as_str(), String::new()),
        Asked::Sql(sql) => ("POST", "/api/sql", json!({ "sql": sql }).to_string()),
    };
    let headers: &[(&str, &str)] =
        if body.is_empty() { &[] } else { &[("content-type", "application/json")] };
    let begin = Instant::now();
    let reply = connection.request(method, path, headers, body.clone().into()).await?;
    let taken = begin.elapsed();
    if reply.status != ask.status {
        bail!(
            "{method} {path} {body} was answered {} instead of {}: {}",
            reply.status,
            ask.status,
            String::from_utf8_lossy(&reply.body).chars().take(SHOWN_CHARACTERS_MAX).collect::<String>()
        );
    }
    Ok(Answered { taken, cost: cost(&reply.body) })
}

fn cost(body: &[u8]) -> Cost {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let lists = ["logs", "spans", "traces", "templates", "services", "rows"];
    let listed = lists.iter().find_map(|list| Some(answer.get(list)?.as_array()?.len() as u64));
    let stats = &answer["stats"];
    Cost {
        found: answer["total"].as_u64().filter(|_| answer.get("templates").is_none()).or(listed),
        rows_scanned: stats["rows_scanned"].as_u64(),
        segments_opened: stats["segments_opened"].as_u64(),
        segments_total: stats["segments_total"].as_u64(),
        partial: stats["partial"]["reason"].as_str().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_tell() {
        let check = |body: &str, expected: Cost| assert_eq!(cost(body.as_bytes()), expected, "{body}");
        check("", Cost::default());
        check(r#"{"error":{"code":"not_found"}}"#, Cost::default());
        check(r#"{"rows":[[1],[2]]}"#, Cost { found: Some(2), ..Cost::default() });
        check(
            r#"{"total":7,"logs":[],"stats":{"rows_scanned":9,"segments_opened":1,"segments_total":3,"partial":null}}"#,
            Cost {
                found: Some(7),
                rows_scanned: Some(9),
                segments_opened: Some(1),
                segments_total: Some(3),
                partial: None,
            },
        );
        check(r#"{"templates":[{}],"total":4100}"#, Cost { found: Some(1), ..Cost::default() });
        check(
            r#"{"spans":[],"stats":{"partial":{"reason":"time limit"}}}"#,
            Cost { found: Some(0), partial: Some("time limit".to_owned()), ..Cost::default() },
        );
    }
}
