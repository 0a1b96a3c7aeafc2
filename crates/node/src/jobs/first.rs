//! The first layout of a job's record: from before there were technical services.

use serde::{Deserialize, Serialize};

use outlast_deploy::{InForce, Setting, Verification, verification};
use outlast_gridlet::CommandLine;
use outlast_job::wire::ManifestRef;
use outlast_types::{Hash, Time, VoId};

#[derive(Serialize, Deserialize)]
pub(super) struct JobRecord {
    app: String,
    state: Vec<u8>,
    manifest: ManifestRef,
    blobs: Vec<Hash>,
    policy: Policy,
    seed: u64,
    created: Time,
    command: CommandLine,
    cwd: String,
    name: Option<String>,
    vo: Option<VoId>,
}

#[derive(Serialize, Deserialize)]
struct Policy {
    quorum: u8,
    max_answers: u8,
    samples: u8,
    schedule: Schedule,
}

#[derive(Serialize, Deserialize)]
enum Schedule {
    Incremental,
    AllAtOnce,
}

impl From<JobRecord> for super::JobRecord {
    fn from(record: JobRecord) -> Self {
        let schedule = match record.policy.schedule {
            Schedule::Incremental => outlast_verify::Schedule::Incremental,
            Schedule::AllAtOnce => outlast_verify::Schedule::AllAtOnce,
        };
        let policy = outlast_verify::Policy {
            max_answers: record.policy.max_answers,
            samples: record.policy.samples,
            schedule,
            ..outlast_verify::Policy::with_quorum(record.policy.quorum)
        };
        let rows = verification::rows(&Verification { policy, ..Verification::default() });
        let setting = |(name, value)| Setting { name, value, from: String::new() };
        let services = vec![InForce {
            class: verification::DESCRIPTION.class.to_owned(),
            settings: rows.into_iter().map(setting).collect(),
        }];
        Self {
            app: record.app,
            state: record.state,
            manifest: record.manifest,
            blobs: record.blobs,
            policy,
            comparator: None,
            trusted: Vec::new(),
            services,
            seed: record.seed,
            created: record.created,
            command: record.command,
            cwd: record.cwd,
            name: record.name,
            vo: record.vo,
        }
    }
}

#[cfg(test)]
mod tests {
    use outlast_types::wire;

    use super::*;

    /// As the first layout was written: a job of `echo x` with a quorum of 3, 1 sample, all at once.
    fn written() -> Vec<u8> {
        let record = JobRecord {
            app: "command".to_owned(),
            state: vec![7],
            manifest: ManifestRef { hash: Hash::of(b"tree"), length: 9 },
            blobs: vec![Hash::of(b"input")],
            policy: Policy { quorum: 3, max_answers: 9, samples: 1, schedule: Schedule::AllAtOnce },
            seed: 5,
            created: Time::from_micros(77),
            command: CommandLine { argv: vec!["echo".to_owned()], ..CommandLine::default() },
            cwd: "/work".to_owned(),
            name: Some("mine".to_owned()),
            vo: None,
        };
        wire::encode(&record, usize::MAX).unwrap()
    }

    #[test]
    fn a_record_of_the_first_layout_is_the_same_job() {
        let bytes = written();
        // The head of the frame, and the policy: what earlier versions wrote, byte by byte.
        assert_eq!(bytes[..11], *b"\x01\x07command\x01\x07");
        assert!(bytes.windows(4).any(|four| four == [3, 9, 1, 1]), "{bytes:?}");
        let record = super::super::JobRecord::decode(&bytes).unwrap();
        let expected = outlast_verify::Policy {
            schedule: outlast_verify::Schedule::AllAtOnce,
            ..outlast_verify::Policy::with_quorum(3)
        };
        assert_eq!(record.policy, expected);
        assert_eq!((record.cwd.as_str(), record.seed, record.trusted.len()), ("/work", 5, 0));
        assert_eq!(record.services[0].class, "verification");
        // From now on it is written as it is written now.
        let again = super::super::JobRecord::decode(&record.encode().unwrap()).unwrap();
        assert_eq!((again.policy, again.services), (record.policy, record.services));
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        for bytes in [&b""[..], b"\x02", b"\x02\x01", b"\x09\x01", &written()[..20]] {
            assert!(super::super::JobRecord::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
