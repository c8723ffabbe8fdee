//! The command line: every benchmark with its options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::client::{Compression, Protocol};
use crate::load::{Shape, Signal};
use crate::size::{ByteSize, header};
use crate::table::Format;

/// Measures the program: nothing is asserted, everything is printed.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
pub(crate) struct Cli {
    /// How results are printed
    #[arg(long, value_enum, global = true, default_value_t)]
    pub(crate) format: Format,
    /// What is measured.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Records a second, latency, processor time, memory, bytes kept and written
    Ingest(IngestArgs),
    /// Bytes written for every byte kept, by signal
    Kept(KeptArgs),
    /// Bytes a record by Parquet column, and by the other files of segments
    Columns(ColumnsArgs),
    /// Single steps in this process: decoding, and each step of writing, replay, sealing and merging
    Steps(StepsArgs),
    /// Latency of small requests by number of clients, beside that of fsync
    Commit(CommitArgs),
    /// Traces by id, stored and unknown ones, without a time range
    Trace(TraceArgs),
    /// Questions about many spans and logs, cold and warm, half-settled and settled
    Query(QueryArgs),
    /// Time to start after SIGKILL with a long write-ahead log
    Restart(RestartArgs),
    /// Many times the load that is sustainable, in a control group
    Overload(OverloadArgs),
    /// The same load alone, and beside clients that ask the worst questions
    Protect(ProtectArgs),
    /// Metrics by remote write, and PromQL over them, beside Prometheus
    Metrics(MetricsArgs),
}

/// Which server is measured: the program, or another at an address.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) program: Option<PathBuf>,
    /// Its memory budget, as 512MiB [default: the program's]
    #[arg(long, value_name = "SIZE", conflicts_with = "url")]
    pub(crate) memory: Option<ByteSize>,
    /// Where its data directory is made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub(crate) dir: Option<PathBuf>,
    /// Measure the server at this address instead, as http://127.0.0.1:4318, with its path if it has one
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The process of that server, to measure its processor time and memory
    #[arg(long, requires = "url")]
    pub(crate) pid: Option<u32>,
    /// The data directory of that server, to measure what it keeps
    #[arg(long, value_name = "DIR", requires = "url")]
    pub(crate) data_dir: Option<PathBuf>,
    /// What is asked with POST to make that server merge what it has
    #[arg(long, value_name = "URL", requires = "url")]
    pub(crate) compact_url: Option<String>,
    /// A header of every request, as `name: value`
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
}

/// What is sent.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LoadArgs {
    /// Records of a request; spans come in whole traces and may be some more
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) batch: u32,
    /// Requests that are built; texts repeat after so many
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) templates: u32,
    /// Series of the metrics
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) series: u32,
    /// What all that is random follows from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How bodies are compressed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) compression: Compression,
}

impl LoadArgs {
    /// The shape of requests that carry `signal` by `protocol`.
    pub(crate) fn shape(&self, signal: Signal, protocol: Protocol) -> Shape {
        Shape {
            signal,
            form: protocol.form(),
            batch: self.batch as usize,
            templates: self.templates as usize,
            series: self.series as usize,
            seed: self.seed,
        }
    }
}

/// `ingest`.
#[derive(Debug, Clone, Args)]
pub(crate) struct IngestArgs {
    /// What is sent
    #[arg(long, value_enum, default_value = "spans", conflicts_with = "all")]
    pub(crate) signal: Signal,
    /// How it travels
    #[arg(long, value_enum, default_value = "http-protobuf", conflicts_with = "all")]
    pub(crate) protocol: Protocol,
    /// Every signal by every protocol, each on a fresh server
    #[arg(long, conflicts_with = "url")]
    pub(crate) all: bool,
    /// How many records
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) items: u64,
    /// How many connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Who is measured.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `kept`.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeptArgs {
    /// How many records of each signal
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) items: u64,
    /// How many connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Its memory budget, as 512MiB [default: the program's]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Where data directories are made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `columns`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ColumnsArgs {
    /// A data directory that no server has
    #[arg(value_name = "DATA_DIR")]
    pub(crate) data: PathBuf,
}

/// `steps`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StepsArgs {
    /// How many records each step of the store works on
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    pub(crate) items: u64,
    /// How long each decoding is repeated, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// What is decoded.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Where the store's directory is made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `commit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CommitArgs {
    /// What is sent
    #[arg(long, value_enum, default_value = "logs")]
    pub(crate) signal: Signal,
    /// Records of a request
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) batch: u32,
    /// How long each number of clients is measured, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// The most clients; they double from 1
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) clients: u32,
    /// Who is measured.
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `trace`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TraceArgs {
    /// How many spans
    #[arg(long, default_value_t = 50_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) spans: u64,
    /// Over how many hours they are spread
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    pub(crate) hours: u64,
    /// How many ids of each kind are asked for
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) lookups: u32,
    /// Keep the data in this directory, and use those that are there already
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How many connections fill it
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Its memory budget, as 512MiB [default: the program's]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Where the data directory is made without --data [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    pub(crate) dir: Option<PathBuf>,
}

