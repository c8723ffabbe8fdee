//! Answers what is wrong in a window of time.

use std::collections::BTreeSet;
use std::time::Instant;

use model::{Reader, Signal, TimeRange, UnixNanos};
use query::{Engine, Gathering, QueryError};

use crate::answer::{Baseline, Diagnosis, SUSPECTS_MAX, Status, Suspect};
use crate::compare::{Comparison, compare, contrast};
use crate::counts::MINUTE;
use crate::evidence::resources::{Strains, WORDS, strains};
use crate::explain::Explain;
use crate::frame::{Frame, build};
use crate::history::{self, History, READ_SPANS_MAX};
use crate::load::{self, Series};
use crate::rank::{Candidate, leaks, rank};
use crate::reference::{self, Reference};
use crate::stats::ALPHA;
use crate::witness::{self, Scene};

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

/// Answers a question.
pub(crate) async fn diagnose(
    engine: &Engine,
    reader: &Reader,
    question: &Question,
) -> Result<Diagnosis, QueryError> {
    let begun = Instant::now();
    let mut answer = answer(engine, reader, question).await?;
    answer.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(answer)
}

async fn answer(engine: &Engine, reader: &Reader, question: &Question) -> Result<Diagnosis, QueryError> {
    let (from, to) = window(engine, reader, question.range).await?;
    let gathering = engine.gathering(reader)?;
    let baseline = question.baseline.map(ends).transpose()?;
    let history = history::about(&gathering, from, to, baseline).await?;
    if history.services.is_empty() {
        return Ok(Diagnosis::without(Status::NotEnough, "there are no spans in this window"));
    }
    if history.minutes.is_empty() {
        let message = "there is nothing to compare with: these services have no spans outside of this window";
        return Ok(Diagnosis::without(Status::NotEnough, message));
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
    let mut diagnosis = explained(engine, reader, &gathering, finding, (from, to)).await?;
    diagnosis.partial = partial;
    Ok(diagnosis)
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

async fn explained(
    engine: &Engine,
    reader: &Reader,
    gathering: &Gathering,
    mut finding: Finding,
    (from, to): (i64, i64),
) -> Result<Diagnosis, QueryError> {
    let baseline = baseline(&finding.reference);
    if let Some((status, message)) = finding.note {
        return Ok(Diagnosis { baseline, ..Diagnosis::without(status, message) });
    }
    let Some(comparison) = &finding.comparison else {
        return Ok(Diagnosis::without(Status::NotEnough, "nothing could be compared"));
    };
    let before = minutes_before(&finding.reference, from);
    let witnesses = witness::gather(
        gathering,
        &finding.frame,
        &finding.candidates,
        &before,
        (from, to.saturating_add(1)),
    )
    .await?;
    let scene = Scene {
        frame: &finding.frame,
        window: &finding.window,
        reference: &finding.reference.rows,
        found: comparison,
        strains: &finding.strains,
        witnesses: &witnesses,
    };
    scene.explain(&mut finding.candidates);
    let texts = crate::explain::templates(engine, reader, &finding.candidates).await?;
    let explain = Explain {
        frame: &finding.frame,
        comparison,
        strains: &finding.strains,
        witnesses: &witnesses,
        texts,
        from,
        to,
    };
    let suspects: Vec<Suspect> = finding
        .candidates
        .iter()
        .filter(|candidate| candidate.score >= SCORE_MIN)
        .take(SUSPECTS_MAX)
        .map(|candidate| explain.suspect(candidate))
        .collect();
    let message = match suspects.first() {
        Some(first) => first.summary.clone(),
        None => "nothing differs from the reference".to_owned(),
    };
    let status = if suspects.is_empty() { Status::Quiet } else { Status::Ok };
    Ok(Diagnosis { status, message, baseline, suspects, partial: None, elapsed_ms: 0 })
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
