//! Handing out work: which worker gets which cells under a new lease; and how leases end.

use outlast_broker::{Candidate, room};
use outlast_overlay::State;
use outlast_types::{Ad, Attempt, CellId, GridletId, NodeId};

use super::alike::Roomy;
use super::{Context, Coordinator, End, Lease, Phase, Worker};
use crate::wire::ToWorker;
use crate::{Record, Standing};

/// Leases granted in one go, so that a huge grid doesn't keep the node from listening; the next
/// tick goes on.
const GRANTS_AT_ONCE: usize = 4096;

/// Leases of one gridlet beyond its quorum that are out because others are slow. More nodes that hang
/// on the same gridlet say that it is the program that hangs.
const MAX_RIVALS: usize = 6;

impl Coordinator {
    /// Grants leases while there is work that somebody may do.
    pub(super) fn assign(&mut self, cx: &mut Context<'_>) {
        self.flush(cx);
        self.give_back_own(cx);
        self.give_back_unlike(cx);
        if self.phase != Phase::Running {
            return;
        }
        if self.queue.len() == 0 && self.for_self.is_empty() && !self.may_be_slow(cx) {
            self.stranded = None;
            return;
        }
        let usable = self.usable(cx);
        self.watch_for_workers(cx, &usable);
        if self.phase != Phase::Running || usable.is_empty() {
            return;
        }
        // Work queued at a worker can't be done by one that becomes free earlier: near the end, none is.
        let slots = usable.iter().fold(0u32, |sum, (_, ad, _)| sum.saturating_add(ad.slots));
        let plenty = self.queue.len() as u64 > 2 * u64::from(slots);
        let prefetch = if plenty { cx.settings.prefetch } else { 0 };
        let mut candidates: Vec<Candidate<'_>> = usable
            .into_iter()
            .map(|(node, ad, outstanding)| Candidate {
                node,
                ad,
                credibility: 0.0,
                outstanding,
                local: node == cx.me,
            })
            .filter(|candidate| room(candidate, prefetch) > 0)
            .filter(|candidate| !cx.ledger.is_blacklisted(&candidate.node))
            .collect();
        for candidate in &mut candidates {
            candidate.credibility = cx.ledger.credibility(&candidate.node);
        }
        let roomy = self.roomy(cx);
        for _ in 0..GRANTS_AT_ONCE {
            if candidates.is_empty() {
                return;
            }
            // Which gridlet it will be depends on the worker, so its cost isn't known yet: any is alike.
            let Some(chosen) = cx.placement.choose(&candidates, 1.0) else { return };
            let (worker, ad) = (candidates[chosen].node, candidates[chosen].ad);
            let granted = match self.next_for(cx, &worker, ad, &roomy) {
                Some(_) if self.is_quiz_due() && self.grant_quiz(cx, worker, ad) => true,
                Some(gridlet) => self.grant(cx, worker, ad, gridlet),
                None => self.grant_rival(cx, worker, ad),
            };
            if granted {
                candidates[chosen].outstanding += 1;
            }
            if !granted || room(&candidates[chosen], prefetch) == 0 {
                candidates.swap_remove(chosen);
                candidates.sort_by_key(|candidate| candidate.node);
            }
        }
    }

    /// Whether any lease is old enough to be called slow. The first was granted first.
    fn may_be_slow(&self, cx: &Context<'_>) -> bool {
        let oldest = self.leases.values().next();
        self.pace.leases > 0
            && oldest.is_some_and(|lease| cx.now.since(lease.granted) >= cx.settings.straggler_min)
    }

    /// Gridlets that were left to this node although it can't run them: others try again, unless it
    /// is their answers that gave no decision.
    fn give_back_own(&mut self, cx: &mut Context<'_>) {
        let able = cx.offer.slots > 0
            && self
                .workers
                .get(&cx.me)
                .is_none_or(|me| !me.missing_program && !me.barred && !me.broken);
        if self.phase != Phase::Running || able || self.for_self.is_empty() {
            return;
        }
        if let Some(gridlet) = self.hopeless.first() {
            let why = format!(
                "the answers for gridlet {gridlet} disagree, and this node can't compute it itself"
            );
            self.end(cx, End::Failed(why));
            return;
        }
        for gridlet in std::mem::take(&mut self.for_self) {
            self.requeue(gridlet);
        }
    }

    fn next_for(
        &self,
        cx: &Context<'_>,
        worker: &NodeId,
        ad: &Ad,
        roomy: &Roomy,
    ) -> Option<GridletId> {
        if *worker == cx.me {
            let own = self.for_self.iter().find(|gridlet| !self.by_me(cx, **gridlet));
            if let Some(gridlet) = own {
                return Some(*gridlet);
            }
        }
        let begins =
            *worker == cx.me || roomy.as_ref().is_none_or(|kinds| kinds.contains(ad.kind.as_str()));
        // An answer may be believed alone once its author's record is better: a second one would be for nothing.
        let fresh = self.is_by_credibility();
        self.queue.pick(worker, fresh, |kind| kind.map_or(begins, |kind| kind == ad.kind))
    }

