//! A world that doesn't play along: no room, no rights, others at the same target, targets that change or end meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid};
use outlast_capsule::{
    After, CheckpointError, CheckpointOptions, Compression, RestoreOptions, checkpoint, restore,
};
use outlast_programs::{compile, named};

use crate::support::{
    Dice, Helper, alone, asked, eventually, holds_only, looks, looks_as, no_helper_is_left, number,
    passes, ready, restored,
};

fn leave() -> CheckpointOptions {
    CheckpointOptions { after: After::LeaveRunning, ..Default::default() }
}

/// A file system of so many bytes.
struct TinyDisk(PathBuf);

impl TinyDisk {
    fn new(at: &Path, bytes: u64) -> Option<Self> {
        let options = format!("size={bytes}");
        let none: Option<&str> = None;
        let mounted = mount(none, at, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()));
        mounted.ok().map(|()| Self(at.to_owned()))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk_leaves_the_target_running_and_the_old_image_as_it_was() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(_disk) = TinyDisk::new(folder.path(), 64 << 20) else {
        return eprintln!("SKIPPED: no right to mount a small file system");
    };
    let run = ready(&named("memory/anonymous")).expect("it needs nothing");
    let image = folder.path().join("image");
    checkpoint(run.pid(), &image, &leave(), &|_, _| {}).expect("there is room for one");
    let old = fs::read(&image).expect("it was written");
    let before = looks(&run);
    let room = 64 * 1024;
    // All but a little of what is left.
    let filler = fs::File::create(folder.path().join("filler")).expect("there is room");
    let left = nix::sys::statvfs::statvfs(folder.path()).expect("it is mounted");
    let left = left.blocks_available() * left.fragment_size();
    for taken in [left - room, left - 4096, left] {
        let taken = i64::try_from(taken).expect("small");
        let flags = nix::fcntl::FallocateFlags::empty();
        nix::fcntl::fallocate(&filler, flags, 0, taken).expect("there is room");
        for after in [After::LeaveRunning, After::Kill] {
            for compression in [Compression::None, Compression::Zstd(1)] {
                let when = format!("{taken} bytes taken, to {after:?}, {compression:?}");
                let options = CheckpointOptions { after, compression, ..leave() };
                let error = checkpoint(run.pid(), &image, &options, &|_, _| {})
                    .expect_err("there is no room");
                assert!(error.to_string().contains("No space left"), "{when}: {error}");
                holds_only(folder.path(), &["filler", "image"], &when);
                assert!(fs::read(&image).expect("it is there") == old, "{when}");
                looks_as(&run, &before, &when);
                no_helper_is_left(&when);
            }
        }
    }
    passes(run, "after full disks");
}

#[test]
fn of_two_checkpoints_of_one_target_the_second_is_refused_by_name() {
    let _alone = alone();
    let run = ready(&named("memory/anonymous")).expect("it needs nothing");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let answer = Mutex::new(None);
    checkpoint(run.pid(), &folder.path().join("first"), &leave(), &|_, _| {
        let mut answer = answer.lock().expect("no panic");
        if answer.is_none() {
            let second = folder.path().join("second");
            *answer = Some(checkpoint(run.pid(), &second, &leave(), &|_, _| {}));
        }
    })
    .expect("the first one works");
    match answer.into_inner().expect("no panic") {
        Some(Err(error @ CheckpointError::Denied { .. })) => {
            assert!(error.to_string().contains("being traced"), "{error}");
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
    holds_only(folder.path(), &["first"], "two at once");
    passes(run, "two at once");
}

#[test]
fn different_targets_are_taken_at_the_same_time() {
    let _alone = alone();
    std::thread::scope(|scope| {
        for name in ["tree/pipes", "memory/anonymous", "time/posix_timers"] {
            scope.spawn(move || {
                let Some(mut run) = ready(&named(name)) else { return };
                let folder = tempfile::tempdir().expect("a temporary folder can be made");
                let image = folder.path().join("image");
                for _ in 0..5 {
                    checkpoint(run.pid(), &image, &leave(), &|_, _| {})
                        .unwrap_or_else(|error| panic!("{name}: {error}"));
                }
                checkpoint(run.pid(), &image, &CheckpointOptions::default(), &|_, _| {})
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                run.replaced_by(run.pid());
                let tree = restored(&image, &RestoreOptions::default())
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                run.replaced_by(tree.pid);
                passes(run, name);
                if let Some(init) = tree.init {
                    let _ = nix::sys::wait::waitpid(Pid::from_raw(init), None);
                }
            });
        }
    });
}

#[test]
fn a_target_that_ends_meanwhile_is_an_error_and_no_more() {
    let _alone = alone();
    let mut dice = Dice(number("OUTLAST_SEED", 4));
    for name in ["tree/pipes", "tree/children_of_threads", "memory/anonymous"] {
        for _ in 0..6 {
            let Some(mut run) = ready(&named(name)) else { break };
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let image = folder.path().join("image");
            let pid = run.pid();
            let after = Duration::from_micros(dice.below(20_000));
            let result = std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(after);
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                });
                checkpoint(pid, &image, &leave(), &|_, _| {})
            });
            let when = format!("{name}, killed after {after:?}: {result:?}");
            assert!(result.is_ok() == image.exists(), "{when}");
            no_helper_is_left(&when);
            run.replaced_by(pid);
            for process in run.processes() {
                let status = fs::read_to_string(format!("/proc/{process}/status"));
                let status = status.unwrap_or_default();
                let traced = status.contains("TracerPid:") && !status.contains("TracerPid:\t0");
                assert!(!traced, "{when}: {process} is still traced");
            }
        }
    }
}

