//! Bytes a record by column of the Parquet files and by the other files of segments.
//!
//! Columns are told apart by their path alone, so that new ones, of whatever name, need nothing here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::cli::ColumnsArgs;
use crate::procfs;
use crate::stats::ratio;
use crate::table::{Cell, Table};

/// How many segments are read.
const SEGMENTS_MAX: usize = 1_000_000;
/// What stands for the bytes of a Parquet file that belong to no column.
const PARQUET_REST: &str = "(Parquet's own: footer, page indexes, filters)";

/// Bytes of a part of segments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bytes {
    stored: u64,
    /// Before compression; none where that is not told.
    plain: Option<u64>,
}

/// The segments of a table.
#[derive(Debug, Clone, Default)]
struct Segments {
    segments: u64,
    records: u64,
    bytes: u64,
    parts: BTreeMap<String, Bytes>,
}

const COLUMNS: [&str; 6] = ["part", "bytes", "B/record", "share %", "plain B/record", "stored/plain"];

/// Runs it.
pub(crate) fn run(args: &ColumnsArgs) -> Result<Vec<Table>> {
    let root = args.data.join("segments");
    if !root.is_dir() {
        bail!("{} is no data directory: it has no directory `segments`", args.data.display());
    }
    let mut tables: BTreeMap<String, Segments> = BTreeMap::new();
    let mut read = 0;
    // segments/{tenant}/{table}/{segment}/{file}
    for tenant in directories(&root)? {
        for table in directories(&tenant)? {
            let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let segments = tables.entry(name).or_default();
            for segment in directories(&table)? {
                segments.add(&segment)?;
                read += 1;
                if read > SEGMENTS_MAX {
                    bail!("{} has more than {SEGMENTS_MAX} segments", args.data.display());
                }
            }
        }
    }
    tables.retain(|_, segments| segments.records > 0);
    if tables.is_empty() {
        bail!("{} has no segments with records: `causeway compact --data` makes some", args.data.display());
    }
    Ok(tables.into_iter().map(|(name, segments)| table_of(&name, &segments)).collect())
}

fn table_of(name: &str, segments: &Segments) -> Table {
    let records = segments.records as f64;
    let each = |bytes: u64| ratio(bytes as f64, records);
    let title = format!(
        "{name}: {} records in {} segments, {:.1} bytes each",
        segments.records,
        segments.segments,
        each(segments.bytes).unwrap_or(0.0)
    );
    let mut table = Table::new(title, &COLUMNS);
    let mut parts: Vec<(&String, &Bytes)> = segments.parts.iter().collect();
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.stored));
    for (part, bytes) in parts {
        table.row([
            part.as_str().into(),
            bytes.stored.into(),
            Cell::number(each(bytes.stored), 2),
            Cell::number(ratio(bytes.stored as f64 * 100.0, segments.bytes as f64), 1),
            Cell::number(bytes.plain.and_then(each), 2),
            Cell::number(bytes.plain.and_then(|plain| ratio(bytes.stored as f64, plain as f64)), 3),
        ]);
    }
    table
}

impl Segments {
    fn add(&mut self, segment: &Path) -> Result<()> {
        self.segments += 1;
        for (path, bytes) in procfs::files(segment) {
            self.bytes += bytes;
            if path.extension().is_some_and(|extension| extension == "parquet") {
                self.add_parquet(&path, bytes).with_context(|| format!("cannot read {}", path.display()))?;
            } else {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                self.parts.entry(format!("file {name}")).or_default().stored += bytes;
            }
        }
        Ok(())
    }

    fn add_parquet(&mut self, path: &Path, file_bytes: u64) -> Result<()> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let metadata = reader.metadata();
        let mut of_columns = 0;
        for group in metadata.row_groups() {
            self.records += u64::try_from(group.num_rows())?;
            for column in group.columns() {
                let stored = u64::try_from(column.compressed_size())?;
                of_columns += stored;
                let part = self.parts.entry(column.column_path().string()).or_default();
                part.stored += stored;
                part.plain = Some(part.plain.unwrap_or(0) + u64::try_from(column.uncompressed_size())?);
            }
        }
        let rest = self.parts.entry(PARQUET_REST.to_owned()).or_default();
        rest.stored += file_bytes.saturating_sub(of_columns);
        Ok(())
    }
}

/// The directories in a directory.
fn directories(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", dir.display()))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_the_fixture_is_in_some_part() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../storage/fixtures/format-1");
        let mut segments = Segments::default();
        for segment in directories(&data.join("segments/00000001/logs")).unwrap() {
            segments.add(&segment).unwrap();
        }
        assert_eq!(segments.segments, 2);
        assert!(segments.records > 0);
        let parts: u64 = segments.parts.values().map(|bytes| bytes.stored).sum();
        assert_eq!(parts, segments.bytes);
        assert!(segments.parts["body"].stored > 0 && segments.parts["body"].plain.is_some());
        assert!(segments.parts["file index.cwi"].stored > 0);
        assert!(segments.parts[PARQUET_REST].stored > 0);
    }

    #[test]
    fn what_is_no_data_directory_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(&ColumnsArgs { data: dir.path().to_owned() }).unwrap_err();
        assert!(error.to_string().contains("no data directory"), "{error}");
        fs::create_dir(dir.path().join("segments")).unwrap();
        let error = run(&ColumnsArgs { data: dir.path().to_owned() }).unwrap_err();
        assert!(error.to_string().contains("no segments"), "{error}");
    }
}
