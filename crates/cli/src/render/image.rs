//! What is in an image, as a table and as JSON.

use std::fmt::Write;
use std::path::Path;

use outlast_image::{
    Body, Clocks, Descriptor, LockKind, ObjectKind, Open, PAGE, Place, Process, Reader, Snapshot,
    State, Table, UnixKind, UnixLink, UnixSocket,
};
use serde::Serialize;

use super::{Grid, capsule, short};
use crate::human;

/// Characters of a path in the list of descriptors; JSON has it whole.
const PATH_CHARS: usize = 200;

/// All that `outlast inspect` tells.
#[derive(Debug, Serialize)]
pub struct Content {
    image: String,
    /// Bytes of the file.
    image_bytes: u64,
    stored_pages: u64,
    /// What those pages are, unpacked.
    stored_bytes: u64,
    /// What they take in the file.
    packed_bytes: u64,
    compression: &'static str,
    /// All pages were read and are what was written.
    verified: bool,
    /// Nanoseconds since 1970.
    taken_ns: u64,
    monotonic_ns: u64,
    host: String,
    kernel: String,
    processor: String,
    /// Bytes in pipes.
    pipe_bytes: u64,
    processes: Vec<ProcessContent>,
}

#[derive(Debug, Serialize)]
struct ProcessContent {
    pid: i32,
    parent: Option<i32>,
    group: i32,
    session: i32,
    name: String,
    state: String,
    threads: Vec<ThreadContent>,
    executable: Option<String>,
    directory: Option<String>,
    mappings: usize,
    /// Addresses that are mapped.
    mapped_bytes: u64,
    /// Pages of its own that the image knows the content of, other than zeros.
    memory_bytes: u64,
    descriptors: Vec<DescriptorContent>,
}

#[derive(Debug, Serialize)]
struct ThreadContent {
    tid: i32,
    name: String,
}

#[derive(Debug, Serialize)]
struct DescriptorContent {
    number: i32,
    kind: &'static str,
    /// Of a file or FIFO; of an inotify instance, the first that it watches.
    path: Option<String>,
    /// What else is to be said.
    detail: Option<String>,
    position: u64,
    close_on_exec: bool,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Content {
    /// Of an image, of which everything but the pages was judged when it was opened.
    pub fn of(path: &Path, reader: &Reader, verified: bool) -> Self {
        let (snapshot, machine) = (reader.snapshot(), reader.machine());
        let Clocks { real, monotonic, .. } = snapshot.clocks;
        let packed = reader.blocks().iter().any(|block| block.packed);
        let content = snapshot.pipes.iter().flat_map(|pipe| &pipe.content);
        Self {
            image: path.to_string_lossy().into_owned(),
            image_bytes: reader.image_bytes(),
            stored_pages: reader.stored_pages(),
            stored_bytes: reader.stored_pages() * PAGE as u64,
            packed_bytes: reader.blocks().iter().map(|block| block.len).sum(),
            compression: if packed { "zstd" } else { "none" },
            verified,
            taken_ns: real,
            monotonic_ns: monotonic,
            host: machine.host.clone(),
            kernel: machine.kernel.clone(),
            processor: machine.processor.clone(),
            pipe_bytes: content.map(|packet| packet.0.len() as u64).sum(),
            processes: snapshot.processes.iter().map(|one| process(snapshot, one)).collect(),
        }
    }
}

fn process(snapshot: &Snapshot, process: &Process) -> ProcessContent {
    let at = |index: u32| snapshot.processes.get(index as usize);
    let body = process.body.as_ref();
    let memory = body.map(|body| &body.memory);
    let executable = memory
        .and_then(|memory| snapshot.files.get(memory.executable as usize))
        .map(|file| text(&file.path));
    let threads = process.threads.iter();
    ProcessContent {
        pid: process.pid,
        parent: process.parent.and_then(at).map(|parent| parent.pid),
        group: process.group,
        session: process.session,
        name: process.threads.first().map(|leader| text(&leader.name)).unwrap_or_default(),
        state: state(process.state),
        threads: threads.map(|it| ThreadContent { tid: it.tid, name: text(&it.name) }).collect(),
        executable,
        directory: body.and_then(|body| directory(snapshot, body)),
        mappings: memory.map_or(0, |memory| memory.mappings.len()),
        mapped_bytes: memory
            .map_or(0, |memory| memory.mappings.iter().map(|one| one.end - one.start).sum()),
        memory_bytes: memory.map_or(0, |memory| {
            let stored = memory.runs.iter().filter(|run| run.first.is_some());
            stored.map(|run| u64::from(run.pages) * PAGE as u64).sum()
        }),
        descriptors: body
            .map(|body| table(snapshot, body))
            .unwrap_or_default()
            .iter()
            .map(|descriptor| open(snapshot, *descriptor))
            .collect(),
    }
}

fn state(state: State) -> String {
    match state {
        State::Running => "running".to_owned(),
        State::Stopped { signal, .. } => format!("stopped by signal {signal}"),
        State::Zombie(_) => "ended".to_owned(),
    }
}

/// The body of another process that this one shares something with; that is an earlier one, which has its own or
/// shares with a still earlier one.
fn other(snapshot: &Snapshot, index: u32) -> Option<&Body> {
    snapshot.processes.get(index as usize)?.body.as_ref()
}

fn directory<'a>(snapshot: &'a Snapshot, mut body: &'a Body) -> Option<String> {
    for _ in 0..snapshot.processes.len() {
        match &body.place {
            Place::Own { directory, .. } => return Some(text(directory)),
            Place::Shared(index) => body = other(snapshot, *index)?,
        }
    }
    None
}

