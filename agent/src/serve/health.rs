//! Whether the agent lives, and whether it has tried to put the policy in force.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The loop's sign of life and whether it has tried to enforce the policy. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Health(Arc<State>);

#[derive(Debug)]
struct State {
    start: Instant,
    /// Milliseconds from the start to the last beat.
    last_beat: AtomicU64,
    longest_silence: Duration,
    tried: AtomicBool,
    /// What failed when the policy was enforced last.
    failed: Mutex<Option<String>>,
}

/// Why the agent is not well, for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwell {
    /// The loop has not beaten for too long.
    #[error(
        "the reconcile loop has given no sign of life for {} s, at most {} s are expected",
        silence.as_secs(), longest.as_secs()
    )]
    Silent {
        /// Since the last beat.
        silence: Duration,
        /// What is expected.
        longest: Duration,
    },
    /// The policy has not been enforced since the start.
    #[error("the policy has not been enforced yet")]
    NotEnforced,
}

impl Health {
    /// A loop that beats at least every `longest_silence`. Being started counts as its first beat.
    #[must_use]
    pub fn new(longest_silence: Duration) -> Self {
        Self(Arc::new(State {
            start: Instant::now(),
            last_beat: AtomicU64::new(0),
            longest_silence,
            tried: AtomicBool::new(false),
            failed: Mutex::default(),
        }))
    }

    /// The loop is alive.
    pub fn beat(&self) {
        self.0.last_beat.store(self.since_start(), Ordering::Relaxed);
    }

    /// A round has tried every change that limits traffic, and some of them `failed`. What is in force stays in the
    /// kernel whatever becomes of the agent, and one object that cannot be enforced is a matter of that object, so
    /// this is never taken back.
    pub fn policy_tried(&self, failed: Option<String>) {
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        self.0.tried.store(true, Ordering::Relaxed);
    }

    /// For `/healthz`: the loop is alive.
    pub fn live(&self) -> Result<(), Unwell> {
        let silence = self.since_start().saturating_sub(self.0.last_beat.load(Ordering::Relaxed));
        let silence = Duration::from_millis(silence);
        if silence > self.0.longest_silence {
            return Err(Unwell::Silent { silence, longest: self.0.longest_silence });
        }
        Ok(())
    }

    /// For `/readyz`: every change has been tried at least once. Returns what failed the last time.
    pub fn ready(&self) -> Result<Option<String>, Unwell> {
        if !self.0.tried.load(Ordering::Relaxed) {
            return Err(Unwell::NotEnforced);
        }
        Ok(self.0.failed.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn since_start(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_alive_as_long_as_it_beats() {
        let health = Health::new(Duration::from_secs(10));
        assert_eq!(health.live(), Ok(()));
        tokio::time::advance(Duration::from_secs(11)).await;
        let silent = health.live().expect_err("no beat for 11 s");
        assert_eq!(
            silent.to_string(),
            "the reconcile loop has given no sign of life for 11 s, at most 10 s are expected"
        );
        health.clone().beat();
        assert_eq!(health.live(), Ok(()));
    }

    #[tokio::test]
    async fn ready_once_the_policy_was_tried() {
        let health = Health::new(Duration::from_secs(10));
        assert_eq!(health.ready(), Err(Unwell::NotEnforced));
        health.policy_tried(Some("the map is full".to_owned()));
        assert_eq!(health.ready(), Ok(Some("the map is full".to_owned())));
        health.policy_tried(None);
        assert_eq!(health.ready(), Ok(None));
    }
}
