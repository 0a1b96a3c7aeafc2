//! `/proc/PID/status`, of a process or a thread.

use std::io;

use super::{bad, fields};

/// The fields that are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// In the innermost pid namespace.
    pub(crate) tid: i32,
    pub(crate) pid: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) umask: u32,
    pub(crate) uids: [u32; 4],
    pub(crate) gids: [u32; 4],
    pub(crate) groups: Vec<u32>,
    pub(crate) blocked: u64,
    /// For the thread, or for its process.
    pub(crate) pending: u64,
    pub(crate) ignored: u64,
    pub(crate) caught: u64,
    /// Inheritable, permitted, effective, bounding, ambient.
    pub(crate) capabilities: [u64; 5],
    pub(crate) no_new_privileges: bool,
    pub(crate) seccomp: u32,
    /// Who traces it, in our namespace.
    pub(crate) tracer: i32,
    /// CET's shadow stack is on.
    pub(crate) shadow_stack: bool,
    pub(crate) no_huge_pages: bool,
    /// The kernel's word for the state: `R`, `S`, `D`, `T`, `t`, `Z`…
    pub(crate) state: u8,
}

impl Status {
    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        let mut status = Self::default();
        for (name, value) in fields(text) {
            status.set(name, value).ok_or_else(|| bad("status", &format!("{name}: {value}")))?;
        }
        if status.tid == 0 {
            return Err(bad("status", "no NSpid"));
        }
        Ok(status)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let last = || value.split_ascii_whitespace().next_back()?.parse::<i32>().ok();
        let hex = || u64::from_str_radix(value, 16).ok();
        match name {
            "State" => self.state = *value.as_bytes().first()?,
            "Umask" => self.umask = u32::from_str_radix(value, 8).ok()?,
            "NStgid" => self.pid = last()?,
            "NSpid" => self.tid = last()?,
            "NSpgid" => self.group = last()?,
            "NSsid" => self.session = last()?,
            "TracerPid" => self.tracer = last()?,
            "Uid" => self.uids = four(value)?,
            "Gid" => self.gids = four(value)?,
            "Groups" => {
                self.groups = value
                    .split_ascii_whitespace()
                    .map(|id| id.parse().ok())
                    .collect::<Option<_>>()?;
            }
            "SigPnd" | "ShdPnd" => self.pending |= hex()?,
            "SigBlk" => self.blocked = hex()?,
            "SigIgn" => self.ignored = hex()?,
            "SigCgt" => self.caught = hex()?,
            "CapInh" => self.capabilities[0] = hex()?,
            "CapPrm" => self.capabilities[1] = hex()?,
            "CapEff" => self.capabilities[2] = hex()?,
            "CapBnd" => self.capabilities[3] = hex()?,
            "CapAmb" => self.capabilities[4] = hex()?,
            "NoNewPrivs" => self.no_new_privileges = value == "1",
            "Seccomp" => self.seccomp = value.parse().ok()?,
            "THP_enabled" => self.no_huge_pages = value == "0",
            "x86_Thread_features" => self.shadow_stack = value.contains("shstk"),
            _ => {}
        }
        Some(())
    }
}

fn four(value: &str) -> Option<[u32; 4]> {
    let ids: Vec<u32> =
        value.split_ascii_whitespace().map(|id| id.parse().ok()).collect::<Option<_>>()?;
    ids.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_innermost_namespace() {
        let text = b"Name:\tx\nUmask:\t0022\nState:\tS (sleeping)\nNStgid:\t90\t7\nNSpid:\t91\t8\nNSpgid:\t5\t0\nNSsid:\t1\t0\n\
Uid:\t1\t2\t3\t4\nGroups:\t4 24 \nSigIgn:\t0000000000001000\nCapAmb:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        let status = Status::parse(text).expect("parsed");
        assert_eq!((status.pid, status.tid, status.group, status.session), (7, 8, 0, 0));
        assert_eq!((status.umask, status.uids), (0o22, [1, 2, 3, 4]));
        assert_eq!((status.groups, status.ignored), (vec![4, 24], 0x1000));
        assert_eq!((status.capabilities[4], status.seccomp, status.state), (1, 2, b'S'));
        assert!(status.no_new_privileges);
    }
}
