//! Carrying out what a peer wants done, as the daemon does it, or half of it: a crash may come between any two
//! effects.

use std::time::Duration;

use outlast_gridlet::{ApplicationManager, Needs, Sample};
use outlast_job::wire::{Message, ToWorker};
use outlast_job::{Effect, Input, JobKey, RunEvent, RunFailure, RunId, SampleOutcome};
use outlast_types::{Attempt, Hash, JobId, Time, limits, wire};

use crate::app;
use crate::host::{Kept, Paper, Task};
use crate::world::{Event, World, brief};

impl World {
    /// Carries out effects in order. Whoever is doomed dies on the way, in one of two manners: as a daemon that
    /// writes all that is durable first (group commit), or as one that does one thing after the other.
    pub(crate) fn carry_out(&mut self, node: usize, effects: Vec<Effect>) {
        let doomed = self.hosts[node].doom.is_some() && !effects.is_empty();
        if !doomed {
            for effect in effects {
                self.act(node, effect);
                if self.hosts[node].peer.is_none() {
                    return;
                }
            }
            return;
        }
        let grouped = self.dice.chance(0.5);
        let (durable, rest): (Vec<_>, Vec<_>) =
            effects.into_iter().partition(|effect| grouped && is_durable(effect));
        let commit = self.dice.chance(0.7);
        if commit {
            durable.into_iter().for_each(|effect| self.act(node, effect));
        }
        if commit || !grouped {
            let survive = self.dice.below(rest.len() as u64 + 1) as usize;
            rest.into_iter().take(survive).for_each(|effect| self.act(node, effect));
        }
        self.die(node);
    }

    /// A machine dies.
    pub(crate) fn die(&mut self, node: usize) {
        self.tally.crashes += 1;
        self.say(|| format!("node {node} dies"));
        let back = self.hosts[node].doom.take().and_then(|doom| doom.back);
        self.stop(node, back);
        for other in 0..self.hosts.len() {
            if other != node {
                let after = self.dice.millis(10, 5000);
                self.at(after, Event::Lost { node: other, of: node });
            }
        }
    }

    fn stop(&mut self, node: usize, back: Option<Duration>) {
        let host = &mut self.hosts[node];
        host.peer = None;
        host.tick = Time::FAR;
        host.volatile = Default::default();
        if let Some(back) = back {
            self.at(back, Event::Start { node });
        }
    }

    /// Lets a machine's peer hear something a little later, in order.
    pub(crate) fn later(&mut self, node: usize, delay: Duration, input: Input) {
        let life = self.hosts[node].life;
        self.at(delay, Event::Input { node, life, input: Box::new(input) });
    }

    fn task(&mut self, node: usize, task: Task) {
        let cost = self.dice.millis(0, 3);
        let now = self.now;
        let volatile = &mut self.hosts[node].volatile;
        volatile.tasks.push_back(task);
        volatile.busy_until = volatile.busy_until.max(now) + cost;
        let (wait, life) = (volatile.busy_until.since(now), self.hosts[node].life);
        self.at(wait, Event::Examine { node, life });
    }

