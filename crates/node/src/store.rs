//! Blobs in the data directory, by the hash of their bytes.
//!
//! ```text
//! blobs/tmp/N        being written; emptied at start
//! blobs/new/HASH     whole, but a power cut may tear it; emptied at start
//! blobs/ab/HASH      whole and on the disk
//!
//!   put, Writer::finish:  tmp ──rename──▶ new        Store::sync: new ──fsync, rename──▶ ab
//! ```
//!
//! So there are no half blobs under a final name, and nobody waits for the disk for what may be
//! lost: an answer is synced before it is acknowledged, a worker's copy of an input never.
//!
//! Everything here blocks: call it from a thread that may.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outlast_types::Hash;

/// What is read and hashed at a time: large enough to hide the system calls.
const CHUNK_BYTES: usize = 1 << 20;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room. Nothing was stored.
    #[error("disk full while writing {}", .0.display())]
    DiskFull(PathBuf),
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
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
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

/// The store. One for a data directory; shared by reference between threads.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    tmp_count: AtomicU64,
    total_bytes: AtomicU64,
    /// Held while a name appears, moves or goes, so that the total counts each blob once.
    names: Mutex<()>,
}

impl Store {
    /// Opens or creates `blobs` in the data directory, which the caller has locked.
    ///
    /// # Errors
    /// If the folder can't be made or read.
    pub fn open(data_dir: &Path) -> Result<Arc<Self>, StoreError> {
        let root = data_dir.join("blobs");
        for name in ["tmp", "new"] {
            let folder = root.join(name);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io(&folder)(error));
                }
                _ => fs::create_dir_all(&folder).map_err(StoreError::io(&folder))?,
            }
        }
        let mut total = 0;
        for fan in fs::read_dir(&root).map_err(StoreError::io(&root))?.flatten() {
            let Ok(files) = fs::read_dir(fan.path()) else { continue };
            total +=
                files.flatten().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum::<u64>();
        }
        Ok(Arc::new(Self {
            root,
            tmp_count: AtomicU64::new(0),
            total_bytes: AtomicU64::new(total),
            names: Mutex::new(()),
        }))
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Io`].
    pub fn put_bytes(self: &Arc<Self>, bytes: &[u8]) -> Result<Hash, StoreError> {
        let hash = Hash::of(bytes);
        if self.has(&hash) {
            return Ok(hash);
        }
        let mut writer = self.begin_write(hash, bytes.len() as u64)?;
        writer.append(bytes)?;
        writer.accept(hash)?;
        Ok(hash)
    }

    /// Stores the bytes of an open file, from its start, and leaves it where it is. With `link`, the file itself becomes the
    /// blob if it is on the same file system and has one name: only for files that nobody
    /// will write to any more.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Io`].
    pub fn put_file(self: &Arc<Self>, file: &File, link: bool) -> Result<(Hash, u64), StoreError> {
        let tmp = self.tmp();
        // With a second name it could be written to through that.
        let alone = file.metadata().is_ok_and(|meta| meta.nlink() == 1);
        if link && alone && outlast_os::inner::link_file(file, &tmp.0).is_ok() {
            let (hash, length) = read_whole(file, |_| Ok(()))?;
            self.adopt(tmp, hash, length)?;
            return Ok((hash, length));
        }
        let mut writer = self.writer(Hash::from_bytes([0; 32]), u64::MAX)?;
        let (hash, length) = read_whole(file, |bytes| writer.append(bytes))?;
        writer.accept(hash)?;
        Ok((hash, length))
    }

    /// Begins to store a blob that comes in pieces.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] at once if it can't fit; [`StoreError::Io`].
    pub fn begin_write(self: &Arc<Self>, hash: Hash, length: u64) -> Result<Writer, StoreError> {
        if outlast_os::host::free_space(&self.root).is_ok_and(|free| free < length) {
            return Err(StoreError::DiskFull(self.root.clone()));
        }
        self.writer(hash, length)
    }

    fn writer(self: &Arc<Self>, hash: Hash, length: u64) -> Result<Writer, StoreError> {
        let tmp = self.tmp();
        let file = File::create_new(&tmp.0).map_err(StoreError::io(&tmp.0))?;
        let (store, hasher) = (Arc::clone(self), blake3::Hasher::new());
        Ok(Writer { store, file, tmp, hash, length, written: 0, hasher })
    }

    /// All bytes of a blob.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Io`].
    pub fn read(&self, hash: &Hash) -> Result<Vec<u8>, StoreError> {
        let (mut file, length) = self.open_blob(hash)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(StoreError::io(&self.final_path(hash)))?;
        Ok(bytes)
    }

    /// A blob to read, and how many bytes it has.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Io`].
    pub fn open_blob(&self, hash: &Hash) -> Result<(File, u64), StoreError> {
        // First where it comes from, then where it goes to: a sync in between isn't missed.
        for path in [self.new_path(hash), self.final_path(hash)] {
            match File::open(&path) {
                Ok(file) => {
                    let length = file.metadata().map_err(StoreError::io(&path))?.len();
                    return Ok((file, length));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io(&path)(error)),
            }
        }
        Err(StoreError::Missing(*hash))
    }

    /// Where the blob is now, for reading; a later [`Store::sync`] moves it.
    pub fn path(&self, hash: &Hash) -> Option<PathBuf> {
        [self.new_path(hash), self.final_path(hash)].into_iter().find(|path| path.exists())
    }

    /// Whether the blob is here.
    pub fn has(&self, hash: &Hash) -> bool {
        self.path(hash).is_some()
    }

    /// Copies a blob to a new file. A copy, because whoever gets it may write to it; file systems
    /// that can share the blocks do.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::DiskFull`] or [`StoreError::Io`]; then there is no file.
    pub fn copy_to(&self, hash: &Hash, file: &Path, executable: bool) -> Result<(), StoreError> {
        let (mut blob, _) = self.open_blob(hash)?;
        let mut copy = File::create_new(file).map_err(StoreError::io(file))?;
        let mode = if executable { 0o755 } else { 0o644 };
        let copied = io::copy(&mut blob, &mut copy)
            .and_then(|_| copy.set_permissions(fs::Permissions::from_mode(mode)));
        copied.map_err(|error| {
            let _ = fs::remove_file(file);
            StoreError::io(file)(error)
        })
    }

    /// Makes blobs durable. Those that are already cost a look.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::DiskFull`] or [`StoreError::Io`].
    pub fn sync<'a>(&self, hashes: impl IntoIterator<Item = &'a Hash>) -> Result<(), StoreError> {
        let mut folders = std::collections::BTreeSet::new();
        for hash in hashes {
            let (new, path) = (self.new_path(hash), self.final_path(hash));
            match File::open(&new) {
                Ok(file) => file.sync_data().map_err(StoreError::io(&new))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::Missing(*hash));
                }
                Err(error) => return Err(StoreError::io(&new)(error)),
            }
            let folder = self.fan(hash);
            let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            if !folder.exists() {
                fs::create_dir_all(&folder).map_err(StoreError::io(&folder))?;
                folders.insert(self.root.clone());
            }
            match fs::rename(&new, &path) {
                Ok(()) => {}
                // Another thread synced the same blob.
                Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => {}
                Err(error) => return Err(StoreError::io(&path)(error)),
            }
            folders.insert(folder);
        }
        for folder in folders {
            File::open(&folder).and_then(|f| f.sync_all()).map_err(StoreError::io(&folder))?;
        }
        Ok(())
    }

    /// Removes a blob; whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self, hash: &Hash) -> Result<bool, StoreError> {
        let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = self.path(hash) else { return Ok(false) };
        let length = path.metadata().map_err(StoreError::io(&path))?.len();
        fs::remove_file(&path).map_err(StoreError::io(&path))?;
        self.total_bytes.fetch_sub(length, Ordering::Relaxed);
        Ok(true)
    }

    /// Bytes of all blobs.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// All blobs, in no order: a starting daemon removes those that nobody needs.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = Vec::new();
        for fan in fs::read_dir(&self.root).map_err(StoreError::io(&self.root))?.flatten() {
            let path = fan.path();
            for file in fs::read_dir(&path).map_err(StoreError::io(&path))?.flatten() {
                let name = file.file_name();
                hashes.extend(name.to_str().and_then(|name| name.parse::<Hash>().ok()));
            }
        }
        Ok(hashes)
    }

    fn tmp(&self) -> Tmp {
        let number = self.tmp_count.fetch_add(1, Ordering::Relaxed);
        Tmp(self.root.join("tmp").join(number.to_string()))
    }

    fn new_path(&self, hash: &Hash) -> PathBuf {
        self.root.join("new").join(hash.to_string())
    }

    fn fan(&self, hash: &Hash) -> PathBuf {
        self.root.join(format!("{:02x}", hash.as_bytes()[0]))
    }

    fn final_path(&self, hash: &Hash) -> PathBuf {
        self.fan(hash).join(hash.to_string())
    }

    /// Gives a finished temporary file its name.
    fn adopt(&self, tmp: Tmp, hash: Hash, length: u64) -> Result<(), StoreError> {
        fs::set_permissions(&tmp.0, fs::Permissions::from_mode(0o444))
            .map_err(StoreError::io(&tmp.0))?;
        let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has(&hash) {
            let path = self.new_path(&hash);
            fs::rename(&tmp.0, &path).map_err(StoreError::io(&path))?;
            self.total_bytes.fetch_add(length, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl outlast_gridlet::Blobs for Store {
    fn read(&self, hash: &Hash) -> io::Result<Vec<u8>> {
        Store::read(self, hash).map_err(|error| match error {
            StoreError::Io { source, .. } => source,
            StoreError::Missing(_) => io::Error::new(io::ErrorKind::NotFound, error),
            error => io::Error::other(error),
        })
    }
}

/// Reads a file from its start to its end, shows the pieces, and says hash and length.
fn read_whole(
    file: &File,
    mut see: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(Hash, u64), StoreError> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut length = 0;
    loop {
        match file.read_at(&mut buffer, length) {
            Ok(0) => return Ok((hasher.finalize().into(), length)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                see(&buffer[..n])?;
                length += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io(Path::new("a file to be stored"))(error)),
        }
    }
}

/// A temporary file; removed when dropped, if it still has that name.
#[derive(Debug)]
struct Tmp(PathBuf);

impl Drop for Tmp {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A blob that is being written. Dropping it before [`Writer::finish`] leaves nothing.
#[derive(Debug)]
pub struct Writer {
    store: Arc<Store>,
    file: File,
    tmp: Tmp,
    hash: Hash,
    length: u64,
    written: u64,
    hasher: blake3::Hasher,
}

impl Writer {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Length`] if there are more than announced, [`StoreError::DiskFull`],
    /// [`StoreError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let found = self.written + bytes.len() as u64;
        if found > self.length {
            return Err(StoreError::Length { hash: self.hash, expected: self.length, found });
        }
        self.file.write_all(bytes).map_err(StoreError::io(&self.tmp.0))?;
        self.written = found;
        Ok(())
    }

    /// Checks length and hash, and makes the blob appear.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::Mismatch`], [`StoreError::DiskFull`],
    /// [`StoreError::Io`]; then there is no blob.
    pub fn finish(self) -> Result<(), StoreError> {
        let (expected, found) = (self.length, self.written);
        if found != expected {
            return Err(StoreError::Length { hash: self.hash, expected, found });
        }
        let (expected, found) = (self.hash, Hash::from(self.hasher.finalize()));
        if found != expected {
            return Err(StoreError::Mismatch { expected, found });
        }
        self.accept(expected)
    }

    fn accept(self, hash: Hash) -> Result<(), StoreError> {
        self.store.adopt(self.tmp, hash, self.written)
    }
}

#[cfg(test)]
mod tests;
