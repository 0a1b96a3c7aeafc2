//! The pieces that are wanted, in units: what is asked for at once.

use std::collections::BTreeMap;

use outlast_types::Hash;

use super::{Ask, Piece, REQUEST_BYTES, UNIT_PIECES};
use crate::bitmap::Bitmap;
use crate::wire::Have;

/// What a unit's pieces are.
enum What {
    /// Chunks of one blob, from this one on.
    Chunks { blob: usize, first: u32 },
    /// Blobs in one piece.
    Blobs(Vec<usize>),
}

struct Unit {
    what: What,
    lengths: Vec<u32>,
    /// Not here yet. Bit `i` is piece `i` of the unit, in all masks.
    missing: u64,
    /// Missing, and in flight at least once.
    asked: u64,
    /// Missing, and in flight twice.
    twice: u64,
    /// What sources other than the origin have of it.
    held: u64,
    /// How many of them have something of it.
    holders: u32,
    /// Its place in `Units::open`, while it has pieces that are missing and not asked for.
    place: Option<usize>,
}

impl Unit {
    fn open(&self) -> u64 {
        self.missing & !self.asked
    }
}

struct Blob {
    hash: Hash,
    pieces: u32,
    missing: u32,
    /// Its units; of a blob in one piece the one that it is in.
    units: std::ops::Range<usize>,
    /// Its bit in the unit, if it is in one piece.
    bit: u64,
}

/// All units.
#[derive(Default)]
pub(super) struct Units {
    units: Vec<Unit>,
    blobs: Vec<Blob>,
    by_hash: BTreeMap<Hash, usize>,
    /// The unit of small blobs that has room.
    room: Option<usize>,
    open: Vec<usize>,
    pieces: u64,
    missing: u64,
    missing_bytes: u64,
}

impl Units {
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn blobs(&self) -> usize {
        self.blobs.len()
    }

    pub(super) fn pieces(&self) -> u64 {
        self.pieces
    }

    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    pub(super) fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// Units with pieces to ask for, in an order that depends on the past alone.
    pub(super) fn open(&self) -> &[usize] {
        &self.open
    }

    pub(super) fn knows(&self, blob: &Hash) -> bool {
        self.by_hash.contains_key(blob)
    }

    /// A new blob. Gives its units, with its bits in each.
    pub(super) fn add(&mut self, hash: Hash, lengths: &[u32], here: &Bitmap) -> Vec<(usize, u64)> {
        let number = self.blobs.len();
        self.by_hash.insert(hash, number);
        let pieces = lengths.len() as u32;
        let mut missing = 0;
        for (index, &length) in lengths.iter().enumerate() {
            if !here.get(index as u32) {
                missing += 1;
                self.missing_bytes += u64::from(length);
            }
        }
        self.pieces += u64::from(pieces);
        self.missing += u64::from(missing);
        let (units, bit) = match *lengths {
            [length] => self.add_small(number, length, !here.get(0)),
            _ => (self.add_large(number, lengths, here), 0),
        };
        let own = |unit| (unit, if bit != 0 { bit } else { self.all(unit) });
        let added = units.clone().map(own).collect();
        self.blobs.push(Blob { hash, pieces, missing, units, bit });
        added
    }

    fn add_small(
        &mut self,
        blob: usize,
        length: u32,
        missing: bool,
    ) -> (std::ops::Range<usize>, u64) {
        let fits = |unit: &Unit| {
            let bytes: u64 = unit.lengths.iter().map(|&l| u64::from(l)).sum();
            unit.lengths.len() < UNIT_PIECES && bytes + u64::from(length) <= REQUEST_BYTES
        };
        let number = match self.room.filter(|&unit| fits(&self.units[unit])) {
            Some(unit) => unit,
            None => self.push(What::Blobs(Vec::new())),
        };
        self.room = Some(number);
        let unit = &mut self.units[number];
        let bit = 1 << unit.lengths.len();
        unit.lengths.push(length);
        unit.missing |= if missing { bit } else { 0 };
        if let What::Blobs(blobs) = &mut unit.what {
            blobs.push(blob);
        }
        self.place(number);
        (number..number + 1, bit)
    }

