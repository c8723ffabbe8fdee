//! Clients that send until the server is gone.

use std::sync::mpsc::Sender;

use bytes::Bytes;
use tests::{
    compress,
    grpc::{self, Call},
    harness::Addresses,
    http::{self, Failure, Request},
    otlp::{Export, Signal, attribute, gauge_of, hex, log, logs, metrics, point, span, traces},
};

/// Most records of a request.
const RECORDS_MAX: usize = 8;

/// What a client sends, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Spans, protobuf over HTTP, gzip.
    HttpSpans,
    /// Spans, gRPC, zstd.
    GrpcSpans,
    /// Log records, JSON over HTTP.
    HttpLogs,
    /// Data points, gRPC.
    GrpcPoints,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::HttpSpans, Self::GrpcSpans, Self::HttpLogs, Self::GrpcPoints];

    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::HttpSpans | Self::GrpcSpans => Signal::Traces,
            Self::HttpLogs => Signal::Logs,
            Self::GrpcPoints => Signal::Metrics,
        }
    }

    fn is_grpc(self) -> bool {
        matches!(self, Self::GrpcSpans | Self::GrpcPoints)
    }
}

/// A request, and the ids of its records.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) kind: Kind,
    pub(crate) service: String,
    pub(crate) ids: Vec<String>,
    body: Bytes,
}

impl Sent {
    fn new(kind: Kind, round: usize, number: usize) -> Self {
        let service = format!("kill-{round}-{}", kind as usize);
        let records = 1 + (number * 5 + round) % RECORDS_MAX;
        let id = |record: usize| record_id(kind, round, number, record);
        let export = export(kind, &service, (0..records).map(id));
        let body = match kind {
            Kind::HttpSpans => compress::gzip(&export.to_protobuf()),
            Kind::GrpcSpans => compress::zstd(&export.to_protobuf()),
            Kind::HttpLogs => export.to_json(),
            Kind::GrpcPoints => export.to_protobuf(),
        };
        let ids = (0..records).map(|record| hex(&id(record))).collect();
        Self { kind, service, ids, body }
    }

    /// Sends these very bytes. The outer result says whether an answer came, the inner whether it was full success.
    pub(crate) fn send(
        &self,
        http: &mut http::Client,
        grpc: &mut grpc::Client,
    ) -> Result<Result<(), String>, Failure> {
        if self.kind.is_grpc() {
            let answer = grpc.call(&self.call())?;
            let full = answer.status == 0 && answer.payload.as_ref().is_some_and(Bytes::is_empty);
            return match (full, answer.status) {
                (true, _) => Ok(Ok(())),
                // Headers came and then the end of the connection: no answer either.
                (false, u32::MAX) => Err(Failure::Late),
                (false, status) => Ok(Err(format!("grpc-status {status}: {}", answer.message))),
            };
        }
        let answer = http.send(&self.request())?;
        let full = answer.status == 200 && matches!(answer.body.as_ref(), b"" | b"{}");
        Ok(if full { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text())) })
    }

    fn call(&self) -> Call {
        let path = self.kind.signal().grpc_path();
        match self.kind {
            Kind::GrpcSpans => Call::compressed(path, "zstd", &self.body),
            _ => Call::plain(path, &self.body),
        }
    }

    fn request(&self) -> Request {
        let path = self.kind.signal().http_path();
        match self.kind {
            Kind::HttpLogs => Request::post(path, "application/json", self.body.clone()),
            _ => Request::post(path, "application/x-protobuf", self.body.clone())
                .header("content-encoding", "gzip"),
        }
    }
}

/// Sends until there is no answer: what was acknowledged, and the one request that was not answered.
pub(crate) fn until_killed(
    kind: Kind,
    addresses: Addresses,
    round: usize,
    acknowledged: &Sender<()>,
) -> (Vec<Sent>, Option<Sent>) {
    let mut http = http::Client::new(addresses.otlp_http);
    let mut grpc = grpc::Client::new(addresses.otlp_grpc);
    let mut done = Vec::new();
    for number in 0.. {
        let sent = Sent::new(kind, round, number);
        match sent.send(&mut http, &mut grpc) {
            Ok(full) => full.unwrap_or_else(|error| panic!("round {round}, {kind:?}: {error}")),
            Err(_) => return (done, Some(sent)),
        }
        done.push(sent);
        // Nobody counts any more once the kill is decided.
        let _ = acknowledged.send(());
    }
    (done, None)
}

/// Eight bytes that no other record has.
fn record_id(kind: Kind, round: usize, number: usize, record: usize) -> [u8; 8] {
    let parts = [(round as u64 + 1) << 48, (kind as u64) << 40, (record as u64) << 32, number as u64];
    parts.iter().sum::<u64>().to_be_bytes()
}

fn export(kind: Kind, service: &str, ids: impl Iterator<Item = [u8; 8]>) -> Export {
    match kind.signal() {
        Signal::Traces => traces(
            service,
            ids.map(|id| span([id, id].concat().try_into().expect("16 bytes"), id, "work")).collect(),
        ),
        Signal::Logs => {
            let record = |id: [u8; 8]| {
                let mut record = log("work done");
                record.attributes = vec![attribute("id", hex(&id).as_str())];
                record
            };
            logs(service, ids.map(record).collect())
        }
        Signal::Metrics => {
            let point = |id: [u8; 8]| {
                let mut point = point(1.0);
                point.attributes = vec![attribute("id", hex(&id).as_str())];
                point
            };
            metrics(service, vec![gauge_of("work", ids.map(point).collect())])
        }
    }
}
