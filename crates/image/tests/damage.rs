//! What was written is read again; what was damaged, cut or is of another kind is refused, by its section's name.

use std::fs;
use std::path::Path;

use outlast_image::{
    Backing, Block, Body, Bounds, Clocks, Compression, Credentials, Description, Descriptor,
    FileId, ImageError, LockKind, Machine, Mapping, MappingFlags, Memory, Object, ObjectKind, Open,
    OutsideTerminal, PAGE, Packet, Pipe, Place, Placed, Process, Reader, Run, Schedule, Snapshot,
    State, Table, Terminal, TerminalSettings, Thread, UnixKind, UnixLink, UnixMessage, UnixSocket,
    Writer,
};
use proptest::prelude::*;

fn machine() -> Machine {
    Machine {
        host: "here".to_owned(),
        kernel: "6.12".to_owned(),
        processor: "some".to_owned(),
        xcr0: 7,
        features: vec!["avx".to_owned(), "sse".to_owned()],
        vdso: vec![0x90; 100],
    }
}

fn file() -> FileId {
    FileId {
        path: b"/bin/true".to_vec(),
        device: 1,
        inode: 2,
        mode: 0o100_755,
        special: 0,
        len: 5000,
        modified: -1,
    }
}

fn thread(tid: i32, words: &[u64]) -> Thread {
    Thread {
        tid,
        name: b"some".to_vec(),
        registers: (0..27).map(|nth| words[nth % words.len()]).collect(),
        xstate: vec![1; 600],
        xstate_len: 1000,
        mask: words[0],
        pending: Vec::new(),
        rseq: Some((words[0], 32, 7)),
        robust_list: (words[0], 24),
        clear_tid: words[0],
        alternate_stack: (0, 2, 0),
        parent_death_signal: 0,
        schedule: Schedule { affinity: vec![3], ..Schedule::default() },
        credentials: Credentials { groups: vec![4, 20], ..Credentials::default() },
        timer_slack: 50_000,
        personality: 0,
        below_stack: None,
    }
}

/// A root and its children, with memory of so many stored pages, a pipe and a memfd.
fn snapshot(pages: u32, children: i32, words: &[u64]) -> Snapshot {
    const START: u64 = 0x10_0000;
    let mapping = Mapping {
        start: START,
        end: START + u64::from(pages + 3) * PAGE as u64,
        protection: 3,
        shared: false,
        backing: Backing::Anonymous,
        flags: MappingFlags::default(),
        name: Some("some".to_owned()),
    };
    let run = Run { start: START + PAGE as u64, pages, first: Some(0) };
    let body = |place, table| Body {
        memory: Memory {
            mappings: vec![mapping.clone()],
            runs: if pages > 0 { vec![run] } else { Vec::new() },
            bounds: Bounds::default(),
            auxv: vec![6, 4096, 0, 0],
            executable: 0,
            no_huge_pages: false,
            guards: vec![(START, START + PAGE as u64)],
            lock_future: 0,
            barriers: 0,
            extended: 0,
        },
        table,
        place,
        actions: Vec::new(),
        pending: Vec::new(),
        interval_timers: Default::default(),
        timers: Vec::new(),
        limits: vec![(1, 2); 16],
        oom_score_adj: 0,
        subreaper: false,
        dumpable: 1,
        coredump_filter: 0x33,
        locks: Vec::new(),
    };
    let own = Place::Own { directory: b"/".to_vec(), root: None, umask: 0o22 };
    let descriptor = |number, description| Descriptor { number, close_on_exec: false, description };
    let table = Table::Own(vec![descriptor(0, 0), descriptor(5, 1), descriptor(6, 2)]);
    let process = |pid: i32, parent, body| Process {
        pid,
        parent,
        parent_thread: 0,
        group: 100,
        session: 100,
        exit_signal: 17,
        state: State::Running,
        threads: vec![thread(pid, words)],
        body: Some(body),
    };
    let mut processes = vec![process(100, None, body(own, table))];
    for nth in 0..children {
        let body = body(Place::Shared(0), Table::Shared(0));
        processes.push(process(101 + nth, Some(0), body));
    }
    let description = |what| Description {
        what,
        flags: 2,
        position: 0,
        flock: Some(LockKind::Shared),
        owner: None,
        locks: Vec::new(),
    };
    Snapshot {
        clocks: Clocks { real: 1, monotonic: 2, boot: 3 },
        processes,
        descriptions: vec![
            description(Open::Pipe(0)),
            description(Open::Object(0)),
            description(Open::Event { count: 3, semaphore: true }),
            description(Open::Master(0)),
        ],
        objects: vec![Object {
            kind: ObjectKind::Memfd { seals: 0 },
            name: b"memory".to_vec(),
            len: 3 * PAGE as u64 + 5,
            runs: if pages > 0 {
                vec![Run { start: PAGE as u64, pages: 1, first: Some(pages - 1) }]
            } else {
                Vec::new()
            },
            mode: 0o600,
            owner: (0, 0),
        }],
        pipes: vec![Pipe {
            fifo: None,
            capacity: 65536,
            content: vec![Packet(b"hello".to_vec())],
            packets: false,
            full: false,
        }],
        terminals: vec![Terminal {
            index: 3,
            opened: true,
            output: b"shown".to_vec(),
            input: b"typed".to_vec(),
            settings: TerminalSettings { flags: [0, 0, 0, 2], ..TerminalSettings::default() },
            ends: vec![5],
            ..Terminal::default()
        }],
        outside: Some(OutsideTerminal { session: 100, ..OutsideTerminal::default() }),
        unix: Vec::new(),
        files: vec![file()],
    }
}

