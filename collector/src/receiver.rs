//! What all doors share: tenant, admission, decoding, the sink, and the counts of what passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use model::ingest::Ingest;
use model::{Answer, Signal, TenantName, UnixNanos};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::auth::{Scope, authenticate};
use crate::body::BodyReader;
use crate::compression::Compression;
use crate::config::Config;
use crate::decode::{
    DecodeError, Decoded, Encoding, Limits, RemoteWrite, Tally, Written, decode, decode_remote_write,
};
use crate::error::ReceiveError;
use crate::families::KnownFamilies;
use crate::ledger::{self, Ledger, Taken};
use crate::series::ActiveSeries;
use crate::sink::{Permit, Sink, SinkError, Stored};

/// The header that names a tenant, where the configuration trusts it.
const TENANT_HEADER: &str = "x-scope-orgid";

/// How much larger than its compressed form a payload is taken to be when room is asked for.
const COMPRESSION_RATIO: usize = 8;

/// How many times the size of a payload is taken for what is made of it: its rows, and a frame of the log.
const ROWS_RATIO: usize = 2;

/// Payloads up to this size, in bytes, are decoded where they arrive; larger ones on a thread that may block.
const INLINE_BYTES_MAX: usize = 32 * 1024;

/// Takes requests, and hands what they hold to the sink.
pub struct Receiver {
    config: Config,
    sink: Arc<dyn Sink>,
    requests: Semaphore,
    decodes: Semaphore,
    counters: [SignalCounters; Signal::ALL.len()],
    ledger: Ledger,
    families: Arc<KnownFamilies>,
    series: Arc<ActiveSeries>,
}

/// What passed since the start, for one signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalCounts {
    /// Which one.
    pub signal: Signal,
    /// Records the sink took, repeats included.
    pub received: u64,
    /// Records rejected one by one.
    pub rejected: u64,
    /// Requests refused as a whole.
    pub refused: u64,
    /// Attributes dropped because their record had too many, or their keys were too long.
    pub attributes_dropped: u64,
    /// Values cut because they were too long or nested too deep.
    pub values_cut: u64,
}

#[derive(Default)]
struct SignalCounters {
    received: AtomicU64,
    rejected: AtomicU64,
    refused: AtomicU64,
    attributes_dropped: AtomicU64,
    values_cut: AtomicU64,
}

/// A payload as it came, and what its headers say of it.
pub(crate) struct Payload {
    pub(crate) signal: Signal,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    pub(crate) bytes: Bytes,
    pub(crate) permit: Permit,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Otlp(Encoding),
    RemoteWrite(RemoteWrite),
}

/// A request that is durable.
pub(crate) struct Accepted {
    pub(crate) answer: Answer,
    /// What was written of a remote write.
    pub(crate) written: Written,
}

/// What a payload became.
struct Read {
    decoded: Decoded,
    written: Written,
    permit: Permit,
}

impl Receiver {
    /// A receiver in front of `sink`. Numbers of `config` that are out of range are brought into it;
    /// [`Config::check`] tells of them.
    pub fn new(config: Config, sink: Arc<dyn Sink>) -> Arc<Self> {
        let config = config.bounded();
        Arc::new(Self {
            requests: Semaphore::new(config.requests_max),
            decodes: Semaphore::new(config.decodes_max),
            counters: Default::default(),
            ledger: Ledger::default(),
            families: Arc::default(),
            series: Arc::new(ActiveSeries::new(config.series_per_metric_max, config.series_max)),
            sink,
            config,
        })
    }

    /// What passed since the start, one entry per signal.
    pub fn counters(&self) -> [SignalCounts; Signal::SENT.len()] {
        Signal::SENT.map(|signal| {
            let counters = self.counters_of(signal);
            let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            SignalCounts {
                signal,
                received: get(&counters.received),
                rejected: get(&counters.rejected),
                refused: get(&counters.refused),
                attributes_dropped: get(&counters.attributes_dropped),
                values_cut: get(&counters.values_cut),
            }
        })
    }

    /// What passed since the start by service, for a tenant.
    pub fn ingest(&self, tenant: &TenantName) -> Ingest {
        self.ledger.of(tenant)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn reader(&self, body: axum::body::Body) -> BodyReader {
        BodyReader::new(body, self.config.request_bytes_max, self.config.body_time_max)
    }

    /// Whose data a request holds.
    pub(crate) fn tenant(&self, headers: &HeaderMap) -> Result<TenantName, ReceiveError> {
        if let Some(tenant) = authenticate(&self.config.tokens, headers, Scope::Write)? {
            return Ok(tenant);
        }
        match headers.get(TENANT_HEADER) {
            Some(name) if self.config.trust_tenant_header => {
                Ok(TenantName::new(&String::from_utf8_lossy(name.as_bytes()))?)
            }
            _ => Ok(TenantName::default()),
        }
    }

    /// A place among the requests taken at once.
    pub(crate) fn enter(&self) -> Result<SemaphorePermit<'_>, ReceiveError> {
        self.requests.try_acquire().map_err(|_full| ReceiveError::Crowded(self.config.requests_max))
    }

