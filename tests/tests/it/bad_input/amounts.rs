//! Too much of something in one request or on one listener: memory stays bounded, what was cut is marked on its
//! record, and others are served meanwhile.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::common::v1::{ArrayValue, any_value::Value};
use tests::{
    compress,
    fault::random::number,
    harness::{Server, announce},
    otlp::{IntoAny, Signal, attribute, hex, log, logs, span, span_id, trace_id, traces},
};

use crate::support::{Home, assert_stored, bytes_request, once, protobuf_request, store};

/// Attributes of one record.
const KEYS: usize = 1_000_000;

/// Values in one attribute.
const VALUES: usize = 10_000_000;

/// Bytes of one value.
const VALUE_BYTES: usize = 10 << 20;

/// What one such request may take of memory beside the largest request there can be, once decoded: generous, as the
/// short form of the program is not optimised.
const MEMORY_MAX: u64 = 1 << 30;

/// Spans of one trace unless `CAUSEWAY_TRACE_SPANS` says otherwise.
const SPANS: usize = 50_000;

/// Spans in one request.
const SPANS_PER_REQUEST: usize = 10_000;

/// Connections that say nothing, unless `CAUSEWAY_IDLE_CONNECTIONS` says otherwise.
const IDLE: usize = 2_000;

/// Streams that are reset in a second unless `CAUSEWAY_RESETS` says otherwise.
const RESETS: usize = 10_000;

/// They come in so many bursts a second.
const BURSTS_PER_SECOND: usize = 100;

/// How long others are looked at.
const LOOKED_AT: Duration = Duration::from_secs(2);

/// Requests of somebody else at least, of which the slowest hundredth is looked at.
const OTHERS: usize = 200;

/// The longest that these may take: tests assert no speed, only that nobody is shut out.
const OTHERS_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_record_that_is_far_too_large_is_cut_and_marked() {
    let many_keys = (0..KEYS).map(|key| attribute(&format!("key-{key}"), key as i64)).collect();
    let values = (0..VALUES).map(|_| true.into_any()).collect();
    let long_list = vec![attribute("list", Value::ArrayValue(ArrayValue { values }))];
    let long_text = vec![attribute("text", "x".repeat(VALUE_BYTES).as_str())];
    for (what, attributes) in [("keys", many_keys), ("values", long_list), ("text", long_text)] {
        let home = Home::new();
        let server = Server::start(&home.data());
        let mut record = log("large");
        record.attributes = attributes;
        // Compressed, since the list is as large as a request may be.
        let body = compress::zstd(&logs("large", vec![record]).to_protobuf());
        let (before, begun) = (peak_memory(&server), Instant::now());
        let answer = once(&server, &bytes_request(Signal::Logs, body).header("content-encoding", "zstd"));
        let (millis, grown) = (begun.elapsed().as_millis(), peak_memory(&server) - before);
        announce(&format!("amounts: {what}: {} in {millis} ms, {} MiB more", answer.status, grown >> 20));
        assert!(grown <= MEMORY_MAX, "{what}: memory grew by {grown} bytes");
        store(&server, &logs("calm", vec![log("after")]));
        let api = server.api();
        assert_eq!(api.count("SELECT count(*) FROM logs WHERE service_name = 'calm'"), 1, "{what}");
        if answer.status == 200 {
            let sql = "SELECT dropped_attributes_count, length(CAST(attributes AS VARCHAR)) FROM logs WHERE body = 'large'";
            let rows = api.sql(sql);
            let marked = rows[0][0].as_u64() > Some(0) || !answer.body.is_empty();
            assert!(marked, "{what}: cut in silence: {rows:?}");
        } else {
            assert_eq!(answer.status, 413, "{what}: {}", answer.text());
        }
    }
}

#[test]
fn a_trace_of_very_many_spans_is_stored() {
    let spans = number("CAUSEWAY_TRACE_SPANS", SPANS);
    let home = Home::new();
    let server = Server::start(&home.data());
    let id = trace_id("crowd");
    let begun = Instant::now();
    for first in (0..spans).step_by(SPANS_PER_REQUEST) {
        let one = |number| span(id, span_id("crowd", number), "step");
        let export = traces("crowd", (first..spans.min(first + SPANS_PER_REQUEST)).map(one).collect());
        let deadline = Instant::now() + Duration::from_secs(120);
        // As an exporter does when memory for fresh rows is full.
        while once_or_later(&server, &export) {
            assert!(Instant::now() < deadline, "no room for span {first}");
            thread::sleep(Duration::from_millis(50));
        }
    }
    announce(&format!("amounts: {spans} spans in one trace, {} ms", begun.elapsed().as_millis()));
    let sql = format!("SELECT count(*) FROM spans WHERE trace_id = '{}'", hex(&id));
    assert_eq!(server.api().count(&sql), spans as u64);
    let trace = server.api().json(&format!("/api/traces/{}", hex(&id)));
    assert_eq!(trace["truncated"], true, "what was left out is said");
}

