//! From the text of a manifest to what it says.

mod command;
mod sections;

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::check;
use super::diagnostic::{Broken, Problems};
use super::expr::Expr;
use super::model::{
    Compare, Covers, Derived, DerivedFrom, Effect, Fallback, How, Manifest, Merge, Opt, PreviewBy,
    Probe, Rule, SampleBy, Take, Word,
};
use super::reader::{Reader, Text, expression, inside, template};
use super::split::{Cut as _, Split};
use super::template::{Template, is_name};
use super::value::{Form, Value};
pub(super) use command::pattern;
use command::{check_name, default, form, option, word};

/// Bytes of a manifest: a long one has 200 lines.
const BYTES: usize = 1 << 18;

/// Entries of any of its lists.
const ENTRIES: usize = 512;

/// Seconds that a program may take at the submitter if the manifest doesn't say.
const TIMEOUT_S: i64 = 120;

/// Seconds that it may take at most: a day.
const LONGEST_S: i64 = 86_400;

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Broken> {
        let broken =
            |diagnostics| Broken { file: file.to_owned(), text: text.to_owned(), diagnostics };
        let mut problems = Problems::new(text);
        if text.len() > BYTES {
            let message = format!("a manifest of {} bytes, expected at most {BYTES}", text.len());
            problems.add(&(0..0), message);
            return Err(broken(problems.finish()));
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            problems.add(&error.span().unwrap_or(0..0), error.message().trim_end());
        }
        if !problems.is_empty() {
            return Err(broken(problems.finish()));
        }
        let read = read(file, text, &mut problems, root.get_ref());
        let checked = read.filter(|_| problems.is_empty()).map(|mut manifest| {
            check::check(&mut manifest, &mut problems);
            manifest
        });
        match checked.filter(|_| problems.is_empty()) {
            Some(manifest) => Ok(manifest),
            None => Err(broken(problems.finish())),
        }
    }
}

fn read(file: &str, text: &str, p: &mut Problems<'_>, root: &DeTable<'_>) -> Option<Manifest> {
    // Where a section is missing there is no place to point to but the beginning.
    let start = 0..text.find('\n').unwrap_or(text.len());
    let mut top = Reader::new(root, start, "the manifest");
    let need = |top: &mut Reader<'_, '_>, p: &mut Problems<'_>, key: &'static str, why: &str| {
        if !top.has(key) {
            p.add(&top.span.clone(), format!("no [{key}], expected {why}"));
        }
    };
    need(&mut top, p, "app", "a table with the application's name, summary and programs");
    need(&mut top, p, "split", "a table that says how the work is cut");
    need(&mut top, p, "gridlet", "a table with the command of a gridlet");
    need(&mut top, p, "merge", "a table that says how results are joined");
    let app = top.table(p, "app", "[app]").map(|reader| read_app(p, reader));
    let found = top.tables(p, "option");
    let found = limited(p, found);
    let options: Vec<Opt> = found.into_iter().filter_map(|r| option(p, r)).collect();
    let found = top.tables(p, "word");
    let found = limited(p, found);
    let words: Vec<Word> = found.into_iter().filter_map(|r| word(p, r)).collect();
    let found = top.tables(p, "rule");
    let found = limited(p, found);
    let rules: Vec<Rule> = found.into_iter().filter_map(|r| rule(p, r)).collect();
    let found = top.tables(p, "probe");
    let found = limited(p, found);
    let probes: Vec<Probe> = found.into_iter().filter_map(|r| probe(p, r)).collect();
    let mut derived = Vec::new();
    if let Some(mut reader) = top.table(p, "number", "[number]") {
        for (name, value) in reader.entries() {
            let how = expression(p, value, &name.text).map(DerivedFrom::Number);
            derived.extend(how.map(|how| Derived { name, how }));
        }
    }
    if let Some(mut reader) = top.table(p, "text", "[text]") {
        for (name, value) in reader.entries() {
            let Some(text) = value.get_ref().as_str() else {
                p.add(&value.span(), format!("`{}`: expected a text", name.text));
                continue;
            };
            let text = Text { text: text.to_owned(), span: value.span() };
            let how = template(p, &text).map(DerivedFrom::Text);
            derived.extend(how.map(|how| Derived { name, how }));
        }
    }
    derived.sort_by_key(|derived| derived.name.span.start);
    let split = top.table(p, "split", "[split]").and_then(|reader| Split::read(p, reader));
    let gridlet = top.table(p, "gridlet", "[gridlet]");
    let gridlet = gridlet.map(|reader| sections::gridlet(p, reader));
    let compare = top.table(p, "compare", "[compare]");
    let compare = compare.map_or(Some(Compare::Bytes), |reader| sections::read_compare(p, reader));
    let merge = top.table(p, "merge", "[merge]").and_then(|reader| sections::read_merge(p, reader));
    let sample = top.table(p, "sample", "[sample]");
    let sample = sample.map_or(SampleBy::Cell, |reader| sections::read_sample(p, reader));
    let preview = top.table(p, "preview", "[preview]");
    let preview = preview.and_then(|reader| sections::read_preview(p, reader));
    // How its jobs are treated is for those who know services: they read it out of the text.
    top.tables(p, "service");
    top.finish(p);
    let (app, split, gridlet, compare, merge) = (app??, split?, gridlet?, compare?, merge?);
    let atom = app.atom.map_or_else(|| split.default_atom().to_owned(), |atom| atom.text);
    let preview = preview.unwrap_or(match &merge {
        Merge::Concatenate { .. } => PreviewBy::Concatenate,
        Merge::Tiles { .. } => PreviewBy::Tiles,
        _ => PreviewBy::Count,
    });
    Some(Manifest {
        file: file.to_owned(),
        text: text.to_owned(),
        name: app.name,
        summary: app.summary,
        programs: app.programs,
        atom,
        unknown: app.unknown,
        bundled: app.bundled,
        options,
        words,
        rules,
        probes,
        derived,
        split,
        gridlet,
        covers: Covers::Atom,
        compare,
        merge,
        sample,
        preview,
    })
}

