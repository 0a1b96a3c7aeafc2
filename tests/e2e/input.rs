//! Bad input: a clear message, the documented exit code, and no daemon down.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use outlast_api::types::{FailureKind, JobState, JobSummary};
use outlast_tests::gate::Gate;
use outlast_tests::{Node, SOON, World, skipped, until};

use crate::words;

/// A file system of so many KiB, unmounted when dropped.
struct SmallDisk<'p>(&'p Path);

impl<'p> SmallDisk<'p> {
    fn mount(path: &'p Path, kib: u32) -> Result<Self, String> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={kib}k");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(path).output();
        let mount = mount.map_err(|error| format!("`mount`: {error}"))?;
        let said = String::from_utf8_lossy(&mount.stderr).into_owned();
        if mount.status.success() { Ok(Self(path)) } else { Err(format!("`mount`: {said}")) }
    }

    fn grow(&self, kib: u32) {
        let options = format!("remount,size={kib}k");
        let done = Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: a node may still be in it, and is killed later.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// One `outlast run` with these arguments, at a daemon that has to be there afterwards.
#[track_caller]
fn refused(a: &Node<'_>, args: &[&str], code: i32, message: &str) {
    a.outlast(args).with_code(code).complains(message);
    a.status();
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_reason() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    refused(&a, &["run", "--no-such-option", "--", "true"], 2, "--no-such-option");
    refused(&a, &["run"], 2, "COMMAND");
    refused(&a, &["run", "--input", "missing.txt", "--", "true"], 2, "missing.txt");
    refused(&a, &["run", "--param", "i=1..x", "--", "echo", "{i}"], 2, "`x` in a range");
    refused(&a, &["run", "--param", "i=1..3", "--", "echo"], 2, "`i`");
    refused(&a, &["run", "--replication", "0", "--", "true"], 2, "--replication");
    refused(&a, &["run", "--app", "nonsense", "--", "true"], 2, "nonsense");
    refused(&a, &["run", "--", "povray", "+Imissing.pov", "+W64", "+H64"], 2, "missing.pov");
    world.write("scene.pov", "sphere { 0, 1 }");
    refused(&a, &["run", "--", "povray", "+Iscene.pov", "+W64", "+H64", "+FJ"], 2, "JPEG");
    refused(&a, &["show", "00000000"], 4, "00000000");
    refused(&a, &["wait", "nonsense"], 4, "nonsense");
    let ticket = a.invite(&[]);
    refused(&a, &["join", &ticket[..40]], 2, "cut or mistyped");
    refused(&a, &["join", "nonsense"], 2, "expected a ticket");
    refused(&a, &["join", "outlast1abc"], 2, "`outlast invite`");
    assert!(a.jobs().is_empty(), "what is refused leaves no job behind");
}

#[test]
fn a_program_that_no_node_has_is_told_by_its_name() {
    let world = World::new();
    let impatient = "[job]\nno-worker-grace = \"1s\"\n";
    let a = Node::new(&world, "a", 0).configured(impatient).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    a.outlast(&["run", "--", "no-such-program", "x"]).with_code(6).complains("no-such-program");
    let error = a.job().error.unwrap();
    assert_eq!(error.kind, FailureKind::NoProgram);
    b.status();
    // Without a daemon as well.
    let alone = Node::new(&world, "alone", 1).configured(impatient);
    alone.outlast(&["run", "--", "no-such-program"]).with_code(6).complains("no-such-program");
}

#[test]
fn a_program_that_fails_everywhere_fails_the_job_with_what_it_said() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    world.write("broken.pov", "sphere { nonsense");
    let said = a.outlast(&["run", "--", "povray", "+Ibroken.pov", "+W64", "+H64"]).with_code(1);
    said.complains("nonsense");
    a.status();
}

#[test]
fn one_data_directory_has_one_daemon_and_one_port() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    a.outlast(&["up", "--listen", "127.0.0.1:0"]).with_code(1).complains("another");
    let address = a.status().addresses[0].clone();
    let other = world.path("other");
    world.outlast(&other, &["up", "--listen", &address]).with_code(1).complains(&address);
    world.outlast(&other, &["up", "--listen", "192.0.2.1:0"]).with_code(1).complains("192.0.2.1");
    world.outlast(&other, &["status"]).with_code(3).complains("no daemon");
    world.outlast(&other, &["up", "--join", "outlast1abc"]).with_code(2).complains("ticket");
    a.status();
}

#[test]
fn folders_that_cannot_be_used_are_told() {
    let world = World::new();
    let file = world.write("file", "");
    world.outlast(&file, &["run", "--", "true"]).with_code(2).complains("job/file");
    world.outlast(&file, &["up", "--listen", "127.0.0.1:0"]).with_code(2).complains("job/file");
    let nowhere = Path::new("/proc/outlast");
    world.outlast(nowhere, &["run", "--", "true"]).with_code(1).complains("/proc/outlast");
    let long = world.path(&"d".repeat(120));
    world.outlast(&long, &["up", "--listen", "127.0.0.1:0"]).with_code(1).complains("socket");
    // Where the output is to go, nothing can be written.
    let a = Node::new(&world, "a", 1).up();
    let sweep = ["run", "--param", "i=0,1", "-o", "/proc/outlast", "--", "echo", "{i}"];
    refused(&a, &sweep, 1, "/proc/outlast");
    assert_eq!(a.job().error.map(|error| error.kind), Some(FailureKind::Output));
}

