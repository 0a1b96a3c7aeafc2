//! The voting of one job (GINGER, section 3.2): which answer is accepted for each cell.
//!
//! **Quorum.** A cell is decided for a class with at least `quorum` counted votes of distinct
//! workers. The submitter's own answer decides alone and overrules all votes.
//!
//! **Sampling.** "This sample is the only trusted result, so even if a result that was accepted by
//! the voting quorums does not match the local sample it is discarded." The cells to sample are
//! chosen at random, for each group of cells (a gridlet), only when each undecided cell of it has a
//! vote: hidden quizzes, whose place nobody knows while he could still lie around them. Votes
//! decide nothing in the group before all its samples are back.
//!
//! ```text
//!  group:  Gathering ──each cell has a vote──▶ Sampling(n) ──n samples back──▶ Done
//!                                              votes wait                 votes decide
//! ```
//!
//! A refuted class can never be accepted; who voted for it loses his votes in the whole group,
//! and may not answer there again: his other cells were not sampled, and are as little worth.
//! One round of samples for each group is enough: what arrives later in a sampled cell is compared
//! with the sample by the caller, who says so with the vote.
//!
//! **Demand.** Another replica is asked for only while the votes and the leases that are out can't
//! make a quorum, if they agree ([`Schedule`] says how many at once).
//!
//! Cost: a call looks at one cell; a refutation and the end of a group's sampling at the group; a
//! strike at the undecided cells. Memory: see `state`.
//!
//! Invariants: a cell is accepted once; a refuted class never; an answer is judged at most once.
//! A void vote is as if not given: it is not called right or outvoted, though a sample or the
//! submitter's own answer still proves it wrong.

mod decide;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use outlast_types::{CellId, NodeId};

use crate::{Class, Decision, How, Limits, Policy, Proof, Schedule, Stats, Verdict};
use state::{Cell, Count, Group, Part, Slot, Slots, Stage, State, TRUSTED, Worker};

/// How busy the grid is, for [`Schedule::Auto`] and for how strictly replicas follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Slots of workers that have nothing to do.
    pub free: u32,
    /// Gridlets that nobody computes yet.
    pub waiting: u32,
    /// A deadline is near: latency is worth copies.
    pub hurry: bool,
}

/// Decides the cells of one job from the answers of untrusted workers.
#[derive(Debug)]
pub struct Verifier {
    policy: Policy,
    seed: u64,
    cells: Vec<Cell>,
    /// The cells of all groups, one group after the other.
    members: Vec<u32>,
    groups: Vec<Group>,
    slots: Slots,
    /// Interned workers; the flag is set when one is struck.
    workers: Vec<(NodeId, bool)>,
    numbers: BTreeMap<NodeId, Worker>,
    /// (group, worker): refuted there, so it may not answer there.
    barred: BTreeSet<(u32, Worker)>,
    /// Verdicts of `release`, which has nowhere to put them.
    owed: Vec<Verdict>,
    accepted: u32,
    load: Option<Load>,
    stats: Stats,
}

impl Verifier {
    /// A verifier for a job whose gridlets consist of these cells; each cell of the job, counted
    /// from 0, lies in exactly one group. `trusted` is the submitter. `seed` chooses the samples:
    /// workers must not know it.
    ///
    /// # Panics
    /// If the policy is invalid (see [`Policy::validate`]) or the groups don't partition the cells.
    pub fn new(policy: Policy, groups: &[Vec<CellId>], trusted: NodeId, seed: u64) -> Self {
        policy.validate(&Limits::default()).expect("the policy was validated where it was read");
        let total: usize = groups.iter().map(Vec::len).sum();
        let mut cells = vec![Cell { group: u32::MAX, state: State::Fresh }; total];
        let mut members = Vec::with_capacity(total);
        let stage = if policy.samples > 0 { Stage::Gathering } else { Stage::Done };
        let mut laid = Vec::with_capacity(groups.len());
        for (number, group) in groups.iter().enumerate() {
            let len = group.len() as u32;
            laid.push(Group { start: members.len() as u32, len, unvoted: len, stage });
            for cell in group {
                let slot = &mut cells[cell.index()];
                assert_eq!(slot.group, u32::MAX, "cell {cell} lies in two groups");
                slot.group = number as u32;
                members.push(cell.0);
            }
        }
        Self {
            policy,
            seed,
            cells,
            members,
            groups: laid,
            slots: Slots::default(),
            workers: vec![(trusted, false)],
            numbers: BTreeMap::from([(trusted, TRUSTED)]),
            barred: BTreeSet::new(),
            owed: Vec::new(),
            accepted: 0,
            load: None,
            stats: Stats::default(),
        }
    }

