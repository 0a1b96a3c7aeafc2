//! What a render writes: names, format, the part of the picture, the frames. The rules are POV-Ray 3.7's own,
//! tried out one by one where its manual is silent.

use serde::{Deserialize, Serialize};

use super::options::{Settings, usage};
use crate::OpenError;
use crate::picture::{Format, Shape};

/// Frames of one job; each is a cell.
const FRAMES: i64 = 1 << 20;

/// A rectangle of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Area {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// The frames of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frames {
    /// Number of the first.
    pub first: i64,
    /// From one to the next.
    pub step: i64,
    /// How many.
    pub count: u32,
    /// Digits in a file name.
    pub digits: usize,
}

impl Frames {
    /// The number of the `index`th frame.
    pub(super) fn number(&self, index: u64) -> i64 {
        self.first + self.step * index as i64
    }
}

/// The kind of samples and the format of the file.
pub(super) fn file_type(settings: &Settings) -> Result<(Format, Shape), OpenError> {
    let size = |name: &str, default: u32| match settings.int(name) {
        None => Ok(default),
        Some(size) => u32::try_from(size)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| usage(format!("{name}: expected at least 1 pixel, found {size}"))),
    };
    // Without any start-up file POV-Ray's own default is 160 x 120.
    let (width, height) = (size("Width", 160)?, size("Height", 120)?);
    if settings.text("Output_To_File").is_some_and(|value| value == "off") {
        return Err(usage("-F renders without writing a picture: there would be nothing to get"));
    }
    let letter = settings.text("Output_File_Type").unwrap_or("N");
    let bits = settings.int("Bits_Per_Color").unwrap_or(8).clamp(5, 16);
    let grey = settings.flag("Grayscale_Output");
    let alpha = settings.flag("Output_Alpha");
    let (format, name) = match letter {
        "N" => (Format::Png, "PNG"),
        "P" => (Format::Pnm, "PPM"),
        "T" => (Format::Tga, "Targa"),
        "C" => (Format::TgaRle, "compressed Targa"),
        "B" => (Format::Bmp, "BMP"),
        "E" | "H" | "J" | "S" => {
            let name = match letter {
                "E" => "OpenEXR",
                "H" => "Radiance HDR",
                "J" => "JPEG",
                _ => "the system's own format",
            };
            return Err(usage(format!(
                "+F{letter} ({name}) can't be joined from parts, expected PNG (N), PPM (P), Targa (T, C) or BMP (B)"
            )));
        }
        other => return Err(usage(format!("POV-Ray has no file type `{other}`"))),
    };
    let (channels, depth) = match format {
        // POV-Ray's grey PNG always has 16 bits.
        Format::Png if grey => (1 + u8::from(alpha), 16),
        Format::Png => (3 + u8::from(alpha), if bits > 8 { 16 } else { 8 }),
        // It writes a grey PPM of 8 bits with a header that contradicts its samples.
        Format::Pnm if grey && bits == 16 => (1, 16),
        Format::Pnm if !grey && (bits == 8 || bits == 16) => (3, bits as u8),
        Format::Tga | Format::TgaRle | Format::Bmp if !grey => (3 + u8::from(alpha), 8),
        _ => {
            let grey = if grey { "grey " } else { "" };
            return Err(usage(format!("{grey}{name} with {bits} bits can't be joined from parts")));
        }
    };
    let shape = Shape { width, height, channels, depth };
    shape.check().map_err(|error| usage(error.to_string()))?;
    if matches!(format, Format::Tga | Format::TgaRle) && width.max(height) > 0xffff {
        return Err(usage(format!("{name} has at most 65535 pixels a side")));
    }
    Ok((format, shape))
}

