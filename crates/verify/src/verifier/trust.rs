//! Who is believed how far: credences, checks, cliques, trusted nodes, retractions, quizzes.

use outlast_types::{CellId, NodeId};

use super::decide::pick;
use super::state::{
    BY_TRUSTED, HOPELESS, JUDGED, Kind, PENDING, PROVEN, Phase, SAMPLED, SINGLE, Stage, UNSAMPLED,
    Worker,
};
use super::{Class, Decision, How, Verdict, Verifier};
use crate::credibility::{checks_wanted, escape, odds};

/// Credences nearer to 0 and 1 than this say no more.
const LEAST_ODDS: f64 = 1e-9;

/// What waits for a worker is looked at again when its odds have changed by this factor, or reach those
/// that one answer needs: a record that grows check by check would cost its square otherwise. What
/// is decidable in between is accepted with the next event in its cell.
const NEWS: f64 = 0.8;

/// Answers and quizzes of one cell: a cell that so many have seen is no quiz.
const QUIZ_LINKS: usize = 32;

/// Cells tried for a quiz. Where most are seen, a quiz more or less doesn't matter.
const QUIZ_TRIES: usize = 16;

impl Verifier {
    /// Another node whose answers count like the submitter's own: alone, and against any vote. Spot
    /// checks are cells that are given to such a node.
    pub fn trust(&mut self, node: NodeId) {
        let number = self.intern(node);
        self.book.workers[number as usize].trusted = true;
    }

    /// How likely the worker's next answer is right, as [`Ledger::credence`](crate::Ledger::credence) tells.
    /// Say it whenever it changed. What the worker answered and is undecided is looked at again.
    pub fn believe(&mut self, worker: NodeId, credence: f64, out: &mut Vec<Verdict>) {
        self.flush(out);
        let told = odds(1.0 - credence.clamp(LEAST_ODDS, 1.0 - LEAST_ODDS)).max(LEAST_ODDS);
        let number = self.intern(worker);
        let known = &mut self.book.workers[number as usize];
        match known.odds {
            None => self.told += 1,
            Some(before) => self.told_ln -= f64::from(before).ln(),
        }
        known.odds = Some(told as f32);
        self.told_ln += f64::from(told as f32).ln();
        let settled = f64::from(known.settled);
        let Decision::Credibility { max_error } = self.policy.decision else { return };
        let target = odds(max_error);
        let news = told < settled * NEWS
            || told > settled / NEWS
            || (told <= target) != (settled <= target);
        if known.struck || known.trusted || !news {
            return;
        }
        known.settled = told as f32;
        let waiting = |link: &&super::state::Link| {
            link.kind == Kind::Counted && self.book.cell(link.cell).phase == Phase::Open
        };
        let cells: Vec<u32> =
            self.book.of_worker(number).filter(waiting).map(|link| link.cell).collect();
        for cell in cells {
            self.settle(CellId(cell), out);
        }
        if self.endgame {
            self.top_up(number, out);
        }
    }

    /// Which share of the worker's gridlets is checked, under credibility, as
    /// [`Ledger::check_rate`](crate::Ledger::check_rate) tells; at least the policy's. All of them, of a worker
    /// of which nothing was said.
    pub fn watch(&mut self, worker: NodeId, rate: f64) {
        let number = self.intern(worker);
        self.book.workers[number as usize].check = rate as f32;
    }

    /// The share of liars in the population, as [`Ledger::prior`](crate::Ledger::prior) tells; below 1.
    pub fn set_prior(&mut self, liars: f64) {
        self.prior_odds = odds(liars.clamp(LEAST_ODDS, 1.0 - LEAST_ODDS));
    }

    /// Share of the lies in a cell that a sample of it finds, from 0 to 1; 0.5 if nothing is said. 1: a
    /// sample is the whole cell.
    pub fn set_sample_power(&mut self, power: f64) {
        self.sample_power = power.clamp(0.0, 1.0);
    }

