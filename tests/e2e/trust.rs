//! Who is let in, who isn't, and what each of them hears. Real processes, real keys; a thief has the files of a member.

use std::fs;
use std::path::Path;

use outlast_api::trust::{JoinState, Joined, VoDetail, VoSummary};
use outlast_api::types::NodeState;
use outlast_tests::gate::Gate;
use outlast_tests::{Node, SOON, World, until};
use outlast_vo::{Keyring, NodeId, Rights, Secret, Terms, Ticket, TicketNode, Uses, WallTime};

use crate::stranger;
use crate::words;

/// Of a ticket that is of no use, and of a right that is missing.
const REFUSED: i32 = 7;

fn vos(node: &Node<'_>) -> Vec<VoSummary> {
    node.outlast(&["vo", "list", "--json"]).with_code(0).json()
}

fn show(node: &Node<'_>, vo: &str) -> VoDetail {
    let mut shown: Vec<VoDetail> = node.outlast(&["vo", "show", vo, "--json"]).with_code(0).json();
    shown.remove(0)
}

/// Whoever is asked knows nobody but itself, and has enrolled nobody.
#[track_caller]
fn is_alone(node: &Node<'_>) {
    assert_eq!(node.nodes().len(), 1);
    assert_eq!(vos(node).iter().map(|vo| vo.members).sum::<u32>(), 0);
}

/// A node's own secrets, as whoever can read its files has them.
fn keyring(data_dir: &Path) -> Keyring {
    let key: [u8; 32] = fs::read(data_dir.join("key")).unwrap().try_into().unwrap();
    let kept = fs::read(data_dir.join("trust")).unwrap();
    Keyring::decode(Secret::from_seed(&key), &kept).unwrap()
}

fn id(node: &Node<'_>) -> NodeId {
    node.status().id.parse().unwrap()
}

/// `up` with a ticket that is of no use ends with the reason.
#[track_caller]
fn up_is_refused(world: &World, data: &str, ticket: &str, why: &str) {
    let args = ["up", "--listen", "127.0.0.1:0", "--name", data, "--join", ticket];
    world.outlast(&world.path(data), &args).with_code(REFUSED).complains(why);
}

/// What a daemon has logged; it is said there, too, why somebody was turned away.
#[track_caller]
fn logged(node: &mut Node<'_>, text: &str) {
    let name = node.name().to_owned();
    until(&format!("{name} says `{text}`"), || {
        node.process().stderr().contains(text).then_some(())
    });
}

#[test]
fn a_fresh_node_is_private_and_a_stranger_is_turned_away() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    let [own] = &vos(&a)[..] else { panic!("{:?}", vos(&a)) };
    assert_eq!((own.name.as_str(), own.private), ("home-a", true));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(a.data_dir().join("trust")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it has the root's secret");
    // With a VO of its own, as every node has, and with nothing at all to show.
    let mut stranger = Keyring::new(Secret::from_seed(&[3; 32]));
    stranger
        .create(stranger::wall(), "theirs".parse().unwrap(), Secret::from_seed(&[4; 32]))
        .unwrap();
    for shown in [stranger.hello(stranger::wall(), id(&a)), Vec::new()] {
        let why = stranger::knock(&a, &[3; 32], &shown).unwrap_err();
        assert!(!why.is_empty());
    }
    let why = stranger::knock(&a, &[3; 32], &stranger.hello(stranger::wall(), id(&a))).unwrap_err();
    assert!(why.contains("no virtual organisation in common"), "{why}");
    assert!(why.contains("`outlast invite`"), "{why}");
    logged(&mut a, "turned a node away");
    is_alone(&a);
}

#[test]
fn an_expired_ticket_is_refused_and_the_daemon_ends() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    let mut keys = keyring(a.data_dir());
    let vo = keys.vos().next().unwrap().0;
    let day = std::time::Duration::from_secs(24 * 3600);
    let made = WallTime::from_secs(stranger::wall().as_secs() - 8 * day.as_secs());
    let terms = Terms {
        rights: Rights::SUBMIT | Rights::EXECUTE,
        made,
        expires: made.plus(7 * day),
        uses: Uses::Many,
        member_for_s: None,
        only_for: None,
    };
    let secret = Secret::from_seed(&[9; 32]);
    let invitation = keys.invite(stranger::wall(), vo, terms, &secret).unwrap();
    let addresses = a.status().addresses.iter().map(|a| a.parse().unwrap()).collect();
    let nodes = [TicketNode { node: id(&a), addresses, relay: None }];
    let expired = Ticket::new(invitation, secret, nodes).to_string();
    up_is_refused(&world, "b", &expired, "expired at");
    logged(&mut a, "expired at");
    is_alone(&a);
    // A daemon that runs already stays, and says it as well.
    let c = Node::new(&world, "c", 1).up();
    c.outlast(&["join", &expired]).with_code(REFUSED).complains("expired at");
    assert_eq!(vos(&c).len(), 1);
    is_alone(&a);
}

