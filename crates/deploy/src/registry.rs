//! The services that a program knows, and the way from what a job names to what acts on it.
//!
//! ```text
//!  blocks ─▶ each: known class? known arguments, right types? ─▶ no two on one aspect? ─▶ init ─▶ Services
//!               └──────────── everything that is wrong, in one go ─────────┴───────────────┘
//! ```

use std::sync::Arc;

use outlast_gridlet::apps::manifest::similar;

use crate::args::Args;
use crate::block::{Block, Given, limits};
use crate::description::{Argument, Description, canonical};
use crate::error::{Error, Origin, Problem};
use crate::service::{Chosen, Services, TechnicalService};
use crate::value::Value;
use crate::verification;

type Make = Arc<dyn Fn() -> Box<dyn TechnicalService> + Send + Sync>;

/// The services that a program knows.
#[derive(Clone, Default)]
pub struct Registry {
    classes: Vec<Class>,
    combinations: Vec<Combination>,
}

#[derive(Clone)]
struct Class {
    description: Description,
    make: Make,
}

#[derive(Clone)]
struct Combination {
    first: &'static str,
    second: &'static str,
    make: Make,
}

/// A service that can't be registered: a mistake of whoever wrote the program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is one of this name.
    #[error("a service `{0}` is registered already")]
    Taken(&'static str),
    /// A class, an argument or an aspect is missing or has a name that no job file could say.
    #[error(
        "service `{class}`: expected names of lower-case letters and digits with `-` or `_` between, and an aspect; found `{found}`"
    )]
    Name {
        /// The service.
        class: &'static str,
        /// The bad name.
        found: &'static str,
    },
    /// Combined is only what is registered.
    #[error("no service `{0}` is registered that could be combined")]
    Unknown(&'static str),
}

impl Registry {
    /// Those that come with Outlast.
    pub fn builtin() -> Self {
        let class = Class {
            description: verification::DESCRIPTION,
            make: Arc::new(|| Box::<verification::VerificationService>::default()),
        };
        Self { classes: vec![class], combinations: Vec::new() }
    }

    /// Adds a service. `make` makes one that has yet to be given its arguments.
    ///
    /// # Errors
    /// If its description can't be used.
    pub fn register(
        &mut self,
        description: Description,
        make: impl Fn() -> Box<dyn TechnicalService> + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        let Description { class, aspects, arguments, .. } = description;
        if self.get(class).is_some() {
            return Err(RegisterError::Taken(class));
        }
        let names = arguments.iter().map(|argument| argument.name);
        let mut seen = Vec::new();
        for name in [class, aspects.first().copied().unwrap_or_default()].into_iter().chain(names) {
            let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            let is_name = !name.is_empty() && name.chars().all(right) && name != "class";
            if !is_name || seen.contains(&canonical(name)) && name != class && name != aspects[0] {
                return Err(RegisterError::Name { class, found: name });
            }
            seen.push(canonical(name));
        }
        self.classes.push(Class { description, make: Arc::new(make) });
        Ok(())
    }

    /// Says what two services mean together that decide on the same aspect. The service that `make` makes
    /// acts in the place of both; its arguments are called `CLASS.NAME`.
    ///
    /// # Errors
    /// If one of them isn't registered.
    pub fn combine(
        &mut self,
        first: &'static str,
        second: &'static str,
        make: impl Fn() -> Box<dyn TechnicalService> + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        if let Some(unknown) = [first, second].into_iter().find(|name| self.get(name).is_none()) {
            return Err(RegisterError::Unknown(unknown));
        }
        self.combinations.push(Combination { first, second, make: Arc::new(make) });
        Ok(())
    }

