//! What the ledger knows of workers, told to the verifier; and quizzes.
//!
//! The ledger learns from all jobs of this node, so what it says changes between two events of a job. Whatever
//! the verifier is told decides, so it is journaled first: a replay believes whom the first life
//! believed.
//!
//! A quiz is a lease like any other, but of cells that are decided, given to a worker that never had them. It
//! can't be told from work: same gridlets, same recipes, and its answers are acknowledged in the same way.

use outlast_types::{Ad, CellId, Hash, NodeId};
use outlast_verify::Decision;

use super::{Context, Coordinator, Phase};
use crate::Record;

/// Changes of a probability smaller than this, relative to what is left to certainty, are not told: records
/// grow check by check.
const NEWS: f64 = 0.02;

/// What the verifier was told of a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Belief {
    credence: f64,
    check: f64,
}

impl Belief {
    /// Whether another one says so much else that it is worth a record.
    fn differs(self, other: Self) -> bool {
        let far = |a: f64, b: f64| (a - b).abs() > NEWS * a.min(b).abs();
        far(1.0 - self.credence, 1.0 - other.credence) || far(self.check, other.check)
    }
}

impl Coordinator {
    pub(super) fn is_by_credibility(&self) -> bool {
        matches!(self.verifier.policy().decision, Decision::Credibility { .. })
    }

    /// Before an answer counts: how far its author is believed.
    pub(super) fn believe(&mut self, cx: &mut Context<'_>, worker: NodeId) {
        if !self.is_by_credibility() || worker == cx.me {
            return;
        }
        let belief = Belief {
            credence: cx.ledger.credence(&worker),
            check: cx.ledger.check_rate(&worker, self.verifier.policy()),
        };
        let known = self.workers.entry(worker).or_default();
        if known.belief.is_none_or(|told| told.differs(belief)) {
            let Belief { credence, check } = belief;
            self.journal(cx, Record::Believed { worker, credence, check });
            let verdicts = self.note_belief(worker, credence, check);
            self.absorb(Some(cx), verdicts);
        }
    }

    /// Tells the verifier what the ledger has learned since: of workers whose answers may wait for it, and of the
    /// population.
    pub(super) fn refresh_beliefs(&mut self, cx: &mut Context<'_>) {
        if !self.is_by_credibility() || self.phase != Phase::Running {
            return;
        }
        let prior = cx.ledger.prior();
        if self.prior.is_none_or(|told| (told - prior).abs() > NEWS * told) {
            self.journal(cx, Record::Prior(prior));
            self.note_prior(prior);
        }
        for clique in cx.ledger.suspects() {
            if !self.cliques.contains(&clique) {
                self.journal(cx, Record::Clique(clique.clone()));
                self.note_clique(clique);
            }
        }
        let answered = self.workers.iter().filter(|(_, known)| known.answers > 0 && !known.struck);
        for worker in answered.map(|(worker, _)| *worker).collect::<Vec<_>>() {
            self.believe(cx, worker);
        }
    }

    pub(super) fn note_belief(
        &mut self,
        worker: NodeId,
        credence: f64,
        check: f64,
    ) -> Vec<outlast_verify::Verdict> {
        self.workers.entry(worker).or_default().belief = Some(Belief { credence, check });
        let mut verdicts = Vec::new();
        self.verifier.watch(worker, check);
        self.verifier.believe(worker, credence, &mut verdicts);
        verdicts
    }

    pub(super) fn note_prior(&mut self, liars: f64) {
        self.prior = Some(liars);
        self.verifier.set_prior(liars);
    }

    pub(super) fn note_clique(&mut self, members: Vec<NodeId>) {
        self.verifier.set_clique(&members);
        self.cliques.insert(members);
    }

    /// Whether the next lease of this job is to be a quiz. Nobody can foresee it who doesn't know the job's seed.
    pub(super) fn is_quiz_due(&self) -> bool {
        let share = f64::from(self.verifier.policy().quizzes);
        if share <= 0.0 {
            return false;
        }
        let word = [self.spec.seed.to_le_bytes(), self.next_attempt.0.to_le_bytes()].concat();
        let [a, b, c, d, ..] = *Hash::of(&word).as_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) < share * f64::from(u32::MAX)
    }

    /// Grants decided cells that the worker has never seen. Whether there were any.
    pub(super) fn grant_quiz(&mut self, cx: &mut Context<'_>, worker: NodeId, ad: &Ad) -> bool {
        if worker == cx.me {
            return false;
        }
        let Some(cell) = self.verifier.quizzable(worker) else { return false };
        let gridlet = self.layout.base_of(cell);
        // A node of another kind may be right, and say something else.
        if !self.is_alike(gridlet, ad) {
            return false;
        }
        let cells: Vec<CellId> = self
            .cells_of(gridlet)
            .into_iter()
            .filter(|&cell| self.verifier.assign_quiz(cell, worker))
            .collect();
        if cells.is_empty() {
            return false;
        }
        let attempt = self.next_attempt;
        self.journal(cx, Record::Quizzed { attempt, gridlet, worker, cells: cells.clone() });
        self.enter(attempt, worker, gridlet, cells, cx.now, true);
        self.send_lease(cx, attempt);
        true
    }
}
