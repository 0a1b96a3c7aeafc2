//! The voting of one job (GINGER, section 3.2): which answer is accepted for each cell.
//!
//! **Decision.** A cell is decided for a class by counted votes of distinct workers: so many
//! ([`Decision::First`]), more than half ([`Decision::Majority`]), or so credible ones
//! ([`Decision::Credibility`]). A trusted node's answer, the submitter's first of all, decides alone and
//! overrules all votes. Votes of workers that are known to lie together count as one.
//!
//! **Sampling.** "This sample is the only trusted result, so even if a result that was accepted by
//! the voting quorums does not match the local sample it is discarded." The cells to sample are
//! chosen at random, for each group of cells (a gridlet), only when each undecided cell of it has a
//! vote: hidden quizzes, whose place nobody knows while he could still lie around them. Votes
//! decide nothing in the group before all its samples are back.
//!
//! ```text
//!  group:  Gathering ──each cell has a vote──▶ Sampling(n) ──n samples back──▶ Done
//!                │                             votes wait                 votes decide
//!                └── not chosen, at random by `sample_rate` and the voters' rates ──▲
//! ```
//!
//! A refuted class can never be accepted; who voted for it loses his votes in the whole group,
//! and may not answer there again: his other cells were not sampled, and are as little worth.
//! What arrives later in a sampled cell is compared with the sample by the caller, who says so with the
//! vote. Under credibility further samples are asked for where they tell most: where answers contradict
//! each other, and, when all cells have an answer, of workers who lack a few checks to be believed.
//!
//! **Credibility.** The caller says how far a worker is to be believed ([`Verifier::believe`]), as often as
//! that changes; what it answered and is not decided is looked at again, so an answer that waits is
//! accepted when its worker's record has become good enough, without another copy. For fewest
//! copies hand out cells that nobody has answered before those that want a second answer.
//!
//! **Retraction.** What was accepted stays open to doubt until it is sealed ([`Verifier::seal`]): if a
//! worker is struck, whatever would not have been accepted without its word is open again.
//!
//! **Quizzes** are cells whose accepted answer was checked, given out again: see [`Verifier::quizzable`].
//!
//! **Demand.** Another replica is asked for only while the votes and the leases that are out can't
//! make a decision, if they agree ([`Schedule`] says how many at once).
//!
//! Cost: a call looks at one cell; a refutation and the end of a group's sampling at the group; a
//! strike and a change of belief at the cells that the worker answered. Memory: see `state`.
//!
//! Invariants: between two acceptances of a cell lies a retraction; a refuted class is never accepted; an
//! answer is judged at most once for each time that its cell is decided. A void vote is as if not given: it
//! is not called right or outvoted, though a sample or the submitter's own answer still proves it wrong.

mod decide;
mod state;
mod tally;
mod trust;

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use outlast_types::{CellId, NodeId};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use crate::{Basis, Class, Decision, How, Limits, Policy, Proof, Schedule, Stats, Verdict};
use state::{Book, Cell, Group, Kind, Phase, Stage, UNSAMPLED, Worker};

/// Share of liars that a grid is assumed to have while nothing is known of it: the worst that the
/// design's figures are given for. The price of pessimism is only that newcomers wait longer for trust.
pub(crate) const ASSUMED_LIARS: f64 = 0.35;

/// Share of the lies that a sample finds: it looks at a piece of the cell, and a liar that spared himself no
/// more than half of the work is wrong in half of it.
pub(crate) const SAMPLE_POWER: f64 = 0.5;

/// The rng's stream for what is chosen in the order of calls; the groups have theirs.
const CALLS: u64 = u64::MAX;

