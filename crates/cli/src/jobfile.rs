//! Job files: a job and how it is to be treated, as TOML, for `outlast run --file job.toml`.
//!
//! ```toml
//! [job]
//! command = ["povray", "+Iscene.pov", "+W1920", "+H1080", "+Oscene.png"]
//! inputs  = ["scene.pov"]
//!
//! [[service]]
//! class = "verification"
//! replication = 3
//! ```
//!
//! ```text
//!  file ──read──▶ JobFile: the job, and blocks ─┐ where both say the same argument of a service,
//!  flags ───────▶ JobSpec, and blocks ──────────┴─ they have to agree ─▶ checked ─▶ JobSpec
//! ```
//!
//! What is not the program's own business stands in `[[service]]` tables, which the [`Registry`] knows.
//! Paths are relative to the job file's folder. Flags on the command line go above what the file
//! says of the job. All that is wrong with a file is shown at once, with its lines.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use outlast_api::types::{JobSpec, Param};
use outlast_deploy::{Block, Error, Registry};
use outlast_node::apps::Diagnostic;
use outlast_node::services::to_api;
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::DeTable;

use crate::args::JobArgs;
use crate::exit::Failure;

/// A job file is written by a person; beyond this it is something else.
const FILE_BYTES: u64 = 1 << 20;

/// Problems of one file that are shown. More say nothing new.
const SHOWN: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    job: Job,
    #[serde(default)]
    param: Vec<ParamTable>,
    /// Read by those who know services.
    #[serde(default, rename = "service")]
    _service: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Job {
    command: Spanned<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    inputs: Vec<String>,
    stdin: Option<String>,
    output: Option<String>,
    #[serde(default)]
    collect: Vec<String>,
    app: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    gridlets: Option<Spanned<u32>>,
    name: Option<String>,
    vo: Option<String>,
}

/// A table each, since the order of a sweep's dimensions counts, and that of a table's keys doesn't.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParamTable {
    name: String,
    values: String,
}

/// A job file, read: its services are known by their names only.
#[derive(Debug, Default)]
struct JobFile {
    spec: JobSpec,
    services: Vec<Block>,
    /// As it was named.
    name: String,
    text: String,
}

impl JobArgs {
    /// The job that is meant, for a client in the folder `cwd`: what is said here, and below it what
    /// the job file says. Its services are checked as far as they can be without the job.
    ///
    /// # Errors
    /// If a name is given twice where only one value can hold, or the job file is wrong.
    pub fn resolve(mut self, cwd: &Path, registry: &Registry) -> Result<JobSpec, Failure> {
        let file = match self.file.take() {
            Some(path) => load(cwd, &path)?,
            None => JobFile::default(),
        };
        let flags = std::mem::take(&mut self.treated).blocks()?;
        let is_file = !file.name.is_empty();
        let below = file.treated(registry, flags)?;
        let above = self.spec(cwd)?;
        if !is_file {
            return Ok(JobSpec { services: below.services, ..above });
        }
        let list = |above: Vec<String>, below| if above.is_empty() { below } else { above };
        Ok(JobSpec {
            argv: list(above.argv, below.argv),
            cwd: below.cwd,
            env: below.env.into_iter().chain(above.env).collect(),
            inputs: list(above.inputs, below.inputs),
            stdin: above.stdin.or(below.stdin),
            output: above.output.or(below.output),
            outputs: list(above.outputs, below.outputs),
            params: if above.params.is_empty() { below.params } else { above.params },
            app: above.app.or(below.app),
            options: below.options.into_iter().chain(above.options).collect(),
            verification: above.verification,
            services: below.services,
            gridlets: above.gridlets.or(below.gridlets),
            name: above.name.or(below.name),
            vo: above.vo.or(below.vo),
        })
    }
}

impl JobFile {
    /// The job, with services that are right as far as they can be without it.
    fn treated(self, registry: &Registry, flags: Vec<Block>) -> Result<JobSpec, Failure> {
        let services = merged(registry, self.services, flags).and_then(|blocks| {
            registry.check(&blocks)?;
            Ok(registry.settle(blocks))
        });
        let services = services.map_err(|errors| refuse(&self.name, &self.text, &errors))?;
        Ok(JobSpec { services: services.into_iter().map(to_api).collect(), ..self.spec })
    }
}

/// The job that a file means by itself.
///
/// # Errors
/// All that is wrong with it, with line and column.
pub fn read(path: &Path, registry: &Registry) -> Result<JobSpec, Failure> {
    load(Path::new(""), path)?.treated(registry, Vec::new())
}

