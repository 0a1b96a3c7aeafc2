//! A service as somebody named it: a class and arguments that nobody has checked yet.

use std::borrow::Cow;

use outlast_gridlet::apps::manifest::Diagnostic;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Origin, Problem};
use crate::value::Value;

/// Bounds of what a job may say of services; beyond them it is no job file.
pub mod limits {
    /// Services of one job.
    pub const BLOCKS: usize = 32;
    /// Arguments of one service.
    pub const ARGUMENTS: usize = 64;
    /// Bytes of one argument, name and value together.
    pub const ARGUMENT_BYTES: usize = 64 << 10;
}

/// An argument as it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Where that stands.
    pub at: Origin,
    /// What it says.
    pub value: Value,
    /// Where that stands.
    pub origin: Origin,
}

/// A service as it was named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Which one.
    pub class: String,
    /// Where that stands.
    pub origin: Origin,
    /// Its arguments, in their order.
    pub args: Vec<Given>,
}

impl Block {
    /// A service without arguments.
    pub fn new(class: impl Into<String>, origin: Origin) -> Self {
        Self { class: class.into(), origin, args: Vec::new() }
    }

    /// With an argument that was said at one place.
    pub fn push(&mut self, name: impl Into<String>, value: Value, origin: Origin) {
        self.args.push(Given { name: name.into(), at: origin.clone(), value, origin });
    }

    /// What `CLASS:NAME=VALUE,NAME=VALUE` says, which was given by `flag`. Several texts for one
    /// argument have a `+` between them.
    ///
    /// # Errors
    /// If it hasn't this form.
    pub fn parse(text: &str, flag: &str) -> Result<Self, Error> {
        let origin = Origin::said(format!("{flag} {text}"));
        let form = |found: &str| {
            let what = format!("expected CLASS:NAME=VALUE,…, found `{found}`");
            Error::new(origin.clone(), Problem::Form(what))
        };
        let (class, rest) = text.split_once(':').unwrap_or((text, ""));
        if class.is_empty() {
            return Err(form(text));
        }
        let mut block = Self::new(class, origin.clone());
        for part in rest.split(',').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    block.push(name, Value::Word(value.to_owned()), origin.clone());
                }
                _ => return Err(form(part)),
            }
        }
        Ok(block)
    }

    /// Whether it is within [`limits`].
    pub(crate) fn measure(&self) -> Result<(), Error> {
        let form = |what: String| Err(Error::new(self.origin.clone(), Problem::Form(what)));
        if self.args.len() > limits::ARGUMENTS {
            let (found, most) = (self.args.len(), limits::ARGUMENTS);
            return form(format!("a service with {found} arguments, expected at most {most}"));
        }
        for given in &self.args {
            let items = match &given.value {
                Value::Text(text) | Value::Word(text) => text.len(),
                Value::List(items) => items.iter().map(|item| item.len() + 1).sum(),
                _ => 0,
            };
            let (found, most) = (given.name.len() + items, limits::ARGUMENT_BYTES);
            if found > most {
                return form(format!("an argument of {found} bytes, expected at most {most}"));
            }
        }
        Ok(())
    }
}

/// The `[[service]]` tables of a job file, in their order. `file` is its name for people.
///
/// # Errors
/// All tables that are none, or have no class.
pub fn read(file: &str, text: &str, root: &DeTable<'_>) -> Result<Vec<Block>, Vec<Error>> {
    let origin = |span: std::ops::Range<usize>| {
        let place = Diagnostic::at(text, &span, String::new(), None);
        Origin { text: format!("{file}:{}:{}", place.line, place.column), span: Some(span) }
    };
    let form = |span, what: String| Error::new(origin(span), Problem::Form(what));
    let Some(services) = get(root, "service") else { return Ok(Vec::new()) };
    let DeValue::Array(items) = services.get_ref() else {
        let what = "`service`: expected tables, each beginning with [[service]]".to_owned();
        return Err(vec![form(services.span(), what)]);
    };
    let (mut blocks, mut wrong) = (Vec::new(), Vec::new());
    if items.len() > limits::BLOCKS {
        let what = format!("{} services, expected at most {}", items.len(), limits::BLOCKS);
        return Err(vec![form(services.span(), what)]);
    }
    for item in items {
        let DeValue::Table(table) = item.get_ref() else {
            wrong.push(form(item.span(), "expected a table that begins with [[service]]".into()));
            continue;
        };
        let class = get(table, "class");
        let Some(class_text) = class.and_then(|class| class.get_ref().as_str()) else {
            let span = class.map_or(item.span(), Spanned::span);
            let what = "a service has no `class`, expected the name of one".to_owned();
            wrong.push(form(span, what).with_help("`outlast services` lists those that there are"));
            continue;
        };
        let mut block = Block::new(class_text, origin(class.map_or(item.span(), Spanned::span)));
        let mut entries: Vec<_> =
            table.iter().filter(|(key, _)| key.get_ref().as_ref() != "class").collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        block.args.extend(entries.into_iter().map(|(key, value)| Given {
            name: key.get_ref().to_string(),
            at: origin(key.span()),
            value: Value::of(value.get_ref()),
            origin: origin(value.span()),
        }));
        blocks.push(block);
    }
    if wrong.is_empty() { Ok(blocks) } else { Err(wrong) }
}

fn get<'t, 's>(table: &'t DeTable<'s>, key: &'static str) -> Option<&'t Spanned<DeValue<'s>>> {
    table.get(&Spanned::new(0..0, Cow::Borrowed(key)) as &Spanned<Cow<'_, str>>)
}
