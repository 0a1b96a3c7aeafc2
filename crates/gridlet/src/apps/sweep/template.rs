//! Words with placeholders: `{a}` is a value of parameter `a`, `{n}` the number of the run, `{{` and
//! `}}` are braces.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::OpenError;

/// The placeholder for the number of a run.
pub(super) const NUMBER: &str = "n";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    Text(String),
    /// The value of this parameter.
    Value(u32),
    Number,
}

/// A word, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Template {
    parts: Vec<Part>,
}

/// What a run puts into templates.
pub(super) struct Run<'a> {
    /// One value for each parameter.
    pub(super) values: Vec<Cow<'a, str>>,
    /// Its number, padded.
    pub(super) number: String,
}

impl Template {
    /// A word without placeholders.
    pub(super) fn plain(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())] }
    }

    /// Takes a word apart; `names` are those of the parameters, in order.
    ///
    /// # Errors
    /// [`OpenError::Usage`] for a placeholder that is unknown or has no end, and for a lone brace.
    pub(super) fn parse(word: &str, names: &[&str]) -> Result<Self, OpenError> {
        let usage = |message: &str| {
            OpenError::Usage(format!("{message} in `{word}`; write `{{{{` or `}}}}` for a brace"))
        };
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = word;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(after) = tail.strip_prefix("{{") {
                text.push('{');
                rest = after;
            } else if let Some(after) = tail.strip_prefix("}}") {
                text.push('}');
                rest = after;
            } else if let Some(after) = tail.strip_prefix('{') {
                let (name, after) =
                    after.split_once('}').ok_or_else(|| usage("a `{` without its `}`"))?;
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(match names.iter().position(|known| *known == name) {
                    Some(index) => Part::Value(index as u32),
                    None if name == NUMBER => Part::Number,
                    None => {
                        let known = names.join(", ");
                        return Err(usage(&format!(
                            "unknown placeholder `{{{name}}}`, expected one of {known}, {NUMBER}"
                        )));
                    }
                });
                rest = after;
            } else {
                return Err(usage("a `}` without its `{`"));
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts })
    }

    /// The word of a run.
    pub(super) fn render(&self, run: &Run<'_>) -> String {
        let mut word = String::new();
        for part in &self.parts {
            word.push_str(match part {
                Part::Text(text) => text,
                Part::Value(index) => &run.values[*index as usize],
                Part::Number => &run.number,
            });
        }
        word
    }

    /// Bytes of the longest word, given the longest values and numbers.
    pub(super) fn width(&self, widths: &[usize], number: usize) -> usize {
        let part = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Value(index) => widths[*index as usize],
            Part::Number => number,
        };
        self.parts.iter().map(part).sum()
    }

    /// Whether it has the value of this parameter in it.
    pub(super) fn uses(&self, index: usize) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(i) if *i as usize == index))
    }

    /// Whether it has the number of the run in it.
    pub(super) fn uses_number(&self) -> bool {
        self.parts.contains(&Part::Number)
    }

    /// Whether one of these characters stands in it, outside of values.
    pub(super) fn has_text(&self, chars: [char; 2]) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(chars)))
    }

    /// Whether it is the same for all runs.
    pub(super) fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether all that it refers to is there.
    pub(super) fn fits(&self, parameters: usize) -> bool {
        self.parts.iter().all(|part| !matches!(part, Part::Value(i) if *i as usize >= parameters))
    }
}
