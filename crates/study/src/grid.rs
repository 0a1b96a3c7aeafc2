//! Outlast itself: the very [`Verifier`] and [`Ledger`] that a node runs.

use outlast_types::CellId;
use outlast_verify::{Class, Ledger, Policy, Verdict, Verifier};

use crate::dice::submitter;
use crate::engine::{Engine, Occasion, Quiz, Who};
use crate::layout::Layout;

/// Outlast's verification in a simulated world.
pub(crate) struct Grid {
    policy: Policy,
    /// None: no histories, no blacklist.
    ledger: Option<Ledger>,
    verifier: Verifier,
}

impl Grid {
    pub(crate) fn new(policy: Policy, history: bool) -> Self {
        let verifier = Verifier::new(policy, &[], submitter(), 0);
        Self { policy, ledger: history.then(Ledger::new), verifier }
    }
}

impl Engine for Grid {
    fn start(&mut self, layout: &Layout, seed: u64) {
        let group = |piece| layout.points_of(piece).iter().map(|&point| CellId(point)).collect();
        let groups: Vec<Vec<CellId>> = (0..layout.gridlets()).map(group).collect();
        self.verifier = Verifier::new(self.policy, &groups, submitter(), seed);
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

    fn quiz(&mut self, _who: Who, _chance: f64, _pick: u64) -> Option<Quiz> {
        None
    }

    fn assign(&mut self, point: u32, who: Who, _chance: f64) {
        self.verifier.assign(CellId(point), who.id);
    }

    fn release(&mut self, point: u32, who: Who, out: &mut Vec<Verdict>) {
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
        self.verifier.vote(CellId(point), who.id, class, refuted, out);
    }

    fn answer_quiz(&mut self, _point: u32, _who: Who, _class: Class, _out: &mut Vec<Verdict>) {}

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

    fn learn(&mut self, who: Who, occasion: Occasion, _out: &mut Vec<Verdict>) -> bool {
        let Some(ledger) = &mut self.ledger else { return false };
        ledger.record_many(who.id, u64::from(occasion.is_none()), occasion).is_some()
    }

    fn strike(&mut self, who: Who, out: &mut Vec<Verdict>) {
        self.verifier.strike(who.id, out);
    }

    fn load(&mut self, _free: u32, _waiting: u32) {}

    fn accepted(&self, point: u32) -> Option<Class> {
        self.verifier.accepted_class(CellId(point))
    }

    fn is_complete(&self) -> bool {
        self.verifier.is_complete()
    }
}
