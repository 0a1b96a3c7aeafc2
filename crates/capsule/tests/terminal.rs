//! A program that was run from somebody's terminal goes on at another one.

#![expect(clippy::print_stderr, reason = "that is where people look for it")]

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{
    CheckpointError, CheckpointOptions, RestoreOptions, checkpoint, restore, take_foreground,
};
use outlast_os::terminal;

/// On a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Set for a child of this test: what it restores.
const IMAGE: &str = "OUTLAST_TEST_IMAGE";

const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/programs/real/at_terminal.py");

fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < SOON, "expected soon: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A command at a terminal of its own, and where somebody types.
struct Seat {
    script: Child,
}

impl Seat {
    fn new(command: &str, folder: &Path, image: Option<&Path>) -> Self {
        let mut script = Command::new("script");
        script.args(["-qec", command, "/dev/null"]).current_dir(folder).stdin(Stdio::piped());
        script.stdout(File::create(folder.join("shown")).expect("the folder is ours"));
        script.env("SHELL", "/bin/sh");
        if let Some(image) = image {
            script.env(IMAGE, image);
        }
        Self { script: script.spawn().expect("it is installed") }
    }

    fn types(&mut self, text: &str) {
        let stdin = self.script.stdin.as_mut().expect("piped");
        stdin.write_all(text.as_bytes()).expect("it reads");
        stdin.flush().expect("it reads");
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// In a child: restores, waits for the end, and brings this group to the front again.
fn restored_here(image: &str) {
    let options = RestoreOptions { foreground: true, ..RestoreOptions::default() };
    let tree = restore(Path::new(image), &options).expect("restored");
    eprintln!("notes: {:?}; in the foreground: {}", tree.report.notes, tree.in_foreground);
    waitpid(Pid::from_raw(tree.pid), None).expect("it is ours");
    if tree.in_foreground {
        take_foreground();
    }
}

fn taken(pid: i32, image: &Path) {
    let waits = || {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
        call.starts_with("0 0x0 ").then_some(())
    };
    eventually("a read of standard input", waits);
    eventually("a checkpoint", || {
        match checkpoint(pid, image, &CheckpointOptions::default(), &|_, _| {}) {
            Err(CheckpointError::Stuck { .. }) => None,
            other => Some(other.expect("it is carried")),
        }
    });
}

fn text(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn can_run() -> bool {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let can = there("script") && there("python3") && File::open("/dev/ptmx").is_ok();
    if !can {
        eprintln!("SKIPPED: it needs script, python3 and pseudo-terminals");
    }
    can
}

fn own_test(name: &str) -> String {
    let own = std::env::current_exe().expect("it runs");
    format!("{} --exact {name} --nocapture", own.display())
}

/// The image of a program that a command starts at a terminal, which is gone then.
fn image_at_a_terminal(command: &str, folder: &Path) -> PathBuf {
    let image = folder.join("image");
    let _seat = Seat::new(command, folder, None);
    let pid = eventually("its number", || text(folder, "pid"));
    taken(pid.parse().expect("a number"), &image);
    image
}

#[test]
fn a_job_goes_on_at_another_terminal() {
    if let Ok(image) = std::env::var(IMAGE) {
        return restored_here(&image);
    }
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let image =
        image_at_a_terminal(&format!("stty rows 11 cols 22; python3 {SCRIPT}; exit 0"), folder);

    let own = own_test("a_job_goes_on_at_another_terminal");
    let command =
        format!("stty rows 33 cols 44; {own} 2>said; read line; echo \"$line\" >after; exit 0");
    let mut seat = Seat::new(&command, folder, Some(&image));
    eventually("its restore", || text(folder, "said").filter(|said| said.contains("notes")));
    seat.types("typed\n");
    let said = || text(folder, "said").unwrap_or_default();
    let result = eventually("its result", || text(folder, "result"));
    let expected = r#"{"line": "typed\n", "settings": true, "foreground": true, "size": [44, 33], "told": true}"#;
    assert_eq!(result, expected, "{}", said());
    let shown = || text(folder, "shown").filter(|all| all.contains("by the old descriptor"));
    assert!(eventually("what it wrote", shown).contains("by its name"), "{}", said());
    // The shell that restored it has the terminal again.
    seat.types("again\n");
    let after = eventually("another line", || text(folder, "after").filter(|text| text.len() > 5));
    assert_eq!(after, "again\n", "{}", said());
}

#[test]
fn a_session_takes_a_terminal_that_is_nobodys() {
    if let Ok(image) = std::env::var(IMAGE) {
        return restored_here(&image);
    }
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let image =
        image_at_a_terminal(&format!("stty rows 11 cols 22; exec python3 {SCRIPT}"), folder);

    let master = File::options().read(true).write(true).open("/dev/ptmx").expect("it was there");
    terminal::set_locked(&master, false).expect("it is ours");
    let open = || terminal::open_slave(&master, libc::O_RDWR | libc::O_NOCTTY).expect("unlocked");
    terminal::set_size(&master, [33, 44, 0, 0]).expect("it is ours");
    let slave: OwnedFd = open();
    let own = own_test("a_session_takes_a_terminal_that_is_nobodys");
    let mut words = own.split(' ');
    let mut command = Command::new(words.next().expect("the first"));
    command.args(words).env(IMAGE, &image).current_dir(folder).stdin(slave).stdout(open());
    command.stderr(File::create(folder.join("said")).expect("the folder is ours"));
    let mut child = command.spawn().expect("it is this program");
    drop(command);
    eventually("its restore", || text(folder, "said").filter(|said| said.contains("notes")));
    (&master).write_all(b"typed\n").expect("it is open");
    let result = eventually("its result", || text(folder, "result"));
    let expected = r#"{"line": "typed\n", "settings": true, "foreground": true, "size": [44, 33], "told": true}"#;
    assert_eq!(result, expected, "{:?}", text(folder, "said"));
    assert!(child.wait().expect("it is ours").success());
}
