//! What this machine is: kernel, processor, vdso, clocks.

use std::io;

use outlast_image::{Clocks, Machine};
use outlast_os::foreign::{self, Span};

use crate::proc::{self, Area, Proc, parse_areas};

/// The kernel's mappings of this process.
#[derive(Clone, Debug)]
pub(crate) struct OwnVdso {
    /// In the order of addresses.
    pub(crate) areas: Vec<Area>,
    /// The vdso's content.
    pub(crate) code: Vec<u8>,
}

impl OwnVdso {
    pub(crate) fn read() -> io::Result<Self> {
        let mut areas = parse_areas(&proc::read("/proc/self/maps")?)?;
        areas.retain(Area::is_kernels);
        let vdso = areas.iter().find(|area| area.name == b"[vdso]").ok_or_else(|| {
            io::Error::other("this process has no vdso: is `vdso=0` given to the kernel?")
        })?;
        let span = Span { start: vdso.start, end: vdso.end };
        let mut code = vec![0; usize::try_from(span.len()).expect("two pages")];
        foreign::read(std::process::id().cast_signed(), &[span], &mut code)?;
        Ok(Self { areas, code })
    }

    pub(crate) fn vdso(&self) -> &Area {
        self.areas.iter().find(|area| area.name == b"[vdso]").expect("found when it was read")
    }
}

/// This machine.
pub(crate) fn this() -> Machine {
    let text = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().to_owned()
    };
    let cpu = cpu_info();
    Machine {
        host: text("/proc/sys/kernel/hostname"),
        kernel: text("/proc/sys/kernel/osrelease"),
        processor: cpu.0,
        xcr0: outlast_os::processor::xcr0(),
        features: cpu.1,
        vdso: OwnVdso::read().map(|own| own.code).unwrap_or_default(),
    }
}

/// Name and features of the first processor.
fn cpu_info() -> (String, Vec<String>) {
    let mut start = Vec::new();
    // Processors are told one after the other: the first is in the first few kilobytes.
    if let Ok(file) = std::fs::File::open("/proc/cpuinfo") {
        use std::io::Read;
        const FIRST: u64 = 8192;
        let _ = file.take(FIRST).read_to_end(&mut start);
    }
    let mut name = String::new();
    let mut features: Vec<String> = Vec::new();
    for (field, value) in proc::fields(&start) {
        match field.trim() {
            "model name" if name.is_empty() => name = value.to_owned(),
            "flags" => {
                features = value.split(' ').map(str::to_owned).collect();
                break;
            }
            _ => {}
        }
    }
    features.sort_unstable();
    (name, features)
}

/// The clocks as a process sees them: ours, and its time namespace's offsets.
pub(crate) fn clocks_of(pid: i32) -> io::Result<Clocks> {
    let now = |clock| -> io::Result<u64> {
        let time = nix::time::clock_gettime(clock)?;
        Ok(time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned())
    };
    // Ours counts from our own offsets.
    let (theirs, ours) = (offsets(pid), offsets(std::process::id().cast_signed()));
    let shift = |nanos: u64, nth: usize| nanos.saturating_add_signed(theirs[nth] - ours[nth]);
    Ok(Clocks {
        real: now(nix::time::ClockId::CLOCK_REALTIME)?,
        monotonic: shift(now(nix::time::ClockId::CLOCK_MONOTONIC)?, 0),
        boot: shift(now(nix::time::ClockId::CLOCK_BOOTTIME)?, 1),
    })
}

/// Offsets of a process's time namespace, in nanoseconds: monotonic, boot. Without such namespaces, none.
pub(crate) fn offsets(pid: i32) -> [i64; 2] {
    let text = Proc { pid }.read("timens_offsets").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let offset = |name: &str| -> i64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let mut words = line.unwrap_or_default().split_ascii_whitespace();
        let mut word = || words.next().and_then(|word| word.parse::<i64>().ok()).unwrap_or(0);
        let seconds = word();
        seconds.saturating_mul(1_000_000_000).saturating_add(word())
    };
    [offset("monotonic"), offset("boottime")]
}
