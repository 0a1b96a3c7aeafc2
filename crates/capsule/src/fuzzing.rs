//! For fuzz targets only: the parsers of this crate, and what is reckoned from an image's numbers before the kernel sees
//! them, which nobody else needs to see. What is answered is for comparing.

use std::io;

use outlast_image::{Memory, Run};

use crate::machine::OwnVdso;
use crate::proc::{Area, DescriptorInfo, Stat, Status, descriptor, parse_areas};
use crate::restore::{fill, vdso};

/// A mapping: its addresses, its name, and everything else.
pub type Told = ((u64, u64), Vec<u8>, String);

/// Pages that are written, and addresses that are dropped.
pub type Filled = (Vec<Run>, Vec<(u64, u64)>);

/// `/proc/PID/smaps`, or `maps`.
pub fn areas(text: &[u8]) -> Option<Vec<Told>> {
    let told = |area: Area| {
        let rest = format!("{:?}", Area { name: Vec::new(), ..area.clone() });
        ((area.start, area.end), area.name, rest)
    };
    Some(parse_areas(text).ok()?.into_iter().map(told).collect())
}

/// `/proc/PID/stat`: the name, and everything else.
pub fn stat(text: &[u8]) -> Option<(Vec<u8>, String)> {
    let stat = Stat::parse(text).ok()?;
    let rest = format!("{:?}", Stat { comm: Vec::new(), ..stat.clone() });
    Some((stat.comm, rest))
}

/// `/proc/PID/status`.
pub fn status(text: &[u8]) -> Option<String> {
    Status::parse(text).ok().map(|status| format!("{status:?}"))
}

/// `/proc/PID/fdinfo/N`: how many watches and locks it tells, and everything.
pub fn descriptor(text: &[u8]) -> Option<(usize, String)> {
    let info = DescriptorInfo::parse(text).ok()?;
    let lists = info.watched.len() + info.inotify.len() + info.locks.len();
    Some((lists, format!("{info:?}")))
}

/// `/proc/PID/timers`: their ids.
pub fn timers(text: &[u8]) -> Option<Vec<i32>> {
    let timers = descriptor::parse_timers(text).ok()?;
    Some(timers.iter().map(|timer| timer.id).collect())
}

/// This kernel's vdso.
///
/// # Errors
/// There is none.
pub fn own_vdso() -> io::Result<Vec<u8>> {
    OwnVdso::read().map(|own| own.code)
}

/// The functions of an image's vdso: names, and offsets.
pub fn functions(vdso: &[u8]) -> Vec<(String, u64)> {
    vdso::functions(vdso).into_iter().collect()
}

/// An image's vdso, leading to another one's functions.
pub fn redirected(old: &[u8], new: &[u8], now: u64) -> Vec<u8> {
    vdso::redirected(old, new, now)
}

/// Of each private mapping: what is written into it where it begins as a copy of a parent's, and what is dropped.
pub fn fills(parent: &Memory, own: &Memory) -> Vec<Filled> {
    let private = own.mappings.iter().filter(|mapping| !mapping.shared);
    let one = |mapping| {
        let (parents, own) =
            (fill::within(&parent.runs, mapping), fill::within(&own.runs, mapping));
        let (write, drop) = fill::difference(&parents, &own);
        (write, drop.into_iter().map(|span| (span.start, span.end)).collect())
    };
    private.map(one).collect()
}
