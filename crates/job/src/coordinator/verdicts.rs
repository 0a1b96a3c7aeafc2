//! What follows from verdicts: cells accepted or open again, samples asked for, leases that have nothing left to do.

use outlast_types::{Attempt, CellId, GridletId, NodeId};
use outlast_verify::Verdict;

use super::{Context, Coordinator, Fault, MAX_WRONG, Phase, Wrong};
use crate::effect::SampleOutcome;
use crate::wire::ToWorker;
use crate::{Effect, Record};

impl Coordinator {
    /// Draws the consequences of verdicts. Without a context (replay) only the books are kept.
    pub(super) fn absorb(&mut self, mut cx: Option<&mut Context<'_>>, verdicts: Vec<Verdict>) {
        let mut rest: std::collections::VecDeque<Verdict> = verdicts.into();
        while let Some(verdict) = rest.pop_front() {
            if let Some(told) = &mut self.told {
                told.push(verdict);
            }
            match &verdict {
                Verdict::Accepted { cell, class, .. } => {
                    for gridlet in self.layout.all_of(*cell) {
                        self.remaining[gridlet.index()] -= 1;
                    }
                    let base = self.layout.base_of(*cell);
                    self.gridlets_done += u32::from(self.remaining[base.index()] == 0);
                    self.samples.remove(cell);
                    if let Some(cx) = cx.as_deref_mut() {
                        let job = self.spec.id;
                        cx.out.push(Effect::Accepted { job, cell: *cell, class: *class });
                    }
                }
                Verdict::Right { worker, .. } => {
                    self.workers.entry(*worker).or_default().right += 1;
                }
                Verdict::Wrong { worker, cell, proof, .. } => {
                    self.note_wrong(*worker, *cell, Fault::Wrong(*proof));
                }
                Verdict::SampleWanted { cell, seed } => {
                    self.samples.insert(*cell, *seed);
                    if let Some(cx) = cx.as_deref_mut() {
                        rest.extend(self.ask_for_sample(cx, *cell, *seed));
                    }
                }
                Verdict::Retracted { cell, .. } => {
                    let base = self.layout.base_of(*cell);
                    self.gridlets_done -= u32::from(self.remaining[base.index()] == 0);
                    for gridlet in self.layout.all_of(*cell) {
                        self.remaining[gridlet.index()] += 1;
                    }
                    self.requeue(base);
                    if let Some(cx) = cx.as_deref_mut() {
                        cx.out.push(Effect::Retracted { job: self.spec.id, cell: *cell });
                    }
                }
                // For the ledger only.
                Verdict::Passed { .. } | Verdict::Together { .. } => {}
                Verdict::Hopeless { cell } => {
                    let gridlet = self.layout.base_of(*cell);
                    self.hopeless.insert(gridlet);
                    self.for_self.insert(gridlet);
                    self.requeue(gridlet);
                }
            }
            if let Some(cx) = cx.as_deref_mut()
                && matches!(
                    verdict,
                    Verdict::Right { .. }
                        | Verdict::Wrong { .. }
                        | Verdict::Passed { .. }
                        | Verdict::Together { .. }
                )
            {
                cx.evidence.push(verdict);
            }
        }
        self.version += 1;
    }

    pub(super) fn note_wrong(&mut self, worker: NodeId, cell: CellId, fault: Fault) {
        self.workers.entry(worker).or_default().wrong += 1;
        self.counters.wrong += 1;
        let gridlet = self.layout.base_of(cell);
        let room = self.wrong.len() < MAX_WRONG;
        let area = self.spec.manager.grid().atoms_of(cell);
        match self.wrong.get_mut(&(worker, gridlet)) {
            Some(wrong) => {
                wrong.cells += 1;
                wrong.area = wrong.area.hull(&area);
            }
            None if room => {
                self.wrong.insert((worker, gridlet), Wrong { cells: 1, area, fault });
            }
            None => {}
        }
    }

    /// Asks for a sample; what follows at once if there can't be one.
    pub(super) fn ask_for_sample(
        &mut self,
        cx: &mut Context<'_>,
        cell: CellId,
        seed: u64,
    ) -> Vec<Verdict> {
        if let Some(why) = self.is_unlike(cx, self.layout.base_of(cell)) {
            return self.record_sample(cx, cell, SampleOutcome::Unavailable(why));
        }
        if let Some(sample) = self.spec.manager.sample(cell, seed) {
            cx.out.push(Effect::Sample { job: self.spec.id, sample });
            return Vec::new();
        }
        self.record_sample(
            cx,
            cell,
            SampleOutcome::Unavailable("no part of this job is small enough to sample".to_owned()),
        )
    }

    fn record_sample(
        &mut self,
        cx: &mut Context<'_>,
        cell: CellId,
        outcome: SampleOutcome,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.samples.remove(&cell);
        match outcome {
            SampleOutcome::Compared { right, wrong } => {
                self.verifier.sampled(cell, &right, &wrong, &mut verdicts);
                self.journal(cx, Record::Sampled { cell, right, wrong });
            }
            SampleOutcome::Unavailable(why) => {
                self.sample_trouble = Some(why);
                self.verifier.sample_failed(cell, &mut verdicts);
                self.journal(cx, Record::SampleFailed { cell });
            }
        }
        verdicts
    }

    /// A sample came back.
    pub(crate) fn on_sampled(
        &mut self,
        cx: &mut Context<'_>,
        cell: CellId,
        outcome: SampleOutcome,
    ) {
        if self.phase != Phase::Running || !self.samples.contains_key(&cell) {
            return;
        }
        let verdicts = self.record_sample(cx, cell, outcome);
        self.absorb(Some(cx), verdicts);
        self.settle(cx, self.layout.base_of(cell));
    }

    /// After anything was decided in a gridlet: ends leases that have nothing left to do, requeues, goes on.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>, gridlet: GridletId) {
        let touching = self.layout.touching(self.spec.manager.grid(), gridlet);
        let idle: Vec<Attempt> = touching
            .iter()
            .filter_map(|gridlet| self.by_gridlet.get(gridlet))
            .flatten()
            .copied()
            .filter(|attempt| {
                let lease = &self.leases[attempt];
                !lease.quiz && lease.open.iter().all(|&cell| self.verifier.is_accepted(cell))
            })
            .collect();
        for attempt in idle {
            let worker = self.leases[&attempt].worker;
            self.end_lease(cx, attempt);
            self.send(cx, worker, ToWorker::Revoke { attempts: vec![attempt] });
        }
        self.requeue(gridlet);
        self.finish_if_complete(cx);
        if self.phase == Phase::Running {
            self.assign(cx);
        }
    }
}
