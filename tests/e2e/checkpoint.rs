//! Programs checkpointed and restored with the command itself: what people type, and what they find afterwards.
//!
//! What is carried is tested by `outlast-capsule` with a program for each resource. Here it is about the command: its
//! options, its messages, its exit codes.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outlast_programs::Run;
use outlast_tests::{Process, Said, World, skipped, until};
use serde_json::Value;

/// Counts in a file, without starting anything, until it is told to end: with that status.
const COUNT: &str = r#"
trap 'echo told > told; exit 43' TERM
n=0
while ! [ -e go ]; do
    n=$((n+1))
    echo $n >> count
    read -r -t 0.02 _ <> fifo
done
exit 42
"#;

/// A world, and a program that counts in it.
struct Counting {
    world: World,
    run: Run,
}

impl Counting {
    fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same, but for what it does at first.
    fn start_with(first: &str) -> Option<Self> {
        if !may_restore() {
            skipped("restoring into a new pid namespace needs CAP_SYS_ADMIN");
            return None;
        }
        let run = Run::prepared("count", &["bash", "count.sh"], |folder| {
            fs::write(folder.join("count.sh"), format!("{first}{COUNT}")).unwrap();
            nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        });
        let counting = Self { world: World::new(), run };
        counting.counts_beyond(3);
        Some(counting)
    }

    fn count(&self) -> u64 {
        let text = fs::read_to_string(self.run.folder().join("count")).unwrap_or_default();
        text.lines().last().and_then(|line| line.parse().ok()).unwrap_or_default()
    }

    #[track_caller]
    fn counts_beyond(&self, number: u64) {
        until(&format!("it counts beyond {number}"), || (self.count() > number).then_some(()));
    }

    /// All numbers are there once: it neither began again nor left any out.
    #[track_caller]
    fn counted_right(&self) {
        let text = fs::read_to_string(self.run.folder().join("count")).unwrap();
        let expected: String = (1..=self.count()).map(|n| format!("{n}\n")).collect();
        assert_eq!(text, expected);
    }

    fn image(&self) -> String {
        self.world.path("image").to_str().unwrap().to_owned()
    }

    fn outlast(&self, args: &[&str]) -> Said {
        self.world.plain(args)
    }

    fn start_outlast(&self, args: &[&str]) -> Process {
        self.world.start_plain(args)
    }

    /// Takes a checkpoint, which kills it.
    #[track_caller]
    fn checkpointed(&mut self, more: &[&str]) -> Said {
        let (pid, image) = (self.run.pid().to_string(), self.image());
        let said = self.outlast(&[&["checkpoint", &pid, "-o", &image], more].concat());
        let said = said.with_code(0);
        // Only reaps it.
        self.run.replaced_by(self.run.pid());
        said
    }

    /// Restores it in the background, and waits until it counts on.
    #[track_caller]
    fn restoring(&self, more: &[&str]) -> Process {
        let before = self.count();
        let image = self.image();
        let process = self.start_outlast(&[&["restore", &image], more].concat());
        self.counts_beyond(before);
        process
    }

    fn pidfile(&self) -> PathBuf {
        self.world.path("pid")
    }
}

/// Whether this process may make namespaces: tests don't change what they are allowed.
fn may_restore() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() & (1 << CAP_SYS_ADMIN) != 0
}

fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

#[test]
fn a_program_goes_on_from_its_image_and_its_exit_code_comes_through() {
    let Some(mut counting) = Counting::start() else { return };
    let said = counting.checkpointed(&[]);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains("1 process, 1 thread"), "{}", said.stderr);
    assert!(!alive(counting.run.pid()), "it is killed unless it is to go on");
    let mut restore = counting.restoring(&[]);
    counting.run.go();
    restore.ended(outlast_tests::SOON).with_code(42);
    counting.counted_right();
    assert_eq!(fs::read_dir(counting.world.path("home")).unwrap().count(), 0, "no node takes part");
}

