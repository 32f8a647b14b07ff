//! Whether the API server answers, and for which kinds it does not. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{known::Kind, retry::LONGEST};

/// A watch that fails is tried again within this; one that has been silent for longer after a failure works.
const TRIED_AGAIN: Duration = LONGEST.saturating_mul(3);

/// What fails now.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    since: Option<Instant>,
    failing: BTreeMap<Kind, Failure>,
    /// Why it does not answer at all.
    silent: Option<String>,
}

#[derive(Clone, Debug)]
struct Failure {
    last: Instant,
    message: String,
}

impl Reach {
    /// A list or watch failed. Whether that, or the reason for it, is news.
    pub(super) fn failed(&mut self, kind: Kind, message: &str, now: Instant) -> bool {
        self.since.get_or_insert(now);
        let before = self.failing.insert(kind, Failure { last: now, message: message.to_owned() });
        before.is_none_or(|before| before.message != message)
    }

    /// A list or watch said something.
    pub(super) fn spoke(&mut self, kind: Kind) {
        self.failing.remove(&kind);
        self.recover();
    }

    /// It answered a question that has nothing to do with the watches.
    pub(super) fn answered(&mut self, now: Instant) {
        self.silent = None;
        self.failing.retain(|_, failure| now.saturating_duration_since(failure.last) < TRIED_AGAIN);
        self.recover();
    }

    /// It did not answer. Whether that is news.
    pub(super) fn silent(&mut self, message: String, now: Instant) -> bool {
        self.since.get_or_insert(now);
        self.silent.replace(message).is_none()
    }

    fn recover(&mut self) {
        if self.failing.is_empty() && self.silent.is_none() {
            self.since = None;
        }
    }

    /// Whether it did not answer when it was asked last.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.is_some()
    }

    /// Since when what is known may be old; none while all is well.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// What fails, by the kind's name, or the whole API server's.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let silent = self.silent.iter().map(|message| ("API server", message.as_str()));
        silent.chain(self.failing.iter().map(|(kind, failure)| (kind.name(), failure.message.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staleness_counts_from_the_first_failure_to_the_last_recovery() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reach = Reach::default();
        assert!(reach.failed(Kind::Pods, "refused", at(1)));
        assert!(!reach.failed(Kind::Pods, "refused", at(2)));
        assert!(reach.failed(Kind::Pods, "forbidden", at(3)));
        reach.failed(Kind::Tiers, "refused", at(3));
        reach.spoke(Kind::Pods);
        assert_eq!(reach.since(), Some(at(1)));
        reach.spoke(Kind::Tiers);
        assert_eq!(reach.since(), None);
    }

    #[test]
    fn a_watch_that_resumed_in_silence_counts_as_well_after_a_while() {
        let start = Instant::now();
        let mut reach = Reach::default();
        reach.failed(Kind::Node, "refused", start);
        reach.answered(start + Duration::from_secs(1));
        assert_eq!(reach.since(), Some(start), "it may not have been tried again yet");
        reach.answered(start + TRIED_AGAIN);
        assert_eq!(reach.since(), None);
    }

    #[test]
    fn an_api_server_that_does_not_answer_is_named() {
        let now = Instant::now();
        let mut reach = Reach::default();
        assert!(reach.silent("timed out".to_owned(), now));
        assert!(!reach.silent("timed out".to_owned(), now));
        assert_eq!(reach.failures().collect::<Vec<_>>(), [("API server", "timed out")]);
        reach.answered(now);
        assert_eq!((reach.since(), reach.failures().count()), (None, 0));
    }
}
