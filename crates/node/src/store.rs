//! Blobs in the data directory, by the hash of their bytes: a job's inputs and answers, and a cache of inputs.
//!
//! ```text
//! blobs/tmp/N        being written; emptied at start
//! blobs/part/HASH    a large one that comes in pieces, with holes: see [`Partial`]
//! blobs/new/HASH     whole, but a power cut may tear it
//! blobs/ab/HASH      whole and on the disk
//! blobs/lists/HASH   the chunks of a large blob; made again if missing
//! blobs/boot         the system's life in which all of this was written
//!
//!   put, Writer::finish:  tmp ──rename──▶ new        Store::sync: new ──fsync, rename──▶ ab
//! ```
//!
//! So there are no half blobs under a final name, and nobody waits for the disk for what may be
//! lost: an answer is synced before it is acknowledged, a worker's copy of an input never. What isn't synced
//! outlives the daemon, but not the system: after another boot `new` and `lists` are emptied, and what is in `part` is
//! hashed before it is believed, as always.
//!
//! **What stays**: `Books` knows who needs what. A blob that nobody needs stays until room is needed (least
//! recently used first) or, if it was an answer, goes at once.
//!
//! Everything here blocks: call it from a thread that may.

mod books;
mod error;
mod hashing;
mod known;
mod lists;
mod partial;
mod writer;

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use outlast_stage::chunks::WHOLE_BYTES;
use outlast_types::Hash;

use books::{Books, Full, Kind};
use hashing::read_chunked;

pub use books::Holder;
pub use error::StoreError;
pub use known::KnownChunks;
pub use partial::Partial;
use writer::Tmp;
pub use writer::Writer;

/// Blobs from which on the whole file system is synced instead of each: many small files would wait for the disk one by
/// one.
const SYNC_ALL: usize = 64;

/// A cache is no larger than this if nobody says otherwise.
const CACHE_BYTES: u64 = 20 << 30;

/// The store. One for a data directory; shared by reference between threads.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    tmp_count: AtomicU64,
    passing: AtomicU64,
    /// Held while a name appears, moves or goes, so that the books are true.
    books: Mutex<Books>,
    /// Blobs that are on their way here.
    coming: Mutex<HashMap<Hash, Weak<Partial>>>,
    known: Mutex<Weak<KnownChunks>>,
}

/// Room that was reserved; given back when dropped.
#[derive(Debug)]
struct Room {
    store: Arc<Store>,
    bytes: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.store.books().settle(self.bytes);
    }
}

/// A [`Holder`] for as long as something goes on.
#[derive(Debug)]
pub struct Passing {
    store: Arc<Store>,
    holder: Holder,
}

impl Passing {
    /// Its name.
    pub fn holder(&self) -> Holder {
        self.holder
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.store.release(self.holder);
    }
}

impl Store {
    /// Opens or creates `blobs` in the data directory, which the caller has locked, with the default limit.
    ///
    /// # Errors
    /// If the folder can't be made or read.
    pub fn open(data_dir: &Path) -> Result<Arc<Self>, StoreError> {
        Self::open_with(data_dir, None)
    }

    /// [`Store::open`] with a limit, in bytes, for what is there and no answer. `None`: 20 GiB, or a quarter of the room
    /// that there is if that is less.
    ///
    /// # Errors
    /// If the folder can't be made or read.
    pub fn open_with(data_dir: &Path, cache: Option<u64>) -> Result<Arc<Self>, StoreError> {
        let root = data_dir.join("blobs");
        fs::create_dir_all(&root).map_err(StoreError::io(&root))?;
        let boot = outlast_os::host::boot_id();
        let mark = root.join("boot");
        let same = boot.is_some() && fs::read_to_string(&mark).ok() == boot;
        for (name, stays) in [("tmp", false), ("new", same), ("lists", same), ("part", true)] {
            let folder = root.join(name);
            if !stays
                && let Err(error) = fs::remove_dir_all(&folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(StoreError::io(&folder)(error));
            }
            fs::create_dir_all(&folder).map_err(StoreError::io(&folder))?;
        }
        fs::write(&mark, boot.unwrap_or_default()).map_err(StoreError::io(&mark))?;
        let (found, bytes) = scan(&root)?;
        let limit = cache.unwrap_or_else(|| {
            let free = outlast_os::host::free_space(&root).unwrap_or(u64::MAX);
            CACHE_BYTES.min(free.saturating_add(bytes) / 4)
        });
        let mut books = Books::new(limit);
        found.into_iter().for_each(|(_, hash, length, kind)| books.add(hash, length, kind));
        let store = Arc::new(Self {
            root,
            tmp_count: AtomicU64::new(0),
            passing: AtomicU64::new(0),
            books: Mutex::new(books),
            coming: Mutex::default(),
            known: Mutex::default(),
        });
        store.drop_stray_lists();
        Ok(store)
    }

