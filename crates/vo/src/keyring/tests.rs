use proptest::prelude::*;

use super::*;
use crate::testing::{DAY, HOUR, Machine, Met, noon, secret};
use crate::{TicketNode, Uses};

const WORKER: Rights = Rights::EXECUTE;

fn both() -> Rights {
    Rights::SUBMIT | Rights::EXECUTE
}

#[test]
fn who_joins_by_a_ticket_is_a_member() {
    let (mut root, vo) = Machine::founder(1);
    let mut node = root.member(2, vo, both());
    node.dial(&mut root).welcome();
    root.dial(&mut node).welcome();
    let standing = Standing { common: vec![vo], works_for: vec![vo], serves: vec![vo] };
    assert_eq!(root.keys.standing(noon(), node.id()), standing);
    assert_eq!(node.keys.standing(noon(), root.id()), standing);
    // Members that never met before.
    let mut other = root.member(3, vo, WORKER);
    other.dial(&mut node).welcome();
    let one_way = Standing { common: vec![vo], works_for: vec![vo], serves: vec![] };
    assert_eq!(other.keys.standing(noon(), node.id()), one_way);
    let one_way = Standing { common: vec![vo], works_for: vec![], serves: vec![vo] };
    assert_eq!(node.keys.standing(noon(), other.id()), one_way);
}

#[test]
fn a_stranger_is_turned_away() {
    let (mut root, _) = Machine::founder(1);
    let (mut stranger, _) = Machine::founder(2);
    let mut nobody = Machine::new(3);
    assert_eq!(stranger.dial(&mut root).refused(), Refusal::Stranger);
    assert_eq!(nobody.dial(&mut root).refused(), Refusal::Stranger);
    assert_eq!(root.keys.standing(noon(), stranger.id()), Standing::default());
    let before = root.keys.changes();
    assert_eq!(stranger.dial(&mut root).refused(), Refusal::Stranger);
    assert_eq!(root.keys.changes(), before, "strangers cost no disk");
}

#[test]
fn a_stolen_certificate_is_worth_nothing_on_another_key() {
    let (mut root, vo) = Machine::founder(1);
    let node = root.member(2, vo, both());
    let mut thief = Machine::new(3);
    let hello = node.keys.hello(noon(), root.id());
    let refusal = thief.dial_with(&mut root, &hello).refused();
    assert_eq!(
        refusal,
        Refusal::Stolen { vo: "lab".parse().unwrap(), holder: node.id(), found: thief.id() }
    );
    assert_eq!(root.keys.standing(noon(), thief.id()), Standing::default());
    // Nor is an answer.
    let mut keys = node.keys.clone();
    let hello = root.keys.hello(noon(), thief.id());
    let answer = keys.admit(noon(), root.id(), &hello).unwrap().answer;
    let refusal = root.keys.confirm(noon(), thief.id(), &answer).unwrap_err();
    assert!(matches!(refusal, Refusal::Stolen { .. }), "{refusal}");
}

#[test]
fn a_membership_ends() {
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { member_for_s: Some(HOUR.as_secs()), ..root.terms(both()) };
    let ticket = root.ticket(vo, terms);
    let mut node = Machine::new(2);
    node.join(&ticket, &mut root).welcome();
    let end = noon().plus(HOUR);
    assert_eq!(root.keys.next_end(noon()), Some(end.plus(CLOCK_TOLERANCE)));
    for machine in [&mut root, &mut node] {
        machine.now = end.plus(CLOCK_TOLERANCE);
    }
    node.dial(&mut root).welcome();
    for machine in [&mut root, &mut node] {
        machine.now = machine.now.plus(Duration::from_secs(1));
    }
    let refusal = node.dial(&mut root).refused();
    assert!(matches!(refusal, Refusal::Expired { .. }), "{refusal}");
    assert_eq!(root.keys.standing(root.now, node.id()), Standing::default());
    assert!(matches!(root.keys.why_not(root.now, node.id()), Refusal::Expired { .. }));
    assert_eq!(root.keys.next_end(root.now), None);
}

