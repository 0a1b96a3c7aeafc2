use std::time::{Duration, Instant};

use outlast_stage::chunks::{ChunkList, Chunker};
use outlast_stage::wire::ListAnswer;
use tokio::sync::mpsc;

use super::*;
use crate::transport::{
    BoxFuture, IrohTransport, NodeKey, OpenGate, StreamHandler, TransportEvent, TransportOptions,
    Violation,
};

const DEADLINE: Duration = Duration::from_secs(60);

const HOLDER: Holder = Holder::Passing(u64::MAX);

struct Node {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    transport: Arc<IrohTransport>,
    transfers: Arc<Transfers>,
    moved: Arc<Moved>,
    _events: mpsc::Receiver<TransportEvent>,
}

async fn node() -> Node {
    node_with(|store, moved| Arc::new(Server::new(store, moved))).await
}

async fn node_with(streams: impl FnOnce(Arc<Store>, Arc<Moved>) -> Arc<dyn StreamHandler>) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let (store, moved) = (Store::open(folder.path()).unwrap(), Arc::<Moved>::default());
    let (events, _events) = mpsc::channel(100);
    let options = TransportOptions {
        key: NodeKey::load_or_create(folder.path()).unwrap(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        relays: Vec::new(),
        lan: false,
        streams: streams(Arc::clone(&store), Arc::clone(&moved)),
        gate: Arc::new(OpenGate),
        events,
    };
    let transport = Arc::new(IrohTransport::bind(options).await.unwrap());
    let transfers = Transfers::new(transport.clone(), Arc::clone(&store), Arc::clone(&moved));
    Node { folder, store, transport, transfers: Arc::new(transfers), moved, _events }
}

impl Node {
    fn id(&self) -> NodeId {
        self.transport.id()
    }

    fn knows(&self, other: &Self) {
        self.transport.learn(other.id(), &other.transport.addresses(), None);
    }

    fn put(&self, bytes: &[u8]) -> (Hash, u64) {
        let file = self.folder.path().join("to-be-put");
        std::fs::write(&file, bytes).unwrap();
        self.store.put_file(&std::fs::File::open(&file).unwrap(), false, HOLDER).unwrap()
    }

    async fn get(&self, origin: &Self, blobs: &[(Hash, u64)]) -> Result<(), TransferError> {
        let wanted = self.wanted(origin, blobs);
        tokio::time::timeout(DEADLINE, self.transfers.get(&wanted)).await.unwrap()
    }

    fn wanted(&self, origin: &Self, blobs: &[(Hash, u64)]) -> Wanted {
        let (origin, blobs) = (origin.id(), blobs.iter().copied().collect());
        Wanted { origin, group: Some(Hash::of(b"the tree")), blobs, holder: HOLDER }
    }

    fn fetched(&self) -> u64 {
        self.moved.fetched.load(Ordering::Relaxed)
    }

    fn served(&self) -> u64 {
        self.moved.served.load(Ordering::Relaxed)
    }

    fn in_folder(&self, name: &str) -> usize {
        std::fs::read_dir(self.folder.path().join("blobs").join(name)).unwrap().count()
    }
}

