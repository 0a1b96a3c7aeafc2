//! Many small jobs: what they leave behind at the daemons. `cargo xtask bench soak` does the same with 20,000.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use outlast_api::types::{JobSpec, JobState, Param, VerificationSpec};
use outlast_api::{Client, Control};
use outlast_tests::metrics::Figures;
use outlast_tests::{Node, World, until};

/// More than are remembered, so that some are forgotten.
const JOBS: u32 = 300;

/// Jobs that are remembered once they are over.
const REMEMBERED: usize = 200;

/// Until everything that is made once is there: connections, threads, the journal's tables.
const WARM_UP: u32 = 30;

/// Side by side.
const CLIENTS: u32 = 6;

fn spec(world: &World, number: u32) -> JobSpec {
    let spec = JobSpec {
        cwd: world.job_folder().to_str().unwrap().to_owned(),
        verification: VerificationSpec {
            quorum: Some(1),
            samples: Some(u32::from(number % 6 == 3)),
            ..VerificationSpec::default()
        },
        ..JobSpec::default()
    };
    let argv = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match number % 3 {
        0 => JobSpec {
            argv: argv(&["true", "{i}"]),
            params: vec![Param { name: "i".to_owned(), values: "1..3".to_owned() }],
            gridlets: Some(3),
            output: Some(format!("sweep-{number}")),
            ..spec
        },
        1 => JobSpec { argv: argv(&["sh", "-c", "echo hello"]), ..spec },
        _ => {
            let (input, output) = (format!("in-{number}"), format!("out-{number}"));
            world.write(&input, &format!("{number}\n").repeat(20_000));
            JobSpec {
                argv: argv(&["cp", &input, &output]),
                inputs: vec![input],
                outputs: vec![output],
                ..spec
            }
        }
    }
}

async fn run(client: Client, specs: Vec<JobSpec>) {
    for spec in specs {
        let id = client.submit(spec).await.unwrap();
        let mut since = None;
        loop {
            let summary = client.wait(&id, since, Duration::from_secs(20)).await.unwrap();
            if summary.state.ended() {
                assert_eq!(summary.state, JobState::Done, "{summary:?}");
                break;
            }
            since = Some(summary.version);
        }
    }
}

fn run_all(
    runtime: &tokio::runtime::Runtime,
    world: &World,
    at: &Node<'_>,
    jobs: std::ops::Range<u32>,
) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let specs = jobs.clone().filter(|job| job % CLIENTS == client);
            let specs = specs.map(|job| spec(world, job)).collect();
            runtime.spawn(run(Client::new(at.data_dir()), specs))
        })
        .collect();
    for client in clients {
        runtime.block_on(client).unwrap();
    }
}

fn figures(runtime: &tokio::runtime::Runtime, node: &Node<'_>) -> Figures {
    let text = runtime.block_on(Client::new(node.data_dir()).metrics()).unwrap();
    Figures::parse(&text).unwrap()
}

fn files_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| 1 + files_in(&entry.path())).sum()
}

/// What a daemon holds of the system.
fn held(node: &mut Node<'_>) -> BTreeMap<&'static str, usize> {
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    let proc = format!("/proc/{}", node.process().pid());
    BTreeMap::from([
        ("descriptors", count(&format!("{proc}/fd"))),
        ("threads", count(&format!("{proc}/task"))),
        ("files in work/", files_in(&node.data_dir().join("work"))),
    ])
}

/// Waits until nothing of any job is left in its tables.
fn idle(runtime: &tokio::runtime::Runtime, node: &Node<'_>) {
    until(&format!("{} has nothing of any job left", node.name()), || {
        let figures = figures(runtime, node);
        let tables =
            ["leases_out", "leases_here", "answers_here", "slots_busy", "store_pinned_bytes"];
        tables.iter().all(|name| figures.of(&format!("outlast_{name}")) == 0.0).then_some(())
    });
}

#[test]
fn jobs_that_are_over_leave_nothing_behind() {
    let world = World::new();
    // Little room for what is kept of inputs: it is full long before the end.
    let small = "[storage]\ncache = '4MiB'\n";
    let a = Node::new(&world, "a", 0).configured(small).up();
    let b = Node::new(&world, "b", 2).configured(small).join(&a).up();
    let c = Node::new(&world, "c", 2).configured(small).join(&a).up();
    a.knows(3);
    let mut nodes = [a, b, c];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    run_all(&runtime, &world, &nodes[0], 0..WARM_UP);
    nodes.iter().for_each(|node| idle(&runtime, node));
    let before: Vec<_> = nodes.iter_mut().map(held).collect();
    run_all(&runtime, &world, &nodes[0], WARM_UP..WARM_UP + JOBS);
    for (node, before) in nodes.iter_mut().zip(before) {
        idle(&runtime, node);
        let name = node.name().to_owned();
        // Threads that ran blocking work go after ten seconds without any.
        until(&format!("{name} holds no more than {before:?}"), || {
            let now = held(node);
            now.iter().all(|(what, count)| count <= &before[what]).then_some(())
        });
        // The submitter keeps the answers of plain commands as long as it remembers the jobs, beside its cache.
        if name != "a" {
            let figures = figures(&runtime, node);
            assert!(figures.of("outlast_store_bytes") <= 4.0 * f64::from(1 << 20), "{name}");
        }
    }
    assert_eq!(nodes[0].jobs().len(), REMEMBERED);
}
