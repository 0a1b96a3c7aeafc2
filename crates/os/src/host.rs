//! What this machine has.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Processor cores that this process may use: its affinity and its control group's quota count.
pub fn cores() -> u32 {
    // The standard library looks at sched_getaffinity and at cpu.max (v2) or cpu.cfs_quota_us (v1).
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

/// Memory that this process may use, in bytes: the machine's, or its control group's limit if that is less.
pub fn memory_bytes() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let total = total.map_or(0, |kib| kib << 10);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_files(&groups)
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok())
        .fold(total, u64::min)
}

/// Files that may hold a memory limit, for the process's groups and all groups above them.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (roots, file): (&[&str], _) = if controllers.is_empty() {
            (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], "memory.max")
        } else if controllers.split(',').any(|c| c == "memory") {
            (&["/sys/fs/cgroup/memory"], "memory.limit_in_bytes")
        } else {
            continue;
        };
        let path = Path::new(path.trim_start_matches('/'));
        for root in roots {
            files.extend(path.ancestors().map(|group| Path::new(root).join(group).join(file)));
        }
    }
    files
}

/// Run-queue length over the last minute, in thousandths.
pub fn load_milli() -> u32 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    (load.unwrap_or(0.0) * 1000.0) as u32
}

/// A name for the system's life since it was last started; `None` where it can't be had.
pub fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The machine's name, or `localhost`.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// What of this machine the results of a program may depend on, for nodes to find out whether they are alike:
/// architecture, system, processor and C library, such as `x86_64 linux GenuineIntel-6-143 glibc-2.36`.
pub fn kind() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    [Some(arch.to_owned()), Some(os.to_owned()), processor(&cpu), c_library()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Vendor, family and model of the first processor in `/proc/cpuinfo`, as x86 and ARM have them. Its stepping is left
/// out: it mends errors, and changes no results of programs that avoid them.
fn processor(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        let mut pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    let x86 = ["vendor_id", "cpu family", "model"].map(field);
    let arm = ["CPU implementer", "CPU part"].map(field);
    let parts = if x86[0].is_some() { x86.to_vec() } else { arm.to_vec() };
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("-"))
}

/// Name and version of the C library, whose mathematics differ a little from version to version.
fn c_library() -> Option<String> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: the function takes nothing, and returns a text that is part of the library and never changes.
        let version = unsafe { std::ffi::CStr::from_ptr(nix::libc::gnu_get_libc_version()) };
        Some(format!("glibc-{}", version.to_string_lossy()))
    }
    #[cfg(not(target_env = "gnu"))]
    (!cfg!(target_env = "")).then(|| "another-libc".to_owned())
}

/// What this process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Memory that is in use and not swapped out, in bytes.
    pub resident_bytes: u64,
    /// File descriptors that are open.
    pub open_files: u64,
    /// Processor time so far, in seconds.
    pub cpu_s: f64,
}

/// What this process takes. What can't be told is 0.
pub fn own_usage() -> Usage {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    // One of them is the folder's own.
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
    let cpu_micros = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    });
    Usage {
        resident_bytes: kib.unwrap_or(0) << 10,
        open_files: open.saturating_sub(1),
        cpu_s: cpu_micros as f64 / 1e6,
    }
}

/// Space for ordinary users on the file system of `path`, in bytes.
///
/// # Errors
/// If there is no such path.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// A network that an interface of this machine is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The interface's name.
    pub name: String,
    /// This machine's address.
    pub address: IpAddr,
    /// How many leading bits all addresses of the network have in common.
    pub prefix: u32,
}

impl Network {
    /// Whether an address belongs to it.
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(here), IpAddr::V4(other)) => {
                (here.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix.min(32)
            }
            (IpAddr::V6(here), IpAddr::V6(other)) => {
                (here.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix.min(128)
            }
            _ => false,
        }
    }
}

