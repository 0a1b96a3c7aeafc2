//! Virtual organisations: tickets, what nodes show each other, and what a node keeps of it.

use outlast_types::{NodeId, VoId, wire};
use outlast_vo::{
    HELLO_BYTES, Keyring, MEMBERS, REFUSAL_BYTES, Record, Rights, SAVED_BYTES, Secret, Terms,
    Ticket, TicketNode, Uses, VOS, WallTime,
};

use crate::bytes::{Bytes, part};

const NOON: WallTime = WallTime::from_secs(1_795_262_400);
const DAY_S: u64 = 24 * 3600;

fn secret(number: u8) -> Secret {
    Secret::from_seed(&[number; 32])
}

/// A node that founded an organisation.
fn founder() -> (Keyring, VoId) {
    let mut keys = Keyring::new(secret(1));
    let name = "lab".parse().expect("a good name");
    let vo = keys.create(NOON, name, secret(2)).expect("the first one");
    (keys, vo)
}

fn invite(keys: &mut Keyring, vo: VoId, number: u8, rights: Rights) -> Ticket {
    let terms = Terms {
        rights,
        made: NOON,
        expires: WallTime::from_secs(NOON.as_secs() + DAY_S),
        uses: Uses::Once,
        member_for_s: number.is_multiple_of(2).then_some(DAY_S),
        only_for: None,
    };
    let secret = secret(number);
    let invitation = keys.invite(NOON, vo, terms, &secret).expect("it may");
    let addresses = vec!["10.0.0.1:7771".parse().expect("an address")];
    Ticket::new(invitation, secret, [TicketNode { node: keys.me(), addresses, relay: None }])
}

/// A member that came by an invitation, and the hello and the answer that made it one.
fn member(keys: &mut Keyring, vo: VoId, number: u8) -> (Keyring, Vec<u8>, Vec<u8>) {
    let ticket = invite(keys, vo, number + 100, Rights::ALL);
    let mut new = Keyring::new(secret(number));
    new.join(NOON, ticket).expect("it is for anybody");
    let hello = new.hello(NOON, keys.me());
    let answer = keys.admit(NOON, new.me(), &hello).expect("it is invited").answer;
    new.confirm(NOON, keys.me(), &answer).expect("it is enrolled");
    (new, hello, answer)
}

