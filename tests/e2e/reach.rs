//! Nodes that reach each other: over routers, through NAT, by a relay, on a LAN.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use iroh::endpoint::{RecvStream, SendStream};
use outlast_node::transport::{
    BoxFuture, IrohTransport, Lan, NodeKey, OpenGate, StreamHandler, Tag, Transport,
    TransportEvent, TransportOptions, Violation,
};
use outlast_tests::gate::Gate;
use outlast_tests::network::internet::{Internet, Router};
use outlast_tests::network::{Host, Network};
use outlast_tests::relay::Relay;
use outlast_tests::{Node, SOON, World, skipped, until};
use outlast_types::{NodeId, VoId};
use tokio::sync::mpsc;

use crate::words;

/// A job of one node runs at the other one.
#[track_caller]
fn works_for(world: &World, worker: &Node<'_>, submitter: &Node<'_>) {
    let gate = Gate::closed(world);
    let mut client = submitter.start_outlast(&words(&["run"], &gate.sweep(2)));
    gate.runs_at(worker, 1);
    gate.open();
    client.ended(SOON).with_code(0);
    assert_eq!(gate.ended().len(), 2);
}

/// Under which addresses others see a node; empty: through a relay.
fn seen(node: &Node<'_>) -> Vec<String> {
    let observed = node.status().reach.observed;
    observed.into_iter().map(|observed| observed.address.unwrap_or_default()).collect()
}

#[test]
fn nodes_behind_routers_and_nat_join_by_ticket_and_work() {
    let world = World::new();
    let internet = match Internet::new() {
        Ok(internet) => internet,
        Err(why) => return skipped(&why),
    };
    let public = internet.host().unwrap();
    let (open, hidden) =
        (internet.home(Router::Plain).unwrap(), internet.home(Router::Nat).unwrap());
    let (there, home) = (open.host().unwrap(), hidden.host().unwrap());
    home.watch_all_but(&[&public.address, &there.address]);
    let a = Node::new(&world, "a", 0).on(&public).up();
    assert!(a.outlast(&["status"]).stdout.contains("nobody has seen this node yet"));
    let b = Node::new(&world, "b", 0).on(&there).join(&a).up();
    let c = Node::new(&world, "c", 2).on(&home).with(&["--no-lan"]).join(&a).up();
    for node in [&a, &b, &c] {
        node.knows(3);
    }
    // The router's address, and a port of its choice.
    until("c hears how it is seen", || {
        seen(&c).iter().any(|seen| seen.starts_with(&format!("{}:", hidden.outside))).then_some(())
    });
    until("b hears how it is seen", || {
        seen(&b).iter().any(|seen| seen.starts_with(&format!("{}:", there.address))).then_some(())
    });
    until("a hears it from both", || {
        a.outlast(&["status"]).stdout.contains(", seen by 2 nodes").then_some(())
    });
    works_for(&world, &c, &b);
    assert_eq!(home.packets_to_others(), 0, "it contacts only addresses that it was told");
}

#[test]
fn two_nodes_behind_nats_reach_each_other_by_a_relay_that_may_be_restarted() {
    let world = World::new();
    let internet = match Internet::new() {
        Ok(internet) => internet,
        Err(why) => return skipped(&why),
    };
    let public = internet.host().unwrap();
    let homes = [internet.home(Router::Nat).unwrap(), internet.home(Router::Nat).unwrap()];
    let [left, right] = homes.each_ref().map(|home| home.host().unwrap());
    right.watch_all_but(&[&public.address, &left.address, &homes[0].outside]);
    let mut relay = match Relay::start(&world, &public) {
        Ok(relay) => relay,
        Err(why) => return skipped(&why),
    };
    let options = ["--relay", &relay.url()];
    let a = Node::new(&world, "a", 0).on(&left).with(&options).up();
    connected(&a, true);
    let started = Instant::now();
    let b = Node::new(&world, "b", 2).on(&right).with(&options).with(&["--no-lan"]);
    let b = b.join(&a).up();
    a.knows(2);
    println!("joined by the relay after {} ms", started.elapsed().as_millis());
    b.knows(2);
    works_for(&world, &b, &a);
    println!("a is seen as {:?}, b as {:?}", seen(&a), seen(&b));
    assert_eq!(right.packets_to_others(), 0, "it contacts only addresses that it was told");

    relay.kill();
    connected(&a, false);
    assert!(a.outlast(&["status"]).stdout.contains(", not reached"));
    relay.restart();
    connected(&a, true);
    connected(&b, true);
    for node in [&a, &b] {
        node.knows(2);
    }
}

