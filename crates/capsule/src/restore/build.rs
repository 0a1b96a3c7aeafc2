//! Processes, made one after the other: parents before their children, so that memory is inherited.
//!
//! Of one process, in this order: made; memory laid out and filled; threads; children that belong to the
//! session it had before its own, made (all of this, for each of them); its own session and group; the other
//! children; descriptors. So a child inherits its parent's memory, but none of its parent's descriptors, and each
//! child is made by the thread that made it. When all are there: groups, and the rest, children first.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::fcntl::OFlag;
use outlast_image::{Process, Reader, Snapshot, State};
use outlast_os::foreign::{self, Span};
use outlast_os::stub;
use outlast_os::trace::{self, Event, Registers, Seize};

use crate::FaultPoint;
use crate::freeze::bits;
use crate::machine::OwnVdso;
use crate::remote::{Remote, find_syscall, wait_soon};

use super::fill::Crew;
use super::open::{Names, Parked};
use super::spaces::Spaces;
use super::vdso::KernelArea;
use super::{Progress, RestoreError, SOON, Trying};

/// Everything but `SIGTRAP` is blocked while a stub makes calls for us.
const ALL_BUT_TRAP: u64 = !(1 << (libc::SIGTRAP - 1));

/// What stubs are seized with.
const TRACED: Seize = Seize { kill_with_tracer: true, follow: true };

/// A process that has been made.
#[derive(Debug)]
pub(super) struct Made {
    /// As this thread sees it.
    pub(super) pid: i32,
    /// Its threads, the leader first, as this thread sees them.
    pub(super) tids: Vec<i32>,
    /// Its memory.
    pub(super) memory: Option<File>,
    /// Where the kernel's mappings are now.
    pub(super) kernel: Vec<KernelArea>,
    /// A `syscall` instruction.
    pub(super) at: u64,
    /// Memory for arguments and answers; 0: not mapped yet.
    pub(super) scratch: u64,
    pub(super) base: Registers,
}

impl Made {
    /// A process that was made by this one just now, with a copy of its memory.
    fn child(&self, pid: i32) -> Self {
        let kernel = self.kernel.clone();
        Self { pid, tids: vec![pid], memory: None, kernel, ..*self }
    }

    pub(super) fn remote(&self) -> Remote {
        self.remote_in(0)
    }

    pub(super) fn remote_in(&self, thread: usize) -> Remote {
        Remote { tid: self.tids[thread], base: self.base, at: self.at, rounds: 0, careful: false }
    }

    /// Makes a call in the leader.
    pub(super) fn call(&self, number: libc::c_long, arguments: &[u64]) -> io::Result<u64> {
        self.remote().call(number, arguments)
    }

    /// Puts bytes at an offset of the scratch memory: their address.
    pub(super) fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<u64> {
        let start = self.scratch + offset;
        foreign::write(self.pid, &[Span { start, end: start + bytes.len() as u64 }], bytes)?;
        Ok(start)
    }
}

