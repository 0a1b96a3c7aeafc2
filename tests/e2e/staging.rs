//! Inputs on their way: cut, resumed, shared, kept, refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Instant;

use outlast_api::{Client, Control as _};
use outlast_tests::network::{Host, Network};
use outlast_tests::{Node, SOON, World, skipped, until};

/// Enough for ten cuts at the rate of the slow link.
const LARGE: usize = 96 << 20;

/// Bytes that don't repeat.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn put(world: &World, name: &str, bytes: &[u8]) {
    fs::write(world.job_folder().join(name), bytes).unwrap();
}

/// What `cksum` says of a file of the job's folder here.
fn checksum(world: &World, name: &str) -> String {
    let output = Command::new("cksum").arg(name).current_dir(world.job_folder()).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

fn counter(node: &Node<'_>, name: &str) -> u64 {
    node.status().counters.get(name).copied().unwrap_or(0)
}

/// Two counters, asked without a process in between: on a slow machine much would arrive meanwhile. As long as a node is
/// being started it can't be asked.
fn fetched_and_resumed(node: &Node<'_>) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(Client::new(node.data_dir()).status());
    let counters = status.map(|status| status.counters).unwrap_or_default();
    let of = |name: &str| counters.get(name).copied().unwrap_or(0);
    (of("staging_bytes_fetched"), of("staging_bytes_resumed"))
}

/// Whether a node's newest job is over, if it can be asked.
fn is_over(node: &Node<'_>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let jobs = runtime.block_on(Client::new(node.data_dir()).jobs());
    jobs.is_ok_and(|jobs| jobs.first().is_some_and(|job| job.state.ended()))
}

/// `run` or `submit` of a command that says what has arrived.
fn check(command: &str) -> Vec<&str> {
    vec![command, "--replication", "1", "--samples", "0", "--", "cksum", "large.bin"]
}

/// A host that sends no faster than this.
fn slow(host: &Host, rate: &str) -> Result<(), String> {
    host.run(|| {
        let words =
            format!("qdisc replace dev eth0 root tbf rate {rate} burst 128kb latency 100ms");
        let done = Command::new("tc").args(words.split(' ')).output();
        let done = done.map_err(|error| format!("`tc` (iproute2): {error}"))?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("`tc {words}`: {}", String::from_utf8_lossy(&done.stderr)))
    })
}

#[test]
fn a_large_input_that_is_cut_ten_times_arrives_whole() {
    // At another moment each time; none so late that it is through already, unless the machine is very slow.
    cut_ten_times(LARGE, "100mbit", |cut| ((cut * 7) % 5 + 1) << 20);
}

/// The seed of the moments is printed; `OUTLAST_SEED` repeats them, as far as clocks do.
#[test]
#[ignore = "a measurement: 1 GiB takes a minute or two; see docs/BENCHMARKS.md"]
fn a_gibibyte_that_is_cut_ten_times_at_random_moments_arrives_whole() {
    const GIBIBYTE: usize = 1 << 30;
    let given = std::env::var("OUTLAST_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let clock = || std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_micros() as u64;
    let seed: u64 = given.unwrap_or_else(clock);
    let random = bytes(seed, 80);
    let began = Instant::now();
    // Of the tenth of the file that may arrive between two cuts any part.
    let resumed = cut_ten_times(GIBIBYTE, "300mbit", |cut| {
        let eight = &random[cut as usize * 8..][..8];
        let number = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        let moment = number % (GIBIBYTE as u64 / 10);
        eprintln!("cut {}: after {:.1} MiB more", cut + 1, moment as f64 / f64::from(1 << 20));
        moment
    });
    let (took, resumed) = (began.elapsed().as_secs_f64(), resumed.unwrap_or(0) >> 20);
    eprintln!("seed {seed}: right after {took:.1} s; at most {resumed} MiB were there after a cut");
}

/// A file of this length is cut when so many bytes have come since the cut before. How many bytes were still there
/// after one of the cuts, at most; nothing if it can't be tried here.
fn cut_ten_times(length: usize, rate: &str, moved: impl Fn(u64) -> u64) -> Option<u64> {
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => {
            skipped(&why);
            return None;
        }
    };
    let (there, here) = (network.host().unwrap(), network.host().unwrap());
    if let Err(why) = slow(&there, rate) {
        skipped(&why);
        return None;
    }
    let world = World::new();
    put(&world, "large.bin", &bytes(1, length));
    let mut a = Node::new(&world, "a", 0).on(&there).up();
    let mut b = Node::new(&world, "b", 1).on(&here).join(&a).up();
    a.knows(2);
    let id = a.outlast(&check("submit")).with_code(0).stdout.trim().to_owned();
    let mut resumed = 0;
    for cut in 0..10_u64 {
        let moved = moved(cut);
        let in_the_middle = until("some of it arrives", || {
            let (fetched, again) = fetched_and_resumed(&b);
            resumed = resumed.max(again);
            (fetched >= moved).then_some(true).or_else(|| is_over(&a).then_some(false))
        });
        if !in_the_middle {
            // The link is as fast as ever where the processor isn't.
            assert!(cut >= 5, "all of it arrived after {cut} cuts");
            break;
        }
        match cut % 3 {
            0 => {
                b.kill();
                b.start();
            }
            1 => {
                here.cut();
                until("the worker is missed", || {
                    let state = format!("{:?}", a.view_of("b")?.state);
                    (state != "Alive").then_some(())
                });
                here.heal();
                b.kill();
                b.start();
            }
            _ => {
                a.kill();
                a.start();
                b.kill();
                b.start();
            }
        }
    }
    let said = a.start_outlast(&["wait", &id]).ended(SOON * 3).with_code(0);
    assert_eq!(said.stdout, checksum(&world, "large.bin"));
    resumed = resumed.max(counter(&b, "staging_bytes_resumed"));
    assert!(resumed > 4 << 20, "{resumed} bytes were still there after a cut");
    Some(resumed)
}

