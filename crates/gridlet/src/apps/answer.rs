//! The form of an answer of `sweep` and `command`, and when two of them say the same.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{FILES, STDERR, STDOUT};
use crate::{CellOutput, Collect, OutFile, ResultError};

/// What to collect: `outputs` if any are declared, otherwise all that is created; and the streams.
///
/// No output is required: a run that fails without writing it has an answer too, its exit code.
pub(super) fn collect(outputs: &BTreeSet<String>) -> Vec<Collect> {
    let mut collect = vec![Collect::Stdout(STDOUT.to_owned()), Collect::Stderr(STDERR.to_owned())];
    if outputs.is_empty() {
        collect.push(Collect::Created { prefix: FILES.to_owned() });
    }
    collect.extend(outputs.iter().map(|path| Collect::File {
        path: path.clone(),
        name: format!("{FILES}{path}"),
        required: false,
    }));
    collect
}

/// The folders that declared outputs lie in: to be there before the program starts.
pub(super) fn folders(outputs: &BTreeSet<String>) -> Vec<String> {
    let parents = outputs.iter().filter_map(|path| path.rsplit_once('/')).map(|(parent, _)| parent);
    parents.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

/// Whether an answer has the form that [`collect`] asked for.
pub(super) fn check(output: &CellOutput, outputs: &BTreeSet<String>) -> Result<(), ResultError> {
    if !(0..=255).contains(&output.exit) {
        return Err(invalid(format!("exit code {}, expected 0 to 255", output.exit)));
    }
    let names: BTreeSet<&str> = output.files.iter().map(|file| file.name.as_str()).collect();
    for name in &names {
        if matches!(*name, STDOUT | STDERR) {
            continue;
        }
        let Some(path) = name.strip_prefix(FILES) else {
            return Err(invalid(format!(
                "a file {name:?}, expected {STDOUT}, {STDERR} or one below {FILES}"
            )));
        };
        if !outputs.is_empty() && !outputs.contains(path) {
            return Err(invalid(format!("a file {path:?} that is no declared output")));
        }
        // No honest file system has it, and the merge could not write it.
        let slashes = name.match_indices('/').map(|(at, _)| at);
        if let Some(at) = slashes.into_iter().find(|&at| names.contains(&name[..at])) {
            return Err(invalid(format!("{:?} is both a file and a folder", &name[..at])));
        }
    }
    Ok(())
}

/// Whether two answers say the same: exit code, files and standard output, byte by byte. Standard
/// error is left out: it is where programs put times, progress and process numbers.
pub(super) fn same(a: &CellOutput, b: &CellOutput) -> bool {
    let key = |file: &OutFile| (file.name.clone(), file.executable, file.content.hash());
    let told = |output: &CellOutput| -> Vec<_> {
        output.files.iter().filter(|file| is_told(file)).map(key).collect()
    };
    a.exit == b.exit && told(a) == told(b)
}

/// What of an answer counts when a comparator of the user's judges it: the same as in [`same`].
pub(super) fn told(output: &CellOutput) -> Cow<'_, CellOutput> {
    if output.files.iter().all(is_told) {
        return Cow::Borrowed(output);
    }
    let mut told = output.clone();
    told.files.retain(is_told);
    Cow::Owned(told)
}

/// Whether a file counts when answers are compared. An empty stream is the same as none.
fn is_told(file: &OutFile) -> bool {
    file.name != STDERR && (file.name != STDOUT || file.content.length() > 0)
}

/// The program's own files, with their paths as the program named them.
pub(super) fn own_files(output: &CellOutput) -> impl Iterator<Item = (&str, &OutFile)> {
    output.files.iter().filter_map(|file| file.name.strip_prefix(FILES).map(|path| (path, file)))
}

/// The declared outputs that a run did not write.
pub(super) fn missing<'a>(output: &CellOutput, outputs: &'a BTreeSet<String>) -> Vec<&'a str> {
    let there: BTreeSet<&str> = own_files(output).map(|(path, _)| path).collect();
    outputs.iter().map(String::as_str).filter(|path| !there.contains(path)).collect()
}

fn invalid(message: String) -> ResultError {
    ResultError::Invalid(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::testing;

    fn output(exit: i32, files: &[(&str, &str)]) -> CellOutput {
        testing::answer(0, exit, files)
    }

    #[test]
    fn standard_error_and_an_empty_stream_make_no_difference() {
        let a = output(0, &[("files/x", "1"), ("stderr", "12:00"), ("stdout", "")]);
        let b = output(0, &[("files/x", "1"), ("stderr", "12:01")]);
        assert!(same(&a, &b));
    }

    #[test]
    fn exit_code_content_and_names_make_a_difference() {
        let a = output(0, &[("files/x", "1"), ("stdout", "a")]);
        assert!(!same(&a, &output(1, &[("files/x", "1"), ("stdout", "a")])));
        assert!(!same(&a, &output(0, &[("files/x", "2"), ("stdout", "a")])));
        assert!(!same(&a, &output(0, &[("files/y", "1"), ("stdout", "a")])));
        assert!(!same(&a, &output(0, &[("files/x", "1"), ("stdout", "b")])));
        assert!(!same(&a, &output(0, &[("files/x", "1")])));
    }

    #[test]
    fn an_answer_of_another_form_is_refused() {
        let free = BTreeSet::new();
        let declared = BTreeSet::from(["x".to_owned()]);
        assert!(check(&output(0, &[("files/x", ""), ("stdout", "")]), &declared).is_ok());
        assert!(check(&output(0, &[("files/y", "")]), &declared).is_err());
        assert!(check(&output(0, &[("files/y", "")]), &free).is_ok());
        assert!(check(&output(0, &[("y", "")]), &free).is_err());
        assert!(check(&output(0, &[("files", "")]), &free).is_err());
        assert!(check(&output(256, &[]), &free).is_err());
        assert!(check(&output(-1, &[]), &free).is_err());
        let twofold = output(0, &[("files/a", ""), ("files/a-b", ""), ("files/a/b", "")]);
        assert!(check(&twofold, &free).is_err());
    }

    #[test]
    fn outputs_in_folders_find_their_folder() {
        let outputs = ["a/b/c", "a/b/d", "e"].map(str::to_owned).into();
        assert_eq!(folders(&outputs), ["a/b"]);
    }
}
