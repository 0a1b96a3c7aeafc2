use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::endpoint::{Connection, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode};
use outlast_types::limits;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

mod gates;

const DEADLINE: Duration = Duration::from_secs(30);

struct Node {
    folder: tempfile::TempDir,
    transport: IrohTransport,
    events: mpsc::Receiver<TransportEvent>,
}

/// Takes requests, and answers none that makes sense.
struct Nothing;

impl StreamHandler for Nothing {
    fn serve(
        &self,
        _: NodeId,
        _: SendStream,
        mut recv: RecvStream,
    ) -> BoxFuture<Result<(), Violation>> {
        Box::pin(async move {
            let read = recv.read_to_end(32).await;
            read.map(drop).map_err(|_| Violation("a request of more than 32 bytes".to_owned()))
        })
    }
}

async fn node_on(listen: Vec<SocketAddr>) -> Result<Node, TransportError> {
    node_with(listen, Arc::new(OpenGate)).await
}

async fn node_with(listen: Vec<SocketAddr>, gate: Arc<dyn Gate>) -> Result<Node, TransportError> {
    let folder = tempfile::tempdir().unwrap();
    let (send, events) = mpsc::channel(100);
    let options = TransportOptions {
        key: NodeKey::load_or_create(folder.path()).unwrap(),
        listen,
        relays: Vec::new(),
        lan: false,
        streams: Arc::new(Nothing),
        gate,
        events: send,
    };
    let transport = IrohTransport::bind(options).await?;
    Ok(Node { folder, transport, events })
}

async fn node() -> Node {
    node_on(vec!["127.0.0.1:0".parse().unwrap()]).await.unwrap()
}

async fn pair() -> (Node, Node) {
    let (a, b) = (node().await, node().await);
    a.transport.learn(b.transport.id(), &b.transport.addresses(), None);
    (a, b)
}

