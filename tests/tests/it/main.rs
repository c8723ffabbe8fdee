//! The program from outside: what it owes exporters, what survives a crash, what it says to bad input, and
//! whether the same question has the same answer in memory, on disk and offline.

mod support;
mod conformance;
mod fault;
mod sample;
mod bad_input;
mod offline;
mod command_line;
mod cancel;
mod tail;
mod hostile;
mod files;
mod remote_write;
mod search_and_sql;
mod services;
mod prometheus;
mod diagnosis;
mod readme;
mod demo;
mod accuracy;
