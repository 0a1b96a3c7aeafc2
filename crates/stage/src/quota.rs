//! What a node does for others, at most.
//!
//! Two kinds of bounds: [`Bounds`] on one job or step, which a recipe is checked against before
//! anything is fetched; and [`Accounts`] of what each member of a virtual organisation uses here at
//! once.
//!
//! **Invariants** of [`Accounts`]: nobody's use exceeds his bound by an `Ok`; a refused charge
//! changes nothing; who uses nothing has no account, so there are no more of them than charges.
//!
//! What it doesn't do: stop programs (the sandbox holds them to [`Bounds`]), or measure the disk.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use outlast_types::NodeId;
use serde::{Deserialize, Serialize};

/// Bytes, written for people: `30.1 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut unit = 0;
        let mut value = self.0 as f64;
        // What would be rounded to 1024.0 is one of the next unit.
        while value >= 1023.95 && unit < UNITS.len() - 1 {
            value /= 1024.0;
            unit += 1;
        }
        let text = format!("{value:.1}");
        write!(f, "{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
    }
}

/// What one job or step may have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all inputs of one job, as they are laid out.
    pub input_bytes: u64,
    /// Bytes that a step may write.
    pub written_bytes: u64,
    /// Files that a step may leave in its folder.
    pub files: u64,
    /// How long a step may run.
    pub run_time: Duration,
}

