//! Plays a folder of scripts to the program and prints what passed, file by file:
//!
//! ```text
//! CAUSEWAY_PROMQL_TESTS=prometheus/promql/promqltest/testdata cargo run --release -p promql --bin promql-suite
//! ```
//!
//! The folder is that of Prometheus' own tests, which are not in this repository. It ends with status 1 if something
//! fails.

#![forbid(unsafe_code)]

mod table;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use ::tests::harness::announce;
use anyhow::{Context, Result};
use clap::Parser;
use promql::door::Door;
use promql::subject::{Subject, program};
use promql::suite::{FEATURES, Report, Rules, Script, of_file};

/// What it ends with if it could not run, and if something failed.
const NOT_RUN: u8 = 3;
const FAILED: u8 = 1;

/// Plays scripts of samples and queries to the program.
#[derive(Debug, Parser)]
#[command(name = "promql-suite", version, about)]
struct Cli {
    /// The folder with files *.test
    #[arg(long, value_name = "DIR", env = "CAUSEWAY_PROMQL_TESTS")]
    tests: PathBuf,
    /// The program [default: `causeway` beside this one]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// How samples go in
    #[arg(long, value_enum, default_value_t)]
    write: Door,
    /// Switches on what Prometheus has behind features, and plays what needs it
    #[arg(long)]
    features: bool,
    /// Lets answers come with warnings and remarks where nothing is said of them
    #[arg(long)]
    lenient: bool,
    /// Plays only files that have this in their names
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// How many failures are shown
    #[arg(long, value_name = "N", default_value_t = 50)]
    failures: usize,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            announce(&format!("promql-suite: {error:#}"));
            ExitCode::from(NOT_RUN)
        }
    }
}

/// Plays all and prints; whether nothing failed.
fn run(cli: &Cli) -> Result<bool> {
    let program = program(cli.program.as_deref())?;
    let mut scripts = Script::all(&cli.tests)?;
    scripts.retain(|script| cli.only.as_ref().is_none_or(|text| script.name.contains(text.as_str())));
    let rules = Rules { door: cli.write, features: cli.features, is_strict: !cli.lenient };
    let mut reports = BTreeMap::new();
    for (features, scripts) in by_features(&scripts, cli.features) {
        let tenants = scripts.iter().map(|script| script.sections()).sum();
        let mut subject = Subject::start(&program, tenants, &features)?;
        for script in scripts {
            reports.insert(script.name.clone(), script.play(&mut subject, rules)?);
        }
    }
    let mut all = Report::default();
    reports.values().for_each(|report| all.add(report));
    let mut text = table::text(&reports, &all, rules);
    for failure in all.failures.iter().take(cli.failures) {
        text += &format!("{failure}\n");
    }
    if all.failures.len() > cli.failures {
        text += &format!("and {} more\n", all.failures.len() - cli.failures);
    }
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot print")?;
    Ok(all.failures.is_empty())
}

/// The scripts by what the program is started with.
fn by_features(scripts: &[Script], on: bool) -> BTreeMap<Vec<&'static str>, Vec<&Script>> {
    let mut groups: BTreeMap<Vec<&str>, Vec<&Script>> = BTreeMap::new();
    for script in scripts {
        let features = match on {
            true => FEATURES.iter().chain(of_file(&script.name)).copied().collect(),
            false => Vec::new(),
        };
        groups.entry(features).or_default().push(script);
    }
    groups
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
            ("--tests x", true),
            ("--tests x --write 2 --features --only staleness", true),
            ("--tests x --write otlp --lenient --failures 0", true),
            ("--tests x --write 3", false),
        ] {
            let read = Cli::try_parse_from(std::iter::once("promql-suite").chain(line.split(' ')));
            assert_eq!(read.is_ok(), good, "{line}: {:?}", read.err());
        }
    }
}
