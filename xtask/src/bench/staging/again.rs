//! The same file a second time, unchanged and with 1 % of it overwritten.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use super::Options;
use super::bulk::{BYTES, QUICK, random_file, settle};
use super::field::Field;
use super::lab::Lab;
use super::rivals::Rival;
use super::transfer::{Way, mib, stage};

/// One spot that is overwritten, and in how many bytes there is one: 1 % of them.
const SPOT: u64 = 160 << 10;
const EVERY: u64 = 16 << 20;

/// A file that was written just now may be written again within the same tick of its clock, so it is read again;
/// people's files are older.
const SETTLED: Duration = Duration::from_secs(4);

/// The three times.
const TIMES: [&str; 3] = ["first", "unchanged", "1 % overwritten"];

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let bytes = if options.quick { QUICK } else { BYTES };
    let rsync = Rival::Rsync.missing().is_none();
    let mut ours: Vec<Way> =
        TIMES.iter().map(|time| Way::new(format!("outlast, {time}"), 1)).collect();
    let mut rsyncs: Vec<Way> =
        TIMES.iter().map(|time| Way::new(format!("rsync, {time}"), 1)).collect();
    for round in 1..=options.runs {
        let cwd = lab.fresh()?;
        let file = cwd.join("bulk");
        random_file(&file, bytes)?;
        let field = Field::new(lab)?;
        let (submitter, nodes) = field.grid(1)?;
        std::thread::sleep(SETTLED);
        let (from, to) = (field.host()?, [(field.host()?, lab.fresh()?)]);
        for (time, (way, other)) in ours.iter_mut().zip(&mut rsyncs).enumerate() {
            if time == 2 {
                overwrite(&file, bytes)?;
            }
            settle();
            way.add(round, stage(lab, &submitter, &nodes, &cwd, "bulk", bytes)?);
            if rsync {
                settle();
                other.add(round, Rival::Rsync.push(lab, &from, &to, &file, bytes)?);
            }
        }
        for node in nodes.into_iter().chain([submitter]) {
            node.remove();
        }
        std::fs::remove_dir_all(&cwd)?;
        for (_, folder) in to {
            std::fs::remove_dir_all(folder)?;
        }
    }
    println!(
        "One file of {:.0} MiB to one node, three times; then {} spots of {} KiB were other bytes.\n",
        mib(bytes),
        bytes / EVERY,
        SPOT >> 10
    );
    println!(
        "| what | s until accepted | s until it is there | MiB sent | of the file | CPU s of the submitter | CPU s of the node |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for way in ours.iter().chain(rsyncs.iter().filter(|_| rsync)) {
        println!(
            "| {} | {} | {:.2} | {} | {} | {} | {} |",
            way.name,
            way.text(|took| (took.accepted > 0.0).then_some(took.accepted), 2),
            way.median(|took| took.there),
            way.text(|took| took.sent.map(mib), 2),
            way.text(|took| took.sent.map(|sent| 100.0 * mib(sent) / mib(bytes)), 2) + " %",
            way.text(|took| took.cpu_here, 2),
            way.text(|took| took.cpu_there, 2),
        );
    }
    Ok(())
}

/// Writes other random bytes at places without pattern.
fn overwrite(file: &Path, bytes: u64) -> anyhow::Result<()> {
    let mut random = File::open("/dev/urandom")?;
    let mut file = OpenOptions::new().write(true).open(file)?;
    let mut spot = vec![0; usize::try_from(SPOT)?];
    for number in 0..bytes / EVERY {
        // Somewhere in its own stretch, so that none are the same.
        let offset = (number * 7_919_777) % (EVERY - SPOT);
        random.read_exact(&mut spot)?;
        file.seek(SeekFrom::Start(number * EVERY + offset))?;
        file.write_all(&spot)?;
    }
    Ok(())
}
