//! Asking the node's agent over its unix socket.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};
use weir_api::admin::{
    SOCKET_ENV,
    v1::{self, admin_client::AdminClient},
};

use crate::command::PodName;

/// An answer that takes longer comes from an agent that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of one agent. Connects when it is first used, and again when the agent has been restarted.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    admin: AdminClient<Channel>,
}

/// Why the agent gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(
        "no agent runs on this node: there is no socket {}. Start one with `weir agent --config FILE`, or name its \
         socket with --socket or {SOCKET_ENV}",
        .0.display()
    )]
    NoSocket(PathBuf),
    #[error("no agent answers on {}: it has ended. Start it with `weir agent --config FILE`; its log says why it ended", .0.display())]
    Ended(PathBuf),
    #[error("{} is no socket: name the agent's with --socket or {SOCKET_ENV}", .0.display())]
    NotASocket(PathBuf),
    #[error("you may not ask the agent on {}: run this as root, or as the agent's own user", .0.display())]
    Forbidden(PathBuf),
    #[error("the agent on {} did not answer: {reason}", socket.display())]
    Failed { socket: PathBuf, reason: String },
    /// The agent's own words.
    #[error("{0}")]
    Refused(String),
    #[error("the agent on {} sent an empty answer: its version does not fit this command's", .0.display())]
    Empty(PathBuf),
}

impl Client {
    pub(crate) fn new(socket: &Path) -> anyhow::Result<Self> {
        let socket = std::path::absolute(socket).context("the socket's path is empty")?;
        let uri = format!("unix://{}", socket.display());
        let endpoint = Endpoint::from_shared(uri)
            .with_context(|| format!("{} cannot be used as a socket's path", socket.display()))?
            .connect_timeout(PATIENCE);
        // Snapshots of a full node are far above the usual limit of 4 MiB only with thousands of pods.
        let admin = AdminClient::new(endpoint.connect_lazy()).max_decoding_message_size(64 << 20);
        Ok(Self { socket, admin })
    }

    pub(crate) async fn snapshot(&mut self) -> Result<v1::Snapshot, NoAnswer> {
        let answer = self.in_time(self.admin.clone().get_snapshot(v1::GetSnapshotRequest {})).await?;
        answer.snapshot.ok_or_else(|| NoAnswer::Empty(self.socket.clone()))
    }

    pub(crate) async fn watch(&mut self, interval: Duration) -> Result<Watch, NoAnswer> {
        let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let stream =
            self.in_time(self.admin.clone().watch_snapshots(v1::WatchSnapshotsRequest { interval_ns })).await?;
        Ok(Watch { stream, socket: self.socket.clone() })
    }

    pub(crate) async fn explain_pod(&mut self, pod: PodName) -> Result<v1::ExplainPodResponse, NoAnswer> {
        let request = v1::ExplainPodRequest { namespace: pod.namespace, name: pod.name };
        self.in_time(self.admin.clone().explain_pod(request)).await
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, NoAnswer> {
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(no_answer(&self.socket, &status)),
            Err(_) => Err(NoAnswer::Failed {
                socket: self.socket.clone(),
                reason: format!("nothing came in {} s", PATIENCE.as_secs()),
            }),
        }
    }
}

/// Snapshots, one each interval.
#[derive(Debug)]
pub(crate) struct Watch {
    stream: Streaming<v1::WatchSnapshotsResponse>,
    socket: PathBuf,
}

impl Watch {
    /// The next one. Only an error ends the stream.
    pub(crate) async fn next(&mut self) -> Result<v1::Snapshot, NoAnswer> {
        match self.stream.message().await {
            Ok(Some(message)) => message.snapshot.ok_or_else(|| NoAnswer::Empty(self.socket.clone())),
            Ok(None) => Err(NoAnswer::Ended(self.socket.clone())),
            // A status with a source is no answer of the agent's: the connection broke in the middle.
            Err(status) if std::error::Error::source(&status).is_some() => Err(NoAnswer::Ended(self.socket.clone())),
            Err(status) => Err(no_answer(&self.socket, &status)),
        }
    }
}

/// What a failed call means to the person who made it.
fn no_answer(socket: &Path, status: &Status) -> NoAnswer {
    let path = socket.to_owned();
    if let Some(error) = io_error(status) {
        return match error.kind() {
            ErrorKind::NotFound => NoAnswer::NoSocket(path),
            ErrorKind::PermissionDenied => NoAnswer::Forbidden(path),
            ErrorKind::ConnectionRefused if is_socket(socket) => NoAnswer::Ended(path),
            ErrorKind::ConnectionRefused => NoAnswer::NotASocket(path),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => NoAnswer::Ended(path),
            _ => NoAnswer::Failed { socket: path, reason: error.to_string() },
        };
    }
    match status.code() {
        Code::NotFound => NoAnswer::Refused(status.message().to_owned()),
        Code::Unimplemented => NoAnswer::Failed {
            socket: path,
            reason: "it is of another version and does not know this question".to_owned(),
        },
        _ => NoAnswer::Failed { socket: path, reason: status.message().to_owned() },
    }
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// The system's own error at the bottom of a failed call.
fn io_error(status: &Status) -> Option<&io::Error> {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    async fn asked(path: &Path) -> String {
        let answer = Client::new(path).expect("a path").snapshot().await;
        answer.expect_err("nobody answers").to_string()
    }

    #[tokio::test]
    async fn without_a_socket_it_says_how_to_get_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = asked(&folder.path().join("weir.sock")).await;
        assert!(said.starts_with("no agent runs on this node: there is no socket /"), "{said}");
        assert!(said.contains("weir agent --config FILE"), "{said}");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_belongs_to_an_agent_that_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weir.sock");
        drop(UnixListener::bind(&path).expect("binds"));
        let said = asked(&path).await;
        assert!(said.starts_with("no agent answers on /"), "{said}");
    }

    #[tokio::test]
    async fn a_file_is_no_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "").expect("written");
        let said = asked(&path).await;
        assert!(said.contains("is no socket"), "{said}");
    }
}
