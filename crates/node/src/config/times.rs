//! The sections `[job]` and `[membership]`: how often, how long. The defaults suit a LAN and the
//! Internet; tests and benchmarks want others. All nodes of a grid should have the same.

use std::fmt;
use std::time::Duration;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::ConfigError;

/// The shortest time that may be set: the kernel's clock ticks no finer, and zero would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// The longest: beyond a year somebody confused units.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Reads `90`, `90s`, `5m`, `1h30m`, `250ms`, `1.5h`. A number alone is seconds.
///
/// # Errors
/// Says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let error = || format!("expected a time such as 90s, 5m or 1h30m, found `{text}`");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| error());
    }
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let number: f64 = rest[..digits].parse().map_err(|_| error())?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..unit_end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(error()),
        };
        seconds += number * unit;
        rest = &rest[unit_end..];
    }
    if text.is_empty() {
        return Err(error());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

/// A length of time, as text or as a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"500ms\" or \"1h30m\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                parse_duration(text).map(Span).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Span, E> {
                let whole = u64::try_from(seconds)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))?;
                Ok(Span(Duration::from_secs(whole)))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Span, E> {
                Duration::try_from_secs_f64(seconds)
                    .map(Span)
                    .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// One layer of a section: a field for each of the target's, absent or there.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident, $title:literal => $target:ty {
        times: $($time:ident),*; counts: $($count:ident),*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            $(#[doc = concat!("See `", stringify!($target), "::", stringify!($time), "`.")]
            pub $time: Option<Span>,)*
            $(#[doc = concat!("See `", stringify!($target), "::", stringify!($count), "`.")]
            pub $count: Option<u32>,)*
        }

        impl $name {
            pub(super) fn over(self, below: Self) -> Self {
                Self {
                    $($time: self.$time.or(below.$time),)*
                    $($count: self.$count.or(below.$count),)*
                }
            }

            /// The defaults, but for what is said here.
            pub(super) fn resolve(self) -> Result<$target, ConfigError> {
                let mut target = <$target>::default();
                $(if let Some(Span(time)) = self.$time {
                    in_range($title, stringify!($time), time)?;
                    target.$time = time;
                })*
                $(if let Some(count) = self.$count {
                    target.$count = count;
                })*
                Ok(target)
            }
        }
    };
}

section! {
    /// The section `[job]`.
    JobTimes, "job" => outlast_job::Settings {
        times: renew_every, lease_ttl, resend_every, orphan_ttl, gather, busy_backoff,
            failure_backoff, no_worker_grace, drain_ttl, straggler_min;
        counts: prefetch, failures_to_give_up, straggler_factor
    }
}

section! {
    /// The section `[membership]`.
    MembershipTimes, "membership" => outlast_overlay::Settings {
        times: heartbeat, rest, suspect_after, lost_after, forget_after, pull_every, retry_first, retry_max;
        counts:
    }
}

fn in_range(section: &str, name: &str, time: Duration) -> Result<(), ConfigError> {
    if (SHORTEST..=LONGEST).contains(&time) {
        return Ok(());
    }
    let setting = format!("{section}.{}", name.replace('_', "-"));
    Err(ConfigError::Time { setting, expected: "1ms to a year".to_owned(), found: time })
}

/// Checks what has to fit together.
pub(super) fn check(
    job: &outlast_job::Settings,
    membership: &outlast_overlay::Settings,
) -> Result<(), ConfigError> {
    let at_least = |setting: &str, found: Duration, other: &str, least: Duration| {
        if found >= least {
            return Ok(());
        }
        let expected = format!("at least twice {other}");
        Err(ConfigError::Time { setting: setting.to_owned(), expected, found })
    };
    // One renewal or heartbeat may be lost without anybody being taken for dead.
    at_least("job.lease-ttl", job.lease_ttl, "renew-every", job.renew_every * 2)?;
    let heartbeats = membership.heartbeat * 2;
    at_least("membership.suspect-after", membership.suspect_after, "heartbeat", heartbeats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("90", 90_000),
            ("1.5", 1500),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("0.5h", 1_800_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "s", "5 m", "-1", "5x", "1e300d", "1..2s", "NaN", "inf", "5m3"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sections_change_what_they_name_only() {
        let times: JobTimes =
            toml::from_str("lease-ttl = '5s'\nrenew-every = 0.25\nprefetch = 9").unwrap();
        let above: JobTimes = toml::from_str("lease-ttl = 7").unwrap();
        let settings = above.over(times).resolve().unwrap();
        let expected = outlast_job::Settings {
            lease_ttl: Duration::from_secs(7),
            renew_every: Duration::from_millis(250),
            prefetch: 9,
            ..outlast_job::Settings::default()
        };
        assert_eq!(settings, expected);
        assert_eq!(
            MembershipTimes::default().resolve().unwrap(),
            outlast_overlay::Settings::default()
        );
    }

    #[test]
    fn times_that_cant_be_meant_are_refused_by_name() {
        let refused = |text: &str| match toml::from_str::<JobTimes>(text) {
            Err(error) => error.to_string(),
            Ok(times) => match times.resolve() {
                Err(error) => error.to_string(),
                Ok(job) => check(&job, &Default::default()).unwrap_err().to_string(),
            },
        };
        assert_eq!(refused("gather = '0s'"), "job.gather: expected 1ms to a year, found 0ns");
        let error = refused("lease-ttl = '600ms'");
        assert_eq!(error, "job.lease-ttl: expected at least twice renew-every, found 600ms");
        for (text, part) in [
            ("gather = 'soon'", "expected a time such as 90s, 5m or 1h30m, found `soon`"),
            ("gather = -1", "integer `-1`, expected a time such as"),
            ("gathering = 1", "unknown field `gathering`"),
        ] {
            assert!(refused(text).contains(part), "{}", refused(text));
        }
        // The defaults themselves are fit.
        check(&Default::default(), &Default::default()).unwrap();
    }
}
