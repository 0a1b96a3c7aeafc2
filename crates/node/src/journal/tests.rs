use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;

const A: JobId = JobId::from_u64(1);
const B: JobId = JobId::from_u64(2);

fn records(journal: &Journal, job: JobId) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    journal.records(job, |sequence, value| seen.push((sequence, value.to_vec()))).unwrap();
    seen
}

fn outputs(journal: &Journal, job: JobId) -> Vec<(u32, u16)> {
    let mut seen = Vec::new();
    journal.outputs(job, |cell, class, _| seen.push((cell.0, class))).unwrap();
    seen
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let mut journal = Journal::open(&path).unwrap();
    let mut batch = Batch::default();
    for job in [B, A] {
        batch.put_job(job, vec![1]);
        for sequence in [300, 2, 1] {
            batch.put_record(job, sequence, vec![sequence as u8]);
        }
        batch.put_output(job, CellId(7), 1, b"x".to_vec());
        batch.put_output(job, CellId(7), 0, b"y".to_vec());
    }
    batch.put_meta("ledger", b"z".to_vec());
    journal.commit(&batch).unwrap();
    drop(journal);

    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.jobs().unwrap(), [(A, vec![1]), (B, vec![1])]);
    assert_eq!(records(&journal, A), [(1, vec![1]), (2, vec![2]), (300, vec![44])]);
    assert_eq!(outputs(&journal, A), [(7, 0), (7, 1)]);
    assert_eq!(journal.output(B, CellId(7), 0).unwrap(), Some(b"y".to_vec()));
    assert_eq!(journal.output(B, CellId(8), 0).unwrap(), None);
    assert_eq!(journal.meta("ledger").unwrap(), Some(b"z".to_vec()));
}

#[test]
fn a_job_is_deleted_with_all_its_records_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&folder.path().join("j")).unwrap();
    let mut batch = Batch::default();
    for job in [A, B] {
        batch.put_job(job, vec![]);
        batch.put_record(job, u64::MAX, vec![]);
        batch.put_output(job, CellId(u32::MAX), u16::MAX, vec![]);
    }
    batch.delete_job(A);
    journal.commit(&batch).unwrap();
    assert_eq!(journal.jobs().unwrap().len(), 1);
    assert!(records(&journal, A).is_empty() && outputs(&journal, A).is_empty());
    assert_eq!((records(&journal, B).len(), outputs(&journal, B).len()), (1, 1));
}

#[test]
fn a_journal_in_use_and_one_that_is_none_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let journal = Journal::open(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Locked(_))));
    drop(journal);
    std::fs::write(&path, "no journal at all, but long enough to look at".repeat(1000)).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error:?}");
    let error = Journal::open(&folder.path().join("no/folder")).unwrap_err();
    assert!(matches!(error, JournalError::Io { .. }), "{error:?}");
}

#[test]
fn another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let mut journal = Journal::open(&path).unwrap();
    let mut batch = Batch::default();
    batch.put_meta(VERSION_KEY, vec![9]);
    journal.commit(&batch).unwrap();
    drop(journal);
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.ends_with("a journal of version 9, expected version 1"), "{error}");
}

/// A file on a disk with so much room.
#[derive(Debug)]
struct Cramped {
    file: FileBackend,
    room: Arc<AtomicU64>,
}

impl Cramped {
    fn check(&self, end: u64) -> io::Result<()> {
        let fits = end <= self.room.load(Ordering::SeqCst);
        fits.then_some(()).ok_or_else(|| io::ErrorKind::StorageFull.into())
    }
}

impl StorageBackend for Cramped {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.file.len()? {
            self.check(len)?;
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }
}

#[test]
fn a_full_disk_changes_nothing_and_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let room = Arc::new(AtomicU64::new(u64::MAX));
    let (file, opened) = (path.clone(), Arc::clone(&room));
    let opener = move || {
        let options =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&file);
        let file = FileBackend::new(options?)?;
        Database::builder().create_with_backend(Cramped { file, room: Arc::clone(&opened) })
    };
    let mut journal = Journal::open_with(&path, Box::new(opener)).unwrap();
    let batch = |sequence, bytes| {
        let mut batch = Batch::default();
        batch.put_record(A, sequence, vec![0; bytes]);
        batch
    };
    journal.commit(&batch(1, 10)).unwrap();
    room.store(path.metadata().unwrap().len(), Ordering::SeqCst);
    for _ in 0..2 {
        let error = journal.commit(&batch(2, 8 << 20)).unwrap_err();
        assert!(matches!(error, JournalError::DiskFull(_)), "{error:?}");
        assert_eq!(records(&journal, A), [(1, vec![0; 10])]);
    }
    room.store(u64::MAX, Ordering::SeqCst);
    journal.commit(&batch(2, 8 << 20)).unwrap();
    assert_eq!(records(&journal, A).len(), 2);
}
