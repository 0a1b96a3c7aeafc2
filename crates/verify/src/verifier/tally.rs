//! Counting: what the answers of a cell say, what that decides, and how many more are wanted.

use outlast_types::CellId;

use super::state::{CHECKED, HOPELESS, Kind, PENDING, Phase, SAMPLED, SINGLE, Stage, UNSAMPLED};
use super::{Class, Decision, How, Schedule, Verifier};
use crate::credibility::{Joint, group_credibility, odds};

/// Classes counted without an allocation; more are rare.
const FEW: usize = 4;

/// One class of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) class: Class,
    /// Votes that count: one for each clique.
    pub(super) votes: u16,
    /// Answers ever given.
    pub(super) given: u16,
    /// A sample contradicts it.
    refuted: bool,
    /// A sample agrees with it.
    pub(super) checked: bool,
    joint: Joint,
}

/// The answers of a cell, added up.
#[derive(Clone, Debug)]
pub(super) struct Count {
    few: [Tally; FEW],
    len: usize,
    more: Vec<Tally>,
    /// Answers given, also those that don't count any more.
    pub(super) given: u16,
    /// Leases that are out.
    pub(super) outstanding: u16,
    pub(super) trusted_outstanding: bool,
    /// One answer is enough.
    single: bool,
    /// Votes of all classes that count.
    pub(super) votes: u16,
}

impl Count {
    fn new(prior: f64) -> Self {
        let none = Tally {
            class: Class(0),
            votes: 0,
            given: 0,
            refuted: false,
            checked: false,
            joint: Joint::new(prior),
        };
        Self {
            few: [none; FEW],
            len: 0,
            more: Vec::new(),
            given: 0,
            outstanding: 0,
            trusted_outstanding: false,
            single: false,
            votes: 0,
        }
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.few[..self.len].iter().chain(&self.more)
    }

    /// Those that may be accepted.
    fn candidates(&self) -> impl Iterator<Item = &Tally> {
        self.tallies().filter(|tally| !tally.refuted && (tally.votes > 0 || tally.checked))
    }

    fn tally(&mut self, class: Class, prior: f64) -> &mut Tally {
        let few = self.few[..self.len].iter().position(|tally| tally.class == class);
        let fresh = Tally {
            class,
            votes: 0,
            given: 0,
            refuted: false,
            checked: false,
            joint: Joint::new(prior),
        };
        if let Some(at) = few {
            return &mut self.few[at];
        }
        if self.len < FEW {
            self.few[self.len] = fresh;
            self.len += 1;
            return &mut self.few[self.len - 1];
        }
        let at = self.more.iter().position(|tally| tally.class == class).unwrap_or_else(|| {
            self.more.push(fresh);
            self.more.len() - 1
        });
        &mut self.more[at]
    }

    /// The class with the most votes, its votes, and whether another has as many.
    fn best(&self) -> (Option<Class>, u16, bool) {
        let (mut best, mut votes, mut tied) = (None, 0, false);
        for tally in self.candidates().filter(|tally| tally.votes > 0) {
            match tally.votes.cmp(&votes) {
                std::cmp::Ordering::Greater => {
                    (best, votes, tied) = (Some(tally.class), tally.votes, false);
                }
                std::cmp::Ordering::Equal => tied = true,
                std::cmp::Ordering::Less => {}
            }
        }
        (best, votes, tied)
    }

    /// Whether more had said something else than so many, before a sample refuted it.
    fn turned(&self, votes: u16) -> bool {
        self.tallies().any(|tally| tally.refuted && tally.given >= votes)
    }
}

