//! Folders: a job's inputs, and where its steps run.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use outlast_gridlet::{InputMode, Needs, Step, is_inner_path};
use outlast_os::inner::{create_folder_inside, create_inside, create_link_inside, remove_inside};
use outlast_stage::tree::{Entry, Kind, Tree};

use super::{Run, RunFailure};
use crate::store::{Store, StoreError};

/// A job's inputs on this node: one read-only copy for all its steps, of which more is laid out as leases need it.
#[derive(Debug)]
pub struct StagedInputs {
    /// Absolute.
    folder: PathBuf,
    tree: Tree,
    laid: Mutex<Laid>,
}

#[derive(Debug, Default)]
struct Laid {
    paths: BTreeSet<String>,
    bytes: u64,
}

impl StagedInputs {
    /// Inputs of which nothing is laid out yet in `folder`, which is absolute.
    pub fn new(folder: PathBuf, tree: Tree) -> Self {
        Self { folder, tree, laid: Mutex::default() }
    }

    /// Of the whole job.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn laid(&self) -> MutexGuard<'_, Laid> {
        self.laid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are laid out.
    pub fn bytes(&self) -> u64 {
        self.laid().bytes
    }

    /// Bytes of a part that aren't laid out.
    pub fn missing_bytes(&self, part: &Tree) -> u64 {
        let laid = self.laid();
        let missing = part.entries().iter().filter(|entry| !laid.paths.contains(&entry.path));
        missing.map(length).sum()
    }

    /// The part of the tree that has these.
    ///
    /// # Errors
    /// If there is nothing of a name.
    pub fn needed(&self, needs: &Needs) -> Result<Tree, RunFailure> {
        match needs {
            Needs::All => Ok(self.tree.clone()),
            Needs::Only(names) => {
                self.tree.needs(names).map_err(|error| RunFailure::Setup(error.to_string()))
            }
        }
    }

    /// Copies what isn't there yet out of the store. Blocks; one at a time.
    ///
    /// # Errors
    /// If a blob is missing or the disk full; what was laid out stays.
    pub fn lay_out(&self, store: &Store, part: &Tree) -> Result<(), RunFailure> {
        fs::create_dir_all(&self.folder).map_err(|e| io_failure(&self.folder, &e))?;
        // Through this, since programs that ran here may have put links into it.
        let root = File::open(&self.folder).map_err(|e| io_failure(&self.folder, &e))?;
        for entry in part.entries() {
            if self.laid().paths.contains(&entry.path) {
                continue;
            }
            let failure = |e: io::Error| io_failure(&self.folder.join(&entry.path), &e);
            match &entry.kind {
                Kind::Folder => create_folder_inside(&root, &entry.path).map_err(failure)?,
                Kind::Symlink { target } => {
                    create_link_inside(&root, &entry.path, target).map_err(failure)?;
                }
                Kind::File { hash, length, executable } => {
                    // A copy that failed half-way, for want of room.
                    let _ = remove_inside(&root, &entry.path);
                    let file = create_inside(&root, &entry.path).map_err(failure)?;
                    let mode = if *executable { 0o555 } else { 0o444 };
                    if *length > 0 {
                        let copied = store.copy_into(hash, file, mode, Path::new(&entry.path));
                        copied.map_err(|error| store_failure(&error))?;
                    } else {
                        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failure)?;
                    }
                }
            }
            let mut laid = self.laid();
            laid.paths.insert(entry.path.clone());
            laid.bytes += length(entry);
        }
        Ok(())
    }
}

fn length(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { length, .. } => length,
        Kind::Folder | Kind::Symlink { .. } => 0,
    }
}

/// Where one run happens; removed when dropped.
#[derive(Debug)]
pub(super) struct RunFolder {
    /// All of it.
    root: PathBuf,
    /// The program's working folder.
    pub(super) work: PathBuf,
    /// Its `HOME` and `TMPDIR`: what is left there is no result.
    pub(super) home: PathBuf,
    pub(super) stdout: File,
    pub(super) stderr: File,
    /// Inputs that the program may change: to see whether it did.
    pub(super) copies: HashMap<PathBuf, Stamp>,
}

