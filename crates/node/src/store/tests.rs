use std::os::unix::fs::FileExt as _;

use outlast_gridlet::Blobs;

use outlast_stage::chunks::{ChunkList, Chunked, Chunker};

use super::*;

const HOLDER: Holder = Holder::Passing(u64::MAX);

fn store() -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

/// As if the machine had lost its power.
fn boot_again(folder: &Path) {
    fs::write(folder.join("blobs/boot"), "another").unwrap();
}

/// Bytes that no other number gives.
fn bytes(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut reader = blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    bytes
}

fn chunked(bytes: &[u8]) -> Chunked {
    let mut chunker = Chunker::new();
    chunker.push(bytes);
    chunker.finish()
}

fn chunk<'b>(bytes: &'b [u8], list: &ChunkList, index: u32) -> &'b [u8] {
    let range = list.range(index).unwrap();
    &bytes[range.start as usize..range.end as usize]
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn bytes_come_back_and_count_once() {
    let (_folder, store) = store();
    let hash = store.put_bytes(b"hello", HOLDER).unwrap();
    assert_eq!(store.put_bytes(b"hello", HOLDER).unwrap(), hash);
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
fn only_synced_blobs_outlive_the_system() {
    let (folder, store) = store();
    let kept = store.put_bytes(b"kept", HOLDER).unwrap();
    let lost = store.put_bytes(b"lost", HOLDER).unwrap();
    store.sync([&kept]).unwrap();
    store.sync([&kept]).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert!(store.has(&kept) && store.has(&lost), "the system still has them");
    drop(store);
    boot_again(folder.path());
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.read(&kept).unwrap(), b"kept");
    assert!(!store.has(&lost));
    assert_eq!(store.total_bytes(), 4);
    assert_eq!(store.list(), [kept]);
    assert!(matches!(store.sync([&lost]), Err(StoreError::Missing(_))));
}

#[test]
fn nothing_appears_before_length_and_hash_are_right() {
    let (folder, store) = store();
    let hash = Hash::of(b"hello");
    let mut writer = store.begin_write(hash, 5, HOLDER).unwrap();
    writer.write(b"hel").unwrap();
    assert!(!store.has(&hash));
    assert!(matches!(writer.finish(), Err(StoreError::Length { found: 3, .. })));

    let mut writer = store.begin_write(hash, 5, HOLDER).unwrap();
    writer.write(b"jello").unwrap();
    assert!(matches!(writer.finish(), Err(StoreError::Mismatch { .. })));

    let mut writer = store.begin_write(hash, 5, HOLDER).unwrap();
    assert!(matches!(writer.write(b"hello!"), Err(StoreError::Length { found: 6, .. })));
    drop(writer);
    assert!(!store.has(&hash));

    let mut writer = store.begin_write(hash, 5, HOLDER).unwrap();
    writer.write(b"hel").unwrap();
    writer.write(b"lo").unwrap();
    writer.finish().unwrap();
    assert!(store.has(&hash));
    assert_eq!(count(&folder.path().join("blobs/tmp")), 0);
}

#[test]
fn what_can_not_fit_is_refused_at_once() {
    let (_folder, store) = store();
    let error = store.begin_write(Hash::of(b""), u64::MAX, HOLDER).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull(_)), "{error}");
    let answers = Holder::Answers(outlast_types::JobId::from_u64(1));
    let error = store.begin_write(Hash::of(b""), u64::MAX, answers).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull(_)), "{error}");
}

#[test]
fn files_are_linked_or_copied_and_stay_where_they_are() {
    let (folder, store) = store();
    for (link, name) in [(true, "a"), (false, "b")] {
        let file = folder.path().join(name);
        let bytes = name.repeat(3 << 20);
        fs::write(&file, &bytes).unwrap();
        let (hash, length) = store.put_file(&File::open(&file).unwrap(), link, HOLDER).unwrap();
        assert_eq!((hash, length), (Hash::of(bytes.as_bytes()), 3 << 20));
        assert_eq!(store.read(&hash).unwrap(), bytes.as_bytes());
        let linked =
            file.metadata().unwrap().ino() == store.path(&hash).unwrap().metadata().unwrap().ino();
        assert_eq!(linked, link);
        // A file with a second name may be written to through that.
        let (again, _) = store.put_file(&File::open(&file).unwrap(), link, HOLDER).unwrap();
        assert_eq!(again, hash);
    }
}

#[test]
fn a_copy_shares_nothing_with_the_blob() {
    let (folder, store) = store();
    let hash = store.put_bytes(b"#!/bin/sh", HOLDER).unwrap();
    let file = folder.path().join("copy");
    store.copy_to(&hash, &file, true).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    fs::write(&file, "changed").unwrap();
    assert_eq!(store.read(&hash).unwrap(), b"#!/bin/sh");
}

#[test]
fn the_cache_keeps_what_was_used_last_and_what_is_needed() {
    let (folder, store) = store();
    drop(store);
    let store = Store::open_with(folder.path(), Some(1000)).unwrap();
    let put = |number: u64| {
        let passing = store.passing();
        store.put_bytes(&bytes(number, 300), passing.holder()).unwrap()
    };
    let [a, b, c] = [put(1), put(2), put(3)];
    let job = Holder::Submitted(outlast_types::JobId::from_u64(7));
    store.pin([&b], job);
    store.read(&a).unwrap();
    let d = put(4);
    assert_eq!([&a, &b, &c, &d].map(|hash| store.has(hash)), [true, true, false, true]);
    store.pin([&a, &d], job);
    let error = store.put_bytes(&bytes(5, 300), HOLDER).unwrap_err();
    assert!(matches!(error, StoreError::Full { pinned: 900, limit: 1000, .. }), "{error}");
    assert!(error.to_string().contains("900 bytes of 1000 bytes are needed"), "{error}");
    // Answers have the whole disk, and go when nobody needs them.
    let answers = Holder::Answers(outlast_types::JobId::from_u64(7));
    let answer = store.put_bytes(&bytes(6, 3000), answers).unwrap();
    store.release(answers);
    assert!(!store.has(&answer));
    store.release(job);
    assert!(store.has(&a));
}

