//! Holding: what stopped threads are is written down, and one of each process is prepared to make calls for us.

use std::io;

use outlast_os::foreign::{self, Span};
use outlast_os::trace::{self, Registers};

use super::{Frozen, SCRATCH, bits};
use crate::error::{CheckpointError, Doing};
use crate::proc::{Area, parse_areas};
use crate::remote::Remote;
use crate::rescue::{PARK, ROUNDS};

/// Steps out of the vdso at most: its longest function takes some two hundred.
const MAX_STEPS: usize = 4096;

impl Frozen {
    /// Writes down what the threads of all living processes are, and prepares them to make calls for us.
    pub(crate) fn hold(&mut self) -> Result<(), CheckpointError> {
        for at in 0..self.processes.len() {
            if !self.processes[at].is_zombie() {
                self.hold_process(at)?;
            }
        }
        Ok(())
    }

    fn hold_process(&mut self, index: usize) -> Result<(), CheckpointError> {
        self.write_down(index, "smaps")?;
        let stepped = self.leave_vdso(index)?;
        self.prepare(index)?;
        self.map_scratch(index)?;
        let process = &self.processes[index];
        let pid = process.pid;
        for nth in stepped {
            // Ends its stepping: it would outlive us, and nobody would catch its traps.
            let remote = process.remote_in(&process.threads[nth]);
            remote.call(libc::SYS_getpid, &[]).doing("ending steps", pid)?;
        }
        Ok(())
    }

    /// Prepares a process for calls that need no memory for results.
    pub(super) fn park(&mut self, index: usize) -> Result<(), CheckpointError> {
        self.write_down(index, "maps")?;
        self.prepare(index)
    }

    /// Reads what is mapped, from either file, and writes down what the threads are.
    fn write_down(&mut self, index: usize, file: &str) -> Result<(), CheckpointError> {
        let process = &mut self.processes[index];
        let text = process.proc().read(file);
        let areas = text.and_then(|text| parse_areas(&text));
        process.areas = areas.doing("reading what is mapped", process.pid)?;
        for thread in &process.threads {
            self.rescue.hold(thread.slot, &thread.held);
        }
        Ok(())
    }

    /// Puts the loop in place, threads to sleep in it, and chooses where calls are made.
    fn prepare(&mut self, index: usize) -> Result<(), CheckpointError> {
        let process = &mut self.processes[index];
        let pid = process.pid;
        let leader = process.threads[0].held.tid;
        let place = call_site(leader, &process.areas).doing("reading the vdso", pid)?;
        let at = match place {
            CallSite::Free(at) => {
                for thread in &mut process.threads {
                    thread.held.parked = at;
                    self.rescue.hold(thread.slot, &thread.held);
                }
                for (nth, word) in PARK.iter().enumerate() {
                    trace::poke(leader, at + nth as u64 * 8, *word)
                        .doing("preparing the vdso", pid)?;
                }
                for thread in &process.threads {
                    trace::set_registers(thread.held.tid, &thread.held.asleep())
                        .doing("parking a thread", pid)?;
                }
                at
            }
            CallSite::Plain(at) => at,
            CallSite::None => {
                return Err(CheckpointError::Kernel {
                    doing: "looking for a system call instruction",
                    pid,
                    source: io::Error::other("the process has no vdso"),
                });
            }
        };
        for thread in &process.threads {
            trace::set_signal_mask(thread.held.tid, u64::MAX).doing("blocking signals", pid)?;
        }
        let base = process.threads[0].held.registers;
        let rounds = match process.threads[0].held.parked {
            0 => 0,
            parked => parked + ROUNDS,
        };
        process.threads[0].held.at = at;
        process.remote = Some(Remote { tid: leader, base, at, rounds, careful: true });
        self.rescue.hold(process.threads[0].slot, &process.threads[0].held);
        Ok(())
    }

