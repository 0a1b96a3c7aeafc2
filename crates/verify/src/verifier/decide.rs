//! What follows from a vote, a sample or a strike.

use outlast_types::CellId;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::state::{
    BY_TRUSTED, CHECKED, HOPELESS, JUDGED, Kind, PENDING, PROVEN, Phase, QUIZZED, SAMPLED, Stage,
    UNSAMPLED, Worker,
};
use super::{Basis, Class, Decision, How, Proof, Verdict, Verifier};

/// Proven cells remembered for quizzes. More would only be another choice.
const QUIZ_CELLS: usize = 4096;

impl Verifier {
    /// A trusted node's answer: decides, unless a sample contradicts it. Then the program
    /// gives different results from run to run, and no answer of anybody can be checked.
    pub(super) fn trusted_vote(
        &mut self,
        cell: CellId,
        worker: Worker,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        if !refuted {
            let lacked = self.lacks_vote(cell);
            self.book.enter(cell.0, worker, Kind::Counted, class);
            self.accept(cell, class, How::Trusted, lacked, out);
            return;
        }
        self.book.enter(cell.0, worker, Kind::Condemned, class);
        self.stats.contradictions += 1;
        self.refute(cell, class, out);
        self.give_up(cell, out);
        self.settle_group(self.book.cell(cell.0).group, out);
    }

    pub(super) fn worker_vote(
        &mut self,
        cell: CellId,
        worker: Worker,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        let group = self.book.cell(cell.0).group;
        if refuted || self.barred.contains(&(group, worker)) {
            self.book.enter(cell.0, worker, Kind::Void, class);
            if refuted {
                self.refute(cell, class, out);
                self.settle_group(group, out);
            } else {
                self.settle(cell, out);
            }
            return;
        }
        let lacked = self.lacks_vote(cell);
        let link = self.book.enter(cell.0, worker, Kind::Counted, class);
        if self.book.cell(cell.0).is(SAMPLED) {
            self.pass(link, out);
        }
        if lacked {
            self.change_unvoted(group, -1, out);
        }
        self.settle(cell, out);
    }

    /// A sample agrees with an answer.
    fn pass(&mut self, link: u32, out: &mut Vec<Verdict>) {
        let link = self.book.link_mut(link);
        if !link.is(CHECKED) {
            link.flags |= CHECKED;
            let (worker, cell) = (link.worker, CellId(link.cell));
            let worker = &self.book.workers[worker as usize];
            if !worker.trusted {
                out.push(Verdict::Passed { worker: worker.node, cell });
            }
        }
    }

    /// A vote on a decided cell, or an answer to a quiz: changes nothing but the worker's record.
    pub(super) fn late_vote(
        &mut self,
        cell: CellId,
        worker: Worker,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        let found = self.book.find(cell.0, worker);
        let Some(link) = found.filter(|&link| self.book.link(link).is_open()) else {
            self.stats.ignored += 1;
            return;
        };
        let quiz = self.book.link(link).kind == Kind::Quiz;
        let state = *self.book.cell(cell.0);
        let known = self.book.workers[worker as usize];
        self.stats.answers += 1;
        self.stats.late += u64::from(!quiz);
        let entry = self.book.link_mut(link);
        (entry.kind, entry.class) = (Kind::Counted, class);
        entry.flags |= JUDGED;
        let right = class == state.class;
        if right {
            let basis = match (quiz, state.is(BY_TRUSTED)) {
                (true, _) => Basis::Quiz,
                (false, true) => Basis::Trusted,
                (false, false) => Basis::Agreed,
            };
            self.stats.quizzes_passed += u64::from(quiz);
            out.push(Verdict::Right { worker: known.node, cell, basis });
        } else if known.trusted {
            // What was accepted stays; the submitter is not held wrong by a vote.
            self.stats.contradictions += 1;
        } else {
            let proof = match (refuted, quiz && state.is(PROVEN), state.is(BY_TRUSTED)) {
                (true, ..) => Proof::Sample,
                (_, true, _) => Proof::Quiz,
                (.., true) => Proof::Trusted,
                _ => Proof::Outvoted,
            };
            self.wrong(link, proof, out);
            if refuted {
                self.bar(state.group, worker, out);
            }
        }
        if state.phase == Phase::Sealed {
            self.book.remove(link);
        }
        if refuted && !right {
            self.settle_group(state.group, out);
        }
    }

