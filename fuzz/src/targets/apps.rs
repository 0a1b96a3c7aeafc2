//! Applications: a command line, and the files that it names, are taken apart into gridlets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::LazyLock;

use outlast_gridlet::apps::manifest::{Described, Manifest};
use outlast_gridlet::{
    Application, ApplicationManager, CommandLine, Ran, Registry, SourceFiles, SplitHint, Tool,
    apps, is_inner_path,
};
use outlast_types::limits;

use super::texts::lines;

/// Gridlets whose recipes are looked at; all are made in the same way.
const LOOKED_AT: usize = 24;

/// Made once: it reads all manifests that come with Outlast.
static REGISTRY: LazyLock<Registry> = LazyLock::new(apps::registry);

/// Where tools put what they prepare: all of it is there.
const SCRATCH: &str = "/scratch";

/// Files in memory: content by path.
#[derive(Default)]
struct Files(BTreeMap<String, String>);

impl SourceFiles for Files {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text = self.0.get(path.strip_prefix("./").unwrap_or(path));
        text.map(|text| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn is_file(&self, path: &str) -> bool {
        path.starts_with(SCRATCH) || self.0.contains_key(path.strip_prefix("./").unwrap_or(path))
    }

    fn list(&self, path: &str) -> io::Result<Option<Vec<String>>> {
        let folder = format!("{path}/");
        let below = self.0.keys().filter(|name| name.starts_with(&folder)).cloned();
        let below: Vec<String> = below.collect();
        Ok((!below.is_empty()).then_some(below))
    }

    fn has_program(&self, name: &str) -> bool {
        name == "true"
    }

    /// Tools say what the input has them say: a file that is named like something in their arguments.
    fn run(&self, tool: &Tool) -> io::Result<Ran> {
        let said = self.0.iter().find(|(name, _)| tool.args.contains(name));
        let stdout = said.map(|(_, text)| text.clone().into_bytes()).unwrap_or_default();
        Ok(Ran { exit: 0, stdout, stderr: String::new() })
    }

    fn scratch(&self) -> io::Result<String> {
        Ok(SCRATCH.to_owned())
    }
}

/// Sections begin with a line `%NAME`: words of the command, variables, parameters, options, files.
fn read(bytes: &[u8]) -> (CommandLine, Files) {
    let text = String::from_utf8_lossy(bytes);
    let (mut command, mut files) = (CommandLine::default(), Files::default());
    let mut section = "";
    for line in text.split('\n') {
        if let Some(name) = line.strip_prefix('%') {
            section = match name {
                "env" | "param" | "set" | "input" | "output" | "stdin" => name,
                file => {
                    files.0.insert(file.to_owned(), String::new());
                    file
                }
            };
            continue;
        }
        let pair = || {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            (name.to_owned(), value.to_owned())
        };
        match section {
            "" => command.argv.push(line.to_owned()),
            "env" => command.env.push(pair()),
            "param" => command.params.push(pair()),
            "set" => drop(command.options.insert(pair().0, pair().1)),
            "input" => command.inputs.push(line.to_owned()),
            "output" => command.outputs.push(line.to_owned()),
            "stdin" => command.stdin = Some(line.to_owned()),
            file => {
                if let Some(content) = files.0.get_mut(file) {
                    content.push_str(line);
                    content.push('\n');
                }
            }
        }
    }
    (command, files)
}

fn open(app: &str, bytes: &[u8]) {
    open_with(REGISTRY.get(app).expect("it is one of those that come with Outlast"), bytes);
}

fn open_with(app: &dyn Application, bytes: &[u8]) {
    let (command, files) = read(bytes);
    app.recognises(&command);
    let hint = SplitHint { slots: 3, gridlets: None };
    match app.open(&command, &files, hint) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(manager) => {
            whole(manager.as_ref());
            let state = manager.state();
            // As the daemon does: what can't be split may have become a plain command.
            let app = REGISTRY.get(manager.app()).expect("one that can be found after a restart");
            let again = app.restore(&state).expect("its own state can be read");
            assert!(again.state() == state, "its state changes by being restored");
            assert_eq!(again.gridlets(), manager.gridlets());
        }
    }
}

