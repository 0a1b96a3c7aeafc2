//! What follows from a vote, a sample or a strike.

use outlast_types::CellId;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::state::{Cell, Part, Slot, Stage, State, TRUSTED, Worker};
use super::{Class, How, Proof, Verdict, Verifier};

impl Verifier {
    /// The submitter's own answer: decides, unless its own sample contradicts it. Then the program
    /// gives different results from run to run, and no answer of anybody can be checked.
    pub(super) fn trusted_vote(
        &mut self,
        cell: CellId,
        slot: Slot,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        let open = self.slots.get_mut(slot);
        if !refuted {
            open.set_part(TRUSTED, Part::Counted(class));
            self.accept(cell, slot, class, How::Trusted, out);
            return;
        }
        open.set_part(TRUSTED, Part::Condemned(class));
        self.stats.contradictions += 1;
        self.refute(cell, slot, class, out);
        self.give_up(cell, slot, out);
        self.settle_group(self.cells[cell.index()].group, out);
    }

    pub(super) fn worker_vote(
        &mut self,
        cell: CellId,
        slot: Slot,
        worker: Worker,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        let group = self.cells[cell.index()].group;
        let barred = self.barred.contains(&(group, worker));
        let open = self.slots.get_mut(slot);
        if refuted || barred {
            open.set_part(worker, Part::Void(class));
            if refuted {
                self.refute(cell, slot, class, out);
                self.settle_group(group, out);
            } else {
                self.settle(cell, out);
            }
            return;
        }
        let lacked = open.lacks_vote();
        open.set_part(worker, Part::Counted(class));
        open.votes += 1;
        open.tally(class).votes += 1;
        if lacked {
            self.change_unvoted(group, -1, out);
        }
        self.settle(cell, out);
    }

    /// A vote on a decided cell, which changes nothing but the worker's record.
    pub(super) fn late_vote(
        &mut self,
        cell: CellId,
        worker: Worker,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        let Cell { group, state } = self.cells[cell.index()];
        let State::Accepted { class: accepted, by_trusted, late } = state else { return };
        if !late.is_some_and(|slot| self.slots.get_mut(slot).end_lease(worker)) {
            self.stats.ignored += 1;
            return;
        }
        self.close_late(cell);
        self.stats.answers += 1;
        self.stats.late += 1;
        if class == accepted {
            out.push(Verdict::Right { worker: self.workers[worker as usize].0, cell });
        } else if worker == TRUSTED {
            // What was accepted stays; the submitter is not held wrong by a vote.
            self.stats.contradictions += 1;
        } else if refuted {
            self.wrong(cell, worker, Proof::Sample, out);
            self.bar(group, worker, out);
            self.settle_group(group, out);
        } else {
            let proof = if by_trusted { Proof::Trusted } else { Proof::Outvoted };
            self.wrong(cell, worker, proof, out);
        }
    }

    /// A sample contradicts this class. Voids what its voters said in the group, but decides
    /// nothing yet: the caller settles the group when it is through with all refutations.
    pub(super) fn refute(
        &mut self,
        cell: CellId,
        slot: Slot,
        class: Class,
        out: &mut Vec<Verdict>,
    ) {
        let group = self.cells[cell.index()].group;
        let open = self.slots.get_mut(slot);
        open.tally(class).refuted = true;
        let of_class = |part| matches!(part, Part::Counted(c) | Part::Void(c) if c == class);
        let liars: Vec<Worker> =
            open.entries.iter().filter(|e| of_class(e.part)).map(|e| e.worker).collect();
        for worker in liars {
            self.void(cell, worker, out);
            self.slots.get_mut(slot).set_part(worker, Part::Condemned(class));
            self.wrong(cell, worker, Proof::Sample, out);
            self.bar(group, worker, out);
        }
    }

    /// The worker's votes in the group are void, and it may not answer there again.
    fn bar(&mut self, group: u32, worker: Worker, out: &mut Vec<Verdict>) {
        if self.barred.insert((group, worker)) {
            for at in self.range(group) {
                self.void(CellId(self.members[at]), worker, out);
            }
        }
    }

