//! Answers what is wrong in a window of time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use model::{Reader, Signal, TimeRange, UnixNanos};
use query::{Engine, Gathering, QueryError};

use crate::Diagnostics;
use crate::answer::{Baseline, Diagnosis, SUSPECTS_MAX, Status, Suspect};
use crate::compare::{Comparison, compare, contrast};
use crate::counts::MINUTE;
use crate::evidence::resources::{Strains, WORDS, strains};
use crate::evidence::traffic::Shift;
use crate::explain::Explain;
use crate::frame::{Frame, build};
use crate::history::{self, History, READ_SPANS_MAX, Times};
use crate::load::{self, Series};
use crate::rank::{Candidate, leaks, once_each, rank};
use crate::reference::{self, Reference};
use crate::stats::ALPHA;
use crate::witness::{Asked, Scene};

/// The longest window.
const WINDOW_MAX: i64 = 31 * 86_400 * 1_000_000_000;
/// Spans of the window that are read, about; of a larger one a share of the traces.
const WINDOW_SPANS_MAX: f64 = 250_000.0;
/// A lower score says nothing: such suspects are not told.
const SCORE_MIN: f64 = 0.01;
/// Traces of a window that can be compared.
const TRACES_MIN: usize = 3;
/// How long before and after the spans metrics are read, in nanoseconds.
const METRICS_AROUND: i64 = 3_600_000_000_000;

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The window. Without ends: the newest quarter of an hour.
    pub range: TimeRange,
    /// Whose traces; all without.
    pub service: Option<String>,
    /// What to compare with, where the asker knows better.
    pub baseline: Option<TimeRange>,
    /// Whether nothing later than the window is compared with: what is wrong may go on there.
    pub is_under_way: bool,
}

/// What was read.
struct Material {
    frame: Frame,
    series: Vec<Series>,
    from: i64,
    to: i64,
    baseline: Option<(i64, i64)>,
    service: Option<String>,
}

/// What it led to.
struct Finding {
    frame: Frame,
    strains: Strains,
    reference: Reference,
    comparison: Option<Comparison>,
    candidates: Vec<Candidate>,
    window: Vec<u32>,
    note: Option<(Status, String)>,
}

/// By service and operation: by place among the suspects, the votes of the traces with that operation.
pub(crate) type Blames = BTreeMap<(String, String), BTreeMap<usize, f64>>;

/// Answers a question, and says whom the traces of each operation tell against.
pub(crate) async fn diagnose(
    diagnostics: &Diagnostics,
    reader: &Reader,
    question: &Question,
) -> Result<(Diagnosis, Blames), QueryError> {
    let begun = Instant::now();
    let (mut diagnosis, blames) = answer(diagnostics, reader, question).await?;
    diagnosis.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((diagnosis, blames))
}

async fn answer(
    diagnostics: &Diagnostics,
    reader: &Reader,
    question: &Question,
) -> Result<(Diagnosis, Blames), QueryError> {
    let without = |message: &str| (Diagnosis::without(Status::NotEnough, message), Blames::new());
    let engine = &diagnostics.engine;
    let (from, to) = window(engine, reader, question.range).await?;
    let gathering = engine.gathering(reader)?;
    let baseline = question.baseline.map(ends).transpose()?;
    let times = match (baseline, question.is_under_way) {
        (Some((from, to)), _) => Times::Of(from, to),
        (None, true) => Times::Before,
        (None, false) => Times::Around,
    };
    let history = history::about(&gathering, from, to, times).await?;
    if history.services.is_empty() {
        return Ok(without("there are no spans in this window"));
    }
    if history.minutes.is_empty() {
        let message = "there is nothing to compare with: these services have no spans outside of this window";
        return Ok(without(message));
    }
    let (raw, partial) = read(&gathering, &history, from, to).await?;
    let around = |at: i64| Some(UnixNanos(at));
    let first = history.minutes.first().map_or(from, |minute| (minute * MINUTE).min(from));
    let last = history.minutes.last().map_or(to, |minute| ((minute + 1) * MINUTE).max(to));
    let range = TimeRange {
        from: around(first.saturating_sub(METRICS_AROUND)),
        to: around(last.saturating_add(METRICS_AROUND)),
    };
    let series = load::metrics(&gathering, &history.services, &WORDS, range).await?;
    let service = question.service.clone();
    let finding = gathering
        .compute(move || Ok(find(Material { frame: build(raw), series, from, to, baseline, service })))
        .await?;
    let telling = Telling { diagnostics, reader, gathering: &gathering, from, to, traffic: history.traffic };
    let (mut diagnosis, blames) = telling.diagnosis(finding).await?;
    diagnosis.partial = partial;
    Ok((diagnosis, blames))
}

