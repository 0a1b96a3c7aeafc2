//! How busy the grid is, told to the verifier: whether replicas go out all at once or one after the other
//! ([`Schedule::Auto`]), and how strictly they follow each other, depends on it (GINGER, section 3.2).
//!
//! What is told changes only what is handed out next, never what is decided, so it isn't journaled: a submitter that
//! comes back looks around anew.
//!
//! Looked at on ticks and news of nodes, not at each event: a queue must not be put in order for every answer. A job
//! has no deadline so far, so none is ever in a hurry.

use outlast_types::NodeId;
use outlast_verify::{Load, Schedule};

use super::{Context, Coordinator, Phase};

impl Coordinator {
    /// Gridlets that wait for a worker.
    pub(crate) fn waiting(&self) -> u32 {
        (self.queue.len() + self.for_self.len()) as u32
    }

    /// When replicas are handed out now, if that is left to the load and the job still runs.
    pub(super) fn schedule_now(&self) -> Option<Schedule> {
        let auto = self.spec.policy.schedule == Schedule::Auto && self.phase == Phase::Running;
        auto.then(|| self.verifier.schedule())
    }

    /// Tells the verifier how busy the grid is; if it hands out otherwise then, all places in the queue are found anew.
    pub(super) fn tell_load(&mut self, cx: &Context<'_>) {
        if self.phase != Phase::Running {
            return;
        }
        let load = self.load(cx);
        if self.verifier.set_load(load) {
            self.requeue_all();
            self.version += 1;
        }
    }

    fn load(&self, cx: &Context<'_>) -> Load {
        let fit = |node: &NodeId| !cx.ledger.is_blacklisted(node);
        let usable = self.usable(cx).into_iter().filter(|(node, ..)| fit(node));
        // What a node says is as old as its last heartbeat: what it was granted since isn't free either.
        let free = usable.fold(0u32, |sum, (_, ad, leases)| {
            sum.saturating_add(ad.free.min(ad.slots.saturating_sub(leases)))
        });
        // One more than there are free slots says all that there is to say: the queue may be long.
        let enough = free.saturating_add(1);
        let idle = |gridlet| !self.by_gridlet.contains_key(gridlet);
        let own = self.queue.gridlets().filter(|gridlet| idle(*gridlet)).take(enough as usize);
        let others = cx.waiting.saturating_sub(self.waiting());
        Load { free, waiting: others.saturating_add(own.count() as u32), hurry: false }
    }
}

#[cfg(test)]
mod tests;
