//! What `/proc` says about a process, parsed.
//!
//! The texts are the kernel's, but names in them (of programs, of files) are anybody's: nothing a name
//! holds may be taken for a field. Parsing has no effects and is tested on texts; [`Proc`] reads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

pub(crate) mod areas;
pub(crate) mod descriptor;
pub(crate) mod stat;
pub(crate) mod status;

pub(crate) use areas::{Area, parse_areas};
pub(crate) use descriptor::DescriptorInfo;
pub(crate) use stat::Stat;
pub(crate) use status::Status;

/// The most that is read of one file: `smaps` of a process with 65,530 mappings is 50 MiB.
const MAX_TEXT: u64 = 256 << 20;

/// A process's folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proc {
    pub(crate) pid: i32,
}

impl Proc {
    pub(crate) fn path(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    pub(crate) fn read(self, name: &str) -> io::Result<Vec<u8>> {
        read(&self.path(name))
    }

    /// Where a link leads, as the kernel writes it.
    pub(crate) fn link(self, name: &str) -> io::Result<Vec<u8>> {
        let target = std::fs::read_link(self.path(name))?;
        Ok(target.into_os_string().into_vec())
    }

    pub(crate) fn number<T: std::str::FromStr>(self, name: &str) -> io::Result<T> {
        let text = self.read(name)?;
        let text = String::from_utf8_lossy(&text);
        text.trim().parse().map_err(|_| bad(name, &text))
    }

    /// Names in a folder that are numbers, in order.
    pub(crate) fn numbers(self, name: &str) -> io::Result<Vec<i32>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(self.path(name))? {
            if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                all.push(number);
            }
        }
        all.sort_unstable();
        Ok(all)
    }
}

/// A whole file of `/proc`, whose length isn't known before.
pub(crate) fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut text = Vec::with_capacity(8192);
    loop {
        let n = {
            let start = text.len();
            text.resize(text.capacity(), 0);
            let n = file.read(&mut text[start..])?;
            text.truncate(start + n);
            n
        };
        if n == 0 {
            return Ok(text);
        }
        if text.len() as u64 > MAX_TEXT {
            return Err(bad(path, "more than 256 MiB"));
        }
        // The next read has room, or finds the end.
        if text.capacity() - text.len() < 4096 {
            text.reserve(text.capacity());
        }
    }
}

pub(crate) fn bad(what: &str, found: &str) -> io::Error {
    let found: String = found.chars().take(80).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: not as expected: `{found}`"))
}

/// Lines as `name:<spaces>value`.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let (name, value) = line.split_once(':')?;
        Some((name, value.trim()))
    })
}