#[test]
fn a_ticket_for_one_node_is_good_for_one_and_at_every_start_of_it() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    let ticket = a.invite(&[]);
    let mut b = Node::new(&world, "b", 1).joining(&ticket).up();
    a.knows(2);
    up_is_refused(&world, "c", &ticket, "was good for one node");
    b.kill();
    b.start();
    a.knows(2);
    b.knows(2);
    let d = Node::new(&world, "d", 1).up();
    let for_d = a.invite(&["--for", &d.status().id, "--role", "execute"]);
    up_is_refused(&world, "e", &for_d, "is for node");
    let joined: Joined = d.outlast(&["join", &for_d, "--json"]).with_code(0).json();
    assert_eq!((joined.state, joined.vo.as_str()), (JoinState::Joined, "home-a"));
    a.knows(3);
    let again: Joined = d.outlast(&["join", &for_d, "--json"]).with_code(0).json();
    assert_eq!(again.state, JoinState::Already);
    let row = a.view_of("d").unwrap();
    assert_eq!(row.vos[0].rights, ["execute"]);
}

#[test]
fn a_stolen_membership_is_worth_nothing_on_another_key() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    let mut b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    b.kill();
    let stolen = keyring(b.data_dir()).hello(stranger::wall(), id(&a));
    let why = stranger::knock(&a, &[5; 32], &stolen).unwrap_err();
    assert!(why.contains("belongs to node"), "{why}");
    logged(&mut a, "belongs to node");
    // The file alone, in another node's place: it isn't that node's.
    let thief = world.path("thief");
    fs::create_dir_all(&thief).unwrap();
    fs::copy(b.data_dir().join("trust"), thief.join("trust")).unwrap();
    let args = ["up", "--listen", "127.0.0.1:0"];
    world.outlast(&thief, &args).with_code(1).complains("belong to node");
    let row = a.view_of("b").unwrap();
    assert_eq!(a.nodes().len(), 2, "the thief isn't among them");
    // Its owner is still welcome.
    assert_ne!(row.state, NodeState::Myself);
    b.start();
    b.knows(2);
}

#[test]
fn an_expelled_member_stays_out_whoever_restarts_and_whatever_it_has() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    let reusable = a.invite(&["--reusable"]);
    let mut b = Node::new(&world, "b", 1).joining(&reusable).up();
    let mut c = Node::new(&world, "c", 1).joining(&reusable).up();
    a.knows(3);
    b.knows(3);
    let said = a.outlast(&["expel", "b"]).with_code(0);
    said.complains("is out of `home-a`");
    // All that are connected hear of it at once; the one that is out is told why.
    logged(&mut b, "was expelled");
    a.knows(2);
    c.knows(2);
    b.knows(1);
    assert_eq!(show(&c, "home-a").expelled.len(), 1);
    let own = vos(&b).into_iter().find(|vo| vo.name == "home-a").unwrap();
    assert!(own.trouble.unwrap().contains("was expelled"), "it knows that itself");
    c.outlast(&["expel", "a"]).with_code(REFUSED);
    // Everybody starts again; it comes with its old membership and its old ticket.
    for node in [&mut a, &mut c, &mut b] {
        node.kill();
    }
    a.start();
    c.start();
    a.knows(2);
    let old = ["up", "--listen", "127.0.0.1:0", "--join", &reusable];
    b.outlast(&old).with_code(REFUSED).complains("was expelled");
    logged(&mut a, "turned a node away");
    let mut b = Node::new(&world, "b", 1).at(b.data_dir()).up();
    logged(&mut b, "was expelled");
    a.knows(2);
    // The ticket is no good any more, under whatever key.
    up_is_refused(&world, "d", &reusable, "was withdrawn");
    b.outlast(&["join", &reusable]).with_code(REFUSED).complains("was expelled");
    // An invitation made for it lets it in again.
    let mended = a.invite(&["--for", &b.status().id]);
    let joined: Joined = b.outlast(&["join", &mended, "--json"]).with_code(0).json();
    assert_eq!(joined.state, JoinState::Joined);
    a.knows(3);
    c.knows(3);
}

