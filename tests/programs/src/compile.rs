//! The programs, compiled with `cc`: once for each state of their source.
//!
//! A compiled program is kept beside the test's own executable, under a name with a hash of all that went into it, and is
//! moved there complete: tests that run at the same time may both compile it, none sees half of it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::list::{self, Program};

/// What every program is compiled with. `-O1`, so that values live in registers across system calls.
const FLAGS: &[&str] =
    &["-std=gnu11", "-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Wno-format-truncation"];

/// What programs include.
const HEADERS: &[&str] = &["outlast_test.h", "capabilities.h"];

/// Compiles a program unless that was done, and says where it is.
///
/// # Errors
/// What the compiler said.
///
/// # Panics
/// If files can't be read or written.
pub fn compile(program: &Program) -> Result<PathBuf, String> {
    let more: &[&str] = if program.has("static") { &["-static", "-no-pie"] } else { &[] };
    compile_source(&program.source, &program.name.replace('/', "-"), more)
}

/// The program that starts the others.
///
/// # Errors
/// What the compiler said.
pub(crate) fn launcher() -> Result<PathBuf, String> {
    compile_source(&list::folder().join("launch.c"), "launch", &[])
}

/// Compiles several programs on all cores. Tests that begin at the same time wait for the first of them here, instead of each
/// compiling the same.
///
/// # Errors
/// What the compiler said, about each that it didn't accept.
///
/// # Panics
/// If files can't be read or written.
pub fn compile_all(programs: &[Program]) -> Result<(), String> {
    let turn = fs::File::create(built().join(".turn")).expect("files can be made there");
    // It ends with the file: dropped here, or by the end of the process.
    turn.lock().expect("a local file can be locked");
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(compile(program).err());
        }
        wrong
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|one| one.join().expect("compiling doesn't panic"));
        joined.flatten().collect()
    });
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn compile_source(source: &Path, name: &str, more: &[&str]) -> Result<PathBuf, String> {
    let read = |path: &Path| {
        fs::read(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
    };
    let mut hash = DefaultHasher::new();
    let headers: Vec<_> = HEADERS.iter().map(|name| read(&list::folder().join(name))).collect();
    (read(source), headers, FLAGS, more).hash(&mut hash);
    let folder = built();
    let path = folder.join(format!("{name}-{:016x}", hash.finish()));
    if path.is_file() {
        return Ok(path);
    }
    let fresh = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(&folder)
        .expect("beside the test's executable files can be written");
    let output = fresh.path().join("program");
    let said = Command::new("cc")
        .args(FLAGS)
        .args(more)
        .arg("-I")
        .arg(list::folder())
        .arg("-o")
        .args([&output, source])
        // Libraries last: some programs name their own there.
        .args(["-lrt", "-lm"])
        .output()
        .map_err(|error| format!("running cc: {error}; scripts/setup.sh installs it"))?;
    if !said.status.success() || !said.stderr.is_empty() {
        return Err(format!(
            "cc accepts {} without a word, expected; found:\n{}",
            source.display(),
            String::from_utf8_lossy(&said.stderr)
        ));
    }
    fs::rename(&output, &path).expect("within one folder");
    Ok(path)
}

/// Where compiled programs are kept.
fn built() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its executable");
    let folder = own.parent().expect("an executable is in a folder").join("c-programs");
    fs::create_dir_all(&folder).expect("beside the test's executable files can be written");
    folder
}