impl Verifier {
    pub(super) fn count_of(&self, cell: CellId) -> Count {
        let prior = self.prior_odds;
        let mut count = Count::new(prior);
        count.single = self.book.cell(cell.0).is(SINGLE);
        for (at, link) in self.book.of_cell(cell.0) {
            let worker = &self.book.workers[link.worker as usize];
            match link.kind {
                Kind::Leased | Kind::Quiz => {
                    count.outstanding = count.outstanding.saturating_add(1);
                    count.trusted_outstanding |= worker.trusted;
                    continue;
                }
                Kind::Seen => continue,
                Kind::Counted | Kind::Void | Kind::Condemned => {}
            }
            count.given = count.given.saturating_add(1);
            let counts = link.kind == Kind::Counted;
            // Those who lie together have one voice.
            let echo = counts
                && worker.clique != 0
                && self.book.of_cell(cell.0).take_while(|(other, _)| *other != at).any(
                    |(_, other)| {
                        other.kind == Kind::Counted
                            && other.class == link.class
                            && self.book.workers[other.worker as usize].clique == worker.clique
                    },
                );
            let tally = count.tally(link.class, prior);
            tally.given = tally.given.saturating_add(1);
            tally.refuted |= link.kind == Kind::Condemned;
            tally.checked |= link.is(CHECKED);
            if counts && !echo {
                tally.votes = tally.votes.saturating_add(1);
                tally.joint.add(worker.odds.map_or(prior, f64::from));
                count.votes = count.votes.saturating_add(1);
            }
        }
        for &(_, class) in self.refuted.range((cell.0, Class(0))..=(cell.0, Class(u16::MAX))) {
            count.tally(class, prior).refuted = true;
        }
        count
    }

    pub(super) fn is_refuted(&self, cell: CellId, class: Class) -> bool {
        self.refuted.contains(&(cell.0, class))
            || self
                .book
                .of_cell(cell.0)
                .any(|(_, link)| link.kind == Kind::Condemned && link.class == class)
    }

    /// Odds that a class is wrong: those of its voters, and of a sample that agrees with it although it is.
    fn class_odds(&self, tally: &Tally) -> f64 {
        let missed = 1.0 - self.sample_power;
        match (tally.checked, tally.votes) {
            (true, _) if missed <= 0.0 => 0.0,
            (_, 0) => f64::INFINITY,
            (true, _) => tally.joint.odds() * missed,
            (false, _) => tally.joint.odds(),
        }
    }

    /// What the answers decide, whatever samples are still to come.
    pub(super) fn decision(&self, count: &Count) -> Option<(Class, How)> {
        let Decision::Credibility { max_error } = self.policy.decision else {
            let (best, votes, tied) = count.best();
            let how = match count.turned(votes) {
                true => How::Sampled,
                false => How::Quorum(votes.min(u16::from(u8::MAX)) as u8),
            };
            return best.filter(|_| votes >= self.needed(count, 0) && !tied).map(|c| (c, how));
        };
        let best = self.most_credible(count)?;
        let credibility = self.credibility_of(count, best);
        let enough = match max_error > 0.0 {
            true => credibility >= 1.0 - max_error,
            false => best.checked,
        };
        let how = if count.turned(best.votes) { How::Sampled } else { How::Credible };
        enough.then_some((best.class, how))
    }