    fn add_large(&mut self, blob: usize, lengths: &[u32], here: &Bitmap) -> std::ops::Range<usize> {
        let start = self.units.len();
        let mut bytes = REQUEST_BYTES;
        for (index, &length) in lengths.iter().enumerate() {
            let index = index as u32;
            bytes += u64::from(length);
            let full = self.units.len() > start
                && self.units.last().is_some_and(|unit| unit.lengths.len() == UNIT_PIECES);
            if bytes > REQUEST_BYTES || full || self.units.len() == start {
                self.push(What::Chunks { blob, first: index });
                bytes = u64::from(length);
            }
            let last = self.units.len() - 1;
            let unit = &mut self.units[last];
            if !here.get(index) {
                unit.missing |= 1 << unit.lengths.len();
            }
            unit.lengths.push(length);
        }
        let end = self.units.len();
        (start..end).for_each(|unit| self.place(unit));
        start..end
    }

    fn push(&mut self, what: What) -> usize {
        self.units.push(Unit {
            what,
            lengths: Vec::new(),
            missing: 0,
            asked: 0,
            twice: 0,
            held: 0,
            holders: 0,
            place: None,
        });
        self.units.len() - 1
    }

    /// Puts a unit into the list of the open ones or takes it out, as its masks say.
    fn place(&mut self, unit: usize) {
        match (self.units[unit].open() != 0, self.units[unit].place) {
            (true, None) => {
                self.units[unit].place = Some(self.open.len());
                self.open.push(unit);
            }
            (false, Some(place)) => {
                self.units[unit].place = None;
                self.open.swap_remove(place);
                if let Some(&moved) = self.open.get(place) {
                    self.units[moved].place = Some(place);
                }
            }
            _ => {}
        }
    }

    /// The unit of a piece, and its bit there.
    pub(super) fn find(&self, piece: &Piece) -> Option<(usize, u64)> {
        let blob = &self.blobs[*self.by_hash.get(&piece.blob)?];
        if piece.index >= blob.pieces {
            return None;
        }
        if blob.bit != 0 {
            return Some((blob.units.start, blob.bit));
        }
        let units = &self.units[blob.units.clone()];
        let after = units.partition_point(|unit| first(unit) <= piece.index);
        let unit = blob.units.start + after - 1;
        Some((unit, 1 << (piece.index - first(&self.units[unit]))))
    }

    /// Bytes of the piece with this bit.
    pub(super) fn length(&self, unit: usize, bit: u64) -> u64 {
        u64::from(self.units[unit].lengths[bit.trailing_zeros() as usize])
    }

    /// Bytes of the pieces with these bits.
    pub(super) fn bytes_of(&self, unit: usize, bits: u64) -> u64 {
        let lengths = self.units[unit].lengths.iter().enumerate();
        lengths.filter(|(i, _)| bits & (1 << i) != 0).map(|(_, &l)| u64::from(l)).sum()
    }

    /// All bits of a unit.
    pub(super) fn all(&self, unit: usize) -> u64 {
        u64::MAX >> (UNIT_PIECES - self.units[unit].lengths.len())
    }

    /// What is missing and not in flight.
    pub(super) fn open_bits(&self, unit: usize) -> u64 {
        self.units[unit].open()
    }

    /// What sources other than the origin have of it.
    pub(super) fn held(&self, unit: usize) -> u64 {
        self.units[unit].held
    }

    /// How many of them have something of it.
    pub(super) fn holders(&self, unit: usize) -> u32 {
        self.units[unit].holders
    }

    /// What is in flight once.
    pub(super) fn once(&self, unit: usize) -> u64 {
        self.units[unit].asked & !self.units[unit].twice
    }

