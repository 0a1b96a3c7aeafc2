//! The whole, looked at now and then: no table grows without bound, and all are empty when all is over.

use outlast_job::{End, Input, Phase};

use crate::scenario::Ends;
use crate::world::World;

/// Leases that one worker may ever hold here. Far above what scenarios need; a leak gets there.
const MAX_LEASES_HERE: usize = 1200;

impl World {
    /// The user tries again to have outputs written, where there is room again.
    pub(crate) fn retry_unwritten(&mut self) {
        for job in 0..self.jobs.len() {
            let (node, id) = (self.scenario.jobs[job].submitter, self.jobs[job]);
            let host = &self.hosts[node];
            let phase = host.peer.as_ref().and_then(|p| p.job(id)).map(|job| job.phase().clone());
            if !host.no_room && matches!(phase, Some(Phase::Ended(End::Unwritten(_)))) {
                self.input(node, Input::Retry(id));
            }
        }
    }

    /// Tables that may not be larger than this, ever.
    pub(crate) fn bounds(&mut self) {
        for node in 0..self.hosts.len() {
            let Some(peer) = self.hosts[node].peer.as_ref() else { continue };
            let size = peer.footprint();
            let cells: u64 =
                peer.jobs().map(|(_, job)| u64::from(job.report(self.now).cells)).sum();
            let out = size.leases_out as u64;
            // A lease is out for cells that nobody else answers, but for replicas and rivals.
            let too_many = size.leases_here > MAX_LEASES_HERE
                || out > 20 * cells
                || size.arrivals as u64 > 20 * cells
                || size.samples as u64 > cells;
            if too_many {
                self.check.fail(format!("the tables of node {node} are too large: {size:?}"));
            }
        }
    }

    /// Whether nothing is left of any job on any machine that is up.
    pub(crate) fn is_empty(&self) -> bool {
        self.hosts.iter().all(|host| {
            let volatile = &host.volatile;
            let idle = host.peer.as_ref().is_none_or(|p| p.footprint() == Default::default());
            idle && volatile.staged.is_empty()
                && volatile.staging.is_empty()
                && volatile.runs.is_empty()
                && volatile.classes.is_empty()
                && volatile.tasks.is_empty()
        })
    }

    pub(crate) fn leftovers(&self) -> String {
        let mut text = String::new();
        for (node, host) in self.hosts.iter().enumerate() {
            let Some(peer) = &host.peer else { continue };
            let (size, volatile) = (peer.footprint(), &host.volatile);
            text += &format!(
                "node {node}: {size:?}, staged {:?}, staging {}, runs {:?}, classes {}; ",
                volatile.staged,
                volatile.staging.len(),
                volatile.runs,
                volatile.classes.len(),
            );
        }
        text
    }

    pub(crate) fn unfinished(&self) -> String {
        let mut text = String::new();
        for (id, plan) in self.jobs.iter().zip(&self.scenario.jobs) {
            let peer = self.hosts[plan.submitter].peer.as_ref();
            match peer.and_then(|peer| peer.job(*id)) {
                None => text += &format!("job {id} of node {} is nowhere; ", plan.submitter),
                Some(job) => {
                    let report = job.report(self.now);
                    text += &format!("{report:#?}\n{:#?}\n", job.workers(self.now));
                }
            }
        }
        text
    }

    /// What must hold in the end.
    pub(crate) fn verdict(&mut self) {
        for (&id, plan) in self.jobs.iter().zip(&self.scenario.jobs) {
            let host = &self.hosts[plan.submitter];
            let peer = host.peer.as_ref();
            let Some(job) = peer.and_then(|peer| peer.job(id)) else { continue };
            let Phase::Ended(end) = job.phase() else { continue };
            let legitimate = match (self.scenario.ends, end) {
                (_, End::Done(_)) => self.scenario.ends != Ends::NoProgram,
                (Ends::NoProgram, End::NoProgram(_))
                | (Ends::DoneOrFailed, End::Failed(_))
                | (Ends::DoneOrCancelled, End::Cancelled) => true,
                _ => false,
            };
            if !legitimate {
                self.check.fail(format!("job {id} ended so: {end:?}"));
            }
            let disk = &host.disk.jobs[&id];
            if self.scenario.right
                && matches!(end, End::Done(_))
                && disk.written != Some(disk.toy.truth())
            {
                self.check.fail(format!("job {id} is done, and its output is wrong"));
            }
            let Some(peer) = peer.filter(|_| self.scenario.right) else { continue };
            for (other, host) in self.hosts.iter().enumerate() {
                let history = peer.ledger().history(&host.id);
                let wrong = history.outvoted + history.sampled_wrong > 0 || history.blacklisted;
                if wrong && !host.plan.behaviour.lies() {
                    self.check.fail(format!("node {other} is honest and held wrong: {history:?}"));
                }
            }
        }
    }
}