/// The part of the picture that the user wants. Values below 1 are parts of the whole.
pub(super) fn area(settings: &Settings, shape: &Shape) -> Result<Area, OpenError> {
    let range = |start: &str, end: &str, size: u32| {
        let all = f64::from(size);
        // POV-Ray keeps options in single precision: 0.95 of 100 columns are 94.
        let part = |name: &str| settings.float(name).map(|value| f64::from(value as f32));
        let first = part(start).unwrap_or(1.0);
        let first =
            if (0.0..1.0).contains(&first) { (all * first).trunc() } else { first.trunc() - 1.0 };
        let last = part(end).unwrap_or(all);
        let last = if (0.0..=1.0).contains(&last) {
            (all * last).trunc() - 1.0
        } else {
            last.trunc() - 1.0
        };
        if first < 0.0 || last < first || last >= all {
            return Err(usage(format!(
                "{start} to {end} is {} to {}, expected a part of 1 to {size}",
                first + 1.0,
                last + 1.0
            )));
        }
        Ok((first as u32, (last - first) as u32 + 1))
    };
    let (x, width) = range("Start_Column", "End_Column", shape.width)?;
    let (y, height) = range("Start_Row", "End_Row", shape.height)?;
    Ok(Area { x, y, width, height })
}

/// The frames, if it is an animation.
pub(super) fn frames(settings: &Settings) -> Result<Option<Frames>, OpenError> {
    let (initial, last) = (settings.int("Initial_Frame"), settings.int("Final_Frame"));
    if initial.is_none() && last.is_none() {
        return Ok(None);
    }
    let initial = initial.unwrap_or(1);
    let cyclic = settings.flag("Cyclic_Animation");
    let given = last.unwrap_or(initial);
    let step = settings.int("Frame_Step").unwrap_or(1);
    if initial < 0 || given > i64::from(i32::MAX) - 1 || step < 1 {
        return Err(usage(format!(
            "frames {initial} to {given} by {step}, expected numbers from 0 on and a step of at least 1"
        )));
    }
    // A cyclic animation counts one more than it renders.
    let last = given + i64::from(cyclic);
    let subset = |name: &str| {
        settings.float(name).map(|value| {
            let value = (value as f32).max(0.0);
            if value == 0.0 || value >= 1.0 {
                value as i64
            } else {
                ((last - initial + 1) as f32 * value) as i64
            }
        })
    };
    let first = subset("Subset_Start_Frame").unwrap_or(initial).max(initial);
    let end = subset("Subset_End_Frame").unwrap_or(given).max(first);
    let count = (end - first) / step + 1;
    if count > FRAMES {
        return Err(usage(format!("{count} frames, expected at most {FRAMES}")));
    }
    let digits = last.max(1).ilog10() as usize + 1;
    Ok(Some(Frames { first, step, count: count as u32, digits }))
}

/// The output's path without its ending.
pub(super) fn stem(settings: &Settings, format: Format) -> Result<String, OpenError> {
    let output = settings.text("Output_File_Name").unwrap_or_default();
    if matches!(output, "-" | "stdout" | "stderr") {
        return Err(usage(format!(
            "+O{output} writes the picture to a stream: give the name of a file"
        )));
    }
    let ending = format!(".{}", format.extension());
    let (folder, file) = output
        .rsplit_once('/')
        .map_or(("", output), |(_, file)| (&output[..output.len() - file.len()], file));
    if !file.is_empty() && file != ending {
        let file = file.strip_suffix(&ending).or(file.strip_suffix('.')).unwrap_or(file);
        return Ok(format!("{folder}{file}"));
    }
    let input = settings.text("Input_File_Name").unwrap_or("object.pov");
    let name = input.rsplit('/').next().unwrap_or(input);
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    let folder = if output.is_empty() {
        &input[..input.len() - input.rsplit('/').next().unwrap_or(input).len()]
    } else {
        folder
    };
    Ok(format!("{folder}{name}"))
}

/// A file's name: the stem, the frame's number, the ending. A number with more digits than there should be
/// overwrites the end of the stem, as at POV-Ray's.
pub(super) fn file_name(stem: &str, frame: Option<(i64, usize)>, format: Format) -> String {
    let mut name = stem.to_owned();
    if let Some((number, digits)) = frame {
        let number = format!("{number:0digits$}");
        for _ in digits..number.len() {
            name.pop();
        }
        name.push_str(&number);
    }
    format!("{name}.{}", format.extension())
}