/// `query`.
#[derive(Debug, Clone, Args)]
pub(crate) struct QueryArgs {
    /// How many spans, and how many logs
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) items: u64,
    /// Over how many hours they are spread
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    pub(crate) hours: u64,
    /// How often each question is measured warm
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    /// How often each question is measured cold, each time after a start of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) cold: u32,
    /// Ask only questions that have this in their names
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Keep the data in this directory, and use those that are there already, which are settled
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How many connections fill it
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Its memory budget, as 512MiB [default: the program's]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Where the data directory is made without --data [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    pub(crate) dir: Option<PathBuf>,
}

/// `restart`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RestartArgs {
    /// How long the log shall be, as 1GiB; it is what the program lets it become
    #[arg(long, default_value = "1GiB", value_name = "SIZE")]
    pub(crate) wal: ByteSize,
    /// What is sent
    #[arg(long, value_enum, default_value = "spans")]
    pub(crate) signal: Signal,
    /// How many connections fill it
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// How often it is killed and started
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Its memory budget: so large that nothing is sealed
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    pub(crate) memory: ByteSize,
    /// Where the data directory is made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `overload`.
#[derive(Debug, Clone, Args)]
pub(crate) struct OverloadArgs {
    /// What is sent
    #[arg(long, value_enum, default_value = "spans")]
    pub(crate) signal: Signal,
    /// How it travels
    #[arg(long, value_enum, default_value = "http-protobuf")]
    pub(crate) protocol: Protocol,
    /// How many times the sustainable load
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) times: u32,
    /// How long, in seconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// How long the sustainable load is measured before, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) peak_seconds: u64,
    /// How many connections the sustainable load has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// How many connections the overload has: enough that some are free while the others wait
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) clients: u32,
    /// How long a client of the overload waits for an answer, in seconds, as exporters do by default
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) patience: u64,
    /// The memory of the control group
    #[arg(long, default_value = "512MiB", value_name = "SIZE")]
    pub(crate) group: ByteSize,
    /// The memory budget of the program
    #[arg(long, default_value = "256MiB", value_name = "SIZE")]
    pub(crate) memory: ByteSize,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Where the data directory is made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `protect`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProtectArgs {
    /// What is sent
    #[arg(long, value_enum, default_value = "spans")]
    pub(crate) signal: Signal,
    /// Spans, and logs, that are stored before
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) items: u64,
    /// How long each of the three loads lasts, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// How many connections the load has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) connections: u32,
    /// How many clients ask, each one question after the other
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) clients: u32,
    /// The program's memory budget, as 512MiB [default: the program's]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// What is sent.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Where the data directory is made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `metrics`.
#[derive(Debug, Clone, Args)]
pub(crate) struct MetricsArgs {
    /// How many series; rounded up to whole hosts of 500
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) series: u32,
    /// How often each is scraped, every 15 s of event time
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) scrapes: u32,
    /// Series of a request
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) batch: u32,
    /// How many connections send them
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) connections: u32,
    /// How often each query is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: u32,
    /// What all that is random follows from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Prometheus, to be measured on the same samples
    #[arg(long, value_name = "FILE")]
    pub(crate) prometheus: Option<PathBuf>,
    /// The program [default: `causeway` beside this benchmark]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Its memory budget, as 512MiB [default: the program's]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Where data directories are made [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_that_are_read_and_lines_that_are_not() {
        for (line, good) in [
            ("ingest", true),
            ("ingest --all --format json", true),
            ("ingest --signal logs --protocol grpc --compression zstd --items 1 --connections 1", true),
            ("ingest --url http://a:1 --pid 5 --data-dir d --header a:b", true),
            ("ingest --all --signal logs", false),
            ("ingest --url http://a:1 --program x", false),
            ("ingest --pid 5", false),
            ("ingest --connections 0", false),
            ("ingest --signal profiles", false),
            ("columns", false),
            ("columns data", true),
            ("steps --seconds 0", false),
            ("trace --data a --dir b", false),
            ("query --items 2000000 --data a --only phrase --cold 0", true),
            ("query --runs 0", false),
            ("restart --wal much", false),
            ("restart --wal 64MiB", true),
            ("overload --seconds 600 --times 10", true),
            ("metrics --series 5000 --scrapes 20 --prometheus p", true),
            ("metrics --series 0", false),
            ("everything", false),
        ] {
            let read = Cli::try_parse_from(std::iter::once("bench").chain(line.split(' ')));
            assert_eq!(read.is_ok(), good, "{line}: {:?}", read.err());
        }
    }
}
