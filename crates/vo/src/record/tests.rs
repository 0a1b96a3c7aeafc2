use super::*;
use crate::testing::{DAY, HOUR, Machine, noon};
use crate::{KeyringError, Terms, Uses};

const WORKER: Rights = Rights::EXECUTE;

fn manager() -> Rights {
    Rights::ALL
}

#[test]
fn only_who_may_manage_expels() {
    let (mut root, vo) = Machine::founder(1);
    let mut worker = root.member(2, vo, WORKER | Rights::INVITE);
    let other = root.member(3, vo, WORKER);
    let refused = worker.keys.expel(noon(), vo, other.id(), false);
    assert!(matches!(refused, Err(KeyringError::Refused(Refusal::MayNot { .. }))));
    // Nor by a record of its own making.
    let fact = Fact::Expelled { node: other.id(), invitation: None, keep: Vec::new() };
    let credential = worker.keys.vo(vo).unwrap().credential.clone();
    let forged = Record::new(credential, &crate::testing::secret(2), noon(), fact);
    let merged = root.keys.merge(noon(), vo, vec![forged.clone()]);
    assert!(matches!(merged.refused, Some(Refusal::MayNot { .. })), "{merged:?}");
    // Nor in the manager's name.
    let signer = root.keys.vo(vo).unwrap().credential.clone();
    let merged = root.keys.merge(noon(), vo, vec![Record { signer, ..forged }]);
    assert!(matches!(merged.refused, Some(Refusal::Forged { .. })), "{merged:?}");
    assert_eq!(merged.added, []);
}

#[test]
fn records_of_another_vo_are_refused() {
    let (mut root, vo) = Machine::founder(1);
    let (mut other, elsewhere) = Machine::founder(2);
    let record = other.keys.expel(noon(), elsewhere, root.id(), false).unwrap();
    let merged = root.keys.merge(noon(), vo, vec![record]);
    assert!(matches!(merged.refused, Some(Refusal::Forged { .. })), "{merged:?}");
}

#[test]
fn whom_an_expelled_node_let_in_stays_unless_said_otherwise() {
    for with_invited in [false, true] {
        let (mut root, vo) = Machine::founder(1);
        let mut host = root.member(2, vo, WORKER | Rights::INVITE);
        let mut guest = host.member(3, vo, WORKER);
        guest.dial(&mut root).welcome();
        root.keys.expel(noon(), vo, host.id(), with_invited).unwrap();
        assert!(matches!(host.dial(&mut root).refused(), Refusal::Expelled { .. }));
        let met = guest.dial(&mut root);
        if with_invited {
            assert!(matches!(met.refused(), Refusal::IssuerExpelled { .. }));
        } else {
            met.welcome();
        }
    }
}

#[test]
fn an_expelled_node_cant_let_itself_in_under_another_key() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, WORKER | Rights::INVITE);
    root.now = noon().plus(HOUR);
    root.keys.expel(root.now, vo, host.id(), false).unwrap();
    // It doesn't care for its expulsion, and dates the certificate back.
    let mut alias = Machine::new(3);
    let ticket = host.ticket(vo, host.terms(WORKER));
    alias.join(&ticket, &mut host).welcome();
    assert!(matches!(alias.dial(&mut root).refused(), Refusal::IssuerExpelled { .. }));
}

#[test]
fn an_expelled_node_cant_use_its_invitation_under_another_key() {
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { uses: Uses::Many, ..root.terms(WORKER) };
    let ticket = root.ticket(vo, terms);
    let [mut bad, mut good, mut late] = [2, 3, 4].map(Machine::new);
    bad.join(&ticket, &mut root).welcome();
    good.join(&ticket, &mut root).welcome();
    root.keys.expel(noon(), vo, bad.id(), false).unwrap();
    assert!(matches!(late.join(&ticket, &mut root).refused(), Refusal::InvitationWithdrawn { .. }));
    // Who came by it before is still welcome, and can use the ticket on the next start.
    good.dial(&mut root).welcome();
    assert!(!good.keys.join(noon(), ticket).unwrap());
}

