//! Counting tests by what the test harness prints.

/// How many tests passed, failed and were ignored, and what went wrong outside of a test.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
    notes: Vec<String>,
}

impl Tally {
    /// Reads a line of a test program's output; only `test result:` lines count.
    pub fn read(&mut self, line: &str) {
        // The harness may have written to the same line before.
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        for part in counts.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u32>().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse::<u32>().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse::<u32>().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// Counts one failure that no test reported.
    pub fn fail(&mut self, note: String) {
        self.failed += 1;
        self.notes.push(note);
    }

    /// Adds the counts of another; its notes stay where they are.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// Nothing passed and nothing failed.
    pub fn is_empty(&self) -> bool {
        self.passed == 0 && self.failed == 0
    }

    /// Tests that passed.
    pub fn passed(&self) -> u32 {
        self.passed
    }

    /// Tests that failed, and whatever else went wrong.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// Tests that the harness was told to leave out.
    pub fn ignored(&self) -> u32 {
        self.ignored
    }

    /// What went wrong outside of a test.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn counts_result_lines_only() {
        let mut tally = Tally::default();
        tally.read("running 5 tests");
        tally.read("test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s");
        tally.read("x test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.read("99 passed; 99 failed");
        assert_eq!((tally.passed(), tally.failed(), tally.ignored()), (5, 2, 1));
    }

    #[test]
    fn a_failure_outside_of_tests_counts() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        tally.fail("it burnt".to_owned());
        assert!(!tally.is_empty());
        assert_eq!((tally.failed(), tally.notes()), (1, &["it burnt".to_owned()][..]));
    }
}
