//! Texts with numbers: what is between the numbers is the same, and the numbers are near.
//!
//! Two numbers are near if `|a - b| <= max(abs, rel * max(|a|, |b|))` (as Python's `math.isclose`), or if
//! they are written the same. Not-a-number is near not-a-number, and infinity near infinity of its
//! sign; neither is near anything else. A number too large for 64-bit floating point is near itself only.
//! Whole numbers of up to 38 digits are subtracted exactly.
//!
//! A number stands alone: `10ms`, `x86` and `1.2.3` are text.
//!
//! | format | what is text, what may differ |
//! | --- | --- |
//! | `text` | words and signs in their order; any white space separates, and counts for nothing else |
//! | `csv` | fields, trimmed and without their quotes; one that isn't a number as a whole is text. Empty lines count for nothing |
//! | `json` | the signs of JSON, and strings as they are written; white space outside of strings counts for nothing. Keys have to be in the same order: sorting them would let an answer through that has a key twice |
//!
//! The texts are gone through side by side; nothing is built from them. A file with a zero byte is no text.

use serde::{Deserialize, Serialize};

use super::extension;

/// The longest piece of a file that a message shows, in bytes.
const SHOWN: usize = 40;

/// How a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// By the file's name (`.csv`, `.tsv`; `.json`, `.jsonl`, `.ndjson`, `.geojson`), then by its
    /// beginning (`{` and `[` are JSON), otherwise text.
    #[default]
    Auto,
    /// Words between white space.
    Text,
    /// Fields between commas, semicolons or tabs: whichever of them comes first in the file.
    Csv,
    /// One JSON value, or several.
    Json,
}

/// What numbers may differ by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// So much, whatever they are.
    pub absolute: f64,
    /// So much of the larger one.
    pub relative: f64,
    /// How the files are written.
    pub format: Format,
}

impl Numbers {
    pub(super) fn describe(&self) -> String {
        let Self { absolute, relative, .. } = self;
        format!(
            "numbers that differ by at most {absolute}, or {relative} of themselves; text is the same"
        )
    }

    /// Compares two files.
    ///
    /// # Errors
    /// Says where they differ.
    pub(crate) fn compare(&self, name: &str, a: &[u8], b: &[u8]) -> Result<(), String> {
        if a == b {
            return Ok(());
        }
        if a.contains(&0) || b.contains(&0) {
            return Err("other bytes, and not both are texts".to_owned());
        }
        match self.format_of(name, a, b) {
            Format::Csv => self.tables(a, b),
            Format::Json => self.tokens(Tokens::new(a, true), Tokens::new(b, true)),
            Format::Text | Format::Auto => {
                self.tokens(Tokens::new(a, false), Tokens::new(b, false))
            }
        }
    }

    fn format_of(&self, name: &str, a: &[u8], b: &[u8]) -> Format {
        if self.format != Format::Auto {
            return self.format;
        }
        let begins =
            |text: &[u8]| text.trim_ascii_start().first().is_some_and(|c| b"{[".contains(c));
        match extension(name).as_str() {
            "csv" | "tsv" => Format::Csv,
            "json" | "jsonl" | "ndjson" | "geojson" => Format::Json,
            _ if begins(a) && begins(b) => Format::Json,
            _ => Format::Text,
        }
    }

    fn tokens(&self, mut a: Tokens<'_>, mut b: Tokens<'_>) -> Result<(), String> {
        loop {
            let line = a.line;
            match (a.next(), b.next()) {
                (None, None) => return Ok(()),
                (Some(Token::Number(x)), Some(Token::Number(y))) if self.near(x, y) => {}
                (Some(Token::Text(x)), Some(Token::Text(y))) if x == y => {}
                (x, y) => {
                    let (x, y) = (x.as_ref().map(Token::bytes), y.as_ref().map(Token::bytes));
                    return Err(format!("line {line} has {} and {}", shown(x), shown(y)));
                }
            }
        }
    }

    fn tables(&self, a: &[u8], b: &[u8]) -> Result<(), String> {
        let separator = |text: &[u8]| text.iter().copied().find(|c| b",;\t".contains(c));
        let delimiter = separator(a).unwrap_or(b',');
        let reader = |text| {
            csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(delimiter)
                .from_reader(text)
        };
        let (mut a, mut b) = (reader(a), reader(b));
        let (mut x, mut y) = (csv::ByteRecord::new(), csv::ByteRecord::new());
        for row in 1u64.. {
            let failed = |error: csv::Error| format!("row {row}: {error}");
            let more = (
                a.read_byte_record(&mut x).map_err(failed)?,
                b.read_byte_record(&mut y).map_err(failed)?,
            );
            match more {
                (false, false) => break,
                (true, true) if x.len() == y.len() => {}
                (true, true) => {
                    return Err(format!("row {row} has {} fields and {}", x.len(), y.len()));
                }
                _ => return Err(format!("row {row} is the end of one of them")),
            }
            for (column, (x, y)) in (1u64..).zip(x.iter().zip(y.iter())) {
                let (x, y) = (x.trim_ascii(), y.trim_ascii());
                let both = number(x) == Some(x.len()) && number(y) == Some(y.len());
                if x != y && !(both && self.near(x, y)) {
                    let (x, y) = (shown(Some(x)), shown(Some(y)));
                    return Err(format!("row {row}, column {column} has {x} and {y}"));
                }
            }
        }
        Ok(())
    }

