//! What a daemon takes that has nothing to do.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Options;
use super::field::{Field, Node};
use super::lab::Lab;

/// How long it is watched, and how long it may settle before.
const WATCHED: Duration = Duration::from_secs(60);
const SETTLES: Duration = Duration::from_secs(10);
const QUICK: Duration = Duration::from_secs(3);

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let (settles, watched) = if options.quick { (QUICK, QUICK) } else { (SETTLES, WATCHED) };
    println!("Watched for {} s. Targets: 30 MiB, 0.2 % of a core.\n", watched.as_secs());
    println!(
        "| daemon | resident MiB | of that its own or its share (PSS) | of that not backed by files | highest so far | processor, % of a core | switches/s |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for others in [0, 4] {
        let field = Field::new(lab)?;
        let (first, nodes) = field.grid(others)?;
        sleep(settles);
        let all: Vec<&Node<'_>> = [&first].into_iter().chain(&nodes).collect();
        let before: Vec<_> = all.iter().map(|node| node.ran()).collect();
        let start = Instant::now();
        sleep(watched);
        let seconds = start.elapsed().as_secs_f64();
        for (number, (node, before)) in all.iter().zip(before).enumerate() {
            let (ran, switches) = node.ran().since(&before);
            let name = match (others, number) {
                (0, _) => "alone, no slots".to_owned(),
                (_, 0) => format!("with {others} others, no slots"),
                _ => format!("one of those others, {number}"),
            };
            #[expect(clippy::cast_precision_loss, reason = "megabytes")]
            let mib = |file: &str, line: &str| node.daemon.kib(file, line) as f64 / 1024.0;
            println!(
                "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.3} | {:.1} |",
                mib("smaps_rollup", "Rss"),
                mib("smaps_rollup", "Pss:"),
                mib("smaps_rollup", "Anonymous"),
                mib("status", "VmHWM"),
                100.0 * ran / seconds,
                switches / seconds,
            );
        }
    }
    Ok(())
}
