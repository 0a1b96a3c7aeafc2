//! Comparators as texts: `NAME`, or `NAME:key=value,key=value`, or `command:PROGRAM ARGUMENTS`.
//!
//! What can't work is refused here, before anything runs, with what would work.

use std::fmt;
use std::str::FromStr;

use super::command::{Command, MAX_TIMEOUT_S};
use super::{Comparator, Format, Frames, Image, Numbers};

/// Bytes of a comparator's text.
const TEXT_BYTES: usize = 4096;

/// Decibels beyond which two pictures of 16-bit samples can't differ at all.
const MAX_PSNR: f64 = 200.0;

const NAMES: &str = "bytes, numbers, image, frames or command";

/// A text that is no comparator. Says what was found, what was expected and what would work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComparatorError {
    /// No comparator of that name.
    #[error("unknown comparator {0:?}, expected {NAMES}")]
    Unknown(String),
    /// Bytes are the same or not.
    #[error(
        "`bytes` with {0:?}: answers are the same byte by byte or they aren't, there is no tolerance; numbers:abs=…,rel=…, image:channel=…, image:psnr=… or frames:psnr=… have one"
    )]
    NothingToTolerate(String),
    /// An option that this comparator doesn't have.
    #[error("`{comparator}` has no option {found:?}, expected {known}{hint}")]
    UnknownOption {
        /// The comparator.
        comparator: &'static str,
        /// The option.
        found: String,
        /// Its options.
        known: &'static str,
        /// Which comparator has this option, if one does.
        hint: &'static str,
    },
    /// A value that makes no sense.
    #[error("`{option}={found}`: expected {expected}")]
    BadValue {
        /// The option.
        option: String,
        /// Its value.
        found: String,
        /// What would work.
        expected: String,
    },
    /// The same option again.
    #[error("`{0}` is there twice, expected it once")]
    Twice(String),
    /// `command` without a command, or one that can't be taken apart into words.
    #[error(
        "`command:` needs a program, such as command:./same.sh or command:timeout=300:./same.sh, found {0:?}"
    )]
    NoCommand(String),
    /// It makes no sense for the answers of this application.
    #[error("{0}")]
    Unfit(String),
    /// Longer than any that makes sense.
    #[error("a comparator of {0} bytes, expected at most {TEXT_BYTES}")]
    TooLong(usize),
}

/// Options that were read, each once.
struct Options<'a> {
    comparator: &'static str,
    known: &'static str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Options<'a> {
    fn read(
        comparator: &'static str,
        known: &'static str,
        text: Option<&'a str>,
    ) -> Result<Self, ComparatorError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for option in text.into_iter().flat_map(|text| text.split(',')) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let (key, value) = (key.trim(), value.trim());
            if !known.split(", ").any(|name| name == key) {
                return Err(ComparatorError::UnknownOption {
                    comparator,
                    found: option.to_owned(),
                    known,
                    hint: hint(key, comparator),
                });
            }
            if pairs.iter().any(|(other, _)| *other == key) {
                return Err(ComparatorError::Twice(key.to_owned()));
            }
            pairs.push((key, value));
        }
        Ok(Self { comparator, known, pairs })
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        debug_assert!(self.known.contains(key), "{} has no {key}", self.comparator);
        self.pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn number(
        &self,
        key: &str,
        fits: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Result<Option<f64>, ComparatorError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let number: Option<f64> = text.parse().ok().filter(|n: &f64| n.is_finite() && fits(*n));
        number.map(Some).ok_or_else(|| bad(key, text, expected))
    }
}

fn bad(option: &str, found: &str, expected: &str) -> ComparatorError {
    let [option, found, expected] = [option, found, expected].map(str::to_owned);
    ComparatorError::BadValue { option, found, expected }
}

/// Who has an option, said to who looks for it elsewhere.
fn hint(key: &str, comparator: &str) -> &'static str {
    match key {
        "abs" | "rel" | "tolerance" if comparator == "image" => {
            "; image:channel=… is its tolerance"
        }
        "abs" | "rel" | "tolerance" if comparator == "frames" => {
            "; frames:psnr=… is for pictures, frames:sound=… for sound"
        }
        "tolerance" => "; numbers:abs=… and numbers:rel=… are tolerances",
        "psnr" | "ssim" | "channel" if comparator == "numbers" => "; image:… has it",
        "ssim" | "channel" if comparator == "frames" => {
            "; frames:psnr=… is the tolerance of pictures"
        }
        _ => "",
    }
}

