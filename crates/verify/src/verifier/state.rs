//! What is kept for each cell, group and worker.
//!
//! ```text
//!  Fresh ──assign, vote──▶ Open(slot) ──quorum, trusted──▶ Accepted { late: Some(slot) }
//!    ▲                       │                                 │ last lease answered or ended
//!    └──last lease released──┘                                 ▼
//!        without any answer                              Accepted { late: None }
//! ```
//!
//! A job may have millions of cells, of which few are in the air at a time. So a cell is 12 bytes
//! and a number in its group's list (4 bytes); votes lie in a slot that is used again when the
//! cell is decided and nobody holds a lease for it any more.

use std::num::NonZeroU32;

use super::Class;

/// A worker, interned: its number in [`super::Verifier::workers`].
pub(super) type Worker = u32;

/// The submitter is the first worker interned.
pub(super) const TRUSTED: Worker = 0;

/// Free slots that keep their buffers, so that a steady job doesn't allocate. Beyond that memory
/// goes back: a burst (all cells of a large job leased at once) shouldn't cost for ever.
const WARM_SLOTS: usize = 4096;

/// Votes that lie somewhere else. Never zero, so that an optional one costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(NonZeroU32);

impl Slot {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// How far a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No votes and no leases.
    Fresh,
    /// Undecided.
    Open(Slot),
    /// Decided; `late` lists who still computes it.
    Accepted { class: Class, by_trusted: bool, late: Option<Slot> },
}

/// One cell of the job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) group: u32,
    pub(super) state: State,
}

/// Where the sampling of a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Some cells have no vote yet: to choose now would tell a worker where it may lie.
    Gathering,
    /// So many samples are being computed; the votes wait for them.
    Sampling(u8),
    /// Nothing to wait for.
    Done,
}

/// The cells of one gridlet: a range of `Verifier::members`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) start: u32,
    pub(super) len: u32,
    /// Cells that hold up the choice of samples: undecided, not given up, without a counted vote.
    /// Kept only while gathering.
    pub(super) unvoted: u32,
    pub(super) stage: Stage,
}

/// What one worker has to do with one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Holds a lease and has not answered.
    Leased,
    /// Its vote counts.
    Counted(Class),
    /// Its vote does not count any more.
    Void(Class),
    /// As void, and it was already reported wrong.
    Condemned(Class),
}

/// A worker and its part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) worker: Worker,
    pub(super) part: Part,
}

/// One class of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) class: Class,
    /// Votes that count.
    pub(super) votes: u16,
    /// A sample contradicts it.
    pub(super) refuted: bool,
}

/// The votes and leases of one cell.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) cell: u32,
    /// Counted votes of all classes.
    pub(super) votes: u16,
    pub(super) sample_pending: bool,
    pub(super) hopeless: bool,
    pub(super) entries: Vec<Entry>,
    pub(super) tallies: Vec<Tally>,
    in_use: bool,
}

/// The votes of a cell, added up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// The class with the most counted votes that no sample refuted, and its votes.
    pub(super) best: Option<Class>,
    pub(super) votes: u16,
    /// Another class has as many.
    pub(super) tied: bool,
    /// Answers given, also those that don't count any more.
    pub(super) given: usize,
    pub(super) outstanding: usize,
    pub(super) trusted_outstanding: bool,
}

impl Open {
    pub(super) fn count(&self) -> Count {
        let mut count = Count::default();
        for tally in self.tallies.iter().filter(|tally| !tally.refuted && tally.votes > 0) {
            if tally.votes > count.votes {
                (count.best, count.votes, count.tied) = (Some(tally.class), tally.votes, false);
            } else if tally.votes == count.votes {
                count.tied = true;
            }
        }
        for entry in &self.entries {
            if entry.part == Part::Leased {
                count.outstanding += 1;
                count.trusted_outstanding |= entry.worker == TRUSTED;
            }
        }
        count.given = self.entries.len() - count.outstanding;
        count
    }

