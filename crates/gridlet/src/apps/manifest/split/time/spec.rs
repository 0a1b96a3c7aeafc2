//! `[split]` of a manifest that cuts films.

use std::collections::BTreeMap;

use regex::Regex;

use super::super::{Cut, Opening, Plan, Uncut};
use crate::OpenError;
use crate::apps::manifest::diagnostic::Problems;
use crate::apps::manifest::expr::Scope;
use crate::apps::manifest::model::Pattern;
use crate::apps::manifest::parse::{part, pattern};
use crate::apps::manifest::reader::{Reader, Text, template};
use crate::apps::manifest::template::Template;
use crate::apps::manifest::value::Kind;

/// Seconds that a command here may take if the manifest doesn't say: copying a long film from a slow disk.
const TIMEOUT_S: i64 = 3600;

/// Seconds of film in a part at least, if the manifest doesn't say: an encoder begins each anew.
const LEAST_S: f64 = 2.0;

/// `[split]` of this kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::apps::manifest) struct Time {
    /// The film's path.
    pub(super) film: Template,
    /// Kind of the joined film: `mp4`.
    pub(super) container: Template,
    /// Kinds whose pictures come at even times.
    pub(super) constant: Vec<String>,
    /// Kinds whose pictures keep their times.
    pub(super) variable: Vec<String>,
    /// Something if the user wants pictures to keep their times.
    pub(super) keeps_times: Template,
    /// What to do about a film with uneven times.
    pub(super) uneven: String,
    pub(super) least_s: f64,
    pub(super) timeout_s: u32,
    /// Prints a description of the film, in ffprobe's JSON.
    pub(super) describe: Vec<Template>,
    /// Prints the packets of its pictures.
    pub(super) index: Vec<Template>,
    /// Writes `{files}`, with borders at the packets `{borders}`.
    pub(super) cut: Vec<Template>,
    /// Prints the time of the first picture in `{file}`.
    pub(super) look: Vec<Template>,
    /// Of a part's file.
    pub(super) extension: String,
    /// Values of `{mode}`: of the first part if pictures come at even times, and of all others.
    pub(super) first_mode: String,
    pub(super) mode: String,
    /// The user's chain of filters.
    pub(super) filter: Template,
    pub(super) filter_option: String,
    /// A filter that drops the pictures before `{time}`.
    pub(super) drop_before: String,
    /// Filters that make one picture of one.
    pub(super) each_picture: Vec<String>,
    /// Filters that turn pictures as a player does, by degrees.
    pub(super) turned: BTreeMap<i64, String>,
    pub(super) encoders: Option<Encoders>,
    pub(super) choose: Choose,
    pub(super) rest: Rest,
    /// What the user should know of each film that is cut.
    pub(super) note: Option<String>,
}

/// `[split.encoders]`: `{encoder_options}` for each encoder that needs some.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Encoders {
    /// The name of the encoder.
    pub(super) by: Template,
    pub(super) options: BTreeMap<String, Vec<Template>>,
}

/// `[split.choose]`: how the command says which streams it wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choose {
    pub(super) option: String,
    pub(super) variable: String,
    pub(super) pictures: Pat,
    pub(super) rest: Pat,
    pub(super) all: Pat,
}

/// A regular expression for a whole word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pat(Pattern);

impl Pat {
    pub(super) fn is_match(&self, word: &str) -> bool {
        let regex: &Regex = &self.0.0;
        regex.is_match(word)
    }
}

/// `[split.rest]`: what isn't pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rest {
    /// Kind of the file that it is sent in.
    pub(super) extension: Template,
    /// Copies it from the film to `{file}`.
    pub(super) copy: Vec<Template>,
    /// What a gridlet runs for it.
    pub(super) run: Vec<Template>,
    /// The same for an instant, to find out whether anything comes out.
    pub(super) try_: Vec<Template>,
    /// What `try` says if nothing does.
    pub(super) nothing: String,
    /// Kinds that can't say that sound begins before 0: it is encoded later by `offset` seconds.
    pub(super) shifted: Vec<String>,
    pub(super) offset: i64,
    /// `{rest_input}` and `{rest_streams}` of the merge, if there is a rest.
    pub(super) join_input: Vec<Template>,
    pub(super) join_streams: Vec<Template>,
    /// The same if there is none; `{name}` is the first part's.
    pub(super) alone_input: Vec<Template>,
    pub(super) alone_streams: Vec<Template>,
}