/// Pages that differ from each other, and are compressible or not.
fn page(number: u32, dense: bool) -> Vec<u8> {
    let mut state = u64::from(number) + 1;
    let mut page = Vec::with_capacity(PAGE);
    while page.len() < PAGE {
        // Knuth's constants for 64-bit linear congruences.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        page.extend(if dense { state.to_le_bytes() } else { u64::from(number + 1).to_le_bytes() });
    }
    page
}

fn write(path: &Path, pages: u32, dense: bool, how: Compression, snapshot: &Snapshot) {
    let writer = Writer::create(path, how).expect("the folder can be written");
    let mut content: Vec<u8> = (0..pages).flat_map(|number| page(number, dense)).collect();
    let mut numbers = Vec::new();
    for part in content.chunks_mut(outlast_image::BLOCK_PAGES * PAGE) {
        numbers.extend(writer.pages().place(part).expect("there is room"));
    }
    assert!(numbers.iter().zip(0..).all(|(placed, nth)| *placed == Placed::At(nth)));
    writer.finish(snapshot, &machine()).expect("it can be written");
}

/// All that an image says.
#[derive(Debug, PartialEq)]
struct Said {
    snapshot: Snapshot,
    machine: Machine,
    blocks: Vec<Block>,
    pages: Vec<Vec<u8>>,
}

fn read(path: &Path) -> Result<Said, ImageError> {
    let reader = Reader::open(path)?;
    reader.verify()?;
    let mut pages = Vec::new();
    let count = u32::try_from(reader.stored_pages()).expect("few");
    for number in 0..count {
        let mut page = Vec::new();
        reader.read(number, 1, &mut page)?;
        pages.push(page);
    }
    Ok(Said {
        snapshot: reader.snapshot().clone(),
        machine: reader.machine().clone(),
        blocks: reader.blocks().to_vec(),
        pages,
    })
}

fn images(folder: &Path) -> Vec<Vec<u8>> {
    let path = folder.join("image");
    let how = [(Compression::None, true), (Compression::Zstd(1), false)];
    how.map(|(how, dense)| {
        write(&path, 3, dense, how, &snapshot(3, 1, &[1, 2, 3]));
        fs::read(&path).expect("it is there")
    })
    .to_vec()
}

#[test]
fn an_image_that_was_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for whole in images(folder.path()) {
        let path = folder.path().join("cut");
        let odd =
            (0..whole.len()).filter(|len| len % 23 == 0 || *len < 70 || whole.len() - len < 70);
        for len in odd {
            fs::write(&path, &whole[..len]).expect("there is room");
            let error = read(&path).expect_err("it was cut");
            let expected = match error {
                ImageError::Foreign(_) => len < 64,
                ImageError::Damaged { .. } => len >= 64,
                _ => false,
            };
            assert!(expected, "{len} of {} bytes: {error}", whole.len());
        }
    }
}