    /// A sample contradicts this class. Voids what its voters said in the group, but decides
    /// nothing yet: the caller settles the group when it is through with all refutations.
    pub(super) fn refute(&mut self, cell: CellId, class: Class, out: &mut Vec<Verdict>) {
        let group = self.book.cell(cell.0).group;
        let (mut known, mut liars) = (false, Vec::new());
        for (at, link) in self.book.of_cell(cell.0) {
            if link.class == class && !link.is_open() && link.kind != Kind::Seen {
                known = true;
                if link.kind != Kind::Condemned {
                    liars.push((at, link.worker));
                }
            }
        }
        if !known {
            self.refuted.insert((cell.0, class));
        }
        for (link, worker) in liars {
            self.void(cell, worker, out);
            if self.book.link(link).is(QUIZZED) {
                self.book.link_mut(link).kind = Kind::Condemned;
            } else {
                self.wrong(link, Proof::Sample, out);
            }
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

    /// Voids the worker's vote in an undecided cell, and forgets its lease in any. Whether that changed
    /// anything that could decide.
    pub(super) fn void(&mut self, cell: CellId, worker: Worker, out: &mut Vec<Verdict>) -> bool {
        let Some(at) = self.book.find(cell.0, worker) else { return false };
        let open = self.book.cell(cell.0).phase == Phase::Open;
        match self.book.link(at).kind {
            Kind::Leased | Kind::Quiz => self.book.remove(at),
            Kind::Counted if open => {
                let lacked = self.lacks_vote(cell);
                self.book.link_mut(at).kind = Kind::Void;
                if self.lacks_vote(cell) && !lacked {
                    self.change_unvoted(self.book.cell(cell.0).group, 1, out);
                }
            }
            Kind::Counted | Kind::Void | Kind::Condemned | Kind::Seen => return false,
        }
        open
    }

    /// An answer is held wrong. One that is proven so counts no more.
    pub(super) fn wrong(&mut self, link: u32, proof: Proof, out: &mut Vec<Verdict>) {
        match proof {
            Proof::Outvoted => self.stats.wrong_outvoted += 1,
            Proof::Quiz => self.stats.quizzes_failed += 1,
            Proof::Sample => self.stats.wrong_sample += 1,
            Proof::Trusted => self.stats.wrong_trusted += 1,
        }
        let entry = self.book.link_mut(link);
        entry.flags |= JUDGED;
        match proof {
            Proof::Outvoted => {}
            // Its vote is void, but should the known answer turn out to be a lie, nothing speaks against its class.
            Proof::Quiz => {
                entry.kind = Kind::Void;
                entry.flags |= QUIZZED;
            }
            Proof::Sample | Proof::Trusted => entry.kind = Kind::Condemned,
        }
        let (worker, cell, class) = (entry.worker, entry.cell, entry.class);
        let node = |worker: Worker| self.book.workers[worker as usize].node;
        let mates = self.book.of_cell(cell).find(|(at, other)| {
            *at != link && other.class == class && other.is(JUDGED) && !other.is_open()
        });
        let mate = mates.map(|(_, other)| node(other.worker));
        out.push(Verdict::Wrong { worker: node(worker), cell: CellId(cell), proof });
        if let Some(other) = mate {
            out.push(Verdict::Together { worker: node(worker), other, cell: CellId(cell), proof });
        }
    }

    /// Decides the cell, asks for a check, or gives it up, if its answers say so.
    pub(super) fn settle(&mut self, cell: CellId, out: &mut Vec<Verdict>) {
        let state = *self.book.cell(cell.0);
        let done = self.groups[state.group as usize].stage == Stage::Done;
        if state.phase != Phase::Open || (done && state.is(PENDING)) {
            return;
        }
        let count = self.count_of(cell);
        if let Some((class, how)) = self.decision(&count) {
            if done {
                let lacked = self.lacks_vote(cell);
                self.accept(cell, class, how, lacked, out);
            }
            return;
        }
        if done && self.wants_check(cell, &count) {
            self.want_sample(cell, out);
            return;
        }
        let spent = count.given >= self.policy.max_answers.into();
        if (spent || done && self.is_beyond_votes(cell, &count)) && count.outstanding == 0 {
            self.give_up(cell, out);
        }
    }

    pub(super) fn settle_group(&mut self, group: u32, out: &mut Vec<Verdict>) {
        for at in self.range(group) {
            self.settle(CellId(self.members[at]), out);
        }
    }

    /// Accepts a class. `lacked`: before that, no vote counted.
    pub(super) fn accept(
        &mut self,
        cell: CellId,
        class: Class,
        how: How,
        lacked: bool,
        out: &mut Vec<Verdict>,
    ) {
        let by_trusted = how == How::Trusted;
        match how {
            How::Quorum(_) => self.stats.accepted_quorum += 1,
            How::Credible => self.stats.accepted_credible += 1,
            How::Trusted => self.stats.accepted_trusted += 1,
            How::Sampled => self.stats.accepted_sampled += 1,
        }
        self.accepted += 1;
        out.push(Verdict::Accepted { cell, class, how });
        let sample_moot = self.end_sample(cell);
        self.stats.samples_moot += u64::from(sample_moot);
        let judged = self.judge(cell, class, by_trusted, out);
        let proven = by_trusted || judged;
        let state = self.book.cell_mut(cell.0);
        (state.phase, state.class) = (Phase::Accepted, class);
        state.set(BY_TRUSTED, by_trusted);
        state.set(PROVEN, proven);
        let group = state.group;
        if proven {
            self.remember_proven(cell);
        }
        if lacked {
            self.change_unvoted(group, -1, out);
        }
        // It may have been the last sample that the others waited for.
        if sample_moot {
            self.settle_group(group, out);
        }
    }

    /// Tells of each answer to a cell whether it was right. Whether a sample agreed with the class, and either saw all
    /// of it or another answer agreed, too: a liar that left the sampled piece alone mustn't condemn the honest.
    fn judge(&mut self, cell: CellId, class: Class, trusted: bool, out: &mut Vec<Verdict>) -> bool {
        let votes = |kind| matches!(kind, Kind::Counted | Kind::Void);
        let links: Vec<u32> =
            self.book.of_cell(cell.0).filter(|(_, l)| votes(l.kind)).map(|(at, _)| at).collect();
        let agreeing = |at: &&u32| {
            let link = self.book.link(**at);
            link.kind == Kind::Counted && link.class == class
        };
        let agree = links.iter().filter(agreeing).count();
        let mut checked = false;
        for at in links {
            let link = *self.book.link(at);
            checked |= link.class == class && link.is(CHECKED);
            if link.is(JUDGED) {
                continue;
            }
            match (link.kind, link.class == class) {
                (Kind::Counted, true) => {
                    let basis = match trusted {
                        true => Basis::Trusted,
                        false if agree > 1 => Basis::Agreed,
                        false => Basis::Alone,
                    };
                    self.book.link_mut(at).flags |= JUDGED;
                    let worker = self.book.workers[link.worker as usize].node;
                    out.push(Verdict::Right { worker, cell, basis });
                }
                (_, false) if trusted => self.wrong(at, Proof::Trusted, out),
                (Kind::Counted, false) => self.wrong(at, Proof::Outvoted, out),
                _ => {}
            }
        }
        checked && (agree > 1 || self.sample_power >= 1.0)
    }

    fn remember_proven(&mut self, cell: CellId) {
        if self.proven.len() < QUIZ_CELLS {
            self.proven.push(cell.0);
        } else {
            let at = self.below(QUIZ_CELLS);
            self.proven[at] = cell.0;
        }
    }

    fn give_up(&mut self, cell: CellId, out: &mut Vec<Verdict>) {
        if self.book.cell(cell.0).is(HOPELESS) {
            return;
        }
        let lacked = self.lacks_vote(cell);
        self.book.cell_mut(cell.0).set(HOPELESS, true);
        self.stats.hopeless += 1;
        out.push(Verdict::Hopeless { cell });
        if lacked {
            self.change_unvoted(self.book.cell(cell.0).group, -1, out);
        }
    }

    /// Whether it holds up its group's samples.
    pub(super) fn lacks_vote(&self, cell: CellId) -> bool {
        let state = self.book.cell(cell.0);
        state.phase == Phase::Open
            && !state.is(HOPELESS)
            && !self.book.of_cell(cell.0).any(|(_, link)| link.kind == Kind::Counted)
    }

    /// A cell of the group began or ceased to hold up its samples.
    pub(super) fn change_unvoted(&mut self, group: u32, by: i32, out: &mut Vec<Verdict>) {
        self.unvoted = self.unvoted.saturating_add_signed(by);
        let state = &mut self.groups[group as usize];
        if state.stage == Stage::Gathering {
            state.unvoted = state.unvoted.saturating_add_signed(by);
            if state.unvoted == 0 {
                self.choose_samples(group, out);
            }
        }
        if self.unvoted == 0 && !self.endgame {
            self.endgame = true;
            for worker in 0..self.book.workers.len() as Worker {
                self.top_up(worker, out);
            }
        }
    }

    /// Each cell has a vote: chooses whether to sample, and which cells. The choice depends on the seed
    /// and the group alone, not on who else was heard in between.
    fn choose_samples(&mut self, group: u32, out: &mut Vec<Verdict>) {
        let mut rate = f64::from(self.policy.sample_rate);
        let credible = matches!(self.policy.decision, Decision::Credibility { .. });
        let mut candidates: Vec<CellId> = Vec::new();
        for at in self.range(group) {
            let cell = CellId(self.members[at]);
            let state = self.book.cell(cell.0);
            if state.phase != Phase::Open || state.is(HOPELESS) {
                continue;
            }
            let mut voted = false;
            for (_, link) in self.book.of_cell(cell.0) {
                if link.kind == Kind::Counted {
                    voted = true;
                    if credible {
                        rate = rate.max(self.book.workers[link.worker as usize].check.into());
                    }
                }
            }
            if voted {
                candidates.push(cell);
            }
        }
        let mut rng = ChaCha12Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(group));
        let chosen = rate >= 1.0 || unit(&mut rng) < rate;
        let certain =
            matches!(self.policy.decision, Decision::Credibility { max_error } if max_error == 0.0);
        let wanted = match (chosen && self.policy.samples > 0, certain) {
            (false, _) => 0,
            (true, true) => candidates.len(),
            (true, false) => candidates.len().min(usize::from(self.policy.samples)),
        };
        if wanted == 0 {
            self.groups[group as usize].stage = Stage::Done;
            self.settle_group(group, out);
            return;
        }
        self.groups[group as usize].stage = Stage::Sampling(wanted as u32);
        self.stats.samples_wanted += wanted as u64;
        for chosen in 0..wanted {
            let pick = pick(&mut rng, candidates.len() - chosen);
            candidates.swap(chosen, chosen + pick);
            let cell = candidates[chosen];
            self.book.cell_mut(cell.0).set(PENDING, true);
            out.push(Verdict::SampleWanted { cell, seed: rng.next_u64() });
        }
    }

    /// A sample beyond those of the group: the cell waits for it alone.
    pub(super) fn want_sample(&mut self, cell: CellId, out: &mut Vec<Verdict>) {
        self.book.cell_mut(cell.0).set(PENDING, true);
        self.stats.samples_wanted += 1;
        let seed = self.rng.next_u64();
        out.push(Verdict::SampleWanted { cell, seed });
    }

    /// A sample needs no more waiting for. Whether it was waited for.
    pub(super) fn end_sample(&mut self, cell: CellId) -> bool {
        let state = self.book.cell_mut(cell.0);
        if !state.is(PENDING) {
            return false;
        }
        state.set(PENDING, false);
        let stage = &mut self.groups[state.group as usize].stage;
        if let Stage::Sampling(pending) = *stage {
            *stage = if pending > 1 { Stage::Sampling(pending - 1) } else { Stage::Done };
        }
        true
    }

    /// Takes a sample's result into the books; settles nothing.
    pub(super) fn compare(
        &mut self,
        cell: CellId,
        right: &[Class],
        wrong: &[Class],
        out: &mut Vec<Verdict>,
    ) {
        let compared = !(right.is_empty() && wrong.is_empty());
        if compared {
            self.book.cell_mut(cell.0).set(SAMPLED, true);
        }
        for &class in wrong {
            self.refute(cell, class, out);
        }
        let passed = |kind, class| kind == Kind::Counted && right.contains(&class);
        let links: Vec<u32> = self
            .book
            .of_cell(cell.0)
            .filter(|(_, link)| passed(link.kind, link.class))
            .map(|(at, _)| at)
            .collect();
        for link in links {
            self.pass(link, out);
        }
        if self.end_sample(cell) {
            match (right, wrong) {
                ([], []) => self.stats.samples_unavailable += 1,
                (_, []) => self.stats.samples_passed += 1,
                (_, _) => self.stats.samples_failed += 1,
            }
        }
        if !compared {
            self.book.cell_mut(cell.0).set(UNSAMPLED, true);
        }
    }

    fn range(&self, group: u32) -> std::ops::Range<usize> {
        let group = self.groups[group as usize];
        group.start as usize..(group.start + group.len) as usize
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        pick(&mut self.rng, n)
    }
}

/// A number below `n`. Multiply and shift: as good as uniform for so few.
pub(super) fn pick(rng: &mut ChaCha12Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A number from 0 to below 1.
fn unit(rng: &mut ChaCha12Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
