//! Starts the program on what a loss of power left, and counts.

use std::collections::BTreeMap;

use tempfile::TempDir;
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

/// The program starts unattended, has what was acknowledged once, and takes the rest.
pub(super) fn check(recorded: &Recorded, disk: &Disk, directory: TempDir, what: &str) {
    let setup = Setup::new(&directory.path().join("data"));
    let server = match setup.try_start() {
        Ok(server) => server,
        Err(ended) => panic!(
            "{what}: it does not start: {}; kept in {}",
            ended.stderr.trim(),
            directory.keep().display()
        ),
    };
    let (mut expected, mut open) = (Vec::new(), Vec::new());
    for ((_, port), sent) in recorded.sent() {
        let answers = disk.answers(*port);
        assert!(
            answers.iter().all(|status| *status == 200),
            "{what}: an answer of the recording is no success"
        );
        let (acknowledged, rest) = sent.split_at(answers.len().min(sent.len()));
        expected.extend(acknowledged);
        open.extend(rest.first());
    }
    let stored = stored(&server.api());
    let wrong = wrong(&expected, recorded, &stored);
    if !wrong.is_empty() {
        panic!("{what}: {wrong}; kept in {}", directory.keep().display());
    }
    for sent in open.iter().take(REPEATED_MAX) {
        repeat(&server, sent);
    }
    let repeated: Vec<_> = expected.into_iter().chain(open.into_iter().take(REPEATED_MAX)).collect();
    let again = self::wrong(&repeated, recorded, &self::stored(&server.api()));
    assert!(again.is_empty(), "{what}: after sending again what had no answer: {again}");
}

fn repeat(server: &Server, sent: &Sent) {
    let request = bytes_request(sent.signal, sent.body.clone());
    assert_stored(&server.otlp_http().send(&request).expect("the server answers"));
}

fn stored(api: &Api) -> BTreeMap<String, u64> {
    let row = |row: Vec<serde_json::Value>| {
        let id = row[0].as_str().map_or_else(|| row[0].to_string(), str::to_owned);
        (id, number(&row[1]).expect("a count is a number"))
    };
    api.sql(COUNT).into_iter().map(row).collect()
}

/// What does not agree; empty if all does.
fn wrong(acknowledged: &[&Sent], recorded: &Recorded, stored: &BTreeMap<String, u64>) -> String {
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
        return String::new();
    }
    format!("lost {lost:?}, more than once {twice:?}, never sent {strange:?}, requests in part {in_part:?}")
}
