//! Calls that the stop interrupted, and how they go on.
//!
//! A thread that was asleep in a system call stops with the call's answer decided: one of the
//! kernel's restart codes, or `EINTR`. When it goes on in the same process the kernel restarts what it
//! can; in a new process the call is made again, with the time that was left:
//!
//! | answer | calls | what is done |
//! | --- | --- | --- |
//! | -512, -513, -514 | reads, waits, absolute sleeps, select | nothing: the kernel makes the call again |
//! | -516 | nanosleep, poll, futex with a timeout | the image: made again, with the remaining time |
//! | -4 (`EINTR`) | epoll, semaphores, signal waits, receives with a timeout | made again, here and in the image |
//!
//! A call isn't made again when a signal waits that the thread doesn't block: then `EINTR` is what it
//! would have got anyway. The time slept comes from `/proc/…/sched`: when the thread last ran, read
//! before the stop. Where that isn't there, the whole interval is slept again.
//!
//! A remaining time that the call takes by address is put below the stack, out of the red zone, where
//! no program may keep anything.

use std::collections::HashMap;
use std::io;

use outlast_image::Thread;
use outlast_os::foreign::{self, Span};
use outlast_os::schedule;
use outlast_os::trace::Registers;

use crate::freeze::StoppedProcess;
use crate::proc::Proc;

use super::threads::sched_field;

const EINTR: i64 = -4;
const RESTART_SYS: i64 = -512;
const RESTART_NOINTR: i64 = -513;
const RESTART_NOHAND: i64 = -514;
const RESTART_BLOCK: i64 = -516;

const POLL: u64 = 7;
const RECVFROM: u64 = 45;
const RECVMSG: u64 = 47;
const NANOSLEEP: u64 = 35;
const SEMOP: u64 = 65;
const RT_SIGTIMEDWAIT: u64 = 128;
const FUTEX: u64 = 202;
const RESTART_SYSCALL: u64 = 219;
const SEMTIMEDOP: u64 = 220;
const CLOCK_NANOSLEEP: u64 = 230;
const EPOLL_WAIT: u64 = 232;
const EPOLL_PWAIT: u64 = 281;
const EPOLL_PWAIT2: u64 = 441;

/// Below the stack pointer, under the red zone of 128 bytes and what a signal's frame aligns.
const BELOW_STACK: u64 = 512;

/// For how long each thread of a tree has slept, in nanoseconds, as seen before the stop.
#[derive(Debug, Default)]
pub(crate) struct Asleep {
    slept: HashMap<i32, u64>,
    /// Where in the kernel threads wait whose call was restarted before: which call it was can't be told from its number.
    waits: HashMap<i32, String>,
}

impl Asleep {
    fn nanos(&self, tid: i32) -> Option<u64> {
        self.slept.get(&tid).copied()
    }
}

/// Looks at the threads of a tree that sleep in a call with a time limit. Whatever can't be read is left out.
pub(super) fn look(root: i32) -> Asleep {
    let mut asleep = Asleep::default();
    let mut since = Vec::new();
    crate::proc::walk(root, |proc, threads| {
        for tid in threads.iter().copied() {
            let call = proc.read(&format!("task/{tid}/syscall")).unwrap_or_default();
            let call = String::from_utf8_lossy(&call).into_owned();
            let number = call.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            let timed = [
                POLL,
                NANOSLEEP,
                RT_SIGTIMEDWAIT,
                FUTEX,
                RESTART_SYSCALL,
                SEMTIMEDOP,
                CLOCK_NANOSLEEP,
                EPOLL_WAIT,
                EPOLL_PWAIT,
                EPOLL_PWAIT2,
            ];
            if number == Some(RESTART_SYSCALL) {
                let wait = proc.read(&format!("task/{tid}/wchan")).unwrap_or_default();
                asleep.waits.insert(tid, String::from_utf8_lossy(&wait).into_owned());
            }
            if number.is_some_and(|number| timed.contains(&number))
                && let Some(ran) = last_ran(&proc.path(&format!("task/{tid}/sched")))
            {
                since.push((processor(proc, tid), tid, ran));
            }
        }
        true
    });
    if since.is_empty() {
        return asleep;
    }
    // The scheduler's clock is another one on each processor: it doesn't count what interrupts and other
    // machines took. So now is what it says where the thread slept; this thread runs there for a moment.
    since.sort_unstable();
    let own = schedule::affinity(0).unwrap_or_default();
    let mut now = (usize::MAX, 0);
    for (processor, tid, ran) in since {
        if processor != now.0 {
            if schedule::set_affinity(0, &schedule::only(processor)).is_err() {
                continue;
            }
            now = (processor, last_ran("/proc/thread-self/sched").unwrap_or(0));
        }
        asleep.slept.insert(tid, now.1.saturating_sub(ran));
    }
    // It was ours a moment ago.
    let _ = schedule::set_affinity(0, &own);
    asleep
}

