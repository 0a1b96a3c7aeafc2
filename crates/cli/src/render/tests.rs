use expect_test::expect;
use outlast_api::types::{
    Evidence, JobState, Mate, NodeRow, NodeState, Schedule, ServiceInForce, ServiceSetting, Staging,
};

use super::*;
use crate::testing;

const NOW: u64 = 1_795_252_579 + 125;

#[test]
fn a_table_of_jobs() {
    let mut named = testing::done();
    named.name = Some("the\nscene".to_owned());
    named.command.push("x".repeat(99));
    let table = jobs(&[testing::summary(), named], NOW, None);
    expect![[r#"
        JOB               STATE     DONE  CREATED         TOOK   APP     NAME       COMMAND
        00000000000000ab  running   27 %  2 min 05 s ago  7.2 s  povray  -          povray '+Imy scene.pov' +W1920
        00000000000000ab  done     100 %  2 min 05 s ago  7.2 s  povray  the scene  povray '+Imy scene.pov' +W1920 xxxxxxxxxxxxxxxx…
    "#]].assert_eq(&table);
}

#[test]
fn a_table_fits_the_terminal_one_line_a_row() {
    for width in [40, 50, 60, 80, 100, 120] {
        let rows = [testing::summary(), testing::done()];
        let tables = [
            jobs(&rows, NOW, Some(width)),
            nodes(&[testing::node_row(), testing::node_row()], Some(width)),
        ];
        for table in tables {
            assert_eq!(table.lines().count(), 3, "{table}");
            for line in table.lines() {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
        }
    }
    expect![[r#"
        JOB               STATE    DONE  CREATED         COMMAND
        00000000000000ab  running  27 %  2 min 05 s ago  povray…
    "#]]
    .assert_eq(&jobs(&[testing::summary()], NOW, Some(60)));
}

#[test]
fn an_empty_table_has_a_header() {
    assert_eq!(jobs(&[], NOW, None).lines().count(), 1);
}

#[test]
fn a_table_of_nodes() {
    let mut other = testing::node_row();
    other.id = "efab".repeat(16);
    other.name = "liar".to_owned();
    other.state = NodeState::Alive;
    other.blacklisted = true;
    other.credibility = 0.0;
    other.wrong = 2;
    other.last_seen_s = Some(0.44);
    let mate = |name: &str| Mate { node: "cd".repeat(32), name: name.to_owned(), times: 2 };
    other.evidence = Some(Evidence {
        newcomer: 0.65,
        checks: 7.5,
        agreed: 58,
        sampled: 3,
        proven_wrong: 2,
        mates: vec![mate(""), mate("b")],
        ..Evidence::default()
    });
    let mut new = other.clone();
    new.evidence = Some(Evidence::default());
    expect![[r#"
        NODE        NAME  STATE        FREE  LOAD   MEMORY  CORE SPEED  KIND          CREDIBILITY  RIGHT  WRONG  EVIDENCE                                                                SEEN       ADDRESS         MEMBER OF
        0123012301  here  self          1/2  0.25  8.0 GiB  3.2 GFLOPS  x86_64 linux        1.000     60      0  -                                                                       -          127.0.0.1:4711  -
        efabefabef  liar  blacklisted   1/2  0.25  8.0 GiB  3.2 GFLOPS  x86_64 linux        0.000     60      2  58 agreed, 3 sampled, 2 proven wrong, wrong like cdcdcdcdcd and 1 more  0.4 s ago  127.0.0.1:4711  -
        efabefabef  liar  blacklisted   1/2  0.25  8.0 GiB  3.2 GFLOPS  x86_64 linux        0.000     60      2  none yet                                                                0.4 s ago  127.0.0.1:4711  -
    "#]].assert_eq(&nodes(&[testing::node_row(), other, new], None));
}

#[test]
fn a_status() {
    expect![[r#"
        node       here (0123012301230123012301230123012301230123012301230123012301230123)
        version    0.1.0
        state      running for 3 min 05 s
        slots      1 of 2 in use
        jobs       1 running
        grid       1 other node
        listens    127.0.0.1:4711
        reached    10.0.0.5:7771, seen by 3 nodes
                   through a relay, seen by 1 node
        relay      http://10.0.0.1:3340, not reached: connection refused
        LAN        announced; 2 nodes were found
        data       /data
        member of  lab (ababababab): submit,invite, 1 other member
        invite     `outlast invite` makes a ticket for others

        counters
          frames dropped  3
    "#]]
    .assert_eq(&status(&testing::status(), None));
}

#[test]
fn all_about_a_job() {
    let mut job = testing::done();
    job.notes = vec!["a note\nof two lines".to_owned()];
    expect![[r#"
        job          00000000000000ab
        command      povray '+Imy scene.pov' +W1920
        application  povray
        state        done
        exit code    0
        submitted    2026-11-21 09:16:19Z
        took         7.2 s
        gridlets     12 of 12 done
        cells        48 of 48 accepted
        wrote        scene.png
        note         a note
                     of two lines

        verification
          policy   2 answers from different nodes have to agree, at most 5, another one only while no decision can be reached
                   1 sample computed here for each gridlet
          cells    99 answered, accepted 40 by quorum and 8 from trusted nodes, 1 rejected
          samples  11 agreed, 1 contradicted an answer, 2 couldn't be computed: povray is missing
          leases   1 lost, 4 refused, 1 granted beside a slow one
          dropped  2 answers that came too late, 3 that came twice
          wrong    liar�[2J (efabefabef): gridlet 4, pixels 0..32 x 0..64 (2 cells): contradicts a sample computed by the submitter

        workers
        NODE        NAME    LEASES  ANSWERED  ACCEPTED  WRONG  FAILED  OUT
        0123012301  worker       8        60        60      0       1  -
        efabefabef  liar         4         2         0      2       0  blacklisted

        GRIDLET  ACCEPTED  LEASES  RUNNING ON  ATOMS
              4       2/4       2  worker      pixels 0..32 x 0..64
    "#]].assert_eq(&detail(&testing::detail(job), None));
}

#[test]
fn inputs_on_their_way_are_shown_for_the_job_and_each_worker() {
    let staging = |nodes, here: u64| Staging { nodes, bytes_here: here, bytes_total: 96 << 20 };
    let mut job = testing::summary();
    assert!(!detail(&testing::detail(job.clone()), None).contains("inputs"));
    job.staging = Some(staging(1, 12 << 20));
    let mut of_it = testing::detail(job.clone());
    of_it.workers[0].staging = job.staging;
    let text = detail(&of_it, None);
    assert!(text.contains("inputs       12 MiB of 96 MiB, on their way\n"), "{text}");
    expect![[r#"
        NODE        NAME    LEASES  ANSWERED  ACCEPTED  WRONG  FAILED  INPUTS
        0123012301  worker       8        60        60      0       1  12 MiB of 96 MiB
        efabefabef  liar         4         2         0      2       0  blacklisted

    "#]]
    .assert_eq(&text[text.find("NODE").unwrap()..text.find("GRIDLET").unwrap()]);
    assert!(jobs(&[job], NOW, None).contains("  staging 12 %  "));
}

#[test]
fn services_in_force_say_what_was_said_before_what_is_so_anyway() {
    let set = |name: &str, value: &str, from: &str| ServiceSetting {
        name: name.to_owned(),
        value: value.to_owned(),
        from: from.to_owned(),
    };
    let mut job = testing::detail(testing::done());
    let settings = vec![
        set("scheme", "meshed", "job.toml:6:10"),
        set("decision", "majority", "--decision"),
        set("replication", "3", ""),
        set("quizzes", "0", ""),
    ];
    let service = |class: &str, settings| ServiceInForce { class: class.to_owned(), settings };
    job.services =
        vec![service("verification", settings), service("threads", vec![set("count", "1", "")])];
    let text = detail(&job, None);
    let shown: Vec<&str> = text.lines().skip_while(|line| *line != "services").take(6).collect();
    expect![[r#"
        services
          verification  scheme meshed (job.toml:6:10), decision majority (--decision)
                        by default: replication 3, quizzes 0
          threads       by default: count 1

        verification"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn services_are_listed_with_arguments_and_defaults() {
    let registry = outlast_deploy::Registry::builtin();
    let all: Vec<_> = registry.descriptions().collect();
    expect![[r#"
        verification: how the answers of other nodes are checked before they are believed
          ARGUMENT     TAKES                                                      DEFAULT
          scheme       one of standard, incremental, overlapped, relaxed, meshed  incremental
          replication  an integer from 1 to 255                                   2
          decision     one of majority, m-first, credibility                      m-first, or credibility where max_error is said
          max_error    a number from 0 to 0.5                                     0.01
          max_answers  an integer from 1 to 255                                   2 × replication + 3
          samples      an integer from 0 to 255                                   1, or 0 where the application has none
          sample_rate  a number from 0 to 1                                       1; at least 0.02 where credibility decides
          quizzes      a number from 0 to 0.5                                     0
          schedule     one of incremental, all, auto                              incremental; all at once for the scheme standard
          percent      an integer from 1 to 99                                    50
          comparator   a text                                                     the application's own
          homogeneous  true or false                                              false
          trusted      a text or a list of texts                                  none but this node
    "#]].assert_eq(&services(&all, None));
    let text = service(all[0], Some(80));
    expect![[r#"
        service     verification
        is          how the answers of other nodes are checked before they are believed
        decides on  verification
        acts        with its defaults on every job that names no other service of its
                    aspect

        scheme
          is       how the work is cut for its replicas: standard (all replicas alike,
                   at once), incremental (alike, another one only while it is needed),
                   overlapped (shifted), relaxed (shifted, a part of the work), meshed
                   (crossed in two dimensions)
          takes    one of standard, incremental, overlapped, relaxed, meshed"#]]
    .assert_eq(&text.lines().take(12).collect::<Vec<_>>().join("\n"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_report_names_who_was_caught() {
    let lines = report(&testing::detail(testing::done())).join("\n");
    expect![[r#"
        done after 7.2 s: 12 of 12 gridlets done
        wrote scene.png
        1 lease lost; other nodes went on with the work
        caught liar�[2J (efabefabef): gridlet 4, pixels 0..32 x 0..64 (2 cells): contradicts a sample computed by the submitter"#]].assert_eq(&lines);
}

#[test]
fn a_job_without_incidents_has_a_short_report() {
    let mut detail = testing::detail(testing::done());
    detail.wrong.clear();
    detail.verification = Default::default();
    detail.summary.state = JobState::Cancelled;
    detail.summary.files.clear();
    assert_eq!(report(&detail), ["cancelled after 7.2 s: 12 of 12 gridlets done"]);
}

#[test]
fn a_schedule_that_follows_the_load_says_what_it_is_now() {
    let mut running = testing::detail(testing::summary());
    running.policy.schedule = Schedule::Auto;
    for (now, said) in [
        (None, "as the grid is idle or busy"),
        (Some(Schedule::Incremental), "one after the other now, as the grid is busy"),
        (Some(Schedule::AllAtOnce), "all at once now, as the grid is idle"),
    ] {
        running.policy.schedule_now = now;
        let text = detail(&running, None);
        assert!(text.contains(said), "{text}");
    }
}

/// A job and nodes whose names are long and wide.
fn awkward() -> (JobSummary, NodeRow) {
    let mut job = testing::done();
    job.name = Some("日本の長い長い長い長い名前のジョブ".to_owned());
    job.app = "an-application-with-a-name-that-is-far-too-long".to_owned();
    let mut node = testing::node_row();
    node.name = "a-machine-with-a-very-long-name-indeed.somewhere.example".to_owned();
    node.blacklisted = true;
    node.state = NodeState::Alive;
    (job, node)
}

#[test]
fn everything_fits_terminals_of_40_80_and_120_columns() {
    let (job, node) = awkward();
    let mut detail_of = testing::detail(job.clone());
    // A word that is too long stays whole: somebody may want to copy it.
    detail_of.summary.name = Some("many short words ".repeat(9));
    detail_of.summary.app = "povray".to_owned();
    detail_of.workers[0].name = node.name.clone();
    detail_of.gridlets[0].running_on = vec![node.name.clone(), "日本".repeat(30)];
    for width in [40, 80, 120] {
        let text = [
            jobs(&[testing::summary(), job.clone()], NOW, Some(width)),
            nodes(&[testing::node_row(), node.clone()], Some(width)),
            detail(&detail_of, Some(width)),
        ]
        .concat();
        for line in text.lines() {
            assert!(human::columns(line) <= usize::from(width), "{width}: {line}");
        }
    }
}

#[test]
fn narrow_tables_keep_what_matters() {
    let (job, node) = awkward();
    expect![[r#"
        JOB               STATE    COMMAND
        00000000000000ab  running  povray…
        00000000000000ab  done     povray…
    "#]]
    .assert_eq(&jobs(&[testing::summary(), job.clone()], NOW, Some(40)));
    expect![[r#"
        NODE        NAME     STATE        FREE
        0123012301  here     self          1/2
        0123012301  a-mach…  blacklisted   1/2
    "#]]
    .assert_eq(&nodes(&[testing::node_row(), node.clone()], Some(40)));
    expect![[r#"
        JOB               STATE     DONE  CREATED         COMMAND
        00000000000000ab  running   27 %  2 min 05 s ago  povray '+Imy scene.pov…
        00000000000000ab  done     100 %  2 min 05 s ago  povray '+Imy scene.pov…
    "#]]
    .assert_eq(&jobs(&[testing::summary(), job], NOW, Some(80)));
    expect![[r#"
        NODE        NAME              STATE        FREE  CREDIBILITY  WRONG  MEMBER OF
        0123012301  here              self          1/2        1.000      0  -
        0123012301  a-machine-with-…  blacklisted   1/2        1.000      0  -
    "#]]
    .assert_eq(&nodes(&[testing::node_row(), node], Some(80)));
    expect![[r#"
        node       here
                   (0123012301230123012301230123012301230123012301230123012301230123)
        version    0.1.0
        state      running for 3 min 05 s
        slots      1 of 2 in use
        jobs       1 running
        grid       1 other node
        listens    127.0.0.1:4711
        reached    10.0.0.5:7771, seen by 3
                   nodes
                   through a relay, seen by 1
                   node
        relay      http://10.0.0.1:3340, not
                   reached: connection refused
        LAN        announced; 2 nodes were found
        data       /data
        member of  lab (ababababab):
                   submit,invite, 1 other member
        invite     `outlast invite` makes a
                   ticket for others

        counters
          frames dropped  3
    "#]]
    .assert_eq(&status(&testing::status(), Some(40)));
}
