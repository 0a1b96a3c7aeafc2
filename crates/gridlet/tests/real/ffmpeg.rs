//! What the grid would do, with the real ffmpeg and a worker of a few lines: the joined film has to have the
//! pictures, times and sound of the one that ffmpeg makes here.

use std::fs;
use std::process::Command;

use outlast_gridlet::CommandLine;
use outlast_types::CellId;

use crate::grid::{Grid, there, words};

/// Twelve seconds of numbered pictures, and a tone.
const FILM: &str = "-f lavfi -i testsrc2=s=160x90:r=25:d=12";
const TONE: &str = "-f lavfi -i sine=f=440:d=12";

/// Encodes without loss, so that pictures can be compared bit by bit.
const LOSSLESS: &str = "-c:v libx264 -qp 0 -preset ultrafast -c:a aac";

fn ffmpeg() -> bool {
    there(&["ffmpeg", "ffprobe"])
}

impl Grid {
    /// Makes a file with ffmpeg.
    pub(crate) fn make(&self, args: &str, name: &str) {
        let start = ["ffmpeg", "-v", "error", "-nostdin", "-y"];
        self.local(&[&start[..], &words(args), &[name]].concat());
    }

    /// A command of the user's.
    fn film(&self, input: &str, options: &[&str], output: &str) -> CommandLine {
        let argv = [&["ffmpeg", "-i", input], options, &[output]].concat();
        let argv = argv.into_iter().map(str::to_owned).collect();
        CommandLine { argv, ..CommandLine::default() }
    }

    /// Times in seconds and hashes of the pictures of a film, which has to play without a complaint.
    fn pictures(&self, film: &str) -> Vec<(f64, String)> {
        let args = "-map 0:v:0 -fps_mode passthrough -enc_time_base -1 -f framemd5 -";
        let start = ["-v", "error", "-xerror", "-nostdin", "-copyts", "-i", film];
        let output = Command::new("ffmpeg")
            .args([&start[..], &words(args)].concat())
            .current_dir(self.home())
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{film} plays");
        let text = String::from_utf8(output.stdout).unwrap();
        let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: ")).unwrap();
        let (num, den) = base.split_once('/').unwrap();
        let tick = num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap();
        let picture = |line: &str| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            (fields[2].parse::<f64>().unwrap() * tick, fields[5].to_owned())
        };
        text.lines().filter(|line| !line.starts_with('#')).map(picture).collect()
    }

    /// The sound of each stream, decoded, as a hash; and its start.
    fn sound(&self, film: &str) -> Vec<String> {
        let starts = self.local(&[
            "ffprobe",
            "-v",
            "error",
            "-select_streams",
            "a",
            "-show_entries",
            "stream=start_time",
            "-of",
            "csv=p=0",
            film,
        ]);
        let starts: Vec<String> = starts.lines().map(str::to_owned).collect();
        let hash = |(k, start): (usize, &String)| {
            let map = format!("0:a:{k}");
            let hash =
                self.local(&["ffmpeg", "-v", "error", "-i", film, "-map", &map, "-f", "md5", "-"]);
            format!("{start} {hash}")
        };
        starts.iter().enumerate().map(hash).collect()
    }

    fn streams(&self, film: &str) -> String {
        let entries = "stream=codec_name,width,height,r_frame_rate:stream_tags=language:\
                       format_tags=title:chapter=start_time,end_time:chapter_tags=title";
        self.local(&["ffprobe", "-v", "error", "-show_entries", entries, "-of", "compact", film])
    }

    /// Encodes on the grid and here, and compares. Returns the number of parts.
    fn encode_and_compare(
        &mut self,
        input: &str,
        options: &str,
        ext: &str,
        gridlets: u32,
    ) -> usize {
        let output = format!("joined.{ext}");
        let manager =
            self.open("ffmpeg", &self.film(input, &words(options), &output), gridlets).unwrap();
        assert_eq!(manager.app(), "ffmpeg", "{:?}", manager.notes());
        self.work_all(manager.as_ref(), |_, _, _| {});
        manager.merge(self, &mut self.folder("home")).unwrap();
        let local = format!("local.{ext}");
        let start = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", input];
        let threads = ["-threads", "1"];
        self.local(&[&start[..], &words(options), &threads, &[&local]].concat());
        let (here, there) = (self.pictures(&local), self.pictures(&output));
        assert_eq!(there.len(), here.len(), "pictures");
        for (k, (here, there)) in here.iter().zip(&there).enumerate() {
            assert_eq!(there.1, here.1, "picture {k}");
            assert!((there.0 - here.0).abs() <= 0.001, "picture {k} at {} not {}", there.0, here.0);
        }
        assert_eq!(self.sound(&output), self.sound(&local));
        assert_eq!(self.streams(&output), self.streams(&local));
        manager.grid().cells() as usize
    }

    /// Why a command isn't split.
    fn whole(&self, input: &str, options: &str, output: &str) -> String {
        let manager = self.open("ffmpeg", &self.film(input, &words(options), output), 4).unwrap();
        assert_eq!(manager.app(), "command");
        assert_eq!(manager.gridlets().len(), 1);
        manager.notes().join("; ")
    }
}

