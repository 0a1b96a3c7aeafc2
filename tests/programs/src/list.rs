//! Which programs there are: the folder is the list.
//!
//! The first line of each source is `// What it checks. [tag tag]`. Tags that mean something:
//!
//! | tag | meaning |
//! | --- | --- |
//! | `refused:WORD` | its checkpoint has to be refused, with WORD in the message; then it goes on and passes |
//! | `hard` | beyond the core: kept apart until it is carried; with `refused:WORD`, to be refused until then |
//! | `slow` | takes more than some seconds |
//! | `once` | the next image of it, if it runs on after one, may lack something |
//! | `same-pids` | looks into /proc, so it has to be restored where that shows its own numbers |
//! | `outside-session` | it isn't started in a session of its own, and can't have its session back |
//! | `static` | it is linked statically, to a fixed address |
//! | `root` | its setup needs privileges; without them it skips itself |

use std::fs;
use std::path::{Path, PathBuf};

/// A test program.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Program {
    /// Category and name, as `files/offset`.
    pub name: String,
    /// What it checks, in a sentence.
    pub about: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its source.
    pub source: PathBuf,
}

impl Program {
    /// Whether it has a tag.
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// The word that the refusal of its checkpoint has to say, if it is to be refused.
    pub fn refused(&self) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix("refused:"))
    }

    /// The folder it is in.
    pub fn category(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// The folder of the sources.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All programs, by name.
///
/// # Panics
/// If a source can't be read, or doesn't begin with its description.
pub fn all() -> Vec<Program> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder of this crate") {
        let category = entry.expect("an entry of it").path();
        if !category.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&category).expect("a folder of programs") {
            let source = entry.expect("an entry of it").path();
            if source.extension().is_some_and(|ending| ending == "c") {
                found.push(described(&source));
            }
        }
    }
    found.sort();
    found
}

/// One program.
///
/// # Panics
/// If there is none of that name.
pub fn named(name: &str) -> Program {
    let source = folder().join(format!("{name}.c"));
    assert!(source.is_file(), "no test program {name}, expected {}", source.display());
    described(&source)
}

fn described(source: &Path) -> Program {
    let text = fs::read_to_string(source)
        .unwrap_or_else(|error| panic!("reading {}: {error}", source.display()));
    let (about, tags) = parse(text.lines().next().unwrap_or_default()).unwrap_or_else(|| {
        panic!("{}: expected `// What it checks. [tags]` as its first line", source.display())
    });
    let name = source.strip_prefix(folder()).expect("it was found there").with_extension("");
    Program { name: name.to_string_lossy().into_owned(), about, tags, source: source.to_owned() }
}

fn parse(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.strip_prefix("// ")?.trim_end();
    let (about, tags) = match line.strip_suffix(']').and_then(|line| line.rsplit_once(" [")) {
        Some((about, tags)) => (about, tags.split(' ').map(str::to_owned).collect()),
        None => (line, Vec::new()),
    };
    about.ends_with('.').then(|| (about.to_owned(), tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_says_what_is_checked_and_the_tags() {
        assert_eq!(parse("// An offset."), Some(("An offset.".to_owned(), Vec::new())));
        let tags = vec!["hard".to_owned(), "refused:socket".to_owned()];
        assert_eq!(parse("// Sockets. [hard refused:socket]"), Some(("Sockets.".to_owned(), tags)));
        assert_eq!(parse("#include <stdio.h>"), None);
        assert_eq!(parse("// no sentence"), None);
    }

    #[test]
    fn a_refusal_has_its_word() {
        let refused: Vec<_> = all().into_iter().filter(|one| one.category() == "refused").collect();
        assert!(!refused.is_empty());
        for program in refused {
            assert!(program.refused().is_some_and(|word| !word.is_empty()), "{program:?}");
        }
    }
}
