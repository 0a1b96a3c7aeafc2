//! Values of arguments, before it is known what the argument wants.

use std::fmt;

use toml::de::DeValue;

/// Items of a list.
const ITEMS: usize = 1024;

/// What somebody wrote for an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text in quotes.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// A list of texts.
    List(Vec<String>),
    /// A word of a command line, where everything is a text: what it is, the argument decides.
    Word(String),
    /// What no argument takes, by what it is: `a table`.
    Other(&'static str),
}

impl Value {
    /// What a job file says.
    pub(crate) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(truth) => Self::Boolean(*truth),
            DeValue::Integer(integer) => {
                let digits = integer.as_str().replace('_', "");
                i64::from_str_radix(&digits, integer.radix())
                    .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer)
            }
            DeValue::Float(float) => float
                .as_str()
                .replace('_', "")
                .parse()
                .map_or(Self::Other("a number that can't be read"), Self::Number),
            DeValue::Array(items) if items.len() > ITEMS => Self::Other("a list of too many items"),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                });
                let texts: Option<Vec<String>> = texts.collect();
                texts.map_or(Self::Other("a list of other things than texts"), Self::List)
            }
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "the text",
            Self::Integer(_) => "the integer",
            Self::Number(_) => "the number",
            Self::Boolean(_) | Self::Word(_) => "",
            Self::List(_) => "the list",
            Self::Other(what) => what,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Word(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::List(items) => f.write_str(&items.join(", ")),
            Self::Other(what) => f.write_str(what),
        }
    }
}
