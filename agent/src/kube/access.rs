//! How the API server is reached.

use std::path::{Path, PathBuf};

use kube::{
    Client, Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use serde::Serialize;

/// Where the address and the credentials come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Access {
    /// The pod's service account (`KUBERNETES_SERVICE_HOST` and the token that the kubelet mounts).
    #[serde(serialize_with = "in_cluster")]
    InCluster,
    /// The current context of a kubeconfig file.
    Kubeconfig(PathBuf),
}

/// The word that stands for [`Access::InCluster`] in the settings.
pub const IN_CLUSTER: &str = "in-cluster";

/// Why there is no way to the API server. Whether it answers is another question.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Not in a pod, or without a service account.
    #[error(
        "cannot read the service account of this pod: {0}; source.kubernetes is `in-cluster`, which is right in a pod \
         with automountServiceAccountToken, and elsewhere is to be the path of a kubeconfig file"
    )]
    ServiceAccount(#[source] Box<InClusterError>),
    /// The file cannot be used.
    #[error("cannot use the kubeconfig {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<KubeconfigError>,
    },
    /// No client can be made of it.
    #[error("cannot make a client for the API server {url}: {source}")]
    Client {
        /// Its address.
        url: String,
        /// Why not.
        source: Box<kube::Error>,
    },
}

impl Access {
    /// A client with these credentials. Asks nothing yet.
    pub(super) async fn client(&self) -> Result<Client, AccessError> {
        let config = match self {
            Self::InCluster => Config::incluster().map_err(|source| AccessError::ServiceAccount(Box::new(source)))?,
            Self::Kubeconfig(path) => from_file(path)
                .await
                .map_err(|source| AccessError::Kubeconfig { path: path.clone(), source: Box::new(source) })?,
        };
        let url = config.cluster_url.to_string();
        Client::try_from(config).map_err(|source| AccessError::Client { url, source: Box::new(source) })
    }
}

async fn from_file(path: &Path) -> Result<Config, KubeconfigError> {
    Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await
}

fn in_cluster<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(IN_CLUSTER)
}