/// Changes when a file is written to, and can't be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(meta: &fs::Metadata) -> Self {
        let changed = (meta.ctime(), meta.ctime_nsec());
        Self { inode: meta.ino(), bytes: meta.len(), changed }
    }
}

impl RunFolder {
    pub(super) fn create(run: &Run) -> Result<Self, RunFailure> {
        let root = run.folder.clone();
        let failure = |error: io::Error| io_failure(&root, &error);
        fs::create_dir(&root).map_err(failure)?;
        let made = || -> io::Result<Self> {
            let (work, home) = (root.join("work"), root.join("home"));
            fs::create_dir(&work)?;
            fs::create_dir(&home)?;
            let file = |name: &str| {
                File::options().create_new(true).read(true).append(true).open(root.join(name))
            };
            let (stdout, stderr) = (file("stdout")?, file("stderr")?);
            Ok(Self { root: root.clone(), work, home, stdout, stderr, copies: HashMap::new() })
        };
        let mut folder = made().map_err(|error| {
            remove_tree(&root);
            failure(error)
        })?;
        folder.fill(&run.step, run)?;
        Ok(folder)
    }

    fn fill(&mut self, step: &Step, run: &Run) -> Result<(), RunFailure> {
        for name in &step.folders {
            let path = inner(&self.work, name)?;
            fs::create_dir_all(&path).map_err(|e| io_failure(&path, &e))?;
        }
        let needed = run.inputs.needed(&step.needs())?;
        for entry in needed.entries() {
            let path = inner(&self.work, &entry.path)?;
            let placed = match &entry.kind {
                Kind::Folder => fs::create_dir_all(&path),
                Kind::Symlink { target } => symlink(target, &path),
                Kind::File { executable, .. } => {
                    self.place(&run.inputs.folder.join(&entry.path), &path, *executable, run.mode)
                }
            };
            placed.map_err(|error| io_failure(&path, &error))?;
        }
        Ok(())
    }

    fn place(
        &mut self,
        staged: &Path,
        path: &Path,
        executable: bool,
        mode: InputMode,
    ) -> io::Result<()> {
        match mode {
            InputMode::Link => symlink(staged, path),
            InputMode::Copy => {
                let mode = if executable { 0o755 } else { 0o644 };
                fs::copy(staged, path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
                let stamp = Stamp::of(&fs::symlink_metadata(path)?);
                self.copies.insert(path.to_owned(), stamp);
                Ok(())
            }
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        remove_tree(&self.root);
    }
}

/// `folder/path`, if that is inside.
pub(super) fn inner(folder: &Path, path: &str) -> Result<PathBuf, RunFailure> {
    if is_inner_path(path) {
        Ok(folder.join(path))
    } else {
        Err(RunFailure::Setup(format!("{path:?} is not a relative path inside the job's folder")))
    }
}

pub(super) fn io_failure(path: &Path, error: &io::Error) -> RunFailure {
    if outlast_os::is_disk_full(error) {
        RunFailure::DiskFull
    } else {
        RunFailure::Setup(format!("{}: {error}", path.display()))
    }
}

pub(super) fn store_failure(error: &StoreError) -> RunFailure {
    match error {
        StoreError::DiskFull(_) | StoreError::Full { .. } => RunFailure::DiskFull,
        error => RunFailure::Setup(error.to_string()),
    }
}

/// Removes a folder and all that is in it, also folders that a program has locked. What can't be
/// removed stays until the daemon starts again; it is logged.
pub fn remove_tree(folder: &Path) {
    let error = match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            unlock(folder);
            fs::remove_dir_all(folder).err()
        }
        result => result.err(),
    };
    if let Some(error) = error.filter(|error| error.kind() != io::ErrorKind::NotFound) {
        tracing::warn!(folder = %folder.display(), %error, "a work folder can't be removed");
    }
}

fn unlock(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}

/// Makes the folder below which runs and inputs live, empty, and kills what an earlier life of the
/// daemon left running there. How many processes that were. `folder` has to be absolute, the one
/// below which each [`Run::folder`] is named.
///
/// # Errors
/// If it can't be made, or `/proc` can't be read.
pub fn clear_work_folder(folder: &Path) -> io::Result<usize> {
    let killed = outlast_os::orphans::kill_orphans(folder)?;
    remove_tree(folder);
    fs::create_dir_all(folder)?;
    Ok(killed)
}
