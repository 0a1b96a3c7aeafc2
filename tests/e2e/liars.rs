//! Nodes that lie: the picture is right, and they are named.

use outlast_api::types::{JobDetail, Proof};
use outlast_tests::picture::Scene;
use outlast_tests::{Node, World};

use crate::words;

/// Renders a picture on a grid with these rogues and two honest workers, and gives back the submitter and its job.
fn render<'w>(
    world: &'w World,
    scene: &Scene<'_>,
    rogues: &[(&str, &[&str])],
    options: &[&str],
) -> (Vec<Node<'w>>, JobDetail) {
    let mut nodes = vec![Node::new(world, "a", 0).up()];
    for (name, vices) in rogues {
        let rogue = Node::new(world, name, 1).rogue(vices).join(&nodes[0]).up();
        nodes.push(rogue);
    }
    for name in ["b", "c"] {
        let honest = Node::new(world, name, 1).join(&nodes[0]).up();
        nodes.push(honest);
    }
    nodes[0].knows(nodes.len());
    let command = scene.command("out.png");
    let run = [&["run", "--json", "--gridlets", "6"], options, &["--"]].concat();
    let job = nodes[0].outlast(&words(&run, &command)).with_code(0).json();
    scene.is_in("out.png");
    (nodes, job)
}

fn names(job: &JobDetail) -> Vec<&str> {
    let mut names: Vec<&str> = job.wrong.iter().map(|wrong| wrong.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn who_always_lies_is_caught_blacklisted_and_stays_so() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 160, 128) else { return };
    let (mut nodes, job) = render(&world, &scene, &[("liar", &["--lie", "always"])], &[]);
    assert_eq!(names(&job), ["liar"]);
    for wrong in &job.wrong {
        assert!(wrong.gridlet < 6 && wrong.area.starts_with("pixels"), "{wrong:?}");
    }
    assert!(job.summary.answers_rejected > 0);
    let a = &mut nodes[0];
    assert!(a.view_of("liar").unwrap().blacklisted);
    assert!(!a.view_of("b").unwrap().blacklisted && !a.view_of("c").unwrap().blacklisted);
    a.kill();
    a.start();
    a.knows(4);
    assert!(a.view_of("liar").unwrap().blacklisted, "a restart pardons nobody");
    let command = scene.command("again.png");
    let run = ["run", "--json", "--gridlets", "2", "--"];
    let job: JobDetail = a.outlast(&words(&run, &command)).with_code(0).json();
    assert!(job.workers.iter().all(|row| row.name != "liar"), "{:?}", job.workers);
}

#[test]
fn two_liars_who_agree_are_overruled_by_samples() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 160, 128) else { return };
    let vices: &[&str] = &["--lie-colluding", "7"];
    let rogues = [("liar1", vices), ("liar2", vices)];
    let options = ["--replication", "2", "--samples", "1"];
    let (nodes, job) = render(&world, &scene, &rogues, &options);
    let names = names(&job);
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("liar")), "{names:?}");
    assert!(job.wrong.iter().any(|wrong| wrong.proof == Proof::Sample), "{:?}", job.wrong);
    for name in names {
        assert!(nodes[0].view_of(name).unwrap().blacklisted, "{name}");
    }
}

/// What is no result at all is told as such, and costs the node the job.
#[track_caller]
fn no_result(vice: &str) {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 128, 96) else { return };
    let (nodes, job) = render(&world, &scene, &[("rogue", &[vice])], &["--replication", "1"]);
    assert_eq!(names(&job), ["rogue"], "{:?}", job.workers);
    let wrong = &job.wrong[0];
    assert_eq!(wrong.proof, Proof::Invalid, "{wrong:?}");
    assert!(!wrong.reason.is_empty(), "{wrong:?}");
    for node in nodes {
        node.status();
    }
}

#[test]
fn a_truncated_answer_is_no_result() {
    no_result("--truncate");
}

#[test]
fn an_answer_that_is_too_large_is_no_result() {
    no_result("--oversize");
}

#[test]
fn an_answer_that_unpacks_to_too_much_is_no_result() {
    no_result("--bomb");
}

#[test]
fn a_picture_of_another_size_is_no_result() {
    no_result("--wrong-size");
}

#[test]
fn what_is_no_image_is_no_result() {
    no_result("--not-an-image");
}

#[test]
fn nodes_that_fail_or_crash_cost_nothing_but_time() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 128, 96) else { return };
    let rogues: [(&str, &[&str]); 2] =
        [("fails", &["--fail"]), ("crashes", &["--crash-after", "2"])];
    let (_nodes, job) = render(&world, &scene, &rogues, &[]);
    assert_eq!(names(&job), [""; 0], "to fail is no lie");
}

#[test]
fn who_hangs_gets_a_rival() {
    let world = World::new();
    let a = Node::new(&world, "a", 0).configured("[job]\nstraggler-min = \"1s\"\n").up();
    let _hangs = Node::new(&world, "hangs", 1).rogue(&["--hang"]).join(&a).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(3);
    let sweep = "run --param i=0..5 --gridlets 6 --replication 1 --samples 0 -- echo {i}";
    a.outlast(&sweep.split(' ').collect::<Vec<_>>()).with_code(0);
    let job = a.show();
    let leases = |name| job.workers.iter().find(|row| row.name == name).map_or(0, |row| row.leases);
    assert!(leases("hangs") > 0 && leases("b") == 6, "{:?}", job.workers);
    assert_eq!(names(&job), [""; 0], "to be slow is no lie");
}

#[test]
fn who_lies_now_and_then_is_caught_as_well() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 160, 128) else { return };
    let options = ["--replication", "2"];
    let (nodes, _) = render(&world, &scene, &[("liar", &["--lie", "0.5"])], &options);
    let command = scene.command("more.png");
    // Where others are quicker it gets few gridlets of a job, and may lie in none of them.
    let caught = (0..12).find_map(|_| {
        let row = nodes[0].view_of("liar").filter(|row| row.wrong > 0);
        row.or_else(|| {
            let run = [&["run", "--gridlets", "6"], &options[..], &["--"]].concat();
            nodes[0].outlast(&words(&run, &command)).with_code(0);
            scene.is_in("more.png");
            None
        })
    });
    let row = caught.unwrap();
    assert!(
        row.wrong > 0 && row.credibility < nodes[0].view_of("b").unwrap().credibility,
        "{row:?}"
    );
}
