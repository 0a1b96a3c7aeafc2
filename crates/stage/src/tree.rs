//! The list of a job's inputs: files by hash, symbolic links, folders.
//!
//! ```text
//!   submitter: Tree::new(entries) ─▶ encode ─▶ a blob ─▶ Tree::decode ─▶ needs(names) ─▶ lay out
//! ```
//!
//! **Invariants** of a [`Tree`], so of everything that [`Tree::decode`] lets through:
//! - Paths are relative, inside, of plain names, in the order of their parts, none twice.
//! - What something lies in is a folder that is listed before it. So nothing is written *through* a
//!   link.
//! - Links lead to places inside the job's folder, also over other links; they may dangle (a program
//!   may write what they lead to). The way is followed as the file system would.
//! - Numbers and sizes are within [`Limits`], and a hash has one length.
//!
//! What it doesn't do: read or write files; guard against links that a program makes later (the
//! sandbox does).

mod links;
mod needs;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use outlast_types::wire::{self, FrameError};
use outlast_types::{Hash, limits};
use serde::{Deserialize, Serialize};

use crate::chunks;
use links::Index;
pub use needs::NeedError;

/// Entries of a tree: three times the sources of Linux. Bounds what a hostile list costs: 32 MiB in
/// memory, and as many files on the disk.
pub const ENTRIES: usize = 1 << 18;

/// An encoded tree: 128 bytes for each of [`ENTRIES`].
pub const TREE_BYTES: usize = ENTRIES * 128;

/// One name in a path: what Linux's file systems take.
pub const NAME_BYTES: usize = 255;

/// Links followed on one way; Linux gives up after as many.
pub const LINKS: u32 = 40;

/// What a tree may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries, at most [`ENTRIES`].
    pub entries: usize,
    /// Bytes of one file, at most [`chunks::FILE_BYTES`].
    pub file_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

impl Default for Limits {
    /// What the formats can carry; a node's own bounds are in [`crate::quota`].
    fn default() -> Self {
        Self { entries: ENTRIES, file_bytes: chunks::FILE_BYTES, total_bytes: u64::MAX }
    }
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A file.
    File {
        /// Hash of its bytes.
        hash: Hash,
        /// Its bytes.
        length: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// What it says: a path relative to the folder that it lies in.
        target: String,
    },
    /// A folder.
    Folder,
}

/// A place in the job's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where: relative to the job's folder, parts divided by `/`.
    pub path: String,
    /// What.
    pub kind: Kind,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing, or nothing between two slashes.
    #[error("has an empty name")]
    Empty,
    /// It starts at the root.
    #[error("is absolute, expected one inside the job's folder")]
    Absolute,
    /// `.` or `..`.
    #[error("goes by `.` or `..`, expected plain names")]
    Dots,
    /// A zero byte.
    #[error("has a zero byte")]
    Nul,
    /// Too long.
    #[error("has {0} bytes, expected at most {limit}", limit = limits::PATH_BYTES)]
    Long(usize),
    /// A part of it is too long.
    #[error("has a name of {0} bytes, expected at most {NAME_BYTES}")]
    LongName(usize),
}

