//! `app`: which applications there are, and what they would do. Needs no node.

use std::fmt::Write as _;

use outlast_node::apps::{self, Catalogue, Entry, Explained, ExplainedRun, SplitHint};
use serde::Serialize;

use super::Context;
use crate::args::{AppCheckArgs, AppCommand, AppExplainArgs, AppShowArgs};
use crate::exit::{Exit, Failure};
use crate::{human, render};

pub(super) fn app(context: &mut Context<'_>, command: AppCommand) -> Result<Exit, Failure> {
    match command {
        AppCommand::List => list(context),
        AppCommand::Show(args) => show(context, &args),
        AppCommand::Check(args) => check(context, &args),
        AppCommand::Explain(args) => explain(context, *args),
    }
}

fn catalogue(context: &Context<'_>) -> Catalogue {
    let around = |name: &str| std::env::var_os(name);
    Catalogue::of(context.embedder.registry(), &context.data_dir, around)
}

/// An application, as JSON.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    origin: &'a str,
    takes: &'a str,
    programs: Vec<Program<'a>>,
    /// What is wrong with its manifest.
    broken: Option<String>,
}

#[derive(Serialize)]
struct Program<'a> {
    name: &'a str,
    found: bool,
}

fn row(entry: &Entry) -> Row<'_> {
    Row {
        name: &entry.name,
        origin: &entry.origin,
        takes: &entry.takes,
        programs: entry
            .programs
            .iter()
            .map(|(name, found)| Program { name, found: *found })
            .collect(),
        broken: entry.broken.as_ref().map(|broken| broken.short()),
    }
}

fn list(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let entries = catalogue(context).entries();
    if context.ui.json {
        context.ui.print_json(&entries.iter().map(row).collect::<Vec<_>>())?;
        return Ok(Exit::OK);
    }
    let rows = entries.iter().map(|entry| {
        let program = |(name, found): &(String, bool)| {
            if *found { name.clone() } else { format!("{name} (missing here)") }
        };
        let programs: Vec<String> = entry.programs.iter().map(program).collect();
        let takes = match &entry.broken {
            Some(broken) => format!("broken: {}", broken.short()),
            None => entry.takes.clone(),
        };
        [entry.name.clone(), programs.join(", "), entry.origin.clone(), takes]
    });
    let text = render::apps(rows, context.ui.width);
    context.ui.print(&text)?;
    Ok(Exit::OK)
}

fn show(context: &mut Context<'_>, args: &AppShowArgs) -> Result<Exit, Failure> {
    let entries = catalogue(context).entries();
    let Some(entry) = entries.iter().find(|entry| entry.name == args.name) else {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        return Err(Failure::usage(format!(
            "unknown application `{}`, expected one of {}",
            args.name,
            names.join(", ")
        )));
    };
    match &entry.text {
        Some(text) => context.ui.print(text)?,
        None => {
            return Err(Failure::failed(format!(
                "`{}` is {}, it has no manifest; it takes {}",
                entry.name, entry.origin, entry.takes
            )));
        }
    }
    Ok(Exit::OK)
}

/// A file that was checked, as JSON.
#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    application: Option<String>,
    problems: &'a [outlast_node::apps::Diagnostic],
}

fn check(context: &mut Context<'_>, args: &AppCheckArgs) -> Result<Exit, Failure> {
    let read: Vec<_> = args
        .files
        .iter()
        .map(|file| (file.display().to_string(), apps::read(&context.cwd.join(file))))
        .map(|(file, read)| {
            // As it was named on the command line.
            let read = read.map_err(|broken| apps::Broken { file: file.clone(), ..broken });
            (file, read)
        })
        .collect();
    let wrong = read.iter().filter(|(_, read)| read.is_err()).count();
    if context.ui.json {
        let checked = read.iter().map(|(file, read)| Checked {
            file: file.clone(),
            application: read.as_ref().ok().map(|manifest| manifest.name.clone()),
            problems: read.as_ref().map_or_else(|broken| &broken.diagnostics[..], |_| &[]),
        });
        let checked: Vec<_> = checked.collect();
        context.ui.print_json(&checked)?;
    } else {
        for (file, read) in &read {
            match read {
                Ok(manifest) => {
                    let text =
                        format!("{file}: right, `{}`: {}\n", manifest.name, manifest.summary);
                    context.ui.print(&text)?;
                }
                Err(broken) => {
                    let text = broken.render();
                    context.ui.write_err(human::tame(&text).as_bytes());
                }
            }
        }
    }
    if wrong == 0 {
        return Ok(Exit::OK);
    }
    let files = human::count(wrong as u64, "manifest");
    Err(Failure::failed(format!("{files} can't be used")))
}

