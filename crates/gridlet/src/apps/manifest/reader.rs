//! Reads tables of TOML key by key and notes what is wrong with each, so that one look at a
//! manifest finds all that is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Problems, similar};
use super::expr::Expr;
use super::template::Template;

/// A text with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A table being read. What nobody asked for when it is finished is an unknown key.
pub(super) struct Reader<'t, 's> {
    table: &'t DeTable<'s>,
    /// Of its header, or of all of an inline one.
    pub(super) span: Range<usize>,
    /// Name of the table in messages: `[split]`.
    title: String,
    asked: BTreeSet<&'static str>,
}

impl<'t, 's> Reader<'t, 's> {
    pub(super) fn new(table: &'t DeTable<'s>, span: Range<usize>, title: &str) -> Self {
        Self { table, span, title: title.to_owned(), asked: BTreeSet::new() }
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'s>>> {
        self.asked.insert(key);
        self.table.get(&Spanned::new(0..0, Cow::Borrowed(key)) as &Spanned<Cow<'_, str>>)
    }

    /// Whether the key is there.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Where the key's value stands; the table's own place if it isn't there.
    pub(super) fn place(&mut self, key: &'static str) -> Range<usize> {
        self.get(key).map_or(self.span.clone(), Spanned::span)
    }

    fn wrong(problems: &mut Problems<'_>, value: &Spanned<DeValue<'_>>, key: &str, what: &str) {
        let found = kind(value.get_ref());
        problems.add(&value.span(), format!("`{key}`: expected {what}, found {found}"));
    }

    fn missing(&self, problems: &mut Problems<'_>, key: &str, what: &str) {
        problems.add(&self.span, format!("{} has no `{key}`, expected {what}", self.title));
    }

    pub(super) fn text(&mut self, problems: &mut Problems<'_>, key: &'static str) -> Option<Text> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Text { text: text.to_string(), span: value.span() }),
            _ => {
                Self::wrong(problems, value, key, "a text");
                None
            }
        }
    }

    pub(super) fn required(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
        what: &str,
    ) -> Option<Text> {
        if !self.has(key) {
            self.missing(problems, key, what);
        }
        self.text(problems, key)
    }

    pub(super) fn boolean(&mut self, problems: &mut Problems<'_>, key: &'static str) -> bool {
        match self.get(key) {
            None => false,
            Some(value) => value.get_ref().as_bool().unwrap_or_else(|| {
                Self::wrong(problems, value, key, "true or false");
                false
            }),
        }
    }

    /// A text or a list of them.
    pub(super) fn texts(&mut self, problems: &mut Problems<'_>, key: &'static str) -> Vec<Text> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let items = match value.get_ref() {
            DeValue::String(_) => std::slice::from_ref(value),
            DeValue::Array(array) => array,
            _ => {
                Self::wrong(problems, value, key, "a text or a list of texts");
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => {
                    texts.push(Text { text: text.to_string(), span: item.span() });
                }
                _ => Self::wrong(problems, item, key, "a text"),
            }
        }
        texts
    }

    /// A whole number in this range.
    pub(super) fn integer(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
        range: Range<i64>,
    ) -> Option<i64> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer().and_then(integer_of);
        if number.is_none_or(|number| !range.contains(&number)) {
            let what = format!("an integer from {} to {}", range.start, range.end - 1);
            let found = match number {
                Some(number) => number.to_string(),
                None => kind(value.get_ref()).to_owned(),
            };
            problems.add(&value.span(), format!("`{key}`: expected {what}, found {found}"));
            return None;
        }
        number
    }

    /// A number that isn't negative.
    pub(super) fn number(&mut self, problems: &mut Problems<'_>, key: &'static str) -> Option<f64> {
        let value = self.get(key)?;
        let number = number_of(value.get_ref()).filter(|n| n.is_finite() && *n >= 0.0);
        if number.is_none() {
            Self::wrong(problems, value, key, "a number, at least 0");
        }
        number
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(problems, key)?;
        let found = choices.iter().find(|(name, _)| *name == text.text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = similar(&text.text, names.iter().copied());
            problems.add_help(
                &text.span,
                format!("`{key}`: expected one of {}, found `{}`", names.join(", "), text.text),
                near.map(|near| format!("did you mean `{near}`?")),
            );
        }
        found.map(|(_, choice)| *choice)
    }

    /// A number or an expression.
    pub(super) fn expression(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
    ) -> Option<Expr> {
        let value = self.get(key)?;
        expression(problems, value, key)
    }

    pub(super) fn template(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
    ) -> Option<Template> {
        let text = self.text(problems, key)?;
        template(problems, &text)
    }

    /// A template or a list of them.
    pub(super) fn templates(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
    ) -> Vec<Template> {
        let texts = self.texts(problems, key);
        texts.iter().filter_map(|text| template(problems, text)).collect()
    }

    /// A table of its own below this one.
    pub(super) fn table(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
        title: &str,
    ) -> Option<Reader<'t, 's>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Reader::new(table, value.span(), title)),
            _ => {
                Self::wrong(problems, value, key, &format!("a table {title}"));
                None
            }
        }
    }

    /// `[[key]]`.
    pub(super) fn tables(
        &mut self,
        problems: &mut Problems<'_>,
        key: &'static str,
    ) -> Vec<Reader<'t, 's>> {
        let title = format!("[[{key}]]");
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            Self::wrong(problems, value, key, &format!("tables, each beginning with {title}"));
            return Vec::new();
        };
        let mut readers = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::Table(table) => readers.push(Reader::new(table, item.span(), &title)),
                _ => Self::wrong(problems, item, key, "a table"),
            }
        }
        readers
    }

    /// All entries, in the order of the file, for tables whose keys are names.
    pub(super) fn entries(&mut self) -> Vec<(Text, &'t Spanned<DeValue<'s>>)> {
        let entry = |(key, value): (&Spanned<Cow<'s, str>>, &'t Spanned<DeValue<'s>>)| {
            (Text { text: key.get_ref().to_string(), span: key.span() }, value)
        };
        let mut entries: Vec<_> = self.table.iter().map(entry).collect();
        entries.sort_by_key(|(key, _)| key.span.start);
        entries
    }

    /// Complains of keys that nobody asked for.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if self.asked.contains(name) {
                continue;
            }
            let known: Vec<&str> = self.asked.iter().copied().collect();
            let help = match similar(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", known.join(", ")),
            };
            let message = format!("unknown key `{name}` in {}", self.title);
            problems.add_help(&key.span(), message, Some(help));
        }
    }
}