    /// Bytes allowed for what is there and no answer.
    pub fn limit(&self) -> u64 {
        self.books().limit()
    }

    /// To be called once those who need something have said so, after a start: removes what is beyond the limit.
    pub fn trim(&self) {
        let mut books = self.books();
        let going = books.reserve(0, 0).unwrap_or_default();
        going.iter().for_each(|hash| self.unlink(hash));
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for something that goes on now and needs blobs until it ends.
    pub fn passing(self: &Arc<Self>) -> Passing {
        let number = self.passing.fetch_add(1, Ordering::Relaxed);
        Passing { store: Arc::clone(self), holder: Holder::Passing(number) }
    }

    /// `holder` needs these, whether they are here already or come later.
    pub fn pin<'a>(&self, hashes: impl IntoIterator<Item = &'a Hash>, holder: Holder) {
        let now = SystemTime::now();
        let mut books = self.books();
        for hash in hashes {
            books.pin(*hash, holder);
            books.touch(hash);
            // For the order after the next start; nothing else depends on it.
            if let Some(path) = self.path(hash)
                && let Ok(file) = File::open(path)
            {
                let _ = file.set_modified(now);
            }
        }
    }

    /// `holder` needs nothing any more. What it needed as answers goes now, unless somebody else needs it.
    pub fn release(&self, holder: Holder) {
        let mut books = self.books();
        let free = books.release(holder);
        if holder.is_for_answers() {
            for hash in free {
                books.remove(&hash);
                self.unlink(&hash);
            }
        }
        // Partly more than the limit may have been held.
        let going = books.reserve(0, 0).unwrap_or_default();
        going.iter().for_each(|hash| self.unlink(hash));
    }

    /// Makes room for so many bytes, and keeps it until what is returned is dropped.
    fn room(self: &Arc<Self>, bytes: u64, holder: Holder) -> Result<Room, StoreError> {
        let free = outlast_os::host::free_space(&self.root).unwrap_or(u64::MAX);
        let lacking = bytes.saturating_sub(free);
        let mut books = self.books();
        if lacking > books.idle_bytes() {
            return Err(StoreError::DiskFull(self.root.clone()));
        }
        let (going, reserved) = if holder.is_for_answers() {
            (if lacking > 0 { books.make_room(lacking) } else { Vec::new() }, 0)
        } else {
            let going = books.reserve(bytes, lacking);
            let full = |Full { pinned, limit }| StoreError::Full { bytes, pinned, limit };
            (going.map_err(full)?, bytes)
        };
        going.iter().for_each(|hash| self.unlink(hash));
        drop(books);
        let room = Room { store: Arc::clone(self), bytes: reserved };
        if lacking > 0 && outlast_os::host::free_space(&self.root).is_ok_and(|free| free < bytes) {
            return Err(StoreError::DiskFull(self.root.clone()));
        }
        Ok(room)
    }

    /// Stores bytes for whoever needs them.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Full`] or [`StoreError::Io`].
    pub fn put_bytes(self: &Arc<Self>, bytes: &[u8], holder: Holder) -> Result<Hash, StoreError> {
        let hash = Hash::of(bytes);
        self.pin([&hash], holder);
        if self.has(&hash) {
            return Ok(hash);
        }
        let mut writer = self.begin_write(hash, bytes.len() as u64, holder)?;
        writer.append(bytes)?;
        writer.accept(hash)?;
        Ok(hash)
    }

    /// Stores the bytes of an open file, from its start, and leaves it where it is. With `link`, the file itself becomes the
    /// blob if it is on the same file system and has one name: only for files that nobody
    /// will write to any more.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Full`] or [`StoreError::Io`].
    pub fn put_file(
        self: &Arc<Self>,
        file: &File,
        link: bool,
        holder: Holder,
    ) -> Result<(Hash, u64), StoreError> {
        let meta = file.metadata().map_err(StoreError::io(Path::new("a file to be stored")))?;
        let (tmp, large) = (self.tmp(), meta.len() > WHOLE_BYTES);
        // With a second name it could be written to through that.
        if link && meta.nlink() == 1 && outlast_os::inner::link_file(file, &tmp.0).is_ok() {
            let room = self.room(meta.len(), holder)?;
            let (hash, length, list) = read_chunked(file, large, |_| Ok(()))?;
            self.adopt(&tmp, hash, length, holder)?;
            drop(room);
            list.map_or(Ok(()), |list| self.save_list(&hash, &list))?;
            return Ok((hash, length));
        }
        let mut writer = self.begin_write(Hash::from_bytes([0; 32]), meta.len(), holder)?;
        // It may grow meanwhile.
        writer.length = u64::MAX;
        let (hash, length, list) = read_chunked(file, large, |bytes| writer.append(bytes))?;
        writer.accept(hash)?;
        list.map_or(Ok(()), |list| self.save_list(&hash, &list))?;
        Ok((hash, length))
    }

