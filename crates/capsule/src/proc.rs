//! What `/proc` says about a process, parsed.
//!
//! The texts are the kernel's, but names in them (of programs, of files) are anybody's: nothing a name
//! holds may be taken for a field. Parsing has no effects and is tested on texts; [`Proc`] reads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

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

/// Files of a tree that were opened before it is stopped: reading one of them is then a single call. Of
/// the calling thread, until it is dropped. Only files that are of the process, not of its memory, which may become another's.
pub(crate) struct Opened(());

thread_local! {
    static OPENED: RefCell<HashMap<String, File>> = RefCell::default();
}

/// A larger file isn't kept open.
const SMALL_TEXT: usize = 8192;

impl Opened {
    /// Those that are read of each process.
    const OF_PROCESS: [&str; 9] = [
        "status",
        "stat",
        "limits",
        "oom_score_adj",
        "timers",
        "timens_offsets",
        "timerslack_ns",
        "personality",
        "coredump_filter",
    ];

    /// A tree of more threads has the others' opened as they are read.
    const MOST: usize = 64;

    pub(crate) fn of_tree(root: i32) -> Self {
        let own = Proc { pid: std::process::id().cast_signed() };
        Self::open(own.path("timens_offsets"));
        let mut seen = 0;
        walk(root, |proc, threads| {
            for name in Self::OF_PROCESS {
                Self::open(proc.path(name));
            }
            for tid in threads.iter().take(Self::MOST - seen) {
                Self::open(proc.path(&format!("task/{tid}/children")));
                if *tid != proc.pid {
                    Self::open(proc.path(&format!("task/{tid}/status")));
                    Self::open(proc.path(&format!("task/{tid}/comm")));
                    Self::open(Proc { pid: *tid }.path("timerslack_ns"));
                    Self::open(Proc { pid: *tid }.path("personality"));
                }
                seen += 1;
            }
            seen < Self::MOST
        });
        Self(())
    }

    fn open(path: String) {
        if let Ok(file) = File::open(&path) {
            OPENED.with_borrow_mut(|opened| opened.insert(path, file));
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        OPENED.take();
    }
}

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
        let path = self.path(name);
        let opened = OPENED.with_borrow(|opened| {
            let mut text = vec![0; SMALL_TEXT];
            let n = opened.get(&path)?.read_at(&mut text, 0).ok().filter(|n| *n < text.len())?;
            text.truncate(n);
            Some(text)
        });
        opened.map_or_else(|| read(&path), Ok)
    }

    /// A file whose text the kernel makes at once: if it fits, one read is all of it.
    pub(crate) fn read_at_once(self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path(name);
        let mut text = vec![0; SMALL_TEXT];
        let n = File::open(&path)?.read(&mut text)?;
        if n == text.len() {
            return read(&path);
        }
        text.truncate(n);
        Ok(text)
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

    /// The children that a thread made.
    pub(crate) fn children(self, tid: i32) -> io::Result<Vec<i32>> {
        let text = self.read(&format!("task/{tid}/children"))?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
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

/// Visits the processes of a tree that runs, parents first, with their threads, until `visit` says that it is enough.
/// Whoever comes or goes meanwhile may be missed.
pub(crate) fn walk(root: i32, mut visit: impl FnMut(Proc, &[i32]) -> bool) {
    let mut queue = vec![root];
    while let Some(pid) = queue.pop() {
        let proc = Proc { pid };
        let threads = proc.numbers("task").unwrap_or_default();
        if !visit(proc, &threads) {
            return;
        }
        queue.extend(threads.iter().flat_map(|tid| proc.children(*tid).unwrap_or_default()));
    }
}

/// A whole file of `/proc`, whose length isn't known before.
pub(crate) fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(SMALL_TEXT);
    File::open(path)?.take(MAX_TEXT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_TEXT {
        return Err(bad(path, "more than 256 MiB"));
    }
    Ok(text)
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
