//! What the grid would do, with the real POV-Ray and a worker of a few lines: the merged picture has to be the
//! one that POV-Ray renders here.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use outlast_gridlet::picture::{Format, Picture, tile};
use outlast_gridlet::{ApplicationManager, Blobs, CommandLine, Content};
use outlast_types::CellId;

use crate::grid::{Grid, there};

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

impl Grid {
    fn with_scene(scene: &str) -> Self {
        let grid = Self::new();
        fs::create_dir_all(grid.root.path().join("art")).unwrap();
        fs::write(grid.home().join("scene.pov"), scene).unwrap();
        fs::create_dir_all(grid.home().join("lib")).unwrap();
        fs::write(grid.home().join("lib/shape.inc"), SHAPE).unwrap();
        let pixels = [250, 10, 10, 10, 250, 10, 10, 10, 250, 200, 200, 40].to_vec();
        let ppm = [b"P6\n2 2\n255\n".to_vec(), pixels].concat();
        let mut map = Picture::decode(&ppm).unwrap();
        map.meta.format = Format::Png;
        fs::write(grid.root.path().join("art/map.png"), map.encode().unwrap()).unwrap();
        grid
    }

    fn rendered(&self, options: &[&str], gridlets: u32) -> Arc<dyn ApplicationManager> {
        let argv = ["povray"].iter().chain(options).map(|word| (*word).to_owned()).collect();
        self.open("povray", &CommandLine { argv, ..CommandLine::default() }, gridlets).unwrap()
    }

    /// Renders on the grid and here, and compares. Returns how many gridlets it took.
    fn render_and_compare(&mut self, options: &[&str], gridlets: u32, expected: &[&str]) -> usize {
        let manager = self.rendered(options, gridlets);
        self.work_all(manager.as_ref(), |_, _, _| {});
        let merged_to = self.root.path().join("merged");
        let mut sink = self.folder("merged");
        let merged = manager.merge(self, &mut sink).unwrap();
        assert_eq!(sink.written, expected);
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
            if there(&["povray"]) {
                let gridlets = Grid::with_scene(SCENE).render_and_compare(&options(&$options), $gridlets, &$files);
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
    if !there(&["povray"]) {
        return;
    }
    let mut grid = Grid::with_scene(SCENE);
    let ini = "Input_File_Name=scene.pov\n+FT Width=1\n[small]\nWidth=100\nHeight=80\nLibrary_Path=\"lib\"\n\
               Antialias=On\nDeclare=clock_offset=1\nOutput_File_Name=\"all of it.tga\"\n";
    fs::write(grid.home().join("job.ini"), ini).unwrap();
    assert_eq!(grid.render_and_compare(&["job.ini[small]"], 3, &["all of it.tga"]), 3);
}

#[test]
fn a_scene_that_cannot_be_cut_is_one_gridlet_and_says_why() {
    if !there(&["povray"]) {
        return;
    }
    let scene = SCENE.replace("rgb 1 }", "rgb 1 area_light x*2, z*2, 4, 4 jitter }");
    let mut grid = Grid::with_scene(&scene);
    assert_eq!(grid.render_and_compare(&options(&["scene.pov"]), 8, &["scene.png"]), 1);
    let manager = grid.rendered(&options(&["scene.pov"]), 8);
    assert!(manager.notes().iter().any(|note| note.contains("jitter")), "{:?}", manager.notes());
    assert!(manager.sample(CellId(0), 1).is_none());
}

#[test]
fn samples_tell_right_answers_from_wrong_ones() {
    if !there(&["povray"]) {
        return;
    }
    for more in [&["scene.pov"][..], &["scene.pov", "+A0.3"], &["scene.pov", "+KFF2"]] {
        let mut grid = Grid::with_scene(SCENE);
        let manager = grid.rendered(&options(more), 2);
        grid.work_all(manager.as_ref(), |_, _, _| {});
        let cell = CellId(1);
        let answer = grid.accepted[&cell].clone();
        for seed in 0..2 {
            let sample = manager.sample(cell, seed).unwrap();
            let truth = grid.work(manager.as_ref(), &sample.step).remove(0);
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
            let bytes = grid.bytes(&answer.files[0].content).unwrap();
            let mut picture = tile::decode(&bytes, wide, high).unwrap();
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
