//! The loop around the [`Peer`]: the one thread that owns it, the journal's write side, and the clock.
//!
//! ```text
//!   events ──▶ Peer::handle ──▶ effects ──▶ one journal transaction ──▶ sends, runs, merges …
//!   (a batch)                                (group commit)             (in order)
//! ```
//!
//! A batch of events costs one wait for the disk. Nothing that follows from a fact leaves before the
//! fact is durable; only programs here start and end without waiting, as they die with the node. If the journal can't be written (disk full), the kernel waits for room: nobody
//! is told anything that could be lost, and the API says what is wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use outlast_job::wire::{Message, ToCoordinator, ToWorker};
use outlast_job::{Effect, End, Input, JobKey, JobSpec, Peer, Record};
use outlast_types::{JobId, NodeId, Time, VoId, limits, wire};

use crate::examiner::Task;
use crate::jobs::{JobFiles, JobRecord, encode_output};
use crate::journal::{Batch, JournalError};
use crate::shared::Shared;
use crate::store::Holder;
use crate::transport::{Place, TransportEvent};
use crate::trust::{self, Trusted};

/// Events that wait for the kernel. Frames stop being read from the network when it is full.
pub(crate) const EVENTS: usize = 4096;

/// Events that share one journal transaction.
const BATCH: usize = 512;

/// How long the kernel waits before it tries again to write a full disk.
const DISK_RETRY: Duration = Duration::from_secs(1);

/// Ended jobs that are remembered; the oldest are forgotten with all their records.
const ENDED_JOBS: usize = 200;

/// How often it is looked whether what is remembered of members is still true.
const REMEMBER_EVERY: Duration = Duration::from_secs(5);

/// A member, as it is remembered: where it is, and its relay.
pub(crate) type Remembered = (NodeId, Vec<SocketAddr>, Option<String>);

/// Under which they are kept in the journal. An earlier form was `members`.
pub(crate) const MEMBERS_KEY: &str = "places";

/// Members that are remembered across a restart.
const REMEMBERED: usize = 64;

/// A question to the peer, answered in the kernel's thread.
pub(crate) type Query = Box<dyn FnOnce(&Peer, Time) + Send>;

/// What the kernel is told.
pub(crate) enum Event {
    /// Something that the peer wants to know.
    Input(Input),
    /// A job to take on; the reply comes once it is safe.
    Submit { job: Arc<JobFiles>, spec: Arc<JobSpec>, reply: tokio::sync::oneshot::Sender<()> },
    /// A question.
    Ask(Query),
    /// There is news of trust.
    Trust,
    /// Stop, since the node isn't wanted where it was told to join.
    End(String),
    /// Keep or forget something under a name.
    Meta(String, Option<Vec<u8>>),
    /// Stop now.
    Stop,
}

/// Where events go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Kernel(pub(crate) mpsc::Sender<Event>);

impl Kernel {
    /// Tells the kernel, from a thread that may wait. A kernel that has stopped wants to know nothing.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.0.blocking_send(event);
    }

    /// Tells the kernel what only people want to know, and nothing if it has much to do already.
    pub(crate) fn mention(&self, event: Event) {
        let _ = self.0.try_send(event);
    }

    /// Tells the kernel, from a task.
    pub(crate) async fn send(&self, event: Event) {
        let _ = self.0.send(event).await;
    }
}

/// A clock that starts at the wall's time and never goes back.
pub(crate) struct Clock {
    base: Time,
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX / 2);
        Self { base: Time::from_micros(micros), start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        self.base + self.start.elapsed()
    }
}

/// The kernel's own state, moved to its thread.
pub(crate) struct Loop {
    // Dropped first: threads that wait to tell something must not be waited for before.
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) frames: mpsc::Receiver<TransportEvent>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: Peer,
    /// This node's key, which signs the ledger.
    pub(crate) secret: outlast_vo::Secret,
    /// What the peer was told of others' standings.
    pub(crate) trusted: Trusted,
    /// What the LAN was told that this node belongs to.
    pub(crate) announced: Vec<VoId>,
    /// Next number of each job's journal.
    pub(crate) sequences: BTreeMap<JobId, u64>,
    /// Of ended jobs, oldest first, to know which to forget.
    pub(crate) ended: std::collections::VecDeque<JobId>,
    pub(crate) versions: BTreeMap<JobId, (u64, bool)>,
    pub(crate) remembered: Vec<Remembered>,
    pub(crate) remembered_at: Time,
}

