//! `causeway demo`: the shop in real time, with a server in the same process where none listens.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use demo::fault::{Fault, LABELS};
use demo::live::{Shop, Visits};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::{DemoArgs, ServeArgs};
use crate::config::{Config, LISTEN, OTLP_HTTP};
use crate::serve::{self, Addresses, FAILED, log_to_standard_error, one_line, wait_for_signal};

/// How often the demo says how the shop does.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often it looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a connection to a server may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs until it is told to stop.
pub(crate) fn run(args: &DemoArgs) -> ExitCode {
    if args.list {
        return match io::stdout().lock().write_all(list().as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error.into()),
            _ => ExitCode::SUCCESS,
        };
    }
    log_to_standard_error();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(demo(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("causeway: {}", one_line(error));
    ExitCode::from(FAILED)
}

/// The faults, for reading.
fn list() -> String {
    let mut text = String::new();
    for label in &LABELS {
        text.push_str(&format!(
            "{:<14} {}\n{:<14} {}: {}, {}\n",
            label.name,
            label.what,
            "",
            label.place(),
            label.kind,
            label.target
        ));
    }
    text
}

/// Where the shop sends to.
struct Receiver {
    /// OTLP over HTTP
    url: String,
    /// The page, where it is known
    page: Option<String>,
    /// The server of this process
    server: Option<Server>,
}

/// A server in this process.
struct Server {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

async fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    tokio::spawn(wait_for_signal(stop.clone()));
    let mut receiver = receiver(args).await?;
    eprintln!("demo: {:.1} requests a second; telemetry goes to {}", args.rate, receiver.url);
    if let Some(page) = &receiver.page {
        eprintln!("demo: open {page}");
    }
    let shop = Shop::open(&receiver.url, args.rate).await?;
    for (instance, address) in shop.addresses() {
        tracing::info!(%instance, %address, "listens");
    }
    eprintln!(
        "demo: the shop is open: {} instances listen on loopback; Ctrl-C closes it",
        shop.addresses().len()
    );
    let ended = watch(args, &shop, receiver.page.as_deref(), receiver.server.as_mut(), &stop).await;
    eprintln!("demo: the shop closes");
    shop.close().await;
    if let (Some(server), Ok(())) = (receiver.server, &ended) {
        server.stop.cancel();
        server.task.await.context("the server ended")??;
    }
    ended
}

/// Finds the server that the shop sends to, or starts one.
async fn receiver(args: &DemoArgs) -> anyhow::Result<Receiver> {
    if let Some(url) = &args.url {
        let place = place(url)
            .with_context(|| format!("{url} is no address to send to: write it as http://HOST:PORT"))?;
        connect(&place).await.with_context(|| format!("no one listens on {place}"))?;
        return Ok(Receiver { url: url.clone(), page: None, server: None });
    }
    let otlp_http = args.otlp_http.as_deref().unwrap_or(OTLP_HTTP);
    if connect(otlp_http).await.is_ok() {
        eprintln!("demo: a server listens on {otlp_http} already");
        let page = format!("http://{}/", args.listen.as_deref().unwrap_or(LISTEN));
        return Ok(Receiver { url: format!("http://{otlp_http}"), page: Some(page), server: None });
    }
    eprintln!(
        "demo: no server listens on {otlp_http}: starting one on the data directory {}",
        args.data.display()
    );
    let (server, addresses) = start_server(args).await?;
    Ok(Receiver {
        url: format!("http://{}", addresses.otlp_http),
        page: Some(format!("http://{}/", addresses.http)),
        server: Some(server),
    })
}

/// The host and port of an address.
fn place(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let ports = [("http", 80), ("https", 443)];
    let (_, port) = ports.into_iter().find(|(scheme, _)| uri.scheme_str() == Some(scheme))?;
    Some(format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(port)))
}

/// Whether someone listens.
async fn connect(place: &str) -> io::Result<()> {
    tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(place)).await??;
    Ok(())
}

async fn start_server(args: &DemoArgs) -> anyhow::Result<(Server, Addresses)> {
    let config = Config::load(ServeArgs {
        data: Some(args.data.clone()),
        listen: args.listen.clone(),
        otlp_grpc: args.otlp_grpc.clone(),
        otlp_http: args.otlp_http.clone(),
        ..ServeArgs::default()
    })?;
    let stop = CancellationToken::new();
    let (ready, addresses) = oneshot::channel();
    let task = tokio::spawn(serve::serve_until(config, stop.clone(), |addresses| {
        let _ = ready.send(addresses);
    }));
    match addresses.await {
        Ok(addresses) => Ok((Server { stop, task }, addresses)),
        Err(_) => match task.await? {
            Err(error) => Err(error),
            Ok(()) => bail!("the server ended before it was ready"),
        },
    }
}

/// Where the demo stands with its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Broken,
    Over,
}

impl Phase {
    /// Where it stands so long after the start.
    fn at(args: &DemoArgs, since_start: Duration) -> Self {
        match (args.fault, args.lasts) {
            (None, _) => Self::Before,
            (Some(_), _) if since_start < args.after => Self::Before,
            (Some(_), Some(lasts)) if since_start >= args.after + lasts => Self::Over,
            (Some(_), _) => Self::Broken,
        }
    }
}

