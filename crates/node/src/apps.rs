//! Where applications come from: those that are compiled in, and manifests in folders of the user.
//!
//! ```text
//!  OUTLAST_APPS (folders, `:` between)  ─┐
//!  ~/.config/outlast/apps               ─┼─ *.toml ──▶ Catalogue ──▶ Registry, as of now
//!  DATA_DIR/apps                        ─┘   read again when a file's time or size changed
//! ```
//!
//! Earlier folders win over later ones, and all of them over what is compiled in. A file that is
//! wrong stops nothing: it is left out, and said so.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use outlast_api::types::JobSpec;
use outlast_gridlet::Application;
use outlast_gridlet::apps::manifest::Described;
use tracing::warn;

pub use outlast_gridlet::apps::manifest::{Broken, Diagnostic, Manifest};
pub use outlast_gridlet::apps::registry;
pub use outlast_gridlet::{
    CommandLine, Explained, ExplainedGridlet, ExplainedRun, Names, OpenError, Registry, SplitHint,
};

use crate::sink::DiskFiles;
use crate::tools::Tools;

/// Manifests read from one folder; a folder with more is no folder of manifests.
const FILES: usize = 256;

/// Bytes of a manifest that are read: more than any may have.
const BYTES: u64 = 1 << 20;

/// The variable with folders of manifests.
pub const FOLDERS_VARIABLE: &str = "OUTLAST_APPS";

/// A file as it was read.
struct Seen {
    changed: Option<SystemTime>,
    length: u64,
    read: Result<Arc<Described>, Broken>,
}

/// The applications of a node.
pub struct Catalogue {
    base: Registry,
    folders: Vec<PathBuf>,
    seen: Mutex<BTreeMap<PathBuf, Seen>>,
}

/// An application, or a manifest that is none.
pub struct Entry {
    /// Its name; of a broken manifest that of its file.
    pub name: String,
    /// Where it comes from.
    pub origin: String,
    /// What it takes, for people.
    pub takes: String,
    /// Programs that workers need for it, and whether this machine has them.
    pub programs: Vec<(String, bool)>,
    /// The text of its manifest.
    pub text: Option<String>,
    /// Why it can't be used.
    pub broken: Option<Broken>,
}

impl Catalogue {
    /// These applications, and the manifests in these folders.
    pub fn new(base: Registry, folders: Vec<PathBuf>) -> Self {
        Self { base, folders, seen: Mutex::default() }
    }

    /// These applications, and the manifests in the folders that `environment` and the data
    /// directory give.
    pub fn of(
        base: Registry,
        data_dir: &Path,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        Self::new(base, folders(data_dir, environment))
    }

