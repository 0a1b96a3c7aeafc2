//! From the text of a manifest to what it says.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::check;
use super::diagnostic::{Broken, Problems};
use super::expr::Expr;
use super::model::{
    Compare, Covers, Derived, DerivedFrom, Effect, Fallback, Forms, GridletSpec, How, Manifest,
    Merge, MergeCommand, Opt, Pattern, PreviewBy, Probe, Role, Rule, SampleBy, Shows, Take,
    Variable, Word,
};
use super::reader::{Reader, Text, expression, inside, template};
use super::split::{Cut as _, Split};
use super::template::{Template, is_name};
use super::value::{Form, Value};

/// Bytes of a manifest: a long one has 200 lines.
const BYTES: usize = 1 << 18;

/// Entries of any of its lists.
const ENTRIES: usize = 512;

/// Seconds that a program may take at the submitter if the manifest doesn't say.
const TIMEOUT_S: i64 = 120;

/// Seconds that it may take at most: a day.
const LONGEST_S: i64 = 86_400;

/// Bytes that a regular expression may need, compiled.
const REGEX_BYTES: usize = 1 << 20;

const FORMS: [(&str, Simple); 7] = [
    ("integer", Simple::Integer),
    ("number", Simple::Number),
    ("time", Simple::Time),
    ("size", Simple::Size),
    ("path", Simple::Path),
    ("word", Simple::Word),
    ("choice", Simple::Choice),
];

#[derive(Clone, Copy)]
enum Simple {
    Integer,
    Number,
    Time,
    Size,
    Path,
    Word,
    Choice,
}

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
    let gridlet = top.table(p, "gridlet", "[gridlet]").map(|reader| gridlet(p, reader));
    let compare = top.table(p, "compare", "[compare]");
    let compare = compare.map_or(Some(Compare::Bytes), |reader| read_compare(p, reader));
    let merge = top.table(p, "merge", "[merge]").and_then(|reader| read_merge(p, reader));
    let sample = top.table(p, "sample", "[sample]");
    let sample = sample.map_or(SampleBy::Cell, |reader| read_sample(p, reader));
    let preview = top.table(p, "preview", "[preview]");
    let preview = preview.and_then(|reader| read_preview(p, reader));
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

/// The form of a value; `None` and no problem if there is none.
fn form(p: &mut Problems<'_>, reader: &mut Reader<'_, '_>, key: &'static str) -> Option<Form> {
    let choices = reader.texts(p, "choices");
    let place = reader.place("choices");
    let simple = reader.choice(p, key, &FORMS)?;
    let is_choice = matches!(simple, Simple::Choice);
    if is_choice == choices.is_empty() {
        let message = if is_choice {
            "expected a list of `choices`, found none"
        } else {
            "`choices` are only for the value \"choice\""
        };
        p.add(&place, message);
    }
    Some(match simple {
        Simple::Integer => Form::Integer,
        Simple::Number => Form::Number,
        Simple::Time => Form::Time,
        Simple::Size => Form::Size,
        Simple::Path => Form::Path,
        Simple::Word => Form::Word,
        Simple::Choice => Form::Choice(choices.into_iter().map(|choice| choice.text).collect()),
    })
}

pub(super) fn pattern(p: &mut Problems<'_>, text: &Text) -> Option<Pattern> {
    let built =
        regex::RegexBuilder::new(&text.text).size_limit(REGEX_BYTES).multi_line(true).build();
    match built {
        Ok(regex) if regex.captures_len() == 2 => Some(Pattern(regex)),
        Ok(regex) => {
            let found = regex.captures_len() - 1;
            p.add(
                &text.span,
                format!("expected a pattern with one group (what to take), found {found}"),
            );
            None
        }
        Err(error) => {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            p.add(&text.span, format!("not a regular expression: {last}"));
            None
        }
    }
}

const ROLES: [(&str, Role); 4] = [
    ("input", Role::Input),
    ("list", Role::List),
    ("output", Role::Output),
    ("source", Role::Source),
];

