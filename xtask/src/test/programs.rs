//! Programs that a rung's tests start beside what cargo builds.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Where;
use crate::build::{self, Profile};
use crate::tools::{etcd, helm, kubernetes};

/// A program and the variable that tells the tests where it is.
pub(super) struct Program {
    pub(super) variable: &'static str,
    pub(super) path: PathBuf,
}

impl Where {
    /// What the rung's tests start; fetched where it is missing.
    pub(super) fn programs(&self) -> Result<Vec<Program>> {
        Ok(match self {
            Self::HostOrVmWithControlPlane(_) => vec![
                Program { variable: "WEIR_BIN", path: weir()? },
                Program { variable: "WEIR_ETCD", path: etcd::ensure()? },
                Program { variable: "WEIR_KUBE_APISERVER", path: kubernetes::api_server()? },
                Program { variable: "WEIR_KUBECTL", path: kubernetes::kubectl()? },
                Program { variable: "WEIR_HELM", path: helm::ensure()? },
            ],
            Self::Units
            | Self::Host(_)
            | Self::HostOrVm(_)
            | Self::Vm { .. }
            | Self::Node { .. }
            | Self::NodeWithCilium(_) => Vec::new(),
        })
    }
}

/// The agent, built now.
fn weir() -> Result<PathBuf> {
    let built = build::host_binaries(Profile::Debug)?;
    let weir = built.into_iter().find(|artifact| artifact.name == "weir");
    Ok(weir.context("the build made no program weir")?.path)
}
