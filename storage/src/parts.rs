//! Reads the rows of a table part by part, in the order in which they lie: for questions that know places of rows.
//!
//! A part is a sealed segment, whose rows are in the order of its table, or a batch in memory, in order of arrival.
//! Neither ever changes, so what was found out about the places of a part holds for as long as the part is there.

use std::ops::{ControlFlow, Range};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use model::{Signal, TimeRange, UnixNanos, packed};

use crate::columns::{REST, key_of};
use crate::error::Result;
use crate::scan::{Control, ScanStats};
use crate::segment::Wanted;
use crate::snapshot::{Snapshot, Table};

/// The name of a part, unlike that of any other of this process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartId {
    /// A sealed segment.
    Segment(String),
    /// A batch in memory.
    Fresh(u64),
}

/// A part of a table.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    table: &'a Table,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Sealed(usize),
    Fresh(usize),
}

impl Snapshot {
    /// The parts of a table that can hold times in a range, those whose rows arrived first in front.
    pub fn parts(&self, signal: Signal, range: TimeRange) -> Vec<Part<'_>> {
        let table = self.table(signal);
        let mut sealed: Vec<usize> = (0..table.segments.len()).collect();
        let arrived = |at: &usize| {
            let meta = &table.segments[*at].meta;
            (meta.last_arrival, meta.first_arrival, &meta.id)
        };
        sealed.sort_by(|a, b| arrived(a).cmp(&arrived(b)));
        let places = sealed.into_iter().map(Place::Sealed).chain((0..table.fresh.len()).map(Place::Fresh));
        let parts = places.map(|place| Part { table, place });
        parts.filter(|part| part.rows() > 0 && range.overlaps(part.extent().0, part.extent().1)).collect()
    }
}

impl Part<'_> {
    /// Its name.
    pub fn id(&self) -> PartId {
        match self.place {
            Place::Sealed(at) => PartId::Segment(self.table.segments[at].meta.id.clone()),
            Place::Fresh(at) => PartId::Fresh(self.table.fresh[at].number),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> u32 {
        match self.place {
            Place::Sealed(at) => self.table.segments[at].meta.rows as u32,
            Place::Fresh(at) => self.table.fresh[at].batch.num_rows() as u32,
        }
    }

    /// Whether its rows are in the order of the table.
    pub fn is_sorted(&self) -> bool {
        matches!(self.place, Place::Sealed(_))
    }

    /// The first and the last time in it.
    pub fn extent(&self) -> (UnixNanos, UnixNanos) {
        match self.place {
            Place::Sealed(at) => (self.table.segments[at].meta.first, self.table.segments[at].meta.last),
            Place::Fresh(at) => (self.table.fresh[at].first, self.table.fresh[at].last),
        }
    }

    /// Gives these rows in their order, all without ranges, with the named columns as far as they are there. Ranges
    /// ascend and do not overlap. False if the deadline passed before the last one.
    pub fn read(
        &self,
        columns: &[&str],
        rows: Option<&[Range<u32>]>,
        cost: &mut ScanStats,
        control: &Control,
        each: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<bool> {
        let mut give = |batch: &RecordBatch| {
            cost.rows += batch.num_rows() as u64;
            cost.bytes += batch.get_array_memory_size() as u64;
            each(&asked(batch, columns)?)
        };
        match self.place {
            Place::Fresh(at) => {
                if control.check()?.is_break() {
                    return Ok(false);
                }
                let batch = &self.table.fresh[at].batch;
                let Some(rows) = rows else { return give(batch).map(|()| true) };
                let rows = UInt32Array::from_iter_values(rows.iter().cloned().flatten());
                give(&take_record_batch(batch, &rows)?)?;
            }
            Place::Sealed(at) => {
                cost.opened += 1;
                for batch in self.table.segments[at].read_ranges(Wanted::Columns(columns), rows)? {
                    if control.check()? == ControlFlow::Break(()) {
                        return Ok(false);
                    }
                    give(&batch?)?;
                }
            }
        }
        Ok(true)
    }
}

/// The named columns of packed rows, attributes whole.
fn asked(batch: &RecordBatch, columns: &[&str]) -> Result<RecordBatch> {
    let whole = columns.contains(&REST);
    let names = batch.schema_ref().fields().iter().enumerate();
    let wanted = names.filter(|(_, field)| {
        let name = field.name().as_str();
        columns.contains(&name) || (whole && key_of(name).is_some())
    });
    let rows = batch.project(&wanted.map(|(at, _)| at).collect::<Vec<_>>())?;
    if whole { Ok(packed::unpack(&rows)?) } else { Ok(rows) }
}
