//! The section `[limits]`: what this node does for others at most. The defaults let a neighbour work
//! undisturbed and keep one member from filling the disk.

use serde::Deserialize;

use super::{Size, Span};
use outlast_job::Quotas;

/// One layer of the section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Slots that one member has at once; 0: all.
    pub member_slots: Option<u32>,
    /// Bytes that inputs of one member's jobs take here at once.
    pub member_storage: Option<Size>,
    /// Bytes of one job's inputs.
    pub job_input: Option<Size>,
    /// How long one step may run.
    pub run_time: Option<Span>,
    /// Bytes of one file that a step writes.
    pub file: Option<Size>,
    /// Bytes of all files in a step's folder.
    pub step: Option<Size>,
}

/// What of the limits concerns inputs; what is absent has `outlast_stage`'s default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageLimits {
    /// Bytes that inputs of one member's jobs take here at once.
    pub member_storage: Option<u64>,
    /// Bytes of one job's inputs.
    pub job_input: Option<u64>,
}

impl Limits {
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            member_slots: self.member_slots.or(below.member_slots),
            member_storage: self.member_storage.or(below.member_storage),
            job_input: self.job_input.or(below.job_input),
            run_time: self.run_time.or(below.run_time),
            file: self.file.or(below.file),
            step: self.step.or(below.step),
        }
    }

    /// What the job machines keep to, and what staging does.
    pub(super) fn resolve(self) -> (Quotas, StageLimits) {
        let usual = Quotas::default();
        let bytes = |size: Option<Size>, usual: u64| size.map_or(usual, |Size(bytes)| bytes);
        let quotas = Quotas {
            member_slots: self.member_slots.unwrap_or(usual.member_slots),
            run_time: self.run_time.map_or(usual.run_time, |Span(time)| time),
            file_bytes: bytes(self.file, usual.file_bytes),
            step_bytes: bytes(self.step, usual.step_bytes),
        };
        let stage = StageLimits {
            member_storage: self.member_storage.map(|Size(bytes)| bytes),
            job_input: self.job_input.map(|Size(bytes)| bytes),
        };
        (quotas, stage)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_said_holds_and_the_rest_is_as_usual() {
        let below: Limits = toml::from_str("run-time = '2h'\nfile = '1GiB'").unwrap();
        let above: Limits = toml::from_str("file = '2GiB'\njob-input = '5GiB'").unwrap();
        let (quotas, stage) = above.over(below).resolve();
        let run_time = Duration::from_secs(7200);
        assert_eq!(quotas, Quotas { run_time, file_bytes: 2 << 30, ..Quotas::default() });
        assert_eq!(stage, StageLimits { member_storage: None, job_input: Some(5 << 30) });
        let error = toml::from_str::<Limits>("slots = 3").unwrap_err().to_string();
        assert!(error.contains("unknown field `slots`"), "{error}");
    }
}