    /// Whether two numbers, as they are written, are near.
    fn near(&self, a: &[u8], b: &[u8]) -> bool {
        if a == b {
            return true;
        }
        let (Some(a), Some(b)) = (Value::of(a), Value::of(b)) else { return false };
        if let (Some(a), Some(b)) = (a.whole, b.whole) {
            // What doesn't fit here is far beyond what a floating-point number tells apart.
            let Some(difference) = a.checked_sub(b) else { return false };
            let largest = a.unsigned_abs().max(b.unsigned_abs()) as f64;
            return difference.unsigned_abs() as f64 <= self.absolute.max(self.relative * largest);
        }
        let (a, b) = (a.float, b.float);
        if !a.is_finite() || !b.is_finite() {
            return a == b || (a.is_nan() && b.is_nan());
        }
        (a - b).abs() <= self.absolute.max(self.relative * a.abs().max(b.abs()))
    }
}

/// A number that was read.
struct Value {
    float: f64,
    whole: Option<i128>,
}

impl Value {
    /// `None` if it can't be told from another one.
    fn of(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let float: f64 = text.parse().ok()?;
        let digits = text.bytes().any(|c| c.is_ascii_digit());
        (float.is_finite() || !digits).then(|| Self { float, whole: text.parse().ok() })
    }
}

/// A piece of a text.
enum Token<'a> {
    Number(&'a [u8]),
    Text(&'a [u8]),
}

impl<'a> Token<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Number(bytes) | Self::Text(bytes) => bytes,
        }
    }
}

/// The pieces of a text, in order.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    json: bool,
    /// Counted from 1, where the next piece is looked for.
    line: u64,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a [u8], json: bool) -> Self {
        Self { text, at: 0, json, line: 1 }
    }

    /// The length of the number that begins here, if one does.
    fn number_at(&self, at: usize) -> Option<usize> {
        let before = at.checked_sub(1).and_then(|before| self.text.get(before));
        let alone = before.is_none_or(|c| !belongs(*c) && *c != b'.');
        alone.then(|| number(&self.text[at..])).flatten()
    }

    /// The length of a string of JSON: to its closing quote, or to the end.
    fn string_at(&self, at: usize) -> usize {
        let mut escaped = false;
        let rest = &self.text[at + 1..];
        let end = rest.iter().position(|&c| {
            let closes = c == b'"' && !escaped;
            escaped = c == b'\\' && !escaped;
            closes
        });
        end.map_or(rest.len() + 1, |end| end + 2)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let piece = &self.text[self.at..self.at + length];
        self.at += length;
        piece
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.line += u64::from(self.text[self.at] == b'\n');
            self.at += 1;
        }
        let first = *self.text.get(self.at)?;
        if let Some(length) = self.number_at(self.at) {
            return Some(Token::Number(self.take(length)));
        }
        if self.json && first == b'"' {
            let length = self.string_at(self.at);
            return Some(Token::Text(self.take(length)));
        }
        let sign = |c: u8| self.json && b"{}[]:,".contains(&c);
        if sign(first) {
            return Some(Token::Text(self.take(1)));
        }
        let ends = |at: usize| {
            let c = self.text[at];
            c.is_ascii_whitespace()
                || sign(c)
                || (self.json && c == b'"')
                || self.number_at(at).is_some()
        };
        let end = (self.at + 1..self.text.len()).find(|&at| ends(at)).unwrap_or(self.text.len());
        Some(Token::Text(self.take(end - self.at)))
    }
}

/// Whether a number can't stand directly beside this: it would be part of a word.
fn belongs(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || !c.is_ascii()
}

/// The length of the number that this begins with and that stands alone: `-1.5e3`, `.5`, `1.`, `nan`, `+Infinity`.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let sign = |at: usize| usize::from(text.get(at).is_some_and(|c| b"+-".contains(c)));
    let mut at = sign(0);
    let word = text[at..].iter().take_while(|c| c.is_ascii_alphabetic()).count();
    if word > 0 {
        let named = ["nan", "inf", "infinity"].map(str::as_bytes);
        at += named.iter().find(|name| text[at..at + word].eq_ignore_ascii_case(name))?.len();
    } else {
        let before = digits(at);
        at += before;
        let mut after = 0;
        if text.get(at) == Some(&b'.') {
            after = digits(at + 1);
            at += usize::from(before + after > 0) + after;
        }
        if before + after == 0 {
            return None;
        }
        if text.get(at).is_some_and(|c| b"eE".contains(c)) {
            let begin = at + 1 + sign(at + 1);
            let exponent = if begin <= text.len() { digits(begin) } else { 0 };
            if exponent > 0 {
                at = begin + exponent;
            }
        }
    }
    let next = |n: usize| text.get(at + n).copied();
    let goes_on =
        next(0).is_some_and(belongs) || (next(0) == Some(b'.') && next(1).is_some_and(belongs));
    (!goes_on).then_some(at)
}

fn shown(piece: Option<&[u8]>) -> String {
    let Some(piece) = piece else { return "its end".to_owned() };
    let text = String::from_utf8_lossy(&piece[..piece.len().min(SHOWN)]).into_owned();
    if piece.len() > SHOWN { format!("{text:?}…") } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests;
