//! What is done with the pieces: `[gridlet]`, `[compare]`, `[merge]`, `[sample]` and `[preview]`.

use super::{run, timeout};
use crate::apps::manifest::diagnostic::Problems;
use crate::apps::manifest::model::{
    Compare, GridletSpec, Merge, MergeCommand, PreviewBy, SampleBy, Shows,
};
use crate::apps::manifest::reader::{Reader, Text, template};

pub(super) fn gridlet(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> GridletSpec {
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

pub(super) fn read_compare(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Compare> {
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

pub(super) fn read_merge(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Merge> {
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

pub(super) fn read_sample(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> SampleBy {
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

pub(super) fn read_preview(p: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<PreviewBy> {
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
