//! Names of virtual organisations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a name. It is on every line of some tables.
pub const NAME_BYTES: usize = 64;

/// What people call a VO. Its root signs it; two VOs may have the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VoName(String);

/// A text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or too long.
    #[error("a name of {0} bytes, expected 1 to {NAME_BYTES}")]
    Length(usize),
    /// It can't be shown, or not be told from another one.
    #[error("the name {0:?} has a control character, or blanks around it")]
    Character(String),
}

impl VoName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VoName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > NAME_BYTES {
            return Err(NameError::Length(text.len()));
        }
        if text.contains(char::is_control) || text.trim() != text {
            return Err(NameError::Character(text));
        }
        Ok(Self(text))
    }
}

impl FromStr for VoName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<VoName> for String {
    fn from(name: VoName) -> Self {
        name.0
    }
}

impl fmt::Display for VoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_shown_in_a_table() {
        for text in ["lab", "Institut für Physik", "x", &"n".repeat(NAME_BYTES)] {
            assert_eq!(text.parse::<VoName>().unwrap().as_str(), text);
        }
        for text in ["", " ", "lab ", "a\nb", "\u{1b}[2J", &"n".repeat(NAME_BYTES + 1)] {
            assert!(text.parse::<VoName>().is_err(), "{text:?}");
        }
    }
}
