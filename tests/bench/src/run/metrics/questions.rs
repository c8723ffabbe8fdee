//! The queries: a selector, its rate, the sum of that, and a quantile, over one series, a thousand and all, at an
//! instant and over a range.

use anyhow::{Result, bail};
use bytes::Bytes;

use super::fleet::{BUCKETS, COUNTERS, Fleet, host_name};
use super::target::Target;
use crate::client::http::Connection;
use crate::run::query::percent_encoded;

/// The step of ranges, in milliseconds.
const STEP_MS: u64 = 60_000;
/// The windows of rates, in milliseconds.
const WINDOW_MS: u64 = 300_000;
/// How many series the middle ones have.
const MIDDLE: usize = 1_000;
/// How much of a refusal is shown, in characters.
const SHOWN_MAX: usize = 300;

/// A query at an instant or over a range.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// What it is called.
    pub(super) name: String,
    path: &'static str,
    form: String,
}

impl Question {
    fn new(name: &str, query: &str, fleet: &Fleet, is_range: bool) -> Self {
        let query = percent_encoded(query);
        // Windows are full: about series that begin within one, versions of Prometheus guess differently.
        let (begin, end) = ((fleet.begin_ms + WINDOW_MS).min(fleet.end_ms()) / 1_000, fleet.end_ms() / 1_000);
        let (kind, path, form) = match is_range {
            false => ("instant", "query", format!("query={query}&time={end}")),
            true => {
                let step = STEP_MS / 1_000;
                ("range", "query_range", format!("query={query}&start={begin}&end={end}&step={step}"))
            }
        };
        Self { name: format!("{name}, {kind}"), path, form }
    }

    /// The whole body of its answer.
    pub(super) async fn ask(&self, target: &Target, connection: &mut Connection) -> Result<Bytes> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let path = target.path(self.path);
        let reply = connection.request("POST", &path, &headers, self.form.clone().into()).await?;
        if reply.status != 200 {
            let text: String = String::from_utf8_lossy(&reply.body).chars().take(SHOWN_MAX).collect();
            bail!("{}: {} answered {path} with {}: {text}", self.name, target.name, reply.status);
        }
        Ok(reply.body)
    }
}

/// All of them.
pub(super) fn all(fleet: &Fleet) -> Vec<Question> {
    let hosts = |each: usize| -> String {
        let names: Vec<String> = (0..MIDDLE.div_ceil(each)).map(host_name).collect();
        names.join("|")
    };
    let first = host_name(0);
    let of_handler = format!("instance=\"{first}\",handler=\"/api/v1/handler-0\"");
    let selectors = [
        ("1", format!("http_requests_total{{{of_handler},method=\"GET\",code=\"200\"}}")),
        ("1,000", format!("http_requests_total{{instance=~\"{}\"}}", hosts(COUNTERS))),
        ("all", "{job=~\"job-.+\"}".to_owned()),
    ];
    let buckets = [
        ("1 histogram", format!("{{{of_handler}}}")),
        ("1,000 buckets", format!("{{instance=~\"{}\"}}", hosts(BUCKETS))),
        ("all buckets", String::new()),
    ];
    let mut questions = Vec::new();
    for is_range in [false, true] {
        let mut add =
            |name: String, query: String| questions.push(Question::new(&name, &query, fleet, is_range));
        for (size, x) in &selectors {
            add(format!("x of {size}"), x.clone());
            add(format!("rate(x[5m]) of {size}"), format!("rate({x}[5m])"));
            add(format!("sum by (job) (rate(x[5m])) of {size}"), format!("sum by (job) (rate({x}[5m]))"));
        }
        for (size, labels) in &buckets {
            let rate = format!("rate(http_request_duration_seconds_bucket{labels}[5m])");
            add(
                format!("histogram_quantile by job of {size}"),
                format!("histogram_quantile(0.9, sum by (job, le) ({rate}))"),
            );
        }
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_its_own_name() {
        let mut names: Vec<String> = all(&Fleet::test()).into_iter().map(|question| question.name).collect();
        assert_eq!(names.len(), 24);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 24);
    }
}