/// Makes a tree.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) reader: Arc<Reader>,
    pub(super) crew: &'a Crew,
    pub(super) snapshot: &'a Snapshot,
    pub(super) spaces: &'a Spaces,
    parked: Option<Parked>,
    pub(super) own: OwnVdso,
    /// Where this program may run: threads that can't run where they did may run there.
    pub(super) anywhere: Vec<u64>,
    /// By index of [`Snapshot::processes`].
    pub(super) made: Vec<Option<Made>>,
    pub(super) notes: Vec<String>,
    pub(super) filled_bytes: u64,
    names: Names,
    kept: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        reader: &'a Arc<Reader>,
        crew: &'a Crew,
        spaces: &'a Spaces,
        parked: Parked,
        own: OwnVdso,
        anywhere: Vec<u64>,
    ) -> Self {
        let snapshot = reader.snapshot();
        Self {
            reader: Arc::clone(reader),
            crew,
            snapshot,
            spaces,
            parked: Some(parked),
            own,
            anywhere,
            made: snapshot.processes.iter().map(|_| None).collect(),
            notes: Vec::new(),
            filled_bytes: 0,
            names: Names::default(),
            kept: false,
        }
    }

    pub(super) fn thread_count(&self) -> usize {
        self.snapshot.processes.iter().map(|process| process.threads.len()).sum()
    }

    pub(super) fn root_pid(&self) -> i32 {
        self.made[0].as_ref().map_or(0, |made| made.pid)
    }

    pub(super) fn process(&self, index: usize) -> &'a Process {
        &self.snapshot.processes[index]
    }

    /// What is open, until every process has its own.
    pub(super) fn parked(&self) -> &Parked {
        self.parked.as_ref().expect("dropped after the last process took its own")
    }

    pub(super) fn made(&self, index: usize) -> &Made {
        self.made[index].as_ref().expect("made before it is used")
    }

    /// Makes all processes; they are stopped, with everything but their registers.
    pub(super) fn build(&mut self, progress: &mut Progress<'_>) -> Result<(), RestoreError> {
        let root = self.make_root()?;
        self.made[0] = Some(root);
        self.build_process(0, progress)?;
        self.parked().seal(self.snapshot)?;
        for index in 0..self.snapshot.processes.len() {
            if self.process(index).body.is_some() {
                self.join_group(index)?;
            }
        }
        self.set_foregrounds()?;
        // Senders are told by their ids.
        let mut parked = self.parked.take().expect("until every process has its own");
        let pid = |id: i32| {
            let nth = self.snapshot.processes.iter().position(|process| process.pid == id)?;
            self.made[nth].as_ref().map(|made| made.pid)
        };
        self.names = parked.finish_sockets(self.snapshot, &pid)?;
        self.parked = Some(parked);
        // Arming comes last: nothing may fire while others are still being made.
        for (description, nth) in self.snapshot.descriptions.iter().zip(0..) {
            if let Some(owner) = description.owner {
                self.own(nth, owner)?;
            }
        }
        // What is open is open in the tree alone: an end is an end, and a lock that is given up is free.
        self.parked = None;
        // Children first: what a stopped one tells its parent is forgotten when that is finished.
        for index in (0..self.snapshot.processes.len()).rev() {
            if self.process(index).body.is_some() {
                self.finish_process(index)?;
            }
            if let State::Stopped { signal, told } = self.process(index).state {
                self.schedule_threads(index);
                self.release_stopped(index, signal, told)?;
            }
        }
        progress.end("finish", FaultPoint::Built)
    }

    fn build_process(
        &mut self,
        index: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), RestoreError> {
        let process = self.process(index);
        if let State::Zombie(status) = process.state {
            return self.end_as(index, status);
        }
        self.lay_out(index)?;
        self.fill(index)?;
        if index == 0 {
            progress.end("memory", FaultPoint::Filled)?;
        }
        // Before the children, some of which may be a thread's.
        self.make_threads(index)?;
        let children: Vec<usize> = (index + 1..self.snapshot.processes.len())
            .filter(|child| {
                self.process(*child).parent.is_some_and(|parent| parent as usize == index)
            })
            .collect();
        let leads = process.session == process.pid;
        let early = |child: &usize| {
            let child = self.process(*child);
            leads
                && child.session != process.session
                && child.session != child.pid
                && !self.is_gone(child.session)
        };
        let (early, late): (Vec<usize>, Vec<usize>) = children.into_iter().partition(early);
        for child in early {
            self.child(index, child, progress)?;
        }
        let made = self.made(index);
        if leads {
            made.call(libc::SYS_setsid, &[]).trying("making a session", process.pid)?;
        } else if process.group == process.pid {
            made.call(libc::SYS_setpgid, &[0, 0]).trying("making a process group", process.pid)?;
        }
        self.take_terminal(index)?;
        let made = self.made(index);
        if process.body.as_ref().is_some_and(|body| body.subreaper) {
            // Before there are orphans.
            made.call(libc::SYS_prctl, &[bits(libc::PR_SET_CHILD_SUBREAPER), 1, 0, 0, 0])
                .trying("becoming a subreaper", process.pid)?;
        }
        for child in late {
            self.child(index, child, progress)?;
        }
        self.take_descriptors(index)
    }

    fn child(
        &mut self,
        parent: usize,
        child: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), RestoreError> {
        let ghost = self.session_ghost(parent, child)?;
        let made = self.make_child(parent, child, ghost.as_ref());
        let made = match (made, ghost) {
            (made, Some(ghost)) => {
                let made = made.inspect_err(|_| end(ghost.pid));
                // With it gone, its child is its parent's, who is a subreaper, as it was.
                self.lay_ghost(self.made(parent), &ghost)?;
                made?
            }
            (made, None) => made?,
        };
        self.made[child] = Some(made);
        self.build_process(child, progress)
    }

    /// The leader of a child's session, if that has ended: it has to be there for a moment, so that there is such a session.
    fn session_ghost(&self, parent: usize, child: usize) -> Result<Option<Made>, RestoreError> {
        let process = self.process(child);
        let session = process.session;
        let of_parent = self.process(parent).session == session;
        if session == process.pid || session == 0 || of_parent || !self.is_gone(session) {
            return Ok(None);
        }
        let with = self.made(parent);
        let pid = self
            .free_id(session, || clone_in(with, 0, 0, 0, 0, session))
            .map_err(|error| taken(error, session))?;
        let ghost = with.child(pid);
        let leads = ghost.call(libc::SYS_setsid, &[]);
        leads.trying("making a session again", session).inspect_err(|_| end(pid))?;
        Ok(Some(ghost))
    }

    /// Whether an id is of a session or group that is the tree's, but of no process in it.
    fn is_gone(&self, id: i32) -> bool {
        let root = self.process(0);
        root.session != id
            && root.group != id
            && self.snapshot.processes.iter().all(|process| process.pid != id)
    }

    /// Ends a ghost, and has the one that made it reap it.
    fn lay_ghost(&self, maker: &Made, ghost: &Made) -> Result<(), RestoreError> {
        end(ghost.pid);
        let wait = [u64::MAX, 0, bits(libc::__WCLONE | libc::WNOHANG), 0];
        maker.call(libc::SYS_wait4, &wait).map(drop).trying("reaping", 0)
    }

    fn make_root(&self) -> Result<Made, RestoreError> {
        let tid = self.process(0).pid;
        // Once it is seized, it ends with us by that.
        let (pid, _leash) = match self.free_id(tid, || stub::spawn_stub(tid)) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                return Err(RestoreError::Taken(tid));
            }
            other => other.needing("choosing a process id", "CAP_CHECKPOINT_RESTORE")?,
        };
        let prepared = self.prepare_root(pid);
        if prepared.is_err() {
            end(pid);
        }
        prepared
    }

    fn prepare_root(&self, pid: i32) -> Result<Made, RestoreError> {
        let inner = self.process(0).pid;
        trace::seize(pid, TRACED).trying("seizing the root", inner)?;
        trace::interrupt(pid).trying("stopping the root", inner)?;
        while !matches!(wait_soon(pid).trying("stopping the root", inner)?, Event::Stop(_)) {
            trace::go_on(pid, 0).trying("stopping the root", inner)?;
        }
        let vdso = self.own.vdso().start;
        let offset = find_syscall(&self.own.code)
            .ok_or_else(|| io::Error::other("no system call in the vdso"));
        let offset = offset.trying("looking into the vdso", inner)?;
        let base = trace::registers(pid).trying("reading registers", inner)?;
        let made = Made {
            pid,
            tids: vec![pid],
            memory: None,
            kernel: KernelArea::all(&self.own.areas),
            at: vdso + offset,
            scratch: 0,
            base,
        };
        trace::set_signal_mask(pid, ALL_BUT_TRAP).trying("blocking signals", inner)?;
        // It came along from this program, into memory that goes.
        if let Some(rseq) = trace::rseq(pid).trying("reading rseq", inner)? {
            const UNREGISTER: u64 = 1;
            let of = [rseq.pointer, u64::from(rseq.size), UNREGISTER, u64::from(rseq.signature)];
            made.call(libc::SYS_rseq, &of).trying("leaving rseq", inner)?;
        }
        self.with_memory(made, inner)
    }

    fn with_memory(&self, mut made: Made, inner: i32) -> Result<Made, RestoreError> {
        let memory = self.spaces.open(&format!("{}/mem", made.pid), OFlag::O_RDWR);
        made.memory = Some(memory.trying("opening its memory", inner)?);
        Ok(made)
    }

    /// Tries again for a while if an id is still taken: whoever has it is about to be reaped.
    fn free_id<T>(&self, tid: i32, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let deadline = std::time::Instant::now() + std::time::Duration::from_millis(500);
        loop {
            match make() {
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                    // Somebody alive keeps it.
                    if !is_zombie(tid) || std::time::Instant::now() > deadline {
                        return Err(error);
                    }
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                other => return other,
            }
        }
    }

    /// Makes a child of a process: of one of its threads, or of a ghost that stands between them.
    fn make_child(
        &self,
        parent: usize,
        child: usize,
        ghost: Option<&Made>,
    ) -> Result<Made, RestoreError> {
        let process = self.process(child);
        let (with, thread) = match ghost {
            Some(ghost) => (ghost, 0),
            None => (self.made(parent), process.parent_thread as usize),
        };
        let mut flags = 0;
        if let Some(body) = &process.body {
            use outlast_image::{Place, Table};
            let of_parent = |index: &u32| *index as usize == parent;
            match &body.table {
                Table::Shared(index) if of_parent(index) => flags |= libc::CLONE_FILES,
                Table::Shared(_) => return Err(unrelated(process.pid, "descriptors")),
                Table::Own(_) => {}
            }
            match &body.place {
                Place::Shared(index) if of_parent(index) => flags |= libc::CLONE_FS,
                Place::Shared(_) => return Err(unrelated(process.pid, "directories")),
                Place::Own { .. } => {}
            }
        }
        let flags = bits(flags);
        let exit_signal = u64::from(process.exit_signal.cast_unsigned());
        let pid = self
            .free_id(process.pid, || clone_in(with, thread, flags, exit_signal, 0, process.pid))
            .map_err(|error| taken(error, process.pid))?;
        let made = with.child(pid);
        self.with_memory(made, process.pid).inspect_err(|_| end(pid))
    }

    /// Becomes a member of its group, which its leader has made by now.
    fn join_group(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        if process.group == process.pid || process.session == process.pid {
            return Ok(());
        }
        let leader = self.snapshot.processes.iter().any(|other| {
            other.pid == process.group
                && other.group == other.pid
                && other.session == process.session
        });
        let made = self.made(index);
        let group = u64::from(process.group.cast_unsigned());
        let join = || made.call(libc::SYS_setpgid, &[0, group]).map(drop);
        if leader {
            return join().trying("joining a process group", process.pid);
        }
        if process.group == 0 || !self.is_gone(process.group) {
            // Its leader is outside: it stays in the group that it was born into.
            return Ok(());
        }
        // Its leader has ended: the group may be there already, by another member.
        if join().is_ok() {
            return Ok(());
        }
        let pid = self
            .free_id(process.group, || clone_in(made, 0, 0, 0, 0, process.group))
            .map_err(|error| taken(error, process.group))?;
        let ghost = made.child(pid);
        let joined = ghost
            .call(libc::SYS_setpgid, &[0, 0])
            .and_then(|_| join())
            .trying("joining a process group", process.pid);
        self.lay_ghost(made, &ghost)?;
        joined
    }

    /// Makes a process end in a certain way, and leaves it to its parent.
    fn end_as(&mut self, index: usize, status: i32) -> Result<(), RestoreError> {
        let process = self.process(index);
        let made = self.made(index);
        let pid = made.pid;
        let session = process.session == process.pid;
        let own: io::Result<u64> = if session {
            made.call(libc::SYS_setsid, &[])
        } else if process.group == process.pid {
            made.call(libc::SYS_setpgid, &[0, 0])
        } else {
            Ok(0)
        };
        own.trying("making a zombie's session", process.pid)?;
        let mut registers = made.base;
        let signal = status & 0x7f;
        if signal == 0 {
            let code = u64::from((status >> 8 & 0xff).cast_unsigned());
            registers.set_call(
                made.at,
                libc::SYS_exit_group.cast_unsigned(),
                [code, 0, 0, 0, 0, 0],
            );
        } else {
            // No core file of something that isn't the program.
            let none = made.put(0, &[0; 16]).trying("ending a process", process.pid)?;
            let core = libc::RLIMIT_CORE;
            made.call(libc::SYS_prlimit64, &[0, u64::from(core), none, 0])
                .trying("ending a process", process.pid)?;
            registers.set_call(made.at, libc::SYS_pause.cast_unsigned(), [0; 6]);
        }
        let ended = || -> io::Result<()> {
            trace::set_registers(pid, &registers)?;
            if signal != 0 {
                trace::set_signal_mask(pid, 0)?;
            }
            let handle = foreign::pidfd_open(pid)?;
            trace::detach(pid, 0)?;
            if signal != 0 {
                foreign::kill(handle.as_fd(), signal)?;
            }
            // Readable as soon as it is a zombie.
            let mut asked = [nix::poll::PollFd::new(handle.as_fd(), nix::poll::PollFlags::POLLIN)];
            let patience = u16::try_from(SOON.as_millis()).expect("ten seconds");
            nix::poll::poll(&mut asked, patience)?;
            Ok(())
        };
        ended().trying("ending a process as it had", process.pid)
    }

    /// Gives all threads their registers and lets everything go.
    pub(super) fn go(&mut self) -> Result<(), RestoreError> {
        // Children first: a parent that waits finds them as they were.
        for index in (0..self.snapshot.processes.len()).rev() {
            let process = self.process(index);
            if process.body.is_some() && matches!(process.state, State::Running) {
                self.set_registers(index)?;
                self.schedule_threads(index);
            }
        }
        for index in (0..self.snapshot.processes.len()).rev() {
            let process = self.process(index);
            if process.body.is_some() && matches!(process.state, State::Running) {
                self.detach(index)?;
            }
        }
        Ok(())
    }

    fn set_registers(&self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        for (thread, tid) in process.threads.iter().zip(&self.made(index).tids) {
            let set = || -> io::Result<()> {
                let mut words = [0; trace::REGISTERS];
                words.copy_from_slice(&thread.registers);
                trace::set_registers(*tid, &Registers(words))?;
                let mut state = thread.xstate.clone();
                state.resize(thread.xstate_len as usize, 0);
                trace::set_xstate(*tid, &state)?;
                trace::set_signal_mask(*tid, thread.mask)
            };
            set().trying("setting registers", thread.tid)?;
        }
        Ok(())
    }

    fn detach(&self, index: usize) -> Result<(), RestoreError> {
        for tid in &self.made(index).tids {
            trace::detach(*tid, 0).trying("letting go", self.process(index).pid)?;
        }
        Ok(())
    }

    /// A process that was stopped is let go already, into its stop; its parent is made to ask for that if it had been told.
    fn release_stopped(&self, index: usize, signal: i32, told: bool) -> Result<(), RestoreError> {
        let process = self.process(index);
        let made = self.made(index);
        self.set_registers(index)?;
        let stopped = || -> io::Result<()> {
            let handle = foreign::pidfd_open(made.pid)?;
            foreign::kill(handle.as_fd(), signal)?;
            for tid in &made.tids {
                trace::detach(*tid, 0)?;
            }
            let deadline = std::time::Instant::now() + SOON;
            for tid in &made.tids {
                while self.state_of(made.pid, *tid)? != b'T' {
                    if std::time::Instant::now() > deadline {
                        return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
                    }
                    std::thread::yield_now();
                }
            }
            if let Some(parent) = process.parent.filter(|_| told) {
                let pid = u64::from(process.pid.cast_unsigned());
                let how = bits(libc::WSTOPPED | libc::WNOHANG);
                const P_PID: u64 = 1;
                let thread = process.parent_thread as usize;
                let parent = self.made(parent as usize).remote_in(thread);
                parent.call(libc::SYS_waitid, &[P_PID, pid, 0, how, 0])?;
            }
            Ok(())
        };
        stopped().trying("stopping a process as it was", process.pid)
    }

    fn state_of(&self, pid: i32, tid: i32) -> io::Result<u8> {
        use std::io::Read;
        let mut text = Vec::new();
        self.spaces
            .open(&format!("{pid}/task/{tid}/stat"), OFlag::O_RDONLY)?
            .read_to_end(&mut text)?;
        Ok(crate::proc::Stat::parse(&text)?.state)
    }

    /// Who is told by a signal what happens to a description.
    fn own(&self, description: u32, owner: outlast_image::Owner) -> Result<(), RestoreError> {
        let id = self.snapshot.processes.iter().zip(&self.made).find_map(|(process, made)| {
            let nth = process.threads.iter().position(|thread| thread.tid == owner.id)?;
            made.as_ref()?.tids.get(nth).copied()
        });
        let Some(id) = id else { return Ok(()) };
        self.parked()
            .own(description, owner, id)
            .trying("setting who is told by a signal", owner.id)
    }

    /// What was made lives on.
    pub(super) fn keep(&mut self) {
        self.kept = true;
        self.names.keep();
    }
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let made: Vec<&Made> = self.made.iter().flatten().collect();
        let killed: Vec<bool> = made.iter().map(|made| kill(made.pid)).collect();
        for (made, killed) in made.iter().zip(killed).rev() {
            for tid in made.tids.iter().rev().filter(|_| killed) {
                reap(*tid);
            }
        }
    }
}