#[test]
fn a_byte_that_was_changed_anywhere_is_found_or_means_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for whole in images(folder.path()) {
        let path = folder.path().join("changed");
        fs::write(&path, &whole).expect("there is room");
        let expected = read(&path).expect("it is whole");
        let mut sections = std::collections::BTreeSet::new();
        // Between the header and the pages there is nothing.
        let bytes = (0..64).chain((64..4096).step_by(97)).chain((4096..whole.len()).step_by(7));
        for at in bytes {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).expect("there is room");
            match read(&path) {
                Ok(said) => assert_eq!(said, expected, "byte {at} was changed unnoticed"),
                Err(ImageError::Damaged { section, .. }) => {
                    sections.insert(section);
                }
                Err(ImageError::Foreign(_)) => assert!(at < 16, "byte {at}"),
                Err(error) => panic!("byte {at}: {error}"),
            }
        }
        let all = ["blocks", "data", "header", "machine", "snapshot", "sums", "table"];
        assert_eq!(sections.iter().map(String::as_str).collect::<Vec<_>>(), all);
    }
}

#[test]
fn what_is_no_image_of_ours_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("other");
    let foreign = |path: &Path| {
        let error = Reader::open(path).expect_err("it is no image");
        assert!(matches!(error, ImageError::Foreign(_)), "{error}");
    };
    for text in [&b""[..], b"Dear diary,\n", &[0; 100_000]] {
        fs::write(&path, text).expect("there is room");
        foreign(&path);
    }
    foreign(folder.path());
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("the folder is ours");
    foreign(&pipe);
    let error = Reader::open(&folder.path().join("none")).expect_err("there is none");
    assert!(matches!(error, ImageError::Io { .. }), "{error}");
}

#[test]
fn an_image_of_a_later_version_is_refused_by_its_number() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut image = images(folder.path()).remove(0);
    image[16..20].copy_from_slice(&7_u32.to_le_bytes());
    let sum = twox_hash::XxHash3_64::oneshot(&image[..56]);
    image[56..64].copy_from_slice(&sum.to_le_bytes());
    let path = folder.path().join("later");
    fs::write(&path, &image).expect("there is room");
    let error = Reader::open(&path).expect_err("it is of a later version");
    assert!(matches!(error, ImageError::Version { found: 7 }), "{error}");
    assert!(error.to_string().contains("version 7"), "{error}");
}

/// A description that was changed somewhere is refused because of that.
fn refused(change: impl Fn(&mut Snapshot), because: &str) {
    let mut changed = snapshot(3, 2, &[1, 2, 3]);
    changed.validate(3).expect("it was good");
    change(&mut changed);
    let fault = changed.validate(3).expect_err(because).to_string();
    assert!(fault.contains(because), "{fault}");
}

fn body(snapshot: &mut Snapshot) -> &mut Body {
    snapshot.processes[0].body.as_mut().expect("it lives")
}

#[test]
fn times_that_can_not_be_added_are_refused() {
    refused(|snapshot| snapshot.clocks.real = 1 << 63, "clocks");
    let timer = |left| Open::Timer { clock: 0, ticks: 0, flags: 1, left, interval: 0 };
    refused(|snapshot| snapshot.descriptions[0].what = timer(u64::MAX), "open file 0");
}

#[test]
fn the_dead_have_no_children_and_end_as_processes_do() {
    let end = |snapshot: &mut Snapshot, nth: usize, status| {
        snapshot.processes[nth].state = State::Zombie(status);
        snapshot.processes[nth].body = None;
    };
    refused(|snapshot| end(snapshot, 0, 9), "the first process has ended");
    let orphan = |snapshot: &mut Snapshot| {
        end(snapshot, 1, 9);
        snapshot.processes[2].parent = Some(1);
    };
    refused(orphan, "its parent has ended");
    for odd in [0x7f, 17, 19, 65, -1, 0x10000, 0x80, 0x109] {
        refused(|snapshot| end(snapshot, 2, odd), "no process ends with status");
    }
    for good in [0, 0x100, 0xff00, 9, 11 | 0x80, 64] {
        let mut snapshot = snapshot(3, 2, &[1, 2, 3]);
        end(&mut snapshot, 2, good);
        snapshot.validate(3).expect("processes end so");
    }
    let stop = |snapshot: &mut Snapshot| {
        snapshot.processes[1].state = State::Stopped { signal: 18, told: false };
    };
    refused(stop, "stops nobody");
}