#[test]
fn how_far_inputs_are_is_shown_while_they_come() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return skipped(&why),
    };
    let (there, here) = (network.host().unwrap(), network.host().unwrap());
    if let Err(why) = slow(&there, "20mbit") {
        return skipped(&why);
    }
    let world = World::new();
    put(&world, "large.bin", &bytes(9, 24 << 20));
    let a = Node::new(&world, "a", 0).on(&there).up();
    let _b = Node::new(&world, "b", 1).on(&here).join(&a).up();
    a.knows(2);
    let id = a.outlast(&check("submit")).with_code(0).stdout.trim().to_owned();
    let mut seen: Vec<u64> = Vec::new();
    until("more and more of it is there", || {
        let shown = a.show();
        if let Some(staging) = shown.workers.first().and_then(|worker| worker.staging) {
            assert_eq!((staging.nodes, staging.bytes_total), (1, 24 << 20));
            assert!(staging.bytes_here < staging.bytes_total, "{staging:?}");
            if seen.last() != Some(&staging.bytes_here) {
                seen.push(staging.bytes_here);
            }
        }
        (seen.len() > 2).then_some(())
    });
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(a.outlast(&["ps"]).stdout.contains("staging "));
    let said = a.start_outlast(&["wait", &id]).ended(SOON).with_code(0);
    assert_eq!(said.stdout, checksum(&world, "large.bin"));
    assert_eq!(a.job().staging, None);
}

#[test]
fn what_is_unchanged_costs_nothing_again_and_a_change_costs_what_it_changes() {
    let world = World::new();
    let mut content = bytes(2, 24 << 20);
    put(&world, "large.bin", &content);
    let a = Node::new(&world, "a", 0).up();
    let mut b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    let submit = |a: &Node<'_>| {
        let said = a.outlast(&check("run")).with_code(0);
        assert_eq!(said.stdout, checksum(&world, "large.bin"));
    };
    submit(&a);
    let first = counter(&a, "staging_bytes_served");
    assert!(first >= 24 << 20);
    // Also over a restart of the worker.
    b.kill();
    b.start();
    a.knows(2);
    submit(&a);
    let second = counter(&a, "staging_bytes_served") - first;
    // The list of inputs may be sent again.
    assert!(second < 10_000, "{second} bytes for nothing new");
    content.splice(5 << 20..(5 << 20) + 1000, bytes(3, 250_000));
    put(&world, "large.bin", &content);
    submit(&a);
    let third = counter(&a, "staging_bytes_served") - first - second;
    assert!(third > 100_000 && third < (24 << 20) / 20, "{third} bytes for one percent");
}

#[test]
fn a_second_worker_gets_it_from_the_first() {
    let world = World::new();
    put(&world, "large.bin", &bytes(4, 32 << 20));
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    a.outlast(&check("run")).with_code(0);
    let before = counter(&a, "staging_bytes_served");
    let c = Node::new(&world, "c", 1).join(&a).up();
    c.knows(3);
    // Two answers: both work.
    let words = "run --replication 2 --samples 0 -- cksum large.bin";
    let said = a.outlast(&words.split(' ').collect::<Vec<_>>()).with_code(0);
    assert_eq!(said.stdout, checksum(&world, "large.bin"));
    let (again, others) =
        (counter(&a, "staging_bytes_served") - before, counter(&b, "staging_bytes_served"));
    assert_eq!(counter(&c, "staging_bytes_fetched") >> 20, 32);
    assert!(others > 8 << 20, "{others} bytes by the other worker, {again} by the submitter");
}

