//! From the files that a command names to the tree of the job's inputs, with their content in the store.
//!
//! ```text
//!  names ─▶ survey: files, links, folders ─▶ files that aren't known are read, on several threads ─▶ Tree
//! ```
//!
//! - A link that leads to another input stays a link; what any other one leads to is taken as if it were there itself.
//! - A file that changes while it is read is read once more, then refused: half of one content and half of another is neither.
//! - What is neither file, link nor folder is refused by name.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use outlast_gridlet::InputFile;
use outlast_stage::tree::{ENTRIES, Entry, Kind, Limits, Tree, TreeError};
use outlast_types::Hash;

use super::known::{Known, Stamp};
use crate::shared::lock;
use crate::store::{Holder, Store, StoreError};

/// Files read side by side: hides the disk's latency, and leaves cores to the work itself.
const READERS: usize = 4;

/// Why inputs can't be staged. Names the input, and says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The user's files are the reason.
    #[error("input {path}: {reason}")]
    Input {
        /// As the command names it.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// They make no tree.
    #[error("inputs: {0}")]
    Tree(#[from] TreeError),
    /// Our own store.
    #[error("input {path}: {source}")]
    Store {
        /// As the command names it.
        path: String,
        /// What it says.
        source: StoreError,
    },
}

fn refuse(path: &str, reason: impl ToString) -> InputError {
    InputError::Input { path: path.to_owned(), reason: reason.to_string() }
}

/// A file to be read.
struct Pending {
    name: String,
    source: String,
}

/// What was found, by its name in the job's folder.
#[derive(Default)]
struct Survey {
    files: Vec<Pending>,
    links: BTreeMap<String, String>,
    folders: Vec<String>,
}

/// Puts what a command needs into the store.
pub(super) fn stage(
    store: &Arc<Store>,
    known: &Known,
    cwd: &Path,
    inputs: &[InputFile],
    holder: Holder,
) -> Result<Tree, InputError> {
    let survey = Survey::of(cwd, inputs)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(survey.files.len());
    let folder = |path: String| Entry { path, kind: Kind::Folder };
    entries.extend(survey.folders.into_iter().map(folder));
    let link = |(path, target)| Entry { path, kind: Kind::Symlink { target } };
    entries.extend(survey.links.into_iter().map(link));
    entries.extend(read_all(store, known, cwd, &survey.files, holder)?);
    Ok(Tree::new(entries, &Limits::default())?)
}

impl Survey {
    fn of(cwd: &Path, inputs: &[InputFile]) -> Result<Self, InputError> {
        let mut survey = Self::default();
        let names = inputs.iter().map(|input| (input.name.as_str(), input.source.as_str()));
        let names: BTreeMap<&str, &str> = names.collect();
        for input in inputs {
            let path = cwd.join(&input.source);
            let error = |error: std::io::Error| refuse(&input.source, error);
            let meta = fs::symlink_metadata(path.as_path()).map_err(error)?;
            if meta.is_symlink()
                && let Some(target) = inner_target(cwd, &input.name, &path, &names)
            {
                survey.links.insert(input.name.clone(), target);
            } else {
                survey.add(&path, &input.name, &input.source, &mut Vec::new())?;
            }
        }
        Ok(survey)
    }

    /// What is at a path, links followed.
    fn add(
        &mut self,
        path: &Path,
        name: &str,
        source: &str,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<(), InputError> {
        let meta = fs::metadata(path).map_err(|error| {
            if path.is_symlink() && error.kind() == std::io::ErrorKind::NotFound {
                return refuse(source, "is a link that leads to nothing; mend it or leave it out");
            }
            refuse(source, error)
        })?;
        if meta.is_file() {
            let (name, source) = (name.to_owned(), source.trim_end_matches('/').to_owned());
            self.files.push(Pending { name, source });
            return Ok(());
        }
        if !meta.is_dir() {
            return Err(refuse(source, kind_text(&meta)));
        }
        let this = (meta.dev(), meta.ino());
        if above.contains(&this) {
            return Err(refuse(source, "links lead in a circle; leave one of them out"));
        }
        if self.files.len() + self.folders.len() > ENTRIES {
            let reason = format!("links lead to more than {ENTRIES} files and folders");
            return Err(refuse(source, reason));
        }
        self.folders.push(name.to_owned());
        above.push(this);
        // An empty folder that was listed, or one behind a link.
        for entry in fs::read_dir(path).map_err(|error| refuse(source, error))? {
            let entry = entry.map_err(|error| refuse(source, error))?;
            let file_name = entry.file_name();
            let Some(below) = file_name.to_str() else {
                return Err(refuse(source, not_utf8(&file_name.to_string_lossy())));
            };
            let source = format!("{}/{below}", source.trim_end_matches('/'));
            self.add(&entry.path(), &format!("{name}/{below}"), &source, above)?;
        }
        above.pop();
        Ok(())
    }
}

/// What is said of a name that no job can have.
pub(crate) fn not_utf8(name: &str) -> String {
    format!("the name {name:?} is not UTF-8, which can't be staged; rename it, or leave it out")
}

/// What is said of something that has no content to be staged.
pub(crate) fn kind_text(meta: &Metadata) -> String {
    let kind = meta.file_type();
    let what = if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "no regular file"
    };
    format!("is {what}, expected a file, a link or a folder; leave it out")
}

/// What a link says in the job's folder, if it leads to another input, the way that the file system goes.
fn inner_target(
    cwd: &Path,
    name: &str,
    path: &Path,
    names: &BTreeMap<&str, &str>,
) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let above = name.rsplit_once('/').map_or("", |(above, _)| above);
    let inside: PathBuf = if target.is_absolute() {
        target.strip_prefix(cwd).ok()?.to_owned()
    } else {
        Path::new(above).join(&target)
    };
    let mut parts: Vec<&str> = Vec::new();
    for component in inside.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let end = parts.join("/");
    let below = format!("{end}/");
    let staged = names.contains_key(end.as_str())
        || names.range(below.as_str()..).next().is_some_and(|(name, _)| name.starts_with(&below));
    // Another link on the way may lead elsewhere than the words say.
    let same = fs::canonicalize(path).ok()? == fs::canonicalize(cwd.join(&end)).ok()?;
    if !staged || !same || end.is_empty() {
        return None;
    }
    let from: Vec<&str> = above.split('/').filter(|part| !part.is_empty()).collect();
    let common = from.iter().zip(&parts).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common);
    Some(up.chain(parts[common..].iter().copied()).collect::<Vec<_>>().join("/"))
}

