//! Tracing another process: `ptrace`, one safe function for each request that the engine needs.
//!
//! A tracee is a *thread*, named by its id in the caller's pid namespace, and belongs to the
//! *thread* that seized it: all calls about it have to come from there. If that thread ends, the
//! kernel lets its tracees go on from wherever they are, or kills those seized with
//! [`Seize::kill_with_tracer`].
//!
//! Nothing here keeps state; what a stopped thread was doing is the engine's business.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Words of [`Registers`]: `struct user_regs_struct` of x86-64.
pub const REGISTERS: usize = 27;

/// The largest extended processor state that is taken (x87, SSE, AVX-512, AMX are 11 008 bytes today).
pub const MAX_XSTATE: usize = 64 * 1024;

/// Bytes of a `siginfo_t`.
pub const SIGINFO: usize = 128;

const NT_X86_XSTATE: usize = 0x202;
const PTRACE_GETSIGMASK: u32 = 0x420a;
const PTRACE_SETSIGMASK: u32 = 0x420b;
const PTRACE_GET_RSEQ_CONFIGURATION: u32 = 0x420f;
const PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG: u32 = 0x4211;

/// The general registers of a thread, in the kernel's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers(pub [u64; REGISTERS]);

impl Registers {
    const RBP: usize = 4;
    const RBX: usize = 5;
    const R10: usize = 7;
    const R9: usize = 8;
    const R8: usize = 9;
    const RAX: usize = 10;
    const RDX: usize = 12;
    const RSI: usize = 13;
    const RDI: usize = 14;
    const ORIG_RAX: usize = 15;
    const RIP: usize = 16;
    const CS: usize = 17;
    const RSP: usize = 19;

    /// The next instruction.
    pub fn rip(&self) -> u64 {
        self.0[Self::RIP]
    }

    /// Sets the next instruction.
    pub fn set_rip(&mut self, at: u64) {
        self.0[Self::RIP] = at;
    }

    /// The stack pointer.
    pub fn rsp(&self) -> u64 {
        self.0[Self::RSP]
    }

    /// The code segment: 0x33 in 64-bit code.
    pub fn cs(&self) -> u64 {
        self.0[Self::CS]
    }

    /// What a system call answers: negative is an error.
    pub fn result(&self) -> i64 {
        self.0[Self::RAX].cast_signed()
    }

    /// The number of the system call that the thread is in, if it is in one.
    pub fn in_call(&self) -> Option<u64> {
        let number = self.0[Self::ORIG_RAX].cast_signed();
        (number >= 0).then_some(number.cast_unsigned())
    }

    /// The first six arguments, as a system call reads them.
    pub fn arguments(&self) -> [u64; 6] {
        [Self::RDI, Self::RSI, Self::RDX, Self::R10, Self::R8, Self::R9].map(|word| self.0[word])
    }

    /// Sets one argument (0 to 5) of a system call.
    pub fn set_argument(&mut self, which: usize, value: u64) {
        let words = [Self::RDI, Self::RSI, Self::RDX, Self::R10, Self::R8, Self::R9];
        self.0[words[which]] = value;
    }

    /// Sets the answer of a system call, and says that the thread is in none.
    pub fn answer(&mut self, result: i64) {
        self.0[Self::RAX] = result.cast_unsigned();
        self.0[Self::ORIG_RAX] = u64::MAX;
    }

    /// Makes the thread execute system call `number` when it goes on at `at`, where a `syscall`
    /// instruction is.
    pub fn set_call(&mut self, at: u64, number: u64, arguments: [u64; 6]) {
        for (which, argument) in arguments.into_iter().enumerate() {
            self.set_argument(which, argument);
        }
        self.0[Self::RAX] = number;
        self.0[Self::ORIG_RAX] = u64::MAX;
        self.0[Self::RIP] = at;
    }

    /// Makes the thread go on at `at`, with two words in `rbx` and `rbp`, which system calls leave alone.
    pub fn set_jump(&mut self, at: u64, words: [u64; 2]) {
        [self.0[Self::RBX], self.0[Self::RBP]] = words;
        self.0[Self::ORIG_RAX] = u64::MAX;
        self.0[Self::RIP] = at;
    }
}

/// How to seize.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seize {
    /// The tracee dies with the tracer.
    pub kill_with_tracer: bool,
    /// Threads and processes that the tracee makes are seized as well, and reported by
    /// [`Event::Clone`].
    pub follow: bool,
}

/// What a thread that stopped, or ended, reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It stopped after [`interrupt`], or is new ([`Seize::follow`]): signal `SIGTRAP`. Any other
    /// signal: its process is stopped by that signal.
    Stop(i32),
    /// A signal is about to be delivered: it has to be handed back, or is lost.
    Signal(i32),
    /// It made a thread or a process, whose id [`message`] has.
    Clone,
    /// It is about to end.
    Exit,
    /// It ended with a status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// Another event.
    Other(i32),
}

/// Where a thread registered its restartable sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rseq {
    /// Address of the structure; 0 for none.
    pub pointer: u64,
    /// Its size in bytes.
    pub size: u32,
    /// The signature before abort handlers.
    pub signature: u32,
}

