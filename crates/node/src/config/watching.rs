//! Settings for those who watch a node: the sections `[control]` and `[log]`.

use std::net::SocketAddr;

use serde::Deserialize;

/// The section `[control]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ControlAddresses {
    /// Where `/metrics` and `/healthz` are served, besides the control socket. Absent: nowhere.
    pub metrics: Option<SocketAddr>,
}

/// The section `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// How the daemon's log is written.
    pub format: Option<LogFormat>,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `target`, and `fields`, among them `message`.
    Json,
}

impl ControlAddresses {
    pub(super) fn over(self, below: Self) -> Self {
        Self { metrics: self.metrics.or(below.metrics) }
    }
}

impl Log {
    pub(super) fn over(self, below: Self) -> Self {
        Self { format: self.format.or(below.format) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    #[test]
    fn sections_are_read_and_upper_layers_win() {
        let file = "[control]\nmetrics = '127.0.0.1:9464'\n[log]\nformat = 'json'\n";
        let file: Options = toml::from_str(file).unwrap();
        assert_eq!(file.log.format, Some(LogFormat::Json));
        let control = ControlAddresses { metrics: Some("[::1]:1".parse().unwrap()) };
        let flags = Options { control, data_dir: Some("/d".into()), ..Options::default() };
        let config = flags.over(file).resolve(|_| None).unwrap();
        assert_eq!(config.metrics, Some("[::1]:1".parse().unwrap()));
        let error = toml::from_str::<Options>("[log]\nformat = 'xml'").unwrap_err().to_string();
        assert!(error.contains("`text` or `json`"), "{error}");
        assert!(toml::from_str::<Options>("[control]\nmetrics = '9464'").is_err());
    }
}
