//! Crowds: connections that say nothing, and streams that are opened and reset at once. Others are served meanwhile;
//! how much slower is printed.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use tests::{
    fault::random::number,
    grpc::Call,
    harness::{Server, Setup, announce},
    otlp::{Signal, log, logs},
};

use crate::support::{Home, assert_stored, protobuf_request, store};

/// Connections that say nothing, unless `CAUSEWAY_IDLE_CONNECTIONS` says otherwise.
const IDLE: usize = 2_000;

/// Streams that are reset in a second unless `CAUSEWAY_RESETS` says otherwise.
const RESETS: usize = 10_000;

/// They come in so many bursts a second.
const BURSTS_PER_SECOND: usize = 100;

/// How long others are looked at in each state, in seconds, unless `CAUSEWAY_CROWD_SECONDS` says otherwise.
const SECONDS: usize = 2;

/// Requests of others at least, of which the slowest hundredth is looked at.
const OTHERS: usize = 200;

/// The longest that these may take: tests assert no speed, only that nobody is shut out.
const OTHERS_MAX: Duration = Duration::from_secs(10);

/// Files that this process needs beside the connections of a crowd.
const OTHER_FILES: u64 = 200;

#[test]
fn idle_connections_and_resets_do_not_shut_others_out() {
    let idle = number("CAUSEWAY_IDLE_CONNECTIONS", IDLE);
    let files = rlimit::increase_nofile_limit(u64::MAX).expect("the limit of open files is known");
    let wanted = idle as u64 + OTHER_FILES;
    assert!(files >= wanted, "{idle} connections need {wanted} open files, and this machine allows {files}");
    let home = Home::new();
    let server = Server::start(&home.data());
    // The first requests of a server find everything cold.
    slowest_hundredth(&server);
    let alone = slowest_hundredth(&server);
    let open = open_idle(&server, idle);
    let with_idle = slowest_hundredth(&server);
    let flood = Flood::default();
    let with_resets = flood.during(server.addresses.otlp_grpc, || slowest_hundredth(&server));
    let again = slowest_hundredth(&server);
    let times = |slow: Duration| slow.as_secs_f64() / alone.as_secs_f64();
    announce(&format!(
        "crowds: p99 of others {alone:.1?} alone; {with_idle:.1?} ({:.1} times) beside {} idle connections; \
         {with_resets:.1?} ({:.1} times) beside these and {} streams reset on {} connections in {} s; \
         {again:.1?} ({:.1} times) after the resets",
        times(with_idle),
        open.len(),
        times(with_resets),
        flood.resets.load(Ordering::Relaxed),
        flood.connections.load(Ordering::Relaxed),
        seconds().as_secs(),
        times(again),
    ));
    let expected = number("CAUSEWAY_RESETS", RESETS) * seconds().as_secs() as usize;
    let resets = flood.resets.load(Ordering::Relaxed);
    assert!(resets >= expected / 2, "only {resets} of {expected} streams were reset");
    assert!([with_idle, with_resets, again].iter().all(|slow| *slow < OTHERS_MAX), "others were shut out");
    // Somebody who comes now is let in, on every listener.
    store(&server, &logs("calm", vec![log("after")]));
    assert_eq!(export_over_grpc(&mut server.otlp_grpc(), "after").0, 0);
    assert_eq!(server.api().get("/readyz").status, 200);
}

/// Where the machine lets the program open few files, a crowd must not take those of the store and of the page.
#[test]
fn a_crowd_leaves_files_to_the_store_and_the_page() {
    let home = Home::new();
    let few = ["sh", "-c", "ulimit -n 128 && exec \"$0\" \"$@\""].map(str::to_owned);
    let server = Setup::new(&home.data()).under(&few).start();
    let mut first = server.otlp_http();
    let export = |body: &str| protobuf_request(&logs("calm", vec![log(body)]));
    assert_stored(&first.send(&export("before")).expect("an answer"));
    // More than there are files. The kernel takes them; most wait for the server to do so.
    let crowd = open_idle(&server, 150);
    assert_stored(&first.send(&export("beside")).expect("who was there first is served"));
    server.api().compact();
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 2);
    assert_eq!(server.api().get("/readyz").status, 200);
    drop(crowd);
    store(&server, &logs("calm", vec![log("after")]));
    assert_eq!(server.api().count("SELECT count(*) FROM logs"), 3);
}

