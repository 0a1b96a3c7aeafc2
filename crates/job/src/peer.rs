//! One node: membership, the jobs submitted here, and the work done here, as one machine.
//!
//! The daemon's kernel and the simulator's world both own one `Peer` per node, feed it
//! [`Input`]s and carry out its [`Effect`]s. What it says to itself (its coordinators to its own
//! worker and back) never leaves it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use outlast_broker::Policy as Placement;
use outlast_overlay::{Card, Membership};
use outlast_types::{Ad, JobId, NodeId, Time, limits};
use outlast_verify::{Change, Ledger, Verdict};

use crate::coordinator::{Context, Coordinator, JobSpec};
use crate::wire::{Message, ToCoordinator, ToWorker};
use crate::worker::Worker;
use crate::{Effect, Input, Record, Settings, Standing};

/// Jobs of this node that run at a time; more have to wait for [`Peer::has_room`].
const MAX_ACTIVE_JOBS: usize = 1024;

/// Standings kept: as many as the transport keeps nodes, and room for those that come and go.
const MAX_STANDINGS: usize = 4 * limits::MEMBERS;

/// How often the ledger is written while it changes; after a blacklisting at once.
const LEDGER_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// What a peer counted, for `outlast status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Frames from others.
    pub messages: u64,
    /// Frames about jobs that this node doesn't know.
    pub unknown_job: u64,
}

/// Entries in the tables that are empty when there is nothing to do: for tests, and for whoever
/// looks for a leak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Leases held here, for whomever.
    pub leases_here: usize,
    /// Jobs that this node works for, or did lately.
    pub jobs_here: usize,
    /// Answers that aren't acknowledged.
    pub answers_here: usize,
    /// Leases granted by the coordinators here.
    pub leases_out: usize,
    /// Answers that are fetched or looked at.
    pub arrivals: usize,
    /// Samples that are being computed.
    pub samples: usize,
}

/// A job as the journal has it.
pub struct Recovered {
    /// As submitted.
    pub spec: Arc<JobSpec>,
    /// All its records, in order.
    pub records: Vec<Record>,
}

/// See the module.
pub struct Peer {
    me: NodeId,
    settings: Settings,
    membership: Membership,
    /// What others may do here, and may be asked for; whoever isn't listed is a stranger.
    standings: BTreeMap<NodeId, Standing>,
    placement: Box<dyn Placement>,
    ledger: Ledger,
    ledger_dirty: bool,
    ledger_saved: Time,
    offer: Ad,
    jobs: BTreeMap<JobId, Coordinator>,
    worker: Worker,
    /// Gridlets of all jobs that wait, as of the last tick.
    waiting: u32,
    counters: PeerCounters,
    ticked: Time,
    left: bool,
}

impl Peer {
    /// A node with nothing to do. `offer` is what it has, all slots free.
    pub fn new(
        card: Card,
        offer: Ad,
        settings: Settings,
        overlay: outlast_overlay::Settings,
        placement: Box<dyn Placement>,
        ledger: Ledger,
        now: Time,
    ) -> Self {
        let me = card.node;
        let mut worker = Worker::new(me);
        worker.set_slots(offer.slots);
        Self {
            me,
            settings,
            membership: Membership::new(card, offer.clone(), overlay, now),
            standings: BTreeMap::new(),
            placement,
            ledger,
            ledger_dirty: false,
            ledger_saved: now,
            offer,
            jobs: BTreeMap::new(),
            worker,
            waiting: 0,
            counters: PeerCounters::default(),
            ticked: now,
            left: false,
        }
    }

    /// Takes a job back from the journal after a restart, and carries on with it.
    pub fn resume(&mut self, now: Time, job: Recovered, out: &mut Vec<Effect>) {
        let coordinator = Coordinator::recover(job.spec, self.me, job.records, now);
        let id = coordinator.spec().id;
        self.jobs.insert(id, coordinator);
        let mut effects = Vec::new();
        // The ledger is written before the jobs hear of a liar: this node may have died in between.
        let known = self.jobs.get(&id).into_iter().flat_map(Coordinator::known_workers);
        let liars: Vec<NodeId> = known.filter(|node| self.ledger.is_blacklisted(node)).collect();
        for liar in liars {
            self.with_job(now, id, &mut effects, |job, cx| job.strike(cx, liar));
        }
        self.with_job(now, id, &mut effects, |job, cx| job.start(cx));
        self.deliver(now, effects, out);
    }

