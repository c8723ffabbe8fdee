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
    fault::{
        progress::Progress,
        random::{Random, number, seed},
    },
    harness::{Server, Setup, announce},
    http::{Client, Request},
};

use crate::support::Home;

/// Rounds unless `CAUSEWAY_KILL_ROUNDS` says otherwise.
const ROUNDS: usize = 20;

/// In so many rounds of a hundred, seals and merges run one after the other while the server is killed.
const COMPACTING_PERCENT: usize = 70;

/// The memory of the server: little, so that memtables are small.
const MEMORY: &str = "64MiB";

/// Acknowledgements between the start of a round and its kill, at most.
const ACKNOWLEDGEMENTS_MAX: usize = 60;

/// How long after the last of them the kill comes at most, in microseconds: about as long as a sync or a seal takes.
const DELAY_MAX: usize = 20_000;

/// Every so many rounds the server is also killed in the middle of its start, while it writes its log anew.
const KILL_START_EVERY: usize = 4;

/// Acknowledged requests of a round that are sent again after it.
const REPEATED_MAX: usize = 5;

/// How long the load may take to bring a round to its end.
const ROUND_MAX: Duration = Duration::from_secs(120);

#[test]
fn acknowledged_records_survive_exactly_once() {
    let rounds = number("CAUSEWAY_KILL_ROUNDS", ROUNDS);
    let seed = seed();
    let home = Home::new();
    let setup = Setup::new(&home.data()).arguments(&["--memory", MEMORY]);
    let mut ledger = Ledger::default();
    let mut server = setup.start();
    let (mut compacting, mut compacted) = (0, 0);
    let progress = Progress::new("kill", rounds, "rounds");
    for round in 0..rounds {
        let mut random = Random::new(seed, 10_000 + round as u64);
        // A test that fails shows what it printed.
        eprintln!("kill: round {round}, CAUSEWAY_FAULT_SEED={seed}");
        let (acknowledged, unanswered, compactions) = load_and_kill(server, round, &mut random);
        compacting += usize::from(compactions.is_some());
        compacted += compactions.unwrap_or(0);
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
        progress.one_more();
    }
    announce(&format!(
        "{}, seed {seed}, {compacting} of them compacting, {compacted} compactions done, {}",
        progress.line(),
        ledger.summary()
    ));
    ledger.check(&server.api(), "after the last start");
    server.api().compact();
    ledger.check(&server.api(), "compacted");
    server.kill();
    ledger.check(&setup.start().api(), "after one more kill");
}

/// Loads the server from several clients and kills it: what was acknowledged, what was sent but not answered, and how
/// often everything was sealed and merged before the kill, if that went on at all.
fn load_and_kill(server: Server, round: usize, random: &mut Random) -> (Vec<Sent>, Vec<Sent>, Option<usize>) {
    let (sender, acknowledgements) = channel();
    let addresses = server.addresses;
    let clients = Kind::ALL.map(|kind| {
        let sender = sender.clone();
        thread::spawn(move || load::until_killed(kind, addresses, round, &sender))
    });
    // Once the clients end, the channel closes and the wait below fails at once.
    drop(sender);
    wait_for(&acknowledgements, 1 + random.below(ACKNOWLEDGEMENTS_MAX));
    let compaction = random.percent(COMPACTING_PERCENT).then(|| {
        let address = addresses.http;
        thread::spawn(move || compact_until_killed(&mut Client::new(address)))
    });
    wait_for(&acknowledgements, 1 + random.below(ACKNOWLEDGEMENTS_MAX));
    // Acknowledgements alone would always kill right after a sync.
    thread::sleep(Duration::from_micros(random.below(DELAY_MAX) as u64));
    server.kill();
    let compactions =
        compaction.map(|thread| thread.join().expect("compaction does not fail before the kill"));
    let mut all = (Vec::new(), Vec::new(), compactions);
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

fn wait_for(acknowledgements: &Receiver<()>, number: usize) {
    for _ in 0..number {
        acknowledgements.recv_timeout(ROUND_MAX).expect("the clients are answered");
    }
}

/// Asks for compaction again and again, and counts; anything but a success before the connection breaks is a failure.
fn compact_until_killed(client: &mut Client) -> usize {
    let request = Request::post("/api/compact", "application/json", json!({}).to_string().into());
    let mut done = 0;
    while let Ok(answer) = client.send(&request) {
        assert!((200..300).contains(&answer.status), "compaction: {} {}", answer.status, answer.text());
        done += 1;
    }
    done
}

fn repeat(server: &Server, sent: &Sent) {
    let answered = sent.send(&mut server.otlp_http(), &mut server.otlp_grpc());
    let full = answered.unwrap_or_else(|error| panic!("a repeated request is not answered: {error}"));
    full.unwrap_or_else(|error| panic!("a repeated request is refused: {error}"));
}
