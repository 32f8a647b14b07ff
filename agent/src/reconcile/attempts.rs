//! Applies a plan change by change, so that one that fails keeps no other from its turn.

use std::time::{Duration, Instant};

use weir_core::plan::Change;

/// A change that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) change: Change,
    pub(super) error: String,
}

/// What became of the changes of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    /// Changes that were tried now.
    pub(super) tried: usize,
    /// Changes that have not been tried yet, for want of time.
    pub(super) left: usize,
    /// Those that failed, now or, where they were not tried again, before.
    pub(super) failed: Vec<Failed>,
}

/// Applies `changes` in their order until `time` has passed, and leaves the rest. Those that failed `before` are not
/// tried again: a round that finishes what another began must come to an end.
pub(super) fn attempt(
    changes: &[Change],
    before: &[Failed],
    time: Duration,
    mut apply: impl FnMut(&Change) -> Result<(), String>,
) -> Attempts {
    let start = Instant::now();
    let mut attempts = Attempts::default();
    for change in changes {
        if let Some(failed) = before.iter().find(|failed| failed.change == *change) {
            attempts.failed.push(failed.clone());
            continue;
        }
        if start.elapsed() >= time {
            attempts.left += 1;
            continue;
        }
        attempts.tried += 1;
        if let Err(error) = apply(change) {
            attempts.failed.push(Failed { change: change.clone(), error });
        }
    }
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<Change> {
        (1..=4).map(Change::RemovePod).collect()
    }

    /// Applies in rounds that have time for one change each, until nothing is left. The first change always fails.
    fn in_rounds(changes: &[Change]) -> (Vec<Change>, Vec<Failed>) {
        let (mut applied, mut failed, mut rounds) = (Vec::new(), Vec::new(), 0);
        loop {
            let waiting: Vec<Change> = changes.iter().filter(|change| !applied.contains(*change)).cloned().collect();
            let attempts = attempt(&waiting, &failed, Duration::from_millis(1), |change| {
                std::thread::sleep(Duration::from_millis(2));
                if *change == changes[0] {
                    return Err("no room".to_owned());
                }
                applied.push(change.clone());
                Ok(())
            });
            failed = attempts.failed;
            rounds += 1;
            if attempts.left == 0 {
                return (applied, failed);
            }
            assert!(rounds < 10, "the rounds come to no end");
        }
    }

    #[test]
    fn a_change_that_always_fails_keeps_no_other_from_its_turn() {
        let changes = changes();
        let (applied, failed) = in_rounds(&changes);
        assert_eq!(applied, changes[1..]);
        assert_eq!(failed, [Failed { change: changes[0].clone(), error: "no room".to_owned() }]);
    }

    #[test]
    fn all_are_tried_where_there_is_time() {
        let attempts = attempt(&changes(), &[], Duration::MAX, |_| Err("no".to_owned()));
        assert_eq!((attempts.tried, attempts.left, attempts.failed.len()), (4, 0, 4));
    }
}
