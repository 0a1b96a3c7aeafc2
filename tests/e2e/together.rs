//! Several jobs at a time.

use outlast_tests::gate::Gate;
use outlast_tests::picture::Scene;
use outlast_tests::{Node, SOON, World, until};

use crate::words;

#[test]
fn two_submitters_share_the_grid_and_each_gets_its_own() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 128, 96) else { return };
    let a = Node::new(&world, "a", 1).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    let c = Node::new(&world, "c", 2).join(&b).up();
    a.knows(3);
    b.knows(3);
    c.knows(3);
    let (one, two) = (scene.command("one.png"), scene.command("two.png"));
    let mut first = a.start_outlast(&words(&["run", "--gridlets", "6", "--"], &one));
    let mut second = b.start_outlast(&words(&["run", "--gridlets", "6", "--"], &two));
    first.ended(SOON).with_code(0);
    second.ended(SOON).with_code(0);
    scene.is_in("one.png");
    scene.is_in("two.png");
    assert_eq!((a.jobs().len(), b.jobs().len()), (1, 1));
}

#[test]
fn two_runs_at_once_without_a_daemon_share_a_node() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let data = world.path("d");
    let mut first = world.start(&data, &words(&["run", "-o", "one"], &gate.sweep(3)));
    let mut second = world.start(&data, &words(&["run", "-o", "two"], &gate.sweep(3)));
    until("both jobs are there", || {
        let said = world.outlast(&data, &["ps", "--json"]);
        // Whoever comes first may find the folder locked and no socket yet.
        (said.code == 0 && said.json::<Vec<serde_json::Value>>().len() == 2).then_some(())
    });
    gate.open();
    first.ended(SOON).with_code(0);
    second.ended(SOON).with_code(0);
    for folder in ["one", "two"] {
        let manifest = world.read(&format!("{folder}/manifest.csv"));
        assert_eq!(manifest.lines().count(), 4, "{manifest}");
    }
}
