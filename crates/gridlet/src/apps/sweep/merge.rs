//! The output folder of a sweep, its manifests, and what there is to see before it is complete.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use outlast_types::CellId;

use super::Manager;
use super::template::{NUMBER, Run};
use crate::apps::{STDERR, STDOUT, answer};
use crate::{CellOutput, Merged, OutFile, Preview, ResultError, Results, Sink};

/// Bytes of a run's folder name before its number takes the place of its values: file systems
/// allow 255.
const FOLDER_NAME_BYTES: usize = 200;

/// Runs that a note names one by one.
const NAMED: usize = 5;

/// Runs that a preview looks at. Each is a record to read, and a preview is asked for often.
const LOOKED_AT: u32 = 1 << 14;

/// Runs that a preview shows one by one.
const SHOWN: usize = 20;

/// One run in `manifest.json`.
#[derive(Serialize)]
struct Entry<'a> {
    run: u32,
    values: &'a [Cow<'a, str>],
    exit: i32,
    folder: &'a str,
    files: Vec<EntryFile>,
}

#[derive(Serialize)]
struct EntryFile {
    name: String,
    bytes: u64,
    hash: String,
}

/// Runs that something is to be said about.
#[derive(Default)]
struct Counted {
    runs: u64,
    first: Vec<String>,
}

impl Counted {
    fn add(&mut self, run: impl FnOnce() -> String) {
        self.runs += 1;
        if self.first.len() < NAMED {
            self.first.push(run());
        }
    }

    fn note(&self, notes: &mut Vec<String>, what: &str, total: u32) {
        if self.runs > 0 {
            let more = if self.runs > NAMED as u64 { ", …" } else { "" };
            notes.push(format!(
                "{} of {total} runs {what}: {}{more}",
                self.runs,
                self.first.join(", ")
            ));
        }
    }
}

pub(super) fn merge(
    manager: &Manager,
    results: &dyn Results,
    sink: &mut dyn Sink,
) -> Result<Merged, ResultError> {
    let (spec, grid) = (&manager.spec, &manager.grid);
    let root = if spec.folder.is_empty() { "." } else { &spec.folder };
    let mut csv = header(manager);
    let mut json = json_head(manager);
    let (mut failed, mut incomplete) = (Counted::default(), Counted::default());
    for cell in (0..grid.cells()).map(CellId) {
        let output = results.output(cell)?.ok_or_else(|| missing(cell))?;
        let run = spec.run(grid, cell);
        let name = folder_name(manager, &run);
        let mut files = Vec::new();
        for (path, file) in laid_out(&output) {
            sink.place(&format!("{root}/{name}/{path}"), &file.content, file.executable)?;
            let (bytes, hash) = (file.content.length(), file.content.hash().to_string());
            files.push(EntryFile { name: path, bytes, hash });
        }
        let folder = if files.is_empty() { "" } else { &name };
        row(&mut csv, cell, &run, &output, folder, &files);
        let entry = Entry { run: cell.0, values: &run.values, exit: output.exit, folder, files };
        json.push_str(if cell.0 == 0 { "\n" } else { ",\n" });
        json.push_str(&to_json(&entry));
        if output.exit != 0 {
            failed.add(|| format!("{} ({name}) exited with {}", cell.0, output.exit));
        }
        if !spec.outputs.is_empty() {
            let absent = answer::missing(&output, &manager.outputs(cell)).join(" and ");
            if !absent.is_empty() {
                incomplete.add(|| format!("{} ({name}) without {absent}", cell.0));
            }
        }
    }
    json.push_str("\n]}\n");
    sink.write(&format!("{root}/manifest.csv"), csv.as_bytes())?;
    sink.write(&format!("{root}/manifest.json"), json.as_bytes())?;
    let mut notes = Vec::new();
    failed.note(&mut notes, "failed", grid.cells());
    incomplete.note(&mut notes, "did not write all their outputs", grid.cells());
    Ok(Merged { files: vec![root.to_owned()], exit: i32::from(failed.runs > 0), notes })
}