impl Time {
    pub(in super::super) fn read(
        p: &mut Problems<'_>,
        reader: &mut Reader<'_, '_>,
    ) -> Option<Self> {
        let need = |p: &mut Problems<'_>, reader: &mut Reader<'_, '_>, key: &'static str| {
            if !reader.has(key) {
                let place = reader.span.clone();
                p.add(
                    &place,
                    format!("[split] by = \"time\" has no `{key}`, see docs/guide/ffmpeg.md"),
                );
            }
            reader.has(key)
        };
        for key in ["film", "container", "describe", "index", "cut", "look", "rest", "choose"] {
            need(p, reader, key);
        }
        let film = reader.template(p, "film");
        let container = reader.template(p, "container");
        let word = |p: &mut Problems<'_>, reader: &mut Reader<'_, '_>, key| {
            reader.text(p, key).map(|text| text.text).unwrap_or_default()
        };
        let words = |p: &mut Problems<'_>, reader: &mut Reader<'_, '_>, key| -> Vec<String> {
            reader.texts(p, key).into_iter().map(|text| text.text).collect()
        };
        let nothing = || Template::parse("", 0..0).ok();
        let keeps_times = reader.template(p, "keeps-times").or_else(nothing);
        let filter = reader.template(p, "filter").or_else(nothing);
        let least_s = reader.number(p, "least-seconds").unwrap_or(LEAST_S).max(0.1);
        let timeout_s = reader.integer(p, "timeout", 1..86_401).unwrap_or(TIMEOUT_S);
        let mut turned = BTreeMap::new();
        if let Some(mut table) = reader.table(p, "turned", "[split.turned]") {
            for (key, value) in table.entries() {
                match (key.text.parse::<i64>(), value.get_ref().as_str()) {
                    (Ok(degrees @ 1..=359), Some(filter)) => {
                        turned.insert(degrees, filter.to_owned());
                    }
                    _ => p.add(&key.span, "expected degrees from 1 to 359 and a filter"),
                }
            }
        }
        let encoders = reader.table(p, "encoders", "[split.encoders]");
        let encoders = encoders.and_then(|reader| read_encoders(p, reader));
        let choose = reader.table(p, "choose", "[split.choose]");
        let choose = choose.and_then(|mut reader| {
            let choose = (
                word(p, &mut reader, "option"),
                word(p, &mut reader, "variable"),
                streams(p, &mut reader, "pictures"),
                streams(p, &mut reader, "rest"),
                streams(p, &mut reader, "all"),
            );
            reader.finish(p);
            let (option, variable, pictures, rest, all) = choose;
            let (pictures, rest, all) = (Pat(pictures?), Pat(rest?), Pat(all?));
            Some(Choose { option, variable, pictures, rest, all })
        });
        let rest = reader.table(p, "rest", "[split.rest]").and_then(|mut reader| {
            let rest = Rest {
                extension: reader.template(p, "extension").or_else(nothing)?,
                copy: reader.templates(p, "copy"),
                run: reader.templates(p, "run"),
                try_: reader.templates(p, "try"),
                nothing: word(p, &mut reader, "nothing"),
                shifted: words(p, &mut reader, "shifted"),
                offset: reader.integer(p, "offset", 0..1000).unwrap_or(0),
                join_input: reader.templates(p, "join-input"),
                join_streams: reader.templates(p, "join-streams"),
                alone_input: reader.templates(p, "alone-input"),
                alone_streams: reader.templates(p, "alone-streams"),
            };
            reader.finish(p);
            Some(rest)
        });
        Some(Self {
            film: film?,
            container: container?,
            constant: words(p, reader, "constant"),
            variable: words(p, reader, "variable"),
            keeps_times: keeps_times?,
            uneven: word(p, reader, "uneven"),
            least_s,
            timeout_s: timeout_s as u32,
            describe: reader.templates(p, "describe"),
            index: reader.templates(p, "index"),
            cut: reader.templates(p, "cut"),
            look: reader.templates(p, "look"),
            extension: word(p, reader, "extension"),
            first_mode: word(p, reader, "first-mode"),
            mode: word(p, reader, "mode"),
            filter: filter?,
            filter_option: word(p, reader, "filter-option"),
            drop_before: word(p, reader, "drop-before"),
            each_picture: words(p, reader, "each-picture"),
            turned,
            encoders,
            choose: choose?,
            rest: rest?,
            note: reader.text(p, "note").map(|text| text.text),
        })
    }
}

