//! Sends the files of a directory: as they are, or with a part left out.
//!
//! A directory has the folders `traces`, `logs` and `metrics` of `*.pb.zst`, each one export request, compressed.

use std::fs;
use std::path::{Path, PathBuf};

use ::tests::otlp::Signal;
use anyhow::{Context, Result};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::subject::Subject;

/// The folders of a directory.
const FOLDERS: [(Signal, &str); 3] =
    [(Signal::Metrics, "metrics"), (Signal::Traces, "traces"), (Signal::Logs, "logs")];

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Everything.
    All,
    /// Every other trace, with its logs.
    HalfTraces,
    /// All but logs.
    NoLogs,
    /// All but metrics.
    NoMetrics,
}

impl Keep {
    fn leaves_out(self, signal: Signal) -> bool {
        matches!((self, signal), (Self::NoLogs, Signal::Logs) | (Self::NoMetrics, Signal::Metrics))
    }
}

/// Sends a directory.
pub(super) fn directory(subject: &mut Subject, directory: &Path, keep: Keep) -> Result<()> {
    for (signal, folder) in FOLDERS.into_iter().filter(|(signal, _)| !keep.leaves_out(*signal)) {
        for path in files(&directory.join(folder))? {
            let body = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            match keep {
                Keep::HalfTraces if signal != Signal::Metrics => {
                    subject.send(signal, half(signal, &body)?, None)?;
                }
                _ => subject.send(signal, body.into(), Some("zstd"))?,
            }
        }
    }
    Ok(())
}

/// The files of a folder in the order of their names; none if there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let cannot = || format!("cannot list {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        paths.push(entry.with_context(cannot)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "zst"));
    paths.sort();
    Ok(paths)
}

/// A request with the records of every other trace.
fn half(signal: Signal, compressed: &[u8]) -> Result<Bytes> {
    let body = zstd::decode_all(compressed).context("a file is not zstd")?;
    let what = "a file is no export request";
    if signal == Signal::Logs {
        let mut request = ExportLogsServiceRequest::decode(body.as_slice()).context(what)?;
        for scope in request.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs) {
            scope.log_records.retain(|log| is_kept(&log.trace_id));
        }
        return Ok(request.encode_to_vec().into());
    }
    let mut request = ExportTraceServiceRequest::decode(body.as_slice()).context(what)?;
    for scope in request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans) {
        scope.spans.retain(|span| is_kept(&span.trace_id));
    }
    Ok(request.encode_to_vec().into())
}

/// Half of all trace ids, by the parity of their bits; always that without one.
fn is_kept(trace_id: &[u8]) -> bool {
    trace_id.iter().map(|byte| byte.count_ones()).sum::<u32>().is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    #[test]
    fn half_of_the_traces_are_kept() {
        let span = |id: u8| Span { trace_id: vec![id], ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: (0..=255).map(span).collect(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let compressed = zstd::encode_all(request.as_slice(), 1).unwrap();
        let half = half(Signal::Traces, &compressed).unwrap();
        let half = ExportTraceServiceRequest::decode(half).unwrap();
        let spans = &half.resource_spans[0].scope_spans[0].spans;
        assert_eq!(spans.len(), 128);
        assert!(spans.iter().all(|span| span.trace_id[0].count_ones() % 2 == 0));
        assert!(is_kept(&[]));
    }

    #[test]
    fn what_is_left_out() {
        assert!(Keep::NoLogs.leaves_out(Signal::Logs) && !Keep::NoLogs.leaves_out(Signal::Traces));
        assert!(Keep::NoMetrics.leaves_out(Signal::Metrics) && !Keep::All.leaves_out(Signal::Metrics));
    }
}
