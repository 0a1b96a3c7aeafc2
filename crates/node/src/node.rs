//! A node: started, asked, stopped.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use iroh::endpoint::{RecvStream, SendStream};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use outlast_gridlet::Registry;
use outlast_job::{Effect, End, Input, Peer, Phase, Record, Recovered};
use outlast_os::FolderLock;
use outlast_overlay::Card;
use outlast_types::{Ad, NodeId, Time, limits, wire};

use crate::apps::Catalogue;
use crate::config::Config;
use crate::examiner::{Examiner, Tasks};
use crate::executor::{Executor, LocalExecutor};
use crate::jobs::{JobFiles, Jobs, Logs};
use crate::journal::Journal;
use crate::kernel::{
    Clock, EVENTS, Event, Kernel, Loop, MEMBERS_KEY, Remembered, Watchers, read_jobs,
};
use crate::metrics::Metrics;
use crate::shared::{Numbered, PARALLEL_SAMPLES, Shared, lock};
use crate::staging::Staging;
use crate::store::Store;
use crate::tools::Tools;
use crate::transfer::{Moved, Server, Transfers};
use crate::transport::{
    BoxFuture, Counters, FetchError, IrohTransport, NodeKey, Place, Reach, Tag, Transport,
    TransportError, TransportOptions,
};
use crate::trust::{Trust, Trusted};

/// How often the node looks again at its load and disk.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a node that stops waits for what it still says to arrive.
const FAREWELL: Duration = Duration::from_secs(3);

/// What wraps the executor of a node; tests put liars there.
pub type WrapExecutor = Box<dyn FnOnce(Arc<dyn Executor>) -> Arc<dyn Executor> + Send>;

/// How a node is started, besides its configuration.
pub struct Options {
    /// The applications that it can submit.
    pub registry: Registry,
    /// The technical services that its jobs can name.
    pub services: outlast_deploy::Registry,
    /// A passive node answers questions about its jobs, and neither carries on with them nor works for others.
    pub passive: bool,
    /// Changes how steps are run.
    pub wrap_executor: Option<WrapExecutor>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            registry: outlast_gridlet::apps::registry(),
            services: outlast_deploy::Registry::builtin(),
            passive: false,
            wrap_executor: None,
        }
    }
}

/// A node didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process uses the data directory.
    #[error(transparent)]
    InUse(outlast_os::LockError),
    /// An address to listen on is taken, or isn't this machine's.
    #[error(transparent)]
    Address(TransportError),
    /// The disk or the network refused.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// A running node. It stops when told ([`Node::stop`]) or left ([`Node::stopped`]).
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) services: outlast_deploy::Registry,
    pub(crate) started: Instant,
    drain_ttl: Duration,
    done: watch::Receiver<bool>,
    _lock: FolderLock,
}

impl Node {
    /// Starts a node in its data directory, with the jobs of its earlier lives.
    ///
    /// # Errors
    /// If another daemon uses the directory, its files can't be read or written, or an address is in use.
    pub async fn start(config: &Config, options: Options) -> Result<Arc<Self>, StartError> {
        let data_dir = &config.data_dir;
        std::fs::create_dir_all(data_dir)
            .with_context(|| {
                format!(
                    "creating the data directory {} (--data-dir names another)",
                    data_dir.display()
                )
            })
            .map_err(StartError::Failed)?;
        let lock = outlast_os::lock_folder(data_dir).map_err(|error| match error {
            outlast_os::LockError::Taken { .. } => StartError::InUse(error),
            other => StartError::Failed(other.into()),
        })?;
        Self::start_locked(config, options, lock).await.map_err(|error| {
            match error.downcast::<TransportError>() {
                Ok(error @ TransportError::Bind { .. }) => StartError::Address(error),
                Ok(error) => StartError::Failed(error.into()),
                Err(error) => StartError::Failed(error),
            }
        })
    }