    /// What there is, in the order of registration.
    pub fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.classes.iter().map(|class| &class.description)
    }

    /// The service of this name.
    pub fn get(&self, name: &str) -> Option<&Description> {
        self.class(name).map(|class| &class.description)
    }

    fn class(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.description.class == name)
    }

    /// What a file says (`below`) and what is said on top of it: arguments of the same service add up. Two
    /// values for one argument are refused, not chosen from, unless they are the same.
    ///
    /// # Errors
    /// All arguments that are said twice.
    pub fn merge(&self, below: Vec<Block>, above: Vec<Block>) -> Result<Vec<Block>, Vec<Error>> {
        let (mut blocks, mut wrong) = (below, Vec::new());
        for block in above {
            let Some(other) = blocks.iter_mut().find(|other| other.class == block.class) else {
                blocks.push(block);
                continue;
            };
            for given in block.args {
                let same = |o: &&Given| canonical(&o.name) == canonical(&given.name);
                match other.args.iter().find(same) {
                    None => other.args.push(given),
                    Some(said) if self.agree(&other.class, said, &given) => {}
                    Some(said) => wrong.push(twice(&other.class, said, &given)),
                }
            }
        }
        if wrong.is_empty() { Ok(blocks) } else { Err(wrong) }
    }

    /// What is said, and the arguments of `defaults` that it doesn't name.
    pub fn fill(&self, said: Vec<Block>, defaults: Vec<Block>) -> Vec<Block> {
        let mut blocks = said;
        for block in defaults {
            let Some(other) = blocks.iter_mut().find(|other| other.class == block.class) else {
                blocks.push(block);
                continue;
            };
            for given in block.args {
                let same = |said: &Given| canonical(&said.name) == canonical(&given.name);
                if !other.args.iter().any(same) {
                    other.args.push(given);
                }
            }
        }
        blocks
    }

    fn agree(&self, class: &str, a: &Given, b: &Given) -> bool {
        let argument = self.get(class).and_then(|description| find(description, &a.name));
        argument.is_some_and(|argument| {
            matches!((argument.kind.read(&a.value), argument.kind.read(&b.value)), (Ok(a), Ok(b)) if a == b)
        })
    }

    /// The same with values of the types that the arguments want: words of a command line are numbers then. What is
    /// wrong stays as it is, for [`Registry::check`].
    pub fn settle(&self, mut blocks: Vec<Block>) -> Vec<Block> {
        for block in &mut blocks {
            let Some(description) = self.get(&block.class) else { continue };
            for given in &mut block.args {
                let argument = find(description, &given.name);
                let value = argument.and_then(|argument| argument.kind.read(&given.value).ok());
                given.value = value.unwrap_or_else(|| given.value.clone());
            }
        }
        blocks
    }

    /// Checks what a job names, and gives each service its arguments. Those that always act are added.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check(&self, blocks: &[Block]) -> Result<Services, Vec<Error>> {
        let mut wrong = Vec::new();
        if blocks.len() > limits::BLOCKS {
            let what = format!("{} services, expected at most {}", blocks.len(), limits::BLOCKS);
            return Err(vec![Error::new(Origin::default(), Problem::Form(what))]);
        }
        let mut open: Vec<(&Class, Args)> = Vec::new();
        for block in blocks {
            match self.typed(block) {
                Ok(typed) => open.push(typed),
                Err(errors) => wrong.extend(errors),
            }
        }
        for class in self.classes.iter().filter(|class| class.description.always) {
            if !open
                .iter()
                .any(|(other, _)| shared(&class.description, &other.description).is_some())
            {
                open.push((class, Args::new(class.description.class, Origin::default())));
            }
        }
        let mut services = Vec::new();
        while !open.is_empty() {
            let (class, args) = open.remove(0);
            let mut chosen =
                Chosen { descriptions: vec![class.description], args, service: (class.make)() };
            while let Some((at, aspect)) = clash(&chosen, &open) {
                let (other, others) = open.remove(at);
                match self.combination(&chosen, other) {
                    Some(make) => {
                        let both =
                            format!("{}+{}", class.description.class, other.description.class);
                        chosen.args = Args::both(&both, &chosen.args, &others);
                        chosen.descriptions.push(other.description);
                        chosen.service = make();
                    }
                    None => wrong.push(same_aspect(aspect, &chosen.args, &others)),
                }
            }
            services.push(chosen);
        }
        if wrong.is_empty() {
            for chosen in &mut services {
                wrong.extend(chosen.service.init(&chosen.args).err());
            }
        }
        if wrong.is_empty() { Ok(Services(services)) } else { Err(wrong) }
    }

    /// What makes one service of two, of which neither is a combination.
    fn combination(&self, chosen: &Chosen, other: &Class) -> Option<&Make> {
        let [first] = chosen.descriptions.as_slice() else { return None };
        let (a, b) = (first.class, other.description.class);
        let found = self.combinations.iter().find(|combination| {
            let pair = (combination.first, combination.second);
            pair == (a, b) || pair == (b, a)
        });
        found.map(|combination| &combination.make)
    }

    /// A block with a known class, known arguments and right types.
    fn typed(&self, block: &Block) -> Result<(&Class, Args), Vec<Error>> {
        block.measure().map_err(|error| vec![error])?;
        let Some(class) = self.class(&block.class) else {
            return Err(vec![self.unknown_class(block)]);
        };
        let description = &class.description;
        let mut args = Args::new(description.class, block.origin.clone());
        let mut wrong = Vec::new();
        for (index, given) in block.args.iter().enumerate() {
            let Some(argument) = find(description, &given.name) else {
                wrong.push(unknown_argument(description, given));
                continue;
            };
            let earlier = block.args[..index].iter();
            let same = |said: &&Given| canonical(&said.name) == canonical(&given.name);
            if let Some(said) = earlier.into_iter().find(same) {
                wrong.push(twice(description.class, said, given));
                continue;
            }
            match argument.kind.read(&given.value) {
                Ok(value) => args.insert(argument.name, value, given.origin.clone()),
                Err(wrong_type) => {
                    let problem = Problem::IllTyped {
                        class: description.class.to_owned(),
                        argument: argument.name.to_owned(),
                        expected: wrong_type.expected,
                        found: wrong_type.found,
                    };
                    let error = Error::new(given.origin.clone(), problem);
                    wrong.push(match meant(argument, &given.value) {
                        Some(near) => error.with_help(format!("did you mean `{near}`?")),
                        None => error,
                    });
                }
            }
        }
        if wrong.is_empty() { Ok((class, args)) } else { Err(wrong) }
    }

    fn unknown_class(&self, block: &Block) -> Error {
        let names: Vec<&str> = self.descriptions().map(|known| known.class).collect();
        let near = similar(&block.class, names.iter().copied());
        let problem = Problem::UnknownClass { found: block.class.clone(), known: names.join(", ") };
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`outlast services` lists those that there are".to_owned(),
        };
        Error::new(block.origin.clone(), problem).with_help(help)
    }
}