/// Why entries are not a tree. Texts are for users: they name the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Not a frame, or too large a one.
    #[error("the list of inputs: {0}")]
    Frame(#[from] FrameError),
    /// Too many entries.
    #[error("{found} files and folders, expected at most {limit}; pack them into an archive")]
    Entries {
        /// Entries found.
        found: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// A path that no file has in a job's folder.
    #[error("the path {path:?} {error}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        error: PathError,
    },
    /// Two of the same path.
    #[error("{path:?} is listed twice")]
    Twice {
        /// The path.
        path: String,
    },
    /// Not in the order of [`path_order`].
    #[error("{path:?} is listed after {before:?}, expected before it")]
    Order {
        /// The path.
        path: String,
        /// The one listed before it.
        before: String,
    },
    /// It lies in something that isn't listed as a folder.
    #[error("{path:?} lies in {above:?}, which is no folder")]
    NotInFolder {
        /// The path.
        path: String,
        /// What it lies in.
        above: String,
    },
    /// A file that is too large.
    #[error("{path:?} has {found} bytes, expected at most {limit}")]
    FileSize {
        /// The path.
        path: String,
        /// Its bytes.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// All files together are too large.
    #[error("the files have more than {limit} bytes")]
    Total {
        /// Bytes allowed.
        limit: u64,
    },
    /// The same hash with two lengths.
    #[error("{path:?} has {found} bytes, but another file with the same hash has {expected}")]
    TwoLengths {
        /// The path.
        path: String,
        /// Bytes of this one.
        found: u64,
        /// Bytes of the other one.
        expected: u64,
    },
    /// A link to where no link may lead.
    #[error("the link {path:?} to {target:?} {error}")]
    Link {
        /// The link.
        path: String,
        /// What it says.
        target: String,
        /// What is wrong with it.
        error: LinkError,
    },
}

/// What is wrong with a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It says nothing.
    #[error("leads nowhere")]
    Empty,
    /// It starts at the root.
    #[error("is absolute, expected one inside the job's folder")]
    Absolute,
    /// A zero byte.
    #[error("has a zero byte")]
    Nul,
    /// Too long.
    #[error("has {0} bytes, expected at most {limit}", limit = limits::PATH_BYTES)]
    Long(usize),
    /// It leads outside.
    #[error("leads out of the job's folder")]
    Outside,
    /// It leads in a circle, or over too many others.
    #[error("leads in a circle, or over more than {LINKS} others")]
    Circle,
}

/// The order of a tree's entries: by the parts of their paths, so that what is in a folder follows
/// it. (By bytes `a-b` would stand between `a` and `a/b`.)
pub fn path_order(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

/// Whether `path` may be one of a tree's.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), PathError> {
    if path.len() > limits::PATH_BYTES {
        return Err(PathError::Long(path.len()));
    }
    if path.starts_with('/') {
        return Err(PathError::Absolute);
    }
    if path.contains('\0') {
        return Err(PathError::Nul);
    }
    path.split('/').try_for_each(|name| match name {
        "" => Err(PathError::Empty),
        "." | ".." => Err(PathError::Dots),
        _ if name.len() > NAME_BYTES => Err(PathError::LongName(name.len())),
        _ => Ok(()),
    })
}

/// The folder that `path` lies in; `None` for one that lies in the job's folder itself.
fn above(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(above, _)| above)
}

/// A job's inputs. There is none that breaks the invariants of the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Entry>,
}

impl Tree {
    /// A tree of these, in any order. Folders that something lies in needn't be among them.
    ///
    /// # Errors
    /// If they are no tree.
    pub fn new(mut entries: Vec<Entry>, limits: &Limits) -> Result<Self, TreeError> {
        if entries.len() > limits.entries {
            return Err(TreeError::Entries { found: entries.len(), limit: limits.entries });
        }
        entries.sort_by(|a, b| path_order(&a.path, &b.path));
        let mut folders: Vec<Entry> = Vec::new();
        let mut last = "";
        for entry in &entries {
            // Checked now: the folders of a path of a million slashes needn't be listed.
            let path = &entry.path;
            check_path(path).map_err(|error| TreeError::Path { path: path.clone(), error })?;
            for (at, _) in path.match_indices('/') {
                let folder = &path[..at];
                let listed = last == folder
                    || last.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
                if !listed {
                    folders.push(Entry { path: folder.to_owned(), kind: Kind::Folder });
                }
            }
            if entries.len() + folders.len() > limits.entries {
                let found = entries.len() + folders.len();
                return Err(TreeError::Entries { found, limit: limits.entries });
            }
            last = path;
        }
        entries.append(&mut folders);
        entries.sort_by(|a, b| path_order(&a.path, &b.path));
        let tree = Self { entries };
        tree.check(limits)?;
        Ok(tree)
    }