/// The processor that a thread ran on last.
fn processor(proc: Proc, tid: i32) -> usize {
    let text = proc.read(&format!("task/{tid}/stat")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    // The 39th field; the third comes after the name.
    let fields = text.rsplit_once(") ").map(|(_, rest)| rest.split(' ').nth(36));
    fields.flatten().and_then(|field| field.parse().ok()).unwrap_or(0)
}

fn last_ran(path: &str) -> Option<u64> {
    let text = crate::proc::read(path).ok()?;
    let millis = sched_field(&text, "se.exec_start")?;
    // In milliseconds with six decimals.
    Some((millis * 1e6) as u64)
}

/// Gives the `nth` thread registers with which its call goes on, in the process that runs on and in the image.
pub(super) fn adjust(
    process: &mut StoppedProcess,
    nth: usize,
    thread: &mut Thread,
    asleep: &Asleep,
) -> io::Result<()> {
    let held = &process.threads[nth].held;
    let mut registers = process.threads[nth].found;
    let Some(mut number) = registers.in_call() else { return Ok(()) };
    let result = registers.result();
    let pending = pending_of_process(process)?;
    let awake = thread.pending.iter().chain(&pending).any(|info| wakes(info, held.mask));
    if number == RESTART_SYSCALL {
        // It had been restarted before: what it was stands before the instruction.
        let by_wait = || call_of_wait(asleep.waits.get(&held.tid)?, &registers);
        match number_before(process.pid, registers.rip()).or_else(by_wait) {
            Some(before) => number = before,
            None => {
                registers.answer(EINTR);
                thread.registers = registers.0.to_vec();
                return Ok(());
            }
        }
    }
    let slept = asleep.nanos(held.tid);
    let again = match result {
        EINTR => restarts_by_hand(number) && !awake,
        RESTART_BLOCK => true,
        RESTART_SYS | RESTART_NOINTR | RESTART_NOHAND => {
            // The kernel does it, in a new process as well: it only looks at these two registers.
            return Ok(());
        }
        _ => false,
    };
    if !again {
        return Ok(());
    }
    // A call that was begun has its number where its answer will be.
    registers.answer(number.cast_signed());
    registers.set_rip(registers.rip() - 2);
    if result == EINTR {
        // In the process that runs on the kernel wouldn't make it again. A limit in a register is shortened below;
        // one by address starts over, as nothing is written into a program that runs on.
        let mut here = registers;
        if let Some(slept) = slept {
            shorten_register(number, &mut here, slept);
        }
        process.threads[nth].held.registers = here;
    }
    if let Some(slept) = slept
        && !shorten_register(number, &mut registers, slept)
    {
        shorten_timespec(process.pid, number, &mut registers, slept, thread);
    }
    thread.registers = registers.0.to_vec();
    Ok(())
}

/// The registers with which a stopped thread makes a call again that would answer `EINTR` because of the stop; its
/// own, if that isn't so.
pub(crate) fn begin_again(pid: i32, tid: i32, found: Registers, mask: u64) -> Registers {
    let mut registers = found;
    let Some(number) = found.in_call().filter(|number| restarts_by_hand(*number)) else {
        return found;
    };
    let pending = |id, shared| super::threads::infos(id, shared).unwrap_or_default();
    let mut waiting = pending(tid, false).into_iter().chain(pending(pid, true));
    if found.result() == EINTR && !waiting.any(|info| wakes(&info, mask)) {
        registers.answer(number.cast_signed());
        registers.set_rip(registers.rip() - 2);
    }
    registers
}

/// Whether a signal that waits isn't blocked.
fn wakes(info: &outlast_image::SigInfo, mask: u64) -> bool {
    let signal = i32::from_le_bytes(info.0[..4].try_into().expect("128 bytes"));
    signal > 0 && mask & 1 << (signal - 1) == 0
}

fn pending_of_process(process: &StoppedProcess) -> io::Result<Vec<outlast_image::SigInfo>> {
    super::threads::infos(process.pid, true)
}

/// Calls that answer `EINTR` after a stop, although they would be restarted after a handler with
/// `SA_RESTART`, or need not end at all.
fn restarts_by_hand(number: u64) -> bool {
    [EPOLL_WAIT, EPOLL_PWAIT, EPOLL_PWAIT2, SEMOP, SEMTIMEDOP, RT_SIGTIMEDWAIT, RECVFROM, RECVMSG]
        .contains(&number)
}

/// Which call waits there: of those that the kernel restarts by a call of its own.
fn call_of_wait(wait: &str, registers: &Registers) -> Option<u64> {
    if wait.contains("futex") {
        return Some(FUTEX);
    }
    if wait.contains("poll") {
        return Some(POLL);
    }
    // Sleeping itself is passed over by the kernel when it looks for the place.
    if wait.contains("sleep") || wait == "do_syscall_64" {
        // The one's first argument is an address, the other's a clock's number.
        const LOWEST_ADDRESS: u64 = 4096;
        let clock = registers.arguments()[0] < LOWEST_ADDRESS;
        return Some(if clock { CLOCK_NANOSLEEP } else { NANOSLEEP });
    }
    None
}

/// The number in `mov eax, NUMBER` right before the `syscall` instruction that ends at `rip`.
fn number_before(pid: i32, rip: u64) -> Option<u64> {
    let mut code = [0; 7];
    let start = rip.checked_sub(7)?;
    foreign::read(pid, &[Span { start, end: rip }], &mut code).ok()?;
    match code {
        [0xb8, a, b, c, d, 0x0f, 0x05] => Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
        _ => None,
    }
}

/// Takes the time that has passed from a limit of milliseconds in a register, if the call has one.
fn shorten_register(number: u64, registers: &mut Registers, slept: u64) -> bool {
    let which = match number {
        POLL => 2,
        EPOLL_WAIT | EPOLL_PWAIT => 3,
        _ => return false,
    };
    let low = u32::try_from(registers.arguments()[which] & 0xffff_ffff).expect("masked");
    let limit = i64::from(low.cast_signed());
    // Negative is for ever.
    if limit > 0 {
        let left = limit.saturating_sub((slept / 1_000_000).cast_signed()).max(0);
        registers.set_argument(which, left.cast_unsigned());
    }
    true
}

/// Takes the time that has passed from a relative limit that the call takes by address. A limit that can't
/// be read is left: the call will say what is wrong with it.
fn shorten_timespec(
    pid: i32,
    number: u64,
    registers: &mut Registers,
    slept: u64,
    thread: &mut Thread,
) {
    const TIMER_ABSTIME: u64 = 1;
    const FUTEX_COMMAND: u64 = 0x7f;
    const FUTEX_WAIT: u64 = 0;
    let arguments = registers.arguments();
    let which = match number {
        NANOSLEEP => 0,
        CLOCK_NANOSLEEP if arguments[1] & TIMER_ABSTIME == 0 => 2,
        FUTEX if arguments[1] & FUTEX_COMMAND == FUTEX_WAIT => 3,
        RT_SIGTIMEDWAIT => 2,
        SEMTIMEDOP | EPOLL_PWAIT2 => 3,
        _ => return,
    };
    let start = arguments[which];
    let Some(end) = start.checked_add(16).filter(|_| start != 0) else { return };
    let mut bytes = [0; 16];
    if foreign::read(pid, &[Span { start, end }], &mut bytes).is_err() {
        return;
    }
    let seconds = u64::from_le_bytes(bytes[..8].try_into().expect("eight"));
    let nanos = u64::from_le_bytes(bytes[8..].try_into().expect("eight"));
    let limit = seconds.checked_mul(1_000_000_000).and_then(|all| all.checked_add(nanos));
    let Some(left) = limit.map(|limit| limit.saturating_sub(slept)) else { return };
    let place = (registers.rsp() - BELOW_STACK) & !15;
    let mut words = Vec::with_capacity(16);
    words.extend((left / 1_000_000_000).to_le_bytes());
    words.extend((left % 1_000_000_000).to_le_bytes());
    thread.below_stack = Some((place, words));
    registers.set_argument(which, place);
}