    /// Marks a cell as accepted in an earlier life of the submitter, without any verdict. Only
    /// for cells that nobody was assigned yet; others are left alone.
    pub fn restore(&mut self, cell: CellId, class: Class) {
        let Cell { group, state: State::Fresh } = self.cells[cell.index()] else { return };
        self.cells[cell.index()].state = State::Accepted { class, by_trusted: false, late: None };
        self.accepted += 1;
        let mut owed = std::mem::take(&mut self.owed);
        self.change_unvoted(group, -1, &mut owed);
        self.owed = owed;
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the cell is decided.
    pub fn is_accepted(&self, cell: CellId) -> bool {
        self.accepted_class(cell).is_some()
    }

    /// The accepted class of a decided cell.
    pub fn accepted_class(&self, cell: CellId) -> Option<Class> {
        match self.cells[cell.index()].state {
            State::Accepted { class, .. } => Some(class),
            State::Fresh | State::Open(_) => None,
        }
    }

    /// Answers to an undecided cell, also void ones, and leases of it that are out.
    pub fn count(&self, cell: CellId) -> usize {
        match self.cells[cell.index()].state {
            State::Open(slot) => self.slots.get(slot).entries.len(),
            State::Fresh | State::Accepted { .. } => 0,
        }
    }

    /// How many cells are decided.
    pub fn accepted_count(&self) -> u32 {
        self.accepted
    }

    /// How many cells the job has.
    pub fn cells(&self) -> u32 {
        self.cells.len() as u32
    }

    /// Whether all cells are decided.
    pub fn is_complete(&self) -> bool {
        self.accepted == self.cells()
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many further answers to the cell are wanted now, from anybody. Optimistic: a lease that
    /// is out may join the best class, and the submitter's own lease will decide. 0 for a cell that is accepted,
    /// given up, or waits only for samples; never more than `max_answers` allows.
    pub fn demand(&self, cell: CellId) -> u8 {
        let Cell { group, state } = self.cells[cell.index()];
        let (count, votes) = match state {
            State::Accepted { .. } => return 0,
            State::Fresh => (Count::default(), 0),
            State::Open(slot) => {
                let open = self.slots.get(slot);
                if open.hopeless {
                    return 0;
                }
                (open.count(), open.votes)
            }
        };
        if count.trusted_outstanding {
            return 0;
        }
        let outstanding = count.outstanding.min(usize::from(u8::MAX)) as u8;
        let taken = (count.given + count.outstanding).min(usize::from(u8::MAX)) as u8;
        let room = self.policy.max_answers.saturating_sub(taken);
        let undecided_tie = count.tied
            && count.votes >= self.needed(votes)
            && self.groups[group as usize].stage == Stage::Done;
        // Two quorums that no sample told apart: one more vote does.
        let missing = match self.missing(count.votes, votes, outstanding) {
            0 if undecided_tie => 1u8.saturating_sub(outstanding),
            missing => missing,
        };
        let wanted = missing.min(room);
        match (self.schedule(), self.policy.decision) {
            (Schedule::AllAtOnce, Decision::Majority { replication }) => {
                wanted.max(replication.saturating_sub(taken)).min(room)
            }
            (Schedule::AllAtOnce | Schedule::Auto, _) => wanted,
            // Enough else to do: one after the other, so that colluders don't hold it together.
            (Schedule::Incremental, _) if votes == 0 || self.is_crowded() => {
                wanted.min(1u8.saturating_sub(outstanding))
            }
            (Schedule::Incremental, _) => wanted,
        }
    }

    /// Agreeing votes that decide, of so many in all.
    fn needed(&self, votes: u16) -> u16 {
        match self.policy.decision {
            Decision::First { matching } => matching.into(),
            Decision::Majority { replication } => votes.max(replication.into()) / 2 + 1,
            Decision::Credibility { .. } => 2,
        }
    }

    /// Answers that must come to those that are out for a decision, if all of them join the best class.
    fn missing(&self, best: u16, votes: u16, outstanding: u8) -> u8 {
        let enough = |more: &u16| {
            let more = *more + u16::from(outstanding);
            best.saturating_add(more) >= self.needed(votes.saturating_add(more))
        };
        (0..=u16::from(u8::MAX)).find(enough).map_or(u8::MAX, |more| more as u8)
    }

    /// How busy the grid is: replicas follow each other strictly while there is enough else to do, and
    /// [`Schedule::Auto`] chooses by it. Tell it whenever it changed much.
    pub fn set_load(&mut self, load: Load) {
        self.load = Some(load);
    }

    /// When replicas are handed out now: what the policy says or, for [`Schedule::Auto`], what the load
    /// asks for. All at once if every waiting gridlet's replicas find a free slot anyway, or in a hurry;
    /// otherwise each replica would take the place of work that must be done, to no use if the first
    /// ones agree (GINGER 3.2). Incremental as long as no load was told.
    pub fn schedule(&self) -> Schedule {
        match (self.policy.schedule, self.load) {
            (Schedule::Auto, Some(load)) => {
                let replicas = u64::from(load.waiting) * u64::from(self.policy.replicas());
                match load.hurry || u64::from(load.free) >= replicas {
                    true => Schedule::AllAtOnce,
                    false => Schedule::Incremental,
                }
            }
            (Schedule::Auto, None) => Schedule::Incremental,
            (schedule, _) => schedule,
        }
    }

    /// Whether more gridlets wait than there are free slots.
    fn is_crowded(&self) -> bool {
        self.load.is_some_and(|load| load.waiting > load.free)
    }

    /// Whether an answer of this worker to this cell would be new and count: the cell is
    /// undecided, and the worker has not answered it, holds no lease for it, is not struck, and
    /// was not refuted in its group.
    pub fn may_answer(&self, cell: CellId, worker: NodeId) -> bool {
        let Cell { group, state } = self.cells[cell.index()];
        let slot = match state {
            State::Accepted { .. } => return false,
            State::Fresh => None,
            State::Open(slot) => Some(slot),
        };
        let Some(&number) = self.numbers.get(&worker) else { return true };
        !self.workers[number as usize].1
            && !self.barred.contains(&(group, number))
            && slot.is_none_or(|slot| self.slots.get(slot).part(number).is_none())
    }

    /// Whether the worker has answered this cell, as long as it is undecided. Votes on decided
    /// cells are forgotten.
    pub fn answered(&self, cell: CellId, worker: NodeId) -> bool {
        let State::Open(slot) = self.cells[cell.index()].state else { return false };
        let Some(&number) = self.numbers.get(&worker) else { return false };
        self.slots.get(slot).part(number).is_some_and(|part| part != Part::Leased)
    }

    /// The votes that count in an undecided cell, in the order they came.
    pub fn voters(&self, cell: CellId) -> Vec<(NodeId, Class)> {
        let State::Open(slot) = self.cells[cell.index()].state else { return Vec::new() };
        let entries = self.slots.get(slot).entries.iter();
        entries
            .filter_map(|entry| match entry.part {
                Part::Counted(class) => Some((self.workers[entry.worker as usize].0, class)),
                Part::Leased | Part::Void(_) | Part::Condemned(_) => None,
            })
            .collect()
    }

    /// The worker holds a lease for the cell. Without effect if it may not answer it.
    pub fn assign(&mut self, cell: CellId, worker: NodeId) {
        if self.may_answer(cell, worker) {
            let number = self.intern(worker);
            let slot = self.open(cell);
            self.slots.get_mut(slot).set_part(number, Part::Leased);
        }
    }

    /// The worker's lease for the cell ended; without effect if it answered or holds none.
    /// If this was the last hope of a cell, [`Verdict::Hopeless`] comes with the next call that
    /// gives verdicts; [`Verifier::flush`] asks for it.
    pub fn release(&mut self, cell: CellId, worker: NodeId) {
        let Some(&number) = self.numbers.get(&worker) else { return };
        let at = cell.index();
        match self.cells[at].state {
            State::Fresh | State::Accepted { late: None, .. } => {}
            State::Accepted { late: Some(slot), .. } => {
                self.slots.get_mut(slot).end_lease(number);
                self.close_late(cell);
            }
            State::Open(slot) => {
                let open = self.slots.get_mut(slot);
                if !open.end_lease(number) {
                    return;
                }
                if open.is_blank() {
                    self.slots.free(slot);
                    self.cells[at].state = State::Fresh;
                    return;
                }
                let mut owed = std::mem::take(&mut self.owed);
                self.settle(cell, &mut owed);
                self.owed = owed;
            }
        }
    }

    /// Verdicts that followed from releases. Cheap when there are none.
    pub fn flush(&mut self, out: &mut Vec<Verdict>) {
        out.append(&mut self.owed);
    }

    /// The worker answered the cell with this class. `refuted`: the answer contradicts a sample of
    /// this cell that was computed before. A worker has one vote for each cell; its later answers
    /// are ignored, and so are those of struck workers.
    ///
    /// A vote on a decided cell counts (as right or wrong, no more) if the worker still held its
    /// lease: that is how it is known to be its first. So vote before you release.
    pub fn vote(
        &mut self,
        cell: CellId,
        worker: NodeId,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        self.flush(out);
        let number = self.intern(worker);
        if self.workers[number as usize].1 {
            self.stats.ignored += 1;
            return;
        }
        if let State::Accepted { .. } = self.cells[cell.index()].state {
            self.late_vote(cell, number, class, refuted, out);
            return;
        }
        let slot = self.open(cell);
        let open = self.slots.get_mut(slot);
        if open.part(number).is_some_and(|part| part != Part::Leased) {
            self.stats.ignored += 1;
            return;
        }
        self.stats.answers += 1;
        let refuted = refuted || open.is_refuted(class);
        if number == TRUSTED {
            self.trusted_vote(cell, slot, class, refuted, out);
        } else {
            self.worker_vote(cell, slot, number, class, refuted, out);
        }
    }

    /// The sample of a cell is there: the answers of these classes agree with it, those of these
    /// others contradict it. Name each class that the cell has; one named in neither stays
    /// unjudged. A sample nobody waits for is still evidence while the cell is undecided.
    pub fn sampled(
        &mut self,
        cell: CellId,
        right: &[Class],
        wrong: &[Class],
        out: &mut Vec<Verdict>,
    ) {
        self.flush(out);
        let Cell { group, state } = self.cells[cell.index()];
        let State::Open(slot) = state else { return };
        for &class in wrong {
            self.refute(cell, slot, class, out);
        }
        if self.end_sample(cell, slot) {
            match (right, wrong) {
                ([], []) => self.stats.samples_unavailable += 1,
                (_, []) => self.stats.samples_passed += 1,
                (_, _) => self.stats.samples_failed += 1,
            }
        }
        self.settle_group(group, out);
    }

    /// The sample of a cell can't be computed: the votes decide without it.
    pub fn sample_failed(&mut self, cell: CellId, out: &mut Vec<Verdict>) {
        self.flush(out);
        let Cell { group, state } = self.cells[cell.index()];
        let State::Open(slot) = state else { return };
        if self.end_sample(cell, slot) {
            self.stats.samples_unavailable += 1;
            self.settle_group(group, out);
        }
    }

    /// The worker is not believed any more: its votes in undecided cells are void, its leases
    /// count no longer, and it may not answer. The submitter can't be struck.
    pub fn strike(&mut self, worker: NodeId, out: &mut Vec<Verdict>) {
        self.flush(out);
        let number = self.intern(worker);
        let struck = &mut self.workers[number as usize].1;
        if number == TRUSTED || *struck {
            return;
        }
        *struck = true;
        self.stats.struck += 1;
        let cells: Vec<CellId> = self.slots.cells().map(CellId).collect();
        let changed: Vec<CellId> =
            cells.into_iter().filter(|&cell| self.void(cell, number, out)).collect();
        // All votes are void before the first cell is looked at again.
        for cell in changed {
            self.settle(cell, out);
        }
    }

    fn intern(&mut self, worker: NodeId) -> Worker {
        let Self { workers, numbers, .. } = self;
        *numbers.entry(worker).or_insert_with(|| {
            workers.push((worker, false));
            workers.len() as Worker - 1
        })
    }

    /// The votes of an undecided cell.
    fn open(&mut self, cell: CellId) -> Slot {
        match self.cells[cell.index()].state {
            State::Open(slot) => slot,
            State::Fresh => {
                let slot = self.slots.take(cell.0);
                self.cells[cell.index()].state = State::Open(slot);
                slot
            }
            State::Accepted { .. } => unreachable!("only undecided cells are opened"),
        }
    }
}

#[cfg(test)]
mod tests;
