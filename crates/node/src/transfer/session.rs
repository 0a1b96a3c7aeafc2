//! One set of blobs, from the first question to the last byte.
//!
//! ```text
//!   large blob:  list from the origin ─▶ what is here is hashed, known chunks are copied ─▶ wanted
//!   small blob:  ─────────────────────────────────────────────────────────────────────▶ wanted
//!   all pieces of a blob here ─▶ its own hash ─▶ done
//! ```
//!
//! A few large blobs are under way at a time; small ones are wanted all at once. Other nodes that fetch the same are
//! learned from the origin, again and again while it lasts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_stage::bitmap::Bitmap;
use outlast_stage::chunks::{ChunkList, WHOLE_BYTES};
use outlast_stage::swarm::{Ask, Effect, Event, Swarm};
use outlast_stage::wire::{
    HAVE_ANSWER_BYTES, HOLDERS_ANSWER_BYTES, Have, LIST_ANSWER_BYTES, ListAnswer, Request,
    decode_holders,
};
use outlast_types::{Hash, NodeId, Time};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::io::{IoError, STALL, blocking, exact, frame, write};
use super::lane::{Errand, Handle, Lane, News};
use super::{Nodes, TransferError, Transfers, Wanted, add};
use crate::store::{KnownChunks, Partial, StoreError};
use crate::transport::Transport;

/// Large blobs under way at a time: each has an open file and a list.
const LARGE: usize = 8;

/// Streams to one node: one is written to the disk while another is read.
const LANES: usize = 2;

/// News that wait for the session.
const NEWS: usize = 1024;

/// How often the origin is asked who else fetches this.
const ASK_HOLDERS: Duration = Duration::from_secs(2);

/// Bytes from which on it is worth a question who else has them before the first is fetched.
const WORTH_ASKING: u64 = 1 << 20;

/// A node that couldn't be reached is not tried again before.
const LOST_FOR: Duration = Duration::from_secs(20);

/// How long the origin is tried for a list: it may be started again.
const LIST_PATIENCE: Duration = Duration::from_secs(20);

/// Between two attempts.
const LIST_PAUSE: Duration = Duration::from_millis(500);

/// Something that was prepared or finished on the side.
enum Side {
    Ready(Result<(Arc<Partial>, Arc<KnownChunks>), TransferError>),
    Finished(Result<(), StoreError>),
    Holders(Vec<NodeId>),
    Has(NodeId, Result<Vec<(Hash, Have)>, String>),
}

struct Session<'a> {
    transfers: &'a Transfers,
    wanted: &'a Wanted,
    start: Instant,
    swarm: Swarm,
    large: VecDeque<(Hash, u64)>,
    partials: HashMap<Hash, Arc<Partial>>,
    lengths: HashMap<Hash, u64>,
    /// Held here, so that it is made once for all blobs.
    known: Option<Arc<KnownChunks>>,
    lanes: BTreeMap<u64, Handle>,
    next_lane: u64,
    news: mpsc::Sender<News>,
    side: JoinSet<Side>,
    preparing: usize,
    finishing: usize,
    lost: HashMap<NodeId, Instant>,
    /// Who is asked besides the origin; nobody was asked yet.
    others: Option<Vec<NodeId>>,
    failure: Option<TransferError>,
}