impl Node {
    async fn event(&mut self) -> TransportEvent {
        timeout(DEADLINE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn frame(&mut self) -> Bytes {
        match self.event().await {
            TransportEvent::Frame { frame, .. } => frame,
            event => panic!("expected a frame, found {event:?}"),
        }
    }

    async fn until_down(&mut self, node: NodeId) {
        while self.event().await != (TransportEvent::Down { node }) {}
    }

    fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        counter(self.transport.counters()).load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_in_order_both_ways_over_one_dial() {
    let (mut a, mut b) = pair().await;
    for i in 0..2000_u32 {
        a.transport.send(b.transport.id(), Bytes::from(i.to_le_bytes().to_vec()));
    }
    let from = a.transport.id();
    for i in 0..2000_u32 {
        let frame = Bytes::from(i.to_le_bytes().to_vec());
        assert_eq!(b.event().await, TransportEvent::Frame { from, frame });
    }
    // B was never told where A is.
    b.transport.send(a.transport.id(), Bytes::from_static(b"back"));
    assert_eq!(a.frame().await, "back");
    a.transport.shutdown().await;
    b.until_down(from).await;
    b.transport.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_queued_before_the_shutdown_arrive() {
    let (a, mut b) = pair().await;
    let to = b.transport.id();
    a.transport.send(to, Bytes::from_static(b"first"));
    assert_eq!(b.frame().await, "first");
    let receive = async {
        for _ in 0..50 {
            b.frame().await;
        }
        assert_eq!(b.frame().await, "leaving");
    };
    // Far less than a busy machine can send in the two seconds that a goodbye may take.
    for _ in 0..50 {
        a.transport.send(to, Bytes::from(vec![7; 10_000]));
    }
    a.transport.send(to, Bytes::from_static(b"leaving"));
    tokio::join!(a.transport.shutdown(), receive);
    a.transport.send(to, Bytes::from_static(b"too late"));
    assert_eq!(a.count(|c| &c.frames_dropped), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_dial_each_other_at_once_hear_each_other() {
    let (mut a, mut b) = pair().await;
    b.transport.learn(a.transport.id(), &a.transport.addresses(), None);
    a.transport.send(b.transport.id(), Bytes::from_static(b"from a"));
    b.transport.send(a.transport.id(), Bytes::from_static(b"from b"));
    assert_eq!(a.frame().await, "from b");
    assert_eq!(b.frame().await, "from a");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_frame_arrives_and_a_larger_one_is_dropped_and_counted() {
    let (a, mut b) = pair().await;
    let frame = |length| Bytes::from(vec![7; length]);
    a.transport.send(b.transport.id(), frame(limits::FRAME_BYTES + 1));
    a.transport.send(b.transport.id(), Bytes::new());
    a.transport.send(b.transport.id(), frame(limits::FRAME_BYTES));
    assert_eq!(b.frame().await, frame(limits::FRAME_BYTES));
    assert_eq!(a.count(|c| &c.frames_dropped), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_drops_the_newest_and_counts_it() {
    let (a, mut b) = pair().await;
    let sent = 2 * peer::QUEUE_FRAMES as u64;
    for _ in 0..sent {
        a.transport.send(b.transport.id(), Bytes::from(vec![0; 100_000]));
    }
    assert!(a.count(|c| &c.frames_dropped) > sent / 2);
    b.frame().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_to_oneself_arrives() {
    let mut a = node().await;
    let from = a.transport.id();
    a.transport.send(from, Bytes::from_static(b"me"));
    let frame = Bytes::from_static(b"me");
    assert_eq!(a.event().await, TransportEvent::Frame { from, frame });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_an_unknown_address_are_no_connection() {
    let (mut a, b) = pair().await;
    let other = NodeKey::generate().id();
    let error = a.transport.open(other).await.unwrap_err().to_string();
    assert!(error.ends_with("no address is known"), "{error}");
    a.transport.learn(other, &b.transport.addresses(), None);
    a.transport.send(other, Bytes::from_static(b"x"));
    a.until_down(other).await;
    assert_eq!(b.count(|c| &c.frames_received), 0);
    assert_eq!(a.count(|c| &c.frames_dropped), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_begins_anew_when_the_node_is_found_somewhere_else() {
    let (a, mut b) = (node().await, node().await);
    let id = b.transport.id();
    // Takes what comes and never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    a.transport.learn(id, &[silent.local_addr().unwrap()], None);
    a.transport.send(id, Bytes::from_static(b"found"));
    // The dial has begun once a packet is there.
    tokio::task::spawn_blocking(move || silent.recv(&mut [0; 2000]).unwrap()).await.unwrap();
    a.transport.learn(id, &b.transport.addresses(), None);
    // Had the first dial been given up, the frame would have been dropped with it.
    assert_eq!(b.frame().await, "found");
    assert_eq!(a.count(|c| &c.frames_dropped), 0);
}

#[test]
fn a_killed_peer_is_noticed_and_heard_again_when_it_is_back() {
    let here = tokio::runtime::Runtime::new().unwrap();
    let there = tokio::runtime::Runtime::new().unwrap();
    let mut a = here.block_on(node());
    let mut b = there.block_on(node());
    let id = b.transport.id();
    a.transport.learn(id, &b.transport.addresses(), None);
    a.transport.send(id, Bytes::from_static(b"x"));
    assert_eq!(there.block_on(b.frame()), "x");
    // All its tasks stop in the middle, without a goodbye.
    there.shutdown_background();
    here.block_on(a.until_down(id));

    let options = TransportOptions {
        key: NodeKey::load_or_create(b.folder.path()).unwrap(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        relays: Vec::new(),
        lan: false,
        gate: Arc::new(OpenGate),
        streams: Arc::new(Nothing),
        events: mpsc::channel(1).0,
    };
    let again = here.block_on(IrohTransport::bind(options)).unwrap();
    assert_eq!(again.id(), id);
    again.learn(a.transport.id(), &a.transport.addresses(), None);
    again.send(a.transport.id(), Bytes::from_static(b"back"));
    assert_eq!(here.block_on(a.frame()), "back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let a = node().await;
    let listen = a.transport.addresses();
    let error = node_on(listen.clone()).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("listening on {}: ", listen[0])), "{error}");
    let twice = vec!["127.0.0.1:0".parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
    assert!(matches!(node_on(twice).await.err(), Some(TransportError::Listen(_))));
}

/// Somebody who speaks QUIC and our protocol's name, and nothing else of it.
async fn stranger(to: &Node) -> (Endpoint, Connection) {
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0".parse::<SocketAddr>().unwrap())
        .unwrap()
        .bind()
        .await
        .unwrap();
    let id = EndpointId::from_bytes(to.transport.id().as_bytes()).unwrap();
    let target = EndpointAddr::new(id).with_ip_addr(to.transport.addresses()[0]);
    let connection = endpoint.connect(target, b"outlast/2").await.unwrap();
    (endpoint, connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_a_rule_loses_the_connection_and_nobody_else_does() {
    let (a, mut b) = pair().await;
    for case in 0..3 {
        let (_endpoint, connection) = stranger(&b).await;
        let open: Arc<dyn Gate> = Arc::new(OpenGate);
        let _control = admission::ask(&open, b.transport.id(), &connection).await.unwrap();
        match case {
            0 => {
                let mut stream = connection.open_uni().await.unwrap();
                stream.write_all(b"GET / HTTP/1.1").await.unwrap();
            }
            1 => {
                for _ in 0..2 {
                    let mut stream = connection.open_uni().await.unwrap();
                    stream.write_all(&[1, 0, 0, 0, 9]).await.unwrap();
                    std::mem::forget(stream);
                }
            }
            _ => {
                let (mut send, _recv) = connection.open_bi().await.unwrap();
                send.write_all(&[0; 100]).await.unwrap();
                send.finish().unwrap();
            }
        }
        let reason = timeout(DEADLINE, connection.closed()).await.unwrap().to_string();
        let expected = [
            "a frame of 542393671 bytes, expected 1 to 4194304",
            "a second stream of frames",
            "a request of more than 32 bytes",
        ];
        assert!(reason.contains(expected[case]), "{reason}");
        assert_eq!(b.count(|c| &c.violations), case as u64 + 1);
    }
    a.transport.send(b.transport.id(), Bytes::from_static(b"still here"));
    while !matches!(b.event().await, TransportEvent::Frame { frame, .. } if frame == "still here") {
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_refused() {
    let b = node().await;
    let (endpoint, connection) = stranger(&b).await;
    connection.close(VarInt::from_u32(0), b"");
    let id = EndpointId::from_bytes(b.transport.id().as_bytes()).unwrap();
    let target = EndpointAddr::new(id).with_ip_addr(b.transport.addresses()[0]);
    assert!(endpoint.connect(target, b"outlast/0").await.is_err());
}

/// Not a test of right or wrong: prints what frames cost. `--run-ignored all --no-capture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn frames_per_second() {
    let (a, mut b) = pair().await;
    let (count, frame) = (100_000_u32, Bytes::from(vec![7; 200]));
    let started = Instant::now();
    let mut received = 0;
    for sent in 0..count {
        a.transport.send(b.transport.id(), frame.clone());
        // Half a queue ahead at most, so that none is dropped.
        while sent - received > peer::QUEUE_FRAMES as u32 / 2 {
            b.frame().await;
            received += 1;
        }
    }
    while received < count {
        b.frame().await;
        received += 1;
    }
    println!("{:.0} frames per second", f64::from(count) / started.elapsed().as_secs_f64());
}