fn bytes(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_and_large_blobs_arrive_once_and_cost_nothing_again() {
    let (a, b) = (node().await, node().await);
    b.knows(&a);
    let sizes = [0, 1, 1000, 256 << 10, (256 << 10) + 1, 10 << 20];
    let mut all: Vec<Vec<u8>> = (0..).zip(sizes).map(|(n, size)| bytes(n, size)).collect();
    all.extend((100..600).map(|n| bytes(n, 100)));
    let blobs: Vec<(Hash, u64)> = all.iter().map(|bytes| a.put(bytes)).collect();
    b.get(&a, &blobs).await.unwrap();
    for (bytes, (hash, _)) in all.iter().zip(&blobs) {
        assert!(b.store.read(hash).unwrap() == *bytes);
    }
    let total: u64 = blobs.iter().map(|(_, length)| length).sum();
    assert_eq!(b.fetched(), total);
    b.get(&a, &blobs).await.unwrap();
    assert_eq!(b.fetched(), total);
    assert_eq!((b.in_folder("part"), b.in_folder("tmp")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_interrupted_goes_on_where_it_was() {
    let (a, mut b) = (node().await, node().await);
    b.knows(&a);
    let bytes = bytes(1, 48 << 20);
    let blob = a.put(&bytes);
    for round in 1..=4 {
        let wanted = b.wanted(&a, &[blob]);
        tokio::select! {
            result = b.transfers.get(&wanted) => panic!("it was too quick to be cut: {result:?}"),
            () = until("some of it", || b.fetched() >= round * (4 << 20)) => {}
        }
        if round == 2 {
            // Also over a restart.
            let (folder, moved) = (b.folder, Arc::clone(&b.moved));
            b.transport.shutdown().await;
            drop((b.store, b.transfers));
            let fresh = node().await;
            fresh.knows(&a);
            let store = Store::open(folder.path()).unwrap();
            let transfers = Transfers::new(fresh.transport.clone(), store.clone(), moved.clone());
            b = Node { folder, store, transfers: Arc::new(transfers), moved, ..fresh };
        }
    }
    b.get(&a, &[blob]).await.unwrap();
    assert!(b.store.read(&blob.0).unwrap() == bytes);
    // What was under way when it was cut comes twice.
    assert!(b.fetched() < (48 << 20) + 4 * (16 << 20), "{}", b.fetched());
    assert!(b.moved.resumed.load(Ordering::Relaxed) > 8 << 20);
    assert_eq!(b.in_folder("part"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_the_same_at_the_same_time_gets_it_once() {
    let (a, b) = (node().await, node().await);
    b.knows(&a);
    let blobs = [a.put(&bytes(1, 8 << 20)), a.put(&bytes(2, 5000)), a.put(&bytes(3, 4 << 20))];
    let (first, second, third) =
        tokio::join!(b.get(&a, &blobs[..2]), b.get(&a, &blobs[1..]), b.get(&a, &blobs));
    first.and(second).and(third).unwrap();
    assert!(blobs.iter().all(|(hash, _)| b.store.has(hash)));
    assert_eq!(b.fetched(), blobs.iter().map(|(_, length)| length).sum::<u64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_node_gets_it_from_the_second() {
    let (a, b, c) = (node().await, node().await, node().await);
    b.knows(&a);
    c.knows(&a);
    c.knows(&b);
    let mut blobs = vec![a.put(&bytes(1, 24 << 20))];
    blobs.extend((10..60).map(|n| a.put(&bytes(n, 2000))));
    b.get(&a, &blobs).await.unwrap();
    // They are members of a grid: connected, as a rule.
    drop(c.transport.open(b.id()).await.unwrap());
    let before = a.served();
    c.get(&a, &blobs).await.unwrap();
    let total: u64 = blobs.iter().map(|(_, length)| length).sum();
    assert_eq!(c.fetched(), total);
    assert!(b.served() > total / 4, "{} by the second", b.served());
    assert!(a.served() - before < total, "{} by the first", a.served() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_percent_changed_costs_a_few_percent() {
    let (a, b) = (node().await, node().await);
    b.knows(&a);
    let old = bytes(1, 32 << 20);
    let blob = a.put(&old);
    b.get(&a, &[blob]).await.unwrap();
    let mut new = old;
    // In one place, with another length.
    new.splice(7 << 20..(7 << 20) + (300 << 10), bytes(2, 333_333));
    let blob = a.put(&new);
    let before = b.fetched();
    b.get(&a, &[blob]).await.unwrap();
    assert!(b.store.read(&blob.0).unwrap() == new);
    assert!(b.fetched() - before < (32 << 20) / 25, "{}", b.fetched() - before);
    assert!(b.moved.known.load(Ordering::Relaxed) > 30 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_damaged_at_the_origin_does_not_arrive() {
    let (a, b) = (node().await, node().await);
    b.knows(&a);
    let missing = (Hash::of(b"missing"), 1 << 20);
    let error = b.get(&a, &[missing]).await.unwrap_err();
    assert!(matches!(error, TransferError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("doesn't have blob"), "{error}");
    let blobs = [a.put(&bytes(1, 1000)), a.put(&bytes(2, 1 << 20))];
    for (hash, length) in blobs {
        let path = a.store.path(&hash).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![7; length as usize]).unwrap();
    }
    let error = b.get(&a, &blobs).await.unwrap_err();
    assert!(error.to_string().contains("sent something else"), "{error}");
    assert!(blobs.iter().all(|(hash, _)| !b.store.has(hash)));
}

/// Gives lists of other content.
struct Liar {
    list: ChunkList,
    bytes: Vec<u8>,
}

impl StreamHandler for Liar {
    fn serve(
        &self,
        _: NodeId,
        mut send: iroh::endpoint::SendStream,
        mut recv: iroh::endpoint::RecvStream,
    ) -> BoxFuture<Result<(), Violation>> {
        use outlast_stage::wire::{PieceHeader, Request, indexes};
        let (list, bytes) = (self.list.clone(), self.bytes.clone());
        Box::pin(async move {
            while let Ok(request) = io::frame(&mut recv, 1 << 20, DEADLINE).await {
                let answer = match Request::decode(&request).unwrap() {
                    Request::List { .. } => {
                        let frame = list.encode();
                        let (length, list) = (bytes.len() as u64, frame.len() as u32);
                        [ListAnswer::Chunks { length, list }.encode(), frame].concat()
                    }
                    Request::Pieces { runs, .. } => {
                        let mut answer = Vec::new();
                        for index in indexes(&runs) {
                            let range = list.range(index).unwrap();
                            let piece = &bytes[range.start as usize..range.end as usize];
                            answer.extend(PieceHeader::Found(piece.len() as u32).encode());
                            answer.extend_from_slice(piece);
                        }
                        answer
                    }
                    _ => return Ok(()),
                };
                io::write(&mut send, answer).await.unwrap();
            }
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_something_else_is_found_out_and_does_no_lasting_harm() {
    let (lie, truth) = (bytes(1, 2 << 20), bytes(2, 2 << 20));
    let mut chunker = Chunker::new();
    chunker.push(&lie);
    let liar = Liar { list: chunker.finish().list, bytes: lie };
    let (a, b) = (node_with(|_, _| Arc::new(liar)).await, node().await);
    let honest = node().await;
    b.knows(&a);
    b.knows(&honest);
    let blob = honest.put(&truth);
    let error = b.get(&a, &[blob]).await.unwrap_err();
    assert!(matches!(error, TransferError::Wrong(_)), "{error}");
    assert!(!b.store.has(&blob.0));
    assert_eq!((b.in_folder("part"), b.in_folder("lists")), (0, 0));
    b.get(&honest, &[blob]).await.unwrap();
    assert!(b.store.read(&blob.0).unwrap() == truth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_too_much_costs_the_connection() {
    let (a, b) = (node().await, node().await);
    b.knows(&a);
    let (mut send, _recv) = b.transport.open(a.id()).await.unwrap();
    send.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
    until("the violation counts", || {
        a.transport.counters().violations.load(Ordering::Relaxed) == 1
    })
    .await;
}
