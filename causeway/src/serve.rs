//! `causeway serve`: binds, opens the store, wires the rooms together, and ends cleanly.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use collector::{Listener, Receiver};

use diagnosis::Diagnostics;
use query::{Engine, Limits};
use storage::{MemoryBudget, Options, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::cli::ServeArgs;
use crate::config::Config;
use crate::guard::{self, Guard};
use crate::listen::{self, ReadBuffer};
use crate::places::Places;
use crate::sink::StoreSink;

/// How long open requests may take to end once the program is told to stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// What `serve` ends with when it could not start.
pub(crate) const FAILED: u8 = 3;

/// Runs until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    log_to_standard_error();
    let served = Config::load(args).and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(config))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causeway: {}", one_line(&error));
            ExitCode::from(FAILED)
        }
    }
}

/// An error with its causes in one line, each said once, and what a parser laid out over several lines joined.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(&cause);
        }
    }
    let parts: Vec<&str> = line.lines().map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

pub(crate) fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CAUSEWAY_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}

/// A bound listener with its name and address.
struct Bound {
    name: &'static str,
    listener: TcpListener,
    address: SocketAddr,
}

async fn bind(name: &'static str, address: &str) -> anyhow::Result<Bound> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for {name}"))?;
    let address = listener.local_addr()?;
    Ok(Bound { name, listener, address })
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Signals first: one that comes while the log is read must end in a clean stop, too.
    let stop = CancellationToken::new();
    tokio::spawn(wait_for_signal(stop.clone()));
    serve_until(config, stop, |_| {}).await
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    /// The page and the query APIs
    pub(crate) http: SocketAddr,
    /// OTLP over HTTP
    pub(crate) otlp_http: SocketAddr,
}

/// Serves until it is told to stop, and says where it listens once it does.
pub(crate) async fn serve_until(
    config: Config,
    stop: CancellationToken,
    ready: impl FnOnce(Addresses),
) -> anyhow::Result<()> {
    let http = bind("http", &config.listen).await?;
    let otlp_grpc = bind("otlp-grpc", &config.otlp_grpc).await?;
    let otlp_http = bind("otlp-http", &config.otlp_http).await?;
    let budget = MemoryBudget::of_process(config.memory_bytes);
    let options = Options { retention: config.retention, ..Options::within(budget) };
    let data = config.data.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&data, options)).await??;
    let bound = [&http, &otlp_grpc, &otlp_http];
    let addresses: Vec<String> =
        bound.iter().map(|bound| format!("{} {}", bound.name, bound.address)).collect();
    let holder = format!("causeway serve, process {}, {}", std::process::id(), addresses.join(", "));
    store.describe_holder(&holder)?;
    for address in &addresses {
        eprintln!("listening {address}");
    }
    eprintln!("ready");
    let receiver = Receiver::new(config.collector.clone(), Arc::new(StoreSink::new(store.clone())));
    let limits = Limits { nice: config.query_nice, promql: config.promql, ..Limits::default() };
    let engine = Engine::new(store.clone(), limits)?;
    let counts = Arc::clone(&receiver);
    let engine = engine.with_ingest(Arc::new(move |tenant| counts.ingest(tenant)));
    let listening = Addresses { http: http.address, otlp_http: otlp_http.address };
    let diagnostics = Diagnostics::new(engine.clone());
    tokio::spawn(diagnosis::watch(diagnostics.clone(), stop.clone()));
    let servers =
        spawn_servers(&config, receiver, (engine.clone(), diagnostics), http, otlp_grpc, otlp_http, &stop)?;
    ready(listening);
    stop.cancelled().await;
    // Requests that never end by themselves.
    engine.end_tails();
    let drained = tokio::time::timeout(DRAIN_TIME_MAX, futures::future::join_all(servers)).await;
    if drained.is_err() {
        tracing::warn!(
            seconds = DRAIN_TIME_MAX.as_secs(),
            "requests were still open when the time to end them was over"
        );
    }
    tokio::task::spawn_blocking(move || store.close()).await??;
    Ok(())
}

/// Starts the three listeners.
fn spawn_servers(
    config: &Config,
    receiver: Arc<Receiver>,
    (engine, diagnostics): (Engine, Diagnostics),
    http: Bound,
    otlp_grpc: Bound,
    otlp_http: Bound,
    stop: &CancellationToken,
) -> anyhow::Result<[tokio::task::JoinHandle<()>; 3]> {
    let endpoints = ui::Endpoints { otlp_grpc: otlp_grpc.address, otlp_http: otlp_http.address };
    let exports = collector::http_router(Arc::clone(&receiver));
    let writes = collector::remote_write_router(Arc::clone(&receiver));
    let page = page(config, engine, diagnostics, (exports.clone(), writes), endpoints);
    let stopped = || stop.clone().cancelled_owned();
    let places = Places::of_process();
    let exporters = |bound: Bound| {
        Listener::new(bound.listener, Arc::clone(&places.exporters), Some(collector::SILENCE_MAX))
    };
    // The page's connections may be silent for as long as an answer takes, such as that to a long compaction.
    let people = Listener::new(http.listener, Arc::clone(&places.people), None);
    let grpc = collector::serve_grpc(exporters(otlp_grpc), Arc::clone(&receiver), stopped());
    let grpc = async move {
        if let Err(error) = grpc.await {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "the listener otlp-grpc ended"
            );
        }
    };
    let otlp_http = exporters(otlp_http);
    Ok([
        tokio::spawn(listen::serve(people, page, ReadBuffer::PEOPLE, stopped())),
        tokio::spawn(grpc),
        tokio::spawn(listen::serve(otlp_http, exports, ReadBuffer::EXPORTERS, stopped())),
    ])
}

/// Everything on the page's listener, behind its guard. Who writes needs no token that reads.
fn page(
    config: &Config,
    engine: Engine,
    diagnostics: Diagnostics,
    (exports, writes): (Router, Router),
    endpoints: ui::Endpoints,
) -> Router {
    let guard = Guard { hosts: config.hosts.clone().into(), tokens: config.collector.tokens.clone().into() };
    let pages = ui::router(ui::Ui {
        engine: engine.clone(),
        diagnostics: diagnostics.clone(),
        dashboards: ui::Dashboards::new(&config.dashboards, engine.promql_options()),
        endpoints,
        version: env!("CARGO_PKG_VERSION"),
    });
    let router = query::router(engine)
        .merge(diagnosis::router(diagnostics))
        .nest("/api/import", exports)
        .merge(pages)
        .layer(axum::middleware::from_fn_with_state(guard.clone(), guard::check))
        .merge(writes.layer(axum::middleware::from_fn_with_state(guard, guard::check_origin)))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::new());
    ui::security_headers(router)
}

pub(crate) async fn wait_for_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "cannot wait for SIGTERM");
            return;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
    // Whoever asks twice does not want to wait. What was acknowledged is in the log.
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopped before everything was put away; the log has it");
    std::process::exit(i32::from(FAILED));
}