#[test]
fn a_certificate_by_a_withdrawn_invitation_is_worth_nothing() {
    let (mut root, vo) = Machine::founder(1);
    let mut unaware = root.member(2, vo, WORKER | Rights::INVITE);
    let terms = Terms { uses: Uses::Many, ..root.terms(WORKER) };
    let ticket = root.ticket(vo, terms);
    let [mut bad, mut late] = [3, 4].map(Machine::new);
    bad.join(&ticket, &mut root).welcome();
    root.keys.expel(noon(), vo, bad.id(), false).unwrap();
    late.join(&ticket, &mut unaware).welcome();
    assert!(matches!(late.dial(&mut root).refused(), Refusal::Withdrawn { .. }));
}

#[test]
fn an_expelled_node_comes_back_only_by_an_invitation_made_for_it() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, WORKER | Rights::INVITE);
    let mut node = root.member(3, vo, WORKER);
    let id = node.id();
    let for_it = |terms: Terms| Terms { only_for: Some(id), ..terms };
    let old = root.ticket(vo, for_it(root.terms(WORKER)));
    root.now = root.now.plus(HOUR);
    (host.now, node.now) = (root.now, root.now);
    root.keys.expel(root.now, vo, node.id(), false).unwrap();
    root.tell(vo, &mut host);
    root.now = root.now.plus(HOUR);
    (host.now, node.now) = (root.now, root.now);
    let open = root.ticket(vo, root.terms(WORKER));
    let by_host = host.ticket(vo, for_it(host.terms(WORKER)));
    let made_for_it = root.ticket(vo, for_it(root.terms(WORKER)));
    for ticket in [old, open, by_host] {
        // It holds itself for a member, and has to ask all the same.
        let mut asking = Machine::new(3);
        asking.now = node.now;
        let refusal = asking.join(&ticket, &mut root).refused();
        assert!(matches!(refusal, Refusal::StillExpelled(_)), "{refusal}");
        assert!(Refusal::ends_joining(&refusal.to_string()));
    }
    let mut node = Machine::new(3);
    node.now = root.now;
    node.join(&made_for_it, &mut root).welcome();
    node.dial(&mut root).welcome();
    root.tell(vo, &mut host);
    node.dial(&mut host).welcome();
}

#[test]
fn an_expelled_manager_expels_nobody_any_more() {
    let (mut root, vo) = Machine::founder(1);
    let mut bad = root.member(2, vo, manager());
    let worker = root.member(3, vo, WORKER);
    root.keys.expel(noon(), vo, bad.id(), false).unwrap();
    let record = bad.keys.expel(noon(), vo, worker.id(), false).unwrap();
    let merged = root.keys.merge(noon(), vo, vec![record]);
    assert!(matches!(merged.refused, Some(Refusal::Expelled { .. })), "{merged:?}");
    // What it did in its time stands, also for somebody who hears both at once.
    let (mut root, vo) = Machine::founder(1);
    let mut once = root.member(2, vo, manager());
    let mut worker = root.member(3, vo, WORKER);
    let mut late = root.member(4, vo, WORKER);
    let record = once.keys.expel(noon(), vo, worker.id(), false).unwrap();
    root.keys.merge(noon(), vo, vec![record]);
    root.keys.expel(noon().plus(HOUR), vo, once.id(), false).unwrap();
    root.tell(vo, &mut late);
    assert_eq!(late.keys.vo(vo).unwrap().records, root.keys.vo(vo).unwrap().records);
    assert!(matches!(worker.dial(&mut late).refused(), Refusal::Expelled { .. }));
}

#[test]
fn one_invitation_used_twice_at_a_time_lets_in_the_first() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, WORKER | Rights::INVITE);
    let ticket = root.ticket(vo, root.terms(WORKER));
    let [mut first, mut second] = [3, 4].map(Machine::new);
    first.join(&ticket, &mut root).welcome();
    host.now = host.now.plus(std::time::Duration::from_secs(1));
    second.now = host.now;
    second.join(&ticket, &mut host).welcome();
    // Then the two hosts hear of each other.
    assert_eq!(root.tell(vo, &mut host).added.len(), 2, "its own claim, too");
    assert_eq!(host.tell(vo, &mut root).added.len(), 1);
    for host in [&mut root, &mut host] {
        first.dial(host).welcome();
        assert!(matches!(second.dial(host).refused(), Refusal::Taken { .. }));
        // Two claims are never forgotten.
        host.now = host.now.plus(3 * DAY);
        host.keys.merge(host.now, vo, Vec::new());
        first.now = host.now;
        second.now = host.now;
        assert!(matches!(second.dial(host).refused(), Refusal::Taken { .. }));
    }
}

