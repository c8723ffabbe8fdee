//! gRPC over one connection, with messages that are bytes already.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::{Answer, Code, Compression, Target, partial};

/// How long a request may take.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(300);

/// A connection, made with the first request and anew after it broke.
pub(crate) struct Connection {
    grpc: tonic::client::Grpc<Channel>,
    path: PathAndQuery,
}

impl Connection {
    /// One to this target.
    pub(super) fn new(target: &Target) -> Result<Self> {
        let address = format!("http://{}", target.address);
        let endpoint = Endpoint::from_shared(address).context("this is no address to send to")?;
        let channel = endpoint.tcp_nodelay(true).timeout(REQUEST_TIME_MAX).connect_lazy();
        let path = target.path.parse().with_context(|| format!("{} is no path", target.path))?;
        let grpc = tonic::client::Grpc::new(channel);
        let grpc = match target.compression {
            Compression::None => grpc,
            Compression::Gzip => grpc.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => grpc.send_compressed(CompressionEncoding::Zstd),
        };
        Ok(Self { grpc, path })
    }

    /// Sends a message and reads the answer; an error means that no server answered.
    pub(super) async fn send(&mut self, target: &Target, body: Bytes) -> Result<Answer> {
        self.grpc.ready().await.with_context(|| format!("cannot reach {}", target.address))?;
        let mut request = Request::new(body);
        for (name, value) in &target.headers {
            let name: MetadataKey<_> = name.parse().with_context(|| format!("{name} is no header"))?;
            let value: MetadataValue<_> = value.parse().with_context(|| format!("{value} is no value"))?;
            request.metadata_mut().insert(name, value);
        }
        match self.grpc.unary(request, self.path.clone(), RawCodec).await {
            Ok(answer) => {
                let (rejected, message) = partial(target.signal, answer.get_ref())?;
                Ok(Answer { code: Code::Grpc(0), rejected, message })
            }
            // A status that the client made up itself, because the connection broke, has a cause.
            Err(status) if std::error::Error::source(&status).is_some() => {
                Err(anyhow::Error::from(status).context(format!("no answer of {}", target.address)))
            }
            Err(status) => {
                let code = Code::Grpc(status.code() as i32);
                Ok(Answer { code, rejected: 0, message: status.message().to_owned() })
            }
        }
    }
}

/// Messages that are written and read elsewhere.
#[derive(Debug, Clone, Copy, Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}