/// Whether it has to be sent again.
fn once_or_later(server: &Server, export: &tests::otlp::Export) -> bool {
    let answer = once(server, &protobuf_request(export));
    if matches!(answer.status, 429 | 503) {
        return true;
    }
    assert_stored(&answer);
    false
}

#[test]
fn idle_connections_and_resets_do_not_shut_others_out() {
    let home = Home::new();
    let server = Server::start(&home.data());
    let alone = slowest_hundredth(&server);
    let idle = number("CAUSEWAY_IDLE_CONNECTIONS", IDLE);
    let addresses = [server.addresses.otlp_grpc, server.addresses.otlp_http];
    let open: Vec<TcpStream> =
        (0..idle).map_while(|number| TcpStream::connect(addresses[number % 2]).ok()).collect();
    let with_idle = slowest_hundredth(&server);
    let (stop, resets) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = server.addresses.otlp_grpc;
    let with_resets = thread::scope(|scope| {
        scope.spawn(|| reset_streams(address, &stop, &resets));
        let slowest = slowest_hundredth(&server);
        stop.store(true, Ordering::Relaxed);
        slowest
    });
    announce(&format!(
        "amounts: p99 of others {alone:?} alone, {with_idle:?} beside {} idle connections, {with_resets:?} beside these \
         and {} streams reset in {} s",
        open.len(),
        resets.load(Ordering::Relaxed),
        LOOKED_AT.as_secs()
    ));
    assert!(
        open.len() >= idle / 2,
        "only {} of {idle} connections are open: raise the limit of files",
        open.len()
    );
    assert!(resets.load(Ordering::Relaxed) > 0, "no stream was reset");
    assert!(with_idle < OTHERS_MAX && with_resets < OTHERS_MAX, "others were shut out");
    assert_eq!(server.api().get("/readyz").status, 200);
}

fn slowest_hundredth(server: &Server) -> Duration {
    let mut client = server.otlp_http();
    let request = protobuf_request(&logs("calm", vec![log("others")]));
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < OTHERS || started.elapsed() < LOOKED_AT {
        let begun = Instant::now();
        assert_stored(&client.send(&request).expect("others are answered"));
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Opens streams and resets them at once, frame by frame, as many as asked for or as the socket takes; on a new
/// connection whenever the server has had enough of the last.
fn reset_streams(address: SocketAddr, stop: &AtomicBool, resets: &AtomicUsize) {
    let per_burst = (number("CAUSEWAY_RESETS", RESETS) / BURSTS_PER_SECOND).max(1);
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut connection) = TcpStream::connect(address) else { continue };
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), h2_frame(4, 0, 0, &[])].concat();
        let mut taken = connection.write_all(&preface);
        let mut stream = 1;
        while taken.is_ok() && !stop.load(Ordering::Relaxed) {
            let burst: Vec<u8> = (0..per_burst)
                .flat_map(|number| {
                    let stream = stream + 2 * number as u32;
                    // 8 is CANCEL.
                    [h2_frame(1, 4, stream, &h2_headers()), h2_frame(3, 0, stream, &[0, 0, 0, 8])].concat()
                })
                .collect();
            stream += 2 * per_burst as u32;
            taken = connection.write_all(&burst);
            if taken.is_ok() {
                resets.fetch_add(per_burst, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_secs(1) / BURSTS_PER_SECOND as u32);
        }
    }
}

/// A frame of HTTP/2.
fn h2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// POST of gRPC, in HPACK without a table of its own.
fn h2_headers() -> Vec<u8> {
    let text = |name: u8, value: &str| [&[name, value.len() as u8], value.as_bytes()].concat();
    let content_type = [&[0x0f, 0x10, 16], &b"application/grpc"[..]].concat();
    [vec![0x83, 0x86], text(0x04, Signal::Logs.grpc_path()), text(0x01, "localhost"), content_type].concat()
}

/// The most memory that the process had resident so far.
fn peak_memory(server: &Server) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", server.process_id())).expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says how much");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kilobytes << 10
}
