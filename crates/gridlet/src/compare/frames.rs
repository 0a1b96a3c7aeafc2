//! Films and sound by what they decode to: ffmpeg decodes, here, what workers encoded.
//!
//! ```text
//!  each file ──ffmpeg, framemd5──▶ streams, times and hashes of their frames
//!      streams, frames, times the same? hashes the same? ──▶ agree
//!      pictures that aren't: ffmpeg, psnr ──▶ each frame's ratio ≥ psnr?
//!      sound that isn't: ffmpeg, difference of the samples ──▶ its peak ≤ sound?
//! ```
//!
//! Without `psnr` every picture has to be the same bit by bit, without `sound` every sample. Times may be a
//! millisecond apart. Each picture is judged by itself: an average over a film would let a few frames be all
//! wrong. Subtitles have to be the same. What ffmpeg doesn't decode (attachments, tags, chapters) isn't looked at.
//!
//! ffmpeg meets bytes of strangers: it may open these two files and nothing else (no playlists, no network), no
//! frame may have more than [`MAX_PIXELS`], and its time is limited. A file that it can't decode agrees with
//! the same bytes only.

use serde::{Deserialize, Serialize};

use super::command::{failed, said};
use super::{Agreement, CompareError, extension};
use crate::{Blobs, Content, OutFile, Ran, Tool};

/// What decodes.
pub(super) const PROGRAM: &str = "ffmpeg";

/// Seconds that a run of it may take.
const TIMEOUT_S: u32 = 600;

/// Pixels of a frame: 8K television has 33,177,600.
const MAX_PIXELS: u32 = 1 << 25;

/// Frames of all streams together that are looked at: a day of pictures and as much sound.
const MAX_FRAMES: usize = 1 << 22;

/// Streams of a file.
const MAX_STREAMS: usize = 64;

/// Samples of sound that are hashed together.
const SOUND_FRAME: u32 = 4096;

/// Seconds by which times may differ: containers round them.
const TIME_S: f64 = 0.001;

/// Containers that name no other files.
const FORMATS: &str = "mov,matroska,webm,avi,ogg,flac,wav,w64,aiff,au,caf,mp3,aac,ac3,eac3,dts,wv,tta,ape,\
                       mpegts,mpeg,mpegvideo,m4v,flv,nut,ivf,obu,h264,hevc,vc1,mjpeg,dv,mxf,asf,gif,apng,\
                       yuv4mpegpipe,png_pipe,jpeg_pipe,jpegls_pipe,j2k_pipe,jpegxl_pipe,webp_pipe,tiff_pipe,\
                       bmp_pipe,ppm_pipe,pgm_pipe,pam_pipe,exr_pipe,dpx_pipe,srt,webvtt,ass";

/// What decoded frames may differ by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frames {
    /// The peak signal-to-noise ratio of each picture is at least this, in decibels.
    pub psnr: Option<f64>,
    /// No sample of sound differs by more, in parts of full scale.
    pub sound: Option<f64>,
}

/// Whether a file of this name is taken for film or sound.
pub(super) fn is_media(name: &str) -> bool {
    let known = [
        "mp4", "m4v", "m4a", "mov", "mkv", "webm", "avi", "ogg", "ogv", "oga", "opus", "flac",
        "wav", "w64", "aiff", "aif", "au", "caf", "mp3", "aac", "ac3", "eac3", "dts", "wv", "tta",
        "ape", "ts", "m2ts", "mpg", "mpeg", "flv", "nut", "ivf", "h264", "264", "hevc", "265",
        "mjpeg", "dv", "mxf", "wmv", "gif", "apng", "y4m", "jpg", "jpeg", "webp", "tif", "tiff",
        "jp2", "jxl", "exr", "dpx", "pam",
    ];
    known.contains(&extension(name).as_str())
}

/// One frame of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    time_s: f64,
    bytes: u64,
    hash: u128,
}

