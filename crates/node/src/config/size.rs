//! Amounts of bytes, as people write them.

use std::fmt;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// Units, the smaller before the larger of each kind.
const UNITS: [(&str, u64); 13] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
];

/// Reads `20GiB`, `500MB`, `1.5 GiB`, `4096`. A number alone is bytes.
///
/// # Errors
/// Says what was expected.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let error = || format!("expected a size such as 20GiB or 500MB, found `{text}`");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let factor = match unit {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1,
    };
    let bytes = number.parse::<f64>().map_err(|_| error())? * factor as f64;
    // Beyond this a float can't count bytes, and no disk has them.
    if bytes < (1_u64 << 53) as f64 { Ok(bytes as u64) } else { Err(error()) }
}

/// `3.4 GiB`, for messages.
pub fn size_text(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

/// An amount of bytes, as text or as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"20GiB\" or \"500MB\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                parse_size(text).map(Size).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<Size, E> {
                let whole = u64::try_from(bytes)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))?;
                Ok(Size(whole))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// The section `[storage]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Storage {
    /// How much inputs that are kept for later may take.
    pub cache: Option<Size>,
}

impl Storage {
    pub(super) fn over(self, below: Self) -> Self {
        Self { cache: self.cache.or(below.cache) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_said() {
        for (text, bytes) in [
            ("4096", 4096),
            ("20GiB", 20 << 30),
            ("1.5 GiB", 3 << 29),
            ("500MB", 500_000_000),
            ("2G", 2 << 30),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "GiB", "-1", "5gb", "5 GiBs", "1e300", "1..2G", "99999999TiB", "NaN"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(size_text(5), "5 bytes");
        assert_eq!(size_text(3 << 29), "1.5 GiB");
        let storage: Storage = toml::from_str("cache = '1GiB'").unwrap();
        assert_eq!(storage.over(Storage::default()).cache, Some(Size(1 << 30)));
        assert!(toml::from_str::<Storage>("cache = -5").is_err());
    }
}
