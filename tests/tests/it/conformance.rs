//! What a receiver owes its clients: OTLP's specification, line by line, over gRPC, HTTP with protobuf and HTTP
//! with JSON.
//!
//! Every case is a row of a table: which line of the requirements it belongs to, what is sent, what has to come
//! back, and what has to be stored. Without settings the cases run against servers that the test starts. With
//! `CAUSEWAY_CONFORMANCE_HTTP` (`http://host:4318`) and `CAUSEWAY_CONFORMANCE_GRPC` (`http://host:4317`) they run
//! against any other receiver; what needs a configuration of ours, or a look into our store, is then left out and
//! the table says so. Line 26 leaves a receiver free; ours keeps one copy, also over a crash, which the module that
//! kills the server holds.

mod target;
mod wire;
mod expect;
mod transport;
mod answers;
mod json;
mod data;
mod overload;
mod cors;

use std::{env, fmt::Write};

use expect::{Expect, Stored};
use target::{Needs, Target};
use wire::{Request, Wire};

/// What one case checks.
enum Check {
    /// One request, its answer, and what it left in the store.
    Exchange(fn(&Tag) -> Request, Expect, Option<Stored>),
    /// Anything that one exchange cannot show.
    Own(fn(&Target, &Tag) -> Result<(), String>),
}

/// A row of the table.
struct Case {
    /// The requirement it belongs to.
    line: u8,
    /// What it shows, in a few words.
    what: &'static str,
    /// Where it applies.
    wires: &'static [Wire],
    /// What the receiver has to be.
    needs: Needs,
    /// What is done.
    check: Check,
}

/// One run of a case: names that nothing else uses, so that runs do not see each other's records.
struct Tag {
    /// The service of all its records.
    service: String,
    /// How it is sent.
    wire: Wire,
}

/// What came of one run.
enum Cell {
    Passed,
    Failed(String),
    NotRun,
    DoesNotApply,
}

#[test]
fn every_line_holds() {
    let outside = env::var("CAUSEWAY_CONFORMANCE_HTTP").ok().zip(env::var("CAUSEWAY_CONFORMANCE_GRPC").ok());
    let target = match outside {
        Some((http, grpc)) => Target::outside(&http, &grpc),
        None => Target::own(),
    };
    let tables = [transport::CASES, answers::CASES, json::CASES, data::CASES, overload::CASES, cors::CASES];
    let mut report = Report::new(&target.name());
    let mut cases: Vec<&Case> = tables.into_iter().flatten().collect();
    cases.sort_by_key(|case| case.line);
    for (number, case) in cases.into_iter().enumerate() {
        let cells = Wire::ALL.map(|wire| run(&target, case, number, wire));
        report.add(case, &cells);
    }
    report.finish();
}

fn run(target: &Target, case: &Case, number: usize, wire: Wire) -> Cell {
    if !case.wires.contains(&wire) {
        return Cell::DoesNotApply;
    }
    if !target.offers(case.needs) {
        return Cell::NotRun;
    }
    let tag = Tag { service: format!("conformance-{number}-{wire}"), wire };
    let result = match &case.check {
        Check::Exchange(request, expect, stored) => {
            let answer = target.send(wire, &request(&tag));
            let held = answer.and_then(|answer| expect.judge(&answer));
            held.and_then(|()| stored.as_ref().map_or(Ok(()), |stored| stored.judge(target, &tag)))
        }
        Check::Own(check) => check(target, &tag),
    };
    result.map_or_else(Cell::Failed, |()| Cell::Passed)
}

/// The table that is printed.
struct Report {
    text: String,
    failures: Vec<String>,
    lines: Vec<(u8, bool)>,
    not_run: usize,
}

impl Report {
    fn new(target: &str) -> Self {
        let mut text = format!("OTLP conformance of {target}\n");
        let _ = writeln!(
            text,
            "{:>4}  {:<62} {:<8} {:<8} {:<8} result",
            "line", "what", "grpc", "protobuf", "json"
        );
        Self { text, failures: Vec::new(), lines: Vec::new(), not_run: 0 }
    }

    fn add(&mut self, case: &Case, cells: &[Cell; 3]) {
        let failed = cells.iter().any(|cell| matches!(cell, Cell::Failed(_)));
        let left_out = cells.iter().any(|cell| matches!(cell, Cell::NotRun));
        let result = match (failed, left_out) {
            (true, _) => "FAILED",
            (false, true) => "not run against this receiver",
            (false, false) => "ok",
        };
        let [grpc, protobuf, json] = cells.each_ref().map(Cell::word);
        let row = format!("{:>4}  {:<62} {grpc:<8} {protobuf:<8} {json:<8} {result}", case.line, case.what);
        let _ = writeln!(self.text, "{row}");
        for (wire, cell) in Wire::ALL.iter().zip(cells) {
            if let Cell::Failed(why) = cell {
                self.failures.push(format!("line {}, {}, {wire}: {why}", case.line, case.what));
            }
        }
        self.not_run += usize::from(left_out);
        self.lines.push((case.line, !failed && !left_out));
    }

    /// Prints the table and fails if a case did.
    fn finish(mut self) {
        let mut lines: Vec<u8> = self.lines.iter().map(|(line, _)| *line).collect();
        lines.sort_unstable();
        lines.dedup();
        let whole = |line: &&u8| self.lines.iter().filter(|(of, _)| of == *line).all(|(_, held)| *held);
        let held = lines.iter().filter(whole).count();
        let _ =
            writeln!(self.text, "{held} of {} lines hold, {} cases were not run", lines.len(), self.not_run);
        for failure in &self.failures {
            let _ = writeln!(self.text, "{failure}");
        }
        tests::harness::announce(&self.text);
        assert!(self.failures.is_empty(), "{} failures, see the table", self.failures.len());
    }
}

impl Cell {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::NotRun => "not run",
            Self::DoesNotApply => "-",
        }
    }
}
