//! The task that takes the lease and renews it.
//!
//! It is a task of its own because who folds may wait long for the API server, and must not lose the lease by that. Like
//! client-go, it cannot keep a write that is under way from arriving late; so a write begins only while the lease is
//! ours, and ends before others may take it ([`Held::left`]).

use std::time::{Duration, Instant};

use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Complaint, Connection, briefly,
    lease::{DURATION, Election},
    write,
};
use crate::kube::{access::Access, retry::Retry};

/// How often the holder says that it is there.
const RENEW: Duration = Duration::from_secs(5);
/// How long the holder believes that it is, without having been able to say so. Shorter than [`DURATION`].
const BELIEF: Duration = Duration::from_secs(10);
/// How often the others look. One look and the duration are the time without a holder.
const LOOK: Duration = Duration::from_secs(10);

/// Says whether the lease is held by this agent, to whoever writes in its name.
#[derive(Clone, Debug)]
pub(super) struct Held(watch::Receiver<Option<Instant>>);

impl Held {
    /// Whether the lease is ours.
    pub(super) fn is_ours(&self, now: Instant) -> bool {
        is_ours(*self.0.borrow(), now)
    }

    /// How long others wait at least before they take it.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let renewed = *self.0.borrow();
        renewed.map_or(Duration::ZERO, |renewed| DURATION.saturating_sub(now.saturating_duration_since(renewed)))
    }

    /// Waits until the lease is ours.
    pub(super) async fn taken(&mut self) {
        if self.0.wait_for(|renewed| is_ours(*renewed, Instant::now())).await.is_err() {
            // Whoever supervises the task of the election ends everything.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the lease is not ours any more.
    pub(super) async fn lost(&mut self) {
        loop {
            let renewed = *self.0.borrow_and_update();
            let Some(renewed) = renewed.filter(|renewed| is_ours(Some(*renewed), Instant::now())) else { return };
            tokio::select! {
                changed = self.0.changed() => if changed.is_err() { return },
                () = sleep_until((renewed + BELIEF).into()) => {}
            }
        }
    }
}

fn is_ours(renewed: Option<Instant>, now: Instant) -> bool {
    renewed.is_some_and(|renewed| now.saturating_duration_since(renewed) < BELIEF)
}

/// The task of one candidate.
pub(super) struct Candidate {
    connection: Connection,
    election: Election,
    /// When we last wrote the lease.
    renewed: watch::Sender<Option<Instant>>,
}

impl Candidate {
    pub(super) fn new(access: Access, node: &str) -> (Self, Held) {
        let (renewed, held) = watch::channel(None);
        (Self { connection: Connection::by(access), election: Election::of(node), renewed }, Held(held))
    }

    /// Takes the lease where it can be had and renews it until `stop` is cancelled, then lets go of it.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut complaint, mut retry) = (Complaint::default(), Retry::default());
        while !stop.is_cancelled() {
            let looked = tokio::select! {
                () = stop.cancelled() => break,
                looked = self.look() => looked,
            };
            let wait = match looked {
                Ok(()) => {
                    complaint.settled();
                    retry = Retry::default();
                    if self.election.renewed.is_some() { RENEW } else { LOOK }
                }
                Err(error) => {
                    complaint.about("look at the lease", &error);
                    self.connection.forget();
                    retry.next().unwrap_or(LOOK)
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
        // Nobody writes in its name from here on.
        self.renewed.send_replace(None);
        if let Ok(client) = self.connection.client().await {
            let _ = briefly(self.election.release(&client)).await;
        }
        Ok(())
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let client = self.connection.client().await?;
        let looked = write::answer(self.election.look(&client)).await;
        self.renewed.send_replace(self.election.renewed);
        looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_holder_does_not_believe_for_longer_than_the_others_wait() {
        let (renewed, held) = watch::channel(None);
        let (mut held, now) = (Held(held), Instant::now());
        assert!(!held.is_ours(now) && held.left(now).is_zero());
        renewed.send_replace(Some(now));
        held.taken().await;
        assert!(held.is_ours(now + RENEW) && !held.is_ours(now + BELIEF));
        // What it began to write while it believed has to end before others may begin.
        assert_eq!(held.left(now + BELIEF) + BELIEF, DURATION);
        assert!(BELIEF < DURATION && RENEW < BELIEF);
        renewed.send_replace(None);
        held.lost().await;
        renewed.send_replace(now.checked_sub(BELIEF));
        held.lost().await;
    }
}