#[test]
fn last_use_outlives_the_process_roughly() {
    let (folder, store) = store();
    let blobs: Vec<Hash> =
        (0..3).map(|n| store.put_bytes(&bytes(n, 400), HOLDER).unwrap()).collect();
    for (hash, age) in blobs.iter().zip([100, 300, 200]) {
        let time = SystemTime::now() - std::time::Duration::from_secs(age);
        File::open(store.path(hash).unwrap()).unwrap().set_modified(time).unwrap();
    }
    drop(store);
    let store = Store::open_with(folder.path(), Some(1000)).unwrap();
    store.trim();
    assert_eq!([0, 1, 2].map(|n| store.has(&blobs[n])), [true, false, true]);
}

#[test]
fn a_partial_blob_goes_on_where_it_was_and_torn_chunks_are_found() {
    let (folder, store) = store();
    let bytes = bytes(1, 3 << 20);
    let Chunked { hash, list, .. } = chunked(&bytes);
    let partial = Partial::begin(&store, hash, list.clone(), HOLDER).unwrap();
    for index in 0..list.len() / 2 {
        partial.write(index, chunk(&bytes, &list, index)).unwrap();
    }
    assert!(matches!(partial.write(0, b"other"), Err(StoreError::Mismatch { .. })));
    assert!(matches!(partial.finish(), Err(StoreError::Length { .. })));
    assert_eq!(partial.read(0).unwrap(), chunk(&bytes, &list, 0));
    assert!(partial.read(list.len() - 1).is_err());
    assert!(!store.has(&hash));
    assert!(Arc::ptr_eq(&partial, &store.partial(&hash).unwrap()));
    drop((partial, store));

    // A power cut tears one of the chunks.
    boot_again(folder.path());
    let torn =
        File::options().write(true).open(folder.path().join("blobs/part").join(hash.to_string()));
    torn.unwrap().write_all_at(&[0; 100], list.range(1).unwrap().start).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert!(store.partial(&hash).is_none());
    assert_eq!(store.total_bytes(), 3 << 20);
    let partial = Partial::begin(&store, hash, list.clone(), HOLDER).unwrap();
    assert_eq!(partial.have().count(), list.len() / 2 - 1);
    for index in 0..list.len() {
        partial.write(index, chunk(&bytes, &list, index)).unwrap();
    }
    partial.finish().unwrap();
    assert_eq!(store.read(&hash).unwrap(), bytes);
    assert_eq!(store.chunk_list(&hash).unwrap(), list);
    assert_eq!((store.total_bytes(), count(&folder.path().join("blobs/part"))), (3 << 20, 0));
    store.remove(&hash).unwrap();
    assert_eq!(count(&folder.path().join("blobs/lists")), 0);
}

#[test]
fn a_list_that_is_not_the_blobs_leaves_nothing() {
    let (folder, store) = store();
    let bytes = bytes(1, 1 << 20);
    let list = chunked(&bytes).list;
    let claimed = Hash::of(b"something else");
    let partial = Partial::begin(&store, claimed, list.clone(), HOLDER).unwrap();
    for index in 0..list.len() {
        partial.write(index, chunk(&bytes, &list, index)).unwrap();
    }
    assert!(matches!(partial.finish(), Err(StoreError::Mismatch { .. })));
    assert_eq!(store.total_bytes(), 0);
    assert_eq!(count(&folder.path().join("blobs/part")), 0);
}

#[test]
fn a_lost_list_is_made_again() {
    let (folder, store) = store();
    let bytes = bytes(1, 2 << 20);
    let file = folder.path().join("large");
    fs::write(&file, &bytes).unwrap();
    let (hash, _) = store.put_file(&File::open(&file).unwrap(), false, HOLDER).unwrap();
    let kept = store.kept(&hash, 2 << 20).unwrap();
    fs::remove_file(folder.path().join("blobs/lists").join(hash.to_string())).unwrap();
    assert_eq!(store.chunk_list(&hash).unwrap(), kept);
    assert_eq!(store.kept(&hash, 2 << 20), Some(kept));
}

#[test]
fn chunks_of_an_older_version_are_copied() {
    let (folder, store) = store();
    let old = bytes(1, 4 << 20);
    let file = folder.path().join("old");
    fs::write(&file, &old).unwrap();
    store.put_file(&File::open(&file).unwrap(), false, HOLDER).unwrap();
    let mut new = old.clone();
    new.splice(2 << 20..2 << 20, *b"a word in the middle");
    let Chunked { hash, list, length } = chunked(&new);
    let partial = Partial::begin(&store, hash, list.clone(), HOLDER).unwrap();
    let copied = store.copy_known(&partial, &store.known_chunks());
    assert!(length - copied <= 2 * u64::from(outlast_stage::chunks::MAX_BYTES), "{copied}");
    for index in 0..list.len() {
        if !partial.has(index) {
            partial.write(index, chunk(&new, &list, index)).unwrap();
        }
    }
    partial.finish().unwrap();
    assert_eq!(store.read(&hash).unwrap(), new);
}
