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
pub(crate) fn functions(vdso: &[u8]) -> HashMap<String, u64> {
    symbols(vdso).unwrap_or_default()
}

/// A vdso has about a dozen functions.
const MAX_SYMBOLS: usize = 1024;

/// `__vdso_sgx_enter_enclave` is the longest name so far.
const MAX_NAME: usize = 64;

/// The dynamic symbols of an ELF file of 64 bits. `None` where it isn't one. It may be an image's: anybody's.
fn symbols(elf: &[u8]) -> Option<HashMap<String, u64>> {
    fn bytes<const N: usize>(elf: &[u8], start: usize, offset: usize) -> Option<[u8; N]> {
        elf.get(start.checked_add(offset)?..)?.first_chunk().copied()
    }
    let half = |start, offset| bytes(elf, start, offset).map(u16::from_le_bytes).map(usize::from);
    let word = |start, offset| usize::try_from(u32::from_le_bytes(bytes(elf, start, offset)?)).ok();
    let long = |start, offset| usize::try_from(u64::from_le_bytes(bytes(elf, start, offset)?)).ok();
    if elf.get(..4)? != b"\x7fELF" {
        return None;
    }
    let sections = long(0, 0x28)?;
    let (size, count) = (half(0, 0x3a)?, half(0, 0x3c)?);
    let section = |nth: usize| sections.checked_add(nth.checked_mul(size)?);
    const DYNSYM: usize = 11;
    let mut found = HashMap::new();
    for nth in 0..count {
        let at = section(nth)?;
        if word(at, 4)? != DYNSYM {
            continue;
        }
        let (offset, len, link) = (long(at, 0x18)?, long(at, 0x20)?, word(at, 0x28)?);
        let strings = long(section(link)?, 0x18)?;
        const SYMBOL: usize = 24;
        for nth in 0..(len / SYMBOL).min(MAX_SYMBOLS) {
            let at = offset.checked_add(nth * SYMBOL)?;
            let name = elf.get(strings.checked_add(word(at, 0)?)?..)?;
            let name = &name[..name.len().min(MAX_NAME)];
            let Some(end) = name.iter().position(|byte| *byte == 0) else { continue };
            let value = long(at, 8)? as u64;
            if name.starts_with(b"__vdso") && half(at, 6)? != 0 {
                found.insert(String::from_utf8_lossy(&name[..end]).into_owned(), value);
            }
        }
        // There is one.
        break;
    }
    Some(found)
}

/// The old code, with each function's entry jumping to where it is now: `now` is the place of the new vdso.
pub(crate) fn redirected(old: &[u8], new: &[u8], now: u64) -> Vec<u8> {
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
        if let Some(place) = code.get_mut(at..).and_then(|rest| rest.get_mut(..entry.len())) {
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

    /// A file of one symbol, whose section's fields and whose value are these.
    fn elf(fields: [u64; 3], value: u64) -> Vec<u8> {
        let mut elf = vec![0; 0x200];
        let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF");
        put(0x28, &fields[0].to_le_bytes());
        put(0x3a, &[64, 0, 2, 0]);
        put(0x44, &11_u32.to_le_bytes());
        put(0x58, &fields[1].to_le_bytes());
        put(0x60, &fields[2].to_le_bytes());
        // Its names are those of the section itself.
        put(0x100, &[0x20, 0, 0, 0, 0, 0, 1, 0]);
        put(0x108, &value.to_le_bytes());
        put(0x120, b"__vdso_time");
        elf
    }

    #[test]
    fn numbers_of_an_images_vdso_lead_nowhere_else() {
        let end = u64::MAX;
        assert_eq!(functions(&elf([0x40, 0x100, 24], 7))["__vdso_time"], 7);
        for fields in
            [[0x40, 0x100, end], [0x40, end, 24], [end - 2, 0x100, 24], [0x40, end - 30, end]]
        {
            for value in [0, 0x1fe, end - 3, end] {
                let old = elf(fields, value);
                assert_eq!(redirected(&old, b"", 0).len(), old.len());
            }
        }
    }

    #[test]
    fn names_without_an_end_and_sections_without_number_take_no_time() {
        // Each section is the same one, each symbol has a name that is as long as what is left.
        let mut old = b"__vdso_".repeat(10_000);
        old[..4].copy_from_slice(b"\x7fELF");
        old[0x28..0x30].copy_from_slice(&0x40_u64.to_le_bytes());
        old[0x3a..0x3e].copy_from_slice(&[0, 0, 0xff, 0xff]);
        old[0x44..0x48].copy_from_slice(&11_u32.to_le_bytes());
        old[0x58..0x60].copy_from_slice(&0x80_u64.to_le_bytes());
        old[0x60..0x68].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(functions(&old).is_empty());
    }

    #[test]
    fn a_function_that_is_missing_becomes_a_system_call() {
        let own = OwnVdso::read().expect("a vdso");
        let code = redirected(&own.code, b"", 0);
        let at = usize::try_from(functions(&own.code)["__vdso_clock_gettime"]).expect("small");
        assert_eq!(code[at..at + 8], [0xb8, 228, 0, 0, 0, 0x0f, 0x05, 0xc3]);
    }
}