pub(super) fn ticket(bytes: &[u8]) {
    // What has a good checksum, too: whoever makes tickets by hand can compute it.
    let text = match bytes.split_first() {
        Some((0, body)) => with_checksum(body),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let Ok(ticket) = text.parse::<Ticket>() else { return };
    assert!(ticket.nodes.len() <= outlast_vo::TICKET_NODES);
    let again = ticket.to_string();
    assert_eq!(again.parse::<Ticket>().expect("what was written can be read").to_string(), again);
}

/// The prefix of tickets as they are, and a body.
fn with_checksum(body: &[u8]) -> String {
    let hash = outlast_types::Hash::of(body);
    let bytes = [body, &hash.as_bytes()[..4]].concat();
    let text = data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
    format!("outlast2{text}")
}

pub(super) fn tickets() -> Vec<Vec<u8>> {
    let (mut keys, vo) = founder();
    let ticket = invite(&mut keys, vo, 5, Rights::ALL).to_string();
    let body = ticket.strip_prefix("outlast2").and_then(|text| {
        let bytes =
            data_encoding::BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
        Some([&[0], &bytes[..bytes.len().saturating_sub(4)]].concat())
    });
    let mut seeds = vec![ticket.clone().into_bytes(), ticket.to_uppercase().into_bytes()];
    seeds.extend(body);
    seeds
}

/// What a node keeps on its own disk.
pub(super) fn saved(bytes: &[u8]) {
    let Ok(keys) = Keyring::decode(secret(1), bytes) else { return };
    let again = keys.encode().expect("what was decoded can be encoded");
    assert!(again.len() <= SAVED_BYTES);
    let same = Keyring::decode(secret(1), &again).expect("what was encoded can be decoded");
    assert!(same.encode().is_ok_and(|same| same == again));
}

pub(super) fn saves() -> Vec<Vec<u8>> {
    let (mut keys, vo) = founder();
    let mut seeds = vec![keys.encode().expect("a small one")];
    member(&mut keys, vo, 20);
    let (out, ..) = member(&mut keys, vo, 21);
    keys.expel(NOON, vo, out.me(), true).expect("it is a member");
    seeds.push(keys.encode().expect("a small one"));
    seeds
}

/// A row of hellos, answers and records, from several nodes, at several times.
pub(super) fn keyring(bytes: &[u8]) {
    let (mut keys, vo) = founder();
    let (invited, ..) = member(&mut keys, vo, 20);
    let peers = [invited.me(), NodeId::from_bytes([9; 32]), keys.me()];
    let mut bytes = Bytes::new(bytes);
    let mut now = NOON;
    while !bytes.is_empty() {
        let peer = peers[usize::from(bytes.below(3))];
        now = WallTime::from_secs(now.as_secs().saturating_add(bytes.number().min(1 << 32)));
        let kind = bytes.below(4);
        let said = bytes.part();
        match kind {
            0 | 1 => match keys.admit(now, peer, said) {
                Ok(admission) => assert!(admission.answer.len() <= HELLO_BYTES),
                Err(refusal) => assert!(refusal.to_string().len() <= REFUSAL_BYTES, "{refusal}"),
            },
            2 => match keys.confirm(now, peer, said) {
                Ok(confirmation) => assert!(confirmation.joined.len() <= VOS),
                Err(refusal) => assert!(refusal.to_string().len() <= REFUSAL_BYTES, "{refusal}"),
            },
            _ => {
                let Ok(records) = wire::decode::<Vec<Record>>(said, HELLO_BYTES) else { continue };
                keys.merge(now, vo, records);
            }
        }
        assert!(keys.hello(now, peer).len() <= HELLO_BYTES);
        keys.standing(now, peer);
        keys.why_not(now, peer);
        keys.next_end(now);
    }
    assert!(keys.vos().count() <= VOS);
    assert!(keys.vos().all(|(_, vo)| vo.members.len() <= MEMBERS));
    // Whatever was said: who founded it keeps its rights, and what nobody signed isn't there.
    let of = keys.vo(vo).expect("nobody else can take it away");
    assert!(of.own(keys.me(), NOON).is_ok());
    let saved = keys.encode().expect("it can be kept");
    Keyring::decode(secret(1), &saved).expect("what was kept can be read");
}

/// Whole conversations, as [`keyring`] reads them.
pub(super) fn greetings() -> Vec<Vec<u8>> {
    let say = |peer: u8, later: u8, kind: u8, said: &[u8]| {
        [&[peer, later, kind], &part(said)[..]].concat()
    };
    let (mut keys, vo) = founder();
    let (mut invited, ..) = member(&mut keys, vo, 20);
    let hello = invited.hello(NOON, keys.me());
    let answer = keys.admit(NOON, invited.me(), &hello).expect("it is a member").answer;
    // By the founder and by a member, of others and of each other.
    let (other, wish, grant) = member(&mut invited, vo, 22);
    let mut records = Vec::new();
    records.extend(invited.expel(NOON, vo, other.me(), false));
    records.extend(keys.expel(NOON, vo, invited.me(), true));
    let records = wire::encode(&records, HELLO_BYTES).expect("two records");
    let own = keys.hello(NOON, invited.me());
    vec![
        say(0, 0, 0, &hello),
        say(0, 3, 2, &answer),
        say(1, 0, 0, &wish),
        say(1, 0, 2, &grant),
        [say(0, 0, 3, &records), say(0, 1, 0, &hello)].concat(),
        [say(0, 0, 0, &hello), say(0, 254, 2, &answer), say(2, 0, 0, &own)].concat(),
    ]
}
