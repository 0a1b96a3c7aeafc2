//! A node's settings: the configuration file, then the environment, then flags; the latter wins.
//! (The environment is read where flags are parsed.)

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::{Global, UpArgs};
use crate::embed::NodeSettings;
use crate::exit::Failure;

/// Name of the configuration file in the data directory.
pub const CONFIG_NAME: &str = "config.toml";

/// The configuration file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    listen: Option<SocketAddr>,
    join: Vec<String>,
    slots: Option<u32>,
    name: Option<String>,
}

/// What the process finds around itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The current folder.
    pub cwd: PathBuf,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
}

impl Surroundings {
    /// As they are.
    ///
    /// # Errors
    /// If the current folder is gone.
    pub fn find() -> Result<Self, Failure> {
        let path =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cwd = std::env::current_dir()
            .map_err(|error| Failure::failed(format!("the current folder: {error}")))?;
        Ok(Self { cwd, home: path("HOME"), data_home: path("XDG_DATA_HOME") })
    }

    /// The data directory, absolute.
    ///
    /// # Errors
    /// If none is named and there is no home.
    pub fn data_dir(&self, global: &Global) -> Result<PathBuf, Failure> {
        if let Some(dir) = &global.data_dir {
            return Ok(self.cwd.join(dir));
        }
        // The XDG specification: relative paths are to be ignored.
        if let Some(dir) = self.data_home.as_ref().filter(|dir| dir.is_absolute()) {
            return Ok(dir.join("outlast"));
        }
        match &self.home {
            Some(home) => Ok(self.cwd.join(home).join(".local/share/outlast")),
            None => Err(Failure::usage("HOME isn't set; give --data-dir")),
        }
    }
}

/// Settings for `up`.
///
/// # Errors
/// If the configuration file is named but missing, or can't be understood.
pub fn for_up(data_dir: PathBuf, cwd: &Path, args: UpArgs) -> Result<NodeSettings, Failure> {
    let config = match &args.config {
        Some(path) => {
            let path = cwd.join(path);
            read(&path)?.ok_or_else(|| {
                Failure::usage(format!("configuration {}: no such file", path.display()))
            })?
        }
        None => read(&data_dir.join(CONFIG_NAME))?.unwrap_or_default(),
    };
    Ok(NodeSettings {
        data_dir,
        listen: args.listen.or(config.listen),
        join: if args.join.is_empty() { config.join } else { args.join },
        slots: args.slots.or(config.slots),
        name: args.name.or(config.name),
    })
}

/// Settings for a node inside `run` or `wait`: what the configuration file says.
///
/// # Errors
/// As [`for_up`].
pub fn for_embedded(data_dir: PathBuf) -> Result<NodeSettings, Failure> {
    let cwd = data_dir.clone();
    for_up(data_dir, &cwd, UpArgs::default())
}

fn read(path: &Path) -> Result<Option<Config>, Failure> {
    let error = |what: String| Failure::usage(format!("configuration {}: {what}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map(Some).map_err(|e| error(e.to_string())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(error(e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let config = "listen = \"127.0.0.1:9\"\njoin = [\"a\"]\nslots = 3\n";
        std::fs::write(dir.path().join(CONFIG_NAME), config).unwrap();
        let args = UpArgs { slots: Some(1), ..UpArgs::default() };
        let settings = for_up(dir.path().to_owned(), Path::new("/"), args).unwrap();
        assert_eq!(settings.slots, Some(1));
        assert_eq!(settings.listen, Some("127.0.0.1:9".parse().unwrap()));
        assert_eq!(settings.join, ["a"]);
        assert_eq!(settings.name, None);
        assert_eq!(for_embedded(dir.path().to_owned()).unwrap().slots, Some(3));
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
        for (text, named) in [("slot = 3", "slot"), ("slots = -1", "-1"), ("slots", "my.toml")] {
            std::fs::write(&path, text).unwrap();
            assert!(up().contains(named), "{}", up());
        }
    }

    #[test]
    fn the_data_directory_is_found() {
        let mut around = Surroundings { cwd: "/work".into(), ..Surroundings::default() };
        let mut global = Global::default();
        assert!(around.data_dir(&global).is_err());
        around.home = Some("/home/me".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/home/me/.local/share/outlast"));
        around.data_home = Some("relative".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/home/me/.local/share/outlast"));
        around.data_home = Some("/data".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/data/outlast"));
        global.data_dir = Some("here".into());
        assert_eq!(around.data_dir(&global).unwrap(), Path::new("/work/here"));
    }
}