/// Whether the loop goes on.
#[derive(PartialEq)]
enum Next {
    Go,
    Stop,
}

impl Loop {
    /// Runs until the peer has left or it is told to stop. `initial` are effects of what was done
    /// before the loop (recovered jobs).
    pub(crate) async fn run(mut self, initial: Vec<Effect>) {
        let mut replies = Vec::new();
        let mut batch = Batch::default();
        if self.carry_out(initial, &mut batch, &mut replies).await == Next::Stop {
            return;
        }
        loop {
            let mut effects = Vec::new();
            let mut batch = Batch::default();
            let mut next = Next::Go;
            let now = self.shared.clock.now();
            let wait = self.peer.next_tick().since(now);
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => {
                    next = self.take(event, &mut effects, &mut batch, &mut replies);
                }
                Some(event) = self.frames.recv() => next = self.hear(event, &mut effects),
                () = tokio::time::sleep(wait) => {}
            }
            for _ in 1..BATCH {
                // Both queues get their turn; the local one is what frees memory.
                let local = self.events.try_recv().ok();
                let remote = self.frames.try_recv().ok();
                if local.is_none() && remote.is_none() {
                    break;
                }
                if let Some(event) = local
                    && self.take(event, &mut effects, &mut batch, &mut replies) == Next::Stop
                {
                    next = Next::Stop;
                }
                if let Some(event) = remote
                    && self.hear(event, &mut effects) == Next::Stop
                {
                    next = Next::Stop;
                }
            }
            let now = self.shared.clock.now();
            if self.peer.next_tick() <= now {
                self.peer.handle(now, Input::Tick, &mut effects);
            }
            self.remember(now, &mut batch);
            let carried = self.carry_out(effects, &mut batch, &mut replies).await;
            if next == Next::Stop || carried == Next::Stop {
                return;
            }
        }
    }

    fn take(
        &mut self,
        event: Event,
        effects: &mut Vec<Effect>,
        batch: &mut Batch,
        replies: &mut Vec<tokio::sync::oneshot::Sender<()>>,
    ) -> Next {
        let now = self.shared.clock.now();
        match event {
            Event::Input(input) => self.peer.handle(now, input, effects),
            Event::Submit { job, spec, reply } => match job.record.encode() {
                Ok(bytes) => {
                    batch.put_job(job.id, bytes);
                    self.shared.jobs.insert(job);
                    self.peer.handle(now, Input::Submit(spec), effects);
                    self.shared.metrics.job_submitted();
                    replies.push(reply);
                }
                // The reply is dropped: the submitter hears that it wasn't taken.
                Err(error) => {
                    self.shared.store.release(Holder::Submitted(job.id));
                    error!("a job's record can't be written: {error}");
                }
            },
            Event::Ask(query) => query(&self.peer, now),
            Event::Meta(name, Some(value)) => batch.put_meta(name, value),
            Event::Meta(name, None) => batch.delete_meta(name),
            Event::Trust => self.heed_trust(now, effects),
            Event::End(why) => {
                self.shared.fail(why);
                self.peer.handle(now, Input::Depart, effects);
                return Next::Stop;
            }
            Event::Stop => {
                self.peer.handle(now, Input::Depart, effects);
                return Next::Stop;
            }
        }
        Next::Go
    }

    fn hear(&mut self, event: TransportEvent, effects: &mut Vec<Effect>) -> Next {
        let now = self.shared.clock.now();
        match event {
            TransportEvent::Frame { from, frame } => {
                self.heed_trust(now, effects);
                if !self.is_trusted(now, from, effects) {
                    self.shared.count("frames_of_strangers");
                    return Next::Go;
                }
                if let Some(bytes) = trust::body(&frame) {
                    self.hear_trust(now, from, bytes, effects);
                    return Next::Go;
                }
                match wire::decode::<Message>(&frame, limits::FRAME_BYTES) {
                    Ok(message) => {
                        self.log_failure(now, from, &message);
                        self.peer.handle(now, Input::Message { from, message }, effects);
                    }
                    Err(error) => {
                        self.shared.count("frames_refused");
                        debug!(node = %from.short(), "a frame that can't be read: {error}");
                    }
                }
            }
            TransportEvent::Moved(Place { addresses, relay }) => {
                self.peer.handle(now, Input::Place { addresses, relay }, effects);
            }
            TransportEvent::Found { node, addresses } => {
                let card = outlast_overlay::Card { node, addresses, relay: None, incarnation: 0 };
                self.peer.handle(now, Input::Found(vec![card]), effects);
            }
            TransportEvent::Refused { node, by_us: true, reason } => {
                warn!(node = %node.short(), "turned a node away: {reason}");
            }
            TransportEvent::Refused { node, by_us: false, reason } => {
                warn!(node = %node.short(), "a node turned this one away: {reason}");
                if let Some(why) = self.shared.trust.refused(node, &reason) {
                    self.shared.fail(why);
                    self.peer.handle(now, Input::Depart, effects);
                    return Next::Stop;
                }
            }
            TransportEvent::Down { node } => {
                self.peer.handle(now, Input::ConnectionLost(node), effects);
            }
        }
        Next::Go
    }

    /// A worker's failure is worth a line in the job's log; the coordinator only counts it.
    fn log_failure(&self, now: Time, from: NodeId, message: &Message) {
        if let Message::ToCoordinator(job, ToCoordinator::Failed { failure, .. }) = message
            && self.shared.jobs.get(*job).is_some()
        {
            let text = format!("gave a gridlet back: {}", describe(failure));
            self.shared.logs.add(*job, Some(from.short()), now, text);
        }
    }

    /// Keeps a few members' addresses for the next life.
    fn remember(&mut self, now: Time, batch: &mut Batch) {
        // A new member at once: if this node is killed now, its next life has to get in touch with whoever
        // works for it before they hold each other dead.
        let members = self.peer.membership().members();
        let here = members.filter(|member| member.state != outlast_overlay::State::Left);
        let known = here.take(REMEMBERED).count();
        if known <= self.remembered.len() && now.since(self.remembered_at) < REMEMBER_EVERY {
            return;
        }
        self.remembered_at = now;
        let mut cards: Vec<Remembered> = self
            .peer
            .membership()
            .cards()
            .into_iter()
            .filter(|card| card.node != self.peer.me())
            .map(|card| (card.node, card.addresses, card.relay))
            .collect();
        cards.truncate(REMEMBERED);
        if cards == self.remembered {
            return;
        }
        if let Ok(bytes) = wire::encode(&cards, limits::FRAME_BYTES) {
            batch.put_meta(MEMBERS_KEY, bytes);
            self.remembered = cards;
        }
    }

    /// First what has to be durable, in one transaction, then the rest in order.
    async fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        batch: &mut Batch,
        replies: &mut Vec<tokio::sync::oneshot::Sender<()>>,
    ) -> Next {
        let now = self.shared.clock.now();
        for effect in &effects {
            self.gather(now, effect, batch);
        }
        // What happens to programs here waits for no disk: they die with the node, so nothing of theirs
        // could outlive a fact that is lost. Their slots would stand idle meanwhile.
        let (runs, effects): (Vec<_>, Vec<_>) = effects.into_iter().partition(is_about_runs);
        for effect in runs {
            self.act(effect);
        }
        if self.commit(batch).await == Next::Stop {
            return Next::Stop;
        }
        replies.drain(..).for_each(|reply| {
            let _ = reply.send(());
        });
        let mut next = Next::Go;
        for effect in effects {
            if self.act(effect) == Next::Stop {
                next = Next::Stop;
            }
        }
        self.announce();
        next
    }

    fn gather(&mut self, now: Time, effect: &Effect, batch: &mut Batch) {
        let kept = match effect {
            Effect::Journal { job, record } => {
                self.log_record(now, *job, record);
                let sequence = self.sequences.entry(*job).or_default();
                wire::encode(record, limits::FRAME_BYTES).map(|bytes| {
                    batch.put_record(*job, *sequence, bytes);
                    *sequence += 1;
                })
            }
            Effect::Store { job, class, output } => encode_output(output)
                .map(|bytes| batch.put_output(*job, output.cell, class.0, bytes)),
            Effect::SaveLedger => {
                crate::ledger::save(self.peer.ledger(), self.shared.me, &self.secret, batch)
            }
            _ => Ok(()),
        };
        if let Err(error) = kept {
            // Records are bounded by the frames they come from.
            error!("a record can't be written: {error}");
        }
    }

    async fn commit(&mut self, batch: &Batch) -> Next {
        loop {
            let start = Instant::now();
            let result = {
                let journal = &self.shared.journal;
                journal.write().unwrap_or_else(PoisonError::into_inner).commit(batch)
            };
            let error = match result {
                Ok(()) => {
                    if !batch.is_empty() {
                        self.shared.metrics.committed(start.elapsed());
                    }
                    self.shared.set_trouble(None);
                    return Next::Go;
                }
                Err(error) => error,
            };
            error!("the journal can't be written, trying again: {error}");
            self.shared.set_trouble(Some(format!("waiting, since {error}")));
            if !matches!(error, JournalError::DiskFull(_) | JournalError::Io { .. }) {
                return Next::Stop;
            }
            tokio::time::sleep(DISK_RETRY).await;
            if self.shared.stopping() {
                return Next::Stop;
            }
        }
    }

    fn act(&mut self, effect: Effect) -> Next {
        let shared = &self.shared;
        match effect {
            Effect::Send { to, message } => match wire::encode(&message, limits::FRAME_BYTES) {
                Ok(frame) => shared.transport.send(to, Bytes::from(frame)),
                Err(error) => self.too_large(to, message, &error),
            },
            Effect::Learn { node, addresses, relay } => {
                shared.transport.learn(node, &addresses, relay.as_deref());
            }
            Effect::Journal { .. } | Effect::Store { .. } | Effect::SaveLedger => {}
            Effect::Fetch { job, ticket, from, blobs } => shared.fetch(job, ticket, from, blobs),
            Effect::Examine { job, ticket, outputs } => {
                shared.examine(Task::Examine { job, ticket, outputs });
            }
            Effect::Sample { job, sample } => shared.sample(job, sample),
            Effect::Accepted { job, cell, class } => {
                if let Some(files) = shared.jobs.get(job) {
                    files.accept(cell, class);
                    shared.metrics.cell_accepted();
                }
                shared.examine(Task::Accepted { job, cell });
            }
            // What was accepted is shown, and its classes found, until something is accepted again.
            Effect::Retracted { .. } => {}
            Effect::Merge(job) => shared.merge(job),
            Effect::Ended(job) => self.on_ended(job),
            Effect::Stage { key, attempt, manifest, needs } => {
                shared.stage(key, attempt, manifest, needs);
            }
            Effect::Run(run) => {
                shared.metrics.step_started();
                shared.run(*run);
            }
            Effect::Kill(run) => shared.executor.kill(run),
            Effect::Clean(key) => shared.clean(key),
            Effect::Drained => return Next::Stop,
        }
        Next::Go
    }

    /// A lease that doesn't fit into a frame can't be taken by anybody: the job hears it as a refusal.
    fn too_large(&mut self, to: NodeId, message: Message, error: &wire::FrameError) {
        error!(node = %to.short(), "a message can't be sent: {error}");
        if let Message::ToWorker(job, ToWorker::Lease { .. }) = message {
            let text = format!("a gridlet doesn't fit into a message: {error}; use more gridlets");
            self.shared.logs.add(job, None, self.shared.clock.now(), text);
            let kernel = self.shared.kernel.clone();
            tokio::spawn(async move { kernel.send(Event::Input(Input::Cancel(job))).await });
        }
    }

    fn on_ended(&mut self, job: JobId) {
        let Some(files) = self.shared.jobs.get(job) else { return };
        files.set_over();
        self.shared.examine(Task::Forget { job });
        // It may have ended before, if its output was written again.
        self.ended.retain(|ended| *ended != job);
        self.ended.push_back(job);
        let end = match self.peer.job(job).map(outlast_job::Coordinator::phase) {
            Some(outlast_job::Phase::Ended(end)) => end.clone(),
            _ => return,
        };
        info!(%job, "job ended: {}", describe_end(&end));
        self.shared.metrics.job_ended(&end);
        // A sample may have laid out the inputs here although no lease did.
        self.shared.clean(JobKey { submitter: self.peer.me(), job });
        if !matches!(end, End::Unwritten(_)) {
            self.shared.store.release(Holder::Submitted(job));
        }
        // The output is written: the answers it was made of can go. What a plain command printed is its output.
        if !matches!(end, End::Unwritten(_)) && files.record.app != "command" {
            self.shared.forget_outputs(files);
        }
        while self.ended.len() > ENDED_JOBS {
            let Some(oldest) = self.ended.pop_front() else { break };
            let phase = self.peer.job(oldest).map(outlast_job::Coordinator::phase);
            if matches!(phase, Some(outlast_job::Phase::Ended(End::Unwritten(_))))
                && let Some(files) = self.shared.jobs.get(oldest)
            {
                // They were kept for another try. The samples' truths aren't among what goes with the job.
                self.shared.forget_outputs(files);
            }
            let mut effects = Vec::new();
            self.peer.handle(self.shared.clock.now(), Input::Forget(oldest), &mut effects);
            self.shared.jobs.remove(oldest);
            self.shared.logs.remove(oldest);
            self.sequences.remove(&oldest);
            self.versions.remove(&oldest);
            self.shared.forget_job(oldest);
        }
    }

    /// Tells those who wait for a job that it changed.
    fn announce(&mut self) {
        for (id, job) in self.peer.jobs() {
            let state = (job.version(), job.is_active());
            if self.versions.get(&id) != Some(&state) {
                self.versions.insert(id, state);
                self.shared.announce(id, state.0);
            }
        }
    }

    pub(crate) fn log_record(&self, now: Time, job: JobId, record: &Record) {
        let (node, text) = match record {
            Record::Barred { worker, gridlet, why, .. } => {
                (Some(*worker), format!("sent no valid result for gridlet {gridlet}: {why}"))
            }
            Record::Struck(worker) => {
                (Some(*worker), "blacklisted; its open answers are void".into())
            }
            Record::Sampled { cell, wrong, .. } if !wrong.is_empty() => {
                (None, format!("a sample of cell {cell} contradicts {} answer(s)", wrong.len()))
            }
            Record::SampleFailed { cell } => (None, format!("cell {cell} can't be sampled")),
            Record::Granted { gridlet, worker, rival: true, .. } => {
                (Some(*worker), format!("takes over gridlet {gridlet}, which is slow"))
            }
            Record::Complete => (None, "all is accepted; writing the output".to_owned()),
            Record::Retried => (None, "writing the output again".to_owned()),
            Record::Ended { end, .. } => (None, describe_end(end)),
            _ => return,
        };
        self.shared.logs.add(job, node.map(|node| node.short()), now, text);
    }
}

