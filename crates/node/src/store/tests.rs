use outlast_gridlet::Blobs;

use super::*;

fn store() -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn bytes_come_back_and_count_once() {
    let (_folder, store) = store();
    let hash = store.put_bytes(b"hello").unwrap();
    assert_eq!(store.put_bytes(b"hello").unwrap(), hash);
    assert_eq!(store.read(&hash).unwrap(), b"hello");
    assert_eq!(store.total_bytes(), 5);
    assert!(store.remove(&hash).unwrap());
    assert!(!store.remove(&hash).unwrap());
    assert_eq!(store.total_bytes(), 0);
    assert!(matches!(store.read(&hash), Err(StoreError::Missing(_))));
    let error = Blobs::read(&*store, &hash).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn only_synced_blobs_outlive_the_process() {
    let (folder, store) = store();
    let kept = store.put_bytes(b"kept").unwrap();
    let lost = store.put_bytes(b"lost").unwrap();
    store.sync([&kept]).unwrap();
    store.sync([&kept]).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.read(&kept).unwrap(), b"kept");
    assert!(!store.has(&lost));
    assert_eq!(store.total_bytes(), 4);
    assert_eq!(store.list().unwrap(), [kept]);
    assert!(matches!(store.sync([&lost]), Err(StoreError::Missing(_))));
}

#[test]
fn nothing_appears_before_length_and_hash_are_right() {
    let (folder, store) = store();
    let hash = Hash::of(b"hello");
    let mut writer = store.begin_write(hash, 5).unwrap();
    writer.write(b"hel").unwrap();
    assert!(!store.has(&hash));
    assert!(matches!(writer.finish(), Err(StoreError::Length { found: 3, .. })));

    let mut writer = store.begin_write(hash, 5).unwrap();
    writer.write(b"jello").unwrap();
    assert!(matches!(writer.finish(), Err(StoreError::Mismatch { .. })));

    let mut writer = store.begin_write(hash, 5).unwrap();
    assert!(matches!(writer.write(b"hello!"), Err(StoreError::Length { found: 6, .. })));
    drop(writer);
    assert!(!store.has(&hash));

    let mut writer = store.begin_write(hash, 5).unwrap();
    writer.write(b"hel").unwrap();
    writer.write(b"lo").unwrap();
    writer.finish().unwrap();
    assert!(store.has(&hash));
    assert_eq!(count(&folder.path().join("blobs/tmp")), 0);
}

#[test]
fn what_can_not_fit_is_refused_at_once() {
    let (_folder, store) = store();
    let error = store.begin_write(Hash::of(b""), u64::MAX).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull(_)), "{error}");
}

#[test]
fn files_are_linked_or_copied_and_stay_where_they_are() {
    let (folder, store) = store();
    for (link, name) in [(true, "a"), (false, "b")] {
        let file = folder.path().join(name);
        let bytes = name.repeat(3 << 20);
        fs::write(&file, &bytes).unwrap();
        let (hash, length) = store.put_file(&File::open(&file).unwrap(), link).unwrap();
        assert_eq!((hash, length), (Hash::of(bytes.as_bytes()), 3 << 20));
        assert_eq!(store.read(&hash).unwrap(), bytes.as_bytes());
        let linked =
            file.metadata().unwrap().ino() == store.path(&hash).unwrap().metadata().unwrap().ino();
        assert_eq!(linked, link);
        // A file with a second name may be written to through that.
        let (again, _) = store.put_file(&File::open(&file).unwrap(), link).unwrap();
        assert_eq!(again, hash);
    }
}

#[test]
fn a_copy_shares_nothing_with_the_blob() {
    let (folder, store) = store();
    let hash = store.put_bytes(b"#!/bin/sh").unwrap();
    let file = folder.path().join("copy");
    store.copy_to(&hash, &file, true).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    fs::write(&file, "changed").unwrap();
    assert_eq!(store.read(&hash).unwrap(), b"#!/bin/sh");
}
