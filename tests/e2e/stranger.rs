//! A peer that speaks our transport and nothing else of ours.

use std::net::SocketAddr;
use std::time::Duration;

use iroh::endpoint::{Connection, RelayMode, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId};
use outlast_types::Ticket;

/// Of the transport, as it stands on the wire.
const ALPN: &[u8] = b"outlast/2";

/// The greeting with which a connection begins: its length, version, `Hello`, nothing to show, no address seen.
const HELLO: [u8; 8] = [4, 0, 0, 0, 1, 0, 0, 0];

/// Far more than it takes, on loopback.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a node, properly, once for each kind of nonsense.
pub(crate) fn talk_nonsense(ticket: &str) {
    let ticket: Ticket = ticket.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A frame that is no message; a length that no frame has; one that never ends; no bytes at all.
        let mut frame = 300u32.to_le_bytes().to_vec();
        frame.extend((0..300u32).map(|n| (n * 7) as u8));
        let nonsense: [&[u8]; 4] = [&frame, &[0xff; 64], &[0, 1, 0, 0, 1, 2, 3], &[]];
        for bytes in nonsense {
            let said = tokio::time::timeout(PATIENCE, say(&ticket, bytes)).await;
            said.expect("the node takes it, or hangs up").unwrap();
        }
    });
}

async fn say(ticket: &Ticket, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .alpns(vec![ALPN.to_vec()])
        .bind()
        .await?;
    let connection = connect(&endpoint, ticket).await?;
    let (mut greeting, _answer) = connection.open_bi().await?;
    greeting.write_all(&HELLO).await?;
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

async fn connect(
    endpoint: &Endpoint,
    ticket: &Ticket,
) -> Result<Connection, Box<dyn std::error::Error>> {
    let id = EndpointId::from_bytes(ticket.node.as_bytes())?;
    let to = |address: &SocketAddr| EndpointAddr::new(id).with_ip_addr(*address);
    Ok(endpoint.connect(to(&ticket.addresses[0]), ALPN).await?)
}