/// Fetches these blobs of what is wanted.
pub(super) async fn run(
    transfers: &Transfers,
    wanted: &Wanted,
    blobs: &BTreeMap<Hash, u64>,
) -> Result<(), TransferError> {
    let (news, heard) = mpsc::channel(NEWS);
    let mut session = Session {
        transfers,
        wanted,
        start: Instant::now(),
        swarm: Swarm::new(transfers.seed),
        large: VecDeque::new(),
        partials: HashMap::new(),
        lengths: blobs.iter().map(|(hash, length)| (*hash, *length)).collect(),
        known: None,
        lanes: BTreeMap::new(),
        next_lane: 0,
        news,
        side: JoinSet::new(),
        preparing: 0,
        finishing: 0,
        lost: HashMap::new(),
        others: None,
        failure: None,
    };
    // Otherwise much of it would be on its way from the origin already.
    let others = match wanted.group {
        Some(group) if blobs.values().sum::<u64>() >= WORTH_ASKING => {
            let asked = holders(&*transfers.transport, wanted.origin, group);
            timeout(ASK_HOLDERS, asked).await.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    session.begin(blobs, others);
    session.go(heard).await
}

impl Session<'_> {
    fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.swarm.on_event(self.now(), event, &mut effects);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn begin(&mut self, blobs: &BTreeMap<Hash, u64>, others: Vec<NodeId>) {
        let store = Arc::clone(&self.transfers.store);
        for (&blob, &length) in blobs {
            if length > WHOLE_BYTES {
                self.large.push_back((blob, length));
            } else if length == 0 {
                if let Err(error) = store.put_bytes(&[], self.wanted.holder) {
                    self.failure = Some(error.into());
                }
            } else {
                let lengths = vec![length as u32];
                self.tell(Event::Want { blob, lengths, here: Bitmap::none(1) });
            }
        }
        self.others = Some(others);
        self.prepare();
        if self.preparing == 0 {
            self.begin_to_ask();
        }
    }

    /// Now that something of everything is wanted: a survey asks about all that is.
    fn begin_to_ask(&mut self) {
        if let Some(others) = self.others.take() {
            self.on_side(Side::Holders(others));
            self.tell(Event::Source { node: self.wanted.origin, origin: true });
        }
    }

    async fn go(mut self, mut heard: mpsc::Receiver<News>) -> Result<(), TransferError> {
        let mut ask_holders = tokio::time::interval(ASK_HOLDERS);
        ask_holders.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let busy = self.preparing + self.finishing + self.large.len();
            if busy == 0 && self.swarm.missing() == 0 {
                return Ok(());
            }
            let now = self.now();
            let wait = self.swarm.next_tick().since(now).min(ASK_HOLDERS);
            tokio::select! {
                // The session holds a sender itself.
                Some(news) = heard.recv() => {
                    self.hear(news);
                    while let Ok(news) = heard.try_recv() {
                        self.hear(news);
                    }
                }
                Some(done) = self.side.join_next() => {
                    // An error says that the runtime goes down.
                    if let Ok(done) = done { self.on_side(done) }
                }
                _ = ask_holders.tick(), if self.wanted.group.is_some() => self.ask_holders(),
                () = tokio::time::sleep(wait) => self.tell(Event::Tick),
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Swarm(event) => self.tell(event),
            News::Over(lane, request) => {
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.owed.remove(&request);
                }
            }
            News::Closed { lane, reason } => {
                let Some(mut handle) = self.lanes.remove(&lane) else { return };
                for (request, ()) in std::mem::take(&mut handle.owed) {
                    self.tell(Event::Broke { request, reason: reason.clone() });
                }
            }
            News::Store(error) => self.failure = Some(error.into()),
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Request { node, request, ask } => {
                let partial = match &ask {
                    Ask::Pieces { blob, .. } => self.partials.get(blob).cloned(),
                    Ask::Blobs(_) => None,
                };
                let length = |blob: &Hash| self.lengths.get(blob).map_or(0, |&n| n as u32);
                let lengths = match (&ask, &partial) {
                    (Ask::Pieces { indexes, .. }, Some(partial)) => {
                        let chunks = partial.list().chunks();
                        indexes.iter().map(|&i| chunks[i as usize].length).collect()
                    }
                    // A blob of one piece may be asked for as such, too.
                    (Ask::Pieces { blob, indexes }, None) => {
                        indexes.iter().map(|_| length(blob)).collect()
                    }
                    (Ask::Blobs(blobs), _) => blobs.iter().map(length).collect(),
                };
                self.send(node, Errand { request, ask, lengths, partial });
            }
            Effect::Cancel { node, request } => {
                let of = |handle: &&mut Handle| handle.node == node;
                for handle in self.lanes.values_mut().filter(of) {
                    handle.owed.remove(&request);
                }
                // One that owes nothing else is stuck, or sends what nobody waits for.
                self.lanes.retain(|_, handle| handle.node != node || !handle.owed.is_empty());
            }
            Effect::Survey { node, blobs } => self.survey(node, blobs),
            Effect::Complete { blob } => self.complete(blob),
            Effect::Done => {}
            Effect::Failed(failure) => {
                self.failure = Some(TransferError::Unavailable(failure.to_string()));
            }
        }
    }

    /// On the lane of this node that owes least.
    fn send(&mut self, node: NodeId, errand: Errand) {
        let own = self.lanes.iter().filter(|(_, handle)| handle.node == node);
        let (count, least) = own.fold((0, None), |(count, least), (number, handle)| {
            let owed = handle.owed.len();
            (count + 1, least.filter(|&(less, _)| less <= owed).or(Some((owed, *number))))
        });
        let number = match least {
            Some((owed, number)) if owed == 0 || count == LANES => number,
            _ => self.open_lane(node),
        };
        let Some(handle) = self.lanes.get_mut(&number) else { return };
        handle.owed.insert(errand.request, ());
        // If it closed just now, that is heard soon, with what it owes.
        let _ = handle.errands.send(errand);
    }

    fn open_lane(&mut self, node: NodeId) -> u64 {
        let number = self.next_lane;
        self.next_lane += 1;
        // What is in it was asked of one source and not answered: the swarm bounds that.
        let (errands, queue) = mpsc::unbounded_channel();
        let lane = Lane {
            number,
            node,
            transport: Arc::clone(&self.transfers.transport),
            store: Arc::clone(&self.transfers.store),
            holder: self.wanted.holder,
            moved: Arc::clone(&self.transfers.moved),
            news: self.news.clone(),
        };
        let task = tokio::spawn(lane.run(queue));
        self.lanes.insert(number, Handle { node, errands, owed: BTreeMap::new(), task });
        number
    }

    /// Begins with the next large blobs.
    fn prepare(&mut self) {
        while self.preparing + self.partials.len() < LARGE
            && let Some((hash, length)) = self.large.pop_front()
        {
            self.preparing += 1;
            let transport = Arc::clone(&self.transfers.transport);
            let (store, moved) =
                (Arc::clone(&self.transfers.store), Arc::clone(&self.transfers.moved));
            let (origin, holder) = (self.wanted.origin, self.wanted.holder);
            self.side.spawn(async move {
                let ready = async {
                    let list = match store.kept(&hash, length) {
                        Some(list) => list,
                        None => patiently(&*transport, origin, hash, length).await?,
                    };
                    let begun = blocking(move || {
                        let partial = Partial::begin(&store, hash, list, holder)?;
                        let have = partial.have();
                        let here = have.iter().map(|i| partial.list().chunks()[i as usize].length);
                        add(&moved.resumed, here.map(u64::from).sum());
                        let known = store.known_chunks();
                        add(&moved.known, store.copy_known(&partial, &known));
                        Ok((partial, known))
                    });
                    let begun = begun.await.map_err(|e| TransferError::Store(e.to_string()))?;
                    begun.map_err(|error: StoreError| error.into())
                };
                Side::Ready(ready.await)
            });
        }
    }

    /// All pieces of a blob are here.
    fn complete(&mut self, blob: Hash) {
        let Some(partial) = self.partials.remove(&blob) else { return };
        self.finishing += 1;
        self.side.spawn(async move {
            let finished = blocking(move || partial.finish()).await;
            let finished = finished.unwrap_or(Err(StoreError::Missing(blob)));
            Side::Finished(finished)
        });
    }

    fn on_side(&mut self, done: Side) {
        match done {
            Side::Ready(Err(error)) => {
                self.preparing -= 1;
                self.failure = Some(error);
            }
            Side::Ready(Ok((partial, known))) => {
                self.known = Some(known);
                self.preparing -= 1;
                let blob = partial.hash();
                let lengths = partial.list().chunks().iter().map(|chunk| chunk.length).collect();
                let here = partial.have();
                self.partials.insert(blob, partial);
                self.tell(Event::Want { blob, lengths, here });
                self.begin_to_ask();
            }
            Side::Finished(result) => {
                self.finishing -= 1;
                if let Err(error) = result {
                    self.failure = Some(error.into());
                }
                self.prepare();
            }
            Side::Holders(nodes) if self.others.is_some() => self.others = Some(nodes),
            Side::Holders(nodes) => {
                let me = self.transfers.transport.id();
                let now = Instant::now();
                for node in nodes {
                    let lost = self.lost.get(&node).is_some_and(|at| now - *at < LOST_FOR);
                    if node != me && node != self.wanted.origin && !lost {
                        self.tell(Event::Source { node, origin: false });
                    }
                }
            }
            Side::Has(node, Ok(haves)) => self.tell(Event::Has { node, haves }),
            Side::Has(node, Err(reason)) => {
                self.lost.insert(node, Instant::now());
                self.tell(Event::Lost { node, reason });
            }
        }
    }

    fn ask_holders(&mut self) {
        let Some(group) = self.wanted.group else { return };
        let (transport, origin) = (Arc::clone(&self.transfers.transport), self.wanted.origin);
        self.side.spawn(async move { Side::Holders(holders(&*transport, origin, group).await) });
    }

    fn survey(&mut self, node: NodeId, blobs: Vec<Hash>) {
        let transport = Arc::clone(&self.transfers.transport);
        let pieces = |hash| self.partials.get(hash).map_or(1, |partial| partial.list().len());
        let pieces: Vec<u32> = blobs.iter().map(pieces).collect();
        self.side.spawn(async move {
            let ask = async {
                let request = Request::Have { blobs: blobs.clone() };
                let answer = once(&*transport, node, &request, HAVE_ANSWER_BYTES).await;
                let haves = Have::decode(&answer.map_err(|error| error.to_string())?, &pieces);
                Ok(blobs.into_iter().zip(haves.map_err(|error| error.to_string())?).collect())
            };
            Side::Has(node, ask.await)
        });
    }
}

