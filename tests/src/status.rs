//! `google.rpc.Status` and the two details that OTLP speaks of.

use prost::Message;
use serde_json::Value;

/// The body of every refusal.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// A code of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What is wrong, for people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// What is wrong, for programs.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// A message of any type.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// Its type.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// Its bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// A refusal, whichever way it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code of gRPC.
    pub code: i64,
    /// What is wrong.
    pub message: String,
    /// Whether it says that the request itself is bad.
    pub bad_request: bool,
    /// Whether it says when to come again.
    pub retry_info: bool,
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let has = |name: &str| status.details.iter().any(|detail| detail.type_url.ends_with(name));
        Self {
            code: i64::from(status.code),
            message: status.message.clone(),
            bad_request: has("google.rpc.BadRequest"),
            retry_info: has("google.rpc.RetryInfo"),
        }
    }
}

impl Refusal {
    /// Reads the JSON form.
    pub fn from_json(value: &Value) -> Option<Self> {
        let details = value.get("details").and_then(Value::as_array).cloned().unwrap_or_default();
        let has = |name: &str| {
            details.iter().any(|detail| detail["@type"].as_str().is_some_and(|kind| kind.ends_with(name)))
        };
        Some(Self {
            code: value.get("code")?.as_i64()?,
            message: value.get("message")?.as_str()?.to_owned(),
            bad_request: has("google.rpc.BadRequest"),
            retry_info: has("google.rpc.RetryInfo"),
        })
    }

    /// Reads the protobuf form.
    pub fn from_protobuf(bytes: &[u8]) -> Option<Self> {
        Status::decode(bytes).ok().map(|status| Self::from(&status))
    }
}
