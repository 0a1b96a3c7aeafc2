use std::fs;

use outlast_vo::{Fact, Rights, Terms, TicketNode, Uses};
use tokio::sync::mpsc;

use super::*;

/// A node's trust, in a folder of its own. What it tells the kernel is dropped.
struct Place {
    folder: tempfile::TempDir,
    key: Secret,
    trust: Trust,
    _kernel: mpsc::Receiver<Event>,
}

fn open(folder: &Path, key: &Secret) -> (anyhow::Result<Trust>, mpsc::Receiver<Event>) {
    let (events, kernel) = mpsc::channel(64);
    (Trust::open(folder, key.clone(), "alpha", true, Kernel(events)), kernel)
}

impl Place {
    fn new() -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), fresh_secret().unwrap());
        let (trust, kernel) = open(folder.path(), &key);
        Self { folder, key, trust: trust.unwrap(), _kernel: kernel }
    }

    fn again(&mut self) {
        let (trust, kernel) = open(self.folder.path(), &self.key);
        (self.trust, self._kernel) = (trust.unwrap(), kernel);
    }

    fn me(&self) -> NodeId {
        self.trust.look(Keyring::me)
    }

    fn vo(&self) -> VoId {
        self.trust.look(|keyring| keyring.vos().next().unwrap().0)
    }

    fn ticket(&self, uses: Uses) -> Ticket {
        let secret = fresh_secret().unwrap();
        let vo = self.vo();
        let terms = Terms {
            rights: Rights::SUBMIT | Rights::EXECUTE,
            made: wall(),
            expires: wall().plus(Duration::from_secs(3600)),
            uses,
            member_for_s: None,
            only_for: None,
        };
        let invitation =
            self.trust.change(|state| state.keyring.invite(wall(), vo, terms, &secret)).unwrap();
        let here = TicketNode {
            node: self.me(),
            addresses: vec!["127.0.0.1:1".parse().unwrap()],
            relay: None,
        };
        Ticket::new(invitation, secret, [here])
    }

    fn dial(&self, other: &Self) -> Result<(), String> {
        let hello = self.trust.hello(other.me());
        let answer = other.trust.admit(self.me(), &hello)?;
        self.trust.confirm(other.me(), &answer)
    }
}

#[test]
fn a_fresh_node_has_a_vo_of_its_own_for_good() {
    let mut place = Place::new();
    let vo = place.vo();
    let name = place.trust.look(|keyring| keyring.vo(vo).unwrap().name().to_string());
    assert_eq!(name, "home-alpha");
    place.again();
    assert_eq!(place.vo(), vo);
    // Who left it gets no other one.
    place.trust.change(|state| state.keyring.leave(vo)).unwrap();
    place.again();
    assert_eq!(place.trust.look(|keyring| keyring.vos().count()), 0);
}

