//! `weir doctor`: what this node's kernel and permissions allow.
//!
//! The checks are made where the kernel is known; here they are shown.

use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;

use crate::{command::Format, output};

/// Something that Weir needs or can make use of, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked for: `fq`, `CAP_BPF`, `BTF`.
    pub name: String,
    /// Whether it is there.
    pub status: Status,
    /// What was found: `kernel 6.12.0`, `no module sch_fq`.
    pub detail: String,
    /// What does not work without it; empty where nothing is lost.
    pub lost: String,
    /// What to do about it; empty where there is nothing to do.
    pub remedy: String,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is there.
    Ok,
    /// It is not, and Weir goes on with less.
    Degraded,
    /// It is not, and Weir cannot work.
    Missing,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Missing => "MISSING",
        }
    }
}

/// Prints the checks. The exit code is 1 if something is missing that Weir cannot do without.
pub fn report(checks: &[Check], format: Format) -> anyhow::Result<ExitCode> {
    output::print(&match format {
        Format::Table => render(checks),
        Format::Json => output::json(&checks)?,
    })?;
    Ok(exit_code(checks))
}

fn exit_code(checks: &[Check]) -> ExitCode {
    if worst(checks) == Status::Missing { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn worst(checks: &[Check]) -> Status {
    checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
}

/// The checks as a table, what is lost with each that failed, and a verdict.
#[must_use]
pub fn render(checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| [check.name.clone(), check.status.word().to_owned(), check.detail.clone()]);
    let mut page = output::table(["CHECK", "STATUS", "FOUND"], &[], rows);
    for check in checks.iter().filter(|check| check.status != Status::Ok) {
        let _ = writeln!(page, "\n{} ({})", check.name, check.status.word());
        for (name, text) in [("lost", &check.lost), ("remedy", &check.remedy)] {
            if !text.is_empty() {
                let _ = writeln!(page, "  {name:<7} {text}");
            }
        }
    }
    page.push('\n');
    page.push_str(match worst(checks) {
        Status::Ok => "Weir has all it needs on this node.\n",
        Status::Degraded => "Weir works on this node, without what is listed above.\n",
        Status::Missing => "Weir cannot work on this node until what is MISSING is there.\n",
    });
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, status: Status, [detail, lost, remedy]: [&str; 3]) -> Check {
        Check {
            name: name.to_owned(),
            status,
            detail: detail.to_owned(),
            lost: lost.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    fn checks() -> Vec<Check> {
        vec![
            check("BTF", Status::Ok, ["/sys/kernel/btf/vmlinux", "", ""]),
            check(
                "fq",
                Status::Degraded,
                ["no module sch_fq", "packets cannot wait: what is over a ceiling is dropped", "install sch_fq"],
            ),
            check("CAP_BPF", Status::Missing, ["not held", "no program can be loaded", "run as root"]),
        ]
    }

    #[test]
    fn each_thing_that_lacks_says_what_is_lost() {
        insta::assert_snapshot!(render(&checks()));
    }

    #[test]
    fn the_verdict_is_that_of_the_worst_check() {
        let mut checks = checks();
        assert_eq!(exit_code(&checks), ExitCode::FAILURE);
        checks.pop();
        assert_eq!(exit_code(&checks), ExitCode::SUCCESS);
        assert!(render(&checks).ends_with("without what is listed above.\n"));
        checks.pop();
        assert!(render(&checks).ends_with("Weir has all it needs on this node.\n"));
    }

    #[test]
    fn json_has_one_word_for_each_status() {
        let text = output::json(&checks()).expect("serializable");
        for word in ["\"ok\"", "\"degraded\"", "\"missing\""] {
            assert!(text.contains(word), "{text}");
        }
    }
}
