//! Durability, proven: what was acknowledged is there exactly once, whatever was done to the process, the disk, or
//! the files; and an answer is right, or says that it is not whole.
//!
//! All that is left to chance follows `CAUSEWAY_FAULT_SEED`, which every failure names. docs/durability.md says what
//! is promised and how each module proves it.

mod kill;
mod crash;
mod sync_fails;
mod full_disk;
mod damage;
