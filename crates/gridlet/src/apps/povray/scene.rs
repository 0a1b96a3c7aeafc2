//! What a scene needs and whether its picture can be cut: looks through it and everything that it includes.
//!
//! POV-Ray looks for a file by its name as written, first in its working folder, then below each library path,
//! never beside the file that names it. So a file that is found here under a name is staged as that name in the
//! worker's folder, wherever it came from, and the worker finds it without a change to the scene. Names that
//! climb (`../textures/a.png`) are found through a library path of ours that is deep enough to climb from
//! ([`CLIMB`]).
//!
//! Whether tiles of the picture are what a whole render gives was measured: some 150 renders of the package's
//! example scenes and a few of our own, 160 × 120 in four tiles on the raster of POV-Ray's blocks. Plain scenes,
//! anti-aliasing, media (method 3), focal blur, dispersion and area lights without jitter were exact; every scene
//! whose tiles differed uses something that [`SPOILERS`] names, or a medium of method 1 or 2. In larger pictures of
//! any scene a pixel in some hundred thousand may differ by a step or three: POV-Ray's noise, which `manager` allows for.

use std::collections::{BTreeMap, BTreeSet};

use outlast_types::limits;

use super::options::{Settings, usage};
use super::scan::{self, Scan};
use crate::apps::staging::inner;
use crate::{InputFile, OpenError, SourceFiles};

/// A library path of each worker from which `..` stays inside the job's folder.
pub(super) const CLIMB: &str = "outlast-up/1/2/3/4/5/6/7/8";

/// Files of one scene. Each is a name in every worker's folder.
const FILES: usize = 1 << 16;

/// Words that make a scene's tiles differ from a whole render of it, and what to call them.
const SPOILERS: [(&str, &str); 7] = [
    ("radiosity", "radiosity"),
    // Exact where measured, but each tile would shoot all of them again.
    ("photons", "photons"),
    ("jitter", "jitter in a light or a medium"),
    ("crand", "the random finish `crand`"),
    ("subsurface", "subsurface light transport"),
    // Its tiles were equal, but two threads gave another picture than one: it keeps state from pixel to pixel.
    ("julia_fractal", "a julia_fractal"),
    ("now", "the time of day"),
];

/// Features that take samples at random within a block: whole blocks are exact, single pixels may not be.
const SAMPLED: [&str; 7] =
    ["aperture", "blur_samples", "media", "dispersion", "area_light", "irid", "focal_point"];

/// The include files that come with POV-Ray 3.7.
const INSTALLED: [&str; 48] = [
    "arrays.inc",
    "chars.inc",
    "colors.inc",
    "consts.inc",
    "debug.inc",
    "finish.inc",
    "functions.inc",
    "glass.inc",
    "glass_old.inc",
    "golds.inc",
    "ior.inc",
    "logo.inc",
    "makegrass.inc",
    "math.inc",
    "meshmaker.inc",
    "metals.inc",
    "rad_def.inc",
    "rand.inc",
    "screen.inc",
    "shapes.inc",
    "shapes2.inc",
    "shapes3.inc",
    "shapes_old.inc",
    "shapesq.inc",
    "skies.inc",
    "stage1.inc",
    "stars.inc",
    "stdcam.inc",
    "stdinc.inc",
    "stoneold.inc",
    "stones.inc",
    "stones1.inc",
    "stones2.inc",
    "strings.inc",
    "sunpos.inc",
    "textures.inc",
    "transforms.inc",
    "woodmaps.inc",
    "woods.inc",
    "ash.map",
    "benediti.map",
    "bubinga.map",
    "cedar.map",
    "marbteal.map",
    "orngwood.map",
    "pinkmarb.map",
    "rdgranit.map",
    "teak.map",
];

/// Those of them with a spoiler in some declaration.
const SPOILED: [&str; 5] =
    ["rad_def.inc", "stones.inc", "stones1.inc", "stones2.inc", "textures.inc"];