/// A record that was damaged is never taken for an empty one.
#[test]
fn a_damaged_record_is_told_and_kept() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).up();
    a.outlast(&["run", "--", "true"]).with_code(0);
    a.kill();
    let record = a.data_dir().join("outlast.redb");
    fs::write(&record, b"this is no database").unwrap();
    a.outlast(&["up", "--listen", "127.0.0.1:0"]).with_code(1).complains("outlast.redb");
    assert_eq!(fs::read(&record).unwrap(), b"this is no database");
}

#[test]
fn garbage_from_the_network_ends_nothing() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(3)));
    gate.runs_at(&b, 1);
    for node in [&a, &b] {
        let address = node.status().addresses[0].clone();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for size in (0..1500).step_by(7) {
            let junk: Vec<u8> = (0..size).map(|n| (n * 31 + size) as u8).collect();
            socket.send_to(&junk, &address).unwrap();
        }
        crate::stranger::talk_nonsense(&node.invite(&[]));
    }
    gate.open();
    client.ended(SOON).with_code(0);
    let refused = a.status().counters;
    assert!(refused.get("frames_refused").is_some_and(|count| *count > 0), "{refused:?}");
    b.status();
}

#[test]
fn a_worker_whose_disk_is_full_hands_its_work_to_others() {
    let world = World::new();
    let path = world.path("small");
    let disk = match SmallDisk::mount(&path, 6 << 10) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).at(&path).join(&a).up();
    a.knows(2);
    world.write("big.sh", "head -c 8000000 /dev/zero > \"big$1\" && echo written\n");
    let args =
        "run --param i=0..2 --gridlets 3 --replication 1 --samples 0 -o out -- sh big.sh {i}";
    let mut client = a.start_outlast(&args.split(' ').collect::<Vec<_>>());
    // The small one gets it first; then there is one with room.
    until("b has said what is wrong", || {
        let log = a.outlast(&["logs", &a.job().id]);
        log.stdout.contains("disk is full").then_some(())
    });
    b.status();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    client.ended(SOON).with_code(0);
    for i in 0..3 {
        let found = find(&world.job_folder().join("out"), &format!("big{i}"));
        assert_eq!(found.map(|bytes| bytes.len()), Some(8_000_000));
    }
    b.status();
    drop(disk);
}

/// The file of this name below a folder.
fn find(folder: &Path, name: &str) -> Option<Vec<u8>> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            find(&path, name)
        } else {
            path.ends_with(name).then(|| fs::read(path))?.ok()
        }
    })
}

#[test]
fn with_no_room_for_the_output_the_job_is_kept_and_written_later() {
    let world = World::new();
    let path = world.job_folder().join("out");
    let disk = match SmallDisk::mount(&path, 512) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let a = Node::new(&world, "a", 1).up();
    world.write("big.sh", "head -c 1000000 /dev/zero > big; echo ran >> \"$1\"\n");
    let runs = world.path("runs");
    let script = format!(
        "run --param i=0,1 --replication 1 --samples 0 -o out -- sh big.sh {} {{i}}",
        runs.display()
    );
    let said = a.outlast(&script.split(' ').collect::<Vec<_>>()).with_code(1);
    let job: JobSummary = a.job();
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.error.as_ref().map(|error| error.kind), Some(FailureKind::Output), "{job:?}");
    said.complains("out").complains("retry");
    let left = fs::read_dir(&path).unwrap().count();
    assert_eq!(left, 0, "half of an output is none");
    // It stays there over a restart, and costs no second computation.
    disk.grow(8 << 10);
    let mut a = a;
    a.kill();
    a.start();
    a.outlast(&["retry", &job.id]).with_code(0);
    assert_eq!(world.read("out/manifest.csv").lines().count(), 3);
    assert_eq!(fs::read_to_string(runs).unwrap().lines().count(), 2);
    drop(disk);
}

#[test]
fn a_submitter_whose_own_disk_is_full_waits_and_loses_nothing() {
    let world = World::new();
    let path = world.path("small");
    let disk = match SmallDisk::mount(&path, 6 << 10) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).at(&path).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(4)));
    gate.runs_at(&b, 1);
    let filler = path.join("filler");
    let _ = fs::write(&filler, vec![1u8; 8 << 20]);
    gate.open();
    // It may need no new page for so few answers; whatever happens, the job ends well once there is room.
    until("b has run something", || (!gate.ended().is_empty()).then_some(()));
    fs::remove_file(&filler).unwrap();
    client.ended(SOON).with_code(0);
    assert_eq!(world.read("sweep-results/manifest.csv").lines().count(), 5);
    a.status();
    drop(disk);
}

#[test]
fn a_result_that_is_larger_than_allowed_is_stopped_where_it_is_made() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    // A sparse file: its length is what counts.
    a.outlast(&["run", "--", "truncate", "-s", "5G", "huge"]).with_code(1).complains("grew beyond");
    assert!(!world.job_folder().join("huge").exists());
    a.status();
}