    /// These lie together, as [`Ledger::suspects`](crate::Ledger::suspects) tells: from now on they have one
    /// voice for each class. Who is in another clique already, leaves it.
    pub fn set_clique(&mut self, members: &[NodeId]) {
        self.cliques += 1;
        for &member in members {
            let number = self.intern(member);
            self.book.workers[number as usize].clique = self.cliques;
        }
    }

    /// The cell was used: what was accepted for it stays, whoever turns out to be a liar, and its answers are
    /// forgotten.
    pub fn seal(&mut self, cell: CellId) {
        let state = self.book.cell_mut(cell.0);
        if state.phase != Phase::Accepted {
            return;
        }
        state.phase = Phase::Sealed;
        let over: Vec<u32> =
            self.book.of_cell(cell.0).filter(|(_, l)| !l.is_open()).map(|(at, _)| at).collect();
        for link in over {
            self.book.remove(link);
        }
    }

    /// One answer decides this cell, unless a sample contradicts it: a relaxed plan has nobody do it again
    /// (GINGER 3.2, figure 2). By credibility it is decided like any other. Before its first lease.
    pub fn single(&mut self, cell: CellId) {
        self.book.cell_mut(cell.0).set(SINGLE, true);
    }

    /// Answers and leases that are kept, of all cells: 24 bytes each.
    pub fn links(&self) -> usize {
        self.book.in_use()
    }

    /// If the cell was accepted on the word of a struck worker, opens it again. Whether it did.
    pub(super) fn retract(&mut self, cell: CellId, liar: Worker, out: &mut Vec<Verdict>) -> bool {
        let state = *self.book.cell(cell.0);
        let Some(at) = self.book.find(cell.0, liar) else { return false };
        if state.phase != Phase::Accepted || self.book.link(at).kind != Kind::Counted {
            return false;
        }
        self.book.link_mut(at).kind = Kind::Void;
        let still = self.decision(&self.count_of(cell)).map(|(class, _)| class);
        // A trusted node may have answered after it was accepted.
        let counted = self.book.of_cell(cell.0).filter(|(_, link)| link.kind == Kind::Counted);
        let known = counted
            .filter(|(_, link)| self.book.workers[link.worker as usize].trusted)
            .map(|(_, link)| link.class)
            .next();
        if state.is(BY_TRUSTED) || still == Some(state.class) || known == Some(state.class) {
            return false;
        }
        let state = self.book.cell_mut(cell.0);
        state.phase = Phase::Open;
        state.flags &= SAMPLED | UNSAMPLED | SINGLE;
        let (class, group) = (state.class, state.group);
        self.accepted -= 1;
        self.stats.retracted += 1;
        let because = self.book.workers[liar as usize].node;
        out.push(Verdict::Retracted { cell, class, because });
        // They will be judged by what is accepted next.
        let links: Vec<u32> = self.book.of_cell(cell.0).map(|(at, _)| at).collect();
        for at in links {
            let link = self.book.link_mut(at);
            match link.kind {
                // Its answer came when it was no longer needed, and wasn't kept. Now it is needed.
                Kind::Seen => self.book.remove(at),
                // Proven to lie in this gridlet since, and not yet looked at here.
                Kind::Counted if self.barred.contains(&(group, link.worker)) => {
                    link.kind = Kind::Void;
                }
                Kind::Counted => link.flags &= !JUDGED,
                Kind::Quiz => link.kind = Kind::Leased,
                Kind::Leased | Kind::Void | Kind::Condemned => {}
            }
        }
        if let Some(class) = known {
            self.accept(cell, class, How::Trusted, false, out);
        } else if self.lacks_vote(cell) {
            self.change_unvoted(group, 1, out);
        }
        true
    }

