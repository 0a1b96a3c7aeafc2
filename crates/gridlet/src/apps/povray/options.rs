//! POV-Ray's options, in all the ways to give them: switches (`+W640`), long names (`Width=640`), INI files and
//! bare file names. They end up as [`Settings`]: one value for each long name, the last one given.
//!
//! The names are those of POV-Ray 3.7's own tables; `Fate` says what becomes of an option.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use crate::{OpenError, SourceFiles};
use table::{Fate, Kind, LONG, SWITCHES};

/// INI files that include one another.
const INI_DEPTH: usize = 16;

/// The entry of a long name, in any case.
pub(super) fn long(name: &str) -> Option<&'static (&'static str, Kind, Fate)> {
    let name = if name.eq_ignore_ascii_case("Bits_Per_Colour") {
        "Bits_Per_Color"
    } else if name.eq_ignore_ascii_case("Greyscale_Output") {
        "Grayscale_Output"
    } else {
        name
    };
    LONG.iter().find(|(long, ..)| long.eq_ignore_ascii_case(name))
}

/// All options of a command, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// By long name.
    values: BTreeMap<&'static str, String>,
    /// `Declare=`, in order.
    pub declares: Vec<String>,
    /// The user's library paths, in order.
    pub library: Vec<String>,
    /// Library paths of the installation: the files below them are on each worker too.
    pub standard: Vec<String>,
    /// Options of the user's that have no use on a worker.
    pub dropped: BTreeSet<&'static str>,
}

pub(super) fn usage(text: impl Into<String>) -> OpenError {
    OpenError::Usage(text.into())
}

impl Settings {
    /// The value of a long name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A whole number. Its form was checked when it was set.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// A number. Its form was checked when it was set.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// On or off; off if it wasn't given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("on")
    }

    /// Options that go to the workers as they are, `Name=value`.
    pub(super) fn passed(&self) -> impl Iterator<Item = String> + '_ {
        let passes = |name: &str| long(name).is_some_and(|(_, _, fate)| *fate == Fate::Pass);
        self.values
            .iter()
            .filter(move |(name, _)| passes(name))
            .map(|(name, value)| format!("{name}={value}"))
    }
}

/// `on`, `true`, `yes` and `1` are true, as are their beginnings; everything else is false, as at POV-Ray's.
fn is_true(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["on", "true", "yes", "1"].iter().any(|word| word.starts_with(&text) || text.starts_with(word))
}