    async fn start_locked(
        config: &Config,
        options: Options,
        lock: FolderLock,
    ) -> anyhow::Result<Arc<Self>> {
        let data_dir = &config.data_dir;
        let work = data_dir.join("work");
        let killed = outlast_os::orphans::kill_orphans(&work).unwrap_or_default();
        if killed > 0 {
            warn!("ended {killed} programs that an earlier life of this node had left running");
        }
        crate::executor::clear_work_folder(&work)
            .with_context(|| format!("clearing {}", work.display()))?;
        let store = Store::open_with(data_dir, config.cache)?;
        let tools = Arc::new(Tools::new(&work, Arc::clone(&store)));
        let journal = Journal::open(&data_dir.join("outlast.redb"))?;
        let slots = if options.passive { 0 } else { config.slots() };
        let parallel = slots as usize + 1 + PARALLEL_SAMPLES;
        let local: Arc<dyn Executor> =
            Arc::new(LocalExecutor::new(Arc::clone(&store), parallel).context("starting threads")?);
        let executor = match options.wrap_executor {
            Some(wrap) => wrap(local),
            None => local,
        };
        let (frames_in, frames) = mpsc::channel(EVENTS);
        let (events_in, events) = mpsc::channel(EVENTS);
        let key = NodeKey::load_or_create(data_dir)?;
        let me = key.id();
        let moved = Arc::new(Moved::default());
        let name = config.name.clone().unwrap_or_else(outlast_os::host::hostname);
        let keep = !options.passive;
        let told = Kernel(events_in.clone());
        let secret = key.secret();
        let trust = Arc::new(Trust::open(data_dir, key.secret(), &name, keep, told)?);
        for ticket in config.join.iter().filter(|_| keep) {
            trust.join(ticket.clone(), true)?;
        }
        let transport: Arc<dyn Transport> = if options.passive {
            Arc::new(Nowhere(me, Counters::default()))
        } else {
            let listen = config.listen.clone();
            let streams = Arc::new(Server::new(Arc::clone(&store), Arc::clone(&moved)));
            let gate = Arc::clone(&trust) as Arc<_>;
            let events = frames_in;
            let (relays, lan) = (config.network.relays.clone(), config.network.lan);
            let options = TransportOptions { key, listen, relays, lan, gate, streams, events };
            Arc::new(IrohTransport::bind(options).await?)
        };
        let clock = Clock::new();
        let now = clock.now();
        let shared = Arc::new(Shared {
            me,
            clock,
            data_dir: data_dir.clone(),
            store: Arc::clone(&store),
            tools: Arc::clone(&tools),
            journal: Arc::new(RwLock::new(journal)),
            transfers: Transfers::new(Arc::clone(&transport), Arc::clone(&store), moved),
            transport,
            trust,
            failure: Mutex::new(None),
            executor: Arc::new(Numbered::new(executor)),
            kernel: Kernel(events_in),
            jobs: Arc::new(Jobs::default()),
            logs: Logs::default(),
            watchers: Watchers::default(),
            examiner: Tasks::new(),
            staging: Staging::new(config.stage),
            wanted: Mutex::default(),
            samples: tokio::sync::Semaphore::new(PARALLEL_SAMPLES),
            metrics: Metrics::new(),
            counters: Mutex::new(BTreeMap::new()),
            trouble: Mutex::new(None),
            stop: AtomicBool::new(false),
            folders: AtomicU64::new(0),
        });
        let registry = options.registry;
        let around = |name: &str| std::env::var_os(name);
        let catalogue = Arc::new(Catalogue::of(registry.clone(), &config.data_dir, around));
        let offer = offer(config, slots, &shared);
        let Place { addresses, relay } = shared.transport.place();
        let card = Card { node: me, addresses, relay, incarnation: now.as_micros() };
        let ledger = {
            let mut journal = shared.journal.write().unwrap_or_else(PoisonError::into_inner);
            crate::ledger::read(&mut journal, me)?
        };
        let placement = Box::new(outlast_broker::Flops);
        let peer =
            Peer::new(card, offer, config.job.clone(), config.membership, placement, ledger, now);
        let mut kernel = Loop {
            shared: Arc::clone(&shared),
            peer,
            secret,
            trusted: Trusted::new(),
            announced: Vec::new(),
            events,
            frames,
            sequences: BTreeMap::new(),
            ended: VecDeque::new(),
            versions: BTreeMap::new(),
            remembered: Vec::new(),
            remembered_at: now,
        };
        let mut effects = Vec::new();
        recover(&mut kernel, &registry, options.passive, &mut effects)?;
        if !options.passive {
            store.trim();
        }
        kernel.begin_trust(now, &mut effects);
        let contacts = contacts(config, &shared, &mut effects)?;
        kernel.peer.handle(now, Input::Join(contacts), &mut effects);
        let examiner = Examiner {
            jobs: Arc::clone(&shared.jobs),
            journal: Arc::clone(&shared.journal),
            store,
            tools,
            kernel: shared.kernel.clone(),
        };
        shared.examiner.start(&examiner).context("starting the examiner")?;
        let (done_in, done) = watch::channel(false);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("kernel".to_owned())
            .spawn(move || {
                runtime.block_on(kernel.run(effects));
                let _ = done_in.send(true);
            })
            .context("starting the kernel")?;
        if !options.passive {
            tokio::spawn(keep_offering(config.clone(), slots, Arc::clone(&shared), done.clone()));
            tokio::spawn(keep_trusting(Arc::clone(&shared), done.clone()));
        }
        let drain_ttl = config.job.drain_ttl;
        let started = Instant::now();
        let services = options.services;
        Ok(Arc::new(Self { shared, catalogue, services, started, drain_ttl, done, _lock: lock }))
    }

