//! System calls that another process makes for us.
//!
//! A stopped thread gets registers that make it execute the `syscall` instruction which its vdso
//! has anyway, for one step, and its own registers back. Nothing is loaded into it.
//!
//! While it isn't stopped it must not run a handler: the caller blocks all its signals, but for steps not `SIGTRAP`:
//! the kernel resets a blocked or ignored `SIGTRAP` to its default when a step ends.
//!
//! Steps are for processes that die with us anyway. A thread whose tracer dies while it steps goes on stepping, and is
//! ended by the `SIGTRAP` that nobody catches any more; so what has to survive us is [`Remote::careful`]: it stops at
//! system call boundaries, which cost twice as much and leave nothing behind.

use std::io;

use outlast_os::trace::{self, Event, Registers};

/// A thread that makes calls for us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote {
    pub(crate) tid: i32,
    /// What its registers are otherwise: segments and flags have to be right.
    pub(crate) base: Registers,
    /// A `syscall` instruction in its memory.
    pub(crate) at: u64,
    /// It has to survive us.
    pub(crate) careful: bool,
}

impl Remote {
    /// Makes one call and answers its result; errors are the call's.
    pub(crate) fn call(&self, number: libc::c_long, arguments: &[u64]) -> io::Result<u64> {
        self.start(number, arguments)?;
        self.finish()
    }

    /// Begins a call: so that several threads can be at it.
    pub(crate) fn start(&self, number: libc::c_long, arguments: &[u64]) -> io::Result<()> {
        let mut six = [0; 6];
        six[..arguments.len()].copy_from_slice(arguments);
        let mut registers = self.base;
        registers.set_call(self.at, number.cast_unsigned(), six);
        trace::set_registers(self.tid, &registers)?;
        self.go()
    }

    fn go(&self) -> io::Result<()> {
        if self.careful { trace::to_call_boundary(self.tid) } else { trace::step(self.tid) }
    }

    /// Ends a call that was begun.
    pub(crate) fn finish(&self) -> io::Result<u64> {
        let mut stops = 0;
        loop {
            // What is restored isn't anybody's to kill yet, and `/proc` may show others' ids there.
            let event =
                if self.careful { wait_for_mortal(self.tid)? } else { wait_soon(self.tid)? };
            match event {
                Event::Signal(libc::SIGTRAP) => {
                    stops += 1;
                    if self.careful && stops < 2 {
                        self.go()?;
                        continue;
                    }
                    let result = trace::registers(self.tid)?.result();
                    return match result {
                        -4095..0 => Err(io::Error::from_raw_os_error(
                            i32::try_from(-result).expect("small"),
                        )),
                        _ => Ok(result.cast_unsigned()),
                    };
                }
                // A stop that can't be blocked. It is of no effect on a traced thread that goes on, and
                // the process is stopped again when it is let go.
                Event::Signal(_) | Event::Stop(_) => self.go()?,
                // A child of this thread: told by the option to follow, and looked for by who made it.
                Event::Clone => self.go()?,
                Event::Exited(_) | Event::Killed(_) | Event::Exit => {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Event::Other(other) => {
                    return Err(io::Error::other(format!(
                        "an unexpected event {other} of a tracee"
                    )));
                }
            }
        }
    }
}

/// Waits for a stop that comes within microseconds: sleeping would cost more than that when the
/// tracee is on another processor, and on the same one yielding is what lets it run.
pub(crate) fn wait_soon(tid: i32) -> io::Result<Event> {
    const TURNS: u32 = 64;
    for _ in 0..TURNS {
        if let Some(event) = trace::wait(tid, false)? {
            return Ok(event);
        }
        std::thread::yield_now();
    }
    trace::wait(tid, true)?.ok_or_else(|| io::Error::other("a blocking wait came back empty"))
}

/// The same for a thread that somebody may kill: with other threads that we trace, its end isn't told before theirs were
/// heard of, and a wait that blocks would last for ever.
fn wait_for_mortal(tid: i32) -> io::Result<Event> {
    const TURNS: u32 = 64;
    const PAUSE: std::time::Duration = std::time::Duration::from_micros(50);
    const LOOK_EVERY: u32 = 20;
    let mut turn = 0_u32;
    loop {
        if let Some(event) = trace::wait(tid, false)? {
            return Ok(event);
        }
        turn = turn.saturating_add(1);
        if turn < TURNS {
            std::thread::yield_now();
            continue;
        }
        if turn.is_multiple_of(LOOK_EVERY) && is_dead(tid) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        std::thread::sleep(PAUSE);
    }
}

fn is_dead(tid: i32) -> bool {
    let text = crate::proc::read(&format!("/proc/{tid}/stat"));
    let stat = text.and_then(|text| crate::proc::Stat::parse(&text));
    stat.is_ok_and(|stat| matches!(stat.state, b'Z' | b'X'))
}

/// Where in a vdso a `syscall` instruction is: its offset.
pub(crate) fn find_syscall(vdso: &[u8]) -> Option<u64> {
    vdso.windows(2).position(|two| two == [0x0f, 0x05]).map(|at| at as u64)
}
