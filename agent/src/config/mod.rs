//! Settings of the agent: flags before the configuration file, the file before the defaults.
//!
//! Every value is read as text and judged in one place, so that the same mistake gets the same answer wherever it was
//! made: [`setting::ConfigError`] names the file and line or the flag, the key, the value, and what would be right.

mod environment;
mod file;
mod setting;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Serialize, Serializer};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use weir_api::admin::DEFAULT_SOCKET;
use weir_cli::command::AgentArgs;

pub use environment::Environment;
pub use setting::ConfigError;

use file::File;
use setting::{Given, Key, Setting};

use crate::kube::{Access, IN_CLUSTER};

/// The port that is registered to nobody and that Weir serves metrics on.
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9479);
const DEFAULT_RESYNC: Duration = Duration::from_secs(30);
/// A full comparison with the kernel takes up to some 10 ms: more often than this would be a load of its own.
const SHORTEST_RESYNC: Duration = Duration::from_secs(1);

/// Settings of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Name of this node, as its Node object has it.
    pub node: String,
    /// Where the objects come from.
    pub source: Source,
    /// Where the BPF file system is mounted.
    pub bpffs: PathBuf,
    /// Folder for what must outlive the agent but not a reboot.
    pub state_dir: PathBuf,
    /// Where questions are answered.
    pub listen: Listen,
    /// What is logged, and how.
    pub log: Log,
    /// Whether another program's queueing discipline on the uplink is replaced; otherwise the agent refuses to start.
    pub take_over: bool,
    /// How often to compare with the kernel when nothing has changed.
    #[serde(serialize_with = "duration")]
    pub resync: Duration,
}

/// Where the objects come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A folder of YAML files.
    Files(PathBuf),
    /// A cluster's API server.
    Kubernetes(Access),
}

/// Where questions are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// Unix socket of the admin API.
    pub admin: PathBuf,
    /// Address of `/metrics`, `/healthz` and `/readyz`.
    pub http: SocketAddr,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Format of a line.
    pub format: LogFormat,
    /// A level, or targets with levels, as `tracing_subscriber::EnvFilter` reads them.
    pub filter: String,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

impl Config {
    /// The settings that `args`, the file that they name and the environment make together.
    pub fn load(args: &AgentArgs, environment: &Environment) -> Result<Self, ConfigError> {
        let file = args.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let node = NODE.read(args.node.as_ref(), file.node);
        let files = SOURCE_FILES.read(args.source_files.as_ref(), file.source.files);
        let kubernetes = SOURCE_KUBERNETES.read(args.source_kubernetes.as_ref(), file.source.kubernetes);
        let take_over = TAKE_OVER.read(args.take_over.as_ref(), file.take_over);
        let state_dir = STATE_DIR.read(args.state_dir.as_ref(), file.state_dir);
        let bpffs = BPFFS.read(args.bpffs.as_ref(), file.bpffs);
        let admin = LISTEN_ADMIN.read(args.listen_admin.as_ref(), file.listen.admin);
        let http = LISTEN_HTTP.read(args.listen_http.as_ref(), file.listen.http);
        let format = LOG_FORMAT.read(args.log_format.as_ref(), file.log.format);
        let filter = LOG_FILTER.read(args.log_filter.as_ref(), file.log.filter);
        let resync = RESYNC.read(args.resync.as_ref(), file.resync);
        Ok(Self {
            node: node.or_else(|| environment.node()).required(node_name)?,
            source: source(files, kubernetes)?,
            bpffs: bpffs.or(PathBuf::from("/sys/fs/bpf"), absolute)?,
            state_dir: state_dir.or(PathBuf::from("/run/weir"), absolute)?,
            listen: Listen {
                admin: admin.or(PathBuf::from(DEFAULT_SOCKET), absolute)?,
                http: http.or(DEFAULT_HTTP, |setting| setting.text.parse().ok())?,
            },
            log: Log {
                format: format.or(LogFormat::Text, |setting| match setting.text.as_str() {
                    "text" => Some(LogFormat::Text),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                })?,
                filter: filter.or("info".to_owned(), log_filter)?,
            },
            take_over: take_over.or(false, |setting| setting.text.parse().ok())?,
            resync: resync.or(DEFAULT_RESYNC, |setting| {
                humantime::parse_duration(&setting.text).ok().filter(|resync| *resync >= SHORTEST_RESYNC)
            })?,
        })
    }

