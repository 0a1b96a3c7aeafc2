//! What is wrong with a manifest, and where: shown the way a compiler does.

use std::fmt::Write as _;
use std::ops::Range;

use serde::Serialize;

/// Problems listed for one file. More say nothing new.
const SHOWN: usize = 20;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Characters that are wrong, on this line; at least 1.
    pub length: usize,
    /// What was expected and what was found.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A manifest that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The file, as it was named.
    pub file: String,
    /// Its text.
    pub text: String,
    /// In the order of their places; at least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl Diagnostic {
    /// A problem at these bytes of `text`.
    pub fn at(text: &str, span: &Range<usize>, message: String, help: Option<String>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            length: text[start..end.clamp(start, line_end)].chars().count().max(1),
            message,
            help,
        }
    }

    /// Its line of the text with a caret below what is wrong, and the help.
    pub fn snippet(&self, text: &str) -> String {
        let Self { line, column, length, help, .. } = self;
        let source = text.lines().nth(line - 1).unwrap_or_default();
        let number = line.to_string();
        let gap = " ".repeat(number.len());
        // A tab is as wide above the caret as below it.
        let before = source.chars().take(column - 1);
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let mut out = format!("{gap} |\n{number} | {source}\n{gap} | {indent}");
        let _ = writeln!(out, "{}", "^".repeat(*length));
        if let Some(help) = help {
            let _ = writeln!(out, "{gap} = help: {help}");
        }
        out
    }
}

/// The last place not behind `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Broken {
    /// A line for logs and tables: the first problem with its place.
    pub fn short(&self) -> String {
        let first = self.diagnostics.first();
        let place =
            |d: &Diagnostic| format!("{}:{}:{}: {}", self.file, d.line, d.column, d.message);
        let more = self.diagnostics.len().saturating_sub(1);
        let text = first.map_or_else(|| self.file.clone(), place);
        if more > 0 { format!("{text} (and {more} more)") } else { text }
    }

    /// All problems, each with its line and a caret below.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for problem in self.diagnostics.iter().take(SHOWN) {
            let Diagnostic { line, column, message, .. } = problem;
            let gap = " ".repeat(line.to_string().len());
            let _ = writeln!(out, "error: {message}");
            let _ = writeln!(out, "{gap}--> {}:{line}:{column}", self.file);
            out.push_str(&problem.snippet(&self.text));
            out.push('\n');
        }
        if self.diagnostics.len() > SHOWN {
            let _ = writeln!(out, "… and {} more", self.diagnostics.len() - SHOWN);
        }
        out
    }
}

/// Problems found so far in one text.
pub(super) struct Problems<'a> {
    text: &'a str,
    found: Vec<(usize, Diagnostic)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Notes a problem.
    pub(super) fn add(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.add_help(span, message, None::<String>);
    }

    /// Notes a problem with what to do about it.
    pub(super) fn add_help(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<impl Into<String>>,
    ) {
        let diagnostic = Diagnostic::at(self.text, span, message.into(), help.map(Into::into));
        self.found.push((span.start, diagnostic));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In the order of their places, none twice.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|(start, _)| *start);
        let mut list: Vec<_> = self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        list.dedup();
        list
    }
}

/// The one of `known` that somebody meant who wrote `word`: at most two letters away.
pub fn similar<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let known = known.into_iter().map(|name| (distance(word, name), name));
    let near = known.filter(|(away, name)| *away <= 2 && *away < name.chars().count());
    near.min_by_key(|(away, _)| *away).map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "ä = 1\nb = 'ö', c\n";
        let at = text.find('c').expect("it is there");
        let d = Diagnostic::at(text, &(at..at + 1), "x".to_owned(), None);
        assert_eq!((d.line, d.column, d.length), (2, 10, 1));
        // Even a place inside of a character, or behind the end, is some place.
        for at in 0..text.len() + 3 {
            let d = Diagnostic::at(text, &(at..at + 5), "x".to_owned(), None);
            assert!(d.line <= 3 && d.length >= 1);
        }
    }

    #[test]
    fn what_was_meant_is_near() {
        assert_eq!(similar("nmae", ["name", "summary"]), Some("name"));
        assert_eq!(similar("colour", ["name", "summary"]), None);
        assert_eq!(similar("x", ["y"]), None);
    }
}