#[test]
fn clocks_hours_apart_are_named_in_the_refusal() {
    let (mut root, vo) = Machine::founder(1);
    root.now = noon().plus(3 * HOUR);
    // Enrolled by a node whose clock is ahead: the others can't believe it yet.
    let mut worker = root.member(2, vo, both());
    let mut host = root.member(3, vo, both());
    (worker.now, host.now) = (noon(), noon());
    worker.keys.vos.get_mut(&vo).unwrap().members.clear();
    let met = worker.dial(&mut host);
    let text = met.refused().to_string();
    assert!(text.contains("which is still to come"), "{text}");
    // A small membership, looked at by a node whose clock is ahead.
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { member_for_s: Some(HOUR.as_secs()), ..root.terms(both()) };
    let ticket = root.ticket(vo, terms);
    let mut node = Machine::new(2);
    assert_eq!(node.join(&ticket, &mut root).welcome().skew, None);
    root.now = noon().plus(5 * HOUR);
    let text = node.dial(&mut root).refused().to_string();
    let (here, there) = (root.id().short(), node.id().short());
    assert!(text.contains(&format!("the clock of node {here} says {}", root.now)), "{text}");
    assert!(text.contains(&format!("that of node {there} {}: set the one", noon())), "{text}");
    // Where it doesn't matter for a membership, it is said all the same.
    let (mut root, vo) = Machine::founder(1);
    let mut node = root.member(2, vo, both());
    node.now = noon().plus(2 * HOUR);
    assert_eq!(node.dial(&mut root).welcome().skew, Some(2 * HOUR));
}

#[test]
fn who_founded_a_vo_by_a_clock_that_was_ahead_is_a_member_again_once_it_is_right() {
    let (mut root, vo) = Machine::founder(1);
    let mut node = root.member(2, vo, both());
    // Both clocks were hours ahead.
    let right = WallTime::from_secs(noon().as_secs() - 5 * HOUR.as_secs());
    (root.now, node.now) = (right, right);
    let own = |machine: &Machine| machine.keys.vo(vo).unwrap().own(machine.id(), machine.now);
    assert!(matches!(own(&root), Err(Refusal::NotYet { .. })));
    let before = root.keys.changes();
    assert_eq!((root.keys.renew(right), root.keys.renew(right)), (1, 0));
    assert_eq!(root.keys.changes(), before + 1, "it is kept");
    assert!(own(&root).is_ok_and(|rights| rights == Rights::ALL));
    // Only the root can: who was enrolled has to be enrolled again.
    assert_eq!(node.keys.renew(right), 0);
    assert!(matches!(own(&node), Err(Refusal::NotYet { .. })));
    let ticket = root.ticket(vo, root.terms(both()));
    node.join(&ticket, &mut root).welcome();
    assert!(own(&node).is_ok());
}

#[test]
fn an_expired_ticket_is_refused() {
    let (mut root, vo) = Machine::founder(1);
    let ticket = root.ticket(vo, root.terms(both()));
    let mut node = Machine::new(2);
    root.now = noon().plus(2 * DAY);
    node.now = root.now;
    let refusal = node.join(&ticket, &mut root).refused();
    assert!(matches!(refusal, Refusal::InvitationExpired { .. }), "{refusal}");
    assert!(Refusal::ends_joining(&refusal.to_string()), "{refusal}");
    assert_eq!(root.keys.vo(vo).unwrap().members.len(), 0, "no effect");
}

#[test]
fn a_ticket_for_one_is_good_for_one() {
    let (mut root, vo) = Machine::founder(1);
    let ticket = root.ticket(vo, root.terms(both()));
    let [mut first, mut second] = [2, 3].map(Machine::new);
    first.join(&ticket, &mut root).welcome();
    let refusal = second.join(&ticket, &mut root).refused();
    assert_eq!(refusal, Refusal::InvitationUsed { vo: "lab".parse().unwrap(), by: first.id() });
    assert!(Refusal::ends_joining(&refusal.to_string()), "{refusal}");
    // The answer was lost: the same node may ask again.
    let mut again = Machine::new(2);
    again.join(&ticket, &mut root).welcome();
    // Also at another member, once that has heard of it.
    let mut host = root.member(4, vo, Rights::ALL);
    root.tell(vo, &mut host);
    let refusal = second.join(&ticket, &mut host).refused();
    assert!(matches!(refusal, Refusal::InvitationUsed { .. }), "{refusal}");
}

