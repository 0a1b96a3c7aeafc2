//! The kernel's own mappings: the vdso, which a program calls by addresses that it looked up once.
//!
//! On the kernel that the image is of, the mappings are moved to where they were. Another kernel's vdso has its functions
//! elsewhere: then it is moved out of the way, and where the old one was, the old code is put, with each
//! function's entry redirected to the new one of that name; one that the new kernel doesn't have, to the system call.

use std::collections::HashMap;

use outlast_image::{Backing, Machine, Mapping};
use outlast_os::foreign::Span;

use crate::machine::{OwnVdso, this};
use crate::proc::Area;

use super::RestoreError;

/// What a mapping of the kernel's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Vvar,
    Clock,
    Vdso,
}

/// A mapping of the kernel's in a process that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelArea {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

impl KernelArea {
    pub(super) fn all(areas: &[Area]) -> Vec<Self> {
        let kind = |area: &Area| match area.name.as_slice() {
            b"[vdso]" => Kind::Vdso,
            b"[vvar]" => Kind::Vvar,
            _ => Kind::Clock,
        };
        areas
            .iter()
            .map(|area| Self { span: Span { start: area.start, end: area.end }, kind: kind(area) })
            .collect()
    }

    /// Those that an image wants, in order.
    pub(super) fn wanted(mappings: &[Mapping]) -> Vec<Self> {
        mappings
            .iter()
            .filter_map(|mapping| {
                let kind = match mapping.backing {
                    Backing::Vdso => Kind::Vdso,
                    Backing::Vvar => Kind::Vvar,
                    Backing::VvarClock => Kind::Clock,
                    _ => return None,
                };
                Some(Self { span: Span { start: mapping.start, end: mapping.end }, kind })
            })
            .collect()
    }
}

/// Whether this machine can run what the image's did: our own vdso.
pub(super) fn judge_machine(
    then: &Machine,
    notes: &mut Vec<String>,
) -> Result<OwnVdso, RestoreError> {
    let now = this();
    let missing = then.xcr0 & !now.xcr0;
    if missing != 0 {
        return Err(RestoreError::Machine(format!(
            "its threads hold extended state that this processor ({}) hasn't: XCR0 {:#x}, here {:#x}; it was taken on {}",
            now.processor, then.xcr0, now.xcr0, then.processor
        )));
    }
    let lacking: Vec<&str> = then
        .features
        .iter()
        .filter(|feature| now.features.binary_search(feature).is_err())
        .map(String::as_str)
        .filter(|feature| matters(feature))
        .collect();
    if !lacking.is_empty() {
        return Err(RestoreError::Machine(format!(
            "a program chooses its code by the processor's features when it starts, and {} has not: {}; the image was taken on {}",
            now.processor,
            lacking.join(", "),
            then.processor
        )));
    }
    if then.kernel != now.kernel {
        notes.push(format!(
            "the image was taken on kernel {}, this one is {}",
            then.kernel, now.kernel
        ));
    }
    OwnVdso::read()
        .map_err(|source| RestoreError::World { what: "reading the vdso".to_owned(), source })
}

/// Features that programs choose code by: instruction sets. The others are the kernel's business.
fn matters(feature: &str) -> bool {
    const SETS: [&str; 37] = [
        "adx",
        "aes",
        "avx",
        "avx2",
        "avx_vnni",
        "bmi1",
        "bmi2",
        "cldemote",
        "clflushopt",
        "clwb",
        "cx16",
        "enqcmd",
        "erms",
        "f16c",
        "fma",
        "fsgsbase",
        "fsrm",
        "gfni",
        "lahf_lm",
        "lzcnt",
        "abm",
        "movbe",
        "movdir64b",
        "movdiri",
        "pclmulqdq",
        "popcnt",
        "rdpid",
        "rdrand",
        "rdseed",
        "sha_ni",
        "ssse3",
        "sse4_1",
        "sse4_2",
        "vaes",
        "vpclmulqdq",
        "wbnoinvd",
        "xsavec",
    ];
    SETS.contains(&feature) || feature.starts_with("avx512") || feature.starts_with("amx")
}

/// The functions of a vdso, by name: offsets from its start.
pub(super) fn functions(vdso: &[u8]) -> HashMap<String, u64> {
    symbols(vdso).unwrap_or_default()
}

