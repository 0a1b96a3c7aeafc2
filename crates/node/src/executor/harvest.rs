//! What of a run's folder belongs to which cell.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use outlast_gridlet::picture::{Picture, PictureError, tile};
use outlast_gridlet::{CellOutput, Collect, Content, Harvest, OutFile, Step, is_inner_path};
use outlast_os::inner::open_inside;
use outlast_types::limits;

use super::folder::{RunFolder, Stamp, io_failure, store_failure};
use super::{Run, RunFailure};
use crate::store::{Holder, Store};

/// Entries of a run's folder that are looked at for [`Collect::Created`]; twice as many as there can be inputs.
const ENTRIES: usize = 1 << 17;

/// A picture that tiles are cut from is decoded in memory. 16384 × 16384 pixels of four bytes.
const PICTURE_BYTES: u64 = 1 << 30;

/// Collects the files of cells.
pub(super) struct Harvester<'a> {
    run: &'a Run,
    folder: &'a RunFolder,
    /// Opened before the program ran, so that it can't be swapped.
    work: File,
    store: &'a Arc<Store>,
    /// The picture that was decoded last: many cells are cut from one.
    picture: RefCell<Option<(String, Picture)>>,
}

impl<'a> Harvester<'a> {
    pub(super) fn new(
        run: &'a Run,
        folder: &'a RunFolder,
        store: &'a Arc<Store>,
    ) -> Result<Self, RunFailure> {
        let work = File::open(&folder.work).map_err(|error| io_failure(&folder.work, &error))?;
        Ok(Self { run, folder, work, store, picture: RefCell::new(None) })
    }

    /// Whether all files of a cell are there; of cells with other things than files only the end of the program tells.
    fn has_appeared(&self, harvest: &Harvest) -> bool {
        harvest.collect.iter().all(|collect| match collect {
            Collect::File { path, required, .. } => {
                !required || open_inside(&self.work, path).is_ok()
            }
            Collect::Tile { path, .. } => open_inside(&self.work, path).is_ok(),
            Collect::Created { .. } | Collect::Stdout(_) | Collect::Stderr(_) => false,
        })
    }

    /// The answer for a cell. `over`: nobody writes to its files any more.
    fn collect(&self, harvest: &Harvest, exit: i32, over: bool) -> Result<CellOutput, RunFailure> {
        let (store, holder) = (self.store, self.run.holder);
        let mut files = Files { store, holder, over, inline_bytes: 0, files: BTreeMap::new() };
        for collect in &harvest.collect {
            match collect {
                Collect::File { path, name, required } => match self.open(path) {
                    Ok(file) => files.add(name, &file)?,
                    Err(RunFailure::OutputMissing { .. }) if !required => {}
                    Err(failure) => return Err(failure),
                },
                Collect::Created { prefix } => self.created(prefix, &mut files)?,
                Collect::Stdout(name) => files.add(name, &self.folder.stdout)?,
                Collect::Stderr(name) => files.add(name, &self.folder.stderr)?,
                Collect::Tile { path, x, y, width, height } => {
                    let cut = |picture: &Picture| {
                        picture.cut(*x, *y, *width, *height).and_then(|cut| tile::encode(&cut))
                    };
                    let tile = self.with_picture(path, over, cut)?;
                    files.add_bytes(tile::NAME, tile)?;
                }
            }
        }
        let files = files.files.into_values().collect();
        let output = CellOutput { cell: harvest.cell, exit, files };
        output
            .validate(self.run.file_limit)
            .map_err(|error| RunFailure::Harvest(error.to_string()))?;
        Ok(output)
    }

    fn with_picture<T>(
        &self,
        path: &str,
        over: bool,
        take: impl FnOnce(&Picture) -> Result<T, PictureError>,
    ) -> Result<T, RunFailure> {
        let failure = |error: PictureError| RunFailure::Harvest(format!("{path}: {error}"));
        let mut last = self.picture.borrow_mut();
        let known = last.take().filter(|(known, _)| over && known == path);
        let picture = match known {
            Some((_, picture)) => picture,
            None => Picture::decode(&read_picture(path, &self.open(path)?)?).map_err(failure)?,
        };
        let taken = take(&picture).map_err(failure);
        // While the program runs the file may still change.
        *last = over.then(|| (path.to_owned(), picture));
        taken
    }

