//! Feeding a target for a while, and what to do with an input that it doesn't survive.
//!
//! The inputs are tried by a child: this program again, with the same test alone. So nothing is lost if the target
//! aborts, overflows its stack or runs for ever, and nobody else's memory is counted. Before each input the child
//! writes it down.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER_PERMISSIVE as HEX;

use crate::dice::Dice;
use crate::{Target, check, find, mutate};

/// The seed if nobody says another one: CI is to say the same of the same code.
const SEED: u64 = 17;

/// One input that takes longer is a hang: they take microseconds.
const HANG: Duration = Duration::from_secs(20);

/// Attempts to make a failing input smaller.
const SHRINKS: usize = 600;

/// In front of an input that is written down: its number and its length.
const HEADER: usize = 16;

/// Says to the child what to do, and where to write its input down.
const CHILD: &str = "OUTLAST_FUZZ_CHILD";

/// Feeds a target, as the environment says.
///
/// # Panics
/// If an input breaks it.
pub fn test(name: &str) {
    let target = find(name).expect("every test has a target");
    if let Some(scratch) = std::env::var_os(CHILD) {
        return feed(target, Path::new(&scratch));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    if let Some(given) = variable("OUTLAST_FUZZ_INPUT") {
        let input = HEX.decode(given.as_bytes()).expect("OUTLAST_FUZZ_INPUT is hexadecimal");
        return check(target, &input);
    }
    let seconds = variable("OUTLAST_FUZZ_SECONDS").map(|text| parse(&text));
    let seed = variable("OUTLAST_FUZZ_SEED").map_or(SEED, |text| parse(&text));
    let plan = Plan::Campaign { seed, seconds };
    if let Err(died) = child(target, folder.path(), &plan) {
        let (input, died) = shrink(target, folder.path(), died);
        panic!("{}", report(target, seed, &input, &died));
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn parse(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("expected a number, found `{text}`"))
}

/// What a child does.
enum Plan {
    /// Everything.
    Campaign { seed: u64, seconds: Option<u64> },
    /// One input.
    Once(Vec<u8>),
}

/// The end of a child.
struct Died {
    /// Of the input.
    number: u64,
    input: Vec<u8>,
    /// What it said, or how it ended.
    why: String,
}

/// In the child: tries all inputs of the plan.
fn feed(target: &Target, scratch: &Path) {
    let notes = File::options().read(true).write(true).open(scratch).expect("the parent made it");
    let mut number = 0_u64;
    let mut attempt = |input: &[u8]| {
        number += 1;
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&number.to_le_bytes());
        header[8..].copy_from_slice(&(input.len() as u64).to_le_bytes());
        notes.write_all_at(input, HEADER as u64).expect("the temporary folder has room");
        notes.write_all_at(&header, 0).expect("the temporary folder has room");
        check(target, input);
    };
    if let Ok(input) = fs::read(scratch.with_extension("once")) {
        return attempt(&input);
    }
    let plan = fs::read_to_string(scratch.with_extension("plan")).expect("the parent made it");
    let (seed, seconds) = plan.split_once(' ').expect("two words");
    let mut dice = Dice::new(parse(seed));
    let known = known(target);
    for input in &known {
        attempt(input);
    }
    let end = (!seconds.is_empty()).then(|| Instant::now() + Duration::from_secs(parse(seconds)));
    let mut tried = 0;
    while end.map_or(tried < target.inputs, |end| Instant::now() < end) {
        attempt(&mutate::mutate(&mut dice, &known, target.words, target.max_bytes));
        tried += 1;
    }
}

/// What a campaign begins with: seeds, the folder of the target, nothing.
fn known(target: &Target) -> Vec<Vec<u8>> {
    let mut known = (target.seeds)();
    known.push(Vec::new());
    let Ok(entries) = fs::read_dir(corpus(target)) else { return known };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    // In the same order everywhere.
    paths.sort();
    known.extend(paths.iter().filter_map(|path| fs::read(path).ok()));
    known
}

/// Inputs that are kept: those that once broke it.
fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Starts a child and waits for its end.
fn child(target: &Target, folder: &Path, plan: &Plan) -> Result<(), Died> {
    let scratch = folder.join("input");
    let once = scratch.with_extension("once");
    fs::write(&scratch, [0; HEADER]).expect("the temporary folder has room");
    match plan {
        Plan::Campaign { seed, seconds } => {
            let seconds = seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
            let text = format!("{seed} {seconds}");
            fs::write(scratch.with_extension("plan"), text).expect("the temporary folder has room");
        }
        Plan::Once(input) => fs::write(once, input).expect("the temporary folder has room"),
    }
    let own = std::env::current_exe().expect("this program has a path");
    let said = folder.join("said");
    let output = File::create(&said).expect("the temporary folder has room");
    let mut process = Command::new(own)
        .args(["--exact", target.name, "--nocapture", "--test-threads=1"])
        .env(CHILD, &scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .expect("this program can be started");
    let mut seen = (0, Instant::now());
    let status = loop {
        if let Some(status) = process.try_wait().expect("it is our child") {
            break Some(status);
        }
        let (number, _) = written(&scratch);
        if number != seen.0 {
            seen = (number, Instant::now());
        } else if seen.1.elapsed() > HANG {
            let _ = process.kill();
            let _ = process.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if status.is_some_and(|status| status.success()) {
        return Ok(());
    }
    let (number, input) = written(&scratch);
    Err(Died { number, input, why: why(status, &said) })
}

/// What the child wrote down last.
fn written(scratch: &Path) -> (u64, Vec<u8>) {
    let mut bytes = Vec::new();
    let read = File::open(scratch).and_then(|mut file| file.read_to_end(&mut bytes));
    let Some((header, rest)) = read.ok().and_then(|_| bytes.split_at_checked(HEADER)) else {
        return (0, Vec::new());
    };
    let word = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    let length = usize::try_from(word(8)).unwrap_or(usize::MAX).min(rest.len());
    (word(0), rest[..length].to_vec())
}

fn why(status: Option<ExitStatus>, said: &Path) -> String {
    let said = fs::read(said).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(12).collect();
    match status {
        Some(status) => format!("{status}: {}", lines.join("\n")),
        None => format!("it didn't end within {} s", HANG.as_secs()),
    }
}

/// A smaller input that it doesn't survive either.
fn shrink(target: &Target, folder: &Path, mut died: Died) -> (Vec<u8>, Died) {
    // A hang takes its time, and is still one after a few attempts.
    let attempts = if died.why.starts_with("it didn't end") { 3 } else { SHRINKS };
    let input = smaller(died.input.clone(), attempts, |input| {
        let Err(again) = child(target, folder, &Plan::Once(input.to_vec())) else { return false };
        died.why = again.why;
        true
    });
    (input, died)
}

/// Leaves out halves, then quarters, … then single bytes, as long as it still fails.
fn smaller(mut best: Vec<u8>, attempts: usize, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut left = attempts;
    let mut piece = best.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < best.len() {
            if left == 0 {
                return best;
            }
            left -= 1;
            let mut input = best.clone();
            input.drain(at..(at + piece).min(best.len()));
            if fails(&input) {
                best = input;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    best
}

fn report(target: &Target, seed: u64, input: &[u8], died: &Died) -> String {
    let Target { name, .. } = target;
    let hash = outlast_types::Hash::of(input).to_string();
    let path = corpus(target).join(hash.get(..16).unwrap_or(&hash));
    let saved = fs::create_dir_all(corpus(target)).and_then(|()| fs::write(&path, input));
    let saved = match saved {
        Ok(()) => format!("saved as {}; keep it there, as a test", path.display()),
        Err(error) => format!("not saved: {}: {error}", path.display()),
    };
    format!(
        "`{name}` didn't survive input {} of seed {seed} ({} bytes, shrunk to {}).\n\
         {}\n\
         {saved}\n\
         again: OUTLAST_FUZZ_INPUT={} cargo nextest run -p outlast-fuzz {name}",
        died.number,
        died.input.len(),
        input.len(),
        died.why,
        HEX.encode(input),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_made_small_and_still_fails() {
        let fails = |input: &[u8]| input.contains(&7) && input.contains(&9);
        let long: Vec<u8> = (0..200).collect();
        assert_eq!(smaller(long.clone(), SHRINKS, fails), [7, 9]);
        assert!(fails(&smaller(long, 5, fails)));
    }

    #[test]
    fn a_seed_gives_the_same_inputs_and_another_one_gives_others() {
        let inputs = |seed| {
            let mut dice = Dice::new(seed);
            let known = [b"a 12 b".to_vec(), vec![0; 40]];
            let one = |_| mutate::mutate(&mut dice, &known, &["word"], 64);
            (0..500).map(one).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(3).iter().all(|input| input.len() <= 64));
    }

    #[test]
    #[should_panic(expected = "of input made it hold")]
    fn who_allocates_what_a_length_promises_is_caught() {
        let target = Target {
            run: |input| drop(std::hint::black_box(vec![0_u8; usize::from(input[0]) << 20])),
            memory: crate::Memory { per_byte: 16, constant: 1 << 20 },
            ..*find("duration").expect("a target")
        };
        check(&target, &[200]);
    }

    #[test]
    fn seeds_mean_something_to_their_targets() {
        for target in crate::TARGETS {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty(), "{}", target.name);
            assert!(seeds.iter().all(|seed| seed.len() <= target.max_bytes), "{}", target.name);
        }
    }
}
