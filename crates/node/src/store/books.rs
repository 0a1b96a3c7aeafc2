//! What is in the store, who needs it, and what goes when room is needed.
//!
//! ```text
//!            pin                      release
//!  unpinned ─────▶ pinned (by holders) ─────▶ unpinned ──room needed, least recently used first──▶ gone
//! ```
//!
//! The limit is for what may be had again, so answers aren't counted: they go when their job needs them no more.
//!
//! Invariants: `total_bytes` is the sum over all entries; an entry with a holder is never chosen to go;
//! room that was reserved stays reserved until its [`Books::settle`].
//!
//! It does no I/O: who asks for room removes the files that it is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outlast_job::JobKey;
use outlast_types::{Hash, JobId};

/// Who needs a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A job submitted here, for its inputs.
    Submitted(JobId),
    /// A job that this node works for, for its inputs.
    Worked(JobKey),
    /// A job submitted here, for its answers. They are no cache, so that no limit applies but the disk's; they go when
    /// the job needs them no more.
    Answers(JobId),
    /// A job that this node works for, for the answers that were found here; otherwise like those.
    Given(JobKey),
    /// Something that goes on now and has no other name yet: see [`Store::passing`](super::Store::passing).
    Passing(u64),
}

impl Holder {
    pub(super) fn is_for_answers(self) -> bool {
        matches!(self, Self::Answers(_) | Self::Given(_))
    }
}

/// Blobs that may be here at a time, whatever their size: each costs this process about 150 bytes.
pub(super) const BLOBS: usize = 200_000;

/// How much of a blob is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    /// A file of the right length, with ranges missing.
    Partial,
}

#[derive(Debug)]
struct Entry {
    length: u64,
    kind: Kind,
    /// When it was last used, as a number that only grows.
    used: u64,
    holders: u32,
    /// It is an answer that a job still needs: not counted.
    answer: bool,
}

/// There is no room, even after everything that nobody needs is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// Bytes that can't go.
    pub(super) pinned: u64,
    /// Bytes allowed.
    pub(super) limit: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Books {
    limit: u64,
    clock: u64,
    entries: HashMap<Hash, Entry>,
    /// Those without holders, by their last use.
    idle: BTreeMap<u64, Hash>,
    holders: BTreeMap<Holder, BTreeSet<Hash>>,
    total_bytes: u64,
    idle_bytes: u64,
    answer_bytes: u64,
    reserved: u64,
}

impl Books {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            clock: 0,
            entries: HashMap::new(),
            idle: BTreeMap::new(),
            holders: BTreeMap::new(),
            total_bytes: 0,
            idle_bytes: 0,
            answer_bytes: 0,
            reserved: 0,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Bytes that may go.
    pub(super) fn idle_bytes(&self) -> u64 {
        self.idle_bytes
    }

    /// Bytes that count and can't go.
    pub(super) fn pinned_bytes(&self) -> u64 {
        self.total_bytes - self.idle_bytes - self.answer_bytes
    }

    pub(super) fn kind(&self, hash: &Hash) -> Option<Kind> {
        self.entries.get(hash).map(|entry| entry.kind)
    }

    pub(super) fn whole(&self) -> impl Iterator<Item = &Hash> {
        self.entries.iter().filter(|(_, e)| e.kind == Kind::Whole).map(|(hash, _)| hash)
    }

    /// Something is there; used just now.
    pub(super) fn add(&mut self, hash: Hash, length: u64, kind: Kind) {
        if let Some(entry) = self.entries.get_mut(&hash) {
            entry.kind = kind;
            self.touch(&hash);
            return;
        }
        self.clock += 1;
        let entry = Entry { length, kind, used: self.clock, holders: 0, answer: false };
        self.entries.insert(hash, entry);
        self.idle.insert(self.clock, hash);
        self.total_bytes += length;
        self.idle_bytes += length;
        // Somebody may have asked for it before it came.
        let early = self.holders.iter().filter(|(_, held)| held.contains(&hash));
        let early: Vec<Holder> = early.map(|(holder, _)| *holder).collect();
        early.into_iter().for_each(|holder| self.hold(&hash, holder));
    }

    fn hold(&mut self, hash: &Hash, holder: Holder) {
        let Some(entry) = self.entries.get_mut(hash) else { return };
        if entry.holders == 0 {
            self.idle.remove(&entry.used);
            self.idle_bytes -= entry.length;
        }
        entry.holders += 1;
        if holder.is_for_answers() && !entry.answer {
            entry.answer = true;
            self.answer_bytes += entry.length;
        }
    }

    /// It was used just now.
    pub(super) fn touch(&mut self, hash: &Hash) {
        let Some(entry) = self.entries.get_mut(hash) else { return };
        self.clock += 1;
        if entry.holders == 0 {
            self.idle.remove(&entry.used);
            self.idle.insert(self.clock, *hash);
        }
        entry.used = self.clock;
    }