#[test]
fn a_program_that_is_left_running_counts_on() {
    let Some(counting) = Counting::start() else { return };
    let (pid, image) = (counting.run.pid(), counting.image());
    for _ in 0..2 {
        let args = ["checkpoint", &pid.to_string(), "-o", &image, "--leave-running"];
        counting.outlast(&args).with_code(0).complains("runs on");
        counting.counts_beyond(counting.count());
    }
    counting.counted_right();
}

#[test]
fn a_signal_to_the_command_goes_to_the_program() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let image = counting.image();
    // What comes before the command's name makes no difference.
    for words in
        [&["restore", &image as &str][..], &["--quiet", "restore", &image, "--accept-changed"]]
    {
        let before = counting.count();
        let mut restore = counting.start_outlast(words);
        counting.counts_beyond(before);
        restore.signal(Signal::SIGTERM);
        restore.ended(outlast_tests::SOON).with_code(43);
        fs::remove_file(counting.run.folder().join("told")).unwrap();
    }
}

#[test]
fn what_a_program_leaves_in_the_background_is_not_waited_for() {
    let Some(mut counting) = Counting::start_with("sleep 1000 &") else { return };
    counting.checkpointed(&[]);
    let mut restore = counting.restoring(&[]);
    counting.run.go();
    restore.ended(outlast_tests::SOON).with_code(42);
    let left = counting.run.processes();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(fs::read_to_string(format!("/proc/{}/comm", left[0])).unwrap(), "sleep\n");
}

#[test]
fn a_program_that_is_killed_says_by_which_signal() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let pidfile = counting.pidfile();
    let mut restore = counting.restoring(&["--pidfile", pidfile.to_str().unwrap()]);
    let pid: i32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    restore.ended(outlast_tests::SOON).with_code(128 + 9);
}

#[test]
fn a_detached_program_goes_on_without_the_command() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let (image, pidfile) = (counting.image(), counting.pidfile());
    let args = ["restore", &image, "--detach", "--pidfile", pidfile.to_str().unwrap()];
    let said = counting.outlast(&args).with_code(0);
    let pid: i32 = said.stdout.trim().parse().unwrap();
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), said.stdout);
    assert!(alive(pid));
    counting.counts_beyond(counting.count());
    counting.run.go();
    until("it ends", || (!alive(pid)).then_some(()));
}

#[test]
fn it_has_its_old_process_number_if_that_is_free() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let (image, pid) = (counting.image(), counting.run.pid());
    let said =
        counting.outlast(&["restore", &image, "--same-pids", "--detach", "--json"]).with_code(0);
    let value: Value = said.json();
    assert_eq!((&value["pid"], &value["inner_pid"]), (&pid.into(), &pid.into()));
    assert!(value["total_us"].as_u64() > Some(0), "{value}");
    let taken = counting.outlast(&["restore", &image, "--same-pids"]).with_code(1);
    taken.complains(&format!("id {pid} is in use"));
    counting.counts_beyond(counting.count());
    counting.run.go();
    until("it ends", || (!alive(pid)).then_some(()));
}

#[test]
fn two_trees_of_one_image_run_at_once() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let image = counting.image();
    // The first one writes to a file that the image knows.
    let args = ["restore", &image, "--accept-changed"];
    let mut both = [counting.start_outlast(&args), counting.start_outlast(&args)];
    until("both count", || {
        let text = fs::read_to_string(counting.run.folder().join("count")).unwrap();
        let numbers: std::collections::BTreeSet<&str> = text.lines().collect();
        (text.lines().count() > numbers.len() + 3).then_some(())
    });
    counting.run.go();
    for one in &mut both {
        one.ended(outlast_tests::SOON).with_code(42);
    }
}