    fn open(&self, path: &str) -> Result<File, RunFailure> {
        if !is_inner_path(path) {
            return Err(RunFailure::Harvest(format!("{path:?} is not a path inside the folder")));
        }
        open_inside(&self.work, path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => RunFailure::OutputMissing {
                path: path.to_owned(),
                code: 0,
                stderr_tail: String::new(),
            },
            io::ErrorKind::CrossesDevices => {
                RunFailure::Harvest(format!("{path} leads out of the job's folder"))
            }
            _ => RunFailure::Harvest(format!("{path}: {error}")),
        })
    }

    /// Every regular file that is no unchanged input. Inputs that are links are no regular files.
    fn created(&self, prefix: &str, files: &mut Files<'_>) -> Result<(), RunFailure> {
        let mut folders = vec![self.folder.work.clone()];
        let mut entries = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(|error| io_failure(&folder, &error))? {
                let entry = entry.map_err(|error| io_failure(&folder, &error))?;
                entries += 1;
                if entries > ENTRIES {
                    return Err(RunFailure::Harvest(format!("more than {ENTRIES} files written")));
                }
                let path = entry.path();
                let meta = fs::symlink_metadata(&path).map_err(|e| io_failure(&path, &e))?;
                if meta.is_dir() {
                    folders.push(path);
                } else if meta.is_file() && !self.is_input(&path, &meta) {
                    let inner = path.strip_prefix(&self.folder.work).unwrap_or(&path);
                    let Some(inner) = inner.to_str() else {
                        return Err(RunFailure::Harvest(format!("{inner:?} is not UTF-8")));
                    };
                    files.add(&format!("{prefix}{inner}"), &self.open(inner)?)?;
                }
            }
        }
        Ok(())
    }

    fn is_input(&self, path: &Path, meta: &fs::Metadata) -> bool {
        self.folder.copies.get(path).is_some_and(|stamp| *stamp == Stamp::of(meta))
    }
}

fn paths(harvest: &Harvest) -> impl Iterator<Item = &str> {
    harvest.collect.iter().filter_map(|collect| match collect {
        Collect::File { path, .. } | Collect::Tile { path, .. } => Some(path.as_str()),
        Collect::Created { .. } | Collect::Stdout(_) | Collect::Stderr(_) => None,
    })
}

fn read_picture(path: &str, mut file: &File) -> Result<Vec<u8>, RunFailure> {
    let length = file.metadata().map_err(|error| io_failure(Path::new(path), &error))?.len();
    if length > PICTURE_BYTES {
        return Err(RunFailure::Harvest(format!(
            "{path} has {length} bytes, expected at most {PICTURE_BYTES}"
        )));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let read = Read::by_ref(&mut file).take(PICTURE_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| io_failure(Path::new(path), &error))?;
    Ok(bytes)
}

/// The files of one answer, by name.
struct Files<'a> {
    store: &'a Arc<Store>,
    holder: Holder,
    over: bool,
    inline_bytes: usize,
    files: BTreeMap<String, OutFile>,
}

impl Files<'_> {
    fn add(&mut self, name: &str, file: &File) -> Result<(), RunFailure> {
        let failure = |error: io::Error| io_failure(Path::new(name), &error);
        let meta = file.metadata().map_err(failure)?;
        let executable = meta.mode() & 0o111 != 0;
        let small = usize::try_from(meta.len()).ok().filter(|&length| self.fits(length));
        let content = if let Some(length) = small {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, 0).map_err(failure)?;
            self.inline_bytes += length;
            Content::Inline(bytes)
        } else {
            let stored = self.store.put_file(file, self.over, self.holder);
            let (hash, length) = stored.map_err(|error| store_failure(&error))?;
            Content::Blob { hash, length }
        };
        self.insert(name, executable, content)
    }

    fn add_bytes(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), RunFailure> {
        let content = if self.fits(bytes.len()) {
            self.inline_bytes += bytes.len();
            Content::Inline(bytes)
        } else {
            let stored = self.store.put_bytes(&bytes, self.holder);
            let hash = stored.map_err(|error| store_failure(&error))?;
            Content::Blob { hash, length: bytes.len() as u64 }
        };
        self.insert(name, false, content)
    }

    fn fits(&self, length: usize) -> bool {
        length <= limits::INLINE_BYTES && self.inline_bytes + length <= limits::INLINE_FRAME_BYTES
    }

    fn insert(&mut self, name: &str, executable: bool, content: Content) -> Result<(), RunFailure> {
        if self.files.len() == limits::CELL_FILES {
            return Err(RunFailure::Harvest(format!(
                "more than {} files for one cell",
                limits::CELL_FILES
            )));
        }
        let name = name.to_owned();
        self.files.insert(name.clone(), OutFile { name, executable, content });
        Ok(())
    }
}

/// Which cells of a step have been shipped: those before `next`.
pub(super) struct Watch<'a> {
    harvest: &'a [Harvest],
    next: usize,
}

impl<'a> Watch<'a> {
    pub(super) fn new(step: &'a Step) -> Self {
        Self { harvest: &step.harvest, next: 0 }
    }

    /// Ships the cells whose successor has appeared (GINGER 3.1). One that can't be collected now
    /// is tried again when the program has ended.
    pub(super) fn ship_complete(
        &mut self,
        harvester: &Harvester<'_>,
        mut ship: impl FnMut(CellOutput),
    ) {
        while let [this, successor, ..] = &self.harvest[self.next..] {
            // A file of both says nothing about which of its parts are complete.
            let shared = paths(this).any(|path| paths(successor).any(|other| other == path));
            if shared || !harvester.has_appeared(this) || !harvester.has_appeared(successor) {
                return;
            }
            let Ok(output) = harvester.collect(this, 0, false) else { return };
            ship(output);
            self.next += 1;
        }
    }

    /// Ships all others.
    pub(super) fn ship_rest(
        &mut self,
        harvester: &Harvester<'_>,
        exit: i32,
        mut ship: impl FnMut(CellOutput),
    ) -> Result<(), RunFailure> {
        for harvest in &self.harvest[self.next..] {
            ship(harvester.collect(harvest, exit, true)?);
            self.next += 1;
        }
        Ok(())
    }
}
