//! Starts the program on what a loss of power left, and counts.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use tests::{
    api::{Api, number},
    fault::disk::Disk,
    harness::{Server, Setup},
};

use super::record::{Recorded, Sent};
use crate::support::{assert_stored, bytes_request};

/// Every id that is stored, and how often.
const COUNT: &str = "SELECT attributes['id'] AS id, count(*) FROM spans GROUP BY id \
    UNION ALL SELECT attributes['id'] AS id, count(*) FROM logs GROUP BY id \
    UNION ALL SELECT attributes['id'] AS id, count(*) FROM metrics GROUP BY id";

/// Requests without an answer that are sent again.
const REPEATED_MAX: usize = 4;

/// The program starts unattended, has what was acknowledged once, and takes the rest. If not, what is wrong.
pub(super) fn check(recorded: &Recorded, disk: &Disk, directory: &Path) -> Result<(), String> {
    let setup = Setup::new(&directory.join("data"));
    let server = setup.try_start().map_err(|ended| format!("it does not start: {}", ended.stderr.trim()))?;
    let (mut expected, mut open) = (Vec::new(), Vec::new());
    for ((life, port), sent) in recorded.sent() {
        let answers = disk.answers(*life, *port);
        assert!(answers.iter().all(|status| *status == 200), "an answer of the recording is no success");
        let (acknowledged, rest) = sent.split_at(answers.len().min(sent.len()));
        expected.extend(acknowledged);
        open.extend(rest.first());
    }
    wrong(&expected, recorded, &stored(&server.api())?)?;
    open.truncate(REPEATED_MAX);
    open.iter().for_each(|sent| repeat(&server, sent));
    expected.extend(open);
    wrong(&expected, recorded, &stored(&server.api())?)
        .map_err(|error| format!("after sending again what had no answer: {error}"))
}

fn repeat(server: &Server, sent: &Sent) {
    let request = bytes_request(sent.signal, sent.body.clone());
    assert_stored(&server.otlp_http().send(&request).expect("the server answers"));
}

fn stored(api: &Api) -> Result<BTreeMap<String, u64>, String> {
    let answer = api.sql_answer(COUNT);
    if answer.status != 200 {
        return Err(format!("it cannot be read: {} {}", answer.status, answer.text()));
    }
    let answer = answer.json();
    let row = |row: &Value| {
        let id = row[0].as_str().map_or_else(|| row[0].to_string(), str::to_owned);
        (id, number(&row[1]).expect("a count is a number"))
    };
    let rows = answer["rows"].as_array().expect("rows").iter().map(row);
    if answer["stats"]["partial"].is_null() { Ok(rows.collect()) } else { Err(format!("in part: {answer}")) }
}

/// An error says what does not agree.
fn wrong(acknowledged: &[&Sent], recorded: &Recorded, stored: &BTreeMap<String, u64>) -> Result<(), String> {
    let ids = |sent: &[&Sent]| sent.iter().flat_map(|sent| sent.ids.clone()).collect::<Vec<_>>();
    let lost: Vec<_> = ids(acknowledged).into_iter().filter(|id| !stored.contains_key(id)).collect();
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count != 1).collect();
    let all: Vec<&Sent> = recorded.sent().values().flatten().collect();
    let sent: std::collections::BTreeSet<_> = ids(&all).into_iter().collect();
    let strange: Vec<_> = stored.keys().filter(|id| !sent.contains(*id)).collect();
    let in_part = all.iter().filter(|sent| {
        let there = sent.ids.iter().filter(|id| stored.contains_key(*id)).count();
        there != 0 && there != sent.ids.len()
    });
    let in_part: Vec<_> = in_part.map(|sent| &sent.ids).collect();
    if lost.is_empty() && twice.is_empty() && strange.is_empty() && in_part.is_empty() {
        return Ok(());
    }
    Err(format!(
        "lost {lost:?}, more than once {twice:?}, never sent {strange:?}, requests in part {in_part:?}"
    ))
}
