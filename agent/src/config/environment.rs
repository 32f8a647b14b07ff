//! What the process was started with besides its arguments.

use std::{env, fs};

use super::setting::{Origin, Setting};

/// The environment variable that a `DaemonSet` fills with `spec.nodeName`.
const NODE_NAME: &str = "NODE_NAME";
/// The kernel's name for this host.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// What the process was started with besides its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `NODE_NAME`.
    pub node_name: Option<String>,
    /// The host's name.
    pub hostname: Option<String>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self { node_name: env::var(NODE_NAME).ok(), hostname: fs::read_to_string(HOSTNAME).ok() }
    }

    /// The node's name where nobody gave one: kubelet too takes the host's name in lower case.
    pub(super) fn node(&self) -> Option<Setting> {
        let named = self.node_name.as_ref().filter(|name| !name.is_empty());
        let named = named.map(|name| Setting { text: name.clone(), origin: Origin::Environment(NODE_NAME) });
        named.or_else(|| {
            let hostname = self.hostname.as_ref()?.trim().to_lowercase();
            (!hostname.is_empty()).then_some(Setting { text: hostname, origin: Origin::Environment("the host's name") })
        })
    }
}