    fn most_credible<'a>(&self, count: &'a Count) -> Option<&'a Tally> {
        count.candidates().min_by(|a, b| self.class_odds(a).total_cmp(&self.class_odds(b)))
    }

    fn credibility_of(&self, count: &Count, tally: &Tally) -> f64 {
        let others = count.candidates().filter(|other| other.class != tally.class);
        group_credibility(self.class_odds(tally), others.map(|other| self.class_odds(other)))
    }

    /// How far the open cell's best class is to be believed now, from 0 (nobody has answered) to 1:
    /// Sarmenta's group credibility, also where the policy counts heads.
    pub fn credibility(&self, cell: CellId) -> f64 {
        let count = self.count_of(cell);
        self.most_credible(&count).map_or(0.0, |best| self.credibility_of(&count, best))
    }

    /// Whether answers that contradict each other, or a promise of certainty, call for another sample.
    pub(super) fn wants_check(&self, cell: CellId, count: &Count) -> bool {
        let Decision::Credibility { max_error } = self.policy.decision else { return false };
        let flags = SAMPLED | UNSAMPLED | PENDING | HOPELESS;
        let least = if max_error == 0.0 { 1 } else { 2 };
        self.policy.samples > 0
            && !self.book.cell(cell.0).is(flags)
            && count.candidates().filter(|tally| tally.votes > 0).take(2).count() >= least
    }

    /// Whether only the submitter's own answer can help, however many are still allowed.
    pub(super) fn is_beyond_votes(&self, cell: CellId, count: &Count) -> bool {
        matches!(self.policy.decision, Decision::Credibility { max_error } if max_error == 0.0)
            && count.votes > 0
            && self.book.cell(cell.0).is(UNSAMPLED)
    }

    /// How many further answers to the cell are wanted now, from anybody. Optimistic: a lease that
    /// is out may join the best class, and a trusted node's lease will decide. For credibility a
    /// further worker counts as much as the population. 0 for a cell that is accepted, given up, or waits
    /// only for samples; never more than `max_answers` allows.
    pub fn demand(&self, cell: CellId) -> u8 {
        let state = self.book.cell(cell.0);
        if state.phase != Phase::Open || state.is(HOPELESS) {
            return 0;
        }
        let count = self.count_of(cell);
        if count.trusted_outstanding {
            return 0;
        }
        let outstanding = count.outstanding.min(u16::from(u8::MAX)) as u8;
        let taken = (count.given.saturating_add(count.outstanding)).min(u16::from(u8::MAX)) as u8;
        let room = self.policy.max_answers.saturating_sub(taken);
        let wanted = match self.policy.decision {
            Decision::Credibility { .. } => self.missing_credibility(cell, &count, outstanding),
            _ => self.missing_votes(cell, &count, outstanding),
        };
        let wanted = wanted.min(room);
        match (self.schedule(), self.policy.decision) {
            (Schedule::AllAtOnce, Decision::Majority { replication }) if !count.single => {
                wanted.max(replication.saturating_sub(taken)).min(room)
            }
            (Schedule::AllAtOnce | Schedule::Auto, _) => wanted,
            // Enough else to do: one after the other, so that colluders don't hold it together.
            (Schedule::Incremental, _) if count.votes == 0 || self.is_crowded() => {
                wanted.min(1u8.saturating_sub(outstanding))
            }
            (Schedule::Incremental, _) => wanted,
        }
    }

    /// Agreeing votes that decide, with so many more.
    fn needed(&self, count: &Count, more: u16) -> u16 {
        match self.policy.decision {
            _ if count.single => 1,
            Decision::First { matching } => matching.into(),
            Decision::Majority { replication } => {
                count.votes.saturating_add(more).max(replication.into()) / 2 + 1
            }
            Decision::Credibility { .. } => 1,
        }
    }

    /// Votes that must come to those that are out for a decision, if all of them join the best class.
    fn missing_votes(&self, cell: CellId, count: &Count, outstanding: u8) -> u8 {
        let (_, best, tied) = count.best();
        if best >= self.needed(count, 0) {
            // Two quorums that no sample told apart: one more vote does.
            let done = self.groups[self.book.cell(cell.0).group as usize].stage == Stage::Done;
            return u8::from(tied && done).saturating_sub(outstanding);
        }
        let enough = |more: &u16| {
            let more = *more + u16::from(outstanding);
            best.saturating_add(more) >= self.needed(count, more)
        };
        (0..=u16::from(u8::MAX)).find(enough).map_or(u8::MAX, |more| more as u8)
    }

    /// The same, for credibility: each further worker multiplies the odds by those of the population.
    fn missing_credibility(&self, cell: CellId, count: &Count, outstanding: u8) -> u8 {
        let Decision::Credibility { max_error } = self.policy.decision else { return 0 };
        let state = self.book.cell(cell.0);
        let waits = state.is(PENDING)
            || self.groups[state.group as usize].stage != Stage::Done
            || self.wants_check(cell, count);
        if count.votes > 0 && waits {
            return 0;
        }
        if max_error == 0.0 {
            return u8::from(count.votes == 0).saturating_sub(outstanding);
        }
        let best = self.most_credible(count);
        let good: f64 = count
            .candidates()
            .filter(|other| best.is_some_and(|best| best.class != other.class))
            .map(|other| 1.0 / self.class_odds(other).max(f64::MIN_POSITIVE))
            .sum();
        let target = odds(max_error) / (1.0 + good);
        // The first answer, if there is none, is worth what the workers' answers are worth on average.
        let (have, first) = match best {
            Some(best) => (self.class_odds(best), 0.0),
            None => (self.typical_odds(), 1.0),
        };
        let each = (1.0 / self.prior_odds).ln();
        let further =
            if each > 0.0 { ((have / target).ln() / each).ceil().max(0.0) } else { 255.0 };
        // Something is missing, or it would be decided.
        let total = (first + further).max(1.0).min(f64::from(u8::MAX)) as u8;
        total.saturating_sub(outstanding)
    }

    /// The geometric mean of the odds that were told of workers.
    fn typical_odds(&self) -> f64 {
        match self.told {
            0 => self.prior_odds,
            told => (self.told_ln / f64::from(told)).exp(),
        }
    }
}
