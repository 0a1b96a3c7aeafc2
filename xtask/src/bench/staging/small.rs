//! Thousands of small files to 1 and 2 nodes.

use std::fs;
use std::path::Path;

use super::Options;
use super::bulk::{outlast, pushed, random_file, settle};
use super::lab::Lab;
use super::rivals::Rival;
use super::transfer::{Way, mib};

const FILES: usize = 10_000;
const QUICK: usize = 500;

/// Files of a folder.
const FOLDER: usize = 100;

/// Sizes: from this to sixteen times this, evenly.
const SMALLEST: usize = 1 << 10;

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let files = if options.quick { QUICK } else { FILES };
    let cwd = lab.fresh()?;
    let bytes = tree(&cwd, files)?;
    let rivals = [Rival::Plain, Rival::Tls, Rival::Rsync];
    let rivals: Vec<_> = rivals.into_iter().filter(|rival| rival.missing().is_none()).collect();
    let mut ways: Vec<(Option<Rival>, Way)> = Vec::new();
    for nodes in [1, 2] {
        ways.push((None, Way::new("outlast", nodes)));
        for &rival in &rivals {
            let tar = if rival == Rival::Rsync { "" } else { "tar, " };
            ways.push((Some(rival), Way::new(format!("{tar}{}", rival.name()), nodes)));
        }
    }
    for round in 1..=options.runs {
        for (rival, way) in &mut ways {
            settle();
            let took = match rival {
                None => outlast(lab, &cwd, "tree", bytes, way.nodes)?,
                Some(rival) => pushed(lab, *rival, &cwd.join("tree"), bytes, way.nodes)?,
            };
            way.add(round, took);
        }
    }
    println!(
        "{files} files of 1 to 16 KiB, {:.0} MiB in all, in folders of {FOLDER}.\n",
        mib(bytes)
    );
    println!(
        "| what | nodes | s until accepted | s until all have them | files/s to each | MiB/s to each | MiB sent | CPU s of the submitter | CPU s of a node |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (_, way) in &ways {
        let seconds = way.median(|took| took.there - took.accepted);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let rate = files as f64 / seconds;
        println!(
            "| {} | {} | {} | {:.2} | {rate:.0} | {:.1} | {} | {} | {} |",
            way.name,
            way.nodes,
            way.text(|took| (took.accepted > 0.0).then_some(took.accepted), 2),
            way.median(|took| took.there),
            mib(bytes) / seconds,
            way.text(|took| took.sent.map(mib), 0),
            way.text(|took| took.cpu_here, 2),
            way.text(|took| took.cpu_there, 2),
        );
    }
    println!("\nFiles/s and MiB/s are from when the job is accepted.");
    Ok(())
}

/// Writes `tree` into a folder; its bytes.
fn tree(cwd: &Path, files: usize) -> anyhow::Result<u64> {
    // Random bytes to cut files from, each at another place.
    let pool = cwd.join("pool");
    random_file(&pool, 64 << 20)?;
    let random = fs::read(&pool)?;
    fs::remove_file(&pool)?;
    let (mut at, mut total) = (0, 0);
    for number in 0..files {
        let folder = cwd.join("tree").join(format!("d{:03}", number / FOLDER));
        fs::create_dir_all(&folder)?;
        // Sizes in an order without pattern: the number's multiples of a prime.
        let size = SMALLEST + (number * 7919) % (15 * SMALLEST + 1);
        let end = (at + size).min(random.len());
        let Some(piece) = random.get(at..end) else { anyhow::bail!("no random bytes at {at}") };
        fs::write(folder.join(format!("f{:02}", number % FOLDER)), piece)?;
        total += u64::try_from(piece.len())?;
        // Another offset each time round, so that no two files are alike.
        at = if end + 16 * SMALLEST > random.len() { number % SMALLEST } else { end };
    }
    Ok(total)
}
