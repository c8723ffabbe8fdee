//! `/metrics`: how the program is doing, in Prometheus' text format, for whoever scrapes it. The numbers are those of
//! `/api/status`.

use axum::Extension;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::Reader;
use model::ingest::{Ingest, ServiceIngest};

use super::Failure;
use crate::engine::{Engine, Status};

/// The form of the text.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Samples of metrics under construction.
#[derive(Default)]
struct Exposition(String);

/// Answers a scrape.
pub(super) async fn metrics(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
) -> Result<Response, Failure> {
    let status = engine.status(&reader).await?;
    Ok(([(CONTENT_TYPE, KIND)], text(&status)).into_response())
}

fn text(status: &Status) -> String {
    let mut out = Exposition::default();
    out.one("causeway_uptime_seconds", "gauge", "For how long the program has run.", status.uptime_s as f64);
    let broken = f64::from(u8::from(status.broken.is_some()));
    out.one("causeway_broken", "gauge", "Whether nothing can be stored any more.", broken);
    if let Some(ingest) = &status.ingest {
        received(&mut out, ingest);
    }
    stored(&mut out, status);
    machine(&mut out, status);
    out.0
}

fn received(out: &mut Exposition, ingest: &Ingest) {
    type Count = fn(&ServiceIngest) -> u64;
    let counts: [(&str, &str, Count); 4] = [
        ("causeway_received_rows_total", "Rows that were taken.", |one| one.received),
        ("causeway_rejected_rows_total", "Records that were rejected one by one.", |one| one.rejected.count),
        ("causeway_late_rows_total", "Rows that came more than an hour after their time.", |one| {
            one.late.count
        }),
        ("causeway_held_back_rows_total", "Rows of requests that were repeats.", |one| one.held_back.count),
    ];
    for (name, help, count) in counts {
        out.head(name, "counter", help);
        for one in &ingest.services {
            out.sample(name, &[("service", &one.service), ("signal", one.signal)], count(one) as f64);
        }
    }
    let name = "causeway_refused_requests_total";
    out.head(name, "counter", "Requests that were refused as a whole.");
    for one in &ingest.refusals {
        let status = one.status.to_string();
        let labels = [("signal", one.signal), ("reason", one.reason), ("status", &status)];
        out.sample(name, &labels, one.requests as f64);
    }
}

fn stored(out: &mut Exposition, status: &Status) {
    let signals = &status.storage.signals;
    let mut of = |name, help, counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
        out.head(name, "gauge", help);
        counts.for_each(|(signal, count)| out.sample(name, &[("signal", signal)], count as f64));
    };
    of(
        "causeway_stored_rows",
        "Rows that are stored.",
        &mut signals.iter().map(|one| (one.signal, one.rows)),
    );
    of("causeway_stored_bytes", "Bytes of segments.", &mut signals.iter().map(|one| (one.signal, one.bytes)));
    of("causeway_segments", "Segments.", &mut signals.iter().map(|one| (one.signal, one.segments)));
    out.one("causeway_log_files", "gauge", "Files of the write-ahead log.", status.log.files as f64);
    out.one("causeway_log_bytes", "gauge", "Bytes of the write-ahead log.", status.log.bytes as f64);
    let merging = &status.compaction;
    out.one(
        "causeway_fresh_bytes",
        "gauge",
        "Bytes of rows that are in no segment yet.",
        merging.fresh_bytes as f64,
    );
    out.one(
        "causeway_memtables_waiting",
        "gauge",
        "Memtables that wait to become segments.",
        merging.waiting as f64,
    );
    let removed = merging.removed_rows as f64;
    out.one("causeway_removed_rows_total", "counter", "Rows that retention removed.", removed);
    let name = "causeway_step_seconds_total";
    out.head(name, "counter", "Time that each step of a record's way took, over all threads.");
    merging.steps_s.iter().for_each(|(step, seconds)| out.sample(name, &[("step", step)], *seconds));
}

fn machine(out: &mut Exposition, status: &Status) {
    let process = &status.process;
    if let Some(seconds) = process.cpu_s {
        out.one("process_cpu_seconds_total", "counter", "Processor time since the start.", seconds);
    }
    if let Some(bytes) = process.resident_bytes {
        out.one(
            "process_resident_memory_bytes",
            "gauge",
            "Memory that the process alone holds.",
            bytes as f64,
        );
    }
    let budget = process.budget_bytes as f64;
    out.one("causeway_memory_budget_bytes", "gauge", "The most memory to use.", budget);
    for (name, kind, help, counts) in [
        ("causeway_memory_reserved_bytes", "gauge", "Memory that is reserved.", &process.reserved_bytes),
        ("causeway_memory_refused_total", "counter", "How often memory was refused.", &process.refused),
    ] {
        out.head(name, kind, help);
        counts.iter().for_each(|(purpose, count)| out.sample(name, &[("purpose", purpose)], *count as f64));
    }
}

impl Exposition {
    /// A metric without labels.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// What comes before the samples of a metric.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.0.push_str(&format!("{before}{label}=\"{text}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.0.push_str(&format!("{end} {value}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut out = Exposition::default();
        out.one("a_total", "counter", "What it is.", 1.5);
        out.head("b", "gauge", "More.");
        out.sample("b", &[("x", "a\"b\\c\nd"), ("y", "")], 2.0);
        assert_eq!(
            out.0,
            "# HELP a_total What it is.\n# TYPE a_total counter\na_total 1.5\n# HELP b More.\n# TYPE b gauge\n\
             b{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 2\n"
        );
    }
}