/// Who else fetches this, as far as the origin knows and says.
async fn holders(transport: &dyn Transport, origin: NodeId, group: Hash) -> Vec<NodeId> {
    let request = Request::Holders { blobs: vec![group] };
    let answer = once(transport, origin, &request, HOLDERS_ANSWER_BYTES).await;
    let nodes = answer.ok().and_then(|frame| decode_holders(&frame, 1).ok());
    let nodes: Nodes = nodes.into_iter().flatten().flatten().collect();
    nodes.into_iter().collect()
}

/// A question on a stream of its own, whose answer is a frame.
async fn once(
    transport: &dyn Transport,
    node: NodeId,
    request: &Request,
    limit: usize,
) -> Result<Vec<u8>, IoError> {
    let bytes = request.encode().map_err(|error| IoError::Nonsense(error.to_string()))?;
    let opened = timeout(STALL, transport.open(node)).await;
    let opened = opened.map_err(|_| IoError::Broke("no stream in time".to_owned()))?;
    let (mut send, mut recv) = opened.map_err(|error| IoError::Broke(error.to_string()))?;
    write(&mut send, bytes).await?;
    let _ = send.finish();
    frame(&mut recv, limit, STALL).await
}

/// The list of a large blob.
async fn patiently(
    transport: &dyn Transport,
    origin: NodeId,
    hash: Hash,
    length: u64,
) -> Result<ChunkList, TransferError> {
    let deadline = Instant::now() + LIST_PATIENCE;
    loop {
        match list(transport, origin, hash, length).await {
            Ok(list) => return Ok(list),
            Err(IoError::Nonsense(why)) => return Err(TransferError::Unavailable(why)),
            Err(error) if Instant::now() > deadline => {
                return Err(TransferError::Unavailable(error.to_string()));
            }
            Err(_) => tokio::time::sleep(LIST_PAUSE).await,
        }
    }
}

