//! `/status`: what was received, refused, cut, late, held back and sampled, by service, with an example of each; what is
//! stored; what the program takes of the machine; the log and merging; questions that took long.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use model::ingest::{Ingest, Kind, Refusal, ServiceIngest};
use model::{Reader, UnixNanos};
use query::{SignalStatus, SlowQuestion, Status};

use crate::Ui;
use crate::address::{Address, and, search, term};
use crate::format::{Moment, count, counted, duration, percent, quantity, svg_percent};
use crate::pages::respond;
use crate::pages::rows::ServiceMark;
use crate::problem::{Problem, html};
use crate::range::between;
use crate::visit::{Frame, Section, Visit};
use crate::zone;

/// How many rows of what was received, and of what is stored by service, are shown.
const SERVICES_MAX: usize = 100;
/// How long after the time of an example its search goes, in nanoseconds.
const EXAMPLE_NS: i64 = 1_000;

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    frame: Frame,
    broken: Option<&'static str>,
    /// What was received in words; nothing where no server runs.
    received: Option<Received>,
    signals: Vec<SignalRow>,
    services: Vec<ShareRow>,
    facts: Vec<(&'static str, String)>,
    memory: Vec<MemoryRow>,
    log: Vec<(&'static str, String)>,
    steps: Vec<(String, String, String)>,
    slow: Vec<SlowRow>,
}

struct Received {
    summary: String,
    services: Vec<ServiceRow>,
    more: usize,
    odd: Vec<OddRow>,
    refusals: Vec<RefusalRow>,
}

struct ServiceRow {
    service: ServiceMark,
    signal: &'static str,
    received: String,
    last: Option<Moment>,
    /// Rejected, truncated, repaired, late, ahead, held back, sampled; whether each is none.
    kinds: Vec<(String, bool)>,
}

/// Something that is not as it was sent, or was not stored.
struct OddRow {
    service: ServiceMark,
    signal: &'static str,
    kind: &'static str,
    count: String,
    why: &'static str,
    example: String,
    at: Option<Moment>,
    href: Option<String>,
}

struct RefusalRow {
    signal: &'static str,
    reason: &'static str,
    status: u16,
    requests: String,
    last: Moment,
    example: String,
}

struct SignalRow {
    signal: &'static str,
    rows: String,
    fresh: String,
    bytes: String,
    per_row: String,
    segments: String,
    indexed: String,
    from: Option<Moment>,
    to: Option<Moment>,
}

struct ShareRow {
    service: ServiceMark,
    signal: &'static str,
    share: String,
    width: String,
    rows: String,
    bytes: String,
}

struct MemoryRow {
    purpose: &'static str,
    bytes: String,
    width: String,
    refused: String,
}

struct SlowRow {
    at: Option<Moment>,
    kind: &'static str,
    took: String,
    text: String,
    error: Option<String>,
    href: String,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let status = ui.engine.status(reader).await?;
    html(&StatusPage::new(visit, ui.version, &status))
}

impl StatusPage {
    fn new(visit: &Visit, version: &'static str, status: &Status) -> Self {
        let services = status.storage.services.iter().take(SERVICES_MAX).map(|one| ShareRow {
            service: ServiceMark::new(&one.service),
            signal: one.signal,
            share: percent(one.share),
            width: svg_percent(one.share.clamp(0.0, 1.0)),
            rows: count(one.rows_estimated),
            bytes: quantity(one.bytes_estimated as f64, "By"),
        });
        Self {
            frame: visit.frame("Status", Section::Status, version),
            broken: status.broken,
            received: status.ingest.as_ref().map(|ingest| Received::new(ingest, status)),
            signals: status.storage.signals.iter().map(SignalRow::new).collect(),
            services: services.collect(),
            facts: facts(status),
            memory: memory(status),
            log: log(status),
            steps: steps(status),
            slow: status.slow_questions.iter().map(SlowRow::new).collect(),
        }
    }
}

/// The kinds of what is not as it was sent: name, why, and the mark by which its rows are found.
const KINDS: [(&str, &str, &str); 7] = [
    ("rejected", "the record is not valid, and its sender was told", ""),
    ("truncated", "a limit on attributes cost something", "causeway.truncated:true"),
    ("repaired", "text was not UTF-8", "causeway.repaired:true"),
    ("late", "its time is more than an hour before its arrival", ""),
    ("ahead", "its time is more than an hour after its arrival: a clock is wrong", ""),
    ("held back", "the request repeats one that is stored", ""),
    ("sampled", "its sender kept one of several, as its tracestate says", ""),
];

fn kinds(service: &ServiceIngest) -> [&Kind; 7] {
    [
        &service.rejected,
        &service.truncated,
        &service.repaired,
        &service.late,
        &service.ahead,
        &service.held_back,
        &service.sampled,
    ]
}

impl Received {
    fn new(ingest: &Ingest, status: &Status) -> Self {
        let rows: u64 = ingest.services.iter().map(|service| service.received).sum();
        let refused: u64 = ingest.refusals.iter().map(|refusal| refusal.requests).sum();
        let odd = ingest.services.iter().flat_map(|service| {
            let kinds = kinds(service).into_iter().zip(KINDS).filter(|(kind, _)| kind.count > 0);
            kinds.map(move |(kind, words)| OddRow::new(service, kind, words))
        });
        let services = ingest.services.iter().take(SERVICES_MAX).map(|service| ServiceRow {
            service: ServiceMark::new(&service.service),
            signal: service.signal,
            received: count(service.received),
            last: (service.received > 0).then(|| Moment::to_second(service.last_received.0)),
            kinds: kinds(service).map(|kind| (count(kind.count), kind.count == 0)).to_vec(),
        });
        Self {
            summary: format!(
                "{} received and {} refused in {}",
                counted(rows, "row"),
                counted(refused, "request"),
                uptime(status)
            ),
            services: services.collect(),
            more: ingest.services.len().saturating_sub(SERVICES_MAX),
            odd: odd.take(SERVICES_MAX * KINDS.len()).collect(),
            refusals: ingest.refusals.iter().map(RefusalRow::new).collect(),
        }
    }
}

impl OddRow {
    fn new(
        service: &ServiceIngest,
        kind: &Kind,
        (name, why, mark): (&'static str, &'static str, &str),
    ) -> Self {
        let own = term("service", &service.service);
        let tab = matches!(service.signal, "spans" | "logs").then_some(service.signal);
        // A repeat was not stored, so that its arrival finds nothing.
        let at = kind.at.filter(|_| name != "held back");
        let href = tab.and_then(|tab| match (mark, at) {
            ("", Some(at)) => Some(search(tab, &own, &between(at.0, at.0.saturating_add(EXAMPLE_NS)))),
            ("", None) => None,
            (mark, _) => Some(search(tab, &and(&own, mark), "")),
        });
        let href = href.filter(|href| !href.is_empty());
        Self {
            service: ServiceMark::new(&service.service),
            signal: service.signal,
            kind: name,
            count: count(kind.count),
            why,
            example: kind.example.clone().unwrap_or_default(),
            at: kind.at.map(|at| Moment::full(at.0)),
            href,
        }
    }
}

impl RefusalRow {
    fn new(refusal: &Refusal) -> Self {
        Self {
            signal: refusal.signal,
            reason: refusal.reason,
            status: refusal.status,
            requests: count(refusal.requests),
            last: Moment::to_second(refusal.last.0),
            example: refusal.example.clone(),
        }
    }
}

fn moment(text: Option<&String>) -> Option<Moment> {
    Some(Moment::to_second(text?.parse().ok()?))
}

impl SignalRow {
    fn new(signal: &SignalStatus) -> Self {
        let sealed = signal.rows.saturating_sub(signal.fresh_rows);
        Self {
            signal: signal.signal,
            rows: count(signal.rows),
            fresh: count(signal.fresh_rows),
            bytes: quantity(signal.bytes as f64, "By"),
            per_row: match sealed {
                0 => "–".to_owned(),
                rows => quantity(signal.bytes as f64 / rows as f64, "By"),
            },
            segments: count(signal.segments),
            indexed: count(signal.indexed),
            from: moment(signal.from.as_ref()),
            to: moment(signal.to.as_ref()),
        }
    }
}

impl SlowRow {
    fn new(slow: &SlowQuestion) -> Self {
        let href = match slow.kind {
            "sql" => Address::new("/sql").with("q", &slow.text).link(),
            tab => search(tab, &slow.text, ""),
        };
        Self {
            at: moment(Some(&slow.at)),
            kind: slow.kind,
            took: duration(i64::try_from(slow.elapsed_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)),
            text: slow.text.clone(),
            error: slow.error.clone(),
            href,
        }
    }
}

fn uptime(status: &Status) -> String {
    duration(i64::try_from(status.uptime_s).unwrap_or(i64::MAX).saturating_mul(1_000_000_000))
}

fn facts(status: &Status) -> Vec<(&'static str, String)> {
    let process = &status.process;
    let cpu = process.cpu_s.map_or_else(
        || "–".to_owned(),
        |cpu| {
            format!(
                "{} of {}",
                percent(cpu / status.uptime_s.max(1) as f64),
                counted(process.processors as u64, "processor")
            )
        },
    );
    let seconds = process.cpu_s.map_or_else(|| "–".to_owned(), |cpu| quantity(cpu, "s"));
    let started = status.started.parse().map_or(UnixNanos(0), UnixNanos);
    vec![
        ("Started", format!("{} {}", Moment::to_second(started.0).text(), zone::name())),
        ("Runs for", uptime(status)),
        ("Processor time", seconds),
        ("Processor on average", cpu),
        (
            "Resident memory",
            process.resident_bytes.map_or_else(|| "–".to_owned(), |bytes| quantity(bytes as f64, "By")),
        ),
        ("Memory budget", quantity(process.budget_bytes as f64, "By")),
    ]
}

fn memory(status: &Status) -> Vec<MemoryRow> {
    let process = &status.process;
    let budget = process.budget_bytes.max(1) as f64;
    let names = [
        ("bodies", "bodies of requests"),
        ("decoding", "payloads and rows on their way"),
        ("fresh_rows", "rows not in segments yet"),
        ("queries", "questions"),
        ("caches", "what is kept of segments"),
        ("merges", "sealing and merging"),
    ];
    let rows = names.into_iter().map(|(key, purpose)| {
        let bytes = process.reserved_bytes.get(key).copied().unwrap_or(0) as f64;
        MemoryRow {
            purpose,
            bytes: quantity(bytes, "By"),
            width: svg_percent((bytes / budget).clamp(0.0, 1.0)),
            refused: count(process.refused.get(key).copied().unwrap_or(0)),
        }
    });
    rows.collect()
}

fn log(status: &Status) -> Vec<(&'static str, String)> {
    let (log, compaction) = (&status.log, &status.compaction);
    vec![
        ("Files of the log", format!("{}, {}", count(log.files), quantity(log.bytes as f64, "By"))),
        ("Read at the start", counted(log.frames_replayed, "frame")),
        ("Damaged then", counted(log.frames_damaged, "frame")),
        ("Torn and cut then", quantity(log.torn_bytes as f64, "By")),
        ("Held back as repeats", counted(log.held_back, "request")),
        ("Not in segments yet", quantity(compaction.fresh_bytes as f64, "By")),
        ("Waiting to be sealed", counted(compaction.waiting as u64, "memtable")),
        (
            "Removed by retention",
            format!(
                "{}, {}",
                counted(compaction.removed_segments, "segment"),
                quantity(compaction.removed_bytes as f64, "By")
            ),
        ),
    ]
}

/// The steps that took any time, the longest first: name, time, share of all.
fn steps(status: &Status) -> Vec<(String, String, String)> {
    let steps = &status.compaction.steps_s;
    let all: f64 = steps.values().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut steps: Vec<(&str, f64)> = steps.iter().map(|(name, seconds)| (*name, *seconds)).collect();
    steps.retain(|(_, seconds)| *seconds > 0.0);
    steps.sort_by(|a, b| b.1.total_cmp(&a.1));
    steps
        .into_iter()
        .map(|(name, seconds)| (name.replace('_', " "), quantity(seconds, "s"), svg_percent(seconds / all)))
        .collect()
}

#[cfg(test)]
mod tests;
