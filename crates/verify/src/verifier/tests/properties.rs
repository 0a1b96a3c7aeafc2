//! Random schedules: honest workers, lone liars and colluders, crashes, samples, quizzes, beliefs, strikes and
//! what they retract, under each decision.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

/// What a worker answers. The right answer is always class 0, so that lies show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    /// Agrees with nobody.
    Liar,
    /// All colluders give the same wrong answer, in every other cell.
    Colluder,
}

const RIGHT: Class = Class(0);

fn answer(mood: Mood, worker: u8, cell: CellId) -> Class {
    match mood {
        Mood::Honest => RIGHT,
        Mood::Liar => Class(10 + u16::from(worker)),
        Mood::Colluder if cell.0.is_multiple_of(2) => Class(1),
        Mood::Colluder => RIGHT,
    }
}

#[derive(Clone, Debug)]
struct Plan {
    policy: Policy,
    groups: Vec<u32>,
    moods: Vec<Mood>,
    strikes: bool,
    seed: u64,
}

fn decisions() -> impl Strategy<Value = Decision> {
    prop_oneof![
        (1u8..4).prop_map(|matching| Decision::First { matching }),
        (1u8..6).prop_map(|replication| Decision::Majority { replication }),
        prop_oneof![Just(0.4), Just(0.1), Just(0.001)]
            .prop_map(|max_error| Decision::Credibility { max_error }),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let mood =
        prop_oneof![3 => Just(Mood::Honest), 1 => Just(Mood::Liar), 1 => Just(Mood::Colluder)];
    let schedule =
        prop_oneof![Just(Schedule::Incremental), Just(Schedule::AllAtOnce), Just(Schedule::Auto)];
    let rate = prop_oneof![Just(0.0f32), Just(0.5), Just(1.0)];
    (
        (decisions(), 0u8..6, 0u8..3, rate, schedule),
        prop::collection::vec(1u32..5, 1..5),
        prop::collection::vec(mood, 1..9),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(
            |((decision, more, samples, sample_rate, schedule), groups, moods, strikes, seed)| {
                let asked = match decision {
                    Decision::First { matching: asked }
                    | Decision::Majority { replication: asked } => asked,
                    Decision::Credibility { .. } => 2,
                };
                let policy = Policy {
                    decision,
                    max_answers: asked + more,
                    samples,
                    sample_rate,
                    schedule,
                    ..Policy::default()
                };
                Plan { policy, groups, moods, strikes, seed }
            },
        )
}

fn votes_of(
    votes: &BTreeMap<CellId, Vec<(u8, Class)>>,
    cell: CellId,
) -> impl Iterator<Item = u8> + '_ {
    votes.get(&cell).into_iter().flatten().map(|(worker, _)| *worker)
}

/// Runs a job and checks what must hold after each call.
struct World {
    plan: Plan,
    verifier: Verifier,
    rng: ChaCha12Rng,
    /// The first vote of each worker, as the model sees it.
    votes: BTreeMap<CellId, Vec<(u8, Class)>>,
    trusted: BTreeMap<CellId, Class>,
    /// Accepted as the submitter's own.
    settled: BTreeSet<CellId>,
    struck: BTreeSet<u8>,
    sampled: BTreeSet<CellId>,
    /// Cells whose sample was computed.
    compared: BTreeSet<CellId>,
    refuted: BTreeSet<(CellId, Class)>,
    /// (group, worker): proven wrong by a sample there.
    barred: BTreeSet<(u32, u8)>,
    accepted: BTreeMap<CellId, Class>,
    hopeless: BTreeSet<CellId>,
    judged: BTreeSet<(NodeId, CellId)>,
    /// Judged for good.
    proven: BTreeSet<(NodeId, CellId)>,
    sealed: BTreeSet<CellId>,
    quizzed: BTreeSet<(CellId, u8)>,
    pending: Vec<CellId>,
    leases: BTreeSet<(CellId, u8)>,
    trace: Vec<Verdict>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let verifier = Verifier::new(plan.policy, &groups(&plan.groups), node(ME), plan.seed);
        Self {
            rng: ChaCha12Rng::seed_from_u64(plan.seed ^ 0x5eed),
            verifier,
            plan,
            votes: BTreeMap::new(),
            trusted: BTreeMap::new(),
            settled: BTreeSet::new(),
            struck: BTreeSet::new(),
            sampled: BTreeSet::new(),
            compared: BTreeSet::new(),
            refuted: BTreeSet::new(),
            barred: BTreeSet::new(),
            accepted: BTreeMap::new(),
            hopeless: BTreeSet::new(),
            judged: BTreeSet::new(),
            proven: BTreeSet::new(),
            sealed: BTreeSet::new(),
            quizzed: BTreeSet::new(),
            pending: Vec::new(),
            leases: BTreeSet::new(),
            trace: Vec::new(),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.rng.next_u64() % n as u64) as usize
    }

    fn check(&mut self, out: Vec<Verdict>) {
        for verdict in &out {
            match *verdict {
                Verdict::Accepted { cell, class, how } => {
                    let before = self.accepted.insert(cell, class);
                    assert_eq!(before, None, "cell {cell} accepted twice");
                    assert!(!self.refuted.contains(&(cell, class)), "accepted a refuted class");
                    if how == How::Trusted {
                        self.settled.insert(cell);
                        assert_eq!(self.trusted.get(&cell), Some(&class));
                    } else {
                        let group = self.verifier.book.cell(cell.0).group;
                        let counts = |worker: u8| {
                            !self.struck.contains(&worker)
                                && !self.barred.contains(&(group, worker))
                        };
                        let votes = self.votes.get(&cell).into_iter().flatten();
                        let agreed = votes.filter(|(w, c)| *c == class && counts(*w)).count();
                        assert!(agreed >= usize::from(self.plan.policy.quorum()));
                        let known = votes_of(&self.votes, cell);
                        let majority =
                            matches!(self.plan.policy.decision, Decision::Majority { .. });
                        assert!(!majority || agreed * 2 > known.filter(|w| counts(*w)).count());
                        assert!(!self.pending.contains(&cell), "accepted before its sample");
                    }
                }
                Verdict::Right { worker, cell, .. } => {
                    assert!(self.judged.insert((worker, cell)), "judged twice");
                    assert!(self.accepted.contains_key(&cell));
                }
                Verdict::Wrong { worker, cell, proof } => {
                    assert!(self.judged.insert((worker, cell)), "judged twice");
                    let honest = worker == node(ME)
                        || self.plan.moods[usize::from(worker.as_bytes()[0]) - 1] == Mood::Honest;
                    assert!(!honest || proof == Proof::Outvoted, "proof against an honest worker");
                    if proof != Proof::Outvoted {
                        self.proven.insert((worker, cell));
                    }
                    if proof == Proof::Sample {
                        let group = self.verifier.book.cell(cell.0).group;
                        self.barred.insert((group, worker.as_bytes()[0]));
                    }
                }
                Verdict::SampleWanted { cell, .. } => {
                    assert!(self.sampled.insert(cell), "sampled twice");
                    self.pending.push(cell);
                }
                Verdict::Retracted { cell, class, because } => {
                    assert_eq!(self.accepted.remove(&cell), Some(class), "not accepted before");
                    assert!(self.struck.contains(&because.as_bytes()[0]));
                    assert!(!self.sealed.contains(&cell), "sealed");
                    assert!(!self.settled.contains(&cell), "the submitter's own");
                    self.hopeless.remove(&cell);
                    // Who gave a quiz back may answer now that it is needed; decided anew, it is another quiz.
                    self.quizzed.retain(|(quizzed, _)| *quizzed != cell);
                    let proven = &self.proven;
                    self.judged.retain(|judged| judged.1 != cell || proven.contains(judged));
                }
                Verdict::Passed { cell, .. } => assert!(self.compared.contains(&cell)),
                Verdict::Together { worker, other, cell, .. } => {
                    assert!(worker != other && self.judged.contains(&(worker, cell)));
                }
                Verdict::Hopeless { cell } => {
                    assert!(self.hopeless.insert(cell), "hopeless twice");
                    assert!(!self.accepted.contains_key(&cell));
                }
            }
        }
        self.trace.extend(out);
        assert_eq!(self.accepted.len() as u32, self.verifier.accepted_count());
        for (&cell, &class) in &self.accepted {
            assert_eq!(self.verifier.accepted_class(cell), Some(class), "an accepted cell changed");
            assert_eq!(self.verifier.demand(cell), 0);
        }
    }

    fn vote(&mut self, cell: CellId, worker: u8) {
        let class = match worker {
            ME => RIGHT,
            _ => answer(self.plan.moods[usize::from(worker) - 1], worker, cell),
        };
        let refuted = self.compared.contains(&cell) && class != RIGHT;
        if refuted {
            self.refuted.insert((cell, class));
        }
        if worker == ME {
            self.trusted.insert(cell, class);
        } else if !self.verifier.is_accepted(cell) || self.leases.contains(&(cell, worker)) {
            let votes = self.votes.entry(cell).or_default();
            if votes.iter().all(|(voter, _)| *voter != worker) {
                votes.push((worker, class));
            }
        }
        let mut out = Vec::new();
        self.verifier.vote(cell, node(worker), class, refuted, &mut out);
        self.check(out);
        self.end_lease(cell, worker);
    }

    fn end_lease(&mut self, cell: CellId, worker: u8) {
        self.leases.remove(&(cell, worker));
        self.verifier.release(cell, node(worker));
        let mut out = Vec::new();
        self.verifier.flush(&mut out);
        self.check(out);
    }

    fn sample(&mut self, at: usize, fails: bool) {
        let cell = self.pending.swap_remove(at);
        let mut out = Vec::new();
        if fails {
            self.verifier.sample_failed(cell, &mut out);
            self.check(out);
            return;
        }
        let classes: BTreeSet<Class> =
            self.verifier.voters(cell).into_iter().map(|(_, class)| class).collect();
        let (right, wrong): (Vec<_>, Vec<_>) = classes.into_iter().partition(|&c| c == RIGHT);
        if !self.verifier.is_accepted(cell) {
            self.compared.insert(cell);
            self.refuted.extend(wrong.iter().map(|&class| (cell, class)));
        }
        self.verifier.sampled(cell, &right, &wrong, &mut out);
        self.check(out);
    }

    fn believe(&mut self, worker: u8) {
        let credence = [0.3, 0.65, 0.9, 0.999_9][self.below(4)];
        let mut out = Vec::new();
        self.verifier.believe(node(worker), credence, &mut out);
        self.verifier.watch(node(worker), credence);
        self.check(out);
    }

    /// A quiz that is answered rightly by the honest, and as it comes by the others.
    fn quiz(&mut self, worker: u8) {
        let Some(cell) = self.verifier.quizzable(node(worker)) else { return };
        assert!(self.verifier.is_accepted(cell) && !self.sealed.contains(&cell));
        let seen =
            self.votes.get(&cell).is_some_and(|votes| votes.iter().any(|(w, _)| *w == worker));
        assert!(!seen && self.quizzed.insert((cell, worker)), "it has seen this cell");
        assert!(self.verifier.assign_quiz(cell, node(worker)));
        assert!(!self.verifier.assign_quiz(cell, node(worker)));
        if self.below(4) == 0 {
            self.end_lease(cell, worker);
            return;
        }
        let class = answer(self.plan.moods[usize::from(worker) - 1], worker, cell);
        let mut out = Vec::new();
        self.verifier.vote(cell, node(worker), class, false, &mut out);
        let right = self.verifier.accepted_class(cell) == Some(class);
        let honest = self.plan.moods[usize::from(worker) - 1] == Mood::Honest;
        assert!(matches!(out[0], Verdict::Right { basis: Basis::Quiz, .. }) == right);
        assert!(right || !honest, "what is fit for a quiz was checked");
        self.check(out);
        if right {
            self.votes.entry(cell).or_default().push((worker, class));
        }
        self.end_lease(cell, worker);
    }

    fn seal(&mut self, cell: CellId) {
        if self.verifier.is_accepted(cell) {
            self.verifier.seal(cell);
            self.sealed.insert(cell);
        }
    }

    fn strike(&mut self, worker: u8) {
        self.struck.insert(worker);
        let mut out = Vec::new();
        self.verifier.strike(node(worker), &mut out);
        self.check(out);
    }

    /// One random event; any order and any nonsense a network can make of it.
    fn chaos(&mut self) {
        let cell = CellId(self.below(self.verifier.cells() as usize) as u32);
        let workers = self.plan.moods.len();
        let worker = 1 + self.below(workers) as u8;
        match self.below(26) {
            0..8 if self.verifier.may_answer(cell, node(worker)) => {
                self.verifier.assign(cell, node(worker));
                self.leases.insert((cell, worker));
            }
            8..14 => self.vote(cell, worker),
            14..16 => self.end_lease(cell, worker),
            16..18 if !self.pending.is_empty() => {
                let at = self.below(self.pending.len());
                let fails = self.below(5) == 0;
                self.sample(at, fails);
            }
            18 if self.plan.strikes => self.strike(worker),
            19 if self.below(4) == 0 => self.vote(cell, ME),
            20..22 => self.believe(worker),
            22..24 if !self.struck.contains(&worker) => self.quiz(worker),
            24 => self.seal(cell),
            25 => {
                let (free, waiting) = (self.below(9) as u32, self.below(9) as u32);
                self.verifier.set_load(Load { free, waiting, hurry: false });
            }
            _ => {}
        }
    }

    fn undecided(&self) -> Vec<CellId> {
        (0..self.verifier.cells()).map(CellId).filter(|&c| !self.verifier.is_accepted(c)).collect()
    }

    /// Serves the demand as a coordinator does, until nothing moves.
    fn serve(&mut self) {
        loop {
            let mut moved = false;
            while !self.pending.is_empty() {
                self.sample(0, false);
                moved = true;
            }
            let held: Vec<(CellId, u8)> = self.leases.iter().copied().collect();
            for (cell, worker) in held {
                self.vote(cell, worker);
                moved = true;
            }
            for cell in self.undecided() {
                for worker in 1..=self.plan.moods.len() as u8 {
                    if self.verifier.demand(cell) > 0
                        && self.verifier.may_answer(cell, node(worker))
                    {
                        self.verifier.assign(cell, node(worker));
                        self.leases.insert((cell, worker));
                        moved = true;
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn in_any_order_of_events_a_cell_is_accepted_once_by_a_quorum_or_the_submitter(
        plan in plan(), steps in 0usize..300
    ) {
        let mut world = World::new(plan);
        (0..steps).for_each(|_| world.chaos());
    }

    /// Whatever happened: with demand served and the hopeless computed by the submitter, a job
    /// ends, unless nobody is left who may answer.
    #[test]
    fn no_undecided_cell_is_left_waiting_for_nothing(plan in plan(), steps in 0usize..200) {
        let mut world = World::new(plan);
        (0..steps).for_each(|_| world.chaos());
        world.serve();
        for cell in world.undecided() {
            let waits_for_workers = world.verifier.demand(cell) > 0;
            let given_up = world.hopeless.contains(&cell);
            // Or for its group, of which another cell waits for workers.
            let group = world.verifier.book.cell(cell.0).group;
            let gathering = world.verifier.groups[group as usize].stage == Stage::Gathering;
            prop_assert!(waits_for_workers || given_up || gathering);
            if gathering {
                let waits = |c: &CellId| world.verifier.book.cell(c.0).group == group
                    && world.verifier.demand(*c) > 0;
                prop_assert!(world.undecided().iter().any(waits));
            }
        }
        for cell in world.undecided() {
            if !world.verifier.is_accepted(cell) {
                world.vote(cell, ME);
            }
        }
        prop_assert!(world.verifier.is_complete());
        world.serve();
        for (cell, worker) in world.leases.clone() {
            world.end_lease(cell, worker);
        }
        let most = world.verifier.cells() as usize * (world.plan.moods.len() + 1);
        prop_assert!(world.verifier.book.high_water() <= most);
        (0..world.verifier.cells()).for_each(|cell| world.seal(CellId(cell)));
        prop_assert_eq!(world.verifier.links(), 0, "votes outlive the job");
    }

    #[test]
    fn while_the_honest_are_enough_all_cells_are_accepted_and_right(
        plan in plan(), quorum in 1u8..4, honest in 0u8..4, colluders in 0u8..4, liars in 0u8..3
    ) {
        let honest = quorum + honest;
        let colluders = colluders.min(quorum - 1);
        let liars = if quorum > 1 { liars } else { 0 };
        let mut moods = vec![Mood::Colluder; usize::from(colluders)];
        moods.extend(vec![Mood::Liar; usize::from(liars)]);
        moods.extend(vec![Mood::Honest; usize::from(honest)]);
        let max_answers = quorum + colluders + liars;
        let decision = Decision::First { matching: quorum };
        let policy = Policy { max_answers, decision, ..plan.policy };
        let mut world = World::new(Plan { policy, moods, ..plan });
        world.serve();
        prop_assert!(world.verifier.is_complete());
        prop_assert!(world.accepted.values().all(|&class| class == RIGHT));
    }

    #[test]
    fn the_same_seed_gives_the_same_trace(plan in plan(), steps in 0usize..200) {
        let run = || {
            let mut world = World::new(plan.clone());
            (0..steps).for_each(|_| world.chaos());
            world.serve();
            (world.trace, world.verifier.stats())
        };
        prop_assert_eq!(run(), run());
    }
}