/// The stream of the generator that quizzes are drawn from.
const QUIZZES: u64 = u64::MAX - 1;

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
    /// For choices that depend on the order of calls.
    rng: ChaCha12Rng,
    /// For quizzes alone.
    quiz_rng: ChaCha12Rng,
    book: Book,
    /// The cells of all groups, one group after the other.
    members: Vec<u32>,
    groups: Vec<Group>,
    /// Never iterated. Keyed by the seed, so that nobody can choose keys that collide.
    numbers: IndexMap<NodeId, Worker, FixedState>,
    /// (group, worker): refuted there, so it may not answer there.
    barred: BTreeSet<(u32, Worker)>,
    /// Classes that a sample contradicted although nobody had answered them.
    refuted: BTreeSet<(u32, Class)>,
    /// Verdicts of calls that have nowhere to put them.
    owed: Vec<Verdict>,
    accepted: u32,
    /// Undecided cells that nobody's counted vote is for.
    unvoted: u32,
    /// All cells have had an answer.
    endgame: bool,
    load: Option<Load>,
    /// Odds of a lie in the population.
    prior_odds: f64,
    sample_power: f64,
    /// How many workers' odds were told, and the sum of their logarithms.
    told: u32,
    told_ln: f64,
    cliques: u32,
    /// Some accepted cells that were checked.
    proven: Vec<u32>,
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
        let mut cells = vec![Cell::NOWHERE; total];
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
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        rng.set_stream(CALLS);
        let mut quiz_rng = ChaCha12Rng::seed_from_u64(seed);
        quiz_rng.set_stream(QUIZZES);
        let mut verifier = Self {
            policy,
            seed,
            rng,
            quiz_rng,
            book: Book::new(cells),
            members,
            groups: laid,
            numbers: IndexMap::with_hasher(FixedState::with_seed(seed)),
            barred: BTreeSet::new(),
            refuted: BTreeSet::new(),
            owed: Vec::new(),
            accepted: 0,
            unvoted: total as u32,
            endgame: false,
            load: None,
            prior_odds: crate::credibility::odds(ASSUMED_LIARS),
            sample_power: SAMPLE_POWER,
            told: 0,
            told_ln: 0.0,
            cliques: 0,
            proven: Vec::new(),
            stats: Stats::default(),
        };
        verifier.trust(trusted);
        verifier
    }

    /// Marks a cell as accepted in an earlier life of the submitter, without any verdict. Only
    /// for cells that nobody was assigned yet; others are left alone.
    pub fn restore(&mut self, cell: CellId, class: Class) {
        let untouched = self.book.of_cell(cell.0).next().is_none();
        let state = self.book.cell_mut(cell.0);
        if state.phase != Phase::Open || !untouched || state.flags != 0 {
            return;
        }
        (state.phase, state.class) = (Phase::Sealed, class);
        let group = state.group;
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
        self.book.cell(cell.0).phase != Phase::Open
    }

    /// The accepted class of a decided cell.
    pub fn accepted_class(&self, cell: CellId) -> Option<Class> {
        let state = self.book.cell(cell.0);
        (state.phase != Phase::Open).then_some(state.class)
    }

    /// Answers to an undecided cell, also void ones, and leases of it that are out.
    pub fn count(&self, cell: CellId) -> usize {
        match self.book.cell(cell.0).phase {
            Phase::Open => self.book.of_cell(cell.0).count(),
            Phase::Accepted | Phase::Sealed => 0,
        }
    }

    /// How many cells are decided.
    pub fn accepted_count(&self) -> u32 {
        self.accepted
    }

    /// How many cells the job has.
    pub fn cells(&self) -> u32 {
        self.book.cells.len() as u32
    }

    /// Whether all cells are decided.
    pub fn is_complete(&self) -> bool {
        self.accepted == self.cells()
    }

    /// Undecided cells that have no answer that counts: what to hand out first, for fewest copies.
    pub fn unanswered(&self) -> u32 {
        self.unvoted
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How busy the grid is: replicas follow each other strictly while there is enough else to do, and
    /// [`Schedule::Auto`] chooses by it. Tell it whenever it changed much. Whether the [demand](Self::demand) of
    /// cells may be another one now.
    pub fn set_load(&mut self, load: Load) -> bool {
        let before = (self.schedule(), self.is_crowded());
        self.load = Some(load);
        before != (self.schedule(), self.is_crowded())
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
        let state = self.book.cell(cell.0);
        if state.phase != Phase::Open {
            return false;
        }
        let Some(&number) = self.numbers.get(&worker) else { return true };
        !self.book.workers[number as usize].struck
            && !self.barred.contains(&(state.group, number))
            && self.book.find(cell.0, number).is_none()
    }

    /// Whether the worker has answered this cell, as long as it is undecided.
    pub fn answered(&self, cell: CellId, worker: NodeId) -> bool {
        let Some(&number) = self.numbers.get(&worker) else { return false };
        let link = self.book.find(cell.0, number).map(|at| self.book.link(at));
        !self.is_accepted(cell) && link.is_some_and(|link| !link.is_open())
    }

    /// The votes that count in an undecided cell, in the order they came.
    pub fn voters(&self, cell: CellId) -> Vec<(NodeId, Class)> {
        if self.is_accepted(cell) {
            return Vec::new();
        }
        let links = self.book.of_cell(cell.0).filter(|(_, link)| link.kind == Kind::Counted);
        links.map(|(_, l)| (self.book.workers[l.worker as usize].node, l.class)).collect()
    }

    /// The worker holds a lease for the cell. Without effect if it may not answer it.
    pub fn assign(&mut self, cell: CellId, worker: NodeId) {
        if self.may_answer(cell, worker) {
            let number = self.intern(worker);
            self.book.enter(cell.0, number, Kind::Leased, Class(0));
        }
    }

    /// The worker's lease for the cell ended; without effect if it answered or holds none.
    /// If this was the last hope of a cell, [`Verdict::Hopeless`] comes with the next call that
    /// gives verdicts; [`Verifier::flush`] asks for it.
    pub fn release(&mut self, cell: CellId, worker: NodeId) {
        let Some(&number) = self.numbers.get(&worker) else { return };
        let Some(at) = self.book.find(cell.0, number) else { return };
        match (self.book.link(at).kind, self.book.cell(cell.0).phase) {
            (Kind::Quiz, Phase::Accepted) => self.book.link_mut(at).kind = Kind::Seen,
            (Kind::Leased | Kind::Quiz, phase) => {
                self.book.remove(at);
                if phase == Phase::Open && self.book.of_cell(cell.0).next().is_some() {
                    let mut owed = std::mem::take(&mut self.owed);
                    self.settle(cell, &mut owed);
                    self.owed = owed;
                }
            }
            _ => {}
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
        let known = &self.book.workers[number as usize];
        let (struck, trusted) = (known.struck, known.trusted);
        if struck {
            self.stats.ignored += 1;
            return;
        }
        if self.is_accepted(cell) {
            self.late_vote(cell, number, class, refuted, out);
            return;
        }
        let before = self.book.find(cell.0, number).map(|at| self.book.link(at));
        if before.is_some_and(|link| !link.is_open()) {
            self.stats.ignored += 1;
            return;
        }
        self.stats.answers += 1;
        let refuted = refuted || self.is_refuted(cell, class);
        if trusted {
            self.trusted_vote(cell, number, class, refuted, out);
        } else {
            self.worker_vote(cell, number, class, refuted, out);
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
        if !self.is_accepted(cell) {
            self.compare(cell, right, wrong, out);
            self.settle_group(self.book.cell(cell.0).group, out);
        }
    }

    /// The sample of a cell can't be computed: the votes decide without it.
    pub fn sample_failed(&mut self, cell: CellId, out: &mut Vec<Verdict>) {
        self.flush(out);
        if !self.is_accepted(cell) && self.end_sample(cell) {
            self.book.cell_mut(cell.0).set(UNSAMPLED, true);
            self.stats.samples_unavailable += 1;
            self.settle_group(self.book.cell(cell.0).group, out);
        }
    }

    /// The worker is not believed any more: its votes in undecided cells are void, its leases
    /// count no longer, it may not answer, and what was accepted on its word and isn't sealed is open
    /// again. Trusted nodes can't be struck.
    pub fn strike(&mut self, worker: NodeId, out: &mut Vec<Verdict>) {
        self.flush(out);
        let number = self.intern(worker);
        let known = &mut self.book.workers[number as usize];
        if known.trusted || known.struck {
            return;
        }
        known.struck = true;
        self.stats.struck += 1;
        let mut cells: Vec<CellId> =
            self.book.of_worker(number).map(|link| CellId(link.cell)).collect();
        cells.sort_unstable();
        // All votes are void before the first cell is looked at again.
        cells.retain(|&cell| self.void(cell, number, out) | self.retract(cell, number, out));
        for cell in cells {
            self.settle(cell, out);
        }
    }

    fn intern(&mut self, worker: NodeId) -> Worker {
        let Self { book, numbers, .. } = self;
        *numbers.entry(worker).or_insert_with(|| book.add_worker(worker, false))
    }
}

#[cfg(test)]
mod tests;