fn is_about_runs(effect: &Effect) -> bool {
    use Effect::{Clean, Kill, Run, Stage};
    matches!(effect, Run(_) | Kill(_) | Stage { .. } | Clean(_))
}

/// How a job ended, in a sentence.
pub(crate) fn describe_end(end: &End) -> String {
    match end {
        End::Done(merged) => format!("done: {}", merged.files.join(", ")),
        End::Failed(why) => format!("failed: {why}"),
        End::NoProgram(program) => format!("failed: no node has `{program}`"),
        End::Cancelled => "cancelled".to_owned(),
        End::Unwritten(why) => format!("the output can't be written: {why}"),
    }
}

fn describe(failure: &outlast_job::wire::Failure) -> String {
    use outlast_job::wire::Failure;
    match failure {
        Failure::MissingProgram(name) => format!("it hasn't `{name}`"),
        Failure::Staging(why) => format!("setting up failed: {why}"),
        Failure::DiskFull => "its disk is full".to_owned(),
        Failure::Program { exit, tail } => format!("exit code {exit}: {}", tail.trim_end()),
        Failure::Result(why) | Failure::Limit(why) => why.clone(),
        Failure::Leaving => "it is leaving".to_owned(),
    }
}

/// Whoever waits for a job watches its version here.
#[derive(Default)]
pub(crate) struct Watchers(RwLock<BTreeMap<JobId, watch::Sender<u64>>>);

impl Watchers {
    pub(crate) fn announce(&self, job: JobId, version: u64) {
        let watchers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(watcher) = watchers.get(&job) {
            watcher.send_replace(version);
        }
    }

    pub(crate) fn subscribe(&self, job: JobId) -> watch::Receiver<u64> {
        let mut watchers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens to most jobs: an entry is made by the first who does, and goes with the last.
        watchers.retain(|_, watcher| watcher.receiver_count() > 0);
        watchers.entry(job).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }
}

/// The job record of each job in the journal.
pub(crate) fn read_jobs(
    journal: &crate::journal::Journal,
) -> Result<Vec<(JobId, JobRecord)>, anyhow::Error> {
    let mut jobs = Vec::new();
    for (id, bytes) in journal.jobs()? {
        match JobRecord::decode(&bytes) {
            Ok(record) => jobs.push((id, record)),
            Err(error) => warn!(job = %id, "a job of another version is left alone: {error}"),
        }
    }
    Ok(jobs)
}
