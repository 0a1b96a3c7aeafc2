//! What can be wrong with a manifest although each of its values is right by itself: variables that
//! nobody defines, work that would be done twice or not at all, results that can't be told apart,
//! options that can't be reached, paths that leave the job's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::diagnostic::Problems;
use super::expr::{Expr, Scope};
use super::model::{
    Compare, Covers, DerivedFrom, Effect, Fallback, Manifest, Merge, PreviewBy, Role, SampleBy,
    Shows,
};
use super::parse::{part, whole};
use super::reader::Text;
use super::split::{Cut as _, Split};
use super::template::{Template, is_name};
use super::value::Kind;

/// Variables that every command has: the program as it was typed, and the options that it was given.
const ALWAYS: [(&str, Kind); 3] =
    [("program", Kind::Path), ("options", Kind::Words), ("merge_options", Kind::Words)];

/// Shells, whose scripts must not have placeholders.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ksh", "zsh"];

/// The names defined so far.
#[derive(Clone)]
struct Known {
    scope: Scope,
    /// Those without a value if the command doesn't give one.
    maybe: BTreeSet<String>,
    /// Where each is defined.
    places: BTreeMap<String, Range<usize>>,
}

/// Checks the name of a variable that a split defines.
pub(super) fn check_variable(problems: &mut Problems<'_>, name: &Text) {
    if !is_name(&name.text) {
        let message = "expected letters, digits and `_`, beginning with a letter";
        problems.add(&name.span, format!("`variable`: {message}, found `{}`", name.text));
    }
}

/// Checks the names in an expression, and that it is a number.
pub(super) fn check_expr(problems: &mut Problems<'_>, expr: &Expr, scope: &Scope) {
    if let Err(message) = expr.check(scope) {
        problems.add(&whole(expr), message);
    }
}

impl Known {
    fn new() -> Self {
        let scope = ALWAYS.map(|(name, kind)| (name.to_owned(), kind)).into();
        Self { scope, maybe: BTreeSet::new(), places: BTreeMap::new() }
    }

    fn define(
        &mut self,
        problems: &mut Problems<'_>,
        name: &str,
        kind: Kind,
        maybe: bool,
        place: &Range<usize>,
    ) {
        if self.scope.contains_key(name) {
            problems.add(place, format!("the variable `{name}` is defined twice"));
            return;
        }
        self.scope.insert(name.to_owned(), kind);
        self.places.insert(name.to_owned(), place.clone());
        if maybe {
            self.maybe.insert(name.to_owned());
        }
    }

    fn with(&self, more: impl IntoIterator<Item = (String, Kind)>) -> Self {
        let mut all = self.clone();
        for (name, kind) in more {
            all.maybe.remove(&name);
            all.scope.insert(name, kind);
        }
        all
    }

    fn template(&self, problems: &mut Problems<'_>, template: &Template, list: bool) {
        for (at, message) in template.check(&self.scope, list) {
            problems.add(&part(problems, template, &at), message);
        }
        for name in &self.maybe {
            if template.needs(name) {
                let message = format!("`{name}` has no value if the command doesn't give one");
                let help = "give it a `default`, say what else to take ({a|b}), or pass it on with {options}";
                problems.add_help(&template.span, message, Some(help));
            }
        }
    }

    /// A name inside a worker's folder, or below where an output goes.
    fn inner(&self, problems: &mut Problems<'_>, template: &Template) {
        self.template(problems, template, false);
        let text = &template.text;
        if text.is_empty() {
            problems.add(&template.span, "expected a file's name, found nothing");
        } else if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            let message = format!("`{text}` is outside of the job's folder");
            problems.add_help(&template.span, message, Some("a manifest can't name paths there"));
        }
    }

    fn expr(&self, problems: &mut Problems<'_>, expr: &Expr) {
        check_expr(problems, expr, &self.scope);
        self.needed(problems, expr);
    }

    fn needed(&self, problems: &mut Problems<'_>, expr: &Expr) {
        for name in expr.needed() {
            if self.maybe.contains(&name) {
                let message = format!("`{name}` has no value if the command doesn't give one");
                let help = format!("ask first: given({name}) && …, or give it a `default`");
                problems.add_help(&whole(expr), message, Some(help));
            }
        }
    }
}

