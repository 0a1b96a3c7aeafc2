//! Schemes of others, from their public descriptions, to compare with.
//!
//! - **Fixed majority voting**: so many answers to each gridlet, at once; what more than half of them say is
//!   accepted, and further answers are asked for while nothing is.
//! - **BOINC's adaptive replication** (BOINC wiki, "AdaptiveReplication"): CV(H) counts the valid results of a
//!   host in a row, of replicated jobs only; a host with CV < 10 isn't trusted, another one is with probability
//!   1 - 1/CV. Who is trusted is preferably sent unreplicated jobs, whose result is accepted as it is; others are
//!   preferably sent replicated ones, and an unreplicated one that they get is replicated: two have to agree.
//! - **Spot-checking** (Sarmenta 2002, section 4): one answer to each gridlet is accepted as it is. A share of
//!   the leases are spot checks, work whose result is known. Who is caught loses all his results, which are
//!   computed again ("backtracking"), and is blacklisted or not.
//!
//! They know whole gridlets. None of this is used in the grid.

use outlast_types::{CellId, NodeId};
use outlast_verify::{Basis, Class, How, Proof, Verdict};

use crate::dice::owner;
use crate::engine::{Engine, Quiz, Who};
use crate::layout::Layout;
use crate::scenario::Scheme;

/// BOINC's quorum for a replicated job.
const QUORUM: u8 = 2;

/// An answer or a lease.
#[derive(Clone, Copy, Debug)]
struct Part {
    who: Who,
    class: Option<Class>,
}

/// One gridlet.
#[derive(Clone, Debug, Default)]
struct Slot {
    parts: Vec<Part>,
    /// Answers that have to agree, once it is known.
    quorum: u8,
    accepted: Option<Class>,
}

/// What a scheme remembers of a worker under its present identity.
#[derive(Clone, Debug, Default)]
struct Record {
    /// Valid results in a row.
    valid: u32,
    /// Of this job, where they can be taken back: whose answers stand.
    accepted: Vec<u32>,
}

/// Somebody else's scheme.
pub(crate) struct Others {
    scheme: Scheme,
    slots: Vec<Slot>,
    records: Vec<Record>,
    decided: u32,
}

impl Others {
    pub(crate) fn new(scheme: Scheme, participants: u32) -> Self {
        let records = vec![Record::default(); participants as usize];
        Self { scheme, slots: Vec::new(), records, decided: 0 }
    }

    fn quorum(&self) -> u8 {
        match self.scheme {
            Scheme::Fixed { replication } => replication / 2 + 1,
            Scheme::Boinc { .. } | Scheme::Outlast(_) => QUORUM,
            Scheme::SpotCheck { .. } => 1,
        }
    }

    fn trusts(&self, who: Who, trusted_after: u32, chance: f64) -> bool {
        let valid = self.records[who.number as usize].valid;
        valid >= trusted_after.max(1) && chance < 1.0 - 1.0 / f64::from(valid)
    }

    fn settle(&mut self, point: u32, out: &mut Vec<Verdict>) {
        let slot = &mut self.slots[point as usize];
        let answers = || slot.parts.iter().filter_map(|part| part.class);
        let votes = |class: Class| answers().filter(|&other| other == class).count();
        let given = answers().count();
        let wanted = match self.scheme {
            Scheme::Fixed { replication } if given < usize::from(replication) => return,
            Scheme::Fixed { .. } => given / 2 + 1,
            _ => usize::from(slot.quorum),
        };
        let Some(class) = answers().find(|&class| votes(class) >= wanted) else { return };
        self.decided += 1;
        slot.accepted = Some(class);
        let cell = CellId(point);
        out.push(Verdict::Accepted { cell, class, how: How::Quorum(wanted.min(255) as u8) });
        let replicated = given > 1;
        for part in slot.parts.iter().filter(|part| part.class.is_some()) {
            let record = &mut self.records[part.who.number as usize];
            let worker = part.who.id;
            if part.class == Some(class) {
                out.push(Verdict::Right { worker, cell, basis: Basis::Agreed });
                record.valid += u32::from(replicated);
                if matches!(self.scheme, Scheme::SpotCheck { .. }) {
                    record.accepted.push(point);
                }
            } else {
                out.push(Verdict::Wrong { worker, cell, proof: Proof::Outvoted });
                record.valid = 0;
            }
        }
        slot.parts.retain(|part| part.class.is_none());
    }
}

impl Engine for Others {
    fn start(&mut self, layout: &Layout, _seed: u64) {
        self.slots.clear();
        self.slots.resize_with(layout.points() as usize, Slot::default);
        self.records.iter_mut().for_each(|record| record.accepted.clear());
        self.decided = 0;
    }

