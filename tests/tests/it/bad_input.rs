//! Bad input of every kind: each a clear error that names what and where, the process alive or refusing to start
//! with one line, and nothing stored harmed.

mod start;
mod bombs;
mod depth;
mod strings;
mod hostile;
mod amounts;
mod crowds;
mod questions;
mod pages;
