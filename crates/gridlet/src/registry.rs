//! The applications that a node knows, and which of them takes a command.

use std::sync::Arc;

use crate::{Application, CommandLine, OpenError};

/// The applications that this build knows, most specific first.
#[derive(Clone)]
pub struct Registry {
    applications: Vec<Arc<dyn Application>>,
    /// How many of the first ones were put in front by [`Registry::register`].
    registered: usize,
}

impl Registry {
    /// A registry of these, asked in this order.
    pub fn new(applications: Vec<Box<dyn Application>>) -> Self {
        let applications = applications.into_iter().map(Arc::from).collect();
        Self { applications, registered: 0 }
    }

    /// Puts an application in front of all others.
    pub fn register(&mut self, application: Box<dyn Application>) {
        self.applications.insert(0, Arc::from(application));
        self.registered += 1;
    }

    /// The same with these in addition, behind those that were registered and before all others,
    /// in this order. Each takes the place of others of its name.
    pub fn with(&self, more: impl IntoIterator<Item = Arc<dyn Application>>) -> Self {
        let more: Vec<_> = more.into_iter().collect();
        let (front, back) = self.applications.split_at(self.registered);
        let mut applications = front.to_vec();
        let named = |app: &Arc<dyn Application>| more.iter().any(|new| new.name() == app.name());
        applications.extend(more.iter().cloned());
        applications.extend(back.iter().filter(|app| !named(app)).cloned());
        Self { applications, registered: self.registered }
    }

    /// The applications, in order.
    pub fn applications(&self) -> impl Iterator<Item = &dyn Application> {
        self.applications.iter().map(AsRef::as_ref)
    }

    /// Names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.applications.iter().map(|app| app.name()).collect()
    }

    /// The application of this name.
    pub fn get(&self, name: &str) -> Option<&dyn Application> {
        self.applications.iter().find(|app| app.name() == name).map(AsRef::as_ref)
    }

    /// The application for a command line: the one that is named, or the first that recognises it.
    ///
    /// # Errors
    /// If the name is unknown, or no application takes the command.
    pub fn choose(
        &self,
        name: Option<&str>,
        command: &CommandLine,
    ) -> Result<&dyn Application, OpenError> {
        match name {
            Some(name) => self.get(name).ok_or_else(|| {
                OpenError::Usage(format!(
                    "unknown application `{name}`, expected one of {}",
                    self.names().join(", ")
                ))
            }),
            None => self
                .applications
                .iter()
                .find(|app| app.recognises(command))
                .map(AsRef::as_ref)
                .ok_or_else(|| OpenError::Usage("an empty command, expected a program".to_owned())),
        }
    }
}