    /// What is in it, in the order of [`path_order`].
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at a path, as the path is written in the tree.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| path_order(&entry.path, path));
        found.ok().map(|index| &self.entries[index])
    }

    /// Bytes of all its files, as they are laid out.
    pub fn bytes(&self) -> u64 {
        self.files().map(|(_, length)| length).sum()
    }

    /// What has to be fetched: the content of its files, each once, with its length. Empty files are
    /// not among them.
    pub fn blobs(&self) -> BTreeMap<Hash, u64> {
        self.files().filter(|&(_, length)| length > 0).collect()
    }

    fn files(&self) -> impl Iterator<Item = (Hash, u64)> {
        self.entries.iter().filter_map(|entry| match entry.kind {
            Kind::File { hash, length, .. } => Some((hash, length)),
            _ => None,
        })
    }

    /// As a frame.
    ///
    /// # Errors
    /// [`TreeError::Frame`] if it is larger than [`TREE_BYTES`]; not for a tree that was decoded.
    pub fn encode(&self) -> Result<Vec<u8>, TreeError> {
        Ok(wire::encode(&self.entries, TREE_BYTES)?)
    }

    /// From a frame of at most [`TREE_BYTES`].
    ///
    /// # Errors
    /// If it isn't a tree, or not within `limits`.
    pub fn decode(frame: &[u8], limits: &Limits) -> Result<Self, TreeError> {
        let tree = Self { entries: wire::decode(frame, TREE_BYTES)? };
        tree.check(limits)?;
        Ok(tree)
    }

    fn check(&self, limits: &Limits) -> Result<(), TreeError> {
        if self.entries.len() > limits.entries {
            return Err(TreeError::Entries { found: self.entries.len(), limit: limits.entries });
        }
        self.check_paths()?;
        self.check_sizes(limits)?;
        let mut index = Index::of(self);
        index.check_links().map_err(|(at, error)| {
            let Entry { path, kind: Kind::Symlink { target } } = &self.entries[at] else {
                unreachable!("only links are followed");
            };
            TreeError::Link { path: path.clone(), target: target.clone(), error }
        })
    }

    fn check_paths(&self) -> Result<(), TreeError> {
        // The folders that the next entry may lie in, from the outermost in.
        let mut open: Vec<&str> = Vec::new();
        let mut last: Option<&str> = None;
        for entry in &self.entries {
            let path = entry.path.as_str();
            check_path(path).map_err(|error| TreeError::Path { path: path.to_owned(), error })?;
            match last.map(|last| path_order(last, path)) {
                Some(Ordering::Equal) => return Err(TreeError::Twice { path: path.to_owned() }),
                Some(Ordering::Greater) => {
                    let before = last.unwrap_or_default().to_owned();
                    return Err(TreeError::Order { path: path.to_owned(), before });
                }
                _ => last = Some(path),
            }
            let above = above(path);
            while open.last().copied() != above {
                if open.pop().is_none() {
                    let above = above.unwrap_or_default().to_owned();
                    return Err(TreeError::NotInFolder { path: path.to_owned(), above });
                }
            }
            if entry.kind == Kind::Folder {
                open.push(path);
            }
        }
        Ok(())
    }

    fn check_sizes(&self, limits: &Limits) -> Result<(), TreeError> {
        let mut total = 0u64;
        let mut lengths = BTreeMap::new();
        for entry in &self.entries {
            let Kind::File { hash, length: found, .. } = entry.kind else { continue };
            let path = || entry.path.clone();
            let limit = limits.file_bytes.min(chunks::FILE_BYTES);
            if found > limit {
                return Err(TreeError::FileSize { path: path(), found, limit });
            }
            let expected = *lengths.entry(hash).or_insert(found);
            if expected != found {
                return Err(TreeError::TwoLengths { path: path(), found, expected });
            }
            let limit = limits.total_bytes;
            total = total
                .checked_add(found)
                .filter(|&total| total <= limit)
                .ok_or(TreeError::Total { limit })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
