//! The error answer: `google.rpc.Status` with its details, as protobuf and as JSON.

use prost::Message;
use serde_json::{Value, json};

use crate::answer::shorten;
use crate::error::ReceiveError;

const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FieldViolation {
    #[prost(string, tag = "1")]
    pub(crate) field: String,
    #[prost(string, tag = "2")]
    pub(crate) description: String,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Delay {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

impl Status {
    /// The answer to a refused request.
    pub(crate) fn of(error: &ReceiveError) -> Self {
        let message = shorten(&error.to_string());
        let mut details = Vec::new();
        if let Some(field) = error.wrong_field() {
            let violation = FieldViolation { field: shorten(field), description: message.clone() };
            details.push(Any::new(BAD_REQUEST, &BadRequest { field_violations: vec![violation] }));
        }
        if let Some(delay) = error.retry_after() {
            let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
            // Under a thousand million, so it fits.
            let delay = Delay { seconds, nanos: delay.subsec_nanos() as i32 };
            details.push(Any::new(RETRY_INFO, &RetryInfo { retry_delay: Some(delay) }));
        }
        Self { code: error.code() as i32, message, details }
    }

    /// The status in the JSON form of protobuf.
    pub(crate) fn to_json(&self) -> Value {
        let details: Vec<Value> = self.details.iter().map(Any::to_json).collect();
        json!({"code": self.code, "message": self.message, "details": details})
    }
}

impl Any {
    fn new(type_url: &str, message: &impl Message) -> Self {
        Self { type_url: type_url.to_owned(), value: message.encode_to_vec() }
    }

    fn to_json(&self) -> Value {
        let mut value = match self.type_url.as_str() {
            BAD_REQUEST => bad_request_json(&self.value),
            RETRY_INFO => retry_info_json(&self.value),
            _ => json!({}),
        };
        value["@type"] = json!(self.type_url);
        value
    }
}

fn bad_request_json(bytes: &[u8]) -> Value {
    let violations = BadRequest::decode(bytes).unwrap_or_default().field_violations;
    let violations: Vec<Value> = violations
        .iter()
        .map(|violation| json!({"field": violation.field, "description": violation.description}))
        .collect();
    json!({"fieldViolations": violations})
}

fn retry_info_json(bytes: &[u8]) -> Value {
    let delay = RetryInfo::decode(bytes).unwrap_or_default().retry_delay.unwrap_or_default();
    let text = match delay.nanos {
        0 => format!("{}s", delay.seconds),
        nanos => format!("{}.{nanos:09}s", delay.seconds),
    };
    json!({"retryDelay": text})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::decode::DecodeError;
    use crate::sink::SinkError;

    #[test]
    fn details_say_what_is_wrong_or_when_to_come_back() {
        let wrong = DecodeError::Json { path: "a[0].b".to_owned(), message: "odd".to_owned() };
        let busy = |millis| SinkError::Busy {
            retry_after: Duration::from_millis(millis),
            what: "memory".to_owned(),
        };
        let description = "the request is not valid OTLP JSON: a[0].b: odd";
        let violations = json!([{"field": "a[0].b", "description": description}]);
        let cases = [
            (
                ReceiveError::from(wrong),
                json!({"code": 3, "message": description,
                    "details": [{"@type": BAD_REQUEST, "fieldViolations": violations}]}),
            ),
            (
                ReceiveError::from(busy(1500)),
                json!({"code": 14, "message": "memory",
                    "details": [{"@type": RETRY_INFO, "retryDelay": "1.500000000s"}]}),
            ),
            (
                ReceiveError::from(busy(2000)),
                json!({"code": 14, "message": "memory",
                    "details": [{"@type": RETRY_INFO, "retryDelay": "2s"}]}),
            ),
            (
                ReceiveError::TooLarge { limit: 5 },
                json!({"code": 8, "message": "the request is larger than 5 bytes", "details": []}),
            ),
        ];
        for (error, expected) in cases {
            let status = Status::of(&error);
            assert_eq!(status.to_json(), expected);
            assert_eq!(Status::decode(&status.encode_to_vec()[..]).unwrap(), status);
        }
    }
}