    /// This node's key.
    pub fn id(&self) -> NodeId {
        self.shared.me
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.shared.transport.addresses()
    }

    /// How it is reached.
    pub fn reach(&self) -> Reach {
        self.shared.transport.reach()
    }

    /// Why it ended, if it wasn't told to.
    pub fn failure(&self) -> Option<String> {
        lock(&self.shared.failure).clone()
    }

    /// Begins to stop: with `drain`, leaves politely and hands work back first, for at most `timeout`.
    pub async fn stop(&self, drain: bool, timeout: Option<Duration>) {
        if !drain {
            self.shared.stop.store(true, Ordering::SeqCst);
            self.shared.kernel.send(Event::Stop).await;
            return;
        }
        self.shared.kernel.send(Event::Input(Input::Drain)).await;
        let timeout = timeout.unwrap_or(self.drain_ttl * 3);
        let (kernel, shared) = (self.shared.kernel.clone(), Arc::clone(&self.shared));
        let mut done = self.done.clone();
        tokio::spawn(async move {
            if tokio::time::timeout(timeout, done.wait_for(|done| *done)).await.is_err() {
                warn!("leaving without having handed back everything");
                shared.stop.store(true, Ordering::SeqCst);
                kernel.send(Event::Stop).await;
            }
        });
    }

    /// Waits until it has stopped, and closes its connections.
    pub async fn stopped(&self) {
        let mut done = self.done.clone();
        let _ = done.wait_for(|done| *done).await;
        if tokio::time::timeout(FAREWELL, self.shared.transport.shutdown()).await.is_err() {
            warn!("connections weren't closed within {} s", FAREWELL.as_secs());
        }
        // Tasks that are still about can't hold the file any longer than this.
        self.shared.journal.write().unwrap_or_else(PoisonError::into_inner).close();
    }

    /// Whether any job submitted here goes on.
    pub async fn has_active_jobs(&self) -> bool {
        self.ask(|peer, _| peer.jobs().any(|(_, job)| job.is_active())).await.unwrap_or(false)
    }
}

/// The transport of a passive node: it reaches nobody, and nobody reaches it.
struct Nowhere(NodeId, Counters);

