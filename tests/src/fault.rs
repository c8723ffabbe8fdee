//! Faults made on purpose, and what is needed to make them the same way again.
//!
//! A *recording* is what the program asked of the file system, call by call, as `strace` saw it. A [`disk::Disk`]
//! takes the calls in that order and knows at every moment which bytes and which entries of directories are
//! synced; from any moment on it can lay out a directory that a loss of power could leave.

pub mod random;
pub mod progress;
pub mod strace;
pub mod recording;
pub mod disk;
