//! Outlast itself: the very [`Verifier`] and [`Ledger`] that a node runs.

use outlast_types::{CellId, NodeId};
use outlast_verify::{Change, Class, Decision, Ledger, Load, Policy, Verdict, Verifier};

use crate::dice::{owner, submitter};
use crate::engine::{Engine, Quiz, Who};
use crate::layout::Layout;
use crate::scenario::Scenario;

/// Nobody yet.
const NEVER: (u32, u32) = (u32::MAX, u32::MAX);

/// Outlast's verification in a simulated world.
pub(crate) struct Grid {
    policy: Policy,
    /// None: no histories, no blacklist.
    ledger: Option<Ledger>,
    verifier: Verifier,
    sample_atoms: u64,
    job: u32,
    /// For each participant: the job and the life for which the verifier was told of its record.
    told: Vec<(u32, u32)>,
    /// Verdicts of calls that have nowhere to put them.
    owed: Vec<Verdict>,
}

impl Grid {
    pub(crate) fn new(policy: Policy, scenario: &Scenario) -> Self {
        // A whitewasher has several identities.
        let nodes = 2 * scenario.participants as usize;
        Self {
            policy,
            ledger: scenario.history.then(|| Ledger::with_capacity(nodes)),
            verifier: Verifier::new(policy, &[], submitter(), 0),
            sample_atoms: scenario.sample_atoms.into(),
            job: 0,
            told: vec![NEVER; scenario.participants as usize],
            owed: Vec::new(),
        }
    }

    fn is_credible(&self) -> bool {
        matches!(self.policy.decision, Decision::Credibility { .. })
    }

    /// Tells the verifier what the ledger knows of a worker, as the coordinator does.
    fn tell(&mut self, id: NodeId, out: &mut Vec<Verdict>) {
        let Some(ledger) = &self.ledger else { return };
        let (credence, rate) = (ledger.credence(&id), ledger.check_rate(&id, &self.policy));
        self.verifier.watch(id, rate);
        self.verifier.believe(id, credence, out);
    }
}

impl Engine for Grid {
    fn start(&mut self, layout: &Layout, seed: u64) {
        let group = |piece| layout.points_of(piece).iter().map(|&point| CellId(point)).collect();
        let groups: Vec<Vec<CellId>> = (0..layout.gridlets()).map(group).collect();
        self.verifier = Verifier::new(self.policy, &groups, submitter(), seed);
        self.job += 1;
        // As the coordinator does: what a relaxed plan has done once has nothing to agree with.
        for point in (0..layout.points()).filter(|&point| layout.covers(point) < layout.layers()) {
            self.verifier.single(CellId(point));
        }
        let whole = (0..layout.points()).all(|point| layout.atoms(point) <= self.sample_atoms);
        if let Some(ledger) = &mut self.ledger {
            if whole {
                self.verifier.set_sample_power(1.0);
                ledger.set_sample_power(1.0);
            }
            self.verifier.set_prior(ledger.prior());
            for clique in ledger.suspects() {
                self.verifier.set_clique(&clique);
            }
        }
    }

    fn demand(&self, point: u32) -> u8 {
        self.verifier.demand(CellId(point))
    }

    fn count(&self, point: u32) -> u8 {
        self.verifier.count(CellId(point)).min(usize::from(u8::MAX)) as u8
    }

    fn may_answer(&self, point: u32, who: Who) -> bool {
        self.verifier.may_answer(CellId(point), who.id)
    }

    fn prefers_shared(&mut self, _who: Who, _chance: f64) -> bool {
        // An answer that waits may be accepted without another one, once its author is known better.
        !self.is_credible()
    }

    fn quiz(&mut self, who: Who, chance: f64, _pick: u64) -> Option<Quiz> {
        if chance >= f64::from(self.policy.quizzes) {
            return None;
        }
        let cell = self.verifier.quizzable(who.id)?;
        self.verifier.assign_quiz(cell, who.id).then_some(cell.0)
    }

    fn assign(&mut self, point: u32, who: Who, _chance: f64) {
        let told = (self.job, owner(&who.id).1);
        if self.is_credible() && self.told[who.number as usize] != told {
            self.told[who.number as usize] = told;
            let mut owed = std::mem::take(&mut self.owed);
            self.tell(who.id, &mut owed);
            self.owed = owed;
        }
        self.verifier.assign(CellId(point), who.id);
    }

    fn release(&mut self, point: u32, who: Who, out: &mut Vec<Verdict>) {
        out.append(&mut self.owed);
        self.verifier.release(CellId(point), who.id);
        self.verifier.flush(out);
    }

    fn answer(
        &mut self,
        point: u32,
        who: Who,
        class: Class,
        refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        out.append(&mut self.owed);
        self.verifier.vote(CellId(point), who.id, class, refuted, out);
    }

    fn answer_quiz(&mut self, point: u32, who: Who, class: Class, out: &mut Vec<Verdict>) {
        self.verifier.vote(CellId(point), who.id, class, false, out);
    }

    fn classes(&self, point: u32) -> Vec<Class> {
        let voters = self.verifier.voters(CellId(point)).into_iter();
        let mut classes: Vec<Class> = voters.map(|(_, class)| class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    fn sampled(&mut self, point: u32, right: &[Class], wrong: &[Class], out: &mut Vec<Verdict>) {
        self.verifier.sampled(CellId(point), right, wrong, out);
    }

    fn own_answer(&mut self, point: u32, out: &mut Vec<Verdict>) {
        self.verifier.vote(CellId(point), submitter(), Class(0), false, out);
    }

    fn learn(&mut self, verdicts: &[Verdict], out: &mut Vec<Verdict>) -> Vec<NodeId> {
        let Some(ledger) = &mut self.ledger else { return Vec::new() };
        let changes = ledger.learn(verdicts, &submitter());
        if self.is_credible() {
            let prior = self.ledger.as_ref().map_or(0.0, Ledger::prior);
            self.verifier.set_prior(prior);
            let mut workers: Vec<NodeId> = verdicts.iter().filter_map(judged).collect();
            workers.sort_unstable();
            workers.dedup();
            for worker in workers {
                if worker != submitter() {
                    self.tell(worker, out);
                }
            }
        }
        changes.into_iter().map(|Change::Blacklisted(node)| node).collect()
    }

    fn strike(&mut self, id: NodeId, out: &mut Vec<Verdict>) {
        self.verifier.strike(id, out);
    }

    fn load(&mut self, free: u32, waiting: u32) {
        self.verifier.set_load(Load { free, waiting, hurry: false });
    }

    fn accepted(&self, point: u32) -> Option<Class> {
        self.verifier.accepted_class(CellId(point))
    }

    fn is_complete(&self) -> bool {
        self.verifier.is_complete()
    }
}

/// Whose record a verdict changes.
fn judged(verdict: &Verdict) -> Option<NodeId> {
    match *verdict {
        Verdict::Right { worker, .. }
        | Verdict::Passed { worker, .. }
        | Verdict::Wrong { worker, .. } => Some(worker),
        Verdict::Accepted { .. }
        | Verdict::Retracted { .. }
        | Verdict::Together { .. }
        | Verdict::SampleWanted { .. }
        | Verdict::Hopeless { .. } => None,
    }
}