    /// The settings as a configuration file with every key.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("text, numbers and maps with text as keys can all be written as YAML")
    }
}

const NODE: Key = Key {
    name: "node",
    flag: "--node",
    right: "the name of this node's Node object: lower case letters, digits, '-' and '.', such as worker-1",
};
const SOURCE_FILES: Key =
    Key { name: "source.files", flag: "--source-files", right: "a folder of YAML files, such as /etc/weir/objects" };
const SOURCE_KUBERNETES: Key = Key {
    name: "source.kubernetes",
    flag: "--source-kubernetes",
    right: "in-cluster (the service account of the agent's pod), or the path of a kubeconfig file",
};
const BPFFS: Key = Key { name: "bpffs", flag: "--bpffs", right: "an absolute path, such as /sys/fs/bpf" };
const STATE_DIR: Key = Key { name: "stateDir", flag: "--state-dir", right: "an absolute path, such as /run/weir" };
const LISTEN_ADMIN: Key =
    Key { name: "listen.admin", flag: "--listen-admin", right: "an absolute path, such as /run/weir/weir.sock" };
const LISTEN_HTTP: Key = Key {
    name: "listen.http",
    flag: "--listen-http",
    right: "an IP address and a port, such as 127.0.0.1:9479, 0.0.0.0:9479 or [::]:9479",
};
const LOG_FORMAT: Key = Key { name: "log.format", flag: "--log-format", right: "text or json" };
const LOG_FILTER: Key = Key {
    name: "log.filter",
    flag: "--log-filter",
    right: "error, warn, info, debug or trace, or targets with levels, such as info,weir::datapath=debug",
};
const TAKE_OVER: Key = Key { name: "takeOver", flag: "--take-over", right: "true or false" };
const RESYNC: Key = Key { name: "resync", flag: "--resync", right: "a time of at least 1s, such as 30s or 5m" };

/// Every key, for the documentation's test.
#[cfg(test)]
const KEYS: [Key; 11] = [
    NODE,
    SOURCE_FILES,
    SOURCE_KUBERNETES,
    BPFFS,
    STATE_DIR,
    LISTEN_ADMIN,
    LISTEN_HTTP,
    LOG_FORMAT,
    LOG_FILTER,
    TAKE_OVER,
    RESYNC,
];

/// A name as RFC 1123 has it for subdomains, which is what Kubernetes names nodes by.
fn node_name(setting: &Setting) -> Option<String> {
    let name = &setting.text;
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    (name.len() <= 253 && name.split('.').all(part)).then(|| name.clone())
}

/// The one source that is given.
fn source(files: Given, kubernetes: Given) -> Result<Source, ConfigError> {
    match (files.origin(), kubernetes.origin()) {
        (Some(files), Some(kubernetes)) => {
            Err(ConfigError::TwoSources { files: files.clone(), kubernetes: kubernetes.clone() })
        }
        (None, Some(_)) => Ok(Source::Kubernetes(kubernetes.required(access)?)),
        (Some(_), None) => Ok(Source::Files(files.required(folder)?)),
        (None, None) => Err(ConfigError::NoSource),
    }
}

/// The service account, or a file that exists. In a file, a relative path starts from the file's own folder.
fn access(setting: &Setting) -> Option<Access> {
    if setting.text == IN_CLUSTER {
        return Some(Access::InCluster);
    }
    let path = setting.path();
    path.is_file().then_some(Access::Kubeconfig(path))
}

/// A folder that exists. In a file, a relative one starts from the file's own folder.
fn folder(setting: &Setting) -> Option<PathBuf> {
    let path = setting.path();
    path.is_dir().then_some(path)
}

/// A filter that `EnvFilter` reads. A word that is neither a level nor has one would be taken for a target whose name
/// nobody has, and silence the log: it is rather a level with a typing mistake.
fn log_filter(setting: &Setting) -> Option<String> {
    let text = &setting.text;
    let meant = text.split(',').map(str::trim).all(|part| part.contains('=') || part.parse::<LevelFilter>().is_ok());
    (meant && EnvFilter::builder().parse(text).is_ok()).then(|| text.clone())
}

fn absolute(setting: &Setting) -> Option<PathBuf> {
    let path = PathBuf::from(&setting.text);
    path.is_absolute().then_some(path)
}

fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

#[cfg(test)]
mod tests;
