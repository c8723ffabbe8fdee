//! Who is measured: the program, started for it on a directory of its own, or a server that runs already.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tempfile::TempDir;

use crate::cli::ServerArgs;
use crate::client::http::Connection;
use crate::client::{Compression, Protocol, Target, split_url};
use crate::load::Signal;
use crate::procfs::{self, Usage};
use crate::progress::say;
use crate::server::{Program, Server};

/// Who is measured, and where all of it is.
pub(crate) struct Subject {
    /// What it is called in tables.
    pub(crate) name: String,
    /// Its process, if known.
    pub(crate) pid: Option<u32>,
    /// Where it keeps everything, if known.
    pub(crate) data: Option<PathBuf>,
    otlp: Otlp,
    headers: Vec<(String, String)>,
    /// Host, port and path that make it merge.
    compact: Option<(String, String)>,
    /// Before its directory, so that it ends first.
    server: Option<Server>,
    _directory: Option<TempDir>,
}

enum Otlp {
    /// By protocol.
    Own { http: String, grpc: String },
    /// One address for all.
    Other { address: String, path: Option<String> },
}

impl Subject {
    /// Starts the program, or takes the server at the address.
    pub(crate) fn new(args: &ServerArgs) -> Result<Self> {
        match &args.url {
            Some(url) => Self::other(url, args),
            None => {
                let program = Program::find(args.program.as_deref(), args.memory.map(|size| size.0))?;
                let mut subject = Self::own(&program, args.dir.as_deref())?;
                subject.headers.clone_from(&args.headers);
                Ok(subject)
            }
        }
    }

    /// Starts the program on a fresh directory.
    pub(crate) fn own(program: &Program, dir: Option<&Path>) -> Result<Self> {
        let directory = directory(dir)?;
        let data = directory.path().join("data");
        let server = Server::start(program, &data, None)?;
        Ok(Self {
            name: program.version(),
            pid: Some(server.pid()),
            data: Some(data),
            otlp: Otlp::Own { http: server.otlp_http.clone(), grpc: server.otlp_grpc.clone() },
            headers: Vec::new(),
            compact: Some((server.http.clone(), "/api/compact".to_owned())),
            server: Some(server),
            _directory: Some(directory),
        })
    }

    fn other(url: &str, args: &ServerArgs) -> Result<Self> {
        let (address, path) = split_url(url)?;
        let compact = args.compact_url.as_deref().map(split_url).transpose()?;
        let compact = compact.map(|(address, path)| (address, path.unwrap_or_else(|| "/".to_owned())));
        if let Some(data) = args.data_dir.as_ref().filter(|data| !data.is_dir()) {
            bail!("there is no directory {}", data.display());
        }
        if let Some(pid) = args.pid {
            procfs::usage(pid)?;
        }
        Ok(Self {
            name: url.to_owned(),
            pid: args.pid,
            data: args.data_dir.clone(),
            otlp: Otlp::Other { address, path },
            headers: args.headers.clone(),
            compact,
            server: None,
            _directory: None,
        })
    }

    /// Where it is sent a signal by a protocol.
    pub(crate) fn target(&self, signal: Signal, protocol: Protocol, compression: Compression) -> Target {
        let (address, path) = match &self.otlp {
            Otlp::Own { grpc, .. } if protocol == Protocol::Grpc => (grpc, None),
            Otlp::Own { http, .. } => (http, None),
            Otlp::Other { address, path } => (address, path.as_deref()),
        };
        let mut target = Target::new(address, path, signal, protocol, compression);
        target.headers.clone_from(&self.headers);
        target
    }

    /// What its process has used so far, if the process is known.
    pub(crate) fn usage(&self) -> Result<Option<Usage>> {
        self.pid.map(procfs::usage).transpose()
    }

    /// Waits until it is idle, if its process is known.
    pub(crate) async fn settled(&self) -> Result<Option<Usage>> {
        let Some(pid) = self.pid else { return Ok(None) };
        let mut progress = crate::progress::Progress::new("waiting until the server is idle");
        let mut show = |waited: std::time::Duration| progress.show(&format!("{} s", waited.as_secs()));
        procfs::settled(pid, &mut show).await.map(Some)
    }

    /// Makes it merge what it has; false if it is not known how.
    pub(crate) async fn compact(&self) -> Result<bool> {
        let Some((address, path)) = &self.compact else { return Ok(false) };
        say("compacting");
        compact(address, path).await?;
        Ok(true)
    }

    /// Ends it, if it was started here.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Server::stop)
    }
}

/// Asks a server to merge what it has, and waits for its answer.
pub(crate) async fn compact(address: &str, path: &str) -> Result<()> {
    let reply = Connection::new(address).request("POST", path, &[], Bytes::new()).await?;
    if !(200..300).contains(&reply.status) {
        bail!("POST {path} was answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
    }
    Ok(())
}

/// A directory for the time of a benchmark, in `dir` or where the system has such.
pub(crate) fn directory(dir: Option<&Path>) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("causeway-bench-");
    let made = dir.map_or_else(|| builder.tempdir(), |dir| builder.tempdir_in(dir));
    made.context("cannot make a directory for the data: name another by --dir")
}
