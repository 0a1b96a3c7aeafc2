//! What `/proc` says about a process that is to be checkpointed. The texts are the kernel's, the names in them anybody's:
//! whatever a name is, it changes nothing but the name.

use outlast_capsule::fuzzing as engine;

use super::texts::lines;

/// A file of this process.
fn own(name: &str) -> Vec<u8> {
    std::fs::read(format!("/proc/self/{name}")).unwrap_or_default()
}

pub(super) const AREA_WORDS: &[&str] = &[
    "1000-2000 rw-p 00000000 00:00 0 ",
    "ffffffffff600000-ffffffffffffffff",
    "[vsyscall]",
    "[vdso]",
    "[anon:x]",
    " (deleted)",
    "VmFlags: rd wr mr gd",
    "Locked: 18446744073709551615 kB",
    "ProtectionKey: 4294967295",
    "\\012",
    "-",
    ":",
    "\n",
];

const FIRST: &str = "1000-3000 rw-p 00001000 fe:01 77                     ";
const SECOND: &str = "\nSize: 8 kB\nLocked: 4 kB\nProtectionKey: 3\nVmFlags: rd wr gd\n7000-8000 ---s 0 00:00 0\nVmFlags: sh\n";

/// The text, and then a text with these bytes as a name.
pub(super) fn areas(bytes: &[u8]) {
    if let Some(areas) = engine::areas(bytes) {
        assert!(areas.iter().all(|((start, end), name, _)| start < end && name != b"[vsyscall]"));
    }
    // What the kernel writes for a line's end can't be told from these four characters, and is read as one.
    let odd = bytes.windows(4).any(|four| four == b"\\012") || bytes.contains(&0);
    if odd || bytes.first().is_none_or(u8::is_ascii_whitespace) || bytes == b"[vsyscall]" {
        return;
    }
    let with = |name: &[u8]| {
        let mut text = FIRST.as_bytes().to_vec();
        for byte in name {
            match byte {
                b'\n' => text.extend(b"\\012"),
                byte => text.push(*byte),
            }
        }
        text.extend(SECOND.as_bytes());
        engine::areas(&text).expect("as the kernel writes it")
    };
    let (plain, named) = (with(b"/x"), with(bytes));
    assert_eq!(named[0].1, bytes);
    assert_eq!((plain[0].0, &plain[0].2), (named[0].0, &named[0].2));
    assert_eq!(plain[1..], named[1..]);
}

pub(super) fn area_texts() -> Vec<Vec<u8>> {
    let cut = |name: &str| {
        let mut text = own(name);
        text.truncate(3000);
        text
    };
    let both = [FIRST, "/tmp/a b\\012c: d", SECOND].concat();
    let vsyscall =
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
    [vec![cut("smaps"), cut("maps")], lines([&both, vsyscall, "Locked: 4 kB\n"])].concat()
}

pub(super) const STAT_WORDS: &[&str] = &[") S 1 2 ", "(", ")", " ", "-1", "\n", "R"];

/// The text, and then a text with these bytes as a name.
pub(super) fn stat(bytes: &[u8]) {
    engine::stat(bytes);
    let with = |name: &[u8]| {
        let fields: String = (4..=52).map(|field| format!(" {field}")).collect();
        let text = [b"12 (", name, b") S", fields.as_bytes(), b"\n"].concat();
        engine::stat(&text).expect("as the kernel writes it")
    };
    let (plain, named) = (with(b"x"), with(bytes));
    assert_eq!(named, (bytes.to_vec(), plain.1));
}

pub(super) fn stats() -> Vec<Vec<u8>> {
    vec![own("stat"), b"a) S 1 (b".to_vec(), b"1 ) S ( 2".to_vec()]
}

pub(super) const STATUS_WORDS: &[&str] = &[
    "Name:\t",
    "\nNSpid:\t1\t2",
    "\nUid:\t0\t0\t0\t0",
    "\nGroups:\t1 2 3",
    "\nSigPnd:\tffffffffffffffff",
    "\nCapEff:\t0",
    "\nUmask:\t0777",
    "\nState:\tZ",
    "\nSeccomp:\t2",
    "\nx86_Thread_features:\tshstk",
    "\\n",
    "\n",
];

