//! What the tests share: programs in the middle of something, and looks at what is left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{
    CheckpointOptions, RestoreError, RestoreOptions, Restored, checkpoint, restore,
};
use outlast_programs::{Program, Run, Verdict, named};

/// For what takes a moment, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Tests of this file that run in one process would find each other's processes.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A seeded generator (splitmix64, Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A program in its state; `None` if this machine lacks what it is about.
pub(crate) fn ready(program: &Program) -> Option<Run> {
    let mut run = Run::start(program);
    match run.until_ready() {
        Ok(()) => Some(run),
        Err(Verdict::Skipped(why)) => {
            eprintln!("SKIPPED: {}: {why}", program.name);
            None
        }
        Err(verdict) => panic!("{}: {verdict}", program.name),
    }
}

/// A program that was checkpointed in its state and killed, and its image; `None` if this machine lacks what it is about.
pub(crate) fn dumped(name: &str, image: &Path, options: &CheckpointOptions) -> Option<Run> {
    let mut run = ready(&named(name))?;
    checkpoint(run.pid(), image, options, &|_, _| {}).unwrap_or_else(|why| panic!("{name}: {why}"));
    run.replaced_by(run.pid());
    Some(run)
}

/// Lets it check itself and end.
#[track_caller]
pub(crate) fn passes(mut run: Run, when: &str) {
    run.go();
    let verdict = run.verdict();
    // One that was restored is a child of ours.
    let _ = waitpid(Pid::from_raw(run.pid()), None);
    assert_eq!(verdict, Verdict::Passed, "{when}");
}

/// Nothing but files of these names is in a folder.
#[track_caller]
pub(crate) fn holds_only(folder: &Path, names: &[&str], when: &str) {
    let mut found: Vec<String> = fs::read_dir(folder)
        .expect("the folder is ours")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, names, "{when}: files");
}

/// Children of this process that the engine makes for itself: watchdogs, first processes, stubs.
pub(crate) fn helpers() -> Vec<String> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("there is a /proc").flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((start, rest)) = stat.rsplit_once(") ") else { continue };
        let parent = rest.split(' ').nth(1).and_then(|word| word.parse::<u32>().ok());
        let name = start.split_once('(').map_or("", |(_, name)| name);
        if parent == Some(own) && ["checkpoint", "restore", "outlast-init"].contains(&name) {
            found.push(stat.trim_end().to_owned());
        }
    }
    found
}

#[track_caller]
pub(crate) fn no_helper_is_left(when: &str) {
    assert_eq!(helpers(), Vec::<String>::new(), "{when}: processes of ours");
}

/// Waits for a condition.
pub(crate) fn eventually(condition: impl FnMut() -> bool) -> bool {
    within(SOON, condition)
}

/// Waits for a condition so long.
pub(crate) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// What must not change in a process that was looked at: its mappings, the end of its vdso, and of each thread its masks,
/// processors, children and state of being traced.
pub(crate) type Looks = BTreeMap<i32, (String, Vec<u8>, Vec<String>)>;

pub(crate) fn looks(run: &Run) -> Looks {
    let look = |pid: i32| {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let tail = vdso_tail(pid, &maps).unwrap_or_default();
        let mut threads = Vec::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let wanted = ["Pid:", "TracerPid:", "SigBlk:", "SigIgn:", "SigCgt:", "Cpus_allowed:"];
            threads.extend(
                status
                    .lines()
                    .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
                    .map(str::to_owned),
            );
            // Of the state only this counts: others come and go.
            let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
            let stopped = state.contains("(stopped)") || state.contains("(tracing stop)");
            threads.push(format!("stopped: {stopped}"));
            // Whoever ended and wasn't asked for is among them.
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            threads.push(format!("children: {children}"));
        }
        Some((pid, (maps, tail, threads)))
    };
    run.processes().into_iter().filter_map(look).collect()
}