#[test]
fn more_ancestors_than_the_engine_has_room_for_are_refused() {
    let mut deep = snapshot(0, 1001, &[1]);
    for (nth, process) in (0..).zip(&mut deep.processes).skip(1) {
        process.parent = Some(nth - 1);
    }
    let fault = deep.validate(0).expect_err("too deep").to_string();
    assert!(fault.contains("process 1101: more than 1000 ancestors"), "{fault}");
    deep.processes.pop();
    deep.validate(0).expect("deep enough");
}

#[test]
fn a_pipe_that_would_wait_for_a_reader_is_refused() {
    let fill = |snapshot: &mut Snapshot, packets: bool, count: usize| {
        let pipe = &mut snapshot.pipes[0];
        pipe.packets = packets;
        pipe.content = vec![Packet(b"x".to_vec()); count];
    };
    refused(|snapshot| fill(snapshot, true, 17), "17 packets in a pipe of 65536");
    refused(|snapshot| fill(snapshot, false, 2), "2 packets");
    refused(|snapshot| snapshot.pipes[0].content = vec![Packet(Vec::new())], "1 packets");
    let mut full = snapshot(0, 0, &[1]);
    fill(&mut full, true, 16);
    full.validate(0).expect("one for each page");
}

#[test]
fn texts_that_have_no_room_where_they_are_put_are_refused() {
    let name = |snapshot: &mut Snapshot| {
        body(snapshot).memory.mappings[0].name = Some("x".repeat(5000));
    };
    refused(name, "a name that no mapping has");
    let path = |snapshot: &mut Snapshot| {
        let directory = [b"/".as_slice(), &[b'x'; 4095]].concat();
        body(snapshot).place = Place::Own { directory, root: None, umask: 0 };
    };
    refused(path, "too long");
    let below = |snapshot: &mut Snapshot| {
        snapshot.processes[0].threads[0].below_stack = Some((0, vec![0; 5000]));
    };
    refused(below, "below its stack");
    machine().validate().expect("it was good");
    let large = Machine { vdso: vec![0; 1 << 17], ..machine() };
    assert!(large.validate().is_err());
}