    /// This node.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// Who is there.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Who is believed.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What it counted.
    pub fn counters(&self) -> PeerCounters {
        self.counters
    }

    /// Its own ad, with the slots that are free now.
    pub fn ad(&self) -> Ad {
        Ad { free: self.worker.free(), draining: self.worker.is_draining(), ..self.offer.clone() }
    }

    /// The job of this number.
    pub fn job(&self, job: JobId) -> Option<&Coordinator> {
        self.jobs.get(&job)
    }

    /// All jobs submitted here.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, &Coordinator)> {
        self.jobs.iter().map(|(id, job)| (*id, job))
    }

    /// Whether another job may be submitted.
    pub fn has_room(&self) -> bool {
        self.jobs.values().filter(|job| job.is_active()).count() < MAX_ACTIVE_JOBS
    }

    /// Leases held here, and how many of them run.
    pub fn work(&self) -> (usize, usize) {
        (self.worker.held(), self.worker.running())
    }

    /// How full its tables are.
    pub fn footprint(&self) -> Footprint {
        let mut footprint = self.worker.footprint();
        for job in self.jobs.values() {
            let (leases, arrivals, samples) = job.tables();
            footprint.leases_out += leases;
            footprint.arrivals += arrivals;
            footprint.samples += samples;
        }
        footprint
    }

    /// When it wants the next [`Input::Tick`].
    pub fn next_tick(&self) -> Time {
        let active = self.jobs.values().any(Coordinator::is_active);
        let jobs = active.then(|| self.settings.renew_every / 2);
        let work = self.worker.tick_every(&self.settings);
        let often = jobs.into_iter().chain(work).min();
        let own = often.map_or(Time::FAR, |every| self.ticked + every);
        let ledger = if self.ledger_dirty { self.ledger_saved + LEDGER_EVERY } else { Time::FAR };
        self.membership.next_tick().min(own).min(ledger)
    }

    /// Takes an input; what is to be done comes out in order.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        let mut effects = Vec::new();
        self.dispatch(now, input, &mut effects);
        self.deliver(now, effects, out);
        self.tell_offer(now, out);
        if self.worker.is_drained() && !self.left {
            self.left = true;
            self.overlay(now, out, |membership, now, out| membership.leave(now, out));
            out.push(Effect::Drained);
        }
    }

    /// Hands on effects; what the node says to itself is heard here, until it has nothing more to say.
    fn deliver(&mut self, now: Time, effects: Vec<Effect>, out: &mut Vec<Effect>) {
        let mut pending: VecDeque<Effect> = effects.into();
        while let Some(effect) = pending.pop_front() {
            match effect {
                Effect::Send { to, message } if to == self.me => {
                    let mut more = Vec::new();
                    self.on_message(now, to, message, &mut more);
                    pending.extend(more);
                }
                effect => out.push(effect),
            }
        }
    }

    fn dispatch(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Tick => self.on_tick(now, out),
            Input::Message { from, message } => {
                self.counters.messages += 1;
                self.on_message(now, from, message, out);
            }
            Input::ConnectionLost(node) => {
                self.overlay(now, out, |m, now, out| m.on_connection_lost(now, node, out));
            }
            Input::Join(contacts) => {
                self.overlay(now, out, |m, now, out| m.join(now, contacts, out));
            }
            Input::Found(cards) => {
                self.overlay(now, out, |m, now, out| m.found(now, cards, out));
            }
            Input::Place { addresses, relay } => {
                self.overlay(now, out, |m, _, out| m.set_place(addresses, relay, out));
            }
            Input::Offer(offer) => {
                self.worker.set_slots(offer.slots);
                self.offer = offer;
            }
            Input::Submit(spec) => {
                let id = spec.id;
                if !self.jobs.contains_key(&id) {
                    self.jobs.insert(id, Coordinator::new(spec, self.me));
                    self.with_job(now, id, out, |job, cx| job.start(cx));
                }
            }
            Input::Cancel(job) => self.with_job(now, job, out, |job, cx| job.cancel(cx)),
            Input::Retry(job) => self.with_job(now, job, out, |job, cx| {
                job.retry(cx);
            }),
            Input::Forget(job) => {
                if self.jobs.get(&job).is_some_and(|job| !job.is_active()) {
                    self.jobs.remove(&job);
                }
            }
            Input::Pardon(node) => {
                self.ledger.pardon(node);
                self.save_ledger(now, out);
                self.for_active_jobs(now, out, |job, cx| job.on_news(cx));
            }
            Input::Standing { node, standing } => self.on_standing(now, node, standing, out),
            Input::Expelled(node) => self.on_expelled(now, node, out),
            Input::Staging { key, attempt, staging } => {
                self.worker.on_staging(key, attempt, staging);
            }
            Input::Staged { key, attempt, result } => {
                self.worker.on_staged(now, &self.settings, key, attempt, result, out);
            }
            Input::Run(run, event) => self.worker.on_run(now, &self.settings, run, event, out),
            Input::Fetched { job, ticket, result } => {
                self.with_job(now, job, out, |job, cx| job.on_fetched(cx, ticket, result));
            }
            Input::Examined { job, ticket, results } => {
                self.with_job(now, job, out, |job, cx| job.on_examined(cx, ticket, results));
            }
            Input::Sampled { job, cell, outcome } => {
                self.with_job(now, job, out, |job, cx| job.on_sampled(cx, cell, outcome));
            }
            Input::Merged { job, result } => {
                self.with_job(now, job, out, |job, cx| job.on_merged(cx, result));
            }
            Input::Drain => self.worker.drain(now, out),
            Input::Depart => self.overlay(now, out, |m, now, out| m.leave(now, out)),
        }
    }

    fn on_standing(&mut self, now: Time, node: NodeId, standing: Standing, out: &mut Vec<Effect>) {
        if node == self.me {
            return;
        }
        let standing = standing.bounded();
        self.membership.set_shared(node, standing.shared.clone());
        if standing.is_empty() {
            self.standings.remove(&node);
        } else {
            if self.standings.len() >= MAX_STANDINGS && !self.standings.contains_key(&node) {
                // Whoever isn't there introduces itself again before it says anything else.
                let known = self.standings.keys().copied();
                let gone = |node: &NodeId| self.membership.member(node).is_none();
                for node in known.filter(gone).collect::<Vec<_>>() {
                    self.standings.remove(&node);
                    self.membership.set_shared(node, Vec::new());
                }
            }
            self.standings.insert(node, standing);
        }
        self.for_active_jobs(now, out, |job, cx| job.on_news(cx));
    }

    /// No member any more: what it held is done by others, what it said and isn't decided yet is
    /// void, and nothing is done for it.
    fn on_expelled(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) {
        if node == self.me {
            return;
        }
        self.standings.remove(&node);
        self.overlay(now, out, |membership, now, out| membership.expel(now, node, out));
        self.worker.on_expelled(node, out);
        self.for_active_jobs(now, out, |job, cx| {
            if job.known_workers().any(|worker| worker == node) {
                job.strike(cx, node);
            }
        });
    }

    fn on_tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        let pause = now.since(self.ticked);
        self.ticked = now;
        if pause > 2 * self.settings.renew_every {
            // This node was stopped or waited for its disk. Whoever spoke meanwhile wasn't heard.
            self.for_active_jobs(now, out, |job, _| job.forgive(now, pause));
        }
        if self.worker.held() > 0 || self.jobs.values().any(Coordinator::is_active) {
            self.membership.stir(now);
        }
        self.overlay(now, out, |membership, now, out| membership.on_tick(now, out));
        self.worker.on_tick(now, &self.settings, out);
        let waiting = self.jobs.values().filter(|job| job.is_active()).map(Coordinator::waiting);
        self.waiting = waiting.fold(0, u32::saturating_add);
        self.for_active_jobs(now, out, |job, cx| job.on_tick(cx));
        self.ledger_dirty |= self.ledger.age_until(now);
        if self.ledger_dirty && now.since(self.ledger_saved) >= LEDGER_EVERY {
            self.save_ledger(now, out);
        }
    }

    fn save_ledger(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.ledger_dirty = false;
        self.ledger_saved = now;
        out.push(Effect::SaveLedger);
    }

    fn on_message(&mut self, now: Time, from: NodeId, message: Message, out: &mut Vec<Effect>) {
        match message {
            Message::Overlay(message) => {
                self.overlay(now, out, |m, now, out| m.on_message(now, from, message, out));
            }
            Message::ToWorker(job, message) => {
                let from = (from, self.standings.get(&from));
                self.worker.on_message(now, &self.settings, from, job, message, out);
            }
            Message::ToCoordinator(job, message) => self.on_work(now, from, job, message, out),
        }
    }

    fn on_work(
        &mut self,
        now: Time,
        from: NodeId,
        job: JobId,
        message: ToCoordinator,
        out: &mut Vec<Effect>,
    ) {
        if self.jobs.contains_key(&job) {
            self.with_job(now, job, out, |job, cx| job.on_message(cx, from, message));
        } else {
            self.counters.unknown_job += 1;
            out.push(Effect::Send { to: from, message: Message::ToWorker(job, ToWorker::Ended) });
        }
    }

    fn overlay(
        &mut self,
        now: Time,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Membership, Time, &mut Vec<outlast_overlay::Effect>),
    ) {
        let mut effects = Vec::new();
        act(&mut self.membership, now, &mut effects);
        let mut news = false;
        for effect in effects {
            match effect {
                outlast_overlay::Effect::Send { to, message } => {
                    out.push(Effect::Send { to, message: Message::Overlay(message) });
                }
                outlast_overlay::Effect::Learn { node, addresses, relay } => {
                    out.push(Effect::Learn { node, addresses, relay });
                }
                outlast_overlay::Effect::Up { .. } | outlast_overlay::Effect::AdChanged { .. } => {
                    news = true;
                }
                outlast_overlay::Effect::Down { node, .. } => {
                    self.for_active_jobs(now, out, |job, cx| job.on_down(cx, node));
                }
            }
        }
        if news {
            self.for_active_jobs(now, out, |job, cx| job.on_news(cx));
        }
    }

    fn for_active_jobs(
        &mut self,
        now: Time,
        out: &mut Vec<Effect>,
        mut act: impl FnMut(&mut Coordinator, &mut Context<'_>),
    ) {
        let active: Vec<JobId> =
            self.jobs.iter().filter(|(_, job)| job.is_active()).map(|(id, _)| *id).collect();
        for id in active {
            self.with_job(now, id, out, &mut act);
        }
    }

    /// Lets one coordinator act, and puts what it learned about workers into the ledger.
    fn with_job(
        &mut self,
        now: Time,
        job: JobId,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>),
    ) {
        let Some(coordinator) = self.jobs.get_mut(&job) else { return };
        let (free, draining) = (self.worker.free(), self.worker.is_draining());
        let offer = Ad { free, draining, ..self.offer.clone() };
        let mut evidence = Vec::new();
        let mut cx = Context {
            now,
            me: self.me,
            settings: &self.settings,
            membership: &self.membership,
            standings: &self.standings,
            offer: &offer,
            ledger: &self.ledger,
            waiting: self.waiting,
            placement: self.placement.as_mut(),
            evidence: &mut evidence,
            out,
        };
        act(coordinator, &mut cx);
        self.learn(now, &evidence, out);
    }

    fn learn(&mut self, now: Time, evidence: &[Verdict], out: &mut Vec<Effect>) {
        let said = |verdict: &&Verdict| {
            matches!(
                verdict,
                Verdict::Right { worker, .. }
                    | Verdict::Wrong { worker, .. }
                    | Verdict::Passed { worker, .. } if *worker != self.me
            )
        };
        self.ledger_dirty |= evidence.iter().any(|verdict| said(&verdict));
        let changes = self.ledger.learn(evidence, &self.me);
        let liars: Vec<NodeId> =
            changes.into_iter().map(|Change::Blacklisted(node)| node).collect();
        for liar in liars {
            self.save_ledger(now, out);
            self.for_active_jobs(now, out, |job, cx| job.strike(cx, liar));
        }
    }

    /// Tells the others what is free here, if that changed.
    fn tell_offer(&mut self, now: Time, out: &mut Vec<Effect>) {
        let ad = self.ad();
        self.overlay(now, out, |membership, now, out| membership.set_ad(now, ad, out));
    }
}

#[cfg(test)]
mod tests;
