//! Simulations need no node, and don't depend on how many threads do them.

use super::*;

async fn simulate(options: &str) -> (Outcome, TempDir) {
    let mut bench = Bench::embedded(Script::default());
    let outcome = bench.run(&format!("outlast sim verification {options}")).await;
    assert!(bench.embedders.started.lock().unwrap().is_empty(), "no node");
    (outcome, bench.dir)
}

const SMALL: &str = "--participants 60 --colluders 20 --work 60x4 --gridlets 12 --runs 6";

#[tokio::test]
async fn the_result_does_not_depend_on_the_number_of_threads() {
    let sweep = format!("{SMALL} --replication 1,3 --submitters 2 --json --threads");
    let (one, _dir) = simulate(&format!("{sweep} 1")).await;
    let (many, _dir) = simulate(&format!("{sweep} 7")).await;
    assert_eq!(one.result, Ok(Exit::OK));
    assert_eq!(one.out, many.out);
    let json: serde_json::Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!(json[1]["replication"], 3);
    for figure in ["accepted_wrong", "detected", "copies", "makespan"] {
        for end in ["mean", "low", "high"] {
            assert!(json[0][figure][end].is_f64(), "{figure} {end}");
        }
    }
    let (single, _dir) = simulate(&format!("{SMALL} --json")).await;
    let json: serde_json::Value = serde_json::from_str(&single.out).unwrap();
    assert!(json["accepted_wrong"]["mean"].is_f64(), "one point is an object");
}

#[tokio::test]
async fn tables_and_charts_are_written_where_they_are_wanted() {
    let (outcome, dir) =
        simulate(&format!("{SMALL} --replication 1,3 --csv t.csv --plot c.png")).await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    assert!(outcome.out.starts_with("REPLICATION  ACCEPTED WRONG"), "{}", outcome.out);
    let table = std::fs::read_to_string(dir.path().join("t.csv")).unwrap();
    assert!(table.starts_with("replication,accepted_wrong,accepted_wrong_low"), "{table}");
    assert_eq!(table.lines().count(), 3);
    assert!(std::fs::read(dir.path().join("c.png")).unwrap().starts_with(b"\x89PNG"));
    let (figure, dir) =
        simulate(&format!("{SMALL} --figure 6 --runs 1").replace("--runs 6", "")).await;
    assert_eq!(figure.result, Ok(Exit::OK));
    for name in ["figure-6.svg", "figure-6.png"] {
        assert!(dir.path().join(name).is_file(), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_simulated_is_refused_before_anything_runs() {
    for (options, expected) in [
        ("--participants 4 --colluders 1 --replication 5", "only 4 can give one"),
        ("--work 1000 --partitioning meshed", "expected 2 or more"),
        ("--decision credibility --max-error 0 --samples 0", "at least 1 sample"),
        ("--gridlets 20 --work 10", "20 gridlets, expected 1 to 10"),
        ("--work 64 --gridlets 64 --partitioning overlapped", "use at most 32 gridlets"),
        ("--plot x.svg", "--plot without a range"),
        ("--plot x.gif --replication 1,3 --runs 1", "ends with .svg or .png"),
    ] {
        let (outcome, _dir) = simulate(options).await;
        assert_eq!(outcome.exit(), Exit::USAGE, "{options}");
        assert!(outcome.message().contains(expected), "{options}: {}", outcome.message());
    }
}
