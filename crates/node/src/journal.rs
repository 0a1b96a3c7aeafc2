//! What has to survive the daemon: one redb file.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `jobs` | job | what the job is |
//! | `records` | job, sequence number | a fact of its history |
//! | `outputs` | job, cell, class | an answer |
//! | `meta` | name | anything else: the format's version, the ledger of credibility |
//!
//! Values are opaque bytes. A [`Batch`] is one durable transaction; the caller gathers what
//! happened since the last one, so that a thousand facts cost one wait for the disk.
//!
//! Everything here blocks: call it from a thread that may.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use outlast_types::{CellId, JobId};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

type Bytes = &'static [u8];
const JOBS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("jobs");
const RECORDS: TableDefinition<'_, (u64, u64), Bytes> = TableDefinition::new("records");
const OUTPUTS: TableDefinition<'_, (u64, u32, u16), Bytes> = TableDefinition::new("outputs");
const META: TableDefinition<'_, &str, Bytes> = TableDefinition::new("meta");

/// Name of the format's version among the `meta`, and the one version that this build reads.
const VERSION_KEY: &str = "journal-version";
const VERSION: &[u8] = &[1];

/// redb's cache: its default of 1 GiB is more than a worker should take from its owner.
const CACHE_BYTES: usize = 64 << 20;

/// What went wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("{}: in use by another daemon", .0.display())]
    Locked(PathBuf),
    /// Not a journal, or damaged.
    #[error("{}: not a journal, or damaged: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What redb found.
        reason: String,
    },
    /// Written by another version of Outlast.
    #[error("{}: a journal of version {found}, expected version {expected}", path.display(), expected = VERSION[0])]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        found: String,
    },
    /// No room. The batch has had no effect; it can be committed again when there is room.
    #[error("disk full while writing {}", .0.display())]
    DiskFull(PathBuf),
    /// The file system said no. The batch has had no effect.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    PutJob(JobId, Vec<u8>),
    PutRecord(JobId, u64, Vec<u8>),
    PutOutput(JobId, CellId, u16, Vec<u8>),
    DeleteOutput(JobId, CellId, u16),
    DeleteJob(JobId),
    PutMeta(String, Vec<u8>),
    DeleteMeta(String),
}

/// Changes that happen together or not at all, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch(Vec<Change>);

impl Batch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many changes it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends the changes of another batch.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Writes what a job is.
    pub fn put_job(&mut self, job: JobId, value: Vec<u8>) {
        self.0.push(Change::PutJob(job, value));
    }

    /// Writes a fact of a job's history; one with the same number is replaced.
    pub fn put_record(&mut self, job: JobId, sequence: u64, value: Vec<u8>) {
        self.0.push(Change::PutRecord(job, sequence, value));
    }

    /// Writes an answer for a cell; one of the same class is replaced.
    pub fn put_output(&mut self, job: JobId, cell: CellId, class: u16, value: Vec<u8>) {
        self.0.push(Change::PutOutput(job, cell, class, value));
    }

    /// Removes an answer.
    pub fn delete_output(&mut self, job: JobId, cell: CellId, class: u16) {
        self.0.push(Change::DeleteOutput(job, cell, class));
    }

    /// Removes a job with all its records and outputs.
    pub fn delete_job(&mut self, job: JobId) {
        self.0.push(Change::DeleteJob(job));
    }

    /// Writes something under a name.
    pub fn put_meta(&mut self, name: impl Into<String>, value: Vec<u8>) {
        self.0.push(Change::PutMeta(name.into(), value));
    }

    /// Removes what is under a name.
    pub fn delete_meta(&mut self, name: impl Into<String>) {
        self.0.push(Change::DeleteMeta(name.into()));
    }
}

