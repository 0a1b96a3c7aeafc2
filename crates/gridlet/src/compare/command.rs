//! A program of the user's that compares two answers, at the submitter.
//!
//! It is run as `PROGRAM ARGUMENTS A B` in a fresh folder. `A` and `B` are files if each answer has
//! just one, otherwise folders with the files of an answer under their names. It ends with 0 if they
//! agree and with 1 if they differ; anything else, a crash and a hang say nothing ([`CompareError`]).
//!
//! Many interpreters end with 1 when they crash, too. So an answer has to agree with itself before it stands for a
//! class ([`super::Comparator::admit`]): a program that fails at whatever it gets, or at this very answer, is
//! found out before it can reject anything.

use std::io;

use serde::{Deserialize, Serialize};

use super::{Agreement, CompareError, plain_files};
use crate::{Blobs, CellOutput, Content, Ran, Tool};

/// Seconds that a comparison may take unless the user says otherwise. The other answers of its job wait for it.
const TIMEOUT_S: u32 = 60;

/// Seconds that it may take at most.
pub(super) const MAX_TIMEOUT_S: u32 = 3600;

/// Bytes of what it wrote that a message shows.
const SAID_BYTES: usize = 500;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program first.
    pub words: Vec<String>,
    /// It is ended after so many seconds.
    pub timeout_s: u32,
}

impl Default for Command {
    fn default() -> Self {
        Self { words: Vec::new(), timeout_s: TIMEOUT_S }
    }
}

impl Command {
    /// As it would be typed.
    pub(super) fn line(&self) -> String {
        let word = |word: &String| {
            shlex::try_quote(word).map_or_else(|_| word.clone(), std::borrow::Cow::into_owned)
        };
        self.words.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    /// See [`super::Comparator::resolved`]. A bare name of a program is looked up on `PATH`, as a shell does.
    pub(super) fn resolve(&mut self, in_folder: impl Fn(&str) -> Option<String>) {
        for (at, word) in self.words.iter_mut().enumerate() {
            let is_name = at == 0 && !word.contains('/');
            if !is_name && !word.starts_with('/') && !word.is_empty() {
                *word = in_folder(word).unwrap_or_else(|| word.clone());
            }
        }
    }

    /// Compares two answers.
    pub(super) fn compare(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Agreement, CompareError> {
        if a.files.is_empty() || b.files.is_empty() {
            return Ok(Agreement::Differ("one of them has no files".to_owned()));
        }
        let (first, second) = (plain_files("a", a, blobs)?, plain_files("b", b, blobs)?);
        let single = first.len() == 1 && second.len() == 1;
        let path = |folder: &str, files: &[(String, Content)]| match single {
            true => files[0].0.clone(),
            false => folder.to_owned(),
        };
        let places = [path("a", &first), path("b", &second)];
        let ran = self.run(&[first, second].concat(), places, blobs)?;
        match verdict(&self.line(), &ran)? {
            true => Ok(Agreement::Agree),
            false => Ok(Agreement::Differ(format!("the comparator says so{}", said(&ran)))),
        }
    }

    fn run(
        &self,
        files: &[(String, Content)],
        places: [String; 2],
        blobs: &dyn Blobs,
    ) -> Result<Ran, CompareError> {
        let (program, args) = self
            .words
            .split_first()
            .ok_or_else(|| CompareError::Missing { program: String::new() })?;
        let args = args.iter().cloned().chain(places).collect();
        let tool = Tool { program: program.clone(), args, timeout_s: self.timeout_s };
        blobs.run(files, &tool).map_err(|error| failed(&self.line(), program, error))
    }

    /// Whether an answer agrees with itself.
    pub(super) fn admit(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), CompareError> {
        if output.files.is_empty() {
            return Ok(());
        }
        match self.compare(output, output, blobs)? {
            Agreement::Agree => Ok(()),
            Agreement::Differ(said) => {
                Err(CompareError::Absurd { command: self.line(), said: format!(" ({said})") })
            }
        }
    }
}

/// What a program's failure to run says.
pub(crate) fn failed(command: &str, program: &str, error: io::Error) -> CompareError {
    match error.kind() {
        io::ErrorKind::NotFound => CompareError::Missing { program: program.to_owned() },
        io::ErrorKind::TimedOut => {
            CompareError::Hung { command: command.to_owned(), said: error.to_string() }
        }
        _ => CompareError::Io(error),
    }
}

/// What the exit code of a program says that compares: 0 agree, 1 differ, and nothing else.
///
/// # Errors
/// [`CompareError::Nonsense`].
pub(crate) fn verdict(command: &str, ran: &Ran) -> Result<bool, CompareError> {
    match ran.exit {
        0 => Ok(true),
        1 => Ok(false),
        exit => Err(CompareError::Nonsense { command: command.to_owned(), exit, said: said(ran) }),
    }
}

/// The end of what a program wrote, as the end of a message: standard error if there is any.
pub(super) fn said(ran: &Ran) -> String {
    let end = ran.stdout.len().saturating_sub(SAID_BYTES);
    let stdout = String::from_utf8_lossy(&ran.stdout[end..]);
    let text = [ran.stderr.trim(), stdout.trim()].into_iter().find(|text| !text.is_empty());
    text.map_or_else(String::new, |text| {
        let start = text.ceil_char_boundary(text.len().saturating_sub(SAID_BYTES));
        format!(": {}", &text[start..])
    })
}