    /// The folders, the first one wins.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// All applications as of now, and the manifests that are left out.
    pub fn registry(&self) -> (Registry, Vec<Broken>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut apps, mut broken) = (Vec::<Arc<dyn Application>>::new(), Vec::new());
        let mut names = Vec::new();
        let files = self.files();
        seen.retain(|path, _| files.contains(path));
        for path in files {
            let fresh = look(&path, seen.remove(&path));
            match &fresh.read {
                Ok(app) if names.contains(&app.manifest().name) => {}
                Ok(app) => {
                    names.push(app.manifest().name.clone());
                    apps.push(Arc::clone(app) as Arc<dyn Application>);
                }
                Err(wrong) => broken.push(wrong.clone()),
            }
            seen.insert(path, fresh);
        }
        (self.base.with(apps), broken)
    }

    /// All there is, the broken ones too.
    pub fn entries(&self) -> Vec<Entry> {
        let (registry, broken) = self.registry();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has = |program: String| {
            let found = outlast_os::find_program(&program, &path).is_some();
            (program, found)
        };
        let entry = |app: &dyn Application| {
            Some(Entry {
                name: app.name().to_owned(),
                origin: app.origin(),
                takes: app.takes()?,
                programs: app.programs().into_iter().map(has).collect(),
                text: app.text(),
                broken: None,
            })
        };
        let mut entries: Vec<Entry> = registry.applications().filter_map(entry).collect();
        entries.extend(broken.into_iter().map(|broken| Entry {
            name: stem(&broken.file),
            origin: broken.file.clone(),
            takes: String::new(),
            programs: Vec::new(),
            text: Some(broken.text.clone()),
            broken: Some(broken),
        }));
        entries
    }

    /// What would be done with a command in the folder `cwd`, on a grid of so many slots. Tools that
    /// look at inputs are run, nothing else.
    ///
    /// # Errors
    /// If no application takes it, or the one that does can't open it.
    pub fn explain(
        &self,
        name: Option<&str>,
        command: &CommandLine,
        cwd: &Path,
        hint: SplitHint,
    ) -> Result<Explained, OpenError> {
        let (registry, broken) = self.registry();
        let application = choose(&registry, &broken, name, command)?;
        let work = std::env::temp_dir().join(format!("outlast-explain-{}", std::process::id()));
        let files = DiskFiles::new(cwd.to_owned(), Arc::new(Tools::alone(&work)));
        let explained =
            outlast_gridlet::explain(application, name.is_some(), command, &files, hint);
        drop(files);
        crate::executor::remove_tree(&work);
        explained
    }

    /// Files of manifests, in the order of their folders, then by name.
    fn files(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
            let is_manifest = |path: &PathBuf| {
                path.extension().is_some_and(|e| e == "toml")
                    && path.file_name().is_none_or(|name| name.as_encoded_bytes()[0] != b'.')
                    && path.is_file()
            };
            let mut files: Vec<PathBuf> = paths.filter(is_manifest).collect();
            files.sort();
            if files.len() > FILES {
                warn!(
                    "{}: {} manifests, only the first {FILES} are read",
                    folder.display(),
                    files.len()
                );
                files.truncate(FILES);
            }
            all.extend(files);
        }
        all
    }
}

/// The command in a job's description.
pub fn command_line(spec: &JobSpec) -> CommandLine {
    let spec = spec.clone();
    CommandLine {
        argv: spec.argv,
        env: spec.env.into_iter().collect(),
        inputs: spec.inputs,
        stdin: spec.stdin,
        output: spec.output,
        outputs: spec.outputs,
        params: spec.params.into_iter().map(|param| (param.name, param.values)).collect(),
        options: spec.options,
    }
}

/// The application for a command; if one is asked for that is broken, what is wrong with it.
pub(crate) fn choose<'r>(
    registry: &'r Registry,
    broken: &[Broken],
    name: Option<&str>,
    command: &CommandLine,
) -> Result<&'r dyn Application, OpenError> {
    registry.choose(name, command).map_err(|error| {
        let asked = broken.iter().find(|broken| Some(stem(&broken.file).as_str()) == name);
        match asked {
            Some(broken) => OpenError::Usage(format!(
                "the manifest of this application can't be used: {} (`outlast app check {}` shows it)",
                broken.short(),
                broken.file
            )),
            None => error,
        }
    })
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// A file as it is now; read only if it changed.
fn look(path: &Path, before: Option<Seen>) -> Seen {
    let meta = std::fs::metadata(path);
    let (changed, length) =
        meta.as_ref().map_or((None, 0), |meta| (meta.modified().ok(), meta.len()));
    match before {
        // A file that was changed this very moment may change once more within its clock's step.
        Some(seen) if seen.changed == changed && seen.length == length && is_settled(changed) => {
            return seen;
        }
        _ => {}
    }
    let read = read(path).map(|manifest| Arc::new(Described::new(manifest)));
    if let Err(broken) = &read {
        warn!("a manifest is left out: {}", broken.short());
    }
    Seen { changed, length, read }
}

/// Whether a time is long enough ago that a later change has another one.
fn is_settled(changed: Option<SystemTime>) -> bool {
    let step = std::time::Duration::from_secs(2);
    changed.is_some_and(|time| time.elapsed().is_ok_and(|age| age > step))
}

