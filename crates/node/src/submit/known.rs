//! Files that were inputs before: one that is still the same file, of the same length and times, isn't read again.
//!
//! It has to be the same inode with the same times of change, which nobody can set back. A file that was changed
//! within [`RACY`] before it was read is not remembered: it could be changed again without another
//! time (what git calls racy).
//!
//! What is here may be lost without harm. It is open only while something is submitted.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outlast_types::Hash;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition,
};

/// File systems keep times at least this finely, clocks of file servers aside.
const RACY: Duration = Duration::from_secs(2);

/// Files that are remembered. Beyond it all are forgotten: some 50 MiB.
const FILES: u64 = 1 << 18;

/// redb's own cache, in bytes.
const CACHE_BYTES: usize = 4 << 20;

/// Device, inode → stamp, hash.
const TABLE: TableDefinition<'_, (u64, u64), ([i64; 5], [u8; 32])> = TableDefinition::new("files");

/// What changes when a file does: length, and times of change of content and of inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    values: [i64; 5],
}

impl Stamp {
    pub(super) fn of(meta: &std::fs::Metadata) -> Self {
        let length = meta.len() as i64;
        let (mtime, ctime) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
        let values = [length, mtime.0, mtime.1, ctime.0, ctime.1];
        Self { file: (meta.dev(), meta.ino()), values }
    }

    /// Whether it had been left alone for long enough at this time.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let [_, mtime, _, ctime, _] = self.values;
        now.saturating_sub(mtime.max(ctime)) > RACY.as_secs() as i64
    }
}

/// The index. Without one, if it can't be opened, all files are read.
pub(super) struct Known(Option<Database>);

impl Known {
    pub(super) fn open(path: &Path) -> Self {
        let open = || Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let opened = open().or_else(|error| match error {
            // Another submission has it.
            DatabaseError::DatabaseAlreadyOpen => Err(error),
            // It is damaged, or of another version: a new one serves as well.
            _ => {
                let _ = std::fs::remove_file(path);
                open()
            }
        });
        if let Err(error) = &opened {
            tracing::debug!("inputs are read again: {error}");
        }
        Self(opened.ok())
    }

    /// The hash of a file that hasn't changed since it was read.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<Hash> {
        let read = self.0.as_ref()?.begin_read().ok()?;
        let (values, hash) = read.open_table(TABLE).ok()?.get(stamp.file).ok()??.value();
        (values == stamp.values).then_some(Hash::from_bytes(hash))
    }

    /// Files that were read at this time.
    pub(super) fn remember(&self, now: SystemTime, files: &[(Stamp, Hash)]) {
        let settled: Vec<_> = files.iter().filter(|(stamp, _)| stamp.is_settled(now)).collect();
        if settled.is_empty() {
            return;
        }
        if let Some(Err(error)) = self.0.as_ref().map(|database| keep(database, &settled)) {
            tracing::debug!("inputs are read again the next time: {error}");
        }
    }
}

fn keep(database: &Database, files: &[&(Stamp, Hash)]) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    // Nothing depends on it.
    let _ = write.set_durability(redb::Durability::None);
    {
        let mut table = write.open_table(TABLE)?;
        if table.len()? + files.len() as u64 > FILES {
            drop(table);
            write.delete_table(TABLE)?;
            table = write.open_table(TABLE)?;
        }
        for (stamp, hash) in files {
            table.insert(stamp.file, (stamp.values, *hash.as_bytes()))?;
        }
    }
    Ok(write.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (index, file) = (folder.path().join("index"), folder.path().join("file"));
        std::fs::write(&file, "a").unwrap();
        let stamp = || Stamp::of(&std::fs::metadata(&file).unwrap());
        let (before, hash) = (stamp(), Hash::of(b"a"));
        let later = SystemTime::now() + Duration::from_secs(10);
        let known = Known::open(&index);
        known.remember(SystemTime::now(), &[(before, hash)]);
        assert_eq!(known.find(&before), None, "it may have been changed in the same moment");
        known.remember(later, &[(before, hash)]);
        drop(known);
        let known = Known::open(&index);
        assert_eq!(known.find(&before), Some(hash));
        // Of two at once the second does without.
        assert_eq!(Known::open(&index).find(&before), None);
        assert_eq!(known.find(&before), Some(hash));
        // The same length, and its time of change set back.
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "b").unwrap();
        std::fs::File::open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(known.find(&stamp()), None);
        drop(known);
        std::fs::write(&index, "nonsense").unwrap();
        assert_eq!(Known::open(&index).find(&before), None);
    }
}
