//! What each stage took and how it ended.

use std::{fmt, time::Duration};

use anyhow::Result;

use crate::stage::Stage;

/// The stages that were reached, in order.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    stage: Stage,
    took: Duration,
    outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    LeftOut(&'static str),
}

impl Report {
    /// Takes down how a stage went.
    pub(crate) fn add(&mut self, stage: Stage, took: Duration, result: Result<()>) {
        let outcome = match result {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        self.lines.push(Line { stage, took, outcome });
    }

    /// Takes down that a stage could not be run, which counts as a failure.
    pub(crate) fn leave_out(&mut self, stage: Stage, why: &'static str) {
        self.lines.push(Line { stage, took: Duration::ZERO, outcome: Outcome::LeftOut(why) });
    }

    /// Whether this stage ran and failed.
    pub(crate) fn has_failed(&self, stage: Stage) -> bool {
        self.lines.iter().any(|line| line.stage == stage && line.outcome != Outcome::Passed)
    }

    /// Whether every stage passed.
    pub(crate) fn is_good(&self) -> bool {
        self.lines.iter().all(|line| line.outcome == Outcome::Passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\nminutes  stage")?;
        for Line { stage, took, outcome } in &self.lines {
            let outcome = match outcome {
                Outcome::Passed => String::new(),
                Outcome::Failed(why) => format!("FAILED: {}", why.lines().next().unwrap_or_default()),
                Outcome::LeftOut(why) => format!("not run: {why}"),
            };
            let line = format!("{:>7.1}  {:<10} {outcome}", took.as_secs_f64() / 60.0, stage.name());
            writeln!(formatter, "{}", line.trim_end())?;
        }
        let total: Duration = self.lines.iter().map(|line| line.took).sum();
        writeln!(formatter, "{:>7.1}  in all\n", total.as_secs_f64() / 60.0)?;
        let passed = self.lines.iter().filter(|line| line.outcome == Outcome::Passed).count();
        write!(formatter, "stages: {passed} passed, {} failed", self.lines.len() - passed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::anyhow;

    use super::Report;
    use crate::stage::Stage;

    #[test]
    fn a_run_with_a_failure() {
        let mut report = Report::default();
        report.add(Stage::Format, Duration::from_secs(6), Ok(()));
        assert!(report.is_good());
        report.add(Stage::Build, Duration::from_secs(90), Err(anyhow!("no compiler\nat all")));
        report.leave_out(Stage::Node, "the build failed");
        assert!(!report.is_good() && report.has_failed(Stage::Build) && !report.has_failed(Stage::Format));
        let expected = "
minutes  stage
    0.1  format
    1.5  build      FAILED: no compiler
    0.0  node       not run: the build failed
    1.6  in all

stages: 1 passed, 2 failed";
        assert_eq!(report.to_string(), expected);
    }
}
