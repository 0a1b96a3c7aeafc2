//! Folders: a job's inputs, and where its steps run.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use outlast_gridlet::{InputMode, Step, is_inner_path};
use outlast_types::Hash;

use super::{Run, RunFailure};
use crate::store::{Store, StoreError};

/// An input in a job's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedFile {
    /// Relative, inside.
    pub path: String,
    /// Whether it may be executed.
    pub executable: bool,
}

/// A job's inputs on this node: one read-only copy for all its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedInputs {
    /// Absolute.
    pub folder: PathBuf,
    /// What is in it.
    pub files: Vec<StagedFile>,
}

impl StagedInputs {
    /// Copies blobs into a new folder. Blocks.
    ///
    /// # Errors
    /// If a path leaves the folder or is there twice, a blob is missing or the disk full; then there is no folder.
    pub fn create(
        store: &Store,
        folder: &Path,
        inputs: impl IntoIterator<Item = (StagedFile, Hash)>,
    ) -> Result<Self, RunFailure> {
        let stage = || {
            fs::create_dir_all(folder).map_err(|e| io_failure(folder, &e))?;
            let mut files = Vec::new();
            for (file, hash) in inputs {
                let path = inner(folder, &file.path)?;
                make_parent(&path)?;
                store.copy_to(&hash, &path, file.executable).map_err(|e| store_failure(&e))?;
                let mode = if file.executable { 0o555 } else { 0o444 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))
                    .map_err(|e| io_failure(&path, &e))?;
                files.push(file);
            }
            Ok(files)
        };
        let staged = stage();
        if staged.is_err() {
            remove_tree(folder);
        }
        Ok(Self { folder: folder.to_owned(), files: staged? })
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
        for file in &run.inputs.files {
            let path = inner(&self.work, &file.path)?;
            let staged = run.inputs.folder.join(&file.path);
            make_parent(&path)?;
            let placed = match run.mode {
                InputMode::Link => std::os::unix::fs::symlink(&staged, &path),
                InputMode::Copy => {
                    let mode = if file.executable { 0o755 } else { 0o644 };
                    fs::copy(&staged, &path).and_then(|_| {
                        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
                        let stamp = Stamp::of(&fs::symlink_metadata(&path)?);
                        self.copies.insert(path.clone(), stamp);
                        Ok(())
                    })
                }
            };
            placed.map_err(|error| io_failure(&path, &error))?;
        }
        Ok(())
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

fn make_parent(path: &Path) -> Result<(), RunFailure> {
    match path.parent() {
        Some(parent) if !parent.is_dir() => {
            fs::create_dir_all(parent).map_err(|error| io_failure(parent, &error))
        }
        _ => Ok(()),
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
