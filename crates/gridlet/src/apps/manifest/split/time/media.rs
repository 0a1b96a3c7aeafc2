//! What a probe says of a film: its streams, and the packets of its pictures.
//!
//! Both come from the submitter's own `ffprobe` (or a program that prints the same), so what can't
//! be read is a reason not to split the film rather than an attack; sizes are bounded all the same.

use serde::Deserialize;

/// Packets of one film: 100 hours at 60 pictures a second, 500 MB of memory at most.
const PACKETS: usize = 21_600_000;

/// A fraction of positive whole numbers: a time base in seconds, a rate in pictures a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ratio {
    pub(super) num: i64,
    pub(super) den: i64,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    /// Pictures that follow each other.
    Pictures,
    /// One picture, such as a record's cover.
    Cover,
    /// Anything else: sound, subtitles, data.
    Other,
}

/// One stream of a film.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stream {
    pub(super) carries: Carries,
    /// When it begins, in microseconds of the file's own clock.
    pub(super) start_us: i64,
    pub(super) time_base: Ratio,
    /// Pictures a second, as the probe guesses.
    pub(super) rate: Option<Ratio>,
    /// Degrees by which a player turns the pictures.
    pub(super) rotation: f64,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Media {
    /// Name of its format: `mov,mp4,m4a`.
    pub(super) format: String,
    /// When its first stream begins, in microseconds of its own clock.
    pub(super) start_us: i64,
    pub(super) streams: Vec<Stream>,
    /// Whether it has chapters.
    pub(super) chapters: bool,
}

/// A packet of pictures, in the order in which they are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// When its picture is shown, in ticks of the stream's time base.
    pub(super) pts: i64,
    /// Whether decoding can begin here.
    pub(super) key: bool,
}

#[derive(Deserialize)]
struct RawMedia {
    #[serde(default)]
    streams: Vec<RawStream>,
    #[serde(default)]
    chapters: Vec<serde::de::IgnoredAny>,
    format: RawFormat,
}

#[derive(Deserialize)]
struct RawFormat {
    #[serde(default)]
    format_name: String,
    start_time: Option<String>,
}

#[derive(Deserialize)]
struct RawStream {
    codec_type: Option<String>,
    start_time: Option<String>,
    time_base: Option<String>,
    r_frame_rate: Option<String>,
    #[serde(default)]
    disposition: RawDisposition,
    #[serde(default)]
    side_data_list: Vec<RawSide>,
}

#[derive(Default, Deserialize)]
struct RawDisposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Deserialize)]
struct RawSide {
    rotation: Option<f64>,
}

impl Ratio {
    /// `25/1`; `None` unless both are positive.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (num, den) = text.split_once('/')?;
        let ratio = Self { num: num.parse().ok()?, den: den.parse().ok()? };
        // Products of three of them with a time stamp have to fit into 128 bits.
        let fits = |n: i64| (1..=i64::from(u32::MAX)).contains(&n);
        (fits(ratio.num) && fits(ratio.den)).then_some(ratio)
    }
}

/// Seconds with up to six decimals, in microseconds.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || !plain(whole) || !plain(part) {
        return None;
    }
    let part = format!("{part:0<6}");
    let whole: i64 = whole.parse().ok()?;
    Some(sign * (whole * 1_000_000 + part.get(..6)?.parse::<i64>().ok()?))
}

/// Microseconds as seconds with six decimals.
pub(super) fn seconds(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    format!("{sign}{}.{:06}", us / 1_000_000, us % 1_000_000)
}

impl Media {
    /// From `ffprobe -show_format -show_streams -of json`.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let raw: RawMedia = serde_json::from_slice(json)
            .map_err(|error| format!("its description can't be read: {error}"))?;
        let start = raw.format.start_time.as_deref().and_then(micros).unwrap_or(0);
        let stream = |raw: &RawStream| {
            let pictures = raw.codec_type.as_deref() == Some("video");
            let carries = match (pictures, raw.disposition.attached_pic) {
                (false, _) => Carries::Other,
                (true, 0) => Carries::Pictures,
                (true, _) => Carries::Cover,
            };
            let time_base = raw.time_base.as_deref().and_then(Ratio::read);
            Stream {
                carries,
                start_us: raw.start_time.as_deref().and_then(micros).unwrap_or(start),
                time_base: time_base.unwrap_or(Ratio { num: 1, den: 1_000_000 }),
                rate: raw.r_frame_rate.as_deref().and_then(Ratio::read),
                rotation: raw.side_data_list.iter().find_map(|side| side.rotation).unwrap_or(0.0),
            }
        };
        Ok(Self {
            format: raw.format.format_name,
            start_us: start,
            streams: raw.streams.iter().map(stream).collect(),
            chapters: !raw.chapters.is_empty(),
        })
    }

    /// The only stream of pictures that follow each other.
    ///
    /// # Errors
    /// If there is none, or several.
    pub(super) fn pictures(&self) -> Result<&Stream, String> {
        let mut found = self.streams.iter().filter(|stream| stream.carries == Carries::Pictures);
        match (found.next(), found.next()) {
            (Some(stream), None) => Ok(stream),
            (None, _) => Err("it has no moving pictures".to_owned()),
            (Some(_), Some(_)) => Err("it has several video streams".to_owned()),
        }
    }

    /// Whether there is anything besides the pictures.
    pub(super) fn has_more(&self) -> bool {
        self.streams.len() > 1
    }
}

