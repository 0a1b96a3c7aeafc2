//! The submitter's files: read when a command is taken apart, written when its results are merged.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use outlast_gridlet::{Content, Placed, Ran, Sink, SourceFiles, Tool};

use crate::store::Store;
use crate::submit::inputs::{kind_text, not_utf8};
use crate::tools::{Scratch, Tools};

/// Files listed below one folder; a job with more names its inputs wrongly.
const LISTED_FILES: usize = 100_000;

/// The files as seen from the folder of a command.
pub(crate) struct DiskFiles {
    pub(crate) cwd: PathBuf,
    tools: Arc<Tools>,
    scratch: OnceLock<Scratch>,
}

impl DiskFiles {
    pub(crate) fn new(cwd: PathBuf, tools: Arc<Tools>) -> Self {
        Self { cwd, tools, scratch: OnceLock::new() }
    }

    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.cwd.join(path)
    }

    /// What is below a folder: files, links, and empty folders with a slash at the end.
    fn walk(&self, path: &str, found: &mut Vec<String>) -> io::Result<()> {
        let mut entries: Vec<_> =
            fs::read_dir(self.resolve(path))?.collect::<Result<_, io::Error>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        if entries.is_empty() {
            found.push(format!("{}/", path.trim_end_matches('/')));
        }
        for entry in entries {
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::new(io::ErrorKind::InvalidInput, not_utf8(&name.to_string_lossy()))
            })?;
            let inner = format!("{}/{name}", path.trim_end_matches('/'));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&inner, found)?;
            } else if kind.is_file() || kind.is_symlink() {
                found.push(inner);
            } else {
                let text = format!("{inner} {}", kind_text(&entry.metadata()?));
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            if found.len() > LISTED_FILES {
                return Err(io::Error::other(format!(
                    "more than {LISTED_FILES} files, expected a smaller folder; pack it into an archive"
                )));
            }
        }
        Ok(())
    }
}

impl SourceFiles for DiskFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.resolve(path))
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        fs::metadata(self.resolve(path)).map(|meta| meta.len())
    }

    fn is_file(&self, path: &str) -> bool {
        self.resolve(path).is_file()
    }

    fn everything(&self, path: &str) -> io::Result<Option<Vec<String>>> {
        if !self.resolve(path).is_dir() {
            return Ok(None);
        }
        let mut found = Vec::new();
        self.walk(path, &mut found)?;
        Ok(Some(found))
    }

    fn list(&self, path: &str) -> io::Result<Option<Vec<String>>> {
        let found = self.everything(path)?;
        let file = |path: &String| !path.ends_with('/') && self.is_file(path);
        Ok(found.map(|found| found.into_iter().filter(file).collect()))
    }

    fn has_program(&self, name: &str) -> bool {
        std::env::var_os("PATH").is_some_and(|path| outlast_os::find_program(name, &path).is_some())
    }

    fn run(&self, tool: &Tool) -> io::Result<Ran> {
        self.tools.run_in(&self.cwd, tool)
    }

    fn scratch(&self) -> io::Result<String> {
        let scratch = match self.scratch.get() {
            Some(scratch) => scratch,
            None => {
                let scratch = self.tools.scratch()?;
                self.scratch.get_or_init(|| scratch)
            }
        };
        let path = scratch.path().to_str().map(str::to_owned);
        path.ok_or_else(|| io::Error::other("the data directory has a name that is no text"))
    }
}

/// Writes merged output. Every file is written under a name of its own first; [`DiskSink::finish`] gives
/// all of them their names, and without it they go away again.
pub(crate) struct DiskSink {
    cwd: PathBuf,
    store: Arc<Store>,
    tools: Arc<Tools>,
    suffix: String,
    written: Vec<(PathBuf, PathBuf)>,
    /// Folders that were made for it, outer ones first.
    folders: Vec<PathBuf>,
}

impl DiskSink {
    /// `suffix` tells temporary files of this merge from all others.
    pub(crate) fn new(cwd: &Path, store: Arc<Store>, tools: Arc<Tools>, suffix: &str) -> Self {
        let suffix = format!(".{suffix}.partial");
        Self { cwd: cwd.to_owned(), store, tools, suffix, written: Vec::new(), folders: Vec::new() }
    }

    fn begin(&mut self, path: &str) -> io::Result<PathBuf> {
        let target = self.cwd.join(path);
        let name = target.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} names no file"))
        })?;
        if let Some(folder) = target.parent() {
            let missing: Vec<_> = folder.ancestors().take_while(|path| !path.exists()).collect();
            self.folders.extend(missing.into_iter().rev().map(Path::to_owned));
            fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        }
        let mut partial = std::ffi::OsString::from(".");
        partial.push(name);
        partial.push(&self.suffix);
        let partial = target.with_file_name(partial);
        self.written.push((partial.clone(), target));
        Ok(partial)
    }

    /// Makes everything appear.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        for (partial, target) in std::mem::take(&mut self.written) {
            fs::rename(&partial, &target).map_err(|error| at(&target, &error))?;
        }
        self.folders.clear();
        Ok(())
    }
}

impl Drop for DiskSink {
    fn drop(&mut self) {
        for (partial, _) in &self.written {
            // What can't be removed now is named so that a person knows what it is.
            let _ = fs::remove_file(partial);
        }
        for folder in self.folders.iter().rev() {
            // Only if it is empty: somebody else may have put something there.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Says where an error happened and keeps its kind.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Sink for DiskSink {
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = self.begin(path)?;
        let write = || -> io::Result<()> {
            let mut file = File::create(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| at(&self.cwd.join(path), &error))
    }

    fn join(
        &mut self,
        path: &str,
        parts: &mut dyn Iterator<Item = io::Result<Vec<u8>>>,
    ) -> io::Result<()> {
        let partial = self.begin(path)?;
        let write = || -> io::Result<()> {
            let mut file = File::create(&partial)?;
            for part in parts {
                file.write_all(&part?)?;
            }
            file.sync_all()
        };
        write().map_err(|error| at(&self.cwd.join(path), &error))
    }

    fn place(&mut self, path: &str, content: &Content, executable: bool) -> io::Result<()> {
        match content {
            Content::Inline(bytes) => {
                let partial = self.begin(path)?;
                let write = || -> io::Result<()> {
                    fs::write(&partial, bytes)?;
                    if executable {
                        use std::os::unix::fs::PermissionsExt as _;
                        fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
                    }
                    Ok(())
                };
                write().map_err(|error| at(&self.cwd.join(path), &error))
            }
            Content::Blob { hash, .. } => {
                let partial = self.begin(path)?;
                self.store
                    .copy_to(hash, &partial, executable)
                    .map_err(|error| io::Error::other(format!("{path}: {error}")))
            }
        }
    }

    fn run(
        &mut self,
        files: &[(String, Content)],
        tool: &Tool,
        outputs: &[Placed],
    ) -> io::Result<Ran> {
        let tools = Arc::clone(&self.tools);
        tools.run_for(files, tool, outputs, |path, to| {
            let partial = self.begin(to)?;
            // Another file system most likely: a copy, which shares the blocks where it can.
            fs::copy(path, &partial)
                .and_then(|_| File::open(&partial)?.sync_all())
                .map_err(|error| at(&self.cwd.join(to), &error))
        })
    }
}
