//! `weir cleanup`: what was taken out of the kernel.
//!
//! The work is done where the kernel is known; here it is shown.

use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;

use crate::{command::Format, output};

/// One thing that cleanup dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// What was done: `detach program`, `restore qdisc`, `remove pin`.
    pub what: String,
    /// To what: `uplink_tx on eth0`, `eth0: fq_codel`.
    pub target: String,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How an action went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "why")]
pub enum Outcome {
    /// It was done.
    Done,
    /// Not needed, with the reason: `the interface is gone`.
    Skipped(String),
    /// It could not be done, with the reason.
    Failed(String),
}

/// Prints what was done. The exit code is 1 if something is left.
pub fn report(actions: &[Action], format: Format) -> anyhow::Result<ExitCode> {
    output::print(&match format {
        Format::Table => render(actions),
        Format::Json => output::json(&actions)?,
    })?;
    Ok(if failures(actions) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn failures(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action.outcome, Outcome::Failed(_))).count()
}

/// The actions as a list and a sentence.
#[must_use]
pub fn render(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "Nothing of Weir was in the kernel: nothing was changed.\n".to_owned();
    }
    let rows = actions.iter().map(|action| {
        let (outcome, why) = match &action.outcome {
            Outcome::Done => ("done", ""),
            Outcome::Skipped(why) => ("skipped", why.as_str()),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
        };
        [action.what.clone(), action.target.clone(), outcome.to_owned(), why.to_owned()]
    });
    let mut page = output::table(["ACTION", "OF", "OUTCOME", "WHY"], &[], rows);
    page.push('\n');
    match failures(actions) {
        0 => page.push_str("Nothing of Weir is left in the kernel.\n"),
        failed => {
            let _ =
                writeln!(page, "{failed} of {} are left: mend what is said above and run this again.", actions.len());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(what: &str, target: &str, outcome: Outcome) -> Action {
        Action { what: what.to_owned(), target: target.to_owned(), outcome }
    }

    #[test]
    fn what_was_done() {
        insta::assert_snapshot!(render(&[
            action("detach program", "uplink_tx on eth0", Outcome::Done),
            action("restore qdisc", "eth0: fq_codel", Outcome::Done),
            action("restore qdisc", "eth1: mq", Outcome::Skipped("the interface is gone".to_owned())),
        ]));
    }

    #[test]
    fn what_could_not_be_done_is_left() {
        let actions =
            [action("remove pin", "/sys/fs/bpf/weir/v1", Outcome::Failed("operation not permitted".to_owned()))];
        let page = render(&actions);
        assert!(page.contains("FAILED") && page.contains("operation not permitted"), "{page}");
        assert!(page.ends_with("1 of 1 are left: mend what is said above and run this again.\n"), "{page}");
        assert_eq!(report(&actions, Format::Table).expect("printed"), ExitCode::FAILURE);
        let json = output::json(&actions).expect("serializable");
        assert!(json.contains("\"outcome\": \"failed\""), "{json}");
    }

    #[test]
    fn nothing_to_do() {
        assert_eq!(render(&[]), "Nothing of Weir was in the kernel: nothing was changed.\n");
    }
}