    fn act(&mut self, node: usize, effect: Effect) {
        let life = self.hosts[node].life;
        match effect {
            Effect::Send { to, message } => self.send(node, to, &message),
            Effect::Learn { .. } => {}
            Effect::Journal { job, record } => {
                self.say(|| format!("{node} writes {}", brief(&record)));
                self.check.recorded(job, &record);
                let bytes = wire::encode(&record, limits::FRAME_BYTES).expect("a record fits");
                if let Some(disk) = self.hosts[node].disk.jobs.get_mut(&job) {
                    disk.records.push(bytes);
                }
            }
            Effect::Store { job, class, output } => {
                let Some(disk) = self.hosts[node].disk.jobs.get_mut(&job) else { return };
                let key = (output.cell, class);
                if disk.outputs.insert(key, output).is_some() {
                    self.check.fail(format!("job {job}: {key:?} is stored twice"));
                }
            }
            Effect::SaveLedger => {
                let host = &mut self.hosts[node];
                if let Some(peer) = &host.peer {
                    host.disk.ledger = peer.ledger().clone();
                }
            }
            Effect::Fetch { job, ticket, from, blobs } => {
                let from = self.index.get(&from).copied().unwrap_or(node);
                let blobs: Vec<Hash> = blobs.into_iter().map(|(hash, _)| hash).collect();
                let takes = self.network.transfer(from, node, &mut self.dice);
                self.at(takes, Event::Fetched { node, life, job, ticket, from, blobs });
            }
            Effect::Examine { job, ticket, outputs } => {
                self.task(node, Task::Examine { job, ticket, outputs });
            }
            Effect::Sample { job, sample } => {
                if let Some(disk) = self.hosts[node].disk.jobs.get(&job) {
                    self.check.sampled(job, sample.cell, disk);
                }
                let takes = self.dice.millis(5, 100);
                let sample = Box::new(sample);
                self.at(takes, Event::Sampled { node, life, job, sample });
            }
            Effect::Accepted { job, cell, class } => {
                let host = &mut self.hosts[node];
                host.volatile.accepted.entry(job).or_default().insert(cell, class);
                let output = host.disk.jobs.get(&job).and_then(|d| d.outputs.get(&(cell, class)));
                self.check.accepted(job, cell, class, output, &host.disk.blobs);
                self.task(node, Task::Accepted { job, cell });
            }
            Effect::Retracted { job, cell } => {
                let accepted = self.hosts[node].volatile.accepted.get_mut(&job);
                accepted.and_then(|accepted| accepted.remove(&cell));
                self.check.retracted(job, cell);
            }
            Effect::Merge(job) => {
                self.check.merging(job);
                if !self.hosts[node].volatile.merging.insert(job) {
                    self.check.fail(format!("job {job} is merged twice at a time"));
                }
                let takes = self.dice.millis(5, 50);
                self.at(takes, Event::Merge { node, life, job });
            }
            Effect::Ended(job) => {
                self.say(|| format!("job {job} ended at {node}"));
                self.task(node, Task::Forget { job });
            }
            Effect::Stage { key, attempt, needs, .. } => self.stage(node, key, attempt, needs),
            Effect::Run(run) => self.run_step(node, &run),
            Effect::Kill(run) => {
                self.hosts[node].volatile.runs.remove(&run);
            }
            Effect::Clean(key) => {
                let volatile = &mut self.hosts[node].volatile;
                volatile.staged.remove(&key);
                volatile.staging.retain(|(of, _), _| *of != key);
            }
            Effect::Drained => {
                self.say(|| format!("node {node} has left"));
                let back = self.hosts[node].returns.take();
                if !self.hosts[node].volatile.runs.is_empty() {
                    self.check.fail(format!("node {node} left with something running"));
                }
                self.stop(node, back);
            }
        }
    }

    fn send(&mut self, node: usize, to: outlast_types::NodeId, message: &Message) {
        if to == self.hosts[node].id {
            self.check.fail(format!("node {node} sends to itself: {}", brief(message)));
        }
        let lease = matches!(message, Message::ToWorker(_, ToWorker::Lease { .. }));
        if lease && self.hosts[node].barred.contains(&to) {
            self.check.fail(format!("node {node} gives work to one that was expelled"));
        }
        let ack = matches!(message, Message::ToWorker(_, ToWorker::Ack { .. }));
        if ack && self.dice.chance(self.hosts[node].plan.behaviour.drops_acks) {
            return;
        }
        self.check.sent(self.hosts[node].id, to, message);
        // Nobody that the world doesn't have.
        let Some(&to) = self.index.get(&to) else { return };
        match wire::encode(message, limits::FRAME_BYTES) {
            Ok(frame) => self.post(node, to, frame),
            Err(error) => self.check.fail(format!("node {node} can't send: {error}")),
        }
    }

    fn stage(&mut self, node: usize, key: JobKey, attempt: Attempt, needs: Needs) {
        let from = self.index.get(&key.submitter).copied().unwrap_or(node);
        let takes = self.network.transfer(from, node, &mut self.dice);
        let number = self.dice.number();
        let life = self.hosts[node].life;
        self.hosts[node].volatile.staging.insert((key, attempt), (number, needs));
        self.at(takes, Event::Staged { node, life, key, attempt, number });
    }

    pub(crate) fn on_staged(&mut self, node: usize, key: JobKey, attempt: Attempt, number: u64) {
        let staging = &mut self.hosts[node].volatile.staging;
        let Some((_, needs)) = staging.remove(&(key, attempt)).filter(|(n, _)| *n == number) else {
            return;
        };
        let source = self.index.get(&key.submitter).copied();
        let failing = self.dice.chance(self.hosts[node].plan.behaviour.staging_fails);
        let reached = source.is_some_and(|source| self.reaches(source, node));
        let result = if failing {
            Err(RunFailure::DiskFull)
        } else if !reached {
            Err(RunFailure::Setup("the submitter can't be reached".to_owned()))
        } else {
            self.hosts[node].volatile.staged.entry(key).or_default().add(needs);
            Ok(())
        };
        self.input(node, Input::Staged { key, attempt, result });
    }

