//! `/proc/PID/stat`.

use std::io;

use super::bad;

/// The fields that are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) comm: Vec<u8>,
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// The device of its controlling terminal, or 0.
    pub(crate) terminal: i32,
    /// The group in the foreground there, or -1.
    pub(crate) foreground: i32,
    /// When it began, in hundredths of a second since the machine did.
    pub(crate) started: u64,
    pub(crate) code: (u64, u64),
    pub(crate) stack: u64,
    pub(crate) exit_signal: i32,
    pub(crate) data: (u64, u64),
    pub(crate) brk_start: u64,
    pub(crate) arguments: (u64, u64),
    pub(crate) environment: (u64, u64),
    pub(crate) exit_code: i32,
}

impl Stat {
    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        Self::fields(text).ok_or_else(|| bad("stat", &String::from_utf8_lossy(text)))
    }

    fn fields(text: &[u8]) -> Option<Self> {
        // The name may hold parentheses and spaces: it ends at the last one.
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(text.get(close + 2..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 1 in proc(5); the third is the first after the name.
        let field = |number: usize| fields.get(number - 3);
        let word = |number| field(number)?.parse::<u64>().ok();
        let int = |number| field(number)?.parse::<i32>().ok();
        Some(Self {
            comm: text.get(open + 1..close)?.to_vec(),
            state: *field(3)?.as_bytes().first()?,
            parent: int(4)?,
            group: int(5)?,
            session: int(6)?,
            terminal: int(7)?,
            foreground: int(8)?,
            started: word(22)?,
            code: (word(26)?, word(27)?),
            stack: word(28)?,
            exit_signal: int(38)?,
            data: (word(45)?, word(46)?),
            brk_start: word(47)?,
            arguments: (word(48)?, word(49)?),
            environment: (word(50)?, word(51)?),
            exit_code: int(52)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_no_field() {
        let tail = (3..=52).map(|n| if n == 3 { "S".to_owned() } else { n.to_string() });
        let text = format!("12 (a) b (c) {}", tail.collect::<Vec<_>>().join(" "));
        let stat = Stat::parse(text.as_bytes()).expect("parsed");
        assert_eq!(stat.comm, b"a) b (c");
        assert_eq!((stat.state, stat.parent, stat.started, stat.exit_signal), (b'S', 4, 22, 38));
        assert_eq!((stat.brk_start, stat.exit_code), (47, 52));
    }

    #[test]
    fn a_short_line_is_an_error() {
        assert!(Stat::parse(b"12 (a) S 1 2").is_err());
    }
}