fn streams(
    p: &mut Problems<'_>,
    reader: &mut Reader<'_, '_>,
    key: &'static str,
) -> Option<Pattern> {
    let text = reader.required(p, key, "a pattern of what is chosen")?;
    pattern(p, &text)
}

fn read_encoders(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Encoders> {
    let by = reader.template(p, "by");
    if !reader.has("by") {
        p.add(&reader.span.clone(), "[split.encoders] has no `by`, expected the encoder's name");
    }
    let mut options = BTreeMap::new();
    for (key, value) in reader.entries() {
        if key.text == "by" {
            continue;
        }
        let items = value.get_ref().as_array().map(|array| array.iter()).into_iter().flatten();
        let texts = items.filter_map(|item| {
            let text = item.get_ref().as_str()?.to_owned();
            Some(Text { text, span: item.span() })
        });
        let words: Vec<Template> = texts.filter_map(|text| template(p, &text)).collect();
        if words.is_empty() {
            p.add(&value.span(), format!("`{}`: expected a list of words", key.text));
        }
        options.insert(key.text, words);
    }
    Some(Encoders { by: by?, options })
}

fn names(list: &[(&str, Kind)]) -> Vec<(String, Kind)> {
    list.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect()
}

impl Cut for Time {
    fn default_atom(&self) -> &'static str {
        "part"
    }

    fn of_atom(&self) -> Vec<(String, Kind)> {
        names(&[
            ("part", Kind::Path),
            ("name", Kind::Path),
            ("shift", Kind::Word),
            ("filters", Kind::Words),
            ("mode", Kind::Word),
            ("line", Kind::Word),
            ("offset", Kind::Word),
            ("choice", Kind::Words),
            ("encoder_options", Kind::Words),
        ])
    }

    fn of_run(&self) -> Vec<(String, Kind)> {
        Vec::new()
    }

    fn of_whole(&self) -> Vec<(String, Kind)> {
        names(&[("begin", Kind::Word), ("rest_input", Kind::Words), ("rest_streams", Kind::Words)])
    }

    fn other(&self) -> &[Template] {
        &self.rest.run
    }

    fn suffices(&self, _: &[&str]) -> Result<(), String> {
        Err("doesn't use {part}: every run would do the same work".to_owned())
    }

    fn check(&self, scope: &Scope, problems: &mut Problems<'_>) {
        let with = |more: &[(&str, Kind)]| {
            let mut scope = scope.clone();
            scope.extend(names(more));
            scope
        };
        let mut check = |scope: &Scope, templates: &[Template], list: bool| {
            for template in templates {
                for (at, message) in template.check(scope, list) {
                    problems.add(&part(problems, template, &at), message);
                }
            }
        };
        let rest = &self.rest;
        let words = [&self.film, &self.container, &self.keeps_times, &self.filter, &rest.extension];
        for word in words {
            check(scope, std::slice::from_ref(word), false);
        }
        check(scope, &self.describe, true);
        check(scope, &self.index, true);
        check(&with(&[("borders", Kind::Word), ("files", Kind::Path)]), &self.cut, true);
        check(&with(&[("file", Kind::Path)]), &self.look, true);
        check(&with(&[("file", Kind::Path)]), &rest.copy, true);
        if let Some(encoders) = &self.encoders {
            check(scope, std::slice::from_ref(&encoders.by), false);
            encoders.options.values().for_each(|words| check(scope, words, true));
        }
        let mut cell = scope.clone();
        cell.extend(self.of_atom());
        check(&cell, &rest.run, true);
        check(&cell, &rest.join_input, true);
        check(&cell, &rest.join_streams, true);
        check(&cell, &rest.alone_input, true);
        check(&cell, &rest.alone_streams, true);
        cell.insert("try".to_owned(), Kind::Path);
        check(&cell, &rest.try_, true);
    }

    fn plan(&self, opening: &Opening<'_>) -> Result<Plan, OpenError> {
        self.cut_film(opening).map_err(|uncut| match uncut {
            Uncut::Whole(why) => OpenError::Usage(why),
            Uncut::Wrong(error) => error,
        })
    }

    fn try_plan(&self, opening: &Opening<'_>) -> Result<Plan, Uncut> {
        self.cut_film(opening)
    }
}
