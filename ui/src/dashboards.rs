//! Dashboards: files of panels, read from a folder beside three that are built in.
//!
//! | module | what it does |
//! |---|---|
//! | `model` | what a file says |
//! | `check` | whether it can be shown; where it is wrong |
//! | `fill` | values of variables in queries, titles and searches |
//! | `lists` | which values a variable can have |
//! | `units` | figures in the units of panels |
//! | `panel` | what a panel shows, drawn from an answer |
//! | `files` | the folder: read when it changed, written without a moment in which a file is half there |
//! | `import` | dashboards of Grafana |
//!
//! Terms:
//! - *name*: that of the file without its ending; it stands in the address.
//! - *chosen*: the values that a variable stands for while a page is answered.

pub(crate) mod model;
pub(crate) mod check;
pub(crate) mod fill;
pub(crate) mod lists;
pub(crate) mod units;
pub(crate) mod panel;
pub(crate) mod files;
mod import;

pub use check::Fault;
pub use files::Dashboards;
pub use import::{Imported, grafana};
