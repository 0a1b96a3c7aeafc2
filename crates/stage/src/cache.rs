//! What a full store throws away.
//!
//! ```text
//!   unknown ──reserve──▶ reserved ──commit──▶ kept ──make_room──▶ evicted, unknown
//!      ▲                    │release                └─ never while it is pinned
//!      └────────────────────┘
//! ```
//!
//! Least recently used goes first. A holder (a job) pins what it needs, also before it is here, so
//! that nothing of its inputs goes while others of them still come. Bytes are reserved before they
//! are fetched, so that two fetches don't count on the same room.
//!
//! **Invariants:** what is pinned is never evicted; kept and reserved bytes together never exceed
//! the limit by an `Ok` of this module ([`Cache::insert`] of what is on the disk anyway may, and so
//! may a smaller limit); what was evicted is out of the books when its name is handed out.
//!
//! What it doesn't do: delete files.

use std::collections::{BTreeMap, BTreeSet};

use outlast_types::{Hash, Time};

use crate::quota::Bytes;

/// There is no room, even without everything that isn't needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no room for {needed}: of {limit}, {} are needed by jobs or on their way; raise the limit \
     ([storage] in the configuration), or wait until jobs are over",
    Bytes(self.pinned.0 + self.reserved.0)
)]
pub struct Full {
    /// Bytes asked for.
    pub needed: Bytes,
    /// Bytes that the cache may have.
    pub limit: Bytes,
    /// Bytes that are kept and pinned.
    pub pinned: Bytes,
    /// Bytes that are reserved.
    pub reserved: Bytes,
}

struct Entry {
    bytes: u64,
    used: Time,
}

/// The books of a store. `H` names who pins: a job.
pub struct Cache<H> {
    limit: u64,
    kept: BTreeMap<Hash, Entry>,
    kept_bytes: u64,
    reserved: BTreeMap<Hash, u64>,
    reserved_bytes: u64,
    holders: BTreeMap<H, BTreeSet<Hash>>,
    /// How many holders pin it.
    pins: BTreeMap<Hash, u32>,
    pinned_bytes: u64,
    /// What is kept and not pinned, by its last use.
    free: BTreeSet<(Time, Hash)>,
}

impl<H: Ord> Cache<H> {
    /// An empty one that may have so many bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            reserved: BTreeMap::new(),
            reserved_bytes: 0,
            holders: BTreeMap::new(),
            pins: BTreeMap::new(),
            pinned_bytes: 0,
            free: BTreeSet::new(),
        }
    }

    /// Bytes that it may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets the limit. `make_room(0)` says what has to go by it.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Bytes of what is kept.
    pub fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Bytes of what is kept and pinned.
    pub fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes
    }

    /// Bytes that are reserved.
    pub fn reserved_bytes(&self) -> u64 {
        self.reserved_bytes
    }

    /// How many blobs are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether it is kept.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.kept.contains_key(hash)
    }

    /// This is on the disk: it is kept, whatever the limit. Replaces a reservation.
    pub fn insert(&mut self, hash: Hash, bytes: u64, used: Time) {
        self.release(&hash);
        self.forget(&hash);
        self.kept.insert(hash, Entry { bytes, used });
        self.kept_bytes += bytes;
        if self.pins.contains_key(&hash) {
            self.pinned_bytes += bytes;
        } else {
            self.free.insert((used, hash));
        }
    }

    /// This is no longer on the disk.
    pub fn forget(&mut self, hash: &Hash) {
        let Some(entry) = self.kept.remove(hash) else { return };
        self.kept_bytes -= entry.bytes;
        if self.pins.contains_key(hash) {
            self.pinned_bytes -= entry.bytes;
        } else {
            self.free.remove(&(entry.used, *hash));
        }
    }

    /// It was used.
    pub fn touch(&mut self, hash: &Hash, now: Time) {
        let Some(entry) = self.kept.get_mut(hash) else { return };
        if self.free.remove(&(entry.used, *hash)) {
            self.free.insert((now, *hash));
        }
        entry.used = now;
    }

    /// The holder needs this, here or not. Again: changes nothing.
    pub fn pin(&mut self, holder: H, hash: Hash) {
        if !self.holders.entry(holder).or_default().insert(hash) {
            return;
        }
        let pins = self.pins.entry(hash).or_default();
        *pins += 1;
        if *pins == 1
            && let Some(entry) = self.kept.get(&hash)
        {
            self.free.remove(&(entry.used, hash));
            self.pinned_bytes += entry.bytes;
        }
    }

    /// The holder needs nothing any more.
    pub fn unpin(&mut self, holder: &H) {
        for hash in self.holders.remove(holder).into_iter().flatten() {
            let Some(pins) = self.pins.get_mut(&hash) else { continue };
            *pins -= 1;
            if *pins > 0 {
                continue;
            }
            self.pins.remove(&hash);
            if let Some(entry) = self.kept.get(&hash) {
                self.free.insert((entry.used, hash));
                self.pinned_bytes -= entry.bytes;
            }
        }
    }

    /// Whether somebody needs it.
    pub fn is_pinned(&self, hash: &Hash) -> bool {
        self.pins.contains_key(hash)
    }

    /// Makes room for so many bytes. What is named is out of the books, and has to be deleted.
    ///
    /// # Errors
    /// If there isn't enough that may go; then nothing goes.
    pub fn make_room(&mut self, bytes: u64) -> Result<Vec<Hash>, Full> {
        let held = self.pinned_bytes + self.reserved_bytes;
        if held.checked_add(bytes).is_none_or(|sum| sum > self.limit) {
            return Err(Full {
                needed: Bytes(bytes),
                limit: Bytes(self.limit),
                pinned: Bytes(self.pinned_bytes),
                reserved: Bytes(self.reserved_bytes),
            });
        }
        let mut evicted = Vec::new();
        while self.kept_bytes + self.reserved_bytes + bytes > self.limit {
            let oldest = self.free.first().map(|&(_, hash)| hash);
            let hash = oldest.expect("all that is neither pinned nor reserved may go");
            self.forget(&hash);
            evicted.push(hash);
        }
        Ok(evicted)
    }

    /// Makes room for a blob that will come, and keeps it for that. What is named has to be deleted.
    /// What is here or reserved already needs no more room.
    ///
    /// # Errors
    /// As [`Self::make_room`].
    pub fn reserve(&mut self, hash: Hash, bytes: u64) -> Result<Vec<Hash>, Full> {
        if self.kept.contains_key(&hash) || self.reserved.contains_key(&hash) {
            return Ok(Vec::new());
        }
        let evicted = self.make_room(bytes)?;
        self.reserved.insert(hash, bytes);
        self.reserved_bytes += bytes;
        Ok(evicted)
    }

    /// What was reserved came: it is kept. Nothing if it wasn't reserved.
    pub fn commit(&mut self, hash: Hash, now: Time) {
        if let Some(&bytes) = self.reserved.get(&hash) {
            self.insert(hash, bytes, now);
        }
    }

    /// What was reserved won't come.
    pub fn release(&mut self, hash: &Hash) {
        self.reserved_bytes -= self.reserved.remove(hash).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests;
