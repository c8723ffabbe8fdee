//! The success answer: `Export…ServiceResponse`, as protobuf and as JSON.
//!
//! The three responses have one shape on the wire, so one message stands for all.

use model::{Answer, Signal};
use prost::Message;
use serde_json::{Value, json};

/// The longest message a client is sent, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024;

/// `ExportTraceServiceResponse` and its two likes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess` and its two likes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(crate) rejected: i64,
    #[prost(string, tag = "2")]
    pub(crate) error_message: String,
}

impl ExportResponse {
    /// The response that says `answer`; `partial_success` is unset on full success.
    pub(crate) fn of(answer: &Answer) -> Self {
        if *answer == Answer::default() {
            return Self::default();
        }
        let rejected = i64::try_from(answer.rejected).unwrap_or(i64::MAX);
        Self { partial_success: Some(PartialSuccess { rejected, error_message: shorten(&answer.message) }) }
    }

    /// The response in the JSON form of protobuf.
    pub(crate) fn to_json(&self, signal: Signal) -> Value {
        let Some(partial) = &self.partial_success else {
            return json!({});
        };
        let rejected = match signal {
            Signal::Spans => "rejectedSpans",
            Signal::Logs => "rejectedLogRecords",
            Signal::Metrics => "rejectedDataPoints",
            Signal::Red => "rejectedRows",
        };
        json!({"partialSuccess": {rejected: partial.rejected.to_string(), "errorMessage": partial.error_message}})
    }
}

/// `text`, cut to what a client is sent.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    let mark = "…";
    format!("{}{mark}", &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX - mark.len())])
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

    use super::*;

    #[test]
    fn one_shape_serves_all_three_signals() {
        let answer = Answer { rejected: 3, message: "why".to_owned() };
        let bytes = ExportResponse::of(&answer).encode_to_vec();
        let spans = ExportTraceServiceResponse::decode(&bytes[..]).unwrap().partial_success.unwrap();
        assert_eq!((spans.rejected_spans, spans.error_message.as_str()), (3, "why"));
        let logs = ExportLogsServiceResponse::decode(&bytes[..]).unwrap().partial_success.unwrap();
        assert_eq!((logs.rejected_log_records, logs.error_message.as_str()), (3, "why"));
        let metrics = ExportMetricsServiceResponse::decode(&bytes[..]).unwrap().partial_success.unwrap();
        assert_eq!((metrics.rejected_data_points, metrics.error_message.as_str()), (3, "why"));
    }

    #[test]
    fn json_says_the_same() {
        let warning = Answer { rejected: 0, message: "careful".to_owned() };
        let cases = [
            (Answer::default(), Signal::Spans, json!({})),
            (
                warning.clone(),
                Signal::Logs,
                json!({"partialSuccess": {"rejectedLogRecords": "0", "errorMessage": "careful"}}),
            ),
            (
                warning,
                Signal::Metrics,
                json!({"partialSuccess": {"rejectedDataPoints": "0", "errorMessage": "careful"}}),
            ),
        ];
        for (answer, signal, expected) in cases {
            assert_eq!(ExportResponse::of(&answer).to_json(signal), expected);
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        for text in ["€".repeat(1000), "a".repeat(MESSAGE_BYTES_MAX + 1)] {
            let short = shorten(&text);
            assert!(short.len() <= MESSAGE_BYTES_MAX && short.ends_with('…'), "{}", short.len());
        }
        assert_eq!(shorten(&"a".repeat(MESSAGE_BYTES_MAX)).len(), MESSAGE_BYTES_MAX);
    }
}
