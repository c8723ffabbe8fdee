//! The program that is asked, with many tenants that have nothing yet.

use std::path::{Path, PathBuf};

use ::tests::harness::{Server, Setup};
use ::tests::http::{Client, Request, percent_encoded};
use ::tests::otlp::sha256_hex;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use tempfile::TempDir;

use crate::answer::{self, Answer};
use crate::door::Door;
use crate::script::Times;
use crate::series::Series;

/// The most tenants that a program is configured with.
const TENANTS_MAX: usize = 2_000;

/// The program, ready. Dropping it kills it and removes its data.
pub struct Subject {
    api: Client,
    otlp: Client,
    /// How many tenants there are, and how many had their turn.
    tenants: usize,
    used: usize,
    /// Before its directory, so that it ends first.
    _server: Server,
    _directory: TempDir,
}

/// The program at `path`, else the one that lies beside this one.
pub fn program(path: Option<&Path>) -> Result<PathBuf> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("this process does not know its program")?;
        Ok(own.with_file_name("causeway"))
    };
    let path = path.map_or_else(beside, |path| Ok(path.to_owned()))?;
    ensure!(
        path.is_file(),
        "there is no program at {}: build causeway, or name it by --program",
        path.display()
    );
    Ok(path)
}

impl Subject {
    /// Starts the program for so many tenants, with these features.
    pub fn start(program: &Path, tenants: usize, features: &[&str]) -> Result<Self> {
        ensure!(tenants <= TENANTS_MAX, "{tenants} sections need more than {TENANTS_MAX} tenants");
        let directory = tempfile::Builder::new().prefix("causeway-promql-").tempdir();
        let directory = directory.context("cannot make a directory for the data")?;
        let mut setup =
            Setup::new(&directory.path().join("data")).program(program).config(&configuration(tenants));
        let features = features.join(",");
        if !features.is_empty() {
            setup = setup.arguments(&["--promql-features", &features]);
        }
        let server = setup.try_start().map_err(|ended| {
            anyhow::anyhow!("serve ended with {} instead of being ready:\n{}", ended.status, ended.stderr)
        })?;
        let (api, otlp) = (Client::new(server.addresses.http), server.otlp_http());
        Ok(Self { api, otlp, tenants, used: 0, _server: server, _directory: directory })
    }

    /// Goes on with a tenant that has nothing yet.
    pub fn next_tenant(&mut self) -> Result<()> {
        ensure!(self.used < self.tenants, "all {} tenants had their turn", self.tenants);
        self.used += 1;
        Ok(())
    }

    /// Sends series.
    pub fn write(&mut self, door: Door, series: &[Series]) -> Result<()> {
        if series.is_empty() {
            return Ok(());
        }
        let request = self.signed(door.request(series)?);
        let client = if door == Door::Otlp { &mut self.otlp } else { &mut self.api };
        let answer = client.send(&request)?;
        let is_whole = door != Door::Otlp || answer.body.is_empty();
        if !(200..300).contains(&answer.status) || !is_whole {
            bail!("{} was answered {}: {}", request.path, answer.status, answer.text());
        }
        Ok(())
    }

    /// Asks a query.
    pub fn ask(&mut self, query: &str, times: Times) -> Result<Answer> {
        let (path, parameters) = match times {
            Times::Instant(at) => ("query", vec![("time", seconds(at))]),
            Times::Range { start, end, step } => {
                let parameters = [("start", start), ("end", end), ("step", step)];
                ("query_range", parameters.map(|(name, ms)| (name, seconds(ms))).to_vec())
            }
        };
        let mut form = format!("query={}", percent_encoded(query));
        for (name, value) in parameters {
            form += &format!("&{name}={value}");
        }
        let path = format!("/prometheus/api/v1/{path}");
        let request = Request::post(&path, "application/x-www-form-urlencoded", Bytes::from(form));
        let request = self.signed(request);
        let answer = self.api.send(&request)?;
        answer::parse(&answer.body).with_context(|| format!("{path} was answered {}", answer.status))
    }

    /// The request of the tenant whose turn it is.
    fn signed(&self, request: Request) -> Request {
        request.header("authorization", &format!("Bearer {}", secret(self.used)))
    }
}

/// A token for each tenant, which may write and read.
fn configuration(tenants: usize) -> String {
    let token = |number: usize| {
        let sha256 = sha256_hex(&secret(number));
        format!(
            "[[token]]\nname = \"section-{number}\"\nsha256 = \"{sha256}\"\ntenant = \"section-{number}\"\nwrite = true\nread = true\n"
        )
    };
    (1..=tenants).map(token).collect()
}

fn secret(number: usize) -> String {
    format!("secret-of-section-{number}")
}

/// Milliseconds as seconds.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenant_has_a_token() {
        let text = configuration(2);
        assert_eq!(text.matches("[[token]]").count(), 2);
        assert!(text.contains(&sha256_hex("secret-of-section-2")));
    }

    #[test]
    fn times_are_seconds() {
        for (ms, expected) in [(0, "0.000"), (1_500, "1.500"), (-60_000, "-60.000"), (-1, "-0.001")] {
            assert_eq!(seconds(ms), expected);
        }
    }
}
