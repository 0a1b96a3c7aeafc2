//! Real programs in the middle of their work, that know nothing of tests: whatever is done to them, their result has to be
//! the one of an undisturbed run.
//!
//! ```text
//!  prepare ──▶ start ──▶ until it is in the middle of its work ──▶ disturb(&mut Run) ──▶ its end ──▶ result == undisturbed result
//! ```
//!
//! [`Real::through`] does all of it. A program that isn't installed is skipped; scripts/setup.sh installs them.
//!
//! Results are bytes that are the same in every run: pictures without a date, films without the encoder's name. Only
//! `openssl speed` measures something; of that the form counts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::list;
use crate::run::{PATH, Run, Verdict};

/// For the whole of a program's work, on a machine that is busy.
const WORK: Duration = Duration::from_secs(240);

/// A program with its work.
#[derive(Clone, Copy, Debug)]
pub struct Real {
    /// Short name.
    pub name: &'static str,
    /// What it does meanwhile.
    pub about: &'static str,
    words: &'static [&'static str],
    /// Writes its inputs; it is given the words.
    prepare: fn(&[&str], &Path),
    /// How much of its work is done, in a unit of its own.
    done: fn(&Path) -> u64,
    /// So much is some of its work, and not all of it.
    some: u64,
    result: fn(&Path) -> Result<Vec<u8>, String>,
}

/// A script of ours, the last word: it counts its work in the file `progress`, and writes the file `result`.
const fn script(
    name: &'static str,
    about: &'static str,
    words: &'static [&'static str],
    some: u64,
) -> Real {
    Real {
        name,
        about,
        words,
        prepare: |words, folder| copy(words.last().expect("a script"), folder),
        done: progress,
        some,
        result: |folder| whole(folder, "result"),
    }
}

/// All of them.
pub const ALL: &[Real] = &[
    Real {
        name: "povray",
        about: "a picture, by threads that share it",
        words: &[
            "povray",
            "+Iscene.pov",
            "+W1000",
            "+H750",
            "+Opicture.ppm",
            "+FP",
            "+A0.2",
            "-J",
            "+WT2",
            "-D",
            "+V",
        ],
        prepare: |_, folder| copy("scene.pov", folder),
        done: |folder| {
            // "Rendered 12345 of 750000 pixels (10%)"
            let said = read(folder, "stderr");
            let percents = said.rsplit_once("%)").and_then(|(before, _)| before.rsplit_once('('));
            percents.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
        },
        some: 10,
        result: |folder| {
            // Above the pixels there is a comment with the time it took.
            let picture = whole(folder, "picture.ppm")?;
            let pixels = picture.len().checked_sub(1000 * 750 * 3);
            let pixels = pixels.ok_or("expected 1000 × 750 pixels, found less")?;
            Ok(picture[pixels..].to_vec())
        },
    },
    Real {
        name: "ffmpeg",
        about: "a film, drawn, filtered and encoded by threads",
        words: &[
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            "-progress",
            "progress",
            "-filter_threads",
            "2",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=960x540:rate=30:duration=25",
            "-vf",
            "noise=alls=20:all_seed=7,gblur=3",
            "-c:v",
            "mpeg4",
            "-q:v",
            "4",
            "-threads",
            "2",
            "-flags",
            "+bitexact",
            "-fflags",
            "+bitexact",
            "film.avi",
        ],
        prepare: |_, _| {},
        done: |folder| numbers(folder, "frame="),
        some: 60,
        result: |folder| whole(folder, "film.avi"),
    },
    script(
        "python",
        "threads that compute, and an open transaction of sqlite",
        &["python3", "bank.py"],
        3000,
    ),
    Real {
        name: "make",
        about: "make -j2 of a project of twenty C files, and its check",
        words: &["make", "-j2"],
        prepare: |_, folder| project(folder),
        done: objects,
        some: 8,
        result: |folder| {
            let built = objects(folder);
            let all = PARTS as u64 + 1;
            if built != all {
                return Err(format!("expected {all} compiled files, found {built}"));
            }
            whole(folder, "result")
        },
    },
    Real {
        name: "openssl",
        about: "openssl speed: processes with alarms and pipes",
        words: &[
            "openssl", "speed", "-multi", "2", "-seconds", "2", "-bytes", "16384", "sha256",
            "sha512",
        ],
        prepare: |_, _| {},
        done: |folder| {
            // Its children have done the first half.
            u64::from(read(folder, "stderr").contains("+DT:sha512"))
        },
        some: 1,
        result: figures,
    },
    Real {
        name: "xz",
        about: "a file compressed by threads",
        words: &["xz", "-T2", "-6", "--block-size=1MiB", "-k", "data"],
        prepare: |_, folder| {
            fs::write(folder.join("data"), compressible(6 << 20)).expect("the folder is ours")
        },
        done: |folder| size(folder, "data.xz"),
        some: 1,
        result: |folder| whole(folder, "data.xz"),
    },
    Real {
        done: |folder| numbers(folder, ""),
        ..script(
            "pipeline",
            "six programs that a shell has connected",
            &["sh", "pipeline.sh"],
            300_000,
        )
    },
    Real {
        name: "terminal",
        about: "`script`, and a shell with job control at its terminal",
        words: &["script", "-qefc", "bash terminal.sh", "shown"],
        prepare: |_, folder| copy("terminal.sh", folder),
        done: progress,
        some: 20,
        result: |folder| {
            // The first line and the last one tell the time.
            let shown = String::from_utf8_lossy(&whole(folder, "shown")?).into_owned();
            let lines: Vec<&str> =
                shown.lines().filter(|line| !line.starts_with("Script ")).collect();
            if !shown.contains("total ") {
                return Err(format!("expected a total, found {shown:?}"));
            }
            Ok(lines.join("\n").into_bytes())
        },
    },
    script(
        "java",
        "OpenJDK: three threads, a compiler at work, garbage collected",
        // A small heap, so that it is collected often.
        &["java", "-Xmx96m", "Loop.java"],
        200,
    ),
    script(
        "node",
        "node: an event loop with timers and files, two workers, garbage collected",
        &["node", "--max-old-space-size=128", "loop.js"],
        60,
    ),
];