async fn list(
    transport: &dyn Transport,
    origin: NodeId,
    hash: Hash,
    length: u64,
) -> Result<ChunkList, IoError> {
    let nonsense = |text: String| IoError::Nonsense(format!("node {}: {text}", origin.short()));
    let bytes = Request::List { blob: hash }.encode().map_err(|e| nonsense(e.to_string()))?;
    let opened = timeout(STALL, transport.open(origin)).await;
    let opened = opened.map_err(|_| IoError::Broke("no stream in time".to_owned()))?;
    let (mut send, mut recv) = opened.map_err(|error| IoError::Broke(error.to_string()))?;
    write(&mut send, bytes).await?;
    let _ = send.finish();
    let answer = frame(&mut recv, LIST_ANSWER_BYTES, STALL).await?;
    let answer = ListAnswer::decode(&answer, length).map_err(|e| nonsense(e.to_string()))?;
    match answer {
        ListAnswer::Missing => Err(nonsense(format!("it doesn't have blob {hash}"))),
        ListAnswer::Whole { length } => {
            Err(nonsense(format!("a blob of {length} bytes in one piece, expected a list")))
        }
        ListAnswer::Chunks { list, .. } => {
            let mut frame = vec![0; list as usize];
            exact(&mut recv, &mut frame).await?;
            ChunkList::decode(&frame, hash, length).map_err(|error| nonsense(error.to_string()))
        }
    }
}
