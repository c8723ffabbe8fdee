//! SIGKILL in mid-load, many times over on one data directory: what was acknowledged is there exactly once, and so
//! is what was not answered and then repeated.
//!
//! Every record has an id of its own. Clients write down what was acknowledged and what was not; after each kill
//! the server starts anew, the unanswered requests are sent again with the same bytes, and some acknowledged ones
//! too, as a client does whose answer was lost on its way. In the end every id is counted.

mod ledger;
mod load;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    path::Path,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use ledger::Ledger;
use load::{Kind, Sent};
use serde_json::json;
use tests::{
    harness::{Server, Setup, announce},
    http::{Client, Request},
};

use crate::support::Home;

/// Rounds unless `CAUSEWAY_KILL_ROUNDS` says otherwise.
const ROUNDS: usize = 20;

/// Every so many rounds compaction runs while the server is killed.
const COMPACT_EVERY: usize = 3;

/// Every so many rounds the server is also killed in the middle of its start, while it writes its log anew.
const KILL_START_EVERY: usize = 4;

/// Acknowledged requests of a round that are sent again after it.
const REPEATED_MAX: usize = 5;

/// How long the load may take to bring a round to its end.
const ROUND_MAX: Duration = Duration::from_secs(120);

#[test]
fn acknowledged_records_survive_exactly_once() {
    let rounds =
        env::var("CAUSEWAY_KILL_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let home = Home::new();
    let setup = Setup::new(&home.data());
    let mut ledger = Ledger::default();
    let mut server = setup.start();
    for round in 0..rounds {
        let (acknowledged, unanswered) = load_and_kill(server, round);
        if round % KILL_START_EVERY == 1 {
            let files = log_files(&home.data());
            setup.start_and_kill_once(|| log_files(&home.data()) != files);
        }
        server = setup.start();
        // Before anything is sent again, which would hide a loss.
        ledger::check_acknowledged(&server.api(), &acknowledged, &unanswered, round);
        let repeated = acknowledged.iter().rev().take(REPEATED_MAX).chain(&unanswered);
        repeated.for_each(|sent| repeat(&server, sent));
        ledger.add(acknowledged);
        ledger.add_repeated(unanswered);
    }
    announce(&format!("kill: {rounds} rounds, {}", ledger.summary()));
    ledger.check(&server.api(), "after the last start");
    server.api().compact();
    ledger.check(&server.api(), "compacted");
    server.kill();
    ledger.check(&setup.start().api(), "after one more kill");
}

/// Loads the server from several clients and kills it: what was acknowledged, and what was sent but not answered.
fn load_and_kill(server: Server, round: usize) -> (Vec<Sent>, Vec<Sent>) {
    let (sender, acknowledgements) = channel();
    let addresses = server.addresses;
    let clients = Kind::ALL.map(|kind| {
        let sender = sender.clone();
        thread::spawn(move || load::until_killed(kind, addresses, round, &sender))
    });
    // Once the clients end, the channel closes and the wait below fails at once.
    drop(sender);
    wait_for(&acknowledgements, acknowledgements_before_kill(round));
    let compaction = (round % COMPACT_EVERY == 1).then(|| {
        let address = addresses.http;
        thread::spawn(move || compact_until_killed(&mut Client::new(address)))
    });
    wait_for(&acknowledgements, acknowledgements_before_kill(round + 7));
    server.kill();
    if let Some(compaction) = compaction {
        compaction.join().expect("compaction does not fail before the kill");
    }
    let mut all = (Vec::new(), Vec::new());
    for client in clients {
        let (acknowledged, unanswered) =
            client.join().expect("the server answers rightly until it is killed");
        all.0.extend(acknowledged);
        all.1.extend(unanswered);
    }
    all
}

/// The names of the files of the log.
fn log_files(data: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(data.join("wal")).expect("there is a log");
    entries.map(|entry| entry.expect("an entry").file_name()).collect()
}

/// A different moment each round, and the same ones each run: from 3 to 63.
fn acknowledgements_before_kill(round: usize) -> usize {
    3 + (round * 37 + 11) % 61
}

fn wait_for(acknowledgements: &Receiver<()>, number: usize) {
    for _ in 0..number {
        acknowledgements.recv_timeout(ROUND_MAX).expect("the clients are answered");
    }
}

/// Asks for compaction again and again; anything but a success before the connection breaks is a failure.
fn compact_until_killed(client: &mut Client) {
    let request = Request::post("/api/compact", "application/json", json!({}).to_string().into());
    while let Ok(answer) = client.send(&request) {
        assert!((200..300).contains(&answer.status), "compaction: {} {}", answer.status, answer.text());
    }
}

fn repeat(server: &Server, sent: &Sent) {
    let answered = sent.send(&mut server.otlp_http(), &mut server.otlp_grpc());
    let full = answered.unwrap_or_else(|error| panic!("a repeated request is not answered: {error}"));
    full.unwrap_or_else(|error| panic!("a repeated request is refused: {error}"));
}
