//! What the grid would do, with the real POV-Ray and a worker of a few lines: the merged picture has to be the
//! one that POV-Ray renders here.

// A test fails by panicking, and says on standard error why it was skipped.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use outlast_gridlet::apps::registry;
use outlast_gridlet::picture::{Picture, tile};
use outlast_gridlet::{
    ApplicationManager, Blobs, CellOutput, Collect, CommandLine, Content, OpenError, OutFile,
    Program, Results, Sink, SourceFiles, SplitHint, Step,
};
use outlast_types::{CellId, Hash};
use tempfile::TempDir;

/// A scene with something of everything that can be cut: reflections, a texture, a shadow, a file of its own.
const SCENE: &str = r#"
#version 3.7;
global_settings { assumed_gamma 1.0 }
#include "colors.inc"
#include "shape.inc"
camera { location <0, 1.2, -4> look_at 0 }
light_source { <5, 5, -5> rgb 1 }
object { Shape(clock) }
plane { y, -1 pigment { checker rgb 1 rgb 0.2 } finish { reflection 0.3 } }
"#;

const SHAPE: &str = r#"
// radiosity is only mentioned here
#macro Shape(Where)
  sphere { <Where, 0, 0>, 1 pigment { image_map { png "../art/map.png" } scale 0.5 } finish { phong 1 } }
#end
"#;

fn povray() -> bool {
    let there = Command::new("povray").arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: povray is not installed");
    }
    there
}

/// The submitter's folder, the workers' and what is accepted.
struct Grid {
    root: TempDir,
    accepted: BTreeMap<CellId, CellOutput>,
}

impl SourceFiles for Grid {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.home().join(path))
    }

    fn is_file(&self, path: &str) -> bool {
        self.home().join(path).is_file()
    }

    fn list(&self, path: &str) -> io::Result<Option<Vec<String>>> {
        let Ok(entries) = fs::read_dir(self.home().join(path)) else { return Ok(None) };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = names.map(|name| format!("{path}/{name}")).collect();
        files.retain(|file| self.is_file(file));
        files.sort();
        Ok(Some(files))
    }

    fn has_program(&self, _: &str) -> bool {
        true
    }
}

impl Blobs for Grid {
    fn read(&self, _: &Hash) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Results for Grid {
    fn output(&self, cell: CellId) -> io::Result<Option<CellOutput>> {
        Ok(self.accepted.get(&cell).cloned())
    }
}

struct Folder<'a>(&'a Path, Vec<String>);