/// Makes a process or thread in another process: its id as this thread sees it. It is stopped.
pub(super) fn clone_in(
    with: &Made,
    thread: usize,
    flags: u64,
    exit_signal: u64,
    child_tid: u64,
    tid: i32,
) -> io::Result<i32> {
    const TID: u64 = stub::CLONE_ARGS as u64;
    let words = stub::clone_args(flags, exit_signal, child_tid, (with.scratch + TID, 1));
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(tid.to_le_bytes());
    let at = with.put(0, &bytes)?;
    let remote = with.remote_in(thread);
    remote.start(libc::SYS_clone3, &[at, TID])?;
    let mut child = None;
    loop {
        match wait_soon(remote.tid)? {
            Event::Clone => {
                child = Some(i32::try_from(trace::message(remote.tid)?).expect("ids are small"));
                trace::step(remote.tid)?;
            }
            Event::Signal(libc::SIGTRAP) => break,
            Event::Exited(_) | Event::Killed(_) => {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            _ => trace::step(remote.tid)?,
        }
    }
    let result = trace::registers(remote.tid)?.result();
    let Some(child) = child else {
        let error = i32::try_from(-result).unwrap_or(libc::EIO);
        return Err(io::Error::from_raw_os_error(error));
    };
    while !matches!(wait_soon(child)?, Event::Stop(_)) {
        trace::go_on(child, 0)?;
    }
    Ok(child)
}

/// Why there is no process or thread of that id.
pub(super) fn taken(error: io::Error, tid: i32) -> RestoreError {
    match error.raw_os_error() {
        Some(libc::EEXIST) => RestoreError::Taken(tid),
        Some(libc::EPERM) => RestoreError::Denied {
            doing: "choosing a process id",
            needs: "CAP_CHECKPOINT_RESTORE",
            source: error,
        },
        _ => RestoreError::Kernel { doing: "making a process", pid: tid, source: error },
    }
}

fn unrelated(pid: i32, what: &str) -> RestoreError {
    RestoreError::Kernel {
        doing: "making a process",
        pid,
        source: io::Error::other(format!("it shares its {what} with one that isn't its parent")),
    }
}

fn is_zombie(pid: i32) -> bool {
    let text = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    crate::proc::Stat::parse(&text).is_ok_and(|stat| stat.state == b'Z')
}

/// Whether a process ends now. One that has become another user's can't be killed without `CAP_KILL`: it ends with this
/// thread, which traces it.
fn kill(pid: i32) -> bool {
    let handle = foreign::pidfd_open(pid);
    handle.and_then(|handle| foreign::kill(handle.as_fd(), libc::SIGKILL)).is_ok()
}

fn reap(tid: i32) {
    while !matches!(trace::wait(tid, true), Ok(Some(Event::Exited(_) | Event::Killed(_))) | Err(_))
    {
    }
}

fn end(pid: i32) {
    if kill(pid) {
        reap(pid);
    }
}
