//! Comparators with the real programs: honest encoders and scripts, and files made to break them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use outlast_gridlet::compare::{self, Agreement, Comparator, CompareError};
use outlast_gridlet::{CellOutput, CommandLine, Recipe};
use outlast_types::CellId;

use crate::grid::{Grid, there};

/// Three seconds of numbered pictures, and a tone.
const FILM: &str = "-f lavfi -i testsrc2=s=96x64:r=10:d=3 -f lavfi -i sine=f=440:d=3";

impl Grid {
    /// The answer that consists of this file of the submitter's.
    fn only(&self, file: &str, called: &str) -> CellOutput {
        let bytes = fs::read(self.home().join(file)).unwrap();
        self.answer(CellId(0), vec![(called.to_owned(), bytes)])
    }

    /// Compares two files as if they were answers of this name.
    fn compared(
        &self,
        comparator: &str,
        [a, b]: [&str; 2],
        called: &str,
    ) -> Result<Agreement, CompareError> {
        let comparator: Comparator = comparator.parse().unwrap();
        let comparator = comparator.resolved(|word| {
            let path = self.home().join(word);
            path.is_file().then(|| path.to_string_lossy().into_owned())
        });
        comparator.compare(&self.only(a, called), &self.only(b, called), self)
    }

    fn agree(&self, comparator: &str, files: [&str; 2], called: &str) -> bool {
        match self.compared(comparator, files, called).unwrap() {
            Agreement::Agree => true,
            Agreement::Differ(why) => {
                eprintln!("{comparator} {files:?}: {why}");
                false
            }
        }
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.home().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn frames_of_films_are_compared_whatever_holds_them() {
    if !there(&["ffmpeg"]) {
        return;
    }
    let grid = Grid::new();
    grid.make(&format!("{FILM} -c:v libx264 -crf 10 -c:a aac -b:a 128k"), "a.mp4");
    grid.make("-i a.mp4 -c copy -metadata title=other", "a.mov");
    grid.make(&format!("{FILM} -c:v libx264 -crf 28 -af volume=0.95 -c:a aac -b:a 128k"), "b.mp4");
    grid.make(
        "-i a.mp4 -c:v libx264 -crf 10 -vf drawbox=w=20:h=20:t=fill:enable='eq(n,17)' -c:a copy",
        "box.mp4",
    );
    grid.make("-i a.mp4 -c copy -t 2", "short.mp4");
    grid.make("-i a.mp4 -c copy -an", "mute.mp4");
    // The same frames, other bytes.
    assert!(grid.agree("frames", ["a.mp4", "a.mov"], "x.mp4"));
    assert!(grid.agree("frames:psnr=60,sound=0.01", ["a.mp4", "a.mov"], "x"));
    // Another encoding.
    assert!(!grid.agree("frames", ["a.mp4", "b.mp4"], "x.mp4"));
    assert!(!grid.agree("frames:psnr=25", ["a.mp4", "b.mp4"], "x.mp4"), "the sound differs");
    assert!(grid.agree("frames:psnr=25,sound=0.1", ["a.mp4", "b.mp4"], "x.mp4"));
    assert!(!grid.agree("frames:psnr=60,sound=0.1", ["a.mp4", "b.mp4"], "x.mp4"));
    // One picture of thirty with a box in it: an average would hardly show it.
    assert!(!grid.agree("frames:psnr=25", ["a.mp4", "box.mp4"], "x.mp4"));
    assert!(!grid.agree("frames:psnr=1,sound=0.9", ["a.mp4", "short.mp4"], "x.mp4"));
    assert!(!grid.agree("frames:psnr=1,sound=0.9", ["a.mp4", "mute.mp4"], "x.mp4"));
    assert!(!grid.agree("frames:psnr=25,sound=0.001", ["a.mp4", "b.mp4"], "x.mp4"));
}

#[test]
fn sound_and_pictures_of_other_formats_are_compared_by_frames() {
    if !there(&["ffmpeg"]) {
        return;
    }
    let grid = Grid::new();
    grid.make("-f lavfi -i sine=f=440:d=2", "a.wav");
    grid.make("-i a.wav", "a.flac");
    grid.make("-i a.wav -af volume=1.001", "loud.wav");
    assert!(grid.agree("frames", ["a.wav", "a.flac"], "x.wav"));
    assert!(!grid.agree("frames", ["a.wav", "loud.wav"], "x.wav"));
    assert!(grid.agree("frames:sound=0.01", ["a.wav", "loud.wav"], "x.wav"));
    grid.make("-f lavfi -i testsrc2=s=64x64 -frames:v 1 -q:v 2", "a.jpg");
    grid.make("-i a.jpg -q:v 8", "b.jpg");
    assert!(!grid.agree("frames", ["a.jpg", "b.jpg"], "x.jpg"));
    assert!(grid.agree("frames:psnr=25", ["a.jpg", "b.jpg"], "x.jpg"));
    assert!(!grid.agree("frames:psnr=60", ["a.jpg", "b.jpg"], "x.jpg"));
}

#[test]
fn files_made_to_break_a_decoder_agree_with_nothing() {
    if !there(&["ffmpeg"]) {
        return;
    }
    let grid = Grid::new();
    grid.make(&format!("{FILM} -c:v libx264 -c:a aac"), "a.mp4");
    let film = fs::read(grid.home().join("a.mp4")).unwrap();
    // A playlist that names another file: nothing but the answer itself may be opened.
    let path = grid.home().join("a.mp4");
    let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{}\n", path.display());
    fs::write(grid.home().join("list"), list).unwrap();
    fs::write(
        grid.home().join("concat"),
        format!("ffconcat version 1.0\nfile '{}'\n", path.display()),
    )
    .unwrap();
    fs::write(grid.home().join("cut"), &film[..film.len() / 2]).unwrap();
    fs::write(
        grid.home().join("noise"),
        (0..5000u32).map(|n| ((n * n) >> 3) as u8).collect::<Vec<_>>(),
    )
    .unwrap();
    fs::write(grid.home().join("empty"), "").unwrap();
    // Pictures of 60,000 x 60,000 in a few bytes: the largest that this container can name.
    let huge = b"YUV4MPEG2 W60000 H60000 F25:1 Ip A1:1 C420\nFRAME\n";
    fs::write(grid.home().join("huge"), huge).unwrap();
    for file in ["list", "concat", "cut", "noise", "empty", "huge"] {
        assert!(!grid.agree("frames:psnr=1,sound=0.9", ["a.mp4", file], "x.mp4"), "{file}");
        assert!(!grid.agree("frames:psnr=1,sound=0.9", [file, "a.mp4"], "x.m3u8"), "{file}");
    }
}

#[test]
fn ratios_are_those_of_imagemagick() {
    if !there(&["compare", "convert", "ffmpeg"]) {
        return;
    }
    let grid = Grid::new();
    for (name, depth) in [("eight", "rgb24"), ("sixteen", "rgb48be")] {
        let (a, b) = (format!("{name}.png"), format!("{name}-b.png"));
        grid.make(&format!("-f lavfi -i testsrc2=s=80x60 -frames:v 1 -pix_fmt {depth}"), &a);
        grid.make(&format!("-i {a} -vf noise=alls=12:all_seed=1 -pix_fmt {depth}"), &b);
        let said = std::process::Command::new("compare")
            .args(["-metric", "PSNR", &a, &b, "null:"])
            .current_dir(grid.home())
            .output()
            .unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        let ratio: f64 = said.split_whitespace().next().unwrap().parse().unwrap();
        assert!((15.0..60.0).contains(&ratio), "{said}");
        assert!(grid.agree(&format!("image:psnr={}", ratio - 0.01), [&a, &b], "x.png"));
        assert!(!grid.agree(&format!("image:psnr={}", ratio + 0.01), [&a, &b], "x.png"));
        assert!(grid.agree("image:ssim=0.3", [&a, &b], "x.png"));
        assert!(!grid.agree("image:ssim=0.9999", [&a, &b], "x.png"));
    }
}

#[test]
fn a_script_decides_and_one_that_fails_does_not() {
    let grid = Grid::new();
    for (name, text) in [("a", "head\n1\n"), ("b", "other head\n1\n"), ("c", "head\n2\n")] {
        fs::write(grid.home().join(name), text).unwrap();
    }
    grid.script("same.sh", r#"[ "$(tail -n 1 "$1")" = "$(tail -n 1 "$2")" ]"#);
    grid.script("crash.sh", "kill -SEGV $$");
    grid.script("nonsense.sh", "echo maybe; exit 7");
    grid.script("picky.sh", "echo broken >&2; exit 1");
    let command = |script: &str, files| grid.compared(&format!("command:./{script}"), files, "x");
    assert_eq!(command("same.sh", ["a", "b"]).unwrap(), Agreement::Agree);
    assert!(!command("same.sh", ["a", "c"]).unwrap().is_agree());
    let error = command("crash.sh", ["a", "b"]).unwrap_err().to_string();
    assert!(error.contains("crash.sh") && error.contains("exit code 139"), "{error}");
    let error = command("nonsense.sh", ["a", "b"]).unwrap_err().to_string();
    assert!(error.contains("exit code 7") && error.contains("maybe"), "{error}");
    assert!(matches!(
        grid.compared("command:no-such-program-here", ["a", "b"], "x"),
        Err(CompareError::Missing { .. })
    ));
    // It always says no, to an answer and itself too: it isn't believed.
    let path = grid.home().join("picky.sh");
    let picky: Comparator = format!("command:{}", path.display()).parse().unwrap();
    let error = picky.admit(&grid.only("a", "x"), &grid).unwrap_err().to_string();
    assert!(error.contains("differs from itself") && error.contains("broken"), "{error}");
}

/// The answer of a run of `sh` with this text, and the manager that judges it.
fn sweep(
    grid: &Grid,
    comparator: &str,
) -> Result<std::sync::Arc<dyn outlast_gridlet::ApplicationManager>, compare::ComparatorError> {
    let argv = ["sh", "-c", "echo $0 > out.txt; echo \"$0\"; date +%N >&2", "{x}"]
        .map(str::to_owned)
        .to_vec();
    let params = vec![("x".to_owned(), "1.0,1.05".to_owned())];
    let command =
        CommandLine { argv, params, outputs: vec!["out.txt".to_owned()], ..CommandLine::default() };
    compare::with(grid.open("sweep", &command, 1).unwrap(), comparator.parse()?)
}

#[test]
fn a_job_with_a_comparator_is_judged_by_it_and_sampled_with_it() {
    let grid = Grid::new();
    let manager = sweep(&grid, "numbers:abs=0.1").unwrap();
    assert!(manager.describe()[0].1.starts_with("numbers that differ by at most 0.1"));
    let gridlet = &manager.gridlets()[0];
    let Recipe { steps, .. } = manager.recipe(gridlet, &[CellId(0), CellId(1)]);
    let answers: Vec<CellOutput> =
        steps.iter().flat_map(|step| grid.work(manager.as_ref(), step)).collect();
    // Standard error differs from run to run and doesn't count.
    manager.check(&answers[0], &grid).unwrap();
    assert!(manager.agree(&answers[0], &answers[1], &grid).unwrap());
    let strict = sweep(&grid, "numbers:abs=0.01").unwrap();
    assert!(!strict.agree(&answers[0], &answers[1], &grid).unwrap());
    let again = grid.work(manager.as_ref(), &steps[0]).remove(0);
    assert!(strict.agree(&answers[0], &again, &grid).unwrap());
    let sample = manager.sample(CellId(0), 1).unwrap();
    let truth = grid.work(manager.as_ref(), &sample.step).remove(0);
    assert!(manager.matches_sample(&sample, &truth, &answers[1], &grid).unwrap());
    assert!(!strict.matches_sample(&sample, &truth, &answers[1], &grid).unwrap());
    // A comparator that fails on the truth proves nothing.
    let broken = sweep(&grid, "command:false").unwrap();
    assert!(broken.matches_sample(&sample, &truth, &answers[1], &grid).is_err());
    assert!(broken.admit(&answers[0], &grid).is_err());
}

#[test]
fn a_comparator_that_cannot_fit_the_answers_is_refused() -> io::Result<()> {
    let grid = Grid::new();
    fs::write(grid.home().join("fractal"), "#!/bin/sh\n")?;
    let open = |app: &str, words: &[&str], outputs: &[&str], comparator: &str| {
        let [argv, outputs] =
            [words, outputs].map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
        let command = CommandLine { argv, outputs, ..CommandLine::default() };
        let comparator = comparator.parse().unwrap();
        compare::with(grid.open(app, &command, 2).unwrap(), comparator).map(drop)
    };
    let tiles = ["./fractal", "100", "100", "x.pgm"];
    for works in ["image:psnr=40", "bytes", "command:true"] {
        assert!(open("fractal", &tiles, &[], works).is_ok(), "{works}");
    }
    for fails in ["numbers:abs=1", "frames:psnr=40"] {
        let error = open("fractal", &tiles, &[], fails).unwrap_err().to_string();
        assert!(error.contains("expected image, bytes or command"), "{error}");
    }
    assert!(open("command", &["true"], &["out.csv"], "numbers:abs=1").is_ok());
    assert!(open("command", &["true"], &[], "image").is_ok(), "nothing is known of its results");
    let error = open("command", &["true"], &["out.jpg"], "image").unwrap_err().to_string();
    assert!(error.contains("out.jpg") && error.contains("expected frames, bytes"), "{error}");
    let error = open("command", &["true"], &["a.csv", "b.txt"], "frames").unwrap_err().to_string();
    assert!(error.contains("expected numbers, bytes"), "{error}");
    Ok(())
}

#[test]
fn a_part_of_a_picture_is_no_sample_of_an_average() {
    if !there(&["povray"]) {
        return;
    }
    let grid = Grid::new();
    let scene = "camera { location <0, 1, -4> look_at 0 } light_source { <5, 5, -5> rgb 1 }\n\
                 sphere { 0, 1 pigment { rgb 1 } } plane { y, -1 pigment { checker rgb 1 rgb 0 } }\n";
    fs::write(grid.home().join("scene.pov"), scene).unwrap();
    let argv = ["povray", "scene.pov", "+W64", "+H48"].map(str::to_owned).to_vec();
    let command = CommandLine { argv, ..CommandLine::default() };
    let open = |comparator: &str| {
        let manager = grid.open("povray", &command, 2).unwrap();
        compare::with(manager, comparator.parse().unwrap()).unwrap()
    };
    for (comparator, whole) in
        [("image:channel=3", false), ("image:psnr=40", true), ("image:ssim=0.9", true)]
    {
        let manager = open(comparator);
        let cells: Vec<CellId> = manager.grid().cells_in(&manager.gridlets()[1].cells).collect();
        let step = &manager.recipe(&manager.gridlets()[1], &cells[..1]).steps[0];
        let answer = grid.work(manager.as_ref(), step).remove(0);
        let sample = manager.sample(cells[0], 3).unwrap();
        assert_eq!(sample.place.is_empty(), whole, "{comparator}");
        let truth = grid.work(manager.as_ref(), &sample.step).remove(0);
        assert!(manager.matches_sample(&sample, &truth, &answer, &grid).unwrap(), "{comparator}");
        let other = &manager.recipe(&manager.gridlets()[0], &[CellId(0)]).steps[0];
        let mut lie = grid.work(manager.as_ref(), other).remove(0);
        lie.cell = cells[0];
        assert!(!manager.matches_sample(&sample, &truth, &lie, &grid).unwrap(), "{comparator}");
    }
}