/// Both ends of a range that has both.
fn ends(range: TimeRange) -> Result<(i64, i64), QueryError> {
    let (Some(from), Some(to)) = (range.from, range.to) else {
        return Err(QueryError::invalid("a baseline has a `from` and a `to`"));
    };
    if from >= to {
        return Err(QueryError::invalid("a range of time begins before it ends: `from` is less than `to`"));
    }
    Ok((from.0, to.0))
}

/// The window that is asked about.
async fn window(engine: &Engine, reader: &Reader, range: TimeRange) -> Result<(i64, i64), QueryError> {
    const QUARTER: i64 = 15 * MINUTE;
    let newest = match (range.from, range.to) {
        (_, Some(to)) => to,
        (Some(from), None) => UnixNanos(from.0.saturating_add(QUARTER)),
        (None, None) => {
            let extent = engine.extent(reader, Signal::Spans).await?;
            extent.and_then(|extent| extent.to).unwrap_or_else(UnixNanos::now)
        }
    };
    let from = range.from.unwrap_or(UnixNanos(newest.0.saturating_sub(QUARTER)));
    let (from, to) = ends(TimeRange { from: Some(from), to: Some(newest) })?;
    const DAY: i64 = 1_440 * MINUTE;
    let sane = i64::MIN + DAY..=i64::MAX - DAY;
    if !sane.contains(&from) || !sane.contains(&to) {
        return Err(QueryError::invalid("a window lies between 1677-09-22 and 2262-04-10"));
    }
    if to.saturating_sub(from) > WINDOW_MAX {
        return Err(QueryError::invalid("a window has 31 days at most"));
    }
    Ok((from, to))
}

/// Reads the spans and logs of the window and of the minutes it may be compared with: of many a share of the traces.
async fn read(
    gathering: &Gathering,
    history: &History,
    from: i64,
    to: i64,
) -> Result<(crate::frame::Raw, Option<String>), QueryError> {
    let minutes = history.minutes.iter().map(|minute| (minute * MINUTE, (minute + 1) * MINUTE));
    let ranges = load::joined(minutes.chain([(from, to)]).collect());
    let share =
        (WINDOW_SPANS_MAX / history.spans.max(1.0)).min(2.0 * READ_SPANS_MAX / history.minute_spans.max(1.0));
    let of_256 = ((share * 256.0) as u32).clamp(1, 256);
    let (raw, cut) = load::rows(gathering, &ranges, &history.services, of_256).await?;
    let sampled = (of_256 < 256).then(|| format!("{of_256} of 256 traces were read"));
    Ok((raw, cut.or(sampled)))
}

/// Compares, and ranks what differs.
fn find(material: Material) -> Finding {
    let Material { frame, series, from, to, baseline, service } = material;
    let strains = strains(&series, from, to);
    let all = 0..frame.len() as u32;
    let inside = |row: &u32| (from..to).contains(&frame.began(*row));
    let mut window: Vec<u32> = all.clone().filter(inside).collect();
    if let Some(name) = &service {
        let of_service = |row: &&u32| frame.service_name(frame.service[**row as usize]) == name;
        let traces: BTreeSet<u32> =
            window.iter().filter(of_service).map(|row| frame.trace[*row as usize]).collect();
        window.retain(|row| traces.contains(&frame.trace[*row as usize]));
    }
    let mut history: Vec<u32> = all.filter(|row| !inside(row)).collect();
    if let Some((from, to)) = baseline {
        history.retain(|row| (from..to).contains(&frame.began(*row)));
    }
    let traces =
        |rows: &[u32]| rows.iter().map(|row| frame.trace[*row as usize]).collect::<BTreeSet<_>>().len();
    let note = match (traces(&window), traces(&history)) {
        (0..TRACES_MIN, _) => Some(format!("there are fewer than {TRACES_MIN} traces in this window")),
        (_, 0..TRACES_MIN) => {
            Some("there are too few traces outside of this window to compare with".to_owned())
        }
        _ => None,
    };
    if let Some(note) = note {
        let note = Some((Status::NotEnough, note));
        let (reference, candidates) = (Reference::default(), Vec::new());
        return Finding { frame, strains, reference, comparison: None, candidates, window, note };
    }
    let mut reference = match baseline {
        Some(_) => given(&frame, &history),
        None => reference::choose(&frame, &window, &history),
    };
    if reference.is_short() && baseline.is_none() {
        reference = contrast(&frame, &window, &history, reference, (from, to), &strains);
    }
    let others = (!reference.is_short()).then_some(history.as_slice());
    let comparison = compare(&frame, &window, others, &reference.rows, &strains);
    let candidates = rank(&frame, &comparison, &strains);
    let harmless = comparison.lost() <= ALPHA * comparison.votes.traces as f64;
    let note = (harmless && !leaks(&strains))
        .then(|| (Status::Quiet, "nothing differs from the reference".to_owned()));
    Finding { frame, strains, reference, comparison: Some(comparison), candidates, window, note }
}