#[test]
fn pages_that_no_image_has_are_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("image");
    write(&path, 3, true, Compression::None, &snapshot(3, 0, &[1]));
    let reader = Reader::open(&path).expect("it is whole");
    for (first, pages) in [(3, 1), (2, 2), (u32::MAX, 256), (u32::MAX - 1, 1)] {
        let error = reader.read(first, pages, &mut Vec::new()).expect_err("there are three");
        assert!(matches!(error, ImageError::Damaged { .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_written_is_read_again(
        pages in 0_u32..600,
        children in 0_i32..4,
        words in prop::collection::vec(any::<u64>(), 1..27),
        dense in any::<bool>(),
        packed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("image");
        let how = if packed { Compression::Zstd(1) } else { Compression::None };
        let snapshot = snapshot(pages, children, &words);
        write(&path, pages, dense, how, &snapshot);
        let said = read(&path).expect("it is whole");
        prop_assert_eq!(&said.snapshot, &snapshot);
        prop_assert_eq!(&said.machine, &machine());
        prop_assert_eq!(said.pages.len(), pages as usize);
        for (number, found) in (0..).zip(&said.pages) {
            prop_assert!(*found == page(number, dense), "page {}", number);
        }
    }

    /// What is decoded from changed bytes is judged without a panic; and what passes can be written, and read the same.
    #[test]
    fn a_description_that_was_tampered_with_is_judged(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        pages in 1_usize..4,
    ) {
        let mut bytes = postcard::to_stdvec(&snapshot(3, 2, &[1, 2, 3])).expect("plain data");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(snapshot) = postcard::from_bytes::<Snapshot>(&bytes)
            && snapshot.validate(pages).is_ok()
        {
            prop_assert!(!snapshot.processes.is_empty());
            for run in snapshot.objects.iter().flat_map(|object| &object.runs) {
                let end = run.first.map_or(0, |first| first as usize + run.pages as usize);
                prop_assert!(end <= pages);
            }
        }
    }
}

#[test]
fn a_terminal_that_cannot_be_made_is_refused() {
    let with = |change: fn(&mut Terminal), why: &str| {
        refused(|snapshot| change(&mut snapshot.terminals[0]), why);
    };
    with(|one| one.index = 4096, "number 4096, expected less than 4096");
    with(|one| one.session = -1, "out of range");
    with(|one| one.output = vec![1; 40_000], "at most 32768");
    with(|one| one.input = vec![1; 4095], "at most 32768 and 4095");
    with(|one| one.ends = vec![6], "an end of file");
    with(|one| one.ends = vec![3, 2], "an end of file");
    with(|one| one.settings.flags[3] = 0, "an end of file");
    with(|one| one.opened = false, "it was never opened");
    with(|one| one.mode = 0o10_000, "permissions");
    refused(|snapshot| snapshot.terminals.push(snapshot.terminals[0].clone()), "is there twice");
    refused(|snapshot| snapshot.terminals.clear(), "open to nothing");
    refused(|one| one.outside.as_mut().expect("it has one").foreground = -1, "out of range");
    let closed = |snapshot: &mut Snapshot| snapshot.descriptions[3].what = Open::HungUp;
    refused(closed, "0 descriptions of its master");
}

/// Two that are connected, one that listens, one that waits for it.
fn sockets(snapshot: &mut Snapshot) -> &mut [UnixSocket; 4] {
    let link = |link| UnixSocket { link, ..UnixSocket::default() };
    let listening = UnixSocket {
        name: b"\0name".to_vec(),
        ..link(UnixLink::Listening { backlog: 1, waiting: vec![3] })
    };
    let (one, two) = (link(UnixLink::Connected(1)), link(UnixLink::Connected(0)));
    snapshot.unix = vec![one, two, listening, link(UnixLink::Waiting)];
    snapshot.unix.first_chunk_mut().expect("four")
}

#[test]
fn sockets_that_nobody_can_have_connected_are_refused() {
    let mut good = snapshot(0, 0, &[1]);
    sockets(&mut good);
    good.validate(0).expect("it is good");
    let message = |bytes: usize, passed: Vec<u32>| UnixMessage {
        bytes: vec![0; bytes],
        passed,
        ..UnixMessage::default()
    };
    let is_refused = |change: &dyn Fn(&mut [UnixSocket; 4]), because: &str| {
        refused(|snapshot| change(sockets(snapshot)), because);
    };
    is_refused(&|all| all[0].link = UnixLink::Connected(7), "connected to nothing");
    is_refused(&|all| all[0].link = UnixLink::Connected(0), "connected to nothing");
    is_refused(&|all| all[1].kind = UnixKind::Packets, "connected to nothing");
    is_refused(&|all| all[3].link = UnixLink::None, "doesn't wait for it alone");
    is_refused(&|all| all[2].link = UnixLink::None, "waits to be accepted by nobody");
    let listens = |waiting: &[u32]| UnixLink::Listening { backlog: 1, waiting: waiting.to_vec() };
    is_refused(&|all| all[2].link = listens(&[3, 3]), "doesn't wait for it alone");
    is_refused(&|all| all[2].link = listens(&[3, 3, 3]), "3 wait");
    is_refused(&|all| all[0].name = vec![b'x'; 109], "a name that is too long");
    is_refused(&|all| all[0].name = b"a\0b".to_vec(), "a path with a zero");
    is_refused(&|all| all[0].queue = vec![message(1, vec![0; 254])], "too many descriptors");
    is_refused(&|all| all[0].queue = vec![message(1, vec![99])], "on its way");
    is_refused(&|all| all[0].queue = vec![message(0, Vec::new())], "nothing, as a part");
    is_refused(&|all| all[2].queue = vec![message(1, Vec::new())], "it listens, and can't");
    is_refused(&|all| all[0].shut = 4, "ends or options");
}
