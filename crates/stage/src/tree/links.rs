//! Where a path in a tree leads, by its links.
//!
//! A place is an entry, and how many names below it the tree doesn't know: there nothing is a link,
//! so counting suffices. Each link is followed once and its end remembered, so that a tree of links
//! to links costs no more than its size.

use std::collections::BTreeMap;

use super::{Kind, LINKS, LinkError, Tree, above};
use outlast_types::limits;

/// Where a way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The entry; `None`: the job's folder.
    pub(super) entry: Option<usize>,
    /// How many names below the entry it is, where there is nothing.
    pub(super) unknown: usize,
    /// Whether there is something of the last name on the way; so of a link that dangles.
    pub(super) named: bool,
}

/// The end of a link.
#[derive(Clone, Copy)]
struct End {
    place: Place,
    /// Links followed to get there, itself among them.
    links: u32,
}

/// A tree to walk in.
pub(super) struct Index<'a> {
    tree: &'a Tree,
    /// By the folder (`None`: the job's) and the name.
    names: BTreeMap<(Option<usize>, &'a str), usize>,
    above: Vec<Option<usize>>,
    ends: BTreeMap<usize, End>,
}

impl<'a> Index<'a> {
    /// Of a tree whose paths are in order, each folder before what is in it.
    pub(super) fn of(tree: &'a Tree) -> Self {
        let mut names = BTreeMap::new();
        let mut aboves: Vec<Option<usize>> = Vec::with_capacity(tree.entries.len());
        for (index, entry) in tree.entries.iter().enumerate() {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            // The folder is the entry before this one, or one that that lies in.
            let mut folder = index.checked_sub(1);
            while folder.map(|f| tree.entries[f].path.as_str()) != above(&entry.path) {
                folder = folder.and_then(|f| aboves[f]);
            }
            aboves.push(folder);
            names.insert((folder, name), index);
        }
        Self { tree, names, above: aboves, ends: BTreeMap::new() }
    }

    /// Follows all links; gives the entry of the first that leads where none may.
    pub(super) fn check_links(&mut self) -> Result<(), (usize, LinkError)> {
        for index in 0..self.tree.entries.len() {
            if matches!(self.tree.entries[index].kind, Kind::Symlink { .. }) {
                self.follow(index, LINKS).map_err(|error| (index, error))?;
            }
        }
        Ok(())
    }

    /// Where `path` leads, from the job's folder. The entries on the way go to `passed`.
    pub(super) fn walk(&mut self, path: &str, passed: &mut Vec<usize>) -> Result<Place, LinkError> {
        let root = Place { entry: None, unknown: 0, named: true };
        Ok(self.go(root, path, LINKS, passed)?.place)
    }

    /// Where the link `index` leads. The entries on the way go to `passed`, without those that lie
    /// on the ways of other links.
    pub(super) fn end(
        &mut self,
        index: usize,
        passed: &mut Vec<usize>,
    ) -> Result<Place, LinkError> {
        Ok(self.go(self.beside(index), target(self.tree, index), LINKS, passed)?.place)
    }

    /// The folder that the entry lies in.
    fn beside(&self, index: usize) -> Place {
        Place { entry: self.above[index], unknown: 0, named: true }
    }

    /// Where the link `index` leads, over at most `left` links.
    fn follow(&mut self, index: usize, left: u32) -> Result<End, LinkError> {
        if let Some(&end) = self.ends.get(&index) {
            return Ok(end);
        }
        let left = left.checked_sub(1).ok_or(LinkError::Circle)?;
        let target = target(self.tree, index);
        let mut end = self.go(self.beside(index), target, left, &mut Vec::new())?;
        end.links += 1;
        if end.links > LINKS {
            return Err(LinkError::Circle);
        }
        self.ends.insert(index, end);
        Ok(end)
    }

    /// Goes `path` from `place`.
    fn go(
        &mut self,
        mut place: Place,
        path: &str,
        left: u32,
        passed: &mut Vec<usize>,
    ) -> Result<End, LinkError> {
        check_text(path)?;
        let mut links = 0;
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." if place.unknown > 0 => {
                    place.unknown -= 1;
                    place.named = place.unknown == 0;
                }
                ".." => {
                    let entry = place.entry.ok_or(LinkError::Outside)?;
                    place = self.beside(entry);
                }
                _ if place.unknown > 0 => {
                    place.unknown += 1;
                    place.named = false;
                }
                _ => match self.names.get(&(place.entry, name)).copied() {
                    None => place = Place { unknown: 1, named: false, ..place },
                    Some(entry) => {
                        passed.push(entry);
                        place = Place { entry: Some(entry), unknown: 0, named: true };
                        if matches!(self.tree.entries[entry].kind, Kind::Symlink { .. }) {
                            let end = self.follow(entry, left)?;
                            links += end.links;
                            if links > LINKS {
                                return Err(LinkError::Circle);
                            }
                            place = Place { named: true, ..end.place };
                        }
                    }
                },
            }
        }
        Ok(End { place, links })
    }
}

/// What the link `index` says.
fn target(tree: &Tree, index: usize) -> &str {
    match &tree.entries[index].kind {
        Kind::Symlink { target } => target,
        _ => unreachable!("only links are followed"),
    }
}

fn check_text(path: &str) -> Result<(), LinkError> {
    if path.is_empty() {
        return Err(LinkError::Empty);
    }
    if path.len() > limits::PATH_BYTES {
        return Err(LinkError::Long(path.len()));
    }
    if path.starts_with('/') {
        return Err(LinkError::Absolute);
    }
    if path.contains('\0') {
        return Err(LinkError::Nul);
    }
    Ok(())
}