/// The last bytes of the vdso, which nobody but the engine writes.
fn vdso_tail(pid: i32, maps: &str) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let end = line.split(['-', ' ']).nth(1)?;
    let end = u64::from_str_radix(end, 16).ok()?;
    const TAIL: u64 = 128;
    let mut tail = vec![0; TAIL as usize];
    fs::File::open(format!("/proc/{pid}/mem")).ok()?.read_exact_at(&mut tail, end - TAIL).ok()?;
    Some(tail)
}

/// Asserts that a tree is, soon, as it was.
#[track_caller]
pub(crate) fn looks_as(run: &Run, before: &Looks, when: &str) {
    if eventually(|| looks(run) == *before) {
        return;
    }
    let now = looks(run);
    for (pid, (maps, tail, threads)) in before {
        let Some(found) = now.get(pid) else {
            panic!("{when}: process {pid} is gone; stderr: {}", run.stderr());
        };
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for (found, expected) in
            [(lines(&found.0), lines(maps)), (found.2.clone(), threads.clone())]
        {
            let odd = found.iter().zip(&expected).find(|(found, expected)| found != expected);
            assert!(odd.is_none(), "{when}: process {pid}: found, expected: {odd:?}");
            assert_eq!(found.len(), expected.len(), "{when}: process {pid}: lines");
        }
        assert_eq!(found.1, *tail, "{when}: process {pid}: the vdso's end");
    }
    panic!("{when}: more processes than before");
}

/// Restores, again for a while if an id is another process's for a moment.
pub(crate) fn restored(image: &Path, options: &RestoreOptions) -> Result<Restored, RestoreError> {
    let start = Instant::now();
    loop {
        match restore(image, options) {
            Err(RestoreError::Taken(_) | RestoreError::TerminalTaken(_))
                if start.elapsed() < SOON =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// Says to a child of this test program what to do.
pub(crate) const HELPER: &str = "OUTLAST_ROBUST_HELPER";

/// This test program again, that runs one test alone, which finds `words` in the variable [`HELPER`].
pub(crate) struct Helper {
    pub(crate) child: Child,
    /// What its family has in the environment, and nobody else: a temporary folder is among the words.
    mark: String,
    said: BufReader<std::process::ChildStderr>,
}

impl Helper {
    pub(crate) fn start(test: &str, words: &[&str], folder: &Path) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let words = words.join("\n");
        let mark = format!("{HELPER}={words}");
        let mut child = Command::new(own)
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(HELPER, words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        let said = BufReader::new(child.stderr.take().expect("it was piped"));
        Self { child, mark, said }
    }

    /// Waits until it says that it begins.
    pub(crate) fn begun(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it can be read");
        assert_eq!(line, "begin\n", "the helper didn't begin");
    }

    /// Waits for its end: whether it succeeded, and the rest of what it said.
    pub(crate) fn ended(&mut self) -> (bool, String) {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).expect("it can be read");
        (self.child.wait().expect("it is our child").success(), rest)
    }

    /// Kills it with what nobody can handle.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("it is our child");
    }

    /// Processes that it made: they have its environment, unless they have become somebody else.
    pub(crate) fn family(&self) -> Vec<i32> {
        let own = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            *pid != std::process::id().cast_signed()
                && environment.split(|byte| *byte == 0).any(|one| one == self.mark.as_bytes())
        };
        let numbers = fs::read_dir("/proc").expect("there is a /proc").flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
        numbers.filter_map(number).filter(own).collect()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a helper: what to do; `None` in the test itself, which has to start it.
pub(crate) fn asked() -> Option<Vec<String>> {
    let words = std::env::var(HELPER).ok()?;
    Some(words.split('\n').map(str::to_owned).collect())
}

/// In a helper: the moment from which on it may be killed.
pub(crate) fn begin() {
    eprintln!("begin");
}

/// Ends a restored tree, and waits for it.
pub(crate) fn end(restored: &Restored) {
    let _ = kill(Pid::from_raw(restored.pid), Signal::SIGKILL);
    let _ = waitpid(Pid::from_raw(restored.pid), None);
    if let Some(init) = restored.init {
        let _ = kill(Pid::from_raw(init), Signal::SIGKILL);
        let _ = waitpid(Pid::from_raw(init), None);
    }
}