/// Checks a manifest, and decides what a run of its command covers.
pub(super) fn check(manifest: &mut Manifest, problems: &mut Problems<'_>) {
    let mut known = Known::new();
    command(manifest, &mut known, problems);
    let of_command = known.clone();
    derived(manifest, &mut known, problems);
    for rule in &manifest.rules {
        known.template(problems, &rule.say, false);
        if rule.effect != Effect::Decline {
            known.expr(problems, &rule.condition);
            continue;
        }
        of_command.expr(problems, &rule.condition);
    }
    manifest.split.check(&known.scope, problems);
    for expr in manifest.split.expressions() {
        known.needed(problems, expr);
    }
    let names = manifest.split.of_atom().into_iter().chain(manifest.split.of_run());
    for (name, _) in names {
        let list = matches!(manifest.split, Split::Files(_))
            && known.scope.get(&name) == Some(&Kind::Words);
        if let Some(place) = known.places.get(&name).filter(|_| !list) {
            let message = format!("the variable `{name}` is one of the split's own");
            problems.add_help(place, message, Some("call it something else"));
        }
    }
    if let Some(covers) = gridlet(manifest, &known, problems) {
        manifest.covers = covers;
        results(manifest, &known, problems);
    }
}

/// Variables of options and words.
fn command(manifest: &Manifest, known: &mut Known, problems: &mut Problems<'_>) {
    if manifest.programs.is_empty() {
        problems.add(&(0..0), "[app] has no `programs`, expected at least one");
    }
    let mut options: BTreeSet<&str> = BTreeSet::new();
    let mut outputs = 0;
    for option in &manifest.options {
        for name in &option.names {
            if !options.insert(&name.text) {
                let message = format!("the option `{}` is there twice", name.text);
                problems.add_help(&name.span, message, Some("this one is never reached"));
            }
        }
        let place = option.names.first().map_or(0..0, |name| name.span.clone());
        if let Some(flag) = &option.flag
            && known.scope.get(flag) != Some(&Kind::Flag)
        {
            known.define(problems, flag, Kind::Flag, false, &place);
        }
        if let Some(value) = &option.value {
            outputs += usize::from(value.role == Role::Output);
            let maybe = value.default.is_none();
            known.define(problems, &value.name, value.kind(), maybe, &value.span);
        }
    }
    let (mut repeated, mut optional) = (false, false);
    for word in &manifest.words {
        let variable = &word.variable;
        outputs += usize::from(variable.role == Role::Output);
        if variable.repeat && repeated {
            let message = "a second word that may come several times is never reached";
            problems.add(&variable.span, message);
        }
        if !variable.repeat && word.optional && repeated {
            let message = "a word that may be left out, after one that may come several times: which one is meant?";
            problems.add(&variable.span, message);
        }
        if !variable.repeat && !word.optional && optional {
            let message = "a word that has to be there after one that doesn't: which one is meant?";
            problems.add(&variable.span, message);
        }
        repeated |= variable.repeat;
        optional |= word.optional && !variable.repeat;
        let maybe = variable.default.is_none();
        let maybe = maybe && word.optional;
        known.define(problems, &variable.name, variable.kind(), maybe, &variable.span);
    }
    if outputs > 1 {
        problems
            .add(&(0..0), format!("{outputs} variables have the role of the output, expected one"));
    }
    // Defaults may use whatever the command gives, but not each other.
    let options = manifest.options.iter().filter_map(|option| option.value.as_ref());
    let variables: Vec<_> =
        options.chain(manifest.words.iter().map(|word| &word.variable)).collect();
    let with_template = |name: &str| {
        variables.iter().any(|v| v.name == name && matches!(v.default, Some(Fallback::Template(_))))
    };
    let mut given = known.clone();
    given
        .maybe
        .extend(given.scope.keys().filter(|name| with_template(name)).cloned().collect::<Vec<_>>());
    for variable in &variables {
        if let Some(Fallback::Template(template)) = &variable.default {
            given.template(problems, template, false);
        }
    }
}

