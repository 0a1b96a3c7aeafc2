//! Our own small scenes, and what POV-Ray itself makes of them.

use std::process::Command;

use outlast_gridlet::picture::Picture;

use crate::world::World;

/// Spheres over a plane, with shadows and reflections: no two blocks of it are alike.
const SCENE: &str = r#"
#version 3.7;
#include "colours.inc"
global_settings { assumed_gamma 1.0 max_trace_level 6 }
camera { location <0, 2.2, -6> look_at <0, 0.6, 0> right x * image_width / image_height }
light_source { <4, 8, -6> color rgb 1.1 }
light_source { <-7, 5, -3> color rgb <0.3, 0.35, 0.5> }
plane { y, 0 pigment { checker Sand Stone scale 0.7 } finish { reflection 0.15 } }
#declare I = 0;
#while (I < 7)
  sphere {
    <2.2 * cos(I * 0.9), 0.5 + 0.12 * I, 1.8 * sin(I * 0.9)>, 0.45
    pigment { granite scale 0.4 color_map { [0 rgb <0.1 * I, 0.4, 0.8>] [1 rgb <0.9, 0.1 * I, 0.2>] } }
    finish { phong 0.8 reflection 0.25 }
  }
  #declare I = I + 1;
#end
"#;

/// What the scene includes.
const COLOURS: &str = "
#declare Sand = color rgb <0.85, 0.75, 0.55>;
#declare Stone = color rgb <0.35, 0.38, 0.42>;
";

/// A scene in the job's folder.
#[derive(Debug)]
pub struct Scene<'w> {
    world: &'w World,
    size: (u32, u32),
}

impl<'w> Scene<'w> {
    /// A picture of so many pixels. `None`, and said so, if POV-Ray isn't installed.
    pub fn new(world: &'w World, width: u32, height: u32) -> Option<Self> {
        if let Err(error) = Command::new("povray").arg("--version").output() {
            crate::skipped(&format!("`povray`: {error}"));
            return None;
        }
        world.write("scene.pov", SCENE);
        world.write("colours.inc", COLOURS);
        Some(Self { world, size: (width, height) })
    }

    /// The command that renders it into a file.
    pub fn command(&self, output: &str) -> Vec<String> {
        let (width, height) = self.size;
        let words = format!("povray +Iscene.pov +W{width} +H{height} +O{output} +A0.3 -D");
        words.split(' ').map(str::to_owned).collect()
    }

    /// The picture in `output` is what POV-Ray renders here by itself, pixel for pixel.
    ///
    /// # Panics
    /// If it isn't.
    #[track_caller]
    pub fn is_in(&self, output: &str) {
        let (expected, found) = (self.reference(), self.decoded(output));
        assert_eq!(expected.shape, found.shape);
        self.looks_like(output);
    }

    /// The same, in whatever form: a preview has an alpha channel.
    ///
    /// # Panics
    /// If it isn't.
    #[track_caller]
    pub fn looks_like(&self, output: &str) {
        let (expected, found) = (self.reference().rgba8(), self.decoded(output).rgba8());
        assert_eq!(expected.len(), found.len());
        let pairs = expected.chunks_exact(4).zip(found.chunks_exact(4));
        let wrong = pairs.filter(|(expected, found)| expected != found).count();
        assert_eq!(wrong, 0, "pixels of {output} are wrong");
    }

    fn reference(&self) -> Picture {
        const NAME: &str = "reference.png";
        if !self.world.job_folder().join(NAME).exists() {
            let command = self.command(NAME);
            let mut povray = Command::new(&command[0]);
            povray.args(&command[1..]).arg("+WT1").current_dir(self.world.job_folder());
            let rendered = povray.output().expect("it is installed");
            let said = String::from_utf8_lossy(&rendered.stderr);
            assert!(rendered.status.success(), "{said}");
        }
        self.decoded(NAME)
    }

    fn decoded(&self, name: &str) -> Picture {
        let path = self.world.job_folder().join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Picture::decode(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}