    /// Whether it holds up its group's samples.
    pub(super) fn lacks_vote(&self) -> bool {
        self.votes == 0 && !self.hopeless
    }

    pub(super) fn position(&self, worker: Worker) -> Option<usize> {
        self.entries.iter().position(|entry| entry.worker == worker)
    }

    pub(super) fn part(&self, worker: Worker) -> Option<Part> {
        self.position(worker).map(|at| self.entries[at].part)
    }

    pub(super) fn set_part(&mut self, worker: Worker, part: Part) {
        match self.position(worker) {
            Some(at) => self.entries[at].part = part,
            None => self.entries.push(Entry { worker, part }),
        }
    }

    pub(super) fn tally(&mut self, class: Class) -> &mut Tally {
        let at = self.tallies.iter().position(|tally| tally.class == class).unwrap_or_else(|| {
            self.tallies.push(Tally { class, votes: 0, refuted: false });
            self.tallies.len() - 1
        });
        &mut self.tallies[at]
    }

    pub(super) fn is_refuted(&self, class: Class) -> bool {
        self.tallies.iter().any(|tally| tally.class == class && tally.refuted)
    }

    /// Votes ever given for `class`.
    pub(super) fn given_for(&self, class: Class) -> usize {
        let of_class = |entry: &&Entry| matches!(entry.part, Part::Counted(c) | Part::Void(c) | Part::Condemned(c) if c == class);
        self.entries.iter().filter(of_class).count()
    }

    /// Forgets the worker's lease. Whether it had one.
    pub(super) fn end_lease(&mut self, worker: Worker) -> bool {
        match self.position(worker) {
            Some(at) if self.entries[at].part == Part::Leased => {
                self.entries.remove(at);
                true
            }
            _ => false,
        }
    }

    /// Voids the worker's vote and forgets its lease. Whether anything changed.
    pub(super) fn void(&mut self, worker: Worker) -> bool {
        let Some(at) = self.position(worker) else { return false };
        match self.entries[at].part {
            Part::Leased => {
                self.entries.remove(at);
            }
            Part::Counted(class) => {
                self.entries[at].part = Part::Void(class);
                self.uncount(class);
            }
            Part::Void(_) | Part::Condemned(_) => return false,
        }
        true
    }

    /// Takes one counted vote back.
    pub(super) fn uncount(&mut self, class: Class) {
        self.votes -= 1;
        self.tally(class).votes -= 1;
    }

    /// Nothing to remember: as good as untouched.
    pub(super) fn is_blank(&self) -> bool {
        self.entries.is_empty() && self.tallies.is_empty() && !self.sample_pending && !self.hopeless
    }
}

/// Slots of votes, used again.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Open>,
    free: Vec<Slot>,
}

impl Slots {
    pub(super) fn take(&mut self, cell: u32) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Open::default());
            // A slot for each cell at most, and their number fits u32 (JOB_CELLS).
            Slot(NonZeroU32::new(self.slots.len() as u32).expect("just pushed"))
        });
        let open = self.get_mut(slot);
        open.cell = cell;
        open.in_use = true;
        slot
    }

    pub(super) fn free(&mut self, slot: Slot) {
        let warm = self.free.len() < WARM_SLOTS;
        let open = self.get_mut(slot);
        let (mut entries, mut tallies) =
            (std::mem::take(&mut open.entries), std::mem::take(&mut open.tallies));
        *open = Open::default();
        if warm {
            entries.clear();
            tallies.clear();
            (open.entries, open.tallies) = (entries, tallies);
        }
        self.free.push(slot);
    }

    pub(super) fn get(&self, slot: Slot) -> &Open {
        &self.slots[slot.index()]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Open {
        &mut self.slots[slot.index()]
    }

    /// The cells in use, in no order that means anything (but always the same one).
    pub(super) fn cells(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().filter(|open| open.in_use).map(|open| open.cell)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}