/// What options and words have in common. `name`: of the variable if `as` doesn't say.
fn variable(
    p: &mut Problems<'_>,
    reader: &mut Reader<'_, '_>,
    form: Form,
    name: Option<Text>,
) -> Option<Variable> {
    let name = reader.text(p, "as").or(name);
    let Some(name) = name else {
        p.add(&reader.span.clone(), "expected `as`, the variable that takes the value");
        return None;
    };
    check_name(p, &name);
    let take = reader.text(p, "take").and_then(|text| pattern(p, &text));
    let role_place = reader.place("role");
    let role = reader.choice(p, "role", &ROLES).unwrap_or(Role::Plain);
    if role != Role::Plain && form != Form::Path {
        p.add(&role_place, "`role` is for a path, expected value = \"path\"");
    }
    let repeat = reader.boolean(p, "repeat");
    if repeat && role == Role::Output {
        p.add(&role_place, "an output can't be repeated");
    }
    let (min, max) = (reader.number(p, "min"), reader.number(p, "max"));
    let default = default(p, reader, &form, repeat);
    Some(Variable { name: name.text, span: name.span, form, take, min, max, role, repeat, default })
}

fn default(
    p: &mut Problems<'_>,
    reader: &mut Reader<'_, '_>,
    form: &Form,
    repeat: bool,
) -> Option<Fallback> {
    if !reader.has("default") {
        return repeat.then(|| {
            Fallback::Value(match form {
                Form::Integer | Form::Number | Form::Time => Value::Numbers(Vec::new()),
                _ => Value::Texts(Vec::new()),
            })
        });
    }
    let place = reader.place("default");
    if repeat {
        p.add(&place, "what may come several times is empty by default, expected no `default`");
        return None;
    }
    if matches!(form, Form::Integer | Form::Number) {
        let number = reader.expression(p, "default")?;
        let constant = number.as_constant();
        if constant.is_none() {
            p.add(&place, format!("`default`: expected a number, found `{}`", number.text));
        }
        let integer = *form == Form::Integer;
        return constant.map(|number| {
            Fallback::Value(if integer {
                Value::Integer(number as i64)
            } else {
                Value::Number(number)
            })
        });
    }
    let text = reader.template(p, "default")?;
    if matches!(form, Form::Path | Form::Word) {
        return Some(Fallback::Template(text));
    }
    match form.read(&text.text) {
        Ok(value) => Some(Fallback::Value(value)),
        Err(message) => {
            p.add(&place, format!("`default`: {message}"));
            None
        }
    }
}

fn check_name(p: &mut Problems<'_>, name: &Text) {
    if !is_name(&name.text) {
        let message = "expected letters, digits and `_`, beginning with a letter";
        p.add(&name.span, format!("a variable's name: {message}, found `{}`", name.text));
    }
}