    fn demand(&self, point: u32) -> u8 {
        let slot = &self.slots[point as usize];
        if slot.accepted.is_some() {
            return 0;
        }
        let parts = slot.parts.len() as u8;
        let leases = slot.parts.iter().filter(|part| part.class.is_none()).count() as u8;
        match self.scheme {
            Scheme::Fixed { replication } if parts < replication => replication - parts,
            // They disagree: one more, and so on.
            Scheme::Fixed { .. } => u8::from(leases == 0),
            _ if parts == 0 => 1,
            _ => {
                let votes =
                    |class| slot.parts.iter().filter(|part| part.class == Some(class)).count();
                let best = slot.parts.iter().filter_map(|p| p.class).map(votes).max().unwrap_or(0);
                slot.quorum.saturating_sub(best as u8).saturating_sub(leases)
            }
        }
    }

    fn count(&self, point: u32) -> u8 {
        self.slots[point as usize].parts.len() as u8
    }

    fn may_answer(&self, point: u32, who: Who) -> bool {
        let slot = &self.slots[point as usize];
        slot.accepted.is_none() && slot.parts.iter().all(|part| part.who.number != who.number)
    }

    fn prefers_shared(&mut self, who: Who, chance: f64) -> bool {
        match self.scheme {
            Scheme::Boinc { trusted_after } => !self.trusts(who, trusted_after, chance),
            _ => true,
        }
    }

    fn quiz(&mut self, _who: Who, chance: f64, pick: u64) -> Option<Quiz> {
        match self.scheme {
            // Known answers are bought from outside: which gridlet it is doesn't matter.
            Scheme::SpotCheck { rate, .. } if chance < rate && !self.slots.is_empty() => {
                Some((pick % self.slots.len() as u64) as u32)
            }
            _ => None,
        }
    }

    fn assign(&mut self, point: u32, who: Who, chance: f64) {
        let quorum = match self.scheme {
            Scheme::Boinc { trusted_after } if self.trusts(who, trusted_after, chance) => 1,
            _ => self.quorum(),
        };
        let slot = &mut self.slots[point as usize];
        if slot.accepted.is_none() {
            // Once replicated, it stays so.
            slot.quorum = slot.quorum.max(quorum);
            slot.parts.push(Part { who, class: None });
        }
    }

    fn release(&mut self, point: u32, who: Who, _out: &mut Vec<Verdict>) {
        let slot = &mut self.slots[point as usize];
        slot.parts.retain(|part| part.class.is_some() || part.who.id != who.id);
    }

    fn answer(
        &mut self,
        point: u32,
        who: Who,
        class: Class,
        _refuted: bool,
        out: &mut Vec<Verdict>,
    ) {
        let slot = &mut self.slots[point as usize];
        let own = slot.parts.iter_mut().find(|part| part.who.id == who.id && part.class.is_none());
        let Some(part) = own else { return };
        part.class = Some(class);
        if slot.accepted.is_none() {
            self.settle(point, out);
        }
    }

    fn answer_quiz(&mut self, point: u32, who: Who, class: Class, out: &mut Vec<Verdict>) {
        if class != Class(0) {
            let (worker, cell) = (who.id, CellId(point));
            out.push(Verdict::Wrong { worker, cell, proof: Proof::Trusted });
        }
    }

    fn classes(&self, _point: u32) -> Vec<Class> {
        Vec::new()
    }

    fn sampled(
        &mut self,
        _point: u32,
        _right: &[Class],
        _wrong: &[Class],
        _out: &mut Vec<Verdict>,
    ) {
    }

    fn own_answer(&mut self, point: u32, out: &mut Vec<Verdict>) {
        let slot = &mut self.slots[point as usize];
        if slot.accepted.is_none() {
            let class = Class(0);
            slot.accepted = Some(class);
            self.decided += 1;
            out.push(Verdict::Accepted { cell: CellId(point), class, how: How::Trusted });
        }
    }

    fn learn(&mut self, verdicts: &[Verdict], _out: &mut Vec<Verdict>) -> Vec<NodeId> {
        let caught = verdicts.iter().filter_map(|verdict| match *verdict {
            Verdict::Wrong { worker, proof: Proof::Trusted, .. } => Some(worker),
            _ => None,
        });
        let caught: Vec<NodeId> = caught.collect();
        for id in &caught {
            // Backtracking: what he said is as if never said.
            let (number, _) = owner(id);
            for point in std::mem::take(&mut self.records[number as usize].accepted) {
                let slot = &mut self.slots[point as usize];
                slot.accepted = None;
                slot.parts.retain(|part| part.class.is_none());
                self.decided -= 1;
            }
        }
        match self.scheme {
            Scheme::SpotCheck { blacklist: true, .. } => caught,
            _ => Vec::new(),
        }
    }

    fn strike(&mut self, id: NodeId, _out: &mut Vec<Verdict>) {
        for slot in &mut self.slots {
            slot.parts.retain(|part| part.who.id != id);
        }
    }

    fn load(&mut self, _free: u32, _waiting: u32) {}

    fn accepted(&self, point: u32) -> Option<Class> {
        self.slots[point as usize].accepted
    }

    fn is_complete(&self) -> bool {
        self.decided == self.slots.len() as u32
    }
}