#[test]
fn a_ticket_for_many_is_good_for_many() {
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { uses: Uses::Many, ..root.terms(both()) };
    let ticket = root.ticket(vo, terms);
    for number in 2..6 {
        Machine::new(number).join(&ticket, &mut root).welcome();
    }
    assert_eq!(root.keys.vo(vo).unwrap().records.iter().count(), 0, "nothing to remember");
}

#[test]
fn a_ticket_for_another_node_is_refused() {
    let (mut root, vo) = Machine::founder(1);
    let invited = Machine::new(2);
    let terms = Terms { only_for: Some(invited.id()), ..root.terms(both()) };
    let ticket = root.ticket(vo, terms);
    let mut other = Machine::new(3);
    let refused = other.keys.join(noon(), ticket.clone());
    assert!(matches!(refused, Err(KeyringError::Refused(Refusal::InvitationForAnother { .. }))));
    // Not even if it insists.
    other.keys.joining.insert(vo, ticket);
    let refusal = other.dial(&mut root).refused();
    assert!(matches!(refusal, Refusal::InvitationForAnother { .. }), "{refusal}");
}

#[test]
fn a_ticket_without_its_secret_is_worth_nothing() {
    let (mut root, vo) = Machine::founder(1);
    let mut ticket = root.ticket(vo, root.terms(both()));
    ticket.secret = secret(4711);
    let refusal = Machine::new(2).join(&ticket, &mut root).refused();
    assert!(matches!(refusal, Refusal::NoProof { .. }), "{refusal}");
    // What the enroller saw doesn't serve for another node, nor at another host.
    let mut host = root.member(3, vo, Rights::ALL);
    let ticket = root.ticket(vo, root.terms(both()));
    let mut node = Machine::new(2);
    node.keys.join(noon(), ticket).unwrap();
    let hello = node.keys.hello(noon(), root.id());
    let mut thief = Machine::new(4);
    assert!(matches!(thief.dial_with(&mut root, &hello).refused(), Refusal::NoProof { .. }));
    assert!(matches!(node.dial_with(&mut host, &hello).refused(), Refusal::NoProof { .. }));
}

#[test]
fn an_inviter_promises_no_more_than_it_has() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, WORKER | Rights::INVITE);
    let refused = host.keys.invite(noon(), vo, host.terms(both()), &secret(50));
    assert!(matches!(refused, Err(KeyringError::Refused(Refusal::MayNot { .. }))));
    // Nor when it signs what it mayn't.
    let credential = host.keys.vo(vo).unwrap().credential.clone();
    let id = InvitationId::of(&secret(50));
    let invitation = Invitation::new(credential, &secret(2), id, host.terms(both()));
    let here =
        TicketNode { node: root.id(), addresses: vec!["10.0.0.1:1".parse().unwrap()], relay: None };
    let ticket = Ticket::new(invitation, secret(50), [here]);
    let refusal = Machine::new(3).join(&ticket, &mut root).refused();
    assert!(matches!(refusal, Refusal::InviterMayNot { .. }), "{refusal}");
    // A worker without the right doesn't invite at all.
    let mut worker = root.member(4, vo, both());
    let refused = worker.keys.invite(noon(), vo, worker.terms(WORKER), &secret(51));
    assert!(matches!(refused, Err(KeyringError::Refused(Refusal::MayNot { .. }))));
}

