use std::io::Write;
use std::time::Instant;

use super::*;

struct Run {
    folder: tempfile::TempDir,
    out: File,
    err: File,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = File::create(folder.path().join("out")).unwrap();
        let err = File::create(folder.path().join("err")).unwrap();
        Self { folder, out, err }
    }

    fn sh<'a>(&'a self, args: &'a [String]) -> Spawn<'a> {
        Spawn {
            program: Path::new("/bin/sh"),
            name: "sh",
            args,
            env: &[],
            folder: self.folder.path(),
            stdin: None,
            stdout: &self.out,
            stderr: &self.err,
            file_limit: None,
            nice: 0,
        }
    }

    fn out(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap()
    }
}

fn script(text: &str) -> Vec<String> {
    vec!["-c".to_owned(), text.to_owned()]
}

fn is_running(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::yield_now();
    }
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    let run = Run::new();
    let ending = |text: &str| spawn(&run.sh(&script(text))).unwrap().finish().unwrap();
    assert_eq!(ending("exit 7"), Ending::Exited(7));
    assert_eq!(ending("kill -9 $$"), Ending::Signalled(9));
    assert_eq!(ending("kill -9 $$").code(), 137);
}

#[test]
fn only_the_given_environment_descriptors_and_folder_are_there() {
    let run = Run::new();
    let args = script("pwd; echo $A; echo ${HOME-unset}; ls /proc/self/fd | wc -l; cat");
    let env = [("A".to_owned(), "b c".to_owned())];
    let spawned = Spawn { env: &env, ..run.sh(&args) };
    assert_eq!(spawn(&spawned).unwrap().finish().unwrap(), Ending::Exited(0));
    let folder = run.folder.path().canonicalize().unwrap();
    // Three, and the one that `ls` opens to look.
    assert_eq!(run.out(), format!("{}\nb c\nunset\n4\n", folder.display()));
}

#[test]
fn standard_input_is_the_file() {
    let run = Run::new();
    let mut input = tempfile::NamedTempFile::new().unwrap();
    input.write_all(b"hello").unwrap();
    let stdin = File::open(input.path()).unwrap();
    let args = script("cat");
    spawn(&Spawn { stdin: Some(&stdin), ..run.sh(&args) }).unwrap().finish().unwrap();
    assert_eq!(run.out(), "hello");
}

#[test]
fn signals_have_their_defaults_and_none_is_blocked() {
    let run = Run::new();
    let args = script("grep -E 'SigBlk|SigIgn' /proc/self/status");
    spawn(&run.sh(&args)).unwrap().finish().unwrap();
    for line in run.out().lines() {
        let set = u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap();
        // Standard signals; the C library keeps 32 and 33 for itself.
        assert_eq!(set & 0x7fff_ffff, 0, "{line}");
    }
}

#[test]
fn a_file_larger_than_the_limit_ends_the_program_without_a_core() {
    let run = Run::new();
    let args = script("ulimit -c; exec dd if=/dev/zero of=big bs=1000 count=100 2>/dev/null");
    let limited = Spawn { file_limit: Some(5000), ..run.sh(&args) };
    let ending = spawn(&limited).unwrap().finish().unwrap();
    assert_eq!(ending, Ending::Signalled(libc::SIGXFSZ));
    assert_eq!(run.folder.path().join("big").metadata().unwrap().len(), 5000);
    assert_eq!(run.out(), "0\n");
}

#[test]
fn killing_the_group_ends_what_the_program_started() {
    let run = Run::new();
    let args = script("sleep 1000 & echo $!; wait");
    let child = spawn(&run.sh(&args)).unwrap();
    until("pid of the grandchild", || run.out().ends_with('\n'));
    let grandchild = run.out().trim().parse().unwrap();
    assert!(!child.wait(Some(Duration::ZERO)).unwrap());
    child.group().kill();
    assert_eq!(child.finish().unwrap(), Ending::Signalled(libc::SIGKILL));
    until("end of the grandchild", || !is_running(grandchild));
}

#[test]
fn what_the_program_left_behind_ends_with_it() {
    let run = Run::new();
    let args = script("sleep 1000 & echo $!");
    let child = spawn(&run.sh(&args)).unwrap();
    let group = child.group();
    assert_eq!(child.finish().unwrap(), Ending::Exited(0));
    let grandchild = run.out().trim().parse().unwrap();
    until("end of the grandchild", || !is_running(grandchild));
    group.kill();
}

#[test]
fn the_program_ends_with_the_thread_that_started_it() {
    let run = Run::new();
    let args = script("exec sleep 1000");
    let spawned = run.sh(&args);
    let pid = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let child = spawn(&spawned).unwrap();
            let pid = child.pid();
            // As if the daemon was killed: nobody cleans up.
            std::mem::forget(child);
            pid
        });
        thread.join().unwrap()
    });
    until("end of the program", || !is_running(pid));
}

#[test]
fn failures_name_the_step_and_start_nothing() {
    let run = Run::new();
    let missing = Spawn { program: Path::new("/no/such/program"), ..run.sh(&[]) };
    let error = spawn(&missing).unwrap_err();
    assert!(matches!(error, SpawnError::Exec { .. }), "{error}");
    let folder = Spawn { folder: Path::new("/no/such/folder"), ..run.sh(&[]) };
    let error = spawn(&folder).unwrap_err().to_string();
    assert!(error.starts_with("changing into its folder: No such file"), "{error}");
    let args = ["a\0b".to_owned()];
    assert!(matches!(spawn(&run.sh(&args)), Err(SpawnError::ZeroByte(_))));
}

#[test]
fn programs_are_found_on_the_path_if_they_can_be_executed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tool");
    std::fs::write(&file, "").unwrap();
    let path = folder.path().as_os_str();
    assert_eq!(find_program("tool", path), None);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(find_program("tool", path), Some(file));
    assert_eq!(find_program("tool", OsStr::new("relative:.")), None);
    assert_eq!(find_program("", path), None);
}