/// Variables of probes, `[number]` and `[text]`.
fn derived(manifest: &Manifest, known: &mut Known, problems: &mut Problems<'_>) {
    for probe in &manifest.probes {
        for word in &probe.run {
            known.template(problems, word, true);
        }
        shell(problems, &probe.run);
        for take in &probe.takes {
            let kind = match (take.all, take.form.kind()) {
                (true, Kind::Integer | Kind::Number) => Kind::Numbers,
                (true, _) => Kind::Words,
                (false, kind) => kind,
            };
            known.define(problems, &take.name.text, kind, false, &take.name.span);
        }
    }
    for derived in &manifest.derived {
        let kind = match &derived.how {
            DerivedFrom::Number(expr) => {
                known.expr(problems, expr);
                Kind::Number
            }
            DerivedFrom::Text(template) => {
                known.template(problems, template, false);
                Kind::Word
            }
        };
        if !is_name(&derived.name.text) {
            let message = "expected letters, digits and `_`, beginning with a letter";
            problems.add(&derived.name.span, format!("a variable's name: {message}"));
        }
        known.define(problems, &derived.name.text, kind, false, &derived.name.span);
    }
}

/// A placeholder in a shell's script would be read as a part of the script.
fn shell(problems: &mut Problems<'_>, run: &[Template]) {
    let program = run.first().map_or("", |word| word.text.rsplit('/').next().unwrap_or_default());
    let Some(script) = run.iter().position(|word| word.text == "-c").and_then(|at| run.get(at + 1))
    else {
        return;
    };
    if SHELLS.contains(&program) && script.text.contains('{') && script.text.contains('}') {
        let names: Vec<_> = script.check(&Scope::new(), false);
        if let Some((at, _)) = names.first() {
            problems.add_help(
                &part(problems, script, at),
                "a placeholder inside of a shell's script: a blank or quote in a file's name would \
                 be read as a part of the script",
                Some("use \"$1\" in the script, and give the placeholder as a word after it: [\"sh\", \"-c\", \"…\", \"sh\", \"{input}\"]"),
            );
        }
    }
}

