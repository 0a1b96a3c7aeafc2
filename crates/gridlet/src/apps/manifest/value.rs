//! Values of variables, and how they are read from a word.

use serde::{Deserialize, Serialize};

/// What a variable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A flag: given or not.
    Flag,
    /// A whole number.
    Integer,
    /// Any number; a time is one, in seconds.
    Number,
    /// `640x480`: `.width` and `.height`.
    Size,
    /// A word.
    Word,
    /// A path: `.name`, `.stem`, `.ext`, `.parent`.
    Path,
    /// Several words or paths.
    Words,
    /// Several numbers.
    Numbers,
}

/// How the word that a value is read from looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Form {
    /// Digits, with a sign perhaps.
    Integer,
    /// A decimal number.
    Number,
    /// `90`, `90s`, `1500ms`, `2m`, `1:30`, `01:02:03.5`: seconds.
    Time,
    /// `640x480`.
    Size,
    /// A path.
    Path,
    /// Anything.
    Word,
    /// One of these.
    Choice(Vec<String>),
}

/// What a variable holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Value {
    /// A flag.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Width and height.
    Size(i64, i64),
    /// A word or path.
    Text(String),
    /// Words or paths.
    Texts(Vec<String>),
    /// Numbers.
    Numbers(Vec<f64>),
}

impl Kind {
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Words | Self::Numbers)
    }

    /// Whether an expression can calculate with it.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Flag | Self::Integer | Self::Number)
    }

    /// In messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flag => "a flag",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Size => "a size",
            Self::Word => "a word",
            Self::Path => "a path",
            Self::Words => "a list of words",
            Self::Numbers => "a list of numbers",
        }
    }

    /// What `.member` of it is; `None` if there is no such thing.
    pub(super) fn member(self, member: &str) -> Option<Kind> {
        match (self, member) {
            (Self::Size, "width" | "height") => Some(Self::Integer),
            (Self::Path | Self::Word, "name" | "stem" | "ext") => Some(Self::Word),
            (Self::Path | Self::Word, "parent") => Some(Self::Path),
            (Self::Words | Self::Numbers, "count") => Some(Self::Integer),
            _ => None,
        }
    }
}

impl Form {
    /// The kind of the values that it gives.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Integer => Kind::Integer,
            Self::Number | Self::Time => Kind::Number,
            Self::Size => Kind::Size,
            Self::Path => Kind::Path,
            Self::Word | Self::Choice(_) => Kind::Word,
        }
    }

    /// The value of a word; otherwise what was expected.
    pub(super) fn read(&self, word: &str) -> Result<Value, String> {
        let expected = |what: &str| format!("expected {what}, found `{word}`");
        match self {
            Self::Integer => word.parse().map(Value::Integer).map_err(|_| expected("an integer")),
            Self::Number => number(word).map(Value::Number).ok_or_else(|| expected("a number")),
            Self::Time => time(word)
                .map(Value::Number)
                .ok_or_else(|| expected("a time such as 90, 1m30s is 1:30, or 00:01:30.5")),
            Self::Size => {
                let parts = word.split_once(['x', 'X']);
                let side = |text: &str| text.parse::<i64>().ok().filter(|n| *n > 0);
                parts
                    .and_then(|(w, h)| Some(Value::Size(side(w)?, side(h)?)))
                    .ok_or_else(|| expected("a size such as 640x480"))
            }
            Self::Path if word.is_empty() || word.contains('\0') => Err(expected("a path")),
            Self::Path | Self::Word => Ok(Value::Text(word.to_owned())),
            Self::Choice(choices) if choices.iter().any(|choice| choice == word) => {
                Ok(Value::Text(word.to_owned()))
            }
            Self::Choice(choices) => Err(expected(&format!("one of {}", choices.join(", ")))),
        }
    }
}

/// A finite number.
fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds.
fn time(word: &str) -> Option<f64> {
    let parts: Vec<&str> = word.split(':').collect();
    if parts.len() == 1 {
        for (unit, seconds) in [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)] {
            if let Some(text) = word.strip_suffix(unit) {
                return number(text).filter(|n| *n >= 0.0).map(|n| n * seconds);
            }
        }
    }
    if parts.len() > 3 {
        return None;
    }
    parts.iter().try_fold(0.0, |sum, part| {
        number(part).filter(|n| *n >= 0.0 && !part.is_empty()).map(|n| sum * 60.0 + n)
    })
}

/// `dir/scene.tar.gz` in parts.
pub(super) fn path_member<'p>(path: &'p str, member: &str) -> &'p str {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let dot = name.rfind('.').filter(|at| *at > 0);
    match member {
        "name" => name,
        "stem" => dot.map_or(name, |at| &name[..at]),
        "ext" => dot.map_or("", |at| &name[at + 1..]),
        _ if parent.is_empty() && path.starts_with('/') => "/",
        _ if parent.is_empty() => ".",
        _ => parent,
    }
}

impl Value {
    /// `.member` of it.
    pub(super) fn member(&self, member: &str) -> Option<Value> {
        match (self, member) {
            (Self::Size(width, _), "width") => Some(Self::Integer(*width)),
            (Self::Size(_, height), "height") => Some(Self::Integer(*height)),
            (Self::Texts(list), "count") => Some(Self::Integer(list.len() as i64)),
            (Self::Numbers(list), "count") => Some(Self::Integer(list.len() as i64)),
            (Self::Text(path), "name" | "stem" | "ext" | "parent") => {
                Some(Self::Text(path_member(path, member).to_owned()))
            }
            _ => None,
        }
    }

    /// As a number, for expressions.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Self::Integer(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// As words.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Texts(list) => list.clone(),
            Self::Numbers(list) => list.iter().map(f64::to_string).collect(),
            other => vec![other.word()],
        }
    }

    /// As one word; a list with blanks between.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Flag(flag) => u8::from(*flag).to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Size(width, height) => format!("{width}x{height}"),
            Self::Text(text) => text.clone(),
            Self::Texts(_) | Self::Numbers(_) => self.words().join(" "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_their_forms() {
        for (word, seconds) in [
            ("90", 90.0),
            ("90s", 90.0),
            ("1500ms", 1.5),
            ("2m", 120.0),
            ("1:30", 90.0),
            ("01:02:03.5", 3723.5),
        ] {
            assert_eq!(Form::Time.read(word), Ok(Value::Number(seconds)), "{word}");
        }
        for word in ["", ":", "1:2:3:4", "x", "-1", "inf", "1:", "NaN"] {
            assert!(Form::Time.read(word).is_err(), "{word}");
        }
    }

    #[test]
    fn sizes_have_two_sides_with_something_between() {
        assert_eq!(Form::Size.read("64x48"), Ok(Value::Size(64, 48)));
        for word in ["64", "0x4", "x", "-4x4", "4x4x4"] {
            assert!(Form::Size.read(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_path_has_parts() {
        let parts = |path| ["name", "stem", "ext", "parent"].map(|m| path_member(path, m));
        assert_eq!(parts("a/b.tar.gz"), ["b.tar.gz", "b.tar", "gz", "a"]);
        assert_eq!(parts(".hidden"), [".hidden", ".hidden", "", "."]);
        assert_eq!(parts("/x"), ["x", "x", "", "/"]);
    }
}
