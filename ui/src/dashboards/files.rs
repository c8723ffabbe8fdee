//! The folder of dashboards.
//!
//! It is looked at when a page asks and the last look is [`LOOK_INTERVAL`] ago; only files whose time or size changed are
//! read. A file that is wrong is listed with what is wrong, and what was right in it before stays shown. A file named as one
//! that is built in takes its place.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use query::promql::Options;
use sha2::{Digest, Sha256};

use super::check::{self, FILE_BYTES_MAX, Fault, Form};
use super::model::Dashboard;

/// How long what was seen of the folder holds.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The most files that are read.
const FILES_MAX: usize = 500;
/// The longest name in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Addresses that are no dashboards.
const RESERVED: [&str; 3] = ["new", "import", "check"];
/// What a name may be.
pub(crate) const NAME_EXPECTED: &str = "letters, digits, - and _ were expected, 64 at most, a letter or a digit first, and neither new, import nor check";

/// Those that come with the program.
const BUILT_IN: [(&str, &str); 3] = [
    ("service", include_str!("builtin/service.toml")),
    ("runtime", include_str!("builtin/runtime.toml")),
    ("causeway", include_str!("builtin/causeway.toml")),
];

/// The dashboards of a folder and those that are built in. A copy looks at the same.
#[derive(Debug, Clone)]
pub struct Dashboards(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// How queries are read.
    options: Options,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When it was last looked at.
    looked: Option<Instant>,
    entries: BTreeMap<String, Entry>,
    /// What is wrong with the folder itself.
    troubles: Vec<String>,
}

/// A dashboard, as it was read last.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What the address calls it.
    pub(crate) name: String,
    /// Its file; none of one that is built in.
    pub(crate) path: Option<PathBuf>,
    /// Whether its file stands in the place of one that is built in.
    pub(crate) is_in_place: bool,
    /// The form of its text.
    pub(crate) form: Form,
    /// Its text, as it is now.
    pub(crate) text: Arc<str>,
    /// What the last right text says; none if there was none.
    pub(crate) dashboard: Option<Arc<Dashboard>>,
    /// What is wrong with the text.
    pub(crate) fault: Option<Fault>,
    /// Time and size of the file.
    stamp: Option<(SystemTime, u64)>,
}

/// Why a dashboard was not saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    /// No file can be named so.
    #[error("{0:?} cannot be the name of a dashboard: {NAME_EXPECTED}")]
    Name(String),
    /// The text is wrong.
    #[error("the text is not right: {0}")]
    Wrong(Fault),
    /// Somebody else changed it meanwhile.
    #[error(
        "the file {0} was changed since it was opened here: open it again, and write your change into what is there now"
    )]
    Changed(PathBuf),
    /// A new one would take the place of another.
    #[error("there is a dashboard of this name already, {0}: choose another name")]
    Exists(PathBuf),
    /// The folder cannot be written.
    #[error("cannot write {path}: {error}; the folder of dashboards must be writable by this program")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Dashboards {
    /// The dashboards of a folder, whose queries are read by some options. A folder that does not exist is empty, and made when
    /// the first is saved.
    pub fn new(folder: impl Into<PathBuf>, options: Options) -> Self {
        Self(Arc::new(Folder { path: folder.into(), options, seen: Mutex::default() }))
    }

    /// How queries are read.
    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.0.path
    }

    /// All of them by name, and what is wrong with the folder.
    pub(crate) fn all(&self) -> (Vec<Entry>, Vec<String>) {
        let seen = self.looked();
        (seen.entries.values().cloned().collect(), seen.troubles.clone())
    }

    /// One of them.
    pub(crate) fn one(&self, name: &str) -> Option<Entry> {
        self.looked().entries.get(name).cloned()
    }

    /// Saves a text under a name. `expected` is the hash of the text that was edited, and none of a new one.
    pub(crate) fn save(&self, name: &str, text: &str, expected: Option<&str>) -> Result<(), SaveError> {
        if !is_name(name) {
            return Err(SaveError::Name(name.to_owned()));
        }
        let mut seen = lock(&self.0.seen);
        seen.look(&self.0.path, &self.0.options);
        let there = seen.entries.get(name).and_then(|entry| Some((entry.path.clone()?, entry)));
        let form = there.as_ref().map_or(Form::Toml, |(_, entry)| entry.form);
        let path = self.0.path.join(format!("{name}.{}", form.ending()));
        check::read(form, text, &self.0.options).map_err(SaveError::Wrong)?;
        let is_as_edited = match (&there, expected) {
            (None, None) => true,
            (Some((path, _)), None) => return Err(SaveError::Exists(path.clone())),
            (Some((_, entry)), Some(hash)) => entry.hash() == hash,
            (None, Some(_)) => false,
        };
        if !is_as_edited {
            return Err(SaveError::Changed(path));
        }
        write(&path, text, there.is_none()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if path.exists() => SaveError::Exists(path.clone()),
            _ => SaveError::Unwritable { path: path.clone(), error },
        })?;
        // Its time may be the same, as clocks of files have ticks of milliseconds.
        if let Some(entry) = seen.entries.get_mut(name) {
            entry.stamp = None;
        }
        seen.look(&self.0.path, &self.0.options);
        Ok(())
    }

    fn looked(&self) -> MutexGuard<'_, Seen> {
        let mut seen = lock(&self.0.seen);
        if seen.looked.is_none_or(|looked| looked.elapsed() >= LOOK_INTERVAL) {
            seen.look(&self.0.path, &self.0.options);
        }
        seen
    }
}

