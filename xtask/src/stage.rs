//! The stages of a run: what each is for, and what it does.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    install,
    shell::{cargo, program, run, run_quietly, say, workspace},
};

/// How often the server is killed in the long form; the short one has a count of its own.
const KILL_ROUNDS_LONG: &str = "1000";

/// At how many moments the power is lost in the long form.
const CRASH_POINTS_LONG: &str = "10000";

/// Changes of each sort to each kind of file in the long form.
const DAMAGE_CASES_LONG: &str = "100";

/// How large crowds and traces are in the long form, and for how many seconds each crowd is looked at.
const HOSTILE_LONG: &[(&str, &str)] = &[
    ("CAUSEWAY_IDLE_CONNECTIONS", "5000"),
    ("CAUSEWAY_RESETS", "10000"),
    ("CAUSEWAY_CROWD_SECONDS", "20"),
    ("CAUSEWAY_TRACE_SPANS", "1000000"),
];

/// Faults of the demo that are asked for: each with each seed; how many first suspects have to be right, and how many
/// windows without a fault may have suspects. What the diagnosis reached when this was written: it may only rise.
const ACCURACY_LONG: &[&str] =
    &["--seeds", "1,2,3", "--right-min", "18", "--quiet", "120", "--false-max", "0"];

/// Faults of the demo in real time: their shops live beside each other, each for up to six minutes.
const LIVE_FAULTS: &[(&str, &str)] =
    &[("CAUSEWAY_LIVE_FAULTS", "slow-query,exception,network-delay,queue-backlog")];

/// Random payloads, right and damaged, in the long form.
const DECODE_ROUNDS_LONG: &str = "1000000";

/// A piece of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Brings what the others need.
    Install,
    /// The layout of the code.
    Format,
    /// The words in code and pages.
    Spelling,
    /// Clippy, warnings denied.
    Lint,
    /// The program and all tests.
    Build,
    /// Unit and integration tests.
    Test,
    /// The documentation of the code.
    Docs,
    /// The files in `deploy/`, by their own tools.
    Deploy,
    /// A Flask service with the Python SDK.
    Python,
    /// An express service with the JavaScript SDK.
    Node,
    /// The page in a browser.
    Browser,
    /// The pictures in `docs/images`.
    Images,
    /// Many more rounds of killing the server in mid-load.
    Kill,
    /// Loss of power at many more moments.
    Power,
    /// Many more changed bytes.
    Damage,
    /// Larger crowds and traces.
    Hostile,
    /// Many more random payloads.
    Decode,
    /// The diagnosis of faults of the demo.
    Accuracy,
    /// Faults of the demo in real time.
    Live,
    /// Lighthouse on every page.
    Lighthouse,
    /// The page of large traces, timed.
    Traces,
    /// Licences, sources and duplicates of the dependencies.
    Audit,
}

use Stage::{
    Accuracy, Audit, Browser, Build, Damage, Decode, Deploy, Docs, Format, Hostile, Images, Install, Kill,
    Lighthouse, Lint, Live, Node, Power, Python, Spelling, Test, Traces,
};

impl Stage {
    /// What `cargo xtask test` runs. Cheap checks first; the linter before the build, so that a warning is seen
    /// before the long wait.
    pub(crate) const TEST: &[Stage] =
        &[Install, Format, Spelling, Lint, Build, Test, Docs, Deploy, Python, Node, Browser];

    /// What `cargo xtask long` runs.
    pub(crate) const LONG: &[Stage] =
        &[Build, Accuracy, Lighthouse, Traces, Live, Hostile, Decode, Kill, Damage, Power, Audit];

    /// What `cargo xtask images` runs.
    pub(crate) const IMAGES: &[Stage] = &[Build, Images];