    /// Sets what is held, from each holder's mask. Whether it is less than before.
    pub(super) fn set_held(&mut self, unit: usize, masks: impl Iterator<Item = u64>) -> bool {
        let (mut held, mut holders) = (0, 0);
        for mask in masks {
            held |= mask;
            holders += 1;
        }
        let unit = &mut self.units[unit];
        let less = unit.held & !held != 0;
        (unit.held, unit.holders) = (held, holders);
        less
    }

    /// What to ask for these.
    pub(super) fn ask(&self, unit: usize, bits: u64) -> Ask {
        let picked = (0..UNIT_PIECES).filter(|i| bits & (1 << i) != 0);
        match &self.units[unit].what {
            What::Chunks { blob, first } => Ask::Pieces {
                blob: self.blobs[*blob].hash,
                indexes: picked.map(|i| first + i as u32).collect(),
            },
            What::Blobs(blobs) => Ask::Blobs(picked.map(|i| self.blobs[blobs[i]].hash).collect()),
        }
    }

    /// These are in flight now, once more than before.
    pub(super) fn asked(&mut self, unit: usize, bits: u64) {
        let state = &mut self.units[unit];
        state.twice |= state.asked & bits;
        state.asked |= bits;
        self.place(unit);
    }

    /// These are in flight once less. Whether there is something to ask for by it.
    pub(super) fn release(&mut self, unit: usize, bits: u64) -> bool {
        let state = &mut self.units[unit];
        let bits = bits & state.missing;
        let open = bits & !state.twice;
        state.twice &= !bits;
        state.asked &= !open;
        self.place(unit);
        open != 0
    }

    /// A piece is here, and in flight no more. Whether it is new.
    pub(super) fn arrive(&mut self, unit: usize, bit: u64) -> bool {
        let state = &mut self.units[unit];
        if state.missing & bit == 0 {
            return false;
        }
        state.missing &= !bit;
        state.asked &= !bit;
        state.twice &= !bit;
        let blob = match &state.what {
            What::Chunks { blob, .. } => *blob,
            What::Blobs(blobs) => blobs[bit.trailing_zeros() as usize],
        };
        self.blobs[blob].missing -= 1;
        self.missing -= 1;
        self.missing_bytes -= self.length(unit, bit);
        self.place(unit);
        true
    }

    /// Whether all of a blob is here.
    pub(super) fn is_whole(&self, blob: &Hash) -> bool {
        self.by_hash.get(blob).is_some_and(|&blob| self.blobs[blob].missing == 0)
    }

    /// For each unit of a blob: which bits are the blob's, and which of them somebody has.
    pub(super) fn masks(&self, blob: &Hash, have: &Have, mut each: impl FnMut(usize, u64, u64)) {
        let Some(&number) = self.by_hash.get(blob) else { return };
        let blob = &self.blobs[number];
        if blob.bit != 0 {
            each(blob.units.start, blob.bit, if have.get(0) { blob.bit } else { 0 });
            return;
        }
        for unit in blob.units.clone() {
            let first = first(&self.units[unit]);
            let pieces = self.units[unit].lengths.len() as u32;
            let bits = (0..pieces).filter(|i| have.get(first + i)).map(|i| 1u64 << i);
            each(unit, self.all(unit), bits.fold(0, |a, b| a | b));
        }
    }

    /// The blob with this number if there is something missing of it that `has` doesn't have.
    pub(super) fn unknown_of(&self, number: usize, has: &[u64]) -> Option<(Hash, u32)> {
        let blob = &self.blobs[number];
        if blob.missing == 0 {
            return None;
        }
        let lacks = |unit: usize| self.units[unit].missing & !has[unit];
        let own = if blob.bit != 0 { blob.bit } else { u64::MAX };
        let unknown = blob.units.clone().any(|unit| lacks(unit) & own != 0);
        unknown.then_some((blob.hash, blob.pieces))
    }
}

/// The first chunk of a unit of chunks.
fn first(unit: &Unit) -> u32 {
    match unit.what {
        What::Chunks { first, .. } => first,
        What::Blobs(_) => 0,
    }
}
