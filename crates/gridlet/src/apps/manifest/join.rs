//! Joins accepted answers into the output, and shows what there is of it.

use std::collections::BTreeSet;
use std::io;

use outlast_types::CellId;

use super::archive;
use super::judge::{invalid, shape};
use super::manager::Manager;
use super::model::{Merge, MergeCommand, PreviewBy};
use super::template::Template;
use super::value::Value;
use crate::picture::{Picture, Thumbnail};
use crate::{
    CellOutput, Content, Merged, OutFile, Placed, Preview, ResultError, Results, Sink, Tool,
};

/// Bytes of a text that a preview shows.
const PREVIEW_BYTES: usize = 1 << 20;

/// Cells that a preview looks at. Each is a record to read, and a preview is asked for often.
const LOOKED_AT: u32 = 1 << 14;

/// The file with the list of results, for a merge by a command.
const LIST: &str = "outlast.list";

fn missing(cell: CellId) -> ResultError {
    let message = format!("no accepted answer for cell {}", cell.0);
    ResultError::Io(io::Error::new(io::ErrorKind::NotFound, message))
}

fn required(results: &dyn Results, cell: CellId) -> Result<CellOutput, ResultError> {
    results.output(cell)?.ok_or_else(|| missing(cell))
}

fn cells(manager: &Manager) -> impl Iterator<Item = CellId> + use<> {
    (0..manager.opened.grid.cells()).map(CellId)
}

/// The only result of a cell, which may be absent if any exit code is an answer.
fn only(output: &CellOutput) -> Option<&OutFile> {
    output.files.first()
}

fn word(manager: &Manager, template: &Template) -> Result<String, ResultError> {
    template.word(&manager.opened.values).map_err(invalid)
}

/// How results are joined, for people.
pub(super) fn describe(manager: &Manager) -> String {
    let to = |template: &Template| template.word(&manager.opened.values).unwrap_or_default();
    match &manager.manifest.merge {
        Merge::Concatenate { to: path, .. } => format!("one after another, into {}", to(path)),
        Merge::Tiles { to: path } => format!("tiles, into {}", to(path)),
        Merge::Files { to } => {
            let values = manager.opened.values_of(&[CellId(0)]);
            let names: Vec<String> =
                to.iter().map(|path| path.word(&values).unwrap_or_default()).collect();
            format!("files, the first is {}", names.join(" and "))
        }
        Merge::Archive { to: path, .. } => format!("a tar archive, {}", to(path)),
        Merge::Command(command) => {
            let words: Vec<&str> = command.run.iter().map(|word| word.text.as_str()).collect();
            format!("by a command here, into {}: {}", to(&command.to), words.join(" "))
        }
    }
}

pub(super) fn merge(
    manager: &Manager,
    results: &dyn Results,
    sink: &mut dyn Sink,
) -> Result<Merged, ResultError> {
    let mut merged = match &manager.manifest.merge {
        Merge::Concatenate { to, header_lines } => {
            let path = word(manager, to)?;
            concatenate(manager, results, sink, &path, *header_lines)?;
            Merged { files: vec![path], ..Merged::default() }
        }
        Merge::Tiles { to } => {
            let path = word(manager, to)?;
            let picture = picture(manager, results)?;
            let bytes = picture.encode().map_err(|error| invalid(error.to_string()))?;
            sink.write(&path, &bytes)?;
            Merged { files: vec![path], ..Merged::default() }
        }
        Merge::Files { to } => files(manager, results, sink, to)?,
        Merge::Archive { to, names } => {
            let path = word(manager, to)?;
            let named = named(manager, results, names)?;
            let named: Vec<_> = named.into_iter().map(|(_, name, file)| (name, file)).collect();
            let mut parts = archive::tar(&named, results);
            sink.join(&path, &mut parts)?;
            Merged { files: vec![path], ..Merged::default() }
        }
        Merge::Command(command) => by_command(manager, results, sink, command)?,
    };
    for cell in cells(manager) {
        let exit = required(results, cell)?.exit;
        merged.exit = merged.exit.max(exit);
    }
    Ok(merged)
}

