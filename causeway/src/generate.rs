//! Shell completions and man pages, made from the definition of the command line.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs, ManArgs};

/// The name of the program, in pages and completions.
const NAME: &str = "causeway";
/// What a command ends with that could not write.
const FAILED: u8 = 3;

/// `completions`: a script for a shell on standard output.
pub(crate) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    report(io::stdout().lock().write_all(&script))
}

/// `man`: the page of the program on standard output, or all pages as files of a directory.
pub(crate) fn man(args: &ManArgs) -> ExitCode {
    report(match &args.dir {
        None => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout().lock()),
        Some(dir) => pages(dir),
    })
}

/// A page for the program and one for each command.
fn pages(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write to {}: {error}", dir.display())))
}

fn report(written: io::Result<()>) -> ExitCode {
    match written {
        // Whoever reads has what it wants.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("causeway: {error}");
            ExitCode::from(FAILED)
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), NAME, &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        pages(&dir.path().join("man1")).unwrap();
        for name in ["causeway.1", "causeway-serve.1", "causeway-tail.1", "causeway-sql.1"] {
            let page = std::fs::read_to_string(dir.path().join("man1").join(name)).unwrap();
            assert!(page.contains(".TH causeway") && page.contains(".SH SYNOPSIS"), "{name}");
        }
    }
}
