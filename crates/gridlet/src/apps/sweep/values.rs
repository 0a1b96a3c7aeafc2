//! The values of one parameter, computed when they are asked for: a range of a million numbers
//! takes as much memory as one of ten.
//!
//! ```text
//! 1..100        both ends included          x,y,z     a list; `\,` is a comma, `\\` a backslash
//! 1..100:5      1, 6, … 96                  @names    the lines of a file that aren't blank
//! 10..1         descending; also 10..1:3
//! 0.1..1.0:0.1  exact: 0.1, 0.2, … 1.0      001..100  padded: 001, 002, … 100
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{OpenError, SourceFiles};

/// Digits of a number in a range. Two of them, one scaled by the other, still fit into 128 bits.
const DIGITS: usize = 18;

/// Text of one list. All of it is kept in memory and in the job's record.
const LIST_BYTES: usize = 32 << 20;

/// What a parameter runs through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Values {
    /// Decimal numbers at equal distances.
    Range {
        /// The first, times ten to the power of `scale`.
        first: i128,
        /// The distance, in the same unit.
        step: i128,
        /// How many.
        count: u64,
        /// Digits after the point.
        scale: usize,
        /// Least number of digits before the point.
        pad: usize,
    },
    /// One after another.
    List(Vec<String>),
}

impl Values {
    /// Reads what stands after `--param NAME=`.
    ///
    /// # Errors
    /// [`OpenError::Usage`], or [`OpenError::Input`] for `@file`.
    pub(super) fn parse(
        name: &str,
        text: &str,
        files: &dyn SourceFiles,
    ) -> Result<Self, OpenError> {
        let usage = |message: String| OpenError::Usage(format!("parameter `{name}`: {message}"));
        let values = if let Some(path) = text.strip_prefix('@') {
            let bytes = files
                .read(path)
                .map_err(|source| OpenError::Input { path: path.to_owned(), source })?;
            let text = String::from_utf8(bytes)
                .map_err(|_| usage(format!("`{path}` is not a text in UTF-8")))?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            list(lines.map(str::to_owned).collect())
        } else if let Some((from, rest)) = split_range(text) {
            range(from, rest)
        } else {
            let items = split_list(text);
            match items.iter().find(|item| items.len() > 1 && split_range(item).is_some()) {
                Some(item) => {
                    Err(format!("`{item}` in a list, expected single values or one range"))
                }
                None => list(items),
            }
        };
        values.map_err(usage)
    }

    /// How many there are, at least one.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(items) => items.len() as u64,
        }
    }

    /// The value at `index`, which is below [`Values::len`].
    pub(super) fn get(&self, index: u64) -> Cow<'_, str> {
        match self {
            Self::List(items) => Cow::Borrowed(&items[index as usize]),
            Self::Range { first, step, scale, pad, .. } => {
                let value = first + step * i128::from(index);
                let unit = 10u128.pow(*scale as u32);
                let (whole, part) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
                let sign = if value < 0 { "-" } else { "" };
                Cow::Owned(match scale {
                    0 => format!("{sign}{whole:0pad$}"),
                    _ => format!("{sign}{whole:0pad$}.{part:0scale$}"),
                })
            }
        }
    }

    /// Bytes of the longest.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::List(items) => items.iter().map(String::len).max().unwrap_or(0),
            // Of each sign, the number with most digits is at an end.
            Self::Range { count, .. } => self.get(0).len().max(self.get(count - 1).len()),
        }
    }
}

/// The start of a range and the rest behind `..`, if a text looks like one: a digit first.
fn split_range(text: &str) -> Option<(&str, &str)> {
    let (from, rest) = text.split_once("..")?;
    let unsigned = from.strip_prefix(['+', '-']).unwrap_or(from);
    let digits = unsigned.strip_prefix('.').unwrap_or(unsigned);
    let number = digits.starts_with(|c: char| c.is_ascii_digit()) && !from.contains(',');
    number.then_some((from, rest))
}

/// The parts between commas, with `\,` and `\\` resolved; another backslash stands for itself.
fn split_list(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next_if(|c| matches!(c, ',' | '\\')) } else { None };
        let last = items.len() - 1;
        match (c, escaped) {
            (_, Some(escaped)) => items[last].push(escaped),
            (',', None) => items.push(String::new()),
            (c, None) => items[last].push(c),
        }
    }
    items
}

fn list(items: Vec<String>) -> Result<Values, String> {
    if items.iter().all(String::is_empty) {
        return Err("no values, expected at least one".to_owned());
    }
    let bytes: usize = items.iter().map(String::len).sum();
    if bytes > LIST_BYTES {
        return Err(format!("values of {bytes} bytes, expected at most {LIST_BYTES}"));
    }
    if let Some(item) = items.iter().find(|item| item.contains('\0')) {
        return Err(format!("a zero byte in {item:?}"));
    }
    // Each value names a folder, and a manifest can't tell two that are equal apart.
    let mut seen = BTreeSet::new();
    match items.iter().find(|item| !seen.insert(item.as_str())) {
        Some(item) => Err(format!("the value `{item}` is there twice")),
        None => Ok(Values::List(items)),
    }
}

/// A number as it was written.
struct Decimal {
    /// The number, times ten to the power of `scale`.
    mantissa: i128,
    scale: usize,
    /// Digits before the point if they start with a zero that says how many are wanted.
    pad: usize,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits: String = [whole, part].concat();
        if digits.is_empty() || digits.len() > DIGITS {
            return None;
        }
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mantissa: i128 = digits.parse().ok()?;
        let pad = if whole.len() > 1 && whole.starts_with('0') { whole.len() } else { 1 };
        let mantissa = if negative { -mantissa } else { mantissa };
        Some(Self { mantissa, scale: part.len(), pad })
    }

    /// The number times ten to the power of `scale`, which is at least its own.
    fn at(&self, scale: usize) -> i128 {
        self.mantissa * 10i128.pow((scale - self.scale) as u32)
    }
}

fn range(from: &str, rest: &str) -> Result<Values, String> {
    let (to, step) = match rest.split_once(':') {
        Some((to, step)) => (to, Some(step)),
        None => (rest, None),
    };
    let number = |text: &str| {
        Decimal::parse(text).ok_or_else(|| {
            format!("`{text}` in a range, expected a decimal number of at most {DIGITS} digits")
        })
    };
    let (first, last) = (number(from)?, number(to)?);
    let step = match step {
        Some(step) => number(step)?,
        None if first.scale == 0 && last.scale == 0 => Decimal { mantissa: 1, scale: 0, pad: 1 },
        None => {
            return Err(format!("a range `{from}..{to}` of fractions, expected `FROM..TO:STEP`"));
        }
    };
    let fine = first.scale.max(last.scale).max(step.scale);
    let (distance, stride) = (last.at(fine) - first.at(fine), step.at(fine));
    if stride == 0 {
        return Err("a step of 0, expected another number".to_owned());
    }
    if distance > 0 && stride < 0 {
        return Err(format!("an empty range: `{from}` is below `{to}`, and the step is negative"));
    }
    // The larger of two numbers says how a positive step is meant.
    let sign = if distance < 0 && stride > 0 { -1 } else { 1 };
    let count = distance.unsigned_abs() / stride.unsigned_abs() + 1;
    let scale = first.scale.max(step.scale);
    Ok(Values::Range {
        first: first.at(scale),
        step: sign * step.at(scale),
        count: u64::try_from(count).unwrap_or(u64::MAX),
        scale,
        pad: first.pad.max(last.pad),
    })
}
