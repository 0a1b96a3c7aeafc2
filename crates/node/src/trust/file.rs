//! The file with the memberships: written new, synced, renamed; its owner's alone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use outlast_vo::SAVED_BYTES;

/// In the data directory.
pub(super) const NAME: &str = "trust";

/// The memberships can't be kept.
#[derive(Debug, thiserror::Error)]
#[error("the memberships in {}: {source}", path.display())]
pub(crate) struct TrustFileError {
    path: PathBuf,
    source: io::Error,
}

/// What the file has; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, TrustFileError> {
    let error = |source| TrustFileError { path: path.to_owned(), source };
    match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(SAVED_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(error)?;
            Ok(Some(bytes))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(error(e)),
    }
}

/// Replaces it. The caller holds the lock of the data directory.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), TrustFileError> {
    replace(path, bytes).map_err(|source| TrustFileError { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let tmp = path.with_extension("new");
    if let Err(error) = fs::remove_file(&tmp)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(&tmp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&tmp, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_replaced_as_a_whole_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(read(&path).unwrap(), None);
        // What an earlier life left half written is in nobody's way.
        fs::write(path.with_extension("new"), "half").unwrap();
        for text in ["first", "second"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), text.as_bytes());
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let error = write(Path::new("/nowhere/trust"), b"").unwrap_err().to_string();
        assert!(error.starts_with("the memberships in /nowhere/trust"), "{error}");
    }
}
