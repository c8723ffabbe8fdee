//! Bytes written for every byte kept, the write-ahead log included.

use anyhow::Result;

use super::ingest::Plan;
use crate::cli::KeptArgs;
use crate::client::Protocol;
use crate::load::Signal;
use crate::server::Program;
use crate::stats::ratio;
use crate::subject::Subject;
use crate::table::{Cell, Table};

const COLUMNS: [&str; 7] =
    ["signal", "records", "bytes kept", "bytes written", "written/kept", "written until idle/kept", "B kept"];

/// Runs it.
pub(crate) async fn run(args: &KeptArgs) -> Result<Vec<Table>> {
    let program = Program::find(args.program.as_deref(), args.memory.map(|size| size.0))?;
    let title = format!("Bytes written for each byte kept: {}", program.version());
    let mut table = Table::new(title, &COLUMNS);
    for signal in Signal::ALL {
        let plan = Plan {
            signal,
            protocol: Protocol::HttpProtobuf,
            items: args.items,
            connections: args.connections,
            load: args.load,
        };
        let subject = Subject::own(&program, args.dir.as_deref())?;
        let measured = plan.measure(&subject).await?;
        subject.stop()?;
        let (kept, [written, settled, _]) = (measured.kept(), measured.written());
        let by_kept =
            |bytes: Option<u64>| bytes.zip(kept).and_then(|(bytes, kept)| ratio(bytes as f64, kept as f64));
        table.row([
            signal.name().into(),
            measured.outcome.accepted.into(),
            Cell::count(kept),
            Cell::count(written),
            Cell::number(by_kept(written), 2),
            Cell::number(by_kept(settled), 2),
            Cell::number(kept.and_then(|kept| ratio(kept as f64, measured.outcome.accepted as f64)), 1),
        ]);
        table.note(measured.note(signal.name()));
    }
    table.note(
        "Bytes written are those of /proc/PID/io, the log and the catalog included; bytes kept are all",
    );
    table.note(
        "files of the data directory after a compaction. Until idle: before the compaction, when the last",
    );
    table.note("rows may still be in memory and the log alone.");
    Ok(vec![table])
}