fn find<'d>(description: &'d Description, name: &str) -> Option<&'d Argument> {
    let name = canonical(name);
    description.arguments.iter().find(|argument| canonical(argument.name) == name)
}

/// The first aspect that both decide on.
fn shared(a: &Description, b: &Description) -> Option<&'static str> {
    a.aspects.iter().find(|aspect| b.aspects.contains(aspect)).copied()
}

/// The first of the others that decides on something that the chosen one decides on.
fn clash(chosen: &Chosen, others: &[(&Class, Args)]) -> Option<(usize, &'static str)> {
    others.iter().enumerate().find_map(|(at, (other, _))| {
        let mut own = chosen.descriptions.iter();
        own.find_map(|description| shared(description, &other.description))
            .map(|aspect| (at, aspect))
    })
}

fn same_aspect(aspect: &str, first: &Args, second: &Args) -> Error {
    let problem = Problem::SameAspect {
        aspect: aspect.to_owned(),
        first: Error::name(first.class(), first.origin()),
        second: Error::name(second.class(), second.origin()),
    };
    let help = if first.class() == second.class() {
        "put the arguments of both into one of them, and leave the other out"
    } else {
        "leave one of them out"
    };
    Error::new(second.origin().clone(), problem).with_help(help)
}

fn twice(class: &str, first: &Given, second: &Given) -> Error {
    let problem = Problem::Twice {
        class: class.to_owned(),
        argument: canonical(&first.name),
        first: Error::value(&first.value, &first.origin),
        second: Error::value(&second.value, &second.origin),
    };
    Error::new(second.origin.clone(), problem).with_help("leave one of them out")
}

fn unknown_argument(description: &Description, given: &Given) -> Error {
    let names: Vec<&str> = description.arguments.iter().map(|argument| argument.name).collect();
    let near = similar(&canonical(&given.name), names.iter().copied());
    let problem = Problem::UnknownArgument {
        class: description.class.to_owned(),
        found: given.name.clone(),
        known: names.join(", "),
    };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`outlast services {}` tells what each of them means", description.class),
    };
    Error::new(given.at.clone(), problem).with_help(help)
}

/// The word that was meant, of an argument that takes some.
fn meant(argument: &Argument, value: &Value) -> Option<&'static str> {
    match (argument.kind, value) {
        (crate::Kind::Choice(words), Value::Text(word) | Value::Word(word)) => {
            similar(word, words.iter().copied())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
