//! A data directory as if a server stood before it: the APIs of queries and diagnosis over a store opened in this process.

use std::path::Path;

use axum::{Extension, Router};
use model::{Reader, TenantName};
use query::{Engine, Limits};
use storage::{Options, Store};

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
    let engine = Engine::new(store, Limits { nice: 0, ..Limits::default() })?;
    let diagnosis = diagnosis::router(diagnosis::Diagnostics::new(engine.clone()));
    Ok(query::router(engine).merge(diagnosis).layer(Extension(Reader::of(TenantName::default()))))
}