    fn by_me(&self, cx: &Context<'_>, gridlet: GridletId) -> bool {
        self.by_gridlet
            .get(&gridlet)
            .is_some_and(|attempts| attempts.iter().any(|a| self.leases[a].worker == cx.me))
    }

    /// Nodes that may work for this job now, this one included, as far as the job itself knows, and the leases that
    /// they hold. Called at each event: goes once along both tables, side by side.
    pub(super) fn usable<'a>(&self, cx: &Context<'a>) -> Vec<(NodeId, &'a Ad, u32)> {
        let membership = cx.membership;
        let mut known = self.workers.iter().peekable();
        let mut usable = Vec::new();
        let mut consider = |node: NodeId, ad: &'a Ad, worker: Option<&Worker>| {
            let fit = worker.is_none_or(|worker| {
                !worker.barred
                    && !worker.broken
                    && !worker.missing_program
                    && worker.not_before <= cx.now
            });
            if fit && ad.slots > 0 && !ad.draining {
                usable.push((node, ad, worker.map_or(0, |worker| worker.leases)));
            }
        };
        for member in membership.members() {
            let node = member.card.node;
            while known.next_if(|(worker, _)| **worker < node).is_some() {}
            let worker = known.next_if(|(worker, _)| **worker == node).map(|(_, worker)| worker);
            let may = |standing: &Standing| standing.may_serve(self.spec.vo);
            if matches!(member.state, State::Alive) && cx.standings.get(&node).is_some_and(may) {
                consider(node, &member.ad, worker);
            }
        }
        consider(cx.me, cx.offer, self.workers.get(&cx.me));
        usable
    }

    /// Whether this node itself may still do any gridlet of the job.
    pub(super) fn can_run_here(&self, cx: &Context<'_>) -> bool {
        cx.offer.slots > 0
            && !cx.offer.draining
            && self.workers.get(&cx.me).is_none_or(|me| !me.missing_program && !me.barred)
    }

    /// Gives up when all known nodes lack the program, after a grace for others to come. A job that only
    /// waits for nodes to be there, or free, waits.
    fn watch_for_workers(&mut self, cx: &mut Context<'_>, usable: &[(NodeId, &Ad, u32)]) {
        let mut nodes = usable.iter().map(|(node, ..)| node);
        if nodes.any(|node| !cx.ledger.is_blacklisted(node)) {
            self.stranded = None;
            return;
        }
        let lacking = self.workers.values().filter(|worker| worker.missing_program).count();
        let waiting = self.workers.iter().any(|(_, w)| {
            !w.missing_program && !w.barred && (w.leases > 0 || w.not_before > cx.now)
        });
        if lacking == 0 || waiting {
            self.stranded = None;
            return;
        }
        let since = *self.stranded.get_or_insert(cx.now);
        if cx.now.since(since) >= cx.settings.no_worker_grace {
            let program = self.spec.manager.program().unwrap_or("the program").to_owned();
            self.end(cx, End::NoProgram(program));
        }
    }

    /// Grants the cells of a gridlet that are in demand and that the worker may answer. For this node itself, of
    /// a gridlet that was left to it, all that are open.
    fn grant(&mut self, cx: &mut Context<'_>, worker: NodeId, ad: &Ad, gridlet: GridletId) -> bool {
        let own = worker == cx.me && self.for_self.contains(&gridlet);
        let all = self.cells_of(gridlet).len();
        let mut cells = if own { self.cells_of(gridlet) } else { self.wanted(gridlet) };
        cells.retain(|&cell| self.verifier.may_answer(cell, worker));
        if cells.is_empty() && own {
            // It has answered, and its answer contradicts a sample of its own.
            let why = "the program's results differ from run to run on this node".to_owned();
            self.end(cx, End::Failed(why));
            return false;
        }
        if cells.is_empty() {
            // Its place in the queue was out of date.
            self.requeue(gridlet);
            return false;
        }
        self.bind(cx, gridlet, ad);
        self.issue(cx, worker, gridlet, cells, all, false);
        true
    }

    /// With nothing else to do, a free worker gets the open cells of a lease that takes far longer
    /// than its like: its holder may be slow, or its program hang.
    fn grant_rival(&mut self, cx: &mut Context<'_>, worker: NodeId, ad: &Ad) -> bool {
        if self.pace.leases == 0 || self.pace.cost <= 0.0 {
            return false;
        }
        let per_cost = self.pace.seconds / self.pace.cost;
        let factor = f64::from(cx.settings.straggler_factor);
        let at_once = usize::from(self.verifier.policy().quorum()) + MAX_RIVALS;
        let slow = self.leases.iter().find(|(attempt, lease)| {
            let age = cx.now.since(lease.granted);
            let siblings = &self.by_gridlet[&lease.gridlet];
            // The youngest of its gridlet: a rival may hang as well as the first.
            lease.worker != worker
                && age >= cx.settings.straggler_min
                && age.as_secs_f64() > factor * per_cost * self.gridlet(lease.gridlet).cost
                && siblings.last() == Some(attempt)
                && siblings.len() < at_once
                && !self.is_undecided(lease.gridlet, &worker)
                && self.is_alike(lease.gridlet, ad)
                && lease.open.iter().any(|&cell| self.verifier.may_answer(cell, worker))
        });
        let Some((_, slow)) = slow else { return false };
        let gridlet = slow.gridlet;
        let cells: Vec<CellId> = slow
            .open
            .iter()
            .copied()
            .filter(|&cell| self.verifier.may_answer(cell, worker))
            .collect();
        self.counters.rivals += 1;
        let whole = self.cells_of(gridlet).len();
        self.issue(cx, worker, gridlet, cells, whole, true);
        true
    }

    fn issue(
        &mut self,
        cx: &mut Context<'_>,
        worker: NodeId,
        gridlet: GridletId,
        cells: Vec<CellId>,
        whole: usize,
        rival: bool,
    ) {
        let attempt = self.next_attempt;
        let listed = if cells.len() == whole { Vec::new() } else { cells.clone() };
        self.journal(cx, Record::Granted { attempt, gridlet, worker, cells: listed, rival });
        self.hold(attempt, worker, gridlet, cells, cx.now);
        self.requeue(gridlet);
        self.send_lease(cx, attempt);
    }

    /// Enters a lease into the books.
    pub(super) fn hold(
        &mut self,
        attempt: Attempt,
        worker: NodeId,
        gridlet: GridletId,
        cells: Vec<CellId>,
        now: outlast_types::Time,
    ) {
        for &cell in &cells {
            self.verifier.assign(cell, worker);
        }
        self.enter(attempt, worker, gridlet, cells, now, false);
    }

    /// As [`Self::hold`], once the verifier knows.
    pub(super) fn enter(
        &mut self,
        attempt: Attempt,
        worker: NodeId,
        gridlet: GridletId,
        cells: Vec<CellId>,
        now: outlast_types::Time,
        quiz: bool,
    ) {
        self.next_attempt = Attempt(attempt.0 + 1);
        self.by_gridlet.entry(gridlet).or_default().insert(attempt);
        let known = self.workers.entry(worker).or_default();
        known.leases += 1;
        known.granted += 1;
        self.leases.insert(
            attempt,
            Lease {
                gridlet,
                worker,
                open: cells.iter().copied().collect(),
                cells,
                arriving: std::collections::BTreeSet::new(),
                granted: now,
                heard: now,
                sent: now,
                accepted: false,
                staging: None,
                file_limit: outlast_types::limits::RESULT_FILE_BYTES,
                fetch_failures: 0,
                undecided: 0,
                quiz,
            },
        );
        self.version += 1;
    }

    pub(super) fn send_lease(&mut self, cx: &mut Context<'_>, attempt: Attempt) {
        let Some(lease) = self.leases.get_mut(&attempt) else { return };
        let manager = &self.spec.manager;
        let recipe = manager.recipe(self.layout.gridlet(lease.gridlet), &lease.cells);
        lease.sent = cx.now;
        lease.file_limit = recipe.file_limit;
        let (worker, gridlet) = (lease.worker, lease.gridlet);
        let (vo, manifest) = (self.spec.vo, self.spec.manifest);
        self.send(cx, worker, ToWorker::Lease { attempt, gridlet, vo, manifest, recipe });
    }

    pub(super) fn leases_of(&self, node: NodeId) -> Vec<Attempt> {
        self.leases.iter().filter(|(_, l)| l.worker == node).map(|(attempt, _)| *attempt).collect()
    }

    /// Ends a lease with cells unanswered and puts those back into the queue.
    pub(super) fn end_lease(&mut self, cx: &mut Context<'_>, attempt: Attempt) {
        if self.leases.contains_key(&attempt) {
            self.journal(cx, Record::Released { attempt });
            self.drop_lease(attempt);
        }
    }

    pub(super) fn drop_lease(&mut self, attempt: Attempt) {
        let Some(lease) = self.leases.remove(&attempt) else { return };
        if lease.open.is_empty() {
            self.completed.insert(attempt);
        }
        for &cell in &lease.open {
            self.verifier.release(cell, lease.worker);
        }
        if let Some(attempts) = self.by_gridlet.get_mut(&lease.gridlet) {
            attempts.remove(&attempt);
            if attempts.is_empty() {
                self.by_gridlet.remove(&lease.gridlet);
            }
        }
        if let Some(worker) = self.workers.get_mut(&lease.worker) {
            worker.leases = worker.leases.saturating_sub(1);
        }
        self.version += 1;
        self.loosen(lease.gridlet);
        self.requeue(lease.gridlet);
    }

    /// Verdicts that the end of leases left behind: a cell that nobody is left to answer, for instance.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        let mut verdicts = Vec::new();
        self.verifier.flush(&mut verdicts);
        if !verdicts.is_empty() {
            self.absorb(Some(cx), verdicts);
        }
        self.finish_if_complete(cx);
    }
}
