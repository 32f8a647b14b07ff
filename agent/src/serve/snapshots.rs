//! The way by which the servers ask the reconcile loop for the node's state.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use weir_core::snapshot::Snapshot;

/// Questions that may wait at once; more are held back at the asker.
const WAITING: usize = 16;
/// A loop that has not answered for this long is taken to hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for the node's state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SnapshotSource {
    requests: mpsc::Sender<SnapshotRequest>,
}

/// One question: to be answered with a snapshot whose counters were read after it came.
#[derive(Debug)]
pub struct SnapshotRequest {
    reply: oneshot::Sender<Arc<Snapshot>>,
}

/// Why there is no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The loop has ended.
    #[error("the agent is stopping")]
    Stopping,
    /// The loop did not answer in time.
    #[error("the agent's loop has not answered for {} s: it hangs or the machine is overloaded", PATIENCE.as_secs())]
    Silent,
}

/// Both ends: the servers keep the source, the loop receives the requests and answers each.
#[must_use]
pub fn snapshot_channel() -> (SnapshotSource, mpsc::Receiver<SnapshotRequest>) {
    let (requests, receiver) = mpsc::channel(WAITING);
    (SnapshotSource { requests }, receiver)
}

impl SnapshotSource {
    /// The node's state, read for this call.
    pub async fn fresh(&self) -> Result<Arc<Snapshot>, Unavailable> {
        let answer = async {
            let (reply, answer) = oneshot::channel();
            self.requests.send(SnapshotRequest { reply }).await.map_err(|_| Unavailable::Stopping)?;
            answer.await.map_err(|_| Unavailable::Stopping)
        };
        timeout(PATIENCE, answer).await.unwrap_or(Err(Unavailable::Silent))
    }
}

impl SnapshotRequest {
    /// Answers. One snapshot may answer every request that waits, as it is younger than all of them.
    pub fn answer(self, snapshot: Arc<Snapshot>) {
        // Whoever asked may have hung up meanwhile, which is their own matter.
        let _ = self.reply.send(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_loop_answers() {
        let (source, mut requests) = snapshot_channel();
        let answering = async {
            let request = requests.recv().await.expect("a question");
            request.answer(Arc::new(Snapshot { monotonic_ns: 7, ..Snapshot::default() }));
        };
        let (snapshot, ()) = tokio::join!(source.fresh(), answering);
        assert_eq!(snapshot.expect("answered").monotonic_ns, 7);
    }

    #[tokio::test]
    async fn a_loop_that_ended_is_said_to_stop() {
        let (source, requests) = snapshot_channel();
        drop(requests);
        assert_eq!(source.fresh().await, Err(Unavailable::Stopping));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_not_waited_for_forever() {
        let (source, _requests) = snapshot_channel();
        assert_eq!(source.fresh().await, Err(Unavailable::Silent));
    }
}