/// The content of all files, on several threads.
fn read_all(
    store: &Arc<Store>,
    known: &Known,
    cwd: &Path,
    files: &[Pending],
    holder: Holder,
) -> Result<Vec<Entry>, InputError> {
    let now = SystemTime::now();
    let (next, read) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let results = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = take(store, known, cwd, file, holder).map(|(entry, fresh)| {
                lock(&read).extend(fresh);
                entry
            });
            if result.is_err() {
                next.store(files.len(), Ordering::Relaxed);
            }
            lock(&results).push(result);
        }
    };
    let readers = READERS.min(files.len()).min(outlast_os::host::cores() as usize * 2);
    std::thread::scope(|scope| {
        for _ in 1..readers {
            scope.spawn(work);
        }
        work();
    });
    known.remember(now, &lock(&read));
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter().collect()
}

type Taken = (Entry, Option<(Stamp, Hash)>);

/// One file's content; with its stamp if it was read.
fn take(
    store: &Arc<Store>,
    known: &Known,
    cwd: &Path,
    pending: &Pending,
    holder: Holder,
) -> Result<Taken, InputError> {
    let Pending { name, source } = pending;
    let path = cwd.join(source);
    let error = |error: std::io::Error| refuse(source, error);
    let entry = |meta: &Metadata, hash, length| {
        let executable = meta.permissions().mode() & 0o111 != 0;
        Entry { path: name.clone(), kind: Kind::File { hash, length, executable } }
    };
    for _ in 0..2 {
        let file = File::open(&path).map_err(error)?;
        let meta = file.metadata().map_err(error)?;
        let stamp = Stamp::of(&meta);
        if let Some(hash) = known.find(&stamp) {
            store.pin([&hash], holder);
            if store.has(&hash) || meta.len() == 0 {
                return Ok((entry(&meta, hash, meta.len()), None));
            }
        }
        let stored = store.put_file(&file, false, holder);
        let (hash, length) =
            stored.map_err(|source| InputError::Store { path: pending.source.clone(), source })?;
        // The same file by its name, too: an editor writes a new one and renames it.
        let after = fs::metadata(&path).map_err(error)?;
        if Stamp::of(&after) == stamp && length == meta.len() {
            return Ok((entry(&meta, hash, length), Some((stamp, hash))));
        }
    }
    Err(refuse(source, "it changes while it is read; submit again when nothing writes to it"))
}

#[cfg(test)]
mod tests;