#[test]
fn whom_somebody_outside_has_seen_are_reached_through_their_nats_without_the_relay() {
    let world = World::new();
    let internet = match Internet::new() {
        Ok(internet) => internet,
        Err(why) => return skipped(&why),
    };
    let [public, outside] = [internet.host().unwrap(), internet.host().unwrap()];
    let homes = [internet.home(Router::Nat).unwrap(), internet.home(Router::Nat).unwrap()];
    let [left, right] = homes.each_ref().map(|home| home.host().unwrap());
    let mut relay = match Relay::start(&world, &public) {
        Ok(relay) => relay,
        Err(why) => return skipped(&why),
    };
    let options = ["--relay", &relay.url()];
    let a = Node::new(&world, "a", 0).on(&left).with(&options).up();
    connected(&a, true);
    let b = Node::new(&world, "b", 2).on(&right).with(&options).join(&a).up();
    a.knows(2);
    let c = Node::new(&world, "c", 0).on(&outside).with(&options).join(&a).up();
    for (node, home) in [(&a, &homes[0]), (&b, &homes[1])] {
        until("both others see the router's address", || {
            let observed = node.status().reach.observed;
            let at_router = |address: &String| address.starts_with(&format!("{}:", home.outside));
            let both = observed.iter().find(|seen| seen.address.as_ref().is_some_and(at_router));
            (both?.nodes == 2).then_some(())
        });
    }
    relay.kill();
    connected(&a, false);
    for node in [&a, &b, &c] {
        node.knows(3);
    }
    works_for(&world, &b, &a);
}

#[test]
fn while_a_relay_is_down_direct_ways_work_and_it_is_said_and_tried_again() {
    let world = World::new();
    let internet = match Internet::new() {
        Ok(internet) => internet,
        Err(why) => return skipped(&why),
    };
    let [left, right] = [internet.host().unwrap(), internet.host().unwrap()];
    let url = format!("http://{}:3340", right.address);
    let mut a = Node::new(&world, "a", 0).on(&left).with(&["--relay", &url]).up();
    let b = Node::new(&world, "b", 2).on(&right).join(&a).up();
    a.knows(2);
    works_for(&world, &b, &a);
    until("the log says that the relay isn't reached", || {
        let said = format!("no relay is reached: {url}");
        a.process().stderr().contains(&said).then_some(())
    });
    let _relay = match Relay::start(&world, &right) {
        Ok(relay) => relay,
        Err(why) => return skipped(&why),
    };
    connected(&a, true);
}

/// Waits until a node has a relay, or hasn't.
#[track_caller]
fn connected(node: &Node<'_>, wanted: bool) {
    until(&format!("the relay of {} is there: {wanted}", node.name()), || {
        let relays = node.status().reach.relays;
        (relays.iter().any(|relay| relay.connected) == wanted).then_some(())
    });
}

/// Nobody opens a stream here.
struct Nothing;

impl StreamHandler for Nothing {
    fn serve(&self, _: NodeId, _: SendStream, _: RecvStream) -> BoxFuture<Result<(), Violation>> {
        Box::pin(async { Ok(()) })
    }
}

/// A transport on a host, with its events. Its tasks end with the runtime.
struct OnLan {
    runtime: tokio::runtime::Runtime,
    transport: IrohTransport,
    events: mpsc::Receiver<TransportEvent>,
}

impl OnLan {
    /// Call it in a thread that is on the host.
    fn new(folder: &Path, host: &Host) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let folder = folder.join(&host.address);
        std::fs::create_dir_all(&folder).unwrap();
        let (send, events) = mpsc::channel(100);
        let options = TransportOptions {
            key: NodeKey::load_or_create(&folder).unwrap(),
            listen: vec![SocketAddr::new(host.address.parse().unwrap(), 0)],
            relays: Vec::new(),
            lan: true,
            gate: Arc::new(OpenGate),
            streams: Arc::new(Nothing),
            events: send,
        };
        let transport = runtime.block_on(IrohTransport::bind(options)).unwrap();
        Self { runtime, transport, events }
    }

    fn found(&mut self) -> (NodeId, Vec<SocketAddr>) {
        self.runtime.block_on(async {
            loop {
                let event = tokio::time::timeout(SOON, self.events.recv()).await.unwrap();
                if let TransportEvent::Found { node, addresses } = event.unwrap() {
                    return (node, addresses);
                }
            }
        })
    }
}