fn check(answer: libc::c_long) -> io::Result<libc::c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn request(what: libc::c_uint, tid: i32, address: usize, data: usize) -> io::Result<libc::c_long> {
    // SAFETY: every caller passes, in `address` and `data`, numbers or pointers to memory of ours
    // that is as large as the request writes, and that lives until the call is over.
    check(unsafe {
        libc::ptrace(what, tid, ptr::without_provenance_mut::<libc::c_void>(address), data)
    })
}

/// Becomes the tracer of a thread, without stopping it.
///
/// # Errors
/// `EPERM`: it is traced already, or the caller may not. `ESRCH`: there is no such thread.
pub fn seize(tid: i32, how: Seize) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, tid, 0, options(how)).map(drop)
}

fn options(how: Seize) -> usize {
    // If a tracer dies before it heard of a stop at a call, the kernel sends the tracee what the stop
    // reports: `SIGTRAP`, or with this option a number that is no signal and sent to nobody.
    let mut options = libc::PTRACE_O_TRACESYSGOOD;
    if how.kill_with_tracer {
        options |= libc::PTRACE_O_EXITKILL;
    }
    if how.follow {
        options |= libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK;
    }
    usize::try_from(options).expect("options are bits")
}

/// Changes what was given to [`seize`]; the thread has to be stopped.
///
/// # Errors
/// `ESRCH`: it isn't.
pub fn set_options(tid: i32, how: Seize) -> io::Result<()> {
    request(libc::PTRACE_SETOPTIONS, tid, 0, options(how)).map(drop)
}

/// Asks a tracee to stop; [`wait`] tells when it did.
///
/// # Errors
/// As the kernel says.
pub fn interrupt(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0, 0).map(drop)
}

/// Waits for what a tracee (or a child) reports next; with `block` false, `None` if there is nothing.
///
/// # Errors
/// `ECHILD`: it is neither.
pub fn wait(tid: i32, block: bool) -> io::Result<Option<Event>> {
    let mut status = 0;
    let flags = libc::__WALL | libc::__WNOTHREAD | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is a valid place for an int during the call.
        let who = unsafe { libc::waitpid(tid, &raw mut status, flags) };
        if who > 0 {
            return Ok(Some(event(status)));
        }
        if who == 0 {
            return Ok(None);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn event(status: i32) -> Event {
    if libc::WIFEXITED(status) {
        return Event::Exited(libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return Event::Killed(libc::WTERMSIG(status));
    }
    const AT_CALL: i32 = libc::SIGTRAP | 0x80;
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        0 if signal == AT_CALL => Event::Signal(libc::SIGTRAP),
        0 => Event::Signal(signal),
        libc::PTRACE_EVENT_STOP => Event::Stop(signal),
        libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
            Event::Clone
        }
        libc::PTRACE_EVENT_EXIT => Event::Exit,
        other => Event::Other(other),
    }
}

/// What the last event carries: for [`Event::Clone`] the id of the new thread or process, in the
/// caller's pid namespace.
///
/// # Errors
/// As the kernel says.
pub fn message(tid: i32) -> io::Result<u64> {
    let mut value: libc::c_ulong = 0;
    request(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut value).expose_provenance())?;
    Ok(value)
}

/// The general registers of a stopped thread.
///
/// # Errors
/// `ESRCH`: it is not stopped, or not ours.
pub fn registers(tid: i32) -> io::Result<Registers> {
    let mut words = [0_u64; REGISTERS];
    const { assert!(size_of::<libc::user_regs_struct>() == REGISTERS * 8) };
    request(libc::PTRACE_GETREGS, tid, 0, words.as_mut_ptr().expose_provenance())?;
    Ok(Registers(words))
}

/// Sets the general registers of a stopped thread.
///
/// # Errors
/// `EIO`: a segment or base address that the kernel refuses.
pub fn set_registers(tid: i32, registers: &Registers) -> io::Result<()> {
    request(libc::PTRACE_SETREGS, tid, 0, registers.0.as_ptr().expose_provenance()).map(drop)
}

/// The extended processor state of a stopped thread, in XSAVE's layout of this machine.
///
/// # Errors
/// As the kernel says.
pub fn xstate(tid: i32) -> io::Result<Vec<u8>> {
    // Of this machine, once it is known: threads of one process have as much of it, or less.
    static LAST: AtomicUsize = AtomicUsize::new(MAX_XSTATE);
    let mut room = LAST.load(Ordering::Relaxed);
    loop {
        let mut bytes = vec![0_u8; room];
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        request(libc::PTRACE_GETREGSET, tid, NT_X86_XSTATE, (&raw mut part).expose_provenance())?;
        if part.iov_len < room || room == MAX_XSTATE {
            bytes.truncate(part.iov_len);
            // One more, so that a larger state shows.
            LAST.store(part.iov_len + 8, Ordering::Relaxed);
            return Ok(bytes);
        }
        room = MAX_XSTATE;
    }
}

