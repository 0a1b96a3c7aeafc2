use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use outlast_gridlet::{Blobs, Collect, ExitRule, Harvest, Needs, Program};
use outlast_stage::tree::{Entry, Kind, Limits, Tree};
use outlast_types::{CellId, Hash, limits};

use super::*;

const DEADLINE: Duration = Duration::from_secs(60);

const HOLDER: Holder = Holder::Passing(u64::MAX);

struct World {
    _folder: tempfile::TempDir,
    root: PathBuf,
    store: Arc<Store>,
    executor: LocalExecutor,
    sink: EventSink,
    events: Receiver<RunEvent>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let store = Store::open(&root).unwrap();
        let executor = LocalExecutor::new(Arc::clone(&store), 2).unwrap();
        fs::create_dir(root.join("work")).unwrap();
        let (send, events) = channel();
        let send = Mutex::new(send);
        let sink: EventSink = Arc::new(move |event| {
            let _ = lock(&send).send(event);
        });
        Self { _folder: folder, root, store, executor, sink, events }
    }

    fn inputs(&self, files: &[(&str, &str, bool)]) -> Arc<StagedInputs> {
        let stage = |(path, bytes, executable): &(&str, &str, bool)| Entry {
            path: (*path).to_owned(),
            kind: Kind::File {
                hash: self.store.put_bytes(bytes.as_bytes(), HOLDER).unwrap(),
                length: bytes.len() as u64,
                executable: *executable,
            },
        };
        self.staged(files.iter().map(stage).collect())
    }

    fn staged(&self, entries: Vec<Entry>) -> Arc<StagedInputs> {
        let tree = Tree::new(entries, &Limits::default()).unwrap();
        let inputs = StagedInputs::new(self.root.join("inputs"), tree);
        inputs.lay_out(&self.store, inputs.tree()).unwrap();
        Arc::new(inputs)
    }

    fn run_with(&self, step: Step, inputs: Arc<StagedInputs>, mode: InputMode) -> RunId {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = RunId(NEXT.fetch_add(1, Ordering::SeqCst));
        let folder = self.root.join("work").join(id.0.to_string());
        let file_limit = 1 << 20;
        let folder_limit = 4 << 20;
        let run = Run {
            id,
            folder,
            step,
            inputs,
            mode,
            file_limit,
            folder_limit,
            nice: 0,
            holder: HOLDER,
        };
        self.executor.run(run, Arc::clone(&self.sink));
        id
    }

    fn run(&self, step: Step) -> RunId {
        self.run_with(step, self.no_inputs(), InputMode::Link)
    }

    fn no_inputs(&self) -> Arc<StagedInputs> {
        Arc::new(StagedInputs::new(self.root.clone(), Tree::default()))
    }

    fn end(&self) -> (Vec<CellOutput>, RunOutcome) {
        let mut cells = Vec::new();
        loop {
            match self.events.recv_timeout(DEADLINE).unwrap() {
                RunEvent::Cell { output, .. } => cells.push(output),
                RunEvent::Ended { outcome, .. } => return (cells, outcome),
            }
        }
    }

    fn output(&self, step: Step) -> CellOutput {
        self.run(step);
        let (mut cells, outcome) = self.end();
        assert!(matches!(outcome, RunOutcome::Exited { .. }), "{outcome:?}");
        assert_eq!(cells.len(), 1);
        cells.remove(0)
    }

    fn failure(&self, step: Step) -> RunFailure {
        self.run(step);
        match self.end() {
            (_, RunOutcome::Failed { reason }) => reason,
            (_, outcome) => panic!("expected a failure, found {outcome:?}"),
        }
    }

    fn text(&self, output: &CellOutput, name: &str) -> String {
        let bytes = self.store.bytes(&output.file(name).unwrap().content).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

fn sh(script: &str, collect: Vec<Collect>) -> Step {
    Step {
        program: Program::Installed("sh".to_owned()),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: Vec::new(),
        inputs: Needs::All,
        stdin: None,
        exit: ExitRule::Result,
        folders: Vec::new(),
        harvest: vec![Harvest { cell: CellId(7), collect }],
        watch: false,
    }
}

fn file(path: &str) -> Collect {
    Collect::File { path: path.to_owned(), name: path.to_owned(), required: true }
}

fn created() -> Collect {
    Collect::Created { prefix: "files/".to_owned() }
}

fn names(output: &CellOutput) -> Vec<&str> {
    output.files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn streams_exit_code_and_created_files_come_back_and_the_folder_goes() {
    let world = World::new();
    let collect =
        vec![Collect::Stderr("stderr".to_owned()), created(), Collect::Stdout("stdout".to_owned())];
    let mut step =
        sh("echo out; echo err >&2; mkdir -p d; echo x >d/x; echo y >~/y; exit 3", collect);
    step.folders.push("made".to_owned());
    let output = world.output(step);
    assert_eq!((output.cell, output.exit), (CellId(7), 3));
    assert_eq!(names(&output), ["files/d/x", "stderr", "stdout"]);
    assert_eq!(world.text(&output, "stdout"), "out\n");
    assert_eq!(world.text(&output, "stderr"), "err\n");
    assert_eq!(fs::read_dir(world.root.join("work")).unwrap().count(), 0);
}

#[test]
fn large_files_travel_as_blobs_and_small_ones_within_a_budget() {
    let world = World::new();
    let large = limits::INLINE_BYTES + 1;
    let output = world
        .output(sh(&format!("head -c {large} /dev/zero >big; echo x >small"), vec![created()]));
    let hash = Hash::of(&vec![0; large]);
    let expected = outlast_gridlet::Content::Blob { hash, length: large as u64 };
    assert_eq!(output.file("files/big").unwrap().content, expected);
    assert_eq!(world.text(&output, "files/small"), "x\n");

    let count = limits::INLINE_FRAME_BYTES / 10_000 + 10;
    let script = format!("for i in $(seq {count}); do head -c 10000 /dev/zero >$i; done");
    let output = world.output(sh(&script, vec![created()]));
    let inline = output.files.iter().filter_map(|file| match &file.content {
        outlast_gridlet::Content::Inline(bytes) => Some(bytes.len()),
        outlast_gridlet::Content::Blob { .. } => None,
    });
    let inline: usize = inline.sum();
    assert!(inline <= limits::INLINE_FRAME_BYTES && inline > limits::INLINE_FRAME_BYTES / 2);
    assert_eq!(output.files.len(), count);
}

#[test]
fn unchanged_inputs_are_no_results_in_either_mode() {
    let world = World::new();
    let inputs = world.inputs(&[
        ("a", "A", false),
        ("d/b", "B", false),
        ("run", "#!/bin/sh\ncat a d/b; echo $1\necho C >c", true),
    ]);
    for (mode, change, expected) in [
        (InputMode::Link, "", vec!["files/c", "stdout"]),
        (InputMode::Copy, "", vec!["files/c", "stdout"]),
        (InputMode::Copy, "echo B2 >d/b", vec!["files/c", "files/d/b", "stdout"]),
    ] {
        let collect = vec![created(), Collect::Stdout("stdout".to_owned())];
        let step = sh(
            &format!(
                "./run arg && {{ {change} true; }}",
                change = if change.is_empty() { String::new() } else { format!("{change};") }
            ),
            collect,
        );
        world.run_with(step, Arc::clone(&inputs), mode);
        let (cells, _) = world.end();
        assert_eq!(names(&cells[0]), expected, "{mode:?} {change}");
        assert_eq!(world.text(&cells[0], "stdout"), "ABarg\n");
    }
    let mut step = sh("", vec![Collect::Stdout("stdout".to_owned())]);
    step.program = Program::Staged("run".to_owned());
    step.args = vec!["staged".to_owned()];
    world.run_with(step, inputs, InputMode::Link);
    let (cells, _) = world.end();
    assert_eq!(world.text(&cells[0], "stdout"), "ABstaged\n");
}

#[test]
fn the_environment_is_minimal_and_the_steps_own_wins() {
    let world = World::new();
    let mut step =
        sh("env | cut -d= -f1 | sort; echo $LANG $X; cat", vec![Collect::Stdout("o".to_owned())]);
    step.env = vec![
        ("LANG".to_owned(), "de".to_owned()),
        ("X".to_owned(), "1 2".to_owned()),
        ("OUTLAST_FOLDER".to_owned(), "no".to_owned()),
    ];
    step.stdin = Some("in".to_owned());
    world.run_with(step, world.inputs(&[("in", "input", false)]), InputMode::Link);
    let (cells, _) = world.end();
    let text = world.text(&cells[0], "o");
    assert_eq!(text, "HOME\nLANG\nOUTLAST_FOLDER\nPATH\nPWD\nTMPDIR\nX\nde 1 2\ninput");
}

#[test]
fn failures_are_told_apart() {
    let world = World::new();
    let mut step = sh("", vec![]);
    step.program = Program::Installed("no-such-program".to_owned());
    assert_eq!(
        world.failure(step.clone()),
        RunFailure::MissingProgram("no-such-program".to_owned())
    );
    step.program = Program::Staged("../../bin/sh".to_owned());
    assert!(matches!(world.failure(step), RunFailure::Setup(_)));

    let failure = world.failure(sh("echo oops >&2; exit 4", vec![file("result")]));
    assert_eq!(
        failure.to_string(),
        "the program ended with code 4 without writing `result`; it said: oops"
    );
    assert_eq!(
        world.failure(sh("exec head -c 2000000 /dev/zero >big", vec![])),
        RunFailure::FileTooLarge(1 << 20)
    );
    let failure = world.failure(sh("ln -s /etc/passwd result", vec![file("result")])).to_string();
    assert_eq!(failure, "result leads out of the job's folder");
    let many = format!("seq {} | xargs touch", limits::CELL_FILES + 1);
    assert!(matches!(world.failure(sh(&many, vec![created()])), RunFailure::Harvest(_)));
}

#[test]
fn a_program_whose_files_are_too_much_together_is_ended() {
    let world = World::new();
    let script = "for i in 1 2 3 4 5 6; do head -c 1000000 /dev/zero >$i; done; exec sleep 1000";
    assert_eq!(world.failure(sh(script, vec![])), RunFailure::FolderTooLarge(4 << 20));
}

#[test]
fn tiles_of_one_picture_go_to_their_cells() {
    let world = World::new();
    // Two pixels side by side, each in its own colour.
    let mut step = sh("printf 'P6\\n2 1\\n255\\nabcdef' >picture.ppm", vec![]);
    let tile = |x| Collect::Tile { path: "picture.ppm".to_owned(), x, y: 0, width: 1, height: 1 };
    step.harvest = (0..3).map(|x| Harvest { cell: CellId(x), collect: vec![tile(x)] }).collect();
    step.watch = true;
    world.run(step);
    let (cells, outcome) = world.end();
    let ppm = b"P6\n2 1\n255\nabcdef";
    for (cell, x) in cells.iter().zip(0..) {
        let expected = outlast_gridlet::picture::tile(ppm, x, 0, 1, 1).unwrap();
        assert_eq!(world.store.bytes(&cell.file("tile").unwrap().content).unwrap(), expected);
    }
    assert_eq!(cells.len(), 2);
    assert!(matches!(outcome, RunOutcome::Failed { reason: RunFailure::Harvest(_) }));
}

#[test]
fn under_the_zero_rule_a_failing_program_answers_nothing() {
    let world = World::new();
    let mut step = sh("echo x >result; echo why >&2; exit 2", vec![file("result")]);
    step.exit = ExitRule::Zero;
    world.run(step);
    let (cells, outcome) = world.end();
    assert!(cells.is_empty());
    assert_eq!(outcome, RunOutcome::Exited { code: 2, stderr_tail: "why\n".to_owned() });
}

#[test]
fn only_the_end_of_a_long_error_output_travels() {
    let world = World::new();
    world.run(sh("seq 100000 >&2", vec![]));
    let (_, outcome) = world.end();
    let RunOutcome::Exited { stderr_tail, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(stderr_tail.len(), limits::LOG_TAIL_BYTES);
    assert!(stderr_tail.ends_with("99999\n100000\n"));
}

#[test]
fn watched_cells_are_shipped_while_the_program_runs() {
    let world = World::new();
    let mut step = sh("echo a >0; echo b >1; : >2; exec sleep 1000", vec![]);
    step.watch = true;
    step.harvest =
        (0..4).map(|i| Harvest { cell: CellId(i), collect: vec![file(&i.to_string())] }).collect();
    let id = world.run(step);
    for expected in 0..2 {
        let event = world.events.recv_timeout(DEADLINE).unwrap();
        let RunEvent::Cell { output, .. } = event else { panic!("{event:?}") };
        assert_eq!(output.cell, CellId(expected));
    }
    world.executor.kill(id);
    assert_eq!(world.end(), (vec![], RunOutcome::Killed));
}

#[test]
fn a_killed_run_ends_also_before_it_began() {
    let world = World::new();
    let runs: Vec<_> = (0..6).map(|_| world.run(sh("sleep 1000", vec![]))).collect();
    for run in runs.iter().rev() {
        world.executor.kill(*run);
    }
    for _ in &runs {
        assert_eq!(world.end().1, RunOutcome::Killed);
    }
    world.executor.kill(runs[0]);
}

#[test]
fn dropping_the_executor_ends_what_runs() {
    let world = World::new();
    world.run(sh("sleep 1000", vec![]));
    let started = Instant::now();
    drop(world.executor);
    assert!(started.elapsed() < DEADLINE);
}

#[test]
fn folders_that_a_program_locked_are_removed() {
    let world = World::new();
    world.output(sh("mkdir -p a/b; : >a/b/c; chmod 0 a/b a", vec![]));
    assert_eq!(fs::read_dir(world.root.join("work")).unwrap().count(), 0);
}

#[test]
fn a_full_disk_is_named() {
    let world = World::new();
    let work = world.root.join("work");
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(&work)
        .stderr(std::process::Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no privilege to mount a small file system");
        return;
    }
    let failure = world.failure(sh(
        "for i in 1 2 3; do head -c 1000000 /dev/zero >$i || exit; done",
        vec![created()],
    ));
    let status = std::process::Command::new("umount").arg(&work).status().unwrap();
    assert!(status.success());
    assert_eq!(failure, RunFailure::DiskFull);
}

/// Not a test of right or wrong: prints what a run costs. `--run-ignored all --no-capture`.
#[test]
#[ignore = "a measurement"]
fn runs_per_second() {
    let world = World::new();
    let count = 2000;
    let mut step = sh("", vec![Collect::Stdout("stdout".to_owned()), created()]);
    step.program = Program::Installed("true".to_owned());
    step.args.clear();
    let started = Instant::now();
    for _ in 0..count {
        world.run(step.clone());
    }
    for _ in 0..count {
        world.end();
    }
    println!("{:.0} runs per second", f64::from(count) / started.elapsed().as_secs_f64());
}

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: path.to_owned(), kind }
}

#[test]
fn links_and_folders_of_the_job_are_there_in_both_modes() {
    let world = World::new();
    let hash = world.store.put_bytes(b"text", HOLDER).unwrap();
    let file = Kind::File { hash, length: 4, executable: true };
    let empty = Kind::File { hash: Hash::of(b""), length: 0, executable: false };
    let link = |target: &str| Kind::Symlink { target: target.to_owned() };
    let inputs = world.staged(vec![
        entry("a/file", file),
        entry("a/link", link("file")),
        entry("b/up", link("../a")),
        entry("b/none", empty),
        entry("c", Kind::Folder),
    ]);
    for mode in [InputMode::Link, InputMode::Copy] {
        let script = "cat b/up/link b/none && [ -L b/up ] && [ -d c ] && [ -x a/file ]";
        let mut step = sh(script, vec![Collect::Stdout("out".to_owned()), created()]);
        step.stdin = Some("b/up/link".to_owned());
        world.run_with(step, Arc::clone(&inputs), mode);
        let (cells, outcome) = world.end();
        assert!(matches!(outcome, RunOutcome::Exited { code: 0, .. }), "{outcome:?}");
        assert_eq!(world.text(&cells[0], "out"), "text");
        assert_eq!(names(&cells[0]), ["out"], "inputs are no results");
    }
}

#[test]
fn a_step_finds_what_it_needs_and_nothing_else() {
    let world = World::new();
    let inputs = world.inputs(&[("a", "1", false), ("b/c", "2", false), ("b/d", "3", false)]);
    let mut step = sh("find . -type l | sort", vec![Collect::Stdout("out".to_owned())]);
    step.inputs = Needs::Only(vec!["b".to_owned()]);
    step.stdin = Some("a".to_owned());
    world.run_with(step.clone(), Arc::clone(&inputs), InputMode::Link);
    let (cells, _) = world.end();
    assert_eq!(world.text(&cells[0], "out"), "./a\n./b/c\n./b/d\n");
    step.inputs = Needs::Only(vec!["x".to_owned()]);
    world.run_with(step, inputs, InputMode::Link);
    let (_, outcome) = world.end();
    let RunOutcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.to_string().contains("not among the job's inputs"), "{reason}");
}

#[test]
fn more_is_laid_out_later_and_not_through_links_that_a_program_made() {
    let world = World::new();
    let hash = world.store.put_bytes(b"text", HOLDER).unwrap();
    let file = || Kind::File { hash, length: 4, executable: false };
    let tree = vec![entry("a/x", file()), entry("b/y", file())];
    let tree = Tree::new(tree, &Limits::default()).unwrap();
    let inputs = StagedInputs::new(world.root.join("inputs"), tree);
    let part = |name: &str| inputs.needed(&Needs::Only(vec![name.to_owned()])).unwrap();
    inputs.lay_out(&world.store, &part("a")).unwrap();
    inputs.lay_out(&world.store, &part("a")).unwrap();
    assert_eq!((inputs.bytes(), inputs.missing_bytes(inputs.tree())), (4, 4));
    let outside = world.root.join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, inputs.folder().join("b")).unwrap();
    assert!(inputs.lay_out(&world.store, &part("b")).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
