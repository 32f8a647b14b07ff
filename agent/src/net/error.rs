//! What can go wrong between the agent and the kernel's network.

use std::{io, path::PathBuf};

use nix::errno::Errno;

/// A failure of netlink or of reading cgroups.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A netlink socket cannot be made or set up.
    #[error("cannot open a netlink socket ({doing}): {source}")]
    Open {
        /// Which step.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The socket failed while a request was on its way.
    #[error("netlink failed while trying to {action}: {source}")]
    Socket {
        /// What was asked for.
        action: String,
        /// Why.
        source: io::Error,
    },
    /// The kernel said no.
    #[error("the kernel refused to {action}: {}{}{}", errno.desc(), hint(*errno), said(detail.as_deref()))]
    Kernel {
        /// What was asked for.
        action: String,
        /// The error number.
        errno: Errno,
        /// The kernel's own words (extended acknowledgement), if any.
        detail: Option<String>,
    },
    /// The tables changed under every attempt to read them (`NLM_F_DUMP_INTR`). The next attempt may succeed.
    #[error("could not {action}: it changed while it was being read, {attempts} times in a row")]
    Interrupted {
        /// What was asked for.
        action: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// An answer is not what the kernel's headers say.
    #[error("cannot understand the kernel's answer when trying to {action}: {reason}")]
    Malformed {
        /// What was asked for.
        action: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel has no `fq` qdisc and no module of it: packets cannot be paced here, only policed.
    #[error("this kernel has no fq qdisc (CONFIG_NET_SCH_FQ, module sch_fq)")]
    NoFq,
    /// There is no version 2 hierarchy to look into.
    #[error("no cgroup2 file system is mounted with its root in sight; mount the node's /sys/fs/cgroup into the agent")]
    NoCgroups,
    /// A file that describes mounts or cgroups cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The thread that talked to the kernel ended without an answer.
    #[error("the netlink thread ended early: {0}")]
    Thread(String),
}

impl Error {
    /// The kernel's error number, where it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => " (CAP_NET_ADMIN is needed)",
        _ => "",
    }
}

fn said(detail: Option<&str>) -> String {
    detail.map(|detail| format!(": {detail}")).unwrap_or_default()
}