#[test]
fn a_node_that_only_looks_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (events, _kernel) = mpsc::channel(1);
    let key = fresh_secret().unwrap();
    let trust = Trust::open(folder.path(), key, "alpha", false, Kernel(events)).unwrap();
    assert_eq!(trust.look(|keyring| keyring.vos().count()), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn names_of_nodes_make_names_of_vos() {
    for name in ["", "a\u{7}b", &"ü".repeat(100), " x "] {
        let made = own_name(name);
        assert!(made.as_str().starts_with("home"), "{made}");
    }
}

#[test]
fn a_damaged_file_is_never_replaced() {
    let place = Place::new();
    let path = place.folder.path().join(file::NAME);
    fs::write(&path, "nonsense").unwrap();
    let (trust, _kernel) = open(place.folder.path(), &place.key);
    let error = format!("{:#}", trust.err().unwrap());
    assert!(error.contains("reading the memberships in"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"nonsense");
}

#[test]
fn what_was_answered_survives_a_restart_of_either() {
    let (mut a, mut b) = (Place::new(), Place::new());
    let ticket = a.ticket(Uses::Once);
    assert!(b.trust.join(ticket.clone(), true).unwrap());
    b.dial(&a).unwrap();
    a.again();
    b.again();
    let vo = a.vo();
    assert_eq!(a.trust.standing(b.me()).common, [vo]);
    assert_eq!(b.trust.standing(a.me()).common, [vo]);
    assert!(!b.trust.join(ticket.clone(), true).unwrap(), "the same ticket at each start");
    let c = Place::new();
    c.trust.join(ticket, true).unwrap();
    let why = c.dial(&a).unwrap_err();
    assert!(why.starts_with(outlast_vo::TICKET_REFUSED), "{why}");
    assert_eq!(c.trust.refused(a.me(), &why), Some(why.clone()));
    assert_eq!(c.trust.tickets(), [], "it isn't tried again");
    assert_eq!(c.trust.refused(a.me(), &why), None);
}

#[test]
fn only_a_ticket_that_the_node_was_started_with_ends_it() {
    let (a, b) = (Place::new(), Place::new());
    let ticket = a.ticket(Uses::Once);
    b.trust.join(ticket.clone(), false).unwrap();
    assert_eq!(b.trust.refused(a.me(), "no room"), None);
    assert_eq!(b.trust.tickets().len(), 1, "it goes on trying");
    assert!(b.trust.waiting()[0].contains("no room"), "{:?}", b.trust.waiting());
    let why = format!("{}used", outlast_vo::TICKET_REFUSED);
    // Whoever isn't named by the ticket has no say in it.
    assert_eq!(b.trust.refused(NodeId::from_bytes([1; 32]), &why), None);
    assert_eq!(b.trust.tickets().len(), 1);
    assert_eq!(b.trust.refused(a.me(), &why), None);
    let joining = b.trust.watch_joining();
    assert_eq!(joining.borrow().get(&ticket.vo()), Some(&Joining::Refused(why)));
}

#[test]
fn the_kernel_hears_of_a_node_before_the_gate_answers() {
    let (a, b) = (Place::new(), Place::new());
    assert!(!a.trust.has_news());
    b.trust.join(a.ticket(Uses::Once), false).unwrap();
    let hello = b.trust.hello(a.me());
    let answer = a.trust.admit(b.me(), &hello).unwrap();
    assert!(a.trust.has_news());
    let news = a.trust.take_news();
    assert!(matches!(news[0], News::Met(node) if node == b.me()), "{news:?}");
    // Its claim is passed on.
    let News::Records { records, from: None, .. } = &news[1] else { panic!("{news:?}") };
    assert!(matches!(&records[..], [Record { fact: Fact::Claimed { .. }, .. }]), "{records:?}");
    assert!(!a.trust.has_news());
    b.trust.confirm(a.me(), &answer).unwrap();
    let news = b.trust.take_news();
    assert!(matches!(news[..], [News::Met(_), News::Differ { .. }]), "{news:?}");
}

#[test]
fn what_cant_be_kept_isnt_answered() {
    let (a, b) = (Place::new(), Place::new());
    let ticket = a.ticket(Uses::Once);
    b.trust.join(ticket, false).unwrap();
    let hello = b.trust.hello(a.me());
    let folder = a.folder.path().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    let why = a.trust.admit(b.me(), &hello).unwrap_err();
    assert!(why.contains("the memberships in"), "{why}");
    fs::create_dir_all(&folder).unwrap();
    // The same node asks again, and all is written.
    let answer = a.trust.admit(b.me(), &hello).unwrap();
    b.trust.confirm(a.me(), &answer).unwrap();
    assert!(folder.join(file::NAME).exists());
}

#[test]
fn records_travel_in_frames_that_are_no_larger_than_allowed() {
    let a = Place::new();
    let vo = a.vo();
    for number in 0..200u64 {
        let mut key = [7; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let node = NodeId::from_bytes(key);
        a.trust.look(|_| ());
        lock(&a.trust.state).keyring.expel(wall(), vo, node, false).unwrap();
    }
    let records: Vec<Record> =
        a.trust.look(|keyring| keyring.vo(vo).unwrap().records.iter().cloned().collect());
    let frames = wire::frames(vo, records.clone(), true);
    let mut found = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        assert!(frame.len() <= outlast_types::limits::FRAME_BYTES);
        let said = wire::decode(body(frame).unwrap()).unwrap();
        assert_eq!((said.vo, said.answer), (vo, index + 1 == frames.len()));
        found.extend(said.records);
    }
    assert_eq!(found, records);
    // A question needs no records; news without any needs no frame.
    assert_eq!(wire::frames(vo, Vec::new(), true).len(), 1);
    assert_eq!(wire::frames(vo, Vec::new(), false).len(), 0);
    assert_eq!(body(&[1, 2]), None, "frames of the job machines are others");
    assert!(wire::decode(&[1, 2, 3]).is_err());
}
