//! Nodes of one organisation find each other on a LAN, by multicast DNS.
//!
//! ```text
//!            tags given                         route found
//!   Silent ─────────────▶ looking for a route ──────────────▶ Announcing: query and answer
//!      ▲                    │  ▲ every 30 s                      │ a node with a tag of ours: `Found`
//!      └── no tags          └──┘ none: Trouble, told once         └── tags changed: announce anew
//! ```
//!
//! What is announced in the clear: the node's key, its addresses, and for each organisation a [`Tag`]: a hash that
//! says nothing to who doesn't know the organisation, and lets who knows it recognise it.
//! Whoever is on the LAN can announce anything. So a find is a reason to dial, and the gate decides.
//!
//! # Invariants
//! - Without tags, and if the node listens to its own machine alone, nothing is sent.
//! - Only addresses in a network of this machine's own interfaces are taken from a find.
//! - What is kept of finds is bounded; who never answers is given up by membership.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use iroh::TransportAddr;
use iroh::address_lookup::{AddressLookup, EndpointData, EndpointInfo};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use outlast_os::host::Network;
use outlast_types::{NodeId, VoId};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::TransportEvent;
use super::connection::ended;
use super::iroh_transport::{Inner, lock};
use super::peer::ADDRESSES;
use super::reach::Lan;

/// As it stands in the names: `KEY._outlast._udp.local`.
const SERVICE: &str = "outlast";

/// Between two questions on a LAN, whoever asks them: a new node is found about that soon.
const CADENCE: Duration = Duration::from_secs(1);

/// How often it is looked whether the addresses have changed, a route has appeared, or a node that was
/// found is to be greeted again.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Nodes that were found and are kept in mind.
const FOUND: usize = 256;

/// Tags in one announcement: what the text of a DNS record has room for, at 16 digits each.
pub const TAGS: usize = 15;

const TAG_BYTES: usize = 8;

/// Where multicast DNS is spoken (RFC 6762).
const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// An organisation, for those who know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; TAG_BYTES]);

impl Tag {
    /// The tag of an organisation.
    pub fn of(vo: &VoId) -> Self {
        let hash = blake3::derive_key("outlast 2026 LAN tag of an organisation", vo.as_bytes());
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash[..TAG_BYTES]);
        Self(tag)
    }
}

/// As announced: digits, one tag after the other.
fn write_tags(tags: &[Tag]) -> String {
    tags.iter().take(TAGS).map(|tag| format!("{:016x}", u64::from_be_bytes(tag.0))).collect()
}

/// What is no tag is passed over.
fn read_tags(text: &str) -> Vec<Tag> {
    let digits = text.as_bytes().chunks_exact(2 * TAG_BYTES).take(TAGS);
    digits
        .filter_map(|tag| u64::from_str_radix(std::str::from_utf8(tag).ok()?, 16).ok())
        .map(|tag| Tag(tag.to_be_bytes()))
        .collect()
}

/// What a LAN says of a node that shares a tag with this one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Find {
    node: NodeId,
    addresses: Vec<SocketAddr>,
}

fn find(info: &EndpointInfo, tags: &[Tag], networks: &[Network]) -> Option<Find> {
    let theirs = read_tags(info.user_data()?.as_ref());
    if !theirs.iter().any(|tag| tags.contains(tag)) {
        return None;
    }
    let near = |address: &&SocketAddr| {
        address.port() != 0 && networks.iter().any(|network| network.contains(address.ip()))
    };
    let addresses: Vec<SocketAddr> =
        info.ip_addrs().filter(near).take(ADDRESSES).copied().collect();
    let node = NodeId::from_bytes(*info.endpoint_id.as_bytes());
    (!addresses.is_empty()).then_some(Find { node, addresses })
}

/// Whether multicast can leave this machine; sends nothing.
///
/// # Errors
/// What is wrong, and what to do.
fn multicast_route(networks: &[Network]) -> Result<(), String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| error.to_string())?;
    let Err(error) = socket.connect(GROUP) else { return Ok(()) };
    let device = networks.iter().find(|network| !network.address.is_loopback());
    let device = device.map_or("DEVICE", |network| &network.name);
    Err(format!(
        "no multicast route ({error}), so nodes of the LAN don't find each other: `ip route add 224.0.0.0/4 dev {device}`, or join by a ticket"
    ))
}

/// Announces and listens for as long as there are tags.
pub(super) async fn run(inner: Arc<Inner>, mut tags: watch::Receiver<Vec<Tag>>) {
    let mut phase = inner.phase.subscribe();
    tokio::select! {
        () = async {
            loop {
                let mine = tags.borrow_and_update().clone();
                announce(&inner, &mine, &mut tags).await;
            }
        } => {}
        () = ended(&mut phase) => {}
    }
}

/// Until the tags change, or something has to be tried anew.
async fn announce(inner: &Arc<Inner>, mine: &[Tag], tags: &mut watch::Receiver<Vec<Tag>>) {
    let changed = async {
        if tags.changed().await.is_err() {
            // The transport is about to end, and this task with it.
            std::future::pending::<()>().await;
        }
    };
    if mine.is_empty() {
        inner.set_lan(Lan::Silent);
        return changed.await;
    }
    match start(inner, mine) {
        Ok(mdns) => {
            inner.set_lan(Lan::Announcing(0));
            tokio::select! {
                () = changed => {}
                () = listen(inner, mine, &mdns) => {}
            }
        }
        Err(trouble) => {
            if inner.set_lan(Lan::Trouble(trouble.clone())) {
                tracing::warn!("{trouble}");
            }
            let _ = tokio::time::timeout(LOOK_EVERY, changed).await;
        }
    }
}