/// What a stream decodes to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stream {
    /// Seconds of a tick: of sound, a sample.
    tick_s: f64,
    /// How long its frames last together.
    ticks: u64,
    /// `video`, `audio`, `subtitle`.
    kind: String,
    /// Size, rate and layout, as ffmpeg writes them.
    form: Vec<String>,
    frames: Vec<Frame>,
}

impl Frames {
    pub(super) fn describe(&self) -> String {
        let pictures = self.psnr.map_or_else(
            || "every picture the same".to_owned(),
            |least| format!("each picture with a signal-to-noise ratio of at least {least} dB"),
        );
        let sound = self.sound.map_or_else(
            || "every sample of sound the same".to_owned(),
            |most| format!("samples of sound that differ by at most {most} of full scale"),
        );
        format!("by decoded frames: {pictures}, {sound}")
    }

    pub(super) fn compare(
        &self,
        a: &OutFile,
        b: &OutFile,
        blobs: &dyn Blobs,
    ) -> Result<Agreement, CompareError> {
        // Without the name that a stranger chose: what it is, the content says.
        let file = |folder: &str, file: &OutFile| (format!("{folder}/media"), file.content.clone());
        let files = [file("a", a), file("b", b)];
        let (Some(first), Some(second)) = (streams(&files[0], blobs)?, streams(&files[1], blobs)?)
        else {
            return Ok(differ("other bytes, and not both can be decoded"));
        };
        if first.len() != second.len() {
            return Ok(differ(format!("{} streams and {}", first.len(), second.len())));
        }
        let mut counts = (0, 0);
        for (number, (x, y)) in first.iter().zip(&second).enumerate() {
            let at = match x.kind.as_str() {
                "video" => &mut counts.0,
                "audio" => &mut counts.1,
                _ => &mut 0,
            };
            let index = *at;
            *at += 1;
            if let Err(why) = shape(x, y) {
                return Ok(differ(format!("stream {number}: {why}")));
            }
            let changed = |(x, y): (&Frame, &Frame)| x.hash != y.hash;
            let Some(frame) = x.frames.iter().zip(&y.frames).position(changed) else { continue };
            let found = match (x.kind.as_str(), self.psnr, self.sound) {
                ("video", Some(least), _) => pictures(index, x.frames.len(), least, &files, blobs)?,
                ("audio", _, Some(most)) => sound(index, x.ticks, most, &files, blobs)?,
                _ => Err(format!("frame {frame} is another one")),
            };
            if let Err(why) = found {
                return Ok(differ(format!("stream {number}: {why}")));
            }
        }
        Ok(Agreement::Agree)
    }
}

fn differ(why: impl Into<String>) -> Agreement {
    Agreement::Differ(why.into())
}

/// Whether two streams have the same form, frames and times.
fn shape(a: &Stream, b: &Stream) -> Result<(), String> {
    if a.kind != b.kind || a.form != b.form {
        let text = |stream: &Stream| format!("{} {}", stream.kind, stream.form.join(" "));
        return Err(format!("{} and {}", text(a), text(b)));
    }
    if a.frames.len() != b.frames.len() {
        return Err(format!("{} frames and {}", a.frames.len(), b.frames.len()));
    }
    for (number, (a, b)) in a.frames.iter().zip(&b.frames).enumerate() {
        if a.bytes != b.bytes {
            return Err(format!("frame {number} has {} bytes and {}", a.bytes, b.bytes));
        }
        if (a.time_s - b.time_s).abs() > TIME_S {
            return Err(format!("frame {number} is at {:.3} s and {:.3} s", a.time_s, b.time_s));
        }
    }
    Ok(())
}

/// Options in front of each input.
fn input(path: &str) -> Vec<String> {
    let limit = MAX_PIXELS.to_string();
    let path = format!("file:{path}");
    let words = ["-threads", "1", "-max_pixels", &limit, "-protocol_whitelist", "file"];
    let rest = ["-format_whitelist", FORMATS, "-i", &path];
    words.into_iter().chain(rest).map(str::to_owned).collect()
}

