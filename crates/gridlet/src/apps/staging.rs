//! Which files of the submitter a command needs: those that it names.
//!
//! A worker sees a folder of its own, never the submitter's, so only what lies inside the folder of
//! the command can be staged under the name that the command uses for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use outlast_types::limits;

use crate::{CommandLine, InputFile, OpenError, Program, SourceFiles, is_inner_path};

/// Files staged for one job. Each of them appears in the folder of each step.
const INPUTS: usize = 1 << 16;

/// The name of standard input that lies outside the folder of the command. The program never sees it.
const STDIN: &str = ".outlast-stdin";

/// Where files are part of the system: a worker has its own, so nobody needs a warning.
const SYSTEM: [&str; 12] = [
    "/bin/", "/dev/", "/etc/", "/lib/", "/lib64/", "/nix/", "/opt/", "/proc/", "/sbin/", "/snap/",
    "/sys/", "/usr/",
];

/// The files found so far.
pub(super) struct Staging<'a> {
    files: &'a dyn SourceFiles,
    /// Source by name.
    inputs: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(files: &'a dyn SourceFiles) -> Self {
        Self { files, inputs: BTreeMap::new(), notes: Vec::new() }
    }

    /// Tells the user something.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Stages a file or folder that the user asked for; nothing of a folder that lies below `except`.
    pub(super) fn explicit(&mut self, path: &str, except: Option<&str>) -> Result<(), OpenError> {
        let name = inner(path);
        let Some(name) = name.filter(|_| !path.is_empty()) else {
            return Err(OpenError::Usage(format!(
                "input `{path}` is outside the folder of the command, expected a relative path \
                 without `..`: a worker sees only what is inside"
            )));
        };
        if self.files.is_file(path) {
            self.inputs.insert(name, path.to_owned());
            return Ok(());
        }
        let error = |source| OpenError::Input { path: path.to_owned(), source };
        let below = self.files.everything(path).map_err(error)?.ok_or_else(|| not_there(path))?;
        let except = except.and_then(inner).map(|folder| folder + "/");
        for source in below {
            let name = inner(&source).filter(|name| !name.is_empty()).ok_or_else(|| {
                OpenError::Usage(format!("input `{source}` has a name that can't be staged"))
            })?;
            if except.as_deref().is_none_or(|except| !name.starts_with(except)) {
                self.inputs.insert(name, source);
            }
        }
        Ok(())
    }

    /// Stages the file that a word of the command names, by itself or after a `=`, if it does and
    /// is not one of `except`.
    pub(super) fn word(&mut self, word: &str, except: &BTreeSet<String>) {
        let value = word.split_once('=').map(|(_, value)| value);
        for path in [Some(word), value].into_iter().flatten() {
            if path.is_empty() || path.len() > limits::PATH_BYTES || !self.files.is_file(path) {
                continue;
            }
            match inner(path) {
                Some(name) if except.contains(&name) => {}
                Some(name) => {
                    self.inputs.insert(name, path.to_owned());
                }
                None => self.outside(path),
            }
        }
    }

    /// Where the program comes from; a relative path is staged.
    pub(super) fn program(&mut self, word: &str) -> Result<Program, OpenError> {
        if !word.contains('/') {
            return Ok(Program::Installed(word.to_owned()));
        }
        if word.starts_with('/') {
            if self.files.is_file(word) {
                self.outside(word);
            }
            return Ok(Program::Installed(word.to_owned()));
        }
        let name = inner(word).filter(|name| !name.is_empty()).ok_or_else(|| {
            OpenError::Usage(format!(
                "program `{word}` is outside the folder of the command, expected a name on the \
                 workers' PATH, an absolute path, or a path inside"
            ))
        })?;
        if !self.files.is_file(word) {
            return Err(not_there(word));
        }
        self.inputs.insert(name.clone(), word.to_owned());
        Ok(Program::Staged(name))
    }

    /// Stages standard input, and says under which name.
    pub(super) fn stdin(&mut self, path: &str) -> Result<String, OpenError> {
        if !self.files.is_file(path) {
            return Err(not_there(path));
        }
        let name = inner(path).unwrap_or_else(|| STDIN.to_owned());
        self.inputs.insert(name.clone(), path.to_owned());
        Ok(name)
    }

    /// Whether the submitter could run this program itself.
    pub(super) fn runs_here(&self, program: &Program) -> bool {
        match program {
            Program::Installed(name) => self.files.has_program(name),
            Program::Staged(_) => true,
        }
    }

    /// What to stage, and what to tell the user.
    pub(super) fn finish(self) -> Result<(Vec<InputFile>, Vec<String>), OpenError> {
        if self.inputs.len() > INPUTS {
            return Err(OpenError::Usage(format!(
                "{} input files, expected at most {INPUTS}",
                self.inputs.len()
            )));
        }
        let input = |(name, source)| InputFile { name, source };
        Ok((self.inputs.into_iter().map(input).collect(), self.notes))
    }

    fn outside(&mut self, path: &str) {
        if !SYSTEM.iter().any(|folder| path.starts_with(folder)) {
            self.note(format!(
                "`{path}` is outside the folder of the command and not sent along: each worker uses \
                 its own, if it has one"
            ));
        }
    }
}

/// The path without `.` and empty parts, if it stays inside the folder: empty for the folder itself.
pub(super) fn inner(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let name = parts.join("/");
    (name.is_empty() || is_inner_path(&name)).then_some(name)
}

/// The program and its arguments, which can be handed to an operating system.
pub(super) fn check_words(command: &CommandLine) -> Result<(&str, &[String]), OpenError> {
    let (program, args) = command
        .argv
        .split_first()
        .filter(|(program, _)| !program.is_empty())
        .ok_or_else(|| OpenError::Usage("an empty command, expected a program".to_owned()))?;
    let env = command.env.iter().map(|(_, value)| value);
    if let Some(word) = command.argv.iter().chain(env).find(|word| word.contains('\0')) {
        return Err(OpenError::Usage(format!("a zero byte in {word:?}")));
    }
    for (name, _) in &command.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(OpenError::Usage(format!(
                "environment variable {name:?}, expected a name without `=`"
            )));
        }
    }
    Ok((program, args))
}

/// What [`OpenError::Input`] says of a file that isn't there.
pub(super) fn not_there(path: &str) -> OpenError {
    let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
    OpenError::Input { path: path.to_owned(), source }
}
