//! A third of the workers agree on their lies, however the work is cut: no bad atom gets into the output, and they are
//! found out.

use outlast_api::types::{JobDetail, NodeRow, Proof};
use outlast_tests::film::Film;
use outlast_tests::picture::Scene;
use outlast_tests::{Node, World};

use crate::words;

/// Jobs at most until all liars are known, mostly one or two: a liar that got no whole gridlet has told no lie that a
/// sample proves.
const JOBS: usize = 12;

/// Two of six workers collude; the submitter doesn't work.
fn grid(world: &World) -> Vec<Node<'_>> {
    let mut nodes = vec![Node::new(world, "a", 0).up()];
    for name in ["liar1", "liar2"] {
        let liar = Node::new(world, name, 1).rogue(&["--lie-colluding", "7"]);
        nodes.push(liar.join(&nodes[0]).up());
    }
    for name in ["b", "c", "d", "e"] {
        nodes.push(Node::new(world, name, 1).join(&nodes[0]).up());
    }
    nodes[0].knows(nodes.len());
    nodes
}

/// How a job finds them out: two who agree are enough for the quorum, but not for the samples.
const SAMPLES: &[&str] = &["--replication", "2", "--samples", "1"];

/// The same where nothing can be sampled: there aren't enough of them for the quorum.
const VOTES: &[&str] = &["--replication", "3"];

/// Submits the same job until both liars are blacklisted; `right` looks at each output.
fn catch(
    a: &Node<'_>,
    scheme: &str,
    checks: &[&str],
    options: &[&str],
    command: impl Fn(&str) -> Vec<String>,
    right: impl Fn(&str),
) {
    let known = |a: &Node<'_>| -> Vec<NodeRow> {
        a.nodes().into_iter().filter(|row| row.blacklisted).collect()
    };
    let run = [&["run", "--json", "--verify", scheme], checks, options].concat();
    for number in 0..JOBS {
        let output = format!("out{number}");
        let words_of_job = command(&output);
        let args = words(&run, &words_of_job);
        let job: JobDetail = a.outlast(&args).with_code(0).json();
        right(&output);
        for wrong in &job.wrong {
            assert!(wrong.name.starts_with("liar"), "{wrong:?}");
            let listed = known(a).iter().any(|row| row.id == wrong.node);
            assert!(listed || wrong.proof == Proof::Vote, "proven and still believed: {wrong:?}");
        }
        if known(a).len() == 2 {
            break;
        }
    }
    let known = known(a);
    assert_eq!(known.len(), 2, "{known:?}");
    for liar in known {
        assert!(liar.name.starts_with("liar") && liar.credibility == 0.0, "{liar:?}");
        let evidence = liar.evidence.as_ref().unwrap();
        let caught =
            if checks == VOTES { evidence.outvoted > 2 } else { evidence.proven_wrong > 0 };
        assert!(caught && evidence.newcomer > 0.5, "{liar:?}");
    }
    let honest = a.view_of("b").unwrap();
    let evidence = honest.evidence.unwrap();
    assert!(evidence.agreed + evidence.sampled > 0 && evidence.checks > 0.0, "{evidence:?}");
    assert_eq!((evidence.outvoted, evidence.proven_wrong), (0, 0));
    assert!(honest.credibility > evidence.newcomer, "{} {evidence:?}", honest.credibility);
    let table = a.outlast(&["nodes"]).with_code(0).stdout;
    assert!(table.contains("EVIDENCE") && table.contains(" agreed"), "{table}");
    let told = if checks == VOTES { " outvoted" } else { " proven wrong" };
    assert!(table.contains(told), "{table}");
    // The submitter was asked about itself, too.
    assert!(a.view_of("a").unwrap().evidence.is_none());
}

fn render(scheme: &str, (width, height): (u32, u32), gridlets: &str) {
    let world = World::new();
    let Some(scene) = Scene::new(&world, width, height) else { return };
    let nodes = grid(&world);
    let name = |output: &str| format!("{output}.png");
    let command = |output: &str| scene.command(&name(output));
    let options = ["--gridlets", gridlets, "--"];
    catch(&nodes[0], scheme, SAMPLES, &options, command, |output| scene.is_in(&name(output)));
}

#[test]
fn colluders_spoil_no_pixel_of_a_standard_render() {
    render("standard", (160, 128), "12");
}

#[test]
fn colluders_spoil_no_pixel_of_an_overlapped_render() {
    // Gridlets of this size have two cells, so that there is something to shift.
    render("overlapped", (448, 320), "4");
}

#[test]
fn colluders_spoil_no_pixel_of_a_meshed_render() {
    render("meshed", (160, 128), "12");
}

/// Along one axis, so there is nothing to mesh.
fn encode(scheme: &str, seconds: u32, gridlets: &str) {
    let world = World::new();
    let Some(film) = Film::new(&world, seconds) else { return };
    let nodes = grid(&world);
    let name = |output: &str| format!("{output}.mp4");
    let command = |output: &str| film.command(&name(output));
    let options = ["--gridlets", gridlets, "--"];
    catch(&nodes[0], scheme, VOTES, &options, command, |output| film.is_in(&name(output)));
}

#[test]
fn colluders_spoil_no_frame_of_a_standard_encode() {
    encode("standard", 12, "6");
}

#[test]
fn colluders_spoil_no_frame_of_an_overlapped_encode() {
    encode("overlapped", 66, "2");
}

/// Numbers, and what they are.
const SWEEP: &str = "BEGIN {{ printf \"%.9f\\n\", sin({x}) * exp({y} / 7) }}";

fn sweep(scheme: &str) {
    let world = World::new();
    let nodes = grid(&world);
    let command = |output: &str| {
        let sweep = ["--param", "x=0..5", "--param", "y=1..6", "--output", output, "--"];
        let words = sweep.iter().chain(&["awk", SWEEP]);
        words.map(|&word| word.to_owned()).collect()
    };
    let right = |output: &str| {
        for (x, y) in (0..=5).flat_map(|x| (1..=6).map(move |y| (x, y))) {
            let run = format!("{output}/x={x},y={y}/stdout");
            let found: f64 = world.read(&run).trim().parse().unwrap();
            let expected = f64::from(x).sin() * (f64::from(y) / 7.0).exp();
            assert!((found - expected).abs() < 1e-8, "{run}: {found}, expected {expected}");
        }
    };
    catch(&nodes[0], scheme, SAMPLES, &["--gridlets", "9"], command, right);
}

#[test]
fn colluders_spoil_no_run_of_a_standard_sweep() {
    sweep("standard");
}

#[test]
fn colluders_spoil_no_run_of_an_overlapped_sweep() {
    sweep("overlapped");
}

#[test]
fn colluders_spoil_no_run_of_a_meshed_sweep() {
    sweep("meshed");
}