/// Opens the database; again after a failed write, because redb refuses to go on with a file that it could not write.
type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// The journal, open.
pub struct Journal {
    path: PathBuf,
    opener: Opener,
    /// `None` after a failed write until it could be opened again.
    database: Option<Database>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens or creates the file. After a crash redb finds the last complete batch by itself.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Corrupt`], [`JournalError::Version`],
    /// [`JournalError::DiskFull`] or [`JournalError::Io`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = path.to_owned();
        let opener = move || Database::builder().set_cache_size(CACHE_BYTES).create(&file);
        Self::open_with(path, Box::new(opener))
    }

    fn open_with(path: &Path, opener: Opener) -> Result<Self, JournalError> {
        let mut journal = Self { path: path.to_owned(), opener, database: None };
        journal.reopen()?;
        let database = journal.database()?;
        let transaction = database.begin_write().map_err(|e| journal.error(e.into()))?;
        // Makes all tables, so that reading needs no case for their absence.
        let check = || -> Result<Option<Vec<u8>>, redb::Error> {
            transaction.open_table(JOBS)?;
            transaction.open_table(RECORDS)?;
            transaction.open_table(OUTPUTS)?;
            let mut meta = transaction.open_table(META)?;
            let found = meta.get(VERSION_KEY)?.map(|value| value.value().to_vec());
            if found.is_none() {
                meta.insert(VERSION_KEY, VERSION)?;
            }
            Ok(found)
        };
        match check().map_err(|error| journal.error(error))? {
            Some(found) if found != VERSION => {
                let found = found.first().map_or_else(|| "unknown".to_owned(), u8::to_string);
                return Err(JournalError::Version { path: path.to_owned(), found });
            }
            _ => transaction.commit().map_err(|e| journal.error(e.into()))?,
        }
        Ok(journal)
    }

    /// Lets go of the file, so that another process can open it. Nothing can be read or written after this.
    pub fn close(&mut self) {
        self.database = None;
        self.opener = Box::new(|| Err(DatabaseError::DatabaseAlreadyOpen));
    }

    /// Makes a batch durable: when this returns, all of it is on the disk.
    ///
    /// # Errors
    /// [`JournalError::DiskFull`] or [`JournalError::Io`]; then none of it is.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.database.is_none() {
            self.reopen()?;
        }
        let result = self.database().map(|database| write(database, batch))?;
        result.map_err(|error| {
            let error = self.error(error);
            // The next commit tries again if this fails, too.
            let _ = self.reopen();
            error
        })
    }

    /// All jobs, by id.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::Corrupt`].
    pub fn jobs(&self) -> Result<Vec<(JobId, Vec<u8>)>, JournalError> {
        self.read(|transaction| {
            let table = transaction.open_table(JOBS)?;
            let mut jobs = Vec::new();
            for entry in table.iter()? {
                let (key, value) = entry?;
                jobs.push((JobId::from_u64(key.value()), value.value().to_vec()));
            }
            Ok(jobs)
        })
    }

    /// Shows the records of a job in the order of their numbers, one at a time: there may be more
    /// than should be in memory at once.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::Corrupt`].
    pub fn records(&self, job: JobId, mut see: impl FnMut(u64, &[u8])) -> Result<(), JournalError> {
        self.read(|transaction| {
            for entry in transaction.open_table(RECORDS)?.range(records_of(job))? {
                let (key, value) = entry?;
                see(key.value().1, value.value());
            }
            Ok(())
        })
    }

    /// Shows the outputs of a job, by cell and class.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::Corrupt`].
    pub fn outputs(
        &self,
        job: JobId,
        mut see: impl FnMut(CellId, u16, &[u8]),
    ) -> Result<(), JournalError> {
        self.read(|transaction| {
            for entry in transaction.open_table(OUTPUTS)?.range(outputs_of(job))? {
                let (key, value) = entry?;
                let (_, cell, class) = key.value();
                see(CellId(cell), class, value.value());
            }
            Ok(())
        })
    }

    /// An answer.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::Corrupt`].
    pub fn output(
        &self,
        job: JobId,
        cell: CellId,
        class: u16,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(|transaction| {
            let table = transaction.open_table(OUTPUTS)?;
            Ok(table.get((job.as_u64(), cell.0, class))?.map(|value| value.value().to_vec()))
        })
    }

    /// What is under a name.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::Corrupt`].
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(|transaction| {
            Ok(transaction.open_table(META)?.get(name)?.map(|value| value.value().to_vec()))
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, JournalError> {
        let transaction = self.database()?.begin_read().map_err(|e| self.error(e.into()))?;
        read(&transaction).map_err(|error| self.error(error))
    }

    fn database(&self) -> Result<&Database, JournalError> {
        self.database.as_ref().ok_or_else(|| JournalError::Io {
            path: self.path.clone(),
            source: io::Error::other("closed after a failed write, and not open again yet"),
        })
    }

    fn reopen(&mut self) -> Result<(), JournalError> {
        // The old one has the lock.
        self.database = None;
        self.database = Some((self.opener)().map_err(|error| self.error(error.into()))?);
        Ok(())
    }

    fn error(&self, error: redb::Error) -> JournalError {
        let path = self.path.clone();
        match error {
            redb::Error::DatabaseAlreadyOpen => JournalError::Locked(path),
            redb::Error::Io(source) if outlast_os::is_disk_full(&source) => {
                JournalError::DiskFull(path)
            }
            // redb says so of a file that doesn't start like one of its own.
            redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                JournalError::Corrupt { path, reason: source.to_string() }
            }
            redb::Error::Io(source) => JournalError::Io { path, source },
            redb::Error::UpgradeRequired(version) => {
                JournalError::Version { path, found: format!("redb {version}") }
            }
            error @ redb::Error::PreviousIo => {
                JournalError::Io { path, source: io::Error::other(error) }
            }
            error => JournalError::Corrupt { path, reason: error.to_string() },
        }
    }
}

fn records_of(job: JobId) -> RangeInclusive<(u64, u64)> {
    (job.as_u64(), 0)..=(job.as_u64(), u64::MAX)
}

fn outputs_of(job: JobId) -> RangeInclusive<(u64, u32, u16)> {
    (job.as_u64(), 0, 0)..=(job.as_u64(), u32::MAX, u16::MAX)
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut jobs = transaction.open_table(JOBS)?;
        let mut records = transaction.open_table(RECORDS)?;
        let mut outputs = transaction.open_table(OUTPUTS)?;
        let mut meta = transaction.open_table(META)?;
        for change in &batch.0 {
            match change {
                Change::PutJob(job, value) => {
                    jobs.insert(job.as_u64(), value.as_slice())?;
                }
                Change::PutRecord(job, sequence, value) => {
                    records.insert((job.as_u64(), *sequence), value.as_slice())?;
                }
                Change::PutOutput(job, cell, class, value) => {
                    outputs.insert((job.as_u64(), cell.0, *class), value.as_slice())?;
                }
                Change::DeleteOutput(job, cell, class) => {
                    outputs.remove((job.as_u64(), cell.0, *class))?;
                }
                Change::DeleteJob(job) => {
                    jobs.remove(job.as_u64())?;
                    records.retain_in(records_of(*job), |_, _| false)?;
                    outputs.retain_in(outputs_of(*job), |_, _| false)?;
                }
                Change::PutMeta(name, value) => {
                    meta.insert(name.as_str(), value.as_slice())?;
                }
                Change::DeleteMeta(name) => {
                    meta.remove(name.as_str())?;
                }
            }
        }
    }
    // Durability::Immediate is the default: the file is synced before this returns.
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
