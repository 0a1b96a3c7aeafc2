//! Small images: plain and packed, of one process and of a family.

use outlast_image::{
    Action, Backing, Block, Body, Bounds, Clocks, Compression, Credentials, Description,
    Descriptor, FileId, InotifyWatch, IntervalTimer, LockKind, Machine, Mapping, MappingFlags,
    Memory, Object, ObjectKind, Open, OutsideTerminal, Owner, PAGE, Packet, Pipe, Place,
    PosixTimer, Process, Reader, RecordLock, Run, Schedule, SigInfo, Snapshot, SocketFile, State,
    Table, Terminal, TerminalSettings, Thread, UnixKind, UnixLink, UnixMessage, UnixSocket, Watch,
    Writer,
};

/// Stored pages of each.
pub(super) const PAGES: u32 = 5;

const START: u64 = 0x10_0000;

pub(super) fn snapshots() -> Vec<Snapshot> {
    let family = vec![
        process(100, None, Table::Own(table()), own_place()),
        process(101, Some(0), Table::Shared(0), Place::Shared(0)),
        process(102, Some(1), Table::Own(Vec::new()), own_place()),
        zombie(103, Some(1)),
    ];
    let alone = vec![process(7, None, Table::Own(vec![descriptor(0, 2)]), own_place())];
    [family, alone].map(snapshot).to_vec()
}

/// Images in several blocks, and without one.
pub(crate) fn files() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("image");
    let mut all = Vec::new();
    for (how, snapshot) in [Compression::None, Compression::Zstd(1)]
        .iter()
        .flat_map(|how| snapshots().into_iter().map(move |one| (*how, one)))
    {
        let writer = Writer::create(&path, how).expect("the temporary folder has room");
        for part in [0..2, 2..3, 3..PAGES] {
            let mut pages: Vec<u8> = part.flat_map(page).collect();
            writer.pages().place(&mut pages).expect("the temporary folder has room");
        }
        writer.finish(&snapshot, &machine()).expect("the temporary folder has room");
        let blocks: Vec<Block> = Reader::open(&path).expect("whole").blocks().to_vec();
        assert!(blocks.iter().any(|block| block.packed) == (how != Compression::None));
        all.push(std::fs::read(&path).expect("it is there"));
    }
    all
}

fn page(number: u32) -> Vec<u8> {
    let mut page = vec![number as u8 + 1; PAGE];
    page[..4].copy_from_slice(&number.to_le_bytes());
    page
}

fn machine() -> Machine {
    Machine {
        host: "here".to_owned(),
        kernel: "6.12".to_owned(),
        xcr0: 7,
        features: vec!["avx".to_owned(), "sse".to_owned()],
        vdso: vec![0x90; 64],
        ..Machine::default()
    }
}

fn snapshot(processes: Vec<Process>) -> Snapshot {
    let description = |what| Description {
        what,
        flags: 2,
        position: 0,
        flock: Some(LockKind::Shared),
        owner: Some(Owner { kind: 1, id: 100, signal: 0 }),
        locks: vec![(LockKind::Exclusive, 0, 9)],
    };
    let watch = Watch { number: 5, events: 1, data: 9, description: 0 };
    let inotify = InotifyWatch { wd: 1, mask: 2, path: b"/tmp".to_vec() };
    let opened = [
        Open::Pipe(0),
        Open::Object(0),
        Open::File(file()),
        Open::Stream { which: 1, was: "a terminal".to_owned() },
        Open::Event { count: 3, semaphore: true },
        Open::Timer { clock: 0, ticks: 1, flags: 1, left: 5, interval: 7 },
        Open::Signals(4),
        Open::Epoll(vec![watch]),
        Open::Inotify(vec![inotify]),
        Open::Pipe(1),
        Open::Master(0),
        Open::Slave(0),
        Open::HungUp,
    ];
    let pipe = |packets: bool, content: &[&[u8]]| Pipe {
        fifo: (!packets).then(file),
        capacity: 65536,
        content: content.iter().map(|bytes| Packet(bytes.to_vec())).collect(),
        packets,
        full: false,
    };
    Snapshot {
        clocks: Clocks { real: 1 << 60, monotonic: 2, boot: 3 },
        processes,
        descriptions: opened.into_iter().map(description).collect(),
        objects: vec![Object {
            kind: ObjectKind::Memfd { seals: 0 },
            name: b"memory".to_vec(),
            len: 3 * PAGE as u64 + 5,
            runs: vec![Run { start: PAGE as u64, pages: 2, first: Some(2) }],
            mode: 0o600,
            owner: (0, 0),
        }],
        pipes: vec![pipe(false, &[b"hello"]), pipe(true, &[b"one", b"two"])],
        terminals: vec![terminal()],
        outside: Some(OutsideTerminal { session: 100, ..OutsideTerminal::default() }),
        unix: sockets(),
        files: vec![file()],
    }
}

fn terminal() -> Terminal {
    Terminal {
        index: 3,
        opened: true,
        settings: TerminalSettings { flags: [0, 0, 0, 2], ..TerminalSettings::default() },
        output: b"shown".to_vec(),
        input: b"typed".to_vec(),
        ends: vec![5],
        session: 100,
        foreground: 100,
        ..Terminal::default()
    }
}

