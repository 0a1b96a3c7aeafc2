//! What a service is for those who write one, and those of one job.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::description::Description;
use crate::error::{Error, Origin};
use crate::settings::NodeSettings;

/// A non-functional property of the nodes of a job (Caromel et al., section 5.2: "This class defines how
/// to configure a node").
pub trait TechnicalService: Send + Sync {
    /// Takes its arguments, whose names and types are right already, and checks what depends on several
    /// of them. Called once, before anything else.
    ///
    /// # Errors
    /// With [`Args::refuse`], if they can't be meant.
    fn init(&mut self, args: &Args) -> Result<(), Error>;

    /// Sets nodes up: after they were acquired, before the program uses them. What is known of the job is
    /// in [`NodeSettings::facts`].
    ///
    /// # Errors
    /// If the job can't be treated that way; says what would work.
    fn apply(&self, node: &mut NodeSettings) -> Result<(), Error>;

    /// What holds now that it was applied, as name and value for people. Empty: the arguments as given,
    /// and the defaults of the others.
    fn in_force(&self, _node: &NodeSettings) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// The services of one job, checked, not yet applied.
pub struct Services(pub(crate) Vec<Chosen>);

/// One of them.
pub(crate) struct Chosen {
    /// What it is; two descriptions for a combination.
    pub(crate) descriptions: Vec<Description>,
    pub(crate) args: Args,
    pub(crate) service: Box<dyn TechnicalService>,
}

/// A service that acts on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its class.
    pub class: String,
    /// What holds.
    pub settings: Vec<Setting>,
}

/// One thing that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// What it is called: an argument's name, mostly.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where it was said; empty: nobody did, it is the default.
    pub from: String,
}

impl Services {
    /// Sets nodes up for the job, each service in turn.
    ///
    /// # Errors
    /// That of the first service that refuses.
    pub fn apply(&self, node: &mut NodeSettings) -> Result<(), Error> {
        self.0.iter().try_for_each(|chosen| chosen.service.apply(node))
    }

    /// What holds, once it was applied.
    pub fn in_force(&self, node: &NodeSettings) -> Vec<InForce> {
        let services = self.0.iter().map(|chosen| InForce {
            class: chosen.args.class().to_owned(),
            settings: chosen.settings(node),
        });
        services.collect()
    }

    /// A refusal of an argument by those who carry it out, at the place where it was said.
    pub fn refuse(&self, class: &str, argument: &str, why: impl Into<String>) -> Error {
        let chosen = self.0.iter().find(|chosen| chosen.args.class() == class);
        match chosen {
            Some(chosen) => chosen.args.refuse(argument, why),
            None => Args::new(class, Origin::default()).refuse(argument, why),
        }
    }

    /// Their classes.
    pub fn classes(&self) -> Vec<&str> {
        self.0.iter().map(|chosen| chosen.args.class()).collect()
    }
}

impl Chosen {
    fn settings(&self, node: &NodeSettings) -> Vec<Setting> {
        let from = |name: &str| {
            let given = self.args.given().find(|(given, ..)| *given == name);
            given.map_or_else(String::new, |(_, _, origin)| match origin.text.as_str() {
                "" => "the request".to_owned(),
                text => text.to_owned(),
            })
        };
        let setting = |name: String, value: String| Setting { from: from(&name), name, value };
        let own = self.service.in_force(node);
        if !own.is_empty() {
            return own.into_iter().map(|(name, value)| setting(name, value)).collect();
        }
        let several = self.descriptions.len() > 1;
        let arguments = self.descriptions.iter().flat_map(|description| {
            description.arguments.iter().map(move |argument| (description.class, argument))
        });
        let named = arguments.map(|(class, argument)| {
            let name = if several {
                format!("{class}.{}", argument.name)
            } else {
                argument.name.to_owned()
            };
            let given = self.args.get(&name).map(ToString::to_string);
            let value = given.unwrap_or_else(|| argument.default.to_owned());
            setting(name, value)
        });
        named.collect()
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Services").field(&self.classes()).finish()
    }
}
