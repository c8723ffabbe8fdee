//! Adds rows of one minute and key while segments of `red` are merged.
//!
//! Rows come in order of service and minute. Those of one service and minute are held until all of them are there,
//! and go out as one row a key. A minute of more than [`HELD_ROWS_MAX`] rows goes out in parts: then some keys have
//! several rows still, as the table allows.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use model::Signal;

use super::{RollUp, lacking};
use crate::error::Result;
use crate::segment::{SegmentWriter, sorted};

/// The most rows that are held at once.
const HELD_ROWS_MAX: usize = 64 * 1024;

/// A merge's rows on their way to its segment.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    held: Vec<RecordBatch>,
    roll_up: RollUp,
    /// The service of the row that came last.
    service: Option<String>,
    rows: u64,
}

impl Folding {
    /// Takes the next rows in order.
    pub(crate) fn write(&mut self, rows: &RecordBatch, writer: &mut SegmentWriter) -> Result<()> {
        let Some(last) = rows.num_rows().checked_sub(1) else { return Ok(()) };
        self.rows += rows.num_rows() as u64;
        let keys = Keys::of(rows)?;
        let begins = (0..=last).rev().take_while(|row| keys.get(*row) == keys.get(last)).last().unwrap_or(0);
        let goes_on = match self.held.last() {
            Some(before) => Keys::of(before)?.get(before.num_rows() - 1) == keys.get(0),
            None => false,
        };
        let held: usize = self.held.iter().map(RecordBatch::num_rows).sum();
        let all_go_on = begins == 0 && goes_on;
        if all_go_on && held + rows.num_rows() <= HELD_ROWS_MAX {
            self.held.push(rows.clone());
            return Ok(());
        }
        let whole = if all_go_on { rows.num_rows() } else { begins };
        self.held.push(rows.slice(0, whole));
        self.flush(writer)?;
        let service = keys.get(last).0;
        // Names count by service, and those of services that are done are forgotten.
        if self.service.as_deref() != Some(service) {
            self.roll_up = RollUp::default();
            self.service = Some(service.to_owned());
        }
        if whole < rows.num_rows() {
            self.held.push(rows.slice(whole, rows.num_rows() - whole));
        }
        Ok(())
    }

    fn flush(&mut self, writer: &mut SegmentWriter) -> Result<()> {
        for rows in std::mem::take(&mut self.held) {
            self.roll_up.add_rows(&rows)?;
        }
        match self.roll_up.len() {
            0 => Ok(()),
            _ => writer.write(&sorted(Signal::Red, &self.roll_up.drain()?)?),
        }
    }

    /// Writes what is held. Returns how many rows came.
    pub(crate) fn finish(mut self, writer: &mut SegmentWriter) -> Result<u64> {
        self.flush(writer)?;
        Ok(self.rows)
    }
}

/// Service and minute of the rows of a batch.
struct Keys<'a> {
    services: &'a arrow::array::DictionaryArray<Int32Type>,
    names: &'a arrow::array::StringArray,
    times: &'a arrow::array::TimestampNanosecondArray,
}

impl<'a> Keys<'a> {
    fn of(rows: &'a RecordBatch) -> Result<Self> {
        let service = rows.column_by_name("service_name");
        let services = service.and_then(|service| service.as_dictionary_opt::<Int32Type>());
        let services = services.ok_or_else(|| lacking("service_name"))?;
        let names = services.values().as_string_opt::<i32>().ok_or_else(|| lacking("service_name"))?;
        let time = rows.column_by_name("time");
        let times = time.and_then(|time| time.as_primitive_opt::<TimestampNanosecondType>());
        Ok(Self { services, names, times: times.ok_or_else(|| lacking("time"))? })
    }

    fn get(&self, row: usize) -> (&str, i64) {
        (self.services.key(row).map_or("", |key| self.names.value(key)), self.times.value(row))
    }
}
