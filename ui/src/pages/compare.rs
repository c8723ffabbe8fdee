//! `/compare`: the spans of a box against those of another, attribute by attribute; or a trace against a trace.

mod attributes;
mod traces;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::{Reader, TimeRange, TraceId, UnixNanos};
use query::CompareQuestion;

use crate::Ui;
use crate::pages::respond;
use crate::params::BadParameter;
use crate::problem::{Problem, WrongQuery, html};
use crate::range::Range;
use crate::selection::Selection;
use crate::visit::Visit;

/// How many differences are shown.
const DIFFERENCES_SHOWN: usize = 60;

/// What the address asks for.
#[derive(Debug, Clone)]
enum Asked {
    /// Nothing yet.
    Nothing,
    /// A trace, and the one that it is compared with.
    Traces(TraceId, TraceId),
    /// Spans.
    Spans(Box<Boxes>),
}

/// Two boxes of spans.
#[derive(Debug, Clone)]
struct Boxes {
    q: String,
    selection: Selection,
    baseline: Selection,
    /// What the baseline is, where the address does not say.
    chosen: Option<&'static str>,
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
    match Asked::of(visit, UnixNanos::now())? {
        Asked::Nothing => html(&attributes::empty(visit, ui.version)),
        Asked::Traces(left, right) => {
            let alignment = ui.engine.align(reader, left, right).await?;
            html(&traces::view(visit, ui.version, &alignment))
        }
        Asked::Spans(boxes) => match ui.engine.compare(reader, &boxes.question()).await {
            Ok(found) => html(&attributes::view(visit, ui.version, &boxes, &found)),
            Err(error) => {
                let Some(wrong) = WrongQuery::of(&boxes.q, &error) else { return Err(error.into()) };
                let page = html(&attributes::wrong(visit, ui.version, &boxes, wrong))?;
                Ok((StatusCode::BAD_REQUEST, page).into_response())
            }
        },
    }
}

impl Asked {
    /// Reads the address. `sel` and `vs` are boxes, or both are ids of traces.
    fn of(visit: &Visit, now: UnixNanos) -> Result<Self, BadParameter> {
        let id = |name: &'static str| {
            Ok::<_, BadParameter>(visit.params.text(name)?.trim().parse::<TraceId>().ok())
        };
        match (id("sel")?, id("vs")?) {
            (Some(left), Some(right)) => return Ok(Self::Traces(left, right)),
            (None, None) => {}
            (Some(_), None) => {
                return Err(BadParameter::new(
                    "vs",
                    visit.params.text("vs")?,
                    "a trace is compared with a trace: its id was expected",
                ));
            }
            (None, Some(_)) => {
                return Err(BadParameter::new(
                    "sel",
                    visit.params.text("sel")?,
                    "a trace is compared with a trace: its id was expected",
                ));
            }
        }
        let Some(selection) = Selection::of(&visit.params, "sel", now)? else { return Ok(Self::Nothing) };
        let whole = Range::of(&visit.params, now)?;
        let (baseline, chosen) = match Selection::of(&visit.params, "vs", now)? {
            Some(baseline) => (baseline, None),
            None => baseline(&selection, &whole, now),
        };
        let q = visit.params.text("q")?.to_owned();
        Ok(Self::Spans(Box::new(Boxes { q, selection, baseline, chosen })))
    }
}

/// What a box is compared with where the address does not say: the range of the page, else the other durations of its
/// time, else as long a time just before it.
fn baseline(selection: &Selection, whole: &Range, now: UnixNanos) -> (Selection, Option<&'static str>) {
    if !whole.text.is_empty() {
        return (Selection::times(whole.clone()), Some("the rest of the time of the page"));
    }
    if selection.has_durations() {
        return (Selection::times(selection.range.clone()), Some("the other durations of the same time"));
    }
    let TimeRange { from, to } = selection.range.range;
    let to = to.unwrap_or(now);
    match from {
        Some(from) => {
            let before = UnixNanos(from.0.saturating_sub(to.0.saturating_sub(from.0)));
            (Selection::times(Range::between(before, from)), Some("as long a time just before"))
        }
        None => {
            (Selection::times(Range { text: String::new(), range: TimeRange::ALL }), Some("everything else"))
        }
    }
}

impl Boxes {
    fn question(&self) -> CompareQuestion {
        CompareQuestion {
            q: self.q.clone(),
            selection: self.selection.spans(),
            baseline: self.baseline.spans(),
            limit: DIFFERENCES_SHOWN,
        }
    }
}

#[cfg(test)]
mod tests;