impl FromStr for Comparator {
    type Err = ComparatorError;

    fn from_str(text: &str) -> Result<Self, ComparatorError> {
        if text.len() > TEXT_BYTES {
            return Err(ComparatorError::TooLong(text.len()));
        }
        let (name, rest) = match text.trim().split_once(':') {
            Some((name, rest)) => (name.trim(), Some(rest)),
            None => (text.trim(), None),
        };
        match name {
            "bytes" => match rest {
                None => Ok(Self::Bytes),
                Some(rest) => Err(ComparatorError::NothingToTolerate(rest.to_owned())),
            },
            "numbers" => {
                let options = Options::read("numbers", "abs, rel, format", rest)?;
                let format = match options.text("format") {
                    None | Some("auto") => Format::Auto,
                    Some("text") => Format::Text,
                    Some("csv") => Format::Csv,
                    Some("json") => Format::Json,
                    Some(other) => return Err(bad("format", other, "auto, text, csv or json")),
                };
                let absolute = options.number("abs", |n| n >= 0.0, "a number of at least 0")?;
                let least = |n: f64| (0.0..1.0).contains(&n);
                let expected = "at least 0 and less than 1, as it is a share of the number itself";
                let relative = options.number("rel", least, expected)?;
                Ok(Self::Numbers(Numbers {
                    absolute: absolute.unwrap_or(0.0),
                    relative: relative.unwrap_or(0.0),
                    format,
                }))
            }
            "image" => {
                let options = Options::read("image", "channel, psnr, ssim", rest)?;
                let steps = |n: f64| (0.0..255.0).contains(&n);
                let expected =
                    "steps of 255: at least 0 and less than 255, which allows everything";
                Ok(Self::Image(Image {
                    channel: options.number("channel", steps, expected)?,
                    psnr: read_psnr(&options)?,
                    ssim: options.number(
                        "ssim",
                        |n| n > 0.0 && n <= 1.0,
                        "more than 0 and at most 1, such as 0.98",
                    )?,
                }))
            }
            "frames" => {
                let options = Options::read("frames", "psnr, sound", rest)?;
                let expected = "at least 0 and less than 1, which is full scale";
                let sound = options.number("sound", |n| (0.0..1.0).contains(&n), expected)?;
                Ok(Self::Frames(Frames { psnr: read_psnr(&options)?, sound }))
            }
            "command" => read_command(rest.unwrap_or_default()),
            other => Err(ComparatorError::Unknown(other.to_owned())),
        }
    }
}

fn read_psnr(options: &Options<'_>) -> Result<Option<f64>, ComparatorError> {
    let expected = "decibels, more than 0 and at most 200; 40 is hardly visible";
    options.number("psnr", |n| n > 0.0 && n <= MAX_PSNR, expected)
}

fn read_command(text: &str) -> Result<Comparator, ComparatorError> {
    let (timeout, line) = match text.strip_prefix("timeout=").and_then(|rest| rest.split_once(':'))
    {
        Some((timeout, line)) => (Some(timeout), line),
        None => (None, text),
    };
    let mut command = Command::default();
    if let Some(timeout) = timeout {
        let seconds = timeout.trim().parse().ok().filter(|s| (1..=MAX_TIMEOUT_S).contains(s));
        let expected = format!("seconds, 1 to {MAX_TIMEOUT_S}");
        command.timeout_s = seconds.ok_or_else(|| bad("timeout", timeout, &expected))?;
    }
    let none = || ComparatorError::NoCommand(text.to_owned());
    command.words = shlex::split(line).ok_or_else(none)?;
    match command.words.first() {
        Some(program) if !program.is_empty() && !line.contains('\0') => {
            Ok(Comparator::Command(command))
        }
        _ => Err(none()),
    }
}

impl TryFrom<String> for Comparator {
    type Error = ComparatorError;

