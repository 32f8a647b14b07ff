//! The configuration file as it is written: YAML, every key optional, no key unknown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::setting::{ConfigError, Origin, Setting};

/// The keys of the file, not judged yet.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) node: Option<Setting>,
    pub(super) source: Source,
    pub(super) bpffs: Option<Setting>,
    pub(super) state_dir: Option<Setting>,
    pub(super) listen: Listen,
    pub(super) log: Log,
    pub(super) take_over: Option<Setting>,
    pub(super) resync: Option<Setting>,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) files: Option<Setting>,
    pub(super) kubernetes: Option<Setting>,
}

#[derive(Debug, Default)]
pub(super) struct Listen {
    pub(super) admin: Option<Setting>,
    pub(super) http: Option<Setting>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) format: Option<Setting>,
    pub(super) filter: Option<Setting>,
}

/// A value with its line: text, a number or a boolean, as it is written.
type Value = Option<Spanned<String>>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Raw {
    node: Value,
    source: Option<RawSource>,
    bpffs: Value,
    state_dir: Value,
    listen: Option<RawListen>,
    log: Option<RawLog>,
    take_over: Value,
    resync: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSource {
    files: Value,
    kubernetes: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawListen {
    admin: Value,
    http: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    format: Value,
    filter: Value,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let mut track = serde_path_to_error::Track::new();
        let raw: Option<Raw> = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
            Option::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
        })
        .map_err(|error| malformed(path, &track.path(), &error))?;
        // An empty file is one without keys.
        let raw = raw.unwrap_or_default();
        let setting = |value: Value| {
            value.map(|value| Setting {
                origin: Origin::File { path: PathBuf::from(path), line: value.referenced.line() },
                text: value.value,
            })
        };
        let (source, listen, log) =
            (raw.source.unwrap_or_default(), raw.listen.unwrap_or_default(), raw.log.unwrap_or_default());
        Ok(Self {
            node: setting(raw.node),
            source: Source { files: setting(source.files), kubernetes: setting(source.kubernetes) },
            bpffs: setting(raw.bpffs),
            state_dir: setting(raw.state_dir),
            listen: Listen { admin: setting(listen.admin), http: setting(listen.http) },
            log: Log { format: setting(log.format), filter: setting(log.filter) },
            take_over: setting(raw.take_over),
            resync: setting(raw.resync),
        })
    }
}

fn malformed(path: &Path, key: &serde_path_to_error::Path, error: &serde_saphyr::Error) -> ConfigError {
    let at_top = key.iter().next().is_none();
    let key = if at_top { String::new() } else { format!("{key}: ") };
    ConfigError::Malformed { path: path.to_owned(), reason: format!("{key}{error}") }
}