#[test]
fn who_has_less_than_the_ticket_promises_sends_elsewhere() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, WORKER | Rights::INVITE);
    let mut worker = root.member(3, vo, both());
    let (mut stranger, _) = Machine::founder(4);
    let ticket = root.ticket(vo, root.terms(both()));
    let mut node = Machine::new(5);
    for other in [&mut host, &mut worker, &mut stranger] {
        let refusal = node.join(&ticket, other).refused();
        let text = refusal.to_string();
        assert!(text.starts_with(crate::ENROL_ELSEWHERE), "{text}");
        assert!(!Refusal::ends_joining(&text), "{text}");
    }
    node.join(&ticket, &mut root).welcome();
}

#[test]
fn an_invitation_of_somebody_who_is_out_is_refused() {
    let (mut root, vo) = Machine::founder(1);
    let mut host = root.member(2, vo, both() | Rights::INVITE);
    let ticket = host.ticket(vo, host.terms(WORKER));
    root.keys.expel(noon(), vo, host.id(), false).unwrap();
    let refusal = Machine::new(3).join(&ticket, &mut root).refused();
    assert!(matches!(refusal, Refusal::InviterOut(_)), "{refusal}");
    // And the one that is out can't enrol where it is known.
    root.tell(vo, &mut host);
    let ticket = root.ticket(vo, root.terms(WORKER));
    let refusal = Machine::new(3).join(&ticket, &mut host).refused();
    assert!(matches!(refusal, Refusal::Lapsed(_)), "{refusal}");
}

#[test]
fn a_member_ends_with_its_inviter_and_its_enroller() {
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { member_for_s: Some(DAY.as_secs()), ..root.terms(Rights::ALL) };
    let ticket = root.ticket(vo, terms);
    let mut host = Machine::new(2);
    host.join(&ticket, &mut root).welcome();
    let ends = Some(noon().plus(DAY));
    for (number, at_root) in [(3, false), (4, true)] {
        let ticket = host.ticket(vo, host.terms(WORKER));
        let mut node = Machine::new(number);
        let at = if at_root { &mut root } else { &mut host };
        node.join(&ticket, at).welcome();
        assert_eq!(node.keys.vo(vo).unwrap().credential.expires(), ends);
    }
}

#[test]
fn a_chain_of_invitations_has_an_end() {
    let (mut root, vo) = Machine::founder(1);
    let mut last = root.member(2, vo, Rights::ALL);
    for number in 3..=crate::CHAIN as u16 {
        last = last.member(number, vo, Rights::ALL);
    }
    let ticket = last.ticket(vo, last.terms(WORKER));
    let refusal = Machine::new(50).join(&ticket, &mut last).refused();
    assert!(matches!(refusal, Refusal::ChainFull { .. }), "{refusal}");
    // Its invitation is good, at somebody nearer to the root.
    Machine::new(50).join(&ticket, &mut root).welcome();
}

#[test]
fn invitations_have_bounds() {
    let (mut root, vo) = Machine::founder(1);
    for (made, expires) in [(0, 0), (1, 0), (0, INVITATION_LIFE.as_secs() + 1)] {
        let at = |secs| noon().plus(Duration::from_secs(secs));
        let terms = Terms { made: at(made), expires: at(expires), ..root.terms(WORKER) };
        assert_eq!(root.keys.invite(noon(), vo, terms, &secret(9)), Err(KeyringError::Life));
    }
    let terms = Terms { rights: Rights::NONE, ..root.terms(WORKER) };
    assert_eq!(root.keys.invite(noon(), vo, terms, &secret(9)), Err(KeyringError::NoRights));
    for _ in 0..INVITATIONS + 10 {
        let terms = root.terms(WORKER);
        root.ticket(vo, terms);
    }
    assert_eq!(root.keys.vo(vo).unwrap().invitations.len(), INVITATIONS);
    // One from the future, by a clock that is wrong.
    let mut ahead = root.member(2, vo, Rights::ALL);
    ahead.now = noon().plus(3 * HOUR);
    let ticket = ahead.ticket(vo, ahead.terms(WORKER));
    let refusal = Machine::new(3).join(&ticket, &mut root).refused();
    assert!(matches!(refusal, Refusal::InvitationNotYet { .. }), "{refusal}");
}