    /// Begins to store a blob that comes from its first byte to its last.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Full`] at once if it can't fit; [`StoreError::Io`].
    pub fn begin_write(
        self: &Arc<Self>,
        hash: Hash,
        length: u64,
        holder: Holder,
    ) -> Result<Writer, StoreError> {
        let room = self.room(length, holder)?;
        let tmp = self.tmp();
        let file = File::create_new(&tmp.0).map_err(StoreError::io(&tmp.0))?;
        Ok(Writer::new(file, tmp, hash, length, holder, room))
    }

    /// How many bytes of these are here, of what is on its way those that are verified.
    pub fn bytes_here<'a>(&self, blobs: impl IntoIterator<Item = (&'a Hash, &'a u64)>) -> u64 {
        let books = self.books();
        let kinds = blobs.into_iter().map(|(hash, length)| (hash, *length, books.kind(hash)));
        let found: Vec<(&Hash, u64, Kind)> =
            kinds.filter_map(|(hash, length, kind)| Some((hash, length, kind?))).collect();
        drop(books);
        let here = |(hash, length, kind): (&Hash, u64, Kind)| match kind {
            Kind::Whole => length,
            Kind::Partial => self.partial(hash).map_or(0, |partial| partial.bytes_here()),
        };
        found.into_iter().map(here).sum()
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
        self.books().touch(hash);
        self.open_quietly(hash)
    }

    /// [`Store::open_blob`], which doesn't count as a use.
    fn open_quietly(&self, hash: &Hash) -> Result<(File, u64), StoreError> {
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
        let copy = File::create_new(file).map_err(StoreError::io(file))?;
        let mode = if executable { 0o755 } else { 0o644 };
        self.copy_into(hash, copy, mode, file).inspect_err(|_| drop(fs::remove_file(file)))
    }

    /// Copies a blob to a file that was just made, and gives it its mode. `name` is for errors.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::DiskFull`] or [`StoreError::Io`].
    pub fn copy_into(
        &self,
        hash: &Hash,
        mut copy: File,
        mode: u32,
        name: &Path,
    ) -> Result<(), StoreError> {
        let (mut blob, _) = self.open_blob(hash)?;
        io::copy(&mut blob, &mut copy)
            .and_then(|_| copy.set_permissions(fs::Permissions::from_mode(mode)))
            .map_err(StoreError::io(name))
    }

    /// Makes blobs durable. Those that are already cost a look.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::DiskFull`] or [`StoreError::Io`].
    pub fn sync<'a>(&self, hashes: impl IntoIterator<Item = &'a Hash>) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for hash in hashes.into_iter().collect::<BTreeSet<_>>() {
            if self.new_path(hash).exists() {
                new.push(hash);
            } else if !self.final_path(hash).exists() {
                return Err(StoreError::Missing(*hash));
            }
        }
        let all = new.len() >= SYNC_ALL;
        if all {
            outlast_os::inner::sync_file_system(&self.root).map_err(StoreError::io(&self.root))?;
        }
        let mut folders = BTreeSet::new();
        for hash in new {
            let (new, path) = (self.new_path(hash), self.final_path(hash));
            match File::open(&new) {
                Ok(_) if all => {}
                Ok(file) => file.sync_data().map_err(StoreError::io(&new))?,
                // Another thread synced the same blob.
                Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::Missing(*hash));
                }
                Err(error) => return Err(StoreError::io(&new)(error)),
            }
            let folder = self.fan(hash);
            let _books = self.books();
            if !folder.exists() {
                fs::create_dir_all(&folder).map_err(StoreError::io(&folder))?;
                folders.insert(self.root.clone());
            }
            match fs::rename(&new, &path) {
                Ok(()) => {}
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

    /// Removes a blob, or what there is of it; whether there was anything.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self, hash: &Hash) -> Result<bool, StoreError> {
        let mut books = self.books();
        let was = books.kind(hash).is_some();
        books.remove(hash);
        self.unlink(hash);
        Ok(was)
    }

    /// Removes all files of a blob. What can't be removed now is found again at the next start.
    fn unlink(&self, hash: &Hash) {
        let paths = [self.new_path(hash), self.final_path(hash), self.part_path(hash)];
        for path in paths.into_iter().chain([self.list_path(hash)]) {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = %path.display(), %error, "a blob can't be removed");
            }
        }
    }

    /// Bytes of all blobs, of those that are on their way the whole length.
    pub fn total_bytes(&self) -> u64 {
        self.books().total_bytes()
    }

    /// Bytes that may go.
    pub fn idle_bytes(&self) -> u64 {
        self.books().idle_bytes()
    }

    /// Bytes that jobs need and that aren't answers.
    pub fn pinned_bytes(&self) -> u64 {
        self.books().pinned_bytes()
    }

    /// All whole blobs, in order of their hashes.
    pub fn list(&self) -> Vec<Hash> {
        let mut hashes: Vec<Hash> = self.books().whole().copied().collect();
        hashes.sort_unstable();
        hashes
    }

    /// What is on its way here, while somebody fetches it.
    pub fn partial(&self, hash: &Hash) -> Option<Arc<Partial>> {
        let coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        coming.get(hash).and_then(Weak::upgrade)
    }

    fn tmp(&self) -> Tmp {
        let number = self.tmp_count.fetch_add(1, Ordering::Relaxed);
        Tmp(self.root.join("tmp").join(number.to_string()))
    }

    fn new_path(&self, hash: &Hash) -> PathBuf {
        self.root.join("new").join(hash.to_string())
    }

    fn part_path(&self, hash: &Hash) -> PathBuf {
        self.root.join("part").join(hash.to_string())
    }

    fn fan(&self, hash: &Hash) -> PathBuf {
        self.root.join(format!("{:02x}", hash.as_bytes()[0]))
    }

    fn final_path(&self, hash: &Hash) -> PathBuf {
        self.fan(hash).join(hash.to_string())
    }

    fn enter(&self, hash: Hash, length: u64, kind: Kind, holder: Holder) {
        let mut books = self.books();
        books.pin(hash, holder);
        books.add(hash, length, kind);
    }

    /// Gives a finished temporary file its name.
    fn adopt(&self, tmp: &Tmp, hash: Hash, length: u64, holder: Holder) -> Result<(), StoreError> {
        seal(&tmp.0)?;
        let mut books = self.books();
        books.pin(hash, holder);
        if self.has(&hash) {
            books.touch(&hash);
            return Ok(());
        }
        let path = self.new_path(&hash);
        fs::rename(&tmp.0, &path).map_err(StoreError::io(&path))?;
        // It may have been on its way from elsewhere, too.
        let _ = fs::remove_file(self.part_path(&hash));
        books.add(hash, length, Kind::Whole);
        Ok(())
    }

    /// Gives a blob that came in pieces its name.
    fn complete(&self, hash: &Hash, length: u64) -> Result<(), StoreError> {
        let part = self.part_path(hash);
        let mut books = self.books();
        if !self.has(hash) {
            seal(&part)?;
            let path = self.new_path(hash);
            fs::rename(&part, &path).map_err(StoreError::io(&path))?;
        }
        books.add(*hash, length, Kind::Whole);
        Ok(())
    }
}

/// Nobody writes to a blob.
fn seal(path: &Path) -> Result<(), StoreError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).map_err(StoreError::io(path))
}

type Found = (SystemTime, Hash, u64, Kind);

/// What is in the folders, the least recently used first, and how many bytes.
fn scan(root: &Path) -> Result<(Vec<Found>, u64), StoreError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for folder in fs::read_dir(root).map_err(StoreError::io(root))?.flatten() {
        let kind = match folder.file_name().to_str() {
            Some("lists" | "tmp") => continue,
            Some("part") => Kind::Partial,
            _ => Kind::Whole,
        };
        let Ok(files) = fs::read_dir(folder.path()) else { continue };
        for file in files.flatten() {
            let name = file.file_name();
            let hash = name.to_str().and_then(|name| name.parse::<Hash>().ok());
            let (Some(hash), Ok(meta)) = (hash, file.metadata()) else { continue };
            bytes += meta.len();
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push((used, hash, meta.len(), kind));
        }
    }
    found.sort_by_key(|(used, hash, ..)| (*used, *hash));
    Ok((found, bytes))
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

#[cfg(test)]
mod tests;