/// In messages.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn integer_of(integer: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

/// Any number.
pub(super) fn number_of(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => integer_of(integer).map(|number| number as f64),
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// A value that is a number or a text with an expression.
pub(super) fn expression(
    problems: &mut Problems<'_>,
    value: &Spanned<DeValue<'_>>,
    key: &str,
) -> Option<Expr> {
    let span = value.span();
    if let Some(number) = number_of(value.get_ref()).filter(|number| number.is_finite()) {
        return Some(Expr::constant(number, span));
    }
    let DeValue::String(text) = value.get_ref() else {
        Reader::wrong(problems, value, key, "a number or an expression in quotes");
        return None;
    };
    match Expr::parse(text, span.clone()) {
        Ok(expr) => Some(expr),
        Err((at, message)) => {
            let place = inside(problems.text(), &span, text, &(at..at + 1));
            problems.add(&place, format!("`{key}`: {message}"));
            None
        }
    }
}

/// A template.
pub(super) fn template(problems: &mut Problems<'_>, text: &Text) -> Option<Template> {
    match Template::parse(&text.text, text.span.clone()) {
        Ok(template) => Some(template),
        Err((at, message)) => {
            problems.add(&inside(problems.text(), &text.span, &text.text, &at), message);
            None
        }
    }
}

/// Where a part of a text stands in the file: exactly, unless the text has escapes.
pub(super) fn inside(
    file: &str,
    span: &Range<usize>,
    text: &str,
    at: &Range<usize>,
) -> Range<usize> {
    let Some(raw) = file.get(span.clone()) else { return span.clone() };
    match raw.find(text) {
        Some(offset) if !text.is_empty() => {
            let start = span.start + offset;
            start + at.start.min(text.len())..start + at.end.min(text.len() + 1)
        }
        _ => span.clone(),
    }
}