/// Runs ffmpeg; `None` if it can't make anything of the files.
fn ffmpeg(
    files: &[(String, Content)],
    rest: &[&str],
    blobs: &dyn Blobs,
) -> Result<Option<Ran>, CompareError> {
    let start = ["-v", "error", "-nostdin", "-copyts"].map(str::to_owned);
    let inputs = files.iter().flat_map(|(path, _)| input(path));
    let args = start.into_iter().chain(inputs).chain(rest.iter().map(|word| (*word).to_owned()));
    let tool = Tool { program: PROGRAM.to_owned(), args: args.collect(), timeout_s: TIMEOUT_S };
    let ran = blobs.run(files, &tool).map_err(|error| failed(PROGRAM, PROGRAM, error))?;
    // Killed, not refused: by a fault, the kernel for want of memory, or a limit of ours. (Newer releases
    // end with other codes above 128 for files that they can't read.)
    if matches!(ran.exit, 132 | 134..=137 | 139 | 152 | 153) {
        let (exit, said) = (ran.exit, said(&ran));
        return Err(CompareError::Nonsense { command: PROGRAM.to_owned(), exit, said });
    }
    Ok((ran.exit == 0).then_some(ran))
}

/// The streams of a file; `None` if it can't be decoded.
fn streams(
    file: &(String, Content),
    blobs: &dyn Blobs,
) -> Result<Option<Vec<Stream>>, CompareError> {
    let regular = format!("asetnsamples=n={SOUND_FRAME}:p=0");
    let rest = [
        "-map",
        "0:v?",
        "-map",
        "0:a?",
        "-map",
        "0:s?",
        "-c:s",
        "copy",
        "-af",
        &regular,
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ];
    let Some(ran) = ffmpeg(std::slice::from_ref(file), &rest, blobs)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&ran.stdout);
    let mut streams: Vec<Stream> = Vec::new();
    let mut frames = 0;
    for line in text.lines() {
        let unexpected = || CompareError::Output {
            program: PROGRAM.to_owned(),
            found: line.chars().take(200).collect(),
        };
        if let Some(header) = line.strip_prefix('#') {
            read_header(header, &mut streams);
            continue;
        }
        frames += 1;
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let stream = fields.first().and_then(|field| field.parse::<usize>().ok());
        let stream = stream.and_then(|number| streams.get_mut(number)).ok_or_else(unexpected)?;
        let [_, _, pts, duration, size, hash] = fields[..] else { return Err(unexpected()) };
        let ticks: i64 = pts.parse().map_err(|_| unexpected())?;
        let duration: u64 = duration.parse().map_err(|_| unexpected())?;
        stream.ticks = stream.ticks.saturating_add(duration);
        let bytes = size.parse().map_err(|_| unexpected())?;
        let hash = u128::from_str_radix(hash, 16).map_err(|_| unexpected())?;
        let time_s = ticks as f64 * stream.tick_s;
        if !time_s.is_finite() {
            return Err(unexpected());
        }
        stream.frames.push(Frame { time_s, bytes, hash });
        if frames > MAX_FRAMES {
            return Err(CompareError::TooLarge {
                name: file.0.clone(),
                found: frames as u64,
                unit: "frames",
                limit: MAX_FRAMES as u64,
            });
        }
    }
    Ok((!streams.is_empty()).then_some(streams))
}

/// A line such as `tb 0: 1/25` or `dimensions 0: 64x48`.
fn read_header(header: &str, streams: &mut Vec<Stream>) {
    let Some((head, value)) = header.split_once(": ") else { return };
    let Some((key, number)) = head.split_once(' ') else { return };
    let Ok(number) = number.parse::<usize>() else { return };
    if number >= MAX_STREAMS {
        return;
    }
    if streams.len() <= number {
        streams.resize_with(number + 1, Stream::default);
    }
    let stream = &mut streams[number];
    match key {
        "tb" => {
            let ratio = value.split_once('/');
            let ratio =
                ratio.and_then(|(n, d)| Some(n.parse::<f64>().ok()? / d.parse::<f64>().ok()?));
            stream.tick_s = ratio.unwrap_or(f64::NAN);
        }
        "media_type" => stream.kind = value.to_owned(),
        // The name of the codec says how frames are laid out, which their number of bytes says as well.
        "codec_id" => {}
        _ => stream.form.push(format!("{key} {value}")),
    }
}

