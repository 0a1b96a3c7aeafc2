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
//! system call boundaries, which cost twice as much and leave nothing behind; or, with [`batch`], makes many calls from a
//! table in its memory and then sleeps, which costs as much as one.

use std::io;

use outlast_os::foreign::{self, Span};
use outlast_os::trace::{self, Event, Registers};

/// A thread that makes calls for us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote {
    pub(crate) tid: i32,
    /// What its registers are otherwise: segments and flags have to be right.
    pub(crate) base: Registers,
    /// A `syscall` instruction in its memory.
    pub(crate) at: u64,
    /// Where calls from a table are made ([`crate::rescue::PARK`]); 0: nowhere.
    pub(crate) rounds: u64,
    /// It has to survive us.
    pub(crate) careful: bool,
}

impl Remote {
    /// Makes one call and answers its result; errors are the call's.
    pub(crate) fn call(&self, number: libc::c_long, arguments: &[u64]) -> io::Result<u64> {
        self.start(number, arguments)?;
        self.finish()
    }

    /// Makes one call and answers what it answers, errors as negative numbers.
    fn answer(&self, call: &Call) -> io::Result<i64> {
        let answer = self.call(call[0].cast_signed(), &call[1..]);
        match answer.as_ref().map_err(io::Error::raw_os_error) {
            Ok(answer) => Ok(answer.cast_signed()),
            Err(Some(number)) if number != libc::ESRCH => Ok(-i64::from(number)),
            Err(_) => answer.map(u64::cast_signed),
        }
    }

    /// Waits until a table, which ends there, is done, and stops the thread where it sleeps then.
    fn end_rounds(&self, pid: i32, end: u64) -> io::Result<()> {
        let start = end - CALL as u64;
        let last = [Span { start, end: start + 8 }];
        let mut turn = Turn::default();
        let mut word = [1; 8];
        loop {
            foreign::read(pid, &last, &mut word)?;
            if word == [0; 8] {
                break;
            }
            // Somebody may stop it meanwhile, with what can't be blocked.
            if let Some(event) = trace::wait(self.tid, false)? {
                self.pass(event)?;
            }
            turn.next(self.tid)?;
        }
        trace::interrupt(self.tid)?;
        loop {
            match wait_for_mortal(self.tid)? {
                Event::Stop(_) => return Ok(()),
                other => self.pass(other)?,
            }
        }
    }

    /// Lets it go on after something that isn't for us.
    fn pass(&self, event: Event) -> io::Result<()> {
        match event {
            Event::Exited(_) | Event::Killed(_) | Event::Exit => {
                Err(io::Error::from_raw_os_error(libc::ESRCH))
            }
            _ => trace::go_on(self.tid, 0),
        }
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

/// A call: its number, and what it takes.
pub(crate) type Call = [u64; 6];

/// A call without arguments or with up to five.
pub(crate) fn call(number: libc::c_long, arguments: &[u64]) -> Call {
    let mut call = [0; 6];
    call[0] = number.cast_unsigned();
    call[1..][..arguments.len()].copy_from_slice(arguments);
    call
}

/// Has threads of a process make calls, each its own, all threads at once: their answers, negative ones being errors.
/// `table` is memory of the process for at least a call more than there are, for each thread.
pub(crate) fn batch(
    pid: i32,
    jobs: &[(Remote, Vec<Call>)],
    table: Span,
) -> io::Result<Vec<Vec<i64>>> {
    if jobs.iter().any(|(remote, _)| remote.rounds == 0) {
        let one = |(remote, calls): &(Remote, Vec<Call>)| {
            calls.iter().map(|call| remote.answer(call)).collect::<io::Result<Vec<i64>>>()
        };
        return jobs.iter().map(one).collect();
    }
    // Answers 0: when that is read, it and all before it are done.
    let last = call(libc::SYS_sched_yield, &[]);
    let mut bytes = Vec::new();
    let mut ends = Vec::with_capacity(jobs.len());
    for (_, calls) in jobs {
        let words = calls.iter().chain([&last]).flatten();
        bytes.extend(words.flat_map(|word| word.to_le_bytes()));
        ends.push(table.start + bytes.len() as u64);
    }
    let used = Span { start: table.start, end: table.start + bytes.len() as u64 };
    if used.end > table.end {
        return Err(io::Error::other("more calls than there is room for"));
    }
    foreign::write(pid, &[used], &bytes)?;
    let mut start = table.start;
    for ((remote, _), end) in jobs.iter().zip(&ends) {
        let mut registers = remote.base;
        registers.set_jump(remote.rounds, [start, *end]);
        trace::set_registers(remote.tid, &registers)?;
        trace::go_on(remote.tid, 0)?;
        start = *end;
    }
    for ((remote, _), end) in jobs.iter().zip(&ends) {
        remote.end_rounds(pid, *end)?;
    }
    foreign::read(pid, &[used], &mut bytes)?;
    let mut answers = bytes
        .chunks_exact(CALL)
        .map(|call| i64::from_le_bytes(call[..8].try_into().expect("eight of a call's bytes")));
    let of = |(_, calls): &(Remote, Vec<Call>)| {
        let mut own: Vec<i64> = answers.by_ref().take(calls.len() + 1).collect();
        own.pop();
        own
    };
    Ok(jobs.iter().map(of).collect())
}

/// Whether all calls of a batch worked.
pub(crate) fn succeeded(answers: &[i64]) -> io::Result<()> {
    let failed = answers.iter().find(|answer| (-4095..0).contains(*answer));
    failed.map_or(Ok(()), |answer| {
        Err(io::Error::from_raw_os_error(i32::try_from(-answer).expect("small")))
    })
}

/// Bytes of a call in a table.
const CALL: usize = size_of::<Call>();

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
pub(crate) fn wait_for_mortal(tid: i32) -> io::Result<Event> {
    let mut turn = Turn::default();
    loop {
        if let Some(event) = trace::wait(tid, false)? {
            return Ok(event);
        }
        turn.next(tid)?;
    }
}

/// How long somebody who is soon done was waited for.
#[derive(Default)]
struct Turn(u32);

impl Turn {
    /// Waits a bit more, unless the thread is dead.
    fn next(&mut self, tid: i32) -> io::Result<()> {
        const TURNS: u32 = 64;
        const PAUSE: std::time::Duration = std::time::Duration::from_micros(50);
        const LOOK_EVERY: u32 = 20;
        self.0 = self.0.saturating_add(1);
        if self.0 < TURNS {
            std::thread::yield_now();
            return Ok(());
        }
        if self.0.is_multiple_of(LOOK_EVERY) && is_dead(tid) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        std::thread::sleep(PAUSE);
        Ok(())
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