fn start(inner: &Inner, mine: &[Tag]) -> Result<MdnsAddressLookup, String> {
    multicast_route(&networks())?;
    let mdns = MdnsAddressLookup::builder().service_name(SERVICE).discovery_cadence(CADENCE);
    let mdns = mdns.build(inner.endpoint.id()).map_err(|error| {
        format!("nodes of the LAN don't find each other: {error:#}; join by a ticket")
    })?;
    mdns.publish(&announcement(inner, mine));
    Ok(mdns)
}

fn announcement(inner: &Inner, mine: &[Tag]) -> EndpointData {
    let own = inner.listens();
    let addresses = own.iter().filter(|address| !address.ip().is_loopback());
    let mut data: EndpointData = addresses.map(|address| TransportAddr::Ip(*address)).collect();
    // It fits: `TAGS` says so.
    data.set_user_data(write_tags(mine).parse().ok());
    data
}

fn networks() -> Vec<Network> {
    outlast_os::host::networks().unwrap_or_default()
}

/// Returns if multicast DNS ends by itself.
async fn listen(inner: &Arc<Inner>, mine: &[Tag], mdns: &MdnsAddressLookup) {
    let mut events = mdns.subscribe().await;
    let mut found: BTreeMap<NodeId, Find> = BTreeMap::new();
    let mut look_at = Instant::now() + LOOK_EVERY;
    let mut published = announcement(inner, mine);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(DiscoveryEvent::Discovered { endpoint_info, .. }) => {
                    let Some(find) = find(&endpoint_info, mine, &networks()) else { continue };
                    if found.len() < FOUND || found.contains_key(&find.node) {
                        tell(inner, &find).await;
                        found.insert(find.node, find);
                        inner.set_lan(Lan::Announcing(found.len()));
                    }
                }
                Some(DiscoveryEvent::Expired { endpoint_id }) => {
                    found.remove(&NodeId::from_bytes(*endpoint_id.as_bytes()));
                    inner.set_lan(Lan::Announcing(found.len()));
                }
                Some(_) => {}
                None => return,
            },
            () = sleep_until(look_at) => {
                look_at = Instant::now() + LOOK_EVERY;
                let now = announcement(inner, mine);
                if now != published {
                    mdns.publish(&now);
                    published = now;
                }
                for find in found.values() {
                    tell(inner, find).await;
                }
            }
        }
    }
}

/// A node that this one is connected with needs no greeting.
async fn tell(inner: &Inner, find: &Find) {
    let connected = lock(&inner.peers).get(&find.node).is_some_and(|peer| peer.live().is_some());
    if !connected {
        let Find { node, addresses } = find.clone();
        inner.emit(TransportEvent::Found { node, addresses }).await;
    }
}

#[cfg(test)]
mod tests {
    use iroh::EndpointId;

    use super::*;

    fn tag(n: u8) -> Tag {
        Tag::of(&VoId::from_bytes([n; 32]))
    }

    fn info(tags: &str, addresses: &[&str]) -> EndpointInfo {
        let id = iroh::SecretKey::from_bytes(&[7; 32]).public();
        let mut data: EndpointData =
            addresses.iter().map(|address| TransportAddr::Ip(address.parse().unwrap())).collect();
        data.set_user_data(Some(tags.parse().unwrap()));
        EndpointInfo::from_parts(EndpointId::from(id), data)
    }

    fn lan() -> Vec<Network> {
        vec![Network { name: "e0".to_owned(), address: [10, 0, 0, 1].into(), prefix: 24 }]
    }

    #[test]
    fn tags_stay_the_same_and_fit_into_a_record() {
        assert_eq!(write_tags(&[tag(1)]).len(), 16);
        let tags: Vec<Tag> = (0..40).map(tag).collect();
        let text = write_tags(&tags);
        assert!(text.len() <= iroh::address_lookup::UserData::MAX_LENGTH);
        assert_eq!(read_tags(&text), tags[..TAGS]);
        assert_eq!(read_tags("what is no tag is passed over, as is a rest ü"), []);
        assert_eq!(read_tags(&text[..20]), tags[..1]);
    }

    #[test]
    fn only_nodes_with_a_common_tag_are_found() {
        let theirs = write_tags(&[tag(1), tag(2)]);
        let info = info(&theirs, &["10.0.0.5:7771"]);
        assert_eq!(find(&info, &[tag(3)], &lan()), None);
        let found = find(&info, &[tag(3), tag(2)], &lan()).unwrap();
        assert_eq!(found.addresses, ["10.0.0.5:7771".parse().unwrap()]);
    }

    #[test]
    fn addresses_elsewhere_are_not_taken_from_a_find() {
        let tags = write_tags(&[tag(1)]);
        let strange = ["192.0.2.1:7771", "127.0.0.1:22", "10.0.0.5:0", "10.0.0.6:7771"];
        let found = find(&info(&tags, &strange), &[tag(1)], &lan()).unwrap();
        assert_eq!(found.addresses, ["10.0.0.6:7771".parse().unwrap()]);
        assert_eq!(find(&info(&tags, &strange[..3]), &[tag(1)], &lan()), None);
    }
}
