//! What a service says of itself: `outlast services` prints it, and it decides which arguments are
//! known and of which type they have to be.

use serde::Serialize;

use crate::value::Value;

/// A service, described.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Its name in job files: lower-case words with `-` between.
    pub class: &'static str,
    /// What it decides on. Two services with one of these in common exclude each other. At least one.
    pub aspects: &'static [&'static str],
    /// What it is for, in a line.
    pub about: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// Whether it acts, with its defaults, on jobs that name no service of its aspects.
    pub always: bool,
}

/// An argument of a service.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Argument {
    /// Its name in job files: lower-case words with `_` between; `-` is understood as well.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds if nobody says it, for people.
    pub default: &'static str,
    /// What it means, in a line.
    pub about: &'static str,
}

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any text that isn't empty.
    Text,
    /// Texts, or one of them.
    Texts,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer {
        /// The smallest.
        least: i64,
        /// The largest.
        most: i64,
    },
    /// A number.
    Number {
        /// The smallest.
        least: f64,
        /// The largest.
        most: f64,
    },
    /// True or false.
    Boolean,
}

/// A value that an argument doesn't take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IllTyped {
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Kind {
    /// In a message or a table: `an integer from 1 to 9`.
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Texts => "a text or a list of texts".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Integer { least, most } => format!("an integer from {least} to {most}"),
            Self::Number { least, most } => format!("a number from {least} to {most}"),
            Self::Boolean => "true or false".to_owned(),
        }
    }

    /// The value as this argument wants it: words of a command line become numbers and truths, a single
    /// text a list.
    pub(crate) fn read(&self, value: &Value) -> Result<Value, IllTyped> {
        let value = match value {
            Value::Word(word) => self.of_word(word),
            value => value.clone(),
        };
        let right = match (self, value) {
            (Self::Text, Value::Text(text)) if !text.trim().is_empty() => Ok(Value::Text(text)),
            (Self::Texts, Value::Text(text)) if !text.trim().is_empty() => {
                Ok(Value::List(vec![text]))
            }
            (Self::Texts, Value::List(items))
                if items.iter().all(|item| !item.trim().is_empty()) =>
            {
                Ok(Value::List(items))
            }
            (Self::Choice(words), Value::Text(text)) if words.contains(&text.as_str()) => {
                Ok(Value::Text(text))
            }
            (Self::Integer { least, most }, Value::Integer(number))
                if (*least..=*most).contains(&number) =>
            {
                Ok(Value::Integer(number))
            }
            (Self::Number { least, most }, Value::Number(number))
                if (*least..=*most).contains(&number) =>
            {
                Ok(Value::Number(number))
            }
            (Self::Number { least, most }, Value::Integer(number))
                if (*least..=*most).contains(&(number as f64)) =>
            {
                Ok(Value::Number(number as f64))
            }
            (Self::Boolean, Value::Boolean(truth)) => Ok(Value::Boolean(truth)),
            (_, value) => Err(value),
        };
        right.map_err(|found| IllTyped { expected: self.expected(), found: described(&found) })
    }

    fn of_word(&self, word: &str) -> Value {
        let text = || Value::Text(word.to_owned());
        match self {
            Self::Text | Self::Choice(_) => text(),
            Self::Texts => {
                Value::List(word.split('+').map(|item| item.trim().to_owned()).collect())
            }
            Self::Integer { .. } => word.parse().map_or_else(|_| text(), Value::Integer),
            Self::Number { .. } => word.parse().map_or_else(|_| text(), Value::Number),
            Self::Boolean => word.parse().map_or_else(|_| text(), Value::Boolean),
        }
    }
}

/// Longest piece of a value in a message.
const SHOWN_CHARS: usize = 60;

fn described(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    match value {
        Value::Text(_) | Value::List(_) if text.trim().is_empty() => "nothing".to_owned(),
        Value::Other(what) => (*what).to_owned(),
        Value::Boolean(_) | Value::Word(_) => format!("`{short}{more}`"),
        value => format!("{} `{short}{more}`", value.kind()),
    }
}

/// As names of arguments are compared: `max-answers` is `max_answers`.
pub(crate) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}
