//! A picture by POV-Ray: alone, and split into gridlets.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Options;
use super::lab::{Contender, Lab, compete, has, largest, seconds, smallest};

/// A scene of about a minute with one thread, and what it is rendered with.
const SCENE: &str = "examples/demo/scene.pov";
const SIZE: [u32; 2] = [1280, 720];
/// Rounds at most: each takes three minutes.
const PICTURES: usize = 3;

const QUICK: [u32; 2] = [160, 96];

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    if !has("povray") {
        println!("SKIPPED: povray is not installed");
        return Ok(());
    }
    let [width, height] = if options.quick { QUICK } else { SIZE };
    let scene = lab.fresh()?;
    std::fs::copy(lab.root.join(SCENE), scene.join("scene.pov"))?;
    let args = |threads: Option<u32>, output: &Path| -> Vec<String> {
        let mut args = vec![
            "+Iscene.pov".to_owned(),
            format!("+W{width}"),
            format!("+H{height}"),
            "-D".into(),
        ];
        // PPM: its samples are easy to compare.
        args.extend(["+A0.3", "+FP"].map(str::to_owned));
        args.extend(threads.map(|threads| format!("+WT{threads}")));
        args.push(format!("+O{}", output.display()));
        args
    };
    let (folder, mut contenders) = (lab.fresh()?, Vec::new());
    let mut pictures = Vec::new();
    for slots in [1, 2] {
        let alone = folder.join(format!("alone-{slots}.ppm"));
        let split = folder.join(format!("split-{slots}.ppm"));
        pictures.extend([alone.clone(), split.clone()]);
        let (scene, args) = (&scene, &args);
        contenders.push(Contender::new(format!("povray +WT{slots}"), move || {
            let mut command = on_cores("povray".as_ref(), slots);
            seconds(command.current_dir(scene).args(args(Some(slots), &alone)))
        }));
        contenders.push(Contender::new(format!("outlast run, {slots} slots"), move || {
            let mut command = on_cores(&lab.outlast, slots);
            command.current_dir(scene).arg("--data-dir").arg(lab.data_dir(slots)?);
            command.args([
                "--quiet",
                "run",
                "--replication",
                "1",
                "--samples",
                "0",
                "--",
                "povray",
            ]);
            seconds(command.args(args(None, &split)))
        }));
    }
    compete(&mut contenders, options.runs.min(PICTURES))?;

    println!(
        "{SCENE} at {width} × {height}, +A0.3, replication 1, no samples; each run with a node of its own; bound to as many cores as threads or slots.\n"
    );
    println!("| what | s, median | shortest | longest | beside local |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for pair in contenders.chunks(2) {
        let local = pair[0].median();
        for contender in pair {
            println!(
                "| {} | {:.2} | {:.2} | {:.2} | {:+.1} % |",
                contender.name,
                contender.median(),
                smallest(&contender.seconds),
                largest(&contender.seconds),
                (contender.median() / local - 1.0) * 100.0,
            );
        }
    }
    compare(&pictures, (width * height * 3) as usize)
}

/// A program that may use the first `cores` cores. POV-Ray leaves its core idle now and then, and Outlast
/// uses that: without this, one slot would use more than one core, and the comparison be unfair.
fn on_cores(program: &Path, cores: u32) -> Command {
    if !has("taskset") {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &format!("0-{}", cores - 1)]).arg(program);
    command
}

/// Says how the pictures differ, if they do: POV-Ray computes some scenes differently in parts than as a whole.
fn compare(pictures: &[PathBuf], samples: usize) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for path in pictures {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        // Behind a header, in which POV-Ray has a comment.
        let start = bytes.len().checked_sub(samples).context("a picture is too short")?;
        found.push((path, bytes[start..].to_vec()));
    }
    let Some(((_, first), others)) = found.split_first() else { return Ok(()) };
    for (path, other) in others {
        let steps: Vec<u8> =
            first.iter().zip(other).map(|(a, b)| a.abs_diff(*b)).filter(|step| *step > 0).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let most = steps.iter().max().copied().unwrap_or(0);
        println!("\n{name}: {} of {samples} samples differ, at most by {most}.", steps.len());
    }
    Ok(())
}