    /// Its name in `--only` and in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Install => "install",
            Format => "format",
            Spelling => "spelling",
            Lint => "lint",
            Build => "build",
            Test => "test",
            Docs => "docs",
            Deploy => "deploy",
            Python => "python",
            Node => "node",
            Browser => "browser",
            Images => "images",
            Kill => "kill",
            Power => "power",
            Damage => "damage",
            Hostile => "hostile",
            Decode => "decode",
            Accuracy => "accuracy",
            Live => "live",
            Lighthouse => "lighthouse",
            Traces => "traces",
            Audit => "audit",
        }
    }

    /// What it does, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Install => "bring what the tests need: strace, curl, Chromium, Python packages, npm packages",
            Format => "cargo fmt --check",
            Spelling => "typos, in code and documents",
            Lint => "clippy on all targets, warnings denied",
            Build => "the program and all tests, in the dev profile",
            Test => "unit and integration tests of all crates",
            Docs => "documentation of the code, warnings denied",
            Deploy => "the systemd unit and the compose file, by their own tools",
            Python => {
                "a Flask service with the Python SDK, over gRPC and over http/protobuf; its files read with DuckDB"
            }
            Node => "an express service with the JavaScript SDK, over http/json",
            Browser => "the page in Chromium, with script and without",
            Images => "the pictures in docs/images, from the same browser test",
            Kill => "SIGKILL in mid-load, a thousand times",
            Power => "loss of power at ten thousand moments of recorded runs",
            Damage => "changed and missing bytes in every kind of file, a hundred of each sort",
            Hostile => {
                "bad input: 5,000 idle connections, 10,000 resets a second, a trace of a million spans"
            }
            Decode => "a million payloads of each signal, right, changed and damaged, against prost",
            Accuracy => {
                "the twelve faults of the demo and healthy hours, in simulated time: who is suspected first"
            }
            Live => {
                "faults of the demo in real time: open incidents within two minutes, the right suspect first"
            }
            Lighthouse => "every page at least 95 for speed, and 100 for accessibility and best practices",
            Traces => "the page of traces of 10,000, 100,000 and 1,000,000 spans in Chromium, timed",
            Audit => "licences, sources and duplicates of the dependencies",
        }
    }

    /// How long a long stage takes: measured on two cores in the dev profile, or reckoned from a part of it.
    pub(crate) fn took(self) -> Option<&'static str> {
        match self {
            Accuracy => Some("about 6 minutes"),
            Live => Some("about 7 minutes"),
            Lighthouse => Some("2 minutes"),
            Kill => Some("about 15 minutes, reckoned from 20 rounds in 15 s"),
            Hostile => Some("about 2 minutes for the crowds; the rest was not timed"),
            Power => Some("about 20 minutes, reckoned from 200 moments in 22 s"),
            _ => None,
        }
    }

    /// Whether it runs the program that [`Stage::Build`] makes.
    pub(crate) fn needs_program(self) -> bool {
        matches!(
            self,
            Test | Deploy
                | Python
                | Node
                | Browser
                | Images
                | Kill
                | Power
                | Damage
                | Hostile
                | Accuracy
                | Live
                | Lighthouse
                | Traces
        )
    }

    /// Runs it.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Install => install::all(),
            Format => run(cargo().args(["fmt", "--all", "--check"])),
            Spelling => spelling(),
            Lint => run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])),
            Build => run(cargo().args(["build", "--workspace", "--lib", "--bins", "--tests"])),
            Test => test(),
            Docs => {
                run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
            }
            Deploy => deploy(),
            Python => python(),
            Node => run(node("node/run.js", &install::node("node")?)?.arg(program()?)),
            Browser => run(&mut browser()?),
            Images => run(browser()?.arg("--screenshots").arg(workspace().join("docs/images"))),
            Kill => long("fault::kill", &[("CAUSEWAY_KILL_ROUNDS", KILL_ROUNDS_LONG)]),
            Power => long("fault::crash", &[("CAUSEWAY_CRASH_POINTS", CRASH_POINTS_LONG)]),
            Damage => long("fault::damage", &[("CAUSEWAY_DAMAGE_CASES", DAMAGE_CASES_LONG)]),
            Hostile => long("bad_input::", HOSTILE_LONG),
            Decode => decode(),
            Accuracy => accuracy(),
            Live => long("demo::a_fault_in_real_time", LIVE_FAULTS),
            Lighthouse => run(&mut browser_script("lighthouse/run.js")?),
            Traces => run(&mut browser_script("browser/trace-bench.js")?),
            Audit => audit(),
        }
    }
}

fn spelling() -> Result<()> {
    let config = workspace().join("xtask/typos.toml");
    run(Command::new(install::typos()?).args(["--format", "brief", "--config"]).arg(config).arg(workspace()))
}

/// A file of the real clients.
fn clients(path: &str) -> PathBuf {
    workspace().join("tests/clients").join(path)
}

