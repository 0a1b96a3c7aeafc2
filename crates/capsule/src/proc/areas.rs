//! `/proc/PID/smaps` and `/proc/PID/maps`: what is mapped where, and how.

use std::io;

use super::bad;

/// One mapping, as the kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// `PROT_…`.
    pub(crate) protection: u32,
    pub(crate) shared: bool,
    pub(crate) offset: u64,
    /// As `st_dev` has it.
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// The rest of the line: a path, `[heap]`, or nothing.
    pub(crate) name: Vec<u8>,
    /// `VmFlags`, two letters each; empty from `maps`.
    pub(crate) flags: Vec<[u8; 2]>,
    /// `ProtectionKey`.
    pub(crate) key: u32,
    /// Bytes that are locked in memory.
    pub(crate) locked: u64,
}

impl Area {
    pub(crate) fn has(&self, flag: &[u8; 2]) -> bool {
        self.flags.contains(flag)
    }

    /// The kernel's own mappings: vdso and what it reads.
    pub(crate) fn is_kernels(&self) -> bool {
        self.name.starts_with(b"[v")
    }
}

/// Parses either file. `[vsyscall]`, which is not of the process, is left out.
pub(crate) fn parse_areas(text: &[u8]) -> io::Result<Vec<Area>> {
    let mut areas: Vec<Area> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(first) = line.first() else { continue };
        // Headers begin with a hexadecimal digit in lower case, fields with a capital letter.
        if first.is_ascii_digit() || first.is_ascii_lowercase() {
            areas.push(header(line).ok_or_else(|| bad("maps", &String::from_utf8_lossy(line)))?);
            continue;
        }
        let Some(area) = areas.last_mut() else { continue };
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            area.flags =
                flags.split(|byte| *byte == b' ').filter_map(|flag| flag.try_into().ok()).collect();
        } else if let Some(key) = line.strip_prefix(b"ProtectionKey:") {
            area.key = number(key).unwrap_or(0);
        } else if let Some(locked) = line.strip_prefix(b"Locked:") {
            area.locked = locked
                .strip_suffix(b" kB")
                .and_then(number)
                .map_or(0, |kib: u64| kib.saturating_mul(1024));
        }
    }
    areas.retain(|area| area.name != b"[vsyscall]");
    Ok(areas)
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn header(line: &[u8]) -> Option<Area> {
    let mut parts = line.splitn(6, |byte| *byte == b' ');
    let mut part = || std::str::from_utf8(parts.next()?).ok();
    let (start, end) = part()?.split_once('-')?;
    let rights = part()?.as_bytes();
    let offset = part()?;
    let (major, minor) = part()?.split_once(':')?;
    let inode = part()?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let bit = |nth: usize, letter, value| if rights.get(nth) == Some(&letter) { value } else { 0 };
    let name = parts.next().unwrap_or_default().trim_ascii_start();
    let (major, minor) =
        (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let (start, end) = (hex(start)?, hex(end)?);
    (start < end).then_some(())?;
    Some(Area {
        start,
        end,
        protection: bit(0, b'r', 1) | bit(1, b'w', 2) | bit(2, b'x', 4),
        shared: rights.get(3) == Some(&b's'),
        offset: hex(offset)?,
        device: libc::makedev(major, minor),
        inode: inode.parse().ok()?,
        name: unescape(name),
        ..Area::default()
    })
}

/// The kernel writes line ends in names as `\012`, and nothing else so.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        match after.strip_prefix(b"012") {
            Some(after) if *first == b'\\' => {
                plain.push(b'\n');
                rest = after;
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"5581a000-5581b000 rw-p 00001000 fe:01 77                     /tmp/a b\\012c: d\n\
Size:                  4 kB\nLocked:                4 kB\nProtectionKey:         3\nVmFlags: rd wr mr gd\n\
7f00-8000 ---s 00000000 00:00 0\nVmFlags: sh\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    #[test]
    fn an_area_keeps_its_name_and_its_marks() {
        let areas = parse_areas(TEXT).expect("parsed");
        assert_eq!(areas.len(), 2);
        let first = &areas[0];
        assert_eq!(first.name, b"/tmp/a b\nc: d");
        assert_eq!((first.start, first.end, first.offset), (0x5581_a000, 0x5581_b000, 0x1000));
        assert_eq!((first.protection, first.shared, first.inode), (3, false, 77));
        assert_eq!(first.device, libc::makedev(0xfe, 1));
        assert!(first.has(b"gd") && !first.has(b"sh"));
        assert_eq!((first.key, first.locked), (3, 4096));
        assert!(areas[1].shared && areas[1].name.is_empty());
    }

    #[test]
    fn a_line_that_is_no_area_is_an_error() {
        assert!(parse_areas(b"00zz-1 rw-p 0 0:0 0\n").is_err());
        assert!(parse_areas(b"2000-1000 rw-p 0 0:0 0\n").is_err());
    }

    #[test]
    fn more_than_all_memory_may_be_locked() {
        let text = b"1000-2000 rw-p 0 0:0 0\nLocked: 18446744073709551615 kB\n";
        assert_eq!(parse_areas(text).expect("parsed")[0].locked, u64::MAX);
    }
}
