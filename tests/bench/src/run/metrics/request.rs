//! Requests of remote write 1.0, written field by field: a fleet's labels are the same in every scrape.

use anyhow::Result;
use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::fleet::Series;

/// The headers of a request.
pub(super) const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

/// The fields of a request, a series and a sample.
const SERIES: u32 = 1;
const SAMPLE: u32 = 2;
const VALUE: u32 = 1;
const TIMESTAMP: u32 = 2;

/// A request with a sample of each series, `time_ms` being the time of those without an offset.
pub(super) fn write(series: &[Series], time_ms: u64) -> Result<Bytes> {
    let mut out = Vec::with_capacity(series.iter().map(|one| one.labels.len() + 32).sum());
    let mut sample = Vec::new();
    for one in series {
        sample.clear();
        encode_key(VALUE, WireType::SixtyFourBit, &mut sample);
        sample.extend_from_slice(&one.value.to_le_bytes());
        encode_key(TIMESTAMP, WireType::Varint, &mut sample);
        encode_varint(time_ms + one.offset_ms, &mut sample);
        let bytes = one.labels.len() + 1 + encoded_len_varint(sample.len() as u64) + sample.len();
        encode_key(SERIES, WireType::LengthDelimited, &mut out);
        encode_varint(bytes as u64, &mut out);
        out.extend_from_slice(&one.labels);
        encode_key(SAMPLE, WireType::LengthDelimited, &mut out);
        encode_varint(sample.len() as u64, &mut out);
        out.extend_from_slice(&sample);
    }
    Ok(snap::raw::Encoder::new().compress_vec(&out)?.into())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::fleet::Fleet;
    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        timeseries: Vec<TimeSeries>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        samples: Vec<Sample>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Label {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        value: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Sample {
        #[prost(double, tag = "1")]
        value: f64,
        #[prost(int64, tag = "2")]
        timestamp: i64,
    }

    #[test]
    fn a_request_is_what_receivers_read() {
        let series = Fleet::test().all();
        let body = write(&series, 60_000).unwrap();
        let bytes = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let request = WriteRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(request.timeseries.len(), series.len());
        for (read, sent) in request.timeseries.iter().zip(&series) {
            let names: Vec<&str> = read.labels.iter().map(|label| label.name.as_str()).collect();
            assert!(names.is_sorted() && names[0] == "__name__", "{names:?}");
            let timestamp = 60_000 + sent.offset_ms as i64;
            assert_eq!(read.samples, [Sample { value: sent.value, timestamp }]);
        }
    }
}