#[test]
fn a_target_whose_threads_come_and_go_is_caught_each_time() {
    let _alone = alone();
    let Some(run) = ready(&named("combined/thread_births")) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    for nth in 0..50 {
        checkpoint(run.pid(), &image, &leave(), &|_, _| {})
            .unwrap_or_else(|error| panic!("the {nth}th time: {error}"));
    }
    passes(run, "after fifty checkpoints");
}

#[test]
fn without_privileges_what_is_missing_is_said() {
    const SELF: &str = "world::without_privileges_what_is_missing_is_said";
    if let Some(words) = asked() {
        const NOBODY: u32 = 65534;
        nix::unistd::setgroups(&[]).expect("it may");
        nix::unistd::setgid(Gid::from_raw(NOBODY)).expect("it may");
        nix::unistd::setuid(Uid::from_raw(NOBODY)).expect("it may");
        nix::sys::prctl::set_dumpable(true).expect("it may");
        let run = ready(&named("memory/anonymous")).expect("it needs nothing");
        let image = Path::new(&words[0]).join("own");
        let taken = checkpoint(run.pid(), &image, &leave(), &|_, _| {});
        eprintln!("own: {}", taken.err().map_or("taken".to_owned(), |error| error.to_string()));
        passes(run, "as nobody");
        let other: i32 = words[2].parse().expect("a number");
        let taken = checkpoint(other, &image, &leave(), &|_, _| {});
        eprintln!("other: {}", taken.expect_err("it is root's"));
        let tree = restore(Path::new(&words[1]), &RestoreOptions::default());
        eprintln!("restore: {}", tree.expect_err("it lacks what it needs"));
        return;
    }
    let _alone = alone();
    if !Uid::effective().is_root() {
        return eprintln!("SKIPPED: only root can become nobody");
    }
    compile::compile_all(&[named("memory/anonymous")]).expect("it compiles");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let open = |path: &Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    open(folder.path(), 0o777);
    let run = ready(&named("memory/anonymous")).expect("it needs nothing");
    let image = folder.path().join("image");
    checkpoint(run.pid(), &image, &leave(), &|_, _| {}).expect("root may");
    open(&image, 0o644);
    let before = looks(&run);
    let pid = run.pid().to_string();
    let path = |path: &Path| path.to_str().expect("a usual name").to_owned();
    let words = [path(folder.path()), path(&image), pid];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut helper = Helper::start(SELF, &words, folder.path());
    let (worked, said) = helper.ended();
    assert!(worked, "{said}");
    let line =
        |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let own = line("own: ");
    assert!(own == "taken" || own.contains("CAP_"), "{said}");
    assert!(line("other: ").contains("CAP_SYS_PTRACE"), "{said}");
    assert!(line("restore: ").contains("CAP_"), "{said}");
    assert!(eventually(|| helper.family().is_empty()), "{:?}", helper.family());
    looks_as(&run, &before, "after somebody else tried");
    passes(run, "after somebody else tried");
}

#[test]
fn a_target_that_has_ended_is_no_image() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut ended = std::process::Command::new("true").spawn().expect("there is such a program");
    let pid = ended.id().cast_signed();
    // A zombie, until it is waited for.
    let stat = format!("/proc/{pid}/stat");
    let is_zombie = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "));
    assert!(eventually(is_zombie), "it ends at once");
    let error = checkpoint(pid, &folder.path().join("image"), &leave(), &|_, _| {});
    assert!(matches!(error, Err(CheckpointError::Ended(found)) if found == pid), "{error:?}");
    holds_only(folder.path(), &[], "after somebody who had ended");
    ended.wait().expect("it is our child");
}
