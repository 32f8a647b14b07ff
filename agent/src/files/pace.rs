//! When to look at the folder again, and which files are still being written. Pure: time comes in.
//!
//! A writer opens a file, writes, and closes it; what stands in the file between is half of something. So a file that
//! was written to counts as soon as it is closed, or, where nobody closes it, once nothing was written for a moment.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// From the first change to the look at the folder, so that changes made together are seen together.
const GATHER: Duration = Duration::from_millis(4);
/// How long a file that is open for writing has to rest before it counts.
const REST: Duration = Duration::from_millis(50);
/// How long a file has to be gone before its objects go. Editors move the old file away and then write the new one.
const GONE: Duration = Duration::from_millis(50);
/// Between looks at a folder where nothing seems to happen: changes behind symbolic links, and lost events.
const SLOW: Duration = Duration::from_secs(30);
/// Between looks at a folder that cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// What happened in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A file was opened anew or written to, and not yet closed.
    Writing(String),
    /// A file is complete: closed after writing, moved here, or its permissions changed.
    Complete(String),
    /// Anything may be different.
    Anything,
}

/// Says when to look again.
#[derive(Debug)]
pub(super) struct Pace {
    look_at: Instant,
    writing: BTreeMap<String, Instant>,
    gone: BTreeMap<String, Instant>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { look_at: now + SLOW, writing: BTreeMap::new(), gone: BTreeMap::new() }
    }

    pub(super) fn on_change(&mut self, change: Change, now: Instant) {
        match change {
            Change::Writing(file) => {
                self.writing.insert(file, now);
                self.look_by(now + REST);
            }
            Change::Complete(file) => {
                self.writing.remove(&file);
                self.look_by(now + GATHER);
            }
            Change::Anything => self.look_by(now + GATHER),
        }
    }

    /// When to look at the folder next.
    pub(super) fn next_look(&self) -> Instant {
        self.look_at
    }

    /// Whether a file is still being written, so that its last text counts.
    pub(super) fn is_writing(&self, file: &str, now: Instant) -> bool {
        self.writing.get(file).is_some_and(|last| now < *last + REST)
    }

    /// Whether a file that is missing may come back at once, so that its last text counts.
    pub(super) fn may_come_back(&mut self, file: &str, now: Instant) -> bool {
        let since = *self.gone.entry(file.to_owned()).or_insert(now);
        now < since + GONE
    }

    /// After a look: which of the missing files are still counted as there, and whether the folder could be read.
    pub(super) fn looked(&mut self, present: impl Fn(&str) -> bool, readable: bool, now: Instant) {
        self.writing.retain(|_, last| now < *last + REST);
        self.gone.retain(|file, since| !present(file) && now < *since + GONE);
        self.look_at = now + if readable { SLOW } else { RETRY };
        let deadlines = self.writing.values().map(|last| *last + REST);
        let deadlines: Vec<Instant> = deadlines.chain(self.gone.values().map(|since| *since + GONE)).collect();
        for deadline in deadlines {
            self.look_by(deadline);
        }
    }

    fn look_by(&mut self, deadline: Instant) {
        self.look_at = self.look_at.min(deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(file: &str) -> String {
        file.to_owned()
    }

    #[test]
    fn a_closed_file_counts_within_ten_milliseconds() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.next_look(), start + SLOW);
        pace.on_change(Change::Writing(name("a")), start);
        assert!(pace.is_writing("a", start));
        pace.on_change(Change::Complete(name("a")), start);
        assert!(!pace.is_writing("a", start));
        assert!(pace.next_look() <= start + Duration::from_millis(10));
    }

    #[test]
    fn more_changes_do_not_put_the_look_off() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for step in 0..100 {
            pace.on_change(Change::Anything, start + Duration::from_millis(step));
        }
        assert_eq!(pace.next_look(), start + GATHER);
    }

    #[test]
    fn a_file_that_nobody_closes_counts_once_it_rests() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.on_change(Change::Writing(name("a")), start);
        let later = start + Duration::from_millis(30);
        pace.on_change(Change::Writing(name("a")), later);
        pace.looked(|_| true, true, later);
        assert!(pace.is_writing("a", later + Duration::from_millis(49)));
        assert_eq!(pace.next_look(), later + REST);
        assert!(!pace.is_writing("a", later + REST));
    }

    #[test]
    fn a_missing_file_goes_after_a_moment_unless_it_comes_back() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.may_come_back("a", start));
        pace.looked(|_| false, true, start);
        assert_eq!(pace.next_look(), start + GONE);
        assert!(!pace.may_come_back("a", start + GONE));
        pace.looked(|_| false, true, start + GONE);
        assert_eq!(pace.next_look(), start + GONE + SLOW);

        assert!(pace.may_come_back("a", start));
        pace.looked(|_| true, true, start);
        assert!(pace.may_come_back("a", start + GONE), "its absence before counts no more");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_tried_again_soon() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.looked(|_| true, false, start);
        assert_eq!(pace.next_look(), start + RETRY);
    }
}
