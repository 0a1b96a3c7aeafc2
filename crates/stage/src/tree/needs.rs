//! The part of a tree that a step needs.

use std::collections::BTreeSet;

use super::links::{Index, Place};
use super::{Kind, LinkError, Tree, path_order};

/// A step asks for inputs that the job doesn't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeedError {
    /// There is nothing of this name.
    #[error("{0:?} is needed, but not among the job's inputs")]
    Unknown(String),
    /// A name that can't be one of an input.
    #[error("{name:?} is needed, but it {error}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: LinkError,
    },
}

impl Tree {
    /// The tree of what has these names: with all that is in a folder, with what links lead to, and
    /// with the folders that it all lies in. A name may go over links, and start with `./`.
    ///
    /// # Errors
    /// If there is nothing of a name. A link that leads to nothing is something.
    pub fn needs<S: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, NeedError> {
        let mut index = Index::of(self);
        // What lies on a way: itself needed, and what it leads to if it is a link.
        let mut passed = Vec::new();
        // What is needed with everything below it.
        let mut open = Vec::new();
        for name in names {
            let name = name.as_ref();
            let place = index
                .walk(name, &mut passed)
                .map_err(|error| NeedError::Name { name: name.to_owned(), error })?;
            match place {
                Place { named: false, .. } => return Err(NeedError::Unknown(name.to_owned())),
                Place { entry: None, unknown: 0, .. } => return Ok(self.clone()),
                Place { entry, unknown: 0, .. } => open.extend(entry),
                // A link that dangles: it was passed.
                _ => {}
            }
        }
        let mut needed = BTreeSet::new();
        let mut whole = BTreeSet::new();
        loop {
            if let Some(entry) = passed.pop() {
                let link = matches!(self.entries[entry].kind, Kind::Symlink { .. });
                if needed.insert(entry) && link {
                    match index.end(entry, &mut passed).expect("links were checked") {
                        Place { entry: None, unknown: 0, .. } => return Ok(self.clone()),
                        Place { entry, unknown: 0, .. } => open.extend(entry),
                        _ => {}
                    }
                }
            } else if let Some(entry) = open.pop() {
                if whole.insert(entry) {
                    passed.push(entry);
                    if self.entries[entry].kind == Kind::Folder {
                        let below = self.below(entry);
                        whole.extend(below.clone());
                        passed.extend(below);
                    }
                }
            } else {
                return Ok(self.with_folders(&needed));
            }
        }
    }

    /// What is directly or deeper in the folder.
    fn below(&self, folder: usize) -> std::ops::Range<usize> {
        let path = &self.entries[folder].path;
        let inside = |other: &str| {
            other.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let rest = &self.entries[folder + 1..];
        folder + 1..folder + 1 + rest.partition_point(|entry| inside(&entry.path))
    }

    fn with_folders(&self, needed: &BTreeSet<usize>) -> Self {
        let mut all = needed.clone();
        for &entry in needed {
            let path = &self.entries[entry].path;
            for (at, _) in path.match_indices('/').rev() {
                let folder = &path[..at];
                let found = self.entries.binary_search_by(|e| path_order(&e.path, folder));
                if !all.insert(found.expect("what an entry lies in is listed")) {
                    break;
                }
            }
        }
        Self { entries: all.into_iter().map(|entry| self.entries[entry].clone()).collect() }
    }
}