/// Switches the fault on and off at its times, and says every few seconds how the shop does.
async fn watch(
    args: &DemoArgs,
    shop: &Shop,
    page: Option<&str>,
    mut server: Option<&mut Server>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (begun, mut told, mut phase) = (Instant::now(), Instant::now(), Phase::Before);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return Ok(()),
            ended = ended(&mut server) => return ended,
        }
        let next = Phase::at(args, begun.elapsed());
        if let (Some(fault), true) = (args.fault, next != phase) {
            shop.switch(fault, next == Phase::Broken);
            eprintln!("{}", turned(fault, next, page));
        }
        phase = next;
        if told.elapsed() >= TELL_EVERY {
            eprintln!("{}", tell(args, shop.visits(), told.elapsed(), phase, begun.elapsed()));
            told = Instant::now();
        }
    }
}

/// Waits for the end of the server, if there is one.
async fn ended(server: &mut Option<&mut Server>) -> anyhow::Result<()> {
    let Some(server) = server else { return std::future::pending().await };
    (&mut server.task).await??;
    bail!("the server ended")
}

/// What is said when a fault is switched on or off.
fn turned(fault: Fault, phase: Phase, page: Option<&str>) -> String {
    if phase != Phase::Broken {
        return format!("demo: the fault {fault} is off");
    }
    let label = fault.label();
    let mut said = format!("demo: the fault {fault} is on: {}\n", label.what);
    said.push_str(&format!("demo: right is: {}, kind {}, {}\n", label.place(), label.kind, label.target));
    match page {
        Some(page) => {
            let url = match page == format!("http://{LISTEN}/") {
                true => String::new(),
                false => format!(" --url {}", page.trim_end_matches('/')),
            };
            said.push_str(&format!("demo: in a minute, open {page} or run `causeway why --since 10m{url}`"));
        }
        None => said.push_str("demo: in a minute, ask the server that gets the telemetry"),
    }
    said
}

/// How the shop does.
fn tell(args: &DemoArgs, visits: Visits, over: Duration, phase: Phase, since_start: Duration) -> String {
    let rate = visits.count as f64 / over.as_secs_f64().max(f64::EPSILON);
    let failed = 100.0 * visits.failed as f64 / visits.count.max(1) as f64;
    let fault = match (args.fault, phase) {
        (None, _) => "nothing is broken".to_owned(),
        (Some(fault), Phase::Before) => {
            let left = args.after.saturating_sub(since_start).as_secs();
            format!("{fault} in {left} s")
        }
        (Some(fault), Phase::Broken) => {
            let since = since_start.saturating_sub(args.after).as_secs();
            format!("{fault} since {since} s")
        }
        (Some(fault), Phase::Over) => format!("{fault} is over"),
    };
    format!(
        "demo: {rate:.1} requests a second, {failed:.1} % failed, {} ms in the mean; {fault}",
        visits.mean.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(line: &str) -> DemoArgs {
        match Cli::try_parse_from(std::iter::once("causeway").chain(line.split(' '))).unwrap().command {
            Command::Demo(args) => args,
            _ => panic!("{line}"),
        }
    }

    #[test]
    fn a_fault_comes_and_goes() {
        use Phase::{Before, Broken, Over};
        for (line, phases) in [
            ("demo", [Before, Before, Before, Before]),
            ("demo --fault cpu", [Before, Before, Before, Before]),
            ("demo --fault cpu --after 1m", [Before, Broken, Broken, Broken]),
            ("demo --fault cpu --after 10s --for 2m", [Broken, Broken, Broken, Over]),
            ("demo --fault cpu --after 0s --for 90s", [Broken, Broken, Over, Over]),
        ] {
            let at = |seconds| Phase::at(&args(line), Duration::from_secs(seconds));
            assert_eq!([at(10), at(60), at(100), at(130)], phases, "{line}");
        }
    }

    #[test]
    fn addresses_to_send_to() {
        for (url, expected) in [
            ("http://127.0.0.1:4318", Some("127.0.0.1:4318")),
            ("http://collector.example/", Some("collector.example:80")),
            ("https://collector.example/otlp", Some("collector.example:443")),
            ("http://[::1]:4318", Some("[::1]:4318")),
            ("127.0.0.1:4318", None),
            ("collector", None),
            ("", None),
        ] {
            assert_eq!(place(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn it_says_what_is_right() {
        let said = turned(Fault::SlowQuery, Phase::Broken, Some("http://127.0.0.1:4319/"));
        assert!(said.contains("right is: orders, kind dependency, edge orders to postgresql/shop"), "{said}");
        assert!(said.ends_with("open http://127.0.0.1:4319/ or run `causeway why --since 10m`"), "{said}");
        let said = turned(Fault::SlowQuery, Phase::Broken, Some("http://127.0.0.1:5000/"));
        assert!(said.ends_with("`causeway why --since 10m --url http://127.0.0.1:5000`"), "{said}");
        assert_eq!(turned(Fault::Cpu, Phase::Over, None), "demo: the fault cpu is off");
        let visits = Visits { count: 120, failed: 3, mean: Duration::from_millis(41) };
        let told = tell(
            &args("demo --fault cpu"),
            visits,
            Duration::from_secs(10),
            Phase::Before,
            Duration::from_secs(20),
        );
        assert_eq!(told, "demo: 12.0 requests a second, 2.5 % failed, 41 ms in the mean; cpu in 220 s");
        assert_eq!(list().lines().count(), 2 * LABELS.len());
    }
}