impl Sink for Folder<'_> {
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.1.push(path.to_owned());
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, bytes)
    }

    fn place(&mut self, _: &str, _: &Content, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Grid {
    fn new(scene: &str) -> Self {
        let grid = Self { root: TempDir::new().unwrap(), accepted: BTreeMap::new() };
        fs::create_dir_all(grid.home()).unwrap();
        fs::create_dir_all(grid.root.path().join("art")).unwrap();
        fs::write(grid.home().join("scene.pov"), scene).unwrap();
        fs::create_dir_all(grid.home().join("lib")).unwrap();
        fs::write(grid.home().join("lib/shape.inc"), SHAPE).unwrap();
        let pixels = [250, 10, 10, 10, 250, 10, 10, 10, 250, 200, 200, 40].to_vec();
        let ppm = [b"P6\n2 2\n255\n".to_vec(), pixels].concat();
        let mut map = Picture::decode(&ppm).unwrap();
        map.meta.format = outlast_gridlet::picture::Format::Png;
        fs::write(grid.root.path().join("art/map.png"), map.encode().unwrap()).unwrap();
        grid
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn command(&self, options: &[&str]) -> CommandLine {
        let words = ["povray"].iter().chain(options);
        CommandLine {
            argv: words.map(|word| (*word).to_owned()).collect(),
            ..CommandLine::default()
        }
    }

    fn open(
        &self,
        options: &[&str],
        gridlets: u32,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let command = self.command(options);
        let registry = registry();
        let application = registry.choose(None, &command)?;
        assert_eq!(application.name(), "povray");
        let manager =
            application.open(&command, self, SplitHint { slots: 1, gridlets: Some(gridlets) })?;
        // Whatever a manager does, it does so after a restart.
        let restored = application.restore(&manager.state())?;
        assert_eq!(restored.state(), manager.state());
        Ok(restored)
    }

    /// Runs a step in a folder of its own, as a worker does.
    fn run(&self, manager: &dyn ApplicationManager, step: &Step) -> Vec<CellOutput> {
        let outside = TempDir::new_in(self.root.path()).unwrap();
        let folder = outside.path().join("step");
        for path in step.folders.iter().map(|name| folder.join(name)) {
            fs::create_dir_all(path).unwrap();
        }
        for input in manager.inputs() {
            let path = folder.join(&input.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let source = fs::canonicalize(self.home().join(&input.source)).unwrap();
            std::os::unix::fs::symlink(source, path).unwrap();
        }
        let Program::Installed(program) = &step.program else { panic!("{step:?}") };
        let output = Command::new(program)
            .args(&step.args)
            .current_dir(&folder)
            .env("HOME", &folder)
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{:?}\n{log}", step.args);
        let harvest = step.harvest.iter().map(|harvest| {
            let [Collect::Tile { path, x, y, width, height }] = harvest.collect.as_slice() else {
                panic!("{harvest:?}")
            };
            let bytes = fs::read(folder.join(path)).unwrap();
            let bytes = tile(&bytes, *x, *y, *width, *height).unwrap();
            let file = OutFile {
                name: "tile".to_owned(),
                executable: false,
                content: Content::Inline(bytes),
            };
            CellOutput { cell: harvest.cell, exit: 0, files: vec![file] }
        });
        harvest.collect()
    }

    fn render(&mut self, manager: &dyn ApplicationManager) {
        for gridlet in manager.gridlets() {
            let cells: Vec<CellId> = manager.grid().cells_in(&gridlet.cells).collect();
            for step in manager.recipe(gridlet, &cells).steps {
                for output in self.run(manager, &step) {
                    manager.check(&output, self).unwrap();
                    self.accepted.insert(output.cell, output);
                }
            }
        }
    }

    /// Renders on the grid and here, and compares. Returns how many gridlets it took.
    fn compare(&mut self, options: &[&str], gridlets: u32, expected: &[&str]) -> usize {
        let manager = self.open(options, gridlets).unwrap();
        self.render(manager.as_ref());
        let merged_to = self.root.path().join("merged");
        let mut sink = Folder(&merged_to, Vec::new());
        let merged = manager.merge(self, &mut sink).unwrap();
        assert_eq!(sink.1, expected);
        assert_eq!(merged.files, expected);

        let local = Command::new("povray")
            .args(options)
            .args(["+WT1", "-D"])
            .current_dir(self.home())
            .output()
            .unwrap();
        assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));
        for name in expected {
            let here = fs::read(self.home().join(name)).unwrap();
            let there = fs::read(merged_to.join(name)).unwrap();
            if name.ends_with(".bmp") {
                assert!(here == there, "{name}: not the same bytes");
            }
            let here = Picture::decode(&here).unwrap();
            let there = Picture::decode(&there).unwrap();
            assert_eq!(here.shape, there.shape, "{name}");
            assert_eq!(here.meta, there.meta, "{name}");
            let pixel = here.shape.pixel_bytes();
            let pixels = here.pixels.chunks(pixel).zip(there.pixels.chunks(pixel)).enumerate();
            let different: Vec<(usize, usize)> = pixels
                .filter(|(_, (here, there))| here != there)
                .map(|(i, _)| (i % here.shape.width as usize, i / here.shape.width as usize))
                .collect();
            assert_eq!(different, [], "{name}");
            // A comparison of two black pictures would prove nothing.
            assert!(here.pixels.iter().any(|byte| *byte > 100), "{name} is dark");
        }
        let preview = manager.preview(self).unwrap().unwrap();
        assert_eq!(Picture::decode(&preview.bytes).unwrap().shape.width, 100);
        manager.gridlets().len()
    }
}

const SIZE: [&str; 3] = ["+W100", "+H80", "+Llib"];

fn options<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SIZE.iter().chain(more).copied().collect()
}

macro_rules! compares {
    ($($name:ident: $options:expr, $gridlets:literal => $files:expr;)*) => {$(
        #[test]
        fn $name() {
            if povray() {
                let gridlets = Grid::new(SCENE).compare(&options(&$options), $gridlets, &$files);
                assert_eq!(gridlets, $gridlets);
            }
        }
    )*};
}

