//! What workers say to the coordinator: leases taken, refused, renewed, answered, given back.

use outlast_gridlet::{CellOutput, Content};
use outlast_types::{Attempt, CellId, Hash, NodeId, Time};

use super::{Arrival, Context, Coordinator, End, Fault, MAX_FETCH_FAILURES, Phase};
use crate::effect::Examined;
use crate::wire::{Failure, Refusal, ToCoordinator, ToWorker};
use crate::{Effect, Record};

/// A node that failed so often and answered nothing has something wrong with it, and gets no more of this job.
const FAILURES_OF_A_BROKEN_NODE: u64 = 3;

impl Coordinator {
    /// A worker speaks.
    pub(crate) fn on_message(
        &mut self,
        cx: &mut Context<'_>,
        from: NodeId,
        message: ToCoordinator,
    ) {
        if self.phase != Phase::Running {
            self.send(cx, from, ToWorker::Ended);
            return;
        }
        match message {
            ToCoordinator::Accepted { attempt } => {
                if self.hear(cx, from, attempt)
                    && let Some(lease) = self.leases.get_mut(&attempt)
                {
                    lease.accepted = true;
                }
            }
            ToCoordinator::Refused { attempt, refusal } => {
                if self.hear(cx, from, attempt) {
                    self.on_refused(cx, from, attempt, refusal);
                }
            }
            ToCoordinator::Cells { attempt, outputs } => self.on_cells(cx, from, attempt, outputs),
            ToCoordinator::Alive { attempts } => {
                // One answer, however long the list is.
                let over: Vec<Attempt> = attempts
                    .into_iter()
                    .filter(|&attempt| !self.renew(cx.now, from, attempt))
                    .collect();
                let answer = match over.is_empty() {
                    true => ToWorker::Heard,
                    false => ToWorker::Revoke { attempts: over },
                };
                self.send(cx, from, answer);
            }
            ToCoordinator::Staging { attempt, staging } => {
                if self.hear(cx, from, attempt)
                    && let Some(lease) = self.leases.get_mut(&attempt)
                {
                    lease.staging = Some((staging, cx.now));
                    self.version += 1;
                }
            }
            ToCoordinator::Failed { attempt, failure } => {
                if self.hear(cx, from, attempt) {
                    self.on_failed(cx, from, attempt, failure);
                    self.send(cx, from, ToWorker::Revoke { attempts: vec![attempt] });
                }
            }
        }
    }

    /// Renews a lease. If `from` doesn't hold it, tells it so.
    fn hear(&mut self, cx: &mut Context<'_>, from: NodeId, attempt: Attempt) -> bool {
        let held = self.renew(cx.now, from, attempt);
        if !held {
            self.send(cx, from, ToWorker::Revoke { attempts: vec![attempt] });
        }
        held
    }

    fn renew(&mut self, now: Time, from: NodeId, attempt: Attempt) -> bool {
        let held = self.leases.get_mut(&attempt).filter(|lease| lease.worker == from);
        let Some(lease) = held else { return false };
        lease.heard = now;
        // Whatever it says about a lease, it knows of it.
        lease.accepted = true;
        true
    }

    fn on_refused(&mut self, cx: &mut Context<'_>, from: NodeId, attempt: Attempt, why: Refusal) {
        self.counters.refused += 1;
        if let (true, Refusal::BadRecipe(why)) = (from == cx.me, &why) {
            self.end(cx, End::Failed(format!("this node itself can't run it: {why}")));
            return;
        }
        let worker = self.workers.entry(from).or_default();
        match why {
            Refusal::Busy => worker.not_before = cx.now + cx.settings.busy_backoff,
            Refusal::Leaving => worker.not_before = cx.now + cx.settings.failure_backoff,
            Refusal::BadRecipe(_) => worker.barred = true,
            // Rights and room may come, but not at once.
            Refusal::Forbidden(_) => worker.not_before = cx.now + cx.settings.failure_backoff,
            Refusal::Quota(_) => worker.not_before = cx.now + 4 * cx.settings.busy_backoff,
        }
        self.end_lease(cx, attempt);
        self.assign(cx);
    }