    /// Voids the worker's vote and forgets its lease in one cell. Whether anything changed.
    pub(super) fn void(&mut self, cell: CellId, worker: Worker, out: &mut Vec<Verdict>) -> bool {
        let Cell { group, state } = self.cells[cell.index()];
        match state {
            State::Fresh | State::Accepted { late: None, .. } => false,
            State::Accepted { late: Some(slot), .. } => {
                self.slots.get_mut(slot).end_lease(worker);
                self.close_late(cell);
                false
            }
            State::Open(slot) => {
                let open = self.slots.get_mut(slot);
                let lacked = open.lacks_vote();
                let changed = open.void(worker);
                if changed && open.lacks_vote() && !lacked {
                    self.change_unvoted(group, 1, out);
                }
                changed
            }
        }
    }

    fn wrong(&mut self, cell: CellId, worker: Worker, proof: Proof, out: &mut Vec<Verdict>) {
        match proof {
            Proof::Outvoted => self.stats.wrong_outvoted += 1,
            Proof::Quiz => self.stats.quizzes_failed += 1,
            Proof::Sample => self.stats.wrong_sample += 1,
            Proof::Trusted => self.stats.wrong_trusted += 1,
        }
        out.push(Verdict::Wrong { worker: self.workers[worker as usize].0, cell, proof });
    }

    /// Decides the cell, or gives it up, if its votes say so.
    pub(super) fn settle(&mut self, cell: CellId, out: &mut Vec<Verdict>) {
        let Cell { group, state: State::Open(slot) } = self.cells[cell.index()] else { return };
        let open = self.slots.get(slot);
        let count = open.count();
        let quorum = count.votes >= self.needed(open.votes);
        if let (true, Some(class)) = (quorum, count.best) {
            if self.groups[group as usize].stage != Stage::Done {
                return;
            }
            if !count.tied {
                let votes = count.votes;
                let rival = |class| open.given_for(class) >= usize::from(votes);
                let turned = open.tallies.iter().any(|t| t.refuted && rival(t.class));
                let how = match turned {
                    true => How::Sampled,
                    false => How::Quorum(votes.min(u16::from(u8::MAX)) as u8),
                };
                self.accept(cell, slot, class, how, out);
                return;
            }
        }
        if count.given >= usize::from(self.policy.max_answers) && count.outstanding == 0 {
            self.give_up(cell, slot, out);
        }
    }

    pub(super) fn settle_group(&mut self, group: u32, out: &mut Vec<Verdict>) {
        for at in self.range(group) {
            self.settle(CellId(self.members[at]), out);
        }
    }

    fn accept(&mut self, cell: CellId, slot: Slot, class: Class, how: How, out: &mut Vec<Verdict>) {
        let by_trusted = how == How::Trusted;
        match how {
            How::Quorum(_) => self.stats.accepted_quorum += 1,
            How::Credible => self.stats.accepted_credible += 1,
            How::Trusted => self.stats.accepted_trusted += 1,
            How::Sampled => self.stats.accepted_sampled += 1,
        }
        self.accepted += 1;
        out.push(Verdict::Accepted { cell, class, how });
        let sample_moot = self.end_sample(cell, slot);
        self.stats.samples_moot += u64::from(sample_moot);
        let open = self.slots.get_mut(slot);
        let lacked = open.lacks_vote();
        let mut entries = std::mem::take(&mut open.entries);
        for entry in &entries {
            match entry.part {
                Part::Counted(c) if c == class => {
                    let (worker, _) = self.workers[entry.worker as usize];
                    out.push(Verdict::Right { worker, cell });
                }
                Part::Counted(c) | Part::Void(c) if by_trusted && c != class => {
                    self.wrong(cell, entry.worker, Proof::Trusted, out);
                }
                Part::Counted(_) => self.wrong(cell, entry.worker, Proof::Outvoted, out),
                Part::Void(_) | Part::Condemned(_) | Part::Leased => {}
            }
        }
        entries.retain(|entry| entry.part == Part::Leased);
        self.slots.get_mut(slot).entries = entries;
        let group = self.cells[cell.index()].group;
        self.cells[cell.index()].state = State::Accepted { class, by_trusted, late: Some(slot) };
        self.close_late(cell);
        if lacked {
            self.change_unvoted(group, -1, out);
        }
        // It may have been the last sample that the others waited for.
        if sample_moot {
            self.settle_group(group, out);
        }
    }