/// Reads a manifest.
///
/// # Errors
/// All that is wrong with it; a file that can't be read at all is wrong at its beginning.
pub fn read(path: &Path) -> Result<Manifest, Broken> {
    let file = path.to_string_lossy().into_owned();
    let unreadable = |message: String| Broken {
        file: file.clone(),
        text: String::new(),
        diagnostics: vec![Diagnostic { line: 1, column: 1, length: 1, message, help: None }],
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(BYTES).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(format!("expected a text in UTF-8: {error}")))?;
    let manifest = Manifest::parse(&file, &text)?;
    match crate::services::problems(&file, &text) {
        wrong if wrong.is_empty() => Ok(manifest),
        diagnostics => Err(Broken { file, text, diagnostics }),
    }
}

/// Where manifests are looked for.
fn folders(data_dir: &Path, environment: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = environment(FOLDERS_VARIABLE).unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
    let absolute =
        |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    folders.extend(config.map(|config| config.join("outlast/apps")));
    folders.push(data_dir.join("apps"));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [app]
        name = "NAME"
        summary = "numbers"
        programs = ["seq"]
        [split]
        by = "ranges"
        from = 1
        to = 3
        [gridlet]
        run = ["echo", "{n}"]
        stdout = "out"
        [merge]
        by = "concatenate"
        to = "all"
    "#;

    fn command(words: &str) -> CommandLine {
        let argv = words.split(' ').map(str::to_owned).collect();
        CommandLine { argv, ..CommandLine::default() }
    }

    #[test]
    fn earlier_folders_win_and_a_broken_file_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("1"), dir.path().join("2"));
        for folder in [&first, &second] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("seq.toml"), MANIFEST.replace("NAME", "seq")).unwrap();
        }
        std::fs::write(second.join("bad.toml"), MANIFEST.replace("\"NAME\"", "3")).unwrap();
        std::fs::write(second.join("gzip.toml"), MANIFEST.replace("NAME", "gzip")).unwrap();
        let catalogue = Catalogue::new(registry(), vec![first.clone(), second.clone()]);
        let (registry, broken) = catalogue.registry();
        assert_eq!(registry.get("seq").unwrap().origin(), first.join("seq.toml").to_string_lossy());
        assert_eq!(registry.names().iter().filter(|name| **name == "gzip").count(), 1);
        assert_eq!(registry.choose(None, &command("seq 3")).unwrap().name(), "seq");
        assert_eq!(broken.len(), 1);
        assert!(
            broken[0].short().contains("bad.toml:3:16: `name`: expected a text"),
            "{}",
            broken[0].short()
        );
        let error = choose(&registry, &broken, Some("bad"), &command("x")).err().unwrap();
        assert!(error.to_string().contains("bad.toml:3:16"), "{error}");
        let entries = catalogue.entries();
        assert!(entries.iter().any(|entry| entry.name == "bad" && entry.broken.is_some()));
        // What is changed is read again.
        std::fs::write(second.join("bad.toml"), MANIFEST.replace("NAME", "good")).unwrap();
        std::fs::remove_file(first.join("seq.toml")).unwrap();
        let (registry, broken) = catalogue.registry();
        assert!(broken.is_empty() && registry.get("good").is_some());
        assert_eq!(
            registry.get("seq").unwrap().origin(),
            second.join("seq.toml").to_string_lossy()
        );
    }

    #[test]
    fn folders_come_from_the_environment_then_the_user_then_the_data_directory() {
        let around = |name: &str| match name {
            FOLDERS_VARIABLE => Some("/a:/b:".into()),
            "HOME" => Some("/home/me".into()),
            "XDG_CONFIG_HOME" => Some("not/absolute".into()),
            _ => None,
        };
        let expected = ["/a", "/b", "/home/me/.config/outlast/apps", "/data/apps"];
        assert_eq!(folders(Path::new("/data"), around), expected.map(PathBuf::from));
    }

    #[test]
    fn a_command_is_explained_without_a_node() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("seq.toml"), MANIFEST.replace("NAME", "seq")).unwrap();
        let catalogue = Catalogue::new(registry(), vec![dir.path().to_owned()]);
        let hint = SplitHint { slots: 1, gridlets: Some(3) };
        let explained = catalogue.explain(None, &command("seq"), dir.path(), hint).unwrap();
        assert_eq!((explained.app.as_str(), explained.gridlets), ("seq", 3));
        assert_eq!(explained.first[0].first[0].command, ["echo", "1"]);
    }
}