fn option(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Opt> {
    if !reader.has("names") {
        p.add(
            &reader.span.clone(),
            "[[option]] has no `names`, expected a list such as [\"-k\", \"--keep\"]",
        );
    }
    let names = reader.texts(p, "names");
    for name in &names {
        let bare = name.text.trim_start_matches(['-', '+']);
        if bare.len() == name.text.len() || bare.is_empty() || name.text.contains(['=', ' ']) {
            p.add(
                &name.span,
                format!("`names`: expected an option such as -k or --keep, found `{}`", name.text),
            );
        }
    }
    let longest = names.iter().max_by_key(|name| name.text.trim_start_matches('-').len());
    let default_name = longest.map(|name| Text {
        text: name.text.trim_start_matches(['-', '+']).replace('-', "_"),
        span: name.span.clone(),
    });
    let has_value = reader.has("value");
    let form = form(p, &mut reader, "value");
    let mut flag = None;
    let mut value = None;
    if let Some(form) = form {
        value = variable(p, &mut reader, form, default_name.filter(|name| is_name(&name.text)));
    } else if !has_value {
        let named = reader.text(p, "as");
        if let Some(name) = &named {
            check_name(p, name);
        }
        flag = named.or(default_name.filter(|name| is_name(&name.text))).map(|name| name.text);
    }
    let forms_place = reader.place("forms");
    let listed = reader.texts(p, "forms");
    let mut forms = Forms::default();
    for form in &listed {
        match form.text.as_str() {
            "separate" => forms.separate = true,
            "equals" => forms.equals = true,
            "attached" => forms.attached = true,
            other => p.add(
                &form.span,
                format!("`forms`: expected separate, equals or attached, found `{other}`"),
            ),
        }
    }
    if !listed.is_empty() && !has_value {
        p.add(&forms_place, "`forms` are ways to give a value, and this option has none");
    }
    if listed.is_empty() {
        let long = names.iter().any(|name| name.text.starts_with("--"));
        let short = names.iter().any(|name| !name.text.starts_with("--") && name.text.len() == 2);
        forms = Forms { separate: true, equals: long, attached: short };
    }
    let effects = [
        ("keep", Effect::Keep),
        ("drop", Effect::Drop),
        ("whole", Effect::Whole),
        ("refuse", Effect::Refuse),
        ("decline", Effect::Decline),
    ];
    let given = reader.choice(p, "effect", &effects);
    // What has a place of its own in the gridlet's command isn't passed on a second time.
    let role = value.as_ref().map_or(Role::Plain, |value| value.role);
    let effect = given.unwrap_or(if role == Role::Plain { Effect::Keep } else { Effect::Drop });
    let say = reader.text(p, "say");
    if effect == Effect::Refuse && say.is_none() {
        p.add(&reader.span.clone(), "an option that is refused has to `say` why");
    }
    let merge = reader.choice(p, "into", &[("gridlet", false), ("merge", true)]).unwrap_or(false);
    let first = reader.boolean(p, "first");
    reader.finish(p);
    (!names.is_empty() && (value.is_some() || !has_value)).then_some(Opt {
        names,
        value,
        flag,
        forms,
        effect,
        merge,
        first,
        say: say.map(|say| say.text),
    })
}

fn word(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Word> {
    let has_value = reader.has("value");
    let form = form(p, &mut reader, "value").or((!has_value).then_some(Form::Word))?;
    let variable = variable(p, &mut reader, form, None);
    let optional = reader.boolean(p, "optional");
    reader.finish(p);
    let variable = variable?;
    let optional = optional || variable.default.is_some() && !variable.repeat;
    Some(Word { variable, optional })
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

fn gridlet(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> GridletSpec {
    let run = run(p, &mut reader);
    let stdin = reader.template(p, "stdin");
    let stdout = reader.template(p, "stdout");
    let mut results = reader.templates(p, "results");
    // Standard output is a result if nothing else is said.
    if let (Some(stdout), false) = (&stdout, reader.has("results")) {
        results.push(stdout.clone());
    }
    let mut env = Vec::new();
    if let Some(mut table) = reader.table(p, "env", "[gridlet.env]") {
        for (name, value) in table.entries() {
            if name.text.is_empty() || name.text.contains(['=', '\0']) {
                p.add(&name.span, "expected the name of an environment variable");
            }
            match value.get_ref().as_str() {
                None => p.add(&value.span(), format!("`{}`: expected a text", name.text)),
                Some(text) => {
                    let text = Text { text: text.to_owned(), span: value.span() };
                    env.extend(template(p, &text).map(|value| (name.text, value)));
                }
            }
        }
    }
    let exit_any = reader.choice(p, "exit", &[("zero", false), ("any", true)]).unwrap_or(false);
    let copy = reader.choice(p, "inputs", &[("link", false), ("copy", true)]).unwrap_or(false);
    let cost = reader.expression(p, "cost");
    let shows = [("tile", Shows::Tile), ("halo", Shows::Halo), ("picture", Shows::Picture)];
    let shows = reader.choice(p, "shows", &shows).unwrap_or(Shows::Tile);
    let span = reader.span.clone();
    reader.finish(p);
    GridletSpec { span, run, stdin, stdout, results, env, exit_any, copy, cost, shows }
}

#[derive(Clone, Copy)]
enum By {
    Bytes,
    Numbers,
    Picture,
    Command,
    Concatenate,
    Tiles,
    Files,
    Archive,
}

fn by(
    p: &mut Problems<'_>,
    reader: &mut Reader<'_, '_>,
    choices: &[(&'static str, By)],
) -> Option<By> {
    if !reader.has("by") {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        p.add(&reader.span.clone(), format!("expected `by`, one of {}", names.join(", ")));
    }
    reader.choice(p, "by", choices)
}

fn read_compare(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Compare> {
    let choices = [
        ("bytes", By::Bytes),
        ("numbers", By::Numbers),
        ("picture", By::Picture),
        ("command", By::Command),
    ];
    let compare = match by(p, &mut reader, &choices)? {
        By::Numbers => Compare::Numbers {
            tolerance: reader.number(p, "tolerance").unwrap_or(0.0),
            relative: reader.number(p, "relative").unwrap_or(0.0),
        },
        By::Picture => {
            let place = reader.place("tolerance");
            let tolerance = reader.number(p, "tolerance").unwrap_or(0.0);
            if tolerance > 255.0 {
                p.add(&place, format!("`tolerance`: expected 0 to 255, found {tolerance}"));
            }
            Compare::Picture { tolerance }
        }
        By::Command => {
            let run = run(p, &mut reader);
            for name in ["a", "b"] {
                if !run.iter().any(|word| word.uses(name)) {
                    let message = "a command that compares has to use {a} and {b}, the two results";
                    p.add(&reader.place("run"), message);
                    break;
                }
            }
            Compare::Command { run, timeout_s: timeout(p, &mut reader) }
        }
        _ => Compare::Bytes,
    };
    reader.finish(p);
    Some(compare)
}

fn read_merge(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Merge> {
    let choices = [
        ("concatenate", By::Concatenate),
        ("tiles", By::Tiles),
        ("files", By::Files),
        ("archive", By::Archive),
        ("command", By::Command),
    ];
    let by = by(p, &mut reader, &choices)?;
    let place = reader.place("to");
    let to = reader.templates(p, "to");
    if to.is_empty() {
        p.add(&place, "[merge] has no `to`, expected where the output goes");
        return None;
    }
    if to.len() > 1 && !matches!(by, By::Files) {
        p.add(&place, "`to`: expected one name, found a list");
    }
    let one = to[0].clone();
    let merge = match by {
        By::Concatenate => Merge::Concatenate {
            to: one,
            header_lines: reader.integer(p, "header-lines", 0..1 << 20).unwrap_or(0) as usize,
        },
        By::Tiles => Merge::Tiles { to: one },
        By::Archive => Merge::Archive { to: one, names: reader.templates(p, "names") },
        By::Command => {
            let run = run(p, &mut reader);
            let output_place = reader.place("output");
            let Some(output) = reader.template(p, "output") else {
                p.add(
                    &output_place,
                    "[merge] has no `output`, expected the file that `run` writes",
                );
                return None;
            };
            Merge::Command(Box::new(MergeCommand {
                run,
                timeout_s: timeout(p, &mut reader),
                names: reader.templates(p, "names"),
                list: reader.template(p, "list"),
                output,
                to: one,
            }))
        }
        _ => Merge::Files { to },
    };
    reader.finish(p);
    Some(merge)
}

fn read_sample(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> SampleBy {
    let by = reader.choice(p, "by", &[("cell", 0), ("tile", 1), ("none", 2)]).unwrap_or(0);
    let place = reader.place("size");
    let size = reader.integer(p, "size", 1..4097);
    if by != 1 && size.is_some() {
        p.add(&place, "`size` is for by = \"tile\"");
    }
    reader.finish(p);
    match by {
        0 => SampleBy::Cell,
        1 => SampleBy::Tile(size.unwrap_or(32) as u32),
        _ => SampleBy::None,
    }
}

fn read_preview(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<PreviewBy> {
    let choices = [
        ("count", PreviewBy::Count),
        ("concatenate", PreviewBy::Concatenate),
        ("tiles", PreviewBy::Tiles),
        ("none", PreviewBy::None),
    ];
    let by = reader.choice(p, "by", &choices);
    reader.finish(p);
    by
}

/// Where a part of a template stands in the file.
pub(super) fn part(p: &Problems<'_>, template: &Template, at: &Range<usize>) -> Range<usize> {
    inside(p.text(), &template.span, &template.text, at)
}

/// Where an expression stands.
pub(super) fn whole(expr: &Expr) -> Range<usize> {
    expr.span.clone()
}
