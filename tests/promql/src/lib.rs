//! PromQL as the program answers it, checked with scripts in the notation of Prometheus' own tests: what is loaded,
//! what is asked then, and what the answer has to be.
//!
//! The program runs as a process. Samples go in by remote write or OTLP, queries by HTTP, and nothing of the program's
//! code is used here. The modules follow a script: its text, the series in it, their way in, the answers, and how they
//! are judged.
//!
//! Terms:
//! - *section*: what stands between two `clear`. Each is played to a tenant of its own.
//! - *door*: how samples go in.
//! - *feature*: what Prometheus answers only where `--enable-feature` allows it.

#![forbid(unsafe_code)]

pub mod histogram;
pub mod notation;
pub mod script;
pub mod series;
pub mod door;
pub mod answer;
pub mod check;
pub mod subject;
pub mod suite;
