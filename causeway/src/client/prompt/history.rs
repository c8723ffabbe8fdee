//! What was typed before, kept in a file that only its user may read.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use rustyline::Editor;
use rustyline::history::FileHistory;

use super::complete::Helper;

/// The most entries that are kept.
pub(super) const ENTRIES_MAX: usize = 1_000;
/// A longer entry is not kept, in bytes.
const ENTRY_BYTES_MAX: usize = 16 << 10;
/// Only the user may look into the directory. The line editor gives the file itself mode 0600.
const DIRECTORY_MODE: u32 = 0o700;

/// The file, if there is a place for one.
pub(super) struct File(Option<PathBuf>);

impl File {
    /// In the directory for the state of programs, as the XDG base directory specification names it.
    pub(super) fn of_environment() -> Self {
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self::below(absolute("XDG_STATE_HOME"), absolute("HOME"))
    }

    fn below(state: Option<PathBuf>, home: Option<PathBuf>) -> Self {
        let state = state.or_else(|| home.map(|home| home.join(".local/state")));
        Self(state.map(|state| state.join("causeway/sql_history")))
    }

    /// Reads what was typed before. Without a file there is nothing to bring back.
    pub(super) fn load(&self, editor: &mut Editor<Helper, FileHistory>) {
        if let Some(path) = &self.0 {
            let _ = editor.load_history(path);
        }
    }

    /// Keeps a line. Where it cannot be written, it is kept until the end of the prompt.
    pub(super) fn add(&self, editor: &mut Editor<Helper, FileHistory>, line: &str) {
        let line = line.trim_end();
        if line.trim().is_empty() || line.len() > ENTRY_BYTES_MAX {
            return;
        }
        let added = editor.add_history_entry(line).unwrap_or(false);
        let Some(path) = self.0.as_ref().filter(|_| added) else { return };
        if let Some(directory) = path.parent() {
            let _ = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
        }
        // Added to what another prompt may have written meanwhile.
        let _ = editor.append_history(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_has_a_place_where_there_is_one() {
        let path = |text: &str| Some(PathBuf::from(text));
        for (state, home, expected) in [
            (path("/s"), path("/h"), path("/s/causeway/sql_history")),
            (None, path("/h"), path("/h/.local/state/causeway/sql_history")),
            (None, None, None),
        ] {
            assert_eq!(File::below(state, home).0, expected);
        }
    }

    #[test]
    fn lines_are_kept_for_the_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::below(Some(dir.path().to_owned()), None);
        let mut editor = Editor::<Helper, FileHistory>::new().unwrap();
        let long = "x".repeat(ENTRY_BYTES_MAX + 1);
        for line in ["SELECT 1;", "SELECT\n2;", " ", &long] {
            file.add(&mut editor, line);
        }
        let path = file.0.as_ref().unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
        let mut again = Editor::<Helper, FileHistory>::new().unwrap();
        file.load(&mut again);
        assert_eq!(
            again.history().iter().map(String::as_str).collect::<Vec<_>>(),
            ["SELECT 1;", "SELECT\n2;"]
        );
    }
}
