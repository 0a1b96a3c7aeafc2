//! The arguments of one service, checked against its description: of known names and right types.

use std::collections::BTreeMap;

use crate::error::{Error, Origin, Problem};
use crate::value::Value;

/// The arguments of one service. Those that nobody gave are absent: what holds then is the service's
/// business. A combination of two services gets those of both, under `CLASS.NAME`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    class: String,
    origin: Origin,
    values: BTreeMap<String, (Value, Origin)>,
}

impl Args {
    pub(crate) fn new(class: &str, origin: Origin) -> Self {
        Self { class: class.to_owned(), origin, values: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, name: &str, value: Value, origin: Origin) {
        self.values.insert(name.to_owned(), (value, origin));
    }

    /// Those of two services, each under the name of its class.
    pub(crate) fn both(class: &str, first: &Self, second: &Self) -> Self {
        let mut both = Self::new(class, first.origin.clone());
        for args in [first, second] {
            for (name, (value, origin)) in &args.values {
                both.insert(&format!("{}.{name}", args.class), value.clone(), origin.clone());
            }
        }
        both
    }

    /// The class of the service.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Where the service was named.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the argument was given.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The argument as it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).map(|(value, _)| value)
    }

    /// A text, or the word that was chosen.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        match self.get(name) {
            Some(Value::List(items)) => Some(items),
            _ => None,
        }
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// True or false.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Value::Boolean(truth)) => Some(*truth),
            _ => None,
        }
    }

    /// All that were given, by name, with where that was.
    pub fn given(&self) -> impl Iterator<Item = (&str, &Value, &Origin)> {
        self.values.iter().map(|(name, (value, origin))| (name.as_str(), value, origin))
    }

    /// A refusal of this argument, at its place; at the service's if it wasn't given.
    pub fn refuse(&self, name: &str, why: impl Into<String>) -> Error {
        let origin = self.values.get(name).map_or(&self.origin, |(_, origin)| origin);
        let argument = Some(name.to_owned());
        let problem = Problem::Refused { class: self.class.clone(), argument, why: why.into() };
        Error::new(origin.clone(), problem)
    }

    /// A refusal that no single argument is the reason of.
    pub fn refuse_all(&self, why: impl Into<String>) -> Error {
        let problem =
            Problem::Refused { class: self.class.clone(), argument: None, why: why.into() };
        Error::new(self.origin.clone(), problem)
    }
}
