//! How a job ends: all is accepted, somebody cancels it, or it can't be done.

use outlast_gridlet::Merged;

use super::alike::Alike;
use super::undecided::Undecided;
use super::{Context, Coordinator, End, Phase};
use crate::queue::Queue;
use crate::wire::ToWorker;
use crate::{Effect, Record};

impl Coordinator {
    /// The user doesn't want it any more.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>) {
        if self.is_active() || matches!(self.phase, Phase::Ended(End::Unwritten(_))) {
            self.end(cx, End::Cancelled);
        }
    }

    /// Writes the output again. Says whether there was anything to retry.
    pub(crate) fn retry(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.phase, Phase::Ended(End::Unwritten(_))) {
            return false;
        }
        self.journal(cx, Record::Retried);
        self.phase = Phase::Merging;
        self.finished = None;
        self.version += 1;
        cx.out.push(Effect::Merge(self.spec.id));
        true
    }

    /// The output was written, or couldn't be.
    pub(crate) fn on_merged(&mut self, cx: &mut Context<'_>, result: Result<Merged, String>) {
        if self.phase == Phase::Merging {
            self.end(cx, result.map_or_else(End::Unwritten, End::Done));
        }
    }

    pub(super) fn finish_if_complete(&mut self, cx: &mut Context<'_>) {
        if self.phase != Phase::Running || !self.verifier.is_complete() {
            return;
        }
        self.journal(cx, Record::Complete);
        self.phase = Phase::Merging;
        self.version += 1;
        self.dismiss_workers(cx);
        cx.out.push(Effect::Merge(self.spec.id));
    }

    pub(super) fn end(&mut self, cx: &mut Context<'_>, end: End) {
        self.journal(cx, Record::Ended { end: end.clone(), at: cx.now });
        self.phase = Phase::Ended(end);
        self.finished = Some(cx.now);
        self.version += 1;
        self.dismiss_workers(cx);
        cx.out.push(Effect::Ended(self.spec.id));
    }

    /// Tells everybody who worked for it that it is over, and forgets what is only needed while it runs.
    fn dismiss_workers(&mut self, cx: &mut Context<'_>) {
        for (&worker, known) in &self.workers {
            if known.granted > 0 {
                self.send(cx, worker, ToWorker::Ended);
            }
        }
        self.forget_running();
    }

    pub(super) fn forget_running(&mut self) {
        self.leases.clear();
        self.by_gridlet.clear();
        self.queue = Queue::default();
        self.for_self.clear();
        self.hopeless.clear();
        self.arrivals.clear();
        self.samples.clear();
        self.failures.clear();
        self.undecided = Undecided::default();
        self.alike = Alike::default();
        self.completed.clear();
        for worker in self.workers.values_mut() {
            worker.leases = 0;
        }
    }
}
