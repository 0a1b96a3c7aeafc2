//! Numbers and text as people read them.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`. What is no length of time: `-`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    // Saturates: a float too large becomes the largest integer.
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// `512 B`, `1.5 KiB`, `20 MiB`.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// `-` for nothing measured, else `3.2 GFLOPS`.
pub fn flops(flops: u64) -> String {
    if flops == 0 {
        return "-".to_owned();
    }
    scaled(
        flops as f64,
        1000.0,
        &["FLOPS", "kFLOPS", "MFLOPS", "GFLOPS", "TFLOPS", "PFLOPS", "EFLOPS"],
    )
}

fn scaled(mut value: f64, base: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", units[unit])
}

/// How much of a whole, rounded down so that 100 % means all: `57 %`.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{} %", u128::from(part) * 100 / u128::from(whole))
}

/// `1 cell`, `2 cells`: for words whose plural is regular.
pub fn count(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// A point in time, in seconds since 1970: `2026-11-21 09:16:19Z`.
pub fn timestamp(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Hinnant, "chrono-compatible low-level date algorithms", civil_from_days, for days >= 0.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The first ten digits of a node's key.
pub fn short_id(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

/// A command as one could type it.
pub fn command(argv: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "+-_=./:,@%{}".contains(c);
    let quoted = argv.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Columns that a text takes on a terminal.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that takes at most so many columns.
pub fn cut(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += c.width().unwrap_or(0);
        taken > columns
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// Lines of at most so many columns, broken between words. A word that is longer has a line of its own and stays
/// whole: it may be a ticket or a path, to be copied. Lines of the text stay lines.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for (number, word) in paragraph.split(' ').enumerate() {
            if number > 0 && line.width() + 1 + word.width() > columns {
                lines.push(std::mem::take(&mut line));
            } else if number > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Text that came from elsewhere, for a terminal: control characters can't play tricks with it.
pub fn tame(text: &str) -> String {
    let replace = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            (0.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (185.0, "3 min 05 s"),
            (7800.0, "2 h 10 min"),
            (273_600.0, "3 d 4 h"),
            (-1.0, "-"),
            (f64::NAN, "-"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (20 << 20, "20 MiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (size, expected) in cases {
            assert_eq!(bytes(size), expected, "{size}");
        }
        assert_eq!(flops(0), "-");
        assert_eq!(flops(3_210_000_000), "3.2 GFLOPS");
    }

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(percent(1000, 1000), "100 %");
        assert_eq!(percent(0, 0), "-");
    }

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00Z");
        assert_eq!(timestamp(951_782_399), "2000-02-28 23:59:59Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(timestamp(1_795_252_579), "2026-11-21 09:16:19Z");
    }

    #[test]
    fn a_command_can_be_typed_again() {
        let argv = ["povray", "+Iscene.pov", "a b", "", "it's", "{a}"].map(str::to_owned);
        assert_eq!(command(&argv), r"povray +Iscene.pov 'a b' '' 'it'\''s' {a}");
    }

    #[test]
    fn text_is_broken_between_words_and_nothing_is_lost() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one\ntwo", 70), ["one", "two"]);
        assert_eq!(wrap("abcdefgh ij k", 4), ["abcdefgh", "ij k"]);
        assert_eq!(wrap("日本 語", 6), ["日本", "語"]);
        assert_eq!(wrap("a  b\n\nc", 9), ["a  b", "", "c"]);
        assert_eq!(wrap("", 5), Vec::<String>::new());
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(columns("日本語 e\u{301}"), 8);
    }

    #[test]
    fn control_characters_dont_reach_the_terminal() {
        assert_eq!(tame("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\nc");
    }
}