    /// Room for a body of `bytes`.
    pub(crate) fn admit(&self, bytes: usize) -> BoxFuture<'_, Result<Permit, SinkError>> {
        self.sink.admit(bytes)
    }

    /// Counts a request that is refused as a whole.
    pub(crate) fn count_refused(&self, signal: Signal, headers: &HeaderMap, error: &ReceiveError) {
        self.ledger.refuse(signal, self.tenant(headers).ok(), error);
        self.counters_of(signal).refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Decodes a payload and stores its rows; what comes back is durable.
    pub(crate) async fn store(
        &self,
        tenant: &TenantName,
        payload: Payload,
    ) -> Result<Accepted, ReceiveError> {
        let signal = payload.signal;
        let Read { decoded, written, permit } = self.decode(tenant, payload).await?;
        let rows = decoded.batch.rows.num_rows() as u64;
        let received = UnixNanos::now();
        let by_service = ledger::rows_of(signal, &decoded.batch.rows, received);
        // Without rows there is nothing to be made durable.
        let Stored { answer, repeat } = match rows {
            0 => Stored { answer: decoded.batch.answer, repeat: false },
            _ => self.sink.write(tenant, decoded.batch, permit).await?,
        };
        let noted: &[Tally] = if repeat { &[] } else { &decoded.noted };
        self.ledger.take(Taken { tenant, signal, received, rows: by_service, noted, repeat });
        let counters = self.counters_of(signal);
        counters.received.fetch_add(rows, Ordering::Relaxed);
        counters.rejected.fetch_add(answer.rejected, Ordering::Relaxed);
        counters.attributes_dropped.fetch_add(decoded.attributes_dropped, Ordering::Relaxed);
        counters.values_cut.fetch_add(decoded.values_cut, Ordering::Relaxed);
        Ok(Accepted { answer, written })
    }

    /// Decodes a payload. The permit goes with it, onto the thread that works, and comes back with the rows: memory
    /// stays counted where the client has gone away meanwhile.
    async fn decode(&self, tenant: &TenantName, mut payload: Payload) -> Result<Read, ReceiveError> {
        // The semaphore is never closed; were it, decoding would go on without it.
        let _turn = self.decodes.acquire().await.ok();
        let limit = self.config.request_bytes_max;
        let limits = self.config.limits();
        let received = UnixNanos::now();
        let inline = payload.compression == Compression::Identity && payload.bytes.len() <= INLINE_BYTES_MAX;
        let expected = match payload.compression {
            Compression::Identity => 0,
            _ => payload.bytes.len().saturating_mul(COMPRESSION_RATIO).min(limit),
        };
        let rows = ROWS_RATIO.saturating_mul(expected.max(payload.bytes.len()));
        payload.permit.decode(expected.saturating_add(rows)).await?;
        let (tenant, families, series) =
            (tenant.clone(), Arc::clone(&self.families), Arc::clone(&self.series));
        let work = move || -> Result<Read, ReceiveError> {
            let Payload { signal, format, compression, bytes, permit } = payload;
            let (bytes, permit) = decompress(bytes, compression, limit, expected, permit)?;
            let mut decoded = match format {
                Format::Otlp(encoding) => decode(signal, bytes, encoding, received, &limits)?,
                Format::RemoteWrite(version) => {
                    remote_write(version, &bytes, received, &limits, &tenant, &families)?
                }
            };
            series.bound(&tenant, &mut decoded, received).map_err(DecodeError::Columns)?;
            let written = match format {
                Format::Otlp(_) => Written::default(),
                Format::RemoteWrite(_) => Written::of(&decoded.batch.rows),
            };
            Ok(Read { decoded, written, permit })
        };
        // A compressed body tells nothing of the work it makes.
        if inline { work() } else { tokio::task::spawn_blocking(work).await? }
    }

    fn counters_of(&self, signal: Signal) -> &SignalCounters {
        &self.counters[usize::from(signal.number()) - 1]
    }
}

/// Decodes a remote write with what is known of its families.
fn remote_write(
    version: RemoteWrite,
    payload: &Bytes,
    received: UnixNanos,
    limits: &Limits,
    tenant: &TenantName,
    families: &KnownFamilies,
) -> Result<Decoded, DecodeError> {
    let families = match version {
        RemoteWrite::V1 => families.with(tenant, payload),
        RemoteWrite::V2 => Arc::default(),
    };
    decode_remote_write(version, payload, received, limits, &families)
}

/// Decompresses a payload that was taken to become `expected` bytes, and takes room for what it is larger.
fn decompress(
    bytes: Bytes,
    compression: Compression,
    limit: usize,
    expected: usize,
    mut permit: Permit,
) -> Result<(Bytes, Permit), ReceiveError> {
    if compression == Compression::Identity {
        return Ok((compression.decompress(bytes, limit, &mut |_| Ok(()))?, permit));
    }
    let mut held = expected;
    let bytes = compression.decompress(bytes, limit, &mut |total| {
        if total > held {
            // Doubled, so that a large payload asks a few times only.
            let more = held.max(total - held);
            permit.grow(more)?;
            held += more;
        }
        Ok(())
    })?;
    // Its rows only now: one that is too large is refused as that, and not for want of room.
    let larger = bytes.len().saturating_sub(expected);
    if larger > 0 {
        permit.grow(larger.saturating_mul(ROWS_RATIO))?;
    }
    Ok((bytes, permit))
}
