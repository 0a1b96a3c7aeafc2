//! A submitter's folder, a worker, and what is accepted: what the daemon does around an application, in a
//! few lines.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use outlast_gridlet::apps::registry;
use outlast_gridlet::picture::tile;
use outlast_gridlet::{
    ApplicationManager, Blobs, CellOutput, Collect, CommandLine, Content, Harvest, Needs,
    OpenError, OutFile, Placed, Program, Ran, Results, Sink, SourceFiles, SplitHint, Step, Tool,
};
use outlast_types::{CellId, Hash, limits};
use tempfile::TempDir;

/// Whether all of these are installed; says which one isn't.
pub(crate) fn there(programs: &[&str]) -> bool {
    let missing = |program: &&&str| {
        let mut run = Command::new(program);
        run.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    let missing = programs.iter().find(missing);
    if let Some(program) = missing {
        eprintln!("SKIPPED: {program} is not installed");
    }
    missing.is_none()
}

/// Words as a command line has them.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The submitter's folder, the workers' and what is accepted.
pub(crate) struct Grid {
    pub(crate) root: TempDir,
    pub(crate) accepted: BTreeMap<CellId, CellOutput>,
    blobs: RefCell<BTreeMap<Hash, Vec<u8>>>,
}

fn run_in(folder: &Path, tool: &Tool) -> io::Result<Ran> {
    let output = Command::new(&tool.program)
        .args(&tool.args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    let code = std::os::unix::process::ExitStatusExt::signal(&output.status).map(|n| 128 + n);
    Ok(Ran {
        exit: code.or(output.status.code()).unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl SourceFiles for Grid {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.home().join(path))
    }

    fn is_file(&self, path: &str) -> bool {
        self.home().join(path).is_file()
    }

    fn list(&self, path: &str) -> io::Result<Option<Vec<String>>> {
        let Ok(entries) = fs::read_dir(self.home().join(path)) else { return Ok(None) };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = names.map(|name| format!("{path}/{name}")).collect();
        files.retain(|file| self.is_file(file));
        files.sort();
        Ok(Some(files))
    }

    fn has_program(&self, _: &str) -> bool {
        true
    }

    fn run(&self, tool: &Tool) -> io::Result<Ran> {
        run_in(&self.home(), tool)
    }

    fn scratch(&self) -> io::Result<String> {
        let path = self.root.path().join("scratch");
        fs::create_dir_all(&path)?;
        Ok(path.to_str().unwrap().to_owned())
    }
}

impl Blobs for Grid {
    fn read(&self, hash: &Hash) -> io::Result<Vec<u8>> {
        self.blobs.borrow().get(hash).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn run(&self, files: &[(String, Content)], tool: &Tool) -> io::Result<Ran> {
        self.run_on(files, tool).map(|(_, ran)| ran)
    }
}

impl Results for Grid {
    fn output(&self, cell: CellId) -> io::Result<Option<CellOutput>> {
        Ok(self.accepted.get(&cell).cloned())
    }
}

/// Where results go, and their names in order.
pub(crate) struct Folder<'a> {
    grid: &'a Grid,
    to: PathBuf,
    pub(crate) written: Vec<String>,
}

impl Sink for Folder<'_> {
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.written.push(path.to_owned());
        let path = self.to.join(path);
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, bytes)
    }

    fn place(&mut self, path: &str, content: &Content, _: bool) -> io::Result<()> {
        let bytes = self.grid.bytes(content)?;
        self.write(path, &bytes)
    }

    fn run(
        &mut self,
        files: &[(String, Content)],
        tool: &Tool,
        outputs: &[Placed],
    ) -> io::Result<Ran> {
        let (folder, ran) = self.grid.run_on(files, tool)?;
        let ran = ran.ok(&tool.program)?;
        assert_eq!(ran.stderr, "", "{:?}", tool.args);
        for placed in outputs {
            fs::copy(folder.path().join(&placed.from), self.to.join(&placed.to))?;
        }
        Ok(ran)
    }
}

