//! This node's secret key.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use outlast_types::NodeId;

/// The file in the data directory.
const KEY_FILE: &str = "key";

/// Bytes of an ed25519 secret key.
const KEY_BYTES: usize = 32;

/// The key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not written by us, or damaged.
    #[error("{}: {found} bytes, expected a key of {KEY_BYTES}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Bytes found, one more than a key's at most.
        found: usize,
    },
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A secret key. Its `Debug` shows the public one.
#[derive(Clone)]
pub struct NodeKey(pub(super) iroh::SecretKey);

impl NodeKey {
    /// A new one that is kept nowhere.
    pub fn generate() -> Self {
        Self(iroh::SecretKey::generate())
    }

    /// The key in the data directory, made if there is none. Only the owner may read the file.
    ///
    /// # Errors
    /// If it can't be read, written, or isn't a key: a damaged one is never replaced.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(KEY_FILE);
        let error = |source| KeyError::Io { path: path.clone(), source };
        match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(error)?;
                let found = bytes.len();
                let bytes = bytes
                    .try_into()
                    .map_err(|_| KeyError::Malformed { path: path.clone(), found })?;
                Ok(Self(iroh::SecretKey::from_bytes(&bytes)))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate();
                key.write(&path).map_err(error)?;
                Ok(key)
            }
            Err(e) => Err(error(e)),
        }
    }

    /// The caller holds the lock of the data directory, so nobody else writes it.
    fn write(&self, path: &Path) -> io::Result<()> {
        let tmp = path.with_extension("new");
        if let Err(error) = fs::remove_file(&tmp)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&tmp)?;
        file.write_all(&self.0.to_bytes())?;
        file.sync_all()?;
        fs::rename(&tmp, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// For what this node signs itself.
    pub(crate) fn secret(&self) -> outlast_vo::Secret {
        outlast_vo::Secret::from_seed(&self.0.to_bytes())
    }

    /// The public key.
    pub fn id(&self) -> NodeId {
        NodeId::from_bytes(*self.0.public().as_bytes())
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKey({:?})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_stays_the_same_and_secret() {
        let folder = tempfile::tempdir().unwrap();
        let first = NodeKey::load_or_create(folder.path()).unwrap();
        let path = folder.path().join(KEY_FILE);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(NodeKey::load_or_create(folder.path()).unwrap().id(), first.id());
        fs::write(&path, "short").unwrap();
        let error = NodeKey::load_or_create(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("5 bytes, expected a key of 32"), "{error}");
    }
}
