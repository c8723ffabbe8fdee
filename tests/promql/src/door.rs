//! How samples go in: remote write in both versions, and OTLP.

mod message;
mod otlp;
mod v1;
mod v2;

use ::tests::http::Request;
use ::tests::otlp::Signal;
use anyhow::{Result, bail};
use bytes::Bytes;
use clap::ValueEnum;
use prost::Message;

use crate::notation::Labels;
use crate::series::Series;
use otlp::is_sayable;

/// Where remote write goes.
const WRITE_PATH: &str = "/prometheus/api/v1/write";

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Door {
    /// Remote write 1.0
    #[default]
    #[value(name = "1")]
    V1,
    /// Remote write 2.0
    #[value(name = "2")]
    V2,
    /// OTLP over HTTP: gauges, sums and exponential histograms; series that it cannot say are skipped
    Otlp,
}

impl Door {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "remote write 1.0",
            Self::V2 => "remote write 2.0",
            Self::Otlp => "OTLP",
        }
    }

    /// Whether a series can go through it.
    pub fn takes(self, series: &Series) -> bool {
        self != Self::Otlp || is_sayable(series)
    }

    /// The request that carries series.
    pub fn request(self, series: &[Series]) -> Result<Request> {
        match self {
            Self::V1 => remote_write("application/x-protobuf", "0.1.0", &v1::request(series)),
            Self::V2 => remote_write(
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                "2.0.0",
                &v2::request(series),
            ),
            Self::Otlp => {
                if let Some(one) = series.iter().find(|one| !is_sayable(one)) {
                    bail!("OTLP cannot say {}", crate::notation::shown(&one.labels));
                }
                let body = Bytes::from(otlp::request(series).encode_to_vec());
                Ok(Request::post(Signal::Metrics.http_path(), "application/x-protobuf", body))
            }
        }
    }
}

fn remote_write(content_type: &str, version: &str, message: &impl Message) -> Result<Request> {
    let body = snap::raw::Encoder::new().compress_vec(&message.encode_to_vec())?;
    let request = Request::post(WRITE_PATH, content_type, body.into())
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", version);
    Ok(request)
}

/// The type that a metric's name tells by its end.
fn is_counter(labels: &Labels) -> bool {
    let name = labels.get(crate::notation::NAME).map_or("", String::as_str);
    name.ends_with("_total")
}

#[cfg(test)]
mod tests;
