//! How much of what was written: what version 2 tells its sender.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

/// What the rows of a remote write hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) samples: usize,
    pub(crate) histograms: usize,
    pub(crate) exemplars: usize,
}

impl Written {
    /// Counts what these rows hold. A row with a scale is a histogram; one with neither value nor flag holds exemplars
    /// only.
    pub(crate) fn of(rows: &RecordBatch) -> Self {
        let column = |name: &str| rows.column_by_name(name);
        let (Some(value), Some(scale), Some(flags), Some(exemplars)) =
            (column("value"), column("scale"), column("flags"), column("exemplars"))
        else {
            return Self::default();
        };
        let count = rows.num_rows();
        let histograms = count - scale.null_count();
        let without_value = value.null_count();
        let bare = match without_value == histograms {
            true => 0,
            false => {
                let flags = flags.as_primitive::<Int64Type>().values();
                let is_bare = |row: &usize| value.is_null(*row) && scale.is_null(*row) && flags[*row] == 0;
                (0..count).filter(is_bare).count()
            }
        };
        let exemplars = exemplars.as_list::<i32>().offsets();
        let exemplars = exemplars.last().copied().unwrap_or(0) - exemplars.first().copied().unwrap_or(0);
        let samples = count - histograms - bare;
        Self { samples, histograms, exemplars: usize::try_from(exemplars).unwrap_or(0) }
    }
}
