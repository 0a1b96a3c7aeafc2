//! Applications without code: a manifest, `NAME.toml`, says how a command is read, cut, run,
//! compared and joined. `docs/guide/manifests.md` is its reference.
//!
//! ```text
//!  NAME.toml ──parse──▶ Manifest ──check──▶ every problem with its line and column (Broken)
//!
//!  argv ──line──▶ values ──opened: inputs, probes, rules──▶ values ──split──▶ Opened
//!                   └──what it can't split──▶ the `command` application, with a note why
//!
//!  Opened ──manager──▶ recipes     answers ──judge──▶ right, alike     accepted ──join──▶ output
//! ```
//!
//! *What covers the work once.* A split knows the variables that tell atoms apart. A gridlet's
//! command has to use those of an atom (it is run for each) or all that delimit several; a result
//! that several atoms share a run for, and the place where results go, have to be named by them. So
//! a manifest that would do the same work twice, or overwrite one result with another, is refused
//! before anything runs.
//!
//! *What is saved.* A job keeps the text of its manifest ([`ApplicationManager::state`]), and the
//! application that restores it is always [`Restorer`], whatever became of the file.
//!
//! *What a manifest can't do.* It names no path outside of the job's folder, and its placeholders
//! are filled into words, never into a shell's script.

mod archive;
mod check;
mod diagnostic;
mod expr;
mod join;
mod judge;
mod line;
mod manager;
mod model;
mod opened;
mod parse;
mod probe;
mod reader;
mod shipped;
mod split;
mod template;
mod value;

use std::sync::Arc;

pub use diagnostic::{Broken, Diagnostic, similar};
pub use model::Manifest;

use crate::apps::command;
use crate::{Application, ApplicationManager, CommandLine, OpenError, SourceFiles, SplitHint};
use manager::{Manager, RESTORER};
use opened::{Opened, Outcome};

/// The manifests that come with Outlast.
pub fn shipped() -> Vec<Manifest> {
    let parse = |(file, text): &(&str, &str)| {
        Manifest::parse(file, text).expect("a test reads every shipped manifest")
    };
    shipped::SHIPPED.iter().map(parse).collect()
}

/// The application that a manifest describes.
#[derive(Clone, Debug)]
pub struct Described(Arc<Manifest>);

impl Described {
    /// The application of a manifest.
    pub fn new(manifest: Manifest) -> Self {
        Self(Arc::new(manifest))
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.0
    }
}

impl Application for Described {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn recognises(&self, command: &CommandLine) -> bool {
        let ours = command.argv.first().is_some_and(|program| self.0.is_program(program));
        ours && command.params.is_empty() && !opened::is_declined(&self.0, command)
    }

    fn takes(&self) -> Option<String> {
        Some(format!("commands of {} ({})", self.0.programs.join(", "), self.0.summary))
    }

    fn origin(&self) -> String {
        self.0.file.clone()
    }

    fn text(&self) -> Option<String> {
        Some(self.0.text.clone())
    }

    fn programs(&self) -> Vec<String> {
        let first = self.0.gridlet.run.first();
        match first {
            Some(word) if word.only() == Some("program") => self.0.programs.clone(),
            Some(word) if !word.text.contains(['{', '/']) => vec![word.text.clone()],
            _ => Vec::new(),
        }
    }

    fn open(
        &self,
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        match opened::open(&self.0, command, files, hint)? {
            Outcome::Opened(opened) => {
                Ok(Arc::new(Manager::new(Manifest::clone(&self.0), *opened)))
            }
            Outcome::Whole(why) => {
                let note = format!("{}: {why}, so it runs as one gridlet", self.0.name);
                command::open_noted(command, files, note)
            }
        }
    }

    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        Restorer.restore(state)
    }
}

/// Restores jobs of manifests, from the manifest in the job. Recognises no command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restorer;

impl Application for Restorer {
    fn name(&self) -> &str {
        RESTORER
    }

    fn recognises(&self, _: &CommandLine) -> bool {
        false
    }

    fn takes(&self) -> Option<String> {
        None
    }

    fn open(
        &self,
        _: &CommandLine,
        _: &dyn SourceFiles,
        _: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        Err(OpenError::Usage(
            "`manifest` is no application by itself, expected the name in a manifest \
             (`outlast app list` shows them)"
                .to_owned(),
        ))
    }

    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let (opened, manifest) = Opened::decode(state)?;
        Ok(Arc::new(Manager::new(manifest, opened)))
    }
}

#[cfg(test)]
mod tests;