fn tag(vo: u8) -> Tag {
    Tag::of(&VoId::from_bytes([vo; 32]))
}

#[test]
fn nodes_of_one_organisation_find_each_other_on_a_lan_and_only_they() {
    let world = World::new();
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return skipped(&why),
    };
    let hosts = [network.host().unwrap(), network.host().unwrap(), network.host().unwrap()];
    for host in &hosts {
        host.multicast();
    }
    let ready = Barrier::new(hosts.len());
    let organisations = [[1, 2], [3, 1], [4, 5]];
    let folder = world.path("lan");
    let (folder, ready) = (&folder, &ready);
    let on_host = |number: usize| {
        let host = &hosts[number];
        host.run(move || {
            let mut lan = OnLan::new(folder, host);
            ready.wait();
            let started = Instant::now();
            lan.transport.announce(organisations[number].map(tag).to_vec());
            let found = (number < 2).then(|| lan.found());
            let took = started.elapsed();
            // Nobody leaves, and nobody is asked, before all who are to be found were.
            ready.wait();
            if number == 2 {
                assert!(lan.events.try_recv().is_err(), "an organisation of its own");
            }
            (lan.transport.id(), found, took)
        })
    };
    let [a, b, _] = std::thread::scope(|scope| {
        [0, 1, 2].map(|number| scope.spawn(move || on_host(number))).map(|t| t.join().unwrap())
    });
    let (found_by_a, found_by_b) = (a.1.unwrap(), b.1.unwrap());
    assert_eq!((found_by_a.0, found_by_b.0), (b.0, a.0));
    let at = |addresses: &[SocketAddr]| addresses[0].ip().to_string();
    assert_eq!(
        (at(&found_by_a.1), at(&found_by_b.1)),
        (hosts[1].address.clone(), hosts[0].address.clone())
    );
    println!("found after {} and {} ms", a.2.as_millis(), b.2.as_millis());
}

#[test]
fn members_find_each_other_on_a_lan_after_all_addresses_have_changed() {
    let world = World::new();
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return skipped(&why),
    };
    let [left, right] = [network.host().unwrap(), network.host().unwrap()];
    left.multicast();
    right.multicast();
    let mut a = Node::new(&world, "a", 0).on(&left).up();
    assert!(a.status().reach.lan.starts_with("silent"), "alone, it announces nothing");
    let mut b = Node::new(&world, "b", 2).on(&right).join(&a).up();
    a.knows(2);
    until("both announce themselves", || {
        let announced = |node: &Node<'_>| node.status().reach.lan.starts_with("announced");
        (announced(&a) && announced(&b)).then_some(())
    });
    for node in [&mut a, &mut b] {
        node.kill();
        node.moves();
    }
    a.start();
    b.start();
    let started = Instant::now();
    a.knows(2);
    println!("a member was found on the LAN after {} ms", started.elapsed().as_millis());
    works_for(&world, &b, &a);
}

#[test]
fn without_a_multicast_route_it_is_said_what_to_do_and_noticed_when_it_was_done() {
    let world = World::new();
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return skipped(&why),
    };
    let (host, folder) = (network.host().unwrap(), world.path("lan"));
    let trouble = host.run(|| {
        let lan = OnLan::new(&folder, &host);
        until("it has nothing to announce", || {
            (lan.transport.reach().lan == Lan::Silent).then_some(())
        });
        lan.transport.announce(vec![tag(1)]);
        let trouble = until("it sees that there is no route", || match lan.transport.reach().lan {
            Lan::Trouble(trouble) => Some(trouble),
            _ => None,
        });
        host.multicast();
        // Other tags make it look at once.
        lan.transport.announce(vec![tag(2)]);
        until("it announces", || {
            matches!(lan.transport.reach().lan, Lan::Announcing(_)).then_some(())
        });
        trouble
    });
    assert!(trouble.contains("`ip route add 224.0.0.0/4 dev eth0`"), "{trouble}");
}