    fn on_cells(
        &mut self,
        cx: &mut Context<'_>,
        from: NodeId,
        attempt: Attempt,
        outputs: Vec<CellOutput>,
    ) {
        let held = self.leases.get(&attempt).is_some_and(|lease| lease.worker == from);
        if !held {
            let count = outputs.len() as u64;
            if self.completed.contains(&attempt) {
                self.counters.duplicates += count;
            } else {
                self.counters.late += count;
            }
            self.send(cx, from, ToWorker::Revoke { attempts: vec![attempt] });
            return;
        }
        self.hear(cx, from, attempt);
        let mut again = Vec::new();
        let mut fresh = Vec::new();
        let mut blobs: Vec<(Hash, u64)> = Vec::new();
        let Some(lease) = self.leases.get_mut(&attempt) else { return };
        lease.staging = None;
        let limit = lease.file_limit;
        let mut invalid = None;
        for output in outputs {
            let cell = output.cell;
            if lease.open.contains(&cell) {
                if lease.arriving.contains(&cell)
                    || fresh.iter().any(|o: &CellOutput| o.cell == cell)
                {
                    continue;
                }
                if let Err(error) = output.validate(limit) {
                    invalid = Some((cell, error.to_string()));
                    break;
                }
                blobs.extend(output.files.iter().filter_map(|file| match file.content {
                    Content::Blob { hash, length } => Some((hash, length)),
                    Content::Inline(_) => None,
                }));
                fresh.push(output);
            } else if lease.cells.binary_search(&cell).is_ok() {
                again.push(cell);
            } else {
                invalid = Some((
                    lease.cells[0],
                    format!("an answer for cell {cell}, which is not in its lease"),
                ));
                break;
            }
        }
        if let Some((cell, why)) = invalid {
            self.bar(cx, from, cell, why);
            return;
        }
        if !again.is_empty() {
            self.counters.duplicates += again.len() as u64;
            self.send(cx, from, ToWorker::Ack { attempt, cells: again });
        }
        if fresh.is_empty() {
            return;
        }
        if let Some(lease) = self.leases.get_mut(&attempt) {
            lease.arriving.extend(fresh.iter().map(|output| output.cell));
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if blobs.is_empty() {
            let outputs = without_files(&fresh);
            self.arrivals.insert(ticket, Arrival { attempt, outputs });
            cx.out.push(Effect::Examine { job: self.spec.id, ticket, outputs: fresh });
        } else {
            self.arrivals.insert(ticket, Arrival { attempt, outputs: fresh });
            cx.out.push(Effect::Fetch { job: self.spec.id, ticket, from, blobs });
        }
    }

    /// The blobs of answers arrived, or didn't.
    pub(crate) fn on_fetched(
        &mut self,
        cx: &mut Context<'_>,
        ticket: u64,
        result: Result<(), String>,
    ) {
        let Some(arrival) = self.arrivals.get_mut(&ticket) else { return };
        if result.is_ok() {
            let outputs = std::mem::take(&mut arrival.outputs);
            arrival.outputs = without_files(&outputs);
            cx.out.push(Effect::Examine { job: self.spec.id, ticket, outputs });
            return;
        }
        // The worker will offer them again; a lease that never gets them through is worth nothing.
        let attempt = arrival.attempt;
        self.forget_arrival(ticket);
        let Some(lease) = self.leases.get_mut(&attempt) else { return };
        lease.fetch_failures += 1;
        if lease.fetch_failures >= MAX_FETCH_FAILURES {
            let from = lease.worker;
            self.workers.entry(from).or_default().not_before = cx.now + cx.settings.failure_backoff;
            self.end_lease(cx, attempt);
            self.send(cx, from, ToWorker::Revoke { attempts: vec![attempt] });
            self.assign(cx);
        }
    }

    fn forget_arrival(&mut self, ticket: u64) {
        let Some(arrival) = self.arrivals.remove(&ticket) else { return };
        if let Some(lease) = self.leases.get_mut(&arrival.attempt) {
            for output in &arrival.outputs {
                lease.arriving.remove(&output.cell);
            }
        }
    }

    /// Answers were looked at.
    pub(crate) fn on_examined(
        &mut self,
        cx: &mut Context<'_>,
        ticket: u64,
        results: Vec<(CellOutput, Examined)>,
    ) {
        let Some(attempt) = self.arrivals.get(&ticket).map(|arrival| arrival.attempt) else {
            return;
        };
        self.forget_arrival(ticket);
        let mut lease = self.leases.get_mut(&attempt);
        if lease.is_none() {
            self.counters.late += results.len() as u64;
        }
        let mut votes = Vec::new();
        let mut invalid = None;
        let mut undecided = None;
        for (output, examined) in results {
            let cell = output.cell;
            match examined {
                Examined::Class { class, new, refuted } => {
                    // Kept also if the vote comes too late: the examiner has numbered the class,
                    // and later answers may be of it.
                    if new {
                        cx.out.push(Effect::Store { job: self.spec.id, class, output });
                    }
                    if lease.as_mut().is_some_and(|lease| lease.open.remove(&cell)) {
                        votes.push((cell, class, refuted));
                    }
                }
                Examined::Invalid(why) => invalid = Some((cell, why)),
                // Not the worker's fault: it offers the answer again.
                Examined::Unreadable(_) => {}
                Examined::Undecided(why) => undecided = Some(why),
            }
        }
        let Some(lease) = lease else { return };
        let (gridlet, worker, done) = (lease.gridlet, lease.worker, lease.open.is_empty());
        if done {
            let cost = self.layout.gridlet(gridlet).cost;
            self.pace.leases += 1;
            self.pace.cost += cost;
            self.pace.seconds += cx.now.since(lease.granted).as_secs_f64();
        }
        if !votes.is_empty() {
            let cells = votes.iter().map(|vote| vote.0).collect();
            self.believe(cx, worker);
            self.journal(cx, Record::Votes { attempt, votes: votes.clone() });
            self.send(cx, worker, ToWorker::Ack { attempt, cells });
            self.cast(Some(cx), worker, &votes);
        }
        if done {
            self.drop_lease(attempt);
        }
        match (invalid, undecided) {
            (Some((cell, why)), _) => self.bar(cx, worker, cell, why),
            (None, Some(why)) => self.on_undecided(cx, attempt, &why),
            (None, None) => {}
        }
        if self.phase == Phase::Running {
            self.settle(cx, gridlet);
        }
    }

    /// Hands votes to the verifier and draws the consequences.
    pub(super) fn cast(
        &mut self,
        cx: Option<&mut Context<'_>>,
        worker: NodeId,
        votes: &[(CellId, outlast_verify::Class, bool)],
    ) {
        let mut verdicts = Vec::new();
        for &(cell, class, refuted) in votes {
            self.verifier.vote(cell, worker, class, refuted, &mut verdicts);
            self.verifier.release(cell, worker);
        }
        self.workers.entry(worker).or_default().answers += votes.len() as u64;
        self.absorb(cx, verdicts);
    }

    /// A worker sent something that can't be a result. It gets no more of this job.
    fn bar(&mut self, cx: &mut Context<'_>, worker: NodeId, cell: CellId, why: String) {
        self.counters.invalid += 1;
        if worker == cx.me {
            self.end(cx, End::Failed(format!("this node's own result is unusable: {why}")));
            return;
        }
        let gridlet = self.layout.base_of(cell);
        self.journal(cx, Record::Barred { worker, gridlet, cell, why: why.clone() });
        self.note_barred(worker, cell, why);
        cx.evidence.push(outlast_verify::Verdict::Wrong {
            worker,
            cell,
            proof: outlast_verify::Proof::Outvoted,
        });
        let attempts = self.leases_of(worker);
        for &attempt in &attempts {
            self.end_lease(cx, attempt);
        }
        self.send(cx, worker, ToWorker::Revoke { attempts });
        self.assign(cx);
    }

    pub(super) fn note_barred(&mut self, worker: NodeId, cell: CellId, why: String) {
        self.workers.entry(worker).or_default().barred = true;
        self.note_wrong(worker, cell, Fault::Invalid(why));
    }

    fn on_failed(&mut self, cx: &mut Context<'_>, from: NodeId, attempt: Attempt, why: Failure) {
        let Some(gridlet) = self.leases.get(&attempt).map(|lease| lease.gridlet) else { return };
        let worker = self.workers.entry(from).or_default();
        let mut fault = None;
        match why {
            Failure::MissingProgram(_) => worker.missing_program = true,
            Failure::Staging(_) | Failure::DiskFull => {
                worker.failures += 1;
                worker.not_before = cx.now + cx.settings.failure_backoff;
            }
            Failure::Leaving => worker.not_before = cx.now + cx.settings.failure_backoff,
            Failure::Program { exit, tail } => {
                worker.failures += 1;
                fault =
                    Some(format!("the program ended with exit code {exit}: {}", tail.trim_end()));
            }
            Failure::Result(why) | Failure::Limit(why) => {
                worker.failures += 1;
                fault = Some(why);
            }
        }
        if fault.is_some() && from != cx.me {
            // A node on which the program always fails, whatever it says, only holds the job up.
            worker.broken = worker.answers == 0 && worker.failures >= FAILURES_OF_A_BROKEN_NODE;
        }
        if let Some(fault) = fault {
            self.failures.entry(gridlet).or_default().insert(from, fault.clone());
            self.judge_failures(cx, gridlet, from, &fault);
            if self.phase != Phase::Running {
                return;
            }
        }
        self.end_lease(cx, attempt);
        self.assign(cx);
    }

    /// Workers may fail, or say so: this node's own failure, or that of several where it can't try
    /// itself, means that the program is at fault.
    fn judge_failures(
        &mut self,
        cx: &mut Context<'_>,
        gridlet: outlast_types::GridletId,
        from: NodeId,
        fault: &str,
    ) {
        let failed = self.failures.get(&gridlet).map_or(0, |f| f.len() as u32);
        if from == cx.me {
            self.end(cx, End::Failed(fault.to_owned()));
        } else if self.can_run_here(cx) && self.is_alike(gridlet, cx.offer) {
            // One claim is enough to look for ourselves.
            self.for_self.insert(gridlet);
        } else if failed >= cx.settings.failures_to_give_up {
            let why = format!("{fault}\n(the same gridlet failed on {failed} nodes)");
            self.end(cx, End::Failed(why));
        }
    }
}

/// What an arrival remembers while its answers are looked at: the cells are needed again, their content isn't.
fn without_files(outputs: &[CellOutput]) -> Vec<CellOutput> {
    outputs.iter().map(|o| CellOutput { cell: o.cell, exit: o.exit, files: Vec::new() }).collect()
}