fn explain(context: &mut Context<'_>, args: AppExplainArgs) -> Result<Exit, Failure> {
    let slots = args.slots.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
    });
    let spec = args.job.resolve(&context.cwd, &context.embedder.services())?;
    let hint = SplitHint { slots, gridlets: spec.gridlets };
    let command = apps::command_line(&spec);
    let cwd = std::path::PathBuf::from(&spec.cwd);
    let explained = catalogue(context)
        .explain(spec.app.as_deref(), &command, &cwd, hint)
        .map_err(|error| Failure::usage(error.to_string()))?;
    if context.ui.json {
        context.ui.print_json(&explained)?;
    } else {
        context.ui.print(&describe(&explained))?;
    }
    Ok(Exit::OK)
}

fn names(names: &outlast_node::apps::Names) -> String {
    let more = names.count - names.first.len();
    let text = names.first.join(", ");
    match (names.count, more) {
        (0, _) => "none".to_owned(),
        (_, 0) => text,
        _ => format!("{text} and {more} more"),
    }
}

fn describe(explained: &Explained) -> String {
    let times = |list: &[u64]| {
        let numbers: Vec<String> = list.iter().map(u64::to_string).collect();
        numbers.join(" x ")
    };
    let mut lines = vec![("application", format!("{}: {}", explained.app, explained.why))];
    if explained.run_as != explained.app {
        lines.push(("runs as", explained.run_as.clone()));
    }
    lines.extend(explained.notes.iter().map(|note| ("note", note.clone())));
    lines.push(("inputs", names(&explained.inputs)));
    lines.push(("atoms", format!("{} {}s", times(&explained.atoms), explained.atom)));
    lines.push(("cells", times(&explained.cells)));
    lines.push(("gridlets", explained.gridlets.to_string()));
    let ways = explained.ways.iter().map(|(what, how)| (what.as_str(), how.clone()));
    lines.extend(ways);
    let mut text = render::lines(&lines);
    for gridlet in &explained.first {
        let cells = |(from, count): &(u64, u64)| match count {
            1 => from.to_string(),
            _ => format!("{from}..{}", from + count - 1),
        };
        let cells: Vec<String> = gridlet.cells.iter().map(cells).collect();
        let share = human::percent((gridlet.share * 1000.0) as u64, 1000);
        let _ = writeln!(
            text,
            "\ngridlet {}: cells {}, {share} of the cost, {}",
            gridlet.gridlet,
            cells.join(" x "),
            human::count(gridlet.runs as u64, "run")
        );
        for run in &gridlet.first {
            text.push_str(&describe_run(run));
        }
        if gridlet.runs > gridlet.first.len() {
            let _ = writeln!(text, "  … and {} more", gridlet.runs - gridlet.first.len());
        }
    }
    if explained.gridlets > explained.first.len() {
        let _ =
            writeln!(text, "\n… and {} more gridlets", explained.gridlets - explained.first.len());
    }
    text
}

fn describe_run(run: &ExplainedRun) -> String {
    let stdin = run.stdin.as_ref().map_or(String::new(), |file| format!(" < {file}"));
    let env: String = run.env.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    let command = human::tame(&format!("{env}{}{stdin}", human::command(&run.command)));
    let cells =
        if run.cells == 1 { String::new() } else { format!(", answers {} cells", run.cells) };
    format!("  {command}\n    is sent {}{cells}\n", human::tame(&names(&run.sent)))
}
