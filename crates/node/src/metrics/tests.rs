use std::collections::BTreeSet;

use super::*;
use crate::Options;

async fn figures() -> String {
    let folder = tempfile::tempdir().unwrap();
    let options =
        crate::config::Options { data_dir: Some(folder.path().to_owned()), ..Default::default() };
    let config = options.resolve(|_| None).unwrap();
    let node = Node::start(&config, Options { passive: true, ..Default::default() }).await;
    let node = node.unwrap();
    let text = node.figures().await.unwrap();
    node.stop(false, None).await;
    node.stopped().await;
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_has_a_type_a_meaning_and_a_name_of_its_own() {
    let text = figures().await;
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    let mut families = BTreeSet::new();
    let mut helped = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.len() > 5, "{line}");
            assert!(helped.insert(name), "{name} is there twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
            families.insert(name);
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name.ends_with(unit), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let known = |family: &&str| name.starts_with(*family);
            assert!(families.iter().any(known), "{line} belongs to nothing");
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
        }
    }
    assert_eq!(families, helped);
    assert!(
        families.iter().all(|name| name.starts_with("outlast_") || name.starts_with("process_"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_is_there() {
    let text = figures().await;
    for sample in [
        "outlast_build_info{version=",
        "outlast_jobs_ended_total{outcome=\"cancelled\"} 0",
        "outlast_jobs{state=\"running\"} 0",
        "outlast_members{state=\"alive\"} 0",
        "outlast_wrong_answers_total{proof=\"proven\"} 0",
        "outlast_journal_commit_seconds_bucket{le=\"+Inf\"}",
        "outlast_uptime_seconds ",
        "outlast_store_bytes 0",
        "outlast_frames_total{direction=\"sent\"} 0",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_cpu_seconds_total ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(sample)), "no {sample}: {text}");
    }
    assert!(!text.contains("process_resident_memory_bytes 0"), "{text}");
}