/// Checks the command of a gridlet, and says what a run of it covers.
fn gridlet(manifest: &Manifest, known: &Known, problems: &mut Problems<'_>) -> Option<Covers> {
    let spec = &manifest.gridlet;
    let (of_atom, of_run) = (manifest.split.of_atom(), manifest.split.of_run());
    let names = |list: &[(String, Kind)]| -> Vec<String> {
        list.iter().map(|(name, _)| name.clone()).collect()
    };
    let (atom_names, run_names) = (names(&of_atom), names(&of_run));
    let all = known.with(of_atom.iter().chain(&of_run).cloned());
    let command: Vec<&Template> =
        spec.run.iter().chain(&spec.stdin).chain(spec.env.iter().map(|(_, value)| value)).collect();
    for word in &command {
        all.template(problems, word, spec.run.iter().any(|other| std::ptr::eq(other, *word)));
    }
    shell(problems, &spec.run);
    for name in spec.results.iter().chain(&spec.stdout) {
        all.inner(problems, name);
    }
    if let Some(cost) = &spec.cost {
        known
            .with(of_atom.iter().cloned().chain(if of_atom.is_empty() {
                of_run.clone()
            } else {
                Vec::new()
            }))
            .expr(problems, cost);
    }
    if spec.results.is_empty() {
        problems
            .add(&spec.span, "[gridlet] has no `results`, expected the files that a run leaves");
        return None;
    }
    if let Some(stdout) = &spec.stdout
        && !spec.results.iter().any(|result| result.text == stdout.text)
    {
        let message = format!("`stdout` goes to `{}`, which is none of `results`", stdout.text);
        problems.add(&stdout.span, message);
    }
    if !problems.is_empty() {
        return None;
    }
    let used = |list: &[String], in_: &[&Template]| -> Vec<String> {
        list.iter().filter(|name| in_.iter().any(|word| word.uses(name))).cloned().collect()
    };
    let results: Vec<&Template> = spec.results.iter().collect();
    let place = spec.run.first().map_or(spec.span.clone(), |first| {
        first.span.start..spec.run.last().map_or(first.span.end, |last| last.span.end)
    });
    let (by_atom, by_run) = (used(&atom_names, &command), used(&run_names, &command));
    if let Some(atom) = by_atom.first() {
        let both = by_run.iter().find(|name| !["piece", "count", "step"].contains(&name.as_str()));
        if let Some(run) = both {
            problems.add(&place, format!(
                "uses {{{atom}}}, so that it runs once for each {}, and {{{run}}}, so that it runs for several: expected one of both",
                manifest.atom
            ));
        }
        return Some(Covers::Atom);
    }
    let by_run: Vec<&str> = by_run.iter().map(String::as_str).collect();
    if let Err(message) = manifest.split.suffices(&by_run) {
        problems.add(&place, format!("the command of a gridlet {message}"));
        return None;
    }
    if used(&atom_names, &results).is_empty() {
        return Some(Covers::Piece);
    }
    for result in &spec.results {
        if used(&atom_names, &[result]).is_empty() {
            let message = format!(
                "several {}s share a run, and `{}` would be the same file for all of them",
                manifest.atom, result.text
            );
            let help = format!("use {{{}}} in its name", atom_names.first().map_or("n", |n| n));
            problems.add_help(&result.span, message, Some(help));
        }
    }
    if spec.stdout.is_some() {
        let message = "several answers share a run, which has only one standard output";
        problems.add(&place, message);
    }
    Some(Covers::Atoms)
}

