//! What can go wrong with a request, and what it is called over HTTP and gRPC.

use std::time::Duration;

use http::StatusCode;
use model::TenantNameError;
use tonic::Code;

use crate::auth::AuthError;
use crate::compression::CompressionError;
use crate::decode::DecodeError;
use crate::sink::SinkError;

/// How long a client is asked to wait where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("nothing is at {0:?}: traces, logs and metrics go to /v1/traces, /v1/logs and /v1/metrics")]
    NotFound(String),
    #[error("the method {0} is not allowed here: POST is")]
    Method(String),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("the header X-Scope-OrgID is refused: {0}")]
    Tenant(#[from] TenantNameError),
    #[error("the content type {found:?} is not supported: send {expected}")]
    ContentType { found: String, expected: &'static str },
    #[error("the compression {found:?} is not supported: send {expected}")]
    Compression { found: String, expected: &'static str },
    #[error("{0} requests are being taken already")]
    Crowded(usize),
    #[error("the request is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the request is larger than {limit} bytes after decompression")]
    TooLargeInside { limit: usize },
    #[error("the body did not arrive within {} seconds", .0.as_secs_f64())]
    Slow(Duration),
    #[error("the body could not be read: {0}")]
    Body(String),
    #[error("the gRPC message is not valid: {0}")]
    Frame(&'static str),
    #[error("the body could not be decompressed: {0}")]
    Damaged(std::io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("a task of the receiver failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<CompressionError> for ReceiveError {
    fn from(error: CompressionError) -> Self {
        match error {
            CompressionError::TooLarge(limit) => Self::TooLargeInside { limit },
            CompressionError::Damaged(error) => Self::Damaged(error),
            CompressionError::Room(error) => Self::Sink(error),
        }
    }
}

impl ReceiveError {
    /// The kind of it in a few words, of which there is a fixed number.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "wrong path",
            Self::Method(_) => "wrong method",
            Self::Auth(_) => "not allowed",
            Self::Tenant(_) => "wrong tenant",
            Self::ContentType { .. } => "content type",
            Self::Compression { .. } => "compression",
            Self::Crowded(_) => "too many at once",
            Self::TooLarge { .. } | Self::TooLargeInside { .. } => "too large",
            Self::Slow(_) => "too slow",
            Self::Body(_) | Self::Frame(_) => "broken body",
            Self::Damaged(_) => "damaged compression",
            Self::Decode(DecodeError::RemoteWrite { .. }) => "not remote write",
            Self::Decode(_) => "not OTLP",
            Self::Sink(SinkError::Busy { .. }) => "no room",
            Self::Sink(SinkError::Unavailable { .. }) => "nothing can be stored",
            Self::Sink(SinkError::Invalid(_)) => "can never be stored",
            Self::Task(_) => "a fault of the program",
        }
    }

    /// The HTTP status.
    pub(crate) fn http(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Auth(AuthError::Forbidden { .. }) => StatusCode::FORBIDDEN,
            Self::Auth(_) => StatusCode::UNAUTHORIZED,
            Self::ContentType { .. } | Self::Compression { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::TooLargeInside { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Crowded(_) | Self::Sink(SinkError::Busy { .. }) => StatusCode::TOO_MANY_REQUESTS,
            // Not 408: OTLP clients give up on it, and the data would be lost to a slow network.
            Self::Slow(_) | Self::Sink(SinkError::Unavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Task(_) | Self::Decode(DecodeError::Columns(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Tenant(_)
            | Self::Body(_)
            | Self::Frame(_)
            | Self::Damaged(_)
            | Self::Decode(_)
            | Self::Sink(SinkError::Invalid(_)) => StatusCode::BAD_REQUEST,
        }
    }

    /// The gRPC code; a `google.rpc.Status` over HTTP carries it too.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Compression { .. } => Code::Unimplemented,
            _ => match self.http() {
                StatusCode::NOT_FOUND => Code::NotFound,
                StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
                StatusCode::UNAUTHORIZED => Code::Unauthenticated,
                StatusCode::FORBIDDEN => Code::PermissionDenied,
                StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
                StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
                _ => Code::InvalidArgument,
            },
        }
    }

    /// How long to wait before sending again; `None` if it must not be sent again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Crowded(_) | Self::Slow(_) => Some(RETRY_AFTER),
            Self::Sink(SinkError::Busy { retry_after, .. } | SinkError::Unavailable { retry_after, .. }) => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// The part of the request that is wrong, if the request is: empty for all of it.
    pub(crate) fn wrong_field(&self) -> Option<&str> {
        match self {
            Self::Decode(DecodeError::Json { path, .. }) => Some(path),
            _ if self.http() == StatusCode::BAD_REQUEST => Some(""),
            _ => None,
        }
    }
}
