//! Running other programs, and saying so.

use std::{
    env,
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

/// Says a line on standard output.
pub(crate) fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // A reader that has gone away is no reason to stop the checks.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// The folder of the workspace this was started for, which need not be the one it was built in: checkouts may
/// share a target directory, and with it this program. Cargo tells it; started by hand it is looked for upwards.
pub(crate) fn workspace() -> &'static Path {
    static WORKSPACE: OnceLock<PathBuf> = OnceLock::new();
    WORKSPACE.get_or_init(|| {
        let told = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let told = told.and_then(|manifest| manifest.parent().map(Path::to_owned));
        let found = || {
            let here = env::current_dir().ok()?;
            let mut around = here.ancestors();
            around.find(|folder| folder.join("xtask/Cargo.toml").is_file()).map(Path::to_owned)
        };
        told.or_else(found).unwrap_or_else(|| PathBuf::from("."))
    })
}

/// The program under test, which the build put beside this one.
pub(crate) fn program() -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name("causeway");
    if !path.is_file() {
        bail!("no program at {}: run the stage build", path.display());
    }
    Ok(path)
}

/// Cargo in the workspace: the one that started this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Runs a program to its end, its output passed through.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(&format!("$ {}", shown(command)));
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a program to its end; its output is shown only if it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", shown(command), output.status, said.trim());
    }
    Ok(())
}

/// Where a program is, by the search path; a path is taken as it is.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
