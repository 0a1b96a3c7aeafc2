use proptest::prelude::*;

use super::*;
use crate::testing::{Machine, noon, secret};
use crate::{Rights, WallTime};

fn ticket() -> Ticket {
    let (mut machine, vo) = Machine::founder(1);
    let terms = machine.terms(Rights::SUBMIT | Rights::EXECUTE);
    machine.ticket(vo, terms)
}

#[test]
fn the_form_stays_the_same() {
    expect_test::expect!["outlast2k5sjtmujn7cwhhsf24kvoppnhlkeetbldtnrjgyfqazu4mvrejrqg3dbmiaysi6y3bi76hbpovcfkdd54keqgock6inda2bftcyajrwjkyhgyvypychynwagaaab75lqlv3zesnf7jgnjdvnhb4v23a55s5yac3itgpovnxtzorf3qbnufk5je4uwgg6fyedteukirz2mpt42aamsbarkqxiwdkxq6aibqb4bd4g3admbmul3adaaaaarbokilx3bmq6bjx3dgvfa566lgmobywdyj4xww3jobly2dqvyarjtevtztovzw2fuaof2hje727q6i5lg2764oopr3x5m27ynidrsadfabpf4xs6lzpf4xs6lzpf4xs6lzpf4xs6lzpf4xs6lzpf4xs6lyaqaaiabiaaaao3hqakhha3we"].assert_eq(&ticket().to_string());
}

#[test]
fn a_ticket_is_short_enough_to_paste() {
    let plain = ticket();
    assert!(plain.to_string().len() <= 440, "{}", plain.to_string().len());
    let mut large = plain.clone();
    let node = TicketNode {
        node: NodeId::from_bytes([9; 32]),
        addresses: vec!["[fd00::1]:7771".parse().unwrap(); ADDRESSES],
        relay: Some("r".repeat(limits::RELAY_BYTES)),
    };
    large.nodes = vec![node; TICKET_NODES];
    let text = large.to_string();
    assert!(text.len() < TEXT_BYTES, "{}", text.len());
    assert_eq!(text.parse(), Ok(large));
}

#[test]
fn text_and_back() {
    let ticket = ticket();
    let text = ticket.to_string();
    assert_eq!(text.parse(), Ok(ticket.clone()));
    assert_eq!(format!(" {}\n", text.to_uppercase()).parse(), Ok(ticket));
}

#[test]
fn every_cut_and_every_typo_is_noticed() {
    let text = ticket().to_string();
    for end in PREFIX.len()..text.len() {
        assert_eq!(text[..end].parse::<Ticket>(), Err(TicketError::Damaged), "{end}");
    }
    for place in PREFIX.len()..text.len() {
        let mut typo = text.clone().into_bytes();
        typo[place] = if typo[place] == b'a' { b'b' } else { b'a' };
        let typo = String::from_utf8(typo).unwrap();
        assert_eq!(typo.parse::<Ticket>(), Err(TicketError::Damaged), "{typo}");
    }
}

#[test]
fn an_old_ticket_says_what_to_do() {
    let old = "outlast1a4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqeaakaaaadwz4ah6qaaaaaaaaaaaaaaaaaaaaaaa5wpfw7zybo";
    let error = old.parse::<Ticket>().unwrap_err();
    assert_eq!(error, TicketError::Version);
    assert!(error.to_string().contains("`outlast invite`"), "{error}");
    assert_eq!("10.0.0.1:7771".parse::<Ticket>(), Err(TicketError::Prefix));
}

#[test]
fn a_ticket_without_anybody_to_ask_is_refused() {
    let nobody = Ticket { nodes: Vec::new(), ..ticket() };
    let error = nobody.to_string().parse::<Ticket>().unwrap_err().to_string();
    assert_eq!(error, "the ticket has 0 nodes, expected 1 to 4");
    let mut nowhere = ticket();
    nowhere.nodes[0].addresses.clear();
    let error = nowhere.to_string().parse::<Ticket>().unwrap_err().to_string();
    assert_eq!(error, "the ticket has 0 addresses of a node, expected 1 to 8");
    nowhere.nodes[0].relay = Some("https://relay.example".to_owned());
    assert_eq!(nowhere.to_string().parse(), Ok(nowhere));
}

#[test]
fn a_ticket_whose_terms_were_changed_is_refused() {
    let mut wider = ticket();
    wider.invitation.terms.rights = Rights::ALL;
    let error = wider.to_string().parse::<Ticket>().unwrap_err();
    assert!(matches!(error, TicketError::Invitation(Refusal::InvitationForged { .. })), "{error}");
    let mut longer = ticket();
    longer.invitation.terms.expires = WallTime::from_secs(u64::MAX);
    assert!(longer.to_string().parse::<Ticket>().is_err());
    let mut other = ticket();
    other.secret = secret(4711);
    assert!(other.to_string().parse::<Ticket>().is_err());
    assert!(noon() < wider.invitation.terms.expires);
}

#[test]
fn the_secret_is_shown_by_the_text_alone() {
    let ticket = ticket();
    let seed = data_encoding::HEXLOWER.encode(ticket.secret.seed());
    assert!(!format!("{ticket:?}").contains(&seed[..16]));
}

proptest! {
    #[test]
    fn no_text_panics(text in "outlast2[a-z2-7]{0,200}") {
        let _ = text.parse::<Ticket>();
    }

    #[test]
    fn no_bytes_with_the_right_checksum_panic(mut bytes: Vec<u8>) {
        bytes.extend(checksum(&bytes));
        let text = format!("{PREFIX}{}", data_encoding::BASE32_NOPAD.encode(&bytes));
        prop_assert!(text.parse::<Ticket>().is_err());
    }
}