    /// Whether a transfer from one to the other goes through.
    fn reaches(&self, from: usize, to: usize) -> bool {
        from == to
            || (self.hosts[from].peer.is_some()
                && !self.network.is_cut(from, to)
                && !self.network.is_cut(to, from))
    }

    fn run_step(&mut self, node: usize, run: &outlast_job::Run) {
        let host = &mut self.hosts[node];
        let life = host.life;
        let laid = host.volatile.staged.get(&run.id.key);
        if !laid.is_some_and(|laid| laid.covers(&run.step.inputs)) {
            self.check.fail(format!("node {node} runs without inputs: {:?}", run.id));
            return;
        }
        if !host.volatile.runs.insert(run.id) {
            self.check.fail(format!("node {node} runs twice: {:?}", run.id));
            return;
        }
        let slots = host.plan.slots as usize;
        if host.volatile.runs.len() > slots {
            let found = host.volatile.runs.len();
            self.check.fail(format!("node {node} runs {found} steps in {slots} slots"));
            return;
        }
        let secret = app::mix(node as u64 + 77);
        let events = host.plan.behaviour.run(&run.step, secret, &mut self.dice);
        for (after, mut event) in events {
            if let RunEvent::Cell(output) = &mut event
                && app::wants_blobs(&run.step)
            {
                let blobs = app::to_blobs(output);
                self.hosts[node].disk.blobs.0.extend(blobs);
            }
            self.at(after, Event::Run { node, life, run: run.id, event });
        }
    }

    pub(crate) fn on_run(&mut self, node: usize, run: RunId, event: RunEvent) {
        let runs = &mut self.hosts[node].volatile.runs;
        // A killed run's last news may be on its way when it is killed.
        if !runs.contains(&run) && !self.dice.chance(0.1) {
            return;
        }
        if !matches!(event, RunEvent::Cell(_)) {
            self.hosts[node].volatile.runs.remove(&run);
        }
        self.input(node, Input::Run(run, event));
    }

    pub(crate) fn on_fetched(
        &mut self,
        node: usize,
        job: JobId,
        ticket: u64,
        from: usize,
        blobs: &[Hash],
    ) {
        let mut result = Ok(());
        if !self.reaches(from, node) {
            result = Err("the node can't be reached".to_owned());
        }
        for hash in blobs {
            match self.hosts[from].disk.blobs.0.get(hash).cloned() {
                Some(bytes) if result.is_ok() => {
                    self.hosts[node].disk.blobs.0.insert(*hash, bytes);
                }
                Some(_) => {}
                None => result = Err(format!("it doesn't have {hash:?}")),
            }
        }
        self.input(node, Input::Fetched { job, ticket, result });
    }

    pub(crate) fn on_sampled(&mut self, node: usize, job: JobId, sample: Sample) {
        let has_program = self.hosts[node].plan.behaviour.has_program;
        match app::compute(&sample.step).into_iter().next().filter(|_| has_program) {
            Some(truth) => self.task(node, Task::Compare { job, sample: Box::new(sample), truth }),
            None => {
                let outcome = SampleOutcome::Unavailable("no `toy` here".to_owned());
                self.input(node, Input::Sampled { job, cell: sample.cell, outcome });
            }
        }
    }

    pub(crate) fn on_merge(&mut self, node: usize, job: JobId) {
        let host = &mut self.hosts[node];
        host.volatile.merging.remove(&job);
        let accepted = host.volatile.accepted.entry(job).or_default();
        let Some(disk) = host.disk.jobs.get(&job) else { return };
        let mut paper = Paper::default();
        let merged = if host.no_room {
            Err("no space left".to_owned())
        } else {
            let kept = Kept { disk, blobs: &host.disk.blobs, accepted };
            disk.toy.merge(&kept, &mut paper).map_err(|error| error.to_string())
        };
        if let (Err(why), false) = (&merged, host.no_room) {
            self.check.fail(format!("job {job} can't be merged: {why}"));
        }
        if let (Ok(_), Some(disk)) = (&merged, host.disk.jobs.get_mut(&job)) {
            disk.written = Some(paper.0);
        }
        self.input(node, Input::Merged { job, result: merged });
    }
}

fn is_durable(effect: &Effect) -> bool {
    matches!(effect, Effect::Journal { .. } | Effect::Store { .. } | Effect::SaveLedger)
}
