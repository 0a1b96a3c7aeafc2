//! What a worker does without being asked: renews, says things again, ends what is overdue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outlast_gridlet::{CellOutput, Content};
use outlast_types::{Attempt, CellId, Time, limits};

use super::{ASK_EVERY, Lease, LeaseKey, State, Worker};
use crate::effect::JobKey;
use crate::wire::{Failure, Message, ToCoordinator};
use crate::{Effect, Settings};

/// Cells shipped in one frame.
const MAX_CELLS_IN_FRAME: usize = 512;

impl Worker {
    pub(crate) fn on_tick(&mut self, now: Time, settings: &Settings, out: &mut Vec<Effect>) {
        let drained_for = self.draining.map_or(Duration::ZERO, |since| now.since(since));
        let orphans: Vec<JobKey> = self
            .jobs
            .iter()
            .filter(|(key, _)| key.submitter != self.me)
            .filter(|(_, job)| now.since(job.heard) > settings.orphan_ttl)
            .map(|(key, _)| *key)
            .collect();
        for key in orphans {
            self.forget_job(key, out);
        }
        for lease_key in self.leases.keys().copied().collect::<Vec<_>>() {
            let Some(lease) = self.leases.get(&lease_key) else { continue };
            if drained_for > settings.drain_ttl && matches!(lease.state, State::Running { .. }) {
                self.fail(now, lease_key, Failure::Leaving, out);
            }
            self.end_overdue(now, settings, lease_key, out);
            // A leaving node doesn't wait for ever for a submitter that is gone, too.
            if drained_for > 2 * settings.drain_ttl {
                self.forget(lease_key, out);
                continue;
            }
            self.ship(now, settings, lease_key, out);
            self.repeat(now, settings, lease_key, out);
        }
        if now.since(self.renewed) >= settings.renew_every {
            self.renewed = now;
            self.renew(now, settings, out);
            self.tell_staging(out);
        }
        self.start_runs(now, settings, out);
    }

    /// Ends a step of somebody else's that ran for as long as this node allows.
    fn end_overdue(
        &mut self,
        now: Time,
        settings: &Settings,
        lease_key: LeaseKey,
        out: &mut Vec<Effect>,
    ) {
        let limit = settings.quotas.run_time;
        let Some(lease) = self.leases.get(&lease_key) else { return };
        let runs = matches!(lease.state, State::Running { .. });
        if runs && lease_key.key.submitter != self.me && now.since(lease.began) > limit {
            let why = format!(
                "it ran for more than {} s, which is all that this node allows",
                limit.as_secs()
            );
            self.fail(now, lease_key, Failure::Limit(why), out);
        }
    }

    /// Ships answers that aren't sent yet: at once if the lease has nothing more to come or a while has passed.
    pub(super) fn ship(
        &mut self,
        now: Time,
        settings: &Settings,
        lease_key: LeaseKey,
        out: &mut Vec<Effect>,
    ) {
        let Some(lease) = self.leases.get_mut(&lease_key) else { return };
        let waiting = now.since(lease.sent) < settings.gather && !lease.missing.is_empty();
        if lease.unsent.is_empty() || (waiting && lease.unsent.len() < MAX_CELLS_IN_FRAME) {
            return;
        }
        lease.sent = now;
        let cells = std::mem::take(&mut lease.unsent);
        send_cells(lease_key, lease, cells, out);
    }

    /// Says again what wasn't answered, ever more slowly.
    fn repeat(&mut self, now: Time, settings: &Settings, key: LeaseKey, out: &mut Vec<Effect>) {
        let Some(lease) = self.leases.get_mut(&key) else { return };
        let due = settings.resend_every * (1 << lease.repeats.min(4));
        if now.since(lease.sent) < due {
            return;
        }
        if !lease.unacknowledged.is_empty() {
            let cells = lease.unacknowledged.keys().copied().collect();
            lease.unsent.clear();
            send_cells(key, lease, cells, out);
        } else if let State::Failed(failure) = &lease.state {
            let failure = failure.clone();
            send(key.key, ToCoordinator::Failed { attempt: key.attempt, failure }, out);
        } else {
            return;
        }
        lease.sent = now;
        lease.repeats += 1;
    }

    /// Says how far inputs are that are still on their way, where that is news.
    fn tell_staging(&mut self, out: &mut Vec<Effect>) {
        for (lease_key, lease) in &mut self.leases {
            if let Some(staging) = lease.staging.take().filter(|_| !lease.staged) {
                let attempt = lease_key.attempt;
                send(lease_key.key, ToCoordinator::Staging { attempt, staging }, out);
            }
        }
    }

    /// Renews all leases; asks about jobs without one whether they go on.
    fn renew(&mut self, now: Time, settings: &Settings, out: &mut Vec<Effect>) {
        let mut by_job: BTreeMap<JobKey, Vec<Attempt>> = BTreeMap::new();
        for lease in self.leases.keys() {
            by_job.entry(lease.key).or_default().push(lease.attempt);
        }
        for (key, job) in &mut self.jobs {
            let attempts = by_job.remove(key).unwrap_or_default();
            if !attempts.is_empty() || now.since(job.asked) >= ASK_EVERY * settings.renew_every {
                job.asked = now;
                send(*key, ToCoordinator::Alive { attempts }, out);
            }
        }
    }

    /// How often it wants a tick now; `None`: not at all.
    pub(crate) fn tick_every(&self, settings: &Settings) -> Option<Duration> {
        if self.leases.is_empty() {
            return (!self.jobs.is_empty()).then(|| ASK_EVERY * settings.renew_every);
        }
        let gathering = self.leases.values().any(|lease| !lease.unsent.is_empty());
        Some(if gathering {
            settings.gather.min(settings.renew_every)
        } else {
            settings.renew_every
        })
    }
}

pub(super) fn send(key: JobKey, message: ToCoordinator, out: &mut Vec<Effect>) {
    out.push(Effect::Send { to: key.submitter, message: Message::ToCoordinator(key.job, message) });
}

/// Ships answers in as many frames as their size wants.
pub(super) fn send_cells(
    lease: LeaseKey,
    held: &Lease,
    cells: BTreeSet<CellId>,
    out: &mut Vec<Effect>,
) {
    let attempt = lease.attempt;
    let mut outputs = Vec::new();
    let mut bytes = 0;
    for output in cells.iter().filter_map(|cell| held.unacknowledged.get(cell)) {
        let size = frame_size(output);
        if !outputs.is_empty()
            && (bytes + size > limits::INLINE_FRAME_BYTES || outputs.len() >= MAX_CELLS_IN_FRAME)
        {
            let outputs = std::mem::take(&mut outputs);
            send(lease.key, ToCoordinator::Cells { attempt, outputs }, out);
            bytes = 0;
        }
        bytes += size;
        outputs.push(output.clone());
    }
    if !outputs.is_empty() {
        send(lease.key, ToCoordinator::Cells { attempt, outputs }, out);
    }
}

/// About what an answer takes in a frame.
fn frame_size(output: &CellOutput) -> usize {
    let file = |file: &outlast_gridlet::OutFile| {
        let content = match &file.content {
            Content::Inline(bytes) => bytes.len(),
            Content::Blob { .. } => 48,
        };
        file.name.len() + content + 16
    };
    16 + output.files.iter().map(file).sum::<usize>()
}