#[test]
fn a_grant_that_nobody_asked_for_is_refused() {
    let (mut root, vo) = Machine::founder(1);
    let mut node = Machine::new(2);
    let ticket = root.ticket(vo, root.terms(both()));
    node.keys.join(noon(), ticket).unwrap();
    let hello = node.keys.hello(noon(), root.id());
    let answer = root.keys.admit(noon(), node.id(), &hello).unwrap().answer;
    node.keys.give_up(vo);
    let refusal = node.keys.confirm(noon(), root.id(), &answer).unwrap_err();
    assert_eq!(refusal, Refusal::WrongGrant { by: root.id() });
    assert_eq!(node.keys.vos().count(), 0);
}

#[test]
fn a_member_with_a_bad_ticket_stays_a_member() {
    let (mut root, vo) = Machine::founder(1);
    let mut node = root.member(2, vo, WORKER);
    let more = root.ticket(vo, root.terms(both()));
    Machine::new(3).join(&more, &mut root).welcome();
    let confirmation = node.join(&more, &mut root).welcome();
    let [(of, why)] = &confirmation.refused[..] else { panic!("{confirmation:?}") };
    assert!(*of == vo && Refusal::ends_joining(why), "{why}");
    // With a good one it has more rights.
    let more = root.ticket(vo, root.terms(both()));
    node.join(&more, &mut root).welcome();
    assert_eq!(node.keys.vo(vo).unwrap().own(node.id(), noon()), Ok(both()));
}

#[test]
fn a_private_vo_is_shown_to_nobody() {
    let (lone, vo) = Machine::founder(1);
    let (mut stranger, _) = Machine::founder(2);
    let hello = lone.keys.hello(noon(), stranger.id());
    let bytes = vo.as_bytes();
    assert!(!hello.windows(32).any(|window| window == bytes));
    // And an acceptor shows nothing that the dialler didn't show.
    let (mut root, other) = Machine::founder(3);
    let mut node = root.member(4, other, both());
    root.keys.create(noon(), "second".parse().unwrap(), secret(5000)).unwrap();
    let hello = node.keys.hello(noon(), root.id());
    let answer = root.keys.admit(noon(), node.id(), &hello).unwrap().answer;
    assert!(!answer.windows(6).any(|window| window == b"second"));
    node.keys.confirm(noon(), root.id(), &answer).unwrap();
    assert_eq!(stranger.dial(&mut root).refused(), Refusal::Stranger);
}

#[test]
fn a_node_may_belong_to_several_vos() {
    let (mut a, lab) = Machine::founder(1);
    let (mut b, home) = Machine::founder(2);
    let mut node = a.member(3, lab, both());
    let ticket = b.ticket(home, b.terms(WORKER));
    assert_eq!(node.join(&ticket, &mut b).welcome().joined, [home]);
    assert_eq!(node.keys.standing(noon(), a.id()).common, [lab]);
    assert_eq!(node.keys.standing(noon(), b.id()).works_for, [home]);
    // Out of one, it stays in the other.
    a.keys.expel(noon(), lab, node.id(), false).unwrap();
    node.dial(&mut b).welcome();
    assert!(matches!(node.dial(&mut a).refused(), Refusal::Expelled { .. }));
    node.keys.leave(lab).unwrap();
    assert_eq!(node.dial(&mut a).refused(), Refusal::Stranger);
}

