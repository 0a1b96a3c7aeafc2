//! Words with placeholders.
//!
//! `{name}` is a variable, `{name.part}` a part of it (`stem`, `width` …), `{name:04}` a whole
//! number with at least four digits, `{a|b}` the first of both that isn't empty; `{{` and `}}` are
//! braces. A word that is nothing but one list,
//! `{inputs}`, becomes a word for each of its items. Values are never looked at again: nothing in
//! a file's name can become an option of a shell or another placeholder.

use std::ops::Range;

use super::expr::{Scope, Values, unknown};
use super::value::{Kind, Value};

/// Digits that a number may be padded to.
const DIGITS: usize = 20;

/// A word with placeholders, and its place in the manifest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    parts: Vec<Part>,
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// As written.
    pub(super) text: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Place(Place),
}

#[derive(Clone, Debug, PartialEq)]
struct Place {
    /// The first one that isn't empty counts; at least one.
    choices: Vec<Choice>,
    digits: usize,
    /// In the template.
    at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
struct Choice {
    name: String,
    member: Option<String>,
}

impl Template {
    /// Reads a template. An error has its place inside of the text.
    pub(super) fn parse(text: &str, span: Range<usize>) -> Result<Self, (Range<usize>, String)> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            let place = text.len() - from.len();
            plain.push_str(before);
            if from.starts_with("{{") || from.starts_with("}}") {
                plain.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            if from.starts_with('}') {
                let message = "a `}` without its `{`, write `}}` for a brace".to_owned();
                return Err((place..place + 1, message));
            }
            let end = from.find('}').ok_or_else(|| {
                let message = "a `{` without its `}`, write `{{` for a brace".to_owned();
                (place..place + 1, message)
            })?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let at = place..place + end + 1;
            parts.push(Part::Place(
                read_place(&from[1..end], at.clone()).map_err(|message| (at, message))?,
            ));
            rest = &from[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts, span, text: text.to_owned() })
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(place) => Some(place),
            Part::Text(_) => None,
        })
    }

    /// Whether it names the variable.
    pub(super) fn uses(&self, name: &str) -> bool {
        self.places().any(|place| place.choices.iter().any(|choice| choice.name == name))
    }

    /// Whether it can't do without a value of this variable.
    pub(super) fn needs(&self, name: &str) -> bool {
        self.places().any(|place| place.choices.last().is_some_and(|choice| choice.name == name))
    }

    /// Whether it is one placeholder and nothing else.
    pub(super) fn only(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Place(Place { choices, digits: 0, .. })] => match choices.as_slice() {
                [Choice { name, member: None }] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Checks its placeholders; an error has its place inside of the text.
    pub(super) fn check(&self, scope: &Scope, list: bool) -> Vec<(Range<usize>, String)> {
        let mut wrong = Vec::new();
        for place in self.places() {
            for choice in &place.choices {
                if let Err(message) = self.check_choice(place, choice, scope, list) {
                    wrong.push((place.at.clone(), message));
                }
            }
        }
        wrong
    }

    fn check_choice(
        &self,
        place: &Place,
        choice: &Choice,
        scope: &Scope,
        list: bool,
    ) -> Result<(), String> {
        let name = &choice.name;
        let kind = *scope.get(name).ok_or_else(|| unknown(scope, name))?;
        let is = format!("`{name}` is {}", kind.name());
        let kind = match choice.member.as_deref() {
            None => kind,
            Some(member) => {
                kind.member(member).ok_or_else(|| format!("{is}, which has no `.{member}`"))?
            }
        };
        if kind.is_list() && !(list && self.only().is_some()) {
            return Err(format!("{is}, expected to be a word of its own in a command"));
        }
        if kind == Kind::Flag {
            return Err(format!("`{name}` is a flag and has no text, use {{options}}"));
        }
        if place.digits > 0 && kind != Kind::Integer {
            return Err(format!("{is}, only an integer can be padded with zeros"));
        }
        Ok(())
    }

    /// The word.
    ///
    /// # Errors
    /// A variable without a value.
    pub(super) fn word(&self, values: &Values) -> Result<String, String> {
        let mut word = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => word.push_str(text),
                Part::Place(place) => word.push_str(&place.word(values)?),
            }
        }
        Ok(word)
    }

    /// The word, or those of a list.
    ///
    /// # Errors
    /// As [`Template::word`].
    pub(super) fn words(&self, values: &Values) -> Result<Vec<String>, String> {
        match self.only().and_then(|name| values.get(name)) {
            Some(list @ (Value::Texts(_) | Value::Numbers(_))) => Ok(list.words()),
            _ => self.word(values).map(|word| vec![word]),
        }
    }
}