/// The networks of this machine's interfaces that are up, loopback left out.
///
/// # Errors
/// If the kernel can't say.
pub fn networks() -> io::Result<Vec<Network>> {
    use nix::net::if_::InterfaceFlags;
    let mut networks = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        let (Some(address), Some(mask)) = (interface.address, interface.netmask) else { continue };
        let (address, prefix) = if let (Some(v4), Some(mask)) =
            (address.as_sockaddr_in(), mask.as_sockaddr_in())
        {
            (IpAddr::V4(v4.ip()), mask.ip().to_bits().leading_ones())
        } else if let (Some(v6), Some(mask)) = (address.as_sockaddr_in6(), mask.as_sockaddr_in6()) {
            (IpAddr::V6(v6.ip()), mask.ip().to_bits().leading_ones())
        } else {
            continue;
        };
        if interface.flags.contains(InterfaceFlags::IFF_UP) && !address.is_loopback() {
            networks.push(Network { name: interface.interface_name, address, prefix });
        }
    }
    Ok(networks)
}

/// Addresses of this machine's interfaces that are up, loopback last, IPv6 link-local left out:
/// those mean nothing without an interface's name.
///
/// # Errors
/// If the kernel can't say.
pub fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    use nix::net::if_::InterfaceFlags;
    let mut addresses = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        if !interface.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let Some(address) = interface.address else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            addresses.push(IpAddr::V4(v4.ip()));
        } else if let Some(v6) = address.as_sockaddr_in6() {
            addresses.push(IpAddr::V6(v6.ip()));
        }
    }
    addresses.retain(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    });
    addresses.sort_by_key(|address| (address.is_loopback(), *address));
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_something() {
        assert!(cores() >= 1);
        assert!(memory_bytes() > 1 << 20);
        assert!(!hostname().is_empty());
        assert!(free_space(Path::new("/")).is_ok());
        assert!(free_space(Path::new("/no/such/folder")).is_err());
        load_milli();
    }

    #[test]
    fn a_machine_is_of_a_kind() {
        let kind = kind();
        assert!(kind.starts_with(std::env::consts::ARCH) && kind.len() < 128, "{kind}");
        assert_eq!(kind, super::kind());
        let x86 = "processor : 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: X\n";
        assert_eq!(processor(x86).as_deref(), Some("GenuineIntel-6-143"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(processor(arm).as_deref(), Some("0x41-0xd0c"));
        assert_eq!(processor(""), None);
    }

    #[test]
    fn a_process_takes_memory_files_and_time() {
        let usage = own_usage();
        assert!(usage.resident_bytes > 100 << 10, "{usage:?}");
        assert!((1..10_000).contains(&usage.open_files), "{usage:?}");
        assert!(usage.cpu_s >= 0.0, "{usage:?}");
    }

    #[test]
    fn loopback_is_last_among_the_addresses() {
        let addresses = interface_addresses().unwrap();
        assert!(addresses.is_sorted_by_key(IpAddr::is_loopback), "{addresses:?}");
    }

    #[test]
    fn a_network_holds_what_has_its_prefix() {
        let network = |address: &str, prefix| Network {
            name: "e0".to_owned(),
            address: address.parse().unwrap(),
            prefix,
        };
        let holds = |network: &Network, other: &str| network.contains(other.parse().unwrap());
        let lan = network("10.1.2.3", 24);
        assert!(holds(&lan, "10.1.2.255") && !holds(&lan, "10.1.3.1") && !holds(&lan, "fd00::1"));
        assert!(holds(&network("10.1.2.3", 0), "192.0.2.1"));
        assert!(!holds(&network("10.1.2.3", 32), "10.1.2.2"));
        let v6 = network("fd00:1::1", 64);
        assert!(holds(&v6, "fd00:1::9") && !holds(&v6, "fd00:2::9"));
        assert!(networks().unwrap().iter().all(|network| !network.address.is_loopback()));
    }

    #[test]
    fn limits_of_all_groups_above_count() {
        let files = limit_files("4:memory:/a/b\n3:cpuset:/\n0::/x\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/x/memory.max",
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/unified/x/memory.max",
            "/sys/fs/cgroup/unified/memory.max",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }
}
