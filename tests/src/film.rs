//! A small film, and what ffmpeg itself makes of it.

use std::process::Command;

use crate::world::World;

/// How films are encoded here: without loss, so that pictures can be compared bit by bit.
const ENCODED: &str = "-c:v libx264 -qp 0 -preset ultrafast -c:a aac";

/// A film in the job's folder.
#[derive(Debug)]
pub struct Film<'w> {
    world: &'w World,
}

impl<'w> Film<'w> {
    /// Numbered pictures with key frames every second, and a tone. `None`, and said so, if ffmpeg isn't installed.
    ///
    /// # Panics
    /// If it can't be made.
    pub fn new(world: &'w World, seconds: u32) -> Option<Self> {
        for program in ["ffmpeg", "ffprobe"] {
            if let Err(error) = Command::new(program).arg("-version").output() {
                crate::skipped(&format!("`{program}`: {error}"));
                return None;
            }
        }
        let film = Self { world };
        let made = format!(
            "-f lavfi -i testsrc2=s=160x90:r=25:d={seconds} -f lavfi -i sine=f=440:d={seconds} \
             -c:v libx264 -g 25 -bf 2 -c:a aac film.mp4"
        );
        film.ffmpeg(&made);
        Some(film)
    }

    /// The command that encodes it anew.
    pub fn command(&self, output: &str) -> Vec<String> {
        let words = format!("ffmpeg -i film.mp4 {ENCODED} {output}");
        words.split(' ').map(str::to_owned).collect()
    }

    /// Runs ffmpeg in the job's folder, and returns what it printed.
    fn ffmpeg(&self, args: &str) -> String {
        let mut command = Command::new("ffmpeg");
        command.args("-v error -xerror -nostdin -y".split(' ')).args(args.split_whitespace());
        let ran = command.current_dir(self.world.job_folder()).output().expect("it is installed");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success() && said.is_empty(), "{args}: {said}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Each picture and packet of sound with its time, decoded.
    fn played(&self, name: &str) -> Vec<String> {
        let args = "-map 0:v -map 0:a -fps_mode passthrough -enc_time_base 1:12800 -f framehash -";
        let text = self.ffmpeg(&format!("-copyts -i {name} {args}"));
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// The film in `output` is what ffmpeg makes of it here: it plays from the beginning to the end, with the
    /// same pictures and the same sound at the same times.
    ///
    /// # Panics
    /// If it isn't.
    #[track_caller]
    pub fn is_in(&self, output: &str) {
        self.ffmpeg(&format!("-i film.mp4 {ENCODED} -threads 1 reference.mp4"));
        let (expected, found) = (self.played("reference.mp4"), self.played(output));
        assert!(expected.len() > 100, "{expected:?}");
        assert_eq!(expected.len(), found.len());
        let mut pairs = expected.iter().zip(&found);
        assert_eq!(pairs.find(|(expected, found)| expected != found), None);
    }
}