fn concatenate(
    manager: &Manager,
    results: &dyn Results,
    sink: &mut dyn Sink,
    path: &str,
    header_lines: usize,
) -> Result<(), ResultError> {
    let mut problem = None;
    let mut parts = cells(manager).map(|cell| {
        let read = || -> Result<Vec<u8>, ResultError> {
            let output = required(results, cell)?;
            let Some(file) = only(&output) else { return Ok(Vec::new()) };
            let mut bytes = results.bytes(&file.content)?;
            if cell.0 > 0 {
                bytes.drain(..lines(&bytes, header_lines));
            }
            Ok(bytes)
        };
        read().map_err(|error| {
            let text = error.to_string();
            problem.get_or_insert(error);
            io::Error::other(text)
        })
    });
    let joined = sink.join(path, &mut parts);
    drop(parts);
    match problem {
        Some(problem) => Err(problem),
        None => Ok(joined?),
    }
}

/// Bytes of the first lines.
fn lines(bytes: &[u8], count: usize) -> usize {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    match count.checked_sub(1) {
        None => 0,
        Some(nth) => ends.nth(nth).map_or(bytes.len(), |(at, _)| at + 1),
    }
}

fn picture(manager: &Manager, results: &dyn Results) -> Result<Picture, ResultError> {
    let all = manager.opened.grid.axes();
    let (height, width) = (all[0].length() as u32, all[1].length() as u32);
    let mut canvas: Option<Picture> = None;
    for cell in cells(manager) {
        let tile = tile_of(manager, results, cell)?.ok_or_else(|| missing(cell))?;
        let rect = manager.rect(cell).ok_or_else(|| missing(cell))?;
        let canvas = match &mut canvas {
            Some(canvas) => canvas,
            None => {
                let whole = crate::picture::Shape { width, height, ..tile.shape };
                let blank = Picture::blank(whole, tile.meta.clone());
                canvas.insert(blank.map_err(|error| invalid(error.to_string()))?)
            }
        };
        let (a, b) = (canvas.shape, tile.shape);
        if (a.channels, a.depth) != (b.channels, b.depth) || canvas.meta.format != tile.meta.format
        {
            return Err(invalid(format!(
                "the tile of cell {} has {}, expected {} as in the first one: the gridlet's command \
                 has to write the same kind of picture for each tile",
                cell.0,
                shape(&b),
                shape(&a)
            )));
        }
        canvas.paste(&tile, rect.x, rect.y).map_err(|error| invalid(error.to_string()))?;
    }
    canvas.ok_or_else(|| invalid("a picture without tiles"))
}

fn tile_of(
    manager: &Manager,
    results: &dyn Results,
    cell: CellId,
) -> Result<Option<Picture>, ResultError> {
    let (Some(output), Some(rect)) = (results.output(cell)?, manager.rect(cell)) else {
        return Ok(None);
    };
    manager.judge().tile(&output, rect, results).map(Some)
}

/// All results with the names that these templates give them, one for each result of a cell.
fn named(
    manager: &Manager,
    results: &dyn Results,
    names: &[Template],
) -> Result<Vec<(CellId, String, OutFile)>, ResultError> {
    let mut named = Vec::new();
    let mut taken = BTreeSet::new();
    for cell in cells(manager) {
        let output = required(results, cell)?;
        let values = manager.opened.values_of(&[cell]);
        for (result, name) in manager.results(cell).iter().zip(names) {
            let Some(file) = output.file(result) else { continue };
            let name = name.word(&values).map_err(invalid)?;
            if !taken.insert(name.clone()) {
                return Err(invalid(format!("two results would be written to {name}")));
            }
            named.push((cell, name, file.clone()));
        }
    }
    Ok(named)
}

fn files(
    manager: &Manager,
    results: &dyn Results,
    sink: &mut dyn Sink,
    to: &[Template],
) -> Result<Merged, ResultError> {
    let named = named(manager, results, to)?;
    for (_, path, file) in &named {
        sink.place(path, &file.content, file.executable)?;
    }
    Ok(Merged { files: named.into_iter().map(|(_, path, _)| path).collect(), ..Merged::default() })
}