compares! {
    png_with_8_bits: ["+Iscene.pov", "+Oout.png"], 4 => ["out.png"];
    png_with_16_bits_alpha_and_antialiasing: ["scene.pov", "+FN16", "+UA", "+A0.3"], 4 => ["scene.png"];
    png_in_grey: ["scene.pov", "+FNg"], 2 => ["scene.png"];
    ppm_with_recursive_antialiasing: ["scene.pov", "+FP", "+A0.1", "+AM2", "+R2"], 4 => ["scene.ppm"];
    ppm_with_16_bits: ["scene.pov", "+FP16"], 2 => ["scene.ppm"];
    targa: ["scene.pov", "Output_File_Type=T", "Output_File_Name=a.b"], 2 => ["a.b.tga"];
    compressed_targa_with_alpha: ["scene.pov", "+FC", "+UA"], 2 => ["scene.tga"];
    blocks_of_another_size: ["scene.pov", "+A0.1", "+BS16"], 6 => ["scene.png"];
    bmp: ["scene.pov", "+FB", "+UA"], 2 => ["scene.bmp"];
    a_part_with_antialiasing: ["scene.pov", "+SC15", "+EC0.95", "+SR5", "+ER76", "+A", "+UA"], 4 => ["scene.png"];
    an_animation: ["scene.pov", "+KFI9", "+KFF12", "+KF1.5", "+SF10", "+Oframe"], 2 =>
        ["frame10.png", "frame11.png", "frame12.png"];
}

#[test]
fn an_ini_file_says_it_all() {
    if !povray() {
        return;
    }
    let mut grid = Grid::new(SCENE);
    let ini = "Input_File_Name=scene.pov\n+FT Width=1\n[small]\nWidth=100\nHeight=80\nLibrary_Path=\"lib\"\n\
               Antialias=On\nDeclare=clock_offset=1\nOutput_File_Name=\"all of it.tga\"\n";
    fs::write(grid.home().join("job.ini"), ini).unwrap();
    assert_eq!(grid.compare(&["job.ini[small]"], 3, &["all of it.tga"]), 3);
}

#[test]
fn a_scene_that_cannot_be_cut_is_one_gridlet_and_says_why() {
    if !povray() {
        return;
    }
    let scene = SCENE.replace("rgb 1 }", "rgb 1 area_light x*2, z*2, 4, 4 jitter }");
    let mut grid = Grid::new(&scene);
    assert_eq!(grid.compare(&options(&["scene.pov"]), 8, &["scene.png"]), 1);
    let manager = grid.open(&options(&["scene.pov"]), 8).unwrap();
    assert!(manager.notes().iter().any(|note| note.contains("jitter")), "{:?}", manager.notes());
    assert!(manager.sample(CellId(0), 1).is_none());
}

#[test]
fn samples_tell_right_answers_from_wrong_ones() {
    if !povray() {
        return;
    }
    for more in [&["scene.pov"][..], &["scene.pov", "+A0.3"], &["scene.pov", "+KFF2"]] {
        let mut grid = Grid::new(SCENE);
        let manager = grid.open(&options(more), 2).unwrap();
        grid.render(manager.as_ref());
        let cell = CellId(1);
        let answer = grid.accepted[&cell].clone();
        for seed in 0..2 {
            let sample = manager.sample(cell, seed).unwrap();
            let truth = grid.run(manager.as_ref(), &sample.step).remove(0);
            assert!(manager.matches_sample(&sample, &truth, &answer, &grid).unwrap());
            let mut wrong = answer.clone();
            let [x, y, width, height] = sample.place[..] else { panic!() };
            let area = manager.grid().atoms_of(cell);
            let (wide, high, left, top) = match manager.grid().axes().len() {
                1 => (100, 80, 0, 0),
                _ => {
                    let [rows, columns] = [&area.ranges[0], &area.ranges[1]];
                    (
                        (columns.end - columns.start) as u32,
                        (rows.end - rows.start) as u32,
                        columns.start,
                        rows.start,
                    )
                }
            };
            let Content::Inline(bytes) = &answer.files[0].content else { panic!() };
            let mut picture = tile::decode(bytes, wide, high).unwrap();
            let row = (y - top + height / 2) * u64::from(wide) + (x - left + width / 2);
            // One step in one pixel is POV-Ray's own noise; more is none.
            picture.pixels[row as usize * 3] ^= 1;
            wrong.files[0].content = Content::Inline(tile::encode(&picture).unwrap());
            assert!(manager.matches_sample(&sample, &truth, &wrong, &grid).unwrap());
            assert!(manager.agree(&answer, &wrong, &grid).unwrap());
            picture.pixels[row as usize * 3] ^= 0x40;
            wrong.files[0].content = Content::Inline(tile::encode(&picture).unwrap());
            manager.check(&wrong, &grid).unwrap();
            assert!(!manager.matches_sample(&sample, &truth, &wrong, &grid).unwrap());
            assert!(!manager.agree(&answer, &wrong, &grid).unwrap());
        }
    }
}