fn table<'a>(snapshot: &'a Snapshot, mut body: &'a Body) -> &'a [Descriptor] {
    for _ in 0..snapshot.processes.len() {
        match &body.table {
            Table::Own(descriptors) => return descriptors,
            Table::Shared(index) => match other(snapshot, *index) {
                Some(earlier) => body = earlier,
                None => break,
            },
        }
    }
    &[]
}

fn open(snapshot: &Snapshot, descriptor: Descriptor) -> DescriptorContent {
    let mut content = DescriptorContent {
        number: descriptor.number,
        kind: "unknown",
        path: None,
        detail: None,
        position: 0,
        close_on_exec: descriptor.close_on_exec,
    };
    let Some(description) = snapshot.descriptions.get(descriptor.description as usize) else {
        return content;
    };
    content.position = description.position;
    let (kind, path, mut detail) = what(snapshot, &description.what);
    if let Some(lock) = description.flock {
        let lock = if lock == LockKind::Exclusive { "locked" } else { "locked, shared" };
        detail = Some(detail.map_or(lock.to_owned(), |detail| format!("{detail}; {lock}")));
    }
    DescriptorContent { kind, path, detail, ..content }
}

fn what(snapshot: &Snapshot, open: &Open) -> (&'static str, Option<String>, Option<String>) {
    match open {
        Open::File(file) => {
            // S_IFMT and its values, of stat(2).
            let kind = match file.mode & 0o170_000 {
                0o040_000 => "directory",
                0o020_000 => "device",
                0o120_000 => "link",
                _ => "file",
            };
            (kind, Some(text(&file.path)), None)
        }
        Open::Object(index) => match snapshot.objects.get(*index as usize) {
            Some(object) => {
                let kind = match object.kind {
                    ObjectKind::Shared => "memory",
                    ObjectKind::Memfd { .. } => "memfd",
                    ObjectKind::Deleted => "deleted file",
                };
                (kind, Some(text(&object.name)), Some(human::bytes(object.len)))
            }
            None => ("unknown", None, None),
        },
        Open::Pipe(index) => match snapshot.pipes.get(*index as usize) {
            Some(pipe) => {
                let bytes: usize = pipe.content.iter().map(|packet| packet.0.len()).sum();
                let kind = if pipe.fifo.is_some() { "fifo" } else { "pipe" };
                let detail = format!("pipe {index}, {} in it", human::bytes(bytes as u64));
                (kind, pipe.fifo.as_ref().map(|file| text(&file.path)), Some(detail))
            }
            None => ("unknown", None, None),
        },
        Open::Master(index) | Open::Slave(index) => match snapshot.terminals.get(*index as usize) {
            Some(terminal) => {
                let (kind, waits) = match open {
                    Open::Master(_) => ("terminal master", terminal.output.len()),
                    _ => ("terminal", terminal.input.len()),
                };
                let waits = human::bytes(waits as u64);
                (
                    kind,
                    Some(format!("/dev/pts/{}", terminal.index)),
                    Some(format!("{waits} to read")),
                )
            }
            None => ("unknown", None, None),
        },
        Open::HungUp => ("terminal", None, Some("hung up".to_owned())),
        Open::Unix(index) => match snapshot.unix.get(*index as usize) {
            Some(socket) => {
                let path = socket.file.as_ref().map(|file| text(&file.path));
                ("unix socket", path, Some(unix(socket)))
            }
            None => ("unknown", None, None),
        },
        Open::Stream { was, .. } => ("from outside", None, Some(was.clone())),
        Open::Event { count, .. } => ("eventfd", None, Some(format!("at {count}"))),
        Open::Timer { left: 0, .. } => ("timerfd", None, Some("off".to_owned())),
        Open::Timer { left, .. } => {
            ("timerfd", None, Some(format!("in {}", capsule::micros(left / 1000))))
        }
        Open::Signals(_) => ("signalfd", None, None),
        Open::Epoll(watches) => {
            let detail = format!("watches {}", human::count(watches.len() as u64, "descriptor"));
            ("epoll", None, Some(detail))
        }
        Open::Inotify(watches) => {
            let first = watches.first().map(|watch| text(&watch.path));
            let detail = format!("watches {}", human::count(watches.len() as u64, "path"));
            ("inotify", first, Some(detail))
        }
    }
}

