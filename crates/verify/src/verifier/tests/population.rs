//! Populations with colluders, driven as a grid drives the verifier: what is accepted wrong, and for how many
//! copies. Each gridlet is one cell; a sample is the whole of it and costs a copy. `crates/study` does this at
//! length; here are the promises that the formulas make.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use std::collections::BTreeSet;

use super::*;
use crate::{Change, Ledger};

#[derive(Clone, Copy, Debug)]
enum Liar {
    Always,
    /// All colluders falsify the same share of the gridlets.
    Share(f64),
    /// Honest for so many answers, then never.
    After(u32),
    /// So many honest answers, so many lies.
    OnOff(u32, u32),
}

struct Outcome {
    wrong: f64,
    copies: f64,
}

struct Grid {
    verifier: Verifier,
    ledger: Ledger,
    policy: Policy,
    liars: u32,
    liar: Liar,
    given: Vec<u32>,
    rng: ChaCha12Rng,
    copies: u64,
}

fn key(number: u32) -> NodeId {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    NodeId::from_bytes(key)
}

impl Grid {
    fn below(&mut self, n: u32) -> u32 {
        ((u128::from(self.rng.next_u64()) * u128::from(n)) >> 64) as u32
    }

    fn lies(&self, worker: u32, cell: CellId) -> bool {
        let given = self.given[worker as usize];
        worker < self.liars
            && match self.liar {
                Liar::Always => true,
                Liar::Share(share) => {
                    let mixed = u64::from(cell.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
                    (mixed as f64) < share * (1u64 << 53) as f64
                }
                Liar::After(honest) => given >= honest,
                Liar::OnOff(honest, lies) => given % (honest + lies) >= honest,
            }
    }

    fn answer(&mut self, cell: CellId, worker: u32) {
        let class = Class(u16::from(self.lies(worker, cell)));
        self.given[worker as usize] += 1;
        self.copies += 1;
        let mut out = Vec::new();
        self.verifier.assign(cell, key(worker));
        self.verifier.vote(cell, key(worker), class, false, &mut out);
        self.verifier.release(cell, key(worker));
        self.heed(out);
    }

    fn heed(&mut self, mut out: Vec<Verdict>) {
        while !out.is_empty() {
            let mut more = Vec::new();
            let mut touched = Vec::new();
            for verdict in &out {
                match *verdict {
                    Verdict::SampleWanted { cell, .. } => {
                        self.copies += 1;
                        let voters = self.verifier.voters(cell);
                        let classes: BTreeSet<Class> = voters.into_iter().map(|(_, c)| c).collect();
                        let (right, wrong): (Vec<_>, Vec<_>) =
                            classes.into_iter().partition(|class| *class == A);
                        self.verifier.sampled(cell, &right, &wrong, &mut more);
                    }
                    Verdict::Hopeless { cell } => {
                        self.copies += 1;
                        self.verifier.vote(cell, key(u32::MAX), A, false, &mut more);
                    }
                    Verdict::Right { worker, .. }
                    | Verdict::Wrong { worker, .. }
                    | Verdict::Passed { worker, .. } => touched.push(worker),
                    _ => {}
                }
            }
            let me = key(u32::MAX);
            for Change::Blacklisted(liar) in self.ledger.learn(&out, &me) {
                self.verifier.strike(liar, &mut more);
            }
            self.verifier.set_prior(self.ledger.prior());
            for worker in touched.into_iter().filter(|worker| *worker != me) {
                self.verifier.watch(worker, self.ledger.check_rate(&worker, &self.policy));
                self.verifier.believe(worker, self.ledger.credence(&worker), &mut more);
            }
            out = more;
        }
    }

    /// Somebody who isn't out, and may answer.
    fn somebody(&mut self, cell: CellId) -> Option<u32> {
        (0..200).find_map(|_| {
            let worker = self.below(self.given.len() as u32);
            let may = !self.ledger.is_blacklisted(&key(worker))
                && self.verifier.may_answer(cell, key(worker));
            may.then_some(worker)
        })
    }
}

fn run(policy: Policy, workers: u32, each: u32, liars: u32, liar: Liar, seed: u64) -> Outcome {
    let cells = workers * each;
    let groups: Vec<Vec<CellId>> = (0..cells).map(|cell| vec![CellId(cell)]).collect();
    let mut grid = Grid {
        verifier: Verifier::new(policy, &groups, key(u32::MAX), seed),
        ledger: Ledger::with_capacity(workers as usize),
        policy,
        liars,
        liar,
        given: vec![0; workers as usize],
        rng: ChaCha12Rng::seed_from_u64(seed),
        copies: 0,
    };
    grid.verifier.set_sample_power(1.0);
    grid.ledger.set_sample_power(1.0);
    for cell in (0..cells).map(CellId) {
        if let Some(worker) = grid.somebody(cell) {
            grid.answer(cell, worker);
        }
    }
    let open = |grid: &Grid| {
        let cells = (0..cells).map(CellId);
        cells.filter(|&cell| !grid.verifier.is_accepted(cell)).collect::<Vec<_>>()
    };
    loop {
        let left = open(&grid);
        if left.is_empty() {
            break;
        }
        for cell in left {
            if grid.verifier.demand(cell) == 0 {
                continue;
            }
            match grid.somebody(cell) {
                Some(worker) => grid.answer(cell, worker),
                None => {
                    let mut out = Vec::new();
                    grid.copies += 1;
                    grid.verifier.vote(cell, key(u32::MAX), A, false, &mut out);
                    grid.heed(out);
                }
            }
        }
    }
    let wrong = (0..cells).filter(|&c| grid.verifier.accepted_class(CellId(c)) != Some(A)).count();
    Outcome {
        wrong: wrong as f64 / f64::from(cells),
        copies: grid.copies as f64 / f64::from(cells),
    }
}

fn check(liars: u32, liar: Liar, most_copies: f64) {
    let outcome = run(Policy::with_max_error(0.001), 100, 200, liars, liar, 1);
    // 20,000 gridlets: three standard deviations above 0.001.
    assert!(outcome.wrong <= 0.001_7, "{liar:?}: {} wrong", outcome.wrong);
    assert!(outcome.copies <= most_copies, "{liar:?}: {} copies", outcome.copies);
}

#[test]
fn of_ten_percent_colluders_hardly_a_lie_is_accepted_for_one_and_a_half_copies() {
    for liar in [Liar::Always, Liar::Share(0.05), Liar::After(150), Liar::OnOff(10, 5)] {
        check(10, liar, 1.5);
    }
}

#[test]
fn of_thirty_five_percent_colluders_hardly_a_lie_is_accepted_for_three_copies() {
    for liar in [Liar::Always, Liar::Share(0.05), Liar::After(150), Liar::OnOff(10, 5)] {
        check(35, liar, 3.0);
    }
}

#[test]
fn where_nobody_lies_the_checks_of_newcomers_are_all_that_it_costs() {
    let outcome = run(Policy::with_max_error(0.01), 50, 200, 0, Liar::Always, 1);
    assert!(outcome.wrong == 0.0 && outcome.copies <= 1.25, "{}", outcome.copies);
}