/// The file's services with what the flags say of them.
fn merged(
    registry: &Registry,
    mut blocks: Vec<Block>,
    flags: Vec<Block>,
) -> Result<Vec<Block>, Vec<Error>> {
    for block in flags {
        blocks = registry.merge(blocks, vec![block])?;
    }
    Ok(blocks)
}

/// Reads a job file.
fn load(cwd: &Path, path: &Path) -> Result<JobFile, Failure> {
    let name = path.display().to_string();
    let path = cwd.join(path);
    let wrong = |what: String| Failure::usage(format!("job file {name}: {what}"));
    let length = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
    if length > FILE_BYTES {
        return Err(wrong(format!("{length} bytes, expected at most {FILE_BYTES}")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let absolute = std::path::absolute(&path).map_err(|error| wrong(error.to_string()))?;
    let folder = absolute.parent().and_then(Path::to_str);
    let folder = folder.ok_or_else(|| wrong("its folder has a name that is no text".to_owned()))?;
    parse(&name, &text, folder)
}

/// The job that a text says, in this folder.
fn parse(name: &str, text: &str, folder: &str) -> Result<JobFile, Failure> {
    let mut problems = Problems { text, found: Vec::new() };
    let tables = toml::from_str::<Tables>(text).map_err(|error| {
        problems.add(error.span().unwrap_or(0..0), error.message().trim_end(), None);
    });
    // Where it isn't TOML at all, services aren't looked for.
    let services = match DeTable::parse(text) {
        Ok(root) => outlast_deploy::read(name, text, root.get_ref()).unwrap_or_else(|errors| {
            errors.iter().for_each(|error| problems.add_error(error));
            Vec::new()
        }),
        Err(_) => Vec::new(),
    };
    let Ok(tables) = tables else { return Err(problems.failure(name)) };
    let Job { command, gridlets, .. } = tables.job;
    if command.get_ref().first().is_none_or(String::is_empty) {
        let what = "expected a program and its arguments, found an empty command";
        problems.add(command.span(), what, None);
    }
    if let Some(none) = gridlets.as_ref().filter(|gridlets| *gridlets.get_ref() == 0) {
        problems.add(none.span(), "expected at least 1 gridlet, found 0", None);
    }
    if !problems.found.is_empty() {
        return Err(problems.failure(name));
    }
    let params = tables.param.into_iter().map(|ParamTable { name, values }| Param { name, values });
    let spec = JobSpec {
        argv: command.into_inner(),
        cwd: folder.to_owned(),
        env: tables.job.env,
        inputs: tables.job.inputs,
        stdin: tables.job.stdin,
        output: tables.job.output,
        outputs: tables.job.collect,
        app: tables.job.app,
        options: tables.job.options,
        gridlets: gridlets.map(Spanned::into_inner),
        name: tables.job.name,
        vo: tables.job.vo,
        params: params.collect(),
        ..JobSpec::default()
    };
    Ok(JobFile { spec, services, name: name.to_owned(), text: text.to_owned() })
}

/// What is wrong with services, as it is shown: with lines where they are the file's.
fn refuse(name: &str, text: &str, errors: &[Error]) -> Failure {
    let (placed, others): (Vec<_>, Vec<_>) =
        errors.iter().partition(|error| error.origin.span.is_some());
    let mut problems = Problems { text, found: Vec::new() };
    placed.into_iter().for_each(|error| problems.add_error(error));
    let mut lines: Vec<String> = others.iter().map(ToString::to_string).collect();
    if !problems.found.is_empty() {
        lines.insert(0, problems.failure(name).message);
    }
    Failure::usage(lines.join("\n"))
}

/// What is wrong with a text.
struct Problems<'a> {
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Problems<'_> {
    fn add(&mut self, span: Range<usize>, what: &str, help: Option<String>) {
        self.found.push(Diagnostic::at(self.text, &span, what.to_owned(), help));
    }

    fn add_error(&mut self, error: &Error) {
        let span = error.origin.span.clone().unwrap_or(0..0);
        self.add(span, &error.problem.to_string(), error.help.clone());
    }

    /// One after another in the order of the file, each with its line and a caret.
    fn failure(mut self, name: &str) -> Failure {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        let more = self.found.len().saturating_sub(SHOWN);
        let shown = self.found.iter().take(SHOWN).map(|problem| {
            let Diagnostic { line, column, message, .. } = problem;
            let snippet = problem.snippet(self.text);
            format!("job file {name}: line {line}, column {column}: {message}\n{snippet}")
        });
        let mut text = shown.collect::<Vec<_>>().join("\n");
        if more > 0 {
            text.push_str(&format!("… and {more} more"));
        }
        Failure::usage(text.trim_end())
    }
}

#[cfg(test)]
mod tests;