#[test]
fn what_stands_in_the_way_is_named_and_nothing_is_disturbed() {
    let world = World::new();
    const LISTEN: &str = r#"
import socket, os, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
open("ready", "w").close()
while not os.path.exists("go"): time.sleep(0.02)
open("verdict", "w").write("pass")
"#;
    let mut run = Run::prepared("listen", &["python3", "listen.py"], |folder| {
        fs::write(folder.join("listen.py"), LISTEN).unwrap();
    });
    if let Err(verdict) = run.until_ready() {
        return skipped(&format!("python3: {verdict}"));
    }
    let pid = run.pid().to_string();
    let said = world.plain(&["checkpoint", "--check", &pid]).with_code(1);
    assert!(said.stdout.contains("descriptor 3: "), "{}", said.stdout);
    assert!(said.stdout.contains(&format!("process {pid} (python3)")), "{}", said.stdout);
    let list: Vec<Value> =
        world.plain(&["checkpoint", "--check", &pid, "--json"]).with_code(1).json();
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((&list[0]["place"], &list[0]["pid"]), (&"descriptor 3".into(), &run.pid().into()));
    let image = world.path("image");
    let args = ["checkpoint", &pid, "-o", image.to_str().unwrap()];
    world.plain(&args).with_code(1).complains("descriptor 3");
    assert!(!image.exists(), "nothing is written");
    run.go();
    assert_eq!(run.verdict(), outlast_programs::Verdict::Passed);
    world.plain(&["checkpoint", "--check", &pid]).with_code(1).complains("no process");
}

#[test]
fn an_image_tells_what_is_in_it() {
    let Some(mut counting) = Counting::start() else { return };
    let said = counting.checkpointed(&["--compress", "zstd:3", "--stats", "--json"]);
    let stats: Value = said.json();
    for key in ["frozen_us", "total_us", "memory_bytes", "image_bytes", "stop_us", "copy_us"] {
        assert!(stats[key].is_u64(), "{key} in {stats}");
    }
    let image = counting.image();
    let content: Value =
        counting.outlast(&["inspect", &image, "--verify", "--json"]).with_code(0).json();
    assert_eq!(content["image_bytes"], stats["image_bytes"]);
    assert_eq!((&content["compression"], &content["verified"]), (&"zstd".into(), &true.into()));
    let process = &content["processes"][0];
    assert_eq!((&process["pid"], &process["name"]), (&counting.run.pid().into(), &"bash".into()));
    let folder = counting.run.folder().to_str().unwrap();
    assert_eq!(process["directory"], folder);
    let descriptors = process["descriptors"].as_array().unwrap();
    let output = descriptors.iter().find(|descriptor| descriptor["number"] == 1).unwrap();
    assert_eq!(output["path"], format!("{folder}/stdout"));
    let text = counting.outlast(&["inspect", &image]).with_code(0).stdout;
    assert!(text.contains("bash") && text.contains("/stdout"), "{text}");
    // And it can be restored.
    let mut restore = counting.restoring(&["--stats"]);
    counting.run.go();
    let said = restore.ended(outlast_tests::SOON).with_code(42);
    assert!(said.stderr.contains("PHASE"), "{}", said.stderr);
}

#[test]
fn what_is_no_whole_image_is_refused_by_name() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let image = counting.image();
    let whole = fs::read(&image).unwrap();
    let refused = |bytes: &[u8], why: &str| {
        fs::write(&image, bytes).unwrap();
        for command in [["inspect", &image, "--verify"], ["restore", &image, "--accept-changed"]] {
            counting.outlast(&command).with_code(1).complains(why);
        }
    };
    refused(
        b"This is no image, but a text that is long enough to be taken for the beginning of one.\n",
        "is not an image",
    );
    refused(&whole[..100], "section `table`");
    refused(&whole[..whole.len() - 1], "section `table`");
    let mut damaged = whole.clone();
    damaged[4096 + 5000] ^= 1;
    refused(&damaged, "section `data`");
    assert!(counting.run.processes().is_empty(), "nothing was restored");
}

#[test]
fn a_file_that_changed_is_a_reason_to_ask() {
    let Some(mut counting) = Counting::start() else { return };
    counting.checkpointed(&[]);
    let script = counting.run.folder().join("count.sh");
    fs::write(&script, format!("{COUNT}\n# changed\n")).unwrap();
    let image = counting.image();
    let said = counting.outlast(&["restore", &image]).with_code(1);
    said.clone().complains("count.sh");
    said.complains("--accept-changed");
    let mut restore = counting.restoring(&["--accept-changed"]);
    counting.run.go();
    let said = restore.ended(outlast_tests::SOON).with_code(42);
    said.complains("note: ");
}