/// What was found out about a scene.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// Files to stage, by name.
    pub inputs: Vec<InputFile>,
    /// The scene's name at a worker.
    pub name: String,
    /// Folders that have to be there for names that climb.
    pub folders: Vec<String>,
    /// Why its picture can't be cut; empty if it can.
    pub spoilers: Vec<String>,
    /// Whether it writes files that a later frame could read.
    pub writes: bool,
    /// Whether nothing in it is sampled, so that any pixel can be rendered apart.
    pub plain: bool,
    /// For the user.
    pub notes: Vec<String>,
}

/// Where a name leads.
enum Found {
    /// A file of the user's.
    Mine(String),
    /// A file of the installation's, which each worker has.
    Installed(String),
}

struct Finder<'a> {
    settings: &'a Settings,
    files: &'a dyn SourceFiles,
    /// Source by name.
    inputs: BTreeMap<String, String>,
    folders: BTreeSet<String>,
    spoilers: BTreeSet<String>,
    notes: BTreeSet<String>,
    /// Identifiers of installed includes that spoil, with what spoils.
    tainted: BTreeMap<String, &'static str>,
    /// Words of the user's own text.
    words: BTreeSet<String>,
    /// Still to be looked through.
    queue: Vec<Found>,
    seen: BTreeSet<String>,
    writes: bool,
}

/// Looks through the scene that the settings name.
///
/// # Errors
/// If there is no scene, or a file that it needs isn't there or can't be staged.
pub(super) fn explore(
    settings: &Settings,
    files: &dyn SourceFiles,
    extra: &[String],
) -> Result<Scene, OpenError> {
    let given = settings.text("Input_File_Name").filter(|name| !name.is_empty());
    let given = given.ok_or_else(|| {
        usage("no scene, expected a file name such as scene.pov, +Iscene.pov or Input_File_Name=…")
    })?;
    if matches!(given, "-" | "stdin") {
        return Err(usage("the scene can't come from standard input: give a file"));
    }
    let mut finder = Finder {
        settings,
        files,
        inputs: BTreeMap::new(),
        folders: BTreeSet::new(),
        spoilers: BTreeSet::new(),
        notes: BTreeSet::new(),
        tainted: BTreeMap::new(),
        words: BTreeSet::new(),
        queue: Vec::new(),
        seen: BTreeSet::new(),
        writes: false,
    };
    let (found, _) = finder.find(given, &["", ".pov", ".POV"]).ok_or_else(|| missing(given, ""))?;
    let (Found::Mine(source) | Found::Installed(source)) = found;
    for path in extra {
        finder.extra(path)?;
    }
    let base = source.rsplit('/').next().unwrap_or(&source);
    let name = match inner(&source) {
        Some(name) if !given.starts_with('/') => name,
        _ if finder.inputs.contains_key(base) => format!("outlast-{base}"),
        _ => base.to_owned(),
    };
    finder.stage(name.clone(), &source)?;
    if let Some(header) = settings.text("Include_Header").map(str::to_owned) {
        finder.include(&header, false, given)?;
    }
    finder.queue.push(Found::Mine(source));
    finder.run(extra.is_empty())?;
    finder.judge();
    Ok(Scene {
        inputs: finder
            .inputs
            .into_iter()
            .map(|(name, source)| InputFile { name, source })
            .collect(),
        name,
        folders: finder.folders.into_iter().collect(),
        spoilers: finder.spoilers.into_iter().collect(),
        writes: finder.writes,
        plain: !SAMPLED.iter().any(|word| finder.words.contains(*word)),
        notes: finder.notes.into_iter().collect(),
    })
}

fn missing(name: &str, by: &str) -> OpenError {
    let what = if by.is_empty() { String::new() } else { format!(", named by {by}") };
    let places = "no such file here, in the library paths or in POV-Ray's own includes";
    OpenError::Input {
        path: name.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::NotFound, format!("{places}{what}")),
    }
}