fn limited<T>(p: &mut Problems<'_>, mut list: Vec<T>) -> Vec<T> {
    if list.len() > ENTRIES {
        p.add(&(0..0), format!("a list of {} tables, expected at most {ENTRIES}", list.len()));
        list.truncate(ENTRIES);
    }
    list
}

struct App {
    name: String,
    summary: String,
    programs: Vec<String>,
    atom: Option<Text>,
    unknown: Effect,
    bundled: bool,
}

fn read_app(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<App> {
    let name = reader.required(p, "name", "the application's name");
    if let Some(name) = &name {
        let good = name.text.len() <= 64
            && name.text.starts_with(|c: char| c.is_ascii_lowercase())
            && name.text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !good {
            let message = "expected small letters, digits and dashes, beginning with a letter";
            p.add(&name.span, format!("`name`: {message}, found `{}`", name.text));
        }
        if ["manifest", "sweep", "command"].contains(&name.text.as_str()) {
            p.add(&name.span, format!("`{}` is built in, expected another name", name.text));
        }
    }
    let summary = reader.required(p, "summary", "a line about what it does");
    if !reader.has("programs") {
        let message = "[app] has no `programs`, expected the programs whose commands it reads";
        p.add(&reader.span.clone(), message);
    }
    let programs = reader.texts(p, "programs");
    for program in &programs {
        if program.text.is_empty() || program.text.contains('/') {
            let message = "expected a program's name without its folder";
            p.add(&program.span, format!("`programs`: {message}, found `{}`", program.text));
        }
    }
    let atom = reader.text(p, "atom");
    if let Some(atom) = atom.as_ref().filter(|atom| !is_name(&atom.text)) {
        p.add(&atom.span, format!("`atom`: expected a word such as frame, found `{}`", atom.text));
    }
    let effects = [
        ("whole", Effect::Whole),
        ("refuse", Effect::Refuse),
        ("keep", Effect::Keep),
        ("decline", Effect::Decline),
    ];
    let unknown = reader.choice(p, "unknown-options", &effects).unwrap_or(Effect::Whole);
    let bundled = reader.boolean(p, "bundled");
    reader.finish(p);
    Some(App {
        name: name?.text,
        summary: summary?.text,
        programs: programs.into_iter().map(|program| program.text).collect(),
        atom,
        unknown,
        bundled,
    })
}

fn rule(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Rule> {
    for (key, what) in [
        ("if", "a condition such as 'width < 64'"),
        ("then", "whole, refuse, decline or note"),
        ("say", "what the user is told"),
    ] {
        if !reader.has(key) {
            p.add(&reader.span.clone(), format!("[[rule]] has no `{key}`, expected {what}"));
        }
    }
    let condition = reader.expression(p, "if");
    let effects = [
        ("whole", Effect::Whole),
        ("refuse", Effect::Refuse),
        ("decline", Effect::Decline),
        ("note", Effect::Note),
    ];
    let effect = reader.choice(p, "then", &effects);
    let say = reader.template(p, "say");
    reader.finish(p);
    Some(Rule { condition: condition?, effect: effect?, say: say? })
}

fn run(p: &mut Problems<'_>, reader: &mut Reader<'_, '_>) -> Vec<Template> {
    let place = reader.place("run");
    let words = reader.templates(p, "run");
    if words.is_empty() {
        p.add(&place, "`run`: expected a list of words, a program and its arguments, found none");
    }
    if words.len() > ENTRIES {
        p.add(&place, format!("`run`: {} words, expected at most {ENTRIES}", words.len()));
    }
    words
}

fn timeout(p: &mut Problems<'_>, reader: &mut Reader<'_, '_>) -> u32 {
    reader.integer(p, "timeout", 1..LONGEST_S + 1).unwrap_or(TIMEOUT_S) as u32
}

fn probe(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Probe> {
    let run = run(p, &mut reader);
    let timeout_s = timeout(p, &mut reader);
    let from = reader.choice(p, "from", &[("stdout", false), ("stderr", true)]);
    let whole = reader.choice(p, "else", &[("refuse", false), ("whole", true)]).unwrap_or(false);
    let say = reader.text(p, "say").map(|say| say.text);
    let mut takes = Vec::new();
    match reader.table(p, "take", "[probe.take]") {
        None => p.add(&reader.span.clone(), "[[probe]] has no `take`, expected what it finds out"),
        Some(mut table) => {
            for (name, value) in table.entries() {
                check_name(p, &name);
                match value.get_ref() {
                    DeValue::Table(inner) => {
                        let title = format!("`{}`", name.text);
                        let reader = Reader::new(inner, value.span(), &title);
                        takes.extend(take(p, name, reader));
                    }
                    _ => p.add(&value.span(), "expected a table such as { line = 1, column = 2 }"),
                }
            }
        }
    }
    reader.finish(p);
    Some(Probe { run, timeout_s, stderr: from.unwrap_or(false), takes, whole, say })
}

fn take(p: &mut Problems<'_>, name: Text, mut reader: Reader<'_, '_>) -> Option<Take> {
    let pattern = reader.text(p, "pattern").and_then(|text| pattern(p, &text));
    let line = reader.integer(p, "line", 1..1 << 20);
    let column = reader.integer(p, "column", 1..1 << 20);
    let pointer = reader.text(p, "pointer");
    let ways = [reader.has("pattern"), line.or(column).is_some(), pointer.is_some()];
    if ways.iter().filter(|way| **way).count() != 1 {
        p.add(&reader.span.clone(), "expected one of `pattern`, `line` and `column`, or `pointer`");
    }
    let how = match (pattern, pointer) {
        (Some(pattern), _) => Some(How::Pattern(pattern)),
        (_, Some(pointer)) if pointer.text.is_empty() || pointer.text.starts_with('/') => {
            Some(How::Pointer(pointer.text))
        }
        (_, Some(pointer)) => {
            let message =
                format!("expected a JSON pointer such as /streams/0, found `{}`", pointer.text);
            p.add(&pointer.span, message);
            None
        }
        _ => Some(How::Column(line.unwrap_or(1) as usize, column.unwrap_or(1) as usize)),
    };
    let form = form(p, &mut reader, "value").unwrap_or(Form::Word);
    let all_place = reader.place("all");
    let all = reader.boolean(p, "all");
    if all && !matches!(how, None | Some(How::Pattern(_))) {
        p.add(&all_place, "`all` is for a `pattern`");
    }
    let default = match default(p, &mut reader, &form, false) {
        Some(Fallback::Template(template)) => Some(Value::Text(template.text)),
        Some(Fallback::Value(value)) => Some(value),
        None => None,
    };
    reader.finish(p);
    Some(Take { name, how: how?, form, all, default })
}

/// Where a part of a template stands in the file.
pub(super) fn part(p: &Problems<'_>, template: &Template, at: &Range<usize>) -> Range<usize> {
    inside(p.text(), &template.span, &template.text, at)
}

/// Where an expression stands.
pub(super) fn whole(expr: &Expr) -> Range<usize> {
    expr.span.clone()
}
