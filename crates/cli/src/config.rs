//! A node's settings for each command: the configuration file below, the environment and the flags above.
//! (Most of the environment is read where flags are parsed.) What a setting means, and its default, is said in
//! [`outlast_node::config`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use outlast_node::config::{
    Config, ConfigError, ControlAddresses, LogFormat, NetworkOptions, Options, default_data_dir,
};

use crate::args::{Global, LogFormatArg, UpArgs};
use crate::exit::Failure;

/// Name of the configuration file in the data directory.
pub const CONFIG_NAME: &str = "config.toml";

/// What the process finds around itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The current folder.
    pub cwd: PathBuf,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `OUTLAST_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
}

impl Surroundings {
    /// As they are.
    ///
    /// # Errors
    /// If the current folder is gone.
    pub fn find() -> Result<Self, Failure> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        let cwd = std::env::current_dir()
            .map_err(|error| Failure::failed(format!("the current folder: {error}")))?;
        Ok(Self {
            cwd,
            home: path("HOME"),
            state_home: path("XDG_STATE_HOME"),
            data_dir: path("OUTLAST_DATA_DIR"),
        })
    }

    /// The data directory, absolute.
    ///
    /// # Errors
    /// If none is named and there is no home.
    pub fn data_dir(&self, global: &Global) -> Result<PathBuf, Failure> {
        let around = |name: &str| match name {
            "HOME" => self.home.clone(),
            "XDG_STATE_HOME" => self.state_home.clone(),
            "OUTLAST_DATA_DIR" => self.data_dir.clone(),
            _ => None,
        };
        let dir = global.data_dir.clone().or_else(|| default_data_dir(around));
        let dir = dir.ok_or_else(|| Failure::usage("HOME isn't set; name a --data-dir"))?;
        Ok(self.cwd.join(dir))
    }
}

/// Settings for `up`.
///
/// # Errors
/// If the configuration file is named but missing, or any setting can't be meant.
pub fn for_up(data_dir: PathBuf, cwd: &Path, args: UpArgs) -> Result<Config, Failure> {
    let file = file_for_up(&data_dir, cwd, &args)?;
    let flags = Options {
        data_dir: Some(data_dir),
        listen: Some(args.listen).filter(|listen| !listen.is_empty()),
        join: Some(args.join).filter(|join| !join.is_empty()),
        slots: args.slots,
        name: args.name,
        network: NetworkOptions {
            relays: Some(args.relays).filter(|relays| !relays.is_empty()),
            lan: args.no_lan.then_some(false),
        },
        control: ControlAddresses { metrics: args.metrics },
        ..Options::default()
    };
    flags.over(file).resolve(|_| None).map_err(refused)
}

fn file_for_up(data_dir: &Path, cwd: &Path, args: &UpArgs) -> Result<Options, Failure> {
    let Some(path) = &args.config else { return in_data_dir(data_dir) };
    let path = cwd.join(path);
    let missing = || format!("configuration {}: no such file", path.display());
    read(&path)?.ok_or_else(|| Failure::usage(missing()))
}

/// How `up` is to log. A configuration file that can't be read is reported by `up` itself, in text.
pub fn log_format(data_dir: &Path, cwd: &Path, args: &UpArgs) -> LogFormat {
    match args.log_format {
        Some(LogFormatArg::Text) => LogFormat::Text,
        Some(LogFormatArg::Json) => LogFormat::Json,
        None => {
            let file = file_for_up(data_dir, cwd, args);
            file.ok().and_then(|file| file.log.format).unwrap_or_default()
        }
    }
}

/// Settings for a node inside `run` or `wait`, which goes away with its job: what the configuration file
/// says, but any free port, so that it takes none from a node that stays. If it joins nobody, nobody has to
/// reach it: then it listens to this machine alone.
///
/// # Errors
/// If any setting can't be meant.
pub fn for_embedded(data_dir: PathBuf) -> Result<Config, Failure> {
    let file = in_data_dir(&data_dir)?;
    let alone = file.join.as_ref().is_none_or(Vec::is_empty);
    let host = if alone { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let any_port = Options {
        data_dir: Some(data_dir),
        listen: Some(vec![SocketAddr::new(IpAddr::V4(host), 0)]),
        ..Options::default()
    };
    any_port.over(file).resolve(|_| None).map_err(refused)
}

fn in_data_dir(data_dir: &Path) -> Result<Options, Failure> {
    Ok(read(&data_dir.join(CONFIG_NAME))?.unwrap_or_default())
}

fn read(path: &Path) -> Result<Option<Options>, Failure> {
    let file = Options::read(path).map_err(refused)?;
    if file.as_ref().is_some_and(|file| file.data_dir.is_some()) {
        return Err(Failure::usage(format!(
            "configuration {}: `data-dir` isn't for the file, as all other commands have to find the \
             daemon too; name it with --data-dir or OUTLAST_DATA_DIR",
            path.display()
        )));
    }
    Ok(file)
}

fn refused(error: ConfigError) -> Failure {
    Failure::usage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CONFIG_NAME), text).unwrap();
        dir
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = write("listen = ['127.0.0.1:9']\nslots = 3\n[job]\ngather = '1ms'");
        let args = UpArgs { slots: Some(1), ..UpArgs::default() };
        let config = for_up(dir.path().to_owned(), Path::new("/"), args).unwrap();
        assert_eq!(config.slots, Some(1));
        assert_eq!(config.listen, ["127.0.0.1:9".parse().unwrap()]);
        assert_eq!(config.job.gather.as_millis(), 1);
        assert_eq!(config.name, None);
        assert_eq!(config.data_dir, dir.path());
    }

    #[test]
    fn a_node_that_goes_away_takes_no_fixed_port_and_is_reachable_if_it_joins() {
        let dir = write("listen = ['127.0.0.1:9']\nslots = 3\n");
        let config = for_embedded(dir.path().to_owned()).unwrap();
        assert_eq!(config.slots, Some(3));
        assert_eq!(config.listen, ["127.0.0.1:0".parse().unwrap()]);
        let ticket = "x";
        let dir = write(&format!("join = ['{ticket}']\n"));
        let error = for_embedded(dir.path().to_owned()).unwrap_err();
        assert!(error.message.starts_with("join: "), "{}", error.message);
    }

    #[test]
    fn a_file_that_cant_be_meant_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.toml");
        let up = || {
            let args = UpArgs { config: Some("my.toml".into()), ..UpArgs::default() };
            for_up(dir.path().to_owned(), dir.path(), args).unwrap_err().message
        };
        assert!(up().contains("no such file"), "{}", up());
        for (text, named) in [
            ("slot = 3", "slot"),
            ("slots = -1", "-1"),
            ("slots", "my.toml"),
            ("data-dir = '/x'", "--data-dir"),
            ("[job]\nlease-ttl = 'soon'", "line 2"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(up().contains(named), "{}", up());
        }
    }

    #[test]
    fn the_log_is_as_the_flag_says_else_the_file() {
        let dir = write("[log]\nformat = 'json'");
        let format = |log_format| {
            let args = UpArgs { log_format, ..UpArgs::default() };
            log_format_of(dir.path(), &args)
        };
        fn log_format_of(dir: &Path, args: &UpArgs) -> LogFormat {
            super::log_format(dir, Path::new("/"), args)
        }
        assert_eq!(format(None), LogFormat::Json);
        assert_eq!(format(Some(LogFormatArg::Text)), LogFormat::Text);
        std::fs::write(dir.path().join(CONFIG_NAME), "[log").unwrap();
        assert_eq!(format(None), LogFormat::Text);
    }

    #[test]
    fn the_data_directory_is_found() {
        let mut around = Surroundings { cwd: "/work".into(), ..Surroundings::default() };
        let mut global = Global::default();
        assert!(around.data_dir(&global).is_err());
        around.home = Some("/home/me".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/home/me/.local/state/outlast"));
        around.state_home = Some("relative".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/home/me/.local/state/outlast"));
        around.state_home = Some("/state".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/state/outlast"));
        around.data_dir = Some("".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/state/outlast"));
        around.data_dir = Some("there".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/work/there"));
        global.data_dir = Some("here".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/work/here"));
    }
}