/// Sets the extended processor state of a stopped thread.
///
/// # Errors
/// `EINVAL`: this machine's layout is another, or a reserved bit is set.
pub fn set_xstate(tid: i32, state: &[u8]) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: state.as_ptr().cast_mut().cast(), iov_len: state.len() };
    request(libc::PTRACE_SETREGSET, tid, NT_X86_XSTATE, (&raw mut part).expose_provenance())
        .map(drop)
}

/// The signals that a stopped thread blocks, bit `n - 1` for signal `n`.
///
/// # Errors
/// As the kernel says.
pub fn signal_mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0_u64;
    request(PTRACE_GETSIGMASK, tid, 8, (&raw mut mask).expose_provenance())?;
    Ok(mask)
}

/// Sets the signals that a stopped thread blocks.
///
/// # Errors
/// As the kernel says.
pub fn set_signal_mask(tid: i32, mask: u64) -> io::Result<()> {
    request(PTRACE_SETSIGMASK, tid, 8, (&raw const mask).expose_provenance()).map(drop)
}

/// Where a stopped thread registered restartable sequences, if it did.
///
/// # Errors
/// `EIO` of kernels before 5.13.
pub fn rseq(tid: i32) -> io::Result<Option<Rseq>> {
    #[repr(C)]
    struct Configuration {
        pointer: u64,
        size: u32,
        signature: u32,
        flags: u32,
        pad: u32,
    }
    let mut found = Configuration { pointer: 0, size: 0, signature: 0, flags: 0, pad: 0 };
    request(
        PTRACE_GET_RSEQ_CONFIGURATION,
        tid,
        size_of::<Configuration>(),
        (&raw mut found).expose_provenance(),
    )?;
    let rseq = Rseq { pointer: found.pointer, size: found.size, signature: found.signature };
    Ok((rseq.pointer != 0).then_some(rseq))
}

/// Whether a stopped thread has its system calls dispatched to itself (`PR_SET_SYSCALL_USER_DISPATCH`).
///
/// # Errors
/// As the kernel says.
pub fn dispatches_calls(tid: i32) -> io::Result<bool> {
    let mut found = [0_u64; 4];
    let size = size_of_val(&found);
    request(
        PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG,
        tid,
        size,
        found.as_mut_ptr().expose_provenance(),
    )?;
    Ok(found[0] != 0)
}

/// The signals that wait for a stopped thread (`shared`: for its whole process), oldest first.
///
/// # Errors
/// `InvalidData`: more than `limit` wait.
pub fn pending_signals(tid: i32, shared: bool, limit: usize) -> io::Result<Vec<[u8; SIGINFO]>> {
    #[repr(C)]
    struct Peek {
        offset: u64,
        flags: u32,
        count: i32,
    }
    const AT_ONCE: usize = 32;
    let mut all = Vec::new();
    loop {
        let mut batch = [[0_u8; SIGINFO]; AT_ONCE];
        let peek = Peek {
            offset: all.len() as u64,
            flags: u32::from(shared),
            count: i32::try_from(AT_ONCE).expect("32 is small"),
        };
        let found = request(
            libc::PTRACE_PEEKSIGINFO,
            tid,
            (&raw const peek).expose_provenance(),
            batch.as_mut_ptr().expose_provenance(),
        )?;
        let found = usize::try_from(found).unwrap_or(0);
        all.extend_from_slice(&batch[..found]);
        if found < AT_ONCE {
            return Ok(all);
        }
        if all.len() > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("more than {limit} signals wait"),
            ));
        }
    }
}

/// Lets a stopped thread execute one instruction.
///
/// # Errors
/// As the kernel says.
pub fn step(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_SINGLESTEP, tid, 0, 0).map(drop)
}

/// Lets a stopped thread go on, traced.
///
/// # Errors
/// As the kernel says.
pub fn go_on(tid: i32, signal: i32) -> io::Result<()> {
    let signal = usize::try_from(signal).expect("signals are positive");
    request(libc::PTRACE_CONT, tid, 0, signal).map(drop)
}

/// Lets a stopped thread go on, untraced, with a signal (0 for none).
///
/// # Errors
/// As the kernel says.
pub fn detach(tid: i32, signal: i32) -> io::Result<()> {
    let signal = usize::try_from(signal).expect("signals are positive");
    request(libc::PTRACE_DETACH, tid, 0, signal).map(drop)
}

/// Writes a word into a stopped thread's memory, also where that is executable only: the page
/// becomes a private copy.
///
/// # Errors
/// `EIO`: nothing is mapped there.
pub fn poke(tid: i32, address: u64, word: u64) -> io::Result<()> {
    let address = usize::try_from(address).expect("64 bits");
    let word = usize::try_from(word).expect("64 bits");
    request(libc::PTRACE_POKEDATA, tid, address, word).map(drop)
}

/// Lets a stopped thread go on to where it enters or leaves a system call; [`wait`] tells
/// [`Event::Signal`] of `SIGTRAP` there.
///
/// # Errors
/// As the kernel says.
pub fn to_call_boundary(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, tid, 0, 0).map(drop)
}
