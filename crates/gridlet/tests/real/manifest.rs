//! Shipped manifests with the real programs and a worker of a few lines: what is merged has to be
//! what the program writes here.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use outlast_gridlet::picture::Picture;
use outlast_gridlet::{ApplicationManager, CommandLine, Merged};
use outlast_types::CellId;

use crate::grid::{Grid, there};

impl Grid {
    fn described(&self, app: &str, words: &[&str], gridlets: u32) -> Arc<dyn ApplicationManager> {
        let argv = words.iter().map(|word| (*word).to_owned()).collect();
        self.open(app, &CommandLine { argv, ..CommandLine::default() }, gridlets).unwrap()
    }

    /// Works for all gridlets, twice, and merges into the folder `merged`.
    fn compute(&mut self, manager: &dyn ApplicationManager) -> Merged {
        self.work_all(manager, |grid, step, first| {
            let second = grid.work(manager, step);
            let second = second.into_iter().find(|output| output.cell == first.cell).unwrap();
            assert!(
                manager.agree(first, &second, grid).unwrap(),
                "workers disagree on {:?}",
                first.cell
            );
        });
        assert!(manager.preview(self).unwrap().is_some());
        for cell in [0, manager.grid().cells() - 1].map(CellId) {
            let sample = manager.sample(cell, 42).unwrap();
            let truth = self.work(manager, &sample.step).remove(0);
            let answer = &self.accepted[&cell];
            assert!(manager.matches_sample(&sample, &truth, answer, self).unwrap());
        }
        manager.merge(self, &mut self.folder("merged")).unwrap()
    }

    fn merged(&self, path: &str) -> Vec<u8> {
        fs::read(self.root.path().join("merged").join(path)).unwrap()
    }
}

fn text(lines: u32) -> String {
    (0..lines).map(|n| format!("{n} {}\n", n.wrapping_mul(2_654_435_761))).collect()
}

/// Compresses three files, and looks whether what comes out of it is what went in.
fn compress(program: &str, options: &[&str], ending: &str) {
    if !there(&[program]) {
        return;
    }
    let mut grid = Grid::new();
    let names = ["a.txt", "b b.txt", "sub/c's.txt"];
    fs::create_dir_all(grid.home().join("sub")).unwrap();
    for (n, name) in names.iter().enumerate() {
        fs::write(grid.home().join(name), text(n as u32 * 700)).unwrap();
    }
    let words: Vec<&str> = [program].iter().chain(options).chain(&names).copied().collect();
    let manager = grid.described(program, &words, 2);
    assert_eq!(manager.gridlets().len(), 2);
    let merged = grid.compute(manager.as_ref());
    assert_eq!(merged.files.len(), 3);
    for (n, name) in names.iter().enumerate() {
        let packed = grid.home().join("packed");
        fs::write(&packed, grid.merged(&format!("{name}{ending}"))).unwrap();
        let unpacked = Command::new(program)
            .args(["-dc"])
            .stdin(fs::File::open(packed).unwrap())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(unpacked.stdout).unwrap(), text(n as u32 * 700), "{name}");
    }
}

#[test]
fn gzip() {
    compress("gzip", &["-9k", "-S", ".gz"], ".gz");
}

#[test]
fn xz() {
    compress("xz", &["-k", "-e", "-T4", "--check=crc32"], ".xz");
}

#[test]
fn bzip2() {
    compress("bzip2", &["-k"], ".bz2");
}

#[test]
fn zstd() {
    compress("zstd", &["-19", "--long", "-T4", "--rm", "-q"], ".zst");
}

/// A second of a tone, as 16 bit mono.
fn wav(pitch: u32) -> Vec<u8> {
    let samples: Vec<u8> = (0..44_100u32)
        .flat_map(|n| ((n * pitch / 10 % 4096) as i16 - 2048).to_le_bytes())
        .collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + samples.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(44_100u32.to_le_bytes());
    file.extend(88_200u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file
}

#[test]
fn flac_gives_back_every_sample() {
    if !there(&["flac"]) {
        return;
    }
    let mut grid = Grid::new();
    for (name, pitch) in [("one.wav", 3), ("two.wav", 5)] {
        fs::write(grid.home().join(name), wav(pitch)).unwrap();
    }
    let manager =
        grid.described("flac", &["flac", "-8", "--tag", "ARTIST=x y", "one.wav", "two.wav"], 2);
    grid.compute(manager.as_ref());
    for (name, pitch) in [("one", 3), ("two", 5)] {
        let packed = grid.home().join("packed.flac");
        fs::write(&packed, grid.merged(&format!("{name}.flac"))).unwrap();
        grid.local(&["flac", "-d", "--silent", "-f", "-o", "unpacked.wav", "packed.flac"]);
        assert_eq!(fs::read(grid.home().join("unpacked.wav")).unwrap(), wav(pitch));
    }
}

#[test]
fn the_fractal_is_the_one_that_its_program_draws_alone() {
    if !there(&["awk"]) {
        return;
    }
    let mut grid = Grid::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/fractal/fractal");
    fs::copy(source, grid.home().join("fractal")).unwrap();
    let manager = grid.described("fractal", &["./fractal", "100", "70", "out.pgm"], 6);
    assert_eq!(manager.gridlets().len(), 6);
    let merged = grid.compute(manager.as_ref());
    assert_eq!(merged.files, ["out.pgm"]);
    let run = Command::new("./fractal")
        .args(["100", "70", "out.pgm"])
        .env("LC_ALL", "C")
        .current_dir(grid.home())
        .status();
    assert!(run.unwrap().success());
    assert_eq!(grid.merged("out.pgm"), fs::read(grid.home().join("out.pgm")).unwrap());
}

fn pixels(bytes: &[u8]) -> Picture {
    Picture::decode(bytes).unwrap()
}

/// Filters a picture by tiles, and compares it with what `convert` makes of the whole.
fn filter(picture: &str, make: &[&str], options: &[&str], output: &str) {
    if !there(&["convert", "identify"]) {
        return;
    }
    let mut grid = Grid::new();
    let words: Vec<&str> = ["convert"].iter().chain(make).chain(&[picture]).copied().collect();
    grid.local(&words);
    let words: Vec<&str> =
        ["convert", picture].iter().chain(options).chain(&[output]).copied().collect();
    let manager = grid.described("imagemagick", &words, 5);
    assert_eq!(manager.app(), "imagemagick", "{:?}", manager.notes());
    assert!(manager.gridlets().len() >= 4, "{}", manager.gridlets().len());
    grid.compute(manager.as_ref());
    grid.local(&words);
    let (here, there) = (pixels(&grid.merged(output)), fs::read(grid.home().join(output)).unwrap());
    let there = pixels(&there);
    assert_eq!((here.shape.width, here.shape.height), (there.shape.width, there.shape.height));
    // `convert` may save a picture whose pixels happen to be grey as grey.
    let (a, b) = (here.rgba8(), there.rgba8());
    let wrong = a.chunks(4).zip(b.chunks(4)).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0, "of {} pixels", a.len() / 4);
}

