//! Real programs in the middle of their work: checkpointed, killed, restored; their result is that of an undisturbed run.
//!
//! By default some of them; `OUTLAST_REAL=all` all, `OUTLAST_REAL=node` one.

use std::time::{Duration, Instant};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{CheckpointError, CheckpointOptions, RestoreOptions, checkpoint, restore};
use outlast_programs::{Run, Verdict, real};

/// Those that are run by default: the others take the time of all of them together.
const SHORT: [&str; 2] = ["python", "xz"];

/// Not carried yet: the name, and the word that the refusal says.
const REFUSED: [(&str, &str); 1] = [("java", "a socket is not carried")];

/// What stands in the way of others at times: the program is in the middle of starting another.
const PATIENCE: Duration = Duration::from_secs(20);

fn through_a_checkpoint(run: &mut Run) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let start = Instant::now();
    loop {
        match checkpoint(run.pid(), &image, &CheckpointOptions::default(), &|_, _| {}) {
            Ok(_) => break,
            Err(CheckpointError::Stuck { .. }) if start.elapsed() < PATIENCE => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let killed = run.pid();
    run.replaced_by(killed);
    let _ = waitpid(Pid::from_raw(killed), None);
    let tree =
        restore(&image, &RestoreOptions::default()).map_err(|error| format!("restore: {error}"))?;
    run.replaced_by(tree.pid);
    Ok(())
}

#[test]
fn results_are_those_of_an_undisturbed_run() {
    let wanted = std::env::var("OUTLAST_REAL").unwrap_or_default();
    let mut failed = Vec::new();
    for program in real::ALL {
        let chosen = match wanted.as_str() {
            "" => SHORT.contains(&program.name),
            "all" => true,
            name => name == program.name,
        };
        if !chosen {
            eprintln!("SKIPPED: {}: it is slow; OUTLAST_REAL=all runs it", program.name);
            continue;
        }
        let refused = REFUSED.iter().find(|(name, _)| *name == program.name);
        match (program.through(through_a_checkpoint), refused) {
            (Verdict::Failed(why), Some((_, word))) if why.contains(word) => {
                eprintln!("SKIPPED: {}: {word}", program.name);
            }
            (Verdict::Passed, Some((_, word))) => {
                failed
                    .push(format!("{}: expected `{word}`, found that it is carried", program.name));
            }
            (Verdict::Passed, None) => {}
            (Verdict::Skipped(why), _) => eprintln!("SKIPPED: {}: {why}", program.name),
            (Verdict::Failed(why), _) => failed.push(format!("{}: {why}", program.name)),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
