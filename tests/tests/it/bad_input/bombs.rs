//! Ten gigabytes in a small request: refused in bounded memory, whatever the coding and the way.

use std::time::Instant;

use bytes::Bytes;
use tests::{
    compress::{self, ZEROS_BYTES},
    grpc::Call,
    harness::{Server, announce},
    otlp::{Signal, log, logs},
};

use crate::support::{Home, bytes_request, once, store};

/// What each bomb unfolds to, in bytes.
const BOMB_BYTES: usize = 10 << 30;

/// The limit of a request, and what the server may need beside it, in bytes.
const GROWTH_BYTES_MAX: u64 = (64 + 16) << 20;

/// RESOURCE_EXHAUSTED.
const GRPC_TOO_LARGE: u32 = 8;

/// A content coding, how the zeros are cut, and how they are packed.
struct Bomb(&'static str, &'static str, fn(usize) -> Bytes);

const BOMBS: &[Bomb] = &[
    Bomb("gzip", "many members", compress::zeros_as_gzip_members),
    Bomb("gzip", "one member", compress::zeros_as_gzip),
    Bomb("deflate", "one stream", compress::zeros_as_deflate),
    Bomb("zstd", "many frames", compress::zeros_as_zstd_frames),
    Bomb("zstd", "one frame", compress::zeros_as_zstd),
];

#[test]
fn bombs_are_refused_in_bounded_memory() {
    for Bomb(coding, cut, pack) in BOMBS {
        let body = pack(BOMB_BYTES / ZEROS_BYTES);
        throw(&format!("10 GB as {coding}, {cut}, over HTTP"), |server| {
            let request = bytes_request(Signal::Logs, body.clone()).header("content-encoding", coding);
            let answer = once(server, &request);
            (u32::from(answer.status), 413, answer.text())
        });
        throw(&format!("10 GB as {coding}, {cut}, over gRPC"), |server| {
            let call = Call::compressed(Signal::Logs.grpc_path(), coding, &body);
            let answer = server.otlp_grpc().call(&call).expect("the server answers");
            (answer.status, GRPC_TOO_LARGE, answer.message)
        });
    }
}

/// Sends a bomb to a fresh server, whose peak of memory no other has raised. `send` gives the status, the one that is
/// right, and what was said.
fn throw(what: &str, send: impl Fn(&Server) -> (u32, u32, String)) {
    let home = Home::new();
    let server = Server::start(&home.data());
    store(&server, &logs("calm", vec![log("before")]));
    let (before, begun) = (server.peak_memory_bytes(), Instant::now());
    let (status, expected, said) = send(&server);
    let (millis, grown) = (begun.elapsed().as_millis(), server.peak_memory_bytes() - before);
    announce(&format!("bombs: {what}: {millis} ms, {} MiB more", grown >> 20));
    assert_eq!(status, expected, "{what}: {said}");
    assert!(grown <= GROWTH_BYTES_MAX, "{what}: memory grew by {grown} bytes");
    store(&server, &logs("calm", vec![log("after")]));
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 2, "{what}");
}
