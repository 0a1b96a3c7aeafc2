//! Restores a process tree and waits for its root: `restore FILE [same]`. With `same`, under the same ids here.

#![allow(clippy::print_stdout)]

use std::path::Path;

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{Pids, RestoreOptions, restore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (file, pids) = match arguments.as_slice() {
        [_, file] => (file, Pids::New),
        [_, file, same] if same == "same" => (file, Pids::Same),
        _ => return Err("expected a file, and perhaps `same`".into()),
    };
    let options = RestoreOptions { pids, ..RestoreOptions::default() };
    let restored = restore(Path::new(file), &options)?;
    println!("process {} runs again, after {} µs", restored.pid, restored.report.total_us);
    for (phase, micros) in &restored.report.phases {
        println!("  {phase}: {micros} µs");
    }
    println!("it ended: {:?}", waitpid(Pid::from_raw(restored.pid), None)?);
    Ok(())
}
