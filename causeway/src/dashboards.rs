//! `dashboards import`: a dashboard of Grafana as a file of ours.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::{DashboardsArgs, DashboardsCommand, ImportDashboardArgs};

/// What a command ends with whose file is no dashboard, or could not be read or written.
const FAILED: u8 = 3;

/// Runs the command.
pub(crate) fn run(args: &DashboardsArgs) -> ExitCode {
    let DashboardsCommand::Import(args) = &args.command;
    match import(args) {
        Ok(left_out) => {
            for line in left_out {
                eprintln!("left out: {line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("causeway: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Writes the dashboard, and gives what was left out of it.
fn import(args: &ImportDashboardArgs) -> anyhow::Result<Vec<String>> {
    let json = read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let imported = ui::grafana(&json, &query::Limits::default().promql)
        .map_err(|fault| anyhow::anyhow!("{} is not imported: {fault}", args.file.display()))?;
    match &args.output {
        None => io::stdout().lock().write_all(imported.text.as_bytes()).context("cannot write")?,
        Some(path) => File::create_new(path)
            .and_then(|mut file| file.write_all(imported.text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?,
    }
    Ok(imported.left_out)
}

fn read(path: &Path) -> io::Result<String> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_is_written_once_and_what_is_left_out_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (file, output) = (folder.path().join("grafana.json"), folder.path().join("a.toml"));
        std::fs::write(&file, "{\"title\": \"A\", \"panels\": [{\"type\": \"news\", \"title\": \"N\"}]}")
            .unwrap();
        let args = ImportDashboardArgs { file: file.clone(), output: Some(output.clone()) };
        assert_eq!(import(&args).unwrap(), ["panel \"N\": panels of the type \"news\" are not known here"]);
        assert!(std::fs::read_to_string(&output).unwrap().starts_with("title = \"A\"\n"));
        assert!(format!("{:#}", import(&args).unwrap_err()).contains("cannot write"));
        std::fs::write(&file, "{}").unwrap();
        assert!(format!("{:#}", import(&args).unwrap_err()).contains("`panels`"));
    }
}
