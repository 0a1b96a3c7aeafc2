//! How a command is read: `[[option]]` and `[[word]]`, and what forms values have.

use crate::apps::manifest::diagnostic::Problems;
use crate::apps::manifest::model::{Effect, Fallback, Forms, Opt, Pattern, Role, Variable, Word};
use crate::apps::manifest::reader::{Reader, Text};
use crate::apps::manifest::template::is_name;
use crate::apps::manifest::value::{Form, Value};

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

/// The form of a value; `None` and no problem if there is none.
pub(super) fn form(
    p: &mut Problems<'_>,
    reader: &mut Reader<'_, '_>,
    key: &'static str,
) -> Option<Form> {
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

pub(in crate::apps::manifest) fn pattern(p: &mut Problems<'_>, text: &Text) -> Option<Pattern> {
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

pub(super) fn default(
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

pub(super) fn check_name(p: &mut Problems<'_>, name: &Text) {
    if !is_name(&name.text) {
        let message = "expected letters, digits and `_`, beginning with a letter";
        p.add(&name.span, format!("a variable's name: {message}, found `{}`", name.text));
    }
}

pub(super) fn option(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Opt> {
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
    // A form that is wrong has been complained of; whatever else is wrong is seen, too.
    let form = form(p, &mut reader, "value").or(has_value.then_some(Form::Word));
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

pub(super) fn word(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Word> {
    let form = form(p, &mut reader, "value").unwrap_or(Form::Word);
    let variable = variable(p, &mut reader, form, None);
    let optional = reader.boolean(p, "optional");
    reader.finish(p);
    let variable = variable?;
    let optional = optional || variable.default.is_some() && !variable.repeat;
    Some(Word { variable, optional })
}
