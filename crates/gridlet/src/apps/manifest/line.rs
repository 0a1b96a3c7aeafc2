//! Reads a command line as the manifest says: words in, values of variables out. Looks at no file.

use super::expr::Values;
use super::model::{Effect, Manifest, Opt, Role, Variable};
use super::value::{Kind, Value};

/// What becomes of a command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// It can be split.
    Read(Read),
    /// It runs as it is; why.
    Whole(String),
    /// It is wrong; what.
    Refused(String),
    /// It is none of this application's.
    Declined,
}

/// A command line, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Read {
    /// Variables that it gives a value. Flags and lists always have one.
    pub(super) values: Values,
}

/// Reads the words after the program.
pub(super) fn read(manifest: &Manifest, args: &[String]) -> Line {
    let mut reading = Reading {
        manifest,
        values: Values::new(),
        options: Vec::new(),
        merge: Vec::new(),
        positional: Vec::new(),
        whole: None,
    };
    match reading.run(args) {
        Err(line) => line,
        Ok(()) => match reading.whole {
            Some(why) => Line::Whole(why),
            None => Line::Read(Read { values: reading.values }),
        },
    }
}

struct Reading<'a> {
    manifest: &'a Manifest,
    values: Values,
    options: Vec<String>,
    /// Those for the merge's command.
    merge: Vec<String>,
    positional: Vec<String>,
    whole: Option<String>,
}

/// An option in a word, and the value that is written in the same word.
struct Found<'a> {
    option: &'a Opt,
    name: &'a str,
    value: Option<String>,
}

impl<'a> Reading<'a> {
    fn run(&mut self, args: &[String]) -> Result<(), Line> {
        let manifest = self.manifest;
        for option in &manifest.options {
            if let Some(flag) = &option.flag {
                self.values.insert(flag.clone(), Value::Flag(false));
            }
        }
        let mut args = args.iter();
        let mut only_words = false;
        while let Some(word) = args.next() {
            if only_words || !self.looks_like_option(word) {
                self.positional.push(word.clone());
                continue;
            }
            if word == "--" {
                only_words = true;
                continue;
            }
            if let Some(found) = self.find(word) {
                let mut written = vec![word.clone()];
                let mut value = found.value;
                if found.option.value.is_some() && value.is_none() {
                    let next = args.next().ok_or_else(|| {
                        Line::Refused(format!("`{}`: expected a value, found the end", found.name))
                    })?;
                    written.push(next.clone());
                    value = Some(next.clone());
                }
                self.option(found.option, found.name, value, &written)?;
                continue;
            }
            if let Some(flags) = self.bundle(word) {
                for (option, name) in flags {
                    self.option(option, name, None, &[name.to_owned()])?;
                }
                continue;
            }
            let why = format!("the option `{word}` isn't known to {}", manifest.name);
            match manifest.unknown {
                Effect::Keep => self.options.push(word.clone()),
                other => self.give_up(other, why)?,
            }
        }
        self.place()?;
        let options = std::mem::take(&mut self.options);
        self.values.insert("options".to_owned(), Value::Texts(options));
        let merge = std::mem::take(&mut self.merge);
        self.values.insert("merge_options".to_owned(), Value::Texts(merge));
        Ok(())
    }

    fn looks_like_option(&self, word: &str) -> bool {
        if word.len() < 2 {
            return false;
        }
        let plus = || {
            self.manifest.options.iter().any(|o| o.names.iter().any(|n| n.text.starts_with('+')))
        };
        word.starts_with('-') || word.starts_with('+') && plus()
    }

