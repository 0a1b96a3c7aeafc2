//! A member that speaks our transport and nothing else of ours.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use iroh::endpoint::{Connection, ConnectionError, RelayMode, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, SecretKey};
use outlast_tests::{Node, SOON};
use outlast_types::{NodeId, wire};
use outlast_vo::{Keyring, Secret, Ticket, WallTime};

/// Of the transport, as it stands on the wire.
const ALPN: &[u8] = b"outlast/2";

/// The first variant of what is said at the beginning of a connection.
const HELLO: u32 = 0;

/// A greeting and an answer, with their lengths.
const GREETING_BYTES: usize = 1 << 17;

/// Connects to a node, properly, once for each kind of nonsense.
pub(crate) fn talk_nonsense(ticket: &str) {
    let ticket: Ticket = ticket.parse().unwrap();
    let secret = Secret::from_seed(&[0x6a; 32]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A frame that is no message; a length that no frame has; one that never ends; no bytes at all.
        let mut frame = 300u32.to_le_bytes().to_vec();
        frame.extend((0..300u32).map(|n| (n * 7) as u8));
        let nonsense: [&[u8]; 4] = [&frame, &[0xff; 64], &[0, 1, 0, 0, 1, 2, 3], &[]];
        for bytes in nonsense {
            let said = tokio::time::timeout(SOON, say(&ticket, &secret, bytes)).await;
            said.expect("the node takes it, or hangs up").unwrap();
        }
    });
}

async fn endpoint(seed: &[u8; 32]) -> Result<Endpoint, Box<dyn std::error::Error>> {
    Ok(Endpoint::builder(presets::Minimal)
        .secret_key(SecretKey::from_bytes(seed))
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .alpns(vec![ALPN.to_vec()])
        .bind()
        .await?)
}

async fn say(
    ticket: &Ticket,
    secret: &Secret,
    bytes: &[u8],
) -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = endpoint(secret.seed()).await?;
    let to = &ticket.nodes[0];
    let connection = connect(&endpoint, to.node, to.addresses[0]).await?;
    let (mut greeting, mut answer) = connection.open_bi().await?;
    let mut keyring = Keyring::new(secret.clone());
    // Asking again with the same ticket is allowed to the same node.
    keyring.join(wall(), ticket.clone())?;
    greeting.write_all(&hello(keyring.hello(wall(), to.node))).await?;
    // Once it is answered this is a member: all the rest is read.
    let mut length = [0; 4];
    answer.read_exact(&mut length).await?;
    answer.read_exact(&mut vec![0; u32::from_le_bytes(length) as usize]).await?;
    let mut stream = connection.open_uni().await?;
    stream.write_all(bytes).await?;
    stream.finish()?;
    // A request for a blob that is none.
    if let Ok((mut send, mut recv)) = connection.open_bi().await {
        let _ = send.write_all(bytes).await;
        let _ = send.finish();
        let _ = recv.read_to_end(1 << 20).await;
    }
    // Until all arrived, or the node has hung up.
    let _ = stream.stopped().await;
    endpoint.close().await;
    Ok(())
}

/// Asks a node to be let in, with the key of this seed, showing these bytes. Why it isn't.
pub(crate) fn knock(node: &Node<'_>, seed: &[u8; 32], shown: &[u8]) -> Result<(), String> {
    let status = node.status();
    let (id, address) = (status.id.parse().unwrap(), status.addresses[0].parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = endpoint(seed).await.unwrap();
        let connection = connect(&endpoint, id, address).await.unwrap();
        let (mut greeting, mut answer) = connection.open_bi().await.unwrap();
        greeting.write_all(&hello(shown.to_vec())).await.unwrap();
        let answered = answer.read_exact(&mut [0; 4]).await;
        let why = match answered {
            Ok(()) => Ok(()),
            Err(_) => match tokio::time::timeout(SOON, connection.closed()).await.unwrap() {
                ConnectionError::ApplicationClosed(close) => {
                    Err(String::from_utf8_lossy(&close.reason).into_owned())
                }
                other => panic!("{other}"),
            },
        };
        endpoint.close().await;
        why
    })
}

/// The time of day.
pub(crate) fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    WallTime::from_secs(since.as_secs())
}

/// What a dialler says first: its length, version, `Hello`, what is shown, no address seen.
fn hello(shown: Vec<u8>) -> Vec<u8> {
    let frame = wire::encode(&(HELLO, shown, None::<SocketAddr>), GREETING_BYTES).unwrap();
    let mut bytes = u32::try_from(frame.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(frame);
    bytes
}

async fn connect(
    endpoint: &Endpoint,
    node: NodeId,
    address: SocketAddr,
) -> Result<Connection, Box<dyn std::error::Error>> {
    let id = EndpointId::from_bytes(node.as_bytes())?;
    Ok(endpoint.connect(EndpointAddr::new(id).with_ip_addr(address), ALPN).await?)
}
