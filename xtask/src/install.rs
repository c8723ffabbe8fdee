//! What the tests need, brought here when it is missing.
//!
//! Programs come from Debian where `apt-get` is there and may be used; elsewhere the error names what to install.
//! Python and npm packages go to `$HOME/.cache/causeway-tests`, in a folder named by a hash of the file that lists
//! their versions, so a change of versions makes a new folder and nothing is written into the source tree. A folder
//! counts once its marker file is there, which is written last.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

use crate::shell::{find, run, run_quietly, say, workspace};

/// The last file written into a folder of packages.
const MARKER: &str = ".complete";

/// Names under which a Chromium may be found.
const CHROMIUM_NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Brings everything. Each part that fails is named; the stages that need it will fail again.
pub(crate) fn all() -> Result<()> {
    let parts = [
        ("strace", tool("strace", &["strace"]).map(drop)),
        ("curl", tool("curl", &["curl"]).map(drop)),
        ("Chromium", chromium().map(drop)),
        ("Python packages", python().map(drop)),
        ("npm packages of the Node service", node("node").map(drop)),
        ("npm packages of the browser test", node("browser").map(drop)),
    ];
    let failed: Vec<_> =
        parts.into_iter().filter_map(|(name, result)| Some(format!("{name}: {:#}", result.err()?))).collect();
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

/// The browser: `$CHROMIUM`, else one on the search path, else Debian's.
pub(crate) fn chromium() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let found = || CHROMIUM_NAMES.iter().find_map(|name| find(name));
    if let Some(path) = found() {
        return Ok(path);
    }
    // A font, since a browser without one draws nothing.
    debian(&["chromium", "fonts-dejavu-core"])?;
    found().context("chromium is installed but not on the search path")
}

/// The Python of a virtual environment with the packages that the services of the tests need, and DuckDB, which reads
/// what they stored.
pub(crate) fn python() -> Result<PathBuf> {
    Ok(environment()?.join("bin/python"))
}

/// The program that checks the spelling, which PyPI has ready to run.
pub(crate) fn typos() -> Result<PathBuf> {
    Ok(environment()?.join("bin/typos"))
}

/// The folder of the virtual environment.
fn environment() -> Result<PathBuf> {
    let lists = ["tests/clients/python/requirements.txt", "xtask/requirements.txt"]
        .map(|list| workspace().join(list));
    let system = tool("python3", &["python3", "python3-venv"])?;
    let folder = packages("python", &lists, &version(&system)?)?;
    if folder.join(MARKER).is_file() {
        return Ok(folder);
    }
    let venv = || run(Command::new(&system).args(["-m", "venv", "--clear"]).arg(&folder));
    if venv().is_err() {
        // Debian ships the module without the part that brings pip.
        debian(&["python3-venv"])?;
        venv()?;
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for list in &lists {
        pip.arg("--requirement").arg(list);
    }
    run(&mut pip)?;
    fs::write(folder.join(MARKER), "")?;
    Ok(folder)
}

/// The npm packages of a folder of `tests/clients`: the path for `NODE_PATH`.
pub(crate) fn node(name: &str) -> Result<PathBuf> {
    let source = workspace().join("tests/clients").join(name);
    let files = [source.join("package.json"), source.join("package-lock.json")];
    let folder = packages(name, &files, &version(&node_program()?)?)?;
    let modules = folder.join("node_modules");
    if folder.join(MARKER).is_file() {
        return Ok(modules);
    }
    fs::create_dir_all(&folder)?;
    for file in &files {
        fs::copy(file, folder.join(file.file_name().context("a file has a name")?))?;
    }
    let npm = tool("npm", &["nodejs", "npm"])?;
    run(Command::new(npm)
        .args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
            "--no-update-notifier",
        ])
        .current_dir(&folder))?;
    fs::write(folder.join(MARKER), "")?;
    Ok(modules)
}

/// Node itself.
pub(crate) fn node_program() -> Result<PathBuf> {
    tool("node", &["nodejs", "npm"])
}

/// The program that verifies systemd units.
pub(crate) fn systemd_analyze() -> Result<PathBuf> {
    tool("systemd-analyze", &["systemd"])
}

/// The command that reads compose files: the plugin where there is one, else Debian's program.
pub(crate) fn compose() -> Result<&'static [&'static str]> {
    if run_quietly(Command::new("docker").args(["compose", "version"])).is_ok() {
        return Ok(&["docker", "compose"]);
    }
    tool("docker-compose", &["docker-compose"])?;
    Ok(&["docker-compose"])
}

/// A program on the search path, else from these Debian packages.
fn tool(name: &str, debian_packages: &[&str]) -> Result<PathBuf> {
    if let Some(path) = find(name) {
        return Ok(path);
    }
    debian(debian_packages)?;
    find(name).with_context(|| format!("{name} is installed but not on the search path"))
}

/// Installs Debian packages, or says which are to be installed.
fn debian(names: &[&str]) -> Result<()> {
    let wanted = names.join(" ");
    let Some(words) = apt_get() else {
        bail!("please install {wanted} (apt-get needs root or sudo without a password)");
    };
    say(&format!("installing from Debian: {wanted}"));
    // The list of packages is fetched once in a run: without it a new machine finds nothing.
    static UPDATED: OnceLock<()> = OnceLock::new();
    if UPDATED.set(()).is_ok() {
        run(Command::new(words[0]).args(&words[1..]).arg("update"))?;
    }
    run(Command::new(words[0])
        .args(&words[1..])
        .args(["install", "--yes", "--no-install-recommends"])
        .args(names))
}

/// The words that run `apt-get`, with `sudo` unless this is root; none where it may not be used.
fn apt_get() -> Option<Vec<&'static str>> {
    const AS_ROOT: [&str; 4] = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"];
    find("apt-get")?;
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(AS_ROOT.to_vec());
    }
    run_quietly(Command::new("sudo").args(["-n", "true"])).ok()?;
    Some(["sudo", "-n"].into_iter().chain(AS_ROOT).collect())
}

/// The folder for packages of this kind and these versions.
fn packages(kind: &str, lists: &[PathBuf], version: &str) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    for list in lists {
        fs::read(list).with_context(|| format!("cannot read {}", list.display()))?.hash(&mut hasher);
    }
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("causeway-tests").join(format!("{kind}-{:016x}", hasher.finish())))
}

/// What a program says its version is.
fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