pub(super) fn preview(manager: &Manager, results: &dyn Results) -> Result<Preview, ResultError> {
    let total = manager.grid.cells();
    let looked_at = total.min(LOOKED_AT);
    let (mut done, mut failed) = (0, 0);
    let mut shown = String::new();
    for cell in (0..looked_at).map(CellId) {
        let Some(output) = results.output(cell)? else { continue };
        done += 1;
        failed += u32::from(output.exit != 0);
        if done as usize <= SHOWN {
            let run = manager.spec.run(&manager.grid, cell);
            let name = folder_name(manager, &run);
            let _ = writeln!(shown, "{:>8}  {:>4}  {name}", cell.0, output.exit);
        }
    }
    let mut text = format!("runs     {total}\n");
    if looked_at < total {
        let _ = writeln!(text, "of the first {looked_at} runs:");
    }
    let _ = writeln!(text, "done     {done}\nfailed   {failed}\nmissing  {}", looked_at - done);
    if !shown.is_empty() {
        let _ = write!(text, "\n     run  exit  values\n{shown}");
    }
    if done as usize > SHOWN {
        text.push_str("       …\n");
    }
    Ok(Preview { media_type: "text/plain", bytes: text.into_bytes() })
}

/// The files of a run under the names that they get in its folder: the program's own as it named
/// them; the streams, unless they are empty, beside them.
fn laid_out(output: &CellOutput) -> Vec<(String, &OutFile)> {
    let mut files: Vec<_> =
        answer::own_files(output).map(|(path, file)| (path.to_owned(), file)).collect();
    let mut taken: BTreeSet<String> =
        files.iter().filter_map(|(path, _)| path.split('/').next().map(str::to_owned)).collect();
    for stream in [STDOUT, STDERR] {
        let Some(file) = output.file(stream).filter(|file| file.content.length() > 0) else {
            continue;
        };
        // A program may have written a file `stdout` itself; the manifest has the name in use.
        let mut name = stream.to_owned();
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        files.push((name, file));
    }
    files
}

/// A name for the folder of a run that no other run has: its values, or its number if they are too
/// long. No parameter is called `n`, and `,` and `=` in values are escaped, so the two can't collide.
fn folder_name(manager: &Manager, run: &Run<'_>) -> String {
    let mut name = String::new();
    for (parameter, value) in manager.spec.parameters.iter().zip(&run.values) {
        let comma = if name.is_empty() { "" } else { "," };
        let _ = write!(name, "{comma}{}={}", parameter.name, escape(value));
        if name.len() > FOLDER_NAME_BYTES {
            return format!("{}={}", NUMBER, run.number);
        }
    }
    name
}

/// A value as part of a file name: bytes other than the harmless ones become `%XX`.
fn escape(value: &str) -> String {
    let mut name = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"._+-".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

fn header(manager: &Manager) -> String {
    let names: Vec<&str> = manager.spec.parameters.iter().map(|p| p.name.as_str()).collect();
    format!("run,{},exit,folder,files\n", names.join(","))
}

/// A run in `manifest.csv`; its files as `name:bytes:hash`, one after another with `;` between.
fn row(
    csv: &mut String,
    cell: CellId,
    run: &Run<'_>,
    output: &CellOutput,
    folder: &str,
    files: &[EntryFile],
) {
    let _ = write!(csv, "{}", cell.0);
    for value in &run.values {
        csv.push(',');
        quote(csv, value);
    }
    let _ = write!(csv, ",{},", output.exit);
    quote(csv, folder);
    csv.push(',');
    let file = |file: &EntryFile| format!("{}:{}:{}", file.name, file.bytes, file.hash);
    quote(csv, &files.iter().map(file).collect::<Vec<_>>().join(";"));
    csv.push('\n');
}

/// Appends a field as RFC 4180 wants it.
fn quote(csv: &mut String, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        csv.push('"');
        csv.push_str(&field.replace('"', "\"\""));
        csv.push('"');
    } else {
        csv.push_str(field);
    }
}

fn json_head(manager: &Manager) -> String {
    let names: Vec<&str> = manager.spec.parameters.iter().map(|p| p.name.as_str()).collect();
    format!(
        "{{\"command\":{},\"parameters\":{},\"runs\":[",
        to_json(&manager.spec.argv),
        to_json(&names)
    )
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are always valid JSON")
}

fn missing(cell: CellId) -> ResultError {
    let message = format!("no accepted answer for run {cell}");
    ResultError::Io(io::Error::new(io::ErrorKind::NotFound, message))
}