macro_rules! compares {
    ($($name:ident: $make:expr, $input:literal, $ext:literal => $cells:literal;)*) => {$(
        #[test]
        fn $name() {
            if ffmpeg() {
                let mut grid = Grid::new();
                grid.make(&$make.replace("FILM", FILM).replace("TONE", TONE), $input);
                assert_eq!(grid.encode_and_compare($input, LOSSLESS, $ext, 4), $cells);
            }
        }
    )*};
}

compares! {
    closed_groups: "FILM TONE -c:v libx264 -g 50 -bf 3 -c:a aac", "a.mp4", "mp4" => 5;
    closed_groups_to_matroska: "FILM TONE -c:v libx264 -g 50 -bf 3 -c:a aac", "a.mp4", "mkv" => 5;
    open_groups_of_h264: "FILM TONE -c:v libx264 -g 25 -bf 3 -x264-params open-gop=1 -c:a aac", "a.mp4", "mp4" => 5;
    open_groups_of_h265: "FILM TONE -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:pools=1 -c:a aac", "a.mkv", "mkv" => 5;
    open_groups_of_mpeg2_that_starts_late: "FILM TONE -c:v mpeg2video -g 15 -bf 2 -c:a mp2", "a.ts", "mp4" => 5;
    times_with_a_gap_at_the_start: "FILM TONE -c:v libx264 -g 50 -c:a aac -output_ts_offset 3.7", "a.ts", "mp4" => 5;
    milliseconds_of_matroska_at_29_97: "-f lavfi -i testsrc2=s=160x90:r=30000/1001:d=12 TONE -c:v libx264 -g 60 -c:a aac", "a.mkv", "mp4" => 5;
    uneven_times_to_matroska: "FILM TONE -vf select='not(mod(n,3))+lt(mod(n,50),20)' -fps_mode vfr -c:v libx264 -g 30 -c:a aac", "a.mkv", "mkv" => 4;
    two_sounds_of_webm: "FILM TONE -f lavfi -i sine=f=880:d=12 -map 0 -map 1 -map 2 -c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 0 -g 50 -c:a libopus", "a.webm", "mkv" => 5;
    no_sound: "FILM -c:v libx264 -g 50 -metadata title=Numbers", "a.mp4", "mp4" => 4;
    pictures_without_times_of_their_own: "FILM TONE -c:v mpeg4 -g 50 -bf 2 -c:a mp3", "a.avi", "mkv" => 5;
}

#[test]
fn options_of_the_user_reach_the_right_command() {
    if !ffmpeg() {
        return;
    }
    let mut grid = Grid::new();
    let film = format!(
        "{FILM} {TONE} -metadata:s:a:0 language=fra -metadata title=Numbers -c:v libx264 -g 50 -c:a aac"
    );
    // A name with everything that a shell or a list of files could take amiss.
    let name = "it's a \"film\" [1] %d.mp4";
    grid.make(&film, name);
    let options = format!(
        "{LOSSLESS} -b:a 64k -vf scale=80:-2,eq=contrast=1.2 -movflags +faststart -map 0:v -map 0:a"
    );
    assert_eq!(grid.encode_and_compare(name, &options, "mp4", 3), 4);
    let bytes = fs::read(grid.home().join("joined.mp4")).unwrap();
    let at = |tag: &[u8]| bytes.windows(4).position(|word| word == tag).unwrap();
    assert!(at(b"moov") < at(b"mdat"), "it starts fast");
}