#[test]
fn a_claim_takes_the_newcomers_proof() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, WORKER | Rights::INVITE);
    let mut member = root.member(3, vo, WORKER);
    // The host says that somebody else used the member's invitation before, to have it thrown out.
    let credential = member.keys.vo(vo).unwrap().credential.clone();
    let invitation = credential.last().unwrap().invitation.unwrap();
    let fake = crate::testing::secret(99);
    let node = NodeId::from_bytes([8; 32]);
    let proof = Proof::new(&fake, vo, node, host.id());
    let fact = Fact::Claimed { invitation, node, proof, expires: noon().plus(DAY) };
    let signer = host.keys.vo(vo).unwrap().credential.clone();
    let record = Record::new(signer, &crate::testing::secret(2), WallTime::default(), fact);
    let merged = root.keys.merge(noon(), vo, vec![record]);
    assert!(matches!(merged.refused, Some(Refusal::NoProof { .. })), "{merged:?}");
    member.dial(&mut root).welcome();
    host.dial(&mut root).welcome();
}

#[test]
fn claims_are_forgotten_when_the_invitation_has_expired() {
    let (mut root, vo) = Machine::founder(1);
    let mut member = root.member(2, vo, WORKER);
    assert_eq!(root.keys.vo(vo).unwrap().records.iter().count(), 1);
    root.keys.merge(noon().plus(2 * DAY), vo, Vec::new());
    assert_eq!(root.keys.vo(vo).unwrap().records.iter().count(), 0);
    root.now = noon().plus(2 * DAY);
    member.now = root.now;
    member.dial(&mut root).welcome();
}

#[test]
fn expulsions_have_a_bound_that_claims_dont_fill() {
    let (mut root, vo) = Machine::founder(1);
    for number in 0..EXPULSIONS {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&(number as u64).to_le_bytes());
        root.keys.expel(noon(), vo, NodeId::from_bytes(key), false).unwrap();
    }
    let refused = root.keys.expel(noon(), vo, NodeId::from_bytes([9; 32]), false);
    assert!(matches!(refused, Err(KeyringError::Refused(Refusal::TooMany { .. }))));
    let mut newcomer = root.member(2, vo, WORKER);
    newcomer.dial(&mut root).welcome();
}

#[test]
fn an_expulsion_keeps_a_bounded_number() {
    let (mut root, vo) = Machine::founder(1);
    let keep = vec![NodeId::from_bytes([1; 32]); KEPT + 1];
    let fact = Fact::Expelled { node: NodeId::from_bytes([2; 32]), invitation: None, keep };
    let signer = root.keys.vo(vo).unwrap().credential.clone();
    let record = Record::new(signer, &crate::testing::secret(1), noon(), fact);
    let merged = root.keys.merge(noon(), vo, vec![record]);
    assert!(matches!(merged.refused, Some(Refusal::TooMany { .. })), "{merged:?}");
}

#[test]
fn the_largest_record_fits_its_bound() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, manager());
    for number in 3..crate::CHAIN as u16 + 1 {
        host = host.member(number, vo, manager());
    }
    assert_eq!(host.keys.vo(vo).unwrap().credential.chain.len(), crate::CHAIN);
    let keep = vec![NodeId::from_bytes([1; 32]); KEPT];
    let fact = Fact::Expelled { node: host.id(), invitation: None, keep };
    let signer = host.keys.vo(vo).unwrap().credential.clone();
    let record = Record::new(signer, &crate::testing::secret(1), noon(), fact);
    let bytes = postcard::to_stdvec(&record).unwrap().len();
    assert!(bytes <= RECORD_BYTES, "{bytes}");
    root.keys.merge(noon(), vo, vec![record]);
}
