//! Refusals: what is wrong with a service, where that was written, and what would do.

use std::fmt;
use std::ops::Range;

/// Where something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// For people: `scene.toml:12:5`, or `--samples`; empty if nobody knows.
    pub text: String,
    /// Bytes of the job file that was read just now.
    pub span: Option<Range<usize>>,
}

impl Origin {
    /// A flag, or a place in a file that was read by somebody else.
    pub fn said(text: impl Into<String>) -> Self {
        Self { text: text.into(), span: None }
    }

    /// In a sentence: ` (scene.toml:12:5)`, or nothing.
    fn aside(&self) -> String {
        if self.text.is_empty() { String::new() } else { format!(" ({})", self.text) }
    }
}

/// Something that is wrong with a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Box<Problem>,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.origin.text.is_empty() {
            write!(f, "{}: ", self.origin.text)?;
        }
        self.problem.fmt(f)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It isn't a list of tables, has no class, or is too large.
    #[error("{0}")]
    Form(String),
    /// No such service.
    #[error("unknown service `{found}`, expected one of {known}")]
    UnknownClass {
        /// As it was written.
        found: String,
        /// What there is, with commas.
        known: String,
    },
    /// It has no such argument.
    #[error("service `{class}` has no argument `{found}`, expected one of {known}")]
    UnknownArgument {
        /// The service.
        class: String,
        /// As it was written.
        found: String,
        /// What there is, with commas.
        known: String,
    },
    /// A value of another type, or outside of what is allowed.
    #[error("`{argument}` of service `{class}`: expected {expected}, found {found}")]
    IllTyped {
        /// The service.
        class: String,
        /// The argument.
        argument: String,
        /// What it takes.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// Two values for one argument.
    #[error("`{argument}` of service `{class}` is said twice: {first} and {second}")]
    Twice {
        /// The service.
        class: String,
        /// The argument.
        argument: String,
        /// One value, with its place.
        first: String,
        /// The other.
        second: String,
    },
    /// Two services decide on the same thing.
    #[error("services {first} and {second} both decide on {aspect}")]
    SameAspect {
        /// What both decide on.
        aspect: String,
        /// One of them, with its place.
        first: String,
        /// The other.
        second: String,
    },
    /// The service itself refuses: a value, a combination of them, or the job.
    #[error("{}service `{class}`: {why}", argument.as_ref().map_or_else(String::new, |name| format!("`{name}` of ")))]
    Refused {
        /// The service.
        class: String,
        /// The argument that is to be changed, if it is one.
        argument: Option<String>,
        /// What was expected and what was found.
        why: String,
    },
}

impl Error {
    pub(crate) fn new(origin: Origin, problem: Problem) -> Self {
        Self { origin, problem: Box::new(problem), help: None }
    }

    /// With what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Two services, as one names them in [`Problem::SameAspect`].
    pub(crate) fn name(class: &str, origin: &Origin) -> String {
        format!("`{class}`{}", origin.aside())
    }

    /// A value with its place, as in [`Problem::Twice`].
    pub(crate) fn value(value: &impl fmt::Display, origin: &Origin) -> String {
        format!("`{value}`{}", origin.aside())
    }
}
