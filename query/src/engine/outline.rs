//! The outline of a trace, and questions about its rows: see [`crate::outline`].
//!
//! An outline is what is stored of a trace up to one row: its [`Token`] names the newest row and how many there were.
//! Asked for by its token it is made again as it was, so that a trace may grow while somebody looks at it and no row
//! changes its number. Outlines that were asked for last are kept ([`Outlines`]), as a page asks several questions
//! about one; what is kept is the bytes, and where each row comes from.
//!
//! `collect` reads the rows, `forest` puts them in order, `rows` says what is behind some of them, `find` which match.

mod collect;
mod forest;
mod kept;
mod rows;
mod find;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use model::{Reader, Signal, TraceId};
use storage::{Control, MemoryBudget, Purpose, Reservation, Snapshot, StoreError};

use super::work::{PIECE_BYTES, Work};
use super::{Engine, ROW_BYTES, SCAN_BYTES};
use crate::error::QueryError;
use crate::outline::{Decoded, Flags, Head};
use crate::rows::TraceRow;
use crate::search;
pub use find::{Found, Sought};
pub(super) use kept::Outlines;

/// The most rows of an outline. Where the memory for queries is less than they need, it is what that holds.
pub const OUTLINE_ROWS_MAX: usize = 2_000_000;
/// What a row is taken to need in bytes while an outline is made.
const BUILD_ROW_BYTES: usize = 72;
/// What a row is taken to need in bytes while a page shows an outline: itself, and what follows from its place.
const DECODED_ROW_BYTES: usize = size_of::<crate::outline::Row>() + 16;
/// The part of the memory for queries that is left to others while an outline is made: it divided by this.
const LEFT_SHARE: usize = 32;
/// The most rows whose details are given at once.
pub const DETAILS_MAX: usize = 1_000;

/// Names an outline: what was stored of the trace when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The `seq` of the newest row.
    until: i64,
    /// Rows up to there.
    spans: u64,
    logs: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.until, self.spans, self.logs)
    }
}

impl FromStr for Token {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let mut parts = text.split('.');
        let token = (|| {
            let until = parts.next()?.parse().ok()?;
            let token = Self { until, spans: parts.next()?.parse().ok()?, logs: parts.next()?.parse().ok()? };
            parts.next().is_none().then_some(token)
        })();
        token.ok_or_else(|| {
            QueryError::invalid(format!("{text:?} names no outline: take `outline` from the head of one"))
        })
    }
}

/// How much is stored of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceSize {
    /// Spans.
    pub spans: u64,
    /// Logs.
    pub logs: u64,
}

/// An outline that was made.
#[derive(Debug)]
pub struct Outline {
    token: Token,
    head: Head,
    /// Head and tables, the blocks, and the end.
    pieces: Vec<Bytes>,
    /// Where each row comes from: of spans and logs their `seq`; of events the number of the span's row, and above 32
    /// bits the number of the event; of gaps the id that is missing.
    sources: Vec<i64>,
    flags: Vec<Flags>,
    _memory: Reservation,
}

impl Outline {
    /// What is known of the whole trace.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its bytes, in pieces of some hundred kilobytes.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Its rows in memory.
    pub fn decoded(&self) -> Result<Decoded, QueryError> {
        crate::outline::decode_pieces(&self.pieces).map_err(|error| QueryError::Store(error.to_string()))
    }

    /// Bytes that it takes in memory.
    fn bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(Bytes::len).sum();
        pieces + self.sources.len() * (size_of::<i64>() + size_of::<Flags>())
    }
}

impl Engine {
    /// The outline of a trace: as it was when `token` was made, or of all that is stored now. `NotFound` if nothing is
    /// stored, and if what the token names is no longer there.
    pub async fn outline(
        &self,
        reader: &Reader,
        id: TraceId,
        token: Option<Token>,
    ) -> Result<Arc<Outline>, QueryError> {
        let make = Make { engine: self.clone(), reader: reader.clone(), id, token };
        self.ask(reader, 0, move |snapshot, control| make.outline(snapshot, control)).await
    }

    /// The outline with its rows in memory, which is reserved for as long as the answer is held.
    pub async fn decoded_outline(
        &self,
        reader: &Reader,
        id: TraceId,
        token: Option<Token>,
    ) -> Result<DecodedOutline, QueryError> {
        let make = Make { engine: self.clone(), reader: reader.clone(), id, token };
        self.ask(reader, 0, move |snapshot, control| {
            let outline = make.outline(snapshot, control)?;
            let memory = make.reserve(outline.sources.len() * DECODED_ROW_BYTES)?;
            Ok(DecodedOutline { decoded: outline.decoded()?, _memory: memory })
        })
        .await
    }

    /// What is behind rows of an outline, at most [`DETAILS_MAX`]; numbers past the last row are left out.
    pub async fn trace_rows(
        &self,
        reader: &Reader,
        id: TraceId,
        token: Option<Token>,
        rows: Vec<usize>,
    ) -> Result<TraceRows, QueryError> {
        if rows.len() > DETAILS_MAX {
            let message = format!("{} rows are asked for, and {DETAILS_MAX} at most", rows.len());
            return Err(QueryError::invalid(message));
        }
        let make = Make { engine: self.clone(), reader: reader.clone(), id, token };
        self.ask(reader, rows.len(), move |snapshot, control| {
            let outline = make.outline(snapshot, control)?;
            let rows = rows::behind(&outline, snapshot, id, &rows, control)?;
            Ok(TraceRows { outline: outline.token, rows })
        })
        .await
    }