impl Finder<'_> {
    /// The file that POV-Ray would take for this name, and the name with the ending that was found.
    fn find(&self, name: &str, endings: &[&str]) -> Option<(Found, String)> {
        let names = || endings.iter().map(|ending| format!("{name}{ending}"));
        if let Some(name) = names().find(|name| self.files.is_file(name)) {
            let installed =
                self.settings.standard.iter().any(|path| name.starts_with(&format!("{path}/")));
            let found =
                if installed { Found::Installed(name.clone()) } else { Found::Mine(name.clone()) };
            return Some((found, name));
        }
        if name.starts_with('/') {
            return None;
        }
        // The start-up file's paths come before those of the command, as at POV-Ray's.
        for path in &self.settings.standard {
            if let Some(name) = names().find(|name| self.files.is_file(&format!("{path}/{name}"))) {
                return Some((Found::Installed(format!("{path}/{name}")), name));
            }
        }
        for path in &self.settings.library {
            if let Some(name) = names().find(|name| self.files.is_file(&format!("{path}/{name}"))) {
                return Some((Found::Mine(format!("{path}/{name}")), name));
            }
        }
        None
    }

    fn stage(&mut self, name: String, source: &str) -> Result<(), OpenError> {
        if name.len() > limits::PATH_BYTES {
            return Err(usage(format!("the file name {name:?} is too long")));
        }
        let plain =
            |path: &str| path.split('/').filter(|p| *p != ".").collect::<Vec<_>>().join("/");
        match self.inputs.get(&name) {
            Some(other) if plain(other) != plain(source) => {
                Err(usage(format!("{other} and {source} would both be `{name}` at a worker")))
            }
            Some(_) => Ok(()),
            None if self.inputs.len() >= FILES => {
                Err(usage(format!("the scene names more than {FILES} files")))
            }
            None => {
                self.inputs.insert(name, source.to_owned());
                Ok(())
            }
        }
    }

    /// Stages a file so that a worker's POV-Ray finds it by this name.
    fn place(&mut self, name: &str, source: &str, by: &str) -> Result<(), OpenError> {
        if name.starts_with('/') {
            return Err(usage(format!(
                "{by} names {name}, which no worker has: use a relative name, and +L for its folder"
            )));
        }
        if let Some(inner) = inner(name) {
            return self.stage(inner, source);
        }
        // Follow the name from CLIMB as the file system will: each folder on the way has to be there.
        let mut at: Vec<&str> = CLIMB.split('/').collect();
        self.folders.insert(CLIMB.to_owned());
        let mut parts = name.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
        while let Some(part) = parts.next() {
            if part != ".." {
                at.push(part);
            } else if at.len() > 1 {
                at.pop();
            } else {
                return Err(usage(format!(
                    "{by} names {name}, which climbs too far: use +L for its folder"
                )));
            }
            if parts.peek().is_some() {
                self.folders.insert(at.join("/"));
            }
        }
        self.stage(at.join("/"), source)
    }

    /// A file or folder that the user wants staged.
    fn extra(&mut self, path: &str) -> Result<(), OpenError> {
        let listed = if self.files.is_file(path) {
            None
        } else {
            let error = |source| OpenError::Input { path: path.to_owned(), source };
            Some(self.files.list(path).map_err(error)?.ok_or_else(|| missing(path, ""))?)
        };
        for source in listed.unwrap_or_else(|| vec![path.to_owned()]) {
            self.place(&source, &source, "--input")?;
        }
        Ok(())
    }

    fn include(&mut self, name: &str, conditional: bool, by: &str) -> Result<(), OpenError> {
        match self.find(name, &["", ".inc", ".INC"]) {
            Some((Found::Mine(source), name)) => {
                self.place(&name, &source, by)?;
                self.queue.push(Found::Mine(source));
            }
            Some((found, _)) => self.queue.push(found),
            None if INSTALLED.contains(&name) => {
                if SPOILED.contains(&name) {
                    self.spoilers.insert(format!(
                        "{name}, which can't be looked into because POV-Ray isn't installed here"
                    ));
                }
            }
            None if conditional => {
                self.notes.insert(format!(
                    "{name}, which {by} includes in some cases, isn't here: a case that needs it fails"
                ));
            }
            None => return Err(missing(name, by)),
        }
        Ok(())
    }

    /// Looks through everything that is queued, and what that includes.
    fn run(&mut self, no_extra: bool) -> Result<(), OpenError> {
        while let Some(found) = self.queue.pop() {
            let (Found::Mine(path) | Found::Installed(path)) = &found;
            if !self.seen.insert(path.clone()) {
                continue;
            }
            let path = path.clone();
            let bytes = self
                .files
                .read(&path)
                .map_err(|source| OpenError::Input { path: path.clone(), source })?;
            let tokens = scan::tokens(&String::from_utf8_lossy(&bytes));
            let scan = scan::scan(&tokens);
            if matches!(found, Found::Installed(_)) {
                for (word, what) in SPOILERS {
                    for name in scan::tainted(&tokens, &[word]) {
                        self.tainted.insert(name, what);
                    }
                }
                for include in scan.includes.iter().filter_map(|include| include.name.as_ref()) {
                    if let Some((found, _)) = self.find(include, &["", ".inc"]) {
                        self.queue.push(found);
                    }
                }
            } else {
                self.own(scan, &path, no_extra)?;
            }
        }
        Ok(())
    }

    /// A scene or include file of the user's.
    fn own(&mut self, scan: Scan, path: &str, no_extra: bool) -> Result<(), OpenError> {
        for include in &scan.includes {
            match &include.name {
                Some(name) => self.include(name, include.conditional, path)?,
                None => {
                    self.spoilers.insert(format!("an #include in {path} whose name is computed"));
                }
            }
        }
        for name in &scan.strings {
            if let Some((Found::Mine(source), name)) = self.find(name, &["", ".ttf", ".TTF"]) {
                self.place(&name, &source, path)?;
            }
        }
        for (start, end) in &scan.patterns {
            self.pattern(start, end, path, no_extra)?;
        }
        if scan.random_medium {
            self.spoilers.insert("a medium sampled at random (method 1 or 2)".to_owned());
        }
        self.writes |= scan.writes;
        self.words.extend(scan.words);
        Ok(())
    }

    /// Files whose names are put together: all in the folder of the name's beginning that fit.
    fn pattern(
        &mut self,
        start: &str,
        end: &str,
        by: &str,
        no_extra: bool,
    ) -> Result<(), OpenError> {
        let Some((folder, _)) = start.rsplit_once('/').filter(|(folder, _)| !folder.is_empty())
        else {
            // Its folder is the command's own, which may be anything: a home directory, say.
            if no_extra && end.starts_with('.') && end.len() <= 5 {
                self.notes.insert(format!(
                    "{by} puts file names together ({start}…{end}): give such files with --input"
                ));
            }
            return Ok(());
        };
        let folders = std::iter::once(String::new())
            .chain(self.settings.library.iter().map(|path| format!("{path}/")));
        for prefix in folders.collect::<Vec<_>>() {
            let Ok(Some(sources)) = self.files.list(&format!("{prefix}{folder}")) else { continue };
            for source in sources {
                let name = source.strip_prefix(&prefix).unwrap_or(&source).to_owned();
                if name.starts_with(start) && name.ends_with(end) {
                    self.place(&name, &source, by)?;
                }
            }
        }
        Ok(())
    }

    /// Which spoilers the words of the user's text amount to.
    fn judge(&mut self) {
        for (word, what) in SPOILERS {
            if self.words.contains(word) {
                self.spoilers.insert(what.to_owned());
            }
        }
        for (name, what) in &self.tainted {
            if self.words.contains(name) || name.is_empty() {
                let by = if name.is_empty() { String::new() } else { format!(" (by `{name}`)") };
                self.spoilers.insert(format!("{what}{by}"));
            }
        }
        if self.writes {
            self.spoilers.insert("files that it writes itself".to_owned());
            self.notes
                .insert("files that the scene writes with #fopen stay on the workers".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
