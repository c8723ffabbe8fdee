//! The benchmarks, a module each: it measures, and gives tables.

pub(crate) mod ingest;
pub(crate) mod kept;
pub(crate) mod columns;
pub(crate) mod steps;
pub(crate) mod commit;
pub(crate) mod trace;
pub(crate) mod query;
pub(crate) mod restart;
pub(crate) mod overload;
pub(crate) mod protect;
pub(crate) mod metrics;

use crate::drive::Outcome;

/// Bytes in a mebibyte.
const MIB: f64 = 1_048_576.0;
/// Records that processor time is told for.
const MILLION: f64 = 1e6;

/// What the machine did besides, as a note: figures of a busy machine say little.
fn beside(name: &str, outcome: &Outcome, server_cpu: f64) -> String {
    let others = (outcome.machine_cpu - outcome.generator_cpu - server_cpu).max(0.0);
    let records = (outcome.accepted as f64 / MILLION).max(f64::EPSILON);
    let mut note = format!(
        "{name}: {:.1} s; the generator used {:.2} CPU s a million records, other processes {others:.1} CPU s",
        outcome.elapsed.as_secs_f64(),
        outcome.generator_cpu / records
    );
    if !outcome.refusals.is_empty() {
        note += &format!("; refused and sent again: {}", refusals(outcome));
    }
    if outcome.rejected > 0 {
        note += &format!("; {} RECORDS WERE REJECTED", outcome.rejected);
    }
    note
}

/// Refusals by code.
fn refusals(outcome: &Outcome) -> String {
    let parts: Vec<String> =
        outcome.refusals.iter().map(|(code, count)| format!("{count} with {code}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
