//! The lock of a data directory: `lock`, held exclusively by the one process that writes, shared by readers.
//! The writer's addresses stand in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError};

const FILE: &str = "lock";

/// A held lock; letting go of it frees the directory.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: File,
    path: PathBuf,
}

impl DirLock {
    /// Takes a directory for writing.
    pub(crate) fn exclusive(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        let taken = file.try_lock();
        if matches!(taken, Err(TryLockError::WouldBlock)) && file.try_lock_shared().is_ok() {
            // What stands in the file is about the last writer, not about who reads now.
            return Err(StoreError::Locked {
                dir: dir.to_owned(),
                holder: "a command that reads it".to_owned(),
            });
        }
        finish(taken, &mut file, dir, &path)?;
        let lock = Self { file, path };
        lock.describe(&format!("process {}", std::process::id()))?;
        Ok(lock)
    }

    /// Keeps writers away while a directory is read. Changes nothing in it.
    pub(crate) fn shared(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(StoreError::NotAStore { dir: dir.to_owned(), missing: FILE });
        }
        let mut file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let taken = file.try_lock_shared();
        finish(taken, &mut file, dir, &path)?;
        Ok(Self { file, path })
    }

    /// Says in the file who holds the lock.
    pub(crate) fn describe(&self, holder: &str) -> Result<()> {
        let write = || {
            let mut file = &self.file;
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(holder.as_bytes())
        };
        write().map_err(StoreError::io("write", &self.path))
    }
}

fn finish(
    taken: std::result::Result<(), TryLockError>,
    file: &mut File,
    dir: &Path,
    path: &Path,
) -> Result<()> {
    match taken {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            drop(file.read_to_string(&mut holder));
            let holder =
                if holder.is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
            Err(StoreError::Locked { dir: dir.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => {
            Err(StoreError::Io { what: "lock", path: path.to_owned(), source })
        }
    }
}