/// The reference that the asker named.
fn given(frame: &Frame, history: &[u32]) -> Reference {
    let minutes: Vec<i64> = crate::counts::by_minute(frame, history).into_keys().collect();
    let (of, why) = (minutes.len(), "as the question says".to_owned());
    Reference { rows: history.to_vec(), minutes, of, why }
}

/// What a finding is told with.
struct Telling<'a> {
    diagnostics: &'a Diagnostics,
    reader: &'a Reader,
    gathering: &'a Gathering,
    from: i64,
    to: i64,
    traffic: BTreeMap<String, Shift>,
}

impl Telling<'_> {
    async fn diagnosis(self, mut finding: Finding) -> Result<(Diagnosis, Blames), QueryError> {
        let baseline = baseline(&finding.reference);
        if let Some((status, message)) = finding.note.take() {
            return Ok((Diagnosis { baseline, ..Diagnosis::without(status, message) }, Blames::new()));
        }
        let Some(comparison) = finding.comparison.take() else {
            let message = "nothing could be compared";
            return Ok((Diagnosis::without(Status::NotEnough, message), Blames::new()));
        };
        let Finding { frame, strains, reference, mut candidates, window, .. } = finding;
        let asked = Asked {
            diagnostics: self.diagnostics,
            reader: self.reader,
            gathering: self.gathering,
            frame: &frame,
            found: &comparison,
            window: &window,
            reference: &reference.rows,
            before: &minutes_before(&reference, self.from),
            range: (self.from, self.to.saturating_add(1)),
        };
        let witnesses = asked.gather(&candidates, self.traffic).await?;
        let scene = Scene {
            frame: &frame,
            window: &window,
            reference: &reference.rows,
            found: &comparison,
            strains: &strains,
            witnesses: &witnesses,
        };
        scene.explain(&mut candidates);
        once_each(&mut candidates);
        let engine = &self.diagnostics.engine;
        let texts = crate::explain::templates(engine, self.reader, &frame, &candidates, &witnesses).await?;
        let explain = Explain {
            frame: &frame,
            comparison: &comparison,
            strains: &strains,
            witnesses: &witnesses,
            texts,
            from: self.from,
            to: self.to,
        };
        candidates.retain(|candidate| candidate.score >= SCORE_MIN);
        candidates.truncate(SUSPECTS_MAX);
        let suspects: Vec<Suspect> = candidates.iter().map(|candidate| explain.suspect(candidate)).collect();
        let blames = blames(&frame, &comparison, &candidates);
        let message = match suspects.first() {
            Some(first) => first.summary.clone(),
            None => "nothing differs from the reference".to_owned(),
        };
        let status = if suspects.is_empty() { Status::Quiet } else { Status::Ok };
        Ok((Diagnosis { status, message, baseline, suspects, partial: None, elapsed_ms: 0 }, blames))
    }
}

/// By operation of a service, how much the traces with it tell for each suspect.
fn blames(frame: &Frame, found: &Comparison, candidates: &[Candidate]) -> Blames {
    let mut of_traces: BTreeMap<u32, BTreeMap<usize, f64>> = BTreeMap::new();
    for given in &found.votes.given {
        let beyond = found.beyond.get(&given.cause).copied().unwrap_or(0.0);
        let all = found.votes.of.get(&given.cause).copied().unwrap_or(f64::MAX);
        let first = candidates.iter().position(|candidate| candidate.cause == Some(given.cause));
        if let Some(suspect) = first.filter(|_| beyond > 0.0) {
            *of_traces.entry(given.trace).or_default().entry(suspect).or_default() +=
                given.part * beyond / all;
        }
    }
    let mut blames = Blames::new();
    for (trace, parts) in of_traces {
        let (first, end) = frame.rows[trace as usize];
        let operations: BTreeSet<(u32, u32)> =
            (first..end).map(|row| (frame.service[row as usize], frame.name[row as usize])).collect();
        for (service, name) in operations {
            let operation = (frame.service_name(service).to_owned(), frame.name_text(name).to_owned());
            let of_operation = blames.entry(operation).or_default();
            for (suspect, part) in &parts {
                *of_operation.entry(*suspect).or_default() += part;
            }
        }
    }
    blames
}

/// The minutes of a reference that were before the window; all of them if none was.
fn minutes_before(reference: &Reference, from: i64) -> Vec<(i64, i64)> {
    let range = |minute: &i64| (reference::begin_of(*minute), reference::begin_of(minute + 1));
    let before: Vec<(i64, i64)> =
        reference.minutes.iter().map(range).filter(|(_, end)| *end <= from).collect();
    if before.is_empty() { reference.minutes.iter().map(range).collect() } else { before }
}

fn baseline(reference: &Reference) -> Option<Baseline> {
    let (first, last) = (reference.minutes.first()?, reference.minutes.last()?);
    Some(Baseline {
        from: reference::begin_of(*first).to_string(),
        to: reference::begin_of(last + 1).to_string(),
        minutes: reference.minutes.len(),
        why: reference.why.clone(),
    })
}
