//! What a segment must have for a predicate to hold of any of its rows, as far as its footer can tell.

use std::sync::Arc;

use model::{Field, Predicate, Test, TraceId, TraceSet};

use crate::error::Result;
use crate::segment::Segment;

/// A text index is asked about so many traces at most: its filters are wrong once in 256, so that it names nearly all
/// blocks for more.
pub(crate) const INDEX_TRACES_MAX: usize = 64;

/// What every row that matches has.
#[derive(Debug, Default)]
pub(super) struct Needs {
    service: Option<String>,
    /// Sets of traces, all of which it must be in.
    traces: Vec<Arc<[TraceId]>>,
    /// The first and the last of the `seq` it may have.
    seqs: Option<(i64, i64)>,
    /// The identity of a template.
    pub(super) template: Option<u64>,
    /// Nothing matches.
    never: bool,
}

/// The traces of a predicate that a segment may have rows of.
#[derive(Debug)]
pub(super) enum TracesHere {
    /// The predicate names none.
    Any,
    /// These.
    These(Arc<[TraceId]>),
}

impl Needs {
    pub(super) fn of(predicate: &Predicate) -> Self {
        let mut needs = Self::default();
        needs.collect(predicate);
        needs.traces.sort_by_key(|ids| ids.len());
        needs
    }

    fn collect(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::And(parts) => parts.iter().for_each(|part| self.collect(part)),
            Predicate::Field(Field::Service, Test::Equals(name)) => self.service = Some(name.clone()),
            Predicate::Field(Field::Trace, Test::Equals(id)) => {
                self.traces.extend(id.parse::<TraceId>().ok().map(|id| Arc::from([id])));
            }
            Predicate::Field(Field::Template, Test::Equals(id)) => {
                self.template = u64::from_str_radix(id, 16).ok();
            }
            Predicate::TraceIn(TraceSet::Ids(ids)) => self.traces.push(Arc::clone(ids)),
            Predicate::Rows(seqs) => match (seqs.first(), seqs.last()) {
                (Some(first), Some(last)) => self.seqs = Some((*first, *last)),
                _ => self.never = true,
            },
            _ => {}
        }
    }

    /// The smallest set of traces that every row must be in.
    pub(super) fn traces(&self) -> Option<&[TraceId]> {
        self.traces.first().map(|ids| &**ids)
    }

    /// `None` if no row of a segment can match, else the traces of the smallest set that it may have.
    pub(super) fn in_segment(&self, segment: &Segment) -> Result<Option<TracesHere>> {
        if self.never {
            return Ok(None);
        }
        if self.service.is_some() || self.seqs.is_some() {
            let footer = segment.footer()?;
            if let (Some(service), Some(services)) = (&self.service, &footer.services)
                && !services.contains(service)
            {
                return Ok(None);
            }
            if self.seqs.is_some_and(|(first, last)| last < footer.first_seq || footer.last_seq < first) {
                return Ok(None);
            }
        }
        let mut here = TracesHere::Any;
        // The smallest set last, so that it is the one that is left.
        for ids in self.traces.iter().rev() {
            let left: Arc<[TraceId]> = segment.traces_here(ids)?.into();
            if left.is_empty() {
                return Ok(None);
            }
            here = TracesHere::These(left);
        }
        Ok(Some(here))
    }
}

impl TracesHere {
    /// The predicate with these traces, if they are few enough for an index to find their blocks.
    pub(super) fn few(&self, predicate: &Predicate) -> Option<Predicate> {
        match self {
            Self::These(ids) if ids.len() <= INDEX_TRACES_MAX => {
                Some(Predicate::TraceIn(TraceSet::Ids(Arc::clone(ids))).and(predicate.clone()))
            }
            _ => None,
        }
    }
}
