use proptest::prelude::*;

use super::*;
use crate::testing::{DAY, noon, secret};

fn id(number: u16) -> NodeId {
    NodeId::from_bytes(secret(number).public())
}

fn grant(subject: u16, rights: Rights, expires: Option<WallTime>) -> Grant {
    Grant { subject: id(subject), rights, issued: noon(), expires, invitation: None }
}

/// Root 0, then the nodes 1, 2, 3 …, each with what is given.
fn chain(grants: &[(Rights, Option<WallTime>)]) -> Credential {
    let numbered = (1..).zip(grants).map(|(number, (rights, end))| grant(number, *rights, *end));
    let grants: Vec<Grant> = numbered.collect();
    let name: VoName = "lab".parse().unwrap();
    let mut credential = Credential::found(&secret(0), name, grants[0]);
    for (number, grant) in (1..).zip(&grants[1..]) {
        credential = credential.extend(&secret(number), *grant);
    }
    credential
}

fn at(now: WallTime) -> Clocks {
    Clocks { here: (id(9), now), there: (id(8), now) }
}

const WORKER: Rights = Rights::SUBMIT;

#[test]
fn a_chain_from_the_root_is_good() {
    let credential = chain(&[(Rights::ALL, None), (Rights::INVITE | WORKER, None), (WORKER, None)]);
    assert_eq!(credential.check().unwrap().subject, id(3));
    assert_eq!((credential.rights(), credential.holder()), (WORKER, Some(id(3))));
    credential.check_time(at(noon())).unwrap();
}

#[test]
fn who_may_not_invite_hands_on_nothing() {
    let credential = chain(&[(WORKER, None), (WORKER, None)]);
    let expected = Refusal::MayNotInvite { vo: credential.name.clone(), issuer: id(1) };
    assert_eq!(credential.check(), Err(expected));
}

#[test]
fn nobody_hands_on_more_than_he_has() {
    let credential = chain(&[(Rights::INVITE, None), (WORKER, None)]);
    assert!(matches!(credential.check(), Err(Refusal::Widened { found: WORKER, .. })));
    let (soon, late) = (Some(noon().plus(DAY)), Some(noon().plus(2 * DAY)));
    for end in [late, None] {
        let credential = chain(&[(Rights::ALL, soon), (WORKER, end)]);
        assert!(matches!(credential.check(), Err(Refusal::Outlives { .. })), "{end:?}");
    }
    chain(&[(Rights::ALL, soon), (WORKER, soon)]).check().unwrap();
}

#[test]
fn a_chain_has_a_bounded_length_and_isnt_empty() {
    chain(&[(Rights::ALL, None); CHAIN]).check().unwrap();
    let long = chain(&[(Rights::ALL, None); CHAIN + 1]);
    assert!(matches!(long.check(), Err(Refusal::ChainLength { found, .. }) if found == CHAIN + 1));
    let empty = Credential { chain: Vec::new(), ..long };
    assert!(matches!(empty.check(), Err(Refusal::ChainLength { found: 0, .. })));
}

#[test]
fn a_chain_cant_be_put_together_from_pieces_of_others() {
    let two = [(Rights::ALL, None), (Rights::ALL, None)];
    let credential = chain(&two);
    // Node 1 once more, with another date: its certificate is good, what hung on the old one isn't.
    let again = Grant { issued: noon().plus(DAY), ..grant(1, Rights::ALL, None) };
    let other = Credential::found(&secret(0), credential.name.clone(), again);
    let mut pieces = other.clone();
    pieces.chain.push(credential.chain[1].clone());
    other.check().unwrap();
    assert!(matches!(pieces.check(), Err(Refusal::Forged { link: 2, .. })));
    // Without the root's: the second certificate isn't the root's word.
    let cut = Credential { chain: vec![credential.chain[1].clone()], ..credential.clone() };
    assert!(matches!(cut.check(), Err(Refusal::Forged { link: 1, .. })));
    // In another VO, or under another name.
    let vo = VoId::from_bytes(secret(77).public());
    let moved = Credential { vo, ..credential.clone() };
    assert!(matches!(moved.check(), Err(Refusal::Forged { link: 1, .. })));
    let renamed = Credential { name: "other".parse().unwrap(), ..credential };
    assert!(matches!(renamed.check(), Err(Refusal::Forged { link: 1, .. })));
}

#[test]
fn time_is_checked_with_the_tolerance_for_clocks() {
    let end = noon().plus(DAY);
    let credential = chain(&[(Rights::ALL, Some(end))]);
    credential.check_time(at(end.plus(CLOCK_TOLERANCE))).unwrap();
    let late = end.plus(CLOCK_TOLERANCE + std::time::Duration::from_secs(1));
    assert!(
        matches!(credential.check_time(at(late)), Err(Refusal::Expired { ended, .. }) if ended == end)
    );
    let early = WallTime::from_secs(noon().as_secs() - CLOCK_TOLERANCE.as_secs());
    credential.check_time(at(early)).unwrap();
    let earlier = WallTime::from_secs(early.as_secs() - 1);
    assert!(matches!(credential.check_time(at(earlier)), Err(Refusal::NotYet { .. })));
}

#[test]
fn a_refusal_shows_clocks_that_disagree() {
    let end = noon().plus(DAY);
    let credential = chain(&[(Rights::ALL, Some(end))]);
    let now = end.plus(3 * DAY);
    let clocks = Clocks { here: (id(9), now), there: (id(1), noon()) };
    let text = credential.check_time(clocks).unwrap_err().to_string();
    assert!(text.contains(&format!("the clock of node {} says {now}", id(9).short())), "{text}");
    assert!(text.contains(&format!("node {} {}: set the one", id(1).short(), noon())), "{text}");
    let same = credential.check_time(at(now)).unwrap_err().to_string();
    assert!(!same.contains("set the one"), "{same}");
}

fn any_rights() -> impl Strategy<Value = Rights> {
    (0u8..16).prop_map(|bits| Rights::try_from(bits).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is signed by whom: a chain that passes gives nobody more than any of those before him.
    #[test]
    fn attenuation_never_widens(
        grants in prop::collection::vec((any_rights(), prop::option::of(0u64..4)), 1..5),
    ) {
        let grants: Vec<_> = grants
            .into_iter()
            .map(|(rights, days)| (rights, days.map(|days| noon().plus(DAY * days as u32))))
            .collect();
        let credential = chain(&grants);
        if credential.check().is_err() {
            return Ok(());
        }
        let last = credential.last().unwrap().clone();
        for certificate in &credential.chain {
            prop_assert!(certificate.rights.contains(last.rights));
            if let Some(end) = certificate.expires {
                prop_assert!(last.expires.is_some_and(|own| own <= end));
            }
        }
        for issuer in &credential.chain[..credential.chain.len() - 1] {
            prop_assert!(issuer.rights.contains(Rights::INVITE));
        }
    }

    /// Each byte of a credential is signed or part of a signature.
    #[test]
    fn no_mutation_of_a_credential_verifies(place: prop::sample::Index, bit in 0u8..8) {
        let end = Some(noon().plus(DAY));
        let credential = chain(&[(Rights::ALL, None), (Rights::ALL, end), (WORKER, end)]);
        let mut bytes = postcard::to_stdvec(&credential).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok((mutated, _)) = postcard::take_from_bytes::<Credential>(&bytes) {
            prop_assert!(mutated == credential || mutated.check().is_err(), "byte {place}");
        }
    }
}
