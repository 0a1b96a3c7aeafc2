//! What people write: tickets, settings, command lines; and what clients send to the control API.

use std::fmt::Debug;
use std::path::PathBuf;

use clap::Parser;
use outlast_api::types;
use outlast_cli::args::Cli;
use outlast_cli::jobfile;
use outlast_node::config::{self, Options};
use serde::{Serialize, de::DeserializeOwned};

pub(super) fn lines<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) const CONFIG_WORDS: &[&str] = &[
    "data-dir",
    "listen",
    "join",
    "slots",
    "name",
    "[job]",
    "[membership]",
    "[storage]",
    "[limits]",
    "cache",
    "lease-ttl",
    "renew-every",
    "heartbeat",
    "lost-after",
    "run-time",
    " = ",
    "\"20GiB\"",
    "\"1s\"",
    "\"99999999h\"",
    "[",
    "]",
    "\n",
    "'",
    "{",
    "}",
    "#",
];

pub(super) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let options = match toml::from_str::<Options>(text) {
        Ok(options) => options,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/me"));
    match options.clone().over(Options::default()).resolve(home) {
        Ok(config) => {
            assert!(config.slots() <= config::SLOTS);
            assert!(matches!(config.listen.len(), 1 | 2));
            assert!(config.data_dir.is_absolute());
            assert!(config.job.renew_every < config.job.lease_ttl);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub(super) fn configs() -> Vec<Vec<u8>> {
    lines([
        "slots = 2\nname = 'a'\nlisten = ['127.0.0.1:0', '[::1]:0']\ndata-dir = 'x'\njoin = []\n",
        "[job]\nlease-ttl = '2500ms'\nrenew-every = '500ms'\n[membership]\nheartbeat = '0.5s'\n",
        "[storage]\ncache = '20GiB'\n[limits]\nrun-time = '1h'\n",
        "slots = 1025",
        "# nothing\n",
    ])
}

pub(super) const COMMAND_WORDS: &[&str] = &[
    "run\n",
    "up\n",
    "down\n",
    "submit\n",
    "ps\n",
    "logs\n",
    "status\n",
    "nodes\n",
    "wait\n",
    "vo\n",
    "invite\n",
    "expel\n",
    "app\n",
    "doctor\n",
    "--\n",
    "--param\n",
    "--json\n",
    "--help\n",
    "--set\n",
    "--env\n",
    "--replication\n",
    "--watch\n",
    "--follow\n",
    "--timeout\n",
    "-h\n",
    "=",
    "\n",
];

/// A word for each line.
pub(super) fn command_line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let words = std::iter::once("outlast").chain(text.lines());
    if let Err(error) = Cli::try_parse_from(words) {
        assert!(!error.to_string().is_empty());
    }
}

pub(super) fn command_lines() -> Vec<Vec<u8>> {
    lines([
        "run\n--param\na=1..3\n--set\nx=y\n--env\nA=b\n--\n./model\n{a}",
        "submit\n--replication\n2\n--samples\n0\n--gridlets\n4\n--\ntrue",
        "up\n--listen\n127.0.0.1:0\n--slots\n2",
        "--json\nnodes\n--watch\n1s",
        "wait\n12\n--timeout\n1h",
        "logs\n3\n--follow",
        "down\n--timeout\n30s",
        "--help",
    ])
}

pub(super) fn duration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match config::parse_duration(text) {
        // What is read can be written as a number of seconds again.
        Ok(duration) => assert!(duration.as_secs_f64().is_finite()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub(super) fn durations() -> Vec<Vec<u8>> {
    lines(["30s", "1.5h", "250ms", "7d", "0s", "10m", " 1 s", "1h30m"])
}

pub(super) fn size(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(size) = config::parse_size(text) else { return };
    assert!(size < 1 << 53 && !config::size_text(size).is_empty());
}

pub(super) fn sizes() -> Vec<Vec<u8>> {
    lines(["20GiB", "1.5 MB", "0", "1024", "16EiB", "1k", "99999999999 TiB"])
}

pub(super) const JSON_WORDS: &[&str] = &[
    "null",
    "{}",
    "[]",
    "\"\"",
    "true",
    "\"argv\":",
    "\"verification\":",
    "\"params\":",
    "\\u0000",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "-1",
    "1e400",
    "\\ud800",
    ",",
    ":",
];

/// Once written, what was read is the same for ever. (A number with more digits than a float has may change once.)
fn stable<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written), "{value:?}");
}

pub(super) fn api_json(bytes: &[u8]) {
    stable::<types::JobSpec>(bytes);
    stable::<types::JobDetail>(bytes);
    stable::<types::NodeStatus>(bytes);
    stable::<types::NodeRow>(bytes);
    stable::<types::LogEntry>(bytes);
    stable::<types::DownRequest>(bytes);
    stable::<types::JoinRequest>(bytes);
    stable::<types::PardonRequest>(bytes);
    stable::<types::Submitted>(bytes);
}

pub(super) fn api_jsons() -> Vec<Vec<u8>> {
    let spec = types::JobSpec {
        argv: vec!["true".to_owned(), "{a}".to_owned()],
        cwd: "/tmp".to_owned(),
        params: vec![types::Param { name: "a".to_owned(), values: "1..3".to_owned() }],
        env: [("A".to_owned(), "b".to_owned())].into(),
        inputs: vec!["in".to_owned()],
        gridlets: Some(3),
        ..types::JobSpec::default()
    };
    let json = |value: serde_json::Result<Vec<u8>>| value.expect("plain data");
    vec![
        json(serde_json::to_vec(&spec)),
        json(serde_json::to_vec(&types::NodeStatus::default())),
        json(serde_json::to_vec(&types::VerificationStats::default())),
        json(serde_json::to_vec(&types::DownRequest { drain: true, timeout_s: 1.5 })),
        json(serde_json::to_vec(&types::LogEntry { time: 1.25, node: None, text: "x".to_owned() })),
        json(serde_json::to_vec(&types::JoinRequest { ticket: "outlast1".to_owned() })),
    ]
}

pub(super) const JOB_WORDS: &[&str] = &[
    "[job]\n",
    "[[param]]\n",
    "[[service]]\n",
    "command = [",
    "\"true\"",
    "class = \"verification\"\n",
    "scheme = ",
    "\"incremental\"",
    "\"standard\"",
    "replication = 3\n",
    "samples = ",
    "max-answers = ",
    "gridlets = 0\n",
    "env = {",
    "inputs = [",
    "]",
    "}",
    "\n",
    "'",
    "\"",
];

/// A job file, which is read from the disk.
pub(super) fn job_file(bytes: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("job.toml");
        std::fs::write(&path, bytes).expect("the temporary folder has room");
        match jobfile::read(&path, &outlast_deploy::Registry::builtin()) {
            Ok(spec) => {
                assert!(spec.argv.first().is_some_and(|program| !program.is_empty()));
                assert!(spec.gridlets != Some(0));
            }
            Err(error) => assert!(error.to_string().contains("job.toml"), "{error}"),
        }
    });
}

pub(super) fn job_files() -> Vec<Vec<u8>> {
    lines([
        "[job]\ncommand = ['povray', '+Iscene.pov']\ninputs = ['scene.pov']\n[[service]]\nclass = 'verification'\nreplication = 3\n",
        "[job]\ncommand = ['true', '{a}']\ngridlets = 4\noutput = 'x'\nenv = { A = 'b' }\n[[param]]\nname = 'a'\nvalues = '1..3'\n",
        "[job]\ncommand = ['sort']\nstdin = 'in'\ncollect = ['out']\n[[service]]\nclass = 'verification'\nscheme = 'standard'\nsamples = 0\n",
        "[job]\ncommand = ['true']\n[[service]]\nclass = 'verification'\nscheme = 'relaxed'\npercent = 20\nmax_error = 0.01\nquizzes = 0.1\ntrusted = ['ab']\nhomogeneous = true\ncomparator = 'numbers:rel=1e-9'\n",
    ])
}