    /// All cells have an answer: what still waits for a worker that lacks few checks is worth those, since
    /// they cost less copies than a second answer for each. Cells are chosen at random among all that wait.
    pub(super) fn top_up(&mut self, worker: Worker, out: &mut Vec<Verdict>) {
        let Decision::Credibility { max_error } = self.policy.decision else { return };
        let known = self.book.workers[worker as usize];
        if self.policy.samples == 0 || known.trusted || known.struck || max_error == 0.0 {
            return;
        }
        let (mut waiting, mut asked) = (Vec::new(), 0.0);
        for link in self.book.of_worker(worker).filter(|link| link.kind == Kind::Counted) {
            let state = self.book.cell(link.cell);
            let done = self.groups[state.group as usize].stage == Stage::Done;
            if state.phase != Phase::Open || !done || state.is(HOPELESS) {
                continue;
            }
            asked += f64::from(u8::from(state.is(PENDING)));
            let alone = self.book.of_cell(link.cell).count() == 1;
            if alone && !state.is(PENDING | SAMPLED | UNSAMPLED) {
                waiting.push(link.cell);
            }
        }
        let prior = self.prior_odds / (1.0 + self.prior_odds);
        let passed = checks_of(known.odds.map_or(self.prior_odds, f64::from), self.prior_odds);
        let lacking =
            (checks_wanted(prior, max_error) - passed) / self.sample_power.max(LEAST_ODDS);
        let wanted = (lacking.ceil() - asked).max(0.0);
        if wanted > waiting.len() as f64 {
            return;
        }
        for chosen in 0..wanted as usize {
            let pick = self.below(waiting.len() - chosen);
            waiting.swap(chosen, chosen + pick);
            self.want_sample(CellId(waiting[chosen]), out);
        }
    }

    /// A cell to ask the worker again, as if it were new: decided, checked, never seen by it. `None` if a few
    /// tries find none. Nothing in what the worker gets may tell it from other work, and the same
    /// cell is never a quiz for it twice.
    pub fn quizzable(&mut self, worker: NodeId) -> Option<CellId> {
        // What depends on this call is only what it returns: a replay of the job doesn't repeat it.
        let number = self.numbers.get(&worker).copied();
        let struck = number.is_some_and(|number| self.book.workers[number as usize].struck);
        if self.proven.is_empty() || struck {
            return None;
        }
        (0..QUIZ_TRIES).find_map(|_| {
            let at = pick(&mut self.quiz_rng, self.proven.len());
            let cell = self.proven[at];
            let proven = self.book.cell(cell).is(PROVEN);
            (proven && self.may_be_quizzed(cell, number)).then_some(CellId(cell))
        })
    }

    fn may_be_quizzed(&self, cell: u32, worker: Option<Worker>) -> bool {
        let state = self.book.cell(cell);
        state.phase == Phase::Accepted
            && worker.is_none_or(|worker| {
                !self.barred.contains(&(state.group, worker))
                    && self.book.find(cell, worker).is_none()
            })
            && self.book.of_cell(cell).count() < QUIZ_LINKS
    }

    /// The worker holds a lease for a decided cell as a quiz: its vote there is called right or wrong, and
    /// changes nothing else. Where what is accepted was not checked, a wrong answer proves nothing. Says
    /// whether it is one: not if the cell is undecided or sealed, or the worker has seen it.
    pub fn assign_quiz(&mut self, cell: CellId, worker: NodeId) -> bool {
        let number = self.intern(worker);
        let known = &self.book.workers[number as usize];
        let may = !known.struck && !known.trusted && self.may_be_quizzed(cell.0, Some(number));
        if may {
            self.book.enter(cell.0, number, Kind::Quiz, Class(0));
        }
        may
    }
}

/// Checks that a worker of these odds has passed, at least: the inverse of
/// [`escape`] by its bound `1 / (e n)`.
fn checks_of(odds: f64, prior: f64) -> f64 {
    if odds >= prior {
        return 0.0;
    }
    let checks = prior / (std::f64::consts::E * odds) - 0.5;
    debug_assert!(escape(checks.max(0.0)) <= 1.0);
    checks.max(0.0)
}