    /// The rows of an outline that are sought.
    pub async fn find_in_trace(
        &self,
        reader: &Reader,
        id: TraceId,
        token: Option<Token>,
        sought: Sought,
    ) -> Result<Found, QueryError> {
        let sought = find::Question::new(sought)?;
        let make = Make { engine: self.clone(), reader: reader.clone(), id, token };
        self.ask(reader, 0, move |snapshot, control| {
            let outline = make.outline(snapshot, control)?;
            find::rows(&outline, &mut Work::new(snapshot, control, make.budget()), id, &sought)
        })
        .await
    }

    /// How much is stored of a trace now.
    pub async fn trace_size(&self, reader: &Reader, id: TraceId) -> Result<TraceSize, QueryError> {
        self.ask(reader, 0, move |snapshot, control| size(snapshot, id, control)).await
    }
}

/// An outline whose rows are in memory.
#[derive(Debug)]
pub struct DecodedOutline {
    decoded: Decoded,
    _memory: Reservation,
}

impl std::ops::Deref for DecodedOutline {
    type Target = Decoded;

    fn deref(&self) -> &Decoded {
        &self.decoded
    }
}

/// What is behind some rows of an outline.
#[derive(Debug)]
pub struct TraceRows {
    /// Which outline.
    pub outline: Token,
    /// In its order.
    pub rows: Vec<TraceRow>,
}

fn size(snapshot: &Snapshot, id: TraceId, control: &Control) -> Result<TraceSize, QueryError> {
    let (_, spans, _) = snapshot.trace(Signal::Spans, id, 0, control)?;
    let (_, logs, _) = snapshot.trace(Signal::Logs, id, 0, control)?;
    Ok(TraceSize { spans, logs })
}

/// An outline that is wanted.
struct Make {
    engine: Engine,
    reader: Reader,
    id: TraceId,
    token: Option<Token>,
}

impl Make {
    fn budget(&self) -> &Arc<MemoryBudget> {
        self.engine.store.budget()
    }

    fn reserve(&self, bytes: usize) -> Result<Reservation, QueryError> {
        Ok(self.budget().try_reserve(Purpose::Queries, bytes).map_err(StoreError::from)?)
    }

    /// The one that is kept, else a new one, which is kept then.
    fn outline(&self, snapshot: &Snapshot, control: &Control) -> Result<Arc<Outline>, QueryError> {
        let kept = &self.engine.outlines;
        let found = match self.token {
            Some(token) => kept.find(&self.reader, self.id, |outline| outline.token == token),
            None => {
                let TraceSize { spans, logs } = size(snapshot, self.id, control)?;
                let is_new = |outline: &Outline| (outline.token.spans, outline.token.logs) == (spans, logs);
                kept.find(&self.reader, self.id, is_new)
            }
        };
        if let Some(outline) = found {
            return Ok(outline);
        }
        let outline = match self.build(snapshot, control) {
            // Memory goes to what is asked before what is kept.
            Err(QueryError::Short(_)) if kept.clear() => self.build(snapshot, control)?,
            other => other?,
        };
        let outline = Arc::new(outline);
        kept.keep(&self.reader, self.id, &outline, self.budget().share(Purpose::Queries));
        Ok(outline)
    }

    fn build(&self, snapshot: &Snapshot, control: &Control) -> Result<Outline, QueryError> {
        let mut work = Work::new(snapshot, control, self.budget());
        let mut memory = work.memory()?;
        let share = self.budget().share(Purpose::Queries);
        let scan = (SCAN_BYTES + PIECE_BYTES).min(share / 4);
        let room = share - scan - share / LEFT_SHARE;
        let until = self.token.map(|token| token.until);
        let collected = collect::all(&mut work, self.id, until, room, &mut memory)?;
        if collected.items.is_empty() {
            if work.is_late() {
                let message = "the time limit passed before the trace was found";
                return Err(QueryError::Timeout(message.to_owned()));
            }
            return Err(QueryError::NotFound(format!("no span and no log of trace {} is stored", self.id)));
        }
        let token = Token { until: collected.newest, spans: collected.spans, logs: collected.logs };
        if self.token.is_some_and(|asked| asked != token) {
            let message = "rows of this outline are no longer stored, or never were: ask for a new one";
            return Err(QueryError::NotFound(message.to_owned()));
        }
        tracing::debug!(trace_id = %self.id, rows = collected.items.len(), "an outline is made");
        let late = work.is_late();
        let finished = forest::finished(self.id, token, collected, late, &mut memory)?;
        // What was needed to make it is free; what is left is less.
        drop(memory);
        let bytes = finished.pieces.iter().map(Bytes::len).sum::<usize>();
        let kept = bytes + finished.sources.len() * (size_of::<i64>() + size_of::<Flags>()) + ROW_BYTES;
        let _memory = self.reserve(kept)?;
        let forest::Finished { head, pieces, sources, flags } = finished;
        Ok(Outline { token, head, pieces, sources, flags, _memory })
    }
}

/// A search within a trace, for spans and for logs where it can be one.
fn parsed(q: &str) -> Result<Vec<(Signal, model::Predicate)>, QueryError> {
    let each = [Signal::Spans, Signal::Logs].map(|signal| Ok((signal, search::parse(q, signal)?)));
    match each {
        [Err(error), Err(_)] => Err(error),
        some => Ok(some.into_iter().filter_map(Result::ok).collect()),
    }
}