fn by_command(
    manager: &Manager,
    results: &dyn Results,
    sink: &mut dyn Sink,
    command: &MergeCommand,
) -> Result<Merged, ResultError> {
    let named = named(manager, results, &command.names)?;
    let mut values = manager.opened.values.clone();
    let names: Vec<String> = named.iter().map(|(_, name, _)| name.clone()).collect();
    let mut files: Vec<(String, Content)> =
        named.iter().map(|(_, name, file)| (name.clone(), file.content.clone())).collect();
    if let Some(line) = &command.list {
        let mut list = String::new();
        for (cell, name, _) in &named {
            let mut values = manager.opened.values_of(&[*cell]);
            values.insert("result".to_owned(), Value::Text(name.clone()));
            list.push_str(&line.word(&values).map_err(invalid)?);
            list.push('\n');
        }
        files.push((LIST.to_owned(), Content::Inline(list.into_bytes())));
    }
    let output = word(manager, &command.output)?;
    values.insert("results".to_owned(), Value::Texts(names));
    values.insert("list".to_owned(), Value::Text(LIST.to_owned()));
    values.insert("merged".to_owned(), Value::Text(output.clone()));
    let words: Result<Vec<Vec<String>>, String> =
        command.run.iter().map(|word| word.words(&values)).collect();
    let words: Vec<String> = words.map_err(invalid)?.concat();
    let (program, args) =
        words.split_first().ok_or_else(|| invalid("a merge without a program"))?;
    let tool = Tool { program: program.clone(), args: args.to_vec(), timeout_s: command.timeout_s };
    let to = word(manager, &command.to)?;
    sink.run(&files, &tool, &[Placed { from: output, to: to.clone() }])?;
    Ok(Merged { files: vec![to], ..Merged::default() })
}

pub(super) fn preview(
    manager: &Manager,
    results: &dyn Results,
) -> Result<Option<Preview>, ResultError> {
    match manager.manifest.preview {
        PreviewBy::None => Ok(None),
        PreviewBy::Count => count(manager, results).map(Some),
        PreviewBy::Concatenate => prefix(manager, results).map(Some),
        PreviewBy::Tiles => thumbnail(manager, results).map(Some),
    }
}

fn count(manager: &Manager, results: &dyn Results) -> Result<Preview, ResultError> {
    let grid = &manager.opened.grid;
    let looked_at = grid.cells().min(LOOKED_AT);
    let (mut done, mut bytes) = (0, 0);
    for cell in (0..looked_at).map(CellId) {
        let Some(output) = results.output(cell)? else { continue };
        done += grid.atoms_of(cell).volume();
        bytes += output.files.iter().map(|file| file.content.length()).sum::<u64>();
    }
    let of: u64 = (0..looked_at).map(|cell| grid.atoms_of(CellId(cell)).volume()).sum();
    let atom = &manager.manifest.atom;
    let text =
        format!("{atom}s   {}\nlooked at   {of}\ndone   {done}\nbytes   {bytes}\n", grid.atoms());
    Ok(Preview { media_type: "text/plain", bytes: text.into_bytes() })
}

/// What is accepted from the beginning on, without a gap.
fn prefix(manager: &Manager, results: &dyn Results) -> Result<Preview, ResultError> {
    let header_lines = match &manager.manifest.merge {
        Merge::Concatenate { header_lines, .. } => *header_lines,
        _ => 0,
    };
    let mut bytes = Vec::new();
    for cell in cells(manager) {
        let Some(output) = results.output(cell)? else { break };
        let Some(file) = only(&output) else { continue };
        let part = results.bytes(&file.content)?;
        let from = if cell.0 > 0 { lines(&part, header_lines) } else { 0 };
        let room = PREVIEW_BYTES.saturating_sub(bytes.len());
        bytes.extend_from_slice(&part[from..part.len().min(from.saturating_add(room))]);
        if bytes.len() >= PREVIEW_BYTES {
            break;
        }
    }
    let media_type =
        if std::str::from_utf8(&bytes).is_ok() { "text/plain" } else { "application/octet-stream" };
    Ok(Preview { media_type, bytes })
}

fn thumbnail(manager: &Manager, results: &dyn Results) -> Result<Preview, ResultError> {
    let axes = manager.opened.grid.axes();
    let mut thumbnail = Thumbnail::new(axes[1].length() as u32, axes[0].length() as u32);
    for cell in cells(manager) {
        if let (Some(tile), Some(rect)) = (tile_of(manager, results, cell)?, manager.rect(cell)) {
            thumbnail.paste(&tile, rect.x, rect.y);
        }
    }
    let picture = thumbnail.finish();
    let bytes = picture.encode().map_err(|error| invalid(error.to_string()))?;
    Ok(Preview { media_type: "image/png", bytes })
}