impl Entry {
    /// What tells its text from any other.
    pub(crate) fn hash(&self) -> String {
        Sha256::digest(self.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What it is called.
    pub(crate) fn title(&self) -> &str {
        self.dashboard.as_ref().map_or(&self.name, |dashboard| &dashboard.title)
    }

    fn built_in(name: &str, text: &'static str, options: &Options) -> Self {
        let read = check::read(Form::Toml, text, options);
        Self {
            name: name.to_owned(),
            path: None,
            is_in_place: false,
            form: Form::Toml,
            text: Arc::from(text),
            fault: read.as_ref().err().cloned(),
            dashboard: read.ok().map(Arc::new),
            stamp: None,
        }
    }
}

impl Seen {
    /// Reads what changed.
    fn look(&mut self, folder: &Path, options: &Options) {
        self.looked = Some(Instant::now());
        self.troubles.clear();
        let mut before = std::mem::take(&mut self.entries);
        for (name, text) in BUILT_IN {
            let known = before.get(name).filter(|entry| entry.path.is_none()).cloned();
            self.entries
                .insert(name.to_owned(), known.unwrap_or_else(|| Entry::built_in(name, text, options)));
        }
        for (name, form, path) in self.files(folder) {
            if let Some(other) = self.entries.get(&name).and_then(|entry| entry.path.as_ref()) {
                self.troubles.push(format!(
                    "{} is not read: {} has its name",
                    path.display(),
                    other.display()
                ));
                continue;
            }
            let is_in_place = self.entries.contains_key(&name);
            let known = before.remove(&name).filter(|entry| entry.path.as_deref() == Some(&path));
            match read_file(&name, form, &path, known, is_in_place, options) {
                Ok(entry) => drop(self.entries.insert(name, entry)),
                Err(error) => self.troubles.push(format!("{} cannot be read: {error}", path.display())),
            }
        }
    }

    /// The files of the folder that are dashboards, by name, TOML before JSON.
    fn files(&mut self, folder: &Path) -> Vec<(String, Form, PathBuf)> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.troubles.push(format!("the folder {} cannot be read: {error}", folder.display()));
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let ending = path.extension().and_then(|ending| ending.to_str());
            let Some(form) = ending.and_then(Form::of) else { continue };
            match path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_name(name)) {
                Some(name) => found.push((name.to_owned(), form, path)),
                None => self.troubles.push(format!("{} is not read: {NAME_EXPECTED}", path.display())),
            }
        }
        found.sort_by(|one, other| (&one.0, other.1.ending()).cmp(&(&other.0, one.1.ending())));
        if found.len() > FILES_MAX {
            self.troubles.push(format!(
                "{} holds {} dashboards, and {FILES_MAX} are read",
                folder.display(),
                found.len()
            ));
            found.truncate(FILES_MAX);
        }
        found
    }
}

/// A file as it is now, or as it was known if it did not change.
fn read_file(
    name: &str,
    form: Form,
    path: &Path,
    known: Option<Entry>,
    is_in_place: bool,
    options: &Options,
) -> io::Result<Entry> {
    let about = fs::metadata(path)?;
    let stamp = Some((about.modified()?, about.len()));
    if let Some(known) = known.as_ref().filter(|known| known.stamp == stamp) {
        return Ok(known.clone());
    }
    if about.len() > FILE_BYTES_MAX as u64 {
        let message = format!("it has {} bytes, and {FILE_BYTES_MAX} are possible", about.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let text = fs::read_to_string(path)?;
    let read = check::read(form, &text, options);
    Ok(Entry {
        name: name.to_owned(),
        path: Some(path.to_owned()),
        is_in_place,
        form,
        fault: read.as_ref().err().cloned(),
        dashboard: read.ok().map(Arc::new).or_else(|| known.and_then(|known| known.dashboard)),
        text: text.into(),
        stamp,
    })
}

/// Whether a dashboard can be called so. No such name leads out of a folder.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(plain)
        && !RESERVED.contains(&name)
}

/// Writes a file beside its place and then puts it there, so that nobody reads half of it.
fn write(path: &Path, text: &str, is_new: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{}.saving", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| match is_new {
        // A link is refused where a file is; a rename would take its place.
        true => fs::hard_link(&beside, path).and_then(|()| fs::remove_file(&beside)),
        false => fs::rename(&beside, path),
    });
    if placed.is_err() {
        drop(fs::remove_file(&beside));
    }
    placed.and_then(|()| fs::File::open(folder)?.sync_all())
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