impl Grid {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        let grid = Self { root, accepted: BTreeMap::new(), blobs: RefCell::default() };
        fs::create_dir(grid.home()).unwrap();
        grid
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Runs a tool in a fresh folder with these files.
    fn run_on(&self, files: &[(String, Content)], tool: &Tool) -> io::Result<(TempDir, Ran)> {
        let folder = TempDir::new_in(self.root.path())?;
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap())?;
            fs::write(path, self.bytes(content)?)?;
        }
        let ran = run_in(folder.path(), tool)?;
        Ok((folder, ran))
    }

    /// Runs a program in the submitter's folder, which has to work, and returns what it printed.
    pub(crate) fn local(&self, words: &[&str]) -> String {
        let output =
            Command::new(words[0]).args(&words[1..]).current_dir(self.home()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Opens a command, which this application has to take.
    pub(crate) fn open(
        &self,
        app: &str,
        command: &CommandLine,
        gridlets: u32,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let registry = registry();
        let application = registry.choose(None, command)?;
        assert_eq!(application.name(), app);
        let hint = SplitHint { slots: 1, gridlets: Some(gridlets) };
        let manager = application.open(command, self, hint)?;
        // Whatever a manager does, it does so after a restart, and whatever became of its manifest.
        let restored = registry.get(manager.restorer()).unwrap().restore(&manager.state())?;
        assert_eq!(restored.state(), manager.state());
        Ok(restored)
    }

    /// A file's content as an answer carries it.
    pub(crate) fn content(&self, bytes: Vec<u8>) -> Content {
        if bytes.len() <= limits::INLINE_BYTES {
            return Content::Inline(bytes);
        }
        let (hash, length) = (Hash::of(&bytes), bytes.len() as u64);
        self.blobs.borrow_mut().insert(hash, bytes);
        Content::Blob { hash, length }
    }

    /// An answer with these files.
    pub(crate) fn answer(&self, cell: CellId, files: Vec<(String, Vec<u8>)>) -> CellOutput {
        let file =
            |(name, bytes)| OutFile { name, executable: false, content: self.content(bytes) };
        let mut files: Vec<OutFile> = files.into_iter().map(file).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        CellOutput { cell, exit: 0, files }
    }

    /// Runs a step in a folder of its own, as a worker does.
    pub(crate) fn work(&self, manager: &dyn ApplicationManager, step: &Step) -> Vec<CellOutput> {
        // Names of inputs may not leave the step's folder, whatever the command looks like.
        let outside = TempDir::new_in(self.root.path()).unwrap();
        let folder = outside.path().join("step");
        fs::create_dir(&folder).unwrap();
        let needed = |name: &str| match &step.inputs {
            Needs::All => true,
            Needs::Only(names) => names.iter().any(|other| other == name),
        };
        let staged = match &step.program {
            Program::Staged(name) => Some(name.as_str()),
            Program::Installed(_) => None,
        };
        for input in manager.inputs() {
            let name = &input.name;
            if needed(name) || staged == Some(name) || step.stdin.as_ref() == Some(name) {
                let to = folder.join(name);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                // A worker's copy is younger than the original.
                fs::write(&to, fs::read(self.home().join(&input.source)).unwrap()).unwrap();
                let mode = fs::metadata(self.home().join(&input.source)).unwrap().permissions();
                fs::set_permissions(&to, mode).unwrap();
            }
        }
        for made in &step.folders {
            fs::create_dir_all(folder.join(made)).unwrap();
        }
        let program = match &step.program {
            Program::Installed(name) => PathBuf::from(name),
            Program::Staged(name) => folder.join(name),
        };
        let stdin = match &step.stdin {
            Some(name) => fs::File::open(folder.join(name)).unwrap().into(),
            None => Stdio::null(),
        };
        let run = Command::new(program)
            .args(&step.args)
            .env("HOME", &folder)
            .envs(step.env.iter().cloned())
            .current_dir(&folder)
            .stdin(stdin)
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{:?}\n{log}", step.args);
        let file = |collect: &Collect| match collect {
            Collect::File { path, name, .. } => {
                (name.clone(), fs::read(folder.join(path)).unwrap())
            }
            Collect::Stdout(name) => (name.clone(), run.stdout.clone()),
            Collect::Stderr(name) => (name.clone(), run.stderr.clone()),
            Collect::Created { .. } => panic!("declare outputs"),
            Collect::Tile { path, x, y, width, height } => {
                let file = fs::read(folder.join(path)).unwrap();
                let tile = tile::tile(&file, *x, *y, *width, *height).unwrap();
                (tile::NAME.to_owned(), tile)
            }
        };
        let answer = |harvest: &Harvest| {
            self.answer(harvest.cell, harvest.collect.iter().map(file).collect())
        };
        step.harvest.iter().map(answer).collect()
    }

    /// Works for all gridlets and hands each answer to `take`.
    pub(crate) fn work_all(
        &mut self,
        manager: &dyn ApplicationManager,
        take: impl Fn(&Self, &Step, &CellOutput),
    ) {
        self.accepted.clear();
        for gridlet in manager.gridlets() {
            let cells: Vec<CellId> = manager.grid().cells_in(&gridlet.cells).collect();
            for step in manager.recipe(gridlet, &cells).steps {
                for output in self.work(manager, &step) {
                    manager.check(&output, self).unwrap();
                    take(self, &step, &output);
                    let before = self.accepted.insert(output.cell, output);
                    assert!(before.is_none(), "a cell came twice");
                }
            }
        }
        assert_eq!(self.accepted.len(), manager.grid().cells() as usize);
    }

    /// Writes below a folder of the grid's own.
    pub(crate) fn folder(&self, name: &str) -> Folder<'_> {
        Folder { grid: self, to: self.root.path().join(name), written: Vec::new() }
    }
}