#[test]
fn subtitles_chapters_and_the_title_come_along() {
    if !ffmpeg() {
        return;
    }
    let mut grid = Grid::new();
    let texts =
        "1\n00:00:01,000 --> 00:00:03,000\nfirst\n\n2\n00:00:05,000 --> 00:00:09,000\nlast\n";
    fs::write(grid.home().join("texts.srt"), texts).unwrap();
    let chapters = ";FFMETADATA1\ntitle=Numbers\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=5000\ntitle=One\n\
                    [CHAPTER]\nTIMEBASE=1/1000\nSTART=5000\nEND=12000\ntitle=Two\n";
    fs::write(grid.home().join("chapters.txt"), chapters).unwrap();
    let film = format!(
        "{FILM} {TONE} -i texts.srt -i chapters.txt -map 0 -map 1 -map 2 -map_metadata 3 -c:v libx264 -g 50 \
         -c:a aac -c:s srt"
    );
    grid.make(&film, "a.mkv");
    for ext in ["mp4", "mkv"] {
        assert_eq!(grid.encode_and_compare("a.mkv", LOSSLESS, ext, 2), 3);
    }
    let texts = |name| grid.local(&["ffmpeg", "-v", "error", "-i", name, "-f", "srt", "-"]);
    assert!(texts("local.mkv").contains("first"));
    assert_eq!(texts("joined.mkv"), texts("local.mkv"));
}

#[test]
fn pictures_that_players_turn_are_turned() {
    if !ffmpeg() {
        return;
    }
    let mut grid = Grid::new();
    grid.make(&format!("{FILM} -c:v libx264 -g 50"), "flat.mp4");
    for degrees in ["90", "180", "270"] {
        grid.make(&format!("-i flat.mp4 -c copy -metadata:s:v rotate={degrees}"), "turned.mp4");
        assert_eq!(grid.encode_and_compare("turned.mp4", LOSSLESS, "mp4", 2), 2);
    }
}

#[test]
fn the_same_part_gives_the_same_bytes_whatever_encodes_it() {
    if !ffmpeg() {
        return;
    }
    let grid = Grid::new();
    grid.make(&format!("{FILM} {TONE} -c:v libx264 -g 50 -c:a aac"), "a.mp4");
    for options in [
        "-c:v libx264 -b:v 200k -threads 4",
        "-c:v libx265 -preset ultrafast",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -c:a libopus",
    ] {
        let manager =
            grid.open("ffmpeg", &grid.film("a.mp4", &words(options), "b.mkv"), 2).unwrap();
        for gridlet in manager.gridlets() {
            let cells: Vec<CellId> = manager.grid().cells_in(&gridlet.cells).collect();
            for step in manager.recipe(gridlet, &cells).steps {
                let once = grid.work(manager.as_ref(), &step);
                let twice = grid.work(manager.as_ref(), &step);
                assert!(manager.agree(&once[0], &twice[0], &grid).unwrap(), "{:?}", step.args);
            }
        }
    }
}

