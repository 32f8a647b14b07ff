//! The agent's tasks as one named set: the first that ends ends all.
//!
//! A task that is gone while the others go on leaves an agent that looks healthy and no longer does its work: a policy
//! that does not follow, metrics that nobody serves. So whatever ends before the agent is told to stop, by a panic, an
//! error or a plain return, stops the agent with an error that names it, and whoever started the agent starts it anew.

use std::{any::Any, collections::BTreeMap, future::Future, panic::AssertUnwindSafe, pin::pin, time::Duration};

use anyhow::anyhow;
use futures::FutureExt as _;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How long tasks may take to end once the agent stops: the deployment lets it be killed after 10 s.
const GRACE: Duration = Duration::from_secs(8);

/// Tasks that belong together.
#[derive(Debug)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    running: JoinSet<anyhow::Result<()>>,
    names: BTreeMap<Id, &'static str>,
    /// The first failure.
    failure: Option<anyhow::Error>,
}

impl Tasks {
    /// Makes an empty set. Its tasks are expected to end once `stop` is cancelled, and not before.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { stop, running: JoinSet::new(), names: BTreeMap::new(), failure: None }
    }

    /// Starts a task.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Runs until every task has ended.
    ///
    /// # Errors
    /// The first failure: a task that ended before it was told to, failed or panicked, or did not end in time.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        self.run_with("the main task", async move {
            stop.cancelled().await;
            Ok(())
        })
        .await
    }

    /// Likewise, with one more task that runs on the caller's own thread because it blocks.
    pub(crate) async fn run_with(
        mut self,
        name: &'static str,
        main: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        let mut main = pin!(AssertUnwindSafe(main).catch_unwind().fuse());
        let mut past_grace = pin!(async {
            stop.cancelled().await;
            sleep(GRACE).await;
        });
        let mut main_runs = true;
        while main_runs || !self.running.is_empty() {
            tokio::select! {
                // Others end because this one has; they are not what failed.
                biased;
                ended = &mut main, if main_runs => {
                    main_runs = false;
                    self.note(name, ended.map_err(|payload| message(payload.as_ref())));
                }
                Some(ended) = self.running.join_next_with_id() => self.note_task(ended),
                () = &mut past_grace => {
                    let main = main_runs.then_some(name);
                    let late: Vec<&str> = self.names.values().copied().chain(main).collect();
                    let late = anyhow!("still running {} s after the stop: {}", GRACE.as_secs(), late.join(", "));
                    self.failure.get_or_insert(late);
                    break;
                }
            }
        }
        self.failure.map_or(Ok(()), Err)
    }

    fn note_task(&mut self, ended: Result<(Id, anyhow::Result<()>), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (
                error.id(),
                Err(error.try_into_panic().map_or_else(|error| error.to_string(), |payload| message(payload.as_ref()))),
            ),
        };
        let name = self.names.remove(&id).unwrap_or("a task");
        self.note(name, outcome);
    }

    /// Notes how a task ended, and stops the others. `Err` holds a panic's message.
    fn note(&mut self, name: &str, outcome: Result<anyhow::Result<()>, String>) {
        let was_stopping = self.stop.is_cancelled();
        self.stop.cancel();
        let failure = match outcome {
            Ok(Ok(())) if was_stopping => return,
            Ok(Ok(())) => anyhow!("{name} ended by itself"),
            Ok(Err(failure)) => failure.context(format!("{name} failed")),
            Err(panic) => anyhow!("{name} panicked: {panic}"),
        };
        error!(error = format!("{failure:#}"), "the agent ends");
        self.failure.get_or_insert(failure);
    }
}

/// Returns what a panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// A set with a task that ends when it is told to, and one that does not wait for that.
    async fn run(hasty: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> String {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("the calm task", stop.clone().cancelled_owned().map(Ok));
        tasks.spawn("the hasty task", hasty);
        let error = tasks.run().await.expect_err("a task ended that was not told to");
        assert!(stop.is_cancelled());
        format!("{error:#}")
    }

    #[tokio::test]
    async fn the_first_that_ends_ends_all_and_is_named() {
        assert_eq!(run(async { Ok(()) }).await, "the hasty task ended by itself");
        assert_eq!(run(async { Err(anyhow!("no memory")) }).await, "the hasty task failed: no memory");
        assert_eq!(run(async { panic!("index {}", 7) }).await, "the hasty task panicked: index 7");
    }

    #[tokio::test]
    async fn the_main_task_is_one_of_them() {
        let tasks = Tasks::new(CancellationToken::new());
        let error = tasks.run_with("the loop", async { panic!("out of bounds") }).await.expect_err("it panicked");
        assert_eq!(error.to_string(), "the loop panicked: out of bounds");
    }

    #[tokio::test]
    async fn all_end_well_when_they_are_told_to() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("a task", stop.clone().cancelled_owned().map(Ok));
        stop.cancel();
        tasks.run().await.expect("nothing failed");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_end_is_not_waited_for_forever() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("the deaf task", pending());
        stop.cancel();
        let error = tasks.run().await.expect_err("it goes on").to_string();
        assert_eq!(error, "still running 8 s after the stop: the deaf task");
    }
}