#[test]
fn records_are_exchanged_where_they_differ() {
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { uses: Uses::Many, ..root.terms(both()) };
    let ticket = root.ticket(vo, terms);
    let [mut a, mut b, mut bad] = [2, 3, 4].map(Machine::new);
    for node in [&mut a, &mut b, &mut bad] {
        assert_eq!(node.join(&ticket, &mut root).welcome().differ, []);
    }
    root.keys.expel(noon(), vo, bad.id(), false).unwrap();
    assert_eq!(a.dial(&mut root).welcome().differ, [vo]);
    assert_eq!(root.tell(vo, &mut a).added.len(), 1);
    assert_eq!(a.dial(&mut root).welcome().differ, []);
    // From member to member, and once.
    assert_eq!(a.tell(vo, &mut b).added.len(), 1);
    assert_eq!(a.tell(vo, &mut b).added.len(), 0);
    for node in [&mut a, &mut b] {
        let refusal = bad.dial(node).refused();
        assert!(matches!(refusal, Refusal::Expelled { .. }), "{refusal}");
        assert_eq!(node.keys.standing(noon(), bad.id()), Standing::default());
    }
    // The expelled one hears why from those that it lets in.
    let met = a.dial(&mut bad);
    assert!(matches!(met, Met::HungUp(Refusal::Expelled { .. })), "{met:?}");
}

#[test]
fn nobody_expels_itself_or_anybody_twice() {
    let (mut root, vo) = Machine::founder(1);
    let node = root.member(2, vo, WORKER);
    assert_eq!(root.keys.expel(noon(), vo, root.id(), false), Err(KeyringError::Myself));
    root.keys.expel(noon(), vo, node.id(), false).unwrap();
    let again = root.keys.expel(noon(), vo, node.id(), false);
    assert_eq!(again, Err(KeyringError::AlreadyOut(node.id())));
    let elsewhere = VoId::from_bytes([1; 32]);
    let refused = root.keys.expel(noon(), elsewhere, node.id(), false);
    assert_eq!(refused, Err(KeyringError::NoVo(elsewhere)));
}

#[test]
fn what_is_kept_survives_a_restart() {
    let (mut root, vo) = Machine::founder(1);
    let mut node = root.member(2, vo, both());
    let bad = root.member(3, vo, both());
    let open = root.ticket(vo, root.terms(both()));
    root.keys.expel(noon(), vo, bad.id(), false).unwrap();
    let (mut other, _) = Machine::founder(4);
    let (_, elsewhere) = Machine::founder(4);
    let ticket = other.ticket(elsewhere, other.terms(WORKER));
    root.keys.join(noon(), ticket).unwrap();
    let bytes = root.keys.encode().unwrap();
    let again = Keyring::decode(secret(1), &bytes).unwrap();
    assert_eq!(again.vos, root.keys.vos);
    assert_eq!(again.joining, root.keys.joining);
    root.keys = again;
    node.dial(&mut root).welcome();
    Machine::new(5).join(&open, &mut root).welcome();
    let of = root.keys.vo(vo).unwrap();
    assert!(!of.is_open(open.invitation.id, noon()), "it was good for one");
    // Not on another key, and not when it is damaged.
    let refused = Keyring::decode(secret(2), &bytes).unwrap_err();
    assert!(matches!(refused, KeyringError::OtherNode { .. }), "{refused}");
    assert!(matches!(Keyring::decode(secret(1), &bytes[1..]), Err(KeyringError::Saved(_))));
}

#[test]
fn there_are_so_many_vos_and_no_more() {
    let mut machine = Machine::new(1);
    let name: VoName = "n".repeat(crate::NAME_BYTES).parse().unwrap();
    for number in 0..VOS as u16 {
        machine.keys.create(noon(), name.clone(), secret(100 + number)).unwrap();
    }
    let full = machine.keys.create(noon(), name.clone(), secret(99));
    assert_eq!(full, Err(KeyringError::Full));
    let known = machine.keys.create(noon(), name.clone(), secret(100));
    assert_eq!(known, Err(KeyringError::Exists(name)));
    // The longest chain for each of them, and as many wishes as may wait, fit into a hello.
    let (mut founder, vo) = Machine::founder(2);
    let mut last = founder.member(3, vo, Rights::ALL);
    for number in 4..=crate::CHAIN as u16 + 1 {
        last = last.member(number, vo, Rights::ALL);
    }
    let mut longest = last.keys.vo(vo).unwrap().clone();
    longest.credential.name = "n".repeat(crate::NAME_BYTES).parse().unwrap();
    assert_eq!(longest.credential.chain.len(), crate::CHAIN);
    longest.members.insert(founder.id(), longest.credential.clone());
    machine.keys.vos.values_mut().for_each(|vo| *vo = longest.clone());
    let ticket = last.ticket(vo, last.terms(WORKER));
    for number in 0..4 {
        machine.keys.joining.insert(VoId::from_bytes([number; 32]), ticket.clone());
    }
    let hello = machine.keys.hello(noon(), last.id());
    assert!(hello.len() > 40_000, "{}", hello.len());
}

