//! What works when nothing goes wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use outlast_api::types::{JobDetail, JobState};
use outlast_tests::picture::Scene;
use outlast_tests::{Node, World};

use crate::words;

#[test]
fn a_picture_rendered_alone_is_what_povray_renders() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 128, 96) else { return };
    let data = world.path("alone");
    let command = scene.command("out.png");
    let said = world.outlast(&data, &words(&["run", "--json", "--"], &command)).with_code(0);
    scene.is_in("out.png");
    let job: JobDetail = said.json();
    assert_eq!(job.summary.state, JobState::Done);
    assert!(job.summary.gridlets_total > 1, "{job:?}");
    assert!(!data.join("control.sock").exists(), "an embedded node leaves no socket behind");
}

#[test]
fn members_learn_of_each_other_from_one_ticket_and_share_a_picture() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 160, 128) else { return };
    let a = Node::new(&world, "a", 1).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    let c = Node::new(&world, "c", 1).join(&a).up();
    for node in [&a, &b, &c] {
        node.knows(3);
    }
    let command = scene.command("out.png");
    b.outlast(&words(&["run", "--gridlets", "6", "--preview", "so-far.png", "--"], &command))
        .with_code(0);
    scene.is_in("out.png");
    scene.looks_like("so-far.png");
    let job = b.show();
    let worked = job.workers.iter().filter(|worker| worker.accepted > 0).count();
    assert!(worked >= 2, "{:?}", job.workers);
    assert_eq!(job.wrong, []);
    assert!(a.jobs().is_empty() && c.jobs().is_empty(), "a job belongs to its submitter");
}

#[test]
fn a_sweep_over_the_grid_collects_every_run_in_a_folder_with_a_manifest() {
    let world = World::new();
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 2).join(&a).up();
    let _c = Node::new(&world, "c", 2).join(&a).up();
    a.knows(3);
    world.write("table.txt", "zero\none\ntwo\nthree\n");
    world.write(
        "line.sh",
        "sed -n \"$(($1 + 1))p\" table.txt > \"$2.txt\"; echo $GREETING; exit $1\n",
    );
    let command = "run --param k=0..3 --param w=x,y --input table.txt --env GREETING=hello -o out -- \
                   sh line.sh {k} {w}";
    let args: Vec<&str> = command.split_whitespace().collect();
    // Runs that exit with something else than 0 are results, and the sweep as a whole says so.
    a.outlast(&args).with_code(1);
    let manifest = world.read("out/manifest.csv");
    assert_eq!(manifest.lines().count(), 9, "{manifest}");
    let found = fs::read_dir(world.job_folder().join("out")).unwrap().flatten();
    let texts = found.filter(|entry| entry.path().is_dir()).map(|entry| {
        let files = fs::read_dir(entry.path()).unwrap().flatten();
        files.map(|file| fs::read_to_string(file.path()).unwrap()).collect::<String>()
    });
    let texts: Vec<String> = texts.collect();
    assert_eq!(texts.len(), 8, "{texts:?}");
    assert!(texts.iter().all(|text| text.contains("hello")), "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.contains("three")).count(), 2, "{texts:?}");
}

#[test]
fn a_command_has_its_inputs_streams_variables_outputs_and_exit_code() {
    let world = World::new();
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    world.write("data.txt", "from an input\n");
    world.write("in.txt", "from standard input\n");
    let tool = world.write(
        "tool",
        "#!/bin/sh\ncat; cat data.txt; echo \"$V\" > made.txt; echo oops >&2; exit 7\n",
    );
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let command = "run --input data.txt --stdin in.txt --env V=value -- ./tool";
    let args: Vec<&str> = command.split(' ').collect();
    let said = a.outlast(&args).with_code(7);
    assert_eq!(said.stdout, "from standard input\nfrom an input\n");
    assert!(said.stderr.contains("oops"), "{}", said.stderr);
    assert_eq!(world.read("made.txt"), "value\n");
}
