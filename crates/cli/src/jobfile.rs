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
//! What is not the program's own business stands in `[[service]]` tables. So far there is one class,
//! `verification`. Paths are relative to the job file's folder. Flags on the command line go above
//! what the file says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use outlast_api::types::{JobSpec, Param, Schedule, VerificationSpec};
use serde::Deserialize;
use toml::Spanned;

use crate::args::JobArgs;
use crate::exit::Failure;

/// A job file is written by a person; beyond this it is something else.
const FILE_BYTES: u64 = 1 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobFile {
    job: Job,
    #[serde(default)]
    param: Vec<ParamTable>,
    #[serde(default)]
    service: Vec<Service>,
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

/// All that any class takes; which of it belongs to which is checked by [`Service::apply`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Service {
    class: Spanned<String>,
    scheme: Option<Spanned<String>>,
    replication: Option<u32>,
    samples: Option<u32>,
    max_answers: Option<u32>,
}

impl JobArgs {
    /// The job that is meant, for a client in the folder `cwd`: what is said here, and below it what
    /// the job file says.
    ///
    /// # Errors
    /// If a name is given twice where only one value can hold, or the job file is wrong.
    pub fn resolve(mut self, cwd: &Path) -> Result<JobSpec, Failure> {
        let Some(file) = self.file.take() else { return self.spec(cwd) };
        let below = read(&cwd.join(file))?;
        let above = self.spec(cwd)?;
        let list = |above: Vec<String>, below| if above.is_empty() { below } else { above };
        let verification = VerificationSpec {
            quorum: above.verification.quorum.or(below.verification.quorum),
            max_answers: above.verification.max_answers.or(below.verification.max_answers),
            samples: above.verification.samples.or(below.verification.samples),
            schedule: above.verification.schedule.or(below.verification.schedule),
        };
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
            verification,
            gridlets: above.gridlets.or(below.gridlets),
            name: above.name.or(below.name),
            vo: above.vo.or(below.vo),
        })
    }
}

/// Reads a job file.
///
/// # Errors
/// With the file, and line and column where there is one.
pub fn read(path: &Path) -> Result<JobSpec, Failure> {
    let wrong = |what: String| Failure::usage(format!("job file {}: {what}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > FILE_BYTES {
        return Err(wrong(format!("{length} bytes, expected at most {FILE_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let absolute = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
    let folder = absolute.parent().and_then(Path::to_str);
    let folder = folder.ok_or_else(|| wrong("its folder has a name that is no text".to_owned()))?;
    parse(&text, folder).map_err(wrong)
}

/// The job that a text says, in this folder.
fn parse(text: &str, folder: &str) -> Result<JobSpec, String> {
    let file: JobFile = toml::from_str(text).map_err(|error| error.to_string())?;
    let at = |span: Range<usize>, what: String| format!("{}: {what}", place(text, span.start));
    let Job { command, gridlets, .. } = file.job;
    if command.get_ref().first().is_none_or(String::is_empty) {
        let what = "expected a program and its arguments, found an empty command".to_owned();
        return Err(at(command.span(), what));
    }
    if let Some(none) = gridlets.as_ref().filter(|gridlets| *gridlets.get_ref() == 0) {
        return Err(at(none.span(), "expected at least 1 gridlet, found 0".to_owned()));
    }
    let mut spec = JobSpec {
        argv: command.into_inner(),
        cwd: folder.to_owned(),
        env: file.job.env,
        inputs: file.job.inputs,
        stdin: file.job.stdin,
        output: file.job.output,
        outputs: file.job.collect,
        app: file.job.app,
        options: file.job.options,
        gridlets: gridlets.map(Spanned::into_inner),
        name: file.job.name,
        vo: file.job.vo,
        params: Vec::new(),
        verification: VerificationSpec::default(),
    };
    for ParamTable { name, values } in file.param {
        spec.params.push(Param { name, values });
    }
    let mut verified = false;
    for service in file.service {
        let span = service.class.span();
        if std::mem::replace(&mut verified, true) {
            return Err(at(span, "a second service of class `verification`, expected one".into()));
        }
        service.apply(&mut spec).map_err(|(span, what)| at(span, what))?;
    }
    Ok(spec)
}

impl Service {
    fn apply(self, spec: &mut JobSpec) -> Result<(), (Range<usize>, String)> {
        if self.class.get_ref() != "verification" {
            let found = self.class.get_ref();
            return Err((
                self.class.span(),
                format!("expected the class `verification`, found `{found}`"),
            ));
        }
        let schedule = match self.scheme.as_ref().map(|scheme| (scheme.get_ref().as_str(), scheme))
        {
            None => None,
            Some(("incremental", _)) => Some(Schedule::Incremental),
            Some(("standard", _)) => Some(Schedule::AllAtOnce),
            Some((found, scheme)) => {
                let what =
                    format!("expected the scheme `incremental` or `standard`, found `{found}`");
                return Err((scheme.span(), what));
            }
        };
        spec.verification = VerificationSpec {
            quorum: self.replication,
            max_answers: self.max_answers,
            samples: self.samples,
            schedule,
        };
        Ok(())
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_read() {
        let text = r#"
[job]
command = ["sh", "-c", "echo {a}"]
env = { LC_ALL = "C" }
inputs = ["data"]
output = "out"
gridlets = 7
name = "mine"

[[param]]
name = "z"
values = "1..3"
[[param]]
name = "a"
values = "x,y"

[[service]]
class = "verification"
scheme = "standard"
replication = 3
samples = 0
"#;
        let spec = parse(text, "/work").unwrap();
        assert_eq!(spec.argv, ["sh", "-c", "echo {a}"]);
        assert_eq!((spec.cwd.as_str(), spec.gridlets), ("/work", Some(7)));
        let names: Vec<_> = spec.params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["z", "a"], "in the order of the file");
        assert_eq!(spec.verification.quorum, Some(3));
        assert_eq!(spec.verification.samples, Some(0));
        assert_eq!(spec.verification.schedule, Some(Schedule::AllAtOnce));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let job = "[job]\ncommand = ['true']\n";
        for (text, place, what) in [
            ("[job]\ncommand = []\n".to_owned(), "line 2, column 11", "found an empty command"),
            ("[job]\n".to_owned(), "line 1, column 1", "missing field `command`"),
            ("[job\n".to_owned(), "line 1", ""),
            (format!("{job}comand = 1\n"), "line 3, column 1", "unknown field `comand`"),
            (format!("{job}gridlets = 'x'\n"), "line 3, column 12", "expected u32"),
            (format!("{job}gridlets = 0\n"), "line 3, column 12", "at least 1 gridlet"),
            (
                format!("{job}[[service]]\nclass = 'replication'\n"),
                "line 4, column 9",
                "expected the class `verification`, found `replication`",
            ),
            (
                format!("{job}[[service]]\nclass = 'verification'\nscheme = 'meshed'\n"),
                "line 5, column 10",
                "expected the scheme `incremental` or `standard`",
            ),
            (
                format!(
                    "{job}[[service]]\nclass='verification'\n[[service]]\nclass='verification'"
                ),
                "line 6, column 7",
                "a second service",
            ),
        ] {
            let error = parse(&text, "/").unwrap_err();
            assert!(error.contains(place) && error.contains(what), "{text}\n{error}");
        }
    }
}
