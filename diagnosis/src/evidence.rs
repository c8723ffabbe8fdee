//! What tells against a service, each kind a function of its own over the same frame.

pub(crate) mod structure;
pub(crate) mod latency;
pub(crate) mod resources;
pub(crate) mod attributes;
pub(crate) mod templates;
pub(crate) mod traffic;
