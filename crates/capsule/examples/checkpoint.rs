//! Takes a checkpoint of a process tree: `checkpoint PID FILE [kill]`. Without `kill` it goes on.

#![allow(clippy::print_stdout)]

use std::path::Path;

use outlast_capsule::{After, CheckpointOptions, checkpoint};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (pid, file, after) = match arguments.as_slice() {
        [_, pid, file] => (pid, file, After::LeaveRunning),
        [_, pid, file, kill] if kill == "kill" => (pid, file, After::Kill),
        _ => return Err("expected a process id, a file, and perhaps `kill`".into()),
    };
    let options = CheckpointOptions { after, ..CheckpointOptions::default() };
    let report = checkpoint(pid.parse()?, Path::new(file), &options, &|_, _| {})?;
    println!("frozen for {} µs; {} bytes", report.frozen_us, report.image_bytes);
    for (phase, micros) in &report.phases {
        println!("  {phase}: {micros} µs");
    }
    Ok(())
}