impl Default for Bounds {
    /// - 16 GiB of inputs: a long film, or a large scene; not the whole disk of a laptop.
    /// - 32 GiB written: twice that, as results of what is transcoded may be larger.
    /// - 262,144 files: as many as inputs may have.
    /// - 24 hours: longer steps are hung, or should be cut; a lease is renewed meanwhile.
    fn default() -> Self {
        Self {
            input_bytes: 16 << 30,
            written_bytes: outlast_types::limits::ANSWER_BYTES,
            files: crate::tree::ENTRIES as u64,
            run_time: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What a job or step has that exceeds a [`Bounds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBound {
    /// Too many bytes of inputs.
    #[error("the job has {found} of inputs; this node takes at most {limit} for one job")]
    Inputs {
        /// Bytes found.
        found: Bytes,
        /// Bytes allowed.
        limit: Bytes,
    },
    /// It wrote too much.
    #[error("the program wrote {found}; this node allows at most {limit}")]
    Written {
        /// Bytes found.
        found: Bytes,
        /// Bytes allowed.
        limit: Bytes,
    },
    /// It left too many files.
    #[error("the program made {found} files; this node allows at most {limit}")]
    Files {
        /// Files found.
        found: u64,
        /// Files allowed.
        limit: u64,
    },
    /// It ran too long.
    #[error("the program ran for {} s; this node allows at most {} s", .found.as_secs(), .limit.as_secs())]
    Time {
        /// Time that it ran.
        found: Duration,
        /// Time allowed.
        limit: Duration,
    },
}

impl Bounds {
    /// Whether a job's inputs may be so large.
    ///
    /// # Errors
    /// [`OverBound::Inputs`] if not.
    pub fn check_inputs(&self, bytes: u64) -> Result<(), OverBound> {
        let (found, limit) = (Bytes(bytes), Bytes(self.input_bytes));
        if found > limit { Err(OverBound::Inputs { found, limit }) } else { Ok(()) }
    }

    /// Whether a step may have written so much, in so many files, in so long.
    ///
    /// # Errors
    /// The first bound that it exceeds.
    pub fn check_step(&self, bytes: u64, files: u64, time: Duration) -> Result<(), OverBound> {
        if bytes > self.written_bytes {
            let limit = Bytes(self.written_bytes);
            return Err(OverBound::Written { found: Bytes(bytes), limit });
        }
        if files > self.files {
            return Err(OverBound::Files { found: files, limit: self.files });
        }
        if time > self.run_time {
            return Err(OverBound::Time { found: time, limit: self.run_time });
        }
        Ok(())
    }
}

/// What a member uses here, or may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Slots with steps of its jobs.
    pub slots: u32,
    /// Bytes that its jobs keep here: their inputs, and answers that aren't acknowledged.
    pub stored: u64,
}

/// What one member may use at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Slots; `None`: all there are. Work that waits for nobody is better done at once.
    pub slots: Option<u32>,
    /// Bytes.
    pub stored: u64,
}

impl Default for Share {
    /// All slots; 32 GiB, the inputs of two jobs of the largest size.
    fn default() -> Self {
        Self { slots: None, stored: 32 << 30 }
    }
}

/// A member asks for more than its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverShare {
    /// Too many slots.
    #[error("member {} has {has} slots here, asked for {asked} more, at most {limit}", .member.short())]
    Slots {
        /// Who.
        member: NodeId,
        /// Slots that it has.
        has: u32,
        /// Slots that it asks for.
        asked: u32,
        /// Slots that it may have.
        limit: u32,
    },
    /// Too many bytes.
    #[error("member {} has {has} here, asked for {asked} more, at most {limit}", .member.short())]
    Stored {
        /// Who.
        member: NodeId,
        /// Bytes that it has.
        has: Bytes,
        /// Bytes that it asks for.
        asked: Bytes,
        /// Bytes that it may have.
        limit: Bytes,
    },
}

/// What each member uses here.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    share: Share,
    uses: BTreeMap<NodeId, Use>,
}

impl Accounts {
    /// Nobody uses anything; each may use so much.
    pub fn new(share: Share) -> Self {
        Self { share, uses: BTreeMap::new() }
    }

    /// Sets what each may use. Who uses more already gets nothing more.
    pub fn set_share(&mut self, share: Share) {
        self.share = share;
    }

    /// What a member uses.
    pub fn used(&self, member: &NodeId) -> Use {
        self.uses.get(member).copied().unwrap_or_default()
    }

    /// All that use something.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, Use)> {
        self.uses.iter().map(|(&member, &uses)| (member, uses))
    }

    /// Whether a member could use so much more.
    ///
    /// # Errors
    /// What it would have too much of.
    pub fn over(&self, member: &NodeId, more: Use) -> Result<(), OverShare> {
        let member = *member;
        let has = self.used(&member);
        if let Some(limit) = self.share.slots
            && more.slots > 0
            && has.slots.saturating_add(more.slots) > limit
        {
            return Err(OverShare::Slots { member, has: has.slots, asked: more.slots, limit });
        }
        let limit = self.share.stored;
        if more.stored > 0 && has.stored.saturating_add(more.stored) > limit {
            return Err(OverShare::Stored {
                member,
                has: Bytes(has.stored),
                asked: Bytes(more.stored),
                limit: Bytes(limit),
            });
        }
        Ok(())
    }

    /// A member uses so much more.
    ///
    /// # Errors
    /// As [`Self::over`]; then it doesn't.
    pub fn charge(&mut self, member: NodeId, more: Use) -> Result<(), OverShare> {
        self.over(&member, more)?;
        let uses = self.uses.entry(member).or_default();
        // Without a bound nobody has so many slots.
        uses.slots = uses.slots.saturating_add(more.slots);
        uses.stored = uses.stored.saturating_add(more.stored);
        self.tidy(&member);
        Ok(())
    }

    /// A member uses so much less.
    pub fn release(&mut self, member: &NodeId, less: Use) {
        if let Some(uses) = self.uses.get_mut(member) {
            uses.slots = uses.slots.saturating_sub(less.slots);
            uses.stored = uses.stored.saturating_sub(less.stored);
            self.tidy(member);
        }
    }

    fn tidy(&mut self, member: &NodeId) {
        if self.uses.get(member) == Some(&Use::default()) {
            self.uses.remove(member);
        }
    }
}

#[cfg(test)]
mod tests;