/// Opens connections to both receivers. Half say nothing at all, half of those for gRPC have greeted.
fn open_idle(server: &Server, number: usize) -> Vec<TcpStream> {
    let addresses = [server.addresses.otlp_grpc, server.addresses.otlp_http];
    let open = |number: usize| {
        let address = addresses[number % addresses.len()];
        let mut stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("connection {number} to {address} is not taken: {error}"));
        if number.is_multiple_of(4) {
            stream.write_all(&greeting()).expect("a greeting is taken");
        }
        stream
    };
    (0..number).map(open).collect()
}

/// How long others are looked at in each state.
fn seconds() -> Duration {
    Duration::from_secs(number("CAUSEWAY_CROWD_SECONDS", SECONDS) as u64)
}

/// What the slowest hundredth of the exports takes that others send meanwhile, over HTTP and gRPC by turns.
fn slowest_hundredth(server: &Server) -> Duration {
    let (mut http, mut grpc) = (server.otlp_http(), server.otlp_grpc());
    let request = protobuf_request(&logs("calm", vec![log("others")]));
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < OTHERS || started.elapsed() < seconds() {
        let begun = Instant::now();
        if times.len() % 2 == 0 {
            assert_stored(&http.send(&request).expect("others are answered"));
        } else {
            let (status, said) = export_over_grpc(&mut grpc, "others");
            assert_eq!(status, 0, "{said}");
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn export_over_grpc(client: &mut tests::grpc::Client, body: &str) -> (u32, String) {
    let message = logs("calm", vec![log(body)]).to_protobuf();
    let answer = client.call(&Call::plain(Signal::Logs.grpc_path(), &message)).expect("others are answered");
    (answer.status, answer.message)
}

/// Streams that are opened and reset at once, frame by frame, as many as asked for or as the socket takes; on a new
/// connection whenever the server has had enough of the last.
#[derive(Default)]
struct Flood {
    stop: AtomicBool,
    resets: AtomicUsize,
    connections: AtomicUsize,
}

impl Flood {
    /// Runs while something is done.
    fn during<T>(&self, address: SocketAddr, done: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| self.run(address));
            let result = done();
            self.stop.store(true, Ordering::Relaxed);
            result
        })
    }

    fn run(&self, address: SocketAddr) {
        let per_burst = (number("CAUSEWAY_RESETS", RESETS) / BURSTS_PER_SECOND).max(1);
        let pause = Duration::from_secs(1) / BURSTS_PER_SECOND as u32;
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(mut connection) = TcpStream::connect(address) else { continue };
            self.connections.fetch_add(1, Ordering::Relaxed);
            let mut taken = connection.write_all(&greeting());
            let mut stream = 1;
            while taken.is_ok() && !self.stop.load(Ordering::Relaxed) {
                taken = connection.write_all(&burst(stream, per_burst));
                // A burst that the server no longer took goes to the next connection, and at once.
                if taken.is_ok() {
                    stream += 2 * per_burst as u32;
                    self.resets.fetch_add(per_burst, Ordering::Relaxed);
                    next += pause;
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
        }
    }
}

/// So many streams from this one on, each opened and reset.
fn burst(first: u32, streams: usize) -> Vec<u8> {
    let headers = h2_headers();
    let one = |number: usize| {
        let stream = first + 2 * number as u32;
        // 8 is CANCEL.
        [h2_frame(1, 4, stream, &headers), h2_frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    (0..streams).flat_map(one).collect()
}

/// How a client of HTTP/2 begins.
fn greeting() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), h2_frame(4, 0, 0, &[])].concat()
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
