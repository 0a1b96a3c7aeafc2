use std::collections::BTreeMap;

use super::*;

const OTHER: NodeId = NodeId::from_bytes([9; 32]);

struct Disk {
    _folder: tempfile::TempDir,
    journal: Journal,
    secret: Secret,
    me: NodeId,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal")).unwrap();
        let secret = Secret::from_seed(&[3; 32]);
        let me = NodeId::from_bytes(secret.public());
        Self { _folder: folder, journal, secret, me }
    }

    /// With a ledger that blacklists somebody.
    fn saved() -> Self {
        let mut disk = Self::new();
        let mut batch = Batch::default();
        save(&liar(), disk.me, &disk.secret, &mut batch).unwrap();
        disk.journal.commit(&batch).unwrap();
        disk
    }

    fn put(&mut self, name: &str, bytes: Vec<u8>) {
        let mut batch = Batch::default();
        batch.put_meta(name, bytes);
        self.journal.commit(&batch).unwrap();
    }

    /// What is there isn't used, and isn't gone either.
    #[track_caller]
    fn refuses(&mut self, why: &str) {
        let bytes = self.journal.meta(SIGNED).unwrap().unwrap();
        let error = verified(&bytes, self.me).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(read(&mut self.journal, self.me).unwrap(), Ledger::new());
        assert_eq!(self.journal.meta(REFUSED).unwrap(), Some(bytes));
        assert_eq!(self.journal.meta(SIGNED).unwrap(), None);
        assert_eq!(read(&mut self.journal, self.me).unwrap(), Ledger::new(), "once and for all");
    }
}

fn liar() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.record_many(NodeId::from_bytes([7; 32]), 40, None);
    ledger.blacklist(OTHER);
    ledger
}

#[test]
fn what_this_node_signed_it_believes() {
    let mut disk = Disk::saved();
    assert_eq!(read(&mut disk.journal, disk.me).unwrap(), liar());
}

#[test]
fn a_ledger_that_somebody_changed_is_set_aside() {
    let mut disk = Disk::saved();
    let bytes = disk.journal.meta(SIGNED).unwrap().unwrap();
    let mut signed: Signed = wire::decode(&bytes, limits::FRAME_BYTES).unwrap();
    let mut pardoned = liar();
    pardoned.pardon(OTHER);
    signed.ledger = wire::encode(&pardoned, limits::FRAME_BYTES).unwrap();
    disk.put(SIGNED, wire::encode(&signed, limits::FRAME_BYTES).unwrap());
    disk.refuses("signature");
}

#[test]
fn a_ledger_of_another_node_is_set_aside() {
    let mut disk = Disk::new();
    let other = Secret::from_seed(&[4; 32]);
    let mut batch = Batch::default();
    save(&liar(), NodeId::from_bytes(other.public()), &other, &mut batch).unwrap();
    disk.journal.commit(&batch).unwrap();
    disk.refuses("expected one of this node");
}

#[test]
fn a_ledger_signed_with_another_key_is_set_aside() {
    let mut disk = Disk::new();
    let mut batch = Batch::default();
    save(&liar(), disk.me, &Secret::from_seed(&[4; 32]), &mut batch).unwrap();
    disk.journal.commit(&batch).unwrap();
    disk.refuses("signature");
}

#[test]
fn a_damaged_ledger_is_set_aside() {
    let mut disk = Disk::saved();
    let bytes = disk.journal.meta(SIGNED).unwrap().unwrap();
    disk.put(SIGNED, bytes[..bytes.len() / 2].to_vec());
    disk.refuses("can't be read");
}

#[test]
fn what_earlier_versions_wrote_is_taken_over_once() {
    let mut disk = Disk::new();
    let first = BTreeMap::from([(OTHER, (3u64, 0u64, 1u64, true))]);
    disk.put(UNSIGNED, wire::encode(&first, limits::FRAME_BYTES).unwrap());
    let ledger = read(&mut disk.journal, disk.me).unwrap();
    assert!(ledger.is_blacklisted(&OTHER));
    let mut batch = Batch::default();
    save(&ledger, disk.me, &disk.secret, &mut batch).unwrap();
    disk.journal.commit(&batch).unwrap();
    assert_eq!(disk.journal.meta(UNSIGNED).unwrap(), None);
    // Beside a signed one, an unsigned one says nothing.
    disk.put(
        UNSIGNED,
        wire::encode(&BTreeMap::<NodeId, (u64, u64, u64, bool)>::new(), 1024).unwrap(),
    );
    assert!(read(&mut disk.journal, disk.me).unwrap().is_blacklisted(&OTHER));
}

#[test]
fn the_second_form_is_read() {
    // Name of the form, room for nodes, no nodes, no pairs.
    let second =
        ("ledger 2".to_owned(), 4096u64, BTreeMap::<NodeId, u8>::new(), BTreeMap::<u8, u8>::new());
    let bytes = wire::encode(&second, limits::FRAME_BYTES).unwrap();
    assert_eq!(earlier(&bytes).unwrap(), Ledger::new());
    assert!(earlier(b"nonsense").is_err());
}
