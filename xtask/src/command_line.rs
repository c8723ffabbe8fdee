//! What was asked for: a form of the run, and which stages of it.

use crate::stage::Stage;

/// What `cargo xtask --help` says.
pub(crate) const USAGE: &str = "\
cargo xtask test              format, lint, build, tests, docs, real clients, a real browser
cargo xtask long              longer forms of some tests, accuracy, Lighthouse, and the audit of dependencies
cargo xtask images            the pictures in docs/images, anew
    --only STAGE              this stage only (may be repeated); builds first what it needs
    --list                    the stages, without running them

CAUSEWAY_SAMPLE=DIR           recorded telemetry that the tests replay; left out when unset";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Say how it is used.
    Help,
    /// Name the stages.
    List(Vec<Stage>),
    /// Run the stages.
    Run(Vec<Stage>),
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Action, String> {
    let mut arguments = arguments;
    let form = match arguments.next().as_deref() {
        Some("test") => Stage::TEST,
        Some("long") => Stage::LONG,
        Some("images") => Stage::IMAGES,
        None | Some("--help" | "-h" | "help") => return Ok(Action::Help),
        Some(other) => return Err(format!("unknown command {other:?}")),
    };
    let mut only = Vec::new();
    let mut list = false;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => list = true,
            "--only" => only.push(stage_named(arguments.next(), form)?),
            "--help" | "-h" => return Ok(Action::Help),
            other => return Err(format!("unknown option {other:?}")),
        }
    }
    let stages = if only.is_empty() { form.to_vec() } else { with_what_they_need(&only, form) };
    Ok(if list { Action::List(stages) } else { Action::Run(stages) })
}

fn stage_named(name: Option<String>, form: &[Stage]) -> Result<Stage, String> {
    let name = name.ok_or("--only needs the name of a stage")?;
    let known = || form.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", ");
    form.iter()
        .copied()
        .find(|stage| stage.name() == name)
        .ok_or_else(|| format!("no stage {name:?}; there are {}", known()))
}

/// The chosen stages in the order of the form, after the build if one of them needs the program.
fn with_what_they_need(only: &[Stage], form: &[Stage]) -> Vec<Stage> {
    let builds = only.iter().any(|stage| stage.needs_program());
    let wanted = |stage: &Stage| only.contains(stage) || (builds && *stage == Stage::Build);
    form.iter().copied().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::{Action, parse};
    use crate::stage::Stage;

    fn check(arguments: &str, expected: Result<Action, &str>) {
        let found = parse(arguments.split_whitespace().map(str::to_owned));
        match expected {
            Ok(action) => assert_eq!(found, Ok(action), "{arguments}"),
            Err(part) => {
                assert!(found.as_ref().is_err_and(|text| text.contains(part)), "{arguments}: {found:?}")
            }
        }
    }

    #[test]
    fn arguments() {
        check("", Ok(Action::Help));
        check("test --help", Ok(Action::Help));
        check("test", Ok(Action::Run(Stage::TEST.to_vec())));
        check("images", Ok(Action::Run(vec![Stage::Build, Stage::Images])));
        check("long --list", Ok(Action::List(Stage::LONG.to_vec())));
        check("test --only format", Ok(Action::Run(vec![Stage::Format])));
        check(
            "test --only browser --only lint",
            Ok(Action::Run(vec![Stage::Lint, Stage::Build, Stage::Browser])),
        );
        check("test --only", Err("needs the name"));
        check("test --only kill", Err("no stage \"kill\"; there are install, format, spelling"));
        check("test --quick", Err("unknown option"));
        check("tset", Err("unknown command"));
    }
}