    /// It is gone.
    pub(super) fn remove(&mut self, hash: &Hash) {
        let Some(entry) = self.entries.remove(hash) else { return };
        self.total_bytes -= entry.length;
        if entry.holders == 0 {
            self.idle.remove(&entry.used);
            self.idle_bytes -= entry.length;
        } else if entry.answer {
            self.answer_bytes -= entry.length;
        }
    }

    /// `holder` needs this, which may come later.
    pub(super) fn pin(&mut self, hash: Hash, holder: Holder) {
        if self.holders.entry(holder).or_default().insert(hash) {
            self.hold(&hash, holder);
        }
    }

    /// `holder` needs nothing any more. What nobody else needs.
    pub(super) fn release(&mut self, holder: Holder) -> Vec<Hash> {
        let held = self.holders.remove(&holder).unwrap_or_default();
        let mut free = Vec::new();
        for hash in held {
            let Some(entry) = self.entries.get_mut(&hash) else { continue };
            entry.holders -= 1;
            if entry.holders == 0 {
                self.idle.insert(entry.used, hash);
                self.idle_bytes += entry.length;
                if std::mem::take(&mut entry.answer) {
                    self.answer_bytes -= entry.length;
                }
                free.push(hash);
            }
        }
        free
    }

    /// Reserves room for `bytes` that are to come, of which the disk lacks `lacking`. What has to go for it;
    /// nothing goes if all of that isn't enough for the limit.
    pub(super) fn reserve(&mut self, bytes: u64, lacking: u64) -> Result<Vec<Hash>, Full> {
        let pinned = self.pinned_bytes().saturating_add(self.reserved);
        let stays = pinned.saturating_add(bytes);
        if stays > self.limit || self.entries.len() - self.idle.len() >= BLOBS {
            return Err(Full { pinned, limit: self.limit });
        }
        self.reserved += bytes;
        let excess = stays.saturating_add(self.idle_bytes).saturating_sub(self.limit);
        Ok(self.make_room(excess.max(lacking)))
    }

    /// What has to go so that there are `bytes` less, as far as anything may.
    pub(super) fn make_room(&mut self, bytes: u64) -> Vec<Hash> {
        let mut surplus = (self.entries.len() + 1).saturating_sub(BLOBS);
        let (mut freed, mut going) = (0, Vec::new());
        while (freed < bytes || surplus > 0)
            && let Some(hash) = self.idle.first_key_value().map(|(_, hash)| *hash)
        {
            freed += self.entries.get(&hash).map_or(0, |entry| entry.length);
            surplus = surplus.saturating_sub(1);
            self.remove(&hash);
            going.push(hash);
        }
        going
    }

    /// What was reserved has been added, or won't come.
    pub(super) fn settle(&mut self, bytes: u64) {
        self.reserved -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(number: u8) -> Hash {
        Hash::from_bytes([number; 32])
    }

    fn job(number: u64) -> Holder {
        Holder::Submitted(JobId::from_u64(number))
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_needed_stays() {
        let mut books = Books::new(100);
        for number in 0..4 {
            books.add(blob(number), 25, Kind::Whole);
        }
        books.pin(blob(0), job(1));
        books.touch(&blob(1));
        assert_eq!(books.reserve(30, 0).unwrap(), [blob(2), blob(3)]);
        assert_eq!((books.total_bytes(), books.pinned_bytes()), (50, 25));
        let full = books.reserve(50, 0).unwrap_err();
        assert_eq!(full, Full { pinned: 55, limit: 100 });
        assert_eq!(books.total_bytes(), 50, "nothing goes in vain");
        books.settle(30);
        assert_eq!(books.reserve(50, 0).unwrap(), []);
        assert_eq!(books.make_room(1), [blob(1)]);
        assert_eq!(books.make_room(1), []);
    }

    #[test]
    fn answers_are_beyond_the_limit() {
        let answers = Holder::Answers(JobId::from_u64(1));
        let mut books = Books::new(10);
        books.pin(blob(1), answers);
        books.add(blob(1), 1000, Kind::Whole);
        books.pin(blob(1), job(1));
        assert_eq!((books.total_bytes(), books.pinned_bytes()), (1000, 0));
        assert_eq!(books.reserve(10, 0).unwrap(), []);
        books.settle(10);
        books.release(job(1));
        books.release(answers);
        assert_eq!(books.pinned_bytes(), 0);
        assert_eq!(books.reserve(1, 0).unwrap(), [blob(1)]);
    }

    #[test]
    fn a_blob_is_free_when_its_last_holder_lets_go() {
        let mut books = Books::new(100);
        // Before it is there, and after.
        books.pin(blob(1), job(1));
        books.add(blob(1), 10, Kind::Partial);
        books.pin(blob(1), job(2));
        books.pin(blob(1), job(2));
        assert_eq!(books.release(job(1)), []);
        books.add(blob(1), 10, Kind::Whole);
        assert_eq!(books.kind(&blob(1)), Some(Kind::Whole));
        assert_eq!(books.pinned_bytes(), 10);
        assert_eq!(books.release(job(2)), [blob(1)]);
        assert_eq!(books.release(job(2)), []);
        assert_eq!((books.pinned_bytes(), books.total_bytes()), (0, 10));
    }
}