#[test]
fn an_expelled_members_work_goes_on_elsewhere() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    let c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let mut client = a.start_outlast(&words(&["run", "-o", "out"], &gate.sweep(4)));
    gate.runs_at(&b, 1);
    gate.runs_at(&c, 1);
    a.outlast(&["expel", "b"]).with_code(0);
    c.knows(2);
    gate.open();
    client.ended(SOON).with_code(0);
    let accepted: Vec<_> =
        a.show().workers.into_iter().filter(|worker| worker.accepted > 0).collect();
    assert_eq!(accepted.iter().map(|worker| worker.name.as_str()).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn rights_that_a_member_lacks_it_doesnt_get_by_asking() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    let worker = Node::new(&world, "worker", 1).joining(&a.invite(&["--role", "execute"])).up();
    let user = Node::new(&world, "user", 0).joining(&a.invite(&["--role", "submit"])).up();
    a.knows(3);
    worker.knows(3);
    user.knows(3);
    // Without the right to submit: told so, nothing happens.
    worker
        .outlast(&["run", "--vo", "home-a", "--", "true"])
        .with_code(REFUSED)
        .complains("may not submit in `home-a`");
    assert!(worker.jobs().is_empty());
    // Nor does anybody else work for it if it doesn't say where.
    worker.outlast(&["run", "--replication", "1", "--", "true"]).with_code(0);
    assert!(worker.show().workers.iter().all(|row| row.name == "worker"), "{:?}", worker.show());
    // Without the right to invite, or to expel.
    worker.outlast(&["invite", "--vo", "home-a"]).with_code(REFUSED).complains("may not invite");
    worker
        .outlast(&["expel", "user", "--vo", "home-a"])
        .with_code(REFUSED)
        .complains("may not manage");
    // Without the right to execute: it gets no work, others do.
    user.outlast(&["run", "--vo", "home-a", "--", "true"]).with_code(0);
    a.outlast(&["run", "--replication", "1", "--vo", "home-a", "--", "true"]).with_code(0);
    assert!(a.show().workers.iter().all(|row| row.name != "user"), "{:?}", a.show());
    let names: Vec<String> = user.show().workers.into_iter().map(|row| row.name).collect();
    assert!(names.iter().all(|name| name == "a" || name == "worker"), "{names:?}");
}

#[test]
fn a_node_works_in_several_organisations_and_keeps_them_apart() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    a.outlast(&["vo", "create", "lab"]).with_code(0);
    a.outlast(&["vo", "create", "lab"]).with_code(1).complains("already");
    let b = Node::new(&world, "b", 1).joining(&a.invite(&["--vo", "lab"])).up();
    let c = Node::new(&world, "c", 1).joining(&a.invite(&["--vo", "home-a"])).up();
    a.knows(3);
    b.knows(2);
    c.knows(2);
    assert!(b.view_of("c").is_none(), "they have nothing in common");
    a.outlast(&["run", "--vo", "lab", "--", "true"]).with_code(0);
    assert!(a.show().workers.iter().all(|row| row.name != "c"), "{:?}", a.show());
    a.outlast(&["run", "--vo", "elsewhere", "--", "true"]).with_code(2).complains("`lab`");
    b.outlast(&["vo", "leave", "lab"]).with_code(0);
    a.knows(2);
    assert_eq!(vos(&b).len(), 1);
}

#[test]
fn a_ticket_whose_nodes_are_off_is_tried_on() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    let ticket = a.invite(&[]);
    a.kill();
    let b = Node::new(&world, "b", 1).joining(&ticket).up();
    assert_eq!(vos(&b).len(), 1);
    a.start();
    until("b is a member", || (vos(&b).len() == 2).then_some(()));
    a.knows(2);
}

#[test]
fn a_damaged_file_of_memberships_is_told_and_kept() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    a.kill();
    let file = a.data_dir().join("trust");
    fs::write(&file, b"\x01 not this").unwrap();
    a.outlast(&["up", "--listen", "127.0.0.1:0"]).with_code(1).complains("trust");
    assert_eq!(fs::read(&file).unwrap(), b"\x01 not this");
}
