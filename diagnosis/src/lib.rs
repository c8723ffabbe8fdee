//! Where the fault is, and why.

#![forbid(unsafe_code)]
#![allow(dead_code)]

mod stats;
mod frame;
mod counts;
mod reference;
mod load;
mod evidence;
mod blame;
mod votes;
mod history;
mod compare;
mod rank;
mod answer;
mod explain;
mod diagnose;
mod http;

pub use answer::{Baseline, Diagnosis, Evidence, SUSPECTS_MAX, Status, Suspect};
pub use diagnose::{Question, diagnose};
pub use http::router;
