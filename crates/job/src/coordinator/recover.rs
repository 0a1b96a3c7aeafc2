//! Back from the journal after the submitter's death.

use std::sync::Arc;
use std::time::Duration;

use outlast_types::{NodeId, Time};
use outlast_verify::Verdict;

use super::{Coordinator, JobSpec, Phase};
use crate::Record;

/// A worker notices only after its connection's idle timeout (4 s) that the submitter's former life is gone,
/// and speaks to the new one after that. Its lease lasts so much longer than usual.
const RECOVERY_GRACE: Duration = Duration::from_secs(5);

impl Coordinator {
    /// The coordinator that wrote these records, with the leases that were out: their workers may still be
    /// at it, and have `lease_ttl` and a grace from `now` to say so.
    pub fn recover(spec: Arc<JobSpec>, me: NodeId, records: Vec<Record>, now: Time) -> Self {
        let mut coordinator = Self::new(spec, me);
        for record in records {
            coordinator.replay(record, now);
        }
        let mut verdicts = Vec::new();
        coordinator.verifier.flush(&mut verdicts);
        coordinator.absorb(None, verdicts);
        if coordinator.phase == Phase::Running {
            coordinator.requeue_all();
        }
        coordinator
    }

    /// Replays a record and says what followed from it.
    pub(crate) fn replay_aloud(&mut self, record: Record, now: Time) -> Vec<Verdict> {
        self.told = Some(Vec::new());
        self.replay(record, now);
        let mut owed = Vec::new();
        self.verifier.flush(&mut owed);
        self.absorb(None, owed);
        self.told.take().unwrap_or_default()
    }

    fn replay(&mut self, record: Record, now: Time) {
        match record {
            Record::Granted { attempt, gridlet, worker, cells, .. } => {
                let cells = if cells.is_empty() { self.cells_of(gridlet) } else { cells };
                self.hold(attempt, worker, gridlet, cells, now);
                if let Some(lease) = self.leases.get_mut(&attempt) {
                    lease.heard = now + RECOVERY_GRACE;
                }
            }
            Record::Bound { gridlet, kind } => self.note_bound(gridlet, &kind),
            Record::Votes { attempt, votes } => {
                let Some(lease) = self.leases.get_mut(&attempt) else { return };
                for (cell, ..) in &votes {
                    lease.open.remove(cell);
                }
                let (worker, done) = (lease.worker, lease.open.is_empty());
                self.cast(None, worker, &votes);
                if done {
                    self.drop_lease(attempt);
                }
            }
            Record::Released { attempt } => self.drop_lease(attempt),
            Record::Sampled { cell, right, wrong } => {
                self.samples.remove(&cell);
                let mut verdicts = Vec::new();
                self.verifier.sampled(cell, &right, &wrong, &mut verdicts);
                self.absorb(None, verdicts);
            }
            Record::SampleFailed { cell } => {
                self.samples.remove(&cell);
                let mut verdicts = Vec::new();
                self.verifier.sample_failed(cell, &mut verdicts);
                self.absorb(None, verdicts);
            }
            Record::Struck(worker) => {
                if let Some(known) = self.workers.get_mut(&worker) {
                    known.struck = true;
                }
                let mut verdicts = Vec::new();
                self.verifier.strike(worker, &mut verdicts);
                self.absorb(None, verdicts);
            }
            Record::Barred { worker, cell, why, .. } => {
                self.counters.invalid += 1;
                self.note_barred(worker, cell, why);
            }
            Record::Believed { worker, credence, check } => {
                let verdicts = self.note_belief(worker, credence, check);
                self.absorb(None, verdicts);
            }
            Record::Prior(liars) => self.note_prior(liars),
            Record::Clique(members) => self.note_clique(members),
            Record::Quizzed { attempt, gridlet, worker, cells } => {
                for &cell in &cells {
                    self.verifier.assign_quiz(cell, worker);
                }
                self.enter(attempt, worker, gridlet, cells, now, true);
                if let Some(lease) = self.leases.get_mut(&attempt) {
                    lease.heard = now + RECOVERY_GRACE;
                }
            }
            Record::Complete | Record::Retried => {
                self.phase = Phase::Merging;
                self.finished = None;
                self.forget_running();
            }
            Record::Ended { end, at } => {
                self.phase = Phase::Ended(end);
                self.finished = Some(at);
                self.forget_running();
            }
        }
    }
}
