//! One daemon for one data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file in the folder that is locked; it holds the owner's process id.
const LOCK_FILE: &str = "lock";

/// A process id has ten digits; more in the file is not ours.
const LOCK_FILE_BYTES: u64 = 32;

/// Why a folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another daemon{} uses {}", owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// Who, if it has written that down.
        owner: Option<u32>,
    },
    /// The lock file can't be made or locked.
    #[error("locking {}: {source}; is it yours? --data-dir names another folder", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// A locked folder; free again when dropped or when the process ends in whatever way.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Locks an existing folder for this process.
///
/// # Errors
/// [`LockError::Taken`] names the other process.
pub fn lock_folder(folder: &Path) -> Result<FolderLock, LockError> {
    let io = |source| LockError::Io { folder: folder.to_owned(), source };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(folder.join(LOCK_FILE))
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let owner = file.take(LOCK_FILE_BYTES).read_to_string(&mut text);
            let owner = owner.ok().and_then(|_| text.trim().parse().ok());
            return Err(LockError::Taken { folder: folder.to_owned(), owner });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    // The number is for people only; a full disk must not keep a daemon from starting.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(FolderLock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_owner_is_refused_and_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = lock_folder(folder.path()).unwrap();
        let error = lock_folder(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("another daemon (pid "), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        lock_folder(folder.path()).unwrap();
    }
}