impl Place {
    fn word(&self, values: &Values) -> Result<String, String> {
        let mut found = Err("an empty placeholder".to_owned());
        for choice in &self.choices {
            found = self.word_of(choice, values);
            if found.as_ref().is_ok_and(|word| !word.is_empty()) {
                return found;
            }
        }
        found
    }

    fn word_of(&self, Choice { name, member }: &Choice, values: &Values) -> Result<String, String> {
        let value = values.get(name).ok_or_else(|| format!("`{name}` has no value"))?;
        let value = match member {
            None => value.clone(),
            Some(member) => {
                value.member(member).ok_or_else(|| format!("`{name}` has no `.{member}`"))?
            }
        };
        Ok(match value {
            Value::Integer(number) if self.digits > 0 => {
                format!("{number:0digits$}", digits = self.digits)
            }
            other => other.word(),
        })
    }
}

fn read_place(text: &str, at: Range<usize>) -> Result<Place, String> {
    let (path, padding) = match text.split_once(':') {
        Some((path, padding)) => (path, Some(padding)),
        None => (text, None),
    };
    let mut choices = Vec::new();
    for path in path.split('|') {
        let (name, member) = match path.split_once('.') {
            Some((name, member)) => (name, Some(member.to_owned())),
            None => (path, None),
        };
        if !is_name(name) || member.as_deref().is_some_and(|member| !is_name(member)) {
            return Err(format!(
                "expected a variable such as {{input}} or {{input.stem}}, found {{{text}}}; write `{{{{` for a brace"
            ));
        }
        choices.push(Choice { name: name.to_owned(), member });
    }
    let digits = match padding {
        None => 0,
        Some(padding) => padding
            .strip_prefix('0')
            .and_then(|digits| digits.parse().ok())
            .filter(|digits| (1..=DIGITS).contains(digits))
            .ok_or_else(|| {
                format!("expected a width such as 04 after the colon, found `{padding}`")
            })?,
    };
    Ok(Place { choices, digits, at })
}

/// Whether a variable may be called so.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::from([
            ("n".to_owned(), Value::Integer(7)),
            ("empty".to_owned(), Value::Text(String::new())),
            ("file".to_owned(), Value::Text("a/b c.txt".to_owned())),
            ("files".to_owned(), Value::Texts(vec!["x".to_owned(), "{n}".to_owned()])),
        ])
    }

    fn words(text: &str) -> Result<Vec<String>, String> {
        let template =
            Template::parse(text, 0..0).map_err(|(at, what)| format!("{at:?} {what}"))?;
        template.words(&values())
    }

    #[test]
    fn placeholders_are_filled_and_never_read_again() {
        assert_eq!(words("{file.stem}-{n:04}.gz").unwrap(), ["b c-0007.gz"]);
        assert_eq!(words("{{n}}").unwrap(), ["{n}"]);
        assert_eq!(words("{none|empty|file.ext}").unwrap(), ["txt"]);
        assert_eq!(words("{files}").unwrap(), ["x", "{n}"]);
        assert_eq!(words("").unwrap(), [""]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("a{", "1..2 a `{` without its `}`, write `{{` for a brace"),
            ("a}b", "1..2 a `}` without its `{`, write `}}` for a brace"),
            ("{n:4}", "0..5 expected a width such as 04 after the colon, found `4`"),
            (
                "{}",
                "0..2 expected a variable such as {input} or {input.stem}, found {}; write `{{` for a brace",
            ),
            ("{m}", "`m` has no value"),
        ] {
            assert_eq!(words(text).unwrap_err(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}.:0-9nä ]{0,20}") {
            let _ = words(&text);
        }
    }
}