#[test]
fn folders_arrive_as_they_are() {
    let world = World::new();
    let job = world.job_folder();
    fs::create_dir_all(job.join("in/deep/empty")).unwrap();
    fs::write(job.join("in/zero"), "").unwrap();
    fs::write(job.join("in/a name\twith \"quotes\" and ünïcode 🎈"), "odd\n").unwrap();
    fs::write(job.join("in/tool"), "#!/bin/sh\necho ran\n").unwrap();
    fs::set_permissions(job.join("in/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../tool", job.join("in/deep/link")).unwrap();
    symlink("deep", job.join("in/folder-link")).unwrap();
    fs::write(world.path("outside"), "from outside\n").unwrap();
    symlink(world.path("outside"), job.join("in/away")).unwrap();
    let script = "cd in && deep/link && folder-link/link && cat a*🎈 away && [ -d deep/empty ] \
                  && [ ! -s zero ] && [ -e zero ] && readlink deep/link folder-link && [ ! -x zero ]";
    let words =
        ["run", "--replication", "1", "--samples", "0", "--input", "in", "--", "sh", "-c", script];
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    let said = a.outlast(&words).with_code(0);
    assert_eq!(said.stdout, "ran\nran\nodd\nfrom outside\n../tool\ndeep\n");
}

#[test]
fn a_full_cache_is_said_and_hurts_nobody_else() {
    let world = World::new();
    put(&world, "large.bin", &bytes(5, 3 << 20));
    let small = "[storage]\ncache = '2MiB'\n";
    let full = Node::new(&world, "full", 1).configured(small).up();
    full.outlast(&check("run")).complains("no room for 3.0 MiB in the cache");
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 1).configured(small).join(&a).up();
    a.knows(2);
    let id = a.outlast(&check("submit")).with_code(0).stdout.trim().to_owned();
    until("the worker says so", || {
        a.outlast(&["logs", &id]).stdout.contains("its disk is full").then_some(())
    });
    let _c = Node::new(&world, "c", 1).join(&a).up();
    let said = a.start_outlast(&["wait", &id]).ended(SOON).with_code(0);
    assert_eq!(said.stdout, checksum(&world, "large.bin"));
}

/// A file system of its own, in memory, of this size. `None`: it can't be had here, and why.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(path: std::path::PathBuf, size: &str) -> Result<Self, String> {
        fs::create_dir_all(&path).unwrap();
        let size = format!("size={size}");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        let done = done.map_err(|error| format!("`mount`: {error}"))?;
        if done.status.success() {
            return Ok(Self(path));
        }
        Err(format!("`mount -t tmpfs`: {}", String::from_utf8_lossy(&done.stderr)))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

#[test]
fn a_worker_whose_disk_is_too_small_leaves_the_work_to_others_and_stays() {
    let world = World::new();
    let disk = match SmallDisk::at(world.path("b"), "24M") {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    put(&world, "large.bin", &bytes(6, 48 << 20));
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).at(&disk.0).join(&a).up();
    a.knows(2);
    let id = a.outlast(&check("submit")).with_code(0).stdout.trim().to_owned();
    until("the worker says so", || {
        let logs = a.outlast(&["logs", &id]).stdout;
        (logs.contains("disk is full") || logs.contains("no room")).then_some(())
    });
    {
        let _c = Node::new(&world, "c", 1).join(&a).up();
        let said = a.start_outlast(&["wait", &id]).ended(SOON).with_code(0);
        assert_eq!(said.stdout, checksum(&world, "large.bin"));
    }
    // What doesn't fit has left nothing behind, and the worker does what it can.
    world.write("small.txt", "fits\n");
    let small = ["run", "--replication", "1", "--samples", "0", "--", "cksum", "small.txt"];
    let said = a.start_outlast(&small).ended(SOON).with_code(0);
    assert_eq!(said.stdout, checksum(&world, "small.txt"));
    drop(b);
}

#[test]
fn a_job_has_its_inputs_as_they_were_when_it_was_submitted() {
    let world = World::new();
    put(&world, "large.bin", &bytes(7, 5 << 20));
    let before = checksum(&world, "large.bin");
    let a = Node::new(&world, "a", 0).up();
    let id = a.outlast(&check("submit")).with_code(0).stdout.trim().to_owned();
    // In place: the same file, the same length.
    let mut file =
        fs::OpenOptions::new().write(true).open(world.job_folder().join("large.bin")).unwrap();
    std::io::Write::write_all(&mut file, &bytes(8, 1 << 20)).unwrap();
    assert_ne!(checksum(&world, "large.bin"), before);
    let _b = Node::new(&world, "b", 1).join(&a).up();
    let said = a.start_outlast(&["wait", &id]).ended(SOON).with_code(0);
    assert_eq!(said.stdout, before);
}
