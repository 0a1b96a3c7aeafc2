//! What a member may do.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of rights. As text: their names, with commas.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Rights(u8);

/// Their names, each with its bit.
const NAMES: [(&str, u8); 4] = [("submit", 1), ("execute", 2), ("invite", 4), ("manage", 8)];

/// Not a set of rights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// No right has this name.
    #[error("expected rights out of submit, execute, invite, manage, with commas; found `{0}`")]
    Name(String),
    /// A bit that this version doesn't know.
    #[error("rights {0:#04x}, expected none but submit, execute, invite, manage")]
    Bits(u8),
}

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Have jobs done by other members.
    pub const SUBMIT: Self = Self(1);
    /// Do other members' jobs, and see their inputs.
    pub const EXECUTE: Self = Self(2);
    /// Invite others, and issue their certificates.
    pub const INVITE: Self = Self(4);
    /// Expel others.
    pub const MANAGE: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);

    /// Whether all of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that `other` lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().filter(move |(_, bit)| self.0 & bit != 0).map(|(name, _)| name)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl TryFrom<u8> for Rights {
    type Error = RightsError;

    fn try_from(bits: u8) -> Result<Self, RightsError> {
        if bits & !Self::ALL.0 == 0 { Ok(Self(bits)) } else { Err(RightsError::Bits(bits)) }
    }
}

impl From<Rights> for u8 {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

impl FromStr for Rights {
    type Err = RightsError;

    fn from_str(text: &str) -> Result<Self, RightsError> {
        if text == "all" {
            return Ok(Self::ALL);
        }
        text.split(',').try_fold(Self::NONE, |rights, name| {
            let name = name.trim();
            let bit = NAMES.into_iter().find(|(known, _)| *known == name);
            bit.map(|(_, bit)| rights | Self(bit)).ok_or_else(|| RightsError::Name(name.to_owned()))
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for bits in 1..=15 {
            let rights = Rights::try_from(bits).unwrap();
            assert_eq!(rights.to_string().parse(), Ok(rights));
        }
        assert_eq!("execute, submit".parse(), Ok(Rights::SUBMIT | Rights::EXECUTE));
        assert_eq!("all".parse(), Ok(Rights::ALL));
        let error = "submit,root".parse::<Rights>().unwrap_err().to_string();
        assert!(error.ends_with("found `root`"), "{error}");
        assert!("".parse::<Rights>().is_err());
    }

    #[test]
    fn a_bit_that_isnt_known_is_refused() {
        assert_eq!(Rights::try_from(16), Err(RightsError::Bits(16)));
    }

    #[test]
    fn contains_is_the_order_of_sets() {
        for a in 0..=15 {
            for b in 0..=15 {
                let (a, b) = (Rights(a), Rights(b));
                assert_eq!(a.contains(b), a.and(b) == b);
                assert_eq!(a.contains(b), b.without(a).is_empty());
            }
        }
    }
}