    /// Maps memory for results.
    fn map_scratch(&mut self, index: usize) -> Result<(), CheckpointError> {
        let process = &mut self.processes[index];
        let pid = process.pid;
        // At a place of our choice, written down before: it is found whenever we end.
        const MAP_FIXED_NOREPLACE: i32 = 0x10_0000;
        let (scratch, fixed) = match gap(&process.areas) {
            Some(place) => (place, MAP_FIXED_NOREPLACE),
            None => (0, 0),
        };
        process.threads[0].held.scratch = (scratch, SCRATCH);
        self.rescue.hold(process.threads[0].slot, &process.threads[0].held);
        let scratch = process
            .remote()
            .call(
                libc::SYS_mmap,
                &[
                    scratch,
                    SCRATCH,
                    bits(libc::PROT_READ | libc::PROT_WRITE),
                    bits(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | fixed),
                    u64::MAX,
                    0,
                ],
            )
            .doing("mapping memory for results", pid)?;
        process.threads[0].held.scratch = (scratch, SCRATCH);
        self.rescue.hold(process.threads[0].slot, &process.threads[0].held);
        Ok(())
    }

    /// Lets threads that are in the vdso's code come out of it: another kernel's is another one. Answers which were stepped.
    ///
    /// A tracer that dies meanwhile takes the process along: a step that nobody waits for ends with a `SIGTRAP`. Few
    /// threads are there, for less than a microsecond each.
    fn leave_vdso(&mut self, index: usize) -> Result<Vec<usize>, CheckpointError> {
        let process = &mut self.processes[index];
        let pid = process.pid;
        let mut stepped = Vec::new();
        let Some(vdso) = process.areas.iter().find(|area| area.name == b"[vdso]") else {
            return Ok(stepped);
        };
        // What the program does with SIGTRAP itself must not meet with what steps do with it.
        const TRAP: u64 = 1 << (libc::SIGTRAP - 1);
        if (process.status.ignored | process.status.pending) & TRAP != 0 {
            return Ok(stepped);
        }
        let inside = |registers: &Registers| (vdso.start..vdso.end).contains(&registers.rip());
        for (nth, thread) in process.threads.iter_mut().enumerate() {
            // In a call, it will be made again, or come out, by itself.
            if thread.held.registers.in_call().is_some()
                || !inside(&thread.held.registers)
                || thread.held.mask & TRAP != 0
            {
                continue;
            }
            let tid = thread.held.tid;
            trace::set_signal_mask(tid, !TRAP).doing("blocking signals", pid)?;
            stepped.push(nth);
            let mut steps = 0;
            while inside(&thread.held.registers) && steps < MAX_STEPS {
                trace::step(tid).doing("leaving the vdso", pid)?;
                crate::remote::wait_soon(tid).doing("leaving the vdso", pid)?;
                thread.held.registers = trace::registers(tid).doing("leaving the vdso", pid)?;
                thread.found = thread.held.registers;
                steps += 1;
                // So that whoever puts them back puts them where it is.
                self.rescue.hold(thread.slot, &thread.held);
            }
        }
        Ok(stepped)
    }
}

/// The highest place where nothing is mapped, with room for [`SCRATCH`].
fn gap(areas: &[Area]) -> Option<u64> {
    // Not beside a neighbour: a stack that grows down keeps others away.
    const AWAY: u64 = 4 << 20;
    let pairs = areas.iter().zip(areas.iter().skip(1)).rev();
    let mut roomy = pairs.filter(|(below, above)| above.start.saturating_sub(below.end) > 2 * AWAY);
    roomy.next().map(|(_, above)| above.start - AWAY)
}

enum CallSite {
    /// Room for the loop.
    Free(u64),
    /// An instruction, no room.
    Plain(u64),
    None,
}

/// Where in a process calls are made.
fn call_site(tid: i32, areas: &[Area]) -> io::Result<CallSite> {
    let Some(vdso) = areas.iter().find(|area| area.name == b"[vdso]") else {
        return Ok(CallSite::None);
    };
    let len = usize::try_from(vdso.end - vdso.start).expect("two pages");
    let mut code = vec![0; len];
    foreign::read(tid, &[Span { start: vdso.start, end: vdso.end }], &mut code)?;
    let room = PARK.len() * 8;
    if code[len - room..].iter().all(|byte| *byte == 0) {
        return Ok(CallSite::Free(vdso.end - room as u64));
    }
    Ok(crate::remote::find_syscall(&code)
        .map_or(CallSite::None, |at| CallSite::Plain(vdso.start + at)))
}
