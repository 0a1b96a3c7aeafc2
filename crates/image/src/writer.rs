use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::format::{BLOCKS, Header, MACHINE, SNAPSHOT, SUMS, Section, VERSION, sum};
use crate::pages::PageWriter;
use crate::{ImageError, Machine, Reader, Snapshot};

/// How pages are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are: they can be mapped.
    #[default]
    None,
    /// zstd, at this level.
    Zstd(i32),
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Bytes of the file.
    pub image_bytes: u64,
    /// Pages that are stored.
    pub stored_pages: u64,
}

/// An image that is being written: a temporary file beside its later place, gone if this is dropped
/// before [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    temporary: Temporary,
    pages: PageWriter,
}

/// A file that is removed unless it was given its name.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    file: File,
    named: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named {
            // It is in nobody's way, and there is nobody to tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Writer {
    /// Begins an image that will be `path`, readable by its owner alone.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn create(path: &Path, compression: Compression) -> Result<Self, ImageError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let failed = |source| ImageError::Io { doing: "creating", path: temporary.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed)?;
        let shared = file.try_clone().map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            temporary: Temporary { path: temporary, file, named: false },
            pages: PageWriter::new(shared, compression),
        })
    }

    /// The store of pages.
    pub fn pages(&self) -> &PageWriter {
        &self.pages
    }

    /// Writes everything that isn't pages, syncs, reads the table back, and gives the file its name: until
    /// then a file of that name stays as it was.
    ///
    /// # Errors
    /// The file can't be written; then there is none, or the old one.
    pub fn finish(self, snapshot: &Snapshot, machine: &Machine) -> Result<Finished, ImageError> {
        let Self { path, mut temporary, pages } = self;
        let failed =
            |source| ImageError::Io { doing: "writing", path: temporary.path.clone(), source };
        let stored = pages.finish().map_err(failed)?;
        let sums: Vec<u8> = stored.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let parts = [
            (BLOCKS, encode(&stored.blocks)),
            (SUMS, sums),
            (SNAPSHOT, encode(snapshot)),
            (MACHINE, encode(machine)),
        ];
        let written = |file: &File| -> io::Result<u64> {
            let mut at = stored.end.next_multiple_of(8);
            let mut table = Vec::new();
            for (name, bytes) in &parts {
                file.write_all_at(bytes, at)?;
                let len = bytes.len() as u64;
                table.push(Section { name: (*name).to_owned(), offset: at, len, sum: sum(bytes) });
                at = (at + len).next_multiple_of(8);
            }
            let table = encode(&table);
            file.write_all_at(&table, at)?;
            let header = Header {
                version: VERSION,
                table_offset: at,
                table_len: table.len() as u64,
                table_sum: sum(&table),
            };
            file.write_all_at(&header.encode(), 0)?;
            file.sync_all()?;
            Ok(at + table.len() as u64)
        };
        let image_bytes = written(&temporary.file).map_err(|source| ImageError::Io {
            doing: "writing",
            path: temporary.path.clone(),
            source,
        })?;
        Reader::open(&temporary.path)?;
        let renamed = std::fs::rename(&temporary.path, &path).and_then(|()| {
            temporary.named = true;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
        });
        renamed.map_err(|source| ImageError::Io { doing: "naming", path, source })?;
        Ok(Finished {
            image_bytes,
            stored_pages: stored.blocks.iter().map(|block| u64::from(block.pages)).sum(),
        })
    }
}

fn encode<T: Serialize>(what: &T) -> Vec<u8> {
    postcard::to_stdvec(what).expect("plain data in memory")
}