const PLASMA: &[&str] = &["-size", "240x180", "-seed", "7", "plasma:red-blue", "-depth", "8"];

#[test]
fn a_blur_by_tiles_is_pixel_for_pixel_that_of_the_whole() {
    filter("in.png", PLASMA, &["-blur", "0x3"], "out.png");
}

#[test]
fn several_filters_and_colours_by_tiles_are_those_of_the_whole() {
    let options = [
        "-gaussian-blur",
        "0x1.5",
        "-modulate",
        "110,80,95",
        "-unsharp",
        "0x2+0.8+0.02",
        "-negate",
        "-gamma",
        "1.3",
    ];
    filter("in.png", PLASMA, &options, "out.ppm");
}

#[test]
fn sixteen_bits_and_alpha_are_kept_by_tiles() {
    let deep = [
        "-size",
        "240x180",
        "-seed",
        "7",
        "plasma:red-blue",
        "-alpha",
        "set",
        "-channel",
        "A",
        "-evaluate",
        "set",
        "60%",
        "+channel",
        "-depth",
        "16",
    ];
    filter("in.png", &deep, &["-sharpen", "0x2", "-level", "10%,90%"], "out.png");
}

#[test]
fn grey_pictures_stay_grey_by_tiles() {
    let grey =
        ["-size", "240x180", "-seed", "7", "plasma:red-blue", "-colorspace", "Gray", "-depth", "8"];
    filter("in.png", &grey, &["-blur", "0x2", "-sigmoidal-contrast", "4x50%"], "out.png");
}

#[test]
fn what_isnt_exact_by_tiles_stays_whole() {
    if !there(&["convert", "identify"]) {
        return;
    }
    let grid = Grid::new();
    grid.local(&["convert", "-size", "240x180", "plasma:red-blue", "-depth", "8", "in.png"]);
    for (words, why) in [
        (["convert", "in.png", "-resize", "50%", "out.png"], "option `-resize` isn't known"),
        (["convert", "in.png", "-blur", "2x1", "out.png"], "`-blur 2x1` isn't understood"),
        (["convert", "in.png", "-blur", "0x1", "out.jpg"], "the output is out.jpg"),
    ] {
        let manager = grid.described("imagemagick", &words, 4);
        assert_eq!(manager.app(), "command");
        assert!(manager.notes()[0].contains(why), "{:?}", manager.notes());
    }
}

#[test]
fn many_pictures_are_changed_file_by_file() {
    if !there(&["convert", "mogrify", "identify"]) {
        return;
    }
    let mut grid = Grid::new();
    for (name, seed) in [("a.png", "1"), ("b.png", "2"), ("c.jpg", "3")] {
        grid.local(&[
            "convert",
            "-size",
            "64x48",
            "-seed",
            seed,
            "plasma:red-blue",
            "-depth",
            "8",
            name,
        ]);
    }
    fs::create_dir(grid.home().join("small")).unwrap();
    let words = [
        "mogrify", "-path", "small", "-resize", "50%", "-quality", "80", "a.png", "b.png", "c.jpg",
    ];
    let manager = grid.described("mogrify", &words, 3);
    assert_eq!(manager.app(), "mogrify", "{:?}", manager.notes());
    let merged = grid.compute(manager.as_ref());
    assert_eq!(merged.files, ["small/a.png", "small/b.png", "small/c.jpg"]);
    grid.local(&words);
    for name in ["small/a.png", "small/b.png"] {
        let local = fs::read(grid.home().join(name)).unwrap();
        assert_eq!(pixels(&grid.merged(name)).rgba8(), pixels(&local).rgba8(), "{name}");
    }
    assert_eq!(grid.merged("small/c.jpg"), fs::read(grid.home().join("small/c.jpg")).unwrap());
}
