//! Films, cut in time.

use outlast_tests::film::Film;
use outlast_tests::{Node, SOON, World, until};

use crate::words;

#[test]
fn a_film_encoded_alone_is_what_ffmpeg_makes_of_it() {
    let world = World::new();
    let Some(film) = Film::new(&world, 8) else { return };
    let command = film.command("out.mp4");
    let said = world.outlast(&world.path("alone"), &words(&["run", "--"], &command)).with_code(0);
    assert!(said.stderr.contains("parts, cut at key frames"), "{}", said.stderr);
    film.is_in("out.mp4");
}

#[test]
fn when_a_worker_is_killed_while_it_encodes_the_film_is_right() {
    let world = World::new();
    let Some(film) = Film::new(&world, 24) else { return };
    let a = Node::new(&world, "a", 0).up();
    let mut b = Node::new(&world, "b", 1).join(&a).up();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let command = film.command("out.mp4");
    let mut client =
        a.start_outlast(&words(&["run", "--gridlets", "10", "--replication", "1", "--"], &command));
    until("b has answered something", || {
        let job = a.jobs().into_iter().next().map(|_| a.show())?;
        job.workers.iter().any(|row| row.name == "b" && row.accepted > 0).then_some(())
    });
    b.kill();
    client.ended(SOON).with_code(0);
    film.is_in("out.mp4");
    let job = a.show();
    assert_eq!(job.wrong, []);
    assert!(job.summary.gridlets_total > 8, "{job:?}");
}

#[test]
fn replicas_of_a_part_agree() {
    let world = World::new();
    let Some(film) = Film::new(&world, 8) else { return };
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let command = film.command("out.mp4");
    a.outlast(&words(&["run", "--gridlets", "3", "--replication", "2", "--"], &command))
        .with_code(0);
    film.is_in("out.mp4");
    let job = a.show();
    assert_eq!(job.wrong, []);
    assert!(job.workers.iter().filter(|row| row.accepted > 0).count() >= 2, "{:?}", job.workers);
}