#[test]
fn what_cannot_be_cut_runs_as_a_whole_and_says_why() {
    if !ffmpeg() {
        return;
    }
    let grid = Grid::new();
    grid.make(&format!("{FILM} {TONE} -c:v libx264 -g 50 -c:a aac"), "a.mp4");
    let uneven = "-vf select='not(mod(n,3))+lt(mod(n,50),20)' -fps_mode vfr -c:v libx264 -g 40";
    grid.make(&format!("{FILM} {uneven}"), "uneven.mp4");
    grid.make(
        &format!("{FILM} -c:v libx264 -g 1000 -keyint_min 1000 -sc_threshold 0"),
        "one-key.mp4",
    );
    grid.make("-f lavfi -i testsrc2=s=160x90 -frames:v 1 -c:v libx264", "single.mp4");
    grid.make(&format!("{TONE} -c:a aac"), "sound.m4a");
    grid.make(&format!("{FILM} -i a.mp4 -map 0:v -map 1:v -c:v libx264 -g 50"), "two.mkv");
    grid.make("-ss 3.3 -i a.mp4 -c copy", "excerpt.mp4");
    let refresh = "-c:v libx264 -x264-params intra-refresh=1:keyint=50";
    grid.make(&format!("{FILM} {refresh}"), "refresh.mkv");
    grid.make(&format!("{FILM} -vf scale=80:-2 -c:v mpeg2video -g 15"), "small.mpg");
    grid.make(&format!("{FILM} -c:v mpeg2video -g 15"), "large.mpg");
    let both = ["large.mpg", "small.mpg"].map(|name| fs::read(grid.home().join(name)).unwrap());
    fs::write(grid.home().join("sizes.mpg"), both.concat()).unwrap();
    fs::write(grid.home().join("empty.mp4"), "").unwrap();
    let start = fs::read(grid.home().join("a.mp4")).unwrap();
    fs::write(grid.home().join("broken.mp4"), &start[..20_000]).unwrap();
    for (input, options, output, why) in [
        ("a.mp4", "-ss 2", "b.mp4", "only a part of the film is wanted"),
        ("a.mp4", "-r 30", "b.mp4", "a change of the rate"),
        ("a.mp4", "-c copy", "b.mp4", "only copied"),
        ("a.mp4", "-c:v copy", "b.mp4", "only copied"),
        ("a.mp4", "-pass 2 -b:v 100k", "b.mp4", "two passes"),
        ("a.mp4", "-vf fps=10", "b.mp4", "the filter `fps`"),
        ("a.mp4", "-vf drawbox=enable='lt(n,9)'", "b.mp4", "uses `n`"),
        ("a.mp4", "-filter_complex [0:v]scale=80:-2[v] -map [v]", "b.mp4", "graph"),
        ("a.mp4", "-vn", "b.mp4", "`-vn`"),
        ("a.mp4", "-map 0:a -map 0:v", "b.mp4", "`-map 0:a` was given"),
        ("a.mp4", "-i sound.m4a", "b.mp4", "`-i` is given twice"),
        ("a.mp4", "", "b.avi", "parts of a `avi` file"),
        ("a.mp4", "-f matroska", "b.mp4", "the container `matroska`"),
        ("a.mp4", "b.mkv", "b.mp4", "isn't expected"),
        ("uneven.mp4", "", "b.mp4", "uneven times"),
        ("one-key.mp4", "", "b.mp4", "no key frame but the first"),
        ("single.mp4", "", "b.mp4", "no key frame but the first"),
        ("excerpt.mp4", "", "b.mp4", "aren't shown"),
        ("refresh.mkv", "", "b.mkv", "without what is before"),
        ("sizes.mpg", "", "b.mkv", ""),
        ("sound.m4a", "", "b.mp4", "no moving pictures"),
        ("two.mkv", "", "b.mp4", "several video streams"),
        ("empty.mp4", "", "b.mp4", "it can't be read"),
        ("broken.mp4", "", "b.mp4", "it can't be read"),
        ("none.mp4", "", "b.mp4", "is no file"),
        ("a.mp4", "-c:a no-such-codec", "b.mp4", "can't be encoded apart"),
    ] {
        let notes = grid.whole(input, options, output);
        assert!(notes.contains(why), "{input} {options} {output}: {notes}");
    }
    let mut before = grid.film("a.mp4", &[], "b.mp4");
    before.argv.splice(1..1, ["-c:v", "h264"].map(str::to_owned));
    let manager = grid.open("ffmpeg", &before, 4).unwrap();
    assert!(manager.notes()[0].contains("`-c:v` comes before `-i`"), "{:?}", manager.notes());
}

#[test]
fn uneven_times_are_kept_if_the_user_says_so() {
    if !ffmpeg() {
        return;
    }
    let mut grid = Grid::new();
    let uneven = "-vf select='not(mod(n,3))+lt(mod(n,50),20)' -fps_mode vfr -c:v libx264 -g 40";
    grid.make(&format!("{FILM} {TONE} {uneven} -c:a aac"), "a.mp4");
    let options = format!("{LOSSLESS} -fps_mode vfr");
    assert_eq!(grid.encode_and_compare("a.mp4", &options, "mp4", 3), 4);
}