    fn try_from(text: String) -> Result<Self, ComparatorError> {
        text.parse()
    }
}

impl From<Comparator> for String {
    fn from(comparator: Comparator) -> Self {
        comparator.to_string()
    }
}

/// What it is parsed from.
impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = |name: &str, value: Option<f64>| value.map(|value| format!("{name}={value}"));
        let (name, options) = match self {
            Self::Bytes => ("bytes", vec![]),
            Self::Numbers(Numbers { absolute, relative, format }) => {
                let given = |n: f64| (n != 0.0).then_some(n);
                let format = match format {
                    Format::Auto => None,
                    Format::Text => Some("format=text".to_owned()),
                    Format::Csv => Some("format=csv".to_owned()),
                    Format::Json => Some("format=json".to_owned()),
                };
                let (abs, rel) = (option("abs", given(*absolute)), option("rel", given(*relative)));
                ("numbers", vec![abs, rel, format])
            }
            Self::Image(Image { channel, psnr, ssim }) => (
                "image",
                vec![option("channel", *channel), option("psnr", *psnr), option("ssim", *ssim)],
            ),
            Self::Frames(Frames { psnr, sound }) => {
                ("frames", vec![option("psnr", *psnr), option("sound", *sound)])
            }
            Self::Command(command) => {
                f.write_str("command:")?;
                if command.timeout_s != Command::default().timeout_s {
                    write!(f, "timeout={}:", command.timeout_s)?;
                }
                return f.write_str(&command.line());
            }
        };
        let options: Vec<String> = options.into_iter().flatten().collect();
        match options.is_empty() {
            true => f.write_str(name),
            false => write!(f, "{name}:{}", options.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Comparator>().unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "bytes",
            "numbers",
            "numbers:abs=0.001,rel=0.000000001,format=csv",
            "numbers:format=json",
            "image",
            "image:channel=2,psnr=40.5,ssim=0.98",
            "frames",
            "frames:psnr=40,sound=0.001",
            "command:./same.sh",
            "command:timeout=300:./same.sh --tolerance 3 'a b'",
        ] {
            let comparator: Comparator = text.parse().unwrap();
            assert_eq!(comparator.to_string(), text);
            let json = serde_json::to_string(&comparator).unwrap();
            assert_eq!(serde_json::from_str::<Comparator>(&json).unwrap(), comparator);
        }
        let spaced: Comparator = " numbers : rel=1e-9 , abs = 1e-12".parse().unwrap();
        assert_eq!(spaced.to_string(), "numbers:abs=0.000000000001,rel=0.000000001");
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_would() {
        let cases = [
            ("byte", "expected bytes, numbers"),
            ("bytes:abs=1", "there is no tolerance; numbers:abs="),
            ("bytes:", "there is no tolerance"),
            ("numbers:abs=-1", "at least 0"),
            ("numbers:abs=nan", "at least 0"),
            ("numbers:abs=inf", "at least 0"),
            ("numbers:rel=1", "less than 1"),
            ("numbers:rel=0.1,rel=0.2", "twice"),
            ("numbers:tolerance=1", "numbers:abs="),
            ("numbers:psnr=40", "image:"),
            ("numbers:format=xml", "csv or json"),
            ("image:channel=255", "allows everything"),
            ("image:psnr=0", "decibels"),
            ("image:ssim=1.1", "at most 1"),
            ("image:abs=1", "image:channel="),
            ("frames:abs=1", "frames:sound="),
            ("frames:sound=1", "full scale"),
            ("command:", "needs a program"),
            ("command", "needs a program"),
            ("command:''", "needs a program"),
            ("command:./a 'b", "needs a program"),
            ("command:timeout=0:./a", "1 to 3600"),
        ];
        for (text, expected) in cases {
            let error = error(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(error(&"x".repeat(TEXT_BYTES + 1)).contains("at most 4096"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<Comparator>();
            for name in ["bytes", "numbers", "image", "frames", "command"] {
                if let Ok(comparator) = format!("{name}:{text}").parse::<Comparator>() {
                    let again: Comparator = comparator.to_string().parse().unwrap();
                    prop_assert_eq!(again, comparator);
                }
            }
        }
    }
}