/// Reads options into [`Settings`].
pub(super) struct Reader<'a> {
    files: &'a dyn SourceFiles,
    settings: Settings,
    /// Reading what an administrator or a start-up file chose: nobody needs to be told what is left out, and
    /// library paths are the installation's.
    defaults: bool,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a dyn SourceFiles) -> Self {
        Self { files, settings: Settings::default(), defaults: false, depth: 0 }
    }

    /// The start-up file that POV-Ray would read: `POVINI`, `povray.ini` here, the user's, the system's.
    pub(super) fn defaults(&mut self, env: &[(String, String)]) -> Result<(), OpenError> {
        let variable = |name: &str| {
            env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let home = variable("HOME").map(|home| format!("{home}/.povray/3.7/povray.ini"));
        let here = [variable("POVINI"), Some("povray.ini".to_owned()), home];
        let system = ["/etc/povray/3.7/povray.ini", "/usr/local/etc/povray/3.7/povray.ini"];
        let places = here.into_iter().flatten().chain(system.map(str::to_owned));
        for path in places {
            if self.files.is_file(&path) {
                // In the user's own folder it is the user's choice, and so are its paths.
                self.defaults = path != "povray.ini";
                self.ini(&path, None)?;
                self.defaults = false;
                break;
            }
        }
        if self.settings.standard.is_empty() {
            self.settings.standard = STANDARD.iter().map(|path| (*path).to_owned()).collect();
        }
        Ok(())
    }

    /// The arguments of the command, each one switch, option or file name.
    pub(super) fn arguments(mut self, argv: &[String]) -> Result<Settings, OpenError> {
        for argument in argv {
            self.argument(argument)?;
        }
        Ok(self.settings)
    }

    fn argument(&mut self, argument: &str) -> Result<(), OpenError> {
        if let Some(letters) = argument.strip_prefix(['+', '-']) {
            return self.switch(argument.starts_with('+'), letters);
        }
        if let Some((name, value)) = argument.split_once('=')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return self.option(name, unquoted(value));
        }
        self.bare(unquoted(argument))
    }

    /// `+W640` without its sign.
    pub(super) fn switch(&mut self, on: bool, letters: &str) -> Result<(), OpenError> {
        let sign = if on { '+' } else { '-' };
        let found = SWITCHES.iter().find(|(switch, param, flag)| {
            letters.get(..switch.len()).is_some_and(|start| start.eq_ignore_ascii_case(switch))
                && match letters.len() > switch.len() {
                    true => !param.is_empty(),
                    false => !flag.is_empty(),
                }
        });
        let Some((switch, param, flag)) = found else {
            return Err(usage(format!("POV-Ray has no switch `{sign}{letters}`")));
        };
        if !flag.is_empty() {
            self.option(flag, if on { "on" } else { "off" })?;
        }
        match unquoted(&letters[switch.len()..]) {
            "" => Ok(()),
            value if *switch == "F" => self.file_type(value),
            value => self.option(param, value),
        }
    }

    /// What follows `+F`: a letter, then `g` or the bits of a colour.
    fn file_type(&mut self, value: &str) -> Result<(), OpenError> {
        let rest = &value[value.chars().next().map_or(0, char::len_utf8)..];
        self.option("Output_File_Type", &value[..value.len() - rest.len()])?;
        match rest {
            "" => Ok(()),
            "g" | "G" => self.option("Grayscale_Output", "on"),
            bits => self.option("Bits_Per_Color", bits),
        }
    }

    /// `Width=640`.
    pub(super) fn option(&mut self, name: &str, value: &str) -> Result<(), OpenError> {
        let Some(&(name, kind, fate)) = long(name) else {
            return Err(usage(format!("POV-Ray has no option `{name}`")));
        };
        let wrong = |expected: &str| usage(format!("{name}: expected {expected}, found {value:?}"));
        let value = match kind {
            Kind::Bool => (if is_true(value) { "on" } else { "off" }).to_owned(),
            Kind::Int => {
                let number: i64 = value.trim().parse().map_err(|_| wrong("a whole number"))?;
                number.to_string()
            }
            Kind::Float => {
                let number: f64 = value.trim().parse().map_err(|_| wrong("a number"))?;
                if !number.is_finite() {
                    return Err(wrong("a number"));
                }
                value.trim().to_owned()
            }
            Kind::FileType if value.chars().count() > 1 => {
                return self.file_type(value.trim());
            }
            Kind::FileType => value.to_ascii_uppercase(),
            Kind::Text => value.to_owned(),
        };
        match (name, fate) {
            // Switching off what isn't supported is no request for it.
            (_, Fate::Refuse(why)) if value != "off" => {
                Err(usage(format!("{name} can't be used on a grid: {why}")))
            }
            (_, Fate::Refuse(_)) => Ok(()),
            (_, Fate::Drop) => {
                if !self.defaults && value != "off" {
                    self.settings.dropped.insert(name);
                }
                Ok(())
            }
            ("Declare", _) => {
                self.settings.declares.push(value);
                Ok(())
            }
            ("Library_Path", _) => {
                let paths = if self.defaults {
                    &mut self.settings.standard
                } else {
                    &mut self.settings.library
                };
                paths.push(value.trim_end_matches('/').to_owned());
                Ok(())
            }
            ("Include_Ini", _) => self.bare_ini(&value),
            _ => {
                self.settings.values.insert(name, value);
                Ok(())
            }
        }
    }

    /// A file name on its own: a scene or an INI file, perhaps with a `[section]`.
    pub(super) fn bare(&mut self, name: &str) -> Result<(), OpenError> {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with(".pov") {
            return self.option("Input_File_Name", name);
        }
        if lower.ends_with(".ini") || name.ends_with(']') || self.find_ini(name).is_some() {
            return self.bare_ini(name);
        }
        self.option("Input_File_Name", name)
    }

    fn bare_ini(&mut self, name: &str) -> Result<(), OpenError> {
        let (path, section) = match name.split_once('[') {
            Some((path, section)) => (path, Some(section.trim_end_matches(']'))),
            None => (name, None),
        };
        let Some(path) = self.find_ini(path) else {
            return Err(OpenError::Input {
                path: path.to_owned(),
                source: std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    "no such INI file here or in the library paths",
                ),
            });
        };
        self.ini(&path, section)
    }

    fn find_ini(&self, name: &str) -> Option<String> {
        let names = [name.to_owned(), format!("{name}.ini"), format!("{name}.INI")];
        let skip = usize::from(!name.to_ascii_lowercase().ends_with(".ini"));
        let paths = self.settings.standard.iter().chain(&self.settings.library);
        let folders = std::iter::once(String::new()).chain(paths.map(|path| format!("{path}/")));
        let mut places = folders.flat_map(|folder| {
            names[skip..].iter().map(move |name| format!("{folder}{name}")).collect::<Vec<_>>()
        });
        places.find(|place| self.files.is_file(place))
    }

    /// Reads an INI file: what is before its first section, and the section of this name.
    fn ini(&mut self, path: &str, section: Option<&str>) -> Result<(), OpenError> {
        if self.depth >= INI_DEPTH {
            return Err(usage(format!("{path}: INI files include one another {INI_DEPTH} deep")));
        }
        let bytes = self
            .files
            .read(path)
            .map_err(|source| OpenError::Input { path: path.to_owned(), source })?;
        self.depth += 1;
        let text = String::from_utf8_lossy(&bytes);
        let result =
            super::ini::entries(&text, section).into_iter().try_for_each(|(line, entry)| {
                self.entry(entry).map_err(|error| match error {
                    OpenError::Usage(text) => usage(format!("{path}, line {line}: {text}")),
                    other => other,
                })
            });
        self.depth -= 1;
        result
    }

    fn entry(&mut self, entry: super::ini::Entry) -> Result<(), OpenError> {
        use super::ini::Entry;
        match entry {
            Entry::Switch { on, letters } => self.switch(on, &letters),
            Entry::Option { name, values } => {
                values.iter().try_for_each(|value| self.option(&name, value))
            }
            Entry::Bare(name) => self.bare(&name),
        }
    }
}

/// Where POV-Ray 3.7 is installed, if no start-up file says so.
const STANDARD: [&str; 4] = [
    "/usr/share/povray-3.7/include",
    "/usr/share/povray-3.7/ini",
    "/usr/local/share/povray-3.7/include",
    "/usr/local/share/povray-3.7/ini",
];

/// Without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.strip_suffix(quote).unwrap_or(inner);
        }
    }
    text
}

#[cfg(test)]
mod tests;