impl Transport for Nowhere {
    fn id(&self) -> NodeId {
        self.0
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    fn place(&self) -> Place {
        Place::default()
    }

    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn announce(&self, _: Vec<Tag>) {}

    fn learn(&self, _: NodeId, _: &[SocketAddr], _: Option<&str>) {}

    fn send(&self, _: NodeId, _: Bytes) {}

    fn open(&self, to: NodeId) -> BoxFuture<Result<(SendStream, RecvStream), FetchError>> {
        let reason = "this node only looks at its record".to_owned();
        Box::pin(async move { Err(FetchError::Unreachable { node: to, reason }) })
    }

    fn disconnect(&self, _: NodeId, _: &str) {}

    fn forget_refusals(&self) {}

    fn counters(&self) -> &Counters {
        &self.1
    }

    fn shutdown(&self) -> BoxFuture<()> {
        Box::pin(async {})
    }
}

/// What this machine has, as others are told.
fn offer(config: &Config, slots: u32, shared: &Shared) -> Ad {
    use outlast_os::host;
    Ad {
        name: config.name.clone().unwrap_or_else(host::hostname),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots,
        free: slots,
        cores: host::cores(),
        memory_bytes: host::memory_bytes(),
        disk_free_bytes: host::free_space(&shared.data_dir).unwrap_or_default(),
        load_milli: host::load_milli(),
        flops: 0,
        kind: host::kind(),
        draining: false,
    }
}

/// Looks at load and disk now and then. What changed a little is not worth telling.
async fn keep_offering(
    config: Config,
    slots: u32,
    shared: Arc<Shared>,
    mut done: watch::Receiver<bool>,
) {
    let flops = tokio::task::spawn_blocking(crate::flops::measure).await.unwrap_or(0);
    loop {
        let ad = Ad { flops, ..offer(&config, slots, &shared) };
        shared.kernel.send(Event::Input(Input::Offer(ad))).await;
        tokio::select! {
            _ = done.wait_for(|done| *done) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks whether memberships have ended, and says so while nobody has answered a ticket.
async fn keep_trusting(shared: Arc<Shared>, mut done: watch::Receiver<bool>) {
    let mut looked = crate::trust::wall();
    loop {
        tokio::select! {
            _ = done.wait_for(|done| *done) => return,
            () = tokio::time::sleep(crate::trust::LOOK_EVERY) => {}
        }
        let now = crate::trust::wall();
        if shared.trust.next_end(looked).is_some_and(|end| end < now) {
            shared.trust.look_again();
            shared.kernel.send(Event::Trust).await;
        }
        looked = now;
        for trouble in shared.trust.waiting() {
            warn!("{trouble}");
        }
    }
}

/// Jobs of earlier lives: the active ones go on.
fn recover(
    kernel: &mut Loop,
    registry: &Registry,
    passive: bool,
    effects: &mut Vec<Effect>,
) -> anyhow::Result<()> {
    let journal = Arc::clone(&kernel.shared.journal);
    let journal = journal.read().unwrap_or_else(PoisonError::into_inner);
    let now = kernel.shared.clock.now();
    let mut ended: Vec<(Time, outlast_types::JobId)> = Vec::new();
    for (id, record) in read_jobs(&journal)? {
        let spec = match record.spec(id, registry) {
            Ok(spec) => spec,
            Err(error) => {
                warn!(job = %id, "left alone: {error}");
                continue;
            }
        };
        let mut records = Vec::new();
        let mut unreadable = None;
        let mut next = 0;
        journal.records(id, |sequence, bytes| {
            next = sequence + 1;
            match wire::decode(bytes, limits::FRAME_BYTES) {
                Ok(record) => records.push(record),
                Err(error) => unreadable = Some(error),
            }
        })?;
        if let Some(error) = unreadable {
            warn!(job = %id, "left alone, its journal can't be read: {error}");
            continue;
        }
        let created = record.created;
        let files = Arc::new(JobFiles::new(id, record, Arc::clone(&spec.manager), true));
        kernel.shared.jobs.insert(Arc::clone(&files));
        kernel.sequences.insert(id, next);
        for record in &records {
            kernel.log_record(record_time(record, created), id, record);
        }
        let recovered = Recovered { spec: Arc::new(spec), records };
        let mut out = Vec::new();
        kernel.peer.resume(now, recovered, &mut out);
        let Some(job) = kernel.peer.job(id) else { continue };
        for cell in (0..files.manager.grid().cells()).map(outlast_types::CellId) {
            if let Some(class) = job.accepted_class(cell) {
                files.accept(cell, class);
            }
        }
        let unwritten = matches!(job.phase(), Phase::Ended(End::Unwritten(_)));
        kernel.shared.pin_again(&files, job.is_active() || unwritten)?;
        if job.is_active() {
            info!(job = %id, "carrying on");
            // A passive node only looks: what it would do is dropped, and its journal stays as it is.
            if !passive {
                effects.extend(out);
            }
        } else {
            ended.push((created, id));
        }
    }
    ended.sort();
    kernel.ended = ended.into_iter().map(|(_, id)| id).collect();
    Ok(())
}

/// When a fact came about, as far as it says so itself.
fn record_time(record: &Record, created: Time) -> Time {
    match record {
        Record::Ended { at, .. } => *at,
        _ => created,
    }
}

/// Nodes to get in touch with: those of the tickets, and those remembered.
fn contacts(
    config: &Config,
    shared: &Shared,
    effects: &mut Vec<Effect>,
) -> anyhow::Result<Vec<Card>> {
    let mut contacts: BTreeMap<NodeId, Place> = BTreeMap::new();
    {
        let journal = shared.journal.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = journal.meta(MEMBERS_KEY)? {
            let members: Vec<Remembered> =
                wire::decode(&bytes, limits::FRAME_BYTES).unwrap_or_default();
            let place = |(node, addresses, relay)| (node, Place { addresses, relay });
            contacts.extend(members.into_iter().map(place));
        }
    }
    let waiting = shared.trust.tickets();
    for node in config.join.iter().chain(&waiting).flat_map(|ticket| &ticket.nodes) {
        let (addresses, relay) = (node.addresses.clone(), node.relay.clone());
        if let Some(relay) = relay.as_ref().filter(|_| config.network.relays.is_empty()) {
            info!(
                "the ticket names a relay, which is used only if it is chosen here too: --relay {relay}"
            );
        }
        contacts.insert(node.node, Place { addresses, relay });
    }
    contacts.remove(&shared.me);
    Ok(contacts
        .into_iter()
        .map(|(node, Place { addresses, relay })| {
            let card = Card { node, addresses, relay, incarnation: 0 };
            let Card { node, addresses, relay, .. } = card.clone();
            effects.push(Effect::Learn { node, addresses, relay });
            card
        })
        .collect())
}

impl Drop for Node {
    fn drop(&mut self) {
        // Without a word to anybody: `stop` and `stopped` are the polite way.
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.staging.forget_all();
    }
}
