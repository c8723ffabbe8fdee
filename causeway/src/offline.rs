//! A data directory as if a server stood before it: its APIs and pages over a store opened in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::{Extension, Router};
use collector::Receiver;
use model::{Reader, TenantName};
use query::{Engine, Limits};
use storage::{Options, Store};

use crate::config::DASHBOARDS;
use crate::sink::StoreSink;

/// The memory that a command may use, in bytes.
const MEMORY_BYTES: usize = 2 << 30;

/// Opens a data directory. To read, nothing in it is changed; to write, it is taken as a server would.
pub(crate) fn open(data: &Path, write: bool) -> anyhow::Result<Router> {
    let options = Options::for_memory(MEMORY_BYTES);
    let store = if write {
        anyhow::ensure!(data.join("catalog.sqlite").exists(), "{} holds no data of causeway", data.display());
        Store::open(data, options)?
    } else {
        Store::open_read_only(data, options)?
    };
    let receiver = Receiver::new(collector::Config::default(), Arc::new(StoreSink::new(store.clone())));
    let engine = Engine::new(store, Limits { nice: 0, ..Limits::default() })?;
    let diagnostics = diagnosis::Diagnostics::new(engine.clone());
    // Nobody listens: only files are made of pages here, which do not say where exporters send to.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let pages = ui::router(ui::Ui {
        engine: engine.clone(),
        diagnostics: diagnostics.clone(),
        dashboards: ui::Dashboards::new(data.join(DASHBOARDS), engine.promql_options()),
        endpoints: ui::Endpoints { otlp_grpc: nowhere, otlp_http: nowhere },
        version: env!("CARGO_PKG_VERSION"),
    });
    let mut router = query::router(engine).merge(diagnosis::router(diagnostics)).merge(pages);
    if write {
        router = router.nest("/api/import", collector::http_router(receiver));
    }
    Ok(router.layer(Extension(Reader::of(TenantName::default()))))
}