/// `cargo test` on the program that was built. Always for the whole workspace: a part of it may choose other features
/// of the dependencies and compile them again.
fn tests() -> Command {
    let mut command = cargo();
    command.arg("test").env("CAUSEWAY_BIN", program().unwrap_or_default());
    command
}

/// The long form of some end-to-end tests, one after the other, so that they do not slow each other down.
fn long(module: &str, sizes: &[(&str, &str)]) -> Result<()> {
    let mut command = tests();
    command.args(["--workspace", "--test", "it", module, "--", "--test-threads", "1"]);
    run(command.envs(sizes.iter().copied()))
}

/// The measurement of accuracy, which the build put beside the program.
fn accuracy() -> Result<()> {
    let program = program()?;
    let mut command = Command::new(program.with_file_name("accuracy"));
    run(command.args(["demo", "--program"]).arg(program).args(ACCURACY_LONG))
}

/// The long form of the property tests of decoding.
fn decode() -> Result<()> {
    let mut command = tests();
    command.args(["--workspace", "--lib", "random_damage"]);
    run(command.env("CAUSEWAY_DECODE_ROUNDS", DECODE_ROUNDS_LONG))
}

fn test() -> Result<()> {
    if env::var_os("CAUSEWAY_SAMPLE").is_none() {
        say("CAUSEWAY_SAMPLE is not set: the replay of recorded telemetry is left out");
    }
    run(tests().args(["--workspace", "--no-fail-fast"]))
}

fn python() -> Result<()> {
    let mut command = Command::new(install::python()?);
    // No compiled files beside the sources.
    run(command.env("PYTHONDONTWRITEBYTECODE", "1").arg(clients("python/run.py")).arg(program()?))
}

/// A script for Node, with its packages where the installer put them.
fn node(script: &str, packages: &Path) -> Result<Command> {
    let mut command = Command::new(install::node_program()?);
    command.arg(clients(script)).env("NODE_PATH", packages);
    Ok(command)
}

/// The browser test on the program that was built.
fn browser() -> Result<Command> {
    browser_script("browser/run.js")
}

/// What a script of the clients does with a browser and the program that was built; its packages are those of its folder.
fn browser_script(script: &str) -> Result<Command> {
    let chromium = install::chromium()?;
    let folder = script.split_once('/').map_or(script, |(folder, _)| folder);
    let mut command = node(script, &install::node(folder)?)?;
    command.arg(program()?).env("CHROMIUM", chromium);
    Ok(command)
}

/// Checks what can be checked without a daemon. What its tool does not install for is said, and left out.
fn deploy() -> Result<()> {
    match install::systemd_analyze() {
        Ok(tool) => verify_unit(&tool)?,
        Err(why) => say(&format!("left out: the systemd unit ({why})")),
    }
    match install::compose() {
        Ok(tool) => verify_compose(tool)?,
        Err(why) => say(&format!("left out: the compose file ({why})")),
    }
    Ok(())
}

/// The unit is verified with the program that was built, as the one it names is not installed here.
fn verify_unit(tool: &Path) -> Result<()> {
    let unit = workspace().join("deploy/causeway.service");
    let text = fs::read_to_string(&unit).with_context(|| format!("cannot read {}", unit.display()))?;
    const INSTALLED: &str = "ExecStart=/usr/bin/causeway ";
    if !text.contains(INSTALLED) {
        bail!("{} does not start /usr/bin/causeway", unit.display());
    }
    let program = program()?;
    let directory = program.with_file_name("xtask-deploy");
    fs::create_dir_all(&directory)?;
    let copy = directory.join("causeway.service");
    fs::write(&copy, text.replace(INSTALLED, &format!("ExecStart={} ", program.display())))?;
    run(Command::new(tool).arg("verify").arg(copy))
}

fn verify_compose(tool: &[&str]) -> Result<()> {
    let file = workspace().join("deploy/compose.yaml");
    run_quietly(Command::new(tool[0]).args(&tool[1..]).arg("--file").arg(file).arg("config"))
}

fn audit() -> Result<()> {
    if run_quietly(cargo().args(["deny", "--version"])).is_err() {
        say("left out: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    let config = workspace().join("xtask/deny.toml");
    run(cargo().args(["deny", "--config"]).arg(config).args(["check", "bans", "licenses", "sources"]))
}
