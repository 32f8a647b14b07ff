//! The way to the API server as it stands: the watches that go over it, and the question whether it is there.

use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Error,
    api::{ListParams, VersionMatch},
};
use tokio::time::timeout;

use super::{
    access::{Access, AccessError, Fingerprint},
    watches::{self, Watches},
};

/// How long an answer may take: a new connection on a line with a delay of two seconds.
const ANSWER: Duration = Duration::from_secs(10);
/// The namespace that every cluster has and nobody deletes: its uid tells one cluster from another.
const LANDMARK: &str = "kube-system";

/// A client, and the watches that it keeps.
pub(super) struct Link {
    access: Access,
    node: String,
    client: Client,
    fingerprint: Fingerprint,
    pub(super) said: Watches,
}

/// What came of the question whether the API server is there.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is, and it is this cluster's, if it says so: a refusal is an answer too.
    Here(Option<String>),
    /// It is not, and why.
    Silent(String),
}

impl Link {
    /// Reads the credentials and begins to watch what this node needs.
    pub(super) async fn new(access: &Access, node: &str) -> Result<Self, AccessError> {
        // Before the files are read: what changes meanwhile differs from it.
        let fingerprint = access.fingerprint();
        let client = access.client().await?;
        let said = watches::all(&client, node);
        Ok(Self { access: access.clone(), node: node.to_owned(), client, fingerprint, said })
    }

    /// Reads the credentials and begins to watch anew, with no connection of before. Stays as it was on an error.
    pub(super) async fn renew(&mut self) -> Result<(), AccessError> {
        *self = Self::new(&self.access, &self.node).await?;
        Ok(())
    }

    /// Whether the files with the credentials have changed since this was asked last, or since they were read.
    pub(super) fn has_new_credentials(&mut self) -> bool {
        let now = self.access.fingerprint();
        now != std::mem::replace(&mut self.fingerprint, now)
    }

    /// Asks whether the API server is there, and which one it is.
    pub(super) fn ask(&self) -> impl Future<Output = Answer> + use<> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        // What the API server has in its memory is enough, and costs it nothing.
        let landmark = ListParams::default().fields(&format!("metadata.name={LANDMARK}"));
        let landmark = landmark.at("0").matching(VersionMatch::NotOlderThan);
        let answer = async move { namespaces.list_metadata(&landmark).await };
        timeout(ANSWER, answer).map(|answer| match answer {
            Ok(Ok(found)) => Answer::Here(found.items.into_iter().find_map(|namespace| namespace.metadata.uid)),
            Ok(Err(Error::Api(_))) => Answer::Here(None),
            Ok(Err(error)) => Answer::Silent(format!("it cannot be reached: {error}")),
            Err(_) => Answer::Silent(format!("it has not answered for {ANSWER:?}")),
        })
    }
}
