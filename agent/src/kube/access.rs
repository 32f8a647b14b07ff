//! How the API server is reached.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration,
};

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

/// The authority that vouches for the API server, in a pod.
const SERVICE_ACCOUNT_AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// A connection that is silent for longer is dead: on each watch there is a bookmark about every minute.
const SILENCE: Duration = Duration::from_mins(2);

/// What files held, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

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
        let mut config = match self {
            Self::InCluster => Config::incluster().map_err(|source| AccessError::ServiceAccount(Box::new(source)))?,
            Self::Kubeconfig(path) => from_file(path)
                .await
                .map_err(|source| AccessError::Kubeconfig { path: path.clone(), source: Box::new(source) })?,
        };
        config.read_timeout = Some(SILENCE);
        // An error answer is told at once and tried again by `Retry`; kube's own tries say nothing for minutes.
        config.default_retry = false;
        // A question on a connection that nobody used for a while must not find its time run out.
        config.reset_reader_on_write = true;
        let url = config.cluster_url.to_string();
        Client::try_from(config).map_err(|source| AccessError::Client { url, source: Box::new(source) })
    }

    /// Of the files that a client reads once. Tokens in files of their own are not among them: kube reads those again
    /// every minute.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = DefaultHasher::new();
        for file in self.files() {
            fs::read(file).ok().hash(&mut hasher);
        }
        Fingerprint(hasher.finish())
    }

    fn files(&self) -> Vec<PathBuf> {
        let path = match self {
            Self::InCluster => return vec![SERVICE_ACCOUNT_AUTHORITY.into()],
            Self::Kubeconfig(path) => path,
        };
        // One that cannot be read now is read when it has changed.
        let config = Kubeconfig::read_from(path).unwrap_or_default();
        let clusters = config.clusters.into_iter().filter_map(|named| named.cluster?.certificate_authority);
        let users = config.auth_infos.into_iter().filter_map(|named| named.auth_info);
        let users = users.flat_map(|user| [user.client_certificate, user.client_key]).flatten();
        std::iter::once(path.clone()).chain(clusters.chain(users).map(PathBuf::from)).collect()
    }
}

async fn from_file(path: &Path) -> Result<Config, KubeconfigError> {
    Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await
}

fn in_cluster<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(IN_CLUSTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_when_a_kubeconfig_or_a_file_that_it_names_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let kubeconfig = |token: &str| {
            format!(
                "apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster: {{certificate-authority: ca.crt}}\n\
                 users:\n- name: a\n  user: {{token: {token}, client-certificate: {}}}\n",
                path("client.crt").display()
            )
        };
        fs::write(path("config"), kubeconfig("one")).unwrap();
        let access = Access::Kubeconfig(path("config"));
        let mut seen = vec![access.fingerprint()];
        let contents = [
            ("ca.crt", "one".to_owned()),
            ("ca.crt", "another".to_owned()),
            ("client.crt", "one".to_owned()),
            ("config", kubeconfig("another")),
            ("config", "{".to_owned()),
        ];
        for (name, content) in contents {
            fs::write(path(name), content).unwrap();
            let now = access.fingerprint();
            assert!(!seen.contains(&now), "{name} has changed");
            assert_eq!(access.fingerprint(), now);
            seen.push(now);
        }
        fs::write(path("other"), "").unwrap();
        assert_eq!(seen.last(), Some(&access.fingerprint()));
    }
}