    fn find(&self, word: &str) -> Option<Found<'a>> {
        let named = |exact: &dyn Fn(&Opt, &str) -> Option<Option<String>>| {
            self.manifest.options.iter().find_map(|option| {
                option.names.iter().find_map(|name| {
                    let value = exact(option, &name.text)?;
                    Some(Found { option, name: &name.text, value })
                })
            })
        };
        let exactly = named(&|option, name| {
            (name == word && (option.value.is_none() || option.forms.separate)).then_some(None)
        });
        let equals = || {
            named(&|option, name| {
                let value = word.strip_prefix(name)?.strip_prefix('=')?;
                (option.value.is_some() && option.forms.equals).then(|| Some(value.to_owned()))
            })
        };
        let attached = || {
            named(&|option, name| {
                let value = word.strip_prefix(name).filter(|value| !value.is_empty())?;
                let long = name.starts_with("--");
                (option.value.is_some() && option.forms.attached && !long)
                    .then(|| Some(value.to_owned()))
            })
        };
        // `-metadata*`; the longest one knows best.
        let begins = || {
            let all = self.manifest.options.iter().flat_map(|option| {
                option.names.iter().filter_map(move |name| {
                    let start = name.text.strip_suffix('*')?;
                    word.starts_with(start).then_some((start.len(), option, name.text.as_str()))
                })
            });
            let (_, option, name) = all.max_by_key(|(length, _, _)| *length)?;
            Some(Found { option, name, value: None })
        };
        exactly.or_else(equals).or_else(attached).or_else(begins)
    }

    /// `-ab` as `-a -b`, if both are flags.
    fn bundle(&self, word: &str) -> Option<Vec<(&'a Opt, &'a str)>> {
        let letters = word.strip_prefix('-').filter(|_| self.manifest.bundled)?;
        let flag = |letter: char| {
            self.manifest.options.iter().filter(|option| option.value.is_none()).find_map(
                |option| {
                    let is = |name: &&super::reader::Text| name.text.chars().eq(['-', letter]);
                    option.names.iter().find(is).map(|name| (option, name.text.as_str()))
                },
            )
        };
        letters.chars().map(flag).collect()
    }

    /// What can't be split, or isn't ours.
    fn give_up(&mut self, effect: Effect, why: String) -> Result<(), Line> {
        match effect {
            Effect::Decline => Err(Line::Declined),
            Effect::Refuse => Err(Line::Refused(why)),
            _ => {
                self.whole.get_or_insert(why);
                Ok(())
            }
        }
    }

    fn option(
        &mut self,
        option: &'a Opt,
        name: &str,
        value: Option<String>,
        written: &[String],
    ) -> Result<(), Line> {
        let typed = written.first().map_or(name, String::as_str);
        let say = || match &option.say {
            // Which of its names it was.
            Some(say) if option.names.len() > 1 => format!("{say} (`{typed}`)"),
            Some(say) => say.clone(),
            None => format!("`{typed}` can't be split"),
        };
        if option.first && !(self.options.is_empty() && self.merge.is_empty()) {
            let before = self.options.first().or(self.merge.first()).cloned().unwrap_or_default();
            self.give_up(Effect::Whole, format!("`{before}` comes before `{name}`"))?;
        }
        match option.effect {
            Effect::Keep | Effect::Note if option.merge => {
                self.merge.extend(written.iter().cloned());
            }
            Effect::Keep | Effect::Note => self.options.extend(written.iter().cloned()),
            Effect::Drop => {}
            other => self.give_up(other, say())?,
        }
        if let Some(flag) = &option.flag {
            self.values.insert(flag.clone(), Value::Flag(true));
        }
        match (&option.value, value) {
            (Some(variable), Some(value)) => self.assign(variable, name, &value),
            _ => Ok(()),
        }
    }

    fn assign(&mut self, variable: &Variable, what: &str, word: &str) -> Result<(), Line> {
        let wrong = |message: String| Line::Refused(format!("`{what}`: {message}"));
        let taken = match &variable.take {
            None => word,
            Some(pattern) => match pattern.0.captures(word).and_then(|found| found.get(1)) {
                Some(group) => group.as_str(),
                None => {
                    let why = format!("`{what} {word}` isn't understood");
                    return self.give_up(self.manifest.unknown, why);
                }
            },
        };
        let value = variable.form.read(taken).map_err(wrong)?;
        if let Some(number) = value.number() {
            let (min, max) = (variable.min.unwrap_or(f64::MIN), variable.max.unwrap_or(f64::MAX));
            if !(min..=max).contains(&number) {
                let limit = match (variable.min, variable.max) {
                    (Some(min), Some(max)) => format!("{min} to {max}"),
                    (Some(min), None) => format!("at least {min}"),
                    _ => format!("at most {max}"),
                };
                return Err(wrong(format!("expected {limit}, found {number}")));
            }
        }
        if variable.role == Role::Source && self.values.contains_key(&variable.name) {
            return self.give_up(Effect::Whole, format!("`{what}` is given twice"));
        }
        if !variable.repeat {
            self.values.insert(variable.name.clone(), value);
            return Ok(());
        }
        let empty = match variable.kind() {
            Kind::Numbers => Value::Numbers(Vec::new()),
            _ => Value::Texts(Vec::new()),
        };
        match self.values.entry(variable.name.clone()).or_insert(empty) {
            Value::Numbers(list) => list.extend(value.number()),
            Value::Texts(list) => list.push(value.word()),
            _ => {}
        }
        Ok(())
    }

    /// Gives words that are no options to their variables.
    fn place(&mut self) -> Result<(), Line> {
        let manifest = self.manifest;
        let words = std::mem::take(&mut self.positional);
        let repeat = manifest.words.iter().position(|word| word.variable.repeat);
        let needed = manifest.words.iter().filter(|w| !w.optional && !w.variable.repeat).count();
        let needed = needed + usize::from(repeat.is_some_and(|at| !manifest.words[at].optional));
        if words.len() < needed {
            let name = |word: &super::model::Word| word.variable.name.clone();
            let names: Vec<_> = manifest.words.iter().filter(|w| !w.optional).map(name).collect();
            let why = format!(
                "expected at least {needed} words that are no options ({}), found {}",
                names.join(", "),
                words.len()
            );
            return self.give_up(manifest.unknown, why);
        }
        let (before, after) = match repeat {
            Some(at) => (at, manifest.words.len() - at - 1),
            None => (manifest.words.len(), 0),
        };
        if repeat.is_none() && words.len() > before {
            let why = format!("the word `{}` isn't expected by {}", words[before], manifest.name);
            return self.give_up(manifest.unknown, why);
        }
        let tail = words.len() - after.min(words.len());
        for (index, word) in words.iter().enumerate() {
            let spec = if index < before {
                index
            } else if index < tail {
                before
            } else {
                before + 1 + (index - tail)
            };
            let variable = &manifest.words[spec].variable;
            self.assign(variable, &variable.name, word)?;
        }
        Ok(())
    }
}

/// All variables that a word of the command may give a value, in the order of the manifest.
pub(super) fn variables(manifest: &Manifest) -> impl Iterator<Item = &Variable> {
    let options = manifest.options.iter().filter_map(|option| option.value.as_ref());
    options.chain(manifest.words.iter().map(|word| &word.variable))
}

/// The variable that says where the output goes.
pub(super) fn output(manifest: &Manifest) -> Option<&Variable> {
    variables(manifest).find(|variable| variable.role == Role::Output)
}