/// From `ffprobe -show_entries packet=pts,flags -of csv=p=0`: a line for each packet.
///
/// # Errors
/// If one has no time or isn't shown, or there are too many.
pub(super) fn packets(csv: &[u8]) -> Result<Vec<Packet>, String> {
    let text = String::from_utf8_lossy(csv);
    let mut packets = Vec::new();
    for line in text.lines().filter(|line| !line.trim_matches(',').is_empty()) {
        let mut fields = line.split(',');
        let pts = fields.next().and_then(|field| field.trim().parse().ok());
        let Some(pts) = pts.filter(|pts: &i64| pts.unsigned_abs() < 1 << 60) else {
            return Err("not all of its pictures say when they are shown".to_owned());
        };
        if packets.len() >= PACKETS {
            return Err(format!("it has more than {PACKETS} pictures"));
        }
        let flags = fields.next().unwrap_or_default();
        // An edit list hides it: the file was cut without encoding it anew.
        if flags.contains('D') {
            return Err("it has pictures that aren't shown".to_owned());
        }
        packets.push(Packet { pts, key: flags.contains('K') });
    }
    Ok(packets)
}

/// The first picture of a part, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct First {
    /// When it is shown, in microseconds.
    pub(super) us: i64,
    /// Its size, form and kind.
    pub(super) looks: String,
    /// Whether it needs no other picture.
    pub(super) intra: bool,
}

/// From `ffprobe -show_entries frame=pts_time,width,height,pix_fmt,sample_aspect_ratio,pict_type -of
/// csv=p=0`, which prints them in this order.
pub(super) fn first(csv: &[u8]) -> Option<First> {
    let text = String::from_utf8_lossy(csv);
    let line = text.lines().next()?.trim_end_matches(',');
    let (time, looks) = line.split_once(',')?;
    let intra = looks.rsplit(',').next() == Some("I");
    Some(First { us: micros(time)?, looks: looks.to_owned(), intra })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_description_is_read() {
        let json = br#"{"programs": [], "streams": [
            {"codec_type": "audio", "start_time": "0.000000", "time_base": "1/44100", "r_frame_rate": "0/0"},
            {"codec_type": "video", "start_time": "0.023000", "time_base": "1/1000",
             "r_frame_rate": "30000/1001", "disposition": {"attached_pic": 0},
             "side_data_list": [{"rotation": -90}]},
            {"codec_type": "video", "disposition": {"attached_pic": 1}}],
            "format": {"format_name": "matroska,webm", "start_time": "-0.5"}}"#;
        let media = Media::read(json).unwrap();
        assert_eq!(media.start_us, -500_000);
        let pictures = media.pictures().unwrap();
        assert_eq!(pictures.start_us, 23_000);
        assert_eq!(pictures.rate, Some(Ratio { num: 30_000, den: 1001 }));
        assert_eq!(pictures.rotation, -90.0);
        assert_eq!(media.streams[2].carries, Carries::Cover);
        assert!(Media::read(b"").is_err());
        assert!(Media::read(b"{}").is_err());
        assert!(Media::read(br#"{"format": {}}"#).unwrap().pictures().is_err());
    }

    #[test]
    fn packets_are_read_with_the_noise_between_them() {
        let csv = b"129600,K_,\n\n140400,__,\n133200,__\n";
        let expected = [(129_600, true), (140_400, false), (133_200, false)];
        assert_eq!(packets(csv).unwrap(), expected.map(|(pts, key)| Packet { pts, key }));
        assert!(packets(b"1,K_\nN/A,__\n").is_err());
        assert_eq!(packets(b"").unwrap(), []);
        assert!(packets(b"-512,KD\n0,__\n").is_err());
    }

    #[test]
    fn the_first_picture_of_a_part_is_read() {
        let looks = "320,180,yuv420p,1:1,I".to_owned();
        let expected = First { us: 66_733, looks, intra: true };
        assert_eq!(first(b"0.066733,320,180,yuv420p,1:1,I,\n\n"), Some(expected));
        assert!(!first(b"0.066733,320,180,yuv420p,1:1,P\n").unwrap().intra);
        assert_eq!(first(b"N/A,1,1"), None);
        assert_eq!(first(b""), None);
    }

    #[test]
    fn fractions_are_positive_and_small() {
        assert_eq!(Ratio::read("30000/1001"), Some(Ratio { num: 30_000, den: 1001 }));
        for text in ["0/0", "1/0", "-1/2", "1", "x/2", "99999999999/1"] {
            assert_eq!(Ratio::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn seconds_and_microseconds_are_the_same_thing(us in -900_000_000_000_000i64..900_000_000_000_000) {
            prop_assert_eq!(micros(&seconds(us)), Some(us));
        }

        #[test]
        fn nothing_printed_makes_it_panic(text in "[-0-9.,K_N/A\n]{0,40}", bytes: Vec<u8>) {
            let _ = (packets(text.as_bytes()), first(text.as_bytes()), micros(&text));
            let _ = (packets(&bytes), Media::read(&bytes));
        }
    }
}