#[test]
fn tickets_that_wait_have_a_bound() {
    let mut node = Machine::new(1);
    for number in 2..6 {
        let (mut founder, vo) = Machine::founder(number);
        let ticket = founder.ticket(vo, founder.terms(WORKER));
        assert!(node.keys.join(noon(), ticket).unwrap());
    }
    let (mut founder, vo) = Machine::founder(6);
    let ticket = founder.ticket(vo, founder.terms(WORKER));
    let refused = node.keys.join(noon(), ticket.clone());
    assert!(matches!(refused, Err(KeyringError::Refused(Refusal::TooMany { .. }))));
    let first = node.keys.joining().next().unwrap().vo();
    node.keys.give_up(first);
    assert!(node.keys.join(noon(), ticket).unwrap());
}

#[test]
fn members_have_a_bound_and_former_ones_make_room() {
    let (mut root, vo) = Machine::founder(1);
    let terms = Terms { uses: Uses::Many, ..root.terms(WORKER) };
    let ticket = root.ticket(vo, terms);
    let mut node = Machine::new(2);
    node.join(&ticket, &mut root).welcome();
    let of = root.keys.vos.get_mut(&vo).unwrap();
    let good = of.members[&node.id()].clone();
    for number in 1..MEMBERS as u64 {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        of.members.insert(NodeId::from_bytes(key), good.clone());
    }
    let mut late = Machine::new(3);
    let refusal = late.join(&ticket, &mut root).refused();
    assert!(matches!(refusal, Refusal::TooMany { limit: MEMBERS, .. }), "{refusal}");
    let mut out = good.clone();
    out.chain[1].expires = Some(WallTime::default());
    let some = *root.keys.vo(vo).unwrap().members.keys().next().unwrap();
    root.keys.vos.get_mut(&vo).unwrap().members.insert(some, out);
    late.join(&ticket, &mut root).welcome();
}

#[test]
fn a_greeting_that_breaks_a_bound_is_refused() {
    let (mut root, vo) = Machine::founder(1);
    let node = root.member(2, vo, both());
    let good = node.keys.hello(noon(), root.id());
    for bytes in
        [&[][..], &good[1..], &good[..good.len() - 1], &[1; 100], &vec![1; HELLO_BYTES + 1]]
    {
        let refusal = root.keys.admit(noon(), node.id(), bytes).unwrap_err();
        assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal}");
        assert!(root.keys.confirm(noon(), node.id(), bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is changed in a greeting: the rights that come of it are no wider, and nothing panics.
    #[test]
    fn no_mutation_of_a_greeting_gives_more(place: prop::sample::Index, bit in 0u8..8) {
        let (mut root, vo) = Machine::founder(1);
        let mut node = Machine::new(2);
        let ticket = root.ticket(vo, root.terms(WORKER));
        node.keys.join(noon(), ticket).unwrap();
        let mut hello = node.keys.hello(noon(), root.id());
        let place = place.index(hello.len());
        hello[place] ^= 1 << bit;
        if let Ok(admission) = root.keys.admit(noon(), node.id(), &hello) {
            prop_assert_eq!(admission.enrolled, vec![vo]);
            prop_assert_eq!(root.keys.vo(vo).unwrap().rights_of(root.id(), node.id(), noon()), WORKER);
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let (mut root, _) = Machine::founder(1);
        let _ = root.keys.admit(noon(), NodeId::from_bytes([2; 32]), &bytes);
        let _ = Keyring::decode(secret(1), &bytes);
    }
}