/// Those that are run by default: the others take the time of all other tests together.
const QUICK: &[&str] = &["python", "terminal", "xz"];

/// Runs some of them, one by one: the quick ones, with `OUTLAST_REAL=all` all, with `OUTLAST_REAL=node` that one. Prints which
/// were skipped.
///
/// # Panics
/// If one of them failed, or there is none of the name that was asked for.
#[expect(clippy::print_stderr, reason = "that is where people look for it")]
pub fn all_pass(judge: impl Fn(&Real) -> Verdict) {
    let wanted = std::env::var("OUTLAST_REAL").unwrap_or_default();
    let known = ["", "all"].contains(&&*wanted) || ALL.iter().any(|one| one.name == wanted);
    assert!(known, "no real program {wanted:?}");
    let mut failed = String::new();
    for program in ALL {
        let verdict = match &*wanted {
            "" if !QUICK.contains(&program.name) => {
                Verdict::Skipped("it takes long; OUTLAST_REAL=all runs it".to_owned())
            }
            "" | "all" => judge(program),
            name if name == program.name => judge(program),
            _ => continue,
        };
        match verdict {
            Verdict::Passed => {}
            Verdict::Skipped(why) => eprintln!("SKIPPED: {}: {why}", program.name),
            Verdict::Failed(why) => failed.push_str(&format!("failed: {}: {why}\n", program.name)),
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

impl Real {
    /// Runs it twice: undisturbed, and with `disturb` in the middle of its work, which kills and restores it, as it likes;
    /// compares the results. If they differ, a third run, undisturbed, tells whether they always do.
    pub fn through(&self, disturb: impl FnOnce(&mut Run) -> Result<(), String>) -> Verdict {
        let expected = match self.once(|_| Ok(())) {
            Ok(result) => result,
            Err(verdict) => return verdict,
        };
        let found = match self.once(disturb) {
            Ok(found) if found == expected => return Verdict::Passed,
            Ok(found) => found,
            Err(verdict) => return verdict,
        };
        let again = match self.once(|_| Ok(())) {
            Ok(again) if again == expected => "the same in a second undisturbed run",
            Ok(_) => "another in a second undisturbed run, too",
            Err(_) => "none in a second undisturbed run",
        };
        Verdict::Failed(format!(
            "expected the result of an undisturbed run ({} bytes; {again}), found another ({} bytes)",
            expected.len(),
            found.len()
        ))
    }

    /// One run, and its result.
    ///
    /// # Errors
    /// That it was skipped, or failed.
    pub fn once(
        &self,
        disturb: impl FnOnce(&mut Run) -> Result<(), String>,
    ) -> Result<Vec<u8>, Verdict> {
        let program = self.words[0];
        if !PATH.split(':').any(|folder| Path::new(folder).join(program).exists()) {
            return Err(Verdict::Skipped(format!("`{program}` isn't installed")));
        }
        let failed = |why: &str| Verdict::Failed(format!("{}: {why}", self.name));
        let mut run =
            Run::prepared(self.name, self.words, |folder| (self.prepare)(self.words, folder));
        run.until("it is in the middle of its work", WORK, |run| {
            (self.done)(run.folder()) >= self.some
        })?;
        disturb(&mut run).map_err(|why| failed(&why))?;
        let status = run.ended(WORK)?;
        if status.is_some_and(|status| !status.success()) {
            return Err(failed(&format!("{status:?}; stderr: {}", tail(&run.stderr()))));
        }
        (self.result)(run.folder())
            .map_err(|why| failed(&format!("{why}; stderr: {}", tail(&run.stderr()))))
    }
}

/// The end of what a program said.
fn tail(said: &str) -> &str {
    let from = said.len().saturating_sub(2000);
    (from..said.len()).find_map(|from| said.get(from..)).unwrap_or_default()
}

fn copy(name: &str, folder: &Path) {
    fs::copy(list::folder().join("real").join(name), folder.join(name))
        .unwrap_or_else(|error| panic!("copying {name}: {error}"));
}

fn read(folder: &Path, name: &str) -> String {
    let bytes = fs::read(folder.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn size(folder: &Path, name: &str) -> u64 {
    fs::metadata(folder.join(name)).map_or(0, |about| about.len())
}

/// A result file, that has to be there and to have something in it.
fn whole(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    match fs::read(folder.join(name)) {
        Ok(bytes) if bytes.is_empty() => {
            Err(format!("expected a result in {name}, found an empty file"))
        }
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(format!("expected a result in {name}: {error}")),
    }
}

/// The number in the file `progress`.
fn progress(folder: &Path) -> u64 {
    read(folder, "progress").trim().parse().unwrap_or(0)
}

/// The last number that follows `prefix` on a line of `progress`.
fn numbers(folder: &Path, prefix: &str) -> u64 {
    let said = read(folder, "progress");
    let number = |line: &str| line.strip_prefix(prefix)?.trim().parse().ok();
    said.lines().rev().find_map(number).unwrap_or(0)
}

/// Text of words by a generator: it is compressed to about a quarter.
fn compressible(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 16);
    // Knuth's constants for 64-bit linear congruences.
    let mut state = 1_u64;
    while text.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(format!("{:x} ", state >> 46).as_bytes());
    }
    text.truncate(bytes);
    text
}

/// C files of the project.
const PARTS: usize = 20;

/// A project of C files that take the compiler a moment each, and a program of them that checks itself.
fn project(folder: &Path) {
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("the folder is ours");
    };
    let mut calls = String::new();
    let mut names = String::new();
    for part in 0..PARTS {
        let mut text = String::from(
            "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n",
        );
        for function in 0..35 {
            text.push_str(&format!(
                "static double f{function}(double x, int n) {{\n    double a[16] = {{x, {part}, {function}}};\n    \
                 for (int i = 0; i < n; i++) for (int j = 1; j < 16; j++)\n        \
                 a[j] = a[j - 1] * 0.{part}1 + (i & {function} ? a[j] / 3 : a[(j * 7) & 15]) + j;\n    return a[15];\n}}\n"
            ));
        }
        text.push_str(&format!("double part{part}(double x) {{\n"));
        for function in 0..35 {
            text.push_str(&format!("    x = fmod(f{function}(x, 20), 1000);\n"));
        }
        text.push_str("    return x;\n}\n");
        write(&format!("part{part}.c"), &text);
        calls.push_str(&format!("    x = part{part}(x);\n"));
        names.push_str(&format!(" part{part}.o"));
    }
    let declared: String = (0..PARTS).map(|part| format!("double part{part}(double);\n")).collect();
    write(
        "main.c",
        &format!(
            "#include <stdio.h>\n{declared}int main(void) {{\n    double x = 1;\n{calls}    printf(\"%.6f\\n\", x);\n}}\n"
        ),
    );
    write(
        "Makefile",
        &format!(
            "OBJECTS = main.o{names}\nCFLAGS = -O2\nall: result\nresult: program\n\t./program > result.new\n\tmv result.new result\n\
             program: $(OBJECTS)\n\t$(CC) -o $@ $(OBJECTS) -lm\n"
        ),
    );
}

fn objects(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let object = |entry: &fs::DirEntry| {
        // One that is being written has a size of 0 at first.
        entry.path().extension().is_some_and(|ending| ending == "o")
            && entry.metadata().is_ok_and(|about| about.len() > 0)
    };
    entries.flatten().filter(object).map(|_| 1).sum()
}

/// Of a table of speeds: which there are, if all are positive.
fn figures(folder: &Path) -> Result<Vec<u8>, String> {
    let said = read(folder, "stdout");
    let mut names = Vec::new();
    for line in said.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(speed), None) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let positive = speed.strip_suffix('k').and_then(|number| number.parse::<f64>().ok());
        if positive.is_some_and(|number| number > 0.0) {
            names.extend_from_slice(name.as_bytes());
            names.push(b'\n');
        }
    }
    if names == b"sha256\nsha512\n" {
        Ok(names)
    } else {
        Err(format!("expected speeds of sha256 and sha512, found: {}", tail(&said)))
    }
}