    /// Forgets the votes of a decided cell when nobody computes it any more.
    pub(super) fn close_late(&mut self, cell: CellId) {
        if let State::Accepted { late, .. } = &mut self.cells[cell.index()].state
            && let Some(slot) = *late
            && self.slots.get(slot).entries.is_empty()
        {
            *late = None;
            self.slots.free(slot);
        }
    }

    fn give_up(&mut self, cell: CellId, slot: Slot, out: &mut Vec<Verdict>) {
        let open = self.slots.get_mut(slot);
        if open.hopeless {
            return;
        }
        let lacked = open.lacks_vote();
        open.hopeless = true;
        self.stats.hopeless += 1;
        out.push(Verdict::Hopeless { cell });
        if lacked {
            self.change_unvoted(self.cells[cell.index()].group, -1, out);
        }
    }

    /// A cell of the group began or ceased to hold up its samples.
    pub(super) fn change_unvoted(&mut self, group: u32, by: i32, out: &mut Vec<Verdict>) {
        let state = &mut self.groups[group as usize];
        if state.stage == Stage::Gathering {
            state.unvoted = state.unvoted.saturating_add_signed(by);
            if state.unvoted == 0 {
                self.choose_samples(group, out);
            }
        }
    }

    /// Each cell has a vote: chooses the cells to sample. The choice depends on the seed and the
    /// group alone, not on who else was heard in between.
    fn choose_samples(&mut self, group: u32, out: &mut Vec<Verdict>) {
        let mut candidates: Vec<(CellId, Slot)> = self
            .range(group)
            .filter_map(|at| {
                let cell = CellId(self.members[at]);
                let State::Open(slot) = self.cells[cell.index()].state else { return None };
                let open = self.slots.get(slot);
                (open.votes > 0 && !open.hopeless).then_some((cell, slot))
            })
            .collect();
        let wanted = candidates.len().min(usize::from(self.policy.samples));
        if wanted == 0 {
            self.groups[group as usize].stage = Stage::Done;
            self.settle_group(group, out);
            return;
        }
        self.groups[group as usize].stage = Stage::Sampling(wanted as u8);
        self.stats.samples_wanted += wanted as u64;
        let mut rng = ChaCha12Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(group));
        for chosen in 0..wanted {
            let left = (candidates.len() - chosen) as u64;
            // Multiply and shift: as good as uniform for so few candidates.
            let pick = (u128::from(rng.next_u64()) * u128::from(left)) >> 64;
            candidates.swap(chosen, chosen + pick as usize);
            let (cell, slot) = candidates[chosen];
            self.slots.get_mut(slot).sample_pending = true;
            out.push(Verdict::SampleWanted { cell, seed: rng.next_u64() });
        }
    }

    /// A sample needs no more waiting for. Whether it was waited for.
    pub(super) fn end_sample(&mut self, cell: CellId, slot: Slot) -> bool {
        if !std::mem::take(&mut self.slots.get_mut(slot).sample_pending) {
            return false;
        }
        let stage = &mut self.groups[self.cells[cell.index()].group as usize].stage;
        if let Stage::Sampling(pending) = *stage {
            *stage = if pending > 1 { Stage::Sampling(pending - 1) } else { Stage::Done };
        }
        true
    }

    fn range(&self, group: u32) -> std::ops::Range<usize> {
        let group = self.groups[group as usize];
        group.start as usize..(group.start + group.len) as usize
    }
}