/// Its gridlets cover everything exactly once, and what workers are told stays within their folders.
pub(super) fn whole(manager: &dyn ApplicationManager) {
    let grid = manager.grid();
    let gridlets = manager.gridlets();
    assert!(u64::from(grid.cells()) <= limits::JOB_CELLS && !gridlets.is_empty());
    let volume: u64 = gridlets.iter().map(|gridlet| gridlet.cells.volume()).sum();
    assert_eq!(volume, u64::from(grid.cells()), "cells of all gridlets, cells of the job");
    let mut seen = BTreeSet::new();
    for (number, gridlet) in gridlets.iter().enumerate() {
        assert_eq!(gridlet.id.0 as usize, number);
        assert!(gridlet.cells.volume() <= limits::GRIDLET_CELLS as u64);
        assert!(gridlet.cost.is_finite() && gridlet.cost >= 0.0, "{}", gridlet.cost);
        if number >= LOOKED_AT {
            continue;
        }
        let cells: Vec<_> = grid.cells_in(&gridlet.cells).collect();
        assert!(cells.iter().all(|cell| seen.insert(*cell)), "a cell of two gridlets");
        let recipe = manager.recipe(gridlet, &cells);
        let told = recipe.steps.iter().flat_map(|step| &step.harvest).map(|harvest| harvest.cell);
        assert_eq!(told.collect::<Vec<_>>(), cells, "what workers are told, what is theirs");
        for folder in recipe.steps.iter().flat_map(|step| &step.folders) {
            assert!(is_inner_path(folder), "{folder:?}");
        }
    }
    for input in manager.inputs() {
        assert!(is_inner_path(&input.name), "{:?}", input.name);
    }
    if let Some(cell) = seen.first()
        && let Some(sample) = manager.sample(*cell, 1)
    {
        assert_eq!(sample.step.harvest.len(), 1);
    }
}

pub(super) const POVRAY_WORDS: &[&str] = &[
    "+W",
    "+H",
    "+I",
    "+O",
    "+FN",
    "+FT",
    "+FP",
    "+FC",
    "+SC",
    "+EC",
    "+SR",
    "+ER",
    "+KFF",
    "+KFI",
    "+A",
    "Input_File_Name=",
    "Width=",
    "[640]",
    "\n%scene.ini\n",
    "\n%scene.pov\n",
    "#include \"",
    "#declare ",
    "#macro",
    "#if",
    "#end",
    "/*",
    "*/",
    "//",
    "\"",
    "#fopen ",
    "seed(",
    "radiosity",
    "media",
    "photons",
    "image_map { png \"a.png\" }",
    "%",
    "\n",
    ";",
    "Initial_Frame=",
    "Final_Frame=",
    "Subset_Start_Frame=",
    "Declare=",
    "Library_Path=",
    "Start_Column=0.5",
];

pub(super) fn povray(bytes: &[u8]) {
    open("povray", bytes);
}

pub(super) fn povray_commands() -> Vec<Vec<u8>> {
    const SCENE: &str = "#include \"a.inc\"\ncamera { location <0,1,-3> look_at 0 }\n/* x */ sphere { 0, 1 // y\n pigment { rgb 1 } }\n";
    let scene = |rest: &str| format!("{rest}\n%scene.pov\n{SCENE}%a.inc\n#declare A = 1;\n");
    let texts = [
        scene("povray\n+Iscene.pov\n+W320\n+H200\n+Oout.png"),
        scene("povray\n+Iscene.pov\n+W64\n+H64\n+FT\n+SC10\n+EC50\n+SR0.1\n+ER0.9"),
        scene("povray\n+Iscene.pov\n+KFF8\n+KFI2\n+W32\n+H32\n+FP"),
        scene(
            "povray\nscene.ini[small]\n%set\ntolerance=2\n%scene.ini\nInput_File_Name=scene.pov\n[small]\nWidth=80\nHeight=60\nOutput_File_Type=N8\n",
        ),
        scene("povray\nscene.pov\nDeclare=X=1\n+A0.3\n-D"),
    ];
    texts.map(String::into_bytes).to_vec()
}

pub(super) const SWEEP_WORDS: &[&str] = &[
    "{a}",
    "{n}",
    "{{",
    "}}",
    "{",
    "}",
    "\n%param\n",
    "a=1..10",
    "b=x,y,z",
    "c=0..1:0.1",
    "a=1..1e9",
    "..",
    "\n%set\n",
    "inputs=copy",
    "\n%output\n",
    "\n%input\n",
    "\n%in.txt\n",
    "\n%stdin\n",
    "../",
    "/",
    ",",
    "@in.txt",
    "file:",
    "log",
    ":",
];

pub(super) fn sweep(bytes: &[u8]) {
    open("sweep", bytes);
}

pub(super) fn sweep_commands() -> Vec<Vec<u8>> {
    lines([
        "true\n{a}\n--b={b}\n%param\na=1..10\nb=x,y\n%env\nA={a}",
        "./in.txt\n{n}\n{a}\n%param\na=0..1:0.25\n%in.txt\nhello\n%output\nout-{n}.txt",
        "true\n{{x}}\n{a}\n%param\na=1..1000000\n%set\nsamples=off\n%stdin\nin.txt\n%in.txt\nx",
        "true\n{a}{b}{c}\n%param\na=1..50\nb=1..60\nc=-3..3\n%input\nin.txt\n%in.txt\ny",
    ])
}

pub(super) fn plain(bytes: &[u8]) {
    open("command", bytes);
}