/// The text, and then a text with these bytes as a name.
pub(super) fn status(bytes: &[u8]) {
    engine::status(bytes);
    let with = |name: &[u8]| {
        let mut text = b"Name:\t".to_vec();
        for byte in name {
            match byte {
                b'\n' => text.extend(b"\\n"),
                b'\\' => text.extend(b"\\\\"),
                byte => text.push(*byte),
            }
        }
        text.extend(b"\nState:\tS (sleeping)\nNStgid:\t90\t7\nNSpid:\t91\t8\nUid:\t1\t2\t3\t4\nGroups:\t4 24 \n");
        engine::status(&text).expect("as the kernel writes it")
    };
    assert_eq!(with(b"x"), with(bytes));
}

pub(super) fn statuses() -> Vec<Vec<u8>> {
    vec![own("status"), b"NSpid:\t1\n".to_vec(), b"x\nNSpid:\t0".to_vec()]
}

pub(super) const DESCRIPTOR_WORDS: &[&str] = &[
    "pos:\t",
    "flags:\t02100002",
    "mnt_id:\t22",
    "eventfd-count: 1f",
    "sigmask:\tffff",
    "it_value: (18446744073, 709551615)",
    "it_interval: (0, 7)",
    "lock:\t1: POSIX  ADVISORY  READ 1234 fe:01:77 0 18446744073709551615",
    "tfd: 5 events: 19 data: deadbeef",
    "inotify wd:1 ino:9e7e sdev:fffffffff mask:800afce fhandle-type:1 f_handle:7e9e",
    "f_handle:",
    "EOF",
    "\n",
];

pub(super) fn descriptor(bytes: &[u8]) {
    if let Some((lists, _)) = engine::descriptor(bytes) {
        assert!(lists <= bytes.split(|byte| *byte == b'\n').count());
    }
}

pub(super) fn descriptors() -> Vec<Vec<u8>> {
    let texts = lines([
        "pos:\t10\nflags:\t02100002\nmnt_id:\t22\nlock:\t1: FLOCK  ADVISORY  WRITE 1234 fe:01:77 0 EOF\nlock:\t2: POSIX  ADVISORY  READ 1234 fe:01:77 10 19\nlock:\t3: OFDLCK ADVISORY  WRITE -1 fe:01:77 5 EOF\n",
        "pos:\t0\nflags:\t02\nmnt_id:\t15\ntfd:        5 events:       19 data:         deadbeef  pos:0 ino:61 sdev:5\n",
        "clockid: 1\nticks: 3\nsettime flags: 01\nit_value: (1, 5)\nit_interval: (0, 7)\n",
        "eventfd-count:                1f\neventfd-id: 8\neventfd-semaphore: 1\n",
        "inotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d\n",
        "sigmask:\t0000000000000200\n",
    ]);
    [vec![own("fdinfo/0"), own("fdinfo/2")], texts].concat()
}

pub(super) const TIMER_WORDS: &[&str] = &[
    "ID: 1\n",
    "signal: 60/00007fff86e452a8\n",
    "notify: signal/pid.",
    "thread/tid.",
    "ClockID: ",
    "\n",
];

pub(super) fn timers(bytes: &[u8]) {
    if let Some(ids) = engine::timers(bytes) {
        let told = bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"ID:"));
        assert_eq!(ids.len(), told.count());
    }
}

pub(super) fn timer_texts() -> Vec<Vec<u8>> {
    lines([
        "ID: 1\nsignal: 60/00007fff86e452a8\nnotify: signal/pid.2634\nClockID: 0\n",
        "ID: 1\nsignal: 60/0\nnotify: none/pid.2634\nClockID: 0\nID: 4\nsignal: 34/0\nnotify: signal/tid.2635\nClockID: 1\n",
    ])
}
