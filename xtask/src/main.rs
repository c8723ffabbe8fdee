//! The one command that checks everything: `cargo xtask test`.
//!
//! A run is a list of stages, each timed. A stage that fails does not keep the others from running, unless they
//! need what it was to build. What a stage needs and the machine lacks is installed first: Debian packages where
//! that is allowed, Python and npm packages into a cache outside the source tree. `cargo xtask long` runs longer
//! forms: the demo's faults in simulated and in real time, Lighthouse on every page, more kills, losses of power, changed
//! bytes, crowds and random payloads, and the audit of dependencies.
//!
//! | file | holds |
//! |---|---|
//! | `command_line` | what was asked for |
//! | `stage` | the stages, what each needs and runs |
//! | `install` | what the tests need, brought here |
//! | `shell` | running a program, and saying so |
//! | `report` | the minutes per stage |

mod command_line;
mod stage;
mod install;
mod shell;
mod report;
#[cfg(test)]
mod arrows;

use std::{env, process::ExitCode, time::Instant};

use command_line::{Action, USAGE};
use report::Report;
use shell::say;

fn main() -> ExitCode {
    match command_line::parse(env::args().skip(1)) {
        Ok(Action::Help) => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        Ok(Action::List(stages)) => {
            stages.iter().for_each(|stage| say(&listed(*stage)));
            ExitCode::SUCCESS
        }
        Ok(Action::Run(stages)) => run(&stages),
        Err(message) => {
            say(&format!("error: {message}\n\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

/// A stage in the list of them.
fn listed(stage: stage::Stage) -> String {
    let took = stage.took().map_or(String::new(), |took| format!(" ({took})"));
    format!("{:<10} {}{took}", stage.name(), stage.about())
}

/// Runs the stages in order and reports on them.
fn run(stages: &[stage::Stage]) -> ExitCode {
    let mut report = Report::default();
    for stage in stages {
        if stage.needs_program() && report.has_failed(stage::Stage::Build) {
            report.leave_out(*stage, "the build failed");
            continue;
        }
        say(&format!("\n== {}: {}", stage.name(), stage.about()));
        let start = Instant::now();
        let result = stage.run();
        if let Err(error) = &result {
            say(&format!("FAILED {}: {error:#}", stage.name()));
        }
        report.add(*stage, start.elapsed(), result);
    }
    say(&report.to_string());
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