/// A socket's type, name, connection, and what waits in it.
fn unix(socket: &UnixSocket) -> String {
    let kind = match socket.kind {
        UnixKind::Stream => "stream",
        UnixKind::Datagram => "datagrams",
        UnixKind::Packets => "packets",
    };
    let name = match socket.name.split_first() {
        Some((0, name)) => format!(" @{}", text(name)),
        _ => String::new(),
    };
    let link = match &socket.link {
        UnixLink::None => String::new(),
        UnixLink::Listening { waiting, .. } => format!(", listens, {} waiting", waiting.len()),
        UnixLink::Waiting => ", waits to be accepted".to_owned(),
        UnixLink::Connected(other) => format!(", to socket {other}"),
        UnixLink::Gone { .. } => ", the other end is closed".to_owned(),
    };
    let bytes: usize = socket.queue.iter().map(|message| message.bytes.len()).sum();
    let waits = match socket.queue.len() {
        0 => String::new(),
        _ => format!(", {} in it", human::bytes(bytes as u64)),
    };
    format!("{kind}{name}{link}{waits}")
}

/// As text: what it is, its processes, and what each has open.
pub fn image(content: &Content, width: Option<u16>) -> String {
    let mut text = String::new();
    let threads: usize = content.processes.iter().map(|process| process.threads.len()).sum();
    let stored = format!(
        "{} in {}, compression {}",
        human::count(content.stored_pages, "page"),
        human::bytes(content.packed_bytes),
        content.compression,
    );
    let lines = [
        ("image", content.image.clone()),
        ("taken", human::timestamp(content.taken_ns / 1_000_000_000)),
        ("on", format!("{}, Linux {}, {}", content.host, content.kernel, content.processor)),
        ("size", human::bytes(content.image_bytes)),
        ("memory", stored),
        (
            "tree",
            format!(
                "{}, {}",
                capsule::processes(content.processes.len()),
                human::count(threads as u64, "thread")
            ),
        ),
        (
            "checked",
            if content.verified { "all of it" } else { "all but the memory (--verify)" }.to_owned(),
        ),
    ];
    for (name, value) in lines {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name:<8} {}", human::tame(&value));
    }
    text.push('\n');
    let header = ["PID", "PARENT", "STATE", "THREADS", "MAPPED", "MEMORY", "NAME", "EXECUTABLE"];
    let mut grid = Grid::new(width, &header, 7).right(&[0, 1, 3, 4, 5]).may_go(&[4, 3]);
    for process in &content.processes {
        grid.row(vec![
            process.pid.to_string(),
            process.parent.map_or("-".to_owned(), |pid| pid.to_string()),
            process.state.clone(),
            process.threads.len().to_string(),
            human::bytes(process.mapped_bytes),
            human::bytes(process.memory_bytes),
            short(&process.name, super::CELL_CHARS),
            short(process.executable.as_deref().unwrap_or("-"), PATH_CHARS),
        ]);
    }
    text.push_str(&grid.finish());
    for process in content.processes.iter().filter(|process| !process.descriptors.is_empty()) {
        let directory = process.directory.as_deref().unwrap_or("-");
        let _ = writeln!(
            text,
            "\nprocess {} ({}) in {}",
            process.pid,
            short(&process.name, super::CELL_CHARS),
            short(directory, PATH_CHARS),
        );
        let mut grid = Grid::new(width, &["  FD", "KIND", "AT", "WHAT"], 3).right(&[0, 2]);
        for descriptor in &process.descriptors {
            let parts = [descriptor.path.as_deref(), descriptor.detail.as_deref()];
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            grid.row(vec![
                format!("  {}", descriptor.number),
                descriptor.kind.to_owned(),
                descriptor.position.to_string(),
                short(&parts.join(", "), PATH_CHARS),
            ]);
        }
        text.push_str(&grid.finish());
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn content() -> Content {
        let descriptor =
            |number, kind, path: Option<&str>, detail: Option<&str>| DescriptorContent {
                number,
                kind,
                path: path.map(str::to_owned),
                detail: detail.map(str::to_owned),
                position: 10,
                close_on_exec: false,
            };
        Content {
            image: "a.img".to_owned(),
            image_bytes: 5 << 20,
            stored_pages: 1200,
            stored_bytes: 1200 * 4096,
            packed_bytes: 1 << 20,
            compression: "zstd",
            verified: true,
            taken_ns: 1_795_252_579_123_456_789,
            monotonic_ns: 5,
            host: "here\u{1b}[2J".to_owned(),
            kernel: "6.18.5".to_owned(),
            processor: "A Processor".to_owned(),
            pipe_bytes: 4,
            processes: vec![ProcessContent {
                pid: 47,
                parent: None,
                group: 47,
                session: 47,
                name: "prog".to_owned(),
                state: state(State::Stopped { signal: 19, told: true }),
                threads: vec![ThreadContent { tid: 47, name: "prog".to_owned() }],
                executable: Some("/usr/bin/prog".to_owned()),
                directory: Some("/tmp".to_owned()),
                mappings: 9,
                mapped_bytes: 1 << 30,
                memory_bytes: 5 << 20,
                descriptors: vec![
                    descriptor(0, "file", Some("/tmp/evil\nname"), None),
                    descriptor(10, "pipe", None, Some("pipe 0, 4 B in it")),
                ],
            }],
        }
    }

    #[test]
    fn an_image_as_text_is_harmless_for_a_terminal() {
        expect![[r#"
            image    a.img
            taken    2026-11-21 09:16:19Z
            on       here�[2J, Linux 6.18.5, A Processor
            size     5.0 MiB
            memory   1200 pages in 1.0 MiB, compression zstd
            tree     1 process, 1 thread
            checked  all of it

            PID  PARENT  STATE                 THREADS   MAPPED   MEMORY  NAME  EXECUTABLE
             47       -  stopped by signal 19        1  1.0 GiB  5.0 MiB  prog  /usr/bin/prog

            process 47 (prog) in /tmp
              FD  KIND  AT  WHAT
               0  file  10  /tmp/evil name
              10  pipe  10  pipe 0, 4 B in it
        "#]]
        .assert_eq(&image(&content(), None));
    }

    #[test]
    fn every_line_fits_the_terminal() {
        for width in [60, 80, 120] {
            let text = image(&content(), Some(width));
            let (_, tables) = text.split_once("\n\n").expect("a head, then tables");
            for line in tables.lines() {
                assert!(human::columns(line) <= usize::from(width), "{width}: {line}");
            }
        }
    }
}