pub(super) fn plain_commands() -> Vec<Vec<u8>> {
    lines([
        "true\na\nb=in.txt\n%in.txt\nhello\n%output\nout.txt",
        "./in.txt\nx/y.txt\n%input\nx\n%x/y.txt\n1\n%in.txt\n2\n%stdin\nin.txt",
        "sort\n-o\nout\n%env\nLANG=C\n%set\ninputs=copy",
    ])
}

pub(super) const MANIFEST_WORDS: &[&str] = &[
    "[app]\n",
    "[[option]]\n",
    "[[word]]\n",
    "[[rule]]\n",
    "[split]\n",
    "[gridlet]\n",
    "[result]\n",
    "[merge]\n",
    "name = ",
    "programs = ",
    "names = ",
    "as = ",
    "value = ",
    "default = ",
    "repeat = true\n",
    "by = \"range\"\n",
    "\"{",
    "}\"",
    "{first}",
    "{last}",
    "{count}",
    "{x}",
    "{output}",
    " + ",
    " / 0",
    " % ",
    "(",
    ")",
    "9223372036854775807",
    "-1",
    "[",
    "]",
    "\"",
    "'",
    "\n",
    "#",
    ",",
    "\n%%\n",
];

/// Between a manifest and a command.
const COMMAND: &str = "\n%%\n";

/// A manifest, and a command for it.
pub(super) fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (text, command) = text.split_once(COMMAND).unwrap_or((&text, ""));
    match Manifest::parse("app.toml", text) {
        Err(broken) => {
            assert!(!broken.diagnostics.is_empty());
            for found in &broken.diagnostics {
                // Line and column count from 1; the end of the text is one more.
                assert!((1..=text.split('\n').count() + 1).contains(&found.line), "{found:?}");
                assert!(found.column >= 1 && !found.message.is_empty(), "{found:?}");
            }
            assert!(!broken.render().is_empty() && !broken.short().is_empty());
        }
        Ok(manifest) => open_with(&Described::new(manifest), command.as_bytes()),
    }
}

pub(super) fn manifests() -> Vec<Vec<u8>> {
    let commands = [
        "gzip\n-9\na.txt\nb.txt\n%a.txt\nx\n%b.txt\ny",
        "mandelbrot\n-o\nout.png\n640x480",
        "convert\nin.png\n-resize\n50%\nout.png\n%in.png\n",
    ];
    let mut seeds = Vec::new();
    for text in texts() {
        // Each with a command of its own, and one of something else.
        let name = text.split("programs = [\"").nth(1).and_then(|text| text.split('"').next());
        for command in commands {
            let (_, words) = command.split_once('\n').unwrap_or_default();
            let own = format!("{}\n{words}", name.unwrap_or("true"));
            seeds.push(format!("{text}{COMMAND}{own}").into_bytes());
        }
    }
    seeds
}

/// The manifests in `apps/`.
fn texts() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../apps");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// A command of `ffmpeg`, and what `ffprobe` says of the film.
pub(super) fn film(bytes: &[u8]) {
    open("ffmpeg", bytes);
}

pub(super) const FILM_WORDS: &[&str] = &[
    "-vf\nscale=2:2\n",
    "-an\n",
    "-c:v\nlibx264\n",
    "-ss\n1\n",
    "-map\n0:v\n",
    "-r\n30\n",
    "K_",
    "__",
    "N/A",
    "\n",
    "\"r_frame_rate\": \"",
    "\"time_base\": \"1/1000\"",
    "\"start_time\": \"-1.5\"",
    "/",
    "0/0",
    "4294967295/1",
    "\"rotation\": 90",
    "{",
    "}",
    "[",
    "]",
    ",",
    "1152921504606846975",
];

pub(super) fn films() -> Vec<Vec<u8>> {
    let packets = |every: i64, group: usize| -> String {
        (0..200)
            .map(|n| format!("{},{}\n", n as i64 * every, if n % group == 0 { "K_" } else { "__" }))
            .collect()
    };
    let film = |command: &str, base: &str, rate: &str, packets: String| {
        let describe = format!(
            r#"{{"streams": [{{"codec_type": "video", "start_time": "0.0", "time_base": "{base}",
            "r_frame_rate": "{rate}"}}, {{"codec_type": "audio"}}], "format": {{"format_name": "mov,mp4"}}}}"#
        );
        let files = format!(
            "%in.mp4\nx\n%-show_streams\n{describe}\n%packet=pts,flags\n{packets}%packet=pts_time\n0.000000\n"
        );
        format!("{command}\n{files}").into_bytes()
    };
    vec![
        film("ffmpeg\n-i\nin.mp4\n-c:v\nlibx264\nout.mp4", "1/12800", "25/1", packets(512, 12)),
        film(
            "ffmpeg\n-i\nin.mp4\n-vf\nscale=64:-2\n-an\nout.mkv",
            "1/1000",
            "30000/1001",
            packets(33, 30),
        ),
        film("ffmpeg\n-i\nin.mp4\n-c:v\nmpeg4\nout.mp4", "1/25", "25/1", packets(1, 1)),
    ]
}
