//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use outlast_types::Hash;

use crate::config::size_text;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room. Nothing was stored.
    #[error("disk full while writing {}", .0.display())]
    DiskFull(PathBuf),
    /// The cache's limit doesn't allow it, and what is there is needed. Nothing was stored.
    #[error(
        "no room for {} in the cache: {} of {} are needed by jobs that go on; wait until one ends, or raise `cache` \
         in the section [storage] of the configuration",
        size_text(*bytes), size_text(*pinned), size_text(*limit)
    )]
    Full {
        /// Bytes that were to be stored.
        bytes: u64,
        /// Bytes that can't go.
        pinned: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Not here.
    #[error("blob {0} isn't in the store")]
    Missing(Hash),
    /// More or fewer bytes than announced.
    #[error("blob {hash} has {found} bytes, expected {expected}")]
    Length {
        /// The blob.
        hash: Hash,
        /// Bytes announced.
        expected: u64,
        /// Bytes found; of a longer one, those that came before it was refused.
        found: u64,
    },
    /// Other bytes than announced.
    #[error("a blob has the hash {found}, expected {expected}")]
    Mismatch {
        /// What was announced.
        expected: Hash,
        /// What came.
        found: Hash,
    },
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            if outlast_os::is_disk_full(&source) {
                Self::DiskFull(path)
            } else {
                Self::Io { path, source }
            }
        }
    }
}