/// Checks what becomes of results.
fn results(manifest: &Manifest, known: &Known, problems: &mut Problems<'_>) {
    let spec = &manifest.gridlet;
    let tiled = matches!(manifest.split, Split::Tiles(_));
    // Names that tell one answer from all others.
    let own: Vec<(String, Kind)> = match manifest.covers {
        Covers::Piece => {
            let run = manifest.split.of_run();
            run.into_iter().filter(|(name, _)| name != "step" && name != "count").collect()
        }
        Covers::Atom | Covers::Atoms => {
            let piece = ("piece".to_owned(), Kind::Integer);
            manifest
                .split
                .of_atom()
                .into_iter()
                .filter(|(name, _)| name != "bytes")
                .chain([piece])
                .collect()
        }
    };
    let of_answer = known.with(own.iter().cloned());
    let apart = |problems: &mut Problems<'_>, template: &Template| {
        of_answer.inner(problems, template);
        if !own.iter().any(|(name, _)| template.uses(name)) {
            let message = format!(
                "`{}` is the same for all answers: they would overwrite each other",
                template.text
            );
            let help = format!("use {{{}}} in it", own.first().map_or("piece", |(name, _)| name));
            problems.add_help(&template.span, message, Some(help));
        }
    };
    let one = |problems: &mut Problems<'_>, what: &str| {
        if let [_, second, ..] = spec.results.as_slice() {
            problems.add_help(
                &second.span,
                format!(
                    "{} results, and by = \"{what}\" joins one of each gridlet",
                    spec.results.len()
                ),
                Some("by = \"files\", \"archive\" or \"command\" takes several"),
            );
        }
    };
    let as_many = |problems: &mut Problems<'_>, list: &[Template], key: &str| {
        if list.len() != spec.results.len() {
            let place = list.first().map_or(spec.span.clone(), |first| first.span.clone());
            problems.add(
                &place,
                format!(
                    "`{key}`: expected as many names as there are `results`, {}, found {}",
                    spec.results.len(),
                    list.len()
                ),
            );
        }
    };
    match &manifest.merge {
        Merge::Concatenate { to, .. } => {
            known.inner(problems, to);
            one(problems, "concatenate");
        }
        Merge::Tiles { to } => {
            known.inner(problems, to);
            one(problems, "tiles");
            if !tiled {
                problems
                    .add(&to.span, "by = \"tiles\" joins tiles, expected [split] by = \"tiles\"");
            }
        }
        Merge::Files { to } => {
            as_many(problems, to, "to");
            to.iter().for_each(|to| apart(problems, to));
        }
        Merge::Archive { to, names } => {
            known.inner(problems, to);
            as_many(problems, names, "names");
            names.iter().for_each(|name| apart(problems, name));
        }
        Merge::Command(command) => {
            known.inner(problems, &command.to);
            known.inner(problems, &command.output);
            as_many(problems, &command.names, "names");
            command.names.iter().for_each(|name| apart(problems, name));
            let scope = known.with(manifest.split.of_whole()).with([
                ("results".to_owned(), Kind::Words),
                ("list".to_owned(), Kind::Path),
                ("merged".to_owned(), Kind::Path),
            ]);
            for word in &command.run {
                scope.template(problems, word, true);
            }
            shell(problems, &command.run);
            if let Some(line) = &command.list {
                let result = [("result".to_owned(), Kind::Path)];
                of_answer.with(result).template(problems, line, false);
            }
            let uses = |name| command.run.iter().any(|word| word.uses(name));
            if uses("list") != command.list.is_some() {
                let message = "expected both or none: `list`, a line for each result, and {list}, the file with these lines";
                problems.add(&command.output.span, message);
            }
            if !uses("results") && !uses("list") {
                let place = command.run.first().map_or(0..0, |word| word.span.clone());
                problems.add(
                    &place,
                    "the merge uses neither {results} nor {list}: it would join nothing",
                );
            }
        }
    }
    if tiled {
        if let Some(stdout) = &spec.stdout {
            let message = "a tile is cut out of a file, expected a program that writes one";
            problems.add(&stdout.span, message);
        }
        one(problems, "tiles");
        if matches!(manifest.compare, Compare::Numbers { .. }) {
            problems
                .add(&spec.span, "[compare] by = \"numbers\" is for texts, and tiles are pictures");
        }
        if !matches!(manifest.merge, Merge::Tiles { .. }) {
            problems.add(&spec.span, "[split] by = \"tiles\" needs [merge] by = \"tiles\"");
        }
    } else {
        if spec.shows != Shows::Tile {
            problems.add(&spec.span, "`shows` is for [split] by = \"tiles\"");
        }
        if matches!(manifest.sample, SampleBy::Tile(_)) || manifest.preview == PreviewBy::Tiles {
            problems.add(
                &spec.span,
                "samples and previews by = \"tile\" are for [split] by = \"tiles\"",
            );
        }
    }
    if let Compare::Command { run, .. } = &manifest.compare {
        let both = ["a", "b"].map(|name| (name.to_owned(), Kind::Path));
        let scope = known.with(both);
        run.iter().for_each(|word| scope.template(problems, word, true));
        shell(problems, run);
        if spec.results.len() > 1 || tiled {
            problems.add(
                &spec.span,
                "[compare] by = \"command\" compares one result of a gridlet that is a file",
            );
        }
    }
    if manifest.preview == PreviewBy::Concatenate && spec.results.len() > 1 {
        problems.add(&spec.span, "[preview] by = \"concatenate\" is for one result of a gridlet");
    }
}