/// Two that are connected, one that listens, one that waits, datagrams.
fn sockets() -> Vec<UnixSocket> {
    let connected = |to| UnixSocket { link: UnixLink::Connected(to), ..UnixSocket::default() };
    let message = |bytes: &[u8], passed: &[u32]| UnixMessage {
        bytes: bytes.to_vec(),
        passed: passed.to_vec(),
        sender: Some((100, 0, 0)),
        ..UnixMessage::default()
    };
    let file = SocketFile { path: b"/run/name".to_vec(), mode: 0o755, owner: (0, 0), modified: 1 };
    vec![
        UnixSocket { queue: vec![message(b"hello", &[0])], ..connected(1) },
        UnixSocket { shut: 2, full: 5000, options: vec![(7, 4096)], ..connected(0) },
        UnixSocket {
            name: b"/run/name".to_vec(),
            file: Some(file),
            link: UnixLink::Listening { backlog: 5, waiting: vec![3] },
            ..UnixSocket::default()
        },
        UnixSocket { link: UnixLink::Waiting, ..UnixSocket::default() },
        UnixSocket {
            kind: UnixKind::Datagram,
            name: b"\0name".to_vec(),
            link: UnixLink::Gone { name: b"gone".to_vec(), reset: false },
            queue: vec![message(b"", &[]), message(b"one", &[])],
            ..UnixSocket::default()
        },
    ]
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

fn descriptor(number: i32, description: u32) -> Descriptor {
    Descriptor { number, close_on_exec: number > 2, description }
}

fn table() -> Vec<Descriptor> {
    (0..10).map(|nth| descriptor(nth * 2, nth.cast_unsigned())).collect()
}

fn own_place() -> Place {
    Place::Own { directory: b"/tmp".to_vec(), root: Some(b"/".to_vec()), umask: 0o22 }
}

fn thread(tid: i32) -> Thread {
    Thread {
        tid,
        name: b"some".to_vec(),
        registers: vec![1; 27],
        xstate: vec![1; 8],
        xstate_len: 1000,
        mask: 0,
        pending: Vec::new(),
        rseq: Some((START, 32, 7)),
        robust_list: (START, 24),
        clear_tid: START,
        alternate_stack: (0, 2, 0),
        parent_death_signal: 0,
        schedule: Schedule { affinity: vec![3], ..Schedule::default() },
        credentials: Credentials { groups: vec![4, 20], ..Credentials::default() },
        timer_slack: 50_000,
        personality: 0,
        below_stack: Some((START, vec![0; 16])),
    }
}

fn zombie(pid: i32, parent: Option<u32>) -> Process {
    let living = process(pid, parent, Table::Own(Vec::new()), own_place());
    Process { state: State::Zombie(9), threads: vec![thread(pid)], body: None, ..living }
}

fn process(pid: i32, parent: Option<u32>, table: Table, place: Place) -> Process {
    let stopped = State::Stopped { signal: 19, told: true };
    Process {
        pid,
        parent,
        parent_thread: 0,
        group: 100,
        session: 100,
        exit_signal: 17,
        state: if parent == Some(1) { stopped } else { State::Running },
        threads: vec![thread(pid), thread(pid + 1000)],
        body: Some(body(pid, table, place)),
    }
}

fn body(pid: i32, table: Table, place: Place) -> Body {
    Body {
        memory: memory(u64::from(pid % 2 == 0) * PAGE as u64),
        table,
        place,
        actions: vec![Action { signal: 15, handler: START, flags: 0, restorer: 0, mask: 0 }],
        pending: vec![SigInfo(vec![0; 128])],
        interval_timers: [IntervalTimer { left: 5, interval: 0 }; 3],
        timers: vec![PosixTimer {
            id: 0,
            clock: 1,
            notify: 0,
            signal: 34,
            value: 0,
            thread: 0,
            left: 5,
            interval: 0,
        }],
        limits: vec![(1, 2); 3],
        oom_score_adj: 0,
        subreaper: false,
        dumpable: 1,
        coredump_filter: 0x33,
        locks: vec![RecordLock { number: 0, kind: LockKind::Shared, start: 0, len: 0 }],
    }
}

/// Several mappings side by side; the content begins a little later.
fn memory(shift: u64) -> Memory {
    let at = |page: u64| START + page * PAGE as u64;
    let mapping = |from: u64, to: u64, shared, backing| Mapping {
        start: at(from),
        end: at(to),
        protection: 3,
        shared,
        backing,
        flags: MappingFlags::default(),
        name: Some("some".to_owned()),
    };
    let run = |page: u64, pages, first| Run { start: at(page) + shift, pages, first };
    Memory {
        mappings: vec![
            mapping(0, 8, false, Backing::Anonymous),
            mapping(8, 10, false, Backing::File { file: 0, offset: 4096, writable: false }),
            mapping(10, 12, true, Backing::Object { object: 0, offset: 0 }),
            mapping(20, 24, false, Backing::Vvar),
            mapping(24, 26, false, Backing::Vdso),
        ],
        runs: vec![run(0, 2, Some(0)), run(2, 1, None), run(6, 3, Some(2))],
        bounds: Bounds::default(),
        auxv: vec![6, 4096, 0, 0],
        executable: 0,
        no_huge_pages: false,
        guards: vec![(at(5), at(6))],
        lock_future: 0,
        barriers: 0,
        extended: 0,
    }
}