/// The dynamic symbols of an ELF file of 64 bits. `None` where it isn't one.
fn symbols(elf: &[u8]) -> Option<HashMap<String, u64>> {
    let half =
        |at: usize| Some(usize::from(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?)));
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?) as usize);
    let long =
        |at: usize| u64::try_into(u64::from_le_bytes(elf.get(at..at + 8)?.try_into().ok()?)).ok();
    if elf.get(..4)? != b"\x7fELF" {
        return None;
    }
    let sections: usize = long(0x28)?;
    let (size, count) = (half(0x3a)?, half(0x3c)?);
    const DYNSYM: usize = 11;
    let mut found = HashMap::new();
    for nth in 0..count {
        let at = sections.checked_add(nth * size)?;
        if word(at + 4)? != DYNSYM {
            continue;
        }
        let (offset, len, link): (usize, usize, usize) =
            (long(at + 0x18)?, long(at + 0x20)?, word(at + 0x28)?);
        let strings: usize = long(sections.checked_add(link * size)? + 0x18)?;
        const SYMBOL: usize = 24;
        for nth in 0..len / SYMBOL {
            let at = offset.checked_add(nth * SYMBOL)?;
            let name = elf.get(strings.checked_add(word(at)?)?..)?;
            let name = name.split(|byte| *byte == 0).next()?;
            let value: usize = long(at + 8)?;
            if name.starts_with(b"__vdso") && half(at + 6)? != 0 {
                found.insert(String::from_utf8_lossy(name).into_owned(), value as u64);
            }
        }
    }
    Some(found)
}

/// The old code, with each function's entry jumping to where it is now: `now` is the place of the new vdso.
pub(super) fn redirected(old: &[u8], new: &[u8], now: u64) -> Vec<u8> {
    let mut code = old.to_vec();
    let there = functions(new);
    for (name, offset) in functions(old) {
        let entry = match there.get(&name) {
            Some(function) => jump(now + function),
            None => match call_of(&name) {
                Some(number) => system_call(number),
                None => continue,
            },
        };
        let at = usize::try_from(offset).expect("64 bits");
        if let Some(place) = code.get_mut(at..at + entry.len()) {
            place.copy_from_slice(&entry);
        }
    }
    code
}

/// `mov rax, ADDRESS; jmp rax`: no function of the vdso takes anything in `rax`.
fn jump(to: u64) -> Vec<u8> {
    let mut code = vec![0x48, 0xb8];
    code.extend(to.to_le_bytes());
    code.extend([0xff, 0xe0]);
    code
}

/// `mov eax, NUMBER; syscall; ret`.
fn system_call(number: u32) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    code.extend([0x0f, 0x05, 0xc3]);
    code
}

fn call_of(name: &str) -> Option<u32> {
    let number = match name {
        "__vdso_clock_gettime" => libc::SYS_clock_gettime,
        "__vdso_clock_getres" => libc::SYS_clock_getres,
        "__vdso_gettimeofday" => libc::SYS_gettimeofday,
        "__vdso_time" => libc::SYS_time,
        "__vdso_getcpu" => libc::SYS_getcpu,
        _ => return None,
    };
    u32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_this_kernels_vdso_are_found() {
        let own = OwnVdso::read().expect("a vdso");
        let functions = functions(&own.code);
        assert!(functions.contains_key("__vdso_clock_gettime"), "{functions:?}");
        assert!(functions.values().all(|offset| *offset < own.code.len() as u64));
    }

    #[test]
    fn what_is_no_vdso_has_no_functions() {
        assert!(functions(b"").is_empty());
        assert!(functions(&[0x7f; 4096]).is_empty());
        let own = OwnVdso::read().expect("a vdso");
        for cut in (0..own.code.len()).step_by(97) {
            let _ = functions(&own.code[..cut]);
        }
    }

    #[test]
    fn a_function_that_is_missing_becomes_a_system_call() {
        let own = OwnVdso::read().expect("a vdso");
        let code = redirected(&own.code, b"", 0);
        let at = usize::try_from(functions(&own.code)["__vdso_clock_gettime"]).expect("small");
        assert_eq!(code[at..at + 8], [0xb8, 228, 0, 0, 0, 0x0f, 0x05, 0xc3]);
    }
}
