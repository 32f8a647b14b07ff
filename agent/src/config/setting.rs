//! One setting: what was given, where, and what would be right.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// As in the file, with the maps that it stands in: `listen.http`.
    pub(super) name: &'static str,
    /// The flag that goes before it.
    pub(super) flag: &'static str,
    /// What a right value is, to follow "write".
    pub(super) right: &'static str,
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// As a flag.
    Flag(&'static str),
    /// In the environment.
    Environment(&'static str),
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {}: {error}; name one with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no YAML, or has a key that is not known.
    #[error("{}: {reason}; `weir agent --help` shows every key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The key, what is wrong, and the line.
        reason: String,
    },
    /// A value is not right.
    #[error("{origin}: {key}: {value:?} is not right: write {right}")]
    Wrong {
        /// Where it was written.
        origin: Origin,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What would be right.
        right: &'static str,
    },
    /// Two sources of objects.
    #[error("{files}: source.files and {kubernetes}: source.kubernetes are two sources of objects: keep one of them")]
    TwoSources {
        /// Where the one is written.
        files: Origin,
        /// Where the other is written.
        kubernetes: Origin,
    },
    /// No source of objects.
    #[error(
        "there is no source of objects: write source.kubernetes (in-cluster, or the path of a kubeconfig file) or \
         source.files (a folder of YAML files), in the file of --config or as --source-kubernetes or --source-files"
    )]
    NoSource,
    /// A value is needed and there is none.
    #[error("{key} is missing: write {right}, in the file of --config or as {flag}")]
    Missing {
        /// The key.
        key: &'static str,
        /// The flag that may be used instead.
        flag: &'static str,
        /// What would be right.
        right: &'static str,
    },
}

impl Key {
    /// The flag's value, or else the file's.
    pub(super) fn read(self, flag: Option<&String>, file: Option<Setting>) -> Given {
        let flag = flag.map(|text| Setting { text: text.clone(), origin: Origin::Flag(self.flag) });
        Given { key: self, setting: flag.or(file) }
    }
}

/// A key, and the value that it was given, if any.
#[derive(Debug)]
pub(super) struct Given {
    key: Key,
    setting: Option<Setting>,
}

impl Given {
    /// Where the value was written, if one was.
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.setting.as_ref().map(|setting| &setting.origin)
    }

    /// Takes another value where none was given.
    pub(super) fn or_else(self, other: impl FnOnce() -> Option<Setting>) -> Self {
        Self { setting: self.setting.or_else(other), ..self }
    }

    /// The value, judged, or the default.
    pub(super) fn or<T>(self, default: T, judge: impl FnOnce(&Setting) -> Option<T>) -> Result<T, ConfigError> {
        let Self { key, setting } = self;
        let Some(setting) = setting else { return Ok(default) };
        judge(&setting).ok_or(ConfigError::Wrong {
            origin: setting.origin,
            key: key.name,
            value: setting.text,
            right: key.right,
        })
    }

    /// The value, judged; without one, an error.
    pub(super) fn required<T>(self, judge: impl FnOnce(&Setting) -> Option<T>) -> Result<T, ConfigError> {
        let Key { name, flag, right } = self.key;
        self.or(None, |setting| judge(setting).map(Some))?.ok_or(ConfigError::Missing { key: name, flag, right })
    }
}

impl Setting {
    /// The value as a path. In a file, a relative one starts from the file's own folder.
    pub(super) fn path(&self) -> PathBuf {
        match &self.origin {
            Origin::File { path, .. } => path.parent().unwrap_or(Path::new("")).join(&self.text),
            Origin::Flag(_) | Origin::Environment(_) => PathBuf::from(&self.text),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(what) => f.write_str(what),
        }
    }
}