/// Whether each picture of a stream has at least this ratio. Pictures are paired by their number.
fn pictures(
    index: usize,
    count: usize,
    least: f64,
    files: &[(String, Content)],
    blobs: &dyn Blobs,
) -> Result<Result<(), String>, CompareError> {
    let filter = format!(
        "[0:v:{index}]settb=1/1000,setpts=N[x];[1:v:{index}]settb=1/1000,setpts=N[y];[x][y]psnr=stats_file=-"
    );
    let rest = ["-filter_complex", &filter, "-fps_mode", "passthrough", "-f", "null", "-"];
    let Some(ran) = ffmpeg(files, &rest, blobs)? else {
        return Ok(Err("the pictures can't be laid side by side".to_owned()));
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    let mut seen = 0;
    for line in text.lines() {
        let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name));
        let ratio = field("psnr_avg:").and_then(|ratio| ratio.parse::<f64>().ok());
        let Some(ratio) = ratio else {
            let found = line.chars().take(200).collect();
            return Err(CompareError::Output { program: PROGRAM.to_owned(), found });
        };
        // What is no number is no agreement.
        if ratio.is_nan() || ratio < least {
            return Ok(Err(format!("frame {seen} has {ratio} dB, expected at least {least}")));
        }
        seen += 1;
    }
    if seen == count {
        return Ok(Ok(()));
    }
    let found = format!("ratios of {seen} pictures, expected {count}");
    Err(CompareError::Output { program: PROGRAM.to_owned(), found })
}

/// Whether no sample of a stream differs by more than this.
fn sound(
    index: usize,
    samples: u64,
    most: f64,
    files: &[(String, Content)],
    blobs: &dyn Blobs,
) -> Result<Result<(), String>, CompareError> {
    // The difference of the two, and its extremes so far after each frame. `amix` takes no negative weights,
    // and loses the end of what isn't cut alike.
    let regular = format!("asetnsamples=n={SOUND_FRAME}:p=0,asetpts=N/SR/TB");
    let filter = format!(
        "[0:a:{index}]aformat=sample_fmts=dbl,{regular}[x];\
         [1:a:{index}]aformat=sample_fmts=dbl,aeval=-val(ch):c=same,{regular}[y];\
         [x][y]amix=inputs=2:normalize=0,\
         astats=metadata=1:reset=0:measure_perchannel=none:\
         measure_overall=Min_level+Max_level+Number_of_samples,\
         ametadata=mode=print:file=-"
    );
    let rest = ["-filter_complex", &filter, "-f", "null", "-"];
    let Some(ran) = ffmpeg(files, &rest, blobs)? else {
        return Ok(Err("the sound can't be laid side by side".to_owned()));
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    let last = |key: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.strip_prefix('=')?.trim().parse::<f64>().ok())
    };
    let [low, high, count] = ["Min_level", "Max_level", "Number_of_samples"]
        .map(|key| last(&format!("lavfi.astats.Overall.{key}")));
    let (Some(low), Some(high), true) = (low, high, count == Some(samples as f64)) else {
        let found = format!("the extremes of {count:?} samples, expected {samples}");
        return Err(CompareError::Output { program: PROGRAM.to_owned(), found });
    };
    let found = low.abs().max(high.abs());
    if low.is_nan() || high.is_nan() || found > most {
        return Ok(Err(format!("a sample differs by {found}, expected at most {most}")));
    }
    Ok(Ok(()))
}
