//! Starts that have to be refused: one line on standard error, an exit code, and nothing changed.

use std::{fs, net::TcpListener};

use rusqlite::Connection;
use tests::{
    harness::{Ended, Server, Setup},
    otlp::{log, logs},
};

use crate::support::{Home, store};

/// A format that no version of the program has written.
const FUTURE_FORMAT: i64 = 9_999;

#[test]
fn a_second_serve_on_the_same_directory_names_directory_and_holder() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("held", vec![log("kept")]));
    let ended = refused(&Setup::new(&home.data()));
    assert_one_line(&ended, &[&home.data().display().to_string(), &server.addresses.http.to_string()]);
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 1, "the first server goes on");
}

#[test]
fn a_directory_can_be_served_again_after_a_kill() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("held", vec![log("kept")]));
    server.kill();
    assert_eq!(Server::start(&home.data()).api().count("SELECT count(*) FROM logs"), 1);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    for listener in ["--listen", "--otlp-grpc", "--otlp-http"] {
        let home = Home::new();
        let ended = refused(&Setup::new(&home.data()).arguments(&[listener, &address]));
        assert_one_line(&ended, &[&address]);
    }
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("old", vec![log("kept")]));
    assert!(server.stop().status.success(), "not stopped cleanly");
    let known = set_format(&home, FUTURE_FORMAT);
    let ended = refused(&Setup::new(&home.data()));
    assert_one_line(&ended, &[&home.data().display().to_string(), &FUTURE_FORMAT.to_string()]);
    assert_eq!(set_format(&home, known), FUTURE_FORMAT, "the refused start changed the format");
    assert_eq!(Server::start(&home.data()).api().count("SELECT count(*) FROM logs"), 1);
}

#[test]
fn a_configuration_that_is_wrong_is_named() {
    let cases = [
        ("otlp = 5\n", "otlp"),
        ("[otlp]\nrequest_bytes_maximum = 5\n", "request_bytes_maximum"),
        ("[otlp\n", "line 1"),
        (
            "[[token]]\nname = \"short\"\nsha256 = \"abc\"\ntenant = \"default\"\nwrite = true\nread = true\n",
            "sha256",
        ),
    ];
    for (text, named) in cases {
        let home = Home::new();
        let ended = refused(&Setup::new(&home.data()).config(text));
        assert_one_line(&ended, &[named, "data.toml"]);
    }
}

#[test]
fn a_data_directory_that_is_a_file_is_named() {
    let home = Home::new();
    fs::write(home.data(), "not a directory").expect("a file is written");
    let ended = refused(&Setup::new(&home.data()));
    assert_one_line(&ended, &[&home.data().display().to_string()]);
    assert_eq!(fs::read_to_string(home.data()).expect("it is still there"), "not a directory");
}

#[test]
fn a_stop_is_clean_and_keeps_what_was_stored() {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("stopped", vec![log("kept")]));
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(Server::start(&home.data()).api().count("SELECT count(*) FROM logs"), 1);
}

fn refused(setup: &Setup) -> Ended {
    let Err(ended) = setup.try_start() else { panic!("the server started") };
    assert!(ended.status.code().is_some_and(|code| code != 0), "{}: {}", ended.status, ended.stderr);
    ended
}

fn assert_one_line(ended: &Ended, named: &[&str]) {
    let lines: Vec<_> = ended.stderr.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "not one line: {}", ended.stderr);
    for name in named {
        assert!(lines[0].contains(name), "{name} is not named: {}", lines[0]);
    }
}

/// Writes another format into the catalog and says which it was.
fn set_format(home: &Home, format: i64) -> i64 {
    let catalog = Connection::open(home.data().join("catalog.sqlite")).expect("the catalog opens");
    let read = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'format'";
    let known = catalog.query_row(read, [], |row| row.get(0)).expect("the catalog has a format");
    let changed = catalog.execute("UPDATE meta SET value = ?1 WHERE key = 'format'", [format]);
    assert_eq!(changed.expect("the format is written"), 1);
    known
}
